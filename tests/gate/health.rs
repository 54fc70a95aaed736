//! `findings-gate health`, asked of running gates and of what is none.

use crate::support::{
    gate::{Gate, Place, program},
    upstream::Upstream,
};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Output, Stdio},
    thread,
};

const ALLOW: &str = "@id(\"all\") permit (principal, action, resource);\n";

fn gate_at(admin: &str) -> (Gate, SocketAddr) {
    let upstream = Upstream::accepting();
    let place = Place::with_policies(&upstream.url(), ALLOW, &format!("[admin]\naddress = \"{admin}\"\n"));
    let gate = Gate::start(place);
    let address = admin_of(&gate);
    (gate, address)
}

fn admin_of(gate: &Gate) -> SocketAddr {
    let out = gate.wait_for_output(&["administered at http://"]);
    out.split_once("http://").unwrap().1.trim().parse().unwrap()
}

fn health(directory: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    program(directory).arg("health").args(arguments).envs(environment.iter().copied()).output().unwrap()
}

/// What it printed, where nothing is to be on the other stream.
#[track_caller]
fn ends(output: &Output, code: i32) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{out}{err}");
    let (told, silent) = if code == 0 { (out, err) } else { (err, out) };
    assert_eq!(silent, "");
    told.into_owned()
}

#[test]
fn a_gate_that_serves_is_ready_and_alive() {
    let (gate, admin) = gate_at("127.0.0.1:0");
    let here = tempfile::tempdir().unwrap();
    let address = admin.to_string();
    assert_eq!(ends(&health(here.path(), &["--address", &address], &[]), 0), "ready\n");
    assert_eq!(ends(&health(here.path(), &["--address", &address, "--live"], &[]), 0), "live\n");
    // As the gate's own environment says it, which wins over a file, and needs none.
    let variable = ("FINDINGS_GATE__ADMIN__ADDRESS", address.as_str());
    assert_eq!(ends(&health(here.path(), &[], &[variable]), 0), "ready\n");
    // The data port is no admin port, and its answer no sign of health.
    let told = ends(&health(here.path(), &["--address", &gate.address.to_string()], &[]), 1);
    assert!(told.contains("answered 403 to GET /ready") && told.contains("admin.address"), "{told}");
}

/// The address comes from the file, of which nothing else counts: the gate goes on with what it has while a file is being edited.
#[test]
fn the_configuration_says_where_to_ask() {
    let (gate, admin) = gate_at("0.0.0.0:0");
    let place = gate.place();
    let configured = |line: &str| {
        place.write("other.toml", &format!("{line}\n[polices]\npath = 7\n[[identity]]\nkind = \"none\"\n"));
        health(&place.path("."), &["--config", "other.toml"], &[])
    };
    let line = format!("admin.address = \"0.0.0.0:{}\"", admin.port());
    assert_eq!(ends(&configured(&line), 0), "ready\n");
    // The default name of the file.
    place.write("findings-gate.toml", &line);
    assert_eq!(ends(&health(&place.path("."), &[], &[]), 0), "ready\n");

    for (line, expected) in [
        ("", "`admin.address` is missing"),
        ("admin.address = \"127.0.0.1:0\"", "of which the gate chooses the port"),
        ("admin.address = \"localhost:8081\"", "other.toml:1:"),
        ("admin = [", "not valid TOML"),
    ] {
        let told = ends(&configured(line), 3);
        assert!(told.contains(expected), "`{expected}` is not in {told}");
    }
    let told = ends(&health(&place.path("."), &["--config", "none.toml"], &[]), 3);
    assert!(told.contains("none.toml"), "{told}");
    let wrong = ("FINDINGS_GATE__ADMIN__ADDRESS", "here");
    let told = ends(&health(&place.path("."), &[], &[wrong]), 3);
    assert!(told.contains("FINDINGS_GATE__ADMIN__ADDRESS"), "{told}");
}

/// A gate that stops is alive and takes no more requests.
#[test]
fn a_gate_that_stops_is_alive_and_not_ready() {
    let (gate, admin) = gate_at("127.0.0.1:0");
    let here = tempfile::tempdir().unwrap();
    let address = admin.to_string();
    // A request that is under way keeps the gate from ending.
    let mut busy = gate.connect();
    busy.send(b"PATCH /findings/batchupdate HTTP/1.1\r\nhost: x\r\n");
    gate.signal("TERM");
    gate.wait_until(|| !health(here.path(), &["--address", &address], &[]).status.success());
    let told = ends(&health(here.path(), &["--address", &address], &[]), 1);
    assert!(told.starts_with("not ready: ") && told.contains("stopping"), "{told}");
    assert_eq!(ends(&health(here.path(), &["--address", &address, "--live"], &[]), 0), "live\n");
    drop(busy);
    assert!(gate.ended().0.success());
    // And then nobody is there.
    let told = ends(&health(here.path(), &["--address", &address, "--live"], &[]), 1);
    assert!(told.contains(&address) && told.contains("refused"), "{told}");
}

#[test]
fn what_is_no_gate_is_not_healthy() {
    let here = tempfile::tempdir().unwrap();
    for (answer, expected) in [
        (&b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok\n"[..], "answered 200 to GET /ready"),
        (b"HTTP/1.1 503 x\r\ncontent-length: 4\r\n\r\nbusy", "answered 503 to GET /ready"),
        (b"ssh-2.0\r\n", "gave no answer"),
        // Nothing, for longer than one waits.
        (b"", "within 0.3 s"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            assert!(stream.read(&mut request).unwrap() > 0);
            stream.write_all(answer).unwrap();
            // One who says nothing stays until the other side is gone.
            if answer.is_empty() {
                drop(stream.read(&mut request));
            }
        });
        let told = ends(&health(here.path(), &["--address", &address, "--timeout", "300ms"], &[]), 1);
        assert!(told.contains(expected) && told.contains(&address), "`{expected}` is not in {told}");
        server.join().unwrap();
    }
}

/// Who starts a gate may wait for it: from before it is there until it is ready, and no longer than was said.
#[test]
fn one_can_wait_for_a_gate() {
    let here = tempfile::tempdir().unwrap();
    // Nobody has the port, and the gate that is started with it comes while somebody asks already.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let told = ends(&health(here.path(), &["--address", &address, "--wait", "200ms"], &[]), 1);
    assert!(told.contains("refused"), "{told}");
    let waiting = program(here.path())
        .args(["health", "--address", &address, "--wait", "1m"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (gate, _) = gate_at(&address);
    assert_eq!(ends(&waiting.wait_with_output().unwrap(), 0), "ready\n");
    drop(gate);
}

//! What whoever runs the gate asks it.

use crate::support::{
    client::Client,
    fleet::{PAYMENTS, good},
    gate::{Gate, Place},
    upstream::Upstream,
};
use serde_json::Value;
use std::net::SocketAddr;

const ALLOW: &str = "@id(\"all\") permit (principal, action, resource);\n";

fn gate(upstream: &Upstream) -> (Gate, SocketAddr) {
    let place = Place::with_policies(&upstream.url(), ALLOW, "[admin]\naddress = \"127.0.0.1:0\"\n");
    let gate = Gate::start(place);
    let out = gate.wait_for_output(&["administered at http://"]);
    let address = out.split_once("http://").unwrap().1.trim().parse().unwrap();
    (gate, address)
}

fn ask(address: SocketAddr, request: &str) -> (u16, String) {
    ask_as(address, request, &format!("host: {address}\r\n"))
}

fn ask_as(address: SocketAddr, request: &str, headers: &str) -> (u16, String) {
    let mut client = Client::connect(address);
    client.send(format!("{request} HTTP/1.1\r\n{headers}content-length: 0\r\n\r\n").as_bytes());
    let answer = client.read();
    (answer.status, String::from_utf8(answer.body).unwrap())
}

#[test]
fn the_gate_is_alive_and_ready_and_tells_what_it_decides_by() {
    let upstream = Upstream::accepting();
    let (gate, admin) = gate(&upstream);
    assert_eq!(ask(admin, "GET /live"), (200, "live\n".to_owned()));
    assert_eq!(ask(admin, "GET /ready"), (200, "ready\n".to_owned()));
    let (status, text) = ask(admin, "GET /status");
    let told: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (status, &told["ready"], &told["policies"], &told["accounts"]),
        (200, &true.into(), &1.into(), &3.into())
    );
    assert_eq!(told["reloads"], 0);
    assert!(told["sources"][0].as_str().unwrap().ends_with("policies"), "{told}");
    assert!(told["age_seconds"].as_u64().is_some_and(|age| age < 60), "{told}");
    for (request, status) in [
        ("POST /live", 405),
        ("GET /reload", 405),
        ("GET /", 404),
        ("GET /ready/", 404),
        ("PATCH /findings/batchupdate", 405),
    ] {
        assert_eq!(ask(admin, request).0, status, "{request}");
    }
    // Nothing of it is on the data port.
    for path in ["/live", "/ready", "/status", "/metrics"] {
        assert_eq!(ask(gate.address, &format!("GET {path}")).0, 403, "{path}");
    }
}

#[test]
fn a_reload_is_done_when_it_is_answered() {
    let upstream = Upstream::accepting();
    let (gate, admin) = gate(&upstream);
    let digest = || serde_json::from_str::<Value>(&ask(admin, "GET /status").1).unwrap();
    let before = digest();
    gate.place().write("policies/test.cedar", "@id(\"none\") forbid (principal, action, resource);");
    assert_eq!(ask(admin, "POST /reload"), (200, "reloaded\n".to_owned()));
    assert_eq!(gate.connect().update(&PAYMENTS, good("a")).unprocessed()[0].1, "AccessDenied");
    assert_ne!(digest()["digest"], before["digest"]);

    gate.place().write("policies/test.cedar", "@id(\"none\") forbid (principal, action, resurce);");
    let (status, told) = ask(admin, "POST /reload");
    assert_eq!(status, 409, "{told}");
    assert!(told.contains("policies/test.cedar:1:"), "{told}");
    assert!(digest()["last_error"].as_str().unwrap().contains("policies/test.cedar:1:"));
    gate.place().write("policies/test.cedar", ALLOW);
    assert_eq!(ask(admin, "POST /reload").0, 200);
    assert_eq!(digest()["last_error"], Value::Null);
    gate.goes_on();
}

/// A page's name may be made to lead to this machine; the kubelet and Prometheus may ask by any.
#[test]
fn nothing_is_shown_or_changed_by_a_name_that_dns_could_bring_here() {
    let upstream = Upstream::accepting();
    let (_gate, admin) = gate(&upstream);
    for request in ["GET /decisions", "POST /reload", "PUT /loglevel", "DELETE /loglevel"] {
        assert_eq!(ask_as(admin, request, "host: evil.example\r\n").0, 421, "{request}");
    }
    let (_, told) = ask_as(admin, "GET /decisions", "host: evil.example:8081\r\n");
    assert!(told.contains("IP address or `localhost`"), "{told}");
    for request in ["GET /live", "GET /ready", "GET /metrics", "GET /status", "GET /loglevel"] {
        assert_eq!(ask_as(admin, request, "host: gate.findings-gate.svc\r\n").0, 200, "{request}");
    }
    assert_eq!(ask_as(admin, "POST /reload", "host: localhost\r\n").0, 200);
}

#[test]
fn what_is_logged_can_be_changed_and_comes_back() {
    let upstream = Upstream::accepting();
    let (gate, admin) = gate(&upstream);
    let asked = |request: &str, body: &str| {
        let mut client = Client::connect(admin);
        client.send(
            format!("{request} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n{body}", body.len()).as_bytes(),
        );
        let answer = client.read();
        (answer.status, String::from_utf8(answer.body).unwrap())
    };
    let shown = |answer: (u16, String)| {
        assert_eq!(answer.0, 200, "{}", answer.1);
        serde_json::from_str::<Value>(&answer.1).unwrap()
    };
    let ordinary = || {
        assert_eq!(gate.connect().update(&PAYMENTS, good("f")).processed(), ["f"]);
        gate.log().matches("\"event\":\"request_served\"").count()
    };
    assert_eq!(shown(ask(admin, "GET /loglevel")), serde_json::json!({"level": "info", "configured": "info"}));
    assert_eq!(ordinary(), 0, "what is ordinary is not logged");
    for (request, body, told) in [
        ("PUT /loglevel", "debgu", "did you mean `debug`"),
        ("PUT /loglevel?for=ever", "debug", "expected a time"),
        ("PUT /loglevel?until=10m", "debug", "`?for=10m`"),
        ("PUT /loglevel", &"d".repeat(1025), "larger than 1024 bytes"),
    ] {
        let (status, text) = asked(request, body);
        assert!(status == 400 && text.contains(told), "{status} {text}");
    }
    let (status, _) = asked("PUT /loglevel HTTP/1.1\r\norigin: http://evil.example\r\nx: ", "debug");
    assert_eq!(status, 403);
    assert_eq!(shown(ask(admin, "GET /loglevel"))["level"], "info");

    assert_eq!(shown(asked("PUT /loglevel", "info,findings_gate::telemetry=debug"))["configured"], "info");
    gate.wait_until(|| ordinary() > 0);
    let until = shown(asked("POST /loglevel?for=300ms", "off"));
    assert!(until["until"].is_string(), "{until}");
    gate.wait_until(|| {
        shown(ask(admin, "GET /loglevel")) == serde_json::json!({"level": "info", "configured": "info"})
    });
    asked("PUT /loglevel?for=1h", "debug");
    assert_eq!(shown(ask(admin, "DELETE /loglevel"))["level"], "info");
    for why in ["asked", "reset"] {
        gate.wait_for_log(&["\"event\":\"log_level_changed\"", &format!("\"why\":\"{why}\"")]);
    }
    gate.goes_on();
}

#[test]
fn a_gate_that_stops_is_not_ready() {
    let upstream = Upstream::accepting();
    let (gate, admin) = gate(&upstream);
    // A request that is under way keeps the gate from ending.
    let mut busy = gate.connect();
    busy.send(b"PATCH /findings/batchupdate HTTP/1.1\r\nhost: x\r\n");
    gate.signal("TERM");
    gate.wait_until(|| ask(admin, "GET /ready").0 == 503);
    assert_eq!(ask(admin, "GET /live").0, 200);
    drop(busy);
    // A second signal does not wait for the grace to end.
    gate.signal("INT");
    let (status, _) = gate.ended();
    assert!(status.success());
}

#[test]
fn what_was_counted_is_there_to_be_read_and_stays_over_a_reload() {
    let upstream = Upstream::accepting();
    let (gate, admin) = gate(&upstream);
    for _ in 0..2 {
        assert_eq!(gate.connect().update(&PAYMENTS, good("f")).processed(), ["f"]);
        assert_eq!(ask(gate.address, "GET /nothing").0, 403);
        assert_eq!(ask(admin, "POST /reload").0, 200);
    }
    let (status, text) = ask(admin, "GET /metrics");
    assert_eq!(status, 200);
    for line in [
        "# TYPE findings_gate_requests counter",
        r#"findings_gate_requests_total{operation="BatchUpdateFindings",role="member",status="200"} 2"#,
        r#"findings_gate_requests_total{operation="none",role="none",status="403"} 2"#,
        r#"findings_gate_upstream_calls_total{region="eu-west-1",operation="BatchUpdateFindings",outcome="success"} 2"#,
        r#"findings_gate_breaker_state{region="eu-west-1"} 0"#,
        r#"findings_gate_policy_decisions_total{policy="all",role="member",verdict="allowed",enforcement="none"} 2"#,
    ] {
        assert!(text.lines().any(|written| written == line), "{line} is not in\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
    for secret in [PAYMENTS.account, PAYMENTS.id, "\"f\""] {
        assert!(!text.contains(secret), "{secret} in\n{text}");
    }
}

/// Signing with credentials that are not there: nothing would come of a request, so none is to be sent here.
#[test]
fn a_gate_that_cannot_sign_is_not_ready() {
    let upstream = Upstream::accepting();
    let place = Place::with_policies(&upstream.url(), ALLOW, "[admin]\naddress = \"127.0.0.1:0\"\n");
    place.edit("findings-gate.toml", "[upstream]", "[upstream]\nsign = \"gateway\"");
    let gate = Gate::start(place);
    let out = gate.wait_for_output(&["administered at http://"]);
    let admin = out.split_once("http://").unwrap().1.trim().parse().unwrap();
    let (status, told) = ask(admin, "GET /ready");
    assert_eq!(status, 503);
    assert!(told.contains("no credentials to sign with"), "{told}");
    gate.connect().update(&PAYMENTS, good("a")).is_error(503, "ServiceUnavailableException", "credentials");
    assert!(upstream.received().is_empty());
}

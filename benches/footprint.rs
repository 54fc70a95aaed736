//! What the program takes before it does anything: time from its start to the first answered request, and memory, idle and with a
//! thousand connections that are kept open. The program is the one that this profile builds, or the one that `FINDINGS_GATE` names.
//!
//! With other things to do, a machine shows longer times than the program takes; the CPU time, of all its threads, suffers little from that.
//!
//! Each connection has had one request answered before it idles. Memory is as Linux tells it, in `/proc/<pid>/status`: what is
//! resident in all, and of that what is the process's own (`RssAnon`), which is without the program's text and libraries.
#![expect(clippy::print_stdout, reason = "its tables are what it is for")]

mod support {
    mod effort;
    pub(crate) use effort::Effort;
}

use findings_gate::net;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use std::{
    env,
    ffi::OsString,
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};
use support::Effort;

const ACCOUNT: &str = "111111111111";

/// As long as any answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// How callers connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Plaintext,
    Tls,
}

const WAYS: [(Way, &str); 2] = [(Way::Plaintext, "plaintext"), (Way::Tls, "TLS 1.3")];

/// A directory with a configuration for each way.
struct Place {
    folder: tempfile::TempDir,
    client: Arc<ClientConfig>,
}

impl Place {
    fn new() -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let folder = tempfile::tempdir().expect("a directory");
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).expect("a file");
            private(&path);
        };
        write("tls.crt", &cert.pem());
        write("tls.key", &signing_key.serialize_pem());
        write("accounts.toml", &format!("administrator = \"{ACCOUNT}\"\n"));
        for (way, _) in WAYS {
            let tls = if way == Way::Tls { "tls = { certificate = \"tls.crt\", key = \"tls.key\" }\n" } else { "" };
            let configuration = format!(
                "[listen]\naddress = \"127.0.0.1:0\"\n{tls}\
                 [policies]\npath = [\"pack:baseline\"]\n\
                 [accounts]\nfile = \"accounts.toml\"\n\
                 [[identity]]\nkind = \"fixed\"\naccount = \"{ACCOUNT}\"\nprincipal = \"arn:aws:iam::{ACCOUNT}:role/security\"\n\
                 [upstream]\nurl = \"embedded\"\nregion = \"eu-west-1\"\n\
                 [limits]\nidle_timeout = \"1h\"\nconnections = 2000\n\
                 [log]\nlevel = \"warn\"\n"
            );
            write(&format!("{way:?}.toml"), &configuration);
        }
        let authorities = net::authorities(Some(cert.pem().as_bytes())).expect("a certificate");
        Self { folder, client: Arc::new(net::tls(authorities).expect("a client")) }
    }

    /// Starts the program, and tells where it listens once it says so.
    fn start(&self, way: Way) -> Gate {
        let program =
            env::var_os("FINDINGS_GATE").unwrap_or_else(|| OsString::from(env!("CARGO_BIN_EXE_findings-gate")));
        let mut command = Command::new(program);
        command.args(["serve", "--config", &format!("{way:?}.toml")]).current_dir(self.folder.path()).env_clear();
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("the program starts");
        let mut gate = Gate { child, address: ([127, 0, 0, 1], 0).into() };
        let mut line = String::new();
        let mut out = BufReader::new(gate.child.stdout.take().expect("it is a pipe"));
        out.read_line(&mut line).expect("the program says where it listens");
        let address = line.trim().rsplit_once("//").map(|(_, address)| address.parse());
        gate.address = address.unwrap_or_else(|| panic!("the program ended")).expect("an address");
        gate
    }

    fn connect(&self, gate: &Gate, way: Way) -> Box<dyn Wire> {
        let stream = TcpStream::connect(gate.address).expect("the gate accepts");
        stream.set_read_timeout(Some(PATIENCE)).expect("a TCP socket");
        stream.set_nodelay(true).expect("a TCP socket");
        if way == Way::Plaintext {
            return Box::new(stream);
        }
        let name = "localhost".try_into().expect("a name");
        let tls = ClientConnection::new(Arc::clone(&self.client), name).expect("a client");
        Box::new(StreamOwned::new(tls, stream))
    }
}

/// The key must be nobody else's to read.
fn private(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("a file of ours");
}

trait Wire: Read + Write {}

impl<T: Read + Write> Wire for T {}

/// A running gate, which ends with this value.
struct Gate {
    child: Child,
    address: SocketAddr,
}

impl Drop for Gate {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Sends a request for an update and reads the answer, which must be 200.
fn ask(wire: &mut dyn Wire) -> io::Result<()> {
    let finding = format!(
        "{{\"Id\":\"f\",\"ProductArn\":\"arn:aws:securityhub:eu-west-1:{ACCOUNT}:product/{ACCOUNT}/default\"}}"
    );
    let body = format!("{{\"FindingIdentifiers\":[{finding}],\"Workflow\":{{\"Status\":\"NOTIFIED\"}}}}");
    let length = body.len();
    let head = "PATCH /findings/batchupdate HTTP/1.1\r\nhost: gate\r\ncontent-type: application/json\r\n";
    wire.write_all(format!("{head}content-length: {length}\r\n\r\n{body}").as_bytes())?;
    wire.flush()?;
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    // The embedded backend has no such finding, which ends the body.
    while !answer.ends_with(b"}]}") {
        match wire.read(&mut piece)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => answer.extend_from_slice(&piece[..read]),
        }
    }
    assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
    Ok(())
}

/// Memory in KiB: resident, and of that the process's own. Nothing where the system does not tell.
fn memory(gate: &Gate) -> Option<(u64, u64)> {
    let status = fs::read_to_string(format!("/proc/{}/status", gate.child.id())).ok()?;
    let of = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line?.trim().strip_suffix(" kB")?.parse().ok()
    };
    Some((of("VmRSS")?, of("RssAnon")?))
}

fn main() {
    let effort = Effort::from_args();
    let place = Place::new();
    if effort.wants("start") {
        start(&effort, &place);
    }
    if effort.wants("memory") {
        memories(&effort, &place);
    }
}

/// CPU time that all threads of a gate took so far, where the system tells it.
fn cpu(gate: &Gate) -> Option<Duration> {
    let tasks = fs::read_dir(format!("/proc/{}/task", gate.child.id())).ok()?;
    let times = tasks.map(|task| {
        let times = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        times.split(' ').next()?.parse().ok().map(Duration::from_nanos)
    });
    times.sum()
}

fn start(effort: &Effort, place: &Place) {
    let rounds = effort.pick(1, 10, 50);
    let heads = ["median ms", "worst ms", "CPU ms"].map(|head| format!("{head:>12}")).concat();
    println!("\n{:<44}{heads}", format!("from start to first answer, {rounds} starts"));
    for (way, name) in WAYS {
        let (mut times, mut cpus) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            let began = Instant::now();
            let gate = place.start(way);
            ask(&mut *place.connect(&gate, way)).expect("an answer");
            times.push(began.elapsed());
            cpus.extend(cpu(&gate));
        }
        times.sort();
        cpus.sort();
        let millis =
            |time: Option<&Duration>| time.map_or("-".to_owned(), |time| format!("{:.1}", time.as_secs_f64() * 1e3));
        let middle = |times: &[Duration]| millis(times.get(times.len() / 2));
        println!("  {name:<42}{:>12}{:>12}{:>12}", middle(&times), millis(times.last()), middle(&cpus));
    }
}

fn memories(effort: &Effort, place: &Place) {
    let connections = effort.pick(10, 1000, 1000);
    println!("\n{:<44}{:>12}{:>12}", "memory, KiB", "resident", "its own");
    for (way, name) in WAYS {
        let gate = place.start(way);
        ask(&mut *place.connect(&gate, way)).expect("an answer");
        let idle = memory(&gate);
        let mut kept = Vec::new();
        for _ in 0..connections {
            let mut wire = place.connect(&gate, way);
            ask(&mut *wire).expect("an answer; one process may need more open files, see `ulimit -n`");
            kept.push(wire);
        }
        let (Some(idle), Some(full)) = (idle, memory(&gate)) else {
            println!("  {name}: this system does not tell");
            continue;
        };
        let row = |what: String, resident: u64, own: u64| println!("  {what:<42}{resident:>12}{own:>12}");
        row(format!("{name}, idle"), idle.0, idle.1);
        row(format!("{name}, {connections} idle connections"), full.0, full.1);
        let each = |full: u64, idle: u64| full.saturating_sub(idle) / connections;
        row(format!("{name}, one of them"), each(full.0, idle.0), each(full.1, idle.1));
    }
}

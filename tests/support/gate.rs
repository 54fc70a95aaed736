//! The gate as a process: its files, its start, what it logs, and its end.

use super::{PATIENCE, Watched, client::Client, fleet};
use std::{
    ffi::OsStr,
    fs,
    io::{BufRead, BufReader, Read},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
};
use tempfile::TempDir;

/// A directory with a configuration and all that it names.
#[derive(Debug)]
pub(crate) struct Place(TempDir);

impl Place {
    /// A configuration for the fleet, with the baseline, in front of `upstream`. `more` goes to its end.
    pub(crate) fn new(upstream: &str, more: &str) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        place.write("accounts.toml", fleet::ACCOUNTS);
        place.write("keys.toml", &fleet::keys_toml());
        place.private("keys.toml");
        place.write("findings-gate.toml", &configuration("pack:baseline", upstream, more));
        place
    }

    /// The same with policies of the test's own.
    pub(crate) fn with_policies(upstream: &str, policies: &str, more: &str) -> Self {
        let place = Self::new(upstream, more);
        place.write("findings-gate.toml", &configuration("policies", upstream, more));
        place.write("policies/test.cedar", policies);
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Replaces a part of a file, which must be there.
    pub(crate) fn edit(&self, name: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path(name)).unwrap();
        assert!(text.contains(from), "`{from}` is not in {text}");
        self.write(name, &text.replacen(from, to, 1));
    }

    pub(crate) fn private(&self, name: &str) {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
}

fn configuration(policies: &str, upstream: &str, more: &str) -> String {
    format!(
        "[listen]\naddress = \"127.0.0.1:0\"\nworkers = 2\n\
         [policies]\npath = [\"{policies}\"]\n\
         [accounts]\nfile = \"accounts.toml\"\n\
         [[identity]]\nkind = \"sigv4\"\nkeys = \"keys.toml\"\n\
         [upstream]\nurl = \"{upstream}\"\nregion = \"{}\"\n\
         [log]\nlevel = \"info\"\nformat = \"json\"\n{more}\n",
        fleet::REGION
    )
}

/// The program, with nothing of this process's environment.
pub(crate) fn program(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_findings-gate"));
    command.current_dir(directory).stdin(Stdio::null()).env_clear();
    // Who looks for AWS credentials finds none, and asks nobody beyond this machine.
    command.env("AWS_EC2_METADATA_DISABLED", "true");
    command
}

/// A running gate. It is killed when a test drops it without a stop.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) address: SocketAddr,
    child: Child,
    log: Watched<String>,
    out: Watched<String>,
    ended: mpsc::Receiver<()>,
    place: Option<Place>,
}

impl Gate {
    /// `serve` on a place.
    pub(crate) fn start(place: Place) -> Self {
        let mut gate = Self::run(place.0.path(), ["serve"]);
        gate.place = Some(place);
        gate
    }

    /// `serve` on a place, with these variables in its environment besides.
    pub(crate) fn start_with(place: Place, environment: &[(&str, &str)]) -> Self {
        let mut command = program(place.0.path());
        command.arg("serve").envs(environment.iter().copied());
        let mut gate = Self::spawn(command);
        gate.place = Some(place);
        gate
    }

    /// Any verb that serves, until it says where.
    #[track_caller]
    pub(crate) fn run<A: AsRef<OsStr>>(directory: &Path, arguments: impl IntoIterator<Item = A>) -> Self {
        let mut command = program(directory);
        command.args(arguments);
        Self::spawn(command)
    }

    /// The same by a command of the test's own.
    #[track_caller]
    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Watched::default();
        let (gone, ended) = mpsc::channel();
        collect(child.stderr.take().unwrap(), log.clone(), gone);
        let out = Watched::<String>::default();
        let (closed, _) = mpsc::channel();
        collect(child.stdout.take().unwrap(), out.clone(), closed);
        let mut gate = Self { address: ([127, 0, 0, 1], 0).into(), child, log, out: out.clone(), ended, place: None };
        let address = out.wait("the gate to listen", |out| {
            match out.split_once("listening on http").and_then(|(_, rest)| rest.split_once("://")) {
                Some((_, rest)) => rest.split_once('\n').map(|(address, _)| Some(address.parse().unwrap())),
                None => out.ends_with(END).then_some(None),
            }
        });
        gate.address = address.unwrap_or_else(|| panic!("the gate ended; it logged:\n{}", gate.log()));
        gate
    }

    /// Its files.
    pub(crate) fn place(&self) -> &Place {
        self.place.as_ref().unwrap()
    }

    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// Asserts that the gate goes on: one good request over a new connection is answered well.
    #[track_caller]
    pub(crate) fn goes_on(&self) {
        let response = self.connect().update(&fleet::PAYMENTS, fleet::good("goes-on"));
        assert_eq!(response.processed(), ["goes-on"], "{response:?}");
        assert_eq!(response.unprocessed(), []);
    }

    /// Everything logged so far.
    pub(crate) fn log(&self) -> String {
        self.log.change(|log| log.clone())
    }

    /// Waits for a line of its standard output that has all of these in it.
    #[track_caller]
    pub(crate) fn wait_for_output(&self, parts: &[&str]) -> String {
        self.out.wait(&format!("a line with {parts:?}"), |out| {
            out.lines().find(|line| parts.iter().all(|part| line.contains(part))).map(str::to_owned)
        })
    }

    /// Waits for a line of the log that has all of these in it.
    #[track_caller]
    pub(crate) fn wait_for_log(&self, parts: &[&str]) -> String {
        self.log.wait(&format!("a log line with {parts:?}"), |log| {
            log.lines().find(|line| parts.iter().all(|part| line.contains(part))).map(str::to_owned)
        })
    }

    /// Waits until something holds.
    #[track_caller]
    pub(crate) fn wait_until(&self, mut holds: impl FnMut() -> bool) {
        let began = std::time::Instant::now();
        while !holds() {
            assert!(began.elapsed() < PATIENCE, "it does not come to hold; the gate logged:\n{}", self.log());
            thread::yield_now();
        }
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it at once.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends a signal: `TERM`, `INT`.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status();
        assert!(status.unwrap().success());
    }

    /// Waits until nobody can connect any more.
    pub(crate) fn wait_until_closed(&self) {
        let began = std::time::Instant::now();
        while TcpStream::connect(self.address).is_ok() {
            assert!(began.elapsed() < PATIENCE, "the gate still accepts");
            thread::yield_now();
        }
    }

    /// Waits for the end of the process.
    #[track_caller]
    pub(crate) fn ended(mut self) -> (ExitStatus, String) {
        assert!(self.ended.recv_timeout(PATIENCE).is_ok(), "the gate does not end; it logged:\n{}", self.log());
        let status = self.child.wait().unwrap();
        (status, self.log())
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Stands behind the last line of a stream that ended.
const END: &str = "(end)";

/// Gathers a stream's lines, and tells its end.
fn collect(stream: impl Read + Send + 'static, text: Watched<String>, end: mpsc::Sender<()>) {
    thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        while stream.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            text.change(|text| text.push_str(&String::from_utf8_lossy(&line)));
            line.clear();
        }
        text.change(|text| text.push_str(END));
        let _ = end.send(());
    });
}

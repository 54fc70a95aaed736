//! A findings backend that does what a test's script says, and remembers every byte that it got.

use super::{Latch, PATIENCE, Watched, fleet::plain_finding};
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread,
};

/// A request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Received {
    /// Request line and headers, with their line ends.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Received {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The ids that it is about.
    pub(crate) fn ids(&self) -> Vec<String> {
        let body = self.json();
        let findings = body["FindingIdentifiers"].as_array().unwrap();
        findings.iter().map(|finding| finding["Id"].as_str().unwrap().to_owned()).collect()
    }

    /// Whether it asks for findings by their names, as the gate does for its policies.
    pub(crate) fn is_look_up(&self) -> bool {
        self.head.starts_with("POST /findings ") && self.json()["Filters"]["Id"].is_array()
    }

    /// The names of its headers, in lower case.
    pub(crate) fn header_names(&self) -> Vec<String> {
        let lines = self.head.lines().skip(1).filter(|line| !line.is_empty());
        let mut names: Vec<_> = lines.map(|line| line.split(':').next().unwrap().to_ascii_lowercase()).collect();
        names.sort();
        names
    }
}

/// What the script says to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    /// These bytes, and the connection stays open.
    Keep(Vec<u8>),
    /// These bytes, none perhaps, and the connection closes.
    Close(Vec<u8>),
}

impl Reply {
    /// An answer with a status, further header lines, and a body.
    pub(crate) fn answer(status: &str, headers: &[&str], body: &str) -> Self {
        let headers: String = headers.iter().flat_map(|line| [*line, "\r\n"]).collect();
        let length = body.len();
        Self::Keep(format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n{body}").into_bytes())
    }

    pub(crate) fn json(status: &str, body: &Value) -> Self {
        Self::answer(status, &["Content-Type: application/json"], &body.to_string())
    }

    /// An error in the form of Security Hub.
    pub(crate) fn error(status: &str, code: &str, message: &str) -> Self {
        let body = json!({"Code": code, "Message": message}).to_string();
        Self::answer(status, &[&format!("x-amzn-ErrorType: {code}"), "Content-Type: application/json"], &body)
    }

    /// Every finding was updated; a finding that is looked up is there, and is a plain one.
    pub(crate) fn accept(request: &Received) -> Self {
        if request.is_look_up() {
            return Self::findings(request, |_| json!({}));
        }
        let findings = &request.json()["FindingIdentifiers"];
        Self::json("200 OK", &json!({"ProcessedFindings": findings, "UnprocessedFindings": []}))
    }
}

impl Reply {
    /// The findings that a look-up asks for: plain ones, with the members that `members` gives each id in place of their own.
    /// Those for which it gives `null` are not there, nor are those of which neither product nor id names an account.
    pub(crate) fn findings(request: &Received, members: impl Fn(&str) -> Value) -> Self {
        let filters = &request.json()["Filters"];
        let values = |name: &str| -> Vec<String> {
            let filters = filters[name].as_array().unwrap();
            filters.iter().map(|filter| filter["Value"].as_str().unwrap().to_owned()).collect()
        };
        let products = values("ProductArn");
        let of_id = |id: String| -> Vec<Value> {
            let Value::Object(members) = members(&id) else { return Vec::new() };
            let of_product = |product: &String| {
                let named = |arn: &str| Some(arn.split(':').nth(4)?.to_owned()).filter(|account| !account.is_empty());
                let mut finding = plain_finding(&named(product).or_else(|| named(&id))?, &id, product);
                finding.as_object_mut().unwrap().extend(members.clone());
                Some(finding)
            };
            products.iter().filter_map(of_product).collect()
        };
        let findings: Vec<Value> = values("Id").into_iter().flat_map(of_id).collect();
        Self::json("200 OK", &json!({"Findings": findings}))
    }
}

type Script = dyn Fn(&Received) -> Reply + Send + Sync;

/// The backend. Its threads end with their connections, or with the process.
#[derive(Debug)]
pub(crate) struct Upstream {
    address: SocketAddr,
    received: Watched<Vec<Received>>,
    closed: Watched<usize>,
}

impl Upstream {
    /// A backend that answers each request as `script` says. The script may wait; each connection has its own thread.
    pub(crate) fn start(script: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (received, closed) = (Watched::default(), Watched::default());
        let (script, all, ends): (Arc<Script>, _, _) = (Arc::new(script), received.clone(), closed.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (script, all, ends) = (Arc::clone(&script), all.clone(), ends.clone());
                thread::spawn(move || {
                    serve(stream, &*script, &all);
                    ends.change(|ends: &mut usize| *ends += 1);
                });
            }
        });
        Self { address, received, closed }
    }

    /// A backend that does everything it is asked for.
    pub(crate) fn accepting() -> Self {
        Self::start(Reply::accept)
    }

    /// The same, but every request is held until the latch opens.
    pub(crate) fn held() -> (Self, Latch) {
        let latch = Latch::default();
        let held = latch.clone();
        let upstream = Self::start(move |request| {
            held.pass();
            Reply::accept(request)
        });
        (upstream, latch)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Everything received so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.change(|received| received.clone())
    }

    /// Everything received since it was last taken.
    pub(crate) fn take(&self) -> Vec<Received> {
        self.received.change(std::mem::take)
    }

    /// The updates received so far: everything that is no look-up.
    pub(crate) fn updates(&self) -> Vec<Received> {
        self.received().into_iter().filter(|request| !request.is_look_up()).collect()
    }

    /// Waits until so many requests were received whole.
    #[track_caller]
    pub(crate) fn wait_for(&self, count: usize) -> Vec<Received> {
        self.received.wait("requests upstream", |received| (received.len() >= count).then(|| received.clone()))
    }

    /// Waits until so many connections were closed.
    #[track_caller]
    pub(crate) fn wait_for_closed(&self, count: usize) {
        self.closed.wait("connections to close", |closed| (*closed >= count).then_some(()));
    }
}

fn serve(stream: TcpStream, script: &Script, all: &Watched<Vec<Received>>) {
    // The gate may keep the connection open for longer than any test runs.
    drop(stream.set_write_timeout(Some(PATIENCE)));
    drop(stream.set_nodelay(true));
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream) {
        all.change(|received| received.push(request.clone()));
        let (bytes, keep) = match script(&request) {
            Reply::Keep(bytes) => (bytes, true),
            Reply::Close(bytes) => (bytes, false),
        };
        if stream.get_mut().write_all(&bytes).is_err() || !keep {
            return;
        }
    }
}

/// One whole request with a declared length, which is the only kind that the gate sends.
fn read(stream: &mut BufReader<TcpStream>) -> Option<Received> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let lower = head.to_ascii_lowercase();
    let length = lower.lines().find_map(|line| line.strip_prefix("content-length:"));
    let mut body = vec![0; length?.trim().parse().ok()?];
    stream.read_exact(&mut body).ok()?;
    Some(Received { head, body })
}

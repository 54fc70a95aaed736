//! A client that sends exactly what it is told to, and reads one answer at a time.

use super::{
    PATIENCE,
    fleet::{Key, REGION},
};
use findings_gate::identity::sign;
use http::{Request, request::Parts};
use jiff::Timestamp;
use serde_json::Value;
use std::{
    collections::HashMap,
    fmt,
    io::{self, BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
};

pub(crate) const PATH: &str = "/findings/batchupdate";

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// By their names in lower case.
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// The error of a whole call: its status, code and message, which header and body agree on.
    #[track_caller]
    pub(crate) fn error(&self) -> (u16, String, String) {
        let body = self.json();
        let code = body["Code"].as_str().unwrap_or_else(|| panic!("no error: {body}")).to_owned();
        assert_eq!(self.headers.get("x-amzn-errortype"), Some(&code), "{self:?}");
        assert_eq!(body["__type"], code.as_str());
        assert_eq!(self.headers["content-type"], "application/json");
        assert!(self.headers.contains_key("x-amzn-requestid"), "{self:?}");
        (self.status, code, body["Message"].as_str().unwrap().to_owned())
    }

    /// Asserts the error of a whole call.
    #[track_caller]
    pub(crate) fn is_error(&self, status: u16, code: &str, told: &str) {
        let (real_status, real_code, message) = self.error();
        assert_eq!((real_status, real_code.as_str()), (status, code), "{message}");
        assert!(message.contains(told), "`{told}` is not in: {message}");
    }

    /// The ids of the processed findings.
    #[track_caller]
    pub(crate) fn processed(&self) -> Vec<String> {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        let body = self.json();
        let findings = body["ProcessedFindings"].as_array().unwrap();
        findings.iter().map(|finding| finding["Id"].as_str().unwrap().to_owned()).collect()
    }

    /// Ids, codes and messages of the unprocessed findings.
    #[track_caller]
    pub(crate) fn unprocessed(&self) -> Vec<(String, String, String)> {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        let body = self.json();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let entry = |entry: &Value| {
            (text(&entry["FindingIdentifier"]["Id"]), text(&entry["ErrorCode"]), text(&entry["ErrorMessage"]))
        };
        body["UnprocessedFindings"].as_array().unwrap().iter().map(entry).collect()
    }
}

/// The lines of a head, as they go over the wire.
pub(crate) fn head(parts: &Parts) -> String {
    let first = format!("{} {} HTTP/1.1\r\n", parts.method, parts.uri);
    parts
        .headers
        .iter()
        .fold(first, |head, (name, value)| head + name.as_str() + ": " + value.to_str().unwrap() + "\r\n")
}

/// A signed request to one method and path: its head without the last, empty line. No `Content-Length` is in it.
pub(crate) fn signed_head(address: SocketAddr, key: &Key, method: &str, target: &str, body: &[u8]) -> String {
    let request = Request::builder().method(method).uri(target).header("content-type", "application/json");
    let mut parts = request.body(()).unwrap().into_parts().0;
    sign(&mut parts, body, &address.to_string(), (key.id, key.secret), REGION, Timestamp::now()).unwrap();
    head(&parts)
}

/// A whole signed request for an update.
pub(crate) fn signed(address: SocketAddr, key: &Key, body: &[u8]) -> Vec<u8> {
    let head = signed_head(address, key, "PATCH", PATH, body);
    with_body(&head, body)
}

/// A head with a body of declared length behind it.
pub(crate) fn with_body(head: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{head}content-length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// What a connection goes over.
pub(crate) trait Wire: Read + Write + fmt::Debug + Send {}

impl<T: Read + Write + fmt::Debug + Send> Wire for T {}

/// One connection.
#[derive(Debug)]
pub(crate) struct Client {
    address: SocketAddr,
    tcp: TcpStream,
    stream: BufReader<Box<dyn Wire>>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::over(address, |tcp| Ok(Box::new(tcp))).unwrap()
    }

    /// Connects, if anybody listens.
    pub(crate) fn try_connect(address: SocketAddr) -> io::Result<Self> {
        Self::over(address, |tcp| Ok(Box::new(tcp)))
    }

    /// Connects and makes the wire of the connection.
    pub(crate) fn over(
        address: SocketAddr,
        wire: impl FnOnce(TcpStream) -> io::Result<Box<dyn Wire>>,
    ) -> io::Result<Self> {
        let tcp = TcpStream::connect(address)?;
        tcp.set_read_timeout(Some(PATIENCE)).unwrap();
        tcp.set_write_timeout(Some(PATIENCE)).unwrap();
        tcp.set_nodelay(true).unwrap();
        let wire = wire(tcp.try_clone().unwrap())?;
        Ok(Self { address, tcp, stream: BufReader::new(wire) })
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).unwrap();
    }

    pub(crate) fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Sends bytes and reads the answer; nothing if the connection breaks before it is there.
    pub(crate) fn try_ask(&mut self, bytes: &[u8]) -> Option<Response> {
        self.try_send(bytes).ok()?;
        self.try_read().ok()?
    }

    /// Signs and sends an update, and reads the answer.
    pub(crate) fn update(&mut self, key: &Key, body: impl AsRef<[u8]>) -> Response {
        self.send(&signed(self.address, key, body.as_ref()));
        self.read()
    }

    /// Reads one answer, which must have a declared length.
    #[track_caller]
    pub(crate) fn read(&mut self) -> Response {
        self.try_read().unwrap().expect("an answer before the connection closes")
    }

    /// Reads one answer; nothing when the connection closes instead.
    pub(crate) fn try_read(&mut self) -> io::Result<Option<Response>> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 {
                return Ok(None);
            }
            match line.trim_end() {
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let status = lines[0].split(' ').nth(1).unwrap().parse().unwrap();
        let headers: HashMap<_, _> = lines[1..]
            .iter()
            .map(|line| {
                let (name, value) = line.split_once(':').unwrap();
                (name.to_ascii_lowercase(), value.trim().to_owned())
            })
            .collect();
        let mut body = vec![0; headers.get("content-length").map_or(0, |length| length.parse().unwrap())];
        self.stream.read_exact(&mut body)?;
        Ok(Some(Response { status, headers, body }))
    }

    /// Whether the gate closes the connection without another byte.
    pub(crate) fn is_closed(&mut self) -> bool {
        match self.stream.fill_buf() {
            Ok(rest) => rest.is_empty(),
            Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
        }
    }

    /// Goes away.
    pub(crate) fn leave(self) {
        drop(self.tcp.shutdown(Shutdown::Both));
    }
}

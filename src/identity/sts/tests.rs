//! The whole of it, against a peer on loopback that answers as a test says.

use super::*;
use aws_credential_types::Credentials;
use http::Request;
use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Mutex,
    thread,
};

const SUCCESS: &str = r#"{"GetCallerIdentityResponse":{"GetCallerIdentityResult":{"Account":"222222222222",
    "Arn":"arn:aws:sts::222222222222:assumed-role/triage/alice","UserId":"AROAEXAMPLE:alice"},"ResponseMetadata":{"RequestId":"1"}}}"#;

/// What stands in for STS: it gives every request the same answer, and keeps what it was asked.
struct Peer {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Peer {
    /// `answer` is a status line without its version, further header lines, an empty line and a body; nothing to hang up.
    fn start(answer: &str) -> Self {
        let (head, body) = answer.split_once("\n\n").unwrap_or((answer, ""));
        let head = head.replace('\n', "\r\n");
        let bytes = format!("HTTP/1.1 {head}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let bytes = if answer.is_empty() { Vec::new() } else { bytes.into_bytes() };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                all.lock().unwrap().push(serve(stream, &bytes));
            }
        });
        Self { address, asked }
    }

    fn host(&self) -> StsHost {
        format!("http://{}", self.address).parse().unwrap()
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn serve(mut stream: TcpStream, answer: &[u8]) -> String {
    let mut head = String::new();
    let mut reader = BufReader::new(&stream);
    while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).is_ok_and(|read| read > 0) {}
    drop(stream.write_all(answer));
    head
}

const NOW: &str = "2026-03-01T12:00:00Z";
/// With a session token.
const KEY: (&str, &str, Option<&str>) = ("ASIAEXAMPLE", "s3cret", Some("t0ken"));

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn sts(host: StsHost) -> Sts {
    let settings = StsSettings {
        gate: "gate.example".parse().unwrap(),
        hosts: vec![host],
        ca: None,
        minimum_enforcement: Enforcement::Reject,
    };
    Sts::new(settings).unwrap()
}

fn made(host: &StsHost, gate: &str) -> String {
    let (id, secret, token) = KEY;
    let credentials = Credentials::new(id, secret, token.map(str::to_owned), None, "test");
    super::token(&presign(credentials, &gate.parse().unwrap(), host, "eu-west-1", now()).unwrap())
}

fn head(tokens: &[&str]) -> Parts {
    let request =
        tokens.iter().fold(Request::patch("/findings/batchupdate"), |request, token| request.header(TOKEN, *token));
    request.body(()).unwrap().into_parts().0
}

async fn identify(sts: &Sts, head: &Parts, now: Timestamp) -> Result<Identified, ApiError> {
    match sts.begin(head, now)? {
        Begun::Known(identified) => Ok(identified),
        Begun::Unknown(claim) => claim.finish().await,
    }
}

#[tokio::test]
async fn sts_is_asked_once_with_what_the_caller_signed_and_the_gate_s_name() {
    let peer = Peer::start(&format!("200 OK\nContent-Type: application/json\n\n{SUCCESS}"));
    let sts = sts(peer.host());
    let token = made(&peer.host(), "gate.example");
    for minutes in [0, 7, 15] {
        let later = now() + jiff::SignedDuration::from_mins(minutes);
        let found = identify(&sts, &head(&[&token]), later).await.unwrap();
        assert_eq!(
            (found.account.as_str(), &*found.principal),
            ("222222222222", "arn:aws:iam::222222222222:role/triage")
        );
        let proof = Proof::Sts { user_id: "AROAEXAMPLE:alice".into(), session: Some("alice".into()) };
        assert_eq!(
            (found.proof.to_string(), found.minimum_enforcement),
            ("sts:AROAEXAMPLE:alice".into(), Enforcement::Reject)
        );
        assert_eq!(found.proof, proof);
    }
    let after = now() + jiff::SignedDuration::from_secs(15 * 60 + 1);
    assert_eq!(identify(&sts, &head(&[&token]), after).await.unwrap_err().code, "RequestExpired");
    let asked = peer.asked();
    assert_eq!(asked.len(), 1, "{asked:?}");
    let lines: Vec<&str> = asked[0].lines().collect();
    assert!(lines[0].starts_with("GET /?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm="), "{}", lines[0]);
    let mut rest: Vec<&str> = lines[1..].iter().copied().filter(|line| !line.is_empty()).collect();
    rest.sort_unstable();
    let host = format!("host: {}", peer.address);
    let agent = concat!("user-agent: findings-gate/", env!("CARGO_PKG_VERSION"));
    assert_eq!(rest, ["accept: application/json", &host, agent, "x-findings-gate-id: gate.example"]);
}

#[tokio::test]
async fn every_answer_that_is_no_success_has_its_error() {
    let json = |code: &str| {
        format!("\nContent-Type: application/json\n\n{{\"Error\":{{\"Code\":\"{code}\",\"Message\":\"s3cret\"}}}}")
    };
    let xml = "\nContent-Type: text/xml\n\n<ErrorResponse><Error><Code>ExpiredToken</Code></Error></ErrorResponse>";
    let nobody = SUCCESS.replace("sts::222222222222:assumed-role", "sts::222222222222:something");
    for (answer, status, code, told, kept) in [
        (
            format!("403 Forbidden{}", json("SignatureDoesNotMatch")),
            403,
            "UnrecognizedClientException",
            "another gate than `gate.example`",
            true,
        ),
        (
            format!("403 Forbidden{}", json("InvalidClientTokenId")),
            403,
            "UnrecognizedClientException",
            "InvalidClientTokenId",
            true,
        ),
        (format!("403 Forbidden{}", json("AccessDenied")), 403, "UnrecognizedClientException", "AccessDenied", true),
        (format!("403 Forbidden{}", json("ExpiredToken")), 403, "ExpiredTokenException", "ExpiredToken", true),
        (format!("400 Bad Request{}", json("ExpiredTokenException")), 403, "ExpiredTokenException", "expired", true),
        (format!("403 Forbidden{xml}"), 403, "ExpiredTokenException", "ExpiredToken", true),
        (
            format!("200 OK\nContent-Type: application/json\n\n{nobody}"),
            403,
            "UnrecognizedClientException",
            "of a kind",
            true,
        ),
        (
            format!("400 Bad Request{}", json("Throttling")),
            503,
            "ServiceUnavailableException",
            "answered Throttling",
            false,
        ),
        (
            "403 Forbidden\nContent-Type: text/html\n\n<html>".into(),
            503,
            "ServiceUnavailableException",
            "no error of STS",
            false,
        ),
        (
            format!("429 Too Many Requests{}", json("Throttling")),
            503,
            "ServiceUnavailableException",
            "status 429",
            false,
        ),
        (format!("500 Oops{}", json("InternalFailure")), 503, "ServiceUnavailableException", "status 500", false),
        ("503 Slow Down".into(), 503, "ServiceUnavailableException", "status 503", false),
        ("302 Found\nLocation: http://127.0.0.1:1/".into(), 503, "ServiceUnavailableException", "status 302", false),
        (
            format!("200 OK\nContent-Type: text/html\n\n{SUCCESS}"),
            503,
            "ServiceUnavailableException",
            "neither JSON nor XML",
            false,
        ),
        (
            "200 OK\nContent-Type: application/json\n\n{}".into(),
            503,
            "ServiceUnavailableException",
            "not what GetCallerIdentity",
            false,
        ),
        (
            format!("200 OK\nContent-Type: application/json\n\n{SUCCESS}{}", " ".repeat(ask::LONGEST_ANSWER)),
            503,
            "ServiceUnavailableException",
            "larger than 16384 bytes",
            false,
        ),
        (String::new(), 503, "ServiceUnavailableException", "gave no answer", false),
    ] {
        let peer = Peer::start(&answer);
        let sts = sts(peer.host());
        let token = made(&peer.host(), "gate.example");
        for _ in 0..2 {
            let error = identify(&sts, &head(&[&token]), now()).await.unwrap_err();
            assert_eq!((error.status, error.code), (status, code), "{answer}: {}", error.message);
            assert!(error.message.contains(told), "{answer}: {}", error.message);
            for secret in ["s3cret", "t0ken", "ASIAEXAMPLE", "X-Amz"] {
                assert!(!error.message.contains(secret), "{}", error.message);
            }
        }
        assert_eq!(peer.asked().len(), if kept { 1 } else { 2 }, "{answer}");
    }
    // A port that was just free: nobody is there.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let host: StsHost = format!("http://{address}").parse().unwrap();
    let error = identify(&sts(host.clone()), &head(&[&made(&host, "gate.example")]), now()).await.unwrap_err();
    assert_eq!((error.status, error.code), (503, "ServiceUnavailableException"), "{}", error.message);
}

#[tokio::test]
async fn what_the_head_proves_wrong_asks_nobody() {
    let peer = Peer::start(&format!("200 OK\nContent-Type: application/json\n\n{SUCCESS}"));
    let (sts, token) = (sts(peer.host()), made(&peer.host(), "gate.example"));
    let long = format!("fg-sts-v1.{}", "A".repeat(token::LONGEST));
    for (tokens, code, told) in [
        (&[token.as_str(), token.as_str()][..], "IncompleteSignatureException", "more than once"),
        (&[""], "IncompleteSignatureException", "does not begin"),
        (&[&long], "IncompleteSignatureException", "8202 bytes: expected at most 8192"),
        (
            &[&made(&"sts.amazonaws.com".parse().unwrap(), "gate.example")],
            "InvalidSignatureException",
            "sts.amazonaws.com",
        ),
    ] {
        let error = identify(&sts, &head(tokens), now()).await.unwrap_err();
        assert_eq!((error.status, error.code), (403, code), "{}", error.message);
        assert!(error.message.contains(told), "{}", error.message);
    }
    assert_eq!(peer.asked(), Vec::<String>::new());
}

#[test]
fn debug_shows_no_secret() {
    let host = StsHost::of_region("eu-west-1").remove(0);
    let sts = sts(host.clone());
    let head = head(&[&made(&host, "gate.example")]);
    let shown = format!("{sts:?} {:?}", sts.begin(&head, now()).unwrap());
    assert!(!shown.contains("t0ken") && !shown.contains("X-Amz") && !shown.contains("fg-sts"), "{shown}");
}

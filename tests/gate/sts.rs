//! Callers that STS says who they are, with a peer on loopback that checks signatures as STS does: by making them again.

use crate::support::{
    Latch, Watched,
    client::{PATH, Response, signed_head, with_body},
    fleet::{PAYMENTS, SEARCH, good},
    gate::{Gate, Place, program},
    upstream::Upstream,
};
use aws_credential_types::Credentials;
use findings_gate::identity::{StsHost, sts_presign, sts_token};
use jiff::{SignedDuration, Timestamp};
use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
};

const GATE: &str = "gate.example";
const REGION: &str = "eu-west-1";
/// A session of a role in the payments account, and a user in the search account.
const ALICE: (&str, &str, Option<&str>) =
    ("ASIAALICE", "alice-secret-0123456789abcdefghijklmn", Some("alice/token+=="));
const BOB: (&str, &str, Option<&str>) = ("AKIABOB", "bob-secret-0123456789abcdefghijklmnop", None);
/// Whose secret STS does not know.
const MALLORY: (&str, &str, Option<&str>) =
    ("ASIAALICE", "mallory-secret-0123456789abcdefghijkl", Some("alice/token+=="));

type Who = (&'static str, &'static str, Option<&'static str>);

fn credentials((id, secret, token): Who) -> Credentials {
    Credentials::new(id, secret, token.map(str::to_owned), None, "test")
}

/// STS, as far as it is asked here.
struct Sts {
    address: SocketAddr,
    asked: Watched<Vec<String>>,
}

impl Sts {
    /// It answers when `latch` is open.
    fn start(latch: Latch) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Watched::<Vec<String>>::default();
        let all = asked.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (latch, all) = (latch.clone(), all.clone());
                thread::spawn(move || serve(stream, address, &latch, &all));
            }
        });
        Self { address, asked }
    }

    fn open() -> Self {
        let latch = Latch::default();
        latch.open();
        Self::start(latch)
    }

    fn host(&self) -> StsHost {
        format!("http://{}", self.address).parse().unwrap()
    }

    fn token(&self, who: Who, gate: &str, at: Timestamp) -> String {
        sts_token(&sts_presign(credentials(who), &gate.parse().unwrap(), &self.host(), REGION, at).unwrap())
    }

    fn asked(&self) -> usize {
        self.asked.change(|asked| asked.len())
    }
}

fn serve(mut stream: TcpStream, address: SocketAddr, latch: &Latch, all: &Watched<Vec<String>>) {
    let mut head = String::new();
    let mut reader = BufReader::new(&stream);
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).unwrap_or(0) == 0 {
            return;
        }
    }
    all.change(|asked| asked.push(head.clone()));
    latch.pass();
    let (status, body) = answer(&head, address);
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    drop(stream.write_all(answer.as_bytes()));
}

/// Whoever signed the request; the signature must come out the same for the header that came, which is what binds a token to a gate.
fn answer(head: &str, address: SocketAddr) -> (&'static str, String) {
    let target = head.split(' ').nth(1).unwrap();
    let query: HashMap<&str, &str> =
        target.split_once('?').unwrap().1.split('&').map(|pair| pair.split_once('=').unwrap()).collect();
    let header = |name: &str| {
        head.lines()
            .find_map(|line| line.split_once(": ").filter(|(known, _)| known.eq_ignore_ascii_case(name)))
            .unwrap()
            .1
    };
    let date = query["X-Amz-Date"];
    let at: Timestamp = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", date)
        .unwrap()
        .to_zoned(jiff::tz::TimeZone::UTC)
        .unwrap()
        .timestamp();
    let id = query["X-Amz-Credential"].split("%2F").next().unwrap();
    let host: StsHost = format!("http://{address}").parse().unwrap();
    for (who, arn) in [
        (ALICE, "arn:aws:sts::222222222222:assumed-role/triage/alice"),
        (BOB, "arn:aws:iam::333333333333:user/bots/bob"),
    ] {
        let gate = header("x-findings-gate-id").parse().unwrap();
        let expected = sts_presign(credentials(who), &gate, &host, REGION, at).unwrap();
        if who.0 == id && expected.ends_with(target.split_once('?').unwrap().1) {
            let account = arn.split(':').nth(4).unwrap();
            let result = serde_json::json!({"Account": account, "Arn": arn, "UserId": format!("{id}:x")});
            let body = serde_json::json!({"GetCallerIdentityResponse": {"GetCallerIdentityResult": result}});
            return ("200 OK", body.to_string());
        }
    }
    (
        "403 Forbidden",
        serde_json::json!({"Error": {"Code": "SignatureDoesNotMatch", "Message": "no", "Type": "Sender"}}).to_string(),
    )
}

/// A gate that asks this peer, and after that takes signatures of issued keys.
fn gate(upstream: &Upstream, host: &StsHost) -> Gate {
    let place = Place::new(&upstream.url(), "");
    place.edit("findings-gate.toml", "level = \"info\"", "level = \"debug\"");
    place.edit(
        "findings-gate.toml",
        "[[identity]]",
        &format!("[[identity]]\nkind = \"sts\"\ngate = \"{GATE}\"\nhosts = [\"{host}\"]\n[[identity]]"),
    );
    Gate::start(place)
}

fn request(gate: &Gate, lines: &str, finding: &str) -> Vec<u8> {
    let body = good(finding);
    let head = format!("PATCH {PATH} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\n{lines}", gate.address);
    with_body(&head, body.as_bytes())
}

fn send(gate: &Gate, token: &str, finding: &str) -> Response {
    let mut client = gate.connect();
    client.send(&request(gate, &format!("x-findings-gate-sts-token: {token}\r\n"), finding));
    client.read()
}

#[test]
fn whoever_sts_names_is_the_caller_and_sts_is_asked_once() {
    let (upstream, sts) = (Upstream::accepting(), Sts::open());
    let gate = gate(&upstream, &sts.host());
    let token = sts.token(ALICE, GATE, Timestamp::now());
    for id in ["a", "b", "c"] {
        assert_eq!(send(&gate, &token, id).processed(), [id]);
    }
    assert_eq!(sts.asked(), 1);
    // A user of another account: `good` is about a finding of the payments account.
    let answer = send(&gate, &sts.token(BOB, GATE, Timestamp::now()), "d");
    let [(_, code, message)] = &answer.unprocessed()[..] else { panic!("{answer:?}") };
    assert_eq!(code, "AccessDenied");
    assert!(message.contains("members-stay-in-their-account"), "{message}");
    let served = gate.wait_for_log(&["\"principal\":\"arn:aws:iam::222222222222:role/triage\""]);
    assert!(served.contains("222222222222"), "{served}");
    let log = gate.log();
    for secret in [&token, ALICE.2.unwrap(), "X-Amz-Signature"] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}

#[test]
fn what_is_wrong_with_a_token_is_told_and_nothing_goes_through() {
    let (upstream, sts) = (Upstream::accepting(), Sts::open());
    let gate = gate(&upstream, &sts.host());
    let (now, minutes) = (Timestamp::now(), SignedDuration::from_mins);
    let elsewhere: StsHost = "sts.amazonaws.com".parse().unwrap();
    let url = |host: &StsHost| sts_presign(credentials(ALICE), &GATE.parse().unwrap(), host, REGION, now).unwrap();
    let asking = |token: String, asked| (token, asked);
    for ((token, asked), status, code, told) in [
        (
            asking(sts.token(ALICE, "other.example", now), 1),
            403,
            "UnrecognizedClientException",
            "another gate than `gate.example`",
        ),
        (asking(sts.token(MALLORY, GATE, now), 1), 403, "UnrecognizedClientException", "SignatureDoesNotMatch"),
        (asking(sts.token(ALICE, GATE, now - minutes(16)), 0), 400, "RequestExpired", "The gate's clock says"),
        (asking(sts.token(ALICE, GATE, now + minutes(16)), 0), 400, "RequestExpired", "later than now"),
        (asking(sts_token(&url(&elsewhere)), 0), 403, "InvalidSignatureException", "`https://sts.amazonaws.com`"),
        (
            asking(sts_token(&format!("{}&RoleArn=x", url(&sts.host()))), 0),
            403,
            "IncompleteSignatureException",
            "`RoleArn`",
        ),
        (
            asking(sts_token(&url(&sts.host()).replace("%3Bx-findings-gate-id", "")), 0),
            403,
            "InvalidSignatureException",
            "any gate",
        ),
        (asking(url(&sts.host()), 0), 403, "IncompleteSignatureException", "fg-sts-v1."),
        (asking("x".repeat(8193), 0), 403, "IncompleteSignatureException", "8193 bytes"),
    ] {
        let before = sts.asked();
        for _ in 0..2 {
            send(&gate, &token, "f").is_error(status, code, told);
        }
        assert_eq!(sts.asked() - before, asked, "{code}: {told}");
    }
    let mut client = gate.connect();
    let token = sts.token(ALICE, GATE, now);
    let twice = format!("x-findings-gate-sts-token: {token}\r\n").repeat(2);
    client.send(&request(&gate, &twice, "f"));
    client.read().is_error(403, "IncompleteSignatureException", "more than once");
    assert_eq!(upstream.received(), []);
    gate.goes_on();
}

#[test]
fn where_sts_is_down_clients_are_to_try_again() {
    let upstream = Upstream::accepting();
    // A port that was just free: nobody is there.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let host: StsHost = format!("http://{address}").parse().unwrap();
    let gate = gate(&upstream, &host);
    let token =
        sts_token(&sts_presign(credentials(ALICE), &GATE.parse().unwrap(), &host, REGION, Timestamp::now()).unwrap());
    send(&gate, &token, "f").is_error(503, "ServiceUnavailableException", "cannot be checked now");
    assert_eq!(upstream.received(), []);
    gate.goes_on();
}

#[test]
fn one_token_of_many_requests_is_one_question() {
    let (upstream, latch) = (Upstream::accepting(), Latch::default());
    let sts = Sts::start(latch.clone());
    let gate = gate(&upstream, &sts.host());
    let token = sts.token(ALICE, GATE, Timestamp::now());
    // Over connections of their own, so that both workers have some.
    let mut clients: Vec<_> = (0..16)
        .map(|number| {
            let mut client = gate.connect();
            let lines = format!("x-findings-gate-sts-token: {token}\r\n");
            client.send(&request(&gate, &lines, &number.to_string()));
            client
        })
        .collect();
    sts.asked.wait("the first question", |asked| (!asked.is_empty()).then_some(()));
    // Another caller's token does not wait for it, nor does another proof.
    gate.goes_on();
    latch.open();
    for (number, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.read().processed(), [number.to_string()]);
    }
    assert_eq!(sts.asked(), 1);
}

#[test]
fn the_first_identity_whose_proof_is_there_decides() {
    let (upstream, sts) = (Upstream::accepting(), Sts::open());
    let gate = gate(&upstream, &sts.host());
    let token = sts.token(ALICE, GATE, Timestamp::now());
    // Signed with a key that this gate never issued, as boto3 does it with AWS credentials.
    let body = good("f");
    let nobody = crate::support::fleet::Key { id: "ASIAALICE", ..PAYMENTS };
    let head = signed_head(gate.address, &nobody, "PATCH", PATH, body.as_bytes());
    let mut client = gate.connect();
    client.send(&with_body(&format!("{head}x-findings-gate-sts-token: {token}\r\n"), body.as_bytes()));
    assert_eq!(client.read().processed(), ["f"]);
    // A bad token is not made good by a good signature.
    let head = signed_head(gate.address, &SEARCH, "PATCH", PATH, body.as_bytes());
    client.send(&with_body(&format!("{head}x-findings-gate-sts-token: {token}x\r\n"), body.as_bytes()));
    client.read().is_error(403, "IncompleteSignatureException", "base64url");
    client.send(&with_body(&head.replace("AKIASEARCH", "AKIANOBODY"), body.as_bytes()));
    client.read().is_error(403, "UnrecognizedClientException", "AKIANOBODY");
}

#[test]
fn check_and_whoami_know_of_sts() {
    let (upstream, sts) = (Upstream::accepting(), Sts::open());
    let gate = gate(&upstream, &sts.host());
    let directory = gate.place().path("");
    let output = program(&directory).arg("check").output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains(&format!("sts: for {GATE}, by {}\n", sts.host())), "{told}");
    // Its token is for STS itself, which this gate does not ask: so it was sent, and looked at.
    let mut command = program(&directory);
    command.args(["whoami", "--endpoint", &format!("http://{}", gate.address), "--sts", GATE, "--region", REGION]);
    command.env("AWS_ACCESS_KEY_ID", ALICE.0).env("AWS_SECRET_ACCESS_KEY", ALICE.1);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.starts_with("InvalidSignatureException: The STS token is for `https://sts.eu-west-1."), "{told}");
}

#[test]
fn the_program_makes_tokens_that_the_gate_takes() {
    let (upstream, sts) = (Upstream::accepting(), Sts::open());
    let gate = gate(&upstream, &sts.host());
    let here = tempfile::tempdir().unwrap();
    let run = |who: Who, more: &[&str]| {
        let mut command = program(here.path());
        command.args(["token", "--gate", GATE, "--region", REGION, "--endpoint", &sts.host().to_string()]).args(more);
        command.env("AWS_EC2_METADATA_DISABLED", "true").env("AWS_CONFIG_FILE", "/dev/null");
        command.env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
        command.env("AWS_ACCESS_KEY_ID", who.0).env("AWS_SECRET_ACCESS_KEY", who.1);
        if let Some(token) = who.2 {
            command.env("AWS_SESSION_TOKEN", token);
        }
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(output.stderr, b"");
        String::from_utf8(output.stdout).unwrap()
    };
    let token = run(ALICE, &[]);
    assert_eq!(send(&gate, token.trim_end(), "a").processed(), ["a"]);
    let line = run(ALICE, &["--header"]);
    let mut client = gate.connect();
    client.send(&request(&gate, &line.replace('\n', "\r\n"), "b"));
    assert_eq!(client.read().processed(), ["b"]);
    let made: serde_json::Value = serde_json::from_str(&run(BOB, &["--json"])).unwrap();
    assert_eq!(made["header"], "x-findings-gate-sts-token");
    assert!(made["expires"].as_str().unwrap().parse::<Timestamp>().unwrap() > Timestamp::now());
    assert_eq!(send(&gate, made["token"].as_str().unwrap(), "c").status, 200);

    let mut command = program(here.path());
    command.args(["token", "--gate", GATE, "--region", REGION]).env("AWS_EC2_METADATA_DISABLED", "true");
    let output = command.env("HOME", here.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("no AWS credentials to sign with: "), "{told}");
    assert_eq!(output.stdout, b"");
    let output = program(here.path()).args(["token", "--gate", "two words"]).output().unwrap();
    assert_eq!(output.status.code(), Some(64), "{output:?}");
}

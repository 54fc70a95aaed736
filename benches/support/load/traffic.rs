//! What the clients send, and what must come back.

use findings_gate::{finding::AccountId, identity::sign};
use http::{HeaderValue, Method, Request, header::CONTENT_TYPE, header::HOST};
use jiff::Timestamp;
use std::{fmt::Write as _, net::SocketAddr, rc::Rc};

/// Different requests of a table. The gate knows each after the first time, as it would know the rules that run all day.
const REQUESTS: usize = 64;

/// Accounts that findings lie in, and as many products that they come from.
const ACCOUNTS: usize = 12;
const PRODUCTS: [&str; ACCOUNTS] = [
    "access-analyzer",
    "config",
    "detective",
    "firewall-manager",
    "guardduty",
    "health",
    "inspector",
    "iot-device-defender",
    "macie",
    "securityhub",
    "ssm-patch-manager",
    "trusted-advisor",
];

pub(crate) const PATH: &str = "/findings/batchupdate";
pub(crate) const REGION: &str = "eu-west-1";

/// An access key: its id and its secret.
pub(crate) type AccessKey = (&'static str, &'static str);

/// One request and its answer.
pub(crate) struct Exchange {
    /// Head and body, as they go on the wire.
    pub(crate) request: Vec<u8>,
    /// The body of the answer.
    pub(crate) answer: Vec<u8>,
}

pub(crate) fn member(number: usize) -> AccountId {
    format!("{:012}", 100_000_000_000 + number % ACCOUNTS).parse().expect("twelve digits")
}

pub(crate) fn members() -> impl Iterator<Item = AccountId> {
    (0..ACCOUNTS).map(member)
}

/// Requests to `address` for so many findings each, signed with `key` if there is one.
pub(crate) fn exchanges(findings: usize, address: SocketAddr, key: Option<AccessKey>) -> Rc<[Exchange]> {
    (0..REQUESTS)
        .map(|number| {
            let identifiers = identifiers(number, findings);
            let request = request(&body(number, &identifiers), address, key);
            let answer = format!(r#"{{"ProcessedFindings":[{identifiers}],"UnprocessedFindings":[]}}"#);
            Exchange { request, answer: answer.into_bytes() }
        })
        .collect()
}

fn identifiers(number: usize, findings: usize) -> String {
    let identifiers: Vec<String> = (0..findings)
        .map(|finding| {
            let (account, product) = (member(number + finding), PRODUCTS[(number / 5 + finding) % ACCOUNTS]);
            format!(
                r#"{{"Id":"arn:aws:{product}:{REGION}:{account}:control/EC2.{number}/finding/00000000-0000-4000-8000-{finding:012}","ProductArn":"arn:aws:securityhub:{REGION}::product/aws/{product}"}}"#
            )
        })
        .collect();
    identifiers.join(",")
}

fn body(number: usize, identifiers: &str) -> String {
    let severity = ["INFORMATIONAL", "LOW", "MEDIUM", "HIGH", "CRITICAL"][number % 5];
    let status = ["NEW", "NOTIFIED", "RESOLVED", "SUPPRESSED"][number % 4];
    format!(
        r#"{{"FindingIdentifiers":[{identifiers}],"Note":{{"Text":"seen by the team, see SEC-{number}","UpdatedBy":"triage"}},"Severity":{{"Label":"{severity}"}},"Workflow":{{"Status":"{status}"}},"UserDefinedFields":{{"ticket":"SEC-{number}","team":"triage"}}}}"#
    )
}

fn request(body: &str, address: SocketAddr, key: Option<AccessKey>) -> Vec<u8> {
    let host = address.to_string();
    let (mut head, ()) = Request::builder()
        .method(Method::PATCH)
        .uri(PATH)
        .header(HOST, &*host)
        .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
        .body(())
        .expect("a request")
        .into_parts();
    if let Some(key) = key {
        sign(&mut head, body.as_bytes(), &host, key, REGION, Timestamp::now()).expect("a host that a header can carry");
    }
    let mut text = format!("{} {} HTTP/1.1\r\n", head.method, head.uri);
    for (name, value) in &head.headers {
        let _ = write!(text, "{name}: {}\r\n", value.to_str().expect("visible ASCII"));
    }
    let _ = write!(text, "content-length: {}\r\n\r\n{body}", body.len());
    text.into_bytes()
}

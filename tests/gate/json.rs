//! Bodies that are not what the API has, by mistake or by intent.

use crate::{
    baseline,
    support::{
        fleet::{PAYMENTS, finding},
        upstream::Upstream,
    },
};
use serde_json::json;

/// One finding of the caller's own.
fn own() -> String {
    json!([finding(PAYMENTS.account, "f")]).to_string()
}

/// A request with these members besides its findings.
fn with(members: &str) -> Vec<u8> {
    format!(r#"{{"FindingIdentifiers":{},{members}}}"#, own()).into_bytes()
}

#[test]
fn what_is_not_an_update_is_told_where_and_forwarded_nowhere() {
    let upstream = Upstream::accepting();
    let gate = baseline(&upstream);
    let notified = r#""Workflow":{"Status":"NOTIFIED"}"#;
    let nested = |depth: usize| format!(r#""Note":{}"#, "[".repeat(depth));
    let objects = |depth: usize| format!(r#""X":{}1{}"#, r#"{"a":"#.repeat(depth), "}".repeat(depth));
    let replaced = |from: &str, to: &[u8]| {
        let body = with(r#""Note":{"Text":"HERE","UpdatedBy":"ana"}"#);
        let at = body.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
        [&body[..at], to, &body[at + from.len()..]].concat()
    };
    let cases: &[(Vec<u8>, &str)] = &[
        // not JSON
        (b"".to_vec(), "body: EOF"),
        (b"{".to_vec(), "EOF"),
        (b"null".to_vec(), "body: invalid type: null"),
        (b"[]".to_vec(), "body: "),
        (b"\"text\"".to_vec(), "body: invalid type: string"),
        (b"<html></html>".to_vec(), "expected value"),
        (b"FindingIdentifiers=1".to_vec(), "expected "),
        ([b"\xef\xbb\xbf", &*with(notified)].concat(), "expected value"),
        ([&*with(notified), b"x"].concat(), "trailing characters"),
        ([&*with(notified), &*with(notified)].concat(), "trailing characters"),
        ([&*with(notified), b"\0"].concat(), "trailing characters"),
        (with(&format!("{notified},")), "trailing comma"),
        (with(&format!("/* no */{notified}")), "key must be a string"),
        (with(r#""Confidence":NaN"#), "Confidence: expected "),
        (with(r#""Confidence":Infinity"#), "Confidence: expected "),
        (with(r#""Severity":{"Product":NaN}"#), "Severity.Product: expected "),
        (with(r#""Severity":{"Product":1e999}"#), "Severity.Product: "),
        // texts
        (replaced("HERE", b"\xff\xfe"), "Note.Text: invalid unicode code point"),
        (replaced("HERE", b"\xc0\xaf"), "Note.Text: invalid unicode code point"),
        (replaced("HERE", b"\xed\xa0\x80"), "Note.Text: invalid unicode code point"),
        (replaced("HERE", br"\ud800"), "Note.Text: "),
        (replaced("HERE", br"\udc00\ud800"), "Note.Text: lone leading surrogate"),
        (replaced("HERE", b"line\nbreak"), "Note.Text: control character"),
        (replaced("HERE", b" \t "), "Note.Text: "),
        (replaced("HERE", "é".repeat(513).as_bytes()), "Note.Text: "),
        // twice
        (with(r#""Workflow":{"Status":"NOTIFIED"},"Workflow":{"Status":"SUPPRESSED"}"#), "Workflow"),
        (with(r#""Workflow":{"Status":"NOTIFIED"},"Workfl\u006fw":{"Status":"SUPPRESSED"}"#), "Workflow"),
        (with(r#""Workflow":{"Status":"NOTIFIED","Status":"SUPPRESSED"}"#), "Workflow"),
        (with(r#""UserDefinedFields":{"ticket":"1","ticket":"2"}"#), "ticket"),
        (with(r#""UserDefinedFields":{"ticket":"1","tick\u0065t":"2"}"#), "ticket"),
        (with(&format!(r#"{notified},"FindingIdentifiers":[]"#)), "FindingIdentifiers"),
        // members that there are not
        (with(&format!(r#"{notified},"RecordState":"ARCHIVED""#)), "RecordState"),
        (with(&format!(r#"{notified},"Compliance":{{"Status":"PASSED"}}"#)), "Compliance"),
        (with(r#""workflow":{"Status":"NOTIFIED"}"#), "workflow"),
        (with(r#""Workflow":{"Status":"NOTIFIED","status":"SUPPRESSED"}"#), "status"),
        (with(r#""Workflow\u0000":{"Status":"NOTIFIED"}"#), "Workflow"),
        (with(r#""__proto__":{},"Workflow":{"Status":"NOTIFIED"}"#), "__proto__"),
        // types and values
        (with(r#""Workflow":"NOTIFIED""#), "Workflow: invalid type"),
        (with(r#""Workflow":["NOTIFIED"]"#), "Workflow: invalid type"),
        (with(r#""Workflow":{}"#), "Workflow: "),
        (with(r#""Workflow":null"#), "Workflow"),
        (with(r#""Workflow":{"Status":"notified"}"#), "Workflow.Status: "),
        (with(r#""Workflow":{"Status":"NOTIFIED "}"#), "Workflow.Status: "),
        (with(r#""Severity":{"Label":"BOGUS"}"#), "Severity.Label: "),
        (with(r#""Severity":{}"#), "Severity: "),
        (with(r#""Severity":{"Normalized":1.5}"#), "Severity.Normalized: "),
        (with(r#""Confidence":101"#), "Confidence: "),
        (with(r#""Confidence":-1"#), "Confidence: "),
        (with(r#""Confidence":"50""#), "Confidence: "),
        (with(r#""Confidence":18446744073709551616000"#), "Confidence: "),
        (with(r#""Note":{"Text":"a"}"#), "UpdatedBy"),
        (with(r#""Types":[]"#), "Types: "),
        (with(r#""Types":["a","a"]"#), "Types: "),
        (with(r#""UserDefinedFields":{}"#), "UserDefinedFields: "),
        (with(r#""UserDefinedFields":{"ticket":7}"#), "UserDefinedFields"),
        (with(r#""RelatedFindings":[{"Id":"r"}]"#), "RelatedFindings"),
        // findings
        (with("")[..0].to_vec(), "EOF"),
        (format!("{{{notified}}}").into_bytes(), "FindingIdentifiers"),
        (format!(r#"{{"FindingIdentifiers":[],{notified}}}"#).into_bytes(), "FindingIdentifiers: "),
        (format!(r#"{{"FindingIdentifiers":{{}},{notified}}}"#).into_bytes(), "FindingIdentifiers: "),
        (format!(r#"{{"FindingIdentifiers":[{{"Id":"f"}}],{notified}}}"#).into_bytes(), "FindingIdentifiers[0]: "),
        (
            format!(r#"{{"FindingIdentifiers":[{}],{notified}}}"#, vec![&own()[1..own().len() - 1]; 101].join(","))
                .into_bytes(),
            "FindingIdentifiers",
        ),
        (format!(r#"{{"FindingIdentifiers":{}}}"#, own()).into_bytes(), "nothing to update"),
        // depth
        (with(&nested(100_000)), "Note: "),
        (with(&objects(100_000)), "X"),
        ("[".repeat(900_000).into_bytes(), "body: "),
        (r#"{"a":"#.repeat(150_000).into_bytes(), "`a`"),
    ];
    // One connection for all: a refusal does not cost the client its connection.
    let mut client = gate.connect();
    for (body, told) in cases {
        let response = client.update(&PAYMENTS, body);
        let (status, code, message) = response.error();
        let shown = String::from_utf8_lossy(&body[..body.len().min(300)]);
        assert_eq!((status, code.as_str()), (400, "InvalidInputException"), "{shown}: {message}");
        assert!(message.contains(told), "`{told}` is not in: {message}\nfor {shown}");
        assert!(message.len() < 1024, "{} bytes told for {shown}", message.len());
    }
    assert_eq!(upstream.received(), []);
    gate.goes_on();
    assert_eq!(upstream.take().len(), 1);
}

#[test]
fn an_escaped_name_is_the_name() {
    let upstream = Upstream::accepting();
    let gate = baseline(&upstream);
    let response = gate.connect().update(&PAYMENTS, with(r#""Workfl\u006fw":{"St\u0061tus":"SUPPRESS\u0045D"}"#));
    assert_eq!(response.processed(), [""; 0]);
    let [(_, code, message)] = &response.unprocessed()[..] else { panic!("{response:?}") };
    assert_eq!(code, "AccessDenied");
    assert!(message.contains("Workflow.Status = SUPPRESSED"), "{message}");
    assert_eq!(upstream.received(), []);
    gate.goes_on();
}

//! What upstream receives, to the byte.

use crate::{
    baseline,
    support::{
        client::{PATH, signed_head, with_body},
        fleet::{BLUNT, PAYMENTS, SEARCH, SECURITY, finding, update},
        upstream::Upstream,
    },
    with_policies,
};
use serde_json::json;

const PRODUCT: &str = "arn:aws:securityhub:eu-west-1:222222222222:product/222222222222/default";

#[test]
fn it_is_written_anew_without_what_was_stripped() {
    let upstream = Upstream::accepting();
    let gate = baseline(&upstream);
    let body = format!(
        "\r\n{{ \"Workflow\" : {{\t\"Status\":\"NOTIFIED\"}},\n \"Severity\":{{\"Label\":\"LOW\",\"Normalized\":30}},\n\
         \"Note\":{{\"UpdatedBy\":\"\\u0061na\",\"Text\":\"caf\\u00e9 \\/ \\ud83d\\ude00 \\\"x\\\"\\u0007\"}},\n\
         \"Confidence\":1,\"FindingIdentifiers\":[ {{\"ProductArn\":\"{PRODUCT}\", \"Id\":\"\\u0066\"}} ]\n}}\r\n"
    );
    let response = gate.connect().update(&PAYMENTS, &body);
    assert_eq!(response.processed(), ["f"]);
    let [(id, code, message)] = &response.unprocessed()[..] else { panic!("{response:?}") };
    assert_eq!((id.as_str(), code.as_str()), ("f", "PartialUpdate"));
    for told in [
        "updated without Confidence, Severity",
        "Severity.Label = LOW, Severity.Normalized = 30 denied by policy `members-do-not-change-severity`",
        "Leave Severity out",
        response.headers["x-findings-gate-decision"].as_str(),
    ] {
        assert!(message.contains(told), "`{told}` is not in: {message}");
    }
    let received = upstream.received();
    assert_eq!(
        received[0].text(),
        format!(
            "{{\"FindingIdentifiers\":[{{\"Id\":\"f\",\"ProductArn\":\"{PRODUCT}\"}}],\
             \"Note\":{{\"Text\":\"café / 😀 \\\"x\\\"\\u0007\",\"UpdatedBy\":\"ana\"}},\
             \"Workflow\":{{\"Status\":\"NOTIFIED\"}}}}"
        )
    );
    assert_eq!(received.len(), 1);
    gate.goes_on();
}

#[test]
fn no_header_of_the_client_goes_along() {
    let upstream = Upstream::accepting();
    let gate = baseline(&upstream);
    let body = update(&[finding(PAYMENTS.account, "f")], json!({"Workflow": {"Status": "NEW"}}));
    let head = signed_head(gate.address, &PAYMENTS, "PATCH", PATH, body.as_bytes());
    let more = "X-Findings-Gate-Account: 111111111111\r\nx-findings-gate-account: 333333333333\r\n\
                connection: keep-alive, x-mine\r\nx-mine: 1\r\nte: trailers\r\nkeep-alive: timeout=5\r\n\
                proxy-authorization: Basic eA==\r\ncookie: a=b\r\nx-forwarded-for: 10.0.0.1\r\n\
                x-amz-target: Other\r\nx-amzn-trace-id: Root=1\r\naccept-encoding: gzip\r\nuser-agent: test\r\n";
    let mut client = gate.connect();
    client.send(&with_body(&format!("{head}{more}"), body.as_bytes()));
    assert_eq!(client.read().processed(), ["f"]);
    let received = upstream.received();
    assert_eq!(received[0].header_names(), ["content-length", "content-type", "host", "x-findings-gate-account"]);
    let head = received[0].head.to_ascii_lowercase();
    assert!(head.starts_with("patch /findings/batchupdate http/1.1\r\n"), "{head}");
    assert!(head.contains("x-findings-gate-account: 222222222222\r\n"), "{head}");
    assert!(head.contains(&format!("host: {}\r\n", upstream.url().trim_start_matches("http://"))), "{head}");
    gate.goes_on();
}

#[test]
fn what_is_denied_is_not_forwarded_and_what_is_allowed_is() {
    let upstream = Upstream::accepting();
    let gate = baseline(&upstream);
    let findings = [
        finding(PAYMENTS.account, "mine"),
        finding(SEARCH.account, "theirs"),
        finding(PAYMENTS.account, "mine"),
        json!({"Id": "partner", "ProductArn": "arn:aws:securityhub:eu-west-1:222222222222:product/partner/scanner"}),
        finding(PAYMENTS.account, "mine too"),
    ];
    let body = update(&findings, json!({"Workflow": {"Status": "RESOLVED"}, "Types": ["Effects"]}));
    let response = gate.connect().update(&PAYMENTS, body);
    // Whose the partner's finding is, the gate looked up.
    assert_eq!(response.processed(), ["mine", "partner", "mine too"]);
    let told: Vec<_> = response.unprocessed().into_iter().map(|(id, code, _)| (id, code)).collect();
    let expected = [
        ("mine", "PartialUpdate"),
        ("theirs", "AccessDenied"),
        ("mine", "DuplicatedFindingIdentifier"),
        ("partner", "PartialUpdate"),
        ("mine too", "PartialUpdate"),
    ];
    assert_eq!(told, expected.map(|(id, code)| (id.to_owned(), code.to_owned())));
    let received = upstream.updates();
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].ids(), ["mine", "partner", "mine too"]);
    let body = received[0].json();
    assert_eq!(body["Workflow"]["Status"], "RESOLVED");
    assert_eq!(body.as_object().unwrap().len(), 2, "{body}");
    gate.goes_on();
}

#[test]
fn a_refusal_forwards_nothing_of_the_whole_call() {
    let upstream = Upstream::accepting();
    let gate = with_policies(&upstream, "");
    let mut client = gate.connect();
    let findings = [finding(PAYMENTS.account, "a"), finding(PAYMENTS.account, "b")];
    let thirteen = update(&findings, json!({"Criticality": 13, "Workflow": {"Status": "NOTIFIED"}}));
    for key in [&PAYMENTS, &SECURITY] {
        let response = client.update(key, &thirteen);
        response.is_error(403, "AccessDeniedException", "`not-thirteen` (refuse): Choose another number.");
        response.is_error(403, "AccessDeniedException", "nothing was changed");
    }
    // The same change is stripped for one key, and refuses the call of another.
    let findings = [finding(PAYMENTS.account, "a"), finding(PAYMENTS.account, "strip")];
    let severity = update(&findings, json!({"Severity": {"Label": "LOW"}, "Workflow": {"Status": "NOTIFIED"}}));
    client.update(&BLUNT, &severity).is_error(403, "AccessDeniedException", "`no-severity`");
    assert_eq!(upstream.received(), []);
    assert_eq!(client.update(&PAYMENTS, &severity).processed(), ["a", "strip"]);
    assert_eq!(upstream.take().len(), 2);
    gate.goes_on();
}

//! Reading automation rules: by the administrator, by nobody else.

use crate::support::{
    client::{Response, signed_head, with_body},
    fleet::{Key, PAYMENTS, SECURITY},
    gate::{Gate, Place},
    upstream::{Reply, Upstream},
};
use serde_json::json;

const LIST: &str = "/automationrules/list";
const GET: &str = "/automationrules/get";

fn gate_before(upstream: &Upstream) -> Gate {
    let doors = "[doors]\nopen = [\"ListAutomationRules\", \"BatchGetAutomationRules\", \"GetFindings\"]";
    Gate::start(Place::new(&upstream.url(), doors))
}

fn ask(gate: &Gate, key: &Key, method: &str, target: &str, body: &str) -> Response {
    let mut client = gate.connect();
    let head = signed_head(gate.address, key, method, target, body.as_bytes());
    client.send(&with_body(&head, body.as_bytes()));
    client.read()
}

fn listing() -> Upstream {
    Upstream::start(|_| {
        Reply::json("200 OK", &json!({"AutomationRulesMetadata": [{"RuleName": "r"}], "NextToken": "a/b=="}))
    })
}

#[test]
fn they_are_the_administrator_s() {
    let upstream = listing();
    let gate = gate_before(&upstream);
    let arns =
        json!({"AutomationRulesArns": ["arn:aws:securityhub:eu-west-1:111111111111:automation-rule/a"]}).to_string();
    for (method, target, body) in [("GET", LIST, ""), ("POST", GET, &*arns)] {
        let refused = ask(&gate, &PAYMENTS, method, target, body);
        refused.is_error(403, "AccessDeniedException", "is for the administrator");
        refused.is_error(403, "AccessDeniedException", "account 222222222222 is a member");
        assert_eq!(upstream.received(), []);
        let answered = ask(&gate, &SECURITY, method, target, body);
        assert_eq!((answered.status, &answered.json()["AutomationRulesMetadata"][0]["RuleName"]), (200, &json!("r")));
        let received = upstream.take();
        assert!(received[0].head.starts_with(&format!("{method} {target} HTTP/1.1\r\n")), "{}", received[0].head);
        assert!(received[0].head.contains("x-findings-gate-account: 111111111111\r\n"), "{}", received[0].head);
        assert_eq!(received[0].text(), body);
    }
}

#[test]
fn pages_of_them_go_on_with_the_gate_s_own_token() {
    let upstream = listing();
    let gate = gate_before(&upstream);
    let first = ask(&gate, &SECURITY, "GET", &format!("{LIST}?MaxResults=1"), "").json();
    let token = first["NextToken"].as_str().unwrap();
    assert!(token.starts_with("fg1."), "{token}");
    let encoded = token.replace('/', "%2F").replace('=', "%3D");
    let second = ask(&gate, &SECURITY, "GET", &format!("{LIST}?MaxResults=1&NextToken={encoded}"), "");
    assert_eq!(second.status, 200, "{second:?}");
    let received = upstream.take();
    assert!(
        received[1].head.starts_with(&format!("GET {LIST}?MaxResults=1&NextToken=a%2Fb%3D%3D HTTP/1.1")),
        "{}",
        received[1].head
    );
    for forged in ["a%2Fb%3D%3D", &encoded.replace("fg1.", "fg2."), &encoded[..encoded.len() - 3]] {
        let refused = ask(&gate, &SECURITY, "GET", &format!("{LIST}?NextToken={forged}"), "");
        refused.is_error(400, "InvalidInputException", "start the query anew");
    }
    // Nor is it one for findings.
    let body = json!({"NextToken": token}).to_string();
    ask(&gate, &SECURITY, "POST", "/findings", &body).is_error(400, "InvalidInputException", "for GetFindings");
    assert_eq!(upstream.received(), []);
}

#[test]
fn what_is_no_question_for_them_goes_nowhere() {
    let upstream = listing();
    let gate = gate_before(&upstream);
    for (method, target, body, told) in [
        ("GET", "/automationrules/list?MaxResults=0", "", "MaxResults"),
        ("GET", "/automationrules/list?x=1", "", "unknown parameter `x`"),
        ("GET", LIST, "{}", "its parameters are in the query string"),
        ("POST", GET, "{}", "AutomationRulesArns"),
        ("POST", GET, r#"{"AutomationRulesArns":["x"],"AutomationRulesArns":["x"]}"#, "came twice"),
    ] {
        ask(&gate, &SECURITY, method, target, body).is_error(400, "InvalidInputException", told);
    }
    assert_eq!(upstream.received(), []);
}

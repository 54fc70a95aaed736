//! Changes to automation rules: what a rule would do is decided, for the administrator.

use crate::support::{
    client::{Response, signed_head, with_body},
    fleet::{Key, PAYMENTS, SECURITY},
    gate::{Gate, Place},
    upstream::{Received, Reply, Upstream},
};
use serde_json::{Value, json};

const CREATE: (&str, &str) = ("POST", "/automationrules/create");
const UPDATE: (&str, &str) = ("PATCH", "/automationrules/update");
const OPEN: &str = "[doors]\nopen = [\"CreateAutomationRule\", \"BatchUpdateAutomationRules\"]\n";

const POLICIES: &str = r#"
@id("everybody")
permit (principal, action, resource);

@id("no-rule-suppresses")
@enforce("strip")
@advice("Suppress findings one by one.")
forbid (principal, action == Action::"Workflow.Status", resource)
when { context.value == WorkflowStatus::"SUPPRESSED" && context.operation != Operation::"BatchUpdateFindings" };

@id("not-thirteen")
@enforce("refuse")
forbid (principal, action == Action::"Criticality", resource)
when { context.value == 13 };

@id("vendor-severities-stay")
forbid (principal, action in Action::"Severity", resource)
when { resource.productArn like "*/vendor/*" };
"#;

fn gate_before(upstream: &Upstream) -> Gate {
    Gate::start(Place::with_policies(&upstream.url(), POLICIES, OPEN))
}

fn ask(gate: &Gate, key: &Key, (method, target): (&str, &str), body: &str) -> Response {
    let mut client = gate.connect();
    let head = signed_head(gate.address, key, method, target, body.as_bytes());
    client.send(&with_body(&head, body.as_bytes()));
    client.read()
}

fn actions(update: &Value) -> Value {
    json!([{"Type": "FINDING_FIELDS_UPDATE", "FindingFieldsUpdate": update}])
}

fn rule(update: &Value) -> Value {
    json!({
        "RuleOrder": 1, "RuleName": "r \"é\"", "Description": "d",
        "Criteria": {"Confidence": [{"Eq": 50}]}, "Actions": actions(update),
    })
}

fn arn(name: &str) -> String {
    format!("arn:aws:securityhub:eu-west-1:111111111111:automation-rule/{name}")
}

/// Every rule was made or updated.
fn accept(request: &Received) -> Reply {
    let body = request.json();
    match &body["UpdateAutomationRulesRequestItems"] {
        Value::Array(rules) => {
            let arns: Vec<_> = rules.iter().map(|rule| rule["RuleArn"].clone()).collect();
            Reply::json("200 OK", &json!({"ProcessedAutomationRules": arns, "UnprocessedAutomationRules": []}))
        }
        _ if body["RuleName"].is_string() => Reply::json("200 OK", &json!({"RuleArn": arn("new")})),
        _ => Reply::accept(request),
    }
}

#[test]
fn a_rule_is_made_if_all_that_it_does_is_allowed() {
    let upstream = Upstream::start(accept);
    let gate = gate_before(&upstream);
    let good = rule(&json!({"Workflow": {"Status": "NOTIFIED"}, "Note": {"Text": "t", "UpdatedBy": "u"}}));
    let spaced = serde_json::to_string_pretty(&good).unwrap();
    let response = ask(&gate, &SECURITY, CREATE, &spaced);
    assert_eq!((response.status, response.json()), (200, json!({"RuleArn": arn("new")})), "{response:?}");
    assert_eq!(response.headers["x-findings-gate-decision"], response.headers["x-amzn-requestid"]);
    let [received] = &upstream.take()[..] else { panic!() };
    assert!(received.head.starts_with("POST /automationrules/create HTTP/1.1\r\n"), "{}", received.head);
    assert!(received.head.contains("x-findings-gate-account: 111111111111\r\n"), "{}", received.head);
    assert_eq!(received.json(), good);
    assert_ne!(received.text(), spaced, "it is written anew");
    gate.goes_on();
}

#[test]
fn a_rule_of_which_a_part_is_denied_is_not_made() {
    let upstream = Upstream::start(accept);
    let gate = gate_before(&upstream);
    for (update, told) in [
        (
            json!({"Confidence": 5, "Workflow": {"Status": "SUPPRESSED"}}),
            "Workflow.Status = SUPPRESSED denied by policy `no-rule-suppresses` (strip): Suppress findings one by one.",
        ),
        (json!({"Criticality": 13}), "denied by policy `not-thirteen` (refuse)"),
        (
            json!({"Severity": {"Label": "LOW"}}),
            "policies that look at the finding cannot be asked about a rule, whose findings nobody knows yet, and policy \
             `vendor-severities-stay` does (state-unavailable, reject)",
        ),
    ] {
        let refused = ask(&gate, &SECURITY, CREATE, &rule(&update).to_string());
        refused.is_error(403, "AccessDeniedException", told);
        refused.is_error(403, "AccessDeniedException", &format!("[decision {}]", refused.headers["x-amzn-requestid"]));
        assert!(refused.headers.contains_key("x-findings-gate-decision"));
        gate.wait_for_log(&["request_denied", "CreateAutomationRule", &refused.headers["x-amzn-requestid"]]);
    }
    assert_eq!(upstream.received(), []);
}

#[test]
fn a_member_makes_and_changes_none() {
    let upstream = Upstream::start(accept);
    let gate = gate_before(&upstream);
    let update = json!({"UpdateAutomationRulesRequestItems": [{"RuleArn": arn("a"), "RuleOrder": 1}]});
    for (door, body) in [(CREATE, rule(&json!({"Confidence": 5})).to_string()), (UPDATE, update.to_string())] {
        let refused = ask(&gate, &PAYMENTS, door, &body);
        refused.is_error(403, "AccessDeniedException", "is for the administrator");
        refused.is_error(403, "AccessDeniedException", "account 222222222222 is a member");
    }
    assert_eq!(upstream.received(), []);
}

fn changes(rules: &[(&str, Option<Value>)]) -> String {
    let item = |(name, update): &(&str, Option<Value>)| {
        let mut item = json!({"RuleArn": arn(name), "RuleStatus": "ENABLED"});
        if let Some(update) = update {
            item["Actions"] = actions(update);
        }
        item
    };
    json!({"UpdateAutomationRulesRequestItems": rules.iter().map(item).collect::<Vec<_>>()}).to_string()
}

#[test]
fn of_several_rules_the_denied_ones_are_left_out() {
    let upstream = Upstream::start(accept);
    let gate = gate_before(&upstream);
    let (good, bad) = (json!({"Confidence": 5}), json!({"Workflow": {"Status": "SUPPRESSED"}}));
    let three = [("a", Some(good.clone())), ("b", Some(bad.clone())), ("c", Some(good.clone()))];
    let response = ask(&gate, &SECURITY, UPDATE, &changes(&three));
    assert_eq!(response.status, 200, "{response:?}");
    let body = response.json();
    assert_eq!(body["ProcessedAutomationRules"], json!([arn("a"), arn("c")]));
    let [entry] = &body["UnprocessedAutomationRules"].as_array().unwrap()[..] else { panic!("{body}") };
    assert_eq!((&entry["RuleArn"], &entry["ErrorCode"]), (&json!(arn("b")), &json!(403)));
    assert!(entry["ErrorMessage"].as_str().unwrap().contains("`no-rule-suppresses` (strip)"), "{entry}");
    assert!(response.headers.contains_key("x-findings-gate-decision"));
    let [received] = &upstream.take()[..] else { panic!() };
    assert!(received.head.starts_with("PATCH /automationrules/update HTTP/1.1\r\n"), "{}", received.head);
    let forwarded: Value =
        serde_json::from_str(&changes(&[("a", Some(good.clone())), ("c", Some(good.clone()))])).unwrap();
    assert_eq!(received.json(), forwarded);
    // All of them: nothing is forwarded. None of them: the backend's answer is the answer.
    let response = ask(&gate, &SECURITY, UPDATE, &changes(&[("a", None), ("b", Some(bad.clone()))]));
    let body = response.json();
    assert_eq!(body["ProcessedAutomationRules"], json!([]));
    let told = &body["UnprocessedAutomationRules"];
    assert!(told[0]["ErrorMessage"].as_str().unwrap().contains("leaves out its Actions"), "{told}");
    assert_eq!((told.as_array().unwrap().len(), upstream.take().len()), (2, 0));
    let response = ask(&gate, &SECURITY, UPDATE, &changes(&[("a", Some(good.clone()))]));
    let expected = json!({"ProcessedAutomationRules": [arn("a")], "UnprocessedAutomationRules": []});
    assert_eq!((response.json(), upstream.take().len()), (expected, 1));
    // One that refuses takes the call with it.
    let refuse = changes(&[("a", Some(good)), ("b", Some(json!({"Criticality": 13})))]);
    let refused = ask(&gate, &SECURITY, UPDATE, &refuse);
    refused.is_error(403, "AccessDeniedException", &format!("because of rule \"{}\": a rule is taken", arn("b")));
    assert!(refused.headers.contains_key("x-findings-gate-decision"));
    assert_eq!(upstream.received(), []);
    gate.goes_on();
}

#[test]
fn what_the_backend_says_is_told_and_what_it_does_not_say_too() {
    let upstream = Upstream::start(|request| {
        if request.json().get("UpdateAutomationRulesRequestItems").is_none() {
            return Reply::accept(request);
        }
        let unprocessed = json!([{"RuleArn": arn("b"), "ErrorCode": 404, "ErrorMessage": "gone"}]);
        Reply::json("200 OK", &json!({"ProcessedAutomationRules": null, "UnprocessedAutomationRules": unprocessed}))
    });
    let gate = gate_before(&upstream);
    let (good, bad) = (json!({"Confidence": 5}), json!({"Workflow": {"Status": "SUPPRESSED"}}));
    let three = changes(&[("a", Some(bad)), ("b", Some(good.clone())), ("c", Some(good))]);
    let body = ask(&gate, &SECURITY, UPDATE, &three).json();
    let told = body["UnprocessedAutomationRules"].as_array().unwrap();
    let told: Vec<_> = told.iter().map(|entry| (entry["RuleArn"].clone(), entry["ErrorCode"].clone())).collect();
    assert_eq!(told, [("a", 403), ("b", 404), ("c", 500)].map(|(name, code)| (json!(arn(name)), json!(code))));
    gate.wait_for_log(&["answer_doubtful"]);
    for (failure, status, code) in [
        (Reply::error("429 Slow", "TooManyRequestsException", "slow"), 429, "TooManyRequestsException"),
        (Reply::error("500 Oops", "InternalException", "on fire"), 500, "InternalException"),
        (Reply::json("200 OK", &json!({"ProcessedAutomationRules": 7})), 502, "BadGatewayException"),
        (Reply::Close(Vec::new()), 502, "BadGatewayException"),
    ] {
        let upstream = Upstream::start(move |request| {
            if request.json().get("FindingIdentifiers").is_some() { Reply::accept(request) } else { failure.clone() }
        });
        let gate = gate_before(&upstream);
        let response = ask(&gate, &SECURITY, UPDATE, &three);
        assert_eq!((response.status, &*response.headers["x-amzn-errortype"]), (status, code), "{response:?}");
        assert!(response.headers.contains_key("x-findings-gate-decision"));
        if status >= 500 {
            gate.wait_for_log(&["upstream_failed", "BatchUpdateAutomationRules"]);
        }
        gate.goes_on();
    }
}

#[test]
fn bad_rules_are_refused_with_their_place() {
    let upstream = Upstream::start(accept);
    let gate = gate_before(&upstream);
    let mut two_actions = rule(&json!({"Confidence": 5}));
    two_actions["Actions"] = json!([two_actions["Actions"][0], two_actions["Actions"][0]]);
    for (door, body, told) in [
        (CREATE, rule(&json!({"Confidence": 101})).to_string(), "Actions[0].FindingFieldsUpdate.Confidence: got 101"),
        (CREATE, rule(&json!({"RecordState": "ARCHIVED"})).to_string(), "unknown member `RecordState`"),
        (CREATE, rule(&json!({})).to_string(), "Actions[0].FindingFieldsUpdate: nothing to update"),
        (CREATE, two_actions.to_string(), "Actions: more than 1 elements"),
        (CREATE, "{}".to_owned(), "is missing"),
        (UPDATE, "{}".to_owned(), "`UpdateAutomationRulesRequestItems` is missing"),
        (
            UPDATE,
            json!({"UpdateAutomationRulesRequestItems": [{"RuleArn": "a"}]}).to_string(),
            "UpdateAutomationRulesRequestItems[0]: nothing to update",
        ),
    ] {
        ask(&gate, &SECURITY, door, &body).is_error(400, "InvalidInputException", told);
    }
    assert_eq!(upstream.received(), []);
}

#[test]
fn rules_that_are_closed_or_removed_say_what_to_do_instead() {
    let upstream = Upstream::start(accept);
    let gate = Gate::start(Place::new(&upstream.url(), ""));
    let body = rule(&json!({"Confidence": 5})).to_string();
    for (door, told) in [
        (CREATE, "`doors.open = [\"CreateAutomationRule\"]`; until then keep rules as reviewed code"),
        (("POST", "/automationrules/delete"), "BatchDeleteAutomationRules is closed at this gate: it removes a rule"),
        (("POST", "/automationrulesv2/create"), "use CreateAutomationRule and BatchUpdateAutomationRules"),
    ] {
        ask(&gate, &SECURITY, door, &body).is_error(403, "AccessDeniedException", told);
    }
    assert_eq!(upstream.received(), []);
}

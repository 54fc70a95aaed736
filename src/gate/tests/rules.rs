//! Automation rules of one request: which are forwarded, and how each is told. What policies are asked is tested with those.

use super::{Script, Scripted, allow, caller, deny};
use crate::{
    finding::{
        Enforcement, Operation, UpdateRules, Value, WorkflowStatus,
        outcome_rules::{AnsweredRules, UnprocessedRule},
    },
    gate::{MergedRules, RuleDecision, RulesPlan, merge_rules},
};
use serde_json::{Value as Json, json};

fn body(rules: &[(&str, Option<&str>)]) -> String {
    let rule = |(arn, status): &(&str, Option<&str>)| {
        let mut rule = json!({"RuleArn": arn, "RuleOrder": 1});
        if let Some(status) = status {
            rule["Actions"] =
                json!([{"Type": "FINDING_FIELDS_UPDATE", "FindingFieldsUpdate": {"Workflow": {"Status": status}}}]);
        }
        rule
    };
    json!({"UpdateAutomationRulesRequestItems": rules.iter().map(rule).collect::<Vec<_>>()}).to_string()
}

fn plan(body: &str, minimum: Enforcement) -> RulesPlan {
    let request = UpdateRules::parse(body.as_bytes()).unwrap();
    let script: Script = |question| match question.change.value() {
        Value::Workflow(WorkflowStatus::Suppressed) => deny(Enforcement::Strip, "no-suppression"),
        Value::Workflow(WorkflowStatus::Resolved) => deny(Enforcement::Refuse, "hands-off"),
        _ => allow(),
    };
    let decide = |rule: usize| {
        let update = request.rules[rule].update.as_ref();
        let mut judge = Scripted { script, asked: 0, alike: true };
        let (operation, now) = (Operation::BatchUpdateAutomationRules, "2026-01-01T00:00:00Z".parse().unwrap());
        RuleDecision::of(&mut judge, &caller(minimum), update, operation, now)
    };
    let decisions: Vec<_> = (0..request.rules.len()).map(decide).collect();
    RulesPlan::new(&request, &decisions, "d-1")
}

#[test]
fn denied_rules_are_left_out_unless_one_refuses_the_call() {
    let three = body(&[("a", Some("NEW")), ("b", Some("SUPPRESSED")), ("c", None)]);
    let RulesPlan::Forward { rules, denied } = plan(&three, Enforcement::Strip) else { panic!("refused") };
    assert_eq!((rules, denied.iter().map(|(place, _)| *place).collect::<Vec<_>>()), (vec![0], vec![1, 2]));
    assert!(denied[0].1.contains("Workflow.Status = SUPPRESSED denied by policy `no-suppression`"), "{denied:?}");
    assert!(denied[1].1.contains("leaves out its Actions"), "{denied:?}");
    for (body, minimum) in [
        (body(&[("a", Some("NEW")), ("b\n", Some("RESOLVED"))]), Enforcement::Strip),
        (body(&[("a", Some("NEW")), ("b\n", Some("SUPPRESSED"))]), Enforcement::Refuse),
        (body(&[("a", Some("NEW")), ("b\n", None)]), Enforcement::Refuse),
    ] {
        let RulesPlan::Refuse { message } = plan(&body, minimum) else { panic!("forwarded") };
        let begin = "the whole request is refused and nothing was changed, because of rule \"b\\n\": a rule is taken";
        assert!(message.starts_with(begin), "{message}");
    }
}

/// The merged answer to a request about rules of these names, of which the first ones were forwarded.
fn merged(names: &[&str], forwarded: usize, answer: AnsweredRules) -> (Json, usize, usize) {
    let rules: Vec<_> = names.iter().map(|name| (*name, None)).collect();
    let body = body(&rules);
    let request = UpdateRules::parse(body.as_bytes()).unwrap();
    let places: Vec<usize> = (0..forwarded).collect();
    let denied = (forwarded..names.len()).map(|place| (place, "denied".to_owned())).collect();
    let MergedRules { body, not_asked, not_answered } = merge_rules(&request, &places, denied, answer);
    (serde_json::from_slice(&body).unwrap(), not_asked, not_answered)
}

fn unprocessed(arn: &str, code: i64) -> UnprocessedRule {
    UnprocessedRule { rule_arn: Some(arn.to_owned()), error_code: Some(code), error_message: Some("m".to_owned()) }
}

#[test]
fn every_rule_is_told_in_the_order_of_the_request() {
    let answer = AnsweredRules {
        processed_automation_rules: vec!["c".into(), "a".into(), "made-up".into()],
        unprocessed_automation_rules: vec![unprocessed("b", 404), unprocessed("made-up", 1)],
    };
    let (answer, not_asked, not_answered) = merged(&["a", "b", "c", "d", "e"], 4, answer);
    assert_eq!(answer["ProcessedAutomationRules"], json!(["a", "c"]));
    let told: Vec<_> = answer["UnprocessedAutomationRules"].as_array().unwrap().iter().collect();
    assert_eq!(told[0], &json!({"RuleArn": "b", "ErrorCode": 404, "ErrorMessage": "m"}));
    assert_eq!((&told[1]["RuleArn"], &told[1]["ErrorCode"]), (&json!("d"), &json!(500)));
    assert_eq!(told[2], &json!({"RuleArn": "e", "ErrorCode": 403, "ErrorMessage": "denied"}));
    assert_eq!((told.len(), not_asked, not_answered), (3, 2, 1));
}

#[test]
fn a_rule_that_is_named_twice_is_told_twice() {
    let answer = AnsweredRules {
        processed_automation_rules: vec!["a".into()],
        unprocessed_automation_rules: vec![unprocessed("a", 400)],
    };
    let (answer, not_asked, not_answered) = merged(&["a", "a", "a"], 2, answer);
    assert_eq!(answer["ProcessedAutomationRules"], json!(["a"]));
    let codes = answer["UnprocessedAutomationRules"].as_array().unwrap().iter().map(|entry| &entry["ErrorCode"]);
    assert!(codes.eq([&json!(400), &json!(403)]), "{answer}");
    assert_eq!((not_asked, not_answered), (0, 0));
    let nothing = UnprocessedRule { rule_arn: Some("a".into()), error_code: None, error_message: None };
    let answer = AnsweredRules { unprocessed_automation_rules: vec![nothing], ..AnsweredRules::default() };
    let (answer, ..) = merged(&["a"], 1, answer);
    assert_eq!(answer["UnprocessedAutomationRules"][0]["ErrorCode"], 500);
}

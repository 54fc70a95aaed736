use super::*;
use crate::finding::Field;
use proptest::prelude::*;

const CRITERIA: &str = r#"{"Confidence":[{"Eq":50}]}"#;
const ACTIONS: &str =
    r#"[{"Type":"FINDING_FIELDS_UPDATE","FindingFieldsUpdate":{"Workflow":{"Status":"SUPPRESSED"}}}]"#;

/// A good rule's members without those named.
fn without(left_out: &str) -> Vec<(&'static str, String)> {
    let members = [
        ("Tags", r#"{"team":"red","a/b":""}"#),
        ("RuleStatus", r#""DISABLED""#),
        ("RuleOrder", "7"),
        ("RuleName", r#""n \"1\"""#),
        ("Description", r#""d""#),
        ("IsTerminal", "true"),
        ("Criteria", CRITERIA),
        ("Actions", ACTIONS),
    ];
    members.into_iter().filter(|(name, _)| *name != left_out).map(|(name, value)| (name, value.to_owned())).collect()
}

fn body(members: &[(&str, String)]) -> String {
    let members: Vec<_> = members.iter().map(|(name, value)| format!(r#""{name}":{value}"#)).collect();
    format!("{{{}}}", members.join(","))
}

/// A good rule with one member replaced, or added.
fn with(name: &'static str, value: &str) -> String {
    let mut members = without(name);
    members.push((name, value.to_owned()));
    body(&members)
}

fn written(rule: &CreateRule<'_>) -> String {
    let mut out = Vec::new();
    rule.write_json(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_rule_is_read_and_written_again() {
    let whole = body(&without(""));
    let rule = CreateRule::parse(whole.as_bytes()).unwrap();
    assert_eq!(rule.update.fields(), [Field::Workflow].into_iter().collect());
    assert_eq!((rule.order, rule.status, rule.is_terminal), (7, Some(RuleStatus::Disabled), Some(true)));
    assert_eq!(written(&rule), whole);
    let least: Vec<_> = ["RuleOrder", "RuleName", "Description", "Criteria", "Actions"]
        .into_iter()
        .map(|name| without("").into_iter().find(|(member, _)| *member == name).unwrap())
        .collect();
    let least = body(&least);
    assert_eq!(written(&CreateRule::parse(least.as_bytes()).unwrap()), least);
}

#[test]
fn an_action_holds_what_an_update_holds() {
    let update = r#"{"Confidence":42,"Criticality":99,"Note":{"Text":"t","UpdatedBy":"u"},"RelatedFindings":[{"Id":"r","ProductArn":"arn:aws:securityhub:eu-west-1::product/aws/inspector"}],"Severity":{"Label":"HIGH","Normalized":70,"Product":7.5},"Types":["TTPs"],"UserDefinedFields":{"a":"b"},"VerificationState":"UNKNOWN","Workflow":{"Status":"NEW"}}"#;
    let body = with("Actions", &format!(r#"[{{"Type":"FINDING_FIELDS_UPDATE","FindingFieldsUpdate":{update}}}]"#));
    let rule = CreateRule::parse(body.as_bytes()).unwrap();
    assert_eq!(rule.update.fields(), Field::updatable().collect());
    assert_eq!(written(&rule), body);
    assert_eq!(
        String::from_utf8(rule.update.to_rule_actions()).unwrap(),
        format!(r#"[{{"Type":"FINDING_FIELDS_UPDATE","FindingFieldsUpdate":{update}}}]"#)
    );
}

#[test]
fn bad_rules_are_refused_with_their_place() {
    let action = |members: &str| format!("[{{{members}}}]");
    let fields = |members: &str| format!(r#"[{{"Type":"FINDING_FIELDS_UPDATE","FindingFieldsUpdate":{{{members}}}}}]"#);
    let long = |length: usize| format!("\"{}\"", "x".repeat(length));
    let tags = |count: usize| {
        let tags: Vec<_> = (0..count).map(|n| format!(r#""k{n}":"v""#)).collect();
        format!("{{{}}}", tags.join(","))
    };
    for (name, value, told) in [
        ("RuleOrder", "0", "RuleOrder: got 0, expected an integer from 1 to 1000"),
        ("RuleOrder", "1001", "RuleOrder: got 1001"),
        ("RuleOrder", "1.0", "RuleOrder: invalid type: floating point `1.0`, expected an integer from 1 to 1000"),
        ("RuleOrder", "-1", "RuleOrder: got -1, expected an integer from 1 to 1000"),
        ("RuleStatus", "\"enabled\"", "RuleStatus: got \"enabled\", expected one of ENABLED, DISABLED"),
        ("RuleName", "\" \"", "RuleName: got"),
        ("RuleName", &long(257), "RuleName: got"),
        ("Description", &long(1025), "Description: got"),
        ("Description", "null", "Description: invalid type: null"),
        ("IsTerminal", "\"true\"", "IsTerminal: invalid type: string \"true\", expected true or false"),
        ("Criteria", "{}", "Criteria: an empty object"),
        ("Criteria", r#"{"Title":[{"Value":"x"}]}"#, "Criteria.Title[0]: member `Comparison` is missing"),
        ("Tags", "{}", "Tags: an empty object"),
        ("Tags", &tags(51), "more than 50 tags"),
        ("Tags", r#"{"aws:x":"y"}"#, "does not begin with aws:"),
        ("Tags", r#"{"a b":"y"}"#, "expected a tag key"),
        ("Tags", r#"{"a":"1","a":"2"}"#, "member `a` came twice"),
        ("Tags", &format!(r#"{{"a":{}}}"#, long(257)), "Tags.a: got"),
        ("Actions", "[]", "Actions: got an empty list, expected a list of one action"),
        ("Actions", &format!("[{0},{0}]", &ACTIONS[1..ACTIONS.len() - 1]), "Actions: more than 1 elements"),
        ("Actions", &ACTIONS[1..ACTIONS.len() - 1], "Actions: invalid type: map"),
        ("Actions", &action(r#""Type":"OTHER""#), "Actions[0].Type: got \"OTHER\""),
        (
            "Actions",
            &action(r#""Type":"FINDING_FIELDS_UPDATE""#),
            "Actions[0]: member `FindingFieldsUpdate` is missing",
        ),
        ("Actions", &action(r#""FindingFieldsUpdate":{"Confidence":1}"#), "Actions[0]: member `Type` is missing"),
        ("Actions", &action(r#""Type":"FINDING_FIELDS_UPDATE","X":1"#), "Actions[0]: unknown member `X`"),
        ("Actions", &fields(""), "Actions[0].FindingFieldsUpdate: nothing to update"),
        ("Actions", &fields(r#""Confidence":101"#), "Actions[0].FindingFieldsUpdate.Confidence: got 101"),
        ("Actions", &fields(r#""Note":{"Text":"x"}"#), "FindingFieldsUpdate.Note: member `UpdatedBy` is missing"),
        ("Actions", &fields(r#""RecordState":"ARCHIVED""#), "FindingFieldsUpdate: unknown member `RecordState`"),
        ("Actions", &fields(r#""FindingIdentifiers":[]"#), "unknown member `FindingIdentifiers`"),
        ("Actions", &fields(r#""Confidence":1,"Confidence":2"#), "member `Confidence` came twice"),
        ("RuleArn", "\"arn\"", "body: unknown member `RuleArn`"),
        ("CreatedBy", "\"me\"", "body: unknown member `CreatedBy`"),
    ] {
        let error = CreateRule::parse(with(name, value).as_bytes()).unwrap_err().to_string();
        assert!(error.contains(told), "{name} {value}: {error}");
    }
    for name in ["RuleOrder", "RuleName", "Description", "Criteria", "Actions"] {
        let error = CreateRule::parse(body(&without(name)).as_bytes()).unwrap_err().to_string();
        assert!(error.contains(&format!("body: member `{name}` is missing")), "{error}");
    }
    let mut twice = without("");
    twice.push(("RuleName", "\"again\"".to_owned()));
    assert!(CreateRule::parse(body(&twice).as_bytes()).unwrap_err().to_string().contains("`RuleName` came twice"));
    assert!(CreateRule::parse(b"").is_err());
}

#[test]
fn updates_of_rules_are_read_and_written_in_part() {
    let first = format!(
        r#"{{"RuleArn":"arn:1","RuleStatus":"ENABLED","RuleOrder":1,"RuleName":"n","Description":"d","IsTerminal":false,"Criteria":{CRITERIA},"Actions":{ACTIONS}}}"#
    );
    let second = r#"{"RuleArn":"arn:2","RuleStatus":"DISABLED"}"#;
    let body = |items: &str| format!(r#"{{"UpdateAutomationRulesRequestItems":[{items}]}}"#);
    let whole = body(&format!("{first},{second}"));
    let request = UpdateRules::parse(whole.as_bytes()).unwrap();
    assert!(request.rules[0].update.is_some() && request.rules[1].update.is_none());
    for (rules, expected) in [(vec![0, 1], whole.clone()), (vec![1], body(second)), (vec![0], body(&first))] {
        let mut out = Vec::new();
        request.write_json(rules, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
    let many = vec![second; 101].join(",");
    for (items, told) in [
        ("", "UpdateAutomationRulesRequestItems: got an empty list"),
        (&*many, "more than 100 elements"),
        (r#"{"RuleArn":"arn:2"}"#, "UpdateAutomationRulesRequestItems[0]: nothing to update"),
        (r#"{"RuleStatus":"ENABLED"}"#, "member `RuleArn` is missing"),
        (r#"{"RuleArn":"","RuleStatus":"ENABLED"}"#, "[0].RuleArn: got \"\""),
        (r#"{"RuleArn":"a","Tags":{"a":"b"}}"#, "unknown member `Tags`"),
        (r#"{"RuleArn":"a","Actions":[]}"#, "[0].Actions: got an empty list"),
    ] {
        let error = UpdateRules::parse(body(items).as_bytes()).unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
    }
    assert!(UpdateRules::parse(b"{}").unwrap_err().to_string().contains("is missing"));
}

#[test]
fn arns_are_read_and_written_again() {
    let body = r#"{"AutomationRulesArns":["arn:1","arn:2"]}"#;
    let request = RuleArns::parse(body.as_bytes()).unwrap();
    let mut out = Vec::new();
    request.write_json(&mut out);
    assert_eq!(String::from_utf8(out).unwrap(), body);
    let many = format!(r#"{{"AutomationRulesArns":[{}]}}"#, vec![r#""a""#; 101].join(","));
    for (bad, told) in [
        ("{}", "`AutomationRulesArns` is missing"),
        (r#"{"AutomationRulesArns":[]}"#, "got an empty list"),
        (&*many, "more than 100 elements"),
        (r#"{"AutomationRulesArns":[1]}"#, "AutomationRulesArns[0]: invalid type"),
        (r#"{"AutomationRulesArns":["a"],"Other":1}"#, "unknown member `Other`"),
    ] {
        let error = RuleArns::parse(bad.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(told), "{bad}: {error}");
    }
}

proptest! {
    /// Whatever is accepted is written so that it is read as the same again.
    #[test]
    fn a_damaged_rule_is_refused_or_written_as_it_was_read(at in 0usize..400, byte in any::<u8>(), name in "\\PC{1,8}") {
        let mut body = with("RuleName", &serde_json::to_string(&name).unwrap()).into_bytes();
        if let Some(damaged) = body.get_mut(at) {
            *damaged = byte;
        }
        if let Ok(rule) = CreateRule::parse(&body) {
            let text = written(&rule);
            prop_assert_eq!(CreateRule::parse(text.as_bytes()), Ok(rule));
        }
    }
}

//! Automation rules.

use super::support::{ADMIN, MEMBER, World, finding, settings};
use findings_gate::{
    backend::{Backend, Settings},
    finding::{AccountId, Accounts, ApiError, Operation},
};
use serde_json::{Value, json};

fn rule() -> Value {
    json!({
        "RuleOrder": 3, "RuleName": "no test accounts", "Description": "they are noise", "IsTerminal": true,
        "Criteria": {"AwsAccountName": [{"Value": "test", "Comparison": "CONTAINS"}]},
        "Actions": [{
            "Type": "FINDING_FIELDS_UPDATE",
            "FindingFieldsUpdate": {"Workflow": {"Status": "SUPPRESSED"}, "Note": {"Text": "noise", "UpdatedBy": "me"}},
        }],
    })
}

fn call(world: &World, operation: Operation, body: &Value) -> Result<Value, ApiError> {
    world.call_raw(operation, ADMIN, &body.to_string())
}

fn create(world: &World, rule: &Value) -> String {
    let answer = call(world, Operation::CreateAutomationRule, rule).unwrap();
    answer["RuleArn"].as_str().unwrap().to_owned()
}

fn get(world: &World, arns: &[&str]) -> Value {
    call(world, Operation::BatchGetAutomationRules, &json!({"AutomationRulesArns": arns})).unwrap()
}

fn list(world: &World, query: &str) -> Result<Value, ApiError> {
    world.call_raw(Operation::ListAutomationRules, ADMIN, query)
}

fn update(world: &World, items: &Value) -> Value {
    let body = json!({"UpdateAutomationRulesRequestItems": items});
    call(world, Operation::BatchUpdateAutomationRules, &body).unwrap()
}

#[test]
fn a_rule_is_made_read_changed_and_removed() {
    let world = World::new();
    let arn = create(&world, &rule());
    let uuid = arn.strip_prefix("arn:aws:securityhub:eu-west-1:111111111111:automation-rule/").unwrap();
    assert_eq!(uuid.len(), 36, "{arn}");
    let mut expected = rule();
    for (name, value) in [
        ("RuleArn", &*arn),
        ("RuleStatus", "ENABLED"),
        ("CreatedAt", "2024-05-10T00:00:00.000Z"),
        ("UpdatedAt", "2024-05-10T00:00:00.000Z"),
        ("CreatedBy", ADMIN),
    ] {
        expected[name] = value.into();
    }
    assert_eq!(get(&world, &[&arn]), json!({"Rules": [expected], "UnprocessedAutomationRules": []}));

    let listed = list(&world, "").unwrap();
    for left_out in ["Criteria", "Actions"] {
        expected.as_object_mut().unwrap().remove(left_out);
    }
    assert_eq!(listed, json!({"AutomationRulesMetadata": [expected]}));

    let actions = json!([{"Type": "FINDING_FIELDS_UPDATE", "FindingFieldsUpdate": {"Confidence": 1}}]);
    let changed = update(&world, &json!([{"RuleArn": arn, "RuleStatus": "DISABLED", "Actions": actions}]));
    assert_eq!(changed, json!({"ProcessedAutomationRules": [arn], "UnprocessedAutomationRules": []}));
    let now = &get(&world, &[&arn])["Rules"][0];
    assert_eq!((&now["RuleStatus"], &now["Actions"]), (&json!("DISABLED"), &actions));
    for kept in ["RuleName", "RuleOrder", "Criteria", "IsTerminal", "CreatedAt"] {
        let before = if kept == "CreatedAt" { json!("2024-05-10T00:00:00.000Z") } else { rule()[kept].clone() };
        assert_eq!(now[kept], before, "{kept}");
    }

    let removed = call(&world, Operation::BatchDeleteAutomationRules, &json!({"AutomationRulesArns": [arn]})).unwrap();
    assert_eq!(removed, json!({"ProcessedAutomationRules": [arn], "UnprocessedAutomationRules": []}));
    assert_eq!(list(&world, "").unwrap(), json!({"AutomationRulesMetadata": []}));
}

#[test]
fn rules_that_are_not_there_or_named_twice_are_told_one_by_one() {
    let world = World::new();
    let arn = create(&world, &rule());
    let unprocessed = json!([
        {"RuleArn": arn, "ErrorCode": 400, "ErrorMessage": "Automation rule is named twice"},
        {"RuleArn": "arn:no", "ErrorCode": 404, "ErrorMessage": "Automation rule not found"},
    ]);
    let got = get(&world, &[&arn, &arn, "arn:no"]);
    assert_eq!((got["Rules"].as_array().unwrap().len(), &got["UnprocessedAutomationRules"]), (1, &unprocessed));
    let items = [(&*arn, 1), (&arn, 2), ("arn:no", 3)].map(|(arn, order)| json!({"RuleArn": arn, "RuleOrder": order}));
    let answer = update(&world, &items.into());
    assert_eq!(answer, json!({"ProcessedAutomationRules": [arn], "UnprocessedAutomationRules": unprocessed}));
    assert_eq!(get(&world, &[&arn])["Rules"][0]["RuleOrder"], 1);
    let body = json!({"AutomationRulesArns": [arn, arn, "arn:no"]});
    let answer = call(&world, Operation::BatchDeleteAutomationRules, &body).unwrap();
    assert_eq!(answer, json!({"ProcessedAutomationRules": [arn], "UnprocessedAutomationRules": unprocessed}));
}

#[test]
fn rules_are_the_administrators() {
    let world = World::new();
    let arn = create(&world, &rule());
    let arns = json!({"AutomationRulesArns": [arn]});
    let items = json!({"UpdateAutomationRulesRequestItems": [{"RuleArn": arn, "RuleOrder": 1}]});
    for (operation, input) in [
        (Operation::CreateAutomationRule, rule().to_string()),
        (Operation::BatchUpdateAutomationRules, items.to_string()),
        (Operation::BatchDeleteAutomationRules, arns.to_string()),
        (Operation::BatchGetAutomationRules, arns.to_string()),
        (Operation::ListAutomationRules, String::new()),
    ] {
        let error = world.call_raw(operation, MEMBER, &input).unwrap_err();
        assert_eq!((error.status, error.code), (403, "AccessDeniedException"), "{operation}");
        assert!(error.message.contains("Account 222222222222 is a member"), "{}", error.message);
    }
    assert_eq!(get(&world, &[&arn])["Rules"][0]["RuleOrder"], 3);
}

#[test]
fn input_that_is_wrong_changes_nothing() {
    let world = World::new();
    let arn = create(&world, &rule());
    let mut no_actions = rule();
    no_actions["Actions"] = json!([]);
    for (operation, input, told) in [
        (Operation::CreateAutomationRule, no_actions.to_string(), "Actions: got an empty list"),
        (Operation::CreateAutomationRule, "{}".to_owned(), "`RuleOrder` is missing"),
        (Operation::CreateAutomationRule, String::new(), "body: "),
        (
            Operation::BatchUpdateAutomationRules,
            json!({"UpdateAutomationRulesRequestItems": [
                {"RuleArn": arn, "RuleOrder": 9}, {"RuleArn": arn, "RuleOrder": 1001},
            ]})
            .to_string(),
            "UpdateAutomationRulesRequestItems[1].RuleOrder: got 1001",
        ),
        (Operation::BatchDeleteAutomationRules, json!({"AutomationRulesArns": []}).to_string(), "got an empty list"),
        (Operation::BatchGetAutomationRules, json!({"AutomationRulesArns": arn}).to_string(), "invalid type: string"),
        (Operation::ListAutomationRules, "MaxResults=101".to_owned(), "MaxResults: got `101`"),
        (Operation::ListAutomationRules, "NextToken=00".to_owned(), "NextToken: not a token of this account"),
        (Operation::ListAutomationRules, "Max=1".to_owned(), "unknown parameter `Max`"),
    ] {
        let error = world.call_raw(operation, ADMIN, &input).unwrap_err();
        assert_eq!((error.status, error.code), (400, "InvalidInputException"), "{operation} {input}");
        assert!(error.message.contains(told), "{operation} {input}: {}", error.message);
    }
    let left = list(&world, "").unwrap();
    assert_eq!(
        (
            left["AutomationRulesMetadata"].as_array().unwrap().len(),
            get(&world, &[&arn])["Rules"][0]["RuleOrder"].clone()
        ),
        (1, json!(3))
    );
}

#[test]
fn an_account_has_a_hundred_rules_at_the_most() {
    let world = World::new();
    let arns: Vec<_> = (0..100).map(|_| create(&world, &rule())).collect();
    let error = call(&world, Operation::CreateAutomationRule, &rule()).unwrap_err();
    assert_eq!((error.status, error.code), (429, "LimitExceededException"));
    assert!(error.message.contains("100 automation rules"), "{}", error.message);
    let removed = json!({"AutomationRulesArns": [arns[50]]});
    call(&world, Operation::BatchDeleteAutomationRules, &removed).unwrap();
    create(&world, &rule());
}

#[test]
fn rules_are_listed_page_by_page_in_the_order_they_were_made_in() {
    let world = World::new();
    let arns: Vec<_> = (0..5).map(|_| create(&world, &rule())).collect();
    let (mut found, mut query) = (Vec::new(), "MaxResults=2".to_owned());
    for page in 0.. {
        let answer = list(&world, &query).unwrap();
        let rules = answer["AutomationRulesMetadata"].as_array().unwrap();
        found.extend(rules.iter().map(|rule| rule["RuleArn"].as_str().unwrap().to_owned()));
        let Some(token) = answer["NextToken"].as_str() else { break };
        // With its size or alone; one rule goes meanwhile.
        query = if page == 0 { format!("MaxResults=2&NextToken={token}") } else { format!("NextToken={token}") };
        if page == 0 {
            let removed = json!({"AutomationRulesArns": [arns[0]]});
            call(&world, Operation::BatchDeleteAutomationRules, &removed).unwrap();
            let error = list(&world, &format!("MaxResults=3&NextToken={token}")).unwrap_err();
            assert!(error.message.contains("MaxResults: differs"), "{}", error.message);
        }
    }
    assert_eq!(found, arns);
    assert_eq!(list(&world, "").unwrap().get("NextToken"), None);
}

#[test]
fn a_token_of_another_operation_is_none() {
    let world = World::with(&[finding(MEMBER, "f1"), finding(MEMBER, "f2")]);
    create(&world, &rule());
    create(&world, &rule());
    let of_findings = world.get(ADMIN, &json!({"MaxResults": 1}))["NextToken"].as_str().unwrap().to_owned();
    assert!(list(&world, &format!("NextToken={of_findings}")).unwrap_err().message.contains("not a token"));
    let of_rules = list(&world, "MaxResults=1").unwrap()["NextToken"].clone();
    assert!(world.get_error(ADMIN, &json!({"NextToken": of_rules})).message.contains("not a token"));
}

#[test]
fn rules_outlive_the_process_and_belong_to_their_account() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("findings.db");
    let arn = create(&World::at(&path), &rule());
    let world = World::at(&path);
    assert_eq!(get(&world, &[&arn])["Rules"][0]["RuleName"], "no test accounts");
    drop(world);
    // The member becomes the administrator: the other's rules are not its own.
    let accounts = Accounts::new(AccountId::parse(MEMBER).unwrap(), []);
    let world = World { backend: Backend::open(Settings { data: Some(path), accounts, ..settings() }).unwrap() };
    let seen = |operation, input: &str| world.call_raw(operation, MEMBER, input).unwrap();
    assert_eq!(seen(Operation::ListAutomationRules, ""), json!({"AutomationRulesMetadata": []}));
    let answer = seen(Operation::BatchDeleteAutomationRules, &json!({"AutomationRulesArns": [arn]}).to_string());
    assert_eq!(answer["UnprocessedAutomationRules"][0]["ErrorCode"], 404);
}

#[test]
fn rules_are_kept_and_not_applied() {
    let world = World::new();
    let mut for_all = rule();
    for_all["Criteria"] = json!({"RecordState": [{"Value": "ACTIVE", "Comparison": "EQUALS"}]});
    create(&world, &for_all);
    world.import(MEMBER, &[finding(MEMBER, "f1")]);
    assert_eq!(world.finding(MEMBER, "f1")["Workflow"]["Status"], "NEW");
}

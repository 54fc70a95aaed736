use generate::{requests, statements, update};

use super::{
    oracle::{self, Keys, Request},
    *,
};
use crate::{
    finding::{Role, Timestamp},
    policy::{Engine, PolicyText, Snapshot, load},
    workbench::{Call, CallerFixture, Example, FindingFixture, Fleet, Outcome, ask},
};
use proptest::{
    prelude::*,
    sample::select,
    test_runner::{TestCaseError, TestRunner},
};
use serde_json::{Map, Value, json};
use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    sync::Arc,
};

mod generate;
mod table;

pub(super) fn options() -> Options {
    Options {
        name: "imported".to_owned(),
        principal: Principal::Member,
        enforcement: Enforcement::Refuse,
        prefix: String::new(),
        hub: None,
        service_control: false,
    }
}

fn import_with(document: &Value, options: &Options) -> Imported {
    let source = Source { name: "policy.json".to_owned(), text: document.to_string() };
    import(&[source], options).unwrap()
}

/// A document of these statements, each about every resource, and of BatchUpdateFindings unless it says otherwise.
fn document(statements: &[Value]) -> Value {
    let statements: Vec<Value> = statements
        .iter()
        .map(|statement| {
            let mut statement = statement.clone();
            if statement["Action"].is_null() && statement["NotAction"].is_null() {
                statement["Action"] = json!("securityhub:BatchUpdateFindings");
            }
            for element in ["Action", "NotAction", "Condition"] {
                if statement[element].is_null() {
                    statement.as_object_mut().unwrap().remove(element);
                }
            }
            statement["Resource"] = json!("*");
            statement
        })
        .collect();
    json!({ "Version": "2012-10-17", "Statement": statements })
}

fn member() -> CallerFixture {
    CallerFixture::plain(Role::Member, "222222222222".parse().unwrap())
}

fn engine(cedar: Option<&str>) -> Engine {
    let rules = cedar.map_or_else(Vec::new, |text| {
        load(&[PolicyText { name: "imported.cedar".into(), text: text.into() }]).unwrap().rules().to_vec()
    });
    let accounts = Fleet::of([&member()]).unwrap().accounts();
    Engine::new(Arc::new(Snapshot::new(rules, Arc::new(accounts), Enforcement::Refuse).unwrap()))
}

fn example(call: Call, now: Timestamp) -> Example {
    let caller = member();
    Example { finding: FindingFixture::plain(caller.account), caller, call, now }
}

/// What a request is to IAM.
fn request(example: &Example) -> Request {
    let mut keys = Keys::new();
    let mut put = |key: &str, values: Vec<String>| keys.insert(key.to_lowercase(), values);
    put("aws:PrincipalArn", vec![example.caller.principal()]);
    put("aws:PrincipalAccount", vec![example.caller.account.to_string()]);
    put("aws:CurrentTime", vec![example.now.to_string()]);
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let (action, prefix) = match &example.call {
        Call::Update(_) => ("securityhub:BatchUpdateFindings", "securityhub:ASFFSyntaxPath/"),
        Call::UpdateV2(_) => ("securityhub:BatchUpdateFindings", "securityhub:OCSFSyntaxPath/"),
        Call::Import(_) => {
            put("securityhub:TargetAccount", vec![example.finding.account.to_string()]);
            return Request { action: "securityhub:BatchImportFindings", readings: vec![keys] };
        }
    };
    let mut labels = Vec::new();
    for (name, value) in example.call.members() {
        let mut leaf = |leaf: &str, values: Vec<String>| keys.insert(format!("{prefix}{leaf}").to_lowercase(), values);
        match (name.as_str(), value) {
            ("UserDefinedFields", Value::Object(pairs)) => {
                leaf("UserDefinedFields.key", pairs.keys().cloned().collect());
                leaf("UserDefinedFields.value", pairs.values().map(text).collect());
            }
            ("RelatedFindings", Value::Array(findings)) => {
                leaf("RelatedFindings", vec![String::new()]);
                leaf("RelatedFindings.Id", findings.iter().map(|finding| text(&finding["Id"])).collect());
                leaf(
                    "RelatedFindings.ProductArn",
                    findings.iter().map(|finding| text(&finding["ProductArn"])).collect(),
                );
            }
            ("Types", Value::Array(kinds)) => {
                leaf("Types", kinds.iter().map(text).collect());
            }
            ("Severity", Value::Object(members)) => {
                for (member, value) in members {
                    if member == "Label" {
                        labels.push(text(value));
                    } else {
                        leaf(&format!("Severity.{member}"), vec![text(value)]);
                    }
                }
                if let Some(number) = members.get("Normalized").and_then(Value::as_u64) {
                    labels.push(
                        match number {
                            0 => "INFORMATIONAL",
                            1..40 => "LOW",
                            40..70 => "MEDIUM",
                            70..90 => "HIGH",
                            _ => "CRITICAL",
                        }
                        .to_owned(),
                    );
                }
            }
            (object, Value::Object(members)) => {
                for (member, value) in members {
                    leaf(&format!("{object}.{member}"), vec![text(value)]);
                }
            }
            (name, value) => {
                leaf(name, vec![text(value)]);
            }
        }
    }
    let with = |label: &String| {
        let mut keys = keys.clone();
        keys.insert("securityhub:asffsyntaxpath/severity.label".to_owned(), vec![label.clone()]);
        keys
    };
    let readings = if labels.is_empty() { vec![keys] } else { labels.iter().map(with).collect() };
    Request { action, readings }
}

/// What was tried.
#[derive(Debug, Default)]
struct Tally {
    carried: Cell<u32>,
    refused: Cell<u32>,
    allowed: Cell<u32>,
    denied: Cell<u32>,
    reasons: RefCell<BTreeMap<String, u32>>,
}

impl Tally {
    /// Imports statements and asks the requests of the gate and of the oracle, which is given the statements that were carried
    /// over.
    fn agree(&self, statements: &[Value], examples: &[Example]) -> Result<(), TestCaseError> {
        let count = |cell: &Cell<u32>| cell.set(cell.get() + 1);
        // As `import` does, without the suite, which would take most of the time.
        let source = Source { name: "policy.json".to_owned(), text: document(statements).to_string() };
        let documents = documents(&[source]).unwrap();
        let translated = translate_all(&documents, &options());
        let Written { text, ids } = write::cedar(&translated, &options()).unwrap();
        let cedar = (!ids.iter().all(Vec::is_empty)).then_some(text);
        let mut kept = Vec::new();
        for (statement, of) in statements.iter().zip(&translated) {
            if let Some(refusal) = &of.refused {
                count(&self.refused);
                let reason = refusal.reason.chars().take(48).collect();
                *self.reasons.borrow_mut().entry(reason).or_default() += 1;
            } else {
                count(&self.carried);
                kept.push(statement.clone());
            }
        }
        let kept = document(&kept);
        let mut engine = engine(cedar.as_deref());
        for example in examples {
            let decided = ask(&mut engine, example).unwrap();
            let expected = oracle::allows(&kept, &request(example));
            count(if expected { &self.allowed } else { &self.denied });
            let outcome = if expected { Outcome::Forwarded } else { Outcome::Refused };
            let cedar = cedar.as_deref().unwrap_or_default();
            prop_assert_eq!(decided.outcome, outcome, "{}\n{}\n{}\n{:#?}", kept, example, cedar, decided);
        }
        Ok(())
    }
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// The heart of it: of generated statements and requests, the gate says of each request what IAM says.
#[test]
fn the_gate_says_of_every_request_what_iam_says() {
    let tally = Tally::default();
    let tried = TestRunner::new(config(120))
        .run(&(statements(), requests()), |(statements, examples)| tally.agree(&statements, &examples));
    tried.unwrap_or_else(|error| panic!("{error}"));
    let (carried, refused) = (tally.carried.get(), tally.refused.get());
    assert!(carried > 2 * refused, "{tally:#?}");
    assert!(tally.allowed.get() > 300 && tally.denied.get() > 1_000, "{tally:#?}");
}

/// Statements that allow, and hardly differ: what each leaves to a question of its own must not be granted by another one.
#[test]
fn statements_that_allow_together_allow_what_iam_allows() {
    let test = select(
        &[
            ("StringEquals", "Workflow.Status", "NOTIFIED"),
            ("StringEquals", "Workflow.Status", "RESOLVED"),
            ("StringEqualsIfExists", "Workflow.Status", "NEW"),
            ("StringEquals", "VerificationState", "UNKNOWN"),
            ("StringNotEquals", "VerificationState", "FALSE_POSITIVE"),
            ("ForAllValues:StringEquals", "Types", "A"),
            ("ForAllValues:StringEquals", "Types", "B/C"),
            ("ForAllValues:StringEquals", "UserDefinedFields.key", "ticket"),
            ("ForAllValues:StringEquals", "UserDefinedFields.key", "owner"),
            ("StringEqualsIfExists", "Severity.Label", "LOW"),
            ("StringEqualsIfExists", "Severity.Label", "HIGH"),
            ("StringLike", "Note.Text", "SEC-*"),
        ][..],
    );
    let statement = prop::collection::vec(test, 1..3).prop_map(|tests| {
        let mut condition: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
        for (operator, path, value) in tests {
            let key = format!("securityhub:ASFFSyntaxPath/{path}");
            condition.entry(operator).or_default().insert(key, json!(value));
        }
        json!({ "Effect": "Allow", "Condition": condition })
    });
    let examples = prop::collection::vec(update().prop_map(|call| example(call, Example::NOW)), 80);
    let tally = Tally::default();
    let tried = TestRunner::new(config(80))
        .run(&(prop::collection::vec(statement, 2..4), examples), |(statements, examples)| {
            tally.agree(&statements, &examples)
        });
    tried.unwrap_or_else(|error| panic!("{error}"));
    assert!(tally.carried.get() > 80 && tally.refused.get() > 20, "{tally:#?}");
    assert!(tally.allowed.get() > 500 && tally.denied.get() > 500, "{tally:#?}");
}

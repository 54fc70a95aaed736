//! Questions as tests of `cedar run-tests`: each with all of its entities, and the decision and policies that Cedar must give.

use crate::policy::{Answer, Reason, Recorded, Rule};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The policies that count, under their ids. (Those in shadow change no verdict, and one set cannot say that.)
pub fn policies(rules: &[Rule]) -> String {
    let texts = rules.iter().filter(|rule| !rule.shadow).map(|rule| rule.policy.to_string());
    texts.map(|text| format!("{}\n", text.trim_end())).collect::<Vec<_>>().join("\n")
}

/// The questions as tests, each once. Those that were asked while it was not known how the finding is are left out: the gate
/// asks them in a form of its own.
pub fn tests(suite: &str, recorded: &[Recorded]) -> Value {
    let mut seen = BTreeSet::new();
    let mut tests = Vec::new();
    for question in recorded.iter().filter(|question| question.state_known) {
        let (decision, reason) = match &question.verdict.enforced {
            Answer::Allowed { by } => ("allow", by.clone()),
            Answer::Denied(denial) if denial.reason == Reason::Forbidden => ("deny", denial.policies.clone()),
            Answer::Denied(denial) if denial.reason == Reason::NoGrant => ("deny", Vec::new()),
            Answer::Denied(_) => continue,
        };
        let Some(test) = test(question, decision, &reason) else { continue };
        if seen.insert(test.to_string()) {
            let mut test = test;
            test["name"] = format!("{suite} {}: {} by a {}", seen.len(), question.action, question.role).into();
            tests.push(test);
        }
    }
    Value::Array(tests)
}

fn test(question: &Recorded, decision: &str, reason: &[std::sync::Arc<str>]) -> Option<Value> {
    let Recorded { request, entities, .. } = question;
    let context = request.context()?.to_json_value().ok()?;
    let reason: Vec<&str> = reason.iter().map(|id| &**id).collect();
    // Cedar's own file must not have the actions, which the schema brings.
    let mut entities = entities.to_json_value().ok()?;
    if let Some(list) = entities.as_array_mut() {
        list.retain(|entity| entity["uid"]["type"] != "Action");
        list.sort_by_key(|entity| entity["uid"].to_string());
    }
    Some(json!({
        "request": {
            "principal": request.principal()?.to_string(),
            "action": request.action()?.to_string(),
            "resource": request.resource()?.to_string(),
            "context": context,
        },
        "entities": entities, "decision": decision, "reason": reason, "num_errors": 0,
    }))
}

//! An evaluator of IAM policies, written from IAM's rules and not from the importer's: for tests only.
//!
//! It reads the document's JSON and decides a request by its keys. The one thing that it knows of the gate is its reading of
//! severity: a number stands for a label too.

use serde_json::Value;
use std::collections::BTreeMap;

/// The keys of a request, in small letters, each with its values.
pub(super) type Keys = BTreeMap<String, Vec<String>>;

/// A request: its IAM action, and its keys. There may be several sets of keys: one for each label that its severity stands for.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) action: &'static str,
    pub(super) readings: Vec<Keys>,
}

/// Whether IAM lets the request through.
pub(super) fn allows(document: &Value, request: &Request) -> bool {
    let statements: Vec<&Value> = match &document["Statement"] {
        Value::Array(statements) => statements.iter().collect(),
        statement => vec![statement],
    };
    let of = |effect: &'static str| {
        statements.iter().filter(move |statement| statement["Effect"] == effect && names(statement, request.action))
    };
    // The gate's reading of severity is the stricter: one label is enough for a denial, and a grant is needed of all.
    let denied = of("Deny").any(|statement| request.readings.iter().any(|keys| holds(statement, keys)));
    let granted = of("Allow").any(|statement| request.readings.iter().all(|keys| holds(statement, keys)));
    !denied && granted
}

fn list(value: &Value) -> Vec<String> {
    match value {
        Value::Array(elements) => elements.iter().flat_map(list).collect(),
        Value::String(text) => vec![text.clone()],
        other => vec![other.to_string()],
    }
}

fn names(statement: &Value, action: &str) -> bool {
    let matches = |element: &str| {
        let patterns = list(&statement[element]);
        patterns.iter().any(|pattern| glob(&pattern.to_lowercase(), &action.to_lowercase()))
    };
    if statement["Action"].is_null() { !matches("NotAction") } else { matches("Action") }
}

/// `*` and `?`
fn glob(pattern: &str, text: &str) -> bool {
    match pattern.chars().next() {
        None => text.is_empty(),
        Some('*') => {
            text.char_indices().map(|(at, _)| at).chain([text.len()]).any(|at| glob(&pattern[1..], &text[at..]))
        }
        Some(expected) => text.chars().next().is_some_and(|c| {
            (expected == '?' || expected == c) && glob(&pattern[expected.len_utf8()..], &text[c.len_utf8()..])
        }),
    }
}

fn holds(statement: &Value, keys: &Keys) -> bool {
    let operators = statement["Condition"].as_object();
    operators.into_iter().flatten().all(|(operator, tests)| {
        tests.as_object().unwrap().iter().all(|(key, values)| {
            let values: Vec<String> = list(values).iter().map(|value| variable(value, keys)).collect();
            holds_of(operator, keys.get(&key.to_lowercase()), &values)
        })
    })
}

fn variable(value: &str, keys: &Keys) -> String {
    match keys.get("aws:principalarn") {
        Some(arn) => value.replace("${aws:PrincipalArn}", &arn[0]),
        None => value.to_owned(),
    }
}

fn holds_of(operator: &str, present: Option<&Vec<String>>, values: &[String]) -> bool {
    if operator == "Null" {
        return values.iter().any(|value| (value == "true") == present.is_none());
    }
    let (operator, if_exists) =
        operator.strip_suffix("IfExists").map_or((operator, false), |operator| (operator, true));
    let (quantifier, operator) = operator.split_once(':').unwrap_or(("", operator));
    let negated = operator.contains("Not");
    let Some(present) = present else {
        return if_exists
            || match quantifier {
                "ForAnyValue" => false,
                "ForAllValues" => true,
                _ => negated,
            };
    };
    let matches = |value: &String| {
        let one = |expected: &String| match operator {
            "StringEquals" | "StringNotEquals" => value == expected,
            "StringEqualsIgnoreCase" | "StringNotEqualsIgnoreCase" => value.to_lowercase() == expected.to_lowercase(),
            "StringLike" | "StringNotLike" => glob(expected, value),
            "DateLessThan" => value < expected,
            "DateGreaterThanEquals" => value >= expected,
            other => panic!("the oracle does not know {other}"),
        };
        values.iter().any(one) != negated
    };
    match quantifier {
        "ForAllValues" => present.iter().all(matches),
        // Of one value, the same.
        _ => present.iter().any(matches),
    }
}

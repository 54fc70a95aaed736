//! Requests to try a statement on: with the values that it names and with others, with each key and without.

use super::{
    keys::{Key, Leaf},
    parse::{Statement, Test},
    pattern::{Part, Pattern},
    suite::call,
};
use crate::{
    finding::{AccountId, Action, FieldV2, Operation, SeverityId, StatusId, Timestamp, timestamp},
    workbench::Call,
};
use serde_json::{Map, Value, json};

/// How many combinations of values are made.
const MOST_CALLS: usize = 240;
/// How many values of a key are tried.
const MOST_VALUES: usize = 8;

type Members = Map<String, Value>;

/// The tests of a key.
fn tests(statement: &Statement, wanted: Key) -> impl Iterator<Item = &Test> {
    statement.tests.iter().filter(move |test| Key::parse(&test.key) == Ok(wanted))
}

/// Texts that the tests of a key name, with something for each wildcard.
fn texts(statement: &Statement, key: Key, principal: &str) -> Vec<String> {
    let values = tests(statement, key).flat_map(|test| &test.values);
    let text = |value: &String| {
        let pattern = Pattern::parse(value, statement.syntax);
        let part = |part: &Part| match part {
            Part::Char(c) => c.to_string(),
            Part::Many | Part::One | Part::Segment => "x".to_owned(),
            Part::Variable(_) => principal.to_owned(),
        };
        pattern.parts().iter().map(part).collect::<String>()
    };
    let mut texts: Vec<String> = values.map(text).collect();
    texts.truncate(MOST_VALUES);
    texts
}

/// ARNs of callers that it names.
pub(super) fn principals(statement: &Statement) -> Vec<String> {
    texts(statement, Key::PrincipalArn, "")
}

/// Accounts that it names.
pub(super) fn accounts(statement: &Statement) -> Vec<AccountId> {
    let texts = [Key::PrincipalAccount, Key::TargetAccount].into_iter().flat_map(|key| texts(statement, key, ""));
    texts.filter_map(|text| AccountId::parse(&text)).collect()
}

/// The times that it names, and a second to either side.
pub(super) fn times(statement: &Statement) -> Vec<Timestamp> {
    let texts = texts(statement, Key::CurrentTime, "");
    let instants = texts
        .iter()
        .filter_map(|text| timestamp::parse(text).or_else(|| timestamp::parse(&format!("{text}T00:00:00Z"))));
    let around = |instant: Timestamp| {
        [-1, 0, 1].into_iter().filter_map(move |by| Timestamp::from_second(instant.as_second() + by).ok())
    };
    instants.flat_map(around).collect()
}

/// Calls, those with the fewest members first.
pub(super) fn calls(statement: &Statement, operation: Operation, principal: &str) -> Vec<Call> {
    if operation == Operation::BatchImportFindings {
        return vec![Call::Import(Members::new())];
    }
    let mut questions: Vec<Action> = Vec::new();
    for test in &statement.tests {
        if let Ok(Key::Leaf(leaf)) = Key::parse(&test.key)
            && leaf.operation() == operation
            && !questions.contains(&leaf.question())
        {
            questions.push(leaf.question());
        }
    }
    let mut updates = vec![Members::new()];
    for question in &questions {
        let members = members(statement, *question, operation, principal);
        let mut more = Vec::new();
        for update in &updates {
            more.extend(members.iter().map(|members| merged(update, members)));
        }
        updates.extend(more);
        updates.truncate(MOST_CALLS);
    }
    let others = others(operation, &questions);
    let beside: Vec<Members> =
        updates.iter().flat_map(|update| others.iter().map(|other| merged(update, other))).collect();
    let mut all: Vec<Members> = updates.into_iter().chain(beside).filter(|members| !members.is_empty()).collect();
    all.sort_by_key(Members::len);
    all.into_iter().map(|members| call(operation, members)).collect()
}

/// Members that the statement does not speak of.
fn others(operation: Operation, questions: &[Action]) -> Vec<Members> {
    let candidates = match operation {
        Operation::BatchUpdateFindingsV2 => [
            (Action::Note, json!({ "Comment": "example" })),
            (Action::WorkflowStatus, json!({ "StatusId": 2 })),
            (Action::SeverityLabel, json!({ "SeverityId": 3 })),
        ],
        _ => [
            (Action::Note, json!({ "Note": { "Text": "example", "UpdatedBy": "ana" } })),
            (Action::WorkflowStatus, json!({ "Workflow": { "Status": "NOTIFIED" } })),
            (Action::Criticality, json!({ "Criticality": 50 })),
        ],
    };
    let other = candidates.into_iter().filter(|(question, _)| !questions.contains(question));
    other.filter_map(|(_, members)| members.as_object().cloned()).take(2).collect()
}

/// Both; of objects within, the members of both.
fn merged(update: &Members, more: &Members) -> Members {
    let mut merged = update.clone();
    for (name, value) in more {
        match (merged.get_mut(name), value) {
            (Some(Value::Object(known)), Value::Object(more)) => known.extend(more.clone()),
            _ => {
                merged.insert(name.clone(), value.clone());
            }
        }
    }
    merged
}

/// Members that ask a question, with different values.
fn members(statement: &Statement, question: Action, operation: Operation, principal: &str) -> Vec<Members> {
    let named = |leaf: Leaf, other: &str| {
        let mut texts = texts(statement, Key::Leaf(leaf), principal);
        texts.push(other.to_owned());
        texts
    };
    let pairs = |left: Vec<String>, right: Vec<String>| {
        let all = left.iter().flat_map(|left| right.iter().map(move |right| (left.clone(), right.clone())));
        all.take(MOST_VALUES * 2).collect::<Vec<_>>()
    };
    let ids = |member: FieldV2, ids: Vec<u8>| ids.into_iter().map(|id| json!({ member.as_str(): id })).collect();
    let numbers = |leaf: Leaf| {
        let numbers = named(leaf, "50").into_iter().filter_map(|text| text.parse().ok());
        numbers.chain([0_u8, 100]).collect::<Vec<_>>()
    };
    let values: Vec<Value> = match (operation, question) {
        (Operation::BatchUpdateFindingsV2, Action::Note) => {
            named(Leaf::Comment, "example").into_iter().map(|text| json!({ "Comment": text })).collect()
        }
        (Operation::BatchUpdateFindingsV2, Action::SeverityLabel) => {
            ids(FieldV2::SeverityId, SeverityId::ALL.iter().map(|id| id.id()).collect())
        }
        (Operation::BatchUpdateFindingsV2, _) => {
            ids(FieldV2::StatusId, StatusId::ALL.iter().map(|id| id.id()).collect())
        }
        (_, Action::Note) => pairs(named(Leaf::NoteText, "example"), named(Leaf::NoteUpdatedBy, "ana"))
            .into_iter()
            .map(|(text, by)| json!({ "Note": { "Text": text, "UpdatedBy": by } }))
            .collect(),
        (_, Action::RelatedFindings) => pairs(
            named(Leaf::RelatedFindingsId, "other"),
            named(Leaf::RelatedFindingsProductArn, "arn:aws:securityhub:eu-west-1::product/aws/other"),
        )
        .into_iter()
        .map(|(id, arn)| json!({ "RelatedFindings": [{ "Id": id, "ProductArn": arn }] }))
        .collect(),
        (_, Action::UserDefinedFields) => {
            pairs(named(Leaf::UserDefinedFieldsKey, "other"), named(Leaf::UserDefinedFieldsValue, "else"))
                .into_iter()
                .map(|(key, value)| json!({ "UserDefinedFields": { key: value } }))
                .collect()
        }
        (_, Action::Types) => named(Leaf::Types, "Other").into_iter().map(|kind| json!({ "Types": [kind] })).collect(),
        (_, Action::Confidence) => numbers(Leaf::Confidence).into_iter().map(|n| json!({ "Confidence": n })).collect(),
        (_, Action::Criticality) => {
            numbers(Leaf::Criticality).into_iter().map(|n| json!({ "Criticality": n })).collect()
        }
        (_, Action::SeverityNormalized) => {
            numbers(Leaf::SeverityNormalized).into_iter().map(|n| json!({ "Severity": { "Normalized": n } })).collect()
        }
        (_, Action::SeverityProduct) => vec![json!({ "Severity": { "Product": 1.0 } })],
        (_, question) => words(question),
    };
    values.into_iter().filter_map(|value| value.as_object().cloned()).collect()
}

/// Every word of a closed vocabulary.
fn words(question: Action) -> Vec<Value> {
    let leaf = match question {
        Action::SeverityLabel => Leaf::SeverityLabel,
        Action::VerificationState => Leaf::VerificationState,
        _ => Leaf::WorkflowStatus,
    };
    let super::keys::Domain::Closed(words) = leaf.domain() else { return Vec::new() };
    let member = |word: String| match leaf {
        Leaf::SeverityLabel => json!({ "Severity": { "Label": word } }),
        Leaf::VerificationState => json!({ "VerificationState": word }),
        _ => json!({ "Workflow": { "Status": word } }),
    };
    words.into_iter().map(member).collect()
}

//! Imports: what was asked of each finding, put together again from what was said of each change.

use super::{
    Finding, Known, Recorded, Was, Why,
    again::{Fate, as_known, of_finding},
};
use crate::{
    finding::{AccountId, Action, BatchImport, State},
    gate::{ImportFate, Knowledge, decide_import},
    policy::hidden::Veiled,
};
use serde_json::{Map, Value, json};

/// What becomes of each finding of an import. Each is decided by itself, so each is asked by itself.
pub(super) fn fates(judge: &mut Veiled, request: &Recorded, looks_up: bool) -> Result<Vec<Fate>, Why> {
    request.findings.iter().map(|finding| fate(judge, request, finding, looks_up)).collect()
}

fn fate(judge: &mut Veiled, request: &Recorded, finding: &Finding, looks_up: bool) -> Result<Fate, Why> {
    let Some(was) = &finding.was else { return Ok(Fate::Nothing) };
    let lacks =
        |what: &str| Why::Record { what: format!("the record does not have all of what an import asked: {what}") };
    let owner = finding.owner.ok_or_else(|| lacks("whose the finding is"))?;
    let body = json!({ "Findings": [members(finding, owner, was)] }).to_string();
    let import = BatchImport::parse(body.as_bytes()).map_err(|error| lacks(&error.to_string()))?;
    let known = [as_known(&finding.known)];
    judge.hide(request.hidden.clone());
    let knowledge = if looks_up { Knowledge::OfEach(&known) } else { Knowledge::Never };
    let decision = decide_import(judge, &request.caller, &import, request.now, knowledge);
    let Some(ImportFate::Ruled { changes, ruling }) = decision.fates.first() else {
        return Err(lacks("it is no finding that could be imported"));
    };
    let asks_the_same = changes.len() == was.len()
        && changes.iter().all(|change| {
            let of = |action: Action| was.iter().filter(|was| was.action == action).count();
            of(change.action()) == changes.iter().filter(|other| other.action() == change.action()).count()
        });
    if !asks_the_same {
        return Err(lacks("other questions would be asked of what is on record"));
    }
    if let (Known::Missing(Some(state)), Some(governed)) =
        (&finding.known, import.findings.first().and_then(|finding| finding.governed.as_ref().ok()))
        && governed.created() != &**state
    {
        return Err(lacks("how the finding would be"));
    }
    let open = looks_up && matches!(finding.known, Known::Nothing);
    let asked: Vec<_> = ruling.asked(changes).collect();
    Ok(Fate::Ruled(of_finding(judge, request, &asked, open, false)))
}

/// The finding as it may have been sent: of what policies can read it has the same.
fn members(finding: &Finding, owner: AccountId, was: &[Was]) -> Value {
    let mut members = match &finding.known {
        // A new one is judged as it will be.
        Known::Missing(Some(state)) => as_sent(state),
        _ => Map::new(),
    };
    for (name, value) in [
        ("SchemaVersion", json!("2018-10-08")),
        ("Id", json!(&*finding.identifier.id)),
        ("ProductArn", json!(&*finding.identifier.product_arn)),
        ("AwsAccountId", json!(owner)),
    ] {
        members.insert(name.to_owned(), value);
    }
    for (name, value) in [
        ("GeneratorId", json!("generator")),
        ("Title", json!("recorded")),
        ("Description", json!("recorded")),
        ("CreatedAt", json!("2000-01-01T00:00:00Z")),
        ("UpdatedAt", json!("2000-01-01T00:00:00Z")),
        ("Resources", json!([{ "Type": "Other", "Id": "recorded" }])),
    ] {
        members.entry(name).or_insert(value);
    }
    let mut lists: Map<String, Value> = Map::new();
    for was in was {
        let value = was.value.clone().unwrap_or_default();
        let element = was.element.clone().unwrap_or_default();
        let mut put = |pointer: [&str; 2], value: Value| {
            members.entry(pointer[0]).or_insert_with(|| json!({}))[pointer[1]] = value;
        };
        match was.action {
            // The number stands for a label, too: what is sent as a label comes first.
            Action::SeverityLabel => {
                if members.get("Severity").is_none_or(|severity| severity["Label"].is_null()) {
                    members.entry("Severity").or_insert_with(|| json!({}))["Label"] = value;
                }
            }
            Action::SeverityNormalized => put(["Severity", "Normalized"], value),
            Action::SeverityProduct => put(["Severity", "Product"], value),
            Action::WorkflowStatus => put(["Workflow", "Status"], value),
            Action::Types => push(&mut lists, "Types", element.into()),
            Action::RelatedFindings => {
                push(&mut lists, "RelatedFindings", json!({ "Id": element, "ProductArn": value }));
            }
            Action::UserDefinedFields => {
                lists.entry("UserDefinedFields").or_insert_with(|| json!({}))[element] = value;
            }
            Action::Confidence
            | Action::Criticality
            | Action::Note
            | Action::RecordState
            | Action::VerificationState => {
                members.insert(was.action.as_str().to_owned(), value);
            }
            Action::Import | Action::RelatedFindingsRemove | Action::TypesRemove | Action::UserDefinedFieldsRemove => {}
        }
    }
    members.extend(lists);
    Value::Object(members)
}

fn push(lists: &mut Map<String, Value>, name: &str, element: Value) {
    if let Value::Array(list) = lists.entry(name).or_insert_with(|| json!([])) {
        list.push(element);
    }
}

/// A state as a finding, without what is asked about.
fn as_sent(state: &State) -> Map<String, Value> {
    let mut sent = match state.to_asff() {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    for action in Action::ALL {
        if let Some(field) = action.field() {
            sent.remove(field.as_str());
        }
    }
    sent
}

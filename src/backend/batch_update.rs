//! BatchUpdateFindings: what customers know about findings.

use super::{
    MOST_FINDING_BYTES,
    fault::{Dice, Faults, Occasion},
    json::Object,
    ownership::Sticky,
    severity,
    store::{Findings, Store, StoreError},
    timestamp,
    update_body::{self, Identifier, UpdateBody},
};
use crate::finding::{AccountId, Accounts, ApiError, Role};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::HashSet;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer<'a> {
    processed_findings: Vec<&'a Identifier>,
    unprocessed_findings: Vec<Unprocessed<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Unprocessed<'a> {
    finding_identifier: &'a Identifier,
    error_code: &'static str,
    error_message: &'static str,
}

/// Why one finding is not updated: the six codes of the API model, with its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    ConcurrentUpdate,
    Duplicated,
    Internal,
    InvalidInput,
    NotFound,
    SizeExceeded,
}

impl Refusal {
    fn code_and_message(self) -> (&'static str, &'static str) {
        match self {
            Self::ConcurrentUpdate => ("ConcurrentUpdateError", "Concurrent finding updates detected"),
            Self::Duplicated => ("DuplicatedFindingIdentifier", "Finding Identifier is duplicated"),
            Self::Internal => ("InternalFailure", "Internal service failure"),
            Self::InvalidInput => ("InvalidInput", "Invalid Input"),
            Self::NotFound => ("FindingNotFound", "Finding Not Found"),
            Self::SizeExceeded => ("FindingSizeExceeded", "Finding size exceeded 240 KB"),
        }
    }
}

/// The account that calls, and whose findings it may touch.
pub(super) struct Reach<'a> {
    pub(super) account: AccountId,
    pub(super) role: Role,
    pub(super) accounts: &'a Accounts,
}

impl Reach<'_> {
    fn includes(&self, owner: AccountId) -> bool {
        owner == self.account || (self.role == Role::Administrator && self.accounts.role(owner).is_some())
    }
}

/// Answers one call.
pub(super) fn call(
    store: &Store,
    reach: &Reach,
    body: &[u8],
    now: Timestamp,
    (dice, faults): (&Dice, &Faults),
) -> Result<Vec<u8>, ApiError> {
    let update = update_body::parse(body)?;
    let answer = store
        .write(|findings| {
            let mut seen = HashSet::new();
            let mut answer = Answer { processed_findings: Vec::new(), unprocessed_findings: Vec::new() };
            for identifier in &update.finding_identifiers {
                let done = if !seen.insert(identifier) {
                    Err(Refusal::Duplicated)
                } else if dice.strikes(faults, Occasion::ConcurrentUpdate) {
                    Err(Refusal::ConcurrentUpdate)
                } else if dice.strikes(faults, Occasion::InternalFailure) {
                    Err(Refusal::Internal)
                } else {
                    match update_one(findings, reach, identifier, &update, now) {
                        // One damaged finding does not keep the others from being updated.
                        Err(StoreError::Damaged(_)) => Err(Refusal::Internal),
                        done => done?,
                    }
                };
                match done.map_err(Refusal::code_and_message) {
                    Ok(()) => answer.processed_findings.push(identifier),
                    Err((error_code, error_message)) => {
                        let unprocessed = Unprocessed { finding_identifier: identifier, error_code, error_message };
                        answer.unprocessed_findings.push(unprocessed);
                    }
                }
            }
            Ok(answer)
        })
        .map_err(|error: StoreError| ApiError::internal(error.to_string()))?;
    serde_json::to_vec(&answer).map_err(|error| ApiError::internal(error.to_string()))
}

fn update_one(
    findings: &Findings,
    reach: &Reach,
    identifier: &Identifier,
    update: &UpdateBody,
    now: Timestamp,
) -> Result<Result<(), Refusal>, StoreError> {
    if !identifier.is_possible() {
        return Ok(Err(Refusal::InvalidInput));
    }
    let mut owners = findings.owners(&identifier.product_arn, &identifier.id)?;
    owners.retain(|owner| reach.includes(*owner));
    let owner = match owners[..] {
        [owner] => owner,
        [] => return Ok(Err(Refusal::NotFound)),
        // Two accounts of the fleet have a finding of this name; which of them is meant, the request cannot say.
        _ => return Ok(Err(Refusal::InvalidInput)),
    };
    let Some(stored) = findings.find(owner, &identifier.product_arn, &identifier.id)? else {
        return Ok(Err(Refusal::NotFound));
    };
    let mut document = stored.document.clone();
    let mut sticky = Sticky::from_bits(stored.sticky);
    apply(update, &mut document, &mut sticky, now);
    let text = serde_json::to_string(&document).map_err(|error| StoreError::Damaged(error.to_string()))?;
    if text.len() > MOST_FINDING_BYTES {
        return Ok(Err(Refusal::SizeExceeded));
    }
    findings.replace(&stored, &document, &text, sticky.bits())?;
    Ok(Ok(()))
}

/// Puts the update into a finding. Lists and maps are replaced as a whole, `Severity` and `Workflow` member by member.
fn apply(update: &UpdateBody, finding: &mut Object, sticky: &mut Sticky, now: Timestamp) {
    let related = |related: &Vec<Identifier>| {
        let reference = |to: &Identifier| json!({"ProductArn": to.product_arn, "Id": to.id});
        Value::Array(related.iter().map(reference).collect())
    };
    let note = |note: &update_body::Note| json!({"Text": note.text, "UpdatedBy": note.updated_by, "UpdatedAt": timestamp::written(now)});
    let replaced = [
        ("Confidence", update.confidence.map(Value::from)),
        ("Criticality", update.criticality.map(Value::from)),
        ("Note", update.note.as_ref().map(note)),
        ("RelatedFindings", update.related_findings.as_ref().map(related)),
        ("Types", update.types.clone().map(Value::from)),
        ("UserDefinedFields", update.user_defined_fields.as_ref().map(|fields| json!(fields))),
        ("VerificationState", update.verification_state.map(|state| state.as_str().into())),
    ];
    for (name, value) in replaced {
        if let Some(value) = value {
            sticky.set(name);
            finding.insert(name.to_owned(), value);
        }
    }
    if let Some(new) = &update.severity {
        sticky.set("Severity");
        within(finding, "Severity", |members| severity::update(members, new.label, new.normalized));
    }
    if let Some(status) = update.workflow.as_ref().and_then(|workflow| workflow.status) {
        within(finding, "Workflow", |members| _ = members.insert("Status".to_owned(), status.as_str().into()));
    }
}

/// Changes the object that is the finding's member of that name; if there is none, an empty one.
fn within(finding: &mut Object, name: &str, change: impl FnOnce(&mut Object)) {
    let value = finding.entry(name).or_insert(Value::Null);
    let mut members = match value.take() {
        Value::Object(members) => members,
        _ => Object::new(),
    };
    change(&mut members);
    *value = Value::Object(members);
}

//! BatchUpdateFindings: what customers know about findings.

use super::{
    MOST_FINDING_BYTES,
    fault::{Dice, Faults, Occasion},
    json::Object,
    ownership::Sticky,
    severity,
    store::{Findings, Store, StoreError},
};
use crate::finding::{
    AccountId, Accounts, ApiError, BatchUpdate, Identifier, Note, Role, Text, Update,
    outcome::{Unprocessed, write_answer},
    timestamp,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::HashSet;

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
    pub(super) fn includes(&self, owner: AccountId) -> bool {
        owner == self.account
            || (self.role == Role::Administrator && self.accounts.fleet_of(owner) == Some(self.account))
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
    let request = BatchUpdate::parse(body).map_err(|error| ApiError::invalid_input(error.to_string()))?;
    let (processed, unprocessed) = store
        .write(|findings| {
            let mut seen = HashSet::new();
            let (mut processed, mut unprocessed) = (Vec::new(), Vec::new());
            for (place, identifier) in request.identifiers.iter().enumerate() {
                let done = if !seen.insert(identifier) {
                    Err(Refusal::Duplicated)
                } else if dice.strikes(faults, Occasion::ConcurrentUpdate) {
                    Err(Refusal::ConcurrentUpdate)
                } else if dice.strikes(faults, Occasion::InternalFailure) {
                    Err(Refusal::Internal)
                } else {
                    match update_one(findings, reach, identifier, &request.update, now) {
                        // One damaged finding does not keep the others from being updated.
                        Err(StoreError::Damaged(_)) => Err(Refusal::Internal),
                        done => done?,
                    }
                };
                match done.map_err(Refusal::code_and_message) {
                    Ok(()) => processed.push(place),
                    Err((code, message)) => {
                        unprocessed.push(Unprocessed { finding: place, code: code.into(), message: message.into() });
                    }
                }
            }
            Ok((processed, unprocessed))
        })
        .map_err(|error: StoreError| ApiError::internal(error.to_string()))?;
    Ok(write_answer(&request.identifiers, processed, &unprocessed))
}

fn update_one(
    findings: &Findings,
    reach: &Reach,
    identifier: &Identifier<'_>,
    update: &Update<'_>,
    now: Timestamp,
) -> Result<Result<(), Refusal>, StoreError> {
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
pub(super) fn apply(update: &Update<'_>, finding: &mut Object, sticky: &mut Sticky, now: Timestamp) {
    let note = |note: &Note<'_>| {
        let (text, updated_by) = (note.text.as_str(), note.updated_by.as_str());
        json!({"Text": text, "UpdatedBy": updated_by, "UpdatedAt": timestamp::written(now)})
    };
    let reference = |to: &Identifier<'_>| json!({"ProductArn": to.product_arn.as_str(), "Id": to.id.as_str()});
    let pair = |(key, value): &(Text<'_>, Text<'_>)| (key.to_string(), Value::from(value.as_str()));
    let replaced = [
        ("Confidence", update.confidence.map(Value::from)),
        ("Criticality", update.criticality.map(Value::from)),
        ("Note", update.note.as_ref().map(note)),
        ("RelatedFindings", update.related_findings.as_ref().map(|related| related.iter().map(reference).collect())),
        ("Types", update.types.as_ref().map(|types| types.iter().map(Text::as_str).collect())),
        ("UserDefinedFields", update.user_defined_fields.as_ref().map(|pairs| pairs.iter().map(pair).collect())),
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
    if let Some(status) = update.workflow {
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

//! BatchUpdateFindingsV2: what customers know about findings, in terms of OCSF.
//!
//! Findings are kept in ASFF, so an update is carried out as the update of BatchUpdateFindings that means the same.

use super::{
    MOST_FINDING_BYTES,
    batch_update::{Reach, apply},
    fault::{Dice, Faults, Occasion},
    ownership::Sticky,
    store::{Findings, Store, StoreError, Stored},
};
use crate::finding::{
    AccountId, ApiError, BatchUpdateV2, CodeV2, FindingV2, Note, RecordState, Severity, StatusId, UnprocessedV2,
    Update, UpdateV2, write_answer_v2,
};
use jiff::Timestamp;
use std::collections::HashSet;

/// Why one finding is not updated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    Conflict,
    Duplicated,
    Internal,
    NotFound,
    SizeExceeded,
}

impl Refusal {
    fn code_and_message(self) -> (CodeV2, &'static str) {
        match self {
            Self::Conflict => (CodeV2::Conflict, "Concurrent finding updates detected"),
            Self::Duplicated => (CodeV2::Validation, "Finding is named twice"),
            Self::Internal => (CodeV2::InternalServer, "Internal service failure"),
            Self::NotFound => (CodeV2::ResourceNotFound, "Finding not found"),
            Self::SizeExceeded => (CodeV2::Validation, "Finding size exceeded 240 KB"),
        }
    }
}

/// An update as findings are kept: the same in ASFF.
struct Translated<'a> {
    update: Update<'a>,
    record_state: Option<RecordState>,
}

/// Answers one call.
pub(super) fn call(
    store: &Store,
    reach: &Reach,
    body: &[u8],
    now: Timestamp,
    (dice, faults): (&Dice, &Faults),
) -> Result<Vec<u8>, ApiError> {
    let request = BatchUpdateV2::parse(body).map_err(|error| ApiError::invalid_input(error.to_string()))?;
    let translated = translate(&request.update, reach.account).map_err(ApiError::invalid_input)?;
    let (processed, unprocessed) = store
        .write(|findings| {
            let mut seen = HashSet::new();
            let (mut processed, mut unprocessed) = (Vec::new(), Vec::new());
            for (place, finding) in request.findings.iter().enumerate() {
                let done = if !seen.insert(finding) {
                    Err(Refusal::Duplicated)
                } else if dice.strikes(faults, Occasion::ConcurrentUpdate) {
                    Err(Refusal::Conflict)
                } else if dice.strikes(faults, Occasion::InternalFailure) {
                    Err(Refusal::Internal)
                } else {
                    match update_one(findings, reach, finding, &translated, now) {
                        // One damaged finding does not keep the others from being updated.
                        Err(StoreError::Damaged(_)) => Err(Refusal::Internal),
                        done => done?,
                    }
                };
                match done.map_err(Refusal::code_and_message) {
                    Ok(()) => processed.push(place),
                    Err((code, message)) => {
                        unprocessed.push(UnprocessedV2 { finding: place, code, message: message.into() });
                    }
                }
            }
            Ok((processed, unprocessed))
        })
        .map_err(|error: StoreError| ApiError::internal(error.to_string()))?;
    Ok(write_answer_v2(&request.findings, processed, &unprocessed))
}

/// The update in ASFF, or which member has no counterpart there.
fn translate<'a>(update: &UpdateV2<'a>, account: AccountId) -> Result<Translated<'a>, String> {
    let no_counterpart = |member: &str, value: &dyn std::fmt::Display| {
        format!(
            "{member}: {value} has no counterpart in the format that this backend keeps findings in; choose another one"
        )
    };
    let label = match update.severity_id {
        None => None,
        Some(severity) => Some(severity.label().ok_or_else(|| no_counterpart("SeverityId", &severity))?),
    };
    let (workflow, record_state) = match update.status_id {
        None => (None, None),
        Some(StatusId::Archived) => (None, Some(RecordState::Archived)),
        // A finding has one status: with another one, it is archived no longer.
        Some(status) => {
            (Some(status.workflow().ok_or_else(|| no_counterpart("StatusId", &status))?), Some(RecordState::Active))
        }
    };
    let note =
        update.comment.as_ref().map(|comment| Note { text: comment.clone(), updated_by: account.to_string().into() });
    let severity = label.map(|label| Severity { label: Some(label), normalized: None, product: None });
    Ok(Translated { update: Update { note, severity, workflow, ..Update::default() }, record_state })
}

fn update_one(
    findings: &Findings,
    reach: &Reach,
    finding: FindingV2<'_, '_>,
    translated: &Translated<'_>,
    now: Timestamp,
) -> Result<Result<(), Refusal>, StoreError> {
    let Some(stored) = find(findings, reach, finding)? else { return Ok(Err(Refusal::NotFound)) };
    let mut document = stored.document.clone();
    let mut sticky = Sticky::from_bits(stored.sticky);
    apply(&translated.update, &mut document, &mut sticky, now);
    if let Some(state) = translated.record_state {
        document.insert("RecordState".to_owned(), state.as_str().into());
    }
    let text = serde_json::to_string(&document).map_err(|error| StoreError::Damaged(error.to_string()))?;
    if text.len() > MOST_FINDING_BYTES {
        return Ok(Err(Refusal::SizeExceeded));
    }
    findings.replace(&stored, &document, &text, sticky.bits())?;
    Ok(Ok(()))
}

/// The finding, if it is there and the caller may touch it: to anybody else it is as if it were not there.
fn find(findings: &Findings, reach: &Reach, finding: FindingV2<'_, '_>) -> Result<Option<Stored>, StoreError> {
    match finding {
        FindingV2::Identifier(name) if reach.includes(name.account) => {
            findings.find(name.account, &name.product_uid, &name.finding_uid)
        }
        FindingV2::Identifier(_) => Ok(None),
        FindingV2::MetadataUid(uid) => match findings.find_by_metadata_uid(uid)? {
            Some((owner, stored)) if reach.includes(owner) => Ok(Some(stored)),
            _ => Ok(None),
        },
    }
}

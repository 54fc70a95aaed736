//! Merging: one answer to an import, in the order of the request.

use super::{
    ImportDecision, ImportFate,
    explain::{self, Done},
};
use crate::finding::{
    BatchImport, FailedImport, Field, FieldSet, UpstreamFailedImport, UpstreamImportAnswer, outcome::code,
    write_import_answer,
};
use std::{
    borrow::Cow,
    collections::{HashMap, VecDeque},
};

/// The answer to an import.
#[derive(Debug, PartialEq, Eq)]
pub struct MergedImport {
    /// The body of a 200: `{"FailedCount":…,"SuccessCount":…,"FailedFindings":…}`. Each finding counts once, and is successful only
    /// if it was imported as it came.
    pub body: Vec<u8>,
    /// Findings that upstream named as failed and nobody had asked it about. They are left out; it is worth a warning.
    pub not_asked: usize,
    /// By how many findings upstream's counts are off what it was asked. It is worth a warning.
    pub not_answered: usize,
    /// The code of each finding that is not wholly imported, by its place.
    pub failed: Vec<(usize, String)>,
}

/// Makes the answer from what upstream said of the findings that were forwarded; nothing if none was.
pub fn merge_import(
    request: &BatchImport,
    decision: &ImportDecision<'_>,
    forwarded: &[(usize, FieldSet)],
    answer: Option<UpstreamImportAnswer>,
    decision_id: &str,
) -> MergedImport {
    let answer = answer.unwrap_or_default();
    let counted = answer.success_count.saturating_add(answer.failed_count);
    let miscounted = answer.failed_count.abs_diff(answer.failed_findings.len());
    let not_answered = counted.abs_diff(forwarded.len()).max(miscounted);
    let (mut upstream, not_asked) = by_place(request, forwarded, answer.failed_findings);

    let (mut failed, mut codes) = (Vec::new(), Vec::new());
    for (place, fate) in decision.fates.iter().enumerate() {
        let (error_code, error_message): (Cow<'_, str>, Cow<'_, str>) = match (fate, upstream.remove(&place)) {
            (ImportFate::Duplicate(first), _) => {
                let message =
                    format!("the finding came before in the same request, as Findings[{first}]: send it once");
                (code::DUPLICATED.into(), message.into())
            }
            (ImportFate::Invalid(invalid), _) => (invalid.code.into(), invalid.message.as_str().into()),
            (fate, _) if fate.forwarded().is_none() => {
                let message = explain::rejection(&fate.why(), Done::Imported, decision_id);
                (code::ACCESS_DENIED.into(), message.into())
            }
            (fate, Some(said)) => (said.error_code.into(), failure(fate, said.error_message, decision_id).into()),
            (fate, None) => match partial(fate, Some(Done::Imported), decision_id) {
                Some(message) => (code::PARTIAL_IMPORT.into(), message.into()),
                None => continue,
            },
        };
        codes.push((place, error_code.to_string()));
        failed.push(FailedImport { id: &request.identifiers[place].id, error_code, error_message });
    }
    MergedImport { body: write_import_answer(decision.fates.len(), &failed), not_asked, not_answered, failed: codes }
}

/// What upstream said of failed findings, by their places, and how many of them it was not asked about.
///
/// It names a finding by its `Id` alone. Findings of several products may share one: then the first that is named is the first
/// that was sent.
fn by_place(
    request: &BatchImport,
    forwarded: &[(usize, FieldSet)],
    failed: Vec<UpstreamFailedImport>,
) -> (HashMap<usize, UpstreamFailedImport>, usize) {
    let mut asked: HashMap<&str, VecDeque<usize>> = HashMap::with_capacity(forwarded.len());
    for (place, _) in forwarded {
        asked.entry(&request.identifiers[*place].id).or_default().push_back(*place);
    }
    let (mut by_place, mut not_asked) = (HashMap::with_capacity(failed.len()), 0);
    for entry in failed {
        match asked.get_mut(&*entry.id).and_then(VecDeque::pop_front) {
            Some(place) => drop(by_place.insert(place, entry)),
            None => not_asked += 1,
        }
    }
    (by_place, not_asked)
}

/// Upstream's message; what was stripped may be why it said so.
fn failure(fate: &ImportFate<'_>, said: String, decision_id: &str) -> String {
    match partial(fate, None, decision_id) {
        Some(stripped) => format!("{said} (it was {stripped})"),
        None => said,
    }
}

/// What a finding was forwarded without, and why; nothing if it was forwarded as it came.
fn partial(fate: &ImportFate<'_>, done: Option<Done>, decision_id: &str) -> Option<String> {
    let ImportFate::Ruled { changes, ruling } = fate else { return None };
    ruling.enforcement.map(|_| explain::partial(changes, ruling, Field::as_str, done, decision_id))
}

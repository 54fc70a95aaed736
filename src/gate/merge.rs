//! Merging: one answer from those of all groups, in the order of the request.

use super::{
    Decision, Fate, Group,
    explain::{self, Done},
};
use crate::finding::{
    BatchUpdate,
    outcome::{Unprocessed, UpstreamAnswer, code, write_answer},
};
use std::{collections::HashMap, rc::Rc};

/// What upstream said of a group.
#[derive(Debug)]
pub enum GroupAnswer<'a> {
    /// Every finding was updated.
    AllProcessed,
    /// Findings were named as updated or not.
    Listed(UpstreamAnswer<'a>),
    /// The call failed as a whole.
    Failed {
        /// Upstream's HTTP status, or the one that the failure to reach it stands for.
        status: u16,
        /// Upstream's error code, such as `InternalException`; nothing where it gave none.
        code: Option<String>,
        /// Upstream's message, or what went wrong.
        message: String,
    },
}

/// The answer to a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Merged {
    /// The body of a 200.
    Body {
        /// `{"ProcessedFindings":…,"UnprocessedFindings":…}`
        body: Vec<u8>,
        /// Findings that upstream named and nobody had asked about. They are left out; it is worth a warning.
        not_asked: usize,
        /// Findings that upstream did not name. They are told as failed; it is worth a warning.
        not_answered: usize,
    },
    /// All calls failed alike: the failure of the group at this place is the answer, as it is.
    PassFailure(usize),
}

/// What became of one finding upstream.
enum Upstream {
    Processed,
    Unprocessed { code: String, message: String },
}

/// Merges the answers of the groups, which come in the order of the groups.
pub fn merge(
    request: &BatchUpdate<'_>,
    decision: &Decision<'_>,
    groups: &[Group],
    answers: Vec<GroupAnswer<'_>>,
    decision_id: &str,
) -> Merged {
    if failed_alike(&answers) {
        return Merged::PassFailure(0);
    }
    let mut upstream: Vec<Option<Upstream>> = Vec::new();
    upstream.resize_with(request.identifiers.len(), || None);
    let mut not_asked = 0;
    for (group, answer) in groups.iter().zip(answers) {
        match answer {
            GroupAnswer::AllProcessed => {
                for place in &group.findings {
                    upstream[*place] = Some(Upstream::Processed);
                }
            }
            GroupAnswer::Failed { code, message, .. } => {
                let code = code.unwrap_or_else(|| code::INTERNAL_FAILURE.to_owned());
                for place in &group.findings {
                    upstream[*place] = Some(Upstream::Unprocessed { code: code.clone(), message: message.clone() });
                }
            }
            GroupAnswer::Listed(answer) => not_asked += take_listed(request, group, answer, &mut upstream),
        }
    }

    let mut processed = Vec::with_capacity(request.identifiers.len());
    let mut unprocessed = Vec::new();
    let mut not_answered = 0;
    // Findings of one ruling that fared alike have one message.
    let mut messages: Vec<(*const super::Ruling<'_>, bool, Rc<str>)> = Vec::new();
    for (place, fate) in decision.fates.iter().enumerate() {
        let mut tell = |code: &'static str, message: &str| {
            unprocessed.push(Unprocessed { finding: place, code: code.into(), message: message.to_owned().into() });
        };
        let ruling = match fate {
            Fate::Duplicate(_) => {
                tell(code::DUPLICATED, "Finding Identifier is duplicated");
                continue;
            }
            Fate::NotFound => {
                tell(code::NOT_FOUND, "Finding Not Found");
                continue;
            }
            Fate::OwnerUnknown(_) => {
                tell(code::ACCESS_DENIED, &explain::rejection(explain::OWNER_UNKNOWN, Done::Updated, decision_id));
                continue;
            }
            Fate::Ruled(ruling) => ruling,
        };
        let updated = matches!(upstream[place], Some(Upstream::Processed));
        let denied = || -> Rc<str> {
            if ruling.forwards() {
                // Where it was not updated, another entry says why.
                explain::partial(&decision.changes, ruling, updated.then_some(Done::Updated), decision_id).into()
            } else {
                let why = explain::denials(&decision.changes, ruling);
                explain::rejection(&why, Done::Updated, decision_id).into()
            }
        };
        let message = ruling.enforcement.map(|_| {
            let same = |(of, fared, _): &&(_, bool, _)| *of == Rc::as_ptr(ruling) && *fared == updated;
            let known = messages.iter().find(same).map(|(.., message)| message.clone());
            known.unwrap_or_else(|| {
                let message = denied();
                messages.push((Rc::as_ptr(ruling), updated, message.clone()));
                message
            })
        });
        if ruling.forwards() {
            match upstream[place].take() {
                Some(Upstream::Processed) => processed.push(place),
                Some(Upstream::Unprocessed { code, message }) => {
                    unprocessed.push(Unprocessed { finding: place, code: code.into(), message: message.into() });
                }
                None => {
                    not_answered += 1;
                    tell(
                        code::INTERNAL_FAILURE,
                        &format!(
                            "the findings backend did not say what became of this finding; read it before trying again \
                             [decision {decision_id}]"
                        ),
                    );
                }
            }
            if let Some(message) = message {
                unprocessed.push(Unprocessed {
                    finding: place,
                    code: code::PARTIAL_UPDATE.into(),
                    message: message.to_string().into(),
                });
            }
        } else if let Some(message) = message {
            unprocessed.push(Unprocessed {
                finding: place,
                code: code::ACCESS_DENIED.into(),
                message: message.to_string().into(),
            });
        }
    }
    Merged::Body { body: write_answer(&request.identifiers, processed, &unprocessed), not_asked, not_answered }
}

/// Whether there were calls, and all of them failed with the same status and code.
fn failed_alike(answers: &[GroupAnswer<'_>]) -> bool {
    let failure = |answer: &GroupAnswer<'_>| match answer {
        GroupAnswer::Failed { status, code, .. } => Some((*status, code.clone())),
        _ => None,
    };
    let Some(first) = answers.first().and_then(failure) else { return false };
    answers.iter().all(|answer| failure(answer).as_ref() == Some(&first))
}

/// Notes what upstream said of a group's findings; counts those that it named and nobody asked about.
///
/// What is named as not updated counts as not updated, even if it is named as updated, too.
fn take_listed(
    request: &BatchUpdate<'_>,
    group: &Group,
    answer: UpstreamAnswer<'_>,
    upstream: &mut [Option<Upstream>],
) -> usize {
    let asked: HashMap<(&str, &str), usize, foldhash::fast::RandomState> = group
        .findings
        .iter()
        .map(|place| ((&*request.identifiers[*place].id, &*request.identifiers[*place].product_arn), *place))
        .collect();
    let mut not_asked = 0;
    for finding in &answer.processed_findings {
        match asked.get(&(&*finding.id, &*finding.product_arn)) {
            Some(place) => upstream[*place] = Some(Upstream::Processed),
            None => not_asked += 1,
        }
    }
    for entry in answer.unprocessed_findings {
        match asked.get(&(&*entry.finding_identifier.id, &*entry.finding_identifier.product_arn)) {
            Some(place) => {
                upstream[*place] = Some(Upstream::Unprocessed { code: entry.error_code, message: entry.error_message });
            }
            None => not_asked += 1,
        }
    }
    not_asked
}

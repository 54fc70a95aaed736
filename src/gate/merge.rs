//! Merging: one answer from those of all groups, in the order of the request.

use super::{
    Decision, Fate, Group,
    explain::{self, Done},
    wire::{Said, Told, Why, Wire},
};
use std::{borrow::Cow, rc::Rc};

/// What upstream said of a group.
#[derive(Debug)]
pub enum GroupAnswer<A> {
    /// Every finding was updated.
    AllProcessed,
    /// Findings were named as updated or not.
    Listed(A),
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
        /// The same as the body, by places.
        fared: Fared,
    },
    /// All calls failed alike: the failure of the group at this place is the answer, as it is.
    PassFailure(usize),
}

/// What became of findings, by their places in the request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fared {
    /// Those of which the backend made something.
    pub processed: Vec<usize>,
    /// Those that are not, or not wholly, processed, each with why. One of which only a part was made is in both.
    pub told: Vec<(usize, Why)>,
}

/// Merges the answers of the groups, which come in the order of the groups.
pub fn merge<W: Wire>(
    request: &W,
    decision: &Decision<'_>,
    groups: &[Group],
    answers: Vec<GroupAnswer<W::Answer<'_>>>,
    decision_id: &str,
) -> Merged {
    if failed_alike(&answers) {
        return Merged::PassFailure(0);
    }
    let mut upstream: Vec<Option<Said>> = Vec::new();
    upstream.resize_with(decision.fates.len(), || None);
    let mut not_asked = 0;
    for (group, answer) in groups.iter().zip(answers) {
        match answer {
            GroupAnswer::AllProcessed => {
                for place in &group.findings {
                    upstream[*place] = Some(Said::Processed);
                }
            }
            GroupAnswer::Failed { code, message, .. } => {
                for place in &group.findings {
                    upstream[*place] = Some(Said::Unprocessed { code: code.clone(), message: message.clone() });
                }
            }
            GroupAnswer::Listed(answer) => {
                not_asked += request.read_answer(&group.findings, answer, |place, said| upstream[place] = Some(said));
            }
        }
    }
    let Outcomes { processed, told, not_answered } = outcomes::<W>(decision, upstream, decision_id);
    let fared = Fared { told: told.iter().map(|told| (told.finding, told.why.clone())).collect(), processed };
    Merged::Body { body: request.write_answer(&fared.processed, told), not_asked, not_answered, fared }
}

/// What became of the findings, in the order of the request.
struct Outcomes {
    processed: Vec<usize>,
    told: Vec<Told>,
    not_answered: usize,
}

fn outcomes<W: Wire>(decision: &Decision<'_>, mut upstream: Vec<Option<Said>>, decision_id: &str) -> Outcomes {
    let mut processed = Vec::with_capacity(decision.fates.len());
    let mut told = Vec::new();
    let mut not_answered = 0;
    // Findings of one ruling that fared alike have one message.
    let mut messages: Vec<(*const super::Ruling<'_>, bool, Rc<str>)> = Vec::new();
    for (finding, fate) in decision.fates.iter().enumerate() {
        let mut tell = |why: Why, message: Cow<'static, str>| told.push(Told { finding, why, message });
        let ruling = match fate {
            Fate::Duplicate(_) => {
                tell(Why::Duplicate, "Finding Identifier is duplicated".into());
                continue;
            }
            Fate::NotFound => {
                tell(Why::NotFound, "Finding Not Found".into());
                continue;
            }
            Fate::OwnerUnknown(_) | Fate::OwnerContradicted(_) | Fate::Unresolved(_) => {
                let why = explain::why_unasked(fate);
                tell(Why::Denied, explain::rejection(why, Done::Updated, decision_id).into());
                continue;
            }
            Fate::Ruled(ruling) => ruling,
        };
        let updated = matches!(upstream[finding], Some(Said::Processed));
        let denied = || -> Rc<str> {
            if ruling.forwards() {
                // Where it was not updated, another entry says why.
                let done = updated.then_some(Done::Updated);
                explain::partial(&decision.changes, ruling, W::word, done, decision_id).into()
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
        if !ruling.forwards() {
            if let Some(message) = message {
                tell(Why::Denied, message.to_string().into());
            }
            continue;
        }
        match upstream[finding].take() {
            Some(Said::Processed) => processed.push(finding),
            Some(Said::Unprocessed { code, message }) => {
                tell(code.map_or(Why::Unknown, Why::Failed), message.into());
            }
            None => {
                not_answered += 1;
                let message = format!(
                    "the findings backend did not say what became of this finding; read it before trying again \
                     [decision {decision_id}]"
                );
                tell(Why::Unknown, message.into());
            }
        }
        if let Some(message) = message {
            tell(Why::Partial, message.to_string().into());
        }
    }
    Outcomes { processed, told, not_answered }
}

/// Whether there were calls, and all of them failed with the same status and code.
fn failed_alike<A>(answers: &[GroupAnswer<A>]) -> bool {
    let failure = |answer: &GroupAnswer<A>| match answer {
        GroupAnswer::Failed { status, code, .. } => Some((*status, code.clone())),
        _ => None,
    };
    let Some(first) = answers.first().and_then(failure) else { return false };
    answers.iter().all(|answer| failure(answer).as_ref() == Some(&first))
}

//! Saying why: what a caller reads about a change that was not made.

use super::Ruling;
use crate::{
    finding::{AccountId, Change, Enforcement, Identifier},
    policy::{Denial, Reason},
};
use std::fmt::Write as _;

/// How many changes a message names before it counts the rest.
const NAMED: usize = 3;
/// How long the identifier in a message may be, in characters.
const ID_SHOWN: usize = 128;

/// The message of a call that is refused as a whole, for the first finding that asks for it.
pub(super) fn refusal(identifier: &Identifier<'_>, why: &str, done: Done, decision_id: &str) -> String {
    let id: String = identifier.id.chars().take(ID_SHOWN).collect();
    format!(
        "the whole request is refused and nothing was {}, because of finding {id:?}: {why} [decision {decision_id}]",
        done.to_all()
    )
}

/// What was done to findings, or was not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Done {
    /// They were imported.
    Imported,
    /// They were updated.
    Updated,
}

impl Done {
    const fn to_one(self) -> &'static str {
        match self {
            Self::Imported => "imported",
            Self::Updated => "updated",
        }
    }

    const fn to_all(self) -> &'static str {
        match self {
            Self::Imported => "imported",
            Self::Updated => "changed",
        }
    }
}

/// The message of a finding for which nothing was forwarded.
pub(super) fn rejection(why: &str, done: Done, decision_id: &str) -> String {
    format!("nothing was {}: {why} [decision {decision_id}]", done.to_all())
}

/// The message of a finding for which some fields were forwarded, and then done by upstream or not.
pub(super) fn partial(changes: &[Change<'_>], ruling: &Ruling<'_>, done: Option<Done>, decision_id: &str) -> String {
    let mut dropped: Vec<&str> = Vec::new();
    for field in ruling.asked(changes).filter_map(|(change, _)| change.field()) {
        if !ruling.kept.contains(field) && !dropped.contains(&field.as_str()) {
            dropped.push(field.as_str());
        }
    }
    let done = done.map_or("forwarded", Done::to_one);
    format!("{done} without {}: {} [decision {decision_id}]", dropped.join(", "), denials(changes, ruling))
}

/// Why a finding is denied that its name proves to be another account's.
pub(super) fn foreign(owner: AccountId, said: AccountId) -> String {
    format!(
        "its ProductArn and Id are those of a finding of account {owner}, and its AwsAccountId says {said}; import it with the \
         ProductArn and Id of this account's own product"
    )
}

/// Why a finding is denied whose owner is not known.
pub(super) const OWNER_UNKNOWN: &str = "the account that owns this finding cannot be told from its identifier and could not be looked up \
     (owner-unknown), so no policy was asked; known without a look-up are findings of AWS services whose Id is an ARN, and those \
     of an account's own default product";

/// Every denial, those for the same cause together.
pub(super) fn denials(changes: &[Change<'_>], ruling: &Ruling<'_>) -> String {
    let mut causes: Vec<(&Denial, Vec<&Change<'_>>)> = Vec::new();
    for (change, verdict) in ruling.asked(changes) {
        let Some(denial) = verdict.enforced.denial() else { continue };
        match causes.iter_mut().find(|(cause, _)| *cause == denial) {
            Some((_, together)) => together.push(change),
            None => causes.push((denial, vec![change])),
        }
    }
    let mut text = String::new();
    for (at, (denial, together)) in causes.iter().enumerate() {
        if at > 0 {
            text.push_str("; ");
        }
        for (count, change) in together.iter().take(NAMED).enumerate() {
            let _ = write!(text, "{}{change}", if count > 0 { ", " } else { "" });
        }
        if together.len() > NAMED {
            let _ = write!(text, " and {} more", together.len() - NAMED);
        }
        let _ = write!(text, " denied {}", cause(denial, ruling.minimum));
    }
    text
}

fn cause(denial: &Denial, minimum: Enforcement) -> String {
    let enforcement = if minimum > denial.enforcement {
        format!("{}, for this caller {minimum}", denial.enforcement)
    } else {
        denial.enforcement.to_string()
    };
    let policies = denial.policies.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ");
    let noun = if denial.policies.len() == 1 { "policy" } else { "policies" };
    match denial.reason {
        Reason::Forbidden => {
            let mut text = format!("by {noun} {policies} ({enforcement})");
            for advice in &denial.advice {
                text.push_str(": ");
                text.push_str(advice);
            }
            text
        }
        Reason::NoGrant => format!("because no policy permits it (no-grant, {enforcement})"),
        Reason::OwnerUnknown => OWNER_UNKNOWN.to_owned(),
        Reason::StateUnavailable => {
            let needing = if denial.policies.is_empty() { String::new() } else { format!(" by {noun} {policies}") };
            format!(
                "because it depends on the finding as it is now{needing}, and that is not known (state-unavailable, \
                 {enforcement}): it could not be looked up in time, look-ups are off, or the finding is another account's; try \
                 again in a moment if it is this account's, and else ask whoever runs the gate"
            )
        }
        Reason::PolicyError if denial.policies.is_empty() => {
            "because the question could not be put to the policies (policy-error); tell whoever runs the gate"
                .to_owned()
        }
        Reason::PolicyError => {
            format!("because {noun} {policies} could not be evaluated (policy-error); tell whoever runs the gate")
        }
    }
}

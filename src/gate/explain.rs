//! Saying why: what a caller reads about a change that was not made.

use super::{Fate, Ruling};
use crate::{
    finding::{AccountId, Change, Enforcement, Field},
    policy::{Denial, Reason},
};
use std::fmt::Write as _;

/// How many changes a message names before it counts the rest.
const NAMED: usize = 3;
/// How long the identifier in a message may be, in characters.
const ID_SHOWN: usize = 128;

/// The message of a call that is refused as a whole, for the first finding that asks for it.
pub(super) fn refusal(name: &str, why: &str, done: Done, decision_id: &str) -> String {
    let id: String = name.chars().take(ID_SHOWN).collect();
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

/// The message of an automation rule that is denied; without a ruling, because the request leaves out what the rule does.
pub(super) fn rule(asked: Option<(&[Change<'_>], &Ruling<'_>)>, decision_id: &str) -> String {
    let why = match asked {
        Some((changes, ruling)) => denials_of(changes, ruling, About::Rule),
        None => WITHOUT_ACTIONS.to_owned(),
    };
    format!("a rule is taken or refused as a whole, and this one is refused: {why} [decision {decision_id}]")
}

/// The message of a call that is refused as a whole, for the first rule that asks for it.
pub(super) fn rules_refusal(arn: &str, why: &str) -> String {
    let arn: String = arn.chars().take(ID_SHOWN).collect();
    format!("the whole request is refused and nothing was changed, because of rule {arn:?}: {why}")
}

const WITHOUT_ACTIONS: &str = "the request leaves out its Actions, so no policy could be asked about what the rule does; send \
     the Actions that it has, or is to have, with every change of it";

/// The message of a finding for which some fields were forwarded, and then done by upstream or not. `word` is what the client
/// calls a field.
pub(super) fn partial(
    changes: &[Change<'_>],
    ruling: &Ruling<'_>,
    word: fn(Field) -> &'static str,
    done: Option<Done>,
    decision_id: &str,
) -> String {
    let mut dropped: Vec<&str> = Vec::new();
    for field in ruling.asked(changes).filter_map(|(change, _)| change.field()) {
        if !ruling.kept.contains(field) && !dropped.contains(&word(field)) {
            dropped.push(word(field));
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

/// Why no policy was asked about a finding.
pub(super) fn why_unasked(fate: &Fate<'_>) -> &'static str {
    match fate {
        Fate::OwnerContradicted(_) => OWNER_CONTRADICTED,
        Fate::Unresolved(_) => UNRESOLVED,
        _ => OWNER_UNKNOWN,
    }
}

/// Why a finding is denied whose owner is not known.
pub(super) const OWNER_UNKNOWN: &str = "the account that owns this finding cannot be told from its identifier and could not be looked up \
     (owner-unknown), so no policy was asked; known without a look-up are findings of AWS services whose Id is an ARN, and those \
     of an account's own default product";

const OWNER_CONTRADICTED: &str = "the account that the finding is said to be of (cloud.account.uid) is another than the one that its \
     finding_info.uid and metadata.product.uid prove to own it (owner-unknown), so no policy was asked; name the finding as \
     GetFindingsV2 shows it";

const UNRESOLVED: &str = "which finding this MetadataUid names could not be looked up (owner-unknown), so no policy was asked; try \
     again in a moment, or name the finding by CloudAccountUid, FindingInfoUid and MetadataProductUid";

/// What a message is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum About {
    Finding,
    Rule,
}

/// Every denial, those for the same cause together.
pub(super) fn denials(changes: &[Change<'_>], ruling: &Ruling<'_>) -> String {
    denials_of(changes, ruling, About::Finding)
}

/// The same, about a finding or a rule.
fn denials_of(changes: &[Change<'_>], ruling: &Ruling<'_>, about: About) -> String {
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
        let _ = write!(text, " denied {}", cause(denial, ruling.minimum, about));
    }
    text
}

fn cause(denial: &Denial, minimum: Enforcement, about: About) -> String {
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
        Reason::StateUnavailable if about == About::Rule => {
            let looking = if denial.policies.is_empty() { "policies".to_owned() } else { format!("{noun} {policies}") };
            format!(
                "because policies that look at the finding cannot be asked about a rule, whose findings nobody knows yet, and \
                 {looking} {} (state-unavailable, {enforcement})",
                if denial.policies.len() == 1 { "does" } else { "do" }
            )
        }
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

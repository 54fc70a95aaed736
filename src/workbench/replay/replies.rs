//! What is said of one change.

use super::super::matrix::{Effect, Reply};
use crate::{
    finding::{Action, Caller, Change, Enforcement, Value},
    policy::{Answer, Reason, Verdict},
};

/// What is said of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answered {
    pub(super) action: Action,
    pub(super) element: Option<String>,
    pub(super) value: Option<String>,
    pub(super) reply: Reply,
    pub(super) certainty: Certainty,
}

/// How much of it is certain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Certainty {
    /// All.
    All,
    /// What is done; not which policies do it.
    Effect,
}

impl Answered {
    pub(super) fn of(change: &Change<'_>, verdict: &Verdict, caller: &Caller, certainty: Certainty) -> Self {
        let (element, value) = match change.value() {
            Value::Type(kind) => (Some(kind.to_owned()), None),
            Value::Related { id, .. } => (Some(id.to_owned()), None),
            Value::UserDefined { key, .. } => (Some(key.to_owned()), None),
            Value::Label(label) => (None, Some(label.to_string())),
            Value::Record(state) => (None, Some(state.to_string())),
            Value::Verification(state) => (None, Some(state.to_string())),
            Value::Workflow(status) => (None, Some(status.to_string())),
            _ => (None, None),
        };
        let reply = reply(&verdict.enforced, caller, change.action());
        Self { action: change.action(), element, value, reply, certainty }
    }
}

/// What becomes of a change that gets this answer.
fn reply(answer: &Answer, caller: &Caller, action: Action) -> Reply {
    match answer {
        Answer::Allowed { by } => Reply { effect: Effect::Allow, reason: None, policies: by.clone() },
        Answer::Denied(denial) => Reply {
            effect: Effect::of(at_the_least(denial.enforcement, caller, action)),
            reason: (denial.reason != Reason::Forbidden).then(|| denial.reason.as_str()),
            policies: denial.policies.clone(),
        },
    }
}

/// What a denial does to this caller. What is about the finding as a whole cannot be stripped off it.
fn at_the_least(enforcement: Enforcement, caller: &Caller, action: Action) -> Enforcement {
    let least = if action.field().is_none() { Enforcement::Reject } else { Enforcement::Strip };
    enforcement.max(caller.minimum_enforcement).max(least)
}

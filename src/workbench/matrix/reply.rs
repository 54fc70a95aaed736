//! What the gate says to a change, in as few words as a table has room for.

use super::super::{Decided, Example, InvalidExample, Outcome, ask, ask_knowing};
use super::Cell;
use crate::{
    finding::{Action, Enforcement},
    policy::{Answer, Judge, Reason},
};
use serde::Serialize;
use std::{fmt, sync::Arc};

/// What the gate says to a change.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Reply {
    /// What becomes of the change.
    pub effect: Effect,
    /// Why, where it is not by a policy: `no-grant`, `state-unavailable`, `policy-error`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// The policies that decide, by their ids.
    pub policies: Vec<Arc<str>>,
}

/// What becomes of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// It may be made.
    Allow,
    /// Its field is taken out.
    Strip,
    /// The finding is not updated.
    Reject,
    /// The whole call is refused.
    Refuse,
    /// To this caller there is no such finding.
    NotFound,
}

impl Effect {
    /// `allow`, `strip`, `reject`, `refuse`, `not-found`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Strip => "strip",
            Self::Reject => "reject",
            Self::Refuse => "refuse",
            Self::NotFound => "not-found",
        }
    }

    /// What a denial does; nothing where there is none.
    pub const fn enforcement(self) -> Option<Enforcement> {
        match self {
            Self::Allow | Self::NotFound => None,
            Self::Strip => Some(Enforcement::Strip),
            Self::Reject => Some(Enforcement::Reject),
            Self::Refuse => Some(Enforcement::Refuse),
        }
    }

    /// What a denial with this enforcement does.
    pub const fn of(enforcement: Enforcement) -> Self {
        match enforcement {
            Enforcement::Strip => Self::Strip,
            Enforcement::Reject => Self::Reject,
            Enforcement::Refuse => Self::Refuse,
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Reply {
    /// What was said to the change of this action, and element if there can be several; nothing if it was not asked about.
    pub fn of(decided: &Decided, example: &Example, action: Action, element: Option<&str>) -> Option<Self> {
        if decided.outcome == Outcome::NotFound {
            return Some(Self { effect: Effect::NotFound, reason: None, policies: Vec::new() });
        }
        let answered = decided.answered.iter().find(|answered| {
            // While it is not known what there is to remove, there is one question for all of it.
            let meant = element.is_none() || answered.element.is_none() || answered.element.as_deref() == element;
            answered.action == action && meant
        })?;
        Some(Self::of_answer(&answered.verdict.enforced, example, action))
    }

    /// What becomes of a change that gets this answer.
    pub fn of_answer(answer: &Answer, example: &Example, action: Action) -> Self {
        match answer {
            Answer::Allowed { by } => Self { effect: Effect::Allow, reason: None, policies: by.clone() },
            Answer::Denied(denial) => {
                let least = example.caller.minimum_enforcement.unwrap_or(Enforcement::Strip);
                // What is about the finding as a whole cannot be stripped off it.
                let least = if action.field().is_none() { least.max(Enforcement::Reject) } else { least };
                let reason = (denial.reason != Reason::Forbidden).then(|| denial.reason.as_str());
                Self { effect: Effect::of(denial.enforcement.max(least)), reason, policies: denial.policies.clone() }
            }
        }
    }

    /// The ids, or why there are none: what a table has under "by".
    pub fn by(&self) -> String {
        let ids = self.policies.iter().map(|id| &**id);
        self.reason.into_iter().chain(ids).collect::<Vec<_>>().join(", ")
    }
}

impl Cell {
    /// What the gate says to it. Of a removal it may be that the question never comes up, because what the update sends
    /// along is denied first: then that is what it says.
    ///
    /// # Errors
    ///
    /// An example that is no request, which no example of a cell is.
    pub fn ask(&self, judge: &mut impl Judge, action: Action) -> Result<Reply, InvalidExample> {
        let mut instead = None;
        for example in &self.examples {
            let mut decided = ask(judge, example)?;
            let mut reply = Reply::of(&decided, example, action, self.element.as_deref());
            if reply.is_none() && decided.outcome == Outcome::Forwarded {
                // A removal that is allowed whatever the finding has is not told. It is, once it is known what it has.
                let mut known = example.clone();
                known.finding.known = true;
                decided = ask_knowing(judge, &known)?;
                reply = Reply::of(&decided, example, action, self.element.as_deref());
            }
            if let Some(reply) = reply {
                return Ok(reply);
            }
            let denied = decided.answered.iter().filter(|answered| answered.verdict.enforced.denial().is_some());
            let denied = denied.map(|answered| Reply::of_answer(&answered.verdict.enforced, example, answered.action));
            instead = instead.or_else(|| denied.max());
        }
        Ok(instead.unwrap_or(Reply { effect: Effect::NotFound, reason: None, policies: Vec::new() }))
    }
}

//! Verdicts, and why.

use crate::finding::Enforcement;
use std::{fmt, rc::Rc, sync::Arc};

/// The answer for one change on one finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What counts: the answer of the policies without `@shadow`.
    pub enforced: Answer,
    /// The answer of all policies, where a `@shadow` policy takes part and the answer differs from what counts.
    pub shadow: Option<Answer>,
    /// Whether it could be another one once it is known how the finding is. Until then what counts is a denial, unless only
    /// what a `@shadow` policy says depends on it.
    pub open: bool,
}

impl Verdict {
    /// A verdict of which nothing is open, and with which every `@shadow` policy agrees.
    pub const fn settled(enforced: Answer) -> Self {
        Self { enforced, shadow: None, open: false }
    }

    /// What a verdict on the question whether anything may be removed says while it is not known what there is: if not
    /// everything may be removed, it depends on what there is.
    #[must_use]
    pub fn of_any_removal(self: Rc<Self>) -> Rc<Self> {
        let denies = |answer: &Answer| answer.denial().is_some();
        if !denies(&self.enforced) && !self.shadow.as_ref().is_some_and(denies) {
            return self;
        }
        let unsure = |answer: &Answer| match answer {
            Answer::Denied(denial) if denial.reason != Reason::StateUnavailable => Answer::Denied(Denial {
                reason: Reason::StateUnavailable,
                enforcement: Enforcement::Strip,
                policies: denial.policies.clone(),
                advice: Vec::new(),
            }),
            answer => answer.clone(),
        };
        Rc::new(Self { enforced: unsure(&self.enforced), shadow: self.shadow.as_ref().map(unsure), open: true })
    }
}

/// Allowed or denied, by which policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The change may be made.
    Allowed {
        /// The ids of the permits that match, sorted.
        by: Vec<Arc<str>>,
    },
    /// The change may not be made.
    Denied(Denial),
}

/// A denial: why, by which policies, and what it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// Why.
    pub reason: Reason,
    /// What it does: the strictest enforcement of the policies that forbid; where one fails, at least
    /// [`Enforcement::Reject`]; where none permits, the configured default; where the finding's state is not known, no more
    /// than [`Enforcement::Strip`] on that account.
    pub enforcement: Enforcement,
    /// The ids of the policies that forbid, that failed or that need the finding's state, sorted; none where no policy
    /// permits.
    pub policies: Vec<Arc<str>>,
    /// What those policies advise, in the same order.
    pub advice: Vec<Arc<str>>,
}

/// Why a change is denied. The list is closed: these are the words of messages, logs and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A policy forbids it.
    Forbidden,
    /// No policy permits it.
    NoGrant,
    /// The account that owns the finding is not known, so no policy was asked.
    OwnerUnknown,
    /// The verdict depends on how the finding is, and that is not known.
    StateUnavailable,
    /// A policy could not be evaluated. Cedar passes over such a policy, forbids included; the gate denies.
    PolicyError,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Forbidden, Self::NoGrant, Self::OwnerUnknown, Self::StateUnavailable, Self::PolicyError];

    /// The reason of that word, or nothing.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word)
    }

    /// `forbidden`, `no-grant`, `owner-unknown`, `policy-error`, `state-unavailable`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Forbidden => "forbidden",
            Self::NoGrant => "no-grant",
            Self::OwnerUnknown => "owner-unknown",
            Self::PolicyError => "policy-error",
            Self::StateUnavailable => "state-unavailable",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Answer {
    /// The denial, if it is one.
    pub const fn denial(&self) -> Option<&Denial> {
        match self {
            Self::Allowed { .. } => None,
            Self::Denied(denial) => Some(denial),
        }
    }
}

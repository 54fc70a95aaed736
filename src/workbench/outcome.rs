//! What becomes of a finding, in one word.

use crate::finding::Enforcement;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What becomes of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// All of the update is forwarded.
    Forwarded,
    /// Some fields were taken out, perhaps all; what is left is forwarded.
    Stripped,
    /// Nothing is forwarded for this finding.
    Rejected,
    /// Nothing of the whole call is forwarded.
    Refused,
    /// To this caller there is no such finding.
    NotFound,
}

impl Outcome {
    /// Every outcome, the mildest first.
    pub const ALL: &[Self] = &[Self::Forwarded, Self::Stripped, Self::Rejected, Self::Refused, Self::NotFound];

    /// The outcome of denials of which this is the strictest.
    pub const fn of(strictest: Option<Enforcement>) -> Self {
        match strictest {
            None => Self::Forwarded,
            Some(Enforcement::Strip) => Self::Stripped,
            Some(Enforcement::Reject) => Self::Rejected,
            Some(Enforcement::Refuse) => Self::Refused,
        }
    }

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Forwarded => "forwarded",
            Self::Stripped => "stripped",
            Self::Rejected => "rejected",
            Self::Refused => "refused",
            Self::NotFound => "not-found",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

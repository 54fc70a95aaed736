//! What a look-up comes to.

use crate::finding::{AccountId, InvalidState, State};
use std::{collections::BTreeSet, sync::Arc};

/// What is known of a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It is there, and this is how it is.
    Known(Arc<State>),
    /// The backend has no such finding, or none that the gate can see. This is never kept: the finding may be imported the next
    /// moment, by a provider that does not come through this gate.
    Missing,
    /// It could not be found out. This is never kept either.
    Unavailable(Unavailable),
}

/// Why a finding's state could not be had.
///
/// Its text is for whoever runs the gate: what goes wrong with a call is told to all whose findings it was for, and may quote the
/// backend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// `state.deadline` passed: the look-up waited for the quota, or the backend did not answer.
    #[error("it did not come in time")]
    Deadline,
    /// More look-ups wait for the quota of GetFindings, or of GetFindingsV2, than it could answer in time.
    #[error("too many look-ups wait for the quota of their operation")]
    Busy,
    /// The backend says that the quota is used up, by this gate or by others that share it.
    #[error("the findings backend takes no more look-ups for the moment: {0}")]
    Throttled(Arc<str>),
    /// The call failed.
    #[error("{0}")]
    Failed(Arc<str>),
    /// The backend's answer is not as the API describes it: where, and what was expected.
    #[error("the findings backend's answer is not understood: {0}")]
    NotUnderstood(Arc<str>),
    /// What the backend says of this finding is not as the API describes it.
    #[error("the findings backend's answer is not understood: {why}")]
    Odd {
        /// Whose all those of the name are; nothing if that is not understood either.
        owners: Option<BTreeSet<AccountId>>,
        /// Where, and what was expected.
        why: InvalidState,
    },
    /// Several findings have this name, of different accounts or Regions. An update would be for each of them, and what is true
    /// of one need not be true of the other.
    #[error("several findings have this ProductArn and Id")]
    Ambiguous {
        /// Whose they are; nothing if that is not understood of all of them.
        owners: Option<BTreeSet<AccountId>>,
    },
}

impl Unavailable {
    /// Whether it is certain that only other accounts than this one have such a finding.
    pub fn is_of_others(&self, account: AccountId) -> bool {
        match self {
            Self::Ambiguous { owners } | Self::Odd { owners, .. } => {
                owners.as_ref().is_some_and(|owners| !owners.contains(&account))
            }
            _ => false,
        }
    }
}

impl Found {
    /// Why it could not be found out, where that is so.
    pub const fn unavailable(&self) -> Option<&Unavailable> {
        match self {
            Self::Known(_) | Self::Missing => None,
            Self::Unavailable(why) => Some(why),
        }
    }
}

impl From<Unavailable> for Found {
    fn from(why: Unavailable) -> Self {
        Self::Unavailable(why)
    }
}

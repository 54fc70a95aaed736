//! One caller for a whole listener.

use super::identified::Identified;
use crate::finding::{AccountId, Enforcement, Proof};
use std::sync::Arc;

/// Everything on the listener is this caller: for a sidecar on loopback, where reaching the listener is the proof.
///
/// A signature that such a request carries is not looked at, so clients may sign with any key at all.
#[derive(Debug, Clone)]
pub struct Fixed {
    pub(super) account: AccountId,
    pub(super) principal: Arc<str>,
    pub(super) minimum_enforcement: Enforcement,
}

impl Fixed {
    /// The caller that acts for `account` as `principal` (an ARN or a name).
    pub fn new(account: AccountId, principal: impl Into<Arc<str>>) -> Self {
        Self { account, principal: principal.into(), minimum_enforcement: Enforcement::Strip }
    }

    /// What a denial does to this caller at the least; [`Enforcement::Strip`] unless said.
    #[must_use]
    pub fn minimum_enforcement(self, minimum_enforcement: Enforcement) -> Self {
        Self { minimum_enforcement, ..self }
    }

    pub(super) fn identified(&self) -> Identified {
        Identified {
            account: self.account,
            principal: Arc::clone(&self.principal),
            groups: Arc::default(),
            region: None,
            proof: Proof::Fixed,
            minimum_enforcement: self.minimum_enforcement,
        }
    }
}

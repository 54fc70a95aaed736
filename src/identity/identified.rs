//! Who a proof says it is.

use crate::finding::{AccountId, Accounts, ApiError, Caller, Enforcement, Proof};
use std::sync::Arc;

/// What a proof gives. The role is not its to say: that is the accounts' word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identified {
    pub(super) account: AccountId,
    pub(super) principal: Arc<str>,
    /// Groups besides the account's.
    pub(super) groups: Arc<[Arc<str>]>,
    /// The Region that the request was signed for, where the proof says one.
    pub(super) region: Option<Arc<str>>,
    pub(super) proof: Proof,
    pub(super) minimum_enforcement: Enforcement,
}

impl Identified {
    /// The caller, if the account is one of the fleet. Asked only after the proof: a stranger does not learn which accounts are.
    pub(super) fn caller(self, accounts: &Accounts) -> Result<Caller, ApiError> {
        let Self { account, principal, groups, region, proof, minimum_enforcement } = self;
        let Some(role) = accounts.role(account) else {
            // Clients compare the beginning of this message.
            return Err(ApiError::invalid_access(format!(
                "Account {account} is not subscribed to AWS Security Hub: it is neither the administrator nor a member in \
                 this gate's accounts file. Ask the gate's owner to add it."
            )));
        };
        Ok(Caller { account, role, principal, groups, region, proof, minimum_enforcement })
    }
}

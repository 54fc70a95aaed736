//! An API Gateway with IAM authorization, which checks the signatures of callers and says in two headers whose they are.

use super::{named, refused, shown, single};
use crate::{
    finding::{AccountId, ApiError, Enforcement, Proof},
    identity::identified::Identified,
};
use http::{HeaderMap, HeaderName};
use std::sync::Arc;

/// The headers into which the API maps `context.identity.accountId` and `context.identity.userArn`.
#[derive(Debug)]
pub struct ApiGateway {
    names: [HeaderName; 2],
    minimum_enforcement: Enforcement,
}

impl ApiGateway {
    /// Callers by these headers.
    pub fn new(account: HeaderName, principal: HeaderName, minimum_enforcement: Enforcement) -> Self {
        Self { names: [account, principal], minimum_enforcement }
    }

    pub(super) fn names(&self) -> &[HeaderName; 2] {
        &self.names
    }

    pub(super) fn identified(&self, headers: &HeaderMap) -> Result<Identified, ApiError> {
        let [account_name, principal_name] = &self.names;
        let (account, arn) = (single(headers, account_name)?, single(headers, principal_name)?);
        let principal = named(arn)?;
        if AccountId::parse(account) != Some(principal.account) {
            return Err(refused(format!(
                "The header `{account_name}` is `{}`, and the principal in `{principal_name}` is one of {}: expected the same account",
                shown(account),
                principal.account
            )));
        }
        Ok(Identified {
            account: principal.account,
            principal: principal.name,
            groups: Arc::default(),
            region: None,
            proof: Proof::Header { preset: "api-gateway", principal: arn.into() },
            minimum_enforcement: self.minimum_enforcement,
        })
    }
}

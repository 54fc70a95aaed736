//! The gate's own question: who am I to you? Not of AWS's API, and closed unless the configuration opens it.

use super::{
    Gate,
    handler::{Denied, Reply},
};
use crate::finding::{ApiError, Caller};
use http::{Method, request::Parts};
use serde::Serialize;

/// The path of the question, which no operation of Security Hub's API has.
pub const WHOAMI: &str = "/findings-gate/whoami";

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer<'a> {
    account: &'a str,
    account_name: &'a str,
    role: &'a str,
    principal: &'a str,
    proof: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<&'a str>,
    account_groups: &'a [String],
    groups: Vec<&'a str>,
    minimum_enforcement: &'a str,
    policies: &'a str,
}

impl Gate {
    /// Whether a request asks it.
    pub(super) fn is_whoami(head: &Parts) -> bool {
        head.uri.path() == WHOAMI
    }

    /// What the gate takes the caller for: nothing that the caller has not proven, but for what the accounts say of its account.
    pub(super) fn whoami(&self, head: &Parts, caller: &Caller) -> Result<Reply, Denied> {
        if !self.settings.whoami {
            let message = "GET /findings-gate/whoami is closed at this gate: the gate's owner opens it with `doors.whoami = \"open\"`";
            return Err(ApiError::access_denied(message).into());
        }
        if head.method != Method::GET || head.uri.query().is_some() {
            return Err(ApiError::access_denied(format!(
                "`{} {WHOAMI}`: expected GET, without a query string",
                head.method
            ))
            .into());
        }
        let snapshot = &self.settings.snapshot;
        let accounts = snapshot.accounts();
        let answer = Answer {
            account: caller.account.as_str(),
            account_name: accounts.member(caller.account).map_or("", |member| &member.name),
            role: caller.role.as_str(),
            principal: &caller.principal,
            proof: caller.proof.to_string(),
            region: caller.region.as_deref(),
            account_groups: accounts.groups(caller.account),
            groups: caller.groups.iter().map(|group| &**group).collect(),
            minimum_enforcement: caller.minimum_enforcement.as_str(),
            policies: snapshot.digest(),
        };
        let body = serde_json::to_vec(&answer).map_err(|error| ApiError::internal(error.to_string()))?;
        Ok(Reply::read(body))
    }
}

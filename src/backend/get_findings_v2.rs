//! GetFindingsV2: the findings in terms of OCSF.

use super::{
    filter_v2,
    get_findings::{Dialect, answer, members},
    json::Object,
    ocsf,
    ocsf_field::Field,
    store::{Store, StoreError},
};
use crate::finding::{AccountId, ApiError, Operation, Role};
use jiff::Timestamp;

const OCSF: Dialect = Dialect {
    operation: Operation::GetFindingsV2,
    condition: filter_v2::condition,
    sort_key: Field::sort_key,
    sortable: Field::sortable,
    shown: Some(shown),
};

/// Answers one call: the findings that the account sees, a page of them.
pub(super) fn call(
    store: &Store,
    (account, role): (AccountId, Role),
    body: &[u8],
    now: Timestamp,
) -> Result<Vec<u8>, ApiError> {
    let members = members(body)?;
    if members.get("Scopes").is_some_and(|scopes| !scopes.is_null()) {
        return Err(match role {
            Role::Member => {
                ApiError::access_denied(format!("Account {account} is a member: `Scopes` is the administrator's"))
            }
            Role::Administrator => ApiError::invalid_input(
                "`Scopes`: this backend knows a fleet and no organization; leave it out, or filter by `cloud.account.uid`",
            ),
        });
    }
    let members = members.into_iter().filter(|(name, _)| name != "Scopes").collect();
    answer(store, (account, role), members, now, &OCSF)
}

fn shown(document: &str) -> Result<String, StoreError> {
    let damaged = |error: serde_json::Error| StoreError::Damaged(error.to_string());
    let finding: Object = serde_json::from_str(document).map_err(damaged)?;
    serde_json::to_string(&ocsf::document(&finding)).map_err(damaged)
}

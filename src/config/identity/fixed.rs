//! `kind = "fixed"`: everything on the listener is one caller.

use super::Reading;
use crate::{
    config::{Identity, issued, problem::Problem},
    finding::{AccountId, Enforcement},
};

pub(super) fn read(reading: &mut Reading<'_>, index: usize) -> Option<Identity> {
    let Reading { settings, accounts, .. } = reading;
    settings.keep_to(index, "fixed", &["account", "principal", "minimum_enforcement"]);
    let at = |name: &str| format!("identity.{index}.{name}");
    let minimum_enforcement = settings.text(&at("minimum_enforcement"), Enforcement::parse);
    let principal = settings.value(&at("principal"));
    let principal = principal.and_then(|value| issued::principal(&value, &at("principal"), &mut settings.problems));
    let value = settings.value(&at("account"));
    let account = settings.text(&at("account"), AccountId::parse);
    settings.missing_if_absent(&at("account"));
    settings.missing_if_absent(&at("principal"));
    if let (Some(account), Some(value), Some(accounts)) = (account, value, *accounts)
        && accounts.role(account).is_none()
    {
        let message = format!("`{}` is \"{account}\", which the accounts file does not name", at("account"));
        settings.problems.add(Problem::new(value.origin, message));
    }
    Some(Identity::Fixed { account: account?, principal: principal?, minimum_enforcement: minimum_enforcement? })
}

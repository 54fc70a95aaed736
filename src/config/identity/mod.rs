//! `[[identity]]`: how callers prove who they are. One file a kind.

mod fixed;
mod mtls;
mod rules;
mod sigv4;
mod sts;

use super::{
    Identity,
    load::Settings,
    problem::{Problem, did_you_mean},
    settings::Setting,
};
use crate::finding::{AccountId, Accounts};
use std::collections::HashMap;

/// Every kind, in the order of the reference.
const KINDS: [&str; 6] = ["sigv4", "mtls", "jwt", "sts", "header", "fixed"];

/// What the identities have in common while they are read.
struct Reading<'a> {
    settings: &'a mut Settings,
    accounts: Option<&'a Accounts>,
    warnings: &'a mut Vec<String>,
    /// The access keys of all identities, and where each is.
    keys: HashMap<String, String>,
}

/// Reads all identities.
pub(super) fn read(settings: &mut Settings, accounts: Option<&Accounts>, warnings: &mut Vec<String>) -> Vec<Identity> {
    let count = settings.identities;
    if count == 0 {
        settings.missing("identity", "at least one `[[identity]]` table: without one, nobody can call");
    }
    let mut reading = Reading { settings, accounts, warnings, keys: HashMap::new() };
    let mut identities = Vec::new();
    for index in 0..count {
        let path = format!("identity.{index}.kind");
        let Some(kind) = reading.settings.value(&path) else { continue };
        let identity = match kind.text() {
            Some("sigv4") => sigv4::read(&mut reading, index),
            Some("mtls") => mtls::read(&mut reading, index),
            Some("sts") => sts::read(&mut reading, index),
            Some("fixed") => fixed::read(&mut reading, index),
            Some(later @ ("jwt" | "header")) => {
                let message = format!("`{path}` is \"{later}\", which is not in this version");
                reading
                    .settings
                    .problems
                    .add(Problem::new(kind.origin, message).help("expected `sigv4`, `mtls`, `sts` or `fixed`"));
                continue;
            }
            text => {
                let meant = text.and_then(|text| did_you_mean(text, KINDS));
                let expected = Setting::at(&path).map_or("", |setting| setting.expected);
                reading.settings.problems.add(kind.misspelt(&path, expected).meant(meant));
                continue;
            }
        };
        if index + 1 < count && kind.text() == Some("fixed") {
            let message =
                format!("`identity.{index}` is `fixed`: every request is its caller's, and no later identity is asked");
            reading.settings.problems.add(Problem::new(kind.origin, message).help("make it the last `[[identity]]`"));
        }
        identities.extend(identity);
    }
    identities
}

/// A principal that is an ARN names an account. If that is another one than the account that the caller acts for, policies
/// that name the principal judge somebody else. `here` is the begin of the sentence that says so.
pub fn doubtful_principal(here: &str, principal: &str, account: AccountId) -> Option<String> {
    let named = principal.strip_prefix("arn:")?.split(':').nth(3).and_then(AccountId::parse)?;
    (named != account)
        .then(|| format!("{here} acts for account {account}, and its principal `{principal}` is one of {named}"))
}

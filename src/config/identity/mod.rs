//! `[[identity]]`: how callers prove who they are. One file a kind.

mod fixed;
mod header;
mod jwt;
mod mtls;
mod rules;
mod sigv4;
mod sts;

pub use header::{HeaderFront, HeaderIdentity};
pub use jwt::{JwtIdentity, JwtKeys};

use super::{
    Certificates, Identity,
    load::Settings,
    problem::{Problem, did_you_mean},
    settings::Setting,
};
use crate::{
    finding::{AccountId, Accounts},
    identity::fetchable,
};
use http::{Uri, uri::Scheme};
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
    /// The issuers of all identities, and where each is.
    issuers: HashMap<String, String>,
}

/// Reads all identities.
pub(super) fn read(settings: &mut Settings, accounts: Option<&Accounts>, warnings: &mut Vec<String>) -> Vec<Identity> {
    let count = settings.identities;
    if count == 0 {
        settings.missing("identity", "at least one `[[identity]]` table: without one, nobody can call");
    }
    let mut reading = Reading { settings, accounts, warnings, keys: HashMap::new(), issuers: HashMap::new() };
    let mut identities = Vec::new();
    for index in 0..count {
        let path = format!("identity.{index}.kind");
        let Some(kind) = reading.settings.value(&path) else { continue };
        let identity = match kind.text() {
            Some("sigv4") => sigv4::read(&mut reading, index),
            Some("mtls") => mtls::read(&mut reading, index),
            Some("jwt") => jwt::read(&mut reading, index),
            Some("sts") => sts::read(&mut reading, index),
            Some("header") => header::read(&mut reading, index),
            Some("fixed") => fixed::read(&mut reading, index),
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

/// What is wrong was told.
struct Told;

/// A URL that is fetched from, and who may vouch for it.
fn remote(reading: &mut Reading<'_>, url_key: &str, ca_key: &str) -> Option<(Uri, Option<Certificates>)> {
    let url = reading.settings.text(url_key, fetchable)?;
    let ca = ca(reading, ca_key, &url).ok()?;
    Some((url, ca))
}

/// The authorities at `key`, if there are any: they are for `https` only.
fn ca(reading: &mut Reading<'_>, key: &str, url: &Uri) -> Result<Option<Certificates>, Told> {
    let Some(value) = reading.settings.value(key) else { return Ok(None) };
    if url.scheme() != Some(&Scheme::HTTPS) {
        let message = format!("`{key}` is for an `https://` URL, and `{url}` is none");
        reading.settings.problems.add(Problem::new(value.origin, message).help("remove it"));
        return Err(Told);
    }
    reading.settings.pem_of(key, &value, "CERTIFICATE").map(Some).ok_or(Told)
}

/// A principal that is an ARN names an account. If that is another one than the account that the caller acts for, policies
/// that name the principal judge somebody else. `here` is the begin of the sentence that says so.
pub fn doubtful_principal(here: &str, principal: &str, account: AccountId) -> Option<String> {
    let named = principal.strip_prefix("arn:")?.split(':').nth(3).and_then(AccountId::parse)?;
    (named != account)
        .then(|| format!("{here} acts for account {account}, and its principal `{principal}` is one of {named}"))
}

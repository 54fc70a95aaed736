//! `kind = "jwt"`: bearer tokens of an issuer.

use super::{Reading, Told, remote, rules};
use crate::{
    config::{Certificates, Identity, problem::Problem, read, reader::resolved, value::Value},
    finding::{AccountId, Enforcement},
    identity::{MappingRule, check_key_set, fetchable, irsa, sts_web_identity},
};
use http::Uri;
use std::{path::PathBuf, time::Duration};

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_hours(24);

/// `kind = "jwt"`
#[derive(Debug, Clone)]
pub struct JwtIdentity {
    /// `issuer`: no other identity has the same.
    pub issuer: String,
    /// `audience`: at least one.
    pub audiences: Vec<String>,
    /// `jwks_file`, `jwks_url` and `ca`
    pub keys: JwtKeys,
    /// `jwks_refresh`
    pub refresh: Duration,
    /// `jwks_max_stale`: not shorter than `refresh`.
    pub max_stale: Duration,
    /// `rule`, or that of the `preset`: at least one.
    pub rules: Vec<MappingRule>,
}

/// Where an issuer's keys are.
#[derive(Debug, Clone)]
pub enum JwtKeys {
    /// `jwks_file`: it has keys now.
    File(PathBuf),
    /// `jwks_url`, and who may vouch for it.
    Url(Uri, Option<Certificates>),
    /// The issuer's discovery document, and who may vouch for it.
    Discovery(Uri, Option<Certificates>),
}

enum Preset {
    Irsa,
    StsWebIdentity,
}

pub(super) fn read(reading: &mut Reading<'_>, index: usize) -> Option<Identity> {
    let at = |name: &str| format!("identity.{index}.{name}");
    let preset = preset(reading, index);
    let mut keys =
        vec!["issuer", "audience", "jwks_file", "jwks_url", "jwks_refresh", "jwks_max_stale", "ca", "preset"];
    let kind = match preset {
        Ok(None) => {
            keys.push("rule");
            "jwt"
        }
        Ok(Some(Preset::Irsa)) => {
            keys.extend(["account", "minimum_enforcement"]);
            "jwt` with the preset `irsa"
        }
        Ok(Some(Preset::StsWebIdentity)) => {
            keys.push("minimum_enforcement");
            "jwt` with the preset `sts-web-identity"
        }
        Err(Told) => {
            keys.extend(["rule", "account", "minimum_enforcement"]);
            "jwt"
        }
    };
    reading.settings.keep_to(index, kind, &keys);
    let issuer = issuer(reading, index);
    let audiences = reading.settings.names(&at("audience"));
    let keys = self::keys(reading, index, issuer.as_deref());
    let refresh = reading.settings.duration(&at("jwks_refresh"), SECOND..=DAY);
    let max_stale = reading.settings.duration(&at("jwks_max_stale"), SECOND..=30 * DAY);
    if let (Some(refresh), Some(max_stale)) = (refresh, max_stale)
        && max_stale < refresh
        && let Some(value) = reading.settings.value(&at("jwks_max_stale"))
    {
        let message = format!(
            "`{}` is shorter than `{}`, so that keys would be given up before they are fetched again",
            at("jwks_max_stale"),
            at("jwks_refresh")
        );
        reading.settings.problems.add(Problem::new(value.origin, message));
    }
    let rules = match preset.ok()? {
        None => rules(reading, index)?,
        Some(preset) => vec![of_preset(reading, index, &preset)?],
    };
    Some(Identity::Jwt(JwtIdentity {
        issuer: issuer?,
        audiences: audiences?,
        keys: keys?,
        refresh: refresh?,
        max_stale: max_stale?,
        rules,
    }))
}

fn preset(reading: &mut Reading<'_>, index: usize) -> Result<Option<Preset>, Told> {
    let path = format!("identity.{index}.preset");
    let Some(value) = reading.settings.value(&path) else { return Ok(None) };
    match value.text() {
        Some("irsa") => Ok(Some(Preset::Irsa)),
        Some("sts-web-identity") => Ok(Some(Preset::StsWebIdentity)),
        _ => {
            reading.settings.problems.add(value.misspelt(&path, "`irsa` or `sts-web-identity` where `kind` is `jwt`"));
            Err(Told)
        }
    }
}

fn of_preset(reading: &mut Reading<'_>, index: usize, preset: &Preset) -> Option<MappingRule> {
    let at = |name: &str| format!("identity.{index}.{name}");
    let minimum_enforcement = reading.settings.text(&at("minimum_enforcement"), Enforcement::parse);
    let rule = match preset {
        Preset::StsWebIdentity => sts_web_identity(minimum_enforcement?),
        Preset::Irsa => {
            reading.settings.missing_if_absent(&at("account"));
            let account = reading.settings.text(&at("account"), AccountId::parse)?;
            if reading.accounts.is_some_and(|accounts| accounts.role(account).is_none()) {
                let key = at("account");
                reading.warnings.push(format!("`{key}` is {account}, which the accounts file does not name"));
            }
            irsa(account, minimum_enforcement?)
        }
    };
    // Their patterns are constants, and tests make each of them.
    rule.ok()
}

/// Rules by claims. A claim's name can be any; what begins like a pointer has to be one.
fn rules(reading: &mut Reading<'_>, index: usize) -> Option<Vec<MappingRule>> {
    let path = format!("identity.{index}.rule");
    let rules = rules::read(reading, index, &[])?;
    let value = reading.settings.value(&path)?;
    let mut whole = true;
    for (number, rule) in rules.iter().enumerate() {
        for (attribute, _) in rule.when.iter().filter(|(attribute, _)| !is_name_or_pointer(attribute)) {
            let message = format!(
                "`{path}.{number}.when` has `{attribute}`, which is no JSON Pointer: in one, `~` is written `~0`, and `/` within a name `~1`"
            );
            reading.settings.problems.add(Problem::new(value.origin.clone(), message));
            whole = false;
        }
    }
    whole.then_some(rules)
}

/// RFC 6901, section 3.
pub(super) fn is_name_or_pointer(attribute: &str) -> bool {
    !attribute.starts_with('/') || attribute.split('~').skip(1).all(|behind| behind.starts_with(['0', '1']))
}

fn issuer(reading: &mut Reading<'_>, index: usize) -> Option<String> {
    let path = format!("identity.{index}.issuer");
    reading.settings.missing_if_absent(&path);
    let issuer = reading.settings.text(&path, |text| {
        let fits = (1..=2048).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| text.to_owned())
    })?;
    if let Some(first) = reading.issuers.insert(issuer.clone(), path.clone()) {
        let origin = reading.settings.value(&path)?.origin;
        let message = format!("`{path}` is that of `{first}` too, which would get all of its tokens");
        let help = "put audiences and rules of one issuer into one `[[identity]]`";
        reading.settings.problems.add(Problem::new(origin, message).help(help));
        return None;
    }
    Some(issuer)
}

fn keys(reading: &mut Reading<'_>, index: usize, issuer: Option<&str>) -> Option<JwtKeys> {
    let at = |name: &str| format!("identity.{index}.{name}");
    let (file_key, url_key) = (at("jwks_file"), at("jwks_url"));
    let file = reading.settings.value(&file_key);
    let url = reading.settings.value(&url_key);
    match (file, url) {
        (Some(_), Some(url)) => {
            let message =
                format!("`{url_key}` and `{file_key}` are both set: expected one place for the issuer's keys");
            reading.settings.problems.add(Problem::new(url.origin, message).help("remove one of them"));
            None
        }
        (Some(file), None) => {
            if let Some(ca) = reading.settings.value(&at("ca")) {
                let message = format!("`{}` is for keys that come over TLS, and `{file_key}` is a file", at("ca"));
                reading.settings.problems.add(Problem::new(ca.origin, message).help("remove it"));
            }
            self::file(reading, &file_key, &file).map(JwtKeys::File)
        }
        (None, Some(_)) => {
            let (url, ca) = remote(reading, &url_key, &at("ca"))?;
            Some(JwtKeys::Url(url, ca))
        }
        (None, None) => {
            let document = format!("{}/.well-known/openid-configuration", issuer?.trim_end_matches('/'));
            let Some(document) = fetchable(&document).filter(|document| document.query().is_none()) else {
                let value = reading.settings.value(&at("issuer"))?;
                let expected = "an `https://` URL (or `http://` on a loopback address), at which the issuer's keys are found; \
                                for another issuer, set `jwks_file` or `jwks_url`";
                reading.settings.problems.add(value.misspelt(&at("issuer"), expected));
                return None;
            };
            let ca = super::ca(reading, &at("ca"), &document).ok()?;
            Some(JwtKeys::Discovery(document, ca))
        }
    }
}

/// A file of keys, which has some that can be used. It is read again later on.
fn file(reading: &mut Reading<'_>, key: &str, value: &Value) -> Option<PathBuf> {
    let Some(text) = value.text().filter(|text| !text.is_empty()) else {
        reading.settings.misspelt(key, value);
        return None;
    };
    let path = resolved(text, &value.origin);
    let shown = path.display();
    let why = match read::bytes(&path, 512 * 1024).map(|bytes| check_key_set(&bytes)) {
        Ok(Ok(0)) => format!("`{shown}` has no key for signatures by an algorithm that this gate accepts"),
        Ok(Ok(_)) => return Some(path),
        Ok(Err(why)) => format!("`{shown}` {why}"),
        Err(why) => why,
    };
    reading.settings.problems.add(Problem::new(value.origin.clone(), format!("`{key}`: {why}")));
    None
}

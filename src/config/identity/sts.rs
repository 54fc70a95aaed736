//! `kind = "sts"`: presigned requests that STS answers.

use super::Reading;
use crate::{
    config::{Identity, problem::Problem},
    finding::Enforcement,
    identity::{GateName, StsHost},
};

pub(super) fn read(reading: &mut Reading<'_>, index: usize) -> Option<Identity> {
    let Reading { settings, warnings, .. } = reading;
    settings.keep_to(index, "sts", &["gate", "hosts", "ca", "minimum_enforcement"]);
    let at = |name: &str| format!("identity.{index}.{name}");
    settings.missing_if_absent(&at("gate"));
    let gate = settings.text(&at("gate"), |text| text.parse::<GateName>().ok());
    let hosts = match settings.value(&at("hosts")) {
        None => {
            let region = settings.given("upstream.region").and_then(|value| value.text()).unwrap_or_default();
            Some(StsHost::of_region(region))
        }
        Some(value) => {
            let key = at("hosts");
            let items = settings.list(&key, &value)?;
            let mut hosts = Vec::with_capacity(items.len());
            let mut whole = true;
            for (number, item) in items.iter().enumerate() {
                match item.text().map(str::parse::<StsHost>) {
                    Some(Ok(host)) => hosts.push(host),
                    Some(Err(expected)) => {
                        settings.problems.add(item.misspelt(&format!("{key}[{number}]"), &expected.to_string()));
                        whole = false;
                    }
                    None => {
                        settings.problems.add(item.mistyped(&format!("{key}[{number}]"), "a string"));
                        whole = false;
                    }
                }
            }
            if items.is_empty() {
                let message = format!("`{key}` is empty: expected at least one host, or no such key");
                settings.problems.add(Problem::new(value.origin, message));
                whole = false;
            }
            whole.then_some(hosts)
        }
    };
    let ca = match settings.value(&at("ca")) {
        None => Some(None),
        Some(_) => settings.certificates(&at("ca")).map(Some),
    };
    let minimum_enforcement = settings.text(&at("minimum_enforcement"), Enforcement::parse);
    let sigv4_first = (0..index).any(|earlier| {
        settings.given(&format!("identity.{earlier}.kind")).and_then(|value| value.text()) == Some("sigv4")
    });
    if sigv4_first {
        warnings.push(format!(
            "`identity.{index}` is `sts` and stands after a `sigv4` one: a client that signs its requests with AWS keys besides is \
             refused for that signature, and its STS token is not looked at; put `sts` first"
        ));
    }
    Some(Identity::Sts { gate: gate?, hosts: hosts?, ca: ca?, minimum_enforcement: minimum_enforcement? })
}

//! `kind = "header"`: the word of a trusted front.

use super::{Reading, jwt::is_name_or_pointer, remote, rules};
use crate::{
    config::{Certificates, Identity, problem::Problem, value::Kind},
    finding::Enforcement,
    identity::{CERTIFICATE_ATTRIBUTES, MappingRule, Pattern, Signer},
};
use http::HeaderName;
use ipnet::IpNet;
use std::net::IpAddr;

/// `kind = "header"`
#[derive(Debug, Clone)]
pub struct HeaderIdentity {
    /// `from`: the networks whose headers count. Empty only if `when` is not.
    pub from: Vec<IpNet>,
    /// `when`: what the client certificate of who sends them must say.
    pub when: Vec<(String, Pattern)>,
    /// `preset`, and what goes with it.
    pub front: HeaderFront,
}

/// What stands in front of the gate.
#[derive(Debug, Clone)]
pub enum HeaderFront {
    /// `preset = "api-gateway"`
    ApiGateway {
        /// `account_header`
        account: HeaderName,
        /// `principal_header`
        principal: HeaderName,
        /// `minimum_enforcement`
        minimum_enforcement: Enforcement,
    },
    /// `preset = "vpc-lattice"`
    VpcLattice {
        /// `minimum_enforcement`
        minimum_enforcement: Enforcement,
    },
    /// `preset = "alb"`
    Alb {
        /// `signer`: at least one.
        signers: Vec<Signer>,
        /// `keys_url`: where keys are instead of at AWS.
        keys_url: Option<String>,
        /// `ca`: who may vouch for it.
        ca: Option<Certificates>,
        /// `rule`: at least one.
        rules: Vec<MappingRule>,
    },
}

impl HeaderFront {
    /// The name of the preset.
    pub fn name(&self) -> &'static str {
        match self {
            Self::ApiGateway { .. } => "api-gateway",
            Self::VpcLattice { .. } => "vpc-lattice",
            Self::Alb { .. } => "alb",
        }
    }
}

pub(super) fn read(reading: &mut Reading<'_>, index: usize) -> Option<Identity> {
    const TRUST: [&str; 3] = ["preset", "from", "when"];
    let at = |name: &str| format!("identity.{index}.{name}");
    let path = at("preset");
    reading.settings.missing_if_absent(&path);
    let value = reading.settings.value(&path)?;
    let with = |more: &[&'static str]| -> Vec<&'static str> { TRUST.iter().chain(more).copied().collect() };
    let front = match value.text() {
        Some("api-gateway") => {
            let keys = with(&["account_header", "principal_header", "minimum_enforcement"]);
            reading.settings.keep_to(index, "header` with the preset `api-gateway", &keys);
            api_gateway(reading, index)
        }
        Some("vpc-lattice") => {
            reading.settings.keep_to(index, "header` with the preset `vpc-lattice", &with(&["minimum_enforcement"]));
            let minimum_enforcement = reading.settings.text(&at("minimum_enforcement"), Enforcement::parse);
            minimum_enforcement.map(|minimum_enforcement| HeaderFront::VpcLattice { minimum_enforcement })
        }
        Some("alb") => {
            reading.settings.keep_to(
                index,
                "header` with the preset `alb",
                &with(&["signer", "keys_url", "ca", "rule"]),
            );
            alb(reading, index)
        }
        _ => {
            let expected = "`api-gateway`, `vpc-lattice` or `alb` where `kind` is `header`";
            reading.settings.problems.add(value.misspelt(&path, expected));
            None
        }
    };
    let from = from(reading, &at("from"));
    let when = when(reading, &at("when"));
    if reading.settings.given(&at("from")).is_none() && reading.settings.given(&at("when")).is_none() {
        let message = format!(
            "`identity.{index}` is `header`, and neither `from` nor `when` says whose headers count: anybody could be anybody"
        );
        let help =
            "set `from` to the networks of what stands in front of the gate, or `when` to what its certificate says";
        reading.settings.problems.add(Problem::new(value.origin, message).help(help));
        return None;
    }
    Some(Identity::Header(HeaderIdentity { from: from?, when: when?, front: front? }))
}

fn api_gateway(reading: &mut Reading<'_>, index: usize) -> Option<HeaderFront> {
    let at = |name: &str| format!("identity.{index}.{name}");
    let mut header = |key: &str| {
        // These have a meaning of their own, and callers write them.
        const TAKEN: [&str; 4] = ["authorization", "host", "x-forwarded-for", "forwarded"];
        let parse = |text: &str| text.parse::<HeaderName>().ok().filter(|name| !TAKEN.contains(&name.as_str()));
        reading.settings.text(&at(key), parse)
    };
    let (account, principal) = (header("account_header"), header("principal_header"));
    let minimum_enforcement = reading.settings.text(&at("minimum_enforcement"), Enforcement::parse);
    let (account, principal) = (account?, principal?);
    if account == principal {
        let value = reading.settings.value(&at("principal_header"))?;
        let message = format!("`{}` and `{}` are the same header", at("account_header"), at("principal_header"));
        reading.settings.problems.add(Problem::new(value.origin, message));
        return None;
    }
    Some(HeaderFront::ApiGateway { account, principal, minimum_enforcement: minimum_enforcement? })
}

fn alb(reading: &mut Reading<'_>, index: usize) -> Option<HeaderFront> {
    let at = |name: &str| format!("identity.{index}.{name}");
    let signers = reading.settings.names(&at("signer"));
    let signers = signers.and_then(|signers| {
        let value = reading.settings.value(&at("signer"))?;
        let parsed: Vec<Option<Signer>> = signers
            .iter()
            .enumerate()
            .map(|(number, arn)| match arn.parse() {
                Ok(signer) => Some(signer),
                Err(expected) => {
                    let Kind::List(items) = &value.kind else { return None };
                    let key = format!("{}[{number}]", at("signer"));
                    let item = items.get(number).unwrap_or(&value);
                    reading.settings.problems.add(item.misspelt(&key, &format!("{expected}")));
                    None
                }
            })
            .collect();
        parsed.into_iter().collect::<Option<Vec<_>>>()
    });
    let keys_url = if reading.settings.given(&at("keys_url")).is_some() {
        remote(reading, &at("keys_url"), &at("ca")).map(|(url, ca)| (Some(url.to_string()), ca))
    } else {
        if let Some(ca) = reading.settings.value(&at("ca")) {
            let message = format!("`{}` is for `{}`, which is not set", at("ca"), at("keys_url"));
            reading.settings.problems.add(Problem::new(ca.origin, message).help("remove it"));
        }
        Some((None, None))
    };
    let rules = rules::read(reading, index, &[])?;
    let value = reading.settings.value(&at("rule"))?;
    if let Some((attribute, _)) =
        rules.iter().flat_map(|rule| &rule.when).find(|(attribute, _)| !is_name_or_pointer(attribute))
    {
        let message = format!("`{}` has `{attribute}`, which is no JSON Pointer", at("rule"));
        reading.settings.problems.add(Problem::new(value.origin, message));
        return None;
    }
    let (keys_url, ca) = keys_url?;
    Some(HeaderFront::Alb { signers: signers?, keys_url, ca, rules })
}

/// The networks; none if the key is absent.
fn from(reading: &mut Reading<'_>, path: &str) -> Option<Vec<IpNet>> {
    const EXPECTED: &str = "an IP address or a network of them, such as `10.0.0.0/8`";
    if reading.settings.given(path).is_none() {
        return Some(Vec::new());
    }
    let names = reading.settings.names(path)?;
    let value = reading.settings.value(path)?;
    let items = reading.settings.list(path, &value)?;
    let mut networks = Vec::with_capacity(names.len());
    for (number, (text, item)) in names.iter().zip(&items).enumerate() {
        let key = format!("{path}[{number}]");
        let network = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
        match network {
            Some(network) if network.prefix_len() == 0 => {
                let message = format!("`{key}` is \"{network}\", which is every address: anybody could be anybody");
                let help = "name the networks of what stands in front of the gate";
                reading.settings.problems.add(Problem::new(item.origin.clone(), message).help(help));
            }
            Some(network) if network.trunc() != network => {
                let problem = item.misspelt(&key, EXPECTED).meant(Some(network.trunc()));
                reading.settings.problems.add(problem);
            }
            Some(network) => networks.push(network),
            None => reading.settings.problems.add(item.misspelt(&key, EXPECTED)),
        }
    }
    (networks.len() == names.len()).then_some(networks)
}

/// What the certificate must say; nothing if the key is absent.
fn when(reading: &mut Reading<'_>, path: &str) -> Option<Vec<(String, Pattern)>> {
    let Some(value) = reading.settings.value(path) else { return Some(Vec::new()) };
    let patterns = rules::when(path, &value, &CERTIFICATE_ATTRIBUTES, &mut reading.settings.problems);
    if reading.settings.given("listen.tls.client_ca").is_none() {
        let message = format!(
            "`{path}` is about client certificates, and without `listen.tls.client_ca` no client is asked for one"
        );
        let help = "set `listen.tls.client_ca` to the certificates of the authorities that they come from";
        reading.settings.problems.add(Problem::new(value.origin, message).help(help));
    }
    patterns
}

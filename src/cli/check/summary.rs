//! What is told of a valid configuration.

use super::told::Told;
use crate::{
    cli::assemble,
    config::{Backend, Config, HeaderIdentity, Identity, JwtIdentity, Route},
    finding::{self, Operation},
    policy::Snapshot,
};
use serde::Serialize;
use std::{collections::HashSet, fmt::Write};

/// What is printed of a valid configuration.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    version: u32,
    valid: bool,
    file: String,
    listen: Listen,
    upstream: Upstream,
    doors: Vec<&'static str>,
    callers: Vec<Callers>,
    accounts: Accounts,
    policies: Policies,
    pub(super) warnings: Vec<String>,
    pub(super) lints: Vec<Told>,
}

#[derive(Debug, Serialize)]
struct Listen {
    address: String,
    workers: usize,
}

#[derive(Debug, Serialize)]
struct Upstream {
    url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<String>,
    region: String,
    sign: &'static str,
    /// Whether calls keep to the backend's quotas: `enforced` or `off`.
    quota: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    other_regions: Vec<OtherRegion>,
}

/// A further Region.
#[derive(Debug, Serialize)]
struct OtherRegion {
    url: String,
    region: String,
}

#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Callers {
    SigV4 { keys: usize, accounts: usize },
    Mtls { rules: usize },
    Sts { gate: String, hosts: Vec<String> },
    Jwt { issuer: String, rules: usize },
    Header { preset: &'static str },
    Fixed { account: String, principal: String },
}

#[derive(Debug, Serialize)]
struct Accounts {
    fleets: Vec<Fleet>,
}

#[derive(Debug, Serialize)]
struct Fleet {
    administrator: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    members: usize,
}

#[derive(Debug, Serialize)]
struct Policies {
    packs: Vec<&'static str>,
    files: Vec<String>,
    default_enforcement: &'static str,
    count: usize,
    digest: String,
}

/// The Regions besides the default one.
fn other_regions(backend: &Backend) -> Vec<OtherRegion> {
    let Backend::Remote { routes, .. } = backend else { return Vec::new() };
    let other = |route: &Route| OtherRegion { url: route.url.to_string(), region: route.region.clone() };
    routes.iter().skip(1).map(other).collect()
}

impl Summary {
    pub(super) fn of(config: &Config, files: &[String], snapshot: &Snapshot, lints: Vec<Told>) -> Self {
        let (url, data) = match &config.upstream.backend {
            Backend::Embedded { data } => ("embedded".into(), data.as_ref().map(|path| path.display().to_string())),
            Backend::Remote { routes, .. } => {
                (routes.first().map_or_else(String::new, |route| route.url.to_string()), None)
            }
        };
        let always = Operation::ALL.iter().copied().filter(|operation| operation.is_always_open());
        let doors = always.chain(config.doors.iter().copied());
        Self {
            version: 1,
            valid: true,
            file: config.file.display().to_string(),
            listen: Listen { address: config.listen.address.to_string(), workers: config.listen.workers.get() },
            upstream: Upstream {
                url,
                data,
                region: config.upstream.region.clone(),
                sign: config.upstream.sign.as_str(),
                quota: if assemble::keeps_quota(config) { "enforced" } else { "off" },
                other_regions: other_regions(&config.upstream.backend),
            },
            doors: doors.map(Operation::name).collect(),
            callers: config.identities.iter().map(Callers::of).collect(),
            accounts: Accounts::of(&config.accounts),
            policies: Policies {
                packs: config.policies.packs.clone(),
                files: files.to_vec(),
                default_enforcement: config.policies.default_enforcement.as_str(),
                count: snapshot.rules().len(),
                digest: snapshot.digest().to_owned(),
            },
            warnings: config.warnings.iter().cloned().chain(assemble::doubts(config, snapshot)).collect(),
            lints,
        }
    }

    pub(super) fn human(&self) -> String {
        let Self { listen, upstream, accounts, policies, .. } = self;
        let packs = policies.packs.iter().map(|pack| format!("pack:{pack}"));
        let sources: Vec<String> = packs.chain(policies.files.iter().cloned()).collect();
        let mut text = format!("{} is valid\n\n", self.file);
        let mut line = |name: &str, value: &str| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  {name:<10}{value}");
        };
        line("listen", &format!("{}, {}", listen.address, counted(listen.workers, "worker")));
        let data = match (upstream.url.as_str(), &upstream.data) {
            ("embedded", Some(path)) => format!(", findings in {path}"),
            ("embedded", None) => ", findings in memory".into(),
            _ => String::new(),
        };
        let sign = if upstream.sign == "none" { String::new() } else { format!(", signed ({})", upstream.sign) };
        let quota = if upstream.quota == "enforced" { ", quotas enforced" } else { "" };
        line("upstream", &format!("{}{data}, {}{sign}{quota}", upstream.url, upstream.region));
        for OtherRegion { url, region } in &upstream.other_regions {
            line("", &format!("{url}, {region}"));
        }
        line("doors", &self.doors.join(", "));
        for callers in &self.callers {
            line("callers", &callers.human());
        }
        for Fleet { administrator, name, members } in &accounts.fleets {
            let name = if name.is_empty() { String::new() } else { format!("{name}: ") };
            line("accounts", &format!("{name}administrator {administrator}, {}", counted(*members, "member")));
        }
        let default = policies.default_enforcement;
        let count = if policies.count == 1 { "1 policy".to_owned() } else { format!("{} policies", policies.count) };
        line("policies", &format!("{count} of {}; {default} unless a policy says otherwise", sources.join(", ")));
        line("digest", &policies.digest);
        text
    }
}

impl Accounts {
    fn of(accounts: &finding::Accounts) -> Self {
        let fleet = |(administrator, name): (finding::AccountId, &str)| Fleet {
            administrator: administrator.to_string(),
            name: name.to_owned(),
            members: accounts.members_of(administrator).count(),
        };
        Self { fleets: accounts.fleets().map(fleet).collect() }
    }
}

impl Callers {
    fn of(identity: &Identity) -> Self {
        match identity {
            Identity::SigV4 { keys } => {
                let accounts: HashSet<_> = keys.iter().map(|key| key.account).collect();
                Self::SigV4 { keys: keys.len(), accounts: accounts.len() }
            }
            Identity::Mtls { rules } => Self::Mtls { rules: rules.len() },
            Identity::Sts { gate, hosts, .. } => {
                Self::Sts { gate: gate.to_string(), hosts: hosts.iter().map(ToString::to_string).collect() }
            }
            Identity::Jwt(JwtIdentity { issuer, rules, .. }) => {
                Self::Jwt { issuer: issuer.clone(), rules: rules.len() }
            }
            Identity::Header(HeaderIdentity { front, .. }) => Self::Header { preset: front.name() },
            Identity::Fixed { account, principal, .. } => {
                Self::Fixed { account: account.to_string(), principal: principal.clone() }
            }
        }
    }

    fn human(&self) -> String {
        match self {
            Self::SigV4 { keys, accounts } => {
                format!("sigv4: {} of {}", counted(*keys, "key"), counted(*accounts, "account"))
            }
            Self::Mtls { rules } => format!("mtls: {}", counted(*rules, "rule")),
            Self::Sts { gate, hosts } => format!("sts: for {gate}, by {}", hosts.join(" or ")),
            Self::Jwt { issuer, rules } => format!("jwt: {} for tokens of {issuer}", counted(*rules, "rule")),
            Self::Header { preset } => format!("header: those that {preset} names"),
            Self::Fixed { account, principal } => format!("fixed: {principal} of account {account}"),
        }
    }
}

/// `1 key`, `2 keys`.
pub(super) fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

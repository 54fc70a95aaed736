//! From settings to a checked configuration.

use super::{
    Backend, Certificates, Config, ConfigError, Identity, Key, Level, Limits, Listen, Log, LogFormat, Policies,
    PolicyPath, StateLookup, Upstream, Url, accounts, issued,
    load::Settings,
    page_key,
    problem::{Problem, did_you_mean},
    read,
    reader::resolved,
    value::Value,
};
use crate::{
    finding::{AccountId, Accounts, Enforcement, Operation},
    policy::PACKS,
};
use std::{
    collections::HashMap,
    net::SocketAddr,
    num::{NonZeroU32, NonZeroUsize},
    path::Path,
    time::Duration,
};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// The most that one BatchImportFindings request may have (guide).
const IMPORT: usize = 6_000_000;

/// A principal that is an ARN names an account. If that is another one than the account that the caller acts for, policies
/// that name the principal judge somebody else.
fn doubtful_principal(here: &str, principal: &str, account: AccountId) -> Option<String> {
    let named = principal.strip_prefix("arn:")?.split(':').nth(3).and_then(AccountId::parse)?;
    (named != account)
        .then(|| format!("{here} acts for account {account}, and its principal `{principal}` is one of {named}"))
}

/// Checks everything before it gives up, so that all problems are told at once.
pub(super) fn check(file: &Path, mut settings: Settings) -> Result<Config, ConfigError> {
    let mut warnings = Vec::new();
    let listen = listen(&mut settings);
    let policies = policies(&mut settings);
    let accounts = accounts(&mut settings);
    let identities = identities(&mut settings, accounts.as_ref(), &mut warnings);
    let upstream = upstream(&mut settings);
    let state = state(&mut settings);
    let doors = doors(&mut settings);
    let page_key = page_key::read(&mut settings, &mut warnings);
    let limits = limits(&mut settings);
    let log = log(&mut settings);
    settings.problems.into_result()?;
    let (Some(listen), Some(policies), Some(accounts), Some(upstream), Some(state), Some(limits), Some(log)) =
        (listen, policies, accounts, upstream, state, limits, log)
    else {
        return Err(ConfigError::unexplained());
    };
    if let Some(Identity::Fixed { account, principal, .. }) = identities.last() {
        warnings.extend(doubtful_principal("the fixed identity", principal, *account));
    }
    if !listen.address.ip().is_loopback() && matches!(identities.last(), Some(Identity::Fixed { .. })) {
        warnings.push(format!(
            "`listen.address` is {}, which other machines may reach, and an identity is `fixed`: whoever reaches it is \
             that caller",
            listen.address
        ));
    }
    if doors.contains(&Operation::BatchImportFindings) && limits.body < IMPORT {
        warnings.push(
            "`doors.open` has BatchImportFindings, and `limits.body` is less than the 6 MB that one import may have: larger ones \
             are refused with 413"
                .to_owned(),
        );
    }
    if doors.contains(&Operation::BatchUpdateFindingsV2) && !state.lookup {
        warnings.push(
            "`doors.open` has BatchUpdateFindingsV2 and `state.lookup` is off: which findings a request means by its MetadataUids \
             cannot be looked up, so such a request changes nothing; clients must name findings by FindingIdentifiers"
                .to_owned(),
        );
    }
    let file = file.to_owned();
    Ok(Config { file, listen, policies, accounts, identities, upstream, state, doors, page_key, limits, log, warnings })
}

/// `[log]` alone, for verbs that read no file.
pub(super) fn log_alone(mut settings: Settings) -> Result<Log, ConfigError> {
    let log = log(&mut settings);
    settings.problems.into_result()?;
    log.ok_or_else(ConfigError::unexplained)
}

/// `[policies]` alone, for verbs that read no file.
pub(super) fn policies_alone(mut settings: Settings) -> Result<Policies, ConfigError> {
    let policies = policies(&mut settings);
    settings.problems.into_result()?;
    policies.ok_or_else(ConfigError::unexplained)
}

fn listen(settings: &mut Settings) -> Option<Listen> {
    let address = settings.text("listen.address", |text| text.parse::<SocketAddr>().ok());
    let workers = match settings.value("listen.workers") {
        None => Some(std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)),
        Some(_) => settings.count("listen.workers", 1..=1024).and_then(NonZeroUsize::new),
    };
    Some(Listen { address: address?, workers: workers? })
}

fn policies(settings: &mut Settings) -> Option<Policies> {
    const PATH: &str = "policies.path";
    let default_enforcement = settings.text("policies.default_enforcement", Enforcement::parse);
    let value = settings.value(PATH)?;
    let items = settings.list(PATH, &value)?;
    let (mut paths, mut packs) = (Vec::new(), Vec::new());
    for (index, item) in items.iter().enumerate() {
        let key = format!("{PATH}[{index}]");
        match item.text().map(|text| (text, text.strip_prefix("pack:"))) {
            Some((_, Some(name))) => match PACKS.iter().copied().find(|pack| *pack == name) {
                Some(pack) if packs.contains(&pack) => {
                    let message = format!("`{PATH}` names `pack:{name}` twice");
                    settings.problems.add(Problem::new(item.origin.clone(), message));
                }
                Some(pack) => packs.push(pack),
                None => {
                    let meant = did_you_mean(name, PACKS.iter().copied()).map(|meant| format!("pack:{meant}"));
                    let problem = item.misspelt(&key, "`pack:baseline`, `pack:strict` or `pack:transitions`");
                    settings.problems.add(problem.meant(meant));
                }
            },
            Some((text, None)) if !text.is_empty() => {
                paths.push(PolicyPath { path: resolved(text, &item.origin), origin: item.origin.clone() });
            }
            _ => {
                let expected = "a directory, a `.cedar` file, `pack:baseline`, `pack:strict` or `pack:transitions`";
                settings.problems.add(item.misspelt(&key, expected));
            }
        }
    }
    if items.is_empty() {
        let message = format!("`{PATH}` is empty: expected at least one; without policies every change is denied");
        settings.problems.add(Problem::new(value.origin, message));
    }
    Some(Policies { paths, packs, default_enforcement: default_enforcement? })
}

fn accounts(settings: &mut Settings) -> Option<Accounts> {
    let (path, origin) = settings.path("accounts.file")?;
    accounts::read(&path, &origin, &mut settings.problems)
}

fn identities(settings: &mut Settings, accounts: Option<&Accounts>, warnings: &mut Vec<String>) -> Vec<Identity> {
    let mut identities = Vec::new();
    let mut known: HashMap<String, String> = HashMap::new();
    if settings.identities == 0 {
        settings.missing("identity", "at least one `[[identity]]` table: without one, nobody can call");
    }
    for index in 0..settings.identities {
        let Some(kind) = settings.value(&format!("identity.{index}.kind")) else { continue };
        let identity = match kind.text() {
            Some("sigv4") => sigv4(settings, index, accounts, &mut known, warnings),
            Some("fixed") => fixed(settings, index, accounts),
            _ => {
                let path = format!("identity.{index}.kind");
                match kind.text() {
                    Some(later @ ("mtls" | "jwt" | "sts" | "header")) => {
                        let message = format!("`{path}` is \"{later}\", which is not in this version");
                        settings.problems.add(Problem::new(kind.origin, message).help("expected `sigv4` or `fixed`"));
                    }
                    text => {
                        let meant = text.and_then(|text| did_you_mean(text, ["sigv4", "fixed"]));
                        let problem = kind.misspelt(&path, "`sigv4` or `fixed`");
                        settings.problems.add(problem.meant(meant));
                    }
                }
                continue;
            }
        };
        if index + 1 < settings.identities && kind.text() == Some("fixed") {
            let message =
                format!("`identity.{index}` is `fixed`: every request is its caller's, and no later identity is asked");
            settings.problems.add(Problem::new(kind.origin, message).help("make it the last `[[identity]]`"));
        }
        identities.extend(identity);
    }
    identities
}

fn sigv4(
    settings: &mut Settings,
    index: usize,
    accounts: Option<&Accounts>,
    known: &mut HashMap<String, String>,
    warnings: &mut Vec<String>,
) -> Option<Identity> {
    settings.refuse_foreign(index, "sigv4", &["account", "principal", "minimum_enforcement"]);
    let key = format!("identity.{index}.keys");
    let Some((path, origin)) = settings.path(&key) else {
        settings.missing_if_absent(&key);
        return None;
    };
    let keys = issued::read(&path, (&key, &origin), warnings, &mut settings.problems)?;
    for (index, (key, origin)) in keys.iter().enumerate() {
        let here = format!("`key.{index}` of `{}`", path.display());
        if let Some(first) = known.insert(key.id.clone(), here.clone()) {
            let message = format!("`key.{index}.id` is the id of {first} too: an id stands for one key");
            settings.problems.add(Problem::new(origin.clone(), message));
        }
        warnings.extend(doubtful_principal(&here, &key.principal, key.account));
        if accounts.is_some_and(|accounts| accounts.role(key.account).is_none()) {
            warnings.push(format!("{here} is for account {}, which the accounts file does not name", key.account));
        }
    }
    Some(Identity::SigV4 { keys: keys.into_iter().map(|(key, _)| key).collect::<Vec<Key>>() })
}

fn fixed(settings: &mut Settings, index: usize, accounts: Option<&Accounts>) -> Option<Identity> {
    settings.refuse_foreign(index, "fixed", &["keys"]);
    let at = |name: &str| format!("identity.{index}.{name}");
    let minimum_enforcement = settings.text(&at("minimum_enforcement"), Enforcement::parse);
    let principal = settings.value(&at("principal"));
    let principal = principal.and_then(|value| issued::principal(&value, &at("principal"), &mut settings.problems));
    let value = settings.value(&at("account"));
    let account = settings.text(&at("account"), AccountId::parse);
    settings.missing_if_absent(&at("account"));
    settings.missing_if_absent(&at("principal"));
    if let (Some(account), Some(value), Some(accounts)) = (account, value, accounts)
        && accounts.role(account).is_none()
    {
        let message = format!("`{}` is \"{account}\", which the accounts file does not name", at("account"));
        settings.problems.add(Problem::new(value.origin, message));
    }
    Some(Identity::Fixed { account: account?, principal: principal?, minimum_enforcement: minimum_enforcement? })
}

fn upstream(settings: &mut Settings) -> Option<Upstream> {
    sign(settings);
    let backend = backend(settings);
    let region = settings.text("upstream.region", |text| {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let is_region = (3..=32).contains(&text.len()) && text.contains('-') && text.bytes().all(fits);
        is_region.then(|| text.to_owned())
    });
    let ms = Duration::from_millis(10);
    let connect_timeout = settings.duration("upstream.connect_timeout", ms..=MINUTE);
    let timeout = settings.duration("upstream.timeout", ms..=10 * MINUTE);
    let concurrency = settings.count("upstream.concurrency", 1..=100).and_then(NonZeroUsize::new);
    Some(Upstream {
        backend: backend?,
        region: region?,
        connect_timeout: connect_timeout?,
        timeout: timeout?,
        concurrency: concurrency?,
    })
}

fn sign(settings: &mut Settings) {
    const SIGN: &str = "upstream.sign";
    let Some(value) = settings.value(SIGN) else { return };
    match value.text() {
        Some("none") => {}
        Some(later @ ("gateway" | "assume-role")) => {
            let message = format!("`{SIGN}` is \"{later}\", which is not in this version: expected `none`");
            settings.problems.add(Problem::new(value.origin, message));
        }
        _ => settings.misspelt(SIGN, &value),
    }
}

fn backend(settings: &mut Settings) -> Option<Backend> {
    const URL: &str = "upstream.url";
    let value = settings.value(URL)?;
    let data = settings.unless_moot("upstream.data", &value);
    let ca = settings.unless_moot("upstream.ca", &value);
    if value.text() == Some("embedded") {
        if let Some(ca) = ca {
            let message = "`upstream.ca` is for an `https://` backend, and `upstream.url` is `embedded`";
            settings.problems.add(Problem::new(ca.origin, message).help("remove it"));
        }
        let Some(data) = data else { return Some(Backend::Embedded { data: None }) };
        return match data.text() {
            Some(text) if !text.is_empty() => Some(Backend::Embedded { data: Some(resolved(text, &data.origin)) }),
            _ => {
                settings.misspelt("upstream.data", &data);
                None
            }
        };
    }
    if let Some(data) = data {
        let message = "`upstream.data` is for the embedded backend, and `upstream.url` is another one";
        let help = "remove it, or set `upstream.url` to `embedded`";
        settings.problems.add(Problem::new(data.origin, message).help(help));
    }
    let url = match value.text().map(str::parse::<Url>) {
        Some(Ok(url)) => url,
        // The value may hold a password where it has an `@`.
        Some(Err(expected)) if value.text().is_some_and(|text| text.contains('@')) => {
            let message = format!("`{URL}` has an `@`: expected {expected}");
            settings.problems.add(Problem::new(value.origin, message));
            return None;
        }
        Some(Err(expected)) => {
            let problem = value.misspelt(URL, &format!("`embedded`, or {expected}"));
            let meant = value.text().and_then(|text| did_you_mean(text, ["embedded"]));
            settings.problems.add(problem.meant(meant));
            return None;
        }
        None => {
            settings.misspelt(URL, &value);
            return None;
        }
    };
    let ca = match ca {
        Some(ca) if !url.is_https() => {
            let message = "`upstream.ca` is for an `https://` backend, and `upstream.url` is an `http://` one";
            settings.problems.add(Problem::new(ca.origin, message).help("remove it, or write `https://`"));
            return None;
        }
        Some(ca) => Some(certificates(settings, &ca)?),
        None => None,
    };
    Some(Backend::Remote { url, ca })
}

fn certificates(settings: &mut Settings, value: &Value) -> Option<Certificates> {
    let Some(path) = value.text().filter(|path| !path.is_empty()) else {
        settings.misspelt("upstream.ca", value);
        return None;
    };
    let path = resolved(path, &value.origin);
    let why = match read::text(&path, read::LONGEST_FILE) {
        Ok(pem) if pem.contains("-----BEGIN CERTIFICATE-----") => return Some(Certificates { path, pem }),
        Ok(_) => format!("`{}` has no line `-----BEGIN CERTIFICATE-----`", path.display()),
        Err(why) => why,
    };
    settings.problems.add(Problem::new(value.origin.clone(), format!("`upstream.ca`: {why}")));
    None
}

fn state(settings: &mut Settings) -> Option<StateLookup> {
    let lookup = settings.text("state.lookup", |text| match text {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    });
    let max_age = settings.duration("state.max_age", Duration::ZERO..=HOUR);
    let entries = settings.count("state.entries", 100..=1_000_000);
    let deadline = settings.duration("state.deadline", SECOND / 100..=MINUTE);
    let mut calls = |path| {
        let calls = settings.count(path, 1..=10_000)?;
        NonZeroU32::new(calls.try_into().ok()?)
    };
    let (rate, burst) = (calls("state.rate"), calls("state.burst"));
    Some(StateLookup {
        lookup: lookup?,
        max_age: max_age?,
        entries: entries?,
        deadline: deadline?,
        rate: rate?,
        burst: burst?,
    })
}

fn doors(settings: &mut Settings) -> Vec<Operation> {
    const OPEN: &str = "doors.open";
    let mut open = Vec::new();
    let Some(items) = settings.value(OPEN).and_then(|value| settings.list(OPEN, &value)) else { return open };
    for (index, item) in items.iter().enumerate() {
        match item.text().map(|text| (text, Operation::named(text))) {
            Some((_, Some(operation))) if open.contains(&operation) => {
                let message = format!("`{OPEN}` names `{operation}` twice");
                settings.problems.add(Problem::new(item.origin.clone(), message));
            }
            // It is open anyway: harmless, and easily meant.
            Some((_, Some(operation))) if operation.is_always_open() => {}
            Some((_, Some(operation))) if Operation::openable().any(|openable| openable == operation) => {
                open.push(operation);
            }
            _ => {
                let names: Vec<_> = Operation::openable().map(Operation::name).collect();
                let expected = format!("`{}`", names.join("` or `"));
                let meant = item.text().and_then(|text| did_you_mean(text, names));
                let problem = item.misspelt(&format!("{OPEN}[{index}]"), &expected);
                settings.problems.add(problem.meant(meant));
            }
        }
    }
    open
}

fn limits(settings: &mut Settings) -> Option<Limits> {
    let tenth = SECOND / 10;
    let body = settings.size("limits.body", KIB..=64 * MIB);
    let headers = settings.count("limits.headers", 8..=1024);
    let header_bytes = settings.size("limits.header_bytes", 8 * KIB..=MIB);
    let head_timeout = settings.duration("limits.head_timeout", tenth..=10 * MINUTE);
    let body_timeout = settings.duration("limits.body_timeout", tenth..=10 * MINUTE);
    let idle_timeout = settings.duration("limits.idle_timeout", tenth..=HOUR);
    let connections = settings.count("limits.connections", 1..=1_000_000);
    let drain = settings.duration("limits.drain", Duration::ZERO..=HOUR);
    Some(Limits {
        body: body?,
        headers: headers?,
        header_bytes: header_bytes?,
        head_timeout: head_timeout?,
        body_timeout: body_timeout?,
        idle_timeout: idle_timeout?,
        connections: connections?,
        drain: drain?,
    })
}

fn log(settings: &mut Settings) -> Option<Log> {
    let format = settings.text("log.format", LogFormat::parse);
    let value = settings.value("log.level")?;
    let level = match value.text().map(str::parse::<Level>) {
        Some(Ok(level)) => Some(level),
        Some(Err(expected)) => {
            settings.problems.add(value.misspelt("log.level", &expected));
            None
        }
        None => {
            settings.misspelt("log.level", &value);
            None
        }
    };
    Some(Log { level: level?, format: format? })
}

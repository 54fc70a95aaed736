//! From settings to a checked configuration.

use super::{
    Config, ConfigError, EnforceQuota, Identity, Level, Limits, Log, LogFormat, Policies, PolicyBundle, PolicyPath,
    RemoteBundle, Sign, StateLookup, Upstream, accounts, audit,
    bundle::{self, Reader},
    discovery, identity, listen,
    load::Settings,
    problem::{Origin, Problem, did_you_mean},
    quota,
    reader::resolved,
    secret_file, traces, upstream,
    value::Value,
};
use crate::{
    finding::{Accounts, Enforcement, Operation},
    policy::PACKS,
};
use std::{net::SocketAddr, num::NonZeroU32, path::Path, time::Duration};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

/// The most that one BatchImportFindings request may have (guide).
const IMPORT: usize = 6_000_000;

/// Checks everything before it gives up, so that all problems are told at once.
pub(super) fn check(file: &Path, mut settings: Settings) -> Result<Config, ConfigError> {
    let mut warnings = Vec::new();
    let listen = listen::read(&mut settings, &mut warnings);
    let admin = admin(&mut settings);
    let policies = policies(&mut settings, Reader::Gate);
    let accounts = accounts(&mut settings, policies.as_ref());
    let bundle = policies.as_ref().and_then(|policies| policies.bundle.as_ref());
    warnings.extend(bundle.into_iter().flat_map(PolicyBundle::doubts));
    let source = discovery::read(&mut settings);
    // Of members that are asked for, the file need not know.
    let named = accounts.as_ref().filter(|_| !source.is_asked());
    let identities = identity::read(&mut settings, named, &mut warnings);
    let upstream = upstream::read(&mut settings, &mut warnings);
    let discovery = source.of(upstream.as_ref(), &mut settings);
    several_fleets(accounts.as_ref(), upstream.as_ref(), &mut settings);
    let conduct = quota::read(&mut settings);
    let state = state(&mut settings);
    let doors = doors(&mut settings);
    let whoami = settings.text("doors.whoami", |text| match text {
        "open" => Some(true),
        "closed" => Some(false),
        _ => None,
    });
    let page_key = secret_file::read("doors.page_key", &mut settings, &mut warnings);
    let audit = audit::read(&mut settings, &mut warnings);
    let limits = limits(admin.is_some(), &mut settings);
    let traces = traces::read(&mut settings, &mut warnings);
    let log = log(&mut settings);
    settings.problems.into_result()?;
    let (
        Some(listen),
        Some(policies),
        Some(accounts),
        Some(upstream),
        Some(state),
        Some(limits),
        Some(log),
        Some(whoami),
    ) = (listen, policies, accounts, upstream, state, limits, log, whoami)
    else {
        return Err(ConfigError::unexplained());
    };
    let (Some(conduct), Some(audit), Some(traces)) = (conduct, audit, traces) else {
        return Err(ConfigError::unexplained());
    };
    if let Some(Identity::Fixed { account, principal, .. }) = identities.last() {
        warnings.extend(identity::doubtful_principal("the fixed identity", principal, *account));
    }
    if !listen.address.ip().is_loopback() && matches!(identities.last(), Some(Identity::Fixed { .. })) {
        warnings.push(format!(
            "`listen.address` is {}, which other machines may reach, and an identity is `fixed`: whoever reaches it is \
             that caller",
            listen.address
        ));
    }
    let has_quota = match conduct.quota.enforce {
        EnforceQuota::On => true,
        EnforceQuota::Auto => upstream.sign != Sign::None,
        EnforceQuota::Off => false,
    };
    if has_quota && conduct.quota.wait >= upstream.timeout {
        warnings.push(
            "`quota.wait` is not less than `upstream.timeout`, which is the time for a call in all: no call waits that long for its \
             turn, because a second of that time, or half of it if that is less, is held back for the exchange itself"
                .to_owned(),
        );
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
    Ok(Config {
        file,
        listen,
        admin,
        policies,
        accounts,
        discovery,
        identities,
        upstream,
        conduct,
        state,
        doors,
        whoami,
        page_key,
        audit,
        limits,
        traces,
        log,
        warnings,
    })
}

/// `[log]` alone, for verbs that read no file.
pub(super) fn log_alone(mut settings: Settings) -> Result<Log, ConfigError> {
    let log = log(&mut settings);
    settings.problems.into_result()?;
    log.ok_or_else(ConfigError::unexplained)
}

/// `admin.address` alone, for whoever asks the listener there.
pub(super) fn admin_alone(mut settings: Settings) -> Result<Option<SocketAddr>, ConfigError> {
    let address = admin(&mut settings);
    settings.problems.into_result()?;
    Ok(address)
}

fn admin(settings: &mut Settings) -> Option<SocketAddr> {
    settings.text("admin.address", |text| text.parse().ok())
}

/// `[policies]` alone, for verbs that read no file.
pub(super) fn policies_alone(mut settings: Settings) -> Result<Policies, ConfigError> {
    let policies = policies(&mut settings, Reader::Workbench);
    settings.problems.into_result()?;
    policies.ok_or_else(ConfigError::unexplained)
}

/// The bundle that is to be fetched alone.
pub(super) fn remote_alone(mut settings: Settings) -> Result<Option<RemoteBundle>, ConfigError> {
    let named = match settings.value(PATH) {
        Some(value) => bundles(settings.list(PATH, &value).unwrap_or_default()),
        None => Vec::new(),
    };
    let remote = bundle::to_fetch(&mut settings, &named);
    settings.problems.into_result()?;
    Ok(remote)
}

fn bundles(items: Vec<Value>) -> Vec<Value> {
    items.into_iter().filter(|item| item.text().is_some_and(bundle::is_named)).collect()
}

const PATH: &str = "policies.path";

fn policies(settings: &mut Settings, reader: Reader) -> Option<Policies> {
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
            Some((text, None)) if bundle::is_named(text) => {}
            Some((text, None)) if !text.is_empty() => {
                paths.push(PolicyPath { path: resolved(text, &item.origin), origin: item.origin.clone() });
            }
            _ => {
                let expected =
                    "a directory, a `.cedar` file, a bundle, `pack:baseline`, `pack:strict` or `pack:transitions`";
                settings.problems.add(item.misspelt(&key, expected));
            }
        }
    }
    if items.is_empty() {
        let message = format!("`{PATH}` is empty: expected at least one; without policies every change is denied");
        settings.problems.add(Problem::new(value.origin.clone(), message));
    }
    let named = bundles(items);
    let bundle = bundle::read(settings, &value, &named, reader);
    if bundle.is_none() && !named.is_empty() {
        return None;
    }
    Some(Policies { paths, packs, bundle, default_enforcement: default_enforcement? })
}

/// The gate's own credentials are of one account, which administers one fleet: as whoever calls, the backend would show and change
/// that fleet's findings.
fn several_fleets(accounts: Option<&Accounts>, upstream: Option<&Upstream>, settings: &mut Settings) {
    if let (Some(accounts), Some(upstream)) = (accounts, upstream)
        && accounts.has_several_fleets()
        && upstream.sign == Sign::Gateway
    {
        let origin = settings.given("upstream.sign").map_or(Origin::Default, |value| value.origin.clone());
        let message = format!(
            "`upstream.sign` is `gateway`, and the accounts file has {} fleets: the gate's own credentials see one of them, whoever asks",
            accounts.fleets().len()
        );
        let help = "set it to `assume-role`, or run a gate for each fleet";
        settings.problems.add(Problem::new(origin, message).help(help));
    }
}

/// The accounts of the file or of the bundle, and never of both: which one counted would be a matter of reading about it.
fn accounts(settings: &mut Settings, policies: Option<&Policies>) -> Option<Accounts> {
    const FILE: &str = "accounts.file";
    let bundle = policies.and_then(|policies| policies.bundle.as_ref());
    let inside = bundle.and_then(|bundle| Some((bundle, bundle.accounts()?)));
    if let Some((bundle, (path, text))) = inside {
        if let Some(value) = settings.given(FILE) {
            let message = format!(
                "`{FILE}` is set, and the bundle `{}` has accounts, too: one of them has to say it",
                bundle.source
            );
            let help = format!("remove `{FILE}`, or build the bundle without `--accounts`");
            let problem = Problem::new(value.origin.clone(), message).help(help);
            settings.problems.add(problem);
            return None;
        }
        return accounts::of_bundle(&path, text, &mut settings.problems);
    }
    // What a bundle that cannot be read would have said is not known.
    if policies.is_some() || settings.given("policies.path").is_none() {
        settings.missing_if_absent(FILE);
    }
    let (path, origin) = settings.path(FILE)?;
    accounts::read(&path, &origin, &mut settings.problems)
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

/// The default of `limits.grace` where somebody can see that the gate is not ready any more.
const GRACE: Duration = Duration::from_secs(5);

fn limits(is_administered: bool, settings: &mut Settings) -> Option<Limits> {
    let tenth = SECOND / 10;
    let body = settings.size("limits.body", KIB..=64 * MIB);
    let headers = settings.count("limits.headers", 8..=1024);
    let header_bytes = settings.size("limits.header_bytes", 8 * KIB..=MIB);
    let head_timeout = settings.duration("limits.head_timeout", tenth..=10 * MINUTE);
    let body_timeout = settings.duration("limits.body_timeout", tenth..=10 * MINUTE);
    let idle_timeout = settings.duration("limits.idle_timeout", tenth..=HOUR);
    let connections = settings.count("limits.connections", 1..=1_000_000);
    let requests = settings.count("limits.requests", 1..=1_000_000);
    let bodies = settings.size("limits.bodies", 64 * KIB..=64 << 30);
    let queue = settings.count("limits.queue", 0..=1_000_000);
    let queue_wait = settings.duration("limits.queue_wait", Duration::ZERO..=MINUTE);
    let grace = if settings.given("limits.grace").is_some() {
        settings.duration("limits.grace", Duration::ZERO..=10 * MINUTE)
    } else {
        Some(if is_administered { GRACE } else { Duration::ZERO })
    };
    let drain = settings.duration("limits.drain", Duration::ZERO..=HOUR);
    if let (Some(body), Some(bodies)) = (body, bodies)
        && bodies < body
    {
        let given = settings.given("limits.bodies").or_else(|| settings.given("limits.body"));
        let origin = given.map_or(Origin::Default, |value| value.origin.clone());
        let message =
            "`limits.bodies` is less than `limits.body`: a request of that length could never be read".to_owned();
        settings.problems.add(Problem::new(origin, message).help("raise `limits.bodies`, or lower `limits.body`"));
    }
    Some(Limits {
        body: body?,
        headers: headers?,
        header_bytes: header_bytes?,
        head_timeout: head_timeout?,
        body_timeout: body_timeout?,
        idle_timeout: idle_timeout?,
        connections: connections?,
        requests: requests?,
        bodies: bodies?,
        queue: queue?,
        queue_wait: queue_wait?,
        grace: grace?,
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

//! Whole configurations: what is read from good ones, and what is told of bad ones, word for word.

mod audit;
mod bundle;
mod files;
mod fleets;
mod identities;
mod layers;
mod quota;
mod reference;
mod rules;
mod sts;
mod told;
mod traces;
mod upstream;

use super::*;
use crate::finding::{Enforcement, Operation, Role};
use std::{
    ffi::OsString,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// A configuration with nothing in it that has a default.
const SMALLEST: &str = r#"
[policies]
path = ["policies"]
[accounts]
file = "accounts.toml"
[[identity]]
kind = "sigv4"
keys = "keys.toml"
[upstream]
url = "embedded"
region = "eu-west-1"
"#;
const ACCOUNTS: &str = r#"
administrator = "111111111111"
[[member]]
account = "222222222222"
name = "payments"
groups = ["ou/prod"]
"#;
const KEYS: &str = r#"
[[key]]
id = "AKIAPAYMENTS"
secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
account = "222222222222"
principal = "arn:aws:iam::222222222222:role/triage"
"#;
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// A directory with a configuration, its accounts and its keys.
struct Place(tempfile::TempDir);

impl Place {
    fn new(configuration: &str) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        place.write("gate.toml", configuration).write("accounts.toml", ACCOUNTS).write("keys.toml", KEYS);
        place.private("keys.toml");
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> &Self {
        fs::write(self.at(name), text).unwrap();
        self
    }

    fn private(&self, name: &str) {
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(self.at(name), fs::Permissions::from_mode(0o600)).unwrap();
        }
    }

    fn load(&self) -> Result<Config, ConfigError> {
        self.load_with(&[], &Flags::default())
    }

    fn load_with(&self, environment: &[(&str, &str)], flags: &Flags) -> Result<Config, ConfigError> {
        let environment = environment.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
        load(&self.at("gate.toml"), environment, flags)
    }

    /// The problems, one a line, with the directory left out.
    fn told(&self, result: Result<Config, ConfigError>) -> String {
        let mut told = String::new();
        for problem in result.unwrap_err().problems() {
            writeln!(told, "{problem}").unwrap();
            if let Some(help) = miette::Diagnostic::help(problem) {
                writeln!(told, "  help: {help}").unwrap();
            }
        }
        self.without_directory(&told)
    }

    fn without_directory(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.0.path().display()), "")
    }
}

/// An error with its excerpts, without colour.
fn report(error: &ConfigError) -> String {
    let theme = miette::GraphicalTheme::unicode_nocolor();
    let mut report = String::new();
    miette::GraphicalReportHandler::new_themed(theme).with_width(120).render_report(&mut report, error).unwrap();
    report
}

#[test]
fn the_smallest_configuration_has_the_defaults_of_the_reference() {
    let place = Place::new(SMALLEST);
    let config = place.load().unwrap();
    assert_eq!(config.listen.address, "127.0.0.1:8080".parse().unwrap());
    assert_eq!(config.listen.workers, std::thread::available_parallelism().unwrap());
    assert_eq!(config.policies.paths[0].path, place.at("policies"));
    assert_eq!(config.policies.default_enforcement, Enforcement::Reject);
    assert_eq!(config.accounts.role("222222222222".parse().unwrap()), Some(Role::Member));
    assert_eq!(config.accounts.groups("222222222222".parse().unwrap()), ["ou/prod"]);
    let [Identity::SigV4 { keys }] = &config.identities[..] else { panic!("{:?}", config.identities) };
    assert_eq!(keys[0].id, "AKIAPAYMENTS");
    assert_eq!(keys[0].secret.expose(), SECRET);
    assert!(keys[0].session_token.is_none());
    assert_eq!(keys[0].minimum_enforcement, Enforcement::Strip);
    assert!(matches!(config.upstream.backend, Backend::Embedded { data: None }));
    assert_eq!(config.upstream.connect_timeout, Duration::from_secs(2));
    assert_eq!(config.upstream.timeout, Duration::from_secs(30));
    assert_eq!(config.upstream.concurrency.get(), 4);
    let state = StateLookup {
        lookup: true,
        max_age: Duration::from_secs(30),
        entries: 20_000,
        deadline: Duration::from_secs(2),
        rate: 3.try_into().unwrap(),
        burst: 6.try_into().unwrap(),
    };
    assert_eq!(config.state, state);
    assert_eq!(config.doors, []);
    let limits = Limits {
        body: 1 << 20,
        headers: 64,
        header_bytes: 16 << 10,
        head_timeout: Duration::from_secs(10),
        body_timeout: Duration::from_secs(30),
        idle_timeout: Duration::from_secs(75),
        connections: 1024,
        requests: 512,
        bodies: 64 << 20,
        queue: 512,
        queue_wait: Duration::from_secs(1),
        grace: Duration::ZERO,
        drain: Duration::from_secs(30),
    };
    assert_eq!(config.limits, limits);
    assert_eq!(config.log.level, "info".parse().unwrap());
    assert_eq!(config.log.format, LogFormat::Auto);
    assert_eq!(config.warnings, [""; 0]);
    assert!(!format!("{config:?}").contains(SECRET));
}

/// Where nobody can ask whether the gate is ready, nobody turns away in time.
#[test]
fn the_grace_depends_on_whether_anybody_can_see_it() {
    for (more, seconds) in [
        ("", 0),
        ("[admin]\naddress = \"127.0.0.1:0\"\n", 5),
        ("[admin]\naddress = \"127.0.0.1:0\"\n[limits]\ngrace = \"0s\"\n", 0),
        ("[limits]\ngrace = \"7s\"\n", 7),
    ] {
        let config = Place::new(&format!("{SMALLEST}{more}")).load().unwrap();
        assert_eq!(config.limits.grace, Duration::from_secs(seconds), "{more}");
    }
}

#[test]
fn every_key_is_read() {
    let place = Place::new(
        r#"
        listen = { address = "[::1]:8443", workers = 3 }
        policies = { path = ["pack:strict", "more", "one.cedar"], default_enforcement = "refuse" }
        accounts = { file = "accounts.toml" }
        identity = [
          { kind = "sigv4", keys = "keys.toml" },
          { kind = "fixed", account = "111111111111", principal = "admin", minimum_enforcement = "reject" },
        ]
        doors.open = ["GetFindings", "BatchImportFindings", "BatchUpdateFindings"]
        [upstream]
        url = "https://hub.example"
        ca = "ca.pem"
        region = "us-gov-west-1"
        sign = "none"
        connect_timeout = "500ms"
        timeout = "1m"
        concurrency = 8
        [state]
        lookup = "off"
        max_age = "0s"
        entries = 100
        deadline = "10ms"
        rate = 10000
        burst = 1
        [limits]
        body = 2048
        headers = 32
        header_bytes = "8KiB"
        head_timeout = "1s"
        body_timeout = "2s"
        idle_timeout = "3s"
        connections = 16
        drain = "0s"
        [log]
        level = "warn,findings_gate::proxy=trace"
        format = "json"
        "#,
    );
    place.write("ca.pem", "-----BEGIN CERTIFICATE-----\n");
    let config = place.load().unwrap();
    assert_eq!(config.listen.address.to_string(), "[::1]:8443");
    assert_eq!(config.listen.workers.get(), 3);
    assert_eq!(config.policies.packs, ["strict"]);
    let paths: Vec<_> = config.policies.paths.iter().map(|path| path.path.clone()).collect();
    assert_eq!(paths, [place.at("more"), place.at("one.cedar")]);
    assert_eq!(config.policies.default_enforcement, Enforcement::Refuse);
    assert!(matches!(
        &config.identities[1],
        Identity::Fixed { principal, minimum_enforcement: Enforcement::Reject, .. } if principal == "admin"
    ));
    assert_eq!(config.doors, [Operation::GetFindings, Operation::BatchImportFindings]);
    let Backend::Remote { routes, ca: Some(ca), fips: false, dual_stack: false } = &config.upstream.backend else {
        panic!()
    };
    let [Route { region, url }] = &routes[..] else { panic!("{routes:?}") };
    assert_eq!((region.as_str(), url.to_string().as_str()), ("us-gov-west-1", "https://hub.example"));
    assert_eq!(config.upstream.sign, Sign::None);
    assert_eq!(ca.path, place.at("ca.pem"));
    assert_eq!(config.upstream.concurrency.get(), 8);
    let state = StateLookup {
        lookup: false,
        max_age: Duration::ZERO,
        entries: 100,
        deadline: Duration::from_millis(10),
        rate: 10_000.try_into().unwrap(),
        burst: 1.try_into().unwrap(),
    };
    assert_eq!(config.state, state);
    assert_eq!(config.limits.body, 2048);
    assert_eq!(config.limits.drain, Duration::ZERO);
    assert_eq!(config.log.level, "warn,findings_gate::proxy=trace".parse().unwrap());
    assert_eq!(config.log.format, LogFormat::Json);
}

#[test]
fn a_report_shows_each_problem_in_its_file() {
    let place = Place::new(&format!("[listen]\nadress = \"127.0.0.1:80\"\n{SMALLEST}[limits]\nbody = \"1Mb\"\n"));
    let Err(error) = place.load() else { panic!("valid") };
    let text = report(&error);
    assert_eq!(
        place.without_directory(&text),
        r#"  × the configuration has 2 problems

Error: 
  × gate.toml:2:1: `listen.adress` is no key of the configuration
   ╭─[2:1]
 1 │ [listen]
 2 │ adress = "127.0.0.1:80"
   · ──────
 3 │ 
   ╰────
  help: did you mean `listen.address`?

Error: 
  × gate.toml:15:8: `limits.body` is "1Mb": expected a size from `1KiB` to `64MiB`
    ╭─[15:8]
 14 │ [limits]
 15 │ body = "1Mb"
    ·        ─────
    ╰────
"#
    );
}

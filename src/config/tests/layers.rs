//! The environment over the file, the command line over both.

use super::*;

/// Keys that do not go with the others: each has a test of its own.
const OTHERS: [&str; 24] = [
    "upstream.data",
    "identity.*.rule",
    "identity.*.gate",
    "identity.*.hosts",
    // Of `jwt` and `header`: see `identities`.
    "identity.*.issuer",
    "identity.*.audience",
    "identity.*.jwks_file",
    "identity.*.jwks_url",
    "identity.*.jwks_refresh",
    "identity.*.jwks_max_stale",
    "identity.*.ca",
    "identity.*.preset",
    "identity.*.from",
    "identity.*.when",
    "identity.*.account_header",
    "identity.*.principal_header",
    "identity.*.signer",
    "identity.*.keys_url",
    // Of builds that export: see `traces`.
    "traces.endpoint",
    "traces.sample",
    "traces.headers",
    "traces.service",
    "traces.attributes",
    "traces.ca",
];

const REGIONS_AND_SIGNING: [(&str, &str); 13] = [
    ("UPSTREAM__REGION", "eu-north-1"),
    ("UPSTREAM__REGIONS", "eu-west-1, eu-north-1"),
    ("UPSTREAM__FIPS", "off"),
    ("UPSTREAM__DUAL_STACK", "off"),
    ("UPSTREAM__SIGN", "assume-role"),
    ("UPSTREAM__STS_REGION", "us-east-1"),
    ("UPSTREAM__ASSUME_ROLE__ARN", "arn:aws:iam::{account}:role/gate"),
    ("UPSTREAM__ASSUME_ROLE__EXTERNAL_ID", "gate-7"),
    ("UPSTREAM__ASSUME_ROLE__SESSION_NAME", "gate-{principal}"),
    ("UPSTREAM__ASSUME_ROLE__SOURCE_IDENTITY", "{principal}"),
    ("UPSTREAM__ASSUME_ROLE__TAGS", "role={role}, proof={proof}"),
    ("UPSTREAM__ASSUME_ROLE__DURATION", "2h"),
    ("UPSTREAM__ASSUME_ROLE__ENDPOINT", "http://127.0.0.1:5000"),
];

const LIMITS: [(&str, &str); 13] = [
    ("LIMITS__BODY", "4096"),
    ("LIMITS__HEADERS", "10"),
    ("LIMITS__HEADER_BYTES", "8KiB"),
    ("LIMITS__HEAD_TIMEOUT", "3s"),
    ("LIMITS__BODY_TIMEOUT", "4s"),
    ("LIMITS__IDLE_TIMEOUT", "5s"),
    ("LIMITS__CONNECTIONS", "6"),
    ("LIMITS__REQUESTS", "8"),
    ("LIMITS__BODIES", "128KiB"),
    ("LIMITS__QUEUE", "0"),
    ("LIMITS__QUEUE_WAIT", "9s"),
    ("LIMITS__GRACE", "10s"),
    ("LIMITS__DRAIN", "7s"),
];

#[test]
fn the_environment_overrides_every_key() {
    let place = Place::new(SMALLEST);
    place.write("other.toml", ACCOUNTS).write("keys2.toml", KEYS).write("ca.pem", "-----BEGIN CERTIFICATE-----");
    place.write("page.key", "0123456789abcdefghijklmnopqrstuv");
    place.write("tls.key", "-----BEGIN PRIVATE KEY-----").write("crl.pem", "-----BEGIN X509 CRL-----");
    place.private("tls.key");
    let (tls_key, crl) = (place.at("tls.key").display().to_string(), place.at("crl.pem").display().to_string());
    place.private("keys2.toml");
    place.private("page.key");
    let at = |name: &str| place.at(name).display().to_string();
    let (accounts, keys, ca, page_key) = (at("other.toml"), at("keys2.toml"), at("ca.pem"), at("page.key"));
    let mut set: Vec<(&str, &str)> = vec![
        ("LISTEN__ADDRESS", "0.0.0.0:80"),
        ("LISTEN__WORKERS", "2"),
        ("LISTEN__PLAINTEXT", "allowed"),
        ("LISTEN__TLS__CERTIFICATE", &ca),
        ("LISTEN__TLS__KEY", &tls_key),
        ("LISTEN__TLS__CLIENT_CA", &ca),
        ("LISTEN__TLS__CLIENT_CERTIFICATE", "required"),
        ("LISTEN__TLS__CLIENT_CRL", &crl),
        ("ADMIN__ADDRESS", "127.0.0.1:81"),
        ("TRACES__BACKEND", "on"),
        ("POLICIES__PATH", "pack:baseline, /etc/policies"),
        ("POLICIES__DEFAULT_ENFORCEMENT", "strip"),
        ("ACCOUNTS__FILE", &accounts),
        ("ACCOUNTS__SOURCE", "security-hub"),
        ("ACCOUNTS__REFRESH", "20s"),
        ("ACCOUNTS__WAIT", "3s"),
        ("IDENTITY__0__KIND", "sigv4"),
        ("IDENTITY__0__KEYS", &keys),
        ("IDENTITY__1__KIND", "fixed"),
        ("IDENTITY__1__ACCOUNT", "222222222222"),
        ("IDENTITY__1__PRINCIPAL", "sidecar"),
        ("IDENTITY__1__MINIMUM_ENFORCEMENT", "refuse"),
        ("UPSTREAM__URL", "https://{region}.localhost:9000"),
        ("UPSTREAM__CA", &ca),
        ("UPSTREAM__CONNECT_TIMEOUT", "1s"),
        ("UPSTREAM__TIMEOUT", "4s"),
        ("UPSTREAM__CONCURRENCY", "1"),
        ("STATE__LOOKUP", "off"),
        ("STATE__MAX_AGE", "8s"),
        ("STATE__ENTRIES", "9000"),
        ("STATE__DEADLINE", "10s"),
        ("STATE__RATE", "11"),
        ("STATE__BURST", "12"),
        ("DOORS__OPEN", "[\"GetFindings\"]"),
        ("DOORS__WHOAMI", "open"),
        ("DOORS__PAGE_KEY", &page_key),
        ("LOG__LEVEL", "debug"),
        ("LOG__FORMAT", "human"),
    ];
    set.extend(REGIONS_AND_SIGNING.into_iter().chain(LIMITS));
    let names: Vec<String> = set.iter().map(|(name, _)| format!("FINDINGS_GATE__{name}")).collect();
    let has_own_test = |path: &str| {
        OTHERS.contains(&path) || quota::has(path) || audit::has(path) || path.starts_with("policies.bundle.")
    };
    for setting in SETTINGS.iter().filter(|setting| !has_own_test(setting.path)) {
        let index_1 = setting.variable().replace("__0__", "__1__");
        assert!(names.contains(&setting.variable()) || names.contains(&index_1), "{} is not tested", setting.path);
    }
    let environment: Vec<_> = names.iter().map(String::as_str).zip(set.iter().map(|(_, value)| *value)).collect();
    let config = place.load_with(&environment, &Flags::default()).unwrap();
    assert_eq!(config.listen.address.to_string(), "0.0.0.0:80");
    assert_eq!(config.listen.workers.get(), 2);
    assert_eq!(config.traces.backend, TellBackend::On);
    let discovery = config.discovery.unwrap();
    assert_eq!((discovery.refresh.as_secs(), discovery.wait.as_secs()), (20, 3));
    let clients = config.listen.tls.unwrap().clients.unwrap();
    assert!(clients.required && clients.revoked.is_some());
    assert_eq!(config.policies.packs, ["baseline"]);
    assert_eq!(config.policies.paths[0].path, PathBuf::from("/etc/policies"));
    assert_eq!(config.policies.default_enforcement, Enforcement::Strip);
    assert_eq!(config.identities.len(), 2);
    assert!(matches!(&config.identities[1], Identity::Fixed { principal, .. } if principal == "sidecar"));
    assert!(matches!(&config.upstream.backend, Backend::Remote { ca: Some(_), .. }));
    assert_eq!(config.upstream.region, "eu-north-1");
    assert_eq!(config.upstream.sts_region, "us-east-1");
    let Sign::AssumeRole(role) = &config.upstream.sign else { panic!("{:?}", config.upstream.sign) };
    assert_eq!((role.external_id.as_deref(), role.duration), (Some("gate-7"), Duration::from_hours(2)));
    assert!(role.source_identity.is_some() && role.endpoint.is_some() && role.tags.len() == 2);
    assert_eq!(config.doors, [Operation::GetFindings]);
    let state = StateLookup {
        lookup: false,
        max_age: Duration::from_secs(8),
        entries: 9000,
        deadline: Duration::from_secs(10),
        rate: 11.try_into().unwrap(),
        burst: 12.try_into().unwrap(),
    };
    assert_eq!(config.state, state);
    assert!(config.page_key.is_some());
    let Limits { body, requests, bodies, queue, queue_wait, grace, drain, .. } = config.limits;
    assert_eq!((body, requests, bodies, queue), (4096, 8, 128 << 10, 0));
    assert_eq!([queue_wait, grace, drain].map(|time| time.as_secs()), [9, 10, 7]);
    assert_eq!(config.log.level, "debug".parse().unwrap());
    assert_eq!(config.log.format, LogFormat::Human);
    let [warning] = &config.warnings[..] else { panic!("{:?}", config.warnings) };
    assert!(warning.contains("whoever reaches it is that caller"), "{warning}");
}

/// Everything can come from the environment: the file may be empty, but must be there.
#[test]
fn the_embedded_backend_keeps_its_data_where_the_environment_says() {
    let place = Place::new(SMALLEST);
    let config = place.load_with(&[("FINDINGS_GATE__UPSTREAM__DATA", "x/findings.db")], &Flags::default()).unwrap();
    let Backend::Embedded { data } = config.upstream.backend else { panic!() };
    assert_eq!(data, Some(PathBuf::from("x/findings.db")), "relative to the working directory");
}

#[test]
fn mistakes_in_the_environment_name_the_variable() {
    let place = Place::new(SMALLEST);
    for (name, value, expected) in [
        (
            "FINDINGS_GATE__LISTEN__ADRESS",
            "x",
            "it sets no key of the configuration\n  help: did you mean `FINDINGS_GATE__LISTEN__ADDRESS`?\n",
        ),
        (
            "FINDINGS_GATE__listen__address",
            "x",
            "it sets no key of the configuration\n  help: did you mean `FINDINGS_GATE__LISTEN__ADDRESS`?\n",
        ),
        ("FINDINGS_GATE__SECRET", "hunter2", "it sets no key of the configuration\n"),
        (
            "FINDINGS_GATE__LISTEN__ADDRESS",
            "localhost",
            "`listen.address` is \"localhost\": expected an IP address and a port, such as `127.0.0.1:8080`\n",
        ),
        (
            "FINDINGS_GATE__LISTEN__WORKERS",
            "many",
            "`listen.workers` is \"many\": expected a whole number from 1 to 1024\n",
        ),
        (
            "FINDINGS_GATE__DOORS__OPEN",
            "GetFindings,GetFinding",
            "`doors.open[1]` is \"GetFinding\": expected `BatchImportFindings` or `BatchUpdateFindingsV2` or `GetFindings` or `GetFindingsV2` or `CreateAutomationRule` or `BatchUpdateAutomationRules` or `BatchGetAutomationRules` or `ListAutomationRules`\n  help: did you mean `GetFindings`?\n",
        ),
        (
            "FINDINGS_GATE__DOORS__OPEN",
            "[GetFindings]",
            "`doors.open` is not a TOML list of strings: expected a list of operations: `BatchImportFindings`, `BatchUpdateFindingsV2`, `GetFindings`, `GetFindingsV2`, `CreateAutomationRule`, `BatchUpdateAutomationRules`, `BatchGetAutomationRules`, `ListAutomationRules`\n",
        ),
        (
            "FINDINGS_GATE__POLICIES__PATH",
            "",
            "`policies.path` is empty: expected at least one; without policies every change is denied\n",
        ),
        (
            "FINDINGS_GATE__IDENTITY__3__KIND",
            "fixed",
            "it sets `identity.3.kind`, and there is no `identity.1`: identities are counted from 0\n",
        ),
        (
            "FINDINGS_GATE_LOG",
            "verbose",
            "`log.level` is \"verbose\": expected a level (off, error, warn, info, debug, trace), or directives such as `info,findings_gate::proxy=debug`\n",
        ),
    ] {
        let told = place.told(place.load_with(&[(name, value)], &Flags::default()));
        assert_eq!(told, format!("environment variable {name}: {expected}"));
    }
}

#[test]
fn variables_of_others_are_left_alone() {
    let environment = [("FINDINGS_GATE", "x"), ("FINDINGS_GATEWAY__X", "x"), ("FINDINGS_GATE_DEMO", "x"), ("PATH", "")];
    Place::new(SMALLEST).load_with(&environment, &Flags::default()).unwrap();
}

#[test]
fn flags_win() {
    let place = Place::new(&format!("{SMALLEST}data = \"findings.db\"\n[listen]\naddress = \"127.0.0.1:1\"\n"));
    let environment = [("FINDINGS_GATE__LISTEN__ADDRESS", "127.0.0.1:2"), ("FINDINGS_GATE__LOG__LEVEL", "warn")];
    let config = place.load_with(&environment, &Flags::default()).unwrap();
    assert_eq!(config.listen.address.port(), 2);
    let flags = Flags {
        listen: Some("127.0.0.1:3".into()),
        upstream: Some("http://127.0.0.1:9000".into()),
        policies: vec!["pack:strict".into()],
        log_level: Some("trace".into()),
    };
    let config = place.load_with(&environment, &flags).unwrap();
    assert_eq!(config.listen.address.port(), 3);
    assert_eq!(config.policies.packs, ["strict"]);
    assert!(config.policies.paths.is_empty());
    assert_eq!(config.log.level, "trace".parse().unwrap());
    // The file's `data` belongs to the file's `url`.
    assert!(matches!(config.upstream.backend, Backend::Remote { .. }));

    let flags = Flags { listen: Some("here".into()), ..Flags::default() };
    assert_eq!(
        place.told(place.load_with(&[], &flags)),
        "option --listen: `listen.address` is \"here\": expected an IP address and a port, such as `127.0.0.1:8080`\n"
    );
}

#[test]
fn the_short_name_of_the_log_level_is_for_all_verbs() {
    let place = Place::new(SMALLEST);
    let environment = [("FINDINGS_GATE_LOG", "error"), ("FINDINGS_GATE__LOG__LEVEL", "warn")];
    let config = place.load_with(&environment, &Flags::default()).unwrap();
    assert_eq!(config.log.level, "error".parse().unwrap());
    // A flag is nearer still.
    let flags = Flags { log_level: Some("debug".into()), ..Flags::default() };
    assert_eq!(place.load_with(&environment, &flags).unwrap().log.level, "debug".parse().unwrap());

    let environment = |value: &str| [(OsString::from("FINDINGS_GATE_LOG"), OsString::from(value))];
    assert_eq!(log_from(environment("debug")).unwrap().level, "debug".parse().unwrap());
    assert_eq!(log_from([]).unwrap().level, Level::default());
    assert!(log_from(environment("loud")).is_err());
}

#[test]
fn policies_of_a_verb_without_a_configuration() {
    let policies = policies_from(&["pack:baseline".into(), "mine".into()]).unwrap();
    assert_eq!(policies.packs, ["baseline"]);
    assert_eq!(policies.paths[0].path, PathBuf::from("mine"));
    assert_eq!(policies.default_enforcement, Enforcement::Reject);
    let error = policies_from(&["pack:base".into()]).unwrap_err();
    assert_eq!(
        error.problems()[0].to_string(),
        "option --policies: `policies.path[0]` is \"pack:base\": expected `pack:baseline`, `pack:strict` or `pack:transitions`"
    );
}

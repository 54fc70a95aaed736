//! What is told of a configuration file that is wrong, word for word.

use super::*;

/// What is told of [`SMALLEST`] with `from` replaced.
fn told_with(from: &str, to: &str) -> String {
    assert!(SMALLEST.contains(from), "{from}");
    let place = Place::new(&SMALLEST.replace(from, to));
    place.told(place.load())
}

/// What is replaced in [`SMALLEST`], by what, and what is told of the result.
#[rustfmt::skip]
const CASES: &[(&str, &str, &str)] = &[
    ("[policies]", r"[polices]
x = 1
[policies]",
r"gate.toml:2:2: `polices` is no key of the configuration
  help: did you mean `policies`?
"),
    ("[policies]", r"adress = 1
[policies]",
r"gate.toml:2:1: `adress` is no key of the configuration
  help: did you mean `listen.address`?
"),
    ("[policies]", r"timeout = 1
[policies]",
r"gate.toml:2:1: `timeout` is no key of the configuration
  help: did you mean `upstream.timeout`?
"),
    ("[policies]", r"listen = 1
[policies]",
r"gate.toml:2:10: `listen` is an integer: expected a table, written `[listen]`
"),
    ("[policies]", r#"listen.tls.certificate = "x"
listen.tls.key = "x"
[audit]
queue = 7
[policies]"#,
r#"gate.toml:2:26: `listen.tls.certificate`: cannot read `x`: there is no such file
gate.toml:3:18: `listen.tls.key`: cannot read `x`: there is no such file
gate.toml:5:9: `audit.queue` is for a log of decisions, and there is none
  help: set `audit.file`, or `audit.stdout = "on"`
"#),
    ("[policies]", r#"[listen]
address = "0.0.0.0:80"
[policies]"#,
r#"gate.toml:3:11: `listen.address` is 0.0.0.0:80, which other machines may reach, and there is no TLS: whoever is on the way could read and replay what callers send
  help: set `listen.tls.certificate` and `listen.tls.key`; or, where the network itself encrypts, `listen.plaintext = "allowed"`
"#),
    ("[policies]", r#"[listen.tls]
client_ca = "x"
[policies]"#,
r"gate.toml:3:13: `listen.tls.client_ca` is for TLS, and `listen.tls.certificate` is not set
  help: set `listen.tls.certificate` and `listen.tls.key`
"),
    ("[policies]", r#"[listen]
address = "localhost:8080"
workers = 0
[policies]"#,
r#"gate.toml:3:11: `listen.address` is "localhost:8080": expected an IP address and a port, such as `127.0.0.1:8080`
gate.toml:4:11: `listen.workers` is 0: expected a whole number from 1 to 1024
"#),
    ("[policies]", r#"[listen]
address = 8080
workers = "two"
[policies]"#,
r#"gate.toml:3:11: `listen.address` is 8080: expected an IP address and a port, such as `127.0.0.1:8080`
gate.toml:4:11: `listen.workers` is "two": expected a whole number from 1 to 1024
"#),
    ("[policies]", r#"[quota]
enforce = "yes"
wait = "2"
update_rate = 0
get_burst = "6"
[retry]
attempts = 0
updates = "always"
[breaker]
failures = -1
pause = "1ms"
[policies]"#,
r#"gate.toml:3:11: `quota.enforce` is "yes": expected `auto`, `on` or `off`
gate.toml:4:8: `quota.wait` is "2": expected a duration from `0s` to `1m`
gate.toml:5:15: `quota.update_rate` is 0: expected a whole number from 1 to 10000
gate.toml:6:13: `quota.get_burst` is "6": expected a whole number from 1 to 10000
gate.toml:8:12: `retry.attempts` is 0: expected a whole number from 1 to 10
gate.toml:9:11: `retry.updates` is "always": expected `safe` or `idempotent`
gate.toml:11:12: `breaker.failures` is -1: expected a whole number from 0 to 1000
gate.toml:12:9: `breaker.pause` is "1ms": expected a duration from `100ms` to `10m`
"#),
    (r#"["policies"]"#, "[]",
r"gate.toml:3:8: `policies.path` is empty: expected at least one; without policies every change is denied
"),
    (r#"["policies"]"#, r#""policies""#,
r#"gate.toml:3:8: `policies.path` is "policies": expected a list of directories, `.cedar` files, a bundle (a `.tar` file or an `https://` URL), `pack:baseline`, `pack:strict` or `pack:transitions`
"#),
    (r#"["policies"]"#, r#"["pack:basline", "", 3, "pack:strict", "pack:strict"]
default_enforcement = "deny""#,
r#"gate.toml:3:9: `policies.path[0]` is "pack:basline": expected `pack:baseline`, `pack:strict` or `pack:transitions`
  help: did you mean `pack:baseline`?
gate.toml:3:25: `policies.path[1]` is empty: expected a directory, a `.cedar` file, a bundle, `pack:baseline`, `pack:strict` or `pack:transitions`
gate.toml:3:29: `policies.path[2]` is 3: expected a directory, a `.cedar` file, a bundle, `pack:baseline`, `pack:strict` or `pack:transitions`
gate.toml:3:47: `policies.path` names `pack:strict` twice
gate.toml:4:23: `policies.default_enforcement` is "deny": expected `strip`, `reject` or `refuse`
"#),
    (r#"path = ["policies"]"#, "",
r"gate.toml: `policies.path` is missing: expected a list of directories, `.cedar` files, a bundle (a `.tar` file or an `https://` URL), `pack:baseline`, `pack:strict` or `pack:transitions`
"),
    (r#""accounts.toml""#, r#""missing.toml""#,
r"gate.toml:5:8: the accounts file: cannot read `missing.toml`: there is no such file
"),
    (r#""accounts.toml""#, r#""""#,
r"gate.toml:5:8: `accounts.file` is empty: expected the path of an accounts file
"),
    (r#"kind = "sigv4""#, r#"kind = "sigv5""#,
r#"gate.toml:7:8: `identity.0.kind` is "sigv5": expected `sigv4`, `mtls`, `jwt`, `sts`, `header` or `fixed`
  help: did you mean `sigv4`?
"#),
    (r#"kind = "sigv4""#, "",
r"gate.toml: `identity.0.kind` is missing: expected `sigv4`, `mtls`, `jwt`, `sts`, `header` or `fixed`
"),
    (r#"keys = "keys.toml""#, "",
r"gate.toml: `identity.0.keys` is missing: expected the path of a keys file
"),
    (r#"keys = "keys.toml""#, r#"keys = "keys.toml"
account = "222222222222"
key = 1"#,
r"gate.toml:9:11: `identity.0.account` is no key of an identity that is `sigv4`
gate.toml:10:1: `identity.0.key` is no key of the configuration
  help: did you mean `identity.0.keys`?
"),
    ("[[identity]]", "[identity]",
r"gate.toml:6:2: `identity` is a table: expected one or more tables, written `[[identity]]`
"),
    ("[accounts]", "[[accounts]]",
r"gate.toml: `accounts.file` is missing: expected the path of an accounts file
gate.toml:4:1: `accounts` is a list: expected a table, written `[accounts]`
"),
    (r#"[[identity]]
kind = "sigv4"
keys = "keys.toml""#, "",
r"gate.toml: `identity` is missing: expected at least one `[[identity]]` table: without one, nobody can call
"),
    (r#"[[identity]]
kind = "sigv4"
keys = "keys.toml""#, r#"[[identity]]
kind = "fixed""#,
r#"gate.toml: `identity.0.account` is missing: expected an account id of twelve digits, such as `"111122223333"`
gate.toml: `identity.0.principal` is missing: expected the ARN or the name of a principal
"#),
    (r#"[[identity]]
kind = "sigv4"
keys = "keys.toml""#, r#"[[identity]]
kind = "fixed"
account = "333333333333"
principal = ""
[[identity]]
kind = "sigv4"
keys = "keys.toml""#,
r#"gate.toml:7:8: `identity.0` is `fixed`: every request is its caller's, and no later identity is asked
  help: make it the last `[[identity]]`
gate.toml:8:11: `identity.0.account` is "333333333333", which the accounts file does not name
gate.toml:9:13: `identity.0.principal` is empty: expected the ARN or the name of a principal, of 1 to 2048 bytes
"#),
    (r#"[[identity]]
kind = "sigv4"
keys = "keys.toml""#, r#"[[identity]]
kind = "sigv4"
keys = "keys.toml"
[[identity]]
kind = "sigv4"
keys = "keys.toml""#,
r"keys.toml:2:1: `key.0.id` is the id of `key.0` of `keys.toml` too: an id stands for one key
"),
    (r#"url = "embedded""#, r#"url = "embeded""#,
r#"gate.toml:10:7: `upstream.url` is "embeded": expected `aws`, `embedded`, or `http://` or `https://` with a host and perhaps a port
  help: did you mean `embedded`?
"#),
    (r#"url = "embedded""#, r#"url = "https://user:hunter2@host""#,
r"gate.toml:10:7: `upstream.url` has an `@`: expected a URL without a user name and password
"),
    (r#"url = "embedded""#, r#"url = "https://host/findings""#,
r#"gate.toml:10:7: `upstream.url` is "https://host/findings": expected `aws`, `embedded`, or a URL without a path: the paths are those of Security Hub's API
"#),
    (r#"url = "embedded""#, r#"url = "ftp://host""#,
r#"gate.toml:10:7: `upstream.url` is "ftp://host": expected `aws`, `embedded`, or `http://` or `https://` with a host and perhaps a port
"#),
    (r#"url = "embedded""#, r#"url = "http://host:0"
data = "x.db""#,
r#"gate.toml:10:7: `upstream.url` is "http://host:0": expected `aws`, `embedded`, or `http://` or `https://` with a host and perhaps a port
gate.toml:11:8: `upstream.data` is for the embedded backend, and `upstream.url` is another one
  help: remove it, or set `upstream.url` to `embedded`
"#),
    (r#"url = "embedded""#, r#"url = "http://host"
ca = "accounts.toml""#,
r"gate.toml:11:6: `upstream.ca` is for an `https://` backend, and `upstream.url` is an `http://` one
  help: remove it, or write `https://`
"),
    (r#"url = "embedded""#, r#"url = "https://host"
ca = "accounts.toml""#,
r"gate.toml:11:6: `upstream.ca`: `accounts.toml` has no line `-----BEGIN CERTIFICATE-----`
"),
    (r#"url = "embedded""#, r#"url = "embedded"
ca = "accounts.toml"
sign = "gateway""#,
r"gate.toml:11:6: `upstream.ca` is for an `https://` backend, and `upstream.url` is `embedded`
  help: remove it
gate.toml:12:8: `upstream.sign` is for a backend that checks signatures, and `upstream.url` is `embedded`
  help: remove it, or set it to `none`
"),
    (r#"url = "embedded""#, r#"sign = "all"
connect_timeout = "2"
timeout = "11m"
concurrency = 101"#,
r#"gate.toml: `upstream.url` is missing: expected `aws`, `embedded`, or `http://` or `https://` with a host and perhaps a port
gate.toml:10:8: `upstream.sign` is "all": expected `none`, `gateway` or `assume-role`
gate.toml:11:19: `upstream.connect_timeout` is "2": expected a duration from `10ms` to `1m`
gate.toml:12:11: `upstream.timeout` is "11m": expected a duration from `10ms` to `10m`
gate.toml:13:15: `upstream.concurrency` is 101: expected a whole number from 1 to 100
"#),
    ("eu-west-1", "EU",
r#"gate.toml:11:10: `upstream.region` is "EU": expected an AWS Region, such as `eu-west-1`
"#),
    ("[upstream]", r#"[doors]
open = ["GetFinding", "batchimportfindings", "ListMembers", "GetFindings", "GetFindings"]
[upstream]"#,
r#"gate.toml:10:9: `doors.open[0]` is "GetFinding": expected `BatchImportFindings` or `BatchUpdateFindingsV2` or `GetFindings` or `GetFindingsV2` or `CreateAutomationRule` or `BatchUpdateAutomationRules` or `BatchGetAutomationRules` or `ListAutomationRules`
  help: did you mean `GetFindings`?
gate.toml:10:23: `doors.open[1]` is "batchimportfindings": expected `BatchImportFindings` or `BatchUpdateFindingsV2` or `GetFindings` or `GetFindingsV2` or `CreateAutomationRule` or `BatchUpdateAutomationRules` or `BatchGetAutomationRules` or `ListAutomationRules`
  help: did you mean `BatchImportFindings`?
gate.toml:10:46: `doors.open[2]` is "ListMembers": expected `BatchImportFindings` or `BatchUpdateFindingsV2` or `GetFindings` or `GetFindingsV2` or `CreateAutomationRule` or `BatchUpdateAutomationRules` or `BatchGetAutomationRules` or `ListAutomationRules`
gate.toml:10:76: `doors.open` names `GetFindings` twice
"#),
    ("[upstream]", r#"[limits]
body = "1GiB"
headers = 1.5
header_bytes = true
idle_timeout = 75
connections = 99999999999999999999
requests = 0
queue_wait = "2m"
grace = "1h"
[upstream]"#,
r#"gate.toml:10:8: `limits.body` is "1GiB": expected a size from `1KiB` to `64MiB`
gate.toml:11:11: `limits.headers` is a number with a fraction: expected a whole number from 8 to 1024
gate.toml:12:16: `limits.header_bytes` is a boolean: expected a size from `8KiB` to `1MiB`
gate.toml:13:16: `limits.idle_timeout` is 75: expected a duration from `100ms` to `1h`
gate.toml:14:15: `limits.connections` is an integer that is too large: expected a whole number from 1 to 1000000
gate.toml:15:12: `limits.requests` is 0: expected a whole number from 1 to 1000000
gate.toml:16:14: `limits.queue_wait` is "2m": expected a duration from `0s` to `1m`
gate.toml:17:9: `limits.grace` is "1h": expected a duration from `0s` to `10m`
"#),
    ("[upstream]", r#"[limits]
body = "6 MiB"
bodies = "5 MiB"
[upstream]"#,
r"gate.toml:11:10: `limits.bodies` is less than `limits.body`: a request of that length could never be read
  help: raise `limits.bodies`, or lower `limits.body`
"),
    ("[upstream]", r#"[state]
lookup = true
max_age = "2h"
entries = 0
deadline = "0s"
rate = 0
burst = 2.5
max_ages = 1
[upstream]"#,
r#"gate.toml:10:10: `state.lookup` is a boolean: expected `on` or `off`
gate.toml:11:11: `state.max_age` is "2h": expected a duration from `0s` to `1h`
gate.toml:12:11: `state.entries` is 0: expected a whole number from 100 to 1000000
gate.toml:13:12: `state.deadline` is "0s": expected a duration from `10ms` to `1m`
gate.toml:14:8: `state.rate` is 0: expected a whole number from 1 to 10000
gate.toml:15:9: `state.burst` is a number with a fraction: expected a whole number from 1 to 10000
gate.toml:16:1: `state.max_ages` is no key of the configuration
  help: did you mean `state.max_age`?
"#),
    ("[upstream]", r#"[log]
level = "inof"
format = "yaml"
[upstream]"#,
r#"gate.toml:10:9: `log.level` is "inof": expected a level (off, error, warn, info, debug, trace), or directives such as `info,findings_gate::proxy=debug`; did you mean `info`?
gate.toml:11:10: `log.format` is "yaml": expected `auto`, `human` or `json`
"#),
    ("[upstream]", r#"[log
level = "x
[upstream]"#,
r"gate.toml:9:5: not valid TOML: unclosed table, expected `]`
"),
    ("[upstream]", r#"[upstream]
region = "us-east-1""#,
r"gate.toml:12:1: not valid TOML: duplicate key
"),
    ("[upstream]", r#"[upstream]
secret_key = "hunter2""#,
r"gate.toml:10:1: `upstream.secret_key` is no key of the configuration
  help: known here: url, data, region, regions, fips, dual_stack, sign, sts_region, ca, connect_timeout, timeout, concurrency
"),
];

#[test]
fn each_mistake_is_told_with_its_place_and_what_was_expected() {
    for (from, to, expected) in CASES {
        assert_eq!(told_with(from, to), *expected, "{from} -> {to}");
    }
}

#[test]
fn a_file_that_is_not_there_is_one_problem() {
    let place = Place::new(SMALLEST);
    fs::remove_file(place.at("gate.toml")).unwrap();
    let told = place.told(place.load()).replace(&place.at("gate.toml").display().to_string(), "gate.toml");
    assert_eq!(
        told,
        "cannot read `gate.toml`: there is no such file\n  \
         help: name the configuration file with `--config`; `findings-gate demo` needs none\n"
    );
}

#[test]
fn many_problems_are_counted() {
    let mut text = SMALLEST.to_owned();
    for index in 0..30 {
        writeln!(text, "unknown{index} = 1").unwrap();
    }
    let error = Place::new(&text).load().unwrap_err();
    assert_eq!(error.problems().len(), 20);
    assert_eq!(error.to_string(), "the configuration has 30 problems; the first 20:");
}

/// Where a secret stands although none belongs there, no excerpt is shown, for it would show the secret.
#[test]
fn a_secret_in_the_wrong_file_is_not_shown() {
    for line in ["secret = \"hunter2\"", "SESSION_TOKEN = \"hunter2\"", "url2 = \"https://me:hunter2@host\""] {
        let place = Place::new(&format!("{SMALLEST}{line}\n"));
        let report = report(&place.load().unwrap_err());
        assert!(report.contains("is no key of the configuration"), "{report}");
        assert!(!report.contains("hunter2"), "{report}");
    }
}

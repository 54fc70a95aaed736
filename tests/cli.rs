//! The program as a process: what it prints, and what it ends with.
#![expect(clippy::unwrap_used, reason = "what a test's helpers unwrap is part of the test")]

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};

const ACCOUNTS: &str = "administrator = \"111111111111\"\n[[member]]\naccount = \"222222222222\"\n";
const KEYS: &str = "\
[[key]]
id = \"AKIAPAYMENTS\"
secret = \"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\"
account = \"222222222222\"
principal = \"arn:aws:iam::222222222222:role/triage\"
";
const CONFIGURATION: &str = "\
[listen]
workers = 2
[policies]
path = [\"policies\"]
[accounts]
file = \"accounts.toml\"
[[identity]]
kind = \"sigv4\"
keys = \"keys.toml\"
[upstream]
url = \"http://127.0.0.1:9000\"
region = \"eu-west-1\"
[doors]
open = [\"GetFindings\"]
";

/// A program that runs in `directory`, with nothing of this process's configuration.
fn program(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_findings-gate"));
    command.current_dir(directory).stdin(Stdio::null()).env_clear();
    command
}

/// A directory with a valid configuration.
fn place() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(place.path().join(name), text).unwrap();
    write("findings-gate.toml", CONFIGURATION);
    write("accounts.toml", ACCOUNTS);
    write("keys.toml", KEYS);
    fs::create_dir(place.path().join("policies")).unwrap();
    write(
        "policies/all.cedar",
        "@id(\"administrator-may\")\npermit (principal is Administrator, action, resource)\nwhen { resource in principal.fleet };\n",
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(place.path().join("keys.toml"), fs::Permissions::from_mode(0o600)).unwrap();
    }
    place
}

fn run(directory: &Path, arguments: &[&str]) -> Output {
    program(directory).args(arguments).output().unwrap()
}

fn out(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn err(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

#[track_caller]
fn ends(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "stdout: {}\nstderr: {}", out(output), err(output));
}

#[test]
fn help_and_version_are_answers() {
    let here = tempfile::tempdir().unwrap();
    for arguments in [&["--help"][..], &["-h"], &["help"]] {
        let output = run(here.path(), arguments);
        ends(&output, 0);
        assert_eq!(err(&output), "");
        for word in ["serve", "check", "backend", "demo", "Examples:", "Exit codes:", "64"] {
            assert!(out(&output).contains(word), "{word} is not in {}", out(&output));
        }
    }
    let version = run(here.path(), &["--version"]);
    ends(&version, 0);
    assert_eq!(out(&version), format!("findings-gate {}\n", env!("CARGO_PKG_VERSION")));
}

/// Every verb teaches: what it does, every option, examples, exit codes.
#[test]
fn each_verb_has_help_that_teaches() {
    let here = tempfile::tempdir().unwrap();
    for (verb, expected) in [
        ("serve", "only then binds its port | --config | --listen | --upstream | --policies | --log-level"),
        (
            "check",
            "Nothing is bound, sent or changed | --config | findings-gate.toml | --format | human | json | github | sarif | \
             --accounts | --vocabulary | --deny-warnings | docs/lints.md",
        ),
        ("backend", "belongs behind the gate | --listen | --data | --accounts | --region | --quotas | --fault | slow:"),
        (
            "health",
            "needs no curl | admin.address | --config | --address | --live | --timeout | --wait | 127.0.0.1 | 1 it is not",
        ),
        (
            "token",
            "Nothing is sent | --gate | --region | --endpoint | --header | --json | x-findings-gate-sts-token | 15 minutes",
        ),
        ("fmt", "What policies say never changes | --check | [PATH]... | 2 --check found"),
        ("schema", "editor extensions | --format | cedar | json | --out"),
        ("completions", "same definitions as `--help` | bash | zsh | fish | elvish | powershell"),
        ("man", "one page for the program and one for each verb | --out | [VERB]"),
        ("demo", "keys for the accounts are made anew at each start | --listen | --policies | pack:baseline"),
    ] {
        for arguments in [[verb, "--help"], ["help", verb]] {
            let output = run(here.path(), &arguments);
            ends(&output, 0);
            // As words: where a line is broken depends on the terminal.
            let help = out(&output).split_whitespace().collect::<Vec<_>>().join(" ");
            for words in expected.split(" | ").chain(["Examples:", "Exit codes:"]) {
                assert!(help.contains(words), "`{words}` is not in {help}");
            }
        }
    }
}

/// The verbs as `--help` lists them, each with what it does in a line.
fn listed(directory: &Path) -> Vec<(String, String)> {
    let output = run(directory, &["-h"]);
    ends(&output, 0);
    let (_, rest) = out(&output).split_once("Commands:\n").unwrap();
    let list = rest.split("\n\n").next().unwrap();
    let mut verbs: Vec<(String, String)> = Vec::new();
    for line in list.lines() {
        let words = line.split_whitespace().collect::<Vec<_>>();
        match verbs.last_mut() {
            // A long line goes on below.
            Some((_, about)) if line.starts_with("    ") => *about = format!("{about} {}", words.join(" ")),
            _ => verbs.push((words[0].to_owned(), words[1..].join(" "))),
        }
    }
    assert_eq!(verbs.pop().unwrap().0, "help");
    verbs
}

/// The gate first, then the workbench as a policy meets it, then what is about the program; and a verb is introduced in the same
/// words wherever it is.
#[test]
fn the_verbs_are_listed_in_their_order_and_introduced_in_one_way() {
    let here = tempfile::tempdir().unwrap();
    let order = [
        "serve",
        "check",
        "demo",
        "backend",
        "health",
        "whoami",
        "audit",
        "keys",
        "token",
        "fmt",
        "test",
        "mutate",
        "matrix",
        "prove",
        "diff",
        "replay",
        "explain",
        "bundle",
        "import-iam",
        "schema",
        "completions",
        "man",
    ];
    let verbs = listed(here.path());
    let places: Vec<usize> =
        verbs.iter().map(|(verb, _)| order.iter().position(|known| known == verb).expect(verb)).collect();
    assert!(places.is_sorted() && places.len() >= 14, "{verbs:?}");
    for (verb, about) in verbs {
        let output = run(here.path(), &[&verb, "--help"]);
        ends(&output, 0);
        let help = out(&output);
        assert_eq!(
            help.split("\n\n").next().unwrap().split_whitespace().collect::<Vec<_>>().join(" "),
            format!("{about}.")
        );
    }
}

#[test]
fn policies_are_named_in_one_way() {
    let here = tempfile::tempdir().unwrap();
    for verb in ["serve", "check", "demo", "matrix", "explain"] {
        let output = run(here.path(), &[verb, "-h"]);
        ends(&output, 0);
        let help = out(&output).split_whitespace().collect::<Vec<_>>().join(" ");
        let words = "Directories of policies, `.cedar` files, a bundle, or packs such as `pack:baseline`";
        assert!(help.contains(words), "{help}");
    }
}

#[test]
fn misuse_ends_with_64_and_is_told_on_standard_error() {
    let here = tempfile::tempdir().unwrap();
    for (arguments, expected) in [
        (&[][..], "Usage: findings-gate <COMMAND>"),
        (&["sevre"], "a similar subcommand exists: 'serve'"),
        (&["check", "--formt", "json"], "'--format'"),
        (&["check", "--format", "yaml"], "[possible values: human, json, github, sarif]"),
        (&["check", "--config", "a.toml", "extra"], "cannot be used with '[PATH]...'"),
        (&["serve", "--listen", "localhost"], "expected an IP address and a port"),
        (&["serve", "--upstream", "ftp://host"], "expected `aws`, `embedded`, or `http://` or `https://`"),
        (&["serve", "--log-level", "inof"], "did you mean `info`?"),
        (&["backend", "--fault", "slow"], "expected `throttle:1/10`"),
        (&["backend", "--fault", "throttle:2/1"], "expected so many of so many"),
    ] {
        let output = run(here.path(), arguments);
        ends(&output, 64);
        assert_eq!(out(&output), "", "{arguments:?}");
        assert!(err(&output).contains(expected), "{arguments:?}: {}", err(&output));
    }
}

#[test]
fn check_sums_up_what_is_valid() {
    let place = place();
    let output = run(place.path(), &["check"]);
    ends(&output, 0);
    assert_eq!(err(&output), "");
    // What is decided by has a digest, which changes with every policy.
    let (summary, digest) = out(&output).split_once("  digest    ").unwrap();
    assert!(
        digest.trim_end().len() == 64 && digest.trim_end().bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{digest}"
    );
    assert_eq!(
        summary,
        "\
findings-gate.toml is valid

  listen    127.0.0.1:8080, 2 workers
  upstream  http://127.0.0.1:9000, eu-west-1
  doors     BatchUpdateFindings, GetFindings
  callers   sigv4: 1 key of 1 account
  accounts  administrator 111111111111, 1 member
  policies  1 policy of policies/all.cedar; reject unless a policy says otherwise
"
    );
}

#[test]
fn check_tells_what_look_ups_that_are_off_mean() {
    let place = place();
    let configuration = format!("{CONFIGURATION}[state]\nlookup = \"off\"\n");
    fs::write(place.path().join("findings-gate.toml"), configuration).unwrap();
    let output = run(place.path(), &["check"]);
    ends(&output, 0);
    assert!(err(&output).contains("whoever may write one key or element may erase all others"), "{}", err(&output));
    assert!(!err(&output).contains("state-unavailable"), "{}", err(&output));
    let reading = "@id(\"open-only\")\nforbid (principal, action, resource) unless { resource.recordState == RecordState::\"ACTIVE\" };\n";
    fs::write(place.path().join("policies/state.cedar"), reading).unwrap();
    let output = run(place.path(), &["check", "--format", "json"]);
    ends(&output, 0);
    let printed: serde_json::Value = serde_json::from_str(out(&output)).unwrap();
    let warnings = printed["warnings"].as_array().unwrap();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(
        warnings[1].as_str().unwrap().contains("these policies read the finding as it is: `open-only`"),
        "{warnings:?}"
    );
}

#[test]
fn check_prints_json_for_programs() {
    let place = place();
    let output = run(place.path(), &["check", "--format", "json"]);
    ends(&output, 0);
    let printed: serde_json::Value = serde_json::from_str(out(&output)).unwrap();
    let digest = printed["policies"]["digest"].clone();
    assert_eq!(digest.as_str().unwrap().len(), 64);
    let expected = serde_json::json!({
        "version": 1,
        "valid": true,
        "file": "findings-gate.toml",
        "listen": { "address": "127.0.0.1:8080", "workers": 2 },
        "upstream": { "url": "http://127.0.0.1:9000", "region": "eu-west-1", "sign": "none", "quota": "off" },
        "doors": ["BatchUpdateFindings", "GetFindings"],
        "callers": [{ "kind": "sigv4", "keys": 1, "accounts": 1 }],
        "accounts": { "fleets": [{ "administrator": "111111111111", "members": 1 }] },
        "policies": { "packs": [], "files": ["policies/all.cedar"], "default_enforcement": "reject", "count": 1, "digest": digest },
        "warnings": [],
        "lints": [],
    });
    assert_eq!(printed, expected);

    fs::write(place.path().join("accounts.toml"), "administrator = \"1\"\n").unwrap();
    let output = run(place.path(), &["check", "--format", "json"]);
    ends(&output, 3);
    let printed: serde_json::Value = serde_json::from_str(out(&output)).unwrap();
    let message = "accounts.toml:1:17: `administrator` is \"1\": expected an account id of twelve digits in quotes, \
                   such as \"111122223333\"";
    assert_eq!(
        printed,
        serde_json::json!({
            "version": 1,
            "valid": false,
            "problems": [{
                "code": "FG012", "severity": "error", "file": "accounts.toml", "line": 1, "column": 17, "message": message
            }],
        })
    );
}

#[test]
fn what_is_invalid_ends_with_3_and_is_told_on_standard_error() {
    let place = place();
    let configuration = CONFIGURATION.replace("[listen]", "[listen]\nadress = \"127.0.0.1:0\"");
    fs::write(place.path().join("findings-gate.toml"), configuration).unwrap();
    let output = run(place.path(), &["check"]);
    ends(&output, 3);
    assert_eq!(out(&output), "");
    assert_eq!(
        err(&output),
        "  × findings-gate.toml:2:1: `listen.adress` is no key of the configuration
   ╭─[2:1]
 1 │ [listen]
 2 │ adress = \"127.0.0.1:0\"
   · ──────
 3 │ workers = 2
   ╰────
  help: did you mean `listen.address`?
"
    );
}

#[test]
fn policies_that_are_not_there_are_told() {
    let place = place();
    fs::remove_file(place.path().join("policies/all.cedar")).unwrap();
    let output = run(place.path(), &["check"]);
    ends(&output, 3);
    assert!(err(&output).contains("`policies` has no file that ends in `.cedar`"), "{}", err(&output));
    assert!(err(&output).contains("findings-gate.toml:4:9"), "{}", err(&output));
}

#[test]
fn a_configuration_elsewhere_names_its_files_beside_it() {
    let place = place();
    let elsewhere = tempfile::tempdir().unwrap();
    let file = place.path().join("findings-gate.toml");
    let output = run(elsewhere.path(), &["check", "--config", file.to_str().unwrap()]);
    ends(&output, 0);

    let output = run(elsewhere.path(), &["check"]);
    ends(&output, 3);
    assert!(err(&output).contains("cannot read `findings-gate.toml`: there is no such file"), "{}", err(&output));
    assert!(err(&output).contains("findings-gate demo"), "{}", err(&output));
}

#[test]
fn the_environment_is_read() {
    let place = place();
    let with = |name: &str, value: &str| program(place.path()).arg("check").env(name, value).output().unwrap();
    let output = with("FINDINGS_GATE__LISTEN__ADDRESS", "127.0.0.1:1234");
    ends(&output, 0);
    assert!(out(&output).contains("127.0.0.1:1234"), "{}", out(&output));

    let output = with("FINDINGS_GATE__LISTEN__ADRESS", "127.0.0.1:1234");
    ends(&output, 3);
    assert!(err(&output).contains("did you mean `FINDINGS_GATE__LISTEN__ADDRESS`?"), "{}", err(&output));

    #[cfg(unix)]
    {
        use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
        let latin = OsStr::from_bytes(b"\xff");
        let output = program(place.path()).arg("check").env("FINDINGS_GATE__LOG__LEVEL", latin).output().unwrap();
        ends(&output, 3);
        assert!(err(&output).contains("its value is not UTF-8"), "{}", err(&output));
    }
}

/// `findings-gate check | head -0`
#[cfg(unix)]
#[test]
fn a_reader_that_stops_early_is_no_failure() {
    let place = place();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = program(place.path()).arg("check").stdout(writer).output().unwrap();
    ends(&output, 0);
    assert_eq!(err(&output), "");
}

/// `findings-gate check > /dev/full`: what was to be printed is lost, and that is told.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_a_failure() {
    let place = place();
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = program(place.path()).arg("check").stdout(full).output().unwrap();
    ends(&output, 1);
    assert!(err(&output).contains("cannot print: "), "{}", err(&output));
}

use super::support::{Output, golden, run, run_in_with};
use serde_json::Value;
use std::{collections::BTreeSet, fs};

/// Policies with something to say about.
const DOUBTFUL: &str = "\
@id(\"members-score\")
permit (principal is Member, action == Action::\"Confidence\", resource)
when { context.value > 90 && context.value < 10 };

@id(\"production\")
@enforce(\"strip\")
forbid (principal in Group::\"ou/prd\", action == Action::\"Note\", resource)
when { resource.isNew && context.operation == Operation::\"BatchImportFindings\" };

@id(\"tickets\")
permit (principal is Member, action == Action::\"UserDefinedFields\", resource)
when { context.key == \"tikcet\" };
";
const ACCOUNTS: &str =
    "administrator = \"111111111111\"\n[[member]]\naccount = \"222222222222\"\ngroups = [\"ou/prod\"]\n";
const WORDS: &str = "user_defined_keys = [\"ticket\", \"ticket/*\"]\n";

fn place() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("site.cedar", DOUBTFUL),
        ("broken.cedar", "@id(\"a\")\npermit (principal is Membr, action, resource);\npermit (\n"),
        ("accounts.toml", ACCOUNTS),
        ("words.toml", WORDS),
    ] {
        fs::write(place.path().join(name), text).unwrap();
    }
    place
}

fn check(arguments: &[&str]) -> Output {
    let place = place();
    let arguments = [&["check", "--accounts", "accounts.toml", "--vocabulary", "words.toml"], arguments].concat();
    run_in_with(place.path(), &arguments, "")
}

#[test]
fn the_shipped_packs_are_clean() {
    for pack in [
        "pack:baseline",
        "pack:strict",
        "pack:transitions",
        "policies/baseline",
        "policies/strict",
        "policies/transitions",
    ] {
        let output = run(&["check", "--deny-warnings", pack]).ends(0);
        assert_eq!(output.stderr, "");
        assert!(output.stdout.ends_with(" policies are valid; nothing to remark\n"), "{}", output.stdout);
    }
}

#[test]
fn people_see_where_and_what_to_do() {
    let output = check(&["site.cedar"]).ends(0);
    golden("check/human.txt", &output.stderr);
    assert_eq!(output.stdout, "site.cedar: 3 policies are valid; 5 warnings, 1 note\n");
    check(&["--deny-warnings", "site.cedar"]).ends(2);
}

#[test]
fn programs_read_json() {
    let output = check(&["--format", "json", "site.cedar"]).ends(0);
    assert_eq!(output.stderr, "");
    golden("check/lints.json", &output.stdout);
    let output = check(&["--format", "json", "broken.cedar"]).ends(3);
    golden("check/invalid.json", &output.stdout);
}

#[test]
fn github_reads_commands() {
    golden("check/github.txt", &check(&["--format", "github", "site.cedar"]).ends(0).stdout);
    golden("check/github-invalid.txt", &check(&["--format", "github", "broken.cedar"]).ends(3).stdout);
    check(&["--format", "github", "--deny-warnings", "site.cedar"]).ends(2);
}

/// What the standard requires of a log, as far as this program writes it.
fn assert_sarif(log: &Value) {
    assert_eq!(log["version"], "2.1.0");
    assert!(log["$schema"].as_str().unwrap().ends_with("/sarif-schema-2.1.0.json"));
    let [run] = &log["runs"].as_array().unwrap()[..] else { panic!("{log}") };
    let driver = &run["tool"]["driver"];
    assert_eq!(driver["name"], "findings-gate");
    assert_eq!(run["columnKind"], "unicodeCodePoints");
    let rules = driver["rules"].as_array().unwrap();
    let ids: BTreeSet<&str> = rules.iter().map(|rule| rule["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), rules.len());
    for rule in rules {
        assert!(rule["shortDescription"]["text"].is_string() && rule["help"]["text"].is_string(), "{rule}");
        assert!(["error", "warning", "note"].contains(&rule["defaultConfiguration"]["level"].as_str().unwrap()));
    }
    for result in run["results"].as_array().unwrap() {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert!(["error", "warning", "note"].contains(&result["level"].as_str().unwrap()));
        assert!(!result["message"]["text"].as_str().unwrap().is_empty());
        for location in result["locations"].as_array().into_iter().flatten() {
            let physical = &location["physicalLocation"];
            let uri = physical["artifactLocation"]["uri"].as_str().unwrap();
            assert!(!uri.starts_with('/') && !uri.contains(['\\', ' ']), "{uri}");
            let region = &physical["region"];
            let number = |name: &str| region[name].as_u64();
            let start = (number("startLine").unwrap(), number("startColumn").unwrap());
            assert!(start.0 >= 1 && start.1 >= 1);
            if let Some(end) = number("endLine").zip(number("endColumn")) {
                assert!(end >= start, "{region}");
            }
        }
    }
}

#[test]
fn code_scanning_reads_sarif() {
    let log = check(&["--format", "sarif", "site.cedar"]).ends(0).json();
    assert_sarif(&log);
    let results = log["runs"][0]["results"].as_array().unwrap();
    assert_eq!(results.len(), 6);
    assert_eq!(
        results[0]["locations"][0]["physicalLocation"],
        serde_json::json!({
            "artifactLocation": { "uri": "site.cedar" },
            "region": { "startLine": 3, "startColumn": 30, "endLine": 3, "endColumn": 48 },
        })
    );
    assert_sarif(&check(&["--format", "sarif", "broken.cedar"]).ends(3).json());
    assert_sarif(&run(&["check", "--format", "sarif", "pack:strict"]).ends(0).json());
}

#[test]
fn a_configuration_is_linted_with_its_accounts() {
    let place = place();
    let configuration = "[policies]\npath = [\"site.cedar\"]\n[accounts]\nfile = \"accounts.toml\"\n[[identity]]\nkind = \"fixed\"\n\
                         account = \"222222222222\"\nprincipal = \"x\"\n[upstream]\nurl = \"embedded\"\nregion = \"eu-west-1\"\n[state]\nlookup = \"off\"\n";
    fs::write(place.path().join("findings-gate.toml"), configuration).unwrap();
    let output = run_in_with(place.path(), &["check"], "").ends(0);
    assert!(output.stdout.contains("  lints     4 warnings, 1 note\n"), "{}", output.stdout);
    assert!(output.stderr.contains("did you mean `Group::\"ou/prod\"`?"), "{}", output.stderr);
    run_in_with(place.path(), &["check", "--deny-warnings"], "").ends(2);
    let printed = run_in_with(place.path(), &["check", "--format", "json"], "").ends(0).json();
    assert_eq!((&printed["version"], printed["lints"].as_array().unwrap().len()), (&1.into(), 5));
    let log = run_in_with(place.path(), &["check", "--format", "sarif"], "").ends(0).json();
    assert_sarif(&log);
    assert_eq!(log["runs"][0]["results"][0]["ruleId"], "FG118");
    fs::write(place.path().join("accounts.toml"), "administrator = 1\n").unwrap();
    let log = run_in_with(place.path(), &["check", "--format", "sarif"], "").ends(3).json();
    assert_sarif(&log);
    assert_eq!(
        log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"],
        "accounts.toml"
    );
}

#[test]
fn misuse_is_told() {
    let place = place();
    for (arguments, code, expected) in [
        (&["check", "--accounts", "accounts.toml"][..], 64, "PATH"),
        (&["check", "--default-enforcement", "block", "site.cedar"], 64, "[possible values: strip, reject, refuse]"),
        (&["check", "missing.cedar"], 3, "cannot read `missing.cedar`: there is no such file"),
        (&["check", "pack:basline"], 3, "did you mean `pack:baseline`?"),
        (&["check", "--vocabulary", "missing", "site.cedar"], 1, "cannot read `missing`: there is no such file"),
        (&["check", "--vocabulary", "accounts.toml", "site.cedar"], 3, "accounts.toml is no vocabulary"),
        (&["check", "--accounts", "words.toml", "site.cedar"], 3, "`user_defined_keys` is no key"),
    ] {
        let output = run_in_with(place.path(), arguments, "").ends(code);
        assert!(output.stderr.contains(expected), "{arguments:?}: {}", output.stderr);
    }
}

//! `findings-gate audit`

use crate::support::{golden, place, root, run, run_in, run_in_with};
use findings_gate::audit::{Link, Seal};
use std::{fs, path::Path};

const CURRENT: &str = "audit.jsonl";

/// The lines of `tests/data/workbench/audit/lines.jsonl`, as a gate would seal them.
pub(crate) fn sealed(seal: &Seal) -> Vec<String> {
    let lines = fs::read_to_string(root().join("tests/data/workbench/audit/lines.jsonl")).unwrap();
    let mut next = Link::FIRST;
    let seal_line = |line: &str| {
        let mut out = Vec::new();
        seal.append(line.as_bytes(), &mut next, &mut out);
        String::from_utf8(out).unwrap()
    };
    lines.lines().map(seal_line).collect()
}

/// The log in a rotated file and the current one.
fn rotated() -> tempfile::TempDir {
    let lines = sealed(&Seal::open());
    place(&[("audit.0000000000000001.jsonl", &lines[..4].concat()), (CURRENT, &lines[4..].concat())])
}

#[test]
fn a_whole_log_verifies_over_its_files() {
    let place = rotated();
    let output = run_in(place.path(), &["audit", "verify", CURRENT]).ends(0);
    golden("audit/verify.human", &output.stdout);
    let json = run_in(place.path(), &["audit", "verify", "--format", "json"]).ends(0).json();
    assert_eq!((&json["whole"], &json["lines"], &json["last"]["sequence"]), (&true.into(), &9.into(), &9.into()));
    let last = json["last"]["hash"].as_str().unwrap().to_owned();
    run_in(place.path(), &["audit", "verify", "--expect-last", &last]).ends(0);
    // The directory, the files by name, and standard input are the same log.
    run_in(place.path(), &["audit", "verify", "."]).ends(0);
    run_in(place.path(), &["audit", "verify", "audit.0000000000000001.jsonl", CURRENT]).ends(0);
    run_in_with(place.path(), &["audit", "verify", "-"], &sealed(&Seal::open()).concat()).ends(0);
}

#[test]
fn what_was_done_to_a_log_ends_with_2_and_says_where() {
    let place = rotated();
    let write = |name: &str, text: &str| fs::write(place.path().join(name), text).unwrap();
    let lines = sealed(&Seal::open());
    let last = run_in(place.path(), &["audit", "verify", "--format", "json"]).json()["last"]["hash"].clone();
    write(CURRENT, &lines[4..].concat().replace("NOTIFIED", "RESOLVED"));
    let output = run_in(place.path(), &["audit", "verify"]).ends(2);
    golden("audit/verify-edited.human", &output.stdout);
    write(CURRENT, &lines[6..].concat());
    let output = run_in(place.path(), &["audit", "verify"]).ends(2);
    assert!(
        output.stdout.contains("audit.jsonl:1: it is line 7 of the chain, and 5 was expected: 2 missing"),
        "{}",
        output.stdout
    );
    // Cut off at the end: only who kept the last hash can tell.
    write(CURRENT, &lines[4..6].concat());
    run_in(place.path(), &["audit", "verify"]).ends(0);
    let output = run_in(place.path(), &["audit", "verify", "--expect-last", last.as_str().unwrap()]).ends(2);
    assert!(output.stdout.contains("lines at the end of the log are missing"), "{}", output.stdout);
}

#[test]
fn a_torn_last_line_is_a_warning_and_a_late_beginning_must_be_said() {
    let place = rotated();
    let lines = sealed(&Seal::open());
    let torn = lines[4..].concat();
    fs::write(place.path().join(CURRENT), &torn[..torn.len() - 20]).unwrap();
    let output = run_in(place.path(), &["audit", "verify"]).ends(0);
    assert!(output.stdout.contains("audit.jsonl:5: the last line was not written to its end"), "{}", output.stdout);
    fs::remove_file(place.path().join("audit.0000000000000001.jsonl")).unwrap();
    let output = run_in(place.path(), &["audit", "verify"]).ends(2);
    assert!(
        output.stdout.contains("the log begins with line 5 of the chain: the 4 before it are not here"),
        "{}",
        output.stdout
    );
    assert!(output.stdout.contains("--allow-start"), "{}", output.stdout);
    run_in(place.path(), &["audit", "verify", "--allow-start"]).ends(0);
    run_in(place.path(), &["audit", "verify", "--since-sequence", "5"]).ends(0);
    run_in(place.path(), &["audit", "verify", "--since-sequence", "4"]).ends(2);
}

#[test]
fn a_keyed_log_takes_its_key() {
    let key = "0123456789abcdef0123456789abcdef";
    let log = sealed(&Seal::keyed(key.as_bytes())).concat();
    let place = place(&[(CURRENT, &log), ("audit.key", key), ("other.key", "another key of the same length!!")]);
    run_in(place.path(), &["audit", "verify", "--key", "audit.key"]).ends(0);
    let output = run_in(place.path(), &["audit", "verify"]).ends(2);
    assert!(output.stdout.contains("give it with --key FILE"), "{}", output.stdout);
    run_in(place.path(), &["audit", "verify", "--key", "other.key"]).ends(2);
    let output = run_in(place.path(), &["audit", "verify", "--key", "none.key"]).ends(1);
    assert!(output.stderr.contains("cannot read the key `none.key`"), "{}", output.stderr);
}

#[test]
fn what_is_not_there_ends_with_1() {
    let place = place(&[("a.jsonl", ""), ("b.jsonl", "")]);
    for (path, told) in
        [("none.jsonl", "there is no audit log `none.jsonl`"), (".", "has several logs (a.jsonl, b.jsonl)")]
    {
        let output = run_in(place.path(), &["audit", "verify", path]).ends(1);
        assert!(output.stderr.contains(told), "{}", output.stderr);
    }
    run_in(place.path(), &["audit", "verify", "--expect-last", "abc"]).ends(64);
}

#[test]
fn a_record_is_shown_for_people_and_programs() {
    let place = rotated();
    let output = run_in(place.path(), &["audit", "show", "0001-suppress"]).ends(0);
    golden("audit/show.human", &output.stdout);
    let output = run_in(place.path(), &["audit", "show", "--last", "2"]).ends(0);
    golden("audit/show-last.human", &output.stdout);
    assert!(!output.stdout.contains('\u{1b}'), "a principal moves the cursor");
    let output = run_in(place.path(), &["audit", "show", "0003-notify", "--format", "json"]).ends(0);
    assert_eq!(output.stdout, sealed(&Seal::open())[4]);
    let output = run_in(place.path(), &["audit", "show", "0001-suppress", "0009-none"]).ends(1);
    assert!(output.stderr.contains("no record has the decision id `0009-none`"), "{}", output.stderr);
    run_in(place.path(), &["audit", "show"]).ends(64);
    run_in(place.path(), &["audit", "show", "x", "--last", "1"]).ends(64);
}

/// The ids that a search finds.
fn found(directory: &Path, arguments: &[&str]) -> Vec<String> {
    let arguments = [&["audit", "grep", "--format", "json"], arguments].concat();
    let output = run_in(directory, &arguments).ends(0);
    let line = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
    let name = |line: serde_json::Value| line["id"].as_str().or(line["kind"].as_str()).unwrap()[..4].to_owned();
    output.stdout.lines().map(|text| name(line(text))).collect()
}

#[test]
fn filters_narrow_down_and_add_up() {
    let place = rotated();
    for (arguments, expected) in [
        (&[][..], &["0001", "0002", "0003", "0004", "0005"][..]),
        (&["--account", "222222222222"], &["0001", "0003"]),
        (&["--account", "222222222222", "--account", "111111111111"], &["0001", "0003", "0005"]),
        (&["--principal", "arn:aws:iam::*:role/*"], &["0001", "0002", "0003"]),
        (&["--principal", "*bot", "--role", "member"], &["0002"]),
        (&["--role", "administrator"], &["0005"]),
        (&["--operation", "Batch*"], &["0001", "0002", "0003"]),
        (&["--operation", "GET *"], &["0004"]),
        (&["--id", "0004-nobody"], &["0004"]),
        (&["--finding", "*/f1"], &["0001", "0003"]),
        (&["--finding", "*:product/aws/guardduty"], &["0001", "0002", "0003"]),
        (&["--field", "Workflow"], &["0001", "0003"]),
        (&["--field", "Severity"], &["0002"]),
        (&["--action", "Note"], &["0001"]),
        (&["--policy", "members-do-not-suppress"], &["0001"]),
        (&["--policy", "try-severity"], &["0002"]),
        // Both are in one record, of different changes.
        (&["--policy", "members-do-not-suppress", "--action", "Note"], &[]),
        (&["--policy", "members-triage", "--verdict", "denied"], &[]),
        (&["--verdict", "allowed"], &["0003"]),
        (&["--verdict", "denied"], &["0001", "0002", "0004"]),
        (&["--verdict", "partly"], &["0001"]),
        (&["--verdict", "failed"], &["0005"]),
        (&["--verdict", "shadow-differs"], &["0002"]),
        (&["--verdict", "partly", "--verdict", "failed"], &["0001", "0005"]),
        (&["--enforcement", "strip"], &["0001", "0002"]),
        (&["--status", "403"], &["0002", "0004"]),
        (&["--status", "2xx", "--status", "500"], &["0001", "0003", "0005"]),
        (&["--since", "2026-05-01T09:00:00Z"], &["0003", "0004", "0005"]),
        (&["--until", "2026-05-01T09:00:00Z"], &["0001", "0002"]),
        (&["--since", "2026-05-02"], &[]),
        (&["--kind", "shed", "--kind", "stop"], &["shed", "stop"]),
        (&["--kind", "reload", "--account", "222222222222"], &[]),
    ] {
        assert_eq!(found(place.path(), arguments), expected, "{arguments:?}");
    }
}

#[test]
fn what_is_found_is_a_line_each() {
    let place = rotated();
    let output = run_in(place.path(), &["audit", "grep"]).ends(0);
    golden("audit/grep.records", &output.stdout);
    let all = ["request", "start", "reload", "shed", "stop"].map(|kind| ["--kind", kind]).concat();
    let output = run_in(place.path(), &[&["audit", "grep"], &all[..]].concat()).ends(0);
    assert_eq!(output.stdout.lines().count(), 9);
    assert!(!output.stdout.contains('\u{1b}'), "a principal moves the cursor");
    let output = run_in(place.path(), &["audit", "grep", "--verdict", "denied", "--format", "changes"]).ends(0);
    golden("audit/grep.changes", &output.stdout);
    let output = run_in(place.path(), &["audit", "grep", "--verdict", "denied", "--count"]).ends(0);
    assert_eq!(output.stdout, "3\n");
    run_in(place.path(), &["audit", "grep", "--since", "yesterday"]).ends(64);
    run_in(place.path(), &["audit", "grep", "--verdict", "perhaps"]).ends(64);
}

/// A search that could not read a line must not look as if it had.
#[test]
fn lines_that_cannot_be_read_are_told() {
    let lines = sealed(&Seal::open());
    let place =
        place(&[(CURRENT, &[&lines[1], "not a line\n", &lines[2], "{\"version\":2}\n", &lines[4][..50]].concat())]);
    let output = run_in(place.path(), &["audit", "grep", "--count"]).ends(1);
    assert_eq!(output.stdout, "2\n");
    assert!(output.stderr.contains("2 lines could not be read, the first at audit.jsonl:2"), "{}", output.stderr);
}

#[test]
fn the_schema_is_the_page_s() {
    let output = run(&["audit", "schema"]).ends(0);
    assert_eq!(output.stdout, fs::read_to_string(root().join("docs/audit.schema.json")).unwrap());
    assert_eq!(output.json()["$schema"], "https://json-schema.org/draft/2020-12/schema");
}

/// What the page shows is what comes.
#[test]
fn the_page_shows_what_comes() {
    let page = fs::read_to_string(root().join("docs/audit.md")).unwrap();
    for name in ["verify.human", "verify-edited.human", "grep.records", "show.human", "replay.human"] {
        let shown = fs::read_to_string(root().join("tests/data/workbench/audit").join(name)).unwrap();
        assert!(page.contains(&format!("\n{shown}```\n")), "docs/audit.md does not show {name}:\n{shown}");
    }
}

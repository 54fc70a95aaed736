//! `findings-gate test`

use crate::support::{golden, has_solver, output, place, program, run, run_in};
use std::{
    fmt::Write as _,
    fs,
    io::{BufRead, BufReader},
    process::Stdio,
};

const POLICIES: &str = r#"
@id("members-note")
permit (principal is Member, action == Action::"Note", resource);

@id("members-do-not-suppress")
@enforce("reject")
@advice("Ask the administrator.")
forbid (principal is Member, action == Action::"Workflow.Status", resource)
when { context.value == WorkflowStatus::"SUPPRESSED" };

@id("nobody-closes-criticals")
@shadow
forbid (principal, action == Action::"Note", resource)
when { resource.severity.label == SeverityLabel::"CRITICAL" };
"#;

/// One case of each kind that there is.
const MIXED: &str = r#"
suite: mixed
callers:
  team: { role: member, account: "222222222222" }
findings:
  own: { account: "222222222222" }
  critical: { account: "222222222222", severity: CRITICAL }
cases:
  - name: a note
    caller: team
    finding: [own, critical]
    update: { Note: { Text: done, UpdatedBy: ana } }
    expect: { outcome: forwarded, Note: { allow: members-note } }
  - name: wrong about everything
    caller: team
    finding: own
    update: { Note: { Text: done, UpdatedBy: ana }, Workflow: { Status: SUPPRESSED } }
    expect:
      outcome: stripped
      by: [no-grant]
      kept: [Note]
      lookup: true
      Note: { deny: members-do-not-suppress }
      Workflow.Status: { deny: members-do-not-suppress, enforcement: strip, advice: Do not. }
      Types: no-grant
  - name: later
    skip: "waits for policy #2"
    caller: team
    finding: own
    update: { Confidence: 1 }
    expect: { Confidence: no-grant }
"#;

fn mixed() -> tempfile::TempDir {
    place(&[("policies/all.cedar", POLICIES), ("policies/mixed.test.yaml", MIXED)])
}

#[test]
fn the_shipped_packs_pass_their_tests_which_see_all_of_them() {
    let output = run(&["test", "policies", "--coverage-min", "100"]);
    assert_eq!(output.status, 0, "{}{}", output.stdout, output.stderr);
}

#[test]
fn every_reporter_tells_what_differs() {
    let place = mixed();
    for format in ["human", "json", "junit", "tap", "github"] {
        let output = run_in(place.path(), &["test", "--format", format]);
        assert_eq!((output.status, output.stderr.as_str()), (2, ""), "{format}");
        golden(&format!("test/mixed.{format}"), &output.stdout);
    }
}

#[test]
fn cases_are_picked_by_name_and_the_first_failure_may_end_it() {
    let place = mixed();
    let output = run_in(place.path(), &["test", "--name", "a note"]);
    assert_eq!((output.status, output.stdout.contains("2 cases passed")), (0, true), "{}", output.stdout);
    let output = run_in(place.path(), &["test", "--fail-fast"]);
    assert_eq!(output.status, 2);
    assert!(output.stdout.contains("2 cases passed, 1 failed\n"), "{}", output.stdout);
    let output = run_in(place.path(), &["test", "--name", "no such case"]);
    assert_eq!(output.status, 2);
    assert!(output.stdout.contains("nothing was tested"), "{}", output.stdout);
}

/// What is wrong with a suite, and what is told.
const BROKEN: &[(&str, &str)] = &[
    ("cases: []", "the suite has no case"),
    ("", "the suite has no case"),
    ("- 1", "expected"),
    ("cases: [{ name: x", "unclosed bracket"),
    ("casse: []", "unknown field `casse`"),
    ("suite: a\nsuite: b\ncases: []", "duplicate"),
    (
        "cases: [{ name: x, caller: { role: member, account: '2' }, expect: { outcome: forwarded } }]",
        "`2` is not an AWS account id",
    ),
    ("cases: [{ name: x, expect: {} }]", "nothing is expected"),
    ("cases: [{ name: x, expect: { outcome: fine } }]", "unknown variant `fine`"),
    ("cases: [{ name: x, expect: { outcome: forwarded } }]", "case `x` says too little"),
    ("cases: [{ name: x, expect: { Workflow.Statsu: allow } }]", "did you mean `Workflow.Status`?"),
    ("cases: [{ name: x, expect: { Note: perhaps } }]", "got `perhaps`, expected allow, deny, no-grant"),
    ("cases: [{ name: x, expect: { Note: { deny: { contains: [] } } } }]", "names no policy"),
    ("cases: [{ name: x, expect: { Note: { allow: a, deny: b } } }]", "`allow` stands alone"),
    (
        "cases: [{ name: x, caller: temas, finding: f, update: u, expect: { outcome: forwarded } }]\n\
         callers: { teams: { role: member, account: '222222222222' } }",
        "did you mean `teams`?",
    ),
    ("cases: [{ name: x, like: y, expect: { outcome: forwarded } }]", "there is no case `y`"),
    ("cases: [{ name: x, like: x, expect: { outcome: forwarded } }]", "is like itself"),
];

/// A suite with one good case, and what is added to it.
const GOOD: &str = "\
callers: { team: { role: member, account: '222222222222' } }
findings: { own: { account: '222222222222' } }
cases:
  - name: a note
    caller: team
    finding: own
    update: { Note: { Text: done, UpdatedBy: ana } }
    expect: { outcome: forwarded }
";

const BROKEN_IN_ADDITION: &[(&str, &str)] = &[
    (
        "matrix: [{ name: m, callers: [team], findings: [own], set: Workflow.Status, with: { Workflow: { Status: NEW } }, \
         expect: { SUPPRESSED: forwarded } }]\n",
        "`with` and the row `SUPPRESSED` both say `Workflow`",
    ),
    (
        "  - { name: x, like: a note, caller: { role: administrator, account: '111111111111', groups: [ou/prod] }, \
         expect: { outcome: forwarded } }\n",
        "the administrator 111111111111 has `groups`",
    ),
    (
        "  - { name: x, like: a note, caller: { role: member, account: '222222222222', fleet: ['333333333333'] }, \
         expect: { outcome: forwarded } }\n",
        "a member of account 222222222222 has `fleet`",
    ),
    (
        "  - { name: x, like: a note, caller: { role: member, account: '222222222222', groups: [ou/prod] }, \
         expect: { outcome: forwarded } }\n",
        "two callers of account 222222222222 say different `groups`",
    ),
    ("  - { name: x, like: a note, expect: { Note: { shadow: { shadow: allow } } } }\n", "`shadow` within `shadow`"),
    ("  - { name: \"x\\n::error::\", like: a note, expect: { outcome: forwarded } }\n", "is no name of a case"),
    ("  - { name: x, like: a note, skip: '', expect: { outcome: forwarded } }\n", "`skip: ` is no reason"),
    ("  - { name: x, like: a note, skip: true, expect: { outcome: forwarded } }\n", "`skip: true` is no reason"),
    ("  - { name: x, like: a note, expect: { by: { contains: [members-note] } } }\n", "`by` is exact"),
    ("updates: { unused: { Confidence: 1 } }\n", "no case uses the update `unused`"),
    ("default_enforcement: shred\n", "expected one of strip, reject, refuse"),
    ("now: yesterday\n", "expected a timestamp"),
    ("  - { name: a note, like: a note, expect: { outcome: forwarded } }\n", "two cases are called `a note`"),
    (
        "  - { name: x, like: a note, update: { Workflow: { Status: DONE } }, expect: { outcome: forwarded } }\n",
        "Workflow.Status: got \"DONE\"",
    ),
    ("  - { name: x, like: a note, update: { Nte: 1 }, expect: { outcome: forwarded } }\n", "did you mean `Note`?"),
    (
        "  - { name: x, like: a note, expect: { Note: { deny: members-do-not-supress } } }\n",
        "did you mean `members-do-not-suppress`?",
    ),
    ("  - { name: x, like: a note, expect: { by: members-notes } }\n", "did you mean `members-note`?"),
    (
        "  - { name: x, like: a note, updateV2: { Comment: a }, update: { Confidence: 1 }, expect: { outcome: forwarded } }\n",
        "asks for more than one thing",
    ),
    (
        "  - { name: x, caller: { role: administrator, account: '222222222222' }, finding: own, update: { Confidence: 1 }, \
         expect: { outcome: forwarded } }\n",
        "is the administrator's and a member's",
    ),
    ("matrix: [{ name: m, callers: [team], findings: [own], expect: {} }]\n", "matrix `m` has no rows"),
    (
        "matrix: [{ name: m, callers: [team], findings: [own], set: Workflow.Status, expect: { NEW: [forwarded, forwarded] } }]\n",
        "2 cells for 1 callers",
    ),
    (
        "matrix: [{ name: m, callers: [team], findings: [own], set: Workflow.Status, expect: { NEW: fine } }]\n",
        "got `fine`, expected one of forwarded",
    ),
    (
        "matrix: [{ name: m, callers: [team], findings: [own], set: Workflow, expect: { NEW: forwarded } }]\n",
        "`set` names a leaf with one value",
    ),
    (
        "matrix: [{ name: m, callers: [team], findings: [own], expect: { NEW: forwarded } }]\n",
        "there is no update `NEW`",
    ),
];

#[test]
fn what_is_wrong_with_a_suite_is_a_failure_that_says_where() {
    let whole = BROKEN.iter().map(|(text, told)| ((*text).to_owned(), *told));
    let added = BROKEN_IN_ADDITION.iter().map(|(text, told)| (format!("{GOOD}{text}"), *told));
    let mut wrong = Vec::new();
    for (text, told) in whole.chain(added) {
        let place = place(&[("all.cedar", POLICIES), ("a.test.yaml", &text)]);
        let output = run_in(place.path(), &["test"]);
        assert_eq!(output.status, 2, "{text}\n{}{}", output.stdout, output.stderr);
        let stderr: String = output.stderr.split_whitespace().collect::<Vec<_>>().join(" ").replace("│ ", "");
        if !stderr.contains(told) || !stderr.contains("a.test.yaml") {
            wrong.push(format!("expected `{told}` for\n{text}\ngot\n{}", output.stderr));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let place = place(&[("all.cedar", POLICIES), ("a.test.yaml", GOOD)]);
    assert_eq!(run_in(place.path(), &["test"]).status, 0);
}

#[test]
fn a_long_chain_of_cases_is_refused_and_not_followed() {
    let mut suite = GOOD.to_owned();
    let mut before = "a note".to_owned();
    for number in 0..5_000 {
        writeln!(suite, "  - {{ name: c{number}, like: {before}, expect: {{ outcome: forwarded }} }}").unwrap();
        before = format!("c{number}");
    }
    let place = place(&[("all.cedar", POLICIES), ("a.test.yaml", &suite)]);
    let output = run_in(place.path(), &["test"]);
    assert_eq!(output.status, 2);
    assert!(output.stderr.contains("each like the one before"), "{}", &output.stderr[..2000]);
}

#[test]
fn files_that_are_no_suite_and_runs_without_one_are_failures() {
    let place = place(&[("all.cedar", POLICIES), ("sub/a.test.yml", GOOD)]);
    for (arguments, told) in [
        (&["test"][..], "would never be run: name it"),
        (&["test", "all.cedar"], "`all.cedar` is no suite"),
        (&["test", "missing"], "cannot read `missing`"),
    ] {
        let output = run_in(place.path(), arguments);
        assert_eq!(output.status, 2, "{arguments:?}");
        assert!(output.stdout.contains(told), "{}", output.stdout);
    }
    fs::remove_file(place.path().join("sub/a.test.yml")).unwrap();
    fs::write(place.path().join("a.test.yaml"), GOOD.replace("caller: team", "caller: team\n    skip: later")).unwrap();
    let output = run_in(place.path(), &["test"]);
    assert_eq!(output.status, 2);
    assert!(output.stdout.contains("every case is skipped: nothing was tested"), "{}", output.stdout);
    fs::remove_file(place.path().join("a.test.yaml")).unwrap();
    let output = run_in(place.path(), &["test"]);
    assert_eq!(output.status, 2);
    assert!(output.stdout.contains("no suite below `.`"), "{}", output.stdout);
}

#[test]
fn an_invalid_policy_is_no_failed_test() {
    let place = place(&[("all.cedar", "permit (principal, action, resource);"), ("a.test.yaml", GOOD)]);
    let output = run_in(place.path(), &["test"]);
    assert_eq!(output.status, 3);
    assert!(output.stderr.contains("this policy has no `@id`"), "{}", output.stderr);
}

#[test]
fn a_suite_names_its_policies_relative_to_itself() {
    let suite = format!("policies: [../policies, pack:strict]\n{GOOD}");
    let one = r#"@id("one-more") permit (principal, action, resource) when { resource in principal.account };"#;
    let place = place(&[("policies/all.cedar", one), ("tests/a.test.yaml", &suite)]);
    let output = run_in(place.path(), &["test", "--name", "a note"]);
    assert_eq!(output.status, 0, "{}{}", output.stdout, output.stderr);
    fs::write(
        place.path().join("tests/a.test.yaml"),
        suite.replace("{ outcome: forwarded }", "{ Note: { allow: [members-note, one-more] } }"),
    )
    .unwrap();
    let output = run_in(place.path(), &["test"]);
    assert_eq!(output.status, 0, "{}{}", output.stdout, output.stderr);
}

#[test]
fn what_a_suite_asks_is_written_for_cedars_own_command_line() {
    let place = mixed();
    let output = run_in(place.path(), &["test", "--name", "a note", "--export", "out"]);
    assert_eq!((output.status, &*output.stderr), (0, "wrote the tests of 1 suite to out\n"));
    let directory = place.path().join("out/policies-mixed.test.yaml");
    let tests: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(directory.join("tests.json")).unwrap()).unwrap();
    let tests = tests.as_array().unwrap();
    assert_eq!(tests.len(), 2, "{tests:#?}");
    assert_eq!(tests[0]["decision"], "allow");
    assert_eq!(tests[0]["reason"], serde_json::json!(["members-note"]));
    let policies = fs::read_to_string(directory.join("policies.cedar")).unwrap();
    assert!(policies.contains("members-note") && !policies.contains("nobody-closes-criticals"), "{policies}");
}

/// One that is so, and one that is not.
const PROPERTIES: &str = r#"
@id("members-never-suppress")
permit (principal is Member, action == Action::"Workflow.Status", resource)
when { context.value == WorkflowStatus::"SUPPRESSED" };

@id("members-never-write")
permit (principal is Member, action, resource);
"#;

#[test]
fn properties_are_proved_where_there_is_a_solver() {
    let suite = format!("properties: [a.properties.cedar]\n{GOOD}");
    let place = place(&[("all.cedar", POLICIES), ("a.test.yaml", &suite), ("a.properties.cedar", PROPERTIES)]);
    let mut command = program(place.path());
    let without = output(command.arg("test").env("CVC5", "/nowhere/cvc5"));
    assert_eq!(without.status, 0, "{}", without.stdout);
    assert!(without.stdout.contains("1 case passed, 2 skipped"), "{}", without.stdout);
    assert!(without.stdout.contains("there is no solver `/nowhere/cvc5`"), "{}", without.stdout);
    for (properties, told) in [
        ("a.cedar", "its name does not end in `.properties.cedar`"),
        ("missing.properties.cedar", "No such file or directory"),
    ] {
        fs::write(place.path().join("a.test.yaml"), format!("properties: [{properties}]\n{GOOD}")).unwrap();
        let output = run_in(place.path(), &["test"]);
        assert!(output.status == 2 && output.stderr.contains(told), "{}", output.stderr);
    }
    if !has_solver() {
        return;
    }
    fs::write(place.path().join("a.test.yaml"), &suite).unwrap();
    let output = run_in(place.path(), &["test"]);
    assert_eq!(output.status, 2, "{}", output.stdout);
    assert!(output.stdout.contains("2 cases passed, 1 failed"), "{}", output.stdout);
    assert!(output.stdout.contains("property members-never-write (a.properties.cedar:6:1)"), "{}", output.stdout);
    assert!(output.stdout.contains("refuted: "), "{}", output.stdout);
}

#[test]
fn coverage_is_told_and_may_be_too_little() {
    let place = mixed();
    let output = run_in(
        place.path(),
        &["test", "--name", "a note", "--coverage", "--coverage-lcov", "lcov.info", "--coverage-html", "coverage.html"],
    );
    assert_eq!((output.status, output.stderr.as_str()), (0, ""));
    golden("test/coverage.human", &output.stdout);
    golden("test/coverage.info", &fs::read_to_string(place.path().join("lcov.info")).unwrap());
    let page = fs::read_to_string(place.path().join("coverage.html")).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("members-do-not-suppress"), "{page}");
    let output = run_in(place.path(), &["test", "--name", "a note", "--coverage-min", "100"]);
    assert_eq!(output.status, 2);
    assert!(output.stderr.contains("expected at least 100 %"), "{}", output.stderr);
    let output = run_in(place.path(), &["test", "--coverage-min", "101"]);
    assert_eq!(output.status, 64);
}

#[test]
fn a_change_runs_the_tests_again() {
    let place = place(&[("all.cedar", POLICIES), ("a.test.yaml", GOOD)]);
    let mut child =
        program(place.path()).args(["test", "--watch"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut waits = || stderr.any(|line| line.unwrap().starts_with("waiting for a change"));
    assert!(waits());
    fs::write(place.path().join("a.test.yaml"), GOOD.replace("outcome: forwarded", "outcome: rejected")).unwrap();
    assert!(waits());
    child.kill().unwrap();
    let output = child.wait_with_output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(stdout.contains("1 case passed\n") && stdout.contains("0 cases passed, 1 failed\n"), "{stdout}");
}

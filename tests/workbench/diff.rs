//! `findings-gate diff`

use crate::support::{golden, has_solver, output, place, program, run, run_in};
use std::{path::Path, process::Command};

const OLD: &str = r#"
@id("members-triage")
permit (principal is Member, action in Action::"Triage", resource);

@id("members-do-not-suppress")
@enforce("reject")
forbid (principal is Member, action == Action::"Workflow.Status", resource)
when { context.value == WorkflowStatus::"SUPPRESSED" };

@id("criticals-stay-open")
@enforce("strip")
forbid (principal, action == Action::"Workflow.Status", resource)
when { context.value == WorkflowStatus::"RESOLVED" && resource.severity.rank >= 4 };
"#;

fn new() -> String {
    // A value that slipped, a comparison that slipped, and another enforcement.
    OLD.replace("\"SUPPRESSED\"", "\"NOTIFIED\"").replace(">= 4", ">= 3").replace("strip", "reject")
}

#[test]
fn with_a_solver_it_is_proved_that_nothing_else_moved() {
    if !has_solver() {
        return;
    }
    let output = run(&["diff", "pack:strict", "policies/strict"]);
    assert!(output.stdout.contains("\nNothing else is allowed or denied otherwise: proved.\n"), "{}", output.stdout);
    let output = run(&["diff", "pack:strict", "pack:baseline"]);
    let elsewhere = "of all others it is proved that nothing is allowed or denied otherwise";
    assert!(output.stdout.contains(elsewhere), "{}", output.stdout);
}

/// What the policies distinguish does not show these; the solver, or the policies themselves, do.
#[test]
fn what_cannot_be_shown_is_never_told_to_be_nothing() {
    if !has_solver() {
        return;
    }
    let refuses = |enforcement: &str| {
        format!(
            r#"@id("approve") @enforce("{enforcement}")
            forbid (principal is Member, action == Action::"Note", resource)
            when {{ context.operation == Operation::"BatchUpdateFindingsV2" && context.value.text like "*approved*" }};"#
        )
    };
    let sends = r#"@id("st") permit (principal is Member, action == Action::"Workflow.Status", resource)
        when { context.fields.contains(Field::"Confidence") };
        @id("conf") permit (principal is Member, action == Action::"Confidence", resource);"#;
    let strips = format!(
        r#"{sends} @id("cs") @enforce("strip") forbid (principal is Member, action == Action::"Confidence", resource)
        when {{ context.value > 90 }};"#
    );
    let v2 = r#"@id("note") permit (principal is Administrator, action == Action::"Note", resource);
        @id("v2") permit (principal is Member, action == Action::"Note", resource)
        when { context.operation == Operation::"BatchUpdateFindingsV2" };"#;
    let none = r#"@id("note") permit (principal is Administrator, action == Action::"Note", resource);"#;
    let (strict, mild) = (refuses("refuse"), refuses("strip"));
    for (old, new, fail_on, told) in [
        (strict.as_str(), mild.as_str(), "enforcement", "had the enforcement refuse and has strip"),
        (sends, &strips, "narrowed", "it looks at what travels with it"),
        (none, v2, "widened", "now  allow by v2"),
    ] {
        let place = place(&[("old/a.cedar", old), ("new/a.cedar", new)]);
        let output = run_in(place.path(), &["diff", "old", "new", "--fail-on", fail_on]);
        assert_eq!(output.status, 2, "{}{}", output.stdout, output.stderr);
        assert!(output.stdout.contains(told), "{told}\n{}", output.stdout);
    }
}

#[test]
fn without_a_solver_that_is_said() {
    let place = place(&[("old/a.cedar", OLD), ("new/a.cedar", &new())]);
    let mut command = program(place.path());
    let output = output(command.args(["diff", "old", "new"]).env("CVC5", "/nowhere/cvc5"));
    assert!(output.stdout.contains("It is not proved that nothing else moved"), "{}", output.stdout);
    assert!(output.stdout.contains("there is no solver `/nowhere/cvc5`"), "{}", output.stdout);
}

#[test]
fn what_moved_is_told_for_people_pull_requests_and_programs() {
    if !has_solver() {
        return;
    }
    let place = place(&[("old/a.cedar", OLD), ("new/a.cedar", &new())]);
    for format in ["human", "markdown", "json"] {
        let output = run_in(place.path(), &["diff", "old", "new", "--format", format]);
        assert_eq!((output.status, output.stderr.as_str()), (0, ""), "{format}");
        golden(&format!("diff/moved.{format}"), &output.stdout);
    }
    let output = run_in(place.path(), &["diff", "old", "old"]);
    assert_eq!((output.status, output.stdout.lines().next().unwrap()), (0, "Nothing was found to have moved."));
}

#[test]
fn it_fails_on_what_it_is_told_to() {
    let place =
        place(&[("old/a.cedar", OLD), ("new/a.cedar", &new()), ("milder/a.cedar", &OLD.replace("reject", "strip"))]);
    for (old, new, fail_on, status) in [
        ("old", "new", "widened", 2),
        ("old", "new", "narrowed", 2),
        ("old", "milder", "widened", 0),
        ("old", "milder", "enforcement", 2),
        ("old", "milder", "any", 2),
        ("old", "old", "any", 0),
    ] {
        let output = run_in(place.path(), &["diff", old, new, "--fail-on", fail_on]);
        assert_eq!(output.status, status, "{old} {new} {fail_on}\n{}", output.stdout);
    }
}

fn git(directory: &Path, arguments: &[&str]) {
    let output = Command::new("git")
        .args(["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main"])
        .args(arguments)
        .current_dir(directory)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_revision_is_compared_with_what_is_there() {
    let place = place(&[("sub/policies/a.cedar", OLD), ("sub/policies/notes.txt", "no policy")]);
    git(place.path(), &["init", "--quiet"]);
    git(place.path(), &["add", "."]);
    git(place.path(), &["commit", "--quiet", "--message", "policies"]);
    std::fs::write(place.path().join("sub/policies/a.cedar"), new()).unwrap();
    let sub = place.path().join("sub");
    let direct = run_in(&sub, &["diff", "HEAD", "policies"]).stdout;
    assert!(direct.contains("More permissive"), "{direct}");
    for arguments in [
        &["diff", "HEAD:policies", "policies"][..],
        &["diff", "main:policies/", "policies/"],
        &["diff", "HEAD:policies/a.cedar", "policies/a.cedar"],
    ] {
        let output = run_in(&sub, arguments);
        assert_eq!((output.status, &output.stdout), (0, &direct), "{arguments:?}\n{}", output.stderr);
    }
    for (arguments, told) in [
        (&["diff", "HEAD", "HEAD"][..], "it is not said of which policies"),
        (&["diff", "HEAD:nowhere", "policies"], "has no file that ends in `.cedar`"),
        (&["diff", "nowhere", "policies"], "no git revision"),
        (&["diff", "HEAD", "pack:baseline"], "is a pack, which no revision has"),
        (&["diff", "--output=x", "policies"], "unexpected argument"),
        (&["diff", "-x:policies", "policies"], "unexpected argument"),
    ] {
        let output = run_in(&sub, arguments);
        assert!(output.status != 0 && output.stderr.contains(told), "{arguments:?}\n{}", output.stderr);
    }
}

#[test]
fn invalid_policies_are_told_as_always() {
    let place = place(&[("old/a.cedar", OLD), ("new/a.cedar", "permit (principal, action, resource);")]);
    let output = run_in(place.path(), &["diff", "old", "new"]);
    assert_eq!(output.status, 3);
    assert!(output.stderr.contains("this policy has no `@id`"), "{}", output.stderr);
}

#[test]
fn a_pack_is_no_wider_than_itself() {
    let output = run(&["diff", "pack:baseline", "policies/baseline", "--fail-on", "any"]);
    assert_eq!(output.status, 0, "{}", output.stdout);
}

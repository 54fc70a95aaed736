//! `findings-gate replay`

use crate::{
    audit::sealed,
    support::{golden, place, run_in, run_in_with},
};
use findings_gate::audit::Seal;

const ACCOUNTS: &str = r#"
administrator = "111111111111"
[[member]]
account = "222222222222"
name = "payments"
"#;

const SEARCH: &str = r#"
[[member]]
account = "333333333333"
name = "search"
"#;

const NEW: &str = r#"
@id("members-triage")
permit (principal is Member, action in Action::"Triage", resource);

@id("members-link-tickets")
permit (principal is Member, action == Action::"UserDefinedFields", resource)
when { context.key == "ticket" && context.value like "SEC-*" };

@id("members-do-not-notify")
@enforce("reject")
forbid (principal is Member, action == Action::"Workflow.Status", resource)
when { context.value == WorkflowStatus::"NOTIFIED" && resource.severity.rank >= 3 };
"#;

fn files(accounts: &str) -> tempfile::TempDir {
    place(&[("audit.jsonl", &sealed(&Seal::open()).concat()), ("accounts.toml", accounts), ("new/a.cedar", NEW)])
}

const ARGUMENTS: [&str; 5] = ["replay", "--policies", "new", "--accounts", "accounts.toml"];

#[test]
fn what_would_be_otherwise_is_told_and_what_cannot_be_said() {
    let place = files(ACCOUNTS);
    for format in ["human", "markdown", "json"] {
        let output = run_in(place.path(), &[&ARGUMENTS[..], &["--format", format]].concat()).ends(0);
        assert_eq!(output.stderr, "");
        golden(&format!("audit/replay.{format}"), &output.stdout);
    }
}

#[test]
fn it_fails_on_what_it_is_told_to() {
    let place = files(&[ACCOUNTS, SEARCH].concat());
    for (arguments, status) in [
        (&["--fail-on", "widened"][..], 2),
        (&["--fail-on", "narrowed"], 2),
        (&["--fail-on", "enforcement"], 0),
        (&["--fail-on", "any"], 2),
        (&["--fail-on-undecided"], 2),
        (&[], 0),
        // Compared with itself, nothing moves.
        (&["--old", "new", "--fail-on", "any"], 0),
    ] {
        let output = run_in(place.path(), &[&ARGUMENTS[..], arguments].concat());
        assert_eq!(output.status, status, "{arguments:?}\n{}{}", output.stdout, output.stderr);
    }
    run_in(place.path(), &["replay", "--policies", "new"]).ends(64);
    run_in(place.path(), &["replay", "--policies", "none", "--accounts", "accounts.toml"]).ends(3);
    run_in(place.path(), &[&ARGUMENTS[..], &["none.jsonl"]].concat()).ends(1);
}

#[test]
fn what_a_search_finds_can_be_replayed() {
    let place = files(&[ACCOUNTS, SEARCH].concat());
    let found = run_in(place.path(), &["audit", "grep", "--account", "333333333333", "--format", "json"]).ends(0);
    let json = run_in_with(place.path(), &[&ARGUMENTS[..], &["--format", "json", "-"]].concat(), &found.stdout).json();
    assert_eq!(json["requests"], 1);
    assert_eq!(json["moved"][0]["direction"], "otherwise");
}

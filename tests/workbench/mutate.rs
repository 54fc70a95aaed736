//! `findings-gate mutate`

use crate::support::{golden, has_solver, place, run, run_in};

const POLICIES: &str = r#"
@id("members-triage")
permit (principal is Member, action == Action::"Workflow.Status", resource);

@id("criticals-stay-open")
@enforce("reject")
forbid (principal is Member, action == Action::"Workflow.Status", resource)
when { context.value == WorkflowStatus::"RESOLVED" && resource.severity.rank >= 4 };
"#;

/// It misses where the line is drawn, and what the administrator may.
const SUITE: &str = r#"
callers:
  team: { role: member, account: "222222222222" }
findings:
  low: { account: "222222222222", severity: LOW }
  critical: { account: "222222222222", severity: CRITICAL }
matrix:
  - name: statuses
    callers: [team]
    findings: [low, critical]
    set: Workflow.Status
    expect:
      NEW: forwarded
      NOTIFIED: forwarded
      RESOLVED: [[forwarded, rejected by criticals-stay-open]]
      SUPPRESSED: forwarded
"#;

#[test]
fn a_gap_is_printed_as_a_case_that_closes_it() {
    if !has_solver() {
        return;
    }
    let place = place(&[("a.cedar", POLICIES), ("a.test.yaml", SUITE)]);
    let output = run_in(place.path(), &["mutate"]);
    assert_eq!((output.status, output.stderr.as_str()), (0, ""));
    golden("mutate/gaps.human", &output.stdout);
    let output = run_in(place.path(), &["mutate", "--min-score", "100"]);
    assert_eq!(output.status, 2);
    assert!(output.stderr.contains("expected at least 100 %"), "{}", output.stderr);

    // The cases that it prints, pasted.
    let cases = output.stdout.lines().filter(|line| line.starts_with("  - name") || line.starts_with("    "));
    let cases: Vec<&str> = cases.filter(|line| !line.starts_with("     ")).collect();
    let suite = format!("{SUITE}cases:\n{}\n", cases.join("\n"));
    std::fs::write(place.path().join("a.test.yaml"), suite).unwrap();
    let output = run_in(place.path(), &["test"]);
    assert_eq!(output.status, 0, "{}{}", output.stdout, output.stderr);
    let output = run_in(place.path(), &["mutate"]);
    assert!(output.stdout.contains(" 0 gaps"), "{}", output.stdout);
}

#[test]
fn the_fate_of_each_mutant_is_there_for_programs() {
    let place = place(&[("a.cedar", POLICIES), ("a.test.yaml", SUITE)]);
    let output = run_in(place.path(), &["mutate", "--format", "json", "--policy", "criticals-stay-open"]);
    let told: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
    let mutants = told["mutants"].as_array().unwrap();
    assert_eq!(told["version"], 1);
    assert!(mutants.iter().all(|mutant| mutant["policy"] == "criticals-stay-open"));
    let of = |what: &str| mutants.iter().find(|mutant| mutant["what"] == what).unwrap();
    assert_eq!(of("leave the policy out")["fate"], "killed");
    assert_eq!(of("leave the policy out")["by"], "statuses: team, RESOLVED, critical");
    assert_eq!(of("`4` to `3`")["fate"], "gap");
    let killed = mutants.iter().filter(|mutant| mutant["fate"] == "killed").count();
    assert_eq!(told["counts"]["killed"], killed);
}

#[test]
fn tests_that_fail_or_are_none_measure_nothing() {
    let failing = SUITE.replace("NEW: forwarded", "NEW: rejected");
    for (suite, told) in [
        (failing.as_str(), "the tests fail as the policies are (statuses: team, NEW, low)"),
        ("cases: []", "a.test.yaml is no suite that can be run"),
    ] {
        let place = place(&[("a.cedar", POLICIES), ("a.test.yaml", suite)]);
        let output = run_in(place.path(), &["mutate"]);
        assert_eq!(output.status, 2, "{}", output.stdout);
        assert!(output.stderr.contains(told), "{}", output.stderr);
    }
    let place = place(&[("a.cedar", POLICIES), ("a.test.yaml", SUITE)]);
    let output = run_in(place.path(), &["mutate", "--policy", "nobody"]);
    assert_eq!(output.status, 2);
    assert!(output.stderr.contains("there is no policy of that name"), "{}", output.stderr);
    let output = run_in(place.path(), &["mutate", "nowhere"]);
    assert!(output.status == 2 && output.stderr.contains("cannot read `nowhere`"), "{}", output.stderr);
}

#[test]
fn no_slip_in_a_pack_goes_unnoticed() {
    if !has_solver() {
        return;
    }
    let output = run(&["mutate", "policies/strict", "--min-score", "100"]);
    assert_eq!(output.status, 0, "{}{}", output.stdout, output.stderr);
    assert!(output.stdout.contains("allows and denies the same (proved)"), "{}", output.stdout);
}

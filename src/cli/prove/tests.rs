//! What needs a solver that runs, and no process of the whole program.

use crate::{
    cli::solver::{Running, Settings},
    finding::{Action, Enforcement, Role},
    policy::{PolicyText, Rule, load, pack, schema},
    workbench::prove::{Answer, Compared, Difference, Prover, compare},
};
use std::{future::Future, time::Duration};

/// A prover with the solver that there is. Where tests must not be left out, there has to be one.
fn prover() -> Option<Prover<Running>> {
    let settings = Settings::new(None, Duration::from_mins(1));
    match on_a_runtime(settings.introduce()) {
        Ok(_) => Some(Prover::new(move || settings.start())),
        Err(why) => {
            assert!(std::env::var_os("CI").is_none(), "{why}, and this is CI");
            None
        }
    }
}

fn on_a_runtime<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

fn rules(text: &str) -> Vec<Rule> {
    load(&[PolicyText { name: "test.cedar".to_owned(), text: text.to_owned() }]).unwrap().rules().to_vec()
}

const OLD: &str = r#"
    @id("triage") permit (principal is Member, action in Action::"Triage", resource);
    @id("own") forbid (principal is Member, action, resource) unless { resource in principal.account };
    @id("false") forbid (principal is Member, action == Action::"VerificationState", resource)
    when { context.value == VerificationState::"FALSE_POSITIVE" };
    @id("noted") @enforce("reject") forbid (principal is Member, action == Action::"Workflow.Status", resource)
    when { context.value == WorkflowStatus::"RESOLVED" && resource.severity.label == SeverityLabel::"CRITICAL" }
    unless { context has note };"#;

#[test]
fn two_sets_are_compared_in_both_directions_and_every_difference_is_replayed() {
    let Some(mut prover) = prover() else { return };
    // One slip widens, one rule narrows, and one is only written differently.
    let new = OLD
        .replace(r#"SeverityLabel::"CRITICAL" }"#, r#"SeverityLabel::"HIGH" }"#)
        .replace(r#"when { context.value == VerificationState::"FALSE_POSITIVE" }"#,
            r#"unless { context.value != VerificationState::"FALSE_POSITIVE" && context.value != VerificationState::"UNKNOWN" }"#)
        .replace("unless { resource in principal.account }", "when { !(resource in principal.account) }");
    let compared = on_a_runtime(compare(&mut prover, &rules(OLD), &rules(&new), Enforcement::Reject));
    assert_eq!(compared.len(), 2 * Action::ALL.len());
    let changed: Vec<(Role, Action, bool, bool)> = compared
        .iter()
        .filter(|one| !one.wider.is_none() || !one.narrower.is_none())
        .map(|one| (one.role, one.action, one.wider.witness().is_some(), one.narrower.witness().is_some()))
        .collect();
    assert_eq!(
        changed,
        [(Role::Member, Action::VerificationState, false, true), (Role::Member, Action::WorkflowStatus, true, true)],
        "{compared:#?}"
    );
    let of = |action| compared.iter().find(|one: &&Compared| (one.role, one.action) == (Role::Member, action)).unwrap();
    let wider = of(Action::WorkflowStatus).wider.witness().unwrap();
    assert_eq!(wider.example.finding.severity.unwrap().label.as_str(), "CRITICAL");
    assert_eq!(wider.example.call.members().len(), 1, "{wider:?}");
    let narrower = of(Action::VerificationState).narrower.witness().unwrap();
    assert_eq!(narrower.example.call.members()["VerificationState"], "UNKNOWN");
}

#[test]
fn a_set_that_may_fail_is_not_said_to_be_the_same() {
    let Some(mut prover) = prover() else { return };
    let old = r#"@id("all") permit (principal, action, resource);"#;
    // To logic it never forbids; to the gate it denies where it fails.
    let new = format!(
        r#"{old} @id("fails") forbid (principal is Member, action == Action::"Confidence", resource)
           when {{ resource has confidence && resource.confidence * 2 == 3 }};"#
    );
    let compared = on_a_runtime(compare(&mut prover, &rules(old), &rules(&new), Enforcement::Reject));
    let one = compared.iter().find(|one| (one.role, one.action) == (Role::Member, Action::Confidence)).unwrap();
    assert!(one.wider.is_none(), "{one:?}");
    assert!(matches!(&one.narrower, Difference::Unproved { why, .. } if why.contains("`fails` may fail")), "{one:?}");
}

#[test]
fn packs_that_did_not_change_need_no_solver() {
    let rules = load(&pack("baseline").unwrap()).unwrap().rules().to_vec();
    let mut prover: Prover<Running> = Prover::new(|| Err("there is none".to_owned()));
    let compared = on_a_runtime(compare(&mut prover, &rules, &rules, Enforcement::Reject));
    assert!(compared.iter().all(|one| one.wider.is_none() && one.narrower.is_none()));
    assert_eq!(prover.asked(), 0);
}

#[test]
fn a_prover_answers_about_policies() {
    let Some(mut prover) = prover() else { return };
    let policies = |text: &str| rules(text).into_iter().map(|rule| rule.policy).collect::<Vec<_>>();
    let permit = |id: &str, when: &str| {
        policies(&format!(
            r#"@id("{id}") permit (principal is Member, action == Action::"Confidence", resource) when {{ {when} }};"#
        ))
    };
    let env = schema()
        .request_envs()
        .find(|env| env.principal().to_string() == "Member" && env.action().id().unescaped() == "Confidence")
        .unwrap();
    let (all, low, high) = (
        permit("a", "true || context.value > 1"),
        permit("b", "context.value < 50"),
        permit("c", "context.value >= 50"),
    );
    on_a_runtime(async {
        assert!(prover.implies(&env, &low, &all).await.holds());
        assert!(matches!(prover.implies(&env, &all, &low).await, Answer::Fails(_)));
        assert!(prover.disjoint(&env, &low, &high).await.holds());
        assert!(matches!(prover.disjoint(&env, &low, &all).await, Answer::Fails(_)));
        // Only because no confidence is greater, which the proxy sees to.
        let all_there_are = permit("d", "context.value <= 100");
        assert!(prover.equivalent(&env, &all, &all_there_are).await.holds());
        assert!(matches!(prover.equivalent(&env, &all, &high).await, Answer::Fails(_)));
        assert!(prover.never_matches(&env, &permit("e", "context.value > 100")[0]).await.holds());
        assert!(matches!(prover.never_matches(&env, &high[0]).await, Answer::Fails(_)));
        assert!(prover.never_errors(&env, &permit("f", "context.value * 1000 > 5")[0]).await.holds());
        let overflows = permit("g", "resource has confidence && resource.confidence * 1000 > 5");
        assert!(matches!(prover.never_errors(&env, &overflows[0]).await, Answer::Fails(_)));
    });
}

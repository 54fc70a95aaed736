//! Cedar passes over a policy that it cannot evaluate, so a forbid that fails no longer forbids. Five ways to get there,
//! each shown on a plain use of Cedar first (it allows), then on the gate (it denies).

use super::{PAYMENTS, accounts, body, caller, now, snapshot};
use crate::{
    finding::{Accounts, BatchUpdate, Enforcement, Operation, Target},
    policy::{
        Answer, Engine, Judge, PolicyText, Question, Reason, Rule, Snapshot, SnapshotError, ask::Rules, evaluate, load,
        names, probe::Unknown, request,
    },
};
use cedar_policy::{Authorizer, Context, Decision, Entities, Entity, PolicySet, Request};
use std::{collections::HashSet, str::FromStr};

/// A request on which a member changes a stranger's finding, which a forbid stands against.
const PERMIT: &str = r#"@id("all") permit (principal, action, resource);"#;

fn rules(policies: &str) -> (Vec<Rule>, Rules) {
    let rules = load(&[PolicyText { name: "test.cedar".into(), text: policies.into() }]).unwrap().rules().to_vec();
    (rules.clone(), Rules::new(rules, Enforcement::Reject))
}

fn plain(policies: &[Rule]) -> PolicySet {
    PolicySet::from_policies(policies.iter().map(|rule| rule.policy.clone())).unwrap()
}

fn is_policy_error(answer: &Answer) -> bool {
    answer
        .denial()
        .is_some_and(|denial| denial.reason == Reason::PolicyError && denial.enforcement == Enforcement::Reject)
}

/// Runs `check` with a question of account 222222222222 about a finding of `owner`, in Cedar's terms.
fn with_question(owner: &str, members: &str, check: impl FnOnce(&Question<'_>, Request)) {
    let body = body(&[owner], members);
    let request = BatchUpdate::parse(body.as_bytes()).unwrap();
    let identifier = &request.identifiers[0];
    let target = Target { identifier, owner: identifier.owner().unwrap(), state: None, is_new: Some(false) };
    let changes = request.update.changes();
    let caller = caller(PAYMENTS);
    let kept = request.update.fields();
    let circumstances = request.update.circumstances(Operation::BatchUpdateFindings, now());
    let question =
        Question { caller: &caller, circumstances: &circumstances, change: &changes[0], kept, target: &target };
    let cedar = evaluate::cedar_request(&question, request::Parts::ALL, Some(crate::policy::schema())).unwrap();
    check(&question, cedar);
}

fn store(question: &Question<'_>, accounts: &Accounts) -> Entities {
    request::entities(question.caller, question.target, accounts).unwrap()
}

#[test]
fn a_caller_that_is_not_in_the_store() {
    let (policies, rules) = rules(&format!(
        r#"{PERMIT} @id("reach") forbid (principal is Member, action, resource) unless {{ resource in principal.account }};"#
    ));
    with_question("999999999999", r#""Confidence":1"#, |question, cedar| {
        let whole = store(question, &accounts());
        let principal = names::caller_uid(question.caller);
        let without =
            Entities::from_entities(whole.iter().filter(|entity| entity.uid() != principal).cloned(), None).unwrap();
        let naive = Authorizer::new().is_authorized(&cedar, &plain(&policies), &without);
        assert_eq!(naive.decision(), Decision::Allow, "the forbid failed and was passed over");
        assert!(is_policy_error(&rules.ask(&plain(&policies), &cedar, &without, Unknown::Nothing).answer));
        assert_eq!(
            rules.ask(&plain(&policies), &cedar, &whole, Unknown::Nothing).answer.denial().unwrap().reason,
            Reason::Forbidden
        );
    });
}

#[test]
fn a_finding_without_its_attributes() {
    let (policies, rules) = rules(&format!(
        r#"{PERMIT} @id("frozen") forbid (principal, action, resource) when {{ resource.productArn like "*222222222222*" }};"#
    ));
    with_question(PAYMENTS, r#""Confidence":1"#, |question, cedar| {
        let finding = names::finding_uid(question.target.identifier);
        let owner = HashSet::from([names::account_uid(question.target.owner)]);
        let bare = Entity::new_no_attrs(finding.clone(), owner);
        let whole = store(question, &accounts());
        let others = whole.iter().filter(|entity| entity.uid() != finding).cloned();
        let all: Vec<Entity> = others.chain([bare]).collect();
        let without = Entities::from_entities(all.clone(), None).unwrap();
        let naive = Authorizer::new().is_authorized(&cedar, &plain(&policies), &without);
        assert_eq!(naive.decision(), Decision::Allow, "the forbid failed and was passed over");
        assert!(is_policy_error(&rules.ask(&plain(&policies), &cedar, &without, Unknown::Nothing).answer));
        // Such a store cannot come to be, either: stores are made against the schema once the finding is known.
        assert!(Entities::from_entities(all, Some(crate::policy::schema())).is_err());
        assert_eq!(
            rules.ask(&plain(&policies), &cedar, &whole, Unknown::Nothing).answer.denial().unwrap().reason,
            Reason::Forbidden
        );
    });
}

#[test]
fn a_number_that_overflows() {
    let forbid = r#"@id("scaled") forbid (principal, action == Action::"Confidence", resource) when { context.value * 100000000000000000 > 10 };"#;
    let (policies, rules) = rules(&format!("{PERMIT}{forbid}"));
    with_question(PAYMENTS, r#""Confidence":100"#, |question, cedar| {
        let entities = store(question, &accounts());
        let naive = Authorizer::new().is_authorized(&cedar, &plain(&policies), &entities);
        assert_eq!(naive.decision(), Decision::Allow, "the forbid failed and was passed over");
        assert!(is_policy_error(&rules.ask(&plain(&policies), &cedar, &entities, Unknown::Nothing).answer));
        // The engine comes to the same answer by itself.
        let mut engine = Engine::new(snapshot(&format!("{PERMIT}{forbid}")));
        let verdict = engine.verdict(question);
        assert!(is_policy_error(&verdict.enforced));
        assert_eq!(verdict.enforced.denial().unwrap().policies, ["scaled".into()]);
    });
    // One that fails on a plain value is not served with at all.
    let always = forbid.replace("100000000000000000", "9223372036854775807");
    let loaded = load(&[PolicyText { name: "t".into(), text: format!("{PERMIT}{always}") }]).unwrap();
    let error = Snapshot::new(loaded.rules().to_vec(), accounts(), Enforcement::Reject).unwrap_err();
    assert!(
        matches!(&error, SnapshotError::Unanswerable { policies, .. } if **policies == ["scaled".into()]),
        "{error}"
    );
    assert!(error.to_string().contains("policy `scaled` cannot be evaluated"), "{error}");
}

/// Else a caller could choose a value that makes one policy fail, to get away from another's `refuse`.
#[test]
fn a_failure_does_not_soften_what_another_policy_says() {
    let overflows = r#"@id("scaled") forbid (principal, action == Action::"Confidence", resource) when { context.value * 100000000000000000 > 10 };"#;
    for (enforcement, expected) in
        [("strip", Enforcement::Reject), ("reject", Enforcement::Reject), ("refuse", Enforcement::Refuse)]
    {
        let forbids = format!(r#"@id("no") @enforce("{enforcement}") forbid (principal, action, resource);"#);
        with_question(PAYMENTS, r#""Confidence":100"#, |question, _| {
            let verdict = Engine::new(snapshot(&format!("{PERMIT}{overflows}{forbids}"))).verdict(question);
            let denial = verdict.enforced.denial().unwrap();
            assert_eq!((denial.reason, denial.enforcement), (Reason::PolicyError, expected));
            assert_eq!(denial.policies, ["scaled".into()]);
        });
    }
}

#[test]
fn a_stack_that_is_too_small() {
    let forbid = r#"@id("never") forbid (principal, action, resource) when { context has fields };"#;
    let (policies, rules) = rules(&format!("{PERMIT}{forbid}"));
    with_question(PAYMENTS, r#""Confidence":1"#, |question, cedar| {
        let entities = store(question, &accounts());
        let set = plain(&policies);
        // How much stack Cedar leaves unused depends on the build: somewhere between too little for any condition and
        // enough for all lies a size at which the permit, which has none, still answers.
        let mut fell_open = false;
        for kilobytes in (64..=512).step_by(16) {
            std::thread::scope(|scope| {
                let run = || {
                    (
                        Authorizer::new().is_authorized(&cedar, &set, &entities).decision(),
                        rules.ask(&set, &cedar, &entities, Unknown::Nothing).answer,
                    )
                };
                let thread = std::thread::Builder::new().stack_size(kilobytes * 1024).spawn_scoped(scope, run).unwrap();
                let (naive, ours) = thread.join().unwrap();
                fell_open |= naive == Decision::Allow;
                assert!(ours.denial().is_some(), "{kilobytes} KiB: {ours:?}");
            });
        }
        assert!(fell_open, "no stack size made the plain way fall open: this test shows nothing any more");
        assert_eq!(
            rules.ask(&set, &cedar, &entities, Unknown::Nothing).answer.denial().unwrap().reason,
            Reason::Forbidden
        );
    });
}

#[test]
fn a_condition_that_is_too_deep() {
    let terms = vec![r#"context.fields.contains(Field::"Confidence")"#; 3_000].join(" && ");
    let forbid = format!(r#"@id("deep") forbid (principal, action, resource) when {{ {terms} }};"#);
    let text = PolicyText { name: "deep.cedar".into(), text: format!("{PERMIT}{forbid}") };
    assert!(load(&[text]).is_err(), "the loader refuses it");
    // Even if it did not, it would deny: parse it as the loader never would, on a stack that is large enough for that.
    let parse = move || PolicySet::from_str(&format!("{PERMIT}{forbid}")).unwrap();
    let set = std::thread::Builder::new().stack_size(256 * 1024 * 1024).spawn(parse).unwrap().join().unwrap();
    let rules = Rules::new([], Enforcement::Reject);
    with_question(PAYMENTS, r#""Confidence":1"#, |question, cedar| {
        let entities = store(question, &accounts());
        std::thread::scope(|scope| {
            let run = || {
                (
                    Authorizer::new().is_authorized(&cedar, &set, &entities).decision(),
                    rules.ask(&set, &cedar, &entities, Unknown::Nothing).answer,
                )
            };
            let thread = std::thread::Builder::new().stack_size(1024 * 1024).spawn_scoped(scope, run).unwrap();
            let (naive, ours) = thread.join().unwrap();
            assert_eq!(naive, Decision::Allow, "the forbid failed and was passed over");
            assert!(is_policy_error(&ours), "{ours:?}");
        });
    });
}

#[test]
fn a_request_without_a_known_action_is_denied() {
    let (policies, rules) = rules(PERMIT);
    with_question(PAYMENTS, r#""Confidence":1"#, |question, _| {
        let action = "Action::\"Nothing\"".parse().unwrap();
        let (principal, resource) =
            (names::caller_uid(question.caller), names::finding_uid(question.target.identifier));
        let cedar = Request::new(principal, action, resource, Context::empty(), None).unwrap();
        assert!(is_policy_error(
            &rules.ask(&plain(&policies), &cedar, &store(question, &accounts()), Unknown::Nothing).answer
        ));
    });
}

//! What a verdict says: reasons, strictness, shadow, the digest.

use super::{
    ADMINISTRATOR, EMEA, EMEA_PAYMENTS, PAYMENTS, SEARCH, STRANGER, accounts, body, caller, caller_in, decide, fleets,
    now, snapshot,
};
use crate::{
    finding::{Accounts, BatchUpdate, Caller, Enforcement, Member, Operation, Target},
    gate::Fate,
    policy::{Answer, Engine, Judge, Naive, PolicyText, Question, Reason, Snapshot, Verdict, load},
};
use std::sync::Arc;

/// The verdict of both judges on the first change.
fn verdict(policies: &str, account: &str, owner: &str, members: &str) -> Verdict {
    let snapshot = snapshot(policies);
    let body = body(&[owner], members);
    let request = BatchUpdate::parse(body.as_bytes()).unwrap();
    let identifier = &request.identifiers[0];
    let target = Target { identifier, owner: identifier.owner().unwrap(), state: None, is_new: Some(false) };
    let changes = request.update.changes();
    let caller = caller(account);
    let circumstances = request.update.circumstances(Operation::BatchUpdateFindings, now());
    let question = Question {
        caller: &caller,
        circumstances: &circumstances,
        change: &changes[0],
        kept: request.update.fields(),
        target: &target,
    };
    let fast = Engine::new(snapshot.clone()).verdict(&question);
    assert_eq!(fast, Naive::new(snapshot).unwrap().verdict(&question));
    (*fast).clone()
}

const PERMIT: &str = r#"@id("all") permit (principal, action, resource);"#;

fn denied(verdict: &Verdict) -> (Reason, Enforcement, Vec<&str>) {
    let denial = verdict.enforced.denial().unwrap();
    (denial.reason, denial.enforcement, denial.policies.iter().map(|id| &**id).collect())
}

#[test]
fn no_grant_is_denied_by_default() {
    let only_admins = r#"@id("admins") permit (principal is Administrator, action, resource);"#;
    let verdict = verdict(only_admins, PAYMENTS, PAYMENTS, r#""Confidence":1"#);
    assert_eq!(denied(&verdict), (Reason::NoGrant, Enforcement::Reject, vec![]));
}

#[test]
fn a_grant_names_its_policies_in_order() {
    let policies = format!(r#"{PERMIT} @id("a") permit (principal, action == Action::"Confidence", resource);"#);
    let verdict = verdict(&policies, PAYMENTS, PAYMENTS, r#""Confidence":1"#);
    assert_eq!(verdict.enforced, Answer::Allowed { by: vec!["a".into(), "all".into()] });
    assert_eq!(verdict.shadow, None);
}

#[test]
fn of_several_forbids_the_strictest_counts_and_all_advise() {
    let forbid =
        |id: &str, annotations: &str| format!(r#"@id("{id}") {annotations} forbid (principal, action, resource);"#);
    for (annotations, expected) in [
        (vec![r#"@enforce("strip")"#], Enforcement::Strip),
        (vec![r#"@enforce("strip")"#, r#"@enforce("reject")"#], Enforcement::Reject),
        (vec![r#"@enforce("refuse")"#, r#"@enforce("strip")"#], Enforcement::Refuse),
        // Without the annotation it is the configured default, here reject.
        (vec![r#"@enforce("strip")"#, ""], Enforcement::Reject),
    ] {
        let forbids: String =
            annotations.iter().enumerate().map(|(at, text)| forbid(&format!("f{at}"), text)).collect();
        let verdict = verdict(&format!("{PERMIT}{forbids}"), PAYMENTS, PAYMENTS, r#""Confidence":1"#);
        let ids = ["f0", "f1"][..annotations.len()].to_vec();
        assert_eq!(denied(&verdict), (Reason::Forbidden, expected, ids));
    }
}

#[test]
fn shadow_policies_count_for_nothing_and_are_told() {
    let forbid = r#"@id("trial") @shadow @enforce("strip") forbid (principal is Member, action, resource);"#;
    let verdict_of = |account| verdict(&format!("{PERMIT}{forbid}"), account, PAYMENTS, r#""Confidence":1"#);
    let member = verdict_of(PAYMENTS);
    assert!(matches!(&member.enforced, Answer::Allowed { by } if **by == ["all".into()]));
    assert_eq!(member.shadow.unwrap().denial().unwrap().policies, ["trial".into()]);
    // Where it does not apply there is nothing to tell.
    assert_eq!(verdict_of(ADMINISTRATOR).shadow, None);
    // A permit can be tried, too.
    let permit = r#"@id("trial") @shadow permit (principal is Member, action, resource); @id("a") permit (principal is Administrator, action, resource);"#;
    let trial = verdict(permit, PAYMENTS, PAYMENTS, r#""Confidence":1"#);
    assert_eq!(trial.enforced.denial().unwrap().reason, Reason::NoGrant);
    assert!(matches!(trial.shadow, Some(Answer::Allowed { .. })));
}

#[test]
fn scopes_that_name_somebody_apply_to_nobody_else() {
    for (scope, payments, search) in [
        (r#"principal == Member::"arn:aws:iam::222222222222:role/triage""#, true, false),
        (r#"principal in Account::"222222222222""#, true, false),
        (r#"principal in Group::"pci""#, true, false),
        (r#"principal is Member in Group::"ou/prod""#, true, true),
        (r#"principal in Fleet::"111111111111""#, true, true),
        (r#"principal is Administrator in Group::"ou/prod""#, false, false),
    ] {
        let policies = format!(
            r#"@id("x") permit ({scope}, action in Action::"BatchUpdateFindings", resource);
               @id("other") permit (principal is Administrator, action, resource);"#
        );
        for (account, allowed) in [(PAYMENTS, payments), (SEARCH, search)] {
            let Ok(_) = load(&[PolicyText { name: "t".into(), text: policies.clone() }]) else { continue };
            let verdict = verdict(&policies, account, account, r#""Confidence":1"#);
            assert_eq!(matches!(verdict.enforced, Answer::Allowed { .. }), allowed, "{scope} {account}");
        }
    }
}

/// A proof puts its caller in groups, and neither its account nor a finding of that. A verdict is kept for that caller alone: not for one
/// with the same name and without the group.
#[test]
fn groups_of_a_proof_are_the_caller_s_own() {
    let body = body(&[PAYMENTS], r#""Confidence":1"#);
    let request = BatchUpdate::parse(body.as_bytes()).unwrap();
    for (condition, account, by_proof) in [
        (r#"principal in Group::"team/soc""#, PAYMENTS, true),
        (r#"principal in Group::"team/soc""#, ADMINISTRATOR, true),
        (r#"principal is Administrator in Group::"team/soc""#, ADMINISTRATOR, true),
        (r#"principal.account in Group::"team/soc""#, PAYMENTS, false),
        (r#"resource in Group::"team/soc""#, PAYMENTS, false),
    ] {
        let in_condition = format!(r#"@id("x") permit (principal, action, resource) when {{ {condition} }};"#);
        let mut policies = vec![in_condition];
        if condition.starts_with("principal ") {
            policies.push(format!(r#"@id("x") permit ({condition}, action, resource);"#));
        }
        for policies in policies {
            let snapshot = snapshot(&policies);
            let mut engine = Engine::new(snapshot);
            let without = caller(account);
            let with = Caller { groups: ["team/soc".into(), "pci".into()].into(), ..caller(account) };
            let other = Caller { groups: ["team/sock".into()].into(), ..caller(account) };
            for (caller, allowed) in
                [(&without, false), (&with, by_proof), (&other, false), (&with, by_proof), (&without, false)]
            {
                let enforcement = decide(&mut engine, caller, &request).fates[0].enforcement();
                assert_eq!(enforcement.is_none(), allowed, "{policies} {account} {:?}", caller.groups);
            }
        }
    }
}

/// Each account is in its own fleet, and an administrator's is its own.
#[test]
fn fleets_are_told_apart() {
    let body = body(&[ADMINISTRATOR, PAYMENTS, EMEA, EMEA_PAYMENTS, STRANGER], r#""Confidence":1"#);
    let request = BatchUpdate::parse(body.as_bytes()).unwrap();
    let everything = r#"@id("x") permit (principal, action, resource);"#;
    let own =
        r#"@id("x") permit (principal, action, resource) when { principal has fleet && resource in principal.fleet };"#;
    let of_emea = r#"@id("x") permit (principal in Fleet::"666666666666", action, resource in Fleet::"666666666666");"#;
    let foreign = r#"@id("x") permit (principal in Fleet::"111111111111", action, resource in Fleet::"666666666666");"#;
    for (policies, account, expected) in [
        // What is of another fleet, or of none, is not there, whatever policies say.
        (everything, ADMINISTRATOR, "aa---"),
        (everything, EMEA, "--aa-"),
        (everything, PAYMENTS, "aa---"),
        (own, ADMINISTRATOR, "aa---"),
        (own, EMEA, "--aa-"),
        (own, EMEA_PAYMENTS, "--dd-"),
        (of_emea, EMEA, "--aa-"),
        (of_emea, EMEA_PAYMENTS, "--aa-"),
        (of_emea, ADMINISTRATOR, "dd---"),
        (foreign, ADMINISTRATOR, "dd---"),
    ] {
        let rules = load(&[PolicyText { name: "t".into(), text: policies.into() }]).unwrap().rules().to_vec();
        let snapshot = Arc::new(Snapshot::new(rules, fleets(), Enforcement::Reject).unwrap());
        let caller = caller_in(&fleets(), account);
        let decision = decide(&mut Engine::new(snapshot), &caller, &request);
        let letter = |fate: &Fate<'_>| match (fate, fate.enforcement()) {
            (Fate::NotFound, _) => '-',
            (_, None) => 'a',
            _ => 'd',
        };
        let told: String = decision.fates.iter().map(letter).collect();
        assert_eq!(told, expected, "{account}: {policies}");
    }
}

#[test]
fn a_group_that_an_account_names_twice_counts_once() {
    let member = Member { name: String::new(), groups: vec!["pci".into(), "ou/prod".into(), "pci".into()] };
    let fleet = Accounts::new(ADMINISTRATOR.parse().unwrap(), [(PAYMENTS.parse().unwrap(), member)]);
    let text = r#"@id("group") permit (principal in Group::"pci", action, resource);"#;
    let rules = load(&[PolicyText { name: "t".into(), text: text.into() }]).unwrap().rules().to_vec();
    let snapshot = Arc::new(Snapshot::new(rules, Arc::new(fleet), Enforcement::Reject).unwrap());
    let body = body(&[PAYMENTS], r#""Confidence":1"#);
    let request = BatchUpdate::parse(body.as_bytes()).unwrap();
    let decision = decide(&mut Engine::new(snapshot), &caller(PAYMENTS), &request);
    assert_eq!(decision.fates[0].enforcement(), None);
}

#[test]
fn the_digest_tells_sets_apart_and_nothing_else() {
    let of = |texts: &[(&str, &str)], enforcement| {
        let texts: Vec<PolicyText> =
            texts.iter().map(|(name, text)| PolicyText { name: (*name).into(), text: (*text).into() }).collect();
        let rules = load(&texts).unwrap().rules().to_vec();
        Snapshot::new(rules, accounts(), enforcement).unwrap().digest().to_owned()
    };
    let other = r#"@id("other") permit (principal is Member, action, resource);"#;
    let both = format!("{PERMIT}\n{other}");
    let digest = of(&[("a.cedar", &both)], Enforcement::Reject);
    assert_eq!(digest.len(), 64);
    assert_eq!(of(&[("z.cedar", other), ("b.cedar", PERMIT)], Enforcement::Reject), digest);
    assert_ne!(of(&[("a.cedar", PERMIT)], Enforcement::Reject), digest);
    assert_ne!(of(&[("a.cedar", &both)], Enforcement::Strip), digest);
    assert_ne!(of(&[("a.cedar", &both.replace("is Member", "is Administrator"))], Enforcement::Reject), digest);
    // What annotations say counts, too.
    let shadowed = both.replace(r#"@id("other")"#, r#"@id("other") @shadow"#);
    assert_ne!(of(&[("a.cedar", &shadowed)], Enforcement::Reject), digest);
}

#[test]
fn a_warm_engine_asks_cedar_nothing() {
    let snapshot = snapshot(
        r#"@id("own") permit (principal is Member, action, resource) when { resource in principal.account };"#,
    );
    let mut engine = Engine::new(snapshot);
    let caller = caller(PAYMENTS);
    let owners = [PAYMENTS, SEARCH, PAYMENTS, SEARCH, PAYMENTS];
    let body = body(&owners, r#""Confidence":1,"Note":{"Text":"t","UpdatedBy":"u"}"#);
    let request = BatchUpdate::parse(body.as_bytes()).unwrap();
    decide(&mut engine, &caller, &request);
    // Two kinds of findings, two changes; what a note says is not read, so another note is no new question.
    assert_eq!(engine.questions_asked(), 4);
    let other = body.replace(r#""t""#, r#""another""#);
    let request = BatchUpdate::parse(other.as_bytes()).unwrap();
    decide(&mut engine, &caller, &request);
    assert_eq!(engine.questions_asked(), 4);
    engine.forget();
    decide(&mut engine, &caller, &request);
    assert_eq!(engine.questions_asked(), 8);
}

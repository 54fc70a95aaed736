use super::super::testing::{ADMINISTRATOR, PAYMENTS, Question, STRANGER, WEBSHOP, enforced};
use super::*;
use crate::finding::{Enforcement, SeverityLabel, VerificationState, WorkflowStatus};
use crate::policy::{Policies, load};
use cedar_policy::{Decision, Effect};
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn policies(name: &str) -> Policies {
    load(&pack(name).unwrap()).unwrap_or_else(|error| panic!("{name}: {:#?}", error.problems()))
}

/// A value for every action that a policy can be asked about, as the context holds it.
fn changes() -> Vec<(&'static str, Value)> {
    let entity = |kind: &str, id: &str| json!({ "type": kind, "id": id });
    let mut changes = vec![
        ("Note", json!({ "value": { "text": "seen", "updatedBy": "ana" } })),
        ("Severity.Normalized", json!({ "value": 40 })),
        ("Severity.Product", json!({ "value": { "__extn": { "fn": "decimal", "arg": "7.5" } } })),
        ("Confidence", json!({ "value": 50 })),
        ("Criticality", json!({ "value": 50 })),
        ("Types", json!({ "value": "Software and Configuration Checks" })),
        ("RelatedFindings", json!({ "id": "g", "productArn": "arn:aws:securityhub:eu-west-1::product/aws/guardduty" })),
        ("UserDefinedFields", json!({ "key": "ticket", "value": "SEC-7" })),
        ("UserDefinedFields", json!({ "key": "ticket/jira", "value": "SEC-7" })),
        ("UserDefinedFields", json!({ "key": "tickets", "value": "SEC-7" })),
        ("UserDefinedFields", json!({ "key": "Ticket", "value": "SEC-7" })),
        ("UserDefinedFields", json!({ "key": "owner", "value": "ana" })),
    ];
    changes.extend(
        WorkflowStatus::ALL
            .iter()
            .map(|v| ("Workflow.Status", json!({ "value": entity("WorkflowStatus", v.as_str()) }))),
    );
    changes.extend(
        VerificationState::ALL
            .iter()
            .map(|v| ("VerificationState", json!({ "value": entity("VerificationState", v.as_str()) }))),
    );
    changes.extend(
        SeverityLabel::ALL
            .iter()
            .map(|v| ("Severity.Label", json!({ "value": entity("SeverityLabel", v.as_str()), "rank": v.rank() }))),
    );
    changes
}

/// The value or key that a policy looks at, for the tables below.
fn word(context: &Value) -> &str {
    let text = context["key"].as_str().or_else(|| context["value"]["id"].as_str());
    text.unwrap_or_default()
}

fn ids<const N: usize>(ids: [&str; N]) -> BTreeSet<String> {
    ids.map(String::from).into()
}

/// Asks for every change and compares decision and deciding policies with what the table says.
fn assert_verdicts(
    pack: &str,
    from: &'static str,
    on: &'static str,
    expected: impl Fn(&str, &str) -> (Decision, BTreeSet<String>),
) {
    let policies = enforced(&policies(pack));
    for (action, context) in changes() {
        let (decision, deciding) = expected(action, word(&context));
        let question = Question::new(from, on, action, context);
        assert_eq!(question.ask(&policies), (decision, deciding, 0), "{pack}: {question:?}");
    }
}

fn baseline_member(action: &str, word: &str) -> (Decision, BTreeSet<String>) {
    use Decision::{Allow, Deny};
    match (action, word) {
        ("Workflow.Status", "SUPPRESSED") => (Deny, ids(["members-do-not-suppress"])),
        ("VerificationState", "FALSE_POSITIVE") => (Deny, ids(["members-do-not-declare-false-positives"])),
        ("Workflow.Status" | "VerificationState" | "Note", _) => (Allow, ids(["members-triage"])),
        ("UserDefinedFields", "ticket" | "ticket/jira") => (Allow, ids(["members-link-tickets"])),
        ("UserDefinedFields", _) => (Deny, ids(["members-write-only-ticket-keys"])),
        ("Severity.Label" | "Severity.Normalized" | "Severity.Product", _) => {
            (Deny, ids(["members-do-not-change-severity"]))
        }
        ("Confidence" | "Criticality", _) => (Deny, ids(["members-do-not-score"])),
        ("Types", _) => (Deny, ids(["members-do-not-classify"])),
        ("RelatedFindings", _) => (Deny, ids(["members-do-not-relate-findings"])),
        other => panic!("no row for {other:?}"),
    }
}

fn strict_member(action: &str, _: &str) -> (Decision, BTreeSet<String>) {
    use Decision::{Allow, Deny};
    match action {
        "Note" => (Allow, ids(["members-note"])),
        "Workflow.Status" | "VerificationState" => (Deny, ids(["members-do-not-triage"])),
        _ => (Deny, ids(["members-write-only-notes"])),
    }
}

#[test]
fn the_table_of_changes_covers_the_schema() {
    let asked: BTreeSet<_> = changes().into_iter().map(|(action, _)| action.to_owned()).collect();
    let schema = crate::policy::schema();
    let leaves = schema.request_envs().map(|environment| environment.action().id().unescaped().to_owned());
    assert_eq!(asked, leaves.collect());
}

#[test]
fn members_of_the_baseline_triage_their_own_findings() {
    assert_verdicts("baseline", PAYMENTS, PAYMENTS, baseline_member);
}

#[test]
fn members_of_the_strict_pack_write_notes() {
    assert_verdicts("strict", PAYMENTS, PAYMENTS, strict_member);
}

#[test]
fn members_reach_no_other_account() {
    for (pack, own) in [("baseline", baseline_member as fn(&str, &str) -> _), ("strict", strict_member)] {
        for elsewhere in [WEBSHOP, ADMINISTRATOR, STRANGER] {
            assert_verdicts(pack, PAYMENTS, elsewhere, |action, word| {
                let (decision, mut deciding) = own(action, word);
                if decision == Decision::Allow {
                    deciding.clear();
                }
                deciding.insert("members-stay-in-their-account".to_owned());
                (Decision::Deny, deciding)
            });
        }
    }
}

#[test]
fn administrators_change_everything_in_their_fleet_and_nothing_beyond() {
    for pack in PACKS {
        for account in [ADMINISTRATOR, PAYMENTS, WEBSHOP] {
            assert_verdicts(pack, ADMINISTRATOR, account, |_, _| {
                (Decision::Allow, ids(["administrators-change-everything"]))
            });
        }
        assert_verdicts(pack, ADMINISTRATOR, STRANGER, |_, _| {
            (Decision::Deny, ids(["administrators-stay-in-their-fleet"]))
        });
    }
}

#[test]
fn every_forbid_says_what_it_does_and_what_to_do_instead() {
    use Enforcement::{Reject, Strip};
    for (pack, rejects, strips) in [
        (
            "baseline",
            &[
                "administrators-stay-in-their-fleet",
                "members-do-not-declare-false-positives",
                "members-do-not-suppress",
                "members-stay-in-their-account",
            ][..],
            &[
                "members-do-not-change-severity",
                "members-do-not-classify",
                "members-do-not-relate-findings",
                "members-do-not-score",
                "members-write-only-ticket-keys",
            ][..],
        ),
        (
            "strict",
            &["administrators-stay-in-their-fleet", "members-do-not-triage", "members-stay-in-their-account"],
            &["members-write-only-notes"],
        ),
    ] {
        let policies = policies(pack);
        let forbids = || policies.rules().iter().filter(|rule| rule.effect == Effect::Forbid);
        let with = |enforcement| -> Vec<&str> {
            forbids().filter(|rule| rule.enforcement == Some(enforcement)).map(|rule| rule.id.as_ref()).collect()
        };
        assert_eq!(with(Reject), rejects);
        assert_eq!(with(Strip), strips);
        assert_eq!(forbids().count(), rejects.len() + strips.len());
        assert!(forbids().all(|rule| rule.advice.is_some()));
        assert!(policies.rules().iter().all(|rule| !rule.shadow));
    }
}

#[test]
fn the_packs_hold_every_file_of_their_directories() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in PACKS {
        let mut on_disk: Vec<_> = std::fs::read_dir(root.join("policies").join(name))
            .unwrap()
            .map(|file| format!("policies/{name}/{}", file.unwrap().file_name().to_str().unwrap()))
            .collect();
        on_disk.sort();
        assert_eq!(pack(name).unwrap().into_iter().map(|file| file.name).collect::<Vec<_>>(), on_disk);
    }
    assert!(pack("none").is_none());
}

#[test]
fn what_the_packs_share_is_the_same() {
    let rules = |name: &str| policies(name).rules().to_vec();
    let (baseline, strict) = (rules("baseline"), rules("strict"));
    let mut shared = BTreeSet::new();
    for a in &baseline {
        for b in strict.iter().filter(|b| b.id == a.id) {
            assert_eq!((&a.policy, &a.advice, a.enforcement), (&b.policy, &b.advice, b.enforcement));
            shared.insert(a.id.to_string());
        }
    }
    let expected =
        ["administrators-change-everything", "administrators-stay-in-their-fleet", "members-stay-in-their-account"];
    assert_eq!(shared, ids(expected));
}

#[test]
fn the_policies_of_the_manual_load_beside_the_baseline() {
    let manual = include_str!("../../../policies/README.md");
    let examples = manual.split("```cedar\n").skip(1).filter_map(|rest| rest.split("```").next());
    let mut texts = pack("baseline").unwrap();
    texts.extend(examples.map(|text| PolicyText { name: "policies/README.md".to_owned(), text: text.to_owned() }));
    let policies = load(&texts).unwrap_or_else(|error| panic!("{:#?}", error.problems()));
    assert!(policies.rule("resolving-needs-a-ticket").is_some_and(|rule| !rule.shadow));
    assert!(policies.rule("production-keeps-its-severity").is_some_and(|rule| rule.shadow));
}

#[test]
fn two_packs_at_once_are_refused_by_their_names() {
    let both: Vec<_> = PACKS.iter().flat_map(|name| pack(name).unwrap()).collect();
    let error = load(&both).unwrap_err();
    assert_eq!(error.problems().len(), 3);
    assert!(
        error
            .problems()
            .iter()
            .all(|problem| problem.message.contains("is used twice: here and at policies/baseline/"))
    );
}

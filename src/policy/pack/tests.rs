use super::super::testing::{ADMINISTRATOR, PAYMENTS, Question, STRANGER, WEBSHOP, enforced};
use super::*;
use crate::finding::{Enforcement, RecordState, SeverityLabel, VerificationState, WorkflowStatus};
use crate::policy::{PROPERTIES, Policies, built_in, load, load_properties};
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
        ("Types.Remove", json!({ "value": "Effects" })),
        ("RelatedFindings", json!({ "id": "g", "productArn": "arn:aws:securityhub:eu-west-1::product/aws/guardduty" })),
        (
            "RelatedFindings.Remove",
            json!({ "id": "g", "productArn": "arn:aws:securityhub:eu-west-1::product/aws/guardduty" }),
        ),
        ("UserDefinedFields", json!({ "key": "ticket", "value": "SEC-7" })),
        ("UserDefinedFields", json!({ "key": "ticket/jira", "value": "SEC-7" })),
        ("UserDefinedFields", json!({ "key": "tickets", "value": "SEC-7" })),
        ("UserDefinedFields", json!({ "key": "Ticket", "value": "SEC-7" })),
        // The finding has the owner `ana`.
        ("UserDefinedFields", json!({ "key": "owner", "value": "ana" })),
        ("UserDefinedFields", json!({ "key": "owner", "value": "bob" })),
        ("UserDefinedFields.Remove", json!({ "key": "ticket", "value": "SEC-7" })),
        ("UserDefinedFields.Remove", json!({ "key": "owner", "value": "ana" })),
        ("Import", json!({})),
    ];
    let words = |kind: &'static str, words: Vec<&'static str>| {
        words.into_iter().map(move |word| json!({ "value": entity(kind, word) }))
    };
    let all = WorkflowStatus::ALL.iter().map(|word| word.as_str()).collect();
    changes.extend(words("WorkflowStatus", all).map(|value| ("Workflow.Status", value)));
    let all = VerificationState::ALL.iter().map(|word| word.as_str()).collect();
    changes.extend(words("VerificationState", all).map(|value| ("VerificationState", value)));
    let all = RecordState::ALL.iter().map(|word| word.as_str()).collect();
    changes.extend(words("RecordState", all).map(|value| ("RecordState", value)));
    changes.extend(
        SeverityLabel::ALL
            .iter()
            .map(|v| ("Severity.Label", json!({ "value": entity("SeverityLabel", v.as_str()), "rank": v.rank() }))),
    );
    changes
}

/// The value or key that a policy looks at, for the tables below.
fn word(context: &Value) -> String {
    match (context["key"].as_str(), context["value"]["id"].as_str()) {
        (Some(key), _) => format!("{key}={}", context["value"].as_str().unwrap_or_default()),
        (None, word) => word.unwrap_or_default().to_owned(),
    }
}

fn ids<const N: usize>(ids: [&str; N]) -> BTreeSet<String> {
    ids.map(String::from).into()
}

/// What a table says of a change: the decision, and the policies that make it.
type Expected = (Decision, BTreeSet<String>);

fn allow<const N: usize>(policies: [&str; N]) -> Expected {
    (Decision::Allow, ids(policies))
}

fn deny<const N: usize>(policies: [&str; N]) -> Expected {
    (Decision::Deny, ids(policies))
}

const UPDATE: &str = "BatchUpdateFindings";
const IMPORT: &str = "BatchImportFindings";

/// Asks for every change and compares decision and deciding policies with what the table says.
fn assert_verdicts(
    pack: &str,
    operation: &str,
    from: &'static str,
    on: &'static str,
    expected: impl Fn(&str, &str) -> Expected,
) {
    let policies = enforced(&policies(pack));
    for (action, mut context) in changes() {
        // What an update does not ask.
        if operation == UPDATE && matches!(action, "Import" | "RecordState") {
            continue;
        }
        let (decision, deciding) = expected(action, &word(&context));
        context["operation"] = json!({ "type": "Operation", "id": operation });
        let question = Question::new(from, on, action, context);
        assert_eq!(question.ask(&policies), (decision, deciding, 0), "{pack}: {question:?}");
    }
}

fn baseline_member(action: &str, word: &str) -> Expected {
    match (action, word) {
        ("Workflow.Status", "SUPPRESSED") => deny(["members-do-not-suppress"]),
        ("VerificationState", "FALSE_POSITIVE") => deny(["members-do-not-declare-false-positives"]),
        ("Workflow.Status" | "VerificationState" | "Note", _) => allow(["members-triage"]),
        ("UserDefinedFields", "owner=ana") => allow(["members-keep-other-keys"]),
        ("UserDefinedFields", "ticket=SEC-7" | "ticket/jira=SEC-7") | ("UserDefinedFields.Remove", "ticket=SEC-7") => {
            allow(["members-link-tickets"])
        }
        ("UserDefinedFields" | "UserDefinedFields.Remove", _) => deny(["members-write-only-ticket-keys"]),
        ("Severity.Label" | "Severity.Normalized" | "Severity.Product", _) => deny(["members-do-not-change-severity"]),
        ("Confidence" | "Criticality", _) => deny(["members-do-not-score"]),
        ("Types" | "Types.Remove", _) => deny(["members-do-not-classify"]),
        ("RelatedFindings" | "RelatedFindings.Remove", _) => deny(["members-do-not-relate-findings"]),
        other => panic!("no row for {other:?}"),
    }
}

/// What a provider that a member runs says of its own findings.
fn importing_member(action: &str, word: &str) -> Expected {
    match (action, word) {
        ("RecordState", "ACTIVE") => allow(["members-import-active-findings"]),
        ("RecordState" | "Types.Remove" | "RelatedFindings.Remove", _) => deny([]),
        (
            "Import"
            | "Severity.Label"
            | "Severity.Normalized"
            | "Severity.Product"
            | "Confidence"
            | "Criticality"
            | "Types"
            | "RelatedFindings",
            _,
        ) => allow(["members-import"]),
        _ => baseline_member(action, word),
    }
}

fn strict_member(action: &str, _: &str) -> Expected {
    match action {
        "Note" => allow(["members-note"]),
        "Workflow.Status" | "VerificationState" => deny(["members-do-not-triage"]),
        "Import" | "RecordState" => deny([]),
        _ => deny(["members-write-only-notes"]),
    }
}

/// The finding is NEW and MEDIUM, and no note and no UserDefinedFields come with a status.
fn transitions_member(action: &str, word: &str) -> Expected {
    match (action, word) {
        ("Workflow.Status", "SUPPRESSED") => {
            deny(["members-do-not-suppress", "suppression-expires", "suppression-needs-a-ticket"])
        }
        ("Workflow.Status", "RESOLVED") => deny(["members-resolve-what-was-notified"]),
        ("Severity.Label", "INFORMATIONAL" | "LOW") => deny(["members-do-not-lower-severity"]),
        ("Severity.Label", _) => allow(["members-raise-severity"]),
        ("Severity.Normalized", _) => allow(["members-raise-normalized-severity"]),
        ("UserDefinedFields", "owner=ana") => allow(["members-keep-other-keys"]),
        ("UserDefinedFields", "ticket=SEC-7" | "ticket/jira=SEC-7") | ("UserDefinedFields.Remove", "ticket=SEC-7") => {
            allow(["members-link-tickets"])
        }
        ("VerificationState", "FALSE_POSITIVE") => deny(["members-do-not-declare-false-positives"]),
        ("Workflow.Status" | "VerificationState" | "Note", _) => allow(["members-triage"]),
        _ => deny([]),
    }
}

fn transitions_importing_member(action: &str, word: &str) -> Expected {
    match (action, word) {
        ("Severity.Label", "INFORMATIONAL" | "LOW") => allow(["members-import"]),
        ("Severity.Label", _) => allow(["members-import", "members-raise-severity"]),
        ("Severity.Normalized", _) => allow(["members-import", "members-raise-normalized-severity"]),
        ("Workflow.Status" | "VerificationState" | "Note" | "UserDefinedFields" | "UserDefinedFields.Remove", _) => {
            transitions_member(action, word)
        }
        _ => importing_member(action, word),
    }
}

/// Each pack with what it says of a member's own findings, updated and imported.
type Rows = fn(&str, &str) -> Expected;
const MEMBERS: [(&str, Rows, Rows); 3] = [
    ("baseline", baseline_member, importing_member),
    ("strict", strict_member, strict_member),
    ("transitions", transitions_member, transitions_importing_member),
];

#[test]
fn the_table_of_changes_covers_the_schema() {
    let asked: BTreeSet<_> = changes().into_iter().map(|(action, _)| action.to_owned()).collect();
    let schema = crate::policy::schema();
    let leaves = schema.request_envs().map(|environment| environment.action().id().unescaped().to_owned());
    assert_eq!(asked, leaves.collect());
    assert_eq!(MEMBERS.map(|(pack, ..)| pack), PACKS);
}

#[test]
fn members_change_what_the_manual_says() {
    for (pack, updating, importing) in MEMBERS {
        assert_verdicts(pack, UPDATE, PAYMENTS, PAYMENTS, updating);
        assert_verdicts(pack, IMPORT, PAYMENTS, PAYMENTS, importing);
    }
}

#[test]
fn members_reach_no_other_account() {
    for (pack, updating, importing) in MEMBERS {
        for elsewhere in [WEBSHOP, ADMINISTRATOR, STRANGER] {
            for (operation, own) in [(UPDATE, updating), (IMPORT, importing)] {
                assert_verdicts(pack, operation, PAYMENTS, elsewhere, |action, word| {
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
}

/// What holds for the administrator, too.
fn administrator(pack: &str, action: &str, word: &str) -> Expected {
    match (pack, action, word) {
        ("transitions", "Workflow.Status", "SUPPRESSED") => deny(["suppression-expires", "suppression-needs-a-ticket"]),
        _ => allow(["administrators-change-everything"]),
    }
}

#[test]
fn administrators_change_their_fleet_and_nothing_beyond() {
    for pack in PACKS {
        for operation in [UPDATE, IMPORT] {
            for account in [ADMINISTRATOR, PAYMENTS, WEBSHOP] {
                assert_verdicts(pack, operation, ADMINISTRATOR, account, |action, word| {
                    administrator(pack, action, word)
                });
            }
            assert_verdicts(pack, operation, ADMINISTRATOR, STRANGER, |action, word| {
                let (decision, mut deciding) = administrator(pack, action, word);
                if decision == Decision::Allow {
                    deciding.clear();
                }
                deciding.insert("administrators-stay-in-their-fleet".to_owned());
                (Decision::Deny, deciding)
            });
        }
    }
}

/// Each rule on transitions: where it denies, and next to it where it does not.
#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn transitions_go_by_how_the_finding_is() {
    let policies = enforced(&policies("transitions"));
    let status = |word: &str| json!({ "value": { "type": "WorkflowStatus", "id": word } });
    let noted = |word: &str, note: &str| json!({ "value": { "type": "WorkflowStatus", "id": word }, "note": { "text": note, "updatedBy": "ana" } });
    let label = |word: &str| {
        let rank = SeverityLabel::parse(word).unwrap().rank();
        json!({ "value": { "type": "SeverityLabel", "id": word }, "rank": rank })
    };
    let member = |action: &str, context: Value| Question::new(PAYMENTS, PAYMENTS, action, context);
    let security = |action: &str, context: Value| Question::new(ADMINISTRATOR, PAYMENTS, action, context);
    let is = |word: &str| json!({ "Workflow": { "Status": word } });
    let severity = |label: &str, number: u8| json!({ "Severity": { "Label": label, "Normalized": number } });
    let key = |key: &str| json!({ "key": key, "value": "2026-02-01" });
    let until = |date: &'static str| [("suppressed-until", date)];
    let new = |question: Question| Question { is_new: true, ..question };

    for (question, decision, deciding) in [
        // May raise, may not lower.
        (
            member("Severity.Label", label("HIGH")).now(severity("MEDIUM", 40)),
            Decision::Allow,
            &["members-raise-severity"][..],
        ),
        (
            member("Severity.Label", label("MEDIUM")).now(severity("MEDIUM", 40)),
            Decision::Allow,
            &["members-raise-severity"],
        ),
        (
            member("Severity.Label", label("LOW")).now(severity("MEDIUM", 40)),
            Decision::Deny,
            &["members-do-not-lower-severity"],
        ),
        (
            member("Severity.Label", label("HIGH")).now(severity("CRITICAL", 90)),
            Decision::Deny,
            &["members-do-not-lower-severity"],
        ),
        (
            member("Severity.Normalized", json!({ "value": 60 })).now(severity("MEDIUM", 50)),
            Decision::Allow,
            &["members-raise-normalized-severity"],
        ),
        (member("Severity.Normalized", json!({ "value": 45 })).now(severity("MEDIUM", 50)), Decision::Deny, &[]),
        (
            member("Severity.Normalized", json!({ "value": 45 })).now(json!({ "Severity": { "Label": "MEDIUM" } })),
            Decision::Allow,
            &["members-raise-normalized-severity"],
        ),
        (
            security("Severity.Label", label("LOW")).now(severity("CRITICAL", 90)),
            Decision::Allow,
            &["administrators-change-everything"],
        ),
        // May not reopen what security suppressed.
        (
            member("Workflow.Status", status("NEW")).now(is("SUPPRESSED")),
            Decision::Deny,
            &["members-do-not-reopen-suppressed"],
        ),
        (
            member("Workflow.Status", status("NOTIFIED")).now(is("SUPPRESSED")),
            Decision::Deny,
            &["members-do-not-reopen-suppressed"],
        ),
        (member("Workflow.Status", status("NOTIFIED")).now(is("RESOLVED")), Decision::Allow, &["members-triage"]),
        (
            security("Workflow.Status", status("NEW")).now(is("SUPPRESSED")),
            Decision::Allow,
            &["administrators-change-everything"],
        ),
        // May resolve only after NOTIFIED.
        (member("Workflow.Status", status("RESOLVED")).now(is("NOTIFIED")), Decision::Allow, &["members-triage"]),
        (member("Workflow.Status", status("RESOLVED")).now(is("RESOLVED")), Decision::Allow, &["members-triage"]),
        (
            member("Workflow.Status", status("RESOLVED")).now(is("NEW")),
            Decision::Deny,
            &["members-resolve-what-was-notified"],
        ),
        (
            member("Workflow.Status", status("RESOLVED")).now(is("SUPPRESSED")),
            Decision::Deny,
            &["members-do-not-reopen-suppressed", "members-resolve-what-was-notified"],
        ),
        (
            security("Workflow.Status", status("RESOLVED")).now(is("NEW")),
            Decision::Allow,
            &["administrators-change-everything"],
        ),
        // An import does not get around it by creating the finding as it likes it.
        (
            new(member("Workflow.Status", status("RESOLVED")).now(is("RESOLVED"))),
            Decision::Deny,
            &["members-resolve-what-was-notified"],
        ),
        (new(member("UserDefinedFields", json!({ "key": "owner", "value": "ana" }))), Decision::Deny, &[]),
        // Suppression needs a ticket and an end.
        (
            security("Workflow.Status", noted("SUPPRESSED", "accepted, SEC-9")).with_fields(&until("2026-03-31")),
            Decision::Allow,
            &["administrators-change-everything"],
        ),
        (
            security("Workflow.Status", noted("SUPPRESSED", "accepted")).with_fields(&until("2026-03-31")),
            Decision::Deny,
            &["suppression-needs-a-ticket"],
        ),
        (
            security("Workflow.Status", status("SUPPRESSED")).with_fields(&until("2026-03-31")),
            Decision::Deny,
            &["suppression-needs-a-ticket"],
        ),
        (security("Workflow.Status", noted("SUPPRESSED", "SEC-9")), Decision::Deny, &["suppression-expires"]),
        // 90 days from noon of 2026-01-01 are noon of 2026-04-01.
        (
            security("Workflow.Status", noted("SUPPRESSED", "SEC-9")).with_fields(&until("2026-04-01T12:00:00Z")),
            Decision::Allow,
            &["administrators-change-everything"],
        ),
        (
            security("Workflow.Status", noted("SUPPRESSED", "SEC-9")).with_fields(&until("2026-04-01T12:00:01Z")),
            Decision::Deny,
            &["suppression-expires"],
        ),
        (
            security("Workflow.Status", noted("SUPPRESSED", "SEC-9")).with_fields(&until("2026-01-01")),
            Decision::Deny,
            &["suppression-expires"],
        ),
        (
            security("Workflow.Status", noted("SUPPRESSED", "SEC-9")).with_fields(&until("next spring")),
            Decision::Deny,
            &["suppression-expires"],
        ),
        (
            security("Workflow.Status", noted("SUPPRESSED", "SEC-9")).with_fields(&[("until", "2026-03-31")]),
            Decision::Deny,
            &["suppression-expires"],
        ),
        (
            member("Workflow.Status", noted("SUPPRESSED", "SEC-9")).with_fields(&until("2026-03-31")),
            Decision::Deny,
            &["members-do-not-suppress"],
        ),
        // And keeps it.
        (
            security("UserDefinedFields.Remove", key("suppressed-until")).now(is("SUPPRESSED")),
            Decision::Deny,
            &["suppression-keeps-its-expiry"],
        ),
        (
            security("UserDefinedFields.Remove", key("suppressed-until")).now(is("NEW")),
            Decision::Allow,
            &["administrators-change-everything"],
        ),
        (
            security("UserDefinedFields.Remove", key("owner")).now(is("SUPPRESSED")),
            Decision::Allow,
            &["administrators-change-everything"],
        ),
    ] {
        let deciding: BTreeSet<String> = deciding.iter().map(ToString::to_string).collect();
        assert_eq!(question.ask(&policies), (decision, deciding, 0), "{question:?}");
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
        (
            "transitions",
            &[
                "administrators-stay-in-their-fleet",
                "members-do-not-declare-false-positives",
                "members-do-not-reopen-suppressed",
                "members-do-not-suppress",
                "members-resolve-what-was-notified",
                "members-stay-in-their-account",
                "suppression-expires",
                "suppression-needs-a-ticket",
            ],
            &["members-do-not-lower-severity", "suppression-keeps-its-expiry"],
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
            .map(|file| file.unwrap().path())
            .filter(|file| file.extension().is_some_and(|extension| extension == "cedar"))
            .map(|file| format!("policies/{name}/{}", file.file_name().unwrap().to_str().unwrap()))
            .collect();
        on_disk.sort();
        let (policies, properties) = (pack(name).unwrap(), pack_properties(name).unwrap());
        assert!(properties.iter().all(|file| file.name.ends_with(PROPERTIES)));
        let mut embedded: Vec<_> = policies.into_iter().chain(properties).map(|file| file.name).collect();
        embedded.sort();
        assert_eq!(embedded, on_disk);
    }
    assert!(pack("none").is_none() && pack_properties("none").is_none());
}

/// Whether they are true is for `prove`; they must at least be properties.
#[test]
fn the_properties_of_the_packs_load_with_those_built_in() {
    for name in PACKS {
        let mut texts = pack_properties(name).unwrap();
        texts.push(built_in());
        let properties = load_properties(&texts).unwrap_or_else(|error| panic!("{:#?}", error.problems()));
        assert!(properties.len() > 4 && properties.iter().all(|property| property.doc.is_some()));
    }
}

/// A policy that is in several packs asks and does the same in each; the advice may fit the pack.
#[test]
fn what_the_packs_share_is_the_same() {
    let rules = |name: &str| policies(name).rules().to_vec();
    let baseline = rules("baseline");
    let mut shared = Vec::new();
    for other in ["strict", "transitions"] {
        let others = rules(other);
        let both = baseline.iter().flat_map(|a| others.iter().filter(|b| b.id == a.id).map(move |b| (a, b)));
        let mut of_other = BTreeSet::new();
        for (a, b) in both {
            assert_eq!(
                (&a.policy.to_pst().unwrap().body().clauses(), a.enforcement),
                (&b.policy.to_pst().unwrap().body().clauses(), b.enforcement)
            );
            of_other.insert(a.id.to_string());
        }
        shared.push(of_other);
    }
    let in_all =
        ["administrators-change-everything", "administrators-stay-in-their-fleet", "members-stay-in-their-account"];
    assert_eq!(shared[0], ids(in_all));
    assert!(shared[1].is_superset(&shared[0]) && shared[1].contains("members-do-not-suppress"));
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
    assert_eq!(error.problems().len(), 3 + 10);
    assert!(
        error
            .problems()
            .iter()
            .all(|problem| problem.message.contains("is used twice: here and at policies/baseline/"))
    );
}

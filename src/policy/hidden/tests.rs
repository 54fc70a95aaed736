use super::*;
use crate::{
    finding::{BatchUpdate, State},
    gate::{self, Decision as Decided, Fate, Knowledge, decide},
    policy::{
        PolicyText, load,
        tests::{
            accounts, caller,
            differential::{asking, known, policies_that_mention, request},
            now,
            states::state,
        },
    },
};
use proptest::prelude::*;

const ALL: [Text; 4] = [Text::NoteText, Text::NoteUpdatedBy, Text::ResourceTags, Text::UserDefinedFields];

/// What is in doubt about a change, if anything is.
fn doubt(policies: &str, update: &str, hidden: &[Text]) -> Vec<(Action, Doubt)> {
    let text = PolicyText { name: "a.cedar".into(), text: policies.into() };
    let rules = load(&[text]).unwrap().rules().to_vec();
    let snapshot = Snapshot::new(rules, accounts(), crate::finding::Enforcement::Reject).unwrap();
    let mut judge = Veiled::new(Arc::new(snapshot));
    judge.hide(hidden.iter().copied().collect());
    let body = format!(
        r#"{{"FindingIdentifiers":[{{"Id":"x","ProductArn":"arn:aws:securityhub:eu-west-1:222222222222:product/222222222222/default"}}],{update}}}"#
    );
    let request = BatchUpdate::parse(body.as_bytes()).unwrap();
    let asked = gate::Asked::of_update(&request, now());
    decide(&mut judge, &caller("222222222222"), asked, Knowledge::Never);
    judge.doubts().map(|(asked, doubt)| (asked.action, doubt.clone())).collect()
}

#[test]
fn a_verdict_is_in_doubt_only_where_a_policy_comes_to_read_what_is_hidden() {
    let note = r#""Note":{"Text":"(masked)","UpdatedBy":"ana"}"#;
    let resolved = format!(r#"{note},"Workflow":{{"Status":"RESOLVED"}}"#);
    let fields = r#""UserDefinedFields":{"ticket":"(masked)"}"#;
    for (condition, action, update, expected) in [
        // Whether there is one is known.
        ("context has note", "Workflow.Status", &*resolved, false),
        (r#"context has note && context.note.text like "*SEC*""#, "Workflow.Status", &resolved, true),
        (r#"context has note && context.note.updatedBy == "ana""#, "Workflow.Status", &resolved, false),
        (r#"context has note && context.note == {text: "a", updatedBy: "ana"}"#, "Workflow.Status", &resolved, true),
        // What comes first settles it.
        (
            r#"context.value == WorkflowStatus::"SUPPRESSED" && context has note && context.note.text like "*SEC*""#,
            "Workflow.Status",
            &resolved,
            false,
        ),
        ("context.value.text like \"*SEC*\"", "Note", note, true),
        ("context.value.updatedBy == \"ana\"", "Note", note, false),
        ("[context.value].isEmpty()", "Note", note, true),
        (r#"context.key == "ticket""#, "UserDefinedFields", fields, false),
        (r#"context.key == "other" && context.value == "x""#, "UserDefinedFields", fields, false),
        (r#"context.key == "ticket" && context.value like "SEC-*""#, "UserDefinedFields", fields, true),
        ("context has date && context.date > context.now", "UserDefinedFields", fields, true),
        (
            r#"context has userDefinedFields && context.userDefinedFields.hasTag("ticket")"#,
            "UserDefinedFields",
            fields,
            false,
        ),
        (
            r#"context has userDefinedFields && context.userDefinedFields.hasTag("ticket") && context.userDefinedFields.getTag("ticket").text == "x""#,
            "UserDefinedFields",
            fields,
            true,
        ),
        (
            r#"context has userDefinedFields && context.userDefinedFields.hasTag("ticket") && context.userDefinedFields.getTag("ticket") has date"#,
            "UserDefinedFields",
            fields,
            true,
        ),
        // A key that is not there has no value to read.
        (
            r#"context has userDefinedFields && context.userDefinedFields.hasTag("due") && context.userDefinedFields.getTag("due").text == "x""#,
            "UserDefinedFields",
            fields,
            false,
        ),
    ] {
        let policies = format!(
            r#"@id("all") permit (principal, action in Action::"BatchUpdateFindings", resource);
            @id("reads") forbid (principal, action == Action::"{action}", resource) when {{ {condition} }};"#
        );
        let found = doubt(&policies, update, &[Text::NoteText, Text::UserDefinedFields]);
        let reads = (Action::parse(action).unwrap(), Doubt::Verdict(vec!["reads".into()]));
        assert_eq!(found.contains(&reads), expected, "{condition}: {found:?}");
        assert_eq!(doubt(&policies, update, &[Text::ResourceTags]), [], "{condition}");
        assert_eq!(doubt(&policies, update, &[]), [], "{condition}");
    }
}

#[test]
fn other_policies_may_settle_it() {
    let note = r#""Note":{"Text":"(masked)","UpdatedBy":"ana"}"#;
    let all = r#"@id("all") permit (principal, action, resource);"#;
    let permits =
        r#"@id("p") permit (principal, action == Action::"Note", resource) when { context.value.text like "x" };"#;
    let forbids = |enforce: &str, condition: &str| {
        format!(
            r#"@id("f{enforce}") @enforce("{enforce}") forbid (principal, action == Action::"Note", resource) when {{ {condition} }};"#
        )
    };
    let reads = r#"context.value.text like "x""#;
    for (policies, expected) in [
        (permits.to_owned(), Some(Doubt::Verdict(vec!["p".into()]))),
        (format!("{all}{permits}"), Some(Doubt::By)),
        (format!("{permits}{}", forbids("strip", "true")), Some(Doubt::By)),
        (format!("{all}{}{}", forbids("strip", reads), forbids("reject", "true")), Some(Doubt::By)),
        (
            format!("{all}{}{}", forbids("refuse", reads), forbids("reject", "true")),
            Some(Doubt::Verdict(vec!["frefuse".into()])),
        ),
        (format!("{all}@shadow {}", forbids("refuse", reads)), None),
        (all.to_owned(), None),
        // Without the finding, nothing that reads it settles anything, nor is settled.
        (
            format!("{all}{}{}", forbids("reject", reads), forbids("refuse", "!(resource has note)")),
            Some(Doubt::Verdict(vec!["freject".into()])),
        ),
        (
            format!(
                r#"{all}@id("q") permit (principal, action == Action::"Note", resource) when {{ {reads} && resource.workflowStatus == WorkflowStatus::"NEW" }};"#
            ),
            Some(Doubt::Verdict(vec!["q".into()])),
        ),
        // What computes may fail, and a failure denies.
        (
            format!(
                r#"{all}@id("q") permit (principal, action == Action::"Note", resource) when {{ {reads} && context.now < context.now.offset(duration("1h")) }};"#
            ),
            Some(Doubt::Verdict(vec!["q".into()])),
        ),
    ] {
        let found = doubt(&policies, note, &[Text::NoteText]).pop().map(|(_, doubt)| doubt);
        assert_eq!(found, expected, "{policies}");
    }
}

/// What conditions have in them that read what can be hidden.
const READING: [&str; 6] = ["ote.text", "ote.updatedBy", "value.text", "getTag(", "context.date", "like \"SEC"];

/// The request, with a note and fields if it has none.
fn with_texts(body: &str) -> String {
    let mut body =
        body.trim_end_matches('}').to_owned() + &"}".repeat(body.len() - body.trim_end_matches('}').len() - 1);
    if !body.contains(r#""Note":"#) {
        body.push_str(r#","Note":{"Text":"see SEC-1","UpdatedBy":"ana"}"#);
    }
    if !body.contains(r#""UserDefinedFields":"#) {
        body.push_str(r#","UserDefinedFields":{"ticket":"SEC-1","owner":"x"}"#);
    }
    body + "}"
}

/// The same update or state with other texts where they are hidden.
fn others(text: &str) -> String {
    let mut other = text.to_owned();
    for known in ["see SEC-1", "no ticket"] {
        other = other.replace(&format!(r#""Text":"{known}""#), r#""Text":"another""#);
    }
    for known in ["ana", "bob"] {
        other = other.replace(&format!(r#""UpdatedBy":"{known}""#), r#""UpdatedBy":"eve""#);
    }
    for (key, value) in [
        ("ticket", "SEC-1"),
        ("owner", "x"),
        ("due", "2026-02-01"),
        ("number", "7"),
        ("owner", "SEC-1"),
        ("ticket", "x"),
    ] {
        other = other.replace(&format!(r#""{key}":"{value}""#), &format!(r#""{key}":"other""#));
    }
    other
}

fn other_state(state: &State) -> State {
    let mut other = state.clone();
    if let Some(note) = &mut other.note {
        (note.text, note.updated_by) = ("another".into(), "eve".into());
    }
    other.user_defined_fields.values_mut().for_each(|value| "other".clone_into(value));
    other.resource_tags.values_mut().for_each(|values| *values = ["other".to_owned()].into());
    other
}

/// What is said of a finding.
#[derive(Debug)]
struct Said {
    /// Of each change of the request; nothing where it is in doubt.
    changes: Vec<Option<String>>,
    /// Of each removal that came up, but that it may be made, whatever it is of: that comes up for a shadow's sake. Nothing where any of
    /// it is in doubt: what is left to ask depends on what is denied.
    removals: Option<Vec<String>>,
}

/// What is said of each finding.
fn said(judge: &Veiled, caller: &Caller, decision: &Decided<'_>) -> Vec<Said> {
    let denial = |verdict: &Rc<Verdict>| verdict.enforced.denial().map(|denial| (denial.reason, denial.enforcement));
    let of_fate = |fate: &Fate<'_>| {
        let Fate::Ruled(ruling) = fate else {
            return Said { changes: vec![Some(format!("{fate:?}"))], removals: Some(Vec::new()) };
        };
        let in_doubt = |change: &Change<'_>, verdict: &Rc<Verdict>| {
            matches!(judge.doubt_about(change, verdict), Some(Doubt::Verdict(_)))
        };
        let asked: Vec<_> = ruling.asked(&decision.changes).collect();
        let tainted =
            asked.iter().any(|(change, verdict)| in_doubt(change, verdict)) || judge.untold(&asked).next().is_some();
        let (changes, removals) = asked.split_at(decision.changes.len());
        let of_change = |(change, verdict): &(&Change<'_>, &Rc<Verdict>)| {
            let doubtful = in_doubt(change, verdict) || tainted && judge.reads_others(caller, change.action());
            (!doubtful).then(|| format!("{}: {:?}", change.action(), denial(verdict)))
        };
        let matters = |(change, verdict): &&(&Change<'_>, &Rc<Verdict>)| {
            change.value() != Value::Unknown || denial(verdict).is_some()
        };
        let of_removal = |(change, verdict): &(&Change<'_>, &Rc<Verdict>)| {
            let value = match change.value() {
                Value::UserDefined { key, .. } => key.to_owned(),
                other => format!("{other:?}"),
            };
            format!("{} {value}: {:?}", change.action(), denial(verdict))
        };
        Said {
            changes: changes.iter().map(of_change).collect(),
            removals: (!tainted).then(|| removals.iter().filter(matters).map(of_removal).collect()),
        }
    };
    decision.fates.iter().map(of_fate).collect()
}

/// Whether all that is certain on one side is so on the other, where all is known.
fn holds(certain: &[Said], known: &[Said]) -> bool {
    certain.len() == known.len()
        && certain.iter().zip(known).all(|(certain, known)| {
            let same = |(certain, known): (&Option<String>, &Option<String>)| certain.is_none() || certain == known;
            certain.changes.len() == known.changes.len()
                && certain.changes.iter().zip(&known.changes).all(same)
                && (certain.removals.is_none() || certain.removals == known.removals)
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// What is not in doubt is so, whatever the hidden texts are.
    #[test]
    fn what_is_certain_does_not_depend_on_what_is_hidden(
        snapshot in policies_that_mention(&READING, 8),
        body in request(),
        account in 0..3usize,
        states in prop::collection::vec(prop::option::of(state()), 1..4),
    ) {
        let body = with_texts(&body);
        let caller = asking(&snapshot, account, 0);
        let other_states: Vec<Option<State>> = states.iter().map(|state| state.as_ref().map(other_state)).collect();
        let other_body = others(&body);
        let texts = [(&body, &states), (&other_body, &other_states)];
        let requests = texts.map(|(body, _)| BatchUpdate::parse(body.as_bytes()).unwrap());
        for (this, other) in [(0, 1), (1, 0)] {
            // As much as the record shows, and everything, in its texts and the other ones.
            let [certain, known] = [(this, ALL.into_iter().collect()), (other, Hidden::new())].map(|(at, hidden)| {
                let mut judge = Veiled::new(snapshot.clone());
                judge.hide(hidden);
                let known = known(&requests[at], texts[at].1);
                let asked = gate::Asked::of_update(&requests[at], now());
                let decision = decide(&mut judge, &caller, asked, Knowledge::OfEach(&known));
                said(&judge, &caller, &decision)
            });
            prop_assert!(holds(&certain, &known), "{:?}\n{:?}\n{} {}", certain, known, body, other_body);
        }
    }
}

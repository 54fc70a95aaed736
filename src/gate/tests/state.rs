//! What is known of a finding, and what it would lose.

use super::{TRIAGE, allow, asked, body, caller};
use crate::{
    finding::{AccountId, Action, ActionSet, BatchUpdate, Caller, Enforcement, Role, State, Target},
    gate::{Fate, Findings, Knowledge, Known, Ruling, decide as decide_by},
    policy::{Answer, Denial, Judge, Question, Reason, Verdict},
};
use std::rc::Rc;

/// A plain finding of an account, with these UserDefinedFields and types.
fn state(account: &str, pairs: &[(&str, &str)], types: &[&str]) -> State {
    let pairs: serde_json::Map<_, _> = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).into())).collect();
    let finding = serde_json::json!({
        "AwsAccountId": account, "CreatedAt": "2024-01-01T00:00:00Z", "UpdatedAt": "2024-01-01T00:00:00Z",
        "GeneratorId": "g", "Severity": {"Label": "LOW"}, "Workflow": {"Status": "NEW"}, "RecordState": "ACTIVE",
        "UserDefinedFields": pairs, "Types": types,
    });
    State::parse(finding.as_object().unwrap()).unwrap()
}

/// Open while nothing is known of the finding, then allowed.
struct Curious {
    asked: Vec<String>,
}

impl Judge for Curious {
    fn are_apart(&self, _: &Caller, _: AccountId) -> bool {
        false
    }

    fn kinds(&mut self, _: &Caller, _: ActionSet, targets: &[Target<'_>]) -> Vec<usize> {
        vec![0; targets.len()]
    }

    fn tells_findings_apart(&mut self, _: &Caller, _: Action) -> bool {
        true
    }

    fn verdict(&mut self, question: &Question<'_>) -> Rc<Verdict> {
        self.asked.push(question.change.to_string());
        let needs = question.change.action() == Action::WorkflowStatus && question.target.state.is_none();
        let denial = Denial {
            reason: Reason::StateUnavailable,
            enforcement: Enforcement::Strip,
            policies: vec!["steps".into()],
            advice: vec![],
        };
        let enforced = if needs { Answer::Denied(denial) } else { allow() };
        Rc::new(Verdict { enforced, shadow: None, open: needs })
    }
}

#[test]
fn what_is_known_of_each_finding_decides_about_it() {
    const OWN: &str = "222222222222";
    let known = state(OWN, &[], &[]);
    let foreign = state("333333333333", &[], &[]);
    let body = body(&["a"], TRIAGE).replace(":222222222222:product/222222222222/default", "::product/partner/x");
    let of_partner = BatchUpdate::parse(body.as_bytes()).unwrap();
    let body = super::body(&["a"], TRIAGE);
    let own = BatchUpdate::parse(body.as_bytes()).unwrap();
    let fate = |request, known: Known<'_>, role| {
        let caller = Caller { role, ..caller(Enforcement::Strip) };
        let knowledge = [known];
        let decision =
            decide_by(&mut Curious { asked: vec![] }, &caller, asked(request), Knowledge::OfEach(&knowledge));
        let told = match &decision.fates[0] {
            Fate::Ruled(ruling) if ruling.enforcement.is_none() => "allowed",
            Fate::Ruled(_) => "stripped",
            Fate::NotFound => "not found",
            Fate::OwnerUnknown(_) => "owner unknown",
            Fate::Duplicate(_) => "duplicate",
            Fate::OwnerContradicted(_) => "owner contradicted",
            Fate::Unresolved(_) => "unresolved",
        };
        let open = decision.depends_on_state(&caller, Findings::Asff(&request.identifiers));
        format!("{told}{}", if open.is_empty() { "" } else { ", open" })
    };
    for (request, known, role, expected) in [
        (&own, Known::Nothing, Role::Member, "stripped, open"),
        (&own, Known::State(&known), Role::Member, "allowed"),
        (&own, Known::Missing, Role::Member, "not found"),
        // A backend that gives the finding to another account is not believed.
        (&own, Known::State(&foreign), Role::Member, "stripped, open"),
        (&own, Known::State(&foreign), Role::Administrator, "stripped, open"),
        (&of_partner, Known::Nothing, Role::Member, "owner unknown, open"),
        (&of_partner, Known::State(&known), Role::Member, "allowed"),
        (&of_partner, Known::Missing, Role::Member, "not found"),
        // To a member there is no such finding.
        (&of_partner, Known::State(&foreign), Role::Member, "not found"),
        (&of_partner, Known::State(&foreign), Role::Administrator, "allowed"),
    ] {
        assert_eq!(fate(request, known, role), expected, "{known:?} {role}");
    }
    // A finding that its name proves to be another account's is nothing to a member: it is not looked up.
    let theirs = Caller { account: "333333333333".parse().unwrap(), ..caller(Enforcement::Strip) };
    let decision = decide_by(&mut Curious { asked: vec![] }, &theirs, asked(&own), Knowledge::OfEach(&[]));
    assert_eq!(decision.depends_on_state(&theirs, Findings::Asff(&own.identifiers)), [0usize; 0]);
    // With look-ups off, nothing is asked about what may be lost.
    let body = super::body(&["a"], r#""UserDefinedFields":{"ticket":"SEC-1"}"#);
    let ticket = BatchUpdate::parse(body.as_bytes()).unwrap();
    let mut judge = Curious { asked: vec![] };
    decide_by(&mut judge, &theirs, asked(&ticket), Knowledge::Never);
    assert_eq!(judge.asked, [r#"UserDefinedFields["ticket"] = "SEC-1""#]);
}

#[test]
fn what_a_finding_would_lose_is_asked_about_for_each_that_loses_it() {
    let body = body(&["none", "some", "same", "more"], r#""UserDefinedFields":{"ticket":"SEC-1"},"Types":["a"]"#);
    let request = BatchUpdate::parse(body.as_bytes()).unwrap();
    let states = [
        state("222222222222", &[("ticket", "SEC-0")], &["a"]),
        state("222222222222", &[("owner", "ana")], &[]),
        state("222222222222", &[("owner", "ana")], &["a"]),
        state("222222222222", &[("owner", "ana")], &["a", "b"]),
    ];
    let known: Vec<Known<'_>> = states.iter().map(Known::State).collect();
    let mut judge = Curious { asked: vec![] };
    let decision = decide_by(&mut judge, &caller(Enforcement::Strip), asked(&request), Knowledge::OfEach(&known));
    // All are of one kind, and still not all lose the same.
    let changes = [r#"Types with "a""#, r#"UserDefinedFields["ticket"] = "SEC-1""#];
    let owner = r#"UserDefinedFields.Remove with "owner""#;
    let expected: Vec<&str> = changes
        .into_iter()
        .chain(changes)
        .chain([owner])
        .chain(changes)
        .chain([r#"Types.Remove with "b""#, owner])
        .collect();
    assert_eq!(judge.asked, expected);
    let rulings: Vec<*const Ruling<'_>> = (decision.fates.iter())
        .map(|fate| match fate {
            Fate::Ruled(ruling) => Rc::as_ptr(ruling),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(rulings[1], rulings[2]);
    assert!(rulings[0] != rulings[1] && rulings[1] != rulings[3]);
    // While it is not known what there is, the question is whether anything may be lost.
    let mut judge = Curious { asked: vec![] };
    decide_by(&mut judge, &caller(Enforcement::Strip), asked(&request), Knowledge::OfEach(&[]));
    let any = ["Types.Remove of what the finding has", "UserDefinedFields.Remove of what the finding has"];
    assert_eq!(judge.asked, changes.into_iter().chain(any).collect::<Vec<_>>());
}

use super::{again::Fate, *};
use crate::{
    finding::{Accounts, BatchUpdate, Enforcement, Member, Proof},
    gate::{self, Asked, Findings, Knowledge, decide},
    policy::{
        Engine, PolicyText, load, pack,
        tests::{
            differential::{asking, fewer_policies, request},
            now,
            states::state,
        },
    },
    workbench::Paint,
};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

const PAYMENTS: &str = "222222222222";

fn snapshot(policies: &str) -> Arc<Snapshot> {
    let rules = load(&[PolicyText { name: "a.cedar".into(), text: policies.into() }]).unwrap().rules().to_vec();
    let member = Member { name: "payments".into(), groups: vec!["ou/prod".into()] };
    let accounts = Accounts::new("111111111111".parse().unwrap(), [(PAYMENTS.parse().unwrap(), member)]);
    Arc::new(Snapshot::new(rules, Arc::new(accounts), Enforcement::Reject).unwrap())
}

fn shipped(name: &str) -> Arc<Snapshot> {
    snapshot(&pack(name).unwrap().into_iter().map(|text| text.text).collect::<Vec<_>>().join("\n"))
}

fn payments() -> Caller {
    Caller {
        account: PAYMENTS.parse().unwrap(),
        role: Role::Member,
        principal: "arn:aws:iam::222222222222:role/triage".into(),
        groups: Arc::default(),
        region: None,
        proof: Proof::Fixed,
        minimum_enforcement: Enforcement::Strip,
    }
}

fn members(update: Value) -> Map<String, Value> {
    let Value::Object(members) = update else { panic!("no object") };
    members
}

/// A request about one finding of the caller's own, as a gate with these policies would have put it on record.
fn on_record(policies: &Arc<Snapshot>, call: Call, known: Known, hidden: &[Text]) -> Recorded {
    let finding = Finding {
        identifier: Identifier {
            id: "x-1".to_owned().into(),
            product_arn: format!("arn:aws:securityhub:eu-west-1:{PAYMENTS}:product/{PAYMENTS}/default").into(),
        },
        is_named: true,
        owner: Some(PAYMENTS.parse().unwrap()),
        known,
        was: None,
    };
    let mut recorded = Recorded {
        id: "first".into(),
        caller: payments(),
        now: now(),
        asked: super::Asked::Findings(call),
        hidden: Hidden::new(),
        findings: vec![finding],
    };
    let mut judge = Veiled::new(policies.clone());
    let fates = again::fates(&mut judge, &recorded, true).unwrap();
    recorded.findings[0].was = was(&fates[0]);
    recorded.hidden = hidden.iter().copied().collect();
    recorded
}

fn was(fate: &Fate) -> Option<Vec<Was>> {
    let Fate::Ruled(said) = fate else { return None };
    let of = |said: &Result<Answered, _>| {
        let answered = said.as_ref().ok()?;
        let (action, element, reply) = (answered.action, answered.element.clone(), answered.reply.clone());
        Some(Was { action, element, value: None, reply })
    };
    Some(said.iter().filter_map(of).collect())
}

fn replayed(new: &Arc<Snapshot>, requests: &[Recorded]) -> Replay {
    let mut replayer = Replayer::new(new.clone(), None, true);
    for request in requests {
        replayer.add(request);
    }
    replayer.finish()
}

fn told(replay: &Replay) -> Vec<String> {
    let moved = replay
        .moved
        .iter()
        .map(|(moved, tally)| format!("{} {} {}", moved.direction.as_str(), moved.action, tally.changes));
    let undecided = replay.undecided.iter().map(|(why, tally)| format!("{why} {}", tally.changes));
    moved.chain(undecided).collect()
}

#[test]
fn what_moves_is_told_with_how_often() {
    let (old, new) = (shipped("strict"), shipped("baseline"));
    let call =
        || Call::Update(members(json!({"Workflow": {"Status": "NOTIFIED"}, "VerificationState": "TRUE_POSITIVE"})));
    let first = on_record(&old, call(), Known::Nothing, &[]);
    let second = Recorded { id: "second".into(), ..first.clone() };
    let replay = replayed(&new, &[first, second]);
    assert_eq!(told(&replay), ["widened VerificationState 2", "widened Workflow.Status 2"]);
    assert_eq!((replay.requests, replay.requests_moved, replay.requests_undecided, replay.same), (2, 2, 0, 0));
    let (moved, tally) = replay.moved.iter().next_back().unwrap();
    assert_eq!(
        (moved.value.as_deref(), tally.requests, &*tally.examples),
        (Some("NOTIFIED"), 2, &["first".to_owned(), "second".to_owned()][..])
    );
    assert!(human(&replay, Paint::PLAIN).contains("2 changes in 2 requests of 222222222222: first, second"));
    assert!(replay.has(&[Direction::Widened]) && !replay.has(&[Direction::Narrowed]));
}

#[test]
fn each_direction_is_told() {
    let policies = |enforce: &str, status: &str, id: &str| {
        snapshot(&format!(
            r#"@id("all") permit (principal, action, resource);
            @id("{id}") @enforce("{enforce}") forbid (principal is Member, action == Action::"Workflow.Status", resource)
            when {{ context.value == WorkflowStatus::"{status}" }};"#
        ))
    };
    let old = policies("reject", "SUPPRESSED", "no");
    let call = Call::Update(members(json!({"Workflow": {"Status": "SUPPRESSED"}})));
    let recorded = on_record(&old, call, Known::Nothing, &[]);
    for (new, expected) in [
        (policies("reject", "SUPPRESSED", "no"), &[][..]),
        (policies("reject", "RESOLVED", "no"), &["widened Workflow.Status 1"]),
        (policies("strip", "SUPPRESSED", "no"), &["milder Workflow.Status 1"]),
        (policies("refuse", "SUPPRESSED", "no"), &["stricter Workflow.Status 1"]),
        (policies("reject", "SUPPRESSED", "renamed"), &["otherwise Workflow.Status 1"]),
    ] {
        assert_eq!(told(&replayed(&new, std::slice::from_ref(&recorded))), expected);
    }
}

#[test]
fn what_is_masked_is_told_only_where_it_is_read() {
    let all = r#"@id("all") permit (principal, action, resource);"#;
    let old = snapshot(all);
    let update =
        json!({"Note": {"Text": "(masked)", "UpdatedBy": "ana"}, "Workflow": {"Status": "RESOLVED"}, "Confidence": 7});
    let recorded =
        on_record(&old, Call::Update(members(update)), Known::Nothing, &[Text::NoteText, Text::UserDefinedFields]);
    let forbid = |condition: &str| {
        snapshot(&format!(
            r#"{all} @id("ticket") forbid (principal, action == Action::"Workflow.Status", resource) unless {{ {condition} }};"#
        ))
    };
    let replay = |condition| told(&replayed(&forbid(condition), std::slice::from_ref(&recorded)));
    assert_eq!(replay("context has note"), Vec::<String>::new());
    let reads = r#"context has note && context.note.text like "*SEC-*""#;
    let why = "Note.Text, UserDefinedFields was masked, and policy `ticket` reads what is hidden 1";
    assert_eq!(replay(reads), [why]);
    assert_eq!(
        replay(r#"context.value == WorkflowStatus::"RESOLVED" || context has note && context.note.text like "x""#),
        Vec::<String>::new()
    );
    // What looks at what travels with it may be asked again without it.
    let beside = snapshot(&format!(
        r#"{all} @id("ticket") forbid (principal, action == Action::"Workflow.Status", resource) unless {{ {reads} }};
        @id("alone") forbid (principal, action == Action::"Confidence", resource)
        unless {{ context.fields.contains(Field::"Workflow") }};"#
    ));
    let replay = replayed(&beside, &[recorded]);
    assert_eq!(told(&replay), [why, "it depends on what travels with it, of which some cannot be decided 1"]);
    assert_eq!((replay.same, replay.requests_undecided), (1, 1));
}

/// It may be denied after all, and then what reads the fields is asked again without them.
#[test]
fn a_removal_in_doubt_puts_in_doubt_what_travels_with_it() {
    let all = r#"@id("all") permit (principal, action, resource);"#;
    let update =
        json!({"Note": {"Text": "(masked)", "UpdatedBy": "ana"}, "Confidence": 7, "UserDefinedFields": {"a": "b"}});
    let recorded = on_record(&snapshot(all), Call::Update(members(update)), Known::Nothing, &[Text::NoteText]);
    let new = snapshot(&format!(
        r#"{all} @id("drop") @enforce("strip") forbid (principal, action == Action::"UserDefinedFields.Remove", resource)
        when {{ context has note && context.note.text like "*SEC-*" }};
        @id("alone") forbid (principal, action == Action::"Confidence", resource)
        unless {{ context.fields.contains(Field::"UserDefinedFields") }};"#
    ));
    assert_eq!(
        told(&replayed(&new, &[recorded])),
        [
            "Note.Text was masked, and policy `drop` reads what is hidden 1",
            "it depends on what travels with it, of which some cannot be decided 1"
        ]
    );
}

#[test]
fn a_finding_that_was_not_looked_up_is_told_where_it_matters() {
    let all = r#"@id("all") permit (principal, action, resource);"#;
    let (old, new) = (
        snapshot(all),
        snapshot(&format!(
            r#"{all} @id("critical") forbid (principal, action == Action::"Workflow.Status", resource)
            when {{ resource.severity.rank >= 4 }};"#
        )),
    );
    let call = || Call::Update(members(json!({"Workflow": {"Status": "RESOLVED"}, "Confidence": 7})));
    let unknown = on_record(&old, call(), Known::Nothing, &[]);
    let replay = replayed(&new, std::slice::from_ref(&unknown));
    assert_eq!(told(&replay), ["the finding was not looked up then, and policy `critical` reads how it is 1"]);
    assert_eq!(replay.same, 1);
    // A gate that looks nothing up denies it, and that is certain.
    let mut replayer = Replayer::new(new.clone(), None, false);
    replayer.add(&unknown);
    assert_eq!(told(&replayer.finish()), ["narrowed Workflow.Status 1"]);
    for (label, expected) in [("CRITICAL", &["narrowed Workflow.Status 1"][..]), ("LOW", &[])] {
        let state = State::parse(&members(json!({
            "AwsAccountId": PAYMENTS, "CreatedAt": "2025-12-01T00:00:00Z", "UpdatedAt": "2025-12-01T00:00:00Z",
            "GeneratorId": "g", "RecordState": "ACTIVE", "Severity": {"Label": label}, "Workflow": {"Status": "NEW"},
        })));
        let recorded = on_record(&old, call(), Known::State(Box::new(state.unwrap())), &[]);
        assert_eq!(told(&replayed(&new, &[recorded])), expected, "{label}");
    }
}

#[test]
fn findings_by_the_names_of_ocsf_are_decided_unless_their_id_is_read() {
    let all = r#"@id("all") permit (principal, action, resource);"#;
    let old = snapshot(all);
    let reading = snapshot(&format!(
        r#"{all} @id("id") forbid (principal, action == Action::"Note", resource) when {{ resource.id like "a*" }};"#
    ));
    let none = snapshot(r#"@id("none") permit (principal is Administrator, action, resource);"#);
    let mut recorded = on_record(
        &old,
        Call::UpdateV2(members(json!({"Comment": "(masked)", "StatusId": 2}))),
        Known::Nothing,
        &[Text::NoteText],
    );
    assert_eq!(told(&replayed(&reading, std::slice::from_ref(&recorded))), Vec::<String>::new(), "it is known");
    recorded.findings[0].is_named = false;
    assert_eq!(told(&replayed(&old, std::slice::from_ref(&recorded))), Vec::<String>::new());
    assert_eq!(
        told(&replayed(&reading, std::slice::from_ref(&recorded))),
        ["a policy reads the finding's Id, and the record has what the request called it 1"]
    );
    assert_eq!(told(&replayed(&none, &[recorded])), ["narrowed Note 1", "narrowed Workflow.Status 1"]);
}

/// An import is put together again from what was said of each change.
#[test]
fn imports_are_decided_again() {
    let was = |action: Action, element: Option<&str>, value: Value| Was {
        action,
        element: element.map(str::to_owned),
        value: Some(value).filter(|value| !value.is_null()),
        reply: Reply { effect: Effect::Allow, reason: None, policies: vec!["all".into()] },
    };
    let product = "arn:aws:securityhub:eu-west-1::product/aws/inspector";
    let asked = vec![
        was(Action::Import, None, Value::Null),
        was(Action::Confidence, None, 7.into()),
        was(Action::RelatedFindings, Some("r1"), product.into()),
        was(Action::SeverityLabel, None, "CRITICAL".into()),
        was(Action::SeverityNormalized, None, 95.into()),
        was(Action::Types, Some("a/b"), Value::Null),
        was(Action::Types, Some("c"), Value::Null),
        was(Action::UserDefinedFields, Some("ticket"), "(masked)".into()),
        was(Action::WorkflowStatus, None, "SUPPRESSED".into()),
        was(Action::RecordState, None, "ARCHIVED".into()),
    ];
    let all = r#"@id("all") permit (principal, action, resource);"#;
    let mut recorded = on_record(&snapshot(all), Call::Import(Map::new()), Known::Nothing, &[Text::UserDefinedFields]);
    recorded.findings[0].was = Some(asked);
    let same = replayed(&snapshot(all), std::slice::from_ref(&recorded));
    assert_eq!((told(&same), same.same), (vec![], 10));
    let new = snapshot(&format!(
        r#"{all} @id("no") forbid (principal, action == Action::"RecordState", resource);
        @id("type") forbid (principal, action == Action::"Types", resource) when {{ context.value == "c" }};
        @id("related") @enforce("refuse") forbid (principal, action == Action::"RelatedFindings", resource)
        when {{ context.id == "r1" && context.productArn like "*inspector" }};
        @id("value") forbid (principal, action == Action::"UserDefinedFields", resource)
        when {{ context.key == "ticket" && context.value == "x" }};"#
    ));
    let replay = replayed(&new, std::slice::from_ref(&recorded));
    assert_eq!(
        told(&replay),
        [
            "narrowed RecordState 1",
            "narrowed RelatedFindings 1",
            "narrowed Types 1",
            "UserDefinedFields was masked, and policy `value` reads what is hidden 1",
        ]
    );
    // A question that cannot be made of what is on record is not made up.
    recorded.findings[0].was.as_mut().unwrap().retain(|was| was.action != Action::SeverityLabel);
    let replay = replayed(&snapshot(all), &[recorded]);
    assert!(
        told(&replay)[0].starts_with("the record does not have all of what an import asked"),
        "{:?}",
        told(&replay)
    );
}

/// A request about the Types of one finding, and what was said of each change.
#[test]
fn automation_rules_are_decided_again() {
    let all = r#"@id("all") permit (principal, action, resource);"#;
    let rule = |update: Value| Some(members(update));
    let rules = vec![
        rule(json!({"Workflow": {"Status": "SUPPRESSED"}, "Confidence": 7})),
        None,
        rule(json!({"Note": {"Text": "(masked)", "UpdatedBy": "soc"}, "UserDefinedFields": {"a": "b"}})),
    ];
    let any = || Call::Update(members(json!({"Confidence": 1})));
    let mut recorded = on_record(&snapshot(all), any(), Known::Nothing, &[Text::NoteText]);
    recorded.caller = Caller { account: "111111111111".parse().unwrap(), role: Role::Administrator, ..payments() };
    recorded.asked = super::Asked::Rules(Operation::BatchUpdateAutomationRules, rules);
    recorded.findings = vec![Finding { was: None, ..recorded.findings[0].clone() }; 3];
    let fates = again::fates(&mut Veiled::new(snapshot(all)), &recorded, true).unwrap();
    for (finding, fate) in recorded.findings.iter_mut().zip(&fates) {
        finding.was = was(fate);
    }
    assert_eq!(told(&replayed(&snapshot(all), std::slice::from_ref(&recorded))), Vec::<String>::new());
    for (policy, expected) in [
        (
            r#"@id("no") @enforce("strip") forbid (principal, action == Action::"Workflow.Status", resource)
            when { context.operation == Operation::"BatchUpdateAutomationRules" };"#,
            &["narrowed Workflow.Status 1"][..],
        ),
        // It cannot be asked about a rule: nobody knows whose findings there will be.
        (
            r#"@id("own") forbid (principal, action == Action::"Confidence", resource) when { resource.productArn like "x" };"#,
            &["narrowed Confidence 1"],
        ),
        (
            r#"@id("drop") forbid (principal, action == Action::"UserDefinedFields.Remove", resource);"#,
            &["narrowed UserDefinedFields.Remove 1"],
        ),
        (
            r#"@id("text") forbid (principal, action == Action::"Note", resource) when { context.value.text like "x" };"#,
            &["Note.Text was masked, and policy `text` reads what is hidden 1"],
        ),
        // Neither that it is denied nor that it is not.
        (
            r#"@id("unless") forbid (principal, action == Action::"UserDefinedFields.Remove", resource)
            unless { context has note && context.note.text like "*SEC-*" };"#,
            &["Note.Text was masked, and policy `unless` reads what is hidden 1"],
        ),
        (
            r#"@id("when") forbid (principal, action == Action::"UserDefinedFields.Remove", resource)
            when { context has note && context.note.text like "*SEC-*" };"#,
            &["Note.Text was masked, and policy `when` reads what is hidden 1"],
        ),
    ] {
        let new = snapshot(&format!("{all} {policy}"));
        assert_eq!(told(&replayed(&new, std::slice::from_ref(&recorded))), expected, "{policy}");
    }
    // Who is a member today may not change rules at all.
    recorded.caller.role = Role::Member;
    let replay = replayed(&snapshot(all), &[recorded]);
    assert!(told(&replay).iter().all(|told| told.starts_with("narrowed ")), "{:?}", told(&replay));
    assert!(!replay.moved.is_empty());
}

fn about_types(known: Known, said: &[(Action, Option<&str>, Effect)]) -> Recorded {
    let all = snapshot(r#"@id("all") permit (principal, action, resource);"#);
    let call = Call::Update(members(json!({"Confidence": 7, "Types": ["a/b"]})));
    let mut recorded = on_record(&all, call, known, &[]);
    let was = |(action, element, effect): &(Action, Option<&str>, Effect)| {
        let policies = vec![if *effect == Effect::Allow { "all".into() } else { "no".into() }];
        let reply = Reply { effect: *effect, reason: None, policies };
        Was { action: *action, element: element.map(str::to_owned), value: None, reply }
    };
    recorded.findings[0].was = Some(said.iter().map(was).collect());
    recorded
}

/// A finding that has the type `c`, which an update to `a/b` drops.
fn of_type_c() -> Known {
    let state = State::parse(&members(json!({
        "AwsAccountId": PAYMENTS, "CreatedAt": "2025-12-01T00:00:00Z", "UpdatedAt": "2025-12-01T00:00:00Z",
        "GeneratorId": "g", "RecordState": "ACTIVE", "Severity": {"Label": "LOW"}, "Workflow": {"Status": "NEW"}, "Types": ["c"],
    })));
    Known::State(Box::new(state.unwrap()))
}

/// Of what an update drops while it is not known what there is, only a denial is listed.
#[test]
fn a_removal_that_was_denied_and_is_asked_about_no_more_is_told() {
    use Effect::{Allow, Reject, Strip};
    let all = r#"@id("all") permit (principal, action, resource);"#;
    let forbid = |action: &str, enforce: &str| {
        format!(r#"@id("{action}") @enforce("{enforce}") forbid (principal, action == Action::"{action}", resource);"#)
    };
    let (confidence, types) = ((Action::Confidence, None, Allow), (Action::Types, Some("a/b"), Allow));
    let unknown = about_types(Known::Nothing, &[confidence, types, (Action::TypesRemove, None, Strip)]);
    for (new, expected) in [
        (all.to_owned(), &["widened Types.Remove 1"][..]),
        // The field stays out, and the finding as it is, by what denies another change.
        (format!("{all} {}", forbid("Types", "strip")), &["narrowed Types 1", "otherwise Types.Remove 1"]),
        (format!("{all} {}", forbid("Confidence", "strip")), &["widened Types.Remove 1", "narrowed Confidence 1"]),
        (format!("{all} {}", forbid("Confidence", "reject")), &["narrowed Confidence 1", "stricter Types.Remove 1"]),
        (
            format!(
                r#"{all} @id("low") forbid (principal, action == Action::"Confidence", resource) when {{ resource.severity.rank < 2 }};"#
            ),
            &[
                "it depends on what travels with it, of which some cannot be decided 1",
                "the finding was not looked up then, and policy `low` reads how it is 1",
            ],
        ),
    ] {
        let replay = replayed(&snapshot(&new), std::slice::from_ref(&unknown));
        assert_eq!(told(&replay), expected, "{new}");
    }
    // Nothing is looked up, so nothing is asked.
    let mut replayer = Replayer::new(snapshot(all), None, false);
    replayer.add(&unknown);
    assert_eq!(told(&replayer.finish()), ["widened Types.Remove 1"]);
    // It was denied whole, and is now for less.
    let rejected = about_types(of_type_c(), &[confidence, types, (Action::TypesRemove, Some("c"), Reject)]);
    let replay = replayed(&snapshot(&format!("{all} {}", forbid("Types", "strip"))), &[rejected]);
    assert_eq!(told(&replay), ["narrowed Types 1", "milder Types.Remove 1"]);
}

/// What an update drops is not asked about where the field, or the finding, is denied already.
#[test]
fn a_removal_that_was_not_asked_about_and_is_denied_is_told() {
    use Effect::{Allow, Reject, Strip};
    let new = snapshot(
        r#"@id("all") permit (principal, action, resource);
        @id("drop") @enforce("strip") forbid (principal, action == Action::"Types.Remove", resource);"#,
    );
    let confidence = |effect| (Action::Confidence, None, effect);
    let types = |effect| (Action::Types, Some("a/b"), effect);
    for (was, expected) in [
        (vec![confidence(Allow), types(Allow)], &["narrowed Types.Remove 1"][..]),
        (vec![confidence(Allow), types(Strip)], &["widened Types 1", "otherwise Types.Remove 1"]),
        (vec![confidence(Reject), types(Allow)], &["widened Confidence 1", "milder Types.Remove 1"]),
    ] {
        assert_eq!(told(&replayed(&new, &[about_types(of_type_c(), &was)])), expected, "{was:?}");
    }
}

/// What is on record of an update is on record of each of its changes.
#[test]
fn a_denial_of_what_is_not_asked_is_told() {
    let all = snapshot(r#"@id("all") permit (principal, action, resource);"#);
    let said = [
        (Action::Confidence, None, Effect::Allow),
        (Action::Criticality, None, Effect::Reject),
        (Action::Types, Some("a/b"), Effect::Allow),
    ];
    let replay = replayed(&all, &[about_types(of_type_c(), &said)]);
    assert_eq!(told(&replay), ["the record has other changes of the finding than its update has: Criticality 1"]);
}

#[test]
fn groups_are_bounded() {
    let mut replayer = Replayer::new(snapshot(r#"@id("all") permit (principal, action, resource);"#), None, true);
    for number in 0..2_000 {
        replayer.pass_over(&number.to_string(), None, Why::Record { what: number.to_string() });
    }
    let replay = replayer.finish();
    assert_eq!((replay.undecided.len(), replay.requests_undecided, replay.more), (1_000, 2_000, true));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// The policies that decided would decide the same, and of what they decided with everything is on record.
    #[test]
    fn the_same_policies_decide_the_same(
        snapshot in fewer_policies(10),
        body in request(),
        account in 0..5usize,
        states in prop::collection::vec(state(), 1..4),
        masked in any::<bool>(),
    ) {
        let request = BatchUpdate::parse(body.as_bytes()).unwrap();
        let caller = asking(&snapshot, account, 1);
        let mut engine = Engine::new(snapshot.clone());
        // As the gate does.
        let findings = Findings::Asff(&request.identifiers);
        let first = decide(&mut engine, &caller, Asked::of_update(&request, now()), Knowledge::OfEach(&[]));
        let open = first.depends_on_state(&caller, findings);
        let state = |place: usize| {
            let state = &states[place % states.len()];
            let is_its = request.identifiers[place].owner().is_none_or(|owner| owner == state.account);
            (open.contains(&place) && is_its).then_some(state)
        };
        let known: Vec<gate::Known<'_>> =
            (0..findings.len()).map(|place| state(place).map_or(gate::Known::Nothing, gate::Known::State)).collect();
        let decision = decide(&mut engine, &caller, Asked::of_update(&request, now()), Knowledge::OfEach(&known));
        let finding = |(place, fate): (usize, &gate::Fate<'_>)| {
            let was = match fate {
                gate::Fate::Ruled(ruling) => {
                    let asked = ruling.asked(&decision.changes);
                    let was = asked.map(|(change, verdict)| {
                        let Answered { action, element, reply, .. } = Answered::of(change, verdict, &caller, Certainty::All);
                        Was { action, element, value: None, reply }
                    });
                    Some(was.collect())
                }
                _ => None,
            };
            let known = state(place).map_or(Known::Nothing, |state| Known::State(Box::new(state.clone())));
            Finding { identifier: request.identifiers[place].to_owned(), is_named: true, owner: request.identifiers[place].owner(), known, was }
        };
        let mut asked = members(serde_json::from_str(&body).unwrap());
        asked.remove("FindingIdentifiers");
        let all = [Text::NoteText, Text::NoteUpdatedBy, Text::ResourceTags, Text::UserDefinedFields];
        let recorded = Recorded {
            id: "id".into(),
            caller: caller.clone(),
            now: now(),
            asked: super::Asked::Findings(Call::Update(asked)),
            hidden: if masked { all.into() } else { Hidden::new() },
            findings: decision.fates.iter().enumerate().map(finding).collect(),
        };
        let replay = replayed(&snapshot, &[recorded]);
        prop_assert_eq!(replay.moved.keys().collect::<Vec<_>>(), Vec::<&Moved>::new(), "{}", body);
        if !masked {
            let not_looked_up = |why: &Why| matches!(why, Why::NotLookedUp { .. } | Why::Beside);
            prop_assert!(replay.undecided.keys().all(not_looked_up), "{:?}", replay.undecided);
        }
    }
}

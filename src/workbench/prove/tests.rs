//! The facts against the live code: what is assumed of every question must be true of those that it asks.

use super::{Witness, world};
use crate::{
    finding::{
        Accounts, Action, ComplianceStatus, Enforcement, Member, Operation, RecordState, Role, SeverityLabel, Update,
        VerificationState, WorkflowStatus,
    },
    gate::RuleDecision,
    policy::{Engine, PolicyText, Recorded, Recorder, Snapshot, load, schema},
    workbench::{
        Call, CallerFixture, Example, FindingFixture, Fleet, NoteFixture, ReferenceFixture, SeverityFixture, Texts, ask,
    },
};
use cedar_policy::{Authorizer, Policy, PolicySet, RequestEnv, ValidationMode, Validator};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// A fact that is not valid is about nothing, and would be missing in silence.
#[test]
fn every_fact_is_valid_and_about_what_its_scope_says() {
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for fact in world::fixed() {
        let set = PolicySet::from_policies([fact.policy.clone()]).unwrap();
        let result = Validator::new(schema().clone()).validate_with_level(&set, ValidationMode::Strict, 2);
        let told: Vec<String> = result
            .validation_errors()
            .map(ToString::to_string)
            .chain(result.validation_warnings().map(ToString::to_string))
            .collect();
        assert!(told.is_empty(), "{}: {told:#?}", fact.policy.id());
        assert!(fact.policy.get_valid_request_envs(schema()).next().is_some(), "{}", fact.policy.id());
        assert!(seen.insert(fact.policy.id().to_string()), "{} is there twice", fact.policy.id());
    }
    assert!(seen.len() > 40);
}

/// Facts about names are made of text, and one that does not parse or is not valid would be missing, too.
#[test]
fn every_fact_about_names_is_valid() {
    for env in schema().request_envs() {
        let facts = world::facts(&env, [&names()]);
        let set = PolicySet::from_policies(facts.iter().map(|fact| fact.policy.clone())).unwrap();
        let result = Validator::new(schema().clone()).validate(&set, ValidationMode::Strict);
        assert!(result.validation_passed(), "{result:?}");
        let about_names = facts.iter().filter(|fact| fact.policy.id().to_string().starts_with("world: names"));
        assert!(about_names.count() > 15);
    }
}

/// Names of accounts that the examples below have, and of one that they do not.
fn names() -> Policy {
    let text = r#"permit (principal, action, resource) when {
        principal in Account::"222222222222" || resource in Account::"333333333333" || resource in Account::"111111111111" ||
        principal in Group::"ou/prod" || resource in Group::"ou/test" ||
        principal in Fleet::"111111111111" || resource in Fleet::"999999999999" };"#;
    Policy::parse(None, text).unwrap()
}

/// A small source of numbers that are the same in each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % below
    }

    fn often(&mut self) -> bool {
        self.roll(3) > 0
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len())].clone()
    }

    fn maybe<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        if self.roll(2) == 0 { None } else { Some(self.pick(from)) }
    }
}

const TEXTS: [&str; 8] = ["a", "ticket", "SEC-1", "2027-01-31", "-12", "007", "*", "2027-01-31T12:00:00.5+0200"];
const KEYS: [&str; 5] = ["ticket", "ticket/x", "owner", "a b", "suppressed-until"];
const TYPES: [&str; 5] = ["Effects", "a/b", "a/b/c", "TTPs/x", " x"];

fn caller(dice: &mut Dice) -> CallerFixture {
    let account = |id: &str| id.parse().unwrap();
    let some = |dice: &mut Dice| -> Vec<String> {
        ["ou/prod", "ou/test"].iter().filter(|_| dice.often()).map(ToString::to_string).collect()
    };
    let principal_groups = if dice.roll(2) == 0 { some(dice) } else { Vec::new() };
    if dice.roll(2) == 0 {
        CallerFixture {
            groups: some(dice),
            principal_groups,
            ..CallerFixture::plain(Role::Member, account("222222222222"))
        }
    } else {
        let fleet = if dice.often() { vec![account("333333333333")] } else { Vec::new() };
        CallerFixture { principal_groups, fleet, ..CallerFixture::plain(Role::Administrator, account("111111111111")) }
    }
}

fn reference(dice: &mut Dice) -> (String, String) {
    (dice.pick(&TEXTS).to_owned(), format!("arn:aws:securityhub:eu-west-1::product/aws/{}", dice.roll(3)))
}

fn pairs(dice: &mut Dice) -> BTreeMap<String, String> {
    (0..=dice.roll(3)).map(|_| (dice.pick(&KEYS).to_owned(), dice.pick(&TEXTS).to_owned())).collect()
}

fn finding(dice: &mut Dice, caller: &CallerFixture) -> FindingFixture {
    let times: Vec<Timestamp> = ["-009999-02-02T00:00:00Z", "2024-05-01T00:00:00.123456Z", "9999-12-30T22:00:00.9Z"]
        .iter()
        .map(|time| time.parse().unwrap())
        .filter(|time: &Timestamp| time.as_second() > -62_200_000_000)
        .collect();
    let owner =
        if dice.often() { caller.account.to_string() } else { dice.pick(&["333333333333", "444444444444"]).to_owned() };
    FindingFixture {
        exists: dice.often(),
        severity: dice
            .maybe(SeverityLabel::ALL)
            .map(|label| SeverityFixture { label, normalized: dice.maybe(&[-5, 0, 40, 100, i64::MAX]) }),
        workflow_status: dice.maybe(WorkflowStatus::ALL),
        record_state: dice.maybe(RecordState::ALL),
        verification_state: dice.maybe(VerificationState::ALL),
        confidence: dice.maybe(&[0, 50, i64::MIN]),
        criticality: dice.maybe(&[0, 50]),
        note: dice.maybe(&TEXTS).map(|text| NoteFixture {
            text: text.to_owned(),
            updated_by: String::new(),
            updated_at: dice.maybe(&times),
        }),
        types: dice.maybe(&TYPES).into_iter().map(str::to_owned).collect(),
        user_defined_fields: pairs(dice),
        related_findings: (0..dice.roll(3))
            .map(|_| reference(dice))
            .map(|(id, product_arn)| ReferenceFixture { id, product_arn })
            .collect(),
        resource_tags: [("env".to_owned(), Texts::One("prod".to_owned()))].into(),
        compliance_status: dice.maybe(ComplianceStatus::ALL),
        created_at: dice.maybe(&times),
        first_observed_at: dice.maybe(&times),
        last_observed_at: dice.maybe(&times),
        ..FindingFixture::plain(owner.parse().unwrap())
    }
}

fn update(dice: &mut Dice) -> Map<String, Value> {
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| members.insert(name.to_owned(), value);
    let which = dice.roll(1 << 9) | 1 << dice.roll(9);
    let has = |bit: usize| which & 1 << bit != 0;
    if has(0) {
        put("Confidence", json!(dice.roll(101)));
    }
    if has(1) {
        put("Criticality", json!(dice.roll(101)));
    }
    if has(2) {
        put("Note", json!({ "Text": dice.pick(&TEXTS), "UpdatedBy": dice.pick(&TEXTS) }));
    }
    if has(3) {
        let (id, product_arn) = reference(dice);
        put("RelatedFindings", json!([{ "Id": id, "ProductArn": product_arn }]));
    }
    if has(4) {
        let score = dice.pick(&[-1e11, 0.0001, 7.5, 1e11]);
        let severity = [
            json!({ "Label": dice.pick(SeverityLabel::ALL) }),
            json!({ "Normalized": dice.roll(101) }),
            json!({ "Product": score, "Label": dice.pick(SeverityLabel::ALL) }),
        ];
        put("Severity", dice.pick(&severity));
    }
    if has(5) {
        put("Types", json!([dice.pick(&TYPES)]));
    }
    if has(6) {
        put("UserDefinedFields", json!(pairs(dice)));
    }
    if has(7) {
        put("VerificationState", json!(dice.pick(VerificationState::ALL)));
    }
    if has(8) {
        put("Workflow", json!({ "Status": dice.pick(WorkflowStatus::ALL) }));
    }
    members
}

fn call(dice: &mut Dice) -> Call {
    match dice.roll(4) {
        0 | 1 => Call::Update(update(dice)),
        2 => {
            let mut members = update(dice);
            if dice.often() {
                members.insert("RecordState".to_owned(), json!(dice.pick(RecordState::ALL)));
            }
            if dice.roll(2) == 0 {
                members.insert(
                    "FindingProviderFields".to_owned(),
                    json!({ "Severity": { "Label": dice.pick(SeverityLabel::ALL) } }),
                );
            }
            if dice.roll(4) == 0 {
                members.insert("WorkflowState".to_owned(), json!("DEFERRED"));
            }
            Call::Import(members)
        }
        _ => {
            let mut members = Map::new();
            if dice.roll(2) == 0 {
                members.insert("Comment".to_owned(), json!(dice.pick(&TEXTS)));
            }
            if dice.roll(2) == 0 {
                members.insert("SeverityId".to_owned(), json!(dice.pick(&[0, 1, 2, 3, 4, 5, 6, 99])));
            }
            members.insert("StatusId".to_owned(), json!(dice.pick(&[0, 1, 2, 3, 4, 5, 99])));
            Call::UpdateV2(members)
        }
    }
}

/// Policies that strip now and then, so that questions are asked again with less.
const READING: &str = r#"
    @id("all") permit (principal, action, resource) when { resource.severity.rank >= 0 };
    @id("some") @enforce("strip") forbid (principal, action in [Action::"Confidence", Action::"Note", Action::"UserDefinedFields"], resource)
    when { resource.severity.rank > 2 };"#;
/// Policies that cannot tell findings apart, as a rule needs them.
const BLIND: &str = r#"@id("all") permit (principal, action, resource);"#;

fn recorder(policies: &str, accounts: Accounts) -> Recorder<Engine> {
    let text = PolicyText { name: "test.cedar".to_owned(), text: policies.to_owned() };
    let rules = load(&[text]).unwrap_or_else(|error| panic!("{:#?}", error.problems())).rules().to_vec();
    let snapshot = Arc::new(Snapshot::new(rules, Arc::new(accounts), Enforcement::Reject).unwrap());
    Recorder::new(Engine::new(snapshot.clone()), snapshot)
}

/// What was seen: kinds of questions, and how often each fact was looked at.
#[derive(Default)]
struct Seen {
    kinds: BTreeSet<(Role, Action, String)>,
    facts: BTreeMap<String, usize>,
    questions: usize,
    made: BTreeMap<(Role, Action), PolicySet>,
}

impl Seen {
    fn check(&mut self, recorded: &Recorded, shown: &dyn std::fmt::Debug) {
        let env = RequestEnv::new(
            recorded.request.principal().unwrap().type_name().clone(),
            recorded.request.action().unwrap().clone(),
            recorded.request.resource().unwrap().type_name().clone(),
        );
        let operation = recorded.request.context().unwrap().get("operation").unwrap().to_string();
        self.kinds.insert((recorded.role, recorded.action, operation));
        self.questions += 1;
        let made = || {
            let facts = world::facts(&env, [&names()]).into_iter().map(|fact| fact.policy);
            PolicySet::from_policies(facts).unwrap()
        };
        let facts = self.made.entry((recorded.role, recorded.action)).or_insert_with(made);
        let response = Authorizer::new().is_authorized(&recorded.request, facts, &recorded.entities);
        if let Some(untrue) = response.diagnostics().reason().next() {
            panic!("{} is not true of\n{:?}\n{shown:#?}", facts.policy(untrue).unwrap(), recorded.request);
        }
        let failed: Vec<String> = response.diagnostics().errors().map(ToString::to_string).collect();
        // Where it is not known how the finding is, nothing is true or false of that.
        assert!(!recorded.state_known || failed.is_empty(), "{failed:?}\n{shown:#?}");
        if failed.is_empty() {
            for fact in facts.policies() {
                *self.facts.entry(fact.id().to_string()).or_default() += 1;
            }
        }
    }
}

/// The accounts of an example, and a second fleet, in which some findings lie and about which nothing is asked. What a question
/// of the workbench has, one fleet, is what the gate has, too.
fn among_others(caller: &CallerFixture) -> Accounts {
    let own = Fleet::of([caller]).unwrap().accounts();
    let administrator = own.administrators().next().unwrap();
    let members = own.members().map(|(account, member)| (account, member.clone())).collect();
    let other = Member { name: String::new(), groups: vec!["ou/prod".to_owned()] };
    let of = |administrator, members| crate::finding::Fleet { administrator, name: String::new(), members };
    let fleets = [
        of(administrator, members),
        of("999999999999".parse().unwrap(), vec![("444444444444".parse().unwrap(), other)]),
    ];
    Accounts::of(fleets).unwrap()
}

#[test]
fn every_fact_is_true_of_what_the_live_gate_asks() {
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    let mut seen = Seen::default();
    let mut recorders: BTreeMap<String, Recorder<Engine>> = BTreeMap::new();
    for _ in 0..400 {
        let caller = caller(&mut dice);
        let example =
            Example { finding: finding(&mut dice, &caller), call: call(&mut dice), now: Example::NOW, caller };
        let recorder = recorders
            .entry(format!("{:?}", example.caller))
            .or_insert_with(|| recorder(READING, among_others(&example.caller)));
        if ask(recorder, &example).is_err() {
            continue;
        }
        for recorded in recorder.take() {
            seen.check(&recorded, &example);
        }
    }
    let administrator = CallerFixture::plain(Role::Administrator, "111111111111".parse().unwrap());
    let mut blind = recorder(BLIND, Fleet::of([&administrator]).unwrap().accounts());
    for _ in 0..40 {
        let body = json!(update(&mut dice)).as_object().cloned().unwrap();
        let mut whole = body.clone();
        whole.insert(
            "FindingIdentifiers".to_owned(),
            json!([{ "Id": "x", "ProductArn": "arn:aws:securityhub:::product/x" }]),
        );
        let text = json!(whole).to_string();
        let request = crate::finding::BatchUpdate::parse(text.as_bytes()).unwrap();
        let update: &Update<'_> = &request.update;
        for operation in [Operation::CreateAutomationRule, Operation::BatchUpdateAutomationRules] {
            RuleDecision::of(&mut blind, &administrator.caller(), Some(update), operation, Example::NOW);
            for recorded in blind.take() {
                seen.check(&recorded, &body);
            }
        }
    }
    assert!(seen.questions > 1_500, "{}", seen.questions);
    for role in [Role::Member, Role::Administrator] {
        for action in Action::ALL.iter().copied() {
            let operations = seen.kinds.iter().filter(|(of, kind, _)| (*of, *kind) == (role, action)).count();
            let rules = if role == Role::Administrator { 2 } else { 0 };
            let expected = match action {
                Action::Import => 1,
                Action::RecordState => 2,
                action if action.is_removal() => 1,
                Action::Note | Action::SeverityLabel | Action::WorkflowStatus => 3 + rules,
                _ => 2 + rules,
            };
            assert_eq!(operations, expected, "{role} {action}: {:?}", seen.kinds);
        }
    }
    for fact in world::fixed() {
        let id = fact.policy.id().to_string();
        assert!(seen.facts.get(&id).is_some_and(|times| *times > 10), "{id}: {:?}", seen.facts.get(&id));
    }
}

#[test]
fn a_witness_says_its_change() {
    let caller = CallerFixture::plain(Role::Member, "222222222222".parse().unwrap());
    let finding = FindingFixture::plain(caller.account);
    let example = Example { caller, finding, call: Call::Update(Map::new()), now: Example::NOW };
    let witness = Witness { example, others: Vec::new(), action: Action::Types, element: Some("a".to_owned()) };
    assert_eq!(witness.to_string(), "Types[a]");
}

//! The matrix says what the gate says: of any request, the cell that it belongs to gets the answer that the request gets.

use super::{
    draft::{Door, Draft, Proposal},
    *,
};
use crate::{
    finding::{
        Action, ComplianceStatus, Enforcement, Field, RecordState, SeverityLabel, Timestamp, VerificationState,
        WorkflowStatus,
    },
    policy::{Engine, PolicyText, Rule, Snapshot, load, pack, tests::differential::fewer_policies},
    workbench::{NoteFixture, ReferenceFixture, SeverityFixture, Texts, ask, ask_knowing},
};
use jiff::SignedDuration;
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use std::{collections::BTreeMap, sync::Arc};

fn rules(texts: &[PolicyText]) -> Vec<Rule> {
    load(texts).unwrap().rules().to_vec()
}

fn pack_rules(name: &str) -> Vec<Rule> {
    rules(&pack(name).unwrap().into_iter().collect::<Vec<_>>())
}

fn written(policies: &str) -> Vec<Rule> {
    rules(&[PolicyText { name: "test.cedar".into(), text: policies.to_owned() }])
}

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides as u64).unwrap()
    }

    fn of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.roll(all.len())].clone()
    }

    fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.roll(2) == 0).then(|| make(self))
    }

    fn text(&mut self) -> String {
        self.of(TEXTS).to_owned()
    }

    fn time(&mut self) -> Timestamp {
        let now = crate::workbench::Example::NOW;
        let day = SignedDuration::from_hours(24);
        let days = self.of(&[-200, -31, -30, -29, -1, 0, 1, 89, 90, 91, 400]);
        now + day * days + SignedDuration::from_secs(self.of(&[-1, 0, 1, 1000]))
    }

    /// A text, a date or a number.
    fn meaningful(&mut self) -> String {
        match self.roll(3) {
            0 => self.time().to_string(),
            1 => self.of(&["0", "5", "6", "7", "100"]).to_owned(),
            _ => self.text(),
        }
    }
}

/// What the policies of the packs and the generated ones name, what is near it, and what is not.
const TEXTS: &[&str] = &[
    "ticket",
    "ticket/jira",
    "ticket/",
    "tickets",
    "owner",
    "due",
    "suppressed-until",
    "SEC-1",
    "see SEC-7",
    "sec-1",
    "TTPs/x",
    "TTPs",
    "Effects",
    "x",
    "r1",
    "r-1",
    "x-0",
    "x-1",
    "x-2",
    "ana",
    "bob",
    "prod",
    "test",
    "env",
    "AwsS3Bucket",
    "AwsAccount",
    "GuardDuty",
    "g-1",
    "IAM.1",
    "none",
    "anything",
];
const NUMBERS: &[u8] = &[0, 1, 5, 7, 10, 49, 50, 51, 59, 60, 61, 70, 90, 99, 100];

/// A request with one change, of anything.
fn random(dice: &mut Dice, domain: &Domain, who: &Who, action: Action, named: &[String]) -> Draft {
    let doors: &[Door] = match action {
        Action::Import | Action::RecordState => &[Door::Import],
        _ if action.is_removal() => &[Door::Update],
        _ => &[Door::Update, Door::Update, Door::Import],
    };
    let door = dice.of(doors);
    let mut draft = Draft::plain(action, &who.caller, door);
    draft.proposal = match &draft.proposal {
        Proposal::Nothing => Proposal::Nothing,
        Proposal::Label(_) => Proposal::Label(dice.of(SeverityLabel::ALL)),
        Proposal::Number(_) => Proposal::Number(dice.of(NUMBERS)),
        Proposal::Score(_) => Proposal::Score(dice.of(&[0, 70_000, 75_000, 75_001, 900_000])),
        Proposal::Workflow(_) => Proposal::Workflow(dice.of(WorkflowStatus::ALL)),
        Proposal::Verification(_) => Proposal::Verification(dice.of(VerificationState::ALL)),
        Proposal::Record(_) => Proposal::Record(dice.of(RecordState::ALL)),
        Proposal::Text(_) => Proposal::Text(dice.text()),
        Proposal::Pair { .. } => Proposal::Pair { key: dice.text(), value: dice.meaningful() },
        Proposal::Reference { .. } => Proposal::Reference {
            id: dice.text(),
            product_arn: "arn:aws:securityhub:eu-west-1::product/aws/guardduty".to_owned(),
        },
        Proposal::Note { .. } => Proposal::Note { text: dice.text(), updated_by: dice.text() },
    };
    if dice.roll(3) == 0 {
        draft.note = Some((dice.text(), dice.text())).filter(|_| action != Action::Note);
    }
    if dice.roll(3) == 0 {
        // Of several keys that nobody looks at, each may be why all of them are stripped: those are not enumerated.
        let keys = (0..=dice.roll(2)).filter(|_| !named.is_empty()).map(|_| (dice.of(named), dice.meaningful()));
        draft.keys = Some(keys.collect()).filter(|keys: &BTreeMap<String, String>| !keys.is_empty());
    }
    if dice.roll(4) == 0 {
        draft
            .fields
            .extend(dice.maybe(|dice| dice.of(&[Field::Confidence, Field::Workflow, Field::Types, Field::Severity])));
    }
    if door == Door::Update {
        let place = dice.of(&domain.places_of(&who.caller));
        draft = draft.of(place.account);
    }
    random_finding(dice, &mut draft);
    if dice.roll(3) == 0 {
        draft.now = dice.time();
    }
    draft
}

fn random_finding(dice: &mut Dice, draft: &mut Draft) {
    let sent = draft.keys.clone();
    let own = match &draft.proposal {
        Proposal::Pair { key, value } => Some((key.clone(), value.clone())),
        _ => None,
    };
    let finding = &mut draft.finding;
    finding.known = dice.roll(6) > 0;
    finding.exists = draft.door == Door::Update || dice.roll(2) == 0;
    finding.workflow_status = Some(dice.of(WorkflowStatus::ALL));
    finding.record_state = Some(dice.of(RecordState::ALL));
    finding.verification_state = dice.maybe(|dice| dice.of(VerificationState::ALL));
    finding.compliance_status = dice.maybe(|dice| dice.of(ComplianceStatus::ALL));
    finding.confidence = dice.maybe(|dice| dice.of(NUMBERS).into());
    finding.criticality = dice.maybe(|dice| dice.of(NUMBERS).into());
    let normalized = dice.maybe(|dice| dice.of(NUMBERS).into());
    finding.severity = Some(SeverityFixture { label: dice.of(SeverityLabel::ALL), normalized });
    finding.id = dice.maybe(Dice::text);
    finding.product_name = dice.maybe(Dice::text);
    finding.company_name = dice.maybe(Dice::text);
    finding.region = dice.maybe(Dice::text);
    finding.security_control_id = dice.maybe(Dice::text);
    finding.generator_id = dice.maybe(Dice::text);
    finding.types = (0..dice.roll(3)).map(|_| dice.text()).collect();
    finding.resource_types = (0..dice.roll(3)).map(|_| dice.text()).collect();
    finding.resource_ids = (0..dice.roll(3)).map(|_| dice.text()).collect();
    finding.resource_tags =
        (0..dice.roll(2)).map(|_| (dice.of(&["env", "x"]).to_owned(), Texts::One(dice.text()))).collect();
    finding.note = dice.maybe(|dice| NoteFixture {
        text: dice.text(),
        updated_by: dice.text(),
        updated_at: dice.maybe(Dice::time),
    });
    finding.related_findings = (0..dice.roll(2))
        .map(|_| ReferenceFixture { id: dice.text(), product_arn: dice.of(&["p", "q"]).to_owned() })
        .collect();
    finding.created_at = Some(dice.time());
    finding.updated_at = dice.maybe(Dice::time);
    finding.last_observed_at = dice.maybe(Dice::time);
    // What is sent along drops nothing of the finding: that is asked about by itself.
    let mut keys: BTreeMap<String, String> = match &sent {
        Some(sent) => sent.clone().into_iter().filter(|_| dice.roll(2) == 0).collect(),
        None => (0..dice.roll(3)).map(|_| (dice.text(), dice.meaningful())).collect(),
    };
    for value in keys.values_mut() {
        if dice.roll(2) == 0 {
            *value = dice.meaningful();
        }
    }
    if let Some((key, value)) = own.filter(|_| dice.roll(2) == 0) {
        keys.insert(key, if dice.roll(2) == 0 { value } else { dice.meaningful() });
    }
    finding.user_defined_fields = keys;
}

/// How a comparison went.
#[derive(Debug, Default)]
struct Tally {
    agreed: usize,
    /// The question did not come up, or the request is none.
    unasked: usize,
    /// There is no cell for it.
    unplaced: usize,
    denied: usize,
    /// One of those without a cell.
    example: String,
}

/// Compares what the matrix says of random requests with what the gate says.
fn compare(
    dice: &mut Dice,
    domain: &Domain,
    engine: &mut Engine,
    who: &Who,
    action: Action,
    most: usize,
    requests: usize,
) -> Tally {
    let space = domain.space_within(most, who, action).unwrap();
    let named = space.keys_looked_at();
    let mut tally = Tally::default();
    for _ in 0..requests {
        let draft = random(dice, domain, who, action, &named);
        let (example, element) = (draft.example("kept"), draft.element());
        let Ok(decided) = ask(engine, &example) else {
            tally.unasked += 1;
            continue;
        };
        let Some(reply) = Reply::of(&decided, &example, action, element.as_deref()) else {
            tally.unasked += 1;
            continue;
        };
        let Some(cell) = space.classify(&example, element.as_deref()) else {
            tally.unplaced += 1;
            tally.example = example.to_string();
            continue;
        };
        let told = || format!("{example}\nis in the cell of {}", cell.examples[0]);
        let said = cell.ask(engine, action).unwrap();
        // What travels along may be why the finding is looked up; then policies that read it are named, too.
        let alone = draft.note.is_none() && draft.keys.is_none() && draft.fields.is_empty() && !action.is_removal();
        if alone {
            assert_eq!(said, reply, "{}", told());
        }
        assert_eq!((said.effect, said.reason), (reply.effect, reply.reason), "{}", told());
        let knowing = |engine: &mut Engine, example: &crate::workbench::Example, element: Option<&str>| {
            Reply::of(&ask_knowing(engine, example).unwrap(), example, action, element)
        };
        let whole = knowing(engine, &example, element.as_deref());
        let same = cell.examples.iter().any(|of_cell| knowing(engine, of_cell, cell.element.as_deref()) == whole);
        assert!(same, "{}\n{whole:?}", told());
        tally.agreed += 1;
        tally.denied += usize::from(reply.effect != Effect::Allow);
    }
    tally
}

fn engine(domain: &Domain, rules: &[Rule]) -> Engine {
    let snapshot = Snapshot::new(rules.to_vec(), domain.accounts().clone(), Enforcement::Strip).unwrap();
    Engine::new(Arc::new(snapshot))
}

/// Of the packs every request has its cell, and the cell its answer.
#[test]
fn the_matrix_of_a_pack_is_what_the_gate_says() {
    let mut dice = Dice(0x5eed);
    for name in ["baseline", "strict", "transitions"] {
        let rules = pack_rules(name);
        let domain = Domain::of(&rules).unwrap();
        let mut engine = engine(&domain, &rules);
        for who in domain.callers() {
            for action in Action::ALL.iter().copied() {
                let tally = compare(&mut dice, &domain, &mut engine, who, action, MOST_EXAMPLES, 40);
                assert_eq!(tally.unplaced, 0, "{name} {} {action}: {tally:?}", who.name);
            }
        }
    }
}

/// Of generated policies, which compare everything with everything, a cell that there is has the answer; few are missing.
#[test]
fn the_matrix_of_generated_policies_is_what_the_gate_says() {
    let mut runner = TestRunner::deterministic();
    let mut dice = Dice(0xcafe);
    let (mut agreed, mut unplaced, mut denied) = (0, 0, 0);
    for _ in 0..60 {
        let rules = fewer_policies(5).new_tree(&mut runner).unwrap().current().rules().to_vec();
        let domain = Domain::of(&rules).unwrap();
        let Ok(snapshot) = Snapshot::new(rules.clone(), domain.accounts().clone(), Enforcement::Strip) else {
            continue;
        };
        let mut engine = Engine::new(Arc::new(snapshot));
        // Shown where the test fails.
        println!("{}", rules.iter().map(|rule| rule.policy.to_string()).collect::<Vec<_>>().join("\n"));
        for _ in 0..3 {
            let who = &domain.callers()[dice.roll(domain.callers().len())];
            let action = dice.of(Action::ALL);
            let tally = compare(&mut dice, &domain, &mut engine, who, action, 400, 25);
            agreed += tally.agreed;
            unplaced += tally.unplaced;
            denied += tally.denied;
        }
    }
    assert!(agreed > 2_000 && denied > 200 && agreed - denied > 200, "{agreed} {denied}");
    assert!(unplaced * 10 < agreed, "{unplaced} of {agreed}");
}

/// The folded matrix means what its cells mean.
#[test]
fn every_cell_is_in_one_row_and_has_its_answer() {
    for name in ["baseline", "transitions"] {
        let rules = pack_rules(name);
        let domain = Domain::of(&rules).unwrap();
        let mut engine = engine(&domain, &rules);
        for who in domain.callers() {
            for action in [Action::UserDefinedFields, Action::SeverityLabel, Action::WorkflowStatus] {
                let space = domain.space(who, action).unwrap();
                let replies: Vec<Reply> =
                    space.cells.iter().map(|cell| cell.ask(&mut engine, action).unwrap()).collect();
                let cells: Vec<(&[usize], Reply)> =
                    space.cells.iter().map(|cell| cell.classes.as_slice()).zip(replies).collect();
                let rows = fold(&cells);
                for (classes, reply) in &cells {
                    let covering: Vec<_> = rows.iter().filter(|row| row.covers(classes)).collect();
                    assert_eq!(covering.len(), 1, "{name} {} {action} {classes:?}", who.name);
                    assert_eq!(covering[0].says, *reply);
                }
            }
        }
    }
}

/// The lines mean what the cells mean: the first that fits has the answer, and names the policies, all of them if it says so.
#[test]
fn the_first_line_that_fits_has_the_answer() {
    for name in ["baseline", "transitions"] {
        let rules = pack_rules(name);
        let actions =
            vec![Action::Confidence, Action::SeverityNormalized, Action::VerificationState, Action::UserDefinedFields];
        let filter = Filter { roles: Vec::new(), actions };
        let matrix = Matrix::of(&rules, Enforcement::Reject, &filter).unwrap();
        let cells = Matrix::every_cell(&rules, Enforcement::Reject, &filter).unwrap();
        assert_eq!(cells.len(), matrix.cells);
        for cell in cells {
            let section = matrix.sections.iter().find(|section| section.callers.contains(&cell.caller)).unwrap();
            let fits = |line: &&Line| {
                let is_there =
                    |only: &Restriction| cell.classes.get(&only.of).is_some_and(|class| only.to.contains(class));
                line.actions.contains(&cell.action) && line.only.iter().all(is_there)
            };
            let line = section.lines.iter().find(fits).unwrap_or_else(|| panic!("{name}: no line for {cell:?}"));
            assert_eq!((line.reply.effect, line.reply.reason), (cell.reply.effect, cell.reply.reason), "{cell:?}");
            if line.and_others {
                assert!(line.reply.policies.iter().all(|id| cell.reply.policies.contains(id)), "{cell:?} {line:?}");
            } else {
                assert_eq!(line.reply, cell.reply, "{cell:?}");
            }
        }
    }
}

/// The lines of one caller and action: where, and what is said.
fn lines(rules: &[Rule], caller: &str, action: Action) -> Vec<String> {
    let filter = Filter { roles: Vec::new(), actions: vec![action] };
    let matrix = Matrix::of(rules, Enforcement::Reject, &filter).unwrap();
    let section = matrix.sections.iter().find(|section| section.callers.iter().any(|name| name == caller)).unwrap();
    let only = |line: &Line| {
        let only = line.only.iter().map(|only| format!("{} {}", only.of, only.to.join("/")));
        only.collect::<Vec<_>>().join("; ")
    };
    section.lines.iter().map(|line| format!("{} -> {} {}", only(line), line.reply.effect, line.reply.by())).collect()
}

#[test]
fn numbers_are_split_at_the_constants() {
    let rules = written(
        r#"@id("low") permit (principal is Member, action == Action::"Confidence", resource) when { context.value <= 30 };
        @id("up") permit (principal is Member, action == Action::"Confidence", resource)
        when { resource has confidence && context.value > resource.confidence };"#,
    );
    assert_eq!(
        lines(&rules, "member", Action::Confidence).len(),
        5,
        "{:#?}",
        lines(&rules, "member", Action::Confidence)
    );
    let lines = lines(&rules, "member", Action::Confidence);
    assert!(
        lines.iter().any(|line| line.starts_with("value 31..100;") && line.ends_with("reject no-grant")),
        "{lines:#?}"
    );
    assert!(lines.iter().any(|line| line.starts_with("value 0..30;") && line.ends_with("allow low, up")), "{lines:#?}");
}

#[test]
fn texts_are_split_at_literals_and_patterns() {
    let rules = written(
        r#"@id("all") permit (principal, action, resource);
        @id("effects") @enforce("strip") forbid (principal, action == Action::"Types", resource)
        when { context.value == "Effects" || context.value like "TTPs/*" };"#,
    );
    let lines = lines(&rules, "member", Action::Types);
    assert_eq!(lines, ["value Effects/TTPs/* -> strip effects", "value other -> allow all"]);
}

#[test]
fn callers_that_policies_name_are_told_apart() {
    let rules = written(
        r#"@id("all") permit (principal, action, resource);
        @id("prod") forbid (principal in Group::"ou/prod", action == Action::"Note", resource);
        @id("bot") forbid (principal == Member::"arn:aws:iam::444455556666:role/bot", action == Action::"Note", resource);
        @id("account") forbid (principal, action == Action::"Note", resource) when { principal in Account::"777777777777" };"#,
    );
    for (caller, expected) in [
        ("member", " -> allow all"),
        ("administrator", " -> allow all"),
        ("member in ou/prod", " -> reject prod"),
        ("member who is in ou/prod", " -> reject prod"),
        ("administrator who is in ou/prod", " -> reject prod"),
        ("member of 777777777777", " -> reject account"),
        ("member arn:aws:iam::444455556666:role/bot", " -> reject bot"),
    ] {
        assert_eq!(lines(&rules, caller, Action::Note), [expected], "{caller}");
    }
}

#[test]
fn what_no_example_meets_and_what_was_cut_is_told() {
    let rules = written(
        r#"@id("never") permit (principal, action == Action::"Note", resource)
        when { context.value.text == "a" && context.value.text.like_never };"#
            .replace(".text.like_never", ".text == \"\"")
            .as_str(),
    );
    let matrix = Matrix::of(&rules, Enforcement::Reject, &Filter::default()).unwrap();
    let [unseen, never] = &matrix.notes[..] else { panic!("{:?}", matrix.notes) };
    assert!(unseen.starts_with("no example was found in which this holds"), "{unseen}");
    assert!(never.starts_with("policy `never` decides nothing here"), "{never}");
    let rules = written(
        r#"@id("v2") permit (principal, action, resource) unless { context.operation == Operation::"BatchUpdateFindingsV2" };"#,
    );
    let notes = Matrix::of(&rules, Enforcement::Reject, &Filter::default()).unwrap().notes;
    assert!(notes.iter().any(|note| note.starts_with("BatchUpdateFindingsV2 is not asked here")), "{notes:?}");
    let rules = pack_rules("transitions");
    let domain = Domain::of(&rules).unwrap();
    let space = domain.space_within(20, &domain.callers()[1], Action::WorkflowStatus).unwrap();
    assert!(space.notes.iter().any(|note| note.contains("was not varied")), "{:?}", space.notes);
}

/// A member's notes, forbidden under this condition.
fn forbidden_when(condition: &str) -> Vec<Rule> {
    written(&format!(
        r#"@id("all") permit (principal, action, resource);
        @id("late") forbid (principal, action == Action::"Note", resource) when {{ {condition} }};"#
    ))
}

#[test]
fn the_time_of_a_request_is_split_at_the_dates_that_it_is_compared_with() {
    let (allowed, denied) = ("-> allow all", "-> reject late");
    let split = |condition: &str| lines(&forbidden_when(condition), "member", Action::Note);
    for (condition, yes, no) in [
        (r#"context.now < datetime("2026-12-20")"#, "before 2026-12-20", "from 2026-12-20"),
        (r#"context.now <= datetime("2026-12-20")"#, "until 2026-12-20T00:00:00Z", "after 2026-12-20T00:00:00Z"),
        (r#"context.now > datetime("2026-12-20")"#, "after 2026-12-20T00:00:00Z", "until 2026-12-20T00:00:00Z"),
        (r#"context.now >= datetime("2026-12-20")"#, "from 2026-12-20", "before 2026-12-20"),
        // Examples are asked on 2026-01-01 at noon: the other side may lie in the past.
        (
            r#"context.now >= datetime("2020-02-29T10:30:00Z")"#,
            "from 2020-02-29T10:30:00Z",
            "before 2020-02-29T10:30:00Z",
        ),
        (
            r#"context.now < datetime("2026-01-01T12:00:00Z")"#,
            "before 2026-01-01T12:00:00Z",
            "from 2026-01-01T12:00:00Z",
        ),
        (
            r#"context.now > datetime("2026-01-01T12:00:00Z")"#,
            "after 2026-01-01T12:00:00Z",
            "until 2026-01-01T12:00:00Z",
        ),
        (
            r#"context.now == datetime("2026-12-20")"#,
            "2026-12-20T00:00:00Z",
            "before 2026-12-20, after 2026-12-20T00:00:00Z",
        ),
        (r#"context.now.offset(duration("-30d")) >= datetime("2026-12-02")"#, "from 2027-01-01", "before 2027-01-01"),
        (
            r#"context.now < datetime("2026-12-20").offset(duration("1d")).offset(duration("-2h"))"#,
            "before 2026-12-20T22:00:00Z",
            "from 2026-12-20T22:00:00Z",
        ),
        (r#"context.now.durationSince(datetime("2026-12-20")).toDays() >= 3"#, "from 2026-12-23", "before 2026-12-23"),
        (
            r#"context.now.toDate() == datetime("2026-12-24")"#,
            "from 2026-12-24, before 2026-12-25",
            "before 2026-12-24, from 2026-12-25",
        ),
        // The gate tells whole seconds apart.
        (
            r#"context.now < datetime("2026-12-20T00:00:00.500Z")"#,
            "before 2026-12-20T00:00:00.5Z",
            "after 2026-12-20T00:00:00.5Z",
        ),
    ] {
        let mut expected = [format!("now {yes} {denied}"), format!("now {no} {allowed}")];
        let mut found = split(condition);
        expected.sort();
        found.sort();
        assert_eq!(found, expected, "{condition}");
    }
    // What comes again each day is told in the words of the policy.
    let found = split(r#"context.now.toTime() < duration("8h") && context.now >= datetime("2026-12-20")"#);
    assert_eq!(found.len(), 2, "{found:#?}");
    let hours = r#"now.toTime() < duration("8h")"#;
    let days = r#"now >= datetime("2026-12-20")"#;
    let told = |line: &String| line.ends_with(denied) && line.contains(&format!("now {hours} and {days} "));
    assert!(found.iter().any(told), "{found:#?}");
    assert!(found.iter().any(|line| line.contains(&format!("not {hours} and {days}"))), "{found:#?}");
    assert!(found.iter().any(|line| line.contains(&format!("/{hours} and not {days}/"))), "{found:#?}");
    // Between two dates.
    let window = r#"context.now >= datetime("2026-12-20") && context.now < datetime("2027-01-07")"#;
    let found = split(window);
    assert!(found.contains(&format!("now from 2026-12-20, before 2027-01-07 {denied}")), "{found:#?}");
}

#[test]
fn examples_say_when_they_are_asked_where_it_is_not_as_usual() {
    let rules = forbidden_when(r#"context.now >= datetime("2026-12-20")"#);
    let domain = Domain::of(&rules).unwrap();
    let space = domain.space(&domain.callers()[1], Action::Note).unwrap();
    let examples = || space.cells.iter().map(|cell| &cell.examples[0]);
    assert!(examples().any(|example| example.now == crate::workbench::Example::NOW));
    let late = examples().find(|example| example.now != crate::workbench::Example::NOW).unwrap();
    assert!(late.to_string().ends_with(", at 2026-12-20T00:00:00Z"), "{late}");
    assert!(late.to_case("late", &"allow").contains("    now: 2026-12-20T00:00:00Z\n"));
    assert!(!examples().any(|example| example.now == late.now && !example.to_string().contains(", at ")));
}

/// What is compared with the time of the request is tried around it, whenever that is.
#[test]
fn relative_instants_follow_the_time_of_a_request() {
    let rules = written(
        r#"@id("all") permit (principal, action, resource);
        @id("old") forbid (principal, action == Action::"Note", resource)
        when { resource.createdAt < context.now.offset(duration("-90d")) };
        @id("frozen") @enforce("refuse") forbid (principal, action == Action::"Note", resource)
        when { context.now >= datetime("2026-12-20") && resource.createdAt < datetime("2026-11-01") };"#,
    );
    let domain = Domain::of(&rules).unwrap();
    let mut engine = engine(&domain, &rules);
    let space = domain.space(&domain.callers()[1], Action::Note).unwrap();
    let said: std::collections::BTreeSet<(bool, String)> = (space.cells.iter())
        .filter(|cell| cell.examples[0].finding.known)
        .map(|cell| {
            let late = cell.examples[0].now != crate::workbench::Example::NOW;
            (late, cell.ask(&mut engine, Action::Note).unwrap().by())
        })
        .collect();
    let expected = [(false, "all"), (false, "old"), (true, "all"), (true, "frozen"), (true, "frozen, old")];
    assert!(expected.iter().all(|(late, by)| said.contains(&(*late, (*by).to_owned()))), "{said:?}");
    assert!(space.notes.is_empty(), "{:?}", space.notes);
}

#[test]
fn instants_of_a_finding_are_split_at_dates() {
    let found = lines(&forbidden_when(r#"resource.createdAt < datetime("2026-12-20")"#), "member", Action::Note);
    assert!(found.iter().any(|line| line.contains("finding's createdAt before 2026-12-20")), "{found:#?}");
    assert!(found.iter().any(|line| line.contains("finding's createdAt from 2026-12-20")), "{found:#?}");
}

#[test]
fn what_no_example_makes_false_is_told_too() {
    let always = r#"context.now.durationSince(context.now) == duration("0s")"#;
    let matrix = Matrix::of(&forbidden_when(always), Enforcement::Reject, &Filter::default()).unwrap();
    assert_eq!(matrix.notes.len(), 1, "{:?}", matrix.notes);
    assert!(matrix.notes[0].starts_with("no example was found in which this does not hold: "), "{:?}", matrix.notes);
    for text in [
        render::text(&matrix, crate::workbench::Paint::PLAIN),
        render::markdown(&matrix),
        render::html(&matrix, "title"),
        render::json(&matrix).to_string(),
    ] {
        assert!(text.contains("no example was found in which this does not hold"), "{text}");
    }
}

#[test]
fn one_row_is_one() {
    let rules = written(r#"@id("all") permit (principal, action, resource);"#);
    let filter = Filter { roles: vec![crate::finding::Role::Member], actions: vec![Action::Note] };
    let matrix = Matrix::of(&rules, Enforcement::Reject, &filter).unwrap();
    let text = render::markdown(&matrix);
    assert!(text.contains("1 row says what the gate answers to 1 cell."), "{text}");
}

#[test]
fn two_sets_have_one_domain() {
    let (old, new) = (pack_rules("baseline"), pack_rules("transitions"));
    let domain = Domain::of(old.iter().chain(&new)).unwrap();
    let member = &domain.callers()[1];
    let space = domain.space(member, Action::SeverityLabel).unwrap();
    let (mut before, mut after) = (engine(&domain, &old), engine(&domain, &new));
    let widened = space.cells.iter().filter(|cell| {
        let then = cell.ask(&mut before, space.action).unwrap().effect;
        let now = cell.ask(&mut after, space.action).unwrap().effect;
        then != Effect::Allow && now == Effect::Allow
    });
    assert!(widened.count() > 0);
}

#[test]
fn what_an_import_must_have_besides_keeps_no_question_out() {
    // An imported finding has a severity label whatever else of its severity it says.
    let rules = pack_rules("baseline");
    for action in Action::ALL.iter().copied().filter(|action| !action.is_removal()) {
        let told = lines(&rules, "member", action);
        assert!(
            told.iter().any(|line| line.contains("import")) || !changes_by_operation(action),
            "{action}: {told:#?}"
        );
    }
}

/// Whether the pack treats an import of it otherwise.
fn changes_by_operation(action: Action) -> bool {
    matches!(
        action,
        Action::Confidence
            | Action::Criticality
            | Action::RelatedFindings
            | Action::SeverityLabel
            | Action::SeverityNormalized
            | Action::SeverityProduct
            | Action::Types
    )
}

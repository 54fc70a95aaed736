//! What policies cost that look at the finding as it is: one BatchUpdateFindings request for 100 findings, decided as the live
//! gate decides it (first without the findings, then with those that matter), reading them out of real GetFindings answers.
//!
//! The backend answers at once, so what is measured is the gate's own work. *calls* counts GetFindings.
#![expect(clippy::print_stdout, reason = "its tables are what it is for")]

mod support {
    pub(crate) mod fleet;

    mod effort;
    mod figures;
    mod harness;
    pub(crate) use effort::Effort;
    pub(crate) use harness::Case;
}

use bytes::Bytes;
use findings_gate::{
    finding::{BatchUpdate, Caller, Enforcement, Identifier, Role, Timestamp},
    gate::{Asked, Findings, Knowledge, Known, Plan, decide},
    policy::{Engine, Snapshot, load, pack},
    state::{CallError, Found, StateSettings, States},
};
use serde_json::{Value, json};
use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    num::NonZeroU32,
    rc::Rc,
    sync::Arc,
    time::Duration,
};
use support::{Case, Effort, fleet};
use tokio::{runtime::Runtime, task::LocalSet};

/// How many findings a request is about.
const FINDINGS: usize = 100;

/// A member's updates, each with its table's name, and what it depends on.
const UPDATES: [(&str, &str); 3] = [
    ("a note: depends on nothing", r#""Note":{"Text":"see SEC-1234","UpdatedBy":"triage"}"#),
    (
        "resolve: on the status",
        r#""Note":{"Text":"see SEC-1234","UpdatedBy":"triage"},"Workflow":{"Status":"RESOLVED"}"#,
    ),
    (
        "resolve, raise, link: on four things",
        r#""Note":{"Text":"see SEC-1234","UpdatedBy":"triage"},"Severity":{"Label":"HIGH"},"UserDefinedFields":{"ticket":"SEC-1234"},"Workflow":{"Status":"RESOLVED"}"#,
    ),
];

fn main() {
    let effort = Effort::from_args();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    println!(
        "CPU microseconds a request of {FINDINGS} findings, medians; x: times as much, medians of ratios within rounds"
    );
    println!(
        "\n{:<38} {:>10} {:>10} {:>10} {:>10} {:>14} {:>14}",
        "pack:transitions, member", "unknown", "calls", "known", "calls", "unknown x none", "known x none"
    );
    let policies =
        load(&pack("transitions").expect("the pack is embedded")).unwrap_or_else(|error| panic!("{error:?}"));
    let snapshot = Snapshot::new(policies.rules().to_vec(), Arc::new(fleet::accounts(3)), Enforcement::Strip);
    let snapshot = Arc::new(snapshot.expect("the policies can be served with"));
    let none = Gate::new(&runtime, &snapshot, UPDATES[0].1);
    for (name, members) in UPDATES.iter().filter(|(name, _)| effort.wants(name.split(':').next().unwrap_or(name))) {
        let gate = Gate::new(&runtime, &snapshot, members);
        let (unknown, known) = (gate.calls_of(Gate::forget), gate.calls_of(|_| ()));
        let costs = effort.measure(vec![
            Case::new(|| {
                gate.forget();
                gate.answer()
            }),
            Case::new(|| gate.answer()),
            Case::new(|| none.answer()),
        ]);
        println!(
            "{name:<38} {:>10.1} {unknown:>10} {:>10.1} {known:>10} {:>14.1} {:>14.1}",
            costs[0].micros(),
            costs[1].micros(),
            costs[0].over(&costs[2]),
            costs[1].over(&costs[2])
        );
    }
}

/// One worker's part of a gate, and a request to it.
struct Gate<'r> {
    runtime: &'r Runtime,
    local: LocalSet,
    engine: RefCell<Engine>,
    states: Arc<States>,
    calls: Rc<Cell<u32>>,
    /// What the backend says to each question: its own work is not to be measured.
    answers: Rc<RefCell<HashMap<Bytes, Bytes>>>,
    caller: Caller,
    body: String,
}

impl<'r> Gate<'r> {
    fn new(runtime: &'r Runtime, snapshot: &Arc<Snapshot>, members: &str) -> Self {
        let (rate, burst) = (NonZeroU32::MAX, NonZeroU32::MAX);
        let (max_age, deadline) = (Duration::from_hours(1), Duration::from_mins(1));
        Self {
            runtime,
            local: LocalSet::new(),
            engine: RefCell::new(Engine::new(Arc::clone(snapshot))),
            states: Arc::new(States::new(StateSettings { max_age, entries: 20_000, deadline, rate, burst })),
            calls: Rc::default(),
            answers: Rc::default(),
            caller: fleet::caller(Role::Member),
            body: fleet::body(FINDINGS, Role::Member, 3, members),
        }
    }

    /// Forgets all findings; the verdicts stay.
    fn forget(&self) {
        let request = BatchUpdate::parse(self.body.as_bytes()).expect("a request");
        self.states.invalidate(&request.identifiers);
    }

    /// How many calls a request makes after `before`.
    fn calls_of(&self, before: impl FnOnce(&Self)) -> u32 {
        self.answer();
        before(self);
        let so_far = self.calls.get();
        self.answer();
        self.calls.get() - so_far
    }

    /// Parses, decides, looks up, decides, plans.
    fn answer(&self) -> Plan {
        self.local.block_on(self.runtime, async {
            let request = BatchUpdate::parse(self.body.as_bytes()).expect("a request");
            let decide = |known| {
                let asked = Asked::of_update(&request, Timestamp::UNIX_EPOCH);
                decide(&mut *self.engine.borrow_mut(), &self.caller, asked, Knowledge::OfEach(known))
            };
            let first = decide(&[]);
            let open = first.depends_on_state(&self.caller, Findings::Asff(&request.identifiers));
            if open.is_empty() {
                return Plan::new(&request, &first, "decision");
            }
            let found = self.look_up(&request.identifiers, &open).await;
            let known: Vec<Known<'_>> = found
                .iter()
                .map(|found| match found {
                    Some(Found::Known(state)) => Known::State(state),
                    _ => Known::Nothing,
                })
                .collect();
            let decision = decide(&known);
            assert!(
                decision.depends_on_state(&self.caller, Findings::Asff(&request.identifiers)).is_empty(),
                "all is known"
            );
            Plan::new(&request, &decision, "decision")
        })
    }

    async fn look_up(&self, identifiers: &[Identifier<'_>], open: &[usize]) -> Vec<Option<Found>> {
        let mut found = vec![None; identifiers.len()];
        let mut missing = Vec::new();
        for place in open {
            match self.states.cached(&identifiers[*place]) {
                Some(state) => found[*place] = Some(Found::Known(state)),
                None => missing.push(*place),
            }
        }
        if !missing.is_empty() {
            let asked: Vec<&Identifier<'_>> = missing.iter().map(|place| &identifiers[*place]).collect();
            let (calls, answers) = (Rc::clone(&self.calls), Rc::clone(&self.answers));
            let backend = async move |body: Bytes, _| {
                calls.set(calls.get() + 1);
                Ok::<_, CallError>(answers.borrow_mut().entry(body).or_insert_with_key(|body| answer(body)).clone())
            };
            let looked_up = self.states.look_up(&self.caller, &asked, backend).await;
            missing.into_iter().zip(looked_up).for_each(|(place, one)| found[place] = Some(one));
        }
        found
    }
}

/// What the backend says: for each id the finding of its own product, of usual size and four kinds.
fn answer(question: &[u8]) -> Bytes {
    let question: Value = serde_json::from_slice(question).expect("the gate asks in JSON");
    let ids = question["Filters"]["Id"].as_array().into_iter().flatten();
    let finding = |filter: &Value| {
        let id = filter["Value"].as_str().unwrap_or_default();
        let product = id.split(':').nth(2).unwrap_or_default();
        let owner = id.split(':').nth(4).unwrap_or_default();
        let kind = id.bytes().last().unwrap_or_default() % 4;
        let (label, status) = (["LOW", "MEDIUM"][usize::from(kind / 2)], ["NEW", "NOTIFIED"][usize::from(kind % 2)]);
        json!({
            "SchemaVersion": "2018-10-08", "Id": id, "ProductArn": format!("arn:aws:securityhub:eu-west-1::product/aws/{product}"),
            "AwsAccountId": owner, "GeneratorId": "security-control/EC2.19", "Region": "eu-west-1", "ProductName": product,
            "CreatedAt": "2025-11-01T00:00:00Z", "UpdatedAt": "2025-11-02T00:00:00Z", "Title": "x".repeat(120),
            "Description": "x".repeat(600), "Types": ["Software and Configuration Checks/Industry and Regulatory Standards"],
            "Severity": {"Label": label, "Normalized": 40, "Original": "MEDIUM"},
            "Workflow": {"Status": status}, "RecordState": "ACTIVE",
            "Compliance": {"Status": "FAILED", "SecurityControlId": "EC2.19"},
            "Resources": [{"Type": "AwsEc2SecurityGroup", "Id": format!("arn:aws:ec2:eu-west-1:{owner}:security-group/sg-1"),
                "Partition": "aws", "Region": "eu-west-1", "Tags": {"team": "payments", "env": "prod"}}],
            "Remediation": {"Recommendation": {"Text": "x".repeat(200), "Url": "https://example.org/EC2.19"}},
        })
    };
    json!({"Findings": ids.map(finding).collect::<Vec<_>>()}).to_string().into()
}

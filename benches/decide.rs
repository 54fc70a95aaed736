//! What a decision costs: [`decide`] and [`Plan::new`] on a request for all nine fields, and so ten questions a finding.
//!
//! `naive` hands every question to Cedar with all policies. `cold` is an engine that has forgotten everything, the caller
//! included; `warm` one that met the request before.
#![expect(clippy::print_stdout, reason = "its tables are what it is for")]

mod support {
    pub(crate) mod fleet;
    pub(crate) mod scene;

    mod effort;
    mod figures;
    mod harness;
    pub(crate) use effort::Effort;
    pub(crate) use harness::Case;
}

use findings_gate::{
    finding::{BatchUpdate, Caller, Role, Timestamp},
    gate::{Asked, Knowledge, Plan, decide},
    policy::{Engine, Judge, Naive, Snapshot},
};
use std::sync::Arc;
use support::{Case, Effort, fleet, scene};

/// Policies that tell findings apart. None ever matches: then every condition is evaluated to its end.
///
/// For changes of triage by product, of which there are eight.
const EIGHT: &str = r#"@id("site") forbid (principal, action in Action::"Triage", resource)
    when { resource.productArn == principal.arn };"#;
/// For every change by a part of the id.
const PART: &str = r#"@id("site") forbid (principal, action, resource) when { resource.id like "*/frozen/*" };"#;
/// For changes of triage by id: no two findings are the same.
const EACH: &str = r#"@id("site") forbid (principal, action in Action::"Triage", resource)
    when { resource.id == principal.arn };"#;
/// For every change by id.
const EACH_ALWAYS: &str = r#"@id("site") forbid (principal, action, resource) when { resource.id == principal.arn };"#;

fn main() {
    let effort = Effort::from_args();
    println!("CPU microseconds a request, medians; x: times as much, medians of ratios within rounds");
    for (name, table) in [
        ("policies", by_policies as fn(&Effort)),
        ("kinds", by_kinds),
        ("accounts", by_accounts),
        ("engine", empty_engine),
    ] {
        if effort.wants(name) {
            table(&effort);
        }
    }
}

fn empty_engine(effort: &Effort) {
    println!("\nan engine with nothing in it\n  to make one {:>12.2} us", {
        let snapshot = scene::snapshot(16, 3, scene::ALIKE);
        effort.measure(vec![Case::new(move || Engine::new(snapshot.clone()))])[0].micros()
    });
}

/// Decides and plans, as the live gate does before it has looked anything up.
fn plan(judge: &mut impl Judge, caller: &Caller, request: &BatchUpdate<'_>) -> Plan {
    let decision = decide(judge, caller, Asked::of_update(request, Timestamp::UNIX_EPOCH), Knowledge::OfEach(&[]));
    Plan::new(request, &decision, "00000000-0000-4000-8000-000000000000")
}

fn gate<'a>(mut judge: impl Judge + 'a, caller: &'a Caller, request: &'a BatchUpdate<'a>) -> impl FnMut() -> Plan + 'a {
    move || plan(&mut judge, caller, request)
}

fn naive<'a>(snapshot: &Arc<Snapshot>, caller: &'a Caller, request: &'a BatchUpdate<'a>) -> Case<'a> {
    Case::new(gate(Naive::new(snapshot.clone()).expect("the policies fit together"), caller, request))
}

fn cold<'a>(snapshot: &Arc<Snapshot>, caller: &'a Caller, request: &'a BatchUpdate<'a>) -> Case<'a> {
    let mut engine = Engine::new(snapshot.clone());
    Case::new(move || {
        engine.forget();
        plan(&mut engine, caller, request)
    })
}

fn warm<'a>(snapshot: &Arc<Snapshot>, caller: &'a Caller, request: &'a BatchUpdate<'a>) -> Case<'a> {
    Case::new(gate(Engine::new(snapshot.clone()), caller, request))
}

fn by_policies(effort: &Effort) {
    let sets = [16, 100, 1_000].map(|policies| scene::snapshot(policies, 3, EIGHT));
    for role in [Role::Member, Role::Administrator] {
        let caller = fleet::caller(role);
        println!("\n{role}, 3 accounts, findings of 8 kinds");
        println!(
            "{:>9} {:>8} {:>12} {:>9} {:>9} {:>13} {:>13} {:>26}",
            "findings",
            "policies",
            "naive",
            "cold",
            "warm",
            "naive x cold",
            "naive x warm",
            "x 16: naive   cold   warm"
        );
        for findings in [1, 10, 100] {
            let body = scene::body(findings, role, 3);
            let request = BatchUpdate::parse(body.as_bytes()).expect("a request");
            let [small, middle, large] = &sets;
            let of = |set| [naive(set, &caller, &request), cold(set, &caller, &request), warm(set, &caller, &request)];
            let costs = effort.measure([of(small), of(middle), of(large)].into_iter().flatten().collect());
            for (policies, of) in [16, 100, 1_000].into_iter().zip(costs.chunks(3)) {
                let [naive, cold, warm] = of else { continue };
                println!(
                    "{findings:>9} {policies:>8} {:>12.1} {:>9.1} {:>9.2} {:>13.0} {:>13.0} {:>13.2} {:>6.2} {:>6.2}",
                    naive.micros(),
                    cold.micros(),
                    warm.micros(),
                    naive.over(cold),
                    naive.over(warm),
                    naive.over(&costs[0]),
                    cold.over(&costs[1]),
                    warm.over(&costs[2]),
                );
            }
        }
    }
}

fn by_kinds(effort: &Effort) {
    println!("\n100 findings, 3 accounts, by what tells findings apart");
    println!(
        "{:<14} {:<32} {:>9} {:>9} {:>9} {:>9} {:>20}",
        "", "the policies read", "cold, 16", "warm, 16", "cold, 1k", "warm, 1k", "1k x 16: cold   warm"
    );
    for role in [Role::Member, Role::Administrator] {
        let caller = fleet::caller(role);
        let body = scene::body(100, role, 3);
        let request = BatchUpdate::parse(body.as_bytes()).expect("a request");
        for (site, name) in [
            (scene::ALIKE, "nothing else: all alike"),
            (EIGHT, "the product, for triage: 8 kinds"),
            (PART, "a part of the id, always: alike"),
            (EACH, "the id, for triage: all differ"),
            (EACH_ALWAYS, "the id, always: all differ"),
        ] {
            let [small, large] = [16, 1_000].map(|policies| scene::snapshot(policies, 3, site));
            let costs = effort.measure(vec![
                cold(&small, &caller, &request),
                warm(&small, &caller, &request),
                cold(&large, &caller, &request),
                warm(&large, &caller, &request),
            ]);
            println!(
                "{:<14} {name:<32} {:>9.1} {:>9.2} {:>9.1} {:>9.2} {:>13.2} {:>6.2}",
                role.as_str(),
                costs[0].micros(),
                costs[1].micros(),
                costs[2].micros(),
                costs[3].micros(),
                costs[2].over(&costs[0]),
                costs[3].over(&costs[1])
            );
        }
    }
}

fn by_accounts(effort: &Effort) {
    println!(
        "\n100 findings, 16 policies, findings of 8 kinds, by accounts: 3 and 11,000 in one fleet, and 4 fleets of 11,000"
    );
    println!(
        "{:<14} {:>9} {:>9} {:>9} {:>30} {:>32}",
        "", "naive, 3", "cold, 3", "warm, 3", "11k x 3: naive   cold   warm", "4 x 11k x 3: naive   cold   warm"
    );
    let [few, many] = [3, 11_000].map(|accounts| scene::snapshot(16, accounts, EIGHT));
    let several = scene::snapshot_of(16, fleet::fleets(4, 11_000), EIGHT);
    for role in [Role::Member, Role::Administrator] {
        let caller = fleet::caller(role);
        let [few_body, many_body] = [3, 11_000].map(|accounts| scene::body(100, role, accounts));
        let few_request = BatchUpdate::parse(few_body.as_bytes()).expect("a request");
        let many_request = BatchUpdate::parse(many_body.as_bytes()).expect("a request");
        let costs = effort.measure(vec![
            naive(&few, &caller, &few_request),
            cold(&few, &caller, &few_request),
            warm(&few, &caller, &few_request),
            naive(&many, &caller, &many_request),
            cold(&many, &caller, &many_request),
            warm(&many, &caller, &many_request),
            naive(&several, &caller, &many_request),
            cold(&several, &caller, &many_request),
            warm(&several, &caller, &many_request),
        ]);
        println!(
            "{:<14} {:>9.0} {:>9.1} {:>9.2} {:>16.2} {:>6.2} {:>6.2} {:>18.2} {:>6.2} {:>6.2}",
            role.as_str(),
            costs[0].micros(),
            costs[1].micros(),
            costs[2].micros(),
            costs[3].over(&costs[0]),
            costs[4].over(&costs[1]),
            costs[5].over(&costs[2]),
            costs[6].over(&costs[0]),
            costs[7].over(&costs[1]),
            costs[8].over(&costs[2])
        );
    }
}

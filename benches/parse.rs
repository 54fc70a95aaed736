//! What reading a request, writing it anew and merging the answer costs, beside what `serde_json` takes for a document of the
//! same bytes: parsed to a [`Value`] and written again, without looking at any of it.
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
    finding::{
        BatchUpdate, Role, Timestamp,
        outcome::{UpstreamAnswer, is_all_processed, write_answer},
    },
    gate::{Asked, Decision, Group, GroupAnswer, Knowledge, Merged, Plan, decide, merge},
    policy::Engine,
};
use serde_json::Value;
use support::{Case, Effort, fleet, scene};

const DECISION: &str = "00000000-0000-4000-8000-000000000000";

fn main() {
    let effort = Effort::from_args();
    println!(
        "CPU microseconds, medians; x value: times the cost of serde_json's Value, medians of ratios within rounds"
    );
    for (name, table) in [("requests", requests as fn(&Effort)), ("answers", answers)] {
        if effort.wants(name) {
            table(&effort);
        }
    }
}

fn value(json: &[u8]) -> Vec<u8> {
    let value: Value = serde_json::from_slice(json).expect("JSON");
    serde_json::to_vec(&value).expect("JSON")
}

fn requests(effort: &Effort) {
    println!("\na request for nine fields");
    println!(
        "{:>9} {:>8} {:>9} {:>9} {:>11} {:>9} {:>13}",
        "findings", "bytes", "value", "parse", "parse+write", "x value", "parse x value"
    );
    for findings in [1, 10, 100] {
        let body = scene::body(findings, Role::Member, 3);
        let body = body.as_bytes();
        let costs = effort.measure(vec![
            Case::new(|| value(body)),
            Case::new(|| drop(std::hint::black_box(BatchUpdate::parse(body)))),
            Case::new(|| {
                let request = BatchUpdate::parse(body).expect("a request");
                let mut out = Vec::with_capacity(body.len());
                let identifiers = request.write_json(0..findings, request.update.fields(), &mut out);
                (out, identifiers)
            }),
        ]);
        let [value, parse, both] = &*costs else { continue };
        println!(
            "{findings:>9} {:>8} {:>9.2} {:>9.2} {:>11.2} {:>9.2} {:>13.2}",
            body.len(),
            value.micros(),
            parse.micros(),
            both.micros(),
            both.over(value),
            parse.over(value)
        );
    }
}

/// A merge as it comes after a call upstream that updated everything.
fn merge_one(
    request: &BatchUpdate<'_>,
    decided: &(Decision<'_>, Vec<Group>),
    answer: GroupAnswer<UpstreamAnswer<'_>>,
) -> usize {
    match merge(request, &decided.0, &decided.1, vec![answer], DECISION) {
        Merged::Body { body, .. } => body.len(),
        Merged::PassFailure(_) => panic!("nothing failed"),
    }
}

fn answers(effort: &Effort) {
    println!("\nthe answer to it, all processed upstream");
    println!(
        "{:>9} {:>8} {:>9} {:>11} {:>9} {:>14} {:>9} {:>9} {:>9}",
        "findings", "bytes", "value", "as expected", "x value", "listed anyhow", "x value", "denials", "x value"
    );
    for findings in [1, 10, 100] {
        let body = scene::body(findings, Role::Member, 3);
        let request = BatchUpdate::parse(body.as_bytes()).expect("a request");
        let mut engine = Engine::new(scene::snapshot(16, 3, scene::ALIKE));
        let mut decided = |role| {
            let decision = decide(
                &mut engine,
                &fleet::caller(role),
                Asked::of_update(&request, Timestamp::UNIX_EPOCH),
                Knowledge::OfEach(&[]),
            );
            let Plan::Forward { groups } = Plan::new(&request, &decision, DECISION) else { panic!("refused") };
            assert_eq!(groups.len(), 1);
            (decision, groups)
        };
        // The administrator is denied nothing, the member five fields of each finding.
        let (allowed, denied) = (decided(Role::Administrator), decided(Role::Member));
        let mut sent = Vec::new();
        let identifiers = request.write_json(0..findings, request.update.fields(), &mut sent);
        let answer = write_answer(&request.identifiers, 0..findings, &[]);
        let costs = effort.measure(vec![
            Case::new(|| value(&answer)),
            Case::new(|| {
                assert!(is_all_processed(&answer, &sent[identifiers.clone()]));
                merge_one(&request, &allowed, GroupAnswer::AllProcessed)
            }),
            Case::new(|| {
                let answer: UpstreamAnswer<'_> = serde_json::from_slice(&answer).expect("an answer");
                merge_one(&request, &allowed, GroupAnswer::Listed(answer))
            }),
            Case::new(|| {
                assert!(is_all_processed(&answer, &sent[identifiers.clone()]));
                merge_one(&request, &denied, GroupAnswer::AllProcessed)
            }),
        ]);
        let [value, expected, listed, denials] = &*costs else { continue };
        println!(
            "{findings:>9} {:>8} {:>9.2} {:>11.2} {:>9.2} {:>14.2} {:>9.2} {:>9.2} {:>9.2}",
            answer.len(),
            value.micros(),
            expected.micros(),
            expected.over(value),
            listed.micros(),
            listed.over(value),
            denials.micros(),
            denials.over(value)
        );
    }
}

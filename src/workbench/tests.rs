use super::*;
use crate::{
    finding::{Action, Role},
    policy::{Answer, Engine, PolicyText, Snapshot, load, pack},
};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// An engine of a pack, for the fleet of these callers.
pub(super) fn engine(pack_name: &str, callers: &[&CallerFixture]) -> Engine {
    let texts: Vec<PolicyText> = pack(pack_name).unwrap().into_iter().collect();
    let rules = load(&texts).unwrap().rules().to_vec();
    let accounts = Fleet::of(callers.iter().copied()).unwrap().accounts();
    Engine::new(Arc::new(Snapshot::new(rules, Arc::new(accounts), crate::finding::Enforcement::Reject).unwrap()))
}

#[expect(clippy::needless_pass_by_value, reason = "reads better at the call")]
fn members(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn member() -> CallerFixture {
    CallerFixture::plain(Role::Member, "222222222222".parse().unwrap())
}

fn example(call: Call) -> Example {
    let caller = member();
    Example { finding: FindingFixture::plain(caller.account), caller, call, now: Example::NOW }
}

#[test]
fn an_example_goes_the_way_of_a_request() {
    let mut engine = engine("baseline", &[&member()]);
    let update = json!({ "Workflow": { "Status": "NOTIFIED" }, "Severity": { "Label": "LOW" } });
    let decided = ask(&mut engine, &example(Call::Update(members(update)))).unwrap();
    assert_eq!(decided.outcome, Outcome::Stripped);
    assert!(!decided.looked_up);
    let [label, status] = &decided.answered[..] else { panic!("{decided:?}") };
    assert_eq!(label.to_string(), "Severity.Label[LOW]");
    assert_eq!(label.verdict.enforced.denial().unwrap().policies, ["members-do-not-change-severity".into()]);
    assert_eq!((status.action, status.shown.as_str()), (Action::WorkflowStatus, "Workflow.Status = NOTIFIED"));
    assert_eq!(status.verdict.enforced, Answer::Allowed { by: vec!["members-triage".into()] });
    assert_eq!(decided.kept, [crate::finding::Field::Workflow]);
}

#[test]
fn what_depends_on_the_finding_is_looked_up() {
    let mut engine = engine("baseline", &[&member()]);
    let mut example = example(Call::Update(members(json!({ "UserDefinedFields": { "owner": "ana" } }))));
    example.finding.user_defined_fields = [("owner".to_owned(), "ana".to_owned())].into();
    let decided = ask(&mut engine, &example).unwrap();
    assert_eq!((decided.outcome, decided.looked_up), (Outcome::Forwarded, true));
    example.finding.known = false;
    assert_eq!(ask(&mut engine, &example).unwrap().outcome, Outcome::Stripped);
    example.finding.known = true;
    example.finding.exists = false;
    assert_eq!(ask(&mut engine, &example).unwrap().outcome, Outcome::NotFound);
}

#[test]
fn imports_and_updates_in_ocsf_go_the_same_way() {
    let mut engine = engine("baseline", &[&member()]);
    let decided = ask(&mut engine, &example(Call::Import(members(json!({ "RecordState": "ARCHIVED" }))))).unwrap();
    assert_eq!(decided.outcome, Outcome::Rejected);
    let decided = ask(&mut engine, &example(Call::UpdateV2(members(json!({ "StatusId": 3 }))))).unwrap();
    assert_eq!(decided.outcome, Outcome::Rejected, "{decided:?}");
}

#[test]
fn a_body_that_the_api_does_not_take_says_where() {
    let mut engine = engine("baseline", &[&member()]);
    let error =
        ask(&mut engine, &example(Call::Update(members(json!({ "Workflow": { "Status": "DONE" } }))))).unwrap_err();
    assert!(error.to_string().contains("Workflow.Status"), "{error}");
}

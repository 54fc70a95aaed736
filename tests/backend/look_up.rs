//! Findings looked up for policies, at a backend that keeps to the API.

use super::support::{ADMIN, MEMBER, OTHER, World, at, custom_arn, finding};
use bytes::Bytes;
use findings_gate::{
    finding::{Caller, Enforcement, Identifier, Operation, Proof, Role, State, WorkflowStatus},
    state::{CallError, Found, StateSettings, States},
};
use serde_json::{Value, json};
use std::{cell::Cell, num::NonZeroU32, rc::Rc, sync::Arc, time::Duration};
use tokio::{runtime, task::LocalSet};

fn name(account: &str, id: &str) -> Identifier<'static> {
    Identifier { id: id.to_owned().into(), product_arn: custom_arn(account).into() }
}

/// A finding of 200 KB.
fn large(account: &str, id: &str) -> Value {
    let other: serde_json::Map<_, _> = (0..50).map(|key| (key.to_string(), json!("x".repeat(1000)))).collect();
    let resource = |id: usize| json!({"Type": "Other", "Id": id.to_string(), "Details": {"Other": other}});
    let mut finding = finding(account, id);
    finding["Resources"] = (0..4).map(resource).collect();
    finding
}

struct Desk {
    world: Rc<World>,
    states: Arc<States>,
    calls: Rc<Cell<usize>>,
}

impl Desk {
    async fn look_up(&self, names: &[Identifier<'static>]) -> Vec<Found> {
        let (world, calls) = (Rc::clone(&self.world), Rc::clone(&self.calls));
        let get_findings = async move |body: Bytes, _| {
            calls.set(calls.get() + 1);
            let answer = world.backend.call(Operation::GetFindings, ADMIN.parse().unwrap(), &body, at(0));
            answer.map(Bytes::from).map_err(|error| CallError::Failed(error.message))
        };
        let caller = Caller {
            account: ADMIN.parse().unwrap(),
            role: Role::Administrator,
            principal: "p".into(),
            groups: Arc::default(),
            region: None,
            proof: Proof::Fixed,
            minimum_enforcement: Enforcement::Strip,
        };
        self.states.look_up(&caller, &names.iter().collect::<Vec<_>>(), get_findings).await
    }
}

#[track_caller]
fn known(found: &Found) -> &State {
    let Found::Known(state) = found else { panic!("{found:?}") };
    state
}

#[test]
fn findings_are_looked_up_over_pages_and_anew_after_an_update() {
    let runtime = runtime::Builder::new_current_thread().enable_time().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let world = Rc::new(World::new());
        for account in [MEMBER, OTHER] {
            let findings: Vec<_> = (0..20).map(|id| large(account, &id.to_string())).collect();
            assert_eq!(world.import(account, &findings)["FailedFindings"], json!([]));
        }
        let settings = StateSettings {
            max_age: Duration::from_hours(1),
            entries: 100,
            deadline: Duration::from_mins(10),
            rate: NonZeroU32::new(1000).unwrap(),
            burst: NonZeroU32::new(1000).unwrap(),
        };
        let states = Arc::new(States::new(settings));
        let desk = Desk { world: Rc::clone(&world), states, calls: Rc::default() };

        // Each of the two has all twenty ids; half of them are asked for. All forty together are more than a page.
        let owner = |id: usize| if id.is_multiple_of(2) { MEMBER } else { OTHER };
        let names: Vec<_> = (0..20).map(|id| name(owner(id), &id.to_string())).collect();
        let found = desk.look_up(&names).await;
        for (id, found) in found.iter().enumerate() {
            let state = known(found);
            assert_eq!((state.account.as_str(), state.resource_ids.len()), (owner(id), 4));
        }
        assert_eq!(desk.calls.get(), 2, "one call, two pages");

        assert_eq!(desk.look_up(&[name(MEMBER, "else")]).await, [Found::Missing]);
        world.update(MEMBER, "0", json!({"Workflow": {"Status": "SUPPRESSED"}}));
        assert_eq!(known(&desk.look_up(&names[..2]).await[0]).workflow_status, WorkflowStatus::New);
        desk.states.invalidate(&names[..1]);
        assert_eq!(known(&desk.look_up(&names[..2]).await[0]).workflow_status, WorkflowStatus::Suppressed);
        assert_eq!(desk.calls.get(), 4);
    });
}

//! Look-ups against a backend that does what the test says.
//!
//! Nearly all of them run on tokio's paused clock: a sleep passes at once, when nothing else is left to do.

mod calls;
mod invalidated;
mod random;
mod shared;
mod threads;
mod uids;

use super::*;
use crate::finding::{AccountId, Caller, Enforcement, Identifier, Proof, Role};
use bytes::Bytes;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, VecDeque},
    num::NonZeroU32,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    runtime,
    sync::Semaphore,
    task::LocalSet,
    time::{Instant, sleep},
};

pub(super) const PRODUCT: &str = "arn:aws:securityhub:eu-west-1::product/partner/scanner";
const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// A finding of [`PRODUCT`]'s, which differs from others by its `Confidence`.
pub(super) fn finding(id: &str, confidence: u64) -> Value {
    json!({
        "AwsAccountId": "222222222222", "ProductArn": PRODUCT, "Id": id, "Confidence": confidence,
        "CreatedAt": "2024-05-01T00:00:00Z", "UpdatedAt": "2024-05-01T00:00:00Z", "GeneratorId": "rule",
        "Severity": {"Label": "HIGH"}, "Workflow": {"Status": "NEW"}, "RecordState": "ACTIVE", "Region": "eu-west-1",
    })
}

pub(super) fn name(id: &str) -> Identifier<'static> {
    Identifier { id: id.to_owned().into(), product_arn: PRODUCT.to_owned().into() }
}

/// What is looked up is the same finding with this `Confidence`.
fn confidence(found: &Found) -> Option<u64> {
    let Found::Known(state) = found else { return None };
    state.confidence.and_then(|number| number.try_into().ok())
}

fn confidences(found: &[Found]) -> Vec<Option<u64>> {
    found.iter().map(confidence).collect()
}

fn account(number: u64) -> AccountId {
    AccountId::parse(&format!("{number:012}")).unwrap()
}

/// An administrator, to whom all is shown.
fn caller(number: u64) -> Caller {
    Caller {
        account: account(number),
        role: Role::Administrator,
        principal: "p".into(),
        groups: Arc::default(),
        region: None,
        proof: Proof::Fixed,
        minimum_enforcement: Enforcement::Strip,
    }
}

fn number(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

/// The defaults of the configuration.
fn settings() -> StateSettings {
    StateSettings { max_age: 30 * SECOND, entries: 20_000, deadline: 2 * SECOND, rate: number(3), burst: number(6) }
}

/// Runs a test on a paused clock.
fn paused<T>(test: impl Future<Output = T>) -> T {
    let runtime = runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, test)
}

/// Waits until nobody can go on by himself.
async fn settled() {
    sleep(MS).await;
}

/// What comes of a call.
#[derive(Debug, Clone)]
enum Turn {
    Answer,
    Fail(CallError),
    Text(&'static str),
    /// The answer takes so long.
    Late(Duration),
    /// The answer is what is there now, and comes when the test lets it: [`Backend::held`].
    Hold,
}

/// A call that came.
#[derive(Debug, Clone)]
struct Came {
    at: Instant,
    body: Value,
}

impl Came {
    fn ids(&self) -> Vec<&str> {
        self.body["Filters"]["Id"].as_array().unwrap().iter().map(|id| id["Value"].as_str().unwrap()).collect()
    }
}

/// A backend with the findings that the test gives it.
struct Backend {
    findings: Mutex<BTreeMap<(String, String), Value>>,
    /// What comes of the next calls; an answer when nothing is said.
    turns: Mutex<VecDeque<Turn>>,
    calls: Mutex<Vec<Came>>,
    page: usize,
    /// As many permits as answers may go.
    held: Semaphore,
}

impl Backend {
    fn new() -> Arc<Self> {
        Self::with_pages_of(100)
    }

    fn with_pages_of(page: usize) -> Arc<Self> {
        Arc::new(Self {
            findings: Mutex::default(),
            turns: Mutex::default(),
            calls: Mutex::default(),
            page,
            held: Semaphore::new(0),
        })
    }

    /// With findings called `0`, `1` and so on, of the same confidence as their names.
    fn with(findings: u64) -> Arc<Self> {
        let backend = Self::new();
        for number in 0..findings {
            backend.put(finding(&number.to_string(), number));
        }
        backend
    }

    fn put(&self, finding: Value) {
        let member = |name: &str| finding[name].as_str().unwrap().to_owned();
        let key = (member("ProductArn"), member("Id"));
        self.findings.lock().unwrap().insert(key, finding);
    }

    fn plan(&self, turns: impl IntoIterator<Item = Turn>) {
        self.turns.lock().unwrap().extend(turns);
    }

    fn calls(&self) -> Vec<Came> {
        self.calls.lock().unwrap().clone()
    }

    fn count(&self) -> usize {
        self.calls.lock().unwrap().len()
    }

    fn asker(self: &Arc<Self>) -> impl AsyncFn(Bytes, Instant) -> Result<Bytes, CallError> + 'static {
        let backend = Arc::clone(self);
        async move |body: Bytes, _| backend.answer(&body).await
    }

    async fn answer(&self, body: &[u8]) -> Result<Bytes, CallError> {
        let body: Value = serde_json::from_slice(body).unwrap();
        self.calls.lock().unwrap().push(Came { at: Instant::now(), body: body.clone() });
        let answer = self.page(&body);
        let turn = self.turns.lock().unwrap().pop_front().unwrap_or(Turn::Answer);
        match turn {
            Turn::Answer => {}
            Turn::Fail(error) => return Err(error),
            Turn::Text(text) => return Ok(text.into()),
            Turn::Late(time) => sleep(time).await,
            Turn::Hold => self.held.acquire().await.unwrap().forget(),
        }
        Ok(answer.to_string().into())
    }

    fn page(&self, body: &Value) -> Value {
        let has = |filter: &str, value: &str| {
            let values = body["Filters"][filter].as_array().unwrap();
            assert!(values.len() <= 20, "the API takes no more");
            values.iter().any(|one| one["Value"] == value && one["Comparison"] == "EQUALS")
        };
        let findings = self.findings.lock().unwrap();
        let fits = |(product_arn, id): &(String, String)| has("Id", id) && has("ProductArn", product_arn);
        let fitting: Vec<_> =
            findings.iter().filter(|(key, _)| fits(key)).map(|(_, finding)| finding.clone()).collect();
        let from: usize = body["NextToken"].as_str().map_or(0, |token| token.parse().unwrap());
        let to = fitting.len().min(from + self.page);
        let mut page = json!({"Findings": fitting[from..to]});
        if to < fitting.len() {
            page["NextToken"] = to.to_string().into();
        }
        page
    }
}

/// Asks for findings by their ids.
async fn look_up(states: &Arc<States>, backend: &Arc<Backend>, of: u64, ids: &[String]) -> Vec<Found> {
    let names: Vec<_> = ids.iter().map(|id| name(id)).collect();
    let names: Vec<_> = names.iter().collect();
    states.look_up(&caller(of), &names, backend.asker()).await
}

fn ids<T: ToString>(ids: impl IntoIterator<Item = T>) -> Vec<String> {
    ids.into_iter().map(|id| id.to_string()).collect()
}

/// The same beside the test.
fn spawn(
    states: &Arc<States>,
    backend: &Arc<Backend>,
    of: u64,
    ids: Vec<String>,
) -> tokio::task::JoinHandle<Vec<Found>> {
    let (states, backend) = (Arc::clone(states), Arc::clone(backend));
    tokio::task::spawn_local(async move { look_up(&states, &backend, of, &ids).await })
}

fn failed(text: &str) -> Turn {
    Turn::Fail(CallError::Failed(text.to_owned()))
}

fn throttled() -> Turn {
    Turn::Fail(CallError::Throttled("Too Many Requests".to_owned()))
}

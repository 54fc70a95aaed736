//! Whatever happens in whatever order.

use super::*;
use proptest::prelude::*;
use std::cell::RefCell;
use tokio::{task::JoinSet, time::timeout};

const FINDINGS: u64 = 50;

#[derive(Debug, Clone)]
enum Event {
    /// A request asks, and may be given up after so many milliseconds.
    Ask { of: u64, ids: Vec<u64>, given_up: Option<u16> },
    /// An update through the gate, whose answer takes so many milliseconds after the change was made.
    Update { id: u64, takes: u16 },
    /// A change that the gate does not hear of.
    Elsewhere { id: u64 },
    /// What comes of one of the next calls.
    Plan(Turn),
}

fn event() -> impl Strategy<Value = Event> {
    let id = || 0..FINDINGS;
    prop_oneof![
        6 => (1..5_u64, prop::collection::vec(id(), 1..30), prop::option::weighted(0.2, 0..3000_u16))
            .prop_map(|(of, ids, given_up)| Event::Ask { of, ids, given_up }),
        3 => (id(), 0..300_u16).prop_map(|(id, takes)| Event::Update { id, takes }),
        1 => id().prop_map(|id| Event::Elsewhere { id }),
        2 => prop_oneof![
            Just(failed("broken")),
            Just(throttled()),
            Just(Turn::Text("{")),
            (0..2500_u16).prop_map(|millis| Turn::Late(MS * millis.into())),
        ]
        .prop_map(Event::Plan),
    ]
}

/// What is true of the findings, and what whoever asks may rely on.
struct Truth {
    backend: Arc<Backend>,
    states: Arc<States>,
    /// For each finding, its versions, and since when each holds.
    versions: RefCell<Vec<Vec<(Instant, u64)>>>,
    /// For each finding, its version when it was last invalidated.
    floors: RefCell<Vec<u64>>,
}

impl Truth {
    fn change(&self, id: u64) {
        let versions = &mut self.versions.borrow_mut()[usize::try_from(id).unwrap()];
        let version = versions.last().unwrap().1 + 1;
        versions.push((Instant::now(), version));
        self.backend.put(finding(&id.to_string(), version));
    }

    fn invalidate(&self, id: u64) {
        self.states.invalidate([&name(&id.to_string())]);
        let at = usize::try_from(id).unwrap();
        self.floors.borrow_mut()[at] = self.versions.borrow()[at].last().unwrap().1;
    }

    /// The oldest version that may be told to who asks now.
    fn oldest(&self, id: u64) -> u64 {
        let at = usize::try_from(id).unwrap();
        // What is under way may have gone out a deadline ago.
        let (max_age, deadline) = (settings().max_age, settings().deadline);
        let then = Instant::now().checked_sub(max_age.max(deadline));
        let versions = self.versions.borrow();
        let kept = versions[at].iter().rfind(|(since, _)| then.is_some_and(|then| *since < then));
        self.floors.borrow()[at].max(kept.map_or(0, |(_, version)| *version))
    }

    async fn ask(&self, of: u64, asked: Vec<u64>, given_up: Option<u16>) {
        let oldest: Vec<u64> = asked.iter().map(|id| self.oldest(*id)).collect();
        let began = Instant::now();
        let names = ids(&asked);
        let look_up = look_up(&self.states, &self.backend, of, &names);
        let within = given_up.map_or(Duration::MAX, |millis| MS * millis.into());
        let Ok(found) = timeout(within, look_up).await else { return };
        assert!(began.elapsed() <= settings().deadline + MS, "{:?}", began.elapsed());
        assert_eq!(found.len(), asked.len());
        for ((id, oldest), found) in asked.into_iter().zip(oldest).zip(&found) {
            match found {
                Found::Known(_) => {
                    let version = confidence(found).unwrap();
                    assert!(version >= oldest, "finding {id}: {version}, and {oldest} was known to be there");
                }
                Found::Missing => panic!("finding {id} is there"),
                Found::Unavailable(_) => {}
            }
        }
    }
}

async fn run(events: Vec<(u16, Event)>) {
    let backend = Backend::with(0);
    let states = Arc::new(States::new(settings()));
    let now = Instant::now();
    let versions = (0..FINDINGS).map(|_| vec![(now, 1)]).collect();
    let floors = RefCell::new(vec![1; usize::try_from(FINDINGS).unwrap()]);
    (0..FINDINGS).for_each(|id| backend.put(finding(&id.to_string(), 1)));
    let truth = std::rc::Rc::new(Truth { backend, states, versions: RefCell::new(versions), floors });
    let mut requests = JoinSet::new();
    for (wait, event) in events {
        sleep(MS * wait.into()).await;
        let truth = std::rc::Rc::clone(&truth);
        match event {
            Event::Ask { of, ids, given_up } => {
                requests.spawn_local(async move { truth.ask(of, ids, given_up).await });
            }
            Event::Update { id, takes } => {
                truth.change(id);
                requests.spawn_local(async move {
                    sleep(MS * takes.into()).await;
                    truth.invalidate(id);
                });
            }
            Event::Elsewhere { id } => truth.change(id),
            Event::Plan(turn) => truth.backend.plan([turn]),
        }
    }
    requests.join_all().await;

    // Never more than the quota: of any calls in a row, all but a burst kept to the pace.
    let calls = truth.backend.calls();
    let (interval, burst) = (SECOND / settings().rate.get(), settings().burst.get());
    for (first, call) in calls.iter().enumerate() {
        for (count, later) in (0_u32..).zip(&calls[first..]) {
            let least = interval * (count + 1).saturating_sub(burst);
            assert!(later.at - call.at + MS >= least, "{count} calls after call {first}");
        }
    }
    // Nothing is left behind, and everything still works.
    sleep(10 * SECOND).await;
    assert!(truth.states.pending().is_empty());
    truth.backend.turns.lock().unwrap().clear();
    (0..FINDINGS).for_each(|id| truth.invalidate(id));
    let found = look_up(&truth.states, &truth.backend, 1, &ids(0..FINDINGS)).await;
    let latest: Vec<_> = truth.versions.borrow().iter().map(|versions| Some(versions.last().unwrap().1)).collect();
    assert_eq!(confidences(&found), latest);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Every answer is one that the backend gave at or after the last invalidation that was over when the question was asked,
    /// and none that is too old; there are never more calls than the quota allows; and nobody hangs.
    #[test]
    fn answers_are_recent_calls_are_few_and_nobody_hangs(
        events in prop::collection::vec((0..120_u16, event()), 1..150),
    ) {
        paused(run(events));
    }
}

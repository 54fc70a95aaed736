//! Real threads, as a gate's workers are.

use super::*;
use std::{
    collections::HashMap,
    sync::{
        Barrier,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};
use tokio::task::JoinSet;

const WORKERS: u64 = 4;

/// With a quota that is never in the way.
fn plenty() -> StateSettings {
    StateSettings {
        max_age: 3600 * SECOND,
        entries: 1000,
        deadline: 600 * SECOND,
        rate: number(100_000),
        burst: number(100_000),
    }
}

/// Runs the same on every worker at once, each with a runtime of its own.
fn on_workers<F: Future<Output = ()>>(work: impl Fn(u64) -> F + Sync) {
    let barrier = Barrier::new(WORKERS.try_into().unwrap());
    thread::scope(|scope| {
        for worker in 0..WORKERS {
            let (work, barrier) = (&work, &barrier);
            scope.spawn(move || {
                let runtime = runtime::Builder::new_current_thread().enable_time().build().unwrap();
                barrier.wait();
                LocalSet::new().block_on(&runtime, work(worker));
            });
        }
    });
}

#[test]
fn each_finding_is_asked_for_once_by_all_workers() {
    const FINDINGS: u64 = 50;
    let (backend, states) = (Backend::with(FINDINGS), Arc::new(States::new(plenty())));
    on_workers(async |worker| {
        let mut requests = JoinSet::new();
        for request in 0..50 {
            let (states, backend) = (Arc::clone(&states), Arc::clone(&backend));
            requests.spawn_local(async move {
                let asked: Vec<u64> = (0..30).map(|at| (at * 7 + request * 3 + worker) % FINDINGS).collect();
                let found = look_up(&states, &backend, worker, &ids(&asked)).await;
                assert_eq!(confidences(&found), asked.into_iter().map(Some).collect::<Vec<_>>());
            });
        }
        requests.join_all().await;
    });
    let mut times: HashMap<String, usize> = HashMap::new();
    for call in backend.calls() {
        assert!(call.ids().len() <= 20);
        call.ids().into_iter().for_each(|id| *times.entry(id.to_owned()).or_default() += 1);
    }
    assert_eq!(times.len(), 50);
    assert!(times.values().all(|times| *times == 1), "{times:?}");
    assert!(states.pending().is_empty());
}

/// Every worker changes findings, tells so, and must then see its change or a later one.
#[test]
fn no_worker_sees_what_was_before_its_own_change() {
    const FINDINGS: u64 = 3;
    let (backend, states) = (Backend::with(FINDINGS), Arc::new(States::new(plenty())));
    let version = AtomicU64::new(1000);
    on_workers(async |worker| {
        for round in 0..300 {
            let id = (worker + round) % FINDINGS;
            let changed = {
                // As the backend does it: one change after the other.
                let mut findings = backend.findings.lock().unwrap();
                let changed = version.fetch_add(1, Ordering::SeqCst);
                findings.insert((PRODUCT.to_owned(), id.to_string()), finding(&id.to_string(), changed));
                changed
            };
            states.invalidate([&name(&id.to_string())]);
            let found = look_up(&states, &backend, worker, &ids(0..FINDINGS)).await;
            let seen = confidence(&found[usize::try_from(id).unwrap()]);
            assert!(seen.is_some_and(|seen| seen >= changed), "{seen:?} after {changed}");
            let kept = states.cached(&name(&id.to_string())).and_then(|state| state.confidence);
            assert!(kept.is_none_or(|kept| kept >= i64::try_from(changed).unwrap()), "{kept:?} after {changed}");
        }
    });
    assert!(states.pending().is_empty());
}

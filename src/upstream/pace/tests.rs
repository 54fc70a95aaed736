//! Quotas and shares, nearly all on tokio's paused clock: a sleep passes at once, when nothing else is left to do.

use super::*;
use crate::telemetry::metrics::Metrics;
use proptest::prelude::*;
use std::{
    cell::RefCell,
    rc::Rc,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
};
use tokio::{
    runtime,
    task::{LocalSet, spawn_local},
    time::sleep,
};

const UPDATE: Operation = Operation::BatchUpdateFindings;
const GET: Operation = Operation::GetFindings;
const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn account(number: u32) -> AccountId {
    AccountId::parse(&format!("{number:012}")).unwrap()
}

fn pace(settings: QuotaSettings) -> Rc<Pace> {
    Rc::new(Pace::new(settings, Metrics::new().upstream("eu-west-1")))
}

fn gateway() -> QuotaSettings {
    QuotaSettings::aws(QuotaOwner::Gate)
}

fn far() -> Instant {
    Instant::now() + 3600 * SECOND
}

async fn of(pace: &Pace, operation: Operation, number: u32) -> Result<Pass, OverQuota> {
    let lane = if number == 0 { Lane::Gate } else { Lane::Caller(account(number)) };
    pace.pass(operation, account(number), lane, far()).await
}

fn paused<T>(test: impl Future<Output = T>) -> T {
    let runtime = runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, test)
}

/// Nobody waits, and what was used is full again after a while.
async fn assert_at_rest(pace: &Pace) {
    sleep(60 * SECOND).await;
    let meters = pace.meters.lock().unwrap();
    for ((owner, operation), meter) in &*meters {
        assert_eq!(Arc::strong_count(meter), 1, "{owner:?} {operation}");
        assert!(meter.is_fresh(Instant::now()), "{owner:?} {operation}");
    }
}

#[test]
fn the_quotas_of_aws_are_the_default() {
    let settings = gateway();
    for operation in Operation::ALL.iter().copied() {
        let expected = if operation == GET { Rate::new(3, 6) } else { Rate::new(10, 30) };
        assert_eq!(settings.rate(operation), expected, "{operation}");
    }
    assert_eq!((settings.longest_line(UPDATE), settings.longest_line(GET)), (20, 6));
    let settings = QuotaSettings { wait: MS, ..settings };
    assert_eq!(settings.longest_line(UPDATE), 1);
    let settings = QuotaSettings { wait: 60 * SECOND, update: Rate::new(u32::MAX, 1), ..settings };
    assert_eq!(settings.longest_line(UPDATE), LONGEST_LINE);
}

#[test]
fn each_owner_and_operation_has_a_quota_of_its_own() {
    paused(async {
        for (owner, second) in [(QuotaOwner::Gate, false), (QuotaOwner::Caller, true)] {
            let pace = pace(QuotaSettings { wait: MS, ..QuotaSettings::aws(owner) });
            for _ in 0..6 {
                of(&pace, GET, 1).await.unwrap();
            }
            let over = of(&pace, GET, 1).await.unwrap_err();
            assert_eq!(over, OverQuota { rate: Rate::new(3, 6), retry_after: SECOND });
            assert_eq!(of(&pace, GET, 2).await.is_ok(), second, "{owner:?}");
            assert!(of(&pace, UPDATE, 1).await.is_ok());
            assert!(of(&pace, Operation::GetFindingsV2, 1).await.is_ok());
        }
    });
}

#[test]
fn a_call_waits_for_its_turn_and_no_longer_than_it_may() {
    paused(async {
        let pace = pace(gateway());
        for _ in 0..30 {
            of(&pace, UPDATE, 1).await.unwrap();
        }
        let began = Instant::now();
        of(&pace, UPDATE, 1).await.unwrap();
        assert_eq!(began.elapsed(), 100 * MS);
        // The request's own time is shorter than the quota's.
        let refused = pace.pass(UPDATE, account(1), Lane::Caller(account(1)), Instant::now() + 50 * MS).await;
        assert_eq!(refused.unwrap_err().retry_after, SECOND);
        assert_eq!(began.elapsed(), 100 * MS, "who would wait in vain is told at once");
    });
}

#[test]
fn only_calls_that_stood_in_a_line_have_waited() {
    paused(async {
        let metrics = Metrics::new();
        let pace = Pace::new(QuotaSettings { update: Rate::new(10, 1), ..gateway() }, metrics.upstream("eu-west-1"));
        of(&pace, UPDATE, 1).await.unwrap();
        of(&pace, UPDATE, 1).await.unwrap();
        let refused = pace.pass(UPDATE, account(1), Lane::Caller(account(1)), Instant::now() + 50 * MS).await;
        refused.unwrap_err();
        let text = metrics.encode();
        for line in [
            r#"quota_wait_seconds_count{region="eu-west-1",operation="BatchUpdateFindings"} 1"#,
            r#"quota_calls_total{region="eu-west-1",operation="BatchUpdateFindings",result="refused"} 1"#,
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    });
}

#[test]
fn an_account_has_no_more_waiting_than_its_line_takes() {
    paused(async {
        let pace = pace(QuotaSettings { wait: 2 * SECOND, update: Rate::new(10, 1), ..gateway() });
        let refused = Rc::new(RefCell::new(Vec::new()));
        for _ in 0..100 {
            let (pace, refused) = (Rc::clone(&pace), Rc::clone(&refused));
            spawn_local(async move {
                if let Err(over) = of(&pace, UPDATE, 1).await {
                    refused.borrow_mut().push((Instant::now(), over.retry_after));
                }
            });
        }
        let began = Instant::now();
        sleep(MS).await;
        let refused = refused.borrow();
        // One went at once, and 19 can have their turn in less than two seconds.
        assert_eq!(refused.len(), 100 - 20);
        assert!(refused.iter().all(|told| *told == (began, 2 * SECOND)), "{refused:?}");
    });
}

#[test]
fn a_caller_that_is_overtaken_is_told_when_its_time_is_over() {
    paused(async {
        let pace = pace(QuotaSettings { wait: SECOND, update: Rate::new(2, 1), ..gateway() });
        of(&pace, UPDATE, 1).await.unwrap();
        let began = Instant::now();
        let late = {
            let pace = Rc::clone(&pace);
            // Its turn would come after 500 ms, and after 400 somebody whose turn is before it joins.
            spawn_local(async move { of(&pace, UPDATE, 9).await.map(drop) })
        };
        let second = {
            let pace = Rc::clone(&pace);
            spawn_local(async move {
                sleep(400 * MS).await;
                of(&pace, UPDATE, 2).await.map(drop)
            })
        };
        assert_eq!(second.await.unwrap(), Ok(()));
        assert_eq!(began.elapsed(), 500 * MS);
        let told = late.await.unwrap();
        assert_eq!((told.is_err(), began.elapsed()), (true, SECOND));
        assert_at_rest(&pace).await;
    });
}

/// One caller keeps as many calls going as it can; the others make one after the other. Each modest one gets what it asks for.
#[test]
fn one_greedy_caller_starves_nobody() {
    paused(async {
        let pace = pace(gateway());
        let served = Rc::new(RefCell::new(HashMap::<u32, usize>::new()));
        let refused = Rc::new(RefCell::new(HashMap::<u32, usize>::new()));
        let until = Instant::now() + 60 * SECOND;
        let mut tasks = Vec::new();
        // Account 1 with a hundred tasks that never rest, accounts 2 to 6 with one call a second each.
        for number in std::iter::repeat_n(1, 100).chain(2..=6) {
            let (pace, served, refused) = (Rc::clone(&pace), Rc::clone(&served), Rc::clone(&refused));
            tasks.push(spawn_local(async move {
                while Instant::now() < until {
                    let count = if of(&pace, UPDATE, number).await.is_ok() { &served } else { &refused };
                    *count.borrow_mut().entry(number).or_default() += 1;
                    sleep(if number == 1 { 10 * MS } else { SECOND }).await;
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        let (served, refused) = (served.take(), refused.take());
        for modest in 2..=6 {
            assert!(!refused.contains_key(&modest), "{refused:?}");
            // A call a second, and no more than one round of all accounts to wait for it.
            assert!(served[&modest] >= 60 * 10 / 16, "{served:?}");
        }
        let all: usize = served.values().sum();
        assert!(refused[&1] > 1000, "{refused:?}");
        // 60 seconds, and the two that the last ones wait.
        assert!((600..=30 + 620).contains(&all), "{all}");
        assert_at_rest(&pace).await;
    });
}

#[test]
fn look_ups_have_every_second_turn() {
    paused(async {
        let pace = pace(QuotaSettings { wait: 10 * SECOND, get: Rate::new(1, 1), ..gateway() });
        of(&pace, GET, 1).await.unwrap();
        let order = Rc::new(RefCell::new(Vec::new()));
        let numbers = [1, 1, 1, 2, 0, 0, 0];
        let tasks: Vec<_> = numbers
            .into_iter()
            .map(|number| {
                let (pace, order) = (Rc::clone(&pace), Rc::clone(&order));
                spawn_local(async move {
                    of(&pace, GET, number).await.unwrap();
                    order.borrow_mut().push(number);
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*order.borrow(), [0, 1, 0, 2, 0, 1, 1]);
    });
}

#[test]
fn the_one_who_serves_may_leave_at_any_time() {
    paused(async {
        let pace = pace(QuotaSettings { update: Rate::new(10, 1), ..gateway() });
        of(&pace, UPDATE, 1).await.unwrap();
        let began = Instant::now();
        let tasks: Vec<_> = (1..=10)
            .map(|number| {
                let pace = Rc::clone(&pace);
                spawn_local(async move { of(&pace, UPDATE, number).await.map(drop) })
            })
            .collect();
        sleep(50 * MS).await;
        // The first holds the seat. It and every second one go.
        for task in tasks.iter().step_by(2) {
            task.abort();
        }
        for (at, task) in tasks.into_iter().enumerate() {
            let done = task.await;
            assert_eq!(done.is_ok(), at % 2 == 1, "{at}");
            assert!(done.is_err() || done.unwrap().is_ok());
        }
        assert_eq!(began.elapsed(), 500 * MS, "five turns for the five that stayed");
        assert_at_rest(&pace).await;
    });
}

#[test]
fn a_refusal_of_the_backend_holds_everybody_up() {
    paused(async {
        let pace = pace(gateway());
        let pass = of(&pace, UPDATE, 1).await.unwrap();
        pass.answered(Instant::now(), true);
        drop(pass);
        let began = Instant::now();
        let pass = of(&pace, UPDATE, 2).await.unwrap();
        assert_eq!(began.elapsed(), 500 * MS);
        assert!(of(&pace, Operation::BatchImportFindings, 2).await.is_ok());
        assert_eq!(began.elapsed(), 500 * MS, "another quota");
        pass.answered(Instant::now(), false);
        drop(pass);
        assert_at_rest(&pace).await;
    });
}

#[test]
fn meters_that_nobody_needs_make_room() {
    paused(async {
        let pace = pace(QuotaSettings::aws(QuotaOwner::Caller));
        for number in 0..u32::try_from(MOST).unwrap() {
            pace.meter(UPDATE, account(number), Instant::now()).unwrap();
        }
        let held = of(&pace, UPDATE, 7).await.unwrap();
        assert!(pace.meter(UPDATE, account(1_000_000), Instant::now()).is_some());
        assert_eq!(pace.meters.lock().unwrap().len(), 2, "the one in use and the new one");
        drop(held);
    });
}

/// The waiters sit on several threads, each with a runtime of its own that ends when its own calls are done.
#[test]
fn turns_cross_threads_and_none_is_lost() {
    const THREADS: u32 = 4;
    const CALLS: usize = 60;
    let settings = QuotaSettings { wait: 60 * SECOND, update: Rate::new(2000, 1), ..gateway() };
    let pace = Pace::new(settings, Metrics::new().upstream("eu-west-1"));
    let served = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for number in 1..=THREADS {
            let (pace, served) = (&pace, &served);
            scope.spawn(move || {
                let runtime = runtime::Builder::new_current_thread().enable_time().build().unwrap();
                runtime.block_on(async {
                    for _ in 0..CALLS {
                        of(pace, UPDATE, number).await.unwrap();
                        served.fetch_add(1, SeqCst);
                    }
                });
            });
        }
    });
    assert_eq!(served.load(SeqCst), THREADS as usize * CALLS);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whoever comes, waits and goes when: in no window do more calls go out than a burst and the rate allow; everybody is answered
    /// in time; nothing is left behind.
    #[test]
    fn never_more_than_the_quota_and_never_too_late(
        rate in 1u32..20, burst in 1u32..6, wait in 1u64..3000,
        calls in prop::collection::vec((0u64..3000, 0u32..4, prop::option::of(0u64..2000)), 1..80),
    ) {
        let passed = paused(async move {
            let wait = Duration::from_millis(wait);
            let pace = pace(QuotaSettings { wait, update: Rate::new(rate, burst), ..gateway() });
            let passed = Rc::new(RefCell::new(Vec::new()));
            let tasks: Vec<_> = calls
                .into_iter()
                .map(|(begin, number, give_up)| {
                    let (pace, passed) = (Rc::clone(&pace), Rc::clone(&passed));
                    spawn_local(async move {
                        sleep(Duration::from_millis(begin)).await;
                        let began = Instant::now();
                        let call = async {
                            if of(&pace, UPDATE, number).await.is_ok() {
                                passed.borrow_mut().push(Instant::now());
                            }
                        };
                        // A timer is up to a millisecond late.
                        let patience = give_up.map_or(wait + 2 * MS, Duration::from_millis);
                        let done = tokio::time::timeout(patience, call).await;
                        assert!(done.is_ok() || give_up.is_some(), "nobody waits for longer than that: {:?}", began.elapsed());
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
            assert_at_rest(&pace).await;
            Rc::try_unwrap(passed).unwrap().into_inner()
        });
        let interval = SECOND / rate;
        for (first, at) in passed.iter().enumerate() {
            for (count, later) in (0u32..).zip(&passed[first..]) {
                let least = interval * (count + 1).saturating_sub(burst);
                // A timer that is up to a millisecond late makes the next call seem early.
                prop_assert!(*later + 2 * MS - *at >= least, "{count} calls after {first}");
            }
        }
    }

    /// However many calls a greedy account keeps going: an account that asks for no more than its share has each of its calls
    /// answered, within one round of all accounts.
    #[test]
    fn a_modest_account_always_has_its_share(greedy in 1usize..60, modest in 1u32..8, rate in 5u32..50, burst in 1u32..9) {
        paused(async move {
            let interval = SECOND / rate;
            let round = interval * (modest + 1);
            let settings = QuotaSettings { wait: round + 20 * MS, update: Rate::new(rate, burst), ..gateway() };
            let pace = pace(settings);
            let until = Instant::now() + 20 * round;
            let mut tasks = Vec::new();
            for number in std::iter::repeat_n(1, greedy).chain(2..2 + modest) {
                let pace = Rc::clone(&pace);
                tasks.push(spawn_local(async move {
                    let mut calls = 0;
                    while Instant::now() < until {
                        let began = Instant::now();
                        let outcome = of(&pace, UPDATE, number).await;
                        if number == 1 {
                            sleep(5 * MS).await;
                            continue;
                        }
                        assert!(outcome.is_ok(), "account {number}: {outcome:?}");
                        // A timer is up to a millisecond late, at each turn of the round.
                        assert!(began.elapsed() <= round + MS * (modest + 2), "account {number}: {:?}", began.elapsed());
                        calls += 1;
                        sleep(round).await;
                    }
                    assert!(number == 1 || calls >= 9, "account {number}: {calls} calls");
                }));
            }
            for task in tasks {
                task.await.unwrap();
            }
        });
    }
}

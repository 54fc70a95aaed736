//! Many requests at once: one call for all, in turn, and nobody hangs when another one goes away.

use super::*;

#[test]
fn a_finding_is_looked_up_once_for_all_who_ask() {
    paused(async {
        let backend = Backend::with(3);
        let states = Arc::new(States::new(StateSettings { max_age: Duration::ZERO, ..settings() }));
        backend.plan([Turn::Hold, Turn::Hold]);
        let first = spawn(&states, &backend, 1, ids([0, 1]));
        settled().await;
        let second = spawn(&states, &backend, 2, ids([1, 2, 1]));
        let third = spawn(&states, &backend, 3, ids([0]));
        settled().await;
        let calls = backend.calls();
        assert_eq!(calls.iter().map(Came::ids).collect::<Vec<_>>(), [vec!["0", "1"], vec!["2"]]);
        backend.held.add_permits(2);
        assert_eq!(confidences(&first.await.unwrap()), [Some(0), Some(1)]);
        assert_eq!(confidences(&second.await.unwrap()), [Some(1), Some(2), Some(1)]);
        assert_eq!(confidences(&third.await.unwrap()), [Some(0)]);
        assert_eq!(backend.count(), 2);
        assert!(states.pending().is_empty());
    });
}

#[test]
fn what_waits_for_the_quota_goes_out_together() {
    paused(async {
        let backend = Backend::with(100);
        let states = Arc::new(States::new(StateSettings { rate: number(1), burst: number(1), ..settings() }));
        let first = spawn(&states, &backend, 1, ids([99]));
        settled().await;
        let others: Vec<_> = (0..8_u64).map(|of| spawn(&states, &backend, of, ids(3 * of..3 * of + 3))).collect();
        for (of, other) in (0..).zip(others) {
            assert_eq!(confidences(&other.await.unwrap()), [3 * of, 3 * of + 1, 3 * of + 2].map(Some));
        }
        first.await.unwrap();
        let calls = backend.calls();
        assert_eq!(calls.iter().map(|call| call.ids().len()).collect::<Vec<_>>(), [1, 20, 4]);
        let times: Vec<_> = calls.iter().map(|call| (call.at - calls[0].at).as_millis()).collect();
        assert_eq!(times, [0, 1000, 2000]);
    });
}

#[test]
fn an_account_that_asks_a_lot_keeps_nobody_waiting() {
    paused(async {
        let backend = Backend::with(1000);
        let states = Arc::new(States::new(StateSettings { rate: number(1), burst: number(1), ..settings() }));
        // The line of account 1 is full, and it has every seat there is.
        let greedy: Vec<_> = (0..5).map(|at| spawn(&states, &backend, 1, ids(at * 100..at * 100 + 100))).collect();
        settled().await;
        let modest = spawn(&states, &backend, 2, ids([700]));
        // Account 1 has asked for this one long before, and it is at the end of its line.
        let same = spawn(&states, &backend, 3, ids([99]));
        settled().await;
        assert_eq!(backend.calls()[0].ids().len(), 20);
        assert_eq!(confidences(&modest.await.unwrap()), [Some(700)]);
        assert_eq!(confidences(&same.await.unwrap()), [Some(99)]);
        assert_eq!(backend.count(), 2, "in the next call");
        let mut known = 0;
        for greedy in greedy {
            let found = greedy.await.unwrap();
            known += found.iter().filter(|found| confidence(found).is_some()).count();
            let why = [Unavailable::Busy, Unavailable::Deadline].map(Found::Unavailable);
            assert!(found.iter().all(|found| confidence(found).is_some() || why.contains(found)));
        }
        assert!(known >= 39, "{known}");
    });
}

/// A call asks for every id with every product, and findings that an account imports may be large and of many products.
#[test]
fn what_one_account_has_keeps_no_other_from_its_answer() {
    paused(async {
        // Findings are so large that a page has ten.
        let backend = Backend::with_pages_of(10);
        let product = |at: u64| format!("{PRODUCT}/{at}");
        for (id, of) in (0..20).flat_map(|id| (0..20).map(move |of| (id, of))) {
            let mut finding = finding(&format!("large-{id}"), 1);
            finding["ProductArn"] = product(of).into();
            backend.put(finding);
        }
        backend.put(finding("modest", 7));
        let states = Arc::new(States::new(StateSettings { rate: number(10), burst: number(1), ..settings() }));
        let greedy: Vec<_> = (0..5_u64)
            .map(|with| {
                let name = |at: u64| Identifier {
                    id: format!("large-{at}").into(),
                    product_arn: product((at + with) % 20).into(),
                };
                let names: Vec<_> = (0..20).map(name).collect();
                let (states, backend) = (Arc::clone(&states), Arc::clone(&backend));
                tokio::task::spawn_local(async move {
                    states.look_up(&caller(1), &names.iter().collect::<Vec<_>>(), backend.asker()).await
                })
            })
            .collect();
        settled().await;
        let modest = spawn(&states, &backend, 2, ids(["modest"]));
        assert_eq!(confidences(&modest.await.unwrap()), [Some(7)]);
        for greedy in greedy {
            greedy.await.unwrap();
        }
        for call in backend.calls() {
            let count = |filter: &str| call.body["Filters"][filter].as_array().unwrap().len();
            let most = if call.ids().contains(&"modest") { 30 } else { 100 };
            assert!(count("Id") * count("ProductArn") <= most, "{:?}", call.body);
        }
    });
}

#[test]
fn beyond_what_could_be_answered_in_time_nothing_waits() {
    paused(async {
        let backend = Backend::with(0);
        let states = Arc::new(States::new(settings()));
        backend.plan((0..6).map(|_| Turn::Hold));
        let busy =
            |found: &[Found]| found.iter().filter(|found| **found == Found::Unavailable(Unavailable::Busy)).count();
        let filling: Vec<_> = (0..9_u64)
            .flat_map(|of| (0..4_u64).map(move |part| (of, of * 1000 + part * 100)))
            .map(|(of, first)| spawn(&states, &backend, of, ids(first..first + 100)))
            .collect();
        let mut told = 0;
        for filling in filling {
            told += busy(&filling.await.unwrap());
        }
        // 3,600 were asked for. Six calls went out, 240 waited for each account, 1,920 in all.
        assert!((3600 - 1920 - 120..=3600 - 1920).contains(&told), "{told}");
        assert!(states.pending().is_empty());
    });
}

#[test]
fn a_call_outlives_the_request_that_began_it() {
    paused(async {
        let (backend, states) = (Backend::with(2), Arc::new(States::new(settings())));
        backend.plan([Turn::Hold]);
        let first = spawn(&states, &backend, 1, ids([0]));
        settled().await;
        let second = spawn(&states, &backend, 2, ids([0, 1]));
        settled().await;
        first.abort();
        settled().await;
        backend.held.add_permits(1);
        assert_eq!(confidences(&second.await.unwrap()), [Some(0), Some(1)]);
        assert_eq!(backend.count(), 2);
    });
}

/// The one who waits for the quota goes away: another one does in its place.
#[test]
fn the_seat_is_handed_on() {
    paused(async {
        let backend = Backend::with(3);
        let states = Arc::new(States::new(StateSettings { rate: number(1), burst: number(1), ..settings() }));
        look_up(&states, &backend, 1, &ids([0])).await;
        let first = spawn(&states, &backend, 1, ids([1]));
        settled().await;
        let second = spawn(&states, &backend, 2, ids([2]));
        settled().await;
        first.abort();
        assert_eq!(confidences(&second.await.unwrap()), [Some(2)]);
        let calls = backend.calls();
        assert_eq!(calls[1].ids(), ["2"], "nobody waits for 1 any more");
        assert_eq!(calls[1].at - calls[0].at, SECOND);
        assert!(states.pending().is_empty());
    });
}

/// A worker ends, and with it a call that others wait for.
#[test]
fn a_call_that_is_given_up_is_made_again() {
    paused(async {
        let (backend, states) = (Backend::with(2), Arc::new(States::new(settings())));
        backend.plan([Turn::Hold]);
        let worker = LocalSet::new();
        let first = {
            let (states, backend) = (Arc::clone(&states), Arc::clone(&backend));
            worker.spawn_local(async move { look_up(&states, &backend, 1, &ids([0, 1])).await })
        };
        worker.run_until(settled()).await;
        assert_eq!(backend.count(), 1);
        let second = spawn(&states, &backend, 2, ids([0]));
        settled().await;
        assert_eq!(backend.count(), 1, "it waits for that call");
        drop(worker);
        assert!(first.await.unwrap_err().is_cancelled());
        assert_eq!(confidences(&second.await.unwrap()), [Some(0)]);
        let calls = backend.calls();
        assert_eq!((calls.len(), calls[1].ids()), (2, vec!["0"]), "nobody waits for 1 any more");
        assert!(states.pending().is_empty());
    });
}

/// The same, when the one who holds the seat has seen nothing left to do.
#[test]
fn the_holder_of_the_seat_is_told_of_a_call_that_is_given_up() {
    paused(async {
        let (backend, states) = (Backend::with(1), Arc::new(States::new(settings())));
        backend.plan([Turn::Hold]);
        let worker = LocalSet::new();
        let first = {
            let (states, backend) = (Arc::clone(&states), Arc::clone(&backend));
            worker.spawn_local(async move { look_up(&states, &backend, 1, &ids([0])).await })
        };
        worker.run_until(settled()).await;
        let second = spawn(&states, &backend, 2, ids([0]));
        settled().await;
        first.abort();
        worker.run_until(settled()).await;
        assert_eq!(backend.count(), 1, "its call goes on");
        drop(worker);
        assert_eq!(confidences(&second.await.unwrap()), [Some(0)]);
        assert_eq!(backend.count(), 2);
    });
}

//! One request at a time: what it asks, what it is told, what is kept.

use super::*;
use std::{cell::Cell, rc::Rc};
use tokio::time::sleep_until;

#[test]
fn findings_come_in_their_order_in_calls_of_twenty_and_are_kept() {
    paused(async {
        let (backend, states) = (Backend::with(43), Arc::new(States::new(settings())));
        let asked = ids((0..45).rev());
        let found = look_up(&states, &backend, 1, &asked).await;
        assert_eq!(found[..2], [Found::Missing, Found::Missing]);
        assert_eq!(confidences(&found)[2..], (0..43).rev().map(Some).collect::<Vec<_>>());
        let calls = backend.calls();
        assert_eq!(calls.iter().map(|call| call.ids().len()).collect::<Vec<_>>(), [20, 20, 5]);
        assert_eq!(calls[0].body["Filters"]["ProductArn"], json!([{"Value": PRODUCT, "Comparison": "EQUALS"}]));

        assert_eq!(states.cached(&name("7")).map(|state| state.confidence), Some(Some(7)));
        assert_eq!(states.cached(&name("44")), None, "what is missing may be there the next moment");
        let again = look_up(&states, &backend, 1, &asked[1..]).await;
        assert_eq!(confidences(&again), confidences(&found)[1..]);
        let calls = backend.calls();
        assert_eq!((calls.len(), calls[3].ids()), (4, vec!["43"]));
        assert!(states.pending().is_empty());
    });
}

#[test]
fn nothing_is_asked_for_nothing() {
    paused(async {
        let (backend, states) = (Backend::new(), Arc::new(States::new(settings())));
        assert_eq!(look_up(&states, &backend, 1, &[]).await, []);
        assert_eq!(backend.count(), 0);
    });
}

/// The filters ask for every id with every product.
#[test]
fn a_finding_that_nobody_named_is_not_taken_for_one_that_was() {
    paused(async {
        let (backend, states) = (Backend::new(), Arc::new(States::new(settings())));
        let of = |product: &str, id: &str, confidence: u64| {
            let mut finding = finding(id, confidence);
            finding["ProductArn"] = format!("{PRODUCT}/{product}").into();
            finding
        };
        for finding in [of("p", "a", 1), of("p", "b", 2), of("q", "a", 3), of("q", "b", 4), of("q", "c", 5)] {
            backend.put(finding);
        }
        let called = |product: &str, id: &str| Identifier {
            id: id.to_owned().into(),
            product_arn: format!("{PRODUCT}/{product}").into(),
        };
        let names = [called("p", "a"), called("q", "b"), called("p", "c")];
        let found = states.look_up(&caller(1), &names.each_ref(), backend.asker()).await;
        assert_eq!(confidences(&found), [Some(1), Some(4), None]);
        assert_eq!(found[2], Found::Missing);
        assert!(states.cached(&called("p", "b")).is_none() && states.cached(&called("q", "c")).is_none());
    });
}

#[test]
fn further_pages_are_read_and_take_their_place_in_the_quota() {
    paused(async {
        let backend = Backend::with_pages_of(2);
        (0..9).for_each(|number| backend.put(finding(&number.to_string(), number)));
        let states = Arc::new(States::new(StateSettings { rate: number(10), burst: number(2), ..settings() }));
        let found = look_up(&states, &backend, 1, &ids(0..9)).await;
        assert_eq!(confidences(&found), (0..9).map(Some).collect::<Vec<_>>());
        let calls = backend.calls();
        let times: Vec<_> = calls.iter().map(|call| (call.at - calls[0].at).as_millis()).collect();
        assert_eq!(times, [0, 0, 100, 200, 300]);
        for (page, call) in calls.iter().enumerate().skip(1) {
            let mut body = call.body.clone();
            assert_eq!(body.as_object_mut().unwrap().remove("NextToken"), Some(json!((2 * page).to_string())));
            assert_eq!(body, calls[0].body, "the token belongs to the same question");
        }
    });
}

#[test]
fn an_answer_without_end_says_nothing() {
    paused(async {
        let backend = Backend::with_pages_of(1);
        (0..6).for_each(|number| backend.put(finding(&number.to_string(), number)));
        let states = Arc::new(States::new(StateSettings { burst: number(100), ..settings() }));
        let found = look_up(&states, &backend, 1, &ids(0..6)).await;
        let why = Unavailable::Failed("the findings backend's answer to 6 names has more than 5 pages".into());
        assert_eq!(found, vec![Found::Unavailable(why); 6]);
        assert_eq!(backend.count(), 5);
        assert!(states.cached(&name("0")).is_none());
    });
}

/// Another finding of the same name may be on the page that did not come.
#[test]
fn half_an_answer_says_nothing() {
    paused(async {
        let backend = Backend::with_pages_of(1);
        (0..2).for_each(|number| backend.put(finding(&number.to_string(), number)));
        let states = Arc::new(States::new(settings()));
        backend.plan([Turn::Answer, failed("broken")]);
        let found = look_up(&states, &backend, 1, &ids(0..2)).await;
        assert_eq!(found, vec![Found::Unavailable(Unavailable::Failed("broken".into())); 2]);
        // A page for which there is no quota in time is not waited for.
        let slow = Arc::new(States::new(StateSettings {
            rate: number(1),
            burst: number(1),
            deadline: 500 * MS,
            ..settings()
        }));
        let began = Instant::now();
        let found = look_up(&slow, &backend, 1, &ids(0..2)).await;
        assert_eq!(found, vec![Found::Unavailable(Unavailable::Busy); 2]);
        assert_eq!(began.elapsed(), Duration::ZERO);
    });
}

#[test]
fn age_counts_from_the_moment_of_the_call() {
    paused(async {
        let backend = Backend::with(1);
        let states = Arc::new(States::new(StateSettings { max_age: 3 * SECOND, ..settings() }));
        backend.plan([Turn::Late(SECOND)]);
        look_up(&states, &backend, 1, &ids([0])).await;
        sleep(1999 * MS).await;
        assert!(states.cached(&name("0")).is_some());
        sleep(MS).await;
        assert!(states.cached(&name("0")).is_none(), "three seconds after the call");
        look_up(&states, &backend, 1, &ids([0])).await;
        assert_eq!(backend.count(), 2);
    });
}

#[test]
fn without_an_age_nothing_is_kept() {
    paused(async {
        let backend = Backend::with(1);
        let states = Arc::new(States::new(StateSettings { max_age: Duration::ZERO, ..settings() }));
        for call in 1..=2 {
            assert_eq!(confidences(&look_up(&states, &backend, 1, &ids([0, 0])).await), [Some(0), Some(0)]);
            assert_eq!(backend.count(), call);
            assert!(states.cached(&name("0")).is_none());
        }
    });
}

#[test]
fn failures_are_told_and_not_kept() {
    paused(async {
        let (backend, states) = (Backend::with(1), Arc::new(States::new(settings())));
        let mut gone = finding("bad", 1);
        gone["RecordState"] = "GONE".into();
        backend.put(gone);
        backend.plan([failed("connection refused"), Turn::Text("<html>"), Turn::Text("{}")]);
        for told in [
            "connection refused",
            "the findings backend's answer is not understood: expected value at line 1 column 1",
            "the findings backend's answer is not understood: member `Findings` is missing at line 1 column 2",
        ] {
            let found = look_up(&states, &backend, 1, &ids([0])).await;
            let [Found::Unavailable(why)] = &found[..] else { panic!("{found:?}") };
            assert_eq!(why.to_string(), told);
        }
        let found = look_up(&states, &backend, 1, &ids(["0", "bad"])).await;
        assert_eq!(confidence(&found[0]), Some(0));
        let Found::Unavailable(Unavailable::Odd { why, .. }) = &found[1] else { panic!("{found:?}") };
        assert_eq!(why.to_string(), "RecordState: expected a word of the API's vocabulary");
        assert!(states.cached(&name("bad")).is_none());
        assert_eq!(backend.count(), 4);
    });
}

#[test]
fn what_has_not_come_by_the_deadline_is_unavailable_and_the_rest_is_there() {
    paused(async {
        let (backend, states) = (Backend::with(60), Arc::new(States::new(settings())));
        look_up(&states, &backend, 1, &ids([0])).await;
        backend.plan([Turn::Late(SECOND), Turn::Hold, Turn::Late(3 * SECOND)]);
        let began = Instant::now();
        let found = look_up(&states, &backend, 1, &ids(0..60)).await;
        assert_eq!(began.elapsed(), 2 * SECOND);
        assert_eq!(confidences(&found[..21]), (0..21).map(Some).collect::<Vec<_>>());
        assert_eq!(found[21..], vec![Found::Unavailable(Unavailable::Deadline); 39]);
        settled().await;
        assert!(states.pending().is_empty(), "the calls are given up, too");
        assert_eq!(confidence(&look_up(&states, &backend, 1, &ids([59])).await[0]), Some(59));
    });
}

#[test]
fn a_refused_call_fails_and_the_next_ones_wait() {
    paused(async {
        let backend = Backend::with(9);
        let states = Arc::new(States::new(settings()));
        let began = Instant::now();
        let elapsed = || began.elapsed().as_millis();
        let refused = Found::Unavailable(Unavailable::Throttled("Too Many Requests".into()));
        backend.plan([throttled(), throttled(), throttled(), throttled()]);
        for (id, at) in [(0, 0), (1, 500), (2, 1500)] {
            assert_eq!(look_up(&states, &backend, 1, &ids([id])).await, std::slice::from_ref(&refused));
            assert_eq!(elapsed(), at);
        }
        // The next two seconds are as long as the deadline: nobody waits for nothing.
        let busy = Found::Unavailable(Unavailable::Busy);
        assert_eq!(look_up(&states, &backend, 1, &ids([3])).await, std::slice::from_ref(&busy));
        assert_eq!((elapsed(), backend.count()), (1500, 3));
        sleep(SECOND).await;
        assert_eq!(look_up(&states, &backend, 1, &ids([3])).await, [refused]);
        assert_eq!(elapsed(), 3500);
        assert_eq!(look_up(&states, &backend, 1, &ids([4])).await, [busy]);
        sleep(3 * SECOND).await;
        assert_eq!(confidences(&look_up(&states, &backend, 1, &ids([4])).await), [Some(4)]);
        assert_eq!((elapsed(), backend.count()), (7500, 5));
    });
}

/// Dropped, it would tell nobody of a backend that hangs.
#[test]
fn a_call_ends_at_its_deadline_by_itself() {
    paused(async {
        let states = Arc::new(States::new(settings()));
        let (began, ended) = (Instant::now(), Rc::new(Cell::new(None)));
        let at = Rc::clone(&ended);
        let hangs = async move |_: Bytes, by| {
            sleep_until(by).await;
            at.set(Some(by));
            Err(CallError::Failed("it did not answer".to_owned()))
        };
        let name = name("1");
        let found = states.look_up(&caller(1), &[&name], hangs).await;
        assert!(matches!(found[..], [Found::Unavailable(Unavailable::Deadline)]), "{found:?}");
        while ended.get().is_none() {
            assert!(began.elapsed() < settings().deadline * 2, "it was dropped");
            sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(ended.get(), Some(began + settings().deadline));
    });
}

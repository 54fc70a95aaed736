//! Findings that change through the gate.

use super::*;

#[test]
fn a_changed_finding_is_looked_up_anew() {
    paused(async {
        let (backend, states) = (Backend::with(2), Arc::new(States::new(settings())));
        look_up(&states, &backend, 1, &ids([0, 1])).await;
        backend.put(finding("0", 70));
        assert_eq!(confidences(&look_up(&states, &backend, 1, &ids([0])).await), [Some(0)], "nobody said so");
        states.invalidate([&name("0"), &name("unheard of")]);
        assert!(states.cached(&name("0")).is_none());
        assert!(states.cached(&name("1")).is_some());
        assert_eq!(confidences(&look_up(&states, &backend, 1, &ids([0])).await), [Some(70)]);
        assert_eq!(backend.count(), 2);
    });
}

/// The backend has read the finding, then it changes, then the answer comes.
#[test]
fn an_answer_from_before_a_change_is_told_to_nobody_who_asks_after_it() {
    paused(async {
        let (backend, states) = (Backend::with(2), Arc::new(States::new(settings())));
        backend.plan([Turn::Hold, Turn::Answer]);
        let before = spawn(&states, &backend, 1, ids([0, 1]));
        settled().await;
        backend.put(finding("0", 70));
        states.invalidate([&name("0")]);
        assert_eq!(confidences(&look_up(&states, &backend, 2, &ids([0])).await), [Some(70)]);
        // The old answer comes after the new one, and does not take its place.
        backend.held.add_permits(1);
        assert_eq!(confidences(&before.await.unwrap()), [Some(0), Some(1)]);
        let kept = |id| states.cached(&name(id)).and_then(|state| state.confidence);
        assert_eq!((kept("0"), kept("1")), (Some(70), Some(1)));
        assert_eq!(backend.count(), 2);
    });
}

#[test]
fn an_answer_from_before_a_change_is_not_kept() {
    paused(async {
        let (backend, states) = (Backend::with(1), Arc::new(States::new(settings())));
        backend.plan([Turn::Hold, Turn::Hold]);
        let before = spawn(&states, &backend, 1, ids([0]));
        settled().await;
        backend.put(finding("0", 70));
        states.invalidate([&name("0")]);
        backend.held.add_permits(1);
        assert_eq!(confidences(&before.await.unwrap()), [Some(0)]);
        assert!(states.cached(&name("0")).is_none());
        // Twice in a row: the second look-up is outdated before it is answered, too.
        let second = spawn(&states, &backend, 1, ids([0]));
        settled().await;
        backend.put(finding("0", 80));
        states.invalidate([&name("0")]);
        let third = spawn(&states, &backend, 1, ids([0]));
        settled().await;
        backend.held.add_permits(1);
        assert_eq!(confidences(&second.await.unwrap()), [Some(70)]);
        assert_eq!(confidences(&third.await.unwrap()), [Some(80)]);
        assert_eq!(states.cached(&name("0")).and_then(|state| state.confidence), Some(80));
    });
}

/// What has not gone out yet will show the change.
#[test]
fn a_look_up_that_waits_is_not_begun_again() {
    paused(async {
        let backend = Backend::with(2);
        let states = Arc::new(States::new(StateSettings { rate: number(1), burst: number(1), ..settings() }));
        look_up(&states, &backend, 1, &ids([1])).await;
        let waits = spawn(&states, &backend, 1, ids([0]));
        settled().await;
        backend.put(finding("0", 70));
        states.invalidate([&name("0")]);
        assert_eq!(confidences(&look_up(&states, &backend, 2, &ids([0])).await), [Some(70)]);
        assert_eq!(confidences(&waits.await.unwrap()), [Some(70)]);
        assert_eq!(backend.count(), 2);
    });
}

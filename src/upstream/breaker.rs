//! The circuit breaker: a backend that fails again and again is left alone for a while.

use jiff::Timestamp;
use std::{
    collections::VecDeque,
    num::NonZeroUsize,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::time::Instant;

/// Failures count together that lie within this time.
const WINDOW: Duration = Duration::from_secs(30);
/// How often in a row the pause is doubled.
const MOST_DOUBLINGS: u32 = 3;
/// How long a caller is told to wait while it is being seen whether the backend is well again.
const WHILE_PROBING: Duration = Duration::from_secs(1);

/// When the breaker opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerSettings {
    /// It opens after so many failures within half a minute, if no more calls than that succeeded meanwhile.
    pub failures: NonZeroUsize,
    /// How long it stays open before one call goes to see; twice as long each time that one fails, up to eight times.
    pub pause: Duration,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        let failures = NonZeroUsize::MIN.saturating_add(9);
        Self { failures, pause: Duration::from_secs(5) }
    }
}

/// Whether calls go to one backend. One for all workers of a gate.
///
/// Closed, it lets everything through, and a call costs the look at one flag and the count of one success. It opens when of the
/// latest calls at least half failed, and at least so many as the settings say: a rate, so that a backend that answers most of
/// its callers stays open to them, and a number, so that a few failures at night do nothing. To know that, it keeps of the latest
/// failures when they came, and how many successes there had been by then.
///
/// Open, it lets nothing through until its pause is over. Then one call goes to see (the *probe*); the others are still held back. If it
/// succeeds, the breaker closes. If its request is given up meanwhile, the next call is the probe.
#[derive(Debug)]
pub(super) struct Breaker {
    settings: BreakerSettings,
    is_open: AtomicBool,
    successes: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// While closed: the latest failures, each with the successes before it. No more than it takes to open.
    failures: VecDeque<(Instant, u64)>,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    since: Timestamp,
    why: Arc<str>,
    /// When the next probe may go.
    until: Instant,
    probing: bool,
    /// How many probes failed.
    failed: u32,
}

/// Why a call is held back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    /// When the breaker opened.
    pub(super) since: Timestamp,
    /// The failure that opened it.
    pub(super) why: Arc<str>,
    /// After which time it may be tried again.
    pub(super) retry_after: Duration,
}

/// What the outcome of a call did to the breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turned {
    /// It opened, or opened again, for so long.
    Open(Duration),
    /// It closed.
    Closed,
}

impl Breaker {
    pub(super) fn new(settings: BreakerSettings) -> Self {
        Self { settings, is_open: AtomicBool::new(false), successes: AtomicU64::new(0), state: Mutex::default() }
    }

    /// Whether a call would be held back now. Unlike [`Breaker::admit`] this takes nothing.
    pub(super) fn held(&self, now: Instant) -> Option<Held> {
        if !self.is_open.load(Relaxed) {
            return None;
        }
        self.lock().open.as_ref().and_then(|open| open.held(now))
    }

    /// Lets a call through, or says why not. The call's outcome must be told.
    pub(super) fn admit(&self, now: Instant) -> Result<Admitted<'_>, Held> {
        let is_probe = self.is_open.load(Relaxed) && self.probe(now)?;
        Ok(Admitted { breaker: self, is_probe })
    }

    /// Whether the call is the probe; if it is neither that nor free to go, why it is held back.
    fn probe(&self, now: Instant) -> Result<bool, Held> {
        let mut state = self.lock();
        let Some(open) = &mut state.open else { return Ok(false) };
        if let Some(held) = open.held(now) {
            return Err(held);
        }
        open.probing = true;
        Ok(true)
    }

    fn succeeded(&self, is_probe: bool) -> Option<Turned> {
        self.successes.fetch_add(1, Relaxed);
        if !is_probe {
            return None;
        }
        let mut state = self.lock();
        *state = State::default();
        // Under the lock, as the other store is: else it could undo one of another worker that opened it again meanwhile, and
        // no call would look at the state any more.
        self.is_open.store(false, Relaxed);
        Some(Turned::Closed)
    }

    fn failed(&self, is_probe: bool, failure: Failed<'_>) -> Option<Turned> {
        let Failed { now, why, random } = failure;
        let mut state = self.lock();
        let pause = self.settings.pause.mul_f64(1.0 + random / 4.0);
        if let Some(open) = &mut state.open {
            // A call that went out before it opened says nothing new.
            if !is_probe {
                return None;
            }
            open.failed = open.failed.saturating_add(1);
            let pause = pause * (1 << open.failed.min(MOST_DOUBLINGS));
            (open.probing, open.until, open.why) = (false, now + pause, why().into());
            return Some(Turned::Open(pause));
        }
        let successes = self.successes.load(Relaxed);
        let most = self.settings.failures.get();
        if state.failures.len() == most {
            state.failures.pop_front();
        }
        state.failures.push_back((now, successes));
        let (first, before) = *state.failures.front()?;
        let is_due = state.failures.len() == most
            && now.saturating_duration_since(first) <= WINDOW
            && successes.saturating_sub(before) <= most as u64;
        if !is_due {
            return None;
        }
        let why = why().into();
        *state = State {
            failures: VecDeque::new(),
            open: Some(Open { since: Timestamp::now(), why, until: now + pause, probing: false, failed: 0 }),
        };
        self.is_open.store(true, Relaxed);
        Some(Turned::Open(pause))
    }

    /// The probe's outcome will not be known.
    fn abandoned(&self) {
        if let Some(open) = &mut self.lock().open {
            open.probing = false;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn held(&self, now: Instant) -> Option<Held> {
        let retry_after = if self.probing { WHILE_PROBING } else { self.until.checked_duration_since(now)? };
        // At the very moment at which the pause is over, a probe may go.
        (!retry_after.is_zero()).then(|| Held { since: self.since, why: Arc::clone(&self.why), retry_after })
    }
}

/// A call that failed.
#[derive(Clone, Copy)]
pub(super) struct Failed<'f> {
    pub(super) now: Instant,
    /// What went wrong, as a part of a sentence.
    pub(super) why: &'f dyn Fn() -> String,
    /// At least 0 and less than 1: so that gates that stand side by side do not all probe at the same moment.
    pub(super) random: f64,
}

/// A call that was let through. Dropped without its outcome, it says nothing of the backend.
#[derive(Debug)]
pub(super) struct Admitted<'b> {
    breaker: &'b Breaker,
    is_probe: bool,
}

impl Admitted<'_> {
    pub(super) fn is_probe(&self) -> bool {
        self.is_probe
    }

    /// The backend answered.
    pub(super) fn succeeded(mut self) -> Option<Turned> {
        self.breaker.succeeded(std::mem::take(&mut self.is_probe))
    }

    /// It did not, or answered that it is unwell.
    pub(super) fn failed(mut self, failure: Failed<'_>) -> Option<Turned> {
        self.breaker.failed(std::mem::take(&mut self.is_probe), failure)
    }
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        if self.is_probe {
            self.breaker.abandoned();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Turned::{Closed, Open};

    const SECOND: Duration = Duration::from_secs(1);

    fn breaker(failures: usize) -> Breaker {
        Breaker::new(BreakerSettings { failures: NonZeroUsize::new(failures).unwrap(), pause: 4 * SECOND })
    }

    fn fail(breaker: &Breaker, now: Instant) -> Option<Turned> {
        breaker.admit(now).unwrap().failed(Failed { now, why: &|| "it is down".to_owned(), random: 0.0 })
    }

    fn succeed(breaker: &Breaker, now: Instant) -> Option<Turned> {
        breaker.admit(now).unwrap().succeeded()
    }

    fn held(breaker: &Breaker, now: Instant) -> Duration {
        let held = breaker.admit(now).unwrap_err();
        assert_eq!(breaker.held(now).as_ref(), Some(&held));
        assert_eq!(&*held.why, "it is down");
        held.retry_after
    }

    #[test]
    fn it_opens_when_enough_failed_of_late() {
        let now = Instant::now();
        let breaker = breaker(3);
        assert_eq!([fail(&breaker, now), fail(&breaker, now)], [None, None]);
        // These two are forgotten by now.
        let now = now + WINDOW + SECOND;
        assert_eq!([fail(&breaker, now), fail(&breaker, now)], [None, None]);
        assert_eq!(fail(&breaker, now + WINDOW), Some(Open(4 * SECOND)));
        assert_eq!(held(&breaker, now + WINDOW + SECOND), 3 * SECOND);
    }

    #[test]
    fn successes_between_keep_it_closed() {
        let now = Instant::now();
        for (successes, opens) in [(0, true), (1, true), (2, false), (50, false)] {
            let breaker = breaker(3);
            let mut opened = None;
            for _ in 0..3 {
                opened = fail(&breaker, now);
                if opened.is_none() {
                    (0..successes).for_each(|_| assert_eq!(succeed(&breaker, now), None));
                }
            }
            // Three failures, with twice as many successes between them.
            assert_eq!(opened.is_some(), opens, "{successes}");
        }
    }

    #[test]
    fn one_call_goes_to_see_and_the_pause_grows_while_it_fails() {
        let mut now = Instant::now();
        let breaker = breaker(1);
        assert_eq!(fail(&breaker, now), Some(Open(4 * SECOND)));
        for seconds in [8, 16, 32, 32] {
            now += 60 * SECOND;
            let probe = breaker.admit(now).unwrap();
            assert!(probe.is_probe());
            assert_eq!(held(&breaker, now), WHILE_PROBING, "one at a time");
            let turned = probe.failed(Failed { now, why: &|| "it is down".to_owned(), random: 0.0 });
            assert_eq!(turned, Some(Open(seconds * SECOND)));
            assert_eq!(held(&breaker, now), seconds * SECOND);
        }
        now += 60 * SECOND;
        assert_eq!(succeed(&breaker, now), Some(Closed));
        assert_eq!((breaker.held(now), succeed(&breaker, now)), (None, None));
        assert_eq!(fail(&breaker, now), Some(Open(4 * SECOND)), "from the beginning");
    }

    #[test]
    fn a_probe_that_is_given_up_makes_room_for_another() {
        let now = Instant::now();
        let breaker = breaker(1);
        fail(&breaker, now);
        let later = now + 4 * SECOND;
        drop(breaker.admit(later).unwrap());
        assert!(breaker.admit(later).unwrap().is_probe());
    }

    #[test]
    fn calls_that_were_under_way_when_it_opened_decide_nothing() {
        let now = Instant::now();
        let breaker = breaker(1);
        let [early, earlier] = [breaker.admit(now).unwrap(), breaker.admit(now).unwrap()];
        fail(&breaker, now);
        assert_eq!(early.succeeded(), None);
        assert_eq!(earlier.failed(Failed { now, why: &|| "x".to_owned(), random: 0.0 }), None);
        assert_eq!(held(&breaker, now + SECOND), 3 * SECOND);
    }

    #[test]
    fn workers_that_open_and_close_it_at_once_leave_flag_and_state_alike() {
        let breaker = Breaker::new(BreakerSettings { failures: NonZeroUsize::MIN, pause: Duration::ZERO });
        for round in 0..300 {
            std::thread::scope(|scope| {
                for thread in 0..4 {
                    let breaker = &breaker;
                    scope.spawn(move || {
                        for call in 0..200 {
                            let now = Instant::now();
                            let Ok(admitted) = breaker.admit(now) else { continue };
                            if (call + thread) % 2 == 0 {
                                admitted.succeeded();
                            } else {
                                admitted.failed(Failed { now, why: &String::new, random: 0.0 });
                            }
                        }
                    });
                }
            });
            assert_eq!(breaker.is_open.load(Relaxed), breaker.lock().open.is_some(), "{round}");
        }
    }

    #[test]
    fn the_pause_has_jitter() {
        let now = Instant::now();
        let breaker = breaker(1);
        let turned = breaker.admit(now).unwrap().failed(Failed { now, why: &String::new, random: 0.5 });
        assert_eq!(turned, Some(Open(Duration::from_millis(4500))));
    }
}

//! One set of credentials that is kept fresh.

use super::{Courier, Failure, Fetched, Refusal, Source};
use aws_credential_types::Credentials;
use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};
use tokio::{sync::watch, time::timeout};

/// Credentials are not used in their last seconds: the request has still to get there, and clocks differ.
const SPARE: Duration = Duration::from_secs(10);
/// They are fetched anew this long before they expire, or a third of their time before if that is less. The instance metadata
/// service has new ones at least five minutes before (EC2 User Guide, "Instance metadata security credentials").
const EARLY: Duration = Duration::from_mins(10);
/// Those that do not expire may have been replaced all the same, in a profile file say.
const REVIEW: Duration = Duration::from_mins(15);
/// After a failure, time until the next try; twice as long each time, up to the longest.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// Those that a backend did not accept are fetched anew if they are older than this: it may be the backend that errs.
const TRUSTED: Duration = Duration::from_secs(30);
/// Time for one try in all.
const LIMIT: Duration = Duration::from_secs(30);

/// The two clocks: credentials expire by the wall's, and pauses are measured by one that is never set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    pub(super) wall: SystemTime,
    pub(super) steady: Instant,
}

impl Now {
    pub(super) fn read() -> Self {
        Self { wall: SystemTime::now(), steady: Instant::now() }
    }
}

/// A set of credentials, which at most one task fetches at a time.
#[derive(Debug, Default)]
pub(super) struct Kept {
    state: Mutex<State>,
    /// Told each time that a fetch ended.
    landed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    current: Option<Current>,
    /// The last try failed, and so often in a row.
    refused: Option<Refused>,
    fetching: bool,
}

#[derive(Debug)]
struct Current {
    credentials: Credentials,
    refresh_at: SystemTime,
    since: Instant,
}

#[derive(Debug)]
struct Refused {
    why: Refusal,
    until: Instant,
    times: u32,
}

/// What there is for a request.
#[derive(Debug, PartialEq)]
enum Look {
    Use(Credentials),
    Wait,
    Refused(Refusal),
}

impl State {
    /// What to do now, and whether to begin a fetch with it.
    fn look(&self, now: Now) -> (Look, bool) {
        let current = self.usable(now.wall);
        let is_due = current.is_none_or(|current| now.wall >= current.refresh_at);
        let paused = self.refused.as_ref().filter(|refused| now.steady < refused.until);
        let begins = is_due && !self.fetching && paused.is_none();
        let look = match (current, paused) {
            (Some(current), _) => Look::Use(current.credentials.clone()),
            (None, Some(refused)) if !self.fetching => Look::Refused(refused.why.clone()),
            (None, _) => Look::Wait,
        };
        (look, begins)
    }

    fn usable(&self, now: SystemTime) -> Option<&Current> {
        self.current.as_ref().filter(|current| !is_over(&current.credentials, now))
    }

    /// Takes what a fetch brought. What came is over already, or nearly, where this clock is wrong or the source gives what it has
    /// kept for too long. It is a failure like any other, so that no request fetches it again at once. `jitter` is from 0 to 1: where many gates or roles began at once, they go on apart.
    fn land(&mut self, fetched: Fetched, now: Now, jitter: f64) {
        self.fetching = false;
        let fetched =
            fetched.and_then(|credentials| if is_over(&credentials, now.wall) { Err(over()) } else { Ok(credentials) });
        match fetched {
            Ok(credentials) => {
                let refresh_at = refresh_at(credentials.expiry(), now.wall, jitter);
                self.current = Some(Current { credentials, refresh_at, since: now.steady });
                self.refused = None;
            }
            Err(why) => {
                let times = self.refused.as_ref().map_or(0, |refused| refused.times);
                let pause = (PAUSE * 2u32.saturating_pow(times)).min(LONGEST_PAUSE);
                let until = now.steady + pause.mul_f64(0.75 + jitter / 4.0);
                self.refused = Some(Refused { why, until, times: times.saturating_add(1).min(16) });
            }
        }
    }

    fn doubt(&mut self, now: Now) {
        if let Some(current) = self.current.as_mut().filter(|current| now.steady >= current.since + TRUSTED) {
            current.refresh_at = current.refresh_at.min(now.wall);
        }
    }

    /// How long nothing changes by itself: until the next fetch or the end of what is there.
    fn rest(&self, now: Now) -> Duration {
        let until = |time: SystemTime| time.duration_since(now.wall).unwrap_or_default();
        let refresh = self.usable(now.wall).map_or(Duration::ZERO, |current| until(current.refresh_at));
        let pause = self.refused.as_ref().map(|refused| refused.until.saturating_duration_since(now.steady));
        let next = refresh.max(pause.unwrap_or_default());
        let end = self.usable(now.wall).and_then(|current| current.credentials.expiry());
        end.map_or(next, |end| next.min(until(end - SPARE)))
    }
}

/// Whether credentials are in their last seconds, or beyond.
pub(super) fn is_over(credentials: &Credentials, now: SystemTime) -> bool {
    credentials.expiry().is_some_and(|expiry| expiry <= now + SPARE)
}

/// What to say of credentials that came, of which [`is_over`] holds.
pub(super) const OVER: &str = "the credentials that came are over already, or nearly: is the clock right?";

fn over() -> Refusal {
    Refusal { detail: OVER.to_owned(), failure: Failure::Credentials { reason: OVER.to_owned() } }
}

fn refresh_at(expiry: Option<SystemTime>, now: SystemTime, jitter: f64) -> SystemTime {
    let Some(expiry) = expiry else { return now + REVIEW.mul_f64(1.0 - jitter / 4.0) };
    let left = expiry.duration_since(now).unwrap_or_default();
    let early = EARLY.min(left / 3);
    // Never later than `early` before the end, and up to a quarter of that earlier.
    now + left.saturating_sub(early).saturating_sub(early.mul_f64(jitter / 4.0))
}

impl Kept {
    /// The credentials. Where there are none, they are waited for; where they cannot be had, the answer is at once why not.
    pub(super) async fn get(self: &Arc<Self>, courier: &Courier, source: &Arc<dyn Source>) -> Fetched {
        loop {
            let mut landed = None;
            let (look, begins) = self.look(Now::read(), || landed = Some(self.landed.subscribe()));
            if begins {
                courier.run(Arc::clone(self).fetch(Arc::clone(source)));
            }
            match look {
                Look::Use(credentials) => return Ok(credentials),
                Look::Refused(why) => return Err(why),
                Look::Wait => {
                    if let Some(mut landed) = landed.take() {
                        // Its sender is in `self`.
                        let _ = landed.changed().await;
                    }
                }
            }
        }
    }

    /// Looks, and marks a fetch as begun if one is to begin. `waits` is called if there is
    /// nothing yet, under the lock: what lands after it is not missed.
    fn look(&self, now: Now, waits: impl FnOnce()) -> (Look, bool) {
        let mut state = self.lock();
        let (look, begins) = state.look(now);
        state.fetching |= begins;
        if look == Look::Wait {
            waits();
        }
        (look, begins)
    }

    async fn fetch(self: Arc<Self>, source: Arc<dyn Source>) {
        // Also when the task is dropped or panics, somebody must be able to begin anew.
        let mut landing = Landing { kept: self, fetched: None };
        landing.fetched = Some(timeout(LIMIT, source.fetch()).await.unwrap_or_else(|_| Err(late())));
    }

    /// Somebody did not accept them. The next who wants them has them fetched anew.
    pub(super) fn doubt(&self, now: Now) {
        self.lock().doubt(now);
    }

    /// Whether there are credentials now, and if not, why.
    pub(super) fn usable(&self, now: Now) -> Result<Credentials, Option<Refusal>> {
        let state = self.lock();
        match state.usable(now.wall) {
            Some(current) => Ok(current.credentials.clone()),
            None => Err(state.refused.as_ref().map(|refused| refused.why.clone())),
        }
    }

    /// Why the last fetch failed, if it did.
    pub(super) fn refused(&self) -> Option<Refusal> {
        self.lock().refused.as_ref().map(|refused| refused.why.clone())
    }

    /// See [`State::rest`].
    pub(super) fn rest(&self, now: Now) -> Duration {
        self.lock().rest(now)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A fetch under way.
struct Landing {
    kept: Arc<Kept>,
    fetched: Option<Fetched>,
}

impl Drop for Landing {
    fn drop(&mut self) {
        let fetched = self.fetched.take().unwrap_or_else(|| Err(broken_off()));
        self.kept.lock().land(fetched, Now::read(), jitter());
        self.kept.landed.send_replace(());
    }
}

fn late() -> Refusal {
    let reason = format!("fetching credentials took longer than {} s", LIMIT.as_secs());
    Refusal { detail: reason.clone(), failure: Failure::Credentials { reason } }
}

fn broken_off() -> Refusal {
    let reason = "fetching credentials was broken off".to_owned();
    Refusal { detail: reason.clone(), failure: Failure::Credentials { reason } }
}

/// Something from 0 to 1 that differs each time.
fn jitter() -> f64 {
    let random = RandomState::new().build_hasher().finish();
    f64::from(u32::try_from(random >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);
    const SECOND: Duration = Duration::from_secs(1);

    fn credentials(id: &str, expiry: Option<SystemTime>) -> Credentials {
        Credentials::new(id, "secret", None, expiry, "test")
    }

    fn later(now: Now, by: Duration) -> Now {
        Now { wall: now.wall + by, steady: now.steady + by }
    }

    #[test]
    fn they_are_fetched_before_they_expire_and_used_until_they_do() {
        let now = Now::read();
        let hour = credentials("HOUR", Some(now.wall + HOUR));
        let mut state = State::default();
        assert_eq!(state.look(now), (Look::Wait, true));
        state.fetching = true;
        assert_eq!(state.look(now), (Look::Wait, false), "one fetches for all");
        state.land(Ok(hour.clone()), now, 0.0);
        for (after, begins) in [(0, false), (49 * 60, false), (50 * 60, true), (59 * 60, true), (3589, true)] {
            assert_eq!(state.look(later(now, after * SECOND)), (Look::Use(hour.clone()), begins), "{after}");
        }
        assert_eq!(state.look(later(now, 3590 * SECOND)), (Look::Wait, true), "the last seconds are not used");

        // A refresh that fails changes nothing until they expire.
        let at = later(now, 50 * 60 * SECOND);
        state.land(Err(late()), at, 1.0);
        assert_eq!(state.look(at), (Look::Use(hour.clone()), false), "not at once again");
        assert_eq!(state.look(later(at, SECOND)), (Look::Use(hour), true));
        state.land(Err(late()), later(now, 3590 * SECOND), 1.0);
        assert_eq!(state.look(later(now, 3591 * SECOND)), (Look::Refused(late()), false));
        state.land(Ok(credentials("NEW", None)), later(now, 3600 * SECOND), 0.0);
        assert_eq!(state.look(later(now, 3600 * SECOND)), (Look::Use(credentials("NEW", None)), false));
    }

    #[test]
    fn pauses_between_failures_grow_to_a_minute_and_end_with_a_success() {
        let (now, mut state) = (Now::read(), State::default());
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
            state.land(Err(late()), now, 1.0);
            assert_eq!(state.rest(now), seconds * SECOND);
            assert_eq!(state.look(later(now, (seconds * SECOND).saturating_sub(SECOND / 10))).0, Look::Refused(late()));
            assert_eq!(state.look(later(now, seconds * SECOND)), (Look::Wait, true));
        }
        state.land(Ok(credentials("A", Some(now.wall + SPARE + SECOND))), now, 1.0);
        assert_eq!(state.look(now).0, Look::Use(credentials("A", Some(now.wall + SPARE + SECOND))));
        state.land(Err(late()), now, 1.0);
        assert_eq!(state.rest(later(now, SECOND)), Duration::ZERO);
        assert_eq!(state.look(later(now, SECOND)), (Look::Wait, true), "after a second");
    }

    #[test]
    fn credentials_that_are_over_when_they_come_are_a_failure_and_replace_none() {
        let (now, mut state) = (Now::read(), State::default());
        for (left, seconds) in [(SPARE, 1), (Duration::ZERO, 2), (SECOND, 4)] {
            state.fetching = true;
            state.land(Ok(credentials("OVER", Some(now.wall + left))), now, 1.0);
            assert_eq!(state.look(now), (Look::Refused(over()), false), "not at once again");
            assert_eq!(state.look(later(now, seconds * SECOND)), (Look::Wait, true));
        }
        let good = credentials("GOOD", Some(now.wall + 60 * SECOND));
        state.land(Ok(good.clone()), now, 0.0);
        let at = later(now, 45 * SECOND);
        assert_eq!(state.look(at), (Look::Use(good.clone()), true));
        state.land(Ok(credentials("OVER", Some(now.wall))), at, 1.0);
        assert_eq!(state.look(at), (Look::Use(good), false));
    }

    #[test]
    fn what_a_backend_does_not_accept_is_fetched_anew_once() {
        let (now, mut state) = (Now::read(), State::default());
        let (old, new) = (credentials("OLD", None), credentials("NEW", None));
        state.land(Ok(old.clone()), now, 0.0);
        state.doubt(later(now, TRUSTED.saturating_sub(SECOND)));
        assert_eq!(state.look(later(now, TRUSTED)), (Look::Use(old.clone()), false), "they have just come");
        state.doubt(later(now, TRUSTED));
        assert_eq!(state.look(later(now, TRUSTED)), (Look::Use(old), true));
        state.land(Ok(new.clone()), later(now, TRUSTED), 0.0);
        state.doubt(later(now, TRUSTED + SECOND));
        assert_eq!(state.look(later(now, TRUSTED + SECOND)), (Look::Use(new), false));
    }

    #[test]
    fn the_time_to_fetch_is_spread_and_early_enough() {
        let now = SystemTime::now();
        for (lifetime, least, most) in [(43_200, 42_450, 42_600), (3_600, 2_850, 3_000), (900, 525, 600), (0, 0, 0)] {
            let [lifetime, least, most] = [lifetime, least, most].map(Duration::from_secs);
            for (jitter, expected) in [(1.0, least), (0.0, most)] {
                let refresh = refresh_at(Some(now + lifetime), now, jitter).duration_since(now).unwrap();
                assert!(refresh.abs_diff(expected) < SECOND, "{lifetime:?} {jitter}: {refresh:?}");
            }
        }
        assert_eq!(refresh_at(Some(now - HOUR), now, 0.5), now);
        assert_eq!(refresh_at(None, now, 0.0), now + REVIEW);
        assert!((0..100).map(|_| jitter()).all(|jitter| (0.0..=1.0).contains(&jitter)));
    }
}

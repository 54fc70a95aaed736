//! An issuer's keys as they are now: fetched when they are first needed, kept, and fetched again.
//!
//! One [`IssuerKeys`] is shared by all workers. Whoever finds the keys at hand does not wait for anybody; of those who need others, one
//! asks and the rest wait for what it finds, whatever thread they are on. All ages are counted from times that callers give.

use super::{
    fetch::Source,
    key_set::{KeySet, Meant, VerifyingKey},
};
use crate::identity::began::Began;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::Algorithm;
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Between two fetches for tokens with an unknown key: a stranger can make such tokens at will.
const UNKNOWN_PAUSE: SignedDuration = SignedDuration::from_secs(10);
/// Between a failed refresh of keys that are still good and the next one.
const REFRESH_PAUSE: SignedDuration = SignedDuration::from_secs(10);
/// Between a failed fetch and the next one while there are no keys to go on with.
const EMPTY_PAUSE: SignedDuration = SignedDuration::from_secs(1);

/// What became of a fetch. It tells no secret: keys of issuers are public.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum KeysNews<'a> {
    /// The issuer's keys were fetched.
    Fetched {
        /// Whose keys.
        issuer: &'a str,
        /// How many can be used.
        keys: usize,
    },
    /// They were not.
    Failed {
        /// Whose keys.
        issuer: &'a str,
        /// Why: the end of a sentence about where they are.
        reason: &'a str,
        /// How old those are that the gate goes on with; nothing if there are none.
        age: Option<SignedDuration>,
    },
}

/// Who is told of fetches.
pub type TellKeys = fn(&KeysNews<'_>);

/// The keys of one issuer.
pub struct IssuerKeys {
    issuer: Arc<str>,
    source: Source,
    refresh: SignedDuration,
    max_stale: SignedDuration,
    tell: TellKeys,
    state: Mutex<State>,
    /// Held by whoever fetches.
    flight: tokio::sync::Mutex<()>,
}

#[derive(Clone, Default)]
struct State {
    /// The last that came, and when.
    good: Option<(Arc<KeySet>, Timestamp)>,
    /// When the last fetch ended.
    tried: Option<Timestamp>,
    /// Why that failed, if it did.
    failure: Option<Arc<str>>,
    count: Count,
    /// The last time when they were asked for on the strength of a token with an unknown key.
    for_unknown: Option<ForUnknown>,
}

/// Fetches, numbered from one in the order in which they begin.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    /// The last that began.
    begun: u64,
    /// The last that ended.
    ended: u64,
}

#[derive(Clone)]
struct ForUnknown {
    at: Timestamp,
    /// Whether they were asked for once more, for a token that came meanwhile.
    again: bool,
}

/// What there is without waiting.
#[derive(Debug)]
pub(super) enum AtHand {
    /// Keys that are good, and whether it is time to fetch them again.
    Keys { keys: Arc<KeySet>, due: bool },
    /// None, or none that are still good.
    Nothing,
}

/// Why there is no answer about a key: a fault that is not the token's.
#[derive(Debug, Clone)]
pub(super) struct Unavailable(pub(super) Arc<str>);

impl IssuerKeys {
    /// The keys that `source` has, which are fetched again after `refresh`, and not used any more when they were last fetched longer than
    /// `max_stale` ago.
    pub fn new(issuer: &str, source: Source, refresh: Duration, max_stale: Duration, tell: TellKeys) -> Self {
        let saturated = |duration: Duration| SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
        Self {
            issuer: issuer.into(),
            source,
            refresh: saturated(refresh),
            max_stale: saturated(max_stale),
            tell,
            state: Mutex::default(),
            flight: tokio::sync::Mutex::default(),
        }
    }

    /// Goes on with the keys that another one has, if they are of the same issuer and from the same place.
    pub(super) fn keep_those_of(&self, earlier: &Self) {
        if self.issuer == earlier.issuer && self.source.is_where(&earlier.source) {
            let state = earlier.state().clone();
            *self.state() = state;
        }
    }

    pub(super) fn at_hand(&self, now: Timestamp) -> AtHand {
        let state = self.state();
        match &state.good {
            Some((keys, at)) if self.are_good(*at, now) => {
                AtHand::Keys { keys: Arc::clone(keys), due: self.is_due(&state, now) }
            }
            _ => AtHand::Nothing,
        }
    }

    /// The key that a token means, fetched if need be. Nothing means that the issuer was asked, or was a moment ago, and has no such key.
    pub(super) async fn find(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
        began: Began,
    ) -> Result<Result<VerifyingKey, NoKey>, Unavailable> {
        let seen = self.state().count;
        let flight = self.flight.lock().await;
        if self.may_fetch(kid, algorithm, seen, began) {
            self.fetch(began).await;
        }
        drop(flight);
        let state = self.state();
        let failed = || Unavailable(state.failure.clone().unwrap_or_else(|| "they have not come".into()));
        let keys = match &state.good {
            Some((keys, at)) if self.are_good(*at, began.at) => keys,
            _ => return Err(failed()),
        };
        match keys.meant(kid, algorithm) {
            Meant::Key(key) => Ok(Ok(key.clone())),
            // It may be one of those that could not be fetched.
            Meant::Unknown if state.failure.is_some() => Err(failed()),
            Meant::Unknown => Ok(Err(NoKey::Unknown)),
            Meant::OtherAlgorithm => Ok(Err(NoKey::OtherAlgorithm)),
            Meant::Unnamed => Ok(Err(NoKey::Unnamed)),
        }
    }

    /// Fetches the keys again, unless somebody is at it or it is not time any more. Nobody waits for it.
    pub(super) fn refresh_in_background(self: &Arc<Self>, now: Timestamp) {
        let keys = Arc::clone(self);
        tokio::spawn(async move {
            let Ok(_flight) = keys.flight.try_lock() else { return };
            let due = keys.is_due(&keys.state(), now);
            if due {
                keys.fetch(Began::at(now)).await;
            }
        });
    }

    /// Whether a token whose key was not at hand may make the gate ask. `seen` is how many fetches there were when it came.
    fn may_fetch(&self, kid: Option<&str>, algorithm: Algorithm, seen: Count, began: Began) -> bool {
        let mut state = self.state();
        if state.count.ended > seen.begun {
            return false;
        }
        let Some((keys, _)) = state.good.as_ref().filter(|(_, at)| self.are_good(*at, began.at)) else {
            let now = began.now();
            return !state.tried.is_some_and(|at| state.failure.is_some() && within(at, now, EMPTY_PAUSE));
        };
        // A fetch that was under way may have brought the key. That it did not bring it says little: the issuer may have answered before
        // the key was there.
        if !matches!(keys.meant(kid, algorithm), Meant::Unknown) {
            return false;
        }
        let landed = state.count.ended > seen.ended;
        if landed && state.failure.is_some() {
            return false;
        }
        match &mut state.for_unknown {
            Some(last) if within(last.at, began.at, UNKNOWN_PAUSE) => {
                landed && !std::mem::replace(&mut last.again, true)
            }
            last => {
                *last = Some(ForUnknown { at: began.at, again: false });
                true
            }
        }
    }

    /// Whether keys that were fetched then are still used. A request that began before they came may use them, too.
    fn are_good(&self, then: Timestamp, now: Timestamp) -> bool {
        now.duration_since(then) < self.max_stale
    }

    fn is_due(&self, state: &State, now: Timestamp) -> bool {
        let fresh = state.good.as_ref().is_some_and(|(_, at)| within(*at, now, self.refresh));
        let paused = state.tried.is_some_and(|at| state.failure.is_some() && within(at, now, REFRESH_PAUSE));
        !fresh && !paused
    }

    /// Asks once. Only who holds the flight may.
    async fn fetch(&self, began: Began) {
        let number = {
            let mut state = self.state();
            state.count.begun += 1;
            state.count.begun
        };
        let fetched = self.source.fetch().await;
        let mut state = self.state();
        // A failure can take longer than the pause after it. Keys are as old as the question, which the answer may be, too.
        let now = began.now();
        state.tried = Some(now);
        state.count.ended = number;
        match fetched {
            Ok(keys) => {
                let count = keys.len();
                state.good = Some((Arc::new(keys), began.at));
                state.failure = None;
                drop(state);
                (self.tell)(&KeysNews::Fetched { issuer: &self.issuer, keys: count });
            }
            Err(reason) => {
                let reason: Arc<str> = reason.into();
                state.failure = Some(Arc::clone(&reason));
                let good = state.good.as_ref().filter(|(_, at)| self.are_good(*at, now));
                let age = good.map(|(_, at)| now.duration_since(*at));
                drop(state);
                (self.tell)(&KeysNews::Failed { issuer: &self.issuer, reason: &reason, age });
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is whole before anything that could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why an issuer has no key for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoKey {
    Unknown,
    OtherAlgorithm,
    Unnamed,
}

/// Whether `then` is not further from `now` than `limit`. It may lie ahead: requests that began a little earlier than the one that fetched
/// see it so. If it lies further ahead, the clock was set back, and what is known of that time is no reason to wait.
fn within(then: Timestamp, now: Timestamp, limit: SignedDuration) -> bool {
    now.duration_since(then).abs() < limit
}

impl fmt::Debug for IssuerKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuerKeys").field("issuer", &self.issuer).field("source", &self.source).finish_non_exhaustive()
    }
}

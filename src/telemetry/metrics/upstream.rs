//! What is counted of the backend in one Region.

use super::{
    cells::{Counters, Gauge, Histogram, OPERATIONS, Others, place},
    labels,
};
use crate::finding::Operation;
use std::{fmt, sync::OnceLock, time::Duration};

labels! {
    /// What came of one exchange with the backend.
    Exchange EXCHANGES {
        /// Status 200.
        Success = "success",
        /// Another status below 500, but not 429.
        Refused = "refused",
        /// The backend's quota was used up.
        Throttled = "throttled",
        /// Status 500 or more.
        Error = "error",
        /// No answer in time.
        Timeout = "timeout",
        /// The exchange broke, or its answer was none.
        Broken = "broken",
        /// No connection: nothing was sent.
        Unreachable = "unreachable",
        /// No credentials to sign with: nothing was sent.
        Unsigned = "unsigned",
    }
}

labels! {
    /// Why a call is made again.
    Again REASONS {
        /// Certainly nothing was sent.
        Unsent = "unsent",
        /// The backend refused it for its quota.
        Throttled = "throttled",
        /// The backend answered 500 or more.
        Error = "error",
        /// It was sent, and no valid answer came.
        Unknown = "unknown",
    }
}

labels! {
    /// What a call got of its quota.
    Granted QUOTA {
        /// It went out at once.
        AtOnce = "granted",
        /// It went out after it had waited.
        Waited = "waited",
        /// It did not go out: its account has its share waiting, or it would have waited too long.
        Refused = "refused",
    }
}

labels! {
    /// What a look-up of one finding came to.
    LookUp LOOK_UPS {
        /// It was known from a look-up before.
        Cached = "cached",
        /// The backend told it.
        Found = "found",
        /// The backend has no such finding.
        Missing = "missing",
        /// It did not come within `state.deadline`.
        Deadline = "deadline",
        /// Too many look-ups wait for the quota.
        Busy = "busy",
        /// The backend says that the quota is used up.
        Throttled = "throttled",
        /// The call failed.
        Failed = "failed",
        /// The answer is not as the API describes it.
        NotUnderstood = "not_understood",
        /// Several findings have the name.
        Ambiguous = "ambiguous",
    }
}

/// Whether calls go to a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Circuit {
    /// They do.
    Closed = 0,
    /// One does, to see whether it is well again.
    Probing = 1,
    /// None does.
    Open = 2,
}

/// What is counted of the backend in one Region. Whoever makes calls to it has one.
#[derive(Debug, Default)]
pub struct UpstreamMetrics {
    pub(super) calls: Counters<OPERATIONS, { EXCHANGES.len() }>,
    pub(super) times: [Histogram<Others>; OPERATIONS],
    pub(super) retries: Counters<OPERATIONS, { REASONS.len() }>,
    pub(super) exhausted: Counters<1, 1>,
    pub(super) quota: Counters<OPERATIONS, { QUOTA.len() }>,
    pub(super) waits: [Histogram<Others>; OPERATIONS],
    pub(super) waiting: [Gauge; OPERATIONS],
    pub(super) breaker: Gauge,
    pub(super) openings: Counters<1, 1>,
    pub(super) held_back: Counters<1, 1>,
    pub(super) look_ups: Counters<1, { LOOK_UPS.len() }>,
    pub(super) look_up_times: Histogram<Others>,
    pub(super) kept: OnceLock<Source>,
}

impl UpstreamMetrics {
    /// One exchange with the backend came to this, and took this long.
    pub fn exchanged(&self, operation: Operation, exchange: Exchange, took: Duration) {
        self.calls.add(place(operation), exchange as usize);
        self.times[place(operation)].add_time(took);
    }

    /// A call is made again.
    pub fn retried(&self, operation: Operation, why: Again) {
        self.retries.add(place(operation), why as usize);
    }

    /// A call would have been made again, if the budget of retries had not been used up.
    pub fn budget_exhausted(&self) {
        self.exhausted.add(0, 0);
    }

    /// What a call got of its quota, after it had waited this long; nothing if it stood in no line.
    pub fn quota(&self, operation: Operation, granted: Granted, waited: Option<Duration>) {
        self.quota.add(place(operation), granted as usize);
        if let Some(waited) = waited {
            self.waits[place(operation)].add_time(waited);
        }
    }

    /// So many more calls wait for their quota, or fewer.
    pub fn waiting(&self, operation: Operation, difference: i64) {
        self.waiting[place(operation)].add(difference);
    }

    /// What the circuit breaker is now.
    pub fn circuit(&self, circuit: Circuit) {
        self.breaker.set(circuit as i64);
    }

    /// The circuit breaker opened.
    pub fn opened(&self) {
        self.openings.add(0, 0);
    }

    /// A call was not made because the circuit breaker is open.
    pub fn held_back(&self) {
        self.held_back.add(0, 0);
    }

    /// A request needed to know how a finding is, and that came to this.
    pub fn looked_up(&self, came_to: LookUp) {
        self.look_ups.add(0, came_to as usize);
    }

    /// A request waited so long for findings that were not known.
    pub fn waited_for_look_up(&self, time: Duration) {
        self.look_up_times.add_time(time);
    }

    /// Whom to ask how many findings are kept. The first one given counts.
    pub fn findings_kept(&self, kept: impl Fn() -> usize + Send + Sync + 'static) {
        // It is given where the backend is put together, once.
        let _ = self.kept.set(Source(Box::new(kept)));
    }
}

/// A number that is asked for when it is read.
pub(super) struct Source(Box<dyn Fn() -> usize + Send + Sync>);

impl Source {
    pub(super) fn ask(&self) -> i64 {
        i64::try_from((self.0)()).unwrap_or(i64::MAX)
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Source")
    }
}

//! When a request began, and what the time is since.

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// When a request began, by the clock that it was given. What is waited for then takes its time: what is remembered of it must have the
/// time at which it came, or it is too old at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Began {
    /// Then.
    pub(super) at: Timestamp,
    instant: Instant,
}

impl Began {
    /// It begins now, which is `at`.
    pub(super) fn at(at: Timestamp) -> Self {
        Self { at, instant: Instant::now() }
    }

    /// What that clock says now.
    pub(super) fn now(&self) -> Timestamp {
        let elapsed = SignedDuration::try_from(self.instant.elapsed()).unwrap_or(SignedDuration::MAX);
        self.at.saturating_add(elapsed).unwrap_or(Timestamp::MAX)
    }
}

//! How fast calls may go: the quotas that AWS grants an account in a Region, and each caller's fair share of them.
//!
//! | file | subject |
//! |---|---|
//! | `bucket.rs` | so many calls a second, so many at once |
//! | `turns.rs` | whose turn it is among those who wait |
//! | `meter.rs` | one quota: a bucket and those who wait for it |
//! | here | which quota a call counts against, and for how long it may wait |
//!
//! # What it costs, and how much of it there is
//!
//! A call takes two uncontended locks. There is a meter for each account and operation that was used of late, at most [`MOST`]; one
//! whose bucket is full again and that nobody waits for is as good as none, and goes when there is no more room. In an account's line
//! wait at most as many calls as the whole quota could serve in the time that a call waits; and as nobody joins a line who would wait
//! too long, all lines together hold not much more than that.

mod bucket;
mod meter;
#[cfg(test)]
mod tests;
mod turns;

use crate::{
    finding::{AccountId, Operation},
    telemetry::metrics::{Granted, UpstreamMetrics},
};
use meter::{Meter, TooLate, Turn};
use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

pub(crate) use bucket::Bucket;
pub(crate) use turns::Lane;

/// The most meters there are at a time. The largest organisations have 11,000 members.
const MOST: usize = 1 << 16;
/// The longest line of an account, however large the quota is.
const LONGEST_LINE: usize = 4096;

/// So many calls a second, and so many at once after a time without any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Calls a second.
    pub rate: NonZeroU32,
    /// Calls at once.
    pub burst: NonZeroU32,
}

impl Rate {
    /// # Panics
    ///
    /// If one of them is zero.
    pub const fn new(rate: u32, burst: u32) -> Self {
        match (NonZeroU32::new(rate), NonZeroU32::new(burst)) {
            (Some(rate), Some(burst)) => Self { rate, burst },
            _ => panic!("a quota of no calls"),
        }
    }
}

/// The account whose quota calls count against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotaOwner {
    /// The caller's: the backend sees each caller's own account, by a role in it or by a header.
    Caller,
    /// The gate's: it signs for all callers with credentials of its own.
    Gate,
}

/// The quotas of an account in a Region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaSettings {
    /// Whose they are.
    pub owner: QuotaOwner,
    /// How long a call waits for its turn.
    pub wait: Duration,
    /// Of BatchUpdateFindings.
    pub update: Rate,
    /// Of BatchImportFindings.
    pub import: Rate,
    /// Of GetFindings.
    pub get: Rate,
    /// Of every other operation, each by itself.
    pub other: Rate,
}

impl QuotaSettings {
    /// What AWS grants (API reference, "Throttling"), for two seconds' patience.
    pub const fn aws(owner: QuotaOwner) -> Self {
        let other = Rate::new(10, 30);
        Self { owner, wait: Duration::from_secs(2), update: other, import: other, get: Rate::new(3, 6), other }
    }

    fn rate(&self, operation: Operation) -> Rate {
        match operation {
            Operation::BatchUpdateFindings => self.update,
            Operation::BatchImportFindings => self.import,
            Operation::GetFindings => self.get,
            _ => self.other,
        }
    }

    /// How many calls of one account may wait: as many as the whole quota serves in the time that one waits, more would wait in vain.
    fn longest_line(&self, operation: Operation) -> usize {
        let millis = usize::try_from(self.wait.as_millis()).unwrap_or(usize::MAX);
        let served = millis.saturating_mul(self.rate(operation).rate.get() as usize) / 1000;
        served.clamp(1, LONGEST_LINE)
    }
}

/// The account that is the quota's owner, none where that is the gate's; and what for.
type Key = (Option<AccountId>, Operation);

/// The quotas of all accounts in one Region. One for all workers of a gate.
#[derive(Debug)]
pub(crate) struct Pace {
    settings: QuotaSettings,
    meters: Mutex<HashMap<Key, Arc<Meter>>>,
    metrics: Arc<UpstreamMetrics>,
}

/// A call that may go out.
#[derive(Debug)]
pub(crate) struct Pass(Arc<Meter>);

impl Pass {
    /// The backend said of the call, which went out at `sent`, whether the quota is used up. If it is, somebody else uses it, too,
    /// and no call goes out for a while.
    pub(crate) fn answered(&self, sent: Instant, throttled: bool) {
        self.0.answered(sent, throttled);
    }
}

/// A call that does not go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OverQuota {
    /// What the quota is.
    pub(crate) rate: Rate,
    /// After which time it may be tried again.
    pub(crate) retry_after: Duration,
}

impl Pace {
    pub(crate) fn new(settings: QuotaSettings, metrics: Arc<UpstreamMetrics>) -> Self {
        Self { settings, meters: Mutex::default(), metrics }
    }

    /// Waits for a call's turn, but not beyond `deadline`. `account` is the one that the call is made for, `lane` the line to wait in.
    pub(crate) async fn pass(
        &self,
        operation: Operation,
        account: AccountId,
        lane: Lane,
        deadline: Instant,
    ) -> Result<Pass, OverQuota> {
        let began = Instant::now();
        let rate = self.settings.rate(operation);
        let refuse = |wait: Duration, waited: Option<Duration>| {
            self.metrics.quota(operation, Granted::Refused, waited);
            OverQuota { rate, retry_after: wait.max(Duration::from_secs(1)) }
        };
        let Some(meter) = self.meter(operation, account, began) else {
            return Err(refuse(self.settings.wait, None));
        };
        let latest = deadline.min(began + self.settings.wait);
        let turn = {
            let _counted = Counted::new(&self.metrics, operation);
            meter.turn(lane, self.settings.longest_line(operation), latest).await
        };
        match turn {
            Ok(turn) => {
                let (granted, waited) = match turn {
                    Turn::AtOnce => (Granted::AtOnce, None),
                    Turn::Waited => (Granted::Waited, Some(began.elapsed())),
                };
                self.metrics.quota(operation, granted, waited);
                Ok(Pass(meter))
            }
            Err(TooLate { wait, joined }) => Err(refuse(wait, joined.then(|| began.elapsed()))),
        }
    }

    /// The quota that a call counts against. None if there are too many already: that needs as many accounts that call at the same
    /// time.
    fn meter(&self, operation: Operation, account: AccountId, now: Instant) -> Option<Arc<Meter>> {
        let key = (self.owner(account), operation);
        let mut meters = self.meters.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(meter) = meters.get(&key) {
            return Some(Arc::clone(meter));
        }
        if meters.len() >= MOST {
            // Whoever holds one is about to wait for it, or to tell it something.
            meters.retain(|_, meter| Arc::strong_count(meter) > 1 || !meter.is_fresh(now));
            if meters.len() >= MOST {
                return None;
            }
        }
        let Rate { rate, burst } = self.settings.rate(operation);
        let meter = Arc::new(Meter::new(Bucket::new(rate, burst, now)));
        meters.insert(key, Arc::clone(&meter));
        Some(meter)
    }

    /// The account whose quota a call for `account` counts against; none for the gate's own.
    fn owner(&self, account: AccountId) -> Option<AccountId> {
        match self.settings.owner {
            QuotaOwner::Caller => Some(account),
            QuotaOwner::Gate => None,
        }
    }
}

/// A call that waits, in the metrics.
struct Counted<'m> {
    metrics: &'m UpstreamMetrics,
    operation: Operation,
}

impl<'m> Counted<'m> {
    fn new(metrics: &'m UpstreamMetrics, operation: Operation) -> Self {
        metrics.waiting(operation, 1);
        Self { metrics, operation }
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.metrics.waiting(self.operation, -1);
    }
}

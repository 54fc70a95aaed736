//! What is counted of the gate as a whole.

use super::{
    cells::{Counters, Gauge, Histogram, Others},
    labels, process,
};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

labels! {
    /// What came of reading the configuration again.
    Reload RELOADS {
        /// It is used from then on.
        Success = "success",
        /// What was used before is used on.
        Failure = "failure",
    }
}

labels! {
    /// What became of a span.
    Span SPANS {
        /// The collector took it.
        Exported = "exported",
        /// The collector could not be reached, or did not take it.
        Failed = "failed",
        /// There was no room for it.
        Dropped = "dropped",
    }
}

labels! {
    /// Why a request is turned away before anything of it is done.
    Shed SHED {
        /// There was no room for it, and too many waited already.
        QueueFull = "queue_full",
        /// It waited for room in vain.
        QueueWait = "queue_wait",
        /// Its HTTP/2 connection has as many under way as one may.
        Streams = "streams",
    }
}

impl Shed {
    /// The value of its label.
    pub fn as_str(self) -> &'static str {
        SHED[self as usize]
    }
}

/// How much comes in, and what of it is turned away. All workers count in it.
#[derive(Debug, Default)]
pub struct LoadMetrics {
    pub(super) in_flight: Gauge,
    pub(super) waiting: Gauge,
    pub(super) shed: Counters<1, { SHED.len() }>,
    pub(super) accepted: Counters<1, 1>,
    pub(super) open: Gauge,
    pub(super) unplaced: Gauge,
    pub(super) limit: Gauge,
    pub(super) handshakes_failed: Counters<1, 1>,
}

impl LoadMetrics {
    /// So many requests are under way now.
    pub fn in_flight(&self, count: usize) {
        self.in_flight.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// So many requests wait for room now.
    pub fn waiting(&self, count: usize) {
        self.waiting.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// A request was turned away.
    pub fn shed(&self, why: Shed) {
        self.shed.add(0, why as usize);
    }

    /// At the most so many connections are served at once.
    pub fn connections_limit(&self, connections: usize) {
        self.limit.set(i64::try_from(connections).unwrap_or(i64::MAX));
    }

    /// A connection was accepted.
    pub fn accepted(&self) {
        self.accepted.add(0, 0);
    }

    /// So many more connections are served, or fewer.
    pub fn open(&self, difference: i64) {
        self.open.add(difference);
    }

    /// So many more connections that were accepted wait for a place, or fewer.
    pub fn unplaced(&self, difference: i64) {
        self.unplaced.add(difference);
    }

    /// No TLS came of a connection.
    pub fn handshake_failed(&self) {
        self.handshakes_failed.add(0, 0);
    }
}

/// How the configuration was read again.
#[derive(Debug)]
pub(super) struct Reloads {
    pub(super) tries: Counters<1, { RELOADS.len() }>,
    /// Whether the last one, the start included, was a success.
    pub(super) is_last_good: Gauge,
    /// When what is used was read: the bits of seconds since 1970.
    last_success: AtomicU64,
}

impl Reloads {
    pub(super) fn note(&self, reload: Reload) {
        self.tries.add(0, reload as usize);
        self.is_last_good.set(i64::from(reload == Reload::Success));
        if reload == Reload::Success {
            self.last_success.store(process::now().to_bits(), Relaxed);
        }
    }

    pub(super) fn last_success(&self) -> f64 {
        f64::from_bits(self.last_success.load(Relaxed))
    }
}

impl Default for Reloads {
    /// The start is a success.
    fn default() -> Self {
        let is_last_good = Gauge::default();
        is_last_good.set(1);
        Self { tries: Counters::default(), is_last_good, last_success: AtomicU64::new(process::now().to_bits()) }
    }
}

labels! {
    /// What came of asking for a bundle.
    BundleFetch BUNDLE_FETCHES {
        /// There was a new one, which is used from now on.
        Taken = "taken",
        /// There was no other than the one that is used.
        Unchanged = "unchanged",
        /// No bundle came.
        Failed = "failed",
        /// One came that must not, or cannot, be used.
        Refused = "refused",
    }
}

/// What is counted of bundles that are fetched.
#[derive(Debug, Default)]
pub(super) struct Bundles {
    pub(super) fetches: Counters<1, { BUNDLE_FETCHES.len() }>,
    pub(super) succeeded: Gauge,
}

impl Bundles {
    pub(super) fn note(&self, fetch: BundleFetch, now: i64) {
        self.fetches.add(0, fetch as usize);
        if matches!(fetch, BundleFetch::Taken | BundleFetch::Unchanged) {
            self.succeeded.set(now);
        }
    }
}

/// What is counted of the audit log.
#[derive(Debug, Default)]
pub struct AuditMetrics {
    pub(super) is_kept: Gauge,
    pub(super) records: Counters<1, { RECORDS.len() }>,
    pub(super) writes: [Histogram<Others>; 1],
    pub(super) waiting: Gauge,
    pub(super) places: Gauge,
    pub(super) is_failing: Gauge,
}

/// What becomes of records.
pub(super) const RECORDS: &[&str] = &["written", "shed"];

impl AuditMetrics {
    /// Records are kept, of which so many may wait to be written.
    pub fn kept(&self, places: usize) {
        self.is_kept.set(1);
        self.places.set(i64::try_from(places).unwrap_or(i64::MAX));
    }

    /// So many lines were written in one go, which took this long.
    pub fn written(&self, records: usize, took: Duration) {
        self.records.add_many(0, 0, records as u64);
        self.writes[0].add_time(took);
    }

    /// So many records were given up.
    pub fn shed(&self, records: u64) {
        self.records.add_many(0, 1, records);
    }

    /// So many records are being made or wait to be written.
    pub fn waiting(&self, records: usize) {
        self.waiting.set(i64::try_from(records).unwrap_or(i64::MAX));
    }

    /// Whether nothing can be written now.
    pub fn failing(&self, is_failing: bool) {
        self.is_failing.set(i64::from(is_failing));
    }
}

/// What became of the spans of traces.
#[derive(Debug, Default)]
pub struct SpanMetrics {
    pub(super) spans: Counters<1, { SPANS.len() }>,
}

impl SpanMetrics {
    /// This became of so many.
    pub fn became(&self, span: Span, spans: usize) {
        self.spans.add_many(0, span as usize, spans as u64);
    }
}

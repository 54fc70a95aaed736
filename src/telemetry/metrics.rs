//! Metrics: what the gate counts, for Prometheus and whatever else reads its format.
//!
//! One [`Metrics`] is made at the start and handed to whoever counts: there is nothing global. To count is an atomic addition at a
//! place that is known beforehand. Nothing is formatted, hashed or locked until somebody reads ([`Metrics::encode`]).
//!
//! No label has a value that callers choose, and none names an account, a principal or a finding: how many series there are depends
//! on the configuration alone. `docs/metrics.md` is the reference; `names.rs` is what it is made from.

mod cells;
mod names;

use crate::finding::Operation;
use cells::{Counters, Gauge, OPERATIONS, Times, place};
use prometheus_client::{encoding::text, registry::Registry};
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// All that is counted.
pub struct Metrics {
    registry: Registry,
    requests: Arc<Requests>,
    load: Arc<LoadMetrics>,
    regions: Arc<Regions>,
    bundles: Arc<Bundles>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// The media type of what [`Metrics::encode`] writes.
    pub const CONTENT_TYPE: &'static str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

    /// Nothing is counted yet.
    pub fn new() -> Self {
        let (requests, regions) = (Arc::<Requests>::default(), Arc::<Regions>::default());
        let (load, bundles) = (Arc::<LoadMetrics>::default(), Arc::<Bundles>::default());
        let registry = names::registry(&requests, &load, &regions, &bundles);
        Self { registry, requests, load, regions, bundles }
    }

    /// What is counted where requests come in.
    pub fn load(&self) -> Arc<LoadMetrics> {
        Arc::clone(&self.load)
    }

    /// A request was answered with this status. It is of no operation where its caller or its door was refused.
    pub fn served(&self, operation: Option<Operation>, status: u16) {
        let column = STATUSES.iter().position(|known| *known == status).unwrap_or(STATUSES.len());
        self.requests.0.add(operation.map_or(OPERATIONS, place), column);
    }

    /// What is counted of the backend in this Region: the same for the same name.
    pub fn upstream(&self, region: &str) -> Arc<UpstreamMetrics> {
        let mut regions = self.regions.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, known)) = regions.iter().find(|(name, _)| **name == *region) {
            return Arc::clone(known);
        }
        let new = Arc::<UpstreamMetrics>::default();
        regions.push((region.into(), Arc::clone(&new)));
        new
    }

    /// A bundle was asked for. `now` is in seconds since 1970, and kept where the one that is used is known to be the right one.
    pub fn bundle(&self, fetch: BundleFetch, now: i64) {
        self.bundles.fetches.add(0, fetch as usize);
        if matches!(fetch, BundleFetch::Taken | BundleFetch::Unchanged) {
            self.bundles.succeeded.set(now);
        }
    }

    /// Everything as text, in the format of OpenMetrics 1.0, which Prometheus reads.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = text::encode(&mut text, &self.registry);
        text
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// The statuses that this API has; another one is counted as `other`.
const STATUSES: [u16; 12] = [200, 400, 401, 403, 404, 408, 413, 429, 500, 502, 503, 504];
const STATUS_LABELS: [&str; 13] =
    ["200", "400", "401", "403", "404", "408", "413", "429", "500", "502", "503", "504", "other"];

/// Requests: a row for each operation and one for those of none, a column for each status.
#[derive(Debug, Default)]
struct Requests(Counters<{ OPERATIONS + 1 }, { STATUS_LABELS.len() }>);

/// How much comes in, and what of it is turned away.
#[derive(Debug, Default)]
pub struct LoadMetrics {
    in_flight: Gauge,
    waiting: Gauge,
    shed: Counters<1, { SHED.len() }>,
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
}

impl Shed {
    /// The value of its label.
    pub fn as_str(self) -> &'static str {
        SHED[self as usize]
    }
}

/// The backends, in the order in which they were made known. Locked when one is made known and when all are read.
#[derive(Debug, Default)]
struct Regions(Mutex<Vec<(Box<str>, Arc<UpstreamMetrics>)>>);

/// Declares the values of a label as an enumeration.
macro_rules! labels {
    ($(#[$doc:meta])* $name:ident $values:ident { $($(#[$value_doc:meta])* $variant:ident = $label:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$value_doc])* $variant,)+ }

        const $values: &[&str] = &[$($label),+];
    };
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
struct Bundles {
    fetches: Counters<1, { BUNDLE_FETCHES.len() }>,
    succeeded: Gauge,
}

/// What is counted of the backend in one Region. Whoever makes calls to it has one.
#[derive(Debug, Default)]
pub struct UpstreamMetrics {
    calls: Counters<OPERATIONS, { EXCHANGES.len() }>,
    times: [Times; OPERATIONS],
    retries: Counters<OPERATIONS, { REASONS.len() }>,
    exhausted: Counters<1, 1>,
    quota: Counters<OPERATIONS, { QUOTA.len() }>,
    waits: [Times; OPERATIONS],
    waiting: [Gauge; OPERATIONS],
    breaker: Gauge,
    openings: Counters<1, 1>,
    held_back: Counters<1, 1>,
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

impl UpstreamMetrics {
    /// One exchange with the backend came to this, and took this long.
    pub fn exchanged(&self, operation: Operation, exchange: Exchange, took: Duration) {
        self.calls.add(place(operation), exchange as usize);
        self.times[place(operation)].add(took);
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
            self.waits[place(operation)].add(waited);
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
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ: Operation = Operation::GetFindings;

    #[test]
    fn what_is_counted_is_read() {
        let metrics = Metrics::new();
        metrics.served(Some(READ), 200);
        metrics.served(Some(READ), 200);
        metrics.served(Some(READ), 418);
        metrics.served(None, 403);
        let upstream = metrics.upstream("eu-west-1");
        upstream.exchanged(READ, Exchange::Throttled, Duration::from_millis(1500));
        upstream.retried(READ, Again::Throttled);
        upstream.budget_exhausted();
        upstream.quota(READ, Granted::AtOnce, None);
        upstream.quota(READ, Granted::Waited, Some(Duration::from_millis(20)));
        upstream.waiting(READ, 3);
        upstream.waiting(READ, -1);
        upstream.circuit(Circuit::Open);
        upstream.opened();
        upstream.held_back();
        metrics.upstream("us-east-1").budget_exhausted();
        metrics.upstream("us-east-1").budget_exhausted();
        let text = metrics.encode();
        for line in [
            r#"findings_gate_requests_total{operation="GetFindings",status="200"} 2"#,
            r#"findings_gate_requests_total{operation="GetFindings",status="other"} 1"#,
            r#"findings_gate_requests_total{operation="GetFindings",status="403"} 0"#,
            r#"findings_gate_requests_total{operation="none",status="403"} 1"#,
            r#"findings_gate_upstream_calls_total{region="eu-west-1",operation="GetFindings",outcome="throttled"} 1"#,
            r#"findings_gate_upstream_call_duration_seconds_sum{region="eu-west-1",operation="GetFindings"} 1.5"#,
            r#"findings_gate_upstream_call_duration_seconds_bucket{le="1.0",region="eu-west-1",operation="GetFindings"} 0"#,
            r#"findings_gate_upstream_call_duration_seconds_bucket{le="2.5",region="eu-west-1",operation="GetFindings"} 1"#,
            r#"findings_gate_upstream_call_duration_seconds_bucket{le="+Inf",region="eu-west-1",operation="GetFindings"} 1"#,
            r#"findings_gate_upstream_retries_total{region="eu-west-1",operation="GetFindings",reason="throttled"} 1"#,
            r#"findings_gate_upstream_retry_budget_exhausted_total{region="eu-west-1"} 1"#,
            r#"findings_gate_upstream_retry_budget_exhausted_total{region="us-east-1"} 2"#,
            r#"findings_gate_quota_calls_total{region="eu-west-1",operation="GetFindings",result="granted"} 1"#,
            r#"findings_gate_quota_calls_total{region="eu-west-1",operation="GetFindings",result="waited"} 1"#,
            r#"findings_gate_quota_wait_seconds_count{region="eu-west-1",operation="GetFindings"} 1"#,
            r#"findings_gate_quota_waiting{region="eu-west-1",operation="GetFindings"} 2"#,
            r#"findings_gate_breaker_state{region="eu-west-1"} 2"#,
            r#"findings_gate_breaker_state{region="us-east-1"} 0"#,
            r#"findings_gate_breaker_openings_total{region="eu-west-1"} 1"#,
            r#"findings_gate_breaker_held_back_total{region="eu-west-1"} 1"#,
        ] {
            assert!(text.lines().any(|written| written == line), "{line} is not in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
        assert!(!text.contains("CreateAutomationRule"), "what nobody uses takes no lines");
    }

    #[test]
    fn each_status_has_its_label() {
        let labels: Vec<_> = STATUSES.iter().map(ToString::to_string).chain(["other".to_owned()]).collect();
        assert_eq!(labels, STATUS_LABELS);
    }

    #[test]
    fn threads_count_together() {
        let metrics = Metrics::new();
        let upstream = metrics.upstream("eu-west-1");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        upstream.exchanged(READ, Exchange::Success, Duration::from_millis(1));
                        metrics.served(Some(READ), 200);
                    }
                });
            }
        });
        let text = metrics.encode();
        assert!(text.contains(r#"operation="GetFindings",status="200"} 4000"#), "{text}");
        assert!(text.contains(r#"seconds_count{region="eu-west-1",operation="GetFindings"} 4000"#), "{text}");
    }
}

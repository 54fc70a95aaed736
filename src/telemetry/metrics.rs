//! Metrics: what the gate counts, for Prometheus and whatever else reads its format.
//!
//! One [`Metrics`] is made at the start and handed to whoever counts: there is nothing global. To count is an addition at a place that
//! is known beforehand: an ordinary one in memory that only the worker itself writes where it is done for every request ([`WorkerMetrics`]), an
//! atomic one elsewhere. For a policy, the place is found by its id in a table that was made with the snapshot ([`PolicyMetrics`]). Nothing is formatted or locked
//! until somebody reads ([`Metrics::encode`]).
//!
//! No label has a value that callers choose, and none names an account, a principal or a finding: how many series there are depends
//! on the configuration alone. `docs/metrics.md` is the reference; `names.rs` is what it is made from.
//!
//! | file | subject |
//! |---|---|
//! | `names.rs` | every metric: its name, labels, meaning, and where its numbers are |
//! | `write.rs` | how numbers become lines |
//! | `worker.rs`, `policies.rs`, `upstream.rs`, `whole.rs`, `process.rs` | what is counted, by whom it is |
//! | `cells.rs` | counters, gauges, histograms |

mod cells;
mod names;
mod policies;
mod process;
mod upstream;
mod whole;
mod worker;
mod write;

use prometheus_client::{encoding::text, registry::Registry};
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

pub use policies::{PolicyMetrics, PolicyName, Shadow};
pub use upstream::{Again, Circuit, Exchange, Granted, LookUp, UpstreamMetrics};
pub use whole::{AuditMetrics, BundleFetch, LoadMetrics, Reload, Shed, Span, SpanMetrics};
use worker::WorkerCounts;
pub use worker::{Answered, Became, Said, Verdicts, Why, WorkerMetrics};

/// Declares the values of a label as an enumeration.
macro_rules! labels {
    ($(#[$doc:meta])* $name:ident $values:ident { $($(#[$value_doc:meta])* $variant:ident = $label:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$value_doc])* $variant,)+ }

        pub(super) const $values: &[&str] = &[$($label),+];
    };
}
use labels;

/// All that is counted.
pub struct Metrics {
    registry: Registry,
    counted: Arc<Counted>,
}

/// The numbers. The locks are taken when something new is made known and when all is read.
struct Counted {
    started: f64,
    workers: Mutex<Vec<Arc<WorkerCounts>>>,
    /// The backends, in the order in which they were made known.
    regions: Mutex<Vec<(Box<str>, Arc<UpstreamMetrics>)>>,
    policies: Mutex<Arc<PolicyMetrics>>,
    load: Arc<LoadMetrics>,
    reloads: whole::Reloads,
    spans: Arc<SpanMetrics>,
    bundles: whole::Bundles,
    audit: Arc<AuditMetrics>,
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
        let counted = Arc::new(Counted {
            started: process::now(),
            workers: Mutex::default(),
            regions: Mutex::default(),
            policies: Mutex::default(),
            load: Arc::default(),
            reloads: whole::Reloads::default(),
            spans: Arc::default(),
            bundles: whole::Bundles::default(),
            audit: Arc::default(),
        });
        Self { registry: names::registry(&counted), counted }
    }

    /// What another worker counts in.
    pub fn worker(&self) -> WorkerMetrics {
        let counts = Arc::<WorkerCounts>::default();
        lock(&self.counted.workers).push(Arc::clone(&counts));
        WorkerMetrics::new(counts)
    }

    /// What is counted of the backend in this Region: the same for the same name.
    pub fn upstream(&self, region: &str) -> Arc<UpstreamMetrics> {
        let mut regions = lock(&self.counted.regions);
        if let Some((_, known)) = regions.iter().find(|(name, _)| **name == *region) {
            return Arc::clone(known);
        }
        let new = Arc::<UpstreamMetrics>::default();
        regions.push((region.into(), Arc::clone(&new)));
        new
    }

    /// What is counted of the policies of a snapshot with this digest and so many accounts, from when
    /// [`decides_by`](Self::decides_by) says that it decides.
    pub fn policies(
        &self,
        policies: impl IntoIterator<Item = PolicyName>,
        digest: &str,
        accounts: usize,
    ) -> Arc<PolicyMetrics> {
        let earlier = Arc::clone(&lock(&self.counted.policies));
        Arc::new(PolicyMetrics::new(policies, digest, accounts, &earlier))
    }

    /// These are the policies that decide from now on. What was counted of those that do not any more is gone.
    pub fn decides_by(&self, policies: Arc<PolicyMetrics>) {
        *lock(&self.counted.policies) = policies;
    }

    /// What is counted where requests come in.
    pub fn load(&self) -> Arc<LoadMetrics> {
        Arc::clone(&self.counted.load)
    }

    /// What is counted of the spans of traces.
    pub fn spans(&self) -> Arc<SpanMetrics> {
        Arc::clone(&self.counted.spans)
    }

    /// The configuration was read again.
    pub fn reloaded(&self, reload: Reload) {
        self.counted.reloads.note(reload);
    }

    /// A bundle was asked for. `now` is in seconds since 1970, and kept where the one that is used is known to be the right one.
    pub fn bundle(&self, fetch: BundleFetch, now: i64) {
        self.counted.bundles.note(fetch, now);
    }

    /// What is counted of the audit log.
    pub fn audit(&self) -> Arc<AuditMetrics> {
        Arc::clone(&self.counted.audit)
    }

    /// Everything as text, in the format of OpenMetrics 1.0, which Prometheus reads.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = text::encode(&mut text, &self.registry);
        text
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

//! The audit log of a running gate.

use super::Failure;
use crate::{
    audit::{Log, News},
    config::Config,
    proxy::Records,
    telemetry::{
        events::{AuditFailed, AuditNotRotated, AuditRecovered, AuditRepaired, AuditShed},
        metrics::{AuditMetrics, Metrics},
    },
};
use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// How long a stop waits for the last records.
const LAST: Duration = Duration::from_secs(5);
/// How often it is told that records are given up.
const TOLD: Duration = Duration::from_secs(10);

/// The log, which is written to its end when this is dropped: also where a start comes to nothing after all.
#[derive(Debug)]
pub(super) struct Recording(Option<Records>);

impl Recording {
    /// Starts the log, if there is to be one.
    pub(super) fn start(config: &Config, snapshot: &str, metrics: &Metrics) -> Result<Self, Failure> {
        let Some(audit) = &config.audit else { return Ok(Self(None)) };
        let counts = metrics.audit();
        counts.kept(audit.log.queue.get());
        let news = Arc::new(Told { counts, shed: Mutex::default() });
        let (log, repaired) = Log::start(audit.log.clone(), env!("CARGO_PKG_VERSION"), snapshot, news)
            .map_err(|error| Failure::broke(format!("audit.file: {error}")))?;
        if let Some(bytes) = repaired {
            AuditRepaired { bytes }.emit();
        }
        Ok(Self(Some(Records { log, masks: audit.masks, unidentified: audit.unidentified })))
    }

    /// What requests are recorded with.
    pub(super) fn records(&self) -> Option<Records> {
        self.0.clone()
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        // What a panic ends is not ended in good order.
        if let Some(records) = self.0.as_ref().filter(|_| !thread::panicking())
            && !records.log.finish(LAST)
        {
            AuditFailed { reason: "the last records could not be written before the process ended" }.emit();
        }
    }
}

/// Tells what is heard of the log.
#[derive(Debug)]
struct Told {
    counts: Arc<AuditMetrics>,
    shed: Mutex<Shed>,
}

#[derive(Debug, Default)]
struct Shed {
    untold: u64,
    told: Option<Instant>,
}

impl News for Told {
    fn written(&self, records: usize, took: Duration) {
        self.counts.written(records, took);
    }

    fn waiting(&self, records: usize) {
        self.counts.waiting(records);
    }

    fn shed(&self, records: u64) {
        self.counts.shed(records);
        let mut shed = self.shed.lock().unwrap_or_else(PoisonError::into_inner);
        shed.untold += records;
        if shed.told.is_none_or(|told| told.elapsed() >= TOLD) {
            shed.told = Some(Instant::now());
            AuditShed { records: std::mem::take(&mut shed.untold) }.emit();
        }
    }

    fn failed(&self, why: &io::Error) {
        self.counts.failing(true);
        AuditFailed { reason: &why.to_string() }.emit();
    }

    fn recovered(&self) {
        self.counts.failing(false);
        AuditRecovered.emit();
    }

    fn not_rotated(&self, why: &io::Error) {
        AuditNotRotated { reason: &why.to_string() }.emit();
    }

    fn warned(&self, what: &str) {
        tracing::warn!(reason = what, "the audit log is written, but not as it should be");
    }
}

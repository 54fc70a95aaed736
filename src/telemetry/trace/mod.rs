//! Traces: a request's way through several programs, of which the gate is one.
//!
//! The context of a trace ([`TraceContext`]) is carried from the caller to the findings backend and into the log, whatever is built. Spans are made where
//! a [`Tracer`] has somewhere to send them, and the trace is recorded: that takes the feature `otlp` and `[traces]` in the configuration.

mod context;
#[cfg(feature = "otlp")]
mod export;
#[cfg(feature = "otlp")]
mod otlp;
mod span;

pub use context::{Outgoing, SpanId, TraceContext, TraceId, Unreadable};
#[cfg(feature = "otlp")]
pub use export::{ExportError, ExportSettings, Exporter};
pub use span::{Attribute, Span, SpanKind, Value};

use std::{fmt, sync::Arc};

/// Where spans go, and which traces that begin here are recorded. Clones are one. By default nothing goes anywhere.
#[derive(Clone, Default)]
pub struct Tracer(Option<Arc<Recording>>);

struct Recording {
    /// Of 2⁶⁴ traces.
    sampled: u64,
    sink: Box<dyn Fn(Vec<Span>) + Send + Sync>,
}

impl Tracer {
    /// Records this share of the traces that begin here, from 0 to 1, and of others those that are recorded already. The sink gets the spans
    /// of one request at a time. It is called by workers, so it must not wait.
    pub fn new(share: f64, sink: impl Fn(Vec<Span>) + Send + Sync + 'static) -> Self {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share is no exact number, and the cast saturates"
        )]
        let sampled = (share.clamp(0.0, 1.0) * u64::MAX as f64) as u64;
        Self(Some(Arc::new(Recording { sampled, sink: Box::new(sink) })))
    }

    /// Whether spans go anywhere.
    pub const fn is_recording(&self) -> bool {
        self.0.is_some()
    }

    /// Whether a trace that begins here is recorded. `random` is a number that is as good as random.
    pub fn samples(&self, random: u64) -> bool {
        self.0.as_ref().is_some_and(|recording| recording.sampled == u64::MAX || random < recording.sampled)
    }

    /// Takes the spans of one request.
    pub fn take(&self, spans: Vec<Span>) {
        if let Some(recording) = &self.0 {
            (recording.sink)(spans);
        }
    }
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tracer").field(&self.is_recording()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_traces_is_recorded() {
        for (share, random, expected) in [
            (0.0, 0, false),
            (1.0, u64::MAX, true),
            (0.5, u64::MAX / 2 - 1000, true),
            (0.5, u64::MAX / 2 + 1000, false),
            (7.0, u64::MAX, true),
            (-1.0, 0, false),
        ] {
            assert_eq!(Tracer::new(share, |_| ()).samples(random), expected, "{share} {random}");
        }
        assert!(!Tracer::default().samples(0));
    }
}

//! Spans: what a trace tells of a request's way through the gate.

use super::context::{SpanId, TraceId};
use std::{
    borrow::Cow,
    sync::Arc,
    time::{Duration, SystemTime},
};

/// Whose work a span is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    /// The gate's own.
    Internal = 1,
    /// What a caller asked of the gate.
    Server = 2,
    /// What the gate asks of somebody else.
    Client = 3,
}

/// What an attribute says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(Cow<'static, str>),
    /// A number.
    Number(i64),
}

/// A name, as OpenTelemetry's semantic conventions have it where they have one, and what it says. None holds a secret, or a text that a
/// caller wrote into a finding.
pub type Attribute = (&'static str, Value);

/// One span that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The trace that it belongs to.
    pub trace: TraceId,
    /// Its id.
    pub id: SpanId,
    /// The span that it is a part of; nothing where the trace begins with it.
    pub parent: Option<SpanId>,
    /// What tracing systems keep in the trace.
    pub state: Option<Arc<str>>,
    /// What was done.
    pub name: Cow<'static, str>,
    /// Whose work that was.
    pub kind: SpanKind,
    /// When it began.
    pub began: SystemTime,
    /// How long it took.
    pub took: Duration,
    /// More about it.
    pub attributes: Vec<Attribute>,
    /// Whether it failed, by the fault of whoever did it.
    pub failed: bool,
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl From<u16> for Value {
    fn from(number: u16) -> Self {
        Self::Number(number.into())
    }
}

impl From<usize> for Value {
    fn from(number: usize) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

//! One request on its way through the gate: what all steps of it know.

use super::{RequestId, failed::Outcome, record::Draft};
use crate::{
    finding::{Caller, Operation, Role},
    telemetry::{
        metrics::{Answered, WorkerMetrics},
        trace::{Attribute, Span, SpanId, SpanKind, TraceContext, TraceId, Tracer, Value},
    },
    upstream::Call,
};
use bytes::Bytes;
use http::{HeaderMap, Method};
use jiff::Timestamp;
use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    future::poll_fn,
    pin::Pin,
    time::{Duration, Instant, SystemTime},
};

/// A request that is under way.
pub(super) struct Passage<'g> {
    /// Its id, as the caller has it.
    pub(super) id: RequestId,
    /// When its head was there.
    pub(super) began: Instant,
    waited: Cell<Duration>,
    /// When it last began to wait for somebody else.
    waits_since: Cell<Option<Instant>>,
    operation: Cell<Option<Operation>>,
    role: Cell<Option<Role>>,
    counts: &'g WorkerMetrics,
    now: Cell<Option<Timestamp>>,
    /// Its record, if there is to be one.
    draft: RefCell<Option<Draft>>,
    /// Nothing where the caller says nothing of a trace, and none is to begin here.
    trace: Option<Trace<'g>>,
}

/// The trace that a request belongs to.
struct Trace<'g> {
    context: TraceContext,
    /// What the ids of its spans are made of.
    seed: u64,
    spans: Cell<u64>,
    /// Nothing where it is only carried.
    recorded: Option<Recorded<'g>>,
}

struct Recorded<'g> {
    tracer: &'g Tracer,
    method: &'static str,
    began: SystemTime,
    spans: RefCell<Vec<Span>>,
}

/// A call that is under way, for its span.
pub(super) struct Leg {
    operation: Operation,
    span: SpanId,
    began: Instant,
    took: Duration,
}

/// The id of the request's own span is the first that is made.
const OWN: u64 = 0;

impl<'g> Passage<'g> {
    /// A request whose head was read.
    pub(super) fn begin(
        id: RequestId,
        (method, headers): (&Method, &HeaderMap),
        counts: &'g WorkerMetrics,
        tracer: &'g Tracer,
        draft: Option<Draft>,
    ) -> Self {
        let (waited, operation, role) = (Cell::default(), Cell::default(), Cell::default());
        let trace = Trace::of(&id, method, headers, tracer);
        let (began, now, draft) = (Instant::now(), Cell::default(), RefCell::new(draft));
        let waits_since = Cell::default();
        Self { id, began, waited, waits_since, operation, role, counts, now, draft, trace }
    }

    /// What policies take for now, whenever they are asked: when all of the request was there.
    pub(super) fn now(&self) -> Timestamp {
        let now = self.now.get().unwrap_or_else(Timestamp::now);
        self.now.set(Some(now));
        now
    }

    /// Adds to its record, if there is to be one.
    pub(super) fn record(&self, add: impl FnOnce(&mut Draft)) {
        if let Some(draft) = &mut *self.draft.borrow_mut() {
            add(draft);
        }
    }

    /// Its record as far as it is; nothing if there is to be none.
    pub(super) fn take_draft(&self) -> Option<Draft> {
        self.draft.take()
    }

    /// How long ago it last began to wait for somebody else: no time if it never had to.
    pub(super) fn since_wait(&self) -> Duration {
        self.waits_since.get().map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Since when it is under way.
    pub(super) fn took(&self) -> Duration {
        self.began.elapsed()
    }

    /// What it asks for, as far as that is known.
    pub(super) fn operation(&self) -> Option<Operation> {
        self.operation.get()
    }

    /// It is this caller's, and all of it is there.
    pub(super) fn is_of(&self, caller: &Caller) {
        self.now.set(Some(Timestamp::now()));
        self.role.set(Some(caller.role));
        self.span("identify", self.recorded().map(|_| self.began), || {
            vec![("findings_gate.role", caller.role.as_str().into())]
        });
    }

    /// It asks for this.
    pub(super) fn asks_for(&self, operation: Operation) {
        self.operation.set(Some(operation));
    }

    /// The trace that it belongs to, if it does.
    pub(super) fn trace_id(&self) -> Option<TraceId> {
        self.trace.as_ref().map(|trace| trace.context.trace)
    }

    /// Waits for somebody else: from when that has to be waited for to when it goes on, the time is not the gate's own.
    ///
    /// What is ready at once, as most bodies are, costs no look at the clock.
    pub(super) async fn waiting<F: Future>(&self, mut future: Pin<&mut F>) -> F::Output {
        let mut since = None;
        poll_fn(|cx| {
            let woken = since.map(|_| Instant::now());
            let poll = future.as_mut().poll(cx);
            match (since, woken) {
                (Some(since), Some(woken)) if poll.is_ready() => {
                    self.waited.set(self.waited.get() + woken.duration_since(since));
                }
                (None, _) if poll.is_pending() => {
                    since = Some(Instant::now());
                    self.waits_since.set(since);
                }
                _ => {}
            }
            poll
        })
        .await
    }

    /// Decides about so many findings.
    pub(super) fn deciding<T>(&self, findings: usize, decide: impl FnOnce() -> T) -> T {
        let since = self.instant();
        let decided = decide();
        self.span("decide", since, || vec![("findings_gate.findings", findings.into())]);
        decided
    }

    /// The time, if it is for a span.
    pub(super) fn instant(&self) -> Option<Instant> {
        self.recorded().map(|_| Instant::now())
    }

    /// So many findings were looked up, since then.
    pub(super) fn looked_up(&self, findings: usize, since: Option<Instant>) {
        self.span("look up", since, || vec![("findings_gate.findings", findings.into())]);
    }

    /// A call on this caller's behalf, in a span of its own. When it is over, [`called`](Self::called) is to be told.
    pub(super) fn call(
        &self,
        operation: Operation,
        caller: &Caller,
        query: Option<String>,
        body: Bytes,
    ) -> (Call, Option<Leg>) {
        let mut call = Call { operation, account: caller.account, on_behalf: caller.into(), query, body, trace: None };
        let Some(trace) = &self.trace else { return (call, None) };
        let span = trace.next_span();
        call.trace = Some(Box::new(trace.context.told(span)));
        let leg = || Leg { operation, span, began: Instant::now(), took: Duration::ZERO };
        (call, trace.recorded.as_ref().map(|_| leg()))
    }

    /// What came of a call that is over.
    pub(super) fn called(&self, leg: Option<&Leg>, outcome: &Outcome) {
        let Some(&Leg { operation, span, began, took }) = leg else { return };
        let mut attributes: Vec<Attribute> = vec![
            ("rpc.system", "aws-api".into()),
            ("rpc.service", "SecurityHub".into()),
            ("rpc.method", operation.name().into()),
            ("http.request.method", operation.method().into()),
        ];
        let failed = match outcome {
            Ok(answer) => {
                attributes.push(("http.response.status_code", answer.status.into()));
                attributes.extend(answer.request_id.clone().map(|id| ("aws.request_id", id.into())));
                answer.status >= 400
            }
            Err(failure) => {
                attributes.push(("error.type", failure.to_api_error().code.into()));
                true
            }
        };
        let name = format!("SecurityHub/{operation}").into();
        self.made(Made { name, kind: SpanKind::Client, span, began, took, attributes, failed });
    }

    /// It was answered with this status.
    pub(super) fn answered(&self, status: u16) {
        let took = self.began.elapsed();
        let (operation, role) = (self.operation.get(), self.role.get());
        self.counts.answered(Answered { operation, role, status, took, waited: self.waited.get() });
        let (Some(trace), Some(recorded)) = (&self.trace, self.recorded()) else { return };
        let mut attributes: Vec<Attribute> = vec![
            ("http.request.method", recorded.method.into()),
            ("http.response.status_code", status.into()),
            ("findings_gate.request_id", self.id.as_str().to_owned().into()),
        ];
        let mut name = Cow::Borrowed(recorded.method);
        if let Some(operation) = operation {
            name = format!("{} {}", recorded.method, operation.path()).into();
            attributes.push(("http.route", operation.path().into()));
            attributes.push(("rpc.method", operation.name().into()));
        }
        let span = trace.span(OWN);
        let failed = status >= 500;
        self.made(Made { name, kind: SpanKind::Server, span, began: self.began, took, attributes, failed });
        recorded.tracer.take(recorded.spans.take());
    }

    fn recorded(&self) -> Option<&Recorded<'g>> {
        self.trace.as_ref()?.recorded.as_ref()
    }

    /// The gate did this from then on.
    fn span(&self, name: &'static str, since: Option<Instant>, attributes: impl FnOnce() -> Vec<Attribute>) {
        let (Some(trace), Some(began)) = (&self.trace, since) else { return };
        let (span, took, attributes) = (trace.next_span(), began.elapsed(), attributes());
        let name = Cow::Borrowed(name);
        self.made(Made { name, kind: SpanKind::Internal, span, began, took, attributes, failed: false });
    }

    fn made(&self, made: Made) {
        let (Some(trace), Some(recorded)) = (&self.trace, self.recorded()) else { return };
        let Made { name, kind, span, began, took, attributes, failed } = made;
        let parent = if kind == SpanKind::Server { trace.context.parent } else { Some(trace.span(OWN)) };
        recorded.spans.borrow_mut().push(Span {
            trace: trace.context.trace,
            id: span,
            parent,
            state: trace.context.state.clone(),
            name,
            kind,
            began: recorded.began + began.saturating_duration_since(self.began),
            took,
            attributes,
            failed,
        });
    }
}

/// What is known of a span besides its trace.
struct Made {
    name: Cow<'static, str>,
    kind: SpanKind,
    span: SpanId,
    began: Instant,
    took: Duration,
    attributes: Vec<(&'static str, Value)>,
    failed: bool,
}

impl<'g> Trace<'g> {
    /// The trace that the headers name; one that begins here, where they name one in a way that nobody can read, or spans are wanted.
    fn of(id: &RequestId, method: &Method, headers: &HeaderMap, tracer: &'g Tracer) -> Option<Self> {
        let (context, random) = match TraceContext::read(headers) {
            Ok(Some(context)) => (context, id.random()),
            Ok(None) if !tracer.is_recording() => return None,
            // It has the request's id, so that one leads to the other.
            Ok(None) | Err(_) => {
                (TraceContext::begun(TraceId::new(id.bits())?, tracer.samples(id.random())), id.random())
            }
        };
        let recorded = (tracer.is_recording() && context.is_sampled()).then(|| Recorded {
            tracer,
            method: known(method),
            began: SystemTime::now(),
            spans: RefCell::default(),
        });
        Some(Self { context, seed: random, spans: Cell::new(OWN + 1), recorded })
    }

    fn next_span(&self) -> SpanId {
        let number = self.spans.get();
        self.spans.set(number + 1);
        self.span(number)
    }

    fn span(&self, number: u64) -> SpanId {
        // The golden ratio's multiples are far from each other.
        SpanId::new(self.seed.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }
}

impl Leg {
    /// It is over now.
    pub(super) fn over(self) -> Self {
        Self { took: self.began.elapsed(), ..self }
    }
}

/// A method by its name; one that HTTP does not have is nothing that a caller may choose names by.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "_OTHER",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::RequestIds;
    use std::{
        pin::pin,
        sync::{Arc, Mutex},
    };
    use tokio::time::sleep;

    fn passage<'g>(headers: &HeaderMap, counts: &'g WorkerMetrics, tracer: &'g Tracer) -> Passage<'g> {
        Passage::begin(RequestIds::new().unwrap().next(), (&Method::PATCH, headers), counts, tracer, None)
    }

    #[tokio::test]
    async fn only_the_time_that_it_has_to_wait_is_taken_off() {
        let (counts, tracer) = (WorkerMetrics::default(), Tracer::default());
        let passage = passage(&HeaderMap::new(), &counts, &tracer);
        assert_eq!(passage.waiting(pin!(async { 7 })).await, 7);
        assert_eq!(passage.waited.get(), Duration::ZERO, "it was there at once");
        let (before, pause) = (Instant::now(), Duration::from_millis(20));
        let slow = async {
            sleep(pause).await;
            // What is done after it goes on is the gate's own.
            let own = Instant::now();
            while own.elapsed() < pause {}
        };
        passage.waiting(pin!(slow)).await;
        let (waited, took) = (passage.waited.get(), before.elapsed());
        assert!(waited >= pause / 2 && took >= waited + pause, "{waited:?} of {took:?}");
        passage.waiting(pin!(sleep(pause))).await;
        assert!(passage.waited.get() >= waited + pause / 2, "waits add up");
    }

    #[test]
    fn a_trace_is_carried_begun_or_none() {
        let counts = WorkerMetrics::default();
        let mut headers = HeaderMap::new();
        let (nowhere, all) = (Tracer::default(), Tracer::new(1.0, |_| ()));
        assert_eq!(passage(&headers, &counts, &nowhere).trace_id(), None);
        let begun = passage(&headers, &counts, &all);
        assert_eq!(begun.trace_id().unwrap().to_string(), begun.id.as_str().replace('-', ""));
        assert!(begun.recorded().is_some());
        assert!(passage(&headers, &counts, &Tracer::new(0.0, |_| ())).recorded().is_none());

        headers.insert("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00".parse().unwrap());
        let carried = passage(&headers, &counts, &all);
        assert_eq!(carried.trace_id().unwrap().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert!(carried.recorded().is_none(), "the caller does not record it");
        headers.insert("traceparent", "00-nonsense".parse().unwrap());
        let bad = passage(&headers, &counts, &nowhere);
        assert_eq!(bad.trace_id().unwrap().to_string(), bad.id.as_str().replace('-', ""));
    }

    #[test]
    fn spans_are_parts_of_the_request_s() {
        let spans = Arc::new(Mutex::new(Vec::new()));
        let tracer = Tracer::new(1.0, {
            let spans = Arc::clone(&spans);
            move |new| spans.lock().unwrap().extend(new)
        });
        let counts = WorkerMetrics::default();
        let mut headers = HeaderMap::new();
        headers.insert("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().unwrap());
        headers.insert("tracestate", "a=1".parse().unwrap());
        let passage = passage(&headers, &counts, &tracer);
        passage.asks_for(Operation::BatchUpdateFindings);
        assert_eq!(passage.deciding(3, || 7), 7);
        passage.looked_up(2, passage.instant());
        passage.answered(503);
        drop(passage);
        let spans = spans.lock().unwrap();
        let names: Vec<&str> = spans.iter().map(|span| &*span.name).collect();
        assert_eq!(names, ["decide", "look up", "PATCH /findings/batchupdate"]);
        let own = &spans[2];
        assert_eq!((own.kind, own.parent.unwrap().to_string().as_str()), (SpanKind::Server, "00f067aa0ba902b7"));
        assert!(own.failed && own.state.as_deref() == Some("a=1"));
        for part in &spans[..2] {
            assert_eq!((part.parent, part.trace), (Some(own.id), own.trace));
            assert!(part.began >= own.began && part.began + part.took <= own.began + own.took, "{part:?} of {own:?}");
        }
        assert_ne!(spans[0].id, spans[1].id);
    }
}

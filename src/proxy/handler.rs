//! The way of a request through the gate: identify, door, parse, decide, forward, merge, reply.

use super::{
    Asked, Doors, PageTokens, Passage, RequestBody, RequestId, RequestIds, Routes, Service, error_response, failed,
    passage::Leg,
    read_body,
    record::{self, About, Draft, Records},
};
use crate::{
    audit::{self, Place},
    finding::{ApiError, AsffFilters, Caller, OcsfFilters, Operation},
    identity::{self, Identity, Peer},
    policy::{Engine, Snapshot},
    telemetry::{
        events::{CallerUnknown, RecordLate, RequestDenied},
        metrics::{Metrics, PolicyMetrics, Verdicts, WorkerMetrics},
        trace::Tracer,
    },
    upstream::Answer,
};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
    request::Parts,
};
use http_body_util::Full;
use jiff::Timestamp;
use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    pin::pin,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

/// The header that names the decision: the id that also stands in messages, logs and `x-amzn-RequestId`.
pub const DECISION: HeaderName = HeaderName::from_static("x-findings-gate-decision");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What all workers of a gate share.
#[derive(Debug, Clone)]
pub struct GateSettings {
    /// Who is calling.
    pub identity: Arc<Identity>,
    /// Which operations go through.
    pub doors: Doors,
    /// Whether callers may ask who they are ([`WHOAMI`](super::WHOAMI)).
    pub whoami: bool,
    /// What decides.
    pub snapshot: Arc<Snapshot>,
    /// What gives and takes the tokens of pages.
    pub page_tokens: PageTokens,
    /// Where to, in each Region.
    pub routes: Routes,
    /// Where decisions are recorded, if they are.
    pub records: Option<Records>,
    /// What counts the answers.
    pub metrics: Arc<Metrics>,
    /// What counts for each policy of `snapshot`.
    pub policies: Arc<PolicyMetrics>,
    /// Where spans go.
    pub tracer: Tracer,
    /// Bytes of a body that are read.
    pub body_limit: usize,
    /// Time for a body to arrive.
    pub body_timeout: Duration,
    /// Upstream calls that one request makes at once, at the most.
    pub concurrency: usize,
}

/// One worker's gate.
#[derive(Debug)]
pub struct Gate {
    pub(super) settings: GateSettings,
    pub(super) engine: RefCell<Engine>,
    pub(super) routes: Routes,
    ids: Rc<RequestIds>,
    pub(super) counts: Rc<WorkerMetrics>,
    /// The questions to the engine, and those of them that Cedar was asked, as far as they are counted.
    questions: Cell<(u64, u64)>,
}

impl Gate {
    /// A gate for one worker: engine, cache and upstream connections are its own.
    pub fn new(settings: GateSettings) -> Result<Self, aws_lc_rs::error::Unspecified> {
        Ok(Self {
            engine: RefCell::new(Engine::new(settings.snapshot.clone())),
            routes: settings.routes.for_worker(),
            ids: Rc::new(RequestIds::new()?),
            counts: Rc::new(settings.metrics.worker()),
            questions: Cell::default(),
            settings,
        })
    }

    /// The gate that takes this one's place on its worker. Connections to the backend are kept, verdicts are not.
    pub(super) fn renewed(&self, settings: GateSettings) -> Self {
        Self {
            engine: RefCell::new(Engine::new(settings.snapshot.clone())),
            routes: self.routes.clone(),
            ids: Rc::clone(&self.ids),
            counts: Rc::clone(&self.counts),
            questions: Cell::default(),
            settings,
        }
    }

    async fn answer(&self, request: Request<RequestBody>, peer: &Peer, passage: &Passage<'_>) -> Response<Full<Bytes>> {
        let id = &passage.id;
        let (head, body) = request.into_parts();
        let pending = match self.begin(&head, peer, passage).await {
            Ok(pending) => pending,
            Err(error) => return self.turn_away(&head, peer, &error, passage).await,
        };
        let reading = pin!(read_body(body, self.settings.body_limit, self.settings.body_timeout));
        let body = match passage.waiting(reading).await {
            Ok(body) => body,
            Err(error) => return error_response(&error.into(), id),
        };
        let caller = match pending.finish(&body) {
            Ok(caller) => caller,
            Err(error) => return self.turn_away(&head, peer, &error, passage).await,
        };
        passage.is_of(&caller);
        if Self::is_whoami(&head) {
            return match self.whoami(&head, &caller) {
                Ok(reply) => reply.into_response(id, head.headers),
                Err(denied) => Self::deny(&caller, "whoami", &denied, passage),
            };
        }
        // Before anything is forwarded: what could not be recorded must not happen.
        let place = match self.place(passage).await {
            Ok(place) => place,
            Err(error) => {
                let asked = record::called(None, &head.method, head.uri.path());
                return Self::deny(&caller, &asked, &error.into(), passage);
            }
        };
        let mut open = Open { gate: self, passage, caller: &caller, head: &head, peer, place };
        let answer = self.carry(&head, &caller, &body, passage).await;
        let operation = record::called(passage.operation(), &head.method, head.uri.path());
        if let Some(place) = open.place.take() {
            let told = match &answer {
                Ok(reply) => reply.told(),
                Err(denied) => record::told(&denied.error, denied.decided, self.masks()),
            };
            let line = self.record_of(passage, Some(&caller), peer, operation.clone(), told);
            let written = pin!(place.record(&line));
            if let Err(late) = passage.waiting(written).await {
                RecordLate { request_id: id.as_str(), operation: &operation, reason: &late.to_string() }.emit();
                // Whoever asked must not take it for done: it is not on record.
                let error = ApiError::internal(
                    "what became of this request could not be put on record in time, so it is not told; changes may have been made: \
                     read the findings before trying again",
                );
                return error_response(&error, id);
            }
        }
        drop(open);
        match answer {
            Ok(reply) => reply.into_response(id, head.headers),
            Err(denied) => Self::deny(&caller, &operation, &denied, passage),
        }
    }

    fn masks(&self) -> audit::Masks {
        self.settings.records.as_ref().map_or(audit::Masks::NONE, |records| records.masks)
    }

    /// Who is calling, as far as the head and others say. What the head proves wrong is refused before the body costs anything.
    async fn begin<'h>(
        &'h self,
        head: &'h Parts,
        peer: &'h Peer,
        passage: &Passage<'_>,
    ) -> Result<identity::Asked<'h>, ApiError> {
        let pending = self.settings.identity.begin(head, peer, Timestamp::now)?;
        passage.waiting(pin!(pending.ask())).await
    }

    /// The answer to a request that proves no caller.
    async fn turn_away(
        &self,
        head: &Parts,
        peer: &Peer,
        error: &ApiError,
        passage: &Passage<'_>,
    ) -> Response<Full<Bytes>> {
        let id = &passage.id;
        self.counts.unknown(error.code);
        CallerUnknown { request_id: id.as_str(), peer: peer.address, code: error.code, reason: &error.message }.emit();
        if let Some(records) = self.settings.records.as_ref().filter(|records| records.unidentified) {
            let operation = record::called(None, &head.method, head.uri.path());
            let line = self.record_of(passage, None, peer, operation, record::told(error, false, self.masks()));
            // It is refused either way, so nothing depends on its record.
            if let Ok(place) = records.log.place().await {
                let _ = place.record(&line).await;
            }
        }
        error_response(error, id)
    }

    /// A place in the audit log, if there is one.
    async fn place(&self, passage: &Passage<'_>) -> Result<Option<Place>, ApiError> {
        let Some(records) = &self.settings.records else { return Ok(None) };
        let place = passage.waiting(pin!(records.log.place())).await;
        place.map(Some).map_err(|no_place| {
            let message =
                format!("{no_place}, and this gate makes no change that is not on record; nothing was forwarded");
            ApiError::unavailable(message).after(Duration::from_secs(1))
        })
    }

    /// The record of a request that was answered so.
    fn record_of<'r>(
        &'r self,
        passage: &'r Passage<'_>,
        caller: Option<&'r Caller>,
        peer: &Peer,
        operation: Cow<'r, str>,
        answer: audit::Answer<'r>,
    ) -> audit::Line<'r> {
        let about = About {
            id: &passage.id,
            caller,
            peer: peer.address.to_string(),
            operation,
            snapshot: self.settings.snapshot.digest(),
            time: passage.now(),
            answer,
            duration_us: u64::try_from(passage.took().as_micros()).unwrap_or(u64::MAX),
        };
        passage.take_draft().unwrap_or_else(|| Draft::new(audit::Masks::NONE)).into_line(about)
    }

    /// Carries out what a known caller asks.
    async fn carry(&self, head: &Parts, caller: &Caller, body: &[u8], passage: &Passage<'_>) -> Result<Reply, Denied> {
        self.routes.check(caller)?;
        let Asked { operation, query } = self.settings.doors.find(&head.method, &head.uri, &head.headers)?;
        passage.asks_for(operation);
        // Updates are most of what comes, and their future is what every other one is in a box for: it is copied a few times on its way.
        let answer = match operation {
            Operation::BatchUpdateFindings => self.batch_update_findings(caller, body, passage).await,
            Operation::GetFindings => {
                let reading = self.get_findings::<AsffFilters>(operation, caller, body, passage);
                Box::pin(reading).await.map_err(Denied::from)
            }
            Operation::GetFindingsV2 => {
                let reading = self.get_findings::<OcsfFilters>(operation, caller, body, passage);
                Box::pin(reading).await.map_err(Denied::from)
            }
            Operation::BatchImportFindings => Box::pin(self.batch_import_findings(caller, body, passage)).await,
            Operation::BatchUpdateFindingsV2 => Box::pin(self.batch_update_findings_v2(caller, body, passage)).await,
            Operation::CreateAutomationRule => Box::pin(self.create_rule(caller, body, passage)).await,
            Operation::BatchUpdateAutomationRules => Box::pin(self.update_rules(caller, body, passage)).await,
            Operation::ListAutomationRules => {
                let listing = self.list_rules(caller, query.unwrap_or_default(), body, passage);
                Box::pin(listing).await.map_err(Denied::from)
            }
            Operation::BatchGetAutomationRules => {
                Box::pin(self.get_rules(caller, body, passage)).await.map_err(Denied::from)
            }
            // No configuration opens this door; what has no rule here is not let through, whatever the doors say.
            Operation::BatchDeleteAutomationRules => {
                Err(ApiError::access_denied(format!("{operation} is closed at this gate")).into())
            }
        };
        answer.map_err(|denied| denied.in_words_of(operation))
    }

    fn deny(caller: &Caller, operation: &str, denied: &Denied, passage: &Passage<'_>) -> Response<Full<Bytes>> {
        let (Denied { error, decided }, id) = (denied, &passage.id);
        // Failures of the backend have events of their own.
        if error.status < 500 {
            RequestDenied {
                request_id: id.as_str(),
                trace_id: passage.trace_id(),
                account: caller.account.as_str(),
                principal: &caller.principal,
                proof: &caller.proof,
                operation,
                code: error.code,
                reason: &error.message,
            }
            .emit();
        }
        let mut response = error_response(error, id);
        if *decided {
            response.headers_mut().insert(DECISION, id.header_value());
        }
        response
    }

    /// Makes one call, of which the answer is the caller's.
    pub(super) async fn ask(
        &self,
        caller: &Caller,
        operation: Operation,
        (query, body): (Option<String>, Bytes),
        passage: &Passage<'_>,
    ) -> Result<Reply, ApiError> {
        let (call, leg) = passage.call(operation, caller, query, body);
        let outcome = passage.waiting(pin!(self.routes.of(caller).upstream.call(call))).await;
        passage.called(leg.map(Leg::over).as_ref(), &outcome);
        let is_own = failed::is_own(&outcome);
        let reply =
            outcome.map_err(|failure| failure.to_api_error()).and_then(|answer| Reply::passed(answer, operation));
        // What the backend refuses is between it and the caller; what it fails at, whoever runs the gate must hear of.
        let failure = match &reply {
            Ok(reply) if reply.status.is_server_error() => {
                Some((reply.status.as_u16(), "the findings backend answered with an error of its own"))
            }
            Err(error) if !is_own => Some((error.status, &*error.message)),
            Ok(_) | Err(_) => None,
        };
        if let Some((status, reason)) = failure {
            failed::tell(passage, operation, status, reason);
        }
        reply
    }
}

impl Gate {
    /// Counts what the engine was asked since the last time. It belongs to this worker, so nothing is counted while it is asked.
    fn count_questions(&self) {
        let engine = self.engine.borrow();
        let now = (engine.questions(), engine.questions_asked());
        drop(engine);
        let before = self.questions.replace(now);
        let (all, evaluated) = (now.0 - before.0, now.1 - before.1);
        self.counts.verdicts(Verdicts::Kept, all - evaluated);
        self.counts.verdicts(Verdicts::Evaluated, evaluated);
    }
}

impl Service for Gate {
    async fn call(self: Rc<Self>, request: Request<RequestBody>, peer: Rc<Peer>) -> Response<Full<Bytes>> {
        let head = (request.method(), request.headers());
        let passage = Passage::begin(
            self.ids.next(),
            head,
            &self.counts,
            &self.settings.tracer,
            self.settings.records.as_ref().map(|records| Draft::new(records.masks)),
        );
        let response = self.answer(request, &peer, &passage).await;
        self.count_questions();
        passage.answered(response.status().as_u16());
        response
    }

    fn body_limit(&self) -> usize {
        self.settings.body_limit
    }
}

/// A request that has a place in the audit log and no record yet.
struct Open<'r> {
    gate: &'r Gate,
    passage: &'r Passage<'r>,
    caller: &'r Caller,
    head: &'r Parts,
    peer: &'r Peer,
    place: Option<Place>,
}

/// A stop cut it short. What it did by then is on record all the same.
impl Drop for Open<'_> {
    fn drop(&mut self) {
        let Some(place) = self.place.take() else { return };
        self.passage.record(Draft::given_up);
        let operation = record::called(self.passage.operation(), &self.head.method, self.head.uri.path());
        let answer = audit::Answer {
            status: 503,
            error: Some("ServiceUnavailableException".into()),
            message: Some("cut short by a stop, and not answered".into()),
        };
        place.leave(&self.gate.record_of(self.passage, Some(self.caller), self.peer, operation, answer));
    }
}

/// Why a call fails as a whole.
pub(super) struct Denied {
    error: ApiError,
    decided: bool,
}

impl Denied {
    /// After the policies were asked: the answer names the decision.
    pub(super) fn decided(error: ApiError) -> Self {
        Self { error, decided: true }
    }
}

impl Denied {
    /// In the words that clients of the operation know.
    fn in_words_of(self, operation: Operation) -> Self {
        Self { error: self.error.in_words_of(operation), ..self }
    }
}

impl From<ApiError> for Denied {
    /// Before anything was decided.
    fn from(error: ApiError) -> Self {
        Self { error, decided: false }
    }
}

/// An answer that is ready to be sent.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
    pub(super) error_type: Option<HeaderValue>,
    pub(super) retry_after: Option<HeaderValue>,
    pub(super) decided: bool,
}

impl Reply {
    /// A 200 about a decision.
    pub(super) fn decided(body: impl Into<Bytes>) -> Self {
        Self { status: StatusCode::OK, body: body.into(), error_type: None, retry_after: None, decided: true }
    }

    /// An answer that the gate itself gives to a read.
    pub(super) fn read(body: impl Into<Bytes>) -> Self {
        Self { decided: false, ..Self::decided(body) }
    }

    /// What the backend answered to the operation, as it is: a success, or an error that it gave in JSON.
    pub(super) fn passed(answer: Answer, operation: Operation) -> Result<Self, ApiError> {
        let status = StatusCode::from_u16(answer.status).ok();
        let Some(status) = status.filter(|status| *status == StatusCode::OK || status.as_u16() >= 400) else {
            return Err(ApiError::bad_upstream(format!(
                "the findings backend answered with status {}, which Security Hub's API does not have",
                answer.status
            )));
        };
        let said = answer.error_type.and_then(|kind| HeaderValue::from_str(&kind).ok());
        let (body, error_type) = if answer.body.trim_ascii_start().starts_with(b"{") {
            (answer.body, said)
        } else if status == StatusCode::OK {
            return Err(ApiError::bad_upstream(
                "the findings backend answered 200 with something that is no JSON object",
            ));
        } else {
            // Something between here and the backend speaks, such as a load balancer. Its status counts, because SDKs go by it
            // whether to try again; its page is for nobody who calls an API.
            let error = ApiError::of_status(
                status.as_u16(),
                format!("the findings backend answered with status {status} and something that is no JSON object"),
            )
            .in_words_of(operation);
            (error.body().into(), Some(HeaderValue::from_static(error.code)))
        };
        Ok(Self { status, body, error_type, retry_after: answer.retry_after, decided: false })
    }

    /// The same, for a record.
    fn told(&self) -> audit::Answer<'static> {
        let error = self.error_type.as_ref().and_then(|kind| kind.to_str().ok());
        audit::Answer { status: self.status.as_u16(), error: error.map(|kind| kind.to_owned().into()), message: None }
    }

    /// `headers` are those of the request: the answer's are put into their memory.
    fn into_response(self, id: &RequestId, mut headers: HeaderMap) -> Response<Full<Bytes>> {
        headers.clear();
        headers.insert(CONTENT_TYPE, JSON);
        headers.insert(REQUEST_ID, id.header_value());
        if self.decided {
            headers.insert(DECISION, id.header_value());
        }
        if let Some(kind) = self.error_type {
            headers.insert(ERROR_TYPE, kind);
        }
        if let Some(after) = self.retry_after {
            headers.insert(RETRY_AFTER, after);
        }
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() = self.status;
        *response.headers_mut() = headers;
        response
    }
}

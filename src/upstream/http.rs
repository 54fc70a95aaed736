//! The client: HTTP/1.1, pooled, over TCP or TLS.

use super::{
    Answer, Call, Failure, HttpSettings, Inquiry, OnBehalf, Readiness, Signer, UpstreamError, Whose,
    connection::{Connection, Interrupted, Payload},
    credentials::is_of_credentials,
    pool::Pool,
    sign::sign,
};
use crate::{
    finding::{AccountId, Operation},
    net::{
        self, Resolver, TrustError,
        body::{self, ReadError},
        tcp::Tcp,
    },
    telemetry::trace::Outgoing,
};
use aws_credential_types::Credentials;
use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Method, Request, Response, Uri,
    header::{CONTENT_TYPE, HOST, RETRY_AFTER},
    uri::Scheme,
};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{client::legacy::connect::HttpConnector, rt::TokioIo};
use rustls::{ClientConfig, RootCertStore};
use std::{
    borrow::Cow,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::SystemTime,
};
use tokio::time::{Instant, timeout_at};
use tower_service::Service;

const ACCOUNT: HeaderName = HeaderName::from_static("x-findings-gate-account");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// A backend over HTTP.
pub(super) struct HttpUpstream {
    pool: Arc<Pool>,
    fixed: Arc<Fixed>,
}

/// What is made once and used by every call.
struct Fixed {
    settings: HttpSettings,
    connector: HttpsConnector<TcpConnector>,
    /// What to connect to.
    origin: Uri,
    host: HeaderValue,
    targets: Vec<Target>,
}

struct Target {
    operation: Operation,
    method: Method,
    /// The path alone, as it stands in the request.
    uri: Uri,
}

/// A request, whichever connection it goes over.
struct Sending<'a> {
    method: &'a Method,
    uri: Cow<'a, Uri>,
    whose: Whose<'a>,
    /// Nothing for a request that has none.
    body: Option<&'a Bytes>,
    trace: Option<&'a Outgoing>,
}

impl HttpUpstream {
    pub(super) fn new(settings: HttpSettings) -> Result<Self, UpstreamError> {
        let url = &settings.url;
        let target = |operation: Operation| Target {
            operation,
            method: Method::from_bytes(operation.method().as_bytes()).expect("a method of the API"),
            uri: format!("{}{}", url.base, operation.path()).parse().expect("a checked path and one of the API"),
        };
        let fixed = Fixed {
            connector: connector(&settings)?,
            origin: url.to_string().parse().expect("a checked URL"),
            host: HeaderValue::from_str(&url.authority).expect("a checked authority"),
            targets: Operation::ALL.iter().copied().map(target).collect(),
            settings,
        };
        Ok(Self { pool: fixed.pool(), fixed: Arc::new(fixed) })
    }

    pub(super) fn with_own_pool(&self) -> Self {
        Self { pool: self.fixed.pool(), fixed: Arc::clone(&self.fixed) }
    }

    pub(super) fn readiness(&self) -> Readiness {
        let signer = self.fixed.settings.signer.as_ref();
        signer.map_or(Readiness::Ready, |signer| signer.supply.readiness())
    }

    /// A request goes again over another connection only if hyper had not begun to write it when its connection closed: one
    /// that it gives back whole, and no other. It does so at the most once for every connection that was kept.
    ///
    /// It has until `deadline`, but no longer than the settings' time from `now` on.
    pub(super) async fn call(&self, call: &Call, now: Instant, deadline: Instant) -> Result<Answer, Failure> {
        self.send(&self.fixed.of_call(call)?, now, deadline).await
    }

    /// Asks for the gate itself, once.
    pub(super) async fn inquire(&self, inquiry: &Inquiry, account: AccountId) -> Result<Answer, Failure> {
        let uri = Cow::Owned(self.fixed.uri(&format!("{}{}", self.fixed.settings.url.base, inquiry.target()))?);
        let whose = Whose { account, by: &OnBehalf::gate() };
        let now = Instant::now();
        self.send(
            &Sending { method: &Method::GET, uri, whose, body: None, trace: None },
            now,
            now + self.fixed.settings.timeout,
        )
        .await
    }

    async fn send(&self, sending: &Sending<'_>, now: Instant, deadline: Instant) -> Result<Answer, Failure> {
        let deadline = deadline.min(now + self.fixed.settings.timeout);
        let credentials = self.fixed.credentials(sending.whose, deadline).await?;
        loop {
            let kept = self.pool.take(now);
            let is_kept = kept.is_some();
            let mut connection = match kept {
                Some(connection) => connection,
                // Seldom, and large: in a box, so that every other call is a small future.
                None => Box::pin(self.fixed.connect(deadline)).await?,
            };
            let request = self.fixed.request(sending, credentials.as_ref(), &mut connection)?;
            return match connection.send(request, deadline).await {
                Ok(response) => {
                    let answer = self.fixed.answer(response, &mut connection, deadline).await?;
                    self.pool.put(connection, now);
                    match &credentials {
                        Some((signer, _)) => accepted(answer, signer, sending.whose),
                        None => Ok(answer),
                    }
                }
                Err(Interrupted::Unsent(_)) if is_kept => continue,
                Err(Interrupted::Unsent(error)) => Err(self.fixed.unreachable(&error)),
                Err(Interrupted::Broken(error)) if !connection.has_sent() => Err(self.fixed.unreachable(&error)),
                Err(Interrupted::Broken(error)) => Err(self.fixed.broken(root(&error))),
                Err(Interrupted::Late) => Err(self.fixed.late(connection.has_sent())),
            };
        }
    }
}

impl Fixed {
    fn pool(&self) -> Arc<Pool> {
        Pool::new(self.settings.idle_connections, self.settings.idle_timeout)
    }

    async fn connect(&self, deadline: Instant) -> Result<Box<Connection>, Failure> {
        let connecting = self.connector.clone().call(self.origin.clone());
        let stream = timeout_at(deadline, connecting).await.map_err(|_| self.late(false))?;
        let stream = stream.map_err(|error| self.unreachable(&*error))?;
        Connection::new(stream, deadline).await.map(Box::new).map_err(|error| self.unreachable(&error))
    }

    /// What to sign the call with, if calls are signed.
    async fn credentials(
        &self,
        whose: Whose<'_>,
        deadline: Instant,
    ) -> Result<Option<(&Signer, Credentials)>, Failure> {
        let Some(signer) = &self.settings.signer else { return Ok(None) };
        match timeout_at(deadline, signer.supply.of(whose)).await {
            Ok(given) => given.map(|credentials| Some((signer, credentials))),
            Err(_) => Err(Failure::Credentials {
                reason: format!(
                    "they did not come within {} s (`upstream.timeout`)",
                    self.settings.timeout.as_secs_f32()
                ),
            }),
        }
    }

    fn of_call<'a>(&'a self, call: &'a Call) -> Result<Sending<'a>, Failure> {
        let target = self.targets.iter().find(|target| target.operation == call.operation).expect("all are there");
        let has_body = !call.operation.has_query();
        let uri = match call.query.as_ref().filter(|_| !has_body) {
            None => Cow::Borrowed(&target.uri),
            Some(query) => Cow::Owned(self.uri(&format!("{}?{query}", target.uri))?),
        };
        let body = if has_body { Some(&call.body) } else { None };
        let trace = call.trace.as_deref().filter(|_| self.settings.trace);
        Ok(Sending { method: &target.method, uri, whose: call.whose(), body, trace })
    }

    fn uri(&self, text: &str) -> Result<Uri, Failure> {
        text.parse().map_err(|_| Failure::Unreachable {
            host: self.host_name(),
            reason: "the query string is none that a URL can have".to_owned(),
        })
    }

    /// A request has the headers that are set here, and none of the client's. A signed one has nothing that is for
    /// another kind of backend.
    fn request(
        &self,
        sending: &Sending<'_>,
        credentials: Option<&(&Signer, Credentials)>,
        connection: &mut Connection,
    ) -> Result<Request<Payload>, Failure> {
        let mut headers = connection.headers();
        headers.insert(HOST, self.host.clone());
        if sending.body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let body = sending.body.cloned().unwrap_or_default();
        if let Some((signer, credentials)) = credentials {
            // Each time anew: a signature is good for five minutes, and a request may have waited.
            sign((sending.method, &sending.uri, &body), &mut headers, credentials, &signer.region, SystemTime::now())?;
        } else {
            headers.insert(ACCOUNT, HeaderValue::from_str(sending.whose.account.as_str()).expect("digits"));
        }
        if let Some(trace) = sending.trace {
            trace.write(&mut headers);
        }
        let mut request = Request::new(Payload::new(body));
        *request.method_mut() = sending.method.clone();
        *request.uri_mut() = sending.uri.as_ref().clone();
        *request.headers_mut() = headers;
        Ok(request)
    }

    async fn answer(
        &self,
        response: Response<Incoming>,
        connection: &mut Connection,
        deadline: Instant,
    ) -> Result<Answer, Failure> {
        let (head, body) = response.into_parts();
        let limit = self.settings.response_limit;
        let body = body::read(connection.receive(body, deadline), limit).await.map_err(|error| match error {
            ReadError::TooLarge => Failure::TooLarge { host: self.host_name(), limit },
            ReadError::Transport(Interrupted::Late) => self.late(true),
            ReadError::Transport(Interrupted::Unsent(error) | Interrupted::Broken(error)) => {
                self.broken(format!("its answer broke off ({})", root(&error)))
            }
        })?;
        let mut answer =
            Answer { status: head.status.as_u16(), error_type: None, request_id: None, retry_after: None, body };
        // There are few, so looking at each is cheaper than looking each up.
        for (name, value) in &head.headers {
            let text = || value.to_str().ok().map(str::to_owned);
            if *name == REQUEST_ID && answer.request_id.is_none() {
                answer.request_id = text();
            } else if *name == ERROR_TYPE && answer.error_type.is_none() {
                answer.error_type = text();
            } else if *name == RETRY_AFTER && answer.retry_after.is_none() {
                answer.retry_after = Some(value.clone());
            }
        }
        connection.keep_headers(head.headers);
        Ok(answer)
    }

    fn unreachable(&self, error: &(dyn std::error::Error + 'static)) -> Failure {
        Failure::Unreachable { host: self.host_name(), reason: root(error) }
    }

    fn late(&self, sent: bool) -> Failure {
        Failure::Timeout { host: self.host_name(), after: self.settings.timeout, sent }
    }

    fn broken(&self, reason: String) -> Failure {
        Failure::Broken { host: self.host_name(), reason }
    }

    fn host_name(&self) -> String {
        self.settings.url.authority.clone()
    }
}

/// The answer, unless it says that the gate's signature is no good. Nothing was done then, and the caller can do nothing about it.
fn accepted(answer: Answer, signer: &Signer, whose: Whose<'_>) -> Result<Answer, Failure> {
    if !matches!(answer.status, 400..=403) {
        return Ok(answer);
    }
    match answer.error().code {
        Some(code) if is_of_credentials(&code) => {
            signer.supply.doubt(whose);
            let reason = format!("the findings backend does not accept the gate's signature ({code})");
            Err(Failure::Credentials { reason })
        }
        _ => Ok(answer),
    }
}

/// The error at the bottom, which says what happened; those above it say only which layer noticed.
fn root(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// Happy eyeballs, time to connect, TLS where the URL says so.
fn connector(settings: &HttpSettings) -> Result<HttpsConnector<TcpConnector>, UpstreamError> {
    let mut tcp = HttpConnector::new_with_resolver(Resolver::new());
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(settings.connect_timeout));
    let builder = HttpsConnectorBuilder::new().with_tls_config(tls(settings)?);
    Ok(builder.https_or_http().enable_http1().wrap_connector(TcpConnector(tcp)))
}

/// Connects by TCP.
#[derive(Clone)]
struct TcpConnector(HttpConnector<Resolver>);

impl Service<Uri> for TcpConnector {
    type Response = TokioIo<Tcp>;
    type Error = <HttpConnector<Resolver> as Service<Uri>>::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, origin: Uri) -> Self::Future {
        let connecting = self.0.call(origin);
        Box::pin(async move { Ok(TokioIo::new(connecting.await?.into_inner().into())) })
    }
}

/// The authorities to trust. None for plain HTTP, which never asks.
fn tls(settings: &HttpSettings) -> Result<ClientConfig, TrustError> {
    let is_plain = settings.url.scheme != Scheme::HTTPS && settings.ca.is_none();
    net::tls(if is_plain { RootCertStore::empty() } else { net::authorities(settings.ca.as_deref())? })
}

impl fmt::Debug for HttpUpstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HttpUpstream").field(&self.fixed.settings.url).finish()
    }
}

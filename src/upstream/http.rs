//! The client: HTTP/1.1, pooled, over TCP or TLS.

use super::{
    Answer, Call, Failure, HttpSettings, UpstreamError,
    body::{self, ReadError},
};
use crate::finding::Operation;
use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Method, Request, Uri,
    header::{CONTENT_TYPE, HOST, RETRY_AFTER},
    uri::Scheme,
};
use hyper::{
    Response,
    body::{Body, Frame, Incoming, SizeHint},
};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, Error, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

const ACCOUNT: HeaderName = HeaderName::from_static("x-findings-gate-account");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// A backend over HTTP.
pub(super) struct HttpUpstream {
    client: Client<HttpsConnector<HttpConnector>, Payload>,
    fixed: Arc<Fixed>,
}

/// What is made once and used by every call.
struct Fixed {
    settings: HttpSettings,
    tls: ClientConfig,
    host: HeaderValue,
    targets: Vec<Target>,
}

struct Target {
    operation: Operation,
    method: Method,
    uri: Uri,
}

impl HttpUpstream {
    pub(super) fn new(settings: HttpSettings) -> Result<Self, UpstreamError> {
        let url = &settings.url;
        let target = |operation: Operation| Target {
            operation,
            method: Method::from_bytes(operation.method().as_bytes()).expect("a method of the API"),
            uri: format!("{url}{}", operation.path()).parse().expect("a checked URL and a path of the API"),
        };
        let host = HeaderValue::from_str(&url.authority).expect("a checked authority");
        let targets = Operation::ALL.iter().copied().map(target).collect();
        let fixed = Fixed { tls: tls(&settings)?, targets, host, settings };
        Ok(Self { client: fixed.client(), fixed: Arc::new(fixed) })
    }

    pub(super) fn with_own_pool(&self) -> Self {
        Self { client: self.fixed.client(), fixed: Arc::clone(&self.fixed) }
    }

    pub(super) async fn call(&self, call: Call) -> Result<Answer, Failure> {
        let sent = Arc::new(AtomicBool::new(false));
        let request = self.fixed.request(call, &sent)?;
        let after = self.fixed.settings.timeout;
        let exchange = async {
            let response = self.client.request(request).await;
            self.fixed.answer(response.map_err(|error| self.fixed.failure(&error, sent.load(Relaxed)))?).await
        };
        match tokio::time::timeout(after, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(Failure::Timeout { host: self.fixed.host_name(), after, sent: sent.load(Relaxed) }),
        }
    }
}

impl Fixed {
    /// Requests go again over another connection only if hyper had not begun to write them when their connection closed
    /// (hyper-util's `retry_canceled_requests`): those that it gives back whole, and no others.
    fn client(&self) -> Client<HttpsConnector<HttpConnector>, Payload> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(self.settings.connect_timeout));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(self.tls.clone())
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        Client::builder(TokioExecutor::new())
            .pool_idle_timeout(self.settings.idle_timeout)
            .pool_max_idle_per_host(self.settings.idle_connections)
            .pool_timer(TokioTimer::new())
            .retry_canceled_requests(true)
            .build(connector)
    }

    fn request(&self, call: Call, sent: &Arc<AtomicBool>) -> Result<Request<Payload>, Failure> {
        let target = self.targets.iter().find(|target| target.operation == call.operation).expect("all are there");
        let has_body = !call.operation.has_query();
        let bytes = if has_body { call.body } else { Bytes::new() };
        let mut request = Request::new(Payload { bytes: Some(bytes), sent: Arc::clone(sent) });
        *request.method_mut() = target.method.clone();
        *request.uri_mut() = match call.query.filter(|_| call.operation.has_query()) {
            None => target.uri.clone(),
            Some(query) => format!("{}?{query}", target.uri).parse().map_err(|_| Failure::Unreachable {
                host: self.host_name(),
                reason: "the query string is none that a URL can have".to_owned(),
            })?,
        };
        let headers = request.headers_mut();
        headers.insert(HOST, self.host.clone());
        if has_body {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        headers.insert(ACCOUNT, HeaderValue::from_str(call.account.as_str()).expect("digits"));
        Ok(request)
    }

    async fn answer(&self, response: Response<Incoming>) -> Result<Answer, Failure> {
        let (head, body) = response.into_parts();
        let limit = self.settings.response_limit;
        let body = body::read(body, limit).await.map_err(|error| match error {
            ReadError::TooLarge => self.broken(format!("its answer is larger than {limit} bytes")),
            ReadError::Transport(error) => self.broken(format!("its answer broke off ({})", root(&error))),
        })?;
        let text = |name| head.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).map(str::to_owned);
        Ok(Answer {
            status: head.status.as_u16(),
            error_type: text(ERROR_TYPE),
            request_id: text(REQUEST_ID),
            retry_after: head.headers.get(RETRY_AFTER).cloned(),
            body,
        })
    }

    fn failure(&self, error: &Error, sent: bool) -> Failure {
        if error.is_connect() || !sent {
            return Failure::Unreachable { host: self.host_name(), reason: root(error) };
        }
        self.broken(root(error))
    }

    fn broken(&self, reason: String) -> Failure {
        Failure::Broken { host: self.host_name(), reason }
    }

    fn host_name(&self) -> String {
        self.settings.url.authority.clone()
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

fn tls(settings: &HttpSettings) -> Result<ClientConfig, UpstreamError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(authorities(settings)?).with_no_client_auth())
}

/// The given authorities, or the system's. None for plain HTTP, which never asks.
fn authorities(settings: &HttpSettings) -> Result<RootCertStore, UpstreamError> {
    let mut store = RootCertStore::empty();
    if let Some(pem) = &settings.ca {
        let unusable = |reason: &dyn fmt::Display| UpstreamError::Authorities(reason.to_string());
        for certificate in CertificateDer::pem_slice_iter(pem) {
            store.add(certificate.map_err(|error| unusable(&error))?).map_err(|error| unusable(&error))?;
        }
        if store.is_empty() {
            return Err(unusable(&"there is no `BEGIN CERTIFICATE` in it"));
        }
    } else if settings.url.scheme == Scheme::HTTPS {
        let system = rustls_native_certs::load_native_certs();
        store.add_parsable_certificates(system.certs);
        if store.is_empty() {
            let why = system.errors.first().map(|error| format!(" ({error})")).unwrap_or_default();
            return Err(UpstreamError::NoSystemAuthorities(why));
        }
    }
    Ok(store)
}

/// A request's body that remembers whether hyper came for it.
///
/// hyper does so after it put the head into its buffer and before it writes any of it; and a head whose body never came is
/// no request to anybody. So a body that nobody came for is a request that was not sent.
struct Payload {
    bytes: Option<Bytes>,
    sent: Arc<AtomicBool>,
}

impl Body for Payload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.sent.store(true, Relaxed);
        Poll::Ready(self.bytes.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

impl fmt::Debug for HttpUpstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HttpUpstream").field(&self.fixed.settings.url).finish()
    }
}

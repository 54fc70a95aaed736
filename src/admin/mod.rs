//! The listener for whoever runs the gate: is it alive, is it ready, what does it count, what does it decide by.
//!
//! It has an address of its own, so that nobody who may call the gate may ask this, and no door of it is on the data port. It
//! speaks plain HTTP, and whatever changes something, or shows decisions, is for this machine only.
//!
//! | request | answer |
//! |---|---|
//! | `GET /live` | 200 as long as the process answers at all |
//! | `GET /ready` | 200 when requests would be served, else 503 with the reason |
//! | `GET /metrics` | what is counted, for Prometheus |
//! | `GET /status` | version; digest, source and age of what decides; the last error of a reload; as JSON |
//! | `GET /decisions` | the last decision records, the newest first, one a line; `?limit=10` for fewer |
//! | `POST /reload` | reads the configuration again: 200, or 409 with all that is wrong |
//! | `GET /loglevel` | what is logged, as JSON |
//! | `PUT /loglevel`, or `POST` | logs what the body says, a level or directives, for as long as `?for=10m` says |
//! | `DELETE /loglevel` | logs what the configuration says |
//!
//! From this machine only is not enough where a browser runs on it: a page may send requests to any address. A browser marks them with
//! `Origin`, so nothing is changed for who has one. And a page's name may be made to lead here, so decisions are shown, and anything
//! is changed, only where the host that is asked is an IP address or `localhost`; otherwise the answer is 421.

mod local;
mod loglevel;

use crate::{
    identity::Peer,
    proxy::{RequestBody, Service},
};
use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE},
};
use http_body_util::Full;
use serde::Serialize;
use std::{fmt, pin::Pin, rc::Rc, sync::Arc};

pub use loglevel::{AskLog, LogAsk, LogShown};

/// What the listener shows and does. It knows nothing of how.
pub struct Views {
    /// Whether requests would be served; why not otherwise.
    pub ready: Box<dyn Fn() -> Result<(), String> + Send + Sync>,
    /// What is counted, and the type of that text.
    pub metrics: Box<dyn Fn() -> String + Send + Sync>,
    /// The type of the text of [`metrics`](Self::metrics).
    pub metrics_type: &'static str,
    /// What the gate decides by, and since when.
    pub status: Box<dyn Fn() -> Status + Send + Sync>,
    /// The last decision records, the newest first, at most so many; nothing where none are kept.
    pub decisions: Box<dyn Fn(usize) -> Option<Vec<Arc<str>>> + Send + Sync>,
    /// Reads the configuration again; what is wrong with it otherwise.
    pub reload: Box<dyn Fn() -> Pending + Send + Sync>,
    /// Shows or changes what is logged; what was expected otherwise.
    pub log: AskLog,
}

/// A reload that is under way.
pub type Pending = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// The answer to `GET /status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Of the program.
    pub version: &'static str,
    /// Whether requests would be served.
    pub ready: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_ready: Option<String>,
    /// When the process began to serve, RFC 3339.
    pub started: String,
    /// Digest of the policies and the accounts that decide now.
    pub digest: String,
    /// What the policies were read from.
    pub sources: Vec<String>,
    /// How many policies apply.
    pub policies: usize,
    /// How many accounts there are, administrators included.
    pub accounts: usize,
    /// When what decides now was loaded, RFC 3339.
    pub loaded: String,
    /// For how many seconds it has decided.
    pub age_seconds: u64,
    /// How many times it was replaced.
    pub reloads: u64,
    /// Why the last try to replace it failed; nothing if it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// The bundle that the policies come from, if they come from one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bundle: Option<BundleStatus>,
}

/// A bundle in the answer to `GET /status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BundleStatus {
    /// Its path or its URL.
    pub source: String,
    /// What it is for, if it says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What its makers call it.
    pub revision: String,
    /// Its number in a row, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// Of its bytes.
    pub digest: String,
    /// The trusted keys that signed it.
    pub signed_by: Vec<String>,
    /// Of a bundle from a URL, as are those that follow: what the URL calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// When the URL was last asked, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_asked: Option<String>,
    /// When it was last known that this is the bundle at the URL, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_success: Option<String>,
    /// Why the last question came to nothing; nothing if it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

/// The listener's service.
#[derive(Clone)]
pub struct Admin(Arc<Views>);

impl Admin {
    /// A service that shows this.
    pub fn new(views: Views) -> Self {
        Self(Arc::new(views))
    }

    fn views(&self) -> &Views {
        &self.0
    }

    async fn answer(&self, request: Request<RequestBody>, peer: &Peer) -> Response<Full<Bytes>> {
        let allow = match request.uri().path() {
            "/reload" => "POST",
            "/loglevel" => "GET, HEAD, PUT, POST, DELETE",
            _ => "GET, HEAD",
        };
        if !allow.split(", ").any(|method| method == request.method()) {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, format!("expected {allow}\n"));
            response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
            return response;
        }
        let is_local = request.uri().path() == "/decisions" || !matches!(*request.method(), Method::GET | Method::HEAD);
        if is_local && let Some((status, told)) = local::refused(&request, peer.address.ip()) {
            return text(status, told);
        }
        match request.uri().path() {
            "/live" => text(StatusCode::OK, "live\n"),
            "/ready" => match (self.0.ready)() {
                Ok(()) => text(StatusCode::OK, "ready\n"),
                Err(why) => text(StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")),
            },
            "/metrics" => typed(StatusCode::OK, self.0.metrics_type, (self.0.metrics)()),
            "/status" => json(&(self.0.status)()),
            "/loglevel" => self.log_level(request).await,
            "/decisions" => self.decisions(request.uri().query()),
            "/reload" => match (self.0.reload)().await {
                Ok(()) => text(StatusCode::OK, "reloaded\n"),
                Err(why) => text(StatusCode::CONFLICT, format!("not reloaded: {why}\n")),
            },
            _ => text(
                StatusCode::NOT_FOUND,
                "expected /live, /ready, /metrics, /status, /decisions, /reload or /loglevel\n",
            ),
        }
    }

    fn decisions(&self, query: Option<&str>) -> Response<Full<Bytes>> {
        let limit = match query {
            None => Some(usize::MAX),
            Some(query) => query.strip_prefix("limit=").and_then(|number| number.parse().ok()),
        };
        let Some(limit) = limit else {
            return text(StatusCode::BAD_REQUEST, "expected no query, or `limit=` and a number\n");
        };
        match (self.0.decisions)(limit) {
            Some(records) => {
                let lines: String = records.iter().flat_map(|record| [&**record, "\n"]).collect();
                typed(StatusCode::OK, "application/jsonl", lines)
            }
            None => text(StatusCode::NOT_FOUND, "no decisions are recorded: set `audit.file` or `audit.stdout`\n"),
        }
    }
}

impl Service for Admin {
    async fn call(self: Rc<Self>, request: Request<RequestBody>, peer: Rc<Peer>) -> Response<Full<Bytes>> {
        self.answer(request, &peer).await
    }

    /// Only a level is read.
    fn body_limit(&self) -> usize {
        loglevel::BODY.0
    }
}

fn text(status: StatusCode, body: impl Into<String>) -> Response<Full<Bytes>> {
    typed(status, "text/plain; charset=utf-8", body)
}

fn json(shown: &impl Serialize) -> Response<Full<Bytes>> {
    match serde_json::to_string_pretty(shown) {
        Ok(body) => typed(StatusCode::OK, "application/json", body + "\n"),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    }
}

fn typed(status: StatusCode, kind: &'static str, body: impl Into<String>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into().into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

impl fmt::Debug for Views {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Views").finish_non_exhaustive()
    }
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Admin")
    }
}

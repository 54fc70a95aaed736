//! Plain requests, each over a connection of its own.

use super::{
    TrustError, authorities,
    body::{self, ReadError},
    tls,
};
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, Uri, header::ACCEPT};
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::{ClientConfig, RootCertStore};
use std::{fmt, sync::OnceLock, time::Duration};
use tokio::time::timeout;

/// Makes requests to other servers. It follows no redirects: who is asked is who was configured.
pub struct Client {
    /// PEM certificates of the authorities to trust instead of the system's.
    ca: Option<Vec<u8>>,
    /// Time for a request in all.
    timeout: Duration,
    /// Bytes of an answer's body.
    limit: usize,
    /// Made when first used: the system's authorities are read then, and somebody who uses plain HTTP needs none.
    https: OnceLock<Inner>,
    http: Inner,
}

type Inner = legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// An answer, whole.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// Why there is no answer. Each tells who was asked, without the query, which may hold a secret.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// Nobody could be trusted.
    #[error("{host} cannot be asked: {why}")]
    Trust {
        /// Who was asked.
        host: String,
        /// Why.
        why: TrustError,
    },
    /// The exchange failed.
    #[error("{host} gave no answer: {why}")]
    Failed {
        /// Who was asked.
        host: String,
        /// Why.
        why: String,
    },
    /// It took too long.
    #[error("{host} gave no answer within {} s", after.as_secs_f32())]
    Late {
        /// Who was asked.
        host: String,
        /// The limit.
        after: Duration,
    },
    /// The answer is too large.
    #[error("the answer of {host} is larger than {limit} bytes")]
    TooLarge {
        /// Who was asked.
        host: String,
        /// The limit.
        limit: usize,
    },
}

impl Client {
    /// A client that trusts the authorities in `ca` (PEM), or the system's. `timeout` is for a request in all, `limit` for the bytes of
    /// an answer's body.
    pub fn new(ca: Option<Vec<u8>>, timeout: Duration, limit: usize) -> Result<Self, TrustError> {
        let https = OnceLock::new();
        if let Some(ca) = &ca {
            let _ = https.set(inner(tls(authorities(Some(ca))?)?, timeout));
        }
        let http = inner(tls(RootCertStore::empty())?, timeout);
        Ok(Self { ca, timeout, limit, https, http })
    }

    /// A client that speaks TLS in this way.
    pub fn with_tls(config: ClientConfig, timeout: Duration, limit: usize) -> Result<Self, TrustError> {
        let https = OnceLock::new();
        let _ = https.set(inner(config, timeout));
        let http = inner(tls(RootCertStore::empty())?, timeout);
        Ok(Self { ca: None, timeout, limit, https, http })
    }

    /// Whether another one trusts the same authorities, both having been made by [`Client::new`].
    pub(crate) fn trusts_as(&self, other: &Self) -> bool {
        self.ca == other.ca
    }

    /// Asks for a document.
    pub async fn get(&self, url: &Uri) -> Result<Fetched, RequestError> {
        let mut request = Request::new(Full::default());
        *request.uri_mut() = url.clone();
        request.headers_mut().insert(ACCEPT, http::HeaderValue::from_static("application/json"));
        self.send(request).await
    }

    /// Sends a request and reads the whole answer, whatever its status.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Result<Fetched, RequestError> {
        let host = request.uri().authority().map(ToString::to_string).unwrap_or_default();
        let inner = match request.uri().scheme_str() {
            Some("https") => self.https().map_err(|why| RequestError::Trust { host: host.clone(), why })?,
            _ => &self.http,
        };
        let exchange = async {
            let response = inner.request(request).await.map_err(|error| failed(&host, &error))?;
            let (head, body) = response.into_parts();
            let body = body::read(body, self.limit).await.map_err(|error| match error {
                ReadError::TooLarge => RequestError::TooLarge { host: host.clone(), limit: self.limit },
                ReadError::Transport(error) => failed(&host, &error),
            })?;
            Ok(Fetched { status: head.status, headers: head.headers, body })
        };
        match timeout(self.timeout, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(RequestError::Late { host, after: self.timeout }),
        }
    }

    fn https(&self) -> Result<&Inner, TrustError> {
        if let Some(made) = self.https.get() {
            return Ok(made);
        }
        let made = inner(tls(authorities(self.ca.as_deref())?)?, self.timeout);
        Ok(self.https.get_or_init(|| made))
    }
}

/// No connection is kept: it would belong to the runtime that opened it, and requests are few.
fn inner(tls: ClientConfig, timeout: Duration) -> Inner {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(timeout));
    let connector =
        HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(tcp);
    legacy::Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector)
}

/// The error at the bottom says what happened; those above it say only which layer noticed.
fn failed(host: &str, error: &(dyn std::error::Error + 'static)) -> RequestError {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    RequestError::Failed { host: host.to_owned(), why: cause.to_string() }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("timeout", &self.timeout).field("limit", &self.limit).finish_non_exhaustive()
    }
}

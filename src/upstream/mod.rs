//! The findings backend behind the gate.
//!
//! [`Upstream::call`] sends one [`Call`] and returns the backend's [`Answer`] as it is, whatever its status, or a [`Failure`] that
//! says whether the backend may have made the change. The backend is either another server, by [`Upstream::http`], or a part of
//! this program that implements [`InProcess`].
//!
//! Nothing of the client's request goes upstream but what the gate parsed: the call's headers are made here.

pub(crate) mod bell;
mod connection;
mod credentials;
mod failure;
pub(crate) mod gather;
mod http;
mod pool;
mod settings;
mod sign;

use crate::finding::{AccountId, Caller, Operation, Proof, Role, outcome};
use ::http::HeaderValue;
use bytes::Bytes;
use std::{fmt, pin::Pin, sync::Arc};

pub use credentials::{AssumeRoleSettings, AwsSettings, Readiness, Supply};
pub use failure::Failure;
pub use settings::{HttpSettings, Signer, UpstreamError, Url, UrlError};

/// One call to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// What to do.
    pub operation: Operation,
    /// The account that the caller acts for.
    pub account: AccountId,
    /// Who asked for it.
    pub on_behalf: OnBehalf,
    /// The query string, without its `?`, for an operation that has one ([`Operation::has_query`]).
    pub query: Option<String>,
    /// The request's body: JSON that the gate wrote itself. An operation that has a query sends none.
    pub body: Bytes,
}

/// Who asked for a call: what credentials that carry the caller's name are called after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnBehalf {
    /// The principal's ARN or name.
    pub principal: Arc<str>,
    /// What its account is.
    pub role: Role,
    /// How that was proven; nothing for the gate itself.
    pub proof: Option<Proof>,
}

impl OnBehalf {
    /// The gate itself, which looks findings up for several callers at once.
    pub fn gate() -> Self {
        Self { principal: "findings-gate".into(), role: Role::Administrator, proof: None }
    }
}

impl From<&Caller> for OnBehalf {
    fn from(caller: &Caller) -> Self {
        Self { principal: Arc::clone(&caller.principal), role: caller.role, proof: Some(caller.proof.clone()) }
    }
}

/// What the backend answered. Errors are answers too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The header `x-amzn-errortype`, as it came.
    pub error_type: Option<String>,
    /// The header `x-amzn-requestid`.
    pub request_id: Option<String>,
    /// The header `retry-after`, to be passed on as it is.
    pub retry_after: Option<HeaderValue>,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// What an answer that is an error says. The header's code counts before the body's, as it does for the SDKs.
    pub fn error(&self) -> outcome::UpstreamError {
        let said = outcome::UpstreamError::parse(&self.body).unwrap_or_default();
        let of_header = self.error_type.as_deref().map(|kind| outcome::bare(kind).to_owned());
        outcome::UpstreamError { code: of_header.or(said.code), ..said }
    }
}

/// A backend inside this program.
pub trait InProcess: Send + Sync {
    /// Carries the call out. It must take bounded time.
    fn call(&self, call: Call) -> Pin<Box<dyn Future<Output = Result<Answer, Failure>> + Send + '_>>;
}

/// The way to the backend. Clones share their connections; a worker takes its own by [`Upstream::for_worker`].
#[derive(Clone)]
pub struct Upstream(Kind);

#[derive(Clone)]
enum Kind {
    Embedded(Arc<dyn InProcess>),
    Http(Arc<http::HttpUpstream>),
}

impl Upstream {
    /// A backend inside this program.
    pub fn embedded(backend: Arc<dyn InProcess>) -> Self {
        Self(Kind::Embedded(backend))
    }

    /// A server. Reads the trusted certificates, and connects to nothing yet.
    pub fn http(settings: HttpSettings) -> Result<Self, UpstreamError> {
        http::HttpUpstream::new(settings).map(|http| Self(Kind::Http(Arc::new(http))))
    }

    /// The same backend with connections of its own, which live and die with the runtime that opens them.
    #[must_use]
    pub fn for_worker(&self) -> Self {
        match &self.0 {
            Kind::Embedded(backend) => Self(Kind::Embedded(Arc::clone(backend))),
            Kind::Http(http) => Self(Kind::Http(Arc::new(http.with_own_pool()))),
        }
    }

    /// Whether requests can be signed now.
    pub fn readiness(&self) -> Readiness {
        match &self.0 {
            Kind::Embedded(_) => Readiness::Ready,
            Kind::Http(http) => http.readiness(),
        }
    }

    /// Sends one call and reads the whole answer.
    ///
    /// A call is sent once. It is sent again only when it is certain that nothing of it was: it waited for a connection that turned
    /// out to be closed.
    pub async fn call(&self, call: Call) -> Result<Answer, Failure> {
        match &self.0 {
            Kind::Embedded(backend) => backend.call(call).await,
            Kind::Http(http) => http.call(call).await,
        }
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Embedded(_) => f.write_str("Upstream(embedded)"),
            Kind::Http(http) => f.debug_tuple("Upstream").field(http).finish(),
        }
    }
}

#[cfg(test)]
mod tests;

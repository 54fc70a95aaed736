//! The findings backend behind the gate.
//!
//! [`Upstream::call`] sends one [`Call`] and returns the backend's [`Answer`] as it is, whatever its status, or a [`Failure`] that
//! says whether the backend may have made the change. The backend is either another server, by [`Upstream::http`], or a part of
//! this program that implements [`InProcess`].
//!
//! How a call is made is in [`Upstream::conducted`]: at the pace of the backend's quotas, with a fair share for each caller, again
//! where that may help and does no harm, and not at all while the backend fails again and again. `docs/quota.md` tells it to those
//! who run a gate.
//!
//! Nothing of the client's request goes upstream but what the gate parsed: the call's headers are made here.

pub(crate) mod bell;
mod breaker;
mod conduct;
mod connection;
mod credentials;
mod failure;
mod http;
mod inquiry;
pub(crate) mod pace;
mod pool;
mod retry;
mod settings;
mod sign;

use crate::{
    finding::{AccountId, Accounts, Caller, Operation, Proof, Role, outcome},
    telemetry::{metrics::Metrics, trace::Outgoing},
};
use ::http::HeaderValue;
use bytes::Bytes;
use conduct::Conduct;
use pace::Lane;
use std::{fmt, pin::Pin, sync::Arc, time::Duration};
use tokio::time::Instant;

pub use breaker::BreakerSettings;
pub use conduct::ConductSettings;
pub use credentials::{AssumeRoleSettings, AwsSettings, Readiness, Supply};
pub use failure::Failure;
pub use inquiry::Inquiry;
pub use pace::{QuotaOwner, QuotaSettings, Rate};
pub use retry::{RepeatUpdates, RetrySettings};
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
    /// The trace that it belongs to, for a backend that is told ([`HttpSettings::trace`]).
    pub trace: Option<Box<Outgoing>>,
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

/// Whose a call is: all that its credentials go by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Whose<'a> {
    /// The account that it is made for.
    pub(crate) account: AccountId,
    /// Who asked for it.
    pub(crate) by: &'a OnBehalf,
}

impl Call {
    pub(crate) fn whose(&self) -> Whose<'_> {
        Whose { account: self.account, by: &self.on_behalf }
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

/// Whether the backend may have made the change of a call, or a part of it, without having said so.
pub(crate) fn may_have_happened(outcome: &Result<Answer, Failure>) -> bool {
    match outcome {
        Ok(answer) => answer.status >= 500,
        Err(failure) => failure.may_have_happened(),
    }
}

/// A backend inside this program.
pub trait InProcess: Send + Sync {
    /// Carries the call out. It must take bounded time.
    fn call(&self, call: Call) -> Pin<Box<dyn Future<Output = Result<Answer, Failure>> + Send + '_>>;

    /// Takes the accounts that count from the next call on. A backend that knows none has nothing to do.
    ///
    /// # Errors
    ///
    /// It cannot; the text says why, and what it knew stays.
    fn set_accounts(&self, _accounts: &Accounts) -> Result<(), String> {
        Ok(())
    }
}

/// The way to the backend. Clones share their connections; a worker takes its own by [`Upstream::for_worker`].
#[derive(Clone)]
pub struct Upstream {
    kind: Kind,
    /// None: each call is one exchange.
    conduct: Option<Arc<Conduct>>,
}

#[derive(Clone)]
enum Kind {
    Embedded(Arc<dyn InProcess>),
    Http(Arc<http::HttpUpstream>),
}

impl Upstream {
    /// A backend inside this program.
    pub fn embedded(backend: Arc<dyn InProcess>) -> Self {
        Self { kind: Kind::Embedded(backend), conduct: None }
    }

    /// Tells a backend inside this program the accounts that count from the next call on. A server has its own.
    ///
    /// # Errors
    ///
    /// It cannot take them, and says why.
    pub fn set_accounts(&self, accounts: &Accounts) -> Result<(), String> {
        match &self.kind {
            Kind::Embedded(backend) => backend.set_accounts(accounts),
            Kind::Http(_) => Ok(()),
        }
    }

    /// A server. Reads the trusted certificates, and connects to nothing yet.
    pub fn http(settings: HttpSettings) -> Result<Self, UpstreamError> {
        let http = http::HttpUpstream::new(settings)?;
        Ok(Self { kind: Kind::Http(Arc::new(http)), conduct: None })
    }

    /// The same backend, to which calls are made in this way. All that comes of it shares one quota, one budget of retries and one
    /// circuit breaker, in whatever thread.
    #[must_use]
    pub fn conducted(self, settings: ConductSettings, metrics: &Metrics) -> Self {
        Self { conduct: Some(Arc::new(Conduct::new(settings, metrics))), ..self }
    }

    /// The same backend with connections of its own, which live and die with the runtime that opens them.
    #[must_use]
    pub fn for_worker(&self) -> Self {
        let kind = match &self.kind {
            Kind::Embedded(backend) => Kind::Embedded(Arc::clone(backend)),
            Kind::Http(http) => Kind::Http(Arc::new(http.with_own_pool())),
        };
        Self { kind, conduct: self.conduct.clone() }
    }

    /// Whether requests can be signed now.
    pub fn readiness(&self) -> Readiness {
        match &self.kind {
            Kind::Embedded(_) => Readiness::Ready,
            Kind::Http(http) => http.readiness(),
        }
    }

    /// Makes one call and reads the whole answer.
    ///
    /// A call is carried out once, or not at all: it is sent again only when it is certain that the backend did not carry it out.
    /// Either nothing of it was sent, or the backend refused it for its quota. Where carrying it out twice is as good as once (reads,
    /// imports, and updates if the settings say so), it is sent again after an error of the backend or a broken exchange, too. Of
    /// all that, only one thing happens to an upstream that is not [`conducted`](Upstream::conducted): what waited for a connection
    /// that turned out to be closed goes over another one.
    ///
    /// All attempts, the waits between them and the wait for the quota together take no longer than the settings' time.
    pub async fn call(&self, call: Call) -> Result<Answer, Failure> {
        let lane = Lane::Caller(call.account);
        self.call_in(lane, &call, None).await
    }

    /// Makes a call of the gate's own, on behalf of several callers: it takes its turns in the quota beside those of the accounts, and
    /// as many as they have together. It is over by `by`, as a timeout: to drop it instead would tell nobody of a backend that hangs.
    pub async fn call_for_gate(&self, call: Call, by: Instant) -> Result<Answer, Failure> {
        self.call_in(Lane::Gate, &call, Some(by)).await
    }

    async fn call_in(&self, lane: Lane, call: &Call, by: Option<Instant>) -> Result<Answer, Failure> {
        if let Some(conduct) = &self.conduct {
            return conduct.call(&self.kind, call, lane, by).await;
        }
        let now = Instant::now();
        self.kind.exchange(call, now, by.unwrap_or(now + ANY_TIME)).await
    }
}

/// Longer than any backend is given by its own settings.
const ANY_TIME: Duration = Duration::from_hours(24);

impl Kind {
    /// Sends a call once, and reads the whole answer.
    async fn exchange(&self, call: &Call, now: Instant, deadline: Instant) -> Result<Answer, Failure> {
        match self {
            Self::Embedded(backend) => backend.call(call.clone()).await,
            Self::Http(http) => http.call(call, now, deadline).await,
        }
    }
}

impl Upstream {
    /// Asks something for the gate itself, as this account. What is inside this program has no answer.
    pub async fn inquire(&self, inquiry: &Inquiry, account: AccountId) -> Result<Answer, Failure> {
        match &self.kind {
            Kind::Embedded(_) => Err(Failure::Unreachable {
                host: "embedded".to_owned(),
                reason: format!("it has no {}", inquiry.name()),
            }),
            Kind::Http(http) => http.inquire(inquiry, account).await,
        }
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Embedded(_) => f.write_str("Upstream(embedded)"),
            Kind::Http(http) => f.debug_tuple("Upstream").field(http).finish(),
        }
    }
}

#[cfg(test)]
mod tests;

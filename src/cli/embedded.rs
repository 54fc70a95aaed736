//! The embedded backend behind its two doors: in the gate's own process, and as a server of its own.

use crate::{
    backend::Backend,
    finding::{AccountId, Accounts, ApiError, Operation},
    identity::Peer,
    proxy::{Asked, Doors, RequestBody, RequestIds, Service, error_response, read_body},
    upstream::{Answer, Call, Failure, InProcess},
};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, header::CONTENT_TYPE};
use http_body_util::Full;
use jiff::Timestamp;
use std::{fmt, future::Future, pin::Pin, rc::Rc, sync::Arc, time::Duration};

/// Names the account that a request is for. The gate sets it; a client's own is never passed on.
const ACCOUNT: &str = "x-findings-gate-account";

/// A backend that the gate calls without a network.
pub(super) struct Embedded(Arc<Backend>);

impl Embedded {
    pub(super) fn new(backend: Arc<Backend>) -> Self {
        Self(backend)
    }
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Embedded")
    }
}

impl InProcess for Embedded {
    fn call(&self, call: Call) -> Pin<Box<dyn Future<Output = Result<Answer, Failure>> + Send + '_>> {
        Box::pin(async move {
            let Call { operation, account, query, body, .. } = call;
            let input = input(operation, query.as_deref(), body);
            let (status, error_type, body) = match answer(&self.0, operation, account, input).await {
                Ok(body) => (200, None, body),
                Err(error) => (error.status, Some(error.code.to_owned()), error.body()),
            };
            Ok(Answer { status, error_type, request_id: None, retry_after: None, body: body.into() })
        })
    }

    fn set_accounts(&self, accounts: &Accounts) -> Result<(), String> {
        self.0.set_accounts(accounts.clone()).map_err(|error| error.to_string())
    }
}

/// What the backend reads: the body, or the query string of an operation that has one instead.
fn input(operation: Operation, query: Option<&str>, body: Bytes) -> Bytes {
    if operation.has_query() { Bytes::copy_from_slice(query.unwrap_or_default().as_bytes()) } else { body }
}

/// Calls the backend off the worker's thread: it waits for the disk.
async fn answer(
    backend: &Arc<Backend>,
    operation: Operation,
    account: AccountId,
    input: Bytes,
) -> Result<Vec<u8>, ApiError> {
    let delay = backend.delay();
    if delay > Duration::ZERO {
        tokio::time::sleep(delay).await;
    }
    let backend = Arc::clone(backend);
    let call = move || backend.call(operation, account, &input, Timestamp::now());
    tokio::task::spawn_blocking(call).await.unwrap_or_else(|_| Err(ApiError::internal("Internal service failure")))
}

/// One worker of `findings-gate backend`.
pub(super) struct BackendService {
    backend: Arc<Backend>,
    /// Who calls when the header does not say.
    default_account: AccountId,
    doors: Doors,
    ids: RequestIds,
    body_limit: usize,
    body_timeout: Duration,
}

impl BackendService {
    /// BatchImportFindings takes bodies of 6 MB.
    pub(super) const BODY: usize = 6 << 20;

    pub(super) fn new(
        backend: Arc<Backend>,
        default_account: AccountId,
    ) -> Result<Self, aws_lc_rs::error::Unspecified> {
        Ok(Self {
            backend,
            default_account,
            doors: Doors::all(),
            ids: RequestIds::new()?,
            body_limit: Self::BODY,
            body_timeout: Duration::from_secs(30),
        })
    }

    async fn answer(&self, request: Request<RequestBody>) -> Result<Vec<u8>, ApiError> {
        let (head, body) = request.into_parts();
        let account = match head.headers.get(ACCOUNT) {
            None => self.default_account,
            Some(value) => value.to_str().ok().and_then(AccountId::parse).ok_or_else(|| {
                ApiError::invalid_input(format!("the header `{ACCOUNT}` holds no account id: expected twelve digits"))
            })?,
        };
        let Asked { operation, query } = self.doors.find(&head.method, &head.uri, &head.headers)?;
        let body = read_body(body, self.body_limit, self.body_timeout).await?;
        answer(&self.backend, operation, account, input(operation, query, body)).await
    }
}

impl Service for BackendService {
    async fn call(self: Rc<Self>, request: Request<RequestBody>, _peer: Rc<Peer>) -> Response<Full<Bytes>> {
        let id = self.ids.next();
        match self.answer(request).await {
            Ok(body) => {
                let mut response = Response::new(Full::new(body.into()));
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                response.headers_mut().insert("x-amzn-requestid", id.header_value());
                response
            }
            Err(error) => error_response(&error, &id),
        }
    }

    fn body_limit(&self) -> usize {
        self.body_limit
    }
}

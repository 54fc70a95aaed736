//! Asking STS who signed a token.

use super::{GATE_ID, GateName, answer, known::Outcome, token::Presigned};
use crate::{
    finding::ApiError,
    net::{Client, Fetched},
};
use bytes::Bytes;
use http::{
    HeaderValue, Request, Uri,
    header::{ACCEPT, CONTENT_TYPE, USER_AGENT},
};
use http_body_util::Full;
use std::{sync::Arc, time::Duration};
use tokio::{sync::Semaphore, time::timeout};

/// How long STS may take to answer, from the connection on.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);
/// How much of an answer is read, in bytes. STS's have less than 1 KiB.
pub(super) const LONGEST_ANSWER: usize = 16 << 10;
/// How many tokens STS is asked about at once, so that strangers with bad ones make no flood of the gate's own.
const AT_ONCE: usize = 32;
/// How long a token waits for its turn.
const TURN: Duration = Duration::from_secs(5);

/// What asks STS.
#[derive(Debug)]
pub(super) struct Asking {
    gate: GateName,
    client: Client,
    turns: Semaphore,
}

impl Asking {
    pub(super) fn new(gate: GateName, client: Client) -> Self {
        Self { gate, client, turns: Semaphore::new(AT_ONCE) }
    }

    pub(super) fn gate(&self) -> &GateName {
        &self.gate
    }

    /// Sends a presigned request, as it is but for the headers that are the gate's own, and reads what comes of it.
    pub(super) async fn ask(&self, presigned: &Presigned) -> Outcome {
        let Ok(Ok(_turn)) = timeout(TURN, self.turns.acquire()).await else {
            return Outcome::Unanswered(busy());
        };
        let host = presigned.uri.authority().map(ToString::to_string).unwrap_or_default();
        let unanswered = |why: String| {
            Outcome::Unanswered(ApiError::unavailable(format!(
                "The STS token cannot be checked now: {why}. Try again."
            )))
        };
        let Ok(request) = self.request(presigned.uri.clone()) else {
            return unanswered(format!("{host} cannot be asked"));
        };
        match self.client.send(request).await {
            Ok(fetched) => self.read(&host, &fetched),
            Err(error) => unanswered(error.to_string()),
        }
    }

    fn request(&self, uri: Uri) -> Result<Request<Full<Bytes>>, http::Error> {
        Request::get(uri)
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, concat!("findings-gate/", env!("CARGO_PKG_VERSION")))
            .header(GATE_ID, self.gate.as_str())
            .body(Full::default())
    }

    /// What an answer of STS comes to. What is not its own word, such as a proxy's page or a redirect, is none.
    fn read(&self, host: &str, fetched: &Fetched) -> Outcome {
        let Fetched { status, headers, body } = fetched;
        let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
        let kind = std::str::from_utf8(kind).unwrap_or_default();
        let why = match status.as_u16() {
            200 => match answer::signer(kind, body) {
                Ok(signer) => return Outcome::Proven(Arc::new(signer)),
                Err(answer::Unreadable::Principal) => {
                    return Outcome::Refused(ApiError::unrecognized_client(
                        "The STS token is good, and its principal is of a kind that stands for no caller here: expected an IAM user, a role's \
                         session, a federated user or an account's root user.",
                    ));
                }
                Err(unreadable) => format!("{host} answered with something that is {unreadable}"),
            },
            400 | 401 | 403 => match answer::error_code(kind, body).as_deref() {
                None => format!("{host} answered with status {status} and no error of STS"),
                Some(code @ ("Throttling" | "ThrottlingException" | "RequestLimitExceeded")) => {
                    format!("{host} answered {code}")
                }
                Some(code) => return Outcome::Refused(self.refusal(code)),
            },
            _ => format!("{host} answered with status {status}"),
        };
        Outcome::Unanswered(ApiError::unavailable(format!("The STS token cannot be checked now: {why}. Try again.")))
    }

    /// STS's own message is not passed on: it may quote the request that it was given, and that has secrets.
    fn refusal(&self, code: &str) -> ApiError {
        match code {
            "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => ApiError::expired_token(format!(
                "The security token included in the request is expired: STS answers {code}. Make a new token, with credentials that are \
                 still good."
            )),
            "SignatureDoesNotMatch" => ApiError::unrecognized_client(format!(
                "The security token included in the request is invalid: STS answers {code}. Either the token was made for another gate than \
                 `{}`, or its secret key is wrong, or it is more than 15 minutes old: `findings-gate token --gate {}` makes a new one.",
                self.gate, self.gate
            )),
            code => ApiError::unrecognized_client(format!(
                "The security token included in the request is invalid: STS answers {code}. Check the credentials that the token was made with."
            )),
        }
    }
}

/// That too many tokens wait to be checked.
pub(super) fn busy() -> ApiError {
    ApiError::unavailable("The STS token cannot be checked now: too many wait to be. Try again.")
}

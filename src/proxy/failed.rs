//! Calls upstream that failed as a whole.

use super::{Passage, handler::Reply};
use crate::{
    finding::{ApiError, Operation, outcome::UpstreamError},
    telemetry::events::UpstreamFailed,
    upstream::{Answer, Failure, may_have_happened},
};

/// What came of a call.
pub(super) type Outcome = Result<Answer, Failure>;

/// Why a call failed as a whole.
#[derive(Debug)]
pub(super) struct Failed {
    /// Upstream's HTTP status, or the one that its failure stands for.
    pub(super) status: u16,
    /// Upstream's error code; nothing where it gave none.
    pub(super) code: Option<String>,
    /// Upstream's message, or what went wrong.
    pub(super) message: String,
}

impl Failed {
    /// Why a call failed; nothing if it was answered with 200.
    pub(super) fn of(outcome: &Outcome) -> Option<Self> {
        let answer = match outcome {
            Ok(answer) => answer,
            Err(failure) => {
                let ApiError { status, code, message, .. } = failure.to_api_error();
                return Some(Self { status, code: Some(code.to_owned()), message });
            }
        };
        match answer.status {
            200 => None,
            status @ 400.. => {
                let UpstreamError { code, message } = answer.error();
                let message = message.unwrap_or_else(|| format!("the findings backend answered with status {status}"));
                Some(Self { status, code, message })
            }
            status => Some(Self {
                status: 502,
                code: None,
                message: format!(
                    "the findings backend answered with status {status}, which Security Hub's API does not have"
                ),
            }),
        }
    }

    /// A 200 that is no answer to its operation.
    pub(super) fn unreadable(operation: Operation, error: &serde_json::Error) -> Self {
        Self {
            status: 502,
            code: None,
            message: format!(
                "the findings backend answered 200 with a body that is no {operation} response ({error}); whether it made \
                 the changes is not known"
            ),
        }
    }
}

/// The first of several calls after which the change may have been made, if there is one. Where they failed alike, it is the one to
/// tell of: that nothing was sent would not be true of them all.
pub(super) fn most_doubtful(outcomes: &[Outcome]) -> Option<usize> {
    outcomes.iter().position(may_have_happened)
}

/// What the caller is told of a call that failed with this message: what the backend said, as it said it, where it is an answer of
/// the API.
pub(super) fn pass(outcome: Outcome, operation: Operation, message: String) -> Result<Reply, ApiError> {
    let answer = outcome.map_err(|failure| failure.to_api_error())?;
    if answer.status < 400 {
        return Err(ApiError::bad_upstream(message));
    }
    let mut reply = Reply::passed(answer, operation)?;
    reply.decided = true;
    Ok(reply)
}

/// Whether the gate itself held a call back: that is no event of its own. Callers over their quota are told, and may be many; and that
/// the backend is left alone, the log said when it began.
pub(super) fn is_own(outcome: &Outcome) -> bool {
    matches!(outcome, Err(Failure::OverQuota { .. } | Failure::Open { .. }))
}

/// Logs that the call failed that was last waited for.
pub(super) fn tell(passage: &Passage<'_>, operation: Operation, status: u16, reason: &str) {
    let (operation, status) = (operation.name(), Some(status));
    UpstreamFailed { request_id: passage.id.as_str(), operation, status, reason, elapsed: passage.since_wait() }.emit();
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use std::time::Duration;

    #[test]
    fn of_failures_that_are_alike_the_doubtful_one_is_told() {
        let late =
            |sent| Err(Failure::Timeout { host: "hub.example:443".to_owned(), after: Duration::from_secs(1), sent });
        let answer =
            |status| Ok(Answer { status, error_type: None, request_id: None, retry_after: None, body: Bytes::new() });
        for (outcomes, expected) in [
            (vec![late(false), late(true), late(true)], Some(1)),
            (vec![late(false), late(false)], None),
            (vec![answer(429), answer(429)], None),
            (vec![Err(Failure::Unreachable { host: String::new(), reason: String::new() }), answer(503)], Some(1)),
        ] {
            assert_eq!(most_doubtful(&outcomes), expected, "{outcomes:?}");
        }
    }
}

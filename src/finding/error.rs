//! Errors of a whole call, in the shape that every AWS SDK understands.

use super::Operation;
use serde::Serialize;
use std::time::Duration;

/// An error that answers a whole call.
///
/// SDKs look for the code in the header `x-amzn-ErrorType`, then in the body as `Code` or `__type`; none reads all three,
/// so all three are sent. SDKs retry 429 and every 5xx: a denial must be neither.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ApiError {
    /// The HTTP status.
    pub status: u16,
    /// The name of the error shape, such as `InvalidInputException`.
    pub code: &'static str,
    /// What is wrong, what was expected, what to do.
    pub message: String,
    /// After how many seconds to try again, where that is known: the header `Retry-After`.
    pub retry_after: Option<u64>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Body<'a> {
    #[serde(rename = "__type")]
    kind: &'a str,
    code: &'a str,
    message: &'a str,
}

impl ApiError {
    fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), retry_after: None }
    }

    /// 400: the request is not one that Security Hub's API has.
    pub fn invalid_input(message: impl Into<String>) -> Self {
        Self::new(400, "InvalidInputException", message)
    }

    /// 403: the caller may not do this.
    pub fn access_denied(message: impl Into<String>) -> Self {
        Self::new(403, "AccessDeniedException", message)
    }

    /// 403: the request carries no proof of who sends it.
    pub fn missing_authentication(message: impl Into<String>) -> Self {
        Self::new(403, "MissingAuthenticationTokenException", message)
    }

    /// 403: the `Authorization` header cannot be read.
    pub fn incomplete_signature(message: impl Into<String>) -> Self {
        Self::new(403, "IncompleteSignatureException", message)
    }

    /// 403: the signature does not match, or is too old, or is meant for another service or Region.
    pub fn invalid_signature(message: impl Into<String>) -> Self {
        Self::new(403, "InvalidSignatureException", message)
    }

    /// 403: the access key or the session token is not one that was issued.
    pub fn unrecognized_client(message: impl Into<String>) -> Self {
        Self::new(403, "UnrecognizedClientException", message)
    }

    /// 403: the proof was good, and its time is over.
    pub fn expired_token(message: impl Into<String>) -> Self {
        Self::new(403, "ExpiredTokenException", message)
    }

    /// 400: a presigned request is older than it may be, or of a time that has not come. (This is its name in AWS's "Common Errors",
    /// by which SDKs set their clocks.)
    pub fn request_expired(message: impl Into<String>) -> Self {
        Self::new(400, "RequestExpired", message)
    }

    /// 401: the caller's account has no access to Security Hub here.
    pub fn invalid_access(message: impl Into<String>) -> Self {
        Self::new(401, "InvalidAccessException", message)
    }

    /// 413: the body is larger than the gate reads.
    pub fn request_too_large(message: impl Into<String>) -> Self {
        Self::new(413, "RequestEntityTooLargeException", message)
    }

    /// 408: the client took too long to send its request.
    pub fn request_timeout(message: impl Into<String>) -> Self {
        Self::new(408, "RequestTimeoutException", message)
    }

    /// 429, as the service really throttles (the modelled `LimitExceededException` is not what comes).
    pub fn throttled() -> Self {
        Self::new(429, "TooManyRequestsException", "Too Many Requests")
    }

    /// 429: the gate itself holds the call back. The message begins with the words of the service.
    pub fn too_many_requests(message: impl Into<String>) -> Self {
        Self::new(429, "TooManyRequestsException", message)
    }

    /// 429: the account has as many of something as it may have. That SDKs try again on it is the API model's choice.
    pub fn limit_exceeded(message: impl Into<String>) -> Self {
        Self::new(429, "LimitExceededException", message)
    }

    /// An error that somebody else gave with a status and without a code.
    pub fn of_status(status: u16, message: impl Into<String>) -> Self {
        let code = match status {
            401 => "InvalidAccessException",
            403 => "AccessDeniedException",
            404 => "ResourceNotFoundException",
            413 => "RequestEntityTooLargeException",
            429 => "TooManyRequestsException",
            502 => "BadGatewayException",
            503 => "ServiceUnavailableException",
            504 => "GatewayTimeoutException",
            500.. => "InternalException",
            _ => "InvalidInputException",
        };
        Self::new(status, code, message)
    }

    /// 500: our own fault.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(500, "InternalException", message)
    }

    /// 502: the findings backend answered with something that is no answer.
    pub fn bad_upstream(message: impl Into<String>) -> Self {
        Self::new(502, "BadGatewayException", message)
    }

    /// 503: the findings backend cannot be reached, or the gate is stopping.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(503, "ServiceUnavailableException", message)
    }

    /// 504: the findings backend took too long. Whether it made the change is not known.
    pub fn upstream_timeout(message: impl Into<String>) -> Self {
        Self::new(504, "GatewayTimeoutException", message)
    }

    /// The same error, with the time after which to try again, rounded up to seconds.
    #[must_use]
    pub fn after(self, retry_after: Duration) -> Self {
        let seconds = retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0);
        Self { retry_after: Some(seconds), ..self }
    }

    /// The same error in the words of an operation. Those on OCSF have names of their own for it, and none for a call from an
    /// account that has no access but that it is denied (API model).
    #[must_use]
    pub fn in_words_of(self, operation: Operation) -> Self {
        if !matches!(operation, Operation::BatchUpdateFindingsV2 | Operation::GetFindingsV2) {
            return self;
        }
        let (status, code) = match self.code {
            "InvalidInputException" => (400, "ValidationException"),
            "InternalException" => (500, "InternalServerException"),
            "TooManyRequestsException" | "LimitExceededException" => (429, "ThrottlingException"),
            "InvalidAccessException" => (403, "AccessDeniedException"),
            code => (self.status, code),
        };
        Self { status, code, ..self }
    }

    /// The body: `{"__type":…,"Code":…,"Message":…}`.
    #[expect(clippy::missing_panics_doc, reason = "three strings always serialise")]
    pub fn body(&self) -> Vec<u8> {
        let body = Body { kind: self.code, code: self.code, message: &self.message };
        serde_json::to_vec(&body).expect("strings serialise")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_on_ocsf_have_their_own_words() {
        for (error, v2) in [
            (ApiError::invalid_input("m"), (400, "ValidationException")),
            (ApiError::internal("m"), (500, "InternalServerException")),
            (ApiError::throttled(), (429, "ThrottlingException")),
            (ApiError::invalid_access("m"), (403, "AccessDeniedException")),
            (ApiError::access_denied("m"), (403, "AccessDeniedException")),
            (ApiError::unavailable("m"), (503, "ServiceUnavailableException")),
        ] {
            for operation in Operation::ALL.iter().copied() {
                let said = error.clone().in_words_of(operation);
                let expected = if operation.name().ends_with("FindingsV2") { v2 } else { (error.status, error.code) };
                assert_eq!(((said.status, said.code), said.message), (expected, error.message.clone()), "{operation}");
            }
        }
    }

    #[test]
    fn the_time_to_wait_is_rounded_up_and_kept_in_other_words() {
        for (millis, seconds) in [(0, 0), (1, 1), (1000, 1), (1001, 2)] {
            let error = ApiError::too_many_requests("m").after(Duration::from_millis(millis));
            assert_eq!(error.in_words_of(Operation::GetFindingsV2).retry_after, Some(seconds));
        }
    }

    #[test]
    fn the_body_names_the_code_twice_and_escapes_the_message() {
        let error = ApiError::invalid_input("`Note.Text`: \"x\"\n");
        assert_eq!(
            String::from_utf8(error.body()).unwrap(),
            r#"{"__type":"InvalidInputException","Code":"InvalidInputException","Message":"`Note.Text`: \"x\"\n"}"#
        );
    }
}

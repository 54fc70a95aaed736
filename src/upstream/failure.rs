//! Why there is no answer.

use crate::finding::ApiError;
use std::time::Duration;

/// Why the backend gave no answer. `host` is its host and port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The exchange began and broke: the connection closed before the answer was whole, or what came was not HTTP.
    #[error("the findings backend {host} gave no valid answer: {reason}. Whether it made the change is not known")]
    Broken {
        /// Which backend.
        host: String,
        /// What happened.
        reason: String,
    },
    /// It took too long.
    #[error(
        "the findings backend {host} did not answer within {} s (`upstream.timeout`). {}",
        after.as_secs_f32(),
        if *sent { "Whether it made the change is not known" } else { "The request was not sent" }
    )]
    Timeout {
        /// Which backend.
        host: String,
        /// The limit.
        after: Duration,
        /// Whether any of the request may have reached it.
        sent: bool,
    },
    /// No connection could be made, so nothing was sent.
    #[error("the findings backend {host} cannot be reached: {reason}. The request was not sent")]
    Unreachable {
        /// Which backend.
        host: String,
        /// What happened.
        reason: String,
    },
}

impl Failure {
    /// What the caller is told: 502, 503 or 504. SDKs try again after these.
    pub fn to_api_error(&self) -> ApiError {
        let message = self.to_string();
        match self {
            Self::Broken { .. } => ApiError::bad_upstream(message),
            Self::Timeout { .. } => ApiError::upstream_timeout(message),
            Self::Unreachable { .. } => ApiError::unavailable(message),
        }
    }

    /// Whether the backend may have made the change. Only what was certainly not sent is `false`.
    pub fn may_have_happened(&self) -> bool {
        match self {
            Self::Broken { .. } => true,
            Self::Timeout { sent, .. } => *sent,
            Self::Unreachable { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caller_is_told_who_failed_and_whether_it_may_have_happened() {
        let host = || "hub.example:443".to_owned();
        let after = Duration::from_secs(30);
        for (failure, status, happened, told) in [
            (Failure::Broken { host: host(), reason: "x".into() }, 502, true, "is not known"),
            (Failure::Timeout { host: host(), after, sent: true }, 504, true, "within 30 s"),
            (Failure::Timeout { host: host(), after, sent: false }, 504, false, "was not sent"),
            (Failure::Unreachable { host: host(), reason: "x".into() }, 503, false, "was not sent"),
        ] {
            let error = failure.to_api_error();
            assert_eq!((error.status, failure.may_have_happened()), (status, happened));
            assert!(error.message.contains("hub.example:443") && error.message.contains(told), "{}", error.message);
        }
    }
}

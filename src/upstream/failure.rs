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
    /// The gate has no AWS credentials to sign with, or the backend does not accept them: nothing was done.
    #[error(
        "the gate has no AWS credentials for this request: {reason}. Nothing was done; whoever runs the gate must act"
    )]
    Credentials {
        /// Why, without secrets.
        reason: String,
    },
    /// The gate may not assume the role that requests of this account are made with.
    #[error(
        "the gate may not assume the role {role}, which requests of this account are made with. Nothing was sent. The role must \
         exist, and its trust policy must let the gate's own role do sts:AssumeRole, with sts:TagSession and \
         sts:SetSourceIdentity where the gate is configured to use them, and with the external id that the gate is configured with"
    )]
    RoleDenied {
        /// Its ARN.
        role: String,
    },
    /// STS takes no more requests for now.
    #[error(
        "AWS STS throttles the gate, which asked it for credentials of the role {role}. Nothing was sent: try again later"
    )]
    RoleThrottled {
        /// Its ARN.
        role: String,
    },
}

impl Failure {
    /// What the caller is told: 502, 503 or 504, or 429 of STS, after which SDKs try again; or 403, after which they do not.
    pub fn to_api_error(&self) -> ApiError {
        let message = self.to_string();
        match self {
            Self::Broken { .. } => ApiError::bad_upstream(message),
            Self::Timeout { .. } => ApiError::upstream_timeout(message),
            Self::Unreachable { .. } | Self::Credentials { .. } => ApiError::unavailable(message),
            Self::RoleDenied { .. } => ApiError::access_denied(message),
            Self::RoleThrottled { .. } => ApiError::of_status(429, message),
        }
    }

    /// Whether the backend may have made the change. Only what was certainly not sent is `false`.
    pub fn may_have_happened(&self) -> bool {
        match self {
            Self::Broken { .. } => true,
            Self::Timeout { sent, .. } => *sent,
            Self::Unreachable { .. }
            | Self::Credentials { .. }
            | Self::RoleDenied { .. }
            | Self::RoleThrottled { .. } => false,
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

    #[test]
    fn what_cannot_be_signed_was_not_sent() {
        let role = || "arn:aws:iam::222222222222:role/gate".to_owned();
        for (failure, status, code, told) in [
            (Failure::Credentials { reason: "no token".into() }, 503, "ServiceUnavailableException", "no token"),
            (Failure::RoleDenied { role: role() }, 403, "AccessDeniedException", "trust policy"),
            (Failure::RoleThrottled { role: role() }, 429, "TooManyRequestsException", "try again later"),
        ] {
            let error = failure.to_api_error();
            assert_eq!((error.status, error.code, failure.may_have_happened()), (status, code, false));
            assert!(error.message.contains(told) && error.message.contains("Nothing was "), "{}", error.message);
            assert_eq!(error.message.contains(&role()), status != 503);
        }
    }
}

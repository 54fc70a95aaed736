//! Why there is no answer.

use super::pace::Rate;
use crate::finding::{AccountId, ApiError, Operation};
use jiff::Timestamp;
use std::{sync::Arc, time::Duration};

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
    /// The gate itself left the backend alone: it has failed again and again (the circuit breaker is open).
    #[error(
        "the findings backend {host} has failed again and again since {since:.0} ({why}), and the gate leaves it alone for a \
         while. The request was not sent; try again after {} s",
        seconds(*retry_after)
    )]
    Open {
        /// Which backend.
        host: String,
        /// When the gate began to leave it alone.
        since: Timestamp,
        /// The failure that was the last straw.
        why: Arc<str>,
        /// When it is worth trying again.
        retry_after: Duration,
    },
    /// The gate itself held the call back: there are more calls than the quota allows, and this account has its share of them, or
    /// it would have waited too long for its turn.
    #[error(
        "Too Many Requests: the quota for {operation} is {} calls a second, {} at once, and the share of account {account} is used \
         up for now (`quota`). The request was not sent; try again after {} s, and rather make fewer calls with more in each",
        rate.rate, rate.burst, seconds(*retry_after)
    )]
    OverQuota {
        /// What was asked for.
        operation: Operation,
        /// The account that the call was made for.
        account: AccountId,
        /// The quota.
        rate: Rate,
        /// When it is worth trying again.
        retry_after: Duration,
    },
    /// The answer has more bytes than the gate reads.
    #[error(
        "the findings backend {host} gave no valid answer: its answer is larger than {limit} bytes. Whether it made the change is \
         not known"
    )]
    TooLarge {
        /// Which backend.
        host: String,
        /// The limit.
        limit: usize,
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
    /// What the caller is told: 429, 502, 503 or 504, after which SDKs try again; or 403, after which they do not.
    pub fn to_api_error(&self) -> ApiError {
        let message = self.to_string();
        match self {
            Self::Broken { .. } | Self::TooLarge { .. } => ApiError::bad_upstream(message),
            Self::OverQuota { retry_after, .. } => ApiError::too_many_requests(message).after(*retry_after),
            Self::Open { retry_after, .. } => ApiError::unavailable(message).after(*retry_after),
            Self::Timeout { .. } => ApiError::upstream_timeout(message),
            Self::Unreachable { .. } | Self::Credentials { .. } => ApiError::unavailable(message),
            Self::RoleDenied { .. } => ApiError::access_denied(message),
            Self::RoleThrottled { .. } => ApiError::of_status(429, message),
        }
    }

    /// Whether the backend may have made the change. Only what was certainly not sent is `false`.
    pub fn may_have_happened(&self) -> bool {
        match self {
            Self::Broken { .. } | Self::TooLarge { .. } => true,
            Self::Timeout { sent, .. } => *sent,
            Self::Unreachable { .. }
            | Self::Credentials { .. }
            | Self::Open { .. }
            | Self::OverQuota { .. }
            | Self::RoleDenied { .. }
            | Self::RoleThrottled { .. } => false,
        }
    }
}

/// Whole seconds, rounded up: who comes a moment too early has come in vain.
fn seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
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
            assert_eq!(error.retry_after, None);
        }
        let limit = Failure::TooLarge { host: host(), limit: 1000 };
        assert_eq!((limit.to_api_error().status, limit.may_have_happened()), (502, true));
    }

    #[test]
    fn what_the_gate_held_back_says_why_and_when_to_come_again() {
        let retry_after = Duration::from_millis(1200);
        let over = Failure::OverQuota {
            operation: Operation::GetFindings,
            account: "222222222222".parse().unwrap(),
            rate: Rate::new(3, 6),
            retry_after,
        };
        let since = "2026-02-03T04:05:06.789Z".parse().unwrap();
        let open = Failure::Open { host: "hub.example:443".into(), since, why: "it is down".into(), retry_after };
        for (failure, status, code, told) in [
            (
                over,
                429,
                "TooManyRequestsException",
                "Too Many Requests: the quota for GetFindings is 3 calls a second, 6 at once, and the share of account 222222222222 is \
                 used up for now (`quota`). The request was not sent; try again after 2 s, and rather make fewer calls with more in \
                 each",
            ),
            (
                open,
                503,
                "ServiceUnavailableException",
                "the findings backend hub.example:443 has failed again and again since 2026-02-03T04:05:06Z (it is down), and the gate \
                 leaves it alone for a while. The request was not sent; try again after 2 s",
            ),
        ] {
            let error = failure.to_api_error();
            assert_eq!((error.status, error.code, &*error.message), (status, code, told));
            assert_eq!((error.retry_after, failure.may_have_happened()), (Some(2), false));
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

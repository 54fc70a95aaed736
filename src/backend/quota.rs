//! Request quotas: a token bucket for each account and operation (API model, "Throttling").

use crate::finding::{AccountId, Operation};
use jiff::Timestamp;
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// The buckets in use. At most one for each account of the fleet and each operation, as nobody else gets this far.
#[derive(Debug, Default)]
pub(super) struct Quotas {
    buckets: Mutex<HashMap<(AccountId, Operation), Bucket>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Timestamp,
}

impl Quotas {
    /// Takes one request from the account's quota, or says that none is left.
    pub(super) fn take(&self, account: AccountId, operation: Operation, now: Timestamp) -> bool {
        let (rate, burst) = limits(operation);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.entry((account, operation)).or_insert(Bucket { tokens: burst, at: now });
        // A clock that steps back refills nothing.
        let elapsed = now.duration_since(bucket.at).as_secs_f64().max(0.0);
        bucket.tokens = (bucket.tokens + elapsed * rate).min(burst);
        bucket.at = bucket.at.max(now);
        let granted = bucket.tokens >= 1.0;
        if granted {
            bucket.tokens -= 1.0;
        }
        granted
    }
}

/// Requests a second, and how many may come at once.
fn limits(operation: Operation) -> (f64, f64) {
    match operation {
        Operation::GetFindings => (3.0, 6.0),
        _ => (10.0, 30.0), // "every other operation"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;

    #[test]
    fn a_burst_then_the_rate() {
        let (account, other) = (AccountId::parse("111111111111").unwrap(), AccountId::parse("222222222222").unwrap());
        let start: Timestamp = "2024-01-01T00:00:00Z".parse().unwrap();
        for operation in Operation::ALL.iter().copied() {
            let (rate, burst) = if operation == Operation::GetFindings { (3, 6) } else { (10, 30) };
            let quotas = Quotas::default();
            let granted = |account, at| (0..100).filter(|_| quotas.take(account, operation, at)).count();
            assert_eq!(granted(account, start), burst, "{operation}");
            assert_eq!(granted(other, start), burst, "{operation}: another account has its own");
            let second = start + SignedDuration::from_secs(1);
            assert_eq!(granted(account, second), rate, "{operation}");
            assert_eq!(granted(account, start), 0, "{operation}: the clock steps back");
            assert_eq!(granted(account, start + SignedDuration::from_hours(1)), burst, "{operation}");
        }
    }
}

//! Which calls are made again, when, and how many of them.
//!
//! The shape is that of AWS's SDKs in their standard mode: exponential backoff with full jitter, few attempts, and a budget, so that
//! a backend that fails gets little more to do than before. Two things are stricter here. A call is made again only where that
//! cannot do what its caller did not ask for ([`why`]); and the gate waits a short time at most, since its client waits, too, and
//! has retries of its own.

use super::{Answer, Failure, pace::Bucket};
use crate::{finding::Operation, telemetry::metrics::Again};
use http::HeaderValue;
use jiff::{Timestamp, fmt::rfc2822};
use std::{
    num::NonZeroU32,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::time::Instant;

/// The most that is waited before the second attempt, and twice as much before each further one (AWS's standard mode: 50 ms).
const BASE: Duration = Duration::from_millis(50);
/// The same where the backend refused the call for its quota (AWS's standard mode: 1 s).
const BASE_THROTTLED: Duration = Duration::from_secs(1);
/// The most that is waited before an attempt. Where the backend says to wait longer, the client is told so instead.
const LONGEST: Duration = Duration::from_secs(2);

/// A retry, in the units of the budget.
const RETRY: u32 = 100;
/// The most that calls save up: a hundred retries.
const MOST_SAVED: u32 = 100 * RETRY;
/// Retries that there are in any case: one a second, ten at once. With little traffic, nothing is saved up to speak of.
const FLOOR: (NonZeroU32, NonZeroU32) = (NonZeroU32::MIN, NonZeroU32::MIN.saturating_add(9));

/// A day of the week that does not fit its date says nothing of the date.
const DATES: rfc2822::DateTimeParser = rfc2822::DateTimeParser::new().relaxed_weekday(true);

/// What the API says when a quota is used up: the modelled name, what really comes, and that of the newer operations.
const THROTTLED: [&str; 3] = ["LimitExceededException", "TooManyRequestsException", "ThrottlingException"];

/// How calls are made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetrySettings {
    /// Attempts of a call in all; one for none again.
    pub attempts: NonZeroU32,
    /// Which updates are made again.
    pub updates: RepeatUpdates,
    /// Retries for a hundred calls, besides those that there are in any case.
    pub budget: u32,
}

impl Default for RetrySettings {
    fn default() -> Self {
        let attempts = NonZeroU32::MIN.saturating_add(2);
        Self { attempts, updates: RepeatUpdates::Safe, budget: 20 }
    }
}

/// Whether an update is made again that may have happened.
///
/// The same update twice leaves a finding as once, but for the time of its note and a second entry in its history. But between the two,
/// somebody else may have changed the finding, and the second one would undo that; and a policy that looked at the finding has
/// allowed one change and not two. Only who runs the gate can tell whether that matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepeatUpdates {
    /// Only what certainly did not happen is made again.
    Safe,
    /// What may have happened is made again, too.
    Idempotent,
}

/// Why a call should be made again; nothing if it should not, or must not.
pub(super) fn why(operation: Operation, outcome: &Result<Answer, Failure>, updates: RepeatUpdates) -> Option<Again> {
    let unless_it_happened = |why| repeats(operation, updates).then_some(why);
    match outcome {
        Ok(answer) if is_throttled(operation, answer) => Some(Again::Throttled),
        Ok(Answer { status: 500 | 502 | 503 | 504, .. }) => unless_it_happened(Again::Error),
        // The gate itself held the call back, or could not sign it, or the answer was too large: that would only happen again.
        Ok(_)
        | Err(
            Failure::OverQuota { .. }
            | Failure::Open { .. }
            | Failure::TooLarge { .. }
            | Failure::Credentials { .. }
            | Failure::RoleDenied { .. }
            | Failure::RoleThrottled { .. },
        ) => None,
        Err(failure) if !failure.may_have_happened() => Some(Again::Unsent),
        Err(_) => unless_it_happened(Again::Unknown),
    }
}

/// Whether an operation may be carried out twice.
fn repeats(operation: Operation, updates: RepeatUpdates) -> bool {
    match operation {
        // Of an import whose UpdatedAt is not later, Security Hub takes no notice (guide, "BatchImportFindings").
        Operation::GetFindings
        | Operation::GetFindingsV2
        | Operation::BatchGetAutomationRules
        | Operation::ListAutomationRules
        | Operation::BatchImportFindings => true,
        Operation::BatchUpdateFindings | Operation::BatchUpdateFindingsV2 | Operation::BatchUpdateAutomationRules => {
            updates == RepeatUpdates::Idempotent
        }
        // There would be two rules; and what is gone cannot go again.
        Operation::CreateAutomationRule | Operation::BatchDeleteAutomationRules => false,
    }
}

/// Whether the backend refused a call for its quota, and did not carry it out.
pub(super) fn is_throttled(operation: Operation, answer: &Answer) -> bool {
    if !(400..500).contains(&answer.status) {
        return false;
    }
    match answer.error().code.as_deref() {
        // The account has as many rules as it may have. No waiting helps.
        Some("LimitExceededException") if operation == Operation::CreateAutomationRule => false,
        Some(code) => answer.status == 429 || THROTTLED.contains(&code),
        None => answer.status == 429,
    }
}

/// How long to wait before the next attempt, of which `made` were made; nothing if the backend wants to be left alone for longer than
/// is waited here. `random` is at least 0 and less than 1.
pub(super) fn delay(made: u32, why: Again, after: Option<Duration>, random: f64) -> Option<Duration> {
    let base = if why == Again::Throttled { BASE_THROTTLED } else { BASE };
    let most = base.saturating_mul(1 << made.saturating_sub(1).min(16)).min(LONGEST);
    match after {
        None => Some(most.mul_f64(random)),
        // Not before that, and not all at the same moment after it.
        Some(after) if after <= LONGEST => Some(after + BASE.mul_f64(random)),
        Some(_) => None,
    }
}

/// The time that the header `Retry-After` says to wait: seconds, or a date (RFC 9110, section 10.2.3). What is neither says nothing.
pub(super) fn retry_after(header: &HeaderValue, now: Timestamp) -> Option<Duration> {
    let text = header.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = DATES.parse_timestamp(text).ok()?;
    Some(Duration::try_from(date.duration_since(now)).unwrap_or(Duration::ZERO))
}

/// How many calls may be made again. One for all workers of a gate.
///
/// Each call saves a part of a retry, each retry takes a whole one. While nothing fails, a call costs the look at one number.
#[derive(Debug)]
pub(super) struct Budget {
    by_call: u32,
    saved: AtomicU32,
    floor: Mutex<Bucket>,
}

impl Budget {
    /// A budget of `percent` retries for a hundred calls.
    pub(super) fn new(percent: u32, now: Instant) -> Self {
        let floor = Mutex::new(Bucket::new(FLOOR.0, FLOOR.1, now));
        Self { by_call: percent.saturating_mul(RETRY) / 100, saved: AtomicU32::new(0), floor }
    }

    /// A call is made.
    pub(super) fn save(&self) {
        // Threads that do this at the same time may exceed the bound by as many parts.
        if self.saved.load(Relaxed) < MOST_SAVED {
            self.saved.fetch_add(self.by_call, Relaxed);
        }
    }

    /// Takes a retry; `false` if there is none.
    pub(super) fn spend(&self, now: Instant) -> bool {
        self.saved.fetch_update(Relaxed, Relaxed, |saved| saved.checked_sub(RETRY)).is_ok()
            || self.floor.lock().unwrap_or_else(PoisonError::into_inner).take(now).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use RepeatUpdates::{Idempotent, Safe};
    use bytes::Bytes;

    fn answer(status: u16, code: Option<&str>) -> Answer {
        let error_type = code.map(str::to_owned);
        Answer { status, error_type, request_id: None, retry_after: None, body: Bytes::new() }
    }

    fn host() -> String {
        "hub.example:443".to_owned()
    }

    fn reason() -> String {
        "x".to_owned()
    }

    #[test]
    fn what_was_certainly_not_carried_out_is_made_again_for_every_operation() {
        let cases = [
            (Err(Failure::Unreachable { host: host(), reason: reason() }), Again::Unsent),
            (Err(Failure::Timeout { host: host(), after: LONGEST, sent: false }), Again::Unsent),
            (Ok(answer(429, None)), Again::Throttled),
            (Ok(answer(429, Some("TooManyRequestsException"))), Again::Throttled),
            (Ok(answer(400, Some("ThrottlingException"))), Again::Throttled),
        ];
        for operation in Operation::ALL.iter().copied() {
            for (outcome, expected) in &cases {
                assert_eq!(why(operation, outcome, Safe), Some(*expected), "{operation} {outcome:?}");
            }
            let limit = Ok(answer(429, Some("LimitExceededException")));
            let expected = (operation != Operation::CreateAutomationRule).then_some(Again::Throttled);
            assert_eq!(why(operation, &limit, Safe), expected, "{operation}");
        }
    }

    #[test]
    fn what_may_have_happened_is_made_again_only_where_twice_is_as_good_as_once() {
        let broken = Err(Failure::Broken { host: host(), reason: reason() });
        let late = Err(Failure::Timeout { host: host(), after: LONGEST, sent: true });
        let mut outcomes = vec![(broken, Again::Unknown), (late, Again::Unknown)];
        outcomes.extend([500, 502, 503, 504].map(|status| (Ok(answer(status, None)), Again::Error)));
        for operation in Operation::ALL.iter().copied() {
            let name = operation.name();
            let (safe, idempotent) = match name {
                "BatchImportFindings" => (true, true),
                "CreateAutomationRule" | "BatchDeleteAutomationRules" => (false, false),
                _ if name.contains("Update") => (false, true),
                _ => (true, true),
            };
            for (outcome, reason) in &outcomes {
                for (updates, expected) in [(Safe, safe), (Idempotent, idempotent)] {
                    let expected = expected.then_some(*reason);
                    assert_eq!(why(operation, outcome, updates), expected, "{operation} {updates:?} {outcome:?}");
                }
            }
        }
    }

    #[test]
    fn answers_and_refusals_of_the_gate_are_final() {
        let rate = super::super::Rate::new(1, 1);
        let own = [
            Failure::OverQuota {
                operation: Operation::GetFindings,
                account: "222222222222".parse().unwrap(),
                rate,
                retry_after: LONGEST,
            },
            Failure::Open { host: host(), since: Timestamp::UNIX_EPOCH, why: "x".into(), retry_after: LONGEST },
            Failure::TooLarge { host: host(), limit: 1 },
            Failure::Credentials { reason: reason() },
            Failure::RoleDenied { role: reason() },
            Failure::RoleThrottled { role: reason() },
        ];
        let answers = [200, 400, 401, 403, 404, 413, 501].map(|status| answer(status, Some("InvalidInputException")));
        for outcome in own.into_iter().map(Err).chain(answers.map(Ok)) {
            assert_eq!(why(Operation::GetFindings, &outcome, Idempotent), None, "{outcome:?}");
        }
    }

    #[test]
    fn the_wait_grows_within_its_bounds() {
        let millis = Duration::from_millis;
        for (made, why, after, random, expected) in [
            (1, Again::Error, None, 0.0, Some(0)),
            (1, Again::Error, None, 0.5, Some(25)),
            (2, Again::Unsent, None, 0.5, Some(50)),
            (3, Again::Unknown, None, 0.5, Some(100)),
            (9, Again::Error, None, 0.5, Some(1000)),
            (u32::MAX, Again::Error, None, 0.5, Some(1000)),
            (1, Again::Throttled, None, 0.5, Some(500)),
            (2, Again::Throttled, None, 0.5, Some(1000)),
            (1, Again::Throttled, Some(0), 0.5, Some(25)),
            (1, Again::Throttled, Some(1000), 0.0, Some(1000)),
            (1, Again::Error, Some(2000), 0.5, Some(2025)),
            (1, Again::Throttled, Some(2001), 0.0, None),
        ] {
            assert_eq!(delay(made, why, after.map(millis), random), expected.map(millis), "{made} {why:?} {after:?}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now: Timestamp = "1994-11-06T08:49:30Z".parse().unwrap();
        for (text, expected) in [
            ("0", Some(0)),
            ("120", Some(120)),
            (" 7 ", Some(7)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(7)),
            ("Sun, 06 Nov 1994 08:49:00 GMT", Some(0)),
            ("Mon, 06 Nov 1994 08:49:37 GMT", Some(7)),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
        ] {
            let header = HeaderValue::from_static(text);
            assert_eq!(retry_after(&header, now), expected.map(Duration::from_secs), "{text}");
        }
        assert_eq!(retry_after(&HeaderValue::from_bytes(b"\xff").unwrap(), now), None);
    }

    #[test]
    fn the_budget_is_a_part_of_the_calls_and_a_few_more() {
        let now = Instant::now();
        let spent = |budget: &Budget, now| (0..1000).take_while(|_| budget.spend(now)).count();
        let budget = Budget::new(20, now);
        assert_eq!(spent(&budget, now), 10, "there are some in any case");
        for _ in 0..50 {
            budget.save();
        }
        assert_eq!(spent(&budget, now), 10, "20 of 100 calls");
        assert_eq!(spent(&budget, now + Duration::from_secs(3)), 3, "and one a second");
        for _ in 0..100_000 {
            budget.save();
        }
        assert_eq!(spent(&budget, now + Duration::from_secs(3)), 100, "no more is saved up");
        let budget = Budget::new(0, now);
        budget.save();
        assert_eq!(spent(&budget, now), 10);
    }
}

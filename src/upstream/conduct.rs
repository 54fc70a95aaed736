//! How a call is made: at the pace of its quota, past the circuit breaker, and again if that may help.

use super::{
    Answer, Call, Failure, Kind,
    breaker::{Admitted, Breaker, BreakerSettings, Failed, Held, Turned},
    may_have_happened,
    pace::{Lane, OverQuota, Pace, QuotaSettings},
    retry::{self, Budget, RetrySettings},
};
use crate::telemetry::{
    events::{BreakerClosed, BreakerOpened},
    metrics::{Circuit, Exchange, Metrics, UpstreamMetrics},
};
use jiff::Timestamp;
use std::{mem, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};

/// How calls to one backend are made.
#[derive(Debug, Clone)]
pub struct ConductSettings {
    /// The backend's name in messages: its host and port.
    pub host: String,
    /// Its Region, by which it is counted.
    pub region: String,
    /// Time for a call in all: waiting for its quota, all attempts, and the waits between them.
    pub timeout: Duration,
    /// The quotas to keep to; none where the backend has none.
    pub quota: Option<QuotaSettings>,
    /// What is made again.
    pub retry: RetrySettings,
    /// When it is left alone; nothing for never.
    pub breaker: Option<BreakerSettings>,
}

/// What all workers share about one backend.
///
/// While the backend is well and there is no quota to keep to, a call takes no lock and no memory here.
#[derive(Debug)]
pub(super) struct Conduct {
    host: String,
    region: String,
    timeout: Duration,
    pace: Option<Pace>,
    retry: RetrySettings,
    budget: Budget,
    breaker: Option<Breaker>,
    metrics: Arc<UpstreamMetrics>,
}

/// Time that is held back for an exchange, or half of the call's time where that is less: an attempt that begins just before the
/// deadline would only leave open whether the change was made.
const EXCHANGE: Duration = Duration::from_secs(1);

/// One call that is to be made, by its deadline.
#[derive(Clone, Copy)]
struct Course<'c> {
    kind: &'c Kind,
    call: &'c Call,
    lane: Lane,
    deadline: Instant,
    /// No attempt waits for longer than this.
    latest: Instant,
    /// A backend that was given less time and did not answer need not be unwell.
    fair: Duration,
}

impl Conduct {
    pub(super) fn new(settings: ConductSettings, metrics: &Metrics) -> Self {
        let ConductSettings { host, region, timeout, quota, retry, breaker } = settings;
        let metrics = metrics.upstream(&region);
        Self {
            pace: quota.map(|quota| Pace::new(quota, Arc::clone(&metrics))),
            budget: Budget::new(retry.budget, Instant::now()),
            breaker: breaker.map(Breaker::new),
            host,
            region,
            timeout,
            retry,
            metrics,
        }
    }

    /// Makes a call, which waits for its turn in `lane`, and is over by `by` if its time is not over before.
    pub(super) async fn call(
        &self,
        kind: &Kind,
        call: &Call,
        lane: Lane,
        by: Option<Instant>,
    ) -> Result<Answer, Failure> {
        let began = Instant::now();
        let time = by.map_or(self.timeout, |by| self.timeout.min(by.saturating_duration_since(began)));
        let deadline = began + time;
        // Where the gate itself has less patience than the settings, a second is what a backend that is well needs at the most.
        let fair = if by.is_some() { EXCHANGE.min(self.timeout / 2) } else { self.timeout / 2 };
        let course = Course { kind, call, lane, deadline, latest: deadline - EXCHANGE.min(time / 2), fair };
        self.budget.save();
        let outcome = self.attempt(course, began).await;
        if outcome.as_ref().is_ok_and(|answer| answer.status < 400) {
            return outcome;
        }
        // Seldom, and large: in a box, so that every other call is a small future.
        Box::pin(self.again(course, outcome)).await
    }

    /// Makes further attempts, as long as the last outcome is one that they may better.
    async fn again(&self, course: Course<'_>, mut outcome: Result<Answer, Failure>) -> Result<Answer, Failure> {
        let operation = course.call.operation;
        // After this one, the change may have been made.
        let mut doubtful = None;
        for made in 1..self.retry.attempts.get() {
            let Some(why) = retry::why(operation, &outcome, self.retry.updates) else { break };
            let header = outcome.as_ref().ok().and_then(|answer| answer.retry_after.as_ref());
            let after = header.and_then(|header| retry::retry_after(header, Timestamp::now()));
            let Some(delay) = retry::delay(made, why, after, random()) else { break };
            if Instant::now() + delay >= course.latest {
                break;
            }
            if !self.budget.spend(Instant::now()) {
                self.metrics.budget_exhausted();
                break;
            }
            sleep(delay).await;
            match self.attempt(course, Instant::now()).await {
                // The gate held it back: what the backend said before tells more.
                Err(Failure::OverQuota { .. } | Failure::Open { .. }) => break,
                next => {
                    self.metrics.retried(operation, why);
                    let last = mem::replace(&mut outcome, next);
                    if may_have_happened(&last) {
                        doubtful = Some(last);
                    }
                }
            }
        }
        match (outcome, doubtful) {
            // Of the last attempt nothing was sent. Of the whole call, that would not be true.
            (Err(failure), Some(doubtful)) if !failure.may_have_happened() => doubtful,
            (outcome, _) => outcome,
        }
    }

    /// Makes one attempt, if the circuit breaker and the quota let it.
    async fn attempt(&self, course: Course<'_>, now: Instant) -> Result<Answer, Failure> {
        let operation = course.call.operation;
        if let Some(held) = self.breaker.as_ref().and_then(|breaker| breaker.held(now)) {
            return Err(self.open(held));
        }
        let (pass, now) = match &self.pace {
            None => (None, now),
            Some(pace) => {
                let pass = Box::pin(pace.pass(operation, course.call.account, course.lane, course.latest));
                (Some(pass.await.map_err(|over| over_quota(course, over))?), Instant::now())
            }
        };
        // It may have opened meanwhile; and who waits for a turn must not be the one that is sent to see.
        let admitted = match self.breaker.as_ref().map(|breaker| breaker.admit(now)) {
            None => None,
            Some(Ok(admitted)) => Some(admitted),
            Some(Err(held)) => return Err(self.open(held)),
        };
        if admitted.as_ref().is_some_and(Admitted::is_probe) {
            self.metrics.circuit(Circuit::Probing);
        }
        let outcome = course.kind.exchange(course.call, now, course.deadline).await;
        self.metrics.exchanged(operation, exchange(course, &outcome), now.elapsed());
        if let Some(pass) = pass {
            let throttled = outcome.as_ref().is_ok_and(|answer| retry::is_throttled(operation, answer));
            pass.answered(now, throttled);
        }
        if let Some(admitted) = admitted {
            self.tell(admitted, &outcome, course.deadline.saturating_duration_since(now), course.fair);
        }
        outcome
    }

    /// Tells the breaker what came of an attempt, for which there was this much time.
    fn tell(&self, admitted: Admitted<'_>, outcome: &Result<Answer, Failure>, time: Duration, fair: Duration) {
        let why: &dyn Fn() -> String = match outcome {
            // The caller can make it too large as often as it likes; the backend is well.
            Err(Failure::TooLarge { .. }) => return self.turned(admitted.succeeded(), ""),
            // It was not asked.
            Err(Failure::Credentials { .. } | Failure::RoleDenied { .. } | Failure::RoleThrottled { .. }) => return,
            Err(Failure::Timeout { .. }) if time < fair => return,
            Err(Failure::Timeout { .. }) if time < self.timeout / 2 => {
                &|| format!("it did not answer a look-up within {:.1} s", time.as_secs_f32())
            }
            Err(failure) => &|| failure.to_string(),
            Ok(answer) if answer.status >= 500 => &|| format!("it answered with status {}", answer.status),
            Ok(_) => return self.turned(admitted.succeeded(), ""),
        };
        self.turned(admitted.failed(Failed { now: Instant::now(), why, random: random() }), &why());
    }

    fn turned(&self, turned: Option<Turned>, why: &str) {
        let (host, region) = (&*self.host, &*self.region);
        match turned {
            None => {}
            Some(Turned::Open(pause)) => {
                self.metrics.circuit(Circuit::Open);
                self.metrics.opened();
                BreakerOpened { host, region, reason: why, pause }.emit();
            }
            Some(Turned::Closed) => {
                self.metrics.circuit(Circuit::Closed);
                BreakerClosed { host, region }.emit();
            }
        }
    }

    fn open(&self, held: Held) -> Failure {
        self.metrics.held_back();
        let Held { since, why, retry_after } = held;
        Failure::Open { host: self.host.clone(), since, why, retry_after }
    }
}

fn over_quota(course: Course<'_>, over: OverQuota) -> Failure {
    let OverQuota { rate, retry_after } = over;
    Failure::OverQuota { operation: course.call.operation, account: course.call.account, rate, retry_after }
}

/// What an outcome is counted as.
fn exchange(course: Course<'_>, outcome: &Result<Answer, Failure>) -> Exchange {
    match outcome {
        Ok(Answer { status: 200, .. }) => Exchange::Success,
        Ok(Answer { status: 500.., .. }) => Exchange::Error,
        Ok(answer) if retry::is_throttled(course.call.operation, answer) => Exchange::Throttled,
        Ok(_) => Exchange::Refused,
        Err(Failure::Timeout { .. }) => Exchange::Timeout,
        Err(Failure::Unreachable { .. } | Failure::OverQuota { .. } | Failure::Open { .. }) => Exchange::Unreachable,
        Err(Failure::Broken { .. } | Failure::TooLarge { .. }) => Exchange::Broken,
        Err(Failure::Credentials { .. } | Failure::RoleDenied { .. } | Failure::RoleThrottled { .. }) => {
            Exchange::Unsigned
        }
    }
}

/// A number from 0 to 1, without 1. Where the system gives none, it is 0.5: jitter is a courtesy.
fn random() -> f64 {
    let mut bytes = [0; 4];
    match aws_lc_rs::rand::fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_ne_bytes(bytes)) / (f64::from(u32::MAX) + 1.0),
        Err(_) => 0.5,
    }
}

//! Calls that are made again, held back, or not made at all.

use super::*;
use crate::telemetry::metrics::Metrics;
use std::{
    collections::VecDeque,
    num::{NonZeroU32, NonZeroUsize},
    sync::Mutex,
};
use tokio::runtime;

const READ: Operation = Operation::GetFindings;
const UPDATE: Operation = Operation::BatchUpdateFindings;
const CREATE: Operation = Operation::CreateAutomationRule;

fn plain() -> ConductSettings {
    ConductSettings {
        host: "hub.example:443".to_owned(),
        region: "eu-west-1".to_owned(),
        timeout: PATIENCE,
        quota: None,
        retry: RetrySettings::default(),
        breaker: None,
    }
}

fn attempts(attempts: u32) -> RetrySettings {
    RetrySettings { attempts: NonZeroU32::new(attempts).unwrap(), ..RetrySettings::default() }
}

fn breaker(failures: usize, pause: Duration) -> BreakerSettings {
    BreakerSettings { failures: NonZeroUsize::new(failures).unwrap(), pause }
}

fn error(status: &str, header: &str) -> Then {
    Then::Answer(format!("HTTP/1.1 {status}\r\n{header}Content-Length: 2\r\n\r\n{{}}"))
}

fn fine() -> Then {
    Then::Answer(OK.into())
}

async fn ask_for(upstream: &Upstream, operation: Operation) -> Result<Answer, Failure> {
    soon(upstream.call(Call { operation, ..call("x") })).await
}

/// How many requests came so far.
fn came(backend: &mut Backend) -> usize {
    let mut count = 0;
    while backend.requests.try_recv().is_ok() {
        count += 1;
    }
    count
}

#[track_caller]
fn counted(metrics: &Metrics, line: &str) {
    let text = metrics.encode();
    assert!(text.lines().any(|written| written == line), "{line} is not in\n{text}");
}

#[tokio::test]
async fn throttled_and_then_fine() {
    for (operation, refusal) in [
        (UPDATE, error("429 Slow", "Retry-After: 0\r\n")),
        (CREATE, error("429 Slow", "x-amzn-errortype: TooManyRequestsException\r\nRetry-After: 0\r\n")),
        (READ, error("400 Bad", "x-amzn-errortype: ThrottlingException:http://x/\r\nRetry-After: 0\r\n")),
    ] {
        let mut backend = Backend::start([refusal.clone(), refusal, fine()]).await;
        let metrics = Metrics::new();
        let upstream = Upstream::http(backend.settings()).unwrap().conducted(plain(), &metrics);
        assert_eq!(ask_for(&upstream, operation).await.unwrap().status, 200);
        assert_eq!((came(&mut backend), backend.connections()), (3, 1));
        let series = format!("{{region=\"eu-west-1\",operation=\"{operation}\"");
        counted(&metrics, &format!("findings_gate_upstream_retries_total{series},reason=\"throttled\"}} 2"));
        counted(&metrics, &format!("findings_gate_upstream_calls_total{series},outcome=\"throttled\"}} 2"));
        counted(&metrics, &format!("findings_gate_upstream_calls_total{series},outcome=\"success\"}} 1"));
        counted(&metrics, &format!("findings_gate_upstream_call_duration_seconds_count{series}}} 3"));
    }
}

#[tokio::test]
async fn an_error_and_then_fine_only_where_twice_is_as_good_as_once() {
    for (operation, updates, again) in [
        (READ, RepeatUpdates::Safe, true),
        (Operation::BatchImportFindings, RepeatUpdates::Safe, true),
        (UPDATE, RepeatUpdates::Safe, false),
        (UPDATE, RepeatUpdates::Idempotent, true),
        (CREATE, RepeatUpdates::Idempotent, false),
    ] {
        for failure in [error("500 Oops", ""), error("503 Busy", ""), Then::Close("HTTP/1.1 200".into())] {
            let mut backend = Backend::start([failure, fine()]).await;
            let settings = ConductSettings { retry: RetrySettings { updates, ..attempts(3) }, ..plain() };
            let upstream = Upstream::http(backend.settings()).unwrap().conducted(settings, &Metrics::new());
            let outcome = ask_for(&upstream, operation).await;
            let is_fine = outcome.as_ref().is_ok_and(|answer| answer.status == 200);
            assert_eq!((is_fine, came(&mut backend)), (again, 1 + usize::from(again)), "{operation} {outcome:?}");
        }
    }
}

#[tokio::test]
async fn what_stays_as_it_is_comes_back_after_the_last_attempt() {
    let mut backend = Backend::start([error("502 Bad", "Retry-After: 1\r\n"), error("500 Oops", "")]).await;
    let upstream = Upstream::http(backend.settings()).unwrap().conducted(plain(), &Metrics::new());
    assert_eq!(ask_for(&upstream, READ).await.unwrap().status, 500);
    assert_eq!(came(&mut backend), 3);
    let once = Upstream::http(backend.settings()).unwrap();
    let once = once.conducted(ConductSettings { retry: attempts(1), ..plain() }, &Metrics::new());
    assert_eq!(ask_for(&once, READ).await.unwrap().status, 500);
    assert_eq!(came(&mut backend), 1);
}

#[tokio::test]
async fn a_time_to_wait_that_is_too_long_is_the_client_s() {
    let date = "Retry-After: Fri, 31 Dec 2999 23:59:59 GMT\r\n";
    for (header, timeout) in [("Retry-After: 3\r\n", PATIENCE), (date, PATIENCE), ("Retry-After: 1\r\n", SHORT * 4)] {
        let mut backend = Backend::start([error("429 Slow", header), fine()]).await;
        let settings = ConductSettings { timeout, ..plain() };
        let upstream = Upstream::http(backend.settings()).unwrap().conducted(settings, &Metrics::new());
        let answer = ask_for(&upstream, UPDATE).await.unwrap();
        assert_eq!((answer.status, came(&mut backend)), (429, 1), "{header}");
        assert!(answer.retry_after.is_some());
    }
    let past = error("429 Slow", "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
    let mut backend = Backend::start([past, fine()]).await;
    let upstream = Upstream::http(backend.settings()).unwrap().conducted(plain(), &Metrics::new());
    assert_eq!((ask_for(&upstream, UPDATE).await.unwrap().status, came(&mut backend)), (200, 2));
}

#[tokio::test]
async fn all_attempts_together_have_one_time() {
    // The second attempt hangs, and what is left of the time is all that it gets.
    let mut backend = Backend::start([error("500 Oops", ""), Then::Hang(String::new())]).await;
    let settings = ConductSettings { timeout: SHORT * 2, ..plain() };
    let http = Upstream::http(HttpSettings { timeout: PATIENCE * 2, ..backend.settings() });
    let outcome = ask_for(&http.unwrap().conducted(settings, &Metrics::new()), READ).await;
    assert!(matches!(outcome, Err(Failure::Timeout { sent: true, .. })), "{outcome:?}");
    assert_eq!(came(&mut backend), 2);
}

#[tokio::test]
async fn retries_end_with_their_budget() {
    let mut backend = Backend::start([error("500 Oops", "")]).await;
    let metrics = Metrics::new();
    let settings = ConductSettings { retry: RetrySettings { budget: 0, ..attempts(2) }, ..plain() };
    let upstream = Upstream::http(backend.settings()).unwrap().conducted(settings, &metrics);
    // Ten retries at once, and one a second: this many calls do not take that long.
    let mut calls = 0;
    while !metrics.encode().contains("retry_budget_exhausted_total{region=\"eu-west-1\"} 3") {
        calls += 1;
        assert!(calls < 100, "{}", metrics.encode());
        assert_eq!(ask_for(&upstream.for_worker(), READ).await.unwrap().status, 500);
    }
    let retries = calls - 3;
    assert!(retries >= 10, "{retries}");
    assert_eq!(came(&mut backend), calls + retries);
}

#[tokio::test]
async fn a_backend_that_fails_is_left_alone_until_one_call_has_seen_it_well() {
    let failures = std::iter::repeat_n(error("500 Oops", ""), 4);
    let mut backend = Backend::start(failures.chain([fine()])).await;
    let metrics = Metrics::new();
    let settings = ConductSettings { retry: attempts(1), breaker: Some(breaker(3, SHORT)), ..plain() };
    let upstream = Upstream::http(backend.settings()).unwrap().conducted(settings, &metrics);
    for _ in 0..3 {
        // All workers share it.
        assert_eq!(ask_for(&upstream.for_worker(), READ).await.unwrap().status, 500);
    }
    counted(&metrics, "findings_gate_breaker_state{region=\"eu-west-1\"} 2");
    // The first that goes to see finds it unwell, the second finds it well.
    let (mut held, mut seen) = (0, Vec::new());
    while seen.last() != Some(&200) {
        match ask_for(&upstream.for_worker(), UPDATE).await {
            Ok(answer) => seen.push(answer.status),
            Err(failure @ Failure::Open { .. }) => {
                held += 1;
                assert!(failure.to_string().contains("hub.example:443"), "{failure}");
                assert!(failure.to_string().contains("(it answered with status 500)"), "{failure}");
                tokio::task::yield_now().await;
            }
            Err(failure) => panic!("{failure}"),
        }
    }
    assert_eq!((seen, came(&mut backend)), (vec![500, 200], 5));
    assert!(held > 0);
    for _ in 0..5 {
        assert_eq!(ask_for(&upstream, READ).await.unwrap().status, 200);
    }
    counted(&metrics, "findings_gate_breaker_state{region=\"eu-west-1\"} 0");
    counted(&metrics, "findings_gate_breaker_openings_total{region=\"eu-west-1\"} 2");
    counted(&metrics, &format!("findings_gate_breaker_held_back_total{{region=\"eu-west-1\"}} {held}"));
}

#[tokio::test]
async fn what_callers_can_cause_opens_no_breaker() {
    let large = Then::Answer(format!("HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n{}", "x".repeat(1001)));
    for then in [large, error("429 Slow", "Retry-After: 9\r\n"), error("400 Bad", ""), error("403 No", "")] {
        let mut backend = Backend::start([then]).await;
        let settings = ConductSettings { breaker: Some(breaker(1, PATIENCE)), ..plain() };
        let http = Upstream::http(HttpSettings { response_limit: 1000, ..backend.settings() });
        let upstream = http.unwrap().conducted(settings, &Metrics::new());
        for _ in 0..3 {
            let outcome = ask_for(&upstream, READ).await;
            assert!(matches!(outcome, Ok(_) | Err(Failure::TooLarge { .. })), "{outcome:?}");
        }
        assert_eq!(came(&mut backend), 3, "each was asked for once");
    }
}

#[tokio::test]
async fn a_backend_that_is_down_is_tried_again_and_then_left_alone() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let http = Upstream::http(HttpSettings::new(format!("http://{free}").parse().unwrap())).unwrap();
    let metrics = Metrics::new();
    let upstream = http.conducted(ConductSettings { breaker: Some(breaker(2, PATIENCE)), ..plain() }, &metrics);
    // The breaker opens at the second attempt; what the first two came to is told, not that the third was not made.
    let first = ask_for(&upstream, CREATE).await;
    assert!(matches!(first, Err(Failure::Unreachable { .. })), "{first:?}");
    let second = ask_for(&upstream, CREATE).await;
    assert!(matches!(second, Err(Failure::Open { .. })), "{second:?}");
    let series = "{region=\"eu-west-1\",operation=\"CreateAutomationRule\"";
    counted(&metrics, &format!("findings_gate_upstream_calls_total{series},outcome=\"unreachable\"}} 2"));
    counted(&metrics, &format!("findings_gate_upstream_retries_total{series},reason=\"unsent\"}} 1"));
}

/// A backend inside the program: its attempts come to what it is told.
struct Told(Mutex<VecDeque<Result<Answer, Failure>>>);

impl InProcess for Told {
    fn call(&self, _: Call) -> Pin<Box<dyn Future<Output = Result<Answer, Failure>> + Send + '_>> {
        let next = self.0.lock().unwrap().pop_front().expect("no further attempt");
        Box::pin(async { next })
    }
}

#[test]
fn what_may_have_happened_is_told_though_a_later_attempt_was_not_sent() {
    let (host, reason) = (|| "hub.example:443".to_owned(), || "x".to_owned());
    let answer =
        |status| Ok(Answer { status, error_type: None, request_id: None, retry_after: None, body: Bytes::new() });
    let unsent = || Err(Failure::Unreachable { host: host(), reason: reason() });
    let late = |sent| Err(Failure::Timeout { host: host(), after: SECOND, sent });
    let broken = || Err(Failure::Broken { host: host(), reason: reason() });
    let unsigned = || Err(Failure::Credentials { reason: reason() });
    paused(async {
        for (outcomes, told) in [
            (vec![broken(), unsent(), late(false)], broken()),
            (vec![late(true), unsigned()], late(true)),
            (vec![answer(500), unsent(), unsent()], answer(500)),
            (vec![unsent(), broken(), unsent()], broken()),
            (vec![broken(), unsent(), answer(200)], answer(200)),
            (vec![broken(), answer(400)], answer(400)),
            (vec![broken(), late(true), broken()], broken()),
            (vec![unsent(), late(false), unsent()], unsent()),
        ] {
            let case = format!("{outcomes:?}");
            let backend = Arc::new(Told(Mutex::new(outcomes.into())));
            let upstream = Upstream::embedded(backend.clone()).conducted(plain(), &Metrics::new());
            assert_eq!(upstream.call(Call { operation: READ, ..call("x") }).await, told, "{case}");
            assert!(backend.0.lock().unwrap().is_empty(), "{case}");
        }
    });
}

/// A backend inside the program, so that the clock can be paused: it answers with these statuses, and then with 200.
#[derive(Default)]
struct Inside {
    statuses: Mutex<VecDeque<u16>>,
    calls: Mutex<Vec<(Instant, AccountId)>>,
}

impl InProcess for Inside {
    fn call(&self, call: Call) -> Pin<Box<dyn Future<Output = Result<Answer, Failure>> + Send + '_>> {
        self.calls.lock().unwrap().push((Instant::now(), call.account));
        let status = self.statuses.lock().unwrap().pop_front().unwrap_or(200);
        Box::pin(async move {
            Ok(Answer { status, error_type: None, request_id: None, retry_after: None, body: Bytes::new() })
        })
    }
}

fn inside(statuses: impl IntoIterator<Item = u16>, settings: ConductSettings) -> (Arc<Inside>, Upstream) {
    let inside = Arc::new(Inside { statuses: Mutex::new(statuses.into_iter().collect()), ..Inside::default() });
    let upstream = Upstream::embedded(inside.clone()).conducted(settings, &Metrics::new());
    (inside, upstream)
}

fn paused<T>(test: impl Future<Output = T>) -> T {
    runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(test)
}

fn one_a_second(owner: QuotaOwner, wait: Duration) -> QuotaSettings {
    let one = Rate::new(1, 1);
    QuotaSettings { wait, update: one, get: one, ..QuotaSettings::aws(owner) }
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_call_over_the_quota_is_not_sent() {
    paused(async {
        for (owner, other_is_fine) in [(QuotaOwner::Caller, true), (QuotaOwner::Gate, false)] {
            let quota = Some(one_a_second(owner, Duration::ZERO));
            let (inside, upstream) = inside([], ConductSettings { quota, ..plain() });
            assert_eq!(upstream.call(call("x")).await.unwrap().status, 200);
            let failure = upstream.for_worker().call(call("x")).await.unwrap_err();
            let Failure::OverQuota { operation: UPDATE, account, rate, retry_after: SECOND } = &failure else {
                panic!("{failure:?}")
            };
            assert_eq!((account.as_str(), *rate), ("222222222222", Rate::new(1, 1)));
            let other = Call { account: "333333333333".parse().unwrap(), ..call("x") };
            assert_eq!(upstream.call(other).await.is_ok(), other_is_fine, "{owner:?}");
            assert_eq!(inside.calls.lock().unwrap().len(), 1 + usize::from(other_is_fine));
            assert_eq!(upstream.call(Call { operation: READ, ..call("x") }).await.unwrap().status, 200);
        }
    });
}

#[test]
fn every_attempt_takes_a_turn() {
    paused(async {
        let quota = Some(one_a_second(QuotaOwner::Gate, 10 * SECOND));
        let (inside, upstream) = inside([500, 500], ConductSettings { quota, ..plain() });
        let began = Instant::now();
        let read = || Call { operation: READ, ..call("x") };
        assert_eq!(upstream.call(read()).await.unwrap().status, 200);
        let seconds: Vec<u64> = inside.calls.lock().unwrap().iter().map(|(at, _)| (*at - began).as_secs()).collect();
        assert_eq!(seconds, [0, 1, 2]);
        // Without a turn for another attempt, the first one's answer is what there is.
        let quota = Some(one_a_second(QuotaOwner::Gate, Duration::ZERO));
        let (inside, upstream) = self::inside([500], ConductSettings { quota, ..plain() });
        assert_eq!(upstream.call(read()).await.unwrap().status, 500);
        assert_eq!(inside.calls.lock().unwrap().len(), 1);
    });
}

#[test]
fn nobody_waits_for_a_turn_beyond_the_time_of_the_call() {
    paused(async {
        let quota = Some(one_a_second(QuotaOwner::Gate, 60 * SECOND));
        let (_, upstream) = inside([], ConductSettings { quota, timeout: SECOND / 2, ..plain() });
        upstream.call(call("x")).await.unwrap();
        let began = Instant::now();
        assert!(matches!(upstream.call(call("x")).await, Err(Failure::OverQuota { .. })));
        assert!(began.elapsed() <= SECOND / 2);
    });
}

#[test]
fn a_refusal_of_the_backend_holds_up_everybody_s_calls() {
    paused(async {
        let quota = Some(QuotaSettings::aws(QuotaOwner::Gate));
        let (inside, upstream) = inside([429], ConductSettings { quota, retry: attempts(1), ..plain() });
        let began = Instant::now();
        assert_eq!(upstream.call(call("x")).await.unwrap().status, 429);
        let other = Call { account: "333333333333".parse().unwrap(), ..call("x") };
        assert_eq!(upstream.call(other).await.unwrap().status, 200);
        let last = inside.calls.lock().unwrap()[1];
        assert_eq!(last.0 - began, SECOND / 2);
    });
}

/// Five accounts share one quota; one of them asks all the time.
#[test]
fn a_greedy_account_leaves_the_others_their_share() {
    paused(async {
        let quota = Some(QuotaSettings::aws(QuotaOwner::Gate));
        let (inside, upstream) = inside([], ConductSettings { quota, ..plain() });
        let account = |number: usize| format!("{number:012}").parse::<AccountId>().unwrap();
        let until = Instant::now() + 20 * SECOND;
        let mut tasks = tokio::task::JoinSet::new();
        for number in std::iter::repeat_n(1, 50).chain(2..=5) {
            let upstream = upstream.clone();
            let pause = if number == 1 { SECOND / 50 } else { SECOND };
            tasks.spawn(async move {
                let mut refused = 0;
                while Instant::now() < until {
                    let outcome = upstream.call(Call { account: account(number), ..call("x") }).await;
                    refused += usize::from(outcome.is_err());
                    tokio::time::sleep(pause).await;
                }
                (number, refused)
            });
        }
        let mut greedy = 0;
        while let Some(done) = tasks.join_next().await {
            let (number, refused) = done.unwrap();
            assert!(number == 1 || refused == 0, "account {number} was refused {refused} times");
            greedy += refused;
        }
        assert!(greedy > 0);
        let calls = inside.calls.lock().unwrap();
        let of = |number: usize| calls.iter().filter(|(_, of)| *of == account(number)).count();
        assert!((2..=5).all(|number| of(number) >= 12), "{:?}", [1, 2, 3, 4, 5].map(of));
        assert!(calls.len() <= 30 + 220, "{}", calls.len());
    });
}

#[test]
fn the_gate_s_own_calls_have_a_line_of_their_own() {
    paused(async {
        let quota = Some(one_a_second(QuotaOwner::Gate, 60 * SECOND));
        let (inside, upstream) = inside([], ConductSettings { quota, timeout: 60 * SECOND, ..plain() });
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..10 {
            let upstream = upstream.clone();
            tasks.spawn(async move { upstream.call(call("x")).await });
        }
        tokio::time::sleep(SECOND / 10).await;
        let own = Call { account: "111111111111".parse().unwrap(), ..call("x") };
        let began = Instant::now();
        upstream.call_for_gate(own, began + 60 * SECOND).await.unwrap();
        assert!(began.elapsed() <= SECOND, "before all of the ten");
        assert_eq!(inside.calls.lock().unwrap().len(), 2);
    });
}

#[tokio::test]
async fn a_backend_that_hangs_is_counted_by_the_time_that_it_had() {
    let series = "{region=\"eu-west-1\",operation=\"GetFindings\",outcome=\"timeout\"}";
    // The gate's patience, whether it counts for the breaker.
    for (patience, opens) in [(SHORT, false), (2 * SHORT, true)] {
        let mut backend = Backend::start([Then::Hang(String::new())]).await;
        let metrics = Metrics::new();
        let breaker = Some(breaker(1, PATIENCE));
        let settings = ConductSettings { timeout: 3 * SHORT, breaker, ..plain() };
        let upstream = Upstream::http(backend.settings()).unwrap().conducted(settings, &metrics);
        let read = Call { operation: READ, ..call("x") };
        let outcome = soon(upstream.call_for_gate(read, Instant::now() + patience)).await;
        assert!(matches!(outcome, Err(Failure::Timeout { sent: true, .. })), "{outcome:?}");
        assert_eq!(came(&mut backend), 1);
        counted(&metrics, &format!("findings_gate_upstream_calls_total{series} 1"));
        counted(&metrics, &format!("findings_gate_breaker_state{{region=\"eu-west-1\"}} {}", 2 * u8::from(opens)));
    }
}

#[test]
fn a_turn_that_leaves_no_time_for_the_exchange_is_none() {
    paused(async {
        // The next turn is there after a second.
        for (millis, is_fine) in [(1100, false), (1900, false), (2100, true)] {
            let quota = Some(one_a_second(QuotaOwner::Gate, 60 * SECOND));
            let timeout = Duration::from_millis(millis);
            let (inside, upstream) = inside([], ConductSettings { timeout, quota, ..plain() });
            upstream.call(call("x")).await.unwrap();
            let outcome = upstream.call(call("x")).await;
            assert_eq!(outcome.is_ok(), is_fine, "{millis}: {outcome:?}");
            assert!(is_fine || matches!(outcome, Err(Failure::OverQuota { .. })), "{millis}: {outcome:?}");
            assert_eq!(inside.calls.lock().unwrap().len(), 1 + usize::from(is_fine));
        }
    });
}

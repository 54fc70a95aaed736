//! What is counted is what is read.

use super::{cells::OPERATIONS, *};
use crate::finding::{Enforcement, Field, Operation, Role};
use std::time::Duration;

const READ: Operation = Operation::GetFindings;
const UPDATE: Operation = Operation::BatchUpdateFindings;
const ROLES: [Role; 2] = [Role::Administrator, Role::Member];

fn policy(id: &str, says: Said, shadow: bool) -> PolicyName {
    PolicyName { id: id.into(), says, shadow }
}

fn answered(operation: Option<Operation>, role: Option<Role>, status: u16) -> Answered {
    Answered { operation, role, status, took: Duration::from_millis(3), waited: Duration::from_micros(2_950) }
}

/// Everything that there is, counted once: one Region, one policy and a `@shadow` one.
pub(super) fn full() -> Metrics {
    let metrics = Metrics::new();
    let policies = metrics.policies([policy("a", Said::Allowed, false), policy("s", Said::Strip, true)], "0f", 3);
    metrics.decides_by(Arc::clone(&policies));
    let (worker, upstream) = (metrics.worker(), metrics.upstream("eu-west-1"));
    let operations = || Operation::ALL.iter().copied();
    for operation in operations().map(Some).chain([None]) {
        for role in [Some(Role::Administrator), Some(Role::Member), None] {
            worker.answered(answered(operation, role, 200));
        }
    }
    for operation in operations() {
        worker.findings(operation, 1);
        worker.groups(operation, 1);
        upstream.exchanged(operation, Exchange::Success, Duration::ZERO);
        upstream.retried(operation, Again::Unsent);
        upstream.quota(operation, Granted::Waited, Some(Duration::ZERO));
        for role in ROLES {
            worker.denied(operation, role, Why::NoGrant, 1);
            worker.became(operation, role, Became::Whole, 1);
            for field in Field::ALL.iter().copied().map(Some).chain([None]) {
                worker.decided(operation, role, field, Said::Allowed, 1);
            }
        }
    }
    for role in ROLES {
        for said in [Said::Allowed, Said::Strip, Said::Reject, Said::Refuse] {
            policies.decided("a", role, said, 1);
        }
    }
    worker.verdicts(Verdicts::Kept, 1);
    worker.unknown("ExpiredTokenException");
    upstream.looked_up(LookUp::Found);
    upstream.waited_for_look_up(Duration::ZERO);
    upstream.findings_kept(|| 7);
    metrics.bundle(BundleFetch::Taken, 1_700_000_000);
    let audit = metrics.audit();
    audit.kept(8);
    audit.written(2, Duration::from_millis(3));
    audit.shed(1);
    metrics
}

#[track_caller]
fn assert_read(metrics: &Metrics, lines: &[&str]) {
    let text = metrics.encode();
    for line in lines {
        assert!(text.lines().any(|written| written == *line), "{line} is not in\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn calls_are_read_by_region() {
    let metrics = Metrics::new();
    let upstream = metrics.upstream("eu-west-1");
    upstream.exchanged(READ, Exchange::Throttled, Duration::from_millis(1500));
    upstream.retried(READ, Again::Throttled);
    upstream.budget_exhausted();
    upstream.quota(READ, Granted::AtOnce, None);
    upstream.quota(READ, Granted::Waited, Some(Duration::from_millis(20)));
    upstream.waiting(READ, 3);
    upstream.waiting(READ, -1);
    upstream.circuit(Circuit::Open);
    upstream.opened();
    upstream.held_back();
    metrics.upstream("us-east-1").budget_exhausted();
    metrics.upstream("us-east-1").budget_exhausted();
    assert_read(
        &metrics,
        &[
            r#"findings_gate_upstream_calls_total{region="eu-west-1",operation="GetFindings",outcome="throttled"} 1"#,
            r#"findings_gate_upstream_call_duration_seconds_sum{region="eu-west-1",operation="GetFindings"} 1.5"#,
            r#"findings_gate_upstream_call_duration_seconds_bucket{le="1.0",region="eu-west-1",operation="GetFindings"} 0"#,
            r#"findings_gate_upstream_call_duration_seconds_bucket{le="2.5",region="eu-west-1",operation="GetFindings"} 1"#,
            r#"findings_gate_upstream_call_duration_seconds_bucket{le="+Inf",region="eu-west-1",operation="GetFindings"} 1"#,
            r#"findings_gate_upstream_retries_total{region="eu-west-1",operation="GetFindings",reason="throttled"} 1"#,
            r#"findings_gate_upstream_retry_budget_exhausted_total{region="eu-west-1"} 1"#,
            r#"findings_gate_upstream_retry_budget_exhausted_total{region="us-east-1"} 2"#,
            r#"findings_gate_quota_calls_total{region="eu-west-1",operation="GetFindings",result="granted"} 1"#,
            r#"findings_gate_quota_calls_total{region="eu-west-1",operation="GetFindings",result="waited"} 1"#,
            r#"findings_gate_quota_wait_seconds_count{region="eu-west-1",operation="GetFindings"} 1"#,
            r#"findings_gate_quota_waiting{region="eu-west-1",operation="GetFindings"} 2"#,
            r#"findings_gate_breaker_state{region="eu-west-1"} 2"#,
            r#"findings_gate_breaker_state{region="us-east-1"} 0"#,
            r#"findings_gate_breaker_openings_total{region="eu-west-1"} 1"#,
            r#"findings_gate_breaker_held_back_total{region="eu-west-1"} 1"#,
        ],
    );
    assert!(!metrics.encode().contains("CreateAutomationRule"), "what nobody uses takes no lines");
}

#[test]
fn what_workers_count_is_added_up() {
    let metrics = Metrics::new();
    let [one, other] = [metrics.worker(), metrics.worker()];
    for worker in [&one, &other] {
        worker.answered(answered(Some(UPDATE), Some(Role::Member), 200));
        worker.decided(UPDATE, Role::Member, Some(Field::Workflow), Said::Strip, 50);
    }
    one.answered(answered(Some(UPDATE), Some(Role::Member), 418));
    one.answered(answered(None, None, 403));
    one.unknown("InvalidSignatureException");
    one.unknown("SomethingNewException");
    one.decided(UPDATE, Role::Administrator, None, Said::Reject, 1);
    other.denied(UPDATE, Role::Member, Why::StateUnavailable, 3);
    other.became(UPDATE, Role::Member, Became::Stripped, 4);
    other.verdicts(Verdicts::Evaluated, 2);
    assert_read(
        &metrics,
        &[
            r#"findings_gate_requests_total{operation="BatchUpdateFindings",role="member",status="200"} 2"#,
            r#"findings_gate_requests_total{operation="BatchUpdateFindings",role="member",status="other"} 1"#,
            r#"findings_gate_requests_total{operation="BatchUpdateFindings",role="member",status="403"} 0"#,
            r#"findings_gate_requests_total{operation="none",role="none",status="403"} 1"#,
            r#"findings_gate_request_duration_seconds_bucket{le="0.002",operation="BatchUpdateFindings"} 0"#,
            r#"findings_gate_request_duration_seconds_bucket{le="0.005",operation="BatchUpdateFindings"} 3"#,
            r#"findings_gate_request_own_duration_seconds_bucket{le="0.000025",operation="BatchUpdateFindings"} 0"#,
            r#"findings_gate_request_own_duration_seconds_bucket{le="0.00005",operation="BatchUpdateFindings"} 3"#,
            r#"findings_gate_callers_unknown_total{code="InvalidSignatureException"} 1"#,
            r#"findings_gate_callers_unknown_total{code="other"} 1"#,
            r#"findings_gate_decisions_total{operation="BatchUpdateFindings",role="member",field="Workflow",verdict="denied",enforcement="strip"} 100"#,
            r#"findings_gate_decisions_total{operation="BatchUpdateFindings",role="member",field="Workflow",verdict="allowed",enforcement="none"} 0"#,
            r#"findings_gate_decisions_total{operation="BatchUpdateFindings",role="administrator",field="finding",verdict="denied",enforcement="reject"} 1"#,
            r#"findings_gate_denials_total{operation="BatchUpdateFindings",role="member",reason="state-unavailable"} 3"#,
            r#"findings_gate_findings_total{operation="BatchUpdateFindings",role="member",outcome="stripped"} 4"#,
            r#"findings_gate_verdicts_total{source="evaluated"} 2"#,
            r#"findings_gate_verdicts_total{source="kept"} 0"#,
        ],
    );
}

#[test]
fn a_policy_s_counts_go_on_in_the_next_snapshot_and_end_with_it() {
    let metrics = Metrics::new();
    let first = metrics.policies(
        [
            policy("grant", Said::Allowed, false),
            policy("gone", Said::Strip, false),
            policy("trial", Said::Reject, true),
        ],
        "d1",
        2,
    );
    metrics.decides_by(Arc::clone(&first));
    first.decided("grant", Role::Member, Said::Allowed, 7);
    first.decided("gone", Role::Member, Said::Strip, 1);
    first.decided("nobody", Role::Member, Said::Strip, 1);
    first.differed(&["grant".into(), "trial".into()], Shadow::Denies, 3);
    let of_first = [
        r#"findings_gate_policy_decisions_total{policy="grant",role="member",verdict="allowed",enforcement="none"} 7"#,
        r#"findings_gate_policy_decisions_total{policy="grant",role="administrator",verdict="allowed",enforcement="none"} 0"#,
        r#"findings_gate_policy_decisions_total{policy="gone",role="member",verdict="denied",enforcement="strip"} 1"#,
        r#"findings_gate_shadow_differences_total{policy="trial",difference="denies"} 3"#,
        r#"findings_gate_shadow_differences_total{policy="trial",difference="allows"} 0"#,
        r#"findings_gate_policies_info{digest="d1"} 1"#,
        r"findings_gate_policies 3",
        r"findings_gate_accounts 2",
    ];
    assert_read(&metrics, &of_first);
    let text = metrics.encode();
    assert!(!text.contains(r#"shadow_differences_total{policy="grant""#), "{text}");
    assert!(!text.contains(r#"policy_decisions_total{policy="trial""#), "it decides nothing: {text}");

    let second = metrics.policies([policy("grant", Said::Allowed, false), policy("new", Said::Refuse, false)], "d2", 5);
    // A set that is not used in the end shows nowhere.
    assert_read(&metrics, &of_first);
    metrics.decides_by(Arc::clone(&second));
    // A request that began before ends after.
    first.decided("grant", Role::Member, Said::Allowed, 1);
    second.decided("grant", Role::Member, Said::Allowed, 1);
    assert_read(
        &metrics,
        &[
            r#"findings_gate_policy_decisions_total{policy="grant",role="member",verdict="allowed",enforcement="none"} 9"#,
            r#"findings_gate_policy_decisions_total{policy="new",role="member",verdict="denied",enforcement="refuse"} 0"#,
            r#"findings_gate_policies_info{digest="d2"} 1"#,
            r"findings_gate_accounts 5",
        ],
    );
    let text = metrics.encode();
    assert!(!text.contains("gone") && !text.contains("trial") && !text.contains("d1"), "{text}");
}

#[test]
fn the_start_is_a_good_reload() {
    let metrics = Metrics::new();
    assert_read(
        &metrics,
        &[r"findings_gate_reload_last_successful 1", r#"findings_gate_reloads_total{result="success"} 0"#],
    );
    metrics.reloaded(Reload::Failure);
    assert_read(
        &metrics,
        &[r"findings_gate_reload_last_successful 0", r#"findings_gate_reloads_total{result="failure"} 1"#],
    );
    metrics.reloaded(Reload::Success);
    assert_read(
        &metrics,
        &[r"findings_gate_reload_last_successful 1", r#"findings_gate_reloads_total{result="success"} 1"#],
    );
}

#[test]
fn what_comes_in_is_read() {
    let metrics = Metrics::new();
    let load = metrics.load();
    load.in_flight(3);
    load.waiting(1);
    load.shed(Shed::QueueFull);
    load.connections_limit(9);
    load.accepted();
    load.open(2);
    load.open(-1);
    load.unplaced(1);
    load.handshake_failed();
    assert_read(
        &metrics,
        &[
            "findings_gate_requests_in_flight 3",
            "findings_gate_requests_waiting 1",
            r#"findings_gate_shed_total{reason="queue_full"} 1"#,
            "findings_gate_connections_limit 9",
            "findings_gate_connections_accepted_total 1",
            "findings_gate_connections 1",
            "findings_gate_connections_waiting 1",
            "findings_gate_tls_handshakes_failed_total 1",
        ],
    );
}

#[test]
fn each_enforcement_is_counted_as_itself() {
    for enforcement in Enforcement::ALL.iter().copied() {
        assert_eq!(worker::VERDICTS[Said::from(enforcement) as usize], enforcement.as_str());
    }
}

#[test]
fn threads_count_together() {
    let metrics = Metrics::new();
    let upstream = metrics.upstream("eu-west-1");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let worker = metrics.worker();
            let upstream = &upstream;
            scope.spawn(move || {
                for _ in 0..1000 {
                    upstream.exchanged(READ, Exchange::Success, Duration::from_millis(1));
                    worker.answered(answered(Some(READ), Some(Role::Member), 200));
                }
            });
        }
    });
    let text = metrics.encode();
    assert!(text.contains(r#"operation="GetFindings",role="member",status="200"} 4000"#), "{text}");
    assert!(text.contains(r#"seconds_count{region="eu-west-1",operation="GetFindings"} 4000"#), "{text}");
    assert_eq!(OPERATIONS, Operation::ALL.len());
}

//! What is counted of requests that really came: each number is that of the findings, however many the gate decided at once.

use super::POLICIES;
use crate::support::{
    client::Client,
    fleet::{BLUNT, PAYMENTS, SECURITY, finding, good, update},
    gate::{Gate, Place},
    upstream::{Reply, Upstream},
};
use serde_json::{Value, json};
use std::net::SocketAddr;

const ADMIN: &str = "[admin]\naddress = \"127.0.0.1:0\"\n";

fn start(place: Place) -> (Gate, SocketAddr) {
    let gate = Gate::start(place);
    let out = gate.wait_for_output(&["administered at http://"]);
    let address = out.split_once("http://").unwrap().1.trim().parse().unwrap();
    (gate, address)
}

fn metrics(admin: SocketAddr) -> String {
    let mut client = Client::connect(admin);
    client.send(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n");
    String::from_utf8(client.read().body).unwrap()
}

#[track_caller]
fn assert_counted(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.lines().any(|written| written == *line), "{line} is not in\n{text}");
    }
}

/// The number of this series; nothing if it is not there.
fn number(text: &str, series: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

fn findings(ids: &[&str]) -> Vec<Value> {
    ids.iter().map(|id| finding(PAYMENTS.account, id)).collect()
}

#[test]
fn findings_that_are_decided_together_are_counted_each() {
    let upstream = Upstream::accepting();
    let (gate, admin) = start(Place::with_policies(&upstream.url(), POLICIES, ADMIN));
    let mut client = gate.connect();
    let both = || json!({"Severity": {"Label": "LOW"}, "Workflow": {"Status": "NOTIFIED"}});
    let ids = ["a", "b", "c", "strip-1", "strip-2", "a"];
    assert_eq!(client.update(&PAYMENTS, update(&findings(&ids), both())).status, 200);
    // All fields of these are stripped, so nothing of them is forwarded.
    client.update(&PAYMENTS, update(&findings(&["strip-3"]), json!({"Severity": {"Label": "LOW"}})));
    // One is refused, and all with it.
    let thirteen = || update(&findings(&["a", "b"]), json!({"Criticality": 13}));
    client.update(&PAYMENTS, thirteen()).is_error(403, "AccessDeniedException", "not-thirteen");
    client.update(&SECURITY, thirteen()).is_error(403, "AccessDeniedException", "not-thirteen");
    client.update(&PAYMENTS, update(&findings(&["a"]), json!({"Confidence": 93})));
    // To this caller a strip is a refusal.
    client.update(&BLUNT, update(&findings(&["strip-4"]), both())).is_error(
        403,
        "AccessDeniedException",
        "no-severity",
    );
    client.send(b"PATCH /findings/batchupdate HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(client.read().status, 403);

    let text = metrics(admin);
    assert_counted(
        &text,
        &[
            r#"findings_gate_findings_total{operation="BatchUpdateFindings",role="member",outcome="whole"} 3"#,
            r#"findings_gate_findings_total{operation="BatchUpdateFindings",role="member",outcome="stripped"} 2"#,
            r#"findings_gate_findings_total{operation="BatchUpdateFindings",role="member",outcome="rejected"} 2"#,
            r#"findings_gate_findings_total{operation="BatchUpdateFindings",role="member",outcome="refused"} 3"#,
            r#"findings_gate_findings_total{operation="BatchUpdateFindings",role="member",outcome="duplicate"} 1"#,
            r#"findings_gate_findings_total{operation="BatchUpdateFindings",role="administrator",outcome="refused"} 2"#,
            r#"findings_gate_decisions_total{operation="BatchUpdateFindings",role="member",field="Severity",verdict="denied",enforcement="strip"} 3"#,
            r#"findings_gate_decisions_total{operation="BatchUpdateFindings",role="member",field="Severity",verdict="denied",enforcement="refuse"} 1"#,
            r#"findings_gate_decisions_total{operation="BatchUpdateFindings",role="member",field="Severity",verdict="allowed",enforcement="none"} 3"#,
            r#"findings_gate_decisions_total{operation="BatchUpdateFindings",role="member",field="Workflow",verdict="allowed",enforcement="none"} 6"#,
            r#"findings_gate_decisions_total{operation="BatchUpdateFindings",role="member",field="Confidence",verdict="denied",enforcement="reject"} 1"#,
            r#"findings_gate_denials_total{operation="BatchUpdateFindings",role="member",reason="forbidden"} 6"#,
            r#"findings_gate_denials_total{operation="BatchUpdateFindings",role="member",reason="policy-error"} 1"#,
            r#"findings_gate_policy_decisions_total{policy="no-severity",role="member",verdict="denied",enforcement="strip"} 3"#,
            r#"findings_gate_policy_decisions_total{policy="no-severity",role="member",verdict="denied",enforcement="refuse"} 1"#,
            r#"findings_gate_policy_decisions_total{policy="not-thirteen",role="administrator",verdict="denied",enforcement="refuse"} 2"#,
            r#"findings_gate_policy_decisions_total{policy="everybody",role="member",verdict="allowed",enforcement="none"} 9"#,
            r#"findings_gate_policy_decisions_total{policy="own-account",role="member",verdict="denied",enforcement="reject"} 0"#,
            r#"findings_gate_request_groups_bucket{le="2.0",operation="BatchUpdateFindings"} 3"#,
            r#"findings_gate_request_groups_sum{operation="BatchUpdateFindings"} 2.0"#,
            r#"findings_gate_request_findings_sum{operation="BatchUpdateFindings"} 13.0"#,
            r#"findings_gate_request_own_duration_seconds_count{operation="BatchUpdateFindings"} 6"#,
            r#"findings_gate_requests_total{operation="none",role="none",status="403"} 1"#,
            r#"findings_gate_callers_unknown_total{code="MissingAuthenticationTokenException"} 1"#,
            r"findings_gate_requests_in_flight 0",
            r"findings_gate_connections 1",
            r"findings_gate_connections_accepted_total 1",
            r"findings_gate_policies 5",
            r"findings_gate_accounts 3",
        ],
    );
    gate.goes_on();
}

#[test]
fn a_shadow_policy_tells_what_it_would_deny() {
    let upstream = Upstream::accepting();
    let policies = format!(
        "{POLICIES}\n@id(\"trial\") @shadow @enforce(\"reject\")\nforbid (principal is Member, action == Action::\"Workflow.Status\", \
         resource);\n"
    );
    let (gate, admin) = start(Place::with_policies(&upstream.url(), &policies, ADMIN));
    assert_counted(
        &metrics(admin),
        &[r#"findings_gate_shadow_differences_total{policy="trial",difference="denies"} 0"#],
    );
    let three = update(&findings(&["a", "b", "c"]), json!({"Workflow": {"Status": "NOTIFIED"}}));
    assert_eq!(gate.connect().update(&PAYMENTS, three.clone()).processed(), ["a", "b", "c"]);
    assert_eq!(gate.connect().update(&SECURITY, three).processed(), ["a", "b", "c"]);
    let text = metrics(admin);
    assert_counted(
        &text,
        &[
            r#"findings_gate_shadow_differences_total{policy="trial",difference="denies"} 3"#,
            r#"findings_gate_shadow_differences_total{policy="trial",difference="allows"} 0"#,
            r#"findings_gate_policy_decisions_total{policy="everybody",role="member",verdict="allowed",enforcement="none"} 3"#,
        ],
    );
    assert!(!text.contains(r#"policy_decisions_total{policy="trial""#), "{text}");
    gate.goes_on();
}

#[test]
fn look_ups_are_counted_by_what_comes_of_them() {
    let upstream = Upstream::start(|request| {
        if request.is_look_up() { Reply::findings(request, |_| json!({})) } else { Reply::accept(request) }
    });
    let place = Place::new(&upstream.url(), ADMIN);
    place.edit("findings-gate.toml", "pack:baseline", "pack:transitions");
    let (gate, admin) = start(place);
    let resolve = |id: &str| update(&findings(&[id]), json!({"Workflow": {"Status": "RESOLVED"}}));
    let mut client = gate.connect();
    client.update(&PAYMENTS, resolve("a"));
    let text = metrics(admin);
    let asked = number(&text, r#"findings_gate_state_lookups_total{region="eu-west-1",result="found"}"#).unwrap();
    assert!(asked >= 1.0, "{text}");
    assert_counted(&text, &[r#"findings_gate_state_lookups_total{region="eu-west-1",result="cached"} 0"#]);
    assert!(number(&text, r#"findings_gate_state_cache_entries{region="eu-west-1"}"#).is_some(), "{text}");
    assert!(
        number(&text, r#"findings_gate_state_lookup_duration_seconds_count{region="eu-west-1"}"#).unwrap() >= 1.0,
        "{text}"
    );
    gate.goes_on();
}

#[test]
fn each_try_to_reload_is_counted() {
    let upstream = Upstream::accepting();
    let (gate, admin) = start(Place::with_policies(&upstream.url(), POLICIES, ADMIN));
    assert_eq!(gate.connect().update(&PAYMENTS, good("f")).processed(), ["f"]);
    let before = metrics(admin);
    assert_counted(&before, &[r"findings_gate_reload_last_successful 1"]);
    gate.place().write("policies/test.cedar", "permit");
    gate.wait_until(|| metrics(admin).contains("findings_gate_reloads_total{result=\"failure\"} 1\n"));
    assert_counted(
        &metrics(admin),
        &[r"findings_gate_reload_last_successful 0", r#"findings_gate_reloads_total{result="success"} 0"#],
    );
    gate.place().write("policies/test.cedar", "@id(\"everybody\") permit (principal, action, resource);");
    gate.wait_until(|| metrics(admin).contains("findings_gate_reloads_total{result=\"success\"} 1\n"));
    let after = metrics(admin);
    assert_counted(
        &after,
        &[
            r"findings_gate_reload_last_successful 1",
            r"findings_gate_policies 1",
            r#"findings_gate_policy_decisions_total{policy="everybody",role="member",verdict="allowed",enforcement="none"} 1"#,
        ],
    );
    assert!(!after.contains("no-severity"), "what does not decide any more is gone: {after}");
    let time = "findings_gate_reload_last_success_timestamp_seconds";
    assert!(number(&after, time).unwrap() > number(&before, time).unwrap(), "{after}");
    let digest = |text: &str| text.lines().find(|line| line.contains("policies_info{")).unwrap().to_owned();
    assert_ne!(digest(&before), digest(&after));
    gate.goes_on();
}

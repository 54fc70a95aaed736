//! Policies that fail while they are asked.

use crate::{
    support::{
        fleet::{PAYMENTS, SECURITY, finding, update},
        upstream::Upstream,
    },
    with_policies,
};
use serde_json::json;

#[test]
fn a_policy_that_fails_denies_what_it_was_asked_about_and_nothing_else() {
    let upstream = Upstream::accepting();
    let gate = with_policies(&upstream, "");
    let mut client = gate.connect();
    let own = [finding(PAYMENTS.account, "f")];
    for key in [&PAYMENTS, &SECURITY] {
        let body = update(&own, json!({"Confidence": 100, "Workflow": {"Status": "NOTIFIED"}}));
        let response = client.update(key, body);
        assert_eq!(response.processed(), [""; 0]);
        let [(_, code, message)] = &response.unprocessed()[..] else { panic!("{response:?}") };
        assert_eq!(code, "AccessDenied");
        assert!(message.contains("Confidence = 100") && message.contains("`overflows`"), "{message}");
        assert!(message.contains("policy-error") && message.contains("tell whoever runs the gate"), "{message}");
        let line = gate.wait_for_log(&["policy_failed", "overflows"]);
        assert!(line.contains("\"level\":\"ERROR\""), "{line}");
    }
    assert_eq!(upstream.received(), []);
    // A number that fits is decided by the very same policy.
    assert_eq!(client.update(&PAYMENTS, update(&own, json!({"Confidence": 92}))).processed(), ["f"]);
    gate.goes_on();
}

//! Requests that become several calls upstream, of which some fail.

use crate::{
    support::{
        fleet::{PAYMENTS, SEARCH, finding, update},
        upstream::{Received, Reply, Upstream},
    },
    with_policies,
};
use serde_json::json;

/// Two findings that keep everything, two that lose their severity, and one of another account.
fn request() -> String {
    let own = |id| finding(PAYMENTS.account, id);
    let findings = [own("a"), own("strip-b"), finding(SEARCH.account, "theirs"), own("c"), own("strip-d")];
    update(&findings, json!({"Severity": {"Label": "LOW"}, "Workflow": {"Status": "NOTIFIED"}}))
}

fn has_severity(request: &Received) -> bool {
    request.json().get("Severity").is_some()
}

fn goes_on(request: &Received) -> bool {
    request.ids() == ["goes-on"]
}

#[test]
fn each_group_gets_its_fields_and_the_answer_is_in_the_order_of_the_request() {
    let upstream = Upstream::accepting();
    let gate = with_policies(&upstream, "");
    let response = gate.connect().update(&PAYMENTS, request());
    assert_eq!(response.processed(), ["a", "strip-b", "c", "strip-d"]);
    let told: Vec<_> = response.unprocessed().into_iter().map(|(id, code, _)| format!("{id} {code}")).collect();
    assert_eq!(told, ["strip-b PartialUpdate", "theirs AccessDenied", "strip-d PartialUpdate"]);
    let mut received = upstream.take();
    received.sort_by_key(|request| !has_severity(request));
    let [whole, stripped] = &received[..] else { panic!("{received:?}") };
    assert_eq!((whole.ids(), stripped.ids()), (vec!["a".into(), "c".into()], vec!["strip-b".into(), "strip-d".into()]));
    assert!(has_severity(whole) && !has_severity(stripped));
    gate.goes_on();
}

#[test]
fn one_group_that_fails_takes_no_other_with_it() {
    let cases: [(Reply, &str, &str); 4] = [
        (Reply::error("500 Oops", "InternalException", "on fire"), "InternalException", "on fire"),
        (Reply::error("400 Bad Request", "InvalidInputException", "no"), "InvalidInputException", "no"),
        (Reply::answer("200 OK", &[], "<html>"), "InternalFailure", "is not known"),
        (Reply::Close(Vec::new()), "BadGatewayException", "is not known"),
    ];
    for (failure, expected_code, told) in cases {
        let upstream = Upstream::start(
            move |request| {
                if has_severity(request) { failure.clone() } else { Reply::accept(request) }
            },
        );
        let gate = with_policies(&upstream, "");
        let response = gate.connect().update(&PAYMENTS, request());
        assert_eq!(response.processed(), ["strip-b", "strip-d"]);
        let unprocessed = response.unprocessed();
        let of = |id: &str| unprocessed.iter().filter(|entry| entry.0 == id).collect::<Vec<_>>();
        for id in ["a", "c"] {
            let [(_, code, message)] = &of(id)[..] else { panic!("{id} in {unprocessed:?}") };
            assert_eq!(code, expected_code);
            assert!(message.contains(told), "{message}");
        }
        assert_eq!(of("strip-b")[0].1, "PartialUpdate");
        assert_eq!(of("theirs")[0].1, "AccessDenied");
        gate.wait_for_log(&["upstream_failed"]);
        gate.goes_on();
    }
}

#[test]
fn groups_that_all_fail_alike_pass_the_failure_on() {
    let upstream = Upstream::start(|request| {
        if goes_on(request) {
            return Reply::accept(request);
        }
        Reply::answer(
            "429 Too Many Requests",
            &["x-amzn-ErrorType: TooManyRequestsException", "Retry-After: 7", "Content-Type: application/json"],
            r#"{"Code":"TooManyRequestsException","Message":"Too Many Requests"}"#,
        )
    });
    let gate = with_policies(&upstream, "");
    let response = gate.connect().update(&PAYMENTS, request());
    assert_eq!(response.status, 429);
    assert_eq!(response.json()["Code"], "TooManyRequestsException");
    assert_eq!(response.headers["x-amzn-errortype"], "TooManyRequestsException");
    assert_eq!(response.headers["retry-after"], "7");
    assert_eq!(upstream.take().len(), 2, "each group was asked for once");
    gate.goes_on();
}

#[test]
fn groups_that_fail_differently_are_told_finding_by_finding() {
    let upstream = Upstream::start(|request| match (goes_on(request), has_severity(request)) {
        (true, _) => Reply::accept(request),
        (_, true) => Reply::error("500 Oops", "InternalException", "on fire"),
        (_, false) => Reply::error("429 Slow", "TooManyRequestsException", "too many"),
    });
    let gate = with_policies(&upstream, "");
    let response = gate.connect().update(&PAYMENTS, request());
    assert_eq!(response.processed(), [""; 0]);
    let told: Vec<_> = response.unprocessed().into_iter().map(|(id, code, _)| format!("{id} {code}")).collect();
    assert_eq!(
        told,
        [
            "a InternalException",
            "strip-b TooManyRequestsException",
            "strip-b PartialUpdate",
            "theirs AccessDenied",
            "c InternalException",
            "strip-d TooManyRequestsException",
            "strip-d PartialUpdate",
        ]
    );
    gate.goes_on();
}

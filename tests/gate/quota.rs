//! More calls than the quota allows, a backend that refuses and recovers, and one that is left alone.

use crate::{
    POLICIES,
    support::{
        client::{Response, signed_head, with_body},
        fleet::{KEYS, Key, PAYMENTS, SEARCH, finding, good, update},
        gate::{Gate, Place},
        upstream::{Received, Reply, Upstream},
    },
};
use serde_json::json;
use std::{
    net::TcpListener,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
};

/// One call a second and no waiting, so that what comes in one breath is over the quota from the second on.
const ONE: &str = "[quota]\nenforce = \"on\"\nwait = \"0s\"\nupdate_rate = 1\nupdate_burst = 1\n\
                   get_rate = 1\nget_burst = 1\nother_rate = 1\nother_burst = 1\n";

fn gate(upstream: &Upstream, more: &str) -> Gate {
    Gate::start(Place::with_policies(&upstream.url(), POLICIES, more))
}

/// An update of one own finding.
fn own(key: &Key, id: &str) -> String {
    update(&[finding(key.account, id)], json!({"Workflow": {"Status": "NOTIFIED"}}))
}

/// Asks until the gate refuses for the quota, which takes two calls within a second.
fn until_refused(ask: impl FnMut() -> Response) -> Response {
    let mut answers = std::iter::repeat_with(ask).take(50);
    answers.find(|response| response.status == 429).expect("some two of fifty calls come within a second")
}

#[test]
fn one_greedy_caller_is_refused_and_the_modest_ones_are_not() {
    let upstream = Upstream::accepting();
    let gate = gate(&upstream, ONE);
    let mut client = gate.connect();
    let refused = until_refused(|| client.update(&PAYMENTS, own(&PAYMENTS, "greedy")));
    let told = "Too Many Requests: the quota for BatchUpdateFindings is 1 calls a second, 1 at once, and the share of account \
                222222222222 is used up for now (`quota`). The request was not sent; try again after 1 s, and rather make fewer \
                calls with more in each";
    assert_eq!(refused.error(), (429, "TooManyRequestsException".to_owned(), told.to_owned()));
    assert_eq!(refused.headers["retry-after"], "1");
    assert!(refused.headers.contains_key("x-findings-gate-decision"), "it was decided");
    gate.wait_for_log(&["request_denied", "TooManyRequestsException"]);
    assert!(!gate.log().contains("upstream_failed"), "the backend has not failed");
    // Another account, over another connection and perhaps another worker.
    assert_eq!(gate.connect().update(&SEARCH, own(&SEARCH, "modest")).processed(), ["modest"]);
    assert!(KEYS.contains(&SEARCH));
}

#[test]
fn each_operation_is_refused_in_its_own_words() {
    let upstream = Upstream::start(|_| Reply::answer("200 OK", &[], r#"{"Findings":[]}"#));
    let doors = "[doors]\nopen = [\"GetFindings\", \"GetFindingsV2\"]\n";
    let gate = gate(&upstream, &format!("{ONE}{doors}"));
    let mut client = gate.connect();
    for (path, code) in [("/findings", "TooManyRequestsException"), ("/findingsv2", "ThrottlingException")] {
        let refused = until_refused(|| {
            let head = signed_head(gate.address, &PAYMENTS, "POST", path, b"{}");
            client.send(&with_body(&head, b"{}"));
            client.read()
        });
        refused.is_error(429, code, "try again after 1 s");
        assert_eq!(refused.headers["retry-after"], "1");
    }
}

/// A request that becomes two calls, of which only the first has its turn.
#[test]
fn findings_whose_call_has_no_turn_are_unprocessed() {
    let upstream = Upstream::accepting();
    let gate = gate(&upstream, ONE);
    let findings = ["a", "strip-b", "c"].map(|id| finding(PAYMENTS.account, id));
    let body = update(&findings, json!({"Severity": {"Label": "LOW"}, "Workflow": {"Status": "NOTIFIED"}}));
    let mut client = gate.connect();
    // If the second call comes a second after the first, both have their turn; so it is asked again.
    let response = std::iter::repeat_with(|| client.update(&PAYMENTS, &body))
        .take(50)
        .find(|response| response.status == 200 && response.unprocessed().len() > 1)
        .expect("some request has one of two turns");
    let told: Vec<_> = response.unprocessed().into_iter().map(|(id, code, _)| format!("{id} {code}")).collect();
    match &response.processed()[..] {
        [a, c] => {
            assert_eq!((a.as_str(), c.as_str()), ("a", "c"));
            assert_eq!(told, ["strip-b TooManyRequestsException", "strip-b PartialUpdate"]);
        }
        [b] => {
            assert_eq!(b, "strip-b");
            assert_eq!(told, ["a TooManyRequestsException", "strip-b PartialUpdate", "c TooManyRequestsException"]);
        }
        other => panic!("{other:?}"),
    }
    let (_, _, message) = &response.unprocessed()[0];
    assert!(message.contains("The request was not sent; try again after 1 s"), "{message}");
    // With no turn at all, the call fails as a whole.
    until_refused(|| client.update(&PAYMENTS, &body)).is_error(429, "TooManyRequestsException", "try again after 1 s");
}

#[test]
fn a_backend_that_refuses_and_recovers_is_asked_again() {
    let count = AtomicUsize::new(0);
    let upstream = Upstream::start(move |request: &Received| match count.fetch_add(1, SeqCst) {
        0 => Reply::answer(
            "429 Too Many Requests",
            &["x-amzn-ErrorType: TooManyRequestsException", "Retry-After: 0"],
            r#"{"Code":"TooManyRequestsException","Message":"Too Many Requests"}"#,
        ),
        _ => Reply::accept(request),
    });
    let gate = gate(&upstream, "");
    assert_eq!(gate.connect().update(&PAYMENTS, good("f")).processed(), ["f"]);
    assert_eq!(upstream.updates().len(), 2);
}

#[test]
fn updates_are_repeated_after_an_error_only_if_the_configuration_says_so() {
    for (more, status, asked) in [("", 500, 1), ("[retry]\nupdates = \"idempotent\"\n", 200, 2)] {
        let count = AtomicUsize::new(0);
        let upstream = Upstream::start(move |request: &Received| match count.fetch_add(1, SeqCst) {
            0 => Reply::error("500 Oops", "InternalException", "on fire"),
            _ => Reply::accept(request),
        });
        let gate = gate(&upstream, more);
        assert_eq!(gate.connect().update(&PAYMENTS, good("f")).status, status);
        assert_eq!(upstream.updates().len(), asked);
    }
}

#[test]
fn a_backend_that_is_down_is_left_alone() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let more = "[retry]\nattempts = 1\n[breaker]\nfailures = 2\npause = \"10m\"\n";
    let gate = Gate::start(Place::new(&format!("http://{address}"), more));
    // Over connections of their own, to any of the workers, which share the breaker.
    for _ in 0..2 {
        let response = gate.connect().update(&PAYMENTS, good("f"));
        response.is_error(503, "ServiceUnavailableException", "cannot be reached");
        assert!(!response.headers.contains_key("retry-after"));
    }
    let response = gate.connect().update(&PAYMENTS, good("f"));
    response.is_error(503, "ServiceUnavailableException", "has failed again and again since 2");
    response.is_error(
        503,
        "ServiceUnavailableException",
        "the gate leaves it alone for a while. The request was not sent",
    );
    let after: u64 = response.headers["retry-after"].parse().unwrap();
    assert!((1..=750).contains(&after), "{after}");
    assert_eq!(gate.log().matches("\"upstream_failed\"").count(), 2, "what was not sent did not fail");
    let line = gate.wait_for_log(&["breaker_opened"]);
    assert!(line.contains(&address.to_string()) && line.contains("cannot be reached"), "{line}");
}

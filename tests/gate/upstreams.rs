//! A findings backend that is down, slow, broken or wrong.

use crate::{
    baseline,
    support::{
        Latch,
        client::{signed_head, with_body},
        fleet::{PAYMENTS, finding, good, update},
        gate::{Gate, Place},
        upstream::{Received, Reply, Upstream},
    },
};
use serde_json::{Value, json};
use std::net::TcpListener;

/// Answers the requests after the first as it should.
fn first(reply: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Upstream {
    Upstream::start(move |request| if request.ids() == ["goes-on"] { Reply::accept(request) } else { reply(request) })
}

#[test]
fn one_that_is_down_is_told_apart_and_comes_back() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let gate = Gate::start(Place::new(&format!("http://{address}"), ""));
    let mut client = gate.connect();
    for _ in 0..2 {
        let response = client.update(&PAYMENTS, good("f"));
        response.is_error(503, "ServiceUnavailableException", &format!("{address} cannot be reached"));
        response.is_error(503, "ServiceUnavailableException", "The request was not sent");
    }
    gate.wait_for_log(&["upstream_failed", "503"]);
}

/// Reads pass without a decision, and whoever runs the gate hears of their failures all the same.
#[test]
fn one_that_is_down_for_a_read_is_logged() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let gate = Gate::start(Place::new(&format!("http://{address}"), "[doors]\nopen = [\"GetFindings\"]"));
    let mut client = gate.connect();
    let head = signed_head(gate.address, &PAYMENTS, "POST", "/findings", b"{}");
    client.send(&with_body(&head, b"{}"));
    client.read().is_error(503, "ServiceUnavailableException", &format!("{address} cannot be reached"));
    gate.wait_for_log(&["upstream_failed", "GetFindings", "503"]);
}

#[test]
fn one_that_is_slow_is_waited_for_so_long_and_no_longer() {
    let latch = Latch::default();
    let held = latch.clone();
    let upstream = first(move |request| {
        held.pass();
        Reply::accept(request)
    });
    let place = Place::new(&upstream.url(), "");
    place.edit("findings-gate.toml", "[upstream]", "[upstream]\ntimeout = \"300ms\"");
    let gate = Gate::start(place);
    let response = gate.connect().update(&PAYMENTS, good("f"));
    response.is_error(504, "GatewayTimeoutException", "0.3 s (`upstream.timeout`)");
    response.is_error(504, "GatewayTimeoutException", "is not known");
    gate.goes_on();
    latch.open();
    assert_eq!(upstream.received().len(), 2, "nothing is sent twice");
}

#[test]
fn answers_that_are_none_are_errors_and_asked_for_once() {
    let broken_off = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"ProcessedFindings\":[";
    let chunk = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"Pro\r\nzz\r\n";
    let cases: &[(Reply, &str)] = &[
        (Reply::Close(Vec::new()), "is not known"),
        (Reply::Close(b"HTTP/1.1 200 OK\r\nContent-".to_vec()), "is not known"),
        (Reply::Close(broken_off.to_vec()), "broke off"),
        (Reply::Close(chunk.to_vec()), "broke off"),
        (Reply::Close(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()), "is not known"),
        (Reply::answer("200 OK", &["Content-Type: text/html"], "<html>welcome</html>"), "is not known"),
        (Reply::answer("200 OK", &[], ""), "is not known"),
        (Reply::answer("200 OK", &[], "null"), "is not known"),
        (Reply::answer("200 OK", &[], r#"{"ProcessedFindings":"all","UnprocessedFindings":[]}"#), "is not known"),
        (Reply::answer("200 OK", &[], r#"{"ProcessedFindings":[{"Id":"f"}]}"#), "is not known"),
        (Reply::answer("200 OK", &[], r#"{"ProcessedFindings":[]} x"#), "is not known"),
        (Reply::answer("204 No Content", &[], ""), "status 204"),
        (Reply::answer("202 Accepted", &[], "{}"), "status 202"),
        (Reply::answer("302 Found", &["Location: http://127.0.0.1:1/"], ""), "status 302"),
        (Reply::answer("307 Temporary", &["Location: /findings/batchupdate"], ""), "status 307"),
    ];
    for (reply, told) in cases {
        let reply = reply.clone();
        let upstream = first(move |_| reply.clone());
        let gate = baseline(&upstream);
        gate.connect().update(&PAYMENTS, good("f")).is_error(502, "BadGatewayException", told);
        assert_eq!(upstream.take().len(), 1, "asked once: {told}");
        gate.wait_for_log(&["upstream_failed"]);
        gate.goes_on();
    }
}

/// What stands between the gate and its backend speaks no JSON. Its status counts all the same: SDKs go by it whether to try
/// again.
#[test]
fn errors_of_what_stands_in_front_of_the_backend_keep_their_status() {
    for (reply, status, code) in [
        (
            Reply::answer("503 Unavailable", &["Content-Type: text/html"], "<html>busy</html>"),
            503,
            "ServiceUnavailableException",
        ),
        (Reply::answer("403 Forbidden", &[], ""), 403, "AccessDeniedException"),
        (Reply::answer("404 Not Found", &[], "<html>"), 404, "ResourceNotFoundException"),
        (Reply::answer("418 Teapot", &[], "short"), 418, "InvalidInputException"),
    ] {
        let upstream = first(move |_| reply.clone());
        let gate = baseline(&upstream);
        gate.connect().update(&PAYMENTS, good("f")).is_error(status, code, "no JSON object");
        assert_eq!(upstream.take().len(), 1, "asked once: {status}");
        gate.wait_for_log(&["upstream_failed"]);
        gate.goes_on();
    }
}

#[test]
fn errors_of_the_backend_pass_as_they_are() {
    for (reply, status, code, asked) in [
        (Reply::error("400 Bad Request", "InvalidInputException", "x"), 400, "InvalidInputException", 1),
        (Reply::error("401 No", "InvalidAccessException", "x"), 401, "InvalidAccessException", 1),
        (Reply::error("429 Slow", "TooManyRequestsException", "x"), 429, "TooManyRequestsException", 3),
        (Reply::error("500 Oops", "InternalException", "x"), 500, "InternalException", 1),
    ] {
        let upstream = first(move |_| reply.clone());
        let gate = baseline(&upstream);
        let response = gate.connect().update(&PAYMENTS, good("f"));
        assert_eq!((response.status, response.headers["x-amzn-errortype"].as_str()), (status, code));
        assert_eq!(response.json(), json!({"Code": code, "Message": "x"}));
        assert_eq!(upstream.take().len(), asked, "an update that may have happened is not made again: {code}");
        gate.goes_on();
    }
}

#[test]
fn throttling_passes_with_the_time_to_wait() {
    let upstream = first(|_| {
        Reply::answer(
            "429 Too Many Requests",
            &["x-amzn-ErrorType: TooManyRequestsException", "Retry-After: 3"],
            r#"{"message":"Too Many Requests"}"#,
        )
    });
    let gate = baseline(&upstream);
    let response = gate.connect().update(&PAYMENTS, good("f"));
    assert_eq!((response.status, response.headers["retry-after"].as_str()), (429, "3"));
    assert_eq!(response.headers["x-amzn-errortype"], "TooManyRequestsException");
    gate.goes_on();
}

#[test]
fn an_answer_is_held_against_what_was_asked() {
    let identifier = |id: &str| finding(PAYMENTS.account, id);
    let unprocessed =
        |id: &str| json!({"FindingIdentifier": identifier(id), "ErrorCode": "FindingNotFound", "ErrorMessage": "gone"});
    let answered: Value = json!({
        "ProcessedFindings": [identifier("stranger"), identifier("a"), identifier("c"), {"Id": "a", "ProductArn": "other"}],
        "UnprocessedFindings": [unprocessed("c"), unprocessed("nobody")],
        "Surprise": {"deep": [1]},
    });
    let upstream = first(move |_| Reply::json("200 OK", &answered));
    let gate = baseline(&upstream);
    let body = update(&["a", "forgotten", "c"].map(identifier), json!({"Workflow": {"Status": "NOTIFIED"}}));
    let response = gate.connect().update(&PAYMENTS, body);
    assert_eq!(response.processed(), ["a"]);
    let unprocessed = response.unprocessed();
    let [(forgotten, internal, why), (c, not_found, gone)] = &unprocessed[..] else { panic!("{unprocessed:?}") };
    assert_eq!((forgotten.as_str(), internal.as_str()), ("forgotten", "InternalFailure"));
    assert!(why.contains("did not say what became of this finding"), "{why}");
    assert_eq!((c.as_str(), not_found.as_str(), gone.as_str()), ("c", "FindingNotFound", "gone"));
    assert!(!String::from_utf8_lossy(&response.body).contains("stranger"));
    let line = gate.wait_for_log(&["answer_doubtful"]);
    assert!(line.contains("\"not_asked\":3") && line.contains("\"not_answered\":1"), "{line}");
    gate.goes_on();
}

#[test]
fn an_answer_without_lists_says_nothing_of_any_finding() {
    for body in ["{}", r#"{"ProcessedFindings":null,"UnprocessedFindings":null}"#, r#"{"Message":"fine"}"#] {
        let upstream = first(move |_| Reply::answer("200 OK", &[], body));
        let gate = baseline(&upstream);
        let response = gate.connect().update(&PAYMENTS, good("f"));
        assert_eq!(response.processed(), [""; 0]);
        assert_eq!(response.unprocessed()[0].1, "InternalFailure", "{body}");
        gate.goes_on();
    }
}

/// The gate forwards on connections that it keeps. When the backend closes them, the next request must not be lost.
#[test]
fn connections_that_the_backend_closes_lose_no_request() {
    let upstream = Upstream::start(|request| {
        let Reply::Keep(bytes) = Reply::accept(request) else { unreachable!() };
        Reply::Close(bytes)
    });
    let gate = baseline(&upstream);
    let mut client = gate.connect();
    for number in 0..20 {
        let id = format!("f{number}");
        assert_eq!(client.update(&PAYMENTS, good(&id)).processed(), [id]);
        upstream.wait_for_closed(number + 1);
    }
    assert_eq!(upstream.received().len(), 20, "each once");
}

//! Requests whose sender is not proven, or is nobody here.

use crate::{
    baseline,
    support::{
        client::{PATH, head, signed, signed_head, with_body},
        fleet::{KEYS, Key, PAYMENTS, REGION, SEARCH, good},
        gate::{Gate, Place},
        upstream::Upstream,
    },
};
use findings_gate::identity::sign;
use http::Request;
use jiff::{SignedDuration, Timestamp};

/// A good update, signed at another time and for another Region.
fn signed_for(gate: &Gate, key: &Key, region: &str, at: Timestamp) -> Vec<u8> {
    let body = good("f");
    let request = Request::patch(PATH).header("content-type", "application/json").body(()).unwrap();
    let mut parts = request.into_parts().0;
    sign(&mut parts, body.as_bytes(), &gate.address.to_string(), (key.id, key.secret), region, at).unwrap();
    with_body(&head(&parts), body.as_bytes())
}

#[test]
fn whoever_is_not_proven_is_told_why_and_gets_nothing_through() {
    let upstream = Upstream::accepting();
    let gate = baseline(&upstream);
    let now = Timestamp::now();
    let body = good("f");
    let plain = format!("PATCH {PATH} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\n", gate.address);
    let right = signed_head(gate.address, &PAYMENTS, "PATCH", PATH, body.as_bytes());
    let edited = |from: &str, to: &str| {
        assert!(right.contains(from), "{right}");
        with_body(&right.replacen(from, to, 1), body.as_bytes())
    };
    let wrong_secret = Key { secret: SEARCH.secret, ..PAYMENTS };
    let unknown = Key { id: "AKIANOBODY", ..PAYMENTS };
    let minutes = SignedDuration::from_mins;
    let with_authorization = |value: &str| with_body(&format!("{plain}authorization: {value}\r\n"), body.as_bytes());
    for (request, code, told) in [
        (with_body(&plain, body.as_bytes()), "MissingAuthenticationTokenException", "no proof"),
        (with_authorization("Bearer abc"), "MissingAuthenticationTokenException", "no proof"),
        (with_authorization("AWS4-HMAC-SHA256"), "IncompleteSignatureException", ""),
        (
            with_authorization("AWS4-HMAC-SHA256 Credential=,SignedHeaders=,Signature="),
            "IncompleteSignatureException",
            "",
        ),
        (signed_for(&gate, &wrong_secret, REGION, now), "InvalidSignatureException", "does not match"),
        (signed_for(&gate, &unknown, REGION, now), "UnrecognizedClientException", "AKIANOBODY"),
        (signed_for(&gate, &PAYMENTS, REGION, now - minutes(16)), "InvalidSignatureException", "expired"),
        (signed_for(&gate, &PAYMENTS, REGION, now + minutes(17)), "InvalidSignatureException", "not yet current"),
        (signed_for(&gate, &PAYMENTS, "us-east-1", now), "InvalidSignatureException", "us-east-1"),
        (with_body(&right, good("g").as_bytes()), "InvalidSignatureException", "does not match"),
        (with_body(&right, b""), "InvalidSignatureException", "does not match"),
        (edited("application/json", "text/plain"), "InvalidSignatureException", "does not match"),
        (edited("Signature=", "Signature=0"), "IncompleteSignatureException", ""),
        (edited("content-type;host;x-amz-date", "content-type;x-amz-date"), "InvalidSignatureException", "host"),
        (edited("content-type;", ""), "InvalidSignatureException", "content-type"),
        (edited("x-amz-date: ", "x-amz-date: 1"), "IncompleteSignatureException", "ISO-8601"),
        (edited("/securityhub/", "/s3/"), "InvalidSignatureException", "service"),
        (edited("AKIAPAYMENTS", "AKIASECURITY"), "InvalidSignatureException", "does not match"),
        (edited("\r\n", "\r\nx-amz-security-token: t\r\n"), "", ""),
        (edited("\r\n", "\r\nauthorization: AWS4-HMAC-SHA256 x\r\n"), "IncompleteSignatureException", "more than once"),
        (edited("\r\n", "\r\nx-amz-content-sha256: UNSIGNED-PAYLOAD\r\n"), "InvalidSignatureException", ""),
    ] {
        let mut client = gate.connect();
        client.send(&request);
        let (status, real_code, message) = client.read().error();
        assert_eq!(status, 403, "{message}");
        assert!(real_code == code || code.is_empty(), "{real_code}, not {code}: {message}");
        assert!(message.contains(told), "`{told}` is not in: {message}");
        for key in KEYS {
            assert!(!message.contains(key.secret), "{message}");
        }
    }
    assert_eq!(upstream.received(), []);
    gate.goes_on();
    let log = gate.log();
    assert!(log.contains("caller_unknown"), "{log}");
    assert!(KEYS.iter().all(|key| !log.contains(key.secret)), "a secret is in the log");
}

#[test]
fn another_path_or_method_is_not_covered_by_a_signature() {
    let upstream = Upstream::accepting();
    let gate = baseline(&upstream);
    let body = good("f");
    let head = signed_head(gate.address, &PAYMENTS, "POST", "/findings", body.as_bytes());
    let mut client = gate.connect();
    client.send(&with_body(&head.replacen("POST /findings ", &format!("PATCH {PATH} "), 1), body.as_bytes()));
    client.read().is_error(403, "InvalidSignatureException", "does not match");
    assert_eq!(upstream.received(), []);
    gate.goes_on();
}

/// A query signature would be a second place to read a proof from.
#[test]
fn a_presigned_request_is_refused() {
    let upstream = Upstream::accepting();
    let gate = baseline(&upstream);
    let query = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAPAYMENTS&X-Amz-Signature=00";
    let body = good("f");
    let mut client = gate.connect();
    client.send(&with_body(&format!("PATCH {PATH}?{query} HTTP/1.1\r\nhost: {}\r\n", gate.address), body.as_bytes()));
    client.read().is_error(403, "IncompleteSignatureException", "presigned");
    assert_eq!(upstream.received(), []);
    gate.goes_on();
}

/// The account was there when the key was issued, and has left.
#[test]
fn an_account_that_left_the_fleet_is_refused_though_its_signature_is_right() {
    let upstream = Upstream::accepting();
    let place = Place::new(&upstream.url(), "");
    place.edit("accounts.toml", SEARCH.account, "444444444444");
    let gate = Gate::start(place);
    let mut client = gate.connect();
    let answer = client.update(&SEARCH, good("f"));
    answer.is_error(401, "InvalidAccessException", "Account 333333333333 is not subscribed to AWS Security Hub");
    assert_eq!(upstream.received(), []);
    gate.goes_on();
}

/// A replayed request is the same request once more; within the clock's tolerance nothing tells it from a retry.
#[test]
fn the_same_bytes_again_are_the_same_request() {
    let upstream = Upstream::accepting();
    let gate = baseline(&upstream);
    let request = signed(gate.address, &PAYMENTS, good("f").as_bytes());
    for _ in 0..2 {
        let mut client = gate.connect();
        client.send(&request);
        assert_eq!(client.read().processed(), ["f"]);
    }
    let received = upstream.received();
    assert_eq!(received[0], received[1]);
}

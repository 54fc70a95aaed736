//! Clients that send too much, too slowly, or go away.

use crate::{
    baseline,
    support::{
        client::{PATH, signed, signed_head, with_body},
        fleet::{PAYMENTS, good},
        gate::{Gate, Place},
        upstream::Upstream,
    },
};
use std::io::ErrorKind;

/// Limits that a test can wait for.
const SHORT: &str = "[limits]\nbody = \"2KiB\"\nhead_timeout = \"300ms\"\nbody_timeout = \"300ms\"";

fn short(upstream: &Upstream) -> Gate {
    Gate::start(Place::new(&upstream.url(), SHORT))
}

#[test]
fn a_body_that_says_it_is_too_large_is_not_waited_for() {
    let upstream = Upstream::accepting();
    let gate = short(&upstream);
    for expect in ["", "expect: 100-continue\r\n"] {
        let mut client = gate.connect();
        let head = signed_head(gate.address, &PAYMENTS, "PATCH", PATH, b"");
        client.send(format!("{head}{expect}content-length: 2049\r\n\r\n").as_bytes());
        let response = client.read();
        response.is_error(413, "RequestEntityTooLargeException", "2048 bytes");
        assert_eq!(response.headers["connection"], "close");
        assert!(client.is_closed());
    }
    assert_eq!(upstream.received(), []);
    gate.goes_on();
}

#[test]
fn a_body_that_turns_out_too_large_is_given_up() {
    let upstream = Upstream::accepting();
    let gate = short(&upstream);
    let mut client = gate.connect();
    let head = signed_head(gate.address, &PAYMENTS, "PATCH", PATH, b"");
    client.send(format!("{head}transfer-encoding: chunked\r\n\r\n").as_bytes());
    let chunk = format!("400\r\n{}\r\n", " ".repeat(0x400));
    for _ in 0..64 {
        // The gate answers on the way, and reads on so that the answer arrives.
        client.send(chunk.as_bytes());
    }
    client.read().is_error(413, "RequestEntityTooLargeException", "2048 bytes");
    assert_eq!(upstream.received(), []);
    gate.goes_on();
}

#[test]
fn a_chunked_body_within_the_limit_is_a_body() {
    let upstream = Upstream::accepting();
    let gate = short(&upstream);
    let body = good("f");
    let (one, other) = body.split_at(40);
    let head = signed_head(gate.address, &PAYMENTS, "PATCH", PATH, body.as_bytes());
    let mut client = gate.connect();
    client.send(format!("{head}transfer-encoding: chunked\r\n\r\n").as_bytes());
    for part in [one, other, ""] {
        client.send(format!("{:x}\r\n{part}\r\n", part.len()).as_bytes());
    }
    assert_eq!(client.read().processed(), ["f"]);
    // Upstream gets a declared length all the same.
    assert!(upstream.received()[0].head.to_ascii_lowercase().contains("content-length: "));
}

/// Two lengths are two ways to read one request, which is how requests are smuggled.
#[test]
fn a_request_whose_end_is_doubtful_is_refused() {
    let upstream = Upstream::accepting();
    let gate = short(&upstream);
    let body = good("f");
    let head = signed_head(gate.address, &PAYMENTS, "PATCH", PATH, body.as_bytes());
    let length = body.len();
    for (lines, body) in [
        (format!("content-length: {length}\r\ncontent-length: {}\r\n", length + 1), body.clone()),
        (format!("content-length: {length}, {}\r\n", length + 1), body.clone()),
        (format!("content-length: +{length}\r\n"), body.clone()),
        (format!("content-length: -{length}\r\n"), body.clone()),
        ("content-length: 0x10\r\n".to_owned(), body.clone()),
        ("transfer-encoding: chunked\r\n".to_owned(), format!("zz\r\n{body}\r\n0\r\n\r\n")),
        ("transfer-encoding: chunked, identity\r\n".to_owned(), format!("{length:x}\r\n{body}\r\n0\r\n\r\n")),
        ("transfer-encoding: xchunked\r\n".to_owned(), format!("{length:x}\r\n{body}\r\n0\r\n\r\n")),
    ] {
        let mut client = gate.connect();
        client.send(format!("{head}{lines}\r\n{body}").as_bytes());
        let answer = client.try_read().unwrap();
        assert!(answer.is_none_or(|answer| answer.status == 400), "{lines}");
    }
    assert_eq!(upstream.received(), []);
    gate.goes_on();
}

#[test]
fn a_head_that_dribbles_in_is_given_up() {
    let upstream = Upstream::accepting();
    let gate = short(&upstream);
    let mut client = gate.connect();
    client.send(format!("PATCH {PATH} HTTP/1.1\r\nhost: x\r\n").as_bytes());
    let answer = client.try_read();
    assert!(
        matches!(&answer, Ok(None)) || answer.as_ref().is_ok_and(|a| a.as_ref().unwrap().status == 408),
        "{answer:?}"
    );
    gate.goes_on();
}

#[test]
fn a_body_that_dribbles_in_is_given_up_and_nothing_of_it_forwarded() {
    let upstream = Upstream::accepting();
    let gate = short(&upstream);
    let request = signed(gate.address, &PAYMENTS, good("f").as_bytes());
    let mut client = gate.connect();
    client.send(&request[..request.len() - 1]);
    let response = client.read();
    response.is_error(408, "RequestTimeoutException", "0.3 s (`limits.body_timeout`)");
    assert_eq!(response.headers["connection"], "close");
    // The byte that was missing comes too late.
    drop(client.try_send(&request[request.len() - 1..]));
    assert!(client.is_closed());
    assert_eq!(upstream.received(), []);
    gate.goes_on();
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let upstream = Upstream::accepting();
    let gate = short(&upstream);
    let body = good("f");
    let head = signed_head(gate.address, &PAYMENTS, "PATCH", PATH, body.as_bytes());
    for more in ["x-a: b\r\n".repeat(70), format!("x-long: {}\r\n", "x".repeat(20_000))] {
        let mut client = gate.connect();
        client.send(&with_body(&format!("{head}{more}"), body.as_bytes()));
        assert_eq!(client.read().status, 431);
    }
    assert_eq!(upstream.received(), []);
    gate.goes_on();
}

#[test]
fn what_is_no_http_is_refused() {
    let upstream = Upstream::accepting();
    let gate = short(&upstream);
    for bytes in
        [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], b"\0\0\0\0\r\n\r\n", b"PATCH\r\n\r\n", b"{}\r\n\r\n"]
    {
        let mut client = gate.connect();
        client.send(bytes);
        match client.try_read() {
            Ok(None) => {}
            Ok(Some(answer)) => assert_eq!(answer.status, 400),
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
    }
    assert_eq!(upstream.received(), []);
    gate.goes_on();
}

#[test]
fn a_client_that_leaves_within_its_request_changes_nothing() {
    let upstream = Upstream::accepting();
    let gate = baseline(&upstream);
    let request = signed(gate.address, &PAYMENTS, good("f").as_bytes());
    for length in [1, 20, request.len() - 60, request.len() - 1] {
        let mut client = gate.connect();
        client.send(&request[..length]);
        client.leave();
    }
    gate.goes_on();
    assert_eq!(upstream.received().len(), 1, "only the request that was whole");
}

#[test]
fn a_client_that_leaves_before_its_answer_has_asked_all_the_same() {
    let (upstream, latch) = Upstream::held();
    let place = Place::new(&upstream.url(), "");
    place.edit("findings-gate.toml", "level = \"info\"", "level = \"debug\"");
    let gate = Gate::start(place);
    let mut client = gate.connect();
    client.send(&signed(gate.address, &PAYMENTS, good("left").as_bytes()));
    let received = upstream.wait_for(1);
    assert_eq!(received[0].ids(), ["left"]);
    client.leave();
    latch.open();
    gate.wait_for_log(&["request_served", PAYMENTS.account, "\"status\":200"]);
    gate.goes_on();
}

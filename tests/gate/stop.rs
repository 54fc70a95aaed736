//! Stops by signal, with a request under way.

use crate::{
    baseline,
    support::{
        Latch,
        client::signed,
        fleet::{PAYMENTS, good},
        gate::{Gate, Place},
        upstream::{Reply, Upstream},
    },
};

/// An upstream that holds every request until the latch opens.
fn held() -> (Upstream, Latch) {
    let latch = Latch::default();
    let held = latch.clone();
    let upstream = Upstream::start(move |request| {
        held.pass();
        Reply::accept(request)
    });
    (upstream, latch)
}

#[test]
fn an_idle_gate_ends_at_once() {
    let upstream = Upstream::accepting();
    for signal in ["TERM", "INT"] {
        let gate = baseline(&upstream);
        gate.goes_on();
        let mut idle = gate.connect();
        gate.signal(signal);
        let (status, log) = gate.ended();
        assert_eq!(status.code(), Some(0), "{log}");
        assert!(idle.is_closed());
        assert!(log.contains("\"drained\"") || log.contains("stopped"), "{log}");
    }
}

#[test]
fn a_request_under_way_is_answered_and_nobody_new_is() {
    let (upstream, latch) = held();
    let gate = baseline(&upstream);
    let mut client = gate.connect();
    client.send(&signed(gate.address, &PAYMENTS, good("under-way").as_bytes()));
    upstream.wait_for(1);
    gate.signal("TERM");
    gate.wait_until_closed();
    latch.open();
    let response = client.read();
    assert_eq!(response.processed(), ["under-way"]);
    assert_eq!(response.headers["connection"], "close");
    assert!(client.is_closed());
    let (status, log) = gate.ended();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("\"finished\":1") && log.contains("\"cut\":0"), "{log}");
}

#[test]
fn a_second_signal_cuts_what_is_under_way_and_says_so() {
    let (upstream, latch) = held();
    let gate = baseline(&upstream);
    let mut client = gate.connect();
    client.send(&signed(gate.address, &PAYMENTS, good("under-way").as_bytes()));
    upstream.wait_for(1);
    gate.signal("TERM");
    gate.wait_until_closed();
    gate.signal("TERM");
    let (status, log) = gate.ended();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("\"cut\":1") && log.contains("\"level\":\"WARN\""), "{log}");
    assert!(client.try_read().is_ok_and(|answer| answer.is_none()) || client.is_closed());
    latch.open();
}

#[test]
fn the_time_to_drain_is_bounded() {
    let (upstream, latch) = held();
    let gate = Gate::start(Place::new(&upstream.url(), "[limits]\ndrain = \"200ms\""));
    let mut client = gate.connect();
    client.send(&signed(gate.address, &PAYMENTS, good("under-way").as_bytes()));
    upstream.wait_for(1);
    gate.signal("TERM");
    let (status, log) = gate.ended();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("\"cut\":1"), "{log}");
    latch.open();
}

//! Stops by signal, with a request under way.

use crate::{
    baseline,
    support::{
        client::signed,
        fleet::{PAYMENTS, good},
        gate::{Gate, Place},
        upstream::Upstream,
    },
};

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

/// The admin listener of a gate that has one.
fn admin(gate: &Gate) -> std::net::SocketAddr {
    let out = gate.wait_for_output(&["administered at http://"]);
    out.split_once("http://").unwrap().1.trim().parse().unwrap()
}

fn ready(admin: std::net::SocketAddr) -> Option<u16> {
    let mut client = crate::support::client::Client::try_connect(admin).ok()?;
    client.try_send(b"GET /ready HTTP/1.1\r\nhost: x\r\n\r\n").ok()?;
    client.try_read().ok()?.map(|answer| answer.status)
}

const ADMIN: &str = "[admin]\naddress = \"127.0.0.1:0\"\n";

#[test]
fn after_a_sigterm_only_readiness_falls_at_first() {
    let upstream = Upstream::accepting();
    let gate = Gate::start(Place::new(&upstream.url(), &format!("{ADMIN}[limits]\ngrace = \"10m\"")));
    let admin = admin(&gate);
    let mut before = gate.connect();
    assert!(!before.update(&PAYMENTS, good("a")).headers.contains_key("connection"));
    assert_eq!(ready(admin), Some(200));
    gate.signal("TERM");
    gate.wait_for_log(&["\"stopping\"", "\"signal\":\"SIGTERM\"", "\"grace_ms\":600000"]);
    gate.wait_until(|| ready(admin) == Some(503));
    // It still takes whoever comes, and tells those that stay to come anew.
    gate.wait_until(|| {
        let answer = gate.connect().update(&PAYMENTS, good("new"));
        assert_eq!(answer.processed(), ["new"]);
        answer.headers.get("connection").is_some_and(|value| value == "close")
    });
    assert_eq!(before.update(&PAYMENTS, good("b")).processed(), ["b"]);
    gate.signal("TERM");
    let (status, log) = gate.ended();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("\"drained\""), "{log}");
}

#[test]
fn the_grace_ends_by_itself_and_the_admin_listener_stays_to_the_end() {
    let (upstream, latch) = Upstream::held();
    let gate = Gate::start(Place::new(&upstream.url(), &format!("{ADMIN}[limits]\ngrace = \"50ms\"")));
    let admin = admin(&gate);
    let mut client = gate.connect();
    client.send(&signed(gate.address, &PAYMENTS, good("under-way").as_bytes()));
    upstream.wait_for(1);
    gate.signal("TERM");
    gate.wait_until_closed();
    assert_eq!(ready(admin), Some(503));
    latch.open();
    let answer = client.read();
    assert_eq!((answer.processed(), &*answer.headers["connection"]), (vec!["under-way".to_owned()], "close"));
    let (status, log) = gate.ended();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("\"finished\":1") && log.contains("\"cut\":0"), "{log}");
    assert_eq!(ready(admin), None);
}

/// Whoever presses Ctrl-C sits there and waits.
#[test]
fn there_is_no_grace_for_a_sigint() {
    let (upstream, latch) = Upstream::held();
    let gate = Gate::start(Place::new(&upstream.url(), "[limits]\ngrace = \"10m\""));
    let mut client = gate.connect();
    client.send(&signed(gate.address, &PAYMENTS, good("under-way").as_bytes()));
    upstream.wait_for(1);
    gate.signal("INT");
    gate.wait_until_closed();
    latch.open();
    assert_eq!(client.read().processed(), ["under-way"]);
    assert_eq!(gate.ended().0.code(), Some(0));
}

#[test]
fn a_request_under_way_is_answered_and_nobody_new_is() {
    let (upstream, latch) = Upstream::held();
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
    let (upstream, latch) = Upstream::held();
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
    let (upstream, latch) = Upstream::held();
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

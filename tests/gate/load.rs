//! More than the gate takes at once, through the whole program.

use crate::support::{
    client::{Client, signed},
    fleet::{PAYMENTS, good},
    gate::{Gate, Place},
    upstream::Upstream,
};

#[test]
fn what_is_too_much_gets_503_and_is_counted_and_told_once() {
    let (upstream, latch) = Upstream::held();
    let more = "[admin]\naddress = \"127.0.0.1:0\"\n[limits]\nrequests = 2\nqueue = 0\n";
    let gate = Gate::start(Place::new(&upstream.url(), more));
    let out = gate.wait_for_output(&["administered at http://"]);
    let admin = out.split_once("http://").unwrap().1.trim().parse().unwrap();
    let mut under_way: Vec<Client> = (0..2)
        .map(|at| {
            let mut client = gate.connect();
            client.send(&signed(gate.address, &PAYMENTS, good(&format!("f{at}")).as_bytes()));
            client
        })
        .collect();
    upstream.wait_for(2);
    for _ in 0..5 {
        let answer = gate.connect().update(&PAYMENTS, good("too-much"));
        answer.is_error(503, "ServiceUnavailableException", "try again");
        assert_eq!(answer.headers["retry-after"], "1");
    }
    let mut client = Client::connect(admin);
    client.send(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n");
    let text = String::from_utf8(client.read().body).unwrap();
    for line in [
        "findings_gate_requests_in_flight 2",
        "findings_gate_requests_waiting 0",
        r#"findings_gate_shed_total{reason="queue_full"} 5"#,
        r#"findings_gate_shed_total{reason="queue_wait"} 0"#,
    ] {
        assert!(text.lines().any(|written| written == line), "{line} is not in\n{text}");
    }
    latch.open();
    for (at, client) in under_way.iter_mut().enumerate() {
        assert_eq!(client.read().processed(), [format!("f{at}")]);
    }
    gate.goes_on();
    assert_eq!(gate.log().matches("requests_shed").count(), 1, "{}", gate.log());
    assert!(upstream.received().iter().all(|request| !request.text().contains("too-much")));
}

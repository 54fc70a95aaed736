//! The configuration, read again while the gate runs.

use crate::support::{
    client::{Client, signed},
    fleet::{self, PAYMENTS, SEARCH, finding, good, update},
    gate::{Gate, Place},
    upstream::Upstream,
};
use serde_json::json;

const ALLOW: &str = "@id(\"all\") permit (principal, action, resource);\n";
const DENY: &str = "@id(\"all\") permit (principal, action, resource);\n\
                    @id(\"no-workflow\") forbid (principal, action == Action::\"Workflow.Status\", resource);\n";

#[test]
fn policies_keys_and_accounts_are_used_as_they_are_now() {
    let upstream = Upstream::accepting();
    let gate = Gate::start(Place::with_policies(&upstream.url(), ALLOW, ""));
    let mut client = gate.connect();
    assert_eq!(client.update(&PAYMENTS, good("a")).processed(), ["a"]);

    gate.place().write("policies/test.cedar", DENY);
    gate.wait_for_log(&["\"reloaded\"", "\"policies\":2"]);
    let denied = client.update(&PAYMENTS, good("b"));
    assert_eq!(denied.unprocessed()[0].1, "AccessDenied");

    // A further file counts, too, and so does one that goes.
    gate.place().write("policies/more.cedar", "@id(\"more\") permit (principal is Member, action, resource);\n");
    gate.wait_for_log(&["\"reloaded\"", "\"policies\":3"]);
    gate.place().write("policies/test.cedar", ALLOW);
    std::fs::remove_file(gate.place().path("policies/more.cedar")).unwrap();
    gate.wait_for_log(&["\"reloaded\"", "\"policies\":1"]);
    assert_eq!(client.update(&PAYMENTS, good("c")).processed(), ["c"]);

    // A key that is gone proves nothing any more, over a connection that is there.
    let keys = fleet::keys_toml();
    let (_, without) = keys.split_once(PAYMENTS.id).unwrap();
    let without = format!("[[key]]\n{}", &without[without.find("[[key]]").unwrap() + "[[key]]\n".len()..]);
    gate.place().write("keys.toml", &without);
    gate.wait_until(|| client.update(&PAYMENTS, good("d")).status == 403);
    client.update(&PAYMENTS, good("d")).is_error(403, "UnrecognizedClientException", PAYMENTS.id);

    let body = update(&[finding(SEARCH.account, "e")], json!({"Workflow": {"Status": "NOTIFIED"}}));
    assert_eq!(client.update(&SEARCH, &body).processed(), ["e"]);
    gate.place().write("accounts.toml", "administrator = \"111111111111\"\n");
    gate.wait_until(|| client.update(&SEARCH, &body).status == 401);
}

#[test]
fn what_cannot_be_used_changes_nothing_and_is_told() {
    let upstream = Upstream::accepting();
    let gate = Gate::start(Place::with_policies(&upstream.url(), ALLOW, ""));
    let mut client = gate.connect();
    for (file, text, told) in [
        ("policies/test.cedar", "@id(\"x\") permit (principal, action == Action::\"Nope\", resource);", "Nope"),
        ("accounts.toml", "administrator = \"1\"", "accounts.toml:1:17"),
        ("keys.toml", "[[key]]\nid = \"x\"\n", "keys.toml"),
    ] {
        let good_one = std::fs::read_to_string(gate.place().path(file)).unwrap();
        gate.place().write(file, text);
        gate.wait_for_log(&["reload_failed", told]);
        assert_eq!(client.update(&PAYMENTS, good("a")).processed(), ["a"], "{file}");
        gate.place().write(file, &good_one);
    }
    // What only a restart can change is not half changed.
    gate.place().edit("findings-gate.toml", "region = \"eu-west-1\"", "region = \"eu-west-2\"");
    gate.wait_for_log(&["reload_failed", "upstream", "restart"]);
    gate.goes_on();
}

#[test]
fn sighup_asks_for_a_look_and_ends_nothing() {
    let upstream = Upstream::accepting();
    let gate = Gate::start(Place::with_policies(&upstream.url(), ALLOW, ""));
    gate.signal("HUP");
    gate.goes_on();
    gate.place().write("policies/test.cedar", DENY);
    gate.signal("HUP");
    gate.wait_for_log(&["\"reloaded\"", "\"policies\":2"]);
}

/// A log beside the configuration, a database, an editor's swap file: what is written all the time does not keep a revocation back.
#[test]
fn somebody_who_never_stops_writing_does_not_hold_a_reload_up() {
    let upstream = Upstream::accepting();
    let gate = Gate::start(Place::with_policies(&upstream.url(), ALLOW, ""));
    let noise = gate.place().path("noise.log");
    let done = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let quiet = std::sync::Arc::clone(&done);
    let writer = std::thread::spawn(move || {
        while !quiet.load(std::sync::atomic::Ordering::Relaxed) {
            std::fs::write(&noise, "x").unwrap();
        }
    });
    gate.place().write("policies/test.cedar", DENY);
    gate.wait_for_log(&["\"reloaded\"", "\"policies\":2"]);
    done.store(true, std::sync::atomic::Ordering::Relaxed);
    writer.join().unwrap();
}

/// The backend inside the gate lets in and shows what the gate's accounts file says now, and not what it said at the start.
#[test]
fn the_embedded_backend_takes_the_accounts_of_a_reload() {
    let place = Place::new("embedded", "");
    let without = "administrator = \"111111111111\"\n";
    place.write("accounts.toml", without);
    let gate = Gate::start(place);
    let mut client = gate.connect();
    let own = update(&[finding(SEARCH.account, "e")], json!({"Workflow": {"Status": "NOTIFIED"}}));
    assert_eq!(client.update(&SEARCH, &own).status, 401);
    gate.place().write("accounts.toml", &format!("{without}[[member]]\naccount = \"333333333333\"\n"));
    gate.wait_for_log(&["\"reloaded\"", "\"accounts\":2"]);
    // Its backend knows the account, too, and says that there is no such finding of it.
    assert_eq!(client.update(&SEARCH, &own).unprocessed()[0].1, "FindingNotFound");
}

fn under_way(gate: &Gate, id: &str) -> Client {
    let mut client = gate.connect();
    client.send(&signed(gate.address, &PAYMENTS, good(id).as_bytes()));
    client
}

/// Changes one of the limits, and waits until it counts.
fn set(gate: &Gate, from: &str, to: &str) {
    let before = gate.log().matches("\"reloaded\"").count();
    gate.place().edit("findings-gate.toml", from, to);
    gate.wait_until(|| gate.log().matches("\"reloaded\"").count() > before);
}

#[test]
fn limits_of_requests_are_as_they_are_now() {
    let (upstream, latch) = Upstream::held();
    let limits = "[limits]\nrequests = 2\nqueue = 0\nheaders = 20\n";
    let gate = Gate::start(Place::new(&upstream.url(), limits));
    let mut clients = vec![under_way(&gate, "a"), under_way(&gate, "b")];
    upstream.wait_for(2);
    assert_eq!(gate.connect().update(&PAYMENTS, good("c")).status, 503);
    set(&gate, "requests = 2", "requests = 3");
    clients.push(under_way(&gate, "c"));
    upstream.wait_for(3);
    // Those that are under way are more than there are to be, and are answered all the same.
    set(&gate, "requests = 3", "requests = 1");
    assert_eq!(gate.connect().update(&PAYMENTS, good("d")).status, 503);
    latch.open();
    for (client, id) in clients.iter_mut().zip(["a", "b", "c"]) {
        assert_eq!(client.read().processed(), [id]);
    }
    gate.goes_on();

    let many = format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "a: b\r\n".repeat(30));
    let status = || {
        let mut client = gate.connect();
        client.send(many.as_bytes());
        client.read().status
    };
    assert_eq!(status(), 431);
    set(&gate, "headers = 20", "headers = 64\ngrace = \"10m\"");
    assert_eq!(status(), 403);
    gate.signal("TERM");
    gate.wait_for_log(&["\"stopping\"", "\"grace_ms\":600000"]);
    gate.signal("INT");
    gate.ended();
}

#[test]
fn there_are_as_many_places_for_connections_as_there_are_to_be_now() {
    let (upstream, latch) = Upstream::held();
    let gate = Gate::start(Place::new(&upstream.url(), "[limits]\nconnections = 1\n"));
    let mut first = under_way(&gate, "a");
    upstream.wait_for(1);
    let mut second = under_way(&gate, "b");
    set(&gate, "connections = 1", "connections = 2");
    upstream.wait_for(2);
    set(&gate, "connections = 2", "connections = 1");
    // Both stay, and the next one has no place before both are gone.
    let mut third = under_way(&gate, "c");
    latch.open();
    assert_eq!((first.read().processed(), second.read().processed()), (vec!["a".to_owned()], vec!["b".to_owned()]));
    drop((first, second));
    assert_eq!(third.read().processed(), ["c"]);
    drop(third);
    gate.goes_on();
}

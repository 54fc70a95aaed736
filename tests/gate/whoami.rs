//! The question of a caller that does not know who it is to the gate.

use crate::support::{
    client::{signed_head, with_body},
    fleet::{BLUNT, Key, PAYMENTS, REGION},
    gate::{Gate, Place, program},
    upstream::Upstream,
};
use serde_json::{Value, json};
use std::process::Output;

const PATH: &str = "/findings-gate/whoami";

fn gate(upstream: &Upstream, door: &str) -> Gate {
    Gate::start(Place::new(&upstream.url(), &format!("[doors]\nwhoami = \"{door}\"\n")))
}

/// `findings-gate whoami` with a key in the environment.
fn ask(gate: &Gate, key: &Key, more: &[&str]) -> Output {
    let mut command = program(gate.place().path("accounts.toml").parent().unwrap());
    command
        .args(["whoami", "--endpoint", &format!("http://{}", gate.address)])
        .args(more)
        .env("AWS_ACCESS_KEY_ID", key.id)
        .env("AWS_SECRET_ACCESS_KEY", key.secret)
        .env("AWS_REGION", REGION);
    command.output().unwrap()
}

#[test]
fn a_caller_is_told_whom_the_gate_takes_it_for() {
    let upstream = Upstream::accepting();
    let gate = gate(&upstream, "open");
    let output = ask(&gate, &BLUNT, &["--format", "json"]);
    assert!(output.status.success(), "{output:?}");
    let mut answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["Policies"].take().as_str().map(str::len), Some(64));
    assert_eq!(
        answer,
        json!({
            "Account": "222222222222", "AccountName": "payments", "Role": "member", "Principal":
            "arn:aws:iam::222222222222:role/akiablunt", "Proof": "sigv4:AKIABLUNT", "Region": "eu-west-1",
            "AccountGroups": ["ou/prod"], "Groups": [], "MinimumEnforcement": "refuse", "Policies": null,
        })
    );
    let human = String::from_utf8(ask(&gate, &PAYMENTS, &[]).stdout).unwrap();
    for line in ["account         222222222222 (payments)\n", "proof           sigv4:AKIAPAYMENTS\n"] {
        assert!(human.contains(line), "{human}");
    }
    assert!(upstream.received().is_empty());
}

#[test]
fn whoever_is_not_known_is_told_so() {
    let upstream = Upstream::accepting();
    let gate = gate(&upstream, "open");
    let output = ask(&gate, &Key { secret: "wrong-secret", ..PAYMENTS }, &[]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.starts_with("InvalidSignatureException: "), "{told}");
    assert!(!told.contains("wrong-secret") && output.stdout.is_empty());
    let output = ask(&gate, &PAYMENTS, &["--unsigned"]);
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("MissingAuthenticationTokenException: "));
}

#[test]
fn the_door_is_closed_unless_it_is_opened() {
    let upstream = Upstream::accepting();
    let closed = Gate::start(Place::new(&upstream.url(), ""));
    let output = ask(&closed, &PAYMENTS, &[]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.starts_with("AccessDeniedException: ") && told.contains("doors.whoami"), "{told}");
    let open = gate(&upstream, "open");
    for (method, path) in [("POST", PATH.to_owned()), ("GET", format!("{PATH}?x=1")), ("GET", format!("{PATH}/"))] {
        let mut client = open.connect();
        client.send(&with_body(&signed_head(open.address, &PAYMENTS, method, &path, b""), b""));
        client.read().is_error(403, "AccessDeniedException", "");
    }
}

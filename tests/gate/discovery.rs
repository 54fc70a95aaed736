//! Members that Security Hub lists: at the start, later on, and when it does not.

use crate::support::{
    Latch, PATIENCE,
    fleet::{PAYMENTS, SEARCH, finding, good, update},
    gate::{Gate, Place, program},
    upstream::{Reply, Upstream},
};
use serde_json::json;
use std::{
    process::{Command, Stdio},
    sync::{Arc, Mutex, mpsc},
};

const SAYING_LITTLE: &str =
    "administrator = \"111111111111\"\n[[member]]\naccount = \"222222222222\"\ngroups = [\"ou/prod\"]\n";

/// A backend that lists these members, and takes every update.
fn listing(members: &Arc<Mutex<Vec<&'static str>>>) -> Upstream {
    let members = Arc::clone(members);
    Upstream::start(move |request| {
        if request.head.starts_with("GET /administrator ") {
            return Reply::json("200 OK", &json!({}));
        }
        if request.head.starts_with("GET /members?") {
            let member = |account: &&str| json!({"AccountId": account, "MemberStatus": "Enabled"});
            let members: Vec<_> = members.lock().unwrap().iter().map(member).collect();
            return Reply::json("200 OK", &json!({"Members": members}));
        }
        Reply::accept(request)
    })
}

fn place(upstream: &str, accounts: &str, more: &str) -> Place {
    let place = Place::new(upstream, "");
    let source = format!("file = \"accounts.toml\"\nsource = \"security-hub\"\n{more}");
    place.edit("findings-gate.toml", "file = \"accounts.toml\"\n", &source);
    place.write("accounts.toml", accounts);
    place
}

#[test]
fn who_is_listed_may_call() {
    let members = Arc::new(Mutex::new(vec!["222222222222", "333333333333"]));
    let upstream = listing(&members);
    let gate = Gate::start(place(&upstream.url(), SAYING_LITTLE, "refresh = \"10s\"\n"));
    // The file does not name this account, and the list does.
    let own = update(&[finding(SEARCH.account, "a")], json!({"Workflow": {"Status": "NOTIFIED"}}));
    assert_eq!(gate.connect().update(&SEARCH, &own).processed(), ["a"]);
    assert_eq!(gate.connect().update(&PAYMENTS, good("b")).processed(), ["b"]);

    // Listed no more, it is nobody here, without a restart.
    *members.lock().unwrap() = vec!["222222222222", "444444444444", "555555555555"];
    gate.wait_until(|| gate.connect().update(&SEARCH, &own).status == 401);
    let refused = gate.connect().update(&SEARCH, &own);
    refused.is_error(401, "InvalidAccessException", "Account 333333333333 is not subscribed to AWS Security Hub");
    gate.goes_on();
}

/// Without a list and without a member in the file there would be nobody to serve.
#[test]
fn a_start_without_any_member_is_none() {
    let upstream = Upstream::start(|_| Reply::error("403 Forbidden", "AccessDeniedException", "not authorized"));
    let place = place(&upstream.url(), "administrator = \"111111111111\"\n", "wait = \"1s\"\n");
    let directory = place.path("");
    let output = program(&directory).arg("serve").stdout(Stdio::piped()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.contains(
            "the members could not be listed: GetAdministratorAccount for account 111111111111 was refused with 403: \
            AccessDeniedException: not authorized"
        ),
        "{told}"
    );

    // With members of its own it starts, and says what is missing.
    place.write("accounts.toml", SAYING_LITTLE);
    let gate = Gate::start(place);
    gate.wait_for_log(&["discovery_failed"]);
    assert_eq!(gate.connect().update(&SEARCH, good("a")).status, 401);
}

/// The first process of a container hears no signal that it does not listen to.
#[test]
fn a_start_that_takes_long_ends_when_it_is_told_to() {
    let (ask, asked) = mpsc::channel();
    let latch = Latch::default();
    let held = latch.clone();
    let upstream = Upstream::start(move |_| {
        ask.send(()).unwrap();
        held.pass();
        Reply::json("200 OK", &json!({}))
    });
    let place = place(&upstream.url(), "administrator = \"111111111111\"\n", "wait = \"1m\"\n");
    let serve = program(&place.path("")).arg("serve").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    asked.recv_timeout(PATIENCE).unwrap();
    let told = Command::new("kill").args(["-TERM", &serve.id().to_string()]).status().unwrap();
    assert!(told.success());
    let output = serve.wait_with_output().unwrap();
    latch.open();
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{log}");
    assert!(log.contains("\"stopping\"") && !log.contains("\"started\""), "{log}");
}

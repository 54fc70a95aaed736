//! Caller identification from outside: requests that real clients sent, a signer of the test's own, and every way of
//! tampering with what was signed.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

mod fixture;
mod properties;
mod signer;
mod tampering;

use findings_gate::finding::{Caller, Enforcement, Proof, Role};
use fixture::{BODY, HOST, TRIAGE, identify, identify_by, identity, now};
use http::{HeaderValue, Request, Uri, request::Parts};
use jiff::{SignedDuration, Timestamp};
use signer::Draft;
use std::fs;

/// A captured request: head, body, and the moment at which it was signed.
fn captured(bytes: &[u8]) -> (Parts, Vec<u8>, Timestamp) {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let (head, body) = (std::str::from_utf8(&bytes[..end]).unwrap(), &bytes[end + 4..]);
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap().split(' ');
    let request = Request::builder().method(first.next().unwrap()).uri(first.next().unwrap());
    let request = lines.fold(request, |request, line| {
        let (name, value) = line.split_once(':').unwrap();
        request.header(name, value.trim())
    });
    let head = request.body(()).unwrap().into_parts().0;
    let date = head.headers["x-amz-date"].to_str().unwrap();
    let at = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", date).unwrap();
    let at = at.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp();
    (head, body.to_vec(), at)
}

#[test]
fn requests_of_real_clients_are_accepted_and_not_with_another_body_or_path() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sigv4/clients");
    let mut seen = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let (mut head, body, at) = captured(&fs::read(&path).unwrap());
        let caller = identify(&head, &body, at).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        let (id, role) = if path.to_str().unwrap().ends_with("-token.http") {
            ("ASIDEXAMPLE", Role::Administrator)
        } else {
            ("AKIDEXAMPLE", Role::Member)
        };
        assert_eq!((caller.proof, caller.role), (Proof::SigV4 { access_key_id: id.into() }, role), "{path:?}");

        let error = identify(&head, &[&body[..], b" "].concat(), at).unwrap_err();
        assert_eq!(error.code, "InvalidSignatureException", "{path:?}");
        head.uri = Uri::from_static("/findings/import");
        let error = identify(&head, &body, at).unwrap_err();
        assert!(error.message.contains("does not match the signature you provided"), "{path:?}: {error}");
        seen += 1;
    }
    assert_eq!(seen, 12);
}

#[test]
fn the_key_says_who_the_caller_is() {
    let caller = Draft::new().sign().identify().unwrap();
    let expected = Caller {
        account: "222222222222".parse().unwrap(),
        role: Role::Member,
        principal: TRIAGE.into(),
        groups: std::sync::Arc::default(),
        region: Some("eu-west-1".into()),
        proof: Proof::SigV4 { access_key_id: "AKIDEXAMPLE".into() },
        minimum_enforcement: Enforcement::Strip,
    };
    assert_eq!(caller, expected);
    let strict = Draft { key: "STRICT".into(), ..Draft::new() }.sign().identify().unwrap();
    assert_eq!((&*strict.principal, strict.minimum_enforcement), ("ticket sync", Enforcement::Refuse));
}

#[test]
fn an_account_outside_the_fleet_is_named_only_to_its_own_key() {
    let signed = Draft { key: "OUTSIDE".into(), ..Draft::new() }.sign();
    let error = signed.identify().unwrap_err();
    assert_eq!((error.status, error.code), (401, "InvalidAccessException"));
    assert!(error.message.starts_with("Account 999999999999 is not subscribed to AWS Security Hub"), "{error}");
    let forged = Draft { key: "OUTSIDE".into(), secret: "guess".into(), ..Draft::new() }.sign();
    assert_eq!(forged.identify().unwrap_err().code, "InvalidSignatureException");
}

#[test]
fn clocks_may_differ_by_fifteen_minutes_both_ways() {
    let draft = Draft::new().sign();
    let at = |seconds| identify(&draft.parts().unwrap(), BODY, now() + SignedDuration::from_secs(seconds));
    for seconds in [-900, -1, 0, 1, 900] {
        at(seconds).unwrap();
    }
    let error = at(901).unwrap_err();
    assert_eq!(error.code, "InvalidSignatureException");
    assert_eq!(
        error.message,
        "Signature expired: 20260301T120000Z is earlier than 20260301T120001Z (20260301T121501Z - 15 min.). The gate's clock \
         says 2026-03-01 12:15:01 UTC: set the client's clock."
    );
    let error = at(-901).unwrap_err();
    assert_eq!(error.code, "InvalidSignatureException");
    assert!(error.message.starts_with("Signature not yet current: 20260301T120000Z is later than"), "{error}");
}

#[test]
fn days_may_differ_at_midnight() {
    let identity = identity();
    for (date, now) in [
        ("20260228T235900Z", "2026-03-01T00:05:00Z"),
        ("20260301T000500Z", "2026-02-28T23:59:00Z"),
        ("20260228T235900Z", "2026-02-28T23:59:00Z"),
        ("20260302T120000Z", "2026-03-02T12:00:00Z"),
        ("20260301T120000Z", "2026-03-01T12:00:00Z"),
    ] {
        let mut draft = Draft::new();
        draft.set("x-amz-date", date);
        let head = draft.sign().parts().unwrap();
        identify_by(&identity, &head, BODY, now.parse().unwrap()).unwrap();
    }
}

#[test]
fn http_2_has_its_host_in_the_target() {
    let mut head = Draft::new().sign().parts().unwrap();
    head.headers.remove("host");
    head.uri = format!("https://{HOST}/findings/batchupdate").parse().unwrap();
    identify(&head, BODY, now()).unwrap();
    head.headers.insert("host", HeaderValue::from_static(HOST));
    identify(&head, BODY, now()).unwrap();
    head.headers.remove("host");
    head.uri = "https://other.example.com/findings/batchupdate".parse().unwrap();
    assert!(identify(&head, BODY, now()).unwrap_err().message.contains("The host received is 'other.example.com'"));
}

#[test]
fn headers_that_nothing_reads_may_stay_unsigned_and_the_client_says_which_are_signed() {
    let mut draft = Draft::new();
    draft.set("user-agent", "test");
    draft.set("x-amz-cf-id", "added on the way");
    draft.sign_listed("content-type;host;x-amz-date").identify().unwrap();
    let mut draft = Draft::new();
    draft.add("x-twice", "b");
    draft.add("x-twice", "a");
    draft.sign().identify().unwrap();
}

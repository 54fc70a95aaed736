//! AWS's signing test suite: canonical request, string to sign and signature of every case.

use super::{
    SigV4, canonical,
    parse::AmzDate,
    sign,
    signing::{derive, hex, string_to_sign},
};
use crate::identity::{Key, Keys};
use aws_lc_rs::{digest, hmac};
use http::{Request, request::Parts};
use std::{fs, path::Path};

const SUITE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sigv4/suite");
const SECRET: &[u8] = b"AWS4wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// A request of the suite, with its `Authorization` header, and its body. Folded header lines are unfolded: hyper refuses
/// them, so only their meaning can reach the gate.
fn request(text: &str) -> (Parts, Vec<u8>) {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines: Vec<String> = Vec::new();
    for line in head.lines() {
        match lines.last_mut() {
            Some(last) if line.starts_with(' ') => *last += line,
            _ => lines.push(line.to_owned()),
        }
    }
    let (method, target) = lines[0].split_once(' ').unwrap();
    let target = target.strip_suffix(" HTTP/1.1").unwrap_or(target);
    let request = lines[1..].iter().fold(Request::builder().method(method).uri(target), |request, line| {
        let (name, value) = line.split_once(':').unwrap();
        request.header(name, value.trim())
    });
    (request.body(()).unwrap().into_parts().0, body.as_bytes().to_vec())
}

/// One case: everything that a signer writes down on the way to its signature comes out the same here.
fn check(case: &Path) {
    let read = |name: &str| fs::read_to_string(case.join(name)).ok();
    let (head, body) = request(&read("header-signed-request.txt").unwrap());
    let authorization = head.headers["authorization"].to_str().unwrap();
    let between = |from: &str, to: &str| authorization.split_once(from).unwrap().1.split(to).next().unwrap();
    let scope: Vec<_> = between("Credential=", ",").split('/').collect();
    let (region, service) = (scope[2], scope[3]);
    let date = AmzDate::parse(head.headers["x-amz-date"].as_bytes()).unwrap();

    let host = head.headers["host"].as_bytes();
    let mut canonical = canonical::request(&head, between("SignedHeaders=", ","), host);
    canonical.extend_from_slice(&hex(digest::digest(&digest::SHA256, &body).as_ref()));
    assert_eq!(String::from_utf8_lossy(&canonical), read("header-canonical-request.txt").unwrap(), "{case:?}");

    let string_to_sign = string_to_sign(&date, region, service, &canonical);
    let expected = read("header-string-to-sign.txt").unwrap();
    assert_eq!(String::from_utf8_lossy(&string_to_sign), expected.trim_end(), "{case:?}");

    let key = derive(&hmac::Key::new(hmac::HMAC_SHA256, SECRET), date.day(), region, service);
    let signature = hex(hmac::sign(&key, &string_to_sign).as_ref());
    // The case that came from an older suite has no file of their own for the signature.
    let expected = read("header-signature.txt").unwrap_or_else(|| between("Signature=", ",").to_owned());
    assert_eq!(std::str::from_utf8(&signature).unwrap(), expected.trim_end(), "{case:?}");
}

#[test]
fn the_signing_test_suite_comes_out_the_same() {
    let mut cases: Vec<_> = fs::read_dir(SUITE).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|path| path.is_dir());
    assert_eq!(cases.len(), 31);
    for case in &cases {
        check(case);
    }
}

/// A day's signing key is one Region's. (All requests here are of the same day.)
#[test]
fn a_key_signs_for_several_regions_in_turn() {
    let key = Key::new("AKIATEST", "secret", "222222222222".parse().unwrap(), "triage").unwrap();
    let sigv4 = SigV4::new(Keys::new([key]).unwrap(), ["eu-west-1", "us-east-1"]);
    let now = jiff::Timestamp::from_second(1_440_938_160).unwrap();
    for region in ["eu-west-1", "us-east-1", "eu-west-1", "us-east-1"] {
        let request = Request::builder().method("PATCH").uri("/findings/batchupdate").body(()).unwrap();
        let (mut head, ()) = request.into_parts();
        sign(&mut head, b"{}", "gate.example", ("AKIATEST", "secret"), region, now).unwrap();
        let (key, signed_for) = sigv4.begin(&head, now).unwrap().finish(b"{}").unwrap();
        assert_eq!((key.id(), &**signed_for), ("AKIATEST", region));
    }
}

//! Callers that carry a token of an issuer.

use crate::{
    issuer::{Issuer, Signer},
    support::{
        client::{PATH, Response, signed_head, with_body},
        fleet::{PAYMENTS, good},
        gate::{Gate, Place, program},
        upstream::Upstream,
    },
};
use jiff::Timestamp;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

/// A gate that takes tokens of the issuer first, and then signatures.
fn gate(upstream: &Upstream, issuer: &Issuer, more: &str) -> Gate {
    let place = Place::new(&upstream.url(), "");
    let jwt = format!(
        "[[identity]]\nkind = \"jwt\"\nissuer = \"{}\"\naudience = [\"gate\"]\n{more}\n\
         [[identity.rule]]\nwhen = {{ sub = \"{{name}}\" }}\naccount = \"{}\"\nprincipal = \"{{name}}\"\n",
        issuer.url(),
        PAYMENTS.account
    );
    place.edit("findings-gate.toml", "[[identity]]\n", &format!("{jwt}[[identity]]\n"));
    place.edit("findings-gate.toml", "level = \"info\"", "level = \"debug\"");
    Gate::start(place)
}

fn claims(issuer: &Issuer) -> Value {
    json!({"iss": issuer.url(), "aud": ["gate"], "sub": "triage", "exp": Timestamp::now().as_second() + 600})
}

fn with(issuer: &Issuer, name: &str, value: Value) -> Value {
    let mut claims = claims(issuer);
    claims[name] = value;
    claims
}

fn send(gate: &Gate, lines: &str) -> Response {
    let head = format!("PATCH {PATH} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\n{lines}", gate.address);
    let mut client = gate.connect();
    client.send(&with_body(&head, good("f").as_bytes()));
    client.read()
}

fn bearer(gate: &Gate, token: &str) -> Response {
    send(gate, &format!("authorization: Bearer {token}\r\n"))
}

#[test]
fn a_good_token_gets_through_and_stays_here() {
    let signer = Signer::new(Algorithm::ES256, "one");
    let (issuer, upstream) = (Issuer::start([&signer]), Upstream::accepting());
    let gate = gate(&upstream, &issuer, "");
    let token = signer.token(&claims(&issuer));
    for _ in 0..8 {
        assert_eq!(bearer(&gate, &token).processed(), ["f"]);
    }
    assert_eq!(issuer.asked(), 1, "both workers have what one fetched");
    let received = upstream.updates();
    assert_eq!(received.len(), 8);
    for request in received {
        assert!(
            request.head.to_ascii_lowercase().contains("x-findings-gate-account: 222222222222"),
            "{}",
            request.head
        );
        assert!(!request.head.contains("Bearer") && !request.head.contains(&token), "{}", request.head);
    }
    gate.goes_on();
    gate.wait_for_log(&["issuer_keys_fetched", &issuer.url()]);
    for part in token.split('.') {
        assert!(!gate.log().contains(part), "a part of the token is in the log");
    }
}

#[test]
fn a_bad_token_is_refused_and_never_taken_for_another_proof() {
    let (signer, forger) = (Signer::new(Algorithm::RS256, "one"), Signer::new(Algorithm::RS256, "one"));
    let (issuer, upstream) = (Issuer::start([&signer]), Upstream::accepting());
    let gate = gate(&upstream, &issuer, "");
    let now = Timestamp::now().as_second();
    let none = signer.token_with(&json!({"alg": "none"}), &claims(&issuer));
    let unsigned = format!("{}.", none.rsplit_once('.').unwrap().0);
    for (token, code, told) in [
        ("opaque".to_owned(), "UnrecognizedClientException", "three parts"),
        (unsigned, "InvalidSignatureException", "has the `alg` `none`"),
        (forger.token(&claims(&issuer)), "InvalidSignatureException", "does not match"),
        (signer.token(&with(&issuer, "iss", json!("https://other.example"))), "UnrecognizedClientException", "issuer"),
        (signer.token(&with(&issuer, "aud", json!("sts.amazonaws.com"))), "UnrecognizedClientException", "`aud`"),
        (signer.token(&with(&issuer, "exp", json!(now - 3600))), "ExpiredTokenException", "expired"),
        (signer.token(&with(&issuer, "nbf", json!(now + 3600))), "InvalidSignatureException", "clock"),
        (signer.token(&with(&issuer, "sub", json!("a:b"))), "UnrecognizedClientException", "no caller"),
        ("x".repeat(8193), "UnrecognizedClientException", "longer than 8192 bytes"),
    ] {
        let response = bearer(&gate, &token);
        response.is_error(403, code, told);
        if token.len() > 20 {
            let signature = token.rsplit('.').next().unwrap();
            let shown = String::from_utf8_lossy(&response.body).into_owned() + &gate.log();
            assert!(signature.is_empty() || !shown.contains(signature), "{shown}");
        }
    }
    // A good signature beside a bad token, in either order.
    let head = signed_head(gate.address, &PAYMENTS, "PATCH", PATH, good("f").as_bytes());
    let (first, rest) = head.split_once("\r\n").unwrap();
    for head in [format!("{first}\r\nauthorization: Bearer x\r\n{rest}"), format!("{head}authorization: Bearer x\r\n")]
    {
        let mut client = gate.connect();
        client.send(&with_body(&head, good("f").as_bytes()));
        client.read().is_error(403, "IncompleteSignatureException", "more than once");
    }
    send(&gate, "").is_error(403, "MissingAuthenticationTokenException", "(`Bearer …`), or an AWS Signature");
    assert_eq!(upstream.received(), []);
    gate.goes_on();
}

#[test]
fn an_issuer_that_is_down_stops_nobody_whose_key_is_known() {
    let (one, two) = (Signer::new(Algorithm::EdDSA, "one"), Signer::new(Algorithm::EdDSA, "two"));
    let (issuer, upstream) = (Issuer::start([&one]), Upstream::accepting());
    // Keys that are always due to be fetched again, so that each request tries to.
    let gate = gate(&upstream, &issuer, "jwks_refresh = \"1s\"");
    let token = one.token(&claims(&issuer));
    assert_eq!(bearer(&gate, &token).processed(), ["f"]);
    issuer.stop();
    for _ in 0..4 {
        assert_eq!(bearer(&gate, &token).processed(), ["f"]);
    }
    // Nobody can say whether this one is good.
    bearer(&gate, &two.token(&claims(&issuer))).is_error(503, "ServiceUnavailableException", "try again");
    gate.wait_for_log(&["issuer_keys_failed", "the last ones are used"]);
    assert_eq!(bearer(&gate, &token).processed(), ["f"]);
    // A configuration that is read again meanwhile goes on with what was fetched.
    gate.place().edit("accounts.toml", "payments", "payment");
    gate.wait_for_log(&["\"reloaded\""]);
    assert_eq!(bearer(&gate, &token).processed(), ["f"]);
    gate.goes_on();
}

#[test]
fn an_issuer_that_was_never_there_is_told_as_a_fault_that_may_pass() {
    let signer = Signer::new(Algorithm::ES384, "one");
    let (issuer, upstream) = (Issuer::start([&signer]), Upstream::accepting());
    issuer.stop();
    let gate = gate(&upstream, &issuer, "");
    bearer(&gate, &signer.token(&claims(&issuer))).is_error(503, "ServiceUnavailableException", &issuer.url());
    gate.wait_for_log(&["issuer_keys_failed", "none of its tokens can be checked"]);
    assert_eq!(upstream.received(), []);
    gate.goes_on();
}

#[test]
fn new_keys_are_taken_at_once_and_old_ones_are_not_any_more() {
    let (one, two) = (Signer::new(Algorithm::ES256, "one"), Signer::new(Algorithm::ES256, "two"));
    let (issuer, upstream) = (Issuer::start([&one]), Upstream::accepting());
    let gate = gate(&upstream, &issuer, &format!("jwks_url = \"{}/keys\"", issuer.url()));
    assert_eq!(bearer(&gate, &one.token(&claims(&issuer))).processed(), ["f"]);
    issuer.publish([&two]);
    assert_eq!(bearer(&gate, &two.token(&claims(&issuer))).processed(), ["f"]);
    bearer(&gate, &one.token(&claims(&issuer))).is_error(403, "UnrecognizedClientException", "names the key `one`");
    assert_eq!(issuer.asked(), 2, "an unknown key makes the gate ask once in ten seconds");
    gate.goes_on();
}

/// Nothing is fetched for it: an issuer that is down must not keep a gate from starting.
#[test]
fn check_tells_whose_tokens_are_taken() {
    let place = Place::new("embedded", "");
    let identities = "[[identity]]\nkind = \"jwt\"\npreset = \"sts-web-identity\"\nissuer = \"https://issuer.invalid\"\n\
                      audience = [\"gate\"]\n[[identity]]\nkind = \"header\"\npreset = \"vpc-lattice\"\nfrom = [\"10.0.0.0/8\"]\n";
    place.edit("findings-gate.toml", "[[identity]]\n", &format!("{identities}[[identity]]\n"));
    let output = program(&place.path("")).arg("check").output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{told}");
    for line in ["jwt: 1 rule for tokens of https://issuer.invalid", "header: those that vpc-lattice names"] {
        assert!(told.contains(line), "`{line}` is not in: {told}");
    }
    let output = program(&place.path("")).args(["check", "--format", "json"]).output().unwrap();
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["callers"][0], json!({"kind": "jwt", "issuer": "https://issuer.invalid", "rules": 1}));
    assert_eq!(told["callers"][1], json!({"kind": "header", "preset": "vpc-lattice"}));
}

/// Somebody unproven does not make the gate keep a body.
#[test]
fn a_token_is_settled_before_the_body_is_read() {
    let (signer, stranger) = (Signer::new(Algorithm::ES256, "one"), Signer::new(Algorithm::ES256, "other"));
    let (issuer, upstream) = (Issuer::start([&signer]), Upstream::accepting());
    let gate = gate(&upstream, &issuer, "");
    let head = format!(
        "PATCH {PATH} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 500000\r\n\
         authorization: Bearer {}\r\n\r\n",
        stranger.token(&claims(&issuer))
    );
    let mut client = gate.connect();
    client.send(head.as_bytes());
    client.read().is_error(403, "UnrecognizedClientException", "");
}

//! What was changed after signing, or should never have been signed so, is refused, and the person is told why.

use crate::{
    fixture::{BODY, HOST, SECRET, TOKEN, identify, identity, now, peer},
    signer::{Draft, hash},
};
use http::Request;

const INCOMPLETE: &str = "IncompleteSignatureException";
const INVALID: &str = "InvalidSignatureException";
const UNKNOWN: &str = "UnrecognizedClientException";
const MISMATCH: &str = "does not match the signature you provided";

/// What is done, how, the error's code, and a part of its message.
type Case = (&'static str, fn(&mut Draft), &'static str, &'static str);

#[rustfmt::skip]
const AFTER_SIGNING: &[Case] = &[
    ("method", |r| r.method = "POST".into(), INVALID, MISMATCH),
    ("path", |r| r.target = "/findings/import".into(), INVALID, MISMATCH),
    ("query", |r| r.target += "?a=b", INVALID, MISMATCH),
    ("body", |r| r.body[10] ^= 1, INVALID, "does not match the header `x-amz-content-sha256`"),
    ("body and its hash", |r| { r.body.push(b' '); r.set("x-amz-content-sha256", hash(&r.body)) }, INVALID, MISMATCH),
    ("signed header", |r| r.set("x-amz-user-agent", "other"), INVALID, MISMATCH),
    ("signed header twice", |r| r.add("x-extra", "two"), INVALID, MISMATCH),
    ("signed header taken out", |r| r.remove("x-extra"), INCOMPLETE, "wrong at 'x-extra': the request has no such header"),
    ("content type", |r| r.set("content-type", "text/plain"), INVALID, MISMATCH),
    ("host", |r| r.set("host", "other.example.com"), INVALID, "The host received is 'other.example.com'"),
    ("host twice", |r| r.add("host", HOST), INCOMPLETE, "`host` is there more than once"),
    ("no host", |r| r.remove("host"), INCOMPLETE, "no `Host` header"),
    ("host in the target", |r| r.target = "http://other/findings/batchupdate".into(), INCOMPLETE, "expected one host"),
    ("date", |r| r.set("x-amz-date", "20260301T120001Z"), INVALID, MISMATCH),
    ("date twice", |r| r.add("x-amz-date", "20260301T120000Z"), INCOMPLETE, "`x-amz-date` is there more than once"),
    ("bad date", |r| r.set("x-amz-date", "2026-03-01T12:00:00Z"), INCOMPLETE, "expected `X-Amz-Date: 20150830T123600Z`"),
    ("other date", |r| { r.remove("x-amz-date"); r.add("date", "Sun, 01 Mar 2026 12:00:00 GMT") }, INCOMPLETE, "'X-Amz-Date'"),
    ("day", |r| r.set("x-amz-date", "20260302T000000Z"), INVALID, "'20260301' != '20260302', from '20260302T000000Z'"),
    ("scope's day", |r| r.edit("authorization", "/20260301/", "/20260302/"), INVALID, "'20260302' != '20260301'"),
    ("region", |r| r.edit("authorization", "eu-west-1", "us-east-1"), INVALID, "'us-east-1'. This gate expects 'eu-west-1'"),
    ("service", |r| r.edit("authorization", "/securityhub/", "/s3/"), INVALID, "correct service: 'securityhub', not 's3'"),
    ("terminator", |r| r.edit("authorization", "aws4_request", "aws4"), INCOMPLETE, "5 slash-delimited"),
    ("unknown key", |r| r.edit("authorization", "ASIDEXAMPLE", "AKIANOBODY"), UNKNOWN, "no access key `AKIANOBODY`"),
    ("key without a token", |r| r.edit("authorization", "ASIDEX", "AKIDEX"), UNKNOWN, "issued without a session token"),
    ("key and token", |r| { r.edit("authorization", "ASIDEX", "AKIDEX"); r.drop_signed("x-amz-security-token") }, INVALID, MISMATCH),
    ("token", |r| r.set("x-amz-security-token", "other"), UNKNOWN, "another session token"),
    ("token twice", |r| r.add("x-amz-security-token", TOKEN), INCOMPLETE, "`x-amz-security-token` is there more than once"),
    ("token taken out", |r| r.remove("x-amz-security-token"), INCOMPLETE, "wrong at 'x-amz-security-token'"),
    ("token taken out of both", |r| r.drop_signed("x-amz-security-token"), UNKNOWN, "the request carries none"),
    ("signature", |r| r.flip_last_of("authorization"), INVALID, MISMATCH),
    ("signature cut", |r| { let a = r.get("authorization"); r.set("authorization", &a[..a.len() - 1]) }, INCOMPLETE, "64 hexadecimal"),
    ("order of the list", |r| r.edit("authorization", "content-type;host", "host;content-type"), INCOMPLETE, "alphabetical order"),
    ("repeat in the list", |r| r.edit("authorization", ";host", ";host;host"), INCOMPLETE, "alphabetical order, each once"),
    ("upper case in the list", |r| r.edit("authorization", ";host", ";Host"), INCOMPLETE, "names in lower case"),
    ("gap in the list", |r| r.edit("authorization", ";host", ";;host"), INCOMPLETE, "names in lower case"),
    ("list without a header", |r| r.edit("authorization", ";x-extra", ""), INVALID, MISMATCH),
    ("list without host", |r| r.edit("authorization", ";host", ""), INVALID, "'host' must be a 'SignedHeader'"),
    ("list without date", |r| r.edit("authorization", ";x-amz-date", ""), INVALID, "'x-amz-date' must be"),
    ("list without token", |r| r.edit("authorization", ";x-amz-security-token", ""), INVALID, "'x-amz-security-token' must be"),
    ("list without hash", |r| r.edit("authorization", ";x-amz-content-sha256", ""), INVALID, "'x-amz-content-sha256' must be"),
    ("list without type", |r| r.edit("authorization", "content-type;", ""), INVALID, "'content-type' must be"),
    ("authorization twice", |r| r.add("authorization", r.get("authorization")), INCOMPLETE, "`authorization` is there more than"),
    ("another scheme beside", |r| r.add("authorization", "Bearer x"), INCOMPLETE, "`authorization` is there more than once"),
    ("unsigned header twice", |r| { r.add("x-amz-cf-id", "a"); r.add("x-amz-cf-id", "b") }, INCOMPLETE, "`x-amz-cf-id` is there"),
    ("presigned as well", |r| r.target += "?X-Amz-Signature=00", INCOMPLETE, "presigned URL"),
];

#[rustfmt::skip]
const BEFORE_SIGNING: &[Case] = &[
    ("unsigned payload", |r| r.set("x-amz-content-sha256", "UNSIGNED-PAYLOAD"), INVALID, "leaves the body unsigned"),
    ("stream", |r| r.set("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"), INVALID, "which only S3 does"),
    ("no hash", |r| r.set("x-amz-content-sha256", "abc"), INVALID, "is no SHA-256 hash"),
    ("upper-case hash", |r| r.set("x-amz-content-sha256", hash(BODY).to_uppercase()), INVALID, "is no SHA-256 hash"),
    ("hash of another body", |r| r.set("x-amz-content-sha256", hash(b"other")), INVALID, "does not match the header"),
    ("region", |r| r.region = "us-east-1".into(), INVALID, "set the client's Region to 'eu-west-1'"),
    ("service", |r| r.service = "execute-api".into(), INVALID, "not 'execute-api'"),
    ("secret", |r| r.secret = "other".into(), INVALID, "Check the secret of the access key `AKIDEXAMPLE`"),
    ("unknown key", |r| r.key = "AKIANOBODY".into(), UNKNOWN, "must sign with a key that the gate's owner issued"),
    ("token for a key without", |r| r.set("x-amz-security-token", TOKEN), UNKNOWN, "take the token out"),
    ("no token for a key with", |r| r.key = "ASIDEXAMPLE".into(), UNKNOWN, "the request carries none"),
];

fn check(name: &str, draft: &Draft, code: &str, said: &str) {
    let error = draft.identify().expect_err(name);
    assert_eq!((error.status, error.code), (403, code), "{name}: {error}");
    assert!(error.message.contains(said), "{name}: {error}");
    assert!(!error.message.contains(SECRET) && !error.message.contains(TOKEN), "{name}: {error}");
}

/// Signed by a key with a token, and with all headers that the gate reads.
fn full() -> Draft {
    let mut draft = Draft { key: "ASIDEXAMPLE".into(), ..Draft::new() };
    draft.set("x-amz-security-token", TOKEN);
    draft.set("x-amz-content-sha256", hash(BODY));
    draft.set("x-amz-user-agent", "test");
    draft.set("x-extra", "one");
    draft.sign()
}

#[test]
fn what_is_changed_after_signing_is_refused() {
    full().identify().unwrap();
    for (name, tamper, code, said) in AFTER_SIGNING {
        let mut draft = full();
        tamper(&mut draft);
        check(name, &draft, code, said);
    }
}

#[test]
fn what_is_signed_wrongly_is_refused_though_the_signature_is_right() {
    for (name, write, code, said) in BEFORE_SIGNING {
        let mut draft = Draft::new();
        write(&mut draft);
        check(name, &draft.sign(), code, said);
    }
}

#[test]
fn what_can_be_refused_is_refused_before_the_body() {
    let identity = identity();
    let needs_the_body = ["hash of another body", "secret"];
    for (name, write, ..) in BEFORE_SIGNING {
        let mut draft = Draft::new();
        write(&mut draft);
        let (head, peer) = (draft.sign().parts().unwrap(), peer());
        let begun = identity.begin(&head, &peer, now);
        assert_eq!(begun.is_ok(), needs_the_body.contains(name), "{name}");
    }
}

#[test]
fn presigned_urls_are_refused_by_name() {
    for query in
        ["X-Amz-Algorithm=AWS4-HMAC-SHA256", "a=b&x-amz-signature=00", "X%2DAmz%2dCredential=x", "X-Amz-Signature"]
    {
        let head = Request::get(format!("/findings?{query}")).header("host", HOST).body(()).unwrap().into_parts().0;
        let error = identify(&head, b"", now()).unwrap_err();
        assert_eq!((error.status, error.code), (403, INCOMPLETE), "{query}");
        assert!(error.message.contains("presigned URL"), "{query}: {error}");
    }
}

#[test]
fn debug_output_has_no_secret() {
    let identity = identity();
    let (head, peer) = (full().parts().unwrap(), peer());
    let shown = format!("{identity:?} {:?}", identity.begin(&head, &peer, now).unwrap());
    assert!(shown.contains("ASIDEXAMPLE") && shown.contains("20260301T120000Z"), "{shown}");
    for hidden in [SECRET, TOKEN, &format!("{:?}", TOKEN.as_bytes())[1..40]] {
        assert!(!shown.contains(hidden), "{hidden}: {shown}");
    }
}

//! What the log says of a wrong signature.
//!
//! The only test of its process: whether a log line is wanted is cached for the whole process, and another thread that
//! comes to the line first without a subscriber may switch it off.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

#[path = "identity/fixture.rs"]
mod fixture;
#[path = "identity/signer.rs"]
#[expect(dead_code, reason = "this test needs a part of it")]
mod signer;

use fixture::{SECRET, TOKEN};
use signer::Draft;
use std::{
    io,
    sync::{Arc, Mutex},
};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_log_shows_what_was_expected_to_be_signed_without_secrets_or_body() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let mut draft = Draft { key: "ASIDEXAMPLE".into(), ..Draft::new() };
    draft.set("x-amz-security-token", TOKEN);
    let mut draft = draft.sign();
    draft.set("host", "rewritten.example.com");
    let refused = tracing::subscriber::with_default(subscriber, || draft.identify());
    assert_eq!(refused.unwrap_err().code, "InvalidSignatureException");
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert_eq!(log.lines().count(), 1, "{log}");
    for shown in
        ["ASIDEXAMPLE", "PATCH\\n/findings/batchupdate\\n", "host:rewritten.example.com\\n", "20260301/eu-west-1"]
    {
        assert!(log.contains(shown), "{shown}: {log}");
    }
    let signature = draft.get("authorization").split("Signature=").nth(1).unwrap().to_owned();
    for hidden in [SECRET, TOKEN, &signature, "NOTIFIED"] {
        assert!(!log.contains(hidden), "{hidden}: {log}");
    }
}

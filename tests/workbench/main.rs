//! The workbench's verbs as a process: what they print, and what they end with.
#![expect(clippy::unwrap_used, reason = "what a test's helpers unwrap is part of the test")]

mod prove;
mod support;

/// The verb is there all the same, and says what it takes.
#[cfg(not(feature = "prove"))]
#[test]
fn a_build_that_cannot_prove_says_so() {
    let run = support::run(&["prove", "pack:baseline"]);
    assert_eq!((run.status, &*run.stdout), (1, ""));
    for part in ["this build cannot prove anything", "--features prove"] {
        assert!(run.stderr.contains(part), "{}", run.stderr);
    }
}

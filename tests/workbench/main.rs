//! The policy workbench as a process: what its verbs print, and what they end with.
#![expect(clippy::unwrap_used, reason = "what a test's helpers unwrap is part of the test")]

mod check;
mod completions;
mod fmt;
mod schema;
mod support;

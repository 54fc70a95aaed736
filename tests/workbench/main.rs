//! The workbench's verbs as processes: what they print, and what they end with.
#![expect(clippy::unwrap_used, reason = "what a test's helpers unwrap is part of the test")]

mod diff;
mod explain;
mod import_iam;
mod mutate;
mod support;
mod test;

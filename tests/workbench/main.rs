//! The workbench's verbs as processes: what they print, and what they end with.
#![expect(clippy::unwrap_used, reason = "what a test's helpers unwrap is part of the test")]

mod audit;
mod bundle;
mod check;
mod completions;
mod diff;
mod explain;
mod fmt;
mod import_iam;
mod matrix;
mod mutate;
mod prove;
mod replay;
mod schema;
mod support;
mod test;

//! The embedded findings backend, as its callers see it.

#![expect(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

mod filter_v2;
mod fleets;
mod look_up;
mod read;
mod read_v2;
mod rules;
mod support;
mod update_v2;
mod whole;
mod write;

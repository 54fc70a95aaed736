//! The gate from outside, as a process with sockets: bad input, and faults on every side of it.
//!
//! Each test asserts the same four things in its own case: a clear answer, nothing forwarded that was not allowed, nothing
//! lost that was accepted, and a gate that goes on.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

#[path = "../support/mod.rs"]
mod support;

mod admin;
mod audit;
mod audit_read;
mod bundles;
mod callers;
mod clients;
mod connections;
mod discovery;
mod doors;
mod fleets;
mod forwarded;
mod fronts;
mod groups;
mod health;
mod import;
mod import_backend;
mod issuer;
mod json;
mod keys;
mod load;
mod metrics;
mod policies;
mod quota;
mod random;
mod reads;
mod reads_v2;
mod reload;
mod reload_often;
mod rule_changes;
mod rules;
mod signed_ownership;
mod start;
mod state;
mod stop;
mod sts;
mod tls;
mod tokens;
mod traces;
mod updates_v2;
mod upstreams;
mod whoami;

use support::{
    gate::{Gate, Place},
    upstream::Upstream,
};

/// Policies with one rule for each thing that can happen to a change. The names of the findings choose.
const POLICIES: &str = r#"
@id("everybody")
permit (principal, action, resource);

@id("own-account")
@enforce("reject")
@advice("Ask the account that owns it.")
forbid (principal is Member, action, resource)
unless { resource in principal.account };

@id("no-severity")
@enforce("strip")
@advice("Leave Severity out.")
forbid (principal, action in Action::"Severity", resource)
when { resource.id like "strip*" };

@id("not-thirteen")
@enforce("refuse")
@advice("Choose another number.")
forbid (principal, action == Action::"Criticality", resource)
when { context.value == 13 };

// Fits into 64 bits up to a Confidence of 92. Cedar passes over a forbid that fails, so a gate that only counted
// forbids would let 93 through.
@id("overflows")
forbid (principal, action == Action::"Confidence", resource)
when { context.value * 100000000000000000 < 0 };
"#;

/// A gate with the baseline, in front of an upstream.
fn baseline(upstream: &Upstream) -> Gate {
    Gate::start(Place::new(&upstream.url(), ""))
}

/// A gate with [`POLICIES`], in front of an upstream.
fn with_policies(upstream: &Upstream, more: &str) -> Gate {
    Gate::start(Place::with_policies(&upstream.url(), POLICIES, more))
}

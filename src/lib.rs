//! findings-gate stands in front of AWS Security Hub and decides, with Cedar policies, which caller may make which
//! change to which finding.
//!
//! The way of a request, and the module that each step lives in:
//!
//! ```text
//! accept ─ limits ─ identify ─ door ─ parse ─ decide ─ [look up ─ decide] ─ plan ─ forward ─ merge ─ reply
//! proxy    proxy    identity   proxy  finding gate      state     gate      gate   upstream  gate    proxy
//! ```
//!
//! [`finding`], [`policy`], [`gate`], [`bundle`] and [`workbench`] are pure: plain data in, plain data out, no clock and no I/O of their own. They
//! are the part to use as a library; `examples/core.rs` does.
//!
//! | module | what lives there |
//! |---|---|
//! | [`finding`] | the wire model: updates, changes, severity, identifiers, accounts, errors in AWS's shape |
//! | [`policy`] | schema, loading, the immutable snapshot, the engine that asks Cedar |
//! | [`gate`] | decide, plan, merge |
//! | [`workbench`] | policies tested, covered, enumerated, compared, proven and explained, offline |
//! | [`identity`] | who is calling, and how that was proven |
//! | [`upstream`] | the findings backend behind the gate |
//! | [`state`] | a finding as it is now, looked up for policies that read it |
//! | [`net`] | connections that the gate itself opens: whom it trusts, plain requests |
//! | [`audit`] | what was decided, as records in a chain, in files |
//! | [`bundle`] | policies and accounts in one signed file |
//! | [`delivery`] | a bundle from a URL, and its copy on disk |
//! | [`discovery`] | members that Security Hub lists |
//! | [`proxy`] | listener, limits, doors, handler |
//! | [`admin`] | the listener for whoever runs the gate: live, ready, metrics, status, reload |
//! | [`backend`] | the embedded findings backend |
//! | [`config`] | the configuration file |
//! | [`telemetry`] | logs, metrics and traces |
//! | [`cli`] | one file a verb |

pub mod admin;
pub mod audit;
pub mod backend;
pub mod bundle;
pub mod cli;
pub mod config;
pub mod delivery;
pub mod discovery;
pub mod finding;
pub mod gate;
pub mod identity;
pub mod net;
pub mod policy;
pub mod proxy;
pub mod state;
pub mod telemetry;
pub mod upstream;
pub mod workbench;

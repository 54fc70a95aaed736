//! A finding as it is now: looked up at the backend, for policies that read it.
//!
//! [`FleetStates`] is what all workers of a gate share, and [`States`] what it has for each fleet. A policy that reads a finding's state needs it before it can decide, and the
//! backend gives it away slowly: AWS grants an account 3 GetFindings calls a second (API model, "Throttling"), each for at most
//! 20 ids (API model, `AwsSecurityFindingFilters`). So look-ups are asked for together, in turn for the accounts that wait,
//! each finding once at a time, and what came is kept for a while.
//!
//! | file | subject |
//! |---|---|
//! | `fleets.rs` | one `States` a fleet: no fleet is told what another one asked for |
//! | `states.rs` | who asks, who calls, who is told |
//! | `pending.rs` | the look-ups that are not answered yet, and whose turn it is |
//! | `mix.rs` | which of them one call asks for |
//! | `call.rs` | one call: its question, its pages |
//! | `answer.rs`, `page.rs` | what a page says of the findings that were asked for |
//! | `cache.rs`, `size.rs` | what is kept, and how large it is |
//! | `uids.rs`, `uid_call.rs` | which findings are named by a `metadata.uid`; asked of GetFindingsV2 in the same way |
//!
//! # What is kept of a fleet, and how much of it
//!
//! - Findings: at most `entries` of up to 4 KiB each. A larger one counts as several, and one of more than 256 KiB is not kept. So
//!   at most `entries` × 4 KiB: about 80 MiB by default.
//! - Look-ups that wait: for one account as many as the quota could answer within the deadline, but at least 100 (one request's
//!   worth) and at most 4,096, and eight times that in all. By default that is 240 and 1,920. A name has up to 10 KiB, in
//!   practice 300 bytes.
//! - Which findings uids name: at most 4,096 of up to 4 KiB each, so at most 16 MiB. One call of each account waits or is under way.
//! - Calls under way: as many as the quota grants within the deadline. Their pages are as long as the caller of
//!   [`States::look_up`] lets them be; one finding of a page is in memory at a time, besides the page and what is kept.
//!
//! # What it cannot know
//!
//! A change that did not come through this gate shows after `max_age` at the latest. AWS itself says that an update can take
//! minutes to appear in GetFindings: until then a look-up gives the old state, also of a change that this gate has forwarded.

mod answer;
mod cache;
mod call;
mod fleets;
mod found;
mod mix;
mod page;
mod pending;
mod size;
mod states;
#[cfg(test)]
mod tests;
mod uid_call;
mod uids;

pub use call::CallError;
pub use fleets::FleetStates;
pub use found::{Found, Unavailable};
pub use states::{StateSettings, States};
pub use uids::{Resolved, UidFinding};

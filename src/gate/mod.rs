//! The heart: what becomes of each finding of a request.
//!
//! Three pure steps. [`decide()`] asks the policies about every finding and change; [`Plan::new`] groups the findings by the
//! fields that they keep, one upstream call a group; [`merge()`] puts the answers together in the order of the request. Automation
//! rules go their own way: [`RuleDecision`], [`RulesPlan`], [`merge_rules`].

mod decide;
mod explain;
mod merge;
mod named;
mod plan;
mod rules;
mod ruling;
mod wire;

pub use decide::{Asked, Decision, Fate, Knowledge, Known, decide};
pub use merge::{GroupAnswer, Merged, merge};
pub use named::{Findings, Named};
pub use plan::{Group, Plan};
pub use rules::{MergedRules, RuleDecision, RulesPlan, merge_rules};
pub use ruling::Ruling;
pub use wire::{Said, Told, Why, Wire};

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_rules;
#[cfg(test)]
mod tests_v2;

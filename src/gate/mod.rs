//! The heart: what becomes of each finding of a request.
//!
//! Three pure steps. [`decide()`] asks the policies about every finding and change; [`Plan::new`] groups the findings by the
//! fields that they keep, one upstream call a group; [`merge()`] puts the answers together in the order of the request.
//!
//! An import goes the same way: [`decide_import()`] asks about each of its findings by itself, [`ImportPlan::new`] says what is left
//! of it, which is one call upstream, and [`merge_import()`] makes the answer. Automation rules go their own way: [`RuleDecision`],
//! [`RulesPlan`], [`merge_rules`].

mod decide;
mod explain;
mod import;
mod merge;
mod merge_import;
mod named;
mod plan;
mod rules;
mod ruling;
mod wire;

pub use decide::{Asked, Decision, Fate, Knowledge, Known, decide};
pub use import::{ImportDecision, ImportFate, ImportPlan, decide_import, own_account};
pub use merge::{Fared, GroupAnswer, Merged, merge};
pub use merge_import::{MergedImport, merge_import};
pub use named::{Findings, Named};
pub use plan::{Group, Plan};
pub use rules::{MergedRules, RuleDecision, RulesPlan, merge_rules};
pub use ruling::Ruling;
pub use wire::{Said, Told, Why, Wire};

#[cfg(test)]
mod tests;

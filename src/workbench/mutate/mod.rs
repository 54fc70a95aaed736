//! Mutation: would the tests notice if a policy were slightly wrong?
//!
//! [`mutants()`] makes slips of policies, one at a time, as people make them; [`Score`] says which of them the tests noticed
//! (killed), which change nothing (equivalent), and which went through: a gap in the tests, with a question that shows it.

mod mutants;
mod operators;
mod report;
mod score;

pub use mutants::{Mutant, as_permit, mutants};
pub use report::{human, json};
pub use score::{Fate, Gap, Score, Scored, Settled, Tally};

#[cfg(test)]
mod tests;

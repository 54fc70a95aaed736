//! Proofs: what is true of a set of policies whatever anybody asks.
//!
//! cedar-policy-symcc writes policies in logic, and a solver, which runs as a process of its own and is driven from outside this room,
//! says whether a claim about all questions of a kind is true. What it says is false comes with a question, which is worth nothing
//! until the live gate was asked it.

mod claims;
mod compare;
mod kinds;
mod model;
mod proposal;
mod prover;
mod replay;
mod witness;
mod world;

pub use claims::{Claim, Claims, Verdict};
pub use compare::{Compared, Difference, compare};
pub use prover::{Answer, Prover};
pub use replay::Live;
pub use witness::Witness;
pub use world::WORLD_TEXT;

#[cfg(test)]
mod tests;

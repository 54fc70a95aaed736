//! Who may set what to what: every caller, action and value that the policies distinguish, in every state of a finding that they
//! read, put to the gate one by one.
//!
//! [`Domain`] is what the policies distinguish: callers, and for each of them and each action a [`Space`] of cells with examples.
//! [`Matrix`] is what the gate says to the cells, folded to the rows that a person can read.

mod attributes;
mod builder;
mod domain;
mod draft;
mod fold;
mod lenses;
mod mark;
mod moments;
mod pose;
pub mod render;
mod reply;
mod report;
mod space;
mod variants;

pub use domain::{Domain, Who};
pub use fold::{Row, fold};
pub(super) use lenses::UNSEEN;
pub use reply::{Effect, Reply};
pub(super) use report::restrictions;
pub use report::{Filter, Line, Matrix, MatrixError, Plain, Restriction, Section};
pub use space::{Cell, Dimension, MOST_EXAMPLES, Space};

#[cfg(test)]
mod tests;

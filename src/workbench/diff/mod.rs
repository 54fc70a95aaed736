//! Two sets of policies compared: what became more permissive, less permissive, or is enforced otherwise, for whom.
//!
//! Everything that either set distinguishes is put to both, by the code that the live gate runs; so every example that is
//! told was replayed through both. It is as complete as the [matrix](super::matrix) is; a solver makes it complete ([`Complete`]).

mod compare;
mod render;
mod sides;

pub use compare::{Complete, Diff, Difference, Direction, Found, Moved, first_difference};
pub(super) use render::{DIRECTIONS, cell, said, titled};
pub use render::{human, json, markdown};
pub use sides::{Side, depends_on_others};

#[cfg(test)]
mod tests;

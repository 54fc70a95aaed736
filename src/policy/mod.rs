//! Policies: their vocabulary, how they are loaded and what is wrong with them, and the packs that ship with the gate.
//!
//! Cedar skips a policy that errors, so a forbid that errors no longer forbids. Whatever can make one error (nesting and
//! size, misspelt names, wrong types) is refused while loading; the rest is the engine's.

mod diagnose;
mod lint;
mod load;
mod pack;
mod problem;
mod rule;
mod schema;
mod text;

pub use load::{MAX_FILE, MAX_POLICIES, Policies, PolicyText, load};
pub use pack::{PACKS, pack};
pub use problem::{LoadError, Place, Problem};
pub use rule::{MAX_ADVICE, MAX_ID, Origin, Rule};
pub use schema::{SCHEMA_TEXT, schema};
pub use text::{MAX_NESTING, MAX_TERMS};

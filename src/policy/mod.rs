//! Policies: their vocabulary, how they are loaded and what is wrong with them, and the packs that ship with the gate.
//!
//! Cedar skips a policy that errors, so a forbid that errors no longer forbids. Whatever can make one error (nesting and
//! size, misspelt names, wrong types) is refused while loading; the rest is the engine's.
//!
//! [`load()`] makes rules of texts, a [`Snapshot`] puts them together with the accounts, and a [`Judge`] gives verdicts by
//! it: [`Engine`] fast, [`Naive`] plainly.

mod ask;
mod attribute;
mod code;
mod condition;
mod diagnose;
mod distinction;
mod engine;
mod evaluate;
mod footprint;
pub mod hidden;
mod judge;
mod key;
mod layout;
mod lint;
mod load;
mod locate;
mod naive;
mod names;
mod pack;
mod pattern;
mod probe;
mod problem;
mod property;
mod record;
mod request;
mod rule;
mod schema;
mod slice;
mod snapshot;
#[cfg(test)]
mod testing;
mod text;
mod verdict;

pub use code::{CONFIGURATION, Code, LOAD_CODES, Severity};
pub use condition::{Asked, Atom, Clause, Condition, Node, Probe, Read, Span, Trace, Tree, Truth};
pub use distinction::{Distinction, Distinctions, Holds, Like, Literals, Named, Part, Term};
pub use engine::Engine;
pub use judge::{Judge, Question, Questions};
pub use layout::{Layout, LayoutPart};
pub(crate) use lint::parts;
pub use load::{MAX_FILE, MAX_POLICIES, Policies, PolicyText, is_valid, load, load_properties};
pub use locate::{Located, Texts};
pub use naive::Naive;
pub use pack::{PACKS, pack, pack_properties};
pub use problem::{LoadError, Place, Problem, nearest};
pub use property::{Expect, PROPERTIES, Property, built_in};
pub use record::{Recorded, Recorder};
pub use rule::{MAX_ADVICE, MAX_ID, Origin, Rule};
pub use schema::{SCHEMA_TEXT, schema, words};
pub use snapshot::{Snapshot, SnapshotError};
pub use text::{MAX_NESTING, MAX_TERMS};
pub use verdict::{Answer, Denial, Reason, Verdict};

#[cfg(test)]
pub(crate) mod tests;

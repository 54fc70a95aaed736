//! The audit log: one record for each request, in a chain.
//!
//! A record ([`Request`]) is made by `proxy/` when the answer is known and written before the answer leaves: whoever was answered is on
//! record. A thread of its own writes lines to a file that is rotated, to standard output or to
//! both, many records in one write ([`Log`]); [`Seal`] chains them.

mod chain;
mod journal;
mod log;
pub mod mask;
pub mod read;
mod record;
mod schema;

pub use chain::{Broken, Chained, Hash, Link, Seal};
pub use journal::{Files, LONGEST_LINE, OpenError, rotated, rotated_files};
pub use log::{Log, LogSettings, News, NoPlace, NotWritten, OnFull, Place, Sync};
pub use mask::{MASK, Masked, Masks};
pub use record::{
    Answer, Answered, Call, Caller, Event, Finding, Line, Outcome, Reload, Request, Ruling, Start, Update, VERSION,
    Verdict, Word,
};
pub use schema::SCHEMA;

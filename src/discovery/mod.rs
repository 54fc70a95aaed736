//! Which accounts are members, asked of Security Hub itself.
//!
//! The accounts file says who administers and, where it likes, names and groups; who is a member, ListMembers says, page by page, for each
//! administrator, and again every few minutes. [`Discovered`] is what is known, and a [`Refresher`] keeps it so.
//!
//! | file | subject |
//! |---|---|
//! | `answer.rs` | what one answer of the API says |
//! | `ask.rs` | all members of a fleet: pages, tries, bounds |
//! | `merge.rs` | what was listed with what the file says, and lists that are not believed at once |
//! | `refresh.rs` | what is known, and keeping it so |
//!
//! # What fails, and what then holds
//!
//! The last list that was good stays, whatever comes after it: an error, an answer that is none, an administrator that is another's
//! member. A list without most of the members that there were is not believed at once, and one without any never
//! (`merge.rs`): a fleet seldom shrinks like that, and a permission that was taken away looks the same.

mod answer;
mod ask;
mod merge;
mod refresh;
#[cfg(test)]
mod tests;

pub use ask::{DiscoveryError, Pace, discover};
pub use merge::{Listed, merge};
pub use refresh::{Discovered, Refresher, jittered};

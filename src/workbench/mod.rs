//! The workbench: policies read, tested, enumerated, compared and proven before they ship.
//!
//! It is pure and asks the code that the live gate runs: [`ask`] takes an [`Example`] (who asks for what about which finding)
//! the way of a request, look-up included, and says what becomes of it. Everything else is made of that.

mod example;
mod fixture;
mod live;
mod outcome;
mod paint;
#[cfg(feature = "prove")]
pub mod prove;

pub use example::{Call, Example, Fleet, InvalidExample};
pub use fixture::{CallerFixture, FindingFixture, NoteFixture, ReferenceFixture, SeverityFixture, Texts};
pub use live::{Answered, Decided, ask};
pub use outcome::Outcome;
pub use paint::Paint;

#[cfg(test)]
mod tests;

//! The workbench: policies read, tested, enumerated, compared and proven before they ship.
//!
//! It is pure and asks the code that the live gate runs: [`ask`] takes an [`Example`] (who asks for what about which finding)
//! the way of a request, look-up included, and says what becomes of it. Everything else is made of that.

mod coverage;
pub mod diff;
mod example;
mod excerpt;
pub mod explain;
pub mod export;
mod fixture;
mod format;
pub mod iam;
mod lint;
mod live;
pub mod matrix;
pub mod mutate;
mod outcome;
mod paint;
#[cfg(feature = "prove")]
pub mod prove;
pub mod replay;
pub mod report;
pub mod suite;

pub use coverage::{AtomCoverage, Coverage, CoverageReport, FileCoverage, PolicyCoverage};
pub use example::{Call, Example, Fleet, InvalidExample};
pub use excerpt::{Mark, excerpt};
pub use fixture::{CallerFixture, FindingFixture, NoteFixture, ReferenceFixture, SeverityFixture, Texts};
pub use format::{FormatError, LINE_WIDTH, format};
pub use lint::{DOUBTFUL_CONFIGURATION, InvalidVocabulary, LINTS, Site, Vocabulary, lint};
pub use live::{Answered, Decided, ask, ask_knowing};
pub use outcome::Outcome;
pub use paint::Paint;

#[cfg(test)]
mod tests;

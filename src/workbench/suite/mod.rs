//! Suites of policy tests: what a `*.test.yaml` file says, and whether it is so.
//!
//! [`Suite::parse`] reads one and finds everything that is wrong with it; [`Suite::run`] asks its cases of a judge, the way of
//! a live request. A suite cannot pass by mistake: whatever is misspelt, unused, empty or never asked is a problem.

mod expect;
mod expect_reader;
mod matrix;
mod merge;
mod problem;
mod raw;
mod resolve;
mod run;

pub use expect::{ChangeExpectation, Expectation, Ids};
pub use problem::SuiteError;
pub use run::{CaseReport, Mismatch, Status, SuiteReport};

use super::{Example, Fleet};
use crate::finding::{Accounts, Enforcement};

/// What a suite's file name ends in.
pub const SUFFIX: &str = ".test.yaml";
/// The longest suite, in bytes.
pub const MAX_SUITE: usize = 1 << 20;
/// The most cases of one suite.
pub const MAX_CASES: usize = 100_000;

/// A suite: cases, for one set of policies and one fleet.
#[derive(Debug, Clone)]
pub struct Suite {
    /// The file, as the user named it.
    pub file: String,
    /// What it is called.
    pub name: String,
    /// The policies that it names, relative to its directory; nothing for those beside it.
    pub policies: Option<Vec<String>>,
    /// What a denial does where no policy says.
    pub default_enforcement: Enforcement,
    /// The files of properties that it names, relative to its directory.
    pub properties: Vec<String>,
    /// In the order of the file.
    pub cases: Vec<Case>,
    fleet: Fleet,
    source: String,
}

/// One question and what is expected of the answer.
#[derive(Debug, Clone)]
pub struct Case {
    /// What it is called; of one that is asked of several findings, with the finding's name.
    pub name: String,
    /// The line where it starts, counted from 1.
    pub line: usize,
    /// Why it is not asked.
    pub skip: Option<String>,
    /// The question.
    pub example: Example,
    /// What is expected.
    pub expect: Expectation,
}

impl Suite {
    /// Reads a suite.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, each with its place: no YAML, members that are unknown or missing, names of callers,
    /// findings and cases that stand for nothing, fixtures that nothing uses, no case, bodies that the API does not take.
    pub fn parse(file: &str, text: &str) -> Result<Self, SuiteError> {
        resolve::suite(file, text)
    }

    /// The accounts that its callers and findings are of.
    pub fn accounts(&self) -> Accounts {
        self.fleet.accounts()
    }
}

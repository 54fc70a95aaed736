//! What is wrong with a suite, told so that its author can mend it.

use crate::policy::Problem;
use miette::Diagnostic;
use std::fmt;

/// Why a suite cannot be run: everything that is wrong with it.
#[derive(Debug, Clone)]
pub struct SuiteError {
    file: String,
    problems: Vec<Problem>,
}

impl SuiteError {
    /// Of the suite in this file.
    pub fn new(file: &str, problems: Vec<Problem>) -> Self {
        Self { file: file.to_owned(), problems }
    }

    /// The file, as the user named it.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Every problem, in the order of their places.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for SuiteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.len() {
            1 => write!(f, "{} is no suite that can be run: 1 problem", self.file),
            n => write!(f, "{} is no suite that can be run: {n} problems", self.file),
        }
    }
}

impl std::error::Error for SuiteError {}

impl Diagnostic for SuiteError {
    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        Some(Box::new(self.problems.iter().map(|problem| problem as &dyn Diagnostic)))
    }
}

/// The text of a suite, which knows where its lines are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text<'t> {
    pub(super) file: &'t str,
    pub(super) text: &'t str,
}

impl Text<'_> {
    /// A problem at a line and a column, both counted from 1 (or 0 where the place is not known).
    pub(super) fn problem(self, line: usize, column: usize, message: impl Into<String>) -> Problem {
        Problem::at(self.file, self.text, line, column, message)
    }
}

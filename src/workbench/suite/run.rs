//! Running a suite.

use super::{Case, Suite};
use crate::{
    policy::{Judge, Problem, Rule, nearest},
    workbench::{Decided, ask, ask_knowing},
};
use std::{fmt, sync::Arc};

/// What a suite's cases came to.
#[derive(Debug, Clone)]
pub struct SuiteReport {
    /// The file, as the user named it.
    pub file: String,
    /// What the suite is called.
    pub name: String,
    /// In the order of the file.
    pub cases: Vec<CaseReport>,
}

/// What a case came to.
#[derive(Debug, Clone)]
pub struct CaseReport {
    /// What it is called.
    pub name: String,
    /// The line where it starts.
    pub line: usize,
    /// Whether it is as expected.
    pub status: Status,
    /// What was decided; nothing for a case that was skipped.
    pub decided: Option<Decided>,
}

/// Whether a case is as expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// It is.
    Passed,
    /// It is not, in these ways.
    Failed(Vec<Mismatch>),
    /// It was not asked, for this reason.
    Skipped(String),
}

/// One way in which an answer differs from what is expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// What differs: `outcome`, or a change such as `Workflow.Status = RESOLVED`.
    pub about: String,
    /// What was expected.
    pub expected: String,
    /// What came.
    pub got: String,
    /// The policies that decided what came.
    pub policies: Vec<Arc<str>>,
}

impl Mismatch {
    /// Of the policies given, each is told once.
    pub fn new(
        about: impl fmt::Display,
        expected: impl fmt::Display,
        got: impl fmt::Display,
        mut policies: Vec<Arc<str>>,
    ) -> Self {
        policies.sort_unstable();
        policies.dedup();
        Self { about: about.to_string(), expected: expected.to_string(), got: got.to_string(), policies }
    }
}

impl SuiteReport {
    /// How many cases passed, failed and were skipped.
    pub fn counts(&self) -> (usize, usize, usize) {
        let count = |is: fn(&Status) -> bool| self.cases.iter().filter(|case| is(&case.status)).count();
        (
            count(|status| *status == Status::Passed),
            count(|status| matches!(status, Status::Failed(_))),
            count(|status| matches!(status, Status::Skipped(_))),
        )
    }
}

impl Suite {
    /// A problem of the suite as a whole.
    pub fn problem(&self, message: impl Into<String>) -> Problem {
        Problem::at(&self.file, &self.source, 0, 0, message)
    }

    /// What the suite's expectations name that is no policy.
    pub fn unknown_policies(&self, rules: &[Rule]) -> Vec<Problem> {
        let known = |id: &str| rules.iter().any(|rule| &*rule.id == id);
        let mut problems = Vec::new();
        for case in &self.cases {
            for (id, line) in case.expect.ids().filter(|(id, _)| !known(id)) {
                let message = format!("case `{}`: there is no policy `{id}`", case.name);
                let problem = Problem::at(&self.file, &self.source, line.unwrap_or(case.line), 0, message);
                problems.push(match nearest(id, rules.iter().map(|rule| &*rule.id)) {
                    Some(near) => problem.help(format!("did you mean `{near}`?")),
                    None => problem.help("expectations name policies by their `@id`"),
                });
            }
        }
        problems
    }

    /// Asks the cases that `wanted` picks, each about a finding that is looked up first: for a judge that records the questions.
    pub fn ask(&self, judge: &mut impl Judge, wanted: impl Fn(&Case) -> bool) {
        for case in self.cases.iter().filter(|case| case.skip.is_none() && wanted(case)) {
            // What the API does not take asks nothing; running the suite tells it.
            let _ = ask_knowing(judge, &case.example);
        }
    }

    /// Asks the cases that `wanted` picks, each the way of a live request, and stops after the first failure if
    /// `fail_fast`. `judge` judges by the suite's policies for the suite's accounts.
    pub fn run(&self, judge: &mut impl Judge, wanted: impl Fn(&Case) -> bool, fail_fast: bool) -> SuiteReport {
        let mut cases = Vec::with_capacity(self.cases.len());
        for case in self.cases.iter().filter(|case| wanted(case)) {
            let report = case.run(judge);
            let failed = matches!(report.status, Status::Failed(_));
            cases.push(report);
            if failed && fail_fast {
                break;
            }
        }
        SuiteReport { file: self.file.clone(), name: self.name.clone(), cases }
    }
}

impl Case {
    fn run(&self, judge: &mut impl Judge) -> CaseReport {
        let report = |status, decided| CaseReport { name: self.name.clone(), line: self.line, status, decided };
        if let Some(reason) = &self.skip {
            return report(Status::Skipped(reason.clone()), None);
        }
        match ask(judge, &self.example) {
            Ok(decided) => {
                let mismatches = self.expect.mismatches(&decided);
                let status = if mismatches.is_empty() { Status::Passed } else { Status::Failed(mismatches) };
                report(status, Some(decided))
            }
            // Parsing the suite asked the same of the body, so this is a request that is told apart by who asks.
            Err(error) => {
                let mismatch = Mismatch::new("request", "one that the API takes", error, Vec::new());
                report(Status::Failed(vec![mismatch]), None)
            }
        }
    }
}

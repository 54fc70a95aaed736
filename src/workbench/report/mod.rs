//! Telling what suites came to: for people, and in the formats that other programs read.

pub mod github;
mod human;
mod json;
mod junit;
mod tap;

pub use github::github;
pub use human::human;
pub use json::json;
pub use junit::junit;
pub use tap::tap;

use super::suite::{CaseReport, Mismatch, Status, SuiteError, SuiteReport};
use crate::policy::{Origin, Rule};
use std::{collections::BTreeMap, sync::Arc};

/// What all suites came to.
#[derive(Debug, Default)]
pub struct TestReport {
    /// The suites that were run, in the order of their files.
    pub suites: Vec<SuiteReport>,
    /// The suites that could not be run. Each is a failure.
    pub broken: Vec<SuiteError>,
    /// What is wrong besides: no suite, no case.
    pub problems: Vec<String>,
    /// The policies that decided, by suite file and id.
    pub policies: PolicySources,
}

/// How many cases passed, failed and were skipped; how many suites could not be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Cases that are as expected.
    pub passed: usize,
    /// Cases that are not.
    pub failed: usize,
    /// Cases that were not asked.
    pub skipped: usize,
    /// Suites that could not be run, and whatever else is wrong.
    pub broken: usize,
}

impl TestReport {
    /// How many of what.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts { broken: self.broken.len() + self.problems.len(), ..Counts::default() };
        for suite in &self.suites {
            let (passed, failed, skipped) = suite.counts();
            counts.passed += passed;
            counts.failed += failed;
            counts.skipped += skipped;
        }
        counts
    }

    /// Whether everything is as expected, and something was asked at all.
    pub fn passed(&self) -> bool {
        let Counts { passed, failed, broken, .. } = self.counts();
        failed == 0 && broken == 0 && passed > 0
    }
}

/// Where policies are written, and how they read.
#[derive(Debug, Default)]
pub struct PolicySources {
    by_id: BTreeMap<(String, Arc<str>), (Origin, String)>,
}

impl PolicySources {
    /// Remembers the policies that a suite file is about.
    pub fn add(&mut self, suite: &str, rules: &[Rule]) {
        for rule in rules {
            let source = (rule.origin.clone(), rule.policy.to_string());
            self.by_id.insert((suite.to_owned(), rule.id.clone()), source);
        }
    }

    fn get(&self, suite: &str, id: &Arc<str>) -> Option<&(Origin, String)> {
        self.by_id.get(&(suite.to_owned(), id.clone()))
    }
}

/// What differs, a line each, without colour.
fn differences(mismatches: &[Mismatch]) -> String {
    let line =
        |mismatch: &Mismatch| format!("{}: expected {}, got {}", mismatch.about, mismatch.expected, mismatch.got);
    mismatches.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A case's whole name.
fn full_name(suite: &SuiteReport, case: &CaseReport) -> String {
    format!("{} › {}", suite.name, case.name)
}

/// `1 case`, `2 cases`.
fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// Every case, with its suite.
fn cases(report: &TestReport) -> impl Iterator<Item = (&SuiteReport, &CaseReport)> {
    report.suites.iter().flat_map(|suite| suite.cases.iter().map(move |case| (suite, case)))
}

/// The failed cases, with their suites and what differs.
fn failed(report: &TestReport) -> impl Iterator<Item = (&SuiteReport, &CaseReport, &[Mismatch])> {
    cases(report).filter_map(|(suite, case)| match &case.status {
        Status::Failed(mismatches) => Some((suite, case, &**mismatches)),
        Status::Passed | Status::Skipped(_) => None,
    })
}

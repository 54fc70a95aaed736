//! Coverage: what of the policies a suite has really looked at.
//!
//! A policy is covered when it applied at least once and decided at least once; an atom of its conditions (a smallest boolean
//! expression) when it was seen true and seen false. Seen means that Cedar evaluated it: what a short cut passes over is not seen.

mod html;
mod lcov;
mod report;

pub use report::{AtomCoverage, CoverageReport, FileCoverage, PolicyCoverage};

use crate::policy::{Answer, PolicyText, Probe, Reason, Recorded, Rule, Truth};
use std::{collections::HashMap, sync::Arc};

/// Counts what the policies are asked, over any number of suites.
#[derive(Debug)]
pub struct Coverage {
    policies: Vec<Watched>,
    /// The place of each policy by its id.
    by_id: HashMap<Arc<str>, usize>,
}

#[derive(Debug)]
struct Watched {
    rule: Rule,
    probe: Probe,
    in_scope: u64,
    satisfied: u64,
    determining: u64,
    atoms: Vec<Seen>,
}

/// How often an atom was true, and false.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    as_true: u64,
    as_false: u64,
}

impl Coverage {
    /// Counts nothing yet.
    ///
    /// # Errors
    ///
    /// As [`Probe::new`]: none for rules as they were loaded.
    pub fn new(rules: &[Rule]) -> Result<Self, String> {
        let watch = |rule: &Rule| {
            let probe = Probe::new(rule)?;
            let atoms = vec![Seen::default(); probe.condition().atoms.len()];
            Ok(Watched { rule: rule.clone(), probe, in_scope: 0, satisfied: 0, determining: 0, atoms })
        };
        let policies = rules.iter().map(watch).collect::<Result<Vec<_>, String>>()?;
        let by_id = policies.iter().enumerate().map(|(at, policy)| (policy.rule.id.clone(), at)).collect();
        Ok(Self { policies, by_id })
    }

    /// Adds what was asked.
    pub fn observe(&mut self, recorded: &[Recorded]) {
        for question in recorded {
            for id in deciding(question) {
                if let Some(at) = self.by_id.get(id) {
                    self.policies[*at].determining += 1;
                }
            }
            for policy in &mut self.policies {
                policy.observe(question);
            }
        }
    }

    /// What was seen so far. `texts` are those that the policies were loaded from.
    pub fn report(&self, texts: &[PolicyText]) -> CoverageReport {
        let files = texts.iter().map(|file| FileCoverage {
            name: file.name.clone(),
            policies: self.policies_of(&file.name).map(PolicyCoverage::of).collect(),
            text: file.text.clone(),
        });
        CoverageReport::new(files.collect())
    }

    /// The policies of a file, in the order of its text.
    fn policies_of(&self, file: &str) -> impl Iterator<Item = &Watched> {
        let mut found: Vec<&Watched> =
            self.policies.iter().filter(|policy| *policy.rule.origin.file == *file).collect();
        found.sort_by_key(|policy| policy.rule.origin.offset);
        found.into_iter()
    }
}

impl Watched {
    fn observe(&mut self, question: &Recorded) {
        if !self.probe.speaks_of(question.role, question.action) {
            return;
        }
        let trace = self.probe.trace(question);
        self.in_scope += u64::from(trace.in_scope);
        self.satisfied += u64::from(trace.applies == Truth::True);
        for (seen, truth) in self.atoms.iter_mut().zip(trace.atoms) {
            seen.as_true += u64::from(truth == Some(Truth::True));
            seen.as_false += u64::from(truth == Some(Truth::False));
        }
    }
}

/// The policies that made the verdict what it is. One that only could not be asked decides nothing; one in `@shadow` decides
/// what would be.
fn deciding(question: &Recorded) -> impl Iterator<Item = &Arc<str>> {
    fn of(answer: &Answer) -> &[Arc<str>] {
        match answer {
            Answer::Allowed { by } => by,
            Answer::Denied(denial) if denial.reason == Reason::Forbidden => &denial.policies,
            Answer::Denied(_) => &[],
        }
    }
    let enforced = of(&question.verdict.enforced);
    let shadow = question.verdict.shadow.as_ref().map_or(&[][..], of);
    enforced.iter().chain(shadow.iter().filter(|id| !enforced.contains(id)))
}

#[cfg(test)]
mod tests;

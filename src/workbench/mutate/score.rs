//! What became of the mutants.

use super::Mutant;
use crate::workbench::Example;

/// What became of a mutant.
#[derive(Debug, Clone)]
pub enum Fate {
    /// The tests notice it: the case of this name is the first.
    Killed(String),
    /// The tests do not.
    Survived(Settled),
}

/// What is known of a mutant that the tests do not notice.
#[derive(Debug, Clone)]
pub enum Settled {
    /// It changes nothing: proved.
    Equivalent,
    /// It changes what becomes of this, and no test asks it.
    Gap(Box<Gap>),
    /// It is not known whether it changes anything, and this is why.
    Unsettled(String),
}

/// A question that no test asks.
#[derive(Debug, Clone)]
pub struct Gap {
    /// The question.
    pub example: Example,
    /// As a case of a suite, with what the policies as they are say.
    pub case: String,
}

/// A mutant, and what became of it.
#[derive(Debug, Clone)]
pub struct Scored {
    /// The mutant.
    pub mutant: Mutant,
    /// What became of it.
    pub fate: Fate,
}

/// What became of all mutants of a set of policies.
#[derive(Debug, Clone, Default)]
pub struct Score {
    /// Policy by policy.
    pub mutants: Vec<Scored>,
}

/// How many of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// The tests notice them.
    pub killed: usize,
    /// They change nothing.
    pub equivalent: usize,
    /// No test notices them.
    pub gaps: usize,
    /// It is not known whether they change anything.
    pub unsettled: usize,
}

impl Tally {
    /// All of them.
    pub const fn all(self) -> usize {
        self.killed + self.equivalent + self.gaps + self.unsettled
    }

    /// Of those that change something, or may, how many of a hundred the tests notice.
    #[expect(clippy::cast_precision_loss, reason = "there are at most some ten thousand of them")]
    pub fn percent(self) -> f64 {
        let counted = self.all() - self.equivalent;
        if counted == 0 { 100.0 } else { self.killed as f64 * 100.0 / counted as f64 }
    }
}

impl Score {
    /// How many of what.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for scored in &self.mutants {
            match &scored.fate {
                Fate::Killed(_) => tally.killed += 1,
                Fate::Survived(Settled::Equivalent) => tally.equivalent += 1,
                Fate::Survived(Settled::Gap(_)) => tally.gaps += 1,
                Fate::Survived(Settled::Unsettled(_)) => tally.unsettled += 1,
            }
        }
        tally
    }
}

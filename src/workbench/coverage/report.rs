//! What was seen of the policies, as data and for people.

use super::Watched;
use crate::{policy::Span, workbench::Paint};
use cedar_policy::Effect;
use serde::Serialize;
use std::fmt::Write as _;

/// What was seen of a set of policies.
#[derive(Debug, Clone, Serialize)]
pub struct CoverageReport {
    /// Policies that applied and decided, each at least once.
    pub policies_covered: usize,
    /// All policies.
    pub policies: usize,
    /// Atoms that were seen true and false.
    pub atoms_covered: usize,
    /// All atoms that can be both.
    pub atoms: usize,
    /// Of policies and atoms together, those that are covered, of a hundred.
    pub percent: f64,
    /// File by file.
    pub files: Vec<FileCoverage>,
}

/// What was seen of the policies of a file.
#[derive(Debug, Clone, Serialize)]
pub struct FileCoverage {
    /// The file, as the user named it.
    pub name: String,
    /// In the order of its text.
    pub policies: Vec<PolicyCoverage>,
    /// Its text.
    #[serde(skip)]
    pub text: String,
}

/// What was seen of a policy.
#[derive(Debug, Clone, Serialize)]
pub struct PolicyCoverage {
    /// Its `@id`.
    pub id: String,
    /// Whether it is marked `@shadow`.
    pub shadow: bool,
    /// `permit` or `forbid`.
    pub effect: &'static str,
    /// Where it stands.
    pub span: Span,
    /// Where its head stands: effect and scope.
    pub head: Span,
    /// How many questions its scope matched.
    pub in_scope: u64,
    /// How many questions it applied to.
    pub satisfied: u64,
    /// How many verdicts it decided, alone or with others.
    pub determining: u64,
    /// The atoms of its conditions, without those that are `true` or `false` as they stand.
    pub atoms: Vec<AtomCoverage>,
}

/// What was seen of an atom.
#[derive(Debug, Clone, Serialize)]
pub struct AtomCoverage {
    /// As it is written.
    pub text: String,
    /// Where it stands.
    pub span: Span,
    /// How often it was true.
    pub seen_true: u64,
    /// How often it was false.
    pub seen_false: u64,
}

/// How much of something was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shade {
    Whole,
    Part,
    Nothing,
}

impl Shade {
    const fn of(one: u64, other: u64) -> Self {
        match (one, other) {
            (0, 0) => Self::Nothing,
            (0, _) | (_, 0) => Self::Part,
            _ => Self::Whole,
        }
    }
}

impl AtomCoverage {
    pub(super) const fn shade(&self) -> Shade {
        Shade::of(self.seen_true, self.seen_false)
    }

    /// What was not seen of it; nothing if nothing is missing.
    pub fn missing(&self) -> Option<&'static str> {
        match (self.seen_true, self.seen_false) {
            (0, 0) => Some("never evaluated"),
            (0, _) => Some("never true"),
            (_, 0) => Some("never false"),
            _ => None,
        }
    }
}

impl PolicyCoverage {
    pub(super) fn of(policy: &Watched) -> Self {
        let condition = policy.probe.condition();
        let [.., last] = condition.scope;
        let (effect, end) = (condition.effect, last);
        let atoms = condition.atoms.iter().zip(&policy.atoms).filter(|(atom, _)| !atom.constant);
        Self {
            id: policy.rule.id.to_string(),
            shadow: policy.rule.shadow,
            effect: if policy.rule.effect == Effect::Permit { "permit" } else { "forbid" },
            span: condition.span,
            head: Span { end: end.end, end_line: end.end_line, end_column: end.end_column, ..effect },
            in_scope: policy.in_scope,
            satisfied: policy.satisfied,
            determining: policy.determining,
            atoms: atoms
                .map(|(atom, seen)| AtomCoverage {
                    text: atom.text.clone(),
                    span: atom.span,
                    seen_true: seen.as_true,
                    seen_false: seen.as_false,
                })
                .collect(),
        }
    }

    pub(super) const fn shade(&self) -> Shade {
        Shade::of(self.satisfied, self.determining)
    }

    /// What was not seen of it as a whole; nothing if nothing is missing.
    pub fn missing(&self) -> Option<&'static str> {
        match (self.in_scope, self.satisfied, self.determining) {
            (0, ..) => Some("never asked: no question is in its scope"),
            (_, 0, _) => Some("never applied"),
            (.., 0) => Some("applied and never decided"),
            _ => None,
        }
    }
}

impl CoverageReport {
    pub(super) fn new(files: Vec<FileCoverage>) -> Self {
        let policies: Vec<&PolicyCoverage> = files.iter().flat_map(|file| &file.policies).collect();
        let atoms: Vec<&AtomCoverage> = policies.iter().flat_map(|policy| &policy.atoms).collect();
        let policies_covered = policies.iter().filter(|policy| policy.missing().is_none()).count();
        let atoms_covered = atoms.iter().filter(|atom| atom.missing().is_none()).count();
        let (policies, atoms) = (policies.len(), atoms.len());
        let percent = percent(policies_covered + atoms_covered, policies + atoms);
        Self { policies_covered, policies, atoms_covered, atoms, percent, files }
    }

    /// One report of those of several sets of policies. A file that several sets have is counted once, with what was seen of it
    /// in any of them.
    pub fn merged(reports: impl IntoIterator<Item = Self>) -> Self {
        let mut files: Vec<FileCoverage> = Vec::new();
        for file in reports.into_iter().flat_map(|report| report.files) {
            match files.iter_mut().find(|known| known.name == file.name && known.text == file.text) {
                Some(known) => known.add(&file),
                None => files.push(file),
            }
        }
        Self::new(files)
    }

    /// Of policies and atoms together, those that are covered, of a hundred: a hundred only if nothing is missing.
    pub fn percent(&self) -> f64 {
        self.percent
    }

    /// For a terminal: the figures, then a line for each policy, and under it what was not seen.
    pub fn summary(&self, paint: Paint) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "coverage {}: policies {} of {} ({}), atoms {} of {} ({})",
            paint.strong(shown(self.percent)),
            self.policies_covered,
            self.policies,
            shown(percent(self.policies_covered, self.policies)),
            self.atoms_covered,
            self.atoms,
            shown(percent(self.atoms_covered, self.atoms)),
        );
        let width = self.files.iter().flat_map(|file| &file.policies).map(|policy| policy.id.len()).max().unwrap_or(0);
        for file in self.files.iter().filter(|file| !file.policies.is_empty()) {
            let _ = writeln!(text, "\n{}", paint.strong(&file.name));
            for policy in &file.policies {
                policy.summarise(&file.name, width, paint, &mut text);
            }
        }
        text
    }
}

impl FileCoverage {
    /// Adds what was seen of the same file.
    fn add(&mut self, other: &Self) {
        for (policy, other) in self.policies.iter_mut().zip(&other.policies) {
            policy.in_scope += other.in_scope;
            policy.satisfied += other.satisfied;
            policy.determining += other.determining;
            for (atom, other) in policy.atoms.iter_mut().zip(&other.atoms) {
                atom.seen_true += other.seen_true;
                atom.seen_false += other.seen_false;
            }
        }
    }
}

impl PolicyCoverage {
    fn summarise(&self, file: &str, width: usize, paint: Paint, text: &mut String) {
        let covered = self.atoms.iter().filter(|atom| atom.missing().is_none()).count();
        let is_whole = self.missing().is_none() && covered == self.atoms.len();
        let mark = if is_whole { paint.good("ok") } else { paint.bad("--") };
        let shadow = if self.shadow { "  (shadow)" } else { "" };
        let _ =
            write!(text, "  {mark} {:width$}  applied {:>4}  decided {:>4}", self.id, self.satisfied, self.determining);
        let _ = match self.atoms.len() {
            0 => writeln!(text, "{shadow}"),
            atoms => writeln!(text, "  atoms {covered} of {atoms}{shadow}"),
        };
        let mut missing = |span: &Span, what: &str, of: &str| {
            let place = format!("{file}:{}:{}", span.line, span.column);
            let _ = writeln!(text, "       {}  {}{of}", paint.faint(place), paint.doubtful(what));
        };
        if let Some(what) = self.missing() {
            missing(&self.head, what, "");
        }
        // Of a policy that was never asked, every atom is missing for that reason.
        for atom in self.atoms.iter().filter(|_| self.in_scope > 0) {
            if let Some(what) = atom.missing() {
                missing(&atom.span, what, &format!(": {}", one_line(&atom.text)));
            }
        }
    }
}

/// The text in one line.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// So many of so many, of a hundred. Of nothing, everything is covered.
#[expect(clippy::cast_precision_loss, reason = "there are at most some ten thousand of them")]
fn percent(covered: usize, all: usize) -> f64 {
    if all == 0 { 100.0 } else { covered as f64 * 100.0 / all as f64 }
}

/// `92.3 %`, never rounded up.
pub(super) fn shown(percent: f64) -> String {
    let tenths = (percent * 10.0 + 1e-9).floor() / 10.0;
    if tenths.fract() == 0.0 { format!("{tenths:.0} %") } else { format!("{tenths:.1} %") }
}

//! What validation does not find: policies that load, and probably do not do what their author meant.
//!
//! [`lint()`] looks at policies that loaded, with the texts that they were loaded from, and at what is known of the site. Everything it
//! says has a [`Code`] of [`LINTS`], a place and a way to mend it. It is cheap and never wrong about what cannot be: it
//! reasons about intervals, equalities, patterns and closed vocabularies. What only a solver can tell is `prove`'s.

mod annotations;
mod apply;
mod codes;
mod cost;
mod facts;
mod glob;
mod names;
mod overlap;
mod possible;
mod question;
mod reach;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;
mod vocabulary;
mod words;

pub use codes::{DOUBTFUL_CONFIGURATION, LINTS};
pub use vocabulary::{InvalidVocabulary, Vocabulary};

use crate::finding::{Accounts, Enforcement};
use crate::policy::{Code, Located, PolicyText, Problem, Rule, Texts, parts};
use cedar_policy::pst::{self, Clause, Expr, Template};
use facts::Case;
use question::Kind;
use std::collections::BTreeSet;
use std::ops::Range;

/// What is known of the site that the policies are for.
#[derive(Debug, Clone, Copy)]
pub struct Site<'s> {
    /// Its accounts; without them, names of accounts and groups are not looked at.
    pub accounts: Option<&'s Accounts>,
    /// Whether proofs put callers in groups: then those that are looked for in callers need no account in them.
    pub proofs_give_groups: bool,
    /// The words that it uses; without them, no word is unknown.
    pub vocabulary: Option<&'s Vocabulary>,
    /// What a forbid without `@enforce` does.
    pub default_enforcement: Enforcement,
}

/// Everything that is probably not meant, in the order of the files and of the places in them.
pub fn lint(rules: &[Rule], texts: &[PolicyText], site: &Site<'_>) -> Vec<Problem> {
    let texts_located = Texts::new(texts);
    let subjects: Vec<Subject<'_>> = rules.iter().filter_map(|rule| Subject::new(rule, &texts_located)).collect();
    let mut found = Vec::new();
    for subject in &subjects {
        apply::lint(subject, &mut found);
        annotations::lint(subject, &mut found);
        cost::lint(subject, &mut found);
        if let Some(accounts) = site.accounts {
            names::lint(subject, accounts, site.proofs_give_groups, &mut found);
        }
        if let Some(vocabulary) = site.vocabulary {
            vocabulary::lint(subject, vocabulary, &mut found);
        }
    }
    overlap::lint(&subjects, site.default_enforcement, &mut found);
    reach::lint(&subjects, &mut found);
    let order = |problem: &Problem| {
        let place = problem.place.as_ref()?;
        let file = texts.iter().position(|text| *text.name == *place.file)?;
        Some((file, place.line, place.column, problem.code.id))
    };
    found.sort_by_key(order);
    found
}

/// A policy, ready to be looked at.
struct Subject<'r> {
    rule: &'r Rule,
    tree: pst::Policy,
    located: Located<'r>,
    /// The kinds of questions that its scope fits.
    kinds: BTreeSet<Kind>,
    /// The cases in which it applies; nothing if there are too many to look at.
    cases: Option<Vec<Case>>,
}

impl<'r> Subject<'r> {
    fn new(rule: &'r Rule, texts: &'r Texts) -> Option<Self> {
        let tree = rule.policy.to_pst().ok()?;
        let cases = facts::of_policy(tree.body());
        Some(Self { rule, located: texts.locate(rule)?, kinds: Kind::of(&rule.policy), cases, tree })
    }

    fn body(&self) -> &Template {
        self.tree.body()
    }

    /// The conditions of its clauses.
    fn conditions(&self) -> impl Iterator<Item = &Expr> {
        self.body().clauses().iter().map(|clause| match clause {
            Clause::When(condition) | Clause::Unless(condition) => &**condition,
        })
    }

    /// Where an expression stands; where the policy does, if it is written in a way that cannot be found.
    fn place(&self, expression: &Expr) -> Range<usize> {
        self.place_of(&words::words(expression))
    }

    fn place_of(&self, words: &[String]) -> Range<usize> {
        self.located.find(words).unwrap_or_else(|| self.located.effect())
    }

    fn problem(
        &self,
        code: &'static Code,
        place: Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Problem {
        self.located.problem(code, place, message, help)
    }
}

/// Does something with an expression and everything in it.
fn visit<'e>(expression: &'e Expr, look: &mut impl FnMut(&'e Expr)) {
    look(expression);
    for part in parts(expression) {
        visit(part, look);
    }
}

/// `a`, `b` and `c`, each in backticks.
fn listed<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{}`", name.as_ref())).collect();
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}

//! What policies compare a finding's texts with.

use cedar_policy::pst::PatternElem;
use memchr::memmem::Finder;
use std::cmp::Ordering;

/// The right side of `like`, or of `==`: that is a pattern without a wildcard.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pattern {
    /// What the text begins with.
    start: String,
    /// What follows after the first wildcard; without one the text is `start` and no more.
    rest: Option<Rest>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Rest {
    /// What comes between wildcards, one after the other.
    between: Vec<Part>,
    /// What the text ends with.
    end: String,
}

/// A piece of text, ready to be looked for.
#[derive(Debug, Clone)]
struct Part(Finder<'static>);

impl PartialEq for Part {
    fn eq(&self, other: &Self) -> bool {
        self.0.needle() == other.0.needle()
    }
}

impl Eq for Part {}

impl PartialOrd for Part {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Part {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.needle().cmp(other.0.needle())
    }
}

impl Pattern {
    /// The text itself and nothing else.
    pub(super) fn exactly(text: &str) -> Self {
        Self { start: text.to_owned(), rest: None }
    }

    /// What Cedar parsed.
    pub(super) fn of(elements: &[PatternElem]) -> Self {
        let mut parts = elements.split(|element| *element == PatternElem::Wildcard).map(|part| {
            part.iter()
                .filter_map(|element| match element {
                    PatternElem::Char(c) => Some(*c),
                    PatternElem::Wildcard => None,
                })
                .collect::<String>()
        });
        let start = parts.next().unwrap_or_default();
        let mut between: Vec<String> = parts.collect();
        let end = between.pop();
        let between = between.iter().map(|part| Part(Finder::new(part).into_owned())).collect();
        Self { start, rest: end.map(|end| Rest { between, end }) }
    }

    /// Whether the text is like this, as Cedar would have it.
    pub(super) fn matches(&self, text: &str) -> bool {
        let Some(Rest { between, end }) = &self.rest else { return text == self.start };
        // Of bytes: in UTF-8, whole characters are found at whole characters only.
        let left = text.as_bytes().strip_prefix(self.start.as_bytes());
        let Some(mut left) = left.and_then(|left| left.strip_suffix(end.as_bytes())) else { return false };
        // The first place that fits leaves most for what follows.
        between.iter().all(|Part(part)| {
            part.find(left).is_some_and(|at| {
                left = &left[at + part.needle().len()..];
                true
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cedar_policy::{
        Context, Entities, EvalResult, Expression, Request, eval_expression,
        pst::{Clause, Expr},
    };
    use proptest::prelude::*;
    use std::str::FromStr;

    fn like(pattern: &str) -> Pattern {
        let policy = format!(r#"permit (principal, action, resource) when {{ resource.id like "{pattern}" }};"#);
        let policy = cedar_policy::Policy::from_str(&policy).unwrap().to_pst().unwrap();
        match &policy.body().clauses()[0] {
            Clause::When(condition) | Clause::Unless(condition) => match &**condition {
                Expr::Like { pattern, .. } => Pattern::of(pattern),
                other => panic!("{other:?}"),
            },
        }
    }

    fn cedar(text: &str, pattern: &str) -> bool {
        let uid = |text: &str| text.parse().unwrap();
        let request =
            Request::new(uid(r#"A::"a""#), uid(r#"A::"a""#), uid(r#"A::"a""#), Context::empty(), None).unwrap();
        let expression = Expression::from_str(&format!(r#""{text}" like "{pattern}""#)).unwrap();
        eval_expression(&request, &Entities::empty(), &expression).unwrap() == EvalResult::Bool(true)
    }

    #[test]
    fn patterns_match_as_they_read() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("a", "a", true),
            ("*", "", true),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("a*b*a", "aba", true),
            ("*ab*ab*", "abab", true),
            ("*ab*ab*", "aab", false),
            (r"a\*", "a*", true),
            (r"a\*", "ab", false),
        ] {
            assert_eq!(like(pattern).matches(text), expected, "{pattern} {text}");
        }
        assert!(Pattern::exactly("a*").matches("a*") && !Pattern::exactly("a*").matches("ab"));
    }

    proptest! {
        #[test]
        fn cedar_agrees(pattern in "[ab*é]{0,7}", text in "[abé]{0,9}") {
            prop_assert_eq!(like(&pattern).matches(&text), cedar(&text, &pattern), "{} {}", pattern, text);
        }
    }
}

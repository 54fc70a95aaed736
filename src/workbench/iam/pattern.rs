//! Patterns: texts with wildcards and policy variables, as IAM reads them.

/// How `${…}` is read: `Version` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Syntax {
    /// As it stands.
    V2008,
    /// As a policy variable, or as the escape of `*`, `?` or `$`.
    V2012,
}

/// A part of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// This character.
    Char(char),
    /// `*`: any text, the empty one too.
    Many,
    /// `?`: any one character.
    One,
    /// Any text without `:` and `/`: a part of an ARN. No pattern of a document has it.
    Segment,
    /// `${name}`
    Variable(String),
}

/// A text as IAM reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    written: String,
    parts: Vec<Part>,
}

impl Pattern {
    /// Reads a text in which `*` and `?` are wildcards.
    pub(super) fn parse(written: &str, syntax: Syntax) -> Self {
        let mut parts = Vec::new();
        let mut rest = written;
        while let Some(c) = rest.chars().next() {
            let variable =
                rest.strip_prefix("${").filter(|_| syntax == Syntax::V2012).and_then(|rest| rest.split_once('}'));
            if let Some((name, after)) = variable {
                let escaped =
                    Some(name).filter(|name| matches!(*name, "*" | "?" | "$")).and_then(|name| name.chars().next());
                parts.push(escaped.map_or_else(|| Part::Variable(name.to_owned()), Part::Char));
                rest = after;
                continue;
            }
            parts.push(match c {
                '*' => Part::Many,
                '?' => Part::One,
                c => Part::Char(c),
            });
            rest = &rest[c.len_utf8()..];
        }
        Self { written: written.to_owned(), parts }
    }

    /// Reads a text in which they are not.
    pub(super) fn literal(written: &str, syntax: Syntax) -> Self {
        let mut pattern = Self::parse(written, syntax);
        for part in &mut pattern.parts {
            match part {
                Part::Many => *part = Part::Char('*'),
                Part::One => *part = Part::Char('?'),
                Part::Char(_) | Part::Segment | Part::Variable(_) => {}
            }
        }
        pattern
    }

    /// An ARN in which `*` stands for any one part.
    pub(super) fn of_arns(written: &str) -> Self {
        let part = |c| if c == '*' { Part::Segment } else { Part::Char(c) };
        Self { written: written.to_owned(), parts: written.chars().map(part).collect() }
    }

    pub(super) fn written(&self) -> &str {
        &self.written
    }

    pub(super) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The policy variable that it has first, if it has one.
    pub(super) fn variable(&self) -> Option<&str> {
        self.parts.iter().find_map(|part| match part {
            Part::Variable(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// The policy variable that it is, if it is nothing but that.
    pub(super) fn only_variable(&self) -> Option<&str> {
        self.variable().filter(|_| self.parts.len() == 1)
    }

    pub(super) fn has_single_wildcard(&self) -> bool {
        self.parts.contains(&Part::One)
    }

    /// Whether every text matches it.
    pub(super) fn is_everything(&self) -> bool {
        !self.parts.is_empty() && self.parts.iter().all(|part| *part == Part::Many)
    }

    /// The text that it is, if it has neither wildcards nor variables.
    pub(super) fn as_literal(&self) -> Option<String> {
        let of = |part: &Part| match part {
            Part::Char(c) => Some(*c),
            _ => None,
        };
        self.parts.iter().map(of).collect()
    }

    /// Whether `text` matches it. Nothing matches a variable.
    pub(super) fn matches(&self, text: &str, case: Case) -> bool {
        let text: Vec<char> = text.chars().collect();
        matches(&self.parts, &text, &|part, c| match part {
            Part::Char(expected) => case.same(*expected, *c),
            Part::One => true,
            Part::Many | Part::Segment | Part::Variable(_) => false,
        })
    }

    /// Whether some text matches it and `other`. Neither may have a variable.
    pub(super) fn meets(&self, other: &Self) -> bool {
        meet(&self.parts, &other.parts)
    }
}

/// Whether capitals and small letters are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    Sensitive,
    Insensitive,
}

impl Case {
    fn same(self, a: char, b: char) -> bool {
        a == b || self == Self::Insensitive && a.to_lowercase().eq(b.to_lowercase())
    }
}

/// Matches `parts` against `text`, going back to the last `*` only: earlier ones could not do better.
fn matches<T>(parts: &[Part], text: &[T], same: &impl Fn(&Part, &T) -> bool) -> bool {
    let (mut part, mut at) = (0, 0);
    let mut last = None;
    while at < text.len() {
        match parts.get(part) {
            Some(Part::Many) => {
                last = Some((part, at));
                part += 1;
            }
            Some(expected) if same(expected, &text[at]) => {
                part += 1;
                at += 1;
            }
            _ => match &mut last {
                Some((star, from)) => {
                    *from += 1;
                    (part, at) = (*star + 1, *from);
                }
                None => return false,
            },
        }
    }
    parts[part..].iter().all(|part| *part == Part::Many)
}

/// Whether some text matches both. `reach[n]` is whether the parts of `a` so far and the first `n` parts of `b` have a text in
/// common.
fn meet(a: &[Part], b: &[Part]) -> bool {
    let mut reach = vec![false; b.len() + 1];
    reach[0] = true;
    for (at, part) in b.iter().enumerate() {
        reach[at + 1] = reach[at] && part.is_any_text();
    }
    for left in a {
        let before = reach.clone();
        reach[0] = before[0] && left.is_any_text();
        for (at, right) in b.iter().enumerate() {
            // One of the two ends, or takes the other in.
            let of_left = left.is_any_text() && (before[at + 1] || reach[at] && left.takes(right));
            let of_right = right.is_any_text() && (reach[at] || before[at + 1] && right.takes(left));
            let of_both = before[at]
                && match (left, right) {
                    (Part::Char(x), Part::Char(y)) => x == y,
                    (Part::One, Part::Char(_) | Part::One) | (Part::Char(_), Part::One) => true,
                    _ => false,
                };
            reach[at + 1] = of_left || of_right || of_both;
        }
    }
    reach[b.len()]
}

impl Part {
    const fn is_any_text(&self) -> bool {
        matches!(self, Self::Many | Self::Segment)
    }

    /// Whether it can stand for what one other part stands for.
    const fn takes(&self, other: &Self) -> bool {
        !matches!((self, other), (Self::Segment, Self::Char(':' | '/')))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text, Syntax::V2012)
    }

    #[test]
    fn wildcards_and_escapes() {
        for (text, value, holds) in [
            ("securityhub:Batch*", "securityhub:BatchUpdateFindings", true),
            ("*", "", true),
            ("a*b*c", "aXbYbc", true),
            ("a*b*c", "aXbYcZ", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("a${*}c", "a*c", true),
            ("a${*}c", "abc", false),
            ("${$}{x}", "${x}", true),
        ] {
            assert_eq!(pattern(text).matches(value, Case::Sensitive), holds, "{text} {value}");
        }
        assert!(pattern("SECURITYHUB:*").matches("securityhub:x", Case::Insensitive));
        assert_eq!(pattern("x/${aws:username}").variable(), Some("aws:username"));
        assert_eq!(Pattern::parse("${*}", Syntax::V2008).variable(), None);
        assert!(Pattern::literal("a*", Syntax::V2012).matches("a*", Case::Sensitive));
        assert!(!Pattern::literal("a*", Syntax::V2012).matches("ab", Case::Sensitive));
        assert!(pattern("a:*/c").meets(&Pattern::of_arns("a:*:*/*")));
        assert!(!pattern("a:*/c").meets(&Pattern::of_arns("a:*:d")));
    }

    proptest! {
        #[test]
        fn what_matches_both_makes_them_meet(a in "[ab*?]{0,6}", b in "[ab*?]{0,6}", texts in prop::collection::vec("[ab]{0,6}", 40)) {
            let (a, b) = (pattern(&a), pattern(&b));
            let both = texts.iter().any(|text| a.matches(text, Case::Sensitive) && b.matches(text, Case::Sensitive));
            prop_assert!(!both || a.meets(&b), "{a:?} {b:?}");
            prop_assert_eq!(a.meets(&b), b.meets(&a));
        }

        #[test]
        fn a_text_meets_what_it_matches_and_nothing_else(a in "[ab*?]{0,6}", text in "[ab]{0,6}") {
            let a = pattern(&a);
            prop_assert_eq!(a.meets(&pattern(&text)), a.matches(&text, Case::Sensitive));
        }
    }
}

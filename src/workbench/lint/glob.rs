//! Patterns of `like`, and of a vocabulary.

use cedar_policy::pst::PatternElem;

/// A text with wildcards; a wildcard stands for any text, the empty one too.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Glob(Vec<Element>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Element {
    Any,
    Char(char),
}

impl Glob {
    /// What Cedar parsed.
    pub(super) fn of(pattern: &[PatternElem]) -> Self {
        Self(
            pattern
                .iter()
                .map(|element| match element {
                    PatternElem::Char(c) => Element::Char(*c),
                    PatternElem::Wildcard => Element::Any,
                })
                .collect(),
        )
    }

    /// A text in which every `*` is a wildcard.
    pub(super) fn parse(text: &str) -> Self {
        Self(text.chars().map(|c| if c == '*' { Element::Any } else { Element::Char(c) }).collect())
    }

    /// A text that is meant as it is.
    pub(super) fn exactly(text: &str) -> Self {
        Self(text.chars().map(Element::Char).collect())
    }

    /// Whether every text that the other stands for is one of this. (Never says so wrongly; may miss it.)
    pub(super) fn includes(&self, other: &Self) -> bool {
        // A wildcard of the other can be anything, so only a wildcard of this can stand for it.
        let mut reached = vec![false; other.0.len() + 1];
        reached[0] = true;
        for element in &self.0 {
            let mut next = vec![false; reached.len()];
            match element {
                Element::Any => {
                    let mut seen = false;
                    for (at, reached) in reached.iter().enumerate() {
                        seen |= reached;
                        next[at] = seen;
                    }
                }
                Element::Char(_) => {
                    for (at, found) in other.0.iter().enumerate() {
                        next[at + 1] = reached[at] && found == element;
                    }
                }
            }
            reached = next;
        }
        reached.last().copied().unwrap_or(false)
    }

    /// Whether there is a text that both stand for.
    pub(super) fn meets(&self, other: &Self) -> bool {
        let (rows, columns) = (self.0.len(), other.0.len());
        let mut meets = vec![vec![false; columns + 1]; rows + 1];
        for i in (0..=rows).rev() {
            for j in (0..=columns).rev() {
                meets[i][j] = match (self.0.get(i), other.0.get(j)) {
                    (None, None) => true,
                    // A wildcard ends here, or stands for the other's next.
                    (Some(Element::Any), Some(_)) | (Some(_), Some(Element::Any)) => meets[i + 1][j] || meets[i][j + 1],
                    (Some(Element::Any), None) => meets[i + 1][j],
                    (None, Some(Element::Any)) => meets[i][j + 1],
                    (Some(one), Some(two)) => one == two && meets[i + 1][j + 1],
                    (Some(_), None) | (None, Some(_)) => false,
                };
            }
        }
        meets[0][0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns_include_and_meet() {
        for (wide, narrow) in [("*", ""), ("ticket*", "ticket/*"), ("*a*", "xa*"), ("a", "a"), ("a*b", "a*c*b")] {
            assert!(Glob::parse(wide).includes(&Glob::parse(narrow)), "{wide} {narrow}");
        }
        for (one, other) in [("ticket/*", "ticket*"), ("a", "*"), ("a*", "*a")] {
            assert!(!Glob::parse(one).includes(&Glob::parse(other)), "{one} {other}");
        }
        assert!(Glob::parse("a*").meets(&Glob::parse("*b")));
        assert!(Glob::parse("").meets(&Glob::parse("**")));
        assert!(!Glob::parse("a*").meets(&Glob::parse("b*")) && !Glob::parse("*a").meets(&Glob::parse("*b")));
        assert!(!Glob::exactly("a*").meets(&Glob::exactly("ab")));
    }

    proptest! {
        #[test]
        fn both_agree_with_texts(one in "[ab*]{0,5}", other in "[ab*]{0,5}", text in "[ab]{0,5}") {
            let (one, other, text) = (Glob::parse(&one), Glob::parse(&other), Glob::exactly(&text));
            if other.includes(&text) {
                prop_assert!(!one.includes(&other) || one.includes(&text));
                prop_assert!(!one.includes(&text) || one.meets(&other));
            }
            prop_assert_eq!(one.includes(&text), one.meets(&text));
        }
    }
}

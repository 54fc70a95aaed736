//! Strings of a request, borrowed from its bytes where they can be.

use serde::de::{self, DeserializeSeed, Deserializer, Visitor};
use std::{borrow::Cow, fmt, ops::Deref};

/// A string that came in a JSON body.
///
/// It is borrowed from the body unless it was written there with escapes.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Text<'a>(Cow<'a, str>);

impl Text<'_> {
    /// The string.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Appends the string as JSON, quotes included.
    #[expect(clippy::missing_panics_doc, reason = "writing a string into memory does not fail")]
    pub fn write_json(&self, out: &mut Vec<u8>) {
        match &self.0 {
            // INVARIANT: only `TextVisitor` makes borrowed texts, of strings that stood in JSON without any escape, by serde_json
            // or by `Plain`. They
            // hold no quote, no backslash and no control character, so they are their own JSON form.
            Cow::Borrowed(text) => {
                out.push(b'"');
                out.extend_from_slice(text.as_bytes());
                out.push(b'"');
            }
            Cow::Owned(text) => serde_json::to_writer(out, text).expect("strings serialise"),
        }
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Self(Cow::Owned(text))
    }
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

/// Reads a string that keeps to a rule.
#[derive(Clone, Copy)]
pub(super) struct TextRule {
    /// Whether the string keeps to the rule.
    pub(super) holds: fn(&str) -> bool,
    /// What was expected, to follow "expected".
    pub(super) expected: &'static str,
}

/// Whether `text` has from `min` to `max` characters. Characters are counted only where bytes do not decide.
pub(super) fn length_within(text: &str, min: usize, max: usize) -> bool {
    let bytes = text.len();
    if bytes < min {
        return false;
    }
    // A character has one to four bytes.
    if bytes <= max && bytes >= min.saturating_mul(4) {
        return true;
    }
    let characters = if bytes > max.saturating_mul(4) { return false } else { text.chars().count() };
    (min..=max).contains(&characters)
}

/// Whether `text` holds anything but white space (the API model's pattern `.*\S.*`, read across lines).
pub(super) fn not_blank(text: &str) -> bool {
    text.chars().any(|c| !c.is_whitespace())
}

impl<'de> DeserializeSeed<'de> for TextRule {
    type Value = Text<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Text<'de>, D::Error> {
        deserializer.deserialize_str(TextVisitor(self))
    }
}

struct TextVisitor(TextRule);

impl TextVisitor {
    fn check<E: de::Error>(&self, text: &str) -> Result<(), E> {
        if (self.0.holds)(text) {
            return Ok(());
        }
        Err(E::custom(format_args!("got {}, expected {}", Excerpt(text), self.0.expected)))
    }
}

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.expected)
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Text<'de>, E> {
        self.check(text)?;
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Text<'de>, E> {
        self.check(text)?;
        Ok(Text(Cow::Owned(text.to_owned())))
    }
}

/// A string as a message shows it: quoted, escaped, and cut where it is long.
pub(super) struct Excerpt<'a>(pub(super) &'a str);

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 64;
        match self.0.char_indices().nth(MOST) {
            None => write!(f, "{:?}", self.0),
            Some((cut, _)) => write!(f, "{:?}… ({} characters)", &self.0[..cut], self.0.chars().count()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ANY: TextRule = TextRule { holds: |_| true, expected: "a string" };

    fn read(json: &str) -> Text<'_> {
        ANY.deserialize(&mut serde_json::Deserializer::from_str(json)).unwrap()
    }

    #[test]
    fn only_strings_with_escapes_are_copied() {
        assert!(matches!(read(r#""plain é 日本""#).0, Cow::Borrowed("plain é 日本")));
        assert!(matches!(read(r#""tab\there""#).0, Cow::Owned(_)));
    }

    #[test]
    fn lengths_are_counted_in_characters() {
        for (text, min, max, within) in [
            ("", 0, 0, true),
            ("", 1, 5, false),
            ("é", 1, 1, true),
            ("éé", 1, 1, false),
            ("日本語", 3, 3, true),
            ("日本語", 4, 9, false),
            ("abc", 1, 512, true),
            ("🦀🦀", 2, 2, true),
            ("🦀🦀🦀", 1, 2, false),
        ] {
            assert_eq!(length_within(text, min, max), within, "{text:?} {min} {max}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_the_same(text in ".*") {
            let sent = serde_json::to_string(&text).unwrap();
            let parsed = read(&sent);
            let mut written = Vec::new();
            parsed.write_json(&mut written);
            prop_assert_eq!(serde_json::from_slice::<String>(&written).unwrap(), text);
        }

        #[test]
        fn length_within_agrees_with_counting(text in ".{0,12}", min in 0usize..6, max in 0usize..12) {
            let counted = (min..=max).contains(&text.chars().count());
            prop_assert_eq!(length_within(&text, min, max), counted && min <= max);
        }
    }
}

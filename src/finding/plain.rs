//! Reading JSON in its plain form, which is that of nearly every request.
//!
//! Half of the work on a large request is to find the ends of its strings. [`Plain`] reads the same JSON as serde_json in half
//! the time, by knowing less: brackets, commas, colons, spaces, and strings without escapes. What a string with escapes or a number
//! means, serde_json says. Whatever is not plain is an error here, without a reason; whoever gets one asks serde_json, which has
//! the last word on what is no JSON. So it must hold that nothing is read here that serde_json reads differently, or refuses: a
//! property test of `update.rs` compares the two.
//!
//! It sets no limit to depth. A reader of what may be nested without end is not for it.

use super::swar;
use serde::{
    de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor},
    forward_to_deserialize_any,
};
use serde_json::Error;

/// A reader of plain JSON.
pub(super) struct Plain<'de> {
    text: &'de str,
    /// Everything before is read.
    at: usize,
}

impl<'de> Plain<'de> {
    /// Begins to read a text. Nothing if it has control characters: between the values they are harmless, in strings they are
    /// forbidden, and a look at the whole text is cheaper than one at every string.
    pub(super) fn new(text: &'de str) -> Option<Self> {
        // In all bytes, since a search that may end early is made byte by byte.
        let least = text.bytes().fold(u8::MAX, u8::min);
        (least >= b' ').then_some(Self { text, at: 0 })
    }

    /// Whether nothing is left.
    pub(super) fn is_at_end(&mut self) -> bool {
        self.peek().is_none()
    }

    /// What comes next, after spaces.
    fn peek(&mut self) -> Option<u8> {
        loop {
            match self.text.as_bytes().get(self.at) {
                Some(b' ') => self.at += 1,
                next => return next.copied(),
            }
        }
    }

    /// Passes over what must come next.
    fn expect(&mut self, byte: u8) -> Result<(), Error> {
        if self.peek() != Some(byte) {
            return Err(not_plain());
        }
        self.at += 1;
        Ok(())
    }

    /// Passes over a string. It returns what stands between the quotes, and whether there are escapes in it.
    fn string(&mut self) -> Result<(&'de str, bool), Error> {
        self.expect(b'"')?;
        let start = self.at;
        let mut escapes = false;
        loop {
            let bytes = self.text.as_bytes();
            self.at += end_of_string(&bytes[self.at..]).ok_or_else(not_plain)?;
            if bytes[self.at] == b'"' {
                let text = &self.text[start..self.at];
                self.at += 1;
                return Ok((text, escapes));
            }
            escapes = true;
            // The backslash and what it escapes. If that is half of a character, the string does not end there.
            self.at += 2;
            if self.at > self.text.len() {
                return Err(not_plain());
            }
        }
    }

    /// Passes over a number, or anything else that has no brackets and no quotes around it.
    fn scalar(&mut self) -> &'de str {
        let rest = &self.text[self.at..];
        let end = rest.bytes().position(|byte| matches!(byte, b',' | b']' | b'}' | b' ')).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }
}

/// How far the next quote or backslash is.
fn end_of_string(bytes: &[u8]) -> Option<usize> {
    // Names of members and words of vocabularies are short.
    const SHORT: usize = 16;
    for (at, chunk) in bytes.chunks_exact(8).take(SHORT / 8).enumerate() {
        let word = swar::word(chunk);
        let places = swar::places_of(b'"', word) | swar::places_of(b'\\', word);
        if places != 0 {
            return Some(at * 8 + swar::first(places));
        }
    }
    let passed = if bytes.len() < SHORT { bytes.len() / 8 * 8 } else { SHORT };
    memchr::memchr2(b'"', b'\\', &bytes[passed..]).map(|at| passed + at)
}

#[cold]
fn not_plain() -> Error {
    Error::custom("not plain")
}

impl<'de> Deserializer<'de> for &mut Plain<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.peek() {
            Some(b'"') => self.deserialize_str(visitor),
            Some(b'{') => self.deserialize_map(visitor),
            Some(b'[') => self.deserialize_seq(visitor),
            _ => {
                let mut scalar = serde_json::Deserializer::from_str(self.scalar());
                let value = scalar.deserialize_any(visitor)?;
                scalar.end()?;
                Ok(value)
            }
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.string()? {
            (text, false) => visitor.visit_borrowed_str(text),
            (text, true) => visitor.visit_string(serde_json::from_str(&format!("\"{text}\""))?),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.expect(b'{')?;
        let mut members = Elements::new(self, b'}');
        let value = visitor.visit_map(&mut members)?;
        members.whole(value)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.expect(b'[')?;
        let mut elements = Elements::new(self, b']');
        let value = visitor.visit_seq(&mut elements)?;
        elements.whole(value)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char string bytes byte_buf option unit unit_struct
        newtype_struct tuple tuple_struct struct enum identifier ignored_any
    }
}

/// What stands between two brackets.
struct Elements<'p, 'de> {
    plain: &'p mut Plain<'de>,
    close: u8,
    first: bool,
    closed: bool,
}

impl<'p, 'de> Elements<'p, 'de> {
    fn new(plain: &'p mut Plain<'de>, close: u8) -> Self {
        Self { plain, close, first: true, closed: false }
    }

    /// Whether there is a further element. Then it must come next: a comma says that there is one.
    fn more(&mut self) -> Result<bool, Error> {
        let first = std::mem::take(&mut self.first);
        match self.plain.peek() {
            Some(byte) if byte == self.close => {
                self.plain.at += 1;
                self.closed = true;
                Ok(false)
            }
            Some(b',') if !first => {
                self.plain.at += 1;
                Ok(true)
            }
            Some(_) if first => Ok(true),
            _ => Err(not_plain()),
        }
    }

    /// The value that was made of the elements, if that took them all.
    fn whole<T>(self, value: T) -> Result<T, Error> {
        if self.closed { Ok(value) } else { Err(not_plain()) }
    }
}

impl<'de> MapAccess<'de> for &mut Elements<'_, 'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        if !self.more()? {
            return Ok(None);
        }
        if self.plain.peek() != Some(b'"') {
            return Err(not_plain());
        }
        seed.deserialize(&mut *self.plain).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        self.plain.expect(b':')?;
        seed.deserialize(&mut *self.plain)
    }
}

impl<'de> SeqAccess<'de> for &mut Elements<'_, 'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        if self.more()? { seed.deserialize(&mut *self.plain).map(Some) } else { Ok(None) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_string_ends_where_a_plain_search_ends_it(bytes in prop::collection::vec(prop_oneof![20 => any::<u8>(), 1 => Just(b'"'), 1 => Just(b'\\')], 0..48)) {
            let expected = bytes.iter().position(|byte| matches!(byte, b'"' | b'\\'));
            prop_assert_eq!(end_of_string(&bytes), expected);
        }
    }
}

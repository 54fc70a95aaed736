//! Strict objects: every member known, none twice, arrays refused where objects belong.
//!
//! Serde's derived structs also read arrays and `null`s, and say nothing of a member that came twice in a map; a gate that
//! is read differently from what stands behind it can be walked around. So the objects of a request have readers of their
//! own, made by [`object!`].

use serde::de::{self, DeserializeSeed, Deserializer, SeqAccess, Visitor};
use std::{borrow::Cow, fmt, marker::PhantomData};

/// Makes a reader (a `DeserializeSeed`) of a strict object.
///
/// Each member has a reader of its own; the closure gets an `Option` a member and makes the value.
macro_rules! object {
    (
        $(#[$doc:meta])* $reader:ident -> $value:ty, $expected:literal,
        { $($member:ident: $name:literal = $value_reader:expr,)+ } => $build:expr
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub(super) struct $reader;

        impl<'de> serde::de::DeserializeSeed<'de> for $reader {
            type Value = $value;

            fn deserialize<D: serde::de::Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
                deserializer.deserialize_map(self)
            }
        }

        impl<'de> serde::de::Visitor<'de> for $reader {
            type Value = $value;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str($expected)
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                const NAMES: &[&str] = &[$($name),+];
                $(let mut $member = None;)+
                while let Some(key) = map.next_key_seed($crate::finding::object::Key)? {
                    match &*key {
                        $($name => {
                            if $member.is_some() {
                                return Err($crate::finding::object::repeated($name));
                            }
                            $member = Some(map.next_value_seed($value_reader)?);
                        })+
                        other => return Err($crate::finding::object::unknown(other, NAMES)),
                    }
                }
                let build = $build;
                build($($member),+)
            }
        }
    };
}
pub(super) use object;

/// Names from this many bytes on are like none of the API's.
const LONGEST_COMPARED: usize = 64;

/// A member that came twice.
pub(super) fn repeated<E: de::Error>(name: &str) -> E {
    E::custom(format_args!("member `{}` came twice", name.escape_debug()))
}

/// A member that must be there.
pub(super) fn required<T, E: de::Error>(member: Option<T>, name: &str) -> Result<T, E> {
    member.ok_or_else(|| E::custom(format_args!("member `{name}` is missing")))
}

/// A member that the API does not have here.
pub(super) fn unknown<E: de::Error>(name: &str, known: &[&str]) -> E {
    let hint = meant(name, known);
    E::custom(format_args!("unknown member `{}`{hint}, expected {}", cut(name), known.join(", ")))
}

/// ` (did you mean …?)`, if one of the known names is like this one.
pub(super) fn meant(name: &str, known: &[&str]) -> String {
    // A distance costs time and memory by the product of both lengths, and the name may be as long as the body.
    let comparable = known.iter().filter(|_| name.len() < LONGEST_COMPARED);
    let close = comparable.map(|known| (strsim::damerau_levenshtein(name, known), known)).min();
    match close {
        Some((distance, known)) if distance <= 3 => format!(" (did you mean `{known}`?)"),
        _ => String::new(),
    }
}

/// A client's name as a message shows it: escaped, and cut where it is long.
pub(super) fn cut(name: &str) -> String {
    let name: String = name.chars().take(64).collect();
    name.escape_debug().to_string()
}

/// Reads the name of a member.
pub(super) struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_borrowed_str<E: de::Error>(self, key: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}

/// Reads a list of `min` to `max` elements. It stops at the first element too many.
pub(super) struct List<S> {
    pub(super) element: S,
    pub(super) min: usize,
    pub(super) max: usize,
    pub(super) expected: &'static str,
}

impl<'de, S: DeserializeSeed<'de> + Copy> DeserializeSeed<'de> for List<S> {
    type Value = Vec<S::Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, S: DeserializeSeed<'de> + Copy> Visitor<'de> for List<S> {
    type Value = Vec<S::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::with_capacity(self.max.min(8));
        while let Some(element) = seq.next_element_seed(self.element)? {
            if elements.len() == self.max {
                return Err(de::Error::custom(format_args!(
                    "more than {} elements, expected {}",
                    self.max, self.expected
                )));
            }
            elements.push(element);
        }
        if elements.len() < self.min {
            let came =
                if elements.is_empty() { "an empty list".to_owned() } else { format!("{} elements", elements.len()) };
            return Err(de::Error::custom(format_args!("got {came}, expected {}", self.expected)));
        }
        Ok(elements)
    }
}

/// Reads a word of a closed vocabulary.
pub(super) struct Word<T> {
    parse: fn(&str) -> Option<T>,
    words: fn() -> String,
    kind: PhantomData<T>,
}

impl<T> Word<T> {
    /// `parse` knows the words, `words` lists them for a message.
    pub(super) const fn new(parse: fn(&str) -> Option<T>, words: fn() -> String) -> Self {
        Self { parse, words, kind: PhantomData }
    }
}

impl<'de, T> DeserializeSeed<'de> for Word<T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<T> Visitor<'_> for Word<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "one of {}", (self.words)())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        (self.parse)(text).ok_or_else(|| {
            E::custom(format_args!("got {}, expected one of {}", super::text::Excerpt(text), (self.words)()))
        })
    }
}

//! A suite as its file says it.

use super::expect::Expectation;
use crate::{
    finding::{Enforcement, Timestamp},
    workbench::{CallerFixture, FindingFixture, fixture::time},
};
use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value};
use serde_saphyr::Spanned;
use std::{collections::BTreeMap, fmt};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSuite {
    #[serde(default)]
    pub(super) suite: Option<String>,
    #[serde(default)]
    pub(super) policies: Option<Vec<String>>,
    #[serde(default)]
    pub(super) default_enforcement: Option<Enforcement>,
    #[serde(default, with = "time")]
    pub(super) now: Option<Timestamp>,
    #[serde(default)]
    pub(super) callers: BTreeMap<String, Spanned<CallerFixture>>,
    #[serde(default)]
    pub(super) findings: BTreeMap<String, Spanned<FindingFixture>>,
    #[serde(default)]
    pub(super) updates: BTreeMap<String, Spanned<Map<String, Value>>>,
    #[serde(default)]
    pub(super) cases: Vec<Spanned<RawCase>>,
    #[serde(default)]
    pub(super) matrix: Vec<Spanned<RawMatrix>>,
    #[serde(default)]
    pub(super) properties: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCase {
    pub(super) name: String,
    #[serde(default)]
    pub(super) skip: Option<String>,
    #[serde(default)]
    pub(super) like: Option<Spanned<String>>,
    #[serde(default, with = "time")]
    pub(super) now: Option<Timestamp>,
    #[serde(default)]
    pub(super) caller: Option<Spanned<OneOf<CallerFixture>>>,
    #[serde(default)]
    pub(super) finding: Option<Spanned<OneOf<FindingFixture>>>,
    #[serde(default)]
    pub(super) update: Option<Spanned<OneOf<Map<String, Value>>>>,
    #[serde(default, rename = "updateV2")]
    pub(super) update_v2: Option<Spanned<Map<String, Value>>>,
    #[serde(default)]
    pub(super) import: Option<Spanned<Map<String, Value>>>,
    pub(super) expect: Spanned<Expectation>,
}

/// Callers × rows × findings.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawMatrix {
    pub(super) name: String,
    #[serde(default)]
    pub(super) skip: Option<String>,
    #[serde(default, with = "time")]
    pub(super) now: Option<Timestamp>,
    pub(super) callers: Vec<Spanned<String>>,
    pub(super) findings: Vec<Spanned<String>>,
    /// The leaf that the rows give values for; without it they are names of updates.
    #[serde(default)]
    pub(super) set: Option<String>,
    /// What comes with every row.
    #[serde(default)]
    pub(super) with: Map<String, Value>,
    pub(super) expect: Rows,
}

/// The rows of a matrix, in their order.
#[derive(Debug)]
pub(super) struct Rows(pub(super) Vec<(String, Spanned<Cells>)>);

/// What is expected in a row: the same of all callers, or one each; of each the same of all findings, or one each.
#[derive(Debug)]
pub(super) enum Cells {
    Same(String),
    Each(Vec<Cells>),
}

/// A fixture by name, several by name, or one that is written in place.
#[derive(Debug, Clone)]
pub(super) enum OneOf<T> {
    Named(String),
    Several(Vec<String>),
    Inline(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOf<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> de::Visitor<'de> for Reader<T> {
            type Value = OneOf<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name, a list of names, or an object")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Self::Value, E> {
                Ok(OneOf::Named(name.to_owned()))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
                Vec::deserialize(de::value::SeqAccessDeserializer::new(seq)).map(OneOf::Several)
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(de::value::MapAccessDeserializer::new(map)).map(OneOf::Inline)
            }
        }
        deserializer.deserialize_any(Reader(std::marker::PhantomData))
    }
}

impl<'de> Deserialize<'de> for Cells {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> de::Visitor<'de> for Reader {
            type Value = Cells;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "an outcome such as `rejected by members-do-not-suppress`, or a list with one for each caller",
                )
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Cells::Same(text.to_owned()))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
                Vec::deserialize(de::value::SeqAccessDeserializer::new(seq)).map(Cells::Each)
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

impl<'de> Deserialize<'de> for Rows {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> de::Visitor<'de> for Reader {
            type Value = Rows;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with a row for each update or value")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut rows = Vec::new();
                while let Some(row) = map.next_entry::<String, Spanned<Cells>>()? {
                    rows.push(row);
                }
                Ok(Rows(rows))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

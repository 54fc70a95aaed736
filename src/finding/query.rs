//! A request for findings, and the same one asked for one account's findings only.
//!
//! GetFindings and GetFindingsV2 differ in their [`Filters`], and agree in all else.

use super::{
    AccountId, InvalidBody, Text,
    document::Strict,
    number::Whole,
    object::{List, Word, object, required},
    text::{TextRule, not_blank},
    vocabulary::vocabulary,
};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value, json};
use std::fmt;

/// The API model states no bound. Ten times as many attributes as one request may filter by are enough for an order.
pub(super) const MOST_CRITERIA: usize = 100;

/// What findings are asked for, in the terms of one operation.
pub trait Filters: Clone + Default {
    /// Where a finding of the answer names the account that owns it.
    const OWNER: &'static [&'static str];

    /// Reads a request, strictly: every member is one of the API's, none comes twice, every value has its type and keeps to its
    /// limits, and nothing follows. An empty body is a request without members, as some clients send it.
    fn parse(body: &[u8]) -> Result<Query<Self>, InvalidBody>;

    /// The same findings, as far as they are this account's; nothing if that is plainly none. Whatever the filters are, the
    /// result matches no other account's findings, and all of this one's that the filters match.
    fn narrowed(self, account: AccountId) -> Result<Option<Self>, InvalidBody>;

    /// The filters as JSON, made anew from what was parsed.
    fn to_json(&self) -> Value;
}

/// A request for findings.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Query<F> {
    pub(super) filters: Option<F>,
    pub(super) scopes: Option<Value>,
    pub(super) sort: Option<Vec<SortCriterion>>,
    pub(super) max_results: Option<u32>,
    pub(super) next_token: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SortCriterion {
    field: String,
    order: Option<SortOrder>,
}

vocabulary! {
    /// The direction of an order.
    SortOrder {
        /// Lowest first.
        Ascending = "asc",
        /// Highest first.
        Descending = "desc",
    }
}

impl<F: Filters> Query<F> {
    /// Reads a request: see [`Filters::parse`].
    pub fn parse(body: &[u8]) -> Result<Self, InvalidBody> {
        if body.is_empty() { Ok(Self::default()) } else { F::parse(body) }
    }

    /// Takes out the token of the page that is asked for; there is none for the first page.
    pub fn take_next_token(&mut self) -> Option<String> {
        self.next_token.take()
    }

    /// Whether the request says what findings it is about. One that goes on with a token need not.
    pub fn has_filters(&self) -> bool {
        self.filters.is_some()
    }

    /// Whether the request chooses among an organization's accounts, which members may not.
    pub fn has_scopes(&self) -> bool {
        self.scopes.is_some()
    }

    /// The same request, with what it leaves out as `earlier` has it.
    #[must_use]
    pub fn or(self, earlier: Self) -> Self {
        Self {
            filters: self.filters.or(earlier.filters),
            scopes: self.scopes.or(earlier.scopes),
            sort: self.sort.or(earlier.sort),
            max_results: self.max_results.or(earlier.max_results),
            next_token: self.next_token,
        }
    }

    /// The same request for the findings of one account only, or nothing if its own filters leave that account out: see
    /// [`Filters::narrowed`].
    pub fn narrowed(self, account: AccountId) -> Result<Option<Self>, InvalidBody> {
        let narrowed = self.filters.unwrap_or_default().narrowed(account)?;
        Ok(narrowed.map(|filters| Self { filters: Some(filters), ..self }))
    }

    /// The request as JSON, made anew from what was parsed, to go on at `next_token`.
    #[expect(clippy::missing_panics_doc, reason = "the keys are strings, so it serialises")]
    pub fn to_json(&self, next_token: Option<&str>) -> Vec<u8> {
        let members = [
            ("Filters", self.filters.as_ref().map(F::to_json)),
            ("Scopes", self.scopes.clone()),
            ("SortCriteria", self.sort.as_ref().map(|sort| sort.iter().map(SortCriterion::to_json).collect())),
            ("NextToken", next_token.map(Value::from)),
            ("MaxResults", self.max_results.map(Value::from)),
        ];
        let there = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        serde_json::to_vec(&there.collect::<Map<_, _>>()).expect("a JSON value serialises")
    }
}

impl SortCriterion {
    fn to_json(&self) -> Value {
        match self.order {
            Some(order) => json!({"Field": self.field, "SortOrder": order.as_str()}),
            None => json!({"Field": self.field}),
        }
    }
}

// ---- readers ----

pub(super) const TEXT: TextRule = TextRule { holds: not_blank, expected: "a text, not blank" };

/// Reads `SortCriteria`.
pub(super) const SORT: List<SortCriterionReader> =
    List { element: SortCriterionReader, min: 0, max: MOST_CRITERIA, expected: "a list of at most 100 sort criteria" };

/// Reads `MaxResults` (API model).
pub(super) const PAGE_SIZE: Whole = Whole { min: 1, max: 100 };

object! {
    SortCriterionReader -> SortCriterion, "an object with Field and perhaps SortOrder", {
        field: "Field" = TEXT,
        order: "SortOrder" = Word::new(SortOrder::parse, || words(SortOrder::ALL.iter().map(|word| word.as_str()))),
    } => |field: Option<Text<'_>>, order| Ok(SortCriterion { field: required(field, "Field")?.to_string(), order })
}

pub(super) fn words<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.collect::<Vec<_>>().join(", ")
}

/// Reads an object that is not looked into.
#[derive(Clone, Copy)]
pub(super) struct AnyObject;

impl<'de> DeserializeSeed<'de> for AnyObject {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for AnyObject {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Value, A::Error> {
        Strict.visit_map(map)
    }
}

/// Reads `NextToken`. The API model's text tells clients to send null with the first call.
#[derive(Clone, Copy)]
pub(super) struct TokenReader;

impl<'de> DeserializeSeed<'de> for TokenReader {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for TokenReader {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the token of a page")
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        const TOKEN: TextRule =
            TextRule { holds: |_| true, expected: "the token of a page, as the last answer had it" };
        TOKEN.deserialize(deserializer).map(|token| Some(token.to_string()))
    }
}

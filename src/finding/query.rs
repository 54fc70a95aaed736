//! A GetFindings request, and the same one asked for one account's findings only.

use super::{
    AccountId, FILTER_ATTRIBUTES, InvalidBody, Text, body,
    document::Strict,
    number::Whole,
    object::{Key, List, Word, cut, meant, object, repeated, required},
    text::{TextRule, not_blank},
    vocabulary::vocabulary,
};
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value, json};
use std::fmt;

/// The attribute that names a finding's owner.
const OWNER: &str = "AwsAccountId";
/// How many attributes one request may filter by (API model).
const MOST_ATTRIBUTES: usize = 10;
/// How many filters an attribute may have (API model).
const MOST_VALUES: usize = 20;
/// How many findings a page may have (API model).
const MOST_RESULTS: u32 = 100;
/// The API model states no bound. Ten times as many attributes as one request may filter by are enough for an order.
const MOST_CRITERIA: usize = 100;

/// A GetFindings request.
///
/// Of the filters, only those on `AwsAccountId` are understood; the others are objects whose attribute the API has, carried
/// through as they were meant.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FindingsQuery {
    filters: Option<Filters>,
    sort: Option<Vec<SortCriterion>>,
    max_results: Option<u32>,
    next_token: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Default)]
struct Filters {
    /// Those on `AwsAccountId`; a mix that the API has.
    owner: Option<Vec<OwnerFilter>>,
    /// All others, by their attributes.
    others: Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OwnerFilter {
    value: String,
    comparison: Comparison,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SortCriterion {
    field: String,
    order: Option<SortOrder>,
}

vocabulary! {
    /// How GetFindings compares a text. The API model's CONTAINS, NOT_CONTAINS and CONTAINS_WORD are for other operations.
    Comparison {
        /// It is the value.
        Equals = "EQUALS",
        /// It begins with the value.
        Prefix = "PREFIX",
        /// It is not the value.
        NotEquals = "NOT_EQUALS",
        /// It does not begin with the value.
        PrefixNotEquals = "PREFIX_NOT_EQUALS",
    }
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

impl FindingsQuery {
    /// Reads a request, strictly: every member and attribute is one of the API's, none comes twice, every value has its type
    /// and keeps to its limits, and nothing follows. An empty body is a request without members, as some clients send it.
    pub fn parse(body: &[u8]) -> Result<Self, InvalidBody> {
        if body.is_empty() {
            return Ok(Self::default());
        }
        body::parse(body, QueryReader)
    }

    /// Takes out the token of the page that is asked for; there is none for the first page.
    pub fn take_next_token(&mut self) -> Option<String> {
        self.next_token.take()
    }

    /// Whether the request says what findings it is about. One that goes on with a token need not.
    pub fn has_filters(&self) -> bool {
        self.filters.is_some()
    }

    /// The same request, with what it leaves out as `earlier` has it.
    #[must_use]
    pub fn or(self, earlier: Self) -> Self {
        Self {
            filters: self.filters.or(earlier.filters),
            sort: self.sort.or(earlier.sort),
            max_results: self.max_results.or(earlier.max_results),
            next_token: self.next_token,
        }
    }

    /// The same request for the findings of one account only, or nothing if its own filters leave that account out.
    ///
    /// The client's filters on `AwsAccountId` are not kept beside the account: they are evaluated on it, by the API's rules,
    /// and `AwsAccountId EQUALS account` takes their place. Across attributes the API joins by AND, so whatever else is
    /// asked cannot widen it.
    pub fn narrowed(mut self, account: AccountId) -> Result<Option<Self>, InvalidBody> {
        let filters = self.filters.get_or_insert_default();
        if filters.others.len() >= MOST_ATTRIBUTES {
            return Err(InvalidBody {
                path: "Filters".to_owned(),
                problem: format!(
                    "{} attributes besides `{OWNER}`; the gate holds a member account to its own findings by `{OWNER}`, and the \
                     API takes {MOST_ATTRIBUTES} attributes in all: filter by at most {} others",
                    filters.others.len(),
                    MOST_ATTRIBUTES - 1
                ),
            });
        }
        let only = OwnerFilter { value: account.to_string(), comparison: Comparison::Equals };
        let asked = filters.owner.replace(vec![only]);
        let fits = asked.is_none_or(|asked| admit(&asked, account.as_str()));
        Ok(fits.then_some(self))
    }

    /// The request as JSON, made anew from what was parsed, to go on at `next_token`.
    #[expect(clippy::missing_panics_doc, reason = "the keys are strings, so it serialises")]
    pub fn to_json(&self, next_token: Option<&str>) -> Vec<u8> {
        let mut body = Map::new();
        if let Some(filters) = &self.filters {
            let mut all = filters.others.clone();
            if let Some(owner) = &filters.owner {
                let filter =
                    |filter: &OwnerFilter| json!({"Value": filter.value, "Comparison": filter.comparison.as_str()});
                all.insert(OWNER.to_owned(), owner.iter().map(filter).collect());
            }
            body.insert("Filters".to_owned(), all.into());
        }
        if let Some(sort) = &self.sort {
            let criterion = |criterion: &SortCriterion| match criterion.order {
                Some(order) => json!({"Field": criterion.field, "SortOrder": order.as_str()}),
                None => json!({"Field": criterion.field}),
            };
            body.insert("SortCriteria".to_owned(), sort.iter().map(criterion).collect());
        }
        if let Some(token) = next_token {
            body.insert("NextToken".to_owned(), token.into());
        }
        if let Some(number) = self.max_results {
            body.insert("MaxResults".to_owned(), number.into());
        }
        serde_json::to_vec(&body).expect("a JSON value serialises")
    }
}

/// Whether filters on one text admit it (API model): it must meet one of those that ask for something, if there are any, and
/// all of those that ask for something else.
fn admit(filters: &[OwnerFilter], text: &str) -> bool {
    let meets = |OwnerFilter { value, comparison }: &OwnerFilter| match comparison {
        Comparison::Equals => text == value,
        Comparison::Prefix => text.starts_with(value),
        Comparison::NotEquals => text != value,
        Comparison::PrefixNotEquals => !text.starts_with(value),
    };
    let (positive, negative): (Vec<_>, Vec<_>) = filters.iter().partition(|filter| filter.comparison.is_positive());
    (positive.is_empty() || positive.into_iter().any(meets)) && negative.into_iter().all(meets)
}

impl Comparison {
    fn is_positive(self) -> bool {
        matches!(self, Self::Equals | Self::Prefix)
    }
}

// ---- readers ----

const TEXT: TextRule = TextRule { holds: not_blank, expected: "a text, not blank" };

object! {
    QueryReader -> FindingsQuery, "an object, with Filters, SortCriteria, NextToken or MaxResults perhaps", {
        filters: "Filters" = FiltersReader,
        sort: "SortCriteria" = List {
            element: SortCriterionReader, min: 0, max: MOST_CRITERIA, expected: "a list of at most 100 sort criteria",
        },
        next_token: "NextToken" = TokenReader,
        max_results: "MaxResults" = Whole { min: 1, max: MOST_RESULTS },
    } => |filters, sort, next_token: Option<Option<String>>, max_results| {
        Ok(FindingsQuery { filters, sort, max_results, next_token: next_token.flatten() })
    }
}

object! {
    SortCriterionReader -> SortCriterion, "an object with Field and perhaps SortOrder", {
        field: "Field" = TEXT,
        order: "SortOrder" = Word::new(SortOrder::parse, || words(SortOrder::ALL.iter().map(|word| word.as_str()))),
    } => |field: Option<Text<'_>>, order| Ok(SortCriterion { field: required(field, "Field")?.to_string(), order })
}

object! {
    OwnerFilterReader -> OwnerFilter, "an object with Value and Comparison", {
        value: "Value" = TEXT,
        comparison: "Comparison" =
            Word::new(Comparison::parse, || words(Comparison::ALL.iter().map(|word| word.as_str()))),
    } => |value: Option<Text<'_>>, comparison| Ok(OwnerFilter {
        value: required(value, "Value")?.to_string(),
        comparison: required(comparison, "Comparison")?,
    })
}

fn words<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.collect::<Vec<_>>().join(", ")
}

/// Reads `Filters`.
#[derive(Clone, Copy)]
struct FiltersReader;

impl<'de> DeserializeSeed<'de> for FiltersReader {
    type Value = Filters;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Filters, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for FiltersReader {
    type Value = Filters;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of filters by their attributes")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Filters, A::Error> {
        let mut filters = Filters::default();
        while let Some(name) = map.next_key_seed(Key)? {
            if !FILTER_ATTRIBUTES.contains(&&*name) {
                let hint = meant(&name, &FILTER_ATTRIBUTES);
                return Err(de::Error::custom(format_args!(
                    "unknown attribute `{}`{hint}, expected one that the API filters by",
                    cut(&name)
                )));
            }
            if name == OWNER {
                if filters.owner.is_some() {
                    return Err(repeated(&name));
                }
                filters.owner = Some(map.next_value_seed(OwnerFilters)?);
            } else {
                if filters.others.contains_key(&*name) {
                    return Err(repeated(&name));
                }
                let list = List { element: AnyFilter, min: 1, max: MOST_VALUES, expected: "a list of 1 to 20 filters" };
                filters.others.insert(name.into_owned(), map.next_value_seed(list)?.into());
            }
            let count = filters.others.len() + usize::from(filters.owner.is_some());
            if count > MOST_ATTRIBUTES {
                return Err(de::Error::custom(format_args!(
                    "more than {MOST_ATTRIBUTES} attributes, expected at most {MOST_ATTRIBUTES}"
                )));
            }
        }
        Ok(filters)
    }
}

/// Reads the filters on `AwsAccountId`, in the mixes that the API has.
struct OwnerFilters;

impl<'de> DeserializeSeed<'de> for OwnerFilters {
    type Value = Vec<OwnerFilter>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        let list = List { element: OwnerFilterReader, min: 1, max: MOST_VALUES, expected: "a list of 1 to 20 filters" };
        let filters = list.deserialize(deserializer)?;
        let has = |wanted: Comparison| filters.iter().any(|filter| filter.comparison == wanted);
        if has(Comparison::Equals) && (has(Comparison::NotEquals) || has(Comparison::PrefixNotEquals)) {
            return Err(de::Error::custom(
                "EQUALS cannot be combined with NOT_EQUALS or PREFIX_NOT_EQUALS on one attribute",
            ));
        }
        Ok(filters)
    }
}

/// Reads a filter that is not looked into.
#[derive(Clone, Copy)]
struct AnyFilter;

impl<'de> DeserializeSeed<'de> for AnyFilter {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for AnyFilter {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object: one filter")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Value, A::Error> {
        Strict.visit_map(map)
    }
}

/// Reads `NextToken`. The API model's text tells clients to send null with the first call.
#[derive(Clone, Copy)]
struct TokenReader;

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

#[cfg(test)]
#[path = "query_tests.rs"]
mod tests;

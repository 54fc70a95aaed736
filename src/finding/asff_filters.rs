//! The filters of GetFindings.

use super::{
    AccountId, FILTER_ATTRIBUTES, InvalidBody, Text, body,
    object::{Key, List, Word, cut, meant, object, repeated, required},
    query::{AnyObject, Filters, PAGE_SIZE, Query, SORT, TEXT, TokenReader, words},
    vocabulary::vocabulary,
};
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value, json};
use std::fmt;

/// The attribute that names a finding's owner, and the member of a finding that does.
const OWNER: &str = "AwsAccountId";
/// How many attributes one request may filter by (API model).
const MOST_ATTRIBUTES: usize = 10;
/// How many filters an attribute may have (API model).
const MOST_VALUES: usize = 20;

/// The filters of a GetFindings request, by attribute; across attributes the API joins them by AND.
///
/// Only those on `AwsAccountId` are understood; the others are objects whose attribute the API has, carried through as they were
/// meant.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AsffFilters {
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

impl Filters for AsffFilters {
    const OWNER: &'static [&'static str] = &[OWNER];

    fn parse(body: &[u8]) -> Result<Query<Self>, InvalidBody> {
        body::parse(body, QueryReader)
    }

    /// The client's filters on `AwsAccountId` are not kept beside the account: they are evaluated on it, by the API's rules,
    /// and `AwsAccountId EQUALS account` takes their place.
    fn narrowed(mut self, account: AccountId) -> Result<Option<Self>, InvalidBody> {
        if self.others.len() >= MOST_ATTRIBUTES {
            return Err(InvalidBody {
                path: "Filters".to_owned(),
                problem: format!(
                    "{} attributes besides `{OWNER}`; the gate holds a member account to its own findings by `{OWNER}`, and the \
                     API takes {MOST_ATTRIBUTES} attributes in all: filter by at most {} others",
                    self.others.len(),
                    MOST_ATTRIBUTES - 1
                ),
            });
        }
        let only = OwnerFilter { value: account.to_string(), comparison: Comparison::Equals };
        let asked = self.owner.replace(vec![only]);
        let fits = asked.is_none_or(|asked| admit(&asked, account.as_str()));
        Ok(fits.then_some(self))
    }

    fn to_json(&self) -> Value {
        let mut all = self.others.clone();
        if let Some(owner) = &self.owner {
            let filter =
                |filter: &OwnerFilter| json!({"Value": filter.value, "Comparison": filter.comparison.as_str()});
            all.insert(OWNER.to_owned(), owner.iter().map(filter).collect());
        }
        all.into()
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

object! {
    QueryReader -> Query<AsffFilters>, "an object, with Filters, SortCriteria, NextToken or MaxResults perhaps", {
        filters: "Filters" = FiltersReader,
        sort: "SortCriteria" = SORT,
        next_token: "NextToken" = TokenReader,
        max_results: "MaxResults" = PAGE_SIZE,
    } => |filters, sort, next_token: Option<Option<String>>, max_results| {
        Ok(Query { filters, scopes: None, sort, max_results, next_token: next_token.flatten() })
    }
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

/// Reads `Filters`.
#[derive(Clone, Copy)]
struct FiltersReader;

impl<'de> DeserializeSeed<'de> for FiltersReader {
    type Value = AsffFilters;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<AsffFilters, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for FiltersReader {
    type Value = AsffFilters;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of filters by their attributes")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<AsffFilters, A::Error> {
        let mut filters = AsffFilters::default();
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
                let list = List { element: AnyObject, min: 1, max: MOST_VALUES, expected: "a list of 1 to 20 filters" };
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

#[cfg(test)]
#[path = "asff_filters_tests.rs"]
mod tests;

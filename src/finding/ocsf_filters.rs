//! The filters of GetFindingsV2.

use super::{
    AccountId, InvalidBody, Text, body,
    object::{List, Word, object, required},
    query::{AnyObject, Filters, PAGE_SIZE, Query, SORT, TEXT, TokenReader, words},
    vocabulary::vocabulary,
};
use serde::de;
use serde_json::{Map, Value, json};

/// The OCSF attribute that names the account that owns a finding.
const OWNER: &str = "cloud.account.uid";

/// How many composite filters a list may have (API model).
const MOST_COMPOSITES: usize = 10;

/// The filters of a GetFindingsV2 request: a list of composite filters, which hold direct ones and a second list of such.
///
/// Direct filters are a name and a filter that are carried through as they were meant.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OcsfFilters {
    composites: Option<Vec<Composite>>,
    operator: Option<Junction>,
}

/// A composite filter: at least one condition is there.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Composite {
    /// The lists of direct filters, by their member.
    direct: Map<String, Value>,
    nested: Vec<Composite>,
    operator: Option<Junction>,
}

vocabulary! {
    /// How conditions are joined.
    Junction {
        /// All must be met.
        And = "AND",
        /// One must be met.
        Or = "OR",
    }
}

impl Filters for OcsfFilters {
    const OWNER: &'static [&'static str] = &["cloud", "account", "uid"];

    fn parse(body: &[u8]) -> Result<Query<Self>, InvalidBody> {
        body::parse(body, QueryReader)
    }

    /// Each composite filter becomes one that also asks for the account, so it does not matter how they are joined: all of them
    /// or any, only this account's findings meet them.
    fn narrowed(self, account: AccountId) -> Result<Option<Self>, InvalidBody> {
        let asked = self.composites.unwrap_or_default().into_iter().enumerate();
        let mut composites: Vec<_> =
            asked.map(|(at, filter)| filter.narrowed(at, account)).collect::<Result<_, _>>()?;
        if composites.is_empty() {
            composites.push(Composite::of(account));
        }
        Ok(Some(Self { composites: Some(composites), ..self }))
    }

    fn to_json(&self) -> Value {
        let mut members = Map::new();
        if let Some(composites) = &self.composites {
            members.insert("CompositeFilters".to_owned(), composites.iter().map(Composite::to_json).collect());
        }
        if let Some(operator) = self.operator {
            members.insert("CompositeOperator".to_owned(), operator.as_str().into());
        }
        members.into()
    }
}

impl Composite {
    /// The findings of one account.
    fn of(account: AccountId) -> Self {
        let filter = json!([{"FieldName": OWNER, "Filter": {"Value": account.as_str(), "Comparison": "EQUALS"}}]);
        let direct = [("StringFilters".to_owned(), filter)].into_iter().collect();
        Self { direct, nested: Vec::new(), operator: Some(Junction::And) }
    }

    /// This and the account, in the three layers that the API has: the list, its composite filters, those nested in them.
    ///
    /// What asks for the account already stays as it is: a query stays the same from page to page.
    ///
    /// The account's filter never joins a list of the client's: the API joins filters on one attribute by OR.
    fn narrowed(mut self, at: usize, account: AccountId) -> Result<Self, InvalidBody> {
        let only = Self::of(account);
        let asks_for_it = self.direct == only.direct || self.nested.contains(&only);
        if self.operator == Some(Junction::And) && asks_for_it {
            return Ok(self);
        }
        if self.nested.is_empty() {
            return Ok(Self { nested: vec![self], ..only });
        }
        if self.operator != Some(Junction::And) {
            return Err(InvalidBody {
                path: format!("Filters.CompositeFilters[{at}].Operator"),
                problem: format!(
                    "the gate holds a member account to its own findings by a filter on `{OWNER}` within each composite filter, and \
                     the API nests no deeper; where there are NestedCompositeFilters, use AND, and give alternatives entries of \
                     their own in CompositeFilters, with OR as the CompositeOperator"
                ),
            });
        }
        if self.nested.len() >= MOST_COMPOSITES {
            return Err(InvalidBody {
                path: format!("Filters.CompositeFilters[{at}].NestedCompositeFilters"),
                problem: format!(
                    "{MOST_COMPOSITES} filters; the gate holds a member account to its own findings by one of them: use at most {}",
                    MOST_COMPOSITES - 1
                ),
            });
        }
        self.nested.push(only);
        Ok(self)
    }

    fn to_json(&self) -> Value {
        let mut members = self.direct.clone();
        if !self.nested.is_empty() {
            members.insert("NestedCompositeFilters".to_owned(), self.nested.iter().map(Self::to_json).collect());
        }
        if let Some(operator) = self.operator {
            members.insert("Operator".to_owned(), operator.as_str().into());
        }
        members.into()
    }
}

// ---- readers ----

object! {
    QueryReader -> Query<OcsfFilters>, "an object, with Filters, Scopes, SortCriteria, NextToken or MaxResults perhaps", {
        filters: "Filters" = FiltersReader,
        scopes: "Scopes" = AnyObject,
        sort: "SortCriteria" = SORT,
        next_token: "NextToken" = TokenReader,
        max_results: "MaxResults" = PAGE_SIZE,
    } => |filters, scopes, sort, next_token: Option<Option<String>>, max_results| {
        Ok(Query { filters, scopes, sort, max_results, next_token: next_token.flatten() })
    }
}

object! {
    FiltersReader -> OcsfFilters, "an object, with CompositeFilters and CompositeOperator perhaps", {
        composites: "CompositeFilters" = List {
            element: CompositeReader, min: 0, max: MOST_COMPOSITES, expected: "a list of at most 10 composite filters",
        },
        operator: "CompositeOperator" = JUNCTION,
    } => |composites, operator| Ok(OcsfFilters { composites, operator })
}

const JUNCTION: Word<Junction> = Word::new(Junction::parse, || words(Junction::ALL.iter().map(|word| word.as_str())));
/// The API model allows 20 of each kind.
const FILTERS: List<FilterReader> =
    List { element: FilterReader, min: 1, max: 20, expected: "a list of 1 to 20 filters" };

object! {
    CompositeReader -> Composite, "a composite filter: an object with at least one list of filters", {
        strings: "StringFilters" = FILTERS, dates: "DateFilters" = FILTERS, booleans: "BooleanFilters" = FILTERS,
        numbers: "NumberFilters" = FILTERS, maps: "MapFilters" = FILTERS, addresses: "IpFilters" = FILTERS,
        nested: "NestedCompositeFilters" = List {
            element: NestedReader, min: 1, max: MOST_COMPOSITES, expected: "a list of 1 to 10 composite filters",
        },
        operator: "Operator" = JUNCTION,
    } => |strings, dates, booleans, numbers, maps, addresses, nested: Option<Vec<Composite>>, operator| {
        composite([strings, dates, booleans, numbers, maps, addresses], nested.unwrap_or_default(), operator)
    }
}

object! {
    /// Reads a composite filter of the last layer.
    NestedReader -> Composite, "a composite filter without further nesting: an object with at least one list of filters", {
        strings: "StringFilters" = FILTERS, dates: "DateFilters" = FILTERS, booleans: "BooleanFilters" = FILTERS,
        numbers: "NumberFilters" = FILTERS, maps: "MapFilters" = FILTERS, addresses: "IpFilters" = FILTERS,
        operator: "Operator" = JUNCTION,
    } => |strings, dates, booleans, numbers, maps, addresses, operator| {
        composite([strings, dates, booleans, numbers, maps, addresses], Vec::new(), operator)
    }
}

object! {
    FilterReader -> Value, "an object with FieldName and Filter", {
        field: "FieldName" = TEXT,
        filter: "Filter" = AnyObject,
    } => |field: Option<Text<'_>>, filter: Option<Value>| {
        Ok(json!({"FieldName": required(field, "FieldName")?.as_str(), "Filter": required(filter, "Filter")?}))
    }
}

/// An empty one is refused: nothing says whether it matches everything or nothing.
fn composite<E: de::Error>(
    lists: [Option<Vec<Value>>; 6],
    nested: Vec<Composite>,
    operator: Option<Junction>,
) -> Result<Composite, E> {
    const NAMES: [&str; 6] =
        ["StringFilters", "DateFilters", "BooleanFilters", "NumberFilters", "MapFilters", "IpFilters"];
    let there = NAMES.into_iter().zip(lists).filter_map(|(name, list)| Some((name.to_owned(), Value::from(list?))));
    let direct: Map<_, _> = there.collect();
    if direct.is_empty() && nested.is_empty() {
        return Err(E::custom("a composite filter without filters, expected at least one"));
    }
    Ok(Composite { direct, nested, operator })
}

#[cfg(test)]
#[path = "ocsf_filters_tests.rs"]
mod tests;

//! GetFindings filters: read, checked, and made conditions in SQL.
//!
//! Rules: API model, documentation of StringFilter, MapFilter, DateFilter, NumberFilter and GetFindingsRequest.

use super::{
    attribute::{Attribute, Kind, Place},
    json::Object,
};
use crate::finding::timestamp;
use jiff::{SignedDuration, Timestamp};
use rusqlite::types::Value as Sql;
use serde::Deserialize;
use serde_json::Value;
use std::net::IpAddr;

/// How many attributes one request may filter by.
const MOST_ATTRIBUTES: usize = 10;
/// How many filters an attribute may have.
const MOST_VALUES: usize = 20;

/// A condition in SQL and what its `?` stand for. The finding's row is `f`.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Condition {
    pub(super) sql: String,
    pub(super) parameters: Vec<Sql>,
}

/// The condition that a finding meets all of these filters, or what is wrong with them. `now` is when the first page was
/// asked for: relative dates mean the same on every page.
pub(super) fn condition(filters: &Object, now: Timestamp) -> Result<Condition, String> {
    if filters.len() > MOST_ATTRIBUTES {
        return Err(format!("`Filters`: at most {MOST_ATTRIBUTES} attributes, got {}", filters.len()));
    }
    let mut whole = Condition { sql: "1".to_owned(), ..Condition::default() };
    for (name, list) in filters {
        let (number, attribute) = Attribute::named(name).ok_or_else(|| unknown(name))?;
        if attribute.place == Place::Unsupported {
            return Err(format!("`Filters.{name}`: this backend does not support the attribute; leave it out"));
        }
        let items = list.as_array().ok_or_else(|| format!("`Filters.{name}`: expected a list of filters"))?;
        if !(1..=MOST_VALUES).contains(&items.len()) {
            return Err(format!("`Filters.{name}`: expected 1 to {MOST_VALUES} filters, got {}", items.len()));
        }
        let builder = Builder { name, number, attribute, now };
        let part = builder.condition(items)?;
        whole.sql.push_str(" AND ");
        whole.sql.push_str(&part.sql);
        whole.parameters.extend(part.parameters);
    }
    Ok(whole)
}

fn unknown(name: &str) -> String {
    let closest = super::attribute::ATTRIBUTES
        .iter()
        .map(|attribute| (strsim::jaro_winkler(attribute.name, name), attribute.name))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let hint = closest.filter(|(likeness, _)| *likeness > 0.85).map(|(_, name)| format!("; did you mean `{name}`?"));
    format!("`Filters.{name}`: no such attribute{}", hint.unwrap_or_default())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct StringFilter {
    pub(super) value: String,
    pub(super) comparison: Comparison,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct MapFilter {
    pub(super) key: String,
    pub(super) value: String,
    pub(super) comparison: Comparison,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Comparison {
    Equals,
    Prefix,
    NotEquals,
    PrefixNotEquals,
    Contains,
    NotContains,
    ContainsWord,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct DateFilter {
    start: Option<String>,
    end: Option<String>,
    date_range: Option<DateRange>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct DateRange {
    value: u32,
    #[serde(rename = "Unit")]
    _unit: DateRangeUnit,
    comparison: Option<DateRangeComparison>,
}

#[derive(Deserialize)]
pub(super) enum DateRangeUnit {
    #[serde(rename = "DAYS")]
    Days,
}

#[derive(Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum DateRangeComparison {
    Within,
    OlderThan,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct NumberFilter {
    eq: Option<f64>,
    gte: Option<f64>,
    gt: Option<f64>,
    lte: Option<f64>,
    lt: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct IpFilter {
    cidr: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct FlagFilter {
    value: bool,
}

/// Builds the condition of one attribute.
struct Builder<'a> {
    name: &'a str,
    number: usize,
    attribute: &'static Attribute,
    now: Timestamp,
}

impl Builder<'_> {
    fn condition(&self, items: &[Value]) -> Result<Condition, String> {
        match self.attribute.kind {
            Kind::Text => self.text(items),
            Kind::Map => self.map(items),
            Kind::Date => {
                self.any(items, |filter, index| date(&filter, self.now).map_err(|what| self.error(index, &what)))
            }
            Kind::Number => self.any(items, |filter, index| number(&filter).map_err(|what| self.error(index, &what))),
            Kind::IpV4 | Kind::IpV6 => self.any(items, |filter, index| self.address(&filter, index)),
            Kind::Flag => self.any(items, |filter: FlagFilter, _| Ok(test("$ = ?", [i64::from(filter.value).into()]))),
        }
    }

    fn text(&self, items: &[Value]) -> Result<Condition, String> {
        let mut all = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let filter: StringFilter = self.read(item, index)?;
            self.not_blank(&filter.value, "Value", index)?;
            let found = match filter.comparison {
                Comparison::Equals | Comparison::NotEquals => test("$ = ?", [filter.value.into()]),
                _ => prefix(&filter.value),
            };
            all.push((filter.comparison, found));
        }
        self.combine(all)
    }

    fn map(&self, items: &[Value]) -> Result<Condition, String> {
        let mut all = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let filter: MapFilter = self.read(item, index)?;
            self.not_blank(&filter.key, "Key", index)?;
            self.not_blank(&filter.value, "Value", index)?;
            if !matches!(filter.comparison, Comparison::Equals | Comparison::NotEquals) {
                return Err(self.error(index, "`Comparison`: a map takes EQUALS and NOT_EQUALS here"));
            }
            let found = test("(t.key = ? AND $ = ?)", [filter.key.into(), filter.value.into()]);
            all.push((filter.comparison, found));
        }
        self.combine(all)
    }

    /// Positive comparisons are joined by OR, negative ones by AND; the mixes that the API refuses are refused.
    fn combine(&self, all: Vec<(Comparison, Condition)>) -> Result<Condition, String> {
        use Comparison::{Contains, ContainsWord, Equals, NotContains, NotEquals, Prefix, PrefixNotEquals};
        let has = |wanted: &[Comparison]| all.iter().any(|(comparison, _)| wanted.contains(comparison));
        if has(&[Contains, NotContains, ContainsWord]) {
            return Err(format!(
                "`Filters.{}`: CONTAINS, NOT_CONTAINS and CONTAINS_WORD are not for GetFindings; use EQUALS, PREFIX, \
                 NOT_EQUALS or PREFIX_NOT_EQUALS",
                self.name
            ));
        }
        if has(&[Equals]) && has(&[NotEquals, PrefixNotEquals]) {
            return Err(format!(
                "`Filters.{}`: EQUALS cannot be combined with NOT_EQUALS or PREFIX_NOT_EQUALS on one attribute",
                self.name
            ));
        }
        let (positive, negative): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|(comparison, _)| matches!(comparison, Equals | Prefix));
        let join = |conditions: Vec<(Comparison, Condition)>| any_of(conditions.into_iter().map(|(_, found)| found));
        let mut whole = Condition { sql: "(1".to_owned(), ..Condition::default() };
        for (found, introduction) in [(positive, " AND "), (negative, " AND NOT ")] {
            if !found.is_empty() {
                let found = self.of_finding(join(found));
                whole.sql.push_str(introduction);
                whole.sql.push_str(&found.sql);
                whole.parameters.extend(found.parameters);
            }
        }
        whole.sql.push(')');
        Ok(whole)
    }

    /// Filters of which any one may match.
    fn any<F: for<'de> Deserialize<'de>>(
        &self,
        items: &[Value],
        make: impl Fn(F, usize) -> Result<Condition, String>,
    ) -> Result<Condition, String> {
        let conditions: Result<Vec<_>, _> =
            items.iter().enumerate().map(|(index, item)| make(self.read(item, index)?, index)).collect();
        Ok(self.of_finding(any_of(conditions?)))
    }

    fn address(&self, filter: &IpFilter, index: usize) -> Result<Condition, String> {
        let kind = self.attribute.kind;
        let (low, high) = network(&filter.cidr)
            .and_then(|(low, high)| Some((kind.address(low)?, kind.address(high)?)))
            .ok_or_else(|| {
                let example = if kind == Kind::IpV4 { "10.0.0.0/8" } else { "2001:db8::/32" };
                self.error(index, &format!("`Cidr`: expected an address or a network such as `{example}`"))
            })?;
        Ok(test("$ BETWEEN ? AND ?", [low, high]))
    }

    /// A condition on one value (`$`) as a condition on the finding: one of its values meets it.
    fn of_finding(&self, value: Condition) -> Condition {
        let sql = match self.attribute.place {
            Place::Column(column) => value.sql.replace('$', &format!("f.{column}")),
            Place::Terms | Place::Unsupported => format!(
                "EXISTS (SELECT 1 FROM term t WHERE t.finding = f.seq AND t.attribute = {}{} AND {})",
                self.number,
                if self.attribute.kind == Kind::Map { "" } else { " AND t.key = ''" },
                value.sql.replace('$', "t.value"),
            ),
        };
        // NULL, where a number is lacking, is no match and not an unknown one.
        let sql = if self.attribute.kind == Kind::Number { format!("ifnull({sql}, 0)") } else { sql };
        Condition { sql, parameters: value.parameters }
    }

    fn read<T: for<'de> Deserialize<'de>>(&self, item: &Value, index: usize) -> Result<T, String> {
        serde_path_to_error::deserialize(item).map_err(|error| {
            let path = error.path().to_string();
            let place = if path == "." { String::new() } else { format!("`{path}`: ") };
            self.error(index, &format!("{place}{}", error.inner()))
        })
    }

    fn not_blank(&self, text: &str, member: &str, index: usize) -> Result<(), String> {
        if text.trim().is_empty() { Err(self.error(index, &format!("`{member}`: must not be blank"))) } else { Ok(()) }
    }

    fn error(&self, index: usize, what: &str) -> String {
        format!("`Filters.{}[{index}]`: {what}", self.name)
    }
}

/// The condition of a date filter on one value (`$`), or what is wrong with it.
pub(super) fn date(filter: &DateFilter, now: Timestamp) -> Result<Condition, String> {
    let instant = |member: &str, text: &str| {
        timestamp::parse(text)
            .map(|instant| Sql::Text(timestamp::sortable(instant)))
            .ok_or_else(|| format!("`{member}`: `{text}` is no timestamp such as `2024-01-31T12:00:00Z`"))
    };
    match (&filter.start, &filter.end, &filter.date_range) {
        (Some(start), Some(end), None) => {
            Ok(test("$ BETWEEN ? AND ?", [instant("Start", start)?, instant("End", end)?]))
        }
        (None, None, Some(range)) => {
            let days = SignedDuration::from_hours(24 * i64::from(range.value));
            // Further back than time goes is as far back as it goes.
            let since = now.checked_sub(days).unwrap_or(Timestamp::MIN);
            let [since, now] = [since, now].map(|instant| Sql::Text(timestamp::sortable(instant)));
            Ok(match range.comparison {
                None | Some(DateRangeComparison::Within) => test("$ BETWEEN ? AND ?", [since, now]),
                Some(DateRangeComparison::OlderThan) => test("($ > '' AND $ < ?)", [since]),
            })
        }
        _ => Err("expected `Start` and `End`, or `DateRange` alone".to_owned()),
    }
}

/// The condition of a number filter on one value (`$`), or what is wrong with it.
pub(super) fn number(filter: &NumberFilter) -> Result<Condition, String> {
    let NumberFilter { eq, gte, gt, lte, lt } = *filter;
    let ranged = [gte, gt, lte, lt].iter().any(Option::is_some);
    if eq.is_some() == ranged || (gte.is_some() && gt.is_some()) || (lte.is_some() && lt.is_some()) {
        return Err("expected `Eq` alone, or at most one of `Gte`, `Gt` and one of `Lte`, `Lt`".to_owned());
    }
    let mut parts = Vec::new();
    let mut parameters = Vec::new();
    for (bound, part) in [(eq, "$ = ?"), (gte, "$ >= ?"), (gt, "$ > ?"), (lte, "$ <= ?"), (lt, "$ < ?")] {
        if let Some(bound) = bound {
            parts.push(part);
            parameters.push(Sql::Real(bound));
        }
    }
    Ok(Condition { sql: format!("({})", parts.join(" AND ")), parameters })
}

pub(super) fn test<const N: usize>(sql: &str, parameters: [Sql; N]) -> Condition {
    Condition { sql: sql.to_owned(), parameters: parameters.into() }
}

fn any_of(conditions: impl IntoIterator<Item = Condition>) -> Condition {
    let mut whole = Condition::default();
    for condition in conditions {
        whole.sql.push_str(if whole.sql.is_empty() { "(" } else { " OR " });
        whole.sql.push_str(&condition.sql);
        whole.parameters.extend(condition.parameters);
    }
    whole.sql.push(')');
    whole
}

/// A prefix as a range, which an index serves: from the prefix to the first text that no longer starts with it.
pub(super) fn prefix(prefix: &str) -> Condition {
    let mut end: Vec<char> = prefix.chars().collect();
    while let Some(last) = end.pop() {
        // The next scalar value, past the surrogates; nothing comes after the last one, so the one before it counts.
        let next = ((last as u32 + 1)..=(char::MAX as u32)).find_map(char::from_u32);
        if let Some(next) = next {
            end.push(next);
            return test("($ >= ? AND $ < ?)", [prefix.to_owned().into(), end.into_iter().collect::<String>().into()]);
        }
    }
    test("$ >= ?", [prefix.to_owned().into()])
}

/// The first and the last address of a network; of a bare address, that address twice.
fn network(cidr: &str) -> Option<(IpAddr, IpAddr)> {
    let (address, length) = match cidr.split_once('/') {
        Some((address, length)) => (address.parse().ok()?, Some(length)),
        None => (cidr.parse().ok()?, None),
    };
    let bits = if matches!(address, IpAddr::V4(_)) { 32u32 } else { 128 };
    let length = match length {
        Some(length) if length.bytes().all(|byte| byte.is_ascii_digit()) => length.parse().ok()?,
        Some(_) => return None,
        None => bits,
    };
    let host = bits.checked_sub(length)?;
    Some(match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(host).unwrap_or(0);
            let low = address.to_bits() & mask;
            (IpAddr::V4(low.into()), IpAddr::V4((low | !mask).into()))
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(host).unwrap_or(0);
            let low = address.to_bits() & mask;
            (IpAddr::V6(low.into()), IpAddr::V6((low | !mask).into()))
        }
    })
}

#[cfg(test)]
#[path = "filter_tests.rs"]
mod tests;

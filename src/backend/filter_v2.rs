//! GetFindingsV2 filters: read, checked, and made conditions in SQL.
//!
//! Rules: API model, documentation of OcsfFindingFilters, CompositeFilter and StringFilter.

use super::{
    filter::{
        Comparison, Condition, DateFilter, FlagFilter, IpFilter, MapFilter, NumberFilter, StringFilter, date, number,
        prefix, test,
    },
    json::Object,
    ocsf_field::{Field, Kind, Place},
};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

/// How many composite filters a list may have.
const MOST_COMPOSITES: usize = 10;
/// How many filters of each type a composite filter may have.
const MOST_OF_A_TYPE: usize = 20;
/// How many filters a request may have in all. SQLite bounds the depth of an expression.
const MOST_IN_ALL: usize = 200;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Filters {
    composite_filters: Option<Vec<Composite>>,
    composite_operator: Option<Operator>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Composite {
    string_filters: Option<Vec<Of<StringFilter>>>,
    date_filters: Option<Vec<Of<DateFilter>>>,
    boolean_filters: Option<Vec<Of<FlagFilter>>>,
    number_filters: Option<Vec<Of<NumberFilter>>>,
    map_filters: Option<Vec<Of<MapFilter>>>,
    ip_filters: Option<Vec<Of<IpFilter>>>,
    nested_composite_filters: Option<Vec<Composite>>,
    operator: Option<Operator>,
}

/// A filter and its field.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Of<F> {
    field_name: String,
    filter: F,
}

#[derive(Deserialize, Clone, Copy, Default)]
#[serde(rename_all = "UPPERCASE")]
enum Operator {
    #[default]
    And,
    Or,
}

/// The condition that a finding meets these filters, or what is wrong with them. `now` is when the first page was asked for.
pub(super) fn condition(filters: &Object, now: Timestamp) -> Result<Condition, String> {
    let filters: Filters = serde_path_to_error::deserialize(Value::Object(filters.clone())).map_err(|error| {
        let path = error.path().to_string();
        let path = if path == "." { String::new() } else { format!(".{path}") };
        format!("`Filters{path}`: {}", error.inner())
    })?;
    let mut builder = Builder { now, left: MOST_IN_ALL };
    let composites = filters.composite_filters.unwrap_or_default();
    if composites.is_empty() {
        return Ok(test("1", []));
    }
    let parts = builder.composites(composites, "Filters.CompositeFilters", false)?;
    Ok(joined(parts, filters.composite_operator))
}

struct Builder {
    now: Timestamp,
    /// How many filters there may still be.
    left: usize,
}

impl Builder {
    fn composites(&mut self, list: Vec<Composite>, path: &str, nested: bool) -> Result<Vec<Condition>, String> {
        if list.len() > MOST_COMPOSITES {
            return Err(format!("`{path}`: at most {MOST_COMPOSITES} composite filters, got {}", list.len()));
        }
        list.into_iter()
            .enumerate()
            .map(|(index, composite)| self.composite(composite, &format!("{path}[{index}]"), nested))
            .collect()
    }

    fn composite(&mut self, composite: Composite, path: &str, nested: bool) -> Result<Condition, String> {
        let Composite {
            string_filters,
            date_filters,
            boolean_filters,
            number_filters,
            map_filters,
            ip_filters,
            nested_composite_filters,
            operator,
        } = composite;
        let now = self.now;
        let mut parts = Vec::new();
        self.each(string_filters, Kind::Text, path, "StringFilters", &mut parts, |filter| text(&filter))?;
        self.each(date_filters, Kind::Date, path, "DateFilters", &mut parts, |filter| {
            Ok((true, date(&filter, now).map_err(|what| format!("`Filter`: {what}"))?))
        })?;
        self.each(number_filters, Kind::Number, path, "NumberFilters", &mut parts, |filter| {
            Ok((true, number(&filter).map_err(|what| format!("`Filter`: {what}"))?))
        })?;
        self.each(map_filters, Kind::Map, path, "MapFilters", &mut parts, |filter| map(&filter))?;
        // No field of these kinds is kept here, so each of them is refused by its name.
        let refused = || Err("this backend does not support such filters; leave it out".to_owned());
        self.each(boolean_filters, Kind::Flag, path, "BooleanFilters", &mut parts, |_| refused())?;
        self.each(ip_filters, Kind::Address, path, "IpFilters", &mut parts, |_| refused())?;
        if let Some(list) = nested_composite_filters {
            let path = format!("{path}.NestedCompositeFilters");
            if nested {
                return Err(format!("`{path}`: nested too deep; composite filters may be nested once"));
            }
            parts.extend(self.composites(list, &path, true)?);
        }
        if parts.is_empty() {
            return Err(format!("`{path}`: expected at least one filter"));
        }
        Ok(joined(parts, operator))
    }

    /// Adds the conditions of one type of filters. `make` gives the condition on one value, and whether it is to be met by one
    /// of the field's values or by none.
    fn each<F>(
        &mut self,
        list: Option<Vec<Of<F>>>,
        kind: Kind,
        path: &str,
        name: &str,
        parts: &mut Vec<Condition>,
        make: impl Fn(F) -> Result<(bool, Condition), String>,
    ) -> Result<(), String> {
        let list = list.unwrap_or_default();
        if list.len() > MOST_OF_A_TYPE {
            return Err(format!("`{path}.{name}`: at most {MOST_OF_A_TYPE} filters, got {}", list.len()));
        }
        self.left = self
            .left
            .checked_sub(list.len())
            .ok_or_else(|| format!("`{path}.{name}`: more than {MOST_IN_ALL} filters in one request"))?;
        for (index, Of { field_name, filter }) in list.into_iter().enumerate() {
            let path = format!("{path}.{name}[{index}]");
            let place = place(&field_name, kind).map_err(|what| format!("`{path}.FieldName`: {what}"))?;
            let (wanted, condition) = make(filter).map_err(|what| format!("`{path}`: {what}"))?;
            parts.push(of_finding(condition, &place, kind, wanted));
        }
        Ok(())
    }
}

fn place(name: &str, kind: Kind) -> Result<Place, String> {
    match Field::named(name, kind).map(Field::place) {
        Some(Some(place)) => Ok(place),
        Some(None) => Err(format!("this backend does not support `{name}`; leave it out")),
        None => {
            let shown: String = name.escape_debug().take(64).collect();
            let names: Vec<_> = Field::names(kind).collect();
            let expected =
                if names.is_empty() { String::new() } else { format!(", expected one of {}", names.join(", ")) };
            Err(format!("`{shown}` is no field that such a filter can have{expected}"))
        }
    }
}

fn text(filter: &StringFilter) -> Result<(bool, Condition), String> {
    not_blank(&filter.value, "Value")?;
    let value = || filter.value.clone().into();
    Ok(match filter.comparison {
        Comparison::Equals => (true, test("$ = ?", [value()])),
        Comparison::NotEquals => (false, test("$ = ?", [value()])),
        Comparison::Prefix => (true, prefix(&filter.value)),
        Comparison::PrefixNotEquals => (false, prefix(&filter.value)),
        Comparison::ContainsWord => (true, test("contains_word($, ?)", [value()])),
        Comparison::Contains | Comparison::NotContains => {
            return Err(
                "`Filter.Comparison`: CONTAINS and NOT_CONTAINS are not for GetFindingsV2; use EQUALS, PREFIX, \
                        NOT_EQUALS, PREFIX_NOT_EQUALS or CONTAINS_WORD"
                    .to_owned(),
            );
        }
    })
}

fn map(filter: &MapFilter) -> Result<(bool, Condition), String> {
    not_blank(&filter.key, "Key")?;
    not_blank(&filter.value, "Value")?;
    let condition = test("(t.key = ? AND $ = ?)", [filter.key.clone().into(), filter.value.clone().into()]);
    match filter.comparison {
        Comparison::Equals => Ok((true, condition)),
        Comparison::NotEquals => Ok((false, condition)),
        _ => Err("`Filter.Comparison`: a map takes EQUALS and NOT_EQUALS here".to_owned()),
    }
}

fn not_blank(text: &str, member: &str) -> Result<(), String> {
    if text.trim().is_empty() { Err(format!("`Filter.{member}`: must not be blank")) } else { Ok(()) }
}

/// A condition on one value (`$`) as a condition on the finding: one of its values meets it, or none does.
fn of_finding(value: Condition, place: &Place, kind: Kind, wanted: bool) -> Condition {
    let sql = match place {
        Place::Row(expression) => value.sql.replace('$', expression),
        Place::Terms(attribute, expression) => format!(
            "EXISTS (SELECT 1 FROM term t WHERE t.finding = f.seq AND t.attribute = {attribute}{} AND {})",
            if kind == Kind::Map { "" } else { " AND t.key = ''" },
            value.sql.replace('$', expression),
        ),
    };
    // NULL, where a number is lacking, is no match and not an unknown one.
    let sql = if kind == Kind::Number { format!("ifnull({sql}, 0)") } else { sql };
    let sql = if wanted { sql } else { format!("NOT ({sql})") };
    Condition { sql, parameters: value.parameters }
}

fn joined(parts: Vec<Condition>, operator: Option<Operator>) -> Condition {
    let operator = match operator.unwrap_or_default() {
        Operator::And => " AND ",
        Operator::Or => " OR ",
    };
    let mut whole = Condition::default();
    for part in parts {
        whole.sql.push_str(if whole.sql.is_empty() { "(" } else { operator });
        whole.sql.push_str(&part.sql);
        whole.parameters.extend(part.parameters);
    }
    whole.sql.push(')');
    whole
}

/// Whether `text` has `word` in it, in any case, with no letter or digit right before or after. This is SQL's `contains_word`.
pub(super) fn contains_word(text: &str, word: &str) -> bool {
    let (text, word) = (text.to_lowercase(), word.to_lowercase());
    let joins = |next: Option<char>| next.is_some_and(char::is_alphanumeric);
    text.match_indices(&word)
        .any(|(at, found)| !joins(text[..at].chars().next_back()) && !joins(text[at + found.len()..].chars().next()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_whole_and_in_any_case() {
        for (text, word, found) in [
            ("GuardDuty Lambda Protection", "lambda", true),
            ("GuardDuty LambdaX Protection", "lambda", false),
            ("my-lambda.", "LAMBDA", true),
            ("lambda", "lambda", true),
            ("xlambda lambda", "lambda", true),
            ("xlambda", "lambda", false),
            ("lambda2", "lambda", false),
            ("Ärger über ÄRGER", "ärger", true),
            ("a b c", "b c", true),
            ("a b cd", "b c", false),
            ("", "a", false),
        ] {
            assert_eq!(contains_word(text, word), found, "{text:?} {word:?}");
        }
    }
}

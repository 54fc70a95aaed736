//! `[[identity.rule]]`: from what a proof says to an account and a principal.

use super::Reading;
use crate::{
    config::{
        issued::AN_ENFORCEMENT,
        problem::{Problem, Problems, did_you_mean},
        value::{Entry, Kind, Table, Value},
    },
    finding::{AccountId, Enforcement},
    identity::{InvalidPattern, MappingRule, Pattern, Template},
};
use std::{collections::BTreeSet, str::FromStr, sync::Arc};

/// The most rules of one identity.
const MOST_RULES: usize = 1000;

/// Reads the rules of an identity, of which there must be one. `attributes` are those that `when` may name; any if there are none.
pub(super) fn read(reading: &mut Reading<'_>, index: usize, attributes: &[&str]) -> Option<Vec<MappingRule>> {
    let path = format!("identity.{index}.rule");
    reading.settings.missing_if_absent(&path);
    let value = reading.settings.value(&path)?;
    let items = reading.settings.list(&path, &value)?;
    let problems = &mut reading.settings.problems;
    if items.is_empty() || items.len() > MOST_RULES {
        let message = format!("`{path}` has {} rules: expected 1 to {MOST_RULES}", items.len());
        problems.add(Problem::new(value.origin, message));
        return None;
    }
    let rules = items.into_iter().enumerate();
    rules
        .map(|(number, item)| rule(format!("{path}.{number}"), item, attributes, problems))
        .collect::<Vec<_>>()
        .into_iter()
        .collect()
}

fn rule(name: String, item: Value, attributes: &[&str], problems: &mut Problems) -> Option<MappingRule> {
    const WHEN: &str = "a table of attributes and the patterns that they must match";
    let mut table = Table::of(name, item, problems)?;
    let when = table.require("when", WHEN, problems);
    let when = when.and_then(|value| self::when(&table.path("when"), &value, attributes, problems));
    let required = |table: &mut Table, key: &str, expected: &str, problems: &mut Problems| {
        let value = table.require(key, expected, problems)?;
        Some((value.clone(), parsed::<Template>(&table.path(key), &value, problems)?))
    };
    let account = required(&mut table, "account", "an account id, or `{…}` for one that `when` captures", problems);
    let principal =
        required(&mut table, "principal", "a name or an ARN, in which `{…}` stands for what `when` captures", problems);
    let groups = groups(&mut table, problems);
    let enforcement = table.take("minimum_enforcement").map(|value| {
        let parsed = value.text().and_then(Enforcement::parse);
        if parsed.is_none() {
            problems.add(value.misspelt(&table.path("minimum_enforcement"), AN_ENFORCEMENT));
        }
        parsed
    });
    let (account_key, principal_key, groups_key) =
        (table.path("account"), table.path("principal"), table.path("groups"));
    table.finish(&["when", "account", "principal", "groups", "minimum_enforcement"], problems);
    let (when, (account_at, account), (principal_at, principal), groups) = (when?, account?, principal?, groups?);

    let captured: BTreeSet<&Arc<str>> = when.iter().flat_map(|(_, pattern)| pattern.names()).collect();
    let mut whole = true;
    let mut check = |key: &str, value: &Value, template: &Template| {
        for name in template.names().filter(|name| !captured.contains(name)) {
            let message = format!("`{key}` has `{{{name}}}`, which no pattern of `when` captures");
            let meant = did_you_mean(name, captured.iter().map(|name| &***name)).map(|name| format!("{{{name}}}"));
            problems.add(Problem::new(value.origin.clone(), message).meant(meant));
            whole = false;
        }
    };
    check(&account_key, &account_at, &account);
    check(&principal_key, &principal_at, &principal);
    for (value, group) in &groups {
        check(&groups_key, value, group);
    }
    if account.names().next().is_none() && account_at.text().and_then(AccountId::parse).is_none() {
        problems.add(
            account_at.misspelt(&account_key, "an account id of twelve digits, or `{…}` for one that `when` captures"),
        );
        whole = false;
    }
    let enforcement = enforcement.unwrap_or(Some(Enforcement::Strip))?;
    whole.then(|| MappingRule {
        when,
        account,
        principal,
        groups: groups.into_iter().map(|(_, group)| group).collect(),
        minimum_enforcement: enforcement,
    })
}

/// Attributes and their patterns: a table.
pub(super) fn when(
    key: &str,
    value: &Value,
    attributes: &[&str],
    problems: &mut Problems,
) -> Option<Vec<(String, Pattern)>> {
    let Kind::Table(entries) = &value.kind else {
        problems.add(value.mistyped(key, "a table, such as `{ uri = \"spiffe://example.org/{account}/{name}\" }`"));
        return None;
    };
    if entries.is_empty() {
        let message =
            format!("`{key}` is empty, so that the rule would match whatever comes: expected at least one attribute");
        problems.add(Problem::new(value.origin.clone(), message));
        return None;
    }
    let mut patterns = Vec::with_capacity(entries.len());
    let mut whole = true;
    for Entry { key: attribute, origin, value } in entries {
        if !attributes.is_empty() && !attributes.contains(&attribute.as_str()) {
            let message = format!("`{key}.{attribute}` is no attribute of this proof");
            let known = format!("known here: {}", attributes.join(", "));
            let meant = did_you_mean(attribute, attributes.iter().copied());
            problems.add(Problem::new(origin.clone(), message).help(known).meant(meant));
            whole = false;
            continue;
        }
        match parsed::<Pattern>(&format!("{key}.{attribute}"), value, problems) {
            Some(pattern) => patterns.push((attribute.clone(), pattern)),
            None => whole = false,
        }
    }
    whole.then_some(patterns)
}

fn parsed<T: FromStr<Err = InvalidPattern>>(key: &str, value: &Value, problems: &mut Problems) -> Option<T> {
    let Some(text) = value.text() else {
        problems.add(value.mistyped(key, "a string"));
        return None;
    };
    match text.parse() {
        Ok(parsed) => Some(parsed),
        Err(expected) => {
            problems.add(value.misspelt(key, &expected.to_string()));
            None
        }
    }
}

fn groups(table: &mut Table, problems: &mut Problems) -> Option<Vec<(Value, Template)>> {
    let Some(value) = table.take("groups") else { return Some(Vec::new()) };
    let key = table.path("groups");
    let Kind::List(items) = value.kind else {
        problems.add(value.mistyped(&key, "a list of names, such as [\"team/{team}\"]"));
        return None;
    };
    items.into_iter().map(|item| parsed(&key, &item, problems).map(|group| (item, group))).collect()
}

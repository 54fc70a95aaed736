//! Values that know where they come from.
//!
//! The file is not read into structs by serde: serde stops at the first thing that is wrong, and a value that came from
//! the environment has lost that by the time it is checked. Here every value keeps its origin until it is checked, so
//! that all problems are told at once, each with its place.

use super::problem::{Origin, Problem, Problems, Source, did_you_mean, shown};
use std::{ops::Range, sync::Arc};
use toml::de::{DeTable, DeValue};

/// A value of the configuration.
#[derive(Debug, Clone)]
pub(super) struct Value {
    pub kind: Kind,
    pub origin: Origin,
}

/// What the value is. TOML's other kinds are known by name only: no key takes one.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    Text(String),
    Integer(i64),
    List(Vec<Value>),
    Table(Vec<Entry>),
    Other(&'static str),
}

/// A key and its value in a table.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub key: String,
    pub origin: Origin,
    pub value: Value,
}

impl Value {
    /// What it is, for a message that says what was expected instead. Its text is not in it.
    pub(super) fn noun(&self) -> &'static str {
        match self.kind {
            Kind::Text(_) => "a string",
            Kind::Integer(_) => "an integer",
            Kind::List(_) => "a list",
            Kind::Table(_) => "a table",
            Kind::Other(noun) => noun,
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        if let Kind::Text(text) = &self.kind { Some(text) } else { None }
    }

    /// That `key` holds a value of the wrong kind.
    pub(super) fn mistyped(&self, key: &str, expected: &str) -> Problem {
        Problem::new(self.origin.clone(), format!("`{key}` is {}: expected {expected}", self.noun()))
    }

    /// That `key` holds something of the right kind that does not say what it should. The value is quoted, except from
    /// a file of secrets: a secret that landed under the wrong key is a secret still.
    pub(super) fn misspelt(&self, key: &str, expected: &str) -> Problem {
        let confidential = self.origin.is_confidential();
        let is = match &self.kind {
            Kind::Text(text) if text.is_empty() => "empty".to_owned(),
            Kind::Text(_) | Kind::Integer(_) if confidential => "something else".to_owned(),
            Kind::Text(text) => format!("\"{}\"", shown(text)),
            Kind::Integer(number) => number.to_string(),
            _ => return self.mistyped(key, expected),
        };
        Problem::new(self.origin.clone(), format!("`{key}` is {is}: expected {expected}"))
    }
}

/// Reads a TOML document. Of a document that is not TOML, only what is wrong is told.
pub(super) fn parse(source: &Arc<Source>, text: &str, problems: &mut Problems) -> Option<Vec<Entry>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let span = error.span().unwrap_or(0..0);
        // The parser's messages are made of fixed texts: nothing of the document is in them.
        let message = format!("not valid TOML: {}", error.message());
        problems.add(Problem::new(Origin::File(Arc::clone(source), within(span, text)), message));
    }
    errors.is_empty().then(|| entries(table.into_inner(), &|span| Origin::File(Arc::clone(source), span)))
}

/// A value given outside of any file, as a TOML list: `["a", "b"]`.
pub(super) fn parse_list(text: &str, origin: &Origin) -> Option<Vec<Value>> {
    let items = parse_items(text, origin)?;
    items.iter().all(|item| item.text().is_some()).then_some(items)
}

/// A value given outside of any file, as a TOML list of tables: `[{a = "b"}]`.
pub(super) fn parse_tables(text: &str, origin: &Origin) -> Option<Vec<Value>> {
    let items = parse_items(text, origin)?;
    items.iter().all(|item| matches!(item.kind, Kind::Table(_))).then_some(items)
}

/// A value given outside of any file, as a TOML table: `{a = "b"}`.
pub(super) fn parse_table(text: &str, origin: &Origin) -> Option<Kind> {
    match &mut parse_tables(&format!("[{text}]"), origin)?[..] {
        [table] => Some(table.kind.clone()),
        _ => None,
    }
}

fn parse_items(text: &str, origin: &Origin) -> Option<Vec<Value>> {
    let document = format!("list = {text}");
    let mut table = DeTable::parse(&document).ok()?.into_inner().into_iter();
    let (_, value) = table.next()?;
    let value = owned(value.span(), value.into_inner(), &|_| origin.clone());
    if let (Kind::List(items), None) = (value.kind, table.next()) { Some(items) } else { None }
}

/// The parser may point behind the end, where miette would find nothing to show.
fn within(span: Range<usize>, text: &str) -> Range<usize> {
    span.start.min(text.len())..span.end.min(text.len())
}

fn entries(table: DeTable<'_>, origin: &dyn Fn(Range<usize>) -> Origin) -> Vec<Entry> {
    table
        .into_iter()
        .map(|(key, value)| Entry {
            origin: origin(key.span()),
            value: owned(value.span(), value.into_inner(), origin),
            key: key.into_inner().into_owned(),
        })
        .collect()
}

/// The value without its document. `origin` tells where a part of the document comes from.
fn owned(span: Range<usize>, value: DeValue<'_>, origin: &dyn Fn(Range<usize>) -> Origin) -> Value {
    let kind = match value {
        DeValue::String(text) => Kind::Text(text.into_owned()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or(Kind::Other("an integer that is too large"), Kind::Integer),
        DeValue::Float(_) => Kind::Other("a number with a fraction"),
        DeValue::Boolean(_) => Kind::Other("a boolean"),
        DeValue::Datetime(_) => Kind::Other("a date or time"),
        DeValue::Array(items) => {
            Kind::List(items.into_iter().map(|item| owned(item.span(), item.into_inner(), origin)).collect())
        }
        DeValue::Table(table) => Kind::Table(entries(table, origin)),
    };
    Value { kind, origin: origin(span) }
}

/// A table of a file that is read key by key; what is left at the end is unknown.
#[derive(Debug)]
pub(super) struct Table {
    /// Its name in messages, such as `key.3`; empty for the document itself.
    name: String,
    entries: Vec<Entry>,
    origin: Origin,
}

impl Table {
    pub(super) fn new(name: impl Into<String>, entries: Vec<Entry>, origin: Origin) -> Self {
        Self { name: name.into(), entries, origin }
    }

    /// The table that an item of a list must be.
    pub(super) fn of(name: String, value: Value, problems: &mut Problems) -> Option<Self> {
        if let Kind::Table(entries) = value.kind {
            return Some(Self { name, entries, origin: value.origin });
        }
        problems.add(value.mistyped(&name, "a table"));
        None
    }

    /// The key's name in messages.
    pub(super) fn path(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }

    pub(super) fn origin(&self) -> &Origin {
        &self.origin
    }

    pub(super) fn take(&mut self, key: &str) -> Option<Value> {
        let index = self.entries.iter().position(|entry| entry.key == key)?;
        Some(self.entries.swap_remove(index).value)
    }

    /// A key that must be there.
    pub(super) fn require(&mut self, key: &str, expected: &str, problems: &mut Problems) -> Option<Value> {
        let value = self.take(key);
        if value.is_none() {
            let message = format!("`{}` is missing: expected {expected}", self.path(key));
            problems.add(Problem::new(self.origin.clone(), message));
        }
        value
    }

    /// The items of a list of tables, such as `[[member]]`; none where the key is absent.
    pub(super) fn take_list(&mut self, key: &str, problems: &mut Problems) -> Vec<Value> {
        match self.take(key) {
            None => Vec::new(),
            Some(Value { kind: Kind::List(items), .. }) => items,
            Some(value) => {
                problems.add(value.mistyped(&self.path(key), &format!("one or more `[[{key}]]` tables")));
                Vec::new()
            }
        }
    }

    /// Whatever was not taken is unknown. `known` are the keys that might have been meant.
    pub(super) fn finish(self, known: &[&str], problems: &mut Problems) {
        for entry in &self.entries {
            let meant = did_you_mean(&entry.key, known.iter().copied());
            let message = format!("`{}` is no key of this file", shown(&self.path(&entry.key)));
            problems.add(
                Problem::new(entry.origin.clone(), message)
                    .help(format!("known here: {}", known.join(", ")))
                    .meant(meant),
            );
        }
    }
}

//! Readers of one setting each.

use super::{
    Certificates,
    load::Settings,
    problem::{Origin, Problem},
    read,
    settings::{SETTINGS, Setting},
    unit,
    value::{Kind, Value},
};
use std::{ops::RangeInclusive, path::PathBuf, time::Duration};

/// Readers of one key each: nothing means that the problem is noted, or that an optional key is absent.
impl Settings {
    pub(super) fn misspelt(&mut self, path: &str, value: &Value) {
        let expected = Setting::at(path).map_or("something else", |setting| setting.expected);
        self.problems.add(value.misspelt(path, expected));
    }

    pub(super) fn text<T>(&mut self, path: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let value = self.value(path)?;
        let parsed = value.text().and_then(parse);
        if parsed.is_none() {
            self.misspelt(path, &value);
        }
        parsed
    }

    pub(super) fn path(&mut self, path: &str) -> Option<(PathBuf, Origin)> {
        let value = self.value(path)?;
        let text = value.text().filter(|text| !text.is_empty());
        if text.is_none() {
            self.misspelt(path, &value);
        }
        text.map(|text| (resolved(text, &value.origin), value.origin.clone()))
    }

    pub(super) fn count(&mut self, path: &str, range: RangeInclusive<i64>) -> Option<usize> {
        let value = self.value(path)?;
        let number = if let Kind::Integer(number) = value.kind { Some(number) } else { None };
        let number = number.filter(|number| range.contains(number)).and_then(|number| number.try_into().ok());
        if number.is_none() {
            self.misspelt(path, &value);
        }
        number
    }

    /// A size as text with a unit, or as a plain number of bytes.
    pub(super) fn size(&mut self, path: &str, range: RangeInclusive<u64>) -> Option<usize> {
        let value = self.value(path)?;
        let bytes = match &value.kind {
            Kind::Integer(number) => u64::try_from(*number).ok(),
            _ => value.text().and_then(unit::size),
        };
        let bytes = bytes.filter(|bytes| range.contains(bytes)).and_then(|bytes| bytes.try_into().ok());
        if bytes.is_none() {
            self.misspelt(path, &value);
        }
        bytes
    }

    pub(super) fn duration(&mut self, path: &str, range: RangeInclusive<Duration>) -> Option<Duration> {
        self.text(path, |text| unit::duration(text).filter(|duration| range.contains(duration)))
    }

    pub(super) fn list(&mut self, path: &str, value: &Value) -> Option<Vec<Value>> {
        if let Kind::List(items) = &value.kind {
            return Some(items.clone());
        }
        self.misspelt(path, value);
        None
    }

    /// A list of strings, none of which is empty; nothing is a problem, and so is an empty list.
    pub(super) fn names(&mut self, path: &str) -> Option<Vec<String>> {
        self.missing_if_absent(path);
        let value = self.value(path)?;
        let items = self.list(path, &value)?;
        if items.is_empty() {
            let expected = Setting::at(path).map_or("at least one", |setting| setting.expected);
            let message = format!("`{path}` is empty: expected {expected}");
            self.problems.add(Problem::new(value.origin, message));
            return None;
        }
        let mut names = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            match item.text().filter(|text| !text.trim().is_empty()) {
                Some(text) => names.push(text.to_owned()),
                None => self.problems.add(item.misspelt(&format!("{path}[{index}]"), "a string that is not empty")),
            }
        }
        (names.len() == items.len()).then_some(names)
    }

    /// The file of certificates that `path` names.
    pub(super) fn certificates(&mut self, path: &str) -> Option<Certificates> {
        self.pem(path, "CERTIFICATE")
    }

    /// The PEM file that `path` names, which must have something with this label in it.
    pub(super) fn pem(&mut self, path: &str, label: &str) -> Option<Certificates> {
        let value = self.value(path)?;
        self.pem_of(path, &value, label)
    }

    pub(super) fn pem_of(&mut self, key: &str, value: &Value, label: &str) -> Option<Certificates> {
        let Some(path) = value.text().filter(|path| !path.is_empty()) else {
            self.misspelt(key, value);
            return None;
        };
        let path = resolved(path, &value.origin);
        let why = match read::text(&path, read::LONGEST_FILE) {
            Ok(pem) if pem.contains(&format!("-----BEGIN {label}-----")) => return Some(Certificates { path, pem }),
            Ok(_) => format!("`{}` has no line `-----BEGIN {label}-----`", path.display()),
            Err(why) => why,
        };
        self.problems.add(Problem::new(value.origin.clone(), format!("`{key}`: {why}")));
        None
    }

    /// The value at `path`, unless `decider` was set over the place where it was: `--upstream` makes the file's `data`
    /// moot, not wrong.
    pub(super) fn unless_moot(&self, path: &str, decider: &Value) -> Option<Value> {
        self.given(path).filter(|value| value.origin.rank() >= decider.origin.rank()).cloned()
    }

    /// For a key that only some kinds of identity require.
    pub(super) fn missing_if_absent(&mut self, path: &str) {
        if self.given(path).is_none()
            && let Some(setting) = Setting::at(path)
        {
            self.missing(path, setting.expected);
        }
    }

    /// Refuses keys that another kind of identity has. `names` are those of this one, besides `kind`.
    pub(super) fn keep_to(&mut self, index: usize, kind: &str, names: &[&str]) {
        let all = SETTINGS.iter().filter(|setting| setting.section() == "identity.*").map(Setting::name);
        for name in all.filter(|name| *name != "kind" && !names.contains(name)) {
            let path = format!("identity.{index}.{name}");
            if let Some(value) = self.given(&path) {
                let message = format!("`{path}` is no key of an identity that is `{kind}`");
                let problem = Problem::new(value.origin.clone(), message);
                self.problems.add(problem);
            }
        }
    }
}

/// A path, relative to the file that names it. The environment and the command line name paths relative to the
/// directory that the gate is started in.
pub(super) fn resolved(path: &str, origin: &Origin) -> PathBuf {
    match origin {
        Origin::File(source, _) => read::relative_to(&source.path, path),
        _ => PathBuf::from(path),
    }
}

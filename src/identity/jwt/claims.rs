//! What a token says of its bearer.

use crate::{
    finding::Proof,
    identity::{Mapping, Unmapped, identified::Identified},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Number, Value};
use std::{borrow::Cow, collections::BTreeMap, fmt};

/// The payload of a token: a JSON object.
pub(in crate::identity) struct Claims(Value);

/// A claim that is there and is not what it has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::identity) struct NoTime;

impl Claims {
    pub(super) fn parse(payload: &[u8]) -> Option<Self> {
        serde_json::from_slice(payload).ok().filter(Value::is_object).map(Self)
    }

    /// A claim that is a string.
    pub(in crate::identity) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// A claim that is a time (RFC 7519, section 2: seconds since 1970, perhaps with a fraction). Nothing if it is not there.
    pub(super) fn time(&self, name: &str) -> Result<Option<Timestamp>, NoTime> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::Number(number)) => Ok(Some(time(number))),
            Some(_) => Err(NoTime),
        }
    }

    /// The values of an attribute: a claim's name, or a JSON Pointer (RFC 6901) if it begins with `/`. A list has one for each of its
    /// elements. Numbers and booleans have their JSON text; what is no text has none.
    pub(super) fn values(&self, attribute: &str) -> Vec<Cow<'_, str>> {
        let value = if attribute.starts_with('/') { self.0.pointer(attribute) } else { self.0.get(attribute) };
        match value {
            Some(Value::Array(items)) => items.iter().filter_map(scalar).collect(),
            Some(value) => scalar(value).into_iter().collect(),
            None => Vec::new(),
        }
    }

    /// Whom these rules make of it.
    pub(in crate::identity) fn identified(&self, mapping: &Mapping, proof: &Proof) -> Result<Identified, Unmapped> {
        let said: BTreeMap<&str, Vec<Cow<'_, str>>> =
            mapping.attributes().map(|attribute| (attribute, self.values(attribute))).collect();
        mapping.apply(|attribute| said.get(attribute).into_iter().flatten().map(|value| &**value).collect(), proof)
    }
}

/// A time in seconds since 1970; the end of all times if it lies beyond.
pub(in crate::identity) fn time(number: &Number) -> Timestamp {
    let seconds = number.as_f64().unwrap_or(f64::MIN);
    let time = SignedDuration::try_from_secs_f64(seconds).ok().and_then(|since| Timestamp::from_duration(since).ok());
    time.unwrap_or(if seconds > 0.0 { Timestamp::MAX } else { Timestamp::MIN })
}

fn scalar(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(_) | Value::Bool(_) => Some(Cow::Owned(value.to_string())),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The names alone: claims are somebody's personal data.
impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.as_object().into_iter().flat_map(|claims| claims.keys());
        f.debug_tuple("Claims").field(&names.collect::<Vec<_>>()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(json: &str) -> Claims {
        Claims::parse(json.as_bytes()).unwrap()
    }

    #[test]
    fn attributes_are_names_or_pointers() {
        let claims = claims(
            r#"{"sub": "a", "n": 1.5, "b": true, "null": null, "o": {"x/y": {"~": "deep"}}, "l": ["p", 2, null, {}, ["q"]],
                "/odd": "name", "https://sts.amazonaws.com/": {"aws_account": "123456789012"}}"#,
        );
        for (attribute, expected) in [
            ("sub", &["a"][..]),
            ("n", &["1.5"]),
            ("b", &["true"]),
            ("null", &[]),
            ("o", &[]),
            ("l", &["p", "2"]),
            ("missing", &[]),
            ("/sub", &["a"]),
            ("/l/1", &["2"]),
            ("/l/9", &[]),
            ("/o/x~1y/~0", &["deep"]),
            ("/~1odd", &["name"]),
            ("/odd", &[]),
            ("/https:~1~1sts.amazonaws.com~1/aws_account", &["123456789012"]),
        ] {
            assert_eq!(claims.values(attribute), expected, "{attribute}");
        }
    }

    #[test]
    fn times_are_numbers_of_seconds() {
        let claims = claims(r#"{"a": 0, "b": 1.5, "c": 1e300, "d": -1e300, "e": "1", "f": null}"#);
        let time = |name| claims.time(name);
        assert_eq!(time("a"), Ok(Some(Timestamp::UNIX_EPOCH)));
        assert_eq!(time("b"), Ok(Some("1970-01-01T00:00:01.5Z".parse().unwrap())));
        assert_eq!(time("c"), Ok(Some(Timestamp::MAX)));
        assert_eq!(time("d"), Ok(Some(Timestamp::MIN)));
        assert_eq!((time("e"), time("f"), time("g")), (Err(NoTime), Err(NoTime), Ok(None)));
    }

    #[test]
    fn debug_shows_names_only() {
        assert_eq!(format!("{:?}", claims(r#"{"email": "me@example.com"}"#)), r#"Claims(["email"])"#);
    }
}

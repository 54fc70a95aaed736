//! Bodies that the gate passes on without judging them: still read strictly, and written anew.

use serde::{
    Deserialize,
    de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};
use std::fmt;

/// A JSON object in which no member comes twice, at any depth.
#[derive(Debug, Clone, PartialEq)]
pub struct Document(Map<String, Value>);

/// Why a body is no [`Document`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("body: {0}")]
pub struct InvalidDocument(String);

impl InvalidDocument {
    /// What is wrong, to follow where.
    pub(super) fn into_problem(self) -> String {
        self.0
    }
}

impl Document {
    /// Reads a body. An empty one stands for an object without members, which some clients leave out.
    pub fn parse(body: &[u8]) -> Result<Self, InvalidDocument> {
        if body.is_empty() {
            return Ok(Self(Map::new()));
        }
        let mut json = serde_json::Deserializer::from_slice(body);
        let value = Strict.deserialize(&mut json).and_then(|value| json.end().map(|()| value));
        match value {
            Ok(Value::Object(members)) => Ok(Self(members)),
            Ok(_) => Err(InvalidDocument("expected an object".to_owned())),
            Err(error) => Err(InvalidDocument(error.to_string())),
        }
    }

    /// The members.
    pub fn into_members(self) -> Map<String, Value> {
        self.0
    }

    /// The document as JSON.
    #[expect(clippy::missing_panics_doc, reason = "the keys are strings, so it serialises")]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(&self.0).expect("a JSON value serialises")
    }
}

/// A document within another one, such as an element of a list.
impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Strict.deserialize(deserializer)? {
            Value::Object(members) => Ok(Self(members)),
            _ => Err(de::Error::custom("expected an object")),
        }
    }
}

/// Reads any JSON value, and refuses a member that comes twice.
#[derive(Clone, Copy)]
pub(super) struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number that is not finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = seq.next_element_seed(Strict)? {
            elements.push(element);
        }
        Ok(Value::Array(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            let value = map.next_value_seed(Strict)?;
            if members.contains_key(&name) {
                return Err(super::object::repeated(&name.chars().take(64).collect::<String>()));
            }
            members.insert(name, value);
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(body: &str) -> String {
        String::from_utf8(Document::parse(body.as_bytes()).unwrap().to_json()).unwrap()
    }

    #[test]
    fn documents_are_written_as_they_were_meant() {
        assert_eq!(written(""), "{}");
        assert_eq!(
            written(r#" {"a": [1, -2, 1.50, 18446744073709551615, true, null, "\u00e9\n"], "b": {"c": {}}} "#),
            r#"{"a":[1,-2,1.5,18446744073709551615,true,null,"é\n"],"b":{"c":{}}}"#
        );
    }

    #[test]
    fn what_two_parsers_could_read_in_two_ways_is_refused() {
        for (body, problem) in [
            (r#"{"a":1,"a":2}"#, "member `a` came twice"),
            (r#"{"x":[{"a":1,"\u0061":2}]}"#, "member `a` came twice"),
            ("[]", "expected an object"),
            ("{} {}", "trailing characters"),
            (r#"{"a":NaN}"#, "expected value"),
            (r#"{"a":"\ud800"}"#, "hex escape"),
            (r#"{"a":1e999}"#, "number out of range"),
            (&format!("{}1{}", r#"{"a":"#.repeat(200), "}".repeat(200)), "recursion limit"),
        ] {
            let error = Document::parse(body.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(problem), "{body}: {error}");
        }
    }

    proptest! {
        #[test]
        fn numbers_keep_their_value(number in prop::num::f64::NORMAL, whole in any::<u64>()) {
            let text = written(&format!(r#"{{"a":{number:e},"b":{whole}}}"#));
            let again = Document::parse(text.as_bytes()).unwrap().into_members();
            prop_assert_eq!(again["a"].as_f64(), Some(number));
            prop_assert_eq!(again["b"].as_u64(), Some(whole));
        }
    }
}

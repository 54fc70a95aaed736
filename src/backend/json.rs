//! JSON, read strictly: what two readers could understand differently is refused.

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// A JSON object: a finding, or a part of one.
pub(super) type Object = Map<String, Value>;

/// The value that `bytes` spell, to the last byte. A member given twice, a lone surrogate, a number out of range and
/// nesting beyond 127 levels are errors.
pub(super) fn parse(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Strict.deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

/// The object that `bytes` spell; an empty body is an empty object, as SDKs send none when every member is absent.
pub(super) fn parse_object(bytes: &[u8]) -> Result<Object, String> {
    if bytes.is_empty() {
        return Ok(Object::new());
    }
    match parse(bytes).map_err(|error| format!("the body is not JSON: {error}"))? {
        Value::Object(members) => Ok(members),
        _ => Err("the body must be a JSON object".to_owned()),
    }
}

/// The whole number that a JSON number spells. `40.0` is one, as in JSON Schema.
pub(super) fn integer(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| {
        let number = value.as_f64().filter(|number| number.fract() == 0.0 && number.abs() < 9e15)?;
        #[expect(clippy::cast_possible_truncation, reason = "whole, and below 2^53")]
        Some(number as i64)
    })
}

/// The text at `path`, where each step is a member name.
pub(super) fn text_at<'a>(object: &'a Object, path: &[&str]) -> Option<&'a str> {
    let (last, steps) = path.split_last()?;
    steps.iter().try_fold(object, |at, step| at.get(*step)?.as_object())?.get(*last)?.as_str()
}

struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Self)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Object::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(Self)?;
            if object.contains_key(&name) {
                return Err(A::Error::custom(format_args!("member `{name}` is given twice")));
            }
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_can_be_understood_two_ways_is_refused() {
        for (body, says) in [
            (r#"{"a":1,"a":1}"#, "`a` is given twice"),
            (r#"{"x":[{"a":1,"a":2}]}"#, "`a` is given twice"),
            (r#"{"a":1}x"#, "trailing characters"),
            (r#"{"a":NaN}"#, "expected value"),
            (r#"{"a":1e999}"#, "number out of range"),
            (r#"{"a":"\ud800"}"#, "hex escape"),
            ("[1,", "EOF"),
        ] {
            let error = parse(body.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(says), "{body}: {error}");
        }
        assert!(parse(b"{\"a\":\"\xff\"}").is_err());
        let deep = "[".repeat(200) + &"]".repeat(200);
        assert!(parse(deep.as_bytes()).unwrap_err().to_string().contains("recursion limit"));
    }

    #[test]
    fn integers_may_be_written_with_an_empty_fraction() {
        for (text, number) in
            [("40", Some(40)), ("40.0", Some(40)), ("-3", Some(-3)), ("40.5", None), ("\"40\"", None), ("1e300", None)]
        {
            assert_eq!(integer(&parse(text.as_bytes()).unwrap()), number, "{text}");
        }
    }

    proptest! {
        #[test]
        fn numbers_keep_their_value(number in prop::num::f64::NORMAL, whole in any::<u64>()) {
            let text = format!("[{number:e},{whole}]");
            let value = parse(text.as_bytes()).unwrap();
            let again = parse(serde_json::to_string(&value).unwrap().as_bytes()).unwrap();
            prop_assert_eq!(again[0].as_f64(), Some(number));
            prop_assert_eq!(again[1].as_u64(), Some(whole));
        }
    }
}

//! What several readers of JSON need.

use serde_json::{Map, Value};

/// A JSON object: a finding, or a part of one.
pub(super) type Object = Map<String, Value>;

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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn integers_may_be_written_with_an_empty_fraction() {
        for (value, number) in [
            (json!(40), Some(40)),
            (json!(40.0), Some(40)),
            (json!(-3), Some(-3)),
            (json!(40.5), None),
            (json!("40"), None),
            (json!(1e300), None),
        ] {
            assert_eq!(integer(&value), number, "{value}");
        }
    }
}

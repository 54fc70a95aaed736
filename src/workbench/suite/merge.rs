//! Merging one body over another.

use serde_json::{Map, Value};

/// The members of `base` with those of `over` over them: objects are merged, `null` takes out, all else replaces.
pub(super) fn merged(base: &Map<String, Value>, over: &Map<String, Value>) -> Map<String, Value> {
    let mut members = base.clone();
    for (name, value) in over {
        match (members.get_mut(name), value) {
            (_, Value::Null) => {
                members.remove(name);
            }
            (Some(Value::Object(known)), Value::Object(value)) => *known = merged(known, value),
            _ => {
                members.insert(name.clone(), value.clone());
            }
        }
    }
    members
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn objects_are_merged_and_null_takes_out() {
        let map = |value: Value| value.as_object().unwrap().clone();
        let base = map(json!({ "Note": { "Text": "a", "UpdatedBy": "ana" }, "Types": ["x"], "Confidence": 1 }));
        let over = map(json!({ "Note": { "Text": "b" }, "Types": ["y"], "Confidence": null }));
        let expected = json!({ "Note": { "Text": "b", "UpdatedBy": "ana" }, "Types": ["y"] });
        assert_eq!(Value::Object(merged(&base, &over)), expected);
    }
}

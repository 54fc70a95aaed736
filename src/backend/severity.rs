//! Severity, kept consistent: a label and a number that say the same.

use super::json::{Object, integer};
use crate::finding::SeverityLabel;
use serde_json::Value;

/// Gives a severity the one of `Label` and `Normalized` that it lacks. Where the two contradict each other the label
/// wins, as AWS prefers it and has deprecated the number.
pub(super) fn complete(severity: &mut Object) {
    let label = severity.get("Label").and_then(Value::as_str).and_then(SeverityLabel::parse);
    let normalized = severity.get("Normalized").and_then(integer).and_then(|number| u8::try_from(number).ok());
    match (label, normalized) {
        (Some(label), Some(normalized)) if SeverityLabel::of_normalized(normalized) == label => {}
        (Some(label), _) => _ = severity.insert("Normalized".to_owned(), label.normalized().into()),
        (None, Some(normalized)) => {
            severity.insert("Label".to_owned(), SeverityLabel::of_normalized(normalized).as_str().into());
        }
        (None, None) => {}
    }
}

/// A provider's severity as the finding's own: complete, and without `Product`, which the API does not return.
pub(super) fn top_level(severity: &Value) -> Value {
    let mut severity = completed(severity);
    if let Some(members) = severity.as_object_mut() {
        members.remove("Product");
    }
    severity
}

/// A provider's severity as `FindingProviderFields` keeps it: complete, `Product` included.
pub(super) fn completed(severity: &Value) -> Value {
    let mut severity = severity.clone();
    if let Some(members) = severity.as_object_mut() {
        complete(members);
    }
    severity
}

/// Puts an update's members into a stored severity. A label alone sets the number of the documented table, a number
/// alone sets its label; the provider's `Original` stays.
pub(super) fn update(severity: &mut Object, label: Option<SeverityLabel>, normalized: Option<u8>) {
    if label.is_some() || normalized.is_some() {
        severity.remove("Label");
        severity.remove("Normalized");
    }
    if let Some(label) = label {
        severity.insert("Label".to_owned(), label.as_str().into());
    }
    if let Some(normalized) = normalized {
        severity.insert("Normalized".to_owned(), normalized.into());
    }
    complete(severity);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn label_and_number_agree_afterwards() {
        for (given, stored) in [
            (json!({"Label": "HIGH"}), json!({"Label": "HIGH", "Normalized": 70})),
            (json!({"Normalized": 0}), json!({"Label": "INFORMATIONAL", "Normalized": 0})),
            (json!({"Normalized": 39}), json!({"Label": "LOW", "Normalized": 39})),
            (json!({"Normalized": 90.0}), json!({"Label": "CRITICAL", "Normalized": 90.0})),
            (json!({"Label": "LOW", "Normalized": 12}), json!({"Label": "LOW", "Normalized": 12})),
            (json!({"Label": "LOW", "Normalized": 95}), json!({"Label": "LOW", "Normalized": 1})),
            (
                json!({"Label": "LOW", "Original": "3", "Product": 3.5}),
                json!({"Label": "LOW", "Normalized": 1, "Original": "3"}),
            ),
        ] {
            assert_eq!(top_level(&given), stored, "{given}");
        }
        assert_eq!(completed(&json!({"Label": "LOW", "Product": 3.5}))["Product"], 3.5);
    }

    #[test]
    fn an_update_changes_what_it_names() {
        use SeverityLabel::{Critical, Low};
        for (label, normalized, stored) in [
            (Some(Critical), None, json!({"Original": "o", "Label": "CRITICAL", "Normalized": 90})),
            (None, Some(2), json!({"Original": "o", "Label": "LOW", "Normalized": 2})),
            (Some(Low), Some(2), json!({"Original": "o", "Label": "LOW", "Normalized": 2})),
            (Some(Low), Some(99), json!({"Original": "o", "Label": "LOW", "Normalized": 1})),
            (None, None, json!({"Original": "o", "Label": "MEDIUM", "Normalized": 55})),
        ] {
            let mut severity = json!({"Label": "MEDIUM", "Normalized": 55, "Original": "o"});
            update(severity.as_object_mut().unwrap(), label, normalized);
            assert_eq!(severity, stored);
        }
    }
}

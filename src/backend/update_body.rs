//! The body of a BatchUpdateFindings request, read and checked.

use super::json;
use crate::finding::{ApiError, SeverityLabel, VerificationState, WorkflowStatus};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// How many findings one call may name.
const MOST_IDENTIFIERS: usize = 100;

/// How a finding is named: within an account and a Region, these two are unique.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Identifier {
    pub(super) id: String,
    pub(super) product_arn: String,
}

impl Identifier {
    /// Whether a finding can have this name: `Id` 1 to 512 characters, `ProductArn` 12 to 2048.
    pub(super) fn is_possible(&self) -> bool {
        let length = |text: &str| text.chars().count();
        length(&self.id) <= 512 && (12..=2048).contains(&length(&self.product_arn))
    }
}

/// One update for many findings. Absent members, and those that are `null`, are `None`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct UpdateBody {
    pub(super) finding_identifiers: Vec<Identifier>,
    pub(super) confidence: Option<u8>,
    pub(super) criticality: Option<u8>,
    pub(super) note: Option<Note>,
    pub(super) related_findings: Option<Vec<Identifier>>,
    pub(super) severity: Option<Severity>,
    pub(super) types: Option<Vec<String>>,
    pub(super) user_defined_fields: Option<BTreeMap<String, String>>,
    #[serde(default, deserialize_with = "vocabulary::verification_state")]
    pub(super) verification_state: Option<VerificationState>,
    pub(super) workflow: Option<Workflow>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Note {
    pub(super) text: String,
    pub(super) updated_by: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Severity {
    #[serde(default, deserialize_with = "vocabulary::severity_label")]
    pub(super) label: Option<SeverityLabel>,
    pub(super) normalized: Option<u8>,
    #[expect(dead_code, reason = "checked to be a number, and then dropped as the API does not return it")]
    pub(super) product: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Workflow {
    #[serde(default, deserialize_with = "vocabulary::workflow_status")]
    pub(super) status: Option<WorkflowStatus>,
}

/// Reads and checks a body. Limits: API model, and the CloudFormation schema of the same structure.
pub(super) fn parse(body: &[u8]) -> Result<UpdateBody, ApiError> {
    let value = json::parse(body).map_err(|error| ApiError::invalid_input(format!("the body is not JSON: {error}")))?;
    let update: UpdateBody = serde_path_to_error::deserialize(value)
        .map_err(|error| ApiError::invalid_input(format!("`{}`: {}", error.path(), error.inner())))?;
    update.check().map_err(ApiError::invalid_input)?;
    Ok(update)
}

impl UpdateBody {
    fn check(&self) -> Result<(), String> {
        let identifiers = &self.finding_identifiers;
        between("FindingIdentifiers", identifiers.len(), 1, MOST_IDENTIFIERS, "identifiers")?;
        for (index, identifier) in identifiers.iter().enumerate() {
            not_blank(&format!("FindingIdentifiers[{index}].Id"), &identifier.id)?;
            not_blank(&format!("FindingIdentifiers[{index}].ProductArn"), &identifier.product_arn)?;
        }
        if !self.has_field() {
            return Err("the request names no field to update".to_owned());
        }
        for (name, ratio) in [
            ("Confidence", self.confidence),
            ("Criticality", self.criticality),
            ("Severity.Normalized", self.severity.as_ref().and_then(|severity| severity.normalized)),
        ] {
            between(name, ratio.unwrap_or(0).into(), 0, 100, "")?;
        }
        if let Some(note) = &self.note {
            text("Note.Text", &note.text, 512)?;
            text("Note.UpdatedBy", &note.updated_by, 2048)?;
        }
        if let Some(related) = &self.related_findings {
            between("RelatedFindings", related.len(), 1, 10, "findings")?;
            for (index, identifier) in related.iter().enumerate() {
                text(&format!("RelatedFindings[{index}].Id"), &identifier.id, 512)?;
                text(&format!("RelatedFindings[{index}].ProductArn"), &identifier.product_arn, 2048)?;
            }
        }
        if let Some(types) = &self.types {
            between("Types", types.len(), 0, 50, "types")?;
            for (index, name) in types.iter().enumerate() {
                let parts: Vec<_> = name.split('/').collect();
                if parts.len() > 3 || parts.iter().any(|part| part.is_empty()) || name.trim().is_empty() {
                    return Err(format!("`Types[{index}]`: expected `namespace/category/classifier`, got `{name}`"));
                }
            }
        }
        if let Some(fields) = &self.user_defined_fields {
            between("UserDefinedFields", fields.len(), 1, 50, "pairs")?;
            for (key, value) in fields {
                let allowed = |c: char| c.is_alphanumeric() || c.is_whitespace() || "-_+=.:/@".contains(c);
                text("UserDefinedFields", key, 128)?;
                if !key.chars().all(allowed) {
                    return Err(format!(
                        "`UserDefinedFields`: key `{key}` may have letters, digits, white space and `-_+=.:/@` only"
                    ));
                }
                text(&format!("UserDefinedFields['{key}']"), value, 1024)?;
            }
        }
        Ok(())
    }

    fn has_field(&self) -> bool {
        self.confidence.is_some()
            || self.criticality.is_some()
            || self.note.is_some()
            || self.related_findings.is_some()
            || self.severity.is_some()
            || self.types.is_some()
            || self.user_defined_fields.is_some()
            || self.verification_state.is_some()
            || self.workflow.is_some()
    }
}

fn between(path: &str, count: usize, min: usize, max: usize, of: &str) -> Result<(), String> {
    if (min..=max).contains(&count) {
        Ok(())
    } else {
        let of = if of.is_empty() { String::new() } else { format!(" {of}") };
        Err(format!("`{path}`: expected {min} to {max}{of}, got {count}"))
    }
}

fn not_blank(path: &str, text: &str) -> Result<(), String> {
    if text.trim().is_empty() { Err(format!("`{path}`: must not be blank")) } else { Ok(()) }
}

fn text(path: &str, text: &str, max: usize) -> Result<(), String> {
    not_blank(path, text)?;
    let length = text.chars().count();
    if length > max { Err(format!("`{path}`: expected 1 to {max} characters, got {length}")) } else { Ok(()) }
}

/// Readers of the closed vocabularies.
mod vocabulary {
    use super::{SeverityLabel, Value, VerificationState, WorkflowStatus};
    use serde::{Deserialize, Deserializer, de::Error};

    fn read<'de, D: Deserializer<'de>, T: Copy>(
        reader: D,
        all: &[T],
        spelling: impl Fn(T) -> &'static str,
    ) -> Result<Option<T>, D::Error> {
        let value = match Value::deserialize(reader)? {
            Value::Null => return Ok(None),
            value => value,
        };
        all.iter().copied().find(|item| value.as_str() == Some(spelling(*item))).map(Some).ok_or_else(|| {
            let expected = all.iter().map(|item| spelling(*item)).collect::<Vec<_>>().join(", ");
            D::Error::custom(format_args!("expected one of {expected}, got {value}"))
        })
    }

    pub(super) fn severity_label<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<SeverityLabel>, D::Error> {
        read(reader, SeverityLabel::ALL, SeverityLabel::as_str)
    }

    pub(super) fn verification_state<'de, D: Deserializer<'de>>(
        reader: D,
    ) -> Result<Option<VerificationState>, D::Error> {
        read(reader, VerificationState::ALL, VerificationState::as_str)
    }

    pub(super) fn workflow_status<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<WorkflowStatus>, D::Error> {
        read(reader, WorkflowStatus::ALL, WorkflowStatus::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ARN: &str = "arn:aws:securityhub:eu-west-1::product/aws/guardduty";

    fn parsed(field: &str, value: Value) -> Result<UpdateBody, String> {
        let mut body = json!({"FindingIdentifiers": [{"Id": "f", "ProductArn": ARN}]});
        body[field] = value;
        parse(body.to_string().as_bytes()).map_err(|error| {
            assert_eq!((error.status, error.code), (400, "InvalidInputException"));
            error.message
        })
    }

    #[test]
    fn what_the_api_takes_is_taken() {
        for (field, value) in [
            ("Confidence", json!(0)),
            ("Criticality", json!(100)),
            ("Note", json!({"Text": "x".repeat(512), "UpdatedBy": "me"})),
            ("Note", json!({"Text": "several\n\nlines", "UpdatedBy": "me"})),
            ("RelatedFindings", json!([{"Id": "f", "ProductArn": ARN}])),
            ("Severity", json!({"Label": "LOW", "Normalized": 1, "Product": 1})),
            ("Severity", json!({"Product": 2.5})),
            ("Types", json!([])),
            ("Types", json!(["TTPs", "TTPs/Discovery", "TTPs/Discovery/Scan"])),
            ("UserDefinedFields", json!({"ticket id_1-+=.:/@": "OPS-1"})),
            ("VerificationState", json!("BENIGN_POSITIVE")),
            ("Workflow", json!({"Status": "SUPPRESSED"})),
            ("Workflow", json!({})),
        ] {
            assert!(parsed(field, value.clone()).is_ok(), "{field}: {value}");
        }
    }

    #[test]
    fn what_it_does_not_take_is_refused_by_name() {
        let many = |n: usize| (0..n).map(|n| (format!("k{n}"), json!("v"))).collect::<serde_json::Map<_, _>>();
        let identifier = json!({"Id": "f", "ProductArn": ARN});
        for (field, value, says) in [
            ("Confidence", json!(101), "`Confidence`: expected 0 to 100, got 101"),
            ("Confidence", json!(-1), "`Confidence`"),
            ("Confidence", json!(1.5), "`Confidence`"),
            ("Criticality", json!("1"), "`Criticality`"),
            ("Confidence", Value::Null, "names no field"),
            ("Note", json!({"Text": "t"}), "UpdatedBy"),
            ("Note", json!({"Text": "x".repeat(513), "UpdatedBy": "u"}), "`Note.Text`: expected 1 to 512 characters"),
            ("Note", json!({"Text": "t", "UpdatedBy": " "}), "`Note.UpdatedBy`: must not be blank"),
            ("Note", json!({"Text": "t", "UpdatedBy": "u", "UpdatedAt": "now"}), "UpdatedAt"),
            ("RelatedFindings", json!([]), "`RelatedFindings`: expected 1 to 10 findings, got 0"),
            ("RelatedFindings", json!(vec![identifier.clone(); 11]), "got 11"),
            ("Severity", json!({"Label": "BOGUS"}), "`Severity.Label`: expected one of INFORMATIONAL, LOW"),
            ("Severity", json!({"Normalized": 101}), "`Severity.Normalized`: expected 0 to 100"),
            ("Severity", json!({"Original": "x"}), "Original"),
            ("Types", json!(vec!["a"; 51]), "`Types`: expected 0 to 50 types"),
            ("Types", json!(["a//b"]), "`Types[0]`"),
            ("Types", json!(["ok", "a/b/c/d"]), "`Types[1]`"),
            ("UserDefinedFields", json!({}), "expected 1 to 50 pairs, got 0"),
            ("UserDefinedFields", Value::Object(many(51)), "got 51"),
            ("UserDefinedFields", json!({"k": ""}), "`UserDefinedFields['k']`: must not be blank"),
            ("UserDefinedFields", json!({"k": "x".repeat(1025)}), "expected 1 to 1024 characters"),
            ("UserDefinedFields", json!({"x".repeat(129): "v"}), "expected 1 to 128 characters"),
            ("UserDefinedFields", json!({"k!": "v"}), "key `k!`"),
            ("VerificationState", json!("MAYBE"), "`VerificationState`: expected one of UNKNOWN"),
            ("Workflow", json!({"Status": "new"}), "`Workflow.Status`: expected one of NEW"),
            ("RecordState", json!("ARCHIVED"), "RecordState"),
            ("FindingIdentifiers", json!([]), "`FindingIdentifiers`: expected 1 to 100 identifiers, got 0"),
            ("FindingIdentifiers", json!(vec![identifier; 101]), "got 101"),
            ("FindingIdentifiers", json!([{"Id": " ", "ProductArn": ARN}]), "`FindingIdentifiers[0].Id`"),
            ("FindingIdentifiers", json!([{"Id": "f"}]), "ProductArn"),
        ] {
            let message = parsed(field, value.clone()).unwrap_err();
            assert!(message.contains(says), "{field}: {value}: {message}");
        }
        for body in ["", "[]", "{", r#"{"FindingIdentifiers":[],"FindingIdentifiers":[]}"#] {
            assert!(parse(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn impossible_names() {
        let name = |id: usize, arn: usize| Identifier { id: "i".repeat(id), product_arn: "a".repeat(arn) };
        assert!(name(512, 12).is_possible() && name(1, 2048).is_possible());
        assert!(!name(513, 12).is_possible() && !name(1, 11).is_possible() && !name(1, 2049).is_possible());
    }
}

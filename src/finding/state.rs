//! A finding as it is now, in the parts that policies can read.

use super::{AccountId, SeverityLabel, VerificationState, WorkflowStatus, timestamp, vocabulary::vocabulary};
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

vocabulary! {
    /// `RecordState`: whether its provider still stands by a finding.
    RecordState {
        /// It does.
        Active = "ACTIVE",
        /// It does not: the finding is out of view and is deleted in time.
        Archived = "ARCHIVED",
    }
}

vocabulary! {
    /// `Compliance.Status`: the result of a control's check.
    ComplianceStatus {
        /// The check passed.
        Passed = "PASSED",
        /// Some of it is missing, or the check is not supported.
        Warning = "WARNING",
        /// The check failed.
        Failed = "FAILED",
        /// The check could not be carried out.
        NotAvailable = "NOT_AVAILABLE",
    }
}

/// A finding as it is now. What the API leaves out is absent here, too; a list or map that it leaves out is empty, which is
/// what the API means by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// `AwsAccountId`: the account that owns it.
    pub account: AccountId,
    /// `Compliance.Status`
    pub compliance_status: Option<ComplianceStatus>,
    /// `CompanyName`
    pub company_name: Option<String>,
    /// `Confidence`
    pub confidence: Option<i64>,
    /// `CreatedAt`
    pub created_at: Timestamp,
    /// `Criticality`
    pub criticality: Option<i64>,
    /// `FirstObservedAt`
    pub first_observed_at: Option<Timestamp>,
    /// `GeneratorId`
    pub generator_id: String,
    /// `LastObservedAt`
    pub last_observed_at: Option<Timestamp>,
    /// `Note`
    pub note: Option<NoteNow>,
    /// `ProductName`
    pub product_name: Option<String>,
    /// `RecordState`
    pub record_state: RecordState,
    /// `Region`
    pub region: Option<String>,
    /// `RelatedFindings`, as `(ProductArn, Id)`
    pub related_findings: BTreeSet<(String, String)>,
    /// `Resources[].Id`
    pub resource_ids: BTreeSet<String>,
    /// `Resources[].Tags`: each key with its values over all resources.
    pub resource_tags: BTreeMap<String, BTreeSet<String>>,
    /// `Resources[].Type`
    pub resource_types: BTreeSet<String>,
    /// `Compliance.SecurityControlId`
    pub security_control_id: Option<String>,
    /// `Severity`
    pub severity: SeverityNow,
    /// `Types`
    pub types: BTreeSet<String>,
    /// `UpdatedAt`: when its provider last updated it.
    pub updated_at: Timestamp,
    /// `UserDefinedFields`
    pub user_defined_fields: BTreeMap<String, String>,
    /// `VerificationState`
    pub verification_state: Option<VerificationState>,
    /// `Workflow.Status`
    pub workflow_status: WorkflowStatus,
}

/// `Severity`, as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeverityNow {
    /// `Label`; where only `Normalized` is there, the label that it stands for (API model).
    pub label: SeverityLabel,
    /// `Normalized`
    pub normalized: Option<i64>,
}

/// `Note`, as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteNow {
    /// `Text`
    pub text: String,
    /// `UpdatedBy`
    pub updated_by: String,
    /// `UpdatedAt`
    pub updated_at: Option<Timestamp>,
}

/// Why a document is no finding that could be judged by.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct InvalidState {
    /// Where in the finding.
    pub path: String,
    /// What is there, and what was expected.
    pub problem: &'static str,
}

impl State {
    /// Reads a finding in the AWS Security Finding Format, as GetFindings answers with it.
    ///
    /// Members that policies cannot read are passed over. A member that they can read and that has another type than the API
    /// model says makes the whole of it unusable: a policy must not take a value that is not understood for one that is not
    /// there.
    pub fn parse(finding: &Map<String, Value>) -> Result<Self, InvalidState> {
        Self::read(&Members { own: finding, instead: None, path: "" })
    }

    /// Reads a finding that has some members in place of its own.
    pub(super) fn with(finding: &Map<String, Value>, instead: &Map<String, Value>) -> Result<Self, InvalidState> {
        Self::read(&Members { own: finding, instead: Some(instead), path: "" })
    }

    fn read(whole: &Members<'_>) -> Result<Self, InvalidState> {
        let compliance = whole.object("Compliance")?;
        let compliance_status = compliance.as_ref().map(|members| members.word("Status", ComplianceStatus::parse));
        let security_control_id = compliance.as_ref().map(|members| members.text("SecurityControlId"));
        let resources = whole.objects("Resources")?;
        let (mut resource_ids, mut resource_types) = (BTreeSet::new(), BTreeSet::new());
        let mut resource_tags: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for resource in &resources {
            resource_ids.extend(resource.text("Id")?);
            resource_types.extend(resource.text("Type")?);
            for (key, value) in resource.texts("Tags")? {
                resource_tags.entry(key).or_default().insert(value);
            }
        }
        let mut related_findings = BTreeSet::new();
        for related in &whole.objects("RelatedFindings")? {
            related_findings.insert((
                related.required(related.text("ProductArn")?, "ProductArn")?,
                related.required(related.text("Id")?, "Id")?,
            ));
        }
        let workflow = whole.object("Workflow")?;
        let workflow_status = workflow.as_ref().map(|members| members.word("Status", WorkflowStatus::parse));
        let account = whole.text("AwsAccountId")?.and_then(|account| AccountId::parse(&account));
        Ok(Self {
            account: whole.required(account, "AwsAccountId")?,
            compliance_status: compliance_status.transpose()?.flatten(),
            company_name: whole.text("CompanyName")?,
            confidence: whole.number("Confidence")?,
            created_at: whole.required(whole.time("CreatedAt")?, "CreatedAt")?,
            criticality: whole.number("Criticality")?,
            first_observed_at: whole.time("FirstObservedAt")?,
            generator_id: whole.required(whole.text("GeneratorId")?, "GeneratorId")?,
            last_observed_at: whole.time("LastObservedAt")?,
            note: whole.object("Note")?.map(|note| NoteNow::parse(&note)).transpose()?,
            product_name: whole.text("ProductName")?,
            record_state: whole.required(whole.word("RecordState", RecordState::parse)?, "RecordState")?,
            region: whole.text("Region")?,
            related_findings,
            resource_ids,
            resource_tags,
            resource_types,
            security_control_id: security_control_id.transpose()?.flatten(),
            severity: SeverityNow::parse(whole)?,
            types: whole.strings("Types")?,
            updated_at: whole.required(whole.time("UpdatedAt")?, "UpdatedAt")?,
            user_defined_fields: whole.texts("UserDefinedFields")?.collect(),
            verification_state: whole.word("VerificationState", VerificationState::parse)?,
            workflow_status: whole.required(workflow_status.transpose()?.flatten(), "Workflow.Status")?,
        })
    }
}

impl SeverityNow {
    fn parse(finding: &Members<'_>) -> Result<Self, InvalidState> {
        let severity = finding.required(finding.object("Severity")?, "Severity")?;
        let normalized = severity.number("Normalized")?;
        let derived = || {
            let ratio = normalized.and_then(|number| u8::try_from(number).ok()).filter(|ratio| *ratio <= 100);
            ratio.map(SeverityLabel::of_normalized)
        };
        let label = severity.word("Label", SeverityLabel::parse)?.or_else(derived);
        Ok(Self { label: severity.required(label, "Label")?, normalized })
    }
}

impl NoteNow {
    fn parse(note: &Members<'_>) -> Result<Self, InvalidState> {
        Ok(Self {
            text: note.required(note.text("Text")?, "Text")?,
            updated_by: note.required(note.text("UpdatedBy")?, "UpdatedBy")?,
            updated_at: note.time("UpdatedAt")?,
        })
    }
}

/// An object of the finding, and where it stands.
struct Members<'a> {
    own: &'a Map<String, Value>,
    /// What counts in place of its own members.
    instead: Option<&'a Map<String, Value>>,
    path: &'a str,
}

impl<'a> Members<'a> {
    fn invalid(&self, name: &str, problem: &'static str) -> InvalidState {
        let dot = if self.path.is_empty() { "" } else { "." };
        InvalidState { path: format!("{}{dot}{name}", self.path), problem }
    }

    /// The member, or nothing where it is missing or `null`.
    fn get(&self, name: &str) -> Option<&'a Value> {
        let instead = self.instead.and_then(|members| members.get(name));
        instead.or_else(|| self.own.get(name)).filter(|value| !value.is_null())
    }

    fn required<T>(&self, member: Option<T>, name: &str) -> Result<T, InvalidState> {
        member.ok_or_else(|| self.invalid(name, "is missing, or is none"))
    }

    fn read<T>(
        &self,
        name: &str,
        expected: &'static str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, InvalidState> {
        let Some(value) = self.get(name) else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| self.invalid(name, expected))
    }

    fn text(&self, name: &str) -> Result<Option<String>, InvalidState> {
        self.read(name, "expected a string", |value| value.as_str().map(str::to_owned))
    }

    fn number(&self, name: &str) -> Result<Option<i64>, InvalidState> {
        // Some clients write 40.0, and the API reads it.
        #[expect(clippy::cast_possible_truncation, reason = "whole and far below 2^53")]
        let whole = |value: &Value| {
            let float = || value.as_f64().filter(|number| number.fract() == 0.0 && number.abs() < 1e15);
            value.as_i64().or_else(|| float().map(|number| number as i64))
        };
        self.read(name, "expected a whole number", whole)
    }

    fn time(&self, name: &str) -> Result<Option<Timestamp>, InvalidState> {
        self.read(name, "expected a timestamp", |value| value.as_str().and_then(timestamp::parse))
    }

    fn word<T>(&self, name: &str, parse: fn(&str) -> Option<T>) -> Result<Option<T>, InvalidState> {
        self.read(name, "expected a word of the API's vocabulary", |value| value.as_str().and_then(parse))
    }

    fn object(&self, name: &'a str) -> Result<Option<Self>, InvalidState> {
        self.read(name, "expected an object", |value| Some(Self { own: value.as_object()?, instead: None, path: name }))
    }

    fn objects(&self, name: &'a str) -> Result<Vec<Self>, InvalidState> {
        let read = |value: &'a Value| {
            let elements = value.as_array()?.iter();
            elements.map(|value| Some(Self { own: value.as_object()?, instead: None, path: name })).collect()
        };
        self.read(name, "expected a list of objects", read).map(Option::unwrap_or_default)
    }

    fn strings(&self, name: &str) -> Result<BTreeSet<String>, InvalidState> {
        let read = |value: &Value| value.as_array()?.iter().map(|text| text.as_str().map(str::to_owned)).collect();
        self.read(name, "expected a list of strings", read).map(Option::unwrap_or_default)
    }

    /// A map of strings.
    fn texts(&self, name: &str) -> Result<impl Iterator<Item = (String, String)> + use<>, InvalidState> {
        let read = |value: &Value| {
            let members = value.as_object()?.iter();
            members.map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect::<Option<Vec<_>>>()
        };
        Ok(self.read(name, "expected an object of strings", read)?.unwrap_or_default().into_iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn finding() -> Value {
        json!({
            "AwsAccountId": "222222222222", "CreatedAt": "2024-05-01T00:00:00Z", "UpdatedAt": "2024-05-02T00:00:00.5+0200",
            "GeneratorId": "rule", "Severity": {"Label": "HIGH", "Normalized": 70, "Original": "8"},
            "Workflow": {"Status": "NOTIFIED"}, "RecordState": "ACTIVE", "Title": "passed over", "Description": 7,
        })
    }

    fn with(name: &str, value: Value) -> Result<State, String> {
        let mut finding = finding();
        finding[name] = value;
        State::parse(finding.as_object().unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_there_is_read_and_what_is_not_is_absent() {
        let state = State::parse(finding().as_object().unwrap()).unwrap();
        assert_eq!(state.severity, SeverityNow { label: SeverityLabel::High, normalized: Some(70) });
        assert_eq!(state.updated_at.to_string(), "2024-05-01T22:00:00.5Z");
        assert_eq!((state.confidence, state.note, state.verification_state, state.region), (None, None, None, None));
        assert!(state.types.is_empty() && state.user_defined_fields.is_empty() && state.resource_tags.is_empty());
        assert_eq!(with("Confidence", json!(40.0)).unwrap().confidence, Some(40));
        assert_eq!(with("Confidence", Value::Null).unwrap().confidence, None);
        let only_number = with("Severity", json!({"Normalized": 90})).unwrap().severity;
        assert_eq!(only_number, SeverityNow { label: SeverityLabel::Critical, normalized: Some(90) });
        let tags = json!([
            {"Id": "a", "Type": "AwsEc2Instance", "Tags": {"env": "prod"}},
            {"Id": "b", "Type": "AwsEc2Instance", "Tags": {"env": "test"}},
        ]);
        let state = with("Resources", tags).unwrap();
        assert_eq!(state.resource_tags, [("env".into(), ["prod".into(), "test".into()].into())].into());
        assert_eq!((state.resource_ids.len(), state.resource_types.len()), (2, 1));
        let note = json!({"Text": "t", "UpdatedBy": "u", "UpdatedAt": "2024-05-01T00:00:00.000Z"});
        assert_eq!(with("Note", note).unwrap().note.unwrap().updated_at, Some("2024-05-01T00:00:00Z".parse().unwrap()));
    }

    #[test]
    fn what_is_not_understood_makes_it_unusable() {
        for (name, value, told) in [
            ("AwsAccountId", json!("22222222222"), "AwsAccountId: is missing"),
            ("AwsAccountId", Value::Null, "AwsAccountId: is missing"),
            ("Severity", json!({}), "Severity.Label: is missing"),
            ("Severity", json!({"Label": "SEVERE"}), "Severity.Label: expected a word"),
            ("Severity", json!({"Normalized": 101}), "Severity.Label: is missing"),
            ("Severity", json!("HIGH"), "Severity: expected an object"),
            ("Workflow", json!({}), "Workflow.Status: is missing"),
            ("Workflow", json!({"Status": "DONE"}), "Workflow.Status: expected a word"),
            ("RecordState", json!("GONE"), "RecordState: expected a word"),
            ("CreatedAt", json!("yesterday"), "CreatedAt: expected a timestamp"),
            ("Confidence", json!(4.5), "Confidence: expected a whole number"),
            ("Types", json!(["a", 1]), "Types: expected a list of strings"),
            ("UserDefinedFields", json!({"a": 1}), "UserDefinedFields: expected an object of strings"),
            ("Note", json!({"Text": "t"}), "Note.UpdatedBy: is missing"),
            ("RelatedFindings", json!([{"Id": "x"}]), "RelatedFindings.ProductArn: is missing"),
            ("Resources", json!([{"Id": "x", "Tags": {"a": null}}]), "Resources.Tags: expected an object of strings"),
            ("Compliance", json!({"Status": "OK"}), "Compliance.Status: expected a word"),
        ] {
            let error = with(name, value).unwrap_err();
            assert!(error.starts_with(told), "{error}");
        }
    }
}

//! Changes: the questions that an update puts to the policies.

use super::{
    AccountId, Field, Identifier, Note, SeverityLabel, Update, VerificationState, WorkflowStatus, number::ProductScore,
    text::Excerpt, vocabulary::vocabulary,
};
use std::fmt;

vocabulary! {
    /// A leaf of an update, named as IAM's condition keys name it (`securityhub:ASFFSyntaxPath/…`). Policies know it as
    /// `Action::"…"`.
    Action {
        /// `Confidence`
        Confidence = "Confidence",
        /// `Criticality`
        Criticality = "Criticality",
        /// `Note`, text and author together
        Note = "Note",
        /// One element of `RelatedFindings`
        RelatedFindings = "RelatedFindings",
        /// `Severity.Label`, given or derived
        SeverityLabel = "Severity.Label",
        /// `Severity.Normalized`
        SeverityNormalized = "Severity.Normalized",
        /// `Severity.Product`
        SeverityProduct = "Severity.Product",
        /// One element of `Types`
        Types = "Types",
        /// One key of `UserDefinedFields`
        UserDefinedFields = "UserDefinedFields",
        /// `VerificationState`
        VerificationState = "VerificationState",
        /// `Workflow.Status`
        WorkflowStatus = "Workflow.Status",
    }
}

impl Action {
    /// The field that a denial of this change takes out.
    pub const fn field(self) -> Field {
        match self {
            Self::Confidence => Field::Confidence,
            Self::Criticality => Field::Criticality,
            Self::Note => Field::Note,
            Self::RelatedFindings => Field::RelatedFindings,
            Self::SeverityLabel | Self::SeverityNormalized | Self::SeverityProduct => Field::Severity,
            Self::Types => Field::Types,
            Self::UserDefinedFields => Field::UserDefinedFields,
            Self::VerificationState => Field::VerificationState,
            Self::WorkflowStatus => Field::Workflow,
        }
    }
}

/// One question to the policies: an action with its proposed value. Only [`Update::changes`] makes them, so that the
/// value always has the action's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change<'u> {
    action: Action,
    value: Value<'u>,
}

/// A proposed value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'u> {
    /// `Severity.Label`
    Label(SeverityLabel),
    /// `Note`
    Note(&'u Note<'u>),
    /// `Severity.Product`
    ProductScore(ProductScore),
    /// `Confidence`, `Criticality`, `Severity.Normalized`
    Ratio(u8),
    /// An element of `RelatedFindings`
    Related(&'u Identifier<'u>),
    /// An element of `Types`
    Type(&'u str),
    /// A key of `UserDefinedFields` with its value
    UserDefined {
        /// The key.
        key: &'u str,
        /// Its value.
        value: &'u str,
    },
    /// `VerificationState`
    Verification(VerificationState),
    /// `Workflow.Status`
    Workflow(WorkflowStatus),
}

impl<'u> Change<'u> {
    /// What is to be changed.
    pub const fn action(&self) -> Action {
        self.action
    }

    /// What it is to become.
    pub const fn value(&self) -> Value<'u> {
        self.value
    }
}

/// `Workflow.Status = SUPPRESSED`, `UserDefinedFields["owner"] = "team-a"`: what a message shows. A note's text is
/// left out.
impl fmt::Display for Change<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let action = self.action;
        match self.value {
            Value::Label(label) => write!(f, "{action} = {label}"),
            Value::Note(_) => write!(f, "{action}"),
            Value::ProductScore(score) => write!(f, "{action} = {score}"),
            Value::Ratio(ratio) => write!(f, "{action} = {ratio}"),
            Value::Related(finding) => write!(f, "{action} with {}", Excerpt(&finding.id)),
            Value::Type(kind) => write!(f, "{action} with {}", Excerpt(kind)),
            Value::UserDefined { key, value } => write!(f, "{action}[{}] = {}", Excerpt(key), Excerpt(value)),
            Value::Verification(state) => write!(f, "{action} = {state}"),
            Value::Workflow(status) => write!(f, "{action} = {status}"),
        }
    }
}

impl Update<'_> {
    /// Every question that this update puts: one a leaf, list element and map key.
    ///
    /// Severity is canonical: a number stands for a label, so a `Severity.Normalized` asks `Severity.Label` with the
    /// label that upstream derives from it, too. A rule on the label cannot be walked around through the number.
    pub fn changes(&self) -> Vec<Change<'_>> {
        let mut changes = Vec::with_capacity(16);
        let mut ask = |action, value| changes.push(Change { action, value });
        if let Some(confidence) = self.confidence {
            ask(Action::Confidence, Value::Ratio(confidence));
        }
        if let Some(criticality) = self.criticality {
            ask(Action::Criticality, Value::Ratio(criticality));
        }
        if let Some(note) = &self.note {
            ask(Action::Note, Value::Note(note));
        }
        for finding in self.related_findings.iter().flatten() {
            ask(Action::RelatedFindings, Value::Related(finding));
        }
        if let Some(severity) = &self.severity {
            let derived = severity.normalized.map(SeverityLabel::of_normalized);
            if let Some(label) = severity.label {
                ask(Action::SeverityLabel, Value::Label(label));
            }
            if let Some(derived) = derived.filter(|derived| severity.label != Some(*derived)) {
                ask(Action::SeverityLabel, Value::Label(derived));
            }
            if let Some(normalized) = severity.normalized {
                ask(Action::SeverityNormalized, Value::Ratio(normalized));
            }
            if let Some(product) = severity.product {
                ask(Action::SeverityProduct, Value::ProductScore(product));
            }
        }
        for kind in self.types.iter().flatten() {
            ask(Action::Types, Value::Type(kind));
        }
        for (key, value) in self.user_defined_fields.iter().flatten() {
            ask(Action::UserDefinedFields, Value::UserDefined { key, value });
        }
        if let Some(state) = self.verification_state {
            ask(Action::VerificationState, Value::Verification(state));
        }
        if let Some(status) = self.workflow {
            ask(Action::WorkflowStatus, Value::Workflow(status));
        }
        changes
    }
}

/// A finding that changes are asked about: named, in the account that owns it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target<'u> {
    /// Which finding.
    pub identifier: &'u Identifier<'u>,
    /// Whose it is.
    pub owner: AccountId,
}

#[cfg(test)]
mod tests {
    use crate::finding::BatchUpdate;

    fn changes(update: &str) -> Vec<String> {
        let body = format!(r#"{{"FindingIdentifiers":[{{"Id":"f","ProductArn":"arn:aws:securityhub:x"}}],{update}}}"#);
        let request = BatchUpdate::parse(body.as_bytes()).unwrap();
        request.update.changes().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn one_question_a_leaf_element_and_key() {
        for (update, expected) in [
            (r#""Confidence":7,"Criticality":100"#, &["Confidence = 7", "Criticality = 100"][..]),
            (r#""Note":{"Text":"secret","UpdatedBy":"ana"}"#, &["Note"]),
            (r#""Types":["a/b","c"]"#, &[r#"Types with "a/b""#, r#"Types with "c""#]),
            (
                r#""UserDefinedFields":{"ticket":"SEC-1","owner":"x"}"#,
                &[r#"UserDefinedFields["ticket"] = "SEC-1""#, r#"UserDefinedFields["owner"] = "x""#],
            ),
            (
                r#""RelatedFindings":[{"Id":"r","ProductArn":"arn:aws:securityhub:eu-west-1::product/aws/x"}]"#,
                &[r#"RelatedFindings with "r""#],
            ),
            (
                r#""Workflow":{"Status":"SUPPRESSED"},"VerificationState":"FALSE_POSITIVE""#,
                &["VerificationState = FALSE_POSITIVE", "Workflow.Status = SUPPRESSED"],
            ),
        ] {
            assert_eq!(changes(update), expected, "{update}");
        }
    }

    #[test]
    fn a_severity_asks_for_every_label_it_stands_for() {
        for (severity, expected) in [
            (r#""Label":"HIGH""#, &["Severity.Label = HIGH"][..]),
            (r#""Normalized":95"#, &["Severity.Label = CRITICAL", "Severity.Normalized = 95"]),
            (r#""Label":"HIGH","Normalized":70"#, &["Severity.Label = HIGH", "Severity.Normalized = 70"]),
            (
                r#""Label":"HIGH","Normalized":1"#,
                &["Severity.Label = HIGH", "Severity.Label = LOW", "Severity.Normalized = 1"],
            ),
            (r#""Product":1"#, &["Severity.Product = 1.0"]),
        ] {
            assert_eq!(changes(&format!(r#""Severity":{{{severity}}}"#)), expected, "{severity}");
        }
    }
}

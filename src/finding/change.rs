//! Changes: the questions that a request puts to the policies.

use super::{
    AccountId, Field, Identifier, Note, Operation, RecordState, Severity, SeverityLabel, State, Text, Update,
    VerificationState, WorkflowStatus, number::ProductScore, text::Excerpt, vocabulary::vocabulary,
};
use jiff::Timestamp;
use std::fmt;

vocabulary! {
    /// What can be changed of a finding, a leaf each, named as IAM's condition keys name it
    /// (`securityhub:ASFFSyntaxPath/…`). Policies know it as `Action::"…"`.
    Action {
        /// `Confidence`
        Confidence = "Confidence",
        /// `Criticality`
        Criticality = "Criticality",
        /// An imported finding as a whole
        Import = "Import",
        /// `Note`, text and author together
        Note = "Note",
        /// `RecordState`
        RecordState = "RecordState",
        /// One element of `RelatedFindings`
        RelatedFindings = "RelatedFindings",
        /// One element of `RelatedFindings` that the finding has and the new list leaves out
        RelatedFindingsRemove = "RelatedFindings.Remove",
        /// `Severity.Label`, given or derived
        SeverityLabel = "Severity.Label",
        /// `Severity.Normalized`
        SeverityNormalized = "Severity.Normalized",
        /// `Severity.Product`
        SeverityProduct = "Severity.Product",
        /// One element of `Types`
        Types = "Types",
        /// One element of `Types` that the finding has and the new list leaves out
        TypesRemove = "Types.Remove",
        /// One key of `UserDefinedFields`
        UserDefinedFields = "UserDefinedFields",
        /// One key of `UserDefinedFields` that the finding has and the new map leaves out
        UserDefinedFieldsRemove = "UserDefinedFields.Remove",
        /// `VerificationState`
        VerificationState = "VerificationState",
        /// `Workflow.Status`
        WorkflowStatus = "Workflow.Status",
    }
}

impl Action {
    /// The field that a denial of this change takes out; nothing for [`Action::Import`], which is about the whole finding.
    pub const fn field(self) -> Option<Field> {
        Some(match self {
            Self::Confidence => Field::Confidence,
            Self::Criticality => Field::Criticality,
            Self::Import => return None,
            Self::Note => Field::Note,
            Self::RecordState => Field::RecordState,
            Self::RelatedFindings | Self::RelatedFindingsRemove => Field::RelatedFindings,
            Self::SeverityLabel | Self::SeverityNormalized | Self::SeverityProduct => Field::Severity,
            Self::Types | Self::TypesRemove => Field::Types,
            Self::UserDefinedFields | Self::UserDefinedFieldsRemove => Field::UserDefinedFields,
            Self::VerificationState => Field::VerificationState,
            Self::WorkflowStatus => Field::Workflow,
        })
    }
}

impl Action {
    /// Whether it is about something that the finding has and would lose.
    pub const fn is_removal(self) -> bool {
        matches!(self, Self::RelatedFindingsRemove | Self::TypesRemove | Self::UserDefinedFieldsRemove)
    }
}

/// A set of actions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ActionSet(u32);

impl ActionSet {
    /// The set with the action.
    #[must_use]
    pub const fn with(self, action: Action) -> Self {
        Self(self.0 | 1 << action as u32)
    }

    /// Whether the action is in the set.
    pub const fn contains(self, action: Action) -> bool {
        self.0 & 1 << action as u32 != 0
    }
}

impl FromIterator<Action> for ActionSet {
    fn from_iter<I: IntoIterator<Item = Action>>(actions: I) -> Self {
        actions.into_iter().fold(Self::default(), Self::with)
    }
}

/// One question to the policies: an action with its proposed value. Only this module and its neighbours make them, so that
/// the value always has the action's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change<'u> {
    action: Action,
    value: Value<'u>,
    field: Option<Field>,
}

/// A proposed value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'u> {
    /// `Import` has none.
    Nothing,
    /// `Severity.Label`
    Label(SeverityLabel),
    /// `Note`
    Note(&'u Note<'u>),
    /// `Severity.Product`
    ProductScore(ProductScore),
    /// `Confidence`, `Criticality`, `Severity.Normalized`
    Ratio(u8),
    /// `RecordState`
    Record(RecordState),
    /// An element of `RelatedFindings`
    Related {
        /// Its `Id`.
        id: &'u str,
        /// Its `ProductArn`.
        product_arn: &'u str,
    },
    /// An element of `Types`
    Type(&'u str),
    /// Some element that the finding may have: what it has is not known.
    Unknown,
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
    /// The value must have the action's type.
    pub(super) const fn new(action: Action, value: Value<'u>) -> Self {
        Self { action, value, field: action.field() }
    }

    /// The question whether a finding may be imported.
    pub const fn import() -> Self {
        Self::new(Action::Import, Value::Nothing)
    }

    /// The question whether a finding's record may get this state.
    pub const fn record_state(state: RecordState) -> Self {
        Self::new(Action::RecordState, Value::Record(state))
    }

    /// The question whether a finding's `Workflow.Status` may become this one.
    pub(super) const fn workflow(status: WorkflowStatus) -> Self {
        Self::new(Action::WorkflowStatus, Value::Workflow(status))
    }

    /// The question whether anything that a finding may have can be dropped from one of its lists or maps: `action` is one of
    /// the three that end in `.Remove`.
    pub const fn any_removal(action: Action) -> Self {
        Self::new(action, Value::Unknown)
    }

    /// The same, with another field that a denial takes out.
    #[must_use]
    pub(super) const fn of_field(self, field: Field) -> Self {
        Self { field: Some(field), ..self }
    }

    /// What is to be changed.
    pub const fn action(&self) -> Action {
        self.action
    }

    /// What it is to become.
    pub const fn value(&self) -> Value<'u> {
        self.value
    }

    /// The field that a denial takes out; nothing where it is about the whole finding.
    pub const fn field(&self) -> Option<Field> {
        self.field
    }
}

/// What all questions of a request share.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'u> {
    /// What the caller called.
    pub operation: Operation,
    /// When.
    pub now: Timestamp,
    /// The note that comes with the changes.
    pub note: Option<&'u Note<'u>>,
    /// The keys and values that come with the changes; nothing where there is no such member.
    pub user_defined_fields: Option<&'u [(Text<'u>, Text<'u>)]>,
}

/// `Workflow.Status = SUPPRESSED`, `UserDefinedFields["owner"] = "team-a"`: what a message shows. A note's text is
/// left out.
impl fmt::Display for Change<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let action = self.action;
        match self.value {
            Value::Label(label) => write!(f, "{action} = {label}"),
            Value::Nothing | Value::Note(_) => write!(f, "{action}"),
            Value::ProductScore(score) => write!(f, "{action} = {score}"),
            Value::Ratio(ratio) => write!(f, "{action} = {ratio}"),
            Value::Record(state) => write!(f, "{action} = {state}"),
            Value::Related { id, .. } => write!(f, "{action} with {}", Excerpt(id)),
            Value::Type(kind) => write!(f, "{action} with {}", Excerpt(kind)),
            Value::Unknown => write!(f, "{action} of what the finding has"),
            Value::UserDefined { key, .. } if action == Action::UserDefinedFieldsRemove => {
                write!(f, "{action} with {}", Excerpt(key))
            }
            Value::UserDefined { key, value } => write!(f, "{action}[{}] = {}", Excerpt(key), Excerpt(value)),
            Value::Verification(state) => write!(f, "{action} = {state}"),
            Value::Workflow(status) => write!(f, "{action} = {status}"),
        }
    }
}

impl<'u> Update<'u> {
    /// Every question that this update puts: one a leaf, list element and map key.
    ///
    /// Severity is canonical: a number stands for a label, so a `Severity.Normalized` asks `Severity.Label` with the
    /// label that upstream derives from it, too. A rule on the label cannot be walked around through the number.
    pub fn changes(&self) -> Vec<Change<'_>> {
        let mut changes = Vec::with_capacity(16);
        let mut ask = |action, value| changes.push(Change::new(action, value));
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
            let (id, product_arn) = (&*finding.id, &*finding.product_arn);
            ask(Action::RelatedFindings, Value::Related { id, product_arn });
        }
        if let Some(severity) = &self.severity {
            severity.ask(&mut ask);
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

    /// What comes with every question of this update.
    pub fn circumstances(&'u self, operation: Operation, now: Timestamp) -> Circumstances<'u> {
        let (note, user_defined_fields) = (self.note.as_ref(), self.user_defined_fields.as_deref());
        Circumstances { operation, now, note, user_defined_fields }
    }

    /// The actions by which this update may drop something that a finding has: upstream replaces lists and maps as a whole.
    pub fn may_remove(&self) -> impl Iterator<Item = Action> {
        [
            self.related_findings.is_some().then_some(Action::RelatedFindingsRemove),
            self.types.is_some().then_some(Action::TypesRemove),
            self.user_defined_fields.is_some().then_some(Action::UserDefinedFieldsRemove),
        ]
        .into_iter()
        .flatten()
    }

    /// What this update drops of a finding as it is: each element and key that it does not name again.
    pub fn removals<'s>(&self, state: &'s State) -> Vec<Change<'s>> {
        let mut removals = Vec::new();
        if let Some(related) = &self.related_findings {
            let stays = |(product_arn, id): &(String, String)| {
                related.iter().any(|finding| *finding.id == **id && *finding.product_arn == **product_arn)
            };
            let dropped = state.related_findings.iter().filter(|finding| !stays(finding));
            removals.extend(dropped.map(|(product_arn, id)| {
                Change::new(Action::RelatedFindingsRemove, Value::Related { id, product_arn })
            }));
        }
        if let Some(types) = &self.types {
            let dropped = state.types.iter().filter(|kind| !types.iter().any(|stays| **stays == ***kind));
            removals.extend(dropped.map(|kind| Change::new(Action::TypesRemove, Value::Type(kind))));
        }
        if let Some(pairs) = &self.user_defined_fields {
            let dropped =
                state.user_defined_fields.iter().filter(|(key, _)| !pairs.iter().any(|(stays, _)| **stays == ***key));
            removals.extend(
                dropped.map(|(key, value)| {
                    Change::new(Action::UserDefinedFieldsRemove, Value::UserDefined { key, value })
                }),
            );
        }
        removals
    }
}

impl Severity {
    /// Puts the questions of a severity.
    pub(super) fn ask<'u>(&self, ask: &mut impl FnMut(Action, Value<'u>)) {
        let derived = self.normalized.map(SeverityLabel::of_normalized);
        if let Some(label) = self.label {
            ask(Action::SeverityLabel, Value::Label(label));
        }
        if let Some(derived) = derived.filter(|derived| self.label != Some(*derived)) {
            ask(Action::SeverityLabel, Value::Label(derived));
        }
        if let Some(normalized) = self.normalized {
            ask(Action::SeverityNormalized, Value::Ratio(normalized));
        }
        if let Some(product) = self.product {
            ask(Action::SeverityProduct, Value::ProductScore(product));
        }
    }
}

/// A finding that changes are asked about: named, in the account that owns it, as it is if that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target<'u> {
    /// Which finding.
    pub identifier: &'u Identifier<'u>,
    /// Whose it is.
    pub owner: AccountId,
    /// How it is now; for a finding that an import creates, how it will be.
    pub state: Option<&'u State>,
    /// Whether an import creates it, where that is known. An update never does.
    pub is_new: Option<bool>,
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

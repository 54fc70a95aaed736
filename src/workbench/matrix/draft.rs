//! An example in the making: one change, with what travels with it, about a finding.

use super::super::{Call, CallerFixture, Example, FindingFixture, ReferenceFixture, SeverityFixture};
use crate::finding::{
    AccountId, Action, Field, RecordState, SeverityLabel, Timestamp, VerificationState, WorkflowStatus,
};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What the caller calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Door {
    Update,
    Import,
}

impl Door {
    /// What people call it.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Update => "update",
            Self::Import => "import",
        }
    }
}

/// What is proposed.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Proposal {
    Nothing,
    Label(SeverityLabel),
    Number(u8),
    /// In ten-thousandths.
    Score(i64),
    Workflow(WorkflowStatus),
    Verification(VerificationState),
    Record(RecordState),
    Text(String),
    Pair {
        key: String,
        value: String,
    },
    Reference {
        id: String,
        product_arn: String,
    },
    Note {
        text: String,
        updated_by: String,
    },
}

/// An example in the making.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) action: Action,
    pub(super) caller: CallerFixture,
    pub(super) door: Door,
    pub(super) proposal: Proposal,
    pub(super) finding: FindingFixture,
    /// The note that travels with it: text, and who wrote it.
    pub(super) note: Option<(String, String)>,
    /// The UserDefinedFields that travel with it.
    pub(super) keys: Option<BTreeMap<String, String>>,
    /// Further fields that travel with it, with plain values.
    pub(super) fields: BTreeSet<Field>,
    pub(super) now: Timestamp,
}

/// A product of which every account has findings.
const PRODUCT: &str = "arn:aws:securityhub:eu-west-1::product/aws/inspector";

impl Proposal {
    /// What an action proposes where it does not matter.
    pub(super) fn plain(action: Action) -> Self {
        match action {
            Action::Confidence | Action::Criticality | Action::SeverityNormalized => Self::Number(50),
            Action::Import => Self::Nothing,
            Action::Note => Self::Note { text: "other".into(), updated_by: "other".into() },
            Action::RecordState => Self::Record(RecordState::Active),
            Action::RelatedFindings | Action::RelatedFindingsRemove => {
                Self::Reference { id: "other".into(), product_arn: PRODUCT.into() }
            }
            Action::SeverityLabel => Self::Label(SeverityLabel::Medium),
            Action::SeverityProduct => Self::Score(10_000),
            Action::Types | Action::TypesRemove => Self::Text("other".into()),
            Action::UserDefinedFields | Action::UserDefinedFieldsRemove => {
                Self::Pair { key: "other".into(), value: "other".into() }
            }
            Action::VerificationState => Self::Verification(VerificationState::Unknown),
            Action::WorkflowStatus => Self::Workflow(WorkflowStatus::New),
        }
    }
}

impl Draft {
    pub(super) fn plain(action: Action, caller: &CallerFixture, door: Door) -> Self {
        Self {
            action,
            caller: caller.clone(),
            door,
            proposal: Proposal::plain(action),
            finding: FindingFixture::plain(caller.account),
            note: None,
            keys: None,
            fields: BTreeSet::new(),
            now: Example::NOW,
        }
    }

    /// Which of several changes with the same action it is about.
    pub(super) fn element(&self) -> Option<String> {
        match &self.proposal {
            Proposal::Label(label) => Some(label.to_string()),
            Proposal::Text(kind) => Some(kind.clone()),
            Proposal::Pair { key, .. } => Some(key.clone()),
            Proposal::Reference { id, .. } => Some(id.clone()),
            _ => None,
        }
    }

    /// The same about a finding of another account.
    pub(super) fn of(mut self, account: AccountId) -> Self {
        self.finding.account = account;
        self
    }

    /// The example. `kept` is what stays of the list or map from which a removal takes something.
    pub(super) fn example(&self, kept: &str) -> Example {
        let mut members = Map::new();
        let mut finding = self.finding.clone();
        for field in self.fields.iter().filter(|field| Some(**field) != self.action.field()) {
            self.put_plain(*field, &mut members);
        }
        if let Some((text, updated_by)) = &self.note {
            self.put_note(text, updated_by, &mut members);
        }
        let mut keys = self.keys.clone();
        match (&self.proposal, self.action) {
            (Proposal::Nothing, _) => {}
            (Proposal::Label(label), _) => put(&mut members, "Severity", json!({ "Label": label })),
            (Proposal::Number(number), Action::SeverityNormalized) => {
                put(&mut members, "Severity", json!({ "Normalized": number }));
            }
            (Proposal::Number(number), action) => put(&mut members, action.as_str(), json!(number)),
            (Proposal::Score(score), _) => {
                let mut severity = json!({ "Product": decimal(*score) });
                if self.door == Door::Import {
                    // A finding has a label, too.
                    severity["Label"] = json!("MEDIUM");
                }
                put(&mut members, "Severity", severity);
            }
            (Proposal::Workflow(status), _) => put(&mut members, "Workflow", json!({ "Status": status })),
            (Proposal::Verification(state), _) => put(&mut members, "VerificationState", json!(state)),
            (Proposal::Record(state), _) => put(&mut members, "RecordState", json!(state)),
            (Proposal::Note { text, updated_by }, _) => self.put_note(text, updated_by, &mut members),
            (Proposal::Text(kind), Action::TypesRemove) => {
                finding.types.extend([kind.clone(), kept.to_owned()]);
                put(&mut members, "Types", json!([kept]));
            }
            (Proposal::Text(kind), _) => put(&mut members, "Types", json!([kind])),
            (Proposal::Reference { id, product_arn }, Action::RelatedFindingsRemove) => {
                let reference = |id: &str, product_arn: &str| ReferenceFixture {
                    id: id.to_owned(),
                    product_arn: product_arn.to_owned(),
                };
                finding.related_findings.extend([reference(id, product_arn), reference(kept, PRODUCT)]);
                put(&mut members, "RelatedFindings", json!([{ "Id": kept, "ProductArn": PRODUCT }]));
            }
            (Proposal::Reference { id, product_arn }, _) => {
                put(&mut members, "RelatedFindings", json!([{ "Id": id, "ProductArn": product_arn }]));
            }
            (Proposal::Pair { key, value }, Action::UserDefinedFieldsRemove) => {
                finding.user_defined_fields.insert(key.clone(), value.clone());
                let keys = keys.get_or_insert_default();
                keys.remove(key);
                if keys.is_empty() {
                    let now = finding.user_defined_fields.entry(kept.to_owned()).or_insert_with(|| "other".to_owned());
                    keys.insert(kept.to_owned(), now.clone());
                }
            }
            (Proposal::Pair { key, value }, _) => {
                keys.get_or_insert_default().insert(key.clone(), value.clone());
            }
        }
        if let Some(keys) = keys {
            put(&mut members, "UserDefinedFields", json!(keys));
        }
        let call = match self.door {
            Door::Update => Call::Update(members),
            Door::Import => Call::Import(members),
        };
        Example { caller: self.caller.clone(), finding, call, now: self.now }
    }

    fn put_note(&self, text: &str, updated_by: &str, members: &mut Map<String, Value>) {
        let mut note = json!({ "Text": text, "UpdatedBy": updated_by });
        if self.door == Door::Import {
            note["UpdatedAt"] = json!(self.now.to_string());
        }
        put(members, "Note", note);
    }

    fn put_plain(&self, field: Field, members: &mut Map<String, Value>) {
        let value = match field {
            Field::Confidence | Field::Criticality => json!(50),
            Field::Note => return self.put_note("other", "other", members),
            Field::RecordState if self.door == Door::Update => return,
            Field::RecordState => json!("ACTIVE"),
            Field::RelatedFindings => json!([{ "Id": "other", "ProductArn": PRODUCT }]),
            Field::Severity => json!({ "Label": "MEDIUM" }),
            Field::Types => json!(["other"]),
            Field::UserDefinedFields => json!({ "other": "other" }),
            Field::VerificationState => json!("UNKNOWN"),
            Field::Workflow => json!({ "Status": "NEW" }),
        };
        put(members, field.as_str(), value);
    }

    /// Every whole number in it.
    pub(super) fn numbers(&self) -> Vec<i64> {
        let proposed = match self.proposal {
            Proposal::Number(number) => Some(number.into()),
            Proposal::Label(label) => Some(label.rank()),
            _ => None,
        };
        let finding = &self.finding;
        let severity = finding.severity.and_then(|SeverityFixture { normalized, .. }| normalized);
        [proposed, severity, finding.confidence, finding.criticality].into_iter().flatten().collect()
    }

    /// Every text in it.
    pub(super) fn texts(&self) -> Vec<String> {
        let proposed = match &self.proposal {
            Proposal::Text(text) => vec![text],
            Proposal::Pair { key, value } => vec![key, value],
            Proposal::Reference { id, product_arn } => vec![id, product_arn],
            Proposal::Note { text, updated_by } => vec![text, updated_by],
            _ => vec![],
        };
        let note = self.note.iter().flat_map(|(text, by)| [text, by]);
        let of_finding = self.finding.note.iter().flat_map(|note| [&note.text, &note.updated_by]);
        let finding = &self.finding;
        let names = [&finding.product_name, &finding.company_name, &finding.generator_id, &finding.region];
        let kinds = finding.types.iter().chain(&finding.resource_types).chain(finding.user_defined_fields.values());
        let all = proposed.into_iter().chain(note).chain(of_finding).chain(names.into_iter().flatten()).chain(kinds);
        let keys = self.keys.iter().flatten().flat_map(|(key, value)| [key, value]);
        all.chain(keys).cloned().chain([self.caller.principal()]).collect()
    }

    /// Every instant of the finding, with its name.
    pub(super) fn instants(&self) -> Vec<(Timestamp, &'static str)> {
        let finding = &self.finding;
        let created = finding.created_at();
        [
            (Some(created), "createdAt"),
            (Some(finding.updated_at.unwrap_or(created)), "updatedAt"),
            (finding.first_observed_at, "firstObservedAt"),
            (finding.last_observed_at, "lastObservedAt"),
        ]
        .into_iter()
        .filter_map(|(at, name)| at.map(|at| (at, name)))
        .collect()
    }
}

fn put(members: &mut Map<String, Value>, name: &str, value: Value) {
    members.insert(name.to_owned(), value);
}

/// The number of so many ten-thousandths.
pub(super) fn decimal(ten_thousandths: i64) -> Value {
    let text = format!("{}.{:04}", ten_thousandths / 10_000, ten_thousandths % 10_000);
    serde_json::from_str(text.trim_end_matches('0').trim_end_matches('.')).unwrap_or(Value::Null)
}

//! The change that a counterexample is about, as members of a request.

use super::model::{Model, decimal, entity_id, instant, word};
use crate::finding::{Action, Field, RecordState, SeverityLabel, WorkflowStatus, timestamp};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The change that a counterexample is about.
pub(super) struct Proposal {
    action: Action,
    /// The context's own members of it.
    pub(super) value: Value,
    pub(super) key: Option<String>,
    product_arn: Option<String>,
}

impl Proposal {
    pub(super) fn of(model: &Model<'_>, action: Action) -> Option<Self> {
        let get = |name: &str| model.context.get(name);
        let text = |name: &str| get(name).and_then(Value::as_str).map(str::to_owned);
        let value = match action {
            Action::Import => Value::Null,
            Action::RelatedFindings | Action::RelatedFindingsRemove => json!(text("id")?),
            Action::UserDefinedFields | Action::UserDefinedFieldsRemove => {
                json!(meant(&text("value")?, get("date"), get("number")))
            }
            Action::SeverityProduct => json!(decimal(get("value")?)?),
            Action::Note => get("value")?.clone(),
            _ => match get("value")? {
                value if entity_id(value).is_some() => json!(word(value)?),
                value => value.clone(),
            },
        };
        Some(Self { action, value, key: text("key"), product_arn: text("productArn") })
    }

    pub(super) fn element(&self) -> Option<String> {
        match self.action {
            Action::UserDefinedFields | Action::UserDefinedFieldsRemove => self.key.clone(),
            Action::Types
            | Action::TypesRemove
            | Action::RelatedFindings
            | Action::RelatedFindingsRemove
            | Action::SeverityLabel => self.value.as_str().map(str::to_owned),
            _ => None,
        }
    }

    /// The members of BatchUpdateFindings with this change, and what comes with it.
    pub(super) fn update(&self, model: &Model<'_>) -> Option<Map<String, Value>> {
        if matches!(self.action, Action::Import | Action::RecordState) {
            return None;
        }
        self.members(model, |field| field != Field::RecordState)
    }

    /// The members of an imported finding.
    pub(super) fn import(&self, model: &Model<'_>) -> Option<Map<String, Value>> {
        if self.action.is_removal() { None } else { self.members(model, |_| true) }
    }

    fn members(&self, model: &Model<'_>, may_have: impl Fn(Field) -> bool) -> Option<Map<String, Value>> {
        let own = self.action.field();
        let mut members = Map::new();
        for field in fields(model).into_iter().filter(|field| may_have(*field) && Some(*field) != own) {
            members.insert(field.to_string(), companion(model, field));
        }
        if let Some(field) = own {
            members.insert(field.to_string(), self.own(model)?);
        }
        Some(members)
    }

    /// The value of the field that has the change.
    fn own(&self, model: &Model<'_>) -> Option<Value> {
        let value = &self.value;
        Some(match self.action {
            Action::Import => return None,
            Action::Confidence | Action::Criticality | Action::RecordState | Action::VerificationState => value.clone(),
            Action::Note => json!({ "Text": value["text"], "UpdatedBy": value["updatedBy"] }),
            Action::RelatedFindings => {
                // To logic, `arn:*:*:*:*:*` is near enough to an ARN.
                let own = self.product_arn.as_deref().filter(|arn| arn.starts_with("arn:aws"));
                let other = other_finding();
                json!([{ "Id": value, "ProductArn": own.map_or_else(|| other["ProductArn"].clone(), |arn| json!(arn)) }])
            }
            Action::RelatedFindingsRemove => json!([other_finding()]),
            Action::SeverityLabel => json!({ "Label": value }),
            Action::SeverityNormalized => json!({ "Normalized": value }),
            Action::SeverityProduct => json!({ "Product": value }),
            Action::Types => json!([value]),
            Action::TypesRemove => json!([OTHER_TYPE]),
            Action::UserDefinedFields => {
                let mut pairs = proposed(model);
                pairs.insert(self.key.clone()?, value.as_str()?.to_owned());
                json!(pairs)
            }
            Action::UserDefinedFieldsRemove => {
                let mut pairs = proposed(model);
                pairs.remove(self.key.as_deref()?);
                if pairs.is_empty() {
                    pairs.insert(OTHER_KEY.to_owned(), "example".to_owned());
                }
                json!(pairs)
            }
            Action::WorkflowStatus => json!({ "Status": value }),
        })
    }

    /// The members of BatchUpdateFindingsV2.
    pub(super) fn update_v2(&self, model: &Model<'_>) -> Option<Map<String, Value>> {
        let mut members = Map::new();
        // What is proposed itself comes last, and is not beside itself.
        for field in fields(model).into_iter().filter(|field| Some(*field) != self.action.field()) {
            let (name, value) = match field {
                Field::Note => ("Comment", model.context.get("note")?.get("text")?.clone()),
                Field::Severity => ("SeverityId", json!(3)),
                Field::Workflow => ("StatusId", json!(1)),
                _ => continue,
            };
            members.insert(name.to_owned(), value);
        }
        let (name, value) = match self.action {
            Action::Note => ("Comment", self.value["text"].clone()),
            Action::SeverityLabel => {
                let label: SeverityLabel = parsed(&self.value)?;
                ("SeverityId", json!(label.rank() + 1))
            }
            Action::WorkflowStatus => {
                let id = match parsed(&self.value)? {
                    WorkflowStatus::New => 1,
                    WorkflowStatus::Notified => 2,
                    WorkflowStatus::Suppressed => 3,
                    WorkflowStatus::Resolved => 4,
                };
                ("StatusId", json!(id))
            }
            Action::RecordState if parsed(&self.value) == Some(RecordState::Archived) => ("StatusId", json!(5)),
            _ => return None,
        };
        members.insert(name.to_owned(), value);
        Some(members)
    }
}

const OTHER_TYPE: &str = "Software and Configuration Checks";
const OTHER_KEY: &str = "example";

fn other_finding() -> Value {
    json!({ "Id": "other", "ProductArn": "arn:aws:securityhub:eu-west-1::product/aws/securityhub" })
}

/// The fields that travel with the change.
fn fields(model: &Model<'_>) -> Vec<Field> {
    let fields = model.context.get("fields").and_then(Value::as_array).into_iter().flatten();
    fields.filter_map(entity_id).filter_map(Field::parse).collect()
}

/// A value for a field of which matters that it is there, or what the context says of it.
fn companion(model: &Model<'_>, field: Field) -> Value {
    match field {
        Field::Confidence | Field::Criticality => json!(50),
        Field::Note => model.context.get("note").map_or_else(
            || json!({ "Text": "example", "UpdatedBy": "example" }),
            |note| json!({ "Text": note["text"], "UpdatedBy": note["updatedBy"] }),
        ),
        Field::RecordState => json!(RecordState::Active),
        Field::RelatedFindings => json!([other_finding()]),
        Field::Severity => json!({ "Label": SeverityLabel::Medium }),
        Field::Types => json!([OTHER_TYPE]),
        Field::UserDefinedFields => {
            let pairs = proposed(model);
            if pairs.is_empty() { json!({ OTHER_KEY: "example" }) } else { json!(pairs) }
        }
        Field::VerificationState => json!("UNKNOWN"),
        Field::Workflow => json!({ "Status": WorkflowStatus::New }),
    }
}

fn proposed(model: &Model<'_>) -> BTreeMap<String, String> {
    let tags = model.context.get("userDefinedFields").map(|map| model.tags(map)).unwrap_or_default();
    let mut pairs = spelled(&tags);
    pairs.retain(|key, _| !key.trim().is_empty());
    pairs
}

/// The texts of a map of texts.
pub(super) fn spelled(tags: &Map<String, Value>) -> BTreeMap<String, String> {
    let text = |value: &Value| {
        let text = value["text"].as_str().unwrap_or_default();
        meant(text, value.get("date"), value.get("number"))
    };
    tags.iter().map(|(key, value)| (key.clone(), text(value))).collect()
}

/// A text that spells the date and the number that a counterexample gives it: to the solver they have nothing to do with it.
fn meant(text: &str, date: Option<&Value>, number: Option<&Value>) -> String {
    if let Some(number) = number.and_then(Value::as_i64) {
        return if text.parse() == Ok(number) { text.to_owned() } else { number.to_string() };
    }
    match date.and_then(instant) {
        Some(date) if timestamp::parse(text) != Some(date) => {
            let whole = date.to_string();
            whole.strip_suffix("T00:00:00Z").map_or_else(|| whole.clone(), str::to_owned)
        }
        _ => text.to_owned(),
    }
}

pub(super) fn strings(value: &Value) -> BTreeSet<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// A word of a closed vocabulary.
pub(super) fn parsed<T: DeserializeOwned>(value: &Value) -> Option<T> {
    serde_json::from_value(json!(word(value)?)).ok()
}

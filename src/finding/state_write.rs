//! A finding's state as JSON again, in the AWS Security Finding Format: what records of decisions show of it.

use super::State;
use serde_json::{Map, Value, json};

impl State {
    /// The members that policies can read, such that [`State::parse`] makes the same of them. Resources are not told apart: the state
    /// does not know which of them had which tag.
    pub fn to_asff(&self) -> Value {
        let mut finding = Map::new();
        let mut put = |name: &str, value: Option<Value>| value.map(|value| finding.insert(name.to_owned(), value));
        let texts = |texts: &std::collections::BTreeSet<String>| (!texts.is_empty()).then(|| json!(texts));
        put("AwsAccountId", Some(self.account.as_str().into()));
        let compliance = [
            ("Status", self.compliance_status.map(|status| status.as_str().into())),
            ("SecurityControlId", self.security_control_id.as_deref().map(Value::from)),
        ];
        put("Compliance", object(compliance));
        put("CompanyName", self.company_name.as_deref().map(Value::from));
        put("Confidence", self.confidence.map(Value::from));
        put("CreatedAt", Some(self.created_at.to_string().into()));
        put("Criticality", self.criticality.map(Value::from));
        put("FirstObservedAt", self.first_observed_at.map(|time| time.to_string().into()));
        put("GeneratorId", Some(self.generator_id.as_str().into()));
        put("LastObservedAt", self.last_observed_at.map(|time| time.to_string().into()));
        let note = self.note.as_ref().and_then(|note| {
            object([
                ("Text", Some(note.text.as_str().into())),
                ("UpdatedBy", Some(note.updated_by.as_str().into())),
                ("UpdatedAt", note.updated_at.map(|time| time.to_string().into())),
            ])
        });
        put("Note", note);
        put("ProductName", self.product_name.as_deref().map(Value::from));
        put("RecordState", Some(self.record_state.as_str().into()));
        put("Region", self.region.as_deref().map(Value::from));
        let related = self.related_findings.iter().map(|(arn, id)| json!({"ProductArn": arn, "Id": id}));
        put("RelatedFindings", list(related.collect()));
        put("Resources", list(self.resources()));
        let severity = [
            ("Label", Some(self.severity.label.as_str().into())),
            ("Normalized", self.severity.normalized.map(Value::from)),
        ];
        put("Severity", object(severity));
        put("Types", texts(&self.types));
        put("UpdatedAt", Some(self.updated_at.to_string().into()));
        put("UserDefinedFields", (!self.user_defined_fields.is_empty()).then(|| json!(self.user_defined_fields)));
        put("VerificationState", self.verification_state.map(|state| state.as_str().into()));
        put("Workflow", Some(json!({"Status": self.workflow_status.as_str()})));
        Value::Object(finding)
    }

    /// As few resources as have all ids, types and tags.
    fn resources(&self) -> Vec<Value> {
        let (mut ids, mut types) = (self.resource_ids.iter(), self.resource_types.iter());
        let mut tags: Vec<_> = self.resource_tags.iter().map(|(key, values)| (key, values.iter())).collect();
        let mut resources = Vec::new();
        loop {
            let tags =
                tags.iter_mut().filter_map(|(key, values)| Some(((*key).clone(), values.next()?.as_str().into())));
            let tags: Map<String, Value> = tags.collect();
            let resource = object([
                ("Id", ids.next().map(|id| id.as_str().into())),
                ("Type", types.next().map(|kind| kind.as_str().into())),
                ("Tags", (!tags.is_empty()).then_some(Value::Object(tags))),
            ]);
            match resource {
                Some(resource) => resources.push(resource),
                None => return resources,
            }
        }
    }
}

fn list(elements: Vec<Value>) -> Option<Value> {
    (!elements.is_empty()).then_some(Value::Array(elements))
}

/// The members that are there; nothing if none is.
fn object<const N: usize>(members: [(&str, Option<Value>); N]) -> Option<Value> {
    let members = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let members: Map<String, Value> = members.collect();
    (!members.is_empty()).then_some(Value::Object(members))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words() -> impl Strategy<Value = std::collections::BTreeSet<String>> {
        proptest::collection::btree_set("[a-c/\"]{1,3}", 0..4)
    }

    prop_compose! {
        fn state()(
            label in prop_oneof![Just("LOW"), Just("CRITICAL")],
            normalized in proptest::option::of(-5_i64..200),
            (confidence, control, note) in (proptest::option::of(0_i64..100), proptest::option::of("[a-z]{0,3}"), proptest::option::of("[a-z]{0,3}")),
            noted in proptest::option::of(0_i64..2_000_000_000),
            types in words(),
            (ids, kinds) in (words(), words()),
            tags in proptest::collection::btree_map("[a-c]{0,2}", words().prop_filter("some", |values| !values.is_empty()), 0..3),
            fields in proptest::collection::btree_map("[a-c]{1,2}", "[a-c]{0,2}", 0..3),
            nanos in 0_i32..1_000_000_000,
        ) -> State {
            let mut finding = json!({
                "AwsAccountId": "222222222222", "CreatedAt": "2024-05-01T00:00:00Z",
                "UpdatedAt": format!("2024-05-02T00:00:00.{nanos:09}Z"), "GeneratorId": "rule",
                "Severity": {"Label": label}, "Workflow": {"Status": "NOTIFIED"}, "RecordState": "ACTIVE",
                "VerificationState": "TRUE_POSITIVE", "Region": "eu-west-1", "CompanyName": "",
                "RelatedFindings": [{"ProductArn": "p", "Id": "1"}, {"ProductArn": "p", "Id": "2"}],
            });
            if let Some(normalized) = normalized { finding["Severity"]["Normalized"] = normalized.into(); }
            if let Some(confidence) = confidence { finding["Confidence"] = confidence.into(); }
            if let Some(control) = control { finding["Compliance"] = json!({"SecurityControlId": control}); }
            if let Some(text) = note { finding["Note"] = json!({"Text": text, "UpdatedBy": "somebody"}); }
            let mut state = State::parse(finding.as_object().unwrap()).unwrap();
            if let (Some(note), Some(second)) = (&mut state.note, noted) {
                note.updated_at = Some(crate::finding::Timestamp::from_second(second).unwrap());
            }
            State { types, resource_ids: ids, resource_types: kinds, resource_tags: tags, user_defined_fields: fields, ..state }
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(state in state()) {
            let written = state.to_asff();
            prop_assert_eq!(State::parse(written.as_object().unwrap()).unwrap(), state);
        }
    }
}

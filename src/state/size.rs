//! How much memory a finding's state takes.

use crate::finding::{NoteNow, State};
use std::{
    collections::{BTreeMap, BTreeSet},
    mem::size_of,
};

/// What an element costs besides its text: its place in a node, and what the allocator keeps.
const ELEMENT: usize = 80;
/// What a node costs that a set or map with one element has.
const NODE: usize = 640;

/// About how many bytes `state` takes, rather too many than too few: short texts in many sets take far more than their length.
pub(super) fn bytes(state: &State) -> usize {
    // Named one by one, so that a new one is not forgotten here.
    let State {
        account: _,
        compliance_status: _,
        company_name,
        confidence: _,
        created_at: _,
        criticality: _,
        first_observed_at: _,
        generator_id,
        last_observed_at: _,
        note,
        product_name,
        record_state: _,
        region,
        related_findings,
        resource_ids,
        resource_tags,
        resource_types,
        security_control_id,
        severity: _,
        types,
        updated_at: _,
        user_defined_fields,
        verification_state: _,
        workflow_status: _,
    } = state;
    let note = note.as_ref().map_or(0, |NoteNow { text, updated_by, updated_at: _ }| text.len() + updated_by.len());
    let texts = [company_name, product_name, region, security_control_id];
    size_of::<State>()
        + generator_id.len()
        + note
        + texts.into_iter().flatten().map(String::len).sum::<usize>()
        + set(resource_ids)
        + set(resource_types)
        + set(types)
        + elements(related_findings.iter().map(|(product_arn, id)| product_arn.len() + id.len()))
        + elements(user_defined_fields.iter().map(|(key, value)| key.len() + value.len()))
        + tags(resource_tags)
}

fn set(texts: &BTreeSet<String>) -> usize {
    elements(texts.iter().map(String::len))
}

fn tags(tags: &BTreeMap<String, BTreeSet<String>>) -> usize {
    elements(tags.iter().map(|(key, values)| key.len() + set(values)))
}

fn elements(mut lengths: impl ExactSizeIterator<Item = usize>) -> usize {
    let node = if lengths.len() == 0 { 0 } else { NODE };
    node + lengths.by_ref().map(|length| length + ELEMENT).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::{super::tests::finding, *};
    use serde_json::json;

    #[test]
    fn all_that_grows_counts() {
        let plain = State::parse(finding("x", 1).as_object().unwrap()).unwrap();
        assert!((size_of::<State>()..2048).contains(&bytes(&plain)), "{}", bytes(&plain));
        let long = "x".repeat(1000);
        for (name, value) in [
            ("CompanyName", json!(long)),
            ("ProductName", json!(long)),
            ("Region", json!(long)),
            ("GeneratorId", json!(long)),
            ("Note", json!({"Text": long, "UpdatedBy": ""})),
            ("Note", json!({"Text": "", "UpdatedBy": long})),
            ("Compliance", json!({"SecurityControlId": long})),
            ("Types", json!([long])),
            ("UserDefinedFields", json!({"a": long})),
            ("RelatedFindings", json!([{"ProductArn": "a", "Id": long}])),
            ("Resources", json!([{"Id": long, "Type": ""}])),
            ("Resources", json!([{"Id": "", "Type": long}])),
            ("Resources", json!([{"Id": "", "Type": "", "Tags": {"a": long}}])),
        ] {
            let mut finding = finding("x", 1);
            finding[name] = value;
            let grown = State::parse(finding.as_object().unwrap()).unwrap();
            assert!(bytes(&grown) >= bytes(&plain) + 990, "{name}");
        }
    }

    /// Small pieces are where memory goes that no length shows.
    #[test]
    fn many_short_tags_count_for_what_they_take() {
        let mut finding = finding("x", 1);
        let tags: serde_json::Map<_, _> = (0..1000).map(|key| (key.to_string(), json!(""))).collect();
        finding["Resources"] = json!([{"Id": "", "Type": "", "Tags": tags}]);
        assert!(bytes(&State::parse(finding.as_object().unwrap()).unwrap()) > 500_000);
    }
}

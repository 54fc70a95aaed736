//! The fields that GetFindingsV2 filters and sorts by, and where the store has them.

use super::{
    attribute::Attribute,
    ocsf::{Activity, COMPLIANCE, Class},
};
use crate::finding::{SeverityId, SeverityLabel, StatusId, WorkflowStatus};

/// One field of the API model's `OcsfStringField`, `OcsfDateField`, `OcsfNumberField`, `OcsfMapField`, `OcsfBooleanField` or
/// `OcsfIpField`.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    source: Source,
}

/// Which filters a field takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Date,
    Number,
    Map,
    Flag,
    Address,
}
use Kind::{Address, Date, Flag, Map, Number, Text};

#[derive(Debug)]
enum Source {
    /// A finding has at most one: an expression on its row.
    Row(fn() -> String),
    /// A finding may have several: an expression on the values of an attribute of GetFindings.
    Terms(&'static str, fn() -> String),
    /// Known to the API, not to this backend.
    Unsupported,
}

/// Where a field's values are, in SQL.
pub(super) enum Place {
    /// In the finding's row: at most one, as this expression. Text that is lacking is empty, and a number is NULL.
    Row(String),
    /// In rows of `term` of that attribute: any number, as this expression.
    Terms(usize, String),
}

impl Field {
    /// The field of that name and kind.
    pub(super) fn named(name: &str, kind: Kind) -> Option<&'static Self> {
        FIELDS.iter().find(|field| field.name == name && field.kind == kind)
    }

    /// The names of a kind that can be filtered by.
    pub(super) fn names(kind: Kind) -> impl Iterator<Item = &'static str> {
        let supported = move |field: &&Self| field.kind == kind && !matches!(field.source, Source::Unsupported);
        FIELDS.iter().filter(supported).map(|field| field.name)
    }

    /// Where its values are; nothing if this backend does not have them.
    pub(super) fn place(&self) -> Option<Place> {
        match self.source {
            Source::Row(expression) => Some(Place::Row(expression())),
            Source::Terms(attribute, expression) => {
                let (number, _) = Attribute::named(attribute)?;
                Some(Place::Terms(number, expression()))
            }
            Source::Unsupported => None,
        }
    }

    /// The SQL of what it is sorted by; nothing if a finding may have several.
    pub(super) fn sort_key(name: &str) -> Option<String> {
        let field = FIELDS.iter().find(|field| field.name == name)?;
        match (field.place()?, field.kind) {
            // A finding without the number comes before those that have one.
            (Place::Row(expression), Number) => Some(format!("ifnull({expression}, -1)")),
            (Place::Row(expression), _) => Some(expression),
            (Place::Terms(..), _) => None,
        }
    }

    /// The names that [`Self::sort_key`] knows.
    pub(super) fn sortable() -> Vec<&'static str> {
        FIELDS.iter().filter(|field| matches!(field.source, Source::Row(_))).map(|field| field.name).collect()
    }
}

/// `CASE expression WHEN … THEN … END`
fn case(expression: &str, branches: impl Iterator<Item = (&'static str, String)>, otherwise: &str) -> String {
    let mut sql = format!("(CASE {expression}");
    for (word, value) in branches {
        sql.extend([" WHEN '", word, "' THEN ", &value]);
    }
    sql.extend([" ELSE ", otherwise, " END)"]);
    sql
}

fn quoted(text: &str) -> String {
    format!("'{text}'")
}

fn severity(label: &str, show: impl Fn(SeverityId) -> String) -> String {
    let labels = SeverityLabel::ALL.iter().map(|label| (label.as_str(), show(SeverityId::of(*label))));
    case(label, labels, &show(SeverityId::Unknown))
}

fn status(show: impl Fn(StatusId) -> String) -> String {
    let states = WorkflowStatus::ALL.iter().map(|status| (status.as_str(), show(StatusId::of(*status))));
    let workflow = case("f.workflow_status", states, &show(StatusId::Unknown));
    case("f.record_state", std::iter::once(("ARCHIVED", show(StatusId::Archived))), &workflow)
}

fn activity(show: impl Fn(Activity) -> String) -> String {
    let [create, update, close] = Activity::ALL.map(show);
    format!(
        "(CASE WHEN f.record_state = 'ARCHIVED' THEN {close} WHEN f.created_at = f.updated_at THEN {create} ELSE {update} END)"
    )
}

fn compliance(show: impl Fn(u8, &str) -> String, lacking: &str) -> String {
    let states = COMPLIANCE.iter().map(|(asff, id, caption)| (*asff, show(*id, caption)));
    let known = case("f.compliance_status", states, &show(99, "Other"));
    case("f.compliance_status", std::iter::once(("", lacking.to_owned())), &known)
}

fn value() -> String {
    "t.value".to_owned()
}

const fn unsupported(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, source: Source::Unsupported }
}

const fn terms(name: &'static str, kind: Kind, attribute: &'static str) -> Field {
    Field { name, kind, source: Source::Terms(attribute, value) }
}

const fn row(name: &'static str, kind: Kind, expression: fn() -> String) -> Field {
    Field { name, kind, source: Source::Row(expression) }
}

/// Every field of the API model, in its order.
static FIELDS: [Field; 109] = [
    row("metadata.uid", Text, || "f.metadata_uid".to_owned()),
    row("activity_name", Text, || activity(|activity| quoted(activity.caption()))),
    row("cloud.account.uid", Text, || "f.account".to_owned()),
    row("cloud.provider", Text, || quoted("AWS")),
    row("cloud.region", Text, || "f.region".to_owned()),
    unsupported("compliance.assessments.category", Text),
    unsupported("compliance.assessments.name", Text),
    row("compliance.control", Text, || "f.security_control_id".to_owned()),
    row("compliance.status", Text, || compliance(|_, caption| quoted(caption), "''")),
    terms("compliance.standards", Text, "ComplianceAssociatedStandardsId"),
    terms("finding_info.desc", Text, "Description"),
    terms("finding_info.src_url", Text, "SourceUrl"),
    row("finding_info.title", Text, || "f.title".to_owned()),
    terms("finding_info.types", Text, "Type"),
    row("finding_info.uid", Text, || "f.id".to_owned()),
    unsupported("finding_info.related_events.traits.category", Text),
    terms("finding_info.related_events.uid", Text, "RelatedFindingsId"),
    terms("finding_info.related_events.product.uid", Text, "RelatedFindingsProductArn"),
    unsupported("finding_info.related_events.title", Text),
    unsupported("impact", Text),
    unsupported("likelihood", Text),
    row("metadata.product.name", Text, || "f.product_name".to_owned()),
    row("metadata.product.uid", Text, || "f.product_arn".to_owned()),
    row("metadata.product.vendor_name", Text, || "f.company_name".to_owned()),
    terms("remediation.desc", Text, "RecommendationText"),
    unsupported("remediation.references", Text),
    terms("resources.cloud_partition", Text, "ResourcePartition"),
    unsupported("resources.criticality", Text),
    unsupported("resources.name", Text),
    terms("resources.owner.account.uid", Text, "ResourceOwnerAccountId"),
    terms("resources.owner.org.uid", Text, "ResourceOwnerOrgId"),
    unsupported("resources.owner.account.name", Text),
    terms("resources.provider", Text, "ResourceProvider"),
    terms("resources.region", Text, "ResourceRegion"),
    terms("resources.type", Text, "ResourceType"),
    terms("resources.uid", Text, "ResourceId"),
    row("severity", Text, || severity("f.severity_label", |id| quoted(id.caption()))),
    row("status", Text, || status(|id| quoted(id.caption()))),
    terms("comment", Text, "NoteText"),
    unsupported("vulnerabilities.fix_coverage", Text),
    row("class_name", Text, || {
        let detection = quoted(Class::Detection.caption());
        case("f.compliance_status", std::iter::once(("", detection)), &quoted(Class::Compliance.caption()))
    }),
    unsupported("databucket.encryption_details.algorithm", Text),
    unsupported("databucket.encryption_details.key_uid", Text),
    unsupported("databucket.file.data_classifications.classifier_details.type", Text),
    unsupported("evidences.actor.user.account.uid", Text),
    unsupported("evidences.api.operation", Text),
    unsupported("evidences.api.response.error_message", Text),
    unsupported("evidences.api.service.name", Text),
    unsupported("evidences.connection_info.direction", Text),
    unsupported("evidences.connection_info.protocol_name", Text),
    unsupported("evidences.dst_endpoint.autonomous_system.name", Text),
    unsupported("evidences.dst_endpoint.location.city", Text),
    unsupported("evidences.dst_endpoint.location.country", Text),
    unsupported("evidences.src_endpoint.autonomous_system.name", Text),
    unsupported("evidences.src_endpoint.hostname", Text),
    unsupported("evidences.src_endpoint.location.city", Text),
    unsupported("evidences.src_endpoint.location.country", Text),
    unsupported("finding_info.analytic.name", Text),
    unsupported("malware.name", Text),
    unsupported("malware_scan_info.uid", Text),
    unsupported("malware.severity", Text),
    unsupported("resources.cloud_function.layers.uid_alt", Text),
    unsupported("resources.cloud_function.runtime", Text),
    unsupported("resources.cloud_function.user.uid", Text),
    unsupported("resources.device.encryption_details.key_uid", Text),
    unsupported("resources.device.image.uid", Text),
    unsupported("resources.image.architecture", Text),
    unsupported("resources.image.registry_uid", Text),
    unsupported("resources.image.repository_name", Text),
    unsupported("resources.image.uid", Text),
    unsupported("resources.subnet_info.uid", Text),
    unsupported("resources.vpc_uid", Text),
    unsupported("vulnerabilities.affected_code.file.path", Text),
    unsupported("vulnerabilities.affected_packages.name", Text),
    unsupported("vulnerabilities.cve.epss.score", Text),
    unsupported("vulnerabilities.cve.uid", Text),
    unsupported("vulnerabilities.related_vulnerabilities", Text),
    row("cloud.account.name", Text, || "f.account_name".to_owned()),
    Field {
        name: "vendor_attributes.severity",
        kind: Text,
        source: Source::Terms("FindingProviderFieldsSeverityLabel", || severity("t.value", |id| quoted(id.caption()))),
    },
    row("finding_info.created_time_dt", Date, || "f.created_at".to_owned()),
    row("finding_info.first_seen_time_dt", Date, || "f.first_observed_at".to_owned()),
    row("finding_info.last_seen_time_dt", Date, || "f.last_observed_at".to_owned()),
    row("finding_info.modified_time_dt", Date, || "f.updated_at".to_owned()),
    unsupported("resources.image.created_time_dt", Date),
    unsupported("resources.image.last_used_time_dt", Date),
    unsupported("resources.modified_time_dt", Date),
    unsupported("compliance.assessments.meets_criteria", Flag),
    unsupported("vulnerabilities.is_exploit_available", Flag),
    unsupported("vulnerabilities.is_fix_available", Flag),
    row("activity_id", Number, || activity(|activity| (activity as u8).to_string())),
    row("compliance.status_id", Number, || compliance(|id, _| id.to_string(), "NULL")),
    row("confidence_score", Number, || "f.confidence".to_owned()),
    row("severity_id", Number, || severity("f.severity_label", |id| id.id().to_string())),
    row("status_id", Number, || status(|id| id.id().to_string())),
    unsupported("finding_info.related_events_count", Number),
    unsupported("evidences.api.response.code", Number),
    unsupported("evidences.dst_endpoint.autonomous_system.number", Number),
    unsupported("evidences.dst_endpoint.port", Number),
    unsupported("evidences.src_endpoint.autonomous_system.number", Number),
    unsupported("evidences.src_endpoint.port", Number),
    unsupported("resources.image.in_use_count", Number),
    unsupported("vulnerabilities.cve.cvss.base_score", Number),
    Field {
        name: "vendor_attributes.severity_id",
        kind: Number,
        source: Source::Terms("FindingProviderFieldsSeverityLabel", || severity("t.value", |id| id.id().to_string())),
    },
    terms("resources.tags", Map, "ResourceTags"),
    unsupported("compliance.control_parameters", Map),
    unsupported("databucket.tags", Map),
    unsupported("finding_info.tags", Map),
    unsupported("evidences.dst_endpoint.ip", Address),
    unsupported("evidences.src_endpoint.ip", Address),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique_and_attributes_exist() {
        let names: HashSet<_> = FIELDS.iter().map(|field| field.name).collect();
        assert_eq!(names.len(), FIELDS.len());
        for field in &FIELDS {
            assert_eq!(field.place().is_none(), matches!(field.source, Source::Unsupported), "{}", field.name);
            if let Source::Terms(attribute, _) = field.source {
                let (_, attribute) = Attribute::named(attribute).unwrap();
                assert_eq!(attribute.place, super::super::attribute::Place::Terms, "{}", field.name);
            }
        }
    }
}

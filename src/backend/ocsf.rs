//! A finding in terms of OCSF, made of the finding as it is kept.
//!
//! Pure. Which member becomes which follows the names that GetFindingsV2 filters by (API model), and OCSF 1.5 for the shape.

use super::{
    json::{Object, text_at},
    metadata_uid::metadata_uid_of,
};
use crate::finding::{RecordState, SeverityId, SeverityLabel, StatusId, WorkflowStatus, timestamp};
use serde_json::{Value, json};

/// The version of OCSF that the documents keep to.
const OCSF: &str = "1.5.0";

/// What a finding's record says of its history.
#[derive(Clone, Copy)]
pub(super) enum Activity {
    Create = 1,
    Update = 2,
    Close = 3,
}

impl Activity {
    pub(super) const ALL: [Self; 3] = [Self::Create, Self::Update, Self::Close];

    pub(super) const fn caption(self) -> &'static str {
        match self {
            Self::Create => "Create",
            Self::Update => "Update",
            Self::Close => "Close",
        }
    }
}

/// The class of a finding: a control's has a compliance status.
#[derive(Clone, Copy)]
pub(super) enum Class {
    Compliance = 2003,
    Detection = 2004,
}

impl Class {
    pub(super) const fn caption(self) -> &'static str {
        match self {
            Self::Compliance => "Compliance Finding",
            Self::Detection => "Detection Finding",
        }
    }
}

/// `Compliance.Status` in ASFF, and the number and caption of `compliance.status` in OCSF. Any other is 99, Other.
pub(super) const COMPLIANCE: [(&str, u8, &str); 4] =
    [("PASSED", 1, "Pass"), ("WARNING", 2, "Warning"), ("FAILED", 3, "Fail"), ("NOT_AVAILABLE", 0, "Unknown")];

/// The finding in terms of OCSF.
pub(super) fn document(finding: &Object) -> Value {
    let text = |path: &[&str]| text_at(finding, path).map(Value::from);
    let (severity, status) = (severity(finding), status(finding));
    let (activity, class) = (activity(finding), class(finding));
    let type_uid = class as u32 * 100 + activity as u32;
    let modified = text(&["UpdatedAt"]);
    object([
        ("activity_id", Some((activity as u8).into())),
        ("activity_name", Some(activity.caption().into())),
        ("category_uid", Some(2.into())),
        ("category_name", Some("Findings".into())),
        ("class_uid", Some((class as u16).into())),
        ("class_name", Some(class.caption().into())),
        ("type_uid", Some(type_uid.into())),
        ("type_name", Some(format!("{}: {}", class.caption(), activity.caption()).into())),
        ("time", modified.as_ref().and_then(milliseconds)),
        ("time_dt", modified),
        ("metadata", Some(metadata(finding))),
        ("cloud", Some(cloud(finding))),
        ("finding_info", Some(finding_info(finding))),
        ("severity_id", Some(severity.id().into())),
        ("severity", Some(severity.caption().into())),
        ("status_id", Some(status.id().into())),
        ("status", Some(status.caption().into())),
        ("comment", text(&["Note", "Text"])),
        ("confidence_score", finding.get("Confidence").cloned()),
        (
            "resources",
            finding.get("Resources").and_then(Value::as_array).map(|list| list.iter().map(resource).collect()),
        ),
        ("compliance", compliance(finding)),
        ("remediation", remediation(finding)),
        ("vendor_attributes", vendor_attributes(finding)),
    ])
}

pub(super) fn activity(finding: &Object) -> Activity {
    let time = |name| finding.get(name).and_then(timestamp::sortable_of);
    if text_at(finding, &["RecordState"]) == Some(RecordState::Archived.as_str()) {
        Activity::Close
    } else if time("CreatedAt") == time("UpdatedAt") {
        Activity::Create
    } else {
        Activity::Update
    }
}

fn class(finding: &Object) -> Class {
    if text_at(finding, &["Compliance", "Status"]).is_some() { Class::Compliance } else { Class::Detection }
}

fn severity_of(label: Option<&str>) -> SeverityId {
    label.and_then(SeverityLabel::parse).map_or(SeverityId::Unknown, SeverityId::of)
}

fn severity(finding: &Object) -> SeverityId {
    severity_of(text_at(finding, &["Severity", "Label"]))
}

fn status(finding: &Object) -> StatusId {
    if text_at(finding, &["RecordState"]) == Some(RecordState::Archived.as_str()) {
        return StatusId::Archived;
    }
    let workflow = text_at(finding, &["Workflow", "Status"]).and_then(WorkflowStatus::parse);
    workflow.map_or(StatusId::Unknown, StatusId::of)
}

fn metadata(finding: &Object) -> Value {
    let text = |name: &str| text_at(finding, &[name]).map(Value::from);
    let product =
        object([("uid", text("ProductArn")), ("name", text("ProductName")), ("vendor_name", text("CompanyName"))]);
    json!({"uid": metadata_uid_of(finding), "version": OCSF, "product": product})
}

fn cloud(finding: &Object) -> Value {
    let text = |name: &str| text_at(finding, &[name]).map(Value::from);
    let account = object([("uid", text("AwsAccountId")), ("name", text("AwsAccountName"))]);
    object([("provider", Some("AWS".into())), ("region", text("Region")), ("account", Some(account))])
}

fn finding_info(finding: &Object) -> Value {
    let text = |name: &str| text_at(finding, &[name]).map(Value::from);
    let time = |name: &str| finding.get(name).and_then(milliseconds);
    let related = |other: &Value| json!({"uid": other.get("Id"), "product": {"uid": other.get("ProductArn")}});
    let related =
        finding.get("RelatedFindings").and_then(Value::as_array).map(|list| list.iter().map(related).collect());
    object([
        ("uid", text("Id")),
        ("title", text("Title")),
        ("desc", text("Description")),
        ("types", finding.get("Types").cloned()),
        ("src_url", text("SourceUrl")),
        ("created_time", time("CreatedAt")),
        ("created_time_dt", text("CreatedAt")),
        ("modified_time", time("UpdatedAt")),
        ("modified_time_dt", text("UpdatedAt")),
        ("first_seen_time", time("FirstObservedAt")),
        ("first_seen_time_dt", text("FirstObservedAt")),
        ("last_seen_time", time("LastObservedAt")),
        ("last_seen_time_dt", text("LastObservedAt")),
        ("related_events", related),
    ])
}

fn resource(resource: &Value) -> Value {
    let member = |name: &str| resource.get(name).cloned();
    let uid_at = |pointer: &str| resource.pointer(pointer).map(|uid| json!({"uid": uid}));
    let owner = resource
        .get("Owner")
        .map(|_| object([("account", uid_at("/Owner/Account/Id")), ("org", uid_at("/Owner/Org/Id"))]));
    let tag = |(name, value): (&String, &Value)| json!({"name": name, "value": value});
    let tags = resource.get("Tags").and_then(Value::as_object).map(|tags| tags.iter().map(tag).collect());
    object([
        ("uid", member("Id")),
        ("type", member("Type")),
        ("region", member("Region")),
        ("cloud_partition", member("Partition")),
        ("provider", member("Provider")),
        ("owner", owner),
        ("tags", tags),
    ])
}

fn compliance(finding: &Object) -> Option<Value> {
    let status = text_at(finding, &["Compliance", "Status"])?;
    let (_, id, caption) = COMPLIANCE.into_iter().find(|(asff, ..)| *asff == status).unwrap_or(("", 99, "Other"));
    let standard = |standard: &Value| standard.get("StandardsId").cloned();
    let standards = finding["Compliance"].get("AssociatedStandards").and_then(Value::as_array);
    Some(object([
        ("status_id", Some(id.into())),
        ("status", Some(caption.into())),
        ("control", text_at(finding, &["Compliance", "SecurityControlId"]).map(Value::from)),
        ("standards", standards.map(|list| list.iter().filter_map(standard).collect())),
    ]))
}

fn remediation(finding: &Object) -> Option<Value> {
    let part = |name: &str| text_at(finding, &["Remediation", "Recommendation", name]);
    let desc = part("Text")?;
    Some(object([("desc", Some(desc.into())), ("references", part("Url").map(|url| json!([url])))]))
}

/// What its provider said of it, which an update does not change.
fn vendor_attributes(finding: &Object) -> Option<Value> {
    let label = text_at(finding, &["FindingProviderFields", "Severity", "Label"])?;
    let severity = severity_of(Some(label));
    Some(json!({"severity_id": severity.id(), "severity": severity.caption()}))
}

fn milliseconds(time: &Value) -> Option<Value> {
    time.as_str().and_then(timestamp::parse).map(|instant| instant.as_millisecond().into())
}

/// The members that are there, as an object.
fn object<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    let there = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(there.collect())
}

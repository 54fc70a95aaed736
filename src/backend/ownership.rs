//! Who may write which member of a finding: its provider by BatchImportFindings, its customers by BatchUpdateFindings,
//! the service itself.
//!
//! Pure: a finding as imported goes in, the finding to store comes out. Rules: the guide, "Using FindingProviderFields"
//! and "Setting the workflow status"; API model, documentation of AwsSecurityFinding.

use super::{
    json::{Object, text_at},
    schema::ProductArn,
    severity,
};
use crate::finding::timestamp;
use jiff::Timestamp;
use serde_json::{Value, json};

/// Members that a provider sets and customers may override, each for itself.
const SHARED: [&str; 5] = ["Confidence", "Criticality", "RelatedFindings", "Severity", "Types"];
/// Members that an import sets at creation only; afterwards they are the customers'.
const CUSTOMERS: [&str; 4] = ["Note", "UserDefinedFields", "VerificationState", "Workflow"];
/// What a provider fills into `ProductFields` has room beside these.
const SERVICE_FIELDS: [&str; 3] =
    ["aws/securityhub/FindingId", "aws/securityhub/ProductName", "aws/securityhub/CompanyName"];

/// The [`SHARED`] members of one finding that BatchUpdateFindings has set: imports leave them alone from then on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Sticky(u8);

impl Sticky {
    pub(super) fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    pub(super) fn bits(self) -> u8 {
        self.0
    }

    /// Remembers that a customer set the member. Members that are no provider's are not worth remembering.
    pub(super) fn set(&mut self, member: &str) {
        if let Some(position) = SHARED.iter().position(|shared| *shared == member) {
            self.0 |= 1 << position;
        }
    }

    fn has(self, position: usize) -> bool {
        self.0 & (1 << position) != 0
    }
}

/// What the service knows of an import by itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Provenance<'a> {
    pub(super) region: &'a str,
    /// The name of the finding's account, or nothing.
    pub(super) account_name: &'a str,
    pub(super) now: Timestamp,
}

/// The finding to store for one that was not known before.
pub(super) fn create(mut given: Object, provenance: Provenance) -> Object {
    settle_shared(&mut given, None);
    let workflow = given.entry("Workflow").or_insert_with(|| json!({}));
    if let Some(workflow) = workflow.as_object_mut() {
        workflow.entry("Status").or_insert_with(|| "NEW".into());
    }
    given.entry("WorkflowState").or_insert_with(|| "NEW".into());
    given.entry("VerificationState").or_insert_with(|| "UNKNOWN".into());
    given.entry("RecordState").or_insert_with(|| "ACTIVE".into());
    settle_control(&mut given);
    derive(&mut given, provenance);
    given
}

/// The finding to store for a newer import of one that is known.
///
/// Providers send the whole finding: what is the provider's and is left out is gone, and a `RecordState` left out is
/// `ACTIVE`, as at creation.
pub(super) fn reimport(stored: &Object, mut given: Object, sticky: Sticky, provenance: Provenance) -> Object {
    settle_shared(&mut given, Some((stored, sticky)));
    for name in CUSTOMERS.into_iter().chain(["WorkflowState", "CreatedAt"]) {
        given.remove(name);
        if let Some(value) = stored.get(name) {
            given.insert(name.to_owned(), value.clone());
        }
    }
    given.entry("RecordState").or_insert_with(|| "ACTIVE".into());
    if starts_anew(stored, &given) {
        set_workflow_status(&mut given, "NEW");
    }
    settle_control(&mut given);
    derive(&mut given, provenance);
    given
}

/// Distributes the shared members between `FindingProviderFields` and the finding itself.
fn settle_shared(given: &mut Object, known: Option<(&Object, Sticky)>) {
    let mut provider = match given.remove("FindingProviderFields") {
        Some(Value::Object(fields)) => fields,
        _ => Object::new(),
    };
    for (position, name) in SHARED.into_iter().enumerate() {
        let (own, top) = (provider.remove(name), given.remove(name));
        // At creation a value in `FindingProviderFields` displaces the one beside it; later each takes its own.
        let (own, top) = match (own, top) {
            (Some(own), Some(top)) if known.is_some() => (Some(own), Some(top)),
            (Some(value), _) | (None, Some(value)) => (Some(value.clone()), Some(value)),
            (None, None) => (None, None),
        };
        let top = match known {
            Some((stored, sticky)) if sticky.has(position) => stored.get(name).cloned(),
            _ if name == "Severity" => top.as_ref().map(severity::top_level),
            _ => top,
        };
        let own = if name == "Severity" { own.as_ref().map(severity::completed) } else { own };
        if let Some(own) = own {
            provider.insert(name.to_owned(), own);
        }
        if let Some(top) = top {
            given.insert(name.to_owned(), top);
        }
    }
    given.insert("FindingProviderFields".to_owned(), Value::Object(provider));
}

/// Whether an import brings back an issue that was done with.
fn starts_anew(stored: &Object, given: &Object) -> bool {
    let state = |finding| text_at(finding, &["RecordState"]);
    let compliance = |finding| text_at(finding, &["Compliance", "Status"]);
    let returned = state(stored) == Some("ARCHIVED") && state(given) == Some("ACTIVE");
    let failed = compliance(stored) == Some("PASSED")
        && matches!(compliance(given), Some("FAILED" | "WARNING" | "NOT_AVAILABLE"));
    (returned || failed) && matches!(text_at(stored, &["Workflow", "Status"]), Some("NOTIFIED" | "RESOLVED"))
}

/// A control finding that passes is resolved, unless it was suppressed.
fn settle_control(finding: &mut Object) {
    let control = text_at(finding, &["ProductArn"])
        .and_then(ProductArn::parse)
        .is_some_and(|arn| arn.is_aws() && arn.product == "securityhub");
    if control
        && text_at(finding, &["Compliance", "Status"]) == Some("PASSED")
        && text_at(finding, &["Workflow", "Status"]) != Some("SUPPRESSED")
    {
        set_workflow_status(finding, "RESOLVED");
    }
}

fn set_workflow_status(finding: &mut Object, status: &str) {
    if let Some(workflow) = finding.get_mut("Workflow").and_then(Value::as_object_mut) {
        workflow.insert("Status".to_owned(), status.into());
    }
}

/// Sets what is the service's to set, whatever the provider wrote there.
fn derive(finding: &mut Object, provenance: Provenance) {
    let arn = text_at(finding, &["ProductArn"]).unwrap_or_default().to_owned();
    let id = text_at(finding, &["Id"]).unwrap_or_default().to_owned();
    let (mut company, mut product) = names(&arn);
    if ProductArn::parse(&arn).is_some_and(|arn| arn.custom_of().is_some()) {
        // A custom integration may name itself.
        company = text_at(finding, &["CompanyName"]).map_or(company, str::to_owned);
        product = text_at(finding, &["ProductName"]).map_or(product, str::to_owned);
    }
    let mut set = |name: &str, value: String| _ = finding.insert(name.to_owned(), value.into());
    set("Region", provenance.region.to_owned());
    set("CompanyName", company.clone());
    set("ProductName", product.clone());
    set("ProcessedAt", timestamp::written(provenance.now));
    if provenance.account_name.is_empty() {
        finding.remove("AwsAccountName");
    } else {
        finding.insert("AwsAccountName".to_owned(), provenance.account_name.into());
    }
    if let Some(fields) = finding.entry("ProductFields").or_insert_with(|| json!({})).as_object_mut() {
        for (name, value) in SERVICE_FIELDS.into_iter().zip([format!("{arn}/{id}"), product, company]) {
            fields.insert(name.to_owned(), value.into());
        }
    }
}

/// The company and product names that Security Hub gives to a product's findings.
fn names(arn: &str) -> (String, String) {
    let Some(arn) = ProductArn::parse(arn) else { return Default::default() };
    if arn.custom_of().is_some() {
        return ("Personal".to_owned(), "Default".to_owned());
    }
    let (company, product) = match (arn.is_aws(), arn.product) {
        (true, "access-analyzer") => ("AWS", "IAM Access Analyzer"),
        (true, "config") => ("AWS", "Config"),
        (true, "firewall-manager") => ("AWS", "Firewall Manager"),
        (true, "guardduty") => ("Amazon", "GuardDuty"),
        (true, "health") => ("AWS", "Health"),
        (true, "inspector") => ("Amazon", "Inspector"),
        (true, "macie") => ("Amazon", "Macie"),
        (true, "securityhub") => ("AWS", "Security Hub"),
        (true, "ssm-patch-manager") => ("AWS", "Systems Manager Patch Manager"),
        (true, product) => ("AWS", product),
        (false, product) => (arn.company, product),
    };
    (company.to_owned(), product.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::WorkflowStatus;

    const CUSTOM: &str = "arn:aws:securityhub:eu-west-1:222222222222:product/222222222222/default";
    const CONTROL: &str = "arn:aws:securityhub:eu-west-1::product/aws/securityhub";

    fn provenance() -> Provenance<'static> {
        let now = "2024-05-01T00:00:00Z".parse().unwrap();
        Provenance { region: "eu-west-1", account_name: "payments", now }
    }

    fn object(value: Value) -> Object {
        let Value::Object(object) = value else { panic!("an object") };
        object
    }

    fn created(given: Value) -> Value {
        Value::Object(create(object(given), provenance()))
    }

    fn reimported(stored: Value, given: Value, sticky: Sticky) -> Value {
        Value::Object(reimport(&object(stored), object(given), sticky, provenance()))
    }

    #[test]
    fn a_new_finding_gets_its_defaults_and_derived_members() {
        let finding = created(json!({"Id": "f", "ProductArn": CUSTOM, "Region": "mars-1", "ProductName": "Scanner"}));
        for (path, value) in [
            ("/Workflow/Status", "NEW"),
            ("/WorkflowState", "NEW"),
            ("/RecordState", "ACTIVE"),
            ("/VerificationState", "UNKNOWN"),
            ("/Region", "eu-west-1"),
            ("/CompanyName", "Personal"),
            ("/ProductName", "Scanner"),
            ("/AwsAccountName", "payments"),
            ("/ProcessedAt", "2024-05-01T00:00:00.000Z"),
            ("/ProductFields/aws~1securityhub~1ProductName", "Scanner"),
            ("/ProductFields/aws~1securityhub~1FindingId", &format!("{CUSTOM}/f")),
        ] {
            assert_eq!(finding.pointer(path).and_then(Value::as_str), Some(value), "{path}");
        }
    }

    #[test]
    fn only_a_custom_integration_names_itself() {
        let arn = "arn:aws:securityhub:eu-west-1::product/aws/guardduty";
        let finding = created(json!({"Id": "f", "ProductArn": arn, "CompanyName": "Me", "ProductName": "Mine"}));
        assert_eq!((&finding["CompanyName"], &finding["ProductName"]), (&json!("Amazon"), &json!("GuardDuty")));
    }

    #[test]
    fn customers_members_are_taken_at_creation_and_kept_at_import() {
        let mine = json!({
            "Note": {"Text": "t"}, "UserDefinedFields": {"a": "b"}, "VerificationState": "TRUE_POSITIVE",
            "Workflow": {"Status": "SUPPRESSED"}, "CreatedAt": "first",
        });
        let stored = created(mine.clone());
        let given = json!({
            "Note": {"Text": "other"}, "UserDefinedFields": {"x": "y"}, "VerificationState": "UNKNOWN",
            "Workflow": {"Status": "NEW"}, "WorkflowState": "RESOLVED", "CreatedAt": "second", "Title": "new",
        });
        let finding = reimported(stored, given, Sticky::default());
        for (name, value) in object(mine) {
            assert_eq!(finding[&name], value, "{name}");
        }
        assert_eq!((&finding["Title"], &finding["WorkflowState"]), (&json!("new"), &json!("NEW")));
    }

    /// The table of the guide: what is given, and what then stands at the top and in FindingProviderFields.
    #[test]
    fn provider_fields_follow_the_guide() {
        let both = json!({"Confidence": 1, "FindingProviderFields": {"Confidence": 2}});
        let top = json!({"Confidence": 1});
        let own = json!({"FindingProviderFields": {"Confidence": 2}});
        let none = json!({});
        let mut sticky = Sticky::default();
        sticky.set("Confidence");
        let untouched = Sticky::default();
        let old = json!({"Confidence": 9, "FindingProviderFields": {"Confidence": 8}});
        for (given, known, expected_top, expected_own) in [
            (&own, None, Some(2), Some(2)),
            (&top, None, Some(1), Some(1)),
            (&both, None, Some(2), Some(2)),
            (&none, None, None, None),
            (&own, Some(untouched), Some(2), Some(2)),
            (&top, Some(untouched), Some(1), Some(1)),
            (&both, Some(untouched), Some(1), Some(2)),
            (&none, Some(untouched), None, None),
            (&own, Some(sticky), Some(9), Some(2)),
            (&top, Some(sticky), Some(9), Some(1)),
            (&both, Some(sticky), Some(9), Some(2)),
            (&none, Some(sticky), Some(9), None),
        ] {
            let finding = match known {
                None => created(given.clone()),
                Some(sticky) => reimported(old.clone(), given.clone(), sticky),
            };
            let found = (finding["Confidence"].as_i64(), finding["FindingProviderFields"]["Confidence"].as_i64());
            assert_eq!(found, (expected_top, expected_own), "{given} {known:?}");
        }
    }

    #[test]
    fn each_shared_member_sticks_for_itself() {
        for name in SHARED {
            let mut sticky = Sticky::default();
            sticky.set(name);
            let values =
                |value: Value| Value::Object(SHARED.map(|name| (name.to_owned(), value.clone())).into_iter().collect());
            let finding = reimported(values(json!({"Label": "LOW"})), values(json!({"Label": "HIGH"})), sticky);
            for other in SHARED {
                let expected = if other == name { "LOW" } else { "HIGH" };
                assert_eq!(finding[other]["Label"], expected, "{name}: {other}");
            }
            assert_eq!(Sticky::from_bits(sticky.bits()), sticky);
        }
        let mut sticky = Sticky::default();
        sticky.set("Note");
        assert_eq!(sticky, Sticky::default());
    }

    #[test]
    fn the_providers_severity_survives_in_its_own_place() {
        let finding = created(json!({"Severity": {"Normalized": 55, "Product": 5.5, "Original": "5.5"}}));
        assert_eq!(finding["Severity"], json!({"Normalized": 55, "Original": "5.5", "Label": "MEDIUM"}));
        assert_eq!(
            finding["FindingProviderFields"]["Severity"],
            json!({"Normalized": 55, "Product": 5.5, "Original": "5.5", "Label": "MEDIUM"})
        );
    }

    #[test]
    fn workflow_starts_anew_when_the_issue_is_back() {
        let finding = |product: &str, record: &str, compliance: &str, workflow: &str| {
            json!({
                "Id": "f", "ProductArn": product, "RecordState": record, "Compliance": {"Status": compliance},
                "Workflow": {"Status": workflow},
            })
        };
        for status in WorkflowStatus::ALL.iter().map(|status| status.as_str()) {
            let done = matches!(status, "NOTIFIED" | "RESOLVED");
            let open_again = if done { "NEW" } else { status };
            for (before, after, expected) in [
                (("ARCHIVED", "FAILED"), ("ACTIVE", "FAILED"), open_again),
                (("ACTIVE", "PASSED"), ("ACTIVE", "FAILED"), open_again),
                (("ACTIVE", "PASSED"), ("ACTIVE", "WARNING"), open_again),
                (("ACTIVE", "PASSED"), ("ACTIVE", "NOT_AVAILABLE"), open_again),
                (("ACTIVE", "PASSED"), ("ACTIVE", "PASSED"), status),
                (("ACTIVE", "FAILED"), ("ARCHIVED", "FAILED"), status),
                (("ACTIVE", "WARNING"), ("ACTIVE", "FAILED"), status),
                (("ARCHIVED", "FAILED"), ("ARCHIVED", "FAILED"), status),
            ] {
                let stored = finding(CUSTOM, before.0, before.1, status);
                let given = finding(CUSTOM, after.0, after.1, "NOTIFIED");
                let found = reimported(stored, given, Sticky::default());
                assert_eq!(found["Workflow"]["Status"], expected, "{status}: {before:?} to {after:?}");
            }
            let passed = if status == "SUPPRESSED" { status } else { "RESOLVED" };
            let found = reimported(
                finding(CONTROL, "ACTIVE", "FAILED", status),
                finding(CONTROL, "ACTIVE", "PASSED", "NEW"),
                Sticky::default(),
            );
            assert_eq!(found["Workflow"]["Status"], passed, "a control passes: {status}");
        }
    }
}

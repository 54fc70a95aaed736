//! The attributes that GetFindings filters and sorts by: where each is in a finding, and where the store keeps it.

use super::json::{Object, integer};
use crate::finding::timestamp;
use rusqlite::types::Value as Sql;
use serde_json::Value;
use std::{collections::BTreeSet, net::IpAddr};

/// One member of the API's `AwsSecurityFindingFilters`.
#[derive(Debug)]
pub(super) struct Attribute {
    /// Its name in the API.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) place: Place,
    /// The members that lead to it, joined by dots; arrays on the way are walked through.
    path: &'static str,
}

/// What its values are, and so which filters it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Date,
    Number,
    IpV4,
    IpV6,
    Map,
    Flag,
}

/// Where the store keeps its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// A finding has at most one: a column of `finding`.
    Column(&'static str),
    /// A finding may have several, or few findings have one: rows of `term`.
    Terms,
    /// Known to the API, not to this backend.
    Unsupported,
}
use Kind::{Date, Flag, IpV4, IpV6, Map, Number, Text};

impl Attribute {
    /// The attribute of that name, and its number in the store.
    pub(super) fn named(name: &str) -> Option<(usize, &'static Self)> {
        ATTRIBUTES.iter().enumerate().find(|(_, attribute)| attribute.name == name)
    }

    /// The columns, in their order in the store.
    pub(super) fn columns() -> impl Iterator<Item = (&'static str, &'static Self)> {
        ATTRIBUTES.iter().filter_map(|attribute| match attribute.place {
            Place::Column(column) => Some((column, attribute)),
            Place::Terms | Place::Unsupported => None,
        })
    }

    /// What the column holds for this finding. Text and dates that it lacks are empty, which no value of theirs is.
    pub(super) fn column_value(&self, finding: &Object) -> Sql {
        let mut found = None;
        each_value(finding, self.path, &mut |value| {
            if found.is_none() {
                found = self.kind.stored(value);
            }
        });
        found.unwrap_or_else(|| match self.kind {
            Text | Date => Sql::Text(String::new()),
            Flag => Sql::Integer(0),
            Number | IpV4 | IpV6 | Map => Sql::Null,
        })
    }
}

impl Kind {
    /// The SQL type of a column of this kind, with what it holds where a finding has no value.
    pub(super) fn column_type(self) -> &'static str {
        match self {
            Text | Date => "TEXT NOT NULL",
            Flag => "INTEGER NOT NULL",
            Number => "NUMERIC",
            IpV4 | IpV6 | Map => "BLOB",
        }
    }

    /// The stored form of a value, or nothing if the value is not of this kind: unchecked members hold anything.
    pub(super) fn stored(self, value: &Value) -> Option<Sql> {
        match self {
            Text => value.as_str().map(|text| Sql::Text(text.to_owned())),
            Date => timestamp::sortable_of(value).map(Sql::Text),
            Number => integer(value).map(Sql::Integer).or_else(|| value.as_f64().map(Sql::Real)),
            IpV4 | IpV6 => value.as_str()?.parse().ok().and_then(|address| self.address(address)),
            Flag => value.as_bool().map(|flag| Sql::Integer(flag.into())),
            Map => None,
        }
    }

    /// An address as bytes, which sort as addresses do, if it is of this kind's family.
    pub(super) fn address(self, address: IpAddr) -> Option<Sql> {
        match (self, address) {
            (IpV4, IpAddr::V4(address)) => Some(Sql::Blob(address.octets().to_vec())),
            (IpV6, IpAddr::V6(address)) => Some(Sql::Blob(address.octets().to_vec())),
            _ => None,
        }
    }
}

/// One row of `term`: an attribute's number, the key of a map's pair or nothing, and a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Term {
    pub(super) attribute: usize,
    pub(super) key: String,
    pub(super) value: TermValue,
}

/// A value that can be ordered, so that two findings' terms can be compared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum TermValue {
    Bytes(Vec<u8>),
    Integer(i64),
    /// The bits of a double.
    Real(u64),
    Text(String),
}

impl TermValue {
    pub(super) fn sql(&self) -> Sql {
        match self {
            Self::Bytes(bytes) => Sql::Blob(bytes.clone()),
            Self::Integer(number) => Sql::Integer(*number),
            Self::Real(bits) => Sql::Real(f64::from_bits(*bits)),
            Self::Text(text) => Sql::Text(text.clone()),
        }
    }

    fn new(value: Sql) -> Option<Self> {
        Some(match value {
            Sql::Blob(bytes) => Self::Bytes(bytes),
            Sql::Integer(number) => Self::Integer(number),
            Sql::Real(number) => Self::Real(number.to_bits()),
            Sql::Text(text) => Self::Text(text),
            Sql::Null => return None,
        })
    }
}

/// All terms of a finding.
pub(super) fn terms(finding: &Object) -> BTreeSet<Term> {
    let mut terms = BTreeSet::new();
    for (number, attribute) in ATTRIBUTES.iter().enumerate().filter(|(_, attribute)| attribute.place == Place::Terms) {
        let mut add = |key: &str, kind: Kind, value: &Value| {
            if let Some(value) = kind.stored(value).and_then(TermValue::new) {
                terms.insert(Term { attribute: number, key: key.to_owned(), value });
            }
        };
        each_value(finding, attribute.path, &mut |value| match (attribute.kind, value) {
            (Map, Value::Object(pairs)) => pairs.iter().for_each(|(key, value)| add(key, Text, value)),
            (kind, value) => add("", kind, value),
        });
    }
    terms
}

/// Calls `visit` with each value that the path leads to.
fn each_value<'a>(members: &'a Object, path: &str, visit: &mut impl FnMut(&'a Value)) {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    match members.get(name) {
        Some(Value::Array(items)) => items.iter().for_each(|item| follow(item, rest, visit)),
        Some(value) => follow(value, rest, visit),
        None => {}
    }
}

fn follow<'a>(value: &'a Value, rest: Option<&str>, visit: &mut impl FnMut(&'a Value)) {
    match (rest, value) {
        (None, value) => visit(value),
        (Some(rest), Value::Object(members)) => each_value(members, rest, visit),
        (Some(_), _) => {}
    }
}

const fn column(name: &'static str, kind: Kind, column: &'static str, path: &'static str) -> Attribute {
    Attribute { name, kind, place: Place::Column(column), path }
}

const fn terms_of(name: &'static str, kind: Kind, path: &'static str) -> Attribute {
    Attribute { name, kind, place: Place::Terms, path }
}

const fn unsupported(name: &'static str) -> Attribute {
    Attribute { name, kind: Text, place: Place::Unsupported, path: "" }
}

/// Every filter attribute, in the order of the API model, which only ever appends.
///
/// INVARIANT: an attribute's position is its number in the store. To move one, or to change what is stored of it, is a
/// new version of the store's schema.
pub(super) static ATTRIBUTES: [Attribute; 107] = [
    column("ProductArn", Text, "product_arn", "ProductArn"),
    column("AwsAccountId", Text, "account", "AwsAccountId"),
    column("Id", Text, "id", "Id"),
    column("GeneratorId", Text, "generator_id", "GeneratorId"),
    column("Region", Text, "region", "Region"),
    terms_of("Type", Text, "Types"),
    column("FirstObservedAt", Date, "first_observed_at", "FirstObservedAt"),
    column("LastObservedAt", Date, "last_observed_at", "LastObservedAt"),
    column("CreatedAt", Date, "created_at", "CreatedAt"),
    column("UpdatedAt", Date, "updated_at", "UpdatedAt"),
    unsupported("SeverityProduct"),
    column("SeverityNormalized", Number, "severity_normalized", "Severity.Normalized"),
    column("SeverityLabel", Text, "severity_label", "Severity.Label"),
    column("Confidence", Number, "confidence", "Confidence"),
    column("Criticality", Number, "criticality", "Criticality"),
    column("Title", Text, "title", "Title"),
    terms_of("Description", Text, "Description"),
    terms_of("RecommendationText", Text, "Remediation.Recommendation.Text"),
    terms_of("SourceUrl", Text, "SourceUrl"),
    terms_of("ProductFields", Map, "ProductFields"),
    column("ProductName", Text, "product_name", "ProductName"),
    column("CompanyName", Text, "company_name", "CompanyName"),
    terms_of("UserDefinedFields", Map, "UserDefinedFields"),
    terms_of("MalwareName", Text, "Malware.Name"),
    terms_of("MalwareType", Text, "Malware.Type"),
    terms_of("MalwarePath", Text, "Malware.Path"),
    terms_of("MalwareState", Text, "Malware.State"),
    terms_of("NetworkDirection", Text, "Network.Direction"),
    terms_of("NetworkProtocol", Text, "Network.Protocol"),
    terms_of("NetworkSourceIpV4", IpV4, "Network.SourceIpV4"),
    terms_of("NetworkSourceIpV6", IpV6, "Network.SourceIpV6"),
    terms_of("NetworkSourcePort", Number, "Network.SourcePort"),
    terms_of("NetworkSourceDomain", Text, "Network.SourceDomain"),
    terms_of("NetworkSourceMac", Text, "Network.SourceMac"),
    terms_of("NetworkDestinationIpV4", IpV4, "Network.DestinationIpV4"),
    terms_of("NetworkDestinationIpV6", IpV6, "Network.DestinationIpV6"),
    terms_of("NetworkDestinationPort", Number, "Network.DestinationPort"),
    terms_of("NetworkDestinationDomain", Text, "Network.DestinationDomain"),
    terms_of("ProcessName", Text, "Process.Name"),
    terms_of("ProcessPath", Text, "Process.Path"),
    terms_of("ProcessPid", Number, "Process.Pid"),
    terms_of("ProcessParentPid", Number, "Process.ParentPid"),
    terms_of("ProcessLaunchedAt", Date, "Process.LaunchedAt"),
    terms_of("ProcessTerminatedAt", Date, "Process.TerminatedAt"),
    terms_of("ThreatIntelIndicatorType", Text, "ThreatIntelIndicators.Type"),
    terms_of("ThreatIntelIndicatorValue", Text, "ThreatIntelIndicators.Value"),
    terms_of("ThreatIntelIndicatorCategory", Text, "ThreatIntelIndicators.Category"),
    terms_of("ThreatIntelIndicatorLastObservedAt", Date, "ThreatIntelIndicators.LastObservedAt"),
    terms_of("ThreatIntelIndicatorSource", Text, "ThreatIntelIndicators.Source"),
    terms_of("ThreatIntelIndicatorSourceUrl", Text, "ThreatIntelIndicators.SourceUrl"),
    terms_of("ResourceType", Text, "Resources.Type"),
    terms_of("ResourceId", Text, "Resources.Id"),
    terms_of("ResourcePartition", Text, "Resources.Partition"),
    terms_of("ResourceRegion", Text, "Resources.Region"),
    terms_of("ResourceTags", Map, "Resources.Tags"),
    terms_of("ResourceAwsEc2InstanceType", Text, "Resources.Details.AwsEc2Instance.Type"),
    terms_of("ResourceAwsEc2InstanceImageId", Text, "Resources.Details.AwsEc2Instance.ImageId"),
    terms_of("ResourceAwsEc2InstanceIpV4Addresses", IpV4, "Resources.Details.AwsEc2Instance.IpV4Addresses"),
    terms_of("ResourceAwsEc2InstanceIpV6Addresses", IpV6, "Resources.Details.AwsEc2Instance.IpV6Addresses"),
    terms_of("ResourceAwsEc2InstanceKeyName", Text, "Resources.Details.AwsEc2Instance.KeyName"),
    terms_of(
        "ResourceAwsEc2InstanceIamInstanceProfileArn",
        Text,
        "Resources.Details.AwsEc2Instance.IamInstanceProfileArn",
    ),
    terms_of("ResourceAwsEc2InstanceVpcId", Text, "Resources.Details.AwsEc2Instance.VpcId"),
    terms_of("ResourceAwsEc2InstanceSubnetId", Text, "Resources.Details.AwsEc2Instance.SubnetId"),
    terms_of("ResourceAwsEc2InstanceLaunchedAt", Date, "Resources.Details.AwsEc2Instance.LaunchedAt"),
    terms_of("ResourceAwsS3BucketOwnerId", Text, "Resources.Details.AwsS3Bucket.OwnerId"),
    terms_of("ResourceAwsS3BucketOwnerName", Text, "Resources.Details.AwsS3Bucket.OwnerName"),
    terms_of("ResourceAwsIamAccessKeyUserName", Text, "Resources.Details.AwsIamAccessKey.UserName"),
    terms_of("ResourceAwsIamAccessKeyPrincipalName", Text, "Resources.Details.AwsIamAccessKey.PrincipalName"),
    terms_of("ResourceAwsIamAccessKeyStatus", Text, "Resources.Details.AwsIamAccessKey.Status"),
    terms_of("ResourceAwsIamAccessKeyCreatedAt", Date, "Resources.Details.AwsIamAccessKey.CreatedAt"),
    terms_of("ResourceAwsIamUserUserName", Text, "Resources.Details.AwsIamUser.UserName"),
    terms_of("ResourceContainerName", Text, "Resources.Details.Container.Name"),
    terms_of("ResourceContainerImageId", Text, "Resources.Details.Container.ImageId"),
    terms_of("ResourceContainerImageName", Text, "Resources.Details.Container.ImageName"),
    terms_of("ResourceContainerLaunchedAt", Date, "Resources.Details.Container.LaunchedAt"),
    terms_of("ResourceDetailsOther", Map, "Resources.Details.Other"),
    column("ComplianceStatus", Text, "compliance_status", "Compliance.Status"),
    column("VerificationState", Text, "verification_state", "VerificationState"),
    column("WorkflowState", Text, "workflow_state", "WorkflowState"),
    column("WorkflowStatus", Text, "workflow_status", "Workflow.Status"),
    column("RecordState", Text, "record_state", "RecordState"),
    terms_of("RelatedFindingsProductArn", Text, "RelatedFindings.ProductArn"),
    terms_of("RelatedFindingsId", Text, "RelatedFindings.Id"),
    terms_of("NoteText", Text, "Note.Text"),
    column("NoteUpdatedAt", Date, "note_updated_at", "Note.UpdatedAt"),
    terms_of("NoteUpdatedBy", Text, "Note.UpdatedBy"),
    unsupported("Keyword"),
    terms_of("FindingProviderFieldsConfidence", Number, "FindingProviderFields.Confidence"),
    terms_of("FindingProviderFieldsCriticality", Number, "FindingProviderFields.Criticality"),
    terms_of("FindingProviderFieldsRelatedFindingsId", Text, "FindingProviderFields.RelatedFindings.Id"),
    terms_of(
        "FindingProviderFieldsRelatedFindingsProductArn",
        Text,
        "FindingProviderFields.RelatedFindings.ProductArn",
    ),
    terms_of("FindingProviderFieldsSeverityLabel", Text, "FindingProviderFields.Severity.Label"),
    terms_of("FindingProviderFieldsSeverityOriginal", Text, "FindingProviderFields.Severity.Original"),
    terms_of("FindingProviderFieldsTypes", Text, "FindingProviderFields.Types"),
    column("Sample", Flag, "sample", "Sample"),
    column("ComplianceSecurityControlId", Text, "security_control_id", "Compliance.SecurityControlId"),
    terms_of("ComplianceAssociatedStandardsId", Text, "Compliance.AssociatedStandards.StandardsId"),
    terms_of("VulnerabilitiesExploitAvailable", Text, "Vulnerabilities.ExploitAvailable"),
    terms_of("VulnerabilitiesFixAvailable", Text, "Vulnerabilities.FixAvailable"),
    terms_of("ComplianceSecurityControlParametersName", Text, "Compliance.SecurityControlParameters.Name"),
    terms_of("ComplianceSecurityControlParametersValue", Text, "Compliance.SecurityControlParameters.Value"),
    column("AwsAccountName", Text, "account_name", "AwsAccountName"),
    terms_of("ResourceApplicationName", Text, "Resources.ApplicationName"),
    terms_of("ResourceApplicationArn", Text, "Resources.ApplicationArn"),
    terms_of("ResourceOwnerAccountId", Text, "Resources.Owner.Account.Id"),
    terms_of("ResourceOwnerOrgId", Text, "Resources.Owner.Org.Id"),
    terms_of("ResourceProvider", Text, "Resources.Provider"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::collections::HashSet;

    #[test]
    fn names_and_columns_are_unique() {
        let names: HashSet<_> = ATTRIBUTES.iter().map(|attribute| attribute.name).collect();
        let columns: HashSet<_> = Attribute::columns().map(|(column, _)| column).collect();
        assert_eq!((names.len(), columns.len()), (107, Attribute::columns().count()));
        let unsupported: Vec<_> =
            ATTRIBUTES.iter().filter(|a| a.place == Place::Unsupported).map(|attribute| attribute.name).collect();
        assert_eq!(unsupported, ["SeverityProduct", "Keyword"]);
    }

    #[test]
    fn values_are_found_through_objects_and_arrays() {
        let finding = json!({
            "Title": "t", "Sample": true, "Severity": {"Normalized": 40}, "UpdatedAt": "2024-01-01T02:00:00+02:00",
            "Resources": [
                {"Type": "A", "Tags": {"team": "red", "n": 1}},
                {"Type": "B", "Details": {"AwsEc2Instance": {"IpV4Addresses": ["10.0.0.1", "::1", "x"]}}},
                "not an object",
            ],
        });
        let finding = finding.as_object().unwrap();
        let column = |name| Attribute::named(name).unwrap().1.column_value(finding);
        assert_eq!(column("Title"), Sql::Text("t".into()));
        assert_eq!(column("Sample"), Sql::Integer(1));
        assert_eq!(column("SeverityNormalized"), Sql::Integer(40));
        assert_eq!(column("UpdatedAt"), Sql::Text("2024-01-01T00:00:00.000000000Z".into()));
        assert_eq!(column("LastObservedAt"), Sql::Text(String::new()));
        assert_eq!(column("Confidence"), Sql::Null);
        let found: Vec<_> =
            terms(finding).into_iter().map(|term| (ATTRIBUTES[term.attribute].name, term.key, term.value)).collect();
        let text = |text: &str| TermValue::Text(text.into());
        assert_eq!(
            found,
            [
                ("ResourceType", String::new(), text("A")),
                ("ResourceType", String::new(), text("B")),
                ("ResourceTags", "team".to_owned(), text("red")),
                ("ResourceAwsEc2InstanceIpV4Addresses", String::new(), TermValue::Bytes(vec![10, 0, 0, 1])),
            ]
        );
    }
}

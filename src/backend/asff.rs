//! What BatchImportFindings checks of a finding: the AWS Security Finding Format, as far as its limits are documented.
//!
//! Sources: the API model's documentation text; the guide, "BatchImportFindings for finding providers". Members without
//! a documented limit pass as they are.

use super::schema::{ANY, Schema};
use serde_json::Value;

/// Everything that is wrong with a finding to import.
pub(super) fn errors(finding: &Value) -> Vec<String> {
    let mut errors = FINDING.errors(finding);
    let Some(members) = finding.as_object() else { return errors };
    let within = members.get("FindingProviderFields").and_then(Value::as_object);
    for name in ["Severity", "Types"] {
        if !members.contains_key(name) && !within.is_some_and(|within| within.contains_key(name)) {
            errors.push(format!("data should have required property '{name}'"));
            if within.is_none() {
                errors.push("data should have required property 'FindingProviderFields'".to_owned());
            } else {
                errors.push(format!("data.FindingProviderFields should have required property '{name}'"));
            }
            errors.push("data should match some schema in anyOf".to_owned());
        }
    }
    let severities = [
        ("data.Severity", members.get("Severity")),
        ("data.FindingProviderFields.Severity", within.and_then(|within| within.get("Severity"))),
    ];
    for (path, severity) in severities {
        if severity
            .and_then(Value::as_object)
            .is_some_and(|severity| !severity.contains_key("Label") && !severity.contains_key("Normalized"))
        {
            errors.push(format!("{path} should have required property 'Label'"));
            errors.push(format!("{path} should have required property 'Normalized'"));
            errors.push(format!("{path} should match some schema in anyOf"));
        }
    }
    errors.dedup();
    errors
}

const fn text(max: usize) -> Schema {
    Schema::Text { max }
}

const RATIO: Schema = Schema::Integer { min: 0, max: 100 };
const COUNT: Schema = Schema::Integer { min: i64::MIN, max: i64::MAX };
const SEVERITY_LABEL: Schema = Schema::OneOf(&["INFORMATIONAL", "LOW", "MEDIUM", "HIGH", "CRITICAL"]);
const TYPES: Schema = Schema::List { min: 0, max: 50, of: &text(ANY) };
const FIELDS: Schema = Schema::Pairs { max: 50, key: 128, value: 1024 };

const FINDING: Schema = Schema::Object {
    required: &[
        "SchemaVersion",
        "Id",
        "ProductArn",
        "GeneratorId",
        "AwsAccountId",
        "CreatedAt",
        "UpdatedAt",
        "Title",
        "Description",
        "Resources",
    ],
    members: &[
        ("SchemaVersion", Schema::OneOf(&["2018-10-08"])),
        ("Id", text(512)),
        ("ProductArn", Schema::ProductArn),
        ("ProductName", text(128)),
        ("CompanyName", text(128)),
        ("Region", text(16)),
        ("GeneratorId", text(512)),
        ("AwsAccountId", Schema::Account),
        ("AwsAccountName", text(50)),
        ("Types", TYPES),
        ("FirstObservedAt", Schema::Timestamp),
        ("LastObservedAt", Schema::Timestamp),
        ("CreatedAt", Schema::Timestamp),
        ("UpdatedAt", Schema::Timestamp),
        ("ProcessedAt", Schema::Timestamp),
        ("Severity", SEVERITY),
        ("Confidence", RATIO),
        ("Criticality", RATIO),
        ("Title", text(256)),
        ("Description", text(1024)),
        ("Remediation", REMEDIATION),
        ("SourceUrl", text(ANY)),
        ("ProductFields", Schema::Pairs { max: 50, key: 128, value: 2048 }),
        ("UserDefinedFields", FIELDS),
        ("Malware", Schema::List { min: 0, max: 5, of: &MALWARE }),
        ("Network", NETWORK),
        ("Process", PROCESS),
        ("Threats", Schema::List { min: 1, max: 32, of: &THREAT }),
        ("ThreatIntelIndicators", Schema::List { min: 1, max: 5, of: &INDICATOR }),
        ("Resources", Schema::List { min: 1, max: 32, of: &RESOURCE }),
        ("Compliance", COMPLIANCE),
        ("VerificationState", Schema::OneOf(&["UNKNOWN", "TRUE_POSITIVE", "FALSE_POSITIVE", "BENIGN_POSITIVE"])),
        ("WorkflowState", Schema::OneOf(&["NEW", "ASSIGNED", "IN_PROGRESS", "DEFERRED", "RESOLVED"])),
        ("Workflow", WORKFLOW),
        ("RecordState", Schema::OneOf(&["ACTIVE", "ARCHIVED"])),
        ("RelatedFindings", RELATED_FINDINGS),
        ("Note", NOTE),
        ("Vulnerabilities", Schema::List { min: 0, max: ANY, of: &VULNERABILITY }),
        ("PatchSummary", PATCH_SUMMARY),
        ("FindingProviderFields", PROVIDER_FIELDS),
        ("Sample", Schema::Boolean),
        ("GeneratorDetails", GENERATOR_DETAILS),
    ],
};

const SEVERITY: Schema = Schema::Object {
    required: &[],
    members: &[("Label", SEVERITY_LABEL), ("Normalized", RATIO), ("Product", Schema::Number), ("Original", text(64))],
};

const PROVIDER_FIELDS: Schema = Schema::Object {
    required: &[],
    members: &[
        ("Confidence", RATIO),
        ("Criticality", RATIO),
        ("RelatedFindings", RELATED_FINDINGS),
        ("Severity", SEVERITY),
        ("Types", TYPES),
    ],
};

const RELATED_FINDINGS: Schema = Schema::List {
    min: 1,
    max: 10,
    of: &Schema::Object { required: &["ProductArn", "Id"], members: &[("ProductArn", text(2048)), ("Id", text(512))] },
};

const WORKFLOW: Schema = Schema::Object {
    required: &[],
    members: &[("Status", Schema::OneOf(&["NEW", "NOTIFIED", "RESOLVED", "SUPPRESSED"]))],
};

const NOTE: Schema = Schema::Object {
    required: &["Text", "UpdatedBy", "UpdatedAt"],
    members: &[("Text", text(512)), ("UpdatedBy", text(2048)), ("UpdatedAt", Schema::Timestamp)],
};

const REMEDIATION: Schema = Schema::Object {
    required: &[],
    members: &[(
        "Recommendation",
        Schema::Object { required: &[], members: &[("Text", text(512)), ("Url", text(ANY))] },
    )],
};

const COMPLIANCE: Schema = Schema::Object {
    required: &[],
    members: &[
        ("Status", Schema::OneOf(&["PASSED", "WARNING", "FAILED", "NOT_AVAILABLE"])),
        ("RelatedRequirements", Schema::List { min: 0, max: 32, of: &text(ANY) }),
        (
            "StatusReasons",
            Schema::List {
                min: 0,
                max: ANY,
                of: &Schema::Object {
                    required: &["ReasonCode"],
                    members: &[("ReasonCode", text(ANY)), ("Description", text(ANY))],
                },
            },
        ),
        ("SecurityControlId", text(ANY)),
    ],
};

const RESOURCE: Schema = Schema::Object {
    required: &["Type", "Id"],
    members: &[
        ("Type", text(256)),
        ("Id", text(ANY)),
        ("Partition", Schema::OneOf(&["aws", "aws-cn", "aws-us-gov"])),
        ("Region", text(16)),
        ("ResourceRole", text(ANY)),
        ("Tags", Schema::Pairs { max: 50, key: 128, value: 256 }),
        ("Details", Schema::Object { required: &[], members: &[("Other", FIELDS)] }),
    ],
};

const MALWARE: Schema = Schema::Object {
    required: &["Name"],
    members: &[
        ("Name", text(64)),
        (
            "Type",
            Schema::OneOf(&[
                "ADWARE",
                "BLENDED_THREAT",
                "BOTNET_AGENT",
                "COIN_MINER",
                "EXPLOIT_KIT",
                "KEYLOGGER",
                "MACRO",
                "POTENTIALLY_UNWANTED",
                "SPYWARE",
                "RANSOMWARE",
                "REMOTE_ACCESS",
                "ROOTKIT",
                "TROJAN",
                "VIRUS",
                "WORM",
            ]),
        ),
        ("Path", text(512)),
        ("State", Schema::OneOf(&["OBSERVED", "REMOVAL_FAILED", "REMOVED"])),
    ],
};

const NETWORK: Schema = Schema::Object {
    required: &[],
    members: &[
        ("Direction", Schema::OneOf(&["IN", "OUT"])),
        ("Protocol", text(16)),
        ("SourceIpV4", text(ANY)),
        ("SourceIpV6", text(ANY)),
        ("SourcePort", COUNT),
        ("SourceDomain", text(128)),
        ("SourceMac", text(ANY)),
        ("DestinationIpV4", text(ANY)),
        ("DestinationIpV6", text(ANY)),
        ("DestinationPort", COUNT),
        ("DestinationDomain", text(128)),
    ],
};

const PROCESS: Schema = Schema::Object {
    required: &[],
    members: &[
        ("Name", text(64)),
        ("Path", text(512)),
        ("Pid", COUNT),
        ("ParentPid", COUNT),
        ("LaunchedAt", Schema::Timestamp),
        ("TerminatedAt", Schema::Timestamp),
    ],
};

const THREAT: Schema = Schema::Object {
    required: &[],
    members: &[
        ("Name", text(128)),
        ("Severity", text(128)),
        ("ItemCount", COUNT),
        ("FilePaths", Schema::List { min: 1, max: 5, of: &Schema::Object { required: &[], members: &[] } }),
    ],
};

const INDICATOR: Schema = Schema::Object {
    required: &[],
    members: &[
        (
            "Type",
            Schema::OneOf(&[
                "DOMAIN",
                "EMAIL_ADDRESS",
                "HASH_MD5",
                "HASH_SHA1",
                "HASH_SHA256",
                "HASH_SHA512",
                "IPV4_ADDRESS",
                "IPV6_ADDRESS",
                "MUTEX",
                "PROCESS",
                "URL",
            ]),
        ),
        ("Value", text(512)),
        (
            "Category",
            Schema::OneOf(&[
                "BACKDOOR",
                "CARD_STEALER",
                "COMMAND_AND_CONTROL",
                "DROP_SITE",
                "EXPLOIT_SITE",
                "KEYLOGGER",
            ]),
        ),
        ("LastObservedAt", Schema::Timestamp),
        ("Source", text(64)),
        ("SourceUrl", text(ANY)),
    ],
};

const VULNERABILITY: Schema = Schema::Object {
    required: &["Id"],
    members: &[
        ("Id", text(ANY)),
        ("EpssScore", Schema::Number),
        ("FixAvailable", Schema::OneOf(&["YES", "NO", "PARTIAL"])),
        ("ExploitAvailable", Schema::OneOf(&["YES", "NO"])),
        ("LastKnownExploitAt", Schema::Timestamp),
    ],
};

const PATCH_SUMMARY: Schema = Schema::Object {
    required: &["Id"],
    members: &[
        ("Id", text(256)),
        ("OperationStartTime", Schema::Timestamp),
        ("OperationEndTime", Schema::Timestamp),
        ("RebootOption", text(256)),
        ("Operation", text(256)),
    ],
};

const GENERATOR_DETAILS: Schema = Schema::Object {
    required: &[],
    members: &[
        ("Name", text(ANY)),
        ("Description", text(ANY)),
        ("Labels", Schema::List { min: 0, max: 10, of: &text(ANY) }),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn finding() -> Value {
        json!({
            "SchemaVersion": "2018-10-08", "Id": "f1", "GeneratorId": "g",
            "ProductArn": "arn:aws:securityhub:eu-west-1:222222222222:product/222222222222/default",
            "AwsAccountId": "222222222222", "CreatedAt": "2024-01-01T00:00:00Z", "UpdatedAt": "2024-01-01T00:00:00Z",
            "Title": "t", "Description": "d", "Severity": {"Label": "LOW"}, "Types": ["TTPs"],
            "Resources": [{"Type": "AwsEc2Instance", "Id": "i-1"}],
        })
    }

    /// The finding with the value at a pointer's place replaced, or taken out where it is null.
    fn with(path: &str, value: Value) -> Value {
        let mut finding = finding();
        let (parent, name) = path.rsplit_once('/').unwrap();
        let parent = finding.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        if value.is_null() {
            parent.remove(name)
        } else {
            parent.insert(name.into(), value)
        };
        finding
    }

    #[test]
    fn the_smallest_finding_is_valid() {
        assert_eq!(errors(&finding()), [""; 0]);
    }

    #[test]
    fn each_required_member_is_missed_by_name() {
        let Schema::Object { required, .. } = FINDING else { panic!("a finding is an object") };
        for name in required {
            let expected = format!("data should have required property '{name}'");
            assert_eq!(errors(&with(&format!("/{name}"), Value::Null)), [expected]);
        }
    }

    #[test]
    fn severity_and_types_may_stand_in_either_place() {
        let mut both_within =
            with("/FindingProviderFields", json!({"Severity": {"Normalized": 5}, "Types": ["Effects"]}));
        both_within.as_object_mut().unwrap().retain(|name, _| name != "Severity" && name != "Types");
        assert_eq!(errors(&both_within), [""; 0]);
        assert_eq!(
            errors(&with("/Types", Value::Null)),
            [
                "data should have required property 'Types'",
                "data should have required property 'FindingProviderFields'",
                "data should match some schema in anyOf",
            ]
        );
        assert_eq!(
            errors(&with("/Severity", json!({"Product": 1}))),
            [
                "data.Severity should have required property 'Label'",
                "data.Severity should have required property 'Normalized'",
                "data.Severity should match some schema in anyOf",
            ]
        );
    }

    #[test]
    fn documented_limits_hold() {
        let long = |n: usize| json!("x".repeat(n));
        for (path, value, error) in [
            ("/Id", long(513), "data.Id should NOT be longer than 512 characters"),
            ("/Title", long(257), "data.Title should NOT be longer than 256 characters"),
            ("/Title", json!(""), "data.Title should NOT be shorter than 1 characters"),
            ("/Description", long(1025), "data.Description should NOT be longer than 1024 characters"),
            ("/GeneratorId", long(513), "data.GeneratorId should NOT be longer than 512 characters"),
            ("/Resources", json!([]), "data.Resources should NOT have fewer than 1 items"),
            ("/Types", json!(vec!["TTPs"; 51]), "data.Types should NOT have more than 50 items"),
            ("/SchemaVersion", json!("2020-01-01"), "data.SchemaVersion should be equal to one of the allowed values"),
            (
                "/Severity",
                json!({"Label": "WRONG"}),
                "data.Severity.Label should be equal to one of the allowed values",
            ),
            ("/Severity", json!({"Normalized": 101}), "data.Severity.Normalized should be <= 100"),
            ("/Confidence", json!(4000), "data.Confidence should be <= 100"),
            (
                "/Workflow",
                json!({"Status": "DONE"}),
                "data.Workflow.Status should be equal to one of the allowed values",
            ),
            ("/RelatedFindings", json!([]), "data.RelatedFindings should NOT have fewer than 1 items"),
            ("/Note", json!({"Text": "t", "UpdatedBy": "u"}), "data.Note should have required property 'UpdatedAt'"),
            (
                "/Remediation",
                json!({"Recommendation": {"Text": "x".repeat(513)}}),
                "data.Remediation.Recommendation.Text should NOT be longer than 512 characters",
            ),
            (
                "/Resources",
                json!([{"Type": "Other", "Id": "r", "Details": {"Other": {"Destinations": "x".repeat(1025)}}}]),
                "data.Resources[0].Details.Other['Destinations'] should NOT be longer than 1024 characters",
            ),
            (
                "/ProductFields",
                json!((0..51).map(|n| (n.to_string(), "v")).collect::<std::collections::HashMap<_, _>>()),
                "data.ProductFields should NOT have more than 50 properties",
            ),
        ] {
            assert_eq!(errors(&with(path, value)), [error], "{path}");
        }
        assert_eq!(errors(&with("/UpdatedAt", json!("now"))).len(), 1);
        assert_eq!(errors(&with("/ProductArn", json!("arn:aws:iam::1:product"))).len(), 1);
    }

    #[test]
    fn members_without_a_documented_limit_pass() {
        assert_eq!(errors(&with("/Brand", json!({"New": [1, null]}))), [""; 0]);
    }
}

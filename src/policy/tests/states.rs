//! Generated findings as they are now.

use super::{ADMINISTRATOR, PAYMENTS, SEARCH, STRANGER};
use crate::finding::State;
use proptest::{prelude::*, sample::select};
use serde_json::{Map, Value, json};

/// Members that a finding may have or not, each in several forms.
const OPTIONAL: &[(&str, &[&str])] = &[
    ("CompanyName", &[r#""AWS""#]),
    ("Compliance", &[r#"{"Status":"FAILED","SecurityControlId":"IAM.1"}"#, r#"{"Status":"PASSED"}"#, "{}"]),
    ("Confidence", &["1", "50", "99"]),
    ("Criticality", &["1", "90"]),
    ("LastObservedAt", &[r#""2026-01-01T00:00:00Z""#, r#""2025-01-01T00:00:00Z""#]),
    (
        "Note",
        &[
            r#"{"Text":"see SEC-1","UpdatedBy":"ana","UpdatedAt":"2025-12-01T00:00:00Z"}"#,
            r#"{"Text":"nothing","UpdatedBy":"bob"}"#,
        ],
    ),
    ("ProductName", &[r#""GuardDuty""#, r#""Inspector""#]),
    ("Region", &[r#""eu-west-1""#]),
    (
        "RelatedFindings",
        &[r#"[{"ProductArn":"p","Id":"r1"}]"#, r#"[{"ProductArn":"p","Id":"r1"},{"ProductArn":"p","Id":"r2"}]"#],
    ),
    (
        "Resources",
        &[
            r#"[{"Id":"r-1","Type":"AwsS3Bucket","Tags":{"env":"prod"}}]"#,
            r#"[{"Id":"r-2","Type":"AwsAccount"},{"Id":"r-1","Type":"AwsEc2Instance","Tags":{"env":"test"}}]"#,
        ],
    ),
    ("Types", &[r#"["TTPs/x"]"#, r#"["Effects","TTPs/y"]"#]),
    (
        "UserDefinedFields",
        &[
            r#"{"owner":"x"}"#,
            r#"{"owner":"SEC-1","ticket":"SEC-1"}"#,
            r#"{"due":"2025-12-31","number":"7"}"#,
            r#"{"due":"2026-06-01"}"#,
        ],
    ),
    ("VerificationState", &[r#""UNKNOWN""#, r#""TRUE_POSITIVE""#]),
];

/// A finding as it is.
pub(crate) fn state() -> impl Strategy<Value = State> {
    let member = |(name, forms): &(&'static str, &'static [&'static str])| {
        let name = *name;
        prop::option::of(select(*forms)).prop_map(move |form| form.map(|form| (name, form)))
    };
    let optional: Vec<_> = OPTIONAL.iter().map(member).collect();
    let severity = select(&[r#"{"Label":"LOW"}"#, r#"{"Label":"HIGH","Normalized":70}"#, r#"{"Normalized":40}"#][..]);
    let needed = (
        select(&[ADMINISTRATOR, PAYMENTS, SEARCH, STRANGER][..]),
        severity,
        select(&["NEW", "NOTIFIED", "RESOLVED", "SUPPRESSED"][..]),
        select(&["ACTIVE", "ARCHIVED"][..]),
        select(&["g-1", "h-1"][..]),
        select(&["2025-06-01T00:00:00Z", "2025-12-31T12:00:00.123456Z"][..]),
    );
    (needed, optional).prop_map(|((account, severity, workflow, record, generator, created), optional)| {
        let mut finding: Map<String, Value> = json!({
            "AwsAccountId": account, "CreatedAt": created, "UpdatedAt": "2025-12-31T13:00:00Z", "GeneratorId": generator,
            "RecordState": record, "Workflow": {"Status": workflow},
        })
        .as_object()
        .unwrap()
        .clone();
        let members = optional.into_iter().flatten().chain([("Severity", severity)]);
        finding.extend(members.map(|(name, form)| (name.to_owned(), serde_json::from_str(form).unwrap())));
        State::parse(&finding).unwrap()
    })
}

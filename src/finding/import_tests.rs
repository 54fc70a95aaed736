use super::*;
use crate::finding::{SeverityLabel, State};
use proptest::{prelude::*, sample::subsequence};
use serde_json::json;

const PRODUCT: &str = "arn:aws:securityhub:eu-west-1:222222222222:product/222222222222/default";

/// A finding with these members besides, or in place of, those that every one has.
fn finding(members: &Value) -> Value {
    let mut finding = json!({
        "SchemaVersion": "2018-10-08", "Id": "f", "ProductArn": PRODUCT, "AwsAccountId": "222222222222", "GeneratorId": "g",
        "CreatedAt": "2026-01-01T00:00:00Z", "UpdatedAt": "2026-01-01T00:00:00Z", "Title": "t", "Description": "d",
        "Severity": {"Label": "LOW"}, "Resources": [{"Type": "Other", "Id": "r"}],
    });
    let Value::Object(members) = members else { panic!("members of a finding") };
    for (name, value) in members {
        finding[name] = value.clone();
    }
    finding
}

fn parse(findings: &[Value]) -> Result<BatchImport, String> {
    BatchImport::parse(json!({ "Findings": findings }).to_string().as_bytes()).map_err(|error| error.to_string())
}

fn one(members: &Value) -> ImportedFinding {
    parse(&[finding(members)]).unwrap().findings.remove(0)
}

fn changes(members: &Value) -> Vec<String> {
    let finding = one(members);
    finding.governed.as_ref().unwrap().changes().iter().map(ToString::to_string).collect()
}

fn created(members: &Value) -> State {
    one(members).governed.unwrap().created().clone()
}

#[test]
fn what_is_no_import_fails_as_a_whole() {
    let without = |name: &str| {
        let mut lacking = finding(&json!({}));
        lacking.as_object_mut().unwrap().remove(name);
        json!({"Findings": [finding(&json!({})), lacking]}).to_string()
    };
    let with = |name: &str, value: Value| json!({"Findings": [finding(&json!({name: value}))]}).to_string();
    let twice = r#"{"Findings":[{"Id":"f","Resources":[{"Details":{"a":1,"a":2}}]}]}"#;
    let many = vec![finding(&json!({})); 101];
    for (body, told) in [
        (String::new(), "Findings: missing"),
        ("[]".into(), "body: expected an object"),
        ("{}x".into(), "body: trailing characters"),
        (r#"{"Findings":[]}"#.into(), "Findings: got 0 findings, expected a list of 1 to 100 findings"),
        (json!({ "Findings": many }).to_string(), "Findings: got 101 findings"),
        (r#"{"Findings":{}}"#.into(), "Findings: no list"),
        (r#"{"Findings":[1]}"#.into(), "Findings[0]: expected an object"),
        (r#"{"Findings":[],"Finding":[]}"#.into(), "body: unknown member `Finding`, expected Findings"),
        (twice.into(), "body: member `a` came twice"),
        (without("Id"), "Findings[1].Id: is missing, expected a finding id of 1 to 512 characters"),
        (without("ProductArn"), "Findings[1].ProductArn: is missing"),
        (without("AwsAccountId"), "Findings[1].AwsAccountId: is missing, expected an AWS account id"),
        (with("Id", json!("")), "Findings[0].Id: got \"\", expected a finding id"),
        (with("Id", json!(7)), "Findings[0].Id: invalid type: integer `7`, expected a finding id"),
        (with("ProductArn", json!("arn")), "Findings[0].ProductArn: got \"arn\""),
        (with("AwsAccountId", json!("22222222222")), "Findings[0].AwsAccountId: got \"22222222222\""),
        (with("AwsAccountId", Value::Null), "Findings[0].AwsAccountId: invalid type: null"),
        (format!("{{\"Findings\":[]{}}}", " ".repeat(MAX_IMPORT_BYTES)), "expected at most 6 MB"),
    ] {
        let error = BatchImport::parse(body.as_bytes()).unwrap_err().to_string();
        assert!(
            error.starts_with(told) || error.contains("6 MB") && told.contains("6 MB"),
            "`{told}` is not `{error}`"
        );
    }
}

#[test]
fn a_finding_asks_for_each_thing_that_it_carries_once() {
    let severity = ["Severity.Label = LOW"];
    let related = json!([{"Id": "r", "ProductArn": PRODUCT}]);
    for (members, expected) in [
        (json!({}), &severity[..]),
        (json!({"Confidence": 1, "Criticality": 2}), &["Confidence = 1", "Criticality = 2", "Severity.Label = LOW"]),
        (
            json!({"Severity": {"Normalized": 90, "Product": 7, "Original": "x"}}),
            &["Severity.Label = CRITICAL", "Severity.Normalized = 90", "Severity.Product = 7.0"],
        ),
        (
            json!({"Note": {"Text": "t", "UpdatedBy": "u", "UpdatedAt": "2026-01-01T00:00:00Z"}}),
            &["Note", "Severity.Label = LOW"],
        ),
        (
            json!({"Types": ["a", "b", "a"], "RelatedFindings": related}),
            &[r#"RelatedFindings with "r""#, "Severity.Label = LOW", r#"Types with "a""#, r#"Types with "b""#],
        ),
        (
            json!({"UserDefinedFields": {"k": "v"}, "VerificationState": "UNKNOWN"}),
            &["Severity.Label = LOW", r#"UserDefinedFields["k"] = "v""#, "VerificationState = UNKNOWN"],
        ),
        (json!({"RecordState": "ARCHIVED"}), &["Severity.Label = LOW", "RecordState = ARCHIVED"]),
        (json!({"Workflow": {"Status": "NOTIFIED"}}), &["Severity.Label = LOW", "Workflow.Status = NOTIFIED"]),
        (json!({"WorkflowState": "DEFERRED"}), &["Severity.Label = LOW", "Workflow.Status = SUPPRESSED"]),
        (json!({"WorkflowState": "ASSIGNED"}), &["Severity.Label = LOW", "Workflow.Status = NOTIFIED"]),
        (
            json!({"WorkflowState": "IN_PROGRESS", "Workflow": {"Status": "NOTIFIED"}}),
            &["Severity.Label = LOW", "Workflow.Status = NOTIFIED"],
        ),
        (
            json!({"WorkflowState": "NEW", "Workflow": {"Status": "RESOLVED"}}),
            &["Severity.Label = LOW", "Workflow.Status = RESOLVED", "Workflow.Status = NEW"],
        ),
        // In `FindingProviderFields` it is the same change.
        (json!({"FindingProviderFields": {"Severity": {"Label": "LOW", "Original": "1"}}}), &severity),
        (
            json!({"Types": ["a"], "FindingProviderFields": {
                "Types": ["a", "b"], "Confidence": 5, "Severity": {"Label": "HIGH"}, "Criticality": 6,
                "RelatedFindings": [{"Id": "r", "ProductArn": PRODUCT}],
            }}),
            &[
                "Severity.Label = LOW",
                r#"Types with "a""#,
                "Confidence = 5",
                "Criticality = 6",
                r#"RelatedFindings with "r""#,
                "Severity.Label = HIGH",
                r#"Types with "b""#,
            ],
        ),
        // What says nothing, and what policies do not speak of.
        (
            json!({"Types": [], "RelatedFindings": [], "UserDefinedFields": {}, "Workflow": {}, "FindingProviderFields": {}}),
            &severity,
        ),
        (json!({"NewMember": {"Confidence": "x"}, "FindingProviderFields": {"NewMember": 1}}), &severity),
    ] {
        let asked = changes(&members);
        assert_eq!(asked[0], "Import", "{members}");
        assert_eq!(asked[1..], *expected, "{members}");
    }
}

#[test]
fn what_a_field_is_asked_of_is_the_fields_of_the_finding() {
    let members = json!({
        "RecordState": "ACTIVE", "WorkflowState": "NEW", "Types": [], "FindingProviderFields": {"Confidence": 1},
        "Note": {"Text": "t", "UpdatedBy": "u"}, "UserDefinedFields": {"k": "v"},
    });
    let finding = one(&members);
    let governed = finding.governed.unwrap();
    let fields = [
        Field::Confidence,
        Field::Note,
        Field::RecordState,
        Field::Severity,
        Field::UserDefinedFields,
        Field::Workflow,
    ];
    assert_eq!(governed.fields().iter().collect::<Vec<_>>(), fields);
    let circumstances = governed.circumstances("2026-01-01T00:00:00Z".parse().unwrap());
    assert_eq!(circumstances.operation, crate::finding::Operation::BatchImportFindings);
    assert_eq!(circumstances.note.unwrap().text.as_str(), "t");
    assert_eq!(circumstances.user_defined_fields.unwrap()[0].1.as_str(), "v");
}

#[test]
fn a_finding_with_something_wrong_fails_alone() {
    for (members, told) in [
        (json!({"Confidence": "high"}), "Confidence: invalid type: string \"high\", expected an integer from 0 to 100"),
        (json!({"Confidence": 101}), "Confidence: got 101, expected an integer from 0 to 100"),
        (json!({"Confidence": null}), "Confidence: invalid type: null"),
        (json!({"Criticality": -1}), "Criticality: got -1"),
        (json!({"Note": "text"}), "Note: invalid type: string \"text\", expected an object with Text and UpdatedBy"),
        (json!({"Note": {"Text": "t"}}), "Note: member `UpdatedBy` is missing"),
        (json!({"Note": {"Text": " ", "UpdatedBy": "u"}}), "Note.Text: got \" \", expected a text of 1 to 512"),
        (json!({"Note": {"Text": "t", "UpdatedBy": "u", "UpdatedAt": 7}}), "Note.UpdatedAt: expected a timestamp"),
        (json!({"Note": {"Text": "t", "UpdatedBy": "u", "By": "v"}}), "Note: unknown member `By`"),
        (json!({"RelatedFindings": [{"Id": "r"}]}), "RelatedFindings[0]: member `ProductArn` is missing"),
        (
            json!({"RelatedFindings": vec![json!({"Id": "r", "ProductArn": PRODUCT}); 11]}),
            "RelatedFindings: more than 10",
        ),
        (json!({"Severity": "HIGH"}), "Severity: invalid type: string \"HIGH\""),
        (json!({"Severity": {"Label": "SEVERE"}}), "Severity.Label: got \"SEVERE\", expected one of INFORMATIONAL"),
        (json!({"Severity": {"Original": "8"}}), "Severity: an empty object, expected at least one of Label"),
        (json!({"Severity": {"Product": 8}}), "Severity.Label: is missing"),
        (json!({"Types": "a"}), "Types: invalid type: string \"a\", expected a list of at most 50 types"),
        (json!({"Types": ["a/b/c/d"]}), "Types[0]: got \"a/b/c/d\""),
        (json!({"Types": {}}), "Types: invalid type: map"),
        (json!({"UserDefinedFields": {"k": 1}}), "UserDefinedFields.k: invalid type: integer `1`"),
        (json!({"UserDefinedFields": []}), "UserDefinedFields: invalid type: sequence"),
        (json!({"VerificationState": "MAYBE"}), "VerificationState: got \"MAYBE\""),
        (json!({"Workflow": {"Status": "DONE"}}), "Workflow.Status: got \"DONE\""),
        (json!({"Workflow": {"State": "NEW"}}), "Workflow: unknown member `State`"),
        (json!({"WorkflowState": "SUPPRESSED"}), "WorkflowState: got \"SUPPRESSED\", expected one of NEW, ASSIGNED"),
        (json!({"RecordState": "GONE"}), "RecordState: got \"GONE\", expected one of ACTIVE, ARCHIVED"),
        (json!({"FindingProviderFields": []}), "FindingProviderFields: expected an object"),
        (
            json!({"FindingProviderFields": {"Confidence": 1.5}}),
            "FindingProviderFields.Confidence: invalid type: floating point `1.5`",
        ),
        // What could be read as something that policies speak of, and stands where they do not look.
        (
            json!({"FindingProviderFields": {"Workflow": {"Status": "SUPPRESSED"}}}),
            "FindingProviderFields.Workflow: has no place here, expected only Confidence, Criticality",
        ),
        (
            json!({"FindingProviderFields": {"WorkflowState": "DEFERRED"}}),
            "FindingProviderFields.WorkflowState: has no place",
        ),
        (
            json!({"FindingProviderFields": {"types": []}}),
            "FindingProviderFields.types: unknown member, expected `Types`",
        ),
        (json!({"workflow": {"Status": "SUPPRESSED"}}), "workflow: unknown member, expected `Workflow`"),
        (json!({"awsAccountId": "333333333333"}), "awsAccountId: unknown member, expected `AwsAccountId`"),
        (
            json!({"findingProviderFields": {}}),
            "findingProviderFields: unknown member, expected `FindingProviderFields`",
        ),
        // What policies may read of a new finding.
        (json!({"CreatedAt": "yesterday"}), "CreatedAt: expected a timestamp"),
        (json!({"Resources": [{"Id": 7}]}), "Resources.Id: expected a string"),
        (json!({"Compliance": {"Status": "FINE"}}), "Compliance.Status: expected a word"),
    ] {
        let request = parse(&[finding(&json!({})), finding(&members), finding(&json!({}))]).unwrap();
        let [before, invalid, after] = &request.findings[..] else { panic!("three findings") };
        assert!(before.governed.is_ok() && after.governed.is_ok());
        let NotImportable { code, message } = invalid.governed.as_ref().unwrap_err();
        assert_eq!(*code, "InvalidInput");
        assert!(message.starts_with(&format!("Findings[1].{told}")), "`{told}` is not `{message}`");
        assert!(message.len() < 1000, "{message}");
    }
    let quoted = one(&json!({"Confidence": "x".repeat(100_000)})).governed.unwrap_err().message;
    assert!(quoted.len() < 500, "{} bytes", quoted.len());
}

#[test]
fn a_finding_that_is_too_large_fails_alone() {
    let of = |length: usize| finding(&json!({"Filler": "x".repeat(length)}));
    let least = of(0).to_string().len();
    let request = parse(&[of((240 << 10) - least), of((240 << 10) - least + 1)]).unwrap();
    assert!(request.findings[0].governed.is_ok());
    let too_large = request.findings[1].governed.as_ref().unwrap_err();
    assert_eq!(too_large.code, "FindingSizeExceeded");
    assert!(
        too_large.message.starts_with("Finding size exceeded 240 KB: Findings[1] has 245761 bytes"),
        "{too_large:?}"
    );
}

#[test]
fn a_new_finding_is_known_as_the_service_would_make_it() {
    let plain = created(&json!({}));
    assert_eq!((plain.workflow_status.as_str(), plain.record_state.as_str()), ("NEW", "ACTIVE"));
    assert_eq!(plain.verification_state.unwrap().as_str(), "UNKNOWN");
    assert_eq!((plain.severity.label, plain.severity.normalized), (SeverityLabel::Low, Some(1)));
    let given = created(&json!({
        "Workflow": {"Status": "RESOLVED"}, "RecordState": "ARCHIVED", "VerificationState": "TRUE_POSITIVE",
        "Confidence": 1, "Types": ["a"],
        "FindingProviderFields": {"Confidence": 9, "Severity": {"Normalized": 95}, "Criticality": 3},
    }));
    assert_eq!((given.workflow_status.as_str(), given.record_state.as_str()), ("RESOLVED", "ARCHIVED"));
    assert_eq!(given.verification_state.unwrap().as_str(), "TRUE_POSITIVE");
    // The value among the provider's displaces the one beside it.
    assert_eq!((given.confidence, given.criticality), (Some(9), Some(3)));
    assert_eq!((given.severity.label, given.severity.normalized), (SeverityLabel::Critical, Some(95)));
    assert_eq!(given.types, ["a".to_owned()].into());
    assert_eq!(created(&json!({"WorkflowState": "DEFERRED"})).workflow_status.as_str(), "SUPPRESSED");
    assert_eq!(created(&json!({"Workflow": {}})).workflow_status.as_str(), "NEW");
    // All of a new finding may come from its provider's members.
    let mut document = finding(&json!({"FindingProviderFields": {"Severity": {"Label": "HIGH"}, "Types": ["b"]}}));
    document.as_object_mut().unwrap().remove("Severity");
    let provided = parse(&[document]).unwrap().findings.remove(0).governed.unwrap();
    assert_eq!(provided.created().severity.label, SeverityLabel::High);
    assert_eq!(provided.created().types, ["b".to_owned()].into());
}

#[test]
fn texts_with_escapes_are_written_and_asked_as_what_they_say() {
    let body = json!({"Findings": [finding(&json!({"Types": ["a\"\\\n"], "UserDefinedFields": {"k": "\"\t"}}))]});
    // Every character as an escape.
    let escaped = body.to_string().replace("\"f\"", r#""\u0066""#);
    let request = BatchImport::parse(escaped.as_bytes()).unwrap();
    assert_eq!(request.identifiers[0].id.as_str(), "f");
    let governed = request.findings[0].governed.as_ref().unwrap();
    // Texts that are borrowed would be written without escapes.
    let mut written = Vec::new();
    let circumstances = governed.circumstances("2026-01-01T00:00:00Z".parse().unwrap());
    circumstances.user_defined_fields.unwrap()[0].1.write_json(&mut written);
    assert_eq!(written, br#""\"\t""#);
    let whole = request.to_json(&[(0, governed.fields())]);
    assert_eq!(serde_json::from_slice::<Value>(&whole).unwrap(), body);
}

/// Any finding that can be imported, with members in both places.
fn findings() -> impl Strategy<Value = Value> {
    let note = json!({"Text": "t", "UpdatedBy": "u", "UpdatedAt": "2026-01-01T00:00:00Z"});
    let related = json!([{"Id": "r", "ProductArn": PRODUCT}]);
    let top = vec![
        ("Confidence", json!(1)),
        ("Criticality", json!(2)),
        ("Note", note),
        ("RecordState", json!("ARCHIVED")),
        ("RelatedFindings", related.clone()),
        ("Types", json!(["a"])),
        ("UserDefinedFields", json!({"k": "v"})),
        ("VerificationState", json!("TRUE_POSITIVE")),
        ("Workflow", json!({"Status": "SUPPRESSED"})),
        ("WorkflowState", json!("DEFERRED")),
        ("Malware", json!([{"Name": "x", "Extra": [1.5, 1e300, -7, 18_446_744_073_709_551_615_u64, null]}])),
        ("Unknown", json!({"Confidence": 1, "Workflow": {"Status": "SUPPRESSED"}})),
    ];
    let provided = vec![
        ("Confidence", json!(3)),
        ("Criticality", json!(4)),
        ("RelatedFindings", related),
        ("Severity", json!({"Label": "HIGH", "Original": "h"})),
        ("Types", json!(["b", "c"])),
        ("Unknown", json!(["Types"])),
    ];
    let members =
        |members: Vec<(&'static str, Value)>| members.into_iter().map(|(name, value)| (name.to_owned(), value));
    let some = |all: Vec<(&'static str, Value)>| {
        let count = all.len();
        subsequence(all, 0..=count)
    };
    (some(top), some(provided), any::<bool>()).prop_map(move |(top, provided, has_provided)| {
        let mut given: Map<String, Value> = members(top).collect();
        if has_provided {
            given.insert(PROVIDER_FIELDS.to_owned(), Value::Object(members(provided).collect()));
        }
        finding(&Value::Object(given))
    })
}

fn field_sets() -> impl Strategy<Value = FieldSet> {
    subsequence(Field::ALL.to_vec(), 0..=Field::ALL.len()).prop_map(FieldSet::from_iter)
}

/// A finding without the members of these names, at the top and among the provider's.
fn by_hand(finding: &Value, fields: FieldSet) -> Value {
    let mut finding = finding.clone();
    let stripped: Vec<&str> = fields.iter().map(Field::as_str).collect();
    let top = finding.as_object_mut().unwrap();
    top.retain(|name, _| !stripped.contains(&if name == "WorkflowState" { "Workflow" } else { name }));
    if let Some(Value::Object(provided)) = top.get_mut(PROVIDER_FIELDS) {
        let was_empty = provided.is_empty();
        provided.retain(|name, _| !stripped.contains(&&**name));
        if provided.is_empty() && !was_empty {
            top.remove(PROVIDER_FIELDS);
        }
    }
    finding
}

proptest! {
    #[test]
    fn what_is_stripped_is_gone_from_every_place_and_nothing_else_is(
        findings in prop::collection::vec((findings(), field_sets()), 1..4),
    ) {
        let documents: Vec<Value> = findings.iter().map(|(finding, _)| finding.clone()).collect();
        let request = parse(&documents).unwrap();
        let kept: Vec<(usize, FieldSet)> = findings.iter().map(|(_, kept)| *kept).enumerate().collect();
        let written: Value = serde_json::from_slice(&request.to_json(&kept)).unwrap();
        let fields: Vec<FieldSet> =
            request.findings.iter().map(|finding| finding.governed.as_ref().unwrap().fields()).collect();
        for ((place, kept), written) in kept.iter().zip(written["Findings"].as_array().unwrap()) {
            let stripped: FieldSet = fields[*place].iter().filter(|field| !kept.contains(*field)).collect();
            prop_assert_eq!(written, &by_hand(&documents[*place], stripped));
            // As strictly as it was read, it asks for nothing that was stripped.
            let members = Members::new(written.as_object().unwrap(), String::new());
            let mut whole = written.clone();
            // Without its severity it is no finding any more; that is for upstream to say.
            if stripped.contains(Field::Severity) {
                prop_assert!(Governed::parse(&members).is_err());
                whole["Severity"] = json!({"Label": "LOW"});
            }
            let members = Members::new(whole.as_object().unwrap(), String::new());
            let asked = Governed::parse(&members).unwrap().fields();
            prop_assert!(stripped.iter().all(|field| field == Field::Severity || !asked.contains(field)));
            let expected = fields[*place].iter().filter(|field| kept.contains(*field) || *field == Field::Severity);
            prop_assert_eq!(asked, expected.collect::<FieldSet>());
        }
        prop_assert_eq!(written.as_object().unwrap().len(), 1);
    }

    #[test]
    fn a_body_that_is_anything_is_read_or_refused(body in r#"\{"Findings":\[\{("(Id|ProductArn|Note|Types)":("x"|1|\{\}|\[\]|null),?){0,3}\}\]\}"#) {
        if let Err(error) = BatchImport::parse(body.as_bytes()) {
            prop_assert!(!error.to_string().is_empty());
        }
    }
}

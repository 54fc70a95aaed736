//! Reading in terms of OCSF.

use super::support::{ADMIN, MEMBER, OTHER, World, at, custom_arn, finding, settings};
use findings_gate::{
    backend::Settings,
    finding::{ApiError, Operation},
};
use serde_json::{Value, json};

pub(super) fn call(world: &World, account: &str, body: &Value) -> Result<Value, ApiError> {
    world.call_raw(Operation::GetFindingsV2, account, &body.to_string())
}

pub(super) fn get(world: &World, account: &str, body: &Value) -> Vec<Value> {
    call(world, account, body).unwrap()["Findings"].as_array().unwrap().clone()
}

pub(super) fn ids(found: &[Value]) -> Vec<&str> {
    found.iter().map(|found| found["finding_info"]["uid"].as_str().unwrap()).collect()
}

pub(super) fn string(field: &str, comparison: &str, value: &str) -> Value {
    json!({"FieldName": field, "Filter": {"Value": value, "Comparison": comparison}})
}

fn rich() -> Value {
    let mut rich = finding(MEMBER, "rich");
    for (name, value) in [
        ("Types", json!(["TTPs", "Effects"])),
        ("UpdatedAt", json!("2024-05-02T00:00:00Z")),
        ("FirstObservedAt", json!("2024-04-01T00:00:00Z")),
        ("LastObservedAt", json!("2024-04-02T00:00:00Z")),
        ("SourceUrl", json!("https://example.com/rich")),
        ("Confidence", json!(42)),
        ("Severity", json!({"Label": "HIGH"})),
        (
            "Compliance",
            json!({
                "Status": "FAILED", "SecurityControlId": "S3.1", "AssociatedStandards": [{"StandardsId": "standards/cis"}],
            }),
        ),
        ("Remediation", json!({"Recommendation": {"Text": "Close it", "Url": "https://example.com/fix"}})),
        ("RelatedFindings", json!([{"Id": "other", "ProductArn": custom_arn(OTHER)}])),
        (
            "Resources",
            json!([
                {"Type": "AwsS3Bucket", "Id": "arn:aws:s3:::b", "Region": "eu-west-2", "Partition": "aws", "Tags": {"team": "red"},
               "Provider": "AWS", "Owner": {"Account": {"Id": MEMBER}, "Org": {"Id": "o-1"}}},
                {"Type": "AwsEc2Instance", "Id": "i-2"},
            ]),
        ),
    ] {
        rich[name] = value;
    }
    rich
}

pub(super) fn world() -> World {
    let world = World::with(&[finding(MEMBER, "plain"), rich(), finding(MEMBER, "old")]);
    let update = |id: &str, update: Value| world.update(MEMBER, id, update);
    update("rich", json!({"Note": {"Text": "seen", "UpdatedBy": "me"}, "Workflow": {"Status": "NOTIFIED"}}));
    update("rich", json!({"Severity": {"Label": "CRITICAL"}}));
    let archive = json!({
        "StatusId": 5,
        "FindingIdentifiers": [{"CloudAccountUid": MEMBER, "FindingInfoUid": "old", "MetadataProductUid": custom_arn(MEMBER)}],
    });
    world.call_raw(Operation::BatchUpdateFindingsV2, MEMBER, &archive.to_string()).unwrap();
    world.import(OTHER, &[finding(OTHER, "theirs")]);
    world
}

#[test]
fn a_finding_is_shown_in_terms_of_ocsf() {
    let world = world();
    let found = get(&world, MEMBER, &json!({}));
    assert_eq!(ids(&found), ["plain", "rich", "old"]);
    let uid = found[1]["metadata"]["uid"].clone();
    assert_eq!(uid.as_str().unwrap().len(), 64);
    let expected = json!({
        "activity_id": 2, "activity_name": "Update", "category_uid": 2, "category_name": "Findings",
        "class_uid": 2003, "class_name": "Compliance Finding",
        "type_uid": 200_302, "type_name": "Compliance Finding: Update",
        "time": 1_714_608_000_000_i64, "time_dt": "2024-05-02T00:00:00Z",
        "metadata": {
            "uid": uid, "version": "1.5.0",
            "product": {"uid": custom_arn(MEMBER), "name": "Default", "vendor_name": "Personal"},
        },
        "cloud": {"provider": "AWS", "region": "eu-west-1", "account": {"uid": MEMBER, "name": "payments"}},
        "finding_info": {
            "uid": "rich", "title": "a title", "desc": "a description", "types": ["TTPs", "Effects"],
            "src_url": "https://example.com/rich",
            "created_time": 1_714_521_600_000_i64, "created_time_dt": "2024-05-01T00:00:00Z",
            "modified_time": 1_714_608_000_000_i64, "modified_time_dt": "2024-05-02T00:00:00Z",
            "first_seen_time": 1_711_929_600_000_i64, "first_seen_time_dt": "2024-04-01T00:00:00Z",
            "last_seen_time": 1_712_016_000_000_i64, "last_seen_time_dt": "2024-04-02T00:00:00Z",
            "related_events": [{"uid": "other", "product": {"uid": custom_arn(OTHER)}}],
        },
        "severity_id": 5, "severity": "Critical", "status_id": 2, "status": "In Progress", "comment": "seen",
        "confidence_score": 42,
        "resources": [
            {"uid": "arn:aws:s3:::b", "type": "AwsS3Bucket", "region": "eu-west-2", "cloud_partition": "aws",
             "provider": "AWS", "owner": {"account": {"uid": MEMBER}, "org": {"uid": "o-1"}}, "tags": [{"name": "team", "value": "red"}]},
            {"uid": "i-2", "type": "AwsEc2Instance"},
        ],
        "compliance": {"status_id": 3, "status": "Fail", "control": "S3.1", "standards": ["standards/cis"]},
        "remediation": {"desc": "Close it", "references": ["https://example.com/fix"]},
        "vendor_attributes": {"severity_id": 4, "severity": "High"},
    });
    assert_eq!(found[1], expected);
    for (place, member, value) in [
        (0, "activity_name", json!("Create")),
        (0, "class_name", json!("Detection Finding")),
        (0, "type_uid", json!(200_401)),
        (0, "status", json!("New")),
        (0, "severity", json!("Low")),
        (2, "activity_name", json!("Close")),
        (2, "status", json!("Archived")),
        (2, "status_id", json!(5)),
    ] {
        assert_eq!(found[place][member], value, "{member}");
    }
    assert_eq!((found[0].get("compliance"), found[0].get("comment")), (None, None));
}

#[test]
fn a_finding_can_be_updated_by_the_uid_that_was_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("findings.db");
    let uid = {
        let world = World::at(&path);
        world.import(MEMBER, &[finding(MEMBER, "f1")]);
        world.import(OTHER, &[finding(OTHER, "f1")]);
        get(&world, MEMBER, &json!({}))[0]["metadata"]["uid"].clone()
    };
    let world = World::at(&path);
    assert_eq!(get(&world, MEMBER, &json!({}))[0]["metadata"]["uid"], uid, "it does not change");
    let update = |account: &str| {
        let body = json!({"MetadataUids": [uid, uid, "no"], "StatusId": 3});
        world.call_raw(Operation::BatchUpdateFindingsV2, account, &body.to_string()).unwrap()
    };
    let answer = update(OTHER);
    assert_eq!(answer["ProcessedFindings"], json!([]), "another account's finding is as if it were not there");
    assert_eq!(answer["UnprocessedFindings"][0]["ErrorCode"], "ResourceNotFoundException");
    let answer = update(MEMBER);
    assert_eq!(answer["ProcessedFindings"], json!([{"MetadataUid": uid}]));
    let told = |place: usize| {
        let entry = &answer["UnprocessedFindings"][place];
        (entry["MetadataUid"].as_str().unwrap(), entry["ErrorCode"].as_str().unwrap())
    };
    assert_eq!(told(0), (uid.as_str().unwrap(), "ValidationException"));
    assert_eq!(told(1), ("no", "ResourceNotFoundException"));
    assert_eq!(world.finding(MEMBER, "f1")["Workflow"]["Status"], "SUPPRESSED");
    assert_eq!(world.finding(OTHER, "f1")["Workflow"]["Status"], "NEW");
}

#[test]
fn accounts_see_what_they_may() {
    let world = world();
    assert_eq!(ids(&get(&world, OTHER, &json!({}))), ["theirs"]);
    assert_eq!(ids(&get(&world, ADMIN, &json!({}))), ["plain", "rich", "old", "theirs"]);
    // Whatever a filter says.
    let either = json!({"Filters": {"CompositeOperator": "OR", "CompositeFilters": [
        {"StringFilters": [string("cloud.account.uid", "EQUALS", MEMBER)]},
        {"StringFilters": [string("cloud.account.uid", "NOT_EQUALS", MEMBER)], "Operator": "OR"},
    ]}});
    assert_eq!(ids(&get(&world, OTHER, &either)), ["theirs"]);
    let scopes = json!({"Scopes": {"AwsOrganizations": [{"OrganizationId": "o-1"}]}});
    let error = call(&world, MEMBER, &scopes).unwrap_err();
    assert_eq!((error.status, error.code), (403, "AccessDeniedException"));
    let error = call(&world, ADMIN, &scopes).unwrap_err();
    assert_eq!((error.status, error.code), (400, "ValidationException"));
    assert!(error.message.contains("`Scopes`"), "{}", error.message);
}

#[test]
fn pages_follow_the_order_that_is_asked_for() {
    let world = world();
    for (field, order, expected) in [
        ("finding_info.uid", "asc", ["old", "plain", "rich"]),
        ("finding_info.uid", "desc", ["rich", "plain", "old"]),
        ("severity_id", "desc", ["rich", "plain", "old"]),
        ("status_id", "asc", ["plain", "rich", "old"]),
        ("status", "asc", ["old", "rich", "plain"]),
        ("confidence_score", "asc", ["plain", "old", "rich"]),
        ("finding_info.modified_time_dt", "desc", ["rich", "plain", "old"]),
    ] {
        let question = json!({"SortCriteria": [{"Field": field, "SortOrder": order}], "MaxResults": 1});
        let (mut found, mut body) = (Vec::new(), question.clone());
        loop {
            let page = call(&world, MEMBER, &body).unwrap();
            found.extend(ids(page["Findings"].as_array().unwrap()).into_iter().map(str::to_owned));
            let Some(token) = page.get("NextToken") else { break };
            body = json!({"NextToken": token});
        }
        assert_eq!(found, expected, "{field} {order}");
    }
    // Each name that the refusal of another one lists can be sorted by.
    let error = call(&world, MEMBER, &json!({"SortCriteria": [{"Field": "no"}]})).unwrap_err();
    let (_, names) = error.message.split_once("expected one of ").unwrap();
    for name in names.split(", ") {
        let question = json!({"SortCriteria": [{"Field": name, "SortOrder": "desc"}]});
        assert_eq!(get(&world, MEMBER, &question).len(), 3, "{name}");
    }
    let token = call(&world, MEMBER, &json!({"MaxResults": 1})).unwrap()["NextToken"].clone();
    for (account, body) in [
        (OTHER, json!({"NextToken": token})),
        (MEMBER, json!({"NextToken": token, "MaxResults": 2})),
        (MEMBER, json!({"NextToken": token, "Filters": {"CompositeOperator": "OR"}})),
        (MEMBER, json!({"NextToken": "00"})),
    ] {
        let error = call(&world, account, &body).unwrap_err();
        assert_eq!((error.status, error.code), (400, "ValidationException"), "{body}");
    }
    // A token of one operation is none for the other.
    assert!(world.get_error(MEMBER, &json!({"NextToken": token})).message.contains("not a token"));
    let token = world.get(MEMBER, &json!({"MaxResults": 1}))["NextToken"].clone();
    assert!(call(&world, MEMBER, &json!({"NextToken": token})).unwrap_err().message.contains("not a token"));
}

#[test]
fn the_quota_is_that_of_other_operations() {
    let world = World::open(Settings { quotas: true, ..settings() });
    let call = |seconds| world.backend.call(Operation::GetFindingsV2, MEMBER.parse().unwrap(), b"{}", at(seconds));
    assert_eq!((0..40).filter(|_| call(0).is_ok()).count(), 30);
    let error = call(0).unwrap_err();
    assert_eq!((error.status, error.code), (429, "ThrottlingException"));
    assert_eq!((0..40).filter(|_| call(1).is_ok()).count(), 10);
}

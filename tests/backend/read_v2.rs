//! Reading in terms of OCSF.

use super::support::{ADMIN, MEMBER, OTHER, World, at, custom_arn, finding, settings};
use findings_gate::{
    backend::Settings,
    finding::{ApiError, Operation},
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn call(world: &World, account: &str, body: &Value) -> Result<Value, ApiError> {
    world.call_raw(Operation::GetFindingsV2, account, &body.to_string())
}

fn get(world: &World, account: &str, body: &Value) -> Vec<Value> {
    call(world, account, body).unwrap()["Findings"].as_array().unwrap().clone()
}

fn ids(found: &[Value]) -> Vec<&str> {
    found.iter().map(|found| found["finding_info"]["uid"].as_str().unwrap()).collect()
}

/// The ids of the member's findings that pass one composite filter.
fn passing(world: &World, composite: &Value) -> Vec<String> {
    let found = get(world, MEMBER, &json!({"Filters": {"CompositeFilters": [composite]}}));
    ids(&found).into_iter().map(str::to_owned).collect()
}

fn string(field: &str, comparison: &str, value: &str) -> Value {
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

fn world() -> World {
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

/// The values that a dotted name leads to.
fn values(document: &Value, name: &str) -> Vec<Value> {
    match (document, name.split_once('.')) {
        (Value::Array(items), _) => items.iter().flat_map(|item| values(item, name)).collect(),
        (_, Some((first, rest))) => document.get(first).map(|inner| values(inner, rest)).unwrap_or_default(),
        (_, None) => match document.get(name) {
            Some(Value::Array(items)) => items.clone(),
            Some(value) => vec![value.clone()],
            None => Vec::new(),
        },
    }
}

const TEXTS: [&str; 32] = [
    "metadata.uid",
    "activity_name",
    "cloud.account.uid",
    "cloud.account.name",
    "cloud.provider",
    "cloud.region",
    "compliance.control",
    "compliance.status",
    "compliance.standards",
    "finding_info.desc",
    "finding_info.src_url",
    "finding_info.title",
    "finding_info.types",
    "finding_info.uid",
    "finding_info.related_events.uid",
    "finding_info.related_events.product.uid",
    "metadata.product.name",
    "metadata.product.uid",
    "metadata.product.vendor_name",
    "remediation.desc",
    "resources.cloud_partition",
    "resources.region",
    "resources.type",
    "resources.uid",
    "severity",
    "status",
    "comment",
    "class_name",
    "vendor_attributes.severity",
    "resources.provider",
    "resources.owner.account.uid",
    "resources.owner.org.uid",
];
const NUMBERS: [&str; 6] = [
    "activity_id",
    "compliance.status_id",
    "confidence_score",
    "severity_id",
    "status_id",
    "vendor_attributes.severity_id",
];
const DATES: [&str; 4] = [
    "finding_info.created_time_dt",
    "finding_info.first_seen_time_dt",
    "finding_info.last_seen_time_dt",
    "finding_info.modified_time_dt",
];

/// What is filtered by is what is shown: for each value that some finding shows, the filter finds those that show it, and its
/// negation finds the others.
#[test]
fn each_field_is_found_by_what_it_shows() {
    let world = world();
    let all = get(&world, MEMBER, &json!({}));
    let showing = |name: &str, value: &Value| -> BTreeSet<String> {
        let found = all.iter().filter(|found| values(found, name).contains(value));
        found.map(|found| found["finding_info"]["uid"].as_str().unwrap().to_owned()).collect()
    };
    let everyone: BTreeSet<String> = ids(&all).into_iter().map(str::to_owned).collect();
    let set = |found: Vec<String>| found.into_iter().collect::<BTreeSet<_>>();
    for name in TEXTS {
        let shown: Vec<_> = all.iter().flat_map(|found| values(found, name)).collect();
        assert!(!shown.is_empty(), "no finding shows {name}");
        for value in shown {
            let text = value.as_str().unwrap_or_else(|| panic!("{name}: {value}"));
            let expected = showing(name, &value);
            let rest: BTreeSet<_> = everyone.difference(&expected).cloned().collect();
            for comparison in ["EQUALS", "PREFIX", "CONTAINS_WORD"] {
                let found = set(passing(&world, &json!({"StringFilters": [string(name, comparison, text)]})));
                // A prefix and a word may fit others, too.
                let fits = if comparison == "EQUALS" { found == expected } else { found.is_superset(&expected) };
                assert!(fits, "{name} {comparison} {text}: {found:?}");
            }
            let found = set(passing(&world, &json!({"StringFilters": [string(name, "NOT_EQUALS", text)]})));
            assert_eq!(found, rest, "{name} NOT_EQUALS {text}");
        }
    }
    for name in NUMBERS {
        for value in all.iter().flat_map(|found| values(found, name)) {
            let found = passing(&world, &json!({"NumberFilters": [{"FieldName": name, "Filter": {"Eq": value}}]}));
            assert_eq!(set(found), showing(name, &value), "{name} {value}");
        }
    }
    for name in DATES {
        for value in all.iter().flat_map(|found| values(found, name)) {
            let found = passing(
                &world,
                &json!({"DateFilters": [{"FieldName": name, "Filter": {"Start": value, "End": value}}]}),
            );
            assert_eq!(set(found), showing(name, &value), "{name} {value}");
        }
    }
}

#[test]
fn filters_are_combined_as_they_say() {
    let world = world();
    let low = string("severity", "EQUALS", "Low");
    let new = string("status", "EQUALS", "New");
    let critical = string("severity", "EQUALS", "Critical");
    let tag = |comparison: &str| json!({"FieldName": "resources.tags", "Filter": {"Key": "team", "Value": "red", "Comparison": comparison}});
    let severity = |filter: Value| json!([{"FieldName": "severity_id", "Filter": filter}]);
    for (composite, expected) in [
        (json!({"StringFilters": [low]}), vec!["plain", "old"]),
        (json!({"StringFilters": [low, new]}), vec!["plain"]),
        (json!({"StringFilters": [low, new], "Operator": "AND"}), vec!["plain"]),
        (json!({"StringFilters": [low, critical]}), vec![]),
        (json!({"StringFilters": [low, critical], "Operator": "OR"}), vec!["plain", "rich", "old"]),
        (json!({"StringFilters": [new, critical], "Operator": "OR"}), vec!["plain", "rich"]),
        (json!({"MapFilters": [tag("EQUALS")]}), vec!["rich"]),
        (json!({"MapFilters": [tag("NOT_EQUALS")]}), vec!["plain", "old"]),
        (json!({"NumberFilters": severity(json!({"Gte": 3}))}), vec!["rich"]),
        (json!({"NumberFilters": severity(json!({"Gt": 1, "Lt": 5}))}), vec!["plain", "old"]),
        (json!({"NumberFilters": [{"FieldName": "confidence_score", "Filter": {"Lte": 100}}]}), vec!["rich"]),
        (json!({"NumberFilters": severity(json!({"Eq": 2})), "StringFilters": [new]}), vec!["plain"]),
        (
            json!({"DateFilters": [{"FieldName": "finding_info.modified_time_dt",
                                    "Filter": {"DateRange": {"Value": 8, "Unit": "DAYS"}}}]}),
            vec!["rich"],
        ),
        (json!({"StringFilters": [string("finding_info.uid", "PREFIX_NOT_EQUALS", "pl")]}), vec!["rich", "old"]),
        (json!({"StringFilters": [string("remediation.desc", "CONTAINS_WORD", "close")]}), vec!["rich"]),
        (json!({"StringFilters": [string("remediation.desc", "CONTAINS_WORD", "clos")]}), vec![]),
        (
            json!({"StringFilters": [low], "NestedCompositeFilters": [
                {"StringFilters": [new, string("status", "EQUALS", "Archived")], "Operator": "OR"},
            ]}),
            vec!["plain", "old"],
        ),
        (
            json!({"StringFilters": [critical], "Operator": "OR", "NestedCompositeFilters": [{"StringFilters": [low, new]}]}),
            vec!["plain", "rich"],
        ),
    ] {
        assert_eq!(passing(&world, &composite), expected, "{composite}");
    }
    for (operator, expected) in
        [(None, vec!["plain"]), (Some("AND"), vec!["plain"]), (Some("OR"), vec!["plain", "old"])]
    {
        let mut filters = json!({"CompositeFilters": [{"StringFilters": [low]}, {"StringFilters": [new]}]});
        if let Some(operator) = operator {
            filters["CompositeOperator"] = json!(operator);
        }
        assert_eq!(ids(&get(&world, MEMBER, &json!({"Filters": filters}))), expected, "{operator:?}");
    }
    for filters in [json!({}), json!({"CompositeFilters": []}), Value::Null] {
        assert_eq!(get(&world, MEMBER, &json!({"Filters": filters})).len(), 3, "{filters}");
    }
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
fn questions_that_are_wrong_are_refused_with_their_place() {
    let world = World::new();
    let with = |member: &str, filters: Value| json!({"Filters": {"CompositeFilters": [{member: filters}]}});
    let field = |member: &str, name: &str, filter: Value| with(member, json!([{"FieldName": name, "Filter": filter}]));
    let text = json!({"Value": "x", "Comparison": "EQUALS"});
    let many = |count: usize| Value::Array(vec![string("severity", "EQUALS", "Low"); count]);
    let nested = json!([{"NestedCompositeFilters": [{"StringFilters": many(1)}]}]);
    let full = json!({"CompositeFilters": vec![json!({"StringFilters": many(20), "NumberFilters": vec![json!({"FieldName": "status_id", "Filter": {"Eq": 1}}); 20]}); 6]});
    for (body, told) in [
        (
            field("StringFilters", "severty", text.clone()),
            "`Filters.CompositeFilters[0].StringFilters[0].FieldName`: `severty` is no field",
        ),
        (
            field("StringFilters", "severity_id", text.clone()),
            "`severity_id` is no field that such a filter can have, expected one of metadata.uid",
        ),
        (field("StringFilters", "malware.name", text.clone()), "does not support `malware.name`"),
        (field("NumberFilters", "severity", json!({"Eq": 1})), "NumberFilters[0].FieldName`: `severity` is no field"),
        (
            field("BooleanFilters", "vulnerabilities.is_fix_available", json!({"Value": true})),
            "does not support `vulnerabilities.is_fix_available`",
        ),
        (
            field("BooleanFilters", "severity", json!({"Value": true})),
            "`severity` is no field that such a filter can have",
        ),
        (
            field("IpFilters", "evidences.src_endpoint.ip", json!({"Cidr": "10.0.0.0/8"})),
            "does not support `evidences.src_endpoint.ip`",
        ),
        (
            field("StringFilters", "severity", json!({"Value": "x"})),
            "`Filters.CompositeFilters[0].StringFilters[0].Filter`: missing field `Comparison`",
        ),
        (
            field("StringFilters", "severity", json!({"Value": " ", "Comparison": "EQUALS"})),
            "`Filter.Value`: must not be blank",
        ),
        (
            field("StringFilters", "severity", json!({"Value": "x", "Comparison": "CONTAINS"})),
            "CONTAINS and NOT_CONTAINS are not for GetFindingsV2",
        ),
        (
            field("StringFilters", "severity", json!({"Value": "x", "Comparison": "LIKE"})),
            "StringFilters[0].Filter.Comparison`: unknown variant `LIKE`",
        ),
        (
            field("MapFilters", "resources.tags", json!({"Key": "k", "Value": "x", "Comparison": "CONTAINS"})),
            "a map takes EQUALS and NOT_EQUALS",
        ),
        (field("NumberFilters", "severity_id", json!({})), "NumberFilters[0]`: `Filter`: expected `Eq` alone"),
        (
            field("DateFilters", "finding_info.created_time_dt", json!({"Start": "2024-01-01T00:00:00Z"})),
            "`Filter`: expected `Start` and `End`",
        ),
        (with("StringFilters", many(21)), "`Filters.CompositeFilters[0].StringFilters`: at most 20 filters, got 21"),
        (with("StringFilters", json!([])), "`Filters.CompositeFilters[0]`: expected at least one filter"),
        (with("WordFilters", json!([])), "unknown field `WordFilters`"),
        (
            with("NestedCompositeFilters", nested),
            "CompositeFilters[0].NestedCompositeFilters[0].NestedCompositeFilters`: nested too deep",
        ),
        (
            json!({"Filters": {"CompositeFilters": vec![json!({"StringFilters": many(1)}); 11]}}),
            "at most 10 composite filters, got 11",
        ),
        (json!({"Filters": full}), "more than 200 filters in one request"),
        (json!({"Filters": {"Operator": "AND"}}), "`Filters.Operator`: unknown field `Operator`"),
        (json!({"Filters": {"CompositeOperator": "XOR"}}), "`Filters.CompositeOperator`: unknown variant `XOR`"),
        (json!({"Filters": {"Id": []}}), "unknown field `Id`"),
        (
            json!({"SortCriteria": [{"Field": "resources.uid"}]}),
            "`SortCriteria[0].Field`: cannot sort by `resources.uid`; expected one of metadata.uid",
        ),
        (json!({"MaxResults": 0}), "`MaxResults`: expected 1 to 100"),
        (json!({"MaxResults": 101}), "`MaxResults`: expected 1 to 100"),
        (json!({"Limit": 1}), "unknown field `Limit`"),
    ] {
        let error = call(&world, MEMBER, &body).unwrap_err();
        assert_eq!((error.status, error.code), (400, "ValidationException"), "{body}");
        assert!(error.message.contains(told), "{body}: {}", error.message);
    }
    // As many filters as there may be are not too many for the database.
    let full = json!({"CompositeFilters": vec![json!({"StringFilters": many(20)}); 10], "CompositeOperator": "OR"});
    assert_eq!(get(&world, MEMBER, &json!({"Filters": full})), Vec::<Value>::new());
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

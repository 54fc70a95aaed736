//! Imports and updates.

use super::support::{ADMIN, MEMBER, OTHER, World, at, custom_arn, finding};
use findings_gate::finding::Operation;
use serde_json::{Value, json};

#[test]
fn an_import_can_be_read_and_updated() {
    let world = World::new();
    assert_eq!(
        world.import(MEMBER, &[finding(MEMBER, "f1")]),
        json!({"FailedCount": 0, "SuccessCount": 1, "FailedFindings": []})
    );
    let answer = world.raw_update(
        MEMBER,
        &json!({
            "FindingIdentifiers": [{"ProductArn": custom_arn(MEMBER), "Id": "f1"}],
            "Note": {"Text": "seen", "UpdatedBy": "me"}, "Workflow": {"Status": "NOTIFIED"},
            "Severity": {"Label": "HIGH"}, "UserDefinedFields": {"ticket": "OPS-1"}, "Confidence": 5,
            "Criticality": 6, "VerificationState": "TRUE_POSITIVE", "Types": ["Effects"],
            "RelatedFindings": [{"Id": "f2", "ProductArn": custom_arn(MEMBER)}],
        }),
    );
    let expected = r#"{"ProcessedFindings":[{"Id":"f1","ProductArn":"ARN"}],"UnprocessedFindings":[]}"#;
    assert_eq!(answer, expected.replace("ARN", &custom_arn(MEMBER)));
    let found = world.finding(MEMBER, "f1");
    for (path, value) in [
        ("/Note", json!({"Text": "seen", "UpdatedBy": "me", "UpdatedAt": "2024-05-10T00:00:00.000Z"})),
        ("/Workflow", json!({"Status": "NOTIFIED"})),
        ("/Severity", json!({"Label": "HIGH", "Normalized": 70})),
        ("/FindingProviderFields/Severity", json!({"Label": "LOW", "Normalized": 1})),
        ("/UserDefinedFields", json!({"ticket": "OPS-1"})),
        ("/Confidence", json!(5)),
        ("/Criticality", json!(6)),
        ("/VerificationState", json!("TRUE_POSITIVE")),
        ("/Types", json!(["Effects"])),
        ("/FindingProviderFields/Types", json!(["TTPs"])),
        ("/RelatedFindings", json!([{"Id": "f2", "ProductArn": custom_arn(MEMBER)}])),
        ("/UpdatedAt", json!("2024-05-01T00:00:00Z")),
        ("/Region", json!("eu-west-1")),
        ("/AwsAccountName", json!("payments")),
    ] {
        assert_eq!(found.pointer(path), Some(&value), "{path}");
    }
}

#[test]
fn lists_and_maps_are_replaced_and_absent_members_left_alone() {
    let world = World::with(&[finding(MEMBER, "f1")]);
    world.update(MEMBER, "f1", json!({"UserDefinedFields": {"a": "1", "b": "2"}, "Types": ["TTPs", "Effects"]}));
    world.update(MEMBER, "f1", json!({"UserDefinedFields": {"b": "3"}}));
    world.update(MEMBER, "f1", json!({"Types": ["Effects"], "Severity": {"Product": 4.5}}));
    let found = world.finding(MEMBER, "f1");
    assert_eq!(found["UserDefinedFields"], json!({"b": "3"}));
    assert_eq!(found["Types"], json!(["Effects"]));
    assert_eq!(found["Workflow"], json!({"Status": "NEW"}));
    assert_eq!(found["Severity"], json!({"Label": "LOW", "Normalized": 1}));
}

#[test]
fn what_a_customer_set_survives_the_next_import() {
    let world = World::with(&[finding(MEMBER, "f1")]);
    world.update(MEMBER, "f1", json!({"Severity": {"Label": "CRITICAL"}, "Workflow": {"Status": "SUPPRESSED"}}));
    let mut newer = finding(MEMBER, "f1");
    newer["UpdatedAt"] = json!("2024-05-02T00:00:00Z");
    newer["Title"] = json!("new title");
    newer["Severity"] = json!({"Label": "MEDIUM"});
    newer["Confidence"] = json!(77);
    world.import(MEMBER, &[newer]);
    let found = world.finding(MEMBER, "f1");
    assert_eq!((&found["Title"], &found["Confidence"]), (&json!("new title"), &json!(77)));
    assert_eq!(found["Severity"]["Label"], "CRITICAL");
    assert_eq!(found["FindingProviderFields"]["Severity"]["Label"], "MEDIUM");
    assert_eq!(found["Workflow"]["Status"], "SUPPRESSED");
}

#[test]
fn an_import_counts_only_if_it_is_newer() {
    let world = World::with(&[finding(MEMBER, "f1")]);
    for (updated_at, taken) in [
        ("2024-05-01T00:00:00Z", false),
        ("2024-05-01T02:00:00+0200", false),
        ("2024-04-30T23:59:59.999999999Z", false),
        ("2024-05-01T00:00:00.000000001Z", true),
        ("2024-05-01T01:00:00.000000001+01:00", false),
        ("2024-05-01T02:00:00.000000002+0200", true),
    ] {
        let mut again = finding(MEMBER, "f1");
        again["UpdatedAt"] = json!(updated_at);
        assert_eq!(world.import(MEMBER, &[again])["SuccessCount"], 1);
        let as_given = world.finding(MEMBER, "f1")["UpdatedAt"] == updated_at;
        assert_eq!(as_given, taken || updated_at == "2024-05-01T00:00:00Z", "{updated_at}");
    }
}

#[test]
fn one_bad_finding_does_not_keep_the_others_out() {
    let world = World::new();
    let mut bad = finding(MEMBER, "bad");
    bad["Resources"] = json!([]);
    bad["Title"] = json!("");
    let mut nameless = finding(MEMBER, "");
    nameless.as_object_mut().unwrap().remove("Id");
    let answer = world.import(MEMBER, &[finding(MEMBER, "f1"), bad, nameless, json!(7)]);
    assert_eq!((&answer["SuccessCount"], &answer["FailedCount"]), (&json!(1), &json!(3)));
    let failed: Vec<_> = (0..3)
        .map(|n| &answer["FailedFindings"][n])
        .map(|failed| (failed["Id"].as_str().unwrap(), failed["ErrorMessage"].as_str().unwrap()))
        .collect();
    assert_eq!(
        failed,
        [
            (
                "bad",
                "Finding does not adhere to Amazon Finding Format. \
                 data.Title should NOT be shorter than 1 characters, \
                 data.Resources should NOT have fewer than 1 items."
            ),
            ("", "Finding does not adhere to Amazon Finding Format. data should have required property 'Id'."),
            ("", "Finding does not adhere to Amazon Finding Format. data should be object."),
        ]
    );
    assert_eq!(answer["FailedFindings"][0]["ErrorCode"], "InvalidInput");
    assert_eq!(world.ids(MEMBER, &json!({})), ["f1"]);
}

#[test]
fn a_foreign_account_fails_the_whole_import() {
    let world = World::new();
    let error = world.import_error(MEMBER, &json!({"Findings": [finding(MEMBER, "f1"), finding(OTHER, "f2")]}));
    assert_eq!((error.status, error.code), (403, "AccessDeniedException"));
    assert!(error.message.contains("Findings[1].AwsAccountId"), "{error}");
    let error = world.import_error(ADMIN, &json!({"Findings": [finding(MEMBER, "f1")]}));
    assert_eq!(error.code, "AccessDeniedException");
    assert_eq!(world.ids(ADMIN, &json!({})), [""; 0]);
}

#[test]
fn an_import_cannot_forge_whose_finding_it_is() {
    let world = World::new();
    let mut custom = finding(MEMBER, "f1");
    custom["ProductArn"] = json!(custom_arn(OTHER));
    let of_aws = |owner: &str| {
        let mut finding = finding(MEMBER, &format!("arn:aws:guardduty:eu-west-1:{owner}:detector/d/finding/f"));
        finding["ProductArn"] = json!("arn:aws:securityhub:eu-west-1::product/aws/guardduty");
        finding
    };
    let answer = world.import(MEMBER, &[custom, of_aws(OTHER), of_aws(MEMBER)]);
    let failed = answer["FailedFindings"].as_array().unwrap();
    assert_eq!(failed.iter().map(|failed| &failed["ErrorCode"]).collect::<Vec<_>>(), ["InvalidAccess"; 2]);
    assert_eq!(answer["SuccessCount"], 1);
}

#[test]
fn import_bodies_that_are_none_are_refused() {
    let world = World::new();
    let findings = |n: usize| json!({"Findings": vec![finding(MEMBER, "f"); n]});
    for (body, says) in [
        (json!({}), "`Findings`: expected a list"),
        (json!({"Findings": {}}), "`Findings`: expected a list"),
        (findings(0), "expected 1 to 100 findings, got 0"),
        (findings(101), "got 101"),
        (json!({"Findings": [finding(MEMBER, "f")], "Extra": 1}), "`Extra`"),
        (json!({"Findings": ["x".repeat(6 << 20)]}), "6 MB"),
    ] {
        let error = world.import_error(MEMBER, &body);
        assert_eq!((error.status, error.code), (400, "InvalidInputException"));
        assert!(error.message.contains(says), "{error}");
    }
}

#[test]
fn a_member_given_twice_fails_the_whole_import() {
    let world = World::new();
    let body = |twice: &str| {
        let [one, other] = ["f1", "f2"].map(|id| finding(MEMBER, id).to_string());
        format!(r#"{{"Findings":[{one},{}{twice}}}]}}"#, other.strip_suffix('}').unwrap())
    };
    for (twice, name) in [
        (r#","Title":"another""#, "Title"),
        (r#","AwsAccountId":"333333333333""#, "AwsAccountId"),
        (r#","Unknown":{"a":[{"b":1,"\u0062":1}]}"#, "b"),
    ] {
        let error = world.call_raw(Operation::BatchImportFindings, MEMBER, &body(twice)).unwrap_err();
        assert_eq!((error.status, error.code), (400, "InvalidInputException"));
        assert!(error.message.contains(&format!("member `{name}` came twice")), "{error}");
    }
    assert_eq!(world.ids(MEMBER, &json!({})), [""; 0]);
    world.call_raw(Operation::BatchImportFindings, MEMBER, &body("")).unwrap();
    assert_eq!(world.ids(MEMBER, &json!({})), ["f1", "f2"]);
}

#[test]
fn update_bodies_that_are_none_are_refused_and_change_nothing() {
    let world = World::with(&[finding(MEMBER, "f1")]);
    let before = world.finding(MEMBER, "f1");
    let arn = custom_arn(MEMBER);
    let body = |rest: &str| format!(r#"{{"FindingIdentifiers":[{{"Id":"f1","ProductArn":"{arn}"}}]{rest}}}"#);
    let (long, blank) = ("i".repeat(513), r#"{"FindingIdentifiers":[{"Id":" ","ProductArn":"ARN"}],"Confidence":1}"#);
    for (body, says) in [
        (String::new(), "body: "),
        (body(""), "nothing to update"),
        (body(r#","Confidence":101"#), "Confidence: got 101, expected an integer from 0 to 100"),
        (body(r#","Confidence":null"#), "Confidence: "),
        (body(r#","Confidence":1,"Confidence":1"#), "member `Confidence` came twice"),
        (body(r#","Confidence":1,"Types":[]"#), "Types: "),
        (body(r#","Confidence":1,"Types":["a","a"]"#), "Types: type \"a\" came twice"),
        (body(r#","Confidence":1,"Workflow":{}"#), "Workflow: member `Status` is missing"),
        (body(r#","Confidence":1,"UserDefinedFields":{"é":"v"}"#), "UserDefinedFields"),
        (body(r#","RecordState":"ARCHIVED""#), "unknown member `RecordState`"),
        (body(r#","Confidence":1"#).replace("f1", &long), "FindingIdentifiers[0].Id: "),
        (blank.replace("ARN", &arn), "FindingIdentifiers[0].Id: "),
    ] {
        let error = world.call_raw(Operation::BatchUpdateFindings, MEMBER, &body).unwrap_err();
        assert_eq!((error.status, error.code), (400, "InvalidInputException"), "{body}");
        assert!(error.message.contains(says), "{body}: {error}");
    }
    assert_eq!(world.finding(MEMBER, "f1"), before);
    world.update(MEMBER, "f1", json!({"UserDefinedFields": {"ticket": ""}}));
    assert_eq!(world.finding(MEMBER, "f1")["UserDefinedFields"], json!({"ticket": ""}), "a value may be empty");
}

#[test]
fn size_is_held_at_import_and_at_update() {
    let world = World::new();
    let sized = |id: &str, bytes: usize| {
        let mut finding = finding(MEMBER, id);
        finding["Unknown"] = json!("x".repeat(bytes));
        finding
    };
    let answer = world.import(MEMBER, &[sized("big", 240 << 10), sized("fits", (240 << 10) - 3000)]);
    assert_eq!(
        answer["FailedFindings"],
        json!([{"Id": "big", "ErrorCode": "FindingSizeExceeded", "ErrorMessage": "Finding size exceeded 240 KB"}])
    );
    let before = world.finding(MEMBER, "fits");
    let fields: serde_json::Map<_, _> = (0..4).map(|n| (n.to_string(), json!("x".repeat(1000)))).collect();
    let answer = world.update(MEMBER, "fits", json!({"UserDefinedFields": fields}));
    assert_eq!(answer["ProcessedFindings"], json!([]));
    assert_eq!(answer["UnprocessedFindings"][0]["ErrorCode"], "FindingSizeExceeded");
    assert_eq!(world.finding(MEMBER, "fits"), before);
}

#[test]
fn unknown_members_and_numbers_pass_untouched() {
    let world = World::new();
    let mut given = finding(MEMBER, "f1");
    given["Detection"] = json!({"Sequence": {"Score": 0.1, "Big": 18_446_744_073_709_551_615_u64}});
    given["Tiny"] = json!([1e-7, -0.0, 3.0, 2.225_073_858_507_201e-308]);
    world.import(MEMBER, &[given.clone()]);
    world.update(MEMBER, "f1", json!({"Confidence": 1}));
    let found = world.finding(MEMBER, "f1");
    assert_eq!((&found["Detection"], &found["Tiny"]), (&given["Detection"], &given["Tiny"]));
}

#[test]
fn each_finding_has_its_own_outcome_in_the_order_of_the_request() {
    let world = World::with(&[finding(MEMBER, "f1"), finding(MEMBER, "f2")]);
    world.import(OTHER, &[finding(OTHER, "f3")]);
    let name = |account, id: &str| json!({"Id": id, "ProductArn": custom_arn(account)});
    let body = json!({
        "FindingIdentifiers": [
            name(MEMBER, "f2"), name(MEMBER, "none"), name(MEMBER, "f1"), name(MEMBER, "f2"), name(OTHER, "f3"),
            name(OTHER, "f1"), name(MEMBER, "none"),
        ],
        "Confidence": 1,
    });
    let answer: Value = serde_json::from_str(&world.raw_update(MEMBER, &body)).unwrap();
    assert_eq!(answer["ProcessedFindings"], json!([name(MEMBER, "f2"), name(MEMBER, "f1")]));
    let unprocessed = answer["UnprocessedFindings"].as_array().unwrap();
    let id_and_code = |one: &Value| (one["FindingIdentifier"]["Id"].clone(), one["ErrorCode"].clone());
    let expected = [
        ("none", "FindingNotFound"),
        ("f2", "DuplicatedFindingIdentifier"),
        ("f3", "FindingNotFound"),
        ("f1", "FindingNotFound"),
        ("none", "DuplicatedFindingIdentifier"),
    ];
    assert_eq!(
        unprocessed.iter().map(id_and_code).collect::<Vec<_>>(),
        expected.map(|(id, code)| (json!(id), json!(code)))
    );
    assert_eq!(unprocessed[0]["ErrorMessage"], "Finding Not Found");
    assert_eq!(world.finding(OTHER, "f3").get("Confidence"), None);
}

#[test]
fn members_reach_their_own_findings_and_the_administrator_its_fleets() {
    let world = World::with(&[finding(MEMBER, "m")]);
    world.import(OTHER, &[finding(OTHER, "o")]);
    world.import(ADMIN, &[finding(ADMIN, "a")]);
    assert_eq!(world.ids(MEMBER, &json!({})), ["m"]);
    assert_eq!(world.ids(OTHER, &json!({})), ["o"]);
    assert_eq!(world.ids(ADMIN, &json!({})), ["m", "o", "a"]);
    for (caller, owner, id, reached) in [
        (MEMBER, MEMBER, "m", true),
        (MEMBER, OTHER, "o", false),
        (MEMBER, ADMIN, "a", false),
        (ADMIN, MEMBER, "m", true),
        (ADMIN, OTHER, "o", true),
        (ADMIN, ADMIN, "a", true),
    ] {
        let name = json!([{"Id": id, "ProductArn": custom_arn(owner)}]);
        let answer = world.raw_update(caller, &json!({"FindingIdentifiers": name, "Confidence": 3}));
        assert_eq!(answer.contains("FindingNotFound"), !reached, "{caller} {id}");
    }
    let stranger = "999999999999".parse().unwrap();
    let error = world.backend.call(Operation::GetFindings, stranger, b"{}", at(0)).unwrap_err();
    assert_eq!((error.status, error.code), (401, "InvalidAccessException"));
    assert_eq!(error.message, "Account 999999999999 is not subscribed to AWS Security Hub");
}

#[test]
fn a_name_that_two_accounts_have_is_no_name_for_their_administrator() {
    let world = World::new();
    let arn = json!("arn:aws:securityhub:eu-west-1::product/acme/scanner");
    for account in [MEMBER, OTHER] {
        let mut same = finding(account, "same");
        same["ProductArn"] = arn.clone();
        assert_eq!(world.import(account, &[same])["SuccessCount"], 1);
    }
    let body = json!({"FindingIdentifiers": [{"Id": "same", "ProductArn": arn}], "Confidence": 1});
    assert!(world.raw_update(ADMIN, &body).contains(r#""ErrorCode":"InvalidInput""#));
    assert!(world.raw_update(MEMBER, &body).contains(r#""UnprocessedFindings":[]"#));
    assert_eq!(world.finding(MEMBER, "same")["Confidence"], 1);
    assert_eq!(world.finding(OTHER, "same").get("Confidence"), None);
}

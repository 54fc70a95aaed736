//! Imports, updates, files and faults.

use super::support::{ADMIN, MEMBER, OTHER, World, at, custom_arn, finding, settings};
use findings_gate::{
    backend::{Backend, Faults, OpenError, Rate, Settings, sample_findings},
    finding::Operation,
};
use serde_json::{Value, json};
use std::{num::NonZeroU32, time::Duration};

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
    world.update(MEMBER, "f1", json!({"Types": [], "Workflow": {}, "Severity": {"Product": 4.5}}));
    let found = world.finding(MEMBER, "f1");
    assert_eq!(found["UserDefinedFields"], json!({"b": "3"}));
    assert_eq!(found["Types"], json!([]));
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
    let long = "i".repeat(513);
    let body = json!({
        "FindingIdentifiers": [
            name(MEMBER, "f2"), name(MEMBER, "none"), name(MEMBER, "f1"), name(MEMBER, "f2"), name(OTHER, "f3"),
            name(OTHER, "f1"), name(MEMBER, &long), name(MEMBER, "none"),
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
        (&long, "InvalidInput"),
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

#[test]
fn what_was_answered_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("findings.db");
    let (page, before) = {
        let world = World::at(&path);
        world.import(MEMBER, &[finding(MEMBER, "f1"), finding(MEMBER, "f2")]);
        world.update(MEMBER, "f1", json!({"Severity": {"Label": "HIGH"}}));
        (world.get(MEMBER, &json!({"MaxResults": 1})), world.finding(MEMBER, "f1"))
    };
    let world = World::at(&path);
    assert_eq!(world.finding(MEMBER, "f1"), before);
    let rest = world.get(MEMBER, &json!({"NextToken": page["NextToken"]}));
    assert_eq!(rest["Findings"][0]["Id"], "f2", "a token outlives the process");
    let mut newer = finding(MEMBER, "f1");
    newer["UpdatedAt"] = json!("2024-05-02T00:00:00Z");
    world.import(MEMBER, &[newer]);
    assert_eq!(world.finding(MEMBER, "f1")["Severity"]["Label"], "HIGH", "and so does what stuck");
}

#[test]
fn files_that_cannot_be_used_are_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let of = |name: &str| Settings { data: Some(folder.path().join(name)), ..settings() };
    let refused = |name: &str| Backend::open(of(name)).unwrap_err();
    let first = Backend::open(of("findings.db")).unwrap();
    let error = refused("findings.db");
    assert!(matches!(error, OpenError::InUse { .. }), "{error}");
    assert!(error.to_string().contains("in use by another process"), "{error}");
    drop(first);
    let error = Backend::open(Settings { region: "us-east-1".into(), ..of("findings.db") }).unwrap_err();
    assert!(error.to_string().contains("is for Region `eu-west-1`, not for `us-east-1`"), "{error}");

    let change = |name: &str, sql: &str| {
        rusqlite::Connection::open(folder.path().join(name)).unwrap().execute_batch(sql).unwrap();
    };
    change("findings.db", "PRAGMA user_version = 7");
    let error = refused("findings.db").to_string();
    assert!(error.contains("has schema version 7, this program reads version 1"), "{error}");
    change("other.db", "CREATE TABLE theirs (x)");
    assert!(matches!(refused("other.db"), OpenError::Foreign { .. }));
    std::fs::write(folder.path().join("text.db"), "no database, but long enough to look at: ".repeat(50)).unwrap();
    assert!(matches!(refused("text.db"), OpenError::Foreign { .. }));
    assert!(refused("no/such/folder.db").to_string().contains("no/such/folder.db"));
}

#[test]
fn faults_strike_when_asked_for_and_change_nothing() {
    let world = World::with(&[finding(MEMBER, "f1")]);
    let before = world.finding(MEMBER, "f1");
    let name = json!([{"Id": "f1", "ProductArn": custom_arn(MEMBER)}]);
    let body = json!({"FindingIdentifiers": name, "Confidence": 1}).to_string();
    let outcome = |faults: Faults| {
        world.backend.set_faults(faults);
        let answer =
            world.backend.call(Operation::BatchUpdateFindings, MEMBER.parse().unwrap(), body.as_bytes(), at(0));
        world.backend.set_faults(Faults::default());
        answer.map_or_else(
            |error| format!("{} {}", error.status, error.code),
            |answer| String::from_utf8(answer).unwrap(),
        )
    };
    let none = Faults::default();
    assert_eq!(outcome(Faults { throttle: Rate::ALWAYS, ..none }), "429 TooManyRequestsException");
    assert_eq!(outcome(Faults { internal: Rate::ALWAYS, ..none }), "500 InternalException");
    for (faults, code, message) in [
        (
            Faults { concurrent_update: Rate::ALWAYS, ..none },
            "ConcurrentUpdateError",
            "Concurrent finding updates detected",
        ),
        (Faults { internal_failure: Rate::ALWAYS, ..none }, "InternalFailure", "Internal service failure"),
    ] {
        let answer = outcome(faults);
        assert!(answer.contains(&format!(r#""ErrorCode":"{code}","ErrorMessage":"{message}""#)), "{answer}");
    }
    assert_eq!(world.finding(MEMBER, "f1"), before);

    let slow = Duration::from_millis(250);
    assert_eq!(world.backend.delay(), Duration::ZERO);
    world.backend.set_faults(Faults { slow: (Rate::Every(NonZeroU32::new(2).unwrap()), slow), ..none });
    assert_eq!([(); 4].map(|()| world.backend.delay()), [Duration::ZERO, slow, Duration::ZERO, slow]);
}

#[test]
fn quotas_hold_when_switched_on() {
    let world = World::open(Settings { quotas: true, ..settings() });
    let call = |seconds| world.backend.call(Operation::GetFindings, MEMBER.parse().unwrap(), b"{}", at(seconds));
    assert_eq!((0..10).filter(|_| call(0).is_ok()).count(), 6);
    assert_eq!(call(0).unwrap_err().code, "TooManyRequestsException");
    assert_eq!((0..10).filter(|_| call(1).is_ok()).count(), 3);
}

#[test]
fn samples_are_valid_and_import_whole() {
    let world = World::new();
    let accounts = [ADMIN, MEMBER, OTHER].map(|account| account.parse().unwrap());
    for (account, body) in sample_findings("eu-west-1", &accounts, at(0)) {
        let answer = world.backend.call(Operation::BatchImportFindings, account, &body, at(0)).unwrap();
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!(answer, json!({"FailedCount": 0, "SuccessCount": 12, "FailedFindings": []}));
    }
    let found = world.get(ADMIN, &json!({}));
    let found = found["Findings"].as_array().unwrap();
    assert_eq!(found.len(), 36);
    for one in found {
        let (arn, id) = (one["ProductArn"].as_str().unwrap(), one["Id"].as_str().unwrap());
        let named = if arn.contains("::product/aws/") { id } else { arn };
        assert!(named.contains(one["AwsAccountId"].as_str().unwrap()), "{arn} {id}");
    }
}

#[test]
fn several_threads_may_call_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::at(&folder.path().join("findings.db"));
    let ids: Vec<_> = (0..8).map(|n| format!("f{n}")).collect();
    world.import(MEMBER, &ids.iter().map(|id| finding(MEMBER, id)).collect::<Vec<_>>());
    std::thread::scope(|scope| {
        for id in &ids {
            let world = &world;
            scope.spawn(move || {
                for n in 0..10 {
                    world.update(MEMBER, id, json!({"Confidence": n}));
                    assert_eq!(world.finding(MEMBER, id)["Confidence"], n);
                }
            });
        }
    });
}

//! Updates in terms of OCSF.

use super::support::{ADMIN, MEMBER, OTHER, World, at, custom_arn, finding};
use findings_gate::{
    backend::{Faults, Rate},
    finding::{ApiError, BatchUpdateV2, Operation},
};
use serde_json::{Value, json};

fn identifier(account: &str, id: &str) -> Value {
    json!({"CloudAccountUid": account, "FindingInfoUid": id, "MetadataProductUid": custom_arn(account)})
}

fn call(world: &World, account: &str, body: &Value) -> Result<Value, ApiError> {
    world.call_raw(Operation::BatchUpdateFindingsV2, account, &body.to_string())
}

/// Updates one finding of [`MEMBER`] as its owner.
fn update(world: &World, id: &str, mut update: Value) -> Value {
    update["FindingIdentifiers"] = json!([identifier(MEMBER, id)]);
    call(world, MEMBER, &update).unwrap()
}

#[test]
fn every_number_is_written_as_what_means_the_same() {
    let world = World::with(&[finding(MEMBER, "f1")]);
    for (update_v2, severity, workflow, record) in [
        (json!({"SeverityId": 1}), json!({"Label": "INFORMATIONAL", "Normalized": 0}), "NEW", "ACTIVE"),
        (json!({"SeverityId": 2}), json!({"Label": "LOW", "Normalized": 1}), "NEW", "ACTIVE"),
        (json!({"SeverityId": 3}), json!({"Label": "MEDIUM", "Normalized": 40}), "NEW", "ACTIVE"),
        (json!({"SeverityId": 4}), json!({"Label": "HIGH", "Normalized": 70}), "NEW", "ACTIVE"),
        (json!({"SeverityId": 5}), json!({"Label": "CRITICAL", "Normalized": 90}), "NEW", "ACTIVE"),
        (
            json!({"StatusId": 2, "SeverityId": 1}),
            json!({"Label": "INFORMATIONAL", "Normalized": 0}),
            "NOTIFIED",
            "ACTIVE",
        ),
        (json!({"SeverityId": 6}), json!({"Label": "CRITICAL", "Normalized": 90}), "NOTIFIED", "ACTIVE"),
        (json!({"StatusId": 3}), json!({"Label": "CRITICAL", "Normalized": 90}), "SUPPRESSED", "ACTIVE"),
        (json!({"StatusId": 5}), json!({"Label": "CRITICAL", "Normalized": 90}), "SUPPRESSED", "ARCHIVED"),
        (json!({"Comment": "x"}), json!({"Label": "CRITICAL", "Normalized": 90}), "SUPPRESSED", "ARCHIVED"),
        (json!({"StatusId": 4}), json!({"Label": "CRITICAL", "Normalized": 90}), "RESOLVED", "ACTIVE"),
        (json!({"StatusId": 1}), json!({"Label": "CRITICAL", "Normalized": 90}), "NEW", "ACTIVE"),
    ] {
        let answer = update(&world, "f1", update_v2.clone());
        let expected = json!({
            "ProcessedFindings": [{"FindingIdentifier": identifier(MEMBER, "f1")}], "UnprocessedFindings": [],
        });
        assert_eq!(answer, expected, "{update_v2}");
        let now = world.finding(MEMBER, "f1");
        assert_eq!(now["Severity"], severity, "{update_v2}");
        assert_eq!(
            (&now["Workflow"]["Status"], &now["RecordState"]),
            (&json!(workflow), &json!(record)),
            "{update_v2}"
        );
        assert_eq!(now["UpdatedAt"], "2024-05-01T00:00:00Z", "{update_v2}");
    }
}

/// The gate asks policies about an update as [`findings_gate::finding::UpdateV2::changes`] says. Whatever this backend makes of it
/// must have been asked. (That a finding comes back into view is no question of its own.)
#[test]
fn what_an_update_does_to_a_finding_was_asked() {
    let world = World::with(&[finding(MEMBER, "f1")]);
    let updates = [5, 1, 2, 3, 4, 5, 3].map(|id| json!({"StatusId": id}));
    for update_v2 in updates.into_iter().chain((1..=6).map(|id| json!({"SeverityId": id}))) {
        let body =
            json!({"MetadataUids": ["u"], "StatusId": update_v2["StatusId"], "SeverityId": update_v2["SeverityId"]});
        let body = body.as_object().unwrap().iter().filter(|(_, value)| !value.is_null());
        let body = Value::Object(body.map(|(name, value)| (name.clone(), value.clone())).collect()).to_string();
        let request = BatchUpdateV2::parse(body.as_bytes()).unwrap();
        let asked: Vec<_> = request.update.changes(None).iter().map(ToString::to_string).collect();
        let before = world.finding(MEMBER, "f1");
        update(&world, "f1", update_v2.clone());
        let after = world.finding(MEMBER, "f1");
        for (pointer, action) in [
            ("/Severity/Label", "Severity.Label"),
            ("/Workflow/Status", "Workflow.Status"),
            ("/RecordState", "RecordState"),
        ] {
            let (was, is) = (&before.pointer(pointer).unwrap(), after.pointer(pointer).unwrap().as_str().unwrap());
            let question = format!("{action} = {is}");
            assert!(*was == is || is == "ACTIVE" || asked.contains(&question), "{update_v2}: {question} in {asked:?}");
        }
    }
}

#[test]
fn a_comment_is_a_note_and_severity_sticks() {
    let world = World::with(&[finding(MEMBER, "f1")]);
    let mut body = json!({"Comment": "seen \"it\"", "SeverityId": 5, "FindingIdentifiers": [identifier(MEMBER, "f1")]});
    call(&world, ADMIN, &body).unwrap();
    let note = json!({"Text": "seen \"it\"", "UpdatedBy": ADMIN, "UpdatedAt": "2024-05-10T00:00:00.000Z"});
    assert_eq!(world.finding(MEMBER, "f1")["Note"], note);
    let mut newer = finding(MEMBER, "f1");
    newer["UpdatedAt"] = json!("2024-05-02T00:00:00Z");
    world.import(MEMBER, &[newer]);
    let now = world.finding(MEMBER, "f1");
    assert_eq!((&now["Note"], &now["Severity"]["Label"]), (&note, &json!("CRITICAL")));
    body["Comment"] = json!("x".repeat(513));
    assert_eq!(call(&world, ADMIN, &body).unwrap_err().code, "ValidationException");
}

#[test]
fn what_goes_wrong_with_one_finding_is_told_of_it() {
    let world = World::with(&[finding(MEMBER, "f1"), finding(MEMBER, "f2")]);
    world.import(OTHER, &[finding(OTHER, "f1")]);
    let names = [
        identifier(MEMBER, "f1"),
        identifier(MEMBER, "f1"),
        identifier(MEMBER, "no"),
        identifier(OTHER, "f1"),
        identifier("999999999999", "f1"),
        identifier(MEMBER, "f2"),
    ];
    let answer = call(&world, MEMBER, &json!({"FindingIdentifiers": names, "StatusId": 3})).unwrap();
    let unprocessed = |place: usize, code: &str, message: &str| json!({"FindingIdentifier": names[place], "ErrorCode": code, "ErrorMessage": message});
    let missing = |place| unprocessed(place, "ResourceNotFoundException", "Finding not found");
    let expected = json!({
        "ProcessedFindings": [{"FindingIdentifier": names[0]}, {"FindingIdentifier": names[5]}],
        "UnprocessedFindings": [
            unprocessed(1, "ValidationException", "Finding is named twice"), missing(2), missing(3), missing(4),
        ],
    });
    assert_eq!(answer, expected);
    assert_eq!(world.finding(OTHER, "f1")["Workflow"]["Status"], "NEW");
    let answer = call(&world, ADMIN, &json!({"FindingIdentifiers": [names[3]], "StatusId": 3})).unwrap();
    assert_eq!(answer["UnprocessedFindings"], json!([]));

    for (faults, code) in [
        (Faults { concurrent_update: Rate::ALWAYS, ..Faults::default() }, "ConflictException"),
        (Faults { internal_failure: Rate::ALWAYS, ..Faults::default() }, "InternalServerException"),
    ] {
        world.backend.set_faults(faults);
        let answer = update(&world, "f1", json!({"StatusId": 1}));
        assert_eq!(answer["UnprocessedFindings"][0]["ErrorCode"], code);
        world.backend.set_faults(Faults::default());
    }
    assert_eq!(world.finding(MEMBER, "f1")["Workflow"]["Status"], "SUPPRESSED");

    let mut large = finding(MEMBER, "large");
    large["ProductFields"] = json!({});
    large["Custom"] = json!("x".repeat((240 << 10) - 1400));
    assert_eq!(world.import(MEMBER, &[large])["SuccessCount"], 1);
    let answer = update(&world, "large", json!({"Comment": "é".repeat(512)}));
    let told = &answer["UnprocessedFindings"][0];
    assert_eq!(
        (&told["ErrorCode"], &told["ErrorMessage"]),
        (&json!("ValidationException"), &json!("Finding size exceeded 240 KB"))
    );
}

#[test]
fn a_call_that_is_wrong_fails_in_the_words_of_ocsf() {
    let world = World::with(&[finding(MEMBER, "f1")]);
    let with = |update: Value| {
        let mut body = json!({"FindingIdentifiers": [identifier(MEMBER, "f1")]});
        body.as_object_mut().unwrap().extend(update.as_object().unwrap().clone());
        body
    };
    for (body, told) in [
        (with(json!({})), "nothing to update"),
        (with(json!({"StatusId": 7})), "StatusId: got 7"),
        (with(json!({"MetadataUids": ["x"], "StatusId": 1})), "are both there"),
        (with(json!({"Workflow": {"Status": "NEW"}})), "unknown member `Workflow`"),
        (with(json!({"SeverityId": 0})), "SeverityId: 0 (Unknown) has no counterpart"),
        (with(json!({"SeverityId": 99})), "SeverityId: 99 (Other) has no counterpart"),
        (with(json!({"StatusId": 0})), "StatusId: 0 (Unknown) has no counterpart"),
        (with(json!({"StatusId": 99, "Comment": "x"})), "StatusId: 99 (Other) has no counterpart"),
    ] {
        let error = call(&world, MEMBER, &body).unwrap_err();
        assert_eq!((error.status, error.code), (400, "ValidationException"), "{body}");
        assert!(error.message.contains(told), "{body}: {}", error.message);
    }
    assert_eq!(world.finding(MEMBER, "f1").get("Note"), None);
    let body = with(json!({"StatusId": 1})).to_string();
    let stranger = "999999999999".parse().unwrap();
    let error = world.backend.call(Operation::BatchUpdateFindingsV2, stranger, body.as_bytes(), at(0)).unwrap_err();
    assert_eq!((error.status, error.code), (403, "AccessDeniedException"));
    for (faults, status, code) in [
        (Faults { throttle: Rate::ALWAYS, ..Faults::default() }, 429, "ThrottlingException"),
        (Faults { internal: Rate::ALWAYS, ..Faults::default() }, 500, "InternalServerException"),
    ] {
        world.backend.set_faults(faults);
        let error = call(&world, MEMBER, &with(json!({"StatusId": 1}))).unwrap_err();
        assert_eq!((error.status, error.code), (status, code));
    }
}

//! The backend as a whole: its file, its faults and quotas, samples, threads.

use super::support::{ADMIN, MEMBER, OTHER, World, at, custom_arn, finding, settings};
use findings_gate::{
    backend::{Backend, Faults, OpenError, Rate, Settings, sample_findings},
    finding::Operation,
};
use serde_json::{Value, json};
use std::{num::NonZeroU32, time::Duration};

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
    assert!(error.contains("has schema version 7, this program reads versions 1 to 3"), "{error}");
    change("other.db", "CREATE TABLE theirs (x)");
    assert!(matches!(refused("other.db"), OpenError::Foreign { .. }));
    std::fs::write(folder.path().join("text.db"), "no database, but long enough to look at: ".repeat(50)).unwrap();
    assert!(matches!(refused("text.db"), OpenError::Foreign { .. }));
    assert!(refused("no/such/folder.db").to_string().contains("no/such/folder.db"));
}

#[test]
fn a_file_of_an_older_version_is_brought_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("findings.db");
    let database = rusqlite::Connection::open(&path).unwrap();
    database.execute_batch(include_str!("../data/backend/version-1.sql")).unwrap();
    drop(database);
    let version = || {
        let database = rusqlite::Connection::open(&path).unwrap();
        database.query_row("PRAGMA user_version", [], |row| row.get::<_, i32>(0)).unwrap()
    };
    // Not for another Region: such a file stays as it is.
    let of = |region: &str| Settings { data: Some(path.clone()), region: region.into(), ..settings() };
    assert!(matches!(Backend::open(of("us-east-1")).unwrap_err(), OpenError::Region { .. }));
    assert_eq!(version(), 1);
    let world = World::at(&path);
    assert_eq!(world.finding(MEMBER, "f1")["Severity"]["Label"], "HIGH");
    world.import(MEMBER, &[finding(MEMBER, "f3")]);
    assert_eq!(world.ids(MEMBER, &json!({})), ["f1", "f2", "f3"]);
    assert_eq!(world.call_raw(Operation::ListAutomationRules, ADMIN, ""), Ok(json!({"AutomationRulesMetadata": []})));
    // The findings that were there have the uid by which they are shown.
    let shown = world.call_raw(Operation::GetFindingsV2, MEMBER, "").unwrap();
    let uids: Vec<_> =
        shown["Findings"].as_array().unwrap().iter().map(|found| found["metadata"]["uid"].clone()).collect();
    let update = json!({"MetadataUids": uids, "StatusId": 2}).to_string();
    let answer = world.call_raw(Operation::BatchUpdateFindingsV2, MEMBER, &update).unwrap();
    assert_eq!((uids.len(), &answer["UnprocessedFindings"]), (3, &json!([])));
    assert_eq!(world.finding(MEMBER, "f1")["Workflow"]["Status"], "NOTIFIED");
    drop(world);
    assert_eq!(version(), 3);
    assert_eq!(World::at(&path).ids(MEMBER, &json!({})), ["f1", "f2", "f3"]);
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
    for operation in Operation::ALL.iter().copied() {
        let throttled = Faults { throttle: Rate::ALWAYS, ..none };
        world.backend.set_faults(throttled);
        let error = world.call_raw(operation, ADMIN, "").unwrap_err();
        world.backend.set_faults(none);
        assert_eq!(error.status, 429, "{operation}");
    }
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

//! What the gate wrote is what `audit` and `replay` read: of its own policies nothing would be decided otherwise.

use crate::support::{
    client::{signed_head, with_body},
    fleet::{BLUNT, PAYMENTS, SEARCH, SECURITY, finding, update},
    gate::{Gate, Place, program},
};
use serde_json::{Value, json};
use std::path::Path;

/// What a verb prints, if it ends with this code.
fn printed(directory: &Path, arguments: &[&str], code: i32) -> String {
    let output = program(directory).args(arguments).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{text}{told}");
    text
}

fn replayed(directory: &Path, policies: &str) -> Value {
    let arguments = ["replay", "--policies", policies, "--config", "findings-gate.toml", "--format", "json"];
    serde_json::from_str(&printed(directory, &arguments, 0)).unwrap()
}

#[test]
fn a_log_that_the_gate_wrote_is_whole_and_replays_to_what_it_says() {
    let more = "[doors]\nopen = [\"BatchImportFindings\"]\n[audit]\nfile = \"audit.jsonl\"\nmask = []\n";
    for (more, masked) in [(more.to_owned(), false), (more.replace("mask = []\n", ""), true)] {
        let gate = Gate::start(Place::new("embedded", &more));
        let directory = gate.place().path("");
        let own = finding("222222222222", "own");
        let import = json!({ "Findings": [{
            "SchemaVersion": "2018-10-08", "Id": own["Id"], "ProductArn": own["ProductArn"], "AwsAccountId": "222222222222",
            "GeneratorId": "g", "Title": "t", "Description": "d", "CreatedAt": "2026-01-01T00:00:00Z",
            "UpdatedAt": "2026-01-01T00:00:00Z", "Resources": [{ "Type": "Other", "Id": "r" }], "Severity": { "Normalized": 71 },
            "Types": ["a/b"], "RecordState": "ACTIVE", "UserDefinedFields": { "owner": "ana" },
        }] });
        let body = import.to_string();
        let mut client = gate.connect();
        let head = signed_head(gate.address, &PAYMENTS, "POST", "/findings/import", body.as_bytes());
        client.send(&with_body(&head, body.as_bytes()));
        assert_eq!(client.read().status, 200);
        let batch = [own.clone(), finding("333333333333", "foreign"), own.clone(), finding("222222222222", "none")];
        let note = json!({ "Text": "see SEC-1", "UpdatedBy": "ana" });
        let updates = [
            json!({ "Note": note, "Workflow": { "Status": "NOTIFIED" }, "Severity": { "Normalized": 3 } }),
            json!({ "Workflow": { "Status": "SUPPRESSED" }, "VerificationState": "BENIGN_POSITIVE" }),
            json!({ "UserDefinedFields": { "ticket": "SEC-1", "owner": "ana" }, "Types": ["a/b", "c"] }),
            json!({ "UserDefinedFields": { "ticket": "SEC-1" }, "Confidence": 7 }),
        ];
        let callers = [&PAYMENTS, &SEARCH, &SECURITY, &BLUNT];
        for members in &updates {
            for caller in callers {
                gate.connect().update(caller, update(&batch, members.clone()));
            }
        }
        let verified: Value =
            serde_json::from_str(&printed(&directory, &["audit", "verify", "--format", "json"], 0)).unwrap();
        assert_eq!(verified["requests"], updates.len() * callers.len() + 1, "{verified}");
        let same = replayed(&directory, "pack:baseline");
        assert_eq!((&same["moved"], &same["requests"]), (&json!([]), &verified["requests"]), "{same}");
        if !masked {
            assert_eq!(same["undecided"], json!([]), "{same}");
        }
        let stricter = replayed(&directory, "pack:strict");
        let narrowed = |moved: &Value| moved["direction"] == "narrowed" && moved["action"] == "Workflow.Status";
        assert!(stricter["moved"].as_array().unwrap().iter().any(narrowed), "{stricter}");
        assert_eq!(stricter["undecided"], json!([]), "{stricter}");
        let shown = printed(&directory, &["audit", "show", "--last", "1"], 0);
        assert!(shown.contains("UserDefinedFields[ticket]"), "{shown}");
    }
}

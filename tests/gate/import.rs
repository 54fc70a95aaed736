//! Imports: each finding decided, what is left forwarded in one call, and one answer whatever the backend says.

use crate::{
    POLICIES,
    support::{
        client::{Response, signed_head, with_body},
        fleet::{BLUNT, Key, PAYMENTS, SEARCH, SECURITY},
        gate::{Gate, Place},
        upstream::{Received, Reply, Upstream},
    },
};
use serde_json::{Value, json};

pub(crate) const OPEN: &str = "[doors]\nopen = [\"BatchImportFindings\"]\n[limits]\nbody = \"7MiB\"\n";
/// Besides [`POLICIES`].
const MORE: &str = r#"
@id("no-archiving")
@enforce("reject")
@advice("Let the scanner that found it archive it.")
forbid (principal, action == Action::"RecordState", resource)
when { context.value == RecordState::"ARCHIVED" };

@id("not-this-scanner")
@enforce("strip")
@advice("Use the other scanner.")
forbid (principal, action == Action::"Import", resource)
when { resource.id like "unwanted*" };
"#;

/// A gate with policies, in front of an upstream.
pub(crate) fn gate_before(upstream: &Upstream, policies: &str) -> Gate {
    Gate::start(Place::with_policies(&upstream.url(), policies, OPEN))
}

pub(crate) fn ask(gate: &Gate, key: &Key, body: &str) -> Response {
    let mut client = gate.connect();
    let head = signed_head(gate.address, key, "POST", "/findings/import", body.as_bytes());
    client.send(&with_body(&format!("{head}x-findings-gate-account: 111111111111\r\n"), body.as_bytes()));
    client.read()
}

pub(crate) fn import(gate: &Gate, key: &Key, findings: &[Value]) -> Response {
    ask(gate, key, &json!({ "Findings": findings }).to_string())
}

/// A finding of the account's own product, with these members besides.
pub(crate) fn finding(key: &Key, id: &str, members: &Value) -> Value {
    let account = key.account;
    let mut finding = json!({
        "SchemaVersion": "2018-10-08", "Id": id, "AwsAccountId": account,
        "ProductArn": format!("arn:aws:securityhub:eu-west-1:{account}:product/{account}/default"),
        "GeneratorId": "test", "Title": "t", "Description": "d", "Types": ["Effects"],
        "CreatedAt": "2026-01-01T00:00:00Z", "UpdatedAt": "2026-01-01T00:00:00Z",
        "Severity": {"Label": "LOW", "Original": "l"}, "Resources": [{"Type": "Other", "Id": "r"}],
    });
    for (name, value) in members.as_object().unwrap() {
        finding[name] = value.clone();
    }
    finding
}

pub(crate) fn of_import(received: &Received) -> bool {
    received.head.starts_with("POST /findings/import HTTP/1.1\r\n")
}

/// The ids of the findings in a request or an answer.
pub(crate) fn ids(findings: &Value) -> Vec<&str> {
    findings.as_array().unwrap().iter().map(|finding| finding["Id"].as_str().unwrap()).collect()
}

/// A backend that imports everything, and has no finding.
pub(crate) fn accepting() -> Upstream {
    having(&json!([]))
}

/// A backend that imports everything, and has these findings.
pub(crate) fn having(findings: &Value) -> Upstream {
    let findings = findings.clone();
    Upstream::start(move |request| {
        if of_import(request) {
            let count = request.json()["Findings"].as_array().unwrap().len();
            Reply::json("200 OK", &json!({"SuccessCount": count, "FailedCount": 0, "FailedFindings": []}))
        } else {
            Reply::json("200 OK", &json!({"Findings": findings}))
        }
    })
}

/// The answer of a decided call: how many succeeded, and the id, code and message of each that did not.
#[track_caller]
pub(crate) fn told(response: &Response) -> (u64, Vec<(String, String, String)>) {
    assert_eq!(response.status, 200, "{}", String::from_utf8_lossy(&response.body));
    assert_eq!(response.headers["content-type"], "application/json");
    assert_eq!(response.headers["x-findings-gate-decision"], response.headers["x-amzn-requestid"]);
    let body = response.json();
    assert_eq!(body.as_object().unwrap().len(), 3, "{body}");
    let failed = body["FailedFindings"].as_array().unwrap();
    assert_eq!(body["FailedCount"], failed.len());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let entry = |entry: &Value| (text(&entry["Id"]), text(&entry["ErrorCode"]), text(&entry["ErrorMessage"]));
    (body["SuccessCount"].as_u64().unwrap(), failed.iter().map(entry).collect())
}

/// How many succeeded, and `id code` of each that did not.
#[track_caller]
pub(crate) fn codes(response: &Response) -> (u64, Vec<String>) {
    let (succeeded, failed) = told(response);
    (succeeded, failed.into_iter().map(|(id, code, _)| format!("{id} {code}")).collect())
}

#[test]
fn what_is_allowed_is_forwarded_as_it_came_and_written_anew() {
    let upstream = accepting();
    let gate = Gate::start(Place::new(&upstream.url(), OPEN));
    let members = json!({
        "Confidence": 5, "RecordState": "ACTIVE", "Malware": [{"Name": "x", "Score": 1.50}], "ANewMember": {"a": [null]},
        "FindingProviderFields": {"Severity": {"Label": "HIGH"}, "Types": ["TTPs"]}, "Workflow": {"Status": "NEW"},
    });
    let findings = [finding(&PAYMENTS, "one", &members), finding(&PAYMENTS, "two", &json!({}))];
    let spaced = format!("{:#}\n", json!({ "Findings": findings })).replace("\"one\"", r#""\u006fne""#);
    assert_eq!(codes(&ask(&gate, &PAYMENTS, &spaced)), (2, vec![]));
    let received = upstream.take();
    let [received] = &received[..] else { panic!("one call, and no look-up: {received:?}") };
    assert_eq!(received.json(), json!({ "Findings": findings }));
    assert!(!received.text().contains([' ', '\n', '\\']), "{}", received.text());
    assert!(of_import(received) && received.head.contains("x-findings-gate-account: 222222222222\r\n"));
    assert_eq!(received.header_names(), ["content-length", "content-type", "host", "x-findings-gate-account"]);
    // The administrator imports its own, too.
    let own = finding(&SECURITY, "own", &json!({"RecordState": "ARCHIVED", "Workflow": {"Status": "SUPPRESSED"}}));
    assert_eq!(codes(&import(&gate, &SECURITY, &[own])), (1, vec![]));
    assert_eq!(upstream.take().len(), 1);
    assert!(!gate.log().contains("configuration_doubtful"), "{}", gate.log());
}

#[test]
fn the_baseline_lets_members_import_and_neither_archive_nor_suppress() {
    let upstream = accepting();
    let gate = Gate::start(Place::new(&upstream.url(), OPEN));
    let provided = |members: Value| json!({ "FindingProviderFields": members });
    let note = json!({"Text": "t", "UpdatedBy": "scanner", "UpdatedAt": "2026-01-01T00:00:00Z"});
    for (members, code, fragment) in [
        (provided(json!({"Severity": {"Label": "CRITICAL"}, "Confidence": 99})), None, ""),
        (json!({"Note": note}), None, ""),
        (
            json!({"RecordState": "ARCHIVED"}),
            Some("AccessDenied"),
            "RecordState = ARCHIVED denied because no policy permits it",
        ),
        (json!({"Workflow": {"Status": "SUPPRESSED"}}), Some("AccessDenied"), "`members-do-not-suppress` (reject)"),
        (json!({"WorkflowState": "DEFERRED"}), Some("AccessDenied"), "Workflow.Status = SUPPRESSED denied by policy"),
        (
            json!({"VerificationState": "FALSE_POSITIVE"}),
            Some("AccessDenied"),
            "members-do-not-declare-false-positives",
        ),
    ] {
        let (succeeded, failed) = told(&import(&gate, &PAYMENTS, &[finding(&PAYMENTS, "f", &members)]));
        let sent = upstream.take();
        match code {
            None => assert_eq!((succeeded, failed, sent.len()), (1, vec![], 1), "{members}"),
            Some(code) => {
                assert_eq!((succeeded, sent), (0, vec![]), "{members}");
                assert_eq!((&*failed[0].0, &*failed[0].1), ("f", code), "{members}");
                assert!(failed[0].2.contains(fragment), "{failed:?}");
            }
        }
    }
    gate.wait_for_log(&["request_served", "BatchImportFindings", "\"denied\":1", "\"findings\":1"]);
}

#[test]
fn a_site_lets_its_scanner_archive_by_one_permit() {
    let manual = include_str!("../../policies/README.md");
    let start = manual.find("@id(\"scanner-archives\")").unwrap();
    let example = manual[start..].split("```").next().unwrap();
    let own = "Member::\"arn:aws:iam::222222222222:role/akiapayments\"";
    let permit = example.replace("Member::\"arn:aws:iam::222222222222:role/scanner\"", own);
    assert_ne!(permit, example);
    let upstream = accepting();
    let place = Place::new(&upstream.url(), OPEN);
    place.edit("findings-gate.toml", "\"pack:baseline\"", "\"pack:baseline\", \"policies\"");
    place.write("policies/scanner.cedar", &permit);
    let gate = Gate::start(place);
    let archived = json!({"RecordState": "ARCHIVED"});
    assert_eq!(codes(&import(&gate, &PAYMENTS, &[finding(&PAYMENTS, "f", &archived)])), (1, vec![]));
    let denied = (0, vec!["f AccessDenied".to_owned()]);
    assert_eq!(codes(&import(&gate, &SEARCH, &[finding(&SEARCH, "f", &archived)])), denied);
}

#[test]
fn a_hundred_findings_have_each_its_own_fate() {
    let upstream = Upstream::start(|request| {
        let findings = request.json();
        let all = findings["Findings"].as_array().unwrap();
        let failed = all.iter().filter(|finding| finding["Title"] == "broken");
        let failed: Vec<Value> = failed
            .map(|finding| json!({"Id": finding["Id"], "ErrorCode": "InvalidAccess", "ErrorMessage": "no hub"}))
            .collect();
        let (count, succeeded) = (failed.len(), all.len() - failed.len());
        Reply::json("200 OK", &json!({"SuccessCount": succeeded, "FailedCount": count, "FailedFindings": failed}))
    });
    let gate = gate_before(&upstream, &format!("{POLICIES}{MORE}"));
    let provided = json!({"Severity": {"Label": "HIGH"}, "Types": ["TTPs"]});
    let mut expected = Vec::new();
    let findings: Vec<Value> = (0..100)
        .map(|at| {
            let id = |kind: &str| format!("{kind}-{at}");
            let (id, members, code) = match at % 10 {
                0 => (id("strip"), json!({"FindingProviderFields": provided}), Some("PartialImport")),
                1 => (
                    id("strip"),
                    json!({"FindingProviderFields": {"Severity": {"Label": "HIGH"}}}),
                    Some("PartialImport"),
                ),
                2 => (id("gone"), json!({"RecordState": "ARCHIVED"}), Some("AccessDenied")),
                3 => (id("unwanted"), json!({}), Some("AccessDenied")),
                4 => (id("bad"), json!({"Note": {"Text": "t"}}), Some("InvalidInput")),
                5 => (id("broken"), json!({"Title": "broken"}), Some("InvalidAccess")),
                6 => (id("strip-broken"), json!({"Title": "broken"}), Some("InvalidAccess")),
                7 => (id("unsure"), json!({"Confidence": 93}), Some("AccessDenied")),
                8 if at > 8 => ("again-8".to_owned(), json!({}), Some("DuplicatedFindingIdentifier")),
                8 => (id("again"), json!({}), None),
                _ => (id("fine"), json!({"Confidence": at}), None),
            };
            expected.extend(code.map(|code| format!("{id} {code}")));
            // Confidence 93 and more overflows in the policy; the fine ones stay below.
            let members = if at % 10 == 9 { json!({"Confidence": 9}) } else { members };
            finding(&PAYMENTS, &id, &members)
        })
        .collect();
    let response = import(&gate, &PAYMENTS, &findings);
    assert_eq!(codes(&response), (100 - expected.len() as u64, expected));
    let received = upstream.take();
    let [sent] = &received[..] else { panic!("one call: {}", received.len()) };
    let body = sent.json();
    let kinds = ["strip", "broken", "fine"];
    let forwarded = findings.iter().filter(|finding| {
        let id = finding["Id"].as_str().unwrap();
        kinds.iter().any(|kind| id.starts_with(kind)) || std::ptr::eq(*finding, &raw const findings[8])
    });
    let forwarded: Vec<Value> = forwarded
        .map(|finding| {
            let mut finding = finding.clone();
            if finding["Id"].as_str().unwrap().starts_with("strip") {
                let members = finding.as_object_mut().unwrap();
                members.remove("Severity");
                let emptied = members.get_mut("FindingProviderFields").is_some_and(|provided| {
                    let provided = provided.as_object_mut().unwrap();
                    provided.remove("Severity");
                    provided.is_empty()
                });
                if emptied {
                    members.remove("FindingProviderFields");
                }
            }
            finding
        })
        .collect();
    assert_eq!(ids(&body["Findings"]), ids(&json!(forwarded)));
    assert_eq!(body["Findings"], json!(forwarded));

    let (_, failed) = told(&response);
    let message = |id: &str| failed.iter().find(|(of, ..)| of == id).unwrap().2.clone();
    let decision = &response.headers["x-findings-gate-decision"];
    let stripped = message("strip-0");
    assert!(
        stripped.starts_with("imported without Severity: Severity.Label = LOW, Severity.Label = HIGH denied"),
        "{stripped}"
    );
    assert!(
        stripped.contains("`no-severity` (strip): Leave Severity out.") && stripped.contains(&**decision),
        "{stripped}"
    );
    assert!(
        message("gone-2").starts_with("nothing was imported: RecordState = ARCHIVED denied by policy `no-archiving`")
    );
    assert!(
        message("unwanted-3").contains("Import denied by policy `not-this-scanner` (strip): Use the other scanner.")
    );
    assert!(message("bad-4").starts_with("Findings[4].Note: member `UpdatedBy` is missing"));
    assert_eq!(message("broken-5"), "no hub");
    assert!(message("strip-broken-6").starts_with("no hub (it was forwarded without Severity: "));
    assert!(message("unsure-7").contains("policy-error"));
    gate.wait_for_log(&["policy_failed", "overflows", "Confidence"]);
    assert_eq!(gate.log().matches("policy_failed").count(), 1, "once, not once a finding");
    gate.goes_on_with_imports();
}

impl Gate {
    /// Asserts that the gate goes on: one good import over a new connection is answered well.
    #[track_caller]
    fn goes_on_with_imports(&self) {
        let response = import(self, &PAYMENTS, &[finding(&PAYMENTS, "goes-on", &json!({}))]);
        assert_eq!(codes(&response), (1, vec![]));
    }
}

#[test]
fn a_refusal_and_a_foreign_account_forward_nothing_of_the_whole_call() {
    let upstream = accepting();
    let gate = gate_before(&upstream, &format!("{POLICIES}{MORE}"));
    let fine = finding(&PAYMENTS, "fine", &json!({}));
    let thirteen = finding(&PAYMENTS, "thirteen", &json!({"FindingProviderFields": {"Criticality": 13}}));
    let refused = import(&gate, &PAYMENTS, &[fine.clone(), thirteen]);
    refused.is_error(
        403,
        "AccessDeniedException",
        "nothing was imported, because of finding \"thirteen\": Criticality = 13",
    );
    refused.is_error(403, "AccessDeniedException", "`not-thirteen` (refuse): Choose another number.");
    assert!(refused.headers.contains_key("x-findings-gate-decision"));
    // A denial that strips for one key refuses the call of another.
    let strip = finding(&PAYMENTS, "strip", &json!({}));
    import(&gate, &BLUNT, &[fine.clone(), strip]).is_error(403, "AccessDeniedException", "`no-severity`");

    for key in [&PAYMENTS, &SECURITY] {
        let own = finding(key, "own", &json!({}));
        let foreign = finding(&SEARCH, "foreign", &json!({}));
        let response = import(&gate, key, &[own, foreign]);
        response.is_error(403, "AccessDeniedException", "`Findings[1].AwsAccountId` is 333333333333");
        response.is_error(403, "AccessDeniedException", key.account);
        assert!(!response.headers.contains_key("x-findings-gate-decision"), "nobody was asked");
    }
    assert_eq!(upstream.received(), []);
    // Its own by AwsAccountId, and another's by its name.
    let mut disguised = finding(&SEARCH, "disguised", &json!({}));
    disguised["AwsAccountId"] = PAYMENTS.account.into();
    let (succeeded, failed) = told(&import(&gate, &PAYMENTS, &[disguised.clone(), fine]));
    assert_eq!((succeeded, &*failed[0].0, &*failed[0].1), (1, "disguised", "AccessDenied"));
    assert!(failed[0].2.contains("of account 333333333333"), "{failed:?}");
    assert_eq!(ids(&upstream.take()[0].json()["Findings"]), ["fine"]);
    import(&gate, &BLUNT, &[disguised]).is_error(403, "AccessDeniedException", "of account 333333333333");
    assert_eq!(upstream.received(), []);
}

#[test]
fn what_is_no_import_is_told_where_and_forwarded_nowhere() {
    let upstream = accepting();
    let gate = Gate::start(Place::new(&upstream.url(), OPEN));
    let body = |finding: &Value| json!({ "Findings": [finding] }).to_string();
    let fine = body(&finding(&PAYMENTS, "f", &json!({})));
    let within = |from: &str, to: &str| fine.replacen(from, to, 1);
    let hundred_and_one = vec![finding(&PAYMENTS, "f", &json!({})); 101];
    let large = finding(&PAYMENTS, "f", &json!({"Filler": "x".repeat(6 << 20)}));
    for (body, told) in [
        ("{".to_owned(), "EOF"),
        ("[]".to_owned(), "expected an object"),
        (format!("{fine}x"), "trailing characters"),
        (within(r#""Title":"t""#, r#""Title":"t","Title":"u""#), "member `Title` came twice"),
        (within(r#""Type":"Other""#, r#""Type":"Other","\u0054ype":"AwsS3Bucket""#), "member `Type` came twice"),
        (within(r#""Label":"LOW""#, r#""Label":"LOW","Label":"CRITICAL""#), "member `Label` came twice"),
        (within(r#"{"Findings":"#, r#"{"Findings":[],"Findings":"#), "member `Findings` came twice"),
        (within(r#""Title":"t""#, r#""Title":"\ud800""#), "hex escape"),
        (within(r#""Id":"f""#, r#""Id":7"#), "Findings[0].Id: invalid type: integer `7`"),
        (within(r#""Id":"f""#, r#""id":"f""#), "Findings[0].Id: is missing"),
        (within(r#""AwsAccountId":"222222222222""#, r#""AwsAccountId":"""#), "Findings[0].AwsAccountId: got \"\""),
        (json!({"Findings": hundred_and_one}).to_string(), "Findings: got 101 findings"),
        (body(&large), "expected at most 6 MB (6291456 bytes)"),
    ] {
        ask(&gate, &PAYMENTS, &body).is_error(400, "InvalidInputException", told);
    }
    let beyond = finding(&PAYMENTS, "f", &json!({"Filler": "x".repeat(7 << 20)}));
    ask(&gate, &PAYMENTS, &body(&beyond)).is_error(413, "RequestEntityTooLargeException", "");
    assert_eq!(upstream.received(), []);
    // Within its limits, it takes 6 MB; one finding that is too large fails alone.
    let mut findings: Vec<Value> =
        (0..25).map(|at| finding(&PAYMENTS, &at.to_string(), &json!({"Filler": "x".repeat(240_000)}))).collect();
    findings[3]["Filler"] = "x".repeat(250_000).into();
    let (succeeded, failed) = told(&import(&gate, &PAYMENTS, &findings));
    assert_eq!((succeeded, &*failed[0].0, &*failed[0].1, failed.len()), (24, "3", "FindingSizeExceeded", 1));
    assert!(failed[0].2.contains("Findings[3] has 250"), "{failed:?}");
    gate.goes_on_with_imports();
}

#[test]
fn a_shadow_policy_is_told_and_changes_nothing() {
    let upstream = accepting();
    let shadow = r#"@id("trial") @shadow @enforce("reject") forbid (principal, action == Action::"Import", resource);"#;
    let gate = gate_before(&upstream, &format!("{POLICIES}{shadow}"));
    gate.goes_on_with_imports();
    gate.wait_for_log(&["shadow_differs", "\"finding\":\"goes-on\"", "\"action\":\"Import\"", "reject by trial"]);
}

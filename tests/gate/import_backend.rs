//! Imports and the backend: what it knows of their findings, and whatever it answers.

use crate::{
    POLICIES,
    import::{OPEN, accepting, ask, codes, finding, gate_before, having, ids, import, of_import, told},
    support::{
        fleet::PAYMENTS,
        gate::{Gate, Place},
        upstream::{Reply, Upstream},
    },
};
use serde_json::{Value, json};

/// A verdict of each kind that depends on the finding.
const STATEFUL: &str = r#"
@id("everybody")
permit (principal, action, resource);

@id("new-findings-are-new")
@enforce("strip")
forbid (principal, action == Action::"Workflow.Status", resource)
when { resource.isNew && context.value != WorkflowStatus::"NEW" };

@id("known-findings-keep-their-severity")
@enforce("reject")
@advice("Say in Note why it is less severe.")
forbid (principal, action == Action::"Severity.Label", resource)
when { !resource.isNew && context.rank < resource.severity.rank };

@id("new-findings-are-sure")
@enforce("reject")
forbid (principal, action == Action::"Import", resource)
when { resource.isNew && resource has confidence && resource.confidence < 50 };
"#;

/// A finding as the backend has it.
fn known(id: &str, members: &Value) -> Value {
    let mut known = finding(&PAYMENTS, id, members);
    for (name, value) in [("Workflow", json!({"Status": "NOTIFIED"})), ("RecordState", json!("ACTIVE"))] {
        known[name] = value;
    }
    known
}

#[test]
fn a_new_finding_is_told_from_one_that_exists_where_policies_care() {
    let upstream =
        having(&json!([known("known", &json!({"Severity": {"Label": "HIGH"}})), known("unasked", &json!({}))]));
    let gate = gate_before(&upstream, STATEFUL);
    let resolved = json!({"Workflow": {"Status": "RESOLVED"}});
    let findings = [
        finding(&PAYMENTS, "new", &json!({})),
        finding(&PAYMENTS, "new-resolved", &resolved),
        finding(&PAYMENTS, "new-unsure", &json!({"FindingProviderFields": {"Confidence": 10}})),
        finding(&PAYMENTS, "known", &json!({})),
        finding(&PAYMENTS, "known", &json!({"Severity": {"Label": "CRITICAL"}})),
    ];
    let expected = [
        "new-resolved PartialImport",
        "new-unsure AccessDenied",
        "known AccessDenied",
        "known DuplicatedFindingIdentifier",
    ];
    let expected = (1, expected.map(str::to_owned).to_vec());
    let response = import(&gate, &PAYMENTS, &findings);
    assert_eq!(codes(&response), expected);
    let (_, failed) = told(&response);
    assert!(failed[2].2.contains("`known-findings-keep-their-severity` (reject): Say in Note why"), "{failed:?}");
    let received = upstream.take();
    let [looked_up, sent] = &received[..] else { panic!("a look-up and an import: {received:?}") };
    assert!(looked_up.head.starts_with("POST /findings HTTP/1.1\r\n"), "{}", looked_up.head);
    assert!(looked_up.head.contains("x-findings-gate-account: 111111111111\r\n"), "{}", looked_up.head);
    let body = sent.json();
    assert_eq!(ids(&body["Findings"]), ["new", "new-resolved"]);
    assert_eq!(body["Findings"][1], finding(&PAYMENTS, "new-resolved", &json!({})), "without its status");

    // What is known may be raised and resolved. What was forwarded is looked up again; what was not is still known.
    let raised = json!({"Severity": {"Label": "CRITICAL"}, "Workflow": {"Status": "RESOLVED"}});
    for lookups in [0, 1] {
        let response = import(&gate, &PAYMENTS, &[finding(&PAYMENTS, "known", &raised)]);
        assert_eq!(codes(&response), (1, vec![]));
        let received = upstream.take();
        assert_eq!(received.iter().filter(|received| !of_import(received)).count(), lookups, "{received:?}");
    }
}

#[test]
fn what_cannot_be_looked_up_is_denied_and_nothing_else_is() {
    let fails = Upstream::start(|request| {
        if of_import(request) {
            Reply::json("200 OK", &json!({"SuccessCount": 1, "FailedCount": 0, "FailedFindings": []}))
        } else {
            Reply::error("500 Internal Server Error", "InternalException", "not today")
        }
    });
    let off = accepting();
    for (upstream, more, lookups) in [(&fails, "", 3), (&off, "[state]\nlookup = \"off\"\n", 0)] {
        let policies = r#"
            @id("everybody") permit (principal, action, resource);
            @id("sure") @enforce("refuse")
            forbid (principal, action == Action::"Confidence", resource) when { resource.isNew };
        "#;
        let gate = Gate::start(Place::with_policies(&upstream.url(), policies, &format!("{OPEN}{more}")));
        let plain = finding(&PAYMENTS, "plain", &json!({}));
        let open = finding(&PAYMENTS, "open", &json!({"Confidence": 1, "FindingProviderFields": {"Confidence": 2}}));
        let (succeeded, failed) = told(&import(&gate, &PAYMENTS, &[plain.clone(), open]));
        assert_eq!((succeeded, &*failed[0].0, &*failed[0].1, failed.len()), (1, "open", "PartialImport", 1));
        assert!(failed[0].2.contains("`sure`") && failed[0].2.contains("state-unavailable"), "{failed:?}");
        let received = upstream.take();
        assert_eq!(received.iter().filter(|received| !of_import(received)).count(), lookups, "{received:?}");
        let mut without = finding(&PAYMENTS, "open", &json!({}));
        without.as_object_mut().unwrap().remove("Confidence");
        assert_eq!(received.last().unwrap().json(), json!({"Findings": [plain, without]}));
        if lookups > 0 {
            gate.wait_for_log(&["state_unavailable", "not today"]);
        }
    }
}

#[test]
fn the_embedded_backend_tells_new_from_known_too() {
    let gate = Gate::start(Place::with_policies("embedded", STATEFUL, OPEN));
    let medium = json!({"Severity": {"Label": "MEDIUM"}, "UpdatedAt": "2026-01-02T00:00:00Z"});
    let high = json!({"Severity": {"Label": "HIGH"}, "UpdatedAt": "2026-01-03T00:00:00Z"});
    let of = |members: &Value| [finding(&PAYMENTS, "f", members)];
    assert_eq!(codes(&import(&gate, &PAYMENTS, &of(&medium))), (1, vec![]));
    assert_eq!(codes(&import(&gate, &PAYMENTS, &of(&json!({})))), (0, vec!["f AccessDenied".into()]));
    assert_eq!(codes(&import(&gate, &PAYMENTS, &of(&high))), (1, vec![]));
    assert_eq!(codes(&import(&gate, &PAYMENTS, &of(&medium))), (0, vec!["f AccessDenied".into()]));
}

#[test]
fn a_call_that_fails_as_a_whole_is_passed_as_it_is() {
    let body = |finding: Value| json!({ "Findings": [finding] }).to_string();
    let import = body(finding(&PAYMENTS, "f", &json!({})));
    let stripped = body(finding(&PAYMENTS, "strip", &json!({})));
    let odd = json!({"Code": "OddException", "Message": "m", "More": [1]});
    for (reply, status, code, message) in [
        (Reply::error("500 Internal Server Error", "InternalException", "oops"), 500, "InternalException", "oops"),
        (
            Reply::error("429 Too Many Requests", "TooManyRequestsException", "slow"),
            429,
            "TooManyRequestsException",
            "slow",
        ),
        (Reply::error("401 Unauthorized", "InvalidAccessException", "no hub"), 401, "InvalidAccessException", "no hub"),
        (
            Reply::answer("418 I'm a teapot", &["x-amzn-ErrorType: OddException"], &odd.to_string()),
            418,
            "OddException",
            "m",
        ),
        (Reply::answer("503 Service Unavailable", &[], "<html>"), 503, "ServiceUnavailableException", "no JSON object"),
        (Reply::answer("200 OK", &[], "<html>"), 502, "BadGatewayException", "no BatchImportFindings response"),
        (Reply::answer("200 OK", &[], "{}"), 502, "BadGatewayException", "no BatchImportFindings response"),
        (Reply::answer("200 OK", &[], r#"{"SuccessCount":1"#), 502, "BadGatewayException", "is not known"),
        (Reply::answer("202 Accepted", &[], "{}"), 502, "BadGatewayException", "status 202"),
        (
            Reply::Close(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{".to_vec()),
            502,
            "BadGatewayException",
            "is not known",
        ),
    ] {
        // An import may be sent twice, and is, where that may help; each of the two bodies three times.
        let again = matches!(reply, Reply::Close(_)) || [429, 500, 503].contains(&status);
        let upstream = Upstream::start(move |_| reply.clone());
        let gate = gate_before(&upstream, POLICIES);
        for body in [&import, &stripped] {
            let response = ask(&gate, &PAYMENTS, body);
            assert_eq!((response.status, &*response.headers["x-amzn-errortype"]), (status, code), "{response:?}");
            assert!(response.json()["Message"].as_str().unwrap().contains(message), "{response:?}");
            assert!(response.headers.contains_key("x-findings-gate-decision"), "{response:?}");
        }
        assert_eq!(upstream.take().len(), if again { 6 } else { 2 }, "{status} {message}");
        gate.wait_for_log(&["upstream_failed", "BatchImportFindings", &format!("\"status\":{status}")]);
    }
}

#[test]
fn an_answer_that_does_not_fit_is_not_believed_beyond_what_it_says() {
    let findings = ["a", "b", "strip"].map(|id| finding(&PAYMENTS, id, &json!({})));
    let failed = |id: &str| json!({"Id": id, "ErrorCode": "InvalidInput", "ErrorMessage": "bad"});
    for (answer, expected, doubtful) in [
        (json!({"SuccessCount": 3, "FailedCount": 0, "FailedFindings": []}), (2, vec!["strip PartialImport"]), false),
        (json!({"SuccessCount": 3, "FailedCount": 0}), (2, vec!["strip PartialImport"]), false),
        (
            json!({"SuccessCount": 2, "FailedCount": 1, "FailedFindings": [failed("b")]}),
            (1, vec!["b InvalidInput", "strip PartialImport"]),
            false,
        ),
        (
            json!({"SuccessCount": 2, "FailedCount": 1, "FailedFindings": [failed("somebody-else-s")]}),
            (2, vec!["strip PartialImport"]),
            true,
        ),
        (json!({"SuccessCount": 1, "FailedCount": 0, "FailedFindings": []}), (2, vec!["strip PartialImport"]), true),
        (
            json!({"SuccessCount": 3, "FailedCount": 0, "FailedFindings": [failed("a"), failed("strip")]}),
            (1, vec!["a InvalidInput", "strip InvalidInput"]),
            true,
        ),
        (
            json!({"SuccessCount": 18_446_744_073_709_551_615_u64, "FailedCount": 0, "FailedFindings": [failed("a")]}),
            (1, vec!["a InvalidInput", "strip PartialImport"]),
            true,
        ),
    ] {
        let described = answer.to_string();
        let upstream = Upstream::start(move |_| Reply::json("200 OK", &answer));
        let gate = gate_before(&upstream, POLICIES);
        let response = import(&gate, &PAYMENTS, &findings);
        let (succeeded, failed) = expected;
        assert_eq!(codes(&response), (succeeded, failed.into_iter().map(str::to_owned).collect()), "{described}");
        assert!(!String::from_utf8_lossy(&response.body).contains("somebody"), "{response:?}");
        if doubtful {
            gate.wait_for_log(&["answer_doubtful", &response.headers["x-amzn-requestid"]]);
        } else {
            gate.wait_for_log(&["request_served"]);
            assert!(!gate.log().contains("answer_doubtful"), "{described}: {}", gate.log());
        }
    }
}

//! BatchUpdateFindingsV2: the same policies, in other terms.

use crate::{
    POLICIES,
    support::{
        client::{Response, signed_head, with_body},
        fleet::{BLUNT, Key, PAYMENTS, REGION, SEARCH, SECURITY},
        gate::{Gate, Place},
        upstream::{Received, Reply, Upstream},
    },
};
use serde_json::{Value, json};
use std::fs;

const PATH: &str = "/findingsv2/batchupdatev2";
const READ: &str = "/findingsv2";
const OPEN: &str = "[doors]\nopen = [\"BatchUpdateFindingsV2\"]\n";
/// A product that proves no owner.
const PARTNER: &str = "arn:aws:securityhub:eu-west-1::product/partner/scanner";

/// What makes a difference between a finding that is suppressed and one that is not.
const SUPPRESSED_STAY: &str = r#"
@id("everybody")
permit (principal, action, resource);
@id("suppressed-stay")
@enforce("reject")
forbid (principal, action == Action::"Workflow.Status", resource)
when { resource.workflowStatus == WorkflowStatus::"SUPPRESSED" };
"#;

fn own_product(account: &str) -> String {
    format!("arn:aws:securityhub:{REGION}:{account}:product/{account}/default")
}

fn name(account: &str, id: &str, product: &str) -> Value {
    json!({"CloudAccountUid": account, "FindingInfoUid": id, "MetadataProductUid": product})
}

/// A finding of an account's own product, as the account names it.
fn own(account: &str, id: &str) -> Value {
    name(account, id, &own_product(account))
}

fn ask(gate: &Gate, key: &Key, body: &(impl ToString + ?Sized)) -> Response {
    let (mut client, body) = (gate.connect(), body.to_string());
    let head = signed_head(gate.address, key, "PATCH", PATH, body.as_bytes());
    client.send(&with_body(&head, body.as_bytes()));
    client.read()
}

fn is(request: &Received, method: &str, path: &str) -> bool {
    request.head.starts_with(&format!("{method} {path} HTTP/1.1\r\n"))
}

/// Every finding was updated, by whatever it was named.
fn accept(request: &Received) -> Reply {
    if !is(request, "PATCH", PATH) {
        return Reply::accept(request);
    }
    let body = request.json();
    let wrapped = |list: &str, member: &str| {
        let names = body[list].as_array().cloned().unwrap_or_default().into_iter();
        names.map(|name| json!({ member: name })).collect::<Vec<_>>()
    };
    let processed =
        [wrapped("FindingIdentifiers", "FindingIdentifier"), wrapped("MetadataUids", "MetadataUid")].concat();
    Reply::json("200 OK", &json!({"ProcessedFindings": processed, "UnprocessedFindings": []}))
}

/// Uids and what they name: `(uid, account, id)`, all of them of [`PARTNER`].
const UIDS: [(&str, &str, &str); 3] =
    [("uid-own", "222222222222", "f"), ("uid-strip", "222222222222", "strip-f"), ("uid-theirs", "333333333333", "f")];

/// The answer to the question which findings uids name.
fn documents(request: &Received) -> Reply {
    let body = request.json();
    let filters = body["Filters"]["CompositeFilters"][0]["StringFilters"].as_array().unwrap();
    let asked = |uid: &str| filters.iter().any(|filter| filter["Filter"]["Value"] == uid);
    let document = |(uid, account, id): &(&str, &str, &str)| {
        json!({
            "metadata": {"uid": uid, "product": {"uid": PARTNER}}, "cloud": {"account": {"uid": account}},
            "finding_info": {"uid": id}
        })
    };
    let findings: Vec<_> = UIDS.iter().filter(|(uid, ..)| asked(uid)).map(document).collect();
    Reply::json("200 OK", &json!({"Findings": findings}))
}

fn knowing(request: &Received) -> Reply {
    if is(request, "POST", READ) { documents(request) } else { accept(request) }
}

fn gate_before(upstream: &Upstream) -> Gate {
    Gate::start(Place::with_policies(&upstream.url(), POLICIES, OPEN))
}

/// `name code` for each unprocessed finding, and whether its message has this in it.
#[track_caller]
fn unprocessed(response: &Response) -> Vec<(Value, String, String)> {
    assert_eq!(response.status, 200, "{response:?}");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let entry = |entry: &Value| {
        let name = entry.get("MetadataUid").unwrap_or_else(|| &entry["FindingIdentifier"]).clone();
        (name, text(&entry["ErrorCode"]), text(&entry["ErrorMessage"]))
    };
    response.json()["UnprocessedFindings"].as_array().unwrap().iter().map(entry).collect()
}

#[track_caller]
fn told(response: &Response, expected: &[(&Value, &str, &str)]) {
    let unprocessed = unprocessed(response);
    assert_eq!(unprocessed.len(), expected.len(), "{unprocessed:#?}");
    for ((name, code, message), (expected_name, expected_code, part)) in unprocessed.iter().zip(expected) {
        assert_eq!((name, code.as_str()), (*expected_name, *expected_code), "{message}");
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}

#[test]
fn each_finding_keeps_what_the_policies_allow() {
    let upstream = Upstream::start(accept);
    let gate = gate_before(&upstream);
    let names = [
        own(PAYMENTS.account, "a"),
        own(PAYMENTS.account, "strip-b"),
        own(SEARCH.account, "theirs"),
        own(PAYMENTS.account, "a"),
    ];
    let update = json!({"FindingIdentifiers": names, "Comment": "é \"x\"", "SeverityId": 2, "StatusId": 2});
    let response = ask(&gate, &PAYMENTS, &update);
    let processed = json!([{"FindingIdentifier": names[0]}, {"FindingIdentifier": names[1]}]);
    assert_eq!(response.json()["ProcessedFindings"], processed);
    told(
        &response,
        &[
            (
                &names[1],
                "ValidationException",
                "PartialUpdate: updated without SeverityId: Severity.Label = LOW denied",
            ),
            (&names[2], "ValidationException", "AccessDenied: nothing was changed: "),
            (&names[3], "ValidationException", "DuplicatedFindingIdentifier: "),
        ],
    );
    assert_eq!(response.headers["x-findings-gate-decision"], response.headers["x-amzn-requestid"]);
    let mut received = upstream.take();
    received.sort_by_key(|request| request.json().get("SeverityId").is_none());
    let [whole, stripped] = &received[..] else { panic!("{received:?}") };
    assert!(is(whole, "PATCH", PATH) && whole.head.contains("x-findings-gate-account: 222222222222\r\n"));
    let expected = json!({"FindingIdentifiers": [names[0]], "Comment": "é \"x\"", "SeverityId": 2, "StatusId": 2});
    assert_eq!(whole.json(), expected);
    assert_eq!(stripped.json(), json!({"FindingIdentifiers": [names[1]], "Comment": "é \"x\"", "StatusId": 2}));
    // With nothing denied, too.
    let response = ask(&gate, &PAYMENTS, &json!({"FindingIdentifiers": [names[0]], "StatusId": 4}));
    let expected = json!({"ProcessedFindings": [{"FindingIdentifier": names[0]}], "UnprocessedFindings": []});
    assert_eq!(response.json(), expected);
    gate.goes_on();
}

/// The members that a status or severity takes from members of the baseline, whatever number says it.
#[test]
fn no_number_says_what_the_policies_forbid() {
    let upstream = Upstream::start(accept);
    let gate = Gate::start(Place::new(&upstream.url(), OPEN));
    for (status, allowed) in [(0, false), (1, true), (2, true), (3, false), (4, true), (5, false), (99, false)] {
        let names = [own(PAYMENTS.account, "f")];
        let update = json!({"FindingIdentifiers": names, "StatusId": status});
        let response = ask(&gate, &PAYMENTS, &update);
        assert_eq!(response.json()["ProcessedFindings"].as_array().unwrap().len(), usize::from(allowed), "{status}");
        if !allowed {
            told(&response, &[(&names[0], "ValidationException", "`members-do-not-suppress`")]);
        }
        assert_eq!(upstream.take().len(), usize::from(allowed), "{status}");
        // The administrator may.
        assert_eq!(unprocessed(&ask(&gate, &SECURITY, &update)), [], "{status}");
        assert_eq!(upstream.take().len(), 1);
    }
    for severity in [0, 1, 2, 3, 4, 5, 6, 99] {
        let names = [own(PAYMENTS.account, "f")];
        let update = json!({"FindingIdentifiers": names, "SeverityId": severity, "Comment": "c"});
        let part = "PartialUpdate: updated without SeverityId";
        told(&ask(&gate, &PAYMENTS, &update), &[(&names[0], "ValidationException", part)]);
        assert_eq!(upstream.take()[0].json(), json!({"FindingIdentifiers": names, "Comment": "c"}));
    }
}

#[test]
fn the_account_is_part_of_the_name_and_must_not_contradict_the_rest() {
    let upstream = Upstream::start(accept);
    let gate = gate_before(&upstream);
    // What proves no owner is whose the caller says: there is no other finding of this name.
    let partner = name(PAYMENTS.account, "f", PARTNER);
    assert_eq!(unprocessed(&ask(&gate, &PAYMENTS, &json!({"FindingIdentifiers": [partner], "StatusId": 2}))), []);
    assert_eq!(upstream.take()[0].json()["FindingIdentifiers"], json!([partner]));
    let names = [name(SEARCH.account, "f", PARTNER), name(PAYMENTS.account, "f", &own_product(SEARCH.account))];
    let response = ask(&gate, &PAYMENTS, &json!({"FindingIdentifiers": names, "StatusId": 2}));
    told(
        &response,
        &[
            (&names[0], "ValidationException", "`own-account`"),
            (
                &names[1],
                "ValidationException",
                "AccessDenied: nothing was changed: the account that the finding is said",
            ),
        ],
    );
    assert_eq!(upstream.received(), []);
}

#[test]
fn uids_are_looked_up_before_anybody_is_asked() {
    let upstream = Upstream::start(knowing);
    let more = format!("{OPEN}[audit]\nfile = \"audit.jsonl\"\n");
    let gate = Gate::start(Place::with_policies(&upstream.url(), POLICIES, &more));
    let uids = ["uid-own", "uid-strip", "uid-theirs", "uid-of-nothing", "uid-own"].map(Value::from);
    let update = json!({"MetadataUids": uids, "SeverityId": 1, "StatusId": 2});
    let response = ask(&gate, &PAYMENTS, &update);
    let processed = json!([{"MetadataUid": "uid-own"}, {"MetadataUid": "uid-strip"}]);
    assert_eq!(response.json()["ProcessedFindings"], processed);
    let expected: [(&Value, &str, &str); 4] = [
        (&uids[1], "ValidationException", "PartialUpdate: updated without SeverityId"),
        // To a member there is no such finding, whoever's it is.
        (&uids[2], "ResourceNotFoundException", "Not Found"),
        (&uids[3], "ResourceNotFoundException", "Not Found"),
        (&uids[4], "ValidationException", "DuplicatedFindingIdentifier: "),
    ];
    told(&response, &expected);
    let received = upstream.take();
    assert!(is(&received[0], "POST", READ), "{}", received[0].head);
    assert!(received[0].head.contains("x-findings-gate-account: 111111111111\r\n"), "{}", received[0].head);
    assert!(received[1..].iter().all(|request| request.head.contains("x-findings-gate-account: 222222222222\r\n")));
    let mut forwarded: Vec<_> = received[1..].iter().map(|request| request.json()["MetadataUids"].clone()).collect();
    forwarded.sort_by_key(Value::to_string);
    assert_eq!(forwarded, [json!(["uid-own"]), json!(["uid-strip"])]);
    // What they mean is known from now on, but for those that mean nothing to this caller.
    let response = ask(&gate, &PAYMENTS, &update);
    told(&response, &expected);
    let received = upstream.take();
    let asked = received[0].json()["Filters"]["CompositeFilters"][0]["StringFilters"].clone();
    let asked: Vec<_> = asked.as_array().unwrap().iter().map(|filter| filter["Filter"]["Value"].clone()).collect();
    assert_eq!(asked, ["uid-theirs", "uid-of-nothing"]);
    // The record has which findings that were.
    let log = fs::read_to_string(gate.place().path("audit.jsonl")).unwrap();
    let record: Value = serde_json::from_str(log.lines().nth(1).unwrap()).unwrap();
    let named = record["findings"].as_array().unwrap().iter();
    let named: Vec<_> =
        named.map(|finding| (finding["id"].as_str().unwrap(), finding["finding_id"].as_str())).collect();
    let expected = [(0, Some("f")), (1, Some("strip-f")), (2, Some("f")), (3, None), (4, Some("f"))]
        .map(|(place, id)| (uids[place].as_str().unwrap(), id));
    assert_eq!(named, expected);
}

#[test]
fn uids_that_cannot_be_looked_up_change_nothing() {
    let update = json!({"MetadataUids": ["uid-own"], "StatusId": 2});
    let uid = Value::from("uid-own");
    for failure in [
        Reply::error("500 Oops", "InternalServerException", "on fire"),
        Reply::error("429 Slow", "ThrottlingException", "too many"),
        Reply::answer("200 OK", &[], "<html>"),
        Reply::Close(Vec::new()),
        Reply::json("200 OK", &json!({"Findings": [{"metadata": {"uid": "uid-own"}}]})),
    ] {
        let upstream =
            Upstream::start(move |request| if is(request, "POST", READ) { failure.clone() } else { accept(request) });
        let gate = gate_before(&upstream);
        let response = ask(&gate, &PAYMENTS, &update);
        told(&response, &[(&uid, "ValidationException", "AccessDenied: nothing was changed: which finding")]);
        gate.wait_for_log(&["state_unavailable", "222222222222"]);
        assert!(upstream.received().iter().all(|request| is(request, "POST", READ)), "{:?}", upstream.received());
        ask(&gate, &BLUNT, &update).is_error(
            403,
            "AccessDeniedException",
            "because of finding \"uid-own\": which finding",
        );
    }
    let upstream = Upstream::start(knowing);
    let place = Place::with_policies(&upstream.url(), POLICIES, &format!("{OPEN}[state]\nlookup = \"off\"\n"));
    let gate = Gate::start(place);
    told(&ask(&gate, &PAYMENTS, &update), &[(&uid, "ValidationException", "could not be looked up (owner-unknown)")]);
    assert_eq!(upstream.received(), []);
    gate.wait_for_log(&["configuration_doubtful", "MetadataUids"]);
}

#[test]
fn policies_that_look_at_the_finding_see_it_as_it_is() {
    let upstream = Upstream::start(|request| {
        if !is(request, "POST", "/findings") {
            return knowing(request);
        }
        // The product's `f` is suppressed, and so says it is of an account that it is not of where its name is `other`.
        let finding = |id: &str, status: &str, account: &str| {
            json!({
                "ProductArn": PARTNER, "Id": id, "AwsAccountId": account, "Workflow": {"Status": status},
                "CreatedAt": "2026-01-01T00:00:00Z", "UpdatedAt": "2026-01-01T00:00:00Z", "GeneratorId": "g",
                "Severity": {"Label": "LOW"}, "RecordState": "ACTIVE"
            })
        };
        let findings = [
            finding("f", "SUPPRESSED", PAYMENTS.account),
            finding("strip-f", "NEW", PAYMENTS.account),
            finding("other", "NEW", SEARCH.account),
        ];
        Reply::json("200 OK", &json!({ "Findings": findings }))
    });
    let gate = Gate::start(Place::with_policies(&upstream.url(), SUPPRESSED_STAY, OPEN));
    let uids = ["uid-own", "uid-strip"].map(Value::from);
    let response = ask(&gate, &PAYMENTS, &json!({"MetadataUids": uids, "StatusId": 2}));
    assert_eq!(response.json()["ProcessedFindings"], json!([{"MetadataUid": "uid-strip"}]));
    told(&response, &[(&uids[0], "ValidationException", "`suppressed-stay`")]);
    let names = ["f", "strip-f", "other", "gone"].map(|id| name(PAYMENTS.account, id, PARTNER));
    let response = ask(&gate, &PAYMENTS, &json!({"FindingIdentifiers": names, "StatusId": 2}));
    assert_eq!(response.json()["ProcessedFindings"], json!([{"FindingIdentifier": names[1]}]));
    told(
        &response,
        &[
            (&names[0], "ValidationException", "`suppressed-stay`"),
            (&names[2], "ResourceNotFoundException", "Not Found"),
            (&names[3], "ResourceNotFoundException", "Not Found"),
        ],
    );
}

#[test]
fn a_call_fails_as_a_whole_in_the_words_of_the_operation() {
    let upstream = Upstream::start(|request| {
        if is(request, "PATCH", PATH) {
            Reply::answer("503 Gone", &["Retry-After: 7"], "<html>")
        } else {
            Reply::accept(request)
        }
    });
    let gate = gate_before(&upstream);
    let body = json!({"FindingIdentifiers": [own(PAYMENTS.account, "f")], "StatusId": 2});
    let failed = ask(&gate, &PAYMENTS, &body);
    failed.is_error(503, "ServiceUnavailableException", "something that is no JSON object");
    assert_eq!(failed.headers["retry-after"], "7");
    upstream.take();
    let refused = ask(&gate, &BLUNT, &json!({"FindingIdentifiers": [own(SEARCH.account, "theirs")], "StatusId": 2}));
    refused.is_error(403, "AccessDeniedException", "the whole request is refused and nothing was changed");
    assert!(refused.headers.contains_key("x-findings-gate-decision"));
    for (body, told) in [
        (json!({}).to_string(), "body: no findings, expected MetadataUids or FindingIdentifiers"),
        (json!({"MetadataUids": ["a"]}).to_string(), "body: nothing to update, expected at least one of Comment"),
        (json!({"MetadataUids": [], "StatusId": 1}).to_string(), "MetadataUids: got an empty list"),
        (json!({"MetadataUids": ["a"], "FindingIdentifiers": [], "StatusId": 1}).to_string(), "FindingIdentifiers: "),
        (json!({"MetadataUids": ["a"], "StatusId": 6}).to_string(), "StatusId: got 6, expected one of 0, 1, 2"),
        (json!({"MetadataUids": ["a"], "SeverityId": "5"}).to_string(), "SeverityId: invalid type"),
        (json!({"MetadataUids": ["a"], "Comment": " "}).to_string(), "Comment: got \" \""),
        (
            json!({"FindingIdentifiers": [name("2222", "f", "p")], "StatusId": 1}).to_string(),
            "FindingIdentifiers[0].CloudAccountUid: got \"2222\"",
        ),
        (r#"{"MetadataUids":["a"],"StatusId":1,"StatusId":3}"#.to_owned(), "came twice"),
        ("{".to_owned(), "EOF while parsing"),
    ] {
        ask(&gate, &PAYMENTS, &body).is_error(400, "ValidationException", told);
    }
    assert_eq!(upstream.received(), []);
    gate.goes_on();
}

#[test]
fn what_the_backend_fails_at_is_told_as_it_is() {
    let said = json!({"Message": "Too Many Requests", "Code": "ThrottlingException"});
    let upstream = Upstream::start(move |request| {
        if is(request, "PATCH", PATH) {
            Reply::answer("429 Slow", &["x-amzn-ErrorType: ThrottlingException"], &said.to_string())
        } else {
            Reply::accept(request)
        }
    });
    let gate = gate_before(&upstream);
    let response = ask(&gate, &PAYMENTS, &json!({"FindingIdentifiers": [own(PAYMENTS.account, "f")], "StatusId": 2}));
    assert_eq!((response.status, &*response.headers["x-amzn-errortype"]), (429, "ThrottlingException"));
    assert_eq!(response.json()["Message"], "Too Many Requests");
    gate.wait_for_log(&["upstream_failed", "BatchUpdateFindingsV2"]);
    gate.goes_on();
}

#[test]
fn one_group_that_fails_takes_no_other_with_it() {
    let upstream = Upstream::start(|request| {
        if request.json().get("SeverityId").is_some() {
            Reply::error("500 Oops", "InternalServerException", "on fire")
        } else {
            accept(request)
        }
    });
    let gate = gate_before(&upstream);
    let names = [own(PAYMENTS.account, "a"), own(PAYMENTS.account, "strip-b")];
    let response = ask(&gate, &PAYMENTS, &json!({"FindingIdentifiers": names, "SeverityId": 2, "StatusId": 2}));
    assert_eq!(response.json()["ProcessedFindings"], json!([{"FindingIdentifier": names[1]}]));
    told(
        &response,
        &[
            (&names[0], "InternalServerException", "on fire"),
            (&names[1], "ValidationException", "PartialUpdate: updated without SeverityId"),
        ],
    );
}

#[test]
fn a_closed_door_names_the_way_that_is_open() {
    let upstream = Upstream::start(accept);
    let gate = Gate::start(Place::new(&upstream.url(), ""));
    let response = ask(&gate, &PAYMENTS, &json!({"FindingIdentifiers": [own(PAYMENTS.account, "f")], "StatusId": 2}));
    response.is_error(403, "AccessDeniedException", "`doors.open = [\"BatchUpdateFindingsV2\"]`");
    response.is_error(403, "AccessDeniedException", "until then update findings through BatchUpdateFindings");
    assert_eq!(upstream.received(), []);
}

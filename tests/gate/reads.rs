//! What members and the administrator may read, and how their pages go on.

use crate::support::{
    client::{Client, Response, signed_head, with_body},
    fleet::{Key, PAYMENTS, SEARCH, SECURITY},
    gate::{Gate, Place},
    upstream::{Received, Reply, Upstream},
};
use serde_json::{Value, json};
use std::fs;

const OPEN: &str = "[doors]\nopen = [\"GetFindings\", \"BatchImportFindings\"]\n";

fn gate_before(upstream: &Upstream) -> Gate {
    Gate::start(Place::new(&upstream.url(), OPEN))
}

/// A backend that answers every read with this.
fn answering(answer: &Value) -> Upstream {
    let answer = answer.clone();
    Upstream::start(move |_| Reply::json("200 OK", &answer))
}

fn post(gate: &Gate, client: &mut Client, key: &Key, path: &str, body: &Value) -> Response {
    let body = body.to_string();
    let head = signed_head(gate.address, key, "POST", path, body.as_bytes());
    client.send(&with_body(&head, body.as_bytes()));
    client.read()
}

fn ask(gate: &Gate, key: &Key, body: &Value) -> Response {
    post(gate, &mut gate.connect(), key, "/findings", body)
}

fn equals(value: &str) -> Value {
    json!([{"Value": value, "Comparison": "EQUALS"}])
}

fn own(key: &Key) -> Value {
    json!({"Findings": [{"Id": "a", "AwsAccountId": key.account}]})
}

/// The same page, which another one follows.
fn followed(key: &Key, token: &str) -> Value {
    let mut page = own(key);
    page["NextToken"] = token.into();
    page
}

#[track_caller]
fn token(response: &Response) -> String {
    assert_eq!(response.status, 200, "{response:?}");
    response.json()["NextToken"].as_str().unwrap_or_else(|| panic!("no token in {response:?}")).to_owned()
}

/// The bodies that a backend got since the last look.
fn asked(upstream: &Upstream) -> Vec<Value> {
    upstream.take().iter().map(Received::json).collect()
}

#[test]
fn a_member_s_query_is_about_its_own_account_whatever_it_asks() {
    let upstream = answering(&own(&PAYMENTS));
    let gate = gate_before(&upstream);
    let account = PAYMENTS.account;
    for (query, forwarded) in [
        (json!({}), json!({"Filters": {"AwsAccountId": equals(account)}})),
        (json!({"Filters": {}}), json!({"Filters": {"AwsAccountId": equals(account)}})),
        (
            json!({"Filters": {"AwsAccountId": [
                {"Value": "333333333333", "Comparison": "EQUALS"}, {"Value": "222", "Comparison": "PREFIX"},
            ]}}),
            json!({"Filters": {"AwsAccountId": equals(account)}}),
        ),
        (
            json!({
                "Filters": {"SeverityLabel": equals("HIGH"), "AwsAccountId": [{"Value": "3", "Comparison": "PREFIX_NOT_EQUALS"}]},
                "SortCriteria": [{"Field": "UpdatedAt", "SortOrder": "desc"}], "MaxResults": 5,
            }),
            json!({
                "Filters": {"SeverityLabel": equals("HIGH"), "AwsAccountId": equals(account)},
                "SortCriteria": [{"Field": "UpdatedAt", "SortOrder": "desc"}], "MaxResults": 5,
            }),
        ),
    ] {
        let response = ask(&gate, &PAYMENTS, &query);
        assert_eq!((response.status, response.json()), (200, own(&PAYMENTS)), "{query}");
        let received = upstream.take();
        assert_eq!(received[0].json(), forwarded, "{query}");
        assert!(received[0].head.contains("x-findings-gate-account: 222222222222\r\n"), "{}", received[0].head);
    }
    // What cannot be the caller's is answered here.
    for filters in [
        equals(SEARCH.account),
        json!([{"Value": "3", "Comparison": "PREFIX"}]),
        json!([{"Value": account, "Comparison": "NOT_EQUALS"}]),
    ] {
        let response = ask(&gate, &PAYMENTS, &json!({"Filters": {"AwsAccountId": filters}}));
        assert_eq!((response.status, response.json()), (200, json!({"Findings": []})), "{filters}");
        assert_eq!(response.headers["content-type"], "application/json");
    }
    assert_eq!(asked(&upstream), [] as [Value; 0]);
}

#[test]
fn an_administrator_s_query_stays_as_it_is() {
    let everybody =
        json!({"Findings": [{"AwsAccountId": "222222222222"}, {"AwsAccountId": "333333333333"}, {"Other": 1}]});
    let upstream = answering(&everybody);
    let gate = gate_before(&upstream);
    for query in [json!({}), json!({"Filters": {"AwsAccountId": equals(SEARCH.account)}, "MaxResults": 1})] {
        let response = ask(&gate, &SECURITY, &query);
        assert_eq!((response.status, response.json()), (200, everybody.clone()));
        assert_eq!(asked(&upstream), [query]);
    }
}

#[test]
fn a_query_that_is_none_goes_nowhere() {
    let upstream = answering(&own(&PAYMENTS));
    let gate = gate_before(&upstream);
    let names = [
        "Id",
        "Title",
        "Region",
        "Type",
        "GeneratorId",
        "ProductArn",
        "ProductName",
        "CompanyName",
        "RecordState",
        "Confidence",
    ];
    let ten: serde_json::Map<String, Value> = names.map(|name| (name.to_owned(), json!([{}]))).into_iter().collect();
    for (query, told) in [
        (json!({"Filters": {"AwsAccountId": "222222222222"}}), "Filters.AwsAccountId: invalid type: string"),
        (json!({"Filters": {"awsAccountId": equals("222222222222")}}), "did you mean `AwsAccountId`"),
        (
            json!({"Filters": {"AwsAccountId": [{"Value": "2", "Comparison": "CONTAINS"}]}}),
            "Filters.AwsAccountId[0].Comparison: got \"CONTAINS\"",
        ),
        (json!({"MaxResult": 1}), "unknown member `MaxResult`"),
        (json!({"Filters": ten}), "10 attributes besides `AwsAccountId`"),
    ] {
        ask(&gate, &PAYMENTS, &query).is_error(400, "InvalidInputException", told);
    }
    assert_eq!(asked(&upstream), [] as [Value; 0]);
    gate.wait_for_log(&["request_denied", "GetFindings", "10 attributes besides"]);
    // The administrator needs no attribute for itself.
    assert_eq!(ask(&gate, &SECURITY, &json!({"Filters": ten})).status, 200);
}

#[test]
fn a_page_token_goes_on_for_its_caller_alone() {
    let upstream = Upstream::start(|request| {
        let key = if request.head.contains("account: 333333333333") { SEARCH } else { PAYMENTS };
        Reply::json("200 OK", &followed(&key, "up/stream=="))
    });
    let gate = gate_before(&upstream);
    let query = json!({"Filters": {"Title": equals("x")}, "SortCriteria": [{"Field": "Id"}], "MaxResults": 2});
    let tokens = [PAYMENTS, SEARCH, SECURITY].map(|key| (key, token(&ask(&gate, &key, &query))));
    upstream.take();
    for (giver, given) in &tokens {
        assert!(given.starts_with("fg1.") && !given.contains("\"Title\""), "{given}");
        for (user, _) in &tokens {
            let mut with_token = query.clone();
            with_token["NextToken"] = given.as_str().into();
            for body in [with_token, json!({"NextToken": given})] {
                let response = ask(&gate, user, &body);
                if user == giver {
                    assert_eq!(token(&response), *given);
                } else {
                    response.is_error(
                        400,
                        "InvalidInputException",
                        "NextToken: not a token that this gate gave to account",
                    );
                    response.is_error(400, "InvalidInputException", "start the query anew");
                }
            }
        }
        // With the query or without it, a member asks for the same; an administrator for what it says.
        let mut whole = query.clone();
        whole["NextToken"] = "up/stream==".into();
        let mut narrowed = whole.clone();
        narrowed["Filters"]["AwsAccountId"] = equals(giver.account);
        let expected = match *giver {
            SECURITY => [whole, json!({"NextToken": "up/stream=="})],
            _ => [narrowed.clone(), narrowed],
        };
        assert_eq!(asked(&upstream), expected, "{giver:?}");
    }
    let [(_, given), ..] = &tokens;
    let cut = &given[..given.len() - 1];
    let altered = format!("{cut}x");
    for forged in ["up/stream==", "", "fg1.", cut, &altered, &given.replacen("fg1", "fg2", 1), &format!("{given}=")] {
        ask(&gate, &PAYMENTS, &json!({"NextToken": forged})).is_error(
            400,
            "InvalidInputException",
            "start the query anew",
        );
    }
    ask(&gate, &PAYMENTS, &json!({"NextToken": 1})).is_error(400, "InvalidInputException", "NextToken: invalid type");
    assert_eq!(asked(&upstream), [] as [Value; 0]);
}

#[test]
fn a_query_too_long_for_its_token_is_sent_again_with_it() {
    let upstream = answering(&followed(&PAYMENTS, "t"));
    let gate = gate_before(&upstream);
    let query = json!({"Filters": {"Title": vec![json!({"Value": "x".repeat(2000), "Comparison": "EQUALS"}); 20]}});
    let given = token(&ask(&gate, &PAYMENTS, &query));
    assert!(given.len() < 100, "{} bytes", given.len());
    let response = ask(&gate, &PAYMENTS, &json!({"NextToken": given}));
    response.is_error(400, "InvalidInputException", "send the same Filters and SortCriteria with it again");
    let mut again = query;
    again["NextToken"] = given.into();
    assert_eq!(ask(&gate, &PAYMENTS, &again).status, 200);
}

#[test]
fn an_answer_with_a_foreign_finding_is_not_passed_on_at_all() {
    let secret = "of-search-only";
    for finding in [
        json!({"Id": secret, "AwsAccountId": SEARCH.account}),
        json!({"Id": secret}),
        json!({"Id": secret, "AwsAccountId": "222222222222 "}),
        json!({"Id": secret, "AwsAccountId": null}),
        json!(secret),
    ] {
        let mut answer = followed(&PAYMENTS, secret);
        answer["Findings"].as_array_mut().unwrap().push(finding.clone());
        let upstream = answering(&answer);
        let gate = gate_before(&upstream);
        let response = ask(&gate, &PAYMENTS, &json!({}));
        response.is_error(502, "BadGatewayException", "");
        let body = String::from_utf8(response.body.clone()).unwrap();
        assert!(!body.contains(secret) && !body.contains(SEARCH.account), "{finding}: {body}");
        let line = gate.wait_for_log(&["answer_withheld", "GetFindings", PAYMENTS.account]);
        assert!(!line.contains(secret), "{line}");
        assert_eq!(upstream.received().len(), 1);
        let by_administrator = ask(&gate, &SECURITY, &json!({}));
        assert_eq!(by_administrator.json()["Findings"], answer["Findings"]);
    }
}

#[test]
fn an_answer_that_is_no_page_is_not_passed_on() {
    for (answer, everybody) in [
        (r#"{"findings":[{"Id":"x"}]}"#, false),
        (r#"{"Findings":[],"Findings":[{"Id":"x"}]}"#, false),
        (r#"{"Findings":[]"#, false),
        (r#"{"Findings":[],"NextToken":"a","NextToken":"b"}"#, true),
        (r#"{"Findings":[],"NextToken":7}"#, true),
    ] {
        let upstream = Upstream::start(move |_| Reply::answer("200 OK", &[], answer));
        let gate = gate_before(&upstream);
        ask(&gate, &PAYMENTS, &json!({})).is_error(502, "BadGatewayException", "no page of findings");
        gate.wait_for_log(&["answer_withheld", "no page of findings"]);
        if everybody {
            ask(&gate, &SECURITY, &json!({})).is_error(502, "BadGatewayException", "no page of findings");
        }
    }
}

#[test]
fn all_but_the_token_is_as_the_backend_wrote_it() {
    let before = "{ \"Findings\" : [ {\"AwsAccountId\":\"222222222222\",\"Confidence\":1.50,\"Note\":{\"NextToken\":\"x\"}} ],\n\"Else\":[1e2] , \"NextToken\":";
    let upstream = Upstream::start(move |_| Reply::answer("200 OK", &[], &format!("{before}\"a\\/b\" }}")));
    let gate = gate_before(&upstream);
    for key in [PAYMENTS, SECURITY] {
        let response = ask(&gate, &key, &json!({}));
        let text = String::from_utf8(response.body.clone()).unwrap();
        assert_eq!(text, format!("{before}{} }}", json!(token(&response))));
        ask(&gate, &key, &json!({"NextToken": token(&response)}));
        assert_eq!(asked(&upstream)[1]["NextToken"], "a/b");
    }
}

#[test]
fn what_the_backend_refuses_is_the_caller_s_to_know() {
    let upstream = Upstream::start(|_| Reply::error("400 Bad Request", "InvalidInputException", "NextToken expired"));
    let gate = gate_before(&upstream);
    let response = ask(&gate, &PAYMENTS, &json!({}));
    assert_eq!((response.status, response.headers["x-amzn-errortype"].as_str()), (400, "InvalidInputException"));
    assert_eq!(response.json()["Message"], "NextToken expired");
}

// ---- with a backend that pages ----

const FINDINGS: usize = 7;

/// Imports findings of two members, each by itself.
fn import(gate: &Gate) {
    let mut client = gate.connect();
    for key in [PAYMENTS, SEARCH] {
        let findings: Vec<Value> = (0..FINDINGS)
            .map(|number| {
                json!({
                    "SchemaVersion": "2018-10-08", "Id": format!("{}-{number}", key.account), "AwsAccountId": key.account,
                    "ProductArn": format!("arn:aws:securityhub:eu-west-1:{0}:product/{0}/default", key.account),
                    "GeneratorId": "test", "Title": "t", "Description": "d", "Types": ["Effects"],
                    "CreatedAt": "2026-01-01T00:00:00Z", "UpdatedAt": "2026-01-01T00:00:00Z",
                    "Severity": {"Label": "LOW"}, "Resources": [{"Type": "Other", "Id": "r"}],
                })
            })
            .collect();
        let response = post(gate, &mut client, &key, "/findings/import", &json!({"Findings": findings}));
        assert_eq!(response.json()["SuccessCount"], FINDINGS, "{response:?}");
    }
}

/// The ids of all pages. Each page but the first is asked for by `next`, which makes the body of the token.
fn pages(gates: &[&Gate], key: &Key, query: &Value, next: impl Fn(&str) -> Value) -> Vec<String> {
    let mut ids = Vec::new();
    let mut body = query.clone();
    for turn in 0.. {
        let response = ask(gates[turn % gates.len()], key, &body);
        assert_eq!(response.status, 200, "{response:?}");
        let page = response.json();
        let findings = page["Findings"].as_array().unwrap();
        assert!(findings.len() <= 3);
        ids.extend(findings.iter().map(|finding| finding["Id"].as_str().unwrap().to_owned()));
        let Some(token) = page["NextToken"].as_str() else { break };
        body = next(token);
    }
    ids.sort();
    ids
}

fn ids_of(keys: &[Key]) -> Vec<String> {
    let ids = |key: &Key| (0..FINDINGS).map(|number| format!("{}-{number}", key.account)).collect::<Vec<_>>();
    keys.iter().flat_map(ids).collect()
}

#[test]
fn pages_go_on_to_the_end_with_and_without_the_query() {
    let gate = Gate::start(Place::new("embedded", OPEN));
    import(&gate);
    let query = json!({"Filters": {"GeneratorId": equals("test")}, "MaxResults": 3});
    let whole = |token: &str| {
        let mut body = query.clone();
        body["NextToken"] = token.into();
        body
    };
    for (key, expected) in [(PAYMENTS, ids_of(&[PAYMENTS])), (SECURITY, ids_of(&[PAYMENTS, SEARCH]))] {
        assert_eq!(pages(&[&gate], &key, &query, whole), expected);
        assert_eq!(pages(&[&gate], &key, &query, |token| json!({"NextToken": token})), expected);
    }
}

#[test]
fn pages_go_on_at_another_gate_with_the_same_key_and_at_no_other() {
    let key = b"\xffthirty-three random bytes of a key\x00";
    let place = |upstream: &str, key: Option<&[u8]>| {
        let place = Place::new(upstream, &format!("{OPEN}{}", key.map_or("", |_| "page_key = \"page.key\"")));
        if let Some(key) = key {
            fs::write(place.path("page.key"), key).unwrap();
        }
        place
    };
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("accounts.toml"), crate::support::fleet::ACCOUNTS).unwrap();
    let backend = Gate::run(directory.path(), ["backend", "--listen", "127.0.0.1:0", "--accounts", "accounts.toml"]);
    let url = format!("http://{}", backend.address);
    let [one, two] = [0; 2].map(|_| Gate::start(place(&url, Some(key))));
    import(&one);
    let query = json!({"MaxResults": 3});
    let ids = pages(&[&one, &two], &PAYMENTS, &query, |token| json!({"NextToken": token}));
    assert_eq!(ids, ids_of(&[PAYMENTS]));
    let given = token(&ask(&one, &PAYMENTS, &query));
    let stranger = Gate::start(place(&url, None));
    ask(&stranger, &PAYMENTS, &json!({"NextToken": given})).is_error(400, "InvalidInputException", "another key since");
    for log in [one.log(), two.log()] {
        assert!(!log.contains("thirty-three random bytes"), "{log}");
    }
}

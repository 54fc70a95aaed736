//! What members and the administrator may read in terms of OCSF.

use crate::support::{
    client::{Response, signed_head, with_body},
    fleet::{Key, PAYMENTS, SEARCH, SECURITY},
    gate::{Gate, Place},
    upstream::{Received, Reply, Upstream},
};
use serde_json::{Value, json};

const OPEN: &str = "[doors]\nopen = [\"GetFindings\", \"GetFindingsV2\", \"BatchImportFindings\"]\n";

fn gate_before(upstream: &Upstream) -> Gate {
    Gate::start(Place::new(&upstream.url(), OPEN))
}

fn answering(answer: &Value) -> Upstream {
    let answer = answer.clone();
    Upstream::start(move |_| Reply::json("200 OK", &answer))
}

fn post(gate: &Gate, key: &Key, path: &str, body: &Value) -> Response {
    let body = body.to_string();
    let mut client = gate.connect();
    let head = signed_head(gate.address, key, "POST", path, body.as_bytes());
    client.send(&with_body(&head, body.as_bytes()));
    client.read()
}

fn ask(gate: &Gate, key: &Key, body: &Value) -> Response {
    post(gate, key, "/findingsv2", body)
}

fn finding(account: &str) -> Value {
    json!({"metadata": {"uid": "x"}, "cloud": {"account": {"uid": account}, "region": "eu-west-1"}})
}

fn text(field: &str, value: &str) -> Value {
    json!({"FieldName": field, "Filter": {"Value": value, "Comparison": "EQUALS"}})
}

fn only(account: &str) -> Value {
    json!({"StringFilters": [text("cloud.account.uid", account)], "Operator": "AND"})
}

#[test]
fn a_member_s_query_is_about_its_own_account_whatever_it_asks() {
    let page = json!({"Findings": [finding(PAYMENTS.account)]});
    let upstream = answering(&page);
    let gate = gate_before(&upstream);
    let foreign_or_high = json!({
        "StringFilters": [text("cloud.account.uid", SEARCH.account), text("severity", "High")], "Operator": "OR",
    });
    let mut within = only(PAYMENTS.account);
    within["NestedCompositeFilters"] = json!([foreign_or_high]);
    for (query, filters) in [
        (json!({}), json!({"CompositeFilters": [only(PAYMENTS.account)]})),
        (
            json!({"Filters": {"CompositeFilters": [foreign_or_high, foreign_or_high], "CompositeOperator": "OR"}}),
            json!({"CompositeFilters": [within, within], "CompositeOperator": "OR"}),
        ),
    ] {
        assert_eq!(ask(&gate, &PAYMENTS, &query).json(), page);
        assert_eq!(upstream.take()[0].json(), json!({"Filters": filters}));
        assert_eq!(ask(&gate, &SECURITY, &query).json(), page);
        assert_eq!(upstream.take()[0].json(), query);
    }
}

#[test]
fn errors_are_in_the_words_of_the_operation() {
    let upstream = answering(&json!({"Findings": [finding(SEARCH.account)]}));
    let gate = gate_before(&upstream);
    let scopes = json!({"Scopes": {"AwsOrganizations": [{"OrganizationId": "o-abcd1234567890"}]}});
    ask(&gate, &PAYMENTS, &scopes).is_error(403, "AccessDeniedException", "Scopes: only the administrator");
    for (query, told) in [
        (json!({"NextToken": "t"}), "start the query anew"),
        (json!({"Filters": {"AwsAccountId": []}}), "unknown member `AwsAccountId`"),
        (json!({"Filters": {"CompositeFilters": [{}]}}), "without filters"),
        (json!({"MaxResults": 101}), "MaxResults: got 101"),
        (
            json!({"Filters": {"CompositeFilters": [{"NestedCompositeFilters": [only(PAYMENTS.account)], "Operator": "OR"}]}}),
            "entries of their own in CompositeFilters",
        ),
    ] {
        ask(&gate, &PAYMENTS, &query).is_error(400, "ValidationException", told);
    }
    assert_eq!(upstream.received(), []);
    assert_eq!(ask(&gate, &SECURITY, &scopes).status, 200);
    assert_eq!(upstream.take()[0].json(), scopes);
}

#[test]
fn an_answer_with_a_foreign_finding_is_not_passed_on_at_all() {
    for foreign in [
        finding(SEARCH.account),
        json!({"metadata": {"uid": "x"}}),
        json!({"cloud": {"account": PAYMENTS.account}}),
        json!({"AwsAccountId": PAYMENTS.account}),
    ] {
        let upstream = answering(&json!({"Findings": [finding(PAYMENTS.account), foreign]}));
        let gate = gate_before(&upstream);
        let response = ask(&gate, &PAYMENTS, &json!({}));
        response.is_error(502, "BadGatewayException", "not of account 222222222222");
        gate.wait_for_log(&["answer_withheld", "GetFindingsV2"]);
        assert_eq!(ask(&gate, &SECURITY, &json!({})).status, 200);
    }
}

#[test]
fn a_page_token_goes_on_for_its_caller_and_operation_alone() {
    let upstream = Upstream::start(|request: &Received| {
        let account = if request.head.contains("account: 333333333333") { SEARCH.account } else { PAYMENTS.account };
        let mut finding = finding(account);
        finding["AwsAccountId"] = account.into();
        Reply::json("200 OK", &json!({"Findings": [finding], "NextToken": "t"}))
    });
    let gate = gate_before(&upstream);
    let query =
        json!({"Filters": {"CompositeFilters": [{"StringFilters": [text("severity", "High")]}]}, "MaxResults": 1});
    let first = ask(&gate, &PAYMENTS, &query).json();
    let mut alone = json!({"NextToken": first["NextToken"]});
    for _ in 0..3 {
        let next = ask(&gate, &PAYMENTS, &alone);
        assert_eq!(next.status, 200, "{next:?}");
        alone = json!({"NextToken": next.json()["NextToken"]});
    }
    // From page to page it is the same query, to the byte.
    let mut expected = upstream.take().iter().map(Received::json).collect::<Vec<_>>();
    let first_asked = expected.remove(0);
    for asked in &mut expected {
        assert_eq!(asked["NextToken"], "t");
        asked.as_object_mut().unwrap().remove("NextToken");
        assert_eq!(*asked, first_asked);
    }
    for key in [SEARCH, SECURITY] {
        ask(&gate, &key, &alone).is_error(400, "ValidationException", "start the query anew");
    }
    post(&gate, &PAYMENTS, "/findings", &alone).is_error(400, "InvalidInputException", "start the query anew");
    let of_v1 = post(&gate, &PAYMENTS, "/findings", &json!({})).json();
    let moved = json!({"NextToken": of_v1["NextToken"]});
    ask(&gate, &PAYMENTS, &moved).is_error(400, "ValidationException", "for GetFindingsV2");
}

#[test]
fn pages_go_on_to_the_end() {
    let gate = Gate::start(Place::new("embedded", OPEN));
    for key in [PAYMENTS, SEARCH] {
        let findings: Vec<Value> = (0..5)
            .map(|number| {
                json!({
                    "SchemaVersion": "2018-10-08", "Id": format!("{}-{number}", key.account), "AwsAccountId": key.account,
                    "ProductArn": format!("arn:aws:securityhub:eu-west-1:{0}:product/{0}/default", key.account),
                    "GeneratorId": "test", "Title": "t", "Description": "d", "Types": ["Effects"],
                    "CreatedAt": "2026-01-01T00:00:00Z", "UpdatedAt": "2026-01-01T00:00:00Z",
                    "Severity": {"Label": if number == 0 { "LOW" } else { "HIGH" }},
                    "Resources": [{"Type": "Other", "Id": "r"}],
                })
            })
            .collect();
        let response = post(&gate, &key, "/findings/import", &json!({"Findings": findings}));
        assert_eq!(response.json()["SuccessCount"], 5, "{response:?}");
    }
    let high = json!({"StringFilters": [text("severity", "High")]});
    let foreign = json!({"StringFilters": [text("cloud.account.uid", SEARCH.account)]});
    for (key, filters, expected) in [
        (PAYMENTS, json!({}), vec![PAYMENTS.account; 5]),
        (PAYMENTS, json!({"CompositeFilters": [high]}), vec![PAYMENTS.account; 4]),
        (PAYMENTS, json!({"CompositeFilters": [high, foreign], "CompositeOperator": "OR"}), vec![PAYMENTS.account; 4]),
        (PAYMENTS, json!({"CompositeFilters": [foreign]}), vec![]),
        (SECURITY, json!({"CompositeFilters": [foreign]}), vec![SEARCH.account; 5]),
    ] {
        for alone in [false, true] {
            let query = json!({"Filters": filters, "MaxResults": 2});
            let (mut body, mut owners) = (query.clone(), Vec::new());
            loop {
                let response = ask(&gate, &key, &body);
                assert_eq!(response.status, 200, "{response:?}");
                let page = response.json();
                let findings = page["Findings"].as_array().unwrap().clone();
                owners.extend(
                    findings.iter().map(|finding| finding["cloud"]["account"]["uid"].as_str().unwrap().to_owned()),
                );
                let Some(token) = page["NextToken"].as_str() else { break };
                body = if alone { json!({}) } else { query.clone() };
                body["NextToken"] = token.into();
            }
            assert_eq!(owners, expected, "{filters}");
        }
    }
}

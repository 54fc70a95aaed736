//! Whose findings are whose where the gate signs as itself: the backend then sees the administrator in every request, and the gate alone
//! keeps accounts apart.

use crate::support::{
    client::{Response, signed_head, with_body},
    fleet::{Key, PAYMENTS, SEARCH, SECURITY, finding, update},
    gate::{Gate, Place},
    upstream::{Received, Reply, Upstream},
};
use serde_json::{Value, json};

/// A product of AWS's own, which names no account.
const GUARDDUTY: &str = "arn:aws:securityhub:eu-west-1::product/aws/guardduty";
/// Nobody's account, in no fleet of this gate.
const STRANGER: &str = "999999999999";

fn signing(upstream: &Upstream) -> Gate {
    let place = Place::new(&upstream.url(), "[doors]\nopen = [\"GetFindings\"]\n");
    place.edit("findings-gate.toml", "region = \"eu-west-1\"\n", "region = \"eu-west-1\"\nsign = \"gateway\"\n");
    let credentials =
        [("AWS_ACCESS_KEY_ID", "AKIAGATEWAY"), ("AWS_SECRET_ACCESS_KEY", "gateway-secret-0123456789abcdefghij")];
    Gate::start_with(place, &credentials)
}

/// A backend with findings whose ids say whose they are: `<account>-…`. Those of `broken` cannot be had.
fn owned() -> Upstream {
    Upstream::start(|request| {
        if !request.is_look_up() {
            return Reply::accept(request);
        }
        if request.text().contains("broken") {
            return Reply::error("400 Bad Request", "InvalidInputException", "x");
        }
        let filters = &request.json()["Filters"]["Id"];
        let finding = |filter: &Value| {
            let id = filter["Value"].as_str().unwrap();
            crate::support::fleet::plain_finding(&id[..12], id, GUARDDUTY)
        };
        let findings: Vec<Value> = filters.as_array().unwrap().iter().map(finding).collect();
        Reply::json("200 OK", &json!({"Findings": findings}))
    })
}

fn aws(id: &str) -> Value {
    json!({"Id": id, "ProductArn": GUARDDUTY})
}

fn note(gate: &Gate, key: &Key, finding: Value) -> Response {
    let members = json!({"Workflow": {"Status": "NOTIFIED"}});
    gate.connect().update(key, update(&[finding], members))
}

fn read(gate: &Gate, key: &Key) -> Response {
    let mut client = gate.connect();
    let head = signed_head(gate.address, key, "POST", "/findings", b"{}");
    client.send(&with_body(&head, b"{}"));
    client.read()
}

/// Signed as the gate, and nobody's account told beside it.
#[track_caller]
fn is_signed(request: &Received) {
    let names = request.header_names();
    assert!(names.iter().any(|name| name == "authorization"), "{}", request.head);
    assert!(request.head.contains("Credential=AKIAGATEWAY/"), "{}", request.head);
    assert!(!names.iter().any(|name| name == "x-findings-gate-account"), "{}", request.head);
}

#[test]
fn own_findings_are_forwarded_signed_and_no_others() {
    let upstream = owned();
    let gate = signing(&upstream);
    let id = |account: &str| format!("{account}-finding");
    for (key, finding, code) in [
        (&PAYMENTS, finding(PAYMENTS.account, "f"), None),
        (&PAYMENTS, aws(&id(PAYMENTS.account)), None),
        // The ProductArn proves another owner.
        (&PAYMENTS, finding(SEARCH.account, "f"), Some("AccessDenied")),
        (&PAYMENTS, finding(SECURITY.account, "f"), Some("AccessDenied")),
        // What is looked up says another owner: not even that there is one.
        (&PAYMENTS, aws(&id(SEARCH.account)), Some("FindingNotFound")),
        (&PAYMENTS, aws(&id(SECURITY.account)), Some("FindingNotFound")),
        (&PAYMENTS, aws(&id(STRANGER)), Some("FindingNotFound")),
        // Nobody says whose it is.
        (&PAYMENTS, aws("222222222222-broken"), Some("AccessDenied")),
        // The administrator has the findings of all accounts that it administers, and no others.
        (&SECURITY, finding(SEARCH.account, "f"), None),
        (&SECURITY, aws(&id(SEARCH.account)), None),
        (&SECURITY, finding(SECURITY.account, "f"), None),
    ] {
        let told = format!("{} {finding}", key.account);
        let response = note(&gate, key, finding.clone());
        let requests = upstream.take();
        requests.iter().for_each(is_signed);
        let updates: Vec<_> = requests.iter().filter(|request| !request.is_look_up()).collect();
        match code {
            None => {
                assert_eq!(response.processed(), [finding["Id"].as_str().unwrap()], "{told}: {response:?}");
                assert_eq!(updates.len(), 1, "{told}");
            }
            Some(code) => {
                assert_eq!(response.processed(), [""; 0], "{told}");
                assert_eq!(response.unprocessed()[0].1, code, "{told}: {response:?}");
                assert!(updates.is_empty(), "{told}: {updates:?}");
            }
        }
    }
}

#[test]
fn a_member_reads_its_own_findings_and_a_page_with_another_one_is_withheld() {
    for (owner, status) in [(PAYMENTS.account, 200), (SEARCH.account, 502), (STRANGER, 502)] {
        let page = json!({"Findings": [
            {"Id": "a", "AwsAccountId": PAYMENTS.account}, {"Id": "secret-of-another", "AwsAccountId": owner},
        ]});
        let upstream = Upstream::start(move |_| Reply::json("200 OK", &page));
        let gate = signing(&upstream);
        let response = read(&gate, &PAYMENTS);
        assert_eq!(response.status, status, "{owner}: {response:?}");
        assert_eq!(String::from_utf8_lossy(&response.body).contains("secret-of-another"), status == 200, "{owner}");
        let [asked] = &upstream.take()[..] else { panic!("asked once") };
        is_signed(asked);
        let narrowed = json!([{"Value": PAYMENTS.account, "Comparison": "EQUALS"}]);
        assert_eq!(asked.json()["Filters"]["AwsAccountId"], narrowed);
    }
}

//! Several fleets at one gate: no administrator reads, changes or learns anything of another's.

use crate::support::{
    client::{Response, signed_head, with_body},
    fleet::{Key, PAYMENTS, SEARCH, SECURITY, finding, keys_toml, plain_finding, update},
    gate::{Gate, Place},
    upstream::{Received, Reply, Upstream},
};
use serde_json::{Value, json};

/// The administrator of a second fleet, and its member.
const EMEA: Key = Key {
    id: "AKIAEMEA",
    secret: "emea-secret-0123456789abcdefghijklmno",
    account: "666666666666",
    minimum_enforcement: "strip",
};
const BILLING: &str = "777777777777";

const ACCOUNTS: &str = "\
[[fleet]]
administrator = \"111111111111\"
[[fleet.member]]
account = \"222222222222\"
groups = [\"ou/prod\"]
[[fleet.member]]
account = \"333333333333\"
[[fleet]]
administrator = \"666666666666\"
name = \"emea\"
[[fleet.member]]
account = \"777777777777\"
";

/// Administrators may do anything, so only the gate itself is between the fleets; members, what depends on the finding.
const POLICIES: &str = r#"
@id("administrators") permit (principal is Administrator, action, resource);
@id("members") permit (principal is Member, action, resource) when { resource.workflowStatus == WorkflowStatus::"NEW" };
@id("suppression") forbid (principal, action == Action::"Workflow.Status", resource)
    when { context.value == WorkflowStatus::"SUPPRESSED" && resource.severity.label == SeverityLabel::"CRITICAL" };
"#;

fn gate_before(upstream: &Upstream) -> Gate {
    let more = "[doors]\nopen = [\"GetFindings\", \"BatchUpdateFindingsV2\", \"CreateAutomationRule\", \"ListAutomationRules\"]\n";
    let place = Place::with_policies(&upstream.url(), POLICIES, more);
    place.write("accounts.toml", ACCOUNTS);
    let Key { id, secret, account, .. } = EMEA;
    let key = format!("[[key]]\nid = \"{id}\"\nsecret = \"{secret}\"\naccount = \"{account}\"\nprincipal = \"emea\"\n");
    place.write("keys.toml", &(keys_toml() + &key));
    Gate::start(place)
}

/// A backend that keeps no fleets apart: it has the findings that it is asked about, whoever asks.
fn careless() -> Upstream {
    Upstream::accepting()
}

/// Of a partner's product, which says nothing of the owner to the gate. To the backend of these tests, the id does.
fn of_partner(owner: &str) -> Value {
    json!({"Id": format!("arn:aws:ec2:eu-west-1:{owner}:x"), "ProductArn": "arn:aws:securityhub:eu-west-1::product/partner/scanner"})
}

fn told(response: &Response) -> Vec<String> {
    response.unprocessed().into_iter().map(|(id, code, _)| format!("{id} {code}")).collect()
}

/// Whether the backend was told that a call is this account's.
fn is_for(received: &Received, key: &Key) -> bool {
    received.head.contains(&format!("x-findings-gate-account: {}", key.account))
}

fn status(word: &str) -> Value {
    json!({"Workflow": {"Status": word}})
}

#[test]
fn an_administrator_changes_nothing_of_another_fleet() {
    let upstream = careless();
    let gate = gate_before(&upstream);
    let findings = [finding(PAYMENTS.account, "a"), finding(BILLING, "b"), finding("999999999999", "c")];
    for (key, own) in [(&SECURITY, "a"), (&EMEA, "b")] {
        upstream.take();
        let response = gate.connect().update(key, update(&findings, status("NOTIFIED")));
        assert_eq!(response.processed(), [own]);
        let foreign = ["a", "b", "c"].into_iter().filter(|id| *id != own);
        // As AWS says it, in the same words for what is of another fleet and of none.
        let expected: Vec<String> = foreign.map(|id| format!("{id} FindingNotFound")).collect();
        assert_eq!(told(&response), expected);
        let forwarded: Vec<Received> = upstream.take();
        assert_eq!(forwarded.len(), 1, "{forwarded:?}");
        assert!(is_for(&forwarded[0], key), "{forwarded:?}");
        assert_eq!(forwarded[0].json()["FindingIdentifiers"].as_array().map(Vec::len), Some(1));
    }
    // A member is told the same of its own fleet's and of another's.
    let findings = [finding(SEARCH.account, "s"), finding(BILLING, "b")];
    let response = gate.connect().update(&PAYMENTS, update(&findings, status("NOTIFIED")));
    assert_eq!(told(&response), ["s AccessDenied", "b FindingNotFound"]);
    gate.goes_on();
}

/// A look-up is made as the administrator of the caller's fleet, and tells nobody of another fleet anything.
#[test]
fn look_ups_are_of_one_fleet() {
    let upstream = careless();
    let gate = gate_before(&upstream);
    // The names say nothing of the owner, and both fleets ask about both of them.
    let findings = [of_partner(PAYMENTS.account), of_partner(BILLING)];
    for round in 0..2 {
        for (key, own, foreign) in [(&SECURITY, 0, 1), (&EMEA, 1, 0)] {
            upstream.take();
            let response = gate.connect().update(key, update(&findings, status("SUPPRESSED")));
            assert_eq!(response.processed(), [findings[own]["Id"].as_str().unwrap()], "round {round}");
            assert_eq!(told(&response), [format!("{} FindingNotFound", findings[foreign]["Id"].as_str().unwrap())]);
            let asked = upstream.take();
            assert!(
                !asked.is_empty() && asked.iter().all(|received| is_for(received, key)),
                "round {round}: {asked:?}"
            );
        }
    }
    gate.goes_on();
}

fn post(gate: &Gate, key: &Key, path: &str, body: &Value) -> Response {
    let body = body.to_string();
    let head = signed_head(gate.address, key, "POST", path, body.as_bytes());
    let mut client = gate.connect();
    client.send(&with_body(&head, body.as_bytes()));
    client.read()
}

/// AWS shows an administrator its own fleet. A backend that shows another's is not passed on.
#[test]
fn a_page_with_another_fleet_s_finding_is_withheld() {
    let upstream = Upstream::start(|request| {
        let body = request.json();
        let Some(wanted) = body["Filters"]["GeneratorId"][0]["Value"].as_str() else { return Reply::accept(request) };
        let finding = plain_finding(wanted, "x", "arn:aws:securityhub:eu-west-1::product/partner/scanner");
        Reply::json("200 OK", &json!({"Findings": [finding]}))
    });
    let gate = gate_before(&upstream);
    let of = |account: &str| json!({"Filters": {"GeneratorId": [{"Value": account, "Comparison": "EQUALS"}]}});
    for (key, account, status) in [
        (&SECURITY, PAYMENTS.account, 200),
        (&SECURITY, SECURITY.account, 200),
        // It may have joined a moment ago.
        (&SECURITY, "999999999999", 200),
        (&SECURITY, BILLING, 502),
        (&SECURITY, EMEA.account, 502),
        (&SECURITY, "nobody", 502),
        (&EMEA, BILLING, 200),
        (&EMEA, PAYMENTS.account, 502),
    ] {
        let response = post(&gate, key, "/findings", &of(account));
        assert_eq!(response.status, status, "{} {account}: {response:?}", key.account);
        assert!(status == 200 || !format!("{response:?}").contains("partner"), "{response:?}");
    }
    gate.goes_on();
}

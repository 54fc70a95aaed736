//! Several fleets: each administrator sees, changes and rules its own.

use crate::support::{MEMBER, OTHER, World, at, finding};
use findings_gate::{
    backend::Settings,
    finding::{Accounts, Fleet, Member, Operation},
};
use serde_json::{Value, json};

const FIRST: &str = "111111111111";
const SECOND: &str = "666666666666";

/// [`MEMBER`] is in the first fleet and [`OTHER`] in the second, each with a finding `f`.
fn world() -> World {
    let fleet = |administrator: &str, member: &str| Fleet {
        administrator: administrator.parse().unwrap(),
        name: String::new(),
        members: vec![(member.parse().unwrap(), Member::default())],
    };
    let accounts = Accounts::of([fleet(FIRST, MEMBER), fleet(SECOND, OTHER)]).unwrap();
    let world = World::open(Settings::new("eu-west-1", accounts));
    for account in [MEMBER, OTHER] {
        // Of a partner, so that one name means a finding of each.
        let mut finding = finding(account, "f");
        finding["ProductArn"] = "arn:aws:securityhub:eu-west-1::product/partner/scanner".into();
        assert_eq!(world.import(account, &[finding])["SuccessCount"], 1);
    }
    world
}

fn owners(world: &World, account: &str) -> Vec<String> {
    let answer = world.get(account, &json!({}));
    let findings = answer["Findings"].as_array().unwrap();
    findings.iter().map(|finding| finding["AwsAccountId"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn an_administrator_reads_and_updates_its_own_fleet() {
    let world = world();
    for (account, seen) in [(FIRST, MEMBER), (SECOND, OTHER), (MEMBER, MEMBER), (OTHER, OTHER)] {
        assert_eq!(owners(&world, account), [seen], "{account}");
    }
    let update = json!({
        "FindingIdentifiers": [{"Id": "f", "ProductArn": "arn:aws:securityhub:eu-west-1::product/partner/scanner"}],
        "Workflow": {"Status": "RESOLVED"},
    });
    let answer: Value = serde_json::from_str(&world.raw_update(SECOND, &update)).unwrap();
    assert_eq!(answer["ProcessedFindings"].as_array().unwrap().len(), 1);
    let status = |account: &str| world.get(account, &json!({}))["Findings"][0]["Workflow"]["Status"].clone();
    assert_eq!((status(FIRST), status(SECOND)), (json!("NEW"), json!("RESOLVED")));
}

#[test]
fn an_account_of_no_fleet_is_not_let_in() {
    let error =
        world().backend.call(Operation::GetFindings, "999999999999".parse().unwrap(), b"{}", at(0)).unwrap_err();
    assert_eq!((error.status, error.code), (401, "InvalidAccessException"));
}

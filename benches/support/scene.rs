//! Requests, accounts and policies to measure with.

use findings_gate::{
    finding::{AccountId, Accounts, Caller, Enforcement, Member, Proof, Role},
    policy::{PolicyText, Snapshot, load, pack},
};
use std::{fmt::Write as _, sync::Arc};

/// A policy that tells findings of one account not apart.
pub(crate) const ALIKE: &str = r#"@id("site") forbid (principal, action == Action::"Workflow.Status", resource)
    when { context has note && context.note.text like "*do not resolve*" };"#;

const ADMINISTRATOR: u64 = 111_111_111_111;
const MEMBER: u64 = 222_222_222_222;
/// Accounts that no policy names, from here on.
const OTHERS: u64 = 300_000_000_000;
/// Accounts of other teams that policies name, from here on.
const TEAMS: u64 = 700_000_000_000;

fn account(number: u64) -> AccountId {
    format!("{number:012}").parse().expect("twelve digits")
}

/// The baseline pack (12 policies), the `site` policy, and policies of other teams up to `policies`; in a
/// fleet of `accounts`.
pub(crate) fn snapshot(policies: usize, accounts: u64, site: &str) -> Arc<Snapshot> {
    let mut texts = pack("baseline").expect("the pack is embedded");
    texts.push(PolicyText { name: "site.cedar".to_owned(), text: site.to_owned() });
    let mut teams = String::new();
    for number in 13..policies {
        const ACTIONS: [&str; 9] = [
            "Confidence",
            "Criticality",
            "Note",
            "RelatedFindings",
            "Severity.Label",
            "Types",
            "UserDefinedFields",
            "VerificationState",
            "Workflow.Status",
        ];
        let effect = if number % 3 == 0 { "forbid" } else { "permit" };
        let (action, team) = (ACTIONS[number % ACTIONS.len()], account(TEAMS + number as u64));
        let _ = writeln!(
            teams,
            r#"@id("team-{number}") {effect} (principal in Account::"{team}", action == Action::"{action}", resource)
               when {{ resource in principal.account && resource.productArn like "*/guardduty" }};"#
        );
    }
    texts.push(PolicyText { name: "teams.cedar".to_owned(), text: teams });
    let rules = load(&texts).unwrap_or_else(|error| panic!("{error:?}")).rules().to_vec();
    assert_eq!(rules.len(), policies);
    let member = |number: u64| Member { name: format!("account {number}"), groups: vec![format!("ou/{}", number % 8)] };
    let members = std::iter::once(MEMBER).chain(OTHERS..OTHERS + accounts - 2);
    let accounts = Accounts::new(account(ADMINISTRATOR), members.map(|number| (account(number), member(number))));
    Arc::new(Snapshot::new(rules, Arc::new(accounts), Enforcement::Strip).expect("the policies can be served with"))
}

pub(crate) fn caller(role: Role) -> Caller {
    let account = account(if role == Role::Member { MEMBER } else { ADMINISTRATOR });
    Caller {
        account,
        role,
        principal: format!("arn:aws:iam::{account}:role/triage").into(),
        proof: Proof::Fixed,
        minimum_enforcement: Enforcement::Strip,
    }
}

/// Accounts from all over the fleet, such that a group of accounts goes with a product.
fn spread(number: u64, others: u64) -> u64 {
    if others < 8 { 0 } else { number * 1_049 % (others / 8) * 8 + number % 8 }
}

/// The body of a request for all nine fields of so many findings, which come from eight products. A member's are its own,
/// an administrator's are spread over its fleet.
pub(crate) fn body(findings: usize, role: Role, accounts: u64) -> String {
    const PRODUCTS: [&str; 8] =
        ["access-analyzer", "config", "detective", "guardduty", "health", "inspector", "macie", "securityhub"];
    let identifiers: Vec<String> = (0..findings)
        .map(|number| {
            let product = PRODUCTS[number % 8];
            let owner = match role {
                Role::Member => account(MEMBER),
                Role::Administrator => account(OTHERS + spread(number as u64, accounts - 2)),
            };
            format!(
                r#"{{"Id":"arn:aws:{product}:eu-west-1:{owner}:control/EC2.{number}/finding/00000000-0000-4000-8000-{number:012}","ProductArn":"arn:aws:securityhub:eu-west-1::product/aws/{product}"}}"#
            )
        })
        .collect();
    format!(
        r#"{{"FindingIdentifiers":[{}],"Note":{{"Text":"accepted by the team, see SEC-1234","UpdatedBy":"triage"}},"Severity":{{"Label":"MEDIUM","Product":5.5}},"VerificationState":"TRUE_POSITIVE","Confidence":80,"Criticality":50,"Types":["Software and Configuration Checks/Vulnerabilities/CVE"],"UserDefinedFields":{{"ticket":"SEC-1234"}},"Workflow":{{"Status":"RESOLVED"}},"RelatedFindings":[{{"Id":"related","ProductArn":"arn:aws:securityhub:eu-west-1::product/aws/securityhub"}}]}}"#,
        identifiers.join(",")
    )
}

//! Accounts, callers and requests to measure with.

use findings_gate::finding::{AccountId, Accounts, Caller, Enforcement, Fleet, Member, Proof, Role};

const ADMINISTRATOR: u64 = 111_111_111_111;
const MEMBER: u64 = 222_222_222_222;
/// Accounts that no policy names, from here on.
const OTHERS: u64 = 300_000_000_000;
/// How far the accounts of two fleets are apart.
const FLEET: u64 = 1_000_000_000;

pub(crate) fn account(number: u64) -> AccountId {
    format!("{number:012}").parse().expect("twelve digits")
}

/// A fleet of so many accounts.
pub(crate) fn accounts(count: u64) -> Accounts {
    fleets(1, count)
}

/// So many fleets of so many accounts each. Those who ask are in the first.
pub(crate) fn fleets(fleets: u64, count: u64) -> Accounts {
    let member = |number: u64| Member { name: format!("account {number}"), groups: vec![format!("ou/{}", number % 8)] };
    let first = std::iter::once(MEMBER).chain(OTHERS..OTHERS + count - 2).collect();
    let further = (1..fleets).map(|fleet| {
        let begin = OTHERS + fleet * FLEET;
        (begin, (begin + 1..begin + count).collect())
    });
    let all = std::iter::once((ADMINISTRATOR, first)).chain(further);
    let fleet = |(administrator, members): (u64, Vec<u64>)| Fleet {
        administrator: account(administrator),
        name: String::new(),
        members: members.into_iter().map(|number| (account(number), member(number))).collect(),
    };
    Accounts::of(all.map(fleet)).expect("no account twice")
}

pub(crate) fn caller(role: Role) -> Caller {
    let account = account(if role == Role::Member { MEMBER } else { ADMINISTRATOR });
    Caller {
        account,
        role,
        principal: format!("arn:aws:iam::{account}:role/triage").into(),
        groups: std::sync::Arc::default(),
        region: None,
        proof: Proof::Fixed,
        minimum_enforcement: Enforcement::Strip,
    }
}

/// Accounts from all over the fleet, such that a group of accounts goes with a product.
fn spread(number: u64, others: u64) -> u64 {
    if others < 8 { 0 } else { number * 1_049 % (others / 8) * 8 + number % 8 }
}

/// The body of a request with these members, for so many findings, which come from eight products. A member's are its own,
/// an administrator's are spread over its fleet.
pub(crate) fn body(findings: usize, role: Role, accounts: u64, members: &str) -> String {
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
    format!(r#"{{"FindingIdentifiers":[{}],{members}}}"#, identifiers.join(","))
}

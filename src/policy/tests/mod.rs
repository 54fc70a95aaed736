//! What the engine must hold: it fails closed, and it agrees with the plain way.

pub(crate) mod differential;
mod fail_closed;
mod rules;
pub(crate) mod states;
mod verdicts;

use super::{Judge, PolicyText, Snapshot, load};
use crate::{
    finding::{AccountId, Accounts, BatchUpdate, Caller, Enforcement, Fleet, Member, Proof, Timestamp},
    gate::{Asked, Decision, Knowledge},
};
use std::sync::Arc;

pub(super) const ADMINISTRATOR: &str = "111111111111";
pub(super) const PAYMENTS: &str = "222222222222";
pub(super) const SEARCH: &str = "333333333333";
pub(super) const EMEA: &str = "666666666666";
pub(super) const EMEA_PAYMENTS: &str = "777777777777";
pub(super) const STRANGER: &str = "999999999999";

/// The administrator, a member in two groups, a member in one of them and one whose name needs escapes.
pub(super) fn accounts() -> Arc<Accounts> {
    let member =
        |groups: &[&str]| Member { name: String::new(), groups: groups.iter().map(ToString::to_string).collect() };
    let members = [
        (PAYMENTS.parse().unwrap(), member(&["ou/prod", "pci"])),
        (SEARCH.parse().unwrap(), member(&["ou/prod", "we\"ird\\é"])),
    ];
    Arc::new(Accounts::new(ADMINISTRATOR.parse().unwrap(), members))
}

/// The same fleet, and another one: an administrator with a member, in a group that members of the first are in, too.
pub(super) fn fleets() -> Arc<Accounts> {
    let known = accounts();
    let fleet = |administrator: &str, members: Vec<(AccountId, Member)>| {
        let administrator = administrator.parse().unwrap();
        Fleet { administrator, name: String::new(), members }
    };
    let first = known.members().map(|(account, member)| (account, member.clone())).collect();
    let member = Member { name: String::new(), groups: vec!["pci".into()] };
    let second = vec![(EMEA_PAYMENTS.parse().unwrap(), member)];
    Arc::new(Accounts::of([fleet(ADMINISTRATOR, first), fleet(EMEA, second)]).unwrap())
}

pub(super) fn caller(account: &str) -> Caller {
    caller_in(&accounts(), account)
}

pub(super) fn caller_in(accounts: &Accounts, account: &str) -> Caller {
    let account = account.parse().unwrap();
    Caller {
        account,
        role: accounts.role(account).unwrap(),
        principal: format!("arn:aws:iam::{account}:role/triage").into(),
        groups: Arc::default(),
        region: None,
        proof: Proof::Fixed,
        minimum_enforcement: Enforcement::Strip,
    }
}

pub(crate) fn now() -> Timestamp {
    "2026-01-01T12:00:00Z".parse().unwrap()
}

/// Decides without knowing anything of the findings.
pub(super) fn decide<'u>(judge: &mut impl Judge, caller: &Caller, request: &'u BatchUpdate<'u>) -> Decision<'u> {
    crate::gate::decide(judge, caller, Asked::of_update(request, now()), Knowledge::Never)
}

pub(super) fn snapshot(policies: &str) -> Arc<Snapshot> {
    let texts = [PolicyText { name: "test.cedar".into(), text: policies.into() }];
    let policies = load(&texts).unwrap_or_else(|error| panic!("{error:?}"));
    Arc::new(Snapshot::new(policies.rules().to_vec(), accounts(), Enforcement::Reject).unwrap())
}

/// A request about one finding of each account given, of its own default product.
pub(super) fn body(owners: &[&str], members: &str) -> String {
    let finding = |(at, owner): (usize, &&str)| {
        format!(
            r#"{{"Id":"finding-{at}","ProductArn":"arn:aws:securityhub:eu-west-1:{owner}:product/{owner}/default"}}"#
        )
    };
    let findings: Vec<String> = owners.iter().enumerate().map(finding).collect();
    format!(r#"{{"FindingIdentifiers":[{}],{members}}}"#, findings.join(","))
}

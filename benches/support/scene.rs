//! Policies and requests for all nine fields, to measure with.

use super::fleet::{self, account};
use findings_gate::{
    finding::{Accounts, Enforcement, Role},
    policy::{PolicyText, Snapshot, load, pack},
};
use std::{fmt::Write as _, sync::Arc};

/// A policy that tells findings of one account not apart.
pub(crate) const ALIKE: &str = r#"@id("site") forbid (principal, action == Action::"Workflow.Status", resource)
    when { context has note && context.note.text like "*do not resolve*" };"#;

/// Accounts of other teams that policies name, from here on.
const TEAMS: u64 = 700_000_000_000;

/// The baseline pack (15 policies), the `site` policy, and policies of other teams up to `policies`; in a
/// fleet of `accounts`.
pub(crate) fn snapshot(policies: usize, accounts: u64, site: &str) -> Arc<Snapshot> {
    snapshot_of(policies, fleet::accounts(accounts), site)
}

/// The same for these accounts.
pub(crate) fn snapshot_of(policies: usize, accounts: Accounts, site: &str) -> Arc<Snapshot> {
    let mut texts = pack("baseline").expect("the pack is embedded");
    texts.push(PolicyText { name: "site.cedar".to_owned(), text: site.to_owned() });
    let mut teams = String::new();
    for number in 16..policies {
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
    Arc::new(Snapshot::new(rules, Arc::new(accounts), Enforcement::Strip).expect("the policies can be served with"))
}

/// The body of a request for all nine fields of so many findings, which come from eight products. A member's are its own,
/// an administrator's are spread over its fleet.
pub(crate) fn body(findings: usize, role: Role, accounts: u64) -> String {
    fleet::body(findings, role, accounts, NINE_FIELDS)
}

const NINE_FIELDS: &str = r#""Note":{"Text":"accepted by the team, see SEC-1234","UpdatedBy":"triage"},"Severity":{"Label":"MEDIUM","Product":5.5},"VerificationState":"TRUE_POSITIVE","Confidence":80,"Criticality":50,"Types":["Software and Configuration Checks/Vulnerabilities/CVE"],"UserDefinedFields":{"ticket":"SEC-1234"},"Workflow":{"Status":"RESOLVED"},"RelatedFindings":[{"Id":"related","ProductArn":"arn:aws:securityhub:eu-west-1::product/aws/securityhub"}]"#;

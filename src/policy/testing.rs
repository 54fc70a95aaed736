//! Questions put straight to Cedar, for tests of policies: no engine between.

use super::load::Policies;
use super::schema::schema;
use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityUid, PolicySet, Request, RestrictedExpression,
};
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap, HashSet};

/// The account of the administrator, and of its fleet.
pub(super) const ADMINISTRATOR: &str = "111111111111";
/// Two members of the fleet.
pub(super) const PAYMENTS: &str = "222222222222";
pub(super) const WEBSHOP: &str = "333333333333";
/// An account of no fleet.
pub(super) const STRANGER: &str = "999999999999";

fn uid(text: &str) -> EntityUid {
    text.parse().unwrap()
}

/// An account's caller: the administrator for its account, a member for every other.
fn caller(account: &str) -> (EntityUid, Vec<Entity>) {
    let is_administrator = account == ADMINISTRATOR;
    let caller = uid(&format!("{}::\"caller\"", if is_administrator { "Administrator" } else { "Member" }));
    let home = uid(&format!("Account::\"{account}\""));
    let mut attributes = HashMap::from([
        ("account".to_owned(), RestrictedExpression::new_entity_uid(home.clone())),
        ("arn".to_owned(), RestrictedExpression::new_string(format!("arn:aws:iam::{account}:role/triage"))),
    ]);
    if is_administrator {
        let fleet = uid(&format!("Fleet::\"{ADMINISTRATOR}\""));
        attributes.insert("fleet".to_owned(), RestrictedExpression::new_entity_uid(fleet));
    }
    let entity = Entity::new(caller.clone(), attributes, HashSet::from([home])).unwrap();
    (caller, vec![entity])
}

fn accounts() -> Vec<Entity> {
    let fleet = uid(&format!("Fleet::\"{ADMINISTRATOR}\""));
    let account = |id: &str, parents| Entity::new_no_attrs(uid(&format!("Account::\"{id}\"")), parents);
    let mut entities: Vec<_> =
        [ADMINISTRATOR, PAYMENTS, WEBSHOP].iter().map(|id| account(id, HashSet::from([fleet.clone()]))).collect();
    entities.extend([account(STRANGER, HashSet::new()), Entity::with_uid(fleet)]);
    entities
}

fn finding(account: &str) -> (EntityUid, Entity) {
    let finding = uid("Finding::\"f\"");
    let attributes =
        ["id", "productArn"].map(|name| (name.to_owned(), RestrictedExpression::new_string(name.to_owned())));
    let parents = HashSet::from([uid(&format!("Account::\"{account}\""))]);
    (finding.clone(), Entity::new(finding, HashMap::from(attributes), parents).unwrap())
}

/// One question: an account asks for a change on a finding of an account.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) from: &'static str,
    pub(super) on: &'static str,
    pub(super) action: String,
    pub(super) context: Value,
}

impl Question {
    /// Context members beyond `fields`, which is the field of the action.
    pub(super) fn new(from: &'static str, on: &'static str, action: &str, mut context: Value) -> Self {
        let field = action.split('.').next().unwrap();
        context["fields"] = json!([{ "type": "Field", "id": field }]);
        Self { from, on, action: action.to_owned(), context }
    }

    /// What Cedar says to `policies`: the decision, the policies that made it, and how many of them failed.
    pub(super) fn ask(&self, policies: &PolicySet) -> (Decision, BTreeSet<String>, usize) {
        let action = uid(&format!("Action::\"{}\"", self.action));
        let (principal, mut entities) = caller(self.from);
        let (resource, finding) = finding(self.on);
        entities.extend(accounts());
        entities.push(finding);
        let entities = Entities::from_entities(entities, Some(schema())).unwrap();
        let context = Context::from_json_value(self.context.clone(), Some((schema(), &action))).unwrap();
        let request = Request::new(principal, action, resource, context, Some(schema())).unwrap();
        let response = Authorizer::new().is_authorized(&request, policies, &entities);
        let reasons = response.diagnostics().reason().map(ToString::to_string).collect();
        (response.decision(), reasons, response.diagnostics().errors().count())
    }
}

/// All policies of a set that are enforced.
pub(super) fn enforced(policies: &Policies) -> PolicySet {
    PolicySet::from_policies(policies.rules().iter().filter(|rule| !rule.shadow).map(|rule| rule.policy.clone()))
        .unwrap()
}

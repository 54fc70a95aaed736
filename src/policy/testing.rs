//! Questions put straight to Cedar, for tests of policies: no engine between.

use super::load::Policies;
use super::{attribute::Attribute, request, schema::schema};
use crate::finding::State;
use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityUid, PolicySet, Request, RestrictedExpression,
};
use serde_json::{Map, Value, json};
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

/// A finding as it is: a plain one, with these members in place of its own.
pub(super) fn state(account: &str, members: &Value) -> State {
    let mut finding: Map<String, Value> = json!({
        "AwsAccountId": account, "CreatedAt": "2025-12-01T00:00:00Z", "UpdatedAt": "2025-12-01T00:00:00Z",
        "GeneratorId": "g", "RecordState": "ACTIVE", "Severity": {"Label": "MEDIUM", "Normalized": 40},
        "UserDefinedFields": {"owner": "ana"}, "Workflow": {"Status": "NEW"},
    })
    .as_object()
    .unwrap()
    .clone();
    finding.extend(members.as_object().unwrap().clone());
    State::parse(&finding).unwrap()
}

fn finding(account: &str, now: &Value, is_new: bool) -> (EntityUid, Vec<Entity>) {
    let finding = uid("Finding::\"f\"");
    let state = state(account, now);
    let mut attributes: HashMap<String, RestrictedExpression> =
        ["id", "productArn"].map(|name| (name.to_owned(), RestrictedExpression::new_string(name.to_owned()))).into();
    attributes.insert("isNew".to_owned(), RestrictedExpression::new_bool(is_new));
    for attribute in Attribute::ALL {
        let value = attribute.of(&state).to_cedar().unwrap();
        attributes.extend(value.map(|value| (attribute.name().to_owned(), value)));
    }
    let parents = HashSet::from([uid(&format!("Account::\"{account}\""))]);
    let mut entities = request::maps(&state).unwrap().to_vec();
    entities.push(Entity::new(finding.clone(), attributes, parents).unwrap());
    (finding, entities)
}

/// One question: an account asks for a change on a finding of an account.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) from: &'static str,
    pub(super) on: &'static str,
    pub(super) action: String,
    pub(super) context: Value,
    /// Members of the finding as it is, in place of a plain one's.
    pub(super) now: Value,
    pub(super) is_new: bool,
    /// What comes with the change, for `context.userDefinedFields`.
    pub(super) user_defined_fields: Vec<(&'static str, &'static str)>,
}

impl Question {
    /// Context members beyond `fields`, which is the field of the action, `operation` and `now`.
    pub(super) fn new(from: &'static str, on: &'static str, action: &str, mut context: Value) -> Self {
        let field = action.split('.').next().unwrap();
        let fields = (action != "Import").then(|| json!({ "type": "Field", "id": field }));
        context["fields"] = fields.into_iter().collect();
        if context["operation"].is_null() {
            context["operation"] = json!({ "type": "Operation", "id": "BatchUpdateFindings" });
        }
        context["now"] = json!({ "__extn": { "fn": "datetime", "arg": "2026-01-01T12:00:00Z" } });
        let (now, user_defined_fields) = (json!({}), Vec::new());
        Self { from, on, action: action.to_owned(), context, now, is_new: false, user_defined_fields }
    }

    /// The same of a finding with these members.
    pub(super) fn now(self, now: Value) -> Self {
        Self { now, ..self }
    }

    /// The same with these UserDefinedFields in the update.
    pub(super) fn with_fields(mut self, pairs: &[(&'static str, &'static str)]) -> Self {
        self.context["userDefinedFields"] = json!({ "type": "UserDefinedFields", "id": "update" });
        self.user_defined_fields = pairs.to_vec();
        self
    }

    /// What Cedar says to `policies`: the decision, the policies that made it, and how many of them failed.
    pub(super) fn ask(&self, policies: &PolicySet) -> (Decision, BTreeSet<String>, usize) {
        let action = uid(&format!("Action::\"{}\"", self.action));
        let (principal, mut entities) = caller(self.from);
        let (resource, finding) = finding(self.on, &self.now, self.is_new);
        entities.extend(accounts());
        entities.extend(finding);
        let text = |text: &str| crate::finding::Text::from(text.to_owned());
        let proposed: Vec<_> = self.user_defined_fields.iter().map(|(key, value)| (text(key), text(value))).collect();
        entities.push(request::proposed_fields(&proposed).unwrap());
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

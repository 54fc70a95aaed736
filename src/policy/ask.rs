//! One question to Cedar. Every answer of the gate comes from here.

use super::{Answer, Denial, Reason, Rule};
use crate::finding::Enforcement;
use cedar_policy::{Authorizer, Decision, Entities, PolicyId, PolicySet, Request};
use std::{collections::HashMap, sync::Arc};

/// What is known of each policy by its id, and what holds for those that say nothing.
#[derive(Debug)]
pub(super) struct Rules {
    by_id: HashMap<PolicyId, Rule>,
    default_enforcement: Enforcement,
}

impl Rules {
    pub(super) fn new(rules: impl IntoIterator<Item = Rule>, default_enforcement: Enforcement) -> Self {
        let by_id = rules.into_iter().map(|rule| (rule.policy.id().clone(), rule)).collect();
        Self { by_id, default_enforcement }
    }

    fn denial(&self, reason: Reason, ids: impl IntoIterator<Item = PolicyId>) -> Denial {
        let mut rules: Vec<&Rule> = ids.into_iter().filter_map(|id| self.by_id.get(&id)).collect();
        rules.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        rules.dedup_by(|a, b| a.id == b.id);
        let strictest = rules.iter().map(|rule| rule.enforcement.unwrap_or(self.default_enforcement)).max();
        Denial {
            reason,
            enforcement: match reason {
                Reason::PolicyError | Reason::OwnerUnknown => Enforcement::Reject,
                Reason::Forbidden | Reason::NoGrant => strictest.unwrap_or(self.default_enforcement),
            },
            policies: rules.iter().map(|rule| rule.id.clone()).collect(),
            advice: rules.iter().filter_map(|rule| rule.advice.clone()).collect(),
        }
    }

    /// A denial because a question could not be put or answered.
    pub(super) fn error(&self, ids: impl IntoIterator<Item = PolicyId>) -> Answer {
        Answer::Denied(self.denial(Reason::PolicyError, ids))
    }

    /// Puts one question.
    ///
    /// Cedar passes over a policy that cannot be evaluated, so a forbid that fails no longer forbids: any error denies. It
    /// does not ask for an entity that is missing either, it fails where one is read: so caller and finding must be there.
    pub(super) fn ask(&self, policies: &PolicySet, request: &Request, entities: &Entities) -> Answer {
        let present = |uid: Option<&_>| uid.is_some_and(|uid| entities.get(uid).is_some());
        if !present(request.principal()) || !present(request.resource()) || !present(request.action()) {
            return self.error([]);
        }
        let response = Authorizer::new().is_authorized(request, policies, entities);
        let mut failed = response.diagnostics().errors().peekable();
        if failed.peek().is_some() {
            let mut denial = self.denial(
                Reason::PolicyError,
                failed.map(|cedar_policy::AuthorizationError::PolicyEvaluationError(error)| error.policy_id().clone()),
            );
            // That one policy fails must not soften what another says.
            if response.decision() == Decision::Deny && response.diagnostics().reason().next().is_some() {
                let forbidden = self.denial(Reason::Forbidden, response.diagnostics().reason().cloned());
                denial.enforcement = denial.enforcement.max(forbidden.enforcement);
            }
            return Answer::Denied(denial);
        }
        let ids = response.diagnostics().reason().cloned();
        match response.decision() {
            Decision::Allow => {
                let mut by: Vec<Arc<str>> =
                    ids.filter_map(|id| self.by_id.get(&id)).map(|rule| rule.id.clone()).collect();
                by.sort_unstable();
                Answer::Allowed { by }
            }
            Decision::Deny => {
                let mut ids = ids.peekable();
                let reason = if ids.peek().is_some() { Reason::Forbidden } else { Reason::NoGrant };
                Answer::Denied(self.denial(reason, ids))
            }
        }
    }
}

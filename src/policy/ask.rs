//! One question to Cedar. Every answer of the gate comes from here.

use super::{Answer, Denial, Reason, Rule, footprint::Footprint, probe::Unknown};
use crate::finding::Enforcement;
use cedar_policy::{Authorizer, Decision, Entities, PolicyId, PolicySet, Request};
use std::{collections::HashMap, sync::Arc};

/// What is known of each policy by its id, and what holds for those that say nothing.
#[derive(Debug)]
pub(super) struct Rules {
    by_id: HashMap<PolicyId, Known>,
    default_enforcement: Enforcement,
}

/// A policy, and whether it reads what may not be known.
#[derive(Debug)]
struct Known {
    rule: Rule,
    reads_state: bool,
    reads_value: bool,
}

impl Known {
    /// Whether it may have failed only because that is not known.
    fn reads(&self, unknown: Unknown) -> bool {
        match unknown {
            Unknown::Nothing => false,
            Unknown::State => self.reads_state,
            Unknown::Removal => self.reads_state || self.reads_value,
        }
    }
}

impl Rules {
    pub(super) fn new(rules: impl IntoIterator<Item = Rule>, default_enforcement: Enforcement) -> Self {
        let known = |rule: Rule| {
            let footprint = Footprint::of([&rule.policy]);
            let known = Known { reads_state: footprint.reads_state(), reads_value: footprint.value, rule };
            (known.rule.policy.id().clone(), known)
        };
        Self { by_id: rules.into_iter().map(known).collect(), default_enforcement }
    }

    /// Whether the policy reads how a finding is.
    pub(super) fn reads_state(&self, id: &PolicyId) -> bool {
        self.by_id.get(id).is_some_and(|known| known.reads_state)
    }

    fn denial(&self, reason: Reason, ids: impl IntoIterator<Item = PolicyId>) -> Denial {
        let mut rules: Vec<&Rule> =
            ids.into_iter().filter_map(|id| self.by_id.get(&id)).map(|known| &known.rule).collect();
        rules.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        rules.dedup_by(|a, b| a.id == b.id);
        let strictest = rules.iter().map(|rule| rule.enforcement.unwrap_or(self.default_enforcement)).max();
        Denial {
            reason,
            enforcement: match reason {
                Reason::PolicyError | Reason::OwnerUnknown => Enforcement::Reject,
                // What the policies would have said is not known, so no more is taken than the change itself.
                Reason::StateUnavailable => Enforcement::Strip,
                Reason::Forbidden | Reason::NoGrant => strictest.unwrap_or(self.default_enforcement),
            },
            policies: rules.iter().map(|rule| rule.id.clone()).collect(),
            advice: rules.iter().filter_map(|rule| rule.advice.clone()).collect(),
        }
    }

    /// What policies are called, sorted.
    pub(super) fn names<'i>(&self, ids: impl Iterator<Item = &'i PolicyId>) -> Vec<Arc<str>> {
        let mut names: Vec<Arc<str>> =
            ids.filter_map(|id| self.by_id.get(id)).map(|known| known.rule.id.clone()).collect();
        names.sort_unstable();
        names
    }

    /// What a policy is called.
    pub(super) fn name(&self, id: &PolicyId) -> Arc<str> {
        let unknown = || {
            let id: &str = id.as_ref();
            id.into()
        };
        self.by_id.get(id).map_or_else(unknown, |known| known.rule.id.clone())
    }

    /// What a denial by this policy does.
    pub(super) fn enforcement(&self, id: &PolicyId) -> Enforcement {
        self.by_id.get(id).and_then(|known| known.rule.enforcement).unwrap_or(self.default_enforcement)
    }

    /// A denial because a question could not be put or answered.
    pub(super) fn error(&self, ids: impl IntoIterator<Item = PolicyId>) -> Answer {
        Answer::Denied(self.denial(Reason::PolicyError, ids))
    }

    /// Puts one question.
    ///
    /// Cedar passes over a policy that cannot be evaluated, so a forbid that fails no longer forbids: any error denies. It
    /// does not ask for an entity that is missing either, it fails where one is read: so caller and finding must be there.
    ///
    /// While something is `unknown`, the policies must be [probes](super::probe::probe): then a failure of one that reads it
    /// says that the verdict depends on it.
    pub(super) fn ask(&self, policies: &PolicySet, request: &Request, entities: &Entities, unknown: Unknown) -> Said {
        let present = |uid: Option<&_>| uid.is_some_and(|uid| entities.get(uid).is_some());
        if !present(request.principal()) || !present(request.resource()) || !present(request.action()) {
            return Said { answer: self.error([]), open: false };
        }
        let response = Authorizer::new().is_authorized(request, policies, entities);
        let failed = response
            .diagnostics()
            .errors()
            .map(|cedar_policy::AuthorizationError::PolicyEvaluationError(error)| error.policy_id().clone());
        let (depending, broken): (Vec<PolicyId>, Vec<PolicyId>) =
            failed.partition(|id| self.by_id.get(id).is_some_and(|known| known.reads(unknown)));
        let open = !depending.is_empty();
        let ids = || response.diagnostics().reason().cloned();
        let is_forbidden = response.decision() == Decision::Deny && ids().next().is_some();
        let answer = if !broken.is_empty() {
            let mut denial = self.denial(Reason::PolicyError, broken);
            // That one policy fails must not soften what another says.
            if is_forbidden {
                denial.enforcement = denial.enforcement.max(self.denial(Reason::Forbidden, ids()).enforcement);
            }
            Answer::Denied(denial)
        } else if is_forbidden {
            Answer::Denied(self.denial(Reason::Forbidden, ids()))
        } else if open {
            Answer::Denied(self.denial(Reason::StateUnavailable, depending))
        } else if response.decision() == Decision::Allow {
            let mut by: Vec<Arc<str>> =
                ids().filter_map(|id| self.by_id.get(&id)).map(|known| known.rule.id.clone()).collect();
            by.sort_unstable();
            Answer::Allowed { by }
        } else {
            Answer::Denied(self.denial(Reason::NoGrant, []))
        };
        Said { answer, open }
    }
}

/// What the policies say.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) answer: Answer,
    /// Whether they could say something else once it is known how the finding is. Until then it is a denial.
    pub(super) open: bool,
}

//! Which policies can match which kinds of questions.

use crate::{
    finding::{Action, Role},
    policy::{Rule, schema},
};
use cedar_policy::{Policy, RequestEnv};

/// Policies, each with the kinds of questions that it can match: found out once, for it takes a type check each.
#[derive(Debug)]
pub(super) struct Kinds {
    rules: Vec<Rule>,
    envs: Vec<Vec<RequestEnv>>,
}

impl Kinds {
    pub(super) fn new(rules: Vec<Rule>) -> Self {
        let envs = rules.iter().map(|rule| of(&rule.policy)).collect();
        Self { rules, envs }
    }

    /// The policies.
    pub(super) fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Each policy with its kinds of questions.
    pub(super) fn all(&self) -> impl Iterator<Item = (&Rule, &[RequestEnv])> {
        self.rules.iter().zip(self.envs.iter().map(Vec::as_slice))
    }

    /// The policies that can match a question of this kind.
    pub(super) fn applying<'k>(&'k self, env: &'k RequestEnv) -> impl Iterator<Item = &'k Rule> {
        let same = |of: &RequestEnv| of.principal() == env.principal() && of.action() == env.action();
        self.all().filter(move |(_, envs)| envs.iter().any(same)).map(|(rule, _)| rule)
    }

    /// The same, without what is said of them.
    pub(super) fn policies(&self, env: &RequestEnv) -> Vec<Policy> {
        self.applying(env).map(|rule| rule.policy.clone()).collect()
    }
}

/// The kinds of questions that a policy can match, always in the same order.
pub(super) fn of(policy: &Policy) -> Vec<RequestEnv> {
    sorted(policy.get_valid_request_envs(schema()))
}

/// All kinds of questions.
pub(super) fn all() -> Vec<RequestEnv> {
    sorted(schema().request_envs())
}

fn sorted(envs: impl Iterator<Item = RequestEnv>) -> Vec<RequestEnv> {
    let mut envs: Vec<RequestEnv> = envs.collect();
    envs.sort_by_cached_key(|env| (role(env), action(env)));
    envs
}

/// The role that asks.
pub(super) fn role(env: &RequestEnv) -> Role {
    if env.principal().basename() == "Administrator" { Role::Administrator } else { Role::Member }
}

/// What is asked.
pub(super) fn action(env: &RequestEnv) -> Option<Action> {
    Action::parse(env.action().id().unescaped())
}

/// `member, Workflow.Status`
pub(super) fn kind(env: &RequestEnv) -> String {
    format!("{}, {}", role(env), env.action().id().unescaped())
}

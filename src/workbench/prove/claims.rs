//! Claims about a set of policies, and what becomes of them: proved, refuted by a replayed request, or unproved.

use super::{
    Answer, Prover,
    kinds::{self, Kinds, kind},
    replay::{Live, replay},
    witness::Witness,
};
use crate::{
    finding::Enforcement,
    policy::{Expect, Property, Rule},
    workbench::Decided,
};
use cedar_policy::{Effect, EvalResult, Policy, PolicyId, RequestEnv};
use cedar_policy_symcc::{Env, solver::Solver};
use std::{collections::BTreeMap, sync::Arc};

/// What is claimed of a set of policies.
#[derive(Debug, Clone)]
pub enum Claim {
    /// Every policy can always be evaluated: one that fails denies what it was asked about.
    NoPolicyFails,
    /// Every policy matches some question.
    EveryPolicyCanApply,
    /// A property holds.
    Property(Box<Property>),
}

impl Claim {
    /// The claims that hold of every sound set of policies and that no property can say.
    pub const BUILT_IN: [Self; 2] = [Self::NoPolicyFails, Self::EveryPolicyCanApply];

    /// What reports call it.
    pub fn id(&self) -> &str {
        match self {
            Self::NoPolicyFails => "no-policy-fails",
            Self::EveryPolicyCanApply => "every-policy-can-apply",
            Self::Property(property) => &property.id,
        }
    }

    /// What it says in plain words.
    pub fn doc(&self) -> Option<&str> {
        match self {
            Self::NoPolicyFails => Some("Every policy can be evaluated, whatever is asked."),
            Self::EveryPolicyCanApply => Some("There is a question that each policy matches."),
            Self::Property(property) => property.doc.as_deref(),
        }
    }
}

/// What becomes of a claim.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// It is true of every question that the gate can be asked.
    Proved,
    /// It is not true.
    Refuted {
        /// What is the matter.
        why: String,
        /// The request that shows it, which the live gate was asked; nothing where it takes no request to show it.
        witness: Option<Box<Witness>>,
    },
    /// Nobody knows.
    Unproved {
        /// Why not.
        why: String,
        /// What the solver said, in Cedar's terms, where it said something that could not be replayed.
        counterexample: Option<String>,
    },
}

/// A set of policies about which claims are made.
#[derive(Debug)]
pub struct Claims {
    kinds: Kinds,
    live: Live,
    failing: Failing,
}

/// Whether a policy can always be evaluated, by policy and kind of question; what the solver said if not.
#[derive(Debug, Default)]
pub(super) struct Failing(BTreeMap<(Arc<str>, String), Answer>);

impl Claims {
    /// About these policies as they are enforced; with those in `@shadow` as if they were not, if `with_shadow`.
    pub fn new(rules: &[Rule], default_enforcement: Enforcement, with_shadow: bool) -> Self {
        let counts = rules.iter().filter(|rule| with_shadow || !rule.shadow);
        let rules: Vec<Rule> = counts.map(|rule| Rule { shadow: false, ..rule.clone() }).collect();
        let live = Live::new(rules.clone(), default_enforcement);
        Self { kinds: Kinds::new(rules), live, failing: Failing::default() }
    }

    /// The policies.
    pub fn rules(&self) -> &[Rule] {
        self.kinds.rules()
    }

    /// What becomes of a witness by these policies.
    pub fn decided(&mut self, witness: &Witness) -> Option<Decided> {
        self.live.decided(witness)
    }

    /// Proves or refutes a claim.
    pub async fn settle<S: Solver>(&mut self, prover: &mut Prover<S>, claim: &Claim) -> Verdict {
        match claim {
            Claim::NoPolicyFails => self.no_policy_fails(prover).await,
            Claim::EveryPolicyCanApply => self.every_policy_can_apply(prover).await,
            Claim::Property(property) => self.property(prover, property).await,
        }
    }

    async fn no_policy_fails<S: Solver>(&mut self, prover: &mut Prover<S>) -> Verdict {
        let Self { kinds, live, failing } = self;
        let mut unproved = None;
        for (rule, envs) in kinds.all() {
            for env in envs {
                match failing.ask(prover, env, rule).await {
                    Answer::Holds => {}
                    Answer::Unknown(why) => {
                        unproved.get_or_insert((format!("`{}`, {}: {why}", rule.id, kind(env)), None));
                    }
                    Answer::Fails(counterexample) => {
                        let mut shows = |live: &mut Live, witness: &Witness| {
                            live.ask(witness).is_some_and(|seen| seen.fails(&rule.id))
                        };
                        if let Some(witness) = replay(&counterexample, live, &mut shows) {
                            let why = format!("policy `{}` fails on `{witness}`, and what fails denies", rule.id);
                            return Verdict::Refuted { why, witness: Some(witness) };
                        }
                        let (why, raw) = not_replayed(env, &counterexample);
                        unproved.get_or_insert((format!("`{}`, {why}", rule.id), raw));
                    }
                }
            }
        }
        settled(unproved)
    }

    async fn every_policy_can_apply<S: Solver>(&mut self, prover: &mut Prover<S>) -> Verdict {
        let (mut dead, mut unproved) = (Vec::new(), None);
        for (rule, envs) in self.kinds.all() {
            let (mut applies, mut unknown) = (false, None);
            for env in envs {
                match prover.can_match(env, &rule.policy).await {
                    Ok(false) => {}
                    Ok(true) => {
                        applies = true;
                        break;
                    }
                    Err(why) => unknown = Some((format!("`{}`, {}: {why}", rule.id, kind(env)), None)),
                }
            }
            match (applies, unknown) {
                (true, _) => {}
                (false, None) => dead.push(format!("`{}`", rule.id)),
                (false, Some(unknown)) => unproved = unproved.or(Some(unknown)),
            }
        }
        match &dead[..] {
            [] => settled(unproved),
            [one] => {
                Verdict::Refuted { why: format!("policy {one} matches no question that the gate asks"), witness: None }
            }
            several => {
                let why = format!("policies {} match no question that the gate asks", several.join(", "));
                Verdict::Refuted { why, witness: None }
            }
        }
    }

    async fn property<S: Solver>(&mut self, prover: &mut Prover<S>, property: &Property) -> Verdict {
        let expect = property.expect;
        let Self { kinds: set, live, failing } = self;
        let mut unproved = None;
        for env in kinds::of(&property.policy) {
            let policies = set.policies(&env);
            let mut matching = matching(property, &env);
            let mut shows = |live: &mut Live, witness: &Witness| {
                matching.ask(witness).is_some_and(|seen| seen.allows())
                    && live.ask(witness).is_some_and(|seen| match expect {
                        Expect::Never => seen.takes_place(),
                        Expect::Always => seen.denies(),
                    })
            };
            for given in Given::ALL {
                match ask(prover, &env, &policies, property, given).await {
                    Answer::Holds if given == Given::Anything => break,
                    Answer::Holds => {}
                    Answer::Unknown(why) => {
                        unproved.get_or_insert((format!("{}: {why}", kind(&env)), None));
                        break;
                    }
                    Answer::Fails(counterexample) => {
                        if let Some(witness) = replay(&counterexample, live, &mut shows) {
                            let why = match expect {
                                Expect::Never => format!("the gate allows `{witness}`"),
                                Expect::Always => format!("the gate denies `{witness}`"),
                            };
                            return Verdict::Refuted { why, witness: Some(witness) };
                        }
                        unproved.get_or_insert(not_replayed(&env, &counterexample));
                    }
                }
            }
            if expect == Expect::Always
                && let Some(why) = failing.any(prover, &env, set).await
            {
                unproved.get_or_insert((why, None));
            }
        }
        if unproved.is_none() {
            unproved = says_nothing(prover, property).await.map(|why| (why, None));
        }
        settled(unproved)
    }
}

/// Why what holds of a property's questions is no news, if it is none: of no question everything is true.
async fn says_nothing<S: Solver>(prover: &mut Prover<S>, property: &Property) -> Option<String> {
    for env in kinds::of(&property.policy) {
        match prover.can_match(&env, &property.policy).await {
            Ok(true) => return None,
            Ok(false) => {}
            Err(why) => return Some(format!("{}: {why}", kind(&env))),
        }
    }
    Some("it matches no question that the gate asks, so it says nothing".to_owned())
}

impl Failing {
    /// Why an allowance that logic promises may still be a denial: the gate denies where a policy fails, and logic, like Cedar,
    /// passes over it.
    pub(super) async fn any<S: Solver>(
        &mut self,
        prover: &mut Prover<S>,
        env: &RequestEnv,
        kinds: &Kinds,
    ) -> Option<String> {
        for rule in kinds.applying(env) {
            let why = match self.ask(prover, env, rule).await {
                Answer::Holds => continue,
                Answer::Fails(_) => "may fail, and what fails denies (see no-policy-fails)".to_owned(),
                Answer::Unknown(why) => format!("may fail, and what fails denies: {why}"),
            };
            return Some(format!("{}: policy `{}` {why}", kind(env), rule.id));
        }
        None
    }

    async fn ask<S: Solver>(&mut self, prover: &mut Prover<S>, env: &RequestEnv, rule: &Rule) -> Answer {
        let key = (rule.id.clone(), kind(env));
        if let Some(known) = self.0.get(&key) {
            return known.clone();
        }
        let answer = prover.never_errors(env, &rule.policy).await;
        self.0.insert(key, answer.clone());
        answer
    }
}

/// What is said of a counterexample that the live gate does not confirm.
pub(super) fn not_replayed(env: &RequestEnv, counterexample: &Env) -> (String, Option<String>) {
    let operation = counterexample.request.context().and_then(|context| context.get("operation"));
    let why = match operation {
        Some(EvalResult::EntityUid(of)) if of.id().unescaped().ends_with("AutomationRule") => {
            "an automation rule may do this, and no update does; automation rules cannot be replayed"
        }
        Some(EvalResult::EntityUid(of)) if of.id().unescaped().ends_with("AutomationRules") => {
            "a change of an automation rule may do this, and no update does; automation rules cannot be replayed"
        }
        _ => "the solver's counterexample could not be replayed: the live gate does not confirm it",
    };
    (format!("{}: {why}", kind(env)), Some(counterexample.to_string()))
}

/// Policies that permit what a property matches, so that the gate itself says of a request whether it does. They permit every
/// other change, too: nothing is stripped, and what an update would remove is at stake.
fn matching(property: &Property, env: &RequestEnv) -> Live {
    let rule = |id: &Arc<str>, policy: Policy| Rule {
        id: id.clone(),
        effect: Effect::Permit,
        enforcement: None,
        advice: None,
        shadow: false,
        policy,
        origin: property.origin.clone(),
    };
    let (own, rest): (Arc<str>, Arc<str>) = ("property".into(), "rest".into());
    let others = format!("permit (principal, action, resource) unless {{ action == {} }};", env.action());
    let others = Policy::parse(Some(PolicyId::new(&*rest)), others).ok();
    let own = rule(&own, property.policy.new_id(PolicyId::new(&*own)));
    Live::new(std::iter::once(own).chain(others.map(|policy| rule(&rest, policy))), Enforcement::Reject)
}

fn settled(unproved: Option<(String, Option<String>)>) -> Verdict {
    unproved.map_or(Verdict::Proved, |(why, counterexample)| Verdict::Unproved { why, counterexample })
}

async fn ask<S: Solver>(
    prover: &mut Prover<S>,
    env: &RequestEnv,
    policies: &[Policy],
    property: &Property,
    given: Given,
) -> Answer {
    let mut matched = vec![property.policy.clone()];
    matched.extend(given.policy());
    match property.expect {
        Expect::Never => prover.disjoint(env, policies, &matched).await,
        Expect::Always => prover.implies(env, &matched, policies).await,
    }
}

/// What a counterexample should be like. The solver takes the first that it finds; if that cannot be replayed, it is asked for one
/// that is more like a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Given {
    Anything,
    Update,
    Import,
    Ocsf,
}

impl Given {
    pub(super) const ALL: [Self; 4] = [Self::Anything, Self::Update, Self::Import, Self::Ocsf];

    /// The assumption, as a forbid.
    pub(super) fn policy(self) -> Option<Policy> {
        let condition = match self {
            Self::Anything => return None,
            Self::Update => r#"context.operation == Operation::"BatchUpdateFindings" && resource in principal.account"#,
            Self::Import => r#"context.operation == Operation::"BatchImportFindings" && !resource.isNew"#,
            Self::Ocsf => r#"context.operation == Operation::"BatchUpdateFindingsV2" && resource in principal.account"#,
        };
        let soon = r#"context.now >= datetime("2026-01-01") && context.now < datetime("2027-01-01")"#;
        let text = format!("forbid (principal, action, resource) unless {{ {condition} && {soon} }};");
        Policy::parse(Some(PolicyId::new("world: given")), text).ok()
    }
}

impl Verdict {
    /// Whether it is proved.
    pub const fn is_proved(&self) -> bool {
        matches!(self, Self::Proved)
    }
}

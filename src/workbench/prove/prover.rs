//! Asking the solver, about questions that the gate asks.

use super::world::{self, Fact};
use crate::policy::schema;
use cedar_policy::{Policy, PolicySet, RequestEnv};
use cedar_policy_symcc::{CedarSymCompiler, CompiledPolicy, CompiledPolicySet, Env, err::Error, solver::Solver};
use std::fmt;

/// How often in a row a solver may break before it is no longer asked.
const BREAKDOWNS: u32 = 3;

/// What the solver says of a claim about all questions of a kind.
#[derive(Debug, Clone)]
pub enum Answer {
    /// It is true.
    Holds,
    /// It is not true of this question.
    Fails(Box<Env>),
    /// Nobody knows: what the solver, or the way to it, said.
    Unknown(String),
}

impl Answer {
    /// Whether the claim is true.
    pub const fn holds(&self) -> bool {
        matches!(self, Self::Holds)
    }
}

/// Proves claims about all questions of one kind (a role and an action), with a solver that it starts when it needs one.
///
/// Every proof is about the questions that the gate asks: what it guarantees of them is assumed (see [`WORLD_TEXT`](super::WORLD_TEXT)).
/// A solver that breaks is started again, a few times. What it does not say is never taken for granted.
pub struct Prover<S: Solver> {
    start: Box<dyn FnMut() -> Result<S, String>>,
    running: Option<CedarSymCompiler<S>>,
    breakdowns: u32,
    last: String,
    asked: u64,
}

impl<S: Solver> fmt::Debug for Prover<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prover")
            .field("asked", &self.asked)
            .field("breakdowns", &self.breakdowns)
            .finish_non_exhaustive()
    }
}

/// Puts one query, and notes what became of the solver.
macro_rules! ask {
    ($prover:ident, $query:ident($($argument:expr),+)) => {{
        let running = match $prover.running() {
            Ok(running) => running,
            Err(why) => return Answer::Unknown(why),
        };
        let answer = running.$query($($argument),+).await;
        $prover.heard(answer)
    }};
}

/// Says that a claim holds if it does whatever is asked: then it does of what the gate asks, and that is found out faster without the
/// facts.
macro_rules! unless_plain {
    ($prover:ident, $query:ident($($argument:expr),+)) => {
        let running = match $prover.running() {
            Ok(running) => running,
            Err(why) => return Answer::Unknown(why),
        };
        match running.$query($($argument),+).await {
            Ok(true) => return Answer::Holds,
            // With the facts it may come to an answer.
            Ok(false) | Err(Error::SolverUnknown) => {}
            Err(error) => return $prover.heard(Err(error)),
        }
    };
}

impl<S: Solver> Prover<S> {
    /// A prover whose solver `start` starts.
    pub fn new(start: impl FnMut() -> Result<S, String> + 'static) -> Self {
        Self { start: Box::new(start), running: None, breakdowns: 0, last: String::new(), asked: 0 }
    }

    /// How many queries it has put. Of some the answer is plain without a solver.
    pub const fn asked(&self) -> u64 {
        self.asked
    }

    /// Whether `b` allows whatever `a` allows.
    pub async fn implies(&mut self, env: &RequestEnv, a: &[Policy], b: &[Policy]) -> Answer {
        if let (Ok(a), Ok(b)) = (compiled(env, a, &[]), compiled(env, b, &[])) {
            unless_plain!(self, check_implies_opt(&a, &b));
        }
        match both(env, a, b) {
            Ok((a, b)) => ask!(self, check_implies_with_counterexample_opt(&a, &b)),
            Err(why) => Answer::Unknown(why),
        }
    }

    /// Whether both allow the same.
    pub async fn equivalent(&mut self, env: &RequestEnv, a: &[Policy], b: &[Policy]) -> Answer {
        if let (Ok(a), Ok(b)) = (compiled(env, a, &[]), compiled(env, b, &[])) {
            unless_plain!(self, check_equivalent_opt(&a, &b));
        }
        match both(env, a, b) {
            Ok((a, b)) => ask!(self, check_equivalent_with_counterexample_opt(&a, &b)),
            Err(why) => Answer::Unknown(why),
        }
    }

    /// Whether nothing is allowed by both.
    pub async fn disjoint(&mut self, env: &RequestEnv, a: &[Policy], b: &[Policy]) -> Answer {
        if let (Ok(a), Ok(b)) = (compiled(env, a, &[]), compiled(env, b, &[])) {
            unless_plain!(self, check_disjoint_opt(&a, &b));
        }
        match both(env, a, b) {
            Ok((a, b)) => ask!(self, check_disjoint_with_counterexample_opt(&a, &b)),
            Err(why) => Answer::Unknown(why),
        }
    }

    /// Whether the policy can always be evaluated.
    pub async fn never_errors(&mut self, env: &RequestEnv, policy: &Policy) -> Answer {
        if let Ok(policy) = one(env, policy, &[]) {
            unless_plain!(self, check_never_errors_opt(&policy));
        }
        match one(env, policy, &world::facts(env, [policy])) {
            Ok(policy) => ask!(self, check_never_errors_with_counterexample_opt(&policy)),
            Err(why) => Answer::Unknown(why),
        }
    }

    /// Whether the policy matches no question.
    pub async fn never_matches(&mut self, env: &RequestEnv, policy: &Policy) -> Answer {
        match one(env, policy, &world::facts(env, [policy])) {
            Ok(policy) => ask!(self, check_never_matches_with_counterexample_opt(&policy)),
            Err(why) => Answer::Unknown(why),
        }
    }

    /// Whether the policy matches some question; why that is not known.
    pub(super) async fn can_match(&mut self, env: &RequestEnv, policy: &Policy) -> Result<bool, String> {
        let policy = one(env, policy, &world::facts(env, [policy]))?;
        match self.running()?.check_never_matches_opt(&policy).await {
            Ok(never) => Ok(!never),
            Err(error) => match self.heard(Err(error)) {
                Answer::Unknown(why) => Err(why),
                Answer::Holds | Answer::Fails(_) => Err("the solver said nothing".to_owned()),
            },
        }
    }

    fn running(&mut self) -> Result<&mut CedarSymCompiler<S>, String> {
        self.asked += 1;
        if self.breakdowns >= BREAKDOWNS {
            return Err(self.last.clone());
        }
        if self.running.is_none() {
            let started = (self.start)().and_then(|solver| CedarSymCompiler::new(solver).map_err(|e| e.to_string()));
            match started {
                Ok(running) => self.running = Some(running),
                Err(why) => {
                    self.breakdowns += 1;
                    self.last.clone_from(&why);
                    return Err(why);
                }
            }
        }
        self.running.as_mut().ok_or_else(|| self.last.clone())
    }

    fn heard(&mut self, answer: Result<Option<Env>, Error>) -> Answer {
        match answer {
            Ok(counterexample) => {
                self.breakdowns = 0;
                counterexample.map_or(Answer::Holds, |env| Answer::Fails(Box::new(env)))
            }
            Err(Error::SolverUnknown) => {
                self.breakdowns = 0;
                Answer::Unknown("the solver came to no answer in the time that it has".to_owned())
            }
            Err(error) => {
                // What it would say next may be the rest of this answer.
                self.running = None;
                let why = told(&error);
                if matches!(error, Error::SolverError(_) | Error::EncodeError(_)) {
                    self.breakdowns += 1;
                    self.last.clone_from(&why);
                }
                Answer::Unknown(why)
            }
        }
    }
}

/// An error with its causes.
fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = inner.source();
    }
    text
}

/// Both sets in logic. The gate never asks what contradicts a fact, so that nothing of that may be allowed by either.
fn both(env: &RequestEnv, a: &[Policy], b: &[Policy]) -> Result<(CompiledPolicySet, CompiledPolicySet), String> {
    let facts = world::facts(env, a.iter().chain(b));
    Ok((compiled(env, a, &facts)?, compiled(env, b, &facts)?))
}

fn compiled(env: &RequestEnv, policies: &[Policy], facts: &[Fact]) -> Result<CompiledPolicySet, String> {
    let all = policies.iter().chain(facts.iter().map(|fact| &fact.policy)).cloned();
    let set = PolicySet::from_policies(all).map_err(|error| error.to_string())?;
    CompiledPolicySet::compile(&set, env, schema()).map_err(|error| told(&error))
}

/// A policy in logic, restricted to what contradicts none of the facts.
fn one(env: &RequestEnv, policy: &Policy, facts: &[Fact]) -> Result<CompiledPolicy, String> {
    CompiledPolicy::compile(&world::within(policy, facts)?, env, schema()).map_err(|error| told(&error))
}

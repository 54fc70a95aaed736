//! Two sets of policies, held against each other for every kind of question.

use super::{
    Answer, Prover,
    claims::{Failing, Given, not_replayed},
    kinds::{self, Kinds, action, kind, role},
    replay::{Live, replay},
    witness::Witness,
};
use crate::{
    finding::{Action, Enforcement, Role},
    policy::Rule,
};
use cedar_policy::{Policy, RequestEnv};
use cedar_policy_symcc::solver::Solver;

/// How a new set of policies differs from an old one, for questions of one kind.
#[derive(Debug, Clone)]
pub struct Compared {
    /// Who asks.
    pub role: Role,
    /// What is asked.
    pub action: Action,
    /// What the new one allows and the old one does not.
    pub wider: Difference,
    /// What the old one allows and the new one does not.
    pub narrower: Difference,
}

/// A difference between two sets of policies, in one direction.
#[derive(Debug, Clone)]
pub enum Difference {
    /// There is none: proved.
    None,
    /// There is one: the live gate, asked this by both, allows it by one and denies it by the other.
    Shown(Box<Witness>),
    /// Nobody knows.
    Unproved {
        /// Why not.
        why: String,
        /// What the solver said, in Cedar's terms, where it said something that could not be replayed.
        counterexample: Option<String>,
    },
}

impl Difference {
    /// Whether it is proved that there is none.
    pub const fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// The request that shows it.
    pub fn witness(&self) -> Option<&Witness> {
        match self {
            Self::Shown(witness) => Some(witness),
            _ => None,
        }
    }
}

/// One of the two sets.
struct Side {
    kinds: Kinds,
    live: Live,
    failing: Failing,
}

impl Side {
    fn new(rules: &[Rule], default_enforcement: Enforcement) -> Self {
        let enforced: Vec<Rule> = rules.iter().filter(|rule| !rule.shadow).cloned().collect();
        let live = Live::new(enforced.clone(), default_enforcement);
        Self { kinds: Kinds::new(enforced), live, failing: Failing::default() }
    }
}

/// Compares what two sets of policies allow, for every kind of question, those in `@shadow` left out. Which policy denies, and what
/// its denial does, is not compared: logic knows only allowed and denied.
pub async fn compare<S: Solver>(
    prover: &mut Prover<S>,
    old: &[Rule],
    new: &[Rule],
    default_enforcement: Enforcement,
) -> Vec<Compared> {
    let (mut old, mut new) = (Side::new(old, default_enforcement), Side::new(new, default_enforcement));
    let mut compared = Vec::new();
    for env in kinds::all() {
        let Some(action) = action(&env) else { continue };
        let wider = beyond(prover, &env, &mut new, &mut old).await;
        let narrower = beyond(prover, &env, &mut old, &mut new).await;
        compared.push(Compared { role: role(&env), action, wider, narrower });
    }
    compared
}

/// What `one` allows and `other` does not.
async fn beyond<S: Solver>(prover: &mut Prover<S>, env: &RequestEnv, one: &mut Side, other: &mut Side) -> Difference {
    let (policies, others) = (one.kinds.policies(env), other.kinds.policies(env));
    if same(&policies, &others) {
        return Difference::None;
    }
    let live = &mut one.live;
    let mut shows = |live: &mut Live, witness: &Witness| {
        live.ask(witness).is_some_and(|seen| seen.takes_place())
            && other.live.ask(witness).is_some_and(|seen| seen.denies())
    };
    let mut unproved = None;
    for given in Given::ALL {
        let assumed: Vec<Policy> = policies.iter().cloned().chain(given.policy()).collect();
        match prover.implies(env, &assumed, &others).await {
            Answer::Holds if given == Given::Anything => break,
            Answer::Holds => {}
            Answer::Unknown(why) => {
                unproved.get_or_insert((format!("{}: {why}", kind(env)), None));
                break;
            }
            Answer::Fails(counterexample) => {
                if let Some(witness) = replay(&counterexample, live, &mut shows) {
                    return Difference::Shown(witness);
                }
                unproved.get_or_insert(not_replayed(env, &counterexample));
            }
        }
    }
    if unproved.is_none() {
        // Where a policy of the other set fails, that set denies, and logic passes over it.
        unproved = other.failing.any(prover, env, &other.kinds).await.map(|why| (why, None));
    }
    unproved.map_or(Difference::None, |(why, counterexample)| Difference::Unproved { why, counterexample })
}

/// Whether both have the same policies, word for word: then nothing needs to be asked.
fn same(a: &[Policy], b: &[Policy]) -> bool {
    let shown = |policies: &[Policy]| {
        let mut shown: Vec<String> = policies.iter().map(|policy| format!("{} {policy}", policy.id())).collect();
        shown.sort();
        shown
    };
    shown(a) == shown(b)
}

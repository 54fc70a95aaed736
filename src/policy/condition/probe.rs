//! What the parts of a policy are in a question that was asked: Cedar is asked about each of them alone.

use super::{Condition, Node, Tree};
use crate::{
    finding::{Action, ActionSet, Role},
    policy::{
        Recorded, Rule,
        probe::{self, Unknown},
        schema,
    },
};
use cedar_policy::{
    Authorizer, Decision, Policy, PolicySet,
    pst::{self, ActionConstraint, Effect, PrincipalConstraint, ResourceConstraint, StaticPolicy, Template},
};
use serde::Serialize;
use std::cell::Cell;

/// What an expression is in a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Truth {
    /// It is true.
    True,
    /// It is false.
    False,
    /// It cannot be evaluated: it reads what is not there, or what is not known.
    Failed,
}

impl Truth {
    const fn of(truth: bool) -> Self {
        if truth { Self::True } else { Self::False }
    }

    const fn negated(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
            Self::Failed => Self::Failed,
        }
    }

    /// Whether it is this.
    pub fn is(self, truth: bool) -> bool {
        self == Self::of(truth)
    }
}

/// A policy taken apart: each part is a policy of its own, made once, with which Cedar can be asked about many questions.
#[derive(Debug)]
pub struct Probe {
    condition: Condition,
    /// The actions that it speaks of, for a member and for an administrator.
    actions: [ActionSet; 2],
    scope: [PolicySet; 3],
    atoms: Vec<Sets>,
}

/// An atom as a policy: for findings whose state is known, and for those whose state is not.
#[derive(Debug)]
struct Sets {
    known: PolicySet,
    unknown: PolicySet,
}

/// What a policy made of a question, as Cedar evaluates: from left to right, and no further than it must.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// Whether its scope matches: only then are its conditions looked at.
    pub in_scope: bool,
    /// Whether it applies.
    pub applies: Truth,
    /// What each atom was; nothing for those that were not reached.
    pub atoms: Vec<Option<Truth>>,
}

impl Probe {
    /// Takes a policy apart.
    ///
    /// # Errors
    ///
    /// As [`Condition::of`]; or Cedar does not take a part for a policy, which is a fault of this program.
    pub fn new(rule: &Rule) -> Result<Self, String> {
        let condition = Condition::of(rule)?;
        let Ok(pst::Policy::Static(tree)) = rule.policy.to_pst() else {
            return Err(format!("policy `{}` has no tree", rule.id));
        };
        let body = tree.body();
        let scope = [
            permit(body, |part| part.principal = body.principal.clone())?,
            permit(body, |part| part.action = body.action.clone())?,
            permit(body, |part| part.resource = body.resource.clone())?,
        ];
        let atom = |atom: &super::Atom| {
            let clause = pst::Clause::When(atom.expr.clone());
            let known = permit_policy(body, |part| part.try_add_clause(clause.clone()).map_err(display))?;
            let unknown = probe::probe(&known, Unknown::State)?;
            Ok(Sets { known: alone(known)?, unknown: alone(unknown)? })
        };
        let atoms = condition.atoms.iter().map(atom).collect::<Result<_, String>>()?;
        Ok(Self { condition, actions: actions(&rule.policy), scope: scope.map(|part| part), atoms })
    }

    /// The policy's conditions and places.
    pub fn condition(&self) -> &Condition {
        &self.condition
    }

    /// Whether the policy can speak of this action of a caller of this role at all: if not, its scope names another kind of
    /// caller, or other actions.
    pub fn speaks_of(&self, role: Role, action: Action) -> bool {
        self.actions[usize::from(role == Role::Administrator)].contains(action)
    }

    /// What the policy makes of a question.
    pub fn trace(&self, question: &Recorded) -> Trace {
        let asked = self.ask(question);
        if !self.speaks_of(question.role, question.action) || asked.scope().contains(&false) {
            return Trace { in_scope: false, applies: Truth::False, atoms: vec![None; self.atoms.len()] };
        }
        let mut applies = Truth::True;
        for clause in &self.condition.clauses {
            let truth = asked.holds(&clause.tree);
            applies = if clause.unless { truth.negated() } else { truth };
            if applies != Truth::True {
                break;
            }
        }
        Trace { in_scope: true, applies, atoms: asked.known.iter().map(Cell::get).collect() }
    }

    /// Puts a question to its parts.
    pub fn ask<'p>(&'p self, question: &'p Recorded) -> Asked<'p> {
        Asked { probe: self, question, known: vec![Cell::new(None); self.atoms.len()] }
    }
}

/// The parts of a policy, put to one question. Each is asked about once, when it is first wanted.
#[derive(Debug)]
pub struct Asked<'p> {
    probe: &'p Probe,
    pub(super) question: &'p Recorded,
    known: Vec<Cell<Option<Truth>>>,
}

impl Asked<'_> {
    /// Whether the scope's principal, action and resource match.
    pub fn scope(&self) -> [bool; 3] {
        self.probe.scope.each_ref().map(|part| self.put(part) == Truth::True)
    }

    /// What an atom is, by its place among [`Condition::atoms`].
    pub fn atom(&self, at: usize) -> Truth {
        let (Some(known), Some(sets)) = (self.known.get(at), self.probe.atoms.get(at)) else { return Truth::Failed };
        known.get().unwrap_or_else(|| {
            let truth = self.put(if self.question.state_known { &sets.known } else { &sets.unknown });
            known.set(Some(truth));
            truth
        })
    }

    /// What an expression of the policy is.
    pub fn holds(&self, tree: &Tree) -> Truth {
        // The first of them that is not so decides.
        let first_other = |parts: &[Tree], truth: bool| {
            let found = parts.iter().map(|part| self.holds(part)).find(|found| !found.is(truth));
            found.unwrap_or(Truth::of(truth))
        };
        match &tree.node {
            Node::Atom(at) => self.atom(*at),
            Node::Not(inner) => self.holds(inner).negated(),
            Node::All(parts) => first_other(parts, true),
            Node::Any(parts) => first_other(parts, false),
            Node::If(parts) => match self.holds(&parts[0]) {
                Truth::True => self.holds(&parts[1]),
                Truth::False => self.holds(&parts[2]),
                Truth::Failed => Truth::Failed,
            },
        }
    }

    /// The atoms that make an expression what it is: had one of them another value, or all of them where any would do, it could
    /// be something else. In the order of the text.
    pub fn decisive(&self, tree: &Tree) -> Vec<usize> {
        let mut found = Vec::new();
        self.find_decisive(tree, &mut found);
        found
    }

    fn find_decisive(&self, tree: &Tree, found: &mut Vec<usize>) {
        let mut chain = |parts: &[Tree], truth: bool| match parts.iter().find(|part| !self.holds(part).is(truth)) {
            Some(part) => self.find_decisive(part, found),
            None => parts.iter().for_each(|part| self.find_decisive(part, found)),
        };
        match &tree.node {
            Node::Atom(at) => found.push(*at),
            Node::Not(inner) => self.find_decisive(inner, found),
            Node::All(parts) => chain(parts, true),
            Node::Any(parts) => chain(parts, false),
            Node::If(parts) => {
                self.find_decisive(&parts[0], found);
                match self.holds(&parts[0]) {
                    Truth::True => self.find_decisive(&parts[1], found),
                    Truth::False => self.find_decisive(&parts[2], found),
                    Truth::Failed => {}
                }
            }
        }
    }

    fn put(&self, policies: &PolicySet) -> Truth {
        let response = Authorizer::new().is_authorized(&self.question.request, policies, &self.question.entities);
        if response.diagnostics().errors().next().is_some() {
            return Truth::Failed;
        }
        Truth::of(response.decision() == Decision::Allow)
    }
}

fn display(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn alone(policy: Policy) -> Result<PolicySet, String> {
    PolicySet::from_policies([policy]).map_err(display)
}

/// A permit of everything, narrowed by `part`, in place of a policy.
fn permit_policy(body: &Template, part: impl FnOnce(&mut Template) -> Result<(), String>) -> Result<Policy, String> {
    let mut permit = body.clone().try_with_clauses([]).map_err(display)?;
    permit.effect = Effect::Permit;
    permit.principal = PrincipalConstraint::Any;
    permit.action = ActionConstraint::Any;
    permit.resource = ResourceConstraint::Any;
    part(&mut permit)?;
    let tree = StaticPolicy::try_from(permit).map_err(display)?;
    Policy::from_pst(pst::Policy::Static(tree)).map_err(display)
}

fn permit(body: &Template, part: impl FnOnce(&mut Template)) -> Result<PolicySet, String> {
    let narrow = |permit: &mut Template| {
        part(permit);
        Ok(())
    };
    alone(permit_policy(body, narrow)?)
}

/// The actions that the schema lets a policy apply to, for a member and for an administrator.
fn actions(policy: &Policy) -> [ActionSet; 2] {
    let mut found = [ActionSet::default(); 2];
    for environment in policy.get_valid_request_envs(schema()) {
        let role = usize::from(environment.principal().to_string() == "Administrator");
        let name = environment.action().id().unescaped();
        if let Some(action) = Action::ALL.iter().find(|action| action.as_str() == name) {
            found[role] = found[role].with(*action);
        }
    }
    found
}

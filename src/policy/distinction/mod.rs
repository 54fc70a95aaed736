//! What policies distinguish: the conditions that they are made of, each with what it looks at and what it compares that with.
//!
//! A policy's answer follows from the truth of its conditions, one by one: `when { a && !(b || c) }` has three. So two questions in
//! which every condition of every policy that can apply has the same truth have the same verdict. Cedar says what is true.

mod collect;
mod literals;
mod term;

pub use literals::{Like, Literals};
pub use term::{Part, Term};

use super::{Recorded, Rule, slice};
use crate::finding::{Action, Role};
use cedar_policy::{
    Authorizer, Policy, PolicyId, PolicySet, PrincipalConstraint,
    pst::{self, BinaryOp, Clause, EntityOrSlot, Expr, Literal, ResourceConstraint, StaticPolicy, UnaryOp, Var},
};
use std::{collections::BTreeSet, sync::Arc};

/// Something that a policy finds true or false of a question, with no `&&`, `||`, `!` or `if` around it.
#[derive(Debug, Clone)]
pub struct Distinction {
    /// As the policy has it, laid out as Cedar prints it.
    pub text: Arc<str>,
    /// What it looks at.
    pub terms: BTreeSet<Term>,
    /// What it compares that with.
    pub literals: Literals,
}

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Holds {
    /// It does not.
    False,
    /// It does.
    True,
    /// It cannot be told: it looks at what is not there.
    Fails,
}

/// The conditions of the policies that can apply to a role and an action, besides those that look at the caller alone.
#[derive(Debug, Clone)]
pub struct Distinctions {
    all: Vec<Distinction>,
    set: PolicySet,
}

impl Distinctions {
    /// Of these policies, from first to last, each condition once. `besides` are further ones, in Cedar's words.
    ///
    /// # Errors
    ///
    /// A policy without a syntax tree, which no policy is that was loaded.
    pub fn of<'r>(
        rules: impl IntoIterator<Item = &'r Rule>,
        role: Role,
        action: Action,
        besides: &[String],
    ) -> Result<Self, String> {
        let mut known = BTreeSet::new();
        let mut all = Vec::new();
        let mut add = |expression: &Arc<Expr>| {
            let (terms, literals) = collect::collect(expression);
            let text: Arc<str> = expression.to_string().into();
            if !terms.is_empty() && known.insert(text.clone()) {
                all.push((Distinction { text, terms, literals }, expression.clone()));
            }
        };
        for rule in rules.into_iter().filter(|rule| slice::can_apply(&rule.policy, role, action)) {
            let tree = rule.policy.to_pst().map_err(display)?;
            let body = tree.body();
            scope(&body.resource).iter().for_each(&mut add);
            for clause in body.clauses() {
                let (Clause::When(condition) | Clause::Unless(condition)) = clause;
                leaves(condition, &mut add);
            }
        }
        for text in besides {
            let policy = Policy::parse(None, format!("permit (principal, action, resource) when {{ {text} }};"));
            let tree = policy.map_err(display)?.to_pst().map_err(display)?;
            for clause in tree.body().clauses() {
                let (Clause::When(condition) | Clause::Unless(condition)) = clause;
                add(condition);
            }
        }
        let policies = all.iter().enumerate().map(|(place, (_, expression))| alone(place, expression));
        let set = PolicySet::from_policies(policies.collect::<Result<Vec<_>, _>>()?).map_err(display)?;
        Ok(Self { all: all.into_iter().map(|(condition, _)| condition).collect(), set })
    }

    /// The conditions.
    pub fn all(&self) -> &[Distinction] {
        &self.all
    }

    /// Which of them hold in a question, in their order.
    pub fn truths(&self, question: &Recorded) -> Vec<Holds> {
        if self.all.is_empty() {
            return Vec::new();
        }
        let response = Authorizer::new().is_authorized(&question.request, &self.set, &question.entities);
        let mut truths = vec![Holds::False; self.all.len()];
        let mut put = |id: &PolicyId, truth| {
            let id: &str = id.as_ref();
            if let Some(place) = id.parse().ok().and_then(|place: usize| truths.get_mut(place)) {
                *place = truth;
            }
        };
        response.diagnostics().reason().for_each(|id| put(id, Holds::True));
        response.diagnostics().errors().for_each(|error| {
            let cedar_policy::AuthorizationError::PolicyEvaluationError(error) = error;
            put(error.policy_id(), Holds::Fails);
        });
        truths
    }
}

/// Whom policies name: in scopes, and in conditions on the caller.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named {
    /// `Account::"…"`
    pub accounts: BTreeSet<String>,
    /// `Group::"…"`
    pub groups: BTreeSet<String>,
    /// Those of them in which the caller itself is looked for, where its proof may put it: `principal in Group::"…"`.
    pub caller_groups: BTreeSet<String>,
    /// `Fleet::"…"`
    pub fleets: BTreeSet<String>,
    /// `Member::"…"` and `Administrator::"…"`
    pub principals: BTreeSet<(Role, String)>,
    /// `Operation::"…"`
    pub operations: BTreeSet<String>,
    /// What ARNs of callers are compared with.
    pub arns: Literals,
}

impl Named {
    /// In these policies.
    ///
    /// # Errors
    ///
    /// A policy without a syntax tree, which no policy is that was loaded.
    pub fn of<'r>(rules: impl IntoIterator<Item = &'r Rule>) -> Result<Self, String> {
        let mut named = Self::default();
        for rule in rules {
            for literal in rule.policy.entity_literals() {
                let id = literal.id().unescaped().to_owned();
                match literal.type_name().to_string().as_str() {
                    "Account" => named.accounts.insert(id),
                    "Group" => named.groups.insert(id),
                    "Fleet" => named.fleets.insert(id),
                    "Operation" => named.operations.insert(id),
                    "Member" => named.principals.insert((Role::Member, id)),
                    "Administrator" => named.principals.insert((Role::Administrator, id)),
                    _ => false,
                };
            }
            if let PrincipalConstraint::In(uid) | PrincipalConstraint::IsIn(_, uid) = rule.policy.principal_constraint()
                && uid.type_name().basename() == "Group"
            {
                named.caller_groups.insert(uid.id().unescaped().to_owned());
            }
            let tree = rule.policy.to_pst().map_err(display)?;
            for clause in tree.body().clauses() {
                let (Clause::When(condition) | Clause::Unless(condition)) = clause;
                leaves(condition, &mut |leaf| {
                    if collect::looks_at_caller(leaf) {
                        let (_, literals) = collect::collect(leaf);
                        let groups = literals.entities.into_iter().filter(|(kind, _)| kind == "Group");
                        named.caller_groups.extend(groups.map(|(_, group)| group));
                    }
                    if collect::looks_at_arn(leaf) {
                        named.arns.extend(&collect::collect(leaf).1);
                    }
                });
            }
        }
        Ok(named)
    }
}

/// The parts of a condition that are joined by `&&`, `||`, `!` and `if`.
fn leaves(expression: &Arc<Expr>, visit: &mut impl FnMut(&Arc<Expr>)) {
    match &**expression {
        Expr::BinaryOp { op: BinaryOp::And | BinaryOp::Or, left, right } => {
            leaves(left, visit);
            leaves(right, visit);
        }
        Expr::UnaryOp { op: UnaryOp::Not, expr } => leaves(expr, visit),
        Expr::IfThenElse { cond, then_expr, else_expr } => {
            leaves(cond, visit);
            leaves(then_expr, visit);
            leaves(else_expr, visit);
        }
        Expr::Literal(Literal::Bool(_)) => {}
        _ => visit(expression),
    }
}

/// What a scope says of the finding, as a condition.
fn scope(resource: &ResourceConstraint) -> Option<Arc<Expr>> {
    let (op, target) = match resource {
        ResourceConstraint::Any | ResourceConstraint::Is(_) => return None,
        ResourceConstraint::In(target) | ResourceConstraint::IsIn(_, target) => (BinaryOp::In, target),
        ResourceConstraint::Eq(target) => (BinaryOp::Eq, target),
    };
    let EntityOrSlot::Entity(uid) = target else { return None };
    let right = Arc::new(Expr::Literal(Literal::EntityUID(uid.clone())));
    Some(Arc::new(Expr::BinaryOp { op, left: Arc::new(Expr::Var(Var::Resource)), right }))
}

/// A policy that matches where the condition holds.
fn alone(place: usize, condition: &Arc<Expr>) -> Result<Policy, String> {
    let any = Policy::parse(None, "permit (principal, action, resource);").map_err(display)?;
    let pst::Policy::Static(tree) = any.to_pst().map_err(display)? else { return Err("no policy".to_owned()) };
    let body = tree.body().clone().try_with_clauses([Clause::When(condition.clone())]).map_err(display)?;
    let tree = StaticPolicy::try_from(body).map_err(display)?;
    let policy = Policy::from_pst(pst::Policy::Static(tree)).map_err(display)?;
    Ok(policy.new_id(PolicyId::new(place.to_string())))
}

fn display(error: impl std::fmt::Display) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests;

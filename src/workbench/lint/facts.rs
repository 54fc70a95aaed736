//! A condition as cases, each of which is facts that hold together.

use super::{glob::Glob, words};
use cedar_policy::pst::EntityOrSlot;
use cedar_policy::pst::{
    BinaryOp, Clause, EntityUID, Expr, Literal, PrincipalConstraint, ResourceConstraint, Template, UnaryOp,
};
use std::collections::BTreeSet;

/// With more cases than this a condition is left alone.
const MOST_CASES: usize = 64;

/// A value that is spelt out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Constant {
    /// A whole number, or a decimal in ten-thousandths.
    Number(i64),
    Text(String),
    /// Its type and its id.
    Entity(String, String),
}

/// One side of a comparison.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Term {
    Constant(Constant),
    /// Anything else, by its text: `context . value`.
    Open(String),
}

/// What may hold or not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Claim {
    /// `true` itself.
    True,
    /// The one is less than the other.
    Less(Term, Term),
    /// Both are the same. (The smaller term first.)
    Same(Term, Term),
    /// It is one of these.
    Among(String, BTreeSet<Constant>),
    /// It is like this.
    Like(String, Glob),
    /// It is, or is in, that.
    Within(String, Term),
    /// It is an entity of this type.
    OfType(String, String),
    /// Any other test, by its text.
    Other(String),
}

/// A claim that holds, or one that does not.
#[derive(Debug, Clone)]
pub(super) struct Fact {
    pub(super) claim: Claim,
    pub(super) holds: bool,
    /// The tokens that say it, as they stand in the policy.
    pub(super) said: Vec<String>,
    /// Whether what is said is negated where it stands.
    pub(super) negated: bool,
}

impl Fact {
    /// The opposite of the fact.
    pub(super) fn opposite(&self) -> Self {
        Self { holds: !self.holds, negated: !self.negated, ..self.clone() }
    }

    /// Whether both say the same.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.holds == other.holds && self.claim == other.claim
    }

    /// For a message.
    pub(super) fn shown(&self) -> String {
        let text = words::joined(&self.said);
        if self.negated { format!("not `{text}`") } else { format!("`{text}`") }
    }
}

/// What holds together.
pub(super) type Case = Vec<Fact>;

/// The cases in which the whole policy applies; nothing if there are too many.
pub(super) fn of_policy(policy: &Template) -> Option<Vec<Case>> {
    let mut cases = vec![scope(policy)];
    for clause in policy.clauses() {
        let (condition, holds) = match clause {
            Clause::When(condition) => (condition, true),
            Clause::Unless(condition) => (condition, false),
        };
        cases = both(&cases, &of(condition, holds)?)?;
    }
    Some(cases)
}

/// What the scope says of principal and resource. (Of the action, the kinds of questions tell.)
fn scope(policy: &Template) -> Case {
    let mut facts = Vec::new();
    match &policy.principal {
        PrincipalConstraint::Eq(target) => facts.extend(scoped("principal", "==", target)),
        PrincipalConstraint::In(target) | PrincipalConstraint::IsIn(_, target) => {
            facts.extend(scoped("principal", "in", target));
        }
        PrincipalConstraint::Any | PrincipalConstraint::Is(_) => {}
    }
    match &policy.resource {
        ResourceConstraint::Eq(target) => facts.extend(scoped("resource", "==", target)),
        ResourceConstraint::In(target) | ResourceConstraint::IsIn(_, target) => {
            facts.extend(scoped("resource", "in", target));
        }
        ResourceConstraint::Any | ResourceConstraint::Is(_) => {}
    }
    facts
}

fn scoped(variable: &str, operator: &str, target: &EntityOrSlot) -> Option<Fact> {
    let EntityOrSlot::Entity(EntityUID { ty, eid }) = target else { return None };
    let constant = Constant::Entity(ty.to_string(), eid.to_string());
    let claim = if operator == "==" {
        Claim::Among(variable.to_owned(), [constant].into())
    } else {
        Claim::Within(variable.to_owned(), Term::Constant(constant))
    };
    let mut said = vec![variable.to_owned(), operator.to_owned()];
    said.extend(words::entity_words(&ty.to_string(), eid));
    Some(Fact { claim, holds: true, said, negated: false })
}

/// The cases in which the expression is true, or false; nothing if there are too many.
pub(super) fn of(expression: &Expr, holds: bool) -> Option<Vec<Case>> {
    match expression {
        Expr::UnaryOp { op: UnaryOp::Not, expr } => of(expr, !holds),
        Expr::BinaryOp { op: op @ (BinaryOp::And | BinaryOp::Or), left, right } => {
            let (left, right) = (of(left, holds)?, of(right, holds)?);
            if (*op == BinaryOp::And) == holds { both(&left, &right) } else { either(left, right) }
        }
        Expr::IfThenElse { cond, then_expr, else_expr } => {
            let yes = both(&of(cond, true)?, &of(then_expr, holds)?)?;
            either(yes, both(&of(cond, false)?, &of(else_expr, holds)?)?)
        }
        Expr::BinaryOp { op: BinaryOp::In, left, right } if matches!(&**right, Expr::Set(_)) => {
            let Expr::Set(elements) = &**right else { return None };
            let mut found: Vec<Case> = if holds { Vec::new() } else { vec![Vec::new()] };
            for element in elements {
                let claim = Claim::Within(key(left), term(element));
                let case = vec![vec![fact(expression, claim, holds)]];
                found = if holds { either(found, case)? } else { both(&found, &case)? };
            }
            Some(found)
        }
        Expr::Is { expr, entity_type, in_expr } => {
            let kind = vec![vec![fact(expression, Claim::OfType(key(expr), entity_type.to_string()), holds)]];
            let Some(target) = in_expr else { return Some(kind) };
            let within = vec![vec![fact(expression, Claim::Within(key(expr), term(target)), holds)]];
            if holds { both(&kind, &within) } else { either(kind, within) }
        }
        _ => Some(vec![vec![plain(expression, holds)]]),
    }
}

fn both(left: &[Case], right: &[Case]) -> Option<Vec<Case>> {
    if left.len() * right.len() > MOST_CASES {
        return None;
    }
    Some(left.iter().flat_map(|one| right.iter().map(|other| [one.clone(), other.clone()].concat())).collect())
}

fn either(mut left: Vec<Case>, right: Vec<Case>) -> Option<Vec<Case>> {
    left.extend(right);
    (left.len() <= MOST_CASES).then_some(left)
}

/// A test that is neither made of others nor negated.
fn plain(expression: &Expr, holds: bool) -> Fact {
    let (claim, same) = claim(expression);
    fact(expression, claim, holds == same).with_negation(!holds)
}

impl Fact {
    fn with_negation(mut self, negated: bool) -> Self {
        self.negated = negated;
        self
    }
}

fn fact(expression: &Expr, claim: Claim, holds: bool) -> Fact {
    Fact { claim, holds, said: words::words(expression), negated: !holds }
}

/// What a test claims, and whether it claims that or the opposite.
fn claim(expression: &Expr) -> (Claim, bool) {
    let other = || (Claim::Other(key(expression)), true);
    match expression {
        Expr::Literal(Literal::Bool(value)) => (Claim::True, *value),
        Expr::Like { expr, pattern } => (Claim::Like(key(expr), Glob::of(pattern)), true),
        Expr::BinaryOp { op, left, right } => {
            let (one, two) = (term(left), term(right));
            match op {
                BinaryOp::Eq => (same(one, two), true),
                BinaryOp::NotEq => (same(one, two), false),
                BinaryOp::Less | BinaryOp::DecimalLessThan => (Claim::Less(one, two), true),
                BinaryOp::Greater | BinaryOp::DecimalGreater => (Claim::Less(two, one), true),
                BinaryOp::LessEq | BinaryOp::DecimalLessEq => (Claim::Less(two, one), false),
                BinaryOp::GreaterEq | BinaryOp::DecimalGreaterEq => (Claim::Less(one, two), false),
                BinaryOp::In => (Claim::Within(key(left), two), true),
                BinaryOp::Contains => match &**left {
                    Expr::Set(elements) => {
                        let constants: Option<BTreeSet<_>> = elements.iter().map(|element| constant(element)).collect();
                        match (constants, two) {
                            (Some(constants), Term::Open(name)) => (Claim::Among(name, constants), true),
                            _ => other(),
                        }
                    }
                    _ => other(),
                },
                _ => other(),
            }
        }
        _ => other(),
    }
}

fn same(one: Term, two: Term) -> Claim {
    match (one, two) {
        (Term::Open(name), Term::Constant(constant)) | (Term::Constant(constant), Term::Open(name)) => {
            Claim::Among(name, [constant].into())
        }
        (one, two) if two < one => Claim::Same(two, one),
        (one, two) => Claim::Same(one, two),
    }
}

/// What stands for an expression: its text.
fn key(expression: &Expr) -> String {
    words::words(expression).join(" ")
}

fn term(expression: &Expr) -> Term {
    constant(expression).map_or_else(|| Term::Open(key(expression)), Term::Constant)
}

fn constant(expression: &Expr) -> Option<Constant> {
    match expression {
        Expr::Literal(Literal::Long(value)) => Some(Constant::Number(*value)),
        Expr::Literal(Literal::String(text)) => Some(Constant::Text(text.to_string())),
        Expr::Literal(Literal::EntityUID(EntityUID { ty, eid })) => {
            Some(Constant::Entity(ty.to_string(), eid.to_string()))
        }
        Expr::UnaryOp { op: UnaryOp::Neg, expr } => match &**expr {
            Expr::Literal(Literal::Long(value)) => value.checked_neg().map(Constant::Number),
            _ => None,
        },
        Expr::UnaryOp { op: UnaryOp::Decimal, expr } => match &**expr {
            Expr::Literal(Literal::String(text)) => ten_thousandths(text).map(Constant::Number),
            _ => None,
        },
        _ => None,
    }
}

/// `7.5` is 75,000.
fn ten_thousandths(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.')?;
    if fraction.is_empty() || fraction.len() > 4 {
        return None;
    }
    format!("{whole}{fraction:0<4}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use cedar_policy::{Policy, pst};
    use std::str::FromStr;

    fn cases(condition: &str) -> Vec<Vec<String>> {
        let policy =
            Policy::from_str(&format!("permit (principal, action, resource) when {{ {condition} }};")).unwrap();
        let pst::Policy::Static(policy) = policy.to_pst().unwrap() else { panic!() };
        let cases = of_policy(policy.body()).unwrap();
        cases.iter().map(|case| case.iter().map(Fact::shown).collect()).collect()
    }

    #[test]
    fn a_condition_is_its_cases() {
        assert_eq!(cases("context.a > 1 && context.b"), [["`context.a > 1`", "`context.b`"]]);
        assert_eq!(cases("context.a || !context.b"), [["`context.a`"], ["not `context.b`"]]);
        assert_eq!(cases("!(context.a && context.b == \"x\")"), [["not `context.a`"], ["not `context.b == \"x\"`"]]);
        assert_eq!(
            cases("if context.a then context.b else context.c"),
            [["`context.a`", "`context.b`"], ["not `context.a`", "`context.c`"]]
        );
        assert_eq!(cases("resource in [A::\"1\", A::\"2\"]").len(), 2);
        assert_eq!(cases("!(resource in [A::\"1\", A::\"2\"])")[0].len(), 2);
    }

    #[test]
    fn decimals_are_numbers() {
        assert_eq!(["7.5", "-0.5", "7", "1.00000"].map(ten_thousandths), [Some(75_000), Some(-5_000), None, None]);
    }
}

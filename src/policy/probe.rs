//! Finding out whether a verdict depends on how a finding is, without looking it up.
//!
//! A policy is put to the question while the finding's attributes are not in the store. Cedar fails on reading an attribute
//! that is not there, and nothing in the language catches a failure. So a policy that does not fail has read none of them, and
//! says the same whatever they are. Only `has` and `hasTag` do not fail; in a probe, those that look for what is not known are
//! replaced by what does.

use cedar_policy::{
    Policy,
    pst::{self, BinaryOp, Clause, Expr, Literal, StaticPolicy, Var},
};
use std::sync::Arc;

use super::attribute::Attribute;

/// The parts of a context that say what is proposed: not known in the question whether anything at all may be removed.
const PROPOSED: [&str; 7] = ["date", "id", "key", "number", "productArn", "rank", "value"];

/// What is not known in a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unknown {
    /// Nothing.
    Nothing,
    /// How the finding is.
    State,
    /// How the finding is, and so what the change would remove of it.
    Removal,
}

/// The policy with which to ask while something is not known. It is of use for that alone: where everything is known, it may
/// fail.
pub(super) fn probe(policy: &Policy, unknown: Unknown) -> Result<Policy, String> {
    let Ok(pst::Policy::Static(tree)) = policy.to_pst() else { return Err("a policy without a tree".to_owned()) };
    let body = tree.body().clone();
    let clauses: Vec<Clause> = body
        .clauses()
        .iter()
        .map(|clause| match clause {
            Clause::When(condition) => Clause::When(failing(condition, unknown)),
            Clause::Unless(condition) => Clause::Unless(failing(condition, unknown)),
        })
        .collect();
    let body = body.try_with_clauses(clauses).map_err(display)?;
    let tree = StaticPolicy::try_from(body).map_err(display)?;
    Policy::from_pst(pst::Policy::Static(tree)).map_err(display)
}

fn display(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// The expression, made to fail where it looks for what is not known.
fn failing(expression: &Arc<Expr>, unknown: Unknown) -> Arc<Expr> {
    let inside = |expression: &Arc<Expr>| failing(expression, unknown);
    Arc::new(match &**expression {
        Expr::HasAttr { expr, attrs } => {
            let read = || Expr::GetAttr { expr: inside(expr), attr: attrs.head.clone() };
            match looked_into(expr) {
                Some((Var::Resource, 0)) if &*attrs.head == "isNew" => {
                    // It may be there, and is then true or false: having it is true.
                    let truth = Arc::new(Expr::Literal(Literal::Bool(true)));
                    Expr::BinaryOp { op: BinaryOp::Or, left: Arc::new(read()), right: truth }
                }
                Some((Var::Resource, 0)) if Attribute::named(&attrs.head).is_some() => read(),
                Some((Var::Context, 0)) if unknown == Unknown::Removal && PROPOSED.contains(&&*attrs.head) => read(),
                Some(_) => Expr::HasAttr { expr: inside(expr), attrs: attrs.clone() },
                // It may stand for the finding.
                None => read(),
            }
        }
        Expr::BinaryOp { op: BinaryOp::HasTag, left, right } if looked_into(left).is_none() => {
            Expr::BinaryOp { op: BinaryOp::GetTag, left: inside(left), right: inside(right) }
        }
        Expr::BinaryOp { op, left, right } => Expr::BinaryOp { op: *op, left: inside(left), right: inside(right) },
        Expr::UnaryOp { op, expr } => Expr::UnaryOp { op: *op, expr: inside(expr) },
        Expr::GetAttr { expr, attr } => Expr::GetAttr { expr: inside(expr), attr: attr.clone() },
        Expr::Like { expr, pattern } => Expr::Like { expr: inside(expr), pattern: pattern.clone() },
        Expr::Is { expr, entity_type, in_expr } => {
            Expr::Is { expr: inside(expr), entity_type: entity_type.clone(), in_expr: in_expr.as_ref().map(inside) }
        }
        Expr::IfThenElse { cond, then_expr, else_expr } => {
            Expr::IfThenElse { cond: inside(cond), then_expr: inside(then_expr), else_expr: inside(else_expr) }
        }
        Expr::Set(elements) => Expr::Set(elements.iter().map(inside).collect()),
        Expr::Record(members) => {
            Expr::Record(members.iter().map(|(name, member)| (name.clone(), inside(member))).collect())
        }
        other => other.clone(),
    })
}

/// The variable that an expression looks into, and how many steps deep; nothing if it is of another form.
fn looked_into(expression: &Expr) -> Option<(Var, usize)> {
    match expression {
        Expr::Var(var) => Some((var.clone(), 0)),
        Expr::GetAttr { expr, .. } | Expr::BinaryOp { op: BinaryOp::GetTag, left: expr, .. } => {
            looked_into(expr).map(|(var, steps)| (var, steps + 1))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::str::FromStr;

    #[test]
    fn tests_for_what_is_not_known_become_reads() {
        for (condition, unknown, expected) in [
            ("resource has note", Unknown::State, "resource.note"),
            ("resource has note.updatedAt", Unknown::State, "resource.note"),
            (
                "resource has id && resource has productArn",
                Unknown::State,
                "resource has id && resource has productArn",
            ),
            ("resource has isNew", Unknown::State, "resource.isNew || true"),
            ("resource.note has updatedAt", Unknown::State, "resource.note has updatedAt"),
            ("context has note", Unknown::Removal, "context has note"),
            ("context has date", Unknown::State, "context has date"),
            ("context has date", Unknown::Removal, "context.date"),
            ("principal has fleet", Unknown::Removal, "principal has fleet"),
            ("{a: resource}.a has note", Unknown::State, "{a: resource}.a.note"),
            (
                "(if true then resource else resource) has note",
                Unknown::State,
                "(if true then resource else resource).note",
            ),
            (r#"UserDefinedFields::"now".hasTag("x")"#, Unknown::State, r#"UserDefinedFields::"now".getTag("x")"#),
            (r#"resource.userDefinedFields.hasTag("x")"#, Unknown::State, r#"resource.userDefinedFields.hasTag("x")"#),
            (
                "![resource has note].contains(!(resource has types)) && (if resource has types then 1 else 2) == 1",
                Unknown::State,
                "![resource.note].contains(!resource.types) && (if resource.types then 1 else 2) == 1",
            ),
        ] {
            let policy = |condition: &str| {
                Policy::from_str(&format!("permit (principal, action, resource) when {{ {condition} }};")).unwrap()
            };
            let probed = probe(&policy(condition), unknown).unwrap();
            assert_eq!(
                probed.to_pst().unwrap().to_string(),
                policy(expected).to_pst().unwrap().to_string(),
                "{condition}"
            );
        }
    }
}

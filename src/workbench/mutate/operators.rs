//! What can slip in a condition.

use crate::policy::words;
use cedar_policy::pst::{BinaryOp, Expr, Literal, UnaryOp};
use std::sync::Arc;

/// A slip of an expression: what it is, the atom of the policy that it is in or before, and the expression with it.
pub(super) struct Slip {
    pub(super) what: String,
    pub(super) atom: usize,
    pub(super) expr: Expr,
}

/// Every slip of an expression whose first atom is the policy's `first`.
pub(super) fn slips(expr: &Expr, first: usize) -> Vec<Slip> {
    let mut found = Vec::new();
    walk(expr, first, &mut |what, atom, expr| found.push(Slip { what, atom, expr }));
    found
}

/// How many atoms an expression has, as [`Condition`](crate::policy::Condition) counts them.
pub(super) fn atoms(expr: &Expr) -> usize {
    match expr {
        Expr::BinaryOp { op: BinaryOp::And | BinaryOp::Or, left, right } => atoms(left) + atoms(right),
        Expr::UnaryOp { op: UnaryOp::Not, expr } => atoms(expr),
        Expr::IfThenElse { cond, then_expr, else_expr } => atoms(cond) + atoms(then_expr) + atoms(else_expr),
        _ => 1,
    }
}

type Found<'f> = dyn FnMut(String, usize, Expr) + 'f;

/// Finds the slips of an expression: its own, then those of its parts.
fn walk(expr: &Expr, at: usize, found: &mut Found<'_>) {
    own(expr, at, found);
    match expr {
        Expr::BinaryOp { op, left, right } => {
            let inner = if matches!(op, BinaryOp::And | BinaryOp::Or) { at + atoms(left) } else { at };
            let op = *op;
            walk(left, at, &mut |what, atom, part| {
                found(what, atom, Expr::BinaryOp { op, left: Arc::new(part), right: right.clone() });
            });
            walk(right, inner, &mut |what, atom, part| {
                found(what, atom, Expr::BinaryOp { op, left: left.clone(), right: Arc::new(part) });
            });
        }
        Expr::UnaryOp { op, expr } => {
            let op = *op;
            walk(expr, at, &mut |what, atom, part| found(what, atom, Expr::UnaryOp { op, expr: Arc::new(part) }));
        }
        Expr::IfThenElse { cond, then_expr, else_expr } => {
            let (then, other) = (at + atoms(cond), at + atoms(cond) + atoms(then_expr));
            let made = |cond: &Arc<Expr>, then_expr: &Arc<Expr>, else_expr: &Arc<Expr>| Expr::IfThenElse {
                cond: cond.clone(),
                then_expr: then_expr.clone(),
                else_expr: else_expr.clone(),
            };
            walk(cond, at, &mut |what, atom, part| found(what, atom, made(&Arc::new(part), then_expr, else_expr)));
            walk(then_expr, then, &mut |what, atom, part| found(what, atom, made(cond, &Arc::new(part), else_expr)));
            walk(else_expr, other, &mut |what, atom, part| found(what, atom, made(cond, then_expr, &Arc::new(part))));
        }
        Expr::Set(elements) => {
            for (place, element) in elements.iter().enumerate() {
                walk(element, at, &mut |what, atom, part| {
                    let mut elements = elements.clone();
                    elements[place] = Arc::new(part);
                    found(what, atom, Expr::Set(elements));
                });
            }
        }
        Expr::GetAttr { expr, attr } => {
            walk(expr, at, &mut |what, atom, part| {
                found(what, atom, Expr::GetAttr { expr: Arc::new(part), attr: attr.clone() });
            });
        }
        _ => {}
    }
}

/// The slips of an expression itself.
fn own(expr: &Expr, at: usize, found: &mut Found<'_>) {
    match expr {
        Expr::BinaryOp { op, left, right } => binary(expr, *op, left, right, at, found),
        Expr::UnaryOp { op: UnaryOp::Not, expr } => found("drop `!`".to_owned(), at, (**expr).clone()),
        Expr::Set(elements) if elements.len() > 1 => {
            for (place, element) in elements.iter().enumerate() {
                let mut left = elements.clone();
                left.remove(place);
                found(format!("drop `{element}` from the set"), at, Expr::Set(left));
            }
        }
        Expr::Literal(Literal::Long(number)) => {
            for other in [number.checked_add(1), number.checked_sub(1)].into_iter().flatten() {
                found(format!("`{number}` to `{other}`"), at, Expr::Literal(Literal::Long(other)));
            }
        }
        Expr::Literal(Literal::String(text)) => {
            let other = format!("{text}~");
            found(format!("{text:?} to {other:?}"), at, Expr::Literal(Literal::String(other.into())));
        }
        Expr::Literal(Literal::EntityUID(uid)) => {
            for other in words(&uid.ty.to_string()).iter().filter(|word| **word != uid.eid.as_str()) {
                let mut changed = uid.clone();
                changed.eid = other.as_str().into();
                found(format!("`{}` to `{other}`", uid.eid), at, Expr::Literal(Literal::EntityUID(changed)));
            }
        }
        Expr::Like { .. } | Expr::HasAttr { .. } | Expr::Is { .. } => {
            found(format!("negate `{expr}`"), at, negated(expr));
        }
        Expr::IfThenElse { then_expr, else_expr, .. } => {
            found("always `then`".to_owned(), at, (**then_expr).clone());
            found("always `else`".to_owned(), at, (**else_expr).clone());
        }
        _ => {}
    }
}

fn binary(expr: &Expr, op: BinaryOp, left: &Arc<Expr>, right: &Arc<Expr>, at: usize, found: &mut Found<'_>) {
    let others: &[BinaryOp] = match op {
        BinaryOp::And => &[BinaryOp::Or],
        BinaryOp::Or => &[BinaryOp::And],
        BinaryOp::Eq => &[BinaryOp::NotEq],
        BinaryOp::NotEq => &[BinaryOp::Eq],
        BinaryOp::Less => &[BinaryOp::LessEq, BinaryOp::Greater],
        BinaryOp::LessEq => &[BinaryOp::Less, BinaryOp::GreaterEq],
        BinaryOp::Greater => &[BinaryOp::GreaterEq, BinaryOp::Less],
        BinaryOp::GreaterEq => &[BinaryOp::Greater, BinaryOp::LessEq],
        BinaryOp::DecimalLessThan => &[BinaryOp::DecimalLessEq, BinaryOp::DecimalGreater],
        BinaryOp::DecimalLessEq => &[BinaryOp::DecimalLessThan, BinaryOp::DecimalGreaterEq],
        BinaryOp::DecimalGreater => &[BinaryOp::DecimalGreaterEq, BinaryOp::DecimalLessThan],
        BinaryOp::DecimalGreaterEq => &[BinaryOp::DecimalGreater, BinaryOp::DecimalLessEq],
        BinaryOp::ContainsAll => &[BinaryOp::ContainsAny],
        BinaryOp::ContainsAny => &[BinaryOp::ContainsAll],
        BinaryOp::Add => &[BinaryOp::Sub],
        BinaryOp::Sub => &[BinaryOp::Add],
        _ => &[],
    };
    if matches!(op, BinaryOp::And | BinaryOp::Or) {
        found(format!("drop `{left}`"), at, (**right).clone());
        found(format!("drop `{right}`"), at + atoms(left), (**left).clone());
    }
    for other in others {
        let changed = Expr::BinaryOp { op: *other, left: left.clone(), right: right.clone() };
        let what = match (shown(op), shown(*other)) {
            (Some(op), Some(other)) => format!("`{op}` to `{other}`"),
            _ => format!("`{expr}` to `{changed}`"),
        };
        found(what, at, changed);
    }
    if matches!(op, BinaryOp::In | BinaryOp::Contains | BinaryOp::HasTag) {
        found(format!("negate `{expr}`"), at, negated(expr));
    }
}

fn negated(expr: &Expr) -> Expr {
    Expr::UnaryOp { op: UnaryOp::Not, expr: Arc::new(expr.clone()) }
}

/// How an operator is written, if it stands between its operands.
const fn shown(op: BinaryOp) -> Option<&'static str> {
    Some(match op {
        BinaryOp::And => "&&",
        BinaryOp::Or => "||",
        BinaryOp::Eq => "==",
        BinaryOp::NotEq => "!=",
        BinaryOp::Less => "<",
        BinaryOp::LessEq => "<=",
        BinaryOp::Greater => ">",
        BinaryOp::GreaterEq => ">=",
        BinaryOp::Add => "+",
        BinaryOp::Sub => "-",
        _ => return None,
    })
}

//! Conditions that cost more than they need to, or that may fail.

use super::{Subject, codes, question::Kind, visit, words};
use crate::policy::Problem;
use cedar_policy::pst::{BinaryOp, Clause, Expr, Literal, UnaryOp, Var};

pub(super) fn lint(subject: &Subject<'_>, found: &mut Vec<Problem>) {
    look_up_first(subject, found);
    overflow(subject, found);
}

/// A test on what is proposed that stands behind one that needs the finding, of the same chain of `&&` or `||`.
fn look_up_first(subject: &Subject<'_>, found: &mut Vec<Problem>) {
    let mut clauses: Vec<&Expr> = Vec::new();
    for clause in subject.body().clauses() {
        // Clauses are asked one after the other, as if `&&` stood between them.
        match clause {
            Clause::When(condition) => operands(BinaryOp::And, condition, &mut clauses),
            Clause::Unless(condition) => operands(BinaryOp::Or, condition, &mut clauses),
        }
    }
    chain(subject, &clauses, found);
    for operand in clauses {
        inside(subject, operand, found);
    }
}

fn inside(subject: &Subject<'_>, expression: &Expr, found: &mut Vec<Problem>) {
    if let Expr::BinaryOp { op: op @ (BinaryOp::And | BinaryOp::Or), .. } = expression {
        let mut all = Vec::new();
        operands(*op, expression, &mut all);
        chain(subject, &all, found);
        for operand in all {
            inside(subject, operand, found);
        }
    } else {
        for part in crate::policy::parts(expression) {
            inside(subject, part, found);
        }
    }
}

fn operands<'e>(chained_by: BinaryOp, expression: &'e Expr, into: &mut Vec<&'e Expr>) {
    match expression {
        Expr::BinaryOp { op, left, right } if *op == chained_by => {
            operands(chained_by, left, into);
            operands(chained_by, right, into);
        }
        other => into.push(other),
    }
}

fn chain(subject: &Subject<'_>, operands: &[&Expr], found: &mut Vec<Problem>) {
    let Some(first) = operands.iter().position(|operand| reads(operand).0) else { return };
    let Some(later) = operands[first..].iter().find(|operand| matches!(reads(operand), (false, true))) else { return };
    let shown = |expression: &Expr| words::joined(&words::words(expression));
    found.push(subject.problem(
        &codes::LOOK_UP_FIRST,
        subject.place(later),
        format!("`{}` needs no finding, and stands behind a test that does", shown(later)),
        format!("put it before `{}`: then fewer findings are looked up", shown(operands[first])),
    ));
}

/// Whether an expression reads the finding as it is, and whether it reads what is proposed.
fn reads(expression: &Expr) -> (bool, bool) {
    let (mut finding, mut proposed) = (false, false);
    visit(expression, &mut |part| {
        let (expr, name) = match part {
            Expr::GetAttr { expr, attr } => (expr, attr),
            Expr::HasAttr { expr, attrs } => (expr, &attrs.head),
            _ => return,
        };
        match &**expr {
            Expr::Var(Var::Resource) => finding |= !matches!(name.as_str(), "id" | "productArn"),
            Expr::Var(Var::Context) => proposed |= name != "now",
            _ => {}
        }
    });
    (finding, proposed)
}

/// Arithmetic whose result may not fit.
fn overflow(subject: &Subject<'_>, found: &mut Vec<Problem>) {
    for condition in subject.conditions() {
        let mut told = false;
        visit(condition, &mut |expression| {
            let is_arithmetic = matches!(
                expression,
                Expr::BinaryOp { op: BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul, .. }
                    | Expr::UnaryOp { op: UnaryOp::Neg, .. }
            );
            if told || !is_arithmetic || subject.kinds.iter().all(|kind| range(expression, kind).is_some()) {
                return;
            }
            told = true;
            found.push(subject.problem(
                &codes::MAY_OVERFLOW,
                subject.place(expression),
                format!("`{}` may leave the range of 64-bit numbers", words::joined(&words::words(expression))),
                "the policy would fail, and a change that a policy fails on is denied: compare the numbers themselves",
            ));
        });
    }
}

/// What a number can be; nothing if calculating it may fail.
fn range(expression: &Expr, kind: &Kind) -> Option<(i64, i64)> {
    let corners = |left: &Expr, right: &Expr, of: fn(i64, i64) -> Option<i64>| {
        let (left, right) = (range(left, kind)?, range(right, kind)?);
        let corners = [(left.0, right.0), (left.0, right.1), (left.1, right.0), (left.1, right.1)];
        let values: Option<Vec<i64>> = corners.into_iter().map(|(a, b)| of(a, b)).collect();
        let values = values?;
        Some((values.iter().copied().min()?, values.iter().copied().max()?))
    };
    match expression {
        Expr::Literal(Literal::Long(value)) => Some((*value, *value)),
        Expr::UnaryOp { op: UnaryOp::Neg, expr } => {
            let (least, most) = range(expr, kind)?;
            Some((most.checked_neg()?, least.checked_neg()?))
        }
        Expr::BinaryOp { op: BinaryOp::Add, left, right } => corners(left, right, i64::checked_add),
        Expr::BinaryOp { op: BinaryOp::Sub, left, right } => corners(left, right, i64::checked_sub),
        Expr::BinaryOp { op: BinaryOp::Mul, left, right } => corners(left, right, i64::checked_mul),
        other => {
            let term = words::words(other).join(" ");
            Some(kind.limits(&term).unwrap_or((i64::MIN, i64::MAX)))
        }
    }
}

//! What can slip in a condition.

use crate::policy::words;
use cedar_policy::pst::{BinaryOp, Expr, Literal, PatternElem, UnaryOp};
use jiff::civil::Date;
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
        Expr::UnaryOp { op: op @ (UnaryOp::Datetime | UnaryOp::Decimal | UnaryOp::Duration), expr } => {
            if let Expr::Literal(Literal::String(text)) = &**expr {
                for other in beside(*op, text) {
                    let changed = Arc::new(Expr::Literal(Literal::String(other.as_str().into())));
                    found(format!("{text:?} to {other:?}"), at, Expr::UnaryOp { op: *op, expr: changed });
                }
            }
        }
        Expr::Like { expr: of, pattern } => {
            found(format!("negate `{expr}`"), at, negated(expr));
            for (what, pattern) in patterns(pattern) {
                found(format!("{what} of `{expr}`"), at, Expr::Like { expr: of.clone(), pattern });
            }
        }
        Expr::HasAttr { .. } | Expr::Is { .. } => {
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

/// Patterns that match a little more or less: a wildcard more or less at either end.
fn patterns(pattern: &[PatternElem]) -> Vec<(&'static str, Vec<PatternElem>)> {
    let is_wildcard = |elem: Option<&PatternElem>| matches!(elem, Some(PatternElem::Wildcard));
    let (starts, ends) = (is_wildcard(pattern.first()), is_wildcard(pattern.last()));
    let with = |before: bool, after: bool| {
        let inner =
            &pattern[usize::from(starts)..pattern.len() - usize::from(ends && pattern.len() > usize::from(starts))];
        let wildcard = |there: bool| there.then_some(PatternElem::Wildcard);
        wildcard(before).into_iter().chain(inner.iter().cloned()).chain(wildcard(after)).collect()
    };
    vec![
        (if starts { "drop the first `*`" } else { "add a `*` in front" }, with(!starts, ends)),
        (if ends { "drop the last `*`" } else { "add a `*` behind" }, with(starts, !ends)),
    ]
}

/// The values next to what the argument of an extension says.
fn beside(op: UnaryOp, text: &str) -> Vec<String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    match op {
        UnaryOp::Decimal => {
            let places = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
            let Ok(number) = text.replace('.', "").parse::<i64>() else { return Vec::new() };
            let spelt = |number: i64| {
                let digits = format!("{:0width$}", number.abs(), width = places + 1);
                let (whole, fraction) = digits.split_at(digits.len() - places);
                format!("{}{whole}.{fraction}", if number < 0 { "-" } else { "" })
            };
            if places == 0 { Vec::new() } else { vec![spelt(number + 1), spelt(number - 1)] }
        }
        UnaryOp::Duration => {
            let (number, unit) = text.split_at(digits);
            let Ok(number) = number.parse::<i64>() else { return Vec::new() };
            [number + 1, number - 1]
                .iter()
                .filter(|number| **number >= 0)
                .map(|number| format!("{number}{unit}"))
                .collect()
        }
        UnaryOp::Datetime => {
            let Some((date, rest)) = text.split_at_checked(10) else { return Vec::new() };
            let Ok(date) = date.parse::<Date>() else { return Vec::new() };
            let days = [date.tomorrow(), date.yesterday()];
            days.into_iter().flatten().map(|date| format!("{date}{rest}")).collect()
        }
        _ => Vec::new(),
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

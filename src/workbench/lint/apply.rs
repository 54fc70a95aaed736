//! Policies, and parts of conditions, that can never be true.

use super::possible::{Limits, core, possible};
use super::{Subject, codes, facts, visit, words};
use crate::policy::Problem;
use cedar_policy::pst::{BinaryOp, Clause, Expr, Literal, UnaryOp};

pub(super) fn lint(subject: &Subject<'_>, found: &mut Vec<Problem>) {
    let beyond = beyond_limits(subject, found);
    // What a number's limits make impossible is told at the number.
    let limits = if beyond { Limits::None } else { Limits::OfTheApi };
    if let Some(problem) = never_applies(subject, limits) {
        found.push(problem);
    } else if !beyond {
        never_true(subject, found);
    }
}

fn never_applies(subject: &Subject<'_>, limits: Limits) -> Option<Problem> {
    let cases = subject.cases.as_ref()?;
    let applies = subject.kinds.iter().any(|kind| cases.iter().any(|case| possible(case, kind, limits)));
    if applies {
        return None;
    }
    let kind = subject.kinds.first()?;
    let core = core(cases.first()?, kind, limits);
    let (last, first) = core.split_last()?;
    let place = subject.place_of(&last.said);
    let why = match first {
        [] => format!("{} cannot hold", last.shown()),
        first => {
            let first: Vec<String> = first.iter().map(facts::Fact::shown).collect();
            format!("{} and {} cannot hold together", first.join(", "), last.shown())
        }
    };
    let why = if cases.len() > 1 {
        format!("each of its {} cases contradicts itself; in the first, {why}", cases.len())
    } else {
        why
    };
    let what = match subject.rule.effect {
        cedar_policy::Effect::Permit => "as it is written it permits nothing: mend the condition, or remove the policy",
        cedar_policy::Effect::Forbid => "as it is written it forbids nothing: mend the condition, or remove the policy",
    };
    Some(subject.problem(&codes::NEVER_APPLIES, place, format!("this policy can never apply: {why}"), what))
}

/// Comparisons of a number with one that it never reaches.
fn beyond_limits(subject: &Subject<'_>, found: &mut Vec<Problem>) -> bool {
    let before = found.len();
    for condition in subject.conditions() {
        visit(condition, &mut |expression| {
            let Some(term) = compared_number(expression) else { return };
            let ranges: Option<Vec<(i64, i64)>> = subject.kinds.iter().map(|kind| kind.limits(&term)).collect();
            let Some(range) = ranges.and_then(|ranges| ranges.first().copied()) else { return };
            let Some(kind) = subject.kinds.first() else { return };
            let can_be = |holds: bool| {
                facts::of(expression, holds)
                    .is_none_or(|cases| cases.iter().any(|case| possible(case, kind, Limits::OfTheApi)))
            };
            let always = match (can_be(true), can_be(false)) {
                (true, true) => return,
                (true, false) => "true",
                (false, _) => "false",
            };
            let place = subject.place(expression);
            let shown = words::joined(&words::words(expression));
            let number = term.replace(" . ", ".");
            found.push(subject.problem(
                &codes::BEYOND_LIMITS,
                place,
                format!("`{shown}` is always {always}: `{number}` is a whole number from {} to {}", range.0, range.1),
                "compare with a number that it can have, or remove the test",
            ));
        });
    }
    found.len() > before
}

/// The number that a comparison with a literal is about.
fn compared_number(expression: &Expr) -> Option<String> {
    use BinaryOp::{Eq, Greater, GreaterEq, Less, LessEq, NotEq};
    let Expr::BinaryOp { op: Eq | NotEq | Less | LessEq | Greater | GreaterEq, left, right } = expression else {
        return None;
    };
    let is_number = |expression: &Expr| match expression {
        Expr::Literal(Literal::Long(_)) => true,
        Expr::UnaryOp { op: UnaryOp::Neg, expr } => matches!(**expr, Expr::Literal(Literal::Long(_))),
        _ => false,
    };
    let term = |expression: &Expr| words::words(expression).join(" ");
    match (is_number(left), is_number(right)) {
        (false, true) => Some(term(left)),
        (true, false) => Some(term(right)),
        _ => None,
    }
}

/// Alternatives, negations and exceptions that are never true.
fn never_true(subject: &Subject<'_>, found: &mut Vec<Problem>) {
    for clause in subject.body().clauses() {
        match clause {
            Clause::When(condition) => inside(subject, condition, found),
            Clause::Unless(condition) => dead_or_inside(subject, condition, "this exception", found),
        }
    }
}

fn inside(subject: &Subject<'_>, expression: &Expr, found: &mut Vec<Problem>) {
    match expression {
        Expr::BinaryOp { op: BinaryOp::Or, left, right } => {
            for side in [left, right] {
                dead_or_inside(subject, side, "this alternative", found);
            }
        }
        Expr::UnaryOp { op: UnaryOp::Not, expr } => dead_or_inside(subject, expr, "what is negated here", found),
        _ => crate::policy::parts(expression).into_iter().for_each(|part| inside(subject, part, found)),
    }
}

fn dead_or_inside(subject: &Subject<'_>, expression: &Expr, what: &str, found: &mut Vec<Problem>) {
    // A test by itself is the validator's; what contradicts itself has two parts at least.
    let dead = facts::of(expression, true).filter(|cases| {
        cases.iter().any(|case| case.len() > 1)
            && !subject.kinds.iter().any(|kind| cases.iter().any(|case| possible(case, kind, Limits::OfTheApi)))
    });
    let Some((cases, kind)) = dead.zip(subject.kinds.first()) else { return inside(subject, expression, found) };
    let core = cases.first().map(|case| core(case, kind, Limits::OfTheApi)).unwrap_or_default();
    let shown: Vec<String> = core.iter().map(facts::Fact::shown).collect();
    let why = if shown.is_empty() { String::new() } else { format!(": {} cannot hold together", shown.join(" and ")) };
    let place = core.first().map_or_else(|| subject.place(expression), |fact| subject.place_of(&fact.said));
    found.push(subject.problem(
        &codes::NEVER_TRUE,
        place,
        format!("{what} is never true{why}"),
        "the policy does what it would do without it: mend it or take it out",
    ));
}

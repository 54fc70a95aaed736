//! From a condition on requests to conditions on questions.
//!
//! **Deny.** A forbid that refuses the call stands for it, if at least one question of each request that IAM denies meets it, and no
//! question of any other request. So each forbid sits on a question that can tell all of the condition. Where units may be
//! missing, the condition falls into cases: each of those there, or not.
//!
//! **Allow.** Every question of a request must be permitted, and one that is not refuses the call. So a permit may leave to another
//! question what only that one can tell: it *relies* on it. Two statements that do must not help each other out; that is for the
//! caller to see to.

use super::{
    condition::{Atom, Condition, Unit},
    expression,
    keys::{self, Leaf},
    operator::Quantifier,
    parse::Effect,
    questions,
};
use crate::finding::{Action, FieldV2, Operation};

/// A policy to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Draft {
    pub(super) effect: Effect,
    pub(super) operations: Vec<Operation>,
    pub(super) questions: Questions,
    /// All of these, in Cedar.
    pub(super) when: Vec<String>,
    /// What a caller could do instead.
    pub(super) advice: String,
}

/// What a policy is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Questions {
    /// Every question of its operations.
    Every,
    /// These.
    These(Vec<Action>),
}

/// The permits of a statement, and what they rely on.
#[derive(Debug)]
pub(super) struct Grant {
    pub(super) drafts: Vec<Draft>,
    pub(super) relies: Reliance,
}

/// On which questions permits rely.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reliance {
    /// On none: each question tells all.
    None,
    /// On one that is asked once: others may rely on it too.
    Shared(Action),
    /// On several, or on one that is asked more than once.
    Alone,
}

/// Units that may be missing or not make twice as many cases each.
const MOST_FREE: usize = 4;

/// The forbids that deny what the condition holds of.
pub(super) fn deny(condition: &Condition, operation: Operation) -> Result<Vec<Draft>, String> {
    let free: Vec<&Unit> = condition.units.iter().filter(|unit| unit.absent && unit.present.is_some()).collect();
    if free.len() > MOST_FREE {
        return Err(format!(
            "{} keys may each be missing or not, which makes too many cases to write down",
            free.len()
        ));
    }
    let mut drafts = Vec::new();
    for case in 0..1_usize << free.len() {
        let is_there = |unit: &&Unit| {
            !unit.absent || free.iter().position(|known| known == unit).is_some_and(|at| case & 1 << at == 0)
        };
        let (present, absent): (Vec<&Unit>, Vec<&Unit>) = condition.units.iter().partition(is_there);
        drafts.extend(deny_case(condition, operation, &present, &absent)?);
    }
    Ok(drafts)
}

fn deny_case(
    condition: &Condition,
    operation: Operation,
    present: &[&Unit],
    absent: &[&Unit],
) -> Result<Vec<Draft>, String> {
    let hidden: Vec<&&Unit> = present.iter().filter(|unit| questions::beside(unit, operation).is_none()).collect();
    let seat: Option<&Unit> = match hidden[..] {
        [] => {
            let says_most = |unit: &&&Unit| unit.present.as_ref().is_some_and(|atoms| !atoms.is_empty());
            present.iter().find(says_most).or_else(|| present.first()).copied()
        }
        [one] => Some(one),
        [one, other, ..] => {
            return Err(format!(
                "it depends on `{}` and on `{}` at once, and no question of the gate tells of both",
                shown(one, operation),
                shown(other, operation)
            ));
        }
    };
    let mut rest = condition.always.clone();
    for unit in present.iter().filter(|unit| seat != Some(**unit)) {
        rest.extend(questions::beside(unit, operation).unwrap_or_default());
    }
    rest.extend(missing(absent, operation)?);
    let advice = advice(present, absent, operation);
    let draft = |questions, own: Vec<String>| Draft {
        effect: Effect::Deny,
        operations: vec![operation],
        questions,
        when: own.into_iter().chain(rest.clone()).collect(),
        advice: advice.clone(),
    };
    let Some(seat) = seat else {
        return Ok(vec![draft(Questions::Every, Vec::new())]);
    };
    let own = questions::own(seat, operation, true)?;
    Ok(own.into_iter().map(|(question, own)| draft(Questions::These(vec![question]), own)).collect())
}

/// That these are missing.
fn missing(absent: &[&Unit], operation: Operation) -> Result<Vec<String>, String> {
    let is_severity = |unit: &&&Unit| keys::telling_field(unit.question, operation).is_none();
    let severity = absent.iter().filter(is_severity).count();
    let mut all: Vec<String> =
        absent.iter().filter_map(|unit| questions::is_missing(unit.question, operation)).collect();
    match (severity, absent.iter().find(is_severity)) {
        (0, _) | (_, None) => {}
        (3, _) => all.push(questions::NO_SEVERITY.to_owned()),
        (_, Some(unit)) => {
            return Err(format!(
                "it depends on whether `{}` is missing, and questions tell only whether `Severity` is there at all",
                shown(unit, operation)
            ));
        }
    }
    Ok(all)
}

/// The permits that allow what the condition holds of.
pub(super) fn allow(condition: &Condition, operation: Operation) -> Result<Grant, String> {
    let draft = |questions, when| Draft {
        effect: Effect::Allow,
        operations: vec![operation],
        questions,
        when,
        advice: String::new(),
    };
    if condition.units.is_empty() {
        let drafts = vec![draft(Questions::Every, condition.always.clone())];
        return Ok(Grant { drafts, relies: Reliance::None });
    }
    let mut relied: Vec<&Unit> = Vec::new();
    // What every question tells of each unit.
    let mut told: Vec<(&Unit, Vec<String>)> = Vec::new();
    let must_be_missing: Vec<&Unit> = condition.units.iter().filter(|unit| unit.present.is_none()).collect();
    for unit in &condition.units {
        let tells = match (&unit.present, questions::beside(unit, operation)) {
            (None, _) => missing(&must_be_missing, operation).unwrap_or_else(|_| {
                // What questions do not tell, they need not: its own is not permitted.
                relied.push(unit);
                questions::is_missing(unit.question, operation).into_iter().collect()
            }),
            (Some(_), Some(beside)) if unit.absent => {
                let missing = questions::is_missing(unit.question, operation).unwrap_or_default();
                vec![format!("({missing} || {})", expression::and(&beside))]
            }
            (Some(_), Some(beside)) => beside,
            (Some(_), None) => {
                relied.push(unit);
                if unit.absent { Vec::new() } else { vec![required(unit, operation)?] }
            }
        };
        told.push((unit, tells));
    }
    let beside = |own: Option<&Unit>| {
        let others = told.iter().filter(|(unit, _)| own != Some(*unit)).flat_map(|(_, tells)| tells.clone());
        let mut all = Vec::new();
        for expression in condition.always.iter().cloned().chain(others) {
            if !all.contains(&expression) {
                all.push(expression);
            }
        }
        all
    };
    let mut drafts = Vec::new();
    let mut others = questions::of_operation(operation);
    for unit in &condition.units {
        if unit.present.as_ref().is_some_and(Vec::is_empty) {
            // That it is there, its own question tells as every other one does.
            continue;
        }
        others.retain(|question| !questions::of_unit(unit.question, operation).contains(question));
        if unit.present.is_some() {
            let own = questions::own(unit, operation, false)?;
            let permit = |(question, own): (Action, Vec<String>)| {
                draft(Questions::These(vec![question]), own.into_iter().chain(beside(Some(unit))).collect())
            };
            drafts.extend(own.into_iter().map(permit));
        }
    }
    drafts.push(draft(Questions::These(others), beside(None)));
    Ok(Grant { drafts, relies: reliance(&relied, operation) })
}

/// That a unit is there whose values only its own question tells.
fn required(unit: &Unit, operation: Operation) -> Result<String, String> {
    keys::telling_field(unit.question, operation)
        .map(|field| format!("context.fields.contains(Field::\"{field}\")"))
        .ok_or_else(|| {
            format!(
                "it needs `{}` in the request, and the other questions tell only whether `Severity` is there at all",
                shown(unit, operation)
            )
        })
}

fn reliance(relied: &[&Unit], operation: Operation) -> Reliance {
    let is_asked_once = |unit: &Unit| {
        let of_many = |atom: &Atom| atom.leaf.is_many();
        let several = matches!(unit.question, Action::SeverityLabel)
            || questions::of_unit(unit.question, operation).len() > 1
            || unit.present.iter().flatten().any(of_many);
        !several
    };
    match relied {
        [] => Reliance::None,
        [one] if is_asked_once(one) => Reliance::Shared(one.question),
        _ => Reliance::Alone,
    }
}

/// The leaves that a unit is about.
fn shown(unit: &Unit, operation: Operation) -> String {
    let mut leaves: Vec<Leaf> = unit.present.iter().flatten().map(|atom| atom.leaf).collect();
    leaves.sort_unstable();
    leaves.dedup();
    match &*leaves {
        [] => name(unit.question, operation).to_owned(),
        leaves => leaves.iter().map(|leaf| leaf.path()).collect::<Vec<_>>().join("`, `"),
    }
}

/// What a request calls the member that a question is about.
fn name(question: Action, operation: Operation) -> &'static str {
    match question.field().and_then(FieldV2::of) {
        Some(member) if operation == Operation::BatchUpdateFindingsV2 => member.as_str(),
        _ => question.as_str(),
    }
}

/// What a caller who is denied could do instead.
fn advice(present: &[&Unit], absent: &[&Unit], operation: Operation) -> String {
    let of_present = |unit: &&Unit| {
        let all = |atom: &Atom| atom.quantifier != Quantifier::Any;
        let name = name(unit.question, operation);
        match unit.present.as_deref() {
            None | Some([]) => format!("leave {name} out"),
            Some(atoms) if atoms.iter().all(all) => format!("send another value of {name}, or leave it out"),
            Some(_) => format!("leave that value of {name} out"),
        }
    };
    let of_absent = |unit: &&Unit| format!("send {} with it", name(unit.question, operation));
    let ways: Vec<String> = present.iter().map(of_present).chain(absent.iter().map(of_absent)).collect();
    ways.join("; or ")
}

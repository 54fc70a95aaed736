//! The matrix form: callers × rows × findings, a hundred cases in ten lines.

use super::{
    Case, Expectation,
    merge::merged,
    raw::{Cells, RawMatrix},
    resolve::{Kind, Resolver, named, place},
};
use crate::{
    finding::Action,
    policy::nearest,
    workbench::{Call, CallerFixture, Example, FindingFixture, Outcome},
};
use serde_json::{Map, Value, json};
use serde_saphyr::Spanned;

/// Adds the cases of a matrix.
pub(super) fn spread<'s>(resolver: &mut Resolver<'s>, matrix: &'s Spanned<RawMatrix>) {
    let raw = &matrix.value;
    resolver.reason_to_skip(matrix, raw.skip.as_deref());
    let Some(callers) = callers(resolver, raw) else { return };
    let Some(findings) = findings(resolver, raw) else { return };
    for (what, is_empty) in
        [("callers", callers.is_empty()), ("findings", findings.is_empty()), ("rows", raw.expect.0.is_empty())]
    {
        if is_empty {
            resolver.problem(
                matrix,
                format!("matrix `{}` has no {what}", raw.name),
                "a matrix without cases tests nothing",
            );
            return;
        }
    }
    let now = raw.now.or(resolver.raw.now).unwrap_or(Example::NOW);
    for (row, cells) in &raw.expect.0 {
        let Some(update) = update(resolver, raw, row, cells) else { continue };
        let Some(by_caller) = each(resolver, cells, &cells.value, callers.len(), "callers") else { continue };
        for ((caller_name, caller), of_caller) in callers.iter().zip(by_caller) {
            let Some(by_finding) = each(resolver, cells, of_caller, findings.len(), "findings") else { continue };
            for ((finding_name, finding), cell) in findings.iter().zip(by_finding) {
                let Cells::Same(cell) = cell else {
                    resolver.problem(
                        cells,
                        "a cell is nested too deep",
                        "a row has a cell for each caller, and in it one for each finding",
                    );
                    continue;
                };
                let expect = match expectation(cell) {
                    Ok(expect) => expect,
                    Err(message) => {
                        let help = "write an outcome, and after `by` the policies that deny, such as `rejected by members-do-not-suppress`";
                        resolver.problem(cells, message, help);
                        continue;
                    }
                };
                let name = format!("{}: {caller_name}, {row}, {finding_name}", raw.name);
                let example = Example {
                    caller: caller.clone(),
                    finding: (*finding).clone(),
                    call: Call::Update(update.clone()),
                    now,
                };
                if resolver.is_new_name(cells, &name) {
                    let (line, _) = place(&cells.referenced);
                    resolver.add(cells, Case { name, line, skip: raw.skip.clone(), example, expect });
                }
            }
        }
    }
}

fn callers<'s>(resolver: &mut Resolver<'s>, raw: &'s RawMatrix) -> Option<Vec<(&'s str, CallerFixture)>> {
    let mut callers = Vec::with_capacity(raw.callers.len());
    for name in &raw.callers {
        let caller = resolver.fixture(Kind::Caller, &resolver.raw.callers, &name.value, name)?;
        callers.push((name.value.as_str(), named(caller, &name.value)));
    }
    Some(callers)
}

fn findings<'s>(resolver: &mut Resolver<'s>, raw: &'s RawMatrix) -> Option<Vec<(&'s str, &'s FindingFixture)>> {
    let mut findings = Vec::with_capacity(raw.findings.len());
    for name in &raw.findings {
        let finding = resolver.fixture(Kind::Finding, &resolver.raw.findings, &name.value, name)?;
        findings.push((name.value.as_str(), finding));
    }
    Some(findings)
}

/// The cell of each column: the same for all, or as many as there are.
fn each<'c>(
    resolver: &mut Resolver<'_>,
    at: &Spanned<Cells>,
    cells: &'c Cells,
    columns: usize,
    what: &str,
) -> Option<Vec<&'c Cells>> {
    match cells {
        Cells::Same(_) => Some(vec![cells; columns]),
        Cells::Each(each) if each.len() == columns => Some(each.iter().collect()),
        Cells::Each(each) => {
            let message = format!("{} cells for {columns} {what}", each.len());
            resolver.problem(at, message, "write one for each, in their order, or one for all");
            None
        }
    }
}

/// What a row asks for.
fn update<'s>(
    resolver: &mut Resolver<'s>,
    raw: &'s RawMatrix,
    row: &'s str,
    at: &'s Spanned<Cells>,
) -> Option<Map<String, Value>> {
    let Some(leaf) = &raw.set else {
        let named = resolver.fixture(Kind::Update, &resolver.raw.updates, row, at)?;
        return beside(resolver, raw, row, at, named);
    };
    let Some(update) = Action::parse(leaf).and_then(|action| setting(action, row)) else {
        let leaves: Vec<&str> = LEAVES.iter().map(|action| action.as_str()).collect();
        let near =
            nearest(leaf, leaves.iter().copied()).map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
        let help = format!("{near}`set` names a leaf with one value: {}", leaves.join(", "));
        resolver.problem(at, format!("`set: {leaf}` with `{row}`"), &help);
        return None;
    };
    beside(resolver, raw, row, at, &update)
}

/// What a row asks for with what comes beside it, which may not be about the same.
fn beside(
    resolver: &mut Resolver<'_>,
    raw: &RawMatrix,
    row: &str,
    at: &Spanned<Cells>,
    update: &Map<String, Value>,
) -> Option<Map<String, Value>> {
    if let Some(twice) = raw.with.keys().find(|name| update.contains_key(*name)) {
        let message = format!("`with` and the row `{row}` both say `{twice}`");
        resolver.problem(at, message, "a row is asked as it stands: leave that out of `with`");
        return None;
    }
    Some(merged(&raw.with, update))
}

/// The leaves that have one value.
const LEAVES: [Action; 8] = [
    Action::Confidence,
    Action::Criticality,
    Action::SeverityLabel,
    Action::SeverityNormalized,
    Action::SeverityProduct,
    Action::Types,
    Action::VerificationState,
    Action::WorkflowStatus,
];

/// The update that sets a leaf to what a row's name spells.
fn setting(action: Action, value: &str) -> Option<Map<String, Value>> {
    let number = || serde_json::from_str::<serde_json::Number>(value).ok();
    let update = match action {
        Action::Confidence => json!({ "Confidence": number()? }),
        Action::Criticality => json!({ "Criticality": number()? }),
        Action::SeverityLabel => json!({ "Severity": { "Label": value } }),
        Action::SeverityNormalized => json!({ "Severity": { "Normalized": number()? } }),
        Action::SeverityProduct => json!({ "Severity": { "Product": number()? } }),
        Action::Types => json!({ "Types": [value] }),
        Action::VerificationState => json!({ "VerificationState": value }),
        Action::WorkflowStatus => json!({ "Workflow": { "Status": value } }),
        _ => return None,
    };
    update.as_object().cloned()
}

/// `forwarded`, `rejected by a, b`: an outcome, and the policies that deny.
fn expectation(cell: &str) -> Result<Expectation, String> {
    let (outcome, by) = match cell.split_once(" by ") {
        Some((outcome, by)) => (outcome, Some(by)),
        None => (cell, None),
    };
    let word = outcome.trim();
    let Some(outcome) = Outcome::ALL.iter().copied().find(|outcome| outcome.as_str() == word) else {
        let words: Vec<&str> = Outcome::ALL.iter().map(|outcome| outcome.as_str()).collect();
        return Err(format!("got `{word}`, expected one of {}", words.join(", ")));
    };
    let by = by.map(|by| by.split(',').map(|id| id.trim().to_owned()).collect());
    Ok(Expectation { outcome: Some(outcome), by, ..Expectation::default() })
}

//! Automation rules: what each would do, decided as the gate decides on it, as a whole and about findings that nobody knows.

use super::{
    Recorded, Why,
    again::{Fate, body, of_finding, unreadable},
};
use crate::{
    finding::{BatchUpdate, Operation, Role},
    gate::{self, RuleDecision},
    policy::hidden::Veiled,
};
use serde_json::{Map, Value, json};

/// What becomes of each rule. Each is decided by itself.
pub(super) fn fates(
    judge: &mut Veiled,
    request: &Recorded,
    operation: Operation,
    rules: &[Option<Map<String, Value>>],
) -> Result<Vec<Fate>, Why> {
    let fates = rules.iter().map(|rule| match rule {
        // What is of an administrator alone, is of those of today.
        Some(_) if request.caller.role != Role::Administrator => Ok(Fate::Denied("administrator-only")),
        Some(update) => fate(judge, request, operation, update),
        // It is denied without asking anybody, whatever the policies are.
        None => Ok(Fate::Nothing),
    });
    fates.collect()
}

fn fate(
    judge: &mut Veiled,
    request: &Recorded,
    operation: Operation,
    update: &Map<String, Value>,
) -> Result<Fate, Why> {
    judge.hide(request.hidden.clone());
    // A rule's update is that of findings, of which it names none.
    let any = json!({ "Id": "any", "ProductArn": "arn:aws:securityhub:::product/findings-gate/any" });
    let body = body(update, vec![any]);
    let update = BatchUpdate::parse(body.as_bytes()).map_err(|error| unreadable(&error))?;
    let decided = RuleDecision::of(judge, &request.caller, Some(&update.update), operation, request.now);
    let Some((gate::Fate::Ruled(ruling), changes)) =
        decided.decision.as_ref().and_then(|decision| Some((decision.fates.first()?, &decision.changes)))
    else {
        return Ok(Fate::Nothing);
    };
    let asked: Vec<_> = ruling.asked(changes).collect();
    Ok(Fate::Ruled(of_finding(judge, request, &asked, false, false)))
}

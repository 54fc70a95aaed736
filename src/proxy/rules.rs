//! Changes to automation rules, for the administrator: decided by the gate, each rule as a whole.

use super::{
    RequestId,
    handler::{Denied, Gate, Reply},
    read::administrator_only,
    update::report,
};
use crate::{
    finding::{ApiError, Caller, CreateRule, Operation, Update, UpdateRules, outcome_rules::AnsweredRules},
    gate::{MergedRules, RuleDecision, RulesPlan, merge_rules},
    telemetry::events::{AnswerDoubtful, RequestServed, UpstreamFailed},
    upstream::Call,
};
use http::StatusCode;
use jiff::Timestamp;
use std::time::Instant;

impl Gate {
    /// Makes a rule, if all that it would do is allowed.
    pub(super) async fn create_rule(&self, caller: &Caller, body: &[u8], id: &RequestId) -> Result<Reply, Denied> {
        let (operation, began) = (Operation::CreateAutomationRule, Instant::now());
        administrator_only(operation, caller)?;
        let request = CreateRule::parse(body).map_err(|error| ApiError::invalid_input(error.to_string()))?;
        let decision = self.decide_rule(caller, Some(&request.update), operation, &request.name, id);
        if let Some(why) = decision.denial(id.as_str()) {
            return Err(Denied::decided(ApiError::access_denied(why)));
        }
        let mut body = Vec::new();
        request.write_json(&mut body);
        let call = Call { operation, account: caller.account, query: None, body: body.into() };
        let reply = self.ask(call, id).await.map_err(Denied::decided)?;
        served(caller, operation, &reply, (1, 0), began, id);
        Ok(Reply { decided: true, ..reply })
    }

    /// Changes those of the rules that may become what the request makes of them.
    pub(super) async fn update_rules(&self, caller: &Caller, body: &[u8], id: &RequestId) -> Result<Reply, Denied> {
        let (operation, began) = (Operation::BatchUpdateAutomationRules, Instant::now());
        administrator_only(operation, caller)?;
        let request = UpdateRules::parse(body).map_err(|error| ApiError::invalid_input(error.to_string()))?;
        let rules = request.rules.iter();
        let decisions: Vec<RuleDecision<'_>> =
            rules.map(|rule| self.decide_rule(caller, rule.update.as_ref(), operation, &rule.arn, id)).collect();
        let (rules, denied) = match RulesPlan::new(&request, &decisions, id.as_str()) {
            RulesPlan::Forward { rules, denied } => (rules, denied),
            RulesPlan::Refuse { message } => return Err(Denied::decided(ApiError::access_denied(message))),
        };
        let counts = (request.rules.len(), denied.len());
        let reply = if rules.is_empty() {
            Reply::decided(merge_rules(&request, &[], denied, AnsweredRules::default()).body)
        } else {
            let mut body = Vec::new();
            request.write_json(rules.iter().copied(), &mut body);
            let call = Call { operation, account: caller.account, query: None, body: body.into() };
            let reply = self.ask(call, id).await.map_err(Denied::decided)?;
            if reply.status == StatusCode::OK && !denied.is_empty() {
                let merged = merged(&request, &rules, denied, &reply, id);
                Reply::decided(merged.map_err(|error| failed(operation, error, began, id))?)
            } else {
                Reply { decided: true, ..reply }
            }
        };
        served(caller, operation, &reply, counts, began, id);
        Ok(reply)
    }

    fn decide_rule<'u>(
        &self,
        caller: &Caller,
        update: Option<&'u Update<'u>>,
        operation: Operation,
        name: &str,
        id: &RequestId,
    ) -> RuleDecision<'u> {
        let decided = RuleDecision::of(&mut *self.engine.borrow_mut(), caller, update, operation, Timestamp::now());
        if let Some(decision) = &decided.decision {
            report(caller, |_| name, decision, id);
        }
        decided
    }
}

/// The backend's answer, with what is told of the rules that were not forwarded.
fn merged(
    request: &UpdateRules<'_>,
    forwarded: &[usize],
    denied: Vec<(usize, String)>,
    reply: &Reply,
    id: &RequestId,
) -> Result<Vec<u8>, ApiError> {
    let answer: AnsweredRules = serde_json::from_slice(&reply.body).map_err(|error| {
        ApiError::bad_upstream(format!(
            "the findings backend answered 200 with a body that is no {} response ({error}); whether it made the changes is not \
             known",
            Operation::BatchUpdateAutomationRules
        ))
    })?;
    let MergedRules { body, not_asked, not_answered } = merge_rules(request, forwarded, denied, answer);
    if not_asked + not_answered > 0 {
        AnswerDoubtful { request_id: id.as_str(), not_asked, not_answered }.emit();
    }
    Ok(body)
}

fn failed(operation: Operation, error: ApiError, began: Instant, id: &RequestId) -> Denied {
    let (request_id, operation, status) = (id.as_str(), operation.name(), Some(error.status));
    UpstreamFailed { request_id, operation, status, reason: &error.message, elapsed: began.elapsed() }.emit();
    Denied::decided(error)
}

fn served(
    caller: &Caller,
    operation: Operation,
    reply: &Reply,
    (rules, denied): (usize, usize),
    began: Instant,
    id: &RequestId,
) {
    RequestServed {
        request_id: id.as_str(),
        account: caller.account.as_str(),
        principal: &caller.principal,
        operation: operation.name(),
        status: reply.status.as_u16(),
        findings: rules,
        denied,
        elapsed: began.elapsed(),
    }
    .emit();
}

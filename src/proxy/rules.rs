//! Changes to automation rules, for the administrator: decided by the gate, each rule as a whole.

use super::{
    RequestId,
    failed::{self, Failed},
    handler::{Denied, Gate, Reply},
    read::administrator_only,
    report::Report,
};
use crate::{
    finding::{ApiError, CreateRule, Operation, Update, UpdateRules, outcome_rules::AnsweredRules},
    gate::{MergedRules, RuleDecision, RulesPlan, merge_rules},
    telemetry::events::AnswerDoubtful,
    upstream::Call,
};
use http::StatusCode;
use std::time::Instant;

impl Gate {
    /// Makes a rule, if all that it would do is allowed.
    pub(super) async fn create_rule(&self, body: &[u8], report: &mut Report<'_>) -> Result<Reply, Denied> {
        let (caller, id) = (report.caller, report.id);
        let (operation, began) = (Operation::CreateAutomationRule, Instant::now());
        administrator_only(operation, caller)?;
        let request = CreateRule::parse(body).map_err(|error| ApiError::invalid_input(error.to_string()))?;
        let decision = self.decide_rule(Some(&request.update), operation, &request.name, report);
        if let Some(why) = decision.denial(id.as_str()) {
            return Err(Denied::decided(ApiError::access_denied(why)));
        }
        let mut body = Vec::new();
        request.write_json(&mut body);
        let call =
            Call { operation, account: caller.account, on_behalf: caller.into(), query: None, body: body.into() };
        let reply = self.ask(caller, call, id).await.map_err(Denied::decided)?;
        report.record(|draft| draft.rules_answered(&[0], &reply));
        report.served(operation, reply.status.as_u16(), 1, 0, began);
        Ok(Reply { decided: true, ..reply })
    }

    /// Changes those of the rules that may become what the request makes of them.
    pub(super) async fn update_rules(&self, body: &[u8], report: &mut Report<'_>) -> Result<Reply, Denied> {
        let (caller, id) = (report.caller, report.id);
        let (operation, began) = (Operation::BatchUpdateAutomationRules, Instant::now());
        administrator_only(operation, caller)?;
        let request = UpdateRules::parse(body).map_err(|error| ApiError::invalid_input(error.to_string()))?;
        let rules = request.rules.iter();
        let decisions: Vec<RuleDecision<'_>> =
            rules.map(|rule| self.decide_rule(rule.update.as_ref(), operation, &rule.arn, report)).collect();
        let (rules, denied) = match RulesPlan::new(&request, &decisions, id.as_str()) {
            RulesPlan::Forward { rules, denied } => (rules, denied),
            RulesPlan::Refuse { message } => return Err(Denied::decided(ApiError::access_denied(message))),
        };
        let denials = denied.len();
        let reply = if rules.is_empty() {
            Reply::decided(merge_rules(&request, &[], denied, AnsweredRules::default()).body)
        } else {
            let mut body = Vec::new();
            request.write_json(rules.iter().copied(), &mut body);
            let call =
                Call { operation, account: caller.account, on_behalf: caller.into(), query: None, body: body.into() };
            let reply = self.ask(caller, call, id).await.map_err(Denied::decided)?;
            report.record(|draft| draft.rules_answered(&rules, &reply));
            if reply.status == StatusCode::OK && !denied.is_empty() {
                let merged = merged(&request, &rules, denied, &reply, id);
                Reply::decided(merged.map_err(|error| {
                    failed::tell(id, operation, error.status, &error.message, began);
                    Denied::decided(error)
                })?)
            } else {
                Reply { decided: true, ..reply }
            }
        };
        report.served(operation, reply.status.as_u16(), request.rules.len(), denials, began);
        Ok(reply)
    }

    fn decide_rule<'u>(
        &self,
        update: Option<&'u Update<'u>>,
        operation: Operation,
        name: &str,
        report: &mut Report<'_>,
    ) -> RuleDecision<'u> {
        let decided = RuleDecision::of(&mut *self.engine.borrow_mut(), report.caller, update, operation, report.now);
        report.record(|draft| draft.rule(name, &decided));
        if let Some(decision) = &decided.decision {
            report.of_decision(|_| name, decision);
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
        let unreadable = Failed::unreadable(Operation::BatchUpdateAutomationRules, &error);
        ApiError::bad_upstream(unreadable.message)
    })?;
    let MergedRules { body, not_asked, not_answered } = merge_rules(request, forwarded, denied, answer);
    if not_asked + not_answered > 0 {
        AnswerDoubtful { request_id: id.as_str(), not_asked, not_answered }.emit();
    }
    Ok(body)
}

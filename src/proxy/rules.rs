//! Changes to automation rules, for the administrator: decided by the gate, each rule as a whole.

use super::{
    Passage,
    failed::{self, Failed},
    handler::{Denied, Gate, Reply},
    read::administrator_only,
    report::Report,
};
use crate::{
    finding::{ApiError, Caller, CreateRule, Operation, Update, UpdateRules, outcome_rules::AnsweredRules},
    gate::{MergedRules, RuleDecision, RulesPlan, merge_rules},
    telemetry::events::AnswerDoubtful,
};
use http::StatusCode;

impl Gate {
    /// Makes a rule, if all that it would do is allowed.
    pub(super) async fn create_rule(
        &self,
        caller: &Caller,
        body: &[u8],
        passage: &Passage<'_>,
    ) -> Result<Reply, Denied> {
        let operation = Operation::CreateAutomationRule;
        administrator_only(operation, caller)?;
        let request = CreateRule::parse(body).map_err(|error| ApiError::invalid_input(error.to_string()))?;
        let mut report = Report::new(self, operation, caller, passage);
        self.counts.findings(operation, 1);
        let decision = passage.deciding(1, || {
            let write = |out: &mut Vec<u8>| request.write_json(out);
            self.decide_rule(caller, Some(&request.update), operation, (&request.name, write), &mut report)
        });
        if let Some(why) = decision.denial(passage.id.as_str()) {
            return Err(Denied::decided(ApiError::access_denied(why)));
        }
        let mut body = Vec::new();
        request.write_json(&mut body);
        let asked = self.ask(caller, operation, (None, body.into()), passage).await;
        let reply = asked.inspect_err(|error| passage.record(|draft| draft.rules_failed(&[0], error)));
        let reply = reply.map_err(Denied::decided)?;
        passage.record(|draft| draft.rules_answered(&[0], &reply));
        report.served(reply.status.as_u16(), 1, 0);
        Ok(Reply { decided: true, ..reply })
    }

    /// Changes those of the rules that may become what the request makes of them.
    pub(super) async fn update_rules(
        &self,
        caller: &Caller,
        body: &[u8],
        passage: &Passage<'_>,
    ) -> Result<Reply, Denied> {
        let operation = Operation::BatchUpdateAutomationRules;
        administrator_only(operation, caller)?;
        let request = UpdateRules::parse(body).map_err(|error| ApiError::invalid_input(error.to_string()))?;
        let mut report = Report::new(self, operation, caller, passage);
        self.counts.findings(operation, request.rules.len());
        let rules = request.rules.iter();
        let decide = || {
            rules
                .map(|rule| {
                    let write = |out: &mut Vec<u8>| rule.write_json(out);
                    self.decide_rule(caller, rule.update.as_ref(), operation, (&rule.arn, write), &mut report)
                })
                .collect()
        };
        let decisions: Vec<RuleDecision<'_>> = passage.deciding(request.rules.len(), decide);
        let (rules, denied) = match RulesPlan::new(&request, &decisions, passage.id.as_str()) {
            RulesPlan::Forward { rules, denied } => (rules, denied),
            RulesPlan::Refuse { message } => return Err(Denied::decided(ApiError::access_denied(message))),
        };
        let denials = denied.len();
        let reply = if rules.is_empty() {
            Reply::decided(merge_rules(&request, &[], denied, AnsweredRules::default()).body)
        } else {
            let mut body = Vec::new();
            request.write_json(rules.iter().copied(), &mut body);
            let asked = self.ask(caller, operation, (None, body.into()), passage).await;
            let reply = asked.inspect_err(|error| passage.record(|draft| draft.rules_failed(&rules, error)));
            let reply = reply.map_err(Denied::decided)?;
            passage.record(|draft| draft.rules_answered(&rules, &reply));
            if reply.status == StatusCode::OK && !denied.is_empty() {
                let merged = merged(&request, &rules, denied, &reply, passage);
                Reply::decided(merged.map_err(|error| {
                    failed::tell(passage, operation, error.status, &error.message);
                    Denied::decided(error)
                })?)
            } else {
                Reply { decided: true, ..reply }
            }
        };
        report.served(reply.status.as_u16(), request.rules.len(), denials);
        Ok(reply)
    }

    fn decide_rule<'u>(
        &self,
        caller: &Caller,
        update: Option<&'u Update<'u>>,
        operation: Operation,
        (name, write): (&str, impl FnOnce(&mut Vec<u8>)),
        report: &mut Report<'_>,
    ) -> RuleDecision<'u> {
        let decided = RuleDecision::of(&mut *self.engine.borrow_mut(), caller, update, operation, report.passage.now());
        report.passage.record(|draft| {
            let mut asked = Vec::new();
            write(&mut asked);
            draft.rule(name, &asked, &decided);
        });
        match &decided.decision {
            Some(decision) => report.of_decision(|_| name, decision),
            None => report.of_undecided(decided.enforcement),
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
    passage: &Passage<'_>,
) -> Result<Vec<u8>, ApiError> {
    let answer: AnsweredRules = serde_json::from_slice(&reply.body).map_err(|error| {
        let unreadable = Failed::unreadable(Operation::BatchUpdateAutomationRules, &error);
        ApiError::bad_upstream(unreadable.message)
    })?;
    let MergedRules { body, not_asked, not_answered } = merge_rules(request, forwarded, denied, answer);
    if not_asked + not_answered > 0 {
        AnswerDoubtful { request_id: passage.id.as_str(), not_asked, not_answered }.emit();
    }
    Ok(body)
}

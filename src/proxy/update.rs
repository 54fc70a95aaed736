//! Updates: decided by the gate, forwarded group by group. BatchUpdateFindings as a whole, and what BatchUpdateFindingsV2 has in
//! common with it.

use super::{
    RequestId,
    handler::{Denied, Gate, Reply},
    lookup,
};
use crate::{
    finding::{
        ApiError, BatchUpdate, Caller, Operation,
        outcome::{UpstreamError, bare},
    },
    gate::{Asked, Decision, Fate, Findings, Group, GroupAnswer, Knowledge, Merged, Plan, Wire, decide, merge},
    policy::{Answer as PolicyAnswer, Reason},
    telemetry::events::{AnswerDoubtful, PolicyFailed, RequestServed, ShadowDiffers, UpstreamFailed},
    upstream::{Answer, Call, Failure, Upstream},
};
use bytes::Bytes;
use jiff::Timestamp;
use std::{ops::Range, time::Instant};
use tokio::task::JoinSet;

type Outcome = Result<Answer, Failure>;

/// A group's request, and where in it the identifiers stand.
struct Sent {
    body: Bytes,
    identifiers: Range<usize>,
}

impl Gate {
    pub(super) async fn batch_update_findings(
        &self,
        caller: &Caller,
        body: &[u8],
        id: &RequestId,
    ) -> Result<Reply, Denied> {
        let began = Instant::now();
        let request = BatchUpdate::parse(body).map_err(|error| ApiError::invalid_input(error.to_string()))?;
        let now = Timestamp::now();
        let decide =
            |knowledge| decide(&mut *self.engine.borrow_mut(), caller, Asked::of_update(&request, now), knowledge);
        let findings = Findings::Asff(&request.identifiers);
        let first = decide(self.before_look_up());
        let looked_up = self.look_up(caller, findings, &first, id).await;
        let known = lookup::known(&looked_up);
        let decision = if known.is_empty() { first } else { decide(Knowledge::OfEach(&known)) };
        self.carry_out(caller, &request, findings, &decision, began, id).await
    }

    /// Does what was decided, and tells it.
    pub(super) async fn carry_out<W: Wire>(
        &self,
        caller: &Caller,
        request: &W,
        findings: Findings<'_>,
        decision: &Decision<'_>,
        began: Instant,
        id: &RequestId,
    ) -> Result<Reply, Denied> {
        report(caller, |place| request.name(place), decision, id);
        let groups = match Plan::new(request, decision, id.as_str()) {
            Plan::Forward { groups } => groups,
            Plan::Refuse { message } => return Err(Denied::decided(ApiError::access_denied(message))),
        };

        let sent: Vec<Sent> = groups.iter().map(|group| write(request, group)).collect();
        let outcomes = self.forward(W::OPERATION, caller, &sent).await;
        let forwarded = groups.iter().flat_map(|group| &group.findings);
        self.changed(forwarded.filter_map(|place| findings.identifier(*place)));
        let answers: Vec<GroupAnswer<W::Answer<'_>>> = outcomes
            .iter()
            .zip(&sent)
            .map(|(outcome, sent)| read::<W>(outcome, &sent.body[sent.identifiers.clone()]))
            .collect();
        for answer in &answers {
            if let GroupAnswer::Failed { status, message, .. } = answer {
                let status = Some(*status);
                let (request_id, operation) = (id.as_str(), W::OPERATION.name());
                UpstreamFailed { request_id, operation, status, reason: message, elapsed: began.elapsed() }.emit();
            }
        }

        let denied = decision
            .fates
            .iter()
            .filter(|fate| !matches!(fate, Fate::Ruled(ruling) if ruling.enforcement.is_none()))
            .count();
        let reply = if let ([Ok(answer)], [GroupAnswer::AllProcessed], 0) = (&*outcomes, &*answers, denied) {
            // Byte for byte the answer that would be written here.
            Reply::decided(answer.body.clone())
        } else {
            match merge(request, decision, &groups, answers, id.as_str()) {
                Merged::Body { body, not_asked, not_answered } => {
                    if not_asked + not_answered > 0 {
                        AnswerDoubtful { request_id: id.as_str(), not_asked, not_answered }.emit();
                    }
                    Reply::decided(body)
                }
                Merged::PassFailure(at) => match outcomes.into_iter().nth(at) {
                    Some(Ok(answer)) => pass_failure::<W>(answer).map_err(Denied::decided)?,
                    Some(Err(failure)) => return Err(Denied::decided(failure.to_api_error())),
                    None => return Err(Denied::decided(ApiError::internal("no group failed"))),
                },
            }
        };
        RequestServed {
            request_id: id.as_str(),
            account: caller.account.as_str(),
            principal: &caller.principal,
            operation: W::OPERATION.name(),
            status: reply.status.as_u16(),
            findings: decision.fates.len(),
            denied,
            elapsed: began.elapsed(),
        }
        .emit();
        Ok(reply)
    }

    /// Makes the calls, several at once where there are several.
    async fn forward(&self, operation: Operation, caller: &Caller, sent: &[Sent]) -> Vec<Outcome> {
        let call = |sent: &Sent| Call { operation, account: caller.account, query: None, body: sent.body.clone() };
        if let [only] = sent {
            return vec![self.upstream.call(call(only)).await];
        }
        let spawn = |running: &mut JoinSet<(usize, Outcome)>, at: usize| {
            let (upstream, call) = (self.upstream.clone(), call(&sent[at]));
            running.spawn_local(async move { (at, Upstream::call(&upstream, call).await) });
        };
        let mut running = JoinSet::new();
        let mut next = 0;
        let mut outcomes: Vec<Option<Outcome>> = sent.iter().map(|_| None).collect();
        loop {
            while next < sent.len() && running.len() < self.settings.concurrency.max(1) {
                spawn(&mut running, next);
                next += 1;
            }
            match running.join_next().await {
                Some(Ok((at, outcome))) => outcomes[at] = Some(outcome),
                Some(Err(_)) => {}
                None => break,
            }
        }
        let lost = || Failure::Broken {
            host: "in this process".to_owned(),
            reason: "the call ended without an answer".to_owned(),
        };
        outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(|| Err(lost()))).collect()
    }
}

fn write(request: &impl Wire, group: &Group) -> Sent {
    let mut body = Vec::with_capacity(512 + 256 * group.findings.len());
    let identifiers = request.write_request(&group.findings, group.fields, &mut body);
    Sent { body: body.into(), identifiers }
}

/// What an outcome says of a group's findings.
fn read<'a, W: Wire>(outcome: &'a Outcome, identifiers: &[u8]) -> GroupAnswer<W::Answer<'a>> {
    let answer = match outcome {
        Ok(answer) => answer,
        Err(failure) => {
            let ApiError { status, code, message } = failure.to_api_error();
            return GroupAnswer::Failed { status, code: Some(code.to_owned()), message };
        }
    };
    match answer.status {
        200 if W::is_all_processed(&answer.body, identifiers) => GroupAnswer::AllProcessed,
        200 => match serde_json::from_slice(&answer.body) {
            Ok(listed) => GroupAnswer::Listed(listed),
            Err(error) => GroupAnswer::Failed {
                status: 502,
                code: None,
                message: format!(
                    "the findings backend answered 200 with a body that is no {} response ({error}); whether it made the \
                     changes is not known",
                    W::OPERATION
                ),
            },
        },
        status @ 400.. => {
            let said = UpstreamError::parse(&answer.body).unwrap_or_default();
            GroupAnswer::Failed {
                status,
                code: answer.error_type.as_deref().map(|kind| bare(kind).to_owned()).or(said.code),
                message: said.message.unwrap_or_else(|| format!("the findings backend answered with status {status}")),
            }
        }
        status => GroupAnswer::Failed {
            status: 502,
            code: None,
            message: format!(
                "the findings backend answered with status {status}, which Security Hub's API does not have"
            ),
        },
    }
}

/// A call that failed as a whole, as the backend said it.
fn pass_failure<W: Wire>(answer: Answer) -> Result<Reply, ApiError> {
    if answer.status < 400 {
        let GroupAnswer::Failed { message, .. } = read::<W>(&Ok(answer), &[]) else {
            return Err(ApiError::internal("a failure that is none"));
        };
        return Err(ApiError::bad_upstream(message));
    }
    let mut reply = Reply::passed(answer, W::OPERATION)?;
    reply.decided = true;
    Ok(reply)
}

/// Logs what the policies said that somebody should know of. `name` is what the finding at a place is called.
pub(super) fn report<'n>(caller: &Caller, name: impl Fn(usize) -> &'n str, decision: &Decision<'_>, id: &RequestId) {
    let mut reported: Vec<*const crate::gate::Ruling<'_>> = Vec::new();
    for (place, fate) in decision.fates.iter().enumerate() {
        let Fate::Ruled(ruling) = fate else { continue };
        if reported.contains(&std::rc::Rc::as_ptr(ruling)) {
            continue;
        }
        reported.push(std::rc::Rc::as_ptr(ruling));
        for (change, verdict) in ruling.asked(&decision.changes) {
            if let PolicyAnswer::Denied(denial) = &verdict.enforced
                && denial.reason == Reason::PolicyError
            {
                PolicyFailed {
                    request_id: id.as_str(),
                    action: change.action().as_str(),
                    reason: &denial.policies.join(", "),
                }
                .emit();
            }
            if let Some(shadow) = &verdict.shadow {
                ShadowDiffers {
                    request_id: id.as_str(),
                    account: caller.account.as_str(),
                    principal: &caller.principal,
                    finding: name(place),
                    action: change.action().as_str(),
                    enforced: &said(&verdict.enforced),
                    shadow: &said(shadow),
                }
                .emit();
            }
        }
    }
}

/// `allowed by a, b` or `strip by c`, for a log line.
fn said(answer: &PolicyAnswer) -> String {
    match answer {
        PolicyAnswer::Allowed { by } => format!("allowed by {}", by.join(", ")),
        PolicyAnswer::Denied(denial) if denial.policies.is_empty() => {
            format!("{} ({})", denial.enforcement, denial.reason)
        }
        PolicyAnswer::Denied(denial) => format!("{} by {}", denial.enforcement, denial.policies.join(", ")),
    }
}

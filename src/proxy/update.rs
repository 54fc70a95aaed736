//! BatchUpdateFindings: decided by the gate, forwarded group by group.

use super::{
    RequestId,
    handler::{Denied, Gate, Reply},
    lookup,
};
use crate::{
    finding::{
        ApiError, BatchUpdate, Caller, Operation,
        outcome::{UpstreamError, bare, is_all_processed},
    },
    gate::{Asked, Decision, Fate, Group, GroupAnswer, Knowledge, Merged, Plan, decide, merge},
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
        let looked_up;
        let known;
        let decision = if self.settings.states.is_none() {
            decide(Knowledge::Never)
        } else {
            let first = decide(Knowledge::OfEach(&[]));
            let open = first.depends_on_state(caller, &request.identifiers);
            if open.is_empty() {
                first
            } else {
                looked_up = self.look_up(caller, &request.identifiers, &open, id).await;
                known = lookup::known(&looked_up);
                decide(Knowledge::OfEach(&known))
            }
        };
        report(caller, &request, &decision, id);
        let groups = match Plan::new(&request.identifiers, &decision, id.as_str()) {
            Plan::Forward { groups } => groups,
            Plan::Refuse { message } => return Err(Denied::decided(ApiError::access_denied(message))),
        };

        let sent: Vec<Sent> = groups.iter().map(|group| write(&request, group)).collect();
        let outcomes = self.forward(caller, &sent).await;
        self.changed(groups.iter().flat_map(|group| &group.findings).map(|place| &request.identifiers[*place]));
        let answers: Vec<GroupAnswer<'_>> = outcomes
            .iter()
            .zip(&sent)
            .map(|(outcome, sent)| read(outcome, &sent.body[sent.identifiers.clone()]))
            .collect();
        for answer in &answers {
            if let GroupAnswer::Failed { status, message, .. } = answer {
                let status = Some(*status);
                let (request_id, operation) = (id.as_str(), Operation::BatchUpdateFindings.name());
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
            match merge(&request, &decision, &groups, answers, id.as_str()) {
                Merged::Body { body, not_asked, not_answered } => {
                    if not_asked + not_answered > 0 {
                        AnswerDoubtful { request_id: id.as_str(), not_asked, not_answered }.emit();
                    }
                    Reply::decided(body)
                }
                Merged::PassFailure(at) => match outcomes.into_iter().nth(at) {
                    Some(Ok(answer)) => pass_failure(answer).map_err(Denied::decided)?,
                    Some(Err(failure)) => return Err(Denied::decided(failure.to_api_error())),
                    None => return Err(Denied::decided(ApiError::internal("no group failed"))),
                },
            }
        };
        RequestServed {
            request_id: id.as_str(),
            account: caller.account.as_str(),
            principal: &caller.principal,
            operation: Operation::BatchUpdateFindings.name(),
            status: reply.status.as_u16(),
            findings: request.identifiers.len(),
            denied,
            elapsed: began.elapsed(),
        }
        .emit();
        Ok(reply)
    }

    /// Makes the calls, several at once where there are several.
    async fn forward(&self, caller: &Caller, sent: &[Sent]) -> Vec<Outcome> {
        let call = |sent: &Sent| Call {
            operation: Operation::BatchUpdateFindings,
            account: caller.account,
            query: None,
            body: sent.body.clone(),
        };
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

fn write(request: &BatchUpdate<'_>, group: &Group) -> Sent {
    let mut body = Vec::with_capacity(512 + 256 * group.findings.len());
    let identifiers = request.write_json(group.findings.iter().copied(), group.fields, &mut body);
    Sent { body: body.into(), identifiers }
}

/// What an outcome says of a group's findings.
fn read<'a>(outcome: &'a Outcome, identifiers: &[u8]) -> GroupAnswer<'a> {
    let answer = match outcome {
        Ok(answer) => answer,
        Err(failure) => {
            let ApiError { status, code, message } = failure.to_api_error();
            return GroupAnswer::Failed { status, code: Some(code.to_owned()), message };
        }
    };
    match answer.status {
        200 if is_all_processed(&answer.body, identifiers) => GroupAnswer::AllProcessed,
        200 => match serde_json::from_slice(&answer.body) {
            Ok(listed) => GroupAnswer::Listed(listed),
            Err(error) => GroupAnswer::Failed {
                status: 502,
                code: None,
                message: format!(
                    "the findings backend answered 200 with a body that is no BatchUpdateFindings response ({error}); \
                     whether it made the changes is not known"
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
fn pass_failure(answer: Answer) -> Result<Reply, ApiError> {
    if answer.status < 400 {
        let GroupAnswer::Failed { message, .. } = read(&Ok(answer), &[]) else {
            return Err(ApiError::internal("a failure that is none"));
        };
        return Err(ApiError::bad_upstream(message));
    }
    let mut reply = Reply::passed(answer)?;
    reply.decided = true;
    Ok(reply)
}

/// Logs what the policies said that somebody should know of.
fn report(caller: &Caller, request: &BatchUpdate<'_>, decision: &Decision<'_>, id: &RequestId) {
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
                    finding: &request.identifiers[place].id,
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

//! Updates: decided by the gate, forwarded group by group. BatchUpdateFindings as a whole, and what BatchUpdateFindingsV2 has in
//! common with it.

use super::{
    Passage,
    failed::{self, Failed, Outcome},
    handler::{Denied, Gate, Reply},
    lookup::{self, LookedUp},
    passage::Leg,
    record::{self, Recorded},
    report::Report,
};
use crate::{
    finding::{ApiError, BatchUpdate, Caller, Operation},
    gate::{Asked, Decision, Fate, Findings, Group, GroupAnswer, Knowledge, Merged, Plan, Wire, decide, merge},
    telemetry::events::AnswerDoubtful,
    upstream::{Failure, Upstream},
};
use bytes::Bytes;
use std::{ops::Range, pin::pin};
use tokio::task::JoinSet;

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
        passage: &Passage<'_>,
    ) -> Result<Reply, Denied> {
        let request = BatchUpdate::parse(body).map_err(|error| ApiError::invalid_input(error.to_string()))?;
        let decide = |knowledge| {
            decide(&mut *self.engine.borrow_mut(), caller, Asked::of_update(&request, passage.now()), knowledge)
        };
        let findings = Findings::Asff(&request.identifiers);
        let named = request.identifiers.len();
        let first = passage.deciding(named, || decide(self.before_look_up()));
        let looked_up = self.look_up(caller, findings, &first.depends_on_state(caller, findings), passage).await;
        let known = lookup::known(&looked_up);
        let decision =
            if known.is_empty() { first } else { passage.deciding(named, || decide(Knowledge::OfEach(&known))) };
        self.carry_out(caller, &request, findings, (&decision, &looked_up), passage).await
    }

    /// Does what was decided, and tells it.
    pub(super) async fn carry_out<W: Wire + Recorded>(
        &self,
        caller: &Caller,
        request: &W,
        findings: Findings<'_>,
        (decision, looked_up): (&Decision<'_>, &LookedUp),
        passage: &Passage<'_>,
    ) -> Result<Reply, Denied> {
        let mut report = Report::new(self, W::OPERATION, caller, passage);
        self.counts.findings(W::OPERATION, decision.fates.len());
        report.of_decision(|place| request.name(place), decision);
        passage.record(|draft| draft.updated(request, |place| request.name(place), findings, decision, looked_up));
        let groups = match Plan::new(request, decision, passage.id.as_str()) {
            Plan::Forward { groups } => groups,
            Plan::Refuse { message } => return Err(Denied::decided(ApiError::access_denied(message))),
        };

        self.counts.groups(W::OPERATION, groups.len());
        let sent: Vec<Sent> = groups.iter().map(|group| write(request, group)).collect();
        let outcomes = passage.waiting(pin!(self.forward(W::OPERATION, caller, &sent, passage))).await;
        let forwarded = groups.iter().flat_map(|group| &group.findings);
        self.changed(caller, forwarded.filter_map(|place| findings.identifier(*place)));
        passage.record(|draft| draft.called(record::groups(&groups), &outcomes));
        let answers: Vec<GroupAnswer<W::Answer<'_>>> = outcomes
            .iter()
            .zip(&sent)
            .map(|(outcome, sent)| read::<W>(outcome, &sent.body[sent.identifiers.clone()]))
            .collect();
        for (answer, outcome) in answers.iter().zip(&outcomes) {
            if let GroupAnswer::Failed { status, message, .. } = answer
                && !failed::is_own(outcome)
            {
                failed::tell(passage, W::OPERATION, *status, message);
            }
        }

        let denied = decision
            .fates
            .iter()
            .filter(|fate| !matches!(fate, Fate::Ruled(ruling) if ruling.enforcement.is_none()))
            .count();
        let reply = if let ([Ok(answer)], [GroupAnswer::AllProcessed], 0) = (&*outcomes, &*answers, denied) {
            // Byte for byte the answer that would be written here.
            passage.record(record::Draft::all_processed);
            Reply::decided(answer.body.clone())
        } else {
            match merge(request, decision, &groups, answers, passage.id.as_str()) {
                Merged::Body { body, not_asked, not_answered, fared } => {
                    passage.record(|draft| draft.fared(&fared));
                    if not_asked + not_answered > 0 {
                        AnswerDoubtful { request_id: passage.id.as_str(), not_asked, not_answered }.emit();
                    }
                    Reply::decided(body)
                }
                Merged::PassFailure(at) => {
                    let at = failed::most_doubtful(&outcomes).unwrap_or(at);
                    let code = outcomes.get(at).and_then(Failed::of).and_then(|failed| failed.code);
                    let forwarded = groups.iter().flat_map(|group| &group.findings).copied();
                    passage.record(|draft| draft.failed(forwarded, code.as_deref()));
                    match outcomes.into_iter().nth(at) {
                        Some(outcome) => pass_failure::<W>(outcome).map_err(Denied::decided)?,
                        None => return Err(Denied::decided(ApiError::internal("no group failed"))),
                    }
                }
            }
        };
        report.served(reply.status.as_u16(), decision.fates.len(), denied);
        Ok(reply)
    }

    /// Makes the calls, several at once where there are several.
    async fn forward(
        &self,
        operation: Operation,
        caller: &Caller,
        sent: &[Sent],
        passage: &Passage<'_>,
    ) -> Vec<Outcome> {
        let call = |sent: &Sent| passage.call(operation, caller, None, sent.body.clone());
        let upstream = &self.routes.of(caller).upstream;
        if let [only] = sent {
            let (call, leg) = call(only);
            let outcome = upstream.call(call).await;
            passage.called(leg.map(Leg::over).as_ref(), &outcome);
            return vec![outcome];
        }
        let spawn = |running: &mut JoinSet<(usize, Outcome, Option<Leg>)>, at: usize| {
            let (upstream, (call, leg)) = (upstream.clone(), call(&sent[at]));
            running.spawn_local(async move {
                let outcome = Upstream::call(&upstream, call).await;
                (at, outcome, leg.map(Leg::over))
            });
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
                Some(Ok((at, outcome, leg))) => {
                    passage.called(leg.as_ref(), &outcome);
                    outcomes[at] = Some(outcome);
                }
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
    if let Some(Failed { status, code, message }) = Failed::of(outcome) {
        return GroupAnswer::Failed { status, code, message };
    }
    let body = outcome.as_ref().map_or(&[][..], |answer| &answer.body);
    if W::is_all_processed(body, identifiers) {
        return GroupAnswer::AllProcessed;
    }
    match serde_json::from_slice(body) {
        Ok(listed) => GroupAnswer::Listed(listed),
        Err(error) => {
            let Failed { status, code, message } = Failed::unreadable(W::OPERATION, &error);
            GroupAnswer::Failed { status, code, message }
        }
    }
}

/// A call that failed as a whole, as the backend said it.
fn pass_failure<W: Wire>(outcome: Outcome) -> Result<Reply, ApiError> {
    let GroupAnswer::Failed { message, .. } = read::<W>(&outcome, &[]) else {
        return Err(ApiError::internal("a failure that is none"));
    };
    failed::pass(outcome, W::OPERATION, message)
}

//! BatchImportFindings: each finding decided by the gate, what is left forwarded in one call.

use super::{
    Passage,
    failed::{self, Failed, Outcome},
    handler::{Denied, Gate, Reply},
    lookup,
    passage::Leg,
    report::Report,
};
use crate::{
    finding::{ApiError, BatchImport, Caller, FieldSet, Operation, UpstreamImportAnswer},
    gate::{Findings, ImportPlan, Knowledge, MergedImport, decide_import, merge_import, own_account},
    telemetry::events::AnswerDoubtful,
};
use std::pin::pin;

const OPERATION: Operation = Operation::BatchImportFindings;

impl Gate {
    pub(super) async fn batch_import_findings(
        &self,
        caller: &Caller,
        body: &[u8],
        passage: &Passage<'_>,
    ) -> Result<Reply, Denied> {
        let request = BatchImport::parse(body).map_err(|error| ApiError::invalid_input(error.to_string()))?;
        own_account(caller, &request)?;
        let decide =
            |knowledge| decide_import(&mut *self.engine.borrow_mut(), caller, &request, passage.now(), knowledge);
        let findings = Findings::Asff(&request.identifiers);
        let named = request.identifiers.len();
        let first = passage.deciding(named, || decide(self.before_look_up()));
        let looked_up = self.look_up(caller, findings, &first.depends_on_state(), passage).await;
        let known = lookup::known(&looked_up);
        let decision =
            if known.is_empty() { first } else { passage.deciding(named, || decide(Knowledge::OfEach(&known))) };
        let mut report = Report::new(self, OPERATION, caller, passage);
        self.counts.findings(OPERATION, decision.fates.len());
        report.of_import(&request, &decision);
        passage.record(|draft| draft.imported(&request, &decision, &looked_up));
        let findings = match ImportPlan::new(&request, &decision, passage.id.as_str()) {
            ImportPlan::Forward { findings } => findings,
            ImportPlan::Refuse { message } => return Err(Denied::decided(ApiError::access_denied(message))),
        };

        self.counts.groups(OPERATION, usize::from(!findings.is_empty()));
        let outcome = passage.waiting(pin!(self.import(caller, &request, &findings, passage))).await;
        if let Some(outcome) = &outcome {
            let call = std::iter::once((FieldSet::EMPTY, findings.len()));
            passage.record(|draft| draft.called(call, std::slice::from_ref(outcome)));
        }
        let reply = match outcome.as_ref().map(read).transpose() {
            Ok(answer) => {
                let MergedImport { body, not_asked, not_answered, failed } =
                    merge_import(&request, &decision, &findings, answer, passage.id.as_str());
                passage.record(|draft| draft.import_fared(&findings, &failed));
                if not_asked > 0 || not_answered > 0 {
                    AnswerDoubtful { request_id: passage.id.as_str(), not_asked, not_answered }.emit();
                }
                Reply::decided(body)
            }
            Err(Failed { status, message, code }) => {
                let forwarded = findings.iter().map(|(place, _)| *place);
                passage.record(|draft| draft.failed(forwarded, code.as_deref()));
                if !outcome.as_ref().is_some_and(failed::is_own) {
                    failed::tell(passage, OPERATION, status, &message);
                }
                let passed = outcome.map_or_else(
                    || Err(ApiError::internal("no call failed")),
                    |outcome| failed::pass(outcome, OPERATION, message),
                );
                passed.map_err(Denied::decided)?
            }
        };
        let denied = decision.fates.iter().filter(|fate| !fate.is_whole()).count();
        report.served(reply.status.as_u16(), decision.fates.len(), denied);
        Ok(reply)
    }

    /// Forwards these findings, if there are any.
    async fn import(
        &self,
        caller: &Caller,
        request: &BatchImport,
        findings: &[(usize, FieldSet)],
        passage: &Passage<'_>,
    ) -> Option<Outcome> {
        if findings.is_empty() {
            return None;
        }
        let body = request.to_json(findings).into();
        let (call, leg) = passage.call(OPERATION, caller, None, body);
        let outcome = self.routes.of(caller).upstream.call(call).await;
        passage.called(leg.map(Leg::over).as_ref(), &outcome);
        self.changed(caller, findings.iter().map(|(place, _)| &request.identifiers[*place]));
        Some(outcome)
    }
}

/// What upstream said of the findings, or why the call failed as a whole.
fn read(outcome: &Outcome) -> Result<UpstreamImportAnswer, Failed> {
    if let Some(failed) = Failed::of(outcome) {
        return Err(failed);
    }
    let body = outcome.as_ref().map_or(&[][..], |answer| &answer.body);
    serde_json::from_slice(body).map_err(|error| Failed::unreadable(OPERATION, &error))
}

//! BatchUpdateFindingsV2: asked in terms of ASFF, forwarded in those of OCSF.

use super::{
    RequestId,
    handler::{Denied, Gate, Reply},
    lookup::{self, tell},
    report::Report,
};
use crate::{
    finding::{ApiError, BatchUpdateV2, Caller, FindingsV2, Identifier, Operation, Text},
    gate::{Asked, Findings, Knowledge, Named, decide},
    state::Resolved,
};
use std::time::Instant;

impl Gate {
    pub(super) async fn batch_update_findings_v2(&self, body: &[u8], report: &mut Report<'_>) -> Result<Reply, Denied> {
        let (caller, id, now) = (report.caller, report.id, report.now);
        let began = Instant::now();
        let request = BatchUpdateV2::parse(body).map_err(|error| ApiError::invalid_input(error.to_string()))?;
        let named = match &request.findings {
            FindingsV2::Identifiers(identifiers) => identifiers.iter().map(Named::of).collect(),
            FindingsV2::MetadataUids(uids) => self.resolve(caller, uids, id).await,
        };
        let note = request.update.note(&caller.principal);
        let decide = |knowledge| {
            let asked = Asked::of_update_v2(&request, &named, note.as_ref(), now);
            decide(&mut *self.engine.borrow_mut(), caller, asked, knowledge)
        };
        let findings = Findings::Ocsf { names: &request.findings, named: &named };
        let first = decide(self.before_look_up());
        let looked_up = self.look_up(caller, findings, &first.depends_on_state(caller, findings), id).await;
        let known = lookup::known(&looked_up);
        let decision = if known.is_empty() { first } else { decide(Knowledge::OfEach(&known)) };
        self.carry_out(&request, findings, (&decision, &looked_up), began, report).await
    }

    /// Finds out which findings uids name. A uid says nothing of the owner, so nobody can be asked about it before.
    async fn resolve(&self, caller: &Caller, uids: &[Text<'_>], id: &RequestId) -> Vec<Named<'static>> {
        let Some((fleet, states)) = self.states_for(caller) else { return vec![Named::Unresolved; uids.len()] };
        let uids: Vec<&str> = uids.iter().map(Text::as_str).collect();
        let resolved = states.resolve(caller, &uids, self.ask_as(fleet, caller, Operation::GetFindingsV2)).await;
        tell(caller, resolved.iter().filter_map(Resolved::unavailable), id);
        let named = |resolved: &Resolved| match resolved {
            Resolved::Known(finding) => {
                Named::Finding { account: finding.account, identifier: Identifier::to_owned(&finding.identifier) }
            }
            Resolved::Missing => Named::Missing,
            Resolved::Unavailable(_) => Named::Unresolved,
        };
        resolved.iter().map(named).collect()
    }
}

//! BatchUpdateFindingsV2: asked in terms of ASFF, forwarded in those of OCSF.

use super::{
    Passage,
    handler::{Denied, Gate, Reply},
    lookup::{self, tell},
};
use crate::{
    finding::{ApiError, BatchUpdateV2, Caller, FindingsV2, Identifier, Operation, Text},
    gate::{Asked, Findings, Knowledge, Named, decide},
    state::Resolved,
    telemetry::metrics::LookUp,
};
use std::{pin::pin, time::Instant};

impl Gate {
    pub(super) async fn batch_update_findings_v2(
        &self,
        caller: &Caller,
        body: &[u8],
        passage: &Passage<'_>,
    ) -> Result<Reply, Denied> {
        let request = BatchUpdateV2::parse(body).map_err(|error| ApiError::invalid_input(error.to_string()))?;
        let named = match &request.findings {
            FindingsV2::Identifiers(identifiers) => identifiers.iter().map(Named::of).collect(),
            FindingsV2::MetadataUids(uids) => self.resolve(caller, uids, passage).await,
        };
        let note = request.update.note(&caller.principal);
        let decide = |knowledge| {
            let asked = Asked::of_update_v2(&request, &named, note.as_ref(), passage.now());
            decide(&mut *self.engine.borrow_mut(), caller, asked, knowledge)
        };
        let findings = Findings::Ocsf { names: &request.findings, named: &named };
        let first = passage.deciding(named.len(), || decide(self.before_look_up()));
        let looked_up = self.look_up(caller, findings, &first.depends_on_state(caller, findings), passage).await;
        let known = lookup::known(&looked_up);
        let decision =
            if known.is_empty() { first } else { passage.deciding(named.len(), || decide(Knowledge::OfEach(&known))) };
        self.carry_out(caller, &request, findings, (&decision, &looked_up), passage).await
    }

    /// Finds out which findings uids name. A uid says nothing of the owner, so nobody can be asked about it before.
    async fn resolve(&self, caller: &Caller, uids: &[Text<'_>], passage: &Passage<'_>) -> Vec<Named<'static>> {
        let Some((fleet, states)) = self.states_for(caller) else { return vec![Named::Unresolved; uids.len()] };
        let uids: Vec<&str> = uids.iter().map(Text::as_str).collect();
        let counts = &self.routes.of(caller).counts;
        let (began, since) = (Instant::now(), passage.instant());
        let resolving = pin!(states.resolve(caller, &uids, self.ask_as(fleet, caller, Operation::GetFindingsV2)));
        let resolved = passage.waiting(resolving).await;
        counts.waited_for_look_up(began.elapsed());
        passage.looked_up(uids.len(), since);
        for resolved in &resolved {
            counts.looked_up(match resolved {
                Resolved::Known(_) => LookUp::Found,
                Resolved::Missing => LookUp::Missing,
                Resolved::Unavailable(why) => LookUp::from(why),
            });
        }
        tell(caller, resolved.iter().filter_map(Resolved::unavailable), passage);
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

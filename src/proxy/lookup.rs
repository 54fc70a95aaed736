//! Findings as they are now, for the decisions that depend on it.

use super::{Passage, handler::Gate};
use crate::{
    finding::{AccountId, Accounts, Caller, Identifier, Operation, Role, outcome::UpstreamError},
    gate::{Findings, Knowledge, Known},
    state::{CallError, Found, States, Unavailable},
    telemetry::{events::StateUnavailable, metrics::LookUp},
    upstream::{Answer, Call, Failure, OnBehalf, Upstream},
};
use bytes::Bytes;
use std::{pin::pin, sync::Arc};
use tokio::time::Instant;

/// What the API says when a quota is used up: the modelled name, what really comes, and that of the newer operations.
const THROTTLED: [&str; 3] = ["LimitExceededException", "TooManyRequestsException", "ThrottlingException"];

/// What was found out about each finding of a request, in its order; nothing where nobody asked. Empty if nobody asked at all.
pub(super) type LookedUp = Vec<Option<Found>>;

/// What is known of each finding, for a decision.
pub(super) fn known(looked_up: &LookedUp) -> Vec<Known<'_>> {
    looked_up
        .iter()
        .map(|found| match found {
            Some(Found::Known(state)) => Known::State(state),
            Some(Found::Missing) => Known::Missing,
            Some(Found::Unavailable(_)) | None => Known::Nothing,
        })
        .collect()
}

impl Gate {
    /// What is known of findings before any is looked up.
    pub(super) fn before_look_up(&self) -> Knowledge<'static> {
        if self.routes.look_up() { Knowledge::OfEach(&[]) } else { Knowledge::Never }
    }

    /// Looks up those of a request's findings, by their places, about which may be decided otherwise once they are known, unless they
    /// are known already. Those that cannot be had stay unknown, which denies what depends on them; whoever runs the gate hears why.
    pub(super) async fn look_up(
        &self,
        caller: &Caller,
        findings: Findings<'_>,
        places: &[usize],
        passage: &Passage<'_>,
    ) -> LookedUp {
        if places.is_empty() {
            return Vec::new();
        }
        let Some((fleet, states)) = self.states_for(caller) else { return Vec::new() };
        let (accounts, counts) = (self.settings.snapshot.accounts(), &self.routes.of(caller).counts);
        let mut looked_up: LookedUp = vec![None; findings.len()];
        let (mut missing, mut asked) = (Vec::with_capacity(places.len()), Vec::with_capacity(places.len()));
        for &place in places {
            let Some(identifier) = findings.identifier(place) else { continue };
            if let Some(state) = states.cached(identifier).filter(|state| caller.sees(state.account, accounts)) {
                counts.looked_up(LookUp::Cached);
                looked_up[place] = Some(Found::Known(state));
            } else {
                missing.push(place);
                asked.push(identifier);
            }
        }
        if missing.is_empty() {
            return looked_up;
        }
        let (began, since) = (Instant::now(), passage.instant());
        let ask = self.ask_as(fleet, caller, Operation::GetFindings);
        let found = passage.waiting(pin!(states.look_up(caller, &asked, ask))).await;
        counts.waited_for_look_up(began.elapsed());
        passage.looked_up(asked.len(), since);
        for ((place, identifier), found) in missing.into_iter().zip(asked).zip(found) {
            counts.looked_up(came_to(&found));
            looked_up[place] = Some(as_seen_by(caller, identifier, found, accounts));
        }
        tell(caller, looked_up.iter().flatten().filter_map(Found::unavailable), passage);
        looked_up
    }

    /// The caller's fleet, by its administrator, and what looks its findings up in the Region that the caller is in; nothing where
    /// findings are not looked up.
    pub(super) fn states_for(&self, caller: &Caller) -> Option<(AccountId, Arc<States>)> {
        let states = self.routes.of(caller).states.as_ref()?;
        let fleet = self.settings.snapshot.accounts().fleet_of(caller.account)?;
        Some((fleet, states.of(fleet)))
    }

    /// The way to the backend for look-ups by this operation, in the Region that this caller is in. A call may carry what other
    /// callers of the fleet asked for, so all of them are made for the one who sees all of it: its administrator.
    pub(super) fn ask_as(
        &self,
        administrator: AccountId,
        caller: &Caller,
        operation: Operation,
    ) -> impl AsyncFn(Bytes, Instant) -> Result<Bytes, CallError> + 'static {
        look_up_by(operation, self.routes.of(caller).upstream.clone(), administrator)
    }

    /// The findings were changed by this caller, or may have been. They are of its fleet: what others know stays as it is.
    pub(super) fn changed<'a>(&self, caller: &Caller, identifiers: impl IntoIterator<Item = &'a Identifier<'a>>) {
        if let Some((_, states)) = self.states_for(caller) {
            states.invalidate(identifiers);
        }
    }
}

/// What a look-up is counted as.
fn came_to(found: &Found) -> LookUp {
    match found.unavailable() {
        Some(why) => LookUp::from(why),
        None if matches!(found, Found::Missing) => LookUp::Missing,
        None => LookUp::Found,
    }
}

impl From<&Unavailable> for LookUp {
    fn from(why: &Unavailable) -> Self {
        match why {
            Unavailable::Deadline => Self::Deadline,
            Unavailable::Busy => Self::Busy,
            Unavailable::Throttled(_) => Self::Throttled,
            Unavailable::Failed(_) => Self::Failed,
            Unavailable::NotUnderstood(_) | Unavailable::Odd { .. } => Self::NotUnderstood,
            Unavailable::Ambiguous { .. } => Self::Ambiguous,
        }
    }
}

/// What was found, for a caller: that several other accounts have a finding of a name is for a member as if there were none.
/// (Where one has, the gate sees to that.) What another fleet has is for everybody as if there were none: of a backend that tells an
/// administrator of it all the same, that is not believed.
fn as_seen_by(caller: &Caller, identifier: &Identifier<'_>, found: Found, accounts: &Accounts) -> Found {
    let is_member = caller.role == Role::Member && identifier.owner().is_none();
    match found {
        Found::Known(state) if accounts.are_apart(caller.account, state.account) => Found::Missing,
        Found::Unavailable(why) if is_member && why.is_of_others(caller.account) => Found::Missing,
        found => found,
    }
}

fn look_up_by(
    operation: Operation,
    upstream: Upstream,
    account: AccountId,
) -> impl AsyncFn(Bytes, Instant) -> Result<Bytes, CallError> + 'static {
    async move |body, by| {
        let call = Call { operation, account, on_behalf: OnBehalf::gate(), query: None, body, trace: None };
        match upstream.call_for_gate(call, by).await {
            Ok(answer) if answer.status == 200 => Ok(answer.body),
            Ok(answer) => Err(refused(&answer)),
            Err(failure @ (Failure::OverQuota { .. } | Failure::RoleThrottled { .. })) => {
                Err(CallError::Throttled(failure.to_string()))
            }
            Err(failure) => Err(CallError::Failed(failure.to_string())),
        }
    }
}

/// What the backend says instead of an answer.
fn refused(answer: &Answer) -> CallError {
    let UpstreamError { code, message } = answer.error();
    let code = code.unwrap_or_else(|| format!("status {}", answer.status));
    let told = message.map_or_else(|| code.clone(), |message| format!("{code}: {message}"));
    if answer.status == 429 || THROTTLED.contains(&&*code) {
        CallError::Throttled(told)
    } else {
        CallError::Failed(format!("the findings backend refused a look-up: {told}"))
    }
}

/// Logs why findings could not be looked up, each reason once.
pub(super) fn tell<'f>(caller: &Caller, unavailable: impl Iterator<Item = &'f Unavailable>, passage: &Passage<'_>) {
    let mut reasons: Vec<(&Unavailable, usize)> = Vec::new();
    for why in unavailable {
        match reasons.iter_mut().find(|(reason, _)| *reason == why) {
            Some((_, count)) => *count += 1,
            None => reasons.push((why, 1)),
        }
    }
    for (reason, findings) in reasons {
        let (account, reason) = (caller.account.as_str(), &*reason.to_string());
        StateUnavailable { request_id: passage.id.as_str(), account, findings, reason }.emit();
    }
}

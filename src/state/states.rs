//! Who asks for findings, who makes the calls, and who is told.

use super::{
    CallError, Found, Unavailable,
    cache::Cache,
    call::{self, BATCH},
    pending::{Answered, Pending, Room, Ticket},
    uids::{Resolved, Uids},
};
use crate::{
    finding::{AccountId, Caller, Identifier, MAX_IDENTIFIERS, State},
    upstream::pace::Bucket,
};
use bytes::Bytes;
use std::{
    convert::Infallible,
    fmt, mem,
    num::NonZeroU32,
    rc::Rc,
    sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    select,
    sync::{Mutex, Notify},
    task::spawn_local,
    time::{Instant, sleep_until, timeout_at},
};

/// How many accounts with a full line there is room for.
const LINES: usize = 8;
/// The longest line of an account, however large the quota is.
const LONGEST_LINE: usize = 4096;

/// How findings are looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateSettings {
    /// How long a finding is kept, from the moment at which the call that brought it went out. Zero: not at all.
    pub max_age: Duration,
    /// How many findings of up to 4 KiB are kept; a larger one counts as several.
    pub entries: usize,
    /// How long a request waits for its findings in all, and how long a call with all its pages may take.
    pub deadline: Duration,
    /// GetFindings calls a second, and as many of GetFindingsV2 again. AWS grants an account 3 of the one in each Region, and
    /// more of the other.
    pub rate: NonZeroU32,
    /// GetFindings calls at once, after a time without any, and as many of GetFindingsV2 again. AWS grants 6 of the one.
    pub burst: NonZeroU32,
}

impl Default for StateSettings {
    /// What holds where the configuration says nothing: AWS's quota, and findings kept for half a minute.
    fn default() -> Self {
        let (rate, burst) = (NonZeroU32::MIN.saturating_add(2), NonZeroU32::MIN.saturating_add(5));
        Self { max_age: Duration::from_secs(30), entries: 20_000, deadline: Duration::from_secs(2), rate, burst }
    }
}

/// Findings of one fleet as they are now. One for all workers of a gate.
///
/// Look-ups that wait for the quota go out together, up to 20 in a call, one from each waiting account in turn, as far as they may
/// go together. Nobody looks a
/// finding up that is being looked up: whoever asks waits for that answer. One of those who wait holds the *seat*: it waits for the
/// quota on behalf of all, and starts the calls on its own worker, with its own way to the backend. A call outlives the request
/// that started it. If its worker ends first, its look-ups wait again and whoever holds the seat then takes them.
///
/// Bounds in memory: see [the module](super).
pub struct States {
    settings: StateSettings,
    cache: Cache,
    /// INVARIANT: the cache is written only while this is held, so that an answer is kept, or a finding forgotten, at one moment
    /// for look-ups and cache alike.
    pending: StdMutex<Pending>,
    /// Held by the one who starts the calls.
    seat: Mutex<()>,
    /// Told to the holder of the seat when there is something to look up.
    arrived: Notify,
    uids: Uids,
}

impl States {
    /// Nothing is known yet, and the quota is unused.
    pub fn new(settings: StateSettings) -> Self {
        let bucket = Bucket::new(settings.rate, settings.burst, Instant::now());
        Self {
            settings,
            cache: Cache::new(settings.entries, settings.max_age),
            pending: StdMutex::new(Pending::new(bucket, room(&settings))),
            seat: Mutex::new(()),
            arrived: Notify::new(),
            uids: Uids::new(settings.rate, settings.burst, settings.deadline),
        }
    }

    /// The finding as it was at most `max_age` ago, if that is known. Whether a caller may know it, [`Caller::sees`] tells.
    pub fn cached(&self, identifier: &Identifier<'_>) -> Option<Arc<State>> {
        self.cache.get(identifier, Instant::now())
    }

    /// How many findings are kept.
    pub fn kept(&self) -> usize {
        self.cache.len()
    }

    /// Finds each of the findings, in their order, and takes no longer than the deadline for it. What has not come by then is
    /// [`Unavailable::Deadline`]; the rest is there.
    ///
    /// `caller` is on whose behalf: each account that waits has its turn, however much another one asks for. What is kept of a
    /// finding that the caller may not see is not used: a finding that is not there is asked for each time, and one that answers
    /// sooner would show that there is one.
    ///
    /// `get_findings` sends the body of a GetFindings request and answers with the body of a 200, or fails, by the moment that it is
    /// given. What one request asks for is
    /// told to all, so it **must ask as the same account for everybody**: as the administrator of the callers' fleet, who sees all findings
    /// of it. It is
    /// called for others' findings, too, and after this future has ended. A request for *n* findings of one product adds at most
    /// ⌈*n* / 20⌉ calls to what the gate asks; of *n* products, as many as ⌈*n* / 10⌉, or ⌈*n* / 5⌉ while other accounts wait. Further
    /// pages of an answer come on top, where findings are so large that the backend cuts its pages short.
    ///
    /// # Panics
    ///
    /// Outside of a [`LocalRuntime`](tokio::runtime::LocalRuntime), on which the calls run (or a [`LocalSet`](tokio::task::LocalSet)).
    pub async fn look_up<F>(
        self: &Arc<Self>,
        caller: &Caller,
        identifiers: &[&Identifier<'_>],
        get_findings: F,
    ) -> Vec<Found>
    where
        F: AsyncFn(Bytes, Instant) -> Result<Bytes, CallError> + 'static,
    {
        let until = Instant::now() + self.settings.deadline;
        let asked = self.ask(caller, identifiers, until);
        select! {
            biased;
            () = asked.answered() => {}
            () = sleep_until(until) => {}
            never = self.start_calls(Rc::new(get_findings)) => match never {},
        }
        asked.found()
    }

    /// Finds out which finding each `metadata.uid` names, in their order, and takes no longer than the deadline for it.
    ///
    /// `caller` is on whose behalf, as for [`States::look_up`]. `get_findings_v2` sends the body of a GetFindingsV2 request and
    /// answers with the body of a 200; it must ask as the administrator, too, as what was found out is told to all. The calls, of
    /// up to 20 uids each, count against a quota of their own of the same [`rate`](StateSettings::rate) and
    /// [`burst`](StateSettings::burst).
    pub async fn resolve<F>(&self, caller: &Caller, uids: &[&str], get_findings_v2: F) -> Vec<Resolved>
    where
        F: AsyncFn(Bytes, Instant) -> Result<Bytes, CallError>,
    {
        self.uids.resolve(caller, uids, &get_findings_v2).await
    }

    /// The findings were changed, or may have been: what is known of them is forgotten, and what is being looked up is told only
    /// to those who asked before.
    ///
    /// To be called when the backend has answered an update or import, whatever it answered, and when it has failed to: only
    /// then is certain that a look-up from now on shows the change.
    pub fn invalidate<'a>(&self, identifiers: impl IntoIterator<Item = &'a Identifier<'a>>) {
        let mut pending = self.pending();
        if pending.is_empty() && self.cache.is_empty() {
            return;
        }
        for identifier in identifiers {
            pending.orphan(identifier);
            self.cache.remove(identifier);
        }
    }

    pub(super) fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Joins the look-ups that are pending, and begins others.
    fn ask(&self, caller: &Caller, identifiers: &[&Identifier<'_>], until: Instant) -> Asked<'_> {
        let account = caller.account;
        let mut pending = self.pending();
        let now = Instant::now();
        let in_time = pending.bucket.ready(now) < until;
        let mut begun = false;
        let mut findings = Vec::with_capacity(identifiers.len());
        for identifier in identifiers {
            let kept = self.cache.get(identifier, now).filter(|state| caller.sees_in_fleet(state.account));
            findings.push(if let Some(state) = kept {
                Asking::Told(Found::Known(state))
            } else if let Some((ticket, answered)) = pending.join(account, identifier) {
                Asking::Waits(ticket, answered)
            } else if in_time && let Some((ticket, answered)) = pending.begin(account, identifier) {
                begun = true;
                Asking::Waits(ticket, answered)
            } else {
                Asking::Told(Unavailable::Busy.into())
            });
        }
        drop(pending);
        if begun {
            self.arrived.notify_one();
        }
        Asked { states: self, account, findings }
    }

    /// Takes the seat, and starts calls for everybody until it is dropped.
    async fn start_calls<F>(self: &Arc<Self>, get_findings: Rc<F>) -> Infallible
    where
        F: AsyncFn(Bytes, Instant) -> Result<Bytes, CallError> + 'static,
    {
        let _seat = self.seat.lock().await;
        loop {
            let batch = self.next_batch().await;
            let get_findings = Rc::clone(&get_findings);
            spawn_local(async move { batch.carry_out(&*get_findings).await });
        }
    }

    /// Waits until there is something to look up and the quota has a call for it.
    async fn next_batch(self: &Arc<Self>) -> Batch {
        loop {
            let ready = {
                let mut pending = self.pending();
                let now = Instant::now();
                if !pending.has_waiting() {
                    None
                } else if let Err(ready) = pending.bucket.take(now) {
                    Some(ready)
                } else {
                    let (tickets, names) = pending.take(BATCH).into_iter().unzip();
                    return Batch { states: Arc::clone(self), sent: now, tickets, names };
                }
            };
            match ready {
                None => self.arrived.notified().await,
                Some(ready) => sleep_until(ready).await,
            }
        }
    }
}

/// One account may have as much waiting as the quota could answer within the deadline: more would wait in vain. One request must
/// fit in any case.
fn room(settings: &StateSettings) -> Room {
    let millis = usize::try_from(settings.deadline.as_millis()).unwrap_or(usize::MAX);
    let meanwhile = millis.saturating_mul(settings.rate.get() as usize) / 1000;
    let answered = meanwhile.saturating_add(settings.burst.get() as usize).saturating_mul(BATCH);
    let line = answered.clamp(MAX_IDENTIFIERS, LONGEST_LINE);
    Room { line, all: line * LINES }
}

impl fmt::Debug for States {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.cache.len();
        f.debug_struct("States").field("settings", &self.settings).field("kept", &kept).finish_non_exhaustive()
    }
}

/// What a request asked for.
struct Asked<'s> {
    states: &'s States,
    account: AccountId,
    findings: Vec<Asking>,
}

enum Asking {
    Told(Found),
    Waits(Ticket, Answered),
}

impl Asked<'_> {
    /// Waits for all answers.
    async fn answered(&self) {
        for asking in &self.findings {
            if let Asking::Waits(_, answered) = asking {
                answered.wait().await;
            }
        }
    }

    /// The answers that are there.
    fn found(&self) -> Vec<Found> {
        let found = |asking: &Asking| match asking {
            Asking::Told(found) => found.clone(),
            Asking::Waits(_, answered) => answered.get().cloned().unwrap_or_else(|| Unavailable::Deadline.into()),
        };
        self.findings.iter().map(found).collect()
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        let mut pending = None;
        for asking in &self.findings {
            if let Asking::Waits(ticket, answered) = asking
                && !answered.initialized()
            {
                pending.get_or_insert_with(|| self.states.pending()).leave(self.account, *ticket);
            }
        }
    }
}

/// Look-ups that go out in one call. Dropped before they are answered, they wait again.
struct Batch {
    states: Arc<States>,
    /// The answer may be as old as this.
    sent: Instant,
    tickets: Vec<Ticket>,
    names: Vec<Arc<Identifier<'static>>>,
}

impl Batch {
    async fn carry_out<F>(mut self, get_findings: &F)
    where
        F: AsyncFn(Bytes, Instant) -> Result<Bytes, CallError>,
    {
        let latest = self.sent + self.states.settings.deadline;
        // The call is over by then by itself, and is polled first. This is for one that does not keep to it.
        let asked = timeout_at(latest, call::ask(&self.states, &self.names, latest, get_findings)).await;
        let found = asked
            .unwrap_or(Err(Unavailable::Deadline))
            .unwrap_or_else(|why| vec![Found::Unavailable(why); self.names.len()]);
        self.tell(found);
    }

    fn tell(&mut self, found: Vec<Found>) {
        let (tickets, names) = (mem::take(&mut self.tickets), mem::take(&mut self.names));
        let mut pending = self.states.pending();
        for ((ticket, name), found) in tickets.into_iter().zip(names).zip(found) {
            let known = if let Found::Known(state) = &found { Some(Arc::clone(state)) } else { None };
            if pending.finish(ticket, found)
                && let Some(state) = known
            {
                self.states.cache.insert(name, state, self.sent, Instant::now());
            }
        }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        if self.tickets.is_empty() {
            return;
        }
        let mut pending = self.states.pending();
        for ticket in &self.tickets {
            pending.put_back(*ticket);
        }
        drop(pending);
        self.states.arrived.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_room_fits_the_quota_within_bounds() {
        let room = |rate, burst, seconds| {
            let [rate, burst] = [rate, burst].map(|number| NonZeroU32::new(number).unwrap());
            let deadline = Duration::from_secs(seconds);
            room(&StateSettings { max_age: Duration::ZERO, entries: 100, deadline, rate, burst })
        };
        assert_eq!(room(3, 6, 2), Room { line: 240, all: 1920 });
        assert_eq!(room(1, 1, 1), Room { line: 100, all: 800 });
        assert_eq!(room(u32::MAX, u32::MAX, u64::MAX / 1000), Room { line: 4096, all: 32_768 });
    }
}

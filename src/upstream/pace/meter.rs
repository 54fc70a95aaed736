//! One quota: its bucket, and those who wait for it.

use super::{
    bucket::Bucket,
    turns::{Lane, Ticket, Turns},
};
use std::{
    convert::Infallible,
    future,
    sync::{Mutex as StdMutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    select,
    sync::Mutex,
    time::{Instant, sleep_until},
};

/// The quota of one account for one operation. Shared by all workers.
///
/// A call goes out at once while the bucket has one and nobody waits. Else it waits in its account's line ([`Turns`]). One of those
/// who wait holds the *seat*: it sleeps until the bucket has the next call, and gives it to whoever's turn it is. Whoever holds the
/// seat lets go of it when it stops waiting, for whatever reason, and the next one takes it: so nobody's turn is lost with a
/// worker that ends or a request that is given up.
#[derive(Debug)]
pub(super) struct Meter {
    state: StdMutex<State>,
    seat: Mutex<()>,
}

#[derive(Debug)]
struct State {
    bucket: Bucket,
    turns: Turns,
}

/// How a call got its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// It did not wait.
    AtOnce,
    /// It waited.
    Waited,
}

/// A call got no turn: it would come too late, or its account has its share waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLate {
    /// How long it would have to wait from now on, as far as can be told.
    pub(super) wait: Duration,
    /// Whether it stood in its line until it was too late.
    pub(super) joined: bool,
}

impl State {
    /// Gives what the bucket has to those whose turn it is.
    fn serve(&mut self, now: Instant) {
        while !self.turns.is_empty() && self.bucket.take(now).is_ok() {
            let Some(ticket) = self.turns.next() else { return };
            // Fails only if it was set before, which nobody else does.
            let _ = ticket.set(());
        }
    }

    /// When one that came now would have its turn.
    fn turn_of(&self, lane: Lane, now: Instant) -> Instant {
        let before = u32::try_from(self.turns.before(lane)).unwrap_or(u32::MAX);
        self.bucket.ready_after(now, before)
    }
}

impl Meter {
    pub(super) fn new(bucket: Bucket) -> Self {
        let state = State { bucket, turns: Turns::default() };
        Self { state: StdMutex::new(state), seat: Mutex::default() }
    }

    /// Waits for a turn, until `latest` at the most. Who cannot have one by then is told so at once, and so is an account that has
    /// `longest` calls waiting already.
    ///
    /// A turn that was given to a call whose future is dropped before it learns of it is lost. (To give it back could exceed the
    /// quota: the bucket may have filled up since.)
    pub(super) async fn turn(&self, lane: Lane, longest: usize, latest: Instant) -> Result<Turn, TooLate> {
        let now = Instant::now();
        let ticket = {
            let mut state = self.lock();
            state.serve(now);
            if state.turns.is_empty() && state.bucket.take(now).is_ok() {
                return Ok(Turn::AtOnce);
            }
            let at = state.turn_of(lane, now);
            if at >= latest || state.turns.line(lane) >= longest {
                return Err(TooLate { wait: at - now, joined: false });
            }
            state.turns.join(lane)
        };
        let waiting = Waiting { meter: self, lane, ticket };
        select! {
            biased;
            () = waiting.served() => Ok(Turn::Waited),
            () = sleep_until(latest) => {
                drop(waiting);
                let now = Instant::now();
                Err(TooLate { wait: self.lock().turn_of(lane, now) - now, joined: true })
            }
            never = self.serve() => match never {},
        }
    }

    /// Takes the seat, and serves everybody until it is dropped.
    async fn serve(&self) -> Infallible {
        let _seat = self.seat.lock().await;
        loop {
            let ready = {
                let mut state = self.lock();
                let now = Instant::now();
                state.serve(now);
                (!state.turns.is_empty()).then(|| state.bucket.ready(now))
            };
            match ready {
                Some(ready) => sleep_until(ready).await,
                // Everybody was served, the one who holds the seat included: it is about to let go of it.
                None => future::pending().await,
            }
        }
    }

    /// The backend said of a call that went out at `sent` whether the quota is used up.
    pub(super) fn answered(&self, sent: Instant, throttled: bool) {
        let mut state = self.lock();
        if throttled {
            state.bucket.refused(sent, Instant::now());
        } else {
            state.bucket.accepted(sent);
        }
    }

    /// Whether a new one would be the same.
    pub(super) fn is_fresh(&self, now: Instant) -> bool {
        let state = self.lock();
        state.turns.is_empty() && state.bucket.is_fresh(now)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in a line. It is given up when this is dropped.
struct Waiting<'m> {
    meter: &'m Meter,
    lane: Lane,
    ticket: Ticket,
}

impl Waiting<'_> {
    async fn served(&self) {
        self.ticket.wait().await;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.ticket.initialized() {
            self.meter.lock().turns.leave(self.lane, &self.ticket);
        }
    }
}

//! What a worker still has under way, which is what a stop has to wait for.

use super::{DrainReport, connection::State};
use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::{Rc, Weak},
};
use tokio::sync::{Notify, futures::Notified};

/// What a worker has to wait for before it may end.
pub(super) struct Tally {
    connections: Cell<usize>,
    /// What those do that are served already.
    states: RefCell<HashMap<u64, Weak<State>>>,
    next_number: Cell<u64>,
    requests: Cell<u64>,
    finished: Cell<u64>,
    announced: Cell<bool>,
    stopping: Cell<bool>,
    over: Cell<bool>,
    stop: Notify,
    done: Notify,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self {
            connections: Cell::new(0),
            states: RefCell::default(),
            next_number: Cell::new(0),
            requests: Cell::new(0),
            finished: Cell::new(0),
            announced: Cell::new(false),
            stopping: Cell::new(false),
            over: Cell::new(false),
            stop: Notify::new(),
            done: Notify::new(),
        }
    }

    /// A request begins.
    pub(super) fn begin(&self) {
        self.requests.set(self.requests.get() + 1);
    }

    /// A request ends, with an answer or without.
    pub(super) fn end(&self, answered: bool) {
        self.requests.set(self.requests.get() - 1);
        if self.stopping.get() {
            self.finished.set(self.finished.get() + u64::from(answered));
            self.done.notify_one();
        }
    }

    /// Answers close their connections from here on, where the protocol can do that.
    pub(super) fn announce_stop(&self) {
        self.announced.set(true);
    }

    /// Whether a stop was announced, or has begun.
    pub(super) fn leaving(&self) -> bool {
        self.announced.get()
    }

    /// Tells every connection that the worker stops.
    pub(super) fn begin_stop(&self) {
        self.announced.set(true);
        self.stopping.set(true);
        self.stop.notify_waiters();
    }

    /// Nothing is carried on from here: what is still under way is cut.
    pub(super) fn end_work(&self) {
        self.over.set(true);
    }

    /// Whether what is under way is cut.
    pub(super) fn is_over(&self) -> bool {
        self.over.get()
    }

    /// Whether the worker stops.
    pub(super) fn stopping(&self) -> bool {
        self.stopping.get()
    }

    /// Ready when the worker begins to stop after this call.
    pub(super) fn stop(&self) -> Notified<'_> {
        self.stop.notified()
    }

    /// Lets so many connections go that have been idle the longest, if they are: somebody else needs their places.
    pub(super) fn make_room(&self, count: usize) {
        let states = self.states.borrow();
        let idle = states.values().filter_map(Weak::upgrade).filter_map(|state| Some((state.idle_until()?, state)));
        let mut idle: Vec<_> = idle.collect();
        idle.sort_unstable_by_key(|(until, _)| *until);
        idle.iter().take(count).for_each(|(_, state)| state.leave_soon());
    }

    /// What a stop came to so far.
    pub(super) fn report(&self) -> DrainReport {
        DrainReport { finished: self.finished.get(), cut: self.requests.get() }
    }

    /// Waits until no connection and no request is left.
    pub(super) async fn all_done(&self) {
        while self.connections.get() > 0 || self.requests.get() > 0 {
            self.done.notified().await;
        }
    }
}

/// One open connection, for the tally.
pub(super) struct Open {
    tally: Rc<Tally>,
    number: u64,
}

impl Open {
    pub(super) fn new(tally: &Rc<Tally>) -> Self {
        tally.connections.set(tally.connections.get() + 1);
        let number = tally.next_number.get();
        tally.next_number.set(number + 1);
        Self { tally: Rc::clone(tally), number }
    }

    /// It is served, and this is what it does.
    pub(super) fn does(&self, state: &Rc<State>) {
        self.tally.states.borrow_mut().insert(self.number, Rc::downgrade(state));
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.tally.states.borrow_mut().remove(&self.number);
        self.tally.connections.set(self.tally.connections.get() - 1);
        self.tally.done.notify_one();
    }
}

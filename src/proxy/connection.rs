//! One connection from accept to close: what it is doing, until when it may, and how it leaves at a stop.
//!
//! A connection has one timer, and a request neither makes nor moves it. The connection's [`State`] says what it is doing; when
//! the timer fires, it is looked at how long that may go on, and the timer is set again for the rest. Only a
//! deadline that is nearer than the timer moves it: a head that does not arrive in one piece.

use super::{
    Limits,
    portion::Portion,
    socket::{Protocol, Socket},
    tally::Tally,
};
use crate::upstream::bell::{Bell, Listener};
use hyper::{
    body::Incoming,
    rt::{Read, Write},
    server::conn::{http1, http2},
    service::HttpService,
};
use std::{
    cell::Cell,
    error::Error,
    future::poll_fn,
    pin::{Pin, pin},
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Wake as _},
    time::Duration,
};
use tokio::time::{Instant, Sleep};

/// Time that a client has to close its end after the gate has closed its own.
const LINGER: Duration = Duration::from_secs(2);

/// Time that a connection may take to end once it was asked to: for an HTTP/2 client, to answer the ping that goes with
/// GOAWAY.
const CLOSING: Duration = Duration::from_secs(5);

/// At a stop, time for a new connection to say what it came for.
const OPENING_AT_STOP: Duration = Duration::from_secs(1);

/// Time for a request that is on its way into an idle connection to arrive, before the gate closes it of its own accord. What the
/// kernel already has shows without it, since tokio looks at its sockets before it wakes the worker.
const LAST_LOOK: Duration = Duration::from_millis(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No request yet.
    Opening,
    /// The last request is answered, the next has not begun. HTTP/2 stays here while a head arrives: its client may send other
    /// frames at any time, and they must not make the connection last.
    Idle,
    /// HTTP/1.1: some of the next head is there.
    Head,
    /// A request is being read or answered, which has its own limits.
    Busy,
    /// Our end is closed, the client's is not.
    Lingering,
}

/// What a connection is doing. Shared by the connection, its socket and its requests, all on one thread.
pub(super) struct State {
    tally: Rc<Tally>,
    protocol: Cell<Protocol>,
    phase: Cell<Phase>,
    /// When the phase must be over; nothing until somebody asks, so that a phase that passes at once costs no look at the
    /// clock.
    deadline: Cell<Option<Instant>>,
    in_flight: Cell<u32>,
    portion: Portion,
    closing: Cell<bool>,
    /// Whether the kernel does not take what was written.
    unsent: Cell<bool>,
    lingers: Cell<bool>,
    /// What hyper is given for a waker.
    bell: Arc<Bell>,
}

impl State {
    pub(super) fn new(tally: Rc<Tally>, opened: Instant, limits: &Limits) -> Self {
        Self {
            tally,
            protocol: Cell::new(Protocol::Http1),
            phase: Cell::new(Phase::Opening),
            deadline: Cell::new(Some(opened + limits.head_timeout)),
            in_flight: Cell::new(0),
            portion: Portion::default(),
            closing: Cell::new(false),
            unsent: Cell::new(false),
            lingers: Cell::new(true),
            bell: Arc::default(),
        }
    }

    /// The bell that the connection is driven by.
    pub(super) fn bell(&self) -> Arc<Bell> {
        Arc::clone(&self.bell)
    }

    /// What the connection has of the room.
    pub(super) fn portion(&self) -> &Portion {
        &self.portion
    }

    fn enter(&self, phase: Phase) {
        self.phase.set(phase);
        self.deadline.set(None);
    }

    /// Something came in.
    pub(super) fn heard(&self) {
        if self.phase.get() == Phase::Idle && self.protocol.get() == Protocol::Http1 {
            self.enter(Phase::Head);
        }
    }

    /// What was written is on its way, or the client has to take some of it first.
    pub(super) fn flushes(&self, unsent: bool) {
        self.unsent.set(unsent);
    }

    /// Our end of the stream is closed.
    pub(super) fn finished(&self) {
        self.enter(Phase::Lingering);
    }

    /// Whether what the client still sends is worth reading.
    pub(super) fn lingers(&self) -> bool {
        self.lingers.get()
    }

    /// How many requests of this connection are without an answer.
    pub(super) fn in_flight(&self) -> u32 {
        self.in_flight.get()
    }

    fn idle(&self) -> bool {
        self.phase.get() == Phase::Idle
    }

    /// Until when it may idle. Nothing if it does not, because its client is still taking an answer, say, or is about to close anyway.
    pub(super) fn idle_until(&self) -> Option<Instant> {
        let deadline = self.deadline.get().filter(|_| self.idle() && !self.closing.get())?;
        let untaken = self.unsent.get() || self.portion.untaken_since().is_some();
        (deadline > Instant::now() + LAST_LOOK && !untaken).then_some(deadline)
    }

    /// It is closed, unless a request comes now.
    pub(super) fn leave_soon(&self) {
        self.deadline.set(Some(Instant::now() + LAST_LOOK));
        self.bell.wake_by_ref();
    }

    /// When what it does must be over. Further requests buy no time for an answer that is there to be taken.
    fn deadline(&self, limits: &Limits) -> Option<Instant> {
        let untaken = self.portion.untaken_since().map(|since| since + limits.idle_timeout);
        match (self.phase_deadline(limits), untaken) {
            (Some(phase), Some(untaken)) => Some(phase.min(untaken)),
            (phase, untaken) => phase.or(untaken),
        }
    }

    fn phase_deadline(&self, limits: &Limits) -> Option<Instant> {
        if self.deadline.get().is_none() {
            let allowed = match self.phase.get() {
                Phase::Busy => return None,
                Phase::Opening | Phase::Head => limits.head_timeout,
                Phase::Idle if self.closing.get() => CLOSING.min(limits.idle_timeout),
                Phase::Idle => limits.idle_timeout,
                Phase::Lingering => LINGER,
            };
            self.deadline.set(Some(Instant::now() + allowed));
        }
        self.deadline.get()
    }
}

/// One request, from its head to its answer.
pub(super) struct InFlight {
    state: Rc<State>,
    answered: bool,
}

impl InFlight {
    pub(super) fn begin(state: &Rc<State>) -> Self {
        state.in_flight.set(state.in_flight.get() + 1);
        state.enter(Phase::Busy);
        state.tally.begin();
        Self { state: Rc::clone(state), answered: false }
    }

    /// The answer is there, and goes to the client from here.
    pub(super) fn answered(mut self) {
        self.answered = true;
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let left = self.state.in_flight.get() - 1;
        self.state.in_flight.set(left);
        if left == 0 && self.state.phase.get() == Phase::Busy {
            self.state.enter(Phase::Idle);
        }
        self.state.tally.end(self.answered);
    }
}

/// What HTTP/1.1 and HTTP/2 connections have in common.
pub(super) trait Closable: Future {
    /// Takes no further request, and ends when the ones under way are answered.
    fn close(self: Pin<&mut Self>);
}

impl<I, S, B> Closable for http1::Connection<I, S>
where
    S: HttpService<Incoming, ResBody = B>,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    I: Read + Write + Unpin,
    B: hyper::body::Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    fn close(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<I, S, B, E> Closable for http2::Connection<I, S, E>
where
    S: HttpService<Incoming, ResBody = B>,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    I: Read + Write + Unpin,
    B: hyper::body::Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
    E: hyper::rt::bounds::Http2ServerConnExec<S::Future, B>,
{
    fn close(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// The limits that a connection is held to while hyper drives it.
pub(super) struct Watch<'a> {
    pub(super) state: Rc<State>,
    pub(super) limits: &'a Limits,
    pub(super) timer: Pin<&'a mut Sleep>,
}

impl Watch<'_> {
    /// Waits until the caller has shaken hands. Nothing when it takes too long.
    pub(super) async fn handshake<T>(&mut self, handshake: impl Future<Output = T>) -> Option<T> {
        let mut handshake = pin!(handshake);
        self.opening(|cx| handshake.as_mut().poll(cx)).await
    }

    /// Waits for the first bytes. Nothing when the client says too little for too long, or goes away.
    pub(super) async fn protocol(&mut self, socket: &mut Socket) -> Option<Protocol> {
        let protocol = self.opening(|cx| socket.poll_protocol(cx)).await?.ok()?;
        self.state.protocol.set(protocol);
        Some(protocol)
    }

    /// What must be done before the first request, within the time for that.
    async fn opening<T>(&mut self, mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Option<T> {
        let tally = Rc::clone(&self.state.tally);
        let mut stop = pin!(tally.stop());
        let mut stopping = false;
        poll_fn(|cx| {
            if let Poll::Ready(done) = poll(cx) {
                return Poll::Ready(Some(done));
            }
            if !stopping && (tally.stopping() || stop.as_mut().poll(cx).is_ready()) {
                stopping = true;
                let soon = Instant::now() + OPENING_AT_STOP;
                if soon < self.timer.deadline() {
                    self.timer.as_mut().reset(soon);
                }
            }
            self.timer.as_mut().poll(cx).map(|()| None)
        })
        .await
    }

    /// Drives the connection to its end, or to the end of its time.
    pub(super) async fn drive(&mut self, connection: impl Closable) {
        let mut connection = pin!(connection);
        let tally = Rc::clone(&self.state.tally);
        let mut stop = pin!(tally.stop());
        let mut stopping = false;
        let mut listener = Listener::new(self.state.bell());
        poll_fn(|cx| {
            loop {
                if listener.listen(cx, |inside| connection.as_mut().poll(inside)).is_ready() {
                    return Poll::Ready(());
                }
                if !stopping && (tally.stopping() || stop.as_mut().poll(cx).is_ready()) {
                    stopping = true;
                    self.look_once_more();
                }
                if stopping && self.may_close() {
                    self.close(connection.as_mut());
                    continue;
                }
                if self.poll_deadline(cx).is_pending() {
                    return Poll::Pending;
                }
                if self.state.closing.get() || !self.state.idle() {
                    return Poll::Ready(());
                }
                self.close(connection.as_mut());
            }
        })
        .await;
    }

    /// At a stop an idle HTTP/1.1 connection is closed, but a request may be in it already that was not read yet. HTTP/2
    /// needs no such care: GOAWAY settles with the client which requests count.
    fn look_once_more(&self) {
        if self.state.idle() && self.state.protocol.get() == Protocol::Http1 {
            self.state.deadline.set(Some(Instant::now() + LAST_LOOK));
        }
    }

    /// Whether the connection can be told to close now.
    fn may_close(&self) -> bool {
        if self.state.closing.get() {
            return false;
        }
        match (self.state.protocol.get(), self.state.phase.get()) {
            // hyper would throw a part of a head away. Its answer will close the connection (`Shared::answer_http1`).
            (Protocol::Http1, Phase::Opening | Phase::Head) | (_, Phase::Lingering) => false,
            // A deadline that is gone says that a request came and went since that last look.
            (Protocol::Http1, Phase::Idle) => self.state.deadline.get().is_none(),
            (Protocol::Http1, Phase::Busy) | (Protocol::Http2, _) => true,
        }
    }

    fn close(&self, connection: Pin<&mut impl Closable>) {
        self.state.closing.set(true);
        if self.state.idle() {
            self.state.deadline.set(None);
            // Nothing was sent that the client could lose, so there is nothing to wait for.
            self.state.lingers.set(self.state.protocol.get() == Protocol::Http2);
        }
        connection.close();
    }

    /// Ready when the phase that the connection is in has lasted too long.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(deadline) = self.state.deadline(self.limits)
            && deadline < self.timer.deadline()
        {
            self.timer.as_mut().reset(deadline);
        }
        while self.timer.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            match self.state.deadline(self.limits) {
                Some(deadline) if deadline <= now => return Poll::Ready(()),
                Some(deadline) => self.timer.as_mut().reset(deadline),
                None => self.timer.as_mut().reset(now + self.limits.head_timeout),
            }
        }
        Poll::Pending
    }
}

//! Room for requests: how many are under way, how many bytes their bodies take, and who waits until there is some.
//!
//! One connection has a quarter of it at most.
//!
//! What does not fit in waits, in order, for a short while; when too many wait already, or it has waited long enough, it is turned away.
//! That costs next to nothing: its body is not read and nobody is asked who sent it. So a gate that gets more than it can do goes on
//! doing what it can, in memory that has a bound.

use super::{
    Limits,
    portion::{Portion, Share},
};
use crate::{
    finding::ApiError,
    telemetry::{
        events::RequestsShed,
        metrics::{LoadMetrics, Shed},
    },
};
use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use hyper::body::Body;
use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};
use tokio::{sync::oneshot, time::timeout};

/// Of requests that are turned away there is a line in the log this often.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// After so long SDKs may try again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Answers up to this length are not counted while they wait to be taken: there is room for them in a socket's buffer.
const SMALL: usize = 1024;

/// The room that all workers share. Clones are one.
#[derive(Clone)]
pub(super) struct Room(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    metrics: Arc<LoadMetrics>,
    told: Mutex<Told>,
}

/// How much room there is.
struct Bounds {
    requests: usize,
    bodies: usize,
    share: Share,
    queue: usize,
    wait: Duration,
}

impl Bounds {
    fn of(limits: &Limits) -> Self {
        Self {
            requests: limits.requests,
            bodies: limits.bodies,
            share: Share::of(limits.requests, limits.bodies, limits.body),
            queue: limits.queue,
            wait: limits.queue_wait,
        }
    }
}

struct State {
    bounds: Bounds,
    /// Under way.
    requests: usize,
    /// Of their bodies, and of answers that were not taken yet.
    bytes: usize,
    waiting: VecDeque<Waiting>,
    next_number: u64,
}

/// A request that waits for its turn.
struct Waiting {
    number: u64,
    bytes: usize,
    portion: Portion,
    turn: oneshot::Sender<Taken>,
}

/// What of the turned away is in the log.
#[derive(Default)]
struct Told {
    last: Option<Instant>,
    untold: u64,
}

impl Room {
    pub(super) fn new(limits: &Limits, metrics: Arc<LoadMetrics>) -> Self {
        let bounds = Bounds::of(limits);
        let state = State { bounds, requests: 0, bytes: 0, waiting: VecDeque::new(), next_number: 0 };
        Self(Arc::new(Shared { state: Mutex::new(state), metrics, told: Mutex::default() }))
    }

    /// Makes it larger or smaller. What is taken stays taken; who waits gets in where there is more.
    pub(super) fn resize(&self, limits: &Limits) {
        let mut state = self.0.lock();
        state.bounds = Bounds::of(limits);
        self.0.admit(state);
    }

    /// What counts it.
    pub(super) fn load(&self) -> &LoadMetrics {
        &self.0.metrics
    }

    /// Takes room for a connection's request with a body of so many bytes, or waits for it.
    pub(super) async fn take(&self, portion: Portion, bytes: usize) -> Result<Taken, ApiError> {
        let (turn, leaves, wait) = {
            let mut state = self.0.lock();
            if portion.fits(&state.bounds.share, bytes) && state.fits(bytes) && !state.overtakes() {
                return Ok(self.0.grant(&mut state, portion, bytes));
            }
            let wait = state.bounds.wait;
            if state.waiting.len() >= state.bounds.queue || wait.is_zero() {
                drop(state);
                return Err(self.turn_away(Shed::QueueFull));
            }
            let number = state.next_number;
            state.next_number += 1;
            let (sender, turn) = oneshot::channel();
            state.waiting.push_back(Waiting { number, bytes, portion, turn: sender });
            self.0.metrics.waiting(state.waiting.len());
            (turn, Leaves { room: self, number }, wait)
        };
        let mut turn = turn;
        if let Ok(Ok(taken)) = timeout(wait, &mut turn).await {
            return Ok(taken);
        }
        drop(leaves);
        // Its turn may have come between the two.
        turn.try_recv().map_err(|_| self.turn_away(Shed::QueueWait))
    }

    /// What is answered to a request that is turned away.
    pub(super) fn turn_away(&self, why: Shed) -> ApiError {
        self.0.metrics.shed(why);
        let mut told = self.0.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.untold += 1;
        if told.last.is_none_or(|last| last.elapsed() >= TELL_EVERY) {
            told.last = Some(Instant::now());
            let count = std::mem::take(&mut told.untold);
            drop(told);
            RequestsShed { reason: why.as_str(), count }.emit();
        }
        let message = match why {
            Shed::QueueFull | Shed::QueueWait => {
                "this gate has more requests under way than it takes at once; try again"
            }
            Shed::Streams => {
                "too many requests are under way in this connection; try again when one of them is answered"
            }
        };
        ApiError::unavailable(message).after(RETRY_AFTER)
    }
}

impl State {
    /// A body alone always fits in: it may have been begun while there was more room.
    fn fits(&self, bytes: usize) -> bool {
        let Bounds { requests, bodies, .. } = self.bounds;
        self.requests < requests && (self.bytes == 0 || self.bytes.saturating_add(bytes) <= bodies)
    }

    /// Whether somebody waits who is to come first. Those whom their own connection's share holds back let others pass.
    fn overtakes(&self) -> bool {
        self.waiting.iter().any(|waiting| waiting.portion.fits(&self.bounds.share, waiting.bytes))
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn grant(self: &Arc<Self>, state: &mut State, portion: Portion, bytes: usize) -> Taken {
        state.requests += 1;
        state.bytes += bytes;
        portion.grow(1, bytes);
        self.metrics.in_flight(state.requests);
        Taken { shared: Arc::clone(self), portion, requests: 1, bytes }
    }

    /// Takes back what is not needed any more, and gives it to whoever waits.
    fn free(self: &Arc<Self>, portion: &Portion, requests: usize, bytes: usize) {
        let mut state = self.lock();
        state.requests -= requests;
        state.bytes -= bytes;
        portion.shrink(requests, bytes);
        self.metrics.in_flight(state.requests);
        self.admit(state);
    }

    /// Gives what there is to whoever waits.
    fn admit(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        let mut turns = Vec::new();
        let mut held_back = 0;
        while let Some(next) = state.waiting.get(held_back) {
            if !next.portion.fits(&state.bounds.share, next.bytes) {
                held_back += 1;
                continue;
            }
            if !state.fits(next.bytes) {
                break;
            }
            let Some(Waiting { bytes, portion, turn, .. }) = state.waiting.remove(held_back) else { break };
            turns.push((turn, self.grant(&mut state, portion, bytes)));
            self.metrics.waiting(state.waiting.len());
        }
        drop(state);
        // Whoever went away meanwhile has it taken back, which takes the lock again.
        for (turn, taken) in turns {
            drop(turn.send(taken));
        }
    }
}

/// A request that waits, until it does not any more.
struct Leaves<'a> {
    room: &'a Room,
    number: u64,
}

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        let mut state = self.room.0.lock();
        state.waiting.retain(|waiting| waiting.number != self.number);
        self.room.0.metrics.waiting(state.waiting.len());
        // Those behind it may fit in where it did not.
        self.room.0.admit(state);
    }
}

/// Room that a request takes, or afterwards its answer.
pub(super) struct Taken {
    shared: Arc<Shared>,
    portion: Portion,
    requests: usize,
    bytes: usize,
}

impl Taken {
    /// Ends the request. Its answer takes room until the client has taken it, or is given up, and is never refused that: the work is
    /// done, and what comes next must wait.
    pub(super) fn answer(mut self, response: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
        let length = response.body().size_hint().exact().and_then(|length| usize::try_from(length).ok());
        let Some(length) = length.filter(|length| *length > SMALL) else { return response };
        response.map(|mut body| {
            let frame = Pin::new(&mut body).poll_frame(&mut Context::from_waker(Waker::noop()));
            let Poll::Ready(Some(Ok(frame))) = frame else { return body };
            let Ok(bytes) = frame.into_data() else { return body };
            {
                let mut state = self.shared.lock();
                state.bytes += length;
                self.portion.grow(0, length);
            }
            let (requests, body) = (std::mem::take(&mut self.requests), std::mem::replace(&mut self.bytes, length));
            self.shared.free(&self.portion, requests, body);
            let number = self.portion.answered();
            Full::new(Bytes::from_owner(Answer { bytes, number, room: self }))
        })
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.shared.free(&self.portion, self.requests, self.bytes);
    }
}

/// The bytes of an answer, and the room that they take.
struct Answer {
    bytes: Bytes,
    number: u64,
    room: Taken,
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.room.portion.taken(self.number);
    }
}

impl AsRef<[u8]> for Answer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use tokio::task::yield_now;

    fn room(requests: usize, bodies: usize, queue: usize) -> Room {
        let wait = Duration::from_secs(1);
        Room::new(&Limits { body: 1, requests, bodies, queue, queue_wait: wait, ..Limits::default() }, Arc::default())
    }

    fn state(room: &Room) -> (usize, usize, usize) {
        let state = room.0.lock();
        (state.requests, state.bytes, state.waiting.len())
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_gets_in_in_order() {
        let room = room(2, 100, 2);
        let first = room.take(Portion::default(), 40).await.ok().unwrap();
        let second = room.take(Portion::default(), 60).await.ok().unwrap();
        let mut third = pin!(room.take(Portion::default(), 60));
        let mut fourth = pin!(room.take(Portion::default(), 1));
        for waits in [third.as_mut(), fourth.as_mut()] {
            assert!(timeout(Duration::ZERO, waits).await.is_err());
        }
        assert_eq!(state(&room), (2, 100, 2));
        // The queue is full.
        let error = room.take(Portion::default(), 0).await.err().unwrap();
        assert_eq!((error.status, error.code, error.retry_after), (503, "ServiceUnavailableException", Some(1)));
        // 60 do not fit in yet, and the smaller one that came later does not overtake.
        drop(first);
        assert!(timeout(Duration::ZERO, fourth.as_mut()).await.is_err());
        assert_eq!(state(&room), (1, 60, 2));
        drop(second);
        let (third, fourth) = (third.await.ok().unwrap(), fourth.await.ok().unwrap());
        assert_eq!(state(&room), (2, 61, 0));
        drop((third, fourth));
        assert_eq!(state(&room), (0, 0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn it_can_be_made_larger_and_smaller() {
        let room = room(1, 100, 2);
        let limits = |requests| Limits { body: 1, requests, bodies: 100, queue: 2, ..Limits::default() };
        let first = room.take(Portion::default(), 1).await.ok().unwrap();
        let mut second = pin!(room.take(Portion::default(), 1));
        assert!(timeout(Duration::ZERO, second.as_mut()).await.is_err());
        room.resize(&limits(3));
        let second = second.await.ok().unwrap();
        let third = room.take(Portion::default(), 1).await.ok().unwrap();
        assert_eq!(state(&room), (3, 3, 0));
        // Who is in stays in, and nobody comes in before it is as few as there are to be.
        room.resize(&Limits { queue_wait: Duration::ZERO, ..limits(1) });
        drop((first, second));
        assert_eq!(room.take(Portion::default(), 1).await.err().unwrap().status, 503);
        drop(third);
        drop(room.take(Portion::default(), 1).await.ok().unwrap());
        assert_eq!(state(&room), (0, 0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_ever() {
        let room = room(1, 100, 10);
        let taken = room.take(Portion::default(), 1).await.ok().unwrap();
        assert_eq!(room.take(Portion::default(), 1).await.err().unwrap().status, 503);
        assert_eq!(state(&room), (1, 1, 0));
        drop(taken);
        drop(room.take(Portion::default(), 1).await.ok().unwrap());
        assert_eq!(state(&room), (0, 0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_goes_away_takes_no_room() {
        let room = room(1, 100, 10);
        let taken = room.take(Portion::default(), 1).await.ok().unwrap();
        // One that goes while it waits, and one whose turn comes before it goes.
        for leaves_before in [true, false] {
            let mut waits = Box::pin(room.take(Portion::default(), 1));
            assert!(timeout(Duration::ZERO, waits.as_mut()).await.is_err());
            if leaves_before {
                drop(waits);
                assert_eq!(state(&room), (1, 1, 0));
            } else {
                drop(taken);
                assert_eq!(state(&room), (1, 1, 0), "it has its turn, and does not know it yet");
                drop(waits);
                assert_eq!(state(&room), (0, 0, 0));
                break;
            }
        }
        yield_now().await;
        drop(room.take(Portion::default(), 1).await.ok().unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_goes_away_lets_those_behind_it_in() {
        let room = room(2, 100, 10);
        let taken = room.take(Portion::default(), 60).await.ok().unwrap();
        let mut large = Box::pin(room.take(Portion::default(), 60));
        let mut small = pin!(room.take(Portion::default(), 10));
        for waits in [large.as_mut(), small.as_mut()] {
            assert!(timeout(Duration::ZERO, waits).await.is_err());
        }
        assert_eq!(state(&room), (1, 60, 2));
        drop(large);
        assert_eq!(state(&room), (2, 70, 0));
        drop((small.await.ok().unwrap(), taken));
        assert_eq!(state(&room), (0, 0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn one_connection_has_a_quarter_at_most() {
        // Of the requests, and of the bytes.
        for (requests, bodies, each) in [(8, 1000, 10), (100, 80, 10)] {
            let room = room(requests, bodies, 3);
            let greedy = Portion::default();
            let mut taken = Vec::new();
            for _ in 0..2 {
                taken.push(room.take(greedy.clone(), each).await.ok().unwrap());
            }
            let mut third = Box::pin(room.take(greedy.clone(), each));
            let mut fourth = Box::pin(room.take(greedy.clone(), each));
            for waits in [third.as_mut(), fourth.as_mut()] {
                assert!(timeout(Duration::ZERO, waits).await.is_err());
            }
            assert_eq!(state(&room), (2, 2 * each, 2));
            // Others pass, until there is no room for anybody.
            let other = Portion::default();
            let passes =
                [room.take(other.clone(), each).await.ok().unwrap(), room.take(other, each).await.ok().unwrap()];
            assert_eq!(state(&room), (4, 4 * each, 2));
            // One goes, and one of its own comes in, though others are still there.
            drop(taken.pop());
            let third = third.await.ok().unwrap();
            assert_eq!(state(&room), (4, 4 * each, 1));
            assert_eq!(fourth.await.err().unwrap().status, 503);
            drop((taken, passes, third));
            assert_eq!(state(&room), (0, 0, 0));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_not_taken_counts_for_its_connection() {
        let room = room(8, 100_000, 0);
        let (slow, other) = (Portion::default(), Portion::default());
        let answer = |taken: Taken| taken.answer(Response::new(Full::new(Bytes::from(vec![7; 25_000]))));
        let untaken = answer(room.take(slow.clone(), 1).await.ok().unwrap());
        assert_eq!(room.take(slow.clone(), 1).await.err().unwrap().status, 503);
        drop(room.take(other, 1).await.ok().unwrap());
        assert!(slow.untaken_since().is_some());
        drop(untaken);
        assert!(slow.untaken_since().is_none());
        drop(room.take(slow, 1).await.ok().unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_takes_room_until_it_is_taken() {
        let room = room(1, 4000, 10);
        for (length, left) in [(10, 0), (SMALL, 0), (5000, 5000)] {
            let taken = room.take(Portion::default(), 100).await.ok().unwrap();
            let answer = taken.answer(Response::new(Full::new(Bytes::from(vec![7; length]))));
            assert_eq!(state(&room), (0, left, 0), "{length}");
            let mut body = answer.into_body();
            let frame = Pin::new(&mut body).poll_frame(&mut Context::from_waker(Waker::noop()));
            let Poll::Ready(Some(Ok(frame))) = frame else { panic!("{length}") };
            let data = frame.into_data().unwrap();
            drop(body);
            assert_eq!(data, vec![7; length]);
            // A piece of it is enough.
            let rest = data.slice(length - 1..);
            drop(data);
            assert_eq!(state(&room), (0, left, 0), "{length}");
            if left > 0 {
                assert_eq!(room.take(Portion::default(), 1).await.err().unwrap().status, 503);
            }
            drop(rest);
            assert_eq!(state(&room), (0, 0, 0), "{length}");
        }
        // More than there is room for fits in alone, and nothing beside it.
        let large = room.take(Portion::default(), 10_000).await.ok().unwrap();
        assert_eq!(room.take(Portion::default(), 1).await.err().unwrap().status, 503);
        drop(large);
    }
}

//! How much, how many and how long.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// What a client may use of the gate. Every one is a bound that holds without the client's good will.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request's body. A BatchUpdateFindings request with every member at its longest stays well under
    /// the default.
    pub body: usize,
    /// Headers of a request.
    pub header_count: usize,
    /// Bytes of a request's head: request line and headers.
    pub header_bytes: usize,
    /// Time to send a head: from the connection's start for the first, from a head's first byte for the others.
    pub head_timeout: Duration,
    /// Time to send a body, from when the gate begins to read it.
    pub body_timeout: Duration,
    /// Time that a connection may be kept without a request in it, which is also the time that a client has to take
    /// an answer in.
    pub idle_timeout: Duration,
    /// Connections served at once by all workers together. For further ones those that idle are closed, the longest idle first; while
    /// none does they wait in the accept queue, except that each worker may hold one that it does not read from.
    pub connections: usize,
    /// Requests at once in one HTTP/2 connection.
    pub streams: u32,
    /// Requests under way at once, all workers together; a quarter of them of one connection.
    pub requests: usize,
    /// Bytes of bodies at once, all workers together: of requests under way, and of answers that were not taken yet.
    /// A quarter of them, or one `body`, of one connection.
    pub bodies: usize,
    /// Requests that wait for room, all workers together. Further ones are turned away at once.
    pub queue: usize,
    /// How long a request waits for room before it is turned away.
    pub queue_wait: Duration,
    /// Time that a stop waits for requests under way; what is left then is cut.
    pub drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 1024 * 1024,
            header_count: 64,
            header_bytes: 16 * 1024,
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(75),
            connections: 1024,
            streams: 100,
            requests: 512,
            bodies: 64 * 1024 * 1024,
            queue: 512,
            queue_wait: Duration::from_secs(1),
            drain_timeout: Duration::from_secs(30),
        }
    }
}

/// The limits of a server that runs, which may be replaced. Clones are one.
///
/// Requests and connections that begin later are held to the new ones. What is there already stays, also where it is more than they
/// let in: a connection keeps the times that it began with, and room that is taken is given back as it would have been.
#[derive(Debug, Clone)]
pub struct LiveLimits(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// How often they were replaced.
    generation: AtomicU64,
    current: Mutex<Arc<Limits>>,
}

impl LiveLimits {
    /// Begins with these.
    pub fn new(limits: Limits) -> Self {
        Self(Arc::new(Shared { generation: AtomicU64::new(0), current: Mutex::new(Arc::new(limits)) }))
    }

    /// Those that count from here on.
    pub fn replace(&self, limits: Limits) {
        let mut current = self.0.current.lock().unwrap_or_else(PoisonError::into_inner);
        if **current != limits {
            *current = Arc::new(limits);
            // Under the lock, so that the number and the limits that somebody sees belong together.
            self.0.generation.fetch_add(1, Ordering::Release);
        }
    }

    /// How often they were replaced: a look at a number.
    pub(super) fn generation(&self) -> u64 {
        self.0.generation.load(Ordering::Acquire)
    }

    /// Tells those that count now, and how often they were replaced. Meanwhile they are not: what is made to fit them does not come
    /// after what was made to fit later ones.
    pub(super) fn current<T>(&self, tell: impl FnOnce(&Arc<Limits>, u64) -> T) -> T {
        let current = self.0.current.lock().unwrap_or_else(PoisonError::into_inner);
        tell(&current, self.generation())
    }
}

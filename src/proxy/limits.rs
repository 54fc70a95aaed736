//! How much, how many and how long.

use std::time::Duration;

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

//! The connections of one worker that no call is using.

use super::connection::Connection;
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};
use tokio::time::{Instant, sleep_until};

/// Unused connections, bounded in number and in time.
///
/// It belongs to one thread, so its lock is always free: it is there because the way to the backend may be sent to another
/// thread before it is first used.
pub(super) struct Pool {
    idle: Mutex<Idle>,
    most: usize,
    keep: Duration,
}

#[derive(Default)]
struct Idle {
    /// With the time at which the last call over it began. The backend counts from its answer, which is later, so that it closes its
    /// end first is not to be feared; and the clock is looked at once a call. The one that was given back last is the last.
    connections: Vec<(Instant, Box<Connection>)>,
    /// Whether a task waits to close those that are unused for too long.
    swept: bool,
}

impl Pool {
    /// Keeps `most` connections, each for the time `keep`.
    pub(super) fn new(most: usize, keep: Duration) -> Arc<Self> {
        Arc::new(Self { idle: Mutex::default(), most, keep })
    }

    /// Takes the connection out that was used last. The backend may have closed it since.
    pub(super) fn take(&self, now: Instant) -> Option<Box<Connection>> {
        let mut idle = self.lock();
        while let Some((since, connection)) = idle.connections.pop() {
            if now.duration_since(since) < self.keep {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection for a further call, if there is nothing against it.
    pub(super) fn put(self: &Arc<Self>, connection: Box<Connection>, began: Instant) {
        let mut idle = self.lock();
        if idle.connections.len() >= self.most || !connection.is_done() {
            return;
        }
        connection.rest();
        idle.connections.push((began, connection));
        if !idle.swept {
            idle.swept = true;
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
    }

    /// Drops what is unused for too long. When to come again; not at all where nothing is left.
    fn sweep(&self) -> Option<Instant> {
        let mut idle = self.lock();
        let now = Instant::now();
        idle.connections.retain(|(since, _)| now.duration_since(*since) < self.keep);
        let next = idle.connections.iter().map(|(since, _)| *since + self.keep).min();
        idle.swept = next.is_some();
        next
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes what is unused for too long, also while no call comes. Ends with the last connection, or with the pool.
async fn sweep(pool: Weak<Pool>) {
    while let Some(next) = pool.upgrade().and_then(|pool| pool.sweep()) {
        sleep_until(next).await;
    }
}

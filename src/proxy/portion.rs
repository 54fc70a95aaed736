//! What one connection has of the room: how much, and since when its answers wait to be taken.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};
use tokio::time::Instant;

/// What one connection has of the room. Clones are one.
#[derive(Debug, Clone, Default)]
pub(super) struct Portion(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Requests under way. This and the next change under the room's lock only.
    requests: AtomicUsize,
    /// Of their bodies, and of answers that were not taken yet.
    bytes: AtomicUsize,
    untaken: Mutex<Untaken>,
}

/// Answers that were not taken yet, the oldest first.
#[derive(Debug, Default)]
struct Untaken {
    next_number: u64,
    since: VecDeque<(u64, Instant)>,
}

/// The most that one connection may have of the room.
#[derive(Debug)]
pub(super) struct Share {
    requests: usize,
    bytes: usize,
}

impl Share {
    /// A quarter of all, and what one request may need at least.
    pub(super) fn of(requests: usize, bodies: usize, body: usize) -> Self {
        Self { requests: (requests / 4).max(1), bytes: (bodies / 4).max(body) }
    }
}

impl Portion {
    /// Whether the connection may have another request with a body of so many bytes. A body alone always fits in.
    pub(super) fn fits(&self, share: &Share, bytes: usize) -> bool {
        let held = self.0.bytes.load(Relaxed);
        self.0.requests.load(Relaxed) < share.requests && (held == 0 || held.saturating_add(bytes) <= share.bytes)
    }

    pub(super) fn grow(&self, requests: usize, bytes: usize) {
        self.0.requests.fetch_add(requests, Relaxed);
        self.0.bytes.fetch_add(bytes, Relaxed);
    }

    pub(super) fn shrink(&self, requests: usize, bytes: usize) {
        self.0.requests.fetch_sub(requests, Relaxed);
        self.0.bytes.fetch_sub(bytes, Relaxed);
    }

    /// An answer is there to be taken. Returns its number.
    pub(super) fn answered(&self) -> u64 {
        let mut untaken = self.lock();
        let number = untaken.next_number;
        untaken.next_number += 1;
        untaken.since.push_back((number, Instant::now()));
        number
    }

    /// An answer is taken, or given up.
    pub(super) fn taken(&self, number: u64) {
        self.lock().since.retain(|(other, _)| *other != number);
    }

    /// Since when the oldest answer waits that is not taken yet.
    pub(super) fn untaken_since(&self) -> Option<Instant> {
        self.lock().since.front().map(|(_, since)| *since)
    }

    fn lock(&self) -> MutexGuard<'_, Untaken> {
        self.0.untaken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

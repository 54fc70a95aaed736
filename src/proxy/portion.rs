//! What one connection has of the room: its part of it, and since when its answers wait to be taken.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::time::Instant;

/// What one connection has of the room. Clones are one.
#[derive(Debug, Clone, Default)]
pub(super) struct Portion(Arc<Mutex<Untaken>>);

/// Answers that were not taken yet, the oldest first.
#[derive(Debug, Default)]
struct Untaken {
    next_number: u64,
    since: VecDeque<(u64, Instant)>,
}

impl Portion {
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
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! What black-box tests share: a gate as a process, a client that sends exactly the bytes it is told to, and an upstream
//! that does what a test wants.
//!
//! Nothing here waits for a fixed time. Whatever waits has [`PATIENCE`], which only a failing test uses up.

#![allow(dead_code, clippy::allow_attributes, reason = "each test binary uses its part")]

pub(crate) mod client;
pub(crate) mod fleet;
pub(crate) mod gate;
pub(crate) mod pki;
pub(crate) mod upstream;

use std::{
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

/// Far more than anything takes that goes right, also on a machine with other things to do.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A value that threads change and wait for.
#[derive(Debug, Default)]
pub(crate) struct Watched<T>(Arc<(Mutex<T>, Condvar)>);

impl<T> Clone for Watched<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Watched<T> {
    pub(crate) fn change<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let changed = change(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
        changed
    }

    /// Waits until `look` finds what it looks for.
    #[track_caller]
    pub(crate) fn wait<R>(&self, what: &str, mut look: impl FnMut(&mut T) -> Option<R>) -> R {
        let mut found = None;
        let value = self.0.0.lock().unwrap();
        let (value, _) = self
            .0
            .1
            .wait_timeout_while(value, PATIENCE, |value| {
                found = look(value);
                found.is_none()
            })
            .unwrap();
        drop(value);
        found.unwrap_or_else(|| panic!("waited in vain for {what}"))
    }
}

/// A door that threads wait at until a test opens it, which it does at the latest when it ends.
#[derive(Debug, Clone, Default)]
pub(crate) struct Latch(Watched<bool>);

impl Latch {
    pub(crate) fn open(&self) {
        self.0.change(|open| *open = true);
    }

    pub(crate) fn pass(&self) {
        self.0.wait("a latch to open", |open| open.then_some(()));
    }
}

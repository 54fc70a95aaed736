//! The thread that fetches credentials.

use std::{io, thread};
use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
    task::JoinHandle,
};

/// A thread with a runtime of its own. What runs there outlives the request that asked for it, delays no other one, and its
/// connections belong to no worker that may end before it.
///
/// The thread ends when this is dropped, and what runs there with it.
#[derive(Debug)]
pub(super) struct Courier {
    handle: Handle,
    _stop: oneshot::Sender<()>,
}

impl Courier {
    pub(super) fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        thread::Builder::new().name("aws-credentials".to_owned()).spawn(move || {
            // The sender's end is what it waits for; nothing is ever sent.
            let _ = runtime.block_on(stopped);
            runtime.shutdown_background();
        })?;
        Ok(Self { handle, _stop: stop })
    }

    pub(super) fn run<T: Send + 'static>(&self, task: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        self.handle.spawn(task)
    }
}

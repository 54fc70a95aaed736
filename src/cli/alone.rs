//! Work that needs a runtime only for as long as it takes.

use super::Failure;
use tokio::runtime;

/// Does it on a runtime of its own, and then waits for nothing that it left behind.
///
/// A name that is looked up is looked up on a thread that cannot be stopped (`getaddrinfo`). To drop a runtime is to wait for such threads,
/// without a network for minutes, long after the work itself gave up.
pub(super) fn alone<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::broke)?;
    let done = runtime.block_on(work);
    runtime.shutdown_background();
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
            mpsc,
        },
        time::Duration,
    };

    #[test]
    fn what_blocks_a_thread_is_not_waited_for() {
        let (release, released) = mpsc::channel::<()>();
        let (begin, has_begun) = mpsc::channel();
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let done = alone(async move {
            let blocking = tokio::task::spawn_blocking(move || {
                begin.send(()).unwrap();
                // Bounded, so that a failure of this test is not a test that hangs.
                let _ = released.recv_timeout(Duration::from_secs(20));
                over.store(true, Ordering::SeqCst);
            });
            has_begun.recv().unwrap();
            drop(blocking);
            7
        });
        assert_eq!(done.unwrap(), 7);
        assert!(!is_over.load(Ordering::SeqCst), "the runtime was waited for");
        drop(release);
    }
}

//! Stopping: who asks for it, and how it went.

use std::{future::pending, io, thread};
use tokio::{
    runtime,
    signal::unix::{SignalKind, signal},
    sync::watch,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stop {
    No,
    Graceful,
    Immediate,
}

/// Asks the server to stop.
#[derive(Debug)]
pub struct Trigger(watch::Sender<Stop>);

/// What the server listens to, to know when to stop.
///
/// A graceful stop takes what already waits in the accept queue, closes what is idle, answers what is under way (HTTP/1.1
/// with `Connection: close`, HTTP/2 with GOAWAY) and ends when all is done or [`super::Limits::drain_timeout`] has passed. An
/// immediate one cuts at once.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Receiver<Stop>);

/// How a stop went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DrainReport {
    /// Requests that were answered after the stop was asked for.
    pub finished: u64,
    /// Requests that were still without an answer at the end, and were given up.
    pub cut: u64,
}

impl DrainReport {
    pub(super) fn and(self, other: Self) -> Self {
        Self { finished: self.finished + other.finished, cut: self.cut + other.cut }
    }
}

impl Trigger {
    /// Finish what is under way, take nothing new. Does not soften an immediate stop.
    pub fn graceful(&self) {
        self.stop(Stop::Graceful);
    }

    /// Stop now.
    pub fn immediate(&self) {
        self.stop(Stop::Immediate);
    }

    fn stop(&self, stop: Stop) {
        self.0.send_if_modified(|now| {
            let harder = *now < stop;
            if harder {
                *now = stop;
            }
            harder
        });
    }
}

impl Shutdown {
    /// A stop that the program asks for itself. Without its trigger the server never stops.
    pub fn by_trigger() -> (Trigger, Self) {
        let (sender, receiver) = watch::channel(Stop::No);
        (Trigger(sender), Self(receiver))
    }

    /// A stop by signal, or by the program itself: the first SIGTERM or SIGINT is graceful, the second immediate.
    ///
    /// From here on these signals no longer end the process by themselves. They are waited for on a thread of their own,
    /// so no worker has to.
    pub fn by_signal() -> io::Result<(Trigger, Self)> {
        let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
        let (mut terminate, mut interrupt) = {
            let _inside = runtime.enter();
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
        };
        let (by_hand, shutdown) = Self::by_trigger();
        let trigger = Trigger(by_hand.0.clone());
        let wait = async move {
            for stop in [Stop::Graceful, Stop::Immediate] {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                    () = trigger.0.closed() => return,
                }
                trigger.stop(stop);
            }
            trigger.0.closed().await;
        };
        thread::Builder::new().name("signals".into()).spawn(move || runtime.block_on(wait))?;
        Ok((by_hand, shutdown))
    }

    /// Whether a stop was asked for.
    pub fn is_requested(&self) -> bool {
        *self.0.borrow() >= Stop::Graceful
    }

    /// Waits for a stop of either kind.
    pub async fn requested(&mut self) {
        self.at_least(Stop::Graceful).await;
    }

    /// Waits for an immediate stop.
    pub async fn immediate(&mut self) {
        self.at_least(Stop::Immediate).await;
    }

    async fn at_least(&mut self, stop: Stop) {
        if self.0.wait_for(|now| *now >= stop).await.is_err() {
            pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        process::{self, Command},
        time::Duration,
    };
    use tokio::time::timeout;

    #[tokio::test]
    async fn the_first_signal_is_graceful_and_the_second_immediate() {
        let (_trigger, mut shutdown) = Shutdown::by_signal().unwrap();
        let kill = |name: &str| {
            let status = Command::new("kill").args([name, &process::id().to_string()]).status();
            assert!(status.unwrap().success());
        };
        kill("-TERM");
        timeout(Duration::from_secs(10), shutdown.requested()).await.unwrap();
        assert_eq!(*shutdown.0.borrow(), Stop::Graceful);
        kill("-INT");
        timeout(Duration::from_secs(10), shutdown.immediate()).await.unwrap();
    }

    #[tokio::test]
    async fn an_immediate_stop_is_not_softened() {
        let (trigger, mut shutdown) = Shutdown::by_trigger();
        trigger.immediate();
        trigger.graceful();
        shutdown.requested().await;
        shutdown.immediate().await;
    }
}

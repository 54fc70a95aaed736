//! Stopping: who asks for it, and how it went.

use crate::telemetry::events::Stopping;
use std::{future::pending, io, thread, time::Duration};
use tokio::{
    runtime,
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
    time::sleep,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stop {
    No,
    Announced,
    Graceful,
    Immediate,
}

/// Asks the server to stop.
#[derive(Debug)]
pub struct Trigger(watch::Sender<Stop>);

/// What the server listens to, to know when to stop.
///
/// An announced stop changes little: whoever asks whether the gate is ready hears that it is not, and answers over HTTP/1.1 close
/// their connections, so that clients and load balancers turn elsewhere while there is nothing to lose yet. A graceful stop takes what already waits in the accept queue, closes what is idle, answers what is under way (HTTP/1.1
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
    /// Go on, and tell everybody that a stop will come.
    pub fn announce(&self) {
        self.stop(Stop::Announced);
    }

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

    /// A stop by signal, or by the program itself. SIGTERM announces a stop, which becomes graceful after `grace`; SIGINT, which is a
    /// person at a terminal, is graceful at once. The next signal of either kind is immediate.
    ///
    /// From here on these signals no longer end the process by themselves. They are waited for on a thread of their own,
    /// so no worker has to.
    pub fn by_signal(grace: Duration) -> io::Result<(Trigger, Self)> {
        let starting = Starting::with(Some(grace), |_| ())?;
        Ok((starting.trigger, starting.shutdown))
    }

    /// Whether a stop was asked for, or announced.
    pub fn is_announced(&self) -> bool {
        *self.0.borrow() >= Stop::Announced
    }

    /// Waits for a stop to be announced, or asked for.
    pub async fn announced(&mut self) {
        self.at_least(Stop::Announced).await;
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

/// A program that is about to serve, and listens to signals already.
///
/// The first process of a container is not ended by a signal that it does not listen to.
#[derive(Debug)]
pub struct Starting {
    grace: watch::Sender<Option<Duration>>,
    trigger: Trigger,
    shutdown: Shutdown,
}

impl Starting {
    /// Listens from here on. A signal that comes before it [is over](Self::over) is told to `early`, by its name.
    pub fn by_signal(early: impl FnOnce(&'static str) + Send + 'static) -> io::Result<Self> {
        Self::with(None, early)
    }

    fn with(grace: Option<Duration>, early: impl FnOnce(&'static str) + Send + 'static) -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let mut signals = {
            let _inside = runtime.enter();
            Signals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? }
        };
        let (grace, known) = watch::channel(grace);
        let (by_hand, shutdown) = Shutdown::by_trigger();
        let trigger = Trigger(by_hand.0.clone());
        let wait = async move {
            tokio::select! {
                () = stop_by(&mut signals, &trigger, known, early) => {}
                () = trigger.0.closed() => return,
            }
            trigger.0.closed().await;
        };
        thread::Builder::new().name("signals".into()).spawn(move || runtime.block_on(wait))?;
        Ok(Self { grace, trigger: by_hand, shutdown })
    }

    /// It serves from now on, and a signal asks it to stop as [`Shutdown::by_signal`] says.
    pub fn over(self, grace: Duration) -> (Trigger, Grace, Shutdown) {
        self.grace.send_replace(Some(grace));
        (self.trigger, Grace(self.grace), self.shutdown)
    }
}

/// How long it is from a SIGTERM to a graceful stop.
#[derive(Debug)]
pub struct Grace(watch::Sender<Option<Duration>>);

impl Grace {
    /// So long, from the next SIGTERM on.
    pub fn replace(&self, grace: Duration) {
        self.0.send_replace(Some(grace));
    }
}

/// The signals that ask for a stop.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// The name of the next one.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => TERMINATE,
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

const TERMINATE: &str = "SIGTERM";

async fn stop_by(
    signals: &mut Signals,
    trigger: &Trigger,
    grace: watch::Receiver<Option<Duration>>,
    early: impl FnOnce(&'static str),
) {
    let signal = signals.next().await;
    let grace = *grace.borrow();
    let Some(grace) = grace else { return early(signal) };
    let grace = if signal == TERMINATE { grace } else { Duration::ZERO };
    Stopping { signal, grace }.emit();
    if !grace.is_zero() {
        trigger.announce();
        tokio::select! {
            _ = signals.next() => return trigger.immediate(),
            () = sleep(grace) => {}
        }
    }
    trigger.graceful();
    signals.next().await;
    trigger.immediate();
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        process::{self, Command},
        time::Duration,
    };
    use tokio::time::timeout;

    /// One test, because signals are of the whole process.
    #[tokio::test]
    async fn signals_lead_from_one_stop_to_the_next() {
        const NEVER: Duration = Duration::from_hours(1);
        use Stop::{Announced, Graceful, Immediate};
        let kill = |name: &str| {
            let status = Command::new("kill").args([name, &process::id().to_string()]).status();
            assert!(status.unwrap().success());
        };
        for (grace, steps) in [
            (Duration::ZERO, [("-TERM", Graceful), ("-INT", Immediate)]),
            (NEVER, [("-TERM", Announced), ("-TERM", Immediate)]),
            (NEVER, [("-INT", Graceful), ("-TERM", Immediate)]),
            // The second step comes by itself.
            (Duration::from_millis(20), [("-TERM", Announced), ("", Graceful)]),
        ] {
            let (_trigger, mut shutdown) = Shutdown::by_signal(grace).unwrap();
            assert!(!shutdown.is_announced());
            for (signal, step) in steps {
                if !signal.is_empty() {
                    kill(signal);
                }
                timeout(Duration::from_secs(10), shutdown.at_least(step)).await.unwrap();
                if grace.is_zero() || grace == NEVER {
                    assert_eq!(*shutdown.0.borrow(), step, "{grace:?} {signal}");
                }
                assert!(shutdown.is_announced());
            }
        }

        let (tell, told) = tokio::sync::oneshot::channel();
        let starting = Starting::by_signal(|signal| tell.send(signal).unwrap()).unwrap();
        kill("-TERM");
        assert_eq!(timeout(Duration::from_secs(10), told).await.unwrap(), Ok(TERMINATE));
        assert!(!starting.shutdown.is_announced());

        let starting = Starting::by_signal(|signal| panic!("{signal} came when it was over")).unwrap();
        let (_trigger, grace, mut shutdown) = starting.over(Duration::ZERO);
        grace.replace(NEVER);
        kill("-TERM");
        timeout(Duration::from_secs(10), shutdown.announced()).await.unwrap();
        assert_eq!(*shutdown.0.borrow(), Announced);
    }

    #[tokio::test]
    async fn an_immediate_stop_is_not_softened() {
        let (trigger, mut shutdown) = Shutdown::by_trigger();
        trigger.immediate();
        trigger.graceful();
        trigger.announce();
        shutdown.requested().await;
        shutdown.immediate().await;
    }
}

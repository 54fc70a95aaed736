//! CPU time of a proxy, read from outside of it.

use crate::support::figures::thread_cpu;
use std::fs;
use tokio::sync::{mpsc, oneshot};

pub(crate) enum Clock {
    /// A thread of this process, which is asked for it.
    Thread(mpsc::UnboundedSender<oneshot::Sender<f64>>),
    /// Another process with a single thread.
    Process(u32),
}

impl Clock {
    /// The clock of this thread, whose runtime answers when it is asked and has nothing to do for it meanwhile.
    pub(crate) fn of_this_thread() -> Self {
        let (asks, mut asked) = mpsc::unbounded_channel::<oneshot::Sender<f64>>();
        tokio::spawn(async move {
            while let Some(ask) = asked.recv().await {
                let _ = ask.send(thread_cpu());
            }
        });
        Self::Thread(asks)
    }

    /// Nanoseconds since the thread began, or nothing where the system does not tell.
    pub(crate) async fn read(&self) -> Option<f64> {
        match self {
            Self::Thread(asks) => {
                let (ask, answer) = oneshot::channel();
                asks.send(ask).ok()?;
                answer.await.ok()
            }
            Self::Process(id) => {
                let text = fs::read_to_string(format!("/proc/{id}/schedstat")).ok()?;
                text.split_ascii_whitespace().next()?.parse().ok()
            }
        }
    }
}

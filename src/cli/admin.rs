//! The admin listener of a running gate.

use super::{Failure, deliver::Delivery, reload::Reload};
use crate::{
    admin::{Admin, BundleStatus, LogAsk, LogShown, Status, Views},
    config::PolicyBundle,
    proxy::{Limits, Listener, Live, LiveLimits, Shutdown, Trigger, run},
    telemetry::{LogLevel, Shown, metrics::Metrics},
    upstream::Readiness,
};
use jiff::Timestamp;
use std::{
    convert::Infallible,
    mem,
    net::SocketAddr,
    num::NonZeroUsize,
    rc::Rc,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};
use tokio::{
    task::{AbortHandle, spawn_local},
    time::sleep,
};

/// A running admin listener. It outlives the gate's own, so that a stop can be watched, and ends when this is dropped.
pub(super) struct AdminListener {
    address: SocketAddr,
    trigger: Trigger,
}

impl AdminListener {
    /// Binds `address` and serves it on a thread of its own.
    pub(super) fn start(
        address: SocketAddr,
        live: &Live,
        reload_and_log: (&Reload, &LogLevel),
        delivery: Option<Delivery>,
        stop: &Shutdown,
    ) -> Result<Self, Failure> {
        let listener = Listener::bind(address, NonZeroUsize::MIN)
            .map_err(|error| Failure::broke(error.to_string().replace("listen.address", "admin.address")))?;
        let address = listener.address();
        let admin = Admin::new(views(live, reload_and_log, delivery, stop));
        let (trigger, shutdown) = Shutdown::by_trigger();
        let limits = LiveLimits::new(Limits {
            body: 1024,
            connections: 64,
            head_timeout: Duration::from_secs(5),
            drain_timeout: Duration::from_secs(1),
            ..Limits::default()
        });
        let serve = move || {
            let make = |_worker| Ok::<_, Infallible>(Rc::new(admin.clone()));
            // The gate goes on without it: what it serves is not less right for that.
            drop(run(listener, &limits, make, &shutdown));
        };
        thread::Builder::new().name("admin".to_owned()).spawn(serve).map_err(Failure::broke)?;
        Ok(Self { address, trigger })
    }

    /// Where it listens, with the real port.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for AdminListener {
    fn drop(&mut self) {
        self.trigger.graceful();
    }
}

fn views(live: &Live, (reload, log): (&Reload, &LogLevel), delivery: Option<Delivery>, stop: &Shutdown) -> Views {
    let started = Timestamp::now();
    let ready = {
        let (stop, live) = (stop.clone(), live.clone());
        Arc::new(move || {
            if stop.is_announced() {
                return Err("the gate is stopping".to_owned());
            }
            let current = live.current();
            if current.records.as_ref().is_some_and(|records| records.log.is_stuck()) {
                return Err("decision records cannot be written".to_owned());
            }
            match current.routes.readiness() {
                Readiness::Ready => Ok(()),
                Readiness::NoCredentials(why) => Err(format!("no credentials to sign with: {why}")),
            }
        })
    };
    let status = {
        let (live, reload, ready) = (live.clone(), reload.clone(), Arc::clone(&ready));
        move || {
            let snapshot = live.current().snapshot;
            let (last, not_ready) = (reload.last(), ready().err());
            Status {
                version: env!("CARGO_PKG_VERSION"),
                ready: not_ready.is_none(),
                not_ready,
                started: started.to_string(),
                digest: snapshot.digest().to_owned(),
                sources: last.sources,
                policies: snapshot.rules().len(),
                accounts: snapshot.accounts().count(),
                loaded: last.loaded.to_string(),
                age_seconds: u64::try_from((Timestamp::now() - last.loaded).get_seconds()).unwrap_or_default(),
                reloads: last.count,
                last_error: last.error,
                bundle: last.bundle.map(|bundle| bundle_status(&bundle, delivery.as_ref())),
            }
        }
    };
    let (metrics, records) = (live.current().metrics, live.current().records);
    let (reload, log, timer) = (reload.clone(), log.clone(), Timer::default());
    Views {
        ready: Box::new(move || ready()),
        metrics: Box::new(move || metrics.encode()),
        metrics_type: Metrics::CONTENT_TYPE,
        status: Box::new(status),
        decisions: Box::new(move |most| records.as_ref().map(|records| records.log.recent(most))),
        reload: Box::new(move || {
            let reload = reload.clone();
            Box::pin(async move { reload.ask().await })
        }),
        log: Box::new(move |ask| log_level(&log, &timer, ask)),
    }
}

/// What is told of the bundle that is used, and of how the next one is asked for.
fn bundle_status(used: &PolicyBundle, delivery: Option<&Delivery>) -> BundleStatus {
    let PolicyBundle { source, bundle, signers, .. } = used;
    let state = delivery.map(Delivery::state).unwrap_or_default();
    BundleStatus {
        source: source.clone(),
        name: bundle.name().map(str::to_owned),
        revision: bundle.revision().to_owned(),
        number: bundle.number(),
        digest: bundle.digest().to_string(),
        signed_by: signers.iter().map(ToString::to_string).collect(),
        etag: state.etag,
        last_asked: state.asked.map(|time| time.to_string()),
        last_success: state.succeeded.map(|time| time.to_string()),
        last_error: state.error,
    }
}

/// Called on the admin listener's thread, where what ends by itself waits for its end.
fn log_level(log: &LogLevel, timer: &Timer, ask: LogAsk<'_>) -> Result<LogShown, String> {
    let shown = match ask {
        LogAsk::Show => log.shown(),
        LogAsk::Reset => {
            timer.stop();
            log.reset()
        }
        LogAsk::Set { level, length } => {
            let (shown, limited) = log.set(level, length)?;
            timer.stop();
            if let Some(limited) = limited {
                let log = log.clone();
                timer.start(limited.after, move || log.end(limited));
            }
            shown
        }
    };
    let Shown { level, configured, until } = shown;
    Ok(LogShown { level, configured, until: until.map(|until| until.to_string()) })
}

/// What waits for the end of a level: one at the most, however often somebody asks.
#[derive(Default)]
struct Timer(Mutex<Option<AbortHandle>>);

impl Timer {
    /// Does this after that time, in place of what was waited for.
    fn start(&self, after: Duration, then: impl FnOnce() + 'static) {
        let task = spawn_local(async move {
            sleep(after).await;
            then();
        });
        self.replace(Some(task.abort_handle()));
    }

    /// Waits for nothing any more.
    fn stop(&self) {
        self.replace(None);
    }

    fn replace(&self, task: Option<AbortHandle>) {
        let previous = mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), task);
        if let Some(previous) = previous {
            previous.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use tokio::{
        task::{LocalSet, yield_now},
        time::advance,
    };

    #[tokio::test(start_paused = true)]
    async fn one_timer_runs_however_often_it_is_set() {
        let test = async {
            let (timer, fired) = (Timer::default(), Rc::new(Cell::new(0)));
            for number in 1..=100 {
                let fired = Rc::clone(&fired);
                timer.start(Duration::from_mins(1), move || fired.set(number));
            }
            for _ in 0..3 {
                yield_now().await;
            }
            assert_eq!(Rc::strong_count(&fired), 2, "what was replaced does not wait");
            advance(Duration::from_secs(61)).await;
            yield_now().await;
            assert_eq!((fired.get(), Rc::strong_count(&fired)), (100, 1));
            let held = Rc::clone(&fired);
            timer.start(Duration::from_mins(1), move || held.set(0));
            timer.stop();
            yield_now().await;
            assert_eq!((fired.get(), Rc::strong_count(&fired)), (100, 1), "a stop leaves none");
        };
        LocalSet::new().run_until(test).await;
    }
}

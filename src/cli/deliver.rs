//! A bundle from a URL: before the start, and while the gate runs.
//!
//! What is at the URL is fetched, held against the keys that count and against the number of the one that is used, and tried: the whole
//! configuration is loaded with it. Only then it is kept in the cache, and only from there it is loaded to be used. So the copy in the
//! cache is always one that the gate can start with.

use super::{Exit, Failure, alone::alone, assemble, reload::Reload};
use crate::{
    bundle::{Bundle, Kept, LARGEST, Signed},
    config::{self, FetchedBundle, Flags, PolicyBundle, RemoteBundle},
    delivery::{self, Fetched},
    discovery::jittered,
    net::Client,
    telemetry::{
        events::{BundleFailed, BundleFetched, BundleRefused, BundleUnchanged},
        metrics::{BundleFetch, Metrics},
    },
};
use bytes::Bytes;
use jiff::Timestamp;
use std::{
    ffi::OsString,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};
use tokio::{runtime, time::sleep};

/// How long after a try that failed there is the next one, if `refresh` is not shorter; doubled with each one that fails, up to that.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Where a configuration comes from.
#[derive(Debug, Clone)]
pub(super) struct Whence {
    pub(super) file: PathBuf,
    pub(super) environment: Vec<(OsString, OsString)>,
    pub(super) flags: Flags,
}

impl Whence {
    pub(super) fn remote(&self) -> Result<Option<RemoteBundle>, Failure> {
        Ok(config::remote_bundle(&self.file, self.environment.iter().cloned(), &self.flags)?)
    }

    /// Loads everything with a bundle that is not kept yet. Nothing is changed by it.
    pub(super) fn attempt(&self, fetched: FetchedBundle) -> Result<config::Config, Failure> {
        Ok(config::load_trying(&self.file, self.environment.iter().cloned(), &self.flags, fetched)?)
    }
}

/// A bundle that was fetched, is signed as it must be, and may follow the one that is used.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) fetched: FetchedBundle,
    pub(super) kept: Kept,
    opened: Arc<Bundle>,
    may_go_back: bool,
    cache: PathBuf,
}

impl Candidate {
    /// Keeps it in the cache, if it still may follow what is kept there, or what is `used` where nothing is: while it was fetched and tried,
    /// another process may have kept a later one.
    pub(super) fn store(&self, whence: &Whence, used: Option<&PolicyBundle>) -> Result<(), String> {
        let now = whence.remote().map_err(|failure| super::reload::in_a_line(&failure))?;
        if let Some(remote) = now.filter(|_| !self.may_go_back) {
            remote.may_be_followed_by(&self.opened, used).map_err(|why| why.to_string())?;
        }
        let FetchedBundle { bundle, signatures, .. } = &self.fetched;
        delivery::store(&self.cache, &self.kept, bundle, signatures)
            .map_err(|error| format!("the bundle cannot be kept in `{}`: {error}", self.cache.display()))
    }
}

/// Why there is nothing to use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Not {
    /// None came.
    Fetched(String),
    /// It is not to be used.
    Usable(String),
}

/// Asks for a bundle that may follow the copy, or the one that is `used` where there is no copy. Nothing if the copy is what is there.
pub(super) async fn look(
    remote: &RemoteBundle,
    used: Option<&PolicyBundle>,
    may_go_back: bool,
) -> Result<Option<Candidate>, Not> {
    let ca = remote.ca.as_ref().map(|ca| ca.pem.clone().into_bytes());
    let client = Client::new(ca, remote.timeout, LARGEST).map_err(|why| Not::Fetched(why.to_string()))?;
    let last = remote.kept.as_ref().map(|(kept, copy)| Fetched {
        bundle: copy.bundle.clone(),
        signatures: copy.signatures.clone(),
        etag: kept.etag.clone(),
        signatures_etag: kept.signatures_etag.clone(),
    });
    let fetched = delivery::fetch(&client, &remote.url, last.as_ref()).await;
    let Fetched { bundle, signatures, etag, signatures_etag } = fetched.map_err(|why| Not::Fetched(why.to_string()))?;
    if last.as_ref().is_some_and(|last| last.bundle == bundle && last.signatures == signatures) {
        return Ok(None);
    }
    let Signed { bundle: opened, .. } =
        remote.trust.open(&bundle, &signatures).map_err(|why| Not::Usable(why.to_string()))?;
    if !may_go_back {
        remote.may_be_followed_by(&opened, used).map_err(|why| {
            Not::Usable(format!("{why}; `findings-gate bundle fetch --allow-rollback` takes it all the same"))
        })?;
    }
    let signatures = match last.filter(|last| last.bundle == bundle) {
        Some(last) => {
            let joined =
                remote.trust.joined(&last.signatures, &signatures).map_err(|why| Not::Usable(why.to_string()))?;
            let joined = Bytes::from(joined.to_text());
            if joined == last.signatures {
                return Ok(None);
            }
            joined
        }
        None => signatures,
    };
    let mut kept = Kept::new(&remote.shown, &opened, Timestamp::now().to_string());
    (kept.etag, kept.signatures_etag) = (etag, signatures_etag);
    let fetched = FetchedBundle { url: remote.shown.clone(), bundle, signatures };
    Ok(Some(Candidate { fetched, kept, opened: Arc::new(opened), may_go_back, cache: remote.cache.clone() }))
}

/// How it goes. Clones are one.
#[derive(Debug, Clone)]
pub(super) struct Delivery(Arc<Mutex<State>>);

/// How it went the last time.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    /// The `ETag` of the bundle that is used.
    pub(super) etag: Option<String>,
    /// When it was last asked for one.
    pub(super) asked: Option<Timestamp>,
    /// When it was last known that the one that is used is the right one.
    pub(super) succeeded: Option<Timestamp>,
    /// Why the last try came to nothing, if it did.
    pub(super) error: Option<String>,
}

/// What came of a try.
#[derive(Debug)]
enum News {
    Taken(Kept),
    Unchanged,
    Not(Not),
}

impl Delivery {
    /// How it went the last time.
    pub(super) fn state(&self) -> State {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, news: &News, kept: Option<&Kept>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Timestamp::now();
        state.asked = Some(now);
        match news {
            News::Taken(kept) => state.etag.clone_from(&kept.etag),
            News::Unchanged | News::Not(_) => state.etag = kept.and_then(|kept| kept.etag.clone()),
        }
        match news {
            News::Taken(_) | News::Unchanged => (state.succeeded, state.error) = (Some(now), None),
            News::Not(Not::Fetched(why) | Not::Usable(why)) => state.error = Some(why.clone()),
        }
    }
}

fn tell(url: &str, news: &News, metrics: &Metrics) {
    let now = Timestamp::now().as_second();
    match news {
        News::Taken(kept) => {
            let digest = kept.digest().map_or_else(String::new, |digest| digest.to_string());
            BundleFetched { url, revision: &kept.revision, number: kept.number, digest: &digest }.emit();
            metrics.bundle(BundleFetch::Taken, now);
        }
        News::Unchanged => {
            BundleUnchanged { url }.emit();
            metrics.bundle(BundleFetch::Unchanged, now);
        }
        News::Not(Not::Fetched(reason)) => {
            BundleFailed { url, reason }.emit();
            metrics.bundle(BundleFetch::Failed, now);
        }
        News::Not(Not::Usable(reason)) => {
            BundleRefused { url, reason }.emit();
            metrics.bundle(BundleFetch::Refused, now);
        }
    }
}

/// The first try, of which nothing is told yet: what is logged, and how, is in the configuration.
pub(super) struct First {
    delivery: Delivery,
    refresh: Duration,
    url: String,
    news: News,
}

/// Asks before the start, so that there is a copy to start with: the new one, or the one that is kept.
pub(super) fn first(whence: &Whence) -> Result<Option<First>, Failure> {
    let remote = match whence.remote() {
        Ok(None) => return Ok(None),
        Ok(Some(remote)) => remote,
        Err(failure) => {
            // There may be more to tell than of the bundle.
            config::load(&whence.file, whence.environment.iter().cloned(), &whence.flags)?;
            return Err(failure);
        }
    };
    let news = match alone(look(&remote, None, false))? {
        Ok(None) => News::Unchanged,
        Ok(Some(candidate)) => match tried(whence, &candidate) {
            Ok(()) => match candidate.store(whence, None) {
                Ok(()) => News::Taken(candidate.kept),
                // A disk that is full, or that nobody may write to, takes nothing from the copy that is there.
                Err(why) if remote.kept.is_some() => News::Not(Not::Usable(why)),
                Err(why) => return Err(Failure::broke(why)),
            },
            Err(failure) if remote.kept.is_none() => return Err(failure),
            Err(failure) => News::Not(Not::Usable(super::reload::in_a_line(&failure))),
        },
        Err(Not::Fetched(why) | Not::Usable(why)) if remote.kept.is_none() => {
            return Err(Failure::broke(format_args!(
                "there is no bundle to start with: that of {} is not to be had ({why}), and there is no copy of it in `{}` that may be used",
                remote.shown,
                remote.cache.display()
            )));
        }
        Err(not) => News::Not(not),
    };
    let delivery = Delivery(Arc::default());
    delivery.note(&news, remote.kept.as_ref().map(|(kept, _)| kept));
    Ok(Some(First { delivery, refresh: remote.refresh, url: remote.shown, news }))
}

/// Whether everything can be loaded with a bundle.
fn tried(whence: &Whence, candidate: &Candidate) -> Result<(), Failure> {
    let config = whence.attempt(candidate.fetched.clone())?;
    let accounts = Arc::new(config.accounts.clone());
    assemble::snapshot(&config.policies, &accounts)?;
    assemble::identity(&config, accounts).map(drop)
}

impl First {
    /// Tells what came of it.
    pub(super) fn tell(&self, metrics: &Metrics) {
        tell(&self.url, &self.news, metrics);
    }

    /// Asks again and again on a thread of its own, for as long as the process runs.
    pub(super) fn start(self, whence: Whence, reload: Reload, metrics: Arc<Metrics>) -> Result<Delivery, Failure> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::broke)?;
        let delivery = self.delivery.clone();
        let mut failures = u32::from(matches!(self.news, News::Not(_)));
        let mut refresh = self.refresh;
        let run = move || {
            runtime.block_on(async {
                loop {
                    tokio::select! {
                        () = sleep(jittered(pause(refresh, failures))) => {}
                        () = reload.asked_for() => {}
                    }
                    let (url, kept, news) = match whence.remote() {
                        Ok(Some(remote)) => {
                            refresh = remote.refresh;
                            let news = again(&remote, &reload).await;
                            (remote.shown, remote.kept.map(|(kept, _)| kept), news)
                        }
                        // The reloader tells of it, too; and that a URL is there or not stays until a restart.
                        Ok(None) => continue,
                        Err(failure) => {
                            (self.url.clone(), None, News::Not(Not::Fetched(super::reload::in_a_line(&failure))))
                        }
                    };
                    failures = if matches!(news, News::Not(_)) { failures.saturating_add(1) } else { 0 };
                    self.delivery.note(&news, kept.as_ref());
                    tell(&url, &news, &metrics);
                }
            })
        };
        thread::Builder::new().name("bundle".to_owned()).spawn(run).map_err(Failure::broke)?;
        Ok(delivery)
    }
}

async fn again(remote: &RemoteBundle, reload: &Reload) -> News {
    match look(remote, reload.last().bundle.as_ref(), false).await {
        Ok(None) => News::Unchanged,
        Ok(Some(candidate)) => {
            let kept = candidate.kept.clone();
            match reload.offer(candidate).await {
                Ok(()) => News::Taken(kept),
                Err(why) => News::Not(Not::Usable(why)),
            }
        }
        Err(not) => News::Not(not),
    }
}

/// How long to wait after so many tries in a row that came to nothing.
fn pause(refresh: Duration, failures: u32) -> Duration {
    match failures.checked_sub(1) {
        None => refresh,
        Some(doublings) => FIRST_PAUSE.saturating_mul(1 << doublings.min(16)).min(refresh),
    }
}

/// Fetches once, for whoever asks for it by hand.
pub(super) fn by_hand(whence: &Whence, may_go_back: bool) -> Result<(Exit, String), Failure> {
    let Some(remote) = whence.remote()? else {
        return Err(Failure::invalid(format_args!("`policies.path` of `{}` names no URL", whence.file.display())));
    };
    let candidate = match alone(look(&remote, None, may_go_back))? {
        Ok(Some(candidate)) => candidate,
        Ok(None) => {
            let digest = remote.kept.and_then(|(kept, _)| kept.digest());
            let digest = digest.map_or_else(String::new, |digest| format!(": {digest}"));
            return Ok((Exit::Fine, format!("the copy of {} is up to date{digest}\n", remote.shown)));
        }
        Err(Not::Fetched(why)) => return Err(Failure::broke(why)),
        Err(Not::Usable(why)) => return Ok((Exit::Failed, format!("not taken: {why}\n"))),
    };
    tried(whence, &candidate)?;
    candidate.store(whence, None).map_err(Failure::broke)?;
    let Kept { revision, number, .. } = &candidate.kept;
    let number = number.map_or_else(String::new, |number| format!(", number {number}"));
    let digest = candidate.kept.digest().map_or_else(String::new, |digest| digest.to_string());
    Ok((
        Exit::Fine,
        format!("{} is kept in {}: revision {revision}{number}, {digest}\n", remote.shown, remote.cache.display()),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_that_fail_come_further_and_further_apart() {
        let minute = Duration::from_mins(1);
        let pauses: Vec<u64> = (0..9).map(|failures| pause(minute, failures).as_secs()).collect();
        assert_eq!(pauses, [60, 1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(pause(minute, u32::MAX), minute);
        assert_eq!(pause(Duration::from_millis(10), 3), Duration::from_millis(10));
        for _ in 0..100 {
            assert!((Duration::from_secs(54)..=Duration::from_secs(66)).contains(&jittered(minute)));
        }
    }
}

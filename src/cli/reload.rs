//! Reading the configuration again while the gate runs.
//!
//! All or nothing: what is read is loaded and checked as at the start, policies, accounts, keys, certificates and all, and only if all of it is
//! good it takes the place of what was. Otherwise the log says why, and the last good configuration stays.
//!
//! The directories of all files that were read are watched: editors replace files, and a mounted Kubernetes secret or config map changes by a
//! symbolic link beside its files. What else changes there is passed over. SIGHUP asks for a look, too, and every half minute there is one anyway, for file systems that tell nothing.

use super::{
    Failure, assemble,
    deliver::{Candidate, Whence},
    discover,
};
use crate::{
    audit::{self, Event},
    config::{self, Config, PolicyBundle, Reads},
    discovery::Discovered,
    finding::Accounts,
    proxy::{GateSettings, Grace, Limits, Live, LiveLimits, Prepared, Tls},
    telemetry::{
        events::{ConfigurationDoubtful, ReloadFailed, Reloaded, WatchFailed},
        metrics,
    },
};
use jiff::Timestamp;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher, event::ModifyKind};
use std::{
    collections::BTreeSet,
    fmt::Write as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};
use tokio::{
    runtime,
    sync::{Notify, mpsc, oneshot},
    time::{Instant, timeout},
};

/// How long it must be quiet before files are read: two that belong together are seldom written at once.
const QUIET: Duration = Duration::from_millis(100);

/// How long is waited for that at the most.
const LONGEST_QUIET: Duration = Duration::from_secs(2);

/// When to look although nothing was heard.
const UNASKED: Duration = Duration::from_secs(30);

/// How often files are read anew that change while they are read.
const READINGS: usize = 5;

/// How many symbolic links are followed to a file: as many as Linux does.
const LINKS: usize = 40;

/// How deep policies may be nested in what is evaluated here: the same as a worker's stack.
const STACK: usize = 8 * 1024 * 1024;

/// What is known of the configuration that is used, and the way to have it read again. Clones are one.
#[derive(Clone)]
pub(super) struct Reload {
    last: Arc<Mutex<Last>>,
    requests: mpsc::Sender<Request>,
    /// Rung when somebody asked for a look: what is fetched is to be looked at, too.
    asked_for: Arc<Notify>,
}

/// Somebody wants the configuration to be read, and to know how it went.
struct Request {
    /// A bundle that came, and is to be used if everything is good with it.
    candidate: Option<Candidate>,
    answer: oneshot::Sender<Result<(), String>>,
}

/// How it went the last time.
#[derive(Debug, Clone)]
pub(super) struct Last {
    /// What the policies that are used were read from: packs, files and directories.
    pub(super) sources: Vec<String>,
    /// When what is used was read.
    pub(super) loaded: Timestamp,
    /// How many times it was replaced.
    pub(super) count: u64,
    /// Why the last try failed, if it did.
    pub(super) error: Option<String>,
    /// The bundle that is used, if one is.
    pub(super) bundle: Option<PolicyBundle>,
}

impl Reload {
    /// How it went the last time.
    pub(super) fn last(&self) -> Last {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the configuration again, and tells what is wrong with it.
    pub(super) async fn ask(&self) -> Result<(), String> {
        self.asked_for.notify_one();
        self.request(None).await
    }

    /// Uses a bundle that came, if everything is good with it, and tells what is wrong with it otherwise. What is used is kept in the cache.
    pub(super) async fn offer(&self, candidate: Candidate) -> Result<(), String> {
        self.request(Some(candidate)).await
    }

    /// Waits until somebody asks for a look.
    pub(super) async fn asked_for(&self) {
        self.asked_for.notified().await;
    }

    async fn request(&self, candidate: Option<Candidate>) -> Result<(), String> {
        let gone = |()| "nothing watches the configuration any more".to_owned();
        let (answer, answered) = oneshot::channel();
        self.requests.send(Request { candidate, answer }).await.map_err(|_| gone(()))?;
        answered.await.map_err(|_| gone(()))?
    }

    /// What was put in place was read from `sources`, and has this bundle in it.
    fn note_success(&self, sources: Vec<String>, bundle: Option<PolicyBundle>) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Last { sources, bundle, loaded: Timestamp::now(), count: last.count + 1, error: None };
    }

    fn note_failure(&self, error: &str) {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).error = Some(error.to_owned());
    }
}

/// What takes the place of what was.
struct Renewal {
    tls: Option<Prepared>,
    settings: GateSettings,
    /// And the grace.
    limits: (Limits, Duration),
    /// What the accounts file says, without what was listed.
    said: Accounts,
    /// Where the policies come from.
    sources: Vec<String>,
    bundle: Option<PolicyBundle>,
}

/// What was put in place, or was there already.
struct Installed {
    sources: Vec<String>,
    bundle: Option<PolicyBundle>,
    /// What is doubtful about it.
    warnings: Vec<String>,
}

/// A running gate, and where its configuration comes from.
pub(super) struct Reloader {
    pub(super) whence: Whence,
    /// What the gate was started with: some of it stays as long as the process runs.
    pub(super) started: Config,
    pub(super) reads: Reads,
    /// What Security Hub lists, if it is asked.
    pub(super) discovered: Option<Discovered>,
    pub(super) live: Live,
    pub(super) limits: LiveLimits,
    pub(super) grace: Grace,
    pub(super) tls: Option<Tls>,
}

impl Reloader {
    /// Watches on a thread of its own, for as long as the process runs.
    pub(super) fn start(self) -> Result<Reload, Failure> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::broke)?;
        let (requests, asked) = mpsc::channel(1);
        let config::Policies { bundle, .. } = &self.started.policies;
        let (sources, bundle) = (self.started.policies.sources(), bundle.clone());
        let last = Last { sources, loaded: Timestamp::now(), count: 0, error: None, bundle };
        let reload = Reload { last: Arc::new(Mutex::new(last)), requests, asked_for: Arc::default() };
        let noted = reload.clone();
        // Before the gate says that it listens: from then on, SIGHUP must not end it.
        let hangup = {
            let _inside = runtime.enter();
            Hangup::new()
        };
        let watch = move || runtime.block_on(self.run(&noted, asked, hangup));
        thread::Builder::new().name("reload".to_owned()).stack_size(STACK).spawn(watch).map_err(Failure::broke)?;
        Ok(reload)
    }

    async fn run(mut self, noted: &Reload, mut asked: mpsc::Receiver<Request>, mut hangup: Hangup) {
        let bell = Arc::new(Notify::new());
        let mut watch = Watch::new(&bell);
        watch.turn_to(&self.reads.paths);
        // Files may have changed between the start and the watch.
        bell.notify_one();
        let mut failed = false;
        // Until it took its place: what is wrong with the files may be put right later.
        let mut is_relisted = false;
        loop {
            let mut request = tokio::select! {
                () = bell.notified() => None,
                () = hangup.received() => {
                    noted.asked_for.notify_one();
                    None
                }
                () = listed_anew(self.discovered.as_ref()) => {
                    is_relisted = true;
                    None
                }
                request = asked.recv() => request,
                () = tokio::time::sleep(UNASKED) => None,
            };
            // Whoever asks has written what is to be read; and somebody who never stops writing beside it does not hold it up.
            let latest = Instant::now() + LONGEST_QUIET;
            while request.is_none() && Instant::now() < latest {
                tokio::select! {
                    Some(waiting) = asked.recv() => request = Some(waiting),
                    rung = timeout(QUIET, bell.notified()) => if rung.is_err() { break },
                }
            }
            let (candidate, mut answer) = match request {
                Some(Request { candidate, answer }) => (candidate, Some(answer)),
                None => (None, None),
            };
            if let Some(Err(reason)) = candidate.map(|candidate| self.keep(&candidate, noted)) {
                // Whoever offered it tells of it. What else has changed meanwhile is read all the same.
                let _ = answer.take().map(|answer| answer.send(Err(reason)));
            }
            let read = || config::recorded(|| self.read(None));
            let (outcome, reads) = if answer.is_some() { read() } else { settled(self.reads.digest, read) };
            let outcome = outcome.map_err(|failure| in_a_line(&failure));
            watch.turn_to(&reads.paths);
            // What is there already is not put in place anew: the caches of what was learnt with it are good.
            let is_new = reads.digest != self.reads.digest || is_relisted || failed && outcome.is_ok();
            self.reads = reads;
            let outcome = outcome.and_then(|(renewal, warnings)| {
                let (sources, bundle) = (renewal.sources.clone(), renewal.bundle.clone());
                if is_new {
                    self.install(renewal)?;
                }
                Ok(Installed { sources, bundle, warnings })
            });
            failed = outcome.is_err();
            let told = outcome.as_ref().map(drop).map_err(Clone::clone);
            if is_new {
                is_relisted &= failed;
                self.tell(noted, outcome);
            }
            // After all that can be asked about it says so, too.
            if let Some(answer) = answer {
                // Whoever asked may have gone.
                let _ = answer.send(told);
            }
        }
    }

    /// Tells what came of a try, in the log, in numbers, and to whoever asks for the status.
    fn tell(&self, noted: &Reload, outcome: Result<Installed, String>) {
        let result = if outcome.is_ok() { metrics::Reload::Success } else { metrics::Reload::Failure };
        self.live.current().metrics.reloaded(result);
        match outcome {
            Ok(Installed { sources, bundle, warnings }) => {
                noted.note_success(sources, bundle);
                for warning in &warnings {
                    ConfigurationDoubtful { warning }.emit();
                }
                let snapshot = self.live.current().snapshot;
                let accounts = snapshot.accounts().count();
                Reloaded { policies: snapshot.rules().len(), digest: snapshot.digest(), accounts }.emit();
            }
            Err(reason) => {
                noted.note_failure(&reason);
                ReloadFailed { reason: &reason }.emit();
            }
        }
    }

    /// Reads everything: what is to be put in place if all of it is good, and what is doubtful about it.
    ///
    /// With a bundle that came, it is as it would be if that were in the cache.
    fn read(&self, candidate: Option<&Candidate>) -> Result<(Renewal, Vec<String>), Failure> {
        let mut config = match candidate {
            Some(candidate) => self.whence.attempt(candidate.fetched.clone())?,
            None => config::load(&self.whence.file, self.whence.environment.iter().cloned(), &self.whence.flags)?,
        };
        let said = config.accounts.clone();
        config.accounts = discover::accounts(self.discovered.as_ref(), config.accounts)?;
        self.refuse_what_stays(&config)?;
        let tls = assemble::tls(&config.listen)?;
        let settings = assemble::renewed(&config, self.live.current())?;
        let warnings = config.warnings.iter().cloned().chain(assemble::doubts(&config, &settings.snapshot)).collect();
        let sources = config.policies.sources();
        let limits = (assemble::limits(&config.limits), config.limits.grace);
        Ok((Renewal { tls, settings, limits, said, sources, bundle: config.policies.bundle }, warnings))
    }

    /// Puts a bundle into the cache, if everything is good with it.
    fn keep(&self, candidate: &Candidate, noted: &Reload) -> Result<(), String> {
        self.read(Some(candidate)).map_err(|failure| in_a_line(&failure))?;
        candidate.store(&self.whence, noted.last().bundle.as_ref())
    }

    /// Puts everything in place, or nothing: what may fail is first.
    fn install(&self, Renewal { tls, settings, limits: (limits, grace), said, .. }: Renewal) -> Result<(), String> {
        settings.routes.first().set_accounts(settings.snapshot.accounts())?;
        if let (Some(tls), Some(prepared)) = (&self.tls, tls) {
            tls.install(prepared);
        }
        if let Some(discovered) = &self.discovered {
            discovered.say(said);
        }
        let (records, snapshot) = (settings.records.clone(), Arc::clone(&settings.snapshot));
        self.live.replace(settings);
        self.limits.replace(limits);
        self.grace.replace(grace);
        if let Some(records) = records {
            records.log.say(Event::Reload(audit::Reload { snapshot: snapshot.digest().into() }));
        }
        Ok(())
    }

    /// What needs a restart is not passed over: then nothing of the new configuration is used.
    fn refuse_what_stays(&self, config: &Config) -> Result<(), Failure> {
        let (new, old) = (config, &self.started);
        // What a secret is, its `Debug` does not say.
        let traces = |config: &Config| {
            let headers = config.traces.export.iter().flat_map(|export| &export.headers);
            let secrets: Vec<String> = headers.map(|(_, value)| value.expose().to_owned()).collect();
            (format!("{:?}", config.traces), secrets)
        };
        let page_key = |config: &Config| config.page_key.as_ref().map(|key| key.expose().to_vec());
        let is_fetched = |config: &Config| config.policies.bundle.as_ref().is_some_and(|bundle| bundle.cache.is_some());
        let stays = [
            ("policies.path (a URL or none)", is_fetched(new) == is_fetched(old)),
            ("listen.address", new.listen.address == old.listen.address),
            ("listen.workers", new.listen.workers == old.listen.workers),
            ("listen.tls.certificate (there or not)", new.listen.tls.is_some() == old.listen.tls.is_some()),
            ("admin.address", new.admin == old.admin),
            ("upstream", new.upstream == old.upstream),
            ("quota, retry or breaker", new.conduct == old.conduct),
            ("accounts.source, accounts.refresh or accounts.wait", new.discovery == old.discovery),
            ("state", new.state == old.state),
            ("audit", new.audit == old.audit),
            ("doors.page_key", page_key(new) == page_key(old)),
            ("traces", traces(new) == traces(old)),
            ("log", format!("{:?}", new.log) == format!("{:?}", old.log)),
        ];
        let changed: Vec<&str> = stays.iter().filter(|(_, same)| !same).map(|(key, _)| *key).collect();
        if changed.is_empty() {
            return Ok(());
        }
        Err(Failure::invalid(format!(
            "changes of {} need a restart, so nothing of the new configuration is used: restart the gate, or take them back",
            changed.join(", ")
        )))
    }
}

/// Reads until it is the same twice, unless it is what is known already. Files that belong together may be replaced while they are
/// read, and then some would be of one set and some of the other.
fn settled<T>(known: [u8; 32], read: impl Fn() -> (Result<T, Failure>, Reads)) -> (Result<T, Failure>, Reads) {
    let mut last = read();
    for _ in 1..READINGS {
        if last.1.digest == known {
            return last;
        }
        let before = std::mem::replace(&mut last, read()).1;
        if last.1.digest == before.digest {
            return last;
        }
    }
    let why = "the files were different each time that they were read; they are read again soon";
    (Err(Failure::invalid(why)), last.1)
}

/// Waits until Security Hub lists other members than before; for ever if it is not asked.
async fn listed_anew(discovered: Option<&Discovered>) {
    match discovered {
        Some(discovered) => discovered.changed().await,
        None => std::future::pending().await,
    }
}

/// All that is wrong, on one line.
pub(super) fn in_a_line(failure: &Failure) -> String {
    let Failure::Invalid(diagnostic) = failure else { return failure.to_string() };
    let mut line = diagnostic.to_string();
    let problems = diagnostic.related().into_iter().flatten().map(ToString::to_string);
    // A heading may tell the first problem itself.
    let untold: Vec<String> = problems.filter(|problem| !line.contains(problem.as_str())).collect();
    for (number, problem) in untold.iter().enumerate() {
        let _ = write!(line, "{} {problem}", if number == 0 { ":" } else { ";" });
    }
    line
}

/// What rings a bell when something changes that is read.
struct Watch {
    bell: Arc<Notify>,
    watcher: Option<RecommendedWatcher>,
    concern: Arc<Mutex<Concern>>,
}

impl Watch {
    fn new(bell: &Arc<Notify>) -> Self {
        let concern = Arc::<Mutex<Concern>>::default();
        let heard = {
            let (bell, concern) = (Arc::clone(bell), Arc::clone(&concern));
            move |event: notify::Result<notify::Event>| {
                if event.map_or(true, |event| lock(&concern).is_about(&event)) {
                    bell.notify_one();
                }
            }
        };
        let watcher = notify::recommended_watcher(heard).map_err(|error| told(&error)).ok();
        Self { bell: Arc::clone(bell), watcher, concern }
    }

    /// Listens for changes of these files and directories from now on. What is gone is watched again when it is there again.
    fn turn_to(&mut self, paths: &BTreeSet<PathBuf>) {
        let Some(watcher) = &mut self.watcher else { return };
        let mut concern = Concern::of(paths);
        let mut known = lock(&self.concern).watched.clone();
        known.retain(|directory| directory.is_dir());
        // Without the lock: the watcher may wait for the thread on which it tells what it heard.
        for directory in &concern.watched {
            if !known.contains(directory) {
                match watcher.watch(directory, RecursiveMode::NonRecursive) {
                    Ok(()) => drop(known.insert(directory.clone())),
                    Err(error) => told(&error),
                }
            }
        }
        concern.watched = known;
        let mut current = lock(&self.concern);
        if (&concern.places, &concern.listed) != (&current.places, &current.listed) {
            // What is new in it may have changed between the reading and now.
            self.bell.notify_one();
        }
        *current = concern;
    }
}

/// Which changes may change what is read. Beside it there may be files that are written all the time, such as the gate's own audit log.
#[derive(Debug, Default)]
struct Concern {
    /// The files that are read, and the symbolic links on the way to them: each in its real directory.
    places: BTreeSet<PathBuf>,
    /// The directories whose entries are read.
    listed: BTreeSet<PathBuf>,
    /// The directories that are watched.
    watched: BTreeSet<PathBuf>,
}

impl Concern {
    fn of(paths: &BTreeSet<PathBuf>) -> Self {
        let places: BTreeSet<PathBuf> = paths.iter().flat_map(|path| trail(path)).collect();
        let listed: BTreeSet<PathBuf> =
            places.iter().filter(|place| place.is_dir() && !place.is_symlink()).cloned().collect();
        let around = places.iter().filter_map(|place| place.parent()).map(Path::to_owned);
        let watched = listed.iter().cloned().chain(around).collect();
        Self { places, listed, watched }
    }

    fn is_about(&self, event: &notify::Event) -> bool {
        // Where some were lost, any may have been.
        if event.need_rescan() || event.paths.is_empty() {
            return true;
        }
        // Of a file whose coming was told, and which is read by now or never will be.
        let is_inside = matches!(event.kind, EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Metadata(_)));
        let is_read = |path: &PathBuf| {
            self.places.contains(path)
                || self.watched.contains(path)
                || !is_inside && path.parent().is_some_and(|directory| self.listed.contains(directory))
        };
        // What only reads, this gate included, changes nothing.
        !matches!(event.kind, EventKind::Access(_)) && event.paths.iter().any(is_read)
    }
}

fn lock(concern: &Mutex<Concern>) -> MutexGuard<'_, Concern> {
    concern.lock().unwrap_or_else(PoisonError::into_inner)
}

fn told(error: &notify::Error) {
    WatchFailed { reason: &error.to_string() }.emit();
}

/// Where `path` leads: each symbolic link on the way, and what is at its end. Each by its real directory, as a watcher tells it.
fn trail(path: &Path) -> Vec<PathBuf> {
    let mut trail = Vec::new();
    let Ok(mut path) = std::path::absolute(path) else { return trail };
    for _ in 0..LINKS {
        let link = path.ancestors().filter(|part| part.is_symlink()).last().map(Path::to_owned);
        let at = link.as_deref().unwrap_or(&path);
        let (Some(directory), Some(name)) = (at.parent(), at.file_name()) else {
            trail.extend(path.canonicalize());
            return trail;
        };
        trail.extend(directory.canonicalize().map(|directory| directory.join(name)));
        let Some(link) = &link else { return trail };
        let (Ok(target), Ok(rest)) = (link.read_link(), path.strip_prefix(link)) else { return trail };
        let target = directory.join(target);
        path = if rest.as_os_str().is_empty() { target } else { target.join(rest) };
    }
    trail
}

/// SIGHUP, where there is such a thing.
#[cfg(unix)]
struct Hangup(Option<tokio::signal::unix::Signal>);

#[cfg(unix)]
impl Hangup {
    fn new() -> Self {
        Self(tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()).ok())
    }

    async fn received(&mut self) {
        match &mut self.0 {
            Some(signal) => drop(signal.recv().await),
            None => std::future::pending().await,
        }
    }
}

#[cfg(not(unix))]
struct Hangup;

#[cfg(not(unix))]
impl Hangup {
    fn new() -> Self {
        Self
    }

    async fn received(&mut self) {
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// What comes of files that are so, one reading after the other, and after how many readings.
    fn settles(readings: &[u8]) -> (Option<u8>, usize) {
        let at = Cell::new(0);
        let read = || {
            let reading = readings[at.replace(at.get() + 1)];
            (Ok(reading), Reads { paths: BTreeSet::new(), digest: [reading; 32] })
        };
        let (outcome, reads) = settled([0; 32], read);
        assert_eq!(reads.digest, [readings[at.get() - 1]; 32]);
        (outcome.ok(), at.get())
    }

    #[test]
    fn files_that_change_while_they_are_read_are_read_again() {
        assert_eq!(settles(&[0]), (Some(0), 1), "nothing is new");
        assert_eq!(settles(&[1, 1]), (Some(1), 2));
        // Half of one set and half of the next.
        assert_eq!(settles(&[1, 2, 2]), (Some(2), 3));
        assert_eq!(settles(&[1, 2, 0]), (Some(0), 3), "back to what is used");
        assert_eq!(settles(&[1, 2, 3, 4, 4]), (Some(4), 5));
        assert_eq!(settles(&[1, 2, 3, 4, 5]), (None, 5));
    }

    fn event(kind: EventKind, path: &Path) -> notify::Event {
        notify::Event::new(kind).add_path(path.to_owned())
    }

    #[test]
    #[cfg(unix)]
    fn only_a_change_of_what_is_read_or_of_a_link_to_it_asks_for_a_look() {
        use notify::event::{AccessKind, CreateKind, DataChange, Flag, RenameMode};
        use std::os::unix::fs::symlink;

        let place = tempfile::tempdir().unwrap();
        let root = place.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("..1/policies")).unwrap();
        std::fs::write(root.join("..1/gate.toml"), "").unwrap();
        std::fs::write(root.join("..1/policies/a.cedar"), "").unwrap();
        symlink("..1", root.join("..data")).unwrap();
        symlink("..data/gate.toml", root.join("gate.toml")).unwrap();
        symlink("..data/policies", root.join("policies")).unwrap();
        let paths = ["gate.toml", "policies", "policies/a.cedar", "absent.toml"].map(|name| root.join(name));
        let concern = Concern::of(&paths.into());

        let written = EventKind::Modify(ModifyKind::Data(DataChange::Any));
        let renamed = EventKind::Modify(ModifyKind::Name(RenameMode::To));
        let created = EventKind::Create(CreateKind::File);
        for (kind, path, is_about) in [
            (written, "..1/gate.toml", true),
            (renamed, "gate.toml", true),
            (renamed, "..data", true),
            (written, "..1/policies/a.cedar", true),
            (created, "..1/policies/b.cedar", true),
            (created, "absent.toml", true),
            (written, "audit.jsonl", false),
            (created, "audit.jsonl.1", false),
            (renamed, "bundle.tar", false),
            (written, "..1/policies/noise.log", false),
            (EventKind::Access(AccessKind::Any), "..1/gate.toml", false),
        ] {
            assert_eq!(concern.is_about(&event(kind, &root.join(path))), is_about, "{kind:?} {path}");
        }
        assert!(concern.is_about(&notify::Event::new(EventKind::Other).set_flag(Flag::Rescan)));
        assert!(concern.is_about(&notify::Event::new(written)));
        assert!(concern.watched.is_superset(&[root.clone(), root.join("..1"), root.join("..1/policies")].into()));
    }

    #[test]
    #[cfg(unix)]
    fn links_in_a_circle_end() {
        let place = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("b", place.path().join("a")).unwrap();
        std::os::unix::fs::symlink("a", place.path().join("b")).unwrap();
        assert_eq!(trail(&place.path().join("a")).len(), LINKS);
    }

    /// Whether the bell rings after this.
    async fn rings(bell: &Notify, change: impl FnOnce()) -> bool {
        while timeout(QUIET, bell.notified()).await.is_ok() {}
        change();
        timeout(Duration::from_secs(10), bell.notified()).await.is_ok()
    }

    #[tokio::test]
    async fn what_is_read_rings() {
        let place = tempfile::tempdir().unwrap();
        let (read, beside) = (place.path().join("gate.toml"), place.path().join("audit.jsonl"));
        std::fs::write(&read, "a").unwrap();
        std::fs::write(&beside, "b").unwrap();
        let bell = Arc::new(Notify::new());
        let mut watch = Watch::new(&bell);
        watch.turn_to(&[read.clone()].into());
        assert!(rings(&bell, || std::fs::write(&read, "b").unwrap()).await, "edited");
        assert!(rings(&bell, || std::fs::rename(&beside, &read).unwrap()).await, "renamed over");
    }
}

//! The writer: a thread of its own that puts the records of all workers to the log, many in one write.
//!
//! A request takes a place ([`Log::place`]) before anything is forwarded, so that nothing happens that could not be recorded, and gives
//! its record up at the end ([`Place::record`]), which waits until the record is written (and, with `audit.fsync = "always"`, on the
//! disk). While one write is under way, the records of others gather, and go together in the next.

use super::{Event, Files, Line, OpenError, Seal, Start, VERSION, chain::Link, journal::Journal};
use crate::finding::Timestamp;
use std::{
    collections::VecDeque,
    fmt,
    io::{self, Write as _},
    num::NonZeroUsize,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{self, RecvTimeoutError},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch},
    time::timeout,
};

/// What goes into one write at the most.
const LONGEST_WRITE: usize = 4 << 20;
/// How long is waited before a write that failed is tried again: the first time, and at the most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// How records are kept.
#[derive(Debug, Clone, PartialEq)]
pub struct LogSettings {
    /// `audit.file`
    pub files: Option<Files>,
    /// `audit.stdout`: whether every line goes to standard output.
    pub stdout: bool,
    /// `audit.key`
    pub seal: Seal,
    /// `audit.fsync`
    pub sync: Sync,
    /// `audit.on_full`
    pub on_full: OnFull,
    /// `audit.queue`: records that may wait to be written.
    pub queue: NonZeroUsize,
    /// `audit.wait`: how long a request waits for a place, and for its record to be written.
    pub wait: Duration,
    /// `audit.recent`: how many of the last records are kept in memory.
    pub recent: usize,
}

/// When what is written is forced to the disk. A record that is written survives the process; one that is on the disk survives the loss of
/// power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// With every write, before anybody who has a record in it is answered.
    Always,
    /// So long after a write at the latest.
    Within(Duration),
    /// When the system does.
    Never,
}

/// What becomes of a request where records cannot be taken: the queue is full, or the log cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFull {
    /// It waits, and is refused if that takes too long.
    Block,
    /// It goes on without a record. How many did so is counted, and stands in the log.
    Shed,
    /// It is refused at once.
    Refuse,
}

/// What is heard of a log: for whoever counts, and tells.
pub trait News: fmt::Debug + Send + std::marker::Sync {
    /// So many records were written in one go, which took this long.
    fn written(&self, records: usize, took: Duration);
    /// So many records wait.
    fn waiting(&self, records: usize);
    /// So many records were given up.
    fn shed(&self, records: u64);
    /// Nothing can be written, for this reason. Told once, until something is written again.
    fn failed(&self, why: &io::Error);
    /// Something is written again.
    fn recovered(&self);
    /// A full file could not be put away, for this reason; the log goes on in it.
    fn not_rotated(&self, why: &io::Error);
}

/// A request has no place in the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoPlace {
    /// Too many records wait to be written.
    #[error("too many decision records wait to be written")]
    Full,
    /// The log cannot be written.
    #[error("decision records cannot be written")]
    Failing,
}

/// A record was not written in time. It still may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the decision record could not be written in time")]
pub struct NotWritten;

/// An audit log that is written. Clones are one.
#[derive(Clone)]
pub struct Log(Arc<Shared>);

struct Shared {
    on_full: OnFull,
    wait: Duration,
    queue: usize,
    places: Arc<Semaphore>,
    failing: watch::Sender<bool>,
    /// Records that were given up and of which the log does not say so yet.
    shed: AtomicU64,
    recent: Mutex<Recent>,
    writer: Mutex<Option<Writer>>,
    items: mpsc::Sender<Item>,
    news: Arc<dyn News>,
}

struct Writer {
    thread: JoinHandle<()>,
    ended: mpsc::Receiver<()>,
}

/// The last records, as they were written.
struct Recent {
    limit: usize,
    lines: VecDeque<Arc<str>>,
}

enum Item {
    Line {
        text: Vec<u8>,
        /// Told when it is written; nothing where nobody waits.
        done: Option<oneshot::Sender<()>>,
        /// Given back when it is written.
        place: Option<OwnedSemaphorePermit>,
    },
    /// Nothing comes after it.
    Stop { text: Vec<u8>, by: Instant },
}

impl Log {
    /// Opens the log, says in it that `program` with `snapshot` begins, and starts the writer.
    ///
    /// # Errors
    ///
    /// The log cannot be gone on with, or its first line cannot be written.
    pub fn start(
        settings: LogSettings,
        program: &str,
        snapshot: &str,
        news: Arc<dyn News>,
    ) -> Result<(Self, Option<u64>), OpenError> {
        let LogSettings { files, stdout, seal, sync, on_full, queue, wait, recent } = settings;
        let path = files.as_ref().map_or_else(|| "standard output".into(), |files| files.path.clone());
        let io = |error| OpenError::Io { path: path.clone(), error };
        let (journal, link, repaired) = match files {
            Some(files) => {
                let (journal, link, repaired) = Journal::open(files, &seal)?;
                (Some(Box::new(journal) as Box<dyn Lines>), link, repaired)
            }
            None => (None, Link::FIRST, None),
        };
        let mut out = Out { journal, stdout: stdout.then(Standard::default), seal, link, sync, unsynced: None };
        let start = Event::Start(Start { program: program.into(), snapshot: snapshot.into(), repaired });
        out.write(&[&line(start)], &*news).map_err(io)?;
        let shared = Shared::new(on_full, queue, wait, recent, news);
        Ok((Self::spawn(shared, out).map_err(io)?, repaired))
    }

    fn spawn((shared, received): (Shared, mpsc::Receiver<Item>), out: Out) -> io::Result<Self> {
        let shared = Arc::new(shared);
        let (end, ended) = mpsc::channel();
        let write = {
            let shared = Arc::clone(&shared);
            move || {
                run(&shared, &received, out);
                drop(end);
            }
        };
        let thread = thread::Builder::new().name("audit".to_owned()).spawn(write)?;
        *shared.writer.lock().unwrap_or_else(PoisonError::into_inner) = Some(Writer { thread, ended });
        Ok(Self(shared))
    }

    /// A place for one record, which whoever may change something takes before it does.
    ///
    /// # Errors
    ///
    /// There is none, and none came free in time: nothing may be forwarded.
    pub async fn place(&self) -> Result<Place, NoPlace> {
        let shared = &self.0;
        let free = || Arc::clone(&shared.places).try_acquire_owned().ok();
        let permit = match shared.on_full {
            OnFull::Shed => free(),
            // What has a place already would be lost sooner than this.
            OnFull::Refuse if self.is_stuck() => return Err(NoPlace::Failing),
            OnFull::Refuse => Some(free().ok_or(NoPlace::Full)?),
            OnFull::Block => {
                let place = async {
                    let _ = shared.failing.subscribe().wait_for(|failing| !failing).await;
                    Arc::clone(&shared.places).acquire_owned().await.ok()
                };
                let place = match free().filter(|_| !self.is_stuck()) {
                    Some(permit) => Some(permit),
                    None => timeout(shared.wait, place).await.ok().flatten(),
                };
                Some(place.ok_or(if self.is_stuck() { NoPlace::Failing } else { NoPlace::Full })?)
            }
        };
        Ok(Place { log: self.clone(), permit })
    }

    /// Writes a line that nobody waits for.
    pub fn say(&self, event: Event<'_>) {
        self.0.send(Item::Line { text: line(event), done: None, place: None });
    }

    /// Whether the log cannot be written, in a way that keeps requests from being served.
    pub fn is_stuck(&self) -> bool {
        self.0.on_full != OnFull::Shed && *self.0.failing.borrow()
    }

    /// The last records, the newest first, at most so many.
    pub fn recent(&self, most: usize) -> Vec<Arc<str>> {
        let recent = self.0.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.lines.iter().rev().take(most).cloned().collect()
    }

    /// Writes what waits and a last line, and ends the writer. Whether it was done within this time.
    pub fn finish(&self, within: Duration) -> bool {
        let Some(writer) = self.0.writer.lock().unwrap_or_else(PoisonError::into_inner).take() else { return true };
        self.0.send(Item::Stop { text: line(Event::Stop), by: Instant::now() + within });
        let is_done = !matches!(writer.ended.recv_timeout(within), Err(RecvTimeoutError::Timeout));
        if is_done {
            // A writer that panicked has ended, too.
            let _ = writer.thread.join();
        }
        is_done
    }
}

impl Shared {
    fn new(
        on_full: OnFull,
        queue: NonZeroUsize,
        wait: Duration,
        recent: usize,
        news: Arc<dyn News>,
    ) -> (Self, mpsc::Receiver<Item>) {
        let (items, received) = mpsc::channel();
        let queue = queue.get().min(Semaphore::MAX_PERMITS);
        let shared = Self {
            on_full,
            wait,
            queue,
            places: Arc::new(Semaphore::new(queue)),
            failing: watch::Sender::new(false),
            shed: AtomicU64::new(0),
            recent: Mutex::new(Recent { limit: recent, lines: VecDeque::new() }),
            writer: Mutex::new(None),
            items,
            news,
        };
        (shared, received)
    }

    fn shed(&self, records: u64) {
        self.shed.fetch_add(records, Relaxed);
        self.news.shed(records);
    }

    fn send(&self, item: Item) {
        // Without a writer nobody is told that it was written, and who waits for it gives up.
        let _ = self.items.send(item);
    }

    fn remember(&self, lines: &[&[u8]]) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.limit == 0 {
            return;
        }
        for line in lines {
            if recent.lines.len() >= recent.limit {
                recent.lines.pop_front();
            }
            recent.lines.push_back(String::from_utf8_lossy(line).into());
        }
    }
}

/// A record's place in the log.
#[derive(Debug)]
pub struct Place {
    log: Log,
    permit: Option<OwnedSemaphorePermit>,
}

impl Place {
    /// Writes the record, and waits until that is done. One that has no place is given up, and counted.
    ///
    /// # Errors
    ///
    /// It was not written in time: whoever it is about must not be told that all is well.
    pub async fn record(self, line: &Line<'_>) -> Result<(), NotWritten> {
        let shared = &self.log.0;
        if self.permit.is_none() {
            shared.shed(1);
            return Ok(());
        }
        let (done, written) = oneshot::channel();
        shared.send(Item::Line { text: text(line), done: Some(done), place: self.permit });
        match timeout(shared.wait, written).await {
            Ok(Ok(())) => Ok(()),
            _ if shared.on_full == OnFull::Shed => Ok(()),
            _ => Err(NotWritten),
        }
    }
}

impl Place {
    /// Writes the record of a request that is given up. Nobody waits for it.
    pub fn leave(self, line: &Line<'_>) {
        let shared = &self.log.0;
        match self.permit {
            Some(permit) => shared.send(Item::Line { text: text(line), done: None, place: Some(permit) }),
            None => shared.shed(1),
        }
    }
}

fn line(event: Event<'_>) -> Vec<u8> {
    text(&Line { version: VERSION, time: Timestamp::now(), event })
}

fn text(line: &Line<'_>) -> Vec<u8> {
    // Names are texts and numbers are finite: there is nothing in a line that could not be written.
    serde_json::to_vec(line).unwrap_or_default()
}

/// A file of lines.
trait Lines: Send {
    /// Whether these bytes go into the next file.
    fn is_full_for(&self, bytes: usize) -> bool;
    /// Begins the next file, of which `sequence` is the first line.
    fn rotate(&mut self, sequence: u64) -> io::Result<()>;
    /// Puts lines to the end: all of them or none.
    fn append(&mut self, lines: &[u8]) -> io::Result<()>;
    /// Takes so many bytes off the end again.
    fn undo(&mut self, bytes: usize);
    /// Waits until all of it is on the disk.
    fn sync(&self) -> io::Result<()>;
}

impl Lines for Journal {
    fn is_full_for(&self, bytes: usize) -> bool {
        Self::is_full_for(self, bytes)
    }

    fn rotate(&mut self, sequence: u64) -> io::Result<()> {
        Self::rotate(self, sequence)
    }

    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        Self::append(self, lines)
    }

    fn undo(&mut self, bytes: usize) {
        Self::undo(self, bytes);
    }

    fn sync(&self) -> io::Result<()> {
        Self::sync(self)
    }
}

/// Where lines go.
struct Out {
    journal: Option<Box<dyn Lines>>,
    stdout: Option<Standard>,
    seal: Seal,
    link: Link,
    sync: Sync,
    /// Since when something is written that is not on the disk.
    unsynced: Option<Instant>,
}

impl Out {
    /// Writes these lines as the next of the chain: all or none.
    fn write(&mut self, lines: &[&[u8]], news: &dyn News) -> io::Result<()> {
        let mut sealed = Vec::with_capacity(lines.iter().map(|line| line.len() + 192).sum());
        let mut link = self.link;
        for line in lines {
            self.seal.append(line, &mut link, &mut sealed);
        }
        if let Some(journal) = &mut self.journal {
            if journal.is_full_for(sealed.len())
                && let Err(error) = journal.rotate(self.link.sequence)
            {
                news.not_rotated(&error);
            }
            journal.append(&sealed)?;
            match self.sync {
                // What could not be forced to the disk may be gone from memory too, so it is written anew.
                Sync::Always => journal.sync().inspect_err(|_| journal.undo(sealed.len()))?,
                Sync::Within(_) => self.unsynced = self.unsynced.or_else(|| Some(Instant::now())),
                Sync::Never => {}
            }
        }
        if let Some(stdout) = &mut self.stdout {
            let written = stdout.write(&sealed);
            // With a file, that is the log, and this is a copy.
            if self.journal.is_none() {
                written?;
            }
        }
        self.link = link;
        Ok(())
    }

    /// How long until what is written must be on the disk.
    fn until_sync(&self) -> Option<Duration> {
        match (self.sync, self.unsynced) {
            (Sync::Within(longest), Some(since)) => Some(longest.saturating_sub(since.elapsed())),
            _ => None,
        }
    }

    fn sync_if_due(&mut self) -> io::Result<()> {
        if self.until_sync() == Some(Duration::ZERO) {
            self.unsynced = None;
            return self.journal.as_ref().map_or(Ok(()), |journal| journal.sync());
        }
        Ok(())
    }
}

/// Standard output, to which a write that failed half way has left half a line.
#[derive(Default)]
struct Standard {
    is_torn: bool,
}

impl Standard {
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        let feed: &[u8] = if self.is_torn { b"\n" } else { b"" };
        let written = out.write_all(feed).and_then(|()| out.write_all(lines)).and_then(|()| out.flush());
        self.is_torn = written.is_err();
        written
    }
}

/// Writes what comes, until it is told to stop or nobody is left who could send anything.
fn run(shared: &Shared, items: &mpsc::Receiver<Item>, mut out: Out) {
    let news = &*shared.news;
    let mut batch = Vec::new();
    loop {
        let first = match out.until_sync() {
            Some(left) => items.recv_timeout(left),
            None => items.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match first {
            Ok(item) => batch.push(item),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let mut size = 0;
        while size < LONGEST_WRITE
            && let Ok(item) = items.try_recv()
        {
            size += match &item {
                Item::Line { text, .. } | Item::Stop { text, .. } => text.len(),
            };
            batch.push(item);
        }
        let stop = batch.iter().find_map(|item| match item {
            Item::Stop { by, .. } => Some(*by),
            Item::Line { .. } => None,
        });
        if !batch.is_empty() {
            write(shared, &mut out, &batch, stop);
        }
        for item in batch.drain(..) {
            if let Item::Line { done: Some(done), place, .. } = item {
                drop(place);
                // Whoever waited may have gone.
                let _ = done.send(());
            }
        }
        news.waiting(shared.queue.saturating_sub(shared.places.available_permits()));
        // A disk that fails shows at the next write.
        if let Err(error) = out.sync_if_due() {
            news.failed(&error);
        }
        if stop.is_some() {
            out.unsynced = None;
            if let Some(journal) = &out.journal {
                let _ = journal.sync();
            }
            return;
        }
    }
}

/// Writes a batch, as often as it takes; where records may be given up, once.
fn write(shared: &Shared, out: &mut Out, batch: &[Item], stop: Option<Instant>) {
    let lines: Vec<&[u8]> = batch
        .iter()
        .map(|item| match item {
            Item::Line { text, .. } | Item::Stop { text, .. } => &**text,
        })
        .collect();
    let news = &*shared.news;
    let mut pause = PAUSES.0;
    loop {
        let began = Instant::now();
        let shed = shared.shed.load(Relaxed);
        let told = line(Event::Shed { records: shed });
        let with_shed: Vec<&[u8]> = (shed > 0).then_some(&*told).into_iter().chain(lines.iter().copied()).collect();
        match out.write(&with_shed, news) {
            Ok(()) => {
                shared.shed.fetch_sub(shed, Relaxed);
                if shared.failing.send_replace(false) {
                    news.recovered();
                }
                shared.remember(&with_shed);
                return news.written(with_shed.len(), began.elapsed());
            }
            Err(error) => {
                if !shared.failing.send_replace(true) {
                    news.failed(&error);
                }
            }
        }
        if shared.on_full == OnFull::Shed {
            return shared.shed(lines.len() as u64);
        }
        if stop.is_some_and(|by| Instant::now() + pause >= by) {
            return;
        }
        wait(pause);
        pause = PAUSES.1.min(2 * pause);
    }
}

#[expect(clippy::disallowed_methods, reason = "nothing tells when a disk has room again")]
fn wait(pause: Duration) {
    thread::sleep(pause);
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("on_full", &self.0.on_full).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

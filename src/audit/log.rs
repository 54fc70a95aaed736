//! The writer: a thread of its own that puts the records of all workers to the log, many in one write.
//!
//! A request takes a place ([`Log::place`]) before anything is forwarded, so that nothing happens that could not be recorded, and gives
//! its record up at the end ([`Place::record`]), which waits until the record is written (and, with `audit.fsync = "always"`, on the
//! disk). While one write is under way, the records of others gather, and go together in the next.

use super::{Event, Files, Line, OpenError, Seal, Start, VERSION, chain::Link, journal::Journal};
use crate::finding::Timestamp;
use std::{
    collections::VecDeque,
    fmt, io,
    num::NonZeroUsize,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
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
/// How long a log goes on in a file that is full before it tries again to begin the next one.
const FULL: Duration = Duration::from_secs(30);
/// Bytes that wait at the most to be copied to standard output.
const COPIED: usize = 16 << 20;
/// How long the end waits at the most for what is still to be copied.
const LAST_COPY: Duration = Duration::from_secs(1);

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
    /// A full file could not be put away, for this reason; the log goes on in it. Told once, until one is put away again.
    fn not_rotated(&self, why: &io::Error);
    /// The log is written, but something about its files or its copy is not as it should be.
    fn warned(&self, what: &str);
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
        /// Set by the writer when it takes the line, or by whoever waits when it is given up: what was first is so. Nothing where no
        /// line is given up.
        taken: Option<Arc<AtomicBool>>,
    },
    /// Nothing comes after it.
    Stop { text: Vec<u8>, by: Instant },
}

impl Item {
    /// This, for the writer; nothing where whoever waited has given it up.
    fn take(self) -> Option<Self> {
        match &self {
            Self::Line { taken: Some(taken), .. } if taken.swap(true, Relaxed) => None,
            _ => Some(self),
        }
    }
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
        // With a file, that is the log, and what reads standard output holds nobody up.
        let stdout = match (stdout, &journal) {
            (false, _) => None,
            (true, None) => Some(Stdout::Log(Standard::new(io::stdout()))),
            (true, Some(_)) => Some(Stdout::Copy(Copied::start(Standard::new(io::stdout())).map_err(io)?)),
        };
        let mut out = Out::new(journal, stdout, seal, link, sync);
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
        self.0.send(Item::Line { text: line(event), done: None, place: None, taken: None });
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

    /// Nothing can be written. Told once.
    fn fails(&self, why: &io::Error) {
        if !self.failing.send_replace(true) {
            self.news.failed(why);
        }
    }

    /// Something is written.
    fn works(&self) {
        if self.failing.send_replace(false) {
            self.news.recovered();
        }
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
        let (done, mut written) = oneshot::channel();
        let may_shed = shared.on_full == OnFull::Shed;
        let taken = may_shed.then(Arc::<AtomicBool>::default);
        shared.send(Item::Line { text: text(line), done: Some(done), place: self.permit, taken: taken.clone() });
        let outcome = timeout(shared.wait, &mut written).await;
        if let Ok(Ok(())) = outcome {
            return Ok(());
        }
        if let Some(taken) = taken {
            // What the writer has taken it writes, or counts itself.
            if !taken.swap(true, Relaxed) {
                shared.shed(1);
            }
            return Ok(());
        }
        if outcome.is_err() {
            // A disk that hangs fails as well as one that says so. The writer clears this when it gets on.
            shared.fails(&io::Error::new(
                io::ErrorKind::TimedOut,
                format!("a record was not written within {:?} (audit.wait)", shared.wait),
            ));
            if let Ok(()) = written.try_recv() {
                // It got on in this moment, and does not know of this.
                shared.works();
                return Ok(());
            }
        }
        Err(NotWritten)
    }

    /// Writes the record of a request that is given up. Nobody waits for it.
    pub fn leave(self, line: &Line<'_>) {
        let shared = &self.log.0;
        match self.permit {
            Some(permit) => shared.send(Item::Line { text: text(line), done: None, place: Some(permit), taken: None }),
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
    /// Begins the next file, of which `sequence` is the first line. Returns why older ones could not be removed, if so.
    fn rotate(&mut self, sequence: u64) -> io::Result<Option<io::Error>>;
    /// Begins a new file, of which `sequence` is the first line, where others took the current one away. Whether they did.
    fn follow(&mut self, sequence: u64) -> io::Result<bool>;
    /// Puts lines to the end: all of them or none.
    fn append(&mut self, lines: &[u8]) -> io::Result<()>;
    /// Takes so many bytes off the end again.
    fn undo(&mut self, bytes: usize);
    /// Waits until all of it is on the disk.
    fn sync(&mut self) -> io::Result<()>;
}

impl Lines for Journal {
    fn is_full_for(&self, bytes: usize) -> bool {
        Self::is_full_for(self, bytes)
    }

    fn rotate(&mut self, sequence: u64) -> io::Result<Option<io::Error>> {
        Self::rotate(self, sequence)
    }

    fn follow(&mut self, sequence: u64) -> io::Result<bool> {
        Self::follow(self, sequence)
    }

    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        Self::append(self, lines)
    }

    fn undo(&mut self, bytes: usize) {
        Self::undo(self, bytes);
    }

    fn sync(&mut self) -> io::Result<()> {
        Self::sync(self)
    }
}

/// Where lines go.
struct Out {
    journal: Option<Box<dyn Lines>>,
    stdout: Option<Stdout>,
    seal: Seal,
    link: Link,
    sync: Sync,
    /// When something is forced to the disk that is not there yet.
    unsynced: Option<Instant>,
    /// Whether what is written could not be forced to the disk the last time that it was due.
    sync_failed: bool,
    /// When a full file could not be put away the last time, until one is.
    not_rotated: Option<Instant>,
}

impl Out {
    fn new(journal: Option<Box<dyn Lines>>, stdout: Option<Stdout>, seal: Seal, link: Link, sync: Sync) -> Self {
        Self { journal, stdout, seal, link, sync, unsynced: None, sync_failed: false, not_rotated: None }
    }

    /// Writes these lines as the next of the chain: all or none.
    fn write(&mut self, lines: &[&[u8]], news: &dyn News) -> io::Result<()> {
        let mut sealed = Vec::with_capacity(lines.iter().map(|line| line.len() + 192).sum());
        let mut link = self.link;
        for line in lines {
            self.seal.append(line, &mut link, &mut sealed);
        }
        if let Some(journal) = &mut self.journal {
            if journal.follow(self.link.sequence)? {
                news.warned("the audit file was removed or renamed by others, and a new one is begun");
            }
            if journal.is_full_for(sealed.len()) && self.not_rotated.is_none_or(|tried| tried.elapsed() >= FULL) {
                let was_told = self.not_rotated.is_some();
                match journal.rotate(self.link.sequence) {
                    Ok(left) => {
                        self.not_rotated = None;
                        if let Some(error) = left {
                            news.warned(&format!(
                                "an audit file older than audit.keep says could not be removed: {error}"
                            ));
                        }
                    }
                    Err(error) => {
                        self.not_rotated = Some(Instant::now());
                        if !was_told {
                            news.not_rotated(&error);
                        }
                    }
                }
            }
            journal.append(&sealed)?;
            match self.sync {
                // What could not be forced to the disk may be gone from memory too, so it is written anew.
                Sync::Always => journal.sync().inspect_err(|_| journal.undo(sealed.len()))?,
                Sync::Within(longest) => self.unsynced = self.unsynced.or_else(|| Instant::now().checked_add(longest)),
                Sync::Never => {}
            }
        }
        match &mut self.stdout {
            Some(Stdout::Log(log)) => log.write(&sealed)?,
            Some(Stdout::Copy(copy)) => copy.add(sealed, news),
            None => {}
        }
        self.link = link;
        Ok(())
    }

    /// How long until what is written must be on the disk.
    fn until_sync(&self) -> Option<Duration> {
        self.unsynced.map(|by| by.saturating_duration_since(Instant::now()))
    }

    /// Forces to the disk what must be there now. Whether anything was. What fails is tried again.
    fn sync_if_due(&mut self) -> io::Result<bool> {
        if self.until_sync() != Some(Duration::ZERO) {
            return Ok(false);
        }
        let synced = self.journal.as_mut().map_or(Ok(()), |journal| journal.sync());
        self.sync_failed = synced.is_err();
        self.unsynced = synced.is_err().then(|| Instant::now() + PAUSES.1);
        synced.map(|()| true)
    }

    /// Ends what is written beside the log.
    fn end(self, by: Instant) {
        if let Some(Stdout::Copy(copy)) = self.stdout {
            copy.end(by.saturating_duration_since(Instant::now()).min(LAST_COPY));
        }
    }
}

/// What standard output is.
enum Stdout {
    /// The log itself.
    Log(Standard<io::Stdout>),
    /// A copy of it.
    Copy(Copied),
}

/// Standard output, to which a write that failed half way has left half a line.
struct Standard<W> {
    out: W,
    is_torn: bool,
}

impl<W: io::Write> Standard<W> {
    fn new(out: W) -> Self {
        Self { out, is_torn: false }
    }

    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        let feed: &[u8] = if self.is_torn { b"\n" } else { b"" };
        let written = self.out.write_all(feed).and_then(|()| self.out.write_all(lines)).and_then(|()| self.out.flush());
        self.is_torn = written.is_err();
        written
    }
}

/// A copy of the log, written by a thread of its own. What it cannot take is left out of it.
struct Copied {
    lines: mpsc::Sender<Vec<u8>>,
    /// Bytes that wait to be copied.
    waiting: Arc<AtomicUsize>,
    ended: mpsc::Receiver<()>,
    /// Writes that were left out since the last one that was not.
    left_out: u64,
}

impl Copied {
    fn start(mut to: Standard<impl io::Write + Send + 'static>) -> io::Result<Self> {
        let (lines, received) = mpsc::channel::<Vec<u8>>();
        let (end, ended) = mpsc::channel();
        let waiting = Arc::<AtomicUsize>::default();
        let left = Arc::clone(&waiting);
        let copy = move || {
            for lines in received {
                // The file has them in any case.
                let _ = to.write(&lines);
                left.fetch_sub(lines.len(), Relaxed);
            }
            drop(end);
        };
        thread::Builder::new().name("audit-copy".to_owned()).spawn(copy)?;
        Ok(Self { lines, waiting, ended, left_out: 0 })
    }

    fn add(&mut self, lines: Vec<u8>, news: &dyn News) {
        let waiting = self.waiting.load(Relaxed);
        if waiting > 0 && waiting.saturating_add(lines.len()) > COPIED {
            self.left_out += 1;
            if self.left_out == 1 {
                news.warned("standard output is not read: records are left out of it, the audit file has them");
            }
            return;
        }
        if self.left_out > 0 {
            news.warned(&format!("standard output is read again: it lacks {} writes of records", self.left_out));
            self.left_out = 0;
        }
        self.waiting.fetch_add(lines.len(), Relaxed);
        // A thread that has panicked copies nothing.
        let _ = self.lines.send(lines);
    }

    /// Waits so long at the most until all is copied.
    fn end(self, within: Duration) {
        drop(self.lines);
        let _ = self.ended.recv_timeout(within);
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
            Ok(item) => batch.extend(item.take()),
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
            batch.extend(item.take());
        }
        let stop = batch.iter().find_map(|item| match item {
            Item::Stop { by, .. } => Some(*by),
            Item::Line { .. } => None,
        });
        let is_written = !batch.is_empty() && write(shared, &mut out, &batch, stop);
        for item in batch.drain(..) {
            if let Item::Line { done: Some(done), place, .. } = item {
                drop(place);
                if is_written {
                    // Whoever waited may have gone.
                    let _ = done.send(());
                }
            }
        }
        // Once more, now that everybody is told: one of them may just have lost patience, and said that nothing can be written.
        if is_written && !out.sync_failed {
            shared.works();
        }
        news.waiting(shared.queue.saturating_sub(shared.places.available_permits()));
        match out.sync_if_due() {
            Ok(true) => shared.works(),
            Ok(false) => {}
            Err(error) => shared.fails(&error),
        }
        if let Some(by) = stop {
            out.unsynced = None;
            if let Some(Err(error)) = out.journal.as_mut().map(|journal| journal.sync()) {
                shared.fails(&error);
            }
            out.end(by);
            return;
        }
    }
}

/// Writes a batch, as often as it takes; where records may be given up, once. Whether that was done.
fn write(shared: &Shared, out: &mut Out, batch: &[Item], stop: Option<Instant>) -> bool {
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
                if !out.sync_failed {
                    shared.works();
                }
                shared.remember(&with_shed);
                news.written(with_shed.len(), began.elapsed());
                return true;
            }
            Err(error) => shared.fails(&error),
        }
        if shared.on_full == OnFull::Shed {
            shared.shed(lines.len() as u64);
            return false;
        }
        if stop.is_some_and(|by| Instant::now() + pause >= by) {
            return false;
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

use super::*;
use crate::audit::{Chained, Hash, Request};
use std::{io::Write as _, sync::mpsc::channel};
use tempfile::TempDir;
use tokio::runtime;

/// What is heard, in words.
#[derive(Debug, Default)]
struct Heard(Mutex<Vec<String>>);

impl Heard {
    fn add(&self, text: String) {
        self.0.lock().unwrap().push(text);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl News for Heard {
    fn written(&self, records: usize, _: Duration) {
        self.add(format!("written {records}"));
    }
    fn waiting(&self, _: usize) {}
    fn shed(&self, records: u64) {
        self.add(format!("shed {records}"));
    }
    fn failed(&self, why: &io::Error) {
        self.add(format!("failed: {why}"));
    }
    fn recovered(&self) {
        self.add("recovered".to_owned());
    }
    fn not_rotated(&self, why: &io::Error) {
        self.add(format!("not rotated: {why}"));
    }
    fn warned(&self, what: &str) {
        self.add(format!("warned: {what}"));
    }
}

/// A file that does what it is told to.
#[derive(Default)]
struct Told {
    text: Vec<u8>,
    fails: bool,
    sync_fails: bool,
    is_full: bool,
    /// How often it was to begin the next file, which it never can.
    rotated: usize,
}

#[derive(Clone)]
struct Fake {
    told: Arc<Mutex<Told>>,
    /// Waited for before each write, if there is one.
    gate: Arc<Mutex<Option<mpsc::Receiver<()>>>>,
}

impl Fake {
    fn new() -> Self {
        Self { told: Arc::default(), gate: Arc::default() }
    }

    fn lines(&self) -> Vec<String> {
        let text = String::from_utf8(self.told.lock().unwrap().text.clone()).unwrap();
        let mut previous = Hash::NONE;
        for (line, sequence) in text.lines().zip(1..) {
            let chained: Chained = serde_json::from_str(line).unwrap();
            assert_eq!(chained, Chained { sequence, previous: previous.to_string() });
            previous = Seal::open().check(line.as_bytes()).unwrap();
        }
        let kind = |line: &str| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            match line["kind"].as_str().unwrap() {
                "request" => line["id"].as_str().unwrap().to_owned(),
                "shed" => format!("shed {}", line["records"]),
                kind => kind.to_owned(),
            }
        };
        text.lines().map(kind).collect()
    }
}

impl Lines for Fake {
    fn is_full_for(&self, _: usize) -> bool {
        self.told.lock().unwrap().is_full
    }
    fn rotate(&mut self, _: u64) -> io::Result<Option<io::Error>> {
        self.told.lock().unwrap().rotated += 1;
        Err(io::Error::other("no name"))
    }
    fn follow(&mut self, _: u64) -> io::Result<bool> {
        Ok(false)
    }
    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        if let Some(gate) = &*self.gate.lock().unwrap() {
            let _ = gate.recv();
        }
        let mut told = self.told.lock().unwrap();
        if told.fails {
            return Err(io::Error::other("no room"));
        }
        told.text.extend_from_slice(lines);
        Ok(())
    }
    fn undo(&mut self, bytes: usize) {
        let mut told = self.told.lock().unwrap();
        let length = told.text.len() - bytes;
        told.text.truncate(length);
    }
    fn sync(&mut self) -> io::Result<()> {
        if self.told.lock().unwrap().sync_fails { Err(io::Error::other("no disk")) } else { Ok(()) }
    }
}

fn log(fake: &Fake, on_full: OnFull, queue: usize, wait: Duration) -> (Log, Arc<Heard>) {
    log_of(fake, Sync::Always, None, on_full, queue, wait)
}

fn log_of(
    fake: &Fake,
    sync: Sync,
    stdout: Option<Stdout>,
    on_full: OnFull,
    queue: usize,
    wait: Duration,
) -> (Log, Arc<Heard>) {
    let heard = Arc::<Heard>::default();
    let out = Out::new(Some(Box::new(fake.clone())), stdout, Seal::open(), Link::FIRST, sync);
    let shared = Shared::new(on_full, NonZeroUsize::new(queue).unwrap(), wait, 3, heard.clone());
    (Log::spawn(shared, out).unwrap(), heard)
}

fn request(id: &str) -> Line<'_> {
    let request = Request {
        id: id.into(),
        caller: None,
        peer: None,
        operation: "GetFindings".into(),
        snapshot: "".into(),
        update: None,
        masked: vec![],
        findings: vec![],
        rulings: vec![],
        calls: vec![],
        answer: crate::audit::Answer { status: 200, error: None, message: None },
        duration_us: 0,
    };
    Line { version: VERSION, time: Timestamp::UNIX_EPOCH, event: Event::Request(Box::new(request)) }
}

fn block_on<F: Future>(future: F) -> F::Output {
    runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

const LONG: Duration = Duration::from_mins(1);
const SHORT: Duration = Duration::from_millis(10);

/// Waits until it is so.
fn until(is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < LONG, "it never was so");
        thread::yield_now();
    }
}

#[test]
fn records_that_gather_are_written_together() {
    let fake = Fake::new();
    let (go, gate) = channel();
    *fake.gate.lock().unwrap() = Some(gate);
    let (log, heard) = log(&fake, OnFull::Block, 10, LONG);
    let record = async |id| log.place().await.unwrap().record(&request(id)).await.unwrap();
    block_on(async {
        // Polled in this order: all four are sent before any write is let go.
        tokio::join!(biased; record("a"), record("b"), record("c"), record("d"), async { drop(go) })
    });
    assert!(log.finish(LONG));
    assert_eq!(fake.lines(), ["a", "b", "c", "d", "stop"]);
    let heard = heard.take();
    assert!(heard.len() <= 3 && (heard[0] == "written 4" || heard[1] == "written 3"), "{heard:?}");
}

#[test]
fn without_a_place_nothing_goes_on_but_where_records_may_be_shed() {
    for (on_full, expected) in
        [(OnFull::Block, Some(NoPlace::Full)), (OnFull::Refuse, Some(NoPlace::Full)), (OnFull::Shed, None)]
    {
        let fake = Fake::new();
        let (log, heard) = log(&fake, on_full, 1, SHORT);
        block_on(async {
            let held = log.place().await.unwrap();
            let second = log.place().await;
            assert_eq!(second.as_ref().err(), expected.as_ref(), "{on_full:?}");
            if let Ok(second) = second {
                second.record(&request("lost")).await.unwrap();
            }
            held.record(&request("a")).await.unwrap();
            // The place is free again.
            log.place().await.unwrap().record(&request("b")).await.unwrap();
        });
        assert!(log.finish(LONG));
        match on_full {
            OnFull::Shed => {
                assert_eq!(fake.lines(), ["shed 1", "a", "b", "stop"]);
                assert!(heard.take().contains(&"shed 1".to_owned()));
            }
            _ => assert_eq!(fake.lines(), ["a", "b", "stop"]),
        }
    }
}

#[test]
fn a_place_that_is_given_back_is_free() {
    let (log, _) = log(&Fake::new(), OnFull::Refuse, 1, SHORT);
    block_on(async {
        drop(log.place().await.unwrap());
        log.place().await.unwrap().record(&request("a")).await.unwrap();
    });
}

#[test]
fn what_could_not_be_written_is_written_when_it_can_be() {
    for on_full in [OnFull::Block, OnFull::Refuse] {
        let fake = Fake::new();
        let (log, heard) = log(&fake, on_full, 2, SHORT);
        fake.told.lock().unwrap().fails = true;
        block_on(async {
            let place = log.place().await.unwrap();
            assert_eq!(place.record(&request("a")).await, Err(NotWritten));
            until(|| log.is_stuck());
            // There is a free place, and what took it would be forwarded for nothing.
            assert_eq!(log.place().await.unwrap_err(), NoPlace::Failing, "{on_full:?}");
        });
        // That it failed, or that it took too long, whichever was first.
        let told = heard.take();
        assert!(told.len() == 1 && told[0].starts_with("failed: "), "told once: {told:?}");
        fake.told.lock().unwrap().fails = false;
        until(|| !log.is_stuck());
        block_on(async { log.place().await.unwrap().record(&request("b")).await.unwrap() });
        assert!(log.finish(LONG));
        assert_eq!(fake.lines(), ["a", "b", "stop"]);
        assert_eq!(heard.take()[..2], ["recovered", "written 1"]);
    }
}

#[test]
fn what_may_be_shed_holds_nobody_up() {
    let fake = Fake::new();
    let (log, heard) = log(&fake, OnFull::Shed, 2, LONG);
    fake.told.lock().unwrap().fails = true;
    block_on(async { log.place().await.unwrap().record(&request("a")).await.unwrap() });
    assert!(!log.is_stuck());
    fake.told.lock().unwrap().fails = false;
    block_on(async { log.place().await.unwrap().record(&request("b")).await.unwrap() });
    assert!(log.finish(LONG));
    assert_eq!(fake.lines(), ["shed 1", "b", "stop"]);
    assert_eq!(heard.take(), ["failed: no room", "shed 1", "recovered", "written 2", "written 1"]);
}

#[test]
fn a_write_that_hangs_fails_until_it_gets_on() {
    for on_full in [OnFull::Block, OnFull::Refuse] {
        let fake = Fake::new();
        let (go, gate) = channel();
        *fake.gate.lock().unwrap() = Some(gate);
        let (log, heard) = log(&fake, on_full, 3, SHORT);
        block_on(async {
            assert_eq!(log.place().await.unwrap().record(&request("a")).await, Err(NotWritten));
            assert!(log.is_stuck());
            assert_eq!(log.place().await.unwrap_err(), NoPlace::Failing, "{on_full:?}");
        });
        let told = heard.take();
        assert!(told.len() == 1 && told[0].contains("audit.wait"), "{told:?}");
        drop(go);
        until(|| !log.is_stuck());
        assert!(log.finish(LONG));
        assert_eq!(fake.lines(), ["a", "stop"]);
        assert_eq!(heard.take()[0], "recovered");
    }
}

#[test]
fn what_waits_too_long_behind_a_write_that_hangs_is_shed() {
    let fake = Fake::new();
    let (go, gate) = channel();
    *fake.gate.lock().unwrap() = Some(gate);
    let (log, heard) = log(&fake, OnFull::Shed, 3, SHORT);
    log.say(Event::Stop);
    // The writer has that one when it has let go of what came before.
    let is_taken = || fake.gate.try_lock().is_err();
    until(is_taken);
    block_on(async { log.place().await.unwrap().record(&request("lost")).await.unwrap() });
    assert_eq!(heard.take(), ["shed 1"]);
    assert!(!log.is_stuck());
    drop(go);
    assert!(log.finish(LONG));
    assert_eq!(fake.lines(), ["stop", "shed 1", "stop"]);
}

#[test]
fn what_could_not_be_forced_to_the_disk_in_time_is_tried_again() {
    let fake = Fake::new();
    fake.told.lock().unwrap().sync_fails = true;
    let (log, heard) = log_of(&fake, Sync::Within(SHORT), None, OnFull::Block, 2, LONG);
    block_on(async { log.place().await.unwrap().record(&request("a")).await.unwrap() });
    until(|| log.is_stuck());
    fake.told.lock().unwrap().sync_fails = false;
    // Without anything more to write.
    until(|| !log.is_stuck());
    assert!(log.finish(LONG));
    assert_eq!(fake.lines(), ["a", "stop"]);
    assert_eq!(heard.take()[..3], ["written 1", "failed: no disk", "recovered"]);
}

#[test]
fn a_file_that_cannot_be_put_away_is_told_once_and_left_alone_for_a_while() {
    let fake = Fake::new();
    fake.told.lock().unwrap().is_full = true;
    let (log, heard) = log(&fake, OnFull::Block, 2, LONG);
    block_on(async {
        for id in ["a", "b", "c"] {
            log.place().await.unwrap().record(&request(id)).await.unwrap();
        }
    });
    assert!(log.finish(LONG));
    assert_eq!(fake.lines(), ["a", "b", "c", "stop"]);
    assert_eq!(fake.told.lock().unwrap().rotated, 1);
    assert_eq!(heard.take().iter().filter(|heard| heard.starts_with("not rotated")).count(), 1);
}

/// What nobody reads: a write ends when the gate is let go.
struct Stalled(mpsc::Receiver<()>);

impl io::Write for Stalled {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.0.recv();
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_copy_that_nobody_reads_holds_nobody_up() {
    let fake = Fake::new();
    let (go, gate) = channel();
    let copy = Copied::start(Standard::new(Stalled(gate))).unwrap();
    let waiting = Arc::clone(&copy.waiting);
    let (log, heard) = log_of(&fake, Sync::Always, Some(Stdout::Copy(copy)), OnFull::Block, 2, LONG);
    let record = |id| block_on(async { log.place().await.unwrap().record(&request(id)).await.unwrap() });
    record("a");
    // As if much more waited.
    waiting.fetch_add(COPIED, Relaxed);
    record("b");
    record("c");
    let warned = || heard.take().into_iter().filter(|heard| heard.starts_with("warned")).collect::<Vec<_>>();
    assert_eq!(warned().len(), 1, "told once");
    waiting.fetch_sub(COPIED, Relaxed);
    record("d");
    assert!(warned()[0].contains("lacks 2 writes"));
    drop(go);
    assert!(log.finish(LONG));
    assert_eq!(waiting.load(Relaxed), 0);
    assert_eq!(fake.lines(), ["a", "b", "c", "d", "stop"]);
}

/// A disk that says it could not keep what it was given may have dropped it.
#[test]
fn what_did_not_reach_the_disk_is_written_anew() {
    let fake = Fake::new();
    let (log, _) = log(&fake, OnFull::Block, 2, LONG);
    fake.told.lock().unwrap().sync_fails = true;
    block_on(async {
        let record = async { log.place().await.unwrap().record(&request("a")).await.unwrap() };
        let mend = async {
            until(|| log.is_stuck());
            fake.told.lock().unwrap().sync_fails = false;
        };
        tokio::join!(biased; record, mend)
    });
    assert!(log.finish(LONG));
    assert_eq!(fake.lines(), ["a", "stop"]);
}

#[test]
fn the_last_records_are_remembered() {
    let (log, _) = log(&Fake::new(), OnFull::Block, 2, LONG);
    block_on(async {
        for id in ["a", "b", "c", "d"] {
            log.place().await.unwrap().record(&request(id)).await.unwrap();
        }
    });
    let ids = |most| -> Vec<String> {
        let id = |line: &Arc<str>| serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].to_string();
        log.recent(most).iter().map(id).collect()
    };
    assert_eq!(ids(10), [r#""d""#, r#""c""#, r#""b""#]);
    assert_eq!(ids(1), [r#""d""#]);
}

#[test]
fn a_log_that_cannot_be_written_does_not_hold_up_the_end() {
    let fake = Fake::new();
    let (log, _) = log(&fake, OnFull::Block, 2, SHORT);
    fake.told.lock().unwrap().fails = true;
    assert!(!log.finish(SHORT) || fake.lines().is_empty());
    assert!(fake.lines().is_empty());
}

#[test]
fn a_log_goes_on_where_it_ended() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("audit.jsonl");
    let settings = LogSettings {
        files: Some(Files { path: path.clone(), limit: 700, keep: None }),
        stdout: false,
        seal: Seal::keyed(b"key"),
        sync: Sync::Within(SHORT),
        on_full: OnFull::Block,
        queue: NonZeroUsize::new(4).unwrap(),
        wait: LONG,
        recent: 0,
    };
    for round in 0..3 {
        let (log, repaired) = Log::start(settings.clone(), "0.1.0", "digest", Arc::<Heard>::default()).unwrap();
        assert_eq!(repaired.is_some(), round > 0, "{repaired:?}");
        block_on(async { log.place().await.unwrap().record(&request("a")).await.unwrap() });
        assert!(log.finish(LONG));
        std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"torn").unwrap();
        drop(log);
    }
    let mut kinds = Vec::new();
    let mut previous = Hash::NONE;
    for file in crate::audit::rotated_files(&path).unwrap().into_iter().chain([path]) {
        for line in std::fs::read_to_string(file).unwrap().lines().filter(|line| *line != "{\"torn") {
            let chained: Chained = serde_json::from_str(line).unwrap();
            assert_eq!(chained.previous, previous.to_string());
            previous = settings.seal.check(line.as_bytes()).unwrap();
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            kinds.push(format!("{}{}", line["kind"].as_str().unwrap(), line["repaired"]));
        }
    }
    let repaired = ["start6", "requestnull", "stopnull"];
    assert_eq!(kinds, [["startnull", "requestnull", "stopnull"], repaired, repaired].concat());
}

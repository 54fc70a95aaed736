//! Whether the chain is whole.

use super::{Item, LONGEST_LINE, Place};
use crate::{
    audit::{Broken, Chained, Event, Hash, Line, Seal, VERSION},
    finding::Timestamp,
};
use jiff::SignedDuration;
use serde::{Serialize, Serializer};

/// How many problems are kept. The others are counted.
const KEPT: usize = 100;

/// By how much a line may seem to be earlier than one before it: two that are answered at once come to the log in either order.
const SLACK: SignedDuration = SignedDuration::from_secs(5);

/// Follows a chain, line by line.
#[derive(Debug)]
pub struct Verifier {
    seal: Seal,
    /// From this line on all must be there.
    since: Option<u64>,
    /// What the next line must be.
    next: Option<Next>,
    /// Whether a process writes that has not said that it stopped.
    is_running: bool,
    /// The latest time of a line: what follows was written after it.
    latest: Option<Timestamp>,
    /// Hashes that must come, and whether they did.
    wanted: Vec<(Hash, bool)>,
    report: Report,
}

/// What follows on a line.
#[derive(Debug, Clone, Copy)]
struct Next {
    sequence: u64,
    /// Nothing where the line before could not be read.
    previous: Option<Hash>,
}

/// What was found.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// How many lines there are, broken ones among them.
    pub lines: u64,
    /// The first line that is as it was written.
    pub first: Option<End>,
    /// The last such line.
    pub last: Option<End>,
    /// How many of them are of requests.
    pub requests: u64,
    /// How often a process began to write.
    pub starts: u64,
    /// How often it did so without that the one before had said that it stopped.
    pub starts_after_a_kill: u64,
    /// How often other policies or accounts were taken.
    pub reloads: u64,
    /// How often a process ended in good order.
    pub stops: u64,
    /// How many records were given up (`audit.on_full = "shed"`).
    pub shed: u64,
    /// Lines that were not written to their end, and that the next process took off.
    pub repaired: Vec<Repaired>,
    /// How often the clock was set back: a line was written before the time of one before it.
    pub set_back: u64,
    /// Where the clock was first set back.
    #[serde(serialize_with = "place")]
    pub first_set_back: Option<Place>,
    /// The last line of all was not written to its end. The next process takes it off.
    #[serde(serialize_with = "place")]
    pub torn: Option<Place>,
    /// What is broken: the first hundred.
    pub problems: Vec<Problem>,
    /// How many problems there are.
    pub problem_count: u64,
}

/// A line at one end of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct End {
    /// Where.
    #[serde(serialize_with = "written")]
    pub place: Place,
    /// Its number.
    pub sequence: u64,
    /// Its time.
    #[serde(serialize_with = "written")]
    pub time: Timestamp,
    /// Its hash.
    #[serde(serialize_with = "written")]
    pub hash: Hash,
}

/// A torn line that was taken off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Repaired {
    /// Where that is told.
    #[serde(serialize_with = "written")]
    pub place: Place,
    /// How many bytes it had.
    pub bytes: u64,
}

/// A place where the chain is broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Where; nothing of what is about the log as a whole.
    #[serde(serialize_with = "place")]
    pub place: Option<Place>,
    /// What.
    #[serde(flatten)]
    pub fault: Fault,
    /// The same for people.
    pub message: String,
}

/// What is broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "kebab-case", tag = "fault")]
pub enum Fault {
    /// The line was changed.
    #[error("{}", Broken::Hash)]
    Changed,
    /// It does not end as a line of the log.
    #[error("{}", Broken::Unsealed)]
    Unsealed,
    /// It is sealed, and is nothing that this version knows.
    #[error("its seal is right, and it is no line of version {VERSION} of the format: {why}")]
    Unreadable {
        /// Why.
        why: String,
    },
    /// It is longer than any line.
    #[error("it is longer than {} MiB, which no line of an audit log is", LONGEST_LINE >> 20)]
    TooLong,
    /// Lines are missing before it.
    #[error("it is line {sequence} of the chain, and {expected} was expected: {missing} missing")]
    Gap {
        /// Its number.
        sequence: u64,
        /// The number that was expected.
        expected: u64,
        /// How many lines are missing.
        missing: u64,
    },
    /// It came before.
    #[error("it is line {sequence} of the chain, which was here already; {expected} was expected")]
    Repeated {
        /// Its number.
        sequence: u64,
        /// The number that was expected.
        expected: u64,
    },
    /// It follows on another line than the one before it.
    #[error("it does not follow on the line before it: that one was replaced, or the two are of different chains")]
    OtherChain,
    /// A chain begins in the middle.
    #[error("another chain begins here, with its line 1: lines at the end of the one before may be missing")]
    Begins,
    /// The first line is not the first of the chain.
    #[error("the log begins with line {sequence} of the chain: the {} before it are not here", sequence - 1)]
    BeginsLate {
        /// Its number.
        sequence: u64,
    },
    /// The lines are missing that were asked for.
    #[error("the log begins with line {sequence} of the chain, and was to be whole since {since}")]
    BeginsAfter {
        /// Its number.
        sequence: u64,
        /// The number from which it was to be whole.
        since: u64,
    },
    /// A line was torn, and more lines follow.
    #[error("the file ends in the middle of a line, and more follow in the next file")]
    Torn,
    /// A line that was known to be there is not.
    #[error("no line has the hash {hash}: lines at the end of the log are missing, or it is another log")]
    NotThere {
        /// Its hash.
        hash: String,
    },
    /// There is nothing.
    #[error("there is no line")]
    Empty,
}

#[expect(clippy::ref_option, reason = "serde calls it so")]
fn place<S: Serializer>(place: &Option<Place>, serializer: S) -> Result<S::Ok, S::Error> {
    match place {
        Some(place) => serializer.collect_str(place),
        None => serializer.serialize_none(),
    }
}

fn written<S: Serializer>(value: &impl std::fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

impl Verifier {
    /// Verifies with this seal. From line `since` on all must be there; without, from line 1 on.
    pub fn new(seal: Seal, since: Option<u64>) -> Self {
        let report = Report::default();
        Self { seal, since, next: None, is_running: false, latest: None, wanted: Vec::new(), report }
    }

    /// A line with this hash must be there.
    pub fn expect(&mut self, hash: Hash) {
        self.wanted.push((hash, false));
    }

    /// Looks at what comes next.
    pub fn read(&mut self, item: Item<'_>) {
        self.report.lines += 1;
        match item {
            Item::Line { place, text } => self.line(place, text),
            Item::Torn { place, more_follows: true, .. } => {
                self.problem(place, Fault::Torn);
                self.skip();
            }
            Item::Torn { place, .. } => {
                self.report.lines -= 1;
                self.report.torn = Some(place);
            }
            Item::TooLong { place } => {
                self.problem(place, Fault::TooLong);
                self.skip();
            }
        }
    }

    /// What was found.
    pub fn finish(mut self) -> Report {
        for (hash, seen) in std::mem::take(&mut self.wanted) {
            if !seen {
                self.problem(None, Fault::NotThere { hash: hash.to_string() });
            }
        }
        if self.report.lines == 0 {
            self.problem(None, Fault::Empty);
        }
        self.report
    }

    fn problem(&mut self, place: impl Into<Option<Place>>, fault: Fault) {
        self.report.problem_count += 1;
        if self.report.problems.len() < KEPT {
            let message = fault.to_string();
            self.report.problems.push(Problem { place: place.into(), fault, message });
        }
    }

    /// Passes over a line that cannot be read.
    fn skip(&mut self) {
        if let Some(next) = &mut self.next {
            *next = Next { sequence: next.sequence.saturating_add(1), previous: None };
        }
    }

    fn line(&mut self, place: Place, text: &[u8]) {
        let checked = self.seal.check(text);
        let chained: Option<Chained> = serde_json::from_slice(text).ok();
        let (Ok(hash), Some(chained)) = (checked, chained.as_ref()) else {
            self.problem(place, if checked == Err(Broken::Hash) { Fault::Changed } else { Fault::Unsealed });
            // If only its text was changed, the next one still follows on the hash that it had. That saves a second problem of one cause.
            match (chained, said(text)) {
                (Some(chained), Some(hash)) if self.next.is_none_or(|next| next.sequence == chained.sequence) => {
                    let sequence = chained.sequence.saturating_add(1);
                    self.next = Some(Next { sequence, previous: Some(hash) });
                }
                _ => self.skip(),
            }
            return;
        };
        for (wanted, seen) in &mut self.wanted {
            *seen |= *wanted == hash;
        }
        if let Some(fault) = self.misplaced(chained) {
            self.problem(place.clone(), fault);
        }
        self.next = Some(Next { sequence: chained.sequence.saturating_add(1), previous: Some(hash) });
        match serde_json::from_slice::<Line<'_>>(text) {
            Ok(line) if line.version == VERSION => self.count(&line, chained.sequence, hash, place),
            Ok(line) => self.problem(place, Fault::Unreadable { why: format!("it is of version {}", line.version) }),
            Err(error) => self.problem(place, Fault::Unreadable { why: error.to_string() }),
        }
    }

    /// What is wrong with a line's place in the chain.
    fn misplaced(&self, line: &Chained) -> Option<Fault> {
        let (sequence, previous) = (line.sequence, Hash::parse(&line.previous));
        let Some(next) = self.next else {
            return match (sequence, self.since) {
                (1, _) if previous != Some(Hash::NONE) => Some(Fault::OtherChain),
                (2.., None) => Some(Fault::BeginsLate { sequence }),
                (_, Some(since)) if sequence > since => Some(Fault::BeginsAfter { sequence, since }),
                _ => None,
            };
        };
        let expected = next.sequence;
        match sequence {
            1 if expected != 1 && previous == Some(Hash::NONE) => Some(Fault::Begins),
            _ if sequence > expected => Some(Fault::Gap { sequence, expected, missing: sequence - expected }),
            _ if sequence < expected => Some(Fault::Repeated { sequence, expected }),
            _ if next.previous.is_some_and(|hash| Some(hash) != previous) => Some(Fault::OtherChain),
            _ => None,
        }
    }

    fn count(&mut self, line: &Line<'_>, sequence: u64, hash: Hash, place: Place) {
        match &line.event {
            Event::Request(_) => self.report.requests += 1,
            Event::Start(start) => {
                self.report.starts += 1;
                self.report.starts_after_a_kill += u64::from(self.is_running);
                self.is_running = true;
                let repaired = start.repaired.map(|bytes| Repaired { place: place.clone(), bytes });
                self.report.repaired.extend(repaired);
            }
            Event::Reload(_) => self.report.reloads += 1,
            Event::Shed { records } => self.report.shed = self.report.shed.saturating_add(*records),
            Event::Stop => {
                self.report.stops += 1;
                self.is_running = false;
            }
        }
        if self.latest.is_some_and(|latest| written_by(line) < latest) {
            self.report.set_back += 1;
            self.report.first_set_back.get_or_insert(place.clone());
        }
        self.latest = self.latest.max(Some(line.time));
        let end = End { place, sequence, time: line.time, hash };
        self.report.first.get_or_insert_with(|| end.clone());
        self.report.last = Some(end);
    }
}

/// When a line was written at the latest. A request has the time at which it was decided, and its line is written when it is answered, with
/// others decided since before it. How long it took counts from its arrival, so this is never too early.
fn written_by(line: &Line<'_>) -> Timestamp {
    let took = match &line.event {
        Event::Request(request) => SignedDuration::from_micros(i64::try_from(request.duration_us).unwrap_or(i64::MAX)),
        Event::Start(_) | Event::Reload(_) | Event::Shed { .. } | Event::Stop => SignedDuration::ZERO,
    };
    line.time.saturating_add(took.saturating_add(SLACK)).unwrap_or(Timestamp::MAX)
}

/// The hash that a line says it has.
fn said(text: &[u8]) -> Option<Hash> {
    let digits = text.strip_suffix(br#""}"#)?.rsplit(|byte| *byte == b'"').next()?;
    Hash::parse(std::str::from_utf8(digits).ok()?)
}

//! The lines of a log, one at a time: memory does not grow with the log.

use super::{
    Files, ReadError,
    files::{File, rotated, shown},
};
use std::{
    collections::VecDeque,
    fmt, fs,
    io::{self, BufRead, BufReader, ErrorKind, Read},
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

/// The longest line that is read, in bytes. A record of a hundred findings with their states has a fraction of that.
pub const LONGEST_LINE: usize = 64 << 20;

/// Where a line stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file, as it was named.
    pub file: Arc<str>,
    /// The line, counted from 1.
    pub line: u64,
}

/// `audit.jsonl:7`
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub enum Item<'l> {
    /// A line, without its line feed.
    Line {
        /// Where.
        place: Place,
        /// What it says. It need not be UTF-8.
        text: &'l [u8],
    },
    /// The end of a file that has no line feed there: a line that was not written to its end.
    Torn {
        /// Where.
        place: Place,
        /// What there is of it.
        text: &'l [u8],
        /// Whether more files follow.
        more_follows: bool,
    },
    /// A line of more than [`LONGEST_LINE`] bytes, which was passed over.
    TooLong {
        /// Where.
        place: Place,
    },
}

/// The lines of a log.
pub struct Lines {
    files: VecDeque<File>,
    current: Option<Open>,
    /// Files that are read, by what the system calls them: a file that was renamed meanwhile is not read again.
    seen: Vec<Identity>,
    buffer: Vec<u8>,
    longest: usize,
}

struct Open {
    reader: Box<dyn BufRead + Send>,
    name: Arc<str>,
    line: u64,
}

/// Device and number, and when it was made: the number of a file that was removed is given again.
#[derive(PartialEq, Eq)]
struct Identity(u64, u64, Option<SystemTime>);

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "not every system has such numbers")]
fn identity(metadata: &fs::Metadata) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt;
    Some(Identity(metadata.dev(), metadata.ino(), metadata.created().ok()))
}

#[cfg(not(unix))]
fn identity(_: &fs::Metadata) -> Option<Identity> {
    None
}

impl Lines {
    /// Of these files, one after the other.
    pub fn of(files: Files) -> Self {
        Self { files: files.0.into(), current: None, seen: Vec::new(), buffer: Vec::new(), longest: LONGEST_LINE }
    }

    /// Of what a reader gives, which messages call by this name.
    pub fn of_reader(name: &str, reader: impl Read + Send + 'static) -> Self {
        let reader = Box::new(BufReader::new(reader));
        let current = Some(Open { reader, name: name.into(), line: 0 });
        Self { current, ..Self::of(Files::default()) }
    }

    #[cfg(test)]
    pub(super) fn longest(self, longest: usize) -> Self {
        Self { longest, ..self }
    }

    /// The next line; nothing at the end of the last file.
    ///
    /// # Errors
    ///
    /// A file cannot be read.
    #[expect(clippy::should_implement_trait, reason = "what is read is lent, which no iterator can do")]
    pub fn next(&mut self) -> Result<Option<Item<'_>>, ReadError> {
        loop {
            let Some(open) = &mut self.current else {
                match self.files.pop_front() {
                    Some(file) => self.open(file)?,
                    None => return Ok(None),
                }
                continue;
            };
            let read = read_line(&mut open.reader, &mut self.buffer, self.longest);
            let read = read.map_err(|error| ReadError::io(&*open.name, &error))?;
            let place = Place { file: open.name.clone(), line: open.line + 1 };
            open.line += 1;
            match read {
                Ended::Nothing => self.current = None,
                Ended::LineFeed => return Ok(Some(Item::Line { place, text: &self.buffer })),
                Ended::TooLong => return Ok(Some(Item::TooLong { place })),
                Ended::File => {
                    let more_follows = !self.files.is_empty();
                    return Ok(Some(Item::Torn { place, text: &self.buffer, more_follows }));
                }
            }
        }
    }

    fn open(&mut self, file: File) -> Result<(), ReadError> {
        let (path, may_be_gone) = match &file {
            File::Input => {
                let reader = Box::new(BufReader::new(io::stdin()));
                self.current = Some(Open { reader, name: "standard input".into(), line: 0 });
                return Ok(());
            }
            File::At { path, may_be_gone } => (path, *may_be_gone),
            // A writer that rotates gives it another name, and makes a new one.
            File::Current(path) => (path, !self.seen.is_empty()),
        };
        let error = |error: io::Error| ReadError::io(shown(path), &error);
        let opened = match fs::File::open(path) {
            // The oldest one goes when there are too many. One that goes from the middle leaves a gap, which is told.
            Err(gone) if gone.kind() == ErrorKind::NotFound && may_be_gone => return Ok(()),
            opened => opened.map_err(error)?,
        };
        let metadata = opened.metadata().map_err(error)?;
        if metadata.is_dir() {
            return Err(ReadError::Io { file: shown(path), why: "it is a directory".to_owned() });
        }
        if let File::Current(path) = &file {
            let missed = self.rotated_meanwhile(path, &metadata)?;
            if !missed.is_empty() {
                self.files.push_front(file);
                missed.into_iter().rev().for_each(|file| self.files.push_front(file));
                return Ok(());
            }
        }
        if let Some(identity) = identity(&metadata) {
            if self.seen.contains(&identity) {
                return Ok(());
            }
            self.seen.push(identity);
        }
        let reader = Box::new(BufReader::with_capacity(64 << 10, opened));
        self.current = Some(Open { reader, name: path.display().to_string().into(), line: 0 });
        Ok(())
    }

    /// The files that were rotated away after the files were listed, and before the current one, which has this `metadata`, was opened.
    fn rotated_meanwhile(&self, current: &Path, metadata: &fs::Metadata) -> Result<Vec<File>, ReadError> {
        let Some(current_identity) = identity(metadata) else { return Ok(Vec::new()) };
        let is_new = |path: &PathBuf| {
            let known = fs::metadata(path).ok().as_ref().and_then(identity);
            known.is_some_and(|known| known != current_identity && !self.seen.contains(&known))
        };
        let rotated = rotated(current)?.into_iter().filter(is_new);
        Ok(rotated.map(|path| File::At { path, may_be_gone: true }).collect())
    }
}

/// How a line ended.
enum Ended {
    LineFeed,
    /// With the file.
    File,
    /// It was longer than it may be.
    TooLong,
    /// There was none.
    Nothing,
}

fn read_line(reader: &mut dyn BufRead, line: &mut Vec<u8>, longest: usize) -> io::Result<Ended> {
    line.clear();
    let mut is_too_long = false;
    loop {
        let available = match reader.fill_buf() {
            Ok(available) => available,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if available.is_empty() {
            return Ok(match (is_too_long, line.is_empty()) {
                (true, _) => Ended::TooLong,
                (false, true) => Ended::Nothing,
                (false, false) => Ended::File,
            });
        }
        let end = memchr::memchr(b'\n', available);
        let (part, used) = end.map_or((available, available.len()), |end| (&available[..end], end + 1));
        if is_too_long || line.len() + part.len() > longest {
            is_too_long = true;
            line.clear();
        } else {
            line.extend_from_slice(part);
        }
        reader.consume(used);
        if end.is_some() {
            return Ok(if is_too_long { Ended::TooLong } else { Ended::LineFeed });
        }
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").field("files", &self.files).finish_non_exhaustive()
    }
}

//! The files of an audit log: where its chain goes on, lines put to its end, and the next file when one is full.
//!
//! The current file has the name that the configuration gives; full ones lie beside it, named by the sequence of their first line
//! ([`rotated`]). One process writes at a time: the file is locked.

use super::chain::{Broken, Chained, Link, Seal};
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// The longest line that is read to find where a chain goes on. A record of a hundred findings with everything that policies can read of
/// them at its longest stays well under it.
pub const LONGEST_LINE: u64 = 64 << 20;

/// What of a file is read at once, from its end.
const CHUNK: u64 = 64 << 10;

/// How every line begins. What is taken off a file's end where no whole line stands before it begins so, too.
const BEGINNING: &[u8] = br#"{"version":"#;

/// How often it is looked whether the current file still has its name.
const LOOKED_AT: Duration = Duration::from_secs(1);

/// How often opening begins again because the file was renamed meanwhile.
const TRIES: usize = 16;

/// How many lines with zeros in them are taken off at the most: more than are written at once.
const MOST_LOST: usize = 4096;

/// How often, and after which pause, a lock is asked for again.
const LOCK_TRIES: usize = 25;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// How a log is kept in files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// `audit.file`: the current file.
    pub path: PathBuf,
    /// `audit.rotate`: bytes after which a file is full. What is written at once goes into one file.
    pub limit: u64,
    /// `audit.keep`: how many full files stay; nothing for all of them.
    pub keep: Option<NonZeroUsize>,
}

/// Why a log cannot be gone on with.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be used.
    #[error("`{}`: {error}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Another process has it.
    #[error(
        "`{}` is written by another process: give each gate an audit file of its own, or wait until the other one has ended",
        .0.display()
    )]
    InUse(PathBuf),
    /// Its last line is none that could be gone on from.
    #[error(
        "the last line of `{}` cannot be gone on from: {broken}; `findings-gate audit verify` shows what is wrong. Move the file away, \
         or give the key that it was sealed with (`audit.key`)",
        path.display()
    )]
    Broken {
        /// Which file.
        path: PathBuf,
        /// What is wrong with the line.
        broken: Broken,
    },
}

/// The end of an audit log.
#[derive(Debug)]
pub(super) struct Journal {
    files: Files,
    file: File,
    /// Bytes of the current file that are written whole.
    length: u64,
    /// The sequence of the current file's first line.
    first: u64,
    /// Whether the current file's name is not certain to be on the disk.
    is_name_unsynced: bool,
    /// When it was looked whether the file still has its name.
    looked: Instant,
}

impl Journal {
    /// Opens the current file, or makes it, takes a line off its end that was not written whole, and finds where the chain goes on.
    /// Returns how many bytes were taken off, if any.
    pub(super) fn open(files: Files, seal: &Seal) -> Result<(Self, Link, Option<u64>), OpenError> {
        let io = |error| OpenError::Io { path: files.path.clone(), error };
        let mut file = open_file(&files.path)?;
        let size = file.seek(SeekFrom::End(0)).map_err(io)?;
        let (mut whole, mut last) = last_line(&mut file, size).map_err(io)?;
        // A loss of power may leave a file longer than what was written to it: then there are zeros, which no line has.
        for _ in 0..MOST_LOST {
            let Some(line) = last.take_if(|line| line.contains(&0)) else { break };
            // Behind the zeros may be a whole line, if somebody else emptied the file while a gate had it. Nothing of that is cut.
            if line.rsplit(|byte| *byte == 0).next().is_some_and(|rest| seal.check(rest).is_ok()) {
                return Err(OpenError::Broken { path: files.path.clone(), broken: Broken::Unsealed });
            }
            (whole, last) = last_line(&mut file, whole - line.len() as u64 - 1).map_err(io)?;
        }
        let torn = (whole < size).then_some(size - whole);
        // Everything is looked at before anything is taken off: the file may be none of an audit log, or of another key.
        if last.is_none() && torn.is_some() && !begins_as_a_line(&mut file).map_err(io)? {
            return Err(OpenError::Broken { path: files.path.clone(), broken: Broken::Unsealed });
        }
        let link = match last {
            Some(last) => next_link(&last, seal, &files.path)?,
            None => match last_rotated(&files.path).map_err(io)? {
                Some(before) => {
                    let io = |error| OpenError::Io { path: before.clone(), error };
                    let mut file = File::open(&before).map_err(io)?;
                    let size = file.seek(SeekFrom::End(0)).map_err(io)?;
                    let (_, last) = last_line(&mut file, size).map_err(io)?;
                    let last = last.ok_or(OpenError::Broken { path: before.clone(), broken: Broken::Unsealed })?;
                    next_link(&last, seal, &before)?
                }
                None => Link::FIRST,
            },
        };
        let first = if whole == 0 { None } else { first_sequence(&mut file).map_err(io)? };
        let first = first.unwrap_or(link.sequence);
        if torn.is_some() {
            file.set_len(whole).and_then(|()| file.sync_data()).map_err(io)?;
        }
        Ok((Self { files, file, length: whole, first, is_name_unsynced: false, looked: Instant::now() }, link, torn))
    }

    /// Whether these bytes go into the next file.
    pub(super) fn is_full_for(&self, bytes: usize) -> bool {
        self.length > 0 && self.length.saturating_add(bytes as u64) > self.files.limit
    }

    /// Puts lines to the end of the file: all of them or none.
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        // What an earlier try has left is taken off first: the file may have had no room for that either.
        let written = self.file.set_len(self.length).and_then(|()| self.file.write_all(lines));
        match written {
            Ok(()) => {
                self.length += lines.len() as u64;
                Ok(())
            }
            Err(error) => {
                // A reader should not see half a line. If that fails too, the next try does it.
                let _ = self.file.set_len(self.length);
                Err(error)
            }
        }
    }

    /// Takes so many bytes off the end again.
    pub(super) fn undo(&mut self, bytes: usize) {
        self.length -= bytes as u64;
        // If that fails, the next to be appended does it.
        let _ = self.file.set_len(self.length);
    }

    /// Waits until all of it is on the disk.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        if self.is_name_unsynced {
            sync_directory(&self.files.path)?;
            self.is_name_unsynced = false;
        }
        Ok(())
    }

    /// Begins a new file, of which `sequence` is the first line, where the current one was removed or renamed by others. Whether it was;
    /// that is looked at now and then.
    ///
    /// # Errors
    ///
    /// What is there instead cannot be gone on in.
    pub(super) fn follow(&mut self, sequence: u64) -> io::Result<bool> {
        if self.looked.elapsed() < LOOKED_AT {
            return Ok(false);
        }
        if has_name(&self.file, &self.files.path)? {
            self.looked = Instant::now();
            return Ok(false);
        }
        let file = lock_file(&self.files.path, 1).map_err(|error| io::Error::other(error.to_string()))?;
        if file.metadata()?.len() > 0 {
            return Err(io::Error::other(
                "the audit file was replaced by another one that is not empty: move that away",
            ));
        }
        // What went into the old one is not less certain than it was.
        self.file.sync_data()?;
        (self.file, self.length, self.first, self.is_name_unsynced) = (file, 0, sequence, true);
        self.looked = Instant::now();
        Ok(true)
    }

    /// Begins the next file, of which `sequence` is the first line. What was is on the disk before. Older files that should have gone
    /// but could not be removed are no error: the reason is returned.
    ///
    /// # Errors
    ///
    /// There is no next file: lines go to the end of the one that is full.
    pub(super) fn rotate(&mut self, sequence: u64) -> io::Result<Option<io::Error>> {
        // Half a line that a failed write has left does not belong into a file that nobody writes any more.
        self.file.set_len(self.length)?;
        self.file.sync_data()?;
        let (path, full) = (&self.files.path, rotated(&self.files.path, self.first));
        if !has_name(&self.file, path)? {
            return Err(io::Error::other("the audit file was removed or renamed by others"));
        }
        rename_to_new(path, &full)?;
        let file = match lock_file(path, 1) {
            Ok(file) => file,
            Err(error) => {
                rename_to_new(&full, path)?;
                return Err(io::Error::other(error.to_string()));
            }
        };
        (self.file, self.length, self.first, self.is_name_unsynced) = (file, 0, sequence, true);
        Ok(self.remove_oldest().err())
    }

    fn remove_oldest(&self) -> io::Result<()> {
        let Some(keep) = self.files.keep else { return Ok(()) };
        let full = rotated_files(&self.files.path)?;
        full.iter().take(full.len().saturating_sub(keep.get())).try_for_each(fs::remove_file)
    }
}

/// The name of a full file: `audit.0000000000000042.jsonl` of `audit.jsonl`. By their names, files are in the order of the chain.
pub fn rotated(path: &Path, first: u64) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let name = match path.extension() {
        Some(extension) => format!("{stem}.{first:016}.{}", extension.to_string_lossy()),
        None => format!("{stem}.{first:016}"),
    };
    path.with_file_name(name)
}

/// The full files beside the current one, in the order of the chain.
pub fn rotated_files(path: &Path) -> io::Result<Vec<PathBuf>> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        let first = name.to_str().and_then(|name| {
            name.split('.').rev().find(|part| part.len() == 16 && part.bytes().all(|byte| byte.is_ascii_digit()))
        });
        let Some(first) = first.and_then(|digits| digits.parse().ok()) else { continue };
        let full = rotated(path, first);
        if full.file_name() == Some(&name) {
            found.push((first, full));
        }
    }
    found.sort_unstable();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

fn last_rotated(path: &Path) -> io::Result<Option<PathBuf>> {
    Ok(rotated_files(path)?.pop())
}

/// Opens a file to write lines to its end, for this process alone.
fn open_file(path: &Path) -> Result<File, OpenError> {
    let is_new = !path.exists();
    let file = lock_file(path, LOCK_TRIES)?;
    if is_new {
        // So that a new file is there after a loss of power, too.
        sync_directory(path).map_err(|error| OpenError::Io { path: path.to_owned(), error })?;
    }
    Ok(file)
}

/// Opens a file, or makes it, and locks it. Nobody but its owner may read a new one.
fn lock_file(path: &Path, tries: usize) -> Result<File, OpenError> {
    let io = |error| OpenError::Io { path: path.to_owned(), error };
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    for _ in 0..TRIES {
        let file = options.open(path).map_err(io)?;
        match lock(&file, tries) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse(path.to_owned())),
            Err(TryLockError::Error(error)) => return Err(io(error)),
        }
        // Between opening and locking, whoever had it may have put it away as a full file.
        if has_name(&file, path).map_err(io)? {
            return Ok(file);
        }
    }
    Err(io(io::Error::other("it is renamed again and again while it is opened")))
}

/// Locks a file, unless it stays locked for a while: a process that this one has just made shares its locks until it is another program.
#[expect(clippy::disallowed_methods, reason = "a lock of the system tells nobody when it is free")]
fn lock(file: &File, tries: usize) -> Result<(), TryLockError> {
    for _ in 1..tries {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
            locked => return locked,
        }
    }
    file.try_lock()
}

/// Whether this file is the one that has this name.
#[cfg(unix)]
fn has_name(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let named = match fs::metadata(path) {
        Ok(named) => named,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let opened = file.metadata()?;
    Ok((named.dev(), named.ino()) == (opened.dev(), opened.ino()))
}

/// A file that is open keeps its name.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "as elsewhere")]
fn has_name(_: &File, _: &Path) -> io::Result<bool> {
    Ok(true)
}

/// Renames a file, and nothing is lost by it.
fn rename_to_new(from: &Path, to: &Path) -> io::Result<()> {
    match fs::symlink_metadata(to) {
        Ok(_) => Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("there is a `{}` already", to.display()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => fs::rename(from, to),
        Err(error) => Err(error),
    }
}

/// Whether a file begins as the first line of a log does, as far as it goes, or is nothing but zeros, as where nothing came to the disk.
fn begins_as_a_line(file: &mut File) -> io::Result<bool> {
    file.seek(SeekFrom::Start(0))?;
    let mut beginning = Vec::new();
    file.take(BEGINNING.len() as u64).read_to_end(&mut beginning)?;
    if BEGINNING.starts_with(&beginning) {
        return Ok(true);
    }
    file.seek(SeekFrom::Start(0))?;
    let mut chunk = [0; 4096];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(true),
            read if chunk[..read].iter().all(|byte| *byte == 0) => {}
            _ => return Ok(false),
        }
    }
}

fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

/// Where the chain goes on after `line`, if it is whole.
fn next_link(line: &[u8], seal: &Seal, path: &Path) -> Result<Link, OpenError> {
    let broken = |broken| OpenError::Broken { path: path.to_owned(), broken };
    let previous = seal.check(line).map_err(broken)?;
    let chained: Chained = serde_json::from_slice(line).map_err(|_| broken(Broken::Unsealed))?;
    Ok(Link { sequence: chained.sequence + 1, previous })
}

/// How many bytes at the file's beginning are whole lines, and the last of these, without its line feed.
fn last_line(file: &mut File, size: u64) -> io::Result<(u64, Option<Vec<u8>>)> {
    let mut tail: Vec<u8> = Vec::new();
    let mut start = size;
    loop {
        let mut feeds = tail.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at);
        match (feeds.next(), feeds.next()) {
            (Some(end), Some(before)) => return Ok((start + end as u64 + 1, Some(tail[before + 1..end].to_vec()))),
            (Some(end), None) if start == 0 => return Ok((end as u64 + 1, Some(tail[..end].to_vec()))),
            (None, _) if start == 0 => return Ok((0, None)),
            _ if tail.len() as u64 > 2 * LONGEST_LINE => {
                return Err(io::Error::other("its last line is longer than any record"));
            }
            _ => {}
        }
        // More each time, so that a long line is not looked through again and again.
        let more = start.min(CHUNK.max(tail.len() as u64));
        start -= more;
        let mut chunk = vec![0; usize::try_from(more).map_err(io::Error::other)?];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(&mut chunk)?;
        chunk.append(&mut tail);
        tail = chunk;
    }
}

/// The sequence of the file's first line; nothing of an empty file.
fn first_sequence(file: &mut File) -> io::Result<Option<u64>> {
    file.seek(SeekFrom::Start(0))?;
    let mut line = Vec::new();
    io::BufRead::read_until(&mut io::BufReader::new(file.take(LONGEST_LINE)), b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    let chained: Chained = serde_json::from_slice(&line)
        .map_err(|error| io::Error::other(format!("its first line is none of an audit log: {error}")))?;
    Ok(Some(chained.sequence))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    fn files(folder: &TempDir, limit: u64) -> Files {
        Files { path: folder.path().join("audit.jsonl"), limit, keep: None }
    }

    /// A log with one line, that is open still.
    fn begun() -> (TempDir, Files, Journal, Link) {
        let folder = TempDir::new().unwrap();
        let files = files(&folder, 1 << 20);
        let (mut journal, mut link, _) = Journal::open(files.clone(), &Seal::open()).unwrap();
        write(&mut journal, &mut link, "a");
        (folder, files, journal, link)
    }

    fn sealed(link: &mut Link, text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        Seal::open().append(format!(r#"{{"version":1,"text":"{text}"}}"#).as_bytes(), link, &mut out);
        out
    }

    fn write(journal: &mut Journal, link: &mut Link, text: &str) {
        let (sequence, bytes) = (link.sequence, sealed(link, text));
        if journal.is_full_for(bytes.len()) {
            journal.rotate(sequence).unwrap();
        }
        journal.append(&bytes).unwrap();
    }

    /// Every line of every file, in order, as the sequences say.
    fn chain(folder: &TempDir) -> Vec<u64> {
        let path = folder.path().join("audit.jsonl");
        let mut previous = Link::FIRST.previous;
        let mut sequences = Vec::new();
        for file in rotated_files(&path).unwrap().into_iter().chain([path]) {
            for line in fs::read_to_string(file).unwrap().lines() {
                let chained: Chained = serde_json::from_str(line).unwrap();
                assert_eq!(chained.previous, previous.to_string());
                previous = Seal::open().check(line.as_bytes()).unwrap();
                sequences.push(chained.sequence);
            }
        }
        sequences
    }

    #[test]
    fn a_chain_goes_on_over_restarts_and_files() {
        let folder = TempDir::new().unwrap();
        for round in 0..4 {
            let (mut journal, mut link, torn) = Journal::open(files(&folder, 600), &Seal::open()).unwrap();
            assert_eq!((link.sequence, torn), (1 + round * 5, None));
            for number in 0..5 {
                write(&mut journal, &mut link, &number.to_string());
            }
        }
        assert_eq!(chain(&folder), (1..=20).collect::<Vec<_>>());
        assert!(rotated_files(&folder.path().join("audit.jsonl")).unwrap().len() > 3);
    }

    /// The process ends between the old file's new name and the new file.
    #[test]
    fn a_chain_goes_on_where_a_rotation_stopped_half_way() {
        let (folder, files, journal, _) = begun();
        drop(journal);
        fs::rename(&files.path, rotated(&files.path, 1)).unwrap();
        let (mut journal, mut link, _) = Journal::open(files.clone(), &Seal::open()).unwrap();
        assert_eq!(link.sequence, 2);
        // And before the first line of the new one.
        drop(journal);
        (journal, link, _) = Journal::open(files, &Seal::open()).unwrap();
        write(&mut journal, &mut link, "b");
        assert_eq!(chain(&folder), [1, 2]);
    }

    #[test]
    fn a_torn_line_is_taken_off_wherever_it_is_torn() {
        let (_folder, files, journal, mut link) = begun();
        drop(journal);
        let whole = fs::read(&files.path).unwrap();
        let next = sealed(&mut link, "b");
        for length in 1..next.len() {
            fs::write(&files.path, [&whole, &next[..length]].concat()).unwrap();
            let (_, link, torn) = Journal::open(files.clone(), &Seal::open()).unwrap();
            assert_eq!((link.sequence, torn), (2, Some(length as u64)));
            assert_eq!(fs::read(&files.path).unwrap(), whole);
        }
        // The very first line.
        for length in 1..whole.len() {
            fs::write(&files.path, &whole[..length]).unwrap();
            let (_, link, torn) = Journal::open(files.clone(), &Seal::open()).unwrap();
            assert_eq!((link, torn), (Link::FIRST, Some(length as u64)));
        }
    }

    /// As a loss of power leaves a file that was not forced to the disk.
    #[test]
    fn what_never_came_to_the_disk_is_taken_off() {
        let (_folder, files, journal, mut link) = begun();
        drop(journal);
        let whole = fs::read(&files.path).unwrap();
        let next = sealed(&mut link, "b");
        let zeros = |length: usize| vec![0; length];
        let half = [&zeros(20), &next[20..]].concat();
        for (kept, lost) in [
            (&whole[..], zeros(4096)),
            (&whole, half.clone()),
            (&whole, [&half[..], &half, &next[..9]].concat()),
            (b"", zeros(4096)),
        ] {
            fs::write(&files.path, [kept, &lost].concat()).unwrap();
            let (_, link, torn) = Journal::open(files.clone(), &Seal::open()).unwrap();
            assert_eq!((link.sequence, torn), (if kept.is_empty() { 1 } else { 2 }, Some(lost.len() as u64)));
            assert_eq!(fs::read(&files.path).unwrap(), kept);
        }
    }

    #[test]
    fn zeros_with_anything_good_behind_them_are_left() {
        let (_folder, files, journal, mut link) = begun();
        drop(journal);
        let whole = fs::read(&files.path).unwrap();
        let next = sealed(&mut link, "b");
        // A file that was emptied under a gate, and something that is no log at all.
        for bytes in [[&vec![0; whole.len()], &next[..]].concat(), [&[0; 64], &b"disk\n\0\n"[..]].concat()] {
            fs::write(&files.path, &bytes).unwrap();
            Journal::open(files.clone(), &Seal::open()).unwrap_err();
            assert_eq!(fs::read(&files.path).unwrap(), bytes);
        }
    }

    #[test]
    fn long_lines_are_found_whole() {
        let folder = TempDir::new().unwrap();
        let files = files(&folder, u64::MAX);
        for length in [1, 60_000, 65_536, 200_000] {
            let (mut journal, mut link, torn) = Journal::open(files.clone(), &Seal::open()).unwrap();
            assert_eq!(torn, None);
            write(&mut journal, &mut link, &"x".repeat(length));
        }
        assert_eq!(chain(&folder), [1, 2, 3, 4]);
    }

    #[test]
    fn what_was_changed_is_not_gone_on_from() {
        let (_folder, files, journal, _) = begun();
        drop(journal);
        let keyed = Journal::open(files.clone(), &Seal::keyed(b"key")).unwrap_err();
        assert!(matches!(keyed, OpenError::Broken { broken: Broken::Hash, .. }), "{keyed}");
        fs::write(&files.path, "not a line\n").unwrap();
        let foreign = Journal::open(files.clone(), &Seal::open()).unwrap_err();
        assert!(matches!(foreign, OpenError::Broken { broken: Broken::Unsealed, .. }), "{foreign}");
    }

    #[test]
    fn what_is_none_of_its_own_loses_nothing() {
        let (_folder, files, journal, _) = begun();
        drop(journal);
        let whole = fs::read(&files.path).unwrap();
        let torn = [&whole[..], b"{\"ver"].concat();
        // The last is a whole line at the end of a file that does not begin as a log.
        let late = [b"# a note\n", &whole[..], b"{"].concat();
        let cases: [(&[u8], Seal); 5] = [
            (b"[server]", Seal::open()),
            (b"one\ntwo", Seal::open()),
            (b"{\"a\":1", Seal::open()),
            (&torn, Seal::keyed(b"key")),
            (&late, Seal::open()),
        ];
        for (bytes, seal) in cases {
            fs::write(&files.path, bytes).unwrap();
            Journal::open(files.clone(), &seal).unwrap_err();
            assert_eq!(fs::read(&files.path).unwrap(), bytes);
        }
    }

    #[test]
    fn half_a_line_does_not_go_into_a_full_file() {
        let (folder, _, mut journal, mut link) = begun();
        // As a write leaves it that failed half way, where taking it off failed too.
        journal.file.write_all(b"{\"vers").unwrap();
        assert!(journal.rotate(link.sequence).unwrap().is_none());
        write(&mut journal, &mut link, "b");
        assert_eq!(chain(&folder), [1, 2]);
    }

    #[test]
    fn a_full_file_takes_no_name_that_is_taken() {
        let (folder, files, mut journal, mut link) = begun();
        let taken = rotated(&files.path, 1);
        fs::write(&taken, "kept").unwrap();
        let error = journal.rotate(link.sequence).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists, "{error}");
        assert_eq!(fs::read_to_string(&taken).unwrap(), "kept");
        // It goes on where it was.
        write(&mut journal, &mut link, "b");
        fs::remove_file(&taken).unwrap();
        assert_eq!(chain(&folder), [1, 2]);
    }

    #[test]
    fn an_old_file_that_stays_is_no_failed_rotation() {
        let folder = TempDir::new().unwrap();
        let files = Files { keep: NonZeroUsize::new(1), ..files(&folder, 1) };
        let (mut journal, mut link, _) = Journal::open(files.clone(), &Seal::open()).unwrap();
        write(&mut journal, &mut link, "a");
        // What cannot be removed as a file.
        fs::create_dir(rotated(&files.path, 0)).unwrap();
        assert!(journal.rotate(link.sequence).unwrap().is_some());
        assert_eq!(fs::metadata(&files.path).unwrap().len(), 0);
        write(&mut journal, &mut link, "b");
        fs::remove_dir(rotated(&files.path, 0)).unwrap();
        assert_eq!(chain(&folder), [1, 2]);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_took_away_is_begun_anew() {
        let (folder, files, mut journal, mut link) = begun();
        let long_ago = Instant::now().checked_sub(2 * LOOKED_AT).unwrap();
        journal.looked = long_ago;
        assert!(!journal.follow(link.sequence).unwrap(), "it is where it was");
        fs::rename(&files.path, rotated(&files.path, 1)).unwrap();
        assert!(!journal.follow(link.sequence).unwrap(), "it was just looked at");
        journal.looked = long_ago;
        assert!(journal.follow(link.sequence).unwrap());
        write(&mut journal, &mut link, "b");
        assert_eq!(chain(&folder), [1, 2]);
        assert!(matches!(Journal::open(files.clone(), &Seal::open()), Err(OpenError::InUse(_))));
        // What has something in it is not written to.
        fs::remove_file(&files.path).unwrap();
        fs::write(&files.path, "other").unwrap();
        journal.looked = long_ago;
        journal.follow(link.sequence).unwrap_err();
        assert_eq!(fs::read_to_string(&files.path).unwrap(), "other");
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_was_renamed_is_not_the_one() {
        let folder = TempDir::new().unwrap();
        let files = files(&folder, 1 << 20);
        let file = lock_file(&files.path, LOCK_TRIES).unwrap();
        assert!(has_name(&file, &files.path).unwrap());
        fs::rename(&files.path, rotated(&files.path, 1)).unwrap();
        assert!(!has_name(&file, &files.path).unwrap());
        let next = lock_file(&files.path, LOCK_TRIES).unwrap();
        assert!(has_name(&next, &files.path).unwrap() && !has_name(&file, &files.path).unwrap());
    }

    #[test]
    fn one_process_writes() {
        let folder = TempDir::new().unwrap();
        let files = files(&folder, 1 << 20);
        let held = Journal::open(files.clone(), &Seal::open()).unwrap();
        assert!(matches!(Journal::open(files.clone(), &Seal::open()), Err(OpenError::InUse(_))));
        drop(held);
        Journal::open(files, &Seal::open()).unwrap();
    }

    #[test]
    fn the_oldest_files_go() {
        let folder = TempDir::new().unwrap();
        let files = Files { keep: NonZeroUsize::new(2), ..files(&folder, 1) };
        let (mut journal, mut link, _) = Journal::open(files.clone(), &Seal::open()).unwrap();
        for number in 0..6 {
            write(&mut journal, &mut link, &number.to_string());
        }
        let left: Vec<_> = [4, 5].map(|first| rotated(&files.path, first)).into();
        assert_eq!(rotated_files(&files.path).unwrap(), left);
        // What only looks like one of its files stays.
        fs::write(folder.path().join("other.0000000000000001.jsonl"), "").unwrap();
        fs::write(folder.path().join("audit.0000000000000001.json"), "").unwrap();
        assert_eq!(rotated_files(&files.path).unwrap(), left);
    }

    #[cfg(unix)]
    #[test]
    fn only_its_owner_reads_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = TempDir::new().unwrap();
        let files = files(&folder, 1);
        Journal::open(files.clone(), &Seal::open()).unwrap();
        assert_eq!(fs::metadata(&files.path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

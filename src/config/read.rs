//! Reading files, with bounds.

use aws_lc_rs::digest;
use std::{
    cell::RefCell,
    collections::BTreeSet,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

/// The longest configuration, accounts or keys file, in bytes: an accounts file of 20,000 members is about 2 MiB.
pub(super) const LONGEST_FILE: u64 = 16 << 20;

thread_local! {
    /// What was read since somebody began to record.
    static RECORD: RefCell<Option<Record>> = const { RefCell::new(None) };
}

struct Record {
    paths: BTreeSet<PathBuf>,
    digest: digest::Context,
}

/// The files and directories that something was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reads {
    /// Their paths, whether or not there is something.
    pub paths: BTreeSet<PathBuf>,
    /// A digest over all that was read: as long as it is the same, nothing has changed.
    pub digest: [u8; 32],
}

/// Does something, and tells what of the configuration was read by it on this thread: so that whoever loads a configuration, good or bad,
/// knows what to watch. Not to be nested.
pub fn recorded<T>(work: impl FnOnce() -> T) -> (T, Reads) {
    let begun = Record { paths: BTreeSet::new(), digest: digest::Context::new(&digest::SHA256) };
    RECORD.set(Some(begun));
    let done = work();
    let Record { paths, digest } = RECORD
        .take()
        .unwrap_or_else(|| Record { paths: BTreeSet::new(), digest: digest::Context::new(&digest::SHA256) });
    let mut whole = [0; 32];
    whole.copy_from_slice(digest.finish().as_ref());
    (done, Reads { paths, digest: whole })
}

/// Something was read, or could not be.
pub(super) fn record(path: &Path, bytes: Option<&[u8]>) {
    RECORD.with_borrow_mut(|record| {
        let Some(record) = record else { return };
        record.paths.insert(path.to_owned());
        let path = path.as_os_str().as_encoded_bytes();
        for part in [path, bytes.unwrap_or_default()] {
            record.digest.update(&(part.len() as u64).to_le_bytes());
            record.digest.update(part);
        }
        record.digest.update(&[u8::from(bytes.is_some())]);
    });
}

/// The text of a file, or why there is none: the end of a sentence.
pub(super) fn text(path: &Path, longest: u64) -> Result<String, String> {
    let text = String::from_utf8(bytes(path, longest)?)
        .map_err(|_| format!("cannot read `{}`: it is not UTF-8", path.display()))?;
    // Editors on Windows begin a file with a byte order mark. TOML and Cedar do not know it.
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// The bytes of a file, or why there are none: the end of a sentence.
pub(super) fn bytes(path: &Path, longest: u64) -> Result<Vec<u8>, String> {
    let bytes = unrecorded(path, longest);
    record(path, bytes.as_deref().ok());
    bytes
}

fn unrecorded(path: &Path, longest: u64) -> Result<Vec<u8>, String> {
    let refused = |why: &str| format!("cannot read `{}`: {why}", path.display());
    // Asked before it is opened: opening a pipe that nobody writes to would wait for ever.
    let metadata = std::fs::metadata(path).map_err(|error| refused(&reason(&error)))?;
    if !metadata.is_file() {
        return Err(refused(if metadata.is_dir() { "it is a directory" } else { "it is not a regular file" }));
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(longest + 1).read_to_end(&mut bytes))
        .map_err(|error| refused(&reason(&error)))?;
    if bytes.len() as u64 > longest {
        return Err(refused(&format!("it is longer than {}", super::unit::show_size(longest))));
    }
    Ok(bytes)
}

/// What the system says, without its number.
pub(super) fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".into(),
        std::io::ErrorKind::PermissionDenied => "permission denied".into(),
        _ => error.to_string(),
    }
}

/// A path as a file names it: relative to that file.
pub(super) fn relative_to(file: &Path, path: &str) -> PathBuf {
    file.parent().map_or_else(|| PathBuf::from(path), |directory| directory.join(path))
}

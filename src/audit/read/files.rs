//! Which files a log lies in, in the order of its chain.

use super::ReadError;
use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

/// How many digits stand in a rotated file's name.
const DIGITS: usize = 16;
/// What a log's file ends in, where nobody says which file it is.
const EXTENSION: &str = "jsonl";

/// One file of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum File {
    /// This one. What was found by looking around may be gone when it is opened, because the writer keeps only so many.
    At { path: PathBuf, may_be_gone: bool },
    /// The one that is written to, which may be rotated away before it is opened.
    Current(PathBuf),
    /// Standard input.
    Input,
}

/// The files of a log, in the order of its chain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files(pub(super) Vec<File>);

/// Whether this is the name of a file that was rotated away: `<stem>.<sixteen digits>.<extension>`, or without extension.
pub fn is_rotated(path: &Path) -> bool {
    current_of(path).is_some()
}

/// The current file's name, of a rotated one.
fn current_of(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let is_number = |part: &str| part.len() == DIGITS && part.bytes().all(|byte| byte.is_ascii_digit());
    let (rest, last) = name.rsplit_once('.')?;
    if is_number(last) {
        return Some(rest.to_owned());
    }
    let (stem, number) = rest.rsplit_once('.')?;
    is_number(number).then(|| format!("{stem}.{last}"))
}

impl Files {
    /// Finds the files of what is named: a rotated file is itself; any other file is the current one, with those beside it that were
    /// rotated away; a directory is the log in it; `-` is standard input. What is named twice is read once.
    ///
    /// # Errors
    ///
    /// There is nothing of a name, or a directory that does not hold one log.
    pub fn find<P: AsRef<Path>>(paths: &[P]) -> Result<Self, ReadError> {
        let mut files = Self::default();
        for path in paths {
            let path = path.as_ref();
            if path.as_os_str() == "-" {
                files.add(File::Input);
            } else if path.is_dir() {
                files.add_log(&log_in(path)?)?;
            } else if is_rotated(path) {
                files.add(File::At { path: path.to_owned(), may_be_gone: false });
            } else {
                files.add_log(path)?;
            }
        }
        Ok(files)
    }

    fn add(&mut self, file: File) {
        let is_same = |known: &File| match (known, &file) {
            (File::At { path: known, .. }, File::At { path, .. }) => known == path,
            (known, file) => known == file,
        };
        if !self.0.iter().any(is_same) {
            self.0.push(file);
        }
    }

    /// Adds the current file, after those that were rotated away.
    fn add_log(&mut self, current: &Path) -> Result<(), ReadError> {
        let rotated = rotated(current)?;
        let exists = current.try_exists().map_err(|error| ReadError::io(shown(current), &error))?;
        if !exists && rotated.is_empty() {
            return Err(ReadError::Missing(current.to_owned()));
        }
        for path in rotated {
            self.add(File::At { path, may_be_gone: true });
        }
        if exists {
            self.add(File::Current(current.to_owned()));
        }
        Ok(())
    }
}

/// A path as messages show it.
pub(super) fn shown(path: &Path) -> String {
    format!("`{}`", path.display())
}

fn directory_of(file: &Path) -> &Path {
    file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The files beside it that were rotated away, in the order of their numbers.
pub(super) fn rotated(current: &Path) -> Result<Vec<PathBuf>, ReadError> {
    let Some(name) = current.file_name().and_then(OsStr::to_str) else { return Ok(Vec::new()) };
    let names = names(directory_of(current))?;
    // As the user named the directory, so that messages do.
    let beside = |name: &String| current.with_file_name(name);
    Ok(names.iter().filter(|other| current_of(Path::new(other)).as_deref() == Some(name)).map(beside).collect())
}

/// The names of the files in a directory, sorted; none of one that is not there.
fn names(directory: &Path) -> Result<BTreeSet<String>, ReadError> {
    let error = |error: std::io::Error| ReadError::io(shown(directory), &error);
    let entries = match fs::read_dir(directory) {
        Err(absent) if absent.kind() == ErrorKind::NotFound => return Ok(BTreeSet::new()),
        entries => entries.map_err(error)?,
    };
    let mut names = BTreeSet::new();
    for entry in entries {
        names.extend(entry.map_err(error)?.file_name().into_string());
    }
    Ok(names)
}

/// The current file of the one log in a directory.
fn log_in(directory: &Path) -> Result<PathBuf, ReadError> {
    let ends = |name: &String| Path::new(name).extension().is_some_and(|extension| extension == EXTENSION);
    let current = |name: String| current_of(Path::new(&name)).unwrap_or(name);
    let logs: BTreeSet<String> = names(directory)?.into_iter().filter(ends).map(current).collect();
    match logs.len() {
        0 => Err(ReadError::Empty(directory.to_owned())),
        1 => Ok(directory.join(logs.into_iter().next().unwrap_or_default())),
        _ => Err(ReadError::Several(directory.to_owned(), logs.into_iter().collect())),
    }
}

//! The keys file while it is changed: locked, owner's only, and replaced whole.

use crate::{
    cli::{Failure, files},
    config::{self, IssuedKey},
};
use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
};

/// A keys file that nobody else changes by this program until it is dropped.
#[derive(Debug)]
pub(super) struct KeysFile {
    /// As it was named.
    named: PathBuf,
    /// The file that the name leads to.
    path: PathBuf,
    metadata: Option<Metadata>,
    text: String,
    keys: Vec<IssuedKey>,
    /// Its directory, locked. The file itself is replaced, and a lock on it would be replaced along.
    directory: File,
}

impl KeysFile {
    /// Locks and reads a keys file; one that is not there has no text and no keys. `fix_mode` takes from other users what they may do with it,
    /// for which it is refused otherwise.
    pub(super) fn open(named: &Path, fix_mode: bool) -> Result<Self, Failure> {
        let broke =
            |error: io::Error| Failure::broke(format!("cannot open `{}`: {}", named.display(), files::reason(&error)));
        // The file that a link leads to is replaced, not the link.
        let path = match fs::canonicalize(named) {
            Ok(path) => path,
            Err(error) if error.kind() == ErrorKind::NotFound => named.to_owned(),
            Err(error) => return Err(broke(error)),
        };
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let directory = File::open(parent).map_err(broke)?;
        directory.lock().map_err(broke)?;
        let metadata = match fs::metadata(&path) {
            Ok(metadata) => Some(metadata),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(broke(error)),
        };
        if !fix_mode && metadata.as_ref().is_some_and(open_to_others) {
            return Err(Failure::broke(format!(
                "`{0}` holds secrets and is open to every user of this machine: run `chmod o-rwx '{0}'`, or give `--fix-mode`. If others \
                 could read it so far, revoke the keys in it",
                named.display()
            )));
        }
        let text = if metadata.is_some() { files::read(&path)? } else { String::new() };
        let keys = config::issued_keys(named, &text)?;
        Ok(Self { named: named.to_owned(), path, metadata, text, keys, directory })
    }

    pub(super) fn named(&self) -> &Path {
        &self.named
    }

    pub(super) fn exists(&self) -> bool {
        self.metadata.is_some()
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Its keys, in its order.
    pub(super) fn keys(&self) -> &[IssuedKey] {
        &self.keys
    }

    /// Puts a text in its place, if that has just these keys. Whoever reads the file sees the old text or the new one.
    pub(super) fn replace(&self, text: &str, ids: &[&str]) -> Result<(), Failure> {
        let made = config::issued_keys(&self.named, text)?;
        if !made.iter().map(|issued| issued.key.id.as_str()).eq(ids.iter().copied()) {
            return Err(Failure::broke(format!(
                "`{}` is laid out in a way that this cannot change: expected each key in a `[[key]]` table of its own",
                self.named.display()
            )));
        }
        self.write(text).map_err(|error| {
            Failure::broke(format!("cannot write `{}`: {}", self.named.display(), files::reason(&error)))
        })
    }

    fn write(&self, text: &str) -> io::Result<()> {
        let name = self.path.file_name().ok_or(ErrorKind::InvalidInput)?;
        let mut beside = std::ffi::OsString::from(".");
        beside.push(name);
        beside.push(format!(".{}.tmp", std::process::id()));
        let beside = self.path.with_file_name(beside);
        let written = (|| {
            // From its first byte on it is the owner's only.
            let mut file = private(&beside)?;
            file.write_all(text.as_bytes())?;
            if let Some(metadata) = &self.metadata {
                keep_owner_and_mode(&file, metadata)?;
            }
            file.sync_all()?;
            fs::rename(&beside, &self.path)
        })();
        if written.is_err() {
            // What failed is told; that its remains could not be removed either would add nothing.
            drop(fs::remove_file(&beside));
        }
        written?;
        // The rename, too, is to outlast a crash: a key that was shown is there.
        self.directory.sync_all()
    }
}

#[cfg(unix)]
fn private(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

#[cfg(not(unix))]
fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

/// As the old file had it, but for what every user might do with it.
#[cfg(unix)]
fn keep_owner_and_mode(file: &File, old: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
    let new = file.metadata()?;
    if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
        // A gate that runs as another user than whoever edits must go on reading it.
        fchown(file, Some(old.uid()), Some(old.gid()))?;
    }
    file.set_permissions(fs::Permissions::from_mode(old.permissions().mode() & 0o770))
}

#[cfg(not(unix))]
fn keep_owner_and_mode(file: &File, old: &Metadata) -> io::Result<()> {
    file.set_permissions(old.permissions())
}

/// Whether every user of the machine may do anything with it: what the gate warns of when it starts.
#[cfg(unix)]
pub(super) fn open_to_others(metadata: &Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o007 != 0
}

#[cfg(not(unix))]
pub(super) fn open_to_others(_: &Metadata) -> bool {
    false
}

//! The keys file while it is changed: locked, owner's only, and replaced whole.

use crate::{
    cli::{Failure, files},
    config::{self, IssuedKey},
};
use std::{
    fs::{self, File, Metadata, OpenOptions, TryLockError},
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// How long to wait for another process that changes keys: a change takes milliseconds.
const LOCK_WAIT: Duration = Duration::from_secs(10);
/// How long to wait between looks at the lock.
const LOCK_AGAIN: Duration = Duration::from_millis(20);

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
        lock(&directory, LOCK_WAIT).map_err(broke)?;
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

    /// An editor knows nothing of the lock: what somebody saved since the file was read must not be lost.
    fn refuse_if_changed(&self) -> io::Result<()> {
        let is_same = match fs::read(&self.path) {
            Ok(now) => self.exists() && now == self.text.as_bytes(),
            Err(error) if error.kind() == ErrorKind::NotFound => !self.exists(),
            Err(error) => return Err(error),
        };
        if is_same {
            return Ok(());
        }
        Err(io::Error::other("somebody else changed it just now, and that was left as it is; try again"))
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
            self.refuse_if_changed()?;
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

/// Locks a directory, unless another process keeps it locked for as long as `wait`.
#[expect(clippy::disallowed_methods, reason = "a lock of the system tells nobody when it is free")]
fn lock(directory: &File, wait: Duration) -> io::Result<()> {
    let until = Instant::now() + wait;
    loop {
        match directory.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if Instant::now() < until => thread::sleep(LOCK_AGAIN),
            Err(TryLockError::WouldBlock) => {
                return Err(io::Error::other(format!(
                    "another process has kept its directory locked for {} s; end that one or wait for its end, and try again",
                    wait.as_secs()
                )));
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "[[key]]\nid = \"AKIDEXAMPLE12345\"\nsecret = \"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY\"\n\
                       account = \"222222222222\"\nprincipal = \"p\"\n";

    #[test]
    fn what_somebody_saved_meanwhile_is_not_lost() {
        for (before, meanwhile) in [(Some(""), Some("# mine\n")), (None, Some("# mine\n")), (Some("# mine\n"), None)] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("keys.toml");
            if let Some(text) = before {
                fs::write(&path, text).unwrap();
            }
            let keys = KeysFile::open(&path, true).unwrap();
            match meanwhile {
                Some(text) => fs::write(&path, text).unwrap(),
                None => fs::remove_file(&path).unwrap(),
            }
            let told = keys.replace(KEY, &["AKIDEXAMPLE12345"]).unwrap_err().to_string();
            assert!(told.contains("somebody else changed it just now") && told.contains("try again"), "{told}");
            assert_eq!(fs::read_to_string(&path).ok().as_deref(), meanwhile);
            assert_eq!(fs::read_dir(directory.path()).unwrap().count(), usize::from(meanwhile.is_some()));
        }
    }

    #[test]
    fn a_lock_that_somebody_keeps_is_not_waited_for_for_ever() {
        let directory = tempfile::tempdir().unwrap();
        let [first, second] = [(); 2].map(|()| File::open(directory.path()).unwrap());
        lock(&first, Duration::ZERO).unwrap();
        let told = lock(&second, Duration::ZERO).unwrap_err().to_string();
        assert!(told.contains("another process has kept its directory locked"), "{told}");
        drop(first);
        lock(&second, Duration::ZERO).unwrap();
    }
}

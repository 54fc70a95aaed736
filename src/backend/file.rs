//! Whose the findings file is: this program's, this process's, or neither.

use rusqlite::Connection;
use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

/// How often, and after which pause, a lock is asked for again.
const LOCK_TRIES: usize = 25;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// Marks a SQLite file as one of ours (`PRAGMA application_id`): "FGfb".
pub(super) const APPLICATION: i32 = 0x4647_6662;
/// The version of the tables, and of what is derived into them (`PRAGMA user_version`).
///
/// 1: findings. 2: automation rules beside them. 3: `metadata_uid` of each finding.
pub(super) const VERSION: i32 = 3;
/// The oldest version that is brought up to [`VERSION`] when it is opened.
const OLDEST: i32 = 1;

/// Why the backend's data cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or another backend of this process, has it.
    #[error("findings file `{}` is in use by another process; stop that one, or name another file", path.display())]
    InUse {
        /// The findings file.
        path: PathBuf,
    },
    /// Its tables are of a later version of this program.
    #[error(
        "findings file `{}` has schema version {found}, this program reads versions {OLDEST} to {VERSION}; \
         use the program that wrote it, or name another file",
        path.display()
    )]
    Version {
        /// The findings file.
        path: PathBuf,
        /// The version that it has.
        found: i32,
    },
    /// It is a file of something else.
    #[error("file `{}` is no findings file; name another one", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// It belongs to a backend of another Region.
    #[error("findings file `{}` is for Region `{found}`, not for `{expected}`; correct the Region or name another file", path.display())]
    Region {
        /// The findings file.
        path: PathBuf,
        /// The Region in the file.
        found: String,
        /// The Region of the settings.
        expected: String,
    },
    /// The lock beside it cannot be made.
    #[error("findings file `{}` cannot be locked: {source}", path.display())]
    Lock {
        /// The findings file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// SQLite cannot open it, or set it up.
    #[error("findings file `{}` cannot be opened: {source}", path.display())]
    Database {
        /// The findings file, or `:memory:`.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// The operating system has no random numbers.
    #[error("no random numbers for the key that signs page tokens")]
    Random,
}

/// Locks the file `{path}-lock`: not the findings file itself, as closing that would drop SQLite's own locks on it.
#[expect(clippy::disallowed_methods, reason = "a lock of the system tells nobody when it is free")]
pub(super) fn lock(path: &Path) -> Result<File, OpenError> {
    let mut name = path.as_os_str().to_owned();
    name.push("-lock");
    let failed = |source| OpenError::Lock { path: path.to_owned(), source };
    let file = OpenOptions::new().create(true).write(true).truncate(false).open(&name).map_err(failed)?;
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            // A process that this one has just made shares its locks until it is another program.
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
    }
    Err(OpenError::InUse { path: path.to_owned() })
}

/// Refuses a file that is not ours, or not of this Region, before anything is written to it. Gives the version that its tables have;
/// nothing if there are none.
pub(super) fn check_owner(connection: &Connection, path: &Path, region: &str) -> Result<Option<i32>, OpenError> {
    let database = |source: rusqlite::Error| match source.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => OpenError::Foreign { path: path.to_owned() },
        Some(rusqlite::ErrorCode::DatabaseBusy) => OpenError::InUse { path: path.to_owned() },
        _ => OpenError::Database { path: path.to_owned(), source },
    };
    let number = |sql| connection.query_row(sql, [], |row| row.get::<_, i32>(0)).map_err(database);
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    let (application, version) = (number("PRAGMA application_id")?, number("PRAGMA user_version")?);
    match (tables, application, version) {
        (0, 0, 0) => Ok(None),
        (_, APPLICATION, OLDEST..=VERSION) => {
            let found: String =
                connection.query_row("SELECT region FROM meta", [], |row| row.get(0)).map_err(database)?;
            if found == region {
                Ok(Some(version))
            } else {
                Err(OpenError::Region { path: path.to_owned(), found, expected: region.to_owned() })
            }
        }
        (_, APPLICATION, found) => Err(OpenError::Version { path: path.to_owned(), found }),
        _ => Err(OpenError::Foreign { path: path.to_owned() }),
    }
}

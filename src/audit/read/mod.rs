//! Reading the audit log: the files that it lies in, line by line, and whether its chain is whole.

mod files;
mod lines;
mod verify;

pub use files::{Files, is_rotated};
pub use lines::{Item, LONGEST_LINE, Lines, Place};
pub use verify::{Fault, Problem, Report, Verifier};

use std::{io, path::PathBuf};

/// Why a log cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system does not give it.
    #[error("cannot read {file}: {why}")]
    Io {
        /// Which file.
        file: String,
        /// What the system says.
        why: String,
    },
    /// There is nothing of that name.
    #[error(
        "there is no audit log `{}`, nor a rotated file of it beside it; expected the file that `audit.file` names, a rotated one, \
         a directory of them, or `-` for standard input",
        .0.display()
    )]
    Missing(PathBuf),
    /// A directory without a log.
    #[error("`{}` has no file that ends in `.jsonl`; name the file that `audit.file` names", .0.display())]
    Empty(PathBuf),
    /// A directory with several logs.
    #[error("`{}` has several logs ({}), each a chain of its own; name one", .0.display(), .1.join(", "))]
    Several(PathBuf, Vec<String>),
}

impl ReadError {
    fn io(file: impl Into<String>, error: &io::Error) -> Self {
        let why = match error.kind() {
            io::ErrorKind::PermissionDenied => {
                "permission denied; it is its writer's alone unless its mode was changed".into()
            }
            _ => error.to_string(),
        };
        Self::Io { file: file.into(), why }
    }
}

#[cfg(test)]
mod tests;

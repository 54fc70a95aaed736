//! Finding the suites.

use super::Failure;
use crate::workbench::suite::SUFFIX;
use std::path::{Path, PathBuf};

/// Directories that hold what others made.
const PASSED_OVER: [&str; 2] = ["node_modules", "target"];
/// The most suites of a run.
const MOST: usize = 10_000;

/// What was found.
#[derive(Debug, Default)]
pub(in crate::cli) struct Found {
    /// The suites, sorted by path.
    pub(in crate::cli) suites: Vec<PathBuf>,
    /// What is wrong: paths that are none, files that are no suite.
    pub(in crate::cli) problems: Vec<String>,
}

/// The suites that the paths name, and those below the directories that they name.
pub(in crate::cli) fn suites(paths: &[PathBuf]) -> Result<Found, Failure> {
    let mut found = Found::default();
    for path in paths {
        match std::fs::metadata(path) {
            Ok(meta) if meta.is_dir() => below(path, &mut found)?,
            Ok(_) if is_suite(path) => found.suites.push(path.clone()),
            Ok(_) => {
                let message = format!("`{}` is no suite: its name does not end in `{SUFFIX}`", path.display());
                found.problems.push(message);
            }
            Err(error) => found.problems.push(format!("cannot read `{}`: {error}", path.display())),
        }
    }
    for path in &mut found.suites {
        // As whoever calls from here would name it.
        if let Ok(short) = path.strip_prefix(".") {
            *path = short.to_owned();
        }
    }
    found.suites.sort();
    found.suites.dedup();
    if found.suites.is_empty() && found.problems.is_empty() {
        let paths: Vec<String> = paths.iter().map(|path| format!("`{}`", path.display())).collect();
        found.problems.push(format!("no suite below {}: expected files that end in `{SUFFIX}`", paths.join(", ")));
    }
    Ok(found)
}

fn below(directory: &Path, found: &mut Found) -> Result<(), Failure> {
    let broke = |error: std::io::Error| Failure::broke(format!("cannot read `{}`: {error}", directory.display()));
    let mut entries = std::fs::read_dir(directory).map_err(broke)?.collect::<Result<Vec<_>, _>>().map_err(broke)?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        // A link to a directory is not followed: it may lead in a circle.
        let kind = entry.file_type().map_err(broke)?;
        let path = entry.path();
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if kind.is_dir() {
            if !name.starts_with('.') && !PASSED_OVER.contains(&&*name) {
                below(&path, found)?;
            }
        } else if is_suite(&path) {
            found.suites.push(path);
            if found.suites.len() > MOST {
                return Err(Failure::broke(format!("more than {MOST} suites below `{}`", directory.display())));
            }
        } else if name.ends_with(".test.yml") {
            let message = format!("`{}` would never be run: name it `…{SUFFIX}`", path.display());
            found.problems.push(message);
        }
    }
    Ok(())
}

fn is_suite(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(SUFFIX))
}

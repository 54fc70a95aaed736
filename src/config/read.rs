//! Reading files, with bounds.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

/// The longest configuration, accounts or keys file, in bytes: an accounts file of 20,000 members is about 2 MiB.
pub(super) const LONGEST_FILE: u64 = 16 << 20;

/// The text of a file, or why there is none: the end of a sentence.
pub(super) fn text(path: &Path, longest: u64) -> Result<String, String> {
    let text = String::from_utf8(bytes(path, longest)?)
        .map_err(|_| format!("cannot read `{}`: it is not UTF-8", path.display()))?;
    // Editors on Windows begin a file with a byte order mark. TOML and Cedar do not know it.
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// The bytes of a file, or why there are none: the end of a sentence.
pub(super) fn bytes(path: &Path, longest: u64) -> Result<Vec<u8>, String> {
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

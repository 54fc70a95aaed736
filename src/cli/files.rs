//! Files that verbs read and write, whole or not at all.

use super::Failure;
use std::{
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

/// The longest file that is read, in bytes.
const LONGEST: u64 = 16 << 20;

/// The text of a file.
pub(super) fn read(path: &Path) -> Result<String, Failure> {
    let refused = |why: &dyn std::fmt::Display| Failure::broke(format!("cannot read `{}`: {why}", path.display()));
    // Asked before it is opened: opening a pipe that nobody writes to would wait for ever.
    let metadata = fs::metadata(path).map_err(|error| refused(&reason(&error)))?;
    if !metadata.is_file() {
        return Err(refused(&if metadata.is_dir() { "it is a directory" } else { "it is not a regular file" }));
    }
    fs::File::open(path).map_err(|error| refused(&reason(&error))).and_then(|file| bounded(file, &refused))
}

/// The text on standard input.
pub(super) fn read_input() -> Result<String, Failure> {
    bounded(io::stdin().lock(), &|why| Failure::broke(format!("cannot read standard input: {why}")))
}

fn bounded(from: impl Read, refused: &dyn Fn(&dyn std::fmt::Display) -> Failure) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    from.take(LONGEST + 1).read_to_end(&mut bytes).map_err(|error| refused(&reason(&error)))?;
    if bytes.len() as u64 > LONGEST {
        return Err(refused(&format!("it is longer than {} MiB", LONGEST >> 20)));
    }
    let text = String::from_utf8(bytes).map_err(|_| refused(&"it is not UTF-8"))?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// Puts a text in the place of a file: whoever reads it sees the old text or the new one, never a part. Who may read it stays as
/// it is; a link stays a link.
pub(super) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    write_bytes(path, text.as_bytes())
}

/// The same, with bytes.
pub(super) fn write_bytes(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    replace(path, bytes)
        .map_err(|error| Failure::broke(format!("cannot write `{}`: {}", path.display(), reason(&error))))
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // The file that a link leads to is replaced, not the link.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut beside = std::ffi::OsString::from(".");
    beside.push(name);
    beside.push(format!(".{}.tmp", std::process::id()));
    let beside: PathBuf = path.with_file_name(beside);
    let written = (|| {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).open(&beside)?;
        file.write_all(bytes)?;
        if let Ok(metadata) = fs::metadata(&path) {
            file.set_permissions(metadata.permissions())?;
        }
        file.sync_all()?;
        fs::rename(&beside, &path)
    })();
    if written.is_err() {
        // What failed is told; that its remains could not be removed either would add nothing.
        drop(fs::remove_file(&beside));
    }
    written
}

/// What the system says, without its number.
pub(super) fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".into(),
        io::ErrorKind::PermissionDenied => "permission denied".into(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("a.cedar");
        write(&file, "one").unwrap();
        write(&file, "two").unwrap();
        assert_eq!(read(&file).unwrap(), "two");
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
        let error = write(&place.path().join("none/a"), "x").unwrap_err().to_string();
        assert!(error.contains("there is no such file"), "{error}");
        assert!(read(place.path()).unwrap_err().to_string().contains("it is a directory"));
    }

    #[cfg(unix)]
    #[test]
    fn modes_and_links_stay() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let place = tempfile::tempdir().unwrap();
        let (file, link) = (place.path().join("a"), place.path().join("b"));
        write(&file, "one").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        symlink("a", &link).unwrap();
        write(&link, "two").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(read(&file).unwrap(), "two");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    }
}

//! The directory in which the bundle that is used is kept.
//!
//! It has the bundle and its signatures, byte for byte as they came, in files that are named by the bundle's digest, and `current.json`,
//! which says which bundle counts. Each file is written beside its place, made durable and then renamed, `current.json` last: whoever reads,
//! and whoever starts after the power failed at any moment, finds the old bundle or the new one.

use crate::bundle::{Kept, SIGNATURES, SUFFIX};
use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write},
    path::Path,
};

/// What the name of a file ends in that is not in its place yet.
const UNFINISHED: &str = ".tmp";

/// Keeps a bundle in the place of the one that was kept, which is then removed. The directory is made if it is not there.
pub fn store(cache: &Path, kept: &Kept, bundle: &[u8], signatures: &[u8]) -> io::Result<()> {
    let digest = kept.digest().ok_or(io::ErrorKind::InvalidInput)?;
    make(cache)?;
    let (bundle_name, signatures_name) = Kept::files(&digest);
    write(cache, &bundle_name, bundle)?;
    write(cache, &signatures_name, signatures)?;
    write(cache, Kept::FILE, kept.to_text().as_bytes())?;
    // Renames are durable once their directory is. Elsewhere there is no way to say that.
    #[cfg(unix)]
    fs::File::open(cache)?.sync_all()?;
    tidy(cache, &[&bundle_name, &signatures_name]);
    Ok(())
}

fn make(cache: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(cache)
}

fn write(cache: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    // Two processes may write here at once, and neither into the other's file.
    let beside = cache.join(format!(".{name}.{}{UNFINISHED}", std::process::id()));
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&beside).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, cache.join(name))
    });
    if written.is_err() {
        // What failed is told; that its remains could not be removed either would add nothing.
        drop(fs::remove_file(&beside));
    }
    written
}

/// Removes earlier bundles, and nothing that is not one. What cannot be removed is only in the way of nobody.
fn tidy(cache: &Path, keep: &[&str]) {
    for entry in fs::read_dir(cache).into_iter().flatten().filter_map(Result::ok) {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        if !keep.contains(&name) && is_bundle(name) {
            drop(fs::remove_file(entry.path()));
        }
    }
}

fn is_bundle(name: &str) -> bool {
    let stem = name.strip_suffix(SIGNATURES).unwrap_or(name).strip_suffix(SUFFIX);
    stem.is_some_and(|stem| stem.len() == 64 && stem.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bundle::{Bundle, Digest, Draft},
        policy::PolicyText,
    };
    use std::collections::BTreeSet;

    fn made(text: &str) -> (Vec<u8>, Kept) {
        let policies = vec![PolicyText { name: "a.cedar".into(), text: text.into() }];
        let bytes = Draft { policies, ..Draft::default() }.build().unwrap();
        let kept = Kept::new("https://x/b.tar", &Bundle::open(&bytes).unwrap(), "2026-01-01T00:00:00Z".into());
        (bytes, kept)
    }

    #[test]
    fn the_last_one_is_kept_as_it_came_and_nothing_else_is_touched() {
        let place = tempfile::tempdir().unwrap();
        let cache = place.path().join("deep/cache");
        let names = || -> BTreeSet<String> {
            fs::read_dir(&cache).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
        };
        let (first, kept) = made("one");
        store(&cache, &kept, &first, b"signed").unwrap();
        fs::write(cache.join("notes.tar"), "").unwrap();
        let (second, kept) = made("two");
        store(&cache, &kept, &second, b"signed too").unwrap();
        let (bundle, signatures) = Kept::files(&Digest::of(&second));
        let expected = [Kept::FILE, &bundle, &signatures, "notes.tar"].map(str::to_owned);
        assert_eq!(names(), expected.into());
        assert_eq!(fs::read(cache.join(&bundle)).unwrap(), second);
        assert_eq!(fs::read(cache.join(&signatures)).unwrap(), b"signed too");
        assert_eq!(Kept::parse(&fs::read_to_string(cache.join(Kept::FILE)).unwrap()), Some(kept.clone()));
        // The same one with other signatures.
        store(&cache, &kept, &second, b"by another").unwrap();
        assert_eq!(fs::read(cache.join(&signatures)).unwrap(), b"by another");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!((mode(&cache), mode(&cache.join(bundle))), (0o700, 0o600));
        }
    }

    #[test]
    fn what_cannot_be_written_changes_nothing() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("file");
        fs::write(&file, "x").unwrap();
        let (bytes, kept) = made("one");
        assert!(store(&file, &kept, &bytes, b"").is_err());
        assert_eq!(fs::read(&file).unwrap(), b"x");
    }
}

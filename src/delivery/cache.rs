//! The directory in which the bundle that is used is kept.
//!
//! It has the bundle and its signatures, byte for byte as they came, in files that are named by the bundle's digest, and `current.json`,
//! which says which bundle counts. Each file is written beside its place, made durable and then renamed, `current.json` last: whoever reads,
//! and whoever starts after the power failed at any moment, finds the old bundle or the new one.

use crate::bundle::{Kept, SIGNATURES, SUFFIX};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use std::{
    fs::{self, DirBuilder, DirEntry, OpenOptions},
    io::{self, Write},
    path::Path,
    time::Duration,
};

/// What the name of a file ends in that is not in its place yet.
const UNFINISHED: &str = ".tmp";
/// A file that was not written for so long is not being written.
const LONGEST_WRITE: Duration = Duration::from_hours(1);

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
    // Two processes may write here at once, and neither into the other's file: in two containers they may even have the same number. And
    // whoever else can write here can put no link where the file is going to be.
    let mut random = [0; 8];
    SystemRandom::new().fill(&mut random).map_err(|_| io::Error::other("the system gives no random numbers"))?;
    let beside = cache.join(format!(".{name}.{:016x}{UNFINISHED}", u64::from_le_bytes(random)));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
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

/// Removes earlier bundles and what a process left that ended while it wrote, and nothing else. What cannot be removed is only in the way of nobody.
fn tidy(cache: &Path, keep: &[&str]) {
    for entry in fs::read_dir(cache).into_iter().flatten().filter_map(Result::ok) {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let is_left = || is_unfinished(name) && is_old(&entry);
        if !keep.contains(&name) && (is_bundle(name) || is_left()) {
            drop(fs::remove_file(entry.path()));
        }
    }
}

fn is_bundle(name: &str) -> bool {
    let stem = name.strip_suffix(SIGNATURES).unwrap_or(name).strip_suffix(SUFFIX);
    stem.is_some_and(|stem| stem.len() == 64 && stem.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Whether it is a file as [`write()`] writes it beside its place.
fn is_unfinished(name: &str) -> bool {
    let inner = name.strip_prefix('.').and_then(|name| name.strip_suffix(UNFINISHED));
    let of = inner.and_then(|inner| inner.rsplit_once('.')).map(|(of, _)| of);
    of.is_some_and(|of| of == Kept::FILE || is_bundle(of))
}

/// Whether nobody can be writing it any more.
fn is_old(entry: &DirEntry) -> bool {
    let age = entry.metadata().and_then(|metadata| metadata.modified()).map(|modified| modified.elapsed());
    age.is_ok_and(|age| age.is_ok_and(|age| age > LONGEST_WRITE))
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
    fn what_a_process_left_is_removed_once_nobody_can_be_writing_it() {
        let place = tempfile::tempdir().unwrap();
        let cache = place.path();
        let (bytes, kept) = made("one");
        let (bundle, _) = Kept::files(&Digest::of(&bytes));
        let now = std::time::SystemTime::now();
        let left = |name: &str, age: Duration| {
            fs::File::create(cache.join(name)).unwrap().set_modified(now - age).unwrap();
            name.to_owned()
        };
        let (long_ago, lately) = (LONGEST_WRITE * 2, LONGEST_WRITE / 2);
        let gone = [left(&format!(".{bundle}.17.tmp"), long_ago), left(".current.json.17.tmp", long_ago)];
        let stays = [left(&format!(".{bundle}.18.tmp"), lately), left(".notes.17.tmp", long_ago)];
        store(cache, &kept, &bytes, b"signed").unwrap();
        assert!(gone.iter().all(|name| !cache.join(name).exists()));
        assert!(stays.iter().all(|name| cache.join(name).exists()));
    }

    /// A link in the cache is never written through.
    #[cfg(unix)]
    #[test]
    fn no_link_leads_out_of_the_cache() {
        let place = tempfile::tempdir().unwrap();
        let cache = place.path().join("cache");
        let outside = place.path().join("outside");
        fs::create_dir(&cache).unwrap();
        fs::write(&outside, "as it was").unwrap();
        let (bytes, kept) = made("one");
        let (bundle, signatures) = Kept::files(&Digest::of(&bytes));
        for name in [&*bundle, &*signatures, Kept::FILE] {
            std::os::unix::fs::symlink(&outside, cache.join(name)).unwrap();
            let guessed = cache.join(format!(".{name}.{}{UNFINISHED}", std::process::id()));
            std::os::unix::fs::symlink(&outside, guessed).unwrap();
        }
        store(&cache, &kept, &bytes, b"signed").unwrap();
        assert_eq!(fs::read_to_string(&outside).unwrap(), "as it was");
        assert_eq!(fs::read(cache.join(&bundle)).unwrap(), bytes);
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

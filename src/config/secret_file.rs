//! Files of random bytes that something is signed with.

use super::{SecretBytes, issued, load::Settings, problem::Problem, read};
use std::{collections::BTreeSet, ops::RangeInclusive};

/// How many bytes the file has. At the least as many as the hash gives, at the most what can only be meant as a key.
const LENGTH: RangeInclusive<usize> = 32..=4096;
/// How many different bytes are in it at the least. Of 32 random bytes fewer are different in less than one of 10^20 files.
const LEAST_DIFFERENT: usize = 12;

/// Reads the file that `key` names, byte for byte.
pub(super) fn read(key: &str, settings: &mut Settings, warnings: &mut Vec<String>) -> Option<SecretBytes> {
    let (path, origin) = settings.path(key)?;
    let here = path.display();
    let why = match read::bytes(&path, *LENGTH.end() as u64) {
        Ok(bytes) if bytes.len() < *LENGTH.start() => {
            format!("`{here}` has {} bytes: expected at least {}", bytes.len(), LENGTH.start())
        }
        Ok(bytes) if bytes.iter().collect::<BTreeSet<_>>().len() < LEAST_DIFFERENT => {
            format!("`{here}` has the same few bytes again and again: expected random ones")
        }
        Ok(bytes) => {
            issued::warn_if_open(&path, warnings);
            return Some(SecretBytes::new(bytes));
        }
        Err(why) => why,
    };
    let help = format!("`(umask 077; head -c 32 /dev/urandom > '{here}')` makes one");
    settings.problems.add(Problem::new(origin, format!("`{key}`: {why}")).help(help));
    None
}

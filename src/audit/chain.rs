//! The chain: each line carries the hash of the line before, so that one that was changed, taken out or put in shows.
//!
//! A line ends with `,"sequence":N,"previous":"…","hash":"…"}`. `hash` is the SHA-256 of all that stands before `,"hash"`, which has
//! `previous` in it; or, with a key (`audit.key`), the HMAC-SHA-256: then whoever can write the file, but does not have the key, cannot
//! make a chain of his own. The chain goes on in the next file, and over restarts. What it cannot show is that lines are missing at its
//! end: for that, keep the last hash somewhere else (`findings-gate audit verify` prints it, and takes it).

use aws_lc_rs::{digest, hmac};
use std::{fmt, io::Write as _};

const HASH: &[u8] = br#","hash":""#;
const HASH_LENGTH: usize = 64;
/// `,"hash":"` and 64 digits and `"}`.
const TAIL: usize = HASH.len() + HASH_LENGTH + 2;

/// The hash of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hash([u8; 32]);

impl Hash {
    /// What the first line of all names as the one before it.
    pub const NONE: Self = Self([0; 32]);

    /// 64 hexadecimal digits, in lower case.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != HASH_LENGTH {
            return None;
        }
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            let digit = |digit: u8| match digit {
                b'0'..=b'9' => Some(digit - b'0'),
                b'a'..=b'f' => Some(digit - b'a' + 10),
                _ => None,
            };
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Self(hash))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Where a chain stands: what the next line is made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// The number of the next line. The first is 1.
    pub sequence: u64,
    /// The hash of the last line.
    pub previous: Hash,
}

impl Link {
    /// Before the first line.
    pub const FIRST: Self = Self { sequence: 1, previous: Hash::NONE };
}

/// What makes hashes, and checks them.
#[derive(Clone, Default)]
pub struct Seal(Option<hmac::Key>);

/// What is wrong with a line as a link of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// It does not end as a line of the log ends.
    #[error("it does not end with the members sequence, previous and hash, as a line of an audit log does")]
    Unsealed,
    /// It is not as it was written, or was sealed with another key.
    #[error("its hash is not that of its text: it was changed, or sealed with another key")]
    Hash,
}

impl Seal {
    /// A seal that anybody can make: it shows accidents, and changes by whoever does not think of it.
    pub fn open() -> Self {
        Self(None)
    }

    /// A seal that takes this key to make and to check.
    pub fn keyed(key: &[u8]) -> Self {
        Self(Some(hmac::Key::new(hmac::HMAC_SHA256, key)))
    }

    fn hash(&self, text: &[u8]) -> Hash {
        let mut hash = [0; 32];
        match &self.0 {
            Some(key) => hash.copy_from_slice(hmac::sign(key, text).as_ref()),
            None => hash.copy_from_slice(digest::digest(&digest::SHA256, text).as_ref()),
        }
        Hash(hash)
    }

    /// Appends `line`, which is a JSON object with at least one member, as the next line of the chain, with its line feed.
    pub fn append(&self, line: &[u8], next: &mut Link, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(line.strip_suffix(b"}").unwrap_or(line));
        // Writing to memory cannot fail.
        let _ = write!(out, r#","sequence":{},"previous":"{}""#, next.sequence, next.previous);
        let hash = self.hash(&out[start..]);
        let _ = writeln!(out, r#","hash":"{hash}"}}"#);
        *next = Link { sequence: next.sequence + 1, previous: hash };
    }

    /// The hash of a line, without its line feed, if the line is as it was written. Whether it follows on another, its members
    /// `sequence` and `previous` say.
    ///
    /// # Errors
    ///
    /// It is not.
    pub fn check(&self, line: &[u8]) -> Result<Hash, Broken> {
        let (text, tail) = line.split_at_checked(line.len().wrapping_sub(TAIL)).ok_or(Broken::Unsealed)?;
        let digits = tail.strip_prefix(HASH).and_then(|rest| rest.strip_suffix(br#""}"#)).ok_or(Broken::Unsealed)?;
        let said = std::str::from_utf8(digits).ok().and_then(Hash::parse).ok_or(Broken::Unsealed)?;
        let is_so = match &self.0 {
            Some(key) => hmac::verify(key, text, &said.0).is_ok(),
            None => self.hash(text) == said,
        };
        if is_so { Ok(said) } else { Err(Broken::Hash) }
    }
}

/// Whether they make the same hashes.
impl PartialEq for Seal {
    fn eq(&self, other: &Self) -> bool {
        self.hash(b"") == other.hash(b"")
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Seal(keyed)" } else { "Seal(open)" })
    }
}

/// The members that chain a line.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
pub struct Chained {
    /// The line's number.
    pub sequence: u64,
    /// The hash of the line before, in digits.
    pub previous: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(seal: &Seal, lines: &[&str]) -> Vec<Vec<u8>> {
        let (mut link, mut out) = (Link::FIRST, Vec::new());
        for line in lines {
            seal.append(line.as_bytes(), &mut link, &mut out);
        }
        out.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec).collect()
    }

    #[test]
    fn a_line_names_the_one_before() {
        for seal in [Seal::open(), Seal::keyed(b"a key of some length")] {
            let lines = written(&seal, &[r#"{"a":1}"#, r#"{"b":"}"}"#]);
            let first = seal.check(&lines[0]).unwrap();
            seal.check(&lines[1]).unwrap();
            let chained: Vec<Chained> = lines.iter().map(|line| serde_json::from_slice(line).unwrap()).collect();
            assert_eq!(chained[0], Chained { sequence: 1, previous: Hash::NONE.to_string() });
            assert_eq!(chained[1], Chained { sequence: 2, previous: first.to_string() });
            assert_eq!(Hash::parse(&first.to_string()), Some(first));
        }
    }

    /// The published digest of what stands before the hash, so that other programs can check a chain.
    #[test]
    fn the_hash_is_the_plain_sha_256_of_what_stands_before_it() {
        let line = &written(&Seal::open(), &[r#"{"a":1}"#])[0];
        let text = format!(r#"{{"a":1,"sequence":1,"previous":"{}""#, "0".repeat(64));
        let digest = Hash::parse(&Seal::open().hash(text.as_bytes()).to_string()).unwrap();
        assert_eq!(*line, format!(r#"{text},"hash":"{digest}"}}"#).into_bytes());
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Seal::open().hash(b"").to_string(), empty);
    }

    #[test]
    fn every_changed_byte_shows() {
        for seal in [Seal::open(), Seal::keyed(b"a key of some length")] {
            let line = &written(&seal, &[r#"{"a":1}"#])[0];
            for place in 0..line.len() {
                let mut changed = line.clone();
                changed[place] ^= 1;
                assert!(seal.check(&changed).is_err(), "{place}");
                assert!(seal.check(&line[..place]).is_err(), "{place}");
            }
        }
        let line = &written(&Seal::keyed(b"a key"), &[r#"{"a":1}"#])[0];
        assert_eq!(Seal::keyed(b"another").check(line), Err(Broken::Hash));
        assert_eq!(Seal::open().check(line), Err(Broken::Hash));
        assert_eq!(Seal::open().check(b""), Err(Broken::Unsealed));
    }
}

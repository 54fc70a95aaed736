//! The digest of a file.

use aws_lc_rs::digest::{SHA256, digest};
use std::{
    fmt::{self, Write as _},
    str::FromStr,
};

/// What its spelling begins with.
const PREFIX: &str = "sha256:";

/// A SHA-256, written as `sha256:` and 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let mut whole = [0; 32];
        whole.copy_from_slice(digest(&SHA256, bytes).as_ref());
        Self(whole)
    }

    /// The hexadecimal digits alone, in lower case: fit for the name of a file.
    pub fn hex(&self) -> String {
        hex(&self.0)
    }
}

/// Hexadecimal digits in lower case.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The bytes that these digits, in lower case, stand for.
pub(super) fn unhex<const LENGTH: usize>(text: &str) -> Option<[u8; LENGTH]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * LENGTH {
        return None;
    }
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; LENGTH];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", self.hex())
    }
}

impl FromStr for Digest {
    type Err = ();

    /// Exactly what [`Digest`] prints.
    fn from_str(text: &str) -> Result<Self, ()> {
        text.strip_prefix(PREFIX).and_then(unhex).map(Self).ok_or(())
    }
}

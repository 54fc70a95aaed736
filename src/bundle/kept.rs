//! What is known of a bundle that was fetched and kept on disk, and which bundle may follow it.

use super::{Bundle, Digest, SIGNATURES, SUFFIX};
use serde::{Deserialize, Serialize};

/// The file that says which copy counts.
const CURRENT: &str = "current.json";
/// The version of that file.
const FORMAT: u64 = 1;

/// A copy on disk: the bundle and its signatures as they came, in files that are named by the bundle's digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    format: u64,
    /// Where it came from.
    pub url: String,
    digest: String,
    /// What its makers call it.
    pub revision: String,
    /// Its number in a row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// The `ETag` that it came with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// The `ETag` that its signatures came with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signatures_etag: Option<String>,
    /// When it came, RFC 3339.
    pub fetched: String,
}

/// A bundle would take the place of a later one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RolledBack {
    /// Its number is lower.
    #[error("its number is {found}, and a bundle with the number {last} was used already")]
    Lower {
        /// Its number.
        found: u64,
        /// The number of the one that is used.
        last: u64,
    },
    /// Its number is that of another bundle.
    #[error(
        "its number is {0}, and another bundle with that number was used already: give each bundle a number of its own"
    )]
    Same(u64),
    /// It has none, and the one that is used has.
    #[error("it has no number, and a bundle with the number {0} was used already")]
    None(u64),
}

impl Kept {
    /// The name of the file that says which copy counts.
    pub const FILE: &'static str = CURRENT;

    /// What is known of a bundle that just came.
    pub fn new(url: &str, bundle: &Bundle, fetched: String) -> Self {
        Self {
            format: FORMAT,
            url: url.to_owned(),
            digest: bundle.digest().to_string(),
            revision: bundle.revision().to_owned(),
            number: bundle.number(),
            etag: None,
            signatures_etag: None,
            fetched,
        }
    }

    /// Reads the file; nothing if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let kept: Self = serde_json::from_str(text).ok()?;
        (kept.format == FORMAT && kept.digest.parse::<Digest>().is_ok()).then_some(kept)
    }

    /// The same by what the bundle itself says, which was read and verified. The file is signed by nobody: of what matters it only says where
    /// to look.
    #[must_use]
    pub fn verified(self, bundle: &Bundle) -> Self {
        let (digest, revision, number) = (bundle.digest().to_string(), bundle.revision().to_owned(), bundle.number());
        Self { digest, revision, number, ..self }
    }

    /// The file.
    pub fn to_text(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// The digest of the bundle.
    pub fn digest(&self) -> Option<Digest> {
        self.digest.parse().ok()
    }

    /// The names of the files with the bundle and its signatures.
    pub fn files(digest: &Digest) -> (String, String) {
        let bundle = format!("{}{SUFFIX}", digest.hex());
        let signatures = format!("{bundle}{SIGNATURES}");
        (bundle, signatures)
    }

    /// Whether a bundle may take the place of this copy: it is the same one, or it comes after it. Where the copy has no number, any may.
    pub fn may_become(&self, bundle: &Bundle) -> Result<(), RolledBack> {
        if Some(bundle.digest()) == self.digest() {
            return Ok(());
        }
        match (self.number, bundle.number()) {
            (Some(last), None) => Err(RolledBack::None(last)),
            (Some(last), Some(found)) if found < last => Err(RolledBack::Lower { found, last }),
            (Some(last), Some(found)) if found == last => Err(RolledBack::Same(last)),
            _ => Ok(()),
        }
    }
}

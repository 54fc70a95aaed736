//! What a bundle says of itself.

use super::Digest;
use serde::{Deserialize, Serialize};

/// The file's name, and its place: the first.
pub(super) const MANIFEST: &str = "manifest.json";

/// The version of the format that is written and read.
pub(super) const FORMAT: u64 = 1;

/// The manifest, member by member in the order in which they are written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    pub(super) format: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    pub(super) revision: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) number: Option<u64>,
    pub(super) schema: String,
    pub(super) roots: Vec<Root>,
    pub(super) files: Vec<File>,
}

/// What a bundle decides of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Root {
    Accounts,
    Policies,
}

/// A file besides the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) path: String,
    pub(super) size: usize,
    pub(super) sha256: String,
}

impl File {
    pub(super) fn of(path: &str, bytes: &[u8]) -> Self {
        Self { path: path.to_owned(), size: bytes.len(), sha256: Digest::of(bytes).hex() }
    }
}

impl Manifest {
    /// The only spelling.
    pub(super) fn bytes(&self) -> Option<Vec<u8>> {
        let mut bytes = serde_json::to_vec_pretty(self).ok()?;
        bytes.push(b'\n');
        Some(bytes)
    }
}

/// The format that a manifest says it is in, whatever else that format has in it.
pub(super) fn format(bytes: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Any {
        format: u64,
    }
    serde_json::from_slice::<Any>(bytes).ok().map(|any| any.format)
}

//! Bundles: policies, and accounts perhaps, as one signed file.
//!
//! A bundle is a tar file with a manifest first, and beside it a file with signatures ([`Signatures`]) over the digest of its bytes. There is
//! exactly one sequence of bytes for the same contents: [`Draft::build`] makes it, and [`Bundle::open`] takes nothing else. So what an
//! archive can be made to do to whoever unpacks it (links, paths that lead elsewhere, names that come twice, numbers that disagree) is
//! not refused case by case: no byte of it is ever right. Nothing is written anywhere by it, either.
//!
//! [`Trust`] is whose signatures count. It asks for them before it looks into a bundle at all. [`Kept`] is what is known of a copy that was
//! kept on disk, and says which bundle may follow which.
//!
//! | file of the archive | what it is |
//! |---|---|
//! | `manifest.json` | the first one: format, name, revision, number, schema, and the digest of each other file |
//! | `accounts.toml` | an accounts file, if the bundle has one |
//! | `policies/….cedar`, `policies/<pack>/….cedar` | the policies |

mod archive;
mod contents;
mod digest;
mod kept;
mod key;
mod manifest;
mod signature;
#[cfg(test)]
mod tests;

pub use archive::ArchiveError;
pub use contents::{Bundle, Draft, InvalidBundle};
pub use digest::Digest;
pub use kept::{Kept, RolledBack};
pub use key::{KeyError, KeyId, KeyPair, PublicKey};
pub use signature::{InvalidSignatures, Signatures, Signed, Trust, Untrusted};

/// The largest bundle, in bytes: sixteen times what an accounts file of 20,000 members and 1,000 policies of ordinary size take.
pub const LARGEST: usize = 16 << 20;

/// The largest file of signatures, in bytes.
pub const LARGEST_SIGNATURES: usize = 16 << 10;

/// The most policy files of a bundle.
pub const MOST_POLICIES: usize = 1_000;

/// What the name of a bundle's file of signatures ends in, after the bundle's own name.
pub const SIGNATURES: &str = ".sig";

/// What the name of a bundle ends in.
pub const SUFFIX: &str = ".tar";

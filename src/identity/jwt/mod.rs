//! Bearer tokens: JWTs that an issuer signed (RFC 7519), checked against the keys that it publishes.
//!
//! | file | what it holds |
//! |---|---|
//! | `presented` | the one bearer token of a request |
//! | `token` | the compact form, taken apart strictly |
//! | `key_set` | an issuer's keys, and the algorithms that each allows |
//! | `issuer_keys`, `fetch` | those keys as they are now: shared by all workers, fetched again, kept while the issuer is down |
//! | `verify` | the checks, in order, and what to tell the person whose token fails one |
//! | `claims`, `presets` | from what a token says to an account and a principal |
//!
//! Signatures are checked by jsonwebtoken's backend of aws-lc-rs. Its `decode` is not used: it takes the time from the system's clock, and
//! the key's algorithm from whoever calls it.

mod claims;
mod fetch;
mod issuer_keys;
mod key_set;
mod presented;
mod presets;
mod token;
mod verify;

#[cfg(test)]
mod tests;

pub(super) use claims::time;
pub use fetch::{Source, fetchable};
pub use issuer_keys::{IssuerKeys, KeysNews, TellKeys};
pub(super) use key_set::VerifyingKey;
pub use key_set::check_key_set;
pub(super) use presented::Presented;
pub use presets::{irsa, sts_web_identity};
pub(super) use token::{Padding, Token};
pub use verify::Jwt;
pub(super) use verify::{Claim, expired};

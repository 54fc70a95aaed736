//! How bundles come, and how the one that is used is kept.
//!
//! [`fetch()`] asks a URL for a bundle and its signatures, and takes "not modified" for an answer. [`store`] keeps both on disk as they came,
//! so that the next start needs nobody. Whether a bundle is taken at all is for others to say, between the two.

mod cache;
mod fetch;

pub use cache::store;
pub use fetch::{FetchError, Fetched, Last, fetch};

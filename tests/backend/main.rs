//! The embedded findings backend, as its callers see it.

mod read;
mod support;
mod write;

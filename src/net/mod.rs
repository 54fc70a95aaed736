//! Connections: TCP, whose small writes go out together (`tcp.rs`), and the way out, over connections that the gate itself opens.
//!
//! [`authorities`] and [`tls`] say whom the gate trusts on them. [`Client`] makes plain requests, each over a connection of its own and
//! each bounded in size and time: for what is fetched now and then, such as the keys of an issuer of tokens. The findings backend has
//! connections that are kept, in [`upstream`](crate::upstream).

pub(crate) mod body;
mod client;
mod resolver;
pub(crate) mod tcp;
mod trust;

pub(crate) use resolver::Resolver;

pub use client::{Client, Fetched, RequestError};
pub use trust::{TrustError, authorities, provider, tls, tls_as};

//! What tests need of issuers: keys, tokens, and a server that publishes keys. Those of the built program include this folder too.

#![allow(dead_code, unused_imports, clippy::allow_attributes, reason = "each test binary uses its part")]

mod server;
mod signer;

pub(crate) use server::Server;
pub(crate) use signer::Signer;

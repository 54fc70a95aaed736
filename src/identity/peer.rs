//! The other end of a connection.

use super::ClientCertificate;
use std::{fmt, net::SocketAddr, sync::Arc};

/// Who is at the other end of a connection, as far as the connection itself tells.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    /// What it showed in the TLS handshake. The certificate was checked: its chain, its times and whether it was revoked.
    pub certificate: Option<Arc<ClientCertificate>>,
}

impl Peer {
    /// A peer that showed no certificate.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, certificate: None }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

//! Binding: one socket a worker, all on one address.

use super::Tls;
use crate::telemetry::metrics::LoadMetrics;
use std::{
    io,
    net::{SocketAddr, TcpListener},
    num::NonZeroUsize,
    sync::Arc,
};
use tokio::{net::TcpSocket, runtime};

/// How many connections the kernel keeps for a worker that has not taken them yet.
pub(super) const BACKLOG: u32 = 1024;

/// The bound sockets. They listen from here on, so a client that connects now is answered once [`super::run`] runs.
#[derive(Debug)]
pub struct Listener {
    pub(super) sockets: Vec<TcpListener>,
    address: SocketAddr,
    pub(super) tls: Option<Tls>,
    pub(super) load: Arc<LoadMetrics>,
}

/// Why an address could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}{}", hint(source))]
pub struct BindError {
    /// The address that was asked for.
    pub address: SocketAddr,
    /// What the system said.
    pub source: io::Error,
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "; end what listens there, or choose another `listen.address`",
        io::ErrorKind::AddrNotAvailable => "; no interface of this machine has that address",
        io::ErrorKind::PermissionDenied => "; ports below 1024 need a privilege",
        _ => "",
    }
}

impl Listener {
    /// Binds one socket a worker. Port 0 takes a free port, the same for all.
    ///
    /// `SO_REUSEPORT` would let a second gate of the same user share a port by mistake, and each would get a part of the
    /// requests. So the address is first bound the ordinary way, which fails when anybody else has it.
    pub fn bind(address: SocketAddr, workers: NonZeroUsize) -> Result<Self, BindError> {
        Self::try_bind(address, workers).map_err(|source| BindError { address, source })
    }

    fn try_bind(address: SocketAddr, workers: NonZeroUsize) -> io::Result<Self> {
        let probe = socket_for(address)?;
        probe.bind(address)?;
        let address = probe.local_addr()?;
        drop(probe);

        // Listening needs a reactor for a moment, which tokio takes from the runtime that it is called in.
        let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
        let bind = |_| {
            let _inside = runtime.enter();
            let socket = socket_for(address)?;
            socket.set_reuseport(true)?;
            socket.bind(address)?;
            socket.listen(BACKLOG)?.into_std()
        };
        let sockets = (0..workers.get()).map(bind).collect::<io::Result<_>>();
        // Unlike a plain drop, this is allowed inside another runtime.
        runtime.shutdown_background();
        Ok(Self { sockets: sockets?, address, tls: None, load: Arc::default() })
    }

    /// The same sockets, spoken to over TLS.
    #[must_use]
    pub fn tls(self, tls: Tls) -> Self {
        Self { tls: Some(tls), ..self }
    }

    /// The same sockets. What comes in is counted there.
    #[must_use]
    pub fn counted(self, load: Arc<LoadMetrics>) -> Self {
        Self { load, ..self }
    }

    /// Where it listens, with the real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// A port whose last connections are still winding down may be taken again at once (`SO_REUSEADDR`).
fn socket_for(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: NonZeroUsize = NonZeroUsize::new(2).unwrap();

    fn any_port() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 0))
    }

    #[test]
    fn all_workers_share_one_free_port() {
        let listener = Listener::bind(any_port(), TWO).unwrap();
        assert_ne!(listener.address().port(), 0);
        let addresses: Vec<_> = listener.sockets.iter().map(|socket| socket.local_addr().unwrap()).collect();
        assert_eq!(addresses, [listener.address(); 2]);
    }

    #[test]
    fn a_port_in_use_is_an_error_whoever_uses_it() {
        let plain = TcpListener::bind(any_port()).unwrap();
        let shared = Listener::bind(any_port(), TWO).unwrap();
        for taken in [plain.local_addr().unwrap(), shared.address()] {
            let error = Listener::bind(taken, TWO).unwrap_err();
            assert_eq!(error.source.kind(), io::ErrorKind::AddrInUse);
            assert!(error.to_string().contains("choose another `listen.address`"), "{error}");
        }
        let freed = shared.address();
        drop(shared);
        Listener::bind(freed, TWO).unwrap();
    }
}

//! Names to addresses.

use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use std::{
    future::Future,
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::Pin,
    task::{Context, Poll},
    vec,
};
use tower_service::Service;

/// The system's resolver for all names but those below `localhost`, which are this machine whatever DNS says (RFC 6761, section
/// 6.3): the configuration lets plain HTTP go there.
#[derive(Clone, Debug)]
pub(crate) struct Resolver(GaiResolver);

impl Resolver {
    pub(crate) fn new() -> Self {
        Self(GaiResolver::new())
    }
}

/// Whether a name is this machine's by itself.
fn is_local(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let last = name.rsplit('.').next().unwrap_or(name);
    last.eq_ignore_ascii_case("localhost")
}

impl Service<Name> for Resolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        if is_local(name.as_str()) {
            let addresses = vec![(Ipv4Addr::LOCALHOST, 0).into(), (Ipv6Addr::LOCALHOST, 0).into()];
            return Box::pin(std::future::ready(Ok(addresses.into_iter())));
        }
        let found = self.0.call(name);
        Box::pin(async { Ok(found.await?.collect::<Vec<_>>().into_iter()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_ends_in_localhost_is_this_machine() {
        for local in ["localhost", "LocalHost", "eu-west-1.localhost", "a.b.localhost."] {
            assert!(is_local(local), "{local}");
        }
        for other in ["localhost.example", "notlocalhost", "localhost.localdomain", "127.0.0.1", ""] {
            assert!(!is_local(other), "{other}");
        }
    }

    #[tokio::test]
    async fn a_name_below_localhost_is_found_without_dns() {
        let found: Vec<_> = Resolver::new().call("eu-west-1.localhost".parse().unwrap()).await.unwrap().collect();
        assert_eq!(found, ["127.0.0.1:0".parse().unwrap(), "[::1]:0".parse().unwrap()]);
    }
}

//! Where the backend is and how long it may take, checked before anything is sent.

use super::Supply;
use crate::net::TrustError;
use http::{Uri, uri::Scheme};
use std::{fmt, str::FromStr, time::Duration};

/// How to reach a backend over HTTP.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// Where it is.
    pub url: Url,
    /// PEM certificates of the authorities to trust instead of the system's.
    pub ca: Option<Vec<u8>>,
    /// Time to make a TCP connection, over all of the host's addresses.
    pub connect_timeout: Duration,
    /// Time for a whole call: connection, request and answer with its body.
    pub timeout: Duration,
    /// Bytes of an answer's body.
    pub response_limit: usize,
    /// Unused connections that a worker keeps.
    pub idle_connections: usize,
    /// Time that an unused connection is kept, from when its last call began. Less than the backend keeps its end, so that a request seldom meets a
    /// connection that is just being closed.
    pub idle_timeout: Duration,
    /// What signs requests. Where nothing does, the backend is told the caller's account in `x-findings-gate-account`.
    pub signer: Option<Signer>,
    /// Whether the backend is told which trace a call belongs to, in `traceparent` and `tracestate`. No signature covers these: what
    /// stands between here and the backend may have spans of its own.
    pub trace: bool,
}

/// How requests are signed.
#[derive(Debug, Clone)]
pub struct Signer {
    /// What gives the credentials.
    pub supply: Supply,
    /// The backend's Region.
    pub region: String,
}

impl HttpSettings {
    /// The defaults for a URL.
    pub fn new(url: Url) -> Self {
        Self {
            url,
            ca: None,
            connect_timeout: Duration::from_secs(2),
            timeout: Duration::from_secs(30),
            response_limit: 8 * 1024 * 1024,
            idle_connections: 64,
            idle_timeout: Duration::from_secs(20),
            signer: None,
            trace: true,
        }
    }
}

/// The URL of a backend: `http` or `https`, a host, perhaps a port, perhaps a path that goes before every operation's.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    pub(super) scheme: Scheme,
    /// Host and port, without user information.
    pub(super) authority: String,
    /// Without a slash at its end, so empty for most.
    pub(super) base: String,
}

/// Text that is no backend's URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not the URL of a findings backend: {0}. Expected one like `https://securityhub.eu-west-1.amazonaws.com`")]
pub struct UrlError(&'static str);

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let uri: Uri = text.parse().map_err(|_| UrlError("it cannot be read as a URL"))?;
        let scheme = uri.scheme().filter(|scheme| **scheme == Scheme::HTTP || **scheme == Scheme::HTTPS);
        let scheme = scheme.ok_or(UrlError("its scheme is neither `http` nor `https`"))?.clone();
        let authority = uri.authority().filter(|authority| !authority.host().is_empty());
        let authority = authority.ok_or(UrlError("it has no host"))?;
        if authority.as_str().contains('@') {
            return Err(UrlError("it has a user name or password, which would not be sent"));
        }
        if authority.as_str() != authority.host() && authority.port_u16().is_none_or(|port| port == 0) {
            return Err(UrlError("its port is not a number from 1 to 65535"));
        }
        if uri.query().is_some() || text.contains('#') {
            return Err(UrlError("it has a query or a fragment"));
        }
        let base = uri.path().strip_suffix('/').unwrap_or(uri.path());
        if base.split('/').skip(1).any(|segment| matches!(segment, "" | "." | "..")) {
            return Err(UrlError("its path has an empty or a dot segment"));
        }
        Ok(Self { scheme, authority: authority.as_str().to_owned(), base: base.to_owned() })
    }
}

impl Url {
    /// The host and its port, for people.
    pub fn host(&self) -> &str {
        &self.authority
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.base)
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Why a backend cannot be called as configured.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// Nobody can be trusted.
    #[error("`upstream.ca`: {0}")]
    Trust(#[from] TrustError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_may_have_a_base_path_and_nothing_else() {
        for (text, base, shown) in [
            ("http://127.0.0.1:9000", "", "http://127.0.0.1:9000"),
            ("https://hub.example/", "", "https://hub.example"),
            ("https://api.example/prod/", "/prod", "https://api.example/prod"),
            ("http://[::1]:9000/a/b", "/a/b", "http://[::1]:9000/a/b"),
        ] {
            let url: Url = text.parse().unwrap();
            assert_eq!((url.base.as_str(), url.to_string().as_str()), (base, shown));
        }
        for (text, told) in [
            ("embedded", "scheme"),
            ("hub.example:443", "scheme"),
            ("ftp://hub.example", "scheme"),
            ("https://me:secret@hub.example", "user name"),
            ("https://hub.example?x=1", "query"),
            ("https://hub.example/#x", "fragment"),
            ("https://hub.example//x", "segment"),
            ("https://hub.example/a/../b", "segment"),
            ("https://hub.example:0", "port"),
            ("https://hub.example:99999", "port"),
            ("https://hub.example:", "port"),
            ("https://", "cannot be read"),
            ("", "cannot be read"),
        ] {
            let error = text.parse::<Url>().unwrap_err().to_string();
            assert!(error.contains(told) && !error.contains("secret"), "{text}: {error}");
        }
    }
}

//! Does somebody on this machine ask?
//!
//! The address alone does not tell it. The sidecar of a service mesh hands on what comes from everywhere by a connection from loopback:
//! Istio's from 127.0.0.6, Linkerd's from 127.0.0.1. So only the addresses that programs have by default count, and nothing that says that
//! somebody handed it on. And a page in a browser on this machine asks from it, and by DNS that changes its answer it even is of
//! the same origin: what gives it away is the name in `Host`, as nobody can make an IP address or `localhost` be theirs.

use http::{
    HeaderMap, Method, Request, StatusCode,
    header::{HOST, ORIGIN},
    uri::Authority,
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why this is not taken for a request from this machine; nothing if it is.
pub(super) fn refused<B>(request: &Request<B>, peer: IpAddr) -> Option<(StatusCode, &'static str)> {
    if ![IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()].contains(&peer.to_canonical()) {
        return Some((StatusCode::FORBIDDEN, "this is for this machine only, from 127.0.0.1 or ::1\n"));
    }
    if request.headers().keys().any(|name| hands_on(name.as_str())) {
        return Some((
            StatusCode::FORBIDDEN,
            "this is for this machine only, and a proxy handed it on: ask the admin address itself\n",
        ));
    }
    if !is_addressed_here(request.uri().authority(), request.headers()) {
        let told =
            "expected a host that is an IP address or `localhost`: by another name, a page in a browser could ask\n";
        return Some((StatusCode::MISDIRECTED_REQUEST, told));
    }
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if !reads && request.headers().contains_key(ORIGIN) {
        return Some((StatusCode::FORBIDDEN, "nothing is changed for a page in a browser\n"));
    }
    None
}

/// Whether it is a header, in small letters, by which proxies and meshes say for whom they ask.
fn hands_on(name: &str) -> bool {
    name == "forwarded" || ["x-forwarded-", "x-envoy-", "l5d-"].iter().any(|prefix| name.starts_with(prefix))
}

/// Whether all that names a host, and something does, names an IP address or `localhost`.
fn is_addressed_here(target: Option<&Authority>, headers: &HeaderMap) -> bool {
    let target = target.map(|target| names_this(target.as_str()));
    let named = headers.get_all(HOST).iter().map(|host| host.to_str().is_ok_and(names_this));
    let mut all = target.into_iter().chain(named).peekable();
    all.peek().is_some() && all.all(|here| here)
}

/// Whether this, with or without a port, is an IP address or `localhost`.
fn names_this(host: &str) -> bool {
    // What is before an `@` is no part of a host, and no client sends it.
    let Some(authority) = host.parse::<Authority>().ok().filter(|_| !host.contains('@')) else { return false };
    let name = authority.host();
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &str = "127.0.0.1";

    fn status(method: &str, uri: &str, headers: &[(&str, &str)], peer: &str) -> Option<u16> {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        refused(&request.body(()).unwrap(), peer.parse().unwrap()).map(|(status, _)| status.as_u16())
    }

    #[test]
    fn a_host_that_dns_could_bring_here_is_not_this_machine() {
        for here in ["127.0.0.1", "127.0.0.1:8081", "[::1]", "[::1]:8081", "localhost", "LocalHost:8081", "10.0.0.7:80"]
        {
            assert_eq!(status("GET", "/decisions", &[("host", here)], HERE), None, "{here}");
            assert_eq!(status("POST", "/reload", &[("host", here)], HERE), None, "{here}");
        }
        for other in [
            "evil.example",
            "evil.example:8081",
            "localhost.evil.example",
            "x@127.0.0.1",
            "0x7f.1",
            "127.1",
            "",
            "localhost.",
        ] {
            assert_eq!(status("GET", "/decisions", &[("host", other)], HERE), Some(421), "{other}");
            assert_eq!(status("POST", "/reload", &[("host", other)], HERE), Some(421), "{other}");
        }
        assert_eq!(status("GET", "/decisions", &[], HERE), Some(421), "nothing says which");
        // As HTTP/2 and requests in absolute form have it.
        assert_eq!(status("GET", "http://127.0.0.1:8081/decisions", &[], HERE), None);
        assert_eq!(status("GET", "http://evil.example/decisions", &[("host", HERE)], HERE), Some(421));
        assert_eq!(status("GET", "http://127.0.0.1/decisions", &[("host", "evil.example")], HERE), Some(421));
        assert_eq!(status("GET", "/decisions", &[("host", HERE), ("host", "evil.example")], HERE), Some(421));
    }

    #[test]
    fn nothing_is_changed_for_a_page() {
        let page = [("host", HERE), ("origin", "http://127.0.0.1:8081")];
        assert_eq!(status("POST", "/reload", &page, HERE), Some(403));
    }

    #[test]
    fn what_a_mesh_hands_on_is_not_from_this_machine() {
        for here in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(status("POST", "/reload", &[("host", HERE)], here), None, "{here}");
        }
        for other in ["127.0.0.6", "127.0.0.2", "::ffff:127.0.0.6", "10.0.0.7", "fd00::7"] {
            assert_eq!(status("POST", "/reload", &[("host", HERE)], other), Some(403), "{other}");
        }
        for header in
            ["Forwarded", "X-Forwarded-For", "X-Forwarded-Client-Cert", "X-Envoy-Attempt-Count", "L5d-Client-Id"]
        {
            let handed_on = [("host", HERE), (header, "x")];
            assert_eq!(status("POST", "/reload", &handed_on, HERE), Some(403), "{header}");
            assert_eq!(status("GET", "/decisions", &handed_on, HERE), Some(403), "{header}");
        }
    }
}

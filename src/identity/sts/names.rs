//! The gate's name, and the hosts that STS is asked at.

use std::{fmt, net::IpAddr, str::FromStr, sync::Arc};

/// The name that a token must be made for: what the header `x-findings-gate-id` says when STS is asked. A token that was signed for another
/// name fails there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateName(Arc<str>);

/// Text that is no name of a gate. It is the end of the sentence "expected …".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a name of 1 to 128 of A-Z, a-z, 0-9, `.`, `_`, `-`, `:` and `/`, such as `findings.example.com`")]
pub struct InvalidGateName;

impl GateName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for GateName {
    type Err = InvalidGateName;

    fn from_str(text: &str) -> Result<Self, InvalidGateName> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b':' | b'/');
        if (1..=128).contains(&text.len()) && text.bytes().all(fits) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidGateName)
        }
    }
}

impl fmt::Display for GateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A host that STS answers at: over TLS, or on this machine without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StsHost {
    scheme: &'static str,
    authority: String,
}

/// Text that is no host for STS. It is the end of the sentence "expected …".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a host name in lower case and perhaps a port, such as `sts.eu-west-1.amazonaws.com`, or `http://` with a loopback address for tests"
)]
pub struct InvalidStsHost;

impl StsHost {
    /// Where AWS has STS for callers of this Region: the Region's own endpoint, and in the commercial partition the global one, which clients
    /// of older make use. (AWS General Reference, "AWS Security Token Service endpoints".)
    pub fn of_region(region: &str) -> Vec<Self> {
        let https = |authority: String| Self { scheme: "https", authority };
        match region {
            _ if region.starts_with("cn-") => vec![https(format!("sts.{region}.amazonaws.com.cn"))],
            _ if region.starts_with("us-gov-") => vec![https(format!("sts.{region}.amazonaws.com"))],
            _ => vec![https(format!("sts.{region}.amazonaws.com")), https("sts.amazonaws.com".to_owned())],
        }
    }

    /// Whether a URL of this scheme and authority is this host's. Spelling counts: what was checked is what is asked.
    pub(super) fn is(&self, scheme: &str, authority: &str) -> bool {
        self.scheme == scheme && self.authority == authority
    }
}

impl FromStr for StsHost {
    type Err = InvalidStsHost;

    fn from_str(text: &str) -> Result<Self, InvalidStsHost> {
        let (scheme, authority) = match text.split_once("://") {
            None => ("https", text),
            Some(("https", authority)) => ("https", authority),
            Some(("http", authority)) => ("http", authority),
            Some(_) => return Err(InvalidStsHost),
        };
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (authority, None),
        };
        let port_fits =
            port.is_none_or(|port| port.parse::<u16>().is_ok_and(|number| number.to_string() == port && number != 0));
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let address = bare.parse::<IpAddr>().ok();
        let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-');
        let host_fits = match address {
            Some(address) => address.is_ipv6() == host.starts_with('['),
            None => !host.is_empty() && host.len() <= 253 && host.bytes().all(is_name),
        };
        let is_loopback = bare == "localhost" || address.is_some_and(|address| address.is_loopback());
        if !port_fits || !host_fits || scheme == "http" && !is_loopback {
            return Err(InvalidStsHost);
        }
        Ok(Self { scheme, authority: authority.to_owned() })
    }
}

/// As a URL begins.
impl fmt::Display for StsHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_gates() {
        for name in ["g", "findings.example.com", "prod/eu-west-1:findings_gate", &"x".repeat(128)] {
            assert_eq!(name.parse::<GateName>().unwrap().as_str(), name);
        }
        for bad in ["", "a b", "a,b", "ä", "a\n", &"x".repeat(129)] {
            assert_eq!(bad.parse::<GateName>(), Err(InvalidGateName), "{bad}");
        }
    }

    #[test]
    fn hosts_of_sts() {
        for (text, shown) in [
            ("sts.amazonaws.com", "https://sts.amazonaws.com"),
            ("https://sts.eu-west-1.amazonaws.com", "https://sts.eu-west-1.amazonaws.com"),
            ("vpce-1.sts.eu-west-1.vpce.amazonaws.com:8443", "https://vpce-1.sts.eu-west-1.vpce.amazonaws.com:8443"),
            ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
            ("http://[::1]:5000", "http://[::1]:5000"),
            ("http://localhost", "http://localhost"),
            ("[2001:db8::1]", "https://[2001:db8::1]"),
        ] {
            assert_eq!(text.parse::<StsHost>().unwrap().to_string(), shown);
        }
        for bad in [
            "",
            "http://sts.amazonaws.com",
            "http://10.0.0.1",
            "http://localhost.example.com",
            "ftp://127.0.0.1",
            "STS.amazonaws.com",
            "sts.amazonaws.com/",
            "sts.amazonaws.com?x",
            "user@sts.amazonaws.com",
            "sts.amazonaws.com:",
            "sts.amazonaws.com:0",
            "sts.amazonaws.com:0443",
            "sts.amazonaws.com:65536",
            "::1",
            "*.amazonaws.com",
        ] {
            assert_eq!(bad.parse::<StsHost>(), Err(InvalidStsHost), "{bad}");
        }
    }

    #[test]
    fn each_partition_has_its_own_hosts() {
        for (region, hosts) in [
            ("eu-west-1", "https://sts.eu-west-1.amazonaws.com https://sts.amazonaws.com"),
            ("cn-north-1", "https://sts.cn-north-1.amazonaws.com.cn"),
            ("us-gov-west-1", "https://sts.us-gov-west-1.amazonaws.com"),
        ] {
            let found: Vec<String> = StsHost::of_region(region).iter().map(ToString::to_string).collect();
            assert_eq!(found.join(" "), hosts);
        }
    }
}

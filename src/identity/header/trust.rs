//! Whose headers count.

use crate::{
    finding::ApiError,
    identity::{
        Pattern, Peer,
        mtls::{in_time, names},
    },
};
use ipnet::{IpNet, Ipv4Net};
use jiff::Timestamp;
use std::net::IpAddr;

/// The peers whose headers count: the nearest hop, never one that a header tells of.
#[derive(Debug, Clone)]
pub struct Trust {
    from: Vec<IpNet>,
    when: Vec<(String, Pattern)>,
}

/// Nothing says whom to trust.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no address and no certificate says whose headers count, so that everybody could be anybody")]
pub struct EverybodyTrusted;

impl Trust {
    /// Peers whose address is in one of the networks `from`, and whose certificate matches all of `when` (attributes as rules have them:
    /// `uri`, `dns`, `subject`). What is empty asks for nothing; both may not be.
    pub fn new(from: Vec<IpNet>, when: Vec<(String, Pattern)>) -> Result<Self, EverybodyTrusted> {
        if from.is_empty() && when.is_empty() {
            return Err(EverybodyTrusted);
        }
        Ok(Self { from: from.into_iter().map(canonical).collect(), when })
    }

    /// Whether a peer is one of them. That its certificate may be over is for [`Trust::in_time`] to say.
    pub(super) fn covers(&self, peer: &Peer) -> bool {
        let address = peer.address.ip().to_canonical();
        let is_from = self.from.is_empty() || self.from.iter().any(|network| network.contains(&address));
        is_from && (self.when.is_empty() || self.is_certified(peer))
    }

    /// Refuses a peer that is known by a certificate which is over. It is the front all the same: nothing else may decide who sent what it
    /// sends.
    pub(super) fn in_time(&self, peer: &Peer, now: Timestamp) -> Result<(), ApiError> {
        match &peer.certificate {
            Some(certificate) if !self.when.is_empty() => in_time(certificate, now),
            _ => Ok(()),
        }
    }

    fn is_certified(&self, peer: &Peer) -> bool {
        let Some(certificate) = &peer.certificate else { return false };
        let matches = |(attribute, pattern): &(String, Pattern)| {
            names(certificate, attribute).into_iter().any(|name| pattern.matches(name))
        };
        self.when.iter().all(matches)
    }
}

/// A network of IPv4 addresses that are written as IPv6 (`::ffff:10.0.0.0/104`) is one of IPv4.
fn canonical(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else { return network };
    match (v6.addr().to_canonical(), v6.prefix_len().checked_sub(96)) {
        (IpAddr::V4(address), Some(prefix)) => Ipv4Net::new(address, prefix).map_or(network, IpNet::V4),
        _ => network,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::ClientCertificate;
    use std::sync::Arc;

    const NOW: &str = "2030-01-01T00:00:00Z";

    fn covers(trust: &Trust, address: &str, subject: Option<&str>) -> bool {
        let certificate = subject.map(|subject| {
            Arc::new(ClientCertificate {
                uris: Vec::new(),
                dns: vec!["front.example".into(), "other.example".into()],
                subject: subject.into(),
                not_after: "2030-01-01T00:00:00Z".parse().unwrap(),
            })
        });
        let peer = Peer { address: (address.parse::<IpAddr>().unwrap(), 1).into(), certificate };
        trust.covers(&peer)
    }

    fn trust(from: &[&str], when: &[(&str, &str)]) -> Trust {
        let when = when.iter().map(|(name, pattern)| ((*name).to_owned(), pattern.parse().unwrap())).collect();
        Trust::new(from.iter().map(|network| network.parse().unwrap()).collect(), when).unwrap()
    }

    #[test]
    fn peers_are_known_by_their_address() {
        for (network, address, expected) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("10.0.0.0/8", "::ffff:11.1.2.3", false),
            ("::ffff:10.0.0.0/104", "10.1.2.3", true),
            ("::ffff:10.0.0.0/104", "11.1.2.3", false),
            ("fd00::/8", "fd12::1", true),
            ("fd00::/8", "fe80::1", false),
            ("127.0.0.1/32", "127.0.0.2", false),
            ("::1/128", "127.0.0.1", false),
        ] {
            assert_eq!(covers(&trust(&[network], &[]), address, None), expected, "{network} {address}");
        }
        assert!(covers(&trust(&["10.0.0.0/8", "fd00::/8"], &[]), "fd00::1", None));
    }

    #[test]
    fn peers_are_known_by_their_certificate() {
        let by_name = trust(&[], &[("dns", "front.example"), ("subject", "CN={name}")]);
        assert!(covers(&by_name, "192.0.2.1", Some("CN=gateway")));
        assert!(!covers(&by_name, "192.0.2.1", Some("CN=gateway,O=x")));
        assert!(!covers(&by_name, "192.0.2.1", None));
        assert!(!covers(&trust(&[], &[("dns", "back.example")]), "192.0.2.1", Some("CN=gateway")));
    }

    #[test]
    fn given_both_both_have_to_hold() {
        let both = trust(&["10.0.0.0/8"], &[("dns", "front.example")]);
        assert!(covers(&both, "10.0.0.1", Some("CN=gateway")));
        assert!(!covers(&both, "192.0.2.1", Some("CN=gateway")));
        assert!(!covers(&both, "10.0.0.1", None));
    }

    #[test]
    fn a_front_whose_certificate_is_over_is_the_front_and_is_refused() {
        let by_address = trust(&["10.0.0.0/8"], &[]);
        let by_name = trust(&[], &[("dns", "front.example")]);
        let certificate = ClientCertificate {
            uris: Vec::new(),
            dns: vec!["front.example".into()],
            subject: "".into(),
            not_after: "2029-12-31T23:59:59Z".parse().unwrap(),
        };
        let peer = Peer { address: ([10, 0, 0, 1], 1).into(), certificate: Some(Arc::new(certificate)) };
        let now = NOW.parse().unwrap();
        assert!(by_name.covers(&peer) && by_address.covers(&peer));
        let error = by_name.in_time(&peer, now).unwrap_err();
        assert_eq!((error.status, error.code), (403, "ExpiredTokenException"));
        assert_eq!(by_address.in_time(&peer, now), Ok(()), "it is not known by that");
    }

    #[test]
    fn somebody_has_to_be_named() {
        assert_eq!(Trust::new(Vec::new(), Vec::new()).unwrap_err(), EverybodyTrusted);
    }
}

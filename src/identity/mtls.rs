//! Callers that show a client certificate.

use super::{ClientCertificate, Mapping, identified::Identified};
use crate::finding::{ApiError, Proof};
use jiff::Timestamp;

/// Callers by the names in their certificates. That a certificate is to be trusted was found in the TLS handshake: here it is only said
/// whose it is.
#[derive(Debug)]
pub struct Mtls {
    mapping: Mapping,
}

/// The attributes that rules may compare: `uri` (a SPIFFE id or another URI), `dns`, `subject`.
pub const CERTIFICATE_ATTRIBUTES: [&str; 3] = ["uri", "dns", "subject"];

impl Mtls {
    /// Callers by these rules, whose attributes are [`CERTIFICATE_ATTRIBUTES`].
    pub fn new(mapping: Mapping) -> Self {
        Self { mapping }
    }

    pub(super) fn identify(&self, certificate: &ClientCertificate, now: Timestamp) -> Result<Identified, ApiError> {
        in_time(certificate, now)?;
        let said = |attribute: &str| names(certificate, attribute);
        let name = certificate.uris.first().or(certificate.dns.first()).unwrap_or(&certificate.subject);
        let proof = Proof::Mtls { name: name.clone() };
        self.mapping.apply(said, &proof).map_err(|unmapped| {
            let list = |names: &[std::sync::Arc<str>]| names.join("`, `");
            ApiError::unrecognized_client(format!(
                "The client certificate is valid, and stands for no caller of this gate: {unmapped}. It names uri `{}`, dns `{}`, \
                 subject `{}`. Ask the gate's owner to add a rule, or use another certificate.",
                list(&certificate.uris),
                list(&certificate.dns),
                certificate.subject
            ))
        })
    }
}

/// A connection may outlast the certificate that it was made with, and the certificate proves nothing then.
pub(super) fn in_time(certificate: &ClientCertificate, now: Timestamp) -> Result<(), ApiError> {
    if certificate.not_after < now {
        return Err(ApiError::expired_token(format!(
            "The client certificate expired at {}, after the connection was made. The gate's clock says {}: connect again with a new \
             certificate.",
            certificate.not_after,
            now.strftime("%Y-%m-%d %H:%M:%S UTC")
        )));
    }
    Ok(())
}

/// The values of an attribute, one of [`CERTIFICATE_ATTRIBUTES`].
pub(super) fn names<'c>(certificate: &'c ClientCertificate, attribute: &str) -> Vec<&'c str> {
    match attribute {
        "uri" => certificate.uris.iter().map(|uri| &**uri).collect(),
        "dns" => certificate.dns.iter().map(|name| &**name).collect(),
        "subject" => vec![&*certificate.subject],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        finding::Enforcement,
        identity::{MappingRule, Pattern},
    };

    fn certificate() -> ClientCertificate {
        ClientCertificate {
            uris: vec!["spiffe://example.org/222222222222/triage".into()],
            dns: vec!["triage.payments.example".into()],
            subject: "CN=triage".into(),
            not_after: "2030-01-01T00:00:00Z".parse().unwrap(),
        }
    }

    fn identify(attribute: &str, pattern: &str, now: &str) -> Result<Identified, ApiError> {
        let rule = MappingRule {
            when: vec![(attribute.to_owned(), pattern.parse::<Pattern>().unwrap())],
            account: "222222222222".parse().unwrap(),
            principal: "{name}".parse().unwrap(),
            groups: Vec::new(),
            minimum_enforcement: Enforcement::Reject,
        };
        Mtls::new(Mapping::new(vec![rule])).identify(&certificate(), now.parse().unwrap())
    }

    const NOW: &str = "2029-12-31T23:59:59Z";

    #[test]
    fn each_name_can_say_who_it_is() {
        for (attribute, pattern) in [
            ("uri", "spiffe://example.org/{account}/{name}"),
            ("dns", "{name}.payments.example"),
            ("subject", "CN={name}"),
        ] {
            let found = identify(attribute, pattern, NOW).unwrap();
            assert_eq!((&*found.principal, found.minimum_enforcement), ("triage", Enforcement::Reject), "{attribute}");
            assert_eq!(found.proof.to_string(), "mtls:spiffe://example.org/222222222222/triage");
        }
    }

    #[test]
    fn a_certificate_that_nobody_has_or_that_is_over_is_refused() {
        let error = identify("uri", "spiffe://other.org/{account}/{name}", NOW).unwrap_err();
        assert_eq!((error.status, error.code), (403, "UnrecognizedClientException"));
        assert!(error.message.contains("`spiffe://example.org/222222222222/triage`"), "{}", error.message);
        let error = identify("subject", "CN={name}", "2030-01-01T00:00:01Z").unwrap_err();
        assert_eq!((error.status, error.code), (403, "ExpiredTokenException"));
    }
}

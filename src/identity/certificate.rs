//! What a client certificate says of its holder.

use jiff::Timestamp;
use std::sync::Arc;
use x509_cert::{
    Certificate,
    der::Decode,
    ext::pkix::{SubjectAltName, name::GeneralName},
};

/// The names in a client's certificate, and until when it is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The URIs among the subject's alternative names, such as a SPIFFE id, in the certificate's order.
    pub uris: Vec<Arc<str>>,
    /// The DNS names among them, in lower case.
    pub dns: Vec<Arc<str>>,
    /// The subject's distinguished name as RFC 4514 writes it: `CN=triage,OU=payments`. Empty when it has none.
    pub subject: Arc<str>,
    /// The end of its validity. A connection may outlast it.
    pub not_after: Timestamp,
}

/// A certificate that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the certificate cannot be read: {0}")]
pub struct UnreadableCertificate(String);

impl ClientCertificate {
    /// Reads a certificate in DER. Whether it is to be trusted is not looked at here.
    pub fn from_der(der: &[u8]) -> Result<Self, UnreadableCertificate> {
        let unreadable = |error: &dyn std::fmt::Display| UnreadableCertificate(error.to_string());
        let certificate = Certificate::from_der(der).map_err(|error| unreadable(&error))?;
        let body = certificate.tbs_certificate();
        let end = body.validity().not_after.to_unix_duration().as_secs();
        let not_after =
            i64::try_from(end).ok().and_then(|end| Timestamp::from_second(end).ok()).unwrap_or(Timestamp::MAX);
        let names = body.get_extension::<SubjectAltName>().map_err(|error| unreadable(&error))?;
        let names = names.map(|(_, names)| names.0).unwrap_or_default();
        let (mut uris, mut dns) = (Vec::new(), Vec::new());
        for name in names {
            match name {
                GeneralName::UniformResourceIdentifier(uri) => uris.push(Arc::from(uri.as_str())),
                GeneralName::DnsName(name) => dns.push(name.as_str().to_ascii_lowercase().into()),
                _ => {}
            }
        }
        Ok(Self { uris, dns, subject: body.subject().to_string().into(), not_after })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, KeyPair, SanType, date_time_ymd};

    #[test]
    fn names_and_times_are_read() {
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![
            SanType::DnsName("Triage.Payments.Example".try_into().unwrap()),
            SanType::URI("spiffe://example.org/account/222222222222/triage".try_into().unwrap()),
            SanType::IpAddress([127, 0, 0, 1].into()),
        ];
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationalUnitName, "payments");
        params.distinguished_name.push(DnType::CommonName, "triage, the bot");
        params.not_after = date_time_ymd(2031, 2, 3);
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let read = ClientCertificate::from_der(certificate.der()).unwrap();
        assert_eq!(read.uris, ["spiffe://example.org/account/222222222222/triage".into()]);
        assert_eq!(read.dns, ["triage.payments.example".into()]);
        assert_eq!(&*read.subject, "CN=triage\\, the bot,OU=payments");
        assert_eq!(read.not_after, "2031-02-03T00:00:00Z".parse().unwrap());
        assert!(ClientCertificate::from_der(&certificate.der()[1..]).is_err());
    }
}

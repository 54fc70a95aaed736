//! Whom the gate trusts when it connects to others.

use rustls::{
    ClientConfig, RootCertStore,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use std::{fmt, sync::Arc};

/// Why nobody can be trusted. The messages go on after the name of a key, such as "`upstream.ca`: ".
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The given certificates cannot be used.
    #[error("the certificates to trust cannot be used: {0}")]
    Authorities(String),
    /// The system trusts nobody.
    #[error("no certificate to trust was found on this system{0}; name a file of them")]
    NoSystemAuthorities(String),
    /// The certificate to show, or its key, cannot be used.
    #[error("the certificate to show cannot be used: {0}")]
    Own(String),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// The cryptography of every TLS connection, in and out. It prefers X25519MLKEM768, a key exchange that a later quantum computer does not
/// undo.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// The authorities in these PEM certificates; the system's where there are none.
pub fn authorities(pem: Option<&[u8]>) -> Result<RootCertStore, TrustError> {
    let mut store = RootCertStore::empty();
    if let Some(pem) = pem {
        let unusable = |reason: &dyn fmt::Display| TrustError::Authorities(reason.to_string());
        for certificate in CertificateDer::pem_slice_iter(pem) {
            store.add(certificate.map_err(|error| unusable(&error))?).map_err(|error| unusable(&error))?;
        }
        if store.is_empty() {
            return Err(unusable(&"there is no `BEGIN CERTIFICATE` in it"));
        }
    } else {
        let system = rustls_native_certs::load_native_certs();
        store.add_parsable_certificates(system.certs);
        if store.is_empty() {
            let why = system.errors.first().map(|error| format!(" ({error})")).unwrap_or_default();
            return Err(TrustError::NoSystemAuthorities(why));
        }
    }
    Ok(store)
}

/// TLS 1.2 and 1.3 towards servers that one of these authorities vouches for.
pub fn tls(authorities: RootCertStore) -> Result<ClientConfig, TrustError> {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(authorities).with_no_client_auth())
}

/// The same, showing a certificate: PEM, the gate's or the command line's own first, and the key of it.
pub fn tls_as(authorities: RootCertStore, certificate: &[u8], key: &[u8]) -> Result<ClientConfig, TrustError> {
    let unusable = |what: &str| TrustError::Own(what.to_owned());
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate).collect();
    let chain = chain.map_err(|_| unusable("the certificate is not PEM"))?;
    // Not the error's own text, which may show what stands there.
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| unusable("the private key is not PEM"))?;
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(authorities).with_client_auth_cert(chain, key)?)
}

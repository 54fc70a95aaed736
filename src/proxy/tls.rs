//! TLS towards callers.

use crate::net;
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{
        CertificateDer, CertificateRevocationListDer, PrivateKeyDer, UnixTime,
        pem::{self, PemObject},
    },
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};
use std::{
    cell::Cell,
    fmt,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// What the listener shows to callers, and asks of them. All of it PEM.
pub struct TlsSettings<'a> {
    /// The gate's certificate, and after it those between it and the authority that callers trust.
    pub certificate: &'a [u8],
    /// The certificate's private key: PKCS #8, PKCS #1 or SEC 1.
    pub key: &'a [u8],
    /// Who may vouch for callers; nobody is asked for a certificate where there is none.
    pub clients: Option<ClientTls<'a>>,
}

/// Which certificates of callers are good.
pub struct ClientTls<'a> {
    /// The authorities' certificates.
    pub authorities: &'a [u8],
    /// Whether a caller without a certificate cannot connect.
    pub required: bool,
    /// Lists of what the authorities have revoked.
    pub revoked: Option<&'a [u8]>,
}

/// Why there can be no TLS with these files.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificates cannot be read.
    #[error("`listen.tls.certificate` cannot be read: {0}")]
    Certificate(String),
    /// The key cannot be read. The message shows nothing of it.
    #[error("`listen.tls.key` cannot be read: {0}")]
    Key(String),
    /// Certificate and key are not a pair, or the key is of a kind that is not supported.
    #[error("`listen.tls.certificate` and `listen.tls.key` are no pair that can be used: {0}")]
    Pair(rustls::Error),
    /// The authorities cannot be used.
    #[error("`listen.tls.client_ca` cannot be used: {0}")]
    Authorities(String),
    /// The revocation lists cannot be used.
    #[error("`listen.tls.client_crl` cannot be used: {0}")]
    Revoked(String),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Setup(rustls::Error),
}

/// TLS as it is made ready from files that were found good.
#[derive(Clone)]
pub struct Prepared {
    config: Arc<ServerConfig>,
    /// Who checks callers' certificates, if they are asked for any.
    verifier: Option<Arc<dyn ClientCertVerifier>>,
}

/// The TLS of a listener. Clones are one: what is installed in one is used by all, for connections that come from then on. Those that are
/// there stay, as long as their callers' certificates are good by it.
#[derive(Clone)]
pub struct Tls(Arc<Shared>);

struct Shared {
    installed: RwLock<Prepared>,
    /// How often something was installed.
    generation: AtomicU64,
}

/// The certificates that a caller showed, and when they were last found good.
pub(super) struct Shown {
    chain: Vec<CertificateDer<'static>>,
    generation: Cell<u64>,
}

impl Shown {
    pub(super) fn new(chain: Vec<CertificateDer<'static>>, generation: u64) -> Self {
        Self { chain, generation: Cell::new(generation) }
    }
}

impl Prepared {
    /// Reads certificate, key, authorities and revocation lists, and checks that they go together.
    ///
    /// TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1 by ALPN, the X25519MLKEM768 key exchange first. A session is resumed with the same listener and
    /// the same files only: so a certificate that was revoked since is looked at again.
    pub fn new(settings: &TlsSettings<'_>) -> Result<Self, TlsError> {
        let chain = certificates(settings.certificate).map_err(TlsError::Certificate)?;
        let key = PrivateKeyDer::from_pem_slice(settings.key).map_err(|error| TlsError::Key(told(&error)))?;
        let builder = ServerConfig::builder_with_provider(net::provider())
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Setup)?;
        let verifier = settings.clients.as_ref().map(verifier).transpose()?;
        let builder = match &verifier {
            Some(verifier) => builder.with_client_cert_verifier(Arc::clone(verifier)),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_single_cert(chain, key).map_err(TlsError::Pair)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), verifier })
    }
}

impl Tls {
    /// A listener's TLS.
    pub fn new(prepared: Prepared) -> Self {
        Self(Arc::new(Shared { installed: RwLock::new(prepared), generation: AtomicU64::new(0) }))
    }

    /// From here on, new connections use this.
    pub fn install(&self, prepared: Prepared) {
        let mut installed = self.0.installed.write().unwrap_or_else(PoisonError::into_inner);
        *installed = prepared;
        // Under the lock, so that the number and what is installed belong together.
        self.0.generation.fetch_add(1, Ordering::Release);
    }

    /// What a connection that begins now uses, and its number.
    pub(super) fn current(&self) -> (Arc<ServerConfig>, u64) {
        let installed = self.0.installed.read().unwrap_or_else(PoisonError::into_inner);
        (Arc::clone(&installed.config), self.0.generation.load(Ordering::Acquire))
    }

    /// Whether what a caller showed in its handshake would be good now. It is looked at again once whenever something was installed since:
    /// authorities and revocation lists that changed count for connections that are there, too.
    pub(super) fn still_trusts(&self, shown: &Shown) -> bool {
        if self.0.generation.load(Ordering::Acquire) == shown.generation.get() {
            return true;
        }
        let installed = self.0.installed.read().unwrap_or_else(PoisonError::into_inner);
        let generation = self.0.generation.load(Ordering::Acquire);
        let (Some(verifier), Some((own, between))) = (&installed.verifier, shown.chain.split_first()) else {
            return false;
        };
        let is_good = verifier.verify_client_cert(own, between, UnixTime::now()).is_ok();
        if is_good {
            shown.generation.set(generation);
        }
        is_good
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match all {
        Ok(all) if all.is_empty() => Err("there is no `BEGIN CERTIFICATE` in it".to_owned()),
        Ok(all) => Ok(all),
        Err(error) => Err(told(&error)),
    }
}

fn verifier(clients: &ClientTls<'_>) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(clients.authorities).map_err(TlsError::Authorities)? {
        roots.add(certificate).map_err(|error| TlsError::Authorities(error.to_string()))?;
    }
    let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), net::provider());
    if let Some(revoked) = clients.revoked {
        let lists: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(revoked).collect();
        let lists = lists.map_err(|error| TlsError::Revoked(told(&error)))?;
        if lists.is_empty() {
            return Err(TlsError::Revoked("there is no `BEGIN X509 CRL` in it".to_owned()));
        }
        // Of an authority without a list nothing is known to be revoked; that is said in the reference.
        builder = builder.with_crls(lists).allow_unknown_revocation_status().only_check_end_entity_revocation();
    }
    if !clients.required {
        builder = builder.allow_unauthenticated();
    }
    builder.build().map_err(|error| match error {
        rustls::server::VerifierBuilderError::InvalidCrl(error) => {
            TlsError::Revoked(rustls::Error::from(error).to_string())
        }
        error => TlsError::Authorities(error.to_string()),
    })
}

/// What is wrong with a PEM file. Not the error's own text: that of some shows what stands there.
fn told(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { .. } => "a section begins and does not end",
        pem::Error::IllegalSectionStart { .. } => "a line that begins a section is not whole",
        pem::Error::Base64Decode(_) => "a section is not Base64",
        pem::Error::NoItemsFound => "nothing of the kind that is needed is in it",
        _ => "it is not PEM",
    }
    .to_owned()
}

impl fmt::Debug for TlsSettings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsSettings").field("clients", &self.clients).finish_non_exhaustive()
    }
}

impl fmt::Debug for ClientTls<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls").field("required", &self.required).finish_non_exhaustive()
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Prepared")
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

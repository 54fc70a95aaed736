//! Keys that bundles are signed with: Ed25519 (RFC 8032), in the files that `openssl genpkey -algorithm ed25519` writes.

use super::{Digest, digest};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::{Engine, engine::general_purpose::STANDARD};
use std::fmt;

/// What a public key's encoding begins with (RFC 8410, section 4): a sequence of the algorithm and 32 bytes.
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
const PUBLIC: &str = "PUBLIC KEY";
const PRIVATE: &str = "PRIVATE KEY";

/// Why a file has no such key in it: the rest of a sentence about the file. Nothing of the file is ever in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// A private key is where a public one belongs.
    #[error(
        "has a private key, which belongs with whoever signs and nowhere else: expected its public key, as `openssl pkey -pubout` gives it"
    )]
    PrivateKey,
    /// A public key is where a private one belongs.
    #[error("has a public key: expected the private one, which signs")]
    PublicKey,
    /// The key is under a password.
    #[error(
        "has a private key under a password, which cannot be asked for here: `openssl pkey -in … -out …` takes it off"
    )]
    Encrypted,
    /// There is none.
    #[error("has no `-----BEGIN {0}-----` and `-----END {0}-----` with base64 between them")]
    None(&'static str),
    /// There are several.
    #[error("has more than one key: expected one in each file")]
    Several,
    /// It is of another kind.
    #[error(
        "has a key that is not Ed25519: `findings-gate bundle keygen` makes one, and so does `openssl genpkey -algorithm ed25519`"
    )]
    Other,
    /// The system gives no random numbers to make one of.
    #[error("cannot be made: the system gives no random numbers")]
    Random,
}

/// What a key is called: the first 16 bytes of the SHA-256 of its public key's DER, in hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 16]);

impl KeyId {
    pub(super) fn parse(text: &str) -> Option<Self> {
        digest::unhex(text).map(Self)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&digest::hex(&self.0))
    }
}

/// A key that signatures are checked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// The key in a PEM file (RFC 7468, section 13).
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        if pem.contains(&begin(PRIVATE)) {
            return Err(KeyError::PrivateKey);
        }
        let der = decode(pem, PUBLIC)?;
        let raw = der.strip_prefix(&SPKI).and_then(|raw| raw.try_into().ok());
        raw.map(Self).ok_or(KeyError::Other)
    }

    /// The PEM file.
    pub fn to_pem(&self) -> String {
        encode(&self.der(), PUBLIC)
    }

    /// What it is called.
    pub fn id(&self) -> KeyId {
        let mut id = [0; 16];
        let digest = digest::unhex::<32>(&Digest::of(&self.der()).hex()).unwrap_or_default();
        id.copy_from_slice(&digest[..16]);
        KeyId(id)
    }

    pub(super) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.0).verify(message, signature).is_ok()
    }

    fn der(&self) -> Vec<u8> {
        [&SPKI[..], &self.0].concat()
    }
}

/// A key that signs.
pub struct KeyPair(Ed25519KeyPair);

impl KeyPair {
    /// A new one, with its PEM file (PKCS #8, RFC 5958), which is as secret as the key.
    pub fn generate() -> Result<(Self, String), KeyError> {
        let pair = Ed25519KeyPair::generate().map_err(|_| KeyError::Random)?;
        let der = pair.to_pkcs8v1().map_err(|_| KeyError::Random)?;
        Ok((Self(pair), encode(der.as_ref(), PRIVATE)))
    }

    /// The key in a PEM file (PKCS #8, with the public key or without it).
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        if pem.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") {
            return Err(KeyError::Encrypted);
        }
        if pem.contains(&begin(PUBLIC)) && !pem.contains(&begin(PRIVATE)) {
            return Err(KeyError::PublicKey);
        }
        let der = decode(pem, PRIVATE)?;
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).map(Self).map_err(|_| KeyError::Other)
    }

    /// What its signatures are checked with.
    pub fn public(&self) -> PublicKey {
        let mut raw = [0; 32];
        raw.copy_from_slice(self.0.public_key().as_ref());
        PublicKey(raw)
    }

    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message).as_ref().to_vec()
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPair").field("public", &self.public().id()).finish_non_exhaustive()
    }
}

fn begin(label: &str) -> String {
    format!("-----BEGIN {label}-----")
}

/// What stands between the two lines of the only key.
fn decode(pem: &str, label: &'static str) -> Result<Vec<u8>, KeyError> {
    let none = KeyError::None(label);
    let (_, rest) = pem.split_once(&begin(label)).ok_or(none)?;
    let (body, rest) = rest.split_once(&format!("-----END {label}-----")).ok_or(none)?;
    if rest.contains("-----BEGIN ") {
        return Err(KeyError::Several);
    }
    let body: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    STANDARD.decode(body).map_err(|_| none)
}

fn encode(der: &[u8], label: &str) -> String {
    let body = STANDARD.encode(der);
    let lines: Vec<&str> = body.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    format!("{}\n{}\n-----END {label}-----\n", begin(label), lines.join("\n"))
}

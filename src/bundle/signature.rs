//! Who signed a bundle, and whether that is who should have.

use super::{Bundle, Digest, InvalidBundle, KeyId, KeyPair, LARGEST, LARGEST_SIGNATURES, PublicKey};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

/// The version of the file.
const FORMAT: u64 = 1;
/// The most signatures of one bundle.
const MOST: usize = 16;

/// What is signed. It begins with what it is for, so that a signature that was made for something else is none for a bundle; and it is a
/// text, so that a key that never leaves its hardware can sign it, too.
fn message(digest: &Digest) -> Vec<u8> {
    format!("findings-gate bundle v1\n{digest}\n").into_bytes()
}

/// The signatures of one bundle, as they stand in a file beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signatures {
    digest: Digest,
    /// Sorted by key, each once.
    of: Vec<(KeyId, Vec<u8>)>,
}

/// Why something is no file of signatures: the rest of a sentence about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSignatures {
    /// It is too large.
    #[error("it is larger than {} KiB", LARGEST_SIGNATURES >> 10)]
    TooLarge,
    /// It is of another version.
    #[error("it is in format {0}, and this version of findings-gate reads format {FORMAT}")]
    Format(u64),
    /// It cannot be read.
    #[error("it is not as `findings-gate bundle sign` writes it: {0}")]
    Unreadable(String),
    /// A key comes twice.
    #[error("it has two signatures of the key {0}")]
    Repeated(KeyId),
    /// There are too many.
    #[error("it has more than {MOST} signatures")]
    TooMany,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: u64,
    digest: String,
    signatures: Vec<One>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct One {
    key: String,
    ed25519: String,
}

impl Signatures {
    /// None yet, of this bundle.
    pub fn of(digest: Digest) -> Self {
        Self { digest, of: Vec::new() }
    }

    /// Reads a file of signatures.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidSignatures> {
        let unreadable = |why: &str| InvalidSignatures::Unreadable(why.to_owned());
        if bytes.len() > LARGEST_SIGNATURES {
            return Err(InvalidSignatures::TooLarge);
        }
        match super::manifest::format(bytes) {
            Some(FORMAT) | None => {}
            Some(other) => return Err(InvalidSignatures::Format(other)),
        }
        let document: Document =
            serde_json::from_slice(bytes).map_err(|error| InvalidSignatures::Unreadable(error.to_string()))?;
        let digest = document.digest.parse().map_err(|()| unreadable("`digest` is no SHA-256"))?;
        if document.signatures.len() > MOST {
            return Err(InvalidSignatures::TooMany);
        }
        let mut of: Vec<(KeyId, Vec<u8>)> = Vec::with_capacity(document.signatures.len());
        for One { key, ed25519 } in &document.signatures {
            let key = KeyId::parse(key).ok_or_else(|| unreadable("a `key` is not 32 hexadecimal digits"))?;
            let signature = STANDARD.decode(ed25519).map_err(|_| unreadable("an `ed25519` is not base64"))?;
            if of.iter().any(|(known, _)| *known == key) {
                return Err(InvalidSignatures::Repeated(key));
            }
            of.push((key, signature));
        }
        let signatures = Self { digest, of };
        // One spelling, as of bundles: a file that was touched shows it.
        if signatures.to_text().as_bytes() == bytes {
            Ok(signatures)
        } else {
            Err(unreadable("it is laid out otherwise"))
        }
    }

    /// The file.
    pub fn to_text(&self) -> String {
        let one =
            |(key, signature): &(KeyId, Vec<u8>)| One { key: key.to_string(), ed25519: STANDARD.encode(signature) };
        let document =
            Document { format: FORMAT, digest: self.digest.to_string(), signatures: self.of.iter().map(one).collect() };
        serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
    }

    /// The bundle that they are of.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The keys that are named.
    pub fn keys(&self) -> impl Iterator<Item = KeyId> {
        self.of.iter().map(|(key, _)| *key)
    }

    /// Adds a signature, in the place of one by the same key.
    pub fn sign(&mut self, pair: &KeyPair) -> Result<KeyId, InvalidSignatures> {
        let key = pair.public().id();
        self.of.retain(|(known, _)| *known != key);
        if self.of.len() == MOST {
            return Err(InvalidSignatures::TooMany);
        }
        self.of.push((key, pair.sign(&message(&self.digest))));
        self.of.sort();
        Ok(key)
    }
}

/// Whose signatures count, how many of them, and for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    /// The keys, each once.
    pub keys: Vec<PublicKey>,
    /// How many of them must have signed; at least one.
    pub required: usize,
    /// What the bundle must say that it is for, if that matters.
    pub name: Option<String>,
}

/// Why a bundle is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Untrusted {
    /// It is too large to look at.
    #[error("the bundle is larger than {} MiB", LARGEST >> 20)]
    TooLarge,
    /// The signatures cannot be read.
    #[error("the signatures cannot be read: {0}")]
    Signatures(#[from] InvalidSignatures),
    /// They are of another bundle.
    #[error(
        "the signatures are of another bundle ({of}) than this one ({found}): one of the two was replaced without the other, or damaged"
    )]
    Other {
        /// What they are of.
        of: Digest,
        /// The bundle.
        found: Digest,
    },
    /// No key that counts has signed.
    #[error("no trusted key has signed the bundle: signed by {signed}, trusted {trusted}")]
    Unknown {
        /// The keys that are named.
        signed: String,
        /// The keys that count.
        trusted: String,
    },
    /// A signature is in the name of a key that counts, and not by it.
    #[error("the signature in the name of the trusted key {0} is not by that key: it was forged or damaged")]
    Forged(KeyId),
    /// Too few have signed.
    #[error("{found} of the trusted keys signed the bundle, and {required} are required")]
    TooFew {
        /// How many have.
        found: usize,
        /// How many must have.
        required: usize,
    },
    /// What was signed is no bundle.
    #[error("the bundle is signed and cannot be read: {0}")]
    Invalid(#[from] InvalidBundle),
    /// It is for something else.
    #[error("the bundle is for {found}, and `{expected}` is expected")]
    Name {
        /// What it should be for.
        expected: String,
        /// What it says.
        found: String,
    },
}

/// A bundle that those whose signatures count have signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The bundle.
    pub bundle: Bundle,
    /// Who signed it, of those who count.
    pub signers: Vec<KeyId>,
}

impl Trust {
    /// Opens a bundle, given its file of signatures. Nothing of the bundle is read before its signatures were found good.
    pub fn open(&self, bundle: &[u8], signatures: &[u8]) -> Result<Signed, Untrusted> {
        if bundle.len() > LARGEST {
            return Err(Untrusted::TooLarge);
        }
        let signatures = Signatures::parse(signatures)?;
        let found = Digest::of(bundle);
        if signatures.digest != found {
            return Err(Untrusted::Other { of: signatures.digest, found });
        }
        let signers = self.signers(&signatures)?;
        let bundle = Bundle::open(bundle)?;
        match &self.name {
            Some(expected) if bundle.name() != Some(expected) => {
                let found =
                    bundle.name().map_or_else(|| "nothing in particular".to_owned(), |name| format!("`{name}`"));
                Err(Untrusted::Name { expected: expected.clone(), found })
            }
            _ => Ok(Signed { bundle, signers }),
        }
    }

    /// Whether a bundle that was opened earlier, perhaps when other keys counted, would be opened by these, too.
    pub fn still_opens(&self, bundle: &Bundle, signers: &[KeyId]) -> bool {
        let count = self.keys.iter().filter(|key| signers.contains(&key.id())).count();
        count >= self.required && self.name.as_deref().is_none_or(|expected| bundle.name() == Some(expected))
    }

    /// The signatures of two files that this opened the same bundle with, as one file: those of keys that count from both, and of others those
    /// that came, as many as there is room for. So no signature that counts is lost where a file with fewer comes.
    pub fn joined(&self, kept: &[u8], came: &[u8]) -> Result<Signatures, InvalidSignatures> {
        let (kept, came) = (Signatures::parse(kept)?, Signatures::parse(came)?);
        let (counted, others): (Vec<_>, Vec<_>) =
            came.of.into_iter().partition(|(id, _)| self.keys.iter().any(|key| key.id() == *id));
        let mut of: Vec<_> =
            kept.of.into_iter().filter(|(id, _)| self.keys.iter().any(|key| key.id() == *id)).collect();
        for one in counted.into_iter().chain(others) {
            if of.len() < MOST && of.iter().all(|(known, _)| *known != one.0) {
                of.push(one);
            }
        }
        of.sort();
        Ok(Signatures { digest: came.digest, of })
    }

    fn signers(&self, signatures: &Signatures) -> Result<Vec<KeyId>, Untrusted> {
        let message = message(&signatures.digest);
        let mut signers = Vec::new();
        for (id, signature) in &signatures.of {
            let Some(key) = self.keys.iter().find(|key| key.id() == *id) else { continue };
            if !key.has_signed(&message, signature) {
                return Err(Untrusted::Forged(*id));
            }
            signers.push(*id);
        }
        match signers.len() {
            0 => Err(Untrusted::Unknown {
                signed: listed(signatures.keys()),
                trusted: listed(self.keys.iter().map(PublicKey::id)),
            }),
            found if found < self.required => Err(Untrusted::TooFew { found, required: self.required }),
            _ => Ok(signers),
        }
    }
}

fn listed(keys: impl Iterator<Item = KeyId>) -> String {
    let keys: Vec<String> = keys.map(|key| key.to_string()).collect();
    if keys.is_empty() { "nobody".to_owned() } else { keys.join(", ") }
}

//! The access keys that the gate's owner issued.

use crate::finding::{AccountId, Enforcement};
use aws_lc_rs::hmac;
use std::{collections::HashMap, fmt, ops::RangeInclusive, sync::Arc};

/// How long a key id may be. AWS's model of IAM has 16 to 128 characters; issued keys may have shorter names, because
/// nobody but this gate reads them.
const ID_LENGTH: RangeInclusive<usize> = 1..=128;

/// An issued access key: what proves a caller, and who that caller then is.
///
/// The secret and the session token are not kept as such, only what checking needs, and neither shows in `Debug`.
#[derive(Clone)]
pub struct Key {
    pub(super) id: Arc<str>,
    /// The HMAC key `"AWS4" + secret`, from which each day's signing key is derived.
    pub(super) secret: hmac::Key,
    /// The session token under `secret`: enough to compare in constant time.
    token: Option<hmac::Tag>,
    pub(super) account: AccountId,
    pub(super) principal: Arc<str>,
    pub(super) minimum_enforcement: Enforcement,
}

/// Why a key cannot be issued. No message shows the secret or the token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// The id has characters that a signature's scope cannot carry, or the wrong length.
    #[error("`{0}` is not an access key id: expected 1 to 128 of A-Z, a-z, 0-9, `_` and `-`, such as `AKIAPAYMENTS`")]
    Id(String),
    /// There is no secret.
    #[error("the secret of key `{0}` is empty")]
    EmptySecret(Arc<str>),
    /// The secret has blanks around it.
    #[error("the secret of key `{0}` begins or ends with white space: take out the line end or the blanks around it")]
    PaddedSecret(Arc<str>),
    /// The token is not one that a header can carry unchanged.
    #[error(
        "the session token of key `{0}` is not one that a header can carry: expected visible ASCII, without blanks"
    )]
    Token(Arc<str>),
    /// The principal is empty.
    #[error("the principal of key `{0}` is empty: expected an ARN or a name, which policies and records then show")]
    EmptyPrincipal(Arc<str>),
}

/// Two keys have the same id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("two keys have the id `{0}`: an id names one key")]
pub struct DuplicateKeyId(pub Arc<str>);

impl Key {
    /// A key without a session token. `principal` is the caller's ARN or name, as policies and records show it.
    pub fn new(
        id: impl Into<Arc<str>>,
        secret: &str,
        account: AccountId,
        principal: impl Into<Arc<str>>,
    ) -> Result<Self, InvalidKey> {
        let (id, principal) = (id.into(), principal.into());
        if !ID_LENGTH.contains(&id.len()) || !id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
        {
            return Err(InvalidKey::Id(id.to_string()));
        }
        if secret.is_empty() {
            return Err(InvalidKey::EmptySecret(id));
        }
        if secret.trim() != secret {
            return Err(InvalidKey::PaddedSecret(id));
        }
        if principal.is_empty() {
            return Err(InvalidKey::EmptyPrincipal(id));
        }
        let secret = hmac::Key::new(hmac::HMAC_SHA256, format!("AWS4{secret}").as_bytes());
        Ok(Self { id, secret, token: None, account, principal, minimum_enforcement: Enforcement::Strip })
    }

    /// The same key, good only together with this session token.
    pub fn session_token(mut self, token: &str) -> Result<Self, InvalidKey> {
        if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(InvalidKey::Token(self.id));
        }
        self.token = Some(hmac::sign(&self.secret, token.as_bytes()));
        Ok(self)
    }

    /// What a denial does to this caller at the least; [`Enforcement::Strip`] unless said.
    #[must_use]
    pub fn minimum_enforcement(self, minimum_enforcement: Enforcement) -> Self {
        Self { minimum_enforcement, ..self }
    }

    /// The key's id, as signatures name it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether a request with this session token, or with none, may use the key. Takes the same time for every token of
    /// a length.
    pub(super) fn accepts_token(&self, presented: Option<&[u8]>) -> bool {
        match (&self.token, presented) {
            (None, None) => true,
            (Some(tag), Some(token)) => hmac::verify(&self.secret, token, tag.as_ref()).is_ok(),
            (None, Some(_)) | (Some(_), None) => false,
        }
    }

    /// Whether the key was issued with a session token.
    pub(super) fn has_token(&self) -> bool {
        self.token.is_some()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("id", &self.id)
            .field("account", &self.account)
            .field("principal", &self.principal)
            .field("minimum_enforcement", &self.minimum_enforcement)
            .finish_non_exhaustive()
    }
}

/// The issued keys, by id.
#[derive(Debug, Clone, Default)]
pub struct Keys(pub(super) HashMap<Arc<str>, Key>);

impl Keys {
    /// These keys. Each id may be there once.
    pub fn new(keys: impl IntoIterator<Item = Key>) -> Result<Self, DuplicateKeyId> {
        let mut by_id = HashMap::new();
        for key in keys {
            if let Some(earlier) = by_id.insert(Arc::clone(&key.id), key) {
                return Err(DuplicateKeyId(earlier.id));
            }
        }
        Ok(Self(by_id))
    }

    /// How many keys were issued.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no key was issued.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: &str, secret: &str) -> Result<Key, InvalidKey> {
        Key::new(id, secret, "222222222222".parse().unwrap(), "arn:aws:iam::222222222222:role/triage")
    }

    #[test]
    fn ids_secrets_and_tokens_are_checked() {
        for id in ["k", "key", "AKIAPAYMENTS", "a_1", "on-call", &"x".repeat(128)] {
            assert_eq!(key(id, "s").unwrap().id(), id);
        }
        for id in ["", "a/b/c", "a b c", "schlüssel", &"x".repeat(129)] {
            assert_eq!(key(id, "s").unwrap_err(), InvalidKey::Id(id.to_owned()));
        }
        assert_eq!(key("key", "").unwrap_err(), InvalidKey::EmptySecret("key".into()));
        assert_eq!(key("key", "s3cret\n").unwrap_err(), InvalidKey::PaddedSecret("key".into()));
        for token in ["", "a b", "t\n", "tökén"] {
            assert_eq!(key("key", "s").unwrap().session_token(token).unwrap_err(), InvalidKey::Token("key".into()));
        }
        let nobody = Key::new("key", "s", "222222222222".parse().unwrap(), "");
        assert_eq!(nobody.unwrap_err(), InvalidKey::EmptyPrincipal("key".into()));
    }

    #[test]
    fn an_id_names_one_key() {
        assert_eq!(Keys::new([key("one", "a").unwrap(), key("two", "a").unwrap()]).unwrap().len(), 2);
        let twice = Keys::new([key("one", "a").unwrap(), key("two", "a").unwrap(), key("one", "b").unwrap()]);
        assert_eq!(twice.unwrap_err(), DuplicateKeyId("one".into()));
    }

    #[test]
    fn a_key_takes_exactly_its_own_token() {
        let plain = key("key", "s").unwrap();
        assert!(plain.accepts_token(None));
        assert!(!plain.accepts_token(Some(b"")));
        let bound = plain.session_token("session").unwrap();
        assert!(bound.accepts_token(Some(b"session")));
        for other in [None, Some(&b""[..]), Some(b"sessioN"), Some(b"session "), Some(b"sessio")] {
            assert!(!bound.accepts_token(other), "{other:?}");
        }
    }

    #[test]
    fn debug_shows_neither_secret_nor_token() {
        let key = key("key", "s3cret").unwrap().session_token("t0ken").unwrap();
        let tag = format!("{:?}", key.token.unwrap());
        let shown = format!("{:?}", Keys::new([key]).unwrap());
        assert!(shown.contains("role/triage"));
        assert!(!shown.contains("s3cret") && !shown.contains("t0ken") && !shown.contains(&tag), "{shown}");
    }
}

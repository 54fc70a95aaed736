//! A signed token in its compact form (RFC 7515, section 7.1), taken apart and not yet believed.

use super::claims::Claims;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, de::IgnoredAny};
use std::fmt;

/// A token. Nothing that it says is proven before its signature is.
pub(in crate::identity) struct Token<'t> {
    pub(in crate::identity) header: Header,
    pub(in crate::identity) claims: Claims,
    /// What the signature is about: header and payload as they were sent.
    pub(in crate::identity) signed: &'t str,
    pub(in crate::identity) signature: Vec<u8>,
}

/// What its header says (RFC 7515, section 4.1). `jku`, `jwk`, `x5u` and `x5c`, by which a token would name its own key, are not looked at.
#[derive(Debug, Deserialize)]
pub(in crate::identity) struct Header {
    pub(in crate::identity) alg: String,
    #[serde(default)]
    pub(in crate::identity) kid: Option<String>,
    /// Extensions that must be understood. None is.
    #[serde(default)]
    crit: Option<IgnoredAny>,
    /// Of a load balancer: its ARN.
    #[serde(default)]
    pub(in crate::identity) signer: Option<String>,
    /// Of a load balancer: the end of the token's validity, which others have among the claims.
    #[serde(default)]
    pub(in crate::identity) exp: Option<serde_json::Number>,
}

/// Whether parts may end in `=`, which RFC 7515 forbids and load balancers write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::identity) enum Padding {
    Forbidden,
    Allowed,
}

/// Why a text is no token: the end of a sentence about "the token". Nothing of the token is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in crate::identity) enum Malformed {
    #[error("does not have three parts with dots between (a signed JWT has: header, payload, signature)")]
    Parts,
    #[error("has a part that is not base64url: it may have been cut or changed on its way")]
    Encoding,
    #[error("has a header that is not JSON with an `alg`")]
    Header,
    #[error("has a payload that is not a JSON object")]
    Payload,
    #[error("has `crit` in its header, and this gate knows none of JOSE's extensions")]
    Critical,
}

impl<'t> Token<'t> {
    pub(in crate::identity) fn parse(text: &'t str, padding: Padding) -> Result<Self, Malformed> {
        let (signed, signature) = text.rsplit_once('.').ok_or(Malformed::Parts)?;
        let (header, payload) = signed.split_once('.').ok_or(Malformed::Parts)?;
        if payload.contains('.') {
            return Err(Malformed::Parts);
        }
        let decode = |part: &str| {
            let bare = match padding {
                Padding::Forbidden => part,
                Padding::Allowed => unpadded(part)?,
            };
            // Strict: each sequence of bytes has one text, so a signature cannot be written in a second way.
            URL_SAFE_NO_PAD.decode(bare).ok()
        };
        let header = decode(header).ok_or(Malformed::Encoding)?;
        let payload = decode(payload).ok_or(Malformed::Encoding)?;
        let signature = decode(signature).ok_or(Malformed::Encoding)?;
        let header: Header = serde_json::from_slice(&header).map_err(|_| Malformed::Header)?;
        if header.crit.is_some() {
            return Err(Malformed::Critical);
        }
        let claims = Claims::parse(&payload).ok_or(Malformed::Payload)?;
        Ok(Self { header, claims, signed, signature })
    }
}

/// A part without the padding that completes it; nothing if that is not as long as it has to be.
fn unpadded(part: &str) -> Option<&str> {
    let bare = part.trim_end_matches('=');
    let padding = part.len() - bare.len();
    (padding == 0 || padding < 3 && part.len().is_multiple_of(4)).then_some(bare)
}

/// What it is about, and no part of it from which it could be put together again.
impl fmt::Debug for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Header { alg, kid, .. } = &self.header;
        f.debug_struct("Token")
            .field("alg", alg)
            .field("kid", kid)
            .field("issuer", &self.claims.text("iss"))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // {"alg":"none"} and {"iss":"me"}
    const HEADER: &str = "eyJhbGciOiJub25lIn0";
    const PAYLOAD: &str = "eyJpc3MiOiJtZSJ9";

    fn malformed(text: &str, padding: Padding) -> Option<Malformed> {
        Token::parse(text, padding).err()
    }

    #[test]
    fn only_the_compact_form_is_a_token() {
        let token = format!("{HEADER}.{PAYLOAD}.Zm9v");
        let parsed = Token::parse(&token, Padding::Forbidden).unwrap();
        assert_eq!((&*parsed.header.alg, parsed.claims.text("iss")), ("none", Some("me")));
        assert_eq!((parsed.signed, &*parsed.signature), (&*format!("{HEADER}.{PAYLOAD}"), &b"foo"[..]));
        for (text, expected) in [
            (String::new(), Malformed::Parts),
            (HEADER.to_owned(), Malformed::Parts),
            (format!("{HEADER}.{PAYLOAD}"), Malformed::Parts),
            (format!("{HEADER}.{PAYLOAD}.a.b.c"), Malformed::Parts),
            (format!("{HEADER}.{PAYLOAD}.Zm9v="), Malformed::Encoding),
            (format!("{HEADER}.{PAYLOAD}.Zm9v "), Malformed::Encoding),
            (format!("e30.{PAYLOAD}."), Malformed::Header),
            (format!("Zm9v.{PAYLOAD}."), Malformed::Header),
            (format!("{HEADER}.Zm9v."), Malformed::Payload),
            (format!("{HEADER}.W10."), Malformed::Payload),
            // {"alg":"none","crit":["b64"]}
            (format!("eyJhbGciOiJub25lIiwiY3JpdCI6WyJiNjQiXX0.{PAYLOAD}."), Malformed::Critical),
        ] {
            assert_eq!(malformed(&text, Padding::Forbidden), Some(expected), "{text}");
        }
    }

    #[test]
    fn padding_that_is_allowed_has_to_be_right() {
        let token = |header: &str| format!("{header}.{PAYLOAD}.Zg==");
        assert_eq!(malformed(&token(&format!("{HEADER}=")), Padding::Allowed), None);
        assert_eq!(malformed(&token(HEADER), Padding::Allowed), None);
        for header in [format!("{HEADER}=="), format!("{HEADER}====="), "====".to_owned()] {
            assert!(malformed(&token(&header), Padding::Allowed).is_some(), "{header}");
        }
    }

    #[test]
    fn debug_shows_no_token() {
        let token = format!("{HEADER}.{PAYLOAD}.c2VjcmV0");
        let shown = format!("{:?}", Token::parse(&token, Padding::Forbidden).unwrap());
        assert_eq!(shown, r#"Token { alg: "none", kid: None, issuer: Some("me"), .. }"#);
    }
}

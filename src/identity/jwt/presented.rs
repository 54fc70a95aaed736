//! The bearer token that a request carries.

use super::token::{Padding, Token};
use crate::finding::ApiError;
use http::{header::AUTHORIZATION, request::Parts};

/// The longest token, in bytes. STS gives some of 2 KiB, Kubernetes of 1 KiB; 8 KiB is what servers take of a header.
pub(super) const LONGEST: usize = 8 * 1024;

/// A request's bearer token, and perhaps what is wrong with it.
#[derive(Debug)]
pub(in crate::identity) enum Presented<'h> {
    /// A token, of which nothing is believed yet.
    Token(Token<'h>),
    /// Something that no identity takes.
    Bad(ApiError),
}

impl<'h> Presented<'h> {
    /// The bearer token of a request (RFC 6750, section 2.1); nothing if no `Authorization` header has that scheme.
    pub(in crate::identity) fn of(head: &'h Parts) -> Option<Self> {
        let mut values = head.headers.get_all(AUTHORIZATION).iter();
        let bearer = |value: &'h http::HeaderValue| {
            let value = value.as_bytes().trim_ascii();
            let (scheme, rest) = value.split_at_checked(BEARER.len())?;
            let ends = rest.first().is_none_or(u8::is_ascii_whitespace);
            (ends && scheme.eq_ignore_ascii_case(BEARER)).then(|| rest.trim_ascii())
        };
        let token = values.find_map(bearer)?;
        Some(if head.headers.get_all(AUTHORIZATION).iter().nth(1).is_some() {
            Self::Bad(ApiError::incomplete_signature(
                "The header `Authorization` is there more than once: expected one value.",
            ))
        } else {
            Self::parse(token)
        })
    }

    fn parse(token: &'h [u8]) -> Self {
        let invalid = |why: String| {
            Self::Bad(ApiError::unrecognized_client(format!(
                "The bearer token in the header `Authorization` {why}. This gate expects a signed JWT of an issuer that it is \
                 configured for."
            )))
        };
        if token.len() > LONGEST {
            return invalid(format!("is longer than {LONGEST} bytes"));
        }
        let Ok(text) = str::from_utf8(token) else { return invalid("has characters beyond ASCII".to_owned()) };
        match Token::parse(text, Padding::Forbidden) {
            Ok(token) => Self::Token(token),
            Err(malformed) => invalid(malformed.to_string()),
        }
    }

    /// Who issued it, by its own word.
    pub(in crate::identity) fn issuer(&self) -> Option<&str> {
        match self {
            Self::Token(token) => token.claims.text("iss"),
            Self::Bad(_) => None,
        }
    }
}

const BEARER: &[u8] = b"Bearer";

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    // {"alg":"none"} and {"iss":"me"}
    const TOKEN: &str = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJtZSJ9.";

    fn head(values: &[&str]) -> Parts {
        let request = values.iter().fold(Request::patch("/"), |request, value| request.header(AUTHORIZATION, *value));
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_proof_is_there_if_the_scheme_is_bearer() {
        for (values, present) in [
            (&[][..], false),
            (&["AWS4-HMAC-SHA256 x"], false),
            (&["Basic x"], false),
            (&["Bearerx y"], false),
            (&["Bear"], false),
            (&["Bearer"], true),
            (&["bEARER x"], true),
            (&["  Bearer   x"], true),
            (&["Basic x", "Bearer y"], true),
        ] {
            assert_eq!(Presented::of(&head(values)).is_some(), present, "{values:?}");
        }
        let head = head(&[&format!("bearer  {TOKEN}")]);
        assert_eq!(Presented::of(&head).unwrap().issuer(), Some("me"));
    }

    #[test]
    fn what_no_identity_takes_is_told() {
        let long = format!("Bearer {}", "x".repeat(LONGEST + 1));
        for (values, code, told) in [
            (&["Bearer"][..], "UnrecognizedClientException", "three parts"),
            (&["Bearer opaque"], "UnrecognizedClientException", "three parts"),
            (&["Bearer a.b.c d"], "UnrecognizedClientException", "base64url"),
            (&[&long], "UnrecognizedClientException", "longer than 8192 bytes"),
            (&["Bearer x", "AWS4-HMAC-SHA256 x"], "IncompleteSignatureException", "more than once"),
            (&["Bearer x", "Bearer x"], "IncompleteSignatureException", "more than once"),
        ] {
            let head = head(values);
            let Some(Presented::Bad(error)) = Presented::of(&head) else { panic!("{values:?}") };
            assert_eq!((error.status, error.code), (403, code), "{values:?}");
            assert!(error.message.contains(told), "{}", error.message);
            assert!(!error.message.contains("opaque"), "{}", error.message);
        }
    }
}

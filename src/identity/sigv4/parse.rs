//! The headers that carry a signature, read strictly: what no AWS client writes is refused, not guessed at.

use crate::finding::ApiError;
use http::{header::AUTHORIZATION, request::Parts};
use jiff::{Timestamp, civil, tz::TimeZone};

/// The one algorithm. SigV4a (`AWS4-ECDSA-P256-SHA256`) needs a public key for each caller.
pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The query parameters that make a request a presigned one.
const PRESIGNED: [&str; 3] = ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature"];

/// Whether the request carries an AWS signature of any version, good or bad.
pub(in crate::identity) fn is_present(head: &Parts) -> bool {
    let is_aws = |value: &[u8]| value.trim_ascii_start().get(..3).is_some_and(|s| s.eq_ignore_ascii_case(b"AWS"));
    head.headers.get_all(AUTHORIZATION).iter().any(|value| is_aws(value.as_bytes())) || is_presigned(head)
}

/// Whether the request carries its signature in the query.
pub(super) fn is_presigned(head: &Parts) -> bool {
    let names = head.uri.query().into_iter().flat_map(|query| query.split('&')).map(|pair| pair.split('=').next());
    names.flatten().any(|name| {
        let name = super::canonical::percent_decode(name);
        PRESIGNED.iter().any(|presigned| presigned.as_bytes().eq_ignore_ascii_case(&name))
    })
}

/// What an `Authorization` header says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Authorization<'h> {
    pub(super) access_key_id: &'h str,
    /// The scope's day, `20150830`.
    pub(super) day: &'h str,
    pub(super) region: &'h str,
    pub(super) service: &'h str,
    /// As the client lists them: `host;x-amz-date`.
    pub(super) signed_headers: &'h str,
    pub(super) signature: [u8; 32],
}

impl<'h> Authorization<'h> {
    /// Reads the value of the header: the algorithm, then `Credential`, `SignedHeaders` and `Signature` once each, in any
    /// order, separated by `,`.
    pub(super) fn parse(value: &'h [u8]) -> Result<Self, ApiError> {
        let text = std::str::from_utf8(value)
            .ok()
            .filter(|text| text.is_ascii())
            .ok_or_else(|| incomplete("the header `Authorization` has characters beyond ASCII."))?;
        let (algorithm, parameters) = text.split_once(' ').unwrap_or((text, ""));
        if algorithm != ALGORITHM {
            return Err(incomplete(&format!(
                "Unsupported AWS 'algorithm': '{algorithm}'. This gate expects `{ALGORITHM}` in the header \
                 `Authorization`: let the client sign with Signature Version 4."
            )));
        }
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for parameter in parameters.split(',').map(|parameter| parameter.trim_matches(' ')) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let slot = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut signed_headers,
                "Signature" => &mut signature,
                _ => {
                    return Err(incomplete(&format!(
                        "'{name}' is no parameter of the Authorization header: expected 'Credential', 'SignedHeaders' and \
                         'Signature', separated by commas."
                    )));
                }
            };
            if slot.replace(value).is_some() {
                return Err(incomplete(&format!("Authorization header has the '{name}' parameter twice.")));
            }
        }
        let required = |value: Option<&'h str>, name| {
            value
                .filter(|value| !value.is_empty())
                .ok_or_else(|| incomplete(&format!("Authorization header requires '{name}' parameter.")))
        };
        let (access_key_id, day, region, service) = scope(required(credential, "Credential")?)?;
        Ok(Self {
            access_key_id,
            day,
            region,
            service,
            signed_headers: required(signed_headers, "SignedHeaders")?,
            signature: hex_sha256(required(signature, "Signature")?.as_bytes())
                .ok_or_else(|| incomplete("'Signature' is not one: expected 64 hexadecimal digits in lower case."))?,
        })
    }
}

fn scope(credential: &str) -> Result<(&str, &str, &str, &str), ApiError> {
    let mut parts = credential.split('/');
    let mut next = || parts.next().filter(|part| !part.is_empty());
    match (next(), next(), next(), next(), next(), parts.next()) {
        (Some(id), Some(day), Some(region), Some(service), Some("aws4_request"), None) => {
            Ok((id, day, region, service))
        }
        _ => Err(incomplete(
            "Credential must have exactly 5 slash-delimited elements, <access key id>/<yyyymmdd>/<region>/securityhub/\
             aws4_request.",
        )),
    }
}

/// `X-Amz-Date`: `20150830T123600Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::identity) struct AmzDate {
    text: [u8; Self::LENGTH],
    pub(in crate::identity) at: Timestamp,
}

impl AmzDate {
    const LENGTH: usize = 16;

    pub(in crate::identity) fn parse(value: &[u8]) -> Option<Self> {
        let text: [u8; Self::LENGTH] = value.try_into().ok()?;
        if (text[8], text[15]) != (b'T', b'Z') {
            return None;
        }
        let number = |digits: &[u8]| {
            digits
                .iter()
                .try_fold(0_i16, |number, digit| digit.is_ascii_digit().then(|| number * 10 + i16::from(digit - b'0')))
        };
        let pair = |at: usize| number(&text[at..at + 2]).and_then(|n| i8::try_from(n).ok());
        let civil =
            civil::DateTime::new(number(&text[..4])?, pair(4)?, pair(6)?, pair(9)?, pair(11)?, pair(13)?, 0).ok()?;
        Some(Self { text, at: TimeZone::UTC.to_timestamp(civil).ok()? })
    }

    /// `20150830T123600Z`.
    pub(in crate::identity) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text).unwrap_or_default()
    }

    /// `20150830`.
    pub(super) fn day(&self) -> &str {
        self.as_str().get(..8).unwrap_or_default()
    }
}

/// 32 bytes from 64 lower-case hexadecimal digits. Upper case is refused, so that a hash has one spelling.
pub(super) fn hex_sha256(text: &[u8]) -> Option<[u8; 32]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; 32];
    if text.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

pub(super) fn incomplete(message: &str) -> ApiError {
    ApiError::incomplete_signature(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNATURE: &str = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";

    #[test]
    fn parameters_come_in_any_order_with_or_without_blanks() {
        let credential = "Credential=AKIDEXAMPLE/20150830/eu-west-1/securityhub/aws4_request";
        let (headers, signature) = ("SignedHeaders=host;x-amz-date", format!("Signature={SIGNATURE}"));
        for text in [
            format!("{ALGORITHM} {credential}, {headers}, {signature}"),
            format!("{ALGORITHM} {credential},{headers},{signature}"),
            format!("{ALGORITHM}   {signature} ,  {headers} , {credential} "),
        ] {
            let parsed = Authorization::parse(text.as_bytes()).unwrap();
            assert_eq!(parsed.access_key_id, "AKIDEXAMPLE");
            assert_eq!((parsed.day, parsed.region, parsed.service), ("20150830", "eu-west-1", "securityhub"));
            assert_eq!(parsed.signed_headers, "host;x-amz-date");
            assert_eq!((parsed.signature[0], parsed.signature[31]), (0x5f, 0x31));
        }
    }

    #[test]
    fn what_no_client_writes_is_refused_and_said() {
        let credential = "Credential=AKID/20150830/r/s/aws4_request";
        let rest = format!("SignedHeaders=host, Signature={SIGNATURE}");
        for (text, said) in [
            (String::new(), "Unsupported AWS 'algorithm': ''"),
            (format!("aws4-hmac-sha256 {credential}, {rest}"), "expects `AWS4-HMAC-SHA256`"),
            (format!("AWS4-ECDSA-P256-SHA256 {credential}, {rest}"), "'AWS4-ECDSA-P256-SHA256'"),
            (format!("AWS4-HMAC-SHA256,{credential}, {rest}"), "algorithm"),
            (ALGORITHM.to_owned(), "'' is no parameter"),
            (format!("{ALGORITHM} {rest}"), "requires 'Credential'"),
            (format!("{ALGORITHM} {credential}, Signature={SIGNATURE}"), "requires 'SignedHeaders'"),
            (format!("{ALGORITHM} {credential}, SignedHeaders=, Signature={SIGNATURE}"), "requires 'SignedHeaders'"),
            (format!("{ALGORITHM} {credential}, SignedHeaders=host"), "requires 'Signature'"),
            (format!("{ALGORITHM} {credential}, {rest},"), "'' is no parameter"),
            (format!("{ALGORITHM} {credential}, {rest}, {rest}"), "'SignedHeaders' parameter twice"),
            (format!("{ALGORITHM} {credential}, {rest}, Extra=1"), "'Extra' is no parameter"),
            (format!("{ALGORITHM} {credential}, signedheaders=host, {rest}"), "'signedheaders' is no parameter"),
            (format!("{ALGORITHM} Credential=AKID/20150830/r/s, {rest}"), "5 slash-delimited"),
            (format!("{ALGORITHM} Credential=AKID/20150830/r/s/aws4, {rest}"), "5 slash-delimited"),
            (format!("{ALGORITHM} Credential=AKID/20150830//s/aws4_request, {rest}"), "5 slash-delimited"),
            (format!("{ALGORITHM} {credential}/x, {rest}"), "5 slash-delimited"),
            (format!("{ALGORITHM} {credential}, SignedHeaders=host, Signature=5fa0"), "64 hexadecimal digits"),
            (format!("{ALGORITHM} {credential}, {}", rest.replace("5fa0", "5FA0")), "lower case"),
            (format!("{ALGORITHM} {credential}, {}", rest.replace("host", "höst")), "beyond ASCII"),
        ] {
            let error = Authorization::parse(text.as_bytes()).unwrap_err();
            assert_eq!(error.code, "IncompleteSignatureException", "{text}");
            assert!(error.message.contains(said), "{text}: {}", error.message);
        }
    }

    #[test]
    fn dates_are_read_in_one_spelling() {
        let date = AmzDate::parse(b"20150830T123600Z").unwrap();
        assert_eq!(date.at, "2015-08-30T12:36:00Z".parse().unwrap());
        assert_eq!((date.as_str(), date.day()), ("20150830T123600Z", "20150830"));
        for bad in [
            "",
            "20150830",
            "20150830T123600",
            "20150830t123600z",
            "20150830T123600+",
            "20151330T123600Z",
            "20150230T123600Z",
            "20150830T243600Z",
            "20150830T126000Z",
            "20150830T123660Z",
            "2015083 T123600Z",
            "-0150830T123600Z",
            "2015-08-30T12:36:00Z",
            "20150830T1236000Z",
        ] {
            assert_eq!(AmzDate::parse(bad.as_bytes()), None, "{bad}");
        }
    }
}

//! The checks of a signature, in order, and what to tell the person whose request fails one.
//!
//! Messages begin with the sentence that AWS's own front end has for the case, where there is one, because people search
//! for it; what to do follows.

use super::{
    canonical,
    parse::{AmzDate, Authorization, hex_sha256, incomplete, is_presigned},
    signing::{DailyKeys, derive, hex, string_to_sign},
};
use crate::{
    finding::ApiError,
    identity::{Key, Keys},
};
use aws_lc_rs::{digest, hmac};
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{AUTHORIZATION, CONTENT_TYPE, HOST},
    request::Parts,
};
use jiff::{SignedDuration, Timestamp};
use std::{collections::HashMap, fmt, sync::Arc};

/// The service of the scope: Security Hub's signing name (API model).
pub(super) const SERVICE: &str = "securityhub";

/// How far the client's clock may be from ours, both ways. Security Hub's "Common Errors" say 15 minutes.
const MAX_SKEW: SignedDuration = SignedDuration::from_mins(15);

const SECONDS_A_DAY: i64 = 24 * 60 * 60;

const X_AMZ_DATE: HeaderName = HeaderName::from_static("x-amz-date");
const X_AMZ_SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");
const X_AMZ_CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");

/// Callers that sign with issued keys.
#[derive(Debug)]
pub struct SigV4 {
    /// The Regions that requests may be signed for; at least one.
    regions: Vec<Arc<str>>,
    issued: HashMap<Arc<str>, Issued>,
}

#[derive(Debug)]
struct Issued {
    key: Key,
    /// For each Region, in the order of [`SigV4::regions`].
    daily: Box<[DailyKeys]>,
}

/// A signature whose head was found good; the body decides whether it matches.
pub(in crate::identity) struct Claim<'a> {
    region: &'a Arc<str>,
    key: &'a Key,
    daily: &'a DailyKeys,
    date: AmzDate,
    signature: [u8; 32],
    /// What `x-amz-content-sha256` says.
    declared: Option<[u8; 32]>,
    /// The canonical request up to the hash of the body.
    canonical: Vec<u8>,
}

impl SigV4 {
    /// Callers that sign with one of these keys, for one of these Regions (such as `eu-west-1`).
    pub fn new(keys: Keys, regions: impl IntoIterator<Item = impl Into<Arc<str>>>) -> Self {
        let regions: Vec<_> = regions.into_iter().map(Into::into).collect();
        let daily = || regions.iter().map(|_| DailyKeys::default()).collect();
        let issued = keys.0.into_iter().map(|(id, key)| (id, Issued { key, daily: daily() })).collect();
        Self { regions, issued }
    }

    /// Checks everything but the body and the signature.
    pub(in crate::identity) fn begin(&self, head: &Parts, now: Timestamp) -> Result<Claim<'_>, ApiError> {
        if is_presigned(head) {
            return Err(incomplete(
                "The signature is in the query (a presigned URL). This gate takes it in the header `Authorization` only: \
                 let the client sign its requests instead of presigning them.",
            ));
        }
        let headers = &head.headers;
        refuse_repeated(headers)?;
        let authorization = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
        let authorization = Authorization::parse(authorization)?;
        let host = host(head)?;
        let date = date(headers)?;
        let place = self.check_scope(&authorization, &date)?;
        check_signed_headers(headers, authorization.signed_headers)?;
        let declared = declared_hash(headers)?;
        check_skew(&date, now)?;
        let issued = self.issued(authorization.access_key_id, headers)?;
        Ok(Claim {
            region: &self.regions[place],
            key: &issued.key,
            daily: &issued.daily[place],
            date,
            signature: authorization.signature,
            declared,
            canonical: canonical::request(head, authorization.signed_headers, host),
        })
    }

    /// The place of the Region that the request is signed for, one of those that this gate expects.
    fn check_scope(&self, authorization: &Authorization<'_>, date: &AmzDate) -> Result<usize, ApiError> {
        let &Authorization { day, region, service, .. } = authorization;
        let message = if day != date.day() {
            format!(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{day}' != \
                 '{}', from '{}'.",
                date.day(),
                date.as_str()
            )
        } else if service != SERVICE {
            format!("Credential should be scoped to correct service: '{SERVICE}', not '{service}'.")
        } else if let Some(known) = self.regions.iter().position(|known| &**known == region) {
            return Ok(known);
        } else {
            let regions = self.regions.join("' or '");
            format!(
                "Credential should be scoped to a valid Region, not '{region}'. This gate expects '{regions}': set the client's \
                 Region to '{regions}'."
            )
        };
        Err(ApiError::invalid_signature(message))
    }

    /// The key that the request names, if the request's session token is the key's.
    ///
    /// The answer tells an unknown key from a wrong signature, as AWS's does: ids are no secret, and so the time taken
    /// need not hide more than the answer says.
    fn issued(&self, access_key_id: &str, headers: &HeaderMap) -> Result<&Issued, ApiError> {
        let Some(issued) = self.issued.get(access_key_id) else {
            return Err(ApiError::unrecognized_client(format!(
                "The security token included in the request is invalid: no access key `{access_key_id}` was issued for \
                 this gate. The client must sign with a key that the gate's owner issued; an AWS key does not work here."
            )));
        };
        let token = headers.get(X_AMZ_SECURITY_TOKEN).map(HeaderValue::as_bytes);
        if issued.key.accepts_token(token) {
            return Ok(issued);
        }
        let wrong = match (token, issued.key.has_token()) {
            (None, _) => "was issued with a session token, and the request carries none: give the client the token too",
            (Some(_), true) => "was issued with another session token than the request carries",
            (Some(_), false) => {
                "was issued without a session token, and the request carries one: take the token out of the client's \
                 configuration (`AWS_SESSION_TOKEN`)"
            }
        };
        Err(ApiError::unrecognized_client(format!(
            "The security token included in the request is invalid: the access key `{access_key_id}` {wrong}."
        )))
    }
}

/// A second value of these headers would leave open which of the two was proven.
fn refuse_repeated(headers: &HeaderMap) -> Result<(), ApiError> {
    let single = |name: &HeaderName| name == AUTHORIZATION || name == HOST || name.as_str().starts_with("x-amz-");
    match headers.keys().find(|name| single(name) && headers.get_all(*name).iter().nth(1).is_some()) {
        Some(name) => Err(incomplete(&format!("The header `{name}` is there more than once: expected one value."))),
        None => Ok(()),
    }
}

/// What stands for the header `host`: HTTP/2 has `:authority` instead.
fn host(head: &Parts) -> Result<&[u8], ApiError> {
    let header = head.headers.get(HOST).map(HeaderValue::as_bytes);
    let authority = head.uri.authority().map(|authority| authority.as_str().as_bytes());
    match (header, authority) {
        (Some(header), Some(authority)) if !header.eq_ignore_ascii_case(authority) => {
            Err(incomplete("The header `Host` and the host in the request's target differ: expected one host."))
        }
        (Some(host), _) | (None, Some(host)) => Ok(host),
        (None, None) => Err(incomplete("The request has no `Host` header (in HTTP/2, no `:authority`).")),
    }
}

/// `X-Amz-Date` only. The rules let `Date` stand in for it, but every client at hand sends `X-Amz-Date`, and a second
/// source of the time, which proxies add and change, would be one more way to read a request.
fn date(headers: &HeaderMap) -> Result<AmzDate, ApiError> {
    let value = headers.get(X_AMZ_DATE).ok_or_else(|| {
        incomplete(
            "Authorization header requires existence of an 'X-Amz-Date' header. A 'Date' header is not enough here.",
        )
    })?;
    AmzDate::parse(value.as_bytes())
        .ok_or_else(|| incomplete("Date must be in ISO-8601 'basic format': expected `X-Amz-Date: 20150830T123600Z`."))
}

/// The list is lower-case, in order and without repeats, names only headers that are there, and holds all that the gate
/// reads: the host, the date, and if sent the session token, the body's hash and the content type.
///
/// Other headers may stay unsigned: nothing here reads them, they are not forwarded, and proxies on the way add some.
fn check_signed_headers(headers: &HeaderMap, list: &str) -> Result<(), ApiError> {
    let mut previous = "";
    for name in list.split(';') {
        let wrong = if name.is_empty() || name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            "expected names in lower case, separated by `;`"
        } else if name <= previous {
            "expected names in alphabetical order, each once"
        } else if name != HOST.as_str() && !headers.contains_key(name) {
            "the request has no such header; a proxy on the way may have taken it out"
        } else {
            previous = name;
            continue;
        };
        return Err(incomplete(&format!("'SignedHeaders' is wrong at '{name}': {wrong}.")));
    }
    for name in [HOST, X_AMZ_DATE, X_AMZ_SECURITY_TOKEN, X_AMZ_CONTENT_SHA256, CONTENT_TYPE] {
        let needed = name == HOST || headers.contains_key(&name);
        if needed && !list.split(';').any(|signed| signed == name.as_str()) {
            return Err(ApiError::invalid_signature(format!(
                "'{name}' must be a 'SignedHeader' in the AWS Authorization: the request carries it, and it is not signed."
            )));
        }
    }
    Ok(())
}

/// What the client says that the body's hash is. Absent is fine: botocore sends it to S3 only.
fn declared_hash(headers: &HeaderMap) -> Result<Option<[u8; 32]>, ApiError> {
    let Some(value) = headers.get(X_AMZ_CONTENT_SHA256).map(HeaderValue::as_bytes) else { return Ok(None) };
    if let Some(hash) = hex_sha256(value) {
        return Ok(Some(hash));
    }
    let wrong = if value.starts_with(b"STREAMING-") {
        "signs the body in chunks, which only S3 does"
    } else if value == b"UNSIGNED-PAYLOAD" {
        "leaves the body unsigned, and what a caller changes is in the body"
    } else {
        "is no SHA-256 hash"
    };
    Err(ApiError::invalid_signature(format!(
        "The header `x-amz-content-sha256` {wrong}: expected the hash of the body in 64 hexadecimal digits in lower case, or \
         no such header. Switch payload signing on in the client."
    )))
}

fn check_skew(date: &AmzDate, now: Timestamp) -> Result<(), ApiError> {
    let age = now.duration_since(date.at);
    if age.abs() <= MAX_SKEW {
        return Ok(());
    }
    let (problem, limit, sign) =
        if age.is_positive() { ("expired", now - MAX_SKEW, '-') } else { ("not yet current", now + MAX_SKEW, '+') };
    let compared = if age.is_positive() { "earlier" } else { "later" };
    Err(ApiError::invalid_signature(format!(
        "Signature {problem}: {} is {compared} than {} ({} {sign} {} min.). The gate's clock says {}: set the client's clock.",
        date.as_str(),
        limit.strftime("%Y%m%dT%H%M%SZ"),
        now.strftime("%Y%m%dT%H%M%SZ"),
        MAX_SKEW.as_mins(),
        now.strftime("%Y-%m-%d %H:%M:%S UTC"),
    )))
}

/// Not derived: the canonical request holds the session token.
impl fmt::Debug for Claim<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim").field("key", self.key).field("date", &self.date.as_str()).finish_non_exhaustive()
    }
}

impl<'a> Claim<'a> {
    /// The key that signed the request with this body, and the Region that it signed for.
    pub(in crate::identity) fn finish(mut self, body: &[u8]) -> Result<(&'a Key, &'a Arc<str>), ApiError> {
        let hash = digest::digest(&digest::SHA256, body);
        if self.declared.is_some_and(|declared| declared != hash.as_ref()) {
            return Err(ApiError::invalid_signature(format!(
                "The body does not match the header `x-amz-content-sha256`: {} bytes were received, whose hash is another. \
                 Something between the client and the gate changed the body.",
                body.len()
            )));
        }
        self.canonical.extend_from_slice(&hex(hash.as_ref()));
        let string_to_sign = string_to_sign(&self.date, self.region, SERVICE, &self.canonical);
        let Self { key, daily, .. } = self;
        let day = self.date.at.as_second().div_euclid(SECONDS_A_DAY);
        let signing_key = daily.get(day, || derive(&key.secret, self.date.day(), self.region, SERVICE));
        // Compares in constant time.
        match hmac::verify(&signing_key, &string_to_sign, &self.signature) {
            Ok(()) => Ok((key, self.region)),
            Err(aws_lc_rs::error::Unspecified) => Err(self.mismatch(&string_to_sign)),
        }
    }

    #[cold]
    fn mismatch(&self, string_to_sign: &[u8]) -> ApiError {
        let id = &self.key.id;
        tracing::debug!(
            access_key_id = %id,
            canonical_request = ?canonical::redacted(&self.canonical),
            string_to_sign = ?String::from_utf8_lossy(string_to_sign),
            "signature does not match",
        );
        let host = self.canonical.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"host:"));
        ApiError::invalid_signature(format!(
            "The request signature we calculated does not match the signature you provided. Check the secret of the access \
             key `{id}` in the client. The host received is '{}': if the client was given another, a proxy in front rewrites \
             `Host`, which breaks signatures. The gate's log at level `debug` shows what was expected to be signed.",
            String::from_utf8_lossy(host.unwrap_or_default())
        ))
    }
}

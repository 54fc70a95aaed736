//! Signing a request, as a client does it: for the gate's own calls to itself.

use super::{
    SERVICE, canonical,
    parse::{ALGORITHM, AmzDate},
    signing::{derive, hex, string_to_sign},
};
use aws_lc_rs::{digest, hmac};
use http::{HeaderValue, header::AUTHORIZATION, header::InvalidHeaderValue, request::Parts};
use jiff::Timestamp;

/// Why a request cannot be signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The host or the key's id has characters that no header may have.
    #[error("the host or the access key id cannot be put into a header: {0}")]
    Header(#[from] InvalidHeaderValue),
    /// The time is beyond the years 0 to 9999.
    #[error("the time {0} has no four-digit year")]
    Time(Timestamp),
}

/// Signs a request to Security Hub with an access key. `host` is what the request's `Host` header will say.
///
/// It sets `host`, `x-amz-date` and `authorization`, and signs `content-type` too where that is set.
pub fn sign(
    head: &mut Parts,
    body: &[u8],
    host: &str,
    (access_key_id, secret): (&str, &str),
    region: &str,
    now: Timestamp,
) -> Result<(), SignError> {
    let text = now.strftime("%Y%m%dT%H%M%SZ").to_string();
    let date = AmzDate::parse(text.as_bytes()).ok_or(SignError::Time(now))?;
    head.headers.insert("host", HeaderValue::from_str(host)?);
    head.headers.insert("x-amz-date", HeaderValue::from_str(&text)?);
    let signed_headers =
        if head.headers.contains_key("content-type") { "content-type;host;x-amz-date" } else { "host;x-amz-date" };
    let mut canonical = canonical::request(head, signed_headers, host.as_bytes());
    canonical.extend_from_slice(&hex(digest::digest(&digest::SHA256, body).as_ref()));
    let secret = hmac::Key::new(hmac::HMAC_SHA256, format!("AWS4{secret}").as_bytes());
    let key = derive(&secret, date.day(), region, SERVICE);
    let signature = hmac::sign(&key, &string_to_sign(&date, region, SERVICE, &canonical));
    let signature = hex(signature.as_ref());
    let authorization = format!(
        "{ALGORITHM} Credential={access_key_id}/{}/{region}/{SERVICE}/aws4_request, SignedHeaders={signed_headers}, \
         Signature={}",
        date.day(),
        String::from_utf8_lossy(&signature)
    );
    let mut authorization = HeaderValue::from_str(&authorization)?;
    authorization.set_sensitive(true);
    head.headers.insert(AUTHORIZATION, authorization);
    Ok(())
}

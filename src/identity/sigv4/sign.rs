//! Signing a request, as a client does it: for the gate's own calls to itself.

use super::{
    SERVICE, canonical,
    parse::{ALGORITHM, AmzDate},
    signing::{derive, hex, string_to_sign},
};
use http::{HeaderValue, header::AUTHORIZATION, header::InvalidHeaderValue, request::Parts};
use jiff::Timestamp;
use ring::{digest, hmac};

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
) -> Result<(), InvalidHeaderValue> {
    let text = now.strftime("%Y%m%dT%H%M%SZ").to_string();
    head.headers.insert("host", HeaderValue::from_str(host)?);
    head.headers.insert("x-amz-date", HeaderValue::from_str(&text)?);
    let signed_headers =
        if head.headers.contains_key("content-type") { "content-type;host;x-amz-date" } else { "host;x-amz-date" };
    let mut canonical = canonical::request(head, signed_headers, host.as_bytes());
    canonical.extend_from_slice(&hex(digest::digest(&digest::SHA256, body).as_ref()));
    // What was just written reads back.
    let Some(date) = AmzDate::parse(text.as_bytes()) else { return HeaderValue::from_bytes(b"\n").map(drop) };
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

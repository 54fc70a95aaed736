//! Signing a request to the backend with AWS Signature Version 4, by AWS's own signer.
//!
//! Signed are exactly the headers that the gate sets: `content-type` (of a request with a body), `host`, `x-amz-date` and, with
//! temporary credentials, `x-amz-security-token`. Those are the ones that the AWS SDKs sign for Security Hub. `content-length` is
//! left out because hyper writes it; there is no `x-amz-content-sha256`, which only S3 asks for: the body's hash is part of what is
//! signed all the same.
//!
//! The signer has no way to be handed the day's key, and derives it anew for each request. That is a tenth of the 8 µs that it takes in
//! all (12 KB of body: 10 µs), next to a call that takes milliseconds.

use super::Failure;
use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign as sign_http},
    sign::v4::SigningParams,
};
use http::{HeaderMap, HeaderValue, Method, Uri};
use std::time::SystemTime;

/// The name under which Security Hub checks signatures.
const SERVICE: &str = "securityhub";

/// Signs a request whose headers are `headers`, and adds those that carry the signature. It must have `host` among them.
pub(super) fn sign(
    (method, uri, body): (&Method, &Uri, &[u8]),
    headers: &mut HeaderMap,
    credentials: &Credentials,
    region: &str,
    now: SystemTime,
) -> Result<(), Failure> {
    let identity = credentials.clone().into();
    let mut settings = SigningSettings::default();
    // Nothing is there that it would have to leave out.
    settings.excluded_headers = None;
    let params = SigningParams::builder().identity(&identity).region(region).name(SERVICE).time(now).settings(settings);
    let params = params.build().map_err(|error| unusable(&error))?.into();
    // The gate's own headers, so that each is text.
    let pairs = headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let request = SignableRequest::new(method.as_str(), uri.to_string(), pairs, SignableBody::Bytes(body));
    let request = request.map_err(|error| unusable(&error))?;
    let (instructions, _) = sign_http(request, &params).map_err(|error| unusable(&error))?.into_parts();
    for header in instructions.into_parts().0 {
        let mut value = HeaderValue::from_str(header.value()).map_err(|error| unusable(&error))?;
        value.set_sensitive(header.sensitive() || header.name() == "authorization");
        headers.insert(header.name(), value);
    }
    Ok(())
}

/// The signer's errors speak of characters that a header cannot have, and hold no secret; still only their kind is told.
fn unusable(_: &dyn std::error::Error) -> Failure {
    Failure::Credentials {
        reason: "its credentials cannot be put into a request: the access key id or the session token has characters that no \
                 header may have"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
    use std::time::{Duration, UNIX_EPOCH};

    /// 2015-08-30T12:36:00Z, as in AWS's test suite.
    const NOW: u64 = 1_440_938_160;

    fn signed(token: Option<&str>, method: &Method, uri: &str, body: &str) -> Result<HeaderMap, Failure> {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static("securityhub.eu-west-1.amazonaws.com"));
        if !body.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        let credentials = Credentials::new("AKIDEXAMPLE", secret, token.map(str::to_owned), None, "test");
        let now = UNIX_EPOCH + Duration::from_secs(NOW);
        sign((method, &uri.parse().unwrap(), body.as_bytes()), &mut headers, &credentials, "eu-west-1", now)?;
        Ok(headers)
    }

    #[test]
    fn exactly_the_documented_headers_are_signed_and_sent() {
        for (token, body, expected) in [
            (None, "{}", "content-type;host;x-amz-date"),
            (Some("token/=="), "{}", "content-type;host;x-amz-date;x-amz-security-token"),
            (None, "", "host;x-amz-date"),
            (Some("token/=="), "", "host;x-amz-date;x-amz-security-token"),
        ] {
            let headers = signed(token, &Method::PATCH, "/findings/batchupdate", body).unwrap();
            let mut names: Vec<_> = headers.keys().map(http::HeaderName::as_str).collect();
            names.retain(|name| *name != "authorization");
            names.sort_unstable();
            assert_eq!(names.join(";"), expected);
            let authorization = headers[AUTHORIZATION].to_str().unwrap();
            let begin = format!(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/eu-west-1/securityhub/aws4_request, \
                 SignedHeaders={expected}, Signature="
            );
            assert!(authorization.starts_with(&begin), "{authorization}");
            assert!(headers[AUTHORIZATION].is_sensitive(), "it would be told by Debug");
            assert!(headers.get("x-amz-security-token").is_none_or(HeaderValue::is_sensitive));
        }
    }

    /// The gate's own check of signatures, which is another's work and held against AWS's test suite.
    #[test]
    fn another_implementation_comes_to_the_same_signature() {
        let now = jiff::Timestamp::from_second(NOW.try_into().unwrap()).unwrap();
        for (method, uri, body) in [
            (Method::PATCH, "/findings/batchupdate", r#"{"Note":{"Text":"é – ✓"}}"#),
            (Method::POST, "/findings", "{}"),
            (Method::GET, "/automationrules/list?NextToken=a%2Fb%3D&MaxResults=1", ""),
        ] {
            let ours = signed(None, &method, uri, body).unwrap();
            let mut request = http::Request::builder().method(method).uri(uri);
            if !body.is_empty() {
                request = request.header(CONTENT_TYPE, "application/json");
            }
            let (mut head, ()) = request.body(()).unwrap().into_parts();
            let key = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
            let host = "securityhub.eu-west-1.amazonaws.com";
            crate::identity::sign(&mut head, body.as_bytes(), host, key, "eu-west-1", now).unwrap();
            assert_eq!(ours[AUTHORIZATION], head.headers[AUTHORIZATION], "{uri}");
        }
    }

    #[test]
    fn credentials_that_no_header_can_carry_are_told_without_them() {
        let failure = signed(Some("to\nken"), &Method::POST, "/findings", "{}").unwrap_err();
        assert!(matches!(failure, Failure::Credentials { .. }), "{failure:?}");
        assert!(!failure.to_string().contains("ken\""), "{failure}");
        assert_eq!(failure.to_api_error().status, 503);
    }
}

//! Presigning a GetCallerIdentity, as a client does it that makes a token.

use super::{GATE_ID, GateName, StsHost};
use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SignatureLocation, SigningError, SigningSettings, sign},
    sign::v4,
};
use jiff::Timestamp;
use std::{fmt::Write, iter, time::Duration};

/// How long the signer wants the request to be good. STS takes it for as long whatever is said here.
const EXPIRES: Duration = Duration::from_mins(15);

/// Why a request cannot be presigned. No message shows the credentials.
#[derive(Debug, thiserror::Error)]
pub enum PresignError {
    /// The signer lacks something.
    #[error("the request to STS cannot be signed: {0}")]
    Parameters(#[from] v4::signing_params::BuildError),
    /// The request cannot be signed.
    #[error("the request to STS cannot be signed: {0}")]
    Signing(#[from] SigningError),
}

/// The URL of a GetCallerIdentity that `credentials` sign for a gate. `host` is where STS will be asked, `region` the Region that it is in.
pub fn presign(
    credentials: Credentials,
    gate: &GateName,
    host: &StsHost,
    region: &str,
    now: Timestamp,
) -> Result<String, PresignError> {
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(EXPIRES);
    let identity = credentials.into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("sts")
        .time(now.into())
        .settings(settings)
        .build()?
        .into();
    let mut url = format!("{host}/?Action=GetCallerIdentity&Version=2011-06-15");
    let name = GATE_ID;
    let headers = iter::once((name.as_str(), gate.as_str()));
    let request = SignableRequest::new("GET", url.clone(), headers, SignableBody::Bytes(b""))?;
    let (instructions, _) = sign(request, &params)?.into_parts();
    for (name, value) in instructions.params() {
        // Writing to a string cannot fail.
        let _ = write!(url, "&{name}={}", encoded(value));
    }
    Ok(url)
}

/// Everything but RFC 3986's unreserved characters as `%XX`.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            // As above.
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::{super::token::Presigned, *};

    /// As botocore 1.44.8 presigns it: `RequestSigner.generate_presigned_url` with these credentials, at this time.
    const BOTOCORE: &str = "https://sts.eu-west-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15\
        &X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20260301%2Feu-west-1%2Fsts%2Faws4_request\
        &X-Amz-Date=20260301T120000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host%3Bx-findings-gate-id\
        &X-Amz-Security-Token=tok%2F%2B%3D&X-Amz-Signature=";

    #[test]
    fn a_url_is_signed_for_the_gate_and_is_one_that_the_gate_takes() {
        let credentials = || Credentials::new("AKIDEXAMPLE", "s3cret", Some("tok/+=".into()), None, "test");
        let (host, now) = (StsHost::of_region("eu-west-1").remove(0), "2026-03-01T12:00:00Z".parse().unwrap());
        let url = |gate: &str| presign(credentials(), &gate.parse().unwrap(), &host, "eu-west-1", now).unwrap();
        let mut parts: Vec<String> = url("gate.example").split('&').map(str::to_owned).collect();
        let mut expected: Vec<&str> = BOTOCORE.split('&').collect();
        parts.sort();
        expected.sort_unstable();
        let signature = parts.iter().position(|part| part.starts_with("X-Amz-Signature=")).unwrap();
        assert_eq!(
            parts.remove(signature),
            "X-Amz-Signature=dda6067322a92cb1d9844550afafc3a3b3f182402a106418d2e4cd54f9f1cc2c"
        );
        expected.retain(|part| *part != "X-Amz-Signature=");
        assert_eq!(parts, expected);
        assert_ne!(url("gate.example"), url("other.example"), "the name is signed");
        let gate = "gate.example".parse().unwrap();
        let token = super::super::token(&url("gate.example"));
        assert!(Presigned::read(token.as_bytes(), &gate, std::slice::from_ref(&host), now).is_ok());
    }
}

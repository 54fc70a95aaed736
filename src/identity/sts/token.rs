//! A token, and all that can be wrong with it before anybody is asked.
//!
//! What STS will be asked is what the caller wrote: so nothing of it is taken on trust but its signature, which only STS can check. It must be
//! the one request that says who signed it, to a host that is known to be STS, bound to a gate's name, and young.

use super::{GateName, StsHost, TOKEN};
use crate::{finding::ApiError, identity::sigv4::AmzDate};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::Uri;
use jiff::{SignedDuration, Timestamp};
use std::{borrow::Cow, fmt};

/// What a token begins with. A later form gets another version.
const PREFIX: &str = "fg-sts-v1.";
/// The longest token, in bytes. The session token, which is most of it, has 400 to 2000 bytes.
pub(super) const LONGEST: usize = 8 << 10;
/// How far from now a token's date may be, and so how long it is good. STS takes a presigned request for 15 minutes after its date, whatever its
/// `X-Amz-Expires` says (aws-iam-authenticator relies on the same).
const MAX_AGE: SignedDuration = SignedDuration::from_mins(15);
/// The longest `X-Amz-Expires`, in seconds.
const MOST_EXPIRES: u32 = 900;
/// The headers that must be signed: these and no other, because no other is sent.
const SIGNED_HEADERS: &str = "host;x-findings-gate-id";

/// The query parameters, with whether each must be there.
const PARAMETERS: [(&str, bool); 9] = [
    ("Action", true),
    ("Version", true),
    ("X-Amz-Algorithm", true),
    ("X-Amz-Credential", true),
    ("X-Amz-Date", true),
    ("X-Amz-Expires", true),
    ("X-Amz-SignedHeaders", true),
    ("X-Amz-Signature", true),
    ("X-Amz-Security-Token", false),
];

/// The token that carries a presigned URL, as the header `x-findings-gate-sts-token` has it.
pub fn token(url: &str) -> String {
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(url))
}

/// A presigned GetCallerIdentity that may be sent.
pub(super) struct Presigned {
    /// All of it. Its query is a secret while it is young.
    pub(super) uri: Uri,
    /// When it stops being good.
    pub(super) until: Timestamp,
}

/// Not derived: the URI is a secret.
impl fmt::Debug for Presigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presigned").field("until", &self.until).finish_non_exhaustive()
    }
}

impl Presigned {
    /// Reads a token that is meant for `gate`, and checks everything but its signature.
    pub(super) fn read(token: &[u8], gate: &GateName, hosts: &[StsHost], now: Timestamp) -> Result<Self, ApiError> {
        let encoded = token.strip_prefix(PREFIX.as_bytes()).ok_or_else(|| {
            malformed(format!(
                "does not begin with `{PREFIX}`: `findings-gate token --gate {gate}` makes one that does"
            ))
        })?;
        let url =
            URL_SAFE_NO_PAD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(|| {
                malformed(format!(
                    "is not base64url after `{PREFIX}` (RFC 4648, section 5, without `=`), or holds no text"
                ))
            })?;
        if !url.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(malformed("holds a URL with blanks, control characters or characters beyond ASCII"));
        }
        let query = query(&url, hosts)?;
        let values = parameters(query)?;
        let value = |name: &str| values.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| &**value);
        check_request(&value)?;
        let until = check_time(&value, now)?;
        let uri = url.parse().map_err(|_| malformed("holds no URL"))?;
        Ok(Self { uri, until })
    }
}

/// The query of a URL, the rest of which is one of the hosts and `/`.
fn query<'u>(url: &'u str, hosts: &[StsHost]) -> Result<&'u str, ApiError> {
    let Some((scheme, rest)) = url.split_once("://").filter(|(scheme, _)| matches!(*scheme, "https" | "http")) else {
        return Err(malformed("holds no URL that begins with `https://`"));
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    if !hosts.iter().any(|host| host.is(scheme, authority)) {
        let expected: Vec<String> = hosts.iter().map(|host| format!("`{host}`")).collect();
        return Err(ApiError::invalid_signature(format!(
            "The STS token is for `{scheme}://{}`, and this gate asks only {}: presign the request for that host.",
            shown(authority.rsplit('@').next().unwrap_or_default()),
            expected.join(" or ")
        )));
    }
    if rest.contains('#') {
        return Err(malformed("holds a URL with a fragment"));
    }
    rest.strip_prefix("/?").ok_or_else(|| malformed("holds a URL whose path is not `/`, or that has no query"))
}

/// The query's parameters with their values, each known and each once.
fn parameters(query: &str) -> Result<Vec<(&'static str, Cow<'_, str>)>, ApiError> {
    let mut values: Vec<(&'static str, Cow<'_, str>)> = Vec::with_capacity(PARAMETERS.len());
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let Some((known, _)) = PARAMETERS.iter().find(|(known, _)| *known == name) else {
            return Err(malformed(format!(
                "has the query parameter `{}`, which a GetCallerIdentity has not",
                shown(name)
            )));
        };
        if values.iter().any(|(earlier, _)| earlier == known) {
            return Err(malformed(format!("has the query parameter `{known}` twice")));
        }
        let value = decoded(value).ok_or_else(|| {
            malformed(format!("has a value of `{known}` that is not percent-encoded as AWS's signers do it"))
        })?;
        values.push((known, value));
    }
    match PARAMETERS.iter().find(|(name, required)| *required && !values.iter().any(|(known, _)| known == name)) {
        Some((name, _)) => Err(malformed(format!("lacks the query parameter `{name}`"))),
        None => Ok(values),
    }
}

/// That it is the request that says who signed it, in the form that is signed for one gate.
fn check_request<'v>(value: &impl Fn(&str) -> &'v str) -> Result<(), ApiError> {
    for (name, expected) in
        [("Action", "GetCallerIdentity"), ("Version", "2011-06-15"), ("X-Amz-Algorithm", "AWS4-HMAC-SHA256")]
    {
        if value(name) != expected {
            return Err(ApiError::invalid_signature(format!(
                "The STS token has {name} `{}`: expected `{expected}`.",
                shown(value(name))
            )));
        }
    }
    let scope: Vec<&str> = value("X-Amz-Credential").split('/').collect();
    let [_, _, _, "sts", "aws4_request"] = scope[..] else {
        return Err(ApiError::invalid_signature(
            "The STS token's X-Amz-Credential is not scoped to STS: expected <access key id>/<yyyymmdd>/<region>/sts/aws4_request.",
        ));
    };
    if value("X-Amz-SignedHeaders") != SIGNED_HEADERS {
        return Err(ApiError::invalid_signature(format!(
            "The STS token signs the headers `{}`: expected `{SIGNED_HEADERS}`. The header `x-findings-gate-id` holds the gate's name, and \
             without it the token would be good at any gate.",
            shown(value("X-Amz-SignedHeaders"))
        )));
    }
    let signature = value("X-Amz-Signature");
    if signature.len() != 64 || !signature.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return Err(malformed("has an X-Amz-Signature that is not 64 hexadecimal digits in lower case"));
    }
    Ok(())
}

/// Until when it is good.
fn check_time<'v>(value: &impl Fn(&str) -> &'v str, now: Timestamp) -> Result<Timestamp, ApiError> {
    let expires = value("X-Amz-Expires");
    let fits = |seconds: u32| (1..=MOST_EXPIRES).contains(&seconds) && seconds.to_string() == expires;
    if !expires.parse().is_ok_and(fits) {
        return Err(malformed(format!("has an X-Amz-Expires that is not a whole number from 1 to {MOST_EXPIRES}")));
    }
    let date = AmzDate::parse(value("X-Amz-Date").as_bytes())
        .ok_or_else(|| malformed("has an X-Amz-Date that is not of the form `20150830T123600Z`"))?;
    let age = now.duration_since(date.at);
    if age.abs() > MAX_AGE {
        let wrong = if age.is_positive() { "older" } else { "later" };
        return Err(ApiError::request_expired(format!(
            "Request has expired: the STS token is of {}, which is more than {} minutes {wrong} than now. The gate's clock says {}: make a \
             new token, and set the client's clock if it differs.",
            date.as_str(),
            MAX_AGE.as_mins(),
            now.strftime("%Y-%m-%d %H:%M:%S UTC")
        )));
    }
    Ok(date.at.saturating_add(MAX_AGE).unwrap_or(date.at))
}

/// A value without its percent-encoding. Signers leave RFC 3986's unreserved characters as they are and encode all others; what is not written
/// so could be read in two ways.
fn decoded(value: &str) -> Option<Cow<'_, str>> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    if value.bytes().all(plain) {
        return Some(Cow::Borrowed(value));
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut out = Vec::with_capacity(value.len());
    let mut bytes = value.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => out.push(digit(bytes.next()?)? << 4 | digit(bytes.next()?)?),
            _ if plain(byte) => out.push(byte),
            _ => return None,
        }
    }
    let text = String::from_utf8(out).ok()?;
    text.bytes().all(|byte| byte.is_ascii_graphic()).then_some(Cow::Owned(text))
}

/// The beginning of a text, for a message.
fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

fn malformed(wrong: impl fmt::Display) -> ApiError {
    ApiError::incomplete_signature(format!("The header `{TOKEN}` {wrong}."))
}

/// That a token is longer than any that is looked at.
#[cold]
pub(super) fn too_long(length: usize) -> ApiError {
    malformed(format!("has {length} bytes: expected at most {LONGEST}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str = "https://sts.eu-west-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15\
        &X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=ASIAEXAMPLE%2F20260301%2Feu-west-1%2Fsts%2Faws4_request\
        &X-Amz-Date=20260301T120000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host%3Bx-findings-gate-id\
        &X-Amz-Security-Token=IQoJ%2F%2Bs3cret%3D\
        &X-Amz-Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";

    fn read_at(token: &[u8], now: &str) -> Result<Presigned, ApiError> {
        let hosts = StsHost::of_region("eu-west-1");
        Presigned::read(token, &"gate.example".parse().unwrap(), &hosts, now.parse().unwrap())
    }

    fn read(url: &str) -> Result<Presigned, ApiError> {
        read_at(token(url).as_bytes(), "2026-03-01T12:00:00Z")
    }

    #[test]
    fn a_good_token_is_sent_as_it_was_signed() {
        let presigned = read(GOOD).unwrap();
        assert_eq!(presigned.uri.to_string(), GOOD);
        assert_eq!(presigned.until, "2026-03-01T12:15:00Z".parse().unwrap());
        let without = GOOD.replace("&X-Amz-Security-Token=IQoJ%2F%2Bs3cret%3D", "");
        assert!(read(&without).is_ok(), "an IAM user's key has no session token");
        assert!(read(&GOOD.replace("sts.eu-west-1.", "sts.")).is_ok());
        assert!(!format!("{presigned:?}").contains("s3cret"));
    }

    #[test]
    fn every_other_form_is_refused() {
        for (from, to, code, told) in [
            ("https://", "http://", "InvalidSignatureException", "is for `http://sts.eu-west-1.amazonaws.com`"),
            ("https://", "", "IncompleteSignatureException", "begins with `https://`"),
            ("https://", "ftp://", "IncompleteSignatureException", "begins with `https://`"),
            (
                "sts.eu-west-1.",
                "sts.us-east-1.",
                "InvalidSignatureException",
                "asks only `https://sts.eu-west-1.amazonaws.com` or",
            ),
            ("amazonaws.com/", "amazonaws.com.evil.example/", "InvalidSignatureException", "evil.example"),
            ("amazonaws.com/", "amazonaws.com:443/", "InvalidSignatureException", "amazonaws.com:443`"),
            ("https://", "https://user:pw@", "InvalidSignatureException", "is for `https://sts.eu-west-1"),
            ("sts.eu-west-1.amazonaws.com/", "evil.example/", "InvalidSignatureException", "`https://evil.example`"),
            ("https://sts", "https://STS", "InvalidSignatureException", "`https://STS."),
            ("com/?", "com//?", "IncompleteSignatureException", "path is not `/`"),
            ("com/?", "com?", "IncompleteSignatureException", "path is not `/`"),
            ("com/?", "com/x?", "IncompleteSignatureException", "path is not `/`"),
            ("com/?", "com/#", "IncompleteSignatureException", "fragment"),
            ("&X-Amz-Date", "&Foo=1&X-Amz-Date", "IncompleteSignatureException", "`Foo`, which"),
            ("&X-Amz-Date", "&&X-Amz-Date", "IncompleteSignatureException", "``, which"),
            ("&X-Amz-Date", "&Action=GetCallerIdentity&X-Amz-Date", "IncompleteSignatureException", "`Action` twice"),
            ("Action=", "action=", "IncompleteSignatureException", "`action`, which"),
            ("Action=", "%41ction=", "IncompleteSignatureException", "`%41ction`, which"),
            ("X-Amz-Expires=60&", "", "IncompleteSignatureException", "lacks the query parameter `X-Amz-Expires`"),
            ("GetCallerIdentity", "GetSessionToken", "InvalidSignatureException", "Action `GetSessionToken`"),
            ("2011-06-15", "2012-06-15", "InvalidSignatureException", "Version `2012-06-15`"),
            ("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256", "InvalidSignatureException", "X-Amz-Algorithm"),
            ("%2Fsts%2F", "%2Fiam%2F", "InvalidSignatureException", "not scoped to STS"),
            ("%2Fsts%2F", "/sts/", "IncompleteSignatureException", "`X-Amz-Credential` that is not percent-encoded"),
            ("aws4_request", "aws4_request%2", "IncompleteSignatureException", "not percent-encoded"),
            ("s3cret", "s3+cret", "IncompleteSignatureException", "not percent-encoded"),
            ("s3cret", "s3%00cret", "IncompleteSignatureException", "not percent-encoded"),
            ("s3cret", "s3%ffcret", "IncompleteSignatureException", "not percent-encoded"),
            ("s3cret", "s3 cret", "IncompleteSignatureException", "blanks"),
            ("%3Bx-findings-gate-id", "", "InvalidSignatureException", "signs the headers `host`: expected"),
            ("host%3B", "", "InvalidSignatureException", "signs the headers `x-findings-gate-id`"),
            ("gate-id", "gate-id%3Bx-other", "InvalidSignatureException", "id;x-other`"),
            ("Expires=60", "Expires=901", "IncompleteSignatureException", "1 to 900"),
            ("Expires=60", "Expires=0", "IncompleteSignatureException", "1 to 900"),
            ("Expires=60", "Expires=060", "IncompleteSignatureException", "1 to 900"),
            ("20260301T120000Z", "20260301", "IncompleteSignatureException", "X-Amz-Date"),
            ("=5fa0", "=5FA0", "IncompleteSignatureException", "X-Amz-Signature"),
            ("=5fa0", "=", "IncompleteSignatureException", "X-Amz-Signature"),
        ] {
            assert!(GOOD.contains(from), "{from}");
            let error = read(&GOOD.replacen(from, to, 1)).unwrap_err();
            assert_eq!((error.status, error.code), (403, code), "{from} -> {to}: {}", error.message);
            assert!(error.message.contains(told), "{from} -> {to}: {}", error.message);
            assert!(!error.message.contains("s3cret") && !error.message.contains("pw"), "{}", error.message);
        }
    }

    proptest! {
        /// However a good URL is changed: what is taken is asked of STS and of nobody else, for nothing but who signed it.
        #[test]
        fn whatever_is_taken_is_sent_to_sts_as_it_is(at in 0..GOOD.len(), gone in 0_usize..4, put in "[a-z%&=/?#@:.A-Z0-9 \\\\]{0,4}") {
            let end = (at + gone).min(GOOD.len());
            let url = format!("{}{put}{}", &GOOD[..at], &GOOD[end..]);
            if let Ok(Presigned { uri, .. }) = read(&url) {
                prop_assert_eq!(uri.to_string(), url.clone());
                let host = uri.authority().map(http::uri::Authority::as_str);
                prop_assert!(matches!(host, Some("sts.eu-west-1.amazonaws.com" | "sts.amazonaws.com")), "{}", url);
                prop_assert_eq!((uri.scheme_str(), uri.path()), (Some("https"), "/"));
                let query = uri.query().unwrap_or_default();
                let mut names: Vec<&str> = query.split('&').filter_map(|pair| pair.split('=').next()).collect();
                names.sort_unstable();
                let mut known: Vec<&str> = PARAMETERS.iter().map(|(name, _)| *name).collect();
                known.sort_unstable();
                known.retain(|name| *name != "X-Amz-Security-Token" || names.contains(name));
                prop_assert_eq!(names, known);
                prop_assert!(query.contains("Action=GetCallerIdentity&"), "{}", url);
            }
        }

        #[test]
        fn no_token_breaks_the_reader(token: Vec<u8>, url in "[ -~]{0,64}") {
            let _ = (read_at(&token, "2026-03-01T12:00:00Z"), read(&url));
        }
    }

    #[test]
    fn a_token_has_its_version_and_its_encoding() {
        let good = token(GOOD);
        for (bad, told) in [
            (GOOD.to_owned(), "does not begin with `fg-sts-v1.`"),
            (good.replacen("v1", "v2", 1), "does not begin"),
            (format!("Bearer {good}"), "does not begin"),
            (format!("{good}="), "not base64url"),
            ("fg-sts-v1.".to_owned(), "begins with `https://`"),
            ("fg-sts-v1._w".to_owned(), "holds no text"),
        ] {
            let error = read_at(bad.as_bytes(), "2026-03-01T12:00:00Z").unwrap_err();
            assert_eq!((error.status, error.code), (403, "IncompleteSignatureException"), "{bad}");
            assert!(error.message.contains(told), "{bad}: {}", error.message);
        }
    }

    #[test]
    fn a_token_is_good_for_15_minutes_on_both_sides_of_its_date() {
        let good = token(GOOD);
        for now in ["2026-03-01T11:45:00Z", "2026-03-01T12:15:00Z"] {
            assert!(read_at(good.as_bytes(), now).is_ok(), "{now}");
        }
        for (now, told) in [
            (
                "2026-03-01T11:44:59Z",
                "more than 15 minutes later than now. The gate's clock says 2026-03-01 11:44:59 UTC",
            ),
            (
                "2026-03-01T12:15:01Z",
                "more than 15 minutes older than now. The gate's clock says 2026-03-01 12:15:01 UTC",
            ),
        ] {
            let error = read_at(good.as_bytes(), now).unwrap_err();
            assert_eq!((error.status, error.code), (400, "RequestExpired"), "{now}");
            assert!(error.message.contains(told), "{}", error.message);
        }
    }
}

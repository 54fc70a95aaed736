//! Asking a URL for a bundle.

use crate::{
    bundle::{LARGEST_SIGNATURES, SIGNATURES},
    net::{Client, RequestError},
};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Request, StatusCode, Uri,
    header::{ACCEPT, ETAG, IF_NONE_MATCH, LOCATION, USER_AGENT},
    uri::PathAndQuery,
};
use http_body_util::Full;

/// The longest `ETag` that is kept, in bytes. A longer one is as good as none.
const LONGEST_ETAG: usize = 512;

/// A bundle and its signatures as they came, and what to ask with the next time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The bundle.
    pub bundle: Bytes,
    /// Its file of signatures.
    pub signatures: Bytes,
    /// The bundle's `ETag`.
    pub etag: Option<String>,
    /// The `ETag` of the signatures.
    pub signatures_etag: Option<String>,
}

/// What came the last time: each of the two is asked for only if it is another one now.
pub type Last = Fetched;

/// Why nothing was fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// There was no answer.
    #[error("{what} could not be fetched: {why}")]
    Request {
        /// The bundle, or its signatures.
        what: &'static str,
        /// Why not.
        why: RequestError,
    },
    /// The answer was another one.
    #[error("{what} could not be fetched: {host} answered {status}{hint}")]
    Status {
        /// The bundle, or its signatures.
        what: &'static str,
        /// Who was asked.
        host: String,
        /// What it said.
        status: StatusCode,
        /// What that may mean.
        hint: &'static str,
    },
    /// It is larger than it can be.
    #[error("the signatures are larger than {} KiB", LARGEST_SIGNATURES >> 10)]
    TooLarge,
}

/// Fetches what is at `url` and, with `.sig` behind its path, the signatures of it. What has not changed since `last` is that of `last`:
/// a signature that was added to a bundle comes without the bundle.
pub async fn fetch(client: &Client, url: &Uri, last: Option<&Last>) -> Result<Fetched, FetchError> {
    let etag = last.and_then(|last| last.etag.as_deref());
    let fresh = get(client, "the bundle", url, etag).await?;
    let signatures_etag = last.and_then(|last| last.signatures_etag.as_deref());
    // Of a bundle that is new, the signatures are new.
    let signatures_etag = if fresh.is_some() { None } else { signatures_etag };
    let signatures = get(client, "the file of signatures", &beside(url), signatures_etag).await?;
    let unmodified = |what: fn(&Last) -> (&Bytes, &Option<String>)| {
        let (bytes, etag) = last.map(what).unzip();
        (bytes.cloned().unwrap_or_default(), etag.cloned().flatten())
    };
    let (bundle, etag) = fresh.unwrap_or_else(|| unmodified(|last| (&last.bundle, &last.etag)));
    let (signatures, signatures_etag) =
        signatures.unwrap_or_else(|| unmodified(|last| (&last.signatures, &last.signatures_etag)));
    if signatures.len() > LARGEST_SIGNATURES {
        return Err(FetchError::TooLarge);
    }
    Ok(Fetched { bundle, signatures, etag, signatures_etag })
}

/// One document and its `ETag`; nothing if it is still the one with this `ETag`.
async fn get(
    client: &Client,
    what: &'static str,
    url: &Uri,
    etag: Option<&str>,
) -> Result<Option<(Bytes, Option<String>)>, FetchError> {
    let mut request = Request::new(Full::default());
    *request.uri_mut() = url.clone();
    let headers = request.headers_mut();
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("findings-gate/", env!("CARGO_PKG_VERSION"))));
    let asked = etag.and_then(|etag| HeaderValue::from_str(etag).ok());
    headers.extend(asked.clone().map(|etag| (IF_NONE_MATCH, etag)));
    let answer = client.send(request).await.map_err(|why| FetchError::Request { what, why })?;
    match answer.status {
        StatusCode::OK => Ok(Some((answer.body, tag(&answer.headers)))),
        StatusCode::NOT_MODIFIED if asked.is_some() => Ok(None),
        status => {
            let hint = match status {
                _ if answer.headers.contains_key(LOCATION) => {
                    " (redirects are not followed: name the URL that they end at)"
                }
                StatusCode::NOT_FOUND if what != "the bundle" => {
                    " (`bundle sign` makes it: upload it beside the bundle)"
                }
                _ => "",
            };
            let host = url.authority().map(ToString::to_string).unwrap_or_default();
            Err(FetchError::Status { what, host, status, hint })
        }
    }
}

fn tag(headers: &HeaderMap) -> Option<String> {
    let tag = headers.get(ETAG)?.to_str().ok()?;
    (!tag.is_empty() && tag.len() <= LONGEST_ETAG).then(|| tag.to_owned())
}

/// The URL of the signatures: the path with `.sig` behind it, and the same query.
fn beside(url: &Uri) -> Uri {
    let mut parts = url.clone().into_parts();
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    let path: Option<PathAndQuery> = format!("{}{SIGNATURES}{query}", url.path()).parse().ok();
    parts.path_and_query = path.or(parts.path_and_query);
    Uri::from_parts(parts).unwrap_or_else(|_| url.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_beside_the_bundle() {
        for (url, expected) in [
            ("https://x/b.tar", "https://x/b.tar.sig"),
            ("https://x:8443/a/b.tar?v=1&w=/", "https://x:8443/a/b.tar.sig?v=1&w=/"),
            ("http://[::1]:80/b.tar", "http://[::1]:80/b.tar.sig"),
        ] {
            assert_eq!(beside(&url.parse().unwrap()).to_string(), expected);
        }
    }
}

//! Where an issuer's keys are, and how they come.

use super::key_set::KeySet;
use crate::net::{Client, TrustError};
use http::{StatusCode, Uri, uri::Scheme};
use serde::Deserialize;
use std::{fs::File, io::Read, path::PathBuf, time::Duration};

/// Time for a request to an issuer in all. Callers may be waiting for it.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The largest document of an issuer, in bytes. Those that carry certificates have some 20 KiB.
const LARGEST: usize = 512 * 1024;

/// Where an issuer's keys are.
#[derive(Debug)]
pub struct Source(Kind);

#[derive(Debug)]
enum Kind {
    File(PathBuf),
    Url { way: Way, keys: Uri },
    Discovery { way: Way, document: Uri, issuer: String },
}

/// How a URL is reached.
#[derive(Debug)]
struct Way {
    client: Client,
    /// Who may vouch for it; the system's authorities if there are none.
    ca: Option<Vec<u8>>,
}

impl Source {
    /// A file, which is read again when it is time to.
    pub fn file(path: PathBuf) -> Self {
        Self(Kind::File(path))
    }

    /// A URL. `ca` are the authorities (PEM) that may vouch for it; the system's if there are none.
    pub fn url(keys: Uri, ca: Option<Vec<u8>>) -> Result<Self, TrustError> {
        Ok(Self(Kind::Url { way: Way::new(ca)?, keys }))
    }

    /// Where the issuer's own document says (OpenID Connect Discovery 1.0, section 4): `document` is the URL of it.
    pub fn discovery(issuer: &str, document: Uri, ca: Option<Vec<u8>>) -> Result<Self, TrustError> {
        Ok(Self(Kind::Discovery { way: Way::new(ca)?, document, issuer: issuer.to_owned() }))
    }

    /// Whether what came from there is what would come from here, if it came now. Of a file that is not known: it is read again at once.
    pub(super) fn is_where(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Kind::Url { way, keys }, Kind::Url { way: other, keys: others }) => keys == others && way.ca == other.ca,
            (
                Kind::Discovery { way, document, issuer },
                Kind::Discovery { way: other, document: others, issuer: of_other },
            ) => document == others && issuer == of_other && way.ca == other.ca,
            _ => false,
        }
    }

    /// The keys. The error is a sentence without its end.
    pub(super) async fn fetch(&self) -> Result<KeySet, String> {
        match &self.0 {
            Kind::File(path) => {
                let here = path.display();
                let bytes = read(path).map_err(|error| format!("`{here}` cannot be read: {error}"))?;
                KeySet::parse(&bytes).map_err(|why| format!("`{here}` {why}"))
            }
            Kind::Url { way, keys } => set(&way.client, keys).await,
            Kind::Discovery { way, document, issuer } => {
                let keys = discover(&way.client, document, issuer).await?;
                set(&way.client, &keys).await
            }
        }
    }
}

impl Way {
    fn new(ca: Option<Vec<u8>>) -> Result<Self, TrustError> {
        Ok(Self { client: Client::new(ca.clone(), TIMEOUT, LARGEST)?, ca })
    }
}

/// A file that is small and local: reading it does not keep the thread for long.
fn read(path: &PathBuf) -> std::io::Result<Vec<u8>> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(std::io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > LARGEST {
        return Err(std::io::Error::other(format!("it is longer than {LARGEST} bytes")));
    }
    Ok(bytes)
}

async fn set(client: &Client, url: &Uri) -> Result<KeySet, String> {
    let body = get(client, url).await?;
    KeySet::parse(&body).map_err(|why| format!("`{url}` {why}"))
}

async fn discover(client: &Client, document: &Uri, issuer: &str) -> Result<Uri, String> {
    #[derive(Deserialize)]
    struct Document {
        issuer: String,
        jwks_uri: String,
    }
    let body = get(client, document).await?;
    let Document { issuer: told, jwks_uri } = serde_json::from_slice(&body).map_err(|error| {
        format!("`{document}` is no discovery document (JSON with `issuer` and `jwks_uri`): {error}")
    })?;
    if told != issuer {
        // Somebody else's keys, however they came here.
        return Err(format!("`{document}` is of the issuer `{}`, not of `{issuer}`", shown(&told)));
    }
    fetchable(&jwks_uri)
        .filter(|keys| document.scheme() != Some(&Scheme::HTTPS) || keys.scheme() == Some(&Scheme::HTTPS))
        .ok_or_else(|| format!("`{document}` has the `jwks_uri` `{}`: expected an https URL", shown(&jwks_uri)))
}

async fn get(client: &Client, url: &Uri) -> Result<bytes::Bytes, String> {
    let fetched = client.get(url).await.map_err(|error| format!("`{url}`: {error}"))?;
    match fetched.status {
        StatusCode::OK => Ok(fetched.body),
        status => Err(format!("`{url}` answered with status {status}")),
    }
}

/// Text of somebody else, fit for a message.
fn shown(text: &str) -> String {
    text.chars().take(200).flat_map(char::escape_debug).collect()
}

/// A URL that keys may be fetched from: `https`, or `http` on this machine. Nothing for any other text.
pub fn fetchable(text: &str) -> Option<Uri> {
    let url: Uri = text.parse().ok()?;
    let authority = url.authority()?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let local = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    let plain = !host.is_empty() && !authority.as_str().contains('@') && !text.contains('#');
    let scheme = url.scheme_str()?;
    (plain && (scheme == "https" || scheme == "http" && local)).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_over_tls_or_from_this_machine() {
        for url in [
            "https://issuer.example/keys?v=1",
            "http://localhost:8080/keys",
            "http://127.0.0.1/keys",
            "http://127.9.9.9/keys",
            "http://[::1]:80/keys",
        ] {
            assert!(fetchable(url).is_some(), "{url}");
        }
        for url in [
            "http://issuer.example/keys",
            "http://169.254.169.254/latest/meta-data",
            "http://localhost.example/keys",
            "http://127.0.0.1.example/keys",
            "https://user:secret@issuer.example/keys",
            "http://127.0.0.1@issuer.example/keys",
            "https://issuer.example/keys#x",
            "ftp://127.0.0.1/keys",
            "file:///etc/keys",
            "/keys",
            "",
        ] {
            assert!(fetchable(url).is_none(), "{url}");
        }
    }
}

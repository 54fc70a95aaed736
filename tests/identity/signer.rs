//! A signer written from the rules, without the gate's code.

use crate::fixture::{BODY, HOST, SECRET, identify, now};
use aws_lc_rs::{digest, hmac};
use findings_gate::finding::{ApiError, Caller};
use http::{HeaderName, HeaderValue, Method, Request, Uri, request::Parts};
use std::fmt::Write as _;

/// A request that can be tampered with, before and after it is signed.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
    /// Key id, Region, service: what the signer believes.
    pub(crate) key: String,
    pub(crate) region: String,
    pub(crate) service: String,
    pub(crate) secret: String,
}

impl Draft {
    pub(crate) fn new() -> Self {
        Self {
            method: "PATCH".into(),
            target: "/findings/batchupdate".into(),
            headers: [("content-type", "application/json"), ("host", HOST), ("x-amz-date", "20260301T120000Z")]
                .map(|(name, value)| (name.to_owned(), value.into()))
                .to_vec(),
            body: BODY.to_vec(),
            key: "AKIDEXAMPLE".into(),
            region: "eu-west-1".into(),
            service: "securityhub".into(),
            secret: SECRET.into(),
        }
    }

    pub(crate) fn set(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        self.remove(name);
        self.add(name, value);
    }

    pub(crate) fn add(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        self.headers.push((name.to_owned(), value.into()));
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.headers.retain(|(known, _)| known != name);
    }

    pub(crate) fn get(&self, name: &str) -> String {
        String::from_utf8(self.headers.iter().find(|(known, _)| known == name).unwrap().1.clone()).unwrap()
    }

    /// Signs all headers that are there.
    pub(crate) fn sign(self) -> Self {
        let mut names: Vec<String> = self.headers.iter().map(|(name, _)| name.clone()).collect();
        names.sort_unstable();
        names.dedup();
        self.sign_listed(&names.join(";"))
    }

    /// The rules of Signature Version 4 written down as plainly as they go, for paths and values that are normal already.
    pub(crate) fn sign_listed(mut self, signed_headers: &str) -> Self {
        let date = self.get("x-amz-date");
        let mut canonical = format!("{}\n", self.method).into_bytes();
        for byte in self.target.bytes() {
            match byte {
                b'/' | b'-' | b'.' | b'_' | b'~' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => canonical.push(byte),
                _ => canonical.extend(format!("%{byte:02X}").bytes()),
            }
        }
        canonical.extend(b"\n\n");
        for name in signed_headers.split(';') {
            let values: Vec<_> = self.headers.iter().filter(|(known, _)| known == name).map(|(_, v)| &v[..]).collect();
            canonical.extend([name.as_bytes(), b":", &values.join(&b','), b"\n"].concat());
        }
        canonical.extend(format!("\n{signed_headers}\n{}", hash(&self.body)).bytes());
        let scope = format!("{}/{}/{}/aws4_request", &date[..8], self.region, self.service);
        let string_to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hash(&canonical));
        let mut key = format!("AWS4{}", self.secret).into_bytes();
        for part in scope.split('/') {
            key = mac(&key, part).as_ref().to_vec();
        }
        let signature = hex(mac(&key, &string_to_sign).as_ref());
        let key = &self.key;
        let authorization =
            format!("AWS4-HMAC-SHA256 Credential={key}/{scope}, SignedHeaders={signed_headers}, Signature={signature}");
        self.set("authorization", authorization);
        self
    }

    pub(crate) fn edit(&mut self, name: &str, from: &str, to: &str) {
        let value = self.get(name);
        assert!(value.contains(from), "{name}: {value}");
        self.set(name, value.replacen(from, to, 1));
    }

    /// Takes a header out of the request and out of the list of those that are signed.
    pub(crate) fn drop_signed(&mut self, name: &str) {
        self.remove(name);
        self.edit("authorization", &format!(";{name}"), "");
    }

    pub(crate) fn flip_last_of(&mut self, name: &str) {
        let mut value = self.get(name);
        let other = if value.pop() == Some('0') { '1' } else { '0' };
        value.push(other);
        self.set(name, value);
    }

    /// The request as a listener sees it, unless no HTTP request can look so.
    pub(crate) fn parts(&self) -> Option<Parts> {
        let mut parts = Request::new(()).into_parts().0;
        parts.method = Method::from_bytes(self.method.as_bytes()).ok()?;
        parts.uri = self.target.parse::<Uri>().ok()?;
        for (name, value) in &self.headers {
            parts.headers.append(HeaderName::try_from(name).ok()?, HeaderValue::from_bytes(value).ok()?);
        }
        Some(parts)
    }

    pub(crate) fn identify(&self) -> Result<Caller, ApiError> {
        identify(&self.parts().unwrap(), &self.body, now())
    }
}

fn mac(key: &[u8], data: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data.as_bytes())
}

pub(crate) fn hash(data: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, data).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

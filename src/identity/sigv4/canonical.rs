//! The canonical request: what the client and we must write alike, byte for byte.

use http::{HeaderMap, request::Parts};
use std::{borrow::Cow, fmt::Write as _};

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// The headers whose values may be written to a log: those that explain a wrong signature and hold no secret.
const SHOWN: [&str; 11] = [
    "accept",
    "amz-sdk-invocation-id",
    "amz-sdk-request",
    "content-length",
    "content-type",
    "date",
    "host",
    "user-agent",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-user-agent",
];

/// The canonical request without its last line, the hash of the body. `signed_headers` is the client's list, `host` the
/// value that stands for the header of that name.
pub(super) fn request(head: &Parts, signed_headers: &str, host: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    out.extend_from_slice(head.method.as_str().as_bytes());
    out.push(b'\n');
    path(head.uri.path(), &mut out);
    out.push(b'\n');
    query(head.uri.query().unwrap_or_default(), &mut out);
    out.push(b'\n');
    for name in signed_headers.split(';') {
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        if name == "host" {
            header_value(host, &mut out);
        } else {
            header_values(&head.headers, name, &mut out);
        }
        out.push(b'\n');
    }
    out.push(b'\n');
    out.extend_from_slice(signed_headers.as_bytes());
    out.push(b'\n');
    out
}

/// The path, normalised as botocore and the JavaScript SDK do it (dot segments resolved, empty ones dropped), then
/// percent-encoded once more: it comes encoded already, so `%3A` becomes `%253A`. Every service but S3 signs so.
fn path(path: &str, out: &mut Vec<u8>) {
    let start = out.len();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                let parent = out[start..].iter().rposition(|byte| *byte == b'/').unwrap_or(0);
                out.truncate(start + parent);
            }
            _ => {
                out.push(b'/');
                percent_encode(segment.as_bytes(), out);
            }
        }
    }
    if out.len() == start || path.ends_with('/') {
        out.push(b'/');
    }
}

/// The query's parameters, percent-encoded in one spelling and sorted by name, then by value. A `+` is a plus sign.
fn query(query: &str, out: &mut Vec<u8>) {
    if query.is_empty() {
        return;
    }
    let encoded = |text: &str| {
        let mut encoded = Vec::with_capacity(text.len());
        percent_encode(&percent_decode(text), &mut encoded);
        encoded
    };
    let mut pairs: Vec<_> = query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (encoded(name), encoded(value)))
        .collect();
    pairs.sort_unstable();
    for (index, (name, value)) in pairs.iter().enumerate() {
        if index > 0 {
            out.push(b'&');
        }
        out.extend_from_slice(name);
        out.push(b'=');
        out.extend_from_slice(value);
    }
}

/// All values of a header, joined by `,`.
fn header_values(headers: &HeaderMap, name: &str, out: &mut Vec<u8>) {
    for (index, value) in headers.get_all(name).iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        header_value(value.as_bytes(), out);
    }
}

/// A value without the blanks around it and with every run of blanks in it as one space, in quotes too.
fn header_value(value: &[u8], out: &mut Vec<u8>) {
    let mut gap = false;
    for byte in value.trim_ascii() {
        if matches!(byte, b' ' | b'\t') {
            gap = true;
            continue;
        }
        if gap {
            out.push(b' ');
            gap = false;
        }
        out.push(*byte);
    }
}

/// Everything but RFC 3986's unreserved characters as `%XX`.
fn percent_encode(bytes: &[u8], out: &mut Vec<u8>) {
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(*byte);
        } else {
            out.extend([b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    }
}

/// The bytes that `%XX` stand for. A `%` without two digits stands for itself.
pub(super) fn percent_decode(text: &str) -> Cow<'_, [u8]> {
    let bytes = text.as_bytes();
    if !bytes.contains(&b'%') {
        return Cow::Borrowed(bytes);
    }
    let digit =
        |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16)).and_then(|d| u8::try_from(d).ok());
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        if let (b'%', Some(high), Some(low)) = (byte, digit(at + 1), digit(at + 2)) {
            out.push(high << 4 | low);
            at += 3;
        } else {
            out.push(*byte);
            at += 1;
        }
    }
    Cow::Owned(out)
}

/// A canonical request for the log: header values that could be secrets are told by their length only.
pub(super) fn redacted(canonical: &[u8]) -> String {
    let text = String::from_utf8_lossy(canonical);
    let mut out = String::with_capacity(text.len());
    for (index, line) in text.lines().enumerate() {
        match line.split_once(':') {
            // After method, path and query, only header lines have a colon.
            Some((name, value)) if index >= 3 && !SHOWN.contains(&name) => {
                let _ = writeln!(out, "{name}:<{} bytes, not shown>", value.len());
            }
            _ => {
                out.push_str(line);
                out.push('\n');
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = b"before/it".to_vec();
        write(&mut out);
        String::from_utf8(out).unwrap().strip_prefix("before/it").unwrap().to_owned()
    }

    #[test]
    fn paths_are_normalised_and_encoded_again() {
        for (given, expected) in [
            ("", "/"),
            ("/", "/"),
            ("//", "/"),
            ("/findings/batchupdate", "/findings/batchupdate"),
            ("/a//b/./c/../d/", "/a/b/d/"),
            ("/..", "/"),
            ("/../../a", "/a"),
            ("/a/..", "/"),
            ("/a/.", "/a"),
            ("/a/%2e%2E/b", "/a/%252e%252E/b"),
            ("/tags/arn%3Aaws", "/tags/arn%253Aaws"),
            ("/@:$!~", "/%40%3A%24%21~"),
        ] {
            assert_eq!(text(|out| path(given, out)), expected, "{given}");
        }
    }

    #[test]
    fn queries_are_sorted_by_name_then_value_in_one_spelling() {
        for (given, expected) in [
            ("", ""),
            ("a", "a="),
            ("b=2&a=2&a=1&a", "a=&a=1&a=2&b=2"),
            ("Param-3=Value3&Param=Value2", "Param=Value2&Param-3=Value3"),
            ("a=%e1%2f~%7e", "a=%E1%2F~~"),
            ("a=b=c", "a=b%3Dc"),
            ("a=1+2%20%2b", "a=1%2B2%20%2B"),
            ("a=100%&b=%4", "a=100%25&b=%254"),
        ] {
            assert_eq!(text(|out| query(given, out)), expected, "{given}");
        }
    }

    #[test]
    fn blanks_in_header_values_collapse() {
        for (given, expected) in [("", ""), ("  ", ""), (" a \t b  c ", "a b c"), ("\"a   b\"", "\"a b\"")] {
            assert_eq!(text(|out| header_value(given.as_bytes(), out)), expected);
        }
    }

    #[test]
    fn the_log_shows_no_value_that_could_be_a_secret() {
        let canonical = b"GET\n/a\n\nhost:gate\ncookie:session=1\nx-amz-security-token:t0ken:x\n\ncookie;host\nabc";
        let shown = redacted(canonical);
        assert!(shown.contains("host:gate\n") && shown.contains("cookie;host\nabc"), "{shown}");
        assert!(shown.contains("x-amz-security-token:<7 bytes, not shown>"), "{shown}");
        assert!(!shown.contains("t0ken") && !shown.contains("session"), "{shown}");
    }
}

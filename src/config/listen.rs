//! `[listen]`: where callers connect.

use super::{
    ClientAuthorities, Listen, ListenTls, PrivateKey, Secret, issued, load::Settings, problem::Problem, read,
    reader::resolved,
};
use std::{net::SocketAddr, num::NonZeroUsize};

pub(super) fn read(settings: &mut Settings, warnings: &mut Vec<String>) -> Option<Listen> {
    let address = settings.text("listen.address", |text| text.parse::<SocketAddr>().ok());
    let workers = match settings.value("listen.workers") {
        None => Some(std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)),
        Some(_) => settings.count("listen.workers", 1..=1024).and_then(NonZeroUsize::new),
    };
    let plaintext_anywhere = settings.text("listen.plaintext", |text| match text {
        "loopback" => Some(false),
        "allowed" => Some(true),
        _ => None,
    });
    let before = settings.problems.count();
    let tls = tls(settings, warnings);
    if tls.is_none()
        && settings.problems.count() == before
        && let (Some(address), Some(false)) = (address, plaintext_anywhere)
        && !address.ip().is_loopback()
        && let Some(value) = settings.value("listen.address")
    {
        let message = format!(
            "`listen.address` is {address}, which other machines may reach, and there is no TLS: whoever is on the way could read \
             and replay what callers send"
        );
        let help = "set `listen.tls.certificate` and `listen.tls.key`; or, where the network itself encrypts, \
                    `listen.plaintext = \"allowed\"`";
        settings.problems.add(Problem::new(value.origin, message).help(help));
    }
    Some(Listen { address: address?, workers: workers?, tls })
}

/// Nothing where there is no TLS, and where a problem is noted.
fn tls(settings: &mut Settings, warnings: &mut Vec<String>) -> Option<ListenTls> {
    const CERTIFICATE: &str = "listen.tls.certificate";
    const KEY: &str = "listen.tls.key";
    const CLIENT_CA: &str = "listen.tls.client_ca";
    let required = settings.text("listen.tls.client_certificate", |text| match text {
        "optional" => Some(false),
        "required" => Some(true),
        _ => None,
    });
    let clients: Vec<&str> = ["client_ca", "client_certificate", "client_crl"].into();
    let given = |settings: &Settings, path: &str| settings.given(path).map(|value| value.origin.clone());
    let stray = |settings: &Settings, path: String| given(settings, &path).map(|origin| (origin, path));
    let certificate = given(settings, CERTIFICATE);
    if certificate.is_none() {
        let names = std::iter::once("key").chain(clients);
        let strays: Vec<_> = names.filter_map(|name| stray(settings, format!("listen.tls.{name}"))).collect();
        for (origin, path) in strays {
            let message = format!("`{path}` is for TLS, and `{CERTIFICATE}` is not set");
            settings.problems.add(Problem::new(origin, message).help(format!("set `{CERTIFICATE}` and `{KEY}`")));
        }
        return None;
    }
    settings.missing_if_absent(KEY);
    let certificate = settings.certificates(CERTIFICATE);
    let key = key(settings, KEY, warnings);
    let clients = if given(settings, CLIENT_CA).is_some() {
        let revoked = match given(settings, "listen.tls.client_crl") {
            Some(_) => Some(settings.pem("listen.tls.client_crl", "X509 CRL")?),
            None => None,
        };
        Some(ClientAuthorities { authorities: settings.certificates(CLIENT_CA)?, required: required?, revoked })
    } else {
        let strays = ["client_certificate", "client_crl"];
        let strays: Vec<_> = strays.iter().filter_map(|name| stray(settings, format!("listen.tls.{name}"))).collect();
        for (origin, path) in strays {
            let message = format!("`{path}` is for clients' certificates, and `{CLIENT_CA}` is not set");
            settings.problems.add(Problem::new(origin, message));
        }
        None
    };
    Some(ListenTls { certificate: certificate?, key: key?, clients })
}

fn key(settings: &mut Settings, key: &str, warnings: &mut Vec<String>) -> Option<PrivateKey> {
    let value = settings.value(key)?;
    let Some(path) = value.text().filter(|path| !path.is_empty()) else {
        settings.misspelt(key, &value);
        return None;
    };
    let path = resolved(path, &value.origin);
    let why = match read::text(&path, read::LONGEST_FILE) {
        Ok(pem) if pem.contains("PRIVATE KEY-----") => {
            issued::warn_if_open(&path, warnings);
            return Some(PrivateKey { path, pem: Secret::new(pem) });
        }
        Ok(_) => format!("`{}` has no line `-----BEGIN PRIVATE KEY-----`", path.display()),
        Err(why) => why,
    };
    settings.problems.add(Problem::new(value.origin, format!("`{key}`: {why}")));
    None
}

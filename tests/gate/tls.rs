//! TLS on the listener, and callers that show certificates.

use crate::support::{
    client::{Client, PATH, with_body},
    fleet::{PAYMENTS, finding, good, update},
    gate::{Gate, Place},
    pki::{self, Authority, Pair},
    upstream::Upstream,
};
use bytes::Bytes;
use http_body_util::Full;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{
    ClientConfig, ClientConnection, NamedGroup, StreamOwned, SupportedProtocolVersion,
    pki_types::ServerName,
    version::{TLS12, TLS13},
};
use serde_json::json;
use std::{fs, io, net::SocketAddr, os::unix::fs::symlink, sync::Arc};

const BOTH: &[&SupportedProtocolVersion] = &[&TLS12, &TLS13];
const TRIAGE: &str = "spiffe://example.org/account/222222222222/triage";

/// The rules of the tests, before the keys of `sigv4`.
const MTLS: &str = "\
[[identity]]
kind = \"mtls\"
[[identity.rule]]
when.uri = \"spiffe://example.org/account/{account}/{name}\"
account = \"{account}\"
principal = \"arn:aws:iam::{account}:role/{name}\"
";

/// A place whose listener has TLS. `more` goes into its section.
fn place(upstream: &Upstream, pair: &Pair, more: &str) -> Place {
    let place = Place::new(&upstream.url(), "");
    install(&place, "", pair);
    place.edit(
        "findings-gate.toml",
        "[policies]",
        &format!("[listen.tls]\ncertificate = \"tls.crt\"\nkey = \"tls.key\"\n{more}\n[policies]"),
    );
    place
}

fn install(place: &Place, folder: &str, pair: &Pair) {
    place.write(&format!("{folder}tls.key"), &pair.key);
    place.private(&format!("{folder}tls.key"));
    place.write(&format!("{folder}tls.crt"), &pair.certificate);
}

/// A place that asks callers for certificates, too.
fn with_clients(upstream: &Upstream, server: &Authority, clients: &Authority, more: &str) -> Place {
    let place = place(upstream, &server.server(1), &format!("client_ca = \"clients.crt\"\n{more}"));
    place.write("clients.crt", &clients.pem);
    place.edit("findings-gate.toml", "[[identity]]", &format!("{MTLS}[[identity]]"));
    place
}

/// Connects, shakes hands, and tells what came of that before anything is sent.
fn try_connect(address: SocketAddr, config: Arc<ClientConfig>) -> io::Result<(Client, Handshake)> {
    let mut handshake = None;
    let client = Client::over(address, |mut tcp| {
        let name = ServerName::try_from("localhost").unwrap();
        let mut connection = ClientConnection::new(config, name).unwrap();
        while connection.is_handshaking() {
            connection.complete_io(&mut tcp)?;
        }
        handshake = Some(Handshake {
            group: connection.negotiated_key_exchange_group().map(rustls::crypto::SupportedKxGroup::name),
            protocol: connection.alpn_protocol().map(|name| String::from_utf8(name.to_vec()).unwrap()),
            serial: serial(connection.peer_certificates().unwrap()[0].as_ref()),
        });
        Ok(Box::new(StreamOwned::new(connection, tcp)))
    })?;
    Ok((client, handshake.unwrap()))
}

struct Handshake {
    group: Option<NamedGroup>,
    protocol: Option<String>,
    serial: Vec<u8>,
}

fn serial(der: &[u8]) -> Vec<u8> {
    use x509_cert::der::Decode;
    x509_cert::Certificate::from_der(der).unwrap().tbs_certificate().serial_number().as_bytes().to_vec()
}

/// A good update without any proof in its head.
fn unsigned(gate: &Gate) -> Vec<u8> {
    let head = format!("PATCH {PATH} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\n", gate.address);
    with_body(&head, good("f").as_bytes())
}

#[test]
fn callers_speak_tls_1_2_and_1_3_with_the_newest_key_exchange() {
    let (upstream, authority) = (Upstream::accepting(), Authority::new("servers"));
    let gate = Gate::start(place(&upstream, &authority.server(1), ""));
    for (version, group) in [(&TLS13, Some(NamedGroup::X25519MLKEM768)), (&TLS12, None)] {
        let config = pki::client(&authority, None, &[version], &["http/1.1"]);
        let (mut client, handshake) = try_connect(gate.address, config).unwrap();
        assert_eq!(handshake.protocol.as_deref(), Some("http/1.1"));
        if group.is_some() {
            assert_eq!(handshake.group, group);
        }
        for id in ["one", "two"] {
            assert_eq!(client.update(&PAYMENTS, good(id)).processed(), [id]);
        }
    }
    // No TLS is no entry, and the gate goes on.
    let mut plain = gate.connect();
    plain.send(&unsigned(&gate));
    assert!(plain.try_read().map_or(true, |answer| answer.is_none()));
    gate.wait_for_log(&["handshake_failed"]);
    let (mut client, _) = try_connect(gate.address, pki::client(&authority, None, BOTH, &[])).unwrap();
    assert_eq!(client.update(&PAYMENTS, good("f")).processed(), ["f"]);
}

#[tokio::test]
async fn http_2_is_spoken_where_it_was_agreed_on() {
    let (upstream, authority) = (Upstream::accepting(), Authority::new("servers"));
    let gate = Gate::start(place(&upstream, &authority.server(1), ""));
    let config = pki::client(&authority, None, BOTH, &["h2", "http/1.1"]);
    let tcp = tokio::net::TcpStream::connect(gate.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = tokio_rustls::TlsConnector::from(config).connect(name, tcp).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let uri = format!("https://{}{PATH}", gate.address);
    let request = http::Request::patch(uri).body(Full::new(Bytes::from(good("f")))).unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), 403);
    assert_eq!(response.headers()["x-amzn-errortype"], "MissingAuthenticationTokenException");
}

#[test]
fn a_certificate_says_who_is_calling() {
    let (upstream, servers, clients) = (Upstream::accepting(), Authority::new("servers"), Authority::new("clients"));
    let gate = Gate::start(with_clients(&upstream, &servers, &clients, ""));
    let connect = |pair: Option<&Pair>| try_connect(gate.address, pki::client(&servers, pair, BOTH, &[])).unwrap().0;

    let mut triage = connect(Some(&clients.client(TRIAGE, 7, 2040)));
    triage.send(&unsigned(&gate));
    assert_eq!(triage.read().processed(), ["f"]);
    assert!(upstream.received().last().unwrap().head.contains("x-findings-gate-account: 222222222222"));
    // What is denied is on record with how the caller proved who it is.
    let denied = update(&[finding(PAYMENTS.account, "d")], json!({"Severity": {"Label": "LOW"}}));
    let head = format!("PATCH {PATH} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n");
    triage.send(&with_body(&head, denied.as_bytes()));
    assert_eq!(triage.read().unprocessed()[0].1, "AccessDenied");
    gate.wait_for_log(&["request_served", "222222222222:role/triage", &format!("mtls:{TRIAGE}")]);

    // Another proof counts where there is no certificate, and only there.
    assert_eq!(connect(None).update(&PAYMENTS, good("g")).processed(), ["g"]);
    let mut nobody = connect(None);
    nobody.send(&unsigned(&gate));
    nobody.read().is_error(403, "MissingAuthenticationTokenException", "a client certificate in the TLS handshake");
    let mut stranger = connect(Some(&clients.client("spiffe://example.org/ns/x", 8, 2040)));
    stranger.update(&PAYMENTS, good("h")).is_error(403, "UnrecognizedClientException", "spiffe://example.org/ns/x");
    let mut outsider = connect(Some(&clients.client("spiffe://example.org/account/999999999999/x", 9, 2040)));
    outsider.update(&PAYMENTS, good("i")).is_error(401, "InvalidAccessException", "Account 999999999999");
    let ids: Vec<_> = upstream.updates().iter().map(super::support::upstream::Received::ids).collect();
    assert_eq!(ids, [["f"], ["g"]]);
}

#[test]
fn a_bad_certificate_does_not_get_in_and_neither_does_none_where_one_is_required() {
    let (upstream, servers, clients) = (Upstream::accepting(), Authority::new("servers"), Authority::new("clients"));
    let place =
        with_clients(&upstream, &servers, &clients, "client_certificate = \"required\"\nclient_crl = \"revoked.crl\"");
    place.write("revoked.crl", &clients.revoked(&[66]));
    let gate = Gate::start(place);
    // In TLS 1.3 the client is done before the gate has looked at its certificate.
    let goes_through = |pair: Option<&Pair>| {
        BOTH.iter()
            .map(|version| {
                let config = pki::client(&servers, pair, &[version], &[]);
                try_connect(gate.address, config).is_ok_and(|(mut client, _)| {
                    let sent = client.try_send(&unsigned(&gate));
                    sent.is_ok()
                        && client.try_read().is_ok_and(|answer| answer.is_some_and(|answer| answer.status == 200))
                })
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(goes_through(Some(&clients.client(TRIAGE, 7, 2040))), [true, true]);
    for (name, pair) in [
        ("none", None),
        ("of another authority", Some(Authority::new("others").client(TRIAGE, 7, 2040))),
        ("expired", Some(clients.client(TRIAGE, 7, 2025))),
        ("revoked", Some(clients.client(TRIAGE, 66, 2040))),
        ("a server's", Some(clients.server(7))),
    ] {
        assert_eq!(goes_through(pair.as_ref()), [false, false], "{name}");
    }
    assert_eq!(upstream.updates().len(), 2);
}

#[test]
fn certificates_are_read_again_and_no_connection_is_dropped() {
    let (upstream, authority) = (Upstream::accepting(), Authority::new("servers"));
    let gate = Gate::start(place(&upstream, &authority.server(1), ""));
    let connect = || try_connect(gate.address, pki::client(&authority, None, BOTH, &[])).unwrap();
    let (mut old, handshake) = connect();
    assert_eq!(handshake.serial, [1]);
    assert_eq!(old.update(&PAYMENTS, good("a")).processed(), ["a"]);

    install(gate.place(), "", &authority.server(2));
    gate.wait_for_log(&["\"reloaded\""]);
    assert_eq!(connect().1.serial, [2]);

    // A certificate whose key is another one: the last good pair stays, and the log says why.
    gate.place().write("tls.crt", &authority.server(3).certificate);
    gate.wait_for_log(&["reload_failed", "listen.tls.certificate", "no pair"]);
    assert_eq!(connect().1.serial, [2]);
    assert_eq!(old.update(&PAYMENTS, good("b")).processed(), ["b"]);
}

/// What a Kubernetes secret does: the files are links to a link to a directory, and the link in the middle is replaced.
#[test]
fn certificates_are_read_again_when_a_link_beside_them_is_replaced() {
    let (upstream, authority) = (Upstream::accepting(), Authority::new("servers"));
    let place = place(&upstream, &authority.server(1), "");
    for (folder, serial) in [("..1/", 1), ("..2/", 2)] {
        install(&place, &format!("secret/{folder}"), &authority.server(serial));
    }
    symlink("..1", place.path("secret/..data")).unwrap();
    for file in ["tls.crt", "tls.key"] {
        symlink(format!("..data/{file}"), place.path(&format!("secret/{file}"))).unwrap();
        place.edit("findings-gate.toml", &format!("\"{file}\""), &format!("\"secret/{file}\""));
    }
    let gate = Gate::start(place);
    let serial = || try_connect(gate.address, pki::client(&authority, None, BOTH, &[])).unwrap().1.serial;
    assert_eq!(serial(), [1]);
    let new = gate.place().path("secret/..data_tmp");
    symlink("..2", &new).unwrap();
    fs::rename(new, gate.place().path("secret/..data")).unwrap();
    gate.wait_for_log(&["\"reloaded\""]);
    assert_eq!(serial(), [2]);
}

/// A certificate that is revoked does not get through over a connection that it was shown on before.
#[test]
fn a_revocation_reaches_connections_that_are_there() {
    let (upstream, servers, clients) = (Upstream::accepting(), Authority::new("servers"), Authority::new("clients"));
    let place = with_clients(&upstream, &servers, &clients, "client_crl = \"revoked.crl\"");
    place.write("revoked.crl", &clients.revoked(&[1]));
    let gate = Gate::start(place);
    let connect = |serial| {
        let pair = clients.client(TRIAGE, serial, 2040);
        try_connect(gate.address, pki::client(&servers, Some(&pair), BOTH, &[])).unwrap().0
    };
    let send = |client: &mut Client| {
        client.send(&unsigned(&gate));
        client.read()
    };
    let (mut good, mut bad) = (connect(7), connect(66));
    assert_eq!((send(&mut good).status, send(&mut bad).status), (200, 200));
    gate.place().write("revoked.crl", &clients.revoked(&[1, 66]));
    gate.wait_for_log(&["\"reloaded\""]);
    send(&mut bad).is_error(403, "ExpiredTokenException", "Connect again");
    assert!(bad.is_closed());
    for _ in 0..2 {
        assert_eq!(send(&mut good).status, 200);
    }
    // Another authority, and nobody whom the old one vouched for is let in.
    gate.place().write("clients.crt", &Authority::new("others").pem);
    let pair = clients.client(TRIAGE, 8, 2040);
    gate.wait_until(|| try_connect(gate.address, pki::client(&servers, Some(&pair), &[&TLS12], &[])).is_err());
    send(&mut good).is_error(403, "ExpiredTokenException", "Connect again");
    assert!(good.is_closed());
}

//! Policies as a signed bundle: from a URL that is asked again and again, from the copy that is kept of it, and from a file.

use crate::support::{
    Watched,
    client::Client,
    fleet::{self, PAYMENTS, finding, good, update},
    gate::{Gate, Place, program},
    pki::{Authority, Pair},
    upstream::Upstream,
};
use findings_gate::{
    bundle::{Digest, Draft, Kept, KeyPair, Signatures},
    policy::PolicyText,
};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread,
};

const ALLOW: &str = "@id(\"all\") permit (principal, action, resource);\n";
const DENY: &str = "@id(\"all\") permit (principal, action, resource);\n\
                    @id(\"no-workflow\") forbid (principal, action == Action::\"Workflow.Status\", resource);\n";
const BROKEN: &str = "@id(\"x\") permit (principal, action == Action::\"Nope\", resource);";

/// A bundle and its file of signatures.
#[derive(Debug, Clone, Default)]
struct Published {
    bundle: Vec<u8>,
    signatures: Vec<u8>,
}

/// A bundle with this policy, this number and the fleet's accounts, signed by these.
fn published(policy: &str, number: Option<u64>, signers: &[&KeyPair]) -> Published {
    let policies = vec![PolicyText { name: "test.cedar".into(), text: policy.into() }];
    let accounts = Some(fleet::ACCOUNTS.to_owned());
    let bundle = Draft { number, policies, accounts, revision: Some(format!("r{}", number.unwrap_or(0))), name: None };
    let bundle = bundle.build().unwrap();
    let mut signatures = Signatures::of(Digest::of(&bundle));
    for pair in signers {
        signatures.sign(pair).unwrap();
    }
    Published { bundle, signatures: signatures.to_text().into_bytes() }
}

fn pair() -> KeyPair {
    KeyPair::generate().unwrap().0
}

/// What a host does with requests.
#[derive(Debug, Default)]
struct Served {
    published: Published,
    /// This instead of 200.
    status: Option<&'static str>,
    /// Ends the connection in the middle of a bundle.
    is_cut: bool,
    /// Says that more comes than comes, and more than a bundle may have.
    is_endless: bool,
    /// The heads of the requests so far.
    heads: Vec<String>,
    /// How many answers were "not modified".
    unmodified: usize,
}

type Change = fn(&mut Served);

/// A host of bundles, with ETags, over TLS perhaps.
struct Host {
    address: SocketAddr,
    served: Watched<Served>,
    is_tls: bool,
}

impl Host {
    fn start(published: Published, pair: Option<&Pair>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let served = Watched::<Served>::default();
        served.change(|served| served.published = published);
        let tls = pair.map(|pair| {
            let chain = vec![CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap()];
            let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
            Arc::new(builder.with_no_client_auth().with_single_cert(chain, key).unwrap())
        });
        let (is_tls, all) = (tls.is_some(), served.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (all, tls) = (all.clone(), tls.clone());
                thread::spawn(move || match tls {
                    None => answer(stream, &all),
                    Some(tls) => answer(StreamOwned::new(ServerConnection::new(tls).unwrap(), stream), &all),
                });
            }
        });
        Self { address, served, is_tls }
    }

    fn url(&self) -> String {
        format!("http{}://{}/prod/b.tar", if self.is_tls { "s" } else { "" }, self.address)
    }

    fn publish(&self, published: Published) {
        self.served.change(|served| served.published = published);
    }

    fn change(&self, change: impl FnOnce(&mut Served)) {
        self.served.change(change);
    }

    fn asked(&self) -> usize {
        self.served.change(|served| served.heads.len())
    }

    /// Waits until it was asked for so many more things.
    #[track_caller]
    fn wait_for(&self, more: usize) {
        let now = self.asked();
        self.served.wait("somebody to ask", |served| (served.heads.len() >= now + more).then_some(()));
    }
}

/// One request and its answer, over a connection that then ends.
fn answer(stream: impl Read + Write, served: &Watched<Served>) {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).unwrap_or(0) == 0 {
            return;
        }
    }
    let bytes = served.change(|served| {
        served.heads.push(head.clone());
        let body = match head.split(' ').nth(1) {
            Some("/prod/b.tar") => &served.published.bundle,
            Some("/prod/b.tar.sig") => &served.published.signatures,
            _ => return b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_vec(),
        };
        if let Some(status) = served.status {
            return format!("HTTP/1.1 {status}\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n").into_bytes();
        }
        let etag = format!("\"{}\"", Digest::of(body).hex());
        if head.to_ascii_lowercase().contains(&format!("if-none-match: {etag}\r\n")) {
            served.unmodified += 1;
            return format!("HTTP/1.1 304 Not Modified\r\netag: {etag}\r\n\r\n").into_bytes();
        }
        let length = if served.is_endless { 1 << 40 } else { body.len() };
        let mut bytes = format!("HTTP/1.1 200 OK\r\netag: {etag}\r\ncontent-length: {length}\r\n\r\n").into_bytes();
        bytes.extend_from_slice(if served.is_cut { &body[..body.len() / 2] } else { body });
        bytes
    });
    drop(stream.get_mut().write_all(&bytes));
    drop(stream.get_mut().flush());
}

/// A place whose policies and accounts come from a URL, that trusts these keys and asks every second.
fn place(url: &str, upstream: &Upstream, trusted: &[&KeyPair]) -> Place {
    let place = Place::new(&upstream.url(), "[admin]\naddress = \"127.0.0.1:0\"\n");
    place.edit("findings-gate.toml", "[accounts]\nfile = \"accounts.toml\"\n", "");
    let bundle = "bundle = { keys = [KEYS], cache = \"cache\", refresh = \"1s\", timeout = \"5s\" }";
    place.edit("findings-gate.toml", "path = [\"pack:baseline\"]", &format!("path = [\"{url}\"]\n{bundle}"));
    trust(&place, "KEYS", trusted);
    place
}

/// Writes the keys, and names them in the configuration.
fn trust(place: &Place, before: &str, trusted: &[&KeyPair]) -> String {
    let names: Vec<String> = trusted
        .iter()
        .map(|pair| {
            let name = format!("{}.pub", pair.public().id());
            place.write(&name, &pair.public().to_pem());
            format!("\"{name}\"")
        })
        .collect();
    let names = names.join(", ");
    place.edit("findings-gate.toml", before, &names);
    names
}

fn directory(place: &Place) -> std::path::PathBuf {
    place.path("findings-gate.toml").parent().unwrap().to_owned()
}

fn serve(place: &Place) -> Gate {
    Gate::run(&directory(place), ["serve"])
}

/// What the gate says when it does not start.
#[track_caller]
fn does_not_start(place: &Place, code: i32) -> String {
    let output = program(&directory(place)).arg("serve").output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{told}");
    told.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn ask(gate: &Gate, request: &str) -> (u16, String) {
    let out = gate.wait_for_output(&["administered at http://"]);
    let admin = out.split_once("http://").unwrap().1.trim().parse().unwrap();
    let mut client = Client::connect(admin);
    client.send(format!("{request} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n").as_bytes());
    let answer = client.read();
    (answer.status, String::from_utf8(answer.body).unwrap())
}

fn status(gate: &Gate) -> Value {
    serde_json::from_str::<Value>(&ask(gate, "GET /status").1).unwrap()["bundle"].clone()
}

#[track_caller]
fn allows(gate: &Gate) {
    assert_eq!(gate.connect().update(&PAYMENTS, good("a")).processed(), ["a"]);
}

#[track_caller]
fn denies(gate: &Gate) {
    let body = update(&[finding(PAYMENTS.account, "a")], json!({"Workflow": {"Status": "NOTIFIED"}}));
    assert_eq!(gate.connect().update(&PAYMENTS, &body).unprocessed()[0].1, "AccessDenied");
}

#[test]
fn what_is_at_the_url_decides_from_the_start_and_as_it_changes() {
    let upstream = Upstream::accepting();
    let pair = pair();
    let host = Host::start(published(ALLOW, Some(1), &[&pair]), None);
    let place = place(&host.url(), &upstream, &[&pair]);
    let gate = serve(&place);
    allows(&gate);
    gate.wait_for_log(&["bundle_fetched", "\"revision\":\"r1\"", "\"number\":1"]);
    // Nothing new: both files are asked for by their ETags, and neither is sent.
    host.served.wait("an answer that nothing changed", |served| (served.unmodified >= 2).then_some(()));
    let told = status(&gate);
    assert_eq!((&told["source"], &told["revision"], &told["number"]), (&host.url().into(), &"r1".into(), &1.into()));
    let first = host.served.change(|served| Digest::of(&served.published.bundle));
    assert_eq!(
        (told["digest"].as_str(), told["etag"].as_str()),
        (Some(&*first.to_string()), Some(&*format!("\"{}\"", first.hex())))
    );
    assert_eq!(told["signed_by"], json!([pair.public().id().to_string()]));
    assert!(told["last_success"].is_string() && told["last_error"].is_null(), "{told}");

    host.publish(published(DENY, Some(2), &[&pair]));
    gate.wait_for_log(&["bundle_fetched", "\"number\":2"]);
    denies(&gate);
    let told = status(&gate);
    assert_eq!((&told["revision"], &told["number"]), (&"r2".into(), &2.into()));
    let (_, metrics) = ask(&gate, "GET /metrics");
    assert!(metrics.contains("findings_gate_bundle_fetches_total{result=\"taken\"} 2\n"), "{metrics}");
    let at = metrics.lines().find_map(|line| line.strip_prefix("findings_gate_bundle_last_success_timestamp_seconds "));
    assert!(at.unwrap().parse::<u64>().unwrap() > 1_700_000_000);
}

#[test]
fn what_must_not_be_used_changes_nothing_and_is_told() {
    let upstream = Upstream::accepting();
    let (pair, other) = (pair(), pair());
    let host = Host::start(published(ALLOW, Some(5), &[&pair]), None);
    let place = place(&host.url(), &upstream, &[&pair]);
    let gate = serve(&place);
    allows(&gate);
    let signed = published(DENY, Some(6), &[&pair]);
    let mut altered = signed.clone();
    altered.bundle[600] ^= 1;
    let mut forged = String::from_utf8(published(DENY, Some(6), &[&other]).signatures).unwrap();
    forged = forged.replace(&other.public().id().to_string(), &pair.public().id().to_string());
    let mut unread = signed.clone();
    unread.signatures = b"{}".to_vec();
    let mut not_one = Signatures::of(Digest::of(b"not one"));
    not_one.sign(&pair).unwrap();
    for (published, told) in [
        (altered, "the signatures are of another bundle"),
        (published(DENY, Some(6), &[&other]), "no trusted key has signed the bundle"),
        (published(DENY, Some(6), &[]), "signed by nobody"),
        (Published { signatures: forged.into_bytes(), ..signed.clone() }, "it was forged or damaged"),
        (unread, "the signatures cannot be read"),
        (published(DENY, Some(4), &[&pair]), "its number is 4, and a bundle with the number 5 was used already"),
        (published(DENY, Some(5), &[&pair]), "another bundle with that number was used already"),
        (published(DENY, None, &[&pair]), "it has no number, and a bundle with the number 5 was used already"),
        (published(BROKEN, Some(6), &[&pair]), "Nope"),
        (
            Published { bundle: b"not one".to_vec(), signatures: not_one.to_text().into_bytes() },
            "the bundle is signed and cannot be read",
        ),
    ] {
        host.publish(published);
        gate.wait_for_log(&["bundle_refused", told]);
        allows(&gate);
    }
    gate.wait_until(|| status(&gate)["last_error"].is_string());
    assert_eq!(status(&gate)["number"], 5);
    host.publish(signed);
    gate.wait_for_log(&["bundle_fetched", "\"number\":6"]);
    denies(&gate);
    gate.wait_until(|| status(&gate)["last_error"].is_null());
}

#[test]
fn a_host_that_fails_changes_nothing_and_is_told() {
    let upstream = Upstream::accepting();
    let pair = pair();
    let host = Host::start(published(ALLOW, None, &[&pair]), None);
    let place = place(&host.url(), &upstream, &[&pair]);
    let gate = serve(&place);
    let faults: [(Change, &str); 4] = [
        (|served| served.status = Some("500 Internal Server Error"), "answered 500"),
        (|served| served.status = Some("302 Found"), "redirects are not followed"),
        (|served| (served.status, served.is_cut) = (None, true), "could not be fetched"),
        (|served| (served.is_cut, served.is_endless) = (false, true), "larger than"),
    ];
    host.publish(published(DENY, None, &[&pair]));
    host.change(|served| served.status = Some("503 Service Unavailable"));
    for (fault, told) in faults {
        host.change(fault);
        gate.wait_for_log(&["bundle_failed", told]);
        allows(&gate);
    }
    let (_, metrics) = ask(&gate, "GET /metrics");
    assert!(metrics.contains("findings_gate_bundle_fetches_total{result=\"refused\"} 0\n"), "{metrics}");
    host.change(|served| served.is_endless = false);
    gate.wait_for_log(&[
        "bundle_fetched",
        "\"revision\":\"r0\"",
        &Digest::of(&published(DENY, None, &[&pair]).bundle).hex(),
    ]);
    denies(&gate);
}

#[test]
fn it_starts_without_the_network_by_what_it_kept() {
    let upstream = Upstream::accepting();
    let pair = pair();
    let host = Host::start(published(DENY, Some(3), &[&pair]), None);
    let place = place(&host.url(), &upstream, &[&pair]);
    host.change(|served| served.status = Some("503 Service Unavailable"));
    let told = does_not_start(&place, 1);
    assert!(told.contains("there is no bundle to start with") && told.contains("answered 503"), "{told}");
    host.change(|served| served.status = None);
    let gate = serve(&place);
    denies(&gate);
    gate.signal("TERM");
    gate.ended();

    host.change(|served| served.status = Some("503 Service Unavailable"));
    let gate = serve(&place);
    gate.wait_for_log(&["bundle_failed", "answered 503"]);
    denies(&gate);
    let told = status(&gate);
    assert_eq!(told["number"], 3);
    assert!(told["last_error"].as_str().unwrap().contains("503") && told["last_success"].is_null(), "{told}");
    gate.signal("TERM");
    gate.ended();

    // An older one at the URL is no way around what was used before.
    host.change(|served| served.status = None);
    host.publish(published(ALLOW, Some(2), &[&pair]));
    let gate = serve(&place);
    gate.wait_for_log(&["bundle_refused", "its number is 2"]);
    denies(&gate);
    gate.signal("TERM");
    gate.ended();

    // The copy is verified again: whoever changed it does not decide.
    host.change(|served| served.status = Some("503 Service Unavailable"));
    let mut copies = fs::read_dir(place.path("cache")).unwrap().map(|entry| entry.unwrap().path());
    let copy = copies.find(|path| path.extension().is_some_and(|end| end == "tar")).unwrap();
    let mut bytes = fs::read(&copy).unwrap();
    let last = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes[last] ^= 1;
    fs::write(&copy, bytes).unwrap();
    let told = does_not_start(&place, 1);
    assert!(told.contains("there is no copy of it in"), "{told}");
    // Nor does it stay in the way of the right one.
    host.change(|served| served.status = None);
    allows(&serve(&place));
}

/// A disk that is full or read-only is no reason not to start where there is a copy to start with.
#[test]
fn it_starts_by_what_it_kept_where_the_new_one_cannot_be_kept() {
    let upstream = Upstream::accepting();
    let pair = pair();
    let host = Host::start(published(DENY, Some(1), &[&pair]), None);
    let place = place(&host.url(), &upstream, &[&pair]);
    let new = published(ALLOW, Some(2), &[&pair]);
    // A directory in the place of the file that is to be written fails for every user.
    let (in_the_way, _) = Kept::files(&Digest::of(&new.bundle));
    fs::create_dir_all(place.path("cache").join(&in_the_way)).unwrap();
    let gate = serve(&place);
    denies(&gate);
    gate.signal("TERM");
    gate.ended();

    host.publish(new);
    let gate = serve(&place);
    gate.wait_for_log(&["bundle_refused", "the bundle cannot be kept in"]);
    denies(&gate);
    assert_eq!(status(&gate)["number"], 1);
    gate.signal("TERM");
    gate.ended();

    // Without a copy there is nothing to start with.
    fs::remove_file(place.path("cache").join(Kept::FILE)).unwrap();
    let told = does_not_start(&place, 1);
    assert!(told.contains("the bundle cannot be kept in"), "{told}");
}

/// The copy on disk is not all that is known of numbers while a gate runs.
#[test]
fn a_copy_that_cannot_be_read_is_no_way_back_for_a_running_gate() {
    let upstream = Upstream::accepting();
    let pair = pair();
    let host = Host::start(published(DENY, Some(5), &[&pair]), None);
    let place = place(&host.url(), &upstream, &[&pair]);
    let gate = serve(&place);
    denies(&gate);
    fs::remove_file(place.path("cache").join(Kept::FILE)).unwrap();
    host.publish(published(ALLOW, Some(4), &[&pair]));
    gate.wait_for_log(&["bundle_refused", "its number is 4, and a bundle with the number 5 was used already"]);
    denies(&gate);
    assert_eq!(status(&gate)["number"], 5);
    host.publish(published(ALLOW, Some(6), &[&pair]));
    gate.wait_for_log(&["bundle_fetched", "\"number\":6"]);
    allows(&gate);
}

/// What is said of the copy beside it is signed by nobody.
#[test]
fn the_number_of_the_copy_is_the_signed_one() {
    let upstream = Upstream::accepting();
    let pair = pair();
    let host = Host::start(published(DENY, Some(5), &[&pair]), None);
    let place = place(&host.url(), &upstream, &[&pair]);
    let gate = serve(&place);
    denies(&gate);
    gate.signal("TERM");
    gate.ended();
    place.edit("cache/current.json", "\"number\": 5", "\"number\": 1");
    host.publish(published(ALLOW, Some(4), &[&pair]));
    let gate = serve(&place);
    gate.wait_for_log(&["bundle_refused", "its number is 4, and a bundle with the number 5 was used already"]);
    denies(&gate);
}

/// Whoever controls the URL takes no signature back that was seen: it may be the one that counts after the next change of keys.
#[test]
fn signatures_of_the_bundle_that_is_kept_are_added_to_and_never_taken_away() {
    let upstream = Upstream::accepting();
    let (one, two, third) = (pair(), pair(), pair());
    let host = Host::start(published(ALLOW, Some(1), &[&one, &two]), None);
    let place = place(&host.url(), &upstream, &[&one, &two]);
    let gate = serve(&place);
    allows(&gate);
    let kept = |pair: &KeyPair| {
        let (_, name) = Kept::files(&Digest::of(&published(ALLOW, Some(1), &[]).bundle));
        fs::read_to_string(place.path("cache").join(name)).unwrap().contains(&pair.public().id().to_string())
    };
    assert!(kept(&one) && kept(&two));
    // Both are good, and each is less than what was there.
    host.publish(published(ALLOW, Some(1), &[&one]));
    host.wait_for(4);
    assert!(kept(&one) && kept(&two));
    host.publish(published(ALLOW, Some(1), &[&two, &third]));
    gate.wait_until(|| kept(&third));
    assert!(kept(&one) && kept(&two));
    let mut signers = [&one, &two].map(|pair| pair.public().id().to_string());
    signers.sort();
    assert_eq!(status(&gate)["signed_by"], json!(signers));
}

#[test]
fn keys_are_replaced_without_a_gap() {
    let upstream = Upstream::accepting();
    let (old, new) = (pair(), pair());
    let host = Host::start(published(ALLOW, Some(1), &[&old]), None);
    let place = place(&host.url(), &upstream, &[&old]);
    let gate = serve(&place);
    allows(&gate);
    // The new key signs, too: the bundle is the same, and only its signatures come.
    host.publish(published(ALLOW, Some(1), &[&old, &new]));
    gate.wait_until(|| {
        let kept = fs::read_dir(place.path("cache")).unwrap().map(|entry| entry.unwrap().path());
        let mut signatures = kept.filter(|path| path.extension().is_some_and(|end| end == "sig"));
        signatures.any(|path| fs::read_to_string(path).is_ok_and(|text| text.contains(&new.public().id().to_string())))
    });
    // Then gates trust the new one, and no other.
    let both = format!("\"{}.pub\"", old.public().id());
    trust(&place, &both, &[&new]);
    gate.wait_until(|| status(&gate)["signed_by"] == json!([new.public().id().to_string()]));
    allows(&gate);
    host.publish(published(DENY, Some(2), &[&old]));
    gate.wait_for_log(&["bundle_refused", "no trusted key"]);
    allows(&gate);
    host.publish(published(DENY, Some(2), &[&new]));
    gate.wait_for_log(&["bundle_fetched", "\"number\":2"]);
    denies(&gate);
}

/// Whoever has published something need not wait.
#[test]
fn to_ask_for_a_reload_is_to_ask_the_url() {
    let upstream = Upstream::accepting();
    let pair = pair();
    let host = Host::start(published(ALLOW, None, &[&pair]), None);
    let place = place(&host.url(), &upstream, &[&pair]);
    place.edit("findings-gate.toml", "refresh = \"1s\"", "refresh = \"24h\"");
    let gate = serve(&place);
    allows(&gate);
    host.publish(published(DENY, Some(1), &[&pair]));
    assert_eq!(ask(&gate, "POST /reload").0, 200);
    gate.wait_for_log(&["bundle_fetched", "\"number\":1"]);
    denies(&gate);
    host.publish(published(ALLOW, Some(2), &[&pair]));
    gate.signal("HUP");
    gate.wait_for_log(&["bundle_fetched", "\"number\":2"]);
    allows(&gate);
}

/// Without the step in between: what is kept is signed by no key that counts any more, so all of it is fetched anew.
#[test]
fn a_key_that_is_trusted_no_more_ends_what_it_signed() {
    let upstream = Upstream::accepting();
    let (old, new) = (pair(), pair());
    let host = Host::start(published(ALLOW, Some(1), &[&old]), None);
    let place = place(&host.url(), &upstream, &[&old]);
    let gate = serve(&place);
    allows(&gate);
    trust(&place, &format!("\"{}.pub\"", old.public().id()), &[&new]);
    gate.wait_for_log(&["reload_failed", "no trusted key has signed the bundle"]);
    gate.wait_for_log(&["bundle_refused", "no trusted key has signed the bundle"]);
    allows(&gate);
    host.publish(published(DENY, Some(1), &[&new]));
    gate.wait_for_log(&[
        "bundle_fetched",
        "\"number\":1",
        &Digest::of(&published(DENY, Some(1), &[&new]).bundle).hex(),
    ]);
    denies(&gate);
}

#[test]
fn going_back_is_possible_by_hand() {
    let upstream = Upstream::accepting();
    let pair = pair();
    let host = Host::start(published(DENY, Some(9), &[&pair]), None);
    let place = place(&host.url(), &upstream, &[&pair]);
    let fetch = |arguments: &[&str], code: i32| {
        let output = program(&directory(&place)).args(["bundle", "fetch"]).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    // Before there is a gate, too: an image may have the copy in it.
    assert!(fetch(&[], 0).contains("revision r9, number 9, sha256:"));
    assert!(fetch(&[], 0).contains("is up to date: sha256:"));
    let gate = serve(&place);
    denies(&gate);
    host.publish(published(ALLOW, Some(8), &[&pair]));
    assert!(fetch(&[], 2).contains("`findings-gate bundle fetch --allow-rollback` takes it all the same"));
    denies(&gate);
    assert!(fetch(&["--allow-rollback"], 0).contains("number 8"));
    gate.wait_until(|| status(&gate)["number"] == 8);
    allows(&gate);
    host.change(|served| served.status = Some("500 Internal Server Error"));
    assert!(fetch(&[], 1).contains("answered 500"));
}

#[test]
fn it_comes_over_tls_from_whom_an_authority_vouches_for() {
    let upstream = Upstream::accepting();
    let (pair, authority, stranger) = (pair(), Authority::new("a"), Authority::new("b"));
    let host = Host::start(published(DENY, None, &[&pair]), Some(&authority.server(1)));
    let place = place(&host.url(), &upstream, &[&pair]);
    place.write("ca.pem", &stranger.pem);
    place.edit("findings-gate.toml", "cache = ", "ca = \"ca.pem\", cache = ");
    let told = does_not_start(&place, 1);
    assert!(told.contains("UnknownIssuer") || told.contains("certificate"), "{told}");
    assert_eq!(host.asked(), 0);
    place.write("ca.pem", &authority.pem);
    let gate = serve(&place);
    denies(&gate);
    host.wait_for(2);
}

#[test]
fn a_file_is_verified_at_the_start_and_at_each_reload() {
    let upstream = Upstream::accepting();
    let pair = pair();
    let place = Place::new(&upstream.url(), "[admin]\naddress = \"127.0.0.1:0\"\n");
    place.edit("findings-gate.toml", "[accounts]\nfile = \"accounts.toml\"\n", "");
    place.edit("findings-gate.toml", "pack:baseline\"]", "b.tar\"]\nbundle.keys = [KEYS]");
    trust(&place, "KEYS", &[&pair]);
    let write = |Published { bundle, signatures }: &Published| {
        fs::write(place.path("b.tar.sig"), signatures).unwrap();
        fs::write(place.path("b.tar"), bundle).unwrap();
    };
    let told = does_not_start(&place, 3);
    assert!(told.contains("b.tar`: there is no such file"), "{told}");
    let mut altered = published(ALLOW, None, &[&pair]);
    altered.bundle[600] ^= 1;
    write(&altered);
    assert!(does_not_start(&place, 3).contains("the signatures are of another bundle"));
    write(&published(ALLOW, Some(2), &[&pair]));
    let gate = serve(&place);
    allows(&gate);
    write(&altered);
    gate.wait_for_log(&["reload_failed", "the signatures are of another bundle"]);
    allows(&gate);
    write(&published(DENY, Some(1), &[&pair]));
    gate.wait_until(|| status(&gate)["number"] == 1);
    denies(&gate);
    // What a file is and what a URL is needs a restart to change.
    place.edit("findings-gate.toml", "b.tar\"]", "http://127.0.0.1:9/b.tar\"]\nbundle.cache = \"cache\"");
    gate.wait_for_log(&["reload_failed", "there is no copy of"]);
    denies(&gate);
}

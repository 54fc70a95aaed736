//! A thousand reloads under load: no request fails, and each is decided by one set of policies and accounts as a whole.

use crate::support::{
    Watched,
    client::{Client, Response},
    fleet::{self, PAYMENTS, finding, update},
    gate::{Gate, Place},
    upstream::Upstream,
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, net::SocketAddr, os::unix::fs::symlink, thread};

const RELOADS: usize = 1000;

/// Callers that send one request after the other all the while, each over one connection.
const CALLERS: usize = 4;

/// Requests that a caller sends while one set takes the place of another. More would only take the reloads' time.
const AT_ONCE: usize = 1;

/// A set of files that belong together: each set lets one of two fields through, if all of its files are its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Set {
    A,
    B,
}

impl Set {
    fn of(letter: &str) -> [String; 3] {
        let (status, note) = if letter == "a" { ("permit", "forbid") } else { ("forbid", "permit") };
        let rule = |effect: &str, id: &str, action: &str| {
            let who = if effect == "permit" {
                format!("principal in Group::\"set/{letter}\"")
            } else {
                "principal".to_owned()
            };
            format!("@id(\"{id}-of-{letter}\")\n{effect} ({who}, action == Action::\"{action}\", resource);\n")
        };
        let accounts = format!(
            "administrator = \"111111111111\"\n[[member]]\naccount = \"{}\"\ngroups = [\"set/{letter}\"]\n",
            PAYMENTS.account
        );
        [rule(status, "status", "Workflow.Status"), rule(note, "note", "Note"), accounts]
    }

    /// The field that it lets through, and the policy that strips the other.
    fn lets_through(self) -> (&'static str, &'static str) {
        match self {
            Self::A => ("Workflow", "note-of-a"),
            Self::B => ("Note", "status-of-b"),
        }
    }

    /// The set that an answer is of; of any mixture there is none.
    #[track_caller]
    fn of_answer(id: &str, answer: &Response) -> Self {
        assert_eq!(answer.processed(), [id]);
        let unprocessed = answer.unprocessed();
        let [(_, code, message)] = &unprocessed[..] else { panic!("{id}: {unprocessed:?}") };
        let sets: Vec<_> =
            [Self::A, Self::B].into_iter().filter(|set| message.contains(set.lets_through().1)).collect();
        assert!(code == "PartialUpdate" && sets.len() == 1 && !message.contains("no-grant"), "{id}: {message}");
        sets[0]
    }
}

/// Both fields, of which each set strips one.
fn both(id: &str) -> String {
    let note = json!({"Text": "seen", "UpdatedBy": "payments"});
    update(&[finding(PAYMENTS.account, id)], json!({"Workflow": {"Status": "NOTIFIED"}, "Note": note}))
}

/// The files of a set in a directory of their own.
fn write_set(place: &Place, name: &str, [status, note, accounts]: &[String; 3]) {
    place.write(&format!("sets/{name}/10-status.cedar"), status);
    place.write(&format!("sets/{name}/20-note.cedar"), note);
    place.write(&format!("sets/{name}/accounts.toml"), accounts);
}

/// Puts a set in the place of another, as a mounted config map of Kubernetes changes: by one rename.
fn switch_to(place: &Place, name: &str) {
    let (next, current) = (place.path("next"), place.path("current"));
    symlink(place.path("sets").join(name), &next).unwrap();
    std::fs::rename(next, current).unwrap();
}

/// A gate that decides by the set that `current` names, and its admin listener.
fn gate(upstream: &Upstream) -> (Gate, SocketAddr) {
    let place = Place::new(&upstream.url(), "[admin]\naddress = \"127.0.0.1:0\"\n");
    let keys = fleet::keys_toml();
    let own = keys.split("[[key]]").find(|key| key.contains(PAYMENTS.id)).unwrap();
    place.write("keys.toml", &format!("[[key]]{own}"));
    place.edit("findings-gate.toml", "[\"pack:baseline\"]", "[\"current\"]\ndefault_enforcement = \"strip\"");
    place.edit("findings-gate.toml", "\"accounts.toml\"", "\"current/accounts.toml\"");
    let (a, b) = (Set::of("a"), Set::of("b"));
    write_set(&place, "a", &a);
    write_set(&place, "b", &b);
    // Each is half one set and half the other, so that what is put in place of it would show.
    let broken = |letter: &str| a[1].replace("Note", letter);
    write_set(&place, "broken-0", &[b[0].clone(), broken("Nope"), a[2].clone()]);
    write_set(&place, "broken-1", &[a[0].clone(), b[1].clone(), "administrator = \"1\"\n".to_owned()]);
    write_set(&place, "broken-2", &[a[0].replace(';', ""), b[1].clone(), b[2].clone()]);
    write_set(&place, "broken-3", &[b[0].clone(), a[1].clone(), String::new()]);
    std::fs::remove_file(place.path("sets/broken-3/accounts.toml")).unwrap();
    switch_to(&place, "a");
    let gate = Gate::start(place);
    let out = gate.wait_for_output(&["administered at http://"]);
    let admin = out.split_once("http://").unwrap().1.trim().parse().unwrap();
    (gate, admin)
}

fn ask(admin: &mut Client, request: &str) -> (u16, String) {
    admin.send(format!("{request} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n").as_bytes());
    let answer = admin.read();
    (answer.status, String::from_utf8(answer.body).unwrap())
}

fn status(admin: &mut Client) -> Value {
    serde_json::from_str(&ask(admin, "GET /status").1).unwrap()
}

/// Sends requests with each reload until the last, and tells how many each set decided.
fn call(mut client: Client, caller: usize, reloads: &Watched<usize>) -> BTreeMap<Set, usize> {
    let mut decided = BTreeMap::new();
    let mut seen = 0;
    while seen < OVER {
        for number in 0..AT_ONCE {
            let id = format!("caller-{caller}-{seen}-{number}");
            let answer = client.update(&PAYMENTS, both(&id));
            *decided.entry(Set::of_answer(&id, &answer)).or_default() += 1;
        }
        seen = reloads.wait("the next reload", |reload| (*reload > seen).then_some(*reload));
    }
    decided
}

/// What comes after the last reload.
const OVER: usize = usize::MAX;

#[test]
fn a_thousand_reloads_under_load_fail_no_request_and_mix_no_sets() {
    let upstream = Upstream::accepting();
    let (gate, address) = gate(&upstream);
    let mut admin = Client::connect(address);
    let mut client = gate.connect();
    let mut digests: BTreeMap<Set, Value> = BTreeMap::new();
    let reloads = Watched::default();
    let decided = thread::scope(|scope| {
        let callers: Vec<_> = (0..CALLERS)
            .map(|caller| {
                let (client, reloads) = (gate.connect(), &reloads);
                scope.spawn(move || call(client, caller, reloads))
            })
            .collect();
        // What fails below must not leave the callers running.
        let end = End(&reloads);
        let mut set = Set::A;
        for reload in 0..RELOADS {
            let is_broken = reload % 2 == 1;
            if is_broken {
                switch_to(gate.place(), &format!("broken-{}", reload / 2 % 4));
            } else {
                set = if reload % 4 == 0 { Set::B } else { Set::A };
                switch_to(gate.place(), if set == Set::A { "a" } else { "b" });
            }
            reloads.change(|number| *number = reload + 1);
            let (answer, told) = ask(&mut admin, "POST /reload");
            assert_eq!(answer, if is_broken { 409 } else { 200 }, "reload {reload}: {told}");
            let id = format!("reload-{reload}");
            let answer = client.update(&PAYMENTS, both(&id));
            assert_eq!(Set::of_answer(&id, &answer), set, "reload {reload}");
            let status = status(&mut admin);
            assert_eq!(status["last_error"].is_string(), is_broken, "reload {reload}: {status}");
            assert_eq!(
                digests.entry(set).or_insert_with(|| status["digest"].clone()),
                &status["digest"],
                "reload {reload}"
            );
        }
        drop(end);
        callers.into_iter().map(|caller| caller.join().unwrap()).collect::<Vec<_>>()
    });
    assert_ne!(digests[&Set::A], digests[&Set::B]);
    for set in [Set::A, Set::B] {
        let requests: usize = decided.iter().filter_map(|decided| decided.get(&set)).sum();
        assert!(requests >= CALLERS, "{decided:?}");
    }
    // What went to the backend is what each set lets through, and nothing else.
    for request in upstream.updates() {
        let fields = [Set::A, Set::B].map(|set| request.json().get(set.lets_through().0).is_some());
        assert!(fields == [true, false] || fields == [false, true], "{}", request.text());
    }
}

/// Says that it is over when it ends, however.
struct End<'a>(&'a Watched<usize>);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.change(|reload| *reload = OVER);
    }
}

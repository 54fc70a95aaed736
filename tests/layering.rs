//! The rooms of the house and the doors between them, as `docs/architecture.md` draws them: who may import whom.

#![expect(clippy::unwrap_used, reason = "a test that cannot look has failed")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// A room, and the rooms that it may import.
const ROOMS: &[(&str, &[&str])] = &[
    (
        "cli",
        &[
            "admin",
            "audit",
            "backend",
            "bundle",
            "config",
            "delivery",
            "discovery",
            "finding",
            "gate",
            "identity",
            "net",
            "policy",
            "proxy",
            "state",
            "telemetry",
            "upstream",
            "workbench",
        ],
    ),
    ("workbench", &["finding", "gate", "policy"]),
    ("admin", &["identity", "proxy"]),
    ("proxy", &["audit", "finding", "gate", "identity", "net", "policy", "state", "telemetry", "upstream"]),
    ("delivery", &["bundle", "net"]),
    ("discovery", &["finding", "telemetry", "upstream"]),
    ("telemetry", &["config", "finding", "net"]),
    ("config", &["audit", "bundle", "finding", "identity", "policy"]),
    ("gate", &["finding", "policy"]),
    ("bundle", &["policy"]),
    ("policy", &["finding"]),
    ("backend", &["finding"]),
    ("audit", &["finding"]),
    ("identity", &["finding", "net"]),
    ("state", &["finding", "upstream"]),
    ("upstream", &["finding", "net", "telemetry"]),
    ("finding", &[]),
    ("net", &[]),
];

/// What the pure rooms must not know: the network, the disk, the clock.
const PURE: &[&str] = &["bundle", "finding", "gate", "policy", "workbench"];
const IMPURE: &[&str] = &[
    "tokio",
    "hyper",
    "rustls",
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "SystemTime",
    "Instant",
    "Timestamp::now",
    "fs::",
    "net::",
    "Zoned::now",
];

/// The source files of a room, without those that are compiled for tests only.
fn files(room: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut tests = BTreeSet::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(room)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let modules = text.split("#[cfg(test)]\n").skip(1).filter_map(|rest| {
                    let (declaration, _) = rest.split_once(";\n")?;
                    declaration.lines().last()?.rsplit(' ').next().map(str::to_owned)
                });
                tests.extend(modules);
                found.push(path);
            }
        }
    }
    let is_test = |path: &PathBuf| {
        path.components().any(|part| tests.contains(part.as_os_str().to_str().unwrap().trim_end_matches(".rs")))
            || path.to_str().unwrap().ends_with("_tests.rs")
    };
    found.retain(|path| !is_test(path));
    assert!(!found.is_empty(), "{room} has no files");
    found
}

/// The code of a file: no comments, and nothing from its test module on.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    text.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

/// The rooms that a file's code names as `crate::room`, one by one or in braces.
fn imports(code: &str) -> BTreeSet<&str> {
    let mut rooms = BTreeSet::new();
    for (at, path) in code.match_indices("crate::") {
        let rest = &code[at + path.len()..];
        let Some(list) = rest.strip_prefix('{') else {
            rooms.extend(first_word(rest));
            continue;
        };
        let (mut depth, mut start) = (0, 0);
        for (at, c) in list.char_indices() {
            let ends = depth == 0 && matches!(c, ',' | '}');
            if ends {
                rooms.extend(first_word(&list[start..at]));
                start = at + 1;
            }
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                _ => {}
            }
        }
    }
    rooms
}

fn first_word(text: &str) -> Option<&str> {
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    (end > 0).then(|| &text[..end])
}

#[test]
fn imports_are_found_in_every_form() {
    let code = "use crate::{\n    finding::{self, Update},\n    policy::Judge,\n};\nuse crate::gate::decide;\nlet x = crate::cli::run();\nuse crate::{proxy, upstream::{a, b}};";
    let found: Vec<&str> = imports(code).into_iter().collect();
    assert_eq!(found, ["cli", "finding", "gate", "policy", "proxy", "upstream"]);
}

#[test]
fn every_room_imports_only_what_it_may() {
    let rooms: BTreeMap<&str, &[&str]> = ROOMS.iter().copied().collect();
    let mut wrong = Vec::new();
    for (room, allowed) in ROOMS {
        for file in files(room) {
            let code = code(&file);
            for import in imports(&code) {
                if rooms.contains_key(import) && import != *room && !allowed.contains(&import) {
                    wrong.push(format!("{}: {room} may not import {import}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_room_is_drawn() {
    let lib = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let modules: BTreeSet<&str> =
        lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    assert_eq!(modules, ROOMS.iter().map(|(room, _)| *room).collect());
}

#[test]
fn pure_rooms_know_no_network_disk_or_clock() {
    let mut wrong = Vec::new();
    for room in PURE {
        for file in files(room) {
            let code = code(&file);
            wrong.extend(
                IMPURE.iter().filter(|word| code.contains(*word)).map(|word| format!("{}: {word}", file.display())),
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

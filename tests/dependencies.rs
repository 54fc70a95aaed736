//! What may come into the program: the rules of `deny.toml`, held with nothing but cargo.

#![expect(clippy::unwrap_used, reason = "a test that cannot look has failed")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::Command,
};

struct Rules {
    licences: BTreeSet<String>,
    banned: BTreeMap<String, Ban>,
}

struct Ban {
    reason: String,
    /// The packages that may bring it all the same.
    wrappers: BTreeSet<String>,
}

fn rules() -> Rules {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/deny.toml")).unwrap();
    let table: toml::Table = text.parse().unwrap();
    let strings = |value: &toml::Value| -> BTreeSet<String> {
        value.as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_owned()).collect()
    };
    let ban = |entry: &toml::Value| {
        let reason = entry["reason"].as_str().unwrap().to_owned();
        let wrappers = entry.get("wrappers").map(strings).unwrap_or_default();
        (entry["crate"].as_str().unwrap().to_owned(), Ban { reason, wrappers })
    };
    Rules {
        licences: strings(&table["licenses"]["allow"]),
        banned: table["bans"]["deny"].as_array().unwrap().iter().map(ban).collect(),
    }
}

/// The platform that this is.
fn rustc_host() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned()
}

/// The packages that end up in the program, with what their manifests say, and the names of those that use each.
fn packages() -> (Vec<serde_json::Value>, BTreeMap<String, BTreeSet<String>>) {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let run = |arguments: &[&str]| {
        let output = Command::new(&cargo).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let tree = run(&["tree", "--locked", "--offline", "--edges", "normal", "--prefix", "none", "--format", "{p}"]);
    let used: BTreeSet<(String, String)> = tree
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some((words.next()?.to_owned(), words.next()?.trim_start_matches('v').to_owned()))
        })
        .collect();
    // What other platforms need was perhaps never downloaded here.
    let host = rustc_host();
    let metadata = run(&["metadata", "--locked", "--offline", "--format-version", "1", "--filter-platform", &host]);
    let mut metadata: serde_json::Value = serde_json::from_str(&metadata).unwrap();
    // An id ends in `#name@version`, or in `/name#version`.
    let name = |id: &serde_json::Value| {
        let (path, end) = id.as_str().unwrap().rsplit_once('#').unwrap();
        end.split_once('@').map_or_else(|| path.rsplit('/').next().unwrap().to_owned(), |(name, _)| name.to_owned())
    };
    let mut users: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for node in metadata["resolve"]["nodes"].as_array().unwrap() {
        let is_normal = |dependency: &&serde_json::Value| {
            dependency["dep_kinds"].as_array().unwrap().iter().any(|kind| kind["kind"].is_null())
        };
        for dependency in node["deps"].as_array().unwrap().iter().filter(is_normal) {
            users.entry(name(&dependency["pkg"])).or_default().insert(name(&node["id"]));
        }
    }
    let packages = metadata["packages"].take();
    let is_used = |package: &serde_json::Value| {
        used.contains(&(package["name"].as_str().unwrap().to_owned(), package["version"].as_str().unwrap().to_owned()))
    };
    (packages.as_array().unwrap().iter().filter(|package| is_used(package)).cloned().collect(), users)
}

/// Whether one of the ways that a licence expression offers is allowed. (No expression here nests deeper than
/// `(A OR B) AND C`.)
fn allowed(expression: &str, licences: &BTreeSet<String>) -> bool {
    let expression = expression.replace(" / ", " OR ").replace('/', " OR ");
    expression.split(" AND ").all(|part| {
        let part = part.trim().trim_start_matches('(').trim_end_matches(')');
        part.split(" OR ").any(|licence| licences.contains(licence.trim()))
    })
}

#[test]
fn licences_are_read() {
    let licences = ["MIT", "Unicode-3.0"].map(str::to_owned).into();
    for (expression, expected) in [
        ("MIT", true),
        ("MIT/Apache-2.0", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
        ("(MIT OR Apache-2.0) AND GPL-3.0", false),
    ] {
        assert_eq!(allowed(expression, &licences), expected, "{expression}");
    }
}

#[test]
fn what_comes_in_keeps_to_the_rules() {
    let rules = rules();
    let (packages, users) = packages();
    assert!(packages.len() > 50, "{} packages: the list is not whole", packages.len());
    let mut wrong = Vec::new();
    for package in &packages {
        let name = package["name"].as_str().unwrap();
        let licence = package["license"].as_str().unwrap_or("none");
        if !allowed(licence, &rules.licences) {
            wrong.push(format!("{name}: licence {licence}"));
        }
        if let Some(Ban { reason, wrappers }) = rules.banned.get(name) {
            // What only tests use may use what it likes.
            let is_used = |user: &&String| packages.iter().any(|package| package["name"] == ***user);
            for user in users[name].iter().filter(is_used) {
                if !wrappers.contains(user) {
                    wrong.push(format!("{name} is banned, and {user} depends on it: {reason}"));
                }
            }
        }
        let source = package["source"].as_str();
        if name != env!("CARGO_PKG_NAME") && !source.is_some_and(|source| source.starts_with("registry+")) {
            wrong.push(format!("{name} comes from {source:?}, not from the registry"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

//! `docs/configuration.md` says what the program does.

use super::*;
use crate::policy::{PolicyText, load};

const REFERENCE: &str = include_str!("../../../docs/configuration.md");
const BEGIN: &str = "<!-- made from src/config/settings.rs by `cargo test config::tests::reference`: begin -->\n";
const END: &str = "<!-- end -->\n";

/// The reference of every key, as Markdown.
fn reference() -> String {
    let mut text = String::new();
    let mut section = "";
    for setting in SETTINGS {
        if setting.section() != section {
            section = setting.section();
            let title = section.strip_suffix(".*").map_or(format!("[{section}]"), |name| format!("[[{name}]]"));
            writeln!(text, "\n### `{title}`").unwrap();
        }
        let shape = match setting.shape {
            Shape::Text => "string",
            Shape::Integer => "integer",
            Shape::List => "list of strings",
            Shape::Table => "table",
            Shape::Tables => "list of tables",
        };
        let absent = match setting.absent {
            Absent::Default(value) if setting.shape == Shape::Text => format!("default `\"{value}\"`"),
            Absent::Default(value) => format!("default `{value}`"),
            Absent::Optional => "optional".into(),
            Absent::Invalid => "required".into(),
        };
        let Setting { path, expected, meaning, .. } = setting;
        let path = path.replace(".*", "");
        writeln!(text, "\n#### `{path}`\n\n{meaning}\n").unwrap();
        writeln!(text, "- {shape}, {absent}; expects {expected}\n- environment: `{}`", setting.variable()).unwrap();
    }
    text.push('\n');
    text
}

#[test]
fn the_reference_describes_every_key() {
    let (head, rest) = REFERENCE.split_once(BEGIN).expect("the reference begins");
    let (written, tail) = rest.split_once(END).expect("the reference ends");
    let expected = reference();
    if written != expected && std::env::var_os("UPDATE_REFERENCE").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
        fs::write(path, format!("{head}{BEGIN}{expected}{END}{tail}")).unwrap();
        return;
    }
    assert_eq!(written, expected, "run this test once with UPDATE_REFERENCE=1");
}

#[test]
fn what_is_said_of_doors_names_those_that_can_be_opened() {
    let doors = SETTINGS.iter().find(|setting| setting.path == "doors.open").unwrap();
    let names: Vec<_> = Operation::openable().map(|operation| format!("`{operation}`")).collect();
    assert_eq!(doors.expected, format!("a list of operations: {}", names.join(", ")));
    for always in Operation::ALL.iter().filter(|operation| operation.is_always_open()) {
        assert!(doors.meaning.contains(always.name()), "{always}");
    }
}

/// The first TOML example of the reference that begins with this comment.
fn example(name: &str) -> &'static str {
    let begin = format!("```toml\n# {name}\n");
    let (_, rest) = REFERENCE.split_once(&begin).unwrap_or_else(|| panic!("{name}"));
    rest.split_once("```").unwrap().0
}

#[test]
fn the_examples_of_the_reference_are_valid() {
    let place = Place::new(example("findings-gate.toml"));
    place.write("accounts.toml", example("accounts.toml")).write("keys.toml", example("keys.toml"));
    fs::create_dir(place.at("secrets")).unwrap();
    place.write("secrets/soar", "0123456789012345678901234567890123456789\n");
    let config = place.load().unwrap();
    assert_eq!(config.doors.len(), 1);
    let [Identity::SigV4 { keys }] = &config.identities[..] else { panic!() };
    assert_eq!(keys.len(), 2);
}

/// The TOML example of the page on identities that begins with this comment.
fn of_identities(name: &str) -> &'static str {
    let page = include_str!("../../../docs/identity.md");
    let (_, rest) = page.split_once(&format!("```toml\n# {name}\n")).unwrap_or_else(|| panic!("{name}"));
    rest.split_once("```").unwrap().0
}

/// An example of the page on accounts, by its language and what it begins with.
fn of_accounts(begin: &str) -> &'static str {
    let page = include_str!("../../../docs/accounts.md");
    let (_, rest) = page.split_once(&format!("```{begin}\n")).unwrap_or_else(|| panic!("{begin}"));
    rest.split_once("```").unwrap().0
}

#[test]
fn the_examples_of_the_page_on_accounts_are_valid() {
    let csv = of_accounts("csv").to_owned();
    for (name, fleets, accounts) in [("one-fleet", 1, 3), ("with-csv", 1, 3), ("several-fleets", 2, 5)] {
        let place = Place::new(SMALLEST);
        place.write("accounts.toml", of_accounts(&format!("toml\n# {name}.toml"))).write("members.csv", &csv);
        let known = place.load().unwrap_or_else(|error| panic!("{name}: {error:?}")).accounts;
        assert_eq!((known.fleets().len(), known.count()), (fleets, accounts), "{name}");
        let id = |text: &str| text.parse().unwrap();
        assert_eq!(known.groups(id("222222222222")), ["ou/prod", "pci"], "{name}");
    }
    let discovered = of_accounts("toml\n# discovered.toml");
    let remote = SMALLEST.replace("\"embedded\"", "\"http://127.0.0.1:9\"");
    let place = Place::new(&remote.replace("[accounts]\nfile = \"accounts.toml\"\n", discovered));
    let discovery = place.load().unwrap().discovery.unwrap();
    assert_eq!((discovery.refresh.as_secs(), discovery.wait.as_secs()), (300, 30));
    let policies = PolicyText { name: "accounts.md".into(), text: of_accounts("cedar").into() };
    assert_eq!(load(&[policies]).unwrap().rules().len(), 2);
}

#[test]
fn the_examples_of_the_page_on_identities_are_valid() {
    let upstream = SMALLEST.find("[upstream]").unwrap();
    let head = &SMALLEST[..SMALLEST.find("[[identity]]").unwrap()];
    let rules = format!("[[identity]]\nkind = \"mtls\"\n{}", of_identities("rules.toml"));
    for identity in [rules.as_str(), of_identities("mtls.toml")] {
        let place = Place::new(&format!("{}{head}{identity}{}", of_identities("tls.toml"), &SMALLEST[upstream..]));
        place.write("tls.crt", "-----BEGIN CERTIFICATE-----").write("clients.crt", "-----BEGIN CERTIFICATE-----");
        place.write("tls.key", "-----BEGIN PRIVATE KEY-----").private("tls.key");
        let config = place.load().unwrap();
        assert!(config.listen.tls.unwrap().clients.is_some());
        assert!(matches!(&config.identities[..], [Identity::Mtls { .. }]));
    }
}

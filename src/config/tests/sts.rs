//! `[[identity]]` of kind `sts`.

use super::*;

/// [`SMALLEST`] with this in place of its identity.
fn with(identity: &str) -> Place {
    let from = SMALLEST.find("[[identity]]").unwrap();
    let to = SMALLEST.find("[upstream]").unwrap();
    let place = Place::new(&format!("{}{identity}\n{}", &SMALLEST[..from], &SMALLEST[to..]));
    place.write("sts.pem", "-----BEGIN CERTIFICATE-----");
    place
}

const STS: &str = "[[identity]]\nkind = \"sts\"\ngate = \"gate.example\"\n";

fn hosts(config: &Config) -> Vec<String> {
    let Identity::Sts { hosts, .. } = &config.identities[0] else { panic!("{:?}", config.identities) };
    hosts.iter().map(ToString::to_string).collect()
}

#[test]
fn a_name_is_enough() {
    let config = with(STS).load().unwrap();
    let Identity::Sts { gate, ca, minimum_enforcement, .. } = &config.identities[0] else { panic!() };
    assert_eq!((gate.as_str(), ca.is_none(), *minimum_enforcement), ("gate.example", true, Enforcement::Strip));
    assert_eq!(hosts(&config), ["https://sts.eu-west-1.amazonaws.com", "https://sts.amazonaws.com"]);
    assert_eq!(config.warnings, Vec::<String>::new());
}

#[test]
fn the_example_of_the_page_on_identities_is_valid() {
    let page = include_str!("../../../docs/identity.md");
    let (_, example) = page.split_once("```toml\n# sts.toml\n").unwrap();
    let config = with(example.split_once("```").unwrap().0).load().unwrap();
    assert!(matches!(&config.identities[..], [Identity::Sts { gate, .. }] if gate.as_str() == "findings.example.com"));
}

#[test]
fn every_key_is_read_from_the_file_and_from_the_environment() {
    let place = with(&format!(
        "{STS}hosts = [\"vpce-1.sts.eu-west-1.vpce.amazonaws.com\"]\nca = \"sts.pem\"\nminimum_enforcement = \"refuse\"\n"
    ));
    let config = place.load().unwrap();
    let Identity::Sts { ca: Some(_), minimum_enforcement: Enforcement::Refuse, .. } = &config.identities[0] else {
        panic!("{:?}", config.identities)
    };
    assert_eq!(hosts(&config), ["https://vpce-1.sts.eu-west-1.vpce.amazonaws.com"]);
    let ca = place.at("sts.pem").display().to_string();
    let environment = [
        ("FINDINGS_GATE__IDENTITY__0__GATE", "another.example"),
        ("FINDINGS_GATE__IDENTITY__0__HOSTS", "http://127.0.0.1:5000,sts.amazonaws.com"),
        ("FINDINGS_GATE__IDENTITY__0__CA", &ca),
    ];
    let config = place.load_with(&environment, &Flags::default()).unwrap();
    let Identity::Sts { gate, ca: Some(ca), .. } = &config.identities[0] else { panic!() };
    assert_eq!((gate.as_str(), &ca.path), ("another.example", &place.at("sts.pem")));
    assert_eq!(hosts(&config), ["http://127.0.0.1:5000", "https://sts.amazonaws.com"]);
}

#[test]
fn each_mistake_is_told() {
    let told = |identity: &str| {
        let place = with(identity);
        place.told(place.load())
    };
    assert!(told("[[identity]]\nkind = \"sts\"").contains("`identity.0.gate` is missing: expected a name of 1 to 128"));
    for (line, expected) in [
        ("gate = \"two words\"", "`identity.0.gate` is \"two words\": expected a name of 1 to 128"),
        ("hosts = []", "`identity.0.hosts` is empty: expected at least one host"),
        ("hosts = \"sts.amazonaws.com\"", "`identity.0.hosts` is \"sts.amazonaws.com\": expected a list of hosts"),
        ("hosts = [3]", "`identity.0.hosts[0]` is an integer: expected a string"),
        (
            "hosts = [\"sts.amazonaws.com\", \"http://sts.amazonaws.com\"]",
            "`identity.0.hosts[1]` is \"http://sts.amazonaws.com\": expected a host name in lower case",
        ),
        ("ca = \"none.pem\"", "`identity.0.ca`: cannot read `none.pem`: there is no such file"),
        ("minimum_enforcement = \"deny\"", "expected `strip`, `reject` or `refuse`"),
        ("keys = \"keys.toml\"", "`identity.0.keys` is no key of an identity that is `sts`"),
    ] {
        let lines = if line.starts_with("gate") { "[[identity]]\nkind = \"sts\"\n" } else { STS };
        let told = told(&format!("{lines}{line}\n"));
        assert!(told.contains(expected), "{line}: {told}");
    }
}

#[test]
fn a_signature_that_would_be_looked_at_first_gets_a_warning() {
    let sigv4 = "[[identity]]\nkind = \"sigv4\"\nkeys = \"keys.toml\"\n";
    let warnings = with(&format!("{sigv4}{STS}")).load().unwrap().warnings;
    let [warning] = &warnings[..] else { panic!("{warnings:?}") };
    assert!(warning.contains("`identity.1` is `sts` and stands after a `sigv4` one"), "{warning}");
    assert_eq!(with(&format!("{STS}{sigv4}")).load().unwrap().warnings, Vec::<String>::new());
}

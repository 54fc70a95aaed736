//! Identities of the kinds `jwt` and `header`.

use super::*;
use crate::config::identity::{HeaderFront, JwtKeys};

const KEY_SET: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AQAB","kid":"one"}]}"#;
const ALB: &str = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:loadbalancer/app/front/0123456789abcdef";
const RULE: &str =
    "[[identity.rule]]\nwhen = { sub = \"{name}\" }\naccount = \"222222222222\"\nprincipal = \"{name}\"\n";

/// A configuration with these identities, in TOML, in place of the smallest one's.
fn with(identities: &str) -> Place {
    let (from, to) = (SMALLEST.find("[[identity]]").unwrap(), SMALLEST.find("[upstream]").unwrap());
    let place = Place::new(&format!("{}{identities}\n{}", &SMALLEST[..from], &SMALLEST[to..]));
    place.write("jwks.json", KEY_SET).write("ca.pem", "-----BEGIN CERTIFICATE-----");
    place
}

fn jwt(lines: &str) -> Place {
    with(&format!("[[identity]]\nkind = \"jwt\"\n{lines}"))
}

fn header(lines: &str) -> Place {
    with(&format!("[[identity]]\nkind = \"header\"\n{lines}"))
}

#[track_caller]
fn told(place: &Place, expected: &str) {
    let told = place.told(place.load());
    // Further problems follow from some: the first is what the test is about.
    assert!(told.contains(expected), "`{expected}` is not in:\n{told}");
}

const ISSUED: &str = "issuer = \"https://issuer.example\"\naudience = [\"gate\"]\n";

#[test]
fn tokens_have_defaults() {
    let config = jwt(&format!("{ISSUED}{RULE}")).load().unwrap();
    let [Identity::Jwt(identity)] = &config.identities[..] else { panic!("{:?}", config.identities) };
    assert_eq!((&*identity.issuer, &identity.audiences[..]), ("https://issuer.example", &["gate".to_owned()][..]));
    assert_eq!((identity.refresh, identity.max_stale), (Duration::from_mins(5), Duration::from_hours(24)));
    let JwtKeys::Discovery(url, None) = &identity.keys else { panic!("{:?}", identity.keys) };
    assert_eq!(*url, "https://issuer.example/.well-known/openid-configuration");
    assert_eq!((identity.rules.len(), &config.warnings[..]), (1, &[][..]));
}

#[test]
fn the_environment_sets_every_key_of_tokens() {
    let place = with("");
    let (file, ca) = (place.at("jwks.json").display().to_string(), place.at("ca.pem").display().to_string());
    let load = |set: &[(&str, &str)]| {
        let names: Vec<String> = set.iter().map(|(name, _)| format!("FINDINGS_GATE__IDENTITY__0__{name}")).collect();
        let environment: Vec<_> = names.iter().map(String::as_str).zip(set.iter().map(|(_, value)| *value)).collect();
        let identity = place.load_with(&environment, &Flags::default()).unwrap().identities.remove(0);
        let Identity::Jwt(identity) = identity else { panic!("{identity:?}") };
        identity
    };
    let common = [("KIND", "jwt"), ("ISSUER", "cluster"), ("AUDIENCE", "gate, findings")];
    let irsa = [("PRESET", "irsa"), ("ACCOUNT", "222222222222"), ("MINIMUM_ENFORCEMENT", "reject")];
    let times = [("JWKS_REFRESH", "1m"), ("JWKS_MAX_STALE", "2h")];
    let identity = load(&[&common[..], &irsa, &times, &[("JWKS_FILE", &file)]].concat());
    assert_eq!(identity.audiences, ["gate", "findings"]);
    assert_eq!((identity.refresh, identity.max_stale), (Duration::from_mins(1), Duration::from_hours(2)));
    assert!(matches!(&identity.keys, JwtKeys::File(path) if *path == place.at("jwks.json")));
    assert_eq!(identity.rules[0].minimum_enforcement, Enforcement::Reject);
    let urls = [("PRESET", "sts-web-identity"), ("JWKS_URL", "https://issuer.example/keys"), ("CA", &*ca)];
    let identity = load(&[&common[..], &urls].concat());
    assert!(matches!(&identity.keys, JwtKeys::Url(url, Some(_)) if *url == "https://issuer.example/keys"));
    assert_eq!(identity.rules[0].when.len(), 2);
}

#[test]
fn each_mistake_about_tokens_is_told() {
    let file = "jwks_file = \"jwks.json\"\n";
    for (lines, expected) in [
        (String::new(), "`identity.0.issuer` is missing"),
        (String::new(), "`identity.0.audience` is missing"),
        (String::new(), "`identity.0.rule` is missing"),
        (format!("issuer = \"\"\naudience = [\"x\"]\n{RULE}"), "`identity.0.issuer` is empty"),
        (format!("issuer = \"https://a\"\naudience = []\n{RULE}"), "`identity.0.audience` is empty: expected a list"),
        (format!("issuer = \"https://a\"\naudience = [\"\"]\n{RULE}"), "`identity.0.audience[0]` is empty"),
        (
            format!("issuer = \"https://a\"\naudience = \"x\"\n{RULE}"),
            "`identity.0.audience` is \"x\": expected a list",
        ),
        (format!("issuer = \"cluster\"\naudience = [\"x\"]\n{RULE}"), "set `jwks_file` or `jwks_url`"),
        (format!("issuer = \"http://issuer.example\"\naudience = [\"x\"]\n{RULE}"), "expected an `https://` URL"),
        (format!("{ISSUED}jwks_url = \"http://issuer.example/keys\"\n{RULE}"), "or `http://` on a loopback address"),
        (format!("{ISSUED}jwks_url = \"https://a/keys\"\n{file}{RULE}"), "expected one place for the issuer's keys"),
        (format!("{ISSUED}jwks_file = \"gate.toml\"\n{RULE}"), "`gate.toml` is no JWK Set"),
        (format!("{ISSUED}jwks_file = \"none.json\"\n{RULE}"), "there is no such file"),
        (format!("{ISSUED}{file}ca = \"ca.pem\"\n{RULE}"), "`identity.0.jwks_file` is a file"),
        (format!("{ISSUED}jwks_url = \"http://[::1]/keys\"\nca = \"ca.pem\"\n{RULE}"), "is for an `https://` URL"),
        (format!("{ISSUED}ca = \"gate.toml\"\n{RULE}"), "has no line `-----BEGIN CERTIFICATE-----`"),
        (format!("{ISSUED}jwks_refresh = \"0s\"\n{RULE}"), "expected a duration from `1s` to `24h`"),
        (
            format!("{ISSUED}jwks_refresh = \"2m\"\njwks_max_stale = \"1m\"\n{RULE}"),
            "shorter than `identity.0.jwks_refresh`",
        ),
        (format!("{ISSUED}preset = \"irsah\"\n"), "`irsa` or `sts-web-identity` where `kind` is `jwt`"),
        (format!("{ISSUED}preset = \"alb\"\n"), "`irsa` or `sts-web-identity` where `kind` is `jwt`"),
        (format!("{ISSUED}preset = \"irsa\"\n"), "`identity.0.account` is missing"),
        (
            format!("{ISSUED}preset = \"irsa\"\naccount = \"222222222222\"\n{RULE}"),
            "`identity.0.rule` is no key of an identity that is `jwt` with the preset `irsa`",
        ),
        (
            format!("{ISSUED}preset = \"sts-web-identity\"\naccount = \"222222222222\"\n"),
            "`identity.0.account` is no key of an identity that is `jwt` with the preset `sts-web-identity`",
        ),
        (
            format!("{ISSUED}account = \"222222222222\"\n{RULE}"),
            "`identity.0.account` is no key of an identity that is `jwt`",
        ),
        (
            format!("{ISSUED}from = [\"10.0.0.0/8\"]\n{RULE}"),
            "`identity.0.from` is no key of an identity that is `jwt`",
        ),
        (format!("{ISSUED}{}", RULE.replace("sub =", "\"/a~b\" =")), "`/a~b`, which is no JSON Pointer"),
        (
            format!("{ISSUED}{RULE}[[identity]]\nkind = \"jwt\"\n{ISSUED}{RULE}"),
            "`identity.1.issuer` is that of `identity.0.issuer` too",
        ),
    ] {
        told(&jwt(&lines), expected);
    }
    let place = jwt(&format!("{ISSUED}{file}{RULE}"));
    place.write("jwks.json", r#"{"keys":[{"kty":"oct","k":"AQAB"}]}"#);
    told(&place, "`jwks.json` has no key for signatures by an algorithm that this gate accepts");
    let elsewhere = jwt(&format!("{ISSUED}preset = \"irsa\"\naccount = \"333333333333\"\n")).load().unwrap();
    assert_eq!(elsewhere.warnings, ["`identity.0.account` is 333333333333, which the accounts file does not name"]);
}

#[test]
fn fronts_are_read() {
    let config =
        header("preset = \"api-gateway\"\nfrom = [\"10.0.0.0/8\", \"192.0.2.1\", \"fd00::/8\"]\n").load().unwrap();
    let [Identity::Header(identity)] = &config.identities[..] else { panic!("{:?}", config.identities) };
    let from: Vec<String> = identity.from.iter().map(ToString::to_string).collect();
    assert_eq!(from, ["10.0.0.0/8", "192.0.2.1/32", "fd00::/8"]);
    let HeaderFront::ApiGateway { account, principal, minimum_enforcement } = &identity.front else { panic!() };
    assert_eq!(
        (account.as_str(), principal.as_str()),
        ("x-findings-gate-caller-account", "x-findings-gate-caller-arn")
    );
    assert_eq!(*minimum_enforcement, Enforcement::Strip);
}

#[test]
fn the_environment_sets_every_key_of_fronts() {
    let place = with("");
    for name in ["tls.crt", "client-ca.crt"] {
        place.write(name, "-----BEGIN CERTIFICATE-----");
    }
    place.write("tls.key", "-----BEGIN PRIVATE KEY-----").private("tls.key");
    let at = |name: &str| place.at(name).display().to_string();
    let (certificate, key, ca) = (at("tls.crt"), at("tls.key"), at("client-ca.crt"));
    let load = |set: &[(&str, &str)]| {
        let tls =
            [("LISTEN__TLS__CERTIFICATE", &*certificate), ("LISTEN__TLS__KEY", &key), ("LISTEN__TLS__CLIENT_CA", &ca)];
        let mut names: Vec<_> = tls.iter().map(|(name, value)| (format!("FINDINGS_GATE__{name}"), *value)).collect();
        names.extend(set.iter().map(|(name, value)| (format!("FINDINGS_GATE__IDENTITY__0__{name}"), *value)));
        let environment: Vec<_> = names.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        place.load_with(&environment, &Flags::default())
    };
    let front = |set: &[(&str, &str)]| {
        let identity = load(&[&[("KIND", "header")], set].concat()).unwrap().identities.remove(0);
        let Identity::Header(identity) = identity else { panic!("{identity:?}") };
        identity
    };
    let identity = front(&[
        ("PRESET", "api-gateway"),
        ("WHEN", "{ subject = \"CN=ApiGateway\" }"),
        ("ACCOUNT_HEADER", "X-Account"),
        ("PRINCIPAL_HEADER", "X-Arn"),
        ("MINIMUM_ENFORCEMENT", "refuse"),
    ]);
    assert_eq!(identity.when, [("subject".to_owned(), "CN=ApiGateway".parse().unwrap())]);
    let HeaderFront::ApiGateway { account, principal, minimum_enforcement } = &identity.front else { panic!() };
    assert_eq!((account.as_str(), principal.as_str()), ("x-account", "x-arn"));
    assert_eq!(*minimum_enforcement, Enforcement::Refuse);
    let identity = front(&[
        ("PRESET", "alb"),
        ("FROM", "10.0.0.0/8"),
        ("SIGNER", ALB),
        ("KEYS_URL", "https://keys.example/alb"),
        ("CA", &ca),
        ("RULE", "[{when = {email = \"{name}@example.com\"}, account = \"222222222222\", principal = \"{name}\"}]"),
    ]);
    let HeaderFront::Alb { signers, keys_url, ca: Some(_), rules } = &identity.front else { panic!() };
    assert_eq!((signers.len(), keys_url.as_deref(), rules.len()), (1, Some("https://keys.example/alb"), 1));
    let told = place.told(load(&[("KIND", "header"), ("PRESET", "vpc-lattice"), ("WHEN", "CN=x")]));
    assert!(told.contains("`identity.0.when` is not a TOML table: expected a table, such as"), "{told}");
}

#[test]
fn each_mistake_about_fronts_is_told() {
    let from = "from = [\"10.0.0.0/8\"]\n";
    let alb = format!("preset = \"alb\"\n{from}");
    for (lines, expected) in [
        (from.to_owned(), "`identity.0.preset` is missing"),
        (format!("preset = \"nginx\"\n{from}"), "`api-gateway`, `vpc-lattice` or `alb` where `kind` is `header`"),
        ("preset = \"vpc-lattice\"\n".to_owned(), "neither `from` nor `when` says whose headers count"),
        ("preset = \"vpc-lattice\"\nfrom = []\n".to_owned(), "`identity.0.from` is empty"),
        (
            "preset = \"vpc-lattice\"\nfrom = [\"vpc\"]\n".to_owned(),
            "`identity.0.from[0]` is \"vpc\": expected an IP address",
        ),
        ("preset = \"vpc-lattice\"\nfrom = [\"10.0.0.1/8\"]\n".to_owned(), "did you mean `10.0.0.0/8`?"),
        ("preset = \"vpc-lattice\"\nfrom = [\"0.0.0.0/0\"]\n".to_owned(), "is every address"),
        ("preset = \"vpc-lattice\"\nfrom = [\"::/0\"]\n".to_owned(), "is every address"),
        ("preset = \"vpc-lattice\"\nwhen = { dns = \"front.example\" }\n".to_owned(), "without `listen.tls.client_ca`"),
        ("preset = \"vpc-lattice\"\nwhen = { ip = \"x\" }\n".to_owned(), "known here: uri, dns, subject"),
        (
            format!("preset = \"vpc-lattice\"\n{from}signer = [\"{ALB}\"]\n"),
            "`identity.0.signer` is no key of an identity that is `header` with the preset `vpc-lattice`",
        ),
        (format!("preset = \"api-gateway\"\n{from}account_header = \"a b\"\n"), "expected the name of a header"),
        (
            format!("preset = \"api-gateway\"\n{from}account_header = \"X-Forwarded-For\"\n"),
            "expected the name of a header",
        ),
        (
            format!("preset = \"api-gateway\"\n{from}account_header = \"x\"\nprincipal_header = \"X\"\n"),
            "are the same header",
        ),
        (format!("{alb}{RULE}"), "`identity.0.signer` is missing"),
        (
            format!("{alb}signer = [\"{ALB}\", \"front\"]\n{RULE}"),
            "`identity.0.signer[1]` is \"front\": expected the ARN",
        ),
        (format!("{alb}signer = [\"{ALB}\"]\n"), "`identity.0.rule` is missing"),
        (format!("{alb}signer = [\"{ALB}\"]\nca = \"ca.pem\"\n{RULE}"), "`identity.0.keys_url`, which is not set"),
        (format!("{alb}signer = [\"{ALB}\"]\nkeys_url = \"http://keys.example\"\n{RULE}"), "on a loopback address"),
        (format!("{alb}signer = [\"{ALB}\"]\n{}", RULE.replace("sub =", "\"/~\" =")), "which is no JSON Pointer"),
    ] {
        told(&header(&lines), expected);
    }
}

const PAGE: &str = include_str!("../../../docs/identity.md");

/// Every configuration that the page shows under these headings is loaded as it is.
#[test]
fn the_examples_of_the_page_are_valid() {
    for (heading, count) in [("## jwt", 4), ("## header", 3)] {
        let (_, section) = PAGE.split_once(&format!("\n{heading}\n")).unwrap();
        let section = section.split("\n## ").next().unwrap();
        let examples: Vec<&str> =
            section.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
        assert_eq!(examples.len(), count, "{heading}");
        for example in examples {
            let place = with(example);
            for name in ["tls.crt", "client-ca.crt"] {
                place.write(name, "-----BEGIN CERTIFICATE-----");
            }
            place.write("tls.key", "-----BEGIN PRIVATE KEY-----").private("tls.key");
            let config = place.load().unwrap_or_else(|error| panic!("{example}\n{}", report(&error)));
            assert_eq!(config.identities.len(), 1, "{example}");
            assert_eq!(config.warnings, [""; 0], "{example}");
        }
    }
}

//! `[upstream]`: where the backend is in each Region, and how requests to it are signed.

use super::*;

/// [`SMALLEST`] with this `[upstream]`.
fn place(upstream: &str) -> Place {
    let at = SMALLEST.find("[upstream]").unwrap();
    Place::new(&format!("{}[upstream]\n{upstream}\n", &SMALLEST[..at]))
}

fn told(upstream: &str) -> String {
    let place = place(upstream);
    place.told(place.load())
}

fn routes(upstream: &str) -> Vec<(String, String)> {
    let config = place(upstream).load().unwrap();
    let Backend::Remote { routes, .. } = config.upstream.backend else { panic!("embedded") };
    routes.into_iter().map(|route| (route.region, route.url.to_string())).collect()
}

#[test]
fn a_region_has_a_backend_of_its_own() {
    let aws = "https://securityhub.eu-west-1.amazonaws.com";
    for (upstream, expected) in [
        ("url = \"aws\"\nregion = \"eu-west-1\"\nsign = \"gateway\"", vec![("eu-west-1", aws)]),
        (
            "url = \"aws\"\nregion = \"us-east-1\"\nregions = [\"eu-west-1\", \"us-east-1\", \"ap-south-1\"]\nfips = \"on\"",
            vec![
                ("us-east-1", "https://securityhub-fips.us-east-1.amazonaws.com"),
                ("eu-west-1", "https://securityhub-fips.eu-west-1.amazonaws.com"),
                ("ap-south-1", "https://securityhub-fips.ap-south-1.amazonaws.com"),
            ],
        ),
        (
            "url = \"aws\"\nregion = \"cn-north-1\"\ndual_stack = \"on\"",
            vec![("cn-north-1", "https://securityhub.cn-north-1.api.amazonwebservices.com.cn")],
        ),
        (
            "url = \"http://{region}.localhost:9000\"\nregion = \"eu-west-1\"\nregions = [\"eu-west-1\", \"us-east-1\"]",
            vec![("eu-west-1", "http://eu-west-1.localhost:9000"), ("us-east-1", "http://us-east-1.localhost:9000")],
        ),
        (
            "url = \"https://{region}.hub.example\"\nregion = \"eu-west-1\"",
            vec![("eu-west-1", "https://eu-west-1.hub.example")],
        ),
    ] {
        let expected: Vec<_> = expected.iter().map(|(region, url)| ((*region).to_owned(), (*url).to_owned())).collect();
        assert_eq!(routes(upstream), expected, "{upstream}");
    }
}

#[test]
fn a_role_is_described() {
    let config = place(
        "url = \"aws\"\nregion = \"eu-west-1\"\nsign = \"assume-role\"\nsts_region = \"us-east-1\"\n[upstream.assume_role]\n\
         arn = \"arn:aws:iam::{account}:role/security/gate\"\nexternal_id = \"gate-7\"\nsession_name = \"gate-{principal}\"\n\
         source_identity = \"{principal}\"\ntags = [\"principal={principal}\", \"how=by {proof}\"]\nduration = \"15m\"\n\
         endpoint = \"http://127.0.0.1:5000\"",
    );
    let config = config.load().unwrap();
    assert_eq!(config.upstream.sts_region, "us-east-1");
    let Sign::AssumeRole(role) = config.upstream.sign else { panic!("{:?}", config.upstream.sign) };
    assert_eq!(role.arn.to_string(), "arn:aws:iam::{account}:role/security/gate");
    assert_eq!(role.external_id.as_deref(), Some("gate-7"));
    assert_eq!(role.session_name.to_string(), "gate-{principal}");
    assert_eq!(role.source_identity.unwrap().to_string(), "{principal}");
    let tags: Vec<_> = role.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(tags, ["principal={principal}", "how=by {proof}"]);
    assert_eq!(role.duration, Duration::from_mins(15));
    assert_eq!(role.endpoint.unwrap().to_string(), "http://127.0.0.1:5000");

    let smallest = place(
        "url = \"aws\"\nregion = \"eu-west-1\"\nsign = \"assume-role\"\n\
         assume_role.arn = \"arn:aws-us-gov:iam::{account}:role/gate\"",
    );
    let config = smallest.load().unwrap();
    assert_eq!(config.upstream.sts_region, "eu-west-1");
    let Sign::AssumeRole(role) = config.upstream.sign else { panic!() };
    assert_eq!((role.session_name.to_string(), role.duration), ("{principal}".to_owned(), Duration::from_hours(1)));
    assert_eq!((role.external_id, role.source_identity, role.tags, role.endpoint), (None, None, vec![], None));
}

#[test]
fn a_request_without_a_signature_to_aws_is_doubted() {
    for url in ["aws", "https://securityhub.eu-west-1.amazonaws.com", "https://securityhub.{region}.api.aws"] {
        let config = place(&format!("url = \"{url}\"\nregion = \"eu-west-1\"")).load().unwrap();
        let [warning] = &config.warnings[..] else { panic!("{:?}", config.warnings) };
        assert!(warning.starts_with("`upstream.sign` is `none` and the findings backend is https://"), "{warning}");
    }
    for more in ["url = \"aws\"\nsign = \"gateway\"", "url = \"https://hub.example\""] {
        assert_eq!(place(&format!("region = \"eu-west-1\"\n{more}")).load().unwrap().warnings, [""; 0]);
    }
}

/// A look at a file's policies with the embedded backend needs no change to its `[upstream]`.
#[test]
fn another_backend_on_the_command_line_makes_what_belongs_to_the_files_moot() {
    let place = place(
        "url = \"aws\"\nregion = \"eu-west-1\"\nregions = [\"eu-west-1\", \"us-east-1\"]\nfips = \"on\"\nsign = \"gateway\"",
    );
    let with = |upstream: &str| {
        place.load_with(&[], &Flags { upstream: Some(upstream.into()), ..Flags::default() }).unwrap().upstream
    };
    let embedded = with("embedded");
    assert!(matches!(embedded.backend, Backend::Embedded { .. }));
    assert_eq!(embedded.sign, Sign::None);
    let other = with("http://127.0.0.1:9000");
    assert_eq!(other.sign, Sign::Gateway, "how to sign is no part of where");
    assert!(matches!(&other.backend, Backend::Remote { routes, fips: false, .. } if routes.len() == 1));
    assert!(matches!(&with("aws").backend, Backend::Remote { fips: false, .. }));
}

#[rustfmt::skip]
#[test]
fn mistakes_are_told() {
    for (upstream, expected) in [
        ("url = \"aws\"\nregion = \"moon-base-1\"",
         "gate.toml:10:7: `upstream.url` is \"aws\", and no partition of AWS is known to have the Region `moon-base-1`\n  \
          help: check the Region's name, or write the endpoint's URL, with `{region}` for the Region's name\n"),
        ("url = \"aws\"\nregion = \"eu-west-1\"\nregions = [\"us-east-1\", \"us-east-1\", \"x\", 3]",
         "gate.toml:12:11: `upstream.regions` does not have `eu-west-1`, which `upstream.region` is\n  \
          help: add it, or make one of the list the `upstream.region`: it is for callers whose proof names no Region\n\
          gate.toml:12:25: `upstream.regions` names `us-east-1` twice\n\
          gate.toml:12:38: `upstream.regions[2]` is \"x\": expected an AWS Region, such as `eu-west-1`\n\
          gate.toml:12:43: `upstream.regions[3]` is 3: expected an AWS Region, such as `eu-west-1`\n"),
        ("url = \"https://hub.example\"\nregion = \"eu-west-1\"\nregions = [\"eu-west-1\"]\nfips = \"on\"\ndual_stack = \"on\"",
         "gate.toml:12:11: `upstream.regions` is for a backend that is in several Regions, and `upstream.url` is one and the same for all\n  \
          help: remove it, set `upstream.url` to `aws`, or write `{region}` for the Region's name in its host\n\
          gate.toml:13:8: `upstream.fips` is for `upstream.url = \"aws\"`\n  help: remove it, and write the host that is meant\n\
          gate.toml:14:14: `upstream.dual_stack` is for `upstream.url = \"aws\"`\n  help: remove it, and write the host that is meant\n"),
        ("url = \"embedded\"\nregion = \"eu-west-1\"\nregions = [\"eu-west-1\"]\nsign = \"gateway\"",
         "gate.toml:12:11: `upstream.regions` is for a backend that is in several Regions, and `upstream.url` is one and the same for all\n  \
          help: remove it, set `upstream.url` to `aws`, or write `{region}` for the Region's name in its host\n\
          gate.toml:13:8: `upstream.sign` is for a backend that checks signatures, and `upstream.url` is `embedded`\n  \
          help: remove it, or set it to `none`\n"),
        ("url = \"aws\"\nregion = \"eu-west-1\"\nfips = \"yes\"\nsign = \"gateway\"\ndata = \"x\"",
         "gate.toml:12:8: `upstream.fips` is \"yes\": expected `on` or `off`\n\
          gate.toml:14:8: `upstream.data` is for the embedded backend, and `upstream.url` is another one\n  \
          help: remove it, or set `upstream.url` to `embedded`\n"),
        ("url = \"http://{region}.hub.example\"\nregion = \"eu-west-1\"\nsign = \"gateway\"",
         "gate.toml:12:8: `upstream.sign` needs an `https://` backend, and `upstream.url` is http://eu-west-1.hub.example: session tokens \
          and findings would go over the network in plaintext\n  help: write `https://`; plain `http://` is for loopback only\n"),
        ("url = \"https://hub.example/{region}\"\nregion = \"eu-west-1\"",
         "gate.toml:10:7: `upstream.url` is \"https://hub.example/{region}\": expected `aws`, `embedded`, or a URL without a path: the paths \
          are those of Security Hub's API\n"),
        ("url = \"AWS\"\nregion = \"eu-west-1\"",
         "gate.toml:10:7: `upstream.url` is \"AWS\": expected `aws`, `embedded`, or `http://` or `https://` with a host and perhaps a port\n  \
          help: did you mean `aws`?\n"),
        ("url = \"aws\"\nregion = \"eu-west-1\"\nsign = \"gateway\"\nsts_region = \"Ireland\"\nassume_role.arn = \"x\"",
         "gate.toml:13:14: `upstream.sts_region` is \"Ireland\": expected an AWS Region, such as `eu-west-1`\n\
          gate.toml:14:19: `upstream.assume_role.arn` is for `upstream.sign = \"assume-role\"`, and `upstream.sign` is another\n"),
        ("url = \"aws\"\nregion = \"eu-west-1\"\nsign = \"assume-role\"",
         "gate.toml: `upstream.assume_role.arn` is missing: expected a role's ARN with `{account}` for the account, such as \
          `arn:aws:iam::{account}:role/findings-gate`\n"),
        ("url = \"aws\"\nregion = \"eu-west-1\"\nsign = \"assume-role\"\n[upstream.assume_role]\n\
          arn = \"arn:aws:iam::{principal}:role/x\"\nexternal_id = \"x\"\nsession_name = \"a b\"\nsource_identity = \"{name}\"\n\
          tags = [\"principal\", \"a={role}\", \"A={role}\", \"aws:x=y\"]\nduration = \"1m\"\nendpoint = \"http://sts.example\"",
         "gate.toml:14:7: `upstream.assume_role.arn` is \"arn:aws:iam::{principal}:role/x\": expected a role's ARN with `{account}` for the \
          account, such as `arn:aws:iam::{account}:role/findings-gate`\n\
          gate.toml:15:15: `upstream.assume_role.external_id` is \"x\": expected 2 to 1224 letters, digits and `_+=,.@:/-`\n\
          gate.toml:16:16: `upstream.assume_role.session_name` is \"a b\": expected letters, digits and `_+=,.@-`, with `{account}`, \
          `{principal}`, `{role}` or `{proof}`\n\
          gate.toml:17:19: `upstream.assume_role.source_identity` is \"{name}\": expected letters, digits and `_+=,.@-`, with `{account}`, \
          `{principal}`, `{role}` or `{proof}`\n\
          gate.toml:18:9: `upstream.assume_role.tags[0]` is \"principal\": expected `key=template`, such as `principal={principal}`, with a key \
          of letters, digits and `_.:/=+-@` that does not begin with `aws:`\n\
          gate.toml:18:34: `upstream.assume_role.tags` has the key `A` twice\n\
          gate.toml:18:46: `upstream.assume_role.tags[3]` is \"aws:x=y\": expected `key=template`, such as `principal={principal}`, with a key \
          of letters, digits and `_.:/=+-@` that does not begin with `aws:`\n\
          gate.toml:19:12: `upstream.assume_role.duration` is \"1m\": expected a duration from `15m` to `12h`\n\
          gate.toml:20:12: `upstream.assume_role.endpoint` is \"http://sts.example\": expected `https://` with a host and perhaps a port, or \
          `http://` with a loopback one\n"),
    ] {
        assert_eq!(told(upstream), expected, "{upstream}");
    }
}

#[test]
fn only_the_account_decides_which_role() {
    for (arn, fits) in [
        ("arn:aws:iam::{account}:role/gate", true),
        ("arn:aws-cn:iam::{account}:role/a/b/gate", true),
        ("arn:aws:iam::123456789012:role/one-for-all", true),
        ("arn:aws:iam::{account}:role/{account}", true),
        ("arn:aws:iam::{account}:role/{role}", false),
        ("arn:aws:iam::{account}:user/gate", false),
        ("arn:aws:iam:eu-west-1:{account}:role/gate", false),
        ("arn:aws:iam::1{account}:role/gate", false),
        ("arn:aws:iam::{account}:role/", false),
        ("arn:aws:iam::{account}:role/a b", false),
        ("{account}", false),
    ] {
        let upstream =
            format!("url = \"aws\"\nregion = \"eu-west-1\"\nsign = \"assume-role\"\nassume_role.arn = \"{arn}\"");
        assert_eq!(place(&upstream).load().is_ok(), fits, "{arn}");
    }
}

const PAGE: &str = include_str!("../../../docs/upstream.md");

/// The page's blocks in a language.
fn blocks(language: &str) -> Vec<&'static str> {
    let begin = format!("```{language}\n");
    PAGE.split(&begin).skip(1).map(|rest| rest.split_once("```").unwrap().0).collect()
}

#[test]
fn every_configuration_of_the_page_is_valid() {
    let blocks = blocks("toml");
    assert_eq!(blocks.len(), 5);
    for block in blocks {
        let upstream = block.split_once("[upstream]\n").unwrap().1;
        let config = place(upstream).load().unwrap();
        let expected = if block.starts_with("# none.toml") { "none" } else { "gateway" };
        let expected = if block.starts_with("# assume-role.toml") { "assume-role" } else { expected };
        assert_eq!((config.upstream.sign.as_str(), config.warnings), (expected, vec![]), "{block}");
    }
}

/// What the page says that a role needs is what the doors of this version need.
#[test]
fn the_policies_of_the_page_name_every_operation() {
    let policies: Vec<serde_json::Value> =
        blocks("json").into_iter().map(|block| serde_json::from_str(block).unwrap()).collect();
    let [role, trust] = &policies[..] else { panic!("{policies:?}") };
    for operation in Operation::ALL
        .iter()
        .filter(|operation| operation.is_always_open() || Operation::openable().any(|openable| openable == **operation))
    {
        let action = format!("\"securityhub:{}\"", operation.name().trim_end_matches("V2"));
        assert!(role.to_string().contains(&action), "{action}");
    }
    for action in ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity", "sts:ExternalId"] {
        assert!(trust.to_string().contains(action), "{action}");
    }
}

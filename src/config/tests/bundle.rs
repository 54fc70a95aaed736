//! `policies.path` as a bundle, and `policies.bundle`.

use super::*;
use crate::{
    bundle::{Bundle, Digest, Draft, Kept, KeyPair, Signatures},
    policy::PolicyText,
};

const POLICY: &str = "@id(\"all\") permit (principal, action, resource);";
const URL: &str = "https://bundles.example.com/prod.tar";

/// A place with a bundle, `b.tar`, that is signed by `one.pub`, and with another key, `two.pub`. `paths` and `keys` go into `[policies]`.
fn place(paths: &str, keys: &str, accounts: Option<&str>) -> Place {
    let configuration = SMALLEST.replace("path = [\"policies\"]", &format!("path = [{paths}]\n{keys}"));
    let configuration = match accounts {
        Some(_) => configuration.replace("[accounts]\nfile = \"accounts.toml\"\n", ""),
        None => configuration,
    };
    let place = Place::new(&configuration);
    let (bundle, signatures) = bundle(&place, accounts, 1);
    fs::write(place.at("b.tar"), &bundle).unwrap();
    fs::write(place.at("b.tar.sig"), &signatures).unwrap();
    place
}

/// A bundle, signed by a key that is new.
fn bundle(place: &Place, accounts: Option<&str>, number: u64) -> (Vec<u8>, String) {
    let (one, two) = (KeyPair::generate().unwrap().0, KeyPair::generate().unwrap().0);
    place.write("one.pub", &one.public().to_pem()).write("two.pub", &two.public().to_pem());
    let policies = vec![PolicyText { name: "all.cedar".into(), text: POLICY.into() }];
    let draft = Draft {
        name: Some("prod".into()),
        number: Some(number),
        policies,
        accounts: accounts.map(str::to_owned),
        revision: None,
    };
    let bundle = draft.build().unwrap();
    let mut signatures = Signatures::of(Digest::of(&bundle));
    signatures.sign(&one).unwrap();
    (bundle, signatures.to_text())
}

/// What `keys` of `[policies]` and a path come to, without what is different each time.
fn told(paths: &str, keys: &str) -> String {
    let place = place(paths, keys, None);
    place.told(place.load())
}

#[test]
fn a_file_that_is_signed_is_read_with_its_accounts() {
    let place = place("\"b.tar\"", "bundle = { keys = [\"two.pub\", \"one.pub\"], name = \"prod\" }", Some(ACCOUNTS));
    let config = place.load().unwrap();
    let read = config.policies.bundle.clone().unwrap();
    assert_eq!((read.bundle.number(), read.signers.len(), &read.cache), (Some(1), 1, &None));
    let texts: Vec<_> = read.texts().collect();
    assert!(texts[0].name.ends_with("b.tar:policies/all.cedar"), "{}", texts[0].name);
    assert_eq!(config.accounts.count(), 2);
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    // Both say it: which one counts?
    let both = format!("[accounts]\nfile = \"accounts.toml\"\n{}", fs::read_to_string(place.at("gate.toml")).unwrap());
    place.write("gate.toml", &both);
    let refused = place.told(place.load());
    assert!(refused.contains("`accounts.file` is set, and the bundle `b.tar` has accounts, too"), "{refused}");
}

#[test]
fn without_keys_nothing_is_taken_unless_it_is_said() {
    assert_eq!(
        told("\"b.tar\"", ""),
        "gate.toml:3:9: `policies.path` names the bundle `b.tar`, and `policies.bundle.keys` is not set: whoever could write it would decide\n  \
         help: set `policies.bundle.keys` to the files with the public keys of those who sign it; `findings-gate bundle keygen` makes a pair\n"
    );
    let place = place("\"b.tar\"", "bundle.unsigned = \"allowed\"", None);
    let config = place.load().unwrap();
    assert!(config.policies.bundle.unwrap().signers.is_empty());
    let [warning] = &config.warnings[..] else { panic!("{:?}", config.warnings) };
    assert!(warning.contains("whoever can write"), "{warning}");
    let of_url = told(&format!("\"{URL}\""), "bundle = { unsigned = \"allowed\", cache = \"cache\" }");
    assert!(of_url.contains("`policies.bundle.unsigned` is `allowed`, and the bundle comes from a URL"), "{of_url}");
    let both = told("\"b.tar\"", "bundle = { unsigned = \"allowed\", keys = [\"one.pub\"] }");
    assert!(both.contains("no signature would be looked at"), "{both}");
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn what_is_wrong_with_a_bundle_is_told() {
    for (paths, keys, expected) in [
        (
            "\"policies\"",
            "bundle.keys = [\"one.pub\"]",
            "gate.toml:4:15: `policies.bundle.keys` is for a bundle, and `policies.path` names none\n",
        ),
        (
            "\"b.tar\", \"c.tar\"",
            "bundle.keys = [\"one.pub\"]",
            "gate.toml:3:18: `policies.path` names more than one bundle: expected one at the most\n",
        ),
        (
            "\"c.tar\"",
            "bundle.keys = [\"one.pub\"]",
            "gate.toml:3:9: `policies.path`: cannot read `c.tar`: there is no such file\n",
        ),
        ("\"b.tar\"", "bundle.keys = []", "gate.toml:4:15: `policies.bundle.keys` names 0 files: expected 1 to 16\n"),
        (
            "\"b.tar\"",
            "bundle.keys = [\"none.pub\"]",
            "gate.toml:4:16: `policies.bundle.keys[0]`: cannot read `none.pub`: there is no such file\n",
        ),
        (
            "\"b.tar\"",
            "bundle.keys = [\"keys.toml\"]",
            "gate.toml:4:16: `policies.bundle.keys[0]`: `keys.toml` has no `-----BEGIN PUBLIC KEY-----`",
        ),
        (
            "\"b.tar\"",
            "bundle.keys = [\"one.pub\", \"one.pub\"]",
            "gate.toml:4:27: `policies.bundle.keys[1]` is a key that `policies.bundle.keys` names before",
        ),
        (
            "\"b.tar\"",
            "bundle = { keys = [\"one.pub\"], signatures = 2 }",
            "`policies.bundle.signatures` is 2, and `policies.bundle.keys` names 1 of them",
        ),
        (
            "\"b.tar\"",
            "bundle = { keys = [\"one.pub\", \"two.pub\"], signatures = 2 }",
            "gate.toml:3:9: `policies.path`: the bundle `b.tar` is not used: 1 of the trusted keys signed the bundle, and 2 are required\n",
        ),
        (
            "\"b.tar\"",
            "bundle.keys = [\"two.pub\"]",
            "gate.toml:3:9: `policies.path`: the bundle `b.tar` is not used: no trusted key has signed the bundle",
        ),
        (
            "\"b.tar\"",
            "bundle = { keys = [\"one.pub\"], name = \"dev\" }",
            "the bundle `b.tar` is not used: the bundle is for `prod`, and `dev` is expected\n",
        ),
        (
            "\"b.tar\"",
            "bundle = { keys = [\"one.pub\"], cache = \"x\" }",
            "`policies.bundle.cache` is for a bundle that is fetched, and `b.tar` is a file\n",
        ),
        (
            "\"b.tar\"",
            "bundle = { keys = [\"one.pub\"], unsigned = \"no\" }",
            "`policies.bundle.unsigned` is \"no\": expected `refused` or `allowed`\n",
        ),
        (
            "\"http://bundles.example.com/b.tar\"",
            "bundle = { keys = [\"one.pub\"], cache = \"x\" }",
            "expected a bundle's URL: `https://`, or `http://` on a loopback address, without a user and a fragment\n",
        ),
        (
            "\"https://me:secret@example.com/b.tar\"",
            "bundle = { keys = [\"one.pub\"], cache = \"x\" }",
            "without a user and a fragment\n",
        ),
        (
            "\"http://bundles.example.com/b.tar?X-Amz-Signature=hidden#hidden\"",
            "bundle = { keys = [\"one.pub\"], cache = \"x\" }",
            "`policies.path` is \"http://bundles.example.com/b.tar\": expected a bundle's URL",
        ),
        (
            "\"https://example.com/b.tar?token=hidden\"",
            "",
            "`policies.path` names the bundle `https://example.com/b.tar`, and `policies.bundle.keys` is not set",
        ),
        (
            "\"https://example.com/b.tar\"",
            "bundle = { keys = [\"one.pub\"] }",
            "gate.toml: `policies.bundle.cache` is missing: expected the path of a directory\n",
        ),
        ("\"https://example.com/b.tar\"", "", "`policies.bundle.keys` is not set"),
        (
            "\"https://example.com/b.tar\"",
            "bundle = { keys = [\"one.pub\"], cache = \"x\", refresh = \"0s\" }",
            "`policies.bundle.refresh` is \"0s\": expected a duration from `1s` to `24h`\n",
        ),
        (
            "\"http://127.0.0.1/b.tar\"",
            "bundle = { keys = [\"one.pub\"], cache = \"x\", ca = \"one.pub\" }",
            "`policies.bundle.ca` is for an `https://` URL, and `http://127.0.0.1/b.tar` is none\n",
        ),
        (
            "\"https://example.com/b.tar?token=hidden\"",
            "bundle = { keys = [\"one.pub\"], cache = \"x\" }",
            "there is no copy of https://example.com/b.tar in `x`",
        ),
    ] {
        let told = told(paths, keys);
        assert!(told.contains(expected), "{paths} {keys}\n{told}");
        assert!(!told.contains("hidden"), "{told}");
    }
}

#[test]
fn of_a_url_the_copy_is_read_or_what_came() {
    let place = place(
        &format!("\"{URL}?token=hidden\""),
        "bundle = { keys = [\"one.pub\"], cache = \"cache\", refresh = \"5m\", timeout = \"3s\" }",
        None,
    );
    let (bytes, signatures) = bundle(&place, None, 2);
    let load = |fetched: Option<FetchedBundle>| match fetched {
        None => place.load(),
        Some(fetched) => load_trying(&place.at("gate.toml"), [], &Flags::default(), fetched),
    };
    assert!(place.told(load(None)).contains("was fetched") || place.told(load(None)).contains("there is no copy"));
    let fetched = FetchedBundle {
        url: URL.into(),
        bundle: bytes.clone().into(),
        signatures: signatures.clone().into_bytes().into(),
    };
    assert!(load(Some(fetched.clone())).unwrap().policies.bundle.unwrap().cache.is_some());
    // What came from elsewhere is not what this configuration asked for.
    assert!(load(Some(FetchedBundle { url: "https://example.com/".into(), ..fetched.clone() })).is_err());

    fs::create_dir(place.at("cache")).unwrap();
    let opened = Bundle::open(&bytes).unwrap();
    let keep = |url: &str| {
        let (name, signatures_name) = Kept::files(&opened.digest());
        fs::write(place.at("cache").join(name), &bytes).unwrap();
        fs::write(place.at("cache").join(signatures_name), &signatures).unwrap();
        let kept = Kept::new(url, &opened, "2026-01-01T00:00:00Z".into());
        fs::write(place.at("cache").join(Kept::FILE), kept.to_text()).unwrap();
    };
    keep("https://example.com/other.tar");
    let told = place.told(load(None));
    assert!(told.contains("what is there is of https://example.com/other.tar"), "{told}");
    keep(URL);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let warnings = |mode: u32| {
            fs::set_permissions(place.at("cache"), fs::Permissions::from_mode(mode)).unwrap();
            load(None).unwrap().warnings
        };
        assert!(warnings(0o755).is_empty());
        assert!(warnings(0o775)[0].contains("put an earlier bundle there"));
    }
    assert_eq!(load(None).unwrap().policies.bundle.unwrap().bundle.number(), Some(2));
    let remote = remote_bundle(&place.at("gate.toml"), [], &Flags::default()).unwrap().unwrap();
    assert_eq!((remote.shown.as_str(), remote.url.query()), (URL, Some("token=hidden")));
    assert_eq!((remote.refresh.as_secs(), remote.timeout.as_secs()), (300, 3));
    assert_eq!(remote.kept.unwrap().0.number, Some(2));
    // A copy that the keys of now have not signed is read again at every look, and never used.
    place.write("one.pub", &KeyPair::generate().unwrap().0.public().to_pem());
    assert!(place.told(load(None)).contains("no trusted key has signed the bundle"));
    assert!(remote_bundle(&place.at("gate.toml"), [], &Flags::default()).unwrap().unwrap().kept.is_none());
    // Where no URL is named there is nothing to fetch.
    let other = Place::new(SMALLEST);
    assert!(remote_bundle(&other.at("gate.toml"), [], &Flags::default()).unwrap().is_none());
}

/// Each key of it, from the environment.
#[test]
fn the_environment_says_all_of_it() {
    let place = place("\"policies\"", "", None);
    let (bytes, signatures) = bundle(&place, None, 2);
    let keys = format!("{}, {}", place.at("one.pub").display(), place.at("two.pub").display());
    place.write("ca.pem", "-----BEGIN CERTIFICATE-----");
    let (ca, cache) = (place.at("ca.pem").display().to_string(), place.at("cache").display().to_string());
    let environment = [
        ("FINDINGS_GATE__POLICIES__PATH", URL),
        ("FINDINGS_GATE__POLICIES__BUNDLE__KEYS", &keys),
        ("FINDINGS_GATE__POLICIES__BUNDLE__SIGNATURES", "1"),
        ("FINDINGS_GATE__POLICIES__BUNDLE__NAME", "prod"),
        ("FINDINGS_GATE__POLICIES__BUNDLE__UNSIGNED", "refused"),
        ("FINDINGS_GATE__POLICIES__BUNDLE__CACHE", &cache),
        ("FINDINGS_GATE__POLICIES__BUNDLE__REFRESH", "2s"),
        ("FINDINGS_GATE__POLICIES__BUNDLE__TIMEOUT", "3s"),
        ("FINDINGS_GATE__POLICIES__BUNDLE__CA", &ca),
    ];
    for setting in SETTINGS.iter().filter(|setting| setting.path.starts_with("policies.bundle.")) {
        assert!(environment.iter().any(|(name, _)| *name == setting.variable()), "{}", setting.path);
    }
    let environment = environment.map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let remote = remote_bundle(&place.at("gate.toml"), environment.clone(), &Flags::default()).unwrap().unwrap();
    assert_eq!((remote.trust.keys.len(), remote.trust.name.as_deref()), (2, Some("prod")));
    assert!(remote.ca.is_some() && remote.kept.is_none());
    let fetched = FetchedBundle { url: URL.into(), bundle: bytes.into(), signatures: signatures.into_bytes().into() };
    load_trying(&place.at("gate.toml"), environment, &Flags::default(), fetched).unwrap();
}

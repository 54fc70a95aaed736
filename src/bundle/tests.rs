//! What is a bundle, and what is none.

use super::*;
use crate::policy::PolicyText;
use proptest::prelude::*;
use std::process::{Command, Stdio};

fn policy(name: &str, text: &str) -> PolicyText {
    PolicyText { name: name.to_owned(), text: text.to_owned() }
}

fn draft() -> Draft {
    Draft {
        name: Some("prod".into()),
        revision: Some("git:4f2a".into()),
        number: Some(7),
        policies: vec![policy("b.cedar", "// b"), policy("baseline/a.cedar", "// a\n"), policy("a.cedar", "")],
        accounts: Some("administrator = \"111111111111\"\n".into()),
    }
}

fn trust(pairs: &[&KeyPair]) -> Trust {
    Trust { keys: pairs.iter().map(|pair| pair.public()).collect(), required: 1, name: None }
}

fn signed(bundle: &[u8], pairs: &[&KeyPair]) -> Vec<u8> {
    let mut signatures = Signatures::of(Digest::of(bundle));
    for pair in pairs {
        signatures.sign(pair).unwrap();
    }
    signatures.to_text().into_bytes()
}

fn pair() -> KeyPair {
    KeyPair::generate().unwrap().0
}

/// Files and their names.
type Files = Vec<(String, Vec<u8>)>;

/// The bundle's files, as they are.
fn files(bundle: &[u8]) -> Files {
    archive::read(bundle).unwrap().into_iter().map(|(name, bytes)| (name.to_owned(), bytes.to_vec())).collect()
}

/// An archive of files, whatever they are.
fn packed(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    archive::write(files.iter().map(|(name, bytes)| (&**name, &**bytes))).unwrap()
}

#[test]
fn what_is_put_in_comes_out() {
    let bundle = Bundle::open(&draft().build().unwrap()).unwrap();
    assert_eq!((bundle.name(), bundle.revision(), bundle.number()), (Some("prod"), "git:4f2a", Some(7)));
    let files: Vec<_> = bundle.policies().iter().map(|file| (&*file.name, &*file.text)).collect();
    assert_eq!(
        files,
        [("policies/a.cedar", ""), ("policies/b.cedar", "// b"), ("policies/baseline/a.cedar", "// a\n")]
    );
    assert_eq!(bundle.accounts(), Some(("accounts.toml", "administrator = \"111111111111\"\n")));
    assert!(bundle.is_of_this_schema());
}

#[test]
fn the_same_contents_are_the_same_bytes() {
    let one = draft();
    let mut other = draft();
    other.policies.reverse();
    assert_eq!(one.build().unwrap(), other.build().unwrap());
    let unnamed = Draft { revision: None, ..draft() };
    let revision = Bundle::open(&unnamed.build().unwrap()).unwrap().revision().to_owned();
    assert!(revision.starts_with("sha256:"), "{revision}");
    other.revision = None;
    other.policies[0].text.push(' ');
    assert_ne!(Bundle::open(&other.build().unwrap()).unwrap().revision(), revision);
}

/// The format is tar's, whatever else is asked of it here.
#[test]
fn tar_reads_a_bundle() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("bundle.tar");
    std::fs::write(&file, draft().build().unwrap()).unwrap();
    let run = |arguments: &[&str]| {
        let what = if arguments.is_empty() { "-tf" } else { "-xOf" };
        let output = Command::new("tar").arg(what).arg(&file).args(arguments).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(
        run(&[]),
        "manifest.json\naccounts.toml\npolicies/a.cedar\npolicies/b.cedar\npolicies/baseline/a.cedar\n"
    );
    let manifest: serde_json::Value = serde_json::from_str(&run(&["manifest.json"])).unwrap();
    assert_eq!((&manifest["format"], &manifest["number"]), (&1.into(), &7.into()));
    assert_eq!(manifest["roots"], serde_json::json!(["accounts", "policies"]));
}

#[test]
fn what_has_no_place_in_a_bundle_does_not_get_into_one() {
    for name in [
        "../a.cedar",
        "/a.cedar",
        "a/../b.cedar",
        "a/b/c.cedar",
        "a//b.cedar",
        ".cedar",
        ".a.cedar",
        "a.properties.cedar",
        "a.cedarschema",
        "a b.cedar",
        "ä.cedar",
        "a\0.cedar",
        "a\\b.cedar",
        &format!("{}.cedar", "a".repeat(100)),
    ] {
        let draft = Draft { policies: vec![policy(name, "")], ..Draft::default() };
        assert_eq!(draft.build(), Err(InvalidBundle::Name(format!("policies/{name}"))), "{name}");
    }
    let build = |policies: Vec<PolicyText>| Draft { policies, ..Draft::default() }.build();
    assert_eq!(build(vec![]), Err(InvalidBundle::NoPolicies));
    assert_eq!(
        build(vec![policy("a.cedar", ""), policy("a.cedar", "x")]),
        Err(InvalidBundle::Repeated("policies/a.cedar".into()))
    );
    let many = |count: usize| (0..count).map(|at| policy(&format!("{at}.cedar"), "")).collect();
    assert!(build(many(MOST_POLICIES)).is_ok());
    assert!(matches!(build(many(MOST_POLICIES + 1)), Err(InvalidBundle::TooManyPolicies)));
    let large = "x".repeat(crate::policy::MAX_FILE + 1);
    assert!(matches!(build(vec![policy("a.cedar", &large)]), Err(InvalidBundle::LargeFile { .. })));
    let larger =
        Draft { accounts: Some("x".repeat(LARGEST)), policies: vec![policy("a.cedar", "")], ..Draft::default() };
    assert_eq!(larger.build(), Err(InvalidBundle::TooLarge));
    for name in ["", "a b", &"a".repeat(129)] {
        assert!(
            matches!(Draft { name: Some(name.into()), ..draft() }.build(), Err(InvalidBundle::BundleName(_))),
            "{name}"
        );
    }
    for revision in ["", "a\nb", &"a".repeat(257)] {
        let draft = Draft { revision: Some(revision.into()), ..draft() };
        assert!(matches!(draft.build(), Err(InvalidBundle::Revision(_))), "{revision}");
    }
}

/// What others' archives have been made of to fool whoever unpacks them.
#[test]
fn hostile_archives_are_none() {
    let good = draft().build().unwrap();
    let whole = files(&good);
    let opened = |files: &[(String, Vec<u8>)]| Bundle::open(&packed(files));
    assert!(opened(&whole).is_ok());

    let with = |change: &dyn Fn(&mut Files)| {
        let mut files = whole.clone();
        change(&mut files);
        opened(&files).unwrap_err()
    };
    let extra = |name: &str| (name.to_owned(), b"x".to_vec());
    assert!(matches!(with(&|files| files.push(extra("policies/z.cedar"))), InvalidBundle::Mismatch(_)));
    assert!(matches!(with(&|files| files.push(extra("../../etc/passwd"))), InvalidBundle::Mismatch(_)));
    assert!(matches!(with(&|files| files.push(files[2].clone())), InvalidBundle::Mismatch(_)));
    assert!(matches!(with(&|files| drop(files.pop())), InvalidBundle::Mismatch(_)));
    assert!(matches!(with(&|files| files.swap(2, 3)), InvalidBundle::Mismatch(_)));
    assert!(matches!(with(&|files| files[2].1.push(b'x')), InvalidBundle::Mismatch(_)));
    assert!(matches!(with(&|files| files.swap(0, 1)), InvalidBundle::NoManifest));
    assert!(matches!(with(&|files| files.clear()), InvalidBundle::NoManifest));
    assert!(matches!(with(&|files| files[0].1 = b"{}\n".to_vec()), InvalidBundle::Manifest(_)));
    assert!(matches!(with(&|files| files[0].1 = b"{\"format\": 2, \"new\": 1}\n".to_vec()), InvalidBundle::Format(2)));
    let manifest = |from: &str, to: &str| {
        with(&|files| {
            let text = String::from_utf8(files[0].1.clone()).unwrap();
            assert!(text.contains(from), "{from} in {text}");
            files[0].1 = text.replacen(from, to, 1).into_bytes();
        })
    };
    assert!(matches!(manifest("{\n", "{\n\n"), InvalidBundle::Manifest(_)));
    assert!(matches!(manifest("\"format\": 1", "\"format\": 1, \"format\": 1"), InvalidBundle::Manifest(_)));
    assert!(matches!(manifest("\"name\"", "\"names\""), InvalidBundle::Manifest(_)));
    assert!(matches!(
        manifest("\"accounts\",\n    \"policies\"", "\"policies\""),
        InvalidBundle::Manifest(_) | InvalidBundle::Mismatch(_)
    ));
    assert!(matches!(manifest("prod", "pr od"), InvalidBundle::BundleName(_)));

    // Heads that tar would take: a link, a directory, a mode, a time, a size in another spelling.
    for (at, bytes) in [
        (156, &b"2"[..]),
        (156, b"5"),
        (156, b"\0"),
        (157, b"/etc/passwd"),
        (100, b"0000755\0"),
        (136, b"00000000001\0"),
        (124, b"0000000001 \0"),
        (265, b"root"),
        (345, b"/etc"),
    ] {
        let mut archive = good.clone();
        archive[at..at + bytes.len()].copy_from_slice(bytes);
        archive[148..156].copy_from_slice(b"        ");
        let sum: u32 = archive[..512].iter().map(|byte| u32::from(*byte)).sum();
        archive[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let refused = Bundle::open(&archive).unwrap_err();
        assert!(matches!(refused, InvalidBundle::Archive(ArchiveError::Head { at: 0 })), "{at}: {refused}");
    }
    // A size that leads beyond the end.
    let mut archive = good.clone();
    let size = format!("{LARGEST:011o}\0");
    archive[124..136].copy_from_slice(size.as_bytes());
    archive[148..156].copy_from_slice(b"        ");
    let sum: u32 = archive[..512].iter().map(|byte| u32::from(*byte)).sum();
    archive[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    assert_eq!(Bundle::open(&archive), Err(InvalidBundle::Archive(ArchiveError::End)));
    assert_eq!(Bundle::open(&vec![0; LARGEST + 1]), Err(InvalidBundle::TooLarge));
    assert_eq!(Bundle::open(&[0; 1024]), Err(InvalidBundle::NoManifest));
}

#[test]
fn whose_signature_counts() {
    let bundle = draft().build().unwrap();
    let (alice, bob, eve) = (pair(), pair(), pair());
    let both = signed(&bundle, &[&alice, &bob]);
    let opened = trust(&[&bob, &eve]).open(&bundle, &both).unwrap();
    assert_eq!(opened.signers, [bob.public().id()]);
    let mut two = trust(&[&alice, &bob, &eve]);
    two.required = 2;
    assert_eq!(two.open(&bundle, &both).unwrap().signers.len(), 2);
    let one = signed(&bundle, &[&alice]);
    assert_eq!(two.open(&bundle, &one), Err(Untrusted::TooFew { found: 1, required: 2 }));
    let refused = trust(&[&eve]).open(&bundle, &both).unwrap_err();
    for key in [&alice, &bob, &eve] {
        assert!(refused.to_string().contains(&key.public().id().to_string()), "{refused}");
    }
    // Eve's signature, in Alice's name.
    let forged = String::from_utf8(signed(&bundle, &[&eve])).unwrap();
    let forged = forged.replace(&eve.public().id().to_string(), &alice.public().id().to_string());
    let refused = trust(&[&alice]).open(&bundle, forged.as_bytes());
    assert_eq!(refused, Err(Untrusted::Forged(alice.public().id())));
    // Of another bundle.
    let other = Draft { number: Some(8), ..draft() }.build().unwrap();
    assert!(matches!(trust(&[&alice]).open(&other, &one), Err(Untrusted::Other { .. })));
    let lie = String::from_utf8(one.clone()).unwrap();
    let lie = lie.replace(&Digest::of(&bundle).to_string(), &Digest::of(&other).to_string());
    assert!(matches!(trust(&[&alice]).open(&other, lie.as_bytes()), Err(Untrusted::Forged(_))));
    // For something else.
    let named = |name: &str| Trust { name: Some(name.into()), ..trust(&[&alice]) };
    assert!(named("prod").open(&bundle, &one).is_ok());
    assert!(matches!(named("dev").open(&bundle, &one), Err(Untrusted::Name { .. })));
    // Signed, and no bundle.
    assert!(matches!(trust(&[&alice]).open(b"x", &signed(b"x", &[&alice])), Err(Untrusted::Invalid(_))));
}

#[test]
fn signatures_are_added_and_replaced() {
    let (alice, bob) = (pair(), pair());
    let mut signatures = Signatures::of(Digest::of(b"x"));
    for pair in [&alice, &bob, &alice] {
        signatures.sign(pair).unwrap();
    }
    assert_eq!(signatures.keys().count(), 2);
    let text = signatures.to_text();
    assert_eq!(Signatures::parse(text.as_bytes()), Ok(signatures.clone()));
    assert!(text.len() < 600, "{text}");
    for (from, to) in [("\"format\": 1", "\"format\": 2"), ("ed25519", "ed448"), ("sha256:", "sha512:"), ("  ", "")] {
        let changed = text.replacen(from, to, 1);
        assert!(changed != text && Signatures::parse(changed.as_bytes()).is_err(), "{changed}");
    }
    for _ in 0..14 {
        signatures.sign(&pair()).unwrap();
    }
    assert_eq!(signatures.sign(&pair()), Err(InvalidSignatures::TooMany));
    assert!(Signatures::parse(signatures.to_text().as_bytes()).is_ok());
    assert_eq!(Signatures::parse(&vec![b' '; LARGEST_SIGNATURES + 1]), Err(InvalidSignatures::TooLarge));
}

#[test]
fn keys_are_those_of_openssl() {
    // Of RFC 8410, section 10: the key, and its public half.
    const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
    const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
    let pair = KeyPair::from_pem(PRIVATE).unwrap();
    let public = PublicKey::from_pem(PUBLIC).unwrap();
    assert_eq!(pair.public(), public);
    assert_eq!(public.to_pem(), PUBLIC);
    assert!(!format!("{pair:?}").contains("INTuctv5"));
    let (made, pem) = KeyPair::generate().unwrap();
    assert_eq!(KeyPair::from_pem(&pem).unwrap().public(), made.public());
    assert_eq!(pem.len(), PRIVATE.len(), "as openssl writes it");
    assert_ne!(made.public().id(), public.id());

    let p256 = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----\n";
    for (pem, refused) in [
        (PRIVATE, KeyError::PrivateKey),
        ("", KeyError::None("PUBLIC KEY")),
        ("-----BEGIN PUBLIC KEY-----\n%\n-----END PUBLIC KEY-----", KeyError::None("PUBLIC KEY")),
        ("-----BEGIN PUBLIC KEY-----\n", KeyError::None("PUBLIC KEY")),
        (&format!("{PUBLIC}{PUBLIC}"), KeyError::Several),
        (p256, KeyError::Other),
    ] {
        assert_eq!(PublicKey::from_pem(pem), Err(refused), "{pem}");
    }
    let of_pair = |pem: &str| KeyPair::from_pem(pem).unwrap_err();
    assert_eq!(of_pair(PUBLIC), KeyError::PublicKey);
    assert_eq!(of_pair("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"), KeyError::Encrypted);
    assert_eq!(of_pair(&p256.replace("PUBLIC", "PRIVATE")), KeyError::Other);
}

#[test]
fn what_may_follow_what() {
    let bundle = |number: Option<u64>, text: &str| {
        let draft = Draft { number, policies: vec![policy("a.cedar", text)], ..Draft::default() };
        Bundle::open(&draft.build().unwrap()).unwrap()
    };
    let kept = |number| Kept::new("https://x/b.tar", &bundle(number, "old"), "2026-01-01T00:00:00Z".into());
    for (last, next, expected) in [
        (None, None, Ok(())),
        (None, Some(1), Ok(())),
        (Some(3), Some(4), Ok(())),
        (Some(3), Some(3), Err(RolledBack::Same(3))),
        (Some(3), Some(2), Err(RolledBack::Lower { found: 2, last: 3 })),
        (Some(3), None, Err(RolledBack::None(3))),
    ] {
        assert_eq!(kept(last).may_become(&bundle(next, "new")), expected, "{last:?} {next:?}");
    }
    assert_eq!(kept(Some(3)).may_become(&bundle(Some(3), "old")), Ok(()), "the same bundle");
    let mut copy = kept(Some(3));
    copy.etag = Some("\"x\"".into());
    assert_eq!(Kept::parse(&copy.to_text()), Some(copy.clone()));
    assert_eq!(Kept::parse(&copy.to_text().replace("\"format\": 1", "\"format\": 2")), None);
    assert_eq!(Kept::parse(&copy.to_text().replace("sha256:", "sha256:../")), None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// Whatever byte is changed, of the bundle or of its signatures.
    #[test]
    fn a_changed_byte_is_noticed(at: prop::sample::Index, bits in 1_u8.., in_signatures: bool) {
        let pair = KeyPair::from_pem("-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n").unwrap();
        let mut bundle = draft().build().unwrap();
        let mut signatures = signed(&bundle, &[&pair]);
        let changed = if in_signatures { &mut signatures } else { &mut bundle };
        let at = at.index(changed.len());
        changed[at] ^= bits;
        prop_assert!(trust(&[&pair]).open(&bundle, &signatures).is_err());
    }

    /// Cut off or added to.
    #[test]
    fn another_length_is_noticed(at: prop::sample::Index, more in prop::collection::vec(any::<u8>(), 1..600)) {
        let bundle = draft().build().unwrap();
        prop_assert!(Bundle::open(&bundle[..at.index(bundle.len())]).is_err());
        prop_assert!(Bundle::open(&[&bundle[..], &more].concat()).is_err());
    }

    /// Nothing that comes in makes a reader fail.
    #[test]
    fn no_bytes_break_the_readers(bytes in prop::collection::vec(any::<u8>(), 0..2048), text: String) {
        let _ = (Bundle::open(&bytes), Signatures::parse(&bytes), Kept::parse(&text), PublicKey::from_pem(&text));
    }

    #[test]
    fn whatever_is_put_in_comes_out(files in prop::collection::btree_map("[a-z]{1,8}", ".{0,700}", 1..8), number: Option<u64>) {
        let policies: Vec<_> = files.iter().map(|(name, text)| policy(&format!("{name}.cedar"), text)).collect();
        let bytes = Draft { policies: policies.clone(), number, ..Draft::default() }.build().unwrap();
        let bundle = Bundle::open(&bytes).unwrap();
        prop_assert_eq!(bundle.number(), number);
        for (put, got) in policies.iter().zip(bundle.policies()) {
            prop_assert_eq!((&format!("policies/{}", put.name), &put.text), (&got.name, &got.text));
        }
        prop_assert_eq!(bytes.len() % 512, 0);
    }
}

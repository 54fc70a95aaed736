//! `findings-gate bundle`, and bundles where the other verbs take policies.

use super::support::{place, run, run_in};
use std::{fs, path::Path};

const POLICY: &str = "@id(\"all\")\npermit (principal, action, resource);\n";
const ACCOUNTS: &str = "administrator = \"111111111111\"\n[[member]]\naccount = \"222222222222\"\n";

/// A place with keys and a bundle that is signed.
fn signed() -> tempfile::TempDir {
    let place = place(&[("policies/all.cedar", POLICY), ("accounts.toml", ACCOUNTS)]);
    let run = |arguments: &[&str]| run_in(place.path(), arguments).ends(0);
    run(&["bundle", "keygen", "--output", "one"]);
    run(&["bundle", "keygen", "--output", "two"]);
    run(&[
        "bundle",
        "build",
        "--output",
        "b.tar",
        "--name",
        "prod",
        "--number",
        "7",
        "--revision",
        "r1",
        "--accounts",
        "accounts.toml",
        "pack:strict",
        "policies",
    ]);
    run(&["bundle", "sign", "--key", "one.key", "b.tar"]);
    place
}

fn read(place: &Path, name: &str) -> Vec<u8> {
    fs::read(place.join(name)).unwrap()
}

#[test]
fn what_was_built_and_signed_is_verified() {
    let place = signed();
    let told = run_in(place.path(), &["bundle", "verify", "--key", "one.pub", "b.tar"]).ends(0).stdout;
    for part in [
        "b.tar: for prod, revision r1, number 7, 4 policy files, accounts, sha256:",
        "\n  accounts.toml\n  policies/all.cedar\n  policies/strict/administrators.cedar\n",
    ] {
        assert!(told.contains(part), "{told}");
    }
    let told =
        run_in(place.path(), &["bundle", "verify", "--key", "one.pub", "--format", "json", "b.tar"]).ends(0).json();
    assert_eq!((&told["version"], &told["number"], &told["same_schema"]), (&1.into(), &7.into(), &true.into()));
    assert_eq!(told["signed_by"].as_array().unwrap().len(), 1);
    assert_eq!(told["files"].as_array().unwrap().len(), 5);
    // Another key's signature beside it, and both required.
    let two = ["bundle", "verify", "--key", "one.pub", "--key", "two.pub", "--signatures", "2", "b.tar"];
    let refused = run_in(place.path(), &two).ends(2).stderr;
    assert!(refused.contains("1 of the trusted keys signed the bundle, and 2 are required"), "{refused}");
    run_in(place.path(), &["bundle", "sign", "--key", "two.key", "b.tar"]).ends(0);
    run_in(place.path(), &two).ends(0);
}

#[test]
fn the_same_contents_make_the_same_bytes_wherever_they_are() {
    let (one, two) = (signed(), signed());
    assert_eq!(read(one.path(), "b.tar"), read(two.path(), "b.tar"));
    assert_ne!(read(one.path(), "b.tar.sig"), read(two.path(), "b.tar.sig"), "other keys");
    let before = read(one.path(), "b.tar.sig");
    run_in(one.path(), &["bundle", "sign", "--key", "one.key", "b.tar"]).ends(0);
    assert_eq!(read(one.path(), "b.tar.sig"), before, "Ed25519 signs alike");
}

#[test]
fn what_is_not_signed_as_it_must_be_is_not_good() {
    let place = signed();
    let verify = |arguments: &[&str]| run_in(place.path(), &[&["bundle", "verify"], arguments].concat());
    let refused = verify(&["--key", "two.pub", "b.tar"]).ends(2);
    assert!(
        refused.stderr.contains("no trusted key has signed the bundle") && refused.stdout.is_empty(),
        "{refused:?}"
    );
    let refused = verify(&["--key", "one.pub", "--name", "dev", "b.tar"]).ends(2).stderr;
    assert!(refused.contains("the bundle is for `prod`, and `dev` is expected"), "{refused}");
    let refused = verify(&["--key", "one.key", "b.tar"]).ends(3).stderr;
    assert!(refused.contains("has a private key") && !refused.contains("MC4C"), "{refused}");
    verify(&["b.tar"]).ends(64);
    verify(&["--key", "one.pub", "--signatures", "2", "b.tar"]).ends(64);
    verify(&["--key", "one.pub", "none.tar"]).ends(1);
    let good = read(place.path(), "b.tar");
    let mut bad = good.clone();
    bad[700] ^= 1;
    fs::write(place.path().join("b.tar"), &bad).unwrap();
    let refused = verify(&["--key", "one.pub", "b.tar"]).ends(2).stderr;
    assert!(refused.contains("the signatures are of another bundle"), "{refused}");
    // Signed all the same, which `bundle sign` does not do.
    let refused = run_in(place.path(), &["bundle", "sign", "--key", "one.key", "b.tar"]).ends(3).stderr;
    assert!(refused.contains("`b.tar` is no bundle"), "{refused}");
    fs::remove_file(place.path().join("b.tar.sig")).unwrap();
    verify(&["--key", "one.pub", "b.tar"]).ends(1);
}

/// A bundle that was built anew is not taken for one that others signed.
#[test]
fn signatures_of_another_bundle_are_dropped() {
    let place = signed();
    run_in(place.path(), &["bundle", "sign", "--key", "two.key", "b.tar"]).ends(0);
    run_in(place.path(), &["bundle", "build", "--output", "b.tar", "policies"]).ends(0);
    let told = run_in(place.path(), &["bundle", "sign", "--key", "one.key", "b.tar"]).ends(0);
    assert!(told.stderr.contains("was of another bundle"), "{told:?}");
    run_in(place.path(), &["bundle", "verify", "--key", "one.pub", "b.tar"]).ends(0);
    run_in(place.path(), &["bundle", "verify", "--key", "two.pub", "b.tar"]).ends(2);
}

#[test]
fn what_a_gate_would_not_load_is_not_built() {
    let place = place(&[
        ("good/a.cedar", POLICY),
        ("twice/a.cedar", POLICY),
        ("bad/b.cedar", "@id(\"b\") permit (principal, action == Action::\"Nope\", resource);"),
        ("odd/a b.cedar", POLICY),
        ("accounts.toml", "administrator = \"1\"\n"),
        ("csv.toml", "administrator = \"111111111111\"\nmembers_csv = \"members.csv\"\n"),
    ]);
    for (arguments, code, told) in [
        (&["bad"][..], 3, "Nope"),
        (&["odd"], 3, "`policies/a b.cedar` is no name of a file in a bundle"),
        (&["good", "twice"], 3, "rename one of them"),
        (&["none"], 3, "there is no such file"),
        (&["--accounts", "accounts.toml", "good"], 3, "b.tar:accounts.toml:1:17"),
        (&["--accounts", "csv.toml", "good"], 3, "`members_csv` names a file"),
        (&["--accounts", "none.toml", "good"], 1, "there is no such file"),
        (&["--name", "a b", "good"], 3, "its name is `a b`"),
        (&["--number", "-1", "good"], 64, ""),
        (&[], 64, "POLICIES"),
    ] {
        let output = run_in(place.path(), &[&["bundle", "build", "--output", "b.tar"], arguments].concat()).ends(code);
        assert!(output.stderr.contains(told), "{arguments:?}: {}", output.stderr);
        assert!(!place.path().join("b.tar").exists(), "{arguments:?}");
    }
    run_in(place.path(), &["bundle", "build", "--output", "bundle.zip", "good"]).ends(64);
}

#[test]
fn keys_are_made_once_and_kept_from_others() {
    use std::os::unix::fs::PermissionsExt;
    let place = place(&[("policies/all.cedar", POLICY)]);
    let run = |arguments: &[&str]| run_in(place.path(), arguments);
    let told = run(&["bundle", "keygen", "--output", "k"]).ends(0).stdout;
    let private = String::from_utf8(read(place.path(), "k.key")).unwrap();
    assert!(private.starts_with("-----BEGIN PRIVATE KEY-----\n") && !told.contains(private.lines().nth(1).unwrap()));
    let mode = |name: &str| fs::metadata(place.path().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("k.key"), mode("k.pub") & 0o600), (0o600, 0o600));
    run(&["bundle", "keygen", "--output", "k"]).ends(1);
    fs::remove_file(place.path().join("k.pub")).unwrap();
    run(&["bundle", "keygen", "--output", "k"]).ends(1);
    assert_eq!(String::from_utf8(read(place.path(), "k.key")).unwrap(), private);

    run(&["bundle", "build", "--output", "b.tar", "policies"]).ends(0);
    fs::set_permissions(place.path().join("k.key"), fs::Permissions::from_mode(0o644)).unwrap();
    let told = run(&["bundle", "sign", "--key", "k.key", "b.tar"]).ends(0).stderr;
    assert!(told.contains("chmod 600 'k.key'"), "{told}");
    let refused = run(&["bundle", "sign", "--key", "policies/all.cedar", "b.tar"]).ends(3).stderr;
    assert!(refused.contains("has no `-----BEGIN PRIVATE KEY-----`"), "{refused}");
}

/// A bundle is policies like others, whoever signed it: what is looked at here decides nothing.
#[test]
fn the_workbench_takes_a_bundle_for_policies() {
    let place = signed();
    let bundle = place.path().join("b.tar").display().to_string();
    run_in(place.path(), &["bundle", "build", "--output", "strict.tar", "pack:strict"]).ends(0);
    let strict = place.path().join("strict.tar").display().to_string();
    let told = run(&["check", &strict]).ends(0).stdout;
    assert!(told.contains("policies are valid"), "{told}");
    assert_eq!(run(&["matrix", &strict]).ends(0).stdout, run(&["matrix", "pack:strict"]).ends(0).stdout);
    run(&["diff", "pack:strict", &strict, "--fail-on", "any"]).ends(0);
    run(&["diff", "pack:strict", &bundle, "--fail-on", "widened"]).ends(2);
    let refused = run(&["check", "https://bundles.example.com/b.tar"]).ends(3).stderr;
    assert!(refused.contains("is a URL, and this verb reads files"), "{refused}");
    fs::write(place.path().join("b.tar"), "x").unwrap();
    let refused = run(&["check", &bundle]).ends(3).stderr;
    assert!(refused.contains("cannot be read: it does not end where a bundle ends"), "{refused}");
    run(&["bundle", "build", "--output", &bundle, &strict]).ends(3);
}

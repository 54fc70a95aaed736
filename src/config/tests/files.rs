//! The accounts file and the keys file.

use super::*;
use proptest::prelude::*;

fn told_of_accounts(accounts: &str) -> String {
    let place = Place::new(SMALLEST);
    place.write("accounts.toml", accounts);
    place.told(place.load())
}

fn told_of_keys(keys: &str) -> String {
    let place = Place::new(SMALLEST);
    place.write("keys.toml", keys);
    let told = place.told(place.load());
    assert!(!told.contains(SECRET), "{told}");
    told
}

#[test]
fn mistakes_in_the_accounts_file() {
    let an_account = "expected an account id of twelve digits in quotes, such as \"111122223333\"";
    let member = |line: &str| format!("administrator = \"111111111111\"\n[[member]]\n{line}\n");
    for (accounts, expected) in [
        (String::new(), format!("accounts.toml:1:1: `administrator` is missing: {an_account}\n")),
        ("administrator = 111111111111".into(), format!("accounts.toml:1:17: `administrator` is 111111111111: {an_account}\n")),
        (member("acount = \"222222222222\""), format!(
            "accounts.toml:2:1: `member.0.account` is missing: {an_account}\n\
             accounts.toml:3:1: `member.0.acount` is no key of this file\n  help: did you mean `account`?\n")),
        (member("account = \"2222\"\nname = \"\"\ngroups = \"ou/prod\""), format!(
            "accounts.toml:3:11: `member.0.account` is \"2222\": {an_account}\n\
             accounts.toml:4:8: `member.0.name` is empty: expected a name of 1 to 256 bytes without control characters\n\
             accounts.toml:5:10: `member.0.groups` is a string: expected a list of names, such as [\"ou/prod\"]\n")),
        (member("account = \"222222222222\"\ngroups = [\"a\", 3, \"b\\n\"]"),
            "accounts.toml:4:16: `member.0.groups` is 3: expected a name of 1 to 256 bytes without control characters\n\
             accounts.toml:4:19: `member.0.groups` is \"b\\n\": expected a name of 1 to 256 bytes without control characters\n".into()),
        (member("account = \"111111111111\""),
            "accounts.toml:3:11: `member.0.account` is \"111111111111\", which is the administrator: an account is never both\n  \
             help: remove this member: the administrator updates its own findings too\n".into()),
        (member("account = \"222222222222\"\n[[member]]\naccount = \"333333333333\"\n[[member]]\naccount = \"222222222222\""),
            "accounts.toml:7:11: `member.2.account` is \"222222222222\", as `member.0.account` is already\n  \
             help: remove one of the two members\n".into()),
        ("administrator = \"111111111111\"\nmember = \"x\"\n[memers]\n".into(),
            "accounts.toml:2:10: `member` is a string: expected one or more `[[member]]` tables\n\
             accounts.toml:3:2: `memers` is no key of this file\n  help: did you mean `member`?\n".into()),
        ("administrator = \"111111111111\"\n[member]\naccount = \"222222222222\"".into(),
            "accounts.toml:2:1: `member` is a table: expected one or more `[[member]]` tables\n".into()),
    ] {
        assert_eq!(told_of_accounts(&accounts), expected, "{accounts}");
    }
}

fn fleet(members: usize) -> String {
    let mut text = String::from("administrator = \"111111111111\"\n");
    for number in 0..members {
        write!(text, "[[member]]\naccount = \"2{number:011}\"\nname = \"account {number}\"\ngroups = [\"ou/prod\"]\n")
            .unwrap();
    }
    text
}

/// Security Hub lets one administrator have 11,000 members.
#[test]
fn a_large_fleet_is_read() {
    let place = Place::new(&SMALLEST.replace(
        "kind = \"sigv4\"\nkeys = \"keys.toml\"",
        "kind = \"fixed\"\naccount = \"200000010999\"\nprincipal = \"x\"",
    ));
    place.write("accounts.toml", &fleet(11_000));
    assert_eq!(place.load().unwrap().accounts.members().count(), 11_000);
    place.write("accounts.toml", &fleet(20_001));
    assert_eq!(place.told(place.load()), "accounts.toml:80002:1: there are 20001 members: expected at most 20000\n");
}

#[test]
fn mistakes_in_the_keys_file() {
    let with = |from: &str, to: &str| {
        assert!(KEYS.contains(from), "{from}");
        KEYS.replace(from, to)
    };
    let secret = format!("secret = \"{SECRET}\"");
    let long = "x".repeat(20_000);
    for (keys, expected) in [
        ("[key]\n".into(), "keys.toml:1:1: `key` is a table: expected one or more `[[key]]` tables\n"),
        (
            with("AKIAPAYMENTS", "AKIA/PAYMENTS"),
            "keys.toml:3:6: `key.0.id` is something else: expected an access key id: 1 to 128 letters, digits, `_` or `-`\n",
        ),
        (with(&secret, ""), "keys.toml:2:1: `key.0.secret` is missing: expected it or `key.0.secret_file`\n"),
        (with(&secret, "secret = 5"), "keys.toml:4:10: `key.0.secret` is an integer: expected a string\n"),
        (
            with(&secret, "secret = \"\""),
            "keys.toml:4:10: `key.0.secret` is empty or too long: expected 1 to 16384 bytes\n",
        ),
        (with(SECRET, &long), "keys.toml:4:10: `key.0.secret` is empty or too long: expected 1 to 16384 bytes\n"),
        (
            with(&secret, &format!("{secret}\nsecret_file = \"x\"")),
            "keys.toml:5:15: `key.0.secret` and `key.0.secret_file` are both given: expected one of them\n",
        ),
        (
            with(&secret, "secret_file = \"none.txt\""),
            "keys.toml:4:15: `key.0.secret_file`: cannot read `none.txt`: there is no such file\n",
        ),
        (
            with(&secret, "secret_file = \"accounts.toml\""),
            "keys.toml:4:15: `key.0.secret_file`: `accounts.toml` must hold the secret, on one line\n",
        ),
        (
            with("secret = ", "secrets = "),
            "keys.toml:2:1: `key.0.secret` is missing: expected it or `key.0.secret_file`\n\
             keys.toml:4:1: `key.0.secrets` is no key of this file\n  help: did you mean `secret`?\n",
        ),
        // The secret under the wrong key is a secret still.
        (
            with("account = \"222222222222\"", &format!("account = \"{SECRET}\"\nminimum_enforcement = \"{SECRET}\"")),
            "keys.toml:5:11: `key.0.account` is something else: expected an account id of twelve digits in quotes, such as \"111122223333\"\n\
             keys.toml:6:23: `key.0.minimum_enforcement` is something else: expected `strip`, `reject` or `refuse`\n",
        ),
        (
            with("arn:aws:iam::222222222222:role/triage", ""),
            "keys.toml:6:13: `key.0.principal` is empty: expected the ARN or the name of a principal, of 1 to 2048 bytes\n",
        ),
        (
            format!("{KEYS}{KEYS}"),
            "keys.toml:8:1: `key.1.id` is the id of `key.0` of `keys.toml` too: an id stands for one key\n",
        ),
    ] {
        assert_eq!(told_of_keys(&keys), expected, "{keys}");
    }
}

proptest! {
    /// Whatever one character of a keys file is lost or doubled, and wherever the secret thus lands, the report does not
    /// show it.
    #[test]
    fn no_report_shows_a_secret(at in 0..KEYS.len(), replacement in "[\"=\\[\\]\n #x]{0,2}") {
        let secret = KEYS.find(SECRET).unwrap();
        prop_assume!(!(secret..secret + SECRET.len()).contains(&at));
        let place = Place::new(SMALLEST);
        place.write("keys.toml", &format!("{}{replacement}{}", &KEYS[..at], &KEYS[at + 1..]));
        let shown = match place.load() {
            Ok(config) => format!("{config:?}"),
            Err(error) => format!("{error:?}") + &report(&error),
        };
        prop_assert!(!shown.contains(SECRET), "{}", shown);
    }
}

#[test]
fn a_secret_may_be_in_a_file_of_its_own() {
    for ending in ["", "\n", "\r\n"] {
        let place = Place::new(SMALLEST);
        let keys =
            KEYS.replace(&format!("secret = \"{SECRET}\""), "secret_file = \"secret.txt\"\nsession_token = \"t\"");
        place.write("keys.toml", &keys).write("secret.txt", &format!("{SECRET}{ending}"));
        place.private("secret.txt");
        let config = place.load().unwrap();
        let [Identity::SigV4 { keys }] = &config.identities[..] else { panic!() };
        assert_eq!(keys[0].secret.expose(), SECRET);
        assert_eq!(keys[0].session_token.as_ref().unwrap().expose(), "t");
        assert_eq!(config.warnings, [""; 0]);
    }
}

#[test]
fn imports_that_are_larger_than_a_body_may_be_get_a_warning() {
    let open = format!("{SMALLEST}\n[doors]\nopen = [\"BatchImportFindings\"]\n");
    let warnings = Place::new(&open).load().unwrap().warnings;
    let [warning] = &warnings[..] else { panic!("{warnings:?}") };
    assert!(warning.contains("`limits.body` is less than the 6 MB that one import may have"), "{warning}");
    let place = Place::new(&format!("{open}[limits]\nbody = \"6 MiB\"\n"));
    assert_eq!(place.load().unwrap().warnings, [""; 0]);
}

#[test]
fn doubtful_keys_get_a_warning() {
    let place = Place::new(SMALLEST);
    place.write(
        "keys.toml",
        &KEYS.replace(SECRET, "hunter2").replace("222222222222\"\nprincipal", "999999999999\"\nprincipal"),
    );
    let warnings = place.without_directory(&place.load().unwrap().warnings.join("\n"));
    assert_eq!(
        warnings,
        "keys.toml: `key.0.secret` is shorter than 20 characters: who sees one signed request may guess it\n\
         `key.0` of `keys.toml` acts for account 999999999999, and its principal \
         `arn:aws:iam::222222222222:role/triage` is one of 222222222222\n\
         `key.0` of `keys.toml` is for account 999999999999, which the accounts file does not name"
    );
}

#[cfg(unix)]
#[test]
fn a_keys_file_that_everybody_reads_gets_a_warning() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new(SMALLEST);
    fs::set_permissions(place.at("keys.toml"), fs::Permissions::from_mode(0o644)).unwrap();
    let warnings = place.without_directory(&place.load().unwrap().warnings.join("\n"));
    assert_eq!(
        warnings,
        "`keys.toml` holds secrets and is open to every user of this machine: run `chmod o-rwx 'keys.toml'`"
    );
}

const PAGE_KEY: &[u8] = b"\xff\x00page key of the tests, 32 bytes\n";

fn with_page_key(bytes: &[u8]) -> Place {
    let place = Place::new(&format!("{SMALLEST}[doors]\npage_key = \"page.key\"\n"));
    fs::write(place.at("page.key"), bytes).unwrap();
    place.private("page.key");
    place
}

#[test]
fn a_page_key_is_taken_byte_for_byte_and_not_shown() {
    let config = with_page_key(PAGE_KEY).load().unwrap();
    assert_eq!(config.page_key.as_ref().unwrap().expose(), PAGE_KEY);
    assert_eq!(config.warnings, [""; 0]);
    let shown = format!("{config:?}");
    assert!(shown.contains("page_key: Some(SecretBytes)"), "{shown}");
    assert!(Place::new(SMALLEST).load().unwrap().page_key.is_none());
}

#[test]
fn a_page_key_that_could_be_guessed_is_refused() {
    let help = "\n  help: `(umask 077; head -c 32 /dev/urandom > 'page.key')` makes one\n";
    for (bytes, told) in [
        (&b""[..], "`page.key` has 0 bytes: expected at least 32"),
        (&PAGE_KEY[..31], "`page.key` has 31 bytes: expected at least 32"),
        (&[0; 32], "`page.key` has the same few bytes again and again: expected random ones"),
        (&b"changeme".repeat(8), "`page.key` has the same few bytes again and again: expected random ones"),
        (&b"0123456789abcdef".repeat(300), "cannot read `page.key`: it is longer than 4KiB"),
    ] {
        let place = with_page_key(bytes);
        assert_eq!(place.told(place.load()), format!("gate.toml:13:12: `doors.page_key`: {told}{help}"));
    }
    let place = with_page_key(PAGE_KEY);
    fs::remove_file(place.at("page.key")).unwrap();
    let told = place.told(place.load());
    assert!(told.contains("`doors.page_key`: cannot read `page.key`: there is no such file"), "{told}");
}

#[cfg(unix)]
#[test]
fn a_page_key_that_everybody_reads_gets_a_warning() {
    use std::os::unix::fs::PermissionsExt;
    let place = with_page_key(PAGE_KEY);
    fs::set_permissions(place.at("page.key"), fs::Permissions::from_mode(0o644)).unwrap();
    let warnings = place.without_directory(&place.load().unwrap().warnings.join("\n"));
    assert!(warnings.starts_with("`page.key` holds secrets and is open to every user"), "{warnings}");
}

/// A pipe would be waited for, a device never ends.
#[cfg(unix)]
#[test]
fn only_regular_files_are_read() {
    let place = Place::new(&SMALLEST.replace("accounts.toml", "/dev/zero").replace("keys.toml", "."));
    let told = place.told(place.load()).replace(&place.0.path().display().to_string(), "");
    assert_eq!(
        told,
        "gate.toml:5:8: the accounts file: cannot read `/dev/zero`: it is not a regular file\n\
         gate.toml:8:8: `identity.0.keys`: cannot read `.`: it is a directory\n"
    );
}

#[test]
fn a_byte_order_mark_is_no_mistake() {
    Place::new(&format!("\u{feff}{SMALLEST}")).load().unwrap();
}

#[test]
fn accounts_alone() {
    let place = Place::new(SMALLEST);
    assert_eq!(read_accounts(&place.at("accounts.toml")).unwrap().members().count(), 1);
    assert!(read_accounts(&place.at("keys.toml")).is_err());
}

//! `findings-gate keys`: what it does to the file, and that the gate takes what it issues.

use crate::support::{
    fleet::{self, PAYMENTS, good},
    gate::{Gate, Place, program},
    upstream::Upstream,
};
use serde_json::Value;
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Output, Stdio},
};

fn run(directory: &Path, arguments: &[&str]) -> Output {
    program(directory).arg("keys").args(arguments).output().unwrap()
}

#[track_caller]
fn ends(output: &Output, code: i32) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{out}{err}");
    (out, err.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

const TRIAGE: &str = "arn:aws:iam::222222222222:role/triage";

#[test]
fn a_key_that_is_added_is_good_and_one_that_is_revoked_is_not() {
    let upstream = Upstream::accepting();
    let place = Place::new(&upstream.url(), "");
    let directory = place.path("");
    let added = run(&directory, &["add", "--account", PAYMENTS.account, "--principal", TRIAGE, "--json"]);
    let made: Value = serde_json::from_str(&ends(&added, 0).0).unwrap();
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    let leak = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
    let new = fleet::Key { id: leak(text("id")), secret: leak(text("secret")), ..PAYMENTS };
    assert_eq!((new.id.len(), new.secret.len(), &*text("principal")), (20, 40, TRIAGE));

    let gate = Gate::start(place);
    // Several keys of one account, as while a client moves from one to the other.
    for key in [&new, &PAYMENTS] {
        assert_eq!(gate.connect().update(key, good("f")).processed(), ["f"]);
    }
    // The running gate reads the file again when it was changed.
    let (out, _) = ends(&run(&directory, &["revoke", PAYMENTS.id]), 0);
    assert!(out.contains("revoked key AKIAPAYMENTS of account 222222222222"), "{out}");
    assert!(out.contains("the account has 2 other keys here"), "{out}");
    gate.wait_for_log(&["\"event\":\"reloaded\""]);
    assert_eq!(gate.connect().update(&new, good("g")).processed(), ["g"]);
    gate.connect().update(&PAYMENTS, good("g")).is_error(403, "UnrecognizedClientException", "AKIAPAYMENTS");
}

#[test]
fn the_secret_is_shown_once_as_a_profile() {
    let here = tempfile::tempdir().unwrap();
    let account = ["--account", "222222222222", "--principal"];
    let (out, err) = ends(&run(here.path(), &[&["add"], &account[..], &["triage"]].concat()), 0);
    let lines: Vec<&str> = out.lines().collect();
    let [profile, id, secret] = lines[..] else { panic!("{out}") };
    assert_eq!(profile, "[findings-gate]");
    let id = id.strip_prefix("aws_access_key_id = ").unwrap();
    let secret = secret.strip_prefix("aws_secret_access_key = ").unwrap();
    assert!(id.starts_with("FGAK") && err.contains(&format!("added key {id} to keys.toml, which is new")), "{err}");
    assert!(!err.contains(secret), "{err}");
    let file = here.path().join("keys.toml");
    assert_eq!(mode(&file), 0o600);

    let foreign = "arn:aws:iam::333333333333:user/x";
    let more = ["--id", "SOAR_1", "--minimum-enforcement", "refuse"];
    let (_, err) = ends(&run(here.path(), &[&["add"], &account[..], &[foreign], &more].concat()), 0);
    assert!(err.contains("(the account's second key)") && err.contains("is one of 333333333333"), "{err}");
    let (out, err) = ends(&run(here.path(), &["list"]), 0);
    assert!(out.contains(id) && out.contains("SOAR_1") && !out.contains(secret), "{out}");
    assert_eq!(err, "");
    let (out, _) = ends(&run(here.path(), &["list", "--json"]), 0);
    let listed: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        listed["keys"][1],
        serde_json::json!({
            "id": "SOAR_1", "account": "222222222222", "principal": foreign, "session_token": false,
            "minimum_enforcement": "refuse",
        })
    );
    assert!(!out.contains(secret), "{out}");

    let (out, err) = ends(&run(here.path(), &["revoke", id]), 0);
    assert!(out.contains("the account has another key here"), "{out}");
    assert!(!out.contains(secret) && !err.contains(secret));
    let (out, err) = ends(&run(here.path(), &["revoke", "SOAR_1"]), 0);
    assert!(out.contains("the account has no other key here") && err.contains("nobody can call by it any more"));
    assert_eq!(ends(&run(here.path(), &["list"]), 0).0, "keys.toml has no keys\n");
    assert_eq!(mode(&file), 0o600);
}

#[test]
fn comments_layout_link_and_mode_stay() {
    let here = tempfile::tempdir().unwrap();
    let file = here.path().join("real.toml");
    let before = "# Keys of the gate.\n\n# on call\n[[key]]\nid=\"one\" # tab\nsecret = 'a-secret-of-more-than-20-characters'\n\
                  account = \"222222222222\"\nprincipal = \"p\"\n";
    fs::write(&file, before).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink("real.toml", here.path().join("keys.toml")).unwrap();
    let add = ["add", "--account", "222222222222", "--principal", "p", "--id", "two"];
    ends(&run(here.path(), &add), 0);
    let after = fs::read_to_string(&file).unwrap();
    assert!(after.starts_with(&format!("{before}\n[[key]]\nid = \"two\"\nsecret = \"")), "{after}");
    assert!(fs::symlink_metadata(here.path().join("keys.toml")).unwrap().is_symlink());
    assert_eq!(mode(&file), 0o640);
    ends(&run(here.path(), &["revoke", "two"]), 0);
    assert_eq!(fs::read_to_string(&file).unwrap(), before);
    assert_eq!(fs::read_dir(here.path()).unwrap().count(), 2, "nothing is left behind");
}

#[test]
fn what_cannot_be_done_is_told_and_changes_nothing() {
    let here = tempfile::tempdir().unwrap();
    let file = here.path().join("keys.toml");
    let key = |id: &str| {
        format!(
            "id = \"{id}\", secret = \"a-secret-of-more-than-20-characters\", account = \"222222222222\", principal = \"p\""
        )
    };
    let inline = format!("key = [{{ {} }}, {{ {} }}]\n", key("one"), key("two"));
    let tables = format!("[[key]]\n{}\n", key("one").replace(", ", "\n"));
    let add = |more: &[&'static str]| [&["add", "--account", "222222222222", "--principal", "p"], more].concat();
    for (text, arguments, code, told) in [
        (None, vec!["revoke", "one"], 1, "there is no such file"),
        (None, vec!["list"], 1, "there is no such file"),
        (Some(&tables), vec!["revoke", "two"], 1, "has no key `two`: `findings-gate keys list` shows those it has"),
        (Some(&tables), add(&["--id", "one"]), 1, "has a key `one` already"),
        (Some(&tables), add(&["--id", "a/b"]), 64, "expected 1 to 128 letters, digits, `_` or `-`"),
        (Some(&tables), vec!["add", "--account", "2222", "--principal", "p"], 64, "twelve digits"),
        (Some(&tables), vec!["add", "--account", "222222222222", "--principal", ""], 64, "expected 1 to 2048 bytes"),
        (Some(&inline), vec!["revoke", "one"], 1, "laid out in a way that this cannot change"),
        (Some(&inline), add(&[]), 3, "not valid TOML"),
        (Some(&"[[key]]\nid = \"one\"\nsecret = 3\n".to_owned()), add(&[]), 3, "`key.0.secret` is an integer"),
    ] {
        drop(fs::remove_file(&file));
        if let Some(text) = text {
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        }
        let (out, err) = ends(&run(here.path(), &arguments), code);
        assert!(err.contains(told), "{arguments:?}: {err}");
        assert!(!err.contains("a-secret-of") && !out.contains("a-secret-of"), "{out}{err}");
        assert_eq!(fs::read_to_string(&file).ok().as_ref(), text, "{arguments:?}");
    }
}

#[test]
fn a_file_that_everybody_reads_is_refused_or_mended() {
    let here = tempfile::tempdir().unwrap();
    let file = here.path().join("keys.toml");
    let add = ["add", "--account", "222222222222", "--principal", "p", "--id", "one"];
    ends(&run(here.path(), &add), 0);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    for arguments in [&["revoke", "one"][..], &["add", "--account", "222222222222", "--principal", "p"]] {
        let (out, err) = ends(&run(here.path(), arguments), 1);
        assert!(err.contains("run `chmod o-rwx 'keys.toml'`, or give `--fix-mode`"), "{err}");
        assert_eq!(out, "");
    }
    assert!(ends(&run(here.path(), &["list"]), 0).1.contains("warning: `keys.toml` holds secrets"));
    ends(&run(here.path(), &["add", "--account", "222222222222", "--principal", "p", "--fix-mode"]), 0);
    assert_eq!(mode(&file), 0o640);
    assert_eq!(ends(&run(here.path(), &["list"]), 0).1, "");
}

#[test]
fn keys_that_are_added_at_once_are_all_there() {
    let here = tempfile::tempdir().unwrap();
    let children: Vec<_> = (0..8)
        .map(|_| {
            let mut command = program(here.path());
            command.args(["keys", "add", "--account", "222222222222", "--principal", "p", "--json"]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let mut ids: Vec<String> = children
        .into_iter()
        .map(|child| {
            let (out, _) = ends(&child.wait_with_output().unwrap(), 0);
            serde_json::from_str::<Value>(&out).unwrap()["id"].as_str().unwrap().to_owned()
        })
        .collect();
    let (out, _) = ends(&run(here.path(), &["list", "--json"]), 0);
    let listed: Value = serde_json::from_str(&out).unwrap();
    let mut there: Vec<String> =
        listed["keys"].as_array().unwrap().iter().map(|key| key["id"].as_str().unwrap().to_owned()).collect();
    ids.sort();
    there.sort();
    assert_eq!(ids, there);
}

#[test]
fn the_last_key_is_revoked_like_any_other() {
    let upstream = Upstream::accepting();
    let gate = Gate::start(Place::new(&upstream.url(), ""));
    let directory = gate.place().path("");
    for key in fleet::KEYS {
        ends(&run(&directory, &["revoke", key.id]), 0);
    }
    gate.wait_until(|| gate.connect().update(&PAYMENTS, good("f")).status == 403);
    for key in &fleet::KEYS {
        gate.connect().update(key, good("f")).is_error(403, "UnrecognizedClientException", key.id);
    }
    gate.wait_for_log(&["configuration_doubtful", "has no key"]);
}

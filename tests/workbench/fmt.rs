use super::support::{golden, run, run_in_with};
use std::fs;

const UGLY: &str = "// head\n\n\n@id(\"a\")permit(principal is Member,action==Action::\"Note\",resource) // why\nwhen{context.value.text like \"*SEC-*\"   };\n";
const PRETTY: &str = "// head\n\n@id(\"a\")\npermit (\n  principal is Member,\n  action == Action::\"Note\",\n  resource\n) // why\nwhen { context.value.text like \"*SEC-*\" };\n";

#[test]
fn the_shipped_policies_are_laid_out() {
    let output = run(&["fmt", "--check", "policies"]).ends(0);
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("", ""));
    for pack in ["policies/baseline", "policies/strict", "policies/transitions"] {
        run(&["fmt", "--check", pack]).ends(0);
    }
}

#[test]
fn files_are_laid_out_in_place_and_others_left_alone() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    fs::create_dir_all(at("deep/er")).unwrap();
    fs::create_dir(at(".hidden")).unwrap();
    for name in ["a.cedar", "deep/er/b.cedar", ".hidden/c.cedar", "notes.txt"] {
        fs::write(at(name), UGLY).unwrap();
    }
    fs::write(at("good.cedar"), PRETTY).unwrap();
    let output = run_in_with(place.path(), &["fmt"], "").ends(0);
    assert_eq!(output.stdout, "laid out a.cedar\nlaid out deep/er/b.cedar\n2 files of 3 laid out anew\n");
    for (name, text) in [
        ("a.cedar", PRETTY),
        ("deep/er/b.cedar", PRETTY),
        ("good.cedar", PRETTY),
        (".hidden/c.cedar", UGLY),
        ("notes.txt", UGLY),
    ] {
        assert_eq!(fs::read_to_string(at(name)).unwrap(), text, "{name}");
    }
    assert_eq!(run_in_with(place.path(), &["fmt"], "").ends(0).stdout, "0 files of 3 laid out anew\n");
}

#[test]
fn check_prints_what_would_change_and_changes_nothing() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("a.cedar"), UGLY).unwrap();
    let output = run_in_with(place.path(), &["fmt", "--check", "a.cedar"], "").ends(2);
    golden("fmt/check.diff", &output.stdout);
    assert_eq!(output.stderr, "1 file of 1 would be laid out anew: run `findings-gate fmt`\n");
    assert_eq!(fs::read_to_string(place.path().join("a.cedar")).unwrap(), UGLY);
}

#[test]
fn nothing_is_written_where_one_file_does_not_parse() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("a.cedar"), UGLY).unwrap();
    fs::write(place.path().join("b.cedar"), "@id(\"b\")\npermit (principal, action);\n").unwrap();
    let output = run_in_with(place.path(), &["fmt"], "").ends(3);
    golden("fmt/invalid.txt", &output.stderr);
    assert_eq!(output.stdout, "");
    assert_eq!(fs::read_to_string(place.path().join("a.cedar")).unwrap(), UGLY);
}

#[test]
fn standard_input_goes_to_standard_output() {
    let here = tempfile::tempdir().unwrap();
    for text in [UGLY, PRETTY] {
        assert_eq!(run_in_with(here.path(), &["fmt", "-"], text).ends(0).stdout, PRETTY);
    }
    assert_eq!(run_in_with(here.path(), &["fmt", "--check", "-"], PRETTY).ends(0).stdout, "");
    assert!(
        run_in_with(here.path(), &["fmt", "--check", "-"], UGLY).ends(2).stdout.starts_with("--- <standard input>\n")
    );
    assert!(run_in_with(here.path(), &["fmt", "-"], "permit (").ends(3).stderr.contains("<standard input>:1:"));
    assert!(run_in_with(here.path(), &["fmt", "-", "a"], "").ends(64).stderr.contains("stands alone"));
}

#[test]
fn what_is_no_policy_is_told() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("notes.txt"), "").unwrap();
    for (path, expected) in [
        ("notes.txt", "does not end in `.cedar`, and is no directory"),
        ("missing", "cannot read `missing`: there is no such file"),
        (".", "has no file that ends in `.cedar`"),
    ] {
        let output = run_in_with(place.path(), &["fmt", path], "").ends(1);
        assert!(output.stderr.contains(expected), "{}", output.stderr);
    }
}

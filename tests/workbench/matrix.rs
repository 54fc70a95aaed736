//! `findings-gate matrix`

use crate::support::{golden, run};
use serde_json::Value;
use std::{fs, path::Path};

const POLICIES: &str = r#"
@id("members-note")
permit (principal is Member, action == Action::"Note", resource) when { context.value.text like "*SEC-*" };

@id("not-in-production")
@enforce("strip")
forbid (principal in Group::"ou/prod", action == Action::"Note", resource);
"#;

#[test]
fn the_packs_have_the_matrices_beside_them() {
    for pack in ["baseline", "strict", "transitions"] {
        let file = format!("policies/{pack}/matrix.md");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            assert_eq!(run(&["matrix", &format!("policies/{pack}"), "--write", &file]).status, 0);
        }
        let output = run(&["matrix", &format!("policies/{pack}"), "--check", &file]);
        assert_eq!((output.status, output.stdout.as_str(), output.stderr.as_str()), (0, "", ""), "{pack}");
    }
}

/// The page on the packs shows the baseline's matrix, under a heading of its own.
#[test]
fn the_page_on_the_packs_shows_the_baseline() {
    const BEGIN: &str = "matrix`: begin -->\n\n";
    const END: &str = "\n<!-- end -->";
    let at = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    // What is beside the pack may be written at the same time, by the test above.
    let matrix = run(&["matrix", "policies/baseline", "--format", "markdown"]).ends(0).stdout;
    let deeper = format!("\n{matrix}").replace("\n## ", "\n#### ");
    let page = fs::read_to_string(at("policies/README.md")).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (shown, after) = rest.split_once(END).unwrap();
    let expected = deeper.trim_start();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(at("policies/README.md"), [before, BEGIN, expected, END, after].concat()).unwrap();
        return;
    }
    assert!(
        shown == expected,
        "policies/README.md shows another matrix; UPDATE_GOLDEN=1 writes it:\n{}",
        similar::TextDiff::from_lines(shown, expected).unified_diff()
    );
}

#[test]
fn the_baseline_fits_on_a_screen() {
    let output = run(&["matrix", "pack:baseline"]);
    assert_eq!((output.status, output.stderr.as_str()), (0, ""));
    assert!(output.stdout.lines().all(|line| line.chars().count() <= 100), "{}", output.stdout);
    golden("matrix/baseline.txt", &output.stdout);
}

#[test]
fn every_format_says_the_same() {
    for (format, file) in [("markdown", "md"), ("csv", "csv"), ("json", "json"), ("html", "html")] {
        let output = run(&["matrix", "pack:strict", "--format", format]);
        assert_eq!((output.status, output.stderr.as_str()), (0, ""), "{format}");
        golden(&format!("matrix/strict.{file}"), &output.stdout);
    }
    let json: Value = serde_json::from_str(&run(&["matrix", "pack:strict", "--format", "json"]).stdout).unwrap();
    assert_eq!(json["version"], 1);
    let lines = json["sections"].as_array().unwrap().iter().flat_map(|section| section["lines"].as_array().unwrap());
    let actions: usize = lines.map(|line| line["actions"].as_array().unwrap().len()).sum();
    let csv = run(&["matrix", "pack:strict", "--format", "csv"]).stdout;
    assert_eq!(csv.lines().count(), actions + 1);
}

/// The words of the other verbs are understood.
#[test]
fn human_is_text_and_out_is_write() {
    let human = run(&["matrix", "pack:strict", "--format", "human"]).ends(0).stdout;
    assert_eq!(human, run(&["matrix", "pack:strict", "--format", "text"]).ends(0).stdout);
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("matrix.txt");
    run(&["matrix", "pack:strict", "--out", file.to_str().unwrap()]).ends(0);
    assert_eq!(fs::read_to_string(file).unwrap(), human);
}

#[test]
fn it_can_be_narrowed_and_widened() {
    let arguments = ["matrix", "pack:transitions", "--role", "member", "--action", "Severity.Normalized"];
    let output = run(&arguments);
    assert_eq!(output.status, 0);
    assert!(!output.stdout.contains("administrators-change-everything"), "{}", output.stdout);
    golden("matrix/narrowed.txt", &output.stdout);
    let cells = run(&[&arguments[..], &["--all"]].concat());
    assert_eq!(cells.status, 0);
    let count = cells.stdout.lines().count() - 1;
    assert!(output.stdout.contains(&format!("answers to {count} cells")), "{count}: {}", output.stdout);
    assert!(
        cells.stdout.lines().skip(1).all(|line| line.starts_with("member,Severity.Normalized,")),
        "{}",
        cells.stdout
    );
    let json = run(&[&arguments[..], &["--all", "--format", "json"]].concat());
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["cells"].as_array().unwrap().len() + 1, cells.stdout.lines().count());
}

#[test]
fn what_moved_is_shown() {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name).to_str().unwrap().to_owned();
    let (policies, kept) = (path("own.cedar"), path("matrix.md"));
    fs::write(&policies, POLICIES).unwrap();
    let output = run(&["matrix", &policies, "--write", &kept]);
    assert_eq!((output.status, output.stdout, output.stderr), (0, String::new(), format!("wrote {kept}\n")));
    assert_eq!(run(&["matrix", &policies, "--check", &kept]).status, 0);
    // The ends of lines say nothing.
    let text = fs::read_to_string(&kept).unwrap();
    fs::write(&kept, text.replace('\n', "\r\n")).unwrap();
    assert_eq!(run(&["matrix", &policies, "--check", &kept]).status, 0);

    fs::write(&policies, POLICIES.replace("*SEC-*", "SEC-*").replace("\"strip\"", "\"reject\"")).unwrap();
    let output = run(&["matrix", &policies, "--check", &kept]);
    assert_eq!(output.status, 2);
    let shown = output.stdout.replace(place.path().to_str().unwrap(), "DIRECTORY");
    golden("matrix/moved.diff", &shown);
    assert!(output.stderr.contains("review what moved, then make it anew with --write"), "{}", output.stderr);
}

#[test]
fn misuse_and_bad_policies_are_told() {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name).to_str().unwrap().to_owned();
    let policies = path("bad.cedar");
    fs::write(&policies, "@id(\"bad\")\npermit (principal, action == Action::\"Not\", resource);\n").unwrap();
    for (arguments, status, told) in [
        (&["matrix"][..], 64, "<PATH>"),
        (&["matrix", "pack:baseline", "--action", "Workflow"], 64, "Workflow.Status"),
        (&["matrix", "pack:baseline", "--role", "admin"], 64, "[possible values: administrator, member]"),
        (&["matrix", "pack:baseline", "--all", "--format", "html"], 64, "--format csv or --format json"),
        (&["matrix", "pack:baseline", "--check", &path("none.md")], 1, "make it with --write"),
        (&["matrix", "pack:baseline", "--check", &path("matrix.pdf")], 1, "expected .md, .csv, .json, .txt or .html"),
        (&["matrix", "pack:baseline", "--check", "a.md", "--write", "b.md"], 64, "cannot be used with"),
        (&["matrix", "pack:basline"], 3, "baseline"),
        (&["matrix", &policies], 3, "Not"),
    ] {
        let output = run(arguments);
        assert_eq!(output.status, status, "{arguments:?}: {}{}", output.stdout, output.stderr);
        assert!(output.stderr.contains(told), "{arguments:?}: {}", output.stderr);
    }
}

#[test]
fn help_has_examples_and_exit_codes() {
    let output = run(&["matrix", "--help"]);
    assert_eq!(output.status, 0);
    for told in ["Examples:", "--check policies/matrix.md", "Exit codes: 0 fine", "no-grant"] {
        assert!(output.stdout.contains(told), "{told}: {}", output.stdout);
    }
}

use super::support::{run, run_in_with};
use std::{collections::BTreeSet, fs, process::Command};

/// The verbs, as `--help` lists them.
fn verbs() -> BTreeSet<String> {
    let verbs = verbs_below(&[]);
    assert!(verbs.contains("check") && verbs.len() > 5, "{verbs:?}");
    verbs
}

/// Those below a verb, of which most have none.
fn verbs_below(path: &[&str]) -> BTreeSet<String> {
    let help = run(&[path, &["--help"]].concat()).ends(0).stdout;
    let Some((_, rest)) = help.split_once("Commands:\n") else { return BTreeSet::new() };
    let list = rest.split("\n\n").next().unwrap();
    list.lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .map(|line| line.split_whitespace().next().unwrap().to_owned())
        .filter(|verb| verb != "help")
        .collect()
}

#[test]
fn every_shell_completes_every_verb() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(&["completions", shell]).ends(0).stdout;
        for verb in verbs() {
            assert!(script.contains(&verb), "{verb} is not in the script for {shell}");
        }
        assert!(script.contains("deny-warnings"), "{shell}");
    }
    run(&["completions", "tcsh"]).ends(64);
}

#[test]
fn bash_takes_its_script() {
    // What a shell does at TAB: the words so far are in COMP_WORDS; the command, the last word and the one before are arguments.
    const TAB: &str = r#"
        source "$1" && shift && COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        _findings__gate "$1" "${@: -1}" "${@: -2:1}" && echo "${COMPREPLY[@]}"
    "#;
    let script = run(&["completions", "bash"]).ends(0).stdout;
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("completions");
    fs::write(&file, script).unwrap();
    for (words, offered) in [
        (&["che"][..], "check"),
        (&["check", "--f"], "--format"),
        (&["check", "--format", ""], "human json github sarif"),
        (&["import-iam", "--en"], "--enforce"),
        (&["matrix", "--role", ""], "administrator member"),
        (&["explain", "body.json", "--role", "m"], "member"),
        (&["prove", "--default-enforcement", "re"], "reject refuse"),
        (&["help", "che"], "check"),
    ] {
        let mut bash = Command::new("bash");
        bash.args(["--norc", "-c", TAB, "bash"]).arg(&file).arg("findings-gate").args(words);
        // Where there is no bash, there is nothing to try.
        let Ok(output) = bash.output() else { return };
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{words:?}");
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim_end(), offered, "{words:?}");
    }
}

/// Where a shell's script knows values at all, it knows those of closed lists.
#[test]
fn values_are_completed_and_listed() {
    for shell in ["bash", "zsh", "fish"] {
        let script = run(&["completions", shell]).ends(0).stdout;
        for value in ["administrator", "refuse", "Workflow.Status", "markdown"] {
            assert!(script.contains(value), "{value} is not in the script for {shell}");
        }
    }
    let help = run(&["matrix", "-h"]).ends(0).stdout;
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(help.contains("[possible values: administrator, member]"), "{help}");
    assert!(help.contains("[possible values: strip, reject, refuse]"), "{help}");
}

#[test]
fn the_manual_has_a_page_for_every_verb() {
    let place = tempfile::tempdir().unwrap();
    run_in_with(place.path(), &["man", "--out", "."], "").ends(0);
    let files: BTreeSet<String> =
        fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let mut expected: BTreeSet<String> = verbs().iter().map(|verb| format!("findings-gate-{verb}.1")).collect();
    for verb in verbs() {
        expected.extend(verbs_below(&[&verb]).iter().map(|nested| format!("findings-gate-{verb}-{nested}.1")));
    }
    assert!(expected.contains("findings-gate-keys-add.1"), "{expected:?}");
    expected.insert("findings-gate.1".into());
    assert_eq!(files, expected);
    let program = run(&["man"]).ends(0).stdout;
    assert_eq!(program, fs::read_to_string(place.path().join("findings-gate.1")).unwrap());
    for verb in verbs() {
        assert!(program.contains(&format!("findings\\-gate\\-{}", verb.replace('-', "\\-"))), "{verb}: {program}");
        let page = run(&["man", &verb]).ends(0).stdout;
        assert!(page.contains(".TH findings-gate-") && !page.contains("EXTRA"), "{page}");
        // An example is a line, as one types it.
        let (_, examples) = page.split_once("\n.SH EXAMPLES\n.nf\n").unwrap();
        let (examples, rest) = examples.split_once("\n.fi\n").unwrap();
        assert!(examples.lines().any(|line| line.starts_with("findings\\-gate ")), "{verb}: {examples}");
        let (_, status) = rest.split_once(".SH EXIT STATUS\n.nf\n0 ").unwrap();
        assert!(status.contains("\n64 usage\n.fi\n.SH VERSION\n"), "{verb}: {status}");
    }
    assert!(run(&["man", "chekc"]).ends(64).stderr.contains("no verb `chekc`"));
}

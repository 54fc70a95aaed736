use super::support::{run, run_in_with};
use std::{collections::BTreeSet, fs, process::Command};

/// The verbs, as `--help` lists them.
fn verbs() -> BTreeSet<String> {
    let help = run(&["--help"]).ends(0).stdout;
    let (_, rest) = help.split_once("Commands:\n").unwrap();
    let list = rest.split("\n\n").next().unwrap();
    let verbs: BTreeSet<String> = list
        .lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .map(|line| line.split_whitespace().next().unwrap().to_owned())
        .filter(|verb| verb != "help")
        .collect();
    assert!(verbs.contains("check") && verbs.len() > 5, "{verbs:?}");
    verbs
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
    let script = run(&["completions", "bash"]).ends(0).stdout;
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("completions");
    fs::write(&file, script).unwrap();
    let asked = "source \"$1\" && COMP_WORDS=(findings-gate che) COMP_CWORD=1 && _findings__gate findings-gate che findings-gate && echo \"${COMPREPLY[@]}\"";
    // Where there is no bash, there is nothing to try.
    let Ok(output) = Command::new("bash").args(["--norc", "-c", asked, "bash"]).arg(&file).output() else { return };
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "check\n");
}

#[test]
fn the_manual_has_a_page_for_every_verb() {
    let place = tempfile::tempdir().unwrap();
    run_in_with(place.path(), &["man", "--out", "."], "").ends(0);
    let files: BTreeSet<String> =
        fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let mut expected: BTreeSet<String> = verbs().iter().map(|verb| format!("findings-gate-{verb}.1")).collect();
    expected.insert("findings-gate.1".into());
    assert_eq!(files, expected);
    let program = run(&["man"]).ends(0).stdout;
    assert_eq!(program, fs::read_to_string(place.path().join("findings-gate.1")).unwrap());
    for verb in verbs() {
        assert!(program.contains(&format!("findings\\-gate\\-{}", verb.replace('-', "\\-"))), "{verb}: {program}");
        let page = run(&["man", &verb]).ends(0).stdout;
        assert!(page.contains(".TH findings-gate-") && page.contains("Exit codes:"), "{page}");
    }
    assert!(run(&["man", "chekc"]).ends(64).stderr.contains("no verb `chekc`"));
}

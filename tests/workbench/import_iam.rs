use crate::support::{golden, run, run_in};
use serde_json::{Value, json};
use std::{fs, path::Path};

const DATA: &str = "tests/data/workbench/import_iam";

fn data(name: &str) -> String {
    format!("{DATA}/{name}")
}

#[test]
fn policies_are_printed_and_warnings_beside_them() {
    let output = run(&["import-iam", &data("deny.json")]);
    assert_eq!(output.status, 0, "{}", output.stderr);
    golden("import_iam/deny.cedar", &output.stdout);
    golden("import_iam/deny.stderr", &output.stderr);
}

#[test]
fn an_allow_is_split_by_changes() {
    let hub = "arn:aws:securityhub:eu-west-1:222222222222:hub/default";
    let output =
        run(&["import-iam", &data("allow.json"), "--hub", hub, "--principal", "group:ou/prod", "--prefix", "iam/"]);
    assert_eq!(output.status, 0, "{}", output.stderr);
    golden("import_iam/allow.cedar", &output.stdout);
    let output = run(&["import-iam", &data("allow.json")]);
    assert_eq!((output.status, &*output.stdout), (3, ""));
    assert!(output.stderr.contains("help: say which hub is behind the gate"), "{}", output.stderr);
}

#[test]
fn what_is_refused_keeps_everything_from_being_written() {
    let output = run(&["import-iam", &data("refused.json")]);
    assert_eq!((output.status, &*output.stdout), (3, ""));
    golden("import_iam/refused.stderr", &output.stderr);
    let output = run(&["import-iam", &data("refused.json"), "--partial"]);
    assert_eq!(output.status, 3);
    golden("import_iam/refused-partial.cedar", &output.stdout);
}

#[test]
fn as_json() {
    let output = run(&["import-iam", &data("refused.json"), "--format", "json"]);
    assert_eq!((output.status, &*output.stderr), (3, ""));
    golden("import_iam/refused.out.json", &output.stdout);
    let output = run(&["import-iam", &data("deny.json"), "--format", "json"]);
    let told: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(
        (&told["version"], &told["complete"], &told["default_enforcement"]),
        (&json!(1), &json!(true), &json!("refuse"))
    );
    assert!(told["policies"].as_str().unwrap().contains("@id(\"deny-suppress\")"));
    assert!(told["suite"].as_str().unwrap().starts_with("suite: "));
}

#[test]
fn files_are_written_and_not_overwritten() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("policies");
    let arguments = ["import-iam", &data("deny.json"), "--out", out.to_str().unwrap()];
    let output = run(&arguments);
    assert_eq!(output.status, 0, "{}", output.stderr);
    let read = |name: &str| fs::read_to_string(out.join(name)).unwrap();
    golden("import_iam/deny.cedar", &read("deny.cedar"));
    golden("import_iam/deny.test.yaml", &read("deny.test.yaml"));

    fs::write(out.join("deny.cedar"), "mine").unwrap();
    let output = run(&arguments);
    assert_eq!(output.status, 1);
    assert!(output.stderr.contains("deny.cedar is there already, and nothing was written"), "{}", output.stderr);
    assert_eq!(read("deny.cedar"), "mine");
    let output = run(&[&arguments[..], &["--force"]].concat());
    assert_eq!(output.status, 0, "{}", output.stderr);
    golden("import_iam/deny.cedar", &read("deny.cedar"));
    let output = run(&[&arguments[..], &["--name", "iam"]].concat());
    assert_eq!(output.status, 0, "{}", output.stderr);
    assert!(read("iam.test.yaml").contains("policies: [\"iam.cedar\"]"));
}

#[test]
fn the_gate_takes_what_was_written() {
    let place = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(place.path().join(name), text).unwrap();
    write("accounts.toml", "administrator = \"111111111111\"\n[[member]]\naccount = \"222222222222\"\n");
    write(
        "findings-gate.toml",
        "[policies]\npath = [\"policies\"]\ndefault_enforcement = \"refuse\"\n[accounts]\nfile = \"accounts.toml\"\n[[identity]]\nkind = \"fixed\"\n\
         account = \"222222222222\"\nprincipal = \"arn:aws:iam::222222222222:role/triage\"\n[upstream]\nurl = \"http://127.0.0.1:9000\"\n\
         region = \"eu-west-1\"\n",
    );
    let deny = Path::new(env!("CARGO_MANIFEST_DIR")).join(data("deny.json"));
    let output = run_in(place.path(), &["import-iam", deny.to_str().unwrap(), "--out", "policies"]);
    assert_eq!(output.status, 0, "{}", output.stderr);
    let output = run_in(place.path(), &["check"]);
    assert_eq!(output.status, 0, "{}", output.stderr);
    assert!(output.stdout.contains("refuse unless a policy says otherwise"), "{}", output.stdout);
}

#[test]
fn what_is_no_document_says_where() {
    let place = tempfile::tempdir().unwrap();
    for (text, expected) in [
        (
            r#"{"Statement":{"Effect":"Deny","Action":"*","Resource":"*","Principal":"*"}}"#,
            "invalid: p.json: Statement.Principal: ",
        ),
        (
            r#"{"Statement":{"Effect":"Deny","Action":"*","Resource":"*","Conditon":{}}}"#,
            "  help: did you mean `Condition`?",
        ),
        ("{", "invalid: p.json: EOF"),
    ] {
        fs::write(place.path().join("p.json"), text).unwrap();
        let output = run_in(place.path(), &["import-iam", "p.json"]);
        assert_eq!((output.status, &*output.stdout), (3, ""), "{text}");
        assert!(output.stderr.contains(expected), "{text}: {}", output.stderr);
        let output = run_in(place.path(), &["import-iam", "p.json", "--format", "json"]);
        let told: Value = serde_json::from_str(&output.stdout).unwrap();
        assert_eq!((output.status, &told["invalid"][0]["file"]), (3, &json!("p.json")));
    }
    let output = run_in(place.path(), &["import-iam", "missing.json"]);
    assert_eq!(output.status, 1);
    assert!(output.stderr.contains("cannot read missing.json"), "{}", output.stderr);
}

#[test]
fn what_is_about_something_else_makes_nothing() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("s3.json"), r#"{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}"#)
        .unwrap();
    let output = run_in(place.path(), &["import-iam", "s3.json", "--out", "out"]);
    assert_eq!((output.status, &*output.stdout), (0, ""));
    assert_eq!(output.stderr, "0 of 1 statement concern changes of findings; 0 refused, 0 policies made\n");
    assert!(!place.path().join("out").exists());
}

#[test]
fn wrong_usage() {
    for (arguments, expected) in [
        (&["import-iam"][..], "<FILE>"),
        (&["import-iam", "a", "--principal", "group:"], "`group:NAME`"),
        (&["import-iam", "a", "--principal", "account:1"], "twelve digits"),
        (&["import-iam", "a", "--hub", "hub/default"], "expected an ARN such as"),
        (&["import-iam", "a", "--enforce", "no"], "[possible values: strip, reject, refuse]"),
        (&["import-iam", "a", "--name", "../x"], "without its directory"),
        (&["import-iam", "a", "--prefix", "a b"], "at most 64"),
        (&["import-iam", "a", "--force"], "--out"),
    ] {
        let output = run(arguments);
        assert_eq!(output.status, 64, "{arguments:?}");
        assert!(output.stderr.contains(expected), "{arguments:?}: {}", output.stderr);
    }
}

/// The document and the session of docs/import-iam.md are what the program takes and prints.
#[test]
fn the_documentation_shows_what_is_printed() {
    let docs = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/import-iam.md")).unwrap();
    let block = |kind: &str| {
        let (_, rest) = docs.split_once(&format!("```{kind}\n")).unwrap();
        rest.split_once("```").unwrap().0
    };
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("deny.json"), block("json")).unwrap();
    let output = run_in(place.path(), &["import-iam", "deny.json"]);
    assert_eq!(block("text"), format!("$ findings-gate import-iam deny.json > deny.cedar\n{}", output.stderr));
    assert_eq!(block("cedar"), output.stdout);
}

#[test]
fn what_it_writes_passes_its_own_suite() {
    let document = r#"{"Version":"2012-10-17","Statement":[
        {"Sid":"NoSuppression","Effect":"Deny","Action":"securityhub:BatchUpdateFindings","Resource":"*",
         "Condition":{"StringEquals":{"securityhub:ASFFSyntaxPath/Workflow.Status":"SUPPRESSED"}}},
        {"Sid":"NotesOnlyByName","Effect":"Deny","Action":"securityhub:BatchUpdateFindings","Resource":"*",
         "Condition":{"StringNotLike":{"securityhub:ASFFSyntaxPath/Note.UpdatedBy":"team-*"}}},
        {"Effect":"Allow","Action":"securityhub:Batch*","Resource":"*"}]}"#;
    let place = crate::support::place(&[("deny.json", document)]);
    let written = run_in(place.path(), &["import-iam", "deny.json", "--out", "out"]);
    assert_eq!(written.status, 0, "{}", written.stderr);
    let output = run_in(place.path(), &["test", "out"]);
    assert_eq!(output.status, 0, "{}{}", output.stdout, output.stderr);
}

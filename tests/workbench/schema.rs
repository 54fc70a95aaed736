use super::support::{run, run_in_with};
use std::fs;

#[test]
fn the_schema_is_the_one_beside_the_policies() {
    let printed = run(&["schema"]).ends(0).stdout;
    let file = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/policies/schema.cedarschema")).unwrap();
    assert_eq!(printed, file);
}

#[test]
fn its_json_form_says_the_same() {
    let printed = run(&["schema", "--format", "json"]).ends(0);
    let (schema, _) = cedar_policy::Schema::from_cedarschema_str(&run(&["schema"]).stdout).unwrap();
    let json = cedar_policy::Schema::from_json_str(&printed.stdout).unwrap();
    let actions = |schema: &cedar_policy::Schema| {
        let mut actions: Vec<_> = schema.actions().map(ToString::to_string).collect();
        actions.sort();
        actions
    };
    assert_eq!(actions(&schema), actions(&json));
    assert_eq!(schema.request_envs().count(), json.request_envs().count());
    assert!(printed.json()[""]["entityTypes"]["Finding"].is_object());
}

#[test]
fn it_is_written_to_a_file() {
    let place = tempfile::tempdir().unwrap();
    let output = run_in_with(place.path(), &["schema", "--out", "s.cedarschema"], "").ends(0);
    assert_eq!(output.stdout, "wrote s.cedarschema\n");
    assert_eq!(fs::read_to_string(place.path().join("s.cedarschema")).unwrap(), run(&["schema"]).stdout);
    let output = run_in_with(place.path(), &["schema", "--out", "none/s"], "").ends(1);
    assert!(output.stderr.contains("cannot write `none/s`: there is no such file"), "{}", output.stderr);
    run(&["schema", "--format", "yaml"]).ends(64);
}

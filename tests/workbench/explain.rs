//! `findings-gate explain`

use crate::support::{Output, golden, run, run_with};

const DATA: &str = "tests/data/workbench/explain";
const MEMBER: [&str; 6] = ["--role", "member", "--account", "222222222222", "--now", "2026-01-01T12:00:00Z"];

/// Explains a body of the data by these policies, with further arguments.
fn explain(body: &str, policies: &str, more: &[&str]) -> Output {
    let body = if body == "-" { body.to_owned() } else { format!("{DATA}/{body}") };
    let mut arguments = vec!["explain", &body, "--policies", policies];
    arguments.extend(more);
    run(&arguments)
}

/// The explanation that a member gets.
fn to_member(body: &str, policies: &str, more: &[&str]) -> String {
    let output = explain(body, policies, &[&MEMBER, more].concat());
    assert_eq!((output.status, &*output.stderr), (0, ""), "{output:?}");
    output.stdout
}

#[test]
fn every_finding_and_change_is_explained() {
    golden("explain/baseline.txt", &to_member("update.json", "pack:baseline", &[]));
}

#[test]
fn what_depends_on_the_finding_is_judged_by_it() {
    let findings = format!("{DATA}/findings.json");
    let told = to_member("update.json", "pack:transitions", &["--findings", &findings]);
    golden("explain/findings.txt", &told);
    // A list alone is taken, too.
    let whole = std::fs::read_to_string(&findings).unwrap();
    let list = &whole[whole.find('[').unwrap()..=whole.rfind(']').unwrap()];
    let body = format!("{DATA}/update.json");
    let arguments =
        [&["explain", &*body, "--policies", "pack:transitions", "--findings", "-"][..], &MEMBER[..]].concat();
    assert_eq!(run_with(&arguments, list).stdout, told);
}

#[test]
fn a_plain_finding_is_known_and_one_not_given_is_not() {
    let plain = to_member("update.json", "pack:transitions", &["--assume-plain"]);
    assert!(plain.contains("looked up, and taken for a plain finding"), "{plain}");
    assert!(plain.contains("true: context.rank is 1, resource.severity.rank is 2"), "{plain}");
    let unknown = to_member("update.json", "pack:transitions", &[]);
    assert!(unknown.contains("not to be told: context.rank is 1, resource.severity.rank is not known"), "{unknown}");
    assert!(unknown.contains("say how it is with --findings"), "{unknown}");
}

#[test]
fn the_nearest_permit_is_shown_with_what_it_lacks() {
    let site = format!("{DATA}/site.cedar");
    golden("explain/site.txt", &to_member("note.json", &site, &["--assume-plain"]));
    // With its group, the accounts file says the rest.
    let accounts = format!("{DATA}/accounts.toml");
    let caller =
        ["--accounts", &accounts, "--account", "222222222222", "--now", "2026-01-01T12:00:00Z", "--assume-plain"];
    golden("explain/group.txt", &explain("note.json", &site, &caller).stdout);
}

#[test]
fn several_policies_are_taken_at_once() {
    let site = format!("{DATA}/site.cedar");
    let caller = [&MEMBER[..], &["--format", "json"]].concat();
    let at_once = explain("update.json", "pack:baseline", &[&[&*site], &caller[..]].concat()).ends(0);
    let again = explain("update.json", "pack:baseline", &[&["--policies", &*site], &caller[..]].concat()).ends(0);
    assert_eq!(at_once.stdout, again.stdout);
    assert!(at_once.stdout.contains(&site), "{}", at_once.stdout);
}

/// What is printed can be given as `--now` again, and reads as other times do.
#[test]
fn the_time_is_of_whole_seconds() {
    let arguments = ["--role", "member", "--account", "222222222222", "--format", "json"];
    let told = explain("update.json", "pack:baseline", &arguments).ends(0).json();
    let now = told["now"].as_str().unwrap();
    assert!(now.len() == "2026-01-01T12:00:00Z".len() && now.ends_with('Z'), "{now}");
}

#[test]
fn the_other_operations_are_explained() {
    golden("explain/update-v2.txt", &to_member("update-v2.json", "pack:baseline", &["--operation", "update-v2"]));
    golden("explain/import.txt", &to_member("import.json", "pack:baseline", &["--operation", "import"]));
    let caller = ["--role", "administrator", "--account", "111111111111", "--now", "2026-01-01T12:00:00Z"];
    let foreign = explain("import.json", "pack:baseline", &[&caller[..], &["--operation", "import"]].concat());
    golden("explain/import-foreign.txt", &foreign.stdout);
}

#[test]
fn json_says_the_same_and_more() {
    let findings = format!("{DATA}/findings.json");
    let told = to_member("update.json", "pack:transitions", &["--findings", &findings, "--format", "json"]);
    golden("explain/findings.json.txt", &told);
    let json: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(json["version"], 1);
    let first = &json["findings"][0];
    assert_eq!((&first["outcome"], &first["state"]), (&"rejected".into(), &"given".into()));
    let label =
        first["changes"].as_array().unwrap().iter().find(|change| change["action"] == "Severity.Label").unwrap();
    let decisive = &label["decided_by"][0]["decisive"][1];
    assert_eq!(decisive["reads"][1]["expression"], "resource.severity.rank");
    assert_eq!(decisive["reads"][1]["value"], "4");
    // Its place is where its text stands.
    let policies = json["policies"].as_array().unwrap();
    let policy = policies.iter().find(|policy| policy["id"] == label["decided_by"][0]["policy"]).unwrap();
    let file = std::fs::read_to_string(policy["file"].as_str().unwrap()).unwrap();
    let at = |name: &str| usize::try_from(decisive["span"][name].as_u64().unwrap()).unwrap();
    assert_eq!(&file[at("start")..at("end")], decisive["text"].as_str().unwrap());
}

#[test]
fn what_is_no_request_is_told_with_its_place() {
    let said = |body: &str, more: &[&str]| {
        let arguments = [&["explain", "-", "--policies", "pack:baseline"][..], &MEMBER[..], more].concat();
        let output = run_with(&arguments, body);
        assert_eq!((output.status, &*output.stdout), (3, ""), "{output:?}");
        output.stderr.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let update =
        r#"{"FindingIdentifiers":[{"Id":"a","ProductArn":"arn:aws:securityhub:x"}],"Workflow":{"Status":"DONE"}}"#;
    let told = said(update, &[]);
    assert!(told.contains("standard input is no body of BatchUpdateFindings: Workflow.Status:"), "{told}");
    let told = said("{", &["--operation", "update-v2"]);
    assert!(told.contains("no body of BatchUpdateFindingsV2: EOF while parsing"), "{told}");
    // Where it breaks off before a name, nothing stands for the name.
    let told = said(r#"{"FindingIdentifiers":[{"Id":"a","#, &[]);
    assert!(told.contains("no body of BatchUpdateFindings: FindingIdentifiers[0]: EOF while parsing"), "{told}");
    for body in ["", "{", "[", "7", "{\"Note\":{", "{\"Note\":{\"Te"] {
        for operation in ["update", "update-v2", "import"] {
            let told = said(body, &["--operation", operation]);
            assert!(!told.contains("?:") && !told.contains("body:"), "{told}");
        }
    }
    let told = said(r#"{"Findings":[{"Id":7}]}"#, &["--operation", "import"]);
    assert!(told.contains("Findings[0]"), "{told}");

    let body = format!("{DATA}/update.json");
    let findings = |text: &str| {
        let arguments =
            [&["explain", &*body, "--policies", "pack:baseline", "--findings", "-"][..], &MEMBER[..]].concat();
        let output = run_with(&arguments, text);
        assert_eq!((output.status, &*output.stdout), (3, ""), "{output:?}");
        output.stderr.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert!(findings("7").contains("standard input: "));
    assert!(findings("{}").contains("Findings: expected a list of findings"));
    assert!(findings("[{\"Id\":\"a\"}]").contains("Findings[0].ProductArn: expected a string"));
    let told = findings(r#"[{"Id":"a","ProductArn":"b","AwsAccountId":"1"}]"#);
    assert!(told.contains("Findings[0]."), "{told}");
}

#[test]
fn who_asks_must_be_told_and_must_be_there() {
    let output = explain("update.json", "pack:baseline", &["--account", "222222222222"]);
    assert_eq!(output.status, 64, "{output:?}");
    assert!(output.stderr.contains("--role"), "{output:?}");
    let output = explain("update.json", "pack:baseline", &["--role", "member", "--account", "2222"]);
    assert_eq!(output.status, 64, "{output:?}");
    assert!(output.stderr.contains("twelve digits"), "{output:?}");
    let output = run(&[&["explain", "-", "--policies", "pack:baseline", "--findings", "-"][..], &MEMBER[..]].concat());
    assert_eq!(output.status, 64, "{output:?}");

    let output = explain("update.json", "pack:baseline", &[&MEMBER[..], &["--fleet", "333333333333"]].concat());
    assert_eq!((output.status, &*output.stdout), (64, ""), "{output:?}");
    assert!(output.stderr.contains("--fleet is of an administrator"), "{output:?}");

    let accounts = format!("{DATA}/accounts.toml");
    let output = explain("update.json", "pack:baseline", &["--accounts", &accounts, "--account", "444444444444"]);
    assert_eq!(output.status, 3, "{output:?}");
    assert!(output.stderr.contains("account 444444444444 is not in"), "{output:?}");
    let output = explain("update.json", "pack:baseline", &[&MEMBER[..], &["--accounts", &accounts]].concat());
    assert_eq!(output.status, 64, "{output:?}");
    let output = explain("missing.json", "pack:baseline", &MEMBER);
    assert_eq!(output.status, 1, "{output:?}");
    let output = explain("update.json", "pack:none", &MEMBER);
    assert_ne!(output.status, 0, "{output:?}");
}

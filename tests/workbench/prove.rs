//! `findings-gate prove`
#![cfg(feature = "prove")]

use crate::support::{Output, golden, has_solver, output, program, root, run};
use serde_json::Value;
use std::{fmt::Write as _, fs, path::Path};

/// Runs with the solver that the tests were given.
fn prove(arguments: &[&str]) -> Output {
    let mut command = program(root());
    command.arg("prove").args(arguments).envs(std::env::var_os("CVC5").map(|path| ("CVC5", path)));
    output(&mut command)
}

fn write(directory: &Path, name: &str, text: &str) -> String {
    let path = directory.join(name);
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

fn json(output: &Output) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// Each property with its verdict.
fn verdicts(report: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let properties = report["properties"].as_array().unwrap();
    properties.iter().map(|property| (text(&property["id"]), text(&property["verdict"]))).collect()
}

#[test]
fn the_packs_keep_what_they_promise() {
    if !has_solver() {
        return;
    }
    for pack in ["baseline", "strict", "transitions"] {
        let of_directory = prove(&[&format!("policies/{pack}")]);
        assert_eq!((of_directory.status, &*of_directory.stderr), (0, ""), "{}", of_directory.stdout);
        golden(&format!("prove/{pack}.txt"), &of_directory.stdout);
        let embedded = prove(&[&format!("pack:{pack}")]);
        assert_eq!(embedded.stdout, of_directory.stdout);
    }
}

const EVERYBODY: &str = r#"
@id("members-may") permit (principal is Member, action, resource);
@id("administrators-may") permit (principal is Administrator, action, resource);
"#;

/// For every kind of question there is one that the gate can be asked, and that refutes: so the assumptions of the proofs do not
/// contradict one another, and counterexamples of every kind can be replayed.
#[test]
fn whatever_is_allowed_refutes_that_it_never_is() {
    if !has_solver() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let policies = write(place.path(), "all.cedar", EVERYBODY);
    let mut properties = String::new();
    let actions = findings_gate::finding::Action::ALL;
    for role in ["Member", "Administrator"] {
        for action in actions {
            writeln!(
                properties,
                "@id(\"{role}-{action}\") permit (principal is {role}, action == Action::\"{action}\", resource)\n\
                 when {{ resource in principal.account }};"
            )
            .unwrap();
        }
    }
    let properties = write(place.path(), "all.properties.cedar", &properties);
    let run = prove(&[&policies, &properties, "--format", "json"]);
    assert_eq!(run.status, 2, "{run:?}");
    let report = json(&run);
    let verdicts = verdicts(&report);
    assert_eq!(verdicts[..2].iter().map(|(_, verdict)| verdict.as_str()).collect::<Vec<_>>(), ["proved", "proved"]);
    assert_eq!(verdicts.len(), 4 + 2 * actions.len());
    for (id, verdict) in &verdicts[2..] {
        assert_eq!(verdict, "refuted", "{id}: {}", run.stdout);
    }
    for property in &report["properties"].as_array().unwrap()[4..] {
        let request = &property["request"];
        assert_eq!(request["caller"]["account"], request["finding"]["account"], "{property}");
        assert_eq!(request["answer"]["outcome"], "forwarded", "{property}");
    }
}

/// A property's name, what it says, and what must be in parts of the request that refutes it.
type Case = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// What a counterexample needs to be one: state, notes, groups, fleets, times, keys, new findings.
#[test]
fn a_counterexample_is_a_request_with_all_that_it_needs() {
    if !has_solver() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let policies = format!(
        "{EVERYBODY}{}",
        r#"@id("resolving-needs-a-ticket") @enforce("strip")
           forbid (principal is Member, action == Action::"Workflow.Status", resource)
           when { context.value == WorkflowStatus::"RESOLVED" }
           unless { context has note && context.note.text like "*SEC-*" };"#
    );
    let policies = write(place.path(), "all.cedar", &policies);
    let cases: [Case; 11] = [
        (
            "needs-a-note",
            r#"(principal is Member, action == Action::"Workflow.Status", resource) when { context.value == WorkflowStatus::"RESOLVED" }"#,
            &[("/update/Workflow/Status", "\"RESOLVED\""), ("/update/Note/Text", "SEC-")],
        ),
        (
            "needs-a-state",
            r#"(principal is Member, action == Action::"Note", resource) when { resource.severity.label == SeverityLabel::"CRITICAL" }"#,
            &[("/finding/severity", "CRITICAL")],
        ),
        (
            "needs-a-group-of-the-finding",
            r#"(principal is Administrator, action == Action::"Note", resource) when { resource in Group::"ou/prod" }"#,
            &[("/caller/role", "administrator"), ("/others/0/groups/0", "ou/prod")],
        ),
        (
            "needs-a-group-of-the-caller",
            r#"(principal, action == Action::"Note", resource) when { principal.account in Group::"ou/prod" }"#,
            &[("/caller/role", "member"), ("/caller/groups/0", "ou/prod")],
        ),
        (
            "needs-a-group-of-a-proof",
            r#"(principal is Member in Group::"soc", action == Action::"Note", resource) unless { principal.account in Group::"soc" }"#,
            &[("/caller/role", "member"), ("/caller/principal_groups/0", "soc")],
        ),
        (
            "needs-a-group-of-an-administrator",
            r#"(principal is Administrator in Group::"soc", action == Action::"Note", resource)"#,
            &[("/caller/role", "administrator"), ("/caller/principal_groups/0", "soc")],
        ),
        (
            "needs-an-account",
            r#"(principal is Administrator, action == Action::"Note", resource) when { resource in Account::"999988887777" }"#,
            &[("/finding/account", "999988887777")],
        ),
        (
            "needs-a-date",
            r#"(principal, action == Action::"UserDefinedFields", resource) when { context has date && context.date > context.now }"#,
            &[("/change", "UserDefinedFields")],
        ),
        (
            "needs-something-to-remove",
            r#"(principal, action == Action::"UserDefinedFields.Remove", resource) when { context has number && context.number > 12 }"#,
            &[("/change", "UserDefinedFields.Remove"), ("/finding/userDefinedFields", "13")],
        ),
        (
            "needs-a-new-finding",
            r#"(principal, action == Action::"Import", resource) when { resource.isNew && resource.resourceTypes.contains("AwsEc2Instance") }"#,
            &[("/finding/exists", "false"), ("/import/Resources/0/Type", "AwsEc2Instance")],
        ),
        (
            "needs-a-tag",
            r#"(principal, action == Action::"Note", resource) when { resource.resourceTags.hasTag("env") && resource.resourceTags.getTag("env").contains("prod") }"#,
            &[("/finding/resourceTags/env", "prod")],
        ),
    ];
    let mut text = String::new();
    for (id, property, _) in cases {
        writeln!(text, "@id(\"{id}\") permit {property};").unwrap();
    }
    let properties = write(place.path(), "all.properties.cedar", &text);
    let run = prove(&[&policies, &properties, "--format", "json"]);
    let report = json(&run);
    for (id, _, expected) in cases {
        let property = report["properties"].as_array().unwrap().iter().find(|property| property["id"] == id).unwrap();
        assert_eq!(property["verdict"], "refuted", "{property:#}");
        for (pointer, part) in expected {
            let value = property["request"].pointer(pointer).map(Value::to_string).unwrap_or_default();
            assert!(value.contains(part), "{id}: {pointer} is {value}\n{property:#}");
        }
    }
}

#[test]
fn what_is_always_allowed_is_refuted_by_a_denial() {
    if !has_solver() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let properties = r#"
        @id("members-may-always-resolve") @expect("always") @doc("Members resolve.")
        permit (principal is Member, action == Action::"Workflow.Status", resource)
        when { context.value == WorkflowStatus::"RESOLVED" && resource in principal.account };"#;
    let properties = write(place.path(), "mine.properties.cedar", properties);
    let run = prove(&["pack:transitions", &properties, "--only", "members-may-always-resolve"]);
    assert_eq!(run.status, 2, "{run:?}");
    for part in [
        "REFUTED   members-may-always-resolve  Members resolve.",
        "mine.properties.cedar:2:9",
        "the gate denies `Workflow.Status`",
        "update: {\"Workflow\":{\"Status\":\"RESOLVED\"}}",
        "\"Workflow.Status\":{\"deny\":[\"members-",
        "18 policies: 0 proved, 1 refuted",
    ] {
        assert!(run.stdout.contains(part), "{part}\n{}", run.stdout);
    }
}

#[test]
fn policies_that_fail_and_policies_that_never_apply_are_found() {
    if !has_solver() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let policies = format!(
        "{EVERYBODY}{}",
        r#"@id("overflows") forbid (principal is Member, action == Action::"Confidence", resource)
           when { resource has confidence && resource.confidence * 1000 > 90000 };
           @id("too-much") forbid (principal, action == Action::"Criticality", resource) when { context.value > 100 };"#
    );
    let policies = write(place.path(), "all.cedar", &policies);
    let always = r#"@id("members-always-say-how-sure") @expect("always")
        permit (principal is Member, action == Action::"Confidence", resource)
        when { resource in principal.account && !(resource has confidence) };"#;
    let properties = write(place.path(), "all.properties.cedar", always);
    let report = json(&prove(&[&policies, &properties, "--format", "json"]));
    let property = |id: &str| {
        report["properties"].as_array().unwrap().iter().find(|property| property["id"] == id).unwrap().clone()
    };
    let failing = property("no-policy-fails");
    assert_eq!(failing["verdict"], "refuted", "{failing:#}");
    assert!(failing["why"].as_str().unwrap().starts_with("policy `overflows` fails on `Confidence`"), "{failing:#}");
    assert_eq!(failing["request"]["answer"]["Confidence"], "policy-error", "{failing:#}");
    let dead = property("every-policy-can-apply");
    assert_eq!((&dead["verdict"], &dead["request"]), (&"refuted".into(), &Value::Null), "{dead:#}");
    assert_eq!(dead["why"], "policy `too-much` matches no question that the gate asks");
    // Logic passes over a policy that fails, and the gate does not.
    let always = property("members-always-say-how-sure");
    assert_eq!(always["verdict"], "unproved", "{always:#}");
    assert!(
        always["why"].as_str().unwrap().contains("policy `overflows` may fail, and what fails denies"),
        "{always:#}"
    );
}

#[test]
fn trials_count_only_if_they_are_asked_for() {
    if !has_solver() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let policies = format!(
        "{EVERYBODY}@id(\"trial\") @shadow forbid (principal is Member, action == Action::\"Workflow.Status\", resource)\n\
         when {{ context.value == WorkflowStatus::\"SUPPRESSED\" }};"
    );
    let policies = write(place.path(), "all.cedar", &policies);
    let properties = "@id(\"never\") permit (principal is Member, action == Action::\"Workflow.Status\", resource)\n\
                      when { context.value == WorkflowStatus::\"SUPPRESSED\" };";
    let properties = write(place.path(), "all.properties.cedar", properties);
    let only = |more: &[&str]| prove(&[&[&*policies, &properties, "--only", "never"], more].concat());
    assert_eq!(only(&[]).status, 2);
    let with_trials = only(&["--with-shadow"]);
    assert_eq!(with_trials.status, 0, "{with_trials:?}");
}

/// What only an automation rule does is found, and is no reason to say that something is proved.
#[test]
fn what_cannot_be_replayed_is_unproved() {
    if !has_solver() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let policies = write(place.path(), "all.cedar", EVERYBODY);
    let properties = "@id(\"no-rules\") permit (principal is Administrator, action == Action::\"Note\", resource)\n\
                      when { context.operation == Operation::\"CreateAutomationRule\" };";
    let properties = write(place.path(), "all.properties.cedar", properties);
    let run = prove(&[&policies, &properties, "--only", "no-rules"]);
    assert_eq!(run.status, 2);
    assert!(run.stdout.contains("UNPROVED  no-rules"), "{}", run.stdout);
    assert!(run.stdout.contains("automation rules cannot be replayed"), "{}", run.stdout);
    assert!(!run.stdout.contains("CreateAutomationRule"), "{}", run.stdout);
    let verbose = prove(&[&policies, &properties, "--only", "no-rules", "--verbose"]);
    assert!(verbose.stdout.contains("Operation::\"CreateAutomationRule\""), "{}", verbose.stdout);
}

// ---- without a solver that answers ----

/// A solver that is a shell script.
#[cfg(unix)]
fn script(directory: &Path, body: &str) -> String {
    use std::{
        os::unix::fs::PermissionsExt,
        sync::atomic::{AtomicU32, Ordering},
    };
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("solver-{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let path = write(directory, &name, &format!("#!/bin/sh\n{body}\n"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// Says who it is, and does this with every question.
#[cfg(unix)]
fn answering(directory: &Path, version: &str, answer: &str) -> String {
    let body = format!(
        "while read line; do case \"$line\" in\n\
         *:name*) echo '(:name \"cvc5\")';;\n*:version*) echo '(:version \"{version}\")';;\n*check-sat*) {answer};;\nesac; done"
    );
    script(directory, &body)
}

#[test]
fn without_a_solver_nothing_is_proved() {
    let run = run(&["prove", "pack:strict", "--solver", "/nowhere/cvc5"]);
    assert_eq!((run.status, &*run.stderr), (2, ""));
    golden("prove/no-solver.txt", &run.stdout);
}

#[test]
fn a_property_without_doc_ends_with_its_id() {
    let place = tempfile::tempdir().unwrap();
    let text = "@id(\"bare\") permit (principal, action, resource);";
    let properties = write(place.path(), "bare.properties.cedar", text);
    let told = run(&["prove", "pack:strict", &properties, "--solver", "/nowhere/cvc5"]).ends(2).stdout;
    assert!(told.lines().any(|line| line == "UNPROVED  bare"), "{told}");
    assert!(told.lines().all(|line| line == line.trim_end()), "{told}");
}

#[cfg(unix)]
#[test]
fn a_solver_that_does_not_answer_proves_nothing() {
    let place = tempfile::tempdir().unwrap();
    let at = place.path();
    for (solver, expected) in [
        (answering(at, "1.0.2", "echo unsat"), "is cvc5 1.0.2, which is too old: expected 1.0.3 or later"),
        (
            script(at, "echo 'cannot open libcvc5.so' >&2; exit 127"),
            "it ended (exit status: 127): cannot open libcvc5.so",
        ),
        (answering(at, "1.1.0", "echo unknown"), "the solver came to no answer in the time that it has"),
        (answering(at, "1.1.0", "echo '(error \"no more memory\")'"), "no more memory"),
        (answering(at, "1.1.0", "echo perhaps"), "unrecognized solver output: perhaps"),
        (answering(at, "1.1.0", "exit 3"), "it ended (exit status: 3)"),
        (answering(at, "1.1.0", "kill -9 $$"), "it ended (signal: 9"),
        // It says that there is a counterexample, and gives none.
        (answering(at, "1.1.0", "echo sat; exit 0"), "it ended (exit status: 0)"),
    ] {
        let run = run(&["prove", "pack:baseline", "--solver", &solver, "--only", "members-never-change-other-keys"]);
        assert_eq!(run.status, 2, "{expected}: {run:?}");
        assert!(run.stdout.contains("UNPROVED  members-never-change-other-keys"), "{expected}: {}", run.stdout);
        assert!(run.stdout.contains(expected), "{expected}: {}", run.stdout);
        assert!(run.stdout.contains("15 policies: 0 proved, 1 unproved"), "{expected}: {}", run.stdout);
    }
}

/// A solver that hangs is killed, and stays neither as a process nor as a zombie.
#[cfg(target_os = "linux")]
#[test]
fn a_solver_that_hangs_is_killed() {
    let place = tempfile::tempdir().unwrap();
    let pid = place.path().join("pid");
    let hang = format!("echo $$ > {}; exec sleep 600", pid.display());
    for solver in [script(place.path(), &hang), answering(place.path(), "1.1.0", &hang)] {
        let arguments = ["--solver", &solver, "--timeout", "1", "--only", "members-never-suppress"];
        let run = run(&[&["prove", "pack:baseline"], &arguments[..]].concat());
        assert_eq!(run.status, 2, "{run:?}");
        assert!(run.stdout.contains("it did not answer within 3 seconds, and was killed"), "{}", run.stdout);
        let pid = fs::read_to_string(&pid).unwrap();
        assert!(!Path::new("/proc").join(pid.trim()).exists(), "{pid} is still there");
    }
}

/// The second solver answers: one that broke is started again.
#[cfg(unix)]
#[test]
fn a_solver_that_breaks_is_started_again() {
    let place = tempfile::tempdir().unwrap();
    let broke = place.path().join("broke");
    let once = format!("if [ -e {0} ]; then echo unsat; else touch {0}; exit 3; fi", broke.display());
    let solver = answering(place.path(), "1.1.0", &once);
    let run = run(&["prove", "pack:transitions", "--solver", &solver, "--format", "json"]);
    let report = json(&run);
    // It says of every question that there is none, so that no property matches one: it is asked, and answers.
    let why = |id: &str| {
        let properties = report["properties"].as_array().unwrap();
        properties.iter().find(|settled| settled["id"] == id).unwrap()["why"].as_str().unwrap_or_default().to_owned()
    };
    assert!(!why("no-policy-fails").contains("matches no question"), "{report:#}");
    assert!(why("members-never-suppress").contains("matches no question"), "{report:#}");
    assert_eq!((run.status, report["solver"].as_str()), (2, Some("cvc5 1.1.0")));
}

// ---- what is not right ----

#[test]
fn what_cannot_be_read_is_told_before_anything_is_proved() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str, text: &str| write(place.path(), name, text);
    let properties = at("only.properties.cedar", "@id(\"a\") permit (principal, action, resource);");
    let wrong = at("wrong.properties.cedar", "@id(\"a\") @expect(\"newer\") forbid (principal, action, resource);");
    let reserved = at("reserved.properties.cedar", "@id(\"no-policy-fails\") permit (principal, action, resource);");
    let policies = at("all.cedar", EVERYBODY);
    for (arguments, parts) in [
        (vec![&*properties], vec!["only.properties.cedar` has properties", "name the policies that they are about"]),
        (vec![&policies, &wrong], vec!["`newer` is nothing to expect", "did you mean `never`?", "written as a permit"]),
        (vec![&policies, &reserved], vec!["`no-policy-fails` is always proved"]),
        (
            vec![&policies, "--only", "no-policy-fail"],
            vec!["there is no property `no-policy-fail`", "did you mean `no-policy-fails`?"],
        ),
        (vec!["/nowhere.properties.cedar", &policies], vec!["/nowhere.properties.cedar", "there is no such file"]),
        (vec!["pack:baselin"], vec!["baselin"]),
    ] {
        let run = run(&[&["prove"], &arguments[..]].concat());
        assert_eq!((run.status, &*run.stdout), (3, ""), "{arguments:?}: {run:?}");
        for part in parts {
            assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
        }
    }
    assert_eq!(run(&["prove"]).status, 64);
    for timeout in ["0", "86401", "abc", "1s", "-1", ""] {
        let run = run(&["prove", &policies, &format!("--timeout={timeout}")]);
        assert_eq!((run.status, &*run.stdout), (64, ""), "{timeout}: {run:?}");
        let told = if timeout.is_empty() { "--timeout" } else { "expected seconds, 1 to 86400" };
        assert!(run.stderr.contains(told), "{timeout}: {}", run.stderr);
    }
}

#[test]
fn a_property_that_matches_no_question_is_not_fine() {
    if !has_solver() {
        return;
    }
    for condition in [
        r#"context.operation == Operation::"BatchUpdateFindings" && context.operation == Operation::"BatchImportFindings""#,
        "resource.severity.rank > 7",
    ] {
        let property =
            format!("@id(\"says-nothing\") permit (principal is Member, action, resource) when {{ {condition} }};");
        let place = crate::support::place(&[("empty.properties.cedar", &property)]);
        let file = place.path().join("empty.properties.cedar");
        let output = run(&["prove", "policies/strict", file.to_str().unwrap(), "--only", "says-nothing"]);
        assert_eq!(output.status, 2, "{}", output.stdout);
        assert!(
            output.stdout.contains("matches no question that the gate asks, so it says nothing"),
            "{}",
            output.stdout
        );
    }
}

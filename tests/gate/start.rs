//! Starts that must not succeed: each ends with its code, says what to do, and serves nobody.

use crate::{
    POLICIES,
    support::gate::{Place, program},
};
use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    process::Stdio,
};

const UPSTREAM: &str = "http://127.0.0.1:1";

/// Runs `serve`, which is expected to end by itself, and gives what it said on standard error, as words.
#[track_caller]
fn ends(place: &Place, arguments: &[&str], code: i32) -> String {
    let mut command = program(place.path("").as_path());
    let command = command.arg("serve").args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // One that does start says so first, and would never end.
    let mut said = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
    if !said.is_empty() {
        child.kill().unwrap();
    }
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said, "", "it serves; it told:\n{told}");
    assert_eq!(output.status.code(), Some(code), "{told}");
    told.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn says(told: &str, words: &[&str]) {
    for word in words {
        assert!(told.contains(word), "`{word}` is not in: {told}");
    }
}

#[test]
fn a_port_in_use_is_told_with_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let told = ends(&Place::new(UPSTREAM, ""), &["--listen", &address], 1);
    says(&told, &[&format!("cannot listen on {address}"), "in use", "choose another `listen.address`"]);
}

#[test]
fn a_backend_s_file_that_cannot_be_opened_is_told() {
    let place = Place::new("embedded", "");
    place.edit("findings-gate.toml", "[upstream]", "[upstream]\ndata = \"no/such/directory/findings.db\"");
    says(&ends(&place, &[], 1), &["findings.db"]);
}

#[test]
fn misuse_of_the_command_line_ends_with_64() {
    let place = Place::new(UPSTREAM, "");
    for (arguments, told) in [
        (&["--listen", "localhost"][..], "an IP address and a port"),
        (&["--listn", "127.0.0.1:0"], "--listen"),
        (&["--upstream", "ftp://x"], "`embedded`"),
        (&["--log-level", "loud"], "--log-level"),
        (&["now"], "now"),
    ] {
        says(&ends(&place, arguments, 64), &[told]);
    }
}

#[test]
fn a_mistake_in_the_configuration_is_told_with_its_place_and_a_guess() {
    for (from, to, told) in [
        ("[listen]\naddress", "[listen]\nadress", &["findings-gate.toml:2:1", "did you mean `listen.address`"][..]),
        ("workers = 2", "workers = 0", &["`listen.workers`", "from 1 to 1024"]),
        ("[policies]", "[polices]", &["polices", "did you mean"]),
        ("kind = \"sigv4\"", "kind = \"sigv5\"", &["identity.0.kind", "did you mean `sigv4`?"]),
        ("kind = \"sigv4\"", "kind = \"sigv5\"", &["identity.0.kind", "`header` or `fixed`"]),
        ("url = \"http", "url = \"htp", &["upstream.url"]),
        ("region = \"eu-west-1\"", "", &["`upstream.region`", "missing"]),
        ("region = \"eu-west-1\"", "region = \"eu-west-1\"\nsign = \"gatway\"", &["upstream.sign"]),
        ("accounts.toml", "acounts.toml", &["acounts.toml", "there is no such file"]),
        ("[log]", "[log", &["findings-gate.toml"]),
        ("[log]", "[limits]\nbody = \"1Mb\"\n[log]", &["`limits.body`", "expected a size"]),
    ] {
        let place = Place::new(UPSTREAM, "");
        place.edit("findings-gate.toml", from, to);
        says(&ends(&place, &[], 3), told);
    }
    let place = Place::new(UPSTREAM, "");
    place.edit("accounts.toml", "222222222222", "22222222222");
    says(&ends(&place, &[], 3), &["accounts.toml:3", "twelve digits"]);
    let place = Place::new(UPSTREAM, "");
    place.edit("keys.toml", "AKIASEARCH", "AKIAPAYMENTS");
    says(&ends(&place, &[], 3), &["keys.toml:13", "an id stands for one key"]);
    says(&ends(&place, &["--config", "elsewhere.toml"], 3), &["elsewhere.toml"]);
}

#[test]
fn a_secret_is_not_told_even_where_its_line_is_wrong() {
    let place = Place::new(UPSTREAM, "");
    place.edit("keys.toml", "secret = \"payments-secret", "secrt = \"payments-secret");
    let told = ends(&place, &[], 3);
    says(&told, &["keys.toml", "secrt"]);
    assert!(!told.contains("payments-secret"), "{told}");
}

#[test]
fn policies_that_are_missing_or_broken_serve_nobody() {
    let place = |policies: &str| Place::with_policies(UPSTREAM, policies, "");
    let forbid = |action: &str, condition: &str| {
        format!(
            "{POLICIES}\n@id(\"more\")\nforbid (principal, action == Action::\"{action}\", resource) when {{ {condition} }};"
        )
    };
    for (policies, told) in [
        (String::new(), &["no file has a policy in it", "every change would be denied"][..]),
        ("@id(\"a\") permit (principal, action, resource)".into(), &["test.cedar:1"]),
        ("permit (principal, action, resource);".into(), &["test.cedar:1", "@id"]),
        (format!("{POLICIES}{POLICIES}"), &["test.cedar", "everybody"]),
        (POLICIES.replace("@enforce(\"strip\")", "@enforce(\"drop\")"), &["test.cedar", "drop"]),
        (POLICIES.replace("@advice", "@advise"), &["test.cedar", "advise"]),
        // what the schema does not have
        (forbid("Workflow.State", "true"), &["test.cedar", "Workflow.State"]),
        (forbid("Workflow.Status", "context.value == WorkflowStatus::\"SUPRESSED\""), &["test.cedar", "SUPRESSED"]),
        (forbid("Workflow.Status", "context.value == \"SUPPRESSED\""), &["test.cedar"]),
        (forbid("Confidence", "context.rank > 1"), &["test.cedar", "rank"]),
        (forbid("Confidence", "resource.severity == 1"), &["test.cedar", "severity"]),
        (forbid("Note", "principal.department == \"x\""), &["test.cedar", "department"]),
        // what no question could be answered with
        (forbid("Confidence", "context.value * 9223372036854775807 > 0"), &["`more`", "cannot be evaluated"]),
    ] {
        says(&ends(&place(&policies), &[], 3), told);
    }
    let missing = place(POLICIES);
    missing.edit("findings-gate.toml", "\"policies\"", "\"polices\"");
    says(&ends(&missing, &[], 3), &["polices", "there is no such file"]);
    let pack = Place::new(UPSTREAM, "");
    pack.edit("findings-gate.toml", "pack:baseline", "pack:basline");
    says(&ends(&pack, &[], 3), &["pack:basline", "pack:baseline"]);
    // A directory with one good and one broken file is not half a set of policies.
    let half = place(POLICIES);
    half.write("policies/broken.cedar", "@id(\"broken\") forbid (principal, action, resource) when { ;");
    says(&ends(&half, &[], 3), &["broken.cedar:1"]);
}

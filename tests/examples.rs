//! Every example runs, and does what it says.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

#[expect(dead_code, reason = "its main is for `cargo run --example core`")]
#[path = "../examples/core.rs"]
mod example_core;
mod support;

use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};
use support::{
    client::{PATH, signed_head, with_body},
    fleet::{Key, finding, update},
    gate::{Gate, program},
    upstream::Upstream,
};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

#[test]
fn both_configurations_are_valid() {
    for name in ["sidecar", "gateway"] {
        let output = program(&examples()).args(["check", "--config", &format!("{name}/findings-gate.toml")]).output();
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(String::from_utf8_lossy(&output.stdout).contains("is valid"));
    }
}

#[test]
fn the_sidecar_lets_its_tool_do_its_work_and_no_more() {
    const PAYMENTS: &str = "222222222222";
    let upstream = Upstream::accepting();
    let gate =
        Gate::run(&examples().join("sidecar"), ["serve", "--listen", "127.0.0.1:0", "--upstream", &upstream.url()]);
    let mut client = gate.connect();
    let mut ask = |body: String| {
        let head = format!("PATCH {PATH} HTTP/1.1\r\nhost: {}\r\n", gate.address);
        client.send(&with_body(&head, body.as_bytes()));
        client.read()
    };
    let note = json!({"Text": "linked by ticket-sync", "UpdatedBy": "ticket-sync"});
    let work = json!({"Note": note, "UserDefinedFields": {"ticket": "SEC-7"}, "Workflow": {"Status": "NOTIFIED"}});
    let response = ask(update(&[finding(PAYMENTS, "f"), finding("333333333333", "g")], work));
    assert_eq!(response.processed(), ["f"]);
    let told: Vec<_> = response.unprocessed().into_iter().map(|(id, code, _)| format!("{id} {code}")).collect();
    assert_eq!(told, ["f PartialUpdate", "g AccessDenied"]);
    let response = ask(update(&[finding(PAYMENTS, "f")], json!({"Workflow": {"Status": "SUPPRESSED"}})));
    let [(_, code, message)] = &response.unprocessed()[..] else { panic!("{response:?}") };
    assert_eq!(code, "AccessDenied");
    assert!(message.contains("no policy permits it"), "{message}");
    let received = upstream.updates();
    assert_eq!(received.len(), 1);
    let mut expected = json!({"UserDefinedFields": {"ticket": "SEC-7"}, "Workflow": {"Status": "NOTIFIED"}});
    expected["FindingIdentifiers"] = json!([finding(PAYMENTS, "f")]);
    assert_eq!(received[0].json(), expected);
}

/// The gateway with a finding of payments in it, and the environment of one of its callers.
struct Gateway(Gate);

const PRODUCT: &str = "arn:aws:securityhub:eu-west-1:222222222222:product/222222222222/default";

impl Gateway {
    fn start() -> Self {
        let gateway = Self(Gate::run(&examples().join("gateway"), ["serve", "--listen", "127.0.0.1:0"]));
        let imported = json!({"Findings": [{
            "SchemaVersion": "2018-10-08", "Id": "finding-1", "ProductArn": PRODUCT, "GeneratorId": "example",
            "AwsAccountId": "222222222222", "Types": ["Software and Configuration Checks"],
            "CreatedAt": "2026-01-01T00:00:00Z", "UpdatedAt": "2026-01-01T00:00:00Z", "Severity": {"Label": "HIGH"},
            "Title": "Example", "Description": "Example", "Resources": [{"Type": "Other", "Id": "example"}],
        }]});
        let answer = gateway.ask("POST", "/findings/import", &imported);
        assert_eq!(answer["SuccessCount"], 1, "{answer}");
        gateway
    }

    fn secret(name: &str) -> String {
        fs::read_to_string(examples().join("gateway/secrets").join(name)).unwrap().trim_end().to_owned()
    }

    /// Asks as payments.
    fn ask(&self, method: &str, target: &str, body: &Value) -> Value {
        let secret: &'static str = Self::secret("payments").leak();
        let key = Key { id: "AKIAPAYMENTS", secret, account: "222222222222", minimum_enforcement: "strip" };
        let body = body.to_string();
        let head = signed_head(self.0.address, &key, method, target, body.as_bytes());
        let mut client = self.0.connect();
        client.send(&with_body(&head, body.as_bytes()));
        client.read().json()
    }

    /// The finding as the backend has it.
    fn finding(&self) -> Value {
        self.ask("POST", "/findings", &json!({}))["Findings"][0].clone()
    }

    /// Runs a client in the environment of a caller.
    fn run(&self, program: &str, key: (&str, &str), arguments: &[&str]) -> Output {
        Command::new(program)
            .args(arguments)
            .current_dir(examples())
            .stdin(Stdio::null())
            .env("AWS_ENDPOINT_URL_SECURITYHUB", format!("http://{}", self.0.address))
            .env("AWS_REGION", "eu-west-1")
            .env("AWS_ACCESS_KEY_ID", key.0)
            .env("AWS_SECRET_ACCESS_KEY", Self::secret(key.1))
            .env("AWS_CONFIG_FILE", "/dev/null")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
            .env_remove("AWS_SESSION_TOKEN")
            .env_remove("AWS_PROFILE")
            .env("NO_PROXY", "127.0.0.1")
            .output()
            .unwrap()
    }
}

const PAYMENTS: (&str, &str) = ("AKIAPAYMENTS", "payments");
const SEARCH_BOT: (&str, &str) = ("AKIASEARCHBOT", "search-bot");

#[track_caller]
fn ends(output: &Output, code: i32, told: &[&str]) {
    let text = [&*output.stdout, b"\n", &*output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    assert_eq!(output.status.code(), Some(code), "{text}");
    for word in told {
        assert!(text.contains(word), "`{word}` is not in: {text}");
    }
}

/// Whether a command of the system is there; where not, its example is not tested, and that is said.
fn is_there(program: &str, arguments: &[&str]) -> bool {
    let there = Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success());
    if !there {
        #[expect(clippy::print_stderr, reason = "who reads the tests' output must know")]
        {
            eprintln!("not tested: `{program} {}` does not work here", arguments.join(" "));
        }
    }
    there
}

#[test]
fn the_shell_client_tells_a_denial_from_a_success() {
    if !is_there("curl", &["--aws-sigv4", "aws:amz:x:y", "--fail-with-body", "--version"]) {
        return;
    }
    let gateway = Gateway::start();
    let run = |key, arguments: &[&str]| gateway.run("./client.sh", key, arguments);
    ends(&run(PAYMENTS, &[]), 64, &["usage:"]);
    ends(&run(PAYMENTS, &[PRODUCT, "finding-1"]), 0, &["finding-1"]);
    assert_eq!(gateway.finding()["Workflow"]["Status"], "NOTIFIED");
    let denied = run(PAYMENTS, &[PRODUCT, "finding-1", "SUPPRESSED"]);
    ends(&denied, 1, &["AccessDenied", "members-do-not-suppress", "see UnprocessedFindings"]);
    let denied = run(PAYMENTS, &[PRODUCT, "finding-1", "RESOLVED"]);
    ends(&denied, 1, &["production-resolves-with-a-note", "Say in Note what was done"]);
    ends(
        &run(("AKIAPAYMENTS", "security"), &[PRODUCT, "finding-1"]),
        1,
        &["the call failed", "InvalidSignatureException"],
    );
    // The bot's whole call fails.
    ends(&run(SEARCH_BOT, &[PRODUCT, "finding-1"]), 1, &["AccessDeniedException", "nothing was changed"]);
    assert_eq!(gateway.finding()["Workflow"]["Status"], "NOTIFIED");
}

#[test]
fn the_python_client_raises_on_denials_and_warns_on_parts() {
    if !is_there("python3", &["-c", "import boto3"]) {
        return;
    }
    let gateway = Gateway::start();
    let run = |arguments: &[&str]| gateway.run("python3", PAYMENTS, &[&["client.py"], arguments].concat());
    ends(&run(&[PRODUCT, "finding-1"]), 0, &["updated: finding-1", "PartlyUpdated", "updated without Severity"]);
    let finding = gateway.finding();
    assert_eq!(finding["Note"]["Text"], "Patched in release 42, see SEC-7");
    assert_eq!((&finding["Workflow"]["Status"], &finding["Severity"]["Label"]), (&json!("NOTIFIED"), &json!("HIGH")));
    let theirs = PRODUCT.replace("222222222222", "333333333333");
    ends(
        &run(&[&theirs, "finding-1"]),
        1,
        &["not updated:", "finding-1: AccessDenied", "members-stay-in-their-account"],
    );
}

#[test]
fn the_shadow_policy_is_logged_and_denies_nothing() {
    let gateway = Gateway::start();
    let body = json!({
        "FindingIdentifiers": [{"Id": "finding-1", "ProductArn": PRODUCT}], "UserDefinedFields": {"ticket": "seven"},
    });
    let answer = gateway.ask("PATCH", PATH, &body);
    assert_eq!(answer["UnprocessedFindings"], json!([]), "{answer}");
    gateway.0.wait_for_log(&["shadow_differs", "tickets-have-our-form"]);
    assert_eq!(gateway.finding()["UserDefinedFields"]["ticket"], "seven");
}

#[test]
fn the_core_decides_without_a_network() {
    let own = |id: &str| finding("222222222222", id);
    let findings = [own("f-1"), finding("333333333333", "f-2"), own("f-1")];
    let workflow = json!({"UserDefinedFields": {"ticket": "SEC-7"}, "Workflow": {"Status": "RESOLVED"}});
    let text = example_core::explain(&update(&findings, workflow)).unwrap();
    let expected = format!(
        "f-1\n  \
         UserDefinedFields[\"ticket\"] = \"SEC-7\": allowed by members-link-tickets\n  \
         Workflow.Status = RESOLVED: strip by production-resolves-with-a-note\n\
         f-2\n  \
         UserDefinedFields[\"ticket\"] = \"SEC-7\": reject by members-stay-in-their-account\n  \
         Workflow.Status = RESOLVED: reject by members-stay-in-their-account, production-resolves-with-a-note\n\
         f-1\n  \
         not asked about: Duplicate(0)\n\
         forward {{\"FindingIdentifiers\":[{{\"Id\":\"f-1\",\"ProductArn\":\"{PRODUCT}\"}}],\
         \"UserDefinedFields\":{{\"ticket\":\"SEC-7\"}}}}\n"
    );
    assert_eq!(text, expected);
    assert!(example_core::explain("{}").is_err());
}

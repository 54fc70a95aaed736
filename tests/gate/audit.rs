//! The audit log: what is on record, what becomes of requests that cannot be, and that what was answered is on record whatever ends the
//! process.

use crate::support::{
    client::{Client, PATH, Response, signed, signed_head, with_body},
    fleet::{BLUNT, PAYMENTS, SEARCH, SECURITY, finding, good, update},
    gate::{Gate, Place, program},
    upstream::{Reply, Upstream},
};
use findings_gate::audit::{Chained, Hash, Seal, rotated_files};
use serde_json::{Value, json};
use std::{
    collections::HashSet,
    fs,
    io::Write as _,
    net::{SocketAddr, TcpListener},
    path::Path,
    process::Command,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

const AUDIT: &str = "[audit]\nfile = \"audit.jsonl\"\n";
const ADMIN: &str = "[admin]\naddress = \"127.0.0.1:0\"\n";

/// Every line of every file of a log, in order, after the chain was checked.
fn lines(directory: &Path) -> Vec<Value> {
    let current = directory.join("audit.jsonl");
    let (mut previous, mut sequence, mut read) = (Hash::NONE, 1, Vec::new());
    for file in rotated_files(&current).unwrap().into_iter().chain([current]) {
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'), "{} is torn", file.display());
        for line in text.lines() {
            let chained: Chained = serde_json::from_str(line).unwrap();
            assert_eq!(chained, Chained { sequence, previous: previous.to_string() }, "{line}");
            previous = Seal::open().check(line.as_bytes()).unwrap();
            sequence += 1;
            read.push(serde_json::from_str(line).unwrap());
        }
    }
    read
}

/// `serve` on a place that outlives it.
fn start(place: &Place) -> Gate {
    Gate::run(&place.path(""), ["serve"])
}

fn kinds(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["kind"].as_str().unwrap()).collect()
}

fn requests(directory: &Path) -> Vec<Value> {
    lines(directory).into_iter().filter(|line| line["kind"] == "request").collect()
}

fn id(answer: &Response) -> String {
    answer.headers["x-amzn-requestid"].clone()
}

fn admin(gate: &Gate) -> SocketAddr {
    let out = gate.wait_for_output(&["administered at http://"]);
    out.split_once("administered at http://").unwrap().1.lines().next().unwrap().parse().unwrap()
}

fn ask(address: SocketAddr, request: &str) -> (u16, String) {
    let mut client = Client::connect(address);
    client.send(format!("{request} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n").as_bytes());
    let answer = client.read();
    (answer.status, String::from_utf8(answer.body).unwrap())
}

/// One batch with four fates: what the caller is told, the record says too, and no more than it may show.
#[test]
fn a_record_says_what_became_of_every_finding() {
    let upstream = Upstream::accepting();
    let gate = Gate::start(Place::new(&upstream.url(), AUDIT));
    let findings = [
        finding("222222222222", "own"),
        finding("333333333333", "foreign"),
        finding("222222222222", "own"),
        finding("222222222222", "other"),
    ];
    let members = json!({
        "Note": {"Text": "the customer's secret", "UpdatedBy": "somebody"},
        "UserDefinedFields": {"ticket": "SEC-1"},
        "Severity": {"Label": "LOW"},
        "Workflow": {"Status": "NOTIFIED"},
    });
    let answer = gate.connect().update(&PAYMENTS, update(&findings, members));
    let [record] = &requests(&gate.place().path(""))[..] else { panic!() };
    assert_eq!(record["id"], id(&answer));
    let caller = json!({
        "account": "222222222222", "role": "member", "principal": "arn:aws:iam::222222222222:role/akiapayments",
        "proof": "sigv4:AKIAPAYMENTS", "region": "eu-west-1",
    });
    assert_eq!((&record["caller"], &record["operation"]), (&caller, &json!("BatchUpdateFindings")));
    assert_eq!(record["answer"], json!({"status": 200}));
    let update = json!({
        "Note": {"Text": "(masked)", "UpdatedBy": "somebody"}, "Severity": {"Label": "LOW"},
        "UserDefinedFields": {"ticket": "(masked)"}, "Workflow": {"Status": "NOTIFIED"},
    });
    assert_eq!((&record["update"], &record["masked"]), (&update, &json!(["Note.Text", "UserDefinedFields"])));
    assert!(!record.to_string().contains("secret") && !record.to_string().contains("SEC-1"));
    // What the record says of each finding is what the caller was told.
    let findings = record["findings"].as_array().unwrap();
    let told: Vec<_> = findings.iter().map(|finding| (finding["outcome"].as_str(), finding["why"].as_str())).collect();
    let processed = answer.processed();
    let unprocessed: Vec<_> = answer.unprocessed().into_iter().map(|(id, code, _)| (id, code)).collect();
    assert_eq!(processed.len(), 2, "{answer:?}");
    assert_eq!(
        told,
        [
            (Some("partly-processed"), Some("denied")),
            (Some("unprocessed"), Some("denied")),
            (Some("unprocessed"), Some("duplicate")),
            (Some("partly-processed"), Some("denied")),
        ]
    );
    assert_eq!(unprocessed.len(), 4, "{unprocessed:?}");
    assert_eq!((&findings[0]["ruling"], &findings[3]["ruling"]), (&json!(0), &json!(0)));
    assert_eq!((&findings[2]["ruling"], &findings[0]["owner"]), (&Value::Null, &json!("222222222222")));
    let verdicts = record["rulings"][0]["verdicts"].as_array().unwrap();
    let denied: Vec<_> = verdicts.iter().filter(|verdict| verdict["verdict"] == "denied").collect();
    assert!(denied.iter().all(|verdict| verdict["action"] == "Severity.Label"), "{denied:?}");
    assert_eq!((&denied[0]["value"], &denied[0]["enforcement"]), (&json!("LOW"), &json!("strip")));
    assert!(!denied[0]["policies"].as_array().unwrap().is_empty());
    let call = json!([{"fields": ["Note", "UserDefinedFields", "Workflow"], "findings": 2, "status": 200}]);
    assert_eq!(record["calls"], call);
}

/// A rule goes on when nobody asks any more: what it does, and to which findings, is on record as it was asked.
#[test]
fn a_record_says_what_was_asked_of_a_rule() {
    let upstream = Upstream::start(|_| Reply::json("200 OK", &json!({"RuleArn": "arn:r"})));
    let place = Place::with_policies(
        &upstream.url(),
        "@id(\"all\") permit (principal, action, resource);\n",
        &format!("{AUDIT}[doors]\nopen = [\"CreateAutomationRule\"]\n"),
    );
    let gate = start(&place);
    let filter = |value: &str| json!([{"Comparison": "EQUALS", "Value": value}]);
    let update = json!({"Note": {"Text": "a secret", "UpdatedBy": "soc"}, "Workflow": {"Status": "SUPPRESSED"}});
    let rule = json!({
        "RuleName": "quiet", "RuleOrder": 7, "Description": "why", "RuleStatus": "ENABLED",
        "Criteria": {
            "NoteText": filter("another secret"),
            "ProductName": filter("GuardDuty"),
            "UserDefinedFields": [{"Comparison": "EQUALS", "Key": "ticket", "Value": "a third secret"}],
        },
        "Actions": [{"Type": "FINDING_FIELDS_UPDATE", "FindingFieldsUpdate": update}],
    });
    let body = rule.to_string();
    let mut client = gate.connect();
    let head = signed_head(gate.address, &SECURITY, "POST", "/automationrules/create", body.as_bytes());
    client.send(&with_body(&head, body.as_bytes()));
    assert_eq!(client.read().status, 200);
    let [record] = &requests(&place.path(""))[..] else { panic!() };
    let mut shown = rule;
    shown["Criteria"]["NoteText"] = filter("(masked)");
    shown["Criteria"]["UserDefinedFields"][0]["Value"] = "(masked)".into();
    shown["Actions"][0]["FindingFieldsUpdate"]["Note"]["Text"] = "(masked)".into();
    let recorded = &record["findings"][0];
    assert_eq!((&recorded["id"], &recorded["outcome"]), (&json!("quiet"), &json!("processed")));
    assert_eq!((&recorded["rule"], &record["masked"]), (&shown, &json!(["Note.Text", "UserDefinedFields"])));
    assert!(!record.to_string().contains("secret"), "{record}");

    let audit = |arguments: &[&str]| {
        let output = program(&place.path("")).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let told = audit(&["audit", "show", "--last", "1"]);
    assert!(told.contains("quiet") && told.contains(r#""RuleOrder":7"#), "{told}");
    place.write("new.cedar", "@id(\"none\") forbid (principal, action == Action::\"Workflow.Status\", resource);");
    let told = audit(&["replay", "--accounts", "accounts.toml", "--policies", "policies", "--policies", "new.cedar"]);
    assert!(
        told.contains("Workflow.Status") && told.contains("1 requests decided again")
            || told.contains("1 request decided again"),
        "{told}"
    );
}

/// Whatever the answer is, it has a record.
#[test]
fn every_answer_has_its_record() {
    let upstream = Upstream::start(|request| match request.ids().first().map(String::as_str) {
        Some("arn:aws:securityhub:eu-west-1:222222222222:finding/down") => {
            Reply::error("500 Internal Server Error", "InternalException", "down")
        }
        _ => Reply::accept(request),
    });
    let gate = Gate::start(Place::new(&upstream.url(), AUDIT));
    let mut client = gate.connect();
    let note = json!({"Note": {"Text": "t", "UpdatedBy": "u"}});
    let bodies = [
        good("fine"),
        update(&[finding("222222222222", "x")], json!({"Workflow": {"Status": "SUPPRESSED"}})),
        update(
            &[json!({"Id": "arn:aws:securityhub:eu-west-1:222222222222:finding/down",
            "ProductArn": "arn:aws:securityhub:eu-west-1:222222222222:product/222222222222/default"})],
            note,
        ),
        "{}".to_owned(),
    ];
    let mut expected = Vec::new();
    for body in bodies {
        let answer = client.update(&PAYMENTS, body);
        expected.push((id(&answer), answer.status));
    }
    client.send(
        format!("{}content-length: 0\r\n\r\n", signed_head(gate.address, &PAYMENTS, "GET", "/insights", b""))
            .as_bytes(),
    );
    let closed = client.read();
    expected.push((id(&closed), closed.status));
    let records = requests(&gate.place().path(""));
    let told: Vec<_> = records
        .iter()
        .map(|record| {
            (
                record["id"].as_str().unwrap().to_owned(),
                u16::try_from(record["answer"]["status"].as_u64().unwrap()).unwrap(),
            )
        })
        .collect();
    assert_eq!(told, expected);
    let outcome =
        |at: usize| (records[at]["findings"][0]["outcome"].as_str(), records[at]["findings"][0]["why"].as_str());
    assert_eq!(outcome(0), (Some("processed"), None));
    assert_eq!(outcome(1), (Some("unprocessed"), Some("denied")));
    assert_eq!(outcome(2), (Some("unprocessed"), Some("InternalException")));
    assert_eq!(records[3]["answer"]["error"], "InvalidInputException");
    assert_eq!(records[3]["answer"]["message"], "body");
    assert_eq!(records[4]["operation"], "GET /insights");
    // Who proves nothing is in the log alone.
    let mut stranger = gate.connect();
    stranger.send(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    assert_eq!(stranger.read().status, 403);
    assert_eq!(requests(&gate.place().path("")).len(), expected.len());
}

#[test]
fn callers_that_prove_nothing_can_be_on_record() {
    let upstream = Upstream::accepting();
    let gate = Gate::start(Place::new(&upstream.url(), &format!("{AUDIT}callers = \"all\"\n")));
    let mut stranger = gate.connect();
    stranger.send(b"GET /x HTTP/1.1\r\nhost: x\r\n\r\n");
    let answer = stranger.read();
    let [record] = &requests(&gate.place().path(""))[..] else { panic!() };
    assert_eq!((&record["id"], &record["operation"]), (&json!(id(&answer)), &json!("GET /x")));
    assert_eq!((&record["caller"], &record["answer"]["status"]), (&Value::Null, &json!(403)));
}

#[test]
fn start_reload_and_stop_are_in_the_chain() {
    let upstream = Upstream::accepting();
    let place = Place::with_policies(
        &upstream.url(),
        "@id(\"all\") permit (principal, action, resource);\n",
        &format!("{AUDIT}{ADMIN}"),
    );
    let gate = start(&place);
    let admin = admin(&gate);
    gate.connect().update(&PAYMENTS, good("a"));
    place.write("policies/test.cedar", "@id(\"none\") forbid (principal, action, resource);");
    assert_eq!(ask(admin, "POST /reload").0, 200);
    gate.connect().update(&PAYMENTS, good("b"));
    let (status, decisions) = ask(admin, "GET /decisions?limit=1");
    let newest: Value = serde_json::from_str(decisions.trim()).unwrap();
    assert_eq!((status, &newest["findings"][0]["why"]), (200, &json!("denied")));
    assert_eq!(ask(admin, "GET /decisions").1.lines().count(), 3);
    assert_eq!(ask(admin, "GET /decisions?limit=x").0, 400);
    gate.signal("TERM");
    assert!(gate.ended().0.success());
    let read = lines(&place.path(""));
    assert_eq!(kinds(&read), ["start", "request", "reload", "request", "stop"]);
    assert_eq!(read[0]["snapshot"], read[1]["snapshot"]);
    assert_eq!(read[2]["snapshot"], read[3]["snapshot"]);
    assert_ne!(read[1]["snapshot"], read[3]["snapshot"]);
}

/// A start that comes to nothing after the log was opened is ended in it too.
#[test]
fn a_start_that_fails_late_is_in_the_chain() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = Place::new("http://127.0.0.1:9", AUDIT);
    let address = taken.local_addr().unwrap().to_string();
    let output = program(&place.path("")).args(["serve", "--listen", &address]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(kinds(&lines(&place.path(""))), ["start", "stop"]);
}

/// Without room for records no change is made, and nothing that was made is told as done; with room again all goes on, and the chain
/// is whole.
#[test]
fn a_full_disk_stops_changes_and_nothing_else() {
    let upstream = Upstream::accepting();
    let place = Place::new(&upstream.url(), &format!("{AUDIT}on_full = \"refuse\"\nwait = \"200ms\"\n{ADMIN}"));
    // What a process may write to a file is bounded to 8 KiB: as a disk without room.
    let mut shell = Command::new("sh");
    shell.current_dir(place.path("")).env_clear().env("AWS_EC2_METADATA_DISABLED", "true");
    shell.args(["-c", "trap '' XFSZ; ulimit -S -f 16; exec \"$0\" serve", env!("CARGO_BIN_EXE_findings-gate")]);
    let gate = Gate::spawn(shell);
    let admin = admin(&gate);
    let mut answered = HashSet::new();
    let mut client = gate.connect();
    let mut late = 0;
    loop {
        let answer = client.update(&PAYMENTS, good("a"));
        match answer.status {
            200 => drop(answered.insert(id(&answer))),
            // It was forwarded before anybody knew: it is not told that all is well.
            500 => {
                answer.is_error(500, "InternalException", "could not be put on record");
                late += 1;
            }
            503 => {
                answer.is_error(503, "ServiceUnavailableException", "nothing was forwarded");
                assert_eq!(answer.headers["retry-after"], "1");
                break;
            }
            status => panic!("{status}"),
        }
    }
    assert_eq!((late, answered.len() + late), (1, upstream.updates().len()));
    assert_eq!(ask(admin, "GET /ready"), (503, "not ready: decision records cannot be written\n".to_owned()));
    assert_eq!(ask(admin, "GET /live").0, 200);
    assert!(gate.log().contains("audit_failed"));
    // Room again.
    let pid = gate.pid().to_string();
    assert!(Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited"]).status().unwrap().success());
    gate.wait_until(|| ask(admin, "GET /ready").0 == 200);
    let answer = client.update(&PAYMENTS, good("b"));
    assert_eq!(answer.status, 200);
    answered.insert(id(&answer));
    let recorded: HashSet<String> =
        requests(&place.path("")).iter().map(|record| record["id"].as_str().unwrap().to_owned()).collect();
    assert!(answered.is_subset(&recorded));
    assert_eq!(recorded.len(), answered.len() + late, "what was late is on record after all");
}

/// The process is killed 200 times while it serves: whoever was answered is on record, and the chain is whole. What is written survives
/// the process without being forced to the disk.
#[test]
fn what_was_answered_is_on_record_whatever_ends_the_process() {
    const KILLS: usize = 200;
    const CLIENTS: usize = 4;
    let upstream = Upstream::accepting();
    let place = Place::new(&upstream.url(), &format!("{AUDIT}fsync = \"never\"\nrotate = \"64KiB\"\n"));
    let answered = Mutex::new(HashSet::new());
    let keys = [&PAYMENTS, &SEARCH, &SECURITY, &PAYMENTS];
    for round in 0..KILLS {
        let mut gate = start(&place);
        // Moments that are spread over a request's way by the number of answers, and by what else the machine does.
        let enough = round * 7 % 25;
        let (count, over) = (AtomicUsize::new(0), AtomicBool::new(false));
        let (gate_address, count, over, answered) = (gate.address, &count, &over, &answered);
        thread::scope(|scope| {
            for key in keys.into_iter().take(CLIENTS) {
                scope.spawn(move || {
                    let account = key.account;
                    let body = update(
                        &[finding(account, "x")],
                        json!({"Confidence": 1, "Note": {"Text": "t", "UpdatedBy": "u"}}),
                    );
                    let mut client = Client::connect(gate_address);
                    while !over.load(Ordering::Relaxed) {
                        let bytes = signed(gate_address, key, body.as_bytes());
                        let Some(answer) = client.try_ask(&bytes) else { return };
                        answered.lock().unwrap().insert(id(&answer));
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            while count.load(Ordering::Relaxed) < enough {
                thread::yield_now();
            }
            gate.kill();
            over.store(true, Ordering::Relaxed);
        });
    }
    // Once more, so that what the last one left is repaired, and to its end.
    let gate = start(&place);
    gate.signal("TERM");
    drop(gate.ended());
    let read = lines(&place.path(""));
    let recorded: HashSet<&str> = read.iter().filter_map(|line| line["id"].as_str()).collect();
    let answered = answered.into_inner().unwrap();
    let missing: Vec<_> = answered.iter().filter(|id| !recorded.contains(id.as_str())).collect();
    assert!(missing.is_empty(), "{} of {} are not on record: {missing:?}", missing.len(), answered.len());
    assert!(answered.len() > KILLS, "{}", answered.len());
    assert_eq!(kinds(&read).iter().filter(|kind| **kind == "start").count(), KILLS + 1);
    assert_eq!(kinds(&read).last(), Some(&"stop"));
}

#[test]
fn a_log_that_cannot_be_gone_on_with_is_no_start() {
    let upstream = Upstream::accepting();
    let place = Place::new(&upstream.url(), AUDIT);
    place.write("audit.jsonl", "something else\n");
    let out = program(&place.path("")).arg("serve").output().unwrap();
    let told = String::from_utf8(out.stderr).unwrap();
    assert_eq!(out.status.code(), Some(1), "{told}");
    assert!(told.contains("audit.file: the last line of `audit.jsonl` cannot be gone on from"), "{told}");
}

/// Whoever resets a connection while its request is forwarded is on record: with `Expect: 100-continue` the write that fails comes in the
/// middle of the request.
#[test]
fn who_goes_away_is_on_record() {
    let upstream = Upstream::accepting();
    let place = Place::new(&upstream.url(), AUDIT);
    let gate = start(&place);
    gate.connect().update(&PAYMENTS, good("first"));
    for number in 0..20 {
        let body = good(&format!("reset-{number}"));
        let head = signed_head(gate.address, &PAYMENTS, "PATCH", PATH, body.as_bytes());
        let bytes = with_body(&format!("{head}expect: 100-continue\r\n"), body.as_bytes());
        let mut stream = std::net::TcpStream::connect(gate.address).unwrap();
        // An answer that nobody reads makes a reset of the close.
        stream.write_all(&signed(gate.address, &PAYMENTS, good("before").as_bytes())).unwrap();
        assert_eq!(stream.peek(&mut [0]).unwrap(), 1);
        stream.write_all(&bytes).unwrap();
        drop(stream);
    }
    gate.signal("TERM");
    assert!(gate.ended().0.success());
    let forwarded = upstream.updates().len();
    assert_eq!(requests(&place.path("")).len(), forwarded);
}

/// A stop that cuts a request short leaves a record of what was forwarded.
#[test]
fn what_a_stop_cuts_short_is_on_record() {
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let upstream = Upstream::start(move |request| {
        let _ = wait.lock().unwrap().recv();
        Reply::accept(request)
    });
    let place = Place::new(&upstream.url(), &format!("{AUDIT}[limits]\ndrain = \"0s\"\n"));
    let gate = start(&place);
    let mut client = gate.connect();
    client.send(&signed(gate.address, &PAYMENTS, good("cut").as_bytes()));
    upstream.wait_for(1);
    gate.signal("INT");
    assert!(gate.ended().0.success());
    drop(go);
    let [record] = &requests(&place.path(""))[..] else { panic!() };
    assert_eq!((&record["findings"][0]["why"], &record["answer"]["status"]), (&json!("unknown"), &json!(503)));
}

/// What a body says wrongly, an error quotes; its record does not.
#[test]
fn errors_on_record_quote_nothing() {
    let upstream = Upstream::accepting();
    let gate = Gate::start(Place::new(&upstream.url(), AUDIT));
    let mut client = gate.connect();
    let finding = [finding("222222222222", "x")];
    for members in [
        json!({"Note": "TOPSECRET"}),
        json!({"Note": {"Text": "TOPSECRET".repeat(80), "UpdatedBy": "u"}}),
        json!({"UserDefinedFields": {"ticket": 1_234_567}}),
        json!({"UserDefinedFields": {"ticket": "TOPSECRET".repeat(200)}}),
    ] {
        assert_eq!(client.update(&PAYMENTS, update(&finding, members)).status, 400);
    }
    // A refusal names the value that it refuses.
    let members = json!({"UserDefinedFields": {"other": "TOPSECRET"}});
    assert_eq!(client.update(&BLUNT, update(&finding, members)).status, 403);
    let text = fs::read_to_string(gate.place().path("audit.jsonl")).unwrap();
    assert!(!text.contains("TOPSECRET") && !text.contains("1234567"), "{text}");
    let records = requests(&gate.place().path(""));
    assert_eq!(records.len(), 5);
    assert_eq!(records[1]["answer"]["message"], "Note.Text");
}

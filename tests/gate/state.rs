//! Policies that look at the finding as it is: when it is looked up, how often, and what holds when it cannot be had.

use crate::support::{
    fleet::{PAYMENTS, SEARCH, SECURITY, finding, plain_finding, update},
    gate::{Gate, Place},
    upstream::{Received, Reply, Upstream},
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, sync::mpsc, thread};

/// A gate with a pack, in front of an upstream.
fn pack(name: &str, upstream: &Upstream, more: &str) -> Gate {
    let place = Place::new(&upstream.url(), more);
    place.edit("findings-gate.toml", "pack:baseline", &format!("pack:{name}"));
    Gate::start(place)
}

/// An upstream that has plain findings with these members, and takes every update.
fn with_findings(members: impl Fn(&str) -> Value + Send + Sync + 'static) -> Upstream {
    Upstream::start(
        move |request| {
            if request.is_look_up() { Reply::findings(request, &members) } else { Reply::accept(request) }
        },
    )
}

fn look_ups(upstream: &Upstream) -> Vec<Received> {
    upstream.received().into_iter().filter(Received::is_look_up).collect()
}

fn own(ids: &[&str]) -> Vec<Value> {
    ids.iter().map(|id| finding(PAYMENTS.account, id)).collect()
}

fn status(word: &str) -> Value {
    json!({"Workflow": {"Status": word}})
}

fn is(word: &str) -> Value {
    json!({"Workflow": {"Status": word}})
}

/// Finding, code and message of each entry that is not a success.
fn told(response: &crate::support::client::Response) -> Vec<String> {
    response.unprocessed().into_iter().map(|(id, code, _)| format!("{id} {code}")).collect()
}

#[test]
fn what_cannot_depend_on_a_finding_looks_nothing_up() {
    let upstream = with_findings(|_| json!({}));
    let gate = pack("transitions", &upstream, "");
    let mut client = gate.connect();
    // Of a member: values that no rule on the state is about, and findings of another account.
    let note = json!({"Note": {"Text": "seen", "UpdatedBy": "ana"}, "VerificationState": "TRUE_POSITIVE"});
    assert_eq!(client.update(&PAYMENTS, update(&own(&["a", "b"]), note)).processed(), ["a", "b"]);
    let foreign = [finding(SEARCH.account, "theirs")];
    assert_eq!(told(&client.update(&PAYMENTS, update(&foreign, status("RESOLVED")))), ["theirs AccessDenied"]);
    // Of the administrator: everything but suppression, and what a map would lose.
    let all = json!({
        "Confidence": 7, "Severity": {"Label": "LOW", "Normalized": 3}, "Types": ["Effects"], "Workflow": {"Status": "RESOLVED"},
    });
    assert_eq!(client.update(&SECURITY, update(&own(&["a"]), all)).processed(), ["a"]);
    assert_eq!(look_ups(&upstream), []);

    // The same of the baseline, for whom everything is allowed.
    let baseline = pack("baseline", &upstream, "");
    let pairs = json!({"UserDefinedFields": {"any": "thing"}, "Types": ["Effects"]});
    assert_eq!(baseline.connect().update(&SECURITY, update(&own(&["a"]), pairs)).processed(), ["a"]);
    assert_eq!(look_ups(&upstream), []);
    gate.goes_on();
}

#[test]
fn steps_go_by_how_each_finding_is() {
    let upstream = with_findings(|id| match id {
        "told" => is("NOTIFIED"),
        "hidden" => is("SUPPRESSED"),
        "gone" => Value::Null,
        _ => is("NEW"),
    });
    let gate = pack("transitions", &upstream, "");
    let findings = own(&["new", "told", "hidden", "gone"]);
    let response = gate.connect().update(&PAYMENTS, update(&findings, status("RESOLVED")));
    assert_eq!(response.processed(), ["told"]);
    assert_eq!(told(&response), ["new AccessDenied", "hidden AccessDenied", "gone FindingNotFound"]);
    let [(_, _, new), (_, _, hidden), _] = &response.unprocessed()[..] else { panic!("{response:?}") };
    assert!(
        new.contains("`members-resolve-what-was-notified`") && new.contains("Set Workflow.Status to NOTIFIED"),
        "{new}"
    );
    assert!(hidden.contains("`members-do-not-reopen-suppressed`"), "{hidden}");
    let updates = upstream.updates();
    assert_eq!(updates.len(), 1);
    assert_eq!(updates[0].ids(), ["told"]);
    // One call for all four, made for the administrator, who sees all.
    let [asked] = &look_ups(&upstream)[..] else { panic!("{:?}", look_ups(&upstream)) };
    assert!(asked.head.contains(&format!("x-findings-gate-account: {}\r\n", SECURITY.account)), "{}", asked.head);
    gate.goes_on();
}

#[test]
fn severity_is_raised_from_where_it_is() {
    let upstream = with_findings(|id| json!({"Severity": {"Label": id, "Normalized": 40}}));
    let gate = pack("transitions", &upstream, "");
    let findings = own(&["LOW", "MEDIUM", "HIGH", "CRITICAL"]);
    let change = json!({"Severity": {"Label": "HIGH"}, "Note": {"Text": "exploited", "UpdatedBy": "ana"}});
    let response = gate.connect().update(&PAYMENTS, update(&findings, change));
    assert_eq!(response.processed(), ["LOW", "MEDIUM", "HIGH", "CRITICAL"]);
    assert_eq!(told(&response), ["CRITICAL PartialUpdate"]);
    let with_severity: Vec<_> =
        upstream.updates().into_iter().filter(|sent| sent.json().get("Severity").is_some()).collect();
    assert_eq!(with_severity.len(), 1);
    assert_eq!(with_severity[0].ids(), ["LOW", "MEDIUM", "HIGH"]);
}

#[test]
fn what_a_new_map_leaves_out_is_asked_about() {
    let upstream = with_findings(|id| match id {
        "annotated" => json!({"UserDefinedFields": {"cost-center": "4711", "ticket": "SEC-1"}}),
        _ => json!({}),
    });
    let gate = pack("baseline", &upstream, "");
    let mut client = gate.connect();
    let ticket = json!({"UserDefinedFields": {"ticket": "SEC-2"}, "Workflow": {"Status": "NOTIFIED"}});
    let response = client.update(&PAYMENTS, update(&own(&["annotated", "plain"]), ticket));
    assert_eq!(response.processed(), ["annotated", "plain"]);
    assert_eq!(told(&response), ["annotated PartialUpdate"]);
    let message = &response.unprocessed()[0].2;
    assert!(
        message.contains(
            r#"UserDefinedFields.Remove with "cost-center" denied by policy `members-write-only-ticket-keys`"#
        ),
        "{message}"
    );
    let stripped = upstream.updates().into_iter().find(|sent| sent.ids() == ["annotated"]).unwrap();
    assert_eq!(stripped.json().get("UserDefinedFields"), None);
    // With the other key sent again as it is, nothing is lost, and the ticket is written.
    let whole = json!({"UserDefinedFields": {"ticket": "SEC-2", "cost-center": "4711"}});
    let response = client.update(&PAYMENTS, update(&own(&["annotated"]), whole));
    assert_eq!((response.processed(), told(&response)), (vec!["annotated".into()], vec![]));
    // Another value for it is a change.
    let other = json!({"UserDefinedFields": {"ticket": "SEC-2", "cost-center": "1"}});
    let response = client.update(&PAYMENTS, update(&own(&["annotated"]), other));
    assert_eq!(told(&response), ["annotated AccessDenied"]);
    // The administrator may drop anything, so nobody looks.
    let before = look_ups(&upstream).len();
    assert_eq!(
        client.update(&SECURITY, update(&own(&["other"]), json!({"UserDefinedFields": {"a": "b"}}))).processed(),
        ["other"]
    );
    assert_eq!(look_ups(&upstream).len(), before);
}

#[test]
fn with_look_ups_off_nothing_is_looked_up_and_nothing_removed_is_asked_about() {
    let upstream = with_findings(|_| json!({"UserDefinedFields": {"cost-center": "4711"}}));
    let gate = pack("baseline", &upstream, "[state]\nlookup = \"off\"");
    let ticket = json!({"UserDefinedFields": {"ticket": "SEC-2"}});
    let response = gate.connect().update(&PAYMENTS, update(&own(&["a"]), ticket));
    assert_eq!((response.processed(), told(&response)), (vec!["a".into()], vec![]));
    // What depends on it is denied all the same.
    let other = json!({"UserDefinedFields": {"owner": "x"}, "Workflow": {"Status": "NOTIFIED"}});
    let response = gate.connect().update(&PAYMENTS, update(&own(&["a"]), other));
    assert_eq!((response.processed(), told(&response)), (vec!["a".into()], vec!["a PartialUpdate".into()]));
    let message = &response.unprocessed()[0].2;
    assert!(message.contains("state-unavailable") && message.contains("look-ups are off"), "{message}");
    assert_eq!(look_ups(&upstream), []);
}

#[test]
fn a_state_that_cannot_be_had_denies_what_depends_on_it_and_no_more() {
    let failures: [(Reply, &str); 5] = [
        (Reply::error("500 Oops", "InternalException", "on fire"), "on fire"),
        (Reply::error("429 Slow", "TooManyRequestsException", "Too Many Requests"), "Too Many Requests"),
        (Reply::answer("200 OK", &["Content-Type: application/json"], "<html>"), "not understood"),
        (Reply::Close(Vec::new()), "gave no valid answer"),
        (
            Reply::json(
                "200 OK",
                &json!({"Findings": [{"Id": "a", "ProductArn": finding(PAYMENTS.account, "a")["ProductArn"]}]}),
            ),
            "not understood",
        ),
    ];
    for (failure, why) in failures {
        let upstream =
            Upstream::start(move |request| if request.is_look_up() { failure.clone() } else { Reply::accept(request) });
        let gate = pack("transitions", &upstream, "");
        let change = json!({"Severity": {"Label": "HIGH"}, "Note": {"Text": "see there", "UpdatedBy": "ana"}});
        let response = gate.connect().update(&PAYMENTS, update(&own(&["a"]), change));
        assert_eq!(response.processed(), ["a"], "{response:?}");
        assert_eq!(told(&response), ["a PartialUpdate"]);
        let message = &response.unprocessed()[0].2;
        assert!(message.contains("without Severity") && message.contains("state-unavailable"), "{message}");
        assert!(!message.contains(why), "what the backend says of a look-up is not the caller's: {message}");
        assert_eq!(upstream.updates()[0].json().get("Severity"), None);
        gate.wait_for_log(&["state_unavailable", why]);
        let note = json!({"Note": {"Text": "goes on", "UpdatedBy": "ana"}});
        assert_eq!(gate.connect().update(&PAYMENTS, update(&own(&["a"]), note)).processed(), ["a"]);
    }
}

#[test]
fn a_backend_that_gives_a_finding_to_another_account_is_not_believed() {
    let upstream = with_findings(|_| json!({"AwsAccountId": SEARCH.account, "Workflow": {"Status": "NOTIFIED"}}));
    let gate = pack("transitions", &upstream, "");
    let response = gate.connect().update(&PAYMENTS, update(&own(&["a"]), status("RESOLVED")));
    assert_eq!(response.processed(), [""; 0]);
    assert!(response.unprocessed()[0].2.contains("state-unavailable"), "{response:?}");
    assert_eq!(upstream.updates(), []);
}

#[test]
fn whose_a_partner_s_finding_is_is_looked_up() {
    let product = "arn:aws:securityhub:eu-west-1::product/partner/scanner";
    let upstream = Upstream::start(move |request| {
        if !request.is_look_up() {
            return Reply::accept(request);
        }
        let found = |(id, account): (&str, &str)| plain_finding(account, id, product);
        let all = [
            ("mine", PAYMENTS.account),
            ("theirs", SEARCH.account),
            ("twice", PAYMENTS.account),
            ("twice", SEARCH.account),
        ];
        Reply::json("200 OK", &json!({"Findings": all.map(found)}))
    });
    let gate = pack("baseline", &upstream, "");
    let findings = ["mine", "theirs", "twice", "none"].map(|id| json!({"Id": id, "ProductArn": product}));
    let mut client = gate.connect();
    let response = client.update(&PAYMENTS, update(&findings, status("NOTIFIED")));
    assert_eq!(response.processed(), ["mine"]);
    // Another account's finding is to a member as if there were none.
    assert_eq!(told(&response), ["theirs FindingNotFound", "twice AccessDenied", "none FindingNotFound"]);
    assert!(response.unprocessed()[1].2.contains("owner-unknown"), "{response:?}");
    let response = client.update(&SECURITY, update(&findings[..2], status("NOTIFIED")));
    assert_eq!(response.processed(), ["mine", "theirs"]);
    gate.goes_on();
}

/// Neither a refusal nor the time that it takes tells a member whether another account has a finding of that name.
#[test]
fn that_others_have_a_finding_shows_in_nothing() {
    let product = "arn:aws:securityhub:eu-west-1::product/partner/scanner";
    let upstream = Upstream::start(move |request| {
        if !request.is_look_up() {
            return Reply::accept(request);
        }
        let found = |(id, account): (&str, &str)| plain_finding(account, id, product);
        let mut all = [("theirs", SEARCH.account), ("both", SEARCH.account), ("both", SECURITY.account)].map(found);
        let mut odd = found(("odd", SEARCH.account));
        odd["RecordState"] = json!("GONE");
        all[0]["Title"] = json!("what a member must not see");
        Reply::json("200 OK", &json!({"Findings": all.into_iter().chain([odd]).collect::<Vec<_>>()}))
    });
    let gate = pack("baseline", &upstream, "[state]\nrate = 1000\nburst = 1000");
    let mut client = gate.connect();
    for id in ["none", "theirs", "both", "odd"] {
        let before = look_ups(&upstream).len();
        for _ in 0..3 {
            let finding = [json!({"Id": id, "ProductArn": product})];
            let response = client.update(&PAYMENTS, update(&finding, status("NOTIFIED")));
            let [(_, code, message)] = &response.unprocessed()[..] else { panic!("{response:?}") };
            assert_eq!((code.as_str(), message.as_str()), ("FindingNotFound", "Finding Not Found"), "{id}");
        }
        // What is not there is asked for each time; what was answered from memory would come sooner.
        assert_eq!(look_ups(&upstream).len() - before, 3, "{id}");
    }
    gate.goes_on();
}

#[test]
fn a_finding_is_looked_up_once_and_again_after_it_was_changed() {
    let upstream = with_findings(|_| is("NOTIFIED"));
    let gate = pack("transitions", &upstream, "[state]\nmax_age = \"10m\"");
    let mut client = gate.connect();
    let lower = |id: &str| update(&own(&[id]), json!({"Severity": {"Label": "LOW"}}));
    // Denied, so nothing changes.
    for _ in 0..3 {
        assert_eq!(told(&client.update(&PAYMENTS, lower("a"))), ["a AccessDenied"]);
    }
    assert_eq!(look_ups(&upstream).len(), 1);
    // Allowed, and forwarded: what was known is not true any more.
    assert_eq!(client.update(&PAYMENTS, update(&own(&["a"]), status("RESOLVED"))).processed(), ["a"]);
    assert_eq!(look_ups(&upstream).len(), 1);
    client.update(&PAYMENTS, lower("a"));
    assert_eq!(look_ups(&upstream).len(), 2);
}

#[test]
fn a_hundred_findings_are_five_calls_and_requests_share_them() {
    let (go, wait) = mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let upstream = Upstream::start(move |request| {
        if request.is_look_up() {
            // The first call is held until all requests wait for it.
            let _ = wait.lock().unwrap().recv();
            return Reply::findings(request, |_| is("NOTIFIED"));
        }
        Reply::accept(request)
    });
    let gate = pack("transitions", &upstream, "[state]\ndeadline = \"1m\"\nrate = 1000\nburst = 1000");
    let ids: Vec<String> = (0..100).map(|at| format!("finding-{at}")).collect();
    let all: Vec<&str> = ids.iter().map(String::as_str).collect();
    let body = update(&own(&all), status("RESOLVED"));
    thread::scope(|scope| {
        let body = &body;
        let asking: Vec<_> = (0..4)
            .map(|_| {
                let mut client = gate.connect();
                scope.spawn(move || client.update(&PAYMENTS, body))
            })
            .collect();
        upstream.wait_for(5);
        for _ in 0..5 {
            go.send(()).unwrap();
        }
        drop(go);
        for response in asking {
            assert_eq!(response.join().unwrap().processed().len(), 100);
        }
    });
    let look_ups = look_ups(&upstream);
    // A request that came after the first was answered may look up anew what that one has changed.
    assert!((5..=20).contains(&look_ups.len()), "{}", look_ups.len());
    let of_call = |call: &Received| call.json()["Filters"]["Id"].as_array().unwrap().len();
    assert!(look_ups.iter().all(|call| of_call(call) <= 20));
    let first: BTreeSet<String> = look_ups[..5]
        .iter()
        .flat_map(|call| call.json()["Filters"]["Id"].as_array().unwrap().clone())
        .map(|id| id["Value"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(first.len(), 100, "no finding is looked up twice at once");
}

#[test]
fn a_backend_that_never_answers_a_look_up_costs_the_deadline_and_no_more() {
    let (end, ended) = mpsc::channel::<()>();
    let ended = std::sync::Mutex::new(ended);
    let upstream = Upstream::start(move |request| {
        if request.is_look_up() {
            let _ = ended.lock().unwrap().recv();
        }
        Reply::accept(request)
    });
    let gate = pack("transitions", &upstream, "[state]\ndeadline = \"200ms\"");
    let change = json!({"Severity": {"Label": "HIGH"}, "Note": {"Text": "see there", "UpdatedBy": "ana"}});
    let response = gate.connect().update(&PAYMENTS, update(&own(&["a"]), change));
    assert_eq!((response.processed(), told(&response)), (vec!["a".into()], vec!["a PartialUpdate".into()]));
    gate.wait_for_log(&["state_unavailable", "did not come in time"]);
    drop(end);
}

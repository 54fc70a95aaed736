//! Each rule of the gate as a table, with a judge that says what it is told to.

use super::{Asked, Decision, Group, GroupAnswer, Knowledge, Merged, Plan, decide as decide_by, merge};
use crate::{
    finding::{
        AccountId, Action, ActionSet, BatchUpdate, Caller, Enforcement, Field, Proof, Role, Target, Value,
        WorkflowStatus, outcome::UpstreamAnswer,
    },
    policy::{Answer, Denial, Judge, Question, Reason, Verdict},
};
use std::rc::Rc;

mod imports;
mod rules;
mod state;
mod v2;

type Script = fn(&Question<'_>) -> Answer;

/// Says what the script says, and counts.
struct Scripted {
    script: Script,
    asked: usize,
    alike: bool,
}

impl Judge for Scripted {
    fn are_apart(&self, _: &Caller, _: AccountId) -> bool {
        false
    }

    fn kinds(&mut self, _: &Caller, _: ActionSet, targets: &[Target<'_>]) -> Vec<usize> {
        if self.alike { vec![0; targets.len()] } else { (0..targets.len()).collect() }
    }

    fn tells_findings_apart(&mut self, _: &Caller, _: Action) -> bool {
        !self.alike
    }

    fn verdict(&mut self, question: &Question<'_>) -> Rc<Verdict> {
        self.asked += 1;
        Rc::new(Verdict::settled((self.script)(question)))
    }
}

fn allow() -> Answer {
    Answer::Allowed { by: vec!["grant".into()] }
}

fn deny(enforcement: Enforcement, policy: &str) -> Answer {
    Answer::Denied(Denial {
        reason: Reason::Forbidden,
        enforcement,
        policies: vec![policy.into()],
        advice: vec!["Ask the security team.".into()],
    })
}

fn caller(minimum_enforcement: Enforcement) -> Caller {
    Caller {
        account: "222222222222".parse().unwrap(),
        role: Role::Member,
        principal: "arn:aws:iam::222222222222:role/triage".into(),
        groups: std::sync::Arc::default(),
        region: None,
        proof: Proof::Fixed,
        minimum_enforcement,
    }
}

/// A request about findings `a`, `b` and so on of account 222222222222's own product.
fn body(ids: &[&str], members: &str) -> String {
    let finding = |id: &&str| {
        format!(
            r#"{{"Id":"{id}","ProductArn":"arn:aws:securityhub:eu-west-1:222222222222:product/222222222222/default"}}"#
        )
    };
    format!(r#"{{"FindingIdentifiers":[{}],{members}}}"#, ids.iter().map(finding).collect::<Vec<_>>().join(","))
}

const TRIAGE: &str = r#""Note":{"Text":"looked into it","UpdatedBy":"ana"},"Severity":{"Normalized":10},"Workflow":{"Status":"SUPPRESSED"}"#;

/// Decides without knowing anything of the findings.
fn decide<'u>(judge: &mut impl Judge, caller: &Caller, request: &'u BatchUpdate<'u>) -> Decision<'u> {
    decide_by(judge, caller, asked(request), Knowledge::Never)
}

fn asked<'u>(request: &'u BatchUpdate<'u>) -> Asked<'u> {
    Asked::of_update(request, "2026-01-01T00:00:00Z".parse().unwrap())
}

fn decided<'u>(script: Script, request: &'u BatchUpdate<'u>) -> Decision<'u> {
    decide(&mut Scripted { script, asked: 0, alike: false }, &caller(Enforcement::Strip), request)
}

fn groups(request: &BatchUpdate<'_>, decision: &Decision<'_>) -> Vec<Group> {
    match Plan::new(request, decision, "d-1") {
        Plan::Forward { groups } => groups,
        Plan::Refuse { message } => panic!("refused: {message}"),
    }
}

fn listed(answer: &str) -> GroupAnswer<UpstreamAnswer<'_>> {
    GroupAnswer::Listed(serde_json::from_str::<UpstreamAnswer<'_>>(answer).unwrap())
}

fn answer(
    request: &BatchUpdate<'_>,
    decision: &Decision<'_>,
    answers: Vec<GroupAnswer<UpstreamAnswer<'_>>>,
) -> serde_json::Value {
    match merge(request, decision, &groups(request, decision), answers, "d-1") {
        Merged::Body { body, .. } => serde_json::from_slice(&body).unwrap(),
        Merged::PassFailure(at) => panic!("the failure of group {at} is passed through"),
    }
}

/// `id code` for each unprocessed finding, in order.
fn unprocessed(answer: &serde_json::Value) -> Vec<String> {
    let entries = answer["UnprocessedFindings"].as_array().unwrap().iter();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    entries.map(|entry| format!("{} {}", text(&entry["FindingIdentifier"]["Id"]), text(&entry["ErrorCode"]))).collect()
}

fn processed(answer: &serde_json::Value) -> Vec<String> {
    let entries = answer["ProcessedFindings"].as_array().unwrap().iter();
    entries.map(|entry| entry["Id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn all_allowed_is_one_group_with_every_field() {
    let body = body(&["a", "b"], TRIAGE);
    let request = BatchUpdate::parse(body.as_bytes()).unwrap();
    let decision = decided(|_| allow(), &request);
    assert_eq!(groups(&request, &decision), [Group { fields: request.update.fields(), findings: vec![0, 1] }]);
    let answer = answer(&request, &decision, vec![GroupAnswer::AllProcessed]);
    assert_eq!(processed(&answer), ["a", "b"]);
    assert_eq!(unprocessed(&answer), [""; 0]);
}

#[test]
fn strip_takes_the_whole_field_and_says_so() {
    let body = body(&["a"], TRIAGE);
    let request = BatchUpdate::parse(body.as_bytes()).unwrap();
    // The label is derived from the number; denying the one takes both.
    let decision = decided(
        |question| match question.change.action() {
            Action::SeverityLabel => deny(Enforcement::Strip, "no-regrading"),
            _ => allow(),
        },
        &request,
    );
    let fields = request.update.fields().without(Field::Severity);
    assert_eq!(groups(&request, &decision), [Group { fields, findings: vec![0] }]);
    let answer = answer(&request, &decision, vec![GroupAnswer::AllProcessed]);
    assert_eq!(processed(&answer), ["a"]);
    assert_eq!(unprocessed(&answer), ["a PartialUpdate"]);
    assert_eq!(
        answer["UnprocessedFindings"][0]["ErrorMessage"],
        "updated without Severity: Severity.Label = LOW denied by policy `no-regrading` (strip): Ask the security team. [decision d-1]"
    );
}

/// `updated` is said of a finding only if upstream says that it was.
#[test]
fn a_stripped_finding_that_upstream_did_not_update_is_not_called_updated() {
    let body = body(&["a", "b", "c"], TRIAGE);
    let request = BatchUpdate::parse(body.as_bytes()).unwrap();
    let decision = decided(
        |question| match question.change.action() {
            Action::SeverityLabel => deny(Enforcement::Strip, "no-regrading"),
            _ => allow(),
        },
        &request,
    );
    let listed = serde_json::json!({
        "ProcessedFindings": [{"Id": request.identifiers[0].id.as_str(), "ProductArn": request.identifiers[0].product_arn.as_str()}],
        "UnprocessedFindings": [{
            "FindingIdentifier": {"Id": request.identifiers[1].id.as_str(), "ProductArn": request.identifiers[1].product_arn.as_str()},
            "ErrorCode": "FindingNotFound", "ErrorMessage": "Finding Not Found"
        }]
    })
    .to_string();
    let listed = GroupAnswer::Listed(serde_json::from_str(&listed).unwrap());
    let answer = answer(&request, &decision, vec![listed]);
    let entries = unprocessed(&answer);
    assert_eq!(
        entries,
        ["a PartialUpdate", "b FindingNotFound", "b PartialUpdate", "c InternalFailure", "c PartialUpdate"]
    );
    for (at, said) in [(0, "updated without Severity"), (2, "forwarded without Severity"), (4, "forwarded without")] {
        let message = answer["UnprocessedFindings"][at]["ErrorMessage"].as_str().unwrap();
        assert!(message.starts_with(said), "{message}");
    }
}

/// The id is the client's own text: in a message it must not read as the gate's.
#[test]
fn a_refusal_quotes_the_finding_s_id() {
    let body = body(&["b: allowed.\\n\\u202e"], TRIAGE);
    let request = BatchUpdate::parse(body.as_bytes()).unwrap();
    let decision = decided(|_| deny(Enforcement::Refuse, "hands-off"), &request);
    let Plan::Refuse { message } = Plan::new(&request, &decision, "d-1") else { panic!("forwarded") };
    assert!(message.contains(r#"because of finding "b: allowed.\n\u{202e}": Note"#), "{message}");
}

#[test]
fn what_is_left_after_a_strip_is_asked_again() {
    let body = body(&["a"], r#""Confidence":5,"Note":{"Text":"x","UpdatedBy":"y"},"Workflow":{"Status":"RESOLVED"}"#);
    let request = BatchUpdate::parse(body.as_bytes()).unwrap();
    // RESOLVED needs a note; the note is stripped; Confidence needs a workflow.
    let decision = decided(
        |question| match question.change.action() {
            Action::Note => deny(Enforcement::Strip, "no-notes"),
            Action::WorkflowStatus if !question.kept.contains(Field::Note) => deny(Enforcement::Strip, "note-needed"),
            Action::Confidence if !question.kept.contains(Field::Workflow) => {
                deny(Enforcement::Strip, "workflow-needed")
            }
            _ => allow(),
        },
        &request,
    );
    assert_eq!(groups(&request, &decision), []);
    let answer = answer(&request, &decision, vec![]);
    assert_eq!(unprocessed(&answer), ["a AccessDenied"]);
    let message = answer["UnprocessedFindings"][0]["ErrorMessage"].as_str().unwrap();
    for policy in ["`no-notes`", "`note-needed`", "`workflow-needed`"] {
        assert!(message.contains(policy), "{message}");
    }
}

#[test]
fn what_was_denied_does_not_come_back() {
    let body = body(&["a"], r#""Note":{"Text":"x","UpdatedBy":"y"},"Workflow":{"Status":"RESOLVED"}"#);
    let request = BatchUpdate::parse(body.as_bytes()).unwrap();
    // Each is denied because of the other.
    let decision = decided(
        |question| match question.change.action() {
            Action::Note if question.kept.contains(Field::Workflow) => deny(Enforcement::Strip, "n"),
            Action::WorkflowStatus if question.kept.contains(Field::Note) => deny(Enforcement::Strip, "w"),
            _ => allow(),
        },
        &request,
    );
    assert_eq!(groups(&request, &decision), []);
}

#[test]
fn reject_leaves_the_finding_as_it_is_and_the_others_go_on() {
    let body = body(&["a", "b", "c"], TRIAGE);
    let request = BatchUpdate::parse(body.as_bytes()).unwrap();
    let decision = decided(
        |question| match (&*question.target.identifier.id, question.change.value()) {
            ("b", Value::Workflow(WorkflowStatus::Suppressed)) => deny(Enforcement::Reject, "no-suppression"),
            _ => allow(),
        },
        &request,
    );
    assert_eq!(groups(&request, &decision), [Group { fields: request.update.fields(), findings: vec![0, 2] }]);
    let answer = answer(&request, &decision, vec![GroupAnswer::AllProcessed]);
    assert_eq!(processed(&answer), ["a", "c"]);
    assert_eq!(unprocessed(&answer), ["b AccessDenied"]);
    assert_eq!(
        answer["UnprocessedFindings"][0]["ErrorMessage"],
        "nothing was changed: Workflow.Status = SUPPRESSED denied by policy `no-suppression` (reject): Ask the security team. [decision d-1]"
    );
}

#[test]
fn refuse_refuses_the_whole_call() {
    let body = body(&["a", "b"], TRIAGE);
    let request = BatchUpdate::parse(body.as_bytes()).unwrap();
    let decision = decided(
        |question| {
            if &*question.target.identifier.id == "b" { deny(Enforcement::Refuse, "hands-off") } else { allow() }
        },
        &request,
    );
    let Plan::Refuse { message } = Plan::new(&request, &decision, "d-1") else { panic!("forwarded") };
    assert!(
        message.starts_with("the whole request is refused and nothing was changed, because of finding \"b\": Note"),
        "{message}"
    );
    assert!(message.contains("`hands-off` (refuse): Ask the security team."), "{message}");
    assert!(message.ends_with("[decision d-1]"), "{message}");
}

#[test]
fn the_strictest_enforcement_wins() {
    use Enforcement::{Refuse, Reject, Strip};
    let body = body(&["a"], r#""Confidence":1,"Criticality":2"#);
    let request = BatchUpdate::parse(body.as_bytes()).unwrap();
    let scripts: [(Script, Enforcement); 3] = [
        (|q| deny(if q.change.action() == Action::Confidence { Strip } else { Reject }, "p"), Reject),
        (|q| deny(if q.change.action() == Action::Confidence { Refuse } else { Strip }, "p"), Refuse),
        (|_| deny(Strip, "p"), Strip),
    ];
    for (script, strictest) in scripts {
        assert_eq!(decided(script, &request).fates[0].enforcement(), Some(strictest));
    }
}

#[test]
fn a_caller_s_minimum_makes_every_denial_at_least_that() {
    let body = body(&["a"], TRIAGE);
    let request = BatchUpdate::parse(body.as_bytes()).unwrap();
    for (minimum, refused, forwarded) in
        [(Enforcement::Strip, false, 1), (Enforcement::Reject, false, 0), (Enforcement::Refuse, true, 0)]
    {
        let script: Script =
            |q| if q.change.action() == Action::Note { deny(Enforcement::Strip, "p") } else { allow() };
        let decision = decide(&mut Scripted { script, asked: 0, alike: false }, &caller(minimum), &request);
        match Plan::new(&request, &decision, "d-1") {
            Plan::Refuse { message } => {
                assert!(refused, "{minimum}");
                assert!(message.contains("`p` (strip, for this caller refuse)"), "{message}");
            }
            Plan::Forward { groups } => assert_eq!((refused, groups.len()), (false, forwarded), "{minimum}"),
        }
        // A caller that nothing is denied to does not feel it.
        let decision =
            decide(&mut Scripted { script: |_| allow(), asked: 0, alike: false }, &caller(minimum), &request);
        assert_eq!(decision.fates[0].enforcement(), None);
    }
}

#[test]
fn duplicates_are_decided_once_and_told() {
    let body = body(&["a", "b", "a", "a"], r#""Confidence":1"#);
    let request = BatchUpdate::parse(body.as_bytes()).unwrap();
    let mut judge = Scripted { script: |_| allow(), asked: 0, alike: false };
    let decision = decide(&mut judge, &caller(Enforcement::Strip), &request);
    assert_eq!(judge.asked, 2);
    assert_eq!(groups(&request, &decision)[0].findings, [0, 1]);
    let answer = answer(&request, &decision, vec![GroupAnswer::AllProcessed]);
    assert_eq!(processed(&answer), ["a", "b"]);
    assert_eq!(unprocessed(&answer), ["a DuplicatedFindingIdentifier", "a DuplicatedFindingIdentifier"]);
}

#[test]
fn an_unknown_owner_denies_without_asking() {
    let body = r#"{"FindingIdentifiers":[{"Id":"x","ProductArn":"arn:aws:securityhub:eu-west-1::product/partner/scanner"}],"Confidence":1}"#;
    let request = BatchUpdate::parse(body.as_bytes()).unwrap();
    let mut judge = Scripted { script: |_| allow(), asked: 0, alike: false };
    let decision = decide(&mut judge, &caller(Enforcement::Strip), &request);
    assert_eq!(judge.asked, 0);
    let answer = answer(&request, &decision, vec![]);
    assert_eq!(unprocessed(&answer), ["x AccessDenied"]);
    assert!(answer["UnprocessedFindings"][0]["ErrorMessage"].as_str().unwrap().contains("owner-unknown"));
    let refusing = decide(&mut judge, &caller(Enforcement::Refuse), &request);
    assert!(matches!(Plan::new(&request, &refusing, "d-1"), Plan::Refuse { .. }));
}

#[test]
fn findings_of_one_kind_are_asked_about_once() {
    let body = body(&["a", "b", "c"], TRIAGE);
    let request = BatchUpdate::parse(body.as_bytes()).unwrap();
    let mut judge = Scripted { script: |_| allow(), asked: 0, alike: true };
    decide(&mut judge, &caller(Enforcement::Strip), &request);
    assert_eq!(judge.asked, request.update.changes().len());
}

/// Three findings with three fates: all, without severity, without severity and workflow.
fn three_groups(question: &Question<'_>) -> Answer {
    match (&*question.target.identifier.id, question.change.action().field()) {
        ("b" | "c", Some(Field::Severity)) | ("c", Some(Field::Workflow)) => deny(Enforcement::Strip, "p"),
        _ => allow(),
    }
}

#[test]
fn findings_are_grouped_by_what_they_keep_and_answered_in_order() {
    let body = body(&["c", "a", "b", "a2"], TRIAGE);
    let request = BatchUpdate::parse(body.as_bytes()).unwrap();
    let decision = decided(three_groups, &request);
    let planned = groups(&request, &decision);
    assert_eq!(planned.iter().map(|group| group.findings.clone()).collect::<Vec<_>>(), [vec![0], vec![1, 3], vec![2]]);
    let answers = vec![GroupAnswer::AllProcessed, GroupAnswer::AllProcessed, GroupAnswer::AllProcessed];
    let answer = answer(&request, &decision, answers);
    assert_eq!(processed(&answer), ["c", "a", "b", "a2"]);
    assert_eq!(unprocessed(&answer), ["c PartialUpdate", "b PartialUpdate"]);
}

const PRODUCT: &str = "arn:aws:securityhub:eu-west-1:222222222222:product/222222222222/default";

fn upstream(processed: &[&str], unprocessed: &[&str]) -> String {
    let identifier = |id: &&str| serde_json::json!({"Id": id, "ProductArn": PRODUCT});
    let failed = |id: &&str| serde_json::json!({"FindingIdentifier": identifier(id), "ErrorCode": "FindingNotFound", "ErrorMessage": "Finding Not Found"});
    serde_json::json!({
        "ProcessedFindings": processed.iter().map(identifier).collect::<Vec<_>>(),
        "UnprocessedFindings": unprocessed.iter().map(failed).collect::<Vec<_>>(),
    })
    .to_string()
}

#[test]
fn upstream_s_own_failures_are_merged_in_the_order_of_the_request() {
    let body = body(&["a", "b", "c"], TRIAGE);
    let request = BatchUpdate::parse(body.as_bytes()).unwrap();
    let decision = decided(
        |question| {
            if question.change.field() == Some(Field::Severity) { deny(Enforcement::Strip, "p") } else { allow() }
        },
        &request,
    );
    let said = upstream(&["c", "a"], &["b"]);
    let answer = answer(&request, &decision, vec![listed(&said)]);
    assert_eq!(processed(&answer), ["a", "c"]);
    assert_eq!(unprocessed(&answer), ["a PartialUpdate", "b FindingNotFound", "b PartialUpdate", "c PartialUpdate"]);
}

#[test]
fn findings_that_upstream_forgets_or_makes_up_are_noticed() {
    let body = body(&["a", "b"], r#""Confidence":1"#);
    let request = BatchUpdate::parse(body.as_bytes()).unwrap();
    let decision = decided(|_| allow(), &request);
    let planned = groups(&request, &decision);
    for (said, expected_processed, expected_unprocessed, made_up, forgotten) in [
        (upstream(&["a"], &[]), &["a"][..], &["b InternalFailure"][..], 0, 1),
        (upstream(&["a", "b", "z"], &["y"]), &["a", "b"], &[], 2, 0),
        (upstream(&["a", "b"], &["b"]), &["a"], &["b FindingNotFound"], 0, 0),
        (upstream(&["a", "a", "a"], &["b"]), &["a"], &["b FindingNotFound"], 0, 0),
        ("{}".to_owned(), &[], &["a InternalFailure", "b InternalFailure"], 0, 2),
    ] {
        let Merged::Body { body, not_asked, not_answered, .. } =
            merge(&request, &decision, &planned, vec![listed(&said)], "d-1")
        else {
            panic!("passed through")
        };
        let answer = serde_json::from_slice(&body).unwrap();
        assert_eq!(processed(&answer), expected_processed, "{said}");
        assert_eq!(unprocessed(&answer), expected_unprocessed, "{said}");
        assert_eq!((not_asked, not_answered), (made_up, forgotten), "{said}");
    }
}

fn failed(status: u16, code: &str) -> GroupAnswer<UpstreamAnswer<'static>> {
    GroupAnswer::Failed { status, code: Some(code.to_owned()), message: format!("{code} happened") }
}

#[test]
fn a_failed_group_is_told_per_finding_and_the_rest_stands() {
    let body = body(&["a", "b", "c"], TRIAGE);
    let request = BatchUpdate::parse(body.as_bytes()).unwrap();
    let decision = decided(three_groups, &request);
    let nameless = GroupAnswer::Failed { status: 500, code: None, message: "no answer".to_owned() };
    let answer =
        answer(&request, &decision, vec![GroupAnswer::AllProcessed, failed(429, "TooManyRequestsException"), nameless]);
    assert_eq!(processed(&answer), ["a"]);
    assert_eq!(
        unprocessed(&answer),
        ["b TooManyRequestsException", "b PartialUpdate", "c InternalFailure", "c PartialUpdate"]
    );
}

#[test]
fn only_failures_that_are_all_alike_pass_through() {
    let body = body(&["a", "b", "c"], TRIAGE);
    let request = BatchUpdate::parse(body.as_bytes()).unwrap();
    let decision = decided(three_groups, &request);
    let planned = groups(&request, &decision);
    for (answers, passes) in [
        (vec![failed(500, "X"), failed(500, "X"), failed(500, "X")], true),
        (vec![failed(500, "X"), failed(500, "Y"), failed(500, "X")], false),
        (vec![failed(500, "X"), failed(429, "X"), failed(500, "X")], false),
        (vec![failed(500, "X"), GroupAnswer::AllProcessed, failed(500, "X")], false),
    ] {
        let merged = merge(&request, &decision, &planned, answers, "d-1");
        assert_eq!(merged == Merged::PassFailure(0), passes);
    }
}

#[test]
fn a_message_counts_what_it_does_not_name() {
    let keys: Vec<String> = (0..50).map(|i| format!(r#""k{i}":"v""#)).collect();
    let body = body(&["a"], &format!(r#""UserDefinedFields":{{{}}}"#, keys.join(",")));
    let request = BatchUpdate::parse(body.as_bytes()).unwrap();
    let decision = decided(|_| deny(Enforcement::Strip, "tickets-only"), &request);
    let answer = answer(&request, &decision, vec![]);
    let message = answer["UnprocessedFindings"][0]["ErrorMessage"].as_str().unwrap();
    assert!(
        message.contains(r#"UserDefinedFields["k2"] = "v" and 47 more denied by policy `tickets-only`"#),
        "{message}"
    );
}

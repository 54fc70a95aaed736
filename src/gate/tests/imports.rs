//! Each rule of imports as a table, with a judge that says what it is told to.

use crate::{
    finding::{
        AccountId, Action, ActionSet, BatchImport, Caller, Enforcement, Field, FieldSet, Operation, Proof, RecordState,
        Role, State, Target, UpstreamFailedImport, UpstreamImportAnswer, Value as Proposed,
    },
    gate::{ImportDecision, ImportFate, ImportPlan, Knowledge, Known, MergedImport, decide_import, merge_import},
    policy::{Answer, Denial, Judge, Question, Reason, Verdict},
};
use proptest::{prelude::*, sample::select};
use serde_json::{Map, Value, json};
use std::rc::Rc;

/// Says what the script says. What it says of a finding whose state is not known may be open.
struct Scripted<F>(F);

impl<F: FnMut(&Question<'_>) -> Verdict> Judge for Scripted<F> {
    fn are_apart(&self, _: &Caller, _: AccountId) -> bool {
        false
    }

    fn kinds(&mut self, _: &Caller, _: ActionSet, targets: &[Target<'_>]) -> Vec<usize> {
        (0..targets.len()).collect()
    }

    fn tells_findings_apart(&mut self, _: &Caller, _: Action) -> bool {
        true
    }

    fn verdict(&mut self, question: &Question<'_>) -> Rc<Verdict> {
        Rc::new((self.0)(question))
    }
}

fn allow() -> Verdict {
    Verdict::settled(Answer::Allowed { by: vec!["grant".into()] })
}

fn denied(reason: Reason, enforcement: Enforcement, policy: &str) -> Answer {
    Answer::Denied(Denial {
        reason,
        enforcement,
        policies: vec![policy.into()],
        advice: vec!["Ask the security team.".into()],
    })
}

fn deny(enforcement: Enforcement) -> Verdict {
    Verdict::settled(denied(Reason::Forbidden, enforcement, "no"))
}

/// What is said while it is not known whether and how the finding is.
fn open() -> Verdict {
    Verdict { enforced: denied(Reason::StateUnavailable, Enforcement::Strip, "depends"), shadow: None, open: true }
}

fn caller(minimum_enforcement: Enforcement) -> Caller {
    Caller {
        account: "222222222222".parse().unwrap(),
        role: Role::Member,
        principal: "arn:aws:iam::222222222222:role/scanner".into(),
        groups: std::sync::Arc::default(),
        region: None,
        proof: Proof::Fixed,
        minimum_enforcement,
    }
}

const OWN: &str = "arn:aws:securityhub:eu-west-1:222222222222:product/222222222222/default";
const PARTNER: &str = "arn:aws:securityhub:eu-west-1::product/partner/scanner";

fn finding(id: &str, product_arn: &str, members: &Value) -> Value {
    let mut finding = json!({
        "Id": id, "ProductArn": product_arn, "AwsAccountId": "222222222222", "GeneratorId": "g",
        "CreatedAt": "2026-01-01T00:00:00Z", "UpdatedAt": "2026-01-01T00:00:00Z", "Severity": {"Label": "LOW"},
    });
    for (name, value) in members.as_object().unwrap() {
        finding[name] = value.clone();
    }
    finding
}

/// A request about findings of the account's own product: each an id and what it has besides.
fn request(findings: &[(&str, Value)]) -> BatchImport {
    of(&findings.iter().map(|(id, members)| finding(id, OWN, members)).collect::<Vec<_>>())
}

fn of(findings: &[Value]) -> BatchImport {
    BatchImport::parse(json!({ "Findings": findings }).to_string().as_bytes()).unwrap()
}

fn state(members: &Value) -> State {
    let mut finding = finding("f", OWN, members);
    for (name, value) in [("Workflow", json!({"Status": "NEW"})), ("RecordState", json!("ACTIVE"))] {
        if finding[name].is_null() {
            finding[name] = value;
        }
    }
    State::parse(finding.as_object().unwrap()).unwrap()
}

fn decide<'u>(
    script: impl FnMut(&Question<'_>) -> Verdict,
    request: &'u BatchImport,
    knowledge: Knowledge<'u>,
) -> ImportDecision<'u> {
    decide_for(script, Enforcement::Strip, request, knowledge)
}

fn decide_for<'u>(
    script: impl FnMut(&Question<'_>) -> Verdict,
    minimum: Enforcement,
    request: &'u BatchImport,
    knowledge: Knowledge<'u>,
) -> ImportDecision<'u> {
    let now = "2026-01-01T00:00:00Z".parse().unwrap();
    decide_import(&mut Scripted(script), &caller(minimum), request, now, knowledge)
}

fn forwarded(request: &BatchImport, decision: &ImportDecision<'_>) -> Vec<(usize, FieldSet)> {
    match ImportPlan::new(request, decision, "d-1") {
        ImportPlan::Forward { findings } => findings,
        ImportPlan::Refuse { message } => panic!("refused: {message}"),
    }
}

fn refused(request: &BatchImport, decision: &ImportDecision<'_>) -> String {
    match ImportPlan::new(request, decision, "d-1") {
        ImportPlan::Forward { findings } => panic!("forwarded: {findings:?}"),
        ImportPlan::Refuse { message } => message,
    }
}

/// What upstream says of so many findings, of which these failed.
fn answering(sent: usize, failed: &[(&str, &str)]) -> UpstreamImportAnswer {
    let entry = |(id, code): &(&str, &str)| UpstreamFailedImport {
        id: (*id).to_owned(),
        error_code: (*code).to_owned(),
        error_message: format!("{id} is {code}"),
    };
    UpstreamImportAnswer {
        failed_count: failed.len(),
        success_count: sent.saturating_sub(failed.len()),
        failed_findings: failed.iter().map(entry).collect(),
    }
}

fn merged(request: &BatchImport, decision: &ImportDecision<'_>, answer: Option<UpstreamImportAnswer>) -> Told {
    let MergedImport { body, not_asked, not_answered, .. } =
        merge_import(request, decision, &forwarded(request, decision), answer, "d-1");
    let answer: Value = serde_json::from_slice(&body).unwrap();
    let entries = answer["FailedFindings"].as_array().unwrap();
    assert_eq!(answer["FailedCount"], entries.len());
    let counted = answer["FailedCount"].as_u64().unwrap() + answer["SuccessCount"].as_u64().unwrap();
    assert_eq!(counted, request.identifiers.len() as u64);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let entry = |entry: &Value| (text(&entry["Id"]), text(&entry["ErrorCode"]), text(&entry["ErrorMessage"]));
    Told { failed: entries.iter().map(entry).collect(), doubt: (not_asked, not_answered) }
}

struct Told {
    failed: Vec<(String, String, String)>,
    doubt: (usize, usize),
}

impl Told {
    /// `id code` of each failed finding.
    fn codes(&self) -> Vec<String> {
        self.failed.iter().map(|(id, code, _)| format!("{id} {code}")).collect()
    }
}

#[test]
fn what_is_allowed_is_forwarded_whole() {
    let request = request(&[("a", json!({"Confidence": 1})), ("b", json!({"RecordState": "ARCHIVED"}))]);
    let mut asked = Vec::new();
    let decision = decide(
        |question| {
            assert_eq!(question.circumstances.operation, Operation::BatchImportFindings);
            asked.push(format!("{} {}", question.target.identifier.id, question.change));
            allow()
        },
        &request,
        Knowledge::Never,
    );
    let of_b = ["b Import", "b Severity.Label = LOW", "b RecordState = ARCHIVED"];
    assert_eq!(asked, [&["a Import", "a Confidence = 1", "a Severity.Label = LOW"], &of_b[..]].concat());
    let fields = request.findings.iter().map(|finding| finding.governed.as_ref().unwrap().fields());
    assert_eq!(forwarded(&request, &decision), fields.enumerate().collect::<Vec<_>>());
    assert!(decision.fates.iter().all(ImportFate::is_whole));
    let told = merged(&request, &decision, Some(answering(2, &[])));
    assert_eq!((told.codes(), told.doubt), (vec![], (0, 0)));
}

#[test]
fn strip_takes_the_field_out_and_the_finding_still_goes() {
    let request = request(&[("a", json!({"Types": ["x"]})), ("b", json!({}))]);
    let script = |question: &Question<'_>| match question.change.action() {
        Action::SeverityLabel | Action::Types => deny(Enforcement::Strip),
        _ => allow(),
    };
    let decision = decide(script, &request, Knowledge::Never);
    assert_eq!(
        forwarded(&request, &decision),
        [(0, FieldSet::EMPTY), (1, FieldSet::EMPTY)],
        "nothing governed is left"
    );
    let told = merged(&request, &decision, Some(answering(2, &[])));
    assert_eq!(told.codes(), ["a PartialImport", "b PartialImport"]);
    assert_eq!(
        told.failed[0].2,
        "imported without Severity, Types: Severity.Label = LOW, Types with \"x\" denied by policy `no` (strip): Ask the \
         security team. [decision d-1]"
    );
    // Without its severity upstream has no use for it, which the caller must not read as upstream's reason alone.
    let told = merged(&request, &decision, Some(answering(2, &[("a", "InvalidInput")])));
    assert_eq!(told.codes(), ["a InvalidInput", "b PartialImport"]);
    let message = &told.failed[0].2;
    assert!(message.starts_with("a is InvalidInput (it was forwarded without Severity, Types: "), "{message}");
}

#[test]
fn what_is_stripped_no_longer_counts_for_what_is_left() {
    let note = json!({"Text": "t", "UpdatedBy": "u"});
    let request = request(&[("a", json!({"Note": note, "Workflow": {"Status": "RESOLVED"}}))]);
    let script = |question: &Question<'_>| match question.change.action() {
        Action::Note => deny(Enforcement::Strip),
        Action::WorkflowStatus if !question.kept.contains(Field::Note) => deny(Enforcement::Strip),
        Action::Import if !question.kept.contains(Field::Workflow) => deny(Enforcement::Reject),
        _ => allow(),
    };
    let decision = decide(script, &request, Knowledge::Never);
    assert_eq!(forwarded(&request, &decision), []);
    assert_eq!(merged(&request, &decision, None).codes(), ["a AccessDenied"]);
}

#[test]
fn a_finding_that_may_not_be_imported_is_rejected_whatever_the_enforcement() {
    for (enforcement, minimum) in [
        (Enforcement::Strip, Enforcement::Strip),
        (Enforcement::Reject, Enforcement::Strip),
        (Enforcement::Strip, Enforcement::Reject),
    ] {
        let request = request(&[("a", json!({})), ("b", json!({})), ("c", json!({}))]);
        let script = |question: &Question<'_>| match (question.change.action(), &*question.target.identifier.id) {
            (Action::Import, id) if id != "b" => deny(enforcement),
            _ => allow(),
        };
        let decision = decide_for(script, minimum, &request, Knowledge::Never);
        assert_eq!(forwarded(&request, &decision).iter().map(|(place, _)| *place).collect::<Vec<_>>(), [1]);
        let told = merged(&request, &decision, Some(answering(1, &[])));
        assert_eq!(told.codes(), ["a AccessDenied", "c AccessDenied"]);
        let message = &told.failed[1].2;
        assert!(message.starts_with("nothing was imported: Import denied by policy `no` ("), "{message}");
        assert!(message.ends_with("Ask the security team. [decision d-1]"), "{message}");
    }
}

#[test]
fn a_refusal_refuses_the_whole_call() {
    let request = request(&[("a", json!({})), ("b", json!({"Confidence": 1}))]);
    for (enforcement, minimum) in [
        (Enforcement::Refuse, Enforcement::Strip),
        (Enforcement::Strip, Enforcement::Refuse),
        (Enforcement::Reject, Enforcement::Refuse),
    ] {
        let script = |question: &Question<'_>| match question.change.action() {
            Action::Confidence => deny(enforcement),
            _ => allow(),
        };
        let message = refused(&request, &decide_for(script, minimum, &request, Knowledge::Never));
        assert!(message.starts_with("the whole request is refused and nothing was imported"), "{message}");
        assert!(message.contains("finding \"b\": Confidence = 1 denied by policy `no`"), "{message}");
    }
}

#[test]
fn a_finding_that_is_named_another_account_s_is_denied_unasked() {
    let arn = "arn:aws:guardduty:eu-west-1:333333333333:detector/d/finding/f";
    let hub = "arn:aws:securityhub:eu-west-1::product/aws/guardduty";
    let foreign = OWN.replace("222222222222", "333333333333");
    let findings =
        [finding(arn, hub, &json!({})), finding("x", &foreign, &json!({})), finding("y", PARTNER, &json!({}))];
    let request = of(&findings);
    let script = |question: &Question<'_>| {
        assert_eq!(question.target.identifier.id.as_str(), "y");
        assert_eq!(question.target.owner.as_str(), "222222222222");
        allow()
    };
    let decision = decide(script, &request, Knowledge::Never);
    let told = merged(&request, &decision, Some(answering(1, &[])));
    assert_eq!(told.codes(), [format!("{arn} AccessDenied"), "x AccessDenied".to_owned()]);
    let message = &told.failed[1].2;
    assert!(message.contains("a finding of account 333333333333, and its AwsAccountId says 222222222222"), "{message}");
    assert!(message.ends_with("[decision d-1]"), "{message}");
    // For a client that overlooks FailedFindings it is a refusal like any other denial.
    let decision = decide_for(script, Enforcement::Refuse, &request, Knowledge::Never);
    assert!(refused(&request, &decision).contains("account 333333333333"));
}

#[test]
fn what_fails_before_any_policy_fails_alone() {
    let request = request(&[
        ("a", json!({"Confidence": 101})),
        ("b", json!({})),
        ("b", json!({"Confidence": 1})),
        ("a", json!({})),
        ("c", json!({"Filler": "x".repeat(250_000)})),
    ]);
    // Not even a caller with whom every denial is a refusal loses the others: nothing was denied.
    let decision = decide_for(|_| allow(), Enforcement::Refuse, &request, Knowledge::Never);
    assert_eq!(forwarded(&request, &decision).iter().map(|(place, _)| *place).collect::<Vec<_>>(), [1]);
    let told = merged(&request, &decision, Some(answering(1, &[("b", "InternalFailure")])));
    let duplicate = "DuplicatedFindingIdentifier";
    assert_eq!(
        told.codes(),
        [
            "a InvalidInput".to_owned(),
            "b InternalFailure".to_owned(),
            format!("b {duplicate}"),
            format!("a {duplicate}"),
            "c FindingSizeExceeded".to_owned(),
        ]
    );
    assert!(told.failed[0].2.starts_with("Findings[0].Confidence: got 101"), "{:?}", told.failed);
    assert_eq!(told.failed[1].2, "b is InternalFailure");
    assert!(told.failed[2].2.contains("as Findings[1]"), "{:?}", told.failed);
}

#[test]
fn a_finding_is_judged_as_it_is_or_as_it_will_be_if_it_is_new() {
    let resolved = json!({"Confidence": 7, "Workflow": {"Status": "RESOLVED"}});
    let request = of(&[
        finding("new", OWN, &resolved),
        finding("known", OWN, &json!({"Confidence": 7})),
        finding("unknown", OWN, &json!({})),
        finding("another's, says the backend", OWN, &json!({})),
        finding("another's, too", PARTNER, &json!({"Confidence": 3})),
    ]);
    let depends = |question: &Question<'_>| match (question.target.state, question.target.is_new) {
        (None, None) => open(),
        (Some(_), Some(_)) => allow(),
        half => panic!("{half:?}"),
    };
    for nothing in [Knowledge::Never, Knowledge::OfEach(&[])] {
        let decision = decide(depends, &request, nothing);
        assert_eq!(decision.depends_on_state(), [0, 1, 2, 3, 4]);
        assert_eq!(forwarded(&request, &decision), []);
        let told = merged(&request, &decision, None);
        assert!(
            told.failed
                .iter()
                .all(|(_, code, message)| code == "AccessDenied" && message.contains("state-unavailable"))
        );
    }
    let now = state(&json!({"Confidence": 99, "Workflow": {"Status": "SUPPRESSED"}}));
    let others = state(&json!({"AwsAccountId": "333333333333"}));
    let known = [Known::Missing, Known::State(&now), Known::Nothing, Known::State(&others), Known::State(&others)];
    let mut seen = Map::new();
    let decision = decide(
        |question| {
            let Target { identifier, state, is_new, .. } = question.target;
            let state = state.map(|state| (state.confidence, state.workflow_status.as_str()));
            seen.insert(identifier.id.to_string(), json!([is_new, state]));
            depends(question)
        },
        &request,
        Knowledge::OfEach(&known),
    );
    assert_eq!(
        Value::Object(seen),
        json!({
            "new": [true, [7, "RESOLVED"]], "known": [false, [99, "SUPPRESSED"]],
            "unknown": [null, null], "another's, says the backend": [null, null], "another's, too": [true, [3, "NEW"]],
        })
    );
    assert_eq!(decision.depends_on_state(), [2, 3]);
    assert_eq!(forwarded(&request, &decision).iter().map(|(place, _)| *place).collect::<Vec<_>>(), [0, 1, 4]);
}

#[test]
fn the_same_id_of_two_products_is_matched_in_order() {
    let request =
        of(&[finding("x", OWN, &json!({})), finding("y", OWN, &json!({})), finding("x", PARTNER, &json!({}))]);
    let decision = decide(|_| allow(), &request, Knowledge::Never);
    let said = |failed: &[(&str, &str)]| merged(&request, &decision, Some(answering(3, failed))).codes();
    assert_eq!(said(&[("x", "First")]), ["x First"]);
    assert_eq!(said(&[("x", "First"), ("x", "Second")]), ["x First", "x Second"]);
    assert_eq!(said(&[("x", "First"), ("y", "Other"), ("x", "Second")]), ["x First", "y Other", "x Second"]);
}

#[test]
fn an_answer_that_does_not_fit_is_doubtful_and_the_gate_s_counts_stand() {
    let request = request(&[("a", json!({})), ("b", json!({})), ("denied", json!({}))]);
    let script = |question: &Question<'_>| match &*question.target.identifier.id {
        "denied" => deny(Enforcement::Reject),
        _ => allow(),
    };
    let decision = decide(script, &request, Knowledge::Never);
    let counts = |success_count, failed_count, failed| UpstreamImportAnswer {
        failed_count,
        success_count,
        ..answering(2, failed)
    };
    let denied = "denied AccessDenied";
    for (answer, codes, doubt) in [
        (answering(2, &[]), vec![denied], (0, 0)),
        (answering(2, &[("b", "X")]), vec!["b X", denied], (0, 0)),
        // Of somebody else's finding, of one that was not forwarded, of one too often.
        (answering(2, &[("z", "X")]), vec![denied], (1, 0)),
        (answering(2, &[("denied", "X")]), vec![denied], (1, 0)),
        (answering(3, &[("a", "X"), ("a", "Y")]), vec!["a X", denied], (1, 1)),
        // Counts that are off.
        (counts(1, 0, &[]), vec![denied], (0, 1)),
        (counts(0, 0, &[]), vec![denied], (0, 2)),
        (counts(9, 0, &[]), vec![denied], (0, 7)),
        (counts(2, 0, &[("a", "X")]), vec!["a X", denied], (0, 1)),
        (counts(usize::MAX, usize::MAX, &[]), vec![denied], (0, usize::MAX)),
    ] {
        let described = format!("{answer:?}");
        let told = merged(&request, &decision, Some(answer));
        assert_eq!((told.codes(), told.doubt), (codes.into_iter().map(str::to_owned).collect(), doubt), "{described}");
    }
}

/// What the script of a finding says of each of its changes.
fn verdicts() -> impl Strategy<Value = Vec<Option<Enforcement>>> {
    let some =
        select(vec![None, None, None, Some(Enforcement::Strip), Some(Enforcement::Strip), Some(Enforcement::Reject)]);
    prop::collection::vec(some, 5)
}

proptest! {
    #[test]
    fn counts_always_add_up_and_nothing_denied_is_forwarded(
        findings in prop::collection::vec((select(vec!["a", "b", "c", "d"]), verdicts(), any::<bool>()), 1..8),
        failed in prop::collection::vec(select(vec!["a", "b", "c", "d", "z"]), 0..4),
    ) {
        const ACTIONS: [Action; 5] =
            [Action::Import, Action::Confidence, Action::SeverityLabel, Action::RecordState, Action::Types];
        let documents: Vec<Value> = findings
            .iter()
            .enumerate()
            .map(|(place, (id, _, valid))| {
                let confidence = if *valid { json!(place) } else { json!("none") };
                finding(id, OWN, &json!({
                    "Confidence": confidence, "RecordState": "ARCHIVED", "GeneratorId": place.to_string(),
                    "FindingProviderFields": {"Types": ["t"], "Confidence": place, "Severity": {"Label": "HIGH"}},
                }))
            })
            .collect();
        let request = of(&documents);
        let place_of = |question: &Question<'_>| {
            request.identifiers.iter().position(|known| std::ptr::eq(known, question.target.identifier)).unwrap()
        };
        let script = |question: &Question<'_>| {
            let at = ACTIONS.iter().position(|action| *action == question.change.action()).unwrap();
            findings[place_of(question)].1[at].map_or_else(allow, deny)
        };
        let decision = decide(script, &request, Knowledge::Never);
        let sent = forwarded(&request, &decision);
        let failed: Vec<(&str, &str)> = failed.iter().map(|id| (*id, "Upstream")).collect();
        let told = merged(&request, &decision, Some(answering(sent.len(), &failed)));

        // Whatever is forwarded is so in order, once, and holds nothing that was denied, in any place.
        prop_assert!(sent.windows(2).all(|pair| pair[0].0 < pair[1].0));
        let written: Value = serde_json::from_slice(&request.to_json(&sent)).unwrap();
        for ((place, _), written) in sent.iter().zip(written["Findings"].as_array().unwrap()) {
            prop_assert_eq!(&written["GeneratorId"], &json!(place.to_string()));
            let (_, verdicts, valid) = &findings[*place];
            prop_assert!(*valid && verdicts.iter().all(|denied| *denied != Some(Enforcement::Reject)) && verdicts[0].is_none());
            for (action, denied) in ACTIONS.iter().zip(verdicts).skip(1) {
                let name = action.field().unwrap().as_str();
                let provided = written["FindingProviderFields"].get(name);
                prop_assert_eq!(written.get(name).or(provided).is_some(), denied.is_none(), "{} of {}", name, written);
            }
        }
        // Only a finding that was imported as it came is a success.
        let whole = decision.fates.iter().filter(|fate| fate.is_whole()).count();
        prop_assert!(request.identifiers.len() - told.failed.len() <= whole);
        prop_assert!(told.failed.len() + sent.len() >= request.identifiers.len());
    }
}

#[test]
fn the_value_of_a_record_state_is_what_is_asked() {
    let request = request(&[("a", json!({"RecordState": "ARCHIVED"})), ("b", json!({"RecordState": "ACTIVE"}))]);
    let script = |question: &Question<'_>| match question.change.value() {
        Proposed::Record(RecordState::Archived) => deny(Enforcement::Strip),
        _ => allow(),
    };
    let decision = decide(script, &request, Knowledge::Never);
    assert_eq!(merged(&request, &decision, Some(answering(2, &[]))).codes(), ["a PartialImport"]);
}

//! The rules of the gate for updates in terms of OCSF: which finding a name means, and how each outcome is told.

use super::{Script, Scripted, allow, caller, deny};
use crate::{
    finding::{
        Action, BatchUpdateV2, Enforcement, Field, FieldSet, FindingsV2, Identifier, Note, Operation, State,
        UpstreamAnswerV2, Value,
    },
    gate::{
        Asked, Decision, Fate, Findings, Group, GroupAnswer, Knowledge, Known, Merged, Named, Plan,
        decide as decide_by, merge,
    },
    policy::Question,
};
use serde_json::{Value as Json, json};

const OWN: &str = "222222222222";
const OTHER: &str = "333333333333";
/// A product that proves no owner.
const PARTNER: &str = "arn:aws:securityhub:eu-west-1::product/partner/scanner";
const TRIAGE: &str = r#""Comment":"looked into it","SeverityId":2,"StatusId":3"#;

fn own_product(account: &str) -> String {
    format!("arn:aws:securityhub:eu-west-1:{account}:product/{account}/default")
}

fn by_identifiers(names: &[(&str, &str, &str)], members: &str) -> String {
    let name = |(account, id, product): &(&str, &str, &str)| {
        json!({"CloudAccountUid": account, "FindingInfoUid": id, "MetadataProductUid": product}).to_string()
    };
    format!(r#"{{"FindingIdentifiers":[{}],{members}}}"#, names.iter().map(name).collect::<Vec<_>>().join(","))
}

fn by_uids(uids: &[&str], members: &str) -> String {
    format!(r#"{{"MetadataUids":{},{members}}}"#, json!(uids))
}

/// What each name means, where the names say it.
fn named<'a>(request: &BatchUpdateV2<'a>) -> Vec<Named<'a>> {
    match &request.findings {
        FindingsV2::Identifiers(identifiers) => identifiers.iter().map(Named::of).collect(),
        FindingsV2::MetadataUids(_) => panic!("uids say nothing"),
    }
}

fn finding(account: &str, id: &str, product: &str) -> Named<'static> {
    Named::Finding {
        account: account.parse().unwrap(),
        identifier: Identifier { id: id.to_owned().into(), product_arn: product.to_owned().into() },
    }
}

/// Decides, with a note made of the comment, which is forgotten afterwards.
fn fates(
    script: Script,
    request: &BatchUpdateV2<'_>,
    named: &[Named<'_>],
    minimum: Enforcement,
    knowledge: Knowledge<'_>,
) -> (Vec<String>, usize) {
    let note = request.update.note("me");
    let mut judge = Scripted { script, asked: 0, alike: false };
    let asked = Asked::of_update_v2(request, named, note.as_ref(), "2026-01-01T00:00:00Z".parse().unwrap());
    let decision = decide_by(&mut judge, &caller(minimum), asked, knowledge);
    let told = |fate: &Fate<'_>| match fate {
        Fate::Duplicate(first) => format!("duplicate of {first}"),
        Fate::NotFound => "not found".to_owned(),
        Fate::OwnerContradicted(enforcement) => format!("contradicted, {enforcement}"),
        Fate::OwnerUnknown(enforcement) => format!("owner unknown, {enforcement}"),
        Fate::Unresolved(enforcement) => format!("unresolved, {enforcement}"),
        Fate::Ruled(ruling) => ruling.enforcement.map_or("allowed".to_owned(), |enforcement| enforcement.to_string()),
    };
    (decision.fates.iter().map(told).collect(), judge.asked)
}

#[test]
fn the_owner_is_the_account_of_the_name_unless_the_rest_of_it_proves_another() {
    let arn = format!("arn:aws:guardduty:eu-west-1:{OTHER}:detector/d/finding/f");
    let aws = "arn:aws:securityhub:eu-west-1::product/aws/guardduty";
    let own = |question: &Question<'_>| {
        if question.target.owner.as_str() == OWN { allow() } else { deny(Enforcement::Reject, "reach") }
    };
    for (name, expected) in [
        ((OWN, "f", PARTNER), "allowed"),
        ((OTHER, "f", PARTNER), "reject"),
        ((OWN, "f", &*own_product(OWN)), "allowed"),
        ((OWN, "f", &*own_product(OTHER)), "contradicted, reject"),
        ((OTHER, "f", &*own_product(OWN)), "contradicted, reject"),
        ((OWN, &*arn, aws), "contradicted, reject"),
        ((OTHER, &*arn, aws), "reject"),
        ((OWN, "no arn", aws), "allowed"),
    ] {
        let body = by_identifiers(&[name], r#""StatusId":1"#);
        let request = BatchUpdateV2::parse(body.as_bytes()).unwrap();
        let (fates, _) = fates(own, &request, &named(&request), Enforcement::Strip, Knowledge::Never);
        assert_eq!(fates, [expected], "{name:?}");
    }
}

#[test]
fn uids_are_what_they_were_resolved_to() {
    let body = by_uids(&["a", "b", "c", "d", "a", "c"], r#""StatusId":1"#);
    let request = BatchUpdateV2::parse(body.as_bytes()).unwrap();
    let named = [
        finding(OWN, "f", PARTNER),
        Named::Missing,
        Named::Unresolved,
        finding(OTHER, "f", &own_product(OWN)),
        finding(OWN, "f", PARTNER),
        Named::Unresolved,
    ];
    let (told, asked) = fates(|_| allow(), &request, &named, Enforcement::Strip, Knowledge::Never);
    assert_eq!(
        told,
        ["allowed", "not found", "unresolved, reject", "contradicted, reject", "duplicate of 0", "duplicate of 2"]
    );
    assert_eq!(asked, 1);
    let (told, _) = fates(|_| allow(), &request, &named, Enforcement::Refuse, Knowledge::Never);
    assert_eq!(told[2..4], ["unresolved, refuse", "contradicted, refuse"]);
}

#[test]
fn findings_that_differ_in_the_account_alone_are_two() {
    let names = [(OWN, "f", PARTNER), (OTHER, "f", PARTNER), (OWN, "f", PARTNER)];
    let body = by_identifiers(&names, r#""StatusId":1"#);
    let request = BatchUpdateV2::parse(body.as_bytes()).unwrap();
    let (told, asked) = fates(|_| allow(), &request, &named(&request), Enforcement::Strip, Knowledge::Never);
    assert_eq!((told, asked), (vec!["allowed".into(), "allowed".into(), "duplicate of 0".into()], 2));
}

#[test]
fn another_account_s_finding_of_the_name_is_none_to_a_member() {
    let body = by_identifiers(&[(OWN, "f", PARTNER)], r#""StatusId":1"#);
    let request = BatchUpdateV2::parse(body.as_bytes()).unwrap();
    let named = named(&request);
    let script: Script = |question| {
        assert_eq!(question.target.owner.as_str(), OWN);
        if question.target.state.is_some() { allow() } else { deny(Enforcement::Reject, "needs-state") }
    };
    for (account, expected) in [(OWN, "allowed"), (OTHER, "not found")] {
        let state = json!({
            "AwsAccountId": account, "CreatedAt": "2024-05-01T00:00:00Z", "UpdatedAt": "2024-05-02T00:00:00Z",
            "GeneratorId": "rule", "Severity": {"Label": "HIGH"}, "Workflow": {"Status": "NEW"}, "RecordState": "ACTIVE",
        });
        let state = State::parse(state.as_object().unwrap()).unwrap();
        let known = [Known::State(&state)];
        let (fates, _) = fates(script, &request, &named, Enforcement::Strip, Knowledge::OfEach(&known));
        assert_eq!(fates, [expected]);
    }
    let (fates, _) = fates(script, &request, &named, Enforcement::Strip, Knowledge::OfEach(&[Known::Missing]));
    assert_eq!(fates, ["not found"]);
}

#[test]
fn policies_see_the_update_in_terms_of_asff() {
    let body = by_identifiers(&[(OWN, "f", PARTNER)], TRIAGE);
    let request = BatchUpdateV2::parse(body.as_bytes()).unwrap();
    let script: Script = |question| {
        let Question { circumstances, target, kept, .. } = question;
        assert_eq!((&*target.identifier.id, &*target.identifier.product_arn), ("f", PARTNER));
        assert_eq!(circumstances.operation, Operation::BatchUpdateFindingsV2);
        assert_eq!(circumstances.note.map(|note| &*note.text), Some("looked into it"));
        assert_eq!(*kept, [Field::Note, Field::Severity, Field::Workflow].into_iter().collect::<FieldSet>());
        if let Value::Note(note) = question.change.value() {
            assert_eq!((&*note.text, &*note.updated_by), ("looked into it", "me"));
        }
        allow()
    };
    let (told, asked) = fates(script, &request, &named(&request), Enforcement::Strip, Knowledge::Never);
    assert_eq!((told, asked), (vec!["allowed".to_owned()], 3));
}

/// One request with its decision.
struct Case<'u> {
    request: &'u BatchUpdateV2<'u>,
    decision: Decision<'u>,
    groups: Vec<Group>,
}

impl<'u> Case<'u> {
    fn new(script: Script, request: &'u BatchUpdateV2<'u>, named: &'u [Named<'u>], note: Option<&'u Note<'u>>) -> Self {
        let asked = Asked::of_update_v2(request, named, note, "2026-01-01T00:00:00Z".parse().unwrap());
        let mut judge = Scripted { script, asked: 0, alike: false };
        let decision = decide_by(&mut judge, &caller(Enforcement::Strip), asked, Knowledge::Never);
        let Plan::Forward { groups } = Plan::new(request, &decision, "d-1") else { panic!("refused") };
        Self { request, decision, groups }
    }

    fn merged(&self, answers: Vec<GroupAnswer<UpstreamAnswerV2<'_>>>) -> (Json, usize, usize) {
        match merge(self.request, &self.decision, &self.groups, answers, "d-1") {
            Merged::Body { body, not_asked, not_answered, .. } => {
                (serde_json::from_slice(&body).unwrap(), not_asked, not_answered)
            }
            Merged::PassFailure(at) => panic!("the failure of group {at} is passed through"),
        }
    }
}

/// `uid code message` for each unprocessed finding.
fn unprocessed(answer: &Json) -> Vec<String> {
    let text = |value: &Json| value.as_str().unwrap().to_owned();
    let entry = |entry: &Json| {
        let message = text(&entry["ErrorMessage"]);
        format!("{} {} {message}", text(&entry["MetadataUid"]), text(&entry["ErrorCode"]))
    };
    answer["UnprocessedFindings"].as_array().unwrap().iter().map(entry).collect()
}

#[test]
fn every_outcome_has_a_code_of_the_model() {
    let body = by_uids(&["all", "stripped", "denied", "gone", "unknown", "all", "said", "forgotten"], TRIAGE);
    let request = BatchUpdateV2::parse(body.as_bytes()).unwrap();
    let of = |id| finding(OWN, id, PARTNER);
    let named = [
        of("all"),
        of("stripped"),
        of("denied"),
        Named::Missing,
        Named::Unresolved,
        of("all"),
        of("said"),
        of("forgotten"),
    ];
    let note = request.update.note("me");
    let script: Script = |question| match (&*question.target.identifier.id, question.change.action()) {
        ("stripped", Action::SeverityLabel) => deny(Enforcement::Strip, "no-regrading"),
        ("denied", Action::WorkflowStatus) => deny(Enforcement::Reject, "no-suppression"),
        _ => allow(),
    };
    let case = Case::new(script, &request, &named, note.as_ref());
    let fields: Vec<_> = case.groups.iter().map(|group| (group.findings.clone(), group.fields.len())).collect();
    assert_eq!(fields, [(vec![0, 6, 7], 3), (vec![1], 2)]);
    let first = json!({
        "ProcessedFindings": [{"MetadataUid": "all"}, {"MetadataUid": "stripped"}, {"MetadataUid": "made-up"}],
        "UnprocessedFindings": [{"MetadataUid": "said", "ErrorCode": "ConflictException", "ErrorMessage": "at once"}],
    })
    .to_string();
    let second = json!({"ProcessedFindings": [{"MetadataUid": "stripped"}]}).to_string();
    let listed = |text| GroupAnswer::Listed(serde_json::from_str::<UpstreamAnswerV2<'_>>(text).unwrap());
    let (answer, not_asked, not_answered) = case.merged(vec![listed(&first), listed(&second)]);
    assert_eq!(answer["ProcessedFindings"], json!([{"MetadataUid": "all"}, {"MetadataUid": "stripped"}]));
    let told = unprocessed(&answer);
    let expected = [
        "stripped ValidationException PartialUpdate: updated without SeverityId: Severity.Label = LOW denied by policy \
         `no-regrading` (strip): Ask the security team. [decision d-1]",
        "denied ValidationException AccessDenied: nothing was changed: Workflow.Status = SUPPRESSED denied by policy \
         `no-suppression` (reject)",
        "gone ResourceNotFoundException Finding Not Found",
        "unknown ValidationException AccessDenied: nothing was changed: which finding this MetadataUid names",
        "all ValidationException DuplicatedFindingIdentifier: ",
        "said ConflictException at once",
        "forgotten InternalServerException the findings backend did not say",
    ];
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    for (told, expected) in told.iter().zip(expected) {
        assert!(told.starts_with(expected), "{told}");
    }
    assert_eq!((not_asked, not_answered), (2, 1));
}

#[test]
fn what_the_backend_says_keeps_to_the_model_s_codes() {
    let body = by_uids(&["a", "stripped"], TRIAGE);
    let request = BatchUpdateV2::parse(body.as_bytes()).unwrap();
    let named = [finding(OWN, "a", PARTNER), finding(OWN, "stripped", PARTNER)];
    let note = request.update.note("me");
    let script: Script = |question| match (&*question.target.identifier.id, question.change.action()) {
        ("stripped", Action::SeverityLabel) => deny(Enforcement::Strip, "no-regrading"),
        _ => allow(),
    };
    let case = Case::new(script, &request, &named, note.as_ref());
    for (code, expected) in [
        (Some("ResourceNotFoundException"), "a ResourceNotFoundException m"),
        (Some("ThrottlingException"), "a InternalServerException ThrottlingException: m"),
        (Some("AccessDeniedException"), "a ValidationException AccessDeniedException: m"),
        (None, "a InternalServerException m"),
    ] {
        let failed = GroupAnswer::Failed { status: 500, code: code.map(str::to_owned), message: "m".to_owned() };
        let (answer, ..) = case.merged(vec![failed, GroupAnswer::AllProcessed]);
        assert_eq!(unprocessed(&answer)[0], expected);
        assert_eq!(answer["ProcessedFindings"], json!([{"MetadataUid": "stripped"}]));
    }
}

#[test]
fn a_request_is_written_with_the_members_that_are_kept() {
    use crate::gate::Wire;
    let body = by_identifiers(&[(OWN, "f", PARTNER), (OWN, "g", PARTNER)], TRIAGE);
    let request = BatchUpdateV2::parse(body.as_bytes()).unwrap();
    let mut out = Vec::new();
    request.write_request(&[1], FieldSet::EMPTY.with(Field::Workflow), &mut out);
    assert_eq!(String::from_utf8(out).unwrap(), by_identifiers(&[(OWN, "g", PARTNER)], r#""StatusId":3"#));
    assert_eq!((request.name(1), BatchUpdateV2::word(Field::Note)), ("g", "Comment"));
    let named = named(&request);
    let findings = Findings::Ocsf { names: &request.findings, named: &named };
    assert_eq!(findings.identifier(1).map(|identifier| &*identifier.id), Some("g"));
    assert_eq!(Findings::Ocsf { names: &request.findings, named: &[Named::Missing] }.identifier(0), None);
}

use super::*;
use crate::{
    finding::{Enforcement, Role},
    policy::{Engine, PACKS, PolicyText, Truth, load, pack},
    workbench::{self, CallerFixture, Example, FindingFixture, Fleet},
};
use serde_json::json;

fn snapshot(texts: &[PolicyText], caller: &CallerFixture) -> Arc<Snapshot> {
    let rules = load(texts).unwrap().rules().to_vec();
    let accounts = Fleet::of([caller]).unwrap().accounts();
    Arc::new(Snapshot::new(rules, Arc::new(accounts), Enforcement::Reject).unwrap())
}

fn member() -> CallerFixture {
    CallerFixture::plain(Role::Member, "222222222222".parse().unwrap())
}

fn explained(snapshot: &Arc<Snapshot>, example: &Example, states: &States) -> Explanation {
    let body = example.body().to_string();
    let inquiry = Inquiry {
        operation: example.call.operation(),
        body: body.as_bytes(),
        caller: example.caller.caller(),
        now: example.now,
        states,
        snapshot,
    };
    explain(&inquiry).unwrap()
}

/// An explanation's verdicts are those of an example that is asked the way of a live request, for every pack and operation.
#[test]
fn an_explanation_says_what_the_gate_does() {
    use workbench::Call;
    let members = |value: Value| value.as_object().unwrap().clone();
    let calls = [
        Call::Update(members(json!({ "Workflow": { "Status": "NOTIFIED" }, "Severity": { "Normalized": 1 } }))),
        Call::Update(members(
            json!({ "Workflow": { "Status": "SUPPRESSED" }, "Note": { "Text": "SEC-1", "UpdatedBy": "a" } }),
        )),
        Call::Update(members(json!({ "UserDefinedFields": { "ticket": "1", "other": "2" }, "Types": ["Effects"] }))),
        Call::Update(members(json!({ "Confidence": 3, "VerificationState": "TRUE_POSITIVE" }))),
        Call::UpdateV2(members(json!({ "StatusId": 3, "Comment": "x" }))),
        Call::UpdateV2(members(json!({ "SeverityId": 1 }))),
        Call::Import(members(json!({ "RecordState": "ARCHIVED" }))),
        Call::Import(members(json!({ "Types": ["Effects"] }))),
    ];
    for name in PACKS.iter().copied() {
        let texts: Vec<PolicyText> = pack(name).unwrap().into_iter().collect();
        let snapshot = snapshot(&texts, &member());
        let mut engine = Engine::new(snapshot.clone());
        for call in &calls {
            let caller = member();
            let mut example = Example {
                finding: FindingFixture::plain(caller.account),
                caller,
                call: call.clone(),
                now: Example::NOW,
            };
            for states in [States::Plain, States::NotGiven] {
                example.finding.known = matches!(states, States::Plain);
                let decided = workbench::ask(&mut engine, &example).unwrap();
                let explanation = explained(&snapshot, &example, &states);
                let [finding] = &explanation.findings[..] else { panic!("{explanation:?}") };
                assert_eq!(finding.outcome, decided.outcome, "{name} {example}");
                assert_eq!(finding.state != StateLook::NotNeeded, decided.looked_up, "{name} {example}");
                assert_eq!(finding.changes.len(), decided.answered.len(), "{name} {example}");
                for (look, answered) in finding.changes.iter().zip(&decided.answered) {
                    assert_eq!(look.change, answered.shown);
                    let denial = answered.verdict.enforced.denial();
                    assert_eq!(look.verdict.allowed, denial.is_none());
                    assert_eq!(look.verdict.reason, denial.map(|denial| denial.reason.as_str()));
                    check(look, &explanation);
                }
                // What is denied is told to the client, and what is not is forwarded.
                assert_eq!(finding.told.is_empty(), finding.outcome == Outcome::Forwarded, "{name} {example}");
                let nothing = match &example.call {
                    Call::Import(_) => finding.outcome == Outcome::Rejected,
                    _ => finding.forwarded.is_empty(),
                };
                assert_eq!(explanation.forwarded.is_empty(), nothing, "{name} {example}");
            }
        }
    }
}

/// What is said of policies agrees with the verdict.
fn check(look: &ChangeLook, explanation: &Explanation) {
    let spoken_of = |id: &Arc<str>| explanation.policies.iter().any(|policy| policy.id == *id);
    assert!(look.verdict.policies.iter().all(spoken_of), "{look:?}");
    let reason = look.verdict.reason;
    for decided in &look.decided_by {
        let expected = if reason == Some("state-unavailable") { Truth::Failed } else { Truth::True };
        assert_eq!(decided.applies, expected, "{look:?}");
        assert_eq!(decided.lacks.is_empty(), expected == Truth::True, "{look:?}");
    }
    for other in look.nearest.iter().chain(&look.not_forbidden_by) {
        assert!(other.applies != Truth::True && other.distance() > 0, "{look:?}");
        assert!(other.lacks.iter().all(|lack| !lack.is.is(lack.wanted) && !lack.atoms.is_empty()), "{look:?}");
    }
    assert!(look.nearest.is_sorted_by_key(PolicyLook::distance), "{look:?}");
    assert!(reason == Some("no-grant") || look.nearest.is_empty(), "{look:?}");
}

#[test]
fn each_finding_has_its_own_explanation_and_entries() {
    let snapshot = snapshot(&pack("baseline").unwrap().into_iter().collect::<Vec<_>>(), &member());
    let product = |account: &str| format!("arn:aws:securityhub:eu-west-1:{account}:product/{account}/default");
    let (own, other) = (product("222222222222"), product("333333333333"));
    let body = json!({
        "FindingIdentifiers": [
            { "Id": "a", "ProductArn": own }, { "Id": "a", "ProductArn": own }, { "Id": "b", "ProductArn": other },
            { "Id": "c", "ProductArn": own }, { "ProductArn": "arn:aws:securityhub:eu-west-1::product/x/y", "Id": "d" },
        ],
        "Workflow": { "Status": "NOTIFIED" }, "Confidence": 3,
    })
    .to_string();
    let states = States::default();
    let inquiry = Inquiry {
        operation: Operation::BatchUpdateFindings,
        body: body.as_bytes(),
        caller: member().caller(),
        now: Example::NOW,
        states: &states,
        snapshot: &snapshot,
    };
    let explanation = explain(&inquiry).unwrap();
    let told: Vec<_> = explanation
        .findings
        .iter()
        .map(|finding| (finding.outcome, finding.asked, finding.told.len(), finding.told[0]["ErrorCode"].clone()))
        .collect();
    assert_eq!(
        told,
        [
            (Outcome::Stripped, Unasked::Asked, 1, json!("PartialUpdate")),
            (Outcome::Rejected, Unasked::Duplicate, 1, json!("DuplicatedFindingIdentifier")),
            (Outcome::Rejected, Unasked::Asked, 1, json!("AccessDenied")),
            (Outcome::Stripped, Unasked::Asked, 1, json!("PartialUpdate")),
            (Outcome::Rejected, Unasked::OwnerUnknown, 1, json!("AccessDenied")),
        ]
    );
    let [sent] = &explanation.forwarded[..] else { panic!("{explanation:?}") };
    assert_eq!(sent["FindingIdentifiers"].as_array().unwrap().len(), 2);
    assert!(explanation.human(workbench::Paint::PLAIN).contains("\nFindings 1, 4 of 5: STRIPPED: Workflow is left\n"));
}

#[test]
fn only_operations_that_change_findings_are_explained() {
    let snapshot = snapshot(&pack("baseline").unwrap().into_iter().collect::<Vec<_>>(), &member());
    let inquiry = Inquiry {
        operation: Operation::GetFindings,
        body: b"{}",
        caller: member().caller(),
        now: Example::NOW,
        states: &States::NotGiven,
        snapshot: &snapshot,
    };
    assert!(explain(&inquiry).unwrap_err().to_string().starts_with("GetFindings changes no findings"));
}

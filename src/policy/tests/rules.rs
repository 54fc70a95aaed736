//! What an automation rule would do is asked of policies that cannot tell its findings apart, and of no others.

use super::{ADMINISTRATOR, PAYMENTS, caller, now, snapshot};
use crate::{
    finding::{Action, Caller, CreateRule, Enforcement, Operation},
    gate::RuleDecision,
    policy::{Engine, Judge, Naive},
};

const EVERYBODY: &str = r#"@id("everybody") permit (principal, action, resource);"#;
/// The reach of the packs, which every set of policies is to have.
const REACH: &str = r#"
@id("members-stay") @enforce("reject")
forbid (principal is Member, action, resource) unless { resource in principal.account };
@id("fleet") @enforce("reject")
forbid (principal is Administrator, action, resource) unless { resource in principal.fleet };
"#;

/// What the administrator is told of a rule with this update; empty if it is allowed.
fn told(policies: &str, update: &str) -> String {
    let body = format!(
        r#"{{"RuleOrder":1,"RuleName":"r","Description":"d","Criteria":{{"Confidence":[{{"Eq":50}}]}},
            "Actions":[{{"Type":"FINDING_FIELDS_UPDATE","FindingFieldsUpdate":{{{update}}}}}]}}"#
    );
    let request = CreateRule::parse(body.as_bytes()).unwrap();
    let (snapshot, caller) = (snapshot(policies), caller(ADMINISTRATOR));
    let (enforcement, message) = of(&mut Engine::new(snapshot.clone()), &caller, &request);
    assert_eq!((enforcement, message.clone()), of(&mut Naive::new(snapshot).unwrap(), &caller, &request));
    assert_eq!(enforcement.is_some(), message.is_some());
    assert_ne!(enforcement, Some(Enforcement::Strip), "nothing is stripped off a rule");
    message.unwrap_or_default()
}

fn of(judge: &mut impl Judge, caller: &Caller, request: &CreateRule<'_>) -> (Option<Enforcement>, Option<String>) {
    let decision = RuleDecision::of(judge, caller, Some(&request.update), Operation::CreateAutomationRule, now());
    (decision.enforcement, decision.denial("d-1"))
}

const SUPPRESS: &str = r#""Workflow":{"Status":"SUPPRESSED"}"#;

#[test]
fn policies_that_say_the_same_of_every_finding_are_asked() {
    for (policy, update, expected) in [
        ("", SUPPRESS, ""),
        (
            r#"@id("p") @enforce("strip") @advice("No.") forbid (principal, action == Action::"Workflow.Status", resource)
               when { context.value == WorkflowStatus::"SUPPRESSED" };"#,
            SUPPRESS,
            "Workflow.Status = SUPPRESSED denied by policy `p` (strip): No.",
        ),
        (
            r#"@id("p") forbid (principal, action == Action::"Workflow.Status", resource)
               when { context.value == WorkflowStatus::"NEW" };"#,
            SUPPRESS,
            "",
        ),
        (
            r#"@id("p") @enforce("refuse") forbid (principal, action, resource)
               when { context.operation == Operation::"CreateAutomationRule" };"#,
            SUPPRESS,
            "denied by policy `p` (refuse)",
        ),
        (
            r#"@id("p") forbid (principal, action == Action::"Workflow.Status", resource)
               unless { context has note && context.note.text like "*SEC-*" };"#,
            r#""Workflow":{"Status":"SUPPRESSED"},"Note":{"Text":"SEC-1","UpdatedBy":"a"}"#,
            "",
        ),
        // A number says a label here, too.
        (
            r#"@id("p") forbid (principal, action == Action::"Severity.Label", resource)
               when { context.value == SeverityLabel::"LOW" };"#,
            r#""Severity":{"Normalized":10}"#,
            "Severity.Label = LOW denied by policy `p`",
        ),
        // Nothing is stripped, so nothing is asked again without it.
        (
            r#"@id("n") @enforce("strip") forbid (principal, action == Action::"Note", resource);
               @id("p") forbid (principal, action == Action::"Workflow.Status", resource) unless { context has note };"#,
            r#""Workflow":{"Status":"NEW"},"Note":{"Text":"t","UpdatedBy":"a"}"#,
            "refused: Note denied by policy `n` (strip) [decision",
        ),
        (r#"@id("p") forbid (principal is Member, action, resource) when { resource.id like "x*" };"#, SUPPRESS, ""),
    ] {
        let told = told(&format!("{EVERYBODY}{REACH}{policy}"), update);
        assert!(told.contains(expected) && (told.is_empty() == expected.is_empty()), "{policy}: {told}");
    }
    let nobody = told(REACH, SUPPRESS);
    assert!(nobody.contains("Workflow.Status = SUPPRESSED denied because no policy permits it (no-grant"), "{nobody}");
}

#[test]
fn policies_that_look_at_the_finding_cannot_be_asked() {
    for condition in [
        r#"resource.id like "x*""#,
        r#"resource.productArn == "p""#,
        r#"resource in Account::"222222222222""#,
        "resource in principal.account",
        r#"resource in Group::"pci""#,
        r#"resource.workflowStatus == WorkflowStatus::"NEW""#,
        "resource.isNew",
        r#"resource.userDefinedFields.hasTag("x")"#,
    ] {
        for (effect, more) in [("forbid", ""), ("permit", EVERYBODY)] {
            let base = if effect == "forbid" { EVERYBODY } else { more };
            let told = told(
                &format!(
                    r#"{base}{REACH}@id("p") {effect} (principal, action == Action::"Workflow.Status", resource)
                when {{ {condition} }};"#
                ),
                SUPPRESS,
            );
            assert!(
                told.contains("policies that look at the finding cannot be asked about a rule"),
                "{condition}: {told}"
            );
            assert!(told.contains("and policy `p` does (state-unavailable, reject)"), "{condition}: {told}");
        }
    }
    // Of another action, it does not matter; and what is in shadow changes no verdict.
    for policy in [
        r#"@id("p") forbid (principal, action == Action::"Note", resource) when { resource.id like "x*" };"#,
        r#"@id("p") @shadow forbid (principal, action, resource) when { resource.id like "x*" };"#,
        r#"@id("p") @shadow forbid (principal, action, resource) when { resource.isNew };"#,
    ] {
        assert_eq!(told(&format!("{EVERYBODY}{REACH}{policy}"), SUPPRESS), "", "{policy}");
    }
}

#[test]
fn what_a_rule_may_drop_must_plainly_be_allowed() {
    let types = r#""Types":["TTPs/x"]"#;
    assert_eq!(told(&format!("{EVERYBODY}{REACH}"), types), "");
    for policy in [
        r#"@id("p") forbid (principal, action == Action::"Types.Remove", resource);"#,
        r#"@id("p") forbid (principal, action == Action::"Types.Remove", resource) when { context.value like "TTPs/*" };"#,
        r#"@id("p") forbid (principal, action == Action::"Types.Remove", resource) when { resource.isNew };"#,
    ] {
        let told = told(&format!("{EVERYBODY}{REACH}{policy}"), types);
        assert!(told.contains("Types.Remove of what the finding has denied"), "{policy}: {told}");
        assert!(told.contains("`p`") && told.contains("state-unavailable"), "{policy}: {told}");
    }
}

#[test]
fn a_rule_that_does_not_say_what_it_does_is_denied() {
    let mut engine = Engine::new(snapshot(EVERYBODY));
    let mut caller = caller(ADMINISTRATOR);
    let operation = Operation::BatchUpdateAutomationRules;
    for (minimum, expected) in [(Enforcement::Strip, Enforcement::Reject), (Enforcement::Refuse, Enforcement::Refuse)] {
        caller.minimum_enforcement = minimum;
        let decision = RuleDecision::of(&mut engine, &caller, None, operation, now());
        assert_eq!(decision.enforcement, Some(expected));
        assert!(decision.decision.is_none());
        let told = decision.denial("d-1").unwrap();
        assert!(told.contains("leaves out its Actions") && told.ends_with("[decision d-1]"), "{told}");
    }
}

#[test]
fn the_policies_that_tell_findings_apart_are_named_for_the_caller_and_the_action() {
    let policies = format!(
        r#"{EVERYBODY}{REACH}
        @id("z") forbid (principal, action == Action::"Note", resource) when {{ resource.isNew }};
        @id("a") forbid (principal, action, resource) when {{ resource.id like "x*" }};
        @id("s") @shadow forbid (principal, action, resource) when {{ resource.id like "y*" }};"#
    );
    let snapshot = snapshot(&policies);
    let mut engine = Engine::new(snapshot.clone());
    let mut naive = Naive::new(snapshot).unwrap();
    for (account, action, expected) in [
        (ADMINISTRATOR, Action::Note, &["a", "z"][..]),
        (ADMINISTRATOR, Action::Confidence, &["a"]),
        (PAYMENTS, Action::Confidence, &["a", "members-stay"]),
    ] {
        let caller = caller(account);
        let judges: [&mut dyn Judge; 2] = [&mut engine, &mut naive];
        for judge in judges {
            let names = judge.policies_that_tell_findings_apart(&caller, action);
            assert_eq!(names.iter().map(|name| &**name).collect::<Vec<_>>(), expected);
            assert!(judge.tells_findings_apart(&caller, action));
        }
    }
}

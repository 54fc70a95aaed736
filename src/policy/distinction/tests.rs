use super::*;
use crate::policy::{PolicyText, load};

fn conditions(policies: &str, role: Role, action: Action) -> Vec<(String, Vec<Term>)> {
    let text = PolicyText { name: "test.cedar".into(), text: policies.to_owned() };
    let rules = load(&[text]).unwrap().rules().to_vec();
    let conditions = Distinctions::of(&rules, role, action, &[]).unwrap();
    let shown = |condition: &Distinction| (condition.text.to_string(), condition.terms.iter().cloned().collect());
    conditions.all().iter().map(shown).collect()
}

const POLICIES: &str = r#"
@id("a")
permit (principal is Member, action == Action::"Workflow.Status", resource in Group::"ou/prod")
when { context.value == WorkflowStatus::"RESOLVED" && !(resource has note || resource.userDefinedFields.hasTag("due")) }
unless { if principal in Group::"x" then context.now > datetime("2026-01-01") else false };

@id("b")
forbid (principal, action, resource)
unless { resource in Group::"ou/prod" };
"#;

#[test]
fn conditions_are_what_is_joined_and_each_comes_once() {
    let found = conditions(POLICIES, Role::Member, Action::WorkflowStatus);
    let terms: Vec<_> = found.iter().map(|(_, terms)| terms.clone()).collect();
    assert_eq!(
        terms,
        [
            vec![Term::Owner],
            vec![Term::Proposed(Part::Value)],
            vec![Term::Attribute("note")],
            vec![Term::Key("due".into())],
            vec![Term::Now],
        ],
        "{found:?}"
    );
    // The first applies to members and to that action alone.
    assert_eq!(conditions(POLICIES, Role::Administrator, Action::WorkflowStatus).len(), 1);
    assert_eq!(conditions(POLICIES, Role::Member, Action::Note).len(), 1);
}

#[test]
fn constants_are_kept_by_their_kind() {
    let text = PolicyText { name: "test.cedar".into(), text: POLICIES.to_owned() };
    let rules = load(&[text]).unwrap().rules().to_vec();
    let conditions = Distinctions::of(&rules, Role::Member, Action::WorkflowStatus, &[]).unwrap();
    let mut all = Literals::default();
    conditions.all().iter().for_each(|condition| all.extend(&condition.literals));
    assert_eq!(all.instants.len(), 1);
    assert_eq!(all.ids("WorkflowStatus").collect::<Vec<_>>(), ["RESOLVED"]);
    let named = Named::of(&rules).unwrap();
    assert_eq!(named.groups, ["ou/prod".to_owned(), "x".to_owned()].into());
}

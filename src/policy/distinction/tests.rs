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

#[test]
fn names_count_wherever_they_are_looked_for() {
    let terms = |condition: &str| {
        let policy = format!("permit (principal, action, resource) when {{ {condition} }};");
        let tree = Policy::parse(None, policy).unwrap().to_pst().unwrap();
        let (Clause::When(expression) | Clause::Unless(expression)) = &tree.body().clauses()[0];
        collect::collect(expression).0.into_iter().collect::<Vec<_>>()
    };
    let value = Term::Proposed(Part::Value);
    assert_eq!(terms("{c: context}.c has date"), std::slice::from_ref(&value));
    assert_eq!(terms("{c: {d: context}}.c.d.key == \"x\""), [Term::Proposed(Part::Key)]);
    assert_eq!(terms("{a: resource}.a has note"), [Term::Owner, Term::Identity, Term::Attribute("note"), Term::Note]);
    assert_eq!(terms("resource.severity.rank > context.rank"), [value.clone(), Term::Attribute("severity")]);
    assert_eq!(terms("context.value.text == principal.arn"), [value]);
    assert_eq!(
        terms("context.userDefinedFields.getTag(\"due\").date > context.now"),
        [Term::ProposedKey("due".into()), Term::Now]
    );
    assert_eq!(terms("principal in Group::\"x\" || true"), []);
}

use super::*;
use crate::{
    finding::Enforcement,
    policy::{PolicyText, Rule, load, pack},
};

fn rules(text: &str) -> Vec<Rule> {
    load(&[PolicyText { name: "a.cedar".into(), text: text.into() }]).unwrap().rules().to_vec()
}

fn shipped(name: &str) -> Vec<Rule> {
    load(&pack(name).unwrap().into_iter().collect::<Vec<_>>()).unwrap().rules().to_vec()
}

fn diff(old: &[Rule], new: &[Rule]) -> Diff {
    let side = |rules| Side { rules, default_enforcement: Enforcement::Reject };
    Diff::of(side(old), side(new)).unwrap()
}

fn told(diff: &Diff) -> Vec<String> {
    let line = |moved: &Moved| {
        let actions: Vec<&str> = moved.actions.iter().map(|action| action.as_str()).collect();
        format!("{} {} {}", moved.direction.as_str(), moved.callers.join("+"), actions.join("+"))
    };
    diff.moved.iter().map(line).collect()
}

#[test]
fn a_set_is_the_same_as_itself() {
    for name in ["baseline", "strict", "transitions"] {
        let rules = shipped(name);
        assert!(diff(&rules, &rules).moved.is_empty(), "{name}");
    }
}

#[test]
fn a_slip_is_told_in_its_direction() {
    let old = "
        @id(\"a\") permit (principal, action in Action::\"Triage\", resource);
        @id(\"b\") @enforce(\"reject\") forbid (principal is Member, action == Action::\"Workflow.Status\", resource)
        when { context.value == WorkflowStatus::\"SUPPRESSED\" };";
    let wider = old.replace("SUPPRESSED", "RESOLVED");
    let found = told(&diff(&rules(old), &rules(&wider)));
    assert_eq!(found, ["widened member Workflow.Status", "narrowed member Workflow.Status"]);
    let milder = old.replace("reject", "strip");
    assert_eq!(told(&diff(&rules(old), &rules(&milder))), ["milder member Workflow.Status"]);
    assert_eq!(told(&diff(&rules(&milder), &rules(old))), ["stricter member Workflow.Status"]);
    let renamed = old.replace("@id(\"b\")", "@id(\"c\")");
    assert_eq!(told(&diff(&rules(old), &rules(&renamed))), ["otherwise member Workflow.Status"]);
}

#[test]
fn every_example_shows_what_is_told() {
    let (old, new) = (shipped("strict"), shipped("baseline"));
    let diff = diff(&old, &new);
    assert!(diff.has(&[Direction::Widened]) && !diff.has(&[Direction::Narrowed]));
    for moved in &diff.moved {
        assert!(Direction::of(&moved.old, &moved.new) == Some(moved.direction), "{moved:?}");
    }
}

#[test]
fn a_moved_date_is_found_without_a_proof() {
    let at = |condition: &str| {
        rules(&format!(
            "@id(\"all\") permit (principal, action, resource);
            @id(\"late\") forbid (principal is Member, action == Action::\"Note\", resource) when {{ {condition} }};"
        ))
    };
    let first = |old: &[Rule], new: &[Rule]| {
        let side = |rules| Side { rules, default_enforcement: Enforcement::Reject };
        first_difference(side(old), side(new), |_, _| true).unwrap()
    };
    let old = at(r#"context.now >= datetime("2026-12-20")"#);
    for (new, expected, now) in [
        (r#"context.now >= datetime("2026-12-31")"#, "widened member Note", "2026-12-20T00:00:00Z"),
        (r#"context.now >= datetime("2026-12-01")"#, "narrowed member Note", "2026-12-01T00:00:00Z"),
        (r#"context.now > datetime("2026-12-20")"#, "widened member Note", "2026-12-20T00:00:00Z"),
    ] {
        let new = at(new);
        let diff = diff(&old, &new);
        assert_eq!(told(&diff), [expected], "{new:?}");
        assert_eq!(diff.moved[0].example.now.to_string(), now);
        assert!(human(&diff, crate::workbench::Paint::PLAIN).contains(&format!(", at {now}")));
        let found = first(&old, &new).unwrap();
        assert_eq!((found.action.as_str(), found.example.now.to_string().as_str()), ("Note", now));
    }
    assert!(first(&old, &old).is_none());
}

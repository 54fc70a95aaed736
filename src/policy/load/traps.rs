//! Cedar fails open on errors: the two ways into that which the loader closes.

use super::super::testing::{PAYMENTS, Question, enforced};
use super::*;
use cedar_policy::Decision;
use serde_json::json;
use std::process::Command;

/// What the rest of the program may count on for evaluation: the default of threads that Rust starts. Without
/// optimisation a step of Cedar's evaluator takes eight times the stack.
const EVALUATION_STACK: usize = if cfg!(debug_assertions) { 16 << 20 } else { 2 << 20 };

const PERMIT: &str = "@id(\"permit\") permit (principal, action, resource);\n";

/// A forbid that always applies, where its condition can be evaluated.
fn forbid(condition: &str) -> String {
    format!("@id(\"forbid\") forbid (principal, action, resource) when {{ {condition} }};")
}

fn load_text(text: &str) -> Result<Policies, LoadError> {
    load(&[PolicyText { name: "a.cedar".to_owned(), text: text.to_owned() }])
}

fn on_thread<T: Send>(stack: usize, run: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| thread::Builder::new().stack_size(stack).spawn_scoped(scope, run).unwrap().join().unwrap())
}

fn ask(policies: &PolicySet) -> (Decision, usize) {
    let note = json!({ "value": { "text": "x", "updatedBy": "y" } });
    let (decision, _, errors) = Question::new(PAYMENTS, PAYMENTS, "Note", note).ask(policies);
    (decision, errors)
}

#[test]
fn a_long_condition_would_let_through_what_it_forbids_and_is_refused() {
    let text = PERMIT.to_owned() + &forbid(&vec!["!context.fields.isEmpty()"; 2_000].join(" && "));

    let (decision, errors) = on_thread(STACK, || {
        let naive: PolicySet = text.parse().unwrap();
        let strict = Validator::new(schema().clone()).validate(&naive, ValidationMode::Strict);
        assert!(strict.validation_passed_without_warnings(), "{strict}");
        on_thread(EVALUATION_STACK, || ask(&naive))
    });
    assert_eq!((decision, errors), (Decision::Allow, 1), "the forbid failed, so it did not forbid");

    let error = load_text(&text).unwrap_err();
    assert_eq!(error.problems()[0].message, "this policy has more than 100 terms in its conditions");
}

#[test]
fn deep_nesting_would_abort_the_process_and_is_refused() {
    const CHILD: &str = "FINDINGS_GATE_TEST_PARSES_NAIVELY";
    let text = PERMIT.to_owned() + &forbid(&format!("{}true{}", "(".repeat(2_000), ")".repeat(2_000)));
    if std::env::var_os(CHILD).is_some() {
        on_thread(2 << 20, || drop(text.parse::<PolicySet>()));
        return;
    }

    let name = thread::current().name().unwrap().to_owned();
    let naive =
        Command::new(std::env::current_exe().unwrap()).args(["--exact", &name]).env(CHILD, "1").output().unwrap();
    assert_eq!(naive.status.code(), None, "a signal ends it: {}", String::from_utf8_lossy(&naive.stderr));
    assert!(String::from_utf8_lossy(&naive.stderr).contains("overflowed its stack"));

    let error = load_text(&text).unwrap_err();
    assert_eq!(error.problems()[0].message, "this policy is nested more than 50 deep");
}

#[test]
fn whatever_loads_can_be_evaluated_on_an_ordinary_stack() {
    let yes = "!context.fields.isEmpty()";
    let ands = format!(" && {yes}").repeat(MAX_TERMS - 1);
    let ifs = |n: usize| format!("({}true)", "if context.fields.isEmpty() then false else ".repeat(n));
    let nots = |n: usize| format!("{}{yes}{}", "!(!(".repeat(n), "))".repeat(n));
    let set = |n: usize| format!("{}context.fields{}", "[".repeat(n), "]".repeat(n));
    let sets = |n: usize| format!("{}.contains({})", set(n + 1), set(n));
    let records = |n: usize| format!("{}true{}", "{\"a\": ".repeat(n), "}.a == true".repeat(n));
    for nested in [&ifs as &dyn Fn(usize) -> String, &nots, &sets, &records] {
        // As deep as can be, at the end of the longest chain there can be.
        let text = |n: &usize| PERMIT.to_owned() + &forbid(&(nested(*n) + &ands));
        let deepest = (1..=MAX_NESTING).rev().find(|n| load_text(&text(n)).is_ok()).unwrap();
        let policies = enforced(&load_text(&text(&deepest)).unwrap());
        assert_eq!(on_thread(EVALUATION_STACK, || ask(&policies)), (Decision::Deny, 0), "{deepest}: {}", nested(1));
    }
    let clauses = forbid(yes).replace(';', "") + &format!(" when {{ {yes} }}").repeat(MAX_TERMS - 1) + ";";
    let policies = enforced(&load_text(&(PERMIT.to_owned() + &clauses)).unwrap());
    assert_eq!(on_thread(EVALUATION_STACK, || ask(&policies)), (Decision::Deny, 0));
}

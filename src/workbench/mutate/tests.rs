use super::*;
use crate::policy::{PolicyText, Rule, load};
use std::collections::BTreeSet;

fn rules(text: &str) -> Vec<Rule> {
    load(&[PolicyText { name: "a.cedar".into(), text: text.into() }]).unwrap().rules().to_vec()
}

fn slips(text: &str) -> Vec<String> {
    mutants(&rules(text)).unwrap().into_iter().map(|mutant| format!("{} {}", mutant.place(), mutant.what)).collect()
}

#[test]
fn the_slips_of_a_policy_are_those_that_people_make() {
    let policy = "\
@id(\"p\")
@enforce(\"strip\")
forbid (principal is Member, action in [Action::\"Confidence\", Action::\"Criticality\"], resource)
when { context.value > 90 && !(resource has note) }
unless { context.operation == Operation::\"BatchImportFindings\" || resource in principal.account };
";
    let expected = [
        "a.cedar:3:1 leave the policy out",
        "a.cedar:3:1 `forbid` to `permit`",
        "a.cedar:1:1 `@enforce(\"strip\")` to `@enforce(\"reject\")`",
        "a.cedar:1:1 `@enforce(\"strip\")` to `@enforce(\"refuse\")`",
        "a.cedar:1:1 add `@shadow`",
        "a.cedar:3:9 any principal",
        "a.cedar:3:30 drop `Confidence` from the actions",
        "a.cedar:3:30 drop `Criticality` from the actions",
        "a.cedar:4:1 drop the clause",
        "a.cedar:4:1 `when` to `unless`",
        "a.cedar:4:8 drop `context.value > 90`",
    ];
    let found = slips(policy);
    assert_eq!(found[..expected.len()], expected, "{found:#?}");
    let rest: BTreeSet<&str> = found[expected.len()..].iter().map(String::as_str).collect();
    for more in [
        "a.cedar:4:8 `&&` to `||`",
        "a.cedar:4:8 `>` to `>=`",
        "a.cedar:4:8 `>` to `<`",
        "a.cedar:4:8 `90` to `91`",
        "a.cedar:4:8 `90` to `89`",
        "a.cedar:4:32 drop `!`",
        "a.cedar:5:1 drop the clause",
        "a.cedar:5:1 `unless` to `when`",
        "a.cedar:5:10 `||` to `&&`",
        "a.cedar:5:10 `==` to `!=`",
        "a.cedar:5:10 `BatchImportFindings` to `BatchUpdateFindings`",
        "a.cedar:5:67 negate `resource in principal.account`",
    ] {
        assert!(rest.contains(more), "{more} in {rest:#?}");
    }
}

#[test]
fn a_slip_that_could_not_be_loaded_is_none() {
    // Of any action, `context.value` is no `WorkflowStatus`.
    let policy = "@id(\"p\") permit (principal, action == Action::\"Workflow.Status\", resource)
        when { context.value == WorkflowStatus::\"NEW\" };";
    let found = slips(policy);
    assert!(!found.iter().any(|slip| slip.ends_with("any action")), "{found:#?}");
    assert!(found.iter().any(|slip| slip.ends_with("`NEW` to `SUPPRESSED`")), "{found:#?}");
}

#[test]
fn a_mutant_takes_the_place_of_its_original() {
    let rules = rules(
        "@id(\"a\") permit (principal, action, resource); @id(\"b\") @shadow forbid (principal, action, resource);",
    );
    let all = mutants(&rules).unwrap();
    let gone = all.iter().find(|mutant| mutant.rule.is_none()).unwrap();
    assert_eq!(gone.applied(&rules).len(), 1);
    let counts = all.iter().find(|mutant| mutant.what == "drop `@shadow`").unwrap();
    let applied = counts.applied(&rules);
    assert_eq!(applied.len(), 2);
    assert!(applied.iter().all(|rule| !rule.shadow));
}

#[test]
fn patterns_and_the_arguments_of_extensions_slip() {
    let policy = "@id(\"p\") permit (principal, action == Action::\"Severity.Product\", resource)
        when { context.value.lessThan(decimal(\"7.09\")) && context.now < datetime(\"2026-02-28\").offset(duration(\"90d\"))
            && context has note && context.note.text like \"*SEC-*\" };";
    let found = slips(policy);
    for what in [
        "\"7.09\" to \"7.10\"",
        "\"7.09\" to \"7.08\"",
        "\"2026-02-28\" to \"2026-03-01\"",
        "\"90d\" to \"91d\"",
        "drop the first `*` of `context.note.text like \"*SEC-*\"`",
        "drop the last `*` of `context.note.text like \"*SEC-*\"`",
    ] {
        assert!(found.iter().any(|slip| slip.ends_with(what)), "{what} in {found:#?}");
    }
}

//! What people are told, and what a denial does.

use super::{Subject, codes};
use crate::policy::Problem;
use cedar_policy::Effect;

pub(super) fn lint(subject: &Subject<'_>, found: &mut Vec<Problem>) {
    let rule = subject.rule;
    let id = &rule.id;
    let effect = subject.located.effect();
    if rule.effect == Effect::Forbid {
        if rule.advice.is_none() && !rule.shadow {
            found.push(subject.problem(
                &codes::NO_ADVICE,
                effect.clone(),
                "whom this forbid denies is not told what to do instead",
                "write `@advice(\"…\")` before it: one line that says what is allowed, or whom to ask",
            ));
        }
        if rule.enforcement.is_none() {
            found.push(subject.problem(
                &codes::NO_ENFORCE,
                effect.clone(),
                "what this forbid does depends on `policies.default_enforcement`",
                "write `@enforce(\"strip\")`, `@enforce(\"reject\")` or `@enforce(\"refuse\")` before it",
            ));
        }
    }
    let explained = rule.policy.annotation("doc").is_some_and(|doc| !doc.trim().is_empty());
    if rule.shadow && !explained {
        let place = subject.located.annotation("shadow").unwrap_or(effect);
        found.push(subject.problem(
            &codes::UNEXPLAINED_TRIAL,
            place,
            format!("`{id}` is on trial, and nothing says for what or until when"),
            "write `@doc(\"Trial until …: …\")` before it",
        ));
    }
}

//! How far the policies let callers reach.

use super::facts::{Case, Claim, Fact, Term};
use super::possible::{Limits, possible};
use super::question::Kind;
use super::{Subject, codes, overlap};
use crate::policy::Problem;
use cedar_policy::Effect;
use cedar_policy::pst::{ActionConstraint, PrincipalConstraint, ResourceConstraint};
use std::collections::BTreeSet;

pub(super) fn lint(subjects: &[Subject<'_>], found: &mut Vec<Problem>) {
    for subject in subjects {
        if subject.rule.effect == Effect::Forbid && !subject.rule.shadow && is_unlimited(subject) {
            found.push(subject.problem(
                &codes::FORBIDS_EVERYTHING,
                subject.located.effect(),
                "this forbids everything to everybody, so no permit counts",
                "what no policy permits is denied anyway: remove it, or say what it is meant for",
            ));
        }
    }
    beyond_own(subjects, "Member", "principal . account", found);
    beyond_own(subjects, "Administrator", "principal . fleet", found);
}

/// Whether a policy has no condition and applies to every question.
fn is_unlimited(subject: &Subject<'_>) -> bool {
    let body = subject.body();
    let any_caller = matches!(body.principal, PrincipalConstraint::Any | PrincipalConstraint::Is(_));
    let any_finding = matches!(body.resource, ResourceConstraint::Any | ResourceConstraint::Is(_));
    let always = subject.cases.as_ref().is_some_and(|cases| cases.iter().any(|case| case.iter().all(is_true)));
    any_caller && any_finding && always && subject.kinds.len() == Kind::count()
}

fn is_true(fact: &Fact) -> bool {
    fact.claim == Claim::True && fact.holds
}

/// What is permitted to callers of a role outside of what is theirs.
fn beyond_own(subjects: &[Subject<'_>], role: &str, own: &str, found: &mut Vec<Problem>) {
    let mut actions: BTreeSet<&str> = BTreeSet::new();
    let mut by: Vec<&Subject<'_>> = Vec::new();
    for subject in subjects {
        // An import names the caller's own account, or the gate refuses it before any policy is asked.
        let kinds = subject.kinds.iter().filter(|kind| kind.principal == role && kind.action != "Import");
        if subject.rule.effect != Effect::Permit || subject.rule.shadow {
            continue;
        }
        let before = actions.len();
        let mut reaches = false;
        for kind in kinds {
            let cases = subject.cases.iter().flatten();
            if cases.map(|case| outside(case, own)).any(|case| reaches_outside(&case, kind, subjects)) {
                actions.insert(&kind.action);
                reaches = true;
            }
        }
        if reaches || actions.len() > before {
            by.push(subject);
        }
    }
    by.sort_by_key(|subject| (subject.rule.origin.file.clone(), subject.rule.origin.line, subject.rule.origin.column));
    let everything = |subject: &&Subject<'_>| {
        role == "Member"
            && subject.cases.as_ref().is_some_and(|cases| cases.iter().any(|case| case.iter().all(is_true)))
            && matches!(subject.body().action, ActionConstraint::Any)
    };
    let (unlimited, others): (Vec<_>, Vec<_>) = by.into_iter().partition(everything);
    for subject in &unlimited {
        found.push(subject.problem(
            &codes::UNLIMITED_PERMIT,
            subject.located.effect(),
            "this permits members everything, and no policy keeps them in their own account",
            "add the rules of `reach.cedar` of a pack: `forbid (principal is Member, action, resource) unless { resource in principal.account };`",
        ));
    }
    let Some(first) = others.first().filter(|_| unlimited.is_empty()) else { return };
    let shown: Vec<&str> = actions.iter().copied().take(3).collect();
    let more = actions.len().saturating_sub(shown.len());
    let shown = super::listed(shown);
    let shown = if more == 0 { shown } else { format!("{shown} and {more} more") };
    let (who, whose, forbid) = match role {
        "Member" => (
            "members",
            "of other accounts",
            "forbid (principal is Member, action, resource) unless { resource in principal.account };",
        ),
        _ => (
            "administrators",
            "outside their fleet",
            "forbid (principal is Administrator, action, resource) unless { resource in principal.fleet };",
        ),
    };
    found.push(first.problem(
        &codes::NO_REACH_RULE,
        first.located.effect(),
        format!("{who} may change findings {whose} ({shown}): no policy forbids it"),
        format!("add the rules of `reach.cedar` of a pack: `{forbid}`"),
    ));
}

/// The case, outside of what is the caller's own.
fn outside(case: &Case, own: &str) -> Case {
    let mut case = case.clone();
    let said = ["resource", "in"].into_iter().chain(own.split(' ')).map(str::to_owned).collect();
    let claim = Claim::Within("resource".to_owned(), Term::Open(own.to_owned()));
    case.push(Fact { claim, holds: false, said, negated: true });
    case
}

fn reaches_outside(case: &Case, kind: &Kind, subjects: &[Subject<'_>]) -> bool {
    let forbidden = |other: &Subject<'_>| {
        other.rule.effect == Effect::Forbid && !other.rule.shadow && overlap::covers(other, kind, case)
    };
    // Whoever names the account, the group or the finding has thought of the reach.
    !overlap::is_confined(case, "resource") && possible(case, kind, Limits::OfTheApi) && !subjects.iter().any(forbidden)
}

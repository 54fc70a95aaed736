//! Policies that change nothing because others say it already.

use super::facts::{Case, Claim, Constant};
use super::possible::{Limits, entails, possible};
use super::question::Kind;
use super::{Subject, codes, listed};
use crate::finding::Enforcement;
use crate::policy::Problem;
use cedar_policy::Effect;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn lint(subjects: &[Subject<'_>], default: Enforcement, found: &mut Vec<Problem>) {
    let by_caller = ByCaller::new(subjects);
    for (at, subject) in subjects.iter().enumerate() {
        let lives = lives(subject);
        // What never applies is told as that.
        if lives.is_empty() {
            continue;
        }
        let others = by_caller.others(at, subject);
        let problem = match subject.rule.effect {
            Effect::Permit => denied(subject, &lives, subjects, &others)
                .or_else(|| within(subject, &lives, at, subjects, &others, |_| true)),
            Effect::Forbid => {
                let strict = |subject: &Subject<'_>| subject.rule.enforcement.unwrap_or(default);
                within(subject, &lives, at, subjects, &others, |other| strict(other) >= strict(subject))
            }
        };
        found.extend(problem);
    }
}

/// The policies by the caller, account or group that their scope names: nothing is within one that names another.
struct ByCaller(BTreeMap<Option<Constant>, Vec<usize>>);

impl ByCaller {
    fn new(subjects: &[Subject<'_>]) -> Self {
        let mut by_caller: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for (at, subject) in subjects.iter().enumerate() {
            by_caller.entry(named(subject)).or_default().push(at);
        }
        Self(by_caller)
    }

    fn others(&self, at: usize, subject: &Subject<'_>) -> Vec<usize> {
        let name = named(subject);
        let same = name.is_some().then(|| self.0.get(&name)).flatten();
        self.0.get(&None).into_iter().chain(same).flatten().copied().filter(|other| *other != at).collect()
    }
}

/// Whom the scope of a policy names.
fn named(subject: &Subject<'_>) -> Option<Constant> {
    use cedar_policy::pst::{EntityOrSlot::Entity, PrincipalConstraint as Principal};
    match &subject.body().principal {
        Principal::Eq(Entity(uid)) | Principal::In(Entity(uid)) | Principal::IsIn(_, Entity(uid)) => {
            Some(Constant::Entity(uid.ty.to_string(), uid.eid.to_string()))
        }
        _ => None,
    }
}

/// Every case in which a policy can apply, with the kind of question.
fn lives<'s>(subject: &'s Subject<'_>) -> Vec<(&'s Kind, &'s Case)> {
    let cases = subject.cases.as_deref().unwrap_or_default();
    let all = subject.kinds.iter().flat_map(|kind| cases.iter().map(move |case| (kind, case)));
    all.filter(|(kind, case)| possible(case, kind, Limits::OfTheApi)).collect()
}

/// Whether the other policy applies wherever this case does.
pub(super) fn covers(other: &Subject<'_>, kind: &Kind, case: &Case) -> bool {
    other.kinds.contains(kind)
        && other.cases.iter().flatten().any(|theirs| theirs.iter().all(|fact| entails(case, fact, kind)))
}

/// Whether a policy may hide another: one on trial hides only those on trial.
fn counts_for(other: &Subject<'_>, subject: &Subject<'_>) -> bool {
    !other.rule.shadow || subject.rule.shadow
}

/// A permit that is denied wherever it applies.
fn denied(
    subject: &Subject<'_>,
    lives: &[(&Kind, &Case)],
    subjects: &[Subject<'_>],
    others: &[usize],
) -> Option<Problem> {
    let mut by: BTreeSet<&str> = BTreeSet::new();
    for (kind, case) in lives {
        let forbid = others.iter().map(|at| &subjects[*at]).find(|other| {
            other.rule.effect == Effect::Forbid && counts_for(other, subject) && covers(other, kind, case)
        })?;
        by.insert(&forbid.rule.id);
    }
    Some(subject.problem(
        &codes::SHADOWED,
        subject.located.effect(),
        format!("this permit grants nothing: whatever it permits is forbidden by {}", listed(by)),
        "a forbid beats every permit: narrow the forbid, or remove this policy",
    ))
}

/// A policy that says nothing that another one of its effect does not say.
fn within(
    subject: &Subject<'_>,
    lives: &[(&Kind, &Case)],
    at: usize,
    subjects: &[Subject<'_>],
    others: &[usize],
    is_as_strict: impl Fn(&Subject<'_>) -> bool,
) -> Option<Problem> {
    let wider = others.iter().copied().find(|other_at| {
        let other = &subjects[*other_at];
        other.rule.effect == subject.rule.effect
            && counts_for(other, subject)
            && is_as_strict(other)
            && lives.iter().all(|(kind, case)| covers(other, kind, case))
            // Of two that say the same, the one that comes first in its file is the one to keep.
            && !(is_same(subject, other) && comes_before((subject, at), (other, *other_at)))
    })?;
    let other = &subjects[wider];
    let id = &other.rule.id;
    let origin = &other.rule.origin;
    if is_same(subject, other) {
        return Some(subject.problem(
            &codes::DUPLICATE,
            subject.located.effect(),
            format!("this policy says what `{id}` at {}:{}:{} says", origin.file, origin.line, origin.column),
            "remove one of the two",
        ));
    }
    let (message, help) = match subject.rule.effect {
        Effect::Permit => ("this permit grants nothing more", "remove it, or narrow the wider one"),
        Effect::Forbid => (
            "this forbid denies nothing more, and no more strictly",
            "remove it (then its advice is no longer told), narrow the wider one, or enforce this one more strictly",
        ),
    };
    Some(subject.problem(
        &codes::SHADOWED,
        subject.located.effect(),
        format!("{message}: `{id}` at {}:{}:{} applies wherever it does", origin.file, origin.line, origin.column),
        help,
    ))
}

/// Whether both apply to exactly the same questions, and do the same.
fn is_same(one: &Subject<'_>, other: &Subject<'_>) -> bool {
    let within =
        |one: &Subject<'_>, other: &Subject<'_>| lives(one).iter().all(|(kind, case)| covers(other, kind, case));
    one.rule.shadow == other.rule.shadow
        && one.rule.enforcement == other.rule.enforcement
        && within(one, other)
        && within(other, one)
}

fn comes_before((one, at): (&Subject<'_>, usize), (other, other_at): (&Subject<'_>, usize)) -> bool {
    let place = |subject: &Subject<'_>, at: usize| {
        let origin = &subject.rule.origin;
        (origin.file.clone(), origin.line, origin.column, at)
    };
    place(one, at) < place(other, other_at)
}

/// Whether the case says that something is in a place that is spelt out.
pub(super) fn is_confined(case: &Case, variable: &str) -> bool {
    case.iter().any(|fact| {
        let (Claim::Within(name, _) | Claim::Among(name, _)) = &fact.claim else { return false };
        fact.holds && name == variable
    })
}

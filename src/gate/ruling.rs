//! Ruling: what the policies say of one finding, asked until nothing more is stripped.

use super::Asked;
use crate::{
    finding::{Caller, Change, Enforcement, FieldSet, Target, Value},
    policy::{Judge, Questions, Verdict},
};
use std::{borrow::Cow, rc::Rc};

/// The verdicts on one finding, and what follows from them.
#[derive(Debug)]
pub struct Ruling<'u> {
    /// The verdict on each change, in the order of the request's changes.
    pub verdicts: Vec<Rc<Verdict>>,
    /// What the update would drop of the finding, each with its verdict. While it is not known what the finding has, the
    /// question whether anything may be dropped, where that is not plainly allowed.
    pub removals: Vec<(Change<'u>, Rc<Verdict>)>,
    /// The fields that are left after stripping. They are forwarded unless a denial does more than strip.
    pub kept: FieldSet,
    /// The strictest enforcement of all denials; nothing where every change is allowed.
    pub enforcement: Option<Enforcement>,
    /// What a denial does to this caller at the least.
    pub minimum: Enforcement,
}

impl<'u> Ruling<'u> {
    /// Whether anything of the update is forwarded for the finding.
    pub fn forwards(&self) -> bool {
        self.enforcement.is_none_or(|enforcement| enforcement == Enforcement::Strip) && !self.kept.is_empty()
    }

    /// Every change that was asked about, with its verdict. `changes` are those of the request.
    pub fn asked<'r>(&'r self, changes: &'r [Change<'u>]) -> impl Iterator<Item = (&'r Change<'u>, &'r Rc<Verdict>)> {
        changes.iter().zip(&self.verdicts).chain(self.removals.iter().map(|(change, verdict)| (change, verdict)))
    }

    /// Whether it could be another one if it were known how the finding is.
    pub(super) fn depends_on_state(&self) -> bool {
        let removals = self.removals.iter().map(|(_, verdict)| verdict);
        self.verdicts.iter().chain(removals).any(|verdict| verdict.open)
    }
}

/// Asks about one finding until nothing more is stripped.
///
/// Stripping may falsify its own reason: RESOLVED was fine because a note came with it, and then the note is stripped. So
/// whatever is left is asked again with what is left. Fields only ever disappear, so this ends after at most one round a
/// field. A denial stands even where the field that caused it is gone: nothing that was denied comes back.
pub(super) fn rule<'u>(
    judge: &mut impl Judge,
    caller: &Caller,
    request: &Asked<'u>,
    removals: &[Change<'u>],
    target: &Target<'_>,
) -> Ruling<'u> {
    let mut kept = request.fields;
    let circumstances = &request.circumstances;
    let mut ask = |changes: &[Change<'_>], kept, verdicts: &mut Vec<Rc<Verdict>>| {
        let before = verdicts.len();
        judge.verdicts(Questions { caller, circumstances, changes, kept, target }, verdicts);
        // A change without a verdict would pass for one that nothing is said against.
        assert_eq!(verdicts.len(), before + changes.len(), "each question has a verdict");
        for (change, verdict) in changes.iter().zip(&mut verdicts[before..]) {
            if change.value() == Value::Unknown {
                *verdict = verdict.clone().of_any_removal();
            }
        }
    };
    let mut verdicts = Vec::with_capacity(request.changes.len() + removals.len());
    ask(&request.changes, kept, &mut verdicts);
    let removals = at_stake(&request.changes, &verdicts, kept, removals, caller);
    if !removals.is_empty() {
        ask(&removals, kept, &mut verdicts);
    }
    let changes = || request.changes.iter().chain(&*removals);
    while strictest(changes(), &verdicts, caller) == Some(Enforcement::Strip) {
        let left = without_denied(changes(), &verdicts, kept);
        if left == kept {
            break;
        }
        kept = left;
        let stays = |(_, change): &(usize, &Change<'_>)| change.field().is_none_or(|field| kept.contains(field));
        let (places, again): (Vec<usize>, Vec<Change<'_>>) =
            changes().enumerate().filter(stays).map(|(place, change)| (place, *change)).unzip();
        let mut next = Vec::with_capacity(again.len());
        ask(&again, kept, &mut next);
        for (place, verdict) in places.into_iter().zip(next) {
            verdicts[place] = verdict;
        }
    }
    let enforcement = strictest(changes(), &verdicts, caller);
    let of_removals = verdicts.split_off(request.changes.len());
    let removals = removals.iter().copied().zip(of_removals);
    // That it is not known what there is to drop is worth telling only where it matters.
    let told = |(change, verdict): &(Change<'_>, Rc<Verdict>)| {
        change.value() != Value::Unknown || verdict.open || verdict.shadow.is_some()
    };
    Ruling {
        verdicts,
        removals: removals.filter(told).collect(),
        kept,
        enforcement,
        minimum: caller.minimum_enforcement,
    }
}

/// The removals that may come to pass: a finding that is not updated loses nothing, nor does a field that is stripped anyway.
fn at_stake<'r, 'u>(
    changes: &[Change<'_>],
    verdicts: &[Rc<Verdict>],
    fields: FieldSet,
    removals: &'r [Change<'u>],
    caller: &Caller,
) -> Cow<'r, [Change<'u>]> {
    if removals.is_empty() {
        return Cow::Borrowed(removals);
    }
    match strictest(changes.iter(), verdicts, caller) {
        None => Cow::Borrowed(removals),
        Some(Enforcement::Strip) => {
            let left = without_denied(changes.iter(), verdicts, fields);
            let stays = |change: &&Change<'_>| change.field().is_some_and(|field| left.contains(field));
            removals.iter().filter(stays).copied().collect()
        }
        Some(Enforcement::Reject | Enforcement::Refuse) => Cow::Borrowed(&[]),
    }
}

/// The fields without those that a denial takes out.
fn without_denied<'c>(
    changes: impl Iterator<Item = &'c Change<'c>>,
    verdicts: &[Rc<Verdict>],
    fields: FieldSet,
) -> FieldSet {
    let denied = changes.zip(verdicts).filter(|(_, verdict)| verdict.enforced.denial().is_some());
    denied.filter_map(|(change, _)| change.field()).fold(fields, FieldSet::without)
}

/// The strictest enforcement of all denials. What is about the finding as a whole cannot be stripped off it.
fn strictest<'c>(
    changes: impl Iterator<Item = &'c Change<'c>>,
    verdicts: &[Rc<Verdict>],
    caller: &Caller,
) -> Option<Enforcement> {
    let enforcement = |(change, verdict): (&Change<'_>, &Rc<Verdict>)| {
        let denial = verdict.enforced.denial()?;
        let least = if change.field().is_none() { Enforcement::Reject } else { Enforcement::Strip };
        Some(denial.enforcement.max(caller.minimum_enforcement).max(least))
    };
    changes.zip(verdicts).filter_map(enforcement).max()
}

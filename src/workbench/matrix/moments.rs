//! When requests are made: the moments that policies tell apart by comparing the time of a request with a constant.

use super::mark::{Mark, Side};
use crate::{
    finding::Timestamp,
    policy::{Distinction, Term},
    workbench::Example,
};
use jiff::SignedDuration;
use std::collections::{BTreeMap, BTreeSet};

/// Moments to ask at: that of every example first, if there is any other. The gate asks in whole seconds.
#[derive(Debug, Default)]
pub(super) struct Moments {
    pub(super) all: Vec<(Mark, Timestamp)>,
    /// Whether some come again every day: then classes are not called after instants.
    pub(super) daily: bool,
}

/// The milliseconds of a day.
const DAY: i64 = 86_400_000;

/// Of so many spans in one condition every combination is tried.
const MOST_COMBINED: usize = 3;

impl Moments {
    /// The moments just before, at and just after every instant at which one of these conditions may turn.
    pub(super) fn of<'d>(conditions: impl Iterator<Item = &'d Distinction>) -> Self {
        let (mut points, mut times) = (BTreeSet::new(), BTreeSet::new());
        for condition in conditions.filter(|condition| is_about_time(condition)) {
            let spans = spans(condition);
            let instants = &condition.literals.instants;
            points.extend(instants.iter().flat_map(|at| around(*at, &spans)));
            if instants.is_empty() && condition.text.contains(".toDate()") || condition.text.contains(".toTime()") {
                times.extend(spans.into_iter().chain([0]));
            }
        }
        // At each time of the day on every day that is told apart.
        let days: BTreeSet<i64> = (points.iter())
            .flat_map(|at| [at.saturating_sub(1), *at])
            .chain([Example::NOW.as_millisecond()])
            .map(|at| at - at.rem_euclid(DAY))
            .collect();
        points.extend(days.iter().flat_map(|day| times.iter().map(|time| day.saturating_add(*time))));
        let mut marks: BTreeMap<Timestamp, (Side, String)> = BTreeMap::new();
        for point in points.into_iter().filter_map(|at| Timestamp::from_millisecond(at).ok()) {
            for (side, at) in sides(point) {
                // What is at one point may be just beside another one.
                let known = marks.entry(at).or_insert_with(|| (side, point.to_string()));
                if side == Side::At {
                    *known = (side, point.to_string());
                }
            }
        }
        if marks.is_empty() {
            return Self::default();
        }
        let (side, name) = marks.remove(&Example::NOW).unwrap_or_else(|| (Side::At, Example::NOW.to_string()));
        let mark = |(at, (side, name))| (Mark::Time { at, side, name }, at);
        let all = std::iter::once((Example::NOW, (side, name))).chain(marks).map(mark).collect();
        Self { all, daily: !times.is_empty() }
    }
}

/// Whether a condition compares the time of a request with nothing else of the question.
pub(super) fn is_about_time(condition: &Distinction) -> bool {
    condition.terms.iter().eq([&Term::Now])
}

/// The spans of time that a condition adds, or measures in whole units.
fn spans(condition: &Distinction) -> BTreeSet<i64> {
    let mut spans = condition.literals.spans.clone();
    let units = [("toDays", DAY), ("toHours", 3_600_000), ("toMinutes", 60_000), ("toSeconds", 1_000)];
    for (_, worth) in units.into_iter().filter(|(unit, _)| condition.text.contains(&format!(".{unit}()"))) {
        let near = condition
            .literals
            .numbers
            .iter()
            .flat_map(|number| [number.saturating_sub(1), *number, number.saturating_add(1)]);
        spans.extend(near.map(|number| number.saturating_mul(worth)));
    }
    if condition.text.contains(".toMilliseconds()") {
        spans.extend(&condition.literals.numbers);
    }
    if condition.text.contains(".toDate()") {
        spans.insert(DAY);
    }
    spans
}

/// An instant, and what lies these spans before and after it.
fn around(at: i64, spans: &BTreeSet<i64>) -> BTreeSet<i64> {
    let beside = |at: i64, span: i64| [at.saturating_sub(span), at, at.saturating_add(span)];
    if spans.len() > MOST_COMBINED {
        return spans.iter().flat_map(|span| beside(at, *span)).collect();
    }
    let first = BTreeSet::from([at]);
    spans.iter().fold(first, |all, span| all.iter().flat_map(|at| beside(*at, *span)).collect())
}

/// The whole seconds just before, at and just after an instant.
fn sides(point: Timestamp) -> Vec<(Side, Timestamp)> {
    let second = SignedDuration::from_secs(1);
    let start = Timestamp::from_second(point.as_millisecond().div_euclid(1_000));
    let Ok(start) = start else { return Vec::new() };
    let after = start.checked_add(second).ok().map(|at| (Side::After, at));
    if start < point {
        return std::iter::once((Side::Before, start)).chain(after).collect();
    }
    let before = start.checked_sub(second).ok().map(|at| (Side::Before, at));
    before.into_iter().chain([(Side::At, start)]).chain(after).collect()
}

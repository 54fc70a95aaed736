//! What a class of values is called: after those of its values that were tried.

use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;

/// A value that was tried, as people would say it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Mark {
    /// It is not there.
    Absent,
    /// A word, a text, a pattern.
    Word(String),
    /// Of numbers that were all tried.
    Each(i64),
    /// Of numbers that were tried around the constants of policies.
    Number(i64),
    /// An instant: before, at or after one that policies name.
    Time { at: Timestamp, side: Side, name: String },
}

/// Where an instant lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Side {
    Before,
    At,
    After,
}

impl Mark {
    pub(super) fn word(word: impl Into<String>) -> Self {
        Self::Word(word.into())
    }

    /// Whether it is called the same: what lies a day before a request does, whenever that is made.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Time { side, name, .. }, Self::Time { side: other_side, name: other_name, .. }) => {
                side == other_side && name == other_name
            }
            _ => self == other,
        }
    }
}

/// What values that nothing distinguishes are called, out of all that were tried.
pub(super) fn name(class: &[Mark], all: &[Mark]) -> String {
    let mut names = Vec::new();
    if class.contains(&Mark::Absent) {
        names.push("none".to_owned());
    }
    names.extend(class.iter().filter_map(|mark| match mark {
        Mark::Word(word) => Some(word.clone()),
        _ => None,
    }));
    names.extend(runs(class, all, |mark| matches!(mark, Mark::Each(_))).iter().map(|run| {
        match (run.first, run.last) {
            (Mark::Each(first), Mark::Each(last)) if first == last => first.to_string(),
            (Mark::Each(first), Mark::Each(last)) => format!("{first}..{last}"),
            _ => String::new(),
        }
    }));
    names.extend(runs(class, all, |mark| matches!(mark, Mark::Number(_))).iter().map(Run::of_numbers));
    names.extend(runs(class, all, |mark| matches!(mark, Mark::Time { .. })).iter().map(Run::of_instants));
    names.join(", ")
}

/// Values of a class with none of another class between them.
struct Run<'m> {
    first: &'m Mark,
    last: &'m Mark,
    /// Whether nothing smaller was tried.
    open_start: bool,
    /// Whether nothing greater was tried.
    open_end: bool,
}

fn runs<'m>(class: &'m [Mark], all: &'m [Mark], of: impl Fn(&Mark) -> bool) -> Vec<Run<'m>> {
    let kind: BTreeSet<&Mark> = all.iter().filter(|mark| of(mark)).collect();
    let mut runs: Vec<Run<'m>> = Vec::new();
    let mut before = false;
    for (place, mark) in kind.iter().enumerate() {
        let within = class.contains(*mark);
        let open_end = place + 1 == kind.len();
        match runs.last_mut() {
            Some(run) if within && before => (run.last, run.open_end) = (mark, open_end),
            _ if within => runs.push(Run { first: mark, last: mark, open_start: place == 0, open_end }),
            _ => {}
        }
        before = within;
    }
    runs
}

impl Run<'_> {
    fn of_numbers(&self) -> String {
        let (Mark::Number(first), Mark::Number(last)) = (self.first, self.last) else { return String::new() };
        match (self.open_start, self.open_end) {
            (true, true) => "any number".to_owned(),
            (true, false) => format!("up to {last}"),
            (false, true) => format!("from {first}"),
            (false, false) if first == last => first.to_string(),
            (false, false) => format!("{first}..{last}"),
        }
    }

    fn of_instants(&self) -> String {
        let (Mark::Time { side: from, name: first, .. }, Mark::Time { side: to, name: last, .. }) =
            (self.first, self.last)
        else {
            return String::new();
        };
        let start = match from {
            Side::Before => format!("just before {first}"),
            Side::At => format!("from {}", day(first)),
            Side::After => format!("after {first}"),
        };
        let end = match to {
            Side::Before => format!("before {}", day(last)),
            Side::At => format!("until {last}"),
            Side::After => format!("until after {last}"),
        };
        match (self.open_start, self.open_end) {
            (true, true) => "any time".to_owned(),
            (true, false) => end,
            (false, true) => start,
            (false, false) if self.first == self.last && *from == Side::At => first.clone(),
            (false, false) => format!("{start}, {end}"),
        }
    }
}

/// Where a day starts, it is called after the day. (Of what includes or follows that instant this would not be clear.)
fn day(instant: &str) -> &str {
    instant.strip_suffix("T00:00:00Z").unwrap_or(instant)
}

/// A span of time as policies write it, in its greatest whole unit.
pub(super) fn span(milliseconds: i64) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s")];
    let unit = units.into_iter().find(|(worth, _)| milliseconds % worth == 0);
    unit.map_or_else(|| format!("{milliseconds} ms"), |(worth, unit)| format!("{} {unit}", milliseconds / worth))
}

/// Instants before, at and after each of these.
pub(super) fn around(points: Vec<(Timestamp, String)>) -> Vec<(Mark, Timestamp)> {
    let second = SignedDuration::from_secs(1);
    points
        .into_iter()
        .flat_map(|(at, name)| {
            [(Side::Before, at.checked_sub(second)), (Side::At, Ok(at)), (Side::After, at.checked_add(second))]
                .into_iter()
                .filter_map(|(side, at)| at.ok().map(|at| (side, at)))
                .map(|(side, at)| (Mark::Time { at, side, name: name.clone() }, at))
                .collect::<Vec<_>>()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_called_after_their_values() {
        let all: Vec<Mark> = (0..=100).map(Mark::Each).collect();
        assert_eq!(name(&all[0..50], &all), "0..49");
        assert_eq!(name(&all[7..8], &all), "7");
        assert_eq!(name(&[all[3].clone(), all[1].clone(), all[2].clone(), all[9].clone()], &all), "1..3, 9");
        let all = [Mark::Absent, Mark::Number(49), Mark::Number(50), Mark::Number(51)];
        assert_eq!(name(&all[0..2], &all), "none, up to 49");
        assert_eq!(name(&all[2..4], &all), "from 50");
        assert_eq!(name(&all[2..3], &all), "50");
        assert_eq!(name(&["NEW", "ACTIVE"].map(Mark::word), &["NEW", "ACTIVE"].map(Mark::word)), "NEW, ACTIVE");
    }

    #[test]
    fn instants_are_called_after_the_points_that_policies_name() {
        let at = |day: i64| Timestamp::from_second(day * 86_400).unwrap();
        let marks = around(vec![(at(1), "now".into()), (at(91), "now + 90 d".into())]);
        let marks: Vec<Mark> = marks.into_iter().map(|(mark, _)| mark).collect();
        assert_eq!(name(&marks[0..2], &marks), "until now");
        assert_eq!(name(&marks[2..5], &marks), "after now, until now + 90 d");
        assert_eq!(name(&marks[5..6], &marks), "after now + 90 d");
        assert_eq!(span(-7_200_000), "-2 h");
    }
}

//! What conditions compare things with.

use super::super::pattern::Pattern;
use cedar_policy::pst::PatternElem;
use std::collections::BTreeSet;

/// Constants of a condition, by their kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Literals {
    /// Whole numbers.
    pub numbers: BTreeSet<i64>,
    /// Texts, those of datetimes, durations and decimals not among them.
    pub texts: BTreeSet<String>,
    /// The right sides of `like`.
    pub likes: Vec<Like>,
    /// Instants, in milliseconds since 1970.
    pub instants: BTreeSet<i64>,
    /// Spans of time, in milliseconds.
    pub spans: BTreeSet<i64>,
    /// Decimals, in ten-thousandths.
    pub decimals: BTreeSet<i64>,
    /// Entities, as type and id.
    pub entities: BTreeSet<(String, String)>,
    /// The attributes that are looked at on the way: `date`, `number`, `normalized` and so on.
    pub attributes: BTreeSet<String>,
}

/// The right side of `like`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Like {
    /// As a policy has it.
    pub shown: String,
    /// What stands between the wildcards.
    parts: Vec<String>,
    pattern: Pattern,
}

impl Like {
    pub(super) fn of(elements: &[PatternElem]) -> Self {
        let shown = elements
            .iter()
            .map(|element| match element {
                PatternElem::Char('*') => "\\*".to_owned(),
                PatternElem::Char(c) => c.to_string(),
                PatternElem::Wildcard => "*".to_owned(),
            })
            .collect();
        let parts = elements.split(|element| *element == PatternElem::Wildcard).map(|part| {
            part.iter()
                .filter_map(|element| match element {
                    PatternElem::Char(c) => Some(*c),
                    PatternElem::Wildcard => None,
                })
                .collect()
        });
        Self { shown, parts: parts.collect(), pattern: Pattern::of(elements) }
    }

    /// Whether a text is like this.
    pub fn matches(&self, text: &str) -> bool {
        self.pattern.matches(text)
    }

    /// A text that is like this, with something in the place of each wildcard.
    pub fn witness(&self, instead: &str) -> String {
        self.parts.join(instead)
    }
}

impl Literals {
    /// Adds those of another condition.
    pub fn extend(&mut self, other: &Self) {
        self.numbers.extend(&other.numbers);
        self.texts.extend(other.texts.iter().cloned());
        for like in &other.likes {
            if !self.likes.contains(like) {
                self.likes.push(like.clone());
            }
        }
        self.instants.extend(&other.instants);
        self.spans.extend(&other.spans);
        self.decimals.extend(&other.decimals);
        self.entities.extend(other.entities.iter().cloned());
        self.attributes.extend(other.attributes.iter().cloned());
    }

    /// The ids of the entities of a type.
    pub fn ids<'l>(&'l self, kind: &'l str) -> impl Iterator<Item = &'l str> {
        self.entities.iter().filter(move |(name, _)| name == kind).map(|(_, id)| id.as_str())
    }
}

/// The milliseconds of a Cedar duration such as `1d2h` or `-90m`.
pub(super) fn span(text: &str) -> Option<i64> {
    let (sign, mut rest) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let mut total = 0_i64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: i64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let (unit, length) = [("ms", 1), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)]
            .into_iter()
            .find(|(unit, _)| rest.starts_with(unit))
            .map(|(unit, worth)| (worth, unit.len()))?;
        total = total.checked_add(number.checked_mul(unit)?)?;
        rest = &rest[length..];
    }
    Some(sign * total)
}

/// The milliseconds of a Cedar datetime.
pub(super) fn instant(text: &str) -> Option<i64> {
    let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    crate::finding::timestamp::parse(&whole).map(crate::finding::Timestamp::as_millisecond)
}

/// The ten-thousandths of a Cedar decimal.
pub(super) fn decimal(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.')?;
    let digits: i64 = format!("{whole}{fraction:0<4}").parse().ok()?;
    (fraction.len() <= 4).then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_instants_and_decimals_are_read_as_cedar_reads_them() {
        assert_eq!(span("90d"), Some(7_776_000_000));
        assert_eq!(span("-1h30m5s7ms"), Some(-5_405_007));
        assert_eq!((span("1y"), span("d")), (None, None));
        assert_eq!(instant("1970-01-02"), Some(86_400_000));
        assert_eq!(instant("1970-01-01T00:00:01Z"), Some(1_000));
        assert_eq!((decimal("7.5"), decimal("-0.0001"), decimal("7")), (Some(75_000), Some(-1), None));
    }
}

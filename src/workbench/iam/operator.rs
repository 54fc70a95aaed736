//! Condition operators: what each asks, and what it says of a key that is not there.

use crate::policy::nearest;

/// A condition operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Operator {
    pub(super) quantifier: Quantifier,
    pub(super) kind: Kind,
    /// None of the values may match, instead of one.
    pub(super) negated: bool,
    pub(super) if_exists: bool,
}

/// Of how many values of the request it must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quantifier {
    /// The only one.
    One,
    /// `ForAnyValue:`
    Any,
    /// `ForAllValues:`
    All,
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Equals,
    EqualsIgnoreCase,
    Like,
    /// ARNs, part by part. `ArnEquals` and `ArnLike` are the same.
    Arn,
    Date(Order),
    Numeric,
    Bool,
    Binary,
    IpAddress,
}

/// How a time lies to the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Equals,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

const KINDS: &[(&str, Kind, bool)] = &[
    ("Null", Kind::Null, false),
    ("StringEquals", Kind::Equals, false),
    ("StringNotEquals", Kind::Equals, true),
    ("StringEqualsIgnoreCase", Kind::EqualsIgnoreCase, false),
    ("StringNotEqualsIgnoreCase", Kind::EqualsIgnoreCase, true),
    ("StringLike", Kind::Like, false),
    ("StringNotLike", Kind::Like, true),
    ("ArnEquals", Kind::Arn, false),
    ("ArnLike", Kind::Arn, false),
    ("ArnNotEquals", Kind::Arn, true),
    ("ArnNotLike", Kind::Arn, true),
    ("DateEquals", Kind::Date(Order::Equals), false),
    ("DateNotEquals", Kind::Date(Order::Equals), true),
    ("DateLessThan", Kind::Date(Order::Less), false),
    ("DateLessThanEquals", Kind::Date(Order::LessOrEqual), false),
    ("DateGreaterThan", Kind::Date(Order::Greater), false),
    ("DateGreaterThanEquals", Kind::Date(Order::GreaterOrEqual), false),
    ("NumericEquals", Kind::Numeric, false),
    ("NumericNotEquals", Kind::Numeric, true),
    ("NumericLessThan", Kind::Numeric, false),
    ("NumericLessThanEquals", Kind::Numeric, false),
    ("NumericGreaterThan", Kind::Numeric, false),
    ("NumericGreaterThanEquals", Kind::Numeric, false),
    ("Bool", Kind::Bool, false),
    ("BinaryEquals", Kind::Binary, false),
    ("IpAddress", Kind::IpAddress, false),
    ("NotIpAddress", Kind::IpAddress, true),
];

impl Operator {
    /// The operator of that name, or the one that was probably meant.
    pub(super) fn parse(written: &str) -> Result<Self, Option<String>> {
        let (prefix, quantifier, rest) = [("ForAnyValue:", Quantifier::Any), ("ForAllValues:", Quantifier::All)]
            .into_iter()
            .find_map(|(prefix, quantifier)| Some((prefix, quantifier, written.strip_prefix(prefix)?)))
            .unwrap_or(("", Quantifier::One, written));
        let (name, suffix) = rest.strip_suffix("IfExists").map_or((rest, ""), |name| (name, "IfExists"));
        let Some((_, kind, negated)) = KINDS.iter().copied().find(|(known, ..)| *known == name) else {
            let near = nearest(name, KINDS.iter().map(|(known, ..)| *known));
            return Err(near.map(|near| format!("{prefix}{near}{suffix}")));
        };
        // Whether a key is there is no matter of its values, and `IfExists` would say nothing.
        if kind == Kind::Null && (quantifier != Quantifier::One || !suffix.is_empty()) {
            return Err(Some("Null".to_owned()));
        }
        Ok(Self { quantifier, kind, negated, if_exists: !suffix.is_empty() })
    }

    /// What it says where the request has no such key. ([`Kind::Null`] depends on its values.)
    pub(super) const fn on_missing_key(self) -> bool {
        self.if_exists
            || match self.quantifier {
                Quantifier::One => self.negated,
                Quantifier::Any => false,
                Quantifier::All => true,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_key_is_as_the_operator_says() {
        for (written, holds) in [
            ("StringEquals", false),
            ("StringLike", false),
            ("StringNotEquals", true),
            ("StringNotLike", true),
            ("StringEqualsIfExists", true),
            ("StringNotEqualsIfExists", true),
            ("ForAnyValue:StringEquals", false),
            ("ForAnyValue:StringNotEquals", false),
            ("ForAnyValue:StringLikeIfExists", true),
            ("ForAllValues:StringEquals", true),
            ("ForAllValues:StringNotLike", true),
        ] {
            assert_eq!(Operator::parse(written).unwrap().on_missing_key(), holds, "{written}");
        }
    }

    #[test]
    fn what_is_no_operator_says_what_was_meant() {
        for (written, near) in [
            ("StringEqual", Some("StringEquals")),
            ("ForAnyValue:StringsLikeIfExists", Some("ForAnyValue:StringLikeIfExists")),
            ("stringequals", Some("StringEquals")),
            ("ForAnyValue:Null", Some("Null")),
            ("NullIfExists", Some("Null")),
            ("Matches", None),
        ] {
            assert_eq!(Operator::parse(written), Err(near.map(str::to_owned)), "{written}");
        }
    }
}

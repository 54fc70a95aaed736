//! The closed vocabularies of the API model.

/// Declares an enum whose variants are spelt on the wire as the strings given.
macro_rules! vocabulary {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            /// Every value, in the order of the API model.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The value that `text` spells, case-sensitively, or nothing.
            pub fn parse(text: &str) -> Option<Self> {
                match text {
                    $($text => Some(Self::$variant),)+
                    _ => None,
                }
            }

            /// The spelling on the wire and in policies.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                Self::parse(&text).ok_or_else(|| {
                    let words: Vec<&str> = Self::ALL.iter().map(|word| word.as_str()).collect();
                    serde::de::Error::custom(format_args!("got {text:?}, expected one of {}", words.join(", ")))
                })
            }
        }
    };
}
pub(super) use vocabulary;

vocabulary! {
    /// `Severity.Label`, lowest first.
    SeverityLabel {
        /// No issue was found.
        Informational = "INFORMATIONAL",
        /// No action needed on its own.
        Low = "LOW",
        /// To be addressed, not urgently.
        Medium = "MEDIUM",
        /// To be addressed as a priority.
        High = "HIGH",
        /// To be remediated at once.
        Critical = "CRITICAL",
    }
}

vocabulary! {
    /// `Workflow.Status`: where the work on a finding stands.
    WorkflowStatus {
        /// Not reviewed yet.
        New = "NEW",
        /// The resource's owner was told.
        Notified = "NOTIFIED",
        /// Reviewed and fixed.
        Resolved = "RESOLVED",
        /// Reviewed, and no action will be taken: the finding disappears from view.
        Suppressed = "SUPPRESSED",
    }
}

vocabulary! {
    /// `VerificationState`: how true a finding turned out to be.
    VerificationState {
        /// Not looked into.
        Unknown = "UNKNOWN",
        /// Right.
        TruePositive = "TRUE_POSITIVE",
        /// Wrong.
        FalsePositive = "FALSE_POSITIVE",
        /// Right, and harmless.
        BenignPositive = "BENIGN_POSITIVE",
    }
}

vocabulary! {
    /// What a denial does. The order is that of strictness: of several, the greatest wins.
    Enforcement {
        /// The field is taken out; the rest of the update goes through.
        Strip = "strip",
        /// The finding is not updated at all; the others are.
        Reject = "reject",
        /// The whole call is refused, and nothing is forwarded.
        Refuse = "refuse",
    }
}

impl SeverityLabel {
    /// 0 for the lowest to 4 for the highest: what policies compare.
    pub const fn rank(self) -> i64 {
        self as i64
    }

    /// The label that Security Hub sets for a `Severity.Normalized` from 0 to 100 (API model).
    pub const fn of_normalized(normalized: u8) -> Self {
        match normalized {
            0 => Self::Informational,
            1..=39 => Self::Low,
            40..=69 => Self::Medium,
            70..=89 => Self::High,
            _ => Self::Critical,
        }
    }

    /// The `Severity.Normalized` that Security Hub stores for a label given alone (API model).
    pub const fn normalized(self) -> u8 {
        match self {
            Self::Informational => 0,
            Self::Low => 1,
            Self::Medium => 40,
            Self::High => 70,
            Self::Critical => 90,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_round_trips() {
        assert!(SeverityLabel::ALL.iter().all(|v| SeverityLabel::parse(v.as_str()) == Some(*v)));
        assert!(WorkflowStatus::ALL.iter().all(|v| WorkflowStatus::parse(v.as_str()) == Some(*v)));
        assert!(VerificationState::ALL.iter().all(|v| VerificationState::parse(v.as_str()) == Some(*v)));
        assert_eq!(WorkflowStatus::parse("suppressed"), None);
    }

    #[test]
    fn labels_and_numbers_map_both_ways() {
        use SeverityLabel::{Critical, High, Informational, Low, Medium};
        for (number, label) in [
            (0, Informational),
            (1, Low),
            (39, Low),
            (40, Medium),
            (69, Medium),
            (70, High),
            (89, High),
            (90, Critical),
            (100, Critical),
        ] {
            assert_eq!(SeverityLabel::of_normalized(number), label, "{number}");
        }
        assert!(SeverityLabel::ALL.iter().all(|label| SeverityLabel::of_normalized(label.normalized()) == *label));
        assert!(SeverityLabel::ALL.windows(2).all(|pair| pair[0].rank() < pair[1].rank()));
    }
}

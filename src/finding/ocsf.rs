//! The vocabularies of OCSF that BatchUpdateFindingsV2 writes: numbers, each with a caption.
//!
//! Sources: API model for the numbers; the Open Cybersecurity Schema Framework for what they are called.

use super::{SeverityLabel, WorkflowStatus};
use serde::de::{self, DeserializeSeed, Deserializer, Visitor};
use std::{fmt, marker::PhantomData};

/// A closed vocabulary of numbers.
pub(super) trait Numbered: Copy + 'static {
    /// Every value.
    const VALUES: &'static [Self];
    /// The number on the wire.
    fn number(self) -> u8;
}

/// Declares an enum whose variants are the numbers given on the wire, and have a caption.
macro_rules! numbered {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $number:literal $caption:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$variant_doc])* $variant = $number,)+ }

        impl $name {
            /// Every value, in the order of the numbers.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The number on the wire.
            pub const fn id(self) -> u8 {
                match self { $(Self::$variant => $number,)+ }
            }

            /// The caption: what the sibling without `_id` holds.
            pub const fn caption(self) -> &'static str {
                match self { $(Self::$variant => $caption,)+ }
            }
        }

        impl Numbered for $name {
            const VALUES: &'static [Self] = Self::ALL;

            fn number(self) -> u8 {
                self.id()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{} ({})", self.id(), self.caption())
            }
        }
    };
}

numbered! {
    /// `severity_id`
    SeverityId {
        /// Not known.
        Unknown = 0 "Unknown",
        /// No action needed.
        Informational = 1 "Informational",
        /// Action at leisure.
        Low = 2 "Low",
        /// Action, not urgently.
        Medium = 3 "Medium",
        /// Action at once.
        High = 4 "High",
        /// Action at once; the scope is broad.
        Critical = 5 "Critical",
        /// Action comes too late.
        Fatal = 6 "Fatal",
        /// One that the others do not cover.
        Other = 99 "Other",
    }
}

numbered! {
    /// `status_id`
    StatusId {
        /// Not known.
        Unknown = 0 "Unknown",
        /// Not reviewed yet.
        New = 1 "New",
        /// Under review.
        InProgress = 2 "In Progress",
        /// Reviewed, and no action will be taken.
        Suppressed = 3 "Suppressed",
        /// Reviewed and fixed.
        Resolved = 4 "Resolved",
        /// Out of view.
        Archived = 5 "Archived",
        /// One that the others do not cover.
        Other = 99 "Other",
    }
}

impl SeverityId {
    /// The label that means the same in the finding format ASFF. It has none above CRITICAL, which Fatal is; nothing is Unknown
    /// or Other there.
    pub const fn label(self) -> Option<SeverityLabel> {
        Some(match self {
            Self::Informational => SeverityLabel::Informational,
            Self::Low => SeverityLabel::Low,
            Self::Medium => SeverityLabel::Medium,
            Self::High => SeverityLabel::High,
            Self::Critical | Self::Fatal => SeverityLabel::Critical,
            Self::Unknown | Self::Other => return None,
        })
    }

    /// The id that means the same as a label.
    pub const fn of(label: SeverityLabel) -> Self {
        match label {
            SeverityLabel::Informational => Self::Informational,
            SeverityLabel::Low => Self::Low,
            SeverityLabel::Medium => Self::Medium,
            SeverityLabel::High => Self::High,
            SeverityLabel::Critical => Self::Critical,
        }
    }
}

impl StatusId {
    /// The `Workflow.Status` that means the same in the finding format ASFF, where there is one. Archived is none: there it is
    /// the `RecordState`.
    pub const fn workflow(self) -> Option<WorkflowStatus> {
        Some(match self {
            Self::New => WorkflowStatus::New,
            Self::InProgress => WorkflowStatus::Notified,
            Self::Suppressed => WorkflowStatus::Suppressed,
            Self::Resolved => WorkflowStatus::Resolved,
            Self::Unknown | Self::Archived | Self::Other => return None,
        })
    }

    /// The id that means the same as a workflow status.
    pub const fn of(status: WorkflowStatus) -> Self {
        match status {
            WorkflowStatus::New => Self::New,
            WorkflowStatus::Notified => Self::InProgress,
            WorkflowStatus::Suppressed => Self::Suppressed,
            WorkflowStatus::Resolved => Self::Resolved,
        }
    }
}

/// Reads a number of a closed vocabulary.
pub(super) struct Id<T>(PhantomData<T>);

impl<T> Id<T> {
    pub(super) const fn new() -> Self {
        Self(PhantomData)
    }
}

/// The numbers, as a message lists them.
struct Numbers<T>(PhantomData<T>);

impl<T: Numbered> fmt::Display for Numbers<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one of")?;
        for (place, value) in T::VALUES.iter().enumerate() {
            write!(f, "{} {}", if place > 0 { "," } else { "" }, value.number())?;
        }
        Ok(())
    }
}

impl<'de, T: Numbered> DeserializeSeed<'de> for Id<T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<T: Numbered> Visitor<'_> for Id<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Numbers::<T>(PhantomData))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        T::VALUES
            .iter()
            .copied()
            .find(|value| u64::from(value.number()) == number)
            .ok_or_else(|| E::custom(format_args!("got {number}, expected {}", Numbers::<T>(PhantomData))))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        Err(E::custom(format_args!("got {number}, expected {}", Numbers::<T>(PhantomData))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_counterpart_comes_back_from_it() {
        for label in SeverityLabel::ALL.iter().copied() {
            assert_eq!(SeverityId::of(label).label(), Some(label));
        }
        for status in WorkflowStatus::ALL.iter().copied() {
            assert_eq!(StatusId::of(status).workflow(), Some(status));
        }
        let without: Vec<_> = SeverityId::ALL.iter().filter(|id| id.label().is_none()).map(|id| id.id()).collect();
        assert_eq!(without, [0, 99]);
        let without: Vec<_> = StatusId::ALL.iter().filter(|id| id.workflow().is_none()).map(|id| id.id()).collect();
        assert_eq!(without, [0, 5, 99]);
    }
}

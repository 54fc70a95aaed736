//! The members that policies decide on: the units that are kept or stripped.

use super::vocabulary::vocabulary;

vocabulary! {
    /// One of the nine members that an update may have (API model), or `RecordState`, which only imports carry.
    ///
    /// Upstream replaces lists and maps as a whole and wants a note's two members together, so a field is what a denied
    /// change takes with it.
    Field {
        /// How sure the provider is, 0 to 100.
        Confidence = "Confidence",
        /// How much the resource matters, 0 to 100.
        Criticality = "Criticality",
        /// A text and who wrote it.
        Note = "Note",
        /// Whether its provider still stands by the finding; only imports carry it.
        RecordState = "RecordState",
        /// Other findings that belong with this one; replaces the list.
        RelatedFindings = "RelatedFindings",
        /// Label, normalized score, product's own score.
        Severity = "Severity",
        /// The finding's types; replaces the list.
        Types = "Types",
        /// Names and values of the customer's own; replaces the map.
        UserDefinedFields = "UserDefinedFields",
        /// How true the finding is.
        VerificationState = "VerificationState",
        /// Where the work on the finding stands.
        Workflow = "Workflow",
    }
}

impl Field {
    /// The nine that an update may have.
    pub fn updatable() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|field| *field != Self::RecordState)
    }
}

/// A set of fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub struct FieldSet(u16);

impl FieldSet {
    /// No field.
    pub const EMPTY: Self = Self(0);

    /// Whether the field is in the set.
    pub const fn contains(self, field: Field) -> bool {
        self.0 & 1 << field as u16 != 0
    }

    /// Whether no field is in the set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many fields are in the set.
    pub const fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// The set with the field.
    #[must_use]
    pub const fn with(self, field: Field) -> Self {
        Self(self.0 | 1 << field as u16)
    }

    /// The set without the field.
    #[must_use]
    pub const fn without(self, field: Field) -> Self {
        Self(self.0 & !(1 << field as u16))
    }

    /// The fields, in the order of their names.
    pub fn iter(self) -> impl Iterator<Item = Field> {
        Field::ALL.iter().copied().filter(move |field| self.contains(*field))
    }

    /// One bit a field, for keys of caches.
    pub const fn bits(self) -> u16 {
        self.0
    }
}

impl FromIterator<Field> for FieldSet {
    fn from_iter<I: IntoIterator<Item = Field>>(fields: I) -> Self {
        fields.into_iter().fold(Self::EMPTY, Self::with)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_hold_what_was_put_in() {
        let set: FieldSet = [Field::Workflow, Field::Confidence].into_iter().collect();
        assert!(set.contains(Field::Workflow) && set.contains(Field::Confidence) && !set.contains(Field::Note));
        assert_eq!(set.iter().collect::<Vec<_>>(), [Field::Confidence, Field::Workflow]);
        assert_eq!(set.without(Field::Workflow).without(Field::Confidence), FieldSet::EMPTY);
        assert_eq!(Field::ALL.iter().copied().collect::<FieldSet>().len(), 10);
    }
}

//! Masking: what a record must not show.

use crate::finding::{Note, Text, Update};
use serde_json::Value;
use std::{fmt, str::FromStr};

/// What stands in place of a masked text. Whether it was masked or is what a caller wrote, [`Request::masked`](super::Request::masked)
/// tells.
pub const MASK: &str = "(masked)";

/// A kind of value that can be masked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Masked {
    /// `Note.Text`: what callers write, and what findings have; of BatchUpdateFindingsV2 `Comment`.
    NoteText,
    /// `Note.UpdatedBy`
    NoteUpdatedBy,
    /// `UserDefinedFields`: the values. Their keys are shown, because policies speak of keys.
    UserDefinedFields,
    /// `Resources.Tags`: the values of the tags of findings' resources.
    ResourceTags,
}

impl Masked {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::NoteText, Self::NoteUpdatedBy, Self::ResourceTags, Self::UserDefinedFields];

    /// As configuration and records name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoteText => "Note.Text",
            Self::NoteUpdatedBy => "Note.UpdatedBy",
            Self::ResourceTags => "Resources.Tags",
            Self::UserDefinedFields => "UserDefinedFields",
        }
    }
}

impl fmt::Display for Masked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// It is nothing that can be masked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected `Note.Text`, `Note.UpdatedBy`, `Resources.Tags` or `UserDefinedFields`")]
pub struct NothingToMask;

impl FromStr for Masked {
    type Err = NothingToMask;

    fn from_str(name: &str) -> Result<Self, NothingToMask> {
        Self::ALL.into_iter().find(|masked| masked.as_str() == name).ok_or(NothingToMask)
    }
}

/// What is masked. A few bits, to be copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Masks(u8);

impl Masks {
    /// Nothing.
    pub const NONE: Self = Self(0);

    /// These.
    pub fn of(masked: impl IntoIterator<Item = Masked>) -> Self {
        Self(masked.into_iter().fold(0, |bits, masked| bits | 1 << masked as u8))
    }

    /// Whether it is masked.
    pub fn covers(self, masked: Masked) -> bool {
        self.0 & 1 << masked as u8 != 0
    }

    /// Those that are masked.
    pub fn iter(self) -> impl Iterator<Item = Masked> {
        Masked::ALL.into_iter().filter(move |masked| self.covers(*masked))
    }

    /// The masked kinds together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Default for Masks {
    /// What people write: `Note.Text` and `UserDefinedFields`.
    fn default() -> Self {
        Self::of([Masked::NoteText, Masked::UserDefinedFields])
    }
}

/// An update as it may be shown, and what of it was masked.
pub fn update<'u>(update: &Update<'u>, masks: Masks) -> (Update<'u>, Masks) {
    let (mut shown, mut done) = (update.clone(), Masks::NONE);
    let mask = || Text::from(MASK.to_owned());
    if let Some(Note { text, updated_by }) = &mut shown.note {
        if masks.covers(Masked::NoteText) {
            (*text, done) = (mask(), done.and(Masks::of([Masked::NoteText])));
        }
        if masks.covers(Masked::NoteUpdatedBy) {
            (*updated_by, done) = (mask(), done.and(Masks::of([Masked::NoteUpdatedBy])));
        }
    }
    if let Some(fields) = &mut shown.user_defined_fields
        && masks.covers(Masked::UserDefinedFields)
    {
        for (_, value) in fields {
            *value = mask();
        }
        done = done.and(Masks::of([Masked::UserDefinedFields]));
    }
    (shown, done)
}

/// What is asked of an automation rule as it may be shown, and what of it was masked: what it writes, and what it looks for.
pub fn rule(rule: &mut Value, masks: Masks) -> Masks {
    let mut done = Masks::NONE;
    if let Some(Value::Array(actions)) = rule.get_mut("Actions") {
        for update in actions.iter_mut().filter_map(|action| action.get_mut("FindingFieldsUpdate")) {
            done = done.and(state(update, masks));
        }
    }
    for (filter, masked) in [
        ("NoteText", Masked::NoteText),
        ("NoteUpdatedBy", Masked::NoteUpdatedBy),
        ("ResourceTags", Masked::ResourceTags),
        ("UserDefinedFields", Masked::UserDefinedFields),
    ] {
        let filters = rule.pointer_mut(&format!("/Criteria/{filter}")).and_then(Value::as_array_mut);
        let values = filters.into_iter().flatten().filter_map(|filter| filter.get_mut("Value"));
        for value in values.filter(|_| masks.covers(masked)) {
            *value = MASK.into();
            done = done.and(Masks::of([masked]));
        }
    }
    done
}

/// A finding's state as it may be shown, and what of it was masked. The state is in the AWS Security Finding Format.
pub fn state(state: &mut Value, masks: Masks) -> Masks {
    let mut done = Masks::NONE;
    let mut mask = |masked: Masked, value: Option<&mut Value>| {
        if let Some(value) = value.filter(|_| masks.covers(masked)) {
            match value {
                Value::Object(members) => {
                    for value in members.values_mut() {
                        *value = MASK.into();
                    }
                }
                value => *value = MASK.into(),
            }
            done = done.and(Masks::of([masked]));
        }
    };
    mask(Masked::NoteText, state.pointer_mut("/Note/Text"));
    mask(Masked::NoteUpdatedBy, state.pointer_mut("/Note/UpdatedBy"));
    mask(Masked::UserDefinedFields, state.get_mut("UserDefinedFields"));
    if let Some(Value::Array(resources)) = state.get_mut("Resources") {
        for resource in resources {
            mask(Masked::ResourceTags, resource.get_mut("Tags"));
        }
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_rule_is_masked_in_what_it_writes_and_in_what_it_looks_for() {
        let texts = |text: &str| {
            json!({
                "RuleName": "kept",
                "Criteria": {
                    "NoteText": [{"Comparison": "PREFIX", "Value": text}, {"Comparison": "EQUALS", "Value": text}],
                    "NoteUpdatedBy": [{"Comparison": "EQUALS", "Value": text}],
                    "ResourceTags": [{"Comparison": "EQUALS", "Key": "kept", "Value": text}],
                    "UserDefinedFields": [{"Comparison": "EQUALS", "Key": "kept", "Value": text}],
                    "Title": [{"Comparison": "EQUALS", "Value": "kept"}],
                },
                "Actions": [{"Type": "FINDING_FIELDS_UPDATE", "FindingFieldsUpdate": {
                    "Note": {"Text": text, "UpdatedBy": text}, "UserDefinedFields": {"kept": text},
                }}],
            })
        };
        let mut all = texts("secret");
        assert_eq!(rule(&mut all, Masks::of(Masked::ALL)), Masks::of(Masked::ALL));
        assert_eq!(all, texts(MASK));
        let mut none = texts("secret");
        assert_eq!(rule(&mut none, Masks::NONE), Masks::NONE);
        assert_eq!(none, texts("secret"));
        let mut bare = json!({"RuleOrder": 1, "Criteria": {}, "Actions": [{}]});
        assert_eq!(rule(&mut bare, Masks::of(Masked::ALL)), Masks::NONE);
        assert_eq!(bare, json!({"RuleOrder": 1, "Criteria": {}, "Actions": [{}]}));
    }
}

//! What policies can read of a finding as it is: the attributes of `Finding` in the schema, besides its name.

use super::names::{self, Words};
use crate::finding::{NoteNow, SeverityNow, State, timestamp};
use cedar_policy::RestrictedExpression;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Declares the attributes: the name in the schema, and what it reads of a state.
macro_rules! attributes {
    ($($variant:ident $name:literal = |$state:ident| $read:expr,)+) => {
        /// An attribute that is known once a finding was looked up.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub(super) enum Attribute { $($variant,)+ }

        impl Attribute {
            pub(super) const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The attribute of that name, or nothing.
            pub(super) fn named(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)+ _ => None }
            }

            pub(super) const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What a finding has under this name.
            pub(super) fn of(self, state: &State) -> Read<'_> {
                match self { $(Self::$variant => { let $state = state; $read })+ }
            }
        }
    };
}

attributes! {
    CompanyName "companyName" = |state| Read::text(state.company_name.as_deref()),
    ComplianceStatus "complianceStatus" = |state| {
        state.compliance_status.map_or(Read::Absent, |status| Read::Word(Words::ComplianceStatus, status.as_str()))
    },
    Confidence "confidence" = |state| Read::number(state.confidence),
    CreatedAt "createdAt" = |state| Read::Time(state.created_at),
    Criticality "criticality" = |state| Read::number(state.criticality),
    FirstObservedAt "firstObservedAt" = |state| Read::time(state.first_observed_at),
    GeneratorId "generatorId" = |state| Read::Text(&state.generator_id),
    LastObservedAt "lastObservedAt" = |state| Read::time(state.last_observed_at),
    Note "note" = |state| state.note.as_ref().map_or(Read::Absent, Read::Note),
    ProductName "productName" = |state| Read::text(state.product_name.as_deref()),
    RecordState "recordState" = |state| Read::Word(Words::RecordState, state.record_state.as_str()),
    Region "region" = |state| Read::text(state.region.as_deref()),
    RelatedFindings "relatedFindings" = |state| Read::References(&state.related_findings),
    ResourceIds "resourceIds" = |state| Read::Texts(&state.resource_ids),
    ResourceTags "resourceTags" = |state| Read::ResourceTags(&state.resource_tags),
    ResourceTypes "resourceTypes" = |state| Read::Texts(&state.resource_types),
    SecurityControlId "securityControlId" = |state| Read::text(state.security_control_id.as_deref()),
    Severity "severity" = |state| Read::Severity(state.severity),
    Types "types" = |state| Read::Texts(&state.types),
    UpdatedAt "updatedAt" = |state| Read::Time(state.updated_at),
    UserDefinedFields "userDefinedFields" = |state| Read::UserDefinedFields(&state.user_defined_fields),
    VerificationState "verificationState" = |state| {
        state.verification_state.map_or(Read::Absent, |state| Read::Word(Words::VerificationState, state.as_str()))
    },
    WorkflowStatus "workflowStatus" = |state| Read::Word(Words::WorkflowStatus, state.workflow_status.as_str()),
}

/// The value of an attribute.
#[derive(Debug, Clone, Copy)]
pub(super) enum Read<'s> {
    Absent,
    Note(&'s NoteNow),
    Number(i64),
    References(&'s BTreeSet<(String, String)>),
    ResourceTags(&'s BTreeMap<String, BTreeSet<String>>),
    Severity(SeverityNow),
    Text(&'s str),
    Texts(&'s BTreeSet<String>),
    Time(Timestamp),
    UserDefinedFields(&'s BTreeMap<String, String>),
    Word(Words, &'static str),
}

impl<'s> Read<'s> {
    fn number(number: Option<i64>) -> Self {
        number.map_or(Self::Absent, Self::Number)
    }

    fn text(text: Option<&'s str>) -> Self {
        text.map_or(Self::Absent, Self::Text)
    }

    fn time(time: Option<Timestamp>) -> Self {
        time.map_or(Self::Absent, Self::Time)
    }

    /// The value in Cedar's terms; nothing for what is absent. The two maps are entities of their own, with the ids that
    /// [`names`] gives them.
    pub(super) fn to_cedar(self) -> Result<Option<RestrictedExpression>, String> {
        let texts = |texts: &BTreeSet<String>| {
            RestrictedExpression::new_set(texts.iter().map(|text| RestrictedExpression::new_string(text.clone())))
        };
        Ok(Some(match self {
            Self::Absent => return Ok(None),
            Self::Note(note) => {
                let mut members = vec![
                    ("text".to_owned(), RestrictedExpression::new_string(note.text.clone())),
                    ("updatedBy".to_owned(), RestrictedExpression::new_string(note.updated_by.clone())),
                ];
                members.extend(note.updated_at.map(|time| ("updatedAt".to_owned(), names::time(time))));
                RestrictedExpression::new_record(members).map_err(|error| error.to_string())?
            }
            Self::Number(number) => RestrictedExpression::new_long(number),
            Self::References(findings) => {
                let mut elements = Vec::with_capacity(findings.len());
                for (product_arn, id) in findings {
                    elements.push(names::reference(id, product_arn)?);
                }
                RestrictedExpression::new_set(elements)
            }
            Self::ResourceTags(_) => RestrictedExpression::new_entity_uid(names::resource_tags_uid()),
            Self::Severity(severity) => {
                let mut members = vec![
                    ("label".to_owned(), Words::SeverityLabel.word(severity.label.as_str())),
                    ("rank".to_owned(), RestrictedExpression::new_long(severity.label.rank())),
                ];
                let normalized = severity.normalized.map(RestrictedExpression::new_long);
                members.extend(normalized.map(|normalized| ("normalized".to_owned(), normalized)));
                RestrictedExpression::new_record(members).map_err(|error| error.to_string())?
            }
            Self::Text(text) => RestrictedExpression::new_string(text.to_owned()),
            Self::Texts(all) => texts(all),
            Self::Time(time) => names::time(time),
            Self::UserDefinedFields(_) => RestrictedExpression::new_entity_uid(names::present_fields_uid()),
            Self::Word(words, word) => words.word(word),
        }))
    }

    /// Appends the value to a key, so that no two different values have the same bytes.
    pub(super) fn write(self, key: &mut Vec<u8>) {
        match self {
            Self::Absent => key.push(0),
            Self::Number(number) => {
                key.push(1);
                key.extend_from_slice(&number.to_le_bytes());
            }
            Self::Text(text) | Self::Word(_, text) => {
                key.push(1);
                write_text(key, text);
            }
            Self::Time(time) => {
                key.push(1);
                write_time(key, time);
            }
            Self::Note(note) => {
                key.push(1);
                write_text(key, &note.text);
                write_text(key, &note.updated_by);
                Self::time(note.updated_at).write(key);
            }
            Self::Severity(severity) => {
                key.push(1 + severity.label as u8);
                Self::number(severity.normalized).write(key);
            }
            Self::Texts(texts) => write_all(key, texts, |key, text| write_text(key, text)),
            Self::References(findings) => write_all(key, findings, |key, (product_arn, id)| {
                write_text(key, product_arn);
                write_text(key, id);
            }),
            Self::UserDefinedFields(pairs) => write_all(key, pairs, |key, (name, value)| {
                write_text(key, name);
                write_text(key, value);
            }),
            Self::ResourceTags(tags) => write_all(key, tags, |key, (name, values)| {
                write_text(key, name);
                Read::Texts(values).write(key);
            }),
        }
    }
}

/// Appends how many there are, and each of them.
fn write_all<T, I: IntoIterator<Item = T, IntoIter: ExactSizeIterator>>(
    key: &mut Vec<u8>,
    all: I,
    write: impl Fn(&mut Vec<u8>, T),
) {
    let all = all.into_iter();
    key.extend_from_slice(&(all.len() as u64).to_le_bytes());
    all.for_each(|one| write(key, one));
}

/// Appends a text with its length.
pub(super) fn write_text(key: &mut Vec<u8>, text: &str) {
    key.extend_from_slice(&(text.len() as u64).to_le_bytes());
    key.extend_from_slice(text.as_bytes());
}

/// Appends an instant, as exactly as Cedar knows it.
pub(super) fn write_time(key: &mut Vec<u8>, time: Timestamp) {
    key.extend_from_slice(&names::whole_milliseconds(time).as_millisecond().to_le_bytes());
}

/// What a text says besides itself: the date that it spells, such as `2027-01-31` or `2027-01-31T12:00:00Z`, and the whole
/// number.
pub(super) fn meaning(text: &str) -> (Option<Timestamp>, Option<i64>) {
    let midnight = || timestamp::parse(&format!("{text}T00:00:00Z"));
    let date = if text.len() == 10 { midnight() } else { timestamp::parse(text) };
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    (date, if is_number { text.parse().ok() } else { None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::SCHEMA_TEXT;
    use cedar_policy::SchemaFragment;

    #[test]
    fn the_attributes_are_those_of_the_schema() {
        let json = SchemaFragment::from_cedarschema_str(SCHEMA_TEXT).unwrap().0.to_json_value().unwrap();
        let declared: BTreeSet<String> =
            json[""]["entityTypes"]["Finding"]["shape"]["attributes"].as_object().unwrap().keys().cloned().collect();
        let named = Attribute::ALL.iter().map(|attribute| attribute.name()).chain(["id", "productArn", "isNew"]);
        assert_eq!(declared, named.map(str::to_owned).collect());
        assert!(Attribute::ALL.iter().all(|attribute| Attribute::named(attribute.name()) == Some(*attribute)));
    }

    #[test]
    fn texts_mean_dates_and_numbers() {
        let date = |text: &str| meaning(text).0.map(|date| date.to_string());
        assert_eq!(date("2027-01-31").as_deref(), Some("2027-01-31T00:00:00Z"));
        assert_eq!(date("2027-01-31T12:00:00+0200").as_deref(), Some("2027-01-31T10:00:00Z"));
        for text in ["", "2027-02-30", "31.01.2027", "2027-01-31T", "soon", "2027-1-31"] {
            assert_eq!(date(text), None, "{text}");
        }
        for (text, number) in [
            ("0", Some(0)),
            ("-12", Some(-12)),
            ("007", Some(7)),
            ("", None),
            ("-", None),
            ("1.5", None),
            ("+1", None),
            (" 1", None),
            ("9223372036854775808", None),
        ] {
            assert_eq!(meaning(text).1, number, "{text}");
        }
    }
}

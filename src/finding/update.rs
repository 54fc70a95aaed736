//! A BatchUpdateFindings request: the findings that are named, and the one update that applies to all of them.

use super::{
    Field, FieldSet, Identifier, InvalidBody, SeverityLabel, Text, VerificationState, WorkflowStatus, body,
    identifier::{IdentifierReader, RelatedFindingReader},
    number::{ProductScore, ProductScoreReader, Ratio},
    object::{List, Word, object, repeated, required},
    plain::Plain,
    text::{TextRule, length_within, not_blank},
};
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, Visitor};
use std::{fmt, ops::Range};

/// How many findings one request may name (API model's text; guide).
pub const MAX_IDENTIFIERS: usize = 100;

/// A BatchUpdateFindings request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchUpdate<'a> {
    /// The findings to update, in the order of the request. At least one, at most [`MAX_IDENTIFIERS`].
    pub identifiers: Vec<Identifier<'a>>,
    /// What to update in each.
    pub update: Update<'a>,
}

/// One set of changes. At least one member is there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Update<'a> {
    /// 0 to 100.
    pub confidence: Option<u8>,
    /// 0 to 100.
    pub criticality: Option<u8>,
    /// Replaces the note.
    pub note: Option<Note<'a>>,
    /// Replaces the list; 1 to 10 findings.
    pub related_findings: Option<Vec<Identifier<'a>>>,
    /// Each member replaces its own.
    pub severity: Option<Severity>,
    /// Replaces the list; 1 to 50 different types.
    pub types: Option<Vec<Text<'a>>>,
    /// Replaces the map; 1 to 50 different keys, in the order of the request.
    pub user_defined_fields: Option<Vec<(Text<'a>, Text<'a>)>>,
    /// Replaces the state.
    pub verification_state: Option<VerificationState>,
    /// Replaces `Workflow.Status`.
    pub workflow: Option<WorkflowStatus>,
}

/// `Note`: both members always come together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Note<'a> {
    /// The text, 1 to 512 characters.
    pub text: Text<'a>,
    /// Who wrote it, as the client says: it is no identity.
    pub updated_by: Text<'a>,
}

/// `Severity`: at least one member is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Severity {
    /// The label.
    pub label: Option<SeverityLabel>,
    /// 0 to 100. Without a label, upstream sets the label that the number stands for.
    pub normalized: Option<u8>,
    /// The product's own score.
    pub product: Option<ProductScore>,
}

impl<'a> BatchUpdate<'a> {
    /// Reads a request, strictly: every member is one of the API's, none comes twice, every value has its type and
    /// keeps to its limits, and nothing follows.
    pub fn parse(body: &'a [u8]) -> Result<Self, InvalidBody> {
        let plain = std::str::from_utf8(body).ok().and_then(Self::parse_plain);
        plain.map_or_else(|| body::parse(body, BatchUpdateReader), Ok)
    }

    /// Reads a request that is plain JSON. Nothing where it is not, or is no request.
    fn parse_plain(text: &'a str) -> Option<Self> {
        let mut plain = Plain::new(text)?;
        let request = BatchUpdateReader.deserialize(&mut plain).ok()?;
        plain.is_at_end().then_some(request)
    }

    /// Appends the request for some of its findings with some of its fields, made anew from what was parsed. Returns
    /// where in `out` the identifiers stand, between their brackets.
    pub fn write_json(
        &self,
        findings: impl IntoIterator<Item = usize>,
        fields: FieldSet,
        out: &mut Vec<u8>,
    ) -> Range<usize> {
        out.extend_from_slice(br#"{"FindingIdentifiers":["#);
        let start = out.len();
        for (count, index) in findings.into_iter().enumerate() {
            if count > 0 {
                out.push(b',');
            }
            self.identifiers[index].write_json(out);
        }
        let identifiers = start..out.len();
        out.push(b']');
        self.update.write_members(fields, out);
        out.push(b'}');
        identifiers
    }
}

// ---- readers ----

const NOTE_TEXT: TextRule = TextRule {
    holds: |text| length_within(text, 1, 512) && not_blank(text),
    expected: "a text of 1 to 512 characters, not blank",
};
/// CloudFormation schema: 1 to 512 characters, or an ARN of up to 2048.
const UPDATED_BY: TextRule = TextRule {
    holds: |text| not_blank(text) && length_within(text, 1, if text.starts_with("arn:") { 2048 } else { 512 }),
    expected: "a name of 1 to 512 characters, or an ARN of up to 2048, not blank",
};
/// CloudFormation schema: `^([^/]+)(/[^/]+){0,2}$`. It has no greatest length; the one here is the gate's own, the greatest
/// of any other text of a request, so that a request cannot make a `like` on types as costly as its body is long.
pub(super) const TYPE: TextRule = TextRule {
    holds: |text| {
        if !length_within(text, 1, 2048) {
            return false;
        }
        let parts = text.split('/');
        parts.clone().count() <= 3 && parts.into_iter().all(|part| !part.is_empty()) && not_blank(text)
    },
    expected: "a type of one to three parts, namespace/category/classifier, none empty, and at most 2048 characters",
};
/// CloudFormation schema: `^[-_+=.:/@\w\s]{1,128}$`.
const USER_DEFINED_KEY: TextRule = TextRule {
    holds: |text| {
        length_within(text, 1, 128)
            && not_blank(text)
            && text.chars().all(|c| {
                c.is_ascii_alphanumeric()
                    || matches!(c, '-' | '_' | '+' | '=' | '.' | ':' | '/' | '@')
                    || c.is_whitespace()
            })
    },
    expected: "a key of 1 to 128 letters, digits, spaces or -_+=.:/@",
};
/// CloudFormation schema; the API model asks for one character that is no space, and refuses the others itself.
const USER_DEFINED_VALUE: TextRule =
    TextRule { holds: |text| length_within(text, 0, 1024), expected: "a value of at most 1024 characters" };

/// Makes the reader of an object that holds the nine fields, and members of its own. The closure gets an `Option` for each of
/// those, and the update.
macro_rules! object_with_update {
    (
        $(#[$doc:meta])* $reader:ident -> $value:ty, $expected:literal,
        { $($member:ident: $name:literal = $value_reader:expr,)* } => $build:expr
    ) => {
        object! {
            $(#[$doc])* $reader -> $value, $expected, {
                $($member: $name = $value_reader,)*
                confidence: "Confidence" = Ratio,
                criticality: "Criticality" = Ratio,
                note: "Note" = NoteReader,
                related_findings: "RelatedFindings" = List {
                    element: RelatedFindingReader, min: 1, max: 10, expected: "a list of 1 to 10 related findings",
                },
                severity: "Severity" = SeverityReader,
                types: "Types" = TypesReader,
                user_defined_fields: "UserDefinedFields" = UserDefinedFieldsReader,
                verification_state: "VerificationState" = Word::new(VerificationState::parse, || {
                    words(VerificationState::ALL.iter().map(|word| word.as_str()))
                }),
                workflow: "Workflow" = WorkflowReader,
            } => |$($member,)* confidence, criticality, note, related_findings, severity, types, user_defined_fields,
                  verification_state, workflow| {
                let update = Update {
                    confidence, criticality, note, related_findings, severity, types, user_defined_fields,
                    verification_state, workflow,
                };
                if update.fields().is_empty() {
                    return Err(de::Error::custom(format_args!(
                        "nothing to update, expected at least one of {}",
                        words(Field::updatable().map(Field::as_str))
                    )));
                }
                let build = $build;
                build($($member,)* update)
            }
        }
    };
}

object_with_update! {
    BatchUpdateReader -> BatchUpdate<'de>, "an object with FindingIdentifiers and what to update", {
        identifiers: "FindingIdentifiers" = List {
            element: IdentifierReader, min: 1, max: MAX_IDENTIFIERS, expected: "a list of 1 to 100 finding identifiers",
        },
    } => |identifiers, update| Ok(BatchUpdate { identifiers: required(identifiers, "FindingIdentifiers")?, update })
}

object_with_update! {
    /// Reads an update alone, as an automation rule's action has it.
    UpdateReader -> Update<'de>, "an object with what to update", {} => |update| Ok(update)
}

object! {
    NoteReader -> Note<'de>, "an object with Text and UpdatedBy", {
        text: "Text" = NOTE_TEXT,
        updated_by: "UpdatedBy" = UPDATED_BY,
    } => |text, updated_by| Ok(Note { text: required(text, "Text")?, updated_by: required(updated_by, "UpdatedBy")? })
}

object! {
    SeverityReader -> Severity, "an object with Label, Normalized or Product", {
        label: "Label" = Word::new(SeverityLabel::parse, || words(SeverityLabel::ALL.iter().map(|word| word.as_str()))),
        normalized: "Normalized" = Ratio,
        product: "Product" = ProductScoreReader,
    } => |label: Option<_>, normalized: Option<_>, product: Option<_>| {
        if label.is_none() && normalized.is_none() && product.is_none() {
            return Err(de::Error::custom("an empty object, expected at least one of Label, Normalized, Product"));
        }
        Ok(Severity { label, normalized, product })
    }
}

object! {
    WorkflowReader -> WorkflowStatus, "an object with Status", {
        status: "Status" = Word::new(WorkflowStatus::parse, || words(WorkflowStatus::ALL.iter().map(|word| word.as_str()))),
    } => |status| required(status, "Status")
}

pub(super) fn words<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.collect::<Vec<_>>().join(", ")
}

/// Reads `Types`. An empty list would erase the finding's types without one change to ask about, so it is refused.
#[derive(Clone, Copy)]
struct TypesReader;

impl<'de> DeserializeSeed<'de> for TypesReader {
    type Value = Vec<Text<'de>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        let types = List { element: TYPE, min: 1, max: 50, expected: "a list of 1 to 50 different types" }
            .deserialize(deserializer)?;
        if let Some(twice) = types.iter().enumerate().find_map(|(at, kind)| types[..at].contains(kind).then_some(kind))
        {
            return Err(de::Error::custom(format_args!("type {twice:?} came twice, expected 1 to 50 different types")));
        }
        Ok(types)
    }
}

/// Reads `UserDefinedFields`.
#[derive(Clone, Copy)]
pub(super) struct UserDefinedFieldsReader;

impl UserDefinedFieldsReader {
    const MOST: usize = 50;
}

impl<'de> DeserializeSeed<'de> for UserDefinedFieldsReader {
    type Value = Vec<(Text<'de>, Text<'de>)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for UserDefinedFieldsReader {
    type Value = Vec<(Text<'de>, Text<'de>)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of 1 to 50 keys with a string each")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs: Vec<(Text<'de>, Text<'de>)> = Vec::with_capacity(4);
        while let Some(key) = map.next_key_seed(USER_DEFINED_KEY)? {
            if pairs.iter().any(|(known, _)| *known == key) {
                return Err(repeated(&key));
            }
            if pairs.len() == Self::MOST {
                return Err(de::Error::custom("more than 50 keys, expected 1 to 50"));
            }
            pairs.push((key, map.next_value_seed(USER_DEFINED_VALUE)?));
        }
        if pairs.is_empty() {
            return Err(de::Error::custom("an empty object, expected 1 to 50 keys"));
        }
        Ok(pairs)
    }
}

// ---- writers ----

impl Update<'_> {
    /// The members that are there.
    pub fn fields(&self) -> FieldSet {
        Field::ALL.iter().copied().filter(|field| self.has(*field)).collect()
    }

    fn has(&self, field: Field) -> bool {
        match field {
            Field::Confidence => self.confidence.is_some(),
            Field::Criticality => self.criticality.is_some(),
            Field::Note => self.note.is_some(),
            Field::RecordState => false,
            Field::RelatedFindings => self.related_findings.is_some(),
            Field::Severity => self.severity.is_some(),
            Field::Types => self.types.is_some(),
            Field::UserDefinedFields => self.user_defined_fields.is_some(),
            Field::VerificationState => self.verification_state.is_some(),
            Field::Workflow => self.workflow.is_some(),
        }
    }

    /// Appends the update as an object of its own.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        let start = out.len();
        self.write_members(self.fields(), out);
        match out.get_mut(start) {
            Some(comma) => *comma = b'{',
            None => out.push(b'{'),
        }
        out.push(b'}');
    }

    /// Appends `,"Member":value` for each field of the set that is there.
    fn write_members(&self, fields: FieldSet, out: &mut Vec<u8>) {
        let kept = |field| fields.contains(field);
        if let Some(confidence) = self.confidence.filter(|_| kept(Field::Confidence)) {
            write_shown(out, r#","Confidence":"#, confidence);
        }
        if let Some(criticality) = self.criticality.filter(|_| kept(Field::Criticality)) {
            write_shown(out, r#","Criticality":"#, criticality);
        }
        if let Some(note) = self.note.as_ref().filter(|_| kept(Field::Note)) {
            out.extend_from_slice(br#","Note":{"Text":"#);
            note.text.write_json(out);
            out.extend_from_slice(br#","UpdatedBy":"#);
            note.updated_by.write_json(out);
            out.push(b'}');
        }
        if let Some(related) = self.related_findings.as_ref().filter(|_| kept(Field::RelatedFindings)) {
            out.extend_from_slice(br#","RelatedFindings":"#);
            write_list(related, *b"[]", out, Identifier::write_json);
        }
        if let Some(severity) = self.severity.as_ref().filter(|_| kept(Field::Severity)) {
            severity.write_member(out);
        }
        if let Some(types) = self.types.as_ref().filter(|_| kept(Field::Types)) {
            out.extend_from_slice(br#","Types":"#);
            write_list(types, *b"[]", out, Text::write_json);
        }
        if let Some(pairs) = self.user_defined_fields.as_ref().filter(|_| kept(Field::UserDefinedFields)) {
            out.extend_from_slice(br#","UserDefinedFields":"#);
            write_list(pairs, *b"{}", out, |(key, value), out| {
                key.write_json(out);
                out.push(b':');
                value.write_json(out);
            });
        }
        if let Some(state) = self.verification_state.filter(|_| kept(Field::VerificationState)) {
            write_word(out, r#","VerificationState":""#, state.as_str());
        }
        if let Some(status) = self.workflow.filter(|_| kept(Field::Workflow)) {
            write_word(out, r#","Workflow":{"Status":""#, status.as_str());
            out.push(b'}');
        }
    }
}

impl Severity {
    fn write_member(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(br#","Severity":"#);
        let start = out.len();
        if let Some(label) = self.label {
            write_word(out, r#","Label":""#, label.as_str());
        }
        if let Some(normalized) = self.normalized {
            write_shown(out, r#","Normalized":"#, normalized);
        }
        if let Some(product) = self.product {
            write_shown(out, r#","Product":"#, product);
        }
        // At least one member is there, so there is a first comma.
        out[start] = b'{';
        out.push(b'}');
    }
}

/// Appends a word of a closed vocabulary, which needs no escapes, after what opens its quotes.
fn write_word(out: &mut Vec<u8>, opened: &str, word: &str) {
    out.extend_from_slice(opened.as_bytes());
    out.extend_from_slice(word.as_bytes());
    out.push(b'"');
}

/// Appends a number after its name.
fn write_shown(out: &mut Vec<u8>, name: &str, number: impl fmt::Display) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(number.to_string().as_bytes());
}

pub(super) fn write_list<T>(elements: &[T], brackets: [u8; 2], out: &mut Vec<u8>, write: impl Fn(&T, &mut Vec<u8>)) {
    out.push(brackets[0]);
    for (at, element) in elements.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write(element, out);
    }
    out.push(brackets[1]);
}

#[cfg(test)]
#[path = "update_tests.rs"]
mod tests;

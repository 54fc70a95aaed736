//! The criteria of an automation rule: which findings it applies to.

use super::{
    Text,
    number::Whole,
    object::{Key, List, Word, object, repeated, required, unknown},
    text::{TextRule, not_blank},
    timestamp,
};
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// The criteria of an automation rule, checked: every attribute is one of the API's, and has filters of its kind.
///
/// Nothing here evaluates them, so they are kept as JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Criteria(Map<String, Value>);

impl Criteria {
    /// The filters by attribute, in the names of the API.
    pub fn attributes(&self) -> &Map<String, Value> {
        &self.0
    }

    /// Appends the criteria as JSON.
    #[expect(clippy::missing_panics_doc, reason = "the keys are strings, so it serialises")]
    pub fn write_json(&self, out: &mut Vec<u8>) {
        serde_json::to_writer(out, &self.0).expect("a JSON value serialises");
    }
}

/// What an attribute's filters are like.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Date,
    Number,
    Map,
}
use Kind::{Date, Map as Pairs, Number as Scale, Text as Words};

/// The attributes of the API model's `AutomationRulesFindingFilters`, with how many filters each may have by its text; where it
/// says nothing, 20.
const ATTRIBUTES: [(&str, Kind, usize); 41] = [
    ("ProductArn", Words, 20),
    ("AwsAccountId", Words, 100),
    ("Id", Words, 20),
    ("GeneratorId", Words, 100),
    ("Type", Words, 20),
    ("FirstObservedAt", Date, 20),
    ("LastObservedAt", Date, 20),
    ("CreatedAt", Date, 20),
    ("UpdatedAt", Date, 20),
    ("Confidence", Scale, 20),
    ("Criticality", Scale, 20),
    ("Title", Words, 100),
    ("Description", Words, 20),
    ("SourceUrl", Words, 20),
    ("ProductName", Words, 20),
    ("CompanyName", Words, 20),
    ("SeverityLabel", Words, 20),
    ("ResourceType", Words, 20),
    ("ResourceId", Words, 100),
    ("ResourcePartition", Words, 20),
    ("ResourceRegion", Words, 20),
    ("ResourceTags", Pairs, 20),
    ("ResourceDetailsOther", Pairs, 20),
    ("ComplianceStatus", Words, 20),
    ("ComplianceSecurityControlId", Words, 20),
    ("ComplianceAssociatedStandardsId", Words, 20),
    ("VerificationState", Words, 20),
    ("WorkflowStatus", Words, 20),
    ("RecordState", Words, 20),
    ("RelatedFindingsProductArn", Words, 20),
    ("RelatedFindingsId", Words, 20),
    ("NoteText", Words, 20),
    ("NoteUpdatedAt", Date, 20),
    ("NoteUpdatedBy", Words, 20),
    ("UserDefinedFields", Pairs, 20),
    ("ResourceApplicationArn", Words, 20),
    ("ResourceApplicationName", Words, 20),
    ("AwsAccountName", Words, 20),
    ("ResourceProvider", Words, 20),
    ("ResourceOwnerAccountId", Words, 20),
    ("ResourceOwnerOrgId", Words, 20),
];

/// Reads criteria. None at all would be a rule for every finding, which nobody means by leaving everything out.
#[derive(Clone, Copy)]
pub(super) struct CriteriaReader;

impl<'de> DeserializeSeed<'de> for CriteriaReader {
    type Value = Criteria;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Criteria, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for CriteriaReader {
    type Value = Criteria;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of attributes with a list of filters each")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Criteria, A::Error> {
        let mut attributes = Map::new();
        while let Some(name) = map.next_key_seed(Key)? {
            let Some(&(_, kind, max)) = ATTRIBUTES.iter().find(|(known, ..)| *known == name) else {
                return Err(unknown(&name, &ATTRIBUTES.map(|(known, ..)| known)));
            };
            if attributes.contains_key(&*name) {
                return Err(repeated(&name));
            }
            attributes.insert(name.into_owned(), map.next_value_seed(FiltersReader { kind, max })?);
        }
        if attributes.is_empty() {
            return Err(de::Error::custom("an empty object, expected at least one attribute to choose findings by"));
        }
        Ok(Criteria(attributes))
    }
}

/// Reads the filters of one attribute.
struct FiltersReader {
    kind: Kind,
    max: usize,
}

impl<'de> DeserializeSeed<'de> for FiltersReader {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let expected = if self.max == 20 { "a list of 1 to 20 filters" } else { "a list of 1 to 100 filters" };
        let filters =
            List { element: FilterReader(self.kind), min: 1, max: self.max, expected }.deserialize(deserializer)?;
        mixed(&filters).map_or(Ok(()), |problem| Err(de::Error::custom(problem)))?;
        Ok(Value::Array(filters))
    }
}

/// The combination of comparisons in one attribute's filters that the API refuses, if there is one (API model, StringFilter and
/// MapFilter).
fn mixed(filters: &[Value]) -> Option<&'static str> {
    let has = |wanted: &[&str]| {
        filters.iter().any(|filter| filter["Comparison"].as_str().is_some_and(|word| wanted.contains(&word)))
    };
    let others_than = |word: &str| filters.iter().any(|filter| filter["Comparison"].as_str() != Some(word));
    if has(&["EQUALS"]) && has(&["NOT_EQUALS", "PREFIX_NOT_EQUALS"]) {
        return Some("EQUALS cannot be combined with NOT_EQUALS or PREFIX_NOT_EQUALS on one attribute");
    }
    ["CONTAINS", "NOT_CONTAINS"]
        .into_iter()
        .any(|word| has(&[word]) && others_than(word))
        .then_some("CONTAINS, and NOT_CONTAINS, cannot be combined with other comparisons on one attribute")
}

/// Reads one filter.
#[derive(Clone, Copy)]
struct FilterReader(Kind);

impl<'de> DeserializeSeed<'de> for FilterReader {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        match self.0 {
            Words => TextFilterReader.deserialize(deserializer),
            Date => DateFilterReader.deserialize(deserializer),
            Scale => NumberFilterReader.deserialize(deserializer),
            Pairs => MapFilterReader.deserialize(deserializer),
        }
    }
}

/// No greatest length is documented. That of the longest text a finding has is the longest that could match.
const FILTER_TEXT: TextRule = TextRule {
    holds: |text| not_blank(text) && text.len() <= 8192,
    expected: "a text of at most 8192 bytes, not blank",
};
const TIMESTAMP: TextRule =
    TextRule { holds: |text| timestamp::parse(text).is_some(), expected: "a timestamp such as 2024-01-31T12:00:00Z" };

/// CONTAINS_WORD is for reading findings only.
const TEXT_COMPARISONS: &[&str] = &["EQUALS", "PREFIX", "NOT_EQUALS", "PREFIX_NOT_EQUALS", "CONTAINS", "NOT_CONTAINS"];
const MAP_COMPARISONS: &[&str] = &["EQUALS", "NOT_EQUALS", "CONTAINS", "NOT_CONTAINS"];
const RANGES: &[&str] = &["WITHIN", "OLDER_THAN"];

fn word(words: &[&'static str], text: &str) -> Option<&'static str> {
    words.iter().copied().find(|word| *word == text)
}

object! {
    TextFilterReader -> Value, "an object with Value and Comparison", {
        value: "Value" = FILTER_TEXT,
        comparison: "Comparison" = Word::new(|text| word(TEXT_COMPARISONS, text), || TEXT_COMPARISONS.join(", ")),
    } => |value, comparison: Option<&str>| Ok(object([
        ("Value", Some(text(&required(value, "Value")?))),
        ("Comparison", Some(required(comparison, "Comparison")?.into())),
    ]))
}

object! {
    MapFilterReader -> Value, "an object with Key, Value and Comparison", {
        key: "Key" = FILTER_TEXT,
        value: "Value" = FILTER_TEXT,
        comparison: "Comparison" = Word::new(|text| word(MAP_COMPARISONS, text), || MAP_COMPARISONS.join(", ")),
    } => |key, value, comparison: Option<&str>| Ok(object([
        ("Key", Some(text(&required(key, "Key")?))),
        ("Value", Some(text(&required(value, "Value")?))),
        ("Comparison", Some(required(comparison, "Comparison")?.into())),
    ]))
}

object! {
    DateFilterReader -> Value, "an object with Start and End, or with DateRange", {
        start: "Start" = TIMESTAMP,
        end: "End" = TIMESTAMP,
        range: "DateRange" = DateRangeReader,
    } => |start: Option<Text<'_>>, end: Option<Text<'_>>, range: Option<Value>| {
        if (start.is_some(), end.is_some()) != (range.is_none(), range.is_none()) {
            return Err(de::Error::custom("expected Start and End, or DateRange alone"));
        }
        Ok(object([("Start", start.as_ref().map(text)), ("End", end.as_ref().map(text)), ("DateRange", range)]))
    }
}

object! {
    DateRangeReader -> Value, "an object with Value and Unit", {
        value: "Value" = Whole { min: 1, max: u32::MAX },
        unit: "Unit" = Word::new(|text| word(&["DAYS"], text), || "DAYS".to_owned()),
        comparison: "Comparison" = Word::new(|text| word(RANGES, text), || RANGES.join(", ")),
    } => |value: Option<u32>, unit: Option<&str>, comparison: Option<&str>| Ok(object([
        ("Value", Some(required(value, "Value")?.into())),
        ("Unit", Some(required(unit, "Unit")?.into())),
        ("Comparison", comparison.map(Value::from)),
    ]))
}

object! {
    NumberFilterReader -> Value, "an object with Eq, or with bounds", {
        eq: "Eq" = Amount, gte: "Gte" = Amount, lte: "Lte" = Amount, gt: "Gt" = Amount, lt: "Lt" = Amount,
    } => |eq: Option<Value>, gte: Option<Value>, lte: Option<Value>, gt: Option<Value>, lt: Option<Value>| {
        let (lower, upper) = (usize::from(gte.is_some()) + usize::from(gt.is_some()),
                              usize::from(lte.is_some()) + usize::from(lt.is_some()));
        if eq.is_some() == (lower + upper > 0) || lower > 1 || upper > 1 {
            return Err(de::Error::custom("expected Eq alone, or at most one of Gte, Gt and one of Lte, Lt"));
        }
        Ok(object([("Eq", eq), ("Gte", gte), ("Lte", lte), ("Gt", gt), ("Lt", lt)]))
    }
}

/// The members that are there, as an object.
fn object<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    let there = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(there.collect())
}

fn text(text: &Text<'_>) -> Value {
    text.as_str().into()
}

/// Reads a number of any size, and keeps its value.
#[derive(Clone, Copy)]
struct Amount;

impl<'de> DeserializeSeed<'de> for Amount {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for Amount {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Value, E> {
        Number::from_f64(number).map(Value::Number).ok_or_else(|| E::custom("a number that is not finite"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::body;

    #[test]
    fn attributes_are_unique() {
        let names: std::collections::BTreeSet<_> = ATTRIBUTES.iter().map(|(name, ..)| name).collect();
        assert_eq!(names.len(), ATTRIBUTES.len());
    }

    #[test]
    fn good_criteria_are_written_as_they_came() {
        for good in [
            r#"{"Title":[{"Comparison":"CONTAINS","Value":"é"},{"Comparison":"CONTAINS","Value":"b"}]}"#,
            r#"{"ResourceType":[{"Comparison":"PREFIX","Value":"AwsIam"},{"Comparison":"NOT_EQUALS","Value":"AwsIamPolicy"}]}"#,
            r#"{"ResourceTags":[{"Comparison":"NOT_CONTAINS","Key":"team","Value":"red"}]}"#,
            r#"{"CreatedAt":[{"End":"2024-02-01T00:00:00Z","Start":"2024-01-01T00:00:00Z"}]}"#,
            r#"{"CreatedAt":[{"DateRange":{"Comparison":"OLDER_THAN","Unit":"DAYS","Value":7}}]}"#,
            r#"{"Confidence":[{"Eq":50},{"Gte":1.5,"Lt":9},{"Gt":-1}],"RecordState":[{"Comparison":"EQUALS","Value":"ACTIVE"}]}"#,
        ] {
            let criteria = body::parse(good.as_bytes(), CriteriaReader).unwrap();
            let mut written = Vec::new();
            criteria.write_json(&mut written);
            let [written, good] =
                [&*written, good.as_bytes()].map(|json| serde_json::from_slice::<Value>(json).unwrap());
            assert_eq!(written, good);
        }
    }

    #[test]
    fn bad_criteria_are_refused_with_their_place() {
        let many = |count: usize| vec![r#"{"Value":"a","Comparison":"EQUALS"}"#; count].join(",");
        for (bad, told) in [
            ("{}", "body: an empty object"),
            ("[]", "body: invalid type: sequence, expected an object of attributes"),
            (r#"{"Titel":[]}"#, "unknown member `Titel` (did you mean `Title`?)"),
            (r#"{"Keyword":[{"Value":"a"}]}"#, "unknown member `Keyword`"),
            (r#"{"Title":[],"Title":[]}"#, "Title: got an empty list, expected a list of 1 to 100 filters"),
            (
                r#"{"Id":[{"Value":"a","Comparison":"EQUALS"}],"Id":[{"Value":"a","Comparison":"EQUALS"}]}"#,
                "member `Id` came twice",
            ),
            (&format!(r#"{{"Id":[{}]}}"#, many(21)), "Id: more than 20 elements"),
            (&format!(r#"{{"Title":[{}]}}"#, many(101)), "Title: more than 100 elements"),
            (r#"{"Id":null}"#, "Id: invalid type: null, expected a list of 1 to 20 filters"),
            (r#"{"Id":["x"]}"#, "Id[0]: invalid type: string"),
            (r#"{"Id":[{"Value":"x"}]}"#, "Id[0]: member `Comparison` is missing"),
            (r#"{"Id":[{"Value":" ","Comparison":"EQUALS"}]}"#, "Id[0].Value: got \" \""),
            (r#"{"Id":[{"Value":"x","Comparison":"CONTAINS_WORD"}]}"#, "Id[0].Comparison: got \"CONTAINS_WORD\""),
            (
                r#"{"Id":[{"Value":"x","Comparison":"EQUALS"},{"Value":"y","Comparison":"NOT_EQUALS"}]}"#,
                "Id: EQUALS cannot be combined",
            ),
            (
                r#"{"Id":[{"Value":"x","Comparison":"CONTAINS"},{"Value":"y","Comparison":"PREFIX"}]}"#,
                "Id: CONTAINS, and NOT_CONTAINS, cannot be combined",
            ),
            (r#"{"ResourceTags":[{"Value":"x","Comparison":"EQUALS"}]}"#, "member `Key` is missing"),
            (r#"{"ResourceTags":[{"Key":"k","Value":"x","Comparison":"PREFIX"}]}"#, "Comparison: got \"PREFIX\""),
            (r#"{"CreatedAt":[{"Start":"2024-01-01T00:00:00Z"}]}"#, "CreatedAt[0]: expected Start and End"),
            (r#"{"CreatedAt":[{}]}"#, "CreatedAt[0]: expected Start and End"),
            (r#"{"CreatedAt":[{"Start":"yesterday","End":"x"}]}"#, "CreatedAt[0].Start: got \"yesterday\""),
            (
                r#"{"CreatedAt":[{"DateRange":{"Value":0,"Unit":"DAYS"}}]}"#,
                "DateRange.Value: got 0, expected an integer from 1",
            ),
            (r#"{"CreatedAt":[{"DateRange":{"Value":1,"Unit":"HOURS"}}]}"#, "Unit: got \"HOURS\""),
            (r#"{"Confidence":[{"Eq":1,"Lt":2}]}"#, "Confidence[0]: expected Eq alone"),
            (r#"{"Confidence":[{"Gt":1,"Gte":2}]}"#, "Confidence[0]: expected Eq alone"),
            (r#"{"Confidence":[{"Eq":"1"}]}"#, "Confidence[0].Eq: invalid type: string"),
        ] {
            let error = body::parse(bad.as_bytes(), CriteriaReader).unwrap_err().to_string();
            assert!(error.contains(told), "{bad}: {error}");
        }
    }
}

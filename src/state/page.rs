//! A page of findings, read one finding at a time.

use crate::finding::Document;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::{borrow::Cow, fmt};

/// How much of a complaint about a page is passed on. It may quote the page.
pub(super) const LONGEST_COMPLAINT: usize = 200;

/// What becomes of each finding. A complaint says that the page is not understood.
type See<'s> = &'s mut dyn FnMut(&Map<String, Value>) -> Result<(), &'static str>;

/// Reads `{"Findings": […], "NextToken": …}`, shows each finding, and gives the token of the next page.
pub(super) fn read(page: &[u8], see: See<'_>) -> Result<Option<String>, String> {
    let mut json = serde_json::Deserializer::from_slice(page);
    let token = Page(see).deserialize(&mut json).and_then(|token| json.end().map(|()| token));
    token.map_err(|error| {
        let complaint = error.to_string();
        match complaint.char_indices().nth(LONGEST_COMPLAINT) {
            Some((cut, _)) => format!("{}…", &complaint[..cut]),
            None => complaint,
        }
    })
}

struct Page<'s>(See<'s>);

impl<'de> DeserializeSeed<'de> for Page<'_> {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Page<'_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with Findings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut has_findings, mut next) = (false, None);
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            match &*name {
                "Findings" if has_findings => return Err(A::Error::custom("member `Findings` came twice")),
                "Findings" => {
                    map.next_value_seed(Findings(self.0))?;
                    has_findings = true;
                }
                "NextToken" if next.is_some() => return Err(A::Error::custom("member `NextToken` came twice")),
                "NextToken" => next = Some(map.next_value::<Option<String>>()?),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        if !has_findings {
            return Err(A::Error::custom("member `Findings` is missing"));
        }
        Ok(next.flatten().filter(|token| !token.is_empty()))
    }
}

/// Reads the findings one by one, so that only one of them is in memory as a whole.
struct Findings<'s>(See<'s>);

impl<'de> DeserializeSeed<'de> for Findings<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Findings<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of findings")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(finding) = seq.next_element::<Document>()? {
            (self.0)(&finding.into_members()).map_err(A::Error::custom)?;
        }
        Ok(())
    }
}

//! A page of an answer: whose findings it has, and where the token of the next one stands.
//!
//! The answer is not read into values: findings are large, and all but one member of each goes to the client as it came.

use super::AccountId;
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::{fmt, ops::Range};

/// A page, as far as the gate has to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    token: Option<(Range<usize>, String)>,
}

/// Whose findings a page may have.
#[derive(Clone, Copy)]
pub struct Only<'a> {
    /// The path of members at which findings name their owner.
    pub path: &'a [&'a str],
    /// Whether a finding may be there that names this owner, or none that is an account.
    pub may_be: &'a dyn Fn(Option<AccountId>) -> bool,
}

impl fmt::Debug for Only<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Only").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Why an answer is no page that may be passed on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPage {
    /// It has a finding that must not be there.
    #[error("finding {at} of the answer is {}", owner.map_or("of no account that it names".to_owned(), |owner| format!("of account {owner}")))]
    Foreign {
        /// The finding's place in the answer, counted from 0.
        at: usize,
        /// Its owner, if it names one that is an account.
        owner: Option<AccountId>,
    },
    /// It has not the form of a page.
    #[error("the answer is no page of findings ({0})")]
    Malformed(String),
}

impl Page {
    /// Reads an answer's body. If it may have findings of certain owners only, there must be findings, and each must have such an
    /// owner; otherwise all but the token is passed over.
    ///
    /// Members that stand twice are refused where they count: the client may read the other one.
    pub fn read(body: &[u8], only: Option<Only<'_>>) -> Result<Self, InvalidPage> {
        let mut foreign = None;
        let mut json = serde_json::Deserializer::from_slice(body);
        let token = PageReader { only, foreign: &mut foreign }.deserialize(&mut json);
        let token = token.and_then(|token| json.end().map(|()| token));
        let token = token.map_err(|error| InvalidPage::Malformed(error.to_string()))?;
        if let Some((at, owner)) = foreign {
            return Err(InvalidPage::Foreign { at, owner });
        }
        let Some(token) = token.map(RawValue::get).filter(|token| *token != "null") else {
            return Ok(Self { token: None });
        };
        let text =
            serde_json::from_str(token).map_err(|error| InvalidPage::Malformed(format!("NextToken: {error}")))?;
        // A raw value is a part of the body that it was read from.
        let start = token.as_ptr().addr() - body.as_ptr().addr();
        Ok(Self { token: Some((start..start + token.len(), text)) })
    }

    /// The token of the next page. An empty one is none: clients stop at it.
    pub fn next_token(&self) -> Option<&str> {
        self.token.as_ref().map(|(_, token)| token.as_str()).filter(|token| !token.is_empty())
    }

    /// The body that this page was read from, with another token in the place of its own.
    #[expect(clippy::missing_panics_doc, reason = "writing a string into memory does not fail")]
    pub fn with_token(&self, body: &[u8], token: &str) -> Vec<u8> {
        let Some((place, _)) = &self.token else { return body.to_vec() };
        let mut out = Vec::with_capacity(body.len() + token.len() + 2);
        out.extend_from_slice(&body[..place.start]);
        serde_json::to_writer(&mut out, token).expect("strings serialise");
        out.extend_from_slice(&body[place.end..]);
        out
    }
}

type Foreign = Option<(usize, Option<AccountId>)>;

/// Reads a page: its token, raw.
struct PageReader<'a> {
    only: Option<Only<'a>>,
    foreign: &'a mut Foreign,
}

impl<'de> DeserializeSeed<'de> for PageReader<'_> {
    type Value = Option<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for PageReader<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut has_findings, mut token) = (false, None);
        while let Some(name) = map.next_key_seed(super::object::Key)? {
            match (&*name, self.only) {
                ("Findings", Some(only)) => {
                    if std::mem::replace(&mut has_findings, true) {
                        return Err(super::object::repeated("Findings"));
                    }
                    map.next_value_seed(FindingsReader { only, foreign: self.foreign })?;
                }
                ("NextToken", _) => {
                    if token.is_some() {
                        return Err(super::object::repeated("NextToken"));
                    }
                    token = Some(map.next_value::<&RawValue>()?);
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        if !has_findings && self.only.is_some() {
            return Err(de::Error::custom("member `Findings` is missing"));
        }
        Ok(token)
    }
}

/// Reads findings, and notes the first that must not be there.
struct FindingsReader<'a> {
    only: Only<'a>,
    foreign: &'a mut Foreign,
}

impl<'de> DeserializeSeed<'de> for FindingsReader<'_> {
    type Value = ();

    /// Asks for any value, so that text comes to `visit_str` and not into a message of serde's.
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for FindingsReader<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of findings")
    }

    /// Nothing of the text, which may be somebody else's, goes into a message.
    fn visit_str<E: de::Error>(self, _: &str) -> Result<(), E> {
        Err(E::custom("invalid type: string, expected a list of findings"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let mut at = 0;
        while let Some(owner) = seq.next_element_seed(OwnerReader { path: self.only.path })? {
            if !(self.only.may_be)(owner) && self.foreign.is_none() {
                *self.foreign = Some((at, owner));
            }
            at += 1;
        }
        Ok(())
    }
}

/// Reads the account at a path of members; nothing if none is there, whatever is.
#[derive(Clone, Copy)]
struct OwnerReader<'a> {
    path: &'a [&'a str],
}

impl<'de> DeserializeSeed<'de> for OwnerReader<'_> {
    type Value = Option<AccountId>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for OwnerReader<'_> {
    type Value = Option<AccountId>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(if self.path.is_empty() { AccountId::parse(text) } else { None })
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut owner = None;
        while let Some(name) = map.next_key_seed(super::object::Key)? {
            match self.path {
                [wanted, path @ ..] if name == *wanted => {
                    if owner.is_some() {
                        return Err(super::object::repeated(wanted));
                    }
                    owner = Some(map.next_value_seed(Self { path })?);
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(owner.flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OWN: &str = "222222222222";
    const OWNER: &[&str] = &["AwsAccountId"];

    fn read(body: &str) -> Result<Page, InvalidPage> {
        Page::read(body.as_bytes(), Some(Only { path: OWNER, may_be: &|owner| owner == AccountId::parse(OWN) }))
    }

    #[test]
    fn a_page_is_the_account_s_and_its_token_is_replaced_where_it_stands() {
        let body = r#" {"X":{"NextToken":"x"}, "NextToken" : "a\/\u0062" ,"Findings":[{"Id":"NextToken","AwsAccountId":"222222222222"},
            {"A":[{"AwsAccountId":"333333333333"}],"AwsAccountId":"\u003222222222222"}]}"#;
        let page = read(body).unwrap();
        assert_eq!(page.next_token(), Some("a/b"));
        let replaced = String::from_utf8(page.with_token(body.as_bytes(), "\"new\"")).unwrap();
        assert_eq!(replaced, body.replace(r#""a\/\u0062""#, r#""\"new\"""#));
        for (body, token) in [
            (r#"{"Findings":[]}"#, None),
            (r#"{"Findings":[],"NextToken":null}"#, None),
            (r#"{"Findings":[],"NextToken":""}"#, None),
            (r#"{"Findings":[],"NextToken":"t"}"#, Some("t")),
        ] {
            assert_eq!(read(body).unwrap().next_token(), token, "{body}");
        }
    }

    #[test]
    fn a_finding_that_is_not_the_account_s_is_foreign_whatever_else_it_is() {
        let foreign = |owner: Option<&str>| InvalidPage::Foreign { at: 1, owner: owner.map(|id| id.parse().unwrap()) };
        for (finding, expected) in [
            (r#"{"AwsAccountId":"333333333333"}"#, foreign(Some("333333333333"))),
            (r#"{"AwsAccountId":"22222222222"}"#, foreign(None)),
            (r#"{"AwsAccountId":" 222222222222"}"#, foreign(None)),
            (r#"{"awsAccountId":"222222222222"}"#, foreign(None)),
            (r#"{"Resources":[{"AwsAccountId":"222222222222"}]}"#, foreign(None)),
            (r#"{"AwsAccountId":222222222222}"#, foreign(None)),
            (r#"{"AwsAccountId":null}"#, foreign(None)),
            (r#"{"AwsAccountId":["222222222222"]}"#, foreign(None)),
            (r#"{"AwsAccountId":{"AwsAccountId":"222222222222"}}"#, foreign(None)),
            (r#"["222222222222"]"#, foreign(None)),
            (r#"[{"AwsAccountId":"222222222222"}]"#, foreign(None)),
            (r#""222222222222""#, foreign(None)),
            ("1.5", foreign(None)),
            ("-1", foreign(None)),
            ("true", foreign(None)),
            ("null", foreign(None)),
            ("{}", foreign(None)),
        ] {
            let body = format!(r#"{{"Findings":[{{"AwsAccountId":"{OWN}"}},{finding}]}}"#);
            assert_eq!(read(&body).unwrap_err(), expected, "{finding}");
            assert!(Page::read(body.as_bytes(), None).is_ok());
        }
    }

    #[test]
    fn what_is_no_page_is_not_passed_on() {
        for (body, told) in [
            ("", "EOF"),
            ("[]", "expected an object"),
            ("{}", "`Findings` is missing"),
            (r#"{"findings":[]}"#, "`Findings` is missing"),
            (r#"{"Findings":null}"#, "expected a list of findings"),
            (r#"{"Findings":{}}"#, "expected a list of findings"),
            (r#"{"Findings":[],"Findings":[]}"#, "`Findings` came twice"),
            (r#"{"Findings":[],"\u0046indings":[]}"#, "`Findings` came twice"),
            (r#"{"Findings":"secret"}"#, "invalid type: string, expected a list of findings"),
            (r#"{"Findings":[{"AwsAccountId":"222222222222","AwsAccountId":"333333333333"}]}"#, "came twice"),
            (r#"{"Findings":[],"NextToken":"a","NextToken":"b"}"#, "`NextToken` came twice"),
            (r#"{"Findings":[],"NextToken":{"a":1}}"#, "NextToken: invalid type"),
            (r#"{"Findings":[]} x"#, "trailing characters"),
        ] {
            let error = read(body).unwrap_err();
            assert!(matches!(&error, InvalidPage::Malformed(why) if why.contains(told)), "{body}: {error}");
        }
    }

    #[test]
    fn an_owner_may_stand_deeper() {
        let path: &[&str] = &["cloud", "account", "uid"];
        let read = |finding: &str| {
            let body = format!(r#"{{"Findings":[{finding}]}}"#);
            let may_be = &|owner| owner == AccountId::parse(OWN);
            Page::read(body.as_bytes(), Some(Only { path, may_be })).is_ok()
        };
        assert!(read(r#"{"x":1,"cloud":{"region":"r","account":{"type":"AWS","uid":"222222222222"}}}"#));
        for finding in [
            r#"{"cloud":{"account":{"uid":"333333333333"}}}"#,
            r#"{"cloud":{"account":{}}}"#,
            r#"{"cloud":{"account":"222222222222"}}"#,
            r#"{"account":{"uid":"222222222222"}}"#,
            r#"{"cloud":{"account":{"uid":"222222222222"},"account":{"uid":"333333333333"}}}"#,
            r#"{"cloud":{"account":{"uid":"222222222222"}},"cloud":{}}"#,
        ] {
            assert!(!read(finding), "{finding}");
        }
    }

    proptest! {
        #[test]
        fn only_the_token_changes(before in "\\PC{0,20}", token in "\\PC{1,40}", new in "\\PC{0,40}", first: bool) {
            let findings = serde_json::json!([{"AwsAccountId": OWN, "Title": before}]);
            let token_member = format!("\"NextToken\":{}", serde_json::json!(token));
            let body = if first {
                format!("{{{token_member},\"Findings\":{findings}}}")
            } else {
                format!("{{\"Findings\":{findings},{token_member}}}")
            };
            let page = read(&body).unwrap();
            prop_assert_eq!(page.next_token(), Some(token.as_str()));
            let replaced: serde_json::Value = serde_json::from_slice(&page.with_token(body.as_bytes(), &new)).unwrap();
            prop_assert_eq!(replaced, serde_json::json!({"Findings": findings, "NextToken": new}));
        }

        #[test]
        fn no_body_makes_it_panic(body: Vec<u8>) {
            prop_assert!(Page::read(&body, None).is_err());
        }
    }
}

//! A BatchUpdateFindingsV2 request: findings by their names in OCSF, and the one update that applies to all of them.

use super::{
    AccountId, InvalidBody, Text, body,
    object::{List, object, required},
    ocsf::{Id, SeverityId, StatusId},
    text::{TextRule, length_within, not_blank},
    update::{MAX_IDENTIFIERS, words, write_list},
    vocabulary::vocabulary,
};
use serde::de;

vocabulary! {
    /// One of the three members that such an update may have (API model). Each is kept or stripped by itself.
    FieldV2 {
        /// What the customer says of the finding.
        Comment = "Comment",
        /// How bad it is.
        SeverityId = "SeverityId",
        /// Where the work on it stands.
        StatusId = "StatusId",
    }
}

/// A BatchUpdateFindingsV2 request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchUpdateV2<'a> {
    /// The findings to update, in the order of the request. At least one, at most [`MAX_IDENTIFIERS`].
    pub findings: FindingsV2<'a>,
    /// What to update in each.
    pub update: UpdateV2<'a>,
}

/// The findings of a request. It names all of them in one way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FindingsV2<'a> {
    /// By their `metadata.uid`.
    MetadataUids(Vec<Text<'a>>),
    /// By account, product and the product's own id.
    Identifiers(Vec<IdentifierV2<'a>>),
}

/// What names one finding: the three together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdentifierV2<'a> {
    /// `cloud.account.uid`: the account that owns it. It is what the caller says; whether it is so, the backend knows.
    pub account: AccountId,
    /// `finding_info.uid`
    pub finding_uid: Text<'a>,
    /// `metadata.product.uid`
    pub product_uid: Text<'a>,
}

/// One set of changes. At least one member is there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UpdateV2<'a> {
    /// 1 to 512 characters.
    pub comment: Option<Text<'a>>,
    /// Replaces `severity_id`, and `severity` with it.
    pub severity_id: Option<SeverityId>,
    /// Replaces `status_id`, and `status` with it.
    pub status_id: Option<StatusId>,
}

/// One finding of a request, as the request names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FindingV2<'r, 'a> {
    /// By its `metadata.uid`.
    MetadataUid(&'r Text<'a>),
    /// By account, product and the product's own id.
    Identifier(&'r IdentifierV2<'a>),
}

impl<'a> BatchUpdateV2<'a> {
    /// Reads a request, strictly, as [`super::BatchUpdate::parse`] does.
    pub fn parse(body: &'a [u8]) -> Result<Self, InvalidBody> {
        body::parse(body, BatchUpdateV2Reader)
    }

    /// Appends the request for some of its findings with some of its fields, made anew from what was parsed.
    pub fn write_json(&self, findings: impl IntoIterator<Item = usize>, fields: &[FieldV2], out: &mut Vec<u8>) {
        match &self.findings {
            FindingsV2::MetadataUids(uids) => {
                out.extend_from_slice(br#"{"MetadataUids":"#);
                let uids: Vec<_> = findings.into_iter().map(|place| &uids[place]).collect();
                write_list(&uids, *b"[]", out, |uid, out| uid.write_json(out));
            }
            FindingsV2::Identifiers(identifiers) => {
                out.extend_from_slice(br#"{"FindingIdentifiers":"#);
                let identifiers: Vec<_> = findings.into_iter().map(|place| &identifiers[place]).collect();
                write_list(&identifiers, *b"[]", out, |identifier, out| identifier.write_json(out));
            }
        }
        self.update.write_members(fields, out);
        out.push(b'}');
    }
}

impl UpdateV2<'_> {
    /// Appends the update as an object of its own.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        let start = out.len();
        self.write_members(FieldV2::ALL, out);
        match out.get_mut(start) {
            Some(comma) => *comma = b'{',
            None => out.push(b'{'),
        }
        out.push(b'}');
    }

    /// Appends `,"Member":value` for each of these fields that is there.
    fn write_members(&self, fields: &[FieldV2], out: &mut Vec<u8>) {
        let kept = |field| fields.contains(&field);
        let Self { comment, severity_id, status_id } = self;
        if let Some(comment) = comment.as_ref().filter(|_| kept(FieldV2::Comment)) {
            out.extend_from_slice(br#","Comment":"#);
            comment.write_json(out);
        }
        if let Some(severity) = severity_id.filter(|_| kept(FieldV2::SeverityId)) {
            out.extend_from_slice(format!(r#","SeverityId":{}"#, severity.id()).as_bytes());
        }
        if let Some(status) = status_id.filter(|_| kept(FieldV2::StatusId)) {
            out.extend_from_slice(format!(r#","StatusId":{}"#, status.id()).as_bytes());
        }
    }
}

impl<'a> FindingsV2<'a> {
    /// How many there are; never none.
    #[expect(clippy::len_without_is_empty, reason = "a request names at least one")]
    pub fn len(&self) -> usize {
        match self {
            Self::MetadataUids(uids) => uids.len(),
            Self::Identifiers(identifiers) => identifiers.len(),
        }
    }

    /// The findings, in the order of the request.
    pub fn iter(&self) -> impl Iterator<Item = FindingV2<'_, 'a>> {
        (0..self.len()).map(|place| self.get(place))
    }

    /// The finding at that place of the request.
    ///
    /// # Panics
    ///
    /// If the request does not have so many.
    pub fn get(&self, place: usize) -> FindingV2<'_, 'a> {
        match self {
            Self::MetadataUids(uids) => FindingV2::MetadataUid(&uids[place]),
            Self::Identifiers(identifiers) => FindingV2::Identifier(&identifiers[place]),
        }
    }
}

impl IdentifierV2<'_> {
    /// Appends the identifier as JSON.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(format!(r#"{{"CloudAccountUid":"{}","FindingInfoUid":"#, self.account).as_bytes());
        self.finding_uid.write_json(out);
        out.extend_from_slice(br#","MetadataProductUid":"#);
        self.product_uid.write_json(out);
        out.push(b'}');
    }
}

impl UpdateV2<'_> {
    /// The members that are there.
    pub fn fields(&self) -> impl Iterator<Item = FieldV2> {
        FieldV2::ALL.iter().copied().filter(|field| match field {
            FieldV2::Comment => self.comment.is_some(),
            FieldV2::SeverityId => self.severity_id.is_some(),
            FieldV2::StatusId => self.status_id.is_some(),
        })
    }
}

// ---- readers ----

/// No greatest length is documented. In ASFF the same three are at most this long.
const UID: TextRule = TextRule {
    holds: |text| length_within(text, 1, 2048) && not_blank(text),
    expected: "a uid of 1 to 2048 characters, not blank",
};
const ACCOUNT: TextRule =
    TextRule { holds: |text| AccountId::parse(text).is_some(), expected: "an account id: twelve digits" };
/// The API model's text.
const COMMENT: TextRule = TextRule {
    holds: |text| length_within(text, 1, 512) && not_blank(text),
    expected: "a text of 1 to 512 characters, not blank",
};

object! {
    BatchUpdateV2Reader -> BatchUpdateV2<'de>, "an object with MetadataUids or FindingIdentifiers, and what to update", {
        uids: "MetadataUids" = List {
            element: UID, min: 1, max: MAX_IDENTIFIERS, expected: "a list of 1 to 100 uids",
        },
        identifiers: "FindingIdentifiers" = List {
            element: IdentifierV2Reader, min: 1, max: MAX_IDENTIFIERS, expected: "a list of 1 to 100 finding identifiers",
        },
        comment: "Comment" = COMMENT,
        severity_id: "SeverityId" = Id::<SeverityId>::new(),
        status_id: "StatusId" = Id::<StatusId>::new(),
    } => |uids, identifiers, comment, severity_id, status_id| {
        let findings = match (uids, identifiers) {
            (Some(uids), None) => FindingsV2::MetadataUids(uids),
            (None, Some(identifiers)) => FindingsV2::Identifiers(identifiers),
            (None, None) => return Err(de::Error::custom("no findings, expected MetadataUids or FindingIdentifiers")),
            (Some(_), Some(_)) => return Err(de::Error::custom(
                "MetadataUids and FindingIdentifiers are both there, expected one of them"
            )),
        };
        let update = UpdateV2 { comment, severity_id, status_id };
        if update.fields().next().is_none() {
            return Err(de::Error::custom(format_args!(
                "nothing to update, expected at least one of {}", words(FieldV2::ALL.iter().map(|field| field.as_str()))
            )));
        }
        Ok(BatchUpdateV2 { findings, update })
    }
}

object! {
    IdentifierV2Reader -> IdentifierV2<'de>, "an object with CloudAccountUid, FindingInfoUid and MetadataProductUid", {
        account: "CloudAccountUid" = ACCOUNT,
        finding_uid: "FindingInfoUid" = UID,
        product_uid: "MetadataProductUid" = UID,
    } => |account: Option<Text<'_>>, finding_uid, product_uid| Ok(IdentifierV2 {
        account: required(account.and_then(|account| AccountId::parse(&account)), "CloudAccountUid")?,
        finding_uid: required(finding_uid, "FindingInfoUid")?,
        product_uid: required(product_uid, "MetadataProductUid")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const IDENTIFIER: &str =
        r#"{"CloudAccountUid":"222222222222","FindingInfoUid":"f \"1\"","MetadataProductUid":"arn:aws:p"}"#;

    fn refused(body: &str) -> String {
        BatchUpdateV2::parse(body.as_bytes())
            .map(|request| panic!("accepted {body}: {request:?}"))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn requests_are_read_and_written_in_part() {
        let fields = r#""Comment":"c \"é\"","SeverityId":99,"StatusId":0"#;
        for (member, two, one) in [
            ("MetadataUids", r#""a","b""#.to_owned(), r#""b""#),
            ("FindingIdentifiers", format!("{IDENTIFIER},{IDENTIFIER}"), IDENTIFIER),
        ] {
            let body = format!(r#"{{"{member}":[{two}],{fields}}}"#);
            let request = BatchUpdateV2::parse(body.as_bytes()).unwrap();
            assert_eq!((request.findings.len(), request.findings.iter().count()), (2, 2));
            assert!(request.update.fields().eq(FieldV2::ALL.iter().copied()));
            let written = |findings: &[usize], fields: &[FieldV2]| {
                let mut out = Vec::new();
                request.write_json(findings.iter().copied(), fields, &mut out);
                String::from_utf8(out).unwrap()
            };
            assert_eq!(written(&[0, 1], FieldV2::ALL), body);
            assert_eq!(written(&[1], &[FieldV2::StatusId]), format!(r#"{{"{member}":[{one}],"StatusId":0}}"#));
            assert_eq!(
                written(&[1], &[FieldV2::SeverityId, FieldV2::Comment]),
                format!(r#"{{"{member}":[{one}],"Comment":"c \"é\"","SeverityId":99}}"#)
            );
        }
    }

    #[test]
    fn every_number_of_the_model_is_read_and_no_other() {
        let good = |name: &str, number: u64| {
            BatchUpdateV2::parse(format!(r#"{{"MetadataUids":["a"],"{name}":{number}}}"#).as_bytes()).is_ok()
        };
        let read = |name| (0..=300).filter(|number| good(name, *number)).collect::<Vec<_>>();
        assert_eq!(read("SeverityId"), [0, 1, 2, 3, 4, 5, 6, 99]);
        assert_eq!(read("StatusId"), [0, 1, 2, 3, 4, 5, 99]);
    }

    #[test]
    fn bad_requests_are_refused_with_their_place() {
        let many = format!(r#"{{"MetadataUids":[{}],"StatusId":1}}"#, vec![r#""a""#; 101].join(","));
        let long = format!(r#"{{"MetadataUids":["a"],"Comment":"{}"}}"#, "x".repeat(513));
        let identifiers = |identifier: &str| format!(r#"{{"FindingIdentifiers":[{identifier}],"StatusId":1}}"#);
        for (body, told) in [
            (r#"{"StatusId":1}"#, "body: no findings, expected MetadataUids or FindingIdentifiers"),
            (
                r#"{"MetadataUids":["a"]}"#,
                "body: nothing to update, expected at least one of Comment, SeverityId, StatusId",
            ),
            (
                &format!(r#"{{"MetadataUids":["a"],"FindingIdentifiers":[{IDENTIFIER}],"StatusId":1}}"#),
                "are both there",
            ),
            (
                r#"{"MetadataUids":[],"StatusId":1}"#,
                "MetadataUids: got an empty list, expected a list of 1 to 100 uids",
            ),
            (r#"{"FindingIdentifiers":[],"StatusId":1}"#, "FindingIdentifiers: got an empty list"),
            (&many, "MetadataUids: more than 100 elements"),
            (r#"{"MetadataUids":["a"," "],"StatusId":1}"#, "MetadataUids[1]: got \" \""),
            (r#"{"MetadataUids":[1],"StatusId":1}"#, "MetadataUids[0]: invalid type: integer"),
            (r#"{"MetadataUids":["a"],"StatusId":6}"#, "StatusId: got 6, expected one of 0, 1, 2, 3, 4, 5, 99"),
            (r#"{"MetadataUids":["a"],"SeverityId":7}"#, "SeverityId: got 7, expected one of 0, 1, 2, 3, 4, 5, 6, 99"),
            (r#"{"MetadataUids":["a"],"SeverityId":-1}"#, "SeverityId: got -1"),
            (r#"{"MetadataUids":["a"],"SeverityId":"5"}"#, "SeverityId: invalid type: string \"5\", expected one of 0"),
            (r#"{"MetadataUids":["a"],"SeverityId":5.0}"#, "SeverityId: invalid type: floating point"),
            (r#"{"MetadataUids":["a"],"SeverityId":null}"#, "SeverityId: invalid type: null"),
            (r#"{"MetadataUids":["a"],"Comment":""}"#, "Comment: got \"\", expected a text of 1 to 512 characters"),
            (&long, "Comment: got"),
            (r#"{"MetadataUids":["a"],"StatusId":1,"StatusId":3}"#, "member `StatusId` came twice"),
            (r#"{"MetadataUids":["a"],"Workflow":{"Status":"NEW"}}"#, "unknown member `Workflow`"),
            (r#"{"MetadataUids":["a"],"StatusID":1}"#, "unknown member `StatusID` (did you mean `StatusId`?)"),
            (&identifiers("{}"), "FindingIdentifiers[0]: member `CloudAccountUid` is missing"),
            (
                &identifiers(&IDENTIFIER.replace("222222222222", "2222")),
                "FindingIdentifiers[0].CloudAccountUid: got \"2222\", expected an account id",
            ),
            (&identifiers(&IDENTIFIER.replace("arn:aws:p", "")), "MetadataProductUid: got \"\""),
            (&identifiers(&IDENTIFIER.replace('}', r#","Id":"x"}"#)), "FindingIdentifiers[0]: unknown member `Id`"),
            (r#"["a"]"#, "body: invalid type: sequence"),
            (r#"{"MetadataUids":["a"],"StatusId":1} x"#, "trailing characters"),
        ] {
            let error = refused(body);
            assert!(error.contains(told), "{body}: {error}");
        }
    }

    proptest! {
        /// Whatever is accepted is written so that it is read as the same again.
        #[test]
        fn a_damaged_request_is_refused_or_written_as_it_was_read(
            at in 0usize..200, byte in any::<u8>(), uid in "\\PC{1,8}", comment in "\\PC{1,8}", status in 0u8..7,
        ) {
            let text = |text| serde_json::to_string(text).unwrap();
            let body = format!(
                r#"{{"MetadataUids":[{}],"Comment":{},"StatusId":{status}}}"#, text(&uid), text(&comment)
            );
            let mut body = body.into_bytes();
            if let Some(damaged) = body.get_mut(at) {
                *damaged = byte;
            }
            if let Ok(request) = BatchUpdateV2::parse(&body) {
                let mut written = Vec::new();
                request.write_json(0..request.findings.len(), FieldV2::ALL, &mut written);
                prop_assert_eq!(BatchUpdateV2::parse(&written), Ok(request));
            }
        }
    }
}

//! Answers to BatchUpdateFindingsV2: what became of each finding.

use super::{FindingV2, FindingsV2, outcome::null_is_empty, vocabulary::vocabulary};
use serde::Deserialize;
use std::borrow::Cow;

vocabulary! {
    /// Codes of `UnprocessedFindings`: the API model's list is closed.
    CodeV2 {
        /// There is no such finding, or none that the caller may see.
        ResourceNotFound = "ResourceNotFoundException",
        /// The update is none that this finding can have.
        Validation = "ValidationException",
        /// It is not known what became of the finding.
        InternalServer = "InternalServerException",
        /// Something else updated it at the same time.
        Conflict = "ConflictException",
    }
}

/// An element of `UnprocessedFindings`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnprocessedV2 {
    /// The finding's place in the request.
    pub finding: usize,
    /// Why, in a word.
    pub code: CodeV2,
    /// Why, for a person.
    pub message: Cow<'static, str>,
}

/// Writes the body of an answer: findings by their place in the request, in the order given, each named as the request names it.
#[expect(clippy::missing_panics_doc, reason = "writing a string into memory does not fail")]
pub fn write_answer_v2(
    findings: &FindingsV2<'_>,
    processed: impl IntoIterator<Item = usize>,
    unprocessed: &[UnprocessedV2],
) -> Vec<u8> {
    let mut out = Vec::with_capacity(256 * findings.len() + 64);
    out.extend_from_slice(br#"{"ProcessedFindings":["#);
    for (count, finding) in processed.into_iter().enumerate() {
        if count > 0 {
            out.push(b',');
        }
        out.push(b'{');
        write_name(findings.get(finding), &mut out);
        out.push(b'}');
    }
    out.extend_from_slice(br#"],"UnprocessedFindings":["#);
    for (count, entry) in unprocessed.iter().enumerate() {
        out.extend_from_slice(if count > 0 { b",{" } else { b"{" });
        write_name(findings.get(entry.finding), &mut out);
        out.extend_from_slice(format!(r#","ErrorCode":"{}","ErrorMessage":"#, entry.code).as_bytes());
        serde_json::to_writer(&mut out, &entry.message).expect("strings serialise");
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
    out
}

fn write_name(finding: FindingV2<'_, '_>, out: &mut Vec<u8>) {
    match finding {
        FindingV2::MetadataUid(uid) => {
            out.extend_from_slice(br#""MetadataUid":"#);
            uid.write_json(out);
        }
        FindingV2::Identifier(identifier) => {
            out.extend_from_slice(br#""FindingIdentifier":"#);
            identifier.write_json(out);
        }
    }
}

/// An upstream's answer. Members that the API model does not have are passed over, as SDKs do; a list that is missing or null is
/// empty.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct UpstreamAnswerV2<'a> {
    /// The findings that were updated.
    #[serde(borrow, default, deserialize_with = "null_is_empty")]
    pub processed_findings: Vec<AnsweredFindingV2<'a>>,
    /// The findings that were not.
    #[serde(borrow, default, deserialize_with = "null_is_empty")]
    pub unprocessed_findings: Vec<UpstreamUnprocessedV2<'a>>,
}

/// A finding that an upstream's answer names, in one way or in both.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct AnsweredFindingV2<'a> {
    /// `FindingIdentifier`
    #[serde(borrow)]
    pub finding_identifier: Option<AnsweredIdentifierV2<'a>>,
    /// `MetadataUid`
    #[serde(borrow)]
    pub metadata_uid: Option<Cow<'a, str>>,
}

/// `FindingIdentifier` in an upstream's answer.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct AnsweredIdentifierV2<'a> {
    /// `CloudAccountUid`
    #[serde(borrow)]
    pub cloud_account_uid: Cow<'a, str>,
    /// `FindingInfoUid`
    #[serde(borrow)]
    pub finding_info_uid: Cow<'a, str>,
    /// `MetadataProductUid`
    #[serde(borrow)]
    pub metadata_product_uid: Cow<'a, str>,
}

/// An element of `UnprocessedFindings` in an upstream's answer.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct UpstreamUnprocessedV2<'a> {
    /// Which finding.
    #[serde(flatten, borrow)]
    pub finding: AnsweredFindingV2<'a>,
    /// `ErrorCode`
    pub error_code: Option<String>,
    /// `ErrorMessage`
    pub error_message: Option<String>,
}

impl AnsweredFindingV2<'_> {
    /// Whether this finding of the request is meant.
    pub fn is(&self, finding: FindingV2<'_, '_>) -> bool {
        match finding {
            FindingV2::MetadataUid(uid) => self.metadata_uid.as_deref() == Some(uid.as_str()),
            FindingV2::Identifier(identifier) => self.finding_identifier.as_ref().is_some_and(|answered| {
                answered.cloud_account_uid == identifier.account.as_str()
                    && answered.finding_info_uid == identifier.finding_uid.as_str()
                    && answered.metadata_product_uid == identifier.product_uid.as_str()
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::BatchUpdateV2;

    const IDENTIFIER: &str =
        r#"{"CloudAccountUid":"222222222222","FindingInfoUid":"f \"1\"","MetadataProductUid":"arn:aws:p"}"#;

    #[test]
    fn an_answer_is_written_in_the_api_s_shape_and_read_again() {
        for (member, list, name) in [
            ("MetadataUids", r#""a","b""#.to_owned(), r#""MetadataUid":"a""#.to_owned()),
            (
                "FindingIdentifiers",
                format!("{IDENTIFIER},{}", IDENTIFIER.replace("arn:aws:p", "q")),
                format!(r#""FindingIdentifier":{IDENTIFIER}"#),
            ),
        ] {
            let body = format!(r#"{{"{member}":[{list}],"StatusId":1}}"#);
            let request = BatchUpdateV2::parse(body.as_bytes()).unwrap();
            let [first, second] = [0, 1].map(|place| request.findings.get(place));
            let entry = UnprocessedV2 { finding: 0, code: CodeV2::Conflict, message: "no \"way\"".into() };
            let written = write_answer_v2(&request.findings, [0], std::slice::from_ref(&entry));
            assert_eq!(
                String::from_utf8(written.clone()).unwrap(),
                format!(
                    r#"{{"ProcessedFindings":[{{{name}}}],"UnprocessedFindings":[{{{name},"ErrorCode":"ConflictException","ErrorMessage":"no \"way\""}}]}}"#
                )
            );
            let read: UpstreamAnswerV2<'_> = serde_json::from_slice(&written).unwrap();
            assert!(read.processed_findings[0].is(first) && !read.processed_findings[0].is(second));
            let unprocessed = &read.unprocessed_findings[0];
            assert!(unprocessed.finding.is(first) && !unprocessed.finding.is(second));
            assert_eq!(unprocessed.error_code.as_deref(), Some("ConflictException"));
            assert_eq!(unprocessed.error_message.as_deref(), Some("no \"way\""));
        }
    }

    #[test]
    fn answers_may_lack_what_the_model_does_not_require() {
        for answer in ["{}", r#"{"ProcessedFindings":null,"UnprocessedFindings":[],"Other":1}"#] {
            let answer: UpstreamAnswerV2<'_> = serde_json::from_str(answer).unwrap();
            assert!(answer.processed_findings.is_empty() && answer.unprocessed_findings.is_empty());
        }
        let answer: UpstreamAnswerV2<'_> =
            serde_json::from_str(r#"{"UnprocessedFindings":[{"MetadataUid":"a","More":{}}]}"#).unwrap();
        assert_eq!(answer.unprocessed_findings[0].finding.metadata_uid.as_deref(), Some("a"));
        assert_eq!(answer.unprocessed_findings[0].error_code, None);
    }
}

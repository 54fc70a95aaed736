//! Answers to BatchUpdateFindings: what became of each finding.

use super::Identifier;
use serde::Deserialize;
use std::{borrow::Cow, ops::Range};

/// Codes of `UnprocessedFindings` and `FailedFindings` that the gate itself gives. The API model has no closed list of codes, and SDKs pass
/// unknown ones on.
pub mod code {
    /// The gate denied the finding all of its changes: nothing was forwarded for it.
    pub const ACCESS_DENIED: &str = "AccessDenied";
    /// The gate denied some of the changes; the rest was forwarded.
    pub const PARTIAL_UPDATE: &str = "PartialUpdate";
    /// The gate denied some members of an import; the finding was imported without them.
    pub const PARTIAL_IMPORT: &str = "PartialImport";
    /// The finding is none that can be imported (API model).
    pub const INVALID_INPUT: &str = "InvalidInput";
    /// The finding is too large (API model).
    pub const SIZE_EXCEEDED: &str = "FindingSizeExceeded";
    /// The finding came before in the same request (API model).
    pub const DUPLICATED: &str = "DuplicatedFindingIdentifier";
    /// There is no such finding (API model).
    pub const NOT_FOUND: &str = "FindingNotFound";
    /// It is not known what became of the finding (API model).
    pub const INTERNAL_FAILURE: &str = "InternalFailure";
}

/// An element of `UnprocessedFindings`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unprocessed {
    /// The finding's place in the request.
    pub finding: usize,
    /// Why, in a word.
    pub code: Cow<'static, str>,
    /// Why, for a person.
    pub message: Cow<'static, str>,
}

/// Writes the body of an answer: findings by their place in the request, in the order given.
#[expect(clippy::missing_panics_doc, reason = "writing a string into memory does not fail")]
pub fn write_answer(
    identifiers: &[Identifier<'_>],
    processed: impl IntoIterator<Item = usize>,
    unprocessed: &[Unprocessed],
) -> Vec<u8> {
    let mut out = Vec::with_capacity(256 * identifiers.len() + 64);
    out.extend_from_slice(PROCESSED);
    for (count, finding) in processed.into_iter().enumerate() {
        if count > 0 {
            out.push(b',');
        }
        identifiers[finding].write_json(&mut out);
    }
    out.extend_from_slice(UNPROCESSED);
    // Many findings get the same message one after the other: it is escaped once.
    let mut last: Option<(&str, Range<usize>)> = None;
    for (count, entry) in unprocessed.iter().enumerate() {
        out.extend_from_slice(if count > 0 { br#",{"FindingIdentifier":"# } else { br#"{"FindingIdentifier":"# });
        identifiers[entry.finding].write_json(&mut out);
        out.extend_from_slice(br#","ErrorCode":"#);
        serde_json::to_writer(&mut out, &entry.code).expect("strings serialise");
        out.extend_from_slice(br#","ErrorMessage":"#);
        let start = out.len();
        match &last {
            Some((message, written)) if *message == entry.message => out.extend_from_within(written.clone()),
            _ => serde_json::to_writer(&mut out, &entry.message).expect("strings serialise"),
        }
        last = Some((&entry.message, start..out.len()));
        out.push(b'}');
    }
    out.extend_from_slice(END);
    out
}

const PROCESSED: &[u8] = br#"{"ProcessedFindings":["#;
const UNPROCESSED: &[u8] = br#"],"UnprocessedFindings":["#;
const END: &[u8] = b"]}";

/// Whether `answer` is, byte for byte, what [`write_answer`] would write for these findings, all processed. `identifiers`
/// is their JSON as it was sent, between the brackets.
///
/// Most answers are of this form, and comparing costs a tenth of reading.
pub fn is_all_processed(answer: &[u8], identifiers: &[u8]) -> bool {
    answer
        .strip_prefix(PROCESSED)
        .and_then(|rest| rest.strip_prefix(identifiers))
        .and_then(|rest| rest.strip_prefix(UNPROCESSED))
        == Some(END)
}

/// An upstream's answer, as any JSON that holds the members which the API model requires. Members that it does not know are
/// passed over, as SDKs do; a list that is missing or null is empty.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct UpstreamAnswer<'a> {
    /// The findings that were updated.
    #[serde(borrow, default, deserialize_with = "null_is_empty")]
    pub processed_findings: Vec<AnsweredIdentifier<'a>>,
    /// The findings that were not.
    #[serde(borrow, default, deserialize_with = "null_is_empty")]
    pub unprocessed_findings: Vec<UpstreamUnprocessed<'a>>,
}

/// A finding that an upstream's answer names.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct AnsweredIdentifier<'a> {
    /// `Id`
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    /// `ProductArn`
    #[serde(borrow)]
    pub product_arn: Cow<'a, str>,
}

/// An element of `UnprocessedFindings` in an upstream's answer.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct UpstreamUnprocessed<'a> {
    /// `FindingIdentifier`
    #[serde(borrow)]
    pub finding_identifier: AnsweredIdentifier<'a>,
    /// `ErrorCode`
    pub error_code: String,
    /// `ErrorMessage`
    pub error_message: String,
}

/// An upstream's error body: the code and the message, under any of the names that AWS's services use.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct UpstreamError {
    /// The code, without the decoration that some services give it.
    pub code: Option<String>,
    /// The message.
    pub message: Option<String>,
}

impl UpstreamError {
    /// Reads an error's body; nothing if it is no JSON object. Where a code comes under several names, the one that every
    /// SDK looks for first counts.
    pub fn parse(body: &[u8]) -> Option<Self> {
        let members: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(body).ok()?;
        let text = |names: &[&str]| names.iter().find_map(|name| members.get(*name)?.as_str().map(str::to_owned));
        Some(Self {
            code: text(&["code", "Code", "__type"]).map(|code| bare(&code).to_owned()),
            message: text(&["message", "Message", "errorMessage"]),
        })
    }
}

/// `aws.x#InvalidInputException:http://…` is `InvalidInputException`.
pub fn bare(code: &str) -> &str {
    let code = code.split(':').next().unwrap_or(code);
    code.rsplit('#').next().unwrap_or(code).trim()
}

pub(super) fn null_is_empty<'de, T: Deserialize<'de>, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identifier(id: &str) -> Identifier<'static> {
        Identifier { id: id.to_owned().into(), product_arn: "arn:aws:x".to_owned().into() }
    }

    #[test]
    fn an_answer_is_written_in_the_api_s_shape() {
        let identifiers = [identifier("a"), identifier("b\"")];
        let unprocessed =
            [Unprocessed { finding: 1, code: code::ACCESS_DENIED.into(), message: "no \"suppression\"".into() }];
        let written = write_answer(&identifiers, [0], &unprocessed);
        assert_eq!(
            String::from_utf8(written).unwrap(),
            r#"{"ProcessedFindings":[{"Id":"a","ProductArn":"arn:aws:x"}],"UnprocessedFindings":[{"FindingIdentifier":{"Id":"b\"","ProductArn":"arn:aws:x"},"ErrorCode":"AccessDenied","ErrorMessage":"no \"suppression\""}]}"#
        );
    }

    #[test]
    fn every_finding_gets_its_own_message() {
        let identifiers = [identifier("a")];
        let messages = ["no", "no", "\"so\"", "\"so\"", "no"];
        let unprocessed = messages.map(|message| Unprocessed { finding: 0, code: "x".into(), message: message.into() });
        let written: serde_json::Value = serde_json::from_slice(&write_answer(&identifiers, [], &unprocessed)).unwrap();
        let read = written["UnprocessedFindings"].as_array().unwrap().iter().map(|entry| &entry["ErrorMessage"]);
        assert!(read.eq(&messages), "{written}");
    }

    #[test]
    fn an_answer_that_processed_all_is_recognised_and_nothing_else() {
        let identifiers = [identifier("a"), identifier("b")];
        let sent = br#"{"Id":"a","ProductArn":"arn:aws:x"},{"Id":"b","ProductArn":"arn:aws:x"}"#;
        let full = write_answer(&identifiers, [0, 1], &[]);
        assert!(is_all_processed(&full, sent));
        for other in [
            write_answer(&identifiers, [1, 0], &[]),
            write_answer(&identifiers, [0], &[]),
            write_answer(&identifiers, [0, 1], &[Unprocessed { finding: 1, code: "x".into(), message: "y".into() }]),
            [full.as_slice(), b" "].concat(),
            full[..full.len() - 1].to_vec(),
        ] {
            assert!(!is_all_processed(&other, sent), "{}", String::from_utf8_lossy(&other));
        }
    }

    #[test]
    fn missing_and_null_lists_are_empty() {
        for answer in ["{}", r#"{"ProcessedFindings":null,"UnprocessedFindings":null,"Other":1}"#] {
            let answer: UpstreamAnswer<'_> = serde_json::from_str(answer).unwrap();
            assert!(answer.processed_findings.is_empty() && answer.unprocessed_findings.is_empty());
        }
    }

    #[test]
    fn errors_are_read_under_any_of_their_names() {
        for (body, code, message) in [
            (r#"{"__type":"a.b#X:http://y","Message":"m"}"#, Some("X"), Some("m")),
            (r#"{"Code":"X","__type":"Y","message":"m"}"#, Some("X"), Some("m")),
            (r#"{"message":"Forbidden"}"#, None, Some("Forbidden")),
            (r#"{"Code":7}"#, None, None),
        ] {
            let error = UpstreamError::parse(body.as_bytes()).unwrap();
            assert_eq!((error.code.as_deref(), error.message.as_deref()), (code, message), "{body}");
        }
        assert_eq!(UpstreamError::parse(b"<html>"), None);
    }
}

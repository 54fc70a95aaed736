//! Answers to BatchImportFindings: how many findings were imported, and what is the matter with the others.

use super::outcome::null_is_empty;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// An element of `FailedFindings`. The API names the finding by its `Id` alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct FailedImport<'a> {
    /// The finding's `Id`.
    pub id: &'a str,
    /// Why, in a word.
    pub error_code: Cow<'a, str>,
    /// Why, for a person.
    pub error_message: Cow<'a, str>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer<'a> {
    failed_count: usize,
    success_count: usize,
    failed_findings: &'a [FailedImport<'a>],
}

/// Writes the body of an answer to a request for so many findings, of which these failed.
#[expect(clippy::missing_panics_doc, reason = "numbers and strings serialise")]
pub fn write_import_answer(findings: usize, failed_findings: &[FailedImport<'_>]) -> Vec<u8> {
    let failed_count = failed_findings.len();
    let answer = Answer { failed_count, success_count: findings.saturating_sub(failed_count), failed_findings };
    serde_json::to_vec(&answer).expect("numbers and strings serialise")
}

/// An upstream's answer, as any JSON that holds the members which the API model requires. Members that it does not know are
/// passed over, as SDKs do; a list that is missing or null is empty.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct UpstreamImportAnswer {
    /// How many findings were not imported.
    pub failed_count: usize,
    /// How many were.
    pub success_count: usize,
    /// Those that were not.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub failed_findings: Vec<UpstreamFailedImport>,
}

/// An element of `FailedFindings` in an upstream's answer.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct UpstreamFailedImport {
    /// `Id`
    pub id: String,
    /// `ErrorCode`
    pub error_code: String,
    /// `ErrorMessage`
    pub error_message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_written_in_the_api_s_shape_and_reads_back() {
        let failed = FailedImport { id: "a\"", error_code: "AccessDenied".into(), error_message: "no \"way\"".into() };
        let written = write_import_answer(3, &[failed]);
        assert_eq!(
            std::str::from_utf8(&written).unwrap(),
            r#"{"FailedCount":1,"SuccessCount":2,"FailedFindings":[{"Id":"a\"","ErrorCode":"AccessDenied","ErrorMessage":"no \"way\""}]}"#
        );
        let read: UpstreamImportAnswer = serde_json::from_slice(&written).unwrap();
        assert_eq!((read.failed_count, read.success_count, &*read.failed_findings[0].id), (1, 2, "a\""));
        assert_eq!(write_import_answer(1, &[]), br#"{"FailedCount":0,"SuccessCount":1,"FailedFindings":[]}"#);
    }

    #[test]
    fn only_what_has_both_counts_is_an_answer() {
        for (answer, readable) in [
            (r#"{"FailedCount":0,"SuccessCount":1}"#, true),
            (r#"{"FailedCount":0,"SuccessCount":1,"FailedFindings":null,"More":{}}"#, true),
            (r#"{"SuccessCount":1,"FailedFindings":[]}"#, false),
            (r#"{"FailedCount":0,"FailedFindings":[]}"#, false),
            (r#"{"FailedCount":-1,"SuccessCount":1}"#, false),
            (r#"{"FailedCount":0,"SuccessCount":1,"SuccessCount":2}"#, false),
            (r#"{"FailedCount":1,"SuccessCount":1,"FailedFindings":[{"Id":"a"}]}"#, false),
        ] {
            assert_eq!(serde_json::from_str::<UpstreamImportAnswer>(answer).is_ok(), readable, "{answer}");
        }
    }
}

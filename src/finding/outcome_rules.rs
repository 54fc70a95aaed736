//! Answers to BatchUpdateAutomationRules: what became of each rule.

use super::outcome::null_is_empty;
use serde::{Deserialize, Serialize};

/// An upstream's answer. Members that the API model does not have are passed over, as SDKs do; a list that is missing or null is
/// empty.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct AnsweredRules {
    /// The ARNs of the rules that were updated.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub processed_automation_rules: Vec<String>,
    /// The rules that were not.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub unprocessed_automation_rules: Vec<UnprocessedRule>,
}

/// An element of `UnprocessedAutomationRules` in an upstream's answer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct UnprocessedRule {
    /// `RuleArn`
    pub rule_arn: Option<String>,
    /// `ErrorCode`, a number like an HTTP status.
    pub error_code: Option<i64>,
    /// `ErrorMessage`
    pub error_message: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer<'a> {
    processed_automation_rules: Vec<&'a str>,
    unprocessed_automation_rules: Vec<Unprocessed<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Unprocessed<'a> {
    rule_arn: &'a str,
    error_code: i64,
    error_message: &'a str,
}

/// Writes the body of an answer: the ARNs of the rules that were updated; and of those that were not, with a code like an HTTP status
/// (API model: an integer) and a message.
#[expect(clippy::missing_panics_doc, reason = "strings and numbers always serialise")]
pub fn write_rules_answer<'a>(
    processed: impl IntoIterator<Item = &'a str>,
    unprocessed: impl IntoIterator<Item = (&'a str, i64, &'a str)>,
) -> Vec<u8> {
    let entry = |(rule_arn, error_code, error_message)| Unprocessed { rule_arn, error_code, error_message };
    let answer = Answer {
        processed_automation_rules: processed.into_iter().collect(),
        unprocessed_automation_rules: unprocessed.into_iter().map(entry).collect(),
    };
    serde_json::to_vec(&answer).expect("strings and numbers serialise")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_written_in_the_api_s_shape_and_read_again() {
        let written = write_rules_answer(["a"], [("b", 403, "no \"way\"")]);
        assert_eq!(
            String::from_utf8(written.clone()).unwrap(),
            r#"{"ProcessedAutomationRules":["a"],"UnprocessedAutomationRules":[{"RuleArn":"b","ErrorCode":403,"ErrorMessage":"no \"way\""}]}"#
        );
        let read: AnsweredRules = serde_json::from_slice(&written).unwrap();
        assert_eq!(read.processed_automation_rules, ["a"]);
        let [entry] = &read.unprocessed_automation_rules[..] else { panic!("{read:?}") };
        assert_eq!((entry.rule_arn.as_deref(), entry.error_code), (Some("b"), Some(403)));
    }

    #[test]
    fn answers_may_lack_what_the_model_does_not_require() {
        for answer in ["{}", r#"{"ProcessedAutomationRules":null,"UnprocessedAutomationRules":[],"Other":1}"#] {
            assert_eq!(serde_json::from_str::<AnsweredRules>(answer).unwrap(), AnsweredRules::default());
        }
        let answer: AnsweredRules = serde_json::from_str(r#"{"UnprocessedAutomationRules":[{}]}"#).unwrap();
        assert_eq!(answer.unprocessed_automation_rules[0].error_code, None);
    }
}

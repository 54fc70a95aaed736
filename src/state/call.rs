//! One GetFindings call, with the pages of its answer.

use super::{Found, Unavailable, answer::Answer, states::States};
use crate::finding::Identifier;
use bytes::Bytes;
use serde::Serialize;
use std::{collections::BTreeSet, sync::Arc};
use tokio::time::{Instant, sleep_until};

/// How many findings one call asks for: what a filter takes (API model, `AwsSecurityFindingFilters`).
pub(super) const BATCH: usize = 20;
/// How many findings a page has at most (API model).
const MAX_RESULTS: u32 = 100;
/// How many pages of an answer are read. A call asks for at most 100 names, which is one page; a page may be cut short for its
/// length.
const MOST_PAGES: usize = 5;

/// Why the backend gave no answer to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallError {
    /// Its quota is used up (`TooManyRequestsException`, `ThrottlingException`, 429), in the backend's words. The gate makes no
    /// call for half a second, and for twice as long each time it happens again in a row, up to four seconds.
    Throttled(String),
    /// Anything else: a sentence for whoever runs the gate.
    Failed(String),
}

/// The body of a GetFindings request.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Question<'a> {
    filters: Filters<'a>,
    max_results: u32,
    /// The other members stay as they are from page to page: the token belongs to them.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Filters<'a> {
    id: Vec<Equals<'a>>,
    product_arn: Vec<Equals<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Equals<'a> {
    value: &'a str,
    comparison: &'static str,
}

fn question(names: &[Arc<Identifier<'static>>], next_token: Option<&str>) -> Result<Bytes, Unavailable> {
    let filter = |values: BTreeSet<_>| values.into_iter().map(|value| Equals { value, comparison: "EQUALS" }).collect();
    let filters = Filters {
        id: filter(names.iter().map(|name| name.id.as_str()).collect()),
        product_arn: filter(names.iter().map(|name| name.product_arn.as_str()).collect()),
    };
    let question = Question { filters, max_results: MAX_RESULTS, next_token };
    serde_json::to_vec(&question).map(Bytes::from).map_err(|error| Unavailable::Failed(error.to_string().into()))
}

/// Asks for at most [`BATCH`] findings. The first page's place in the quota is taken already; each further one takes its own.
/// What is not read to the last page by `latest` says nothing at all: what is missing may be on a page that was not read, and so
/// may another finding of the same name.
pub(super) async fn ask<F>(
    states: &States,
    names: &[Arc<Identifier<'static>>],
    latest: Instant,
    get_findings: &F,
) -> Result<Vec<Found>, Unavailable>
where
    F: AsyncFn(Bytes, Instant) -> Result<Bytes, CallError>,
{
    let mut answer = Answer::new(names);
    let mut next_token = None;
    for page in 0..MOST_PAGES {
        if page > 0 {
            let at = states.pending().bucket.reserve(Instant::now(), latest).ok_or(Unavailable::Busy)?;
            sleep_until(at).await;
        }
        let sent = Instant::now();
        let body = get_findings(question(names, next_token.as_deref())?, latest).await;
        let body = body.map_err(|error| match error {
            CallError::Failed(_) if Instant::now() >= latest => Unavailable::Deadline,
            CallError::Throttled(text) => {
                states.pending().bucket.refused(sent, Instant::now());
                Unavailable::Throttled(text.into())
            }
            CallError::Failed(text) => Unavailable::Failed(text.into()),
        })?;
        states.pending().bucket.accepted(sent);
        next_token = answer.read(&body).map_err(|error| Unavailable::NotUnderstood(error.into()))?;
        if next_token.is_none() {
            return Ok(answer.into_found());
        }
    }
    let why = format!("the findings backend's answer to {} names has more than {MOST_PAGES} pages", names.len());
    Err(Unavailable::Failed(why.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn values_are_asked_for_once() {
        let name = |id: &str, product_arn: &str| {
            Arc::new(Identifier { id: id.to_owned().into(), product_arn: product_arn.to_owned().into() })
        };
        let names = [name("a\"\\", "p"), name("b", "p"), name("b", "q")];
        let written: Value = serde_json::from_slice(&question(&names, None).unwrap()).unwrap();
        let equals = |value: &str| json!({"Value": value, "Comparison": "EQUALS"});
        let mut expected = json!({
            "Filters": {"Id": [equals("a\"\\"), equals("b")], "ProductArn": [equals("p"), equals("q")]},
            "MaxResults": 100,
        });
        assert_eq!(written, expected);
        let written: Value = serde_json::from_slice(&question(&names, Some("t")).unwrap()).unwrap();
        expected["NextToken"] = json!("t");
        assert_eq!(written, expected);
    }
}

//! One GetFindingsV2 call, with the pages of its answer.

use super::{CallError, Resolved, UidFinding, Unavailable, page, uids::Uids};
use crate::finding::{AccountId, Identifier};
use bytes::Bytes;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use tokio::time::{Instant, sleep_until};

/// How many uids one call asks for: what a composite filter takes of one type (API model, `GetFindingsV2Request`).
pub(super) const BATCH: usize = 20;
/// How many findings a page has at most (API model).
const MAX_RESULTS: u32 = 100;
/// How many pages of an answer are read. There is a finding a uid; a page may be cut short for its length.
const MOST_PAGES: usize = 5;

fn question(uids: &[&str], next_token: Option<&str>) -> Bytes {
    let equals = |uid| json!({"FieldName": "metadata.uid", "Filter": {"Value": uid, "Comparison": "EQUALS"}});
    let filters: Vec<_> = uids.iter().map(equals).collect();
    let mut question = json!({
        // How filters are combined if nothing is said is not documented.
        "Filters": {"CompositeFilters": [{"StringFilters": filters, "Operator": "OR"}]},
        "MaxResults": MAX_RESULTS,
    });
    if let Some(token) = next_token {
        question["NextToken"] = token.into();
    }
    question.to_string().into()
}

/// Asks for at most [`BATCH`] uids, none of them twice. Each page takes its own place in the quota. What is not read to the last
/// page says nothing at all: what is missing may be on a page that was not read.
pub(super) async fn ask<F>(
    of: &Uids,
    uids: &[&str],
    until: Instant,
    get_findings: &F,
) -> Result<Vec<Resolved>, Unavailable>
where
    F: AsyncFn(Bytes, Instant) -> Result<Bytes, CallError>,
{
    let mut answer = Answer::new(uids);
    let mut next_token: Option<String> = None;
    for _ in 0..MOST_PAGES {
        let at = of.bucket().reserve(Instant::now(), until).ok_or(Unavailable::Busy)?;
        sleep_until(at).await;
        let sent = Instant::now();
        let body = get_findings(question(uids, next_token.as_deref()), until).await.map_err(|error| match error {
            CallError::Failed(_) if Instant::now() >= until => Unavailable::Deadline,
            CallError::Throttled(text) => {
                of.bucket().refused(sent, Instant::now());
                Unavailable::Throttled(text.into())
            }
            CallError::Failed(text) => Unavailable::Failed(text.into()),
        })?;
        of.bucket().accepted(sent);
        next_token = page::read(&body, &mut |finding| answer.see(finding))
            .map_err(|error| Unavailable::NotUnderstood(error.into()))?;
        if next_token.is_none() {
            return Ok(answer.into_resolved());
        }
    }
    let why = format!("the findings backend's answer to {} uids has more than {MOST_PAGES} pages", uids.len());
    Err(Unavailable::Failed(why.into()))
}

/// What was found so far, by the uids that were asked for.
struct Answer<'u> {
    uids: &'u [&'u str],
    seen: Vec<Seen>,
}

#[derive(Clone)]
enum Seen {
    Nothing,
    One(UidFinding),
    NotUnderstood(&'static str),
}

impl<'u> Answer<'u> {
    fn new(uids: &'u [&'u str]) -> Self {
        Self { uids, seen: vec![Seen::Nothing; uids.len()] }
    }

    fn see(&mut self, finding: &Map<String, Value>) -> Result<(), &'static str> {
        // It might be one that was asked for, so it cannot be passed over.
        let uid = text(finding, &["metadata", "uid"]).ok_or("a finding has no metadata.uid")?;
        let place = self.uids.iter().position(|asked| *asked == uid);
        let Some(seen) = place.and_then(|place| self.seen.get_mut(place)) else { return Ok(()) };
        *seen = match (&*seen, named(finding)) {
            (Seen::NotUnderstood(why), _) => Seen::NotUnderstood(why),
            (_, Err(why)) => Seen::NotUnderstood(why),
            (Seen::One(one), Ok(other)) if *one != other => Seen::NotUnderstood("two findings have this metadata.uid"),
            (Seen::Nothing | Seen::One(_), Ok(finding)) => Seen::One(finding),
        };
        Ok(())
    }

    fn into_resolved(self) -> Vec<Resolved> {
        let resolved = |seen| match seen {
            Seen::Nothing => Resolved::Missing,
            Seen::One(finding) => Resolved::Known(Arc::new(finding)),
            Seen::NotUnderstood(why) => Resolved::Unavailable(Unavailable::NotUnderstood(why.into())),
        };
        self.seen.into_iter().map(resolved).collect()
    }
}

/// The parts of a finding's name.
fn named(finding: &Map<String, Value>) -> Result<UidFinding, &'static str> {
    let account = text(finding, &["cloud", "account", "uid"]).and_then(AccountId::parse);
    let id = text(finding, &["finding_info", "uid"]);
    let product_arn = text(finding, &["metadata", "product", "uid"]);
    let identifier = |id: &str, product_arn: &str| Identifier {
        id: id.to_owned().into(),
        product_arn: product_arn.to_owned().into(),
    };
    Ok(UidFinding {
        account: account.ok_or("cloud.account.uid: expected twelve digits")?,
        identifier: identifier(
            id.ok_or("finding_info.uid: expected a text")?,
            product_arn.ok_or("metadata.product.uid: expected a text")?,
        ),
    })
}

/// The text at a path; an empty one is none.
fn text<'f>(finding: &'f Map<String, Value>, path: &[&str]) -> Option<&'f str> {
    let (first, rest) = path.split_first()?;
    let value = rest.iter().try_fold(finding.get(*first)?, |value, name| value.get(name))?;
    value.as_str().filter(|text| !text.is_empty())
}

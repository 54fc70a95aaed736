//! GetFindings: filter, sort, page. GetFindingsV2 does the same in other words.

use super::{
    attribute::{ATTRIBUTES, Attribute, Kind, Place},
    filter::{self, Condition},
    json::Object,
    store::{Store, StoreError},
    token::Token,
};
use crate::finding::{AccountId, ApiError, Document, Operation, Role};
use jiff::Timestamp;
use rusqlite::types::Value as Sql;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How many findings a page has at most, and has if the request does not say.
const MOST_RESULTS: usize = 100;
/// How many bytes of findings a page has, unless a single finding has more.
const MOST_BYTES: usize = 6 << 20;
/// How long a body may be. A token, which carries the filters, is twice as long as they are.
const LONGEST_QUESTION: usize = 256 << 10;
const LONGEST_BODY: usize = 4 * LONGEST_QUESTION;
/// How many fields one request may sort by.
const MOST_SORT_FIELDS: usize = 10;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Body {
    filters: Option<Object>,
    sort_criteria: Option<Vec<SortCriterion>>,
    next_token: Option<String>,
    max_results: Option<i64>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct SortCriterion {
    field: String,
    #[serde(default)]
    sort_order: SortOrder,
}

#[derive(Deserialize, Serialize, Default, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum SortOrder {
    #[default]
    Asc,
    Desc,
}

/// Makes what the answer has of a finding from what is stored of it.
type Show = fn(&str) -> Result<String, StoreError>;

/// The words in which an operation asks for findings, and shows them.
pub(super) struct Dialect {
    pub(super) operation: Operation,
    /// The condition that filters stand for. The time is when the first page was asked for.
    pub(super) condition: fn(&Object, Timestamp) -> Result<Condition, String>,
    /// The SQL of what a finding has at most one of, by its name.
    pub(super) sort_key: fn(&str) -> Option<String>,
    /// The names that [`Self::sort_key`] knows.
    pub(super) sortable: fn() -> Vec<&'static str>,
    /// A stored finding as the answer has it; nothing if that is as it is stored.
    pub(super) shown: Option<Show>,
}

const ASFF: Dialect = Dialect {
    operation: Operation::GetFindings,
    condition: filter::condition,
    sort_key: |name| {
        let (_, attribute) = Attribute::named(name)?;
        match (attribute.place, attribute.kind) {
            // A finding without the number comes before those that have one.
            (Place::Column(column), Kind::Number) => Some(format!("ifnull(f.{column}, -1)")),
            (Place::Column(column), _) => Some(format!("f.{column}")),
            _ => None,
        }
    },
    sortable: || {
        let column = |attribute: &&Attribute| matches!(attribute.place, Place::Column(_));
        ATTRIBUTES.iter().filter(column).map(|attribute| attribute.name).collect()
    },
    shown: None,
};

/// A page's question, checked.
struct Question {
    filters: Object,
    sort: Vec<SortCriterion>,
    page_size: usize,
    /// When the first page was asked for.
    now: Timestamp,
    after: Option<(Vec<Sql>, i64)>,
}

/// Answers one call of GetFindings: the findings that the account sees, a page of them.
pub(super) fn call(store: &Store, caller: (AccountId, Role), body: &[u8], now: Timestamp) -> Result<Vec<u8>, ApiError> {
    answer(store, caller, members(body)?, now, &ASFF)
}

/// The members of a body.
pub(super) fn members(body: &[u8]) -> Result<Object, ApiError> {
    if body.len() > LONGEST_BODY {
        return Err(ApiError::invalid_input(format!("the body is longer than {LONGEST_BODY} bytes")));
    }
    Document::parse(body).map(Document::into_members).map_err(|error| ApiError::invalid_input(error.to_string()))
}

/// Answers one call in the words of its operation.
pub(super) fn answer(
    store: &Store,
    (account, role): (AccountId, Role),
    members: Object,
    now: Timestamp,
    dialect: &Dialect,
) -> Result<Vec<u8>, ApiError> {
    let question = Question::read(members, store, account, now, dialect).map_err(ApiError::invalid_input)?;
    let filters = (dialect.condition)(&question.filters, question.now).map_err(ApiError::invalid_input)?;
    let query = question.query(account, role, filters, dialect).map_err(ApiError::invalid_input)?;
    let answer = store.read(|findings| {
        let mut rows = findings.page(&query.sql, &query.parameters)?;
        let documents = findings.documents(&rows[..rows.len().min(question.page_size)], MOST_BYTES)?;
        let more = rows.len() > documents.len();
        rows.truncate(documents.len());
        let documents = match dialect.shown {
            None => documents,
            Some(shown) => documents.iter().map(|document| shown(document)).collect::<Result<_, _>>()?,
        };
        Ok((documents, rows.pop().filter(|_| more)))
    });
    let (documents, last) = answer.map_err(|error: StoreError| ApiError::internal(error.to_string()))?;

    let mut answer = format!(r#"{{"Findings":[{}]"#, documents.join(","));
    if let Some(last) = last {
        let sort = serde_json::to_value(&question.sort).map_err(|error| ApiError::internal(error.to_string()))?;
        let question = (question.filters, sort, question.page_size, question.now);
        let token = Token::new(account, question, (last.seq, last.keys));
        answer.push_str(r#","NextToken":""#);
        answer.push_str(&token.sealed(dialect.operation, store.key()));
        answer.push('"');
    }
    answer.push('}');
    Ok(answer.into_bytes())
}

impl Question {
    fn read(
        members: Object,
        store: &Store,
        account: AccountId,
        now: Timestamp,
        dialect: &Dialect,
    ) -> Result<Self, String> {
        let body: Body = serde_path_to_error::deserialize(Value::Object(members))
            .map_err(|error| format!("`{}`: {}", error.path(), error.inner()))?;
        let page_size = match body.max_results {
            None => None,
            Some(number) => match usize::try_from(number) {
                Ok(number @ 1..=MOST_RESULTS) => Some(number),
                _ => return Err(format!("`MaxResults`: expected 1 to {MOST_RESULTS}, got {number}")),
            },
        };
        let Some(token) = body.next_token else {
            let filters = body.filters.unwrap_or_default();
            if serde_json::to_string(&filters).map_or(0, |filters| filters.len()) > LONGEST_QUESTION {
                return Err(format!("`Filters`: longer than {LONGEST_QUESTION} bytes"));
            }
            let sort = body.sort_criteria.unwrap_or_default();
            return Ok(Self { filters, sort, page_size: page_size.unwrap_or(MOST_RESULTS), now, after: None });
        };
        let token = Token::open(&token, dialect.operation, store.key(), account)
            .ok_or("`NextToken`: not a token of this account")?;
        let sort =
            body.sort_criteria.as_ref().map(serde_json::to_value).transpose().map_err(|error| error.to_string())?;
        if body.filters.is_some_and(|filters| filters != token.filters)
            || sort.is_some_and(|sort| sort != token.sort)
            || page_size.is_some_and(|size| size != token.page_size)
        {
            return Err("`NextToken`: the other members differ from those of the call that gave this token; send the \
                        same ones, or the token alone"
                .to_owned());
        }
        let after = Some(token.position());
        let sort = serde_json::from_value(token.sort).map_err(|error| error.to_string())?;
        Ok(Self { filters: token.filters, sort, page_size: token.page_size, now: token.now, after })
    }

    /// The SQL for the page, and for one finding more to see whether there is another.
    ///
    /// Pages go on after the last finding of the page before, by its place in the order and not by its count: findings
    /// that come, go or change meanwhile move no other one into or out of a page.
    fn query(
        &self,
        account: AccountId,
        role: Role,
        filters: Condition,
        dialect: &Dialect,
    ) -> Result<Condition, String> {
        let keys = self.sort_keys(dialect)?;
        let mut sql = "SELECT f.seq".to_owned();
        for (expression, _) in &keys {
            sql.push_str(", ");
            sql.push_str(expression);
        }
        sql.push_str(" FROM finding f WHERE ");
        let mut parameters = Vec::new();
        match role {
            Role::Administrator => {
                sql.push_str("f.account IN (SELECT account FROM temp.fleet WHERE administrator = ?)");
            }
            Role::Member => sql.push_str("f.account = ?"),
        }
        parameters.push(account.to_string().into());
        sql.push_str(" AND ");
        sql.push_str(&filters.sql);
        parameters.extend(filters.parameters);
        if let Some((values, seq)) = &self.after {
            sql.push_str(" AND ");
            for ((expression, order), value) in keys.iter().zip(values) {
                let beyond = if matches!(order, SortOrder::Asc) { " > ? " } else { " < ? " };
                sql.extend(["(", expression, beyond, "OR (", expression, " = ? AND "]);
                parameters.extend([value.clone(), value.clone()]);
            }
            sql.push_str("f.seq > ?");
            parameters.push((*seq).into());
            sql.push_str(&"))".repeat(keys.len()));
        }
        sql.push_str(" ORDER BY ");
        for (expression, order) in &keys {
            sql.extend([expression.as_str(), if matches!(order, SortOrder::Asc) { " ASC, " } else { " DESC, " }]);
        }
        sql.push_str("f.seq LIMIT ?");
        parameters.push(i64::try_from(self.page_size + 1).unwrap_or(i64::MAX).into());
        Ok(Condition { sql, parameters })
    }

    fn sort_keys(&self, dialect: &Dialect) -> Result<Vec<(String, SortOrder)>, String> {
        if self.sort.len() > MOST_SORT_FIELDS {
            return Err(format!("`SortCriteria`: at most {MOST_SORT_FIELDS} fields, got {}", self.sort.len()));
        }
        let key = |(index, criterion): (usize, &SortCriterion)| {
            let SortCriterion { field, sort_order } = criterion;
            (dialect.sort_key)(field).map(|key| (key, *sort_order)).ok_or_else(|| {
                let names = (dialect.sortable)().join(", ");
                format!("`SortCriteria[{index}].Field`: cannot sort by `{field}`; expected one of {names}")
            })
        };
        self.sort.iter().enumerate().map(key).collect()
    }
}

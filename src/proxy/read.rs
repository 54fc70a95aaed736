//! Reads: narrowed to what the caller may see, page by page.
//!
//! A member sees its own account's findings, whatever the backend would let it see. Three things hold it to that, each by
//! itself: the query is narrowed before it is forwarded, a page token is good only for the caller that it was given to, and
//! each finding of the answer must be the account's.

use super::{
    Passage,
    handler::{Gate, Reply},
    page_token::Continued,
};
use crate::{
    finding::{
        AccountId, ApiError, Caller, Filters, InvalidBody, InvalidPage, ListRules, Only, Operation, Page, Query, Role,
        RuleArns,
    },
    telemetry::events::AnswerWithheld,
};
use bytes::Bytes;
use http::StatusCode;
use memchr::memmem;

impl Gate {
    /// Reads findings: GetFindings, in whose terms the filters are.
    pub(super) async fn get_findings<F: Filters>(
        &self,
        operation: Operation,
        caller: &Caller,
        body: &[u8],
        passage: &Passage<'_>,
    ) -> Result<Reply, ApiError> {
        let invalid = |error: InvalidBody| ApiError::invalid_input(error.to_string());
        let mut query = Query::<F>::parse(body).map_err(invalid)?;
        let sealed = query.take_next_token();
        let continued = sealed.as_deref().map(|sealed| self.continued(operation, caller, sealed)).transpose()?;
        let is_member = caller.role == Role::Member;
        if is_member {
            if query.has_scopes() {
                return Err(ApiError::access_denied(format!(
                    "Scopes: only the administrator chooses among accounts, and account {} is a member: leave Scopes out",
                    caller.account
                )));
            }
            let whole = with_question(query, continued.as_ref())?;
            let Some(narrowed) = whole.narrowed(caller.account).map_err(invalid)? else {
                return Ok(Reply::read(NOTHING));
            };
            query = narrowed;
        }
        let body = query.to_json(continued.map(|continued| continued.token)).into();
        let reply = self.ask(caller, operation, (None, body), passage).await?;
        if reply.status != StatusCode::OK {
            return Ok(reply);
        }
        let question = if is_member { query.to_json(None) } else { Vec::new() };
        let accounts = self.settings.snapshot.accounts();
        // AWS shows an administrator its own fleet, by the credentials that the backend sees; what is known to be another's goes to
        // nobody all the same. (An account that is in no fleet may be one that joined a moment ago.)
        let may_be = |owner: Option<AccountId>| match caller.role {
            Role::Member => owner == Some(caller.account),
            Role::Administrator => owner.is_some_and(|owner| {
                accounts.fleet_of(owner).is_none_or(|administrator| administrator == caller.account)
            }),
        };
        let only = is_member || accounts.has_several_fleets();
        let only = only.then_some(Only { path: F::OWNER, may_be: &may_be });
        let body = self.page(operation, caller, reply.body, (&question, only), passage)?;
        Ok(Reply { body, ..reply })
    }

    /// Lists automation rules, for the administrator.
    pub(super) async fn list_rules(
        &self,
        caller: &Caller,
        query: &str,
        body: &[u8],
        passage: &Passage<'_>,
    ) -> Result<Reply, ApiError> {
        let operation = Operation::ListAutomationRules;
        administrator_only(operation, caller)?;
        if !body.is_empty() {
            return Err(ApiError::invalid_input(format!(
                "body: {operation} has none; its parameters are in the query string"
            )));
        }
        let mut request = ListRules::parse(query).map_err(|error| ApiError::invalid_input(error.to_string()))?;
        if let Some(sealed) = request.next_token.take() {
            request.next_token = Some(self.continued(operation, caller, &sealed)?.token.to_owned());
        }
        let reply = self.ask(caller, operation, (request.to_query(), Bytes::new()), passage).await?;
        if reply.status != StatusCode::OK {
            return Ok(reply);
        }
        let body = self.page(operation, caller, reply.body, (&[], None), passage)?;
        Ok(Reply { body, ..reply })
    }

    /// Reads automation rules by their ARNs, for the administrator.
    pub(super) async fn get_rules(
        &self,
        caller: &Caller,
        body: &[u8],
        passage: &Passage<'_>,
    ) -> Result<Reply, ApiError> {
        let operation = Operation::BatchGetAutomationRules;
        administrator_only(operation, caller)?;
        let request = RuleArns::parse(body).map_err(|error| ApiError::invalid_input(error.to_string()))?;
        let mut body = Vec::new();
        request.write_json(&mut body);
        self.ask(caller, operation, (None, body.into()), passage).await
    }

    /// What a caller's page token continues.
    fn continued<'a>(&self, operation: Operation, caller: &Caller, sealed: &'a str) -> Result<Continued<'a>, ApiError> {
        let region = &self.routes.of(caller).region;
        self.settings.page_tokens.open(operation, caller, region, sealed).ok_or_else(|| {
            ApiError::invalid_input(format!(
                "NextToken: not a token that this gate gave to account {} as {} for {operation}: it was altered or cut, or \
                 given to another caller or in another Region, or the gate has another key since; start the query anew, without NextToken",
                caller.account, caller.role
            ))
        })
    }

    /// The body for the client: with a token of the gate's own, which carries the question, and checked where it may have certain
    /// findings only.
    fn page(
        &self,
        operation: Operation,
        caller: &Caller,
        body: Bytes,
        (question, only): (&[u8], Option<Only<'_>>),
        passage: &Passage<'_>,
    ) -> Result<Bytes, ApiError> {
        // Most answers to administrators are large and the last of their query: they need not be read. A name that is
        // written with escapes escapes this, too, and the client then has a token that this gate does not take.
        if only.is_none() && memmem::find(&body, br#""NextToken""#).is_none() {
            return Ok(body);
        }
        let page = Page::read(&body, only).map_err(|error| withheld(operation, caller, &error, passage))?;
        let Some(token) = page.next_token() else { return Ok(body) };
        let region = &self.routes.of(caller).region;
        let Some(sealed) = self.settings.page_tokens.seal(operation, caller, region, token, question) else {
            let why =
                InvalidPage::Malformed("its NextToken is longer than any that a client could send back".to_owned());
            return Err(withheld(operation, caller, &why, passage));
        };
        Ok(page.with_token(&body, &sealed).into())
    }
}

/// The answer to a query that leaves out the only account that it could be about.
const NOTHING: &str = r#"{"Findings":[]}"#;

/// Refuses a member what only the administrator has.
pub(super) fn administrator_only(operation: Operation, caller: &Caller) -> Result<(), ApiError> {
    match caller.role {
        Role::Administrator => Ok(()),
        Role::Member => Err(ApiError::access_denied(format!(
            "{operation} is for the administrator: automation rules are its own and speak of the findings of all accounts, and account \
             {} is a member",
            caller.account
        ))),
    }
}

/// A member's query with what it leaves out as it was when its token was given.
///
/// Clients may send a token alone. Forwarded with the narrowing filter and without their own ones, it would be another
/// query than the one that it continues.
fn with_question<F: Filters>(query: Query<F>, continued: Option<&Continued<'_>>) -> Result<Query<F>, ApiError> {
    match continued {
        None => Ok(query),
        Some(Continued { question: Some(question), .. }) => {
            let question = Query::parse(question).map_err(|_| ApiError::internal("a page token's own query"))?;
            Ok(query.or(question))
        }
        Some(Continued { question: None, .. }) if query.has_filters() => Ok(query),
        Some(Continued { question: None, .. }) => Err(ApiError::invalid_input(
            "NextToken: the query was too long for its token to carry; send the same Filters and SortCriteria with it again",
        )),
    }
}

/// Logs why an answer is not passed on, and tells the caller no more than that: what is in it may be somebody else's.
fn withheld(operation: Operation, caller: &Caller, why: &InvalidPage, passage: &Passage<'_>) -> ApiError {
    AnswerWithheld {
        request_id: passage.id.as_str(),
        account: caller.account.as_str(),
        principal: &caller.principal,
        operation: operation.name(),
        reason: &why.to_string(),
    }
    .emit();
    ApiError::bad_upstream(match why {
        InvalidPage::Foreign { .. } => format!(
            "the findings backend answered with findings that are not of {} {}, and nothing of its answer is passed on; \
             tell who runs the gate, with the id of this request",
            if caller.role == Role::Member { "account" } else { "the fleet of administrator" },
            caller.account
        ),
        InvalidPage::Malformed(_) => {
            "the findings backend answered 200 with something that is no page of findings".to_owned()
        }
    })
}

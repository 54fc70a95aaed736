//! Automation rules: kept, and given back. Nothing here applies them.

use super::{
    json::Object,
    store::{Store, StoreError},
    token::Token,
};
use crate::finding::{
    AccountId, ApiError, CreateRule, ListRules, MAX_RULES, Operation, Role, RuleArns, RuleStatus, Text, UpdateRule,
    UpdateRules, timestamp,
};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::HashSet;

/// The members of a rule that ListAutomationRules leaves out.
const NOT_LISTED: [&str; 3] = ["Criteria", "Actions", "Tags"];

/// Who asks, and where this backend stands.
pub(super) struct Context<'a> {
    pub(super) account: AccountId,
    pub(super) role: Role,
    pub(super) region: &'a str,
    pub(super) now: Timestamp,
}

/// Answers one call. Rules are the administrator's, all of them.
pub(super) fn call(
    store: &Store,
    context: &Context<'_>,
    operation: Operation,
    input: &[u8],
) -> Result<Vec<u8>, ApiError> {
    if context.role != Role::Administrator {
        return Err(ApiError::access_denied(format!(
            "Account {} is a member: automation rules are the administrator's alone, and so is {operation}",
            context.account
        )));
    }
    let answer = match operation {
        Operation::CreateAutomationRule => create(store, context, input)?,
        Operation::BatchUpdateAutomationRules => update(store, context, input)?,
        Operation::BatchDeleteAutomationRules => delete(store, context, input)?,
        Operation::BatchGetAutomationRules => get(store, context, input)?,
        Operation::ListAutomationRules => list(store, context, input)?,
        _ => return Err(ApiError::internal(format!("{operation} is not about automation rules"))),
    };
    serde_json::to_vec(&answer).map_err(|error| ApiError::internal(error.to_string()))
}

/// Why the store cannot carry a request out, or what is wrong with the request.
enum Fault {
    Store(StoreError),
    Limit,
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Fault> for ApiError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Store(error) => failed(&error),
            Fault::Limit => ApiError::limit_exceeded(format!(
                "the account has {MAX_RULES} automation rules, and cannot have more: delete one first"
            )),
        }
    }
}

fn failed(error: &StoreError) -> ApiError {
    ApiError::internal(error.to_string())
}

fn invalid(error: &impl ToString) -> ApiError {
    ApiError::invalid_input(error.to_string())
}

fn create(store: &Store, context: &Context<'_>, body: &[u8]) -> Result<Value, ApiError> {
    let request = CreateRule::parse(body).map_err(|error| invalid(&error))?;
    let arn = format!("arn:aws:securityhub:{}:{}:automation-rule/{}", context.region, context.account, uuid()?);
    let now = timestamp::written(context.now);
    let mut rule = Object::new();
    for (name, value) in [
        ("RuleArn", arn.as_str().into()),
        ("RuleStatus", request.status.unwrap_or(RuleStatus::Enabled).as_str().into()),
        ("RuleOrder", request.order.into()),
        ("RuleName", request.name.as_str().into()),
        ("Description", request.description.as_str().into()),
        ("IsTerminal", request.is_terminal.unwrap_or(false).into()),
        ("Criteria", Value::Object(request.criteria.attributes().clone())),
        ("Actions", actions(&request.update)?),
        ("CreatedAt", now.as_str().into()),
        ("UpdatedAt", now.as_str().into()),
        ("CreatedBy", context.account.as_str().into()),
        ("Tags", request.tags.iter().map(|(key, value)| (key.to_string(), Value::from(value.as_str()))).collect()),
    ] {
        rule.insert(name.to_owned(), value);
    }
    store
        .write(|tables| {
            if tables.count_rules(context.account)? >= MAX_RULES {
                return Err(Fault::Limit);
            }
            Ok(tables.insert_rule(context.account, &arn, &rule)?)
        })
        .map_err(ApiError::from)?;
    Ok(json!({"RuleArn": arn}))
}

fn update(store: &Store, context: &Context<'_>, body: &[u8]) -> Result<Value, ApiError> {
    let request = UpdateRules::parse(body).map_err(|error| invalid(&error))?;
    let mut changes = Vec::with_capacity(request.rules.len());
    for rule in &request.rules {
        changes.push((rule.arn.as_str(), changed(rule, context.now)?));
    }
    let outcome = store.write(|tables| {
        let mut outcome = Outcome::default();
        let mut seen = HashSet::new();
        for (arn, members) in changes {
            if !seen.insert(arn) {
                outcome.refuse(arn, Refusal::Duplicated);
                continue;
            }
            match tables.rule(context.account, arn)? {
                None => outcome.refuse(arn, Refusal::NotFound),
                Some(mut rule) => {
                    rule.extend(members);
                    tables.replace_rule(arn, &rule)?;
                    outcome.processed_automation_rules.push(arn.to_owned());
                }
            }
        }
        Ok(outcome)
    });
    outcome.map_err(|error: StoreError| failed(&error))?.into_answer()
}

/// The members of a rule that an update sets.
fn changed(rule: &UpdateRule<'_>, now: Timestamp) -> Result<Object, ApiError> {
    let members = [
        ("RuleStatus", rule.status.map(|status| status.as_str().into())),
        ("RuleOrder", rule.order.map(Value::from)),
        ("RuleName", rule.name.as_ref().map(|name| name.as_str().into())),
        ("Description", rule.description.as_ref().map(|text| text.as_str().into())),
        ("IsTerminal", rule.is_terminal.map(Value::from)),
        ("Criteria", rule.criteria.as_ref().map(|criteria| Value::Object(criteria.attributes().clone()))),
        ("Actions", rule.update.as_ref().map(actions).transpose()?),
        ("UpdatedAt", Some(timestamp::written(now).into())),
    ];
    Ok(members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect())
}

fn actions(update: &crate::finding::Update<'_>) -> Result<Value, ApiError> {
    serde_json::from_slice(&update.to_rule_actions()).map_err(|error| ApiError::internal(error.to_string()))
}

fn delete(store: &Store, context: &Context<'_>, body: &[u8]) -> Result<Value, ApiError> {
    let request = RuleArns::parse(body).map_err(|error| invalid(&error))?;
    let outcome = store.write(|tables| {
        let mut outcome = Outcome::default();
        for_each_once(&request.arns, &mut outcome, |arn, outcome| {
            if tables.delete_rule(context.account, arn)? {
                outcome.processed_automation_rules.push(arn.to_owned());
            } else {
                outcome.refuse(arn, Refusal::NotFound);
            }
            Ok(())
        })?;
        Ok(outcome)
    });
    outcome.map_err(|error: StoreError| failed(&error))?.into_answer()
}

fn get(store: &Store, context: &Context<'_>, body: &[u8]) -> Result<Value, ApiError> {
    let request = RuleArns::parse(body).map_err(|error| invalid(&error))?;
    let (rules, outcome) = store
        .read(|tables| {
            let (mut rules, mut outcome) = (Vec::new(), Outcome::default());
            for_each_once(&request.arns, &mut outcome, |arn, outcome| {
                match tables.rule(context.account, arn)? {
                    Some(rule) => rules.push(without(rule, &["Tags"])),
                    None => outcome.refuse(arn, Refusal::NotFound),
                }
                Ok(())
            })?;
            Ok((rules, outcome))
        })
        .map_err(|error| failed(&error))?;
    Ok(json!({"Rules": rules, "UnprocessedAutomationRules": outcome.unprocessed_automation_rules}))
}

fn list(store: &Store, context: &Context<'_>, query: &[u8]) -> Result<Value, ApiError> {
    const OPERATION: Operation = Operation::ListAutomationRules;
    let query = std::str::from_utf8(query).map_err(|_| ApiError::invalid_input("query string: not UTF-8"))?;
    let request = ListRules::parse(query).map_err(|error| invalid(&error))?;
    let token = match &request.next_token {
        None => None,
        Some(text) => Some(
            Token::open(text, OPERATION, store.key(), context.account)
                .ok_or_else(|| ApiError::invalid_input("query string: NextToken: not a token of this account"))?,
        ),
    };
    let asked = request.max_results.map(usize::from);
    let page_size = match &token {
        Some(token) if asked.is_some_and(|asked| asked != token.page_size) => {
            return Err(ApiError::invalid_input(
                "query string: MaxResults: differs from that of the call that gave this token; send the same one, or the \
                 token alone",
            ));
        }
        Some(token) => token.page_size,
        None => asked.unwrap_or(MAX_RULES),
    };
    let after = token.map_or(0, |token| token.position().1);
    let mut rules =
        store.read(|tables| tables.rules(context.account, after, page_size + 1)).map_err(|error| failed(&error))?;
    let more = rules.len() > page_size;
    rules.truncate(page_size);
    let last = rules.last().filter(|_| more).map(|(seq, _)| *seq);
    let listed: Vec<_> = rules.into_iter().map(|(_, rule)| without(rule, &NOT_LISTED)).collect();
    let mut answer = json!({"AutomationRulesMetadata": listed});
    if let Some(last) = last {
        let question = (Object::new(), Value::Null, page_size, context.now);
        let token = Token::new(context.account, question, (last, Vec::new()));
        answer["NextToken"] = token.sealed(OPERATION, store.key()).into();
    }
    Ok(answer)
}

fn without(mut rule: Object, names: &[&str]) -> Object {
    rule.retain(|name, _| !names.contains(&name.as_str()));
    rule
}

/// Does something with each ARN, and refuses those that came before.
fn for_each_once(
    arns: &[Text<'_>],
    outcome: &mut Outcome,
    mut work: impl FnMut(&str, &mut Outcome) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut seen = HashSet::new();
    for arn in arns {
        if seen.insert(arn.as_str()) {
            work(arn, outcome)?;
        } else {
            outcome.refuse(arn, Refusal::Duplicated);
        }
    }
    Ok(())
}

/// What became of each rule, in the order of the request.
#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Outcome {
    processed_automation_rules: Vec<String>,
    unprocessed_automation_rules: Vec<Unprocessed>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Unprocessed {
    rule_arn: String,
    /// A number in the API model, of which it says no more.
    error_code: u16,
    error_message: &'static str,
}

#[derive(Clone, Copy)]
enum Refusal {
    NotFound,
    Duplicated,
}

impl Outcome {
    fn refuse(&mut self, arn: &str, refusal: Refusal) {
        let (error_code, error_message) = match refusal {
            Refusal::NotFound => (404, "Automation rule not found"),
            Refusal::Duplicated => (400, "Automation rule is named twice"),
        };
        self.unprocessed_automation_rules.push(Unprocessed { rule_arn: arn.to_owned(), error_code, error_message });
    }

    fn into_answer(self) -> Result<Value, ApiError> {
        serde_json::to_value(self).map_err(|error| ApiError::internal(error.to_string()))
    }
}

/// A random UUID (RFC 9562, version 4).
fn uuid() -> Result<String, ApiError> {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).map_err(|_| ApiError::internal("the system gives no random numbers"))?;
    let mut bits = u128::from_be_bytes(bytes);
    bits = bits & !(0xF << 76) | 0x4 << 76; // the version
    bits = bits & !(0b11 << 62) | 0b10 << 62; // the variant
    let digits = format!("{bits:032x}");
    Ok(format!("{}-{}-{}-{}-{}", &digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_has_its_version_and_variant() {
        let (one, other) = (uuid().unwrap(), uuid().unwrap());
        assert_ne!(one, other);
        for id in [one, other] {
            let parts: Vec<_> = id.split('-').collect();
            assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12], "{id}");
            assert!(parts[2].starts_with('4') && parts[3].starts_with(['8', '9', 'a', 'b']), "{id}");
        }
    }
}

//! BatchImportFindings: findings as their providers see them.

use super::{
    MOST_FINDING_BYTES, asff,
    json::{Object, text_at},
    ownership::{self, Provenance, Sticky},
    schema::ProductArn,
    store::{Findings, Store, StoreError, Stored},
};
use crate::finding::{AccountId, ApiError, Document, timestamp};
use serde::Serialize;
use serde_json::Value;

/// How many findings one call may bring.
const MOST_FINDINGS: usize = 100;
/// How many bytes one call may have.
const MOST_BYTES: usize = 6 << 20;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    failed_count: usize,
    success_count: usize,
    failed_findings: Vec<Failed>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Failed {
    id: String,
    error_code: &'static str,
    error_message: String,
}

/// Answers one call of `account`.
pub(super) fn call(
    store: &Store,
    account: AccountId,
    body: &[u8],
    provenance: Provenance,
) -> Result<Vec<u8>, ApiError> {
    let findings = read(body, account)?;
    let count = findings.len();
    let failed_findings = store
        .write(|stored| {
            let mut failed = Vec::new();
            for finding in findings {
                let id = finding.get("Id").and_then(Value::as_str).unwrap_or_default().to_owned();
                if let Err((error_code, error_message)) = import(stored, account, finding, provenance)? {
                    failed.push(Failed { id, error_code, error_message });
                }
            }
            Ok(failed)
        })
        .map_err(|error: StoreError| ApiError::internal(error.to_string()))?;
    let failed_count = failed_findings.len();
    let answer = Answer { failed_count, success_count: count - failed_count, failed_findings };
    serde_json::to_vec(&answer).map_err(|error| ApiError::internal(error.to_string()))
}

/// The findings of a body. One that is another account's fails the whole call.
fn read(body: &[u8], account: AccountId) -> Result<Vec<Value>, ApiError> {
    if body.len() > MOST_BYTES {
        return Err(ApiError::invalid_input(format!("the body is longer than 6 MB ({MOST_BYTES} bytes)")));
    }
    let document = Document::parse(body).map_err(|error| ApiError::invalid_input(error.to_string()))?;
    let mut members = document.into_members();
    let findings = members.remove("Findings");
    if let Some(name) = members.keys().next() {
        return Err(ApiError::invalid_input(format!("`{name}`: no such member; expected `Findings` alone")));
    }
    let Some(Value::Array(findings)) = findings else {
        return Err(ApiError::invalid_input("`Findings`: expected a list of findings"));
    };
    if !(1..=MOST_FINDINGS).contains(&findings.len()) {
        let message = format!("`Findings`: expected 1 to {MOST_FINDINGS} findings, got {}", findings.len());
        return Err(ApiError::invalid_input(message));
    }
    for (index, finding) in findings.iter().enumerate() {
        let owner = finding.get("AwsAccountId").and_then(Value::as_str);
        if owner.is_some_and(|owner| owner != account.as_str()) {
            return Err(ApiError::access_denied(format!(
                "account {account} is not authorized to perform securityhub:BatchImportFindings: \
                 `Findings[{index}].AwsAccountId` names another account"
            )));
        }
    }
    Ok(findings)
}

type Refusal = (&'static str, String);

fn import(
    findings: &Findings,
    account: AccountId,
    finding: Value,
    provenance: Provenance,
) -> Result<Result<(), Refusal>, StoreError> {
    let given = match check(account, finding) {
        Ok(given) => given,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let [arn, id] = ["ProductArn", "Id"].map(|name| text_at(&given, &[name]).unwrap_or_default());
    let stored = findings.find(account, arn, id)?;
    if stored.as_ref().is_some_and(|stored| !is_newer(&given, stored)) {
        return Ok(Ok(()));
    }
    let finding = match &stored {
        None => ownership::create(given, provenance),
        Some(stored) => ownership::reimport(&stored.document, given, Sticky::from_bits(stored.sticky), provenance),
    };
    let text = match written(&finding) {
        Ok(text) => text,
        Err(refusal) => return Ok(Err(refusal)),
    };
    match stored {
        None => findings.insert(&finding, &text)?,
        Some(stored) => findings.replace(&stored, &finding, &text, stored.sticky)?,
    }
    Ok(Ok(()))
}

/// An import counts only if its `UpdatedAt` is later than that of the finding as it is.
fn is_newer(given: &Object, stored: &Stored) -> bool {
    given.get("UpdatedAt").and_then(timestamp::sortable_of).is_some_and(|updated_at| updated_at > stored.updated_at)
}

fn check(account: AccountId, finding: Value) -> Result<Object, Refusal> {
    let errors = asff::errors(&finding);
    if !errors.is_empty() {
        let message = format!("Finding does not adhere to Amazon Finding Format. {}.", errors.join(", "));
        return Err(("InvalidInput", message));
    }
    let Value::Object(given) = finding else { return Err(("InvalidInput", "data should be object.".to_owned())) };
    let arn = text_at(&given, &["ProductArn"]).and_then(ProductArn::parse);
    // Whoever looks at ProductArn and Id may tell a finding's owner from them; an import must not make that untrue.
    if arn.is_some_and(|arn| arn.custom_of().is_some_and(|owner| owner != account)) {
        let message = format!("account {account} cannot import for the custom integration of another account");
        return Err(("InvalidAccess", message));
    }
    let owner = text_at(&given, &["Id"]).and_then(account_of_arn);
    if arn.is_some_and(|arn| arn.is_aws()) && owner.is_some_and(|owner| owner != account) {
        return Err((
            "InvalidAccess",
            format!("account {account} cannot import a finding whose Id names another account"),
        ));
    }
    Ok(given)
}

/// The account that an ARN names, if it names one.
fn account_of_arn(text: &str) -> Option<AccountId> {
    text.strip_prefix("arn:")?.split(':').nth(3).and_then(AccountId::parse)
}

fn written(finding: &Object) -> Result<String, Refusal> {
    let text = serde_json::to_string(finding).map_err(|error| ("InternalFailure", error.to_string()))?;
    if text.len() > MOST_FINDING_BYTES {
        return Err(("FindingSizeExceeded", "Finding size exceeded 240 KB".to_owned()));
    }
    Ok(text)
}

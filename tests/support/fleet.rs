//! The accounts of the tests, their keys and their findings.

use serde_json::{Value, json};

pub(crate) const REGION: &str = "eu-west-1";

/// An issued key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) id: &'static str,
    pub(crate) secret: &'static str,
    pub(crate) account: &'static str,
    pub(crate) minimum_enforcement: &'static str,
}

const fn key(id: &'static str, secret: &'static str, account: &'static str) -> Key {
    Key { id, secret, account, minimum_enforcement: "strip" }
}

pub(crate) const SECURITY: Key = key("AKIASECURITY", "security-secret-0123456789abcdefghij", "111111111111");
pub(crate) const PAYMENTS: Key = key("AKIAPAYMENTS", "payments-secret-0123456789abcdefghij", "222222222222");
pub(crate) const SEARCH: Key = key("AKIASEARCH", "search-secret-0123456789abcdefghijkl", "333333333333");
/// Of the account of [`PAYMENTS`], for a client that overlooks `UnprocessedFindings`.
pub(crate) const BLUNT: Key =
    Key { minimum_enforcement: "refuse", ..key("AKIABLUNT", "blunt-secret-0123456789abcdefghijklm", "222222222222") };
pub(crate) const KEYS: [Key; 4] = [SECURITY, PAYMENTS, SEARCH, BLUNT];

pub(crate) const ACCOUNTS: &str = "\
administrator = \"111111111111\"
[[member]]
account = \"222222222222\"
name = \"payments\"
groups = [\"ou/prod\"]
[[member]]
account = \"333333333333\"
name = \"search\"
";

pub(crate) fn keys_toml() -> String {
    let entry = |key: &Key| {
        let Key { id, secret, account, minimum_enforcement } = key;
        format!(
            "[[key]]\nid = \"{id}\"\nsecret = \"{secret}\"\naccount = \"{account}\"\n\
             principal = \"arn:aws:iam::{account}:role/{}\"\nminimum_enforcement = \"{minimum_enforcement}\"\n",
            id.to_lowercase()
        )
    };
    KEYS.iter().map(entry).collect()
}

/// A finding that an account's own product provides: its owner is known from the identifier.
pub(crate) fn finding(account: &str, id: &str) -> Value {
    json!({"Id": id, "ProductArn": format!("arn:aws:securityhub:{REGION}:{account}:product/{account}/default")})
}

/// A finding as it is: new, of medium severity, with nothing that a customer wrote.
pub(crate) fn plain_finding(account: &str, id: &str, product_arn: &str) -> Value {
    json!({
        "Id": id, "ProductArn": product_arn, "AwsAccountId": account, "CreatedAt": "2024-01-01T00:00:00Z",
        "UpdatedAt": "2024-01-01T00:00:00Z", "GeneratorId": "g", "Severity": {"Label": "MEDIUM", "Normalized": 40},
        "Workflow": {"Status": "NEW"}, "RecordState": "ACTIVE",
    })
}

/// A request for an update of findings.
pub(crate) fn update(findings: &[Value], members: Value) -> String {
    let Value::Object(mut request) = members else { panic!("members of an update") };
    request.insert("FindingIdentifiers".into(), findings.into());
    Value::Object(request).to_string()
}

/// A request that the baseline allows [`PAYMENTS`].
pub(crate) fn good(id: &str) -> String {
    update(&[finding(PAYMENTS.account, id)], json!({"Workflow": {"Status": "NOTIFIED"}}))
}

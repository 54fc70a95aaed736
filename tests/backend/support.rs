//! A backend with a small fleet, for tests.

use findings_gate::{
    backend::{Backend, Settings},
    finding::{Accounts, ApiError, Member, Operation},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::path::Path;

pub(super) const ADMIN: &str = "111111111111";
pub(super) const MEMBER: &str = "222222222222";
pub(super) const OTHER: &str = "333333333333";

#[derive(Debug)]
pub(super) struct World {
    pub(super) backend: Backend,
}

pub(super) fn settings() -> Settings {
    let member =
        |account: &str, name: &str| (account.parse().unwrap(), Member { name: name.to_owned(), groups: Vec::new() });
    let accounts = Accounts::new(ADMIN.parse().unwrap(), [member(MEMBER, "payments"), member(OTHER, "")]);
    Settings::new("eu-west-1", accounts)
}

/// So many seconds after 2024-05-10.
pub(super) fn at(seconds: i64) -> Timestamp {
    "2024-05-10T00:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(seconds)
}

pub(super) fn custom_arn(account: &str) -> String {
    format!("arn:aws:securityhub:eu-west-1:{account}:product/{account}/default")
}

/// A valid finding of the account's custom integration.
pub(super) fn finding(account: &str, id: &str) -> Value {
    json!({
        "SchemaVersion": "2018-10-08", "Id": id, "ProductArn": custom_arn(account), "GeneratorId": "rule-1",
        "AwsAccountId": account, "CreatedAt": "2024-05-01T00:00:00Z", "UpdatedAt": "2024-05-01T00:00:00Z",
        "Title": "a title", "Description": "a description", "Severity": {"Label": "LOW"}, "Types": ["TTPs"],
        "Resources": [{"Type": "AwsEc2Instance", "Id": "i-1"}],
    })
}

impl World {
    pub(super) fn new() -> Self {
        Self::open(settings())
    }

    pub(super) fn open(settings: Settings) -> Self {
        Self { backend: Backend::open(settings).unwrap() }
    }

    pub(super) fn at(path: &Path) -> Self {
        Self::open(Settings { data: Some(path.to_owned()), ..settings() })
    }

    /// With findings of [`MEMBER`].
    pub(super) fn with(findings: &[Value]) -> Self {
        let world = Self::new();
        for some in findings.chunks(100) {
            assert_eq!(world.import(MEMBER, some)["FailedFindings"], json!([]));
        }
        world
    }

    pub(super) fn import(&self, account: &str, findings: &[Value]) -> Value {
        self.call(Operation::BatchImportFindings, account, &json!({"Findings": findings})).unwrap()
    }

    pub(super) fn import_error(&self, account: &str, body: &Value) -> ApiError {
        self.call(Operation::BatchImportFindings, account, body).unwrap_err()
    }

    /// The body of the answer to an update, as it is.
    pub(super) fn raw_update(&self, account: &str, body: &Value) -> String {
        let body = body.to_string();
        let answer = self
            .backend
            .call(Operation::BatchUpdateFindings, account.parse().unwrap(), body.as_bytes(), at(0))
            .unwrap();
        String::from_utf8(answer).unwrap()
    }

    /// Updates one finding of the account's custom integration.
    pub(super) fn update(&self, account: &str, id: &str, mut update: Value) -> Value {
        update["FindingIdentifiers"] = json!([{"Id": id, "ProductArn": custom_arn(account)}]);
        serde_json::from_str(&self.raw_update(account, &update)).unwrap()
    }

    pub(super) fn get(&self, account: &str, body: &Value) -> Value {
        self.call(Operation::GetFindings, account, body).unwrap()
    }

    pub(super) fn get_error(&self, account: &str, body: &Value) -> ApiError {
        self.call(Operation::GetFindings, account, body).unwrap_err()
    }

    /// The Ids of the findings that pass the filters.
    pub(super) fn ids(&self, account: &str, filters: &Value) -> Vec<String> {
        ids(&self.get(account, &json!({"Filters": filters})))
    }

    /// The account's finding of that Id.
    pub(super) fn finding(&self, account: &str, id: &str) -> Value {
        let found = self.get(account, &json!({"Filters": {"Id": [{"Value": id, "Comparison": "EQUALS"}]}}));
        assert_eq!(found["Findings"].as_array().unwrap().len(), 1, "one finding {id}");
        found["Findings"][0].clone()
    }

    /// The answer to a body that need be no JSON.
    pub(super) fn call_raw(&self, operation: Operation, account: &str, body: &str) -> Result<Value, ApiError> {
        let answer = self.backend.call(operation, account.parse().unwrap(), body.as_bytes(), at(0))?;
        Ok(serde_json::from_slice(&answer).unwrap())
    }

    fn call(&self, operation: Operation, account: &str, body: &Value) -> Result<Value, ApiError> {
        self.call_raw(operation, account, &body.to_string())
    }
}

pub(super) fn ids(answer: &Value) -> Vec<String> {
    answer["Findings"].as_array().unwrap().iter().map(|found| found["Id"].as_str().unwrap().to_owned()).collect()
}

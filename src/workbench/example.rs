//! One question in the words of a suite: who asks for what about which finding.

use super::{CallerFixture, FindingFixture};
use crate::finding::{AccountId, Accounts, InvalidBody, Member, Operation, Role, SeverityLabel};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// Who asks for what about which finding.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// Who asks.
    pub caller: CallerFixture,
    /// The finding.
    pub finding: FindingFixture,
    /// What is asked.
    pub call: Call,
    /// When.
    pub now: Timestamp,
}

/// What is asked of one finding: the request's body, without what names the finding.
#[derive(Debug, Clone, PartialEq)]
pub enum Call {
    /// BatchUpdateFindings.
    Update(Map<String, Value>),
    /// BatchUpdateFindingsV2.
    UpdateV2(Map<String, Value>),
    /// BatchImportFindings: members of the imported finding, besides those that every finding must have.
    Import(Map<String, Value>),
}

/// Why an example is no question.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidExample {
    /// The body is none that the API takes.
    #[error("{0}")]
    Body(InvalidBody),
    /// The imported finding is none.
    #[error("{0}")]
    Import(String),
}

impl Call {
    /// The operation of the API.
    pub const fn operation(&self) -> Operation {
        match self {
            Self::Update(_) => Operation::BatchUpdateFindings,
            Self::UpdateV2(_) => Operation::BatchUpdateFindingsV2,
            Self::Import(_) => Operation::BatchImportFindings,
        }
    }

    /// What a suite calls it: `update`, `updateV2` or `import`.
    pub const fn key(&self) -> &'static str {
        match self {
            Self::Update(_) => "update",
            Self::UpdateV2(_) => "updateV2",
            Self::Import(_) => "import",
        }
    }

    /// The members.
    pub const fn members(&self) -> &Map<String, Value> {
        let (Self::Update(members) | Self::UpdateV2(members) | Self::Import(members)) = self;
        members
    }
}

impl Example {
    /// When examples are asked that do not say: 2026-01-01T12:00:00Z.
    pub const NOW: Timestamp = Timestamp::constant(1_767_268_800, 0);

    /// The body of the request that a client would send.
    pub fn body(&self) -> Value {
        let (id, product_arn) = (self.finding.id(), self.finding.product_arn());
        let mut body = self.call.members().clone();
        let (name, identifier) = match &self.call {
            Call::Update(_) => ("FindingIdentifiers", json!({ "Id": id, "ProductArn": product_arn })),
            Call::UpdateV2(_) => (
                "FindingIdentifiers",
                json!({ "CloudAccountUid": self.finding.account, "FindingInfoUid": id, "MetadataProductUid": product_arn }),
            ),
            Call::Import(_) => {
                let defaults = json!({
                    "SchemaVersion": "2018-10-08", "Id": id, "ProductArn": product_arn, "AwsAccountId": self.finding.account,
                    "GeneratorId": self.finding.generator_id.as_deref().unwrap_or("generator"), "Title": "Example",
                    "Description": "Example", "CreatedAt": self.finding.created_at().to_string(),
                    "UpdatedAt": self.finding.created_at().to_string(),
                    "Resources": [{ "Type": "Other", "Id": "example" }],
                });
                // Every finding has one, at the top or as its provider gives it.
                if body.get("FindingProviderFields").is_none_or(|provider| provider["Severity"].is_null()) {
                    let label = self.finding.severity.map_or(SeverityLabel::Medium, |severity| severity.label);
                    body.entry("Severity").or_insert_with(|| json!({ "Label": label }));
                }
                for (name, value) in defaults.as_object().into_iter().flatten() {
                    body.entry(name).or_insert_with(|| value.clone());
                }
                return json!({ "Findings": [body] });
            }
        };
        body.insert(name.to_owned(), json!([identifier]));
        Value::Object(body)
    }

    /// The example as a case of a suite, which says for itself who asks about what. `expect` is written as it is.
    pub fn to_case(&self, name: &str, expect: &impl Serialize) -> String {
        let json = |value: Result<String, serde_json::Error>| value.unwrap_or_else(|error| error.to_string());
        let mut text = format!("  - name: {}\n", json(serde_json::to_string(name)));
        let mut line = |key: &str, value: String| {
            text.push_str("    ");
            text.push_str(key);
            text.push_str(": ");
            text.push_str(&value);
            text.push('\n');
        };
        if self.now != Self::NOW {
            line("now", format!("{}", self.now));
        }
        line("caller", json(serde_json::to_string(&self.caller)));
        line("finding", json(serde_json::to_string(&self.finding)));
        line(self.call.key(), json(serde_json::to_string(self.call.members())));
        line("expect", json(serde_json::to_string(expect)));
        text
    }
}

/// `arn:aws:iam::222222222222:role/caller (member) asks for {…} …`
impl fmt::Display for Example {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let json = |value: Result<String, serde_json::Error>| value.unwrap_or_else(|error| error.to_string());
        write!(
            f,
            "{} {} calls {} with {} for a finding {}",
            self.caller.role,
            self.caller.principal(),
            self.call.operation(),
            json(serde_json::to_string(self.call.members())),
            json(serde_json::to_string(&self.finding)),
        )?;
        if self.now == Self::NOW { Ok(()) } else { write!(f, ", at {}", self.now) }
    }
}

/// The accounts of callers: one administrator, and whom it answers for.
#[derive(Debug, Clone, Default)]
pub struct Fleet {
    administrator: Option<AccountId>,
    members: BTreeMap<AccountId, Vec<String>>,
    /// The accounts whose groups a caller has said.
    said: BTreeSet<AccountId>,
}

impl Fleet {
    /// The administrator's account where nobody says which.
    pub const ADMINISTRATOR: &str = "111111111111";

    /// The fleet of these callers: their own accounts, with their groups, and what the administrator says.
    ///
    /// # Errors
    ///
    /// Administrators of different accounts: there is one administrator.
    pub fn of<'c>(callers: impl IntoIterator<Item = &'c CallerFixture>) -> Result<Self, String> {
        let mut fleet = Self::default();
        for caller in callers {
            fleet.add(caller)?;
        }
        Ok(fleet)
    }

    fn add(&mut self, caller: &CallerFixture) -> Result<(), String> {
        match caller.role {
            Role::Member => {
                if self.administrator == Some(caller.account) {
                    return Err(format!("account {} is the administrator's and a member's", caller.account));
                }
                if !caller.fleet.is_empty() {
                    return Err(format!(
                        "a member of account {} has `fleet`, which is an administrator's",
                        caller.account
                    ));
                }
                let known = self.members.get(&caller.account);
                if self.said.contains(&caller.account) && known != Some(&caller.groups) {
                    return Err(format!(
                        "two callers of account {} say different `groups`, and groups are the account's",
                        caller.account
                    ));
                }
                self.said.insert(caller.account);
                self.member(caller.account, &caller.groups);
            }
            Role::Administrator => {
                if !caller.groups.is_empty() {
                    return Err(format!("the administrator {} has `groups`, which are members'", caller.account));
                }
                let known = *self.administrator.get_or_insert(caller.account);
                if known != caller.account {
                    return Err(format!("{known} and {} are both administrators, expected one", caller.account));
                }
                if self.members.contains_key(&caller.account) {
                    return Err(format!("account {} is the administrator's and a member's", caller.account));
                }
                for account in &caller.fleet {
                    self.member(*account, &[]);
                }
            }
        }
        Ok(())
    }

    fn member(&mut self, account: AccountId, groups: &[String]) {
        let known = self.members.entry(account).or_default();
        known.extend(groups.iter().filter(|group| !known.contains(group)).cloned().collect::<Vec<_>>());
    }

    /// The accounts.
    #[expect(clippy::missing_panics_doc, reason = "a constant of twelve digits")]
    pub fn accounts(&self) -> Accounts {
        let administrator = self.administrator.unwrap_or_else(|| Self::ADMINISTRATOR.parse().expect("twelve digits"));
        let member = |groups: &Vec<String>| Member { name: String::new(), groups: groups.clone() };
        Accounts::new(administrator, self.members.iter().map(|(account, groups)| (*account, member(groups))))
    }
}

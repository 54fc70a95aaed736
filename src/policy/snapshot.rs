//! What decides, as one immutable whole: policies, schema, accounts, and the digest of all of them.

use super::{
    Question, Rule,
    ask::Rules,
    evaluate::{self, evaluate},
    names, request,
    schema::SCHEMA_TEXT,
    slice::{Index, Slice},
};
use crate::finding::{
    AccountId, Accounts, Action, BatchUpdate, Caller, Change, Document, Enforcement, Operation, Proof, RecordState,
    Role, State, Target,
};
use aws_lc_rs::digest::{Context as Digest, SHA256};
use cedar_policy::EntityUid;
use std::{
    fmt::Write as _,
    sync::{Arc, LazyLock},
};

/// One immutable set of policies, accounts and schema. It is swapped whole or not at all.
#[derive(Debug)]
pub struct Snapshot {
    rules: Vec<Rule>,
    by_id: Rules,
    index: Index,
    accounts: Arc<Accounts>,
    digest: String,
}

/// Policies that load and still cannot be served with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// Cedar could not put the policies together.
    #[error("the policies cannot be put together: {0}")]
    Assembly(String),
    /// A known question could not be answered.
    #[error(
        "policy {} cannot be evaluated: a {role} was asked about {action} with a plain value, and Cedar gave an error \
         (a number that overflows, or a condition that is too deep); every such change would be denied",
        .policies.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ")
    )]
    Unanswerable {
        /// The ids of the policies that failed.
        policies: Vec<Arc<str>>,
        /// The role that was asked for.
        role: Role,
        /// The action that was asked for.
        action: Action,
    },
}

impl Snapshot {
    /// Puts rules and accounts together, and asks one known question for each role and action: policies that cannot
    /// answer it are refused now and not when the first request comes. (Policies whose scope names a caller, an account, a
    /// group or a fleet are not asked here.)
    pub fn new(
        rules: Vec<Rule>,
        accounts: Arc<Accounts>,
        default_enforcement: Enforcement,
    ) -> Result<Self, SnapshotError> {
        let index = Index::new(&rules).map_err(SnapshotError::Assembly)?;
        let by_id = Rules::new(rules.iter().cloned(), default_enforcement);
        let digest = digest(&rules, &accounts, default_enforcement);
        let snapshot = Self { rules, by_id, index, accounts, digest };
        snapshot.ask_known_questions()?;
        Ok(snapshot)
    }

    /// The accounts.
    pub fn accounts(&self) -> &Arc<Accounts> {
        &self.accounts
    }

    /// The policies, sorted by id.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// SHA-256 over schema, policies, accounts and default enforcement, in hex. It does not depend on the order of
    /// files or on their names.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The policies that read how a finding is, by id: for them findings are looked up.
    pub fn reading_state(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().filter(|rule| self.by_id.reads_state(rule.policy.id())).map(|rule| &*rule.id)
    }

    pub(super) fn by_id(&self) -> &Rules {
        &self.by_id
    }

    /// The policies that can apply to this caller and action.
    pub(super) fn slice(&self, caller: &Caller, action: Action) -> Result<Arc<Slice>, String> {
        self.index.slice(&self.rules, caller.role, action, &self.lineage(caller))
    }

    /// The caller and everything that it lies in.
    fn lineage(&self, caller: &Caller) -> Vec<EntityUid> {
        let mut lineage = vec![names::caller_uid(caller), names::account_uid(caller.account)];
        lineage.extend(self.accounts.groups(caller.account).iter().map(|group| names::group_uid(group)));
        lineage.extend(caller.groups.iter().map(|group| names::group_uid(group)));
        lineage.extend(self.accounts.fleet_of(caller.account).map(names::fleet_uid));
        // A group that is named twice, by the accounts file or by it and the proof, would bring its policies in twice, which makes no
        // set.
        lineage.sort_unstable();
        lineage.dedup();
        lineage
    }

    fn ask_known_questions(&self) -> Result<(), SnapshotError> {
        self.accounts.administrators().try_for_each(|administrator| self.ask_known_questions_in(administrator))
    }

    /// The same in one fleet.
    fn ask_known_questions_in(&self, account: AccountId) -> Result<(), SnapshotError> {
        let Sample { update, state } = &*SAMPLE;
        let mut changes = update.update.changes();
        changes.extend(update.update.removals(state));
        changes.extend([Change::import(), Change::record_state(RecordState::Active)]);
        let circumstances = update.update.circumstances(Operation::BatchUpdateFindings, state.updated_at);
        for (role, action, slice) in self.index.common() {
            let caller = Caller {
                account,
                role,
                principal: "findings-gate-known-question".into(),
                groups: Arc::default(),
                region: None,
                proof: Proof::Fixed,
                minimum_enforcement: Enforcement::Strip,
            };
            let identifier = &update.identifiers[0];
            let target = Target { identifier, owner: account, state: Some(state), is_new: Some(false) };
            for change in changes.iter().filter(|change| change.action() == action) {
                let kept = update.update.fields();
                let question =
                    Question { caller: &caller, circumstances: &circumstances, change, kept, target: &target };
                let entities = request::entities(&caller, &target, &self.accounts).map_err(SnapshotError::Assembly)?;
                let verdict = evaluate(&self.by_id, slice, &question, &entities);
                if let Some(policies) = evaluate::failed(&verdict) {
                    return Err(SnapshotError::Unanswerable { policies: policies.to_vec(), role, action });
                }
            }
        }
        Ok(())
    }
}

/// A request that asks every action once, with plain values, about a plain finding.
struct Sample {
    update: BatchUpdate<'static>,
    state: State,
}

static SAMPLE: LazyLock<Sample> = LazyLock::new(|| {
    let state = Document::parse(SAMPLE_FINDING.as_bytes()).expect("the sample is JSON").into_members();
    Sample {
        update: BatchUpdate::parse(SAMPLE_BODY.as_bytes()).expect("the sample is a request"),
        state: State::parse(&state).expect("the sample is a finding"),
    }
});

const SAMPLE_BODY: &str = r#"{
    "FindingIdentifiers": [{"Id": "known-question", "ProductArn": "arn:aws:securityhub:us-east-1::product/aws/securityhub"}],
    "Confidence": 50, "Criticality": 50, "Note": {"Text": "known question", "UpdatedBy": "findings-gate"},
    "RelatedFindings": [{"Id": "known-question", "ProductArn": "arn:aws:securityhub:us-east-1::product/aws/securityhub"}],
    "Severity": {"Label": "MEDIUM", "Normalized": 40, "Product": 5.0},
    "Types": ["Software and Configuration Checks"], "UserDefinedFields": {"ticket": "known-question"},
    "VerificationState": "UNKNOWN", "Workflow": {"Status": "NOTIFIED"}
}"#;

const SAMPLE_FINDING: &str = r#"{
    "AwsAccountId": "111122223333", "CompanyName": "AWS", "Compliance": {"Status": "FAILED", "SecurityControlId": "IAM.1"},
    "Confidence": 50, "CreatedAt": "2024-01-01T00:00:00Z", "Criticality": 50, "FirstObservedAt": "2024-01-01T00:00:00Z",
    "GeneratorId": "security-control/IAM.1", "LastObservedAt": "2024-01-01T00:00:00Z",
    "Note": {"Text": "known question", "UpdatedBy": "findings-gate", "UpdatedAt": "2024-01-01T00:00:00Z"},
    "ProductName": "Security Hub", "RecordState": "ACTIVE", "Region": "us-east-1",
    "RelatedFindings": [{"Id": "other", "ProductArn": "arn:aws:securityhub:us-east-1::product/aws/securityhub"}],
    "Resources": [{"Id": "AWS::::Account:111122223333", "Type": "AwsAccount", "Tags": {"env": "prod"}}],
    "Severity": {"Label": "MEDIUM", "Normalized": 40}, "Types": ["Effects"], "UpdatedAt": "2024-01-01T00:00:00Z",
    "UserDefinedFields": {"owner": "known-question"}, "VerificationState": "UNKNOWN", "Workflow": {"Status": "NEW"}
}"#;

fn digest(rules: &[Rule], accounts: &Accounts, default_enforcement: Enforcement) -> String {
    let mut digest = Digest::new(&SHA256);
    // Each part is preceded by its length, so that no two different wholes have the same bytes.
    let mut add = |part: &str| {
        digest.update(&(part.len() as u64).to_be_bytes());
        digest.update(part.as_bytes());
    };
    add(SCHEMA_TEXT);
    add(default_enforcement.as_str());
    let mut rules: Vec<&Rule> = rules.iter().collect();
    rules.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    for rule in rules {
        add(&rule.id);
        add(&rule.policy.to_string());
    }
    let mut known: Vec<AccountId> = accounts.all().collect();
    known.sort_unstable();
    for account in known {
        add(account.as_str());
        add(accounts.fleet_of(account).unwrap_or(account).as_str());
        let groups = accounts.groups(account);
        add(&groups.len().to_string());
        for group in groups {
            add(group);
        }
    }
    digest.finish().as_ref().iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

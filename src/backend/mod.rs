//! The embedded findings backend: a stand-in for what of Security Hub imports, reads and updates findings, and keeps automation
//! rules. It answers each [`Operation`].
//!
//! It is what the gate writes to when `upstream.url` is `"embedded"`, and what `findings-gate backend` serves. It is
//! synchronous, does no network I/O and has no clock: the time of each call comes in as a value. What AWS does not
//! document is decided here in one way; `docs/backend.md` lists each such decision.
//!
//! ```
//! use findings_gate::{backend::{Backend, Settings}, finding::{AccountId, Accounts, Operation}};
//!
//! let account: AccountId = "111111111111".parse()?;
//! let backend = Backend::open(Settings::new("eu-west-1", Accounts::new(account, [])))?;
//! let now = "2024-05-01T00:00:00Z".parse()?;
//! let answer = backend.call(Operation::GetFindings, account, b"{}", now)?;
//! assert_eq!(answer, br#"{"Findings":[]}"#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod asff;
mod attribute;
mod batch_import;
mod batch_update;
mod batch_update_v2;
mod fault;
mod file;
mod filter;
mod filter_v2;
mod get_findings;
mod get_findings_v2;
mod json;
mod metadata_uid;
mod ocsf;
mod ocsf_field;
mod ownership;
mod quota;
mod rule_table;
mod rules;
mod sample;
mod schema;
mod severity;
mod store;
mod tables;
mod token;

use crate::finding::{AccountId, Accounts, ApiError, Operation};
use jiff::Timestamp;
use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

pub use fault::{Faults, Rate};
pub use file::OpenError;
pub use sample::sample_findings;

/// How large a finding may be, as compact JSON: 240 KB.
const MOST_FINDING_BYTES: usize = 240 << 10;

/// How a backend is set up.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The Region that it stands for. Every finding gets it.
    pub region: String,
    /// Who is administrator of whom. Other accounts are not let in.
    pub accounts: Accounts,
    /// The file to keep findings in, or nothing to keep them in memory.
    pub data: Option<PathBuf>,
    /// Whether the request quotas of the API hold: 3 GetFindings a second and account with a burst of 6, and 10 of each other
    /// operation with a burst of 30.
    pub quotas: bool,
    /// Faults to make on purpose.
    pub faults: Faults,
}

impl Settings {
    /// In memory, without quotas and faults.
    pub fn new(region: impl Into<String>, accounts: Accounts) -> Self {
        Self { region: region.into(), accounts, data: None, quotas: false, faults: Faults::default() }
    }
}

/// The backend could not take other accounts.
#[derive(Debug, thiserror::Error)]
#[error("the embedded backend cannot take the new accounts: {0}")]
pub struct SetAccountsError(String);

/// Each account, with the administrator that sees its findings.
fn seen(accounts: &Accounts) -> Vec<(AccountId, AccountId)> {
    accounts.all().filter_map(|account| Some((accounts.fleet_of(account)?, account))).collect()
}

/// A findings backend. Share it in an `Arc`; calls may come from several threads at once.
pub struct Backend {
    region: String,
    accounts: RwLock<Arc<Accounts>>,
    store: store::Store,
    quotas: Option<quota::Quotas>,
    faults: RwLock<Faults>,
    dice: fault::Dice,
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backend").field("region", &self.region).finish_non_exhaustive()
    }
}

impl Backend {
    /// Opens the file, or makes it, or sets up memory.
    pub fn open(settings: Settings) -> Result<Self, OpenError> {
        let Settings { region, accounts, data, quotas, faults } = settings;
        let store = store::Store::open(data.as_deref(), &region, seen(&accounts).into_iter())?;
        let accounts = RwLock::new(Arc::new(accounts));
        let (faults, quotas) = (RwLock::new(faults), quotas.then(quota::Quotas::default));
        Ok(Self { region, accounts, store, quotas, faults, dice: fault::Dice::default() })
    }

    /// Answers one call of `account` with the body of a 200 response, or with the error to send. `input` is the request's body, or
    /// the query string of an operation that has one instead ([`Operation::has_query`]).
    ///
    /// What a call changed is on disk when this returns. If it returns an error, the call changed nothing.
    pub fn call(
        &self,
        operation: Operation,
        account: AccountId,
        input: &[u8],
        now: Timestamp,
    ) -> Result<Vec<u8>, ApiError> {
        self.answer(operation, account, input, now).map_err(|error| error.in_words_of(operation))
    }

    fn answer(
        &self,
        operation: Operation,
        account: AccountId,
        input: &[u8],
        now: Timestamp,
    ) -> Result<Vec<u8>, ApiError> {
        let accounts = Arc::clone(&self.accounts.read().unwrap_or_else(PoisonError::into_inner));
        let Some(role) = accounts.role(account) else {
            return Err(ApiError::invalid_access(format!("Account {account} is not subscribed to AWS Security Hub")));
        };
        let faults = self.faults();
        let within_quota = self.quotas.as_ref().is_none_or(|quotas| quotas.take(account, operation, now));
        if !within_quota || self.dice.strikes(&faults, fault::Occasion::Throttle) {
            return Err(ApiError::throttled());
        }
        if self.dice.strikes(&faults, fault::Occasion::Internal) {
            return Err(ApiError::internal("Internal service failure"));
        }
        match operation {
            Operation::BatchImportFindings => {
                let account_name = accounts.member(account).map_or("", |member| &member.name);
                let provenance = ownership::Provenance { region: &self.region, account_name, now };
                batch_import::call(&self.store, account, input, provenance)
            }
            Operation::BatchUpdateFindings | Operation::BatchUpdateFindingsV2 => {
                let reach = batch_update::Reach { account, role, accounts: &accounts };
                let call = match operation {
                    Operation::BatchUpdateFindingsV2 => batch_update_v2::call,
                    _ => batch_update::call,
                };
                call(&self.store, &reach, input, now, (&self.dice, &faults))
            }
            Operation::CreateAutomationRule
            | Operation::BatchUpdateAutomationRules
            | Operation::BatchDeleteAutomationRules
            | Operation::BatchGetAutomationRules
            | Operation::ListAutomationRules => {
                let context = rules::Context { account, role, region: &self.region, now };
                rules::call(&self.store, &context, operation, input)
            }
            Operation::GetFindings => get_findings::call(&self.store, (account, role), input, now),
            Operation::GetFindingsV2 => get_findings_v2::call(&self.store, (account, role), input, now),
        }
    }

    /// How long the answer to the next call is to be held back: zero, unless [`Faults::slow`] strikes. Ask once a call;
    /// the waiting is the caller's, as it alone knows how to wait without blocking.
    pub fn delay(&self) -> Duration {
        let faults = self.faults();
        if self.dice.strikes(&faults, fault::Occasion::Slow) { faults.slow.1 } else { Duration::ZERO }
    }

    /// Takes other accounts in the place of those that it was opened with, from the next call on. Findings stay, those of accounts
    /// that are no more, too.
    ///
    /// # Errors
    ///
    /// `SQLite` fails: then the accounts are as they were.
    pub fn set_accounts(&self, accounts: Accounts) -> Result<(), SetAccountsError> {
        // No call begins with the accounts of before and the fleets of now.
        let mut current = self.accounts.write().unwrap_or_else(PoisonError::into_inner);
        self.store.name_fleets(&seen(&accounts)).map_err(|error| SetAccountsError(error.to_string()))?;
        *current = Arc::new(accounts);
        Ok(())
    }

    /// Makes other faults from the next call on.
    pub fn set_faults(&self, faults: Faults) {
        *self.faults.write().unwrap_or_else(PoisonError::into_inner) = faults;
    }

    fn faults(&self) -> Faults {
        *self.faults.read().unwrap_or_else(PoisonError::into_inner)
    }
}

//! The policies that a verb of the workbench works on: one loader for all of them.

use super::{Failure, assemble};
use crate::{
    config,
    finding::{Accounts, Enforcement},
    policy::{self, Policies, PolicyText, Snapshot},
};
use clap::Args;
use std::sync::Arc;

/// Which policies.
#[derive(Debug, Args)]
pub struct PolicyArgs {
    /// Directories of policies, `.cedar` files, a bundle, or packs such as `pack:baseline`
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<String>,

    /// What a denial does where no policy says
    #[arg(long, value_name = "ENFORCEMENT", default_value = "reject", value_enum)]
    pub default_enforcement: Enforcement,
}

/// Policies, with the texts that they were read from.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) texts: Vec<PolicyText>,
    pub(super) policies: Policies,
    pub(super) default_enforcement: Enforcement,
}

impl PolicyArgs {
    /// Reads and checks the policies.
    pub(super) fn load(&self) -> Result<Loaded, Failure> {
        load(&self.paths, self.default_enforcement)
    }
}

/// Reads and checks the policies of directories, files and packs.
pub(super) fn load(paths: &[String], default_enforcement: Enforcement) -> Result<Loaded, Failure> {
    let texts = assemble::texts(&config::policies_named(paths)?)?;
    let policies = policy::load(&texts).map_err(|error| Failure::Invalid(Box::new(error)))?;
    Ok(Loaded { texts, policies, default_enforcement })
}

impl Loaded {
    /// The policies, for these accounts.
    pub(super) fn snapshot(&self, accounts: Accounts) -> Result<Arc<Snapshot>, Failure> {
        let snapshot = Snapshot::new(self.policies.rules().to_vec(), Arc::new(accounts), self.default_enforcement);
        snapshot.map(Arc::new).map_err(Failure::invalid)
    }
}

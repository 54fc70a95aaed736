//! Members that Security Hub is asked for: at the start, and while the gate runs.

use super::{Failure, alone::alone};
use crate::{
    config::{self, Config},
    discovery::{Discovered, Pace, Refresher},
    finding::Accounts,
    upstream::Upstream,
};
use std::thread;
use tokio::runtime;

/// Asks for the first time, if the configuration says so, and puts what was listed into the place of what the accounts file says.
pub(super) fn first(config: &mut Config, upstream: &Upstream) -> Result<Option<(Discovered, Refresher)>, Failure> {
    let Some(config::Discovery { refresh, wait }) = config.discovery else { return Ok(None) };
    let discovered = Discovered::new(config.accounts.clone());
    let mut refresher = Refresher::new(upstream.for_worker(), discovered.clone(), refresh, Pace::default());
    // Connections end with the runtime that they were opened on.
    alone(refresher.first(wait))?.map_err(|error| {
        Failure::broke(format_args!(
            "`accounts.source` is `security-hub`, and the members could not be listed: {error}\nGive the accounts file members to start \
             with, or a longer `accounts.wait`"
        ))
    })?;
    config.accounts = accounts(Some(&discovered), config.accounts.clone())?;
    let refresher = Refresher::new(upstream.for_worker(), discovered.clone(), refresh, Pace::default());
    Ok(Some((discovered, refresher)))
}

/// The accounts by what the accounts file says and what was listed, where anything is.
pub(super) fn accounts(discovered: Option<&Discovered>, said: Accounts) -> Result<Accounts, Failure> {
    match discovered {
        Some(discovered) => discovered.accounts(&said).map_err(Failure::invalid),
        None => Ok(said),
    }
}

/// Asks again and again on a thread of its own, for as long as the process runs.
pub(super) fn start(refresher: Refresher) -> Result<(), Failure> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::broke)?;
    let refresh = move || match runtime.block_on(refresher.run()) {};
    thread::Builder::new().name("accounts".to_owned()).spawn(refresh).map(drop).map_err(Failure::broke)
}

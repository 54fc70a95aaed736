//! What is known of members, and keeping it so.

use super::{
    ask::{DiscoveryError, Pace, discover},
    merge::{self, Doubt, Listed},
};
use crate::{
    finding::{AccountId, Accounts, InvalidFleets, Role},
    telemetry::events::{AccountsDiscovered, AccountsDoubted, DiscoveryFailed},
    upstream::Upstream,
};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};

/// How many lists in a row must say that most of a fleet is gone before it is believed.
const TIMES: u32 = 3;

/// What is known of the members. Clones are one.
#[derive(Debug, Clone)]
pub struct Discovered(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    known: Mutex<Known>,
    changed: Notify,
}

#[derive(Debug)]
struct Known {
    /// What the accounts file said last.
    said: Accounts,
    listed: Listed,
}

impl Discovered {
    /// Nothing but what the accounts file says.
    pub fn new(said: Accounts) -> Self {
        Self(Arc::new(Shared { known: Mutex::new(Known { said, listed: Listed::new() }), changed: Notify::new() }))
    }

    /// The accounts by what was listed and by what an accounts file says. What is known does not change by it.
    ///
    /// # Errors
    ///
    /// An account has two places in them.
    pub fn accounts(&self, said: &Accounts) -> Result<Accounts, InvalidFleets> {
        merge::merge(said, &self.known().listed)
    }

    /// Takes what the accounts file says now, once that is what the gate uses. From here on its administrators are asked.
    pub fn say(&self, said: Accounts) {
        self.known().said = said;
    }

    /// Waits until something else was listed than before.
    pub async fn changed(&self) {
        self.0.changed.notified().await;
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lists members again and again.
#[derive(Debug)]
pub struct Refresher {
    upstream: Upstream,
    discovered: Discovered,
    every: Duration,
    pace: Pace,
    /// How many lists in a row were doubtful, of each administrator's.
    doubted: BTreeMap<AccountId, u32>,
}

impl Refresher {
    /// Asks `upstream`, about as often as this.
    pub fn new(upstream: Upstream, discovered: Discovered, every: Duration, pace: Pace) -> Self {
        Self { upstream, discovered, every, pace, doubted: BTreeMap::new() }
    }

    /// Lists once. Whether anything changed, which [`Discovered::changed`] then tells.
    ///
    /// # Errors
    ///
    /// There is no list, or none that can be: what was known stays.
    pub async fn once(&mut self) -> Result<bool, DiscoveryError> {
        let has_changed = self.list().await?;
        if has_changed {
            self.discovered.0.changed.notify_one();
        }
        Ok(has_changed)
    }

    async fn list(&mut self) -> Result<bool, DiscoveryError> {
        let said = self.discovered.known().said.clone();
        let listed = discover(&self.upstream, said.administrators(), &self.pace).await?;
        let before = before(&said, &self.discovered.known().listed);
        let disbelieved = self.disbelieved(&before, &listed);
        let listed = merge::without(listed, &disbelieved, &before);
        let mut known = self.discovered.known();
        // While it was asked, other administrators may have come and some may have gone.
        let mut new: Listed = known.listed.clone();
        new.extend(listed);
        new.retain(|administrator, _| known.said.role(*administrator) == Some(Role::Administrator));
        let accounts = merge::merge(&known.said, &new).map_err(DiscoveryError::Conflict)?;
        if known.listed == new {
            return Ok(false);
        }
        known.listed = new;
        drop(known);
        AccountsDiscovered { accounts: accounts.count() }.emit();
        Ok(true)
    }

    /// Whose lists are not believed. One administrator's says nothing about another's: each is counted by itself.
    fn disbelieved(&mut self, before: &Listed, listed: &Listed) -> BTreeSet<AccountId> {
        let doubts = merge::doubts(before, listed);
        self.doubted.retain(|administrator, _| doubts.iter().any(|doubt| doubt.administrator == *administrator));
        let mut disbelieved = BTreeSet::new();
        for Doubt { administrator, before, left } in doubts {
            // An empty list is what an outage looks like, and confirms nothing.
            let is_empty = listed.get(&administrator).is_none_or(BTreeSet::is_empty);
            let times = self.doubted.entry(administrator).or_default();
            *times = if is_empty { 0 } else { times.saturating_add(1) };
            let is_believed = *times >= TIMES;
            AccountsDoubted { administrator: administrator.as_str(), before, left, is_believed }.emit();
            if is_believed {
                self.doubted.remove(&administrator);
            } else {
                disbelieved.insert(administrator);
            }
        }
        disbelieved
    }

    /// Lists for the first time, again and again for so long, and tells nobody: whoever waits for it knows. If nothing comes of it, the members that the accounts file has are what there is.
    ///
    /// # Errors
    ///
    /// Nothing was listed in time, and the accounts file has no member either.
    pub async fn first(&mut self, wait: Duration) -> Result<(), DiscoveryError> {
        let until = Instant::now() + wait;
        let again_after = self.pace.again_after;
        let failed = loop {
            // Each try has what is left of it, and not the whole again.
            let left = until.saturating_duration_since(Instant::now());
            self.pace.deadline = left.min(Pace::default().deadline);
            match self.list().await {
                // A list that is doubted is no first list, and the file's members are more than it has.
                Ok(_) => break None,
                Err(error @ (DiscoveryError::NoAdministrator { .. } | DiscoveryError::Conflict(_))) => {
                    break Some(error);
                }
                Err(error) if Instant::now() + again_after >= until => break Some(error),
                Err(_) => sleep(again_after).await,
            }
        };
        self.pace.deadline = Pace::default().deadline;
        let Some(error) = failed else { return Ok(()) };
        let has_members = self.discovered.known().said.members().next().is_some();
        if !has_members || matches!(error, DiscoveryError::NoAdministrator { .. }) {
            return Err(error);
        }
        DiscoveryFailed { reason: &error.to_string() }.emit();
        Ok(())
    }

    /// Lists for as long as the process runs.
    pub async fn run(mut self) -> Infallible {
        loop {
            sleep(jittered(self.every)).await;
            if let Err(error) = self.once().await {
                DiscoveryFailed { reason: &error.to_string() }.emit();
            }
        }
    }
}

/// What a new list is compared with: the last one, or before there is any the members that the accounts file has.
fn before(said: &Accounts, listed: &Listed) -> Listed {
    let members = |administrator: AccountId| match listed.get(&administrator) {
        Some(members) => members.clone(),
        None => said.members_of(administrator).map(|(account, _)| account).collect(),
    };
    said.administrators().map(|administrator| (administrator, members(administrator))).collect()
}

/// From nine to eleven tenths of a time: gates that were started together do not ask together.
pub fn jittered(every: Duration) -> Duration {
    let mut byte = [128];
    // Without randomness it is the time itself, which is no harm.
    let _ = SystemRandom::new().fill(&mut byte);
    every.mul_f64(0.9 + 0.2 * f64::from(byte[0]) / 255.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_differ_by_a_tenth_at_the_most() {
        let every = Duration::from_mins(5);
        for _ in 0..100 {
            assert!((Duration::from_secs(270)..=Duration::from_secs(330)).contains(&jittered(every)));
        }
    }
}

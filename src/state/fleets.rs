//! One set of findings a fleet.

use super::{StateSettings, States};
use crate::finding::{AccountId, Accounts};
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

/// Findings as they are now, of each fleet by itself. One for all workers of a gate.
///
/// What one request asks for is told to all that ask with it, so all of them must be of one fleet: each has its own look-ups that wait, its
/// own findings that are kept, and its own quota, as AWS counts calls by account and each fleet's are made as its administrator.
/// So what [`States`] bounds is bounded for each fleet.
pub struct FleetStates {
    settings: StateSettings,
    /// By administrator. A fleet is added when it is first asked about, and there are as many as [`FleetStates::keep`] leaves.
    of: RwLock<HashMap<AccountId, Arc<States>, foldhash::quality::RandomState>>,
}

impl FleetStates {
    /// Nothing is known yet of any fleet.
    pub fn new(settings: StateSettings) -> Self {
        Self { settings, of: RwLock::default() }
    }

    /// What is known of the fleet of this administrator.
    pub fn of(&self, administrator: AccountId) -> Arc<States> {
        let known = self.of.read().unwrap_or_else(PoisonError::into_inner).get(&administrator).map(Arc::clone);
        known.unwrap_or_else(|| {
            let mut all = self.of.write().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(all.entry(administrator).or_insert_with(|| Arc::new(States::new(self.settings))))
        })
    }

    /// How many findings are kept, of all fleets together.
    pub fn kept(&self) -> usize {
        self.of.read().unwrap_or_else(PoisonError::into_inner).values().map(|states| states.kept()).sum()
    }

    /// Forgets fleets that are no more. To be called when accounts are replaced.
    pub fn keep(&self, accounts: &Accounts) {
        let mut all = self.of.write().unwrap_or_else(PoisonError::into_inner);
        all.retain(|administrator, _| accounts.administrators().any(|kept| kept == *administrator));
    }
}

impl fmt::Debug for FleetStates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fleets = self.of.read().unwrap_or_else(PoisonError::into_inner).len();
        f.debug_struct("FleetStates").field("settings", &self.settings).field("fleets", &fleets).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fleet_has_its_own_until_it_is_gone() {
        let [one, other] = ["111111111111", "666666666666"].map(|id| id.parse::<AccountId>().unwrap());
        let states = FleetStates::new(StateSettings::default());
        let first = states.of(one);
        assert!(Arc::ptr_eq(&first, &states.of(one)));
        let second = states.of(other);
        assert!(!Arc::ptr_eq(&first, &second));
        states.keep(&Accounts::new(other, []));
        assert!(!Arc::ptr_eq(&first, &states.of(one)));
        assert!(Arc::ptr_eq(&second, &states.of(other)));
    }
}

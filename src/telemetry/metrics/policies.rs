//! What is counted of each policy.

use super::{
    cells::Counters,
    labels,
    worker::{ROLES, Said, VERDICTS},
};
use crate::finding::{Enforcement, Role};
use std::{collections::HashMap, fmt, sync::Arc};

labels! {
    /// How the verdict of all policies differs from the one that counts, which is that of the policies without `@shadow`.
    Shadow DIFFERENCES {
        /// The change was allowed and would be denied.
        Denies = "denies",
        /// The change was denied and would be allowed.
        Allows = "allows",
        /// The change was denied and would be, with another enforcement.
        Enforcement = "enforcement",
        /// The same would become of the change, by other policies.
        Policies = "policies",
    }
}

/// A policy that is to be counted for.
#[derive(Debug, Clone)]
pub struct PolicyName {
    /// Its `@id`.
    pub id: Arc<str>,
    /// What it says where it decides.
    pub says: Said,
    /// Whether it is `@shadow`.
    pub shadow: bool,
}

/// What is counted of the policies of one snapshot. All workers share it, and what is counted of a policy goes on in the next snapshot
/// that has one of its id.
#[derive(Default)]
pub struct PolicyMetrics {
    of: HashMap<Arc<str>, OfPolicy, foldhash::fast::RandomState>,
    pub(super) digest: Box<str>,
    pub(super) accounts: usize,
}

#[derive(Clone)]
pub(super) struct OfPolicy {
    pub(super) says: Said,
    pub(super) shadow: bool,
    pub(super) counts: Arc<Counts>,
}

/// The numbers of one policy.
#[derive(Default)]
// Two policies that different workers count for are not to take turns in one line of the processor's cache.
#[repr(align(64))]
pub(super) struct Counts {
    pub(super) decisions: Counters<{ ROLES.len() }, { VERDICTS.len() }>,
    pub(super) shadow: Counters<1, { DIFFERENCES.len() }>,
}

impl PolicyMetrics {
    /// The policies of a snapshot, with the digest of it and how many accounts it has. What `earlier` counted of them goes on.
    pub(super) fn new(
        policies: impl IntoIterator<Item = PolicyName>,
        digest: &str,
        accounts: usize,
        earlier: &Self,
    ) -> Self {
        let of = policies.into_iter().map(|PolicyName { id, says, shadow }| {
            let counts = earlier.of.get(&id).map(|known| Arc::clone(&known.counts)).unwrap_or_default();
            (id, OfPolicy { says, shadow, counts })
        });
        Self { of: of.collect(), digest: digest.into(), accounts }
    }

    /// The policy had a part in the verdict on this many findings.
    pub fn decided(&self, policy: &str, role: Role, said: Said, findings: u64) {
        if let Some(of) = self.of.get(policy) {
            of.counts.decisions.add_many(role as usize, said as usize, findings);
        }
    }

    /// The policies had a part in the verdict of all policies, which differs on this many findings from the one that counts. That is
    /// the doing of those that are `@shadow`.
    pub fn differed(&self, policies: &[Arc<str>], difference: Shadow, findings: u64) {
        for of in policies.iter().filter_map(|policy| self.of.get(policy)).filter(|of| of.shadow) {
            of.counts.shadow.add_many(0, difference as usize, findings);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.of.len()
    }

    /// By their ids, in order.
    pub(super) fn all(&self) -> Vec<(&str, &OfPolicy)> {
        let mut all: Vec<(&str, &OfPolicy)> = self.of.iter().map(|(id, of)| (&**id, of)).collect();
        all.sort_unstable_by_key(|(id, _)| *id);
        all
    }
}

/// What a denial does, as it is counted.
impl From<Enforcement> for Said {
    fn from(enforcement: Enforcement) -> Self {
        match enforcement {
            Enforcement::Strip => Self::Strip,
            Enforcement::Reject => Self::Reject,
            Enforcement::Refuse => Self::Refuse,
        }
    }
}

impl fmt::Debug for PolicyMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolicyMetrics").field("policies", &self.of.len()).finish_non_exhaustive()
    }
}

//! Which findings their `metadata.uid`s name: asked of the backend, for updates that name findings by them.

use super::{
    CallError, Unavailable,
    uid_call::{self, BATCH},
};
use crate::{
    finding::{AccountId, Caller, Identifier},
    upstream::pace::Bucket,
};
use bytes::Bytes;
use quick_cache::sync::Cache;
use std::{
    collections::HashMap,
    fmt,
    num::NonZeroU32,
    sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout_at},
};

/// How many uids are kept. With [`LONGEST_KEPT`], that is at most 16 MiB.
const ENTRIES: usize = 4096;
/// Names that are longer together, in bytes, are not kept.
const LONGEST_KEPT: usize = 4 << 10;

/// The finding that a `metadata.uid` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UidFinding {
    /// `cloud.account.uid`: whose it is.
    pub account: AccountId,
    /// `finding_info.uid` and `metadata.product.uid`
    pub identifier: Identifier<'static>,
}

/// What is known of a `metadata.uid`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    /// It names this finding.
    Known(Arc<UidFinding>),
    /// The backend has no finding of that uid, or none that the gate can see. Never kept: one may be imported the next moment.
    Missing,
    /// It could not be found out. Never kept either.
    Unavailable(Unavailable),
}

impl Resolved {
    /// Why it could not be found out, where that is so.
    pub const fn unavailable(&self) -> Option<&Unavailable> {
        match self {
            Self::Known(_) | Self::Missing => None,
            Self::Unavailable(why) => Some(why),
        }
    }
}

/// Finds out which findings of a fleet uids name. One for all workers of a gate.
///
/// It has a quota of its own, as large as that of look-ups by GetFindings: AWS counts each operation by itself. An account has one
/// call at a time, so those that wait have their turn, however much another one asks for. So no more calls wait for the quota
/// than there are accounts.
///
/// What a uid names never changes (API model: it is "a globally unique identifier associated with the finding"), so what was found
/// out is kept without an age.
pub(super) struct Uids {
    deadline: Duration,
    bucket: StdMutex<Bucket>,
    /// Held by the request of an account whose turn it is. There are as many as accounts that asked.
    turns: StdMutex<HashMap<AccountId, Arc<Mutex<()>>>>,
    known: Cache<Box<str>, Arc<UidFinding>>,
}

impl Uids {
    pub(super) fn new(rate: NonZeroU32, burst: NonZeroU32, deadline: Duration) -> Self {
        let bucket = Bucket::new(rate, burst, Instant::now());
        Self { deadline, bucket: StdMutex::new(bucket), turns: StdMutex::default(), known: Cache::new(ENTRIES) }
    }

    /// What each of the uids names, in their order, within the deadline.
    pub(super) async fn resolve<F>(&self, caller: &Caller, uids: &[&str], get_findings: &F) -> Vec<Resolved>
    where
        F: AsyncFn(Bytes, Instant) -> Result<Bytes, CallError>,
    {
        let until = Instant::now() + self.deadline;
        let mut found: HashMap<&str, Resolved> = HashMap::with_capacity(uids.len());
        let missing = self.missing(caller, uids, &mut found);
        if !missing.is_empty() {
            let turn = Arc::clone(lock(&self.turns).entry(caller.account).or_default());
            // What is not found by then is told as late.
            if let Ok(_turn) = timeout_at(until, turn.lock()).await {
                // Another request of the account may have brought some of them meanwhile.
                for batch in self.missing(caller, uids, &mut found).chunks(BATCH) {
                    found.extend(self.ask(batch, until, get_findings).await);
                }
            }
        }
        let told = |uid| found.get(uid).cloned().unwrap_or(Resolved::Unavailable(Unavailable::Deadline));
        uids.iter().map(|uid| told(*uid)).collect()
    }

    /// Notes what is known of the uids, and returns the others, each once. What a caller may not see is not known: it must not tell
    /// by the time that it takes whether there is such a finding.
    fn missing<'u>(&self, caller: &Caller, uids: &[&'u str], found: &mut HashMap<&'u str, Resolved>) -> Vec<&'u str> {
        let mut missing = Vec::new();
        for uid in uids {
            match self.known.get(*uid).filter(|finding| caller.sees_in_fleet(finding.account)) {
                Some(known) => drop(found.insert(*uid, Resolved::Known(known))),
                None if missing.contains(uid) => {}
                None => missing.push(*uid),
            }
        }
        missing
    }

    async fn ask<'u, F>(&self, uids: &[&'u str], until: Instant, get_findings: &F) -> Vec<(&'u str, Resolved)>
    where
        F: AsyncFn(Bytes, Instant) -> Result<Bytes, CallError>,
    {
        let asked = timeout_at(until, uid_call::ask(self, uids, until, get_findings)).await;
        let resolved = asked.unwrap_or(Err(Unavailable::Deadline));
        let resolved = resolved.unwrap_or_else(|why| vec![Resolved::Unavailable(why); uids.len()]);
        for (uid, resolved) in uids.iter().zip(&resolved) {
            if let Resolved::Known(finding) = resolved
                && uid.len() + finding.identifier.id.len() + finding.identifier.product_arn.len() <= LONGEST_KEPT
            {
                self.known.insert((*uid).into(), Arc::clone(finding));
            }
        }
        uids.iter().copied().zip(resolved).collect()
    }

    pub(super) fn bucket(&self) -> MutexGuard<'_, Bucket> {
        lock(&self.bucket)
    }
}

fn lock<T>(mutex: &StdMutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Uids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Uids").field("kept", &self.known.len()).finish_non_exhaustive()
    }
}

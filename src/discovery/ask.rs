//! All members of fleets: their pages, one after the other.

use super::{
    answer::{self, Page},
    merge::Listed,
};
use crate::{
    finding::{AccountId, InvalidFleets},
    upstream::{Answer, Failure, Inquiry, Upstream},
};
use bytes::Bytes;
use std::{collections::BTreeSet, time::Duration};
use tokio::time::{sleep, timeout};

/// The most members of a fleet: nearly twice what Security Hub lets one administrator have (11,000).
const MOST_MEMBERS: usize = 20_000;
/// The most pages of one list. A page may have few members, or none that counts.
const MOST_PAGES: usize = 2_000;
/// How often a question is asked at the most.
const TRIES: u32 = 5;

/// How fast to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// How long all questions about all fleets may take together.
    pub deadline: Duration,
    /// How long to wait before a question that failed for a moment is asked again; twice as long each further time.
    pub again_after: Duration,
}

impl Default for Pace {
    /// 220 pages of 50 members take a minute or two.
    fn default() -> Self {
        Self { deadline: Duration::from_mins(5), again_after: Duration::from_secs(1) }
    }
}

/// Why it is not known who the members are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DiscoveryError {
    /// There was no answer.
    #[error("{operation} for account {account}: {reason}")]
    Failed {
        /// What was asked.
        operation: &'static str,
        /// As whom.
        account: AccountId,
        /// What happened.
        reason: String,
    },
    /// The API refused.
    #[error("{operation} for account {account} was refused with {status}: {told}")]
    Refused {
        /// What was asked.
        operation: &'static str,
        /// As whom.
        account: AccountId,
        /// The HTTP status.
        status: u16,
        /// What it said.
        told: String,
    },
    /// The accounts file calls an account administrator that is a member of another one.
    #[error(
        "account {account} is no administrator: Security Hub says that it is a member of {administrator}. Name that one in the accounts \
         file, and let the gate ask with its credentials"
    )]
    NoAdministrator {
        /// Which account.
        account: AccountId,
        /// Whose member it is.
        administrator: AccountId,
    },
    /// The list does not end, or is longer than any can be.
    #[error(
        "ListMembers for account {account} has no end: more than {MOST_MEMBERS} members or {MOST_PAGES} pages, or a page twice"
    )]
    Endless {
        /// As whom.
        account: AccountId,
    },
    /// An account is in two fleets.
    #[error("the members that were listed are no fleets: {0}")]
    Conflict(InvalidFleets),
    /// It took too long.
    #[error("the members were not listed within {} s", .0.as_secs_f32())]
    Late(Duration),
}

/// Lists the members of these administrators' fleets, and makes sure of each that it is one.
///
/// # Errors
///
/// Anything is missing: then nothing of it counts.
pub async fn discover(
    upstream: &Upstream,
    administrators: impl IntoIterator<Item = AccountId>,
    pace: &Pace,
) -> Result<Listed, DiscoveryError> {
    let listing = async {
        let mut listed = Listed::new();
        for administrator in administrators {
            is_administrator(upstream, administrator, pace).await?;
            listed.insert(administrator, members(upstream, administrator, pace).await?);
        }
        Ok(listed)
    };
    timeout(pace.deadline, listing).await.unwrap_or(Err(DiscoveryError::Late(pace.deadline)))
}

async fn is_administrator(upstream: &Upstream, account: AccountId, pace: &Pace) -> Result<(), DiscoveryError> {
    let inquiry = Inquiry::Administrator;
    let body = ask(upstream, &inquiry, account, pace).await?;
    let other = answer::administrator(&body).map_err(|reason| unreadable(&inquiry, account, &reason))?;
    match other.filter(|other| *other != account) {
        Some(administrator) => Err(DiscoveryError::NoAdministrator { account, administrator }),
        None => Ok(()),
    }
}

async fn members(upstream: &Upstream, account: AccountId, pace: &Pace) -> Result<BTreeSet<AccountId>, DiscoveryError> {
    let (mut all, mut inquiry) = (BTreeSet::new(), Inquiry::Members { next: None });
    for _ in 0..MOST_PAGES {
        let body = ask(upstream, &inquiry, account, pace).await?;
        let listed = Page::read(&body).map_err(|reason| unreadable(&inquiry, account, &reason))?;
        // The administrator is no member of its own.
        all.extend(listed.members.into_iter().filter(|member| *member != account));
        let following = Inquiry::Members { next: listed.next };
        if following == (Inquiry::Members { next: None }) {
            return if all.len() > MOST_MEMBERS { Err(DiscoveryError::Endless { account }) } else { Ok(all) };
        }
        if following == inquiry || all.len() > MOST_MEMBERS {
            break;
        }
        inquiry = following;
    }
    Err(DiscoveryError::Endless { account })
}

fn unreadable(inquiry: &Inquiry, account: AccountId, reason: &str) -> DiscoveryError {
    let reason = format!("the answer is none ({reason})");
    DiscoveryError::Failed { operation: inquiry.name(), account, reason }
}

/// Asks until there is an answer, or none is to be had. What is only read may be asked again.
async fn ask(upstream: &Upstream, inquiry: &Inquiry, account: AccountId, pace: &Pace) -> Result<Bytes, DiscoveryError> {
    let mut wait = pace.again_after;
    for left in (0..TRIES).rev() {
        match upstream.inquire(inquiry, account).await {
            Ok(answer) if answer.status == 200 => return Ok(answer.body),
            Ok(answer) if left == 0 || !passes(&answer) => return Err(refused(inquiry, account, &answer)),
            Err(failure) if left == 0 => return Err(failed(inquiry, account, &failure)),
            Ok(_) | Err(_) => {}
        }
        sleep(wait).await;
        wait = wait.saturating_mul(2);
    }
    Err(DiscoveryError::Late(pace.deadline))
}

/// Whether it may be another answer a moment later.
fn passes(answer: &Answer) -> bool {
    answer.status == 429
        || answer.status >= 500
        || answer.error().code.is_some_and(|code| code.contains("Throttling") || code.contains("TooManyRequests"))
}

fn failed(inquiry: &Inquiry, account: AccountId, failure: &Failure) -> DiscoveryError {
    DiscoveryError::Failed { operation: inquiry.name(), account, reason: failure.to_string() }
}

fn refused(inquiry: &Inquiry, account: AccountId, answer: &Answer) -> DiscoveryError {
    let said = answer.error();
    let told = [said.code, said.message].into_iter().flatten().collect::<Vec<_>>().join(": ");
    // What a backend says goes into a log line and no further.
    let told = told.chars().take(500).collect();
    DiscoveryError::Refused { operation: inquiry.name(), account, status: answer.status, told }
}

//! Replay: what other policies would have decided on requests that are on record.
//!
//! Each recorded request is decided again by the code of the live gate, at its own time and with the findings as they were. What a record
//! does not show (texts that were masked, findings that were not looked up) may matter to the new policies and not to the old ones: where
//! it does, that is told, with the policy, and nothing is guessed.

mod again;
mod import;
mod render;
mod replies;
mod rules;

pub use render::{human, json, markdown};

use super::{
    Call,
    diff::Direction,
    matrix::{Effect, Reply},
};
use crate::{
    finding::{AccountId, Action, Caller, Identifier, Operation, Role, State},
    policy::{
        Snapshot,
        hidden::{Hidden, Text, Veiled},
    },
};
use again::Fate;
use jiff::Timestamp;
use replies::{Answered, Certainty};
use serde::Serialize;
use serde_json::{Map, Value};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

/// How many requests are named as examples, how many accounts, and how many groups are kept.
const EXAMPLES: usize = 3;
const MOST_ACCOUNTS: usize = 1_000;
const MOST_GROUPS: usize = 1_000;

/// A request that is on record.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// Its decision id.
    pub id: String,
    /// Who asked, as it is now: its role by the accounts of today.
    pub caller: Caller,
    /// When it was decided.
    pub now: Timestamp,
    /// What was asked.
    pub asked: Asked,
    /// What the record does not show.
    pub hidden: Hidden,
    /// The findings, or automation rules, in the order of the request.
    pub findings: Vec<Finding>,
}

/// What was asked.
#[derive(Debug, Clone)]
pub enum Asked {
    /// The same of every finding; of an import, which asks something else of each, the members are empty.
    Findings(Call),
    /// Of automation rules: what each would do to findings, in the order of the request. Nothing where that is not said.
    Rules(Operation, Vec<Option<Map<String, Value>>>),
}

/// A finding of a recorded request.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Which.
    pub identifier: Identifier<'static>,
    /// Whether that is its own `Id`, and not what the request called it.
    pub is_named: bool,
    /// Whose it is, as far as that was known.
    pub owner: Option<AccountId>,
    /// What was known of it.
    pub known: Known,
    /// What was said of each change; nothing where no policy was asked.
    pub was: Option<Vec<Was>>,
}

/// What was known of a finding.
#[derive(Debug, Clone)]
pub enum Known {
    /// It was not looked up, or could not be.
    Nothing,
    /// There was none; of an import, so it would have been.
    Missing(Option<Box<State>>),
    /// How it was.
    State(Box<State>),
}

/// What was said of a change.
#[derive(Debug, Clone)]
pub struct Was {
    /// For what.
    pub action: Action,
    /// Which of several.
    pub element: Option<String>,
    /// The proposed value, where the record has it here.
    pub value: Option<Value>,
    /// What was said.
    pub reply: Reply,
}

/// Why it cannot be said what would be decided.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case", tag = "why")]
pub enum Why {
    /// The policies read a text that the record does not show.
    Masked {
        /// Which texts the record does not show.
        texts: Vec<String>,
        /// The policies.
        policies: Vec<String>,
    },
    /// Another change of the finding cannot be decided, and what is decided on this one depends on what travels with it.
    Beside,
    /// The policies read how the finding is, and it was not looked up.
    NotLookedUp {
        /// The policies.
        policies: Vec<String>,
    },
    /// The policies read which finding it is, and the record has what the request called it.
    Name,
    /// The account is in no accounts file.
    Account,
    /// The record does not have what was asked.
    Record {
        /// What is missing.
        what: String,
    },
}

/// `UserDefinedFields is masked, and …`
impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = |policies: &[String]| match policies {
            [one] => format!("policy `{one}` reads"),
            several => {
                format!("policies {} read", several.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", "))
            }
        };
        match self {
            Self::Masked { texts, policies } => {
                write!(f, "{} was masked, and {} what is hidden", texts.join(", "), named(policies))
            }
            Self::Beside => f.write_str("it depends on what travels with it, of which some cannot be decided"),
            Self::NotLookedUp { policies } if policies.is_empty() => {
                f.write_str("the finding was not looked up then, and what the update would drop of it is not known")
            }
            Self::NotLookedUp { policies } => {
                write!(f, "the finding was not looked up then, and {} how it is", named(policies))
            }
            Self::Name => f.write_str("a policy reads the finding's Id, and the record has what the request called it"),
            Self::Account => f.write_str("the caller's account is not in the accounts file"),
            Self::Record { what } => f.write_str(what),
        }
    }
}

/// What would be decided otherwise.
#[derive(Debug, Default)]
pub struct Replay {
    /// By what moved, the gravest first.
    pub moved: BTreeMap<Moved, Tally>,
    /// By why it cannot be said.
    pub undecided: BTreeMap<Why, Tally>,
    /// Requests that were decided again, at least in part.
    pub requests: u64,
    /// Of them those of which something would be decided otherwise.
    pub requests_moved: u64,
    /// Of all of them those of which something cannot be said.
    pub requests_undecided: u64,
    /// Changes of findings that would be decided as they were.
    pub same: u64,
    /// Whether more moved, or cannot be said, than is told one by one.
    pub more: bool,
}

/// Changes of which the same was said, and now the same would be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moved {
    /// In which way.
    pub direction: Direction,
    /// What they are who ask.
    pub role: Role,
    /// For what.
    pub action: Action,
    /// With which value, where it is one of few.
    pub value: Option<String>,
    /// What was said.
    pub old: Reply,
    /// What would be said.
    pub new: Reply,
}

/// How many, and of whom.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Changes of findings; none where it is about requests as a whole.
    pub changes: u64,
    /// Requests.
    pub requests: u64,
    /// Decision ids of some.
    pub examples: Vec<String>,
    /// The accounts that asked: the first thousand.
    pub accounts: BTreeSet<AccountId>,
}

impl Tally {
    fn add(&mut self, id: &str, account: Option<AccountId>, changes: u64) {
        self.changes += changes;
        if self.examples.len() < EXAMPLES && self.examples.last().is_none_or(|last| last != id) {
            self.examples.push(id.to_owned());
        }
        self.accounts.extend(account.filter(|_| self.accounts.len() < MOST_ACCOUNTS));
    }
}

/// Decides recorded requests again.
#[derive(Debug)]
pub struct Replayer {
    new: Veiled,
    /// What to compare with, in place of what is on record.
    old: Option<Veiled>,
    /// Whether the gate looks findings up.
    looks_up: bool,
    replay: Replay,
}

impl Replayer {
    /// By these policies and accounts. Compared with what is on record, or with what other policies would have decided.
    pub fn new(new: Arc<Snapshot>, old: Option<Arc<Snapshot>>, looks_up: bool) -> Self {
        Self { new: Veiled::new(new), old: old.map(Veiled::new), looks_up, replay: Replay::default() }
    }

    /// Tells that a request cannot be decided again at all.
    pub fn pass_over(&mut self, id: &str, account: Option<AccountId>, why: Why) {
        self.replay.requests_undecided += 1;
        self.replay.undecided(why, id, account, 0, &mut Told::default());
    }

    /// Decides a request again.
    pub fn add(&mut self, request: &Recorded) {
        let looks_up = self.looks_up || request.findings.iter().any(|finding| !matches!(finding.known, Known::Nothing));
        let now = match again::fates(&mut self.new, request, looks_up) {
            Ok(fates) => fates,
            Err(why) => return self.pass_over(&request.id, Some(request.caller.account), why),
        };
        let then = match &mut self.old {
            None => Ok(request.findings.iter().map(again::recorded).collect()),
            Some(old) => again::fates(old, request, looks_up),
        };
        let then: Vec<Fate> = match then {
            Ok(fates) => fates,
            Err(why) => return self.pass_over(&request.id, Some(request.caller.account), why),
        };
        let (id, account, role) = (&*request.id, Some(request.caller.account), request.caller.role);
        let mut told = Told::default();
        for (old, new) in then.iter().zip(&now) {
            for pair in again::pairs(old, new) {
                match pair {
                    Err(why) => self.replay.undecided(why, id, account, 1, &mut told),
                    Ok((old, new)) => self.replay.compared(&old, &new, role, id, account, &mut told),
                }
            }
        }
        self.replay.requests += 1;
        self.replay.requests_moved += u64::from(!told.moved.is_empty());
        self.replay.requests_undecided += u64::from(!told.undecided.is_empty());
    }

    /// What was found.
    pub fn finish(self) -> Replay {
        self.replay
    }
}

/// What was told of one request.
#[derive(Default)]
struct Told {
    moved: BTreeSet<Moved>,
    undecided: BTreeSet<Why>,
}

impl Replay {
    /// Whether anything moved in one of these ways.
    pub fn has(&self, directions: &[Direction]) -> bool {
        self.more || self.moved.keys().any(|moved| directions.contains(&moved.direction))
    }

    fn undecided(&mut self, why: Why, id: &str, account: Option<AccountId>, changes: u64, told: &mut Told) {
        if self.undecided.len() == MOST_GROUPS && !self.undecided.contains_key(&why) {
            self.more = true;
            told.undecided.insert(why);
            return;
        }
        let tally = self.undecided.entry(why.clone()).or_default();
        tally.add(id, account, changes);
        tally.requests += u64::from(told.undecided.insert(why));
    }

    fn compared(
        &mut self,
        old: &Answered,
        new: &Answered,
        role: Role,
        id: &str,
        account: Option<AccountId>,
        told: &mut Told,
    ) {
        let is_certain = old.certainty == Certainty::All && new.certainty == Certainty::All;
        let direction = Direction::of(&old.reply, &new.reply);
        let direction = direction.filter(|direction| is_certain || *direction != Direction::Otherwise);
        let Some(direction) = direction else {
            self.same += 1;
            return;
        };
        let moved = Moved {
            direction,
            role,
            action: new.action,
            value: new.value.clone(),
            old: old.reply.clone(),
            new: new.reply.clone(),
        };
        if self.moved.len() == MOST_GROUPS && !self.moved.contains_key(&moved) {
            self.more = true;
            told.moved.insert(moved);
            return;
        }
        let tally = self.moved.entry(moved.clone()).or_default();
        tally.add(id, account, 1);
        tally.requests += u64::from(told.moved.insert(moved));
    }
}

/// What records call what they do not show.
pub fn named(text: Text) -> &'static str {
    match text {
        Text::NoteText => "Note.Text",
        Text::NoteUpdatedBy => "Note.UpdatedBy",
        Text::ResourceTags => "Resources.Tags",
        Text::UserDefinedFields => "UserDefinedFields",
    }
}

/// What was said where no policy was asked.
fn unasked(effect: Effect, reason: Option<&'static str>) -> Reply {
    Reply { effect, reason, policies: Vec::new() }
}

#[cfg(test)]
mod tests;

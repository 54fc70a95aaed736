//! The plain way to a verdict: the whole policy set, everything checked, nothing shared, nothing kept.

use super::{
    Judge, Question, Snapshot, Verdict, evaluate,
    probe::Unknown,
    request::{self, Parts},
    schema,
    slice::{Sets, Slice},
};
use crate::finding::{AccountId, Action, ActionSet, Caller, Target};
use std::{rc::Rc, sync::Arc};

/// The reference that [`Engine`](super::Engine) is held against. It is right where it can be seen to be right, and slow.
#[derive(Debug)]
pub struct Naive {
    snapshot: Arc<Snapshot>,
    sets: Sets,
    state_probes: Sets,
    removal_probes: Sets,
}

impl Naive {
    /// Judges by a snapshot.
    pub fn new(snapshot: Arc<Snapshot>) -> Result<Self, String> {
        let all: Vec<_> = snapshot.rules().iter().collect();
        let sets = |unknown| Sets::of(&all, unknown);
        let (known, state_probes, removal_probes) =
            (sets(Unknown::Nothing)?, sets(Unknown::State)?, sets(Unknown::Removal)?);
        Ok(Self { sets: known, state_probes, removal_probes, snapshot })
    }
}

impl Judge for Naive {
    fn are_apart(&self, caller: &Caller, owner: AccountId) -> bool {
        self.snapshot.accounts().are_apart(caller.account, owner)
    }

    /// Every finding is of a kind of its own.
    fn kinds(&mut self, _: &Caller, _: ActionSet, targets: &[Target<'_>]) -> Vec<usize> {
        (0..targets.len()).collect()
    }

    fn tells_findings_apart(&mut self, caller: &Caller, action: Action) -> bool {
        self.snapshot.slice(caller, action).map_or(true, |slice| slice.telling_findings_apart().next().is_some())
    }

    fn policies_that_tell_findings_apart(&mut self, caller: &Caller, action: Action) -> Vec<Arc<str>> {
        let names = |slice: Arc<Slice>| self.snapshot.by_id().names(slice.telling_findings_apart());
        self.snapshot.slice(caller, action).map(names).unwrap_or_default()
    }

    fn verdict(&mut self, question: &Question<'_>) -> Rc<Verdict> {
        let rules = self.snapshot.by_id();
        let sets = match evaluate::unknown(question) {
            Unknown::Nothing => &self.sets,
            Unknown::State => &self.state_probes,
            Unknown::Removal => &self.removal_probes,
        };
        let entities = request::entities(question.caller, question.target, self.snapshot.accounts());
        Rc::new(match entities {
            Ok(entities) => evaluate::answer(rules, sets, question, Parts::ALL, Some(schema()), &entities),
            Err(_) => Verdict::settled(rules.error([])),
        })
    }
}

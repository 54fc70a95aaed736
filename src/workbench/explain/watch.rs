//! Keeping what the policies were asked about each finding of a request.

use crate::{
    finding::{AccountId, Action, ActionSet, Caller, Change, Identifier, Target},
    policy::{Engine, Judge, Question, Recorded, Recorder, Snapshot, Verdict},
};
use std::{collections::HashMap, rc::Rc, sync::Arc};

/// The judge of a live gate, which keeps what it is asked. It asks about each finding by itself, so that each has an
/// explanation of its own: of findings that the policies cannot tell apart, a gate asks about one.
pub(super) struct Watch {
    judge: Recorder<Engine>,
    asked: HashMap<Key, Recorded>,
}

/// Which finding, and which change.
type Key = (String, String, String);

fn key(identifier: &Identifier<'_>, change: &Change<'_>) -> Key {
    (identifier.product_arn.to_string(), identifier.id.to_string(), format!("{change:?}"))
}

impl Watch {
    pub(super) fn new(snapshot: &Arc<Snapshot>) -> Self {
        let judge = Recorder::new(Engine::new(snapshot.clone()), snapshot.clone());
        Self { judge, asked: HashMap::new() }
    }

    /// What was asked last about this change of this finding: the verdict that stands was given on that. Nothing where the
    /// question could not be put in full, for it is not known what the finding has.
    pub(super) fn asked(&self, identifier: &Identifier<'_>, change: &Change<'_>) -> Option<&Recorded> {
        self.asked.get(&key(identifier, change))
    }
}

impl Judge for Watch {
    fn are_apart(&self, caller: &Caller, owner: AccountId) -> bool {
        self.judge.are_apart(caller, owner)
    }

    fn kinds(&mut self, _: &Caller, _: ActionSet, targets: &[Target<'_>]) -> Vec<usize> {
        (0..targets.len()).collect()
    }

    fn tells_findings_apart(&mut self, caller: &Caller, action: Action) -> bool {
        self.judge.tells_findings_apart(caller, action)
    }

    fn policies_that_tell_findings_apart(&mut self, caller: &Caller, action: Action) -> Vec<Arc<str>> {
        self.judge.policies_that_tell_findings_apart(caller, action)
    }

    fn verdict(&mut self, question: &Question<'_>) -> Rc<Verdict> {
        let verdict = self.judge.verdict(question);
        let key = key(question.target.identifier, question.change);
        self.asked.extend(self.judge.take().pop().map(|recorded| (key, recorded)));
        verdict
    }
}

//! The plain way to a verdict: the whole policy set, everything checked, nothing shared, nothing kept.

use super::{
    Judge, Question, Snapshot, Verdict, evaluate,
    request::{self, Parts},
    schema,
};
use crate::finding::{Caller, Change, Target};
use cedar_policy::PolicySet;
use std::{rc::Rc, sync::Arc};

/// The reference that [`Engine`](super::Engine) is held against. It is right where it can be seen to be right, and slow.
#[derive(Debug)]
pub struct Naive {
    snapshot: Arc<Snapshot>,
    enforced: PolicySet,
    with_shadow: Option<PolicySet>,
}

impl Naive {
    /// Judges by a snapshot.
    pub fn new(snapshot: Arc<Snapshot>) -> Result<Self, String> {
        let (enforced, with_shadow) = snapshot.whole_sets()?;
        Ok(Self { snapshot, enforced, with_shadow })
    }
}

impl Judge for Naive {
    /// Every finding is of a kind of its own.
    fn kinds(&mut self, _: &Caller, _: &[Change<'_>], targets: &[Target<'_>]) -> Vec<usize> {
        (0..targets.len()).collect()
    }

    fn verdict(&mut self, question: &Question<'_>) -> Rc<Verdict> {
        let rules = self.snapshot.by_id();
        let entities = request::entities(question.caller, question.target, self.snapshot.accounts());
        let verdict = match (entities, evaluate::cedar_request(question, Parts::ALL, Some(schema()))) {
            (Ok(entities), Ok(request)) => {
                evaluate::answer(rules, &self.enforced, self.with_shadow.as_ref(), &request, &entities)
            }
            _ => Verdict { enforced: rules.error([]), shadow: None },
        };
        Rc::new(verdict)
    }
}

//! The door to verdicts: one trait, with a fast way and a plain way behind it.

use super::Verdict;
use crate::finding::{AccountId, Action, ActionSet, Caller, Change, Circumstances, FieldSet, Target};
use std::{rc::Rc, sync::Arc};

/// A question: may this caller make this change to this finding, while these fields are to be forwarded?
#[derive(Debug, Clone, Copy)]
pub struct Question<'q> {
    /// Who asks.
    pub caller: &'q Caller,
    /// What it shares with the other questions of the request.
    pub circumstances: &'q Circumstances<'q>,
    /// What is to be changed.
    pub change: &'q Change<'q>,
    /// The fields of the update that are still to be forwarded.
    pub kept: FieldSet,
    /// The finding.
    pub target: &'q Target<'q>,
}

/// Questions that differ in nothing but the change.
#[derive(Debug, Clone, Copy)]
pub struct Questions<'q> {
    /// Who asks.
    pub caller: &'q Caller,
    /// What they share with the other questions of the request.
    pub circumstances: &'q Circumstances<'q>,
    /// What is to be changed.
    pub changes: &'q [Change<'q>],
    /// The fields of the update that are still to be forwarded.
    pub kept: FieldSet,
    /// The finding.
    pub target: &'q Target<'q>,
}

impl<'q> Questions<'q> {
    /// One by one, in the order of the changes.
    pub fn each(self) -> impl ExactSizeIterator<Item = Question<'q>> {
        let Self { caller, circumstances, changes, kept, target } = self;
        changes.iter().map(move |change| Question { caller, circumstances, change, kept, target })
    }
}

impl<'q> From<Question<'q>> for Questions<'q> {
    fn from(question: Question<'q>) -> Self {
        let Question { caller, circumstances, change, kept, target } = question;
        Self { caller, circumstances, changes: std::slice::from_ref(change), kept, target }
    }
}

/// Gives verdicts.
///
/// [`Engine`](super::Engine) is the fast way, [`Naive`](super::Naive) the plain one. They agree on every question; a test
/// holds the one against the other.
pub trait Judge {
    /// Whether findings of this account are nothing to the caller's fleet
    /// ([`Accounts::are_apart`](crate::finding::Accounts::are_apart)). Then it is asked nothing about them.
    fn are_apart(&self, caller: &Caller, owner: AccountId) -> bool;

    /// Sorts findings into kinds that the policies cannot tell apart, for this caller and these actions: for each
    /// target the place of the first target of its kind. A verdict on that one is the verdict on all of its kind.
    fn kinds(&mut self, caller: &Caller, actions: ActionSet, targets: &[Target<'_>]) -> Vec<usize>;

    /// Whether the policies that count may say different things of two findings of the caller's fleet, for this caller and
    /// action.
    fn tells_findings_apart(&mut self, caller: &Caller, action: Action) -> bool;

    /// The policies that may, by their ids, sorted; none where that cannot be said.
    fn policies_that_tell_findings_apart(&mut self, caller: &Caller, action: Action) -> Vec<Arc<str>> {
        let _ = (caller, action);
        Vec::new()
    }

    /// The verdict on one question. Where it depends on how the finding is, and that is not known, it says so
    /// ([`Verdict::open`]).
    fn verdict(&mut self, question: &Question<'_>) -> Rc<Verdict>;

    /// Appends the verdicts on several questions, in their order: the same as on each alone.
    fn verdicts(&mut self, questions: Questions<'_>, to: &mut Vec<Rc<Verdict>>) {
        to.extend(questions.each().map(|question| self.verdict(&question)));
    }
}

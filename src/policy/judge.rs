//! The door to verdicts: one trait, with a fast way and a plain way behind it.

use super::Verdict;
use crate::finding::{Caller, Change, FieldSet, Target, Update};
use std::rc::Rc;

/// A question: may this caller make this change to this finding, while these fields are to be forwarded?
#[derive(Debug, Clone, Copy)]
pub struct Question<'q> {
    /// Who asks.
    pub caller: &'q Caller,
    /// The update that the change belongs to.
    pub update: &'q Update<'q>,
    /// What is to be changed.
    pub change: &'q Change<'q>,
    /// The fields of the update that are still to be forwarded.
    pub kept: FieldSet,
    /// The finding.
    pub target: &'q Target<'q>,
}

/// Gives verdicts.
///
/// [`Engine`](super::Engine) is the fast way, [`Naive`](super::Naive) the plain one. They agree on every question; a test
/// holds the one against the other.
pub trait Judge {
    /// Sorts findings into kinds that the policies cannot tell apart, for this caller and these changes: for each
    /// target the place of the first target of its kind. A verdict on that one is the verdict on all of its kind.
    fn kinds(&mut self, caller: &Caller, changes: &[Change<'_>], targets: &[Target<'_>]) -> Vec<usize>;

    /// The verdict on one question.
    fn verdict(&mut self, question: &Question<'_>) -> Rc<Verdict>;
}

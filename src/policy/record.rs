//! Writing down what the policies are asked, in full and in Cedar's terms: for coverage, for export and for explaining.

use super::{
    Judge, Question, Snapshot, Verdict, evaluate,
    request::{self, Parts},
    schema,
};
use crate::finding::{AccountId, Action, ActionSet, Caller, Role, Target, Value};
use cedar_policy::{Entities, Request};
use std::{rc::Rc, sync::Arc};

/// A judge that passes every question on to another one, and keeps it.
#[derive(Debug)]
pub struct Recorder<J> {
    judge: J,
    snapshot: Arc<Snapshot>,
    recorded: Vec<Recorded>,
}

/// A question that was asked, and the verdict on it.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// What the caller is.
    pub role: Role,
    /// What is to be changed.
    pub action: Action,
    /// The question, with the whole context that the schema declares.
    pub request: Request,
    /// All that it can reach. Where it is not known how the finding is, its attributes are missing.
    pub entities: Entities,
    /// Whether it is known how the finding is.
    pub state_known: bool,
    /// What was said.
    pub verdict: Rc<Verdict>,
}

impl<J: Judge> Recorder<J> {
    /// Records what `judge` is asked, which judges by `snapshot`.
    pub fn new(judge: J, snapshot: Arc<Snapshot>) -> Self {
        Self { judge, snapshot, recorded: Vec::new() }
    }

    /// Takes what was recorded since the last time, in the order in which it was asked.
    pub fn take(&mut self) -> Vec<Recorded> {
        std::mem::take(&mut self.recorded)
    }
}

impl<J: Judge> Judge for Recorder<J> {
    fn are_apart(&self, caller: &Caller, owner: AccountId) -> bool {
        self.judge.are_apart(caller, owner)
    }

    fn kinds(&mut self, caller: &Caller, actions: ActionSet, targets: &[Target<'_>]) -> Vec<usize> {
        self.judge.kinds(caller, actions, targets)
    }

    fn tells_findings_apart(&mut self, caller: &Caller, action: Action) -> bool {
        self.judge.tells_findings_apart(caller, action)
    }

    fn policies_that_tell_findings_apart(&mut self, caller: &Caller, action: Action) -> Vec<Arc<str>> {
        self.judge.policies_that_tell_findings_apart(caller, action)
    }

    fn verdict(&mut self, question: &Question<'_>) -> Rc<Verdict> {
        let verdict = self.judge.verdict(question);
        // That it is not known what would be removed is no question that a policy could be written for.
        if question.change.value() != Value::Unknown
            && let Ok((request, entities)) = in_full(question, &self.snapshot)
        {
            self.recorded.push(Recorded {
                role: question.caller.role,
                action: question.change.action(),
                request,
                entities,
                state_known: question.target.state.is_some(),
                verdict: verdict.clone(),
            });
        }
        verdict
    }
}

/// A question and its entities, with nothing left out.
pub(super) fn in_full(question: &Question<'_>, snapshot: &Snapshot) -> Result<(Request, Entities), String> {
    let mut entities = request::entities(question.caller, question.target, snapshot.accounts())?;
    if let Some(pairs) = request::fields_beside(question.circumstances, question.kept) {
        let proposed = request::proposed_fields(pairs)?;
        entities = entities.add_entities([proposed], None).map_err(|error| error.to_string())?;
    }
    Ok((evaluate::cedar_request(question, Parts::ALL, Some(schema()))?, entities))
}

//! What an example asks, before anybody answers: every question with all that it can reach.

use super::super::{Call, Example, InvalidExample};
use crate::{
    finding::{
        AccountId, Accounts, Action, ActionSet, BatchImport, BatchUpdate, Caller, Change, Enforcement, Target, Value,
    },
    gate::{Asked, Knowledge, Known, decide, decide_import},
    policy::{Answer, Judge, Question, Recorded, Recorder, Snapshot, Verdict},
};
use std::{rc::Rc, sync::Arc};

/// A question, and which of those with its action it is.
#[derive(Debug)]
pub(super) struct Posed {
    pub(super) action: Action,
    /// The element or key, where there can be several.
    pub(super) element: Option<String>,
    pub(super) question: Recorded,
}

/// Poses questions among these accounts.
#[derive(Debug)]
pub(super) struct Poser {
    snapshot: Arc<Snapshot>,
}

impl Poser {
    pub(super) fn new(accounts: Arc<Accounts>) -> Result<Self, String> {
        let snapshot = Snapshot::new(Vec::new(), accounts, Enforcement::Reject).map_err(|error| error.to_string())?;
        Ok(Self { snapshot: Arc::new(snapshot) })
    }

    /// The questions of an example with these actions, as they are asked first: while nothing is stripped, and all that can be
    /// known is known.
    pub(super) fn pose(&self, example: &Example, actions: ActionSet) -> Result<Vec<Posed>, InvalidExample> {
        let mut judge = Lenient { recorder: Recorder::new(Yes, self.snapshot.clone()), actions, posed: Vec::new() };
        let caller = example.caller.caller();
        let body = example.body().to_string();
        let state = example.finding.state();
        let known = [match (example.finding.exists, example.finding.known) {
            (_, false) => Known::Nothing,
            (false, true) => Known::Missing,
            (true, true) => Known::State(&state),
        }];
        match &example.call {
            Call::Update(_) => {
                let request = BatchUpdate::parse(body.as_bytes()).map_err(InvalidExample::Body)?;
                // The request outlives what is known of the finding as far as the types can tell; it does not matter here.
                let asked = Asked::of_update(&request, example.now);
                drop(decide(&mut judge, &caller, asked, Knowledge::OfEach(&known)));
            }
            Call::Import(_) => {
                let request = BatchImport::parse(body.as_bytes()).map_err(InvalidExample::Body)?;
                if request.first_foreign(caller.account).is_none() {
                    drop(decide_import(&mut judge, &caller, &request, example.now, Knowledge::OfEach(&known)));
                }
            }
            Call::UpdateV2(_) => {}
        }
        Ok(judge.posed)
    }
}

/// Writes questions down, and says yes.
struct Lenient {
    recorder: Recorder<Yes>,
    /// Which of them.
    actions: ActionSet,
    posed: Vec<Posed>,
}

impl Judge for Lenient {
    fn are_apart(&self, caller: &Caller, owner: AccountId) -> bool {
        self.recorder.are_apart(caller, owner)
    }

    fn kinds(&mut self, _: &Caller, _: ActionSet, targets: &[Target<'_>]) -> Vec<usize> {
        (0..targets.len()).collect()
    }

    fn tells_findings_apart(&mut self, _: &Caller, _: Action) -> bool {
        true
    }

    fn verdict(&mut self, question: &Question<'_>) -> Rc<Verdict> {
        if !self.actions.contains(question.change.action()) {
            return Yes.verdict(question);
        }
        let verdict = self.recorder.verdict(question);
        let element = element(question.change);
        let action = question.change.action();
        let recorded = self.recorder.take();
        self.posed.extend(recorded.into_iter().map(|question| Posed { action, element: element.clone(), question }));
        verdict
    }
}

/// Which of several changes with the same action it is.
fn element(change: &Change<'_>) -> Option<String> {
    match change.value() {
        Value::Type(kind) => Some(kind.to_owned()),
        Value::Related { id, .. } => Some(id.to_owned()),
        Value::UserDefined { key, .. } => Some(key.to_owned()),
        Value::Label(label) => Some(label.to_string()),
        _ => None,
    }
}

struct Yes;

impl Judge for Yes {
    fn are_apart(&self, _: &Caller, _: AccountId) -> bool {
        false
    }

    fn kinds(&mut self, _: &Caller, _: ActionSet, targets: &[Target<'_>]) -> Vec<usize> {
        (0..targets.len()).collect()
    }

    fn tells_findings_apart(&mut self, _: &Caller, _: Action) -> bool {
        true
    }

    fn verdict(&mut self, _: &Question<'_>) -> Rc<Verdict> {
        Rc::new(Verdict::settled(Answer::Allowed { by: Vec::new() }))
    }
}

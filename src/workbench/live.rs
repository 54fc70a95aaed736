//! Asking as the live gate does: decide, look up what the decision depends on, decide again.

use super::{Call, Example, InvalidExample, Outcome};
use crate::{
    finding::{Action, BatchImport, BatchUpdate, BatchUpdateV2, Caller, Change, Field, FieldSet, State, Value},
    gate::{Asked, Decision, Fate, Findings, ImportFate, Knowledge, Known, Named, Ruling, decide, decide_import},
    policy::{Judge, Reason, Verdict},
};
use std::{collections::BTreeSet, fmt, rc::Rc};

/// What becomes of an example.
#[derive(Debug, Clone)]
pub struct Decided {
    /// What becomes of the finding.
    pub outcome: Outcome,
    /// Every change that was asked about, in the order of the update's members, then what it would drop of the finding.
    pub answered: Vec<Answered>,
    /// The fields that are forwarded.
    pub kept: Vec<Field>,
    /// Whether the finding had to be looked up.
    pub looked_up: bool,
}

/// A change, and the verdict on it.
#[derive(Debug, Clone)]
pub struct Answered {
    /// What is to be changed.
    pub action: Action,
    /// Which of several changes with the same action: the type, the related finding's id, the key, the severity label. Nothing
    /// where there can be but one.
    pub element: Option<String>,
    /// The change as messages show it, such as `Workflow.Status = SUPPRESSED`.
    pub shown: String,
    /// What the policies say.
    pub verdict: Rc<Verdict>,
}

/// `Workflow.Status`, `UserDefinedFields[ticket]`: what an expectation calls it.
impl fmt::Display for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.element {
            Some(element) => write!(f, "{}[{element}]", self.action),
            None => write!(f, "{}", self.action),
        }
    }
}

impl Answered {
    pub(super) fn of(change: &Change<'_>, verdict: &Rc<Verdict>) -> Self {
        let element = match change.value() {
            Value::Type(kind) => Some(kind.to_owned()),
            Value::Related { id, .. } => Some(id.to_owned()),
            Value::UserDefined { key, .. } => Some(key.to_owned()),
            Value::Label(label) => Some(label.to_string()),
            _ => None,
        };
        Self { action: change.action(), element, shown: change.to_string(), verdict: verdict.clone() }
    }
}

impl Decided {
    /// The policies that deny any of its changes, and for those that none forbids the reason, such as `no-grant`.
    pub fn denied_by(&self) -> BTreeSet<String> {
        let denials = self.answered.iter().filter_map(|answered| answered.verdict.enforced.denial());
        denials
            .flat_map(|denial| match denial.reason {
                Reason::Forbidden => denial.policies.iter().map(ToString::to_string).collect::<Vec<_>>(),
                reason => vec![reason.to_string()],
            })
            .collect()
    }

    fn nothing(outcome: Outcome, looked_up: bool) -> Self {
        Self { outcome, answered: Vec::new(), kept: Vec::new(), looked_up }
    }

    fn ruled(changes: &[Change<'_>], ruling: &Ruling<'_>, forwarded: Option<FieldSet>, looked_up: bool) -> Self {
        Self {
            outcome: Outcome::of(ruling.enforcement),
            answered: ruling.asked(changes).map(|(change, verdict)| Answered::of(change, verdict)).collect(),
            kept: forwarded.map(|kept| kept.iter().collect()).unwrap_or_default(),
            looked_up,
        }
    }
}

/// Asks what becomes of an example.
pub fn ask(judge: &mut impl Judge, example: &Example) -> Result<Decided, InvalidExample> {
    ask_as(judge, example, Way::OnDemand)
}

/// The same, with the finding looked up before anything is asked. The answer is the same (a property of `decide`); the questions
/// are whole, as coverage and exports want them.
pub fn ask_knowing(judge: &mut impl Judge, example: &Example) -> Result<Decided, InvalidExample> {
    ask_as(judge, example, Way::Knowing)
}

/// When a finding is looked up.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Where the decision depends on it, as the live gate does.
    OnDemand,
    /// At once.
    Knowing,
}

fn ask_as(judge: &mut impl Judge, example: &Example, way: Way) -> Result<Decided, InvalidExample> {
    let caller = example.caller.caller();
    let body = example.body().to_string();
    match &example.call {
        Call::Update(_) => {
            let request = BatchUpdate::parse(body.as_bytes()).map_err(InvalidExample::Body)?;
            Ok(update(judge, &caller, example, way, || Asked::of_update(&request, example.now)))
        }
        Call::UpdateV2(_) => {
            let request = BatchUpdateV2::parse(body.as_bytes()).map_err(InvalidExample::Body)?;
            let named =
                vec![Named::Finding { account: example.finding.account, identifier: example.finding.identifier() }];
            let note = request.update.note(&caller.principal);
            Ok(update(judge, &caller, example, way, || {
                Asked::of_update_v2(&request, &named, note.as_ref(), example.now)
            }))
        }
        Call::Import(_) => {
            let request = BatchImport::parse(body.as_bytes()).map_err(InvalidExample::Body)?;
            import(judge, &caller, example, way, &request)
        }
    }
}

/// What a look-up would find.
fn look_up<'s>(example: &Example, state: &'s State) -> Known<'s> {
    match (example.finding.exists, example.finding.known) {
        (_, false) => Known::Nothing,
        (false, true) => Known::Missing,
        (true, true) => Known::State(state),
    }
}

fn update<'u>(
    judge: &mut impl Judge,
    caller: &Caller,
    example: &Example,
    way: Way,
    asked: impl Fn() -> Asked<'u>,
) -> Decided {
    let state = example.finding.state();
    let findings: Findings<'_> = asked().findings;
    if way == Way::OnDemand {
        let first = decide(judge, caller, asked(), Knowledge::OfEach(&[]));
        if first.depends_on_state(caller, findings).is_empty() {
            return decided(&first, false);
        }
    }
    let known = [look_up(example, &state)];
    decided(&decide(judge, caller, asked(), Knowledge::OfEach(&known)), true)
}

fn decided(decision: &Decision<'_>, looked_up: bool) -> Decided {
    match decision.fates.first() {
        Some(Fate::Ruled(ruling)) => {
            let forwarded = ruling.forwards().then_some(ruling.kept);
            Decided::ruled(&decision.changes, ruling, forwarded, looked_up)
        }
        Some(Fate::NotFound) | None => Decided::nothing(Outcome::NotFound, looked_up),
        Some(fate) => Decided::nothing(Outcome::of(fate.enforcement()), looked_up),
    }
}

fn import(
    judge: &mut impl Judge,
    caller: &Caller,
    example: &Example,
    way: Way,
    request: &BatchImport,
) -> Result<Decided, InvalidExample> {
    let state = example.finding.state();
    if request.first_foreign(caller.account).is_some() {
        // AWS and the gate refuse the whole call before any policy is asked.
        return Ok(Decided::nothing(Outcome::Refused, false));
    }
    let known = [look_up(example, &state)];
    let mut decide = |known| decide_import(judge, caller, request, example.now, Knowledge::OfEach(known));
    let first = (way == Way::OnDemand).then(|| decide(&[])).filter(|first| first.depends_on_state().is_empty());
    let looked_up = first.is_none();
    let decision = first.unwrap_or_else(|| decide(&known));
    Ok(match decision.fates.first() {
        Some(fate @ ImportFate::Ruled { changes, ruling }) => {
            Decided::ruled(changes, ruling, fate.forwarded(), looked_up)
        }
        Some(ImportFate::Invalid(invalid)) => return Err(InvalidExample::Import(invalid.message.clone())),
        Some(fate) => Decided::nothing(Outcome::of(fate.enforcement()), looked_up),
        None => Decided::nothing(Outcome::NotFound, looked_up),
    })
}

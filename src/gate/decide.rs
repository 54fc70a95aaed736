//! Deciding: the verdict on every change of every finding, and what follows for the finding.

use super::ruling::{Ruling, rule};
use crate::{
    finding::{
        Action, ActionSet, BatchUpdate, Caller, Change, Circumstances, Enforcement, FieldSet, Identifier, Operation,
        State, Target, Update,
    },
    policy::Judge,
};
use jiff::Timestamp;
use std::{
    collections::HashMap,
    hash::{Hash, Hasher},
    rc::Rc,
};

/// What a request asks of every finding that it names.
#[derive(Debug)]
pub struct Asked<'u> {
    /// The findings, in the order of the request.
    pub identifiers: &'u [Identifier<'u>],
    /// The questions.
    pub changes: Vec<Change<'u>>,
    /// What they share.
    pub circumstances: Circumstances<'u>,
    /// The fields that the request has.
    pub fields: FieldSet,
    /// What replaces lists and maps, and so may drop something of a finding; nothing if nothing does.
    pub replaces: Option<&'u Update<'u>>,
}

impl<'u> Asked<'u> {
    /// What a BatchUpdateFindings request asks.
    pub fn of_update(request: &'u BatchUpdate<'u>, now: Timestamp) -> Self {
        Self {
            identifiers: &request.identifiers,
            changes: request.update.changes(),
            circumstances: request.update.circumstances(Operation::BatchUpdateFindings, now),
            fields: request.update.fields(),
            replaces: Some(&request.update),
        }
    }
}

/// What is known of the findings that a request names.
#[derive(Debug, Clone, Copy)]
pub enum Knowledge<'u> {
    /// Nothing, and nothing can be: findings are not looked up. What a new list or map would drop is not asked about.
    Never,
    /// This of each, in the order of the request. An empty list: nothing yet.
    OfEach(&'u [Known<'u>]),
}

/// What is known of a finding.
#[derive(Debug, Clone, Copy)]
pub enum Known<'u> {
    /// Nothing: it was not looked up, or that failed.
    Nothing,
    /// The backend has no such finding.
    Missing,
    /// How it is.
    State(&'u State),
}

impl<'u> Knowledge<'u> {
    pub(super) fn of(self, place: usize) -> Known<'u> {
        match self {
            Self::Never => Known::Nothing,
            Self::OfEach(findings) => findings.get(place).copied().unwrap_or(Known::Nothing),
        }
    }
}

/// What was decided on a request.
#[derive(Debug)]
pub struct Decision<'u> {
    /// The changes that were asked about, in the order of the update's members.
    pub changes: Vec<Change<'u>>,
    /// What becomes of each finding, in the order of the request.
    pub fates: Vec<Fate<'u>>,
}

/// What becomes of a finding.
#[derive(Debug, Clone)]
pub enum Fate<'u> {
    /// It came before in the same request, at this place. That one is decided; this one is not forwarded.
    Duplicate(usize),
    /// The verdict depends on how the finding is, and there is none.
    NotFound,
    /// The account that owns it cannot be told, so nobody was asked.
    OwnerUnknown(Enforcement),
    /// The policies decided. Findings that they cannot tell apart share one ruling.
    Ruled(Rc<Ruling<'u>>),
}

impl Fate<'_> {
    /// The strictest enforcement that the finding met.
    pub fn enforcement(&self) -> Option<Enforcement> {
        match self {
            Self::Duplicate(_) | Self::NotFound => None,
            Self::OwnerUnknown(enforcement) => Some(*enforcement),
            Self::Ruled(ruling) => ruling.enforcement,
        }
    }

    /// Whether it could be another one if it were known how the finding is.
    fn depends_on_state(&self) -> bool {
        match self {
            Self::Duplicate(_) | Self::NotFound => false,
            Self::OwnerUnknown(_) => true,
            Self::Ruled(ruling) => ruling.depends_on_state(),
        }
    }
}

impl Decision<'_> {
    /// The findings, by their places, about which another decision may be made once it is known how they are. Until then the
    /// decision denies what depends on it.
    pub fn depends_on_state(&self, caller: &Caller, identifiers: &[Identifier<'_>]) -> Vec<usize> {
        let open = self.fates.iter().enumerate().filter(|(_, fate)| fate.depends_on_state());
        // Whose a finding without a proven owner is, the look-up tells.
        let may_see = |place: &usize| identifiers[*place].owner().is_none_or(|owner| caller.sees(owner));
        open.map(|(place, _)| place).filter(may_see).collect()
    }
}

/// Decides a request by what is known of the findings.
pub fn decide<'u>(
    judge: &mut impl Judge,
    caller: &Caller,
    request: Asked<'u>,
    knowledge: Knowledge<'u>,
) -> Decision<'u> {
    let originals = first_places(request.identifiers);
    // What is left to ask the policies about, and where it came from.
    let mut targets: Vec<Target<'u>> = Vec::with_capacity(request.identifiers.len());
    let mut places = Vec::with_capacity(request.identifiers.len());
    let unknown = Fate::OwnerUnknown(Enforcement::Reject.max(caller.minimum_enforcement));
    let mut fates: Vec<Fate<'u>> = Vec::with_capacity(request.identifiers.len());
    for (place, identifier) in request.identifiers.iter().enumerate() {
        fates.push(match knowledge.of(place) {
            _ if originals[place] != place => Fate::Duplicate(originals[place]),
            Known::Missing => Fate::NotFound,
            // To a member there is no such finding, as there is none when it asks the API.
            Known::State(state) if !caller.sees(state.account) && identifier.owner().is_none() => Fate::NotFound,
            known => {
                targets.extend(target(caller, identifier, known).inspect(|_| places.push(place)));
                unknown.clone()
            }
        });
    }

    let removes = removing(&request, knowledge);
    let asked = request.changes.iter().map(Change::action).chain(removes.iter().copied());
    let kinds = judge.kinds(caller, asked.collect::<ActionSet>(), &targets);
    let removals: Vec<Vec<Change<'u>>> = targets.iter().map(|target| removals(&request, &removes, target)).collect();
    // The first of each kind, and of those of a kind that lose the same.
    let mut rulings: Vec<(usize, usize, Rc<Ruling<'u>>)> = Vec::new();
    for (at, kind) in kinds.into_iter().enumerate() {
        let alike = |(of, first, _): &&(usize, usize, _)| *of == kind && removals[*first] == removals[at];
        let ruling = if let Some((.., ruling)) = rulings.iter().rev().find(alike) {
            ruling.clone()
        } else {
            let ruling = Rc::new(rule(judge, caller, &request, &removals[at], &targets[at]));
            rulings.push((kind, at, ruling.clone()));
            ruling
        };
        fates[places[at]] = Fate::Ruled(ruling);
    }
    Decision { changes: request.changes, fates }
}

/// A finding to ask about, if it can be told whose it is.
fn target<'u>(caller: &Caller, identifier: &'u Identifier<'u>, known: Known<'u>) -> Option<Target<'u>> {
    let proven = identifier.owner();
    // A backend that gives a finding to another account than its name proves is not believed.
    let believed = |state: &&State| proven.is_none_or(|owner| owner == state.account);
    let state = match known {
        Known::State(state) => Some(state).filter(believed).filter(|state| caller.sees(state.account)),
        _ => None,
    };
    let owner = proven.or_else(|| state.map(|state| state.account))?;
    Some(Target { identifier, owner, state, is_new: Some(false) })
}

/// The actions by which the request may drop something that a finding has.
fn removing(request: &Asked<'_>, knowledge: Knowledge<'_>) -> Vec<Action> {
    match (knowledge, request.replaces) {
        (Knowledge::OfEach(_), Some(update)) => update.may_remove().collect(),
        _ => Vec::new(),
    }
}

/// What the request would drop of a finding; while it is not known how it is, the questions whether it may drop anything.
fn removals<'u>(request: &Asked<'u>, removes: &[Action], target: &Target<'u>) -> Vec<Change<'u>> {
    match (removes.is_empty(), target.state, request.replaces) {
        (false, Some(state), Some(update)) => update.removals(state),
        _ => removes.iter().map(|action| Change::any_removal(*action)).collect(),
    }
}

/// An identifier that is hashed by the end of its id, which is where ids differ; it is compared whole. Ids that are made to
/// end alike cost a comparison each, and there are at most a hundred.
#[derive(PartialEq, Eq)]
struct ByTail<'i>(&'i Identifier<'i>);

impl Hash for ByTail<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let id = self.0.id.as_bytes();
        id[id.len().saturating_sub(16)..].hash(state);
    }
}

/// For each identifier the place where it came first.
pub(super) fn first_places(identifiers: &[Identifier<'_>]) -> Vec<usize> {
    if identifiers.len() == 1 {
        return vec![0];
    }
    let mut first = HashMap::with_capacity_and_hasher(identifiers.len(), foldhash::fast::RandomState::default());
    identifiers
        .iter()
        .enumerate()
        .map(|(place, identifier)| *first.entry(ByTail(identifier)).or_insert(place))
        .collect()
}

//! Deciding: the verdict on every change of every finding, and what follows for the finding.

use super::{
    named::{Findings, Named, Unnamed},
    ruling::{Ruling, rule},
};
use crate::{
    finding::{
        AccountId, ActionSet, BatchUpdate, BatchUpdateV2, Caller, Change, Circumstances, Enforcement, FieldSet,
        Identifier, Note, Operation, State, Target, Update,
    },
    policy::Judge,
};
use jiff::Timestamp;
use std::rc::Rc;

/// What a request asks of every finding that it names.
#[derive(Debug)]
pub struct Asked<'u> {
    /// The findings, in the order of the request.
    pub findings: Findings<'u>,
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
            findings: Findings::Asff(&request.identifiers),
            changes: request.update.changes(),
            circumstances: request.update.circumstances(Operation::BatchUpdateFindings, now),
            fields: request.update.fields(),
            replaces: Some(&request.update),
        }
    }

    /// What a BatchUpdateFindingsV2 request asks. `named` is which finding each name of the request means, and `note` what
    /// [`UpdateV2::note`](crate::finding::UpdateV2::note) made of its comment.
    pub fn of_update_v2(
        request: &'u BatchUpdateV2<'u>,
        named: &'u [Named<'u>],
        note: Option<&'u Note<'u>>,
        now: Timestamp,
    ) -> Self {
        Self {
            findings: Findings::Ocsf { names: &request.findings, named },
            changes: request.update.changes(note),
            circumstances: request.update.circumstances(note, now),
            fields: request.update.policy_fields(),
            replaces: None,
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
    /// Its name says that one account owns it, and proves that another does, so nobody was asked.
    OwnerContradicted(Enforcement),
    /// The account that owns it cannot be told, so nobody was asked.
    OwnerUnknown(Enforcement),
    /// Which finding its name means could not be found out, so nobody was asked.
    Unresolved(Enforcement),
    /// The policies decided. Findings that they cannot tell apart share one ruling.
    Ruled(Rc<Ruling<'u>>),
}

impl Fate<'_> {
    /// The strictest enforcement that the finding met.
    pub fn enforcement(&self) -> Option<Enforcement> {
        match self {
            Self::Duplicate(_) | Self::NotFound => None,
            Self::OwnerContradicted(enforcement) | Self::OwnerUnknown(enforcement) | Self::Unresolved(enforcement) => {
                Some(*enforcement)
            }
            Self::Ruled(ruling) => ruling.enforcement,
        }
    }

    /// Whether it could be another one if it were known how the finding is.
    fn depends_on_state(&self) -> bool {
        match self {
            Self::Duplicate(_) | Self::NotFound | Self::OwnerContradicted(_) | Self::Unresolved(_) => false,
            Self::OwnerUnknown(_) => true,
            Self::Ruled(ruling) => ruling.depends_on_state(),
        }
    }
}

impl Decision<'_> {
    /// The findings, by their places, about which another decision may be made once it is known how they are. Until then the
    /// decision denies what depends on it.
    pub fn depends_on_state(&self, caller: &Caller, findings: Findings<'_>) -> Vec<usize> {
        let open = self.fates.iter().enumerate().filter(|(_, fate)| fate.depends_on_state());
        // Whose a finding without a proven owner is, the look-up tells. What is another fleet's was found not to be there.
        let may_see = |place: &usize| {
            findings.named(*place).is_ok_and(|(_, owner)| owner.is_none_or(|owner| caller.sees_in_fleet(owner)))
        };
        open.map(|(place, _)| place).filter(may_see).collect()
    }
}

impl Known<'_> {
    fn is_hidden_from(self, caller: &Caller, judge: &impl Judge) -> bool {
        matches!(self, Self::State(state) if !sees(caller, judge, state.account))
    }
}

/// [`Caller::sees`], by the accounts of the judge.
fn sees(caller: &Caller, judge: &impl Judge, owner: AccountId) -> bool {
    caller.sees_in_fleet(owner) && !judge.are_apart(caller, owner)
}

/// Decides a request by what is known of the findings.
pub fn decide<'u>(
    judge: &mut impl Judge,
    caller: &Caller,
    request: Asked<'u>,
    knowledge: Knowledge<'u>,
) -> Decision<'u> {
    let originals = request.findings.first_places();
    // What is left to ask the policies about, and where it came from.
    let mut targets: Vec<Target<'u>> = Vec::with_capacity(request.findings.len());
    let mut places = Vec::with_capacity(request.findings.len());
    let unasked = Enforcement::Reject.max(caller.minimum_enforcement);
    let mut fates: Vec<Fate<'u>> = Vec::with_capacity(request.findings.len());
    for place in 0..request.findings.len() {
        let original = originals.get(place).copied().unwrap_or(place);
        let fate = match knowledge.of(place) {
            _ if original != place => Fate::Duplicate(original),
            Known::Missing => Fate::NotFound,
            known => match request.findings.named(place) {
                // There is no such finding in another fleet, as there is none when the API is asked. No policy can open that: a question
                // is of one fleet, the caller's.
                Ok((_, Some(owner))) if judge.are_apart(caller, owner) => Fate::NotFound,
                // To a member there is no such finding, as there is none when it asks the API. (Of one that its name proves to be the
                // member's own, the backend is not believed.)
                Ok((identifier, _)) if known.is_hidden_from(caller, judge) && identifier.owner().is_none() => {
                    Fate::NotFound
                }
                Ok((_, Some(owner))) if request.findings.are_looked_up() && !sees(caller, judge, owner) => {
                    Fate::NotFound
                }
                Ok((identifier, owner)) => {
                    let target = target(caller, judge, identifier, owner, known);
                    targets.extend(target.inspect(|_| places.push(place)));
                    Fate::OwnerUnknown(unasked)
                }
                Err(Unnamed::Contradicted) => Fate::OwnerContradicted(unasked),
                Err(Unnamed::Missing) => Fate::NotFound,
                Err(Unnamed::Unresolved) => Fate::Unresolved(unasked),
            },
        };
        fates.push(fate);
    }

    let any_removal: Vec<Change<'u>> = removing(&request, knowledge);
    // One finding is a kind of its own.
    if let ([target], [place]) = (&*targets, &*places) {
        let removals = Removals::of(&request, &any_removal, target);
        fates[*place] = Fate::Ruled(Rc::new(rule(judge, caller, &request, removals.changes(), target)));
        return Decision { changes: request.changes, fates };
    }
    let asked = request.changes.iter().chain(&any_removal).map(Change::action);
    let kinds = judge.kinds(caller, asked.collect::<ActionSet>(), &targets);
    let removals: Vec<Removals<'_, 'u>> =
        targets.iter().map(|target| Removals::of(&request, &any_removal, target)).collect();
    // The first of each kind, and of those of a kind that lose the same.
    let mut rulings: Vec<(usize, usize, Rc<Ruling<'u>>)> = Vec::new();
    for (at, kind) in kinds.into_iter().enumerate() {
        let alike = |(of, first, _): &&(usize, usize, _)| *of == kind && removals[*first].is_same(&removals[at]);
        let ruling = if let Some((.., ruling)) = rulings.iter().rev().find(alike) {
            ruling.clone()
        } else {
            let ruling = Rc::new(rule(judge, caller, &request, removals[at].changes(), &targets[at]));
            rulings.push((kind, at, ruling.clone()));
            ruling
        };
        fates[places[at]] = Fate::Ruled(ruling);
    }
    Decision { changes: request.changes, fates }
}

/// A finding to ask about, if it can be told whose it is. `named` is whose it is by its name.
fn target<'u>(
    caller: &Caller,
    judge: &impl Judge,
    identifier: &'u Identifier<'u>,
    named: Option<AccountId>,
    known: Known<'u>,
) -> Option<Target<'u>> {
    // A backend that gives a finding to another account than its name says is not believed.
    let believed = |state: &&State| named.is_none_or(|owner| owner == state.account);
    let state = match known {
        Known::State(state) => Some(state).filter(believed).filter(|state| sees(caller, judge, state.account)),
        _ => None,
    };
    let owner = named.or_else(|| state.map(|state| state.account))?;
    Some(Target { identifier, owner, state, is_new: Some(false) })
}

/// The questions whether the request may drop something that a finding has.
fn removing<'u>(request: &Asked<'_>, knowledge: Knowledge<'_>) -> Vec<Change<'u>> {
    match (knowledge, request.replaces) {
        (Knowledge::OfEach(_), Some(update)) => update.may_remove().map(Change::any_removal).collect(),
        _ => Vec::new(),
    }
}

/// What a request would drop of a finding.
enum Removals<'r, 'u> {
    /// This.
    These(Vec<Change<'u>>),
    /// It is not known what the finding has: the questions whether anything may be dropped, which are the same for all of a
    /// request's findings.
    Any(&'r [Change<'u>]),
}

impl<'r, 'u> Removals<'r, 'u> {
    fn of(request: &Asked<'u>, any: &'r [Change<'u>], target: &Target<'u>) -> Self {
        match (any.is_empty(), target.state, request.replaces) {
            (false, Some(state), Some(update)) => Self::These(update.removals(state)),
            _ => Self::Any(any),
        }
    }

    fn changes(&self) -> &[Change<'u>] {
        match self {
            Self::These(changes) => changes,
            Self::Any(changes) => changes,
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        matches!((self, other), (Self::Any(_), Self::Any(_))) || self.changes() == other.changes()
    }
}

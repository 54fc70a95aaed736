//! Deciding: the verdict on every change of every finding, and what follows for the finding.

use crate::{
    finding::{BatchUpdate, Caller, Change, Enforcement, FieldSet, Identifier, Target, Update},
    policy::{Judge, Question, Verdict},
};
use std::{
    collections::HashMap,
    hash::{Hash, Hasher},
    rc::Rc,
};

/// What was decided on a request.
#[derive(Debug)]
pub struct Decision<'u> {
    /// The changes that were asked about, in the order of the update's members.
    pub changes: Vec<Change<'u>>,
    /// What becomes of each finding, in the order of the request.
    pub fates: Vec<Fate>,
}

/// What becomes of a finding.
#[derive(Debug, Clone)]
pub enum Fate {
    /// It came before in the same request, at this place. That one is decided; this one is not forwarded.
    Duplicate(usize),
    /// The account that owns it cannot be told, so nobody was asked.
    OwnerUnknown(Enforcement),
    /// The policies decided. Findings that they cannot tell apart share one ruling.
    Ruled(Rc<Ruling>),
}

/// The verdicts on one finding, and what follows from them.
#[derive(Debug)]
pub struct Ruling {
    /// The verdict on each change, in the order of [`Decision::changes`].
    pub verdicts: Vec<Rc<Verdict>>,
    /// The fields that are left after stripping. They are forwarded unless a denial does more than strip.
    pub kept: FieldSet,
    /// The strictest enforcement of all denials; nothing where every change is allowed.
    pub enforcement: Option<Enforcement>,
    /// What a denial does to this caller at the least.
    pub minimum: Enforcement,
}

impl Ruling {
    /// Whether anything of the update is forwarded for the finding.
    pub fn forwards(&self) -> bool {
        self.enforcement.is_none_or(|enforcement| enforcement == Enforcement::Strip) && !self.kept.is_empty()
    }
}

impl Fate {
    /// The strictest enforcement that the finding met.
    pub fn enforcement(&self) -> Option<Enforcement> {
        match self {
            Self::Duplicate(_) => None,
            Self::OwnerUnknown(enforcement) => Some(*enforcement),
            Self::Ruled(ruling) => ruling.enforcement,
        }
    }
}

/// Decides a request.
pub fn decide<'u>(judge: &mut impl Judge, caller: &Caller, request: &'u BatchUpdate<'u>) -> Decision<'u> {
    let changes = request.update.changes();
    let fields = request.update.fields();
    let originals = first_places(&request.identifiers);
    let owners: Vec<_> = request.identifiers.iter().map(Identifier::owner).collect();

    // What is left to ask the policies about, and where it came from.
    let (mut targets, mut places) = (Vec::with_capacity(owners.len()), Vec::with_capacity(owners.len()));
    for (place, identifier) in request.identifiers.iter().enumerate() {
        if let (true, Some(owner)) = (originals[place] == place, owners[place]) {
            targets.push(Target { identifier, owner });
            places.push(place);
        }
    }

    let kinds = judge.kinds(caller, &changes, &targets);
    let unknown = Fate::OwnerUnknown(Enforcement::Reject.max(caller.minimum_enforcement));
    let mut fates: Vec<Fate> = originals
        .iter()
        .enumerate()
        .map(|(place, original)| if *original == place { unknown.clone() } else { Fate::Duplicate(*original) })
        .collect();
    let mut rulings: Vec<Option<Rc<Ruling>>> = vec![None; targets.len()];
    for (at, first) in kinds.into_iter().enumerate() {
        let ruling = rulings[first]
            .clone()
            .unwrap_or_else(|| Rc::new(rule(judge, caller, &request.update, &changes, fields, &targets[first])));
        rulings[first] = Some(ruling.clone());
        fates[places[at]] = Fate::Ruled(ruling);
    }
    Decision { changes, fates }
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
fn first_places(identifiers: &[Identifier<'_>]) -> Vec<usize> {
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

/// Asks about one finding until nothing more is stripped.
///
/// Stripping may falsify its own reason: RESOLVED was fine because a note came with it, and then the note is stripped. So
/// whatever is left is asked again with what is left. Fields only ever disappear, so this ends after at most one round a
/// field. A denial stands even where the field that caused it is gone: nothing that was denied comes back.
fn rule(
    judge: &mut impl Judge,
    caller: &Caller,
    update: &Update<'_>,
    changes: &[Change<'_>],
    fields: FieldSet,
    target: &Target<'_>,
) -> Ruling {
    let mut kept = fields;
    let mut verdicts: Vec<Rc<Verdict>> = Vec::with_capacity(changes.len());
    for change in changes {
        verdicts.push(judge.verdict(&Question { caller, update, change, kept, target }));
    }
    while strictest(&verdicts, caller).is_some_and(|enforcement| enforcement == Enforcement::Strip) {
        let denied = changes.iter().zip(&verdicts).filter(|(_, verdict)| verdict.enforced.denial().is_some());
        let left = denied.fold(kept, |left, (change, _)| left.without(change.action().field()));
        if left == kept {
            break;
        }
        kept = left;
        for (change, verdict) in
            changes.iter().zip(&mut verdicts).filter(|(change, _)| kept.contains(change.action().field()))
        {
            *verdict = judge.verdict(&Question { caller, update, change, kept, target });
        }
    }
    Ruling { enforcement: strictest(&verdicts, caller), verdicts, kept, minimum: caller.minimum_enforcement }
}

/// The strictest enforcement of all denials.
fn strictest(verdicts: &[Rc<Verdict>], caller: &Caller) -> Option<Enforcement> {
    let denials = verdicts.iter().filter_map(|verdict| verdict.enforced.denial());
    denials.map(|denial| denial.enforcement.max(caller.minimum_enforcement)).max()
}

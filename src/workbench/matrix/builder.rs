//! Finding values for every combination of classes.

use super::{
    draft::{Door, Draft},
    lenses::{Lenses, is_proposed, words_of},
    mark::Mark,
    moments::Moments,
    pose::Poser,
    space::{Axis, Class},
    variants::{Choice, Place, Variant},
};
use crate::{
    finding::Action,
    policy::{Literals, Term},
    workbench::CallerFixture,
};
use std::collections::{BTreeMap, BTreeSet};

/// Something that is varied.
pub(super) struct Varied {
    pub(super) term: Term,
    /// What policies compare it with.
    pub(super) literals: Literals,
    /// Whether they compare it with something else of the question.
    pub(super) compared: bool,
    /// Whether that is varied before.
    pub(super) related: bool,
    /// Whether they compare it with the time of the request, and with an instant.
    pub(super) dated: bool,
}

/// What classes are called after, by the class.
pub(super) type Names = BTreeMap<Class, Vec<Mark>>;

/// Finds values.
pub(super) struct Builder<'b> {
    lenses: &'b Lenses,
    poser: &'b Poser,
    places: Vec<Place>,
    moments: Moments,
    most: usize,
    pub(super) names: BTreeMap<Axis, Names>,
    pub(super) notes: Vec<String>,
}

impl<'b> Builder<'b> {
    /// `most` is how many examples there may be.
    pub(super) fn new(lenses: &'b Lenses, poser: &'b Poser, places: Vec<Place>, most: usize) -> Self {
        let moments = Moments::of(lenses.conditions());
        Self { lenses, poser, places, moments, most, names: BTreeMap::new(), notes: Vec::new() }
    }

    /// Examples in the making: every combination of values of which one is tried for each class.
    pub(super) fn drafts(&mut self, caller: &CallerFixture, action: Action) -> Vec<Draft> {
        let (mut bases, reads_state) = (Vec::new(), self.lenses.reads_state());
        let updates = asks(action, Door::Update);
        let reads = |term: &Term| self.lenses.conditions().any(|condition| condition.terms.contains(term));
        // An import differs from an update only where policies look at the call, or at what it creates.
        let imports = asks(action, Door::Import) && (!updates || reads(&Term::Operation));
        let creates = asks(action, Door::Import) && (reads(&Term::IsNew) || imports && reads_state);
        bases.extend(updates.then(|| Draft::plain(action, caller, Door::Update)));
        bases.extend(imports.then(|| Draft::plain(action, caller, Door::Import)));
        bases.extend(creates.then(|| {
            let mut new = Draft::plain(action, caller, Door::Import);
            new.finding.exists = false;
            new
        }));
        bases.into_iter().flat_map(|base| self.product(&base)).collect()
    }

    fn product(&mut self, base: &Draft) -> Vec<Draft> {
        let mut drafts = vec![base.clone()];
        if self.lenses.reads_state() {
            // The finding as it is may not be known; then nothing of it is varied.
            let mut blind = base.clone();
            blind.finding.known = false;
            drafts.push(blind);
        }
        for Varied { term, literals, compared, related, dated } in self.lenses.terms() {
            let places = self.places.clone();
            let moments = self.moments.all.clone();
            let related = related && !is_proposed(&term);
            let choice = Choice { literals: &literals, related, places: &places, moments: &moments };
            if term == Term::Owner && base.door == Door::Import {
                continue;
            }
            let scanned = choice.variants(&term, base);
            if scanned.is_empty() {
                continue;
            }
            let axis = Axis::of(vec![term.clone()]);
            // What an import creates is as it proposes: there, what is proposed may be told apart as what there is.
            let as_proposed = !base.finding.exists && is_proposed(&term);
            let every: BTreeSet<Mark> = scanned.iter().map(|(mark, _)| mark.clone()).collect();
            let mut kept = self.scan(&axis, scanned, compared || as_proposed);
            // What travels along may tell more moments apart, and what is told apart at one moment may not be at another.
            if term == Term::Now && self.lenses.others_read_time() || dated && !moments.is_empty() {
                kept.extend(every.iter().cloned());
            }
            let whole = choice.related || dated && !moments.is_empty();
            if as_proposed {
                let near = self.lenses.conditions().flat_map(|condition| &condition.literals.numbers);
                let near: BTreeSet<i64> =
                    near.flat_map(|at| [at.saturating_sub(1), *at, at.saturating_add(1)]).collect();
                let tells = |mark: &Mark| !matches!(mark, Mark::Each(number) if !near.contains(number));
                kept.extend(every.into_iter().filter(tells));
            }
            let expand = |draft: &Draft| -> Vec<Draft> {
                if term.is_state() && !is_visible(draft) {
                    return vec![draft.clone()];
                }
                let variants = choice.variants(&term, draft).into_iter();
                if whole {
                    return variants.map(|(_, draft)| draft).collect();
                }
                variants
                    .filter(|(mark, _)| kept.iter().any(|kept| kept.is_like(mark)))
                    .map(|(_, draft)| draft)
                    .collect()
            };
            let widened: Vec<Draft> = drafts.iter().flat_map(expand).take(self.most + 1).collect();
            if widened.len() > self.most {
                self.notes.push(format!(
                    "{}: {term} was not varied for {}: there would be more than {} combinations",
                    base.action,
                    base.caller.principal(),
                    self.most
                ));
                continue;
            }
            drafts = widened;
        }
        drafts
    }

    /// Keeps what a class may be called after.
    pub(super) fn called(&mut self, axis: &Axis, class: &Class, mark: Mark) {
        let known = self.names.entry(axis.clone()).or_default().entry(class.clone()).or_default();
        if !known.contains(&mark) {
            known.push(mark);
        }
    }

    /// Tries each value by itself: what the classes are called, and one value of each; of numbers that are compared with others,
    /// the least, the greatest and one between them.
    fn scan(&mut self, axis: &Axis, variants: Vec<Variant>, compared: bool) -> BTreeSet<Mark> {
        let action = self.lenses.action;
        let mut by_class: BTreeMap<Option<Class>, Vec<Mark>> = BTreeMap::new();
        for (mark, draft) in variants {
            let element = draft.element();
            let kept = self.lenses.kept.iter().find(|kept| Some(kept.as_str()) != element.as_deref());
            let example = draft.example(kept.map_or("kept", String::as_str));
            let Some(place) = self.lenses.place(self.poser, &example, action, element.as_deref()) else { continue };
            let class = place.into_iter().find(|(other, _)| other == axis).map(|(_, class)| class);
            let by_clock = self.moments.daily && *axis == Axis::of(vec![Term::Now]);
            if let Some(class) = class.as_ref().filter(|_| !by_clock) {
                self.called(axis, class, mark.clone());
            }
            by_class.entry(class).or_default().push(mark);
        }
        let is_closed_term = match axis {
            Axis::Proposed(part) => !words_of(&Term::Proposed(*part), action).is_empty(),
            Axis::Terms(terms) => terms.iter().all(|term| !words_of(term, action).is_empty()),
            Axis::Known => false,
        };
        let mut kept = BTreeSet::new();
        for mut marks in by_class.into_values() {
            if compared && is_closed_term {
                kept.extend(marks);
            } else if matches!(marks[0], Mark::Each(_)) && compared {
                marks.sort();
                kept.extend([0, marks.len() / 2, marks.len() - 1].map(|at| marks[at].clone()));
            } else {
                kept.insert(marks.swap_remove(0));
            }
        }
        kept
    }
}

/// Whether the gate sees how the finding is. There is one fleet in a question of the workbench, so none is another's.
fn is_visible(draft: &Draft) -> bool {
    draft.finding.known && draft.caller.caller().sees_in_fleet(draft.finding.account)
}

/// Whether an action is asked about in a call.
fn asks(action: Action, door: Door) -> bool {
    match door {
        Door::Update => !matches!(action, Action::Import | Action::RecordState),
        Door::Import => !action.is_removal(),
    }
}

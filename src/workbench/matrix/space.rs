//! Everything that policies distinguish in what a caller may ask for with one action.
//!
//! A question's place in it is the truth of every condition of every policy that can apply, as Cedar finds it: so questions in one
//! place have one verdict. The conditions are sorted by what they look at, which makes the dimensions; and for each combination
//! of their classes that values can be found for, there is a cell with an example.

use super::{builder::Builder, domain::Who, lenses::Lenses, mark::Mark, pose::Poser, variants::Place};
use crate::{
    finding::Action,
    policy::{Holds, Part, Rule, Term},
    workbench::Example,
};
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

/// How many examples are tried for a caller and an action, at the most.
pub const MOST_EXAMPLES: usize = 20_000;

/// Everything that policies distinguish in what a caller may ask for with one action.
#[derive(Debug)]
pub struct Space<'d> {
    /// Who asks.
    pub who: &'d Who,
    /// For what.
    pub action: Action,
    /// What is distinguished.
    pub dimensions: Vec<Dimension>,
    /// Every combination that values were found for.
    pub cells: Vec<Cell>,
    /// What is not told apart, in words.
    pub notes: Vec<String>,
    lenses: Lenses,
    poser: &'d Poser,
    places: HashMap<Whereabouts, usize>,
}

/// Something by which questions are distinguished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dimension {
    /// What it is about: `value`, `finding of`, `finding's workflowStatus`.
    pub name: String,
    /// What its classes are called.
    pub classes: Vec<String>,
}

/// Questions that nothing distinguishes.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    /// The place of its class in each dimension.
    pub classes: Vec<usize>,
    /// Which of several changes with the action its example is about.
    pub element: Option<String>,
    /// Examples that ask it. They differ in what else an update that removes something sends: with some of them the question
    /// may not come up, because that is denied.
    pub examples: Vec<Example>,
}

/// What questions differ in, in the order in which people are told.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Axis {
    Proposed(Part),
    Terms(Vec<Term>),
    Known,
}

/// The truth of the conditions on an axis: of which question, and which of its conditions.
pub(super) type Class = Vec<(Arc<str>, usize, Holds)>;
/// The class on each axis.
pub(super) type Whereabouts = Vec<(Axis, Class)>;

impl<'d> Space<'d> {
    pub(super) fn new(
        rules: &'d [Rule],
        poser: &'d Poser,
        who: &'d Who,
        places: Vec<Place>,
        action: Action,
        most: usize,
    ) -> Result<Self, String> {
        let lenses = Lenses::new(rules, who, action)?;
        let mut builder = Builder::new(&lenses, poser, places, most);
        let drafts = builder.drafts(&who.caller, action);
        let mut found: Vec<(Whereabouts, Cell)> = Vec::new();
        let mut known: HashMap<Whereabouts, usize> = HashMap::new();
        for draft in drafts {
            let element = draft.element();
            for kept in lenses.kept.iter().filter(|kept| Some(kept.as_str()) != element.as_deref()) {
                let example = draft.example(kept);
                let Some(place) = lenses.place(poser, &example, action, element.as_deref()) else { continue };
                if let Some((axis, class)) = place.iter().find(|(axis, _)| *axis == Axis::of(vec![Term::Operation])) {
                    builder.called(axis, class, Mark::word(draft.door.word()));
                }
                let at = *known.entry(place.clone()).or_insert_with(|| {
                    let cell = Cell { classes: Vec::new(), element: element.clone(), examples: Vec::new() };
                    found.push((place, cell));
                    found.len() - 1
                });
                // What is asked about is told by one element.
                let cell = &mut found[at].1;
                if cell.element == element && cell.examples.len() < MOST_FORMS {
                    cell.examples.push(example);
                }
            }
        }
        let axes: BTreeSet<Axis> =
            found.iter().flat_map(|(place, _)| place.iter().map(|(axis, _)| axis.clone())).collect();
        let (names, mut notes) = (builder.names, builder.notes);
        let mut dimensions = Vec::new();
        for axis in &axes {
            let class_of =
                |place: &Whereabouts| place.iter().find(|(other, _)| other == axis).map(|(_, class)| class.clone());
            let mut classes: Vec<Option<Class>> = Vec::new();
            for (place, cell) in &mut found {
                let class = class_of(place);
                let at = classes.iter().position(|known| *known == class).unwrap_or_else(|| {
                    classes.push(class);
                    classes.len() - 1
                });
                cell.classes.push(at);
            }
            dimensions.push(Dimension { name: axis.name(), classes: lenses.called(axis, &classes, names.get(axis)) });
        }
        let cells: Vec<Cell> = found.into_iter().map(|(_, cell)| cell).collect();
        notes.extend(lenses.unseen(&known));
        Ok(Self { who, action, dimensions, cells, notes, lenses, poser, places: known })
    }

    /// The keys that policies look for in the UserDefinedFields that travel with a change.
    #[cfg(test)]
    pub(super) fn keys_looked_at(&self) -> Vec<String> {
        let terms = self.lenses.conditions().flat_map(|condition| &condition.terms);
        let keys: BTreeSet<String> = terms
            .filter_map(|term| match term {
                Term::ProposedKey(key) => Some(key.clone()),
                _ => None,
            })
            .collect();
        keys.into_iter().collect()
    }

    /// Whether a note on a condition is on one of these.
    pub(super) fn looks_at(&self, note: &str) -> bool {
        self.lenses.own.all().iter().any(|condition| note.ends_with(&*condition.text)) && !self.cells.is_empty()
    }

    /// The cell that an example belongs to: nothing if it does not ask for the action, or if there is no such cell. `element` is
    /// which of several changes with the action is meant.
    pub fn classify(&self, example: &Example, element: Option<&str>) -> Option<&Cell> {
        let place = self.lenses.place(self.poser, example, self.action, element)?;
        self.places.get(&place).map(|at| &self.cells[*at])
    }
}

/// How many examples a cell has at the most.
const MOST_FORMS: usize = 6;

impl Axis {
    fn name(&self) -> String {
        match self {
            Self::Proposed(part) => Term::Proposed(*part).to_string(),
            Self::Known => "finding's state".to_owned(),
            Self::Terms(terms) => match &terms[..] {
                [term] => term.to_string(),
                _ => "compared".to_owned(),
            },
        }
    }

    pub(super) fn of(mut terms: Vec<Term>) -> Self {
        terms.sort();
        match &terms[..] {
            [Term::Proposed(part)] => Self::Proposed(*part),
            _ => Self::Terms(terms),
        }
    }
}

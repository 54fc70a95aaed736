//! Everything that policies distinguish in what a caller may ask for with one action.
//!
//! A question's place in it is the truth of every condition of every policy that can apply, as Cedar finds it: so questions in one
//! place have one verdict. The conditions are sorted by what they look at, which makes the dimensions; and for each combination
//! of their classes that values can be found for, there is a cell with an example.

use super::{
    domain::Who,
    draft::{Door, Draft},
    mark::{self, Mark},
    pose::{Posed, Poser},
    variants::{Choice, Place, Variant},
};
use crate::{
    finding::{Action, RecordState, SeverityLabel, VerificationState, WorkflowStatus},
    policy::{Distinction, Distinctions, Holds, Literals, Part, Rule, Term},
    workbench::{Call, Example},
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
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

/// What questions differ in.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Axis {
    Call,
    Known,
    Terms(Vec<Term>),
}

/// The truth of the conditions on an axis: of which question, and which of its conditions.
type Class = Vec<(Arc<str>, usize, Holds)>;
type Whereabouts = Vec<(Axis, Class)>;

impl<'d> Space<'d> {
    pub(super) fn new(
        rules: &'d [Rule],
        poser: &'d Poser,
        who: &'d Who,
        places: Vec<Place>,
        action: Action,
    ) -> Result<Self, String> {
        let lenses = Lenses::new(rules, who, action)?;
        let mut builder = Builder { lenses: &lenses, poser, places, names: BTreeMap::new(), notes: Vec::new() };
        let drafts = builder.drafts(&who.caller, action);
        let mut found: Vec<(Whereabouts, Cell)> = Vec::new();
        let mut known: HashMap<Whereabouts, usize> = HashMap::new();
        for draft in drafts {
            let element = draft.element();
            for kept in lenses.kept.iter().filter(|kept| Some(kept.as_str()) != element.as_deref()) {
                let example = draft.example(kept);
                let Some(place) = lenses.place(poser, &example, action, element.as_deref()) else { continue };
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
            Self::Call => "call".to_owned(),
            Self::Known => "look-up".to_owned(),
            Self::Terms(terms) => match &terms[..] {
                [term] => term.to_string(),
                _ => "where".to_owned(),
            },
        }
    }
}

/// The conditions that count for one action, and of what travels with it.
#[derive(Debug)]
struct Lenses {
    action: Action,
    own: Distinctions,
    /// Of what travels with it and is looked at.
    others: Vec<(Action, Distinctions)>,
    /// What may stay of a list or map from which something is removed; one nothing for other actions.
    kept: Vec<String>,
}

impl Lenses {
    fn new(rules: &[Rule], who: &Who, action: Action) -> Result<Self, String> {
        let of = |action: Action| -> Result<Distinctions, String> {
            let plain = Distinctions::of(rules, who.caller.role, action, &[])?;
            let words = words_to_tell_apart(plain.all(), action);
            if words.is_empty() { Ok(plain) } else { Distinctions::of(rules, who.caller.role, action, &words) }
        };
        let own = of(action)?;
        let mut others: Vec<(Action, Distinctions)> = Vec::new();
        let mut next = looked_at(own.all());
        while let Some(other) = next.pop() {
            if other != action && others.iter().all(|(known, _)| *known != other) {
                let conditions = of(other)?;
                next.extend(looked_at(conditions.all()));
                others.push((other, conditions));
            }
        }
        let mut kept = vec!["kept".to_owned()];
        if let Some(base) = base_of(action) {
            for condition in of(base)?.all() {
                kept.extend(condition.literals.texts.iter().cloned());
                kept.extend(condition.literals.likes.iter().map(|like| like.witness("x")));
            }
            let mut known = BTreeSet::new();
            kept.retain(|text| known.insert(text.clone()));
        }
        Ok(Self { action, own, others, kept })
    }

    /// Where an example lies; nothing if it does not ask for the action.
    fn place(&self, poser: &Poser, example: &Example, action: Action, element: Option<&str>) -> Option<Whereabouts> {
        // While it is not known what a finding has, nobody asks about the removal of one thing: what of it can be known is the same.
        let blind = action.is_removal() && !example.finding.known;
        let mut known = example.clone();
        known.finding.known |= blind;
        let posed = poser.pose(&known).ok()?;
        let is_own =
            |posed: &Posed| posed.action == action && (element.is_none() || posed.element.as_deref() == element);
        let at = posed.iter().position(is_own)?;
        let mut place: BTreeMap<Axis, Class> = BTreeMap::new();
        let call = if matches!(example.call, Call::Import(_)) { Holds::True } else { Holds::False };
        place.insert(Axis::Call, vec![("call".into(), 0, call)]);
        if self.reads_state() {
            let truth = if example.finding.known { Holds::True } else { Holds::False };
            place.insert(Axis::Known, vec![("known".into(), 0, truth)]);
        }
        let mut put = |name: &Arc<str>, conditions: &[Distinction], truths: Vec<Holds>, other: Option<&str>| {
            for (at, (condition, truth)) in conditions.iter().zip(truths).enumerate() {
                let Some(axis) = self.axis(condition, other) else { continue };
                let lost =
                    blind && condition.terms.iter().any(|term| term.is_state() || matches!(term, Term::Proposed(_)));
                place.entry(axis).or_default().push((name.clone(), at, if lost { Holds::Fails } else { truth }));
            }
        };
        put(&"".into(), self.own.all(), self.own.truths(&posed[at].question), None);
        for (_, other) in posed.iter().enumerate().filter(|(place, _)| *place != at) {
            let Some((_, conditions)) = self.others.iter().find(|(action, _)| *action == other.action) else {
                continue;
            };
            let element = other.element.as_deref().unwrap_or_default();
            let name: Arc<str> = format!("{}[{element}]", other.action).into();
            put(&name, conditions.all(), conditions.truths(&other.question), Some(element));
        }
        Some(place.into_iter().collect())
    }

    /// Where a condition counts; nothing where another one says it already. `other` is the element of the question, if it is
    /// one about what travels with the change.
    fn axis(&self, condition: &Distinction, other: Option<&str>) -> Option<Axis> {
        let mut terms = tied(condition);
        if terms.len() > 1 && is_closed(condition, self.action) {
            // Each of the words is told apart by itself.
            return None;
        }
        if let Some(element) = other {
            if self.own.all().iter().any(|own| own.text == condition.text) && !terms.iter().any(is_proposed) {
                return None;
            }
            let instead = if element.is_empty() { Term::Note } else { Term::ProposedKey(element.to_owned()) };
            terms = terms.into_iter().map(|term| if is_proposed(&term) { instead.clone() } else { term }).collect();
        }
        let mut terms: Vec<Term> = terms.into_iter().collect();
        terms.sort();
        Some(Axis::Terms(terms))
    }

    fn reads_state(&self) -> bool {
        self.conditions().any(|condition| condition.terms.iter().any(Term::is_state))
    }

    fn conditions(&self) -> impl Iterator<Item = &Distinction> {
        self.own.all().iter().chain(self.others.iter().flat_map(|(_, conditions)| conditions.all()))
    }

    /// What is to be varied, in the order in which it is.
    fn terms(&self) -> BTreeMap<Term, (Literals, bool)> {
        let mut terms: BTreeMap<Term, (Literals, bool)> = BTreeMap::new();
        for part in parts(self.action) {
            terms.entry(Term::Proposed(*part)).or_default();
        }
        let mut add = |term: Term, literals: &Literals, related: bool| {
            let (known, is_related) = terms.entry(term).or_default();
            known.extend(literals);
            *is_related |= related;
        };
        for condition in self.own.all() {
            let tied = tied(condition);
            for term in &condition.terms {
                add(term.clone(), &condition.literals, tied.len() > 1 && tied.contains(term));
            }
        }
        let keys: Vec<String> = (self.own.all().iter().flat_map(|condition| &condition.terms))
            .filter_map(|term| match term {
                Term::ProposedKey(key) => Some(key.clone()),
                _ => None,
            })
            .collect();
        for (action, conditions) in &self.others {
            for condition in conditions.all() {
                let related = tied(condition).len() > 1;
                for term in &condition.terms {
                    match (term, action) {
                        (Term::Proposed(Part::Value), Action::Note) => add(Term::Note, &condition.literals, related),
                        (Term::Proposed(Part::Value), Action::UserDefinedFields) => {
                            for key in &keys {
                                add(Term::ProposedKey(key.clone()), &condition.literals, related);
                            }
                        }
                        (Term::Proposed(_), _) => {}
                        (term, _) => add(term.clone(), &condition.literals, related),
                    }
                }
            }
        }
        terms
    }

    /// What the classes of an axis are called.
    fn called(&self, axis: &Axis, classes: &[Option<Class>], names: Option<&Names>) -> Vec<String> {
        let all: BTreeSet<Mark> = names.into_iter().flat_map(|names| names.values().flatten().cloned()).collect();
        let mut called: Vec<String> = classes
            .iter()
            .map(|class| {
                let Some(class) = class else { return "not sent".to_owned() };
                match axis {
                    Axis::Call => if class[0].2 == Holds::True { "import" } else { "update" }.to_owned(),
                    Axis::Known => if class[0].2 == Holds::True { "succeeds" } else { "fails" }.to_owned(),
                    Axis::Terms(terms) => match names.and_then(|names| names.get(class)) {
                        Some(marks) => mark::name(marks, &all),
                        None => self.said(terms, class),
                    },
                }
            })
            .collect();
        // Two classes of one name would be one to a reader.
        for at in 1..called.len() {
            let twice = called[..at].iter().filter(|name| **name == called[at]).count();
            if twice > 0 {
                let said = classes[at].as_ref().map(|class| self.said(&[], class)).unwrap_or_default();
                let name = format!("{} ({said})", called[at]);
                called[at] = if called[..at].contains(&name) { format!("{name} {at}") } else { name };
            }
        }
        called
    }

    /// A class in the words of the policies.
    fn said(&self, terms: &[Term], class: &Class) -> String {
        if terms == [Term::IsNew] {
            let new = class
                .iter()
                .find(|(_, at, _)| self.own.all().get(*at).is_some_and(|own| &*own.text == "resource.isNew"));
            match new.map(|(.., truth)| *truth) {
                Some(Holds::True) => return "new".to_owned(),
                Some(Holds::False) => return "exists".to_owned(),
                _ => {}
            }
        }
        let mut said = Vec::new();
        for (question, at, truth) in class {
            let conditions = if question.is_empty() {
                Some(&self.own)
            } else {
                let of = |(action, _): &&(Action, Distinctions)| question.starts_with(&format!("{action}["));
                self.others.iter().find(of).map(|(_, conditions)| conditions)
            };
            let Some(condition) = conditions.and_then(|conditions| conditions.all().get(*at)) else { continue };
            let text = plainly(&condition.text);
            match truth {
                Holds::True => said.push(text),
                Holds::False => said.push(format!("not {text}")),
                Holds::Fails => {}
            }
        }
        match said.is_empty() {
            true if terms.iter().any(Term::is_state) => "unknown".to_owned(),
            true => "not there".to_owned(),
            false => said.join(" and "),
        }
    }

    /// The conditions that no example makes true, or none makes false.
    fn unseen(&self, places: &HashMap<Whereabouts, usize>) -> Vec<String> {
        let mut seen = BTreeSet::new();
        for (question, at, truth) in places.keys().flatten().flat_map(|(_, class)| class) {
            if question.is_empty() {
                seen.insert((*at, *truth));
            }
        }
        let conditions =
            self.own.all().iter().enumerate().filter(|(_, condition)| self.axis(condition, None).is_some());
        conditions
            .filter(|(at, _)| !seen.is_empty() && !seen.contains(&(*at, Holds::True)))
            .map(|(_, condition)| format!("no example was found in which this holds: {}", condition.text))
            .collect()
    }
}

/// What classes are called after, by the class.
type Names = BTreeMap<Class, BTreeSet<Mark>>;

struct Builder<'b> {
    lenses: &'b Lenses,
    poser: &'b Poser,
    places: Vec<Place>,
    names: BTreeMap<Axis, Names>,
    notes: Vec<String>,
}

impl Builder<'_> {
    /// Examples in the making: every combination of values of which one is tried for each class.
    fn drafts(&mut self, caller: &crate::workbench::CallerFixture, action: Action) -> Vec<Draft> {
        let mut drafts = Vec::new();
        for door in [Door::Update, Door::Import] {
            if !asks(action, door) {
                continue;
            }
            let base = Draft::plain(action, caller, door);
            let mut bases = vec![base.clone()];
            if door == Door::Import && self.lenses.reads_state() {
                let mut new = base.clone();
                new.finding.exists = false;
                bases.push(new);
            }
            for base in bases {
                drafts.extend(self.product(base));
            }
        }
        drafts
    }

    fn product(&mut self, base: Draft) -> Vec<Draft> {
        let mut drafts = vec![base.clone()];
        if self.lenses.reads_state() {
            // The finding as it is may not be known; then nothing of it is varied.
            let mut blind = base.clone();
            blind.finding.known = false;
            drafts.push(blind);
        }
        for (term, (literals, related)) in self.lenses.terms() {
            let is_proposed = is_proposed(&term);
            let places = self.places.clone();
            let choice = Choice { literals: &literals, related: related && !is_proposed, places: &places };
            if term == Term::Owner && base.door == Door::Import {
                continue;
            }
            let scanned = choice.variants(&term, &base);
            if scanned.is_empty() {
                continue;
            }
            let axis = Axis::Terms(vec![term.clone()]);
            let kept = self.scan(&axis, scanned, related);
            let expand = |draft: &Draft| -> Vec<Draft> {
                if term.is_state() && !is_visible(draft) {
                    return vec![draft.clone()];
                }
                let variants = choice.variants(&term, draft).into_iter();
                if choice.related {
                    return variants.map(|(_, draft)| draft).collect();
                }
                variants.filter(|(mark, _)| kept.contains(mark)).map(|(_, draft)| draft).collect()
            };
            let widened: Vec<Draft> = drafts.iter().flat_map(expand).take(MOST_EXAMPLES + 1).collect();
            if widened.len() > MOST_EXAMPLES {
                self.notes.push(format!(
                    "{}: `{term}` was not varied for {}: there would be more than {MOST_EXAMPLES} combinations",
                    base.action,
                    base.caller.principal()
                ));
                continue;
            }
            drafts = widened;
        }
        drafts
    }

    /// Tries each value by itself: what the classes are called, and one value of each. Where a term is compared with others,
    /// several of each.
    fn scan(&mut self, axis: &Axis, variants: Vec<Variant>, related: bool) -> BTreeSet<Mark> {
        let action = self.lenses.action;
        let mut by_class: BTreeMap<Option<Class>, Vec<Mark>> = BTreeMap::new();
        for (mark, draft) in variants {
            let element = draft.element();
            let kept = self.lenses.kept.iter().find(|kept| Some(kept.as_str()) != element.as_deref());
            let example = draft.example(kept.map_or("kept", String::as_str));
            let Some(place) = self.lenses.place(self.poser, &example, action, element.as_deref()) else { continue };
            let class = place.into_iter().find(|(other, _)| other == axis).map(|(_, class)| class);
            if let Some(class) = &class {
                let names = self.names.entry(axis.clone()).or_default();
                names.entry(class.clone()).or_default().insert(mark.clone());
            }
            by_class.entry(class).or_default().push(mark);
        }
        let mut kept = BTreeSet::new();
        for mut marks in by_class.into_values() {
            match (&marks[0], related) {
                (Mark::Each(_), true) => {
                    marks.sort();
                    kept.extend([0, marks.len() / 2, marks.len() - 1].map(|at| marks[at].clone()));
                }
                (_, true) => kept.extend(marks),
                (_, false) => drop(kept.insert(marks.swap_remove(0))),
            }
        }
        kept
    }
}

/// Whether the gate sees how the finding is.
fn is_visible(draft: &Draft) -> bool {
    draft.finding.known && draft.caller.caller().sees(draft.finding.account)
}

/// Whether an action is asked about in a call.
fn asks(action: Action, door: Door) -> bool {
    match door {
        Door::Update => !matches!(action, Action::Import | Action::RecordState),
        Door::Import => !action.is_removal(),
    }
}

/// The action that sets what another one removes.
fn base_of(action: Action) -> Option<Action> {
    match action {
        Action::RelatedFindingsRemove => Some(Action::RelatedFindings),
        Action::TypesRemove => Some(Action::Types),
        Action::UserDefinedFieldsRemove => Some(Action::UserDefinedFields),
        _ => None,
    }
}

/// What travels with a change and is looked at by its conditions.
fn looked_at(conditions: &[Distinction]) -> Vec<Action> {
    let terms = conditions.iter().flat_map(|condition| &condition.terms);
    let mut actions = Vec::new();
    for term in terms {
        match term {
            Term::Note => actions.push(Action::Note),
            Term::ProposedKey(_) | Term::ProposedKeys => actions.push(Action::UserDefinedFields),
            Term::Fields => actions.extend(Action::ALL.iter().filter(|action| !action.is_removal())),
            _ => {}
        }
    }
    actions
}

/// The parts of what an action proposes.
const fn parts(action: Action) -> &'static [Part] {
    match action {
        Action::Import => &[],
        Action::UserDefinedFields | Action::UserDefinedFieldsRemove => &[Part::Key, Part::Value],
        Action::RelatedFindings | Action::RelatedFindingsRemove => &[Part::Id, Part::ProductArn],
        _ => &[Part::Value],
    }
}

fn is_proposed(term: &Term) -> bool {
    matches!(term, Term::Proposed(_))
}

/// What a condition compares with each other. The time of a request is held, and what it is compared with varied around it.
fn tied(condition: &Distinction) -> BTreeSet<Term> {
    let mut terms = condition.terms.clone();
    if terms.len() > 1 {
        terms.remove(&Term::Now);
    }
    terms
}

/// Whether a condition compares nothing but words, of which all are tried. (Of a severity it may be the number.)
fn is_closed(condition: &Distinction, action: Action) -> bool {
    let closed = condition.terms.iter().all(|term| !words_of(term, action).is_empty());
    closed && !condition.literals.attributes.contains("normalized")
}

/// Distinctions that tell each word of a closed vocabulary apart, where it is compared with another one.
fn words_to_tell_apart(conditions: &[Distinction], action: Action) -> Vec<String> {
    let compared = conditions.iter().filter(|condition| condition.terms.len() > 1 && is_closed(condition, action));
    let terms: BTreeSet<&Term> = compared.flat_map(|condition| &condition.terms).collect();
    terms.into_iter().flat_map(|term| words_of(term, action)).collect()
}

fn words_of(term: &Term, action: Action) -> Vec<String> {
    let words = |left: &str, kind: &str, words: Vec<&'static str>| -> Vec<String> {
        words.into_iter().map(|word| format!("{left} == {kind}::\"{word}\"")).collect()
    };
    let labels = || SeverityLabel::ALL.iter().map(|word| word.as_str()).collect();
    let records = || RecordState::ALL.iter().map(|word| word.as_str()).collect();
    let states = || VerificationState::ALL.iter().map(|word| word.as_str()).collect();
    let statuses = || WorkflowStatus::ALL.iter().map(|word| word.as_str()).collect();
    match (term, action) {
        (Term::Proposed(Part::Value), Action::SeverityLabel) => words("context.value", "SeverityLabel", labels()),
        (Term::Proposed(Part::Value), Action::RecordState) => words("context.value", "RecordState", records()),
        (Term::Proposed(Part::Value), Action::VerificationState) => {
            words("context.value", "VerificationState", states())
        }
        (Term::Proposed(Part::Value), Action::WorkflowStatus) => words("context.value", "WorkflowStatus", statuses()),
        (Term::Attribute("severity"), _) => words("resource.severity.label", "SeverityLabel", labels()),
        (Term::Attribute("recordState"), _) => words("resource.recordState", "RecordState", records()),
        (Term::Attribute("verificationState"), _) => words("resource.verificationState", "VerificationState", states()),
        (Term::Attribute("workflowStatus"), _) => words("resource.workflowStatus", "WorkflowStatus", statuses()),
        _ => Vec::new(),
    }
}

/// A condition as people would say it.
fn plainly(condition: &str) -> String {
    let replaced = [
        ("resource.userDefinedFields.hasTag(context.key)", "the finding has the key"),
        ("resource.userDefinedFields.getTag(context.key).text == context.value", "it has the value"),
        ("context.", ""),
        ("resource.", "finding's "),
    ];
    replaced.iter().fold(condition.to_owned(), |text, (from, to)| text.replace(from, to))
}

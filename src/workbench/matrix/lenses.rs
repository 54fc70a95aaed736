//! Where a question lies: the truth of the conditions that count for it.

use super::{
    builder::{Names, Varied},
    domain::Who,
    mark::{self, Mark},
    moments::is_about_time,
    pose::{Posed, Poser},
    space::{Axis, Class, Whereabouts},
};
use crate::{
    finding::{Action, ActionSet, RecordState, SeverityLabel, VerificationState, WorkflowStatus},
    policy::{Distinction, Distinctions, Holds, Literals, Part, Rule, Term},
    workbench::Example,
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

/// The conditions that count for one action, and of what travels with it.
#[derive(Debug)]
pub(super) struct Lenses {
    pub(super) action: Action,
    pub(super) own: Distinctions,
    /// Of what travels with it and is looked at.
    others: Vec<(Action, Distinctions)>,
    /// What may stay of a list or map from which something is removed.
    pub(super) kept: Vec<String>,
    /// What is compared with each other.
    ties: Vec<BTreeSet<Term>>,
    /// The actions of all of them.
    actions: ActionSet,
}

impl Lenses {
    pub(super) fn new(rules: &[Rule], who: &Who, action: Action) -> Result<Self, String> {
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
        let compared = own.all().iter().filter(|condition| !is_closed(condition, action)).map(tied);
        let mut ties: Vec<BTreeSet<Term>> = Vec::new();
        for mut tie in compared.filter(|terms| terms.len() > 1) {
            let (joined, apart) = ties.into_iter().partition(|known| !known.is_disjoint(&tie));
            ties = apart;
            tie.extend(Vec::<BTreeSet<Term>>::into_iter(joined).flatten());
            ties.push(tie);
        }
        let actions = others.iter().map(|(other, _)| *other).chain([action]).collect();
        Ok(Self { action, own, others, kept, ties, actions })
    }

    /// Where an example lies; nothing if it does not ask for the action.
    pub(super) fn place(
        &self,
        poser: &Poser,
        example: &Example,
        action: Action,
        element: Option<&str>,
    ) -> Option<Whereabouts> {
        // While it is not known what a finding has, nobody asks about the removal of one thing: what of it can be known is the same.
        let blind = action.is_removal() && !example.finding.known;
        let mut known = example.clone();
        known.finding.known |= blind;
        let questions = poser.pose(&known, self.actions).ok()?;
        let is_own =
            |posed: &Posed| posed.action == action && (element.is_none() || posed.element.as_deref() == element);
        let at = questions.iter().position(is_own)?;
        let mut place: BTreeMap<Axis, Class> = BTreeMap::new();
        if self.reads_state() {
            // Of what is not the caller's to see, nothing is known either.
            let truth = if questions[at].question.state_known && !blind { Holds::True } else { Holds::False };
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
        put(&"".into(), self.own.all(), self.own.truths(&questions[at].question), None);
        for (_, other) in questions.iter().enumerate().filter(|(place, _)| *place != at) {
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
        // What is compared with each other is told together.
        let terms = match self.ties.iter().find(|tie| terms.len() > 1 && !tie.is_disjoint(&terms)) {
            Some(tie) => tie.clone(),
            None => terms,
        };
        Some(Axis::of(terms.into_iter().collect()))
    }

    pub(super) fn reads_state(&self) -> bool {
        self.conditions().any(|condition| condition.terms.iter().any(Term::is_state))
    }

    pub(super) fn conditions(&self) -> impl Iterator<Item = &Distinction> {
        self.own.all().iter().chain(self.others.iter().flat_map(|(_, conditions)| conditions.all()))
    }

    /// Whether what travels along is judged by the time of the request, otherwise than the change itself.
    pub(super) fn others_read_time(&self) -> bool {
        let known = |text: &str| self.own.all().iter().any(|own| &*own.text == text);
        let mut others = self.others.iter().flat_map(|(_, conditions)| conditions.all());
        others.any(|condition| is_about_time(condition) && !known(&condition.text))
    }

    /// What is to be varied, in the order in which it is. What is compared with something that is varied before is varied around it.
    pub(super) fn terms(&self) -> Vec<Varied> {
        let mut terms: BTreeMap<Term, Literals> = BTreeMap::new();
        for part in parts(self.action) {
            terms.entry(Term::Proposed(*part)).or_default();
        }
        let mut by_now: BTreeSet<Term> = BTreeSet::new();
        let mut add = |term: &Term, literals: &Literals| terms.entry(term.clone()).or_default().extend(literals);
        let mut ties = self.ties.clone();
        for condition in self.own.all() {
            condition.terms.iter().for_each(|term| add(term, &condition.literals));
            by_now.extend(condition.terms.iter().filter(|_| condition.terms.contains(&Term::Now)).cloned());
        }
        let keys: Vec<Term> = (self.own.all().iter().flat_map(|condition| condition.terms.iter().cloned()))
            .filter(|term| matches!(term, Term::ProposedKey(_)))
            .collect();
        for (action, conditions) in &self.others {
            for condition in conditions.all() {
                // What travels along under another name.
                let instead: &[Term] = match action {
                    Action::Note => &[Term::Note],
                    Action::UserDefinedFields => &keys,
                    _ => &[],
                };
                let terms = condition.terms.iter();
                let mut named: BTreeSet<Term> = terms
                    .flat_map(|term| if is_proposed(term) { instead.to_vec() } else { vec![term.clone()] })
                    .collect();
                for term in &named {
                    add(term, &condition.literals);
                }
                if named.remove(&Term::Now) {
                    by_now.extend(named.iter().cloned());
                }
                ties.extend((tied(condition).len() > 1).then_some(named));
            }
        }
        let mut ordered: Vec<(Term, Literals)> = terms.into_iter().collect();
        // With each key that travels along, the whole is varied.
        if ordered.iter().any(|(term, _)| matches!(term, Term::ProposedKey(_))) {
            ordered.retain(|(term, _)| *term != Term::ProposedKeys);
        }
        // Instants are varied around the time of the request, and a map as a whole around the keys that are proposed.
        ordered.sort_by_key(|(term, _)| match term {
            Term::Now => 0,
            Term::Attribute("userDefinedFields" | "resourceTags") => 2,
            _ => 1,
        });
        let mut before: BTreeSet<Term> = BTreeSet::new();
        let varied = ordered.into_iter().map(|(term, literals)| {
            let mut with_it = ties.iter().filter(|tie| tie.contains(&term)).peekable();
            let compared = with_it.peek().is_some();
            let related = with_it.any(|tie| !tie.is_disjoint(&before));
            before.insert(term.clone());
            let dated = term != Term::Now && by_now.contains(&term) && !literals.instants.is_empty();
            Varied { term, literals, compared, related, dated }
        });
        varied.collect()
    }

    /// What the classes of an axis are called.
    pub(super) fn called(&self, axis: &Axis, classes: &[Option<Class>], names: Option<&Names>) -> Vec<String> {
        let all: Vec<Mark> = names.into_iter().flat_map(|names| names.values().flatten().cloned()).collect();
        let mut called: Vec<String> = classes
            .iter()
            .map(|class| {
                let Some(class) = class else { return "not sent".to_owned() };
                match axis {
                    Axis::Known => if class[0].2 == Holds::True { "known" } else { "unknown" }.to_owned(),
                    Axis::Proposed(_) | Axis::Terms(_) => match names.and_then(|names| names.get(class)) {
                        Some(marks) if matches!(axis, Axis::Terms(terms) if terms[..] == [Term::Owner]) => {
                            owners(marks, &all)
                        }
                        Some(marks) => mark::name(marks, &all),
                        // Of what comes again every day, all is said: of several such conditions any may hold.
                        None => self.said(axis, class, *axis != Axis::of(vec![Term::Now])),
                    },
                }
            })
            .collect();
        // Two classes of one name would be one to a reader.
        for at in 1..called.len() {
            let twice = called[..at].iter().filter(|name| **name == called[at]).count();
            if twice > 0 {
                let said = classes[at].as_ref().map(|class| self.said(axis, class, false)).unwrap_or_default();
                let name = format!("{} ({said})", called[at]);
                called[at] = if called[..at].contains(&name) { format!("{name} {at}") } else { name };
            }
        }
        called
    }

    /// A class in the words of the policies: what holds, if `short` and if anything does.
    fn said(&self, axis: &Axis, class: &Class, short: bool) -> String {
        if matches!(axis, Axis::Terms(terms) if terms[..] == [Term::IsNew]) {
            let new = class
                .iter()
                .find(|(_, at, _)| self.own.all().get(*at).is_some_and(|own| &*own.text == "resource.isNew"));
            match new.map(|(.., truth)| *truth) {
                Some(Holds::True) => return "new".to_owned(),
                Some(Holds::False) => return "exists".to_owned(),
                _ => {}
            }
        }
        let own = |text: &str| {
            let mut own = class.iter().filter(|(question, ..)| question.is_empty());
            own.find(|(_, at, _)| self.own.all().get(*at).is_some_and(|own| plain(&own.text) == plain(text)))
                .map(|found| found.2)
        };
        if let Some(said) = of_key(own).filter(|_| class.len() == 2) {
            return said.to_owned();
        }
        let mut said = Vec::new();
        let holds = class.iter().any(|(.., truth)| *truth == Holds::True);
        for (question, at, truth) in class.iter().filter(|(.., truth)| !(short && holds && *truth == Holds::False)) {
            let conditions = if question.is_empty() {
                Some(&self.own)
            } else {
                let of = |(action, _): &&(Action, Distinctions)| question.starts_with(&format!("{action}["));
                self.others.iter().find(of).map(|(_, conditions)| conditions)
            };
            let Some(condition) = conditions.and_then(|conditions| conditions.all().get(*at)) else { continue };
            said.extend(plainly(&condition.text, *truth));
        }
        match axis {
            _ if !said.is_empty() => said.join(" and "),
            Axis::Terms(terms) if terms.len() > 1 => "nothing to compare".to_owned(),
            _ => "unknown".to_owned(),
        }
    }

    /// The conditions that no example makes true, or none makes false.
    pub(super) fn unseen(&self, places: &HashMap<Whereabouts, usize>) -> Vec<String> {
        let mut seen = BTreeSet::new();
        for (question, at, truth) in places.keys().flatten().flat_map(|(_, class)| class) {
            if question.is_empty() {
                seen.insert((*at, *truth));
            }
        }
        let conditions =
            self.own.all().iter().enumerate().filter(|(_, condition)| self.axis(condition, None).is_some());
        let never = |at: usize, truth| !seen.is_empty() && !seen.contains(&(at, truth));
        let notes = conditions.flat_map(|(at, condition)| {
            let holds = never(at, Holds::True).then(|| format!("{UNSEEN} holds: {}", condition.text));
            let fails = never(at, Holds::False).then(|| format!("{UNSEEN} does not hold: {}", condition.text));
            holds.into_iter().chain(fails)
        });
        notes.collect()
    }
}

/// How a note starts that is on a condition of which only one side is shown.
pub(in crate::workbench) const UNSEEN: &str = "no example was found in which this";

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

pub(super) fn is_proposed(term: &Term) -> bool {
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
    // Which of two words is the greater one is told at once.
    let equal = !condition.text.contains(['<', '>']);
    closed && equal && !condition.literals.attributes.contains("normalized")
}

/// Distinctions that tell each word of a closed vocabulary apart, where it is compared with another one.
fn words_to_tell_apart(conditions: &[Distinction], action: Action) -> Vec<String> {
    let compared = conditions.iter().filter(|condition| condition.terms.len() > 1 && is_closed(condition, action));
    let terms: BTreeSet<&Term> = compared.flat_map(|condition| &condition.terms).collect();
    terms.into_iter().flat_map(|term| words_of(term, action)).collect()
}

pub(super) fn words_of(term: &Term, action: Action) -> Vec<String> {
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

/// What classes of accounts are called.
fn owners(places: &[Mark], all: &[Mark]) -> String {
    let own = |mark: &Mark| *mark == Mark::word(OWN);
    let alone = all.iter().any(own) && !places.iter().any(own) && places.len() + 1 == all.len();
    if alone && places.len() > 1 { "another".to_owned() } else { mark::name(places, all) }
}

/// What people call the account of the caller.
pub(super) const OWN: &str = "own";

/// A condition as people would say it; nothing where it cannot be told.
fn plainly(condition: &str, truth: Holds) -> Option<String> {
    let said = condition.replace("context.", "").replace("resource.", "finding's ");
    match truth {
        Holds::Fails => None,
        Holds::True => Some(said),
        Holds::False => Some(format!("not {said}")),
    }
}

/// A text without what only groups it.
fn plain(text: &str) -> String {
    text.replace(['(', ')'], "")
}

/// What a key of an update is to the finding, where policies ask for just that.
fn of_key(truth_of: impl Fn(&str) -> Option<Holds>) -> Option<&'static str> {
    let has = truth_of("resource.userDefinedFields.hasTag(context.key)")?;
    let same = truth_of("resource.userDefinedFields.getTag(context.key).text == context.value")?;
    match (has, same) {
        (Holds::False, _) => Some("added"),
        (Holds::True, Holds::False) => Some("changed"),
        (Holds::True, Holds::True) => Some("unchanged"),
        _ => None,
    }
}

//! What one question of the gate can tell of what another one is about.
//!
//! IAM decides a request as a whole; the gate asks its policies one question for each leaf, element and key. A question has its
//! own value, and of the rest of the request what its context has: which fields come with it, the note, and the user-defined fields.

use super::{
    condition::{Atom, Unit},
    expression::{self, Clause, Matcher, Values},
    keys::{self, Domain, Leaf},
    operator::Quantifier,
};
use crate::finding::{Action, Operation};

/// The questions of an operation's requests, besides those about what an update drops.
pub(super) fn of_operation(operation: Operation) -> Vec<Action> {
    let asked = |action: &Action| match operation {
        Operation::BatchUpdateFindingsV2 => {
            matches!(action, Action::Note | Action::RecordState | Action::SeverityLabel | Action::WorkflowStatus)
        }
        Operation::BatchImportFindings => !action.is_removal(),
        _ => !matches!(action, Action::Import | Action::RecordState),
    };
    Action::ALL.iter().copied().filter(asked).collect()
}

/// The questions that ask about one unit: that of a status in terms of OCSF has two.
pub(super) fn of_unit(question: Action, operation: Operation) -> Vec<Action> {
    match (question, operation) {
        (Action::WorkflowStatus, Operation::BatchUpdateFindingsV2) => vec![question, Action::RecordState],
        _ => vec![question],
    }
}

/// That a unit's question is asked, as every question can tell, if it can. `reads` is whether its value is read next.
fn is_there(unit: &Unit, operation: Operation, reads: bool) -> Option<String> {
    match unit.question {
        Action::Note if reads => Some("context has note".to_owned()),
        Action::UserDefinedFields if reads => Some("context has userDefinedFields".to_owned()),
        question => {
            let field = keys::telling_field(question, operation)?;
            Some(format!("context.fields.contains(Field::\"{field}\")"))
        }
    }
}

/// That it is not asked.
pub(super) fn is_missing(question: Action, operation: Operation) -> Option<String> {
    let field = keys::telling_field(question, operation)?;
    Some(format!("!context.fields.contains(Field::\"{field}\")"))
}

/// That all three members of `Severity` are missing, which every question can tell.
pub(super) const NO_SEVERITY: &str = "!context.fields.contains(Field::\"Severity\")";

/// What a unit's values are, as every other question can tell, if it can.
pub(super) fn beside(unit: &Unit, operation: Operation) -> Option<Vec<String>> {
    let atoms = unit.present.as_deref()?;
    let mut all = vec![is_there(unit, operation, !atoms.is_empty())?];
    for atom in atoms {
        all.extend(atom_beside(atom)?);
    }
    Some(all)
}

fn atom_beside(atom: &Atom) -> Option<Vec<String>> {
    let Values::Texts(clauses) = &atom.values else { return None };
    match (atom.leaf.beside(), atom.leaf) {
        (Some(path), _) => Some(expression::texts(clauses, path)),
        (None, Leaf::UserDefinedFieldsKey) if atom.quantifier == Quantifier::Any => match &clauses[..] {
            [Clause { negated: false, any }] => {
                let key = |matcher: &Matcher| match matcher {
                    Matcher::Is(key) => Some(format!("context.userDefinedFields.hasTag({})", expression::string(key))),
                    _ => None,
                };
                Some(vec![expression::or(any.iter().map(key).collect::<Option<_>>()?)])
            }
            _ => None,
        },
        _ => None,
    }
}

/// What of a unit's values its own question can tell: for each question that asks about it, what must hold there. `any` is
/// whether it is enough that one question finds it so (a denial); else all of them must (a grant).
pub(super) fn own(unit: &Unit, operation: Operation, any: bool) -> Result<Vec<(Action, Vec<String>)>, String> {
    let atoms = unit.present.as_deref().unwrap_or_default();
    if operation == Operation::BatchUpdateFindingsV2 && unit.question != Action::Note {
        return in_ocsf(unit.question, atoms, any);
    }
    // Of several values that are to be found, this question's is one; the others must be seen beside it.
    let wanted = |atom: &&Atom| atom.quantifier == Quantifier::Any;
    let hidden = atoms.iter().position(|atom| wanted(&atom) && atom_beside(atom).is_none());
    let this = any.then(|| hidden.or_else(|| atoms.iter().position(|atom| wanted(&atom)))).flatten();
    let mut all = Vec::new();
    for (place, atom) in atoms.iter().enumerate() {
        let path = atom.leaf.path();
        match atom.quantifier {
            Quantifier::Any if this != Some(place) => {
                all.push("context has userDefinedFields".to_owned());
                all.extend(atom_beside(atom).ok_or_else(|| {
                    format!(
                        "it needs one value of `{path}` among others, and each is asked about by itself: no question \
                         tells of the others"
                    )
                })?);
            }
            Quantifier::All if any => {
                return Err(format!(
                    "it depends on all values of `{path}` at once, and each is asked about by itself: no question \
                     tells of the others"
                ));
            }
            Quantifier::One | Quantifier::Any | Quantifier::All => all.extend(values(atom, unit.question)),
        }
    }
    all.dedup();
    Ok(vec![(unit.question, all)])
}

/// The values of an atom, where its own question has them.
fn values(atom: &Atom, question: Action) -> Vec<String> {
    let path = atom.leaf.value();
    match (&atom.values, atom.leaf.domain(), keys::words_of(question)) {
        (Values::Texts(clauses), ..) => expression::texts(clauses, path),
        (Values::Places(places), Domain::Closed(words), Some(kind)) => {
            let all: Vec<&str> = words.iter().map(String::as_str).collect();
            let accepted: Vec<&str> = places.iter().map(|place| all[*place]).collect();
            vec![expression::words(kind, &accepted, &all, path)]
        }
        (Values::Places(places), ..) => vec![expression::numbers(places, path)],
    }
}

/// The words that numbers of OCSF are asked as. Some are asked as the same: those cannot be told apart.
fn in_ocsf(question: Action, atoms: &[Atom], any: bool) -> Result<Vec<(Action, Vec<String>)>, String> {
    // What a key names twice was put together.
    let [Atom { leaf, values: Values::Places(places), .. }] = atoms else { return Ok(vec![(question, Vec::new())]) };
    let Domain::Closed(ids) = leaf.domain() else { return Ok(Vec::new()) };
    let asked: Vec<Vec<keys::Asked>> = ids.iter().map(|id| keys::asked_by(*leaf, id)).collect();
    let meant = |place: &usize| places.contains(place);
    let mut chosen: Vec<keys::Asked> = Vec::new();
    for pair in asked.iter().flatten() {
        let asking: Vec<usize> = (0..ids.len()).filter(|place| asked[*place].contains(pair)).collect();
        // A denial of it hits all that ask it; a grant of it is needed by those that are meant.
        let fits = if any { asking.iter().all(meant) } else { asking.iter().any(meant) };
        if fits && !chosen.contains(pair) {
            chosen.push(*pair);
        }
    }
    let hit = |place: usize, chosen: &[keys::Asked]| {
        let is_chosen = |pair: &keys::Asked| chosen.contains(pair);
        if any { asked[place].iter().any(is_chosen) } else { asked[place].iter().all(is_chosen) }
    };
    let wrong = |chosen: &[keys::Asked]| -> Vec<usize> {
        (0..ids.len()).filter(|place| hit(*place, chosen) != meant(place)).collect()
    };
    if !wrong(&chosen).is_empty() {
        let shared = |place: &usize| {
            let asked_too = |pair: &keys::Asked| places.iter().any(|other| asked[*other].contains(pair));
            !meant(place) && asked[*place].iter().any(asked_too)
        };
        let others: Vec<usize> = if any { (0..ids.len()).filter(shared).collect() } else { wrong(&chosen) };
        let list = |places: &[usize]| places.iter().map(|place| ids[*place].as_str()).collect::<Vec<_>>().join(", ");
        return Err(format!(
            "`{}` {}: the gate asks about it in words that {} ask too (docs/doors.md), so it cannot tell them apart",
            leaf.path(),
            list(places),
            list(&others)
        ));
    }
    // Of a denial, what hits nothing that the others do not hit is left out.
    for pair in chosen.clone().into_iter().filter(|_| any) {
        let without: Vec<keys::Asked> = chosen.iter().copied().filter(|other| *other != pair).collect();
        if wrong(&without).is_empty() {
            chosen = without;
        }
    }
    let mut questions: Vec<Action> = chosen.iter().map(|(action, _)| *action).collect();
    questions.sort_unstable();
    questions.dedup();
    let of = |question: Action| {
        let accepted: Vec<&str> =
            chosen.iter().filter(|(action, _)| *action == question).map(|(_, word)| *word).collect();
        let kind = keys::words_of(question).unwrap_or_default();
        let mut all: Vec<&str> =
            asked.iter().flatten().filter(|(action, _)| *action == question).map(|(_, word)| *word).collect();
        all.sort_unstable();
        all.dedup();
        // The one word that can be asked need not be said of a status that is archived; said, it reads better.
        (question, vec![expression::words(kind, &accepted, &all, "context.value")])
    };
    Ok(questions.into_iter().map(of).collect())
}

//! One question, answered with a set of policies and a store of entities.

use super::{
    Answer, Question, Reason, Verdict,
    ask::{Rules, Said},
    footprint::Footprint,
    names,
    probe::Unknown,
    request::{self, Parts},
    slice::{Sets, Slice},
};
use crate::finding::Value;
use cedar_policy::{Entities, Request, Schema};
use std::sync::Arc;

/// The verdict on a question, by the policies of a slice.
///
/// The context is made by the gate from typed values, so Cedar need not check it against the schema again; and what no policy
/// of the slice reads is left out of it. `Naive` gives and checks all of it, and a test holds the two against each other.
pub(super) fn evaluate(rules: &Rules, slice: &Slice, question: &Question<'_>, entities: &Entities) -> Verdict {
    let Footprint { value, fields, note, ref user_defined_fields, operation, now, .. } = slice.footprint;
    let parts = Parts { value, fields, note, user_defined_fields: !user_defined_fields.is_empty(), operation, now };
    let unknown = unknown(question);
    answer(rules, slice.sets(unknown), question, parts, None, entities)
}

/// What is not known in a question.
pub(super) fn unknown(question: &Question<'_>) -> Unknown {
    match (question.target.state, question.change.value()) {
        (_, Value::Unknown) => Unknown::Removal,
        (None, _) => Unknown::State,
        (Some(_), _) => Unknown::Nothing,
    }
}

/// The verdict by these policies. The context has the parts given, and is checked against the schema if there is one.
pub(super) fn answer(
    rules: &Rules,
    sets: &Sets,
    question: &Question<'_>,
    parts: Parts,
    schema: Option<&Schema>,
    entities: &Entities,
) -> Verdict {
    // What a removal would remove is not known: the context cannot be whole.
    let unknown = unknown(question);
    let schema = schema.filter(|_| unknown != Unknown::Removal);
    let (Ok(request), Ok(store)) = (cedar_request(question, parts, schema), with_proposed(question, parts, entities))
    else {
        return Verdict::settled(rules.error([]));
    };
    let store = store.as_ref().unwrap_or(entities);
    let Said { answer: enforced, mut open } = rules.ask(&sets.enforced, &request, store, unknown);
    let shadow = sets.with_shadow.as_ref().map(|policies| rules.ask(policies, &request, store, unknown));
    open |= shadow.as_ref().is_some_and(|said| said.open);
    let shadow = shadow.map(|said| said.answer).filter(|shadow| *shadow != enforced);
    Verdict { enforced, shadow, open }
}

/// The store with the keys and values that come with the change, if the context names them. (Of an entity that is not in the
/// store, `hasTag` would be false in silence.)
fn with_proposed(question: &Question<'_>, parts: Parts, entities: &Entities) -> Result<Option<Entities>, String> {
    let proposed = request::fields_beside(question.circumstances, question.kept).filter(|_| parts.user_defined_fields);
    let with = |pairs| {
        let proposed = request::proposed_fields(pairs)?;
        entities.clone().add_entities([proposed], None).map_err(|error| error.to_string())
    };
    proposed.map(with).transpose()
}

/// The question in Cedar's terms, checked against the schema if there is one.
pub(super) fn cedar_request(question: &Question<'_>, parts: Parts, schema: Option<&Schema>) -> Result<Request, String> {
    let context = request::context(question.change, question.circumstances, question.kept, parts)?;
    Request::new(
        names::caller_uid(question.caller),
        names::action_uid(question.change.action()).clone(),
        names::finding_uid(question.target.identifier),
        context,
        schema,
    )
    .map_err(|error| error.to_string())
}

/// The policies that failed, if any did.
pub(super) fn failed(verdict: &Verdict) -> Option<&[Arc<str>]> {
    [Some(&verdict.enforced), verdict.shadow.as_ref()].into_iter().flatten().find_map(|answer| match answer {
        Answer::Denied(denial) if denial.reason == Reason::PolicyError => Some(&*denial.policies),
        _ => None,
    })
}

//! One question, answered with a set of policies and a store of entities.

use super::{
    Answer, Question, Reason, Verdict,
    ask::Rules,
    footprint::Footprint,
    request::{self, Parts},
    slice::Slice,
};
use cedar_policy::{Entities, PolicySet, Request, Schema};
use std::sync::Arc;

/// The verdict on a question, by the policies of a slice.
///
/// The context is made by the gate from typed values, so Cedar need not check it against the schema again; and what no policy
/// of the slice reads is left out of it. `Naive` gives and checks all of it, and a test holds the two against each other.
pub(super) fn evaluate(rules: &Rules, slice: &Slice, question: &Question<'_>, entities: &Entities) -> Verdict {
    let Footprint { value, fields, note, .. } = slice.footprint;
    let Ok(request) = cedar_request(question, Parts { value, fields, note }, None) else {
        return Verdict { enforced: rules.error([]), shadow: None };
    };
    answer(rules, &slice.enforced, slice.with_shadow.as_ref(), &request, entities)
}

/// The verdict on a question that is already in Cedar's terms.
pub(super) fn answer(
    rules: &Rules,
    enforced: &PolicySet,
    with_shadow: Option<&PolicySet>,
    request: &Request,
    entities: &Entities,
) -> Verdict {
    let enforced = rules.ask(enforced, request, entities);
    let shadow = with_shadow.map(|policies| rules.ask(policies, request, entities));
    Verdict { shadow: shadow.filter(|shadow| *shadow != enforced), enforced }
}

/// The question in Cedar's terms, checked against the schema if there is one.
pub(super) fn cedar_request(question: &Question<'_>, parts: Parts, schema: Option<&Schema>) -> Result<Request, String> {
    let context = request::context(question.change, question.update, question.kept, parts)?;
    Request::new(
        request::caller_uid(question.caller),
        request::action_uid(question.change.action()).clone(),
        request::finding_uid(question.target.identifier),
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

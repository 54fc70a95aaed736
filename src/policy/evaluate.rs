//! One question, answered with a set of policies and a store of entities.

use super::{Answer, Question, Reason, Verdict, ask::Rules, request};
use cedar_policy::{Entities, PolicySet, Request};
use std::sync::Arc;

/// The verdict on a question. The context is made by the gate from typed values, so Cedar need not check it against the
/// schema again; `Naive` does, and a test holds the two against each other.
pub(super) fn evaluate(
    rules: &Rules,
    enforced: &PolicySet,
    with_shadow: Option<&PolicySet>,
    question: &Question<'_>,
    entities: &Entities,
) -> Verdict {
    let Ok(request) = cedar_request(question, false) else {
        return Verdict { enforced: rules.error([]), shadow: None };
    };
    answer(rules, enforced, with_shadow, &request, entities)
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

/// The question in Cedar's terms.
pub(super) fn cedar_request(question: &Question<'_>, checked: bool) -> Result<Request, String> {
    let context = request::context(question.change, question.update, question.kept)?;
    Request::new(
        request::caller_uid(question.caller),
        request::action_uid(question.change.action()).clone(),
        request::finding_uid(question.target.identifier),
        context,
        checked.then(super::schema),
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

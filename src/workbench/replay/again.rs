//! Deciding a recorded request again, and putting what was said beside what would be.

use super::{
    super::{
        Call,
        matrix::{Effect, Reply},
    },
    Finding, Known, Recorded, Was, Why, import, named,
    replies::{Answered, Certainty},
    rules, unasked,
};
use crate::{
    finding::{Action, BatchUpdate, BatchUpdateV2, Change},
    gate::{self, Asked, Decision, Findings, Knowledge, Named, decide},
    policy::{
        Verdict,
        hidden::{Doubt, Veiled},
    },
};
use serde_json::{Value, json};
use std::{rc::Rc, sync::Arc};

/// What is said of a change, or of which it is and why it cannot be said.
pub(super) type Said = Result<Answered, (Action, Option<String>, Why)>;

/// What becomes of a finding.
#[derive(Debug)]
pub(super) enum Fate {
    /// The policies were asked.
    Ruled(Vec<Said>),
    /// To the caller there is no such finding.
    NotFound,
    /// Nobody was asked, and it was denied.
    Denied(&'static str),
    /// Nothing was decided: it came before in the same request, or is no finding.
    Nothing,
    /// The record does not say.
    Unknown,
}

/// What is on record of a finding.
pub(super) fn recorded(finding: &Finding) -> Fate {
    let answered = |was: &Was| {
        Ok(Answered {
            action: was.action,
            element: was.element.clone(),
            value: None,
            reply: was.reply.clone(),
            certainty: Certainty::All,
        })
    };
    match &finding.was {
        Some(was) => Fate::Ruled(was.iter().map(answered).collect()),
        None => Fate::Unknown,
    }
}

/// What becomes of each finding of the request.
pub(super) fn fates(judge: &mut Veiled, request: &Recorded, looks_up: bool) -> Result<Vec<Fate>, Why> {
    judge.hide(request.hidden.clone());
    let known: Vec<gate::Known<'_>> = request.findings.iter().map(|finding| as_known(&finding.known)).collect();
    let knowledge = if looks_up { Knowledge::OfEach(&known) } else { Knowledge::Never };
    match &request.asked {
        super::Asked::Findings(Call::Update(members)) => {
            let name = |finding: &Finding| json!({ "Id": &*finding.identifier.id, "ProductArn": &*finding.identifier.product_arn });
            let body = body(members, request.findings.iter().map(name).collect());
            let update = BatchUpdate::parse(body.as_bytes()).map_err(|error| unreadable(&error))?;
            let asked = Asked::of_update(&update, request.now);
            let decision = decide(judge, &request.caller, asked, knowledge);
            Ok(told(judge, request, &decision, Findings::Asff(&update.identifiers), looks_up))
        }
        super::Asked::Findings(Call::UpdateV2(members)) => {
            // What the request called it; which finding that means, `named` says.
            let name = |finding: &Finding| {
                let account = finding.owner.unwrap_or(request.caller.account);
                let product = "product";
                json!({ "CloudAccountUid": account, "FindingInfoUid": &*finding.identifier.id, "MetadataProductUid": product })
            };
            let body = body(members, request.findings.iter().map(name).collect());
            let update = BatchUpdateV2::parse(body.as_bytes()).map_err(|error| unreadable(&error))?;
            let named: Vec<Named<'_>> = request.findings.iter().map(as_named).collect();
            let note = update.update.note(&request.caller.principal);
            let asked = Asked::of_update_v2(&update, &named, note.as_ref(), request.now);
            let decision = decide(judge, &request.caller, asked, knowledge);
            let findings = Findings::Ocsf { names: &update.findings, named: &named };
            Ok(told(judge, request, &decision, findings, looks_up))
        }
        super::Asked::Findings(Call::Import(_)) => import::fates(judge, request, looks_up),
        super::Asked::Rules(operation, rules) => rules::fates(judge, request, *operation, rules),
    }
}

pub(super) fn unreadable(error: &impl std::fmt::Display) -> Why {
    Why::Record { what: format!("the update on record is none: {error}") }
}

pub(super) fn body(members: &serde_json::Map<String, Value>, findings: Vec<Value>) -> String {
    let mut body = members.clone();
    body.insert("FindingIdentifiers".to_owned(), findings.into());
    Value::Object(body).to_string()
}

pub(super) fn as_known(known: &Known) -> gate::Known<'_> {
    match known {
        Known::Nothing => gate::Known::Nothing,
        Known::Missing(_) => gate::Known::Missing,
        Known::State(state) => gate::Known::State(state),
    }
}

fn as_named(finding: &Finding) -> Named<'static> {
    match (&finding.known, finding.owner) {
        (Known::Missing(_), _) => Named::Missing,
        (_, Some(account)) => Named::Finding { account, identifier: finding.identifier.clone() },
        (_, None) => Named::Unresolved,
    }
}

/// What was decided on an update, finding by finding.
fn told(
    judge: &Veiled,
    request: &Recorded,
    decision: &Decision<'_>,
    findings: Findings<'_>,
    looks_up: bool,
) -> Vec<Fate> {
    let depends = if looks_up { decision.depends_on_state(&request.caller, findings) } else { Vec::new() };
    let fates = decision.fates.iter().enumerate().map(|(place, fate)| match fate {
        gate::Fate::Duplicate(_) => Fate::Nothing,
        gate::Fate::NotFound => Fate::NotFound,
        gate::Fate::OwnerContradicted(_) | gate::Fate::OwnerUnknown(_) | gate::Fate::Unresolved(_) => {
            // A look-up would tell whose it is.
            if depends.contains(&place) { Fate::Unknown } else { Fate::Denied("owner-unknown") }
        }
        gate::Fate::Ruled(ruling) => {
            // What the caller may not see is not looked up for it, so that it is not known is all that there is to know.
            let open = depends.contains(&place) && matches!(request.findings[place].known, Known::Nothing);
            let asked: Vec<_> = ruling.asked(&decision.changes).collect();
            Fate::Ruled(of_finding(judge, request, &asked, open, !request.findings[place].is_named))
        }
    });
    fates.collect()
}

/// What is said of each change of a finding, and why it cannot be said. `open`: what it depends on was not looked up.
pub(super) fn of_finding(
    judge: &Veiled,
    request: &Recorded,
    asked: &[(&Change<'_>, &Rc<Verdict>)],
    open: bool,
    is_named_otherwise: bool,
) -> Vec<Said> {
    let caller = &request.caller;
    let doubt = |change: &Change<'_>, verdict: &Rc<Verdict>| {
        if open && verdict.open {
            return Some(Why::NotLookedUp { policies: policies(verdict) });
        }
        if let Some(Doubt::Verdict(ids)) = judge.doubt_about(change, verdict) {
            return Some(masked(request, ids));
        }
        (is_named_otherwise && judge.reads_id(caller, change.action())).then_some(Why::Name)
    };
    let doubts: Vec<Option<Why>> = asked.iter().map(|(change, verdict)| doubt(change, verdict)).collect();
    let untold = judge.untold(asked).map(|(action, policies)| Err((action, None, masked(request, policies))));
    let mut untold: Vec<_> = untold.collect();
    untold.dedup();
    let is_tainted = doubts.iter().any(Option::is_some) || !untold.is_empty();
    let answered = asked.iter().zip(doubts).map(|((change, verdict), doubt)| {
        let certainty =
            if judge.doubt_about(change, verdict) == Some(&Doubt::By) { Certainty::Effect } else { Certainty::All };
        let answered = Answered::of(change, verdict, caller, certainty);
        // Whether it would be asked again with less beside it is not known.
        let beside = || (is_tainted && judge.reads_others(caller, change.action())).then_some(Why::Beside);
        match doubt.or_else(beside) {
            Some(why) => Err((answered.action, answered.element, why)),
            None => Ok(answered),
        }
    });
    answered.chain(untold).collect()
}

/// That policies read what the record does not show.
fn masked(request: &Recorded, policies: &[Arc<str>]) -> Why {
    let texts = request.hidden.iter().map(|text| named(*text).to_owned()).collect();
    Why::Masked { texts, policies: policies.iter().map(ToString::to_string).collect() }
}

/// The policies that a denial names.
fn policies(verdict: &Verdict) -> Vec<String> {
    let denial = verdict.enforced.denial();
    denial.map(|denial| denial.policies.iter().map(ToString::to_string).collect()).unwrap_or_default()
}

/// What was said of each change beside what would be said, or why that cannot be told.
pub(super) fn pairs<'f>(old: &'f Fate, new: &'f Fate) -> Vec<Result<(Pair<'f>, Pair<'f>), Why>> {
    match (old, new) {
        (Fate::Ruled(old), Fate::Ruled(new)) => side_by_side(old, new),
        (Fate::Ruled(old), new) => {
            let effect = match new {
                Fate::NotFound => unasked(Effect::NotFound, None),
                Fate::Denied(reason) => unasked(Effect::Reject, Some(reason)),
                _ => return vec![Err(Why::NotLookedUp { policies: Vec::new() })],
            };
            let pair = |answered: &'f Said| match answered {
                Ok(answered) => {
                    let new = Answered { reply: effect.clone(), ..answered.clone() };
                    Ok((Pair::Lent(answered), Pair::Own(new)))
                }
                Err((.., why)) => Err(why.clone()),
            };
            old.iter().map(pair).collect()
        }
        (Fate::Unknown | Fate::NotFound | Fate::Denied(_), Fate::Ruled(_)) => {
            let what = "no policy was asked then, and the policies would be asked now; the record does not say what was answered";
            vec![Err(Why::Record { what: what.to_owned() })]
        }
        _ => Vec::new(),
    }
}

/// Something of one's own, or lent.
pub(super) enum Pair<'f> {
    Lent(&'f Answered),
    Own(Answered),
}

impl std::ops::Deref for Pair<'_> {
    type Target = Answered;

    fn deref(&self) -> &Answered {
        match self {
            Self::Lent(answered) => answered,
            Self::Own(answered) => answered,
        }
    }
}

/// Each change of both. A removal may come up on one side alone; if it was denied there, it stands beside what became of it on the other.
fn side_by_side<'f>(old: &'f [Said], new: &'f [Said]) -> Vec<Result<(Pair<'f>, Pair<'f>), Why>> {
    let key = |said: &'f Said| match said {
        Ok(answered) => (answered.action, answered.element.as_deref()),
        Err((action, element, _)) => (*action, element.as_deref()),
    };
    let mut left: Vec<Option<&Said>> = old.iter().map(Some).collect();
    let mut pairs = Vec::with_capacity(new.len());
    for said in new {
        let (action, element) = key(said);
        let is_same = |other: &&mut Option<&'f Said>| {
            other.is_some_and(|other| {
                let (other_action, other_element) = key(other);
                other_action == action && (other_element == element || other_element.is_none() || element.is_none())
            })
        };
        let then = left.iter_mut().find(is_same).and_then(Option::take);
        match (then, said) {
            (_, Err((.., why))) | (Some(Err((.., why))), _) => pairs.push(Err(why.clone())),
            (Some(Ok(then)), Ok(now)) => pairs.push(Ok((Pair::Lent(then), Pair::Lent(now)))),
            (None, Ok(now)) if now.reply.effect != Effect::Allow => pairs.push(unlisted(old, new, now).map(|reply| {
                let then = Answered { reply, ..now.clone() };
                (Pair::Own(then), Pair::Lent(now))
            })),
            // That it may be made where it comes up is no news: what kept it from coming up is told.
            (None, Ok(_)) => {}
        }
    }
    for said in left.into_iter().flatten() {
        match said {
            Ok(then) if then.reply.effect != Effect::Allow => pairs.push(unlisted(new, old, then).map(|reply| {
                let now = Answered { reply, ..then.clone() };
                (Pair::Lent(then), Pair::Own(now))
            })),
            Ok(_) => {}
            Err((.., why)) => pairs.push(Err(why.clone())),
        }
    }
    pairs
}

/// What becomes of a removal on the side that does not list it. There it is allowed while it is not known what there is to drop, or it does
/// not come to pass, because of what denies its finding or its field.
fn unlisted(side: &[Said], other: &[Said], removal: &Answered) -> Result<Reply, Why> {
    let Some(field) = removal.action.field().filter(|_| removal.action.is_removal()) else {
        let what = format!("the record has other changes of the finding than its update has: {}", removal.action);
        return Err(Why::Record { what });
    };
    // What is not known of one side may be what kept it from coming up.
    if side.iter().chain(other).any(Result::is_err) {
        return Err(Why::Beside);
    }
    let denials = side.iter().flatten().filter(|answered| answered.reply.effect != Effect::Allow);
    let stops = denials
        .filter(|denial| denial.reply.effect > Effect::Strip || denial.action.field() == Some(field))
        .max_by_key(|denial| denial.reply.effect);
    Ok(stops.map_or_else(|| unasked(Effect::Allow, None), |denial| denial.reply.clone()))
}

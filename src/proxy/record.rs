//! What becomes of a request, put together for its record.

use super::{
    RequestId,
    failed::{Failed, Outcome},
    handler::Reply,
    lookup::LookedUp,
};
use crate::{
    audit::{self, Answered, Call, Event, Line, Masks, Ruling, VERSION, Verdict, Word},
    finding::{
        AccountId, ApiError, BatchUpdate, BatchUpdateV2, Caller, Change, Enforcement, FieldSet, Operation, State, Text,
        Timestamp, Value,
        outcome::code,
        outcome_rules::{AnsweredRules, UnprocessedRule},
    },
    gate::{self, Decision, Fared, Fate, Findings, Group, ImportDecision, ImportFate, RuleDecision, Why},
    policy,
    state::Found,
};
use serde_json::{json, value::RawValue};
use std::{borrow::Cow, rc::Rc, sync::Arc};

/// Where records go, and what they do not show.
#[derive(Debug, Clone)]
pub struct Records {
    /// The log.
    pub log: audit::Log,
    /// `audit.mask`
    pub masks: Masks,
    /// `audit.callers` is `all`: requests that prove no caller are on record, too.
    pub unidentified: bool,
}

/// The words of [`audit::Finding::why`] that are the gate's own.
mod why {
    pub(super) const DENIED: &str = "denied";
    pub(super) const DUPLICATE: &str = "duplicate";
    pub(super) const NOT_FOUND: &str = "not-found";
    /// The whole call was refused on account of another finding.
    pub(super) const REFUSED: &str = "refused";
    pub(super) const UNKNOWN: &str = "unknown";
}

/// A request's own words, for its record.
pub(super) trait Recorded {
    /// What it asks of every finding as it may be shown, and what of that is masked.
    fn update(&self, masks: Masks) -> (Vec<u8>, Masks);
}

impl Recorded for BatchUpdate<'_> {
    fn update(&self, masks: Masks) -> (Vec<u8>, Masks) {
        let (shown, masked) = audit::mask::update(&self.update, masks);
        let mut json = Vec::new();
        shown.write_json(&mut json);
        (json, masked)
    }
}

impl Recorded for BatchUpdateV2<'_> {
    fn update(&self, masks: Masks) -> (Vec<u8>, Masks) {
        let mut shown = self.update.clone();
        let masks = Masks::of(masks.iter().filter(|masked| *masked == audit::Masked::NoteText));
        let masked = if shown.comment.is_some() { masks } else { Masks::NONE };
        if masked != Masks::NONE {
            shown.comment = Some(Text::from(audit::MASK.to_owned()));
        }
        let mut json = Vec::new();
        shown.write_json(&mut json);
        (json, masked)
    }
}

/// A record that is not whole yet.
#[derive(Debug)]
pub(super) struct Draft {
    masks: Masks,
    masked: Masks,
    update: Option<Box<RawValue>>,
    findings: Vec<audit::Finding<'static>>,
    rulings: Vec<Ruling<'static>>,
    calls: Vec<Call<'static>>,
}

impl Draft {
    pub(super) fn new(masks: Masks) -> Self {
        let (findings, rulings, calls) = (Vec::new(), Vec::new(), Vec::new());
        Self { masks, masked: Masks::NONE, update: None, findings, rulings, calls }
    }

    /// What was decided on an update.
    pub(super) fn updated<'n>(
        &mut self,
        request: &impl Recorded,
        name: impl Fn(usize) -> &'n str,
        findings: Findings<'_>,
        decision: &Decision<'_>,
        known: &LookedUp,
    ) {
        let (update, masked) = request.update(self.masks);
        self.masked = self.masked.and(masked);
        self.update = String::from_utf8(update).ok().and_then(|json| RawValue::from_string(json).ok());
        let mut told: Vec<*const gate::Ruling<'_>> = Vec::new();
        for (place, fate) in decision.fates.iter().enumerate() {
            let (state, is_new) = match known.get(place) {
                Some(Some(Found::Known(state))) => (Some(&**state), None),
                Some(Some(Found::Missing)) => (None, Some(true)),
                _ => (None, None),
            };
            let identifier = findings.identifier(place);
            let owner = findings.owner(place).or_else(|| state.map(|state| state.account));
            let mut finding = self.finding(name(place), owner, state);
            finding.product_arn = identifier.map(|identifier| Cow::Owned(identifier.product_arn.to_string()));
            let is_named = matches!(findings, Findings::Asff(_));
            finding.finding_id =
                identifier.filter(|_| !is_named).map(|identifier| Cow::Owned(identifier.id.to_string()));
            finding.is_new = is_new;
            if let Fate::Ruled(ruling) = fate {
                let at = told.iter().position(|known| *known == Rc::as_ptr(ruling)).unwrap_or_else(|| {
                    told.push(Rc::as_ptr(ruling));
                    self.ruling(ruling, &decision.changes);
                    told.len() - 1
                });
                finding.ruling = Some(at);
            }
            let (outcome, why) = match fate {
                Fate::Duplicate(_) => (audit::Outcome::Unprocessed, why::DUPLICATE),
                Fate::NotFound => (audit::Outcome::Unprocessed, why::NOT_FOUND),
                fate if fate.enforcement().is_some() => (audit::Outcome::Unprocessed, why::DENIED),
                _ => (audit::Outcome::Unprocessed, why::REFUSED),
            };
            (finding.outcome, finding.why) = (outcome, Some(why.into()));
            self.findings.push(finding);
        }
    }

    /// What was decided on an import.
    pub(super) fn imported(
        &mut self,
        request: &crate::finding::BatchImport,
        decision: &ImportDecision<'_>,
        known: &LookedUp,
    ) {
        for (place, (fate, identifier)) in decision.fates.iter().zip(&request.identifiers).enumerate() {
            let found = known.get(place).and_then(Option::as_ref);
            let imported = &request.findings[place];
            // A new finding is judged as it will be.
            let created = imported.governed.as_ref().ok().map(crate::finding::Governed::created);
            let (state, is_new) = match found {
                Some(Found::Known(state)) if state.account == imported.account => (Some(&**state), Some(false)),
                Some(Found::Missing | Found::Known(_)) => (created, Some(true)),
                Some(Found::Unavailable(_)) | None => (None, None),
            };
            let mut finding = self.finding(&identifier.id, Some(imported.account), state);
            finding.product_arn = Some(identifier.product_arn.to_string().into());
            finding.is_new = is_new;
            let why = match fate {
                ImportFate::Duplicate(_) => why::DUPLICATE.into(),
                ImportFate::Invalid(invalid) => Cow::Owned(invalid.code.to_string()),
                fate if fate.enforcement().is_some() => why::DENIED.into(),
                _ => why::REFUSED.into(),
            };
            (finding.outcome, finding.why) = (audit::Outcome::Unprocessed, Some(why));
            if let ImportFate::Ruled { changes, ruling } = fate {
                finding.ruling = Some(self.rulings.len());
                self.ruling(ruling, changes);
            }
            self.findings.push(finding);
        }
    }

    /// What was decided on an automation rule.
    pub(super) fn rule(&mut self, name: &str, asked: &[u8], decision: &RuleDecision<'_>) {
        let mut rule = self.finding(name, None, None);
        rule.rule = serde_json::from_slice(asked).ok();
        if let Some(asked) = &mut rule.rule {
            self.masked = self.masked.and(audit::mask::rule(asked, self.masks));
        }
        if let Some(decided) = &decision.decision
            && let Some(Fate::Ruled(ruling)) = decided.fates.first()
        {
            rule.ruling = Some(self.rulings.len());
            self.ruling(ruling, &decided.changes);
        }
        let why = if decision.enforcement.is_some() { why::DENIED } else { why::REFUSED };
        (rule.outcome, rule.why) = (audit::Outcome::Unprocessed, Some(why.into()));
        self.findings.push(rule);
    }

    /// The calls that were made, one for each group.
    pub(super) fn called<'g>(&mut self, groups: impl Iterator<Item = (FieldSet, usize)> + 'g, outcomes: &[Outcome]) {
        for ((fields, findings), outcome) in groups.zip(outcomes) {
            let failed = Failed::of(outcome);
            let status = failed.as_ref().map_or(200, |failed| failed.status);
            self.calls.push(Call {
                fields: fields.iter().map(|field| field.as_str().into()).collect(),
                findings,
                status,
                error: failed.and_then(|failed| failed.code).map(Cow::Owned),
                request_id: outcome.as_ref().ok().and_then(|answer| answer.request_id.clone()).map(Cow::Owned),
            });
        }
    }

    /// What became of the findings in the end.
    pub(super) fn fared(&mut self, fared: &Fared) {
        for place in &fared.processed {
            if let Some(finding) = self.findings.get_mut(*place) {
                (finding.outcome, finding.why) = (audit::Outcome::Processed, None);
            }
        }
        for (place, why) in &fared.told {
            let word = match why {
                Why::Denied | Why::Partial => why::DENIED.into(),
                Why::Duplicate => why::DUPLICATE.into(),
                Why::NotFound => why::NOT_FOUND.into(),
                Why::Unknown => why::UNKNOWN.into(),
                Why::Failed(code) => Cow::Owned(code.clone()),
            };
            let Some(finding) = self.findings.get_mut(*place) else { continue };
            if *why == Why::Partial {
                // Besides, another entry may say that it was not updated at all, and why.
                if finding.outcome == audit::Outcome::Processed {
                    (finding.outcome, finding.why) = (audit::Outcome::PartlyProcessed, Some(word));
                }
            } else {
                (finding.outcome, finding.why) = (audit::Outcome::Unprocessed, Some(word));
            }
        }
    }

    /// That all findings which were forwarded are processed.
    pub(super) fn all_processed(&mut self) {
        for finding in &mut self.findings {
            (finding.outcome, finding.why) = (audit::Outcome::Processed, None);
        }
    }

    /// What became of the findings of an import: by their places the codes of those that failed, wholly or in part.
    pub(super) fn import_fared(&mut self, forwarded: &[(usize, FieldSet)], failed: &[(usize, String)]) {
        for (place, _) in forwarded {
            if let Some(finding) = self.findings.get_mut(*place) {
                (finding.outcome, finding.why) = (audit::Outcome::Processed, None);
            }
        }
        for (place, code) in failed {
            let Some(finding) = self.findings.get_mut(*place) else { continue };
            (finding.outcome, finding.why) = match &**code {
                code::PARTIAL_IMPORT => (audit::Outcome::PartlyProcessed, Some(why::DENIED.into())),
                code::ACCESS_DENIED => (audit::Outcome::Unprocessed, Some(why::DENIED.into())),
                code::DUPLICATED => (audit::Outcome::Unprocessed, Some(why::DUPLICATE.into())),
                code => (audit::Outcome::Unprocessed, Some(code.to_owned().into())),
            };
        }
    }

    /// What became of findings, by their places, whose call failed as a whole, with the code of that.
    pub(super) fn failed(&mut self, places: impl Iterator<Item = usize>, code: Option<&str>) {
        for place in places {
            if let Some(finding) = self.findings.get_mut(place) {
                finding.why = Some(code.map_or(why::UNKNOWN.into(), |code| code.to_owned().into()));
            }
        }
    }

    /// What was forwarded, and of which nobody heard what became of it.
    pub(super) fn given_up(&mut self) {
        for finding in self.findings.iter_mut().filter(|finding| finding.why.as_deref() == Some(why::REFUSED)) {
            finding.why = Some(why::UNKNOWN.into());
        }
    }

    /// That the call with these rules, by their places, came to an error.
    pub(super) fn rules_failed(&mut self, forwarded: &[usize], error: &ApiError) {
        self.calls.push(Call {
            fields: Vec::new(),
            findings: forwarded.len(),
            status: error.status,
            error: Some(error.code.into()),
            request_id: None,
        });
        for place in forwarded {
            if let Some(rule) = self.findings.get_mut(*place) {
                rule.why = Some(if error.status >= 500 { why::UNKNOWN } else { error.code }.into());
            }
        }
    }

    /// What the backend answered about the rules that were forwarded, by their places: one that it does not name is processed.
    pub(super) fn rules_answered(&mut self, forwarded: &[usize], reply: &Reply) {
        let is_made = reply.status == http::StatusCode::OK;
        let error = reply.error_type.as_ref().and_then(|kind| kind.to_str().ok());
        self.calls.push(Call {
            fields: Vec::new(),
            findings: forwarded.len(),
            status: reply.status.as_u16(),
            error: error.map(|kind| kind.to_owned().into()),
            request_id: None,
        });
        let answer: Option<AnsweredRules> = serde_json::from_slice(&reply.body).ok();
        let (is_made, is_read) = (is_made && answer.is_some(), answer.is_some());
        let answer = answer.unwrap_or_default();
        for place in forwarded {
            let Some(rule) = self.findings.get_mut(*place) else { continue };
            let named = |unprocessed: &&UnprocessedRule| unprocessed.rule_arn.as_deref() == Some(&*rule.id);
            let refused = answer.unprocessed_automation_rules.iter().find(named);
            (rule.outcome, rule.why) = match refused {
                None if is_made => (audit::Outcome::Processed, None),
                None => {
                    let why = error.filter(|_| is_read).unwrap_or(why::UNKNOWN);
                    (audit::Outcome::Unprocessed, Some(why.to_owned().into()))
                }
                Some(refused) => {
                    let code = refused.error_code.map_or(why::UNKNOWN.into(), |code| code.to_string().into());
                    (audit::Outcome::Unprocessed, Some(code))
                }
            };
        }
    }

    fn finding(&mut self, id: &str, owner: Option<AccountId>, state: Option<&State>) -> audit::Finding<'static> {
        let state = state.map(|state| {
            let mut shown = state.to_asff();
            self.masked = self.masked.and(audit::mask::state(&mut shown, self.masks));
            shown
        });
        audit::Finding {
            id: id.to_owned().into(),
            finding_id: None,
            product_arn: None,
            owner: owner.map(|owner| owner.to_string().into()),
            outcome: audit::Outcome::Unprocessed,
            why: None,
            ruling: None,
            state,
            is_new: None,
            rule: None,
        }
    }

    fn ruling(&mut self, ruling: &gate::Ruling<'_>, changes: &[Change<'_>]) {
        let (masks, is_said, mut masked) = (self.masks, self.update.is_some(), self.masked);
        let verdicts = ruling.asked(changes).map(|(change, verdict)| {
            let (element, value) = value(change, is_said, masks, &mut masked);
            Verdict {
                action: change.action().as_str().into(),
                element,
                value,
                answer: answered(&verdict.enforced),
                shadow: verdict.shadow.as_ref().map(answered),
            }
        });
        let verdicts = verdicts.collect();
        self.masked = masked;
        self.rulings.push(Ruling {
            verdicts,
            kept: ruling.kept.iter().map(|field| field.as_str().into()).collect(),
            enforcement: ruling.enforcement.map(|enforcement| enforcement.as_str().into()),
        });
    }

    /// The record.
    pub(super) fn into_line(self, about: About<'_>) -> Line<'_> {
        let About { id, caller, peer, operation, snapshot, time, answer, duration_us } = about;
        let request = audit::Request {
            id: id.as_str().into(),
            caller: caller.map(caller_of),
            peer: Some(peer.into()),
            operation,
            snapshot: snapshot.into(),
            update: self.update.map(audit::Update::Written),
            masked: self.masked.iter().map(|masked| masked.as_str().into()).collect(),
            findings: self.findings,
            rulings: self.rulings,
            calls: self.calls,
            answer,
            duration_us,
        };
        Line { version: VERSION, time, event: Event::Request(Box::new(request)) }
    }
}

/// Which of several a change is of, and its value as it may be shown. What is `said` elsewhere, word by word, is not said again.
fn value(
    change: &Change<'_>,
    said: bool,
    masks: Masks,
    masked: &mut Masks,
) -> (Option<Cow<'static, str>>, Option<serde_json::Value>) {
    let mut shown = |kind, text: &str| {
        if masks.covers(kind) {
            *masked = masked.and(Masks::of([kind]));
            audit::MASK.to_owned()
        } else {
            text.to_owned()
        }
    };
    match change.value() {
        Value::Nothing | Value::Unknown => (None, None),
        Value::Label(label) => (None, Some(label.as_str().into())),
        Value::ProductScore(score) => (None, serde_json::from_str(&score.to_string()).ok()),
        Value::Ratio(ratio) => (None, Some(ratio.into())),
        Value::Record(state) => (None, Some(state.as_str().into())),
        Value::Verification(state) => (None, Some(state.as_str().into())),
        Value::Workflow(status) => (None, Some(status.as_str().into())),
        Value::Related { id, product_arn } => (Some(id.to_owned().into()), (!said).then(|| product_arn.into())),
        Value::Type(kind) => (Some(kind.to_owned().into()), None),
        Value::UserDefined { key, value } => {
            let value = (!said).then(|| shown(audit::Masked::UserDefinedFields, value).into());
            (Some(key.to_owned().into()), value)
        }
        Value::Note(note) => {
            let value = (!said).then(|| {
                let text = shown(audit::Masked::NoteText, &note.text);
                json!({ "Text": text, "UpdatedBy": shown(audit::Masked::NoteUpdatedBy, &note.updated_by) })
            });
            (None, value)
        }
    }
}

/// An error of the gate's own, as its record tells it: without what it may quote of that which is masked.
///
/// Why the policies denied something, the verdicts say. What is wrong with a body, its place says.
pub(super) fn told(error: &ApiError, decided: bool, masks: Masks) -> audit::Answer<'static> {
    const LONGEST: usize = 1024;
    let whole = &*error.message;
    let message = match masks {
        Masks::NONE => Some(whole),
        _ if decided => None,
        _ if error.status == 400 => Some(whole.split_once(": ").map_or("body", |(place, _)| place)),
        _ => Some(whole),
    };
    let message = message.map(|message| message.chars().take(LONGEST).collect::<String>().into());
    audit::Answer { status: error.status, error: Some(error.code.into()), message }
}

/// What a record says besides the decision.
pub(super) struct About<'r> {
    pub(super) id: &'r RequestId,
    pub(super) caller: Option<&'r Caller>,
    pub(super) peer: String,
    pub(super) operation: Cow<'r, str>,
    pub(super) snapshot: &'r str,
    pub(super) time: Timestamp,
    pub(super) answer: audit::Answer<'r>,
    pub(super) duration_us: u64,
}

fn caller_of(caller: &Caller) -> audit::Caller<'_> {
    audit::Caller {
        account: caller.account.as_str().to_owned().into(),
        role: caller.role.as_str().into(),
        principal: (&*caller.principal).into(),
        proof: caller.proof.to_string().into(),
        groups: caller.groups.iter().map(|group| Cow::Borrowed(&**group)).collect(),
        region: caller.region.as_deref().map(Cow::Borrowed),
        minimum_enforcement: Some(caller.minimum_enforcement)
            .filter(|enforcement| *enforcement != Enforcement::Strip)
            .map(|enforcement| enforcement.as_str().into()),
    }
}

fn answered(answer: &policy::Answer) -> Answered<'static> {
    let policies = |ids: &[Arc<str>]| ids.iter().map(|id| Cow::Owned(id.to_string())).collect();
    match answer {
        policy::Answer::Allowed { by } => {
            Answered { verdict: Word::Allowed, enforcement: None, reason: None, policies: policies(by) }
        }
        policy::Answer::Denied(denial) => Answered {
            verdict: Word::Denied,
            enforcement: Some(denial.enforcement.as_str().into()),
            reason: Some(denial.reason.as_str().into()),
            policies: policies(&denial.policies),
        },
    }
}

/// The groups of an update, as calls are told.
pub(super) fn groups(groups: &[Group]) -> impl Iterator<Item = (FieldSet, usize)> {
    groups.iter().map(|group| (group.fields, group.findings.len()))
}

/// What a request is called that is none of the API's operations.
pub(super) fn called(operation: Option<Operation>, method: &http::Method, path: &str) -> Cow<'static, str> {
    operation.map_or_else(|| format!("{method} {path}").into(), |operation| operation.name().into())
}

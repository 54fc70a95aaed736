//! Explaining: what becomes of a request, and why.
//!
//! A whole body goes the way that a live gate would send it: decided, looked up where that matters, decided again, planned and
//! merged. What the policies were asked on that way is kept, and each policy is then looked at part by part: which atoms of those
//! that decided made them apply, which condition failed of those that nearly did, and what the nearest permit lacks.

mod human;
mod lens;
mod report;
mod states;
mod watch;

pub use report::{
    Answered as ClientAnswer, Asker, AtomLook, ChangeLook, Explanation, FindingLook, Lack, Part, PolicyLook,
    PolicySource, StateLook, Unasked, VerdictLook,
};
pub use states::{InvalidStates, States};

use crate::{
    finding::{
        ApiError, BatchImport, BatchUpdate, BatchUpdateV2, Caller, Change, Field, FindingsV2, Identifier, InvalidBody,
        Operation, Timestamp, outcome::code,
    },
    gate::{
        Asked, Decision, Fate, Findings, GroupAnswer, ImportFate, ImportPlan, Knowledge, Known, Merged, Named, Plan,
        Ruling, Wire, decide, decide_import, merge, merge_import, own_account,
    },
    policy::Snapshot,
    workbench::Outcome,
};
use lens::Lens;
use serde_json::Value;
use states::Found;
use std::sync::Arc;
use watch::Watch;

/// Stands in messages where a gate writes the id of a decision.
const DECISION: &str = "explained";

/// What is to be explained.
#[derive(Debug)]
pub struct Inquiry<'a> {
    /// BatchUpdateFindings, BatchUpdateFindingsV2 or BatchImportFindings.
    pub operation: Operation,
    /// The body of the request.
    pub body: &'a [u8],
    /// Who sends it.
    pub caller: Caller,
    /// When.
    pub now: Timestamp,
    /// How the findings are.
    pub states: &'a States,
    /// What decides.
    pub snapshot: &'a Arc<Snapshot>,
}

/// Why there is nothing to explain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unexplained {
    /// The body is no request of the operation; a gate would answer that.
    #[error("{0}")]
    Body(InvalidBody),
    /// Policies do not decide on this operation, or not on findings.
    #[error("{} changes no findings: expected BatchUpdateFindings, BatchUpdateFindingsV2 or BatchImportFindings", .0.name())]
    Operation(Operation),
    /// A policy could not be taken apart, which is a fault of this program.
    #[error("{0}")]
    Policy(String),
}

/// Explains what becomes of a request.
pub fn explain(inquiry: &Inquiry<'_>) -> Result<Explanation, Unexplained> {
    let mut work = Work {
        inquiry,
        watch: Watch::new(inquiry.snapshot),
        lens: Lens::new(inquiry.snapshot).map_err(Unexplained::Policy)?,
    };
    let done = match inquiry.operation {
        Operation::BatchUpdateFindings => {
            let request = BatchUpdate::parse(inquiry.body).map_err(Unexplained::Body)?;
            work.update(&request, Findings::Asff(&request.identifiers), || Asked::of_update(&request, inquiry.now))
        }
        Operation::BatchUpdateFindingsV2 => {
            let request = BatchUpdateV2::parse(inquiry.body).map_err(Unexplained::Body)?;
            // Which finding a metadata uid means, only a backend knows.
            let named: Vec<Named<'_>> = match &request.findings {
                FindingsV2::Identifiers(identifiers) => identifiers.iter().map(Named::of).collect(),
                FindingsV2::MetadataUids(uids) => vec![Named::Unresolved; uids.len()],
            };
            let note = request.update.note(&inquiry.caller.principal);
            let findings = Findings::Ocsf { names: &request.findings, named: &named };
            work.update(&request, findings, || Asked::of_update_v2(&request, &named, note.as_ref(), inquiry.now))
        }
        Operation::BatchImportFindings => work.import(&BatchImport::parse(inquiry.body).map_err(Unexplained::Body)?),
        other => return Err(Unexplained::Operation(other)),
    };
    let Caller { role, account, principal, groups, minimum_enforcement, .. } = &inquiry.caller;
    Ok(Explanation {
        version: 1,
        operation: inquiry.operation.name(),
        caller: Asker {
            role: *role,
            account: *account,
            principal: principal.to_string(),
            groups: inquiry.snapshot.accounts().groups(*account).to_vec(),
            principal_groups: groups.iter().map(ToString::to_string).collect(),
            minimum_enforcement: minimum_enforcement.as_str(),
        },
        now: inquiry.now.to_string(),
        findings: done.findings,
        forwarded: done.forwarded,
        answer: done.answer,
        policies: work.lens.sources(),
    })
}

struct Work<'i, 'a> {
    inquiry: &'i Inquiry<'a>,
    watch: Watch,
    lens: Lens,
}

/// What became of a request.
struct Done {
    findings: Vec<FindingLook>,
    forwarded: Vec<Value>,
    answer: ClientAnswer,
}

impl Work<'_, '_> {
    fn update<'u, W: Wire>(&mut self, request: &W, findings: Findings<'_>, asked: impl Fn() -> Asked<'u>) -> Done {
        let caller = &self.inquiry.caller;
        let first = decide(&mut self.watch, caller, asked(), Knowledge::OfEach(&[]));
        let found = self.look_up(findings, &first.depends_on_state(caller, findings));
        drop(first);
        let known: Vec<Known<'_>> = found.iter().map(Found::known).collect();
        let mut looks: Vec<FindingLook> = Vec::with_capacity(found.len());
        let decision = decide(&mut self.watch, caller, asked(), Knowledge::OfEach(&known));
        for (place, (fate, found)) in decision.fates.iter().zip(&found).enumerate() {
            let mut look = FindingLook::new(place, request.name(place), findings.identifier(place), found);
            (look.outcome, look.asked) = (outcome(fate), unasked(fate));
            if let (Fate::Ruled(ruling), Some(identifier)) = (fate, findings.identifier(place)) {
                look.forwarded = if ruling.forwards() { ruling.kept.iter().map(W::word).collect() } else { vec![] };
                look.changes = self.ruled(identifier, &decision.changes, ruling);
            }
            looks.push(look);
        }
        let (forwarded, answer) = answer(request, &decision);
        let names = names(self.inquiry, looks.len());
        tell(&mut looks, &names, &answer.body["UnprocessedFindings"], "FindingIdentifier");
        Done { findings: looks, forwarded, answer }
    }

    fn import(&mut self, request: &BatchImport) -> Done {
        let caller = &self.inquiry.caller;
        let findings = Findings::Asff(&request.identifiers);
        if let Err(refused) = own_account(caller, request) {
            let look = |(place, identifier): (usize, &Identifier<'_>)| {
                let mut look = FindingLook::new(place, &identifier.id, Some(identifier), &Found::NotNeeded);
                (look.outcome, look.asked) = (Outcome::Refused, Unasked::CallRefused);
                look.owner = Some(request.findings[place].account);
                look
            };
            let looks = request.identifiers.iter().enumerate().map(look).collect();
            return Done { findings: looks, forwarded: Vec::new(), answer: denied(&refused) };
        }
        let first = decide_import(&mut self.watch, caller, request, self.inquiry.now, Knowledge::OfEach(&[]));
        let found = self.look_up(findings, &first.depends_on_state());
        let known: Vec<Known<'_>> = found.iter().map(Found::known).collect();
        let decision = decide_import(&mut self.watch, caller, request, self.inquiry.now, Knowledge::OfEach(&known));
        let mut looks: Vec<FindingLook> = Vec::with_capacity(found.len());
        for (place, (fate, found)) in decision.fates.iter().zip(&found).enumerate() {
            let identifier = &request.identifiers[place];
            let mut look = FindingLook::new(place, &identifier.id, Some(identifier), found);
            look.owner = Some(request.findings[place].account);
            look.outcome = Outcome::of(fate.enforcement());
            look.asked = match fate {
                ImportFate::Duplicate(_) => Unasked::Duplicate,
                ImportFate::Invalid(_) => Unasked::Invalid,
                ImportFate::Foreign { .. } => Unasked::Foreign,
                ImportFate::Ruled { .. } => Unasked::Asked,
            };
            if matches!(fate, ImportFate::Duplicate(_) | ImportFate::Invalid(_)) {
                look.outcome = Outcome::Rejected;
            }
            look.forwarded = fate.forwarded().map(|kept| kept.iter().map(Field::as_str).collect()).unwrap_or_default();
            if let ImportFate::Ruled { changes, ruling } = fate {
                look.changes = self.ruled(identifier, changes, ruling);
            }
            looks.push(look);
        }
        let (forwarded, answer) = match ImportPlan::new(request, &decision, DECISION) {
            ImportPlan::Refuse { message } => (Vec::new(), denied(&ApiError::access_denied(message))),
            ImportPlan::Forward { findings } => {
                let sent = (!findings.is_empty()).then(|| json(&request.to_json(&findings)));
                let merged = merge_import(request, &decision, &findings, None, DECISION);
                (sent.into_iter().collect(), ClientAnswer { status: 200, body: json(&merged.body) })
            }
        };
        let names: Vec<Value> = looks.iter().map(|look| Value::String(look.id.clone())).collect();
        tell(&mut looks, &names, &answer.body["FailedFindings"], "Id");
        Done { findings: looks, forwarded, answer }
    }

    /// Looks at each change of a finding.
    fn ruled(&mut self, identifier: &Identifier<'_>, changes: &[Change<'_>], ruling: &Ruling<'_>) -> Vec<ChangeLook> {
        let asked = ruling.asked(changes);
        asked.map(|(change, verdict)| self.lens.look(&self.watch, identifier, change, verdict)).collect()
    }

    /// Looks up the findings at these places.
    fn look_up(&self, findings: Findings<'_>, places: &[usize]) -> Vec<Found> {
        let look_up = |place: usize| match findings.identifier(place).filter(|_| places.contains(&place)) {
            Some(identifier) => self.inquiry.states.find(identifier, self.inquiry.caller.account),
            None => Found::NotNeeded,
        };
        (0..findings.len()).map(look_up).collect()
    }
}

/// What goes to the backend, and what the client reads if the backend does all of it.
fn answer<W: Wire>(request: &W, decision: &Decision<'_>) -> (Vec<Value>, ClientAnswer) {
    let groups = match Plan::new(request, decision, DECISION) {
        Plan::Forward { groups } => groups,
        Plan::Refuse { message } => {
            return (Vec::new(), denied(&ApiError::access_denied(message).in_words_of(W::OPERATION)));
        }
    };
    let sent = groups.iter().map(|group| {
        let mut body = Vec::new();
        request.write_request(&group.findings, group.fields, &mut body);
        json(&body)
    });
    let answers = groups.iter().map(|_| GroupAnswer::AllProcessed).collect();
    let body = match merge(request, decision, &groups, answers, DECISION) {
        Merged::Body { body, .. } => json(&body),
        // No call failed.
        Merged::PassFailure(_) => Value::Null,
    };
    (sent.collect(), ClientAnswer { status: 200, body })
}

fn denied(error: &ApiError) -> ClientAnswer {
    ClientAnswer { status: error.status, body: json(&error.body()) }
}

/// What was written as JSON here.
fn json(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_default()
}

fn outcome(fate: &Fate<'_>) -> Outcome {
    match fate {
        Fate::NotFound => Outcome::NotFound,
        // The finding is updated once, as the first of its name.
        Fate::Duplicate(_) => Outcome::Rejected,
        fate => Outcome::of(fate.enforcement()),
    }
}

const fn unasked(fate: &Fate<'_>) -> Unasked {
    match fate {
        Fate::Duplicate(_) => Unasked::Duplicate,
        Fate::NotFound => Unasked::NotFound,
        Fate::OwnerContradicted(_) => Unasked::OwnerContradicted,
        Fate::OwnerUnknown(_) => Unasked::OwnerUnknown,
        Fate::Unresolved(_) => Unasked::Unresolved,
        Fate::Ruled(_) => Unasked::Asked,
    }
}

impl FindingLook {
    fn new(place: usize, name: &str, identifier: Option<&Identifier<'_>>, found: &Found) -> Self {
        Self {
            place,
            id: name.to_owned(),
            product_arn: identifier.map(|identifier| identifier.product_arn.to_string()),
            owner: identifier.and_then(Identifier::owner).or_else(|| found.account()),
            outcome: Outcome::Forwarded,
            asked: Unasked::Asked,
            state: found.look(),
            forwarded: Vec::new(),
            changes: Vec::new(),
            told: Vec::new(),
        }
    }
}

/// What the request calls its findings, as an answer repeats it.
fn names(inquiry: &Inquiry<'_>, count: usize) -> Vec<Value> {
    let body = json(inquiry.body);
    let list = ["FindingIdentifiers", "MetadataUids"].iter().find_map(|name| body[*name].as_array());
    list.cloned().unwrap_or_else(|| vec![Value::Null; count])
}

/// Gives each finding the entries of the answer that are about it. They come in the order of the findings.
fn tell(looks: &mut [FindingLook], names: &[Value], entries: &Value, named_by: &str) {
    for entry in entries.as_array().into_iter().flatten() {
        // A finding that comes twice is named twice: the one that was asked about by its own code, the other by this.
        let is_repeated = entry["ErrorCode"] == code::DUPLICATED
            || entry["ErrorMessage"].as_str().is_some_and(|message| message.starts_with(code::DUPLICATED));
        let about = looks.iter_mut().zip(names).find(|(look, name)| {
            let is_named = entry[named_by] == **name || entry["MetadataUid"] == **name;
            let is_free = !is_repeated || look.told.is_empty();
            is_named && is_free && is_repeated == (look.asked == Unasked::Duplicate)
        });
        if let Some((look, _)) = about {
            look.told.push(entry.clone());
        }
    }
}

#[cfg(test)]
mod tests;

//! What whoever runs the gate hears of a decision: in the log, and in numbers.

use super::{Gate, Passage};
use crate::{
    finding::{Action, BatchImport, Caller, Change, Enforcement, Field, FieldSet, Operation},
    gate::{Decision, Fate, ImportDecision, ImportFate, Ruling},
    policy::{Answer, Denial, Reason, Rule, Snapshot, Verdict},
    telemetry::{
        events::{PolicyFailed, RequestServed, ShadowDiffers},
        metrics::{Became, Metrics, PolicyMetrics, PolicyName, Said, Shadow, Why},
    },
};
use cedar_policy::Effect;
use std::{rc::Rc, sync::Arc};

/// What counts for each policy of a snapshot that was made with this default enforcement.
pub fn count_policies(snapshot: &Snapshot, default_enforcement: Enforcement, metrics: &Metrics) -> Arc<PolicyMetrics> {
    let name = |rule: &Rule| PolicyName {
        id: Arc::clone(&rule.id),
        says: match rule.effect {
            Effect::Permit => Said::Allowed,
            Effect::Forbid => rule.enforcement.unwrap_or(default_enforcement).into(),
        },
        shadow: rule.shadow,
    };
    metrics.policies(snapshot.rules().iter().map(name), snapshot.digest(), snapshot.accounts().count())
}

/// Counts what was decided, and logs what the policies said that somebody should know of.
pub(super) struct Report<'r> {
    gate: &'r Gate,
    operation: Operation,
    caller: &'r Caller,
    pub(super) passage: &'r Passage<'r>,
    /// The failures that were told: a policy that fails does so for many findings.
    failures: Vec<(Action, String)>,
}

impl<'r> Report<'r> {
    pub(super) fn new(gate: &'r Gate, operation: Operation, caller: &'r Caller, passage: &'r Passage<'r>) -> Self {
        Self { gate, operation, caller, passage, failures: Vec::new() }
    }

    /// What was decided on each finding, which `name` names by its place: findings of one ruling are told together, by the first, and
    /// counted each.
    pub(super) fn of_decision<'n>(&mut self, name: impl Fn(usize) -> &'n str, decision: &Decision<'_>) {
        if let [Fate::Ruled(ruling)] = &*decision.fates {
            self.became(became(ruling, ruling.kept), 1);
            return self.of(name(0), ruling.asked(&decision.changes), 1);
        }
        let mut rulings: Vec<(&Rc<Ruling<'_>>, usize, u64)> = Vec::new();
        for (place, fate) in decision.fates.iter().enumerate() {
            match fate {
                Fate::Ruled(ruling) => match rulings.iter_mut().find(|(known, ..)| Rc::ptr_eq(known, ruling)) {
                    Some((_, _, findings)) => *findings += 1,
                    None => rulings.push((ruling, place, 1)),
                },
                Fate::Duplicate(_) => self.became(Became::Duplicate, 1),
                Fate::NotFound => self.became(Became::NotFound, 1),
                Fate::OwnerContradicted(met) | Fate::OwnerUnknown(met) | Fate::Unresolved(met) => {
                    self.became(unforwarded(*met), 1);
                }
            }
        }
        for (ruling, place, findings) in rulings {
            self.became(became(ruling, ruling.kept), findings);
            self.of(name(place), ruling.asked(&decision.changes), findings);
        }
    }

    /// What was decided on each finding of an import.
    pub(super) fn of_import(&mut self, request: &BatchImport, decision: &ImportDecision<'_>) {
        for (fate, identifier) in decision.fates.iter().zip(&request.identifiers) {
            match fate {
                ImportFate::Ruled { changes, ruling } => {
                    // There is more to an imported finding than its fields: without any of them it is forwarded still.
                    self.became(became(ruling, FieldSet::EMPTY.with(Field::Note)), 1);
                    self.of(&identifier.id, ruling.asked(changes), 1);
                }
                ImportFate::Duplicate(_) => self.became(Became::Duplicate, 1),
                ImportFate::Invalid(_) => self.became(Became::Invalid, 1),
                ImportFate::Foreign { enforcement, .. } => self.became(unforwarded(*enforcement), 1),
            }
        }
    }

    /// That there was nothing to ask the policies about a rule, which met this.
    pub(super) fn of_undecided(&self, enforcement: Option<Enforcement>) {
        self.became(enforcement.map_or(Became::Whole, unforwarded), 1);
    }

    /// What they said of findings, of which this is the first: of each change with its verdict.
    fn of<'v, 'u: 'v>(
        &mut self,
        finding: &str,
        asked: impl Iterator<Item = (&'v Change<'u>, &'v Rc<Verdict>)>,
        findings: u64,
    ) {
        let mut run: Option<Run<'_>> = None;
        for (change, verdict) in asked {
            self.count(change, verdict, findings, &mut run);
            if let Answer::Denied(denial) = &verdict.enforced
                && denial.reason == Reason::PolicyError
            {
                self.failed(change.action(), denial.policies.join(", "));
            }
            if let Some(shadow) = &verdict.shadow {
                ShadowDiffers {
                    request_id: self.passage.id.as_str(),
                    account: self.caller.account.as_str(),
                    principal: &self.caller.principal,
                    finding,
                    action: change.action().as_str(),
                    enforced: &said(&verdict.enforced),
                    shadow: &said(shadow),
                }
                .emit();
            }
        }
        if let Some(run) = run {
            self.count_run(&run);
        }
    }

    fn count<'v>(&self, change: &Change<'_>, verdict: &'v Verdict, findings: u64, run: &mut Option<Run<'v>>) {
        let (counts, policies, role) = (&self.gate.counts, &self.gate.settings.policies, self.caller.role);
        let (said, named) = match &verdict.enforced {
            Answer::Allowed { by } => (Said::Allowed, by),
            Answer::Denied(denial) => {
                counts.denied(self.operation, role, why(denial.reason), findings);
                (Said::from(self.does(change, denial)), &denial.policies)
            }
        };
        counts.decided(self.operation, role, change.field(), said, findings);
        for policy in named {
            match &mut *run {
                Some(run) if Arc::ptr_eq(run.policy, policy) && run.said == said => run.findings += findings,
                _ => {
                    if let Some(over) = run.replace(Run { policy, said, findings }) {
                        self.count_run(&over);
                    }
                }
            }
        }
        if let Some(shadow) = &verdict.shadow {
            let named = match shadow {
                Answer::Allowed { by } => by,
                Answer::Denied(denial) => &denial.policies,
            };
            policies.differed(named, difference(&verdict.enforced, shadow), findings);
        }
    }

    fn count_run(&self, run: &Run<'_>) {
        self.gate.settings.policies.decided(run.policy, self.caller.role, run.said, run.findings);
    }

    /// What a denial does to this caller. A rule is denied as a whole, and so is what is about a finding as a whole.
    fn does(&self, change: &Change<'_>, denial: &Denial) -> Enforcement {
        let of_rule = matches!(self.operation, Operation::CreateAutomationRule | Operation::BatchUpdateAutomationRules);
        let least = if of_rule || change.field().is_none() { Enforcement::Reject } else { Enforcement::Strip };
        denial.enforcement.max(self.caller.minimum_enforcement).max(least)
    }

    fn became(&self, became: Became, findings: u64) {
        self.gate.counts.became(self.operation, self.caller.role, became, findings);
    }

    fn failed(&mut self, action: Action, policies: String) {
        let failure = (action, policies);
        if self.failures.contains(&failure) {
            return;
        }
        PolicyFailed { request_id: self.passage.id.as_str(), action: action.as_str(), reason: &failure.1 }.emit();
        self.failures.push(failure);
    }

    /// That the request was answered with this status. `denied` of its `findings` lost something.
    pub(super) fn served(&self, status: u16, findings: usize, denied: usize) {
        RequestServed {
            request_id: self.passage.id.as_str(),
            trace_id: self.passage.trace_id(),
            account: self.caller.account.as_str(),
            principal: &self.caller.principal,
            proof: &self.caller.proof,
            operation: self.operation.name(),
            status,
            findings,
            denied,
            began: self.passage.began,
        }
        .emit();
    }
}

/// A policy that says the same of several changes in a row, as the one that allows an update mostly does. It is looked up once for them.
struct Run<'v> {
    policy: &'v Arc<str>,
    said: Said,
    findings: u64,
}

/// What becomes of a finding by a ruling, of which these fields are left.
fn became(ruling: &Ruling<'_>, kept: FieldSet) -> Became {
    match ruling.enforcement {
        None => Became::Whole,
        Some(Enforcement::Strip) if !kept.is_empty() => Became::Stripped,
        Some(met) => unforwarded(met),
    }
}

/// What becomes of a finding of which nothing is forwarded.
fn unforwarded(met: Enforcement) -> Became {
    if met == Enforcement::Refuse { Became::Refused } else { Became::Rejected }
}

fn why(reason: Reason) -> Why {
    match reason {
        Reason::Forbidden => Why::Forbidden,
        Reason::NoGrant => Why::NoGrant,
        Reason::OwnerUnknown => Why::OwnerUnknown,
        Reason::StateUnavailable => Why::StateUnavailable,
        Reason::PolicyError => Why::PolicyError,
    }
}

/// How the verdict of all policies differs from the one that counts.
fn difference(enforced: &Answer, shadow: &Answer) -> Shadow {
    match (enforced.denial(), shadow.denial()) {
        (None, Some(_)) => Shadow::Denies,
        (Some(_), None) => Shadow::Allows,
        (Some(enforced), Some(shadow)) if enforced.enforcement != shadow.enforcement => Shadow::Enforcement,
        _ => Shadow::Policies,
    }
}

/// `allowed by a, b` or `strip by c`, for a log line.
fn said(answer: &Answer) -> String {
    match answer {
        Answer::Allowed { by } => format!("allowed by {}", by.join(", ")),
        Answer::Denied(denial) if denial.policies.is_empty() => format!("{} ({})", denial.enforcement, denial.reason),
        Answer::Denied(denial) => format!("{} by {}", denial.enforcement, denial.policies.join(", ")),
    }
}

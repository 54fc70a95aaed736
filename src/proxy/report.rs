//! What whoever runs the gate hears of a decision.

use super::{RequestId, record::Draft};
use crate::{
    audit::Masks,
    finding::{Action, Caller, Change, Operation, Timestamp},
    gate::{Decision, Fate, Ruling},
    policy::{Answer, Reason, Verdict},
    telemetry::events::{PolicyFailed, RequestServed, ShadowDiffers},
};
use std::{rc::Rc, time::Instant};

/// One request of a known caller: what is told of it, in the log and in its record.
pub(super) struct Report<'r> {
    pub(super) caller: &'r Caller,
    pub(super) id: &'r RequestId,
    /// What policies take for now, whenever they are asked.
    pub(super) now: Timestamp,
    /// Its record, if there is to be one.
    pub(super) draft: Option<Draft>,
    /// The failures that were told: a policy that fails does so for many findings.
    failures: Vec<(Action, String)>,
}

impl<'r> Report<'r> {
    pub(super) fn new(caller: &'r Caller, id: &'r RequestId, masks: Option<Masks>) -> Self {
        Self { caller, id, now: Timestamp::now(), draft: masks.map(Draft::new), failures: Vec::new() }
    }

    /// Adds to the record, if there is to be one.
    pub(super) fn record(&mut self, add: impl FnOnce(&mut Draft)) {
        if let Some(draft) = &mut self.draft {
            add(draft);
        }
    }

    /// What they said of each finding, which `name` names by its place: findings of one ruling are told together, by the first.
    pub(super) fn of_decision<'n>(&mut self, name: impl Fn(usize) -> &'n str, decision: &Decision<'_>) {
        let mut reported: Vec<*const Ruling<'_>> = Vec::new();
        for (place, fate) in decision.fates.iter().enumerate() {
            let Fate::Ruled(ruling) = fate else { continue };
            if !reported.contains(&Rc::as_ptr(ruling)) {
                reported.push(Rc::as_ptr(ruling));
                self.of(name(place), ruling.asked(&decision.changes));
            }
        }
    }

    /// What they said of a finding: of each change with its verdict.
    pub(super) fn of<'v, 'u: 'v>(
        &mut self,
        finding: &str,
        asked: impl Iterator<Item = (&'v Change<'u>, &'v Rc<Verdict>)>,
    ) {
        for (change, verdict) in asked {
            if let Answer::Denied(denial) = &verdict.enforced
                && denial.reason == Reason::PolicyError
            {
                self.failed(change.action(), denial.policies.join(", "));
            }
            if let Some(shadow) = &verdict.shadow {
                ShadowDiffers {
                    request_id: self.id.as_str(),
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
    }

    fn failed(&mut self, action: Action, policies: String) {
        let failure = (action, policies);
        if self.failures.contains(&failure) {
            return;
        }
        PolicyFailed { request_id: self.id.as_str(), action: action.as_str(), reason: &failure.1 }.emit();
        self.failures.push(failure);
    }

    /// That the request was answered with this status. `denied` of its `findings` lost something.
    pub(super) fn served(&self, operation: Operation, status: u16, findings: usize, denied: usize, began: Instant) {
        RequestServed {
            request_id: self.id.as_str(),
            account: self.caller.account.as_str(),
            principal: &self.caller.principal,
            proof: &self.caller.proof,
            operation: operation.name(),
            status,
            findings,
            denied,
            began,
        }
        .emit();
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

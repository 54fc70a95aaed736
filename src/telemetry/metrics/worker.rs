//! What one worker counts of the requests that it answers. It is the only one that counts there, so that no two threads wait for the same
//! line of the processor's cache; whoever reads adds the workers up.

use super::{
    cells::{Counters, Histogram, OPERATIONS, Others, Own, Things, place},
    labels,
};
use crate::finding::{Field, Operation, Role};
use std::{cell::Cell, marker::PhantomData, sync::Arc, time::Duration};

/// The statuses that this API has; another one is counted as `other`.
pub(super) const STATUSES: [u16; 12] = [200, 400, 401, 403, 404, 408, 413, 429, 500, 502, 503, 504];
pub(super) const STATUS_LABELS: &[&str] =
    &["200", "400", "401", "403", "404", "408", "413", "429", "500", "502", "503", "504", "other"];

/// Roles, in the order of their enumeration.
pub(super) const ROLES: &[&str] = &["administrator", "member"];
/// The same, and none where the caller is not known.
pub(super) const ROLES_OR_NONE: &[&str] = &["administrator", "member", "none"];

/// The errors by which callers are turned away that are not known.
pub(super) const CODES: &[&str] = &[
    "AccessDeniedException",
    "ExpiredTokenException",
    "IncompleteSignatureException",
    "InvalidAccessException",
    "InvalidInputException",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "RequestExpired",
    "ServiceUnavailableException",
    "TooManyRequestsException",
    "UnrecognizedClientException",
    "other",
];

/// The fields of verdicts: one more than there are, for what is about a finding as a whole.
pub(super) const FIELDS: usize = Field::ALL.len() + 1;
/// That one's name.
pub(super) const WHOLE: &str = "finding";

labels! {
    /// A verdict on one change, with what a denial does.
    Said VERDICTS {
        /// It may be made.
        Allowed = "allowed",
        /// Its field is taken out.
        Strip = "strip",
        /// Its finding is not updated.
        Reject = "reject",
        /// The whole call is refused.
        Refuse = "refuse",
    }
}

labels! {
    /// Why a change is denied: `policy::Reason`.
    Why DENIALS {
        /// A policy forbids it.
        Forbidden = "forbidden",
        /// No policy permits it.
        NoGrant = "no-grant",
        /// The account that owns the finding is not known.
        OwnerUnknown = "owner-unknown",
        /// It depends on how the finding is, and that is not known.
        StateUnavailable = "state-unavailable",
        /// A policy could not be evaluated.
        PolicyError = "policy-error",
    }
}

labels! {
    /// What was decided on one finding, or on one automation rule.
    Became OUTCOMES {
        /// All of it may be forwarded.
        Whole = "whole",
        /// Some of its fields may be, others are taken out.
        Stripped = "stripped",
        /// Nothing of it is forwarded.
        Rejected = "rejected",
        /// The whole request is refused because of it.
        Refused = "refused",
        /// It came before in the same request.
        Duplicate = "duplicate",
        /// There is no such finding, as far as the caller may know.
        NotFound = "not-found",
        /// It is none that could be imported.
        Invalid = "invalid",
    }
}

labels! {
    /// Where a verdict came from.
    Verdicts KEPT {
        /// The same was asked before.
        Kept = "kept",
        /// Cedar was asked.
        Evaluated = "evaluated",
    }
}

const ROLE_COUNT: usize = ROLES.len();
const OF_REQUESTS: usize = OPERATIONS + 1;

/// What counts for one worker. It can be shared with no other thread, so it counts at the price of ordinary additions.
#[derive(Debug, Default)]
pub struct WorkerMetrics {
    counts: Arc<WorkerCounts>,
    of_one_thread: PhantomData<Cell<()>>,
}

/// The numbers of one worker, for whoever reads them.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct WorkerCounts {
    pub(super) requests: Counters<{ OF_REQUESTS * ROLES_OR_NONE.len() }, { STATUS_LABELS.len() }>,
    pub(super) times: [Histogram<Others>; OF_REQUESTS],
    pub(super) own_times: [Histogram<Own>; OF_REQUESTS],
    pub(super) unknown: Counters<1, { CODES.len() }>,
    pub(super) decisions: Counters<{ OPERATIONS * ROLE_COUNT * FIELDS }, { VERDICTS.len() }>,
    pub(super) denials: Counters<{ OPERATIONS * ROLE_COUNT }, { DENIALS.len() }>,
    pub(super) outcomes: Counters<{ OPERATIONS * ROLE_COUNT }, { OUTCOMES.len() }>,
    pub(super) findings: [Histogram<Things>; OPERATIONS],
    pub(super) groups: [Histogram<Things>; OPERATIONS],
    pub(super) verdicts: Counters<1, { KEPT.len() }>,
}

/// A request that was answered.
#[derive(Debug, Clone, Copy)]
pub struct Answered {
    /// What it was; nothing where its caller or its door was refused.
    pub operation: Option<Operation>,
    /// Who asked; nothing where that is not known.
    pub role: Option<Role>,
    /// The HTTP status of the answer.
    pub status: u16,
    /// From its head to its answer.
    pub took: Duration,
    /// What of that the gate waited for others.
    pub waited: Duration,
}

impl WorkerMetrics {
    /// Counts in these numbers, which nobody else may.
    pub(super) fn new(counts: Arc<WorkerCounts>) -> Self {
        Self { counts, of_one_thread: PhantomData }
    }

    /// A request was answered.
    pub fn answered(&self, answered: Answered) {
        let Answered { operation, role, status, took, waited } = answered;
        let operation = operation.map_or(OPERATIONS, place);
        let role = role.map_or(ROLE_COUNT, |role| role as usize);
        let column = STATUSES.iter().position(|known| *known == status).unwrap_or(STATUSES.len());
        self.counts.requests.add_alone(operation * ROLES_OR_NONE.len() + role, column, 1);
        self.counts.times[operation].add_time_alone(took);
        self.counts.own_times[operation].add_time_alone(took.saturating_sub(waited));
    }

    /// A caller that is not known was turned away with this error.
    pub fn unknown(&self, code: &str) {
        self.counts.unknown.add_alone(0, CODES.iter().position(|known| *known == code).unwrap_or(CODES.len() - 1), 1);
    }

    /// The verdict on changes of a field: of so many findings. No field stands for what is about a finding as a whole.
    pub fn decided(&self, operation: Operation, role: Role, field: Option<Field>, said: Said, findings: u64) {
        let field = field.map_or(FIELDS - 1, |field| field as usize);
        self.counts.decisions.add_alone(of(operation, role) * FIELDS + field, said as usize, findings);
    }

    /// Why changes are denied: of so many findings.
    pub fn denied(&self, operation: Operation, role: Role, why: Why, findings: u64) {
        self.counts.denials.add_alone(of(operation, role), why as usize, findings);
    }

    /// What was decided on so many findings.
    pub fn became(&self, operation: Operation, role: Role, became: Became, findings: u64) {
        self.counts.outcomes.add_alone(of(operation, role), became as usize, findings);
    }

    /// A request named so many findings, or automation rules.
    pub fn findings(&self, operation: Operation, findings: usize) {
        self.counts.findings[place(operation)].add_alone(findings as u64);
    }

    /// A request was forwarded in so many calls.
    pub fn groups(&self, operation: Operation, groups: usize) {
        self.counts.groups[place(operation)].add_alone(groups as u64);
    }

    /// So many verdicts came from there.
    pub fn verdicts(&self, from: Verdicts, verdicts: u64) {
        if verdicts > 0 {
            self.counts.verdicts.add_alone(0, from as usize, verdicts);
        }
    }
}

const fn of(operation: Operation, role: Role) -> usize {
    place(operation) * ROLE_COUNT + role as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_has_the_label_of_its_value() {
        let labels: Vec<_> = STATUSES.iter().map(ToString::to_string).chain(["other".to_owned()]).collect();
        assert_eq!(labels, STATUS_LABELS);
        for role in [Role::Administrator, Role::Member] {
            assert_eq!(ROLES[role as usize], role.as_str());
            assert_eq!(ROLES_OR_NONE[role as usize], role.as_str());
        }
        for (at, field) in Field::ALL.iter().enumerate() {
            assert_eq!(*field as usize, at, "{field}");
        }
        assert_eq!(ROLES_OR_NONE.len(), ROLE_COUNT + 1);
    }
}

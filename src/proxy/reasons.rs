//! Why a door is as it is: what callers are told at a closed one, and what `docs/doors.md` says of each.

use super::operations::{ApiOperation, Bypass, Class};
use crate::finding::Operation;

/// Why no configuration opens some operations, and what to do instead. Both read on after "this gate: ".
#[derive(Debug, PartialEq, Eq)]
pub struct Reason {
    /// What the operations have in common, as a heading.
    pub title: &'static str,
    /// Why they are closed.
    pub why: &'static str,
    /// What to do instead.
    pub instead: &'static str,
}

/// Every reason, in the order of the reference.
pub const REASONS: &[&Reason] =
    &[&BY_FILTER, &RULES, &RULES_GONE, &HIDES, &AUTHORITY, &CHANNEL, &DATA_OUT, &WRITES, &READS];

const BY_FILTER: Reason = Reason {
    title: "Updates of whatever a filter matches",
    why: "it changes every finding that a filter matches, and policies decide on findings one by one",
    instead: "look the findings up and update them through BatchUpdateFindings, which policies decide on: with the Note as it \
              is, and with Workflow.Status RESOLVED or SUPPRESSED where RecordState would be ARCHIVED",
};
const RULES: Reason = Reason {
    title: "Rules in terms of OCSF",
    why: "such a rule updates the findings of all accounts as they come in, and the gate does not read what it does to them",
    instead: "use CreateAutomationRule and BatchUpdateAutomationRules, on which policies decide where they are open, or keep such \
              rules as reviewed code and let its deployment call AWS directly, with a role that IAM allows this",
};
const RULES_GONE: Reason = Reason {
    title: "Rules that are removed",
    why: "it removes a rule, which may be one that protects the findings of all accounts, and leaves nothing to ask policies \
          about",
    instead: "keep rules as reviewed code, and let its deployment call AWS directly, with a role that IAM allows this",
};
const HIDES: Reason = Reason {
    title: "What findings there are at all",
    why: "it decides which findings are made, gathered or seen, and no policy speaks of that",
    instead: "let whoever runs Security Hub call AWS directly, with a role that IAM allows this",
};
const AUTHORITY: Reason = Reason {
    title: "Who administers whom",
    why: "it changes which account administers which, and policies go by that",
    instead: "let whoever runs Security Hub call AWS directly, with a role that IAM allows this, and change the accounts file too",
};
const CHANNEL: Reason = Reason {
    title: "Channels to other systems",
    why: "it opens, changes or feeds a channel to another system, which may write back",
    instead: "let whoever runs that channel call AWS directly, with a role that IAM allows this",
};
const DATA_OUT: Reason = Reason {
    title: "Exports",
    why: "it sends findings to a place of the caller's choice",
    instead: "let whoever may have the findings of all accounts call AWS directly, with a role that IAM allows this",
};
const WRITES: Reason = Reason {
    title: "Other changes",
    why: "it changes something else than findings, and no policy speaks of that",
    instead: "call AWS directly, with a role that IAM allows this",
};
const READS: Reason = Reason {
    title: "Other reads",
    why: "the gate cannot hold its answer to what the caller's account may see",
    instead: "call AWS directly, with a role that IAM allows this",
};

/// Why an operation that no configuration opens is closed.
pub fn reason(operation: &ApiOperation) -> &'static Reason {
    match (operation.bypass, operation.class) {
        // The others that write fields are governed, so they can be opened.
        (Bypass::FieldsDirect | Bypass::FieldsAsProvider, _) => &BY_FILTER,
        (Bypass::FieldsByRule, _) if operation.name.contains("Delete") => &RULES_GONE,
        (Bypass::FieldsByRule, _) => &RULES,
        (Bypass::HidesFindings, _) => &HIDES,
        (Bypass::ChangesAuthority, _) => &AUTHORITY,
        (Bypass::ExternalChannel, _) => &CHANNEL,
        (Bypass::DataOut, _) => &DATA_OUT,
        (Bypass::Harmless, Class::Write | Class::Tagging) => &WRITES,
        (Bypass::Harmless, Class::Read | Class::List) => &READS,
    }
}

/// What a caller may do while an operation that could be opened is closed; nothing where only its door helps.
pub fn meanwhile(operation: Operation) -> Option<&'static str> {
    match operation {
        Operation::BatchUpdateFindingsV2 => {
            Some("until then update findings through BatchUpdateFindings, which is open and asks the same policies")
        }
        Operation::CreateAutomationRule | Operation::BatchUpdateAutomationRules => Some(
            "until then keep rules as reviewed code, and let its deployment call AWS directly, with a role that IAM allows this",
        ),
        _ => None,
    }
}

/// How the gate governs an operation that it lets through; nothing for those that it never does.
pub fn governed(operation: Operation) -> Option<&'static str> {
    match operation {
        Operation::BatchUpdateFindings => Some(
            "Policies decide on each field of each finding. What they deny is not forwarded, and the caller is told why.",
        ),
        Operation::BatchUpdateFindingsV2 => Some(
            "As BatchUpdateFindings, by the same policies: Comment is asked as Note, SeverityId as Severity.Label, StatusId as \
             Workflow.Status, and as RecordState where it archives. What is denied is told by the codes of this operation.",
        ),
        Operation::BatchImportFindings => Some(
            "Policies decide on each finding: whether it may be imported, and on each member that an update can have and on \
             RecordState, at the top and in FindingProviderFields. What they deny is not forwarded, and the caller is told why in \
             FailedFindings. Members that policies do not speak of pass as they are. Every account imports its own findings only, \
             the administrator's too: a finding of another one fails the whole call.",
        ),
        Operation::GetFindings => Some(
            "A member sees its own account's findings only: its query is narrowed to `AwsAccountId`, and an answer with any \
             other finding is not passed on. The administrator's query stays as it is. Page tokens are good for the account \
             that they were given to.",
        ),
        Operation::GetFindingsV2 => Some(
            "As GetFindings, by `cloud.account.uid` within each composite filter. `Scopes` are the administrator's; a member that \
             sends them gets 403 AccessDeniedException.",
        ),
        Operation::CreateAutomationRule => Some(
            "For the administrator only. Policies decide on each field of the rule's action, as on an update of any finding of the \
             fleet; a policy that looks at the finding cannot be asked, and denies. A rule is taken or refused as a whole.",
        ),
        Operation::BatchUpdateAutomationRules => Some(
            "As CreateAutomationRule, each rule by itself, by the Actions that it is to have: a change that leaves them out is \
             denied. A denied rule is not forwarded, and told in UnprocessedAutomationRules with ErrorCode 403.",
        ),
        Operation::BatchGetAutomationRules | Operation::ListAutomationRules => Some(
            "For the administrator only, because a rule speaks of the findings of all accounts; members get 403 \
             AccessDeniedException. Page tokens are good for the account that they were given to.",
        ),
        Operation::BatchDeleteAutomationRules => None,
    }
}

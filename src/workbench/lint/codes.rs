//! What is looked for: the table that `docs/lints.md`, SARIF and every message are made from.

use crate::policy::{Code, Severity};

const fn warning(id: &'static str, name: &'static str, meaning: &'static str, help: &'static str) -> Code {
    Code { id, name, severity: Severity::Warning, meaning, help }
}

const fn note(id: &'static str, name: &'static str, meaning: &'static str, help: &'static str) -> Code {
    Code { id, name, severity: Severity::Note, meaning, help }
}

/// Every lint, in the order of their codes.
pub const LINTS: &[&Code] = &[
    &NEVER_APPLIES,
    &NEVER_TRUE,
    &BEYOND_LIMITS,
    &SHADOWED,
    &DUPLICATE,
    &FORBIDS_EVERYTHING,
    &UNLIMITED_PERMIT,
    &NO_REACH_RULE,
    &UNKNOWN_ACCOUNT,
    &EMPTY_GROUP,
    &FOREIGN_PRINCIPAL,
    &UNKNOWN_WORD,
    &NO_ADVICE,
    &NO_ENFORCE,
    &UNEXPLAINED_TRIAL,
    &LOOK_UP_FIRST,
    &MAY_OVERFLOW,
    &DOUBTFUL_CONFIGURATION,
];

pub(super) static NEVER_APPLIES: Code = warning(
    "FG101",
    "never-applies",
    "The policy can never apply: its conditions contradict each other.",
    "A permit that never applies grants nothing, a forbid that never applies forbids nothing. Mend the condition, or remove the policy.",
);
pub(super) static NEVER_TRUE: Code = warning(
    "FG102",
    "never-true",
    "A part of a condition can never be true: an alternative of `||`, what `!` negates, or the condition of an `unless`.",
    "The policy does what it would do without that part, which is hardly what was meant.",
);
pub(super) static BEYOND_LIMITS: Code = warning(
    "FG103",
    "beyond-limits",
    "A number is compared with one that it never reaches, so the comparison is always true or always false.",
    "Confidence, Criticality and Severity.Normalized are 0 to 100; the rank of a severity is 0 to 4.",
);
pub(super) static SHADOWED: Code = warning(
    "FG104",
    "shadowed",
    "Other policies make this one change nothing: a permit that forbids deny altogether, a permit within a wider permit, or a forbid \
     within a wider one that is as strict.",
    "It reads as if it mattered. Remove it, or narrow the policies that hide it.",
);
pub(super) static DUPLICATE: Code = warning(
    "FG105",
    "duplicate",
    "Two policies have the same effect for exactly the same questions.",
    "Whoever changes one of them will wonder why nothing changes. Keep one.",
);
pub(super) static FORBIDS_EVERYTHING: Code = warning(
    "FG106",
    "forbids-everything",
    "A forbid without a condition applies to every caller, action and finding, so no permit counts.",
    "What no policy permits is denied anyway: remove it, or say in its scope or in a condition what it is meant for.",
);
pub(super) static UNLIMITED_PERMIT: Code = warning(
    "FG107",
    "unlimited-permit",
    "A permit without a condition lets members change everything, of every account's findings.",
    "No policy keeps members in their own account. Add the rules of `reach.cedar` of a pack.",
);
pub(super) static NO_REACH_RULE: Code = warning(
    "FG108",
    "no-reach-rule",
    "Something is permitted outside the caller's own account, or outside the administrator's fleet, and no policy forbids it there.",
    "When the gate signs with its own credentials, AWS no longer sees who called. Add the rules of `reach.cedar` of a pack.",
);
pub(super) static UNKNOWN_ACCOUNT: Code = warning(
    "FG109",
    "unknown-account",
    "An `Account` or a `Fleet` is not in the accounts file.",
    "No caller is ever in it. Needs the accounts: the configuration's, or `--accounts`.",
);
pub(super) static EMPTY_GROUP: Code = warning(
    "FG110",
    "empty-group",
    "A `Group` has no member in the accounts file.",
    "A misspelt group makes a permit grant nothing and a forbid forbid nothing. Needs the accounts. Where a proof of the configuration gives \
     groups, one that is looked for in callers may be its, and is not told.",
);
pub(super) static FOREIGN_PRINCIPAL: Code = warning(
    "FG111",
    "foreign-principal",
    "A principal's ARN names an account that is not in the accounts file, or that has the other role.",
    "That principal can never call in this role. Needs the accounts.",
);
pub(super) static UNKNOWN_WORD: Code = warning(
    "FG112",
    "unknown-word",
    "A text is compared with one that is not in the site's vocabulary.",
    "A misspelt key is a rule that never matches, and no schema can tell. Needs `--vocabulary`.",
);
pub(super) static NO_ADVICE: Code = warning(
    "FG113",
    "no-advice",
    "A forbid that counts has no `@advice`.",
    "The advice is all that a denied caller learns of what to do instead, or whom to ask.",
);
pub(super) static NO_ENFORCE: Code = note(
    "FG114",
    "no-enforce",
    "A forbid does not say with `@enforce` what its denial does.",
    "It then depends on `policies.default_enforcement`, which is elsewhere and may change.",
);
pub(super) static UNEXPLAINED_TRIAL: Code = note(
    "FG115",
    "unexplained-trial",
    "A policy in `@shadow` has no `@doc` that says until when, and what it is on trial for.",
    "Trials that nobody remembers stay for ever.",
);
pub(super) static LOOK_UP_FIRST: Code = note(
    "FG116",
    "look-up-first",
    "A test on the finding stands before a test on what is proposed.",
    "The gate looks a finding up only if a verdict can depend on it, and Cedar stops at the first test that decides: the other way round, \
     fewer findings are looked up.",
);
pub(super) static MAY_OVERFLOW: Code = warning(
    "FG117",
    "may-overflow",
    "Arithmetic may leave the range of 64-bit numbers.",
    "A policy that fails denies the change (policy-error), and callers can bring that about. Compare numbers, do not calculate with them.",
);

/// What is allowed and probably not meant about policies and configuration together.
pub static DOUBTFUL_CONFIGURATION: Code = warning(
    "FG118",
    "doubtful-configuration",
    "The configuration is valid, and with these policies it does something that is probably not meant.",
    "The message says what, and which key or policies it is about.",
);

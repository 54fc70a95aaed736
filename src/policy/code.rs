//! What kinds of problems there are: a code that stays, a name, and how bad it is.

use serde::{Serialize, Serializer};
use std::fmt;

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; all may be well.
    Note,
    /// The policies load, and probably do not do what their author meant.
    Warning,
    /// Nothing is loaded.
    Error,
}

impl Severity {
    /// `error`, `warning` or `note`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// A kind of problem.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Code {
    /// `FG001`: it is never given to another kind.
    pub id: &'static str,
    /// A name for people, such as `syntax`.
    pub name: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What it means, in a sentence.
    pub meaning: &'static str,
    /// Why it matters and what to do about it, in a sentence or two.
    pub help: &'static str,
}

/// `FG001 syntax`
impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.id, self.name)
    }
}

impl Code {
    /// An error: nothing is loaded.
    const fn error(id: &'static str, name: &'static str, meaning: &'static str, help: &'static str) -> Self {
        Self { id, name, severity: Severity::Error, meaning, help }
    }
}

/// Its id alone.
impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id)
    }
}

/// Every kind of problem for which nothing is loaded.
pub const LOAD_CODES: &[&Code] = &[
    &FAULT,
    &SYNTAX,
    &VALIDATION,
    &ANNOTATION,
    &REPEATED_ID,
    &TOO_LARGE,
    &HIDDEN_CHARACTER,
    &TEMPLATE,
    &NEVER_HAS,
    &ACTION_GROUP,
    &NO_ACCOUNT,
    &NO_POLICY,
    &CONFIGURATION,
    &SUITE,
];

pub(super) static FAULT: Code = Code::error(
    "FG000",
    "fault",
    "The policies could not be checked.",
    "It is not the policies' fault: the message says what failed.",
);
pub(super) static SYNTAX: Code =
    Code::error("FG001", "syntax", "The text is no Cedar policy.", "The place is where Cedar's parser stopped.");
pub(super) static VALIDATION: Code = Code::error(
    "FG002",
    "validation",
    "The policy does not fit the schema: a name, a value or a type is not in it, or it can apply to nothing.",
    "`findings-gate schema` prints everything that a policy can say. Cedar's warnings count as errors.",
);
pub(super) static ANNOTATION: Code = Code::error(
    "FG003",
    "annotation",
    "An annotation is missing, unknown, or has a value that it cannot have.",
    "Every policy needs `@id`; it may carry `@enforce`, `@advice`, `@shadow` and `@doc`.",
);
pub(super) static REPEATED_ID: Code = Code::error(
    "FG004",
    "repeated-id",
    "Two policies have the same `@id`.",
    "Audit records, errors and tests call a policy by its id, so it is unique over all files. Two packs at once have the same ids: use one.",
);
pub(super) static TOO_LARGE: Code = Code::error(
    "FG005",
    "too-large",
    "A file, a policy or the whole set is larger or nested deeper than is safe to evaluate.",
    "A forbid that fails while it is evaluated does not forbid. Write several policies, or a set.",
);
pub(super) static HIDDEN_CHARACTER: Code = Code::error(
    "FG006",
    "hidden-character",
    "A character changes the direction in which the text around it is shown.",
    "A policy must read as what it says: remove the character.",
);
pub(super) static TEMPLATE: Code = Code::error(
    "FG007",
    "template",
    "The policy is a template, and nothing fills it in.",
    "Write the entity itself, or put the accounts in a `Group` and use `in`.",
);
pub(super) static NEVER_HAS: Code = Code::error(
    "FG008",
    "never-has",
    "A test with `has` is always false, because there is no such attribute.",
    "Under `unless` or `!` a misspelt name opens what should be closed, and Cedar's validator does not see it.",
);
pub(super) static ACTION_GROUP: Code = Code::error(
    "FG009",
    "action-group",
    "A group of actions is compared with `==`.",
    "No question is about a group, so nothing equals one: write `action in`.",
);
pub(super) static NO_ACCOUNT: Code = Code::error(
    "FG010",
    "no-account",
    "The id of an `Account` or of a `Fleet` is not twelve digits.",
    "No caller and no finding is ever in it. A named set of accounts is a `Group`.",
);
pub(super) static NO_POLICY: Code = Code::error(
    "FG011",
    "no-policy",
    "There is no policy at all.",
    "Without a policy every change would be denied: write one, or start from the pack `baseline`.",
);

/// What is wrong is the configuration, and not a policy.
pub static CONFIGURATION: Code = Code::error(
    "FG012",
    "configuration",
    "The configuration, the accounts or the keys are invalid.",
    "`docs/configuration.md` describes every key.",
);
/// What is wrong with a suite of tests; `findings-gate test` tells it.
pub(super) static SUITE: Code = Code::error(
    "FG013",
    "suite",
    "A suite of policy tests cannot be run.",
    "Something in it is misspelt, unused, missing or names nothing; a suite that could pass by mistake is not run.",
);

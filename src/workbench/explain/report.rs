//! What an explanation says, as data.

use crate::{
    finding::{AccountId, Role},
    policy::{Read, Rule, Span, Truth},
    workbench::Outcome,
};
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;

/// What becomes of a request, and why.
#[derive(Debug, Serialize)]
pub struct Explanation {
    /// The version of this form: 1.
    pub version: u32,
    /// The operation of the API.
    pub operation: &'static str,
    /// Who asks.
    pub caller: Asker,
    /// When.
    pub now: String,
    /// Each finding of the request, in its order.
    pub findings: Vec<FindingLook>,
    /// The bodies that would go to the backend, a call each.
    pub forwarded: Vec<Value>,
    /// What the client would read, if the backend does all that it is asked.
    pub answer: Answered,
    /// The policies that are spoken of, by id.
    pub policies: Vec<PolicySource>,
}

/// Who asks.
#[derive(Debug, Serialize)]
pub struct Asker {
    /// What its account is.
    pub role: Role,
    /// Its account.
    pub account: AccountId,
    /// Its ARN.
    pub principal: String,
    /// The groups of its account.
    pub groups: Vec<String>,
    /// The groups that its proof puts it in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub principal_groups: Vec<String>,
    /// What a denial does to it at the least.
    pub minimum_enforcement: &'static str,
}

/// What the client would read.
#[derive(Debug, Serialize)]
pub struct Answered {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Value,
}

/// A policy that is spoken of.
#[derive(Debug, Serialize)]
pub struct PolicySource {
    /// Its `@id`.
    pub id: Arc<str>,
    /// `permit` or `forbid`.
    pub effect: &'static str,
    /// Whether it is marked `@shadow`.
    pub shadow: bool,
    /// The file, as the user named it.
    pub file: Arc<str>,
    /// The line, counted from 1.
    pub line: usize,
    /// The column, counted from 1 in characters.
    pub column: usize,
    /// As it is written.
    pub text: Arc<str>,
    #[serde(skip)]
    pub(super) rule: Rule,
}

/// What becomes of a finding, and why.
#[derive(Debug, PartialEq, Serialize)]
pub struct FindingLook {
    /// Its place in the request, counted from 0.
    pub place: usize,
    /// As the request names it.
    pub id: String,
    /// Its `ProductArn`, where the request says it.
    pub product_arn: Option<String>,
    /// Whose it is, where that is known.
    pub owner: Option<AccountId>,
    /// What becomes of it.
    pub outcome: Outcome,
    /// Whether the policies were asked, or why not.
    pub asked: Unasked,
    /// Whether the gate would look it up, and what it would find.
    pub state: StateLook,
    /// The members that are forwarded, in the words of the operation.
    pub forwarded: Vec<&'static str>,
    /// Each change that was asked about.
    pub changes: Vec<ChangeLook>,
    /// What the client reads about it: the entries of `UnprocessedFindings` or `FailedFindings`.
    pub told: Vec<Value>,
}

/// Whether the policies were asked about a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unasked {
    /// They were.
    Asked,
    /// It came before in the same request.
    Duplicate,
    /// To this caller there is no such finding.
    NotFound,
    /// Whose it is cannot be told.
    OwnerUnknown,
    /// Its name says one owner and proves another.
    OwnerContradicted,
    /// Which finding its name means is not known.
    Unresolved,
    /// It says that it is another account's than its name proves.
    Foreign,
    /// It is none that can be imported.
    Invalid,
    /// The whole call is refused before any policy is asked.
    CallRefused,
}

/// What is known of a finding as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StateLook {
    /// Nothing depends on it: the gate would not look it up.
    NotNeeded,
    /// It is as it was given.
    Given,
    /// It was taken for a plain one.
    Plain,
    /// Findings were given, and it is none of them: the backend has no such finding.
    Missing,
    /// The decision depends on it, and no findings were given.
    NotGiven,
}

/// A change, the verdict on it, and why.
#[derive(Debug, PartialEq, Serialize)]
pub struct ChangeLook {
    /// The action, as policies name it.
    pub action: &'static str,
    /// Which of several changes of that action.
    pub element: Option<String>,
    /// As messages show it.
    pub change: String,
    /// What counts.
    pub verdict: VerdictLook,
    /// What it would be if the policies in `@shadow` counted, where that differs.
    pub shadow: Option<VerdictLook>,
    /// Whether it could be another one if it were known how the finding is.
    pub depends_on_finding: bool,
    /// The policies that decided.
    pub decided_by: Vec<PolicyLook>,
    /// The policies in `@shadow` that apply.
    pub shadowed_by: Vec<PolicyLook>,
    /// Of a change that a policy forbids: the permits that apply all the same.
    pub otherwise_permitted_by: Vec<Arc<str>>,
    /// Of a change that no policy permits: the permits that speak of such a change, the one that lacks least first.
    pub nearest: Vec<PolicyLook>,
    /// The forbids that speak of such a change and do not apply, the one that lacks least first.
    pub not_forbidden_by: Vec<PolicyLook>,
}

/// Allowed or denied, by which policies.
#[derive(Debug, PartialEq, Serialize)]
pub struct VerdictLook {
    /// Whether it is allowed.
    pub allowed: bool,
    /// Why it is denied, in the words of audit records.
    pub reason: Option<&'static str>,
    /// What the denial does.
    pub enforcement: Option<&'static str>,
    /// The policies.
    pub policies: Vec<Arc<str>>,
    /// What they advise.
    pub advice: Vec<Arc<str>>,
}

/// What a policy made of a change.
#[derive(Debug, PartialEq, Serialize)]
pub struct PolicyLook {
    /// Its `@id`.
    pub policy: Arc<str>,
    /// Whether it applies.
    pub applies: Truth,
    /// The parts of its scope that do not match.
    pub scope: Vec<Part>,
    /// Of its conditions, those that would have to be otherwise for it to apply.
    pub lacks: Vec<Lack>,
    /// Of one that applies: the atoms that make it apply.
    pub decisive: Vec<AtomLook>,
}

impl PolicyLook {
    /// How many things would have to be otherwise.
    pub(super) fn distance(&self) -> usize {
        self.scope.len() + self.lacks.len()
    }
}

/// A part of a scope.
#[derive(Debug, PartialEq, Serialize)]
pub struct Part {
    /// As it is written.
    pub text: String,
    /// Where it stands.
    pub span: Span,
    /// What was there.
    pub is: Option<Read>,
}

/// A condition that is not met.
#[derive(Debug, PartialEq, Serialize)]
pub struct Lack {
    /// As it is written.
    pub text: String,
    /// Where it stands.
    pub span: Span,
    /// What it would have to be.
    pub wanted: bool,
    /// What it is.
    pub is: Truth,
    /// The atoms that make it so.
    pub atoms: Vec<AtomLook>,
}

/// An atom of a condition, and what it read.
#[derive(Debug, PartialEq, Serialize)]
pub struct AtomLook {
    /// As it is written.
    pub text: String,
    /// Where it stands.
    pub span: Span,
    /// What it is.
    pub is: Truth,
    /// What it read.
    pub reads: Vec<Read>,
}

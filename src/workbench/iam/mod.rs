//! IAM policies on BatchUpdateFindings, as policies of the gate.
//!
//! IAM decides a request as a whole, by keys; the gate decides each change of it, by what its question can tell. [`import`] writes
//! policies by which the gate says of each request what IAM says, where no grant refuses the call
//! (`policies.default_enforcement = "refuse"`). A statement for which that cannot be done is refused, never approximated; the one
//! exception is the gate's own reading of severity, which is stricter and is told ([`Doubt`]).

mod condition;
mod doubts;
mod expression;
mod keys;
mod operator;
mod parse;
mod pattern;
mod probes;
mod questions;
mod scope;
mod suite;
mod translate;
mod write;

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;

pub use doubts::Doubt;
pub use parse::{Invalid, Source};
pub use scope::{Hub, InvalidHub};

use crate::{
    finding::{AccountId, Enforcement, Operation},
    policy::{self, Policies, PolicyText},
};
use condition::Condition;
use parse::{Document, Effect, Statement};
use serde::Serialize;
use translate::{Draft, Reliance};
use write::Written;

/// How to import.
#[derive(Debug, Clone)]
pub struct Options {
    /// What the files are called: `{name}.cedar` and `{name}.test.yaml`.
    pub name: String,
    /// Whom the policies are about: those whom the documents are attached to.
    pub principal: Principal,
    /// What a Deny does. IAM refuses the call; anything else deviates from it.
    pub enforcement: Enforcement,
    /// What every id begins with.
    pub prefix: String,
    /// The hub behind the gate, for statements that name one, or its Region.
    pub hub: Option<Hub>,
    /// Whether the documents are service control policies: what those allow, they do not grant.
    pub service_control: bool,
}

/// Whom the policies are about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// Every member.
    Member,
    /// The administrator.
    Administrator,
    /// Everyone.
    Any,
    /// The accounts of a group of the accounts file.
    Group(String),
    /// One account.
    Account(AccountId),
}

/// What was made of documents.
#[derive(Debug, Clone)]
pub struct Imported {
    /// Every statement, in the order of the documents.
    pub statements: Vec<ImportedStatement>,
    /// What whoever reads the policies should know.
    pub doubts: Vec<Doubt>,
    /// The policies, as text that loads; nothing if there are none.
    pub cedar: Option<String>,
    /// A suite for them, as text.
    pub suite: Option<String>,
}

/// What was made of a statement.
#[derive(Debug, Clone, Serialize)]
pub struct ImportedStatement {
    /// The file, as the user named it.
    pub file: String,
    /// Where in it.
    pub path: String,
    /// Its `Sid`.
    pub sid: Option<String>,
    /// `Allow` or `Deny`.
    pub effect: &'static str,
    /// Whether it is about an operation that changes findings.
    pub concerns: bool,
    /// The ids of the policies that stand for it.
    pub policies: Vec<String>,
    /// Why there are none.
    pub refused: Option<Refusal>,
}

/// Why a statement cannot be carried over faithfully.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// Where in the file.
    pub path: String,
    /// Why.
    pub reason: String,
    /// What may help.
    pub help: Option<String>,
}

impl Refusal {
    fn new(statement: &Statement, path: &str, reason: impl Into<String>, help: Option<String>) -> Self {
        let path = if path.is_empty() { statement.path.clone() } else { path.to_owned() };
        Self { path, reason: reason.into(), help }
    }
}

/// Why nothing was made of documents.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// These are no policy documents that could be imported.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Invalid(Vec<Invalid>),
    /// What was written does not load: a fault of the program.
    #[error("the policies that were written do not load, which is a fault of the program: {0}")]
    Fault(String),
}

impl Imported {
    /// Whether every statement that concerns the gate was carried over.
    pub fn is_complete(&self) -> bool {
        self.statements.iter().all(|statement| statement.refused.is_none())
    }
}

/// The operations that such statements are about, as far as the gate opens them.
const OPERATIONS: [Operation; 3] =
    [Operation::BatchUpdateFindings, Operation::BatchUpdateFindingsV2, Operation::BatchImportFindings];

/// What the statements came to, before it is written.
struct Translated<'d> {
    statement: &'d Statement,
    concerns: Vec<Operation>,
    /// The operations of whose requests it can hold.
    holds: Vec<Operation>,
    drafts: Vec<Draft>,
    refused: Option<Refusal>,
}

/// Makes policies of IAM policy documents.
///
/// # Errors
///
/// Documents that are none. What of a document cannot be carried over is in [`ImportedStatement::refused`].
pub fn import(sources: &[Source], options: &Options) -> Result<Imported, ImportError> {
    let documents = documents(sources)?;
    let translated = translate_all(&documents, options);
    let Written { text, ids } = write::cedar(&translated, options).map_err(ImportError::Fault)?;
    let (cedar, suite) = if ids.iter().all(Vec::is_empty) {
        (None, None)
    } else {
        let rules = loaded(&text, options)?;
        let suite = suite::write(&translated, &ids, rules.rules(), options).map_err(ImportError::Fault)?;
        (Some(text), Some(suite))
    };
    let doubts = doubts::of(&documents, &translated, options);
    let statements = translated.into_iter().zip(ids).map(|(translated, policies)| translated.told(policies));
    Ok(Imported { statements: statements.collect(), doubts, cedar, suite })
}

/// Reads documents: all of them, or what is wrong with each that is none.
fn documents(sources: &[Source]) -> Result<Vec<Document>, ImportError> {
    let mut documents = Vec::new();
    let mut invalid = Vec::new();
    for source in sources {
        match Document::parse(source) {
            Ok(document) => documents.push(document),
            Err(error) => invalid.push(error),
        }
    }
    if invalid.is_empty() { Ok(documents) } else { Err(ImportError::Invalid(invalid)) }
}

fn translate_all<'d>(documents: &'d [Document], options: &Options) -> Vec<Translated<'d>> {
    let mut relying = Vec::new();
    let statements = documents.iter().flat_map(|document| &document.statements);
    statements.map(|statement| translate(statement, options, &mut relying)).collect()
}

/// The policies that were written, as the gate loads them.
fn loaded(text: &str, options: &Options) -> Result<Policies, ImportError> {
    let file = PolicyText { name: format!("{}.cedar", options.name), text: text.to_owned() };
    policy::load(&[file]).map_err(|error| {
        let told: Vec<String> = error.problems().iter().map(ToString::to_string).collect();
        ImportError::Fault(format!("{}\n{text}", told.join("\n")))
    })
}

impl Translated<'_> {
    fn told(self, policies: Vec<String>) -> ImportedStatement {
        let Self { statement, concerns, refused, .. } = self;
        ImportedStatement {
            file: statement.file.clone(),
            path: statement.path.clone(),
            sid: statement.sid.clone(),
            effect: statement.effect.as_str(),
            concerns: !concerns.is_empty(),
            policies,
            refused,
        }
    }
}

fn translate<'d>(
    statement: &'d Statement,
    options: &Options,
    relying: &mut Vec<(Operation, Reliance, String)>,
) -> Translated<'d> {
    let mut translated =
        Translated { statement, concerns: Vec::new(), holds: Vec::new(), drafts: Vec::new(), refused: None };
    let mut relies = Vec::new();
    for operation in OPERATIONS {
        match of_operation(statement, operation, options, &mut translated, relying) {
            Ok(Some(reliance)) => relies.push((operation, reliance, statement.to_string())),
            Ok(None) => {}
            Err(refusal) => {
                translated.refused = Some(*refusal);
                translated.drafts.clear();
                return translated;
            }
        }
    }
    relying.extend(relies);
    translated
}

/// Adds what a statement says of one operation. Returns on what its permits rely.
fn of_operation(
    statement: &Statement,
    operation: Operation,
    options: &Options,
    translated: &mut Translated<'_>,
    relying: &[(Operation, Reliance, String)],
) -> Result<Option<Reliance>, Box<Refusal>> {
    if !scope::names_action(&statement.actions, operation) {
        return Ok(None);
    }
    translated.concerns.push(operation);
    if !scope::names_resource(statement, operation, options.hub.as_ref())? {
        return Ok(None);
    }
    let Some(condition) = Condition::of(statement, operation, options)? else { return Ok(None) };
    translated.holds.push(operation);
    let refused = |reason: String| Refusal::new(statement, "", format!("of {operation}: {reason}"), None);
    let (drafts, reliance) = match statement.effect {
        Effect::Deny => (translate::deny(&condition, operation).map_err(refused)?, None),
        Effect::Allow if options.service_control => {
            if condition.units.is_empty() && condition.always.is_empty() {
                return Ok(None);
            }
            let help = "say it as a Deny of everything else";
            let reason =
                "a service control policy that allows under a condition denies everything else and grants nothing";
            return Err(Refusal::new(statement, "", reason, Some(help.to_owned())).into());
        }
        Effect::Allow => {
            let grant = translate::allow(&condition, operation).map_err(refused)?;
            let clashes = |(known, other, _): &&(Operation, Reliance, String)| {
                *known == operation
                    && match (&grant.relies, other) {
                        (Reliance::None, _) | (_, Reliance::None) => false,
                        (Reliance::Shared(one), Reliance::Shared(other)) => one != other,
                        _ => true,
                    }
            };
            if let Some((_, _, first)) = relying.iter().find(clashes) {
                let reason = format!(
                    "of {operation}: each question of a request would be granted by this statement or by {first}, and IAM wants \
                     one statement that grants all of it"
                );
                let help =
                    "import them for different callers, each into policies of its own, or make one statement of both";
                return Err(Refusal::new(statement, "", reason, Some(help.to_owned())).into());
            }
            (grant.drafts, Some(grant.relies))
        }
    };
    for draft in drafts {
        let same = |known: &&mut Draft| known.questions == draft.questions && known.when == draft.when;
        match translated.drafts.iter_mut().find(same) {
            Some(known) => known.operations.extend(draft.operations),
            None => translated.drafts.push(draft),
        }
    }
    Ok(reliance)
}

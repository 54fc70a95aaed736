//! One policy, with what its annotations say.

use super::Expect;
use super::code;
use super::problem::{Problem, Source, nearest};
use super::slice;
use super::text::{Piece, Token};
use crate::finding::{Action, Enforcement, Role};
use cedar_policy::{Effect, Policy, pst::Clause};
use std::{ops::Range, sync::Arc};

/// The annotations that a policy may carry.
pub(super) const ANNOTATIONS: [&str; 5] = ["id", "enforce", "advice", "shadow", "doc"];

/// The longest `@id`, in characters.
pub const MAX_ID: usize = 128;

/// The longest `@advice`, in characters: it travels in every error message that the policy causes.
pub const MAX_ADVICE: usize = 400;

/// One policy of the set, and what the gate does with it.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Its `@id`: unique over all files, and the name that audit, errors and tests call it by.
    pub id: Arc<str>,
    /// Whether it permits or forbids.
    pub effect: Effect,
    /// `@enforce`: what its denial does. Only a forbid has one; nothing means the configured default.
    pub enforcement: Option<Enforcement>,
    /// `@advice`: what a caller that it denies is told to do. Only a forbid has one.
    pub advice: Option<Arc<str>>,
    /// `@shadow`: it is evaluated and recorded, and changes no verdict.
    pub shadow: bool,
    /// The policy itself, under its `@id`.
    pub policy: Policy,
    /// Where it was written.
    pub origin: Origin,
}

/// Where a policy was written, and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The file, as the user named it.
    pub file: Arc<str>,
    /// The line, counted from 1.
    pub line: usize,
    /// The column, counted from 1 in characters.
    pub column: usize,
    /// How many bytes of the file come before it.
    pub offset: usize,
    /// The policy as it is written: from its first annotation to its `;`.
    pub text: Arc<str>,
}

impl Rule {
    /// Whether it can apply to some caller of a role who asks for an action, by its scope alone.
    pub fn can_apply(&self, role: Role, action: Action) -> bool {
        slice::can_apply(&self.policy, role, action)
    }

    /// What it says besides its annotations, laid out as Cedar prints it: two policies that differ in layout alone have the same.
    pub fn meaning(&self) -> String {
        let tree = self.policy.to_pst().map(|tree| {
            let body = tree.body();
            let mut text = format!("{:?} {:?} {:?} {:?}", body.effect, body.principal, body.action, body.resource);
            for clause in body.clauses() {
                let (word, condition) = match clause {
                    Clause::When(condition) => ("when", condition),
                    Clause::Unless(condition) => ("unless", condition),
                };
                text.push_str(&[" ", word, " { ", &condition.to_string(), " }"].concat());
            }
            text
        });
        tree.unwrap_or_else(|_| self.policy.to_string())
    }
}

/// What the annotations of one policy, or of one property, say.
#[derive(Debug, Default)]
pub(super) struct Annotations {
    /// The `@id` and where it stands, if it is one that can be used.
    pub(super) id: Option<(Arc<str>, Range<usize>)>,
    pub(super) enforcement: Option<Enforcement>,
    pub(super) advice: Option<Arc<str>>,
    pub(super) shadow: bool,
    /// Of a property.
    pub(super) expect: Expect,
    /// Of a property.
    pub(super) doc: Option<Arc<str>>,
}

/// Reads the annotations of a policy that Cedar could parse; what is wrong with them goes to `problems`.
pub(super) fn annotations(
    source: &Source,
    piece: &Piece<'_>,
    policy: &Policy,
    problems: &mut Vec<Problem>,
) -> Annotations {
    let mut read = Annotations::default();
    let mut named = false;
    for (name, token) in piece.annotations() {
        let key = piece.word(name);
        // With escapes resolved; empty when there is none.
        let value = policy.annotation(key).unwrap_or_default();
        let mut span =
            token.map_or_else(|| name.span.start.saturating_sub(1)..name.span.end, |token| token.span.clone());
        let outcome = match key {
            "id" => {
                named = true;
                id(value).map(|id| read.id = Some((id, span.clone())))
            }
            "enforce" => enforce(value, policy.effect()).map(|enforcement| read.enforcement = Some(enforcement)),
            "advice" => advice(value, policy.effect()).map(|advice| read.advice = Some(advice)),
            "shadow" => shadow(token).map(|()| read.shadow = true),
            "doc" => Ok(()),
            unknown => {
                let near = nearest(unknown, ANNOTATIONS);
                named |= near == Some("id");
                span = name.span.start.saturating_sub(1)..name.span.end;
                Err(is_unknown(unknown, near))
            }
        };
        problems
            .extend(outcome.err().map(|(message, help)| source.problem(&code::ANNOTATION, span, message).help(help)));
    }
    if !named {
        problems.push(source.problem(&code::ANNOTATION, piece.effect(), "this policy has no `@id`").help(
            "write `@id(\"a-short-name\")` before it: audit records, errors and tests call the policy by that name",
        ));
    }
    read
}

/// What is wrong with an annotation, and what to do.
pub(super) type Fault = (String, String);

pub(super) fn id(value: &str) -> Result<Arc<str>, Fault> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._/-".contains(c);
    if value.is_empty() || value.len() > MAX_ID || !value.chars().all(fits) {
        let message = format!("`{}` cannot be an `@id`", value.escape_debug());
        let help = format!("use 1 to {MAX_ID} of the letters a to z and A to Z, digits, `.`, `_`, `/` and `-`");
        return Err((message, help));
    }
    Ok(value.into())
}

fn enforce(value: &str, effect: Effect) -> Result<Enforcement, Fault> {
    if effect == Effect::Permit {
        let help = "`@enforce` says what a denial does: write it on the forbid, or remove it";
        return Err(("`@enforce` on a permit, which denies nothing".to_owned(), help.to_owned()));
    }
    Enforcement::parse(value).ok_or_else(|| {
        let values = Enforcement::ALL.iter().map(|enforcement| enforcement.as_str());
        let near = nearest(value, values).map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
        let help = "`strip` takes out the field, `reject` leaves the finding as it is, `refuse` refuses the whole call";
        (format!("`{}` is no enforcement", value.escape_debug()), near + help)
    })
}

fn advice(value: &str, effect: Effect) -> Result<Arc<str>, Fault> {
    if effect == Effect::Permit {
        let help = "advice is told to a caller whom the policy denies: write it on a forbid, or use `@doc`";
        return Err(("`@advice` on a permit, which denies nothing".to_owned(), help.to_owned()));
    }
    let length = value.chars().count();
    if length == 0 || length > MAX_ADVICE {
        let help =
            format!("write 1 to {MAX_ADVICE} characters that tell the caller what to do instead, or whom to ask");
        return Err((format!("an `@advice` of {length} characters"), help));
    }
    if let Some(c) = value.chars().find(|c| c.is_control() || is_bidi_control(*c)) {
        let help = "write it as one line of plain text: it goes into error messages and logs";
        return Err((format!("an `@advice` with the control character `{}`", c.escape_unicode()), help.to_owned()));
    }
    Ok(value.into())
}

fn shadow(value: Option<&Token>) -> Result<(), Fault> {
    if value.is_some() {
        let help = "write `@shadow` alone: the policy is evaluated and recorded, and changes no verdict";
        return Err(("`@shadow` takes no value".to_owned(), help.to_owned()));
    }
    Ok(())
}

fn is_unknown(key: &str, near: Option<&str>) -> Fault {
    let near = near.map(|near| format!("did you mean `@{near}`? ")).unwrap_or_default();
    let help = "a policy may carry `@id`, `@enforce`, `@advice`, `@shadow` and `@doc`";
    (format!("unknown annotation `@{key}`"), near + help)
}

/// Whether a character changes the direction in which the text around it is shown, so that it reads differently from
/// what it says.
pub(super) fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

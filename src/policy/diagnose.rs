//! What Cedar says about a policy, at its place in the whole file, and with a hint where Cedar has none or a wrong one.

use super::code;
use super::problem::{Problem, Source, nearest};
use super::schema::schema;
use super::text::Piece;
use cedar_policy::{ParseErrors, Policy, ValidationResult, ValidationWarning};
use miette::Diagnostic;
use std::{collections::BTreeMap, ops::Range};

/// Why a text is no policy.
pub(super) fn syntax(source: &Source, piece: &Piece<'_>, errors: &ParseErrors) -> Vec<Problem> {
    errors
        .iter()
        .map(|error| {
            let message = error.to_string();
            let (span, expected) = place(piece, error);
            let help = hint(&message).or_else(|| error.help().map(|help| help.to_string())).or(expected);
            finish(source.problem(&code::SYNTAX, span, message), help)
        })
        .collect()
}

/// What the validator has against a policy. Warnings count: each is a policy that does not do what it says.
///
/// That a policy can never apply is left out where a reason for that is known: found by the validator, or `explained`
/// already.
pub(super) fn validation(
    source: &Source,
    piece: &Piece<'_>,
    policy: &Policy,
    result: &ValidationResult,
    explained: bool,
) -> Vec<Problem> {
    let mut consequences: Vec<(u8, &dyn Diagnostic)> = Vec::new();
    let mut causes: Vec<&dyn Diagnostic> = result.validation_errors().map(|error| error as &dyn Diagnostic).collect();
    for warning in result.validation_warnings() {
        match warning {
            // The first of these implies the second.
            ValidationWarning::InvalidActionApplication(_) => consequences.push((0, warning)),
            ValidationWarning::ImpossiblePolicy(_) => consequences.push((1, warning)),
            _ => causes.push(warning),
        }
    }
    if causes.is_empty() && !explained {
        causes.extend(consequences.into_iter().min_by_key(|(order, _)| *order).map(|(_, warning)| warning));
    }

    // The validator checks a policy once for each action that it applies to, so one mistake may be told in several ways.
    let mut by_place: BTreeMap<(usize, usize), BTreeMap<String, Option<String>>> = BTreeMap::new();
    let prefixes = [", ", ": "].map(|end| format!("for policy `{}`{end}", policy.id()));
    for diagnostic in causes {
        let message = diagnostic.to_string();
        let message = prefixes.iter().find_map(|prefix| message.strip_prefix(prefix)).unwrap_or(&message);
        let message = message.replace("__cedar::internal::AnyEntity", "an entity");
        let help = diagnostic.help().map(|help| help.to_string());
        let help = help.map(|help| prefixes.iter().fold(help, |help, prefix| help.replace(prefix, "")));
        let help = hint(&message).or_else(|| help.filter(|help| !is_far_fetched(&message, help)));
        let (span, _) = place(piece, diagnostic);
        by_place.entry((span.start, span.end)).or_default().insert(message, help);
    }
    by_place
        .into_iter()
        .filter_map(|((start, end), ways)| {
            let differs = ways.len() > 1;
            let suggestion = ways.values().flatten().find(|help| help.starts_with(SUGGESTION)).cloned();
            let (message, help) = ways.into_iter().next()?;
            let in_context = differs || message.contains(" in context for ");
            let help = suggestion.or(help).filter(|help| !differs || help.starts_with(SUGGESTION));
            Some(finish(
                source.problem(&code::VALIDATION, start..end, message),
                help.or_else(|| in_context.then(|| CONTEXTS.to_owned())),
            ))
        })
        .collect()
}

/// How Cedar's suggestions start.
const SUGGESTION: &str = "did you mean ";

const CONTEXTS: &str =
    "the context depends on the action: name one with `action == …`, or a group whose members have the same context";

fn finish(problem: Problem, help: Option<String>) -> Problem {
    match help {
        Some(help) => problem.help(help),
        None => problem,
    }
}

/// Where in the file a diagnostic of one policy points, and what its label says. A policy as a whole is its effect.
fn place(piece: &Piece<'_>, diagnostic: &dyn Diagnostic) -> (Range<usize>, Option<String>) {
    let whole = piece.span();
    let Some(label) = diagnostic.labels().and_then(|mut labels| labels.next()) else { return (piece.effect(), None) };
    let start = whole.start + label.offset();
    let span = start..start + label.len();
    let text = label.label().map(str::to_owned);
    (if span == whole { piece.effect() } else { span }, text)
}

/// A better hint than Cedar's own, for the mistakes that this vocabulary invites.
fn hint(message: &str) -> Option<String> {
    if let Some(rest) = message.strip_prefix("the types String and ") {
        let kind = rest.split(' ').next()?;
        let declared = schema().entity_types().any(|declared| declared.to_string() == kind);
        return declared.then(|| format!("a {kind} is an entity and not a string: write `{kind}::\"…\"`"));
    }
    let hint = match message {
        _ if message.starts_with("attribute `account` on entity type `Finding`") => {
            "the account is the finding's parent: write `resource in principal.account`"
        }
        _ if message.starts_with("policy is impossible") => {
            "as it is written it can never apply: look for two conditions that contradict each other, or for entities \
             of different types that are compared"
        }
        _ if message.starts_with("unable to find an applicable action") => {
            "as it is written it can never apply: principals are `Member` or `Administrator`, the resource is a `Finding`"
        }
        _ if message.contains("mixed scripts") => {
            "it has letters of different alphabets that may look alike: retype the word in one alphabet"
        }
        _ if message.starts_with("duplicate annotation") => "write each annotation once",
        _ if message == "invalid token" => "Cedar has no such character outside of strings and comments: remove it",
        _ if message.ends_with("clause cannot be empty") => {
            "write a condition between the braces, or remove the clause"
        }
        _ if message.starts_with("empty set literals") => "test a set with `isEmpty()`, or remove the test",
        _ => return None,
    };
    Some(hint.to_owned())
}

/// Cedar suggests the nearest name there is, however far.
fn is_far_fetched(message: &str, help: &str) -> bool {
    let quoted = |text: &str| text.split('`').nth(1).map(str::to_owned);
    let (Some(meant), Some(written)) = (help.strip_prefix(SUGGESTION).and_then(quoted), quoted(message)) else {
        return false;
    };
    nearest(&written, [meant.as_str()]).is_none()
}

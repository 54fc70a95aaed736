//! A policy file as its author laid it out: policies, and the comments between them.

use super::code;
use super::load::{MAX_FILE, PolicyText, on_a_large_stack, unreadable};
use super::problem::{LoadError, Source};
use super::{diagnose, text};
use cedar_policy::Policy;

/// A file that parses, cut at its policies.
#[derive(Debug)]
pub struct Layout<'t> {
    /// What the file is made of, in its order.
    pub parts: Vec<LayoutPart<'t>>,
}

/// A part of a policy file.
#[derive(Debug)]
pub enum LayoutPart<'t> {
    /// What stands before, between or after policies: comments and white space.
    Between(&'t str),
    /// A policy, from its first token to its `;`, and what Cedar made of it.
    Policy(&'t str, Box<Policy>),
}

impl<'t> Layout<'t> {
    /// Parses a file, and no more: a policy may still be invalid. A file may be empty.
    ///
    /// # Errors
    ///
    /// Everything in the file that Cedar's grammar, or the bounds within which it is safe to parse, do not allow.
    pub fn parse(file: &'t PolicyText) -> Result<Self, LoadError> {
        on_a_large_stack(|| parse(file))
    }
}

fn parse(file: &PolicyText) -> Result<Layout<'_>, LoadError> {
    let source = Source::new(&file.name, &file.text);
    let text = file.text.as_str();
    if text.len() > MAX_FILE {
        let message = format!("the file has {} bytes; at most {MAX_FILE} are read", text.len());
        return Err(LoadError::new(vec![
            source.problem(&code::TOO_LARGE, 0..0, message).help("split it into several files"),
        ]));
    }
    let tokens = text::tokens(text).map_err(|text::Unterminated { at }| {
        let problem = source.problem(&code::SYNTAX, at..at + 1, "a string that starts here never ends");
        LoadError::new(vec![problem.help("close it with `\"`; inside a string, write `\\\"`")])
    })?;
    let mut problems = Vec::new();
    let mut parts = Vec::new();
    let mut end = 0;
    for piece in text::pieces(text, &tokens) {
        let span = piece.span();
        if span.start > end {
            parts.push(LayoutPart::Between(&text[end..span.start]));
        }
        end = span.end;
        if let Some(problem) = unreadable(&source, &piece) {
            problems.push(problem);
            continue;
        }
        match Policy::parse(None, piece.text()) {
            Ok(policy) => parts.push(LayoutPart::Policy(&text[span], Box::new(policy))),
            Err(errors) => problems.extend(diagnose::syntax(&source, &piece, &errors)),
        }
    }
    if end < text.len() {
        parts.push(LayoutPart::Between(&text[end..]));
    }
    if problems.is_empty() { Ok(Layout { parts }) } else { Err(LoadError::new(problems)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_its_policies_and_what_stands_between() {
        let text = "// one\npermit (principal, action, resource); // two\n";
        let file = PolicyText { name: "a".into(), text: text.into() };
        let layout = Layout::parse(&file).unwrap();
        let [LayoutPart::Between(before), LayoutPart::Policy(policy, _), LayoutPart::Between(after)] =
            &layout.parts[..]
        else {
            panic!("{layout:?}")
        };
        assert_eq!([*before, *policy, *after], ["// one\n", "permit (principal, action, resource);", " // two\n"]);
        let file = PolicyText { name: "a".into(), text: "permit (principal, action); forbid (".into() };
        assert_eq!(Layout::parse(&file).unwrap_err().problems().len(), 2);
    }
}

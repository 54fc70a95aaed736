//! Policy files in one layout.
//!
//! Cedar's own formatter lays out each policy. What stands between policies is their author's: comments keep their lines and
//! the blank lines around them, which that formatter would take out, so that a heading stays a heading and what belongs to a policy
//! stays with it. Nothing is taken on trust: what does not say the same afterwards, comments included, is refused.

use crate::policy::{Layout, LayoutPart, LoadError, PolicyText};
use cedar_policy_formatter::{Config, policies_str_to_pretty};
use std::fmt::Write;

/// How wide a line may be.
pub const LINE_WIDTH: usize = 120;

/// How far what is inside stands to the right.
const INDENT: isize = 2;

/// Why a file has no layout.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// It does not parse.
    #[error(transparent)]
    Invalid(#[from] LoadError),
    /// The formatter would change what it says: a fault of the formatter, and no reason to touch the file.
    #[error("{file} cannot be formatted: {why}; it is left as it is")]
    Unfaithful {
        /// The file, as the user named it.
        file: String,
        /// What would be different.
        why: String,
    },
}

/// The file in its layout. To format it again changes nothing.
///
/// # Errors
///
/// When the file does not parse, or when its policies or comments would not be the same afterwards.
pub fn format(file: &PolicyText) -> Result<String, FormatError> {
    let before = Layout::parse(file)?;
    let once = laid_out(&before).map_err(|why| unfaithful(file, why))?;
    let formatted = PolicyText { name: file.name.clone(), text: once };
    let after =
        Layout::parse(&formatted).map_err(|error| unfaithful(file, format!("what comes out is invalid: {error}")))?;
    compare(&before, &after).map_err(|why| unfaithful(file, why))?;
    let twice = laid_out(&after).map_err(|why| unfaithful(file, why))?;
    if twice != formatted.text {
        return Err(unfaithful(file, "formatting it twice is not the same as formatting it once"));
    }
    drop(after);
    Ok(formatted.text)
}

fn unfaithful(file: &PolicyText, why: impl Into<String>) -> FormatError {
    FormatError::Unfaithful { file: file.name.clone(), why: why.into() }
}

fn laid_out(layout: &Layout<'_>) -> Result<String, String> {
    let mut text = String::new();
    for part in &layout.parts {
        match part {
            LayoutPart::Between(between) => {
                let place = if text.is_empty() { Place::Start } else { Place::AfterPolicy };
                comments(between, place, &mut text);
            }
            LayoutPart::Policy(policy, _) => {
                if text.ends_with(';') {
                    text.push_str("\n\n");
                }
                let config = Config { line_width: LINE_WIDTH, indent_width: INDENT };
                let pretty = policies_str_to_pretty(policy, &config).map_err(|error| format!("{error:#}"))?;
                text.push_str(pretty.trim());
            }
        }
    }
    let length = text.trim_end().len();
    text.truncate(length);
    if !text.is_empty() {
        text.push('\n');
    }
    Ok(text)
}

/// Where comments stand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Start,
    AfterPolicy,
}

/// Lays out what stands between policies: a comment behind a policy stays on its line, several blank lines become one, and a
/// policy has one before it or before its comments.
fn comments(between: &str, place: Place, text: &mut String) {
    let mut lines = between.lines().map(str::trim);
    let behind = if place == Place::AfterPolicy { lines.next().unwrap_or_default() } else { "" };
    if !behind.is_empty() {
        text.push(' ');
        text.push_str(behind);
    }
    let mut blank = place == Place::AfterPolicy;
    if blank {
        text.push('\n');
    }
    for line in lines {
        if line.is_empty() {
            blank = !text.is_empty();
            continue;
        }
        if blank {
            text.push('\n');
            blank = false;
        }
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{line}");
    }
    if blank {
        text.push('\n');
    }
}

/// That two files say the same: the same policies in the same order, and the same comments.
fn compare(before: &Layout<'_>, after: &Layout<'_>) -> Result<(), String> {
    let policies = |layout: &Layout<'_>| -> Result<Vec<serde_json::Value>, String> {
        let policies = layout.parts.iter().filter_map(|part| match part {
            LayoutPart::Policy(_, policy) => Some(policy.to_json().map_err(|error| error.to_string())),
            LayoutPart::Between(_) => None,
        });
        policies.collect()
    };
    let (old, new) = (policies(before)?, policies(after)?);
    if old.len() != new.len() {
        return Err(format!("of {} policies there would be {}", old.len(), new.len()));
    }
    if let Some(which) = old.iter().zip(&new).position(|(old, new)| old != new) {
        return Err(format!("policy {} of the file would say something else", which + 1));
    }
    let (mut old, mut new) = (comment_lines(before), comment_lines(after));
    old.sort_unstable();
    new.sort_unstable();
    if old == new {
        return Ok(());
    }
    let lost = old.iter().find(|comment| !new.contains(comment)).or_else(|| new.iter().find(|new| !old.contains(new)));
    Err(match lost {
        Some(comment) => format!("the comment `{comment}` would be lost or changed"),
        None => format!("of {} comments there would be {}", old.len(), new.len()),
    })
}

/// The text of every comment, without white space around it.
fn comment_lines<'t>(layout: &Layout<'t>) -> Vec<&'t str> {
    let mut found = Vec::new();
    for part in &layout.parts {
        let (LayoutPart::Between(mut rest) | LayoutPart::Policy(mut rest, _)) = *part;
        while let Some(at) = rest.find(['"', '/']) {
            let here = &rest[at..];
            let length = if here.starts_with("//") {
                let length = here.find(['\n', '\r']).unwrap_or(here.len());
                found.push(here[..length].trim());
                length
            } else if here.starts_with('"') {
                string_length(here)
            } else {
                1
            };
            rest = &here[length..];
        }
    }
    found
}

/// The length of the string that starts the text.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    let end = text.char_indices().skip(1).find(|(_, c)| match c {
        _ if escaped => {
            escaped = false;
            false
        }
        '\\' => {
            escaped = true;
            false
        }
        c => *c == '"',
    });
    end.map_or(text.len(), |(at, _)| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{PACKS, pack};
    use proptest::prelude::*;

    fn formatted(text: &str) -> Result<String, FormatError> {
        format(&PolicyText { name: "a.cedar".into(), text: text.into() })
    }

    #[test]
    fn the_shipped_policies_are_formatted() {
        for file in PACKS.iter().flat_map(|name| pack(name).unwrap()) {
            assert_eq!(format(&file).unwrap(), file.text, "{}: run `findings-gate fmt policies`", file.name);
        }
    }

    #[test]
    fn comments_between_policies_keep_their_lines() {
        let text = "\n\n// head\n\n\n// ---- part ----\n\n// of a\n@id(\"a\")permit(principal,action,resource);   // behind a\n// of b\n\
                    @id(\"b\")\n\npermit(principal,action,resource);@id(\"c\") permit(principal,action,resource);\n//end\n\n";
        assert_eq!(
            formatted(text).unwrap(),
            "// head\n\n// ---- part ----\n\n// of a\n@id(\"a\")\npermit (principal, action, resource); // behind a\n\n// of b\n\
             @id(\"b\")\npermit (principal, action, resource);\n\n@id(\"c\")\npermit (principal, action, resource);\n\n//end\n"
        );
    }

    #[test]
    fn empty_files_stay_empty_and_a_comment_is_a_file() {
        assert_eq!(formatted(" \n\t\n").unwrap(), "");
        assert_eq!(formatted("// nothing yet").unwrap(), "// nothing yet\n");
    }

    #[test]
    fn what_does_not_parse_is_told_with_its_place() {
        let FormatError::Invalid(error) = formatted("permit (principal, action);\n").unwrap_err() else { panic!() };
        assert_eq!(error.problems()[0].code.id, "FG001");
        assert_eq!(error.problems()[0].place.as_ref().map(|place| place.line), Some(1));
    }

    #[test]
    fn what_would_be_lost_is_noticed() {
        let layout = |text: &str| PolicyText { name: "a".into(), text: text.into() };
        let policy = "permit (principal, action, resource) when { \"// no comment\" == \"\\\"\" // one\n};";
        let (one, two) = (layout(&format!("// zero\n{policy}")), layout(policy));
        let (one, two) = (Layout::parse(&one).unwrap(), Layout::parse(&two).unwrap());
        assert_eq!(comment_lines(&one), ["// zero", "// one"]);
        assert_eq!(compare(&one, &two).unwrap_err(), "the comment `// zero` would be lost or changed");
        let forbid = layout("// zero\n// one\nforbid (principal, action, resource);");
        let error = compare(&one, &Layout::parse(&forbid).unwrap()).unwrap_err();
        assert_eq!(error, "policy 1 of the file would say something else");
    }

    proptest! {
        /// Whatever is formatted says the same, and is as if it had been formatted again; or it is refused.
        #[test]
        fn formatting_changes_nothing_but_the_layout(parts in prop::collection::vec(prop::sample::select(vec![
            "@id(\"a\")", "@advice(\"// no comment\")", "@shadow ", "// c\n", "\n// d\n\n\n", " // e\r\n", "\n",
            "permit (principal, action, resource);", "permit(principal is Member,action in [Action::\"Note\",Action::\"Types\"],resource);",
            "forbid (principal, // who\n action, resource) when { context.value == \"a\\\"b\" // why\n && 1 < 2 };",
            "permit (principal, action, resource) when { // in\n true } unless { if 1 == 1 then false else true };",
        ]), 0..10)) {
            let text = parts.concat();
            if let Ok(once) = formatted(&text) {
                prop_assert_eq!(&formatted(&once).unwrap(), &once);
                let (old, new) = (text.parse::<cedar_policy::PolicySet>().unwrap(), once.parse::<cedar_policy::PolicySet>().unwrap());
                prop_assert_eq!(old.to_json().unwrap(), new.to_json().unwrap());
            } else {
                // Only what Cedar itself does not take is refused here.
                prop_assert!(text.parse::<cedar_policy::PolicySet>().is_err(), "{}\n{}", text, formatted(&text).unwrap_err());
            }
        }
    }
}

//! The source of a policy as people are shown it, with what matters underlined.

use super::Paint;
use crate::policy::{Condition, Rule, Span};
use std::fmt::Write as _;

/// The longest policy that is shown whole, in lines; of a longer one, only what is marked.
const WHOLE: usize = 24;

/// A stretch of a policy to underline, and what to say of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Where it stands in the policy's file.
    pub span: Span,
    /// What is said of it, in one line.
    pub note: String,
    /// Whether it is what is wrong, and not only of interest.
    pub bad: bool,
}

/// The policy's text without its annotations, its lines numbered as in the file, each after `indent`.
pub fn excerpt(rule: &Rule, marks: &[Mark], indent: &str, paint: Paint) -> String {
    let origin = &rule.origin;
    // What the annotations say is told in other words; where the conditions cannot be told, all of the text is shown.
    let first = Condition::of(rule).map_or(origin.line, |condition| condition.effect.line);
    let lines: Vec<(usize, String)> = origin
        .text
        .lines()
        .enumerate()
        .map(|(at, line)| {
            // The first line may have something else before the policy: columns count that, too.
            let before = if at == 0 { " ".repeat(origin.column - 1) } else { String::new() };
            (origin.line + at, before + line.trim_end())
        })
        .filter(|(number, _)| *number >= first)
        .collect();
    let width = lines.last().map_or(1, |(number, _)| number.to_string().len());
    let is_marked = |number: usize| marks.iter().any(|mark| mark.span.line == number);
    let mut text = String::new();
    let mut skipped = false;
    for (number, line) in &lines {
        if lines.len() > WHOLE && *number != first && !is_marked(*number) {
            if !skipped {
                // Writing to a string cannot fail.
                let _ = writeln!(text, "{indent}{:width$} {}", "", paint.faint("..."));
            }
            skipped = true;
            continue;
        }
        skipped = false;
        let _ = writeln!(text, "{indent}{} {line}", paint.faint(format_args!("{number:width$} |")));
        for mark in marks.iter().filter(|mark| mark.span.line == *number) {
            let end = if mark.span.end_line == *number { mark.span.end_column } else { line.chars().count() + 1 };
            let under = "^".repeat(end.saturating_sub(mark.span.column).max(1));
            let under = if mark.bad { paint.bad(under) } else { paint.good(under) };
            let bar = paint.faint("|");
            let (before, note) = (" ".repeat(mark.span.column - 1), &mark.note);
            let _ = writeln!(text, "{indent}{:width$} {bar} {before}{under} {note}", "");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{PolicyText, Probe, load};

    fn rule(text: &str) -> Rule {
        let texts = [PolicyText { name: "a.cedar".to_owned(), text: text.to_owned() }];
        load(&texts).unwrap().rules()[0].clone()
    }

    #[test]
    fn what_matters_is_underlined_where_it_stands() {
        let rule = rule(
            "\n  @id(\"a\")\n@advice(\"no\") forbid (principal, action == Action::\"Confidence\", resource)\nwhen { context.value >\n 1 && context has note };\n",
        );
        let probe = Probe::new(&rule).unwrap();
        let marks: Vec<Mark> = probe
            .condition()
            .atoms
            .iter()
            .map(|atom| Mark { span: atom.span, note: "here".to_owned(), bad: false })
            .collect();
        assert_eq!(
            excerpt(&rule, &marks, "  ", Paint::PLAIN),
            "  3 | @advice(\"no\") forbid (principal, action == Action::\"Confidence\", resource)
  4 | when { context.value >
    |        ^^^^^^^^^^^^^^^ here
  5 |  1 && context has note };
    |       ^^^^^^^^^^^^^^^^ here
"
        );
    }

    #[test]
    fn of_a_long_policy_only_what_is_marked_is_shown() {
        let lines = "  context.value > 1 ||\n".repeat(30);
        let rule = rule(&format!(
            "@id(\"a\")\nforbid (principal, action == Action::\"Confidence\", resource)\nwhen {{\n{lines}context.value > 2 }};"
        ));
        let atom = &Condition::of(&rule).unwrap().atoms[3];
        let marks = [Mark { span: atom.span, note: "here".to_owned(), bad: true }];
        assert_eq!(
            excerpt(&rule, &marks, "", Paint::PLAIN),
            " 2 | forbid (principal, action == Action::\"Confidence\", resource)
   ...
 7 |   context.value > 1 ||
   |   ^^^^^^^^^^^^^^^^^ here
   ...
"
        );
    }
}

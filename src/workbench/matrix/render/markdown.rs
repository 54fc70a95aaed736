//! For pull requests and documentation.

use super::{LEGEND, actions, by, callers, continues, only, summary};
use crate::workbench::matrix::Matrix;
use std::fmt::Write as _;

/// The matrix as Markdown.
pub fn markdown(matrix: &Matrix) -> String {
    let mut text = String::new();
    for section in &matrix.sections {
        let _ = writeln!(text, "## {}\n", escaped(&callers(section)));
        text.push_str("| action | where | answer | by |\n|---|---|---|---|\n");
        for (at, line) in section.lines.iter().enumerate() {
            let what = if continues(section, at) { String::new() } else { escaped(&actions(line, section)) };
            let (only, by) = (escaped(&only(line)), escaped(&by(line)));
            let _ = writeln!(text, "| {what} | {only} | {} | {by} |", line.reply.effect);
        }
        text.push('\n');
    }
    let _ = writeln!(text, "{}. {LEGEND}", summary(matrix));
    if !matrix.notes.is_empty() {
        text.push('\n');
    }
    for note in &matrix.notes {
        let _ = writeln!(text, "- {}", escaped(note));
    }
    text
}

/// Text that Markdown leaves as it is, within a table too.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' => escaped.push(' '),
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#' | '~' => {
                escaped.push('\\');
                escaped.push(c);
            }
            _ => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn nothing_leaves_its_cell() {
        assert_eq!(escaped("a|b\n*c* <d>"), "a\\|b \\*c\\* \\<d\\>");
    }
}

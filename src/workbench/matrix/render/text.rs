//! For people at a terminal.

use super::{LEGEND, actions, by, callers, continues, only, summary};
use crate::workbench::{
    Paint,
    matrix::{Effect, Matrix},
};
use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};
use std::fmt::Write as _;

/// How wide it is, in columns of a terminal.
const WIDTH: u16 = 100;

/// How wide the column of the actions is at the most.
const ACTIONS: u16 = 25;
/// Stands in a table where a line of its own comes. No action is called so.
const HEADING: &str = "\u{b7}";

/// The matrix for a terminal of 100 columns.
pub fn text(matrix: &Matrix, paint: Paint) -> String {
    let mut text = String::new();
    for section in &matrix.sections {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDTH);
        let mut headings = Vec::new();
        for (at, line) in section.lines.iter().enumerate() {
            let mut what = if continues(section, at) { String::new() } else { actions(line, section) };
            if what.len() >= usize::from(ACTIONS) {
                // Actions that have no room beside what holds for them stand over it.
                table.add_row([HEADING, "", "", ""]);
                headings.push(std::mem::take(&mut what));
            }
            table.add_row([what, only(line), line.reply.effect.to_string(), by(line)]);
        }
        // Where it holds is what may be broken over lines; the others are as wide as what is in them, up to a point.
        let widths = table.column_max_content_widths();
        let width = |at: usize, most: u16| widths.get(at).map_or(0, |width| (width + 1).min(most));
        let (what, effect, by) = (width(0, ACTIONS), width(2, 10), width(3, 39));
        for (at, width) in [what, WIDTH - what - effect - by, effect, by].into_iter().enumerate() {
            let constraint = ColumnConstraint::UpperBoundary(Width::Fixed(width));
            if let Some(column) = table.column_mut(at) {
                column.set_constraint(constraint).set_padding((0, 1));
            }
        }
        let _ = writeln!(text, "{}", paint.strong(callers(section)));
        let mut headings = headings.into_iter();
        for row in table.lines() {
            let row = match row.trim_end() {
                HEADING => headings.next().unwrap_or_default(),
                row => coloured(row, paint),
            };
            let _ = writeln!(text, "{row}");
        }
        text.push('\n');
    }
    let _ = writeln!(text, "{}", paint.faint(format_args!("{}.\n{LEGEND}", summary(matrix))));
    for note in &matrix.notes {
        let _ = writeln!(text, "{} {note}", paint.doubtful("note:"));
    }
    text
}

/// A line of a table with its effect in colour. (Colours would confuse the table's widths.)
fn coloured(row: &str, paint: Paint) -> String {
    let effects = [Effect::Allow, Effect::Strip, Effect::Reject, Effect::Refuse, Effect::NotFound];
    let found = effects.into_iter().find_map(|effect| {
        let word = format!(" {effect} ");
        row.find(&word).map(|at| (effect, at + 1, at + 1 + effect.as_str().len()))
    });
    match found {
        None => row.to_owned(),
        Some((effect, from, to)) => {
            let word = match effect {
                Effect::Allow => paint.good(&row[from..to]),
                Effect::Strip | Effect::NotFound => paint.doubtful(&row[from..to]),
                Effect::Reject | Effect::Refuse => paint.bad(&row[from..to]),
            };
            format!("{}{word}{}", &row[..from], &row[to..])
        }
    }
}

//! The matrix as text, Markdown, CSV, JSON and HTML.

mod csv;
mod html;
mod json;
mod markdown;
mod text;

pub use csv::{csv, csv_of_cells};
pub use html::html;
pub use json::{json, json_of_cells};
pub use markdown::markdown;
pub use text::text;

use super::{Line, Matrix, Section};

/// Where a line holds, in words.
fn only(line: &Line) -> String {
    let said = line.only.iter().map(|restriction| format!("{}: {}", restriction.of, restriction.to.join(", ")));
    said.collect::<Vec<_>>().join("; ")
}

fn actions(line: &Line) -> String {
    line.actions.iter().map(|action| action.as_str()).collect::<Vec<_>>().join(", ")
}

fn callers(section: &Section) -> String {
    section.callers.join(", ")
}

/// Whether a line is about the same actions as the one before it.
fn continues(section: &Section, at: usize) -> bool {
    at > 0 && section.lines[at - 1].actions == section.lines[at].actions
}

fn summary(matrix: &Matrix) -> String {
    let lines: usize = matrix.sections.iter().map(|section| section.lines.len()).sum();
    format!("{lines} rows say what the gate answers to {} cells", matrix.cells)
}

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
use crate::finding::Action;
use std::collections::BTreeSet;

/// Where a line holds, in words.
fn only(line: &Line) -> String {
    let said = line.only.iter().map(|restriction| format!("{}: {}", restriction.of, restriction.to.join(", ")));
    said.collect::<Vec<_>>().join("; ")
}

/// The actions of a line, or the few that are not among them.
fn actions(line: &Line, section: &Section) -> String {
    let names = |actions: Vec<Action>| actions.iter().map(|action| action.as_str()).collect::<Vec<_>>().join(", ");
    let all: BTreeSet<Action> = section.lines.iter().flat_map(|line| line.actions.iter().copied()).collect();
    let rest: Vec<Action> = all.iter().copied().filter(|action| !line.actions.contains(action)).collect();
    match rest.len() {
        0 if all.len() > 1 => "every action".to_owned(),
        few if few < line.actions.len() && line.actions.len() > 3 => format!("all but {}", names(rest)),
        _ => names(line.actions.clone()),
    }
}

/// The policies that decide, or why none does.
fn by(line: &Line) -> String {
    if line.and_others { format!("{}, …", line.reply.by()) } else { line.reply.by() }
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
    let (rows, say) = if lines == 1 { ("row", "says") } else { ("rows", "say") };
    let cells = if matrix.cells == 1 { "cell" } else { "cells" };
    format!("{lines} {rows} {say} what the gate answers to {} {cells}", matrix.cells)
}

/// How to read it.
const LEGEND: &str = "Of the rows of an action the first that fits decides. \u{2026} is whatever else denies it.";

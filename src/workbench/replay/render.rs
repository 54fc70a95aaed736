//! Telling what would be decided otherwise: the table of `diff`.

use super::{Moved, Replay, Tally};
use crate::workbench::{
    Paint,
    diff::{DIRECTIONS, cell, said, titled},
};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// How many accounts are named.
const NAMED: usize = 3;

/// For people.
pub fn human(replay: &Replay, paint: Paint) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    for direction in DIRECTIONS {
        let mut moved = replay.moved.iter().filter(|(moved, _)| moved.direction == direction).peekable();
        if moved.peek().is_none() {
            continue;
        }
        let _ = writeln!(text, "{}", titled(direction, paint));
        for (moved, tally) in moved {
            let _ = writeln!(text, "\n  {}: {}", moved.role, what(moved));
            let _ = writeln!(text, "    was  {}", said(&moved.old));
            let _ = writeln!(text, "    now  {}", said(&moved.new));
            let _ = writeln!(text, "    {}", paint.faint(told(tally)));
        }
        text.push('\n');
    }
    if !replay.undecided.is_empty() {
        let _ = writeln!(text, "{}\n", paint.strong("It cannot be said what would be decided"));
        for (why, tally) in &replay.undecided {
            let _ = writeln!(text, "  {why}");
            let _ = writeln!(text, "    {}", paint.faint(told(tally)));
        }
        text.push('\n');
    }
    if replay.moved.is_empty() && replay.undecided.is_empty() && replay.requests > 0 {
        text.push_str("Nothing would be decided otherwise.\n");
    }
    for line in summary(replay) {
        let _ = writeln!(text, "{line}");
    }
    text
}

fn summary(replay: &Replay) -> Vec<String> {
    let mut lines = vec![format!(
        "{} decided again: of {} something would be decided otherwise, of {} something cannot be said; {} as they were.",
        count(replay.requests, "request"),
        replay.requests_moved,
        replay.requests_undecided,
        count(replay.same, "change"),
    )];
    if replay.more {
        lines
            .push("There is more than is told here: the groups are too many. Take fewer records at a time.".to_owned());
    }
    lines
}

/// For a pull request.
pub fn markdown(replay: &Replay) -> String {
    let mut text = String::from("## What the policies would have decided otherwise\n");
    for direction in DIRECTIONS {
        let mut moved = replay.moved.iter().filter(|(moved, _)| moved.direction == direction).peekable();
        if moved.peek().is_none() {
            continue;
        }
        let _ = writeln!(text, "\n### {}\n", direction.title());
        text.push_str("| who | what | was | now | how often |\n|---|---|---|---|---|\n");
        for (moved, tally) in moved {
            let (what, told) = (cell(&what(moved)), cell(&told(tally)));
            let (was, now) = (cell(&said(&moved.old)), cell(&said(&moved.new)));
            let _ = writeln!(text, "| {} | {what} | {was} | {now} | {told} |", moved.role);
        }
    }
    if replay.moved.is_empty() {
        text.push_str("\nNothing.\n");
    }
    if !replay.undecided.is_empty() {
        text.push_str("\n### It cannot be said\n\n| why | how often |\n|---|---|\n");
        for (why, tally) in &replay.undecided {
            let _ = writeln!(text, "| {} | {} |", cell(&why.to_string()), cell(&told(tally)));
        }
    }
    let _ = writeln!(text, "\n{}", summary(replay).join("\n"));
    text
}

/// For programs: one JSON document, whose members stay as they are while `version` does.
pub fn json(replay: &Replay) -> Value {
    let tally = |tally: &Tally| {
        json!({
            "changes": tally.changes, "requests": tally.requests, "examples": tally.examples,
            "accounts": tally.accounts,
        })
    };
    let moved = replay.moved.iter().map(|(moved, how_often)| {
        json!({
            "direction": moved.direction, "role": moved.role, "action": moved.action.as_str(), "value": moved.value,
            "old": moved.old, "new": moved.new, "how_often": tally(how_often),
        })
    });
    let undecided = replay
        .undecided
        .iter()
        .map(|(why, how_often)| json!({ "reason": why, "message": why.to_string(), "how_often": tally(how_often) }));
    json!({
        "version": 1, "moved": moved.collect::<Vec<_>>(), "undecided": undecided.collect::<Vec<_>>(),
        "requests": replay.requests, "requests_moved": replay.requests_moved,
        "requests_undecided": replay.requests_undecided, "same": replay.same, "more": replay.more,
    })
}

/// `Workflow.Status; value: SUPPRESSED`
fn what(moved: &Moved) -> String {
    match &moved.value {
        Some(value) => format!("{}; value: {value}", moved.action),
        None => moved.action.to_string(),
    }
}

/// `12 changes in 3 requests of 222222222222, such as …`
fn told(tally: &Tally) -> String {
    let requests = tally.requests.max(1);
    let mut accounts: Vec<String> = tally.accounts.iter().take(NAMED).map(ToString::to_string).collect();
    if tally.accounts.len() > NAMED {
        accounts.push(format!("{} more accounts", tally.accounts.len() - NAMED));
    }
    let of = if accounts.is_empty() { String::new() } else { format!(" of {}", accounts.join(", ")) };
    let such = if tally.requests <= tally.examples.len() as u64 { "" } else { "such as " };
    let examples: Vec<String> = tally.examples.iter().map(|id| clean(id)).collect();
    let changes = if tally.changes == 0 { String::new() } else { format!("{} in ", count(tally.changes, "change")) };
    format!("{changes}{}{of}: {such}{}", count(requests, "request"), examples.join(", "))
}

/// An id of a record, which may be anybody's text, for a terminal.
fn clean(id: &str) -> String {
    id.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn count(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

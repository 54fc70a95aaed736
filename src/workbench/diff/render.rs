//! Telling what moved.

use super::{Complete, Diff, Direction, Moved};
use crate::workbench::{Paint, matrix::Reply};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// The gravest first.
pub(in crate::workbench) const DIRECTIONS: [Direction; 5] =
    [Direction::Widened, Direction::Narrowed, Direction::Milder, Direction::Stricter, Direction::Otherwise];

/// For people.
pub fn human(diff: &Diff, paint: Paint) -> String {
    let mut text = String::new();
    for direction in DIRECTIONS {
        let moved: Vec<&Moved> = diff.moved.iter().filter(|moved| moved.direction == direction).collect();
        if moved.is_empty() {
            continue;
        }
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", titled(direction, paint));
        for moved in moved {
            let _ = writeln!(text, "\n  {}: {}", moved.callers.join(", "), what(moved));
            let _ = writeln!(text, "    was  {}", said(&moved.old));
            let _ = writeln!(text, "    now  {}", said(&moved.new));
            let _ = writeln!(text, "    {}", paint.faint(format_args!("such as {}", moved.example)));
        }
        text.push('\n');
    }
    if diff.moved.is_empty() {
        text.push_str("Nothing was found to have moved.\n");
    }
    for line in complete(diff) {
        let _ = writeln!(text, "{line}");
    }
    for note in &diff.notes {
        let _ = writeln!(text, "note: {note}");
    }
    text
}

/// What a direction is called, in its colour.
pub(in crate::workbench) fn titled(direction: Direction, paint: Paint) -> String {
    match direction {
        Direction::Widened => paint.bad(direction.title()).to_string(),
        Direction::Narrowed | Direction::Milder => paint.doubtful(direction.title()).to_string(),
        Direction::Stricter | Direction::Otherwise => paint.strong(direction.title()).to_string(),
    }
}

/// Whether that is all.
fn complete(diff: &Diff) -> Vec<String> {
    match &diff.complete {
        Complete::Proved => vec!["Nothing else is allowed or denied otherwise: proved.".to_owned()],
        Complete::ProvedElsewhere(why) => {
            let head =
                "Of these there may be more; of all others it is proved that nothing is allowed or denied otherwise:";
            std::iter::once(head.to_owned()).chain(why.iter().map(|why| format!("  {why}"))).collect()
        }
        Complete::AsFarAsDistinguished(why) => {
            vec![format!("That is all that the policies distinguish. It is not proved that nothing else moved: {why}.")]
        }
    }
}

/// For a pull request.
pub fn markdown(diff: &Diff) -> String {
    let mut text = String::from("## What the policies decide otherwise\n");
    for direction in DIRECTIONS {
        let moved: Vec<&Moved> = diff.moved.iter().filter(|moved| moved.direction == direction).collect();
        if moved.is_empty() {
            continue;
        }
        let _ = writeln!(text, "\n### {}\n", direction.title());
        text.push_str("| who | what | was | now |\n|---|---|---|---|\n");
        for moved in &moved {
            let (who, what) = (cell(&moved.callers.join(", ")), cell(&what(moved)));
            let _ = writeln!(text, "| {who} | {what} | {} | {} |", cell(&said(&moved.old)), cell(&said(&moved.new)));
        }
        text.push_str("\n<details><summary>Examples</summary>\n\n```yaml\ncases:\n");
        for moved in &moved {
            let name = format!("{}: {}", moved.callers.join(", "), what(moved));
            text.push_str(&moved.example.to_case(&name, &expectation(moved)));
        }
        text.push_str("```\n\n</details>\n");
    }
    if diff.moved.is_empty() {
        text.push_str("\nNothing.\n");
    }
    let _ = writeln!(text, "\n{}", complete(diff).join("\n"));
    for note in &diff.notes {
        let _ = writeln!(text, "\n> {note}");
    }
    text
}

/// For programs: one JSON document, whose members stay as they are while `version` does.
pub fn json(diff: &Diff) -> Value {
    let moved = diff.moved.iter().map(|moved| {
        json!({
            "direction": moved.direction, "callers": moved.callers,
            "actions": moved.actions.iter().map(|action| action.as_str()).collect::<Vec<_>>(),
            "where": moved.only, "old": moved.old, "new": moved.new,
            "example": {
                "caller": moved.example.caller, "finding": moved.example.finding,
                moved.example.call.key(): moved.example.call.members(), "now": moved.example.now.to_string(),
            },
        })
    });
    json!({ "version": 1, "moved": moved.collect::<Vec<_>>(), "complete": diff.complete, "notes": diff.notes })
}

/// `Workflow.Status; value: SUPPRESSED`
fn what(moved: &Moved) -> String {
    let actions: Vec<&str> = moved.actions.iter().map(|action| action.as_str()).collect();
    let mut text = actions.join(", ");
    for only in &moved.only {
        let _ = write!(text, "; {}: {}", only.of, only.to.join(", "));
    }
    text
}

/// `reject by members-do-not-suppress`
pub(in crate::workbench) fn said(reply: &Reply) -> String {
    match reply.by().as_str() {
        "" => reply.effect.to_string(),
        by => format!("{} by {by}", reply.effect),
    }
}

/// What the new policies say, as an expectation.
fn expectation(moved: &Moved) -> Value {
    let action = moved.actions.first().map_or("outcome", |action| action.as_str());
    json!({ action: super::compare::expected(&moved.new) })
}

/// A text in a cell of a table.
pub(in crate::workbench) fn cell(text: &str) -> String {
    text.replace('\\', "\\\\").replace('|', "\\|").replace('<', "&lt;").replace('\n', " ")
}

//! `docs/doors.md` says of each operation what the gate does with it.

use crate::{
    finding::Operation,
    proxy::{
        Door, Doors,
        operations::{ApiOperation, OPERATIONS},
        reasons::{REASONS, governed, reason},
    },
};
use http::HeaderMap;
use std::{fmt::Write, fs, path::Path};

const REFERENCE: &str = include_str!("../../../docs/doors.md");
const BEGIN: &str =
    "<!-- made from src/proxy/operations.rs and reasons.rs by `cargo test proxy::tests::reference`: begin -->\n";
const END: &str = "<!-- end -->\n";

/// The operation as one that this gate lets through, or would.
fn passable(operation: &ApiOperation) -> Option<Operation> {
    let known = Operation::named(operation.name)?;
    (known.is_always_open() || Operation::openable().any(|openable| openable == known)).then_some(known)
}

fn place(operation: &ApiOperation) -> String {
    format!("`{} {}`", operation.method, operation.uri)
}

/// Sentence case, with a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(char::to_uppercase).into_iter().flatten();
    first.chain(letters).chain(['.']).collect()
}

/// Every operation, as Markdown.
fn reference() -> String {
    let mut text = "\n## Open, or can be opened\n\n| operation | method and path | door | what the gate does |\n|---|---|---|---|\n"
        .to_owned();
    for operation in &OPERATIONS {
        let Some(passable) = passable(operation) else { continue };
        let door = if passable.is_always_open() {
            "always open".to_owned()
        } else {
            format!("`doors.open = [\"{passable}\"]`")
        };
        let governed = governed(passable).expect("what is let through is governed");
        writeln!(text, "| {passable} | {} | {door} | {governed} |", place(operation)).unwrap();
    }
    text.push_str("\n## Closed\n");
    for group in REASONS {
        writeln!(text, "\n### {}\n\n{} {}\n", group.title, sentence(group.why), sentence(group.instead)).unwrap();
        text.push_str("| operation | method and path |\n|---|---|\n");
        for operation in
            OPERATIONS.iter().filter(|operation| passable(operation).is_none() && reason(operation) == *group)
        {
            writeln!(text, "| {} | {} |", operation.name, place(operation)).unwrap();
        }
    }
    text.push('\n');
    text
}

/// The lines that differ, for a message.
fn difference(written: &str, expected: &str) -> String {
    let (written, expected): (Vec<_>, Vec<_>) = (written.lines().collect(), expected.lines().collect());
    let gone = written.iter().filter(|line| !expected.contains(line)).map(|line| format!("- {line}"));
    let new = expected.iter().filter(|line| !written.contains(line)).map(|line| format!("+ {line}"));
    let lines: Vec<_> = gone.chain(new).collect();
    if lines.is_empty() {
        "the same lines in another order, or another number of them".to_owned()
    } else {
        lines.join("\n")
    }
}

#[test]
fn the_reference_describes_every_operation() {
    let (head, rest) = REFERENCE.split_once(BEGIN).expect("the reference begins");
    let (written, tail) = rest.split_once(END).expect("the reference ends");
    let expected = reference();
    if written != expected && std::env::var_os("UPDATE_REFERENCE").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/doors.md");
        fs::write(path, format!("{head}{BEGIN}{expected}{END}{tail}")).unwrap();
        return;
    }
    let difference = difference(written, &expected);
    assert!(
        written == expected,
        "run this test once with UPDATE_REFERENCE=1, which changes docs/doors.md:\n{difference}"
    );
    for operation in &OPERATIONS {
        let row = format!("\n| {} | {} |", operation.name, place(operation));
        assert_eq!(expected.matches(&row).count(), 1, "{}", operation.name);
    }
}

#[test]
fn every_reason_closes_something_and_what_is_governed_can_be_let_through() {
    for group in REASONS {
        assert!(
            OPERATIONS.iter().any(|operation| passable(operation).is_none() && reason(operation) == *group),
            "{}",
            group.title
        );
    }
    for operation in &OPERATIONS {
        let is_governed = Operation::named(operation.name).and_then(governed).is_some();
        assert_eq!(is_governed, passable(operation).is_some(), "{}", operation.name);
    }
}

/// What callers are told at the door is what the reference says.
#[test]
fn a_closed_door_says_what_to_do_instead() {
    let doors = Doors::new(Operation::ALL);
    for operation in &OPERATIONS {
        let path = operation.uri.replace(['{', '}', '+'], "");
        let target = path.parse().unwrap();
        let found = doors.find(&operation.method.parse().unwrap(), &target, &HeaderMap::new());
        match doors.door(operation.method, &path) {
            Door::Open(open) => assert_eq!(found.unwrap().operation, open),
            door => {
                assert_eq!(door, Door::Closed(operation), "{path}");
                let group = reason(operation);
                let told = format!("{} is closed at this gate: {}; {}", operation.name, group.why, group.instead);
                assert_eq!(found.unwrap_err().message, told);
            }
        }
    }
    let update_findings = OPERATIONS.iter().find(|operation| operation.name == "UpdateFindings").unwrap();
    assert!(reason(update_findings).instead.contains("BatchUpdateFindings"));
}

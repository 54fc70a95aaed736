//! `docs/lints.md` has every code.

use super::LINTS;
use crate::policy::{Code, LOAD_CODES};
use std::{collections::BTreeSet, fmt::Write, fs, path::Path};

const REFERENCE: &str = include_str!("../../../docs/lints.md");
const BEGIN: &str =
    "<!-- made from src/policy/code.rs and src/workbench/lint/codes.rs by `cargo test lint::reference`: begin -->\n";
const END: &str = "<!-- end -->\n";

/// Every code, as Markdown.
fn reference() -> String {
    let mut text = String::new();
    for (title, codes) in [("Lints", LINTS), ("Errors", LOAD_CODES)] {
        writeln!(text, "\n## {title}").unwrap();
        for Code { id, name, severity, meaning, help } in codes {
            writeln!(text, "\n### {id} {name}\n\n*{}.* {meaning} {help}", severity.as_str()).unwrap();
        }
    }
    text.push('\n');
    text
}

#[test]
fn the_reference_describes_every_code() {
    let (head, rest) = REFERENCE.split_once(BEGIN).expect("the reference begins");
    let (written, tail) = rest.split_once(END).expect("the reference ends");
    let expected = reference();
    if written != expected && std::env::var_os("UPDATE_REFERENCE").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/lints.md");
        fs::write(path, format!("{head}{BEGIN}{expected}{END}{tail}")).unwrap();
        return;
    }
    assert!(written == expected, "run this test once with UPDATE_REFERENCE=1, which changes docs/lints.md");
}

#[test]
fn codes_are_unique_and_in_order() {
    let codes: Vec<&Code> = LOAD_CODES.iter().chain(LINTS).copied().collect();
    assert!(codes.is_sorted_by(|one, other| one.id < other.id));
    assert_eq!(codes.iter().map(|code| code.name).collect::<BTreeSet<_>>().len(), codes.len());
    for code in codes {
        assert!(code.meaning.ends_with('.') && code.help.ends_with('.'), "{code}");
    }
}

//! SARIF 2.1.0, for code scanning.

use super::told::{Region, Told};
use crate::{
    policy::{Code, LOAD_CODES},
    workbench::LINTS,
};
use serde_json::{Value, json};
use std::{fmt::Write, path::Path};

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// A log with one run.
pub(super) fn log(told: &[Told]) -> Value {
    let codes: Vec<&Code> = LOAD_CODES.iter().chain(LINTS).copied().collect();
    let results: Vec<Value> = told.iter().map(|one| result(one, &codes)).collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "findings-gate",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": codes.iter().map(|code| rule(code)).collect::<Vec<_>>(),
            } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn rule(code: &Code) -> Value {
    json!({
        "id": code.id,
        "name": code.name,
        "shortDescription": { "text": code.meaning },
        "help": { "text": code.help },
        "defaultConfiguration": { "level": code.severity.as_str() },
    })
}

fn result(told: &Told, codes: &[&Code]) -> Value {
    let mut result = json!({
        "ruleId": told.code.id,
        "level": told.severity,
        "message": { "text": told.text("\n") },
    });
    if let Some(index) = codes.iter().position(|code| code.id == told.code.id) {
        result["ruleIndex"] = json!(index);
    }
    if let Some(place) = &told.place {
        result["locations"] = json!([{ "physicalLocation": physical(place) }]);
    }
    result
}

fn physical(place: &Region) -> Value {
    let mut region = json!({ "startLine": place.line, "startColumn": place.column });
    if let Some((line, column)) = place.end_line.zip(place.end_column) {
        region["endLine"] = json!(line);
        region["endColumn"] = json!(column);
    }
    json!({ "artifactLocation": { "uri": uri(&place.file) }, "region": region })
}

/// A path as a URI: relative to where the program was started, if it is below.
fn uri(file: &str) -> String {
    let path = Path::new(file);
    let here = std::env::current_dir().ok();
    let below = here.as_deref().and_then(|here| path.strip_prefix(here).ok());
    let path = below.unwrap_or(path.strip_prefix(".").unwrap_or(path));
    let text = path.to_string_lossy().replace('\\', "/");
    let encoded = text.bytes().fold(String::new(), |mut uri, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(uri, "%{byte:02X}");
        }
        uri
    });
    if path.is_absolute() { format!("file://{encoded}") } else { encoded }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_uris() {
        assert_eq!(uri("./policies/a b.cedar"), "policies/a%20b.cedar");
        assert_eq!(uri("policies/é.cedar"), "policies/%C3%A9.cedar");
        let here = std::env::current_dir().unwrap();
        assert_eq!(uri(here.join("a.cedar").to_str().unwrap()), "a.cedar");
        #[cfg(unix)]
        assert_eq!(uri("/elsewhere/a.cedar"), "file:///elsewhere/a.cedar");
    }
}

//! The Test Anything Protocol, version 14.

use super::{TestReport, cases, differences, full_name};
use crate::workbench::suite::Status;
use std::fmt::Write as _;

/// The report in TAP: a point a case, one for each suite that could not be run.
pub fn tap(report: &TestReport) -> String {
    let points = cases(report).count() + report.broken.len() + report.problems.len();
    let mut text = format!("TAP version 14\n1..{points}\n");
    let mut number = 0;
    let mut point = |fine: bool, name: &str, directive: &str| {
        number += 1;
        format!("{} {number} - {}{directive}\n", if fine { "ok" } else { "not ok" }, escaped(name))
    };
    for (suite, case) in cases(report) {
        let name = full_name(suite, case);
        match &case.status {
            Status::Passed => text.push_str(&point(true, &name, "")),
            Status::Skipped(reason) => {
                text.push_str(&point(true, &name, &format!(" # SKIP {}", reason.replace(['\n', '\r'], " "))));
            }
            Status::Failed(mismatches) => {
                text.push_str(&point(false, &name, ""));
                diagnostic(&mut text, &differences(mismatches), &suite.file, case.line);
            }
        }
    }
    for broken in &report.broken {
        text.push_str(&point(false, &format!("{} can be run", broken.file()), ""));
        for problem in broken.problems() {
            let line = problem.place.as_ref().map_or(0, |place| place.line);
            diagnostic(&mut text, &problem.to_string(), broken.file(), line);
        }
    }
    for problem in &report.problems {
        text.push_str(&point(false, problem, ""));
    }
    text
}

/// A name must not look like a directive or an escape.
fn escaped(name: &str) -> String {
    name.replace('\\', "\\\\").replace('#', "\\#").replace(['\n', '\r'], " ")
}

/// A block of YAML, which JSON's strings are part of.
fn diagnostic(text: &mut String, message: &str, file: &str, line: usize) {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let _ = writeln!(text, "  ---\n  message: {}\n  file: {}\n  line: {line}\n  ...", quoted(message), quoted(file));
}

//! For people.

use super::{Counts, TestReport, counted, failed, full_name};
use crate::workbench::{
    Paint,
    suite::{Mismatch, Status},
};
use std::fmt::Write as _;

/// Each suite in a line, then what failed, in full, and how many of what. Broken suites are told by their own reports.
pub fn human(report: &TestReport, paint: Paint) -> String {
    let mut text = String::new();
    for suite in &report.suites {
        let (passed, failed, skipped) = suite.counts();
        let mark = if failed > 0 { paint.bad("FAIL").to_string() } else { paint.good("ok  ").to_string() };
        let _ = write!(text, "{mark} {} {}", suite.name, paint.faint(format_args!("({})", suite.file)));
        let _ = write!(text, "  {passed} passed");
        if failed > 0 {
            let _ = write!(text, ", {failed} failed");
        }
        if skipped > 0 {
            let _ = write!(text, ", {skipped} skipped");
        }
        text.push('\n');
        for case in &suite.cases {
            if let Status::Skipped(reason) = &case.status {
                let _ = writeln!(text, "     {} {}: {reason}", paint.doubtful("skip"), case.name);
            }
        }
    }
    for (suite, case, mismatches) in failed(report) {
        let _ = writeln!(
            text,
            "\n{} {} {}",
            paint.bad("FAIL"),
            paint.strong(full_name(suite, case)),
            paint.faint(format_args!("({}:{})", suite.file, case.line))
        );
        for mismatch in mismatches {
            difference(&mut text, mismatch, paint);
        }
        let mut shown = Vec::new();
        for id in mismatches.iter().flat_map(|mismatch| &mismatch.policies) {
            if shown.contains(&id) {
                continue;
            }
            shown.push(id);
            if let Some((origin, source)) = report.policies.get(&suite.file, id) {
                let place = format!("{}:{}", origin.file, origin.line);
                let _ = writeln!(text, "     decided by `{id}` {}", paint.faint(format_args!("({place})")));
                for line in source.trim_end().lines() {
                    let _ = writeln!(text, "       {} {line}", paint.faint("│"));
                }
            }
        }
    }
    for problem in &report.problems {
        let _ = writeln!(text, "{} {problem}", paint.bad("FAIL"));
    }
    let Counts { passed, failed, skipped, broken } = report.counts();
    if !text.is_empty() {
        text.push('\n');
    }
    let mut parts = vec![format!("{} passed", counted(passed, "case"))];
    parts.extend((failed > 0).then(|| paint.bad(format_args!("{failed} failed")).to_string()));
    parts.extend((skipped > 0).then(|| paint.doubtful(format_args!("{skipped} skipped")).to_string()));
    let unusable = broken - report.problems.len();
    parts.extend(
        (unusable > 0).then(|| paint.bad(format_args!("{} could not be run", counted(unusable, "suite"))).to_string()),
    );
    let _ = writeln!(text, "{}", parts.join(", "));
    text
}

fn difference(text: &mut String, mismatch: &Mismatch, paint: Paint) {
    let Mismatch { about, expected, got, .. } = mismatch;
    let _ = writeln!(text, "     {about}");
    let _ = writeln!(text, "       {}", paint.good(format_args!("- expected {expected}")));
    let _ = writeln!(text, "       {}", paint.bad(format_args!("+ got      {got}")));
}

//! Workflow commands of GitHub Actions, which show failures on the lines of the suites.

use super::{TestReport, differences, failed, full_name};
use std::fmt::Write as _;

/// An `::error` for each failed case and for each problem of a suite that could not be run; then the counts.
pub fn github(report: &TestReport) -> String {
    let mut text = String::new();
    for (suite, case, mismatches) in failed(report) {
        let title = full_name(suite, case);
        error(&mut text, Some((&suite.file, case.line)), &title, &differences(mismatches));
    }
    for broken in &report.broken {
        for problem in broken.problems() {
            let line = problem.place.as_ref().map_or(1, |place| place.line);
            let help = problem.help.as_ref().map(|help| format!("\n{help}")).unwrap_or_default();
            error(&mut text, Some((broken.file(), line)), "suite cannot be run", &format!("{problem}{help}"));
        }
    }
    for problem in &report.problems {
        error(&mut text, None, "policy tests", problem);
    }
    let counts = report.counts();
    let _ = writeln!(
        text,
        "{} passed, {} failed, {} skipped, {} could not be run",
        counts.passed, counts.failed, counts.skipped, counts.broken
    );
    text
}

fn error(text: &mut String, place: Option<(&str, usize)>, title: &str, message: &str) {
    let place = place.map(|(file, line)| format!("file={},line={line},", property(file))).unwrap_or_default();
    let _ = writeln!(text, "::error {place}title={}::{}", property(title), data(message));
}

/// Escapes what would end a command's message (GitHub's toolkit, `command.ts`).
pub fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes what would end a command's property.
pub fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

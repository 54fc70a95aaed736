//! JUnit's XML, which CI systems show.

use super::{TestReport, differences};
use crate::workbench::suite::Status;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

/// The report as XML.
///
/// # Errors
///
/// What the writer says; of names and messages it takes out what XML cannot hold.
pub fn junit(report: &TestReport) -> Result<String, String> {
    let mut xml = Report::new("findings-gate");
    for suite in &report.suites {
        let mut of_suite = TestSuite::new(suite.name.as_str());
        for case in &suite.cases {
            let mut status = match &case.status {
                Status::Passed => TestCaseStatus::success(),
                Status::Skipped(_) => TestCaseStatus::skipped(),
                Status::Failed(_) => TestCaseStatus::non_success(NonSuccessKind::Failure),
            };
            match &case.status {
                Status::Passed => {}
                Status::Skipped(reason) => {
                    status.set_message(reason.as_str());
                }
                Status::Failed(mismatches) => {
                    let text = differences(mismatches);
                    status.set_message(text.lines().next().unwrap_or_default()).set_description(text);
                }
            }
            let mut case_xml = TestCase::new(case.name.as_str(), status);
            case_xml.set_classname(suite.file.as_str());
            case_xml.extra.insert("file".into(), suite.file.as_str().into());
            case_xml.extra.insert("line".into(), case.line.to_string().into());
            of_suite.add_test_case(case_xml);
        }
        xml.add_test_suite(of_suite);
    }
    for broken in &report.broken {
        let problems = broken.problems().iter().map(|problem| match &problem.place {
            Some(place) => format!("{}:{}:{}: {problem}", place.file, place.line, place.column),
            None => problem.to_string(),
        });
        xml.add_test_suite(error(broken.file(), &problems.collect::<Vec<_>>().join("\n")));
    }
    for problem in &report.problems {
        xml.add_test_suite(error("findings-gate test", problem));
    }
    xml.to_string().map_err(|error| error.to_string())
}

/// A suite that could not be run.
fn error(name: &str, text: &str) -> TestSuite {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
    status.set_message(text.lines().next().unwrap_or_default()).set_description(text);
    let mut suite = TestSuite::new(name);
    suite.add_test_case(TestCase::new("can be run", status));
    suite
}

//! For programs: one JSON document, whose members stay as they are while `version` does.

use super::{TestReport, counted};
use crate::{
    policy::Problem,
    workbench::{
        CoverageReport,
        suite::{CaseReport, Mismatch, Status, SuiteReport},
    },
};
use serde_json::{Value, json};

/// The report as JSON, with the coverage if it was asked for.
pub fn json(report: &TestReport, coverage: Option<&CoverageReport>) -> Value {
    let counts = report.counts();
    let mut whole = json!({
        "version": 1,
        "passed": report.passed(),
        "counts": {
            "passed": counts.passed, "failed": counts.failed, "skipped": counts.skipped, "broken": counts.broken,
        },
        "suites": report.suites.iter().map(|of| suite(report, of)).collect::<Vec<_>>(),
        "broken": report.broken.iter().map(|broken| json!({
            "file": broken.file(),
            "message": format!("{} in the suite", counted(broken.problems().len(), "problem")),
            "problems": broken.problems().iter().map(problem).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "problems": report.problems,
    });
    if let Some(coverage) = coverage {
        whole["coverage"] = serde_json::to_value(coverage).unwrap_or_else(|error| error.to_string().into());
    }
    whole
}

fn problem(problem: &Problem) -> Value {
    serde_json::to_value(problem).unwrap_or_else(|error| json!({ "message": error.to_string() }))
}

fn suite(report: &TestReport, suite: &SuiteReport) -> Value {
    json!({
        "file": suite.file, "name": suite.name,
        "cases": suite.cases.iter().map(|of| case(report, suite, of)).collect::<Vec<_>>(),
    })
}

fn case(report: &TestReport, suite: &SuiteReport, case: &CaseReport) -> Value {
    let mut value = json!({ "name": case.name, "line": case.line });
    match &case.status {
        Status::Passed => value["status"] = "passed".into(),
        Status::Skipped(reason) => {
            value["status"] = "skipped".into();
            value["reason"] = reason.as_str().into();
        }
        Status::Failed(mismatches) => {
            value["status"] = "failed".into();
            value["mismatches"] = mismatches.iter().map(|of| mismatch(report, suite, of)).collect();
        }
    }
    if let Some(decided) = &case.decided {
        value["outcome"] = decided.outcome.as_str().into();
        value["looked_up"] = decided.looked_up.into();
    }
    value
}

fn mismatch(report: &TestReport, suite: &SuiteReport, mismatch: &Mismatch) -> Value {
    let policies = mismatch.policies.iter().map(|id| {
        let place = report.policies.get(&suite.file, id).map(|(origin, _)| origin);
        json!({ "id": &**id, "file": place.map(|place| &*place.file), "line": place.map(|place| place.line) })
    });
    json!({
        "about": mismatch.about, "expected": mismatch.expected, "got": mismatch.got,
        "policies": policies.collect::<Vec<_>>(),
    })
}

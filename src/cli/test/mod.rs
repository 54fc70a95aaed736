//! `findings-gate test`

mod coverage;
mod export;
mod find;
mod run;
mod watch;

pub use coverage::CoverageArgs;
pub(super) use coverage::percent;
pub(super) use find::suites;
pub(super) use run::{PolicyCache, policy_paths, read};

use super::{Exit, Failure, Printer};
use crate::workbench::report;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

pub(super) const ABOUT: &str = "\
Run the policies' tests.

A suite is a file that ends in `.test.yaml`, beside the policies that it is about: callers, findings, and cases that send an \
update as a client would and say what must become of it. The cases go through the code that the live gate runs. Nothing passes by \
mistake: misspelt members, policies that do not exist, fixtures that no case uses, files that are no suite and runs without a case \
are failures. The format is described in docs/policies.md.";

const EXAMPLES: &str = "\
Examples:
  # Every suite below this directory
  findings-gate test
  # Every suite below that one
  findings-gate test policies/baseline
  findings-gate test --name suppress --fail-fast
  # Again whenever a policy or a suite changes
  findings-gate test --watch
  findings-gate test --format junit > report.xml
  # And what of the policies they have seen
  findings-gate test --coverage
  findings-gate test --coverage-min 100 --coverage-lcov lcov.info
  # As tests that `cedar run-tests` reads
  findings-gate test --export cedar-tests

Exit codes: 0 passed · 1 broke · 2 failed, or nothing was tested · 3 a policy is invalid · 64 usage";

/// Arguments of `test`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct TestArgs {
    /// Directories that are searched for suites, and suites
    #[arg(value_name = "PATH", default_value = ".")]
    pub paths: Vec<PathBuf>,

    /// Only cases whose name, or whose suite's name, has this in it
    #[arg(long, short, value_name = "TEXT")]
    pub name: Option<String>,

    /// Stop at the first failure
    #[arg(long)]
    pub fail_fast: bool,

    /// Run again whenever a policy or a suite changes, until Ctrl-C
    #[arg(long, conflicts_with_all = ["format", "export", "min", "lcov", "html"])]
    pub watch: bool,

    /// How to print the result
    #[arg(long, value_enum, default_value_t = TestFormat::Human)]
    pub format: TestFormat,

    /// Write the questions of each suite as a test of `cedar run-tests`, with policies and schema, into this directory
    #[arg(long, value_name = "DIR")]
    pub export: Option<PathBuf>,

    /// What to tell of the policies that the cases have seen.
    #[command(flatten)]
    pub coverage: CoverageArgs,
}

/// How the result of tests is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TestFormat {
    /// For people
    Human,
    /// One JSON object, whose members stay as they are
    Json,
    /// JUnit's XML
    Junit,
    /// Test Anything Protocol, version 14
    Tap,
    /// Workflow commands of GitHub Actions
    Github,
}

/// Runs the tests, and prints what they came to.
pub(super) fn run(args: &TestArgs, printer: &mut Printer) -> Result<Exit, Failure> {
    if args.watch {
        return watch::run(args, printer);
    }
    once(args, printer).map(|(exit, _)| exit)
}

/// Runs the tests once. Answers with the files that they depend on, too.
fn once(args: &TestArgs, printer: &mut Printer) -> Result<(Exit, Vec<PathBuf>), Failure> {
    let run = run::all(args)?;
    let report = &run.report;
    match args.format {
        TestFormat::Human => {
            for broken in &report.broken {
                printer.diagnostic(broken)?;
            }
            printer.out(&report::human(report, printer.paint()))?;
            if let Some(coverage) = &run.coverage {
                printer.out(&format!("\n{}", coverage.summary(printer.paint())))?;
            }
        }
        TestFormat::Json => printer.json(&report::json(report, run.coverage.as_ref()))?,
        TestFormat::Junit => printer.out(&report::junit(report).map_err(Failure::broke)?)?,
        TestFormat::Tap => printer.out(&report::tap(report))?,
        TestFormat::Github => printer.out(&report::github(report))?,
    }
    if let Some(directory) = &args.export {
        export::write(directory, &run.exports)?;
        let suites = if run.exports.len() == 1 { "suite" } else { "suites" };
        printer.err(&format!("wrote the tests of {} {suites} to {}\n", run.exports.len(), directory.display()))?;
    }
    let enough = match &run.coverage {
        Some(coverage) => args.coverage.tell(coverage, printer)?,
        None => true,
    };
    Ok((if report.passed() && enough { Exit::Fine } else { Exit::Failed }, run.files))
}

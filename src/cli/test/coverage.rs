//! What of the policies the cases have seen, and whether that is enough.

use super::{Failure, Printer};
use crate::workbench::CoverageReport;
use clap::Args;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// What to tell of the policies that the cases have seen.
#[derive(Debug, Args)]
#[command(next_help_heading = "Coverage")]
pub struct CoverageArgs {
    /// Tell of each policy whether it applied and decided, and of each test in its conditions whether it was seen true and false
    #[arg(long)]
    pub coverage: bool,

    /// Fail if less than this is covered, of a hundred
    #[arg(long = "coverage-min", value_name = "PERCENT", value_parser = percent)]
    pub min: Option<f64>,

    /// Write the coverage for editors and CI, which show it on the lines of the policies
    #[arg(long = "coverage-lcov", value_name = "FILE")]
    pub lcov: Option<PathBuf>,

    /// Write the coverage as one page with the policies' text shaded
    #[arg(long = "coverage-html", value_name = "FILE")]
    pub html: Option<PathBuf>,
}

impl CoverageArgs {
    /// Whether anything is to be told.
    pub(super) fn wanted(&self) -> bool {
        self.coverage || self.min.is_some() || self.lcov.is_some() || self.html.is_some()
    }

    /// Writes what is to be written. Answers whether enough is covered.
    pub(super) fn tell(&self, coverage: &CoverageReport, printer: &mut Printer) -> Result<bool, Failure> {
        if let Some(file) = &self.lcov {
            write(file, &coverage.lcov())?;
        }
        if let Some(file) = &self.html {
            write(file, &coverage.html())?;
        }
        let Some(min) = self.min.filter(|min| coverage.percent() < *min) else { return Ok(true) };
        printer.err(&format!(
            "coverage is {:.1} %, expected at least {min} %\n",
            (coverage.percent() * 10.0).floor() / 10.0
        ))?;
        Ok(false)
    }
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    fs::write(file, text).map_err(|error| Failure::broke(format!("cannot write `{}`: {error}", file.display())))
}

/// A percentage.
pub(in crate::cli) fn percent(text: &str) -> Result<f64, &'static str> {
    let number: Option<f64> = text.trim_end_matches('%').trim_end().parse().ok();
    number.filter(|number| (0.0..=100.0).contains(number)).ok_or("expected a number from 0 to 100")
}

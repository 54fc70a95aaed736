//! `findings-gate prove`

use super::{Exit, Failure, Format, Printer};
use crate::finding::Enforcement;
use clap::Args;
use std::ffi::OsString;

#[cfg(feature = "prove")]
mod report;
#[cfg(feature = "prove")]
mod settle;

pub(super) const ABOUT: &str = "\
Prove what is true of policies, whatever is asked.

A property says of questions that none of them is ever allowed, or that all of them always are. It is written as a permit, in a file that \
ends in `.properties.cedar` and lies beside the policies:

  @id(\"members-never-suppress\")
  permit (principal is Member, action == Action::\"Workflow.Status\", resource)
  when { context.value == WorkflowStatus::\"SUPPRESSED\" };

Each is proved for every question that the gate can be asked, or refuted by a request that the gate, asked it, answers otherwise, or \
it stays unproved. Always proved, besides: that no policy can fail, that every policy can apply, and that nobody reaches a finding \
outside the own account or fleet. `@expect(\"always\")` says that all questions are allowed.

Proofs take a solver: cvc5 1.0.3 or later, which runs as a process of its own. Without one everything is unproved. What is proved speaks of \
findings whose state is known (where a look-up fails, the gate denies what depends on it), and of each change as it is sent: where a \
field that travels with it is stripped, the change is asked again without that field.";

const EXAMPLES: &str = "\
Examples:
  findings-gate prove policies/baseline
  findings-gate prove pack:baseline extra.cedar extra.properties.cedar
  findings-gate prove policies --only members-never-suppress --verbose
  CVC5=/opt/cvc5/bin/cvc5 findings-gate prove policies --format json

Exit codes: 0 all proved · 1 broke · 2 something refuted or unproved · 3 invalid · 64 usage";

/// Arguments of `prove`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ProveArgs {
    /// Directories of policies with their properties, `.cedar` and `.properties.cedar` files, or packs such as `pack:baseline`
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<String>,

    /// What a denial does where no policy says
    #[arg(long, value_name = "ENFORCEMENT", default_value = "reject", value_enum)]
    pub default_enforcement: Enforcement,

    /// Prove only this; may be given again
    #[arg(long, value_name = "ID")]
    pub only: Vec<String>,

    /// Count policies in @shadow as if they were enforced
    #[arg(long)]
    pub with_shadow: bool,

    /// The solver [default: what CVC5 names, or `cvc5`]
    #[arg(long, value_name = "PROGRAM")]
    pub solver: Option<OsString>,

    /// How long the solver may think about one question, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = seconds)]
    pub timeout: u32,

    /// Show how long each took, and what the solver said where that could not be replayed
    #[arg(long, short)]
    pub verbose: bool,

    /// How to print the result
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
}

/// A time that there is to wait for.
fn seconds(text: &str) -> Result<u32, &'static str> {
    text.parse().ok().filter(|seconds| (1..=86_400).contains(seconds)).ok_or("expected seconds, 1 to 86400")
}

/// Proves, and prints what became of each property.
#[cfg(feature = "prove")]
pub(super) fn run(args: &ProveArgs, printer: &mut Printer) -> Result<Exit, Failure> {
    let report = settle::settle(args)?;
    match args.format {
        Format::Human => printer.out(&report.human(printer.paint(), args.verbose))?,
        Format::Json => printer.json(&report)?,
    }
    Ok(report.exit())
}

/// Says that it cannot.
#[cfg(not(feature = "prove"))]
pub(super) fn run(_: &ProveArgs, _: &mut Printer) -> Result<Exit, Failure> {
    Err(Failure::broke(
        "this build cannot prove anything: it was made without the feature `prove`. Build one that can with `cargo build --release`, \
         in which the feature is on by default, or with `--features prove`",
    ))
}

#[cfg(feature = "prove")]
#[cfg(test)]
mod tests;

//! `findings-gate audit`: reading the audit log.

mod filter;
mod grep;
mod page;
mod schema;
mod show;
mod source;
mod summary;
mod verify;

pub use filter::{FilterArgs, KindArg, VerdictArg};
pub use grep::{GrepArgs, GrepFormat};
pub use schema::AuditSchemaArgs;
pub use show::ShowArgs;
pub use verify::VerifyArgs;

pub(super) use source::Reading;

use super::{Exit, Failure, Printer};
use clap::{Args, Subcommand};

pub(super) const ABOUT: &str = "\
Read the audit log: verify it, show a request, find requests.

The log is JSON Lines, in the file that `audit.file` names and the rotated ones beside it, which are found by themselves. A rotated file, a \
directory or `-` for standard input can be named as well. docs/audit.md describes the format, docs/audit.schema.json holds other programs \
to it.";

const EXAMPLES: &str = "\
Examples:
  findings-gate audit verify audit.jsonl
  findings-gate audit show --last 1
  findings-gate audit grep --verdict denied --since 2h audit.jsonl
  findings-gate audit schema > audit.schema.json

Exit codes: 0 fine · 1 broke · 2 the chain is broken (verify) · 64 usage";

/// Arguments of `audit`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct AuditArgs {
    /// What to do with the log
    #[command(subcommand)]
    pub command: AuditCommand,
}

/// What to do with the log.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Check that the log is as it was written, and that nothing is missing
    #[command(long_about = verify::ABOUT)]
    Verify(VerifyArgs),
    /// Show all of a request: who, what, what each policy said, what came of it
    #[command(long_about = show::ABOUT)]
    Show(ShowArgs),
    /// Find requests
    #[command(long_about = grep::ABOUT)]
    Grep(Box<GrepArgs>),
    /// Print the JSON Schema of a line
    #[command(long_about = schema::ABOUT)]
    Schema(AuditSchemaArgs),
}

/// Does what is asked for.
pub(super) fn run(args: &AuditArgs, printer: &mut Printer) -> Result<Exit, Failure> {
    match &args.command {
        AuditCommand::Verify(args) => verify::run(args, printer),
        AuditCommand::Show(args) => show::run(args, printer),
        AuditCommand::Grep(args) => grep::run(args, printer),
        AuditCommand::Schema(args) => schema::run(args, printer),
    }
}

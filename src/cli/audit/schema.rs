//! `findings-gate audit schema`

use crate::{
    audit,
    cli::{Exit, Failure, Printer},
};
use clap::Args;

pub(super) const ABOUT: &str = "\
Print the JSON Schema of a line of the audit log, for other programs.

It is JSON Schema 2020-12, and the same as docs/audit.schema.json. Members that it does not name may be added in the same version: pass \
over them.";

const EXAMPLES: &str = "\
Examples:
  findings-gate audit schema > audit.schema.json

Exit codes: 0 fine · 1 broke · 64 usage";

/// Arguments of `audit schema`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct AuditSchemaArgs {}

/// Prints it.
pub(super) fn run(_: &AuditSchemaArgs, printer: &mut Printer) -> Result<Exit, Failure> {
    printer.out(audit::SCHEMA)?;
    Ok(Exit::Fine)
}

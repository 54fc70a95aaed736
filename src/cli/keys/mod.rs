//! `findings-gate keys`: the keys file of `sigv4` identities, without an editor.

mod add;
mod file;
mod list;
mod new;
mod revoke;
mod text;

pub use add::AddArgs;
pub use list::ListArgs;
pub use revoke::RevokeArgs;

use super::{Exit, Failure, Printer};
use clap::{Args, Subcommand};

pub(super) const ABOUT: &str = "\
Issue, list and revoke the keys that callers sign with.

They are the keys of an identity of kind sigv4, in its keys file. A caller puts one where its AWS credentials would be, and signs as ever; \
nothing in AWS knows it. The file is replaced as a whole, with its comments and layout as they were.

To rotate a key: add another one for the same account and principal, move the client, revoke the old one.";

const EXAMPLES: &str = "\
Examples:
  findings-gate keys add --account 222222222222 \\
      --principal arn:aws:iam::222222222222:role/triage
  findings-gate keys list
  findings-gate keys revoke FGAKQ3J5XM2T7ZB4WCDE

Exit codes: 0 done · 1 broke, or there is no such key · 3 the keys file is invalid · 64 usage";

/// Arguments of `keys`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct KeysArgs {
    /// What to do with them
    #[command(subcommand)]
    pub command: KeysCommand,
}

/// What to do with the keys.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Issue a key, and show its secret this once
    #[command(long_about = add::ABOUT)]
    Add(AddArgs),
    /// List the keys, without their secrets
    #[command(long_about = list::ABOUT)]
    List(ListArgs),
    /// Take a key out
    #[command(long_about = revoke::ABOUT)]
    Revoke(RevokeArgs),
}

/// Does what is asked for.
pub(super) fn run(args: &KeysArgs, printer: &mut Printer) -> Result<Exit, Failure> {
    match &args.command {
        KeysCommand::Add(args) => add::run(args, printer),
        KeysCommand::List(args) => list::run(args, printer),
        KeysCommand::Revoke(args) => revoke::run(args, printer),
    }
}

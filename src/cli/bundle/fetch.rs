//! `findings-gate bundle fetch`

use crate::{
    cli::{
        ConfigArgs, Exit, Failure, Printer,
        deliver::{self, Whence},
    },
    config::Flags,
};
use clap::Args;

pub(super) const ABOUT: &str = "\
Fetch the bundle of a configuration into its cache.

It does what `serve` does with the URL in `policies.path`, once: the bundle is fetched if it is a new one, held against the keys and against \
the number of the one that is kept, and tried; then it takes the place of that one. A gate that runs on the same cache notices.

With --allow-rollback a bundle with a lower number is taken, too: this is how to go back to an earlier one, besides building it again with a \
higher number.";

const EXAMPLES: &str = "\
Examples:
  findings-gate bundle fetch --config findings-gate.toml
  findings-gate bundle fetch --allow-rollback

Exit codes: 0 it is in the cache · 1 none came · 2 badly signed, or too old · 3 invalid · 64 usage";

/// Arguments of `bundle fetch`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct FetchArgs {
    /// The configuration file.
    #[command(flatten)]
    pub config: ConfigArgs,

    /// Take a bundle with a lower number than the one that is kept
    #[arg(long)]
    pub allow_rollback: bool,
}

pub(super) fn run(args: &FetchArgs, printer: &mut Printer) -> Result<Exit, Failure> {
    let environment = std::env::vars_os().collect();
    let whence = Whence { file: args.config.config.clone(), environment, flags: Flags::default() };
    let (exit, told) = deliver::by_hand(&whence, args.allow_rollback)?;
    if exit == Exit::Fine {
        printer.out(&told)?;
    } else {
        printer.err(&told)?;
    }
    Ok(exit)
}

//! `findings-gate completions`

use super::{Cli, Exit, Failure, Printer};
use clap::{Args, CommandFactory};
use clap_complete::Shell;

pub(super) const ABOUT: &str = "\
Print what makes a shell complete verbs, options and values.

It is made from the same definitions as `--help`, so it fits this version of the program: make it again after an update.";

const EXAMPLES: &str = "\
Examples:
  findings-gate completions bash > ~/.local/share/bash-completion/completions/findings-gate
  findings-gate completions zsh > ~/.zfunc/_findings-gate
  findings-gate completions fish > ~/.config/fish/completions/findings-gate.fish

Exit codes: 0 printed · 1 broke · 64 usage";

/// Arguments of `completions`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct CompletionsArgs {
    /// For which shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Prints the completions.
pub(super) fn run(args: &CompletionsArgs, printer: &mut Printer) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "findings-gate", &mut script);
    printer.out(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Fine)
}

//! `findings-gate completions`

use super::{Cli, Exit, Failure, Printer};
use clap::{Args, CommandFactory};
use clap_complete::Shell;

pub(super) const ABOUT: &str = "\
Print what makes a shell complete verbs, options and values.

It is made from the same definitions as `--help`, so it fits this version of the program: make it again after an update.";

const EXAMPLES: &str = "\
Examples:
  findings-gate completions bash \\
      > ~/.local/share/bash-completion/completions/findings-gate
  findings-gate completions zsh > ~/.zfunc/_findings-gate
  findings-gate completions fish \\
      > ~/.config/fish/completions/findings-gate.fish

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
    let script = generated(args.shell);
    printer.out(&if args.shell == Shell::Bash { mended(&script) } else { script })?;
    Ok(Exit::Fine)
}

fn generated(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "findings-gate", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// How the program's name begins the labels that bash's script jumps to.
const LABEL: &str = "findings__subcmd__gate";
/// How it begins what the script jumps by.
const JUMP: &str = "findings__gate";

/// The script for bash with one name for one place. As it is generated, what it jumps by and what it jumps to differ where the
/// program's name has a hyphen, so that nothing is completed behind a verb.
fn mended(script: &str) -> String {
    script.replace(LABEL, JUMP)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// What the script jumps by, and where it can jump to.
    fn jumps_and_labels(script: &str) -> (BTreeSet<&str>, BTreeSet<&str>) {
        let lines = || script.lines().map(str::trim);
        let jumps = lines().filter_map(|line| line.strip_prefix("cmd=\"")?.strip_suffix('"'));
        let labels = lines().filter_map(|line| line.strip_suffix(')')).filter(|label| label.starts_with("findings__"));
        (jumps.filter(|jump| !jump.is_empty()).collect(), labels.filter(|label| !label.contains(',')).collect())
    }

    #[test]
    fn bash_jumps_to_every_verb() {
        let script = mended(&generated(Shell::Bash));
        let (jumps, labels) = jumps_and_labels(&script);
        assert_eq!(jumps, labels);
        let verbs = Cli::command().get_subcommands().count();
        assert!(jumps.len() > verbs && jumps.contains("findings__gate__subcmd__check"), "{jumps:?}");
    }

    /// What is generated needs the mending, and this mending: a `clap_complete` that does otherwise is to be looked at.
    #[test]
    fn mending_is_needed() {
        let script = generated(Shell::Bash);
        let (jumps, labels) = jumps_and_labels(&script);
        let advice = "clap_complete names places in another way: see whether `mended` is still needed, and right";
        assert!(!jumps.is_empty() && jumps.iter().all(|jump| jump.starts_with(JUMP)), "{advice}: {jumps:?}");
        let known = |label: &&str| label.starts_with(LABEL) || *label == JUMP;
        assert!(labels.len() == jumps.len() && labels.iter().all(known), "{advice}: {labels:?}");
        assert_ne!(jumps, labels, "{advice}");
    }
}

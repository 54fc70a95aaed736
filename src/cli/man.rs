//! `findings-gate man`

use super::{Cli, Exit, Failure, Printer, files};
use clap::{Args, Command, CommandFactory};
use clap_mangen::Man;
use std::path::PathBuf;

pub(super) const ABOUT: &str = "\
Print or write the manual pages.

There is one page for the program and one for each verb, made from the same definitions as `--help`.";

const EXAMPLES: &str = "\
Examples:
  findings-gate man | man -l -
  findings-gate man check | man -l -
  findings-gate man --out /usr/local/share/man/man1

Exit codes: 0 printed · 1 broke · 64 usage";

/// Arguments of `man`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ManArgs {
    /// The verb whose page is printed; without one, the program's
    #[arg(value_name = "VERB")]
    pub verb: Option<String>,

    /// Write all pages into this directory, which must be there
    #[arg(long, value_name = "DIR", conflicts_with = "verb")]
    pub out: Option<PathBuf>,
}

/// Prints a page or writes all of them.
pub(super) fn run(args: &ManArgs, printer: &mut Printer) -> Result<Exit, Failure> {
    let pages = pages();
    let Some(directory) = &args.out else {
        let page = match &args.verb {
            None => pages.into_iter().next(),
            Some(verb) => pages.into_iter().skip(1).find(|page| page.get_name() == verb.as_str()),
        };
        let Some(page) = page else {
            let verb = args.verb.as_deref().unwrap_or_default();
            printer.err(&format!("error: no verb `{verb}`: `findings-gate help` lists them\n"))?;
            return Ok(Exit::Usage);
        };
        printer.out(&rendered(page)?)?;
        return Ok(Exit::Fine);
    };
    let count = pages.len();
    for page in pages {
        let file = format!("{}.1", page.get_display_name().unwrap_or(page.get_name()));
        files::write(&directory.join(file), &rendered(page)?)?;
    }
    printer.out(&format!("wrote {count} pages to {}\n", directory.display()))?;
    Ok(Exit::Fine)
}

/// The program, then its verbs.
fn pages() -> Vec<Command> {
    let mut program = Cli::command().disable_help_subcommand(true);
    program.build();
    let verbs: Vec<Command> = program.get_subcommands().cloned().collect();
    // What `--version` prints is the program's.
    let verbs = verbs.into_iter().map(|verb| verb.version(env!("CARGO_PKG_VERSION")));
    std::iter::once(program.clone()).chain(verbs).collect()
}

fn rendered(page: Command) -> Result<String, Failure> {
    let mut text = Vec::new();
    Man::new(page).manual("findings-gate").render(&mut text).map_err(Failure::broke)?;
    String::from_utf8(text).map_err(Failure::broke)
}

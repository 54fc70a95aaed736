//! `findings-gate man`

use super::{Cli, Exit, Failure, Printer, files};
use clap::{Args, Command, CommandFactory, builder::Resettable};
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
    // What a verb has below it has pages of its own: `findings-gate-keys-add`.
    let verbs = program.get_subcommands().flat_map(|verb| std::iter::once(verb).chain(verb.get_subcommands()));
    let verbs: Vec<Command> = verbs.filter(|verb| verb.get_name() != "help").cloned().collect();
    // What `--version` prints is the program's.
    let verbs = verbs.into_iter().map(|verb| verb.version(env!("CARGO_PKG_VERSION")));
    std::iter::once(program.clone()).chain(verbs).collect()
}

/// The page, with what stands behind the options in `--help` as sections of their own.
fn rendered(mut page: Command) -> Result<String, Failure> {
    let after = page.get_after_help().map(ToString::to_string).unwrap_or_default();
    page = page.after_help(Resettable::Reset);
    let mut text = Vec::new();
    Man::new(page).manual("findings-gate").render(&mut text).map_err(Failure::broke)?;
    let mut text = String::from_utf8(text).map_err(Failure::broke)?;
    let end = text.find("\n.SH VERSION\n").map_or(text.len(), |at| at + 1);
    text.insert_str(end, &sections(&after));
    Ok(text)
}

/// The sections of what stands behind the options: blocks under a heading, whose lines stay lines, and paragraphs.
fn sections(after: &str) -> String {
    let mut text = String::new();
    for block in after.split("\n\n") {
        let (first, rest) = block.split_once('\n').unwrap_or((block, ""));
        match first.split_once(':') {
            Some((heading, "")) => section(&mut text, heading, rest.lines()),
            Some((heading @ "Exit codes", codes)) => section(&mut text, heading, codes.trim().split(" · ")),
            _ => {
                text.push_str(".PP\n");
                block.lines().for_each(|line| put(&mut text, line));
            }
        }
    }
    text
}

fn section<'a>(text: &mut String, heading: &str, lines: impl Iterator<Item = &'a str>) {
    let heading = match heading {
        "Exit codes" => ".SH EXIT STATUS".to_owned(),
        "Examples" | "Environment" | "Faults" => format!(".SH {}", heading.to_uppercase()),
        // More of what came before.
        _ => format!(".SS {heading}"),
    };
    text.extend([&*heading, "\n.nf\n"]);
    // What sets them off in `--help`, the section does here.
    lines.for_each(|line| put(text, line.strip_prefix("  ").unwrap_or(line)));
    text.push_str(".fi\n");
}

/// A line in which nothing is a command of roff.
fn put(text: &mut String, line: &str) {
    if line.starts_with(['.', '\'']) {
        text.push_str("\\&");
    }
    for c in line.chars() {
        match c {
            '\\' => text.push_str("\\e"),
            '-' => text.push_str("\\-"),
            // Otherwise it, too, would be set as a curly one.
            '\'' => text.push_str("\\*(Aq"),
            '`' => text.push_str("\\(ga"),
            c => text.push(c),
        }
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_behind_the_options_becomes_sections() {
        let after = "Examples:\n  gate check --all\n  jq '.a' \\\n      `b`\n\nMore:\n  .x\n\nSee docs.\n\nExit codes: 0 fine · 64 usage";
        assert_eq!(
            sections(after),
            ".SH EXAMPLES\n.nf\ngate check \\-\\-all\njq \\*(Aq.a\\*(Aq \\e\n    \\(gab\\(ga\n.fi\n\
             .SS More\n.nf\n\\&.x\n.fi\n.PP\nSee docs.\n.SH EXIT STATUS\n.nf\n0 fine\n64 usage\n.fi\n"
        );
    }
}

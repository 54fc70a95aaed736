//! `findings-gate matrix`

use super::{Exit, Failure, PolicyArgs, Printer};
use crate::{
    finding::{Action, Role},
    policy::Rule,
    workbench::{
        Paint,
        matrix::{Filter, Matrix, MatrixError, render},
    },
};
use clap::{Args, ValueEnum, builder::PossibleValuesParser};
use similar::{ChangeTag, TextDiff};
use std::{
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

pub(super) const ABOUT: &str = "\
Show who may set what to what.

Every caller, action and value that the policies distinguish, in every state of a finding that they read, is put to the code \
that the gate runs. What nothing distinguishes is folded, so that a set of policies fits on a screen: each question is in exactly \
one row. Closed vocabularies are tried as a whole; numbers and times, also that of the request, around the constants of \
the policies; texts at their literals and patterns, and as something else.

A row says what becomes of the change: it is allowed; its field is stripped; its finding is rejected; the whole call is refused. \
It names the policies that decide, or says why none does (no-grant). A finding's state is unknown where the gate could not look it \
up, and where it is not the caller's to see. An update drops nothing from a finding's lists besides what a row ending in `.Remove` \
is about; what travels with it is what the policies look at.

Kept in a file, the matrix shows in review what a change to the policies does to anybody: --write makes it, --check compares.";

const EXAMPLES: &str = "\
Examples:
  findings-gate matrix pack:baseline
  findings-gate matrix policies/ --role member --action Workflow.Status
  findings-gate matrix policies/ --write policies/matrix.md
  # What moved? (exit code 2)
  findings-gate matrix policies/ --check policies/matrix.md
  # Every cell by itself
  findings-gate matrix policies/ --format csv --all
  findings-gate matrix policies/ --format html > matrix.html

Exit codes: 0 fine · 1 broke · 2 the matrix is not that of --check · 3 policies invalid · 64 usage";

/// Arguments of `matrix`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct MatrixArgs {
    /// The policies.
    #[command(flatten)]
    pub policies: PolicyArgs,

    /// Only callers of this role; may be given again
    #[arg(long, value_name = "ROLE", value_enum)]
    pub role: Vec<Role>,

    /// Only this action, such as Workflow.Status; may be given again
    #[arg(long, value_name = "ACTION", value_parser = actions())]
    pub action: Vec<String>,

    /// How to print it; with --write and --check the file's extension says it
    #[arg(long, value_enum, conflicts_with_all = ["check", "write"])]
    pub format: Option<MatrixFormat>,

    /// Every cell by itself, as CSV or JSON
    #[arg(long)]
    pub all: bool,

    /// Compare with this file (.md, .csv, .json, .txt or .html), and show what moved
    #[arg(long, value_name = "FILE", conflicts_with = "write")]
    pub check: Option<PathBuf>,

    /// Write it to this file
    #[arg(long, visible_alias = "out", value_name = "FILE")]
    pub write: Option<PathBuf>,
}

/// How a matrix is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MatrixFormat {
    /// A table of 100 columns
    #[value(alias = "human")]
    Text,
    /// For pull requests and documentation
    Markdown,
    /// For spreadsheets
    Csv,
    /// One JSON object, whose members stay as they are
    Json,
    /// One page that needs nothing besides itself
    Html,
}

impl MatrixFormat {
    /// The format of a file, by its extension.
    fn of(file: &Path) -> Result<Self, Failure> {
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("txt") => Ok(Self::Text),
            Some("md") => Ok(Self::Markdown),
            Some("csv") => Ok(Self::Csv),
            Some("json") => Ok(Self::Json),
            Some("html") => Ok(Self::Html),
            _ => Err(Failure::broke(format!(
                "{}: no matrix has this extension, expected .md, .csv, .json, .txt or .html",
                file.display()
            ))),
        }
    }
}

/// Makes the matrix, and prints, writes or compares it.
pub(super) fn run(args: &MatrixArgs, printer: &mut Printer) -> Result<Exit, Failure> {
    let file = args.check.as_ref().or(args.write.as_ref());
    let format = match file {
        Some(file) => MatrixFormat::of(file)?,
        None => args.format.unwrap_or(if args.all { MatrixFormat::Csv } else { MatrixFormat::Text }),
    };
    if args.all && !matches!(format, MatrixFormat::Csv | MatrixFormat::Json) {
        return told_to_use(
            printer,
            "--all prints every cell by itself, as CSV or JSON: add --format csv or --format json",
        );
    }
    let paint = if file.is_some() { Paint::PLAIN } else { printer.paint() };
    let text = rendered(args, format, paint)?;
    match (&args.check, &args.write) {
        (Some(file), _) => compare(args, file, &text, printer),
        (None, Some(file)) => {
            fs::write(file, text).map_err(|error| failed("write", file, &error))?;
            printer.err(&format!("wrote {}\n", file.display()))?;
            Ok(Exit::Fine)
        }
        (None, None) => {
            printer.out(&text)?;
            Ok(Exit::Fine)
        }
    }
}

fn rendered(args: &MatrixArgs, format: MatrixFormat, paint: Paint) -> Result<String, Failure> {
    let loaded = args.policies.load()?;
    let filter = Filter {
        roles: args.role.clone(),
        actions: args.action.iter().filter_map(|action| Action::parse(action)).collect(),
    };
    let rules: &[Rule] = loaded.policies.rules();
    let enforcement = loaded.default_enforcement;
    let json = |value: serde_json::Value| format!("{value:#}\n");
    if args.all {
        let cells = Matrix::every_cell(rules, enforcement, &filter).map_err(invalid)?;
        return Ok(match format {
            MatrixFormat::Json => json(render::json_of_cells(&cells)),
            _ => render::csv_of_cells(&cells),
        });
    }
    let matrix = Matrix::of(rules, enforcement, &filter).map_err(invalid)?;
    Ok(match format {
        MatrixFormat::Text => render::text(&matrix, paint),
        MatrixFormat::Markdown => render::markdown(&matrix),
        MatrixFormat::Csv => render::csv(&matrix),
        MatrixFormat::Json => json(render::json(&matrix)),
        MatrixFormat::Html => render::html(&matrix, &format!("Who may set what: {}", args.policies.paths.join(", "))),
    })
}

/// Policies that cannot be asked are invalid; the rest is a fault of the program.
fn invalid(error: MatrixError) -> Failure {
    match error {
        MatrixError::Snapshot(error) => Failure::invalid(error),
        error => Failure::broke(format!("{error}; this is a fault of the program: please report it")),
    }
}

fn compare(args: &MatrixArgs, file: &Path, now: &str, printer: &mut Printer) -> Result<Exit, Failure> {
    let kept = match fs::read_to_string(file) {
        Ok(kept) => kept,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Failure::broke(format!("{}: no such file; make it with --write", file.display())));
        }
        Err(error) => return Err(failed("read", file, &error)),
    };
    // A checkout may have changed the ends of lines, which say nothing.
    let kept = kept.replace("\r\n", "\n");
    if kept == now {
        return Ok(Exit::Fine);
    }
    printer.out(&difference(&kept, now, file, printer.paint()))?;
    printer.err(&format!(
        "{} is not the matrix of {}: review what moved, then make it anew with --write\n",
        file.display(),
        args.policies.paths.join(" ")
    ))?;
    Ok(Exit::Failed)
}

/// What moved, as a unified diff.
fn difference(kept: &str, now: &str, file: &Path, paint: Paint) -> String {
    let diff = TextDiff::from_lines(kept, now);
    let mut text = format!("--- {0}\n+++ {0}, as the policies are now\n", file.display());
    for hunk in diff.unified_diff().context_radius(2).iter_hunks() {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", paint.faint(hunk.header()));
        for change in hunk.iter_changes() {
            let line = change.value().trim_end_matches('\n');
            let _ = match change.tag() {
                ChangeTag::Equal => writeln!(text, " {line}"),
                ChangeTag::Delete => writeln!(text, "{}", paint.bad(format_args!("-{line}"))),
                ChangeTag::Insert => writeln!(text, "{}", paint.good(format_args!("+{line}"))),
            };
        }
    }
    text
}

fn told_to_use(printer: &mut Printer, message: &str) -> Result<Exit, Failure> {
    printer.err(&format!("error: {message}\n"))?;
    Ok(Exit::Usage)
}

fn failed(what: &str, file: &Path, error: &io::Error) -> Failure {
    Failure::broke(format!("cannot {what} {}: {error}", file.display()))
}

fn actions() -> PossibleValuesParser {
    PossibleValuesParser::new(Action::ALL.iter().map(|action| action.as_str()))
}

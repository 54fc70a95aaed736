//! `findings-gate diff`

mod revision;

use super::{
    Exit, Failure, Printer,
    proving::{Compared, Session, Shown, Sought, on_a_large_stack},
};
use crate::{
    finding::{Action, Enforcement},
    workbench::{
        Fleet,
        diff::{self, Complete, Diff, Direction, Found, Side, depends_on_others},
        matrix::MatrixError,
    },
};
use clap::{Args, ValueEnum};
use std::sync::Arc;

pub(super) const ABOUT: &str = "\
Show what a change to policies permits, denies, or enforces otherwise.

OLD and NEW are policies: a directory, a `.cedar` file, a pack such as `pack:baseline`, or what a git revision has of them: \
`main:policies/`, or the revision alone for the same path as the other one's. Everything that either of them distinguishes is put \
to both, by the code that the live gate runs: who, which action, which value, in which state of the finding. So every example was \
replayed through both before it is printed. With a solver (cvc5, see `prove`) it is also proved of which roles and actions nothing is allowed or \
denied otherwise; without one, that is said.";

const EXAMPLES: &str = "\
Examples:
  # What does this branch change?
  findings-gate diff main policies/
  findings-gate diff HEAD~1:policies/ HEAD:policies/
  findings-gate diff pack:strict pack:baseline
  # For a pull request
  findings-gate diff main policies/ --format markdown
  # Exit code 2 if something is allowed that was denied
  findings-gate diff main policies/ --fail-on widened

Exit codes: 0 fine · 1 broke · 2 something moved that --fail-on names · 3 policies invalid · 64 usage";

/// Arguments of `diff`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct DiffArgs {
    /// The policies as they were: a directory of policies, a `.cedar` file, a pack such as `pack:baseline`, or REVISION:PATH
    #[arg(value_name = "OLD")]
    pub old: String,

    /// The policies as they are: the same
    #[arg(value_name = "NEW")]
    pub new: String,

    /// What a denial does where no policy says
    #[arg(long, value_name = "ENFORCEMENT", default_value = "reject", value_enum)]
    pub default_enforcement: Enforcement,

    /// How to print it
    #[arg(long, value_enum, default_value_t = DiffFormat::Human)]
    pub format: DiffFormat,

    /// Exit with 2 if something moved in this way; may be given again
    #[arg(long, value_enum, value_name = "WAY")]
    pub fail_on: Vec<FailOn>,
}

/// How a comparison is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DiffFormat {
    /// For people
    Human,
    /// For a pull request
    Markdown,
    /// One JSON object, whose members stay as they are
    Json,
}

/// What may be failed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// Something is allowed that was denied
    Widened,
    /// Something is denied that was allowed
    Narrowed,
    /// A denial does less or more than it did
    Enforcement,
    /// Anything moved, policies' names included
    Any,
}

impl FailOn {
    /// What it names.
    pub(super) const fn directions(self) -> &'static [Direction] {
        match self {
            Self::Widened => &[Direction::Widened],
            Self::Narrowed => &[Direction::Narrowed],
            Self::Enforcement => &[Direction::Milder, Direction::Stricter],
            Self::Any => {
                &[Direction::Widened, Direction::Narrowed, Direction::Milder, Direction::Stricter, Direction::Otherwise]
            }
        }
    }
}

/// Compares, and prints what moved.
pub(super) fn run(args: &DiffArgs, printer: &mut Printer) -> Result<Exit, Failure> {
    let (old, new) = revision::both(&args.old, &args.new)?;
    let side = |rules| Side { rules, default_enforcement: args.default_enforcement };
    let diff = on_a_large_stack(|| compare(side(old.rules()), side(new.rules())))??;
    match args.format {
        DiffFormat::Human => printer.out(&diff::human(&diff, printer.paint()))?,
        DiffFormat::Markdown => printer.out(&diff::markdown(&diff))?,
        DiffFormat::Json => printer.json(&diff::json(&diff))?,
    }
    let failed = args.fail_on.iter().any(|way| diff.has(way.directions()));
    Ok(if failed { Exit::Failed } else { Exit::Fine })
}

/// Compares over what the policies distinguish, then lets a solver look for more.
fn compare(old: Side<'_>, new: Side<'_>) -> Result<Diff, Failure> {
    let mut diff = Diff::of(old, new).map_err(failure)?;
    let mut solver = match Session::start()? {
        Ok(solver) => solver,
        Err(why) => {
            diff.complete = Complete::AsFarAsDistinguished(why);
            return Ok(diff);
        }
    };
    let mut open = Vec::new();
    for Compared { role, action, wider, narrower } in solver.compare(old.rules, new.rules, old.default_enforcement) {
        for (direction, sought) in [(Direction::Widened, wider), (Direction::Narrowed, narrower)] {
            let told = diff.tells(direction, role, action);
            match sought {
                Sought::None => {}
                Sought::Unproved(why) => {
                    diff.suspected.insert(direction);
                    open.push(format!("{}: {why}", direction.as_str()));
                }
                Sought::Shown(shown) => {
                    if !told && !add(&mut diff, old, new, action, &shown)? {
                        diff.suspected.insert(direction);
                    }
                    open.push(format!("{role}, {action}: {}", direction.as_str()));
                }
            }
        }
        if depends_on_others(old, new, role, action) {
            open.push(format!(
                "{role}, {action}: it looks at what travels with it, and of that other policies decide now"
            ));
        }
    }
    diff.complete = if open.is_empty() { Complete::Proved } else { Complete::ProvedElsewhere(open) };
    Ok(diff)
}

/// Adds what the solver found. Answers whether both sets, asked it, say different things.
fn add(diff: &mut Diff, old: Side<'_>, new: Side<'_>, action: Action, shown: &Shown) -> Result<bool, Failure> {
    let callers = std::iter::once(&shown.example.caller).chain(&shown.others);
    let accounts = Arc::new(Fleet::of(callers).map_err(Failure::broke)?.accounts());
    let found = Found { example: &shown.example, action, element: shown.element.as_deref() };
    diff.add(old, new, &accounts, &found).map_err(failure)
}

/// Policies that cannot be asked are invalid; the rest is a fault of the program.
pub(super) fn failure(error: MatrixError) -> Failure {
    match error {
        MatrixError::Snapshot(error) => Failure::invalid(error),
        error => Failure::broke(format!("{error}; this is a fault of the program: please report it")),
    }
}

//! The command line: one file a verb.
//!
//! [`run`] is the whole program. What it prints goes through one [`Printer`], and what it ends with is one of the codes
//! of [`Exit`].

mod args;
mod assemble;
mod backend;
mod check;
mod demo;
mod embedded;
mod output;
mod policies;
mod prove;
mod serve;
mod shared;
#[cfg(feature = "prove")]
mod solver;

pub use args::{Cli, Command};
pub use backend::{BackendArgs, Chance, Fault};
pub use check::{CheckArgs, Format};
pub use demo::DemoArgs;
pub use output::{Exit, Failure, Printer};
pub use policies::PolicyArgs;
pub use prove::ProveArgs;
pub use serve::ServeArgs;
pub use shared::ConfigArgs;

use clap::{Parser, error::ErrorKind};
use std::{ffi::OsString, process::ExitCode};

/// Runs the program: `args` as the system gives them, the program's own name first.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut printer = Printer::standard();
    let result = match Cli::try_parse_from(args) {
        Ok(cli) => dispatch(cli.command, &mut printer),
        Err(error) => told_by_clap(&error, &mut printer),
    };
    printer.finish(result).into()
}

fn dispatch(command: Command, printer: &mut Printer) -> Result<Exit, Failure> {
    match command {
        Command::Check(args) => check::run(&args, printer),
        Command::Prove(args) => prove::run(&args, printer),
        Command::Serve(args) => serve::run(&args, printer),
        Command::Backend(args) => backend::run(&args, printer),
        Command::Demo(args) => demo::run(&args, printer),
    }
}

/// Help and version are answers; the rest is misuse.
fn told_by_clap(error: &clap::Error, printer: &mut Printer) -> Result<Exit, Failure> {
    let text = error.render().to_string();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            printer.out(&text)?;
            Ok(Exit::Fine)
        }
        _ => {
            printer.err(&text)?;
            Ok(Exit::Usage)
        }
    }
}

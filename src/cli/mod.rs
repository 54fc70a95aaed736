//! The command line: one file a verb.
//!
//! [`run`] is the whole program. What it prints goes through one [`Printer`], and what it ends with is one of the codes
//! of [`Exit`].

mod admin;
mod alone;
mod args;
mod assemble;
mod audit;
mod backend;
mod bundle;
mod check;
mod completions;
mod credentials;
mod deliver;
mod demo;
mod diff;
mod discover;
mod embedded;
mod explain;
mod files;
mod fmt;
mod health;
mod import_iam;
mod keys;
mod man;
mod matrix;
mod mutate;
mod output;
mod policies;
mod prove;
mod proving;
mod recording;
mod reload;
mod replay;
mod schema;
mod serve;
mod shared;
#[cfg(feature = "prove")]
mod solver;
mod test;
mod token;
mod traces;
mod whoami;

pub use args::{Cli, Command};
pub use audit::{
    AuditArgs, AuditCommand, AuditSchemaArgs, FilterArgs, GrepArgs, GrepFormat, KindArg, ShowArgs, VerdictArg,
    VerifyArgs,
};
pub use backend::{BackendArgs, Chance, Fault};
pub use bundle::{BuildArgs, BundleArgs, BundleCommand, BundleVerifyArgs, FetchArgs, KeygenArgs, SignArgs};
pub use check::{CheckArgs, CheckFormat};
pub use completions::CompletionsArgs;
pub use demo::DemoArgs;
pub use diff::{DiffArgs, DiffFormat, FailOn};
pub use explain::{Call, ExplainArgs};
pub use fmt::FmtArgs;
pub use health::HealthArgs;
pub use import_iam::ImportIamArgs;
pub use keys::{AddArgs, KeysArgs, KeysCommand, ListArgs, RevokeArgs};
pub use man::ManArgs;
pub use matrix::{MatrixArgs, MatrixFormat};
pub use mutate::MutateArgs;
pub use output::{Exit, Failure, Printer};
pub use policies::PolicyArgs;
pub use prove::ProveArgs;
pub use replay::ReplayArgs;
pub use schema::{SchemaArgs, SchemaFormat};
pub use serve::ServeArgs;
pub use shared::{ConfigArgs, Format};
pub use test::{CoverageArgs, TestArgs, TestFormat};
pub use token::TokenArgs;
pub use whoami::WhoamiArgs;

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
        Command::Audit(args) => audit::run(&args, printer),
        Command::Check(args) => check::run(&args, printer),
        Command::Fmt(args) => fmt::run(&args, printer),
        Command::Bundle(args) => bundle::run(&args, printer),
        Command::Keys(args) => keys::run(&args, printer),
        Command::Token(args) => token::run(&args, printer),
        Command::Schema(args) => schema::run(&args, printer),
        Command::Completions(args) => completions::run(&args, printer),
        Command::Man(args) => man::run(&args, printer),
        Command::Prove(args) => prove::run(&args, printer),
        Command::Serve(args) => serve::run(&args, printer),
        Command::Backend(args) => backend::run(&args, printer),
        Command::Test(args) => test::run(&args, printer),
        Command::Diff(args) => diff::run(&args, printer),
        Command::Mutate(args) => mutate::run(&args, printer),
        Command::Replay(args) => replay::run(&args, printer),
        Command::Demo(args) => demo::run(&args, printer),
        Command::Matrix(args) => matrix::run(&args, printer),
        Command::Explain(args) => explain::run(&args, printer),
        Command::Health(args) => health::run(&args, printer),
        Command::Whoami(args) => whoami::run(&args, printer),
        Command::ImportIam(args) => import_iam::run(&args, printer),
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

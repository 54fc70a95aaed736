//! The verbs.

use super::{
    audit::{self, AuditArgs},
    backend::{self, BackendArgs},
    bundle::{self, BundleArgs},
    check::{self, CheckArgs},
    completions::{self, CompletionsArgs},
    demo::{self, DemoArgs},
    diff::{self, DiffArgs},
    explain::{self, ExplainArgs},
    fmt::{self, FmtArgs},
    health::{self, HealthArgs},
    import_iam::{self, ImportIamArgs},
    keys::{self, KeysArgs},
    man::{self, ManArgs},
    matrix::{self, MatrixArgs},
    mutate::{self, MutateArgs},
    prove::{self, ProveArgs},
    replay::{self, ReplayArgs},
    schema::{self, SchemaArgs},
    serve::{self, ServeArgs},
    test::{self, TestArgs},
    token::{self, TokenArgs},
    whoami::{self, WhoamiArgs},
};
use clap::{Parser, Subcommand};

const ABOUT: &str = "\
Decides, with Cedar policies, what of a change to AWS Security Hub findings goes through.

findings-gate is an HTTP proxy in front of Security Hub, or of anything that speaks its API. Callers keep the clients \
they have (boto3, the AWS CLI, SOAR tools) and change only the endpoint URL. Each BatchUpdateFindings request is decided \
per caller, finding, field and value; what is allowed goes through, and every refusal names its policy and says what to \
do.";

const EXAMPLES: &str = "\
Examples:
  findings-gate demo                        Try it, with sample findings
  findings-gate check                       Is findings-gate.toml right?
  findings-gate serve --config gate.toml    Run the gate

Before policies ship:
  findings-gate check policies              Do they say what was meant?
  findings-gate test policies --coverage    Do they do what their tests say?
  findings-gate mutate policies             Which slips would no test notice?
  findings-gate matrix policies             Who may set what to what?
  findings-gate prove policies              Is it true whatever is asked?
  findings-gate diff main policies          What does this branch change?
  findings-gate explain body.json --policies policies \\
      --role member --account 222222222222  What becomes of it, and why?
  findings-gate replay --policies policies --config gate.toml audit.jsonl

What was decided:
  findings-gate audit verify audit.jsonl    Is the log as it was written?
  findings-gate audit grep --verdict denied --since 2h audit.jsonl

Exit codes:
  0   fine
  1   something broke: a file, a socket, a bug
  2   tests or a gate failed
  3   the configuration or a policy is invalid
  64  wrong usage of the command line

Environment:
  FINDINGS_GATE_LOG               What is logged: `debug`,
                                  `info,findings_gate::proxy=trace`
  FINDINGS_GATE__LISTEN__ADDRESS  Any key of the configuration,
                                  here `listen.address`
  NO_COLOR                        Print without colour

The configuration is described in docs/configuration.md.";

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "findings-gate",
    version,
    about = "Decides, with Cedar policies, what of a change to AWS Security Hub findings goes through",
    long_about = ABOUT,
    after_help = EXAMPLES,
    max_term_width = 100,
    arg_required_else_help = true
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// A verb. `--help` lists them in this order: the gate's own, then the workbench's in the order of a policy's life, then what
/// is about this program.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the gate
    #[command(long_about = serve::ABOUT)]
    Serve(ServeArgs),
    /// Check the configuration and the policies; bind nothing
    #[command(long_about = check::ABOUT)]
    Check(CheckArgs),
    /// Run a gate, a backend and sample findings in one process
    #[command(long_about = demo::ABOUT)]
    Demo(DemoArgs),
    /// Run a findings backend that speaks Security Hub's API
    #[command(long_about = backend::ABOUT)]
    Backend(BackendArgs),
    /// Ask the gate on this machine whether it is ready
    #[command(long_about = health::ABOUT)]
    Health(HealthArgs),
    /// Ask a gate whom it takes you for
    #[command(long_about = whoami::ABOUT)]
    Whoami(WhoamiArgs),
    /// Read the audit log: verify it, show a request, find requests
    #[command(long_about = audit::ABOUT)]
    Audit(AuditArgs),
    /// Issue, list and revoke the keys that callers sign with
    #[command(long_about = keys::ABOUT)]
    Keys(KeysArgs),
    /// Make a token that says to a gate who you are in AWS
    #[command(long_about = token::ABOUT)]
    Token(TokenArgs),
    /// Lay out policy files
    #[command(long_about = fmt::ABOUT)]
    Fmt(FmtArgs),
    /// Run the policies' tests
    #[command(long_about = test::ABOUT)]
    Test(TestArgs),
    /// Find the slips in policies that their tests would not notice
    #[command(long_about = mutate::ABOUT)]
    Mutate(MutateArgs),
    /// Show who may set what to what
    #[command(long_about = matrix::ABOUT)]
    Matrix(MatrixArgs),
    /// Prove what is true of policies, whatever is asked
    #[command(long_about = prove::ABOUT)]
    Prove(ProveArgs),
    /// Show what a change to policies permits, denies, or enforces otherwise
    #[command(long_about = diff::ABOUT)]
    Diff(DiffArgs),
    /// Decide recorded requests again with other policies
    #[command(long_about = replay::ABOUT)]
    Replay(ReplayArgs),
    /// Explain what becomes of a request, and why
    #[command(long_about = explain::ABOUT)]
    Explain(ExplainArgs),
    /// Build, sign and check bundles of policies
    #[command(long_about = bundle::ABOUT)]
    Bundle(BundleArgs),
    /// Make policies of IAM policy documents
    #[command(long_about = import_iam::ABOUT)]
    ImportIam(ImportIamArgs),
    /// Print the schema that policies are written against
    #[command(long_about = schema::ABOUT)]
    Schema(SchemaArgs),
    /// Print what makes a shell complete verbs, options and values
    #[command(long_about = completions::ABOUT)]
    Completions(CompletionsArgs),
    /// Print or write the manual pages
    #[command(long_about = man::ABOUT)]
    Man(ManArgs),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    /// A line that is set out by blanks keeps its place on a terminal of 80 columns.
    #[test]
    fn examples_fit_on_a_terminal() {
        let program = Cli::command();
        let nested = program.get_subcommands().flat_map(clap::Command::get_subcommands);
        for command in std::iter::once(&program).chain(program.get_subcommands()).chain(nested) {
            let after = command.get_after_help().unwrap().to_string();
            assert!(after.starts_with("Examples:\n  "), "{}", command.get_name());
            for line in after.lines().filter(|line| line.starts_with(' ')) {
                assert!(line.chars().count() <= 78, "{}: {line}", command.get_name());
            }
        }
    }
}

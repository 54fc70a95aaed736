//! `findings-gate demo`

use super::args;
use clap::Args;
use std::net::SocketAddr;

pub(super) const ABOUT: &str = "\
Run a gate, a backend and sample findings in one process.

Nothing is configured and nothing is kept: an administrator and member accounts, keys for them, findings and policies \
come with the program. It prints commands to try. It is for looking, not for work: its keys are known to everybody.";

const EXAMPLES: &str = "\
Examples:
  findings-gate demo
  findings-gate demo --listen 127.0.0.1:9999
  findings-gate demo --policies my-policies     The sample findings with your own policies

Exit codes: 0 stopped as told · 1 broke · 3 a policy is invalid · 64 usage";

/// Arguments of `demo`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct DemoArgs {
    /// Where callers connect
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080", value_parser = args::socket)]
    pub listen: SocketAddr,

    /// Directories of policies, `.cedar` files, `pack:baseline` or `pack:strict`, in place of the demo's own
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub policies: Vec<String>,
}

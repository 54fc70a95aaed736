//! `findings-gate serve`

use super::{ConfigArgs, args};
use crate::config::Flags;
use clap::Args;

pub(super) const ABOUT: &str = "\
Run the gate.

It reads the configuration and the policies, checks both completely, and only then binds its port. On SIGTERM or SIGINT \
it takes no more connections, finishes the requests under way (limits.drain) and ends.";

const EXAMPLES: &str = "\
Examples:
  findings-gate serve
  findings-gate serve --config /etc/findings-gate/findings-gate.toml
  findings-gate serve --upstream http://127.0.0.1:9000 --log-level debug
  findings-gate serve --policies pack:baseline policies/team.cedar

Exit codes: 0 stopped as told · 1 broke · 3 the configuration or a policy is invalid · 64 usage";

/// Arguments of `serve`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ServeArgs {
    /// The configuration file.
    #[command(flatten)]
    pub config: ConfigArgs,

    /// Where callers connect; overrides `listen.address`
    #[arg(long, value_name = "ADDRESS", value_parser = args::address)]
    pub listen: Option<String>,

    /// The findings backend: `embedded` or a URL; overrides `upstream.url`
    ///
    /// `upstream.data` and `upstream.ca` of the configuration file belong to its own `upstream.url`, and do not count
    /// when this is given.
    #[arg(long, value_name = "URL", value_parser = args::upstream)]
    pub upstream: Option<String>,

    /// Directories of policies, `.cedar` files, `pack:baseline` or `pack:strict`; overrides `policies.path`
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub policies: Vec<String>,

    /// What is logged: off, error, warn, info, debug, trace, or directives; overrides `log.level`
    #[arg(long, value_name = "LEVEL", value_parser = args::level)]
    pub log_level: Option<String>,
}

impl ServeArgs {
    /// What these arguments set over the configuration file.
    pub fn flags(&self) -> Flags {
        Flags {
            listen: self.listen.clone(),
            upstream: self.upstream.clone(),
            policies: self.policies.clone(),
            log_level: self.log_level.clone(),
        }
    }
}

//! `findings-gate check`

use super::{ConfigArgs, Exit, Failure, Printer, assemble};
use crate::{
    config::{self, Backend, Config, Flags, Identity},
    finding::Operation,
    policy::Snapshot,
};
use clap::{Args, ValueEnum};
use miette::Diagnostic;
use serde::Serialize;
use std::{collections::HashSet, fmt::Write, sync::Arc};

pub(super) const ABOUT: &str = "\
Check the configuration and the policies; bind nothing.

It does what `serve` does before it binds its port: reads the configuration with the environment over it, the accounts, \
the keys and the policies, and tells everything that is wrong at once. Nothing is bound, sent or changed.";

const EXAMPLES: &str = "\
Examples:
  findings-gate check
  findings-gate check --config deploy/findings-gate.toml
  findings-gate check --format json | jq .policies

Exit codes: 0 valid · 1 broke · 3 invalid · 64 usage";

/// Arguments of `check`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct CheckArgs {
    /// The configuration file.
    #[command(flatten)]
    pub config: ConfigArgs,

    /// How to print the result
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
}

/// How a result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Human,
    /// One JSON object, whose members stay as they are
    Json,
}

/// Checks, and prints what was found.
pub(super) fn run(args: &CheckArgs, printer: &mut Printer) -> Result<Exit, Failure> {
    match (read(args), args.format) {
        (Ok(checked), format) => {
            let summary = Summary::of(&checked);
            match format {
                Format::Human => {
                    for warning in &summary.warnings {
                        printer.warn(warning)?;
                    }
                    printer.out(&summary.human())?;
                }
                Format::Json => printer.json(&summary)?,
            }
            Ok(Exit::Fine)
        }
        (Err(Failure::Invalid(diagnostic)), Format::Json) => {
            printer.json(&Invalid::of(&*diagnostic))?;
            Ok(Exit::Invalid)
        }
        (Err(failure), _) => Err(failure),
    }
}

/// What `serve` would serve with.
struct Checked {
    config: Config,
    /// The policy files that were read, besides the packs.
    files: Vec<String>,
    snapshot: Arc<Snapshot>,
}

/// Everything that `serve` reads, put together as `serve` does.
fn read(args: &CheckArgs) -> Result<Checked, Failure> {
    let config = config::load(&args.config.config, std::env::vars_os(), &Flags::default())?;
    let files = match &*config.policies.paths {
        [] => Vec::new(),
        paths => config::read_policies(paths)?.into_iter().map(|file| file.name).collect(),
    };
    let accounts = Arc::new(config.accounts.clone());
    let snapshot = assemble::snapshot(&config.policies, &accounts)?;
    assemble::identity(&config, accounts)?;
    Ok(Checked { config, files, snapshot })
}

/// What is printed of an invalid configuration as JSON.
#[derive(Debug, Serialize)]
struct Invalid {
    valid: bool,
    problems: Vec<Told>,
}

#[derive(Debug, Serialize)]
struct Told {
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
}

impl Invalid {
    /// A diagnostic stands for itself, or for the problems that it gathers.
    fn of(diagnostic: &dyn Diagnostic) -> Self {
        let told = |problem: &dyn Diagnostic| Told {
            message: problem.to_string(),
            help: problem.help().map(|help| help.to_string()),
        };
        let related: Vec<Told> = diagnostic.related().into_iter().flatten().map(told).collect();
        Self { valid: false, problems: if related.is_empty() { vec![told(diagnostic)] } else { related } }
    }
}

/// What is printed of a valid configuration.
#[derive(Debug, Serialize)]
struct Summary {
    valid: bool,
    file: String,
    listen: Listen,
    upstream: Upstream,
    doors: Vec<&'static str>,
    callers: Vec<Callers>,
    accounts: Accounts,
    policies: Policies,
    warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Listen {
    address: String,
    workers: usize,
}

#[derive(Debug, Serialize)]
struct Upstream {
    url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<String>,
    region: String,
    sign: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Callers {
    SigV4 { keys: usize, accounts: usize },
    Fixed { account: String, principal: String },
}

#[derive(Debug, Serialize)]
struct Accounts {
    administrator: String,
    members: usize,
}

#[derive(Debug, Serialize)]
struct Policies {
    packs: Vec<&'static str>,
    files: Vec<String>,
    default_enforcement: &'static str,
    count: usize,
    digest: String,
}

impl Summary {
    fn of(Checked { config, files, snapshot }: &Checked) -> Self {
        let (url, data) = match &config.upstream.backend {
            Backend::Embedded { data } => ("embedded".into(), data.as_ref().map(|path| path.display().to_string())),
            Backend::Remote { url, .. } => (url.to_string(), None),
        };
        let always = Operation::ALL.iter().copied().filter(|operation| operation.is_always_open());
        let doors = always.chain(config.doors.iter().copied());
        Self {
            valid: true,
            file: config.file.display().to_string(),
            listen: Listen { address: config.listen.address.to_string(), workers: config.listen.workers.get() },
            upstream: Upstream { url, data, region: config.upstream.region.clone(), sign: "none" },
            doors: doors.map(Operation::name).collect(),
            callers: config.identities.iter().map(Callers::of).collect(),
            accounts: Accounts {
                administrator: config.accounts.administrator().to_string(),
                members: config.accounts.members().len(),
            },
            policies: Policies {
                packs: config.policies.packs.clone(),
                files: files.clone(),
                default_enforcement: config.policies.default_enforcement.as_str(),
                count: snapshot.rules().len(),
                digest: snapshot.digest().to_owned(),
            },
            warnings: config.warnings.iter().cloned().chain(assemble::doubts(config, snapshot)).collect(),
        }
    }

    fn human(&self) -> String {
        let Self { listen, upstream, accounts, policies, .. } = self;
        let packs = policies.packs.iter().map(|pack| format!("pack:{pack}"));
        let sources: Vec<String> = packs.chain(policies.files.iter().cloned()).collect();
        let mut text = format!("{} is valid\n\n", self.file);
        let mut line = |name: &str, value: &str| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  {name:<10}{value}");
        };
        line("listen", &format!("{}, {}", listen.address, counted(listen.workers, "worker")));
        let data = match (upstream.url.as_str(), &upstream.data) {
            ("embedded", Some(path)) => format!(", findings in {path}"),
            ("embedded", None) => ", findings in memory".into(),
            _ => String::new(),
        };
        line("upstream", &format!("{}{data}, {}", upstream.url, upstream.region));
        line("doors", &self.doors.join(", "));
        for callers in &self.callers {
            line("callers", &callers.human());
        }
        let members = counted(accounts.members, "member");
        line("accounts", &format!("administrator {}, {members}", accounts.administrator));
        let default = policies.default_enforcement;
        let count = if policies.count == 1 { "1 policy".to_owned() } else { format!("{} policies", policies.count) };
        line("policies", &format!("{count} of {}; {default} unless a policy says otherwise", sources.join(", ")));
        line("digest", &policies.digest);
        text
    }
}

impl Callers {
    fn of(identity: &Identity) -> Self {
        match identity {
            Identity::SigV4 { keys } => {
                let accounts: HashSet<_> = keys.iter().map(|key| key.account).collect();
                Self::SigV4 { keys: keys.len(), accounts: accounts.len() }
            }
            Identity::Fixed { account, principal, .. } => {
                Self::Fixed { account: account.to_string(), principal: principal.clone() }
            }
        }
    }

    fn human(&self) -> String {
        match self {
            Self::SigV4 { keys, accounts } => {
                format!("sigv4: {} of {}", counted(*keys, "key"), counted(*accounts, "account"))
            }
            Self::Fixed { account, principal } => format!("fixed: {principal} of account {account}"),
        }
    }
}

/// `1 key`, `2 keys`.
fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

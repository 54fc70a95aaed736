//! `findings-gate check`

mod github;
mod sarif;
mod summary;
mod told;

use super::{ConfigArgs, Exit, Failure, Printer, assemble, files};
use crate::{
    config::{self, Config, ConfigError, Flags, Identity},
    finding::Enforcement,
    policy::{self, LoadError, PolicyText, Problem, Severity, Snapshot},
    workbench::{DOUBTFUL_CONFIGURATION, Fleet, Site, Vocabulary, lint},
};
use clap::{Args, ValueEnum};
use serde::Serialize;
use std::{
    fmt::Write,
    path::{Path, PathBuf},
    sync::Arc,
};
use summary::{Summary, counted};
use told::Told;

pub(super) const ABOUT: &str = "\
Check the configuration and the policies; bind nothing.

It does what `serve` does before it binds its port: reads the configuration with the environment over it, the accounts, \
the keys and the policies, and tells everything that is wrong at once. Nothing is bound, sent or changed.

With PATH it checks those policies alone, and needs no configuration.

Beyond what is wrong it tells what is probably not meant: policies that never apply or change nothing, callers that reach too far, \
names that nobody has. docs/lints.md has all of it.";

const EXAMPLES: &str = "\
Examples:
  findings-gate check
  findings-gate check --config deploy/findings-gate.toml
  findings-gate check --format json | jq .policies
  findings-gate check policies/baseline
  findings-gate check --accounts accounts.toml --vocabulary words.toml \\
      pack:strict policies/team.cedar
  findings-gate check --deny-warnings --format github policies/baseline
  findings-gate check --format sarif policies/baseline > findings-gate.sarif

Exit codes: 0 valid, perhaps with warnings · 1 broke · 2 warnings under --deny-warnings · 3 invalid · 64 usage";

/// Arguments of `check`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct CheckArgs {
    /// Directories of policies, `.cedar` files, a bundle, or packs such as `pack:baseline`, to check without a configuration
    #[arg(value_name = "PATH", conflicts_with = "config")]
    pub paths: Vec<String>,

    /// The configuration file.
    #[command(flatten)]
    pub config: ConfigArgs,

    /// The accounts file of the policies, for names of accounts and groups; the configuration has its own
    #[arg(long, value_name = "FILE", requires = "paths")]
    pub accounts: Option<PathBuf>,

    /// The words of the site, a TOML file: lists such as `user_defined_keys = ["ticket", "ticket/*"]`
    #[arg(long, value_name = "FILE")]
    pub vocabulary: Option<PathBuf>,

    /// What a denial does where no policy says; the configuration has its own
    #[arg(long, value_name = "ENFORCEMENT", value_enum, requires = "paths")]
    pub default_enforcement: Option<Enforcement>,

    /// End with 2 if there are warnings
    #[arg(long)]
    pub deny_warnings: bool,

    /// How to print the result
    #[arg(long, value_enum, default_value_t = CheckFormat::Human)]
    pub format: CheckFormat,
}

/// How a result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CheckFormat {
    /// For people
    Human,
    /// One JSON object, whose members stay as they are
    Json,
    /// Annotations of a GitHub workflow
    Github,
    /// SARIF 2.1.0, for code scanning
    Sarif,
}

/// Checks, and prints what was found.
pub(super) fn run(args: &CheckArgs, printer: &mut Printer) -> Result<Exit, Failure> {
    let checked = match check(args) {
        Ok(checked) => checked,
        Err(Wrong::Failure(failure)) if !matches!(failure, Failure::Invalid(_)) => return Err(failure),
        Err(wrong) if args.format == CheckFormat::Human => return Err(wrong.into_failure()),
        Err(wrong) => {
            print_wrong(args.format, wrong.told(), printer)?;
            return Ok(Exit::Invalid);
        }
    };
    let doubted = !checked.doubts().is_empty();
    let denied = args.deny_warnings
        && (doubted || checked.lints.iter().any(|problem| problem.code.severity >= Severity::Warning));
    checked.print(args.format, printer)?;
    Ok(if denied { Exit::Failed } else { Exit::Fine })
}

/// Why there is nothing valid to tell of.
enum Wrong {
    Configuration(ConfigError),
    Policies(LoadError),
    Failure(Failure),
}

impl From<ConfigError> for Wrong {
    fn from(error: ConfigError) -> Self {
        Self::Configuration(error)
    }
}

impl From<LoadError> for Wrong {
    fn from(error: LoadError) -> Self {
        Self::Policies(error)
    }
}

impl From<Failure> for Wrong {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl Wrong {
    fn into_failure(self) -> Failure {
        match self {
            Self::Configuration(error) => error.into(),
            Self::Policies(error) => Failure::Invalid(Box::new(error)),
            Self::Failure(failure) => failure,
        }
    }

    fn told(&self) -> Vec<Told> {
        match self {
            Self::Configuration(error) => error.problems().iter().map(Told::of_configuration).collect(),
            Self::Policies(error) => error.problems().iter().map(Told::of).collect(),
            Self::Failure(Failure::Invalid(diagnostic)) => vec![Told::of_diagnostic(&**diagnostic)],
            Self::Failure(failure) => vec![Told::of_message(failure.to_string())],
        }
    }
}

fn print_wrong(format: CheckFormat, problems: Vec<Told>, printer: &mut Printer) -> Result<(), Failure> {
    #[derive(Serialize)]
    struct Invalid {
        version: u32,
        valid: bool,
        problems: Vec<Told>,
    }
    match format {
        CheckFormat::Human | CheckFormat::Json => printer.json(&Invalid { version: 1, valid: false, problems })?,
        CheckFormat::Github => printer.out(&github::commands(&problems))?,
        CheckFormat::Sarif => printer.json(&sarif::log(&problems))?,
    }
    Ok(())
}

/// What is valid.
struct Checked {
    of: Whole,
    lints: Vec<Problem>,
}

/// What was checked.
enum Whole {
    Configuration { config: Box<Config>, files: Vec<String>, snapshot: Arc<Snapshot> },
    Policies { paths: Vec<String>, files: Vec<String>, count: usize },
}

fn check(args: &CheckArgs) -> Result<Checked, Wrong> {
    let vocabulary = args.vocabulary.as_deref().map(vocabulary).transpose()?;
    if args.paths.is_empty() { configuration(args, vocabulary.as_ref()) } else { alone(args, vocabulary.as_ref()) }
}

fn vocabulary(path: &Path) -> Result<Vocabulary, Failure> {
    let parsed = files::read(path)?.parse::<Vocabulary>();
    parsed.map_err(|error| Failure::invalid(format!("{} is no vocabulary: {error}", path.display())))
}

/// Everything that `serve` reads, put together as `serve` does.
fn configuration(args: &CheckArgs, vocabulary: Option<&Vocabulary>) -> Result<Checked, Wrong> {
    let config = config::load(&args.config.config, std::env::vars_os(), &Flags::default())?;
    let texts = texts(&config.policies)?;
    let files = match &*config.policies.paths {
        [] => Vec::new(),
        paths => config::read_policies(paths)?.into_iter().map(|file| file.name).collect(),
    };
    let files: Vec<String> =
        files.into_iter().chain(config.policies.bundle.iter().map(|bundle| bundle.source.clone())).collect();
    let loaded = policy::load(&texts)?;
    let accounts = Arc::new(config.accounts.clone());
    let enforcement = config.policies.default_enforcement;
    let snapshot = Snapshot::new(loaded.rules().to_vec(), Arc::clone(&accounts), enforcement);
    let snapshot = snapshot.map_err(Failure::invalid)?;
    assemble::identity(&config, Arc::clone(&accounts))?;
    assemble::tls(&config.listen)?;
    let proofs_give_groups = config.identities.iter().any(Identity::gives_groups);
    let site = Site { accounts: Some(&accounts), proofs_give_groups, vocabulary, default_enforcement: enforcement };
    let lints = lint(loaded.rules(), &texts, &site);
    Ok(Checked { of: Whole::Configuration { config: Box::new(config), files, snapshot: Arc::new(snapshot) }, lints })
}

/// Policies without a configuration.
fn alone(args: &CheckArgs, vocabulary: Option<&Vocabulary>) -> Result<Checked, Wrong> {
    let accounts = args.accounts.as_ref().map(|path| config::read_accounts(path)).transpose()?;
    let texts = texts(&config::policies_named(&args.paths)?)?;
    let loaded = policy::load(&texts)?;
    let default_enforcement = args.default_enforcement.unwrap_or(Enforcement::Reject);
    // They answer the known questions for any accounts, or for none.
    let known = Arc::new(accounts.clone().unwrap_or_else(|| Fleet::default().accounts()));
    Snapshot::new(loaded.rules().to_vec(), known, default_enforcement).map_err(Failure::invalid)?;
    let site = Site { accounts: accounts.as_ref(), proofs_give_groups: false, vocabulary, default_enforcement };
    let lints = lint(loaded.rules(), &texts, &site);
    let files = texts.into_iter().map(|text| text.name).collect();
    Ok(Checked { of: Whole::Policies { paths: args.paths.clone(), files, count: loaded.rules().len() }, lints })
}

fn texts(policies: &config::Policies) -> Result<Vec<PolicyText>, Wrong> {
    assemble::texts(policies).map_err(Wrong::Failure)
}

/// What is printed of valid policies without a configuration.
#[derive(Debug, Serialize)]
struct Alone<'c> {
    version: u32,
    valid: bool,
    policies: Files<'c>,
    lints: Vec<Told>,
}

#[derive(Debug, Serialize)]
struct Files<'c> {
    files: &'c [String],
    count: usize,
}

impl Checked {
    /// What is doubtful about the configuration.
    fn doubts(&self) -> Vec<String> {
        match &self.of {
            Whole::Configuration { config, snapshot, .. } => {
                config.warnings.iter().cloned().chain(assemble::doubts(config, snapshot)).collect()
            }
            Whole::Policies { .. } => Vec::new(),
        }
    }

    fn told(&self) -> Vec<Told> {
        self.lints.iter().map(Told::of).collect()
    }

    fn print(&self, format: CheckFormat, printer: &mut Printer) -> Result<(), Failure> {
        match format {
            CheckFormat::Human => {
                for doubt in self.doubts() {
                    printer.warn(&doubt)?;
                }
                for problem in &self.lints {
                    printer.diagnostic(problem)?;
                    printer.err("\n")?;
                }
                printer.out(&self.human())?;
            }
            CheckFormat::Json => match &self.of {
                Whole::Configuration { config, files, snapshot } => {
                    printer.json(&Summary::of(config, files, snapshot, self.told()))?;
                }
                Whole::Policies { files, count, .. } => printer.json(&Alone {
                    version: 1,
                    valid: true,
                    policies: Files { files, count: *count },
                    lints: self.told(),
                })?,
            },
            CheckFormat::Github | CheckFormat::Sarif => {
                let doubts = self.doubts().into_iter().map(|doubt| Told::of_doubt(&DOUBTFUL_CONFIGURATION, doubt));
                let told: Vec<Told> = doubts.chain(self.told()).collect();
                if format == CheckFormat::Github {
                    printer.out(&github::commands(&told))?;
                } else {
                    printer.json(&sarif::log(&told))?;
                }
            }
        }
        Ok(())
    }

    fn human(&self) -> String {
        let lints = self.counts();
        match &self.of {
            Whole::Configuration { config, files, snapshot } => {
                let mut text = Summary::of(config, files, snapshot, Vec::new()).human();
                if let Some(lints) = lints {
                    // Writing to a string cannot fail.
                    let _ = writeln!(text, "  {:<10}{lints}", "lints");
                }
                text
            }
            Whole::Policies { paths, count, .. } => {
                let policies = if *count == 1 { "1 policy is".to_owned() } else { format!("{count} policies are") };
                let lints = lints.unwrap_or_else(|| "nothing to remark".to_owned());
                format!("{}: {policies} valid; {lints}\n", paths.join(", "))
            }
        }
    }

    /// `2 warnings, 1 note`
    fn counts(&self) -> Option<String> {
        let count = |severity: Severity| self.lints.iter().filter(|problem| problem.code.severity == severity).count();
        let parts = [(count(Severity::Warning), "warning"), (count(Severity::Note), "note")];
        let parts: Vec<String> =
            parts.iter().filter(|(count, _)| *count > 0).map(|(count, noun)| counted(*count, noun)).collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

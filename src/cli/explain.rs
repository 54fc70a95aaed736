//! `findings-gate explain`

use super::{Exit, Failure, Format, Printer, policies};
use crate::{
    config,
    finding::{AccountId, Accounts, Caller, Enforcement, Operation, Role, timestamp},
    workbench::{
        CallerFixture, Fleet,
        explain::{Inquiry, States, Unexplained, explain},
    },
};
use clap::{ArgGroup, Args, ValueEnum};
use jiff::Timestamp;
use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

pub(super) const ABOUT: &str = "\
Explain what becomes of a request, and why.

The body goes the way that a gate would send it, by the same code: each finding and change gets its verdict, with the source of the \
policies that decided and the atoms of their conditions that made them apply; of a change that nothing permits, the nearest permit \
and what it lacks; what would be forwarded, and what the client would read. Nothing is sent.

Where the verdict depends on a finding as it is, say how it is with --findings (an answer of GetFindings), or take each for a plain \
one with --assume-plain. Otherwise it is judged as if the look-up failed.";

const EXAMPLES: &str = "\
Examples:
  findings-gate explain body.json --policies pack:baseline \\
      --role member --account 222222222222
  findings-gate explain body.json --policies policies \\
      --accounts accounts.toml --account 222222222222
  aws securityhub get-findings > now.json
  findings-gate explain body.json --findings now.json --policies policies \\
      --role administrator --account 111111111111 --fleet 222222222222
  findings-gate explain - --operation import --policies policies \\
      --role member --account 222222222222 < findings.json
  findings-gate explain body.json ... --format json |
      jq '.findings[].changes[].verdict'

Exit codes: 0 explained · 1 broke · 3 a policy, the body or the findings are invalid · 64 usage";

/// The longest file of findings, in bytes.
const LONGEST: u64 = 256 << 20;

/// Arguments of `explain`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, group = ArgGroup::new("who").required(true).args(["role", "accounts"]))]
pub struct ExplainArgs {
    /// The body of the request, as JSON; `-` for standard input
    #[arg(value_name = "BODY")]
    pub body: PathBuf,

    /// The operation that the body is of
    #[arg(long, value_enum, default_value_t = Call::Update)]
    pub operation: Call,

    /// Directories of policies, `.cedar` files, a bundle, or packs such as `pack:baseline`; may be given again
    #[arg(long, value_name = "PATH", required = true, num_args = 1..)]
    pub policies: Vec<String>,

    /// What a denial does where no policy says
    #[arg(long, value_name = "ENFORCEMENT", default_value = "reject", value_enum)]
    pub default_enforcement: Enforcement,

    /// The account that sends the request
    #[arg(long, value_name = "ACCOUNT", value_parser = account)]
    pub account: AccountId,

    /// What the account is, where no accounts file says it
    #[arg(long, value_name = "ROLE", value_enum)]
    pub role: Option<Role>,

    /// A group of the account, such as `ou/prod`; may be given again
    #[arg(long, value_name = "GROUP", conflicts_with = "accounts")]
    pub group: Vec<String>,

    /// A group that the caller's proof puts it in, and not its account; may be given again
    #[arg(long, value_name = "GROUP")]
    pub principal_group: Vec<String>,

    /// Of an administrator: an account of its fleet besides its own; may be given again
    #[arg(long, value_name = "ACCOUNT", value_parser = account, conflicts_with = "accounts")]
    pub fleet: Vec<AccountId>,

    /// An accounts file, which says role, groups and fleet
    #[arg(long, value_name = "FILE")]
    pub accounts: Option<PathBuf>,

    /// The caller's ARN [default: arn:aws:iam::ACCOUNT:role/caller]
    #[arg(long, value_name = "ARN")]
    pub principal: Option<String>,

    /// What a denial does to this caller at the least
    #[arg(long, value_name = "ENFORCEMENT", default_value = "strip", value_enum)]
    pub minimum_enforcement: Enforcement,

    /// The findings as they are: a file with what GetFindings answers, or with a list of findings; `-` for standard input
    #[arg(long, value_name = "FILE", conflicts_with = "assume_plain")]
    pub findings: Option<PathBuf>,

    /// Take each finding for a plain one: severity MEDIUM, workflow NEW, and no more than it must have
    #[arg(long)]
    pub assume_plain: bool,

    /// The time of the request, such as 2026-01-31T12:00:00Z [default: now]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub now: Option<Timestamp>,

    /// How to print the explanation
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
}

/// An operation that changes findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Call {
    /// `BatchUpdateFindings`
    Update,
    /// `BatchUpdateFindingsV2`
    UpdateV2,
    /// `BatchImportFindings`
    Import,
}

impl Call {
    const fn operation(self) -> Operation {
        match self {
            Self::Update => Operation::BatchUpdateFindings,
            Self::UpdateV2 => Operation::BatchUpdateFindingsV2,
            Self::Import => Operation::BatchImportFindings,
        }
    }
}

/// Explains, and prints it.
pub(super) fn run(args: &ExplainArgs, printer: &mut Printer) -> Result<Exit, Failure> {
    if args.body.as_os_str() == "-" && args.findings.as_deref().is_some_and(|file| file.as_os_str() == "-") {
        printer.err("error: the body and the findings cannot both come from standard input\n")?;
        return Ok(Exit::Usage);
    }
    if args.role == Some(Role::Member) && !args.fleet.is_empty() {
        printer.err("error: --fleet is of an administrator: leave it out, or say --role administrator\n")?;
        return Ok(Exit::Usage);
    }
    let loaded = policies::load(&args.policies, args.default_enforcement)?;
    let (caller, accounts) = caller(args)?;
    let snapshot = loaded.snapshot(accounts)?;
    let body = read(&args.body)?;
    let states = match &args.findings {
        Some(file) => {
            States::parse(&read(file)?).map_err(|error| Failure::invalid(format_args!("{}: {error}", shown(file))))?
        }
        None if args.assume_plain => States::Plain,
        None => States::NotGiven,
    };
    let inquiry = Inquiry {
        operation: args.operation.operation(),
        body: &body,
        caller,
        now: args.now.unwrap_or_else(this_second),
        states: &states,
        snapshot: &snapshot,
    };
    let explanation = explain(&inquiry).map_err(|error| match error {
        Unexplained::Body(error) => {
            // Of the body as a whole, it is said already what it is.
            let what = if error.path.is_empty() { error.problem } else { error.to_string() };
            Failure::invalid(format_args!("{} is no body of {}: {what}", shown(&args.body), inquiry.operation.name()))
        }
        Unexplained::Operation(_) | Unexplained::Policy(_) => Failure::broke(error),
    })?;
    match args.format {
        Format::Human => printer.out(&explanation.human(printer.paint()))?,
        Format::Json => printer.json(&explanation)?,
    }
    Ok(Exit::Fine)
}

/// Now, in whole seconds: nothing is decided by less, and it can be given again.
fn this_second() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

/// Who asks, in which fleet.
fn caller(args: &ExplainArgs) -> Result<(Caller, Accounts), Failure> {
    let fixture = |role| CallerFixture {
        principal: args.principal.clone(),
        groups: args.group.clone(),
        principal_groups: args.principal_group.clone(),
        fleet: args.fleet.clone(),
        minimum_enforcement: Some(args.minimum_enforcement),
        ..CallerFixture::plain(role, args.account)
    };
    let Some(file) = &args.accounts else {
        let fixture = fixture(args.role.unwrap_or(Role::Member));
        let fleet = Fleet::of([&fixture]).map_err(Failure::invalid)?;
        return Ok((fixture.caller(), fleet.accounts()));
    };
    let accounts = config::read_accounts(file)?;
    let account = args.account;
    let role = accounts.role(account).ok_or_else(|| {
        Failure::invalid(format_args!(
            "account {account} is not in {}: expected the administrator or a member",
            shown(file)
        ))
    })?;
    Ok((fixture(role).caller(), accounts))
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let refused = |error: io::Error| Failure::broke(format_args!("cannot read {}: {error}", shown(file)));
    let mut text = Vec::new();
    if file.as_os_str() == "-" {
        io::stdin().take(LONGEST).read_to_end(&mut text).map_err(refused)?;
    } else {
        fs::File::open(file).and_then(|opened| opened.take(LONGEST).read_to_end(&mut text)).map_err(refused)?;
    }
    Ok(text)
}

fn shown(file: &Path) -> String {
    if file.as_os_str() == "-" { "standard input".to_owned() } else { format!("`{}`", file.display()) }
}

fn account(text: &str) -> Result<AccountId, &'static str> {
    AccountId::parse(text).ok_or("expected an account id of twelve digits, such as 111122223333")
}

fn time(text: &str) -> Result<Timestamp, &'static str> {
    timestamp::parse(text).ok_or("expected a timestamp such as 2026-01-31T12:00:00Z")
}

//! `findings-gate replay`

use super::{
    Exit, FailOn, Failure, Printer,
    audit::Reading,
    diff::DiffFormat,
    policies::{self, Loaded},
    proving::on_a_large_stack,
};
use crate::{
    audit::{self, Event, Line, Masked, Request, Word},
    config::{self, Flags},
    finding::{AccountId, Accounts, Action, Caller, Enforcement, Identifier, Operation, Proof, State, Timestamp},
    policy::{
        Snapshot,
        hidden::{Hidden, Text},
    },
    workbench::{
        Call,
        matrix::{Effect, Reply},
        replay::{self, Asked, Finding, Known, Recorded, Replayer, Was, Why},
    },
};
use clap::Args;
use serde_json::{Map, Value};
use std::{path::PathBuf, sync::Arc};

pub(super) const ABOUT: &str = "\
Decide recorded requests again with other policies.

Where `diff` asks all that policies distinguish, this asks what was really asked: each request of the audit log, at its own time and with the \
findings as they were, by the code of the live gate. The accounts are those of today. What is compared with is what is on record, or with --old \
what those policies would have decided.

The log does not have everything. Texts are masked, and a finding was looked up only where the policies of then read it. Where the new \
policies come to read what is not there, that is told, with the policy, and nothing is guessed: what is told to be otherwise, is.";

const EXAMPLES: &str = "\
Examples:
  # What would this branch have done to last week's requests?
  findings-gate replay --policies policies/ --config findings-gate.toml \\
      /var/log/findings-gate/audit.jsonl
  # Only of denials, with accounts from a file
  findings-gate audit grep --verdict denied --format json audit.jsonl |
      findings-gate replay --policies new/ --accounts accounts.toml -
  # Exit code 2 if something would have been allowed that was denied
  findings-gate replay --policies new/ --accounts accounts.toml \\
      --fail-on widened audit.jsonl

Exit codes: 0 fine · 1 broke · 2 something that --fail-on names · 3 policies or configuration invalid · 64 usage";

/// Arguments of `replay`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ReplayArgs {
    /// The log: the file that `audit.file` names, with its rotated ones; a rotated file; a directory; `-`
    #[arg(value_name = "PATH", default_value = "audit.jsonl")]
    pub paths: Vec<PathBuf>,

    /// The policies to decide with: a directory, a `.cedar` file, or a pack such as `pack:baseline`; may be given again
    #[arg(long, value_name = "NEW", required = true)]
    pub policies: Vec<String>,

    /// Compare with what these policies would have decided, and not with what is on record; may be given again
    #[arg(long, value_name = "OLD")]
    pub old: Vec<String>,

    /// The accounts file, which says role, groups and fleet
    #[arg(long, value_name = "FILE", required_unless_present = "config")]
    pub accounts: Option<PathBuf>,

    /// The configuration, for its accounts, its default enforcement, and whether it looks findings up
    #[arg(long, value_name = "FILE", conflicts_with = "accounts")]
    pub config: Option<PathBuf>,

    /// What a denial does where no policy says [default: as the configuration says, else reject]
    #[arg(long, value_name = "ENFORCEMENT", value_enum)]
    pub default_enforcement: Option<Enforcement>,

    /// How to print it
    #[arg(long, value_enum, default_value_t = DiffFormat::Human)]
    pub format: DiffFormat,

    /// Exit with 2 if something moved in this way; may be given again
    #[arg(long, value_enum, value_name = "WAY")]
    pub fail_on: Vec<FailOn>,

    /// Exit with 2 if of something it cannot be said what would be decided
    #[arg(long)]
    pub fail_on_undecided: bool,
}

/// Decides again, and prints what would be otherwise.
pub(super) fn run(args: &ReplayArgs, printer: &mut Printer) -> Result<Exit, Failure> {
    let (accounts, configured, looks_up) = match (&args.accounts, &args.config) {
        (Some(file), _) => (config::read_accounts(file)?, None, true),
        (None, file) => {
            let file = file.clone().unwrap_or_else(|| PathBuf::from("findings-gate.toml"));
            let config = config::load(&file, std::env::vars_os(), &Flags::default())?;
            (config.accounts, Some(config.policies.default_enforcement), config.state.lookup)
        }
    };
    let enforcement = args.default_enforcement.or(configured).unwrap_or(Enforcement::Reject);
    let snapshot = |paths: &[String]| {
        let loaded: Loaded = policies::load(paths, enforcement)?;
        loaded.snapshot(accounts.clone())
    };
    let new = snapshot(&args.policies)?;
    let old = if args.old.is_empty() { None } else { Some(snapshot(&args.old)?) };
    let mut reading = Reading::of(&args.paths)?;
    let replayed = on_a_large_stack(|| again(&mut reading, new, old, looks_up, &accounts))??;
    match args.format {
        DiffFormat::Human => printer.out(&replay::human(&replayed, printer.paint()))?,
        DiffFormat::Markdown => printer.out(&replay::markdown(&replayed))?,
        DiffFormat::Json => printer.json(&replay::json(&replayed))?,
    }
    let unreadable = reading.warn(printer)?;
    let moved = args.fail_on.iter().any(|way| replayed.has(way.directions()));
    let failed = moved || args.fail_on_undecided && !replayed.undecided.is_empty();
    Ok(match (failed, unreadable) {
        (true, _) => Exit::Failed,
        (false, true) => Exit::Broke,
        (false, false) => Exit::Fine,
    })
}

fn again(
    reading: &mut Reading,
    new: Arc<Snapshot>,
    old: Option<Arc<Snapshot>>,
    looks_up: bool,
    accounts: &Accounts,
) -> Result<replay::Replay, Failure> {
    let mut replayer = Replayer::new(new, old, looks_up);
    reading.each(
        |text| text.contains(r#""kind":"request""#),
        |line, _, _| {
            let Event::Request(request) = &line.event else { return Ok(true) };
            match recorded(line, request, accounts) {
                Ok(Some(recorded)) => replayer.add(&recorded),
                Ok(None) => {}
                Err(why) => {
                    let account = request.caller.as_ref().and_then(|caller| AccountId::parse(&caller.account));
                    replayer.pass_over(&request.id, account, why);
                }
            }
            Ok(true)
        },
    )?;
    Ok(replayer.finish())
}

fn lacks(what: impl Into<String>) -> Why {
    Why::Record { what: what.into() }
}

/// A record as a question to the workbench; nothing of a request on which no policy was to decide.
fn recorded(line: &Line<'_>, request: &Request<'_>, accounts: &Accounts) -> Result<Option<Recorded>, Why> {
    if request.findings.is_empty() {
        return Ok(None);
    }
    let operation = Operation::named(&request.operation);
    let asked = match (operation, &request.update) {
        (Some(Operation::BatchUpdateFindings), Some(update)) => Asked::Findings(Call::Update(members(update)?)),
        (Some(Operation::BatchUpdateFindingsV2), Some(update)) => Asked::Findings(Call::UpdateV2(members(update)?)),
        (Some(Operation::BatchImportFindings), _) => Asked::Findings(Call::Import(Map::new())),
        (Some(operation @ (Operation::CreateAutomationRule | Operation::BatchUpdateAutomationRules)), _) => {
            let rules = request.findings.iter().map(of_rule).collect::<Result<_, _>>()?;
            Asked::Rules(operation, rules)
        }
        (Some(Operation::BatchUpdateFindings | Operation::BatchUpdateFindingsV2), None) => {
            return Err(lacks("the record does not have what was asked"));
        }
        // Reads.
        _ => return Ok(None),
    };
    let caller = caller(request.caller.as_ref().ok_or_else(|| lacks("the record does not say who asked"))?, accounts)?;
    let mut hidden = Hidden::new();
    for name in &request.masked {
        let masked: Masked =
            name.parse().map_err(|_| lacks(format!("the record masks `{name}`, which is not known here")))?;
        hidden.insert(match masked {
            Masked::NoteText => Text::NoteText,
            Masked::NoteUpdatedBy => Text::NoteUpdatedBy,
            Masked::UserDefinedFields => Text::UserDefinedFields,
            Masked::ResourceTags => Text::ResourceTags,
        });
    }
    let findings = request.findings.iter().map(|finding| of_finding(finding, request, &caller, operation));
    let findings = findings.collect::<Result<Vec<_>, _>>()?;
    let now: Timestamp = line.time;
    Ok(Some(Recorded { id: request.id.to_string(), caller, now, asked, hidden, findings }))
}

fn members(update: &audit::Update) -> Result<Map<String, Value>, Why> {
    match update {
        audit::Update::Read(Value::Object(members)) => Ok(members.clone()),
        audit::Update::Read(_) => Err(lacks("the update on record is no object")),
        audit::Update::Written(json) => serde_json::from_str(json.get()).map_err(|error| lacks(error.to_string())),
    }
}

/// What an automation rule would do to findings; nothing where the request left out what it does.
fn of_rule(rule: &audit::Finding<'_>) -> Result<Option<Map<String, Value>>, Why> {
    let asked = rule.rule.as_ref().ok_or_else(|| lacks("what an automation rule would do is not on record"))?;
    match asked.pointer("/Actions/0/FindingFieldsUpdate") {
        Some(Value::Object(update)) => Ok(Some(update.clone())),
        None => Ok(None),
        Some(_) => Err(lacks("what an automation rule would do is no object")),
    }
}

/// Who asked, with the role that the account has now.
fn caller(caller: &audit::Caller<'_>, accounts: &Accounts) -> Result<Caller, Why> {
    let account = AccountId::parse(&caller.account).ok_or_else(|| lacks("the record's caller has no account id"))?;
    let minimum = caller.minimum_enforcement.as_deref().unwrap_or("strip");
    Ok(Caller {
        account,
        role: accounts.role(account).ok_or(Why::Account)?,
        principal: (&*caller.principal).into(),
        groups: caller.groups.iter().map(|group| Arc::from(&**group)).collect(),
        region: caller.region.as_deref().map(Into::into),
        proof: Proof::Fixed,
        minimum_enforcement: Enforcement::parse(minimum)
            .ok_or_else(|| lacks(format!("`{minimum}` is no enforcement that is known here")))?,
    })
}

fn of_finding(
    finding: &audit::Finding<'_>,
    request: &Request<'_>,
    caller: &Caller,
    operation: Option<Operation>,
) -> Result<Finding, Why> {
    let state = match &finding.state {
        None => None,
        Some(Value::Object(members)) => {
            let state =
                State::parse(members).map_err(|error| lacks(format!("the state on record is none: {error}")))?;
            Some(Box::new(state))
        }
        Some(_) => return Err(lacks("the state on record is no object")),
    };
    let known = match (finding.is_new, state) {
        (Some(true), created) => Known::Missing(created),
        (_, Some(state)) => Known::State(state),
        (_, None) => Known::Nothing,
    };
    let ruling = finding.ruling.map(|place| {
        request.rulings.get(place).ok_or_else(|| lacks("the record has not what was decided on one of its findings"))
    });
    let was = match ruling.transpose()? {
        None => None,
        Some(ruling) => {
            let verdicts = ruling.verdicts.iter().map(|verdict| was(verdict, caller));
            Some(verdicts.collect::<Result<Vec<_>, _>>()?)
        }
    };
    // Of OCSF's operations the product's id is what tells which of two names is which; where it is not known, the finding is not.
    let product_arn = match (&finding.product_arn, operation) {
        (Some(product_arn), _) => product_arn.to_string(),
        (None, Some(Operation::BatchUpdateFindingsV2)) => String::new(),
        (None, _) if finding.rule.is_some() => String::new(),
        (None, _) => return Err(lacks("the record does not name a finding's product")),
    };
    let id = finding.finding_id.as_ref().unwrap_or(&finding.id).to_string();
    Ok(Finding {
        identifier: Identifier { id: id.into(), product_arn: product_arn.into() },
        is_named: operation != Some(Operation::BatchUpdateFindingsV2) || finding.finding_id.is_some(),
        owner: finding.owner.as_deref().and_then(AccountId::parse),
        known,
        was,
    })
}

fn was(verdict: &audit::Verdict<'_>, caller: &Caller) -> Result<Was, Why> {
    let action = Action::parse(&verdict.action)
        .ok_or_else(|| lacks(format!("the record has the action `{}`, which is not known here", verdict.action)))?;
    let effect = match (verdict.answer.verdict, verdict.answer.enforcement.as_deref()) {
        (Word::Allowed, _) => Effect::Allow,
        (Word::Denied, enforcement) => {
            let enforcement = enforcement.and_then(Enforcement::parse);
            let enforcement = enforcement.ok_or_else(|| lacks("the record does not say what a denial did"))?;
            let least = if action.field().is_none() { Enforcement::Reject } else { Enforcement::Strip };
            Effect::of(enforcement.max(caller.minimum_enforcement).max(least))
        }
    };
    let reason = verdict.answer.reason.as_deref().filter(|reason| *reason != "forbidden");
    let reason = reason.map(|reason| {
        crate::policy::Reason::parse(reason)
            .map(crate::policy::Reason::as_str)
            .ok_or_else(|| lacks(format!("the record has the reason `{reason}`, which is not known here")))
    });
    let policies = verdict.answer.policies.iter().map(|id| Arc::from(&**id)).collect();
    Ok(Was {
        action,
        element: verdict.element.as_ref().map(ToString::to_string),
        value: verdict.value.clone(),
        reply: Reply { effect, reason: reason.transpose()?, policies },
    })
}

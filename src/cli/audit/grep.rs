//! `findings-gate audit grep`

use super::{
    FilterArgs, Reading,
    page::Page,
    summary::{Became, by, change, clean, does},
};
use crate::{
    audit::{Event, Finding, Line, Request, Verdict, Word},
    cli::{Exit, Failure, Printer},
};
use clap::{Args, ValueEnum};
use std::{fmt::Write as _, path::PathBuf};

pub(super) const ABOUT: &str = "\
Find requests: by who asked, what for, what was decided and by which policy.

Different options narrow each other down, and are true of one and the same change: --policy P --field Workflow finds what P decided on \
Workflow. An option that is given again adds to itself. A record is a line; --format changes makes a line of each change of each finding, \
and json prints the records as they are in the log, for jq. Whether the log is as it was written, `audit verify` says.";

const EXAMPLES: &str = "\
Examples:
  # What was denied in the last two hours?
  findings-gate audit grep --verdict denied --since 2h audit.jsonl
  # What has a policy done to an account's findings?
  findings-gate audit grep --policy members-do-not-suppress \\
      --account 222222222222 --format changes audit.jsonl
  # What would the policies in shadow change?
  findings-gate audit grep --verdict shadow-differs --count audit.jsonl
  # Everything about a finding, for another program
  findings-gate audit grep --finding '*/a1b2c3' --format json | jq .caller

Exit codes: 0 fine · 1 broke, or a line could not be read · 64 usage";

/// Arguments of `audit grep`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct GrepArgs {
    /// The log: the file that `audit.file` names, with its rotated ones; a rotated file; a directory; `-`
    #[arg(value_name = "PATH", default_value = "audit.jsonl")]
    pub paths: Vec<PathBuf>,

    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it")]
    pub filter: FilterArgs,

    /// How to print what is found
    #[arg(long, value_enum, default_value_t = GrepFormat::Records)]
    pub format: GrepFormat,

    /// Print how many records there are, and nothing else
    #[arg(long, conflicts_with = "format")]
    pub count: bool,
}

/// How records are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GrepFormat {
    /// A line for each record
    Records,
    /// A line for each change of each finding
    Changes,
    /// The lines of the log as they are
    Json,
}

/// Finds, and prints.
pub(super) fn run(args: &GrepArgs, printer: &mut Printer) -> Result<Exit, Failure> {
    let filter = &args.filter;
    let mut reading = Reading::of(&args.paths)?;
    let (mut page, mut found) = (Page::default(), 0_u64);
    reading.each(
        |text| filter.may_want(text),
        |line, text, _| {
            if !filter.wants(line) {
                return Ok(true);
            }
            found += 1;
            match (args.count, args.format, &line.event) {
                (true, ..) => {}
                (false, GrepFormat::Json, _) => page.line(text, printer)?,
                (false, GrepFormat::Changes, Event::Request(request)) => {
                    for row in changes(line, request, filter) {
                        page.line(&row, printer)?;
                    }
                }
                (false, ..) => page.line(&record(line), printer)?,
            }
            Ok(true)
        },
    )?;
    if args.count {
        page.line(&found.to_string(), printer)?;
    }
    page.print(printer)?;
    Ok(if reading.warn(printer)? { Exit::Broke } else { Exit::Fine })
}

/// A record in a line. What is of one length comes first, so that there are columns without that all must be known.
fn record(line: &Line<'_>) -> String {
    let head = format!("{:.3}", line.time);
    let request = match &line.event {
        Event::Request(request) => request,
        Event::Start(start) => {
            return format!("{head}  start    {}  snapshot {}", clean(&start.program), clean(&start.snapshot));
        }
        Event::Reload(reload) => return format!("{head}  reload   snapshot {}", clean(&reload.snapshot)),
        Event::Shed { records } => return format!("{head}  shed     {records}"),
        Event::Stop => return format!("{head}  stop"),
    };
    let became = Became::of(request).as_str();
    let (account, principal) = who(request);
    let mut text = format!(
        "{head}  {became:<7}  {}  {}  {account:<12}  {}",
        request.answer.status,
        clean(&request.id),
        clean(&request.operation)
    );
    // Writing to a string cannot fail.
    let _ = match request.findings.len() {
        0 => Ok(()),
        1 => write!(text, "  1 finding"),
        findings => write!(text, "  {findings} findings"),
    };
    let _ = write!(text, "  {principal}");
    let mut policies: Vec<String> = Vec::new();
    for verdict in request.rulings.iter().flat_map(|ruling| &ruling.verdicts) {
        if verdict.answer.verdict == Word::Denied {
            let by = by(&verdict.answer);
            if !policies.contains(&by) {
                policies.push(by);
            }
        }
    }
    if !policies.is_empty() {
        text.push_str("  denied by ");
        text.push_str(&policies.join(", "));
    }
    text
}

fn who(request: &Request<'_>) -> (String, String) {
    request.caller.as_ref().map_or_else(
        || ("-".to_owned(), "nobody".to_owned()),
        |caller| (clean(&caller.account).into_owned(), clean(&caller.principal).into_owned()),
    )
}

/// The changes of a record that are wanted, each in a line.
fn changes(line: &Line<'_>, request: &Request<'_>, filter: &FilterArgs) -> Vec<String> {
    let (account, principal) = who(request);
    let head = format!("{:.3}  {}  {account:<12}", line.time, clean(&request.id));
    let row = |(finding, verdict): (Option<&Finding<'_>>, Option<&Verdict<'_>>)| {
        let id = finding.map_or_else(|| clean(&request.operation), |finding| clean(&finding.id));
        let Some(verdict) = verdict else {
            let why = finding.and_then(|finding| finding.why.as_deref()).map(clean).unwrap_or_default();
            return format!("{head}  {:<7}  {why}  {id}  {principal}", Became::of(request).as_str());
        };
        let shadow = verdict.shadow.as_ref();
        let shadow =
            shadow.map(|shadow| format!("  in shadow: {} by {}", does(shadow), by(shadow))).unwrap_or_default();
        let (does, by) = (does(&verdict.answer), by(&verdict.answer));
        format!("{head}  {does:<7}  {}  by {by}  {id}  {principal}{shadow}", change(verdict))
    };
    filter.changes(request).map(row).collect()
}

//! `findings-gate audit show`

use super::{
    Reading,
    summary::{by, change, clean, does, ruling},
};
use crate::{
    audit::{Event, Finding, Line, Outcome, Request, Verdict},
    cli::{Exit, Failure, Format, Printer},
};
use clap::Args;
use comfy_table::{ContentArrangement, Table, presets};
use std::{collections::VecDeque, fmt::Write as _, path::PathBuf};

pub(super) const ABOUT: &str = "\
Show all of a request: who asked for what, what each policy said of each finding and field, and what came of it.

The decision id is in the answer's header `x-findings-gate-decision`, in the message of each refusal, and in the log.";

const EXAMPLES: &str = "\
Examples:
  findings-gate audit show 0197a3c2-5d1e-7c40-9f2e-1b8c3f60a7d4
  findings-gate audit show --last 3 --log /var/log/findings-gate/audit.jsonl
  findings-gate audit show --last 1 --format json | jq .update

Exit codes: 0 fine · 1 broke, or there is no such record · 64 usage";

/// How many findings of one ruling are named.
const NAMED: usize = 3;
/// How wide a table is, in characters.
const WIDTH: u16 = 118;

/// Arguments of `audit show`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ShowArgs {
    /// Decision ids
    #[arg(value_name = "ID", required_unless_present = "last", conflicts_with = "last")]
    pub ids: Vec<String>,

    /// The last so many requests, the oldest first
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub last: Option<u16>,

    /// The log: the file that `audit.file` names, with its rotated ones; a rotated file; a directory; `-`
    #[arg(long, value_name = "PATH", default_value = "audit.jsonl")]
    pub log: Vec<PathBuf>,

    /// How to print records; JSON is each line of the log as it is
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
}

/// Shows what is asked for.
pub(super) fn run(args: &ShowArgs, printer: &mut Printer) -> Result<Exit, Failure> {
    let mut reading = Reading::of(&args.log)?;
    let shown = |line: &Line<'_>, text: &str, place: &crate::audit::read::Place| match (args.format, &line.event) {
        (Format::Human, Event::Request(request)) => human(line, request, &place.to_string()),
        _ => format!("{text}\n"),
    };
    let mut missing: Vec<&String> = args.ids.iter().collect();
    if let Some(last) = args.last {
        let mut kept: VecDeque<String> = VecDeque::new();
        reading.each(
            |text| text.contains(r#""kind":"request""#),
            |line, text, place| {
                if matches!(line.event, Event::Request(_)) {
                    if kept.len() == usize::from(last) {
                        kept.pop_front();
                    }
                    kept.push_back(shown(line, text, place));
                }
                Ok(true)
            },
        )?;
        for (at, text) in kept.iter().enumerate() {
            printer.out(&separated(text, at, args.format))?;
        }
    } else {
        let mut count = 0;
        reading.each(
            |text| args.ids.iter().any(|id| text.contains(id.as_str())),
            |line, text, place| {
                if let Event::Request(request) = &line.event
                    && args.ids.iter().any(|id| request.id == **id)
                {
                    printer.out(&separated(&shown(line, text, place), count, args.format))?;
                    count += 1;
                    missing.retain(|id| request.id != **id);
                }
                // An id is given once.
                Ok(!missing.is_empty())
            },
        )?;
    }
    let unreadable = reading.warn(printer)?;
    if !missing.is_empty() {
        let ids: Vec<String> = missing.iter().map(|id| format!("`{id}`")).collect();
        return Err(Failure::broke(format!(
            "no record has the decision id {}; is it another gate's log, or has `audit.keep` removed it?",
            ids.join(" or ")
        )));
    }
    Ok(if unreadable { Exit::Broke } else { Exit::Fine })
}

/// Records for people have a line between them.
fn separated(text: &str, at: usize, format: Format) -> String {
    if at > 0 && format == Format::Human { format!("\n{text}") } else { text.to_owned() }
}

fn human(line: &Line<'_>, request: &Request<'_>, place: &str) -> String {
    let mut text = format!("{}  ({place})\n", clean(&request.id));
    // Writing to a string cannot fail.
    let mut tell = |name: &str, said: &str| {
        let _ = writeln!(text, "  {name:<9} {said}");
    };
    tell("when", &format!("{}, answered after {}", line.time, took(request.duration_us)));
    let from = request.peer.as_ref().map(|peer| format!(", from {}", clean(peer))).unwrap_or_default();
    match &request.caller {
        Some(caller) => {
            tell(
                "who",
                &format!("{} of account {}, {}", clean(&caller.principal), clean(&caller.account), clean(&caller.role)),
            );
            let mut proof = format!("{}{from}", clean(&caller.proof));
            for group in &caller.groups {
                let _ = write!(proof, ", in {}", clean(group));
            }
            if let Some(region) = &caller.region {
                let _ = write!(proof, ", for {}", clean(region));
            }
            if let Some(enforcement) = &caller.minimum_enforcement {
                let _ = write!(proof, ", at the least {}", clean(enforcement));
            }
            tell("proven by", &proof);
        }
        None => tell("who", &format!("nobody that is known{from}")),
    }
    tell("called", &clean(&request.operation));
    if let Some(update) = &request.update {
        let update = serde_json::to_string(update).unwrap_or_default();
        tell("asked for", &clean(&update));
    }
    for finding in &request.findings {
        if let Some(rule) = &finding.rule {
            tell("asked for", &clean(&rule.to_string()));
        }
    }
    if !request.masked.is_empty() {
        let masked: Vec<_> = request.masked.iter().map(|masked| clean(masked)).collect();
        tell("masked", &masked.join(", "));
    }
    tell("snapshot", &clean(&request.snapshot));
    if !request.findings.is_empty() {
        let _ = writeln!(text, "{}", findings(request));
    }
    for call in &request.calls {
        let fields: Vec<_> = call.fields.iter().map(|field| clean(field)).collect();
        let fields = if fields.is_empty() { "the request".into() } else { fields.join(", ") };
        let findings = if call.findings == 1 { "1 finding".to_owned() } else { format!("{} findings", call.findings) };
        let error = call.error.as_ref().map(|error| format!(" {}", clean(error))).unwrap_or_default();
        let id = call.request_id.as_ref().map(|id| format!(", as {}", clean(id))).unwrap_or_default();
        let _ = writeln!(text, "  {:<9} {fields} of {findings}: {}{error}{id}", "forwarded", call.status);
    }
    let error = request.answer.error.as_ref().map(|error| format!(" {}", clean(error))).unwrap_or_default();
    let message = request.answer.message.as_ref().map(|message| format!(": {}", clean(message))).unwrap_or_default();
    let _ = writeln!(text, "  {:<9} {}{error}{message}", "answered", request.answer.status);
    text
}

fn took(microseconds: u64) -> String {
    match microseconds {
        0..1_000 => format!("{microseconds} µs"),
        1_000..1_000_000 => format!("{}.{} ms", microseconds / 1_000, microseconds % 1_000 / 100),
        _ => format!("{}.{} s", microseconds / 1_000_000, microseconds % 1_000_000 / 100_000),
    }
}

/// The findings with what was said of each change. Those of which the same was said, and of which the same became, stand together.
fn findings(request: &Request<'_>) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH);
    table.set_header(["finding", "became", "change", "verdict", "by"]);
    let mut told: Vec<(&Finding<'_>, Vec<&Finding<'_>>)> = Vec::new();
    for finding in &request.findings {
        let key = |finding: &Finding<'_>| (finding.ruling, finding.outcome, finding.why.as_deref().map(str::to_owned));
        match told.iter_mut().find(|(first, _)| key(first) == key(finding)) {
            Some((_, alike)) => alike.push(finding),
            None => told.push((finding, vec![finding])),
        }
    }
    for (first, alike) in told {
        let mut names: Vec<String> = alike.iter().take(NAMED).map(|finding| clean(&finding.id).into_owned()).collect();
        if alike.len() > NAMED {
            names.push(format!("… and {} more", alike.len() - NAMED));
        }
        let outcome = match first.outcome {
            Outcome::Processed => "processed",
            Outcome::PartlyProcessed => "partly processed",
            Outcome::Unprocessed => "unprocessed",
        };
        let why = first.why.as_ref().map(|why| format!("\n{}", clean(why))).unwrap_or_default();
        let mut head = (names.join("\n"), format!("{outcome}{why}"));
        let verdicts = ruling(request, first).map(|ruling| &*ruling.verdicts).unwrap_or_default();
        if verdicts.is_empty() {
            table.add_row([head.0, head.1, String::new(), String::new(), String::new()]);
            continue;
        }
        for verdict in verdicts {
            let (name, became) = std::mem::take(&mut head);
            let shadow = verdict.shadow.as_ref().map(|shadow| (format!("\nin shadow: {}", does(shadow)), by(shadow)));
            let (shadow, shadow_by) = shadow.map_or_else(Default::default, |(does, by)| (does, format!("\n{by}")));
            table.add_row([
                name,
                became,
                asked(request, verdict),
                format!("{}{shadow}", does(&verdict.answer)),
                format!("{}{shadow_by}", by(&verdict.answer)),
            ]);
        }
    }
    table
}

/// `Workflow.Status = SUPPRESSED`
fn asked(request: &Request<'_>, verdict: &Verdict<'_>) -> String {
    let change = change(verdict);
    let of_update = || {
        let update = serde_json::to_value(request.update.as_ref()?).ok()?;
        let pointer = format!("/{}", verdict.action.replace('.', "/"));
        let value = update.pointer(&pointer)?;
        match &verdict.element {
            Some(element) => value.get(&**element).cloned(),
            None => Some(value.clone()),
        }
    };
    let value = verdict.value.clone().or_else(of_update);
    match value {
        Some(serde_json::Value::String(text)) => format!("{change} = {}", clean(&text)),
        Some(value) if !value.is_null() && !value.is_object() && !value.is_array() => format!("{change} = {value}"),
        _ => change,
    }
}

//! `findings-gate audit verify`

use crate::{
    audit::{
        Hash, Seal,
        read::{Files, Lines, Report, Verifier},
    },
    cli::{Exit, Failure, Format, Printer},
};
use clap::Args;
use serde::Serialize;
use std::{
    fmt::Write as _,
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

pub(super) const ABOUT: &str = "\
Check that the log is as it was written, and that nothing is missing.

Each line has a number and the hash of the line before it: whatever was changed, removed, put in or moved shows, with its file and line. \
With a key (`audit.key`) nobody who lacks it can make such a chain; without, whoever can write the file can make all of it anew. What no \
chain shows is that lines are missing at its end: keep the last hash, which is printed here, somewhere else, and give it the next time.

A last line that was not written to its end is no break: its process was killed before anybody was answered for it, and the next one takes it \
off. Where `audit.keep` has removed the oldest files, say so.";

const EXAMPLES: &str = "\
Examples:
  findings-gate audit verify audit.jsonl
  # A directory of rotated files, of which the oldest are gone
  findings-gate audit verify --allow-start /var/log/findings-gate
  # Sealed with a key; the line that was last yesterday must be there
  findings-gate audit verify --key audit.key --expect-last 5f0c… audit.jsonl

Exit codes: 0 whole · 1 it cannot be read · 2 the chain is broken · 64 usage";

/// The longest key, in bytes.
const LONGEST_KEY: u64 = 4096;

/// Arguments of `audit verify`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct VerifyArgs {
    /// The log: the file that `audit.file` names, with its rotated ones; a rotated file; a directory; `-`
    #[arg(value_name = "PATH", default_value = "audit.jsonl")]
    pub paths: Vec<PathBuf>,

    /// The file with the key that the log is sealed with (`audit.key`)
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,

    /// A hash that was the last one when it was kept: the line that has it must be there; may be given again
    #[arg(long, value_name = "HASH", value_parser = hash)]
    pub expect_last: Vec<Hash>,

    /// From this line of the chain on all must be there; what was before may be gone
    #[arg(long, value_name = "N", conflicts_with = "allow_start")]
    pub since_sequence: Option<u64>,

    /// The log may begin with any line of the chain: `audit.keep` has removed what was before
    #[arg(long)]
    pub allow_start: bool,

    /// How to print what was found
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
}

fn hash(text: &str) -> Result<Hash, &'static str> {
    Hash::parse(text).ok_or("expected 64 hexadecimal digits in lower case, as `audit verify` prints them")
}

/// What `--format json` prints.
#[derive(Serialize)]
struct Verified<'r> {
    version: u32,
    whole: bool,
    #[serde(flatten)]
    report: &'r Report,
}

/// Verifies, and prints what was found.
pub(super) fn run(args: &VerifyArgs, printer: &mut Printer) -> Result<Exit, Failure> {
    let seal = args.key.as_deref().map(key).transpose()?.unwrap_or_else(Seal::open);
    let since = if args.allow_start { Some(u64::MAX) } else { args.since_sequence };
    let mut verifier = Verifier::new(seal, since);
    args.expect_last.iter().for_each(|hash| verifier.expect(*hash));
    let mut lines = Lines::of(Files::find(&args.paths)?);
    while let Some(item) = lines.next()? {
        verifier.read(item);
    }
    let report = verifier.finish();
    let whole = report.problem_count == 0;
    match args.format {
        Format::Human => printer.out(&human(&report, args, printer))?,
        Format::Json => printer.json(&Verified { version: 1, whole, report: &report })?,
    }
    Ok(if whole { Exit::Fine } else { Exit::Failed })
}

fn key(path: &Path) -> Result<Seal, Failure> {
    let refused = |why: String| Failure::broke(format!("cannot read the key `{}`: {why}", path.display()));
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(|error| refused(error.to_string()))?;
    file.take(LONGEST_KEY + 1).read_to_end(&mut bytes).map_err(|error| refused(error.to_string()))?;
    match bytes.len() as u64 {
        0 => Err(refused("it is empty".to_owned())),
        length if length > LONGEST_KEY => {
            Err(refused(format!("it has more than {LONGEST_KEY} bytes, which no key has")))
        }
        _ => Ok(Seal::keyed(&bytes)),
    }
}

fn human(report: &Report, args: &VerifyArgs, printer: &Printer) -> String {
    let paint = printer.paint();
    let mut text = String::new();
    // Writing to a string cannot fail.
    for problem in &report.problems {
        let place = problem.place.as_ref().map_or_else(|| "the log".to_owned(), ToString::to_string);
        let _ = writeln!(text, "{}: {}", paint.bad(place), problem.message);
    }
    let kept = report.problems.len() as u64;
    if report.problem_count > kept {
        let _ = writeln!(text, "… and {} more", report.problem_count - kept);
    }
    if let Some(help) = help(report, args) {
        let _ = writeln!(text, "help: {help}");
    }
    if report.problem_count > 0 {
        text.push('\n');
    }
    let lines = count(report.lines, "line");
    if report.problem_count == 0 {
        let _ = writeln!(text, "{}", paint.good(format_args!("The chain is whole: {lines}.")));
    } else {
        let problems = count(report.problem_count, "problem");
        let _ = writeln!(text, "{}", paint.bad(format_args!("The chain is broken: {problems} in {lines}.")));
    }
    for (name, end) in [("first", &report.first), ("last", &report.last)] {
        if let Some(end) = end {
            let _ = writeln!(text, "  {name:<6} {} of {}, {}", end.sequence, end.time, end.place);
            let _ = writeln!(text, "         hash {}", end.hash);
        }
    }
    let mut told = vec![count(report.requests, "request"), count(report.starts, "start")];
    told.extend([count(report.stops, "stop"), count(report.reloads, "reload")]);
    let _ = writeln!(text, "  {}", told.join(", "));
    for warning in warnings(report, args) {
        let _ = writeln!(text, "{} {warning}", paint.doubtful("warning:"));
    }
    text
}

/// What is worth knowing and is no break.
fn warnings(report: &Report, args: &VerifyArgs) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(first) = report.first.as_ref().filter(|first| first.sequence > 1 && args.allow_start) {
        let before = count(first.sequence - 1, "line");
        warnings.push(format!(
            "the log begins with line {} of the chain: the {before} before are not here",
            first.sequence
        ));
    }
    if let Some(torn) = &report.torn {
        warnings.push(format!(
            "{torn}: the last line was not written to its end. Either it is being written, or its process was killed before anybody was \
             answered for it; the next one takes it off"
        ));
    }
    if report.shed > 0 {
        warnings.push(format!(
            "{} given up because the log could not keep up (audit.on_full = \"shed\")",
            count(report.shed, "record")
        ));
    }
    if report.starts_after_a_kill > 0 {
        let times = count(report.starts_after_a_kill, "start");
        warnings.push(format!("{times} after a process that did not end in good order"));
    }
    for repaired in &report.repaired {
        let bytes = count(repaired.bytes, "byte");
        warnings.push(format!("{}: {bytes} of a line that was not written to its end were taken off", repaired.place));
    }
    if let Some(place) = &report.first_set_back {
        warnings.push(format!("{}: the clock was set back ({})", place, count(report.set_back, "time")));
    }
    warnings
}

/// What to do about the first problem.
fn help(report: &Report, args: &VerifyArgs) -> Option<&'static str> {
    use crate::audit::read::Fault;
    Some(match &report.problems.first()?.fault {
        Fault::BeginsLate { .. } => {
            "if `audit.keep` has removed the files before, say so with --allow-start, or from where on all must be there with \
             --since-sequence N"
        }
        Fault::Changed if args.key.is_none() && report.last.is_none() => {
            "no line has the right hash: if the log is sealed with a key (`audit.key`), give it with --key FILE"
        }
        Fault::Changed if report.last.is_none() => {
            "no line has the right hash: is this the key that the log was sealed with?"
        }
        Fault::Gap { .. } => "are all rotated files here, and in the order of their names?",
        _ => return None,
    })
}

fn count(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

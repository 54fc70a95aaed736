//! `findings-gate import-iam`

use super::{Exit, Failure, Format, Printer};
use crate::{
    finding::{AccountId, Enforcement},
    workbench::iam::{self, Doubt, Hub, ImportError, Imported, ImportedStatement, Invalid, Options, Principal, Source},
};
use clap::Args;
use serde::Serialize;
use std::{
    fmt::Write as _,
    fs,
    io::{self, ErrorKind, Read, Write as _},
    path::{Path, PathBuf},
};

pub(super) const ABOUT: &str = "\
Make policies of IAM policy documents.

It reads identity policies and service control policies, and writes policies by which the gate says of each request \
what IAM says of it, with a suite of cases for them. A statement that cannot be carried over faithfully is refused, with the reason: \
then nothing is written, unless --partial is given. Where a statement says something else than it seems to, it warns. \
docs/import-iam.md has what is carried over, what is not, and why.

What no policy permits must refuse the call, as in IAM: set policies.default_enforcement = \"refuse\".";

const EXAMPLES: &str = "\
Examples:
  # Print the policies
  findings-gate import-iam deny.json
  # Write deny.cedar and deny.test.yaml
  findings-gate import-iam deny.json --out policies/iam
  # A service control policy, for everyone
  findings-gate import-iam scp.json --scp --principal any
  aws iam get-policy-version --policy-arn … --version-id … \\
      --query PolicyVersion.Document | findings-gate import-iam -

Exit codes: 0 everything was carried over · 1 broke · 3 a statement was refused, or a document is invalid · 64 usage";

/// Arguments of `import-iam`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ImportIamArgs {
    /// Policy documents, as JSON; `-` is standard input. All of them are attached to the same callers
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,

    /// Whom they are attached to: member, administrator, any, group:NAME or account:ID
    #[arg(long, value_name = "WHO", default_value = "member", value_parser = principal)]
    pub principal: Principal,

    /// The documents are service control policies: what they allow, they do not grant
    #[arg(long)]
    pub scp: bool,

    /// The hub behind the gate, for statements that name one or its Region
    #[arg(long, value_name = "ARN")]
    pub hub: Option<Hub>,

    /// What a Deny does. IAM refuses the call; the others deviate from it
    #[arg(long, value_name = "ENFORCEMENT", default_value = "refuse", value_enum)]
    pub enforce: Enforcement,

    /// What every id begins with
    #[arg(long, value_name = "TEXT", default_value = "", value_parser = prefix)]
    pub prefix: String,

    /// Write NAME.cedar and NAME.test.yaml into this directory, instead of printing the policies
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// What the files are called; by default like the first document
    #[arg(long, value_parser = name)]
    pub name: Option<String>,

    /// Overwrite files that are there
    #[arg(long, requires = "out")]
    pub force: bool,

    /// Write what can be carried over although a statement is refused. The exit code stays 3
    #[arg(long)]
    pub partial: bool,

    /// How to print the result
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
}

fn principal(text: &str) -> Result<Principal, String> {
    match (text, text.split_once(':')) {
        ("member", _) => Ok(Principal::Member),
        ("administrator", _) => Ok(Principal::Administrator),
        ("any", _) => Ok(Principal::Any),
        (_, Some(("group", name))) if !name.is_empty() => Ok(Principal::Group(name.to_owned())),
        (_, Some(("account", id))) => {
            id.parse::<AccountId>().map(Principal::Account).map_err(|error| error.to_string())
        }
        _ => Err("expected `member`, `administrator`, `any`, `group:NAME` or `account:ID`".to_owned()),
    }
}

fn prefix(text: &str) -> Result<String, &'static str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._/-".contains(c);
    if text.len() <= 64 && text.chars().all(fits) {
        return Ok(text.to_owned());
    }
    Err("expected at most 64 of the letters a to z and A to Z, digits, `.`, `_`, `/` and `-`")
}

fn name(text: &str) -> Result<String, &'static str> {
    let fits = |c: char| c.is_alphanumeric() || "._-".contains(c);
    if !text.is_empty() && !text.starts_with('.') && text.chars().all(fits) {
        return Ok(text.to_owned());
    }
    Err("expected the name of a file, without its directory and its ending")
}

/// Imports, and prints or writes what came of it.
pub(super) fn run(args: &ImportIamArgs, printer: &mut Printer) -> Result<Exit, Failure> {
    let sources = args.files.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?;
    let options = Options {
        name: args.name.clone().unwrap_or_else(|| stem(&args.files)),
        principal: args.principal.clone(),
        enforcement: args.enforce,
        prefix: args.prefix.clone(),
        hub: args.hub.clone(),
        service_control: args.scp,
    };
    let imported = match iam::import(&sources, &options) {
        Ok(imported) => imported,
        Err(ImportError::Invalid(invalid)) => return tell_invalid(&invalid, args.format, printer),
        Err(fault @ ImportError::Fault(_)) => return Err(Failure::broke(fault)),
    };
    let written = imported.is_complete() || args.partial;
    let files = match &args.out {
        Some(directory) if written => write_files(&imported, &options.name, directory, args.force)?,
        _ => Vec::new(),
    };
    match args.format {
        Format::Json => printer.json(&Told::of(&imported, &files, written))?,
        Format::Human => {
            printer.err(&human(&imported, written))?;
            match &imported.cedar {
                Some(text) if written && args.out.is_none() => printer.out(text)?,
                _ => {
                    let lines: Vec<String> = files.iter().map(|file| format!("wrote {file}\n")).collect();
                    printer.out(&lines.concat())?;
                }
            }
        }
    }
    Ok(if imported.is_complete() { Exit::Fine } else { Exit::Invalid })
}

/// No document is longer: IAM's own bound on a managed policy is 6,144 characters, and on a service control policy 10,240.
const MOST_BYTES: u64 = 1 << 20;

fn read(path: &Path) -> Result<Source, Failure> {
    let is_standard_input = path == Path::new("-");
    let name = if is_standard_input { "standard input".to_owned() } else { path.display().to_string() };
    let broke = |error: io::Error| Failure::broke(format!("cannot read {name}: {error}"));
    let mut bytes = Vec::new();
    let most = MOST_BYTES + 1;
    if is_standard_input {
        io::stdin().lock().take(most).read_to_end(&mut bytes).map_err(broke)?;
    } else {
        fs::File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes)).map_err(broke)?;
    }
    if bytes.len() as u64 > MOST_BYTES {
        return Err(Failure::invalid(format!("{name}: more than {MOST_BYTES} bytes, which no policy document has")));
    }
    let text = String::from_utf8(bytes).map_err(|_| Failure::invalid(format!("{name}: not UTF-8")))?;
    Ok(Source { name, text: text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned() })
}

/// What the files are called if nobody says: like the first document.
fn stem(files: &[PathBuf]) -> String {
    let stem = files.first().and_then(|path| path.file_stem()).map(|stem| stem.to_string_lossy().into_owned());
    stem.filter(|stem| name(stem).is_ok()).unwrap_or_else(|| "imported".to_owned())
}

fn tell_invalid(invalid: &[Invalid], format: Format, printer: &mut Printer) -> Result<Exit, Failure> {
    match format {
        Format::Json => printer.json(&InvalidTold { version: 1, complete: false, invalid })?,
        Format::Human => {
            let mut text = String::new();
            for problem in invalid {
                // Writing to a string cannot fail.
                let _ = writeln!(text, "invalid: {problem}");
                if let Some(help) = &problem.help {
                    let _ = writeln!(text, "  help: {help}");
                }
            }
            printer.err(&text)?;
        }
    }
    Ok(Exit::Invalid)
}

/// What is told beside the policies.
fn human(imported: &Imported, written: bool) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    for doubt in &imported.doubts {
        let place = if doubt.file.is_empty() { String::new() } else { format!("{}: {}: ", doubt.file, doubt.path) };
        let _ = writeln!(text, "warning: {place}{} [{}]", doubt.message, doubt.code);
    }
    for statement in &imported.statements {
        let Some(refusal) = &statement.refused else { continue };
        let sid = statement.sid.as_ref().map(|sid| format!(" ({sid})")).unwrap_or_default();
        let _ = writeln!(text, "refused: {}: {}{sid}: {}", statement.file, refusal.path, refusal.reason);
        if let Some(help) = &refusal.help {
            let _ = writeln!(text, "  help: {help}");
        }
    }
    let concerned = imported.statements.iter().filter(|statement| statement.concerns).count();
    let refused = imported.statements.iter().filter(|statement| statement.refused.is_some()).count();
    let policies: usize = imported.statements.iter().map(|statement| statement.policies.len()).sum();
    let all = imported.statements.len();
    let _ = writeln!(
        text,
        "{concerned} of {} {} changes of findings; {refused} refused, {policies} {} made",
        counted(all, "statement", "statements"),
        if concerned == 1 { "concerns" } else { "concern" },
        if policies == 1 { "policy" } else { "policies" },
    );
    if !written {
        text.push_str(
            "nothing was written, as what is left would say something else than IAM does; --partial writes it\n",
        );
    }
    text
}

fn counted(count: usize, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}

/// Writes the policies and their suite; nothing if a file is there and is not to be overwritten.
fn write_files(imported: &Imported, name: &str, directory: &Path, force: bool) -> Result<Vec<String>, Failure> {
    let (Some(cedar), Some(suite)) = (&imported.cedar, &imported.suite) else { return Ok(Vec::new()) };
    let files =
        [(directory.join(format!("{name}.cedar")), cedar), (directory.join(format!("{name}.test.yaml")), suite)];
    fs::create_dir_all(directory)
        .map_err(|error| Failure::broke(format!("cannot make the directory {}: {error}", directory.display())))?;
    let there = |path: &Path| path.symlink_metadata().is_ok();
    if let Some((path, _)) = files.iter().find(|(path, _)| !force && there(path)) {
        return Err(Failure::broke(exists(path)));
    }
    for (path, text) in &files {
        let mut open = fs::OpenOptions::new();
        let open = if force { open.write(true).create(true).truncate(true) } else { open.write(true).create_new(true) };
        let result = open.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
        result.map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => Failure::broke(exists(path)),
            _ => Failure::broke(format!("cannot write {}: {error}", path.display())),
        })?;
    }
    Ok(files.iter().map(|(path, _)| path.display().to_string()).collect())
}

fn exists(path: &Path) -> String {
    format!(
        "{} is there already, and nothing was written: name other files with --name, or overwrite with --force",
        path.display()
    )
}

#[derive(Debug, Serialize)]
struct InvalidTold<'i> {
    version: u8,
    complete: bool,
    invalid: &'i [Invalid],
}

/// What is printed as JSON.
#[derive(Debug, Serialize)]
struct Told<'i> {
    version: u8,
    /// Whether every statement was carried over.
    complete: bool,
    statements: &'i [ImportedStatement],
    warnings: &'i [Doubt],
    /// What the policies need.
    default_enforcement: &'static str,
    files: &'i [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    policies: Option<&'i str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    suite: Option<&'i str>,
}

impl<'i> Told<'i> {
    fn of(imported: &'i Imported, files: &'i [String], written: bool) -> Self {
        Self {
            version: 1,
            complete: imported.is_complete(),
            statements: &imported.statements,
            warnings: &imported.doubts,
            default_enforcement: Enforcement::Refuse.as_str(),
            files,
            policies: imported.cedar.as_deref().filter(|_| written),
            suite: imported.suite.as_deref().filter(|_| written),
        }
    }
}

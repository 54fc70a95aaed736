//! `findings-gate fmt`

use super::{Exit, Failure, Printer, files};
use crate::{
    policy::PolicyText,
    workbench::{FormatError, format},
};
use clap::Args;
use miette::Diagnostic;
use similar::TextDiff;
use std::{
    collections::BTreeSet,
    fmt, fs,
    path::{Path, PathBuf},
};

pub(super) const ABOUT: &str = "\
Lay out policy files.

Policies get the layout of Cedar's own formatter, 120 characters wide. Comments keep their lines, and headings between policies the \
blank lines around them. What policies say never changes: a file that would not say the same afterwards, its comments included, is \
left as it is. Where one file does not parse, nothing is written at all.";

const EXAMPLES: &str = "\
Examples:
  # All `.cedar` files in this directory and below
  findings-gate fmt
  findings-gate fmt policies
  # What would change; for CI
  findings-gate fmt --check policies
  # From standard input to standard output
  findings-gate fmt - < a.cedar

Exit codes: 0 laid out · 1 broke · 2 --check found something to lay out · 3 a file does not parse · 64 usage";

/// How many directories deep files are looked for.
const DEEPEST: usize = 16;
/// The most files.
const MOST: usize = 10_000;

/// Arguments of `fmt`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct FmtArgs {
    /// Directories, in which all `.cedar` files are meant, or files; `-` is standard input
    #[arg(value_name = "PATH", default_value = ".")]
    pub paths: Vec<PathBuf>,

    /// Change nothing; print what would change, and end with 2 if anything would
    #[arg(long)]
    pub check: bool,
}

/// A file whose layout is another.
struct Changed {
    path: Option<PathBuf>,
    old: PolicyText,
    new: String,
}

/// Lays out, or tells what would change.
pub(super) fn run(args: &FmtArgs, printer: &mut Printer) -> Result<Exit, Failure> {
    let from_input = args.paths.iter().any(|path| path.as_os_str() == "-");
    if from_input && args.paths.len() > 1 {
        printer.err("error: `-` is standard input, and stands alone\n")?;
        return Ok(Exit::Usage);
    }
    let texts = if from_input {
        vec![(None, PolicyText { name: "<standard input>".into(), text: files::read_input()? })]
    } else {
        read(&args.paths)?
    };
    let count = texts.len();
    let changed = lay_out(texts, from_input && !args.check)?;
    if args.check {
        for Changed { old, new, .. } in &changed {
            let diff = TextDiff::from_lines(&*old.text, new);
            let to = format!("{} (laid out)", old.name);
            printer.out(&diff.unified_diff().header(&old.name, &to).to_string())?;
        }
        if changed.is_empty() {
            return Ok(Exit::Fine);
        }
        printer
            .err(&format!("{} of {count} would be laid out anew: run `findings-gate fmt`\n", counted(changed.len())))?;
        return Ok(Exit::Failed);
    }
    for Changed { path, old, new } in &changed {
        match path {
            Some(path) => {
                files::write(path, new)?;
                printer.out(&format!("laid out {}\n", old.name))?;
            }
            None => printer.out(new)?,
        }
    }
    if !from_input {
        printer.out(&format!("{} of {count} laid out anew\n", counted(changed.len())))?;
    }
    Ok(Exit::Fine)
}

fn counted(count: usize) -> String {
    format!("{count} file{}", if count == 1 { "" } else { "s" })
}

/// Those whose layout is another, or all; or everything that does not parse.
fn lay_out(texts: Vec<(Option<PathBuf>, PolicyText)>, all: bool) -> Result<Vec<Changed>, Failure> {
    let mut changed = Vec::new();
    let mut invalid = Vec::new();
    for (path, old) in texts {
        match format(&old) {
            Ok(new) if all || new != old.text => changed.push(Changed { path, old, new }),
            Ok(_) => {}
            Err(FormatError::Invalid(error)) => invalid.extend(error.problems().iter().cloned()),
            Err(error @ FormatError::Unfaithful { .. }) => return Err(Failure::broke(error)),
        }
    }
    if invalid.is_empty() { Ok(changed) } else { Err(Failure::Invalid(Box::new(Unparsed(invalid)))) }
}

/// Everything that does not parse, over all files.
#[derive(Debug)]
struct Unparsed(Vec<crate::policy::Problem>);

impl fmt::Display for Unparsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not everything parses, so nothing was laid out")
    }
}

impl std::error::Error for Unparsed {}

impl Diagnostic for Unparsed {
    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        Some(Box::new(self.0.iter().map(|problem| problem as &dyn Diagnostic)))
    }
}

fn read(paths: &[PathBuf]) -> Result<Vec<(Option<PathBuf>, PolicyText)>, Failure> {
    let mut found = BTreeSet::new();
    for path in paths {
        let metadata = fs::metadata(path)
            .map_err(|error| Failure::broke(format!("cannot read `{}`: {}", path.display(), files::reason(&error))))?;
        if metadata.is_dir() {
            let before = found.len();
            below(path, 0, &mut found)?;
            if found.len() == before {
                return Err(Failure::broke(format!(
                    "`{}` has no file that ends in `.cedar`, nor has any directory in it",
                    path.display()
                )));
            }
        } else if is_policy(path) {
            found.insert(path.clone());
        } else {
            return Err(Failure::broke(format!("`{}` does not end in `.cedar`, and is no directory", path.display())));
        }
    }
    found
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(".").unwrap_or(&path).display().to_string();
            Ok((Some(path.clone()), PolicyText { name, text: files::read(&path)? }))
        })
        .collect()
}

fn is_policy(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "cedar")
}

/// The policy files of a directory and of those in it; hidden ones and links to directories are passed over.
fn below(directory: &Path, depth: usize, found: &mut BTreeSet<PathBuf>) -> Result<(), Failure> {
    let refused = |error: std::io::Error| {
        Failure::broke(format!("cannot read `{}`: {}", directory.display(), files::reason(&error)))
    };
    for entry in fs::read_dir(directory).map_err(refused)? {
        let entry = entry.map_err(refused)?;
        let (path, kind) = (entry.path(), entry.file_type().map_err(refused)?);
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        if kind.is_dir() && !hidden && depth < DEEPEST {
            below(&path, depth + 1, found)?;
        } else if !kind.is_dir() && is_policy(&path) && path.is_file() {
            found.insert(path);
        }
        if found.len() > MOST {
            return Err(Failure::broke(format!("there are more than {MOST} files that end in `.cedar`")));
        }
    }
    Ok(())
}

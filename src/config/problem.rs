//! What is wrong with a configuration, and where: told all at once.

use miette::{Diagnostic, LabeledSpan, SourceCode};
use std::{
    fmt,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

/// How many problems are told; the rest is counted.
const TOLD: usize = 20;

/// A file that values come from.
pub(super) struct Source {
    /// Where it is, as the user wrote it.
    pub path: PathBuf,
    /// Its text, for excerpts; nothing for a file whose text must not be shown.
    excerpt: Option<String>,
    /// The offset of the first byte of each line.
    lines: Vec<usize>,
}

impl Source {
    /// The line and column, from 1, of an offset.
    fn position(&self, offset: usize) -> (usize, usize) {
        let line = self.lines.partition_point(|start| *start <= offset);
        (line, 1 + offset - self.lines.get(line.wrapping_sub(1)).copied().unwrap_or(0))
    }

    /// The line, from 1, of an offset.
    pub(super) fn line(&self, offset: usize) -> usize {
        self.position(offset).0
    }
}

/// Its path alone: the text may be long, or secret.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Source").field(&self.path).finish()
    }
}

/// Whether a line sets what looks like a secret, be it by its key or as the password of a URL.
fn sets_a_secret(line: &str) -> bool {
    let key = line.split_once('=').map_or("", |(key, _)| key).to_ascii_lowercase();
    let named = ["secret", "token", "password"].iter().any(|word| key.contains(word));
    named || line.split_once("://").is_some_and(|(_, rest)| rest.contains('@'))
}

/// Where a value, or a problem, comes from.
#[derive(Debug, Clone)]
pub(super) enum Origin {
    /// The program itself.
    Default,
    /// A file as a whole, where something is missing.
    Whole(PathBuf),
    /// A place in a file.
    File(Arc<Source>, Range<usize>),
    /// An environment variable.
    Variable(String),
    /// An option of the command line.
    Flag(&'static str),
}

impl Origin {
    /// What overrides what: higher wins.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::Default | Self::Whole(_) => 0,
            Self::File(..) => 1,
            Self::Variable(_) => 2,
            Self::Flag(_) => 3,
        }
    }

    /// Whether nothing of the file may be shown.
    pub(super) fn is_confidential(&self) -> bool {
        matches!(self, Self::File(source, _) if source.excerpt.is_none())
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone)]
pub struct Problem {
    message: String,
    help: Option<String>,
    origin: Origin,
}

impl Problem {
    pub(super) fn new(origin: Origin, message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None, origin }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds what was probably meant, if anything was.
    pub(super) fn meant(mut self, meant: Option<impl fmt::Display>) -> Self {
        self.help = meant.map(|meant| format!("did you mean `{meant}`?")).or(self.help);
        self
    }

    /// The file, the line and the column that it is about, where it is about one.
    pub fn place(&self) -> Option<(&Path, usize, usize)> {
        match &self.origin {
            Origin::File(source, span) => {
                let (line, column) = source.position(span.start);
                Some((&source.path, line, column))
            }
            Origin::Whole(path) => Some((path, 1, 1)),
            Origin::Default | Origin::Variable(_) | Origin::Flag(_) => None,
        }
    }

    /// The file and the place in it, where the file's text may be shown.
    fn excerpt(&self) -> Option<(&String, Range<usize>)> {
        match &self.origin {
            Origin::File(source, span) => source.excerpt.as_ref().map(|excerpt| (excerpt, span.clone())),
            _ => None,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::File(source, span) => {
                let (line, column) = source.position(span.start);
                write!(f, "{}:{line}:{column}: ", source.path.display())?;
            }
            Origin::Variable(name) => write!(f, "environment variable {name}: ")?,
            Origin::Flag(name) => write!(f, "option {name}: ")?,
            Origin::Whole(path) => write!(f, "{}: ", path.display())?,
            Origin::Default => {}
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

impl Diagnostic for Problem {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.excerpt().map(|(source, _)| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let (_, span) = self.excerpt()?;
        Some(Box::new(std::iter::once(LabeledSpan::underline(span))))
    }
}

/// Everything that is wrong with a configuration.
///
/// Rendered with `miette` it shows each problem with an excerpt of its file; printed plainly it tells a
/// single problem, or how many there are. No value of a secret is ever in it.
#[derive(Debug)]
pub struct ConfigError {
    problems: Vec<Problem>,
    untold: usize,
}

impl ConfigError {
    /// What is wrong, in the order of the files.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// A check that failed and did not say why: a bug, and still no reason to start.
    pub(super) fn unexplained() -> Self {
        let message = "the configuration is invalid, for a reason that the check failed to tell: please report this";
        Self { problems: vec![Problem::new(Origin::Default, message)], untold: 0 }
    }

    /// The problem, if it is the only one: it then needs no heading.
    fn only(&self) -> Option<&Problem> {
        if let [only] = &self.problems[..] { Some(only) } else { None }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = self.problems.len();
        match (self.only(), self.untold) {
            (Some(problem), 0) => problem.fmt(f),
            (_, 0) => write!(f, "the configuration has {told} problems"),
            (_, untold) => write!(f, "the configuration has {} problems; the first {told}:", told + untold),
        }
    }
}

impl std::error::Error for ConfigError {}

impl Diagnostic for ConfigError {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.only()?.help()
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.only()?.source_code()
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.only()?.labels()
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        let several = if self.only().is_some() { &[] } else { &self.problems[..] };
        Some(Box::new(several.iter().map(|problem| problem as &dyn Diagnostic)))
    }
}

/// The files read and the problems found so far.
#[derive(Debug, Default)]
pub(super) struct Problems {
    found: Vec<Problem>,
    sources: Vec<Arc<Source>>,
}

impl Problems {
    /// A file whose lines may be shown, unless one of them seems to set a secret where none belongs.
    pub(super) fn open(&mut self, path: &Path, text: &str) -> Arc<Source> {
        let excerpt = (!text.lines().any(sets_a_secret)).then(|| text.to_owned());
        self.register(path, text, excerpt)
    }

    /// A file that holds secrets: problems name the place, and show nothing of it.
    pub(super) fn open_confidential(&mut self, path: &Path, text: &str) -> Arc<Source> {
        self.register(path, text, None)
    }

    fn register(&mut self, path: &Path, text: &str, excerpt: Option<String>) -> Arc<Source> {
        let newlines = memchr::memchr_iter(b'\n', text.as_bytes());
        let lines = std::iter::once(0).chain(newlines.map(|newline| newline + 1)).collect();
        let source = Arc::new(Source { path: path.to_owned(), excerpt, lines });
        self.sources.push(Arc::clone(&source));
        source
    }

    pub(super) fn add(&mut self, problem: Problem) {
        self.found.push(problem);
    }

    pub(super) fn count(&self) -> usize {
        self.found.len()
    }

    /// Leaves out what was found so far: it is not what was asked for. The files stay, for what is found from now on.
    pub(super) fn forget(&mut self) {
        self.found.clear();
    }

    /// The error, if anything is wrong.
    pub(super) fn into_result(mut self) -> Result<(), ConfigError> {
        if self.found.is_empty() {
            return Ok(());
        }
        self.found.sort_by_key(|problem| match &problem.origin {
            Origin::File(source, span) => {
                let file = self.sources.iter().position(|known| Arc::ptr_eq(known, source));
                (problem.origin.rank(), file, span.start)
            }
            origin => (origin.rank(), None, 0),
        });
        let untold = self.found.len().saturating_sub(TOLD);
        self.found.truncate(TOLD);
        Err(ConfigError { problems: self.found, untold })
    }
}

/// Text of the user, fit for a message: one line, bounded.
pub(super) fn shown(text: &str) -> String {
    const LONGEST: usize = 80;
    let mut shown: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}

/// The candidate that `word` probably meant.
pub(super) fn did_you_mean<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    // One slip in three letters: `adress` and `lsiten` are slips, `tls` for `url` is another word.
    let allowed = (word.chars().count() / 3).clamp(1, 4);
    let word = word.to_ascii_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&word, &candidate.to_ascii_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

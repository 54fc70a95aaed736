//! What is wrong with a policy, told so that its author can mend it.

use super::code::{Code, SUITE, Severity};
use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};
use serde::Serialize;
use std::{fmt, ops::Range, sync::Arc};

/// How many problems are shown in full; all of them are counted, and all are in [`LoadError::problems`].
const SHOWN: usize = 50;

/// One thing wrong with the policies, as plain data and as a [`miette::Diagnostic`] that shows the line.
#[derive(Debug, Clone, Serialize)]
pub struct Problem {
    /// What kind of problem.
    pub code: &'static Code,
    /// Where; nothing when it is the policies as a whole.
    #[serde(flatten)]
    pub place: Option<Place>,
    /// The `@id` of the policy, where it has a usable one.
    pub policy: Option<Arc<str>>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    #[serde(skip)]
    mark: Option<Box<Mark>>,
}

/// A place in a policy file.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Place {
    /// The file, as the user named it.
    pub file: Arc<str>,
    /// The line, counted from 1.
    pub line: usize,
    /// The column, counted from 1 in characters.
    pub column: usize,
    /// The line itself, cut where it is very long.
    pub source: String,
}

/// What to underline in the source.
#[derive(Debug, Clone)]
struct Mark {
    source: NamedSource<Arc<str>>,
    span: Range<usize>,
}

impl Problem {
    /// A problem of the policies as a whole.
    pub fn general(code: &'static Code, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { code, place: None, policy: None, message: message.into(), help: Some(help.into()), mark: None }
    }

    /// A problem of a suite of tests, at a line and a column, both counted from 1; at its start where they are 0.
    pub fn at(file: &str, text: &str, line: usize, column: usize, message: impl Into<String>) -> Self {
        let source = Source::new(file, text);
        let start = source.line_starts.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let line = &text[start..];
        let line = &line[..line.find('\n').unwrap_or(line.len())];
        let before: usize = line.chars().take(column.saturating_sub(1)).map(char::len_utf8).sum();
        let length = line.trim_end().len().saturating_sub(before).max(1);
        source.problem(&SUITE, start + before..start + before + length, message)
    }

    /// The same problem, with what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Where what is marked ends, for tools that show a range: the line and the column after its last character.
    pub fn end(&self) -> Option<(usize, usize)> {
        let mark = self.mark.as_ref()?;
        let before = mark.source.inner().get(..mark.span.end)?;
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Some((1 + before.matches('\n').count(), 1 + before[line_start..].chars().count()))
    }

    /// Line and column, for sorting within a file.
    pub(super) fn position(&self) -> Option<(usize, usize)> {
        self.place.as_ref().map(|place| (place.line, place.column))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(policy) = &self.policy {
            write!(f, "policy `{policy}`: ")?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

impl Diagnostic for Problem {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.code))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.code.severity {
            Severity::Note => miette::Severity::Advice,
            Severity::Warning => miette::Severity::Warning,
            Severity::Error => miette::Severity::Error,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.mark.as_ref().map(|mark| &mark.source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let mark = self.mark.as_ref()?;
        let span = LabeledSpan::new(None, mark.span.start, mark.span.len());
        Some(Box::new(std::iter::once(span)))
    }
}

/// Why policies could not be loaded: every problem in every file.
#[derive(Debug, Clone)]
pub struct LoadError {
    problems: Vec<Problem>,
}

impl LoadError {
    /// Of these problems.
    pub fn new(problems: Vec<Problem>) -> Self {
        Self { problems }
    }

    /// Every problem, in the order of the files and of the places in them.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

/// In one line, for a log: how many problems there are, and the first of them with its place.
impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.len() {
            1 => f.write_str("1 problem in the policies")?,
            n => write!(f, "{n} problems in the policies")?,
        }
        if self.problems.len() > SHOWN {
            write!(f, ", of which {SHOWN} are shown")?;
        }
        if let Some(first) = self.problems.first() {
            f.write_str(": ")?;
            if let Some(Place { file, line, column, .. }) = &first.place {
                write!(f, "{file}:{line}:{column}: ")?;
            }
            write!(f, "{first}")?;
        }
        Ok(())
    }
}

impl std::error::Error for LoadError {}

impl Diagnostic for LoadError {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new("nothing was loaded: mend all of them and load again"))
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        Some(Box::new(self.problems.iter().take(SHOWN).map(|problem| problem as &dyn Diagnostic)))
    }
}

/// A policy file in memory, which can say where an offset lies.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) name: Arc<str>,
    pub(super) text: Arc<str>,
    line_starts: Vec<usize>,
}

impl Source {
    pub(super) fn new(name: &str, text: &str) -> Self {
        let line_starts =
            std::iter::once(0).chain(memchr::memchr_iter(b'\n', text.as_bytes()).map(|i| i + 1)).collect();
        Self { name: name.into(), text: text.into(), line_starts }
    }

    /// Line and column of a byte offset, both counted from 1, the column in characters.
    pub(super) fn position(&self, offset: usize) -> (usize, usize) {
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let start = self.line_starts[line - 1];
        let column = self.text.get(start..offset).map_or(offset - start, |before| before.chars().count());
        (line, column + 1)
    }

    /// The line that holds a byte offset, cut after 200 characters.
    fn line(&self, offset: usize) -> String {
        let number = self.line_starts.partition_point(|start| *start <= offset);
        let start = self.line_starts[number - 1];
        let end = self.line_starts.get(number).map_or(self.text.len(), |next| next - 1);
        self.text[start..end].trim_end_matches('\r').chars().take(200).collect()
    }

    /// A problem at a range of bytes of this file.
    pub(super) fn problem(&self, code: &'static Code, span: Range<usize>, message: impl Into<String>) -> Problem {
        let start = span.start.min(self.text.len());
        let span = start..span.end.clamp(start, self.text.len());
        let (line, column) = self.position(start);
        Problem {
            code,
            place: Some(Place { file: Arc::clone(&self.name), line, column, source: self.line(start) }),
            policy: None,
            message: message.into(),
            help: None,
            mark: Some(Box::new(Mark { source: NamedSource::new(&self.name, Arc::clone(&self.text)), span })),
        }
    }
}

/// The candidate that `word` was most likely meant to be, if one is near enough to be worth a suggestion.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()), candidate))
        .min()
        .filter(|(distance, candidate)| *distance <= (candidate.len() / 3).max(1))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::super::code::SYNTAX;
    use super::*;

    #[test]
    fn an_offset_is_a_line_and_a_column_in_characters() {
        let source = Source::new("a.cedar", "é = 1\r\n\nlast");
        for (offset, position) in [(0, (1, 1)), (2, (1, 2)), (3, (1, 3)), (8, (2, 1)), (9, (3, 1)), (13, (3, 5))] {
            assert_eq!(source.position(offset), position, "{offset}");
        }
        assert_eq!(source.line(3), "é = 1");
        assert_eq!(source.line(8), "");
        assert_eq!(source.line(13), "last");
    }

    #[test]
    fn a_span_never_leaves_the_text() {
        let problem = Source::new("a.cedar", "ab").problem(&SYNTAX, 7..9, "beyond");
        assert_eq!(problem.place.map(|place| (place.line, place.column)), Some((1, 3)));
    }

    #[test]
    fn a_suggestion_is_near() {
        let names = ["id", "enforce", "advice", "shadow", "doc"];
        for (word, near) in [("Id", Some("id")), ("enforced", Some("enforce")), ("advise", Some("advice"))] {
            assert_eq!(nearest(word, names), near, "{word}");
        }
        assert_eq!(nearest("message", names), None);
    }
}

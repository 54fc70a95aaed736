//! What the program prints, and how it ends.

use crate::{config::ConfigError, workbench::Paint};
use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme};
use serde::Serialize;
use std::{
    fmt,
    io::{self, ErrorKind, IsTerminal, Write},
    process::ExitCode,
};

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: as it should.
    Fine,
    /// 1: something broke: a file, a socket, a bug.
    Broke,
    /// 2: what was tested failed its test.
    Failed,
    /// 3: the configuration or a policy is invalid.
    Invalid,
    /// 64: the command line is wrong (`EX_USAGE` of `sysexits.h`).
    Usage,
}

impl Exit {
    /// The number.
    pub const fn code(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::Broke => 1,
            Self::Failed => 2,
            Self::Invalid => 3,
            Self::Usage => 64,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a verb did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The configuration, or a policy, is invalid. Shown with its excerpts.
    #[error("{0}")]
    Invalid(Box<dyn Diagnostic + Send + Sync>),
    /// Something broke; what, and what to do.
    #[error("{0}")]
    Broke(String),
    /// What was to be printed could not be.
    #[error("cannot print: {0}")]
    Output(#[from] io::Error),
}

impl Failure {
    /// Something broke.
    pub(super) fn broke(error: impl fmt::Display) -> Self {
        Self::Broke(error.to_string())
    }

    /// What was given is invalid, and has no excerpt to show.
    pub(super) fn invalid(error: impl fmt::Display) -> Self {
        Self::Invalid(miette::miette!("{error}").into())
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Invalid(Box::new(error))
    }
}

/// The only way to standard output and standard error.
pub struct Printer {
    out: Box<dyn Write>,
    err: Box<dyn Write>,
    reports: GraphicalReportHandler,
    paint: Paint,
}

impl fmt::Debug for Printer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Printer").finish_non_exhaustive()
    }
}

impl Printer {
    /// To the process's own standard output and standard error; in colour on a terminal, unless `NO_COLOR` is set.
    pub fn standard() -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let colour = io::stderr().is_terminal() && !plain;
        let printer = Self::new(Box::new(io::stdout()), Box::new(io::stderr()), colour);
        Self { paint: Paint::new(io::stdout().is_terminal() && !plain), ..printer }
    }

    /// To anywhere.
    pub fn new(out: Box<dyn Write>, err: Box<dyn Write>, colour: bool) -> Self {
        let theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
        let reports =
            GraphicalReportHandler::new_themed(theme).with_links(false).with_width(120).with_break_words(false);
        Self { out, err, reports, paint: Paint::new(colour) }
    }

    /// The colours of what is printed on standard output, or none.
    pub fn paint(&self) -> Paint {
        self.paint
    }

    /// Prints a value as one JSON document.
    pub fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        let mut text = serde_json::to_string_pretty(value).map_err(io::Error::from)?;
        text.push('\n');
        self.out(&text)
    }

    /// Prints what was asked for; `text` brings its own newline.
    pub fn out(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }

    /// Prints about what was asked for; `text` brings its own newline.
    pub fn err(&mut self, text: &str) -> io::Result<()> {
        self.err.write_all(text.as_bytes())?;
        self.err.flush()
    }

    /// Prints a problem with its excerpt, about what was asked for.
    pub fn report(&mut self, diagnostic: &dyn Diagnostic) -> io::Result<()> {
        let mut report = String::new();
        let rendered = self.reports.render_report(&mut report, diagnostic);
        // Formatting into a string fails only by a bug of a `Display`; the plain message is better than none.
        let report = rendered.map_or_else(|_| format!("{diagnostic}\n"), |()| report);
        self.err(&format!("{report}\n"))
    }

    /// Prints a warning.
    pub fn warn(&mut self, text: &str) -> io::Result<()> {
        self.err(&format!("warning: {text}\n"))
    }

    /// Tells a failure, and what to end with. Whoever reads our output may stop early (`findings-gate check | head -1`):
    /// that is no failure of ours.
    pub fn finish(&mut self, result: Result<Exit, Failure>) -> Exit {
        let (told, exit) = match result {
            Ok(exit) => return exit,
            Err(Failure::Output(error)) if error.kind() == ErrorKind::BrokenPipe => return Exit::Fine,
            Err(Failure::Invalid(diagnostic)) => {
                let mut report = String::new();
                let rendered = self.reports.render_report(&mut report, &*diagnostic);
                // Formatting into a string fails only by a bug of a `Display`; the plain message is better than none.
                let report = rendered.map_or_else(|_| format!("Error: {diagnostic}\n"), |()| report);
                (self.err(&report), Exit::Invalid)
            }
            Err(failure) => (self.err(&format!("Error: {failure}\n")), Exit::Broke),
        };
        // Where standard error is gone too, the exit code is all that is left to tell.
        drop(told);
        exit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_stops_early_is_no_failure() {
        let mut printer = Printer::new(Box::new(Closed), Box::new(io::sink()), false);
        let result = printer.out("text\n").map(|()| Exit::Failed).map_err(Failure::from);
        assert_eq!(printer.finish(result), Exit::Fine);
    }

    #[test]
    fn what_breaks_ends_with_its_code_even_where_nobody_listens() {
        let mut printer = Printer::new(Box::new(Closed), Box::new(Closed), false);
        assert_eq!(printer.finish(Err(Failure::Broke("no disk".into()))), Exit::Broke);
        let full = io::Error::from(ErrorKind::StorageFull);
        assert_eq!(printer.finish(Err(full.into())), Exit::Broke);
        assert_eq!(printer.finish(Ok(Exit::Failed)), Exit::Failed);
    }
}

//! The lines of a log, for verbs that search it.

use crate::{
    audit::{
        Line, VERSION,
        read::{Files, Item, Lines, Place, ReadError},
    },
    cli::{Failure, Printer},
};
use std::path::Path;

/// Reads the lines that can be read, and counts the others.
///
/// That a line is as it was written is for `audit verify` to say.
#[derive(Debug)]
pub(in crate::cli) struct Reading {
    lines: Lines,
    unreadable: u64,
    first: Option<(Place, String)>,
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        Self::broke(error)
    }
}

impl Reading {
    /// Of these files, directories, or `-`.
    pub(in crate::cli) fn of<P: AsRef<Path>>(paths: &[P]) -> Result<Self, Failure> {
        Ok(Self { lines: Lines::of(Files::find(paths)?), unreadable: 0, first: None })
    }

    /// Hands over each line that may be `wanted` by its text, with its text and its place, until `take` says that it is enough.
    pub(in crate::cli) fn each(
        &mut self,
        wanted: impl Fn(&str) -> bool,
        mut take: impl FnMut(&Line<'_>, &str, &Place) -> Result<bool, Failure>,
    ) -> Result<(), Failure> {
        loop {
            let (place, text) = match self.lines.next()? {
                None => return Ok(()),
                Some(Item::Line { place, text }) => (place, text),
                Some(Item::Torn { more_follows: false, .. }) => continue,
                Some(Item::Torn { place, .. } | Item::TooLong { place }) => {
                    self.unreadable += 1;
                    self.first.get_or_insert((place, "it is torn, or too long".to_owned()));
                    continue;
                }
            };
            let read = std::str::from_utf8(text).map_err(|_| "it is not UTF-8".to_owned()).and_then(|text| {
                if !wanted(text) {
                    return Ok(None);
                }
                let line: Line<'_> = serde_json::from_str(text).map_err(|error| error.to_string())?;
                if line.version == VERSION {
                    Ok(Some((line, text)))
                } else {
                    Err(format!(
                        "it is of version {} of the format; this program reads version {VERSION}",
                        line.version
                    ))
                }
            });
            match read {
                Ok(None) => {}
                Ok(Some((line, text))) => {
                    if !take(&line, text, &place)? {
                        return Ok(());
                    }
                }
                Err(why) => {
                    self.unreadable += 1;
                    self.first.get_or_insert((place, why));
                }
            }
        }
    }

    /// Warns of what could not be read. Answers whether there was any.
    pub(in crate::cli) fn warn(&self, printer: &mut Printer) -> Result<bool, Failure> {
        let Some((place, why)) = &self.first else { return Ok(false) };
        let count = self.unreadable;
        let lines = if count == 1 { "1 line".to_owned() } else { format!("{count} lines") };
        printer.warn(&format!(
            "{lines} could not be read, the first at {place}: {why}; `findings-gate audit verify` tells all of them"
        ))?;
        Ok(true)
    }
}

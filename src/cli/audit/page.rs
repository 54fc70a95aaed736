//! Output that is collected before it is printed: a line at a time costs a call of the system each.

use crate::cli::{Failure, Printer};

/// Bytes that are printed at once.
const PAGE: usize = 32 << 10;

/// Collects output.
#[derive(Debug, Default)]
pub(super) struct Page(String);

impl Page {
    /// Adds a line, without its line feed.
    pub(super) fn line(&mut self, line: &str, printer: &mut Printer) -> Result<(), Failure> {
        self.0.push_str(line);
        self.0.push('\n');
        if self.0.len() >= PAGE { self.print(printer) } else { Ok(()) }
    }

    /// Prints what is left.
    pub(super) fn print(&mut self, printer: &mut Printer) -> Result<(), Failure> {
        if !self.0.is_empty() {
            printer.out(&self.0)?;
            self.0.clear();
        }
        Ok(())
    }
}

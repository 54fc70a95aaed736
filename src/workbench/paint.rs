//! Colours of what people read, where they can see them.

use anstyle::{AnsiColor, Effects, Style};
use std::fmt::{self, Display};

/// Colours, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paint {
    on: bool,
}

impl Paint {
    /// No colours.
    pub const PLAIN: Self = Self { on: false };

    /// Colours if `on`.
    pub const fn new(on: bool) -> Self {
        Self { on }
    }

    /// What is as it should be.
    pub fn good<T: Display>(self, text: T) -> Painted<T> {
        self.with(AnsiColor::Green.on_default(), text)
    }

    /// What is not as it should be.
    pub fn bad<T: Display>(self, text: T) -> Painted<T> {
        self.with(AnsiColor::Red.on_default(), text)
    }

    /// What may not be as it should be.
    pub fn doubtful<T: Display>(self, text: T) -> Painted<T> {
        self.with(AnsiColor::Yellow.on_default(), text)
    }

    /// What matters less.
    pub fn faint<T: Display>(self, text: T) -> Painted<T> {
        self.with(Style::new().effects(Effects::DIMMED), text)
    }

    /// What matters more.
    pub fn strong<T: Display>(self, text: T) -> Painted<T> {
        self.with(Style::new().effects(Effects::BOLD), text)
    }

    fn with<T: Display>(self, style: Style, text: T) -> Painted<T> {
        Painted { style: if self.on { style } else { Style::new() }, text }
    }
}

/// A text in a colour.
#[derive(Debug, Clone, Copy)]
pub struct Painted<T> {
    style: Style,
    text: T,
}

impl<T: Display> Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.style)?;
        self.text.fmt(f)?;
        write!(f, "{:#}", self.style)
    }
}

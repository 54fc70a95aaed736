//! Arguments that several verbs share, and how their values are read.

use crate::{
    config::{Level, Url},
    finding::{Enforcement, Role},
};
use clap::{Args, ValueEnum, builder::PossibleValue};
use std::{net::SocketAddr, path::PathBuf};

const AN_ADDRESS: &str = "expected an IP address and a port, such as `127.0.0.1:8080` or `[::1]:8080`";

/// Which configuration.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// The configuration file
    ///
    /// Every key in it may be overridden by an environment variable: `listen.address` by
    /// FINDINGS_GATE__LISTEN__ADDRESS. Paths in the file are relative to the file.
    #[arg(long, value_name = "FILE", default_value = "findings-gate.toml")]
    pub config: PathBuf,
}

/// How a result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Human,
    /// One JSON object, whose members stay as they are
    Json,
}

// What the gate has a closed list of is one for the command line, too: `--help` lists it, and shells complete it.

impl ValueEnum for Role {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Administrator, Self::Member]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.as_str()))
    }
}

impl ValueEnum for Enforcement {
    fn value_variants<'a>() -> &'a [Self] {
        Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let does = match self {
            Self::Strip => "The field is taken out; the rest of the update goes through",
            Self::Reject => "The finding is not updated at all; the others are",
            Self::Refuse => "The whole call is refused, and nothing is forwarded",
        };
        Some(PossibleValue::new(self.as_str()).help(does))
    }
}

/// An address to listen on; the text is kept, for it is checked once more with the rest of the configuration.
pub(super) fn address(text: &str) -> Result<String, &'static str> {
    socket(text).map(|_| text.to_owned())
}

/// An address to listen on.
pub(super) fn socket(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| AN_ADDRESS)
}

/// `aws`, `embedded`, or the URL of a backend.
pub(super) fn upstream(text: &str) -> Result<String, String> {
    if matches!(text, "aws" | "embedded") {
        return Ok(text.to_owned());
    }
    let url = text.replace("{region}", "eu-west-1").parse::<Url>();
    url.map(|_| text.to_owned()).map_err(|expected| format!("expected `aws`, `embedded`, or {expected}"))
}

/// The URL of a gate.
pub(super) fn endpoint(text: &str) -> Result<http::Uri, String> {
    text.parse::<Url>().map(|url| url.uri().clone()).map_err(|expected| format!("expected {expected}"))
}

/// A log level or directives.
pub(super) fn level(text: &str) -> Result<String, String> {
    text.parse::<Level>().map(|_| text.to_owned()).map_err(|expected| format!("expected {expected}"))
}

//! One thing that is told, for programs.

use crate::{
    config,
    policy::{CONFIGURATION, Code, Problem},
};
use miette::Diagnostic;
use serde::Serialize;
use std::sync::Arc;

/// What is wrong or doubtful, where, and what to do.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Told {
    pub(super) code: &'static Code,
    pub(super) severity: &'static str,
    #[serde(flatten)]
    pub(super) place: Option<Region>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) policy: Option<Arc<str>>,
    pub(super) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) help: Option<String>,
}

/// A range of a file; lines and columns are counted from 1, the end is behind the last character.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Region {
    pub(super) file: String,
    pub(super) line: usize,
    pub(super) column: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) end_line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) end_column: Option<usize>,
}

impl Told {
    fn new(code: &'static Code, message: String) -> Self {
        Self { code, severity: code.severity.as_str(), place: None, policy: None, message, help: None }
    }

    /// A problem of policies.
    pub(super) fn of(problem: &Problem) -> Self {
        let (end_line, end_column) = problem.end().unzip();
        let place = problem.place.as_ref().map(|place| Region {
            file: place.file.to_string(),
            line: place.line,
            column: place.column,
            end_line,
            end_column,
        });
        let (policy, help) = (problem.policy.clone(), problem.help.clone());
        Self { place, policy, help, ..Self::new(problem.code, problem.message.clone()) }
    }

    /// A problem of the configuration.
    pub(super) fn of_configuration(problem: &config::Problem) -> Self {
        let place = problem.place().map(|(file, line, column)| Region {
            file: file.display().to_string(),
            line,
            column,
            end_line: None,
            end_column: None,
        });
        let help = problem.help().map(|help| help.to_string());
        Self { place, help, ..Self::new(&CONFIGURATION, problem.to_string()) }
    }

    /// Anything else that is wrong.
    pub(super) fn of_diagnostic(diagnostic: &dyn Diagnostic) -> Self {
        let help = diagnostic.help().map(|help| help.to_string());
        Self { help, ..Self::of_message(diagnostic.to_string()) }
    }

    /// What has nothing but a message.
    pub(super) fn of_message(message: String) -> Self {
        Self::new(&CONFIGURATION, message)
    }

    /// What is doubtful as a whole.
    pub(super) fn of_doubt(code: &'static Code, message: String) -> Self {
        Self::new(code, message)
    }

    /// The message, with the policy's name and what to do.
    pub(super) fn text(&self, between: &str) -> String {
        let policy = self.policy.as_ref().map(|policy| format!("policy `{policy}`: ")).unwrap_or_default();
        let help = self.help.as_ref().map(|help| format!("{between}{help}")).unwrap_or_default();
        format!("{policy}{}{help}", self.message)
    }
}

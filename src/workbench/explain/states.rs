//! Findings as they are, for an explanation that depends on them.

use super::report::StateLook;
use crate::{
    finding::{AccountId, Document, Identifier, State},
    gate::Known,
    workbench::FindingFixture,
};
use serde_json::Value;
use std::collections::HashMap;

/// What the backend would say of the findings of a request.
#[derive(Debug, Clone, Default)]
pub enum States {
    /// Nothing: it is as if each look-up failed.
    #[default]
    NotGiven,
    /// Each finding is a plain one of the account that its name proves to own it, or else of the caller's: of severity MEDIUM,
    /// its workflow NEW, with nothing that a finding need not have.
    Plain,
    /// These it has, by ProductArn and Id, and no other.
    Given(HashMap<(String, String), State>),
}

/// Why a document holds no findings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct InvalidStates {
    /// Where in the document.
    pub path: String,
    /// What is there, and what was expected.
    pub problem: String,
}

impl States {
    /// Reads findings in the AWS Security Finding Format: what GetFindings answers with, or the list alone.
    ///
    /// # Errors
    ///
    /// The first place where it is no list of findings that can be judged by; or two of the same ProductArn and Id.
    pub fn parse(text: &[u8]) -> Result<Self, InvalidStates> {
        let invalid = |path: &str, problem: String| InvalidStates { path: path.to_owned(), problem };
        let list = text.trim_ascii_start().starts_with(b"[");
        // A list alone is read as the member that it would be, so that no name may come twice in it either.
        let wrapped = list.then(|| [&b"{\"Findings\":"[..], text, b"}"].concat());
        let document = Document::parse(wrapped.as_deref().unwrap_or(text));
        let mut members = document.map_err(|error| invalid("findings", error.to_string()))?.into_members();
        let expected = "expected a list of findings, as GetFindings answers with";
        let Some(Value::Array(findings)) = members.remove("Findings") else {
            return Err(invalid("Findings", expected.to_owned()));
        };
        let mut given = HashMap::with_capacity(findings.len());
        for (place, finding) in findings.iter().enumerate() {
            let path = format!("Findings[{place}]");
            let Value::Object(members) = finding else { return Err(invalid(&path, "expected an object".to_owned())) };
            let text = |name: &str| match members.get(name) {
                Some(Value::String(text)) => Ok(text.clone()),
                _ => Err(invalid(&format!("{path}.{name}"), "expected a string: it names the finding".to_owned())),
            };
            let key = (text("ProductArn")?, text("Id")?);
            let state = State::parse(members)
                .map_err(|error| invalid(&format!("{path}.{}", error.path), error.problem.to_owned()))?;
            if given.insert(key, state).is_some() {
                let problem = "a finding of this ProductArn and Id came before: one pair names one finding";
                return Err(invalid(&path, problem.to_owned()));
            }
        }
        Ok(Self::Given(given))
    }

    /// What a look-up of this finding finds.
    pub(super) fn find(&self, identifier: &Identifier<'_>, caller: AccountId) -> Found {
        match self {
            Self::NotGiven => Found::NotGiven,
            Self::Plain => Found::Plain(Box::new(FindingFixture::plain(identifier.owner().unwrap_or(caller)).state())),
            Self::Given(given) => given
                .get(&(identifier.product_arn.to_string(), identifier.id.to_string()))
                .map_or(Found::Missing, |state| Found::Given(Box::new(state.clone()))),
        }
    }
}

/// What a look-up found, or that none was needed.
pub(super) enum Found {
    NotNeeded,
    NotGiven,
    Missing,
    Plain(Box<State>),
    Given(Box<State>),
}

impl Found {
    pub(super) fn known(&self) -> Known<'_> {
        match self {
            Self::NotNeeded | Self::NotGiven => Known::Nothing,
            Self::Missing => Known::Missing,
            Self::Plain(state) | Self::Given(state) => Known::State(state),
        }
    }

    pub(super) const fn look(&self) -> StateLook {
        match self {
            Self::NotNeeded => StateLook::NotNeeded,
            Self::NotGiven => StateLook::NotGiven,
            Self::Missing => StateLook::Missing,
            Self::Plain(_) => StateLook::Plain,
            Self::Given(_) => StateLook::Given,
        }
    }

    /// Whose the backend says the finding is.
    pub(super) fn account(&self) -> Option<AccountId> {
        match self {
            Self::Plain(state) | Self::Given(state) => Some(state.account),
            _ => None,
        }
    }
}

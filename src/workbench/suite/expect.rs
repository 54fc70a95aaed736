//! What is expected of an answer, and where the answer differs.

use super::Mismatch;
use crate::{
    finding::{Action, Enforcement, Field},
    policy::{Answer, Reason},
    workbench::{Answered, Decided, Outcome},
};
use std::{
    collections::BTreeSet,
    fmt::{self, Write as _},
    sync::Arc,
};

/// What is expected of an answer. What is not said is not looked at.
#[derive(Debug, Clone, Default)]
pub struct Expectation {
    /// What becomes of the finding.
    pub outcome: Option<Outcome>,
    /// The policies that deny any of its changes, together and exactly; `no-grant` where none permits.
    pub by: Option<BTreeSet<String>>,
    /// The fields that reach the backend, exactly.
    pub kept: Option<BTreeSet<Field>>,
    /// Whether the finding has to be looked up.
    pub lookup: Option<bool>,
    /// What is expected of single changes.
    pub changes: Vec<(ChangeName, ChangeExpectation)>,
}

/// Which change: all of an action, or one element's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeName {
    action: Action,
    element: Option<String>,
}

/// What is expected of a change.
#[derive(Debug, Clone, Default)]
pub struct ChangeExpectation {
    /// The line where it is said.
    pub line: usize,
    /// It is allowed, by these.
    pub allow: Option<Ids>,
    /// It is denied, by these.
    pub deny: Option<Ids>,
    /// It is denied for this reason.
    pub reason: Option<Reason>,
    /// What the caller is advised, in the order of the policies' ids.
    pub advice: Option<Vec<String>>,
    /// What the denial does.
    pub enforcement: Option<Enforcement>,
    /// What would be said if the policies in `@shadow` counted. Nothing: it is not looked at.
    pub shadow: Option<Box<ChangeExpectation>>,
}

/// Which policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ids {
    /// Any.
    Any,
    /// These and no others.
    Exactly(BTreeSet<String>),
    /// These, and perhaps others.
    Contains(BTreeSet<String>),
}

impl Expectation {
    /// Whether nothing is expected.
    pub fn is_empty(&self) -> bool {
        let Self { outcome, by, kept, lookup, changes } = self;
        outcome.is_none() && by.is_none() && kept.is_none() && lookup.is_none() && changes.is_empty()
    }

    /// Every policy that it names, with the line where, if that is known.
    pub(super) fn ids(&self) -> impl Iterator<Item = (&str, Option<usize>)> {
        let of_changes = self.changes.iter().flat_map(|(_, change)| {
            let own = [&change.allow, &change.deny].into_iter().flatten();
            let shadow = change.shadow.iter().flat_map(|shadow| [&shadow.allow, &shadow.deny].into_iter().flatten());
            own.chain(shadow).flat_map(Ids::ids).map(|id| (id, Some(change.line)))
        });
        let by = self.by.iter().flatten().filter(|id| *id != Reason::NoGrant.as_str());
        of_changes.chain(by.map(|id| (id.as_str(), None)))
    }

    /// Where an answer differs from what is expected.
    pub(super) fn mismatches(&self, decided: &Decided) -> Vec<Mismatch> {
        let mut found = Vec::new();
        let denying = || decided.answered.iter().flat_map(|answered| policies(&answered.verdict.enforced)).collect();
        if let Some(outcome) = self.outcome.filter(|outcome| *outcome != decided.outcome) {
            let policies = decided
                .answered
                .iter()
                .filter(|answered| answered.verdict.enforced.denial().is_some())
                .flat_map(|answered| policies(&answered.verdict.enforced))
                .collect();
            found.push(Mismatch::new("outcome", outcome, decided.outcome, policies));
        }
        if let Some(by) = &self.by {
            let got = decided.denied_by();
            if *by != got {
                found.push(Mismatch::new("denied by", list(by), list(&got), denying()));
            }
        }
        if let Some(kept) = &self.kept {
            let got: BTreeSet<Field> = decided.kept.iter().copied().collect();
            if *kept != got {
                found.push(Mismatch::new("kept", list(kept), list(&got), denying()));
            }
        }
        if let Some(lookup) = self.lookup.filter(|lookup| *lookup != decided.looked_up) {
            found.push(Mismatch::new("lookup", lookup, decided.looked_up, Vec::new()));
        }
        for (name, expected) in &self.changes {
            let mut asked = decided.answered.iter().filter(|answered| name.means(answered)).peekable();
            if asked.peek().is_none() {
                let changes: Vec<String> = decided.answered.iter().map(ToString::to_string).collect();
                let got = format!("not asked; asked were {}", list(&changes));
                found.push(Mismatch::new(name, expected, got, Vec::new()));
            }
            for answered in asked {
                found.extend(expected.mismatch(answered));
            }
        }
        found
    }
}

fn policies(answer: &Answer) -> Vec<Arc<str>> {
    match answer {
        Answer::Allowed { by } => by.clone(),
        Answer::Denied(denial) => denial.policies.clone(),
    }
}

impl ChangeExpectation {
    fn mismatch(&self, answered: &Answered) -> Option<Mismatch> {
        let verdict = &answered.verdict;
        let what = &answered.shown;
        if !self.is_met(&verdict.enforced) {
            let got = shown(&verdict.enforced, self.advice.is_some(), self.enforcement.is_some());
            return Some(Mismatch::new(what, self, got, policies(&verdict.enforced)));
        }
        let shadow = self.shadow.as_ref()?;
        let answer = verdict.shadow.as_ref().unwrap_or(&verdict.enforced);
        (!shadow.is_met(answer)).then(|| {
            let got = shown(answer, shadow.advice.is_some(), shadow.enforcement.is_some());
            Mismatch::new(format!("{what}, in shadow"), shadow, got, policies(answer))
        })
    }

    fn is_met(&self, answer: &Answer) -> bool {
        let ids: BTreeSet<&str> = match answer {
            Answer::Allowed { by } => by.iter().map(|id| &**id).collect(),
            Answer::Denied(denial) => denial.policies.iter().map(|id| &**id).collect(),
        };
        match answer {
            Answer::Allowed { .. } => {
                self.allow.as_ref().is_none_or(|allow| allow.are(&ids))
                    && self.deny.is_none()
                    && self.reason.is_none()
                    && self.advice.is_none()
                    && self.enforcement.is_none()
            }
            Answer::Denied(denial) => {
                // Policies that are named are those that forbid, unless another reason is given.
                let forbidden = matches!(self.deny, None | Some(Ids::Any)) || self.reason.is_some();
                self.allow.is_none()
                    && (forbidden || denial.reason == Reason::Forbidden)
                    && self.deny.as_ref().is_none_or(|deny| deny.are(&ids))
                    && self.reason.is_none_or(|reason| reason == denial.reason)
                    && self.enforcement.is_none_or(|enforcement| enforcement == denial.enforcement)
                    && self.advice.as_ref().is_none_or(|advice| {
                        advice.len() == denial.advice.len()
                            && advice.iter().zip(&denial.advice).all(|(expected, got)| **expected == **got)
                    })
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        let Self { line: _, allow, deny, reason, advice, enforcement, shadow } = self;
        allow.is_none()
            && deny.is_none()
            && reason.is_none()
            && advice.is_none()
            && enforcement.is_none()
            && shadow.is_none()
    }
}

impl Ids {
    fn ids(&self) -> impl Iterator<Item = &str> {
        match self {
            Self::Any => None,
            Self::Exactly(ids) | Self::Contains(ids) => Some(ids),
        }
        .into_iter()
        .flatten()
        .map(String::as_str)
    }

    fn are(&self, got: &BTreeSet<&str>) -> bool {
        match self {
            Self::Any => true,
            Self::Exactly(ids) => ids.len() == got.len() && ids.iter().all(|id| got.contains(id.as_str())),
            Self::Contains(ids) => ids.iter().all(|id| got.contains(id.as_str())),
        }
    }
}

impl ChangeName {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (action, element) = match text.split_once('[') {
            Some((action, element)) => (action, Some(element.strip_suffix(']')?.to_owned())),
            None => (text, None),
        };
        Some(Self { action: Action::parse(action)?, element })
    }

    fn means(&self, answered: &Answered) -> bool {
        self.action == answered.action && (self.element.is_none() || self.element == answered.element)
    }
}

// ---- as people read it ----

fn list<T: fmt::Display>(all: impl IntoIterator<Item = T>) -> String {
    let all: Vec<String> = all.into_iter().map(|one| one.to_string()).collect();
    format!("[{}]", all.join(", "))
}

/// An answer in the words of an expectation.
fn shown(answer: &Answer, advice: bool, enforcement: bool) -> String {
    let denial = match answer {
        Answer::Allowed { by } => return format!("allow {}", list(by)),
        Answer::Denied(denial) => denial,
    };
    let mut text = match denial.reason {
        Reason::Forbidden => format!("deny {}", list(&denial.policies)),
        reason if denial.policies.is_empty() => reason.to_string(),
        reason => format!("{reason} {}", list(&denial.policies)),
    };
    if enforcement {
        let _ = write!(text, " ({})", denial.enforcement);
    }
    if advice {
        let _ = write!(text, ", advice {:?}", denial.advice);
    }
    text
}

impl fmt::Display for ChangeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.element {
            Some(element) => write!(f, "{}[{element}]", self.action),
            None => write!(f, "{}", self.action),
        }
    }
}

impl fmt::Display for Ids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => Ok(()),
            Self::Exactly(ids) => write!(f, " {}", list(ids)),
            Self::Contains(ids) => write!(f, " with {}", list(ids)),
        }
    }
}

impl fmt::Display for ChangeExpectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        parts.extend(self.allow.as_ref().map(|ids| format!("allow{ids}")));
        match (&self.reason, &self.deny) {
            (Some(reason), Some(ids)) => parts.push(format!("{reason}{ids}")),
            (Some(reason), None) => parts.push(reason.to_string()),
            (None, Some(ids)) => parts.push(format!("deny{ids}")),
            (None, None) => {}
        }
        let mut text = parts.join(" ");
        text.extend(self.enforcement.iter().map(|enforcement| format!(" ({enforcement})")));
        text.extend(self.advice.iter().map(|advice| format!(", advice {advice:?}")));
        f.write_str(&text)
    }
}

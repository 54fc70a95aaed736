//! What is expected of an answer, and where the answer differs.

use super::Mismatch;
use crate::{
    finding::{Action, Enforcement, Field},
    policy::{Answer, Reason, nearest},
    workbench::{Answered, Decided, Outcome},
};
use serde::{Deserialize, Deserializer, de};
use serde_saphyr::Spanned;
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

const REASONS: [Reason; 4] = [Reason::NoGrant, Reason::OwnerUnknown, Reason::PolicyError, Reason::StateUnavailable];

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

    fn is_empty(&self) -> bool {
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
    fn parse(text: &str) -> Option<Self> {
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

// ---- reading ----

impl<'de> Deserialize<'de> for Expectation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ExpectationReader)
    }
}

struct ExpectationReader;

impl<'de> de::Visitor<'de> for ExpectationReader {
    type Value = Expectation;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with outcome, by, kept, lookup or changes such as Workflow.Status")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Expectation, A::Error> {
        let mut expectation = Expectation::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "outcome" => expectation.outcome = Some(map.next_value()?),
                "by" => expectation.by = Some(map.next_value::<OneOrMore>()?.0),
                "kept" => expectation.kept = Some(map.next_value()?),
                "lookup" => expectation.lookup = Some(map.next_value()?),
                _ => {
                    let Some(name) = ChangeName::parse(&key) else { return Err(unknown(&key)) };
                    let value: Spanned<ChangeExpectation> = map.next_value()?;
                    let line = usize::try_from(value.referenced.line()).unwrap_or(0);
                    expectation.changes.push((name, ChangeExpectation { line, ..value.value }));
                }
            }
        }
        if expectation.is_empty() {
            return Err(de::Error::custom("nothing is expected: such a case could not fail"));
        }
        Ok(expectation)
    }
}

fn unknown<E: de::Error>(key: &str) -> E {
    let actions = Action::ALL.iter().map(|action| action.as_str());
    let action = key.split('[').next().unwrap_or(key);
    let near = nearest(action, actions.clone().chain(["outcome", "by", "kept", "lookup"]));
    let near = near.map(|near| format!(", did you mean `{near}`?")).unwrap_or_default();
    let actions = actions.collect::<Vec<_>>().join(", ");
    E::custom(format_args!("unknown `{key}`{near} expected outcome, by, kept, lookup, or a change: {actions}"))
}

/// One id, or a list of them.
struct OneOrMore(BTreeSet<String>);

impl<'de> Deserialize<'de> for OneOrMore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Ids::deserialize(deserializer)? {
            Ids::Exactly(ids) => Ok(Self(ids)),
            Ids::Any | Ids::Contains(_) => Err(de::Error::custom(
                "`by` is exact: expected a policy id, or a list of them; `contains` belongs to a change, such as \
                 `Workflow.Status: { deny: { contains: [...] } }`",
            )),
        }
    }
}

impl<'de> Deserialize<'de> for Ids {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Containing {
            contains: BTreeSet<String>,
        }
        impl<'de> de::Visitor<'de> for Reader {
            type Value = Ids;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a policy id, a list of them, or an object with contains")
            }

            fn visit_str<E: de::Error>(self, id: &str) -> Result<Ids, E> {
                Ok(Ids::Exactly(BTreeSet::from([id.to_owned()])))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, seq: A) -> Result<Ids, A::Error> {
                BTreeSet::deserialize(de::value::SeqAccessDeserializer::new(seq)).map(Ids::Exactly)
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Ids, A::Error> {
                let Containing { contains } = Containing::deserialize(de::value::MapAccessDeserializer::new(map))?;
                if contains.is_empty() {
                    return Err(de::Error::custom("`contains` names no policy, so it would hold of any"));
                }
                Ok(Ids::Contains(contains))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

impl<'de> Deserialize<'de> for ChangeExpectation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ChangeReader)
    }
}

struct ChangeReader;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangeMembers {
    #[serde(default)]
    allow: Option<Ids>,
    #[serde(default)]
    deny: Option<Ids>,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    advice: Option<Advice>,
    #[serde(default)]
    enforcement: Option<Enforcement>,
    #[serde(default)]
    shadow: Option<Box<ChangeExpectation>>,
}

/// One advice, or a list.
#[derive(Deserialize)]
#[serde(untagged)]
enum Advice {
    One(String),
    Several(Vec<String>),
}

impl<'de> de::Visitor<'de> for ChangeReader {
    type Value = ChangeExpectation;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("allow, deny, no-grant, or an object with allow, deny, reason, advice, enforcement or shadow")
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<ChangeExpectation, E> {
        let nothing = ChangeExpectation::default();
        Ok(match word {
            "allow" => ChangeExpectation { allow: Some(Ids::Any), ..nothing },
            "deny" => ChangeExpectation { deny: Some(Ids::Any), ..nothing },
            _ => ChangeExpectation { reason: Some(reason(word)?), ..nothing },
        })
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<ChangeExpectation, A::Error> {
        let members = ChangeMembers::deserialize(de::value::MapAccessDeserializer::new(map))?;
        let ChangeMembers { allow, deny, reason: why, advice, enforcement, shadow } = members;
        let advice = advice.map(|advice| match advice {
            Advice::One(advice) => vec![advice],
            Advice::Several(advice) => advice,
        });
        let reason = why.as_deref().map(reason).transpose()?;
        let expectation = ChangeExpectation { line: 0, allow, deny, reason, advice, enforcement, shadow };
        if expectation.shadow.as_ref().is_some_and(|shadow| shadow.shadow.is_some()) {
            return Err(de::Error::custom("`shadow` within `shadow`: there is one such answer"));
        }
        if expectation.is_empty() {
            return Err(de::Error::custom("nothing is expected of this change"));
        }
        if expectation.allow.is_some()
            && (expectation.deny.is_some()
                || expectation.reason.is_some()
                || expectation.advice.is_some()
                || expectation.enforcement.is_some())
        {
            return Err(de::Error::custom("a change is allowed or denied: `allow` stands alone"));
        }
        Ok(expectation)
    }
}

fn reason<E: de::Error>(word: &str) -> Result<Reason, E> {
    REASONS.into_iter().find(|reason| reason.as_str() == word).ok_or_else(|| {
        let words = REASONS.map(Reason::as_str).join(", ");
        E::custom(format_args!("got `{word}`, expected allow, deny, {words}, or an object"))
    })
}

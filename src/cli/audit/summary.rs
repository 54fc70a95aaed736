//! A record in a few words.

use crate::audit::{Answered, Finding, Outcome, Request, Ruling, Verdict, Word};
use std::{borrow::Cow, fmt::Write as _};

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Became {
    /// Nothing of it was denied.
    Allowed,
    /// Some of it went through, and some was denied.
    Partly,
    /// All of it was denied.
    Denied,
    /// It was no request that could be decided, or the backend failed.
    Failed,
}

impl Became {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Partly => "partly",
            Self::Denied => "denied",
            Self::Failed => "failed",
        }
    }

    pub(super) fn of(request: &Request<'_>) -> Self {
        let status = request.answer.status;
        if status == 403 {
            return Self::Denied;
        }
        if status >= 400 {
            return Self::Failed;
        }
        let fates = || request.findings.iter().map(|finding| of_finding(request, finding));
        if fates().all(|fate| fate == Self::Allowed) {
            Self::Allowed
        } else if fates().all(|fate| fate == Self::Denied) {
            Self::Denied
        } else {
            Self::Partly
        }
    }
}

/// What the gate made of one finding. What the backend made of it afterwards is its outcome.
fn of_finding(request: &Request<'_>, finding: &Finding<'_>) -> Became {
    match (ruling(request, finding), finding.outcome) {
        (Some(Ruling { enforcement: None, .. }), _) | (None, Outcome::Processed) => Became::Allowed,
        (Some(Ruling { enforcement: Some(enforcement), kept, .. }), _) => {
            if enforcement == "strip" && !kept.is_empty() { Became::Partly } else { Became::Denied }
        }
        (None, Outcome::PartlyProcessed) => Became::Partly,
        (None, Outcome::Unprocessed) => Became::Denied,
    }
}

/// What the policies said of a finding, if they were asked.
pub(super) fn ruling<'r, 'a>(request: &'r Request<'a>, finding: &Finding<'_>) -> Option<&'r Ruling<'a>> {
    request.rulings.get(finding.ruling?)
}

/// `Types[a/b]`
pub(super) fn change(verdict: &Verdict<'_>) -> String {
    match &verdict.element {
        Some(element) => format!("{}[{}]", clean(&verdict.action), clean(element)),
        None => clean(&verdict.action).into_owned(),
    }
}

/// `allow`, `strip`: what it does.
pub(super) fn does<'a>(answered: &'a Answered<'_>) -> Cow<'a, str> {
    match (answered.verdict, &answered.enforcement) {
        (Word::Allowed, _) => "allow".into(),
        (Word::Denied, Some(enforcement)) => clean(enforcement),
        (Word::Denied, None) => "deny".into(),
    }
}

/// The policies, or why there are none.
pub(super) fn by(answered: &Answered<'_>) -> String {
    let reason = answered.reason.iter().filter(|reason| *reason != "forbidden");
    let words = reason.chain(&answered.policies).map(|word| clean(word));
    words.collect::<Vec<_>>().join(", ")
}

/// A text of somebody else's, for a terminal: what would move the cursor, or turn the direction of the text, is spelt out.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    let is_odd = |c: char| {
        c.is_control()
            || matches!(c, '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(is_odd) {
        return text.into();
    }
    let mut cleaned = String::with_capacity(text.len());
    for c in text.chars() {
        if is_odd(c) {
            // Writing to a string cannot fail.
            let _ = write!(cleaned, "{}", c.escape_unicode());
        } else {
            cleaned.push(c);
        }
    }
    cleaned.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_move_the_cursor_is_spelt_out() {
        assert_eq!(clean("arn:aws:iam::1:role/ö"), "arn:aws:iam::1:role/ö");
        assert_eq!(clean("a\u{1b}[2Jb\nc\u{202e}d"), "a\\u{1b}[2Jb\\u{a}c\\u{202e}d");
    }
}

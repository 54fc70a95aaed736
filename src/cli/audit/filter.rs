//! Which records are wanted.

use super::summary::{Became, ruling};
use crate::{
    audit::{Event, Finding, Line, Request, Verdict, Word},
    finding::{AccountId, Enforcement, Role, Timestamp, timestamp},
};
use clap::{Args, ValueEnum};
use std::time::Duration;

/// Which records are wanted. An option that is given again adds to itself; different options narrow each other down.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Which records")]
pub struct FilterArgs {
    /// Of callers of this account
    #[arg(long, value_name = "ACCOUNT")]
    pub account: Vec<AccountId>,

    /// Of this principal; `*` stands for anything, as in 'arn:*:role/ci-*'
    #[arg(long, value_name = "PRINCIPAL")]
    pub principal: Vec<String>,

    /// Of callers of this role
    #[arg(long, value_enum, value_name = "ROLE")]
    pub role: Vec<Role>,

    /// Of this operation, such as BatchUpdateFindings; `*` stands for anything
    #[arg(long, value_name = "OPERATION")]
    pub operation: Vec<String>,

    /// With this decision id
    #[arg(long, value_name = "ID")]
    pub id: Vec<String>,

    /// About this finding, by its Id or ProductArn; `*` stands for anything
    #[arg(long, value_name = "FINDING")]
    pub finding: Vec<String>,

    /// About this field, such as Workflow
    #[arg(long, value_name = "FIELD")]
    pub field: Vec<String>,

    /// About this action, such as Workflow.Status
    #[arg(long, value_name = "ACTION")]
    pub action: Vec<String>,

    /// In which this policy decided, in shadow or not
    #[arg(long, value_name = "POLICY")]
    pub policy: Vec<String>,

    /// With this verdict
    #[arg(long, value_enum, value_name = "VERDICT")]
    pub verdict: Vec<VerdictArg>,

    /// With a denial that did this
    #[arg(long, value_enum, value_name = "ENFORCEMENT")]
    pub enforcement: Vec<Enforcement>,

    /// Answered with this HTTP status, such as 403, or with one of a class, such as 5xx
    #[arg(long, value_name = "STATUS", value_parser = status)]
    pub status: Vec<Status>,

    /// Not before this time: 2026-05-01T12:00:00Z, 2026-05-01, or how long ago: 90s, 15m, 2h, 7d, 4w
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub since: Option<Timestamp>,

    /// Before this time: the same
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub until: Option<Timestamp>,

    /// Of this kind
    #[arg(long, value_enum, value_name = "KIND", default_value = "request")]
    pub kind: Vec<KindArg>,
}

/// A verdict to look for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum VerdictArg {
    /// Nothing was denied
    Allowed,
    /// Something was denied, perhaps all
    Denied,
    /// Something was denied, and something went through
    Partly,
    /// It was no request that could be decided, or the backend failed
    Failed,
    /// The policies in shadow say something else
    ShadowDiffers,
}

/// A kind of lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KindArg {
    /// A request was answered
    Request,
    /// A process began to write
    Start,
    /// Other policies or accounts decide
    Reload,
    /// Records were given up
    Shed,
    /// A process ended in good order
    Stop,
}

/// An HTTP status, or a class of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    from: u16,
    to: u16,
}

fn status(text: &str) -> Result<Status, &'static str> {
    const EXPECTED: &str = "expected a status such as 403, or a class of them such as 5xx";
    let class =
        text.strip_suffix("xx").and_then(|class| class.parse::<u16>().ok()).filter(|class| (1..=5).contains(class));
    if let Some(class) = class {
        return Ok(Status { from: class * 100, to: class * 100 + 99 });
    }
    let status = text.parse().ok().filter(|status| (100..600).contains(status)).ok_or(EXPECTED)?;
    Ok(Status { from: status, to: status })
}

/// A time, a day, or how long ago.
fn time(text: &str) -> Result<Timestamp, &'static str> {
    time_before(text, Timestamp::now())
}

fn time_before(text: &str, now: Timestamp) -> Result<Timestamp, &'static str> {
    const EXPECTED: &str =
        "expected a time such as 2026-05-01T12:00:00Z, a day such as 2026-05-01, or how long ago: 90s, 15m, 2h, 7d, 4w";
    let day = || (text.len() == 10).then(|| timestamp::parse(&format!("{text}T00:00:00Z"))).flatten();
    if let Some(time) = timestamp::parse(text).or_else(day) {
        return Ok(time);
    }
    let last = text.chars().next_back().ok_or(EXPECTED)?;
    let seconds: u64 = match last {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        _ => return Err(EXPECTED),
    };
    let number = &text[..text.len() - 1];
    let number = Some(number).filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
    let number: u64 = number.and_then(|number| number.parse().ok()).ok_or(EXPECTED)?;
    let ago = number.checked_mul(seconds).map(Duration::from_secs).ok_or(EXPECTED)?;
    now.checked_sub(ago).map_err(|_| EXPECTED)
}

/// Whether a text is like a pattern, in which `*` stands for anything.
fn is_like(text: &str, pattern: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return text == pattern };
    let Some(mut text) = text.strip_prefix(start) else { return false };
    let mut parts = rest.split('*').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return text.ends_with(part);
        }
        let Some(at) = text.find(part) else { return false };
        text = &text[at + part.len()..];
    }
    true
}

/// Whether nothing is asked for, or what there is is among it.
fn among<T>(wanted: &[T], is: impl Fn(&T) -> bool) -> bool {
    wanted.is_empty() || wanted.iter().any(is)
}

impl FilterArgs {
    /// Whether a line with this text may be wanted: what costs little to tell.
    pub(super) fn may_want(&self, text: &str) -> bool {
        let has = |part: &String| part.contains(is_escaped) || text.contains(part.as_str());
        among(&self.id, has)
            && among(&self.policy, has)
            && among(&self.account, |account| text.contains(account.as_str()))
    }

    /// Whether the line is wanted.
    pub(super) fn wants(&self, line: &Line<'_>) -> bool {
        if self.since.is_some_and(|since| line.time < since) || self.until.is_some_and(|until| line.time >= until) {
            return false;
        }
        if !self.kind.is_empty() && !self.kind.contains(&KindArg::of(&line.event)) {
            return false;
        }
        match &line.event {
            Event::Request(request) => self.wants_request(request),
            _ => !self.is_about_requests(),
        }
    }

    /// Whether it asks for something that only requests have.
    fn is_about_requests(&self) -> bool {
        let texts =
            [&self.principal, &self.operation, &self.id, &self.finding, &self.field, &self.action, &self.policy];
        texts.iter().any(|texts| !texts.is_empty())
            || !self.account.is_empty()
            || !self.role.is_empty()
            || !self.verdict.is_empty()
            || !self.enforcement.is_empty()
            || !self.status.is_empty()
    }

    fn wants_request(&self, request: &Request<'_>) -> bool {
        let caller = request.caller.as_ref();
        let status = request.answer.status;
        among(&self.account, |account| caller.is_some_and(|caller| caller.account == account.as_str()))
            && among(&self.principal, |pattern| caller.is_some_and(|caller| is_like(&caller.principal, pattern)))
            && among(&self.role, |role| caller.is_some_and(|caller| caller.role == role.as_str()))
            && among(&self.operation, |pattern| is_like(&request.operation, pattern))
            && among(&self.id, |id| request.id == **id)
            && among(&self.status, |wanted| (wanted.from..=wanted.to).contains(&status))
            && (!self.is_about_changes() || self.changes(request).next().is_some())
    }

    /// Whether it asks for something that a single finding or change has.
    fn is_about_changes(&self) -> bool {
        !(self.finding.is_empty()
            && self.field.is_empty()
            && self.action.is_empty()
            && self.policy.is_empty()
            && self.verdict.is_empty()
            && self.enforcement.is_empty())
    }

    /// What of a request is wanted: the findings with the verdicts on each of their changes. All of what is asked for must be true of
    /// one and the same. A finding about which no policy was asked has no verdict; a request that names none is one without a finding.
    pub(super) fn changes<'r, 'a>(
        &self,
        request: &'r Request<'a>,
    ) -> impl Iterator<Item = (Option<&'r Finding<'a>>, Option<&'r Verdict<'a>>)> {
        let became = Became::of(request);
        let of_finding = |finding: &'r Finding<'a>| {
            let verdicts = ruling(request, finding).map(|ruling| &*ruling.verdicts).unwrap_or_default();
            let none = verdicts.is_empty().then_some((Some(finding), None));
            verdicts.iter().map(move |verdict| (Some(finding), Some(verdict))).chain(none)
        };
        let none = request.findings.is_empty().then_some((None, None));
        let all = request.findings.iter().flat_map(of_finding).chain(none);
        all.filter(move |(finding, verdict)| self.wants_change(became, *finding, *verdict))
    }

    fn wants_change(&self, became: Became, finding: Option<&Finding<'_>>, verdict: Option<&Verdict<'_>>) -> bool {
        let names = |pattern: &String| {
            finding.is_some_and(|finding| {
                let others = [finding.finding_id.as_deref(), finding.product_arn.as_deref()];
                is_like(&finding.id, pattern) || others.into_iter().flatten().any(|name| is_like(name, pattern))
            })
        };
        let of_field = |field: &String| {
            let action = verdict.map(|verdict| &*verdict.action);
            action.is_some_and(|action| action.split('.').next() == Some(field))
        };
        let decided_by = |policy: &String| {
            let answers = verdict.into_iter().flat_map(|verdict| [Some(&verdict.answer), verdict.shadow.as_ref()]);
            answers.flatten().any(|answer| answer.policies.iter().any(|id| id == policy))
        };
        let does = |enforcement: &Enforcement| {
            let done = verdict.and_then(|verdict| verdict.answer.enforcement.as_deref());
            done == Some(enforcement.as_str())
        };
        let says = |wanted: &VerdictArg| match (wanted, verdict) {
            (VerdictArg::Allowed, _) => became == Became::Allowed,
            (VerdictArg::Partly, _) => became == Became::Partly,
            (VerdictArg::Failed, _) => became == Became::Failed,
            (VerdictArg::Denied, Some(verdict)) => verdict.answer.verdict == Word::Denied,
            (VerdictArg::Denied, None) => became == Became::Denied || became == Became::Partly && finding.is_some(),
            (VerdictArg::ShadowDiffers, verdict) => verdict.is_some_and(|verdict| verdict.shadow.is_some()),
        };
        among(&self.finding, names)
            && among(&self.field, of_field)
            && among(&self.action, |action| verdict.is_some_and(|verdict| verdict.action == **action))
            && among(&self.policy, decided_by)
            && among(&self.enforcement, does)
            && among(&self.verdict, says)
    }
}

/// Whether JSON may write a character in another way than it is.
fn is_escaped(c: char) -> bool {
    !c.is_ascii_alphanumeric() && !"-_:.*".contains(c)
}

impl KindArg {
    pub(super) const fn of(event: &Event<'_>) -> Self {
        match event {
            Event::Request(_) => Self::Request,
            Event::Start(_) => Self::Start,
            Event::Reload(_) => Self::Reload,
            Event::Shed { .. } => Self::Shed,
            Event::Stop => Self::Stop,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (text, pattern, expected) in [
            ("abc", "abc", true),
            ("abc", "ab", false),
            ("abc", "*", true),
            ("", "*", true),
            ("abc", "a*", true),
            ("abc", "*c", true),
            ("abc", "a*c", true),
            ("abc", "a*b", false),
            ("abcabc", "*bc*bc", true),
            ("abc", "ab*bc", false),
            ("abbc", "ab*bc", true),
            ("role/ci-1", "*:role/ci-*", false),
            ("arn:aws:iam::1:role/ci-1", "arn:*:role/ci-*", true),
            ("aaa", "a**a", true),
        ] {
            assert_eq!(is_like(text, pattern), expected, "{text} {pattern}");
        }
    }

    #[test]
    fn times_are_points_days_and_how_long_ago() {
        let now = "2026-05-02T12:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("2026-05-01T00:00:00Z", "2026-05-01T00:00:00Z"),
            ("2026-05-01T02:00:00+02:00", "2026-05-01T00:00:00Z"),
            ("2026-05-01", "2026-05-01T00:00:00Z"),
            ("90s", "2026-05-02T11:58:30Z"),
            ("15m", "2026-05-02T11:45:00Z"),
            ("2h", "2026-05-02T10:00:00Z"),
            ("1d", "2026-05-01T12:00:00Z"),
            ("1w", "2026-04-25T12:00:00Z"),
        ] {
            assert_eq!(time_before(text, now).map(|time| time.to_string()).as_deref(), Ok(expected), "{text}");
        }
        for text in ["", "h", "-1h", "1.5h", "2 h", "1y", "yesterday", "99999999999999999999s", "99999999999w", "1é"] {
            assert!(time_before(text, now).is_err(), "{text}");
        }
    }

    #[test]
    fn a_status_is_a_number_or_a_class() {
        assert_eq!(status("403"), Ok(Status { from: 403, to: 403 }));
        assert_eq!(status("5xx"), Ok(Status { from: 500, to: 599 }));
        for text in ["", "xx", "9xx", "40", "4x", "600", "ok"] {
            assert!(status(text).is_err(), "{text}");
        }
    }
}

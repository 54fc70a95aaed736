//! An explanation for people.

use super::{
    AtomLook, ChangeLook, Explanation, FindingLook, Part, PolicyLook, PolicySource, StateLook, Unasked, VerdictLook,
};
use crate::{
    finding::{Operation, Role},
    policy::{Reason, Span, Truth},
    workbench::{Mark, Outcome, Paint, excerpt},
};
use std::{fmt::Write as _, sync::Arc};

/// How many of the policies that lack something are shown.
const MOST: usize = 3;
/// Of how many findings with one explanation the places are counted up.
const COUNTED: usize = 8;

impl Explanation {
    /// For a terminal. Findings with the same explanation share it.
    pub fn human(&self, paint: Paint) -> String {
        let mut page = Page { explanation: self, paint, text: String::new(), shown: Vec::new(), advised: Vec::new() };
        page.write();
        page.text
    }
}

/// Appends a line. (Writing to a string cannot fail.)
macro_rules! line {
    ($page:expr, $($argument:tt)*) => {{
        let _ = writeln!($page.text, $($argument)*);
    }};
}

struct Page<'e> {
    explanation: &'e Explanation,
    paint: Paint,
    text: String,
    /// What was already shown for the findings under way.
    shown: Vec<&'e PolicyLook>,
    /// The advice that was already given for them.
    advised: Vec<&'e str>,
}

impl<'e> Page<'e> {
    fn write(&mut self) {
        let Explanation { operation, caller, now, findings, forwarded, answer, .. } = self.explanation;
        let groups =
            if caller.groups.is_empty() { String::new() } else { format!(", in {}", caller.groups.join(", ")) };
        line!(self, "{}, {now}", self.paint.strong(operation));
        line!(self, "{} {} of account {}{groups}", caller.role, caller.principal, caller.account);
        if !caller.principal_groups.is_empty() {
            line!(self, "by its proof, the caller itself is in {}", caller.principal_groups.join(", "));
        }
        if caller.minimum_enforcement != "strip" {
            line!(self, "a denial does to this caller at the least: {}", caller.minimum_enforcement);
        }
        let mut alike: Vec<Vec<&FindingLook>> = Vec::new();
        for finding in findings {
            match alike.iter_mut().find(|known| known[0].is_like(finding)) {
                Some(known) => known.push(finding),
                None => alike.push(vec![finding]),
            }
        }
        for findings in alike {
            self.findings(&findings);
        }
        match &forwarded[..] {
            [] => line!(self, "\nNothing is forwarded."),
            [_] => line!(self, "\nForwarded in one call:"),
            calls => line!(self, "\nForwarded in {} calls:", calls.len()),
        }
        for body in forwarded {
            line!(self, "  {body}");
        }
        if answer.status != 200 {
            let code = answer.body["Code"].as_str().unwrap_or_default();
            let message = answer.body["Message"].as_str().unwrap_or_default();
            line!(self, "\nThe client reads: {} {}: {message}", answer.status, self.paint.bad(code));
        }
    }

    /// Findings that have one explanation.
    fn findings(&mut self, findings: &[&'e FindingLook]) {
        self.shown.clear();
        self.advised.clear();
        let [first, ..] = findings else { return };
        let all = self.explanation.findings.len();
        let paint = self.paint;
        let title = match findings {
            [one] => format!("Finding {} of {all}", one.place + 1),
            several => {
                let shown: Vec<String> =
                    several.iter().take(COUNTED).map(|finding| (finding.place + 1).to_string()).collect();
                let rest = several.len().saturating_sub(COUNTED);
                let rest = if rest > 0 { format!(" and {rest} more") } else { String::new() };
                format!("Findings {}{rest} of {all}", shown.join(", "))
            }
        };
        let outcome = first.outcome.to_string().to_uppercase();
        let outcome = match first.outcome {
            Outcome::Forwarded => paint.good(outcome),
            Outcome::Stripped => paint.doubtful(outcome),
            _ => paint.bad(outcome),
        };
        let what = match (first.asked, first.outcome) {
            (Unasked::Asked, Outcome::Stripped)
                if self.explanation.operation == Operation::BatchImportFindings.name() =>
            {
                ": imported without what is denied".to_owned()
            }
            (Unasked::Asked, Outcome::Stripped) if first.forwarded.is_empty() => ": nothing of it is left".to_owned(),
            (Unasked::Asked, Outcome::Stripped) => format!(": {} is left", first.forwarded.join(", ")),
            (Unasked::Asked, _) => String::new(),
            (unasked, _) => format!(": {}", unasked.why()),
        };
        line!(self, "\n{}: {outcome}{what}", paint.strong(title));
        for finding in findings.iter().take(COUNTED) {
            let product = finding.product_arn.as_deref().map(|arn| format!(" of {arn}")).unwrap_or_default();
            let owner = finding
                .owner
                .map_or_else(|| "whose it is, its name does not say".to_owned(), |owner| format!("account {owner}"));
            line!(self, "  {}{product}, {owner}", finding.id);
        }
        if let Some(state) = first.state.told() {
            line!(self, "  {}", paint.faint(state));
        }
        for change in &first.changes {
            self.change(change, first);
        }
        if !first.told.is_empty() {
            line!(self, "\n  The client reads:");
        }
        for entry in &first.told {
            let code = entry["ErrorCode"].as_str().unwrap_or_default();
            let message = entry["ErrorMessage"].as_str().unwrap_or_default();
            line!(self, "    {}: {message}", paint.strong(code));
        }
    }

    fn change(&mut self, change: &'e ChangeLook, finding: &FindingLook) {
        let paint = self.paint;
        let told = change.verdict.told();
        line!(self, "");
        if change.verdict.allowed {
            line!(self, "  {}  {}", paint.good("allow"), paint.strong(&change.change));
        } else {
            line!(self, "  {}   {} {told}", paint.bad("deny"), paint.strong(&change.change));
        }
        for look in &change.decided_by {
            if change.verdict.allowed {
                self.in_a_line(look, "by", finding);
            } else {
                self.in_full(look, finding);
            }
        }
        for advice in &change.verdict.advice {
            if !self.advised.contains(&&**advice) {
                self.advised.push(advice);
                line!(self, "      advice: {advice}");
            }
        }
        if !change.otherwise_permitted_by.is_empty() {
            line!(self, "      without that, it would be permitted by {}", named(&change.otherwise_permitted_by));
        }
        if change.verdict.reason == Some(Reason::NoGrant.as_str()) {
            self.nearest(change, finding);
        }
        let unavailable = change.verdict.reason == Some(Reason::StateUnavailable.as_str());
        if change.depends_on_finding && (unavailable || change.shadow.is_some()) {
            let how = if finding.state == StateLook::NotGiven { ": say how it is with --findings" } else { "" };
            line!(self, "      {}", paint.doubtful(format_args!("it depends on the finding as it is{how}")));
        }
        // Of what is denied anyway, it does not matter what else does not deny it.
        let nearly = change.not_forbidden_by.iter().filter(|look| change.verdict.allowed && look.distance() == 1);
        for look in nearly.take(MOST) {
            if !self.is_shown(look) {
                self.in_a_line(look, "not forbidden by", finding);
            }
        }
        if let Some(shadow) = &change.shadow {
            let word = if shadow.allowed { "allow" } else { "deny" };
            line!(self, "      {} {word} {}", paint.doubtful("with @shadow policies:"), shadow.told());
        }
        for look in &change.shadowed_by {
            self.in_a_line(look, "@shadow:", finding);
        }
    }

    /// The permits that lack least.
    fn nearest(&mut self, change: &'e ChangeLook, finding: &FindingLook) {
        let [first, others @ ..] = &change.nearest[..] else {
            let role = match self.explanation.caller.role {
                Role::Member => "a member",
                Role::Administrator => "an administrator",
            };
            line!(self, "      no permit speaks of {} by {role}", change.action);
            return;
        };
        let lacks = |look: &PolicyLook| match look.distance() {
            1 => "one condition is not met".to_owned(),
            several => format!("{several} conditions are not met"),
        };
        line!(self, "      nearest permit, of which {}:", lacks(first));
        self.in_full(first, finding);
        for look in others.iter().take(MOST - 1) {
            line!(self, "      then `{}`, of which {}", look.policy, lacks(look));
        }
    }

    /// A policy with its source, and what matters in it underlined.
    fn in_full(&mut self, look: &'e PolicyLook, finding: &FindingLook) {
        let Some(source) = self.source(&look.policy) else { return };
        let paint = self.paint;
        if self.is_shown(look) {
            line!(self, "      `{}`, as above", look.policy);
            return;
        }
        let atom = |atom: &AtomLook, bad: bool| Mark { span: atom.span, note: atom.note(finding), bad };
        let mut marks: Vec<Mark> = look.decisive.iter().map(|decisive| atom(decisive, false)).collect();
        let scope = look.scope.iter();
        marks.extend(scope.map(|part| Mark { span: part.span, note: part.note(), bad: true }));
        marks.extend(look.lacks.iter().flat_map(|lack| &lack.atoms).map(|lacking| atom(lacking, true)));
        let shown = excerpt(&source.rule, &marks, "      ", paint);
        line!(
            self,
            "      `{}` {}",
            look.policy,
            paint.faint(format_args!("{}:{}:{}", source.file, source.line, source.column))
        );
        self.text.push_str(&shown);
    }

    /// A policy, and what makes it apply or not, without its source.
    fn in_a_line(&mut self, look: &PolicyLook, how: &str, finding: &FindingLook) {
        let Some(source) = self.source(&look.policy) else { return };
        let place = |line: usize, column: usize| format!("{}:{line}:{column}", source.file);
        let paint = self.paint;
        let faint = |span: &Span| paint.faint(place(span.line, span.column));
        let at = paint.faint(place(source.line, source.column));
        line!(self, "      {how} `{}` {at}", look.policy);
        for part in &look.scope {
            line!(self, "        {} {} {}", part.text, part.note(), faint(&part.span));
        }
        let atoms = look.lacks.iter().flat_map(|lack| &lack.atoms).chain(&look.decisive);
        for atom in atoms {
            let text = atom.text.split_whitespace().collect::<Vec<_>>().join(" ");
            line!(self, "        {text} is {} {}", atom.note(finding), faint(&atom.span));
        }
    }

    /// Whether this was shown already for the findings under way; from now on it was.
    fn is_shown(&mut self, look: &'e PolicyLook) -> bool {
        let is_shown = self.shown.contains(&look);
        if !is_shown {
            self.shown.push(look);
        }
        is_shown
    }

    fn source(&self, id: &Arc<str>) -> Option<&'e PolicySource> {
        self.explanation.policies.iter().find(|policy| policy.id == *id)
    }
}

fn named(policies: &[Arc<str>]) -> String {
    policies.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ")
}

impl VerdictLook {
    /// By what, and what it does.
    fn told(&self) -> String {
        match (self.reason, self.enforcement) {
            (Some(reason), Some(enforcement)) if self.policies.is_empty() => format!("({reason}, {enforcement})"),
            (Some(reason), Some(enforcement)) => format!("by {} ({reason}, {enforcement})", named(&self.policies)),
            _ => format!("by {}", named(&self.policies)),
        }
    }
}

impl AtomLook {
    /// What it is, and what it read.
    fn note(&self, finding: &FindingLook) -> String {
        let is = match self.is {
            Truth::True => "true",
            Truth::False => "false",
            Truth::Failed => "not to be told",
        };
        let known = matches!(finding.state, StateLook::Given | StateLook::Plain | StateLook::Missing);
        let reads = self.reads.iter().map(|read| match &read.value {
            Some(value) => format!("{} is {value}", read.expression),
            None if !known && read.expression.starts_with("resource") => format!("{} is not known", read.expression),
            None => format!("{} is not there", read.expression),
        });
        // An atom that is itself what it reads has said so.
        let told: Vec<String> = reads.filter(|read| *read != format!("{} is {is}", self.text)).collect();
        if told.is_empty() { is.to_owned() } else { format!("{is}: {}", told.join(", ")) }
    }
}

impl Part {
    fn note(&self) -> String {
        let is = self.is.as_ref().and_then(|read| Some(format!(": {} is {}", read.expression, read.value.as_ref()?)));
        format!("does not match{}", is.unwrap_or_default())
    }
}

impl StateLook {
    const fn told(self) -> Option<&'static str> {
        match self {
            Self::NotNeeded => None,
            Self::Given => Some("looked up, and judged as it was given"),
            Self::Plain => Some("looked up, and taken for a plain finding"),
            Self::Missing => Some("looked up, and not among the findings that were given"),
            Self::NotGiven => Some("looked up; as it was not given, it is judged as if that failed"),
        }
    }
}

impl Unasked {
    const fn why(self) -> &'static str {
        match self {
            Self::Asked => "the policies were asked",
            Self::Duplicate => "it came before in the same request",
            Self::NotFound => "to this caller there is no such finding",
            Self::OwnerUnknown => "whose it is cannot be told, so no policy was asked",
            Self::OwnerContradicted => "its name says one owner and proves another, so no policy was asked",
            Self::Unresolved => "which finding its MetadataUid means cannot be told offline, so no policy was asked",
            Self::Foreign => "it says that it is another account's than its name proves, so no policy was asked",
            Self::Invalid => "it is none that can be imported",
            Self::CallRefused => "the whole call is refused before any policy is asked",
        }
    }
}

impl FindingLook {
    /// Whether all that is said of this one is said of the other.
    fn is_like(&self, other: &Self) -> bool {
        let told = |look: &Self| -> Vec<_> {
            look.told.iter().map(|entry| (entry["ErrorCode"].clone(), entry["ErrorMessage"].clone())).collect()
        };
        self.outcome == other.outcome
            && (self.asked, self.state) == (other.asked, other.state)
            && self.forwarded == other.forwarded
            && self.changes == other.changes
            && told(self) == told(other)
    }
}

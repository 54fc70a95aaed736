//! From what a suite's file says to cases: names resolved, `like` followed, lists spread, and everything wrong told at once.

use super::{
    Case, MAX_CASES, MAX_SUITE, Suite, SuiteError,
    expect::Expectation,
    matrix,
    merge::merged,
    problem::Text,
    raw::{OneOf, RawCase, RawSuite},
};
use crate::{
    finding::{BatchImport, BatchUpdate, BatchUpdateV2, Enforcement, Timestamp},
    policy::{Problem, nearest},
    workbench::{Call, CallerFixture, Example, FindingFixture, Fleet},
};
use serde_saphyr::Spanned;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
};

/// Reads a suite.
pub(super) fn suite(file: &str, text: &str) -> Result<Suite, SuiteError> {
    let source = Text { file, text };
    if text.len() > MAX_SUITE {
        let message = format!("the file has {} bytes; at most {MAX_SUITE} are read", text.len());
        return Err(SuiteError::new(file, vec![source.problem(0, 0, message).help("split it into several suites")]));
    }
    let raw: RawSuite = serde_saphyr::from_str(text).map_err(|error| {
        let error = error.without_snippet();
        let (line, column) = error.location().map_or((0, 0), |location| place(&location));
        let message = error.to_string();
        // The place is told by the excerpt.
        let message = message.split(" at line ").next().unwrap_or(&message).to_owned();
        SuiteError::new(file, vec![source.problem(line, column, message)])
    })?;
    let mut resolver = Resolver::new(source, &raw);
    resolver.all();
    let Resolver { cases, mut problems, .. } = resolver;
    if cases.is_empty() && problems.is_empty() {
        problems.push(source.problem(0, 0, "the suite has no case").help("write `cases:` or `matrix:`"));
    }
    let fleet = fleet(&raw, &cases).unwrap_or_else(|message| {
        let help = "a suite has one administrator, and nobody is both: split it";
        problems.push(source.problem(0, 0, message).help(help));
        Fleet::default()
    });
    if !problems.is_empty() {
        problems.sort_by_key(|problem| problem.place.as_ref().map(|place| (place.line, place.column)));
        return Err(SuiteError::new(file, problems));
    }
    if let Some(name) = raw.suite.as_ref().filter(|name| name.trim().is_empty() || name.contains(char::is_control)) {
        let message = format!("`{}` is no name of a suite", name.escape_debug());
        let help = "write one line of plain text: it goes into reports and logs";
        return Err(SuiteError::new(file, vec![source.problem(0, 0, message).help(help)]));
    }
    let name = raw.suite.unwrap_or_else(|| {
        let base = file.rsplit(['/', '\\']).next().unwrap_or(file);
        base.strip_suffix(super::SUFFIX).unwrap_or(base).to_owned()
    });
    Ok(Suite {
        file: file.to_owned(),
        name,
        policies: raw.policies,
        default_enforcement: raw.default_enforcement.unwrap_or(Enforcement::Reject),
        properties: raw.properties,
        cases,
        fleet,
        source: text.to_owned(),
    })
}

/// The fleet of every caller, those that are written in place too.
fn fleet(raw: &RawSuite, cases: &[Case]) -> Result<Fleet, String> {
    let named = raw.callers.values().map(|caller| &caller.value);
    Fleet::of(named.chain(cases.iter().map(|case| &case.example.caller)))
}

pub(super) fn place(location: &serde_saphyr::Location) -> (usize, usize) {
    let number = |number: u64| usize::try_from(number).unwrap_or(0);
    (number(location.line()), number(location.column()))
}

/// Turns what the file says into cases.
pub(super) struct Resolver<'s> {
    pub(super) source: Text<'s>,
    pub(super) raw: &'s RawSuite,
    by_name: HashMap<&'s str, &'s Spanned<RawCase>>,
    used: BTreeSet<(Kind, &'s str)>,
    names: BTreeSet<String>,
    cases: Vec<Case>,
    problems: Vec<Problem>,
}

/// How many problems of a suite are told: each shows its line, and one mistake may be the cause of many.
const MOST_PROBLEMS: usize = 50;
/// How many cases may be like one another in a row.
const MOST_LINKS: usize = 20;

/// What a name can stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Caller,
    Finding,
    Update,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Caller => "caller",
            Self::Finding => "finding",
            Self::Update => "update",
        })
    }
}

impl<'s> Resolver<'s> {
    fn new(source: Text<'s>, raw: &'s RawSuite) -> Self {
        let by_name = raw.cases.iter().map(|case| (case.value.name.as_str(), case)).collect();
        Self {
            source,
            raw,
            by_name,
            used: BTreeSet::new(),
            names: BTreeSet::new(),
            cases: Vec::new(),
            problems: Vec::new(),
        }
    }

    fn all(&mut self) {
        for case in &self.raw.cases {
            self.case(case);
        }
        for matrix in &self.raw.matrix {
            matrix::spread(self, matrix);
        }
        self.unused(Kind::Caller, &self.raw.callers);
        self.unused(Kind::Finding, &self.raw.findings);
        self.unused(Kind::Update, &self.raw.updates);
    }

    fn unused<T>(&mut self, kind: Kind, fixtures: &'s BTreeMap<String, Spanned<T>>) {
        for (name, fixture) in fixtures {
            if !self.used.contains(&(kind, name.as_str())) {
                let help = "use it in a case, or remove it: what nothing uses is most often misspelt elsewhere";
                self.problem(fixture, format!("no case uses the {kind} `{name}`"), help);
            }
        }
    }

    pub(super) fn problem<T>(&mut self, at: &Spanned<T>, message: impl Into<String>, help: &str) {
        if self.problems.len() == MOST_PROBLEMS {
            return;
        }
        let (line, column) = place(&at.referenced);
        let problem = self.source.problem(line, column, message);
        self.problems.push(if help.is_empty() { problem } else { problem.help(help) });
    }

    /// The fixture of that name, which counts as used.
    pub(super) fn fixture<T, N>(
        &mut self,
        kind: Kind,
        fixtures: &'s BTreeMap<String, Spanned<T>>,
        name: &str,
        at: &Spanned<N>,
    ) -> Option<&'s T> {
        if let Some((name, fixture)) = fixtures.get_key_value(name) {
            self.used.insert((kind, name));
            return Some(&fixture.value);
        }
        let help = match nearest(name, fixtures.keys().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None if fixtures.is_empty() => format!("name it under `{kind}s:`, or write it here"),
            None => format!("there are: {}", fixtures.keys().cloned().collect::<Vec<_>>().join(", ")),
        };
        self.problem(at, format!("there is no {kind} `{name}`"), &help);
        None
    }

    /// Adds a case, if the API takes its request.
    pub(super) fn add<T>(&mut self, at: &Spanned<T>, case: Case) {
        if self.cases.len() == MAX_CASES {
            self.problem(at, format!("more than {MAX_CASES} cases"), "split the suite");
            return;
        }
        let taken = request(&case.example);
        if let Err(why) = taken {
            self.problem(at, format!("`{}` of case `{}`: {why}", case.example.call.key(), case.name), "");
        }
        self.cases.push(case);
    }

    /// What is left out is told with its reason, so it has one.
    pub(super) fn reason_to_skip<T>(&mut self, at: &Spanned<T>, skip: Option<&str>) {
        let is_none = |reason: &&str| {
            matches!(reason.trim(), "" | "true" | "false" | "yes" | "no") || reason.contains(char::is_control)
        };
        if let Some(reason) = skip.filter(is_none) {
            let help = "say why, in a line: `skip: waits for the new policy`; a case without `skip` is asked";
            self.problem(at, format!("`skip: {}` is no reason", reason.escape_debug()), help);
        }
    }

    /// Whether no other case has this name.
    pub(super) fn is_new_name<T>(&mut self, at: &Spanned<T>, name: &str) -> bool {
        if name.trim().is_empty() || name.contains(char::is_control) {
            let message = format!("`{}` is no name of a case", name.escape_debug());
            self.problem(at, message, "write one line of plain text: it goes into reports and logs");
            return false;
        }
        let is_new = self.names.insert(name.to_owned());
        if !is_new {
            self.problem(at, format!("two cases are called `{name}`"), "give each its own name");
        }
        is_new
    }

    fn case(&mut self, raw: &'s Spanned<RawCase>) {
        if !self.is_new_name(raw, &raw.value.name) {
            return;
        }
        self.reason_to_skip(raw, raw.value.skip.as_deref());
        let Some(parts) = self.parts(raw, &mut vec![]) else { return };
        let Parts { caller, findings, call, now } = parts;
        let (Some(caller), Some(call)) = (caller, call) else {
            let missing = "a case says `caller`, `finding` and one of `update`, `updateV2` and `import`, or is `like` one that does";
            self.problem(raw, format!("case `{}` says too little", raw.value.name), missing);
            return;
        };
        if findings.is_empty() {
            self.problem(raw, format!("case `{}` names no finding", raw.value.name), "say `finding:`");
        }
        let (line, _) = place(&raw.referenced);
        let several = findings.len() > 1;
        for (finding_name, finding) in findings {
            let name = match finding_name {
                Some(finding) if several => format!("{} ({finding})", raw.value.name),
                _ => raw.value.name.clone(),
            };
            let example = Example { caller: caller.clone(), finding, call: call.clone(), now };
            let expect: Expectation = raw.value.expect.value.clone();
            self.add(raw, Case { name, line, skip: raw.value.skip.clone(), example, expect });
        }
    }

    /// What a case says, over what the one that it is like says.
    fn parts(&mut self, raw: &'s Spanned<RawCase>, seen: &mut Vec<&'s str>) -> Option<Parts> {
        let case = &raw.value;
        let mut parts = match &case.like {
            None => Parts::new(self.raw.now.unwrap_or(Example::NOW)),
            Some(like) => {
                seen.push(&case.name);
                if seen.len() > MOST_LINKS {
                    let message = format!("more than {MOST_LINKS} cases, each like the one before");
                    self.problem(like, message, "let them be like the first");
                    return None;
                }
                if seen.contains(&like.value.as_str()) {
                    self.problem(like, format!("case `{}` is like itself", like.value), "break the circle");
                    return None;
                }
                let Some(other) = self.by_name.get(like.value.as_str()).copied() else {
                    let near = nearest(&like.value, self.by_name.keys().copied());
                    let help = near.map(|near| format!("did you mean `{near}`?")).unwrap_or_default();
                    self.problem(like, format!("there is no case `{}`", like.value), &help);
                    return None;
                };
                self.parts(other, seen)?
            }
        };
        parts.now = case.now.unwrap_or(parts.now);
        if let Some(caller) = &case.caller {
            parts.caller = Some(self.caller(caller)?);
        }
        if let Some(finding) = &case.finding {
            parts.findings = self.findings(finding)?;
        }
        self.call(raw, &mut parts)?;
        Some(parts)
    }

    fn caller(&mut self, caller: &'s Spanned<OneOf<CallerFixture>>) -> Option<CallerFixture> {
        match &caller.value {
            OneOf::Inline(fixture) => Some(fixture.clone()),
            OneOf::Named(name) => {
                self.fixture(Kind::Caller, &self.raw.callers, name, caller).map(|fixture| named(fixture, name))
            }
            OneOf::Several(_) => {
                self.problem(caller, "a case has one caller", "ask the same of several with `matrix:`");
                None
            }
        }
    }

    fn findings(
        &mut self,
        finding: &'s Spanned<OneOf<FindingFixture>>,
    ) -> Option<Vec<(Option<String>, FindingFixture)>> {
        match &finding.value {
            OneOf::Inline(fixture) => Some(vec![(None, fixture.clone())]),
            OneOf::Named(name) => {
                let fixture = self.fixture(Kind::Finding, &self.raw.findings, name, finding)?;
                Some(vec![(Some(name.clone()), fixture.clone())])
            }
            OneOf::Several(names) => {
                let mut found = Vec::with_capacity(names.len());
                for name in names {
                    let fixture = self.fixture(Kind::Finding, &self.raw.findings, name, finding)?;
                    found.push((Some(name.clone()), fixture.clone()));
                }
                Some(found)
            }
        }
    }

    /// Puts what the case asks for into its parts, merged over what the one that it is like asks for.
    fn call(&mut self, raw: &'s Spanned<RawCase>, parts: &mut Parts) -> Option<()> {
        let case = &raw.value;
        let said = [case.update.is_some(), case.update_v2.is_some(), case.import.is_some()];
        if said.iter().filter(|said| **said).count() > 1 {
            let message = format!("case `{}` asks for more than one thing", case.name);
            self.problem(raw, message, "say one of `update`, `updateV2` and `import`");
            return None;
        }
        let call = if let Some(update) = &case.update {
            Call::Update(match &update.value {
                OneOf::Inline(members) => members.clone(),
                OneOf::Named(name) => self.fixture(Kind::Update, &self.raw.updates, name, update)?.clone(),
                OneOf::Several(_) => {
                    self.problem(update, "a case has one update", "ask several of the same finding with `matrix:`");
                    return None;
                }
            })
        } else if let Some(members) = &case.update_v2 {
            Call::UpdateV2(members.value.clone())
        } else if let Some(members) = &case.import {
            Call::Import(members.value.clone())
        } else {
            return Some(());
        };
        parts.call = Some(match parts.call.take().filter(|base| base.key() == call.key()) {
            Some(base) => call.over(&base),
            None => call,
        });
        Some(())
    }
}

impl Call {
    /// The same, over what another one asks for.
    fn over(self, base: &Self) -> Self {
        let members = merged(base.members(), self.members());
        match self {
            Self::Update(_) => Self::Update(members),
            Self::UpdateV2(_) => Self::UpdateV2(members),
            Self::Import(_) => Self::Import(members),
        }
    }
}

/// A caller that does not say its principal is called as the suite calls it.
pub(super) fn named(fixture: &CallerFixture, name: &str) -> CallerFixture {
    let fits = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c);
    let mut caller = fixture.clone();
    if caller.principal.is_none() && name.chars().all(fits) {
        caller.principal = Some(format!("arn:aws:iam::{}:role/{name}", caller.account));
    }
    caller
}

/// What a case says so far.
struct Parts {
    caller: Option<CallerFixture>,
    findings: Vec<(Option<String>, FindingFixture)>,
    call: Option<Call>,
    now: Timestamp,
}

impl Parts {
    fn new(now: Timestamp) -> Self {
        Self { caller: None, findings: Vec::new(), call: None, now }
    }
}

/// Whether the API takes the request of an example.
fn request(example: &Example) -> Result<(), String> {
    let body = example.body().to_string();
    let body = body.as_bytes();
    match &example.call {
        Call::Update(_) => BatchUpdate::parse(body).map(drop).map_err(|error| error.to_string()),
        Call::UpdateV2(_) => BatchUpdateV2::parse(body).map(drop).map_err(|error| error.to_string()),
        Call::Import(_) => {
            let request = BatchImport::parse(body).map_err(|error| error.to_string())?;
            let invalid = request.findings.iter().find_map(|finding| finding.governed.as_ref().err());
            invalid.map_or(Ok(()), |invalid| Err(invalid.message.clone()))
        }
    }
}

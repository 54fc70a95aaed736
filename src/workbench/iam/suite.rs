//! The suite that comes with imported policies: for every statement a request that it holds of, and one that it does not.
//!
//! Requests are tried until the gate, asked as a live one is, answers by the statement's policies and not by them. So the suite says
//! what the gate says; that it is what IAM says, the importer's own tests show.

use super::{
    Options, Principal, Translated,
    parse::{Effect, Statement},
    probes,
};
use crate::{
    finding::{AccountId, Enforcement, Operation, Role, Timestamp},
    policy::{Answer, Engine, Reason, Rule, Snapshot},
    workbench::{Call, CallerFixture, Decided, Example, FindingFixture, Fleet, ask},
};
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, fmt::Write as _, sync::Arc};

/// How many requests are tried for a statement and an operation.
const MOST_PROBES: usize = 800;

/// Writes the suite. The error is a fault of the program.
pub(super) fn write(
    translated: &[Translated<'_>],
    ids: &[Vec<String>],
    rules: &[Rule],
    options: &Options,
) -> Result<String, String> {
    let mut suite = Suite::default();
    let base = caller(&options.principal);
    for (translated, ids) in translated.iter().zip(ids) {
        let operations: Vec<Operation> =
            translated.drafts.iter().flat_map(|draft| draft.operations.iter().copied()).collect();
        for operation in super::OPERATIONS.into_iter().filter(|operation| operations.contains(operation)) {
            let examples = examples(translated.statement, operation, &base, options);
            let mut tried = Tried::new(rules, &examples)?;
            tried.find(translated.statement, ids, &examples);
            let sid = translated.statement.sid.as_deref().unwrap_or(&translated.statement.path);
            let (does, does_not) = match translated.statement.effect {
                Effect::Allow => ("allows", "does not allow"),
                Effect::Deny => ("denies", "does not deny"),
            };
            for (found, verb) in [(tried.meets, does), (tried.misses, does_not)] {
                if let Some((place, decided)) = found {
                    suite.case(&format!("{sid} {verb}"), &base, &examples[place], &decided);
                }
            }
        }
    }
    Ok(suite.text(translated, options))
}

/// The account of callers of whom nothing else matters.
const MEMBER: &str = "222222222222";
const OUTSIDER: &str = "333333333333";

fn account(text: &str) -> AccountId {
    AccountId::parse(text).expect("twelve digits")
}

/// A caller whom the policies are about.
fn caller(principal: &Principal) -> CallerFixture {
    let member = CallerFixture::plain(Role::Member, account(MEMBER));
    match principal {
        Principal::Member | Principal::Any => member,
        Principal::Administrator => CallerFixture::plain(Role::Administrator, account(Fleet::ADMINISTRATOR)),
        Principal::Group(group) => CallerFixture { groups: vec![group.clone()], ..member },
        Principal::Account(account) => CallerFixture::plain(Role::Member, *account),
    }
}

/// A caller whom they are not about, if there is one.
fn outsider(principal: &Principal) -> Option<CallerFixture> {
    match principal {
        Principal::Any => None,
        Principal::Member => Some(caller(&Principal::Administrator)),
        Principal::Administrator => Some(caller(&Principal::Member)),
        Principal::Group(_) => Some(CallerFixture::plain(Role::Member, account(OUTSIDER))),
        Principal::Account(known) => {
            let other = [MEMBER, OUTSIDER].map(account).into_iter().find(|other| other != known)?;
            Some(CallerFixture::plain(Role::Member, other))
        }
    }
}

/// Requests to try, the plainest first.
fn examples(statement: &Statement, operation: Operation, base: &CallerFixture, options: &Options) -> Vec<Example> {
    let mut callers = vec![base.clone()];
    for arn in probes::principals(statement) {
        callers.push(CallerFixture { principal: Some(arn), ..base.clone() });
    }
    if matches!(options.principal, Principal::Member | Principal::Any) {
        let administrator = account(Fleet::ADMINISTRATOR);
        let others = probes::accounts(statement).into_iter().filter(|other| *other != administrator);
        callers.extend(others.map(|account| CallerFixture { account, ..base.clone() }));
    }
    callers.extend(outsider(&options.principal));
    let calls = probes::calls(statement, operation, &base.principal());
    let times: Vec<Timestamp> = std::iter::once(Example::NOW).chain(probes::times(statement)).collect();
    let mut examples = Vec::new();
    for caller in &callers {
        for now in &times {
            for call in &calls {
                let finding = FindingFixture::plain(caller.account);
                examples.push(Example { caller: caller.clone(), finding, call: call.clone(), now: *now });
            }
        }
    }
    // All calls by the first caller, then the first calls by the others.
    if examples.len() > MOST_PROBES {
        let (first, rest) = examples.split_at(calls.len().min(MOST_PROBES / 2));
        let step = rest.len().div_ceil(MOST_PROBES / 2).max(1);
        examples = first.iter().chain(rest.iter().step_by(step)).cloned().collect();
    }
    examples
}

/// What was found: the place of the example, and what became of it.
type Found = Option<(usize, Decided)>;

struct Tried {
    engine: Engine,
    meets: Found,
    misses: Found,
}

impl Tried {
    fn new(rules: &[Rule], examples: &[Example]) -> Result<Self, String> {
        let accounts = Fleet::of(examples.iter().map(|example| &example.caller))?.accounts();
        let snapshot = Snapshot::new(rules.to_vec(), Arc::new(accounts), Enforcement::Refuse)
            .map_err(|error| error.to_string())?;
        Ok(Self { engine: Engine::new(Arc::new(snapshot)), meets: None, misses: None })
    }

    fn find(&mut self, statement: &Statement, ids: &[String], examples: &[Example]) {
        let is_by = |policies: &[Arc<str>]| policies.iter().any(|policy| ids.iter().any(|id| **id == **policy));
        for (place, example) in examples.iter().enumerate() {
            if self.meets.is_some() && self.misses.is_some() {
                return;
            }
            // What the API would not take is no example.
            let Ok(decided) = ask(&mut self.engine, example) else { continue };
            if expectations(&decided).is_none() {
                continue;
            }
            let answers = || decided.answered.iter().map(|answered| &answered.verdict.enforced);
            let meets = match statement.effect {
                Effect::Deny => answers().any(|answer| answer.denial().is_some_and(|denial| is_by(&denial.policies))),
                Effect::Allow => answers().all(|answer| matches!(answer, Answer::Allowed { by } if is_by(by))),
            };
            let found = if meets { &mut self.meets } else { &mut self.misses };
            if found.is_none() {
                *found = Some((place, decided));
            }
        }
    }
}

/// What a suite expects of each change; nothing where two changes have one name there.
fn expectations(decided: &Decided) -> Option<Map<String, Value>> {
    let mut expect = Map::from_iter([("outcome".to_owned(), json!(decided.outcome))]);
    for answered in &decided.answered {
        let expected = match &answered.verdict.enforced {
            Answer::Allowed { by } => json!({ "allow": by.iter().map(|id| &**id).collect::<Vec<_>>() }),
            Answer::Denied(denial) if denial.reason == Reason::NoGrant => json!("no-grant"),
            Answer::Denied(denial) => json!({ "deny": denial.policies.iter().map(|id| &**id).collect::<Vec<_>>() }),
        };
        if expect.insert(answered.to_string(), expected).is_some() {
            return None;
        }
    }
    Some(expect)
}

#[derive(Default)]
struct Suite {
    /// Each caller, with its name.
    callers: Vec<(String, CallerFixture)>,
    names: BTreeMap<String, usize>,
    cases: String,
}

impl Suite {
    fn caller(&mut self, caller: &CallerFixture) -> String {
        if let Some((name, _)) = self.callers.iter().find(|(_, known)| known == caller) {
            return name.clone();
        }
        let alike = self.callers.iter().filter(|(_, known)| known.role == caller.role).count();
        let number = if alike == 0 { String::new() } else { format!("-{}", alike + 1) };
        let name = format!("{}{number}", caller.role);
        self.callers.push((name.clone(), caller.clone()));
        name
    }

    fn case(&mut self, what: &str, base: &CallerFixture, example: &Example, decided: &Decided) {
        let Some(expect) = expectations(decided) else { return };
        let caller = self.caller(&example.caller);
        let mut shown: Vec<&str> = decided.answered.iter().map(|answered| answered.shown.as_str()).collect();
        shown.dedup();
        let mut name = format!("{what} {}", shown.join(", "));
        if matches!(example.call, Call::UpdateV2(_)) {
            name.push_str(" in terms of OCSF");
        }
        if example.caller != *base {
            let _ = write!(name, " by {caller}");
        }
        let times = self.names.entry(name.clone()).and_modify(|times| *times += 1).or_insert(1);
        let name = if *times == 1 { name } else { format!("{name} ({times})") };
        // Writing to a string cannot fail.
        let _ = writeln!(self.cases, "  - name: {}", json!(name));
        if example.now != Example::NOW {
            let _ = writeln!(self.cases, "    now: \"{}\"", example.now);
        }
        let _ = writeln!(self.cases, "    caller: {caller}\n    finding: of-{caller}");
        let _ = writeln!(self.cases, "    {}: {}", example.call.key(), json!(example.call.members()));
        let _ = writeln!(self.cases, "    expect: {}", json!(expect));
    }

    fn text(&self, translated: &[Translated<'_>], options: &Options) -> String {
        let mut files: Vec<&str> = translated.iter().map(|translated| translated.statement.file.as_str()).collect();
        files.dedup();
        let mut text = format!("suite: {}\n", json!(format!("imported from {}", files.join(", "))));
        let _ = writeln!(text, "policies: {}", json!([format!("{}.cedar", options.name)]));
        text.push_str("default_enforcement: refuse\n");
        text.push_str("callers:\n");
        for (name, caller) in &self.callers {
            let _ = writeln!(text, "  {name}: {}", json!(caller));
        }
        text.push_str("findings:\n");
        for (name, caller) in &self.callers {
            let _ = writeln!(text, "  of-{name}: {}", json!({ "account": caller.account }));
        }
        text.push_str("cases:\n");
        text.push_str(&self.cases);
        text
    }
}

/// A call with these members.
pub(super) fn call(operation: Operation, members: Map<String, Value>) -> Call {
    match operation {
        Operation::BatchUpdateFindingsV2 => Call::UpdateV2(members),
        Operation::BatchImportFindings => Call::Import(members),
        _ => Call::Update(members),
    }
}

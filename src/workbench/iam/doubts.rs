//! What whoever reads a document, or what was made of it, should know: where IAM says something else than it seems to.

use super::{
    Options, Translated,
    keys::{Domain, Key, Leaf},
    operator::{Kind, Quantifier},
    parse::{Document, Effect, Statement, Test},
    pattern::{Case, Pattern, Syntax},
};
use crate::{
    finding::{Enforcement, Operation},
    policy::nearest,
};
use serde::Serialize;
use std::collections::BTreeSet;

/// A doubt about a statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Doubt {
    /// Which kind of doubt; docs/import-iam.md has them all.
    pub code: &'static str,
    /// The file, as the user named it; empty where it is the whole import.
    pub file: String,
    /// Where in it.
    pub path: String,
    /// What to know, and what to do.
    pub message: String,
}

/// Everything that is doubtful.
pub(super) fn of(documents: &[Document], translated: &[Translated<'_>], options: &Options) -> Vec<Doubt> {
    let mut doubts = Vec::new();
    for translated in translated.iter().filter(|translated| !translated.concerns.is_empty()) {
        of_statement(documents, translated, options, &mut doubts);
    }
    let mut whole = |code, message: String| {
        doubts.push(Doubt { code, file: String::new(), path: String::new(), message });
    };
    let has = |effect| {
        translated.iter().any(|translated| translated.statement.effect == effect && !translated.drafts.is_empty())
    };
    if has(Effect::Deny) && options.enforcement != Enforcement::Refuse {
        let message = format!(
            "a Deny does `{}` here, where IAM refuses the call: this deviates, as `--enforce` asks for",
            options.enforcement
        );
        whole("enforcement", message);
    }
    if has(Effect::Allow) {
        let message = "the permits reach as far as IAM's: whose findings they are is not IAM's to say. Keep `reach.cedar` of a \
                       pack beside them";
        whole("reach", message.to_owned());
    }
    doubts
}

/// A statement, and whom to tell.
struct Teller<'a> {
    statement: &'a Statement,
    doubts: &'a mut Vec<Doubt>,
}

impl Teller<'_> {
    fn tell(&mut self, code: &'static str, path: &str, message: String) {
        let path = if path.is_empty() { self.statement.path.clone() } else { path.to_owned() };
        self.doubts.push(Doubt { code, file: self.statement.file.clone(), path, message });
    }
}

fn of_statement(documents: &[Document], translated: &Translated<'_>, options: &Options, doubts: &mut Vec<Doubt>) {
    let statement = translated.statement;
    let mut teller = Teller { statement, doubts };
    for test in &statement.tests {
        of_test(test, &mut teller);
    }
    // What is said of such statements next is said of what they became.
    if translated.refused.is_some() {
        return;
    }
    let leaves: BTreeSet<Leaf> = statement.tests.iter().filter_map(leaf).collect();
    let of = |operation: Operation| leaves.iter().copied().filter(move |leaf| leaf.operation() == operation);
    let asff: Vec<Leaf> = of(Operation::BatchUpdateFindings).collect();
    let holds = |operation| translated.holds.contains(&operation);
    let updates = [Operation::BatchUpdateFindings, Operation::BatchUpdateFindingsV2];
    if updates.iter().any(|operation| translated.concerns.contains(operation)) && !updates.iter().any(|one| holds(*one))
    {
        let message = "no update is ever denied or allowed by it: its condition, or its resource, matches none";
        teller.tell("never-matches", "", message.to_owned());
    }
    match statement.effect {
        Effect::Deny => of_deny(documents, translated, &asff, &mut teller),
        Effect::Allow if options.service_control => {
            let message = "what a service control policy allows, it does not grant: nothing was made of it";
            teller.tell("allow-of-scp", "", message.to_owned());
        }
        Effect::Allow => of_allow(documents, statement, &asff, &mut teller),
    }
}

/// The leaf that a test is about.
fn leaf(test: &Test) -> Option<Leaf> {
    match Key::parse(&test.key) {
        Ok(Key::Leaf(leaf)) => Some(leaf),
        _ => None,
    }
}

fn of_test(test: &Test, teller: &mut Teller<'_>) {
    let syntax = teller.statement.syntax;
    if syntax == Syntax::V2008 && test.values.iter().any(|value| value.contains("${")) {
        let message = "`${…}` has no meaning in a document of 2008-10-17, or without `Version`: it is carried over as it stands. \
                       \"Version\": \"2012-10-17\" would make it a policy variable";
        teller.tell("literal-variable", &test.path, message.to_owned());
    }
    match Key::parse(&test.key) {
        Ok(Key::Object(object)) => {
            let near = Leaf::ALL.iter().find(|leaf| leaf.path().starts_with(object)).map_or("", |leaf| leaf.path());
            let message = format!(
                "`{object}` is an object, and no request has a key of it: the test always finds it missing. AWS's own \
                 policy of that kind was withdrawn; name a leaf, such as `{near}`"
            );
            teller.tell("object-path", &test.path, message);
        }
        Ok(Key::PrincipalArn) => {
            let message = "`aws:PrincipalArn` is taken for the principal that the keys file names for a caller: of a role, \
                           name the role's ARN there, and not a session's";
            teller.tell("principal-arn", &test.path, message.to_owned());
        }
        Ok(Key::Leaf(leaf)) => of_leaf(test, leaf, teller),
        _ => {}
    }
}

fn of_leaf(test: &Test, leaf: Leaf, teller: &mut Teller<'_>) {
    if leaf.is_undocumented() {
        let message = format!(
            "no document of AWS's names the path `{}`: that IAM has such a key follows from its template only. Try it in IAM",
            leaf.path()
        );
        teller.tell("undocumented-path", &test.path, message);
    }
    let Domain::Closed(words) = leaf.domain() else { return };
    if !matches!(test.operator.kind, Kind::Equals | Kind::EqualsIgnoreCase | Kind::Like) {
        return;
    }
    let case = if test.operator.kind == Kind::EqualsIgnoreCase { Case::Insensitive } else { Case::Sensitive };
    let read = if test.operator.kind == Kind::Like { Pattern::parse } else { Pattern::literal };
    for value in &test.values {
        let pattern = read(value, teller.statement.syntax);
        if pattern.variable().is_none() && !words.iter().any(|word| pattern.matches(word, case)) {
            let near = nearest(value, words.iter().map(String::as_str));
            let near = near.map(|near| format!("; did you mean {near:?}?")).unwrap_or_default();
            let message = format!("`{}` is never {value:?}{near}", leaf.path());
            teller.tell("no-such-value", &test.path, message);
        }
    }
}

/// Whether a test wants the key to be there, and no more.
fn wants_presence(test: &Test) -> bool {
    let is_false = |value: &String| value.eq_ignore_ascii_case("false");
    test.operator.kind == Kind::Null && test.values.iter().all(is_false)
}

fn of_deny(documents: &[Document], translated: &Translated<'_>, asff: &[Leaf], teller: &mut Teller<'_>) {
    let statement = translated.statement;
    let denies = |leaf: Leaf| {
        let statements = documents.iter().flat_map(|document| &document.statements);
        let denials = statements.filter(|other| other.effect == Effect::Deny);
        denials.flat_map(|other| &other.tests).any(|test| self::leaf(test) == Some(leaf))
    };
    let wanted: Vec<&Test> = statement.tests.iter().filter(|test| wants_presence(test)).collect();
    if wanted.len() > 1 {
        let names: Vec<&str> = wanted.iter().map(|test| test.key.rsplit('/').next().unwrap_or(&test.key)).collect();
        let message = format!(
            "IAM denies only requests that have all of {} at once: tests within a statement are joined by AND. To deny each, \
             write a statement for each",
            names.join(", ")
        );
        teller.tell("and-of-nulls", "", message);
    }
    if asff.contains(&Leaf::SeverityLabel) {
        let hole = if denies(Leaf::SeverityNormalized) {
            ""
        } else {
            " In IAM the same severity goes through as a Severity.Normalized: deny that too."
        };
        let message = format!(
            "the gate is stricter here: it asks about Severity.Label also for the label that a Severity.Normalized stands for, so \
             the forbid denies that as well.{hole}"
        );
        teller.tell("severity-label", "", message);
    }
    let v2 = translated.holds.contains(&Operation::BatchUpdateFindingsV2);
    let counterpart = [Leaf::StatusId, Leaf::SeverityId, Leaf::Comment].iter().any(|leaf| denies(*leaf));
    let told = teller.doubts.iter().any(|doubt| doubt.code == "v2-is-free" && doubt.file == statement.file);
    let is_v2 = translated.concerns.contains(&Operation::BatchUpdateFindingsV2);
    if !asff.is_empty() && !v2 && !counterpart && is_v2 && !told {
        let message = "BatchUpdateFindingsV2 is the same action to IAM, and has no keys of ASFF: what this statement and its like deny \
                       goes through there. The policies say so too; deny it by `securityhub:OCSFSyntaxPath/…`, or keep that door of \
                       the gate closed";
        teller.tell("v2-is-free", "", message.to_owned());
    }
    if !asff.is_empty() && v2 {
        let message = "it denies every BatchUpdateFindingsV2 call, which never has these keys; the policies do so too";
        teller.tell("v2-is-denied", "", message.to_owned());
    }
}

fn of_allow(documents: &[Document], statement: &Statement, asff: &[Leaf], teller: &mut Teller<'_>) {
    if asff.contains(&Leaf::SeverityLabel) {
        let message = "the gate is stricter here: it asks about Severity.Label also for the label that a Severity.Normalized stands for, \
                       so a number is held to the same labels. In IAM it is not";
        teller.tell("severity-label", "", message.to_owned());
    }
    if !asff.is_empty() {
        let names: Vec<&str> = asff.iter().map(|leaf| leaf.path()).collect();
        let message = format!(
            "it limits {} only: a request that it allows may change every other field as well. To keep those, deny them",
            names.join(", ")
        );
        teller.tell("allow-leaves-others-free", "", message);
    }
    let vague = |test: &&Test| test.operator.quantifier == Quantifier::All && leaf(test).is_some();
    if let Some(test) = statement.tests.iter().find(vague) {
        let message = "`ForAllValues` holds where the request has no such key: it allows that as well".to_owned();
        let path = test.path.clone();
        teller.tell("for-all-values-of-none", &path, message);
    }
    let document = documents.iter().find(|document| document.name == statement.file);
    let only = document.is_some_and(|document| document.statements.len() == 1);
    let everything =
        |scope: &super::parse::Scope| !scope.negated && scope.patterns.iter().any(|pattern| pattern.written() == "*");
    if only && statement.tests.is_empty() && everything(&statement.actions) && everything(&statement.resources) {
        let message = "it allows everything. If this is a service control policy, import it with `--scp`: what that allows, it \
                       does not grant";
        teller.tell("allows-everything", "", message.to_owned());
    }
}

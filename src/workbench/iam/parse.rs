//! IAM policy documents: read strictly, so that nothing of them is passed over.

use super::{
    operator::Operator,
    pattern::{Pattern, Syntax},
};
use crate::{finding::Document as Json, policy::nearest};
use serde::Serialize;
use serde_json::{Map, Value};
use std::fmt;

/// A policy document that somebody has read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// What the user calls it: the path as it was written.
    pub name: String,
    /// Its content.
    pub text: String,
}

/// Why a text is no policy document that could be imported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{file}: {}{problem}", if path.is_empty() { String::new() } else { format!("{path}: ") })]
pub struct Invalid {
    /// The file, as the user named it.
    pub file: String,
    /// Where in it, such as `Statement[0].Condition`; empty where it is the document as a whole.
    pub path: String,
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub help: Option<String>,
}

/// A policy document.
#[derive(Debug, Clone)]
pub(super) struct Document {
    pub(super) name: String,
    pub(super) statements: Vec<Statement>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Allow,
    Deny,
}

impl Effect {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "Allow",
            Self::Deny => "Deny",
        }
    }
}

/// `Action` or `NotAction`, `Resource` or `NotResource`: the element's name and what it lists.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    pub(super) element: &'static str,
    pub(super) negated: bool,
    pub(super) patterns: Vec<Pattern>,
}

#[derive(Debug, Clone)]
pub(super) struct Statement {
    pub(super) file: String,
    /// `Statement` or `Statement[2]`.
    pub(super) path: String,
    pub(super) index: usize,
    pub(super) sid: Option<String>,
    pub(super) effect: Effect,
    pub(super) actions: Scope,
    pub(super) resources: Scope,
    pub(super) tests: Vec<Test>,
    /// `Condition` as it came, to be shown.
    pub(super) condition: Option<Value>,
    /// How its patterns are written.
    pub(super) syntax: Syntax,
}

/// One key within one operator of `Condition`.
#[derive(Debug, Clone)]
pub(super) struct Test {
    pub(super) path: String,
    pub(super) operator: Operator,
    /// The operator as it was written.
    pub(super) written: String,
    pub(super) key: String,
    /// Booleans and numbers as the words that they stand for.
    pub(super) values: Vec<String>,
}

/// `Statement[0] "DenySuppress"`
impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        match &self.sid {
            Some(sid) => write!(f, " {sid:?}"),
            None => Ok(()),
        }
    }
}

/// What is wrong, where, and what to do.
struct Fault {
    path: String,
    problem: String,
    help: Option<String>,
}

fn fault(path: &str, problem: impl Into<String>) -> Fault {
    Fault { path: path.to_owned(), problem: problem.into(), help: None }
}

impl Fault {
    fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

impl Document {
    /// Reads a document.
    pub(super) fn parse(source: &Source) -> Result<Self, Invalid> {
        let invalid = |fault: Fault| Invalid {
            file: source.name.clone(),
            path: fault.path,
            problem: fault.problem,
            help: fault.help,
        };
        document(source).map_err(invalid)
    }
}

const DOCUMENT: &[&str] = &["Version", "Id", "Statement"];
const STATEMENT: &[&str] = &["Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"];

fn document(source: &Source) -> Result<Document, Fault> {
    if source.text.trim().is_empty() {
        return Err(fault("", "the file is empty, expected an IAM policy document"));
    }
    let json = Json::parse(source.text.as_bytes()).map_err(|error| {
        let problem = error.to_string();
        let help = "a policy document is one JSON object with `Version` and `Statement`, and no member comes twice";
        fault("", problem.strip_prefix("body: ").unwrap_or(&problem)).help(help)
    })?;
    let members = json.into_members();
    known("", &members, DOCUMENT)?;
    let syntax = match members.get("Version") {
        None => Syntax::V2008,
        Some(Value::String(version)) if version == "2012-10-17" => Syntax::V2012,
        Some(Value::String(version)) if version == "2008-10-17" => Syntax::V2008,
        Some(other) => {
            let help = "IAM knows `2012-10-17`, and `2008-10-17`, in which `${…}` has no meaning";
            return Err(fault("Version", format!("got {other}, expected \"2012-10-17\"")).help(help));
        }
    };
    let statements = match members.get("Statement") {
        Some(Value::Array(elements)) => {
            let read = |(index, element)| statement(source, format!("Statement[{index}]"), index, element, syntax);
            elements.iter().enumerate().map(read).collect::<Result<Vec<_>, _>>()?
        }
        Some(element @ Value::Object(_)) => vec![statement(source, "Statement".to_owned(), 0, element, syntax)?],
        Some(_) => return Err(fault("Statement", "expected a statement, or a list of them")),
        None => return Err(fault("", "member `Statement` is missing")),
    };
    for (at, statement) in statements.iter().enumerate() {
        let Some(sid) = &statement.sid else { continue };
        if let Some(first) = statements[..at].iter().find(|first| first.sid.as_ref() == Some(sid)) {
            let problem = format!("Sid {sid:?} came twice, first in {}", first.path);
            return Err(fault(&format!("{}.Sid", statement.path), problem));
        }
    }
    Ok(Document { name: source.name.clone(), statements })
}

/// Every member is one of these.
fn known(path: &str, members: &Map<String, Value>, names: &[&str]) -> Result<(), Fault> {
    for name in members.keys() {
        if matches!(name.as_str(), "Principal" | "NotPrincipal") {
            let problem = format!("`{name}` belongs to policies of resources, and Security Hub's findings have none");
            let help = "import the identity policies and service control policies that are attached to callers; which \
                        callers they are attached to is for `--principal` to say";
            return Err(fault(&join(path, name), problem).help(help));
        }
        if !names.contains(&name.as_str()) {
            let problem = format!("unknown member `{}`", name.escape_debug());
            let help = match nearest(name, names.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("expected {}", names.join(", ")),
            };
            return Err(fault(&join(path, name), problem).help(help));
        }
    }
    Ok(())
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn statement(source: &Source, path: String, index: usize, element: &Value, syntax: Syntax) -> Result<Statement, Fault> {
    let Value::Object(members) = element else { return Err(fault(&path, "expected an object")) };
    known(&path, members, STATEMENT)?;
    let sid = match members.get("Sid") {
        None => None,
        Some(Value::String(sid)) => Some(sid.clone()).filter(|sid| !sid.is_empty()),
        Some(_) => return Err(fault(&join(&path, "Sid"), "expected a string")),
    };
    let effect = match members.get("Effect") {
        Some(Value::String(effect)) if effect == "Allow" => Effect::Allow,
        Some(Value::String(effect)) if effect == "Deny" => Effect::Deny,
        Some(other) => {
            return Err(fault(&join(&path, "Effect"), format!("got {other}, expected \"Allow\" or \"Deny\"")));
        }
        None => return Err(fault(&path, "member `Effect` is missing")),
    };
    let actions = scope(&path, members, "Action", "NotAction", syntax)?;
    for pattern in &actions.patterns {
        let text = pattern.written();
        if text != "*" && !text.contains(':') {
            let problem = format!("{text:?} is no action, expected one such as \"securityhub:BatchUpdateFindings\"");
            return Err(fault(&join(&path, actions.element), problem));
        }
    }
    let resources = scope(&path, members, "Resource", "NotResource", syntax)?;
    let condition = members.get("Condition");
    let tests = condition.map(|condition| tests(&join(&path, "Condition"), condition)).transpose()?;
    Ok(Statement {
        file: source.name.clone(),
        path,
        index,
        sid,
        effect,
        actions,
        resources,
        tests: tests.unwrap_or_default(),
        condition: condition.cloned(),
        syntax,
    })
}

fn scope(
    path: &str,
    members: &Map<String, Value>,
    name: &'static str,
    negated: &'static str,
    syntax: Syntax,
) -> Result<Scope, Fault> {
    let (element, value, negated) = match (members.get(name), members.get(negated)) {
        (Some(value), None) => (name, value, false),
        (None, Some(value)) => (negated, value, true),
        (Some(_), Some(_)) => return Err(fault(path, format!("both `{name}` and `{negated}`, expected one of them"))),
        (None, None) => return Err(fault(path, format!("neither `{name}` nor `{negated}`, expected one of them"))),
    };
    let path = join(path, element);
    let texts = texts(&path, value, |value| value.as_str().map(str::to_owned), "a string, or a list of strings")?;
    Ok(Scope { element, negated, patterns: texts.iter().map(|text| Pattern::parse(text, syntax)).collect() })
}

/// One value or a list of them; an empty list is none.
fn texts(
    path: &str,
    value: &Value,
    read: impl Fn(&Value) -> Option<String>,
    expected: &str,
) -> Result<Vec<String>, Fault> {
    let one = |path: &str, value: &Value| read(value).ok_or_else(|| fault(path, format!("expected {expected}")));
    match value {
        Value::Array(elements) if elements.is_empty() => {
            Err(fault(path, format!("an empty list, expected {expected}")))
        }
        Value::Array(elements) => {
            elements.iter().enumerate().map(|(at, element)| one(&format!("{path}[{at}]"), element)).collect()
        }
        value => Ok(vec![one(path, value)?]),
    }
}

fn tests(path: &str, condition: &Value) -> Result<Vec<Test>, Fault> {
    let Value::Object(operators) = condition else { return Err(fault(path, "expected an object of operators")) };
    let mut tests = Vec::new();
    for (written, keys) in operators {
        let path = join(path, written);
        let operator = Operator::parse(written).map_err(|near| {
            let fault = fault(&path, format!("`{}` is no condition operator", written.escape_debug()));
            match near {
                Some(near) => fault.help(format!("did you mean `{near}`?")),
                None => fault,
            }
        })?;
        let Value::Object(keys) = keys else { return Err(fault(&path, "expected an object of condition keys")) };
        let mut seen: Vec<String> = Vec::new();
        for (key, values) in keys {
            let path = format!("{path}[{key:?}]");
            let folded = key.to_ascii_lowercase();
            if seen.contains(&folded) {
                return Err(fault(
                    &path,
                    "this key came before: names of keys are the same in capitals and small letters",
                ));
            }
            seen.push(folded);
            let read = |value: &Value| match value {
                Value::String(text) => Some(text.clone()),
                Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
                _ => None,
            };
            let values = texts(&path, values, read, "a string, a number or a boolean, or a list of them")?;
            tests.push(Test { path, operator, written: written.clone(), key: key.clone(), values });
        }
    }
    Ok(tests)
}

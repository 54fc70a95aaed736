//! Mistakes that strict validation does not see.
//!
//! A misspelt name after `has` makes the test false, silently: under `unless` or `!` that opens what should be closed. And
//! an account of eleven digits is an entity like any other, which no caller ever has.

use super::code;
use super::problem::{Problem, Source, nearest};
use super::schema::{SCHEMA_TEXT, schema};
use super::text::Piece;
use crate::finding::AccountId;
use cedar_policy::{
    Policy, RequestEnv, SchemaFragment,
    pst::{ActionConstraint, BinaryOp, Clause, EntityUID, Expr, Literal, Var},
};
use std::collections::{BTreeMap, BTreeSet};
use std::{ops::Range, sync::LazyLock};

/// What is wrong with a policy that parsed, besides what Cedar's validator finds.
pub(super) fn check(source: &Source, piece: &Piece<'_>, policy: &Policy) -> Vec<Problem> {
    let tree = match policy.to_pst() {
        Ok(tree) => tree,
        Err(error) => {
            return vec![source.problem(&code::FAULT, piece.span(), format!("the policy cannot be analysed: {error}"))];
        }
    };
    let mut environments: Vec<_> = policy.get_valid_request_envs(schema()).map(Environment::from).collect();
    if environments.is_empty() {
        // It applies to nothing, which the validator tells; its names may be wrong all the same.
        environments = schema().request_envs().map(Environment::from).collect();
    }
    let mut lint = Lint { source, piece, environments, problems: Vec::new() };
    lint.scope(&tree.body().action);
    for clause in tree.body().clauses() {
        let (Clause::When(condition) | Clause::Unless(condition)) = clause;
        lint.expression(condition);
    }
    lint.account_literals(policy);
    lint.problems
}

/// A kind of question that a policy can apply to.
struct Environment {
    principal: String,
    action: String,
    resource: String,
}

impl From<RequestEnv> for Environment {
    fn from(environment: RequestEnv) -> Self {
        Self {
            principal: environment.principal().to_string(),
            action: environment.action().id().unescaped().to_owned(),
            resource: environment.resource().to_string(),
        }
    }
}

struct Lint<'a> {
    source: &'a Source,
    piece: &'a Piece<'a>,
    environments: Vec<Environment>,
    problems: Vec<Problem>,
}

impl Lint<'_> {
    fn scope(&mut self, action: &ActionConstraint) {
        if let ActionConstraint::Eq(action) = action {
            self.not_a_group(action);
        }
    }

    fn expression(&mut self, expression: &Expr) {
        match expression {
            Expr::HasAttr { expr, attrs } => {
                self.has(expr, &attrs.iter().map(AsRef::as_ref).collect::<Vec<_>>());
            }
            Expr::BinaryOp { op: BinaryOp::Eq | BinaryOp::NotEq, left, right } => {
                for (one, other) in [(left, right), (right, left)] {
                    if let (Expr::Var(Var::Action), Expr::Literal(Literal::EntityUID(action))) = (&**one, &**other) {
                        self.not_a_group(action);
                    }
                }
            }
            Expr::BinaryOp { op: BinaryOp::Contains, left, right } => {
                if let (Expr::Set(elements), Expr::Var(Var::Action)) = (&**left, &**right) {
                    for element in elements {
                        if let Expr::Literal(Literal::EntityUID(action)) = &**element {
                            self.not_a_group(action);
                        }
                    }
                }
            }
            _ => {}
        }
        for part in parts(expression) {
            self.expression(part);
        }
    }

    /// No question is about a group, so nothing is ever equal to one.
    fn not_a_group(&mut self, action: &EntityUID) {
        let is_group = schema().action_groups().any(|group| group.id().unescaped() == action.eid.as_str());
        if is_group && action.ty.to_string() == "Action" {
            let name = format!("Action::\"{}\"", action.eid);
            let place = self.literal(action.ty.to_string().as_str(), &action.eid);
            let problem = self.source.problem(
                &code::ACTION_GROUP,
                place,
                format!("`{name}` is a group of actions, and no action equals a group"),
            );
            self.problems.push(problem.help(format!("write `action in {name}`")));
        }
    }

    /// A name after `has` must be one that the value can have, in at least one question that the policy applies to.
    fn has(&mut self, of: &Expr, path: &[&str]) {
        let mut missing = None;
        for environment in &self.environments {
            match SHAPES.missing(of, path, environment) {
                Missing::Nothing => return,
                Missing::Name { name, known } => {
                    let (_, all) = missing.get_or_insert_with(|| (name, BTreeSet::new()));
                    all.extend(known);
                }
            }
        }
        let Some((name, known)) = missing else { return };
        let near = nearest(name, known.iter().copied());
        let help = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => format!("remove the test: `{of}` has nothing optional here"),
            None => format!("it can have: {}", known.into_iter().collect::<Vec<_>>().join(", ")),
        };
        let message = format!("`{of}` never has `{name}`, so this test is always false");
        let place = self.has_test(of, path.first().copied().unwrap_or(name));
        self.problems.push(self.source.problem(&code::NEVER_HAS, place, message).help(help));
    }

    /// Ids of accounts are twelve digits, and a fleet's is its administrator's account.
    fn account_literals(&mut self, policy: &Policy) {
        let literals: BTreeSet<_> = policy.entity_literals().into_iter().collect();
        for literal in literals {
            let (kind, id) = (literal.type_name().to_string(), literal.id().unescaped());
            if matches!(kind.as_str(), "Account" | "Fleet") && AccountId::parse(id).is_none() {
                let message = format!("`{kind}::\"{}\"` is no account: its id is not twelve digits", id.escape_debug());
                let problem = self.source.problem(&code::NO_ACCOUNT, self.literal(&kind, id), message);
                self.problems.push(problem.help(match kind.as_str() {
                    "Fleet" => "a fleet's id is the account id of its administrator, such as `Fleet::\"111111111111\"`",
                    _ => "write the account id, such as `Account::\"111122223333\"`; a named set of accounts is a `Group`",
                }));
            }
        }
    }

    /// Where an entity literal stands: Cedar's tree does not say, its tokens do.
    fn literal(&self, kind: &str, id: &str) -> Range<usize> {
        let quoted = format!("\"{id}\"");
        self.piece.find(&[kind, "::", &quoted]).unwrap_or_else(|| self.piece.effect())
    }

    fn has_test(&self, of: &Expr, name: &str) -> Range<usize> {
        let quoted = format!("\"{name}\"");
        let base = match of {
            Expr::Var(Var::Principal) => "principal",
            Expr::Var(Var::Action) => "action",
            Expr::Var(Var::Resource) => "resource",
            Expr::Var(Var::Context) => "context",
            Expr::GetAttr { attr, .. } => attr,
            _ => "has",
        };
        [name, &quoted]
            .iter()
            .find_map(|name| self.piece.find(&[base, "has", name]))
            .or_else(|| [name, &quoted].iter().find_map(|name| self.piece.find(&["has", name])))
            .unwrap_or_else(|| self.piece.effect())
    }
}

/// The expressions directly inside an expression.
pub(crate) fn parts(expression: &Expr) -> Vec<&Expr> {
    match expression {
        Expr::UnaryOp { expr, .. }
        | Expr::GetAttr { expr, .. }
        | Expr::HasAttr { expr, .. }
        | Expr::Like { expr, .. } => vec![expr],
        Expr::BinaryOp { left, right, .. } => vec![left, right],
        Expr::Is { expr, in_expr, .. } => std::iter::once(expr).chain(in_expr).map(|part| &**part).collect(),
        Expr::IfThenElse { cond, then_expr, else_expr } => vec![cond, then_expr, else_expr],
        Expr::Set(elements) => elements.iter().map(|element| &**element).collect(),
        Expr::Record(members) => members.values().map(|member| &**member).collect(),
        _ => vec![],
    }
}

/// What attributes a value can have.
#[derive(Debug, Clone)]
enum Shape {
    Record(BTreeMap<String, Shape>),
    Entity(String),
    Plain,
}

/// The attributes that the schema declares.
struct Shapes {
    /// By entity type.
    entities: BTreeMap<String, Shape>,
    /// By action.
    contexts: BTreeMap<String, Shape>,
}

enum Missing<'a> {
    /// The names can be there, or what they are looked for in is not understood.
    Nothing,
    /// This name cannot be there; these can.
    Name { name: &'a str, known: Vec<&'static str> },
}

static SHAPES: LazyLock<Shapes> = LazyLock::new(|| {
    let (fragment, _) = SchemaFragment::from_cedarschema_str(SCHEMA_TEXT).expect("the embedded schema is valid");
    let json = fragment.to_json_value().expect("the embedded schema has a JSON form");
    Shapes::read(&json[""])
});

impl Shapes {
    fn read(schema: &serde_json::Value) -> Self {
        let named = |key: &str| schema[key].as_object().into_iter().flatten();
        let entities = named("entityTypes").map(|(name, kind)| (name.clone(), shape(schema, &kind["shape"]))).collect();
        let contexts = named("actions")
            .map(|(name, action)| (name.clone(), shape(schema, &action["appliesTo"]["context"])))
            .collect();
        Self { entities, contexts }
    }

    /// Which of a path of names cannot be there, in questions of this kind.
    fn missing<'a>(&'static self, of: &Expr, path: &[&'a str], environment: &Environment) -> Missing<'a> {
        let Some(mut shape) = self.shape_of(of, environment) else { return Missing::Nothing };
        for name in path {
            let Some(attributes) = self.attributes(shape) else { return Missing::Nothing };
            match attributes.get(*name) {
                Some(inner) => shape = inner,
                None => return Missing::Name { name, known: attributes.keys().map(String::as_str).collect() },
            }
        }
        Missing::Nothing
    }

    fn shape_of(&'static self, expression: &Expr, environment: &Environment) -> Option<&'static Shape> {
        match expression {
            Expr::Var(Var::Principal) => self.entities.get(&environment.principal),
            Expr::Var(Var::Resource) => self.entities.get(&environment.resource),
            Expr::Var(Var::Context) => self.contexts.get(&environment.action),
            Expr::Literal(Literal::EntityUID(entity)) => self.entities.get(&entity.ty.to_string()),
            Expr::GetAttr { expr, attr } => {
                let shape = self.shape_of(expr, environment)?;
                self.attributes(shape)?.get(attr.as_str())
            }
            _ => None,
        }
    }

    /// The attributes of a value, or nothing for one that has none to speak of (validation tells that).
    fn attributes(&'static self, shape: &'static Shape) -> Option<&'static BTreeMap<String, Shape>> {
        match shape {
            Shape::Record(attributes) => Some(attributes),
            Shape::Entity(name) => match self.entities.get(name)? {
                Shape::Record(attributes) => Some(attributes),
                _ => None,
            },
            Shape::Plain => None,
        }
    }
}

/// Reads a type of the schema's JSON form. Common types do not recurse, so this ends.
fn shape(schema: &serde_json::Value, kind: &serde_json::Value) -> Shape {
    let named = kind["name"].as_str().unwrap_or_default();
    match kind["type"].as_str() {
        None => Shape::Record(BTreeMap::new()),
        Some("Record") => {
            let attributes = kind["attributes"].as_object().into_iter().flatten();
            Shape::Record(attributes.map(|(name, kind)| (name.clone(), shape(schema, kind))).collect())
        }
        Some("EntityOrCommon" | "Entity") if !schema["entityTypes"][named].is_null() => Shape::Entity(named.to_owned()),
        Some(common) => {
            let common = if common == "EntityOrCommon" { named } else { common };
            match &schema["commonTypes"][common] {
                serde_json::Value::Null => Shape::Plain,
                found => shape(schema, found),
            }
        }
    }
}

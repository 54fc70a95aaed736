//! What an atom read, and what was there.

use super::{Asked, Atom};
use cedar_policy::{
    EntityUid, Expression, eval_expression,
    pst::{BinaryOp, Expr, Literal, Var},
};
use serde::Serialize;
use std::{str::FromStr, sync::Arc};

/// The longest value that is shown, in characters.
const LONGEST: usize = 200;

/// Something that an atom reads of a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Read {
    /// What is read, such as `context.value`.
    pub expression: String,
    /// What is there, in Cedar's words; of a finding or a caller that is tested with `in`, what it lies in. Nothing where there is
    /// nothing, or it is not known.
    pub value: Option<String>,
}

impl Asked<'_> {
    /// What an atom reads, with what is there.
    pub fn reads(&self, atom: &Atom) -> Vec<Read> {
        let mut paths = Vec::new();
        paths_of(&atom.expr, &mut paths);
        let mut reads: Vec<Read> = self.lies_in(&atom.expr).into_iter().collect();
        for path in paths {
            let expression = path.to_string();
            if reads.iter().any(|known| known.expression == expression) {
                continue;
            }
            let value = Expression::from_str(&expression)
                .ok()
                .and_then(|path| eval_expression(&self.question.request, &self.question.entities, &path).ok())
                .map(|value| cut(&value.to_string()));
            reads.push(Read { expression, value });
        }
        reads
    }
}

impl Asked<'_> {
    /// What the scope was held against: the principal, the action and the resource, with what they lie in.
    pub fn scope_reads(&self) -> [Option<Read>; 3] {
        let request = &self.question.request;
        let read = |name: &str, uid: Option<&EntityUid>| {
            let around = uid.and_then(|uid| self.around(uid))?;
            Some(Read { expression: name.to_owned(), value: Some(cut(&format!("{}, {around}", uid?))) })
        };
        let (principal, resource) = (read("principal", request.principal()), read("resource", request.resource()));
        [principal, read("action", request.action()), resource]
    }

    /// `in Account::"…", Fleet::"…"`
    fn around(&self, uid: &EntityUid) -> Option<String> {
        let mut around: Vec<String> = self.question.entities.ancestors(uid)?.map(ToString::to_string).collect();
        around.sort();
        Some(format!("in {}", if around.is_empty() { "nothing".to_owned() } else { around.join(", ") }))
    }

    /// What the finding or the caller lies in, if that is what an atom tests.
    fn lies_in(&self, expr: &Expr) -> Option<Read> {
        let inside = match expr {
            Expr::BinaryOp { op: BinaryOp::In, left, .. } => left,
            Expr::Is { expr, in_expr: Some(_), .. } => expr,
            _ => return None,
        };
        let uid = match &**inside {
            Expr::Var(Var::Principal) => self.question.request.principal()?,
            Expr::Var(Var::Resource) => self.question.request.resource()?,
            _ => return None,
        };
        Some(Read { expression: inside.to_string(), value: Some(cut(&self.around(uid)?)) })
    }
}

fn cut(value: &str) -> String {
    match value.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_owned(),
    }
}

/// The longest paths into the question inside an expression: a variable, and attributes and tags of it.
fn paths_of(expr: &Arc<Expr>, found: &mut Vec<Arc<Expr>>) {
    if is_path(expr) {
        found.push(expr.clone());
        return;
    }
    match &**expr {
        Expr::UnaryOp { expr, .. } | Expr::GetAttr { expr, .. } | Expr::Like { expr, .. } => paths_of(expr, found),
        // Of what is looked into for something, only what is found there tells.
        Expr::HasAttr { expr, attrs } => {
            let path =
                attrs.iter().fold(expr.clone(), |expr, attr| Arc::new(Expr::GetAttr { expr, attr: attr.clone() }));
            paths_of(&path, found);
        }
        Expr::BinaryOp { op: BinaryOp::HasTag, left, right } => {
            let tag = Expr::BinaryOp { op: BinaryOp::GetTag, left: left.clone(), right: right.clone() };
            paths_of(&Arc::new(tag), found);
            if !is_path(right) || matches!(**right, Expr::Literal(_)) {
                paths_of(right, found);
            } else {
                found.push(right.clone());
            }
        }
        Expr::BinaryOp { left, right, .. } => {
            paths_of(left, found);
            paths_of(right, found);
        }
        Expr::Is { expr, in_expr, .. } => {
            paths_of(expr, found);
            if let Some(inside) = in_expr {
                paths_of(inside, found);
            }
        }
        Expr::IfThenElse { cond, then_expr, else_expr } => {
            for part in [cond, then_expr, else_expr] {
                paths_of(part, found);
            }
        }
        Expr::Set(elements) => elements.iter().for_each(|element| paths_of(element, found)),
        Expr::Record(members) => members.values().for_each(|member| paths_of(member, found)),
        _ => {}
    }
}

/// Whether it is a variable, or an attribute or tag of one, by plain names or by keys that are paths themselves.
fn is_path(expr: &Expr) -> bool {
    match expr {
        Expr::Var(_) => true,
        Expr::GetAttr { expr, .. } => is_path(expr),
        Expr::BinaryOp { op: BinaryOp::GetTag, left, right } => {
            is_path(left) && (is_path(right) || matches!(**right, Expr::Literal(Literal::String(_))))
        }
        _ => false,
    }
}

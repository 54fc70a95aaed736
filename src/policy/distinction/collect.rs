//! What an expression looks at, and what it compares that with.

use super::{
    Like, Literals, Part, Term,
    literals::{decimal, instant, span},
};
use crate::policy::attribute::Attribute;
use cedar_policy::pst::{BinaryOp, Expr, Literal, UnaryOp, Var};
use std::collections::BTreeSet;

/// What a condition looks at and the constants in it.
pub(super) fn collect(expression: &Expr) -> (BTreeSet<Term>, Literals) {
    let mut collector = Collector::default();
    collector.read(expression);
    (collector.terms, collector.literals)
}

/// Whether a condition looks at the caller's ARN.
pub(super) fn looks_at_arn(expression: &Expr) -> bool {
    let (_, literals) = collect(expression);
    literals.attributes.contains("arn")
}

/// Whether a condition looks at the caller as a whole, and so perhaps at where it lies.
pub(super) fn looks_at_caller(expression: &Expr) -> bool {
    let mut collector = Collector::default();
    collector.read(expression);
    collector.caller
}

#[derive(Default)]
struct Collector {
    caller: bool,
    terms: BTreeSet<Term>,
    literals: Literals,
}

impl Collector {
    fn read(&mut self, expression: &Expr) {
        match expression {
            Expr::Literal(literal) => self.literal(literal),
            // As a whole: which one it is, and where it lies.
            Expr::Var(Var::Resource) => self.terms.extend([Term::Owner, Term::Identity]),
            Expr::Var(Var::Principal) => self.caller = true,
            Expr::GetAttr { expr, attr } => self.attribute(expr, attr),
            Expr::HasAttr { expr, attrs } => {
                self.attribute(expr, &attrs.head);
                self.literals.attributes.extend(attrs.tail.iter().map(ToString::to_string));
            }
            Expr::BinaryOp { op: BinaryOp::In, left, right } => {
                self.lies_in(left);
                self.read(right);
            }
            Expr::Is { expr, in_expr, .. } => match in_expr {
                Some(target) => {
                    self.lies_in(expr);
                    self.read(target);
                }
                None if matches!(**expr, Expr::Var(_)) => {}
                None => self.read(expr),
            },
            Expr::BinaryOp { op: BinaryOp::HasTag | BinaryOp::GetTag, left, right } => self.tag(left, right),
            Expr::UnaryOp { op, expr } => match (op, &**expr) {
                (UnaryOp::Datetime, Expr::Literal(Literal::String(text))) => {
                    self.literals.instants.extend(instant(text));
                }
                (UnaryOp::Duration, Expr::Literal(Literal::String(text))) => self.literals.spans.extend(span(text)),
                (UnaryOp::Decimal, Expr::Literal(Literal::String(text))) => {
                    self.literals.decimals.extend(decimal(text));
                }
                (UnaryOp::Neg, Expr::Literal(Literal::Long(number))) => {
                    self.literals.numbers.extend(number.checked_neg());
                }
                _ => self.read(expr),
            },
            Expr::BinaryOp { left, right, .. } => {
                self.read(left);
                self.read(right);
            }
            Expr::Like { expr, pattern } => {
                self.read(expr);
                let like = Like::of(pattern);
                if !self.literals.likes.contains(&like) {
                    self.literals.likes.push(like);
                }
            }
            Expr::IfThenElse { cond, then_expr, else_expr } => {
                self.read(cond);
                self.read(then_expr);
                self.read(else_expr);
            }
            Expr::Set(elements) => elements.iter().for_each(|element| self.read(element)),
            Expr::Record(members) => members.values().for_each(|member| self.read(member)),
            _ => {}
        }
    }

    fn literal(&mut self, literal: &Literal) {
        match literal {
            Literal::Long(number) => {
                self.literals.numbers.insert(*number);
            }
            Literal::String(text) => {
                self.literals.texts.insert(text.to_string());
            }
            Literal::EntityUID(uid) => {
                self.literals.entities.insert((uid.ty.to_string(), uid.eid.to_string()));
            }
            _ => {}
        }
    }

    /// `left in …`
    fn lies_in(&mut self, left: &Expr) {
        match left {
            Expr::Var(Var::Resource) => {
                self.terms.insert(Term::Owner);
            }
            _ => self.read(left),
        }
    }

    fn tag(&mut self, map: &Expr, key: &Expr) {
        let of = match map {
            Expr::GetAttr { expr, attr } => match (&**expr, &**attr) {
                (Expr::Var(Var::Resource), "userDefinedFields") => Some(Term::Key as fn(String) -> Term),
                (Expr::Var(Var::Resource), "resourceTags") => Some(Term::Tag as fn(String) -> Term),
                (Expr::Var(Var::Context), "userDefinedFields") => Some(Term::ProposedKey as fn(String) -> Term),
                _ => None,
            },
            _ => None,
        };
        if let (Some(term), Expr::Literal(Literal::String(key))) = (of, key) {
            self.terms.insert(term(key.to_string()));
        } else {
            self.read(map);
            self.read(key);
        }
    }

    fn attribute(&mut self, of: &Expr, name: &str) {
        self.literals.attributes.insert(name.to_owned());
        match of {
            Expr::Var(Var::Principal | Var::Action) => {}
            Expr::Var(Var::Resource) => self.of_finding(name),
            Expr::Var(Var::Context) => self.of_context(name),
            _ if has_root(of) => self.read(of),
            // Whatever it is, it cannot be more than a finding or a context.
            _ => {
                self.of_finding(name);
                if CONTEXT.contains(&name) {
                    self.of_context(name);
                }
                self.read(of);
            }
        }
    }

    fn of_finding(&mut self, name: &str) {
        match (name, Attribute::named(name)) {
            ("id" | "productArn", _) => self.terms.insert(Term::Identity),
            ("isNew", _) => self.terms.insert(Term::IsNew),
            (_, Some(attribute)) => self.terms.insert(Term::Attribute(attribute.name())),
            (_, None) => false,
        };
    }

    fn of_context(&mut self, name: &str) {
        self.terms.insert(match name {
            "fields" => Term::Fields,
            "note" => Term::Note,
            "now" => Term::Now,
            "operation" => Term::Operation,
            "userDefinedFields" => Term::ProposedKeys,
            "key" => Term::Proposed(Part::Key),
            "id" => Term::Proposed(Part::Id),
            "productArn" => Term::Proposed(Part::ProductArn),
            _ => Term::Proposed(Part::Value),
        });
    }
}

/// Whether an expression looks into a variable, step by step.
fn has_root(expression: &Expr) -> bool {
    match expression {
        Expr::Var(_) => true,
        Expr::GetAttr { expr, .. } | Expr::BinaryOp { op: BinaryOp::GetTag, left: expr, .. } => has_root(expr),
        _ => false,
    }
}

/// The members of a context.
const CONTEXT: [&str; 11] =
    ["date", "fields", "id", "key", "note", "now", "number", "operation", "productArn", "userDefinedFields", "value"];

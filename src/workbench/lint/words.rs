//! Expressions as the tokens that their author wrote.

use cedar_policy::pst::{BinaryOp, EntityUID, Expr, Literal, PatternElem, UnaryOp, Var};

/// The tokens of an expression, with parentheses around every operand: two expressions have the same ones if, and only if,
/// they are the same.
pub(super) fn words(expression: &Expr) -> Vec<String> {
    let mut words = Words(Vec::new());
    words.expression(expression);
    words.0
}

/// The tokens of an entity: `Account::"111122223333"`.
pub(super) fn entity_words(kind: &str, id: &str) -> Vec<String> {
    let mut words = Words(Vec::new());
    words.entity(kind, id);
    words.0
}

struct Words(Vec<String>);

impl Words {
    fn add(&mut self, word: impl Into<String>) {
        self.0.push(word.into());
    }

    fn entity(&mut self, kind: &str, id: &str) {
        for (i, part) in kind.split("::").enumerate() {
            if i > 0 {
                self.add("::");
            }
            self.add(part);
        }
        self.add("::");
        self.add(quoted(id));
    }

    fn operand(&mut self, expression: &Expr) {
        if matches!(expression, Expr::Literal(_) | Expr::Var(_) | Expr::GetAttr { .. } | Expr::Set(_)) {
            return self.expression(expression);
        }
        self.add("(");
        self.expression(expression);
        self.add(")");
    }

    fn method(&mut self, receiver: &Expr, name: &str, argument: Option<&Expr>) {
        self.operand(receiver);
        self.add(".");
        self.add(name);
        self.add("(");
        if let Some(argument) = argument {
            self.expression(argument);
        }
        self.add(")");
    }

    fn list<'e>(&mut self, elements: impl Iterator<Item = &'e Expr>) {
        self.add("[");
        for (i, element) in elements.enumerate() {
            if i > 0 {
                self.add(",");
            }
            self.expression(element);
        }
        self.add("]");
    }

    fn expression(&mut self, expression: &Expr) {
        match expression {
            Expr::Literal(Literal::Bool(value)) => self.add(value.to_string()),
            Expr::Literal(Literal::Long(value)) => {
                if *value < 0 {
                    self.add("-");
                }
                self.add(value.unsigned_abs().to_string());
            }
            Expr::Literal(Literal::String(text)) => self.add(quoted(text)),
            Expr::Literal(Literal::EntityUID(EntityUID { ty, eid })) => self.entity(&ty.to_string(), eid),
            Expr::Var(var) => self.add(match var {
                Var::Principal => "principal",
                Var::Action => "action",
                Var::Resource => "resource",
                Var::Context => "context",
            }),
            Expr::UnaryOp { op: UnaryOp::Not, expr } => {
                self.add("!");
                self.operand(expr);
            }
            Expr::UnaryOp { op: UnaryOp::Neg, expr } => {
                self.add("-");
                self.operand(expr);
            }
            Expr::UnaryOp {
                op: op @ (UnaryOp::Datetime | UnaryOp::Decimal | UnaryOp::Duration | UnaryOp::Ip),
                expr,
            } => {
                self.add(op.to_string());
                self.add("(");
                self.expression(expr);
                self.add(")");
            }
            Expr::UnaryOp { op, expr } => self.method(expr, &op.to_string(), None),
            Expr::BinaryOp { op, left, right } if is_infix(*op) => {
                self.operand(left);
                self.add(op.to_string());
                self.operand(right);
            }
            Expr::BinaryOp { op, left, right } => self.method(left, &op.to_string(), Some(right)),
            Expr::GetAttr { expr, attr } => {
                self.operand(expr);
                if is_word(attr) {
                    self.add(".");
                    self.add(attr.as_str());
                } else {
                    self.add("[");
                    self.add(quoted(attr));
                    self.add("]");
                }
            }
            Expr::HasAttr { expr, attrs } => {
                self.operand(expr);
                self.add("has");
                for (i, attr) in attrs.iter().enumerate() {
                    if i > 0 {
                        self.add(".");
                    }
                    self.add(if is_word(attr) { attr.to_string() } else { quoted(attr) });
                }
            }
            Expr::Like { expr, pattern } => {
                self.operand(expr);
                self.add("like");
                self.add(quoted_pattern(pattern));
            }
            Expr::Is { expr, entity_type, in_expr } => {
                self.operand(expr);
                self.add("is");
                self.add(entity_type.to_string());
                if let Some(target) = in_expr {
                    self.add("in");
                    self.operand(target);
                }
            }
            Expr::IfThenElse { cond, then_expr, else_expr } => {
                for (word, part) in [("if", cond), ("then", then_expr), ("else", else_expr)] {
                    self.add(word);
                    self.operand(part);
                }
            }
            Expr::Set(elements) => self.list(elements.iter().map(|element| &**element)),
            other => self.add(other.to_string()),
        }
    }
}

fn is_infix(op: BinaryOp) -> bool {
    use BinaryOp::{Add, And, Eq, Greater, GreaterEq, In, Less, LessEq, Mul, NotEq, Or, Sub};
    matches!(op, Eq | NotEq | Less | LessEq | Greater | GreaterEq | And | Or | Add | Sub | Mul | In)
}

fn is_word(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A text in quotation marks, as most people write it.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn quoted_pattern(pattern: &[PatternElem]) -> String {
    let mut text = String::from("\"");
    for element in pattern {
        match element {
            PatternElem::Wildcard => text.push('*'),
            PatternElem::Char('*') => text.push_str("\\*"),
            PatternElem::Char(c @ ('"' | '\\')) => text.extend(['\\', *c]),
            PatternElem::Char(c) => text.push(*c),
        }
    }
    text.push('"');
    text
}

/// Tokens as a line of text.
pub(super) fn joined(words: &[String]) -> String {
    let mut text = String::new();
    for (i, word) in words.iter().enumerate() {
        let before = i.checked_sub(1).and_then(|before| words.get(before)).map_or("", String::as_str);
        let before_that = i.checked_sub(2).and_then(|before| words.get(before)).map_or("", String::as_str);
        // A minus that no operand stands before is a sign.
        let signed = before == "-" && !before_that.ends_with(|c: char| c.is_ascii_alphanumeric() || ")]\"".contains(c));
        let sticks = signed
            || matches!(word.as_str(), ")" | "]" | "," | "." | "::")
            || matches!(before, "(" | "[" | "." | "::" | "!" | "")
            || (word == "("
                && before.ends_with(|c: char| c.is_ascii_alphanumeric())
                && !matches!(before, "in" | "has" | "like" | "if" | "then" | "else" | "is"))
            || (word == "[" && before.ends_with(|c: char| c.is_ascii_alphanumeric()) && before != "in");
        if !sticks {
            text.push(' ');
        }
        text.push_str(word);
    }
    text
}

//! The shape of a policy's conditions, read from its tokens.
//!
//! Cedar has parsed the text before, so it is right; what is read here is only where `||`, `&&`, `!`, parentheses and `if` cut
//! it. Whatever lies between is an atom.

use super::{Atom, Clause, Condition, Head, Node, Tree};
use crate::policy::{
    Origin,
    text::{Piece, Token},
};
use cedar_policy::pst::{Expr, Literal};
use std::{ops::Range, sync::Arc};

/// Reads the shape of a policy; its atoms have no expressions yet.
pub(super) fn read(piece: &Piece<'_>, origin: &Origin) -> Option<Condition> {
    let Head { effect, scope, after } = piece.head()?;
    let mut reader = Reader { piece, origin, at: after, atoms: Vec::new() };
    let mut clauses = Vec::new();
    while let word @ ("when" | "unless") = reader.word(0) {
        let start = reader.at;
        reader.at += 1;
        reader.expect("{")?;
        let tree = reader.expression()?;
        reader.expect("}")?;
        clauses.push(Clause { unless: word == "unless", span: origin.span(reader.bytes(start)), tree });
    }
    reader.expect(";")?;
    Some(Condition {
        span: origin.span(piece.span()),
        effect: origin.span(piece.tokens[effect].span.clone()),
        scope: scope.map(|part| origin.span(part)),
        clauses,
        atoms: reader.atoms,
    })
}

struct Reader<'a> {
    piece: &'a Piece<'a>,
    origin: &'a Origin,
    at: usize,
    atoms: Vec<Atom>,
}

impl<'a> Reader<'a> {
    fn token(&self, ahead: usize) -> Option<&'a Token> {
        self.piece.tokens.get(self.at + ahead)
    }

    /// What stands so many tokens ahead; nothing behind the end.
    fn word(&self, ahead: usize) -> &'a str {
        self.token(ahead).map_or("", |token| self.piece.word(token))
    }

    fn expect(&mut self, word: &str) -> Option<()> {
        (self.word(0) == word).then(|| self.at += 1)
    }

    /// The bytes from this token to the last one read.
    fn bytes(&self, start: usize) -> Range<usize> {
        let end = self.at.max(start + 1) - 1;
        self.piece.tokens[start].span.start..self.piece.tokens[end].span.end
    }

    fn tree(&self, start: usize, node: Node) -> Tree {
        Tree { span: self.origin.span(self.bytes(start)), node }
    }

    fn expression(&mut self) -> Option<Tree> {
        if self.word(0) != "if" {
            return self.chain("||", Node::Any, |reader| reader.chain("&&", Node::All, Self::operand));
        }
        let start = self.at;
        self.at += 1;
        let cond = self.expression()?;
        self.expect("then")?;
        let then = self.expression()?;
        self.expect("else")?;
        let other = self.expression()?;
        Some(self.tree(start, Node::If(Box::new([cond, then, other]))))
    }

    /// One or several of what `inner` reads, with an operator between.
    fn chain(
        &mut self,
        operator: &str,
        make: impl FnOnce(Vec<Tree>) -> Node,
        inner: impl Fn(&mut Self) -> Option<Tree>,
    ) -> Option<Tree> {
        let start = self.at;
        let mut parts = vec![inner(self)?];
        while self.word(0) == operator {
            self.at += 1;
            parts.push(inner(self)?);
        }
        match parts.len() {
            1 => parts.pop(),
            _ => Some(self.tree(start, make(parts))),
        }
    }

    /// An operand of `&&`: an atom, or something in parentheses, with any number of `!` in front.
    fn operand(&mut self) -> Option<Tree> {
        let (start, end) = (self.at, self.end_of_operand()?);
        let negations = self.piece.tokens[start..end].iter().take_while(|token| self.piece.word(token) == "!").count();
        let inner = start + negations;
        let tree = if self.compares(inner, end) {
            self.atom(start, end)
        } else {
            self.at = inner;
            let tree = if self.word(0) == "(" && self.closing(inner) == Some(end - 1) {
                self.at += 1;
                let inside = self.expression()?;
                self.expect(")")?;
                inside
            } else {
                self.atom(inner, end)
            };
            (0..negations).rev().fold(tree, |tree, nth| self.tree(start + nth, Node::Not(Box::new(tree))))
        };
        (self.at == end).then_some(tree)
    }

    fn atom(&mut self, start: usize, end: usize) -> Tree {
        self.at = end;
        let bytes = self.bytes(start);
        let span = self.origin.span(bytes.clone());
        let text = self.origin.text[bytes].to_owned();
        // Cedar's expression takes this place.
        let expr = Arc::new(Expr::Literal(Literal::Bool(true)));
        self.atoms.push(Atom { text, span, constant: false, expr });
        Tree { span, node: Node::Atom(self.atoms.len() - 1) }
    }

    /// Where the operand that starts here ends: before the next `&&`, `||`, `then`, `else` or closing bracket outside of its own.
    fn end_of_operand(&self) -> Option<usize> {
        let (mut depth, mut end) = (0_usize, self.at);
        while let Some(token) = self.piece.tokens.get(end) {
            match self.piece.word(token) {
                "&&" | "||" | "then" | "else" if depth == 0 => break,
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => match depth.checked_sub(1) {
                    Some(less) => depth = less,
                    None => break,
                },
                _ => {}
            }
            end += 1;
        }
        (end > self.at).then_some(end)
    }

    /// Whether an operator binds the operand's parts together more loosely than `!` does.
    fn compares(&self, start: usize, end: usize) -> bool {
        let mut depth = 0_usize;
        (start..end).any(|at| match self.piece.word(&self.piece.tokens[at]) {
            "(" | "[" | "{" => {
                depth += 1;
                false
            }
            ")" | "]" | "}" => {
                depth = depth.saturating_sub(1);
                false
            }
            "==" | "!=" | "<" | "<=" | ">" | ">=" | "+" | "-" | "*" | "in" | "has" | "like" | "is" => depth == 0,
            _ => false,
        })
    }

    /// Where the bracket that opens here is closed.
    fn closing(&self, open: usize) -> Option<usize> {
        let mut depth = 0_usize;
        for (at, token) in self.piece.tokens.iter().enumerate().skip(open) {
            match self.piece.word(token) {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => {
                    depth = depth.checked_sub(1)?;
                    if depth == 0 {
                        return Some(at);
                    }
                }
                _ => {}
            }
        }
        None
    }
}

//! The conditions of a policy as a tree of atoms, each with its place in the policy file.
//!
//! Cedar's tree of a policy says what a condition means and not where it stands. The tokens of the text say where. So the text
//! is read once more, for its shape alone ([`shape`]), and Cedar's expressions are laid over that shape; they must be equal, or
//! there is no [`Condition`]. A [`Probe`] then asks Cedar what each atom is in a question that was asked.

mod probe;
mod shape;
mod values;

pub use probe::{Asked, Probe, Trace, Truth};
pub use values::Read;

use super::{
    Origin, Rule,
    text::{self, Piece},
};
use cedar_policy::pst::{self, BinaryOp, Expr, Literal, UnaryOp};
use serde::Serialize;
use std::{ops::Range, sync::Arc};

/// A stretch of a policy file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Span {
    /// Where it starts in the file, in bytes.
    pub start: usize,
    /// Where it ends, in bytes.
    pub end: usize,
    /// The line that it starts in, counted from 1.
    pub line: usize,
    /// The column of its first character, counted from 1 in characters.
    pub column: usize,
    /// The line that it ends in.
    pub end_line: usize,
    /// The column behind its last character.
    pub end_column: usize,
}

/// Where the parts of a policy stand, and its conditions.
#[derive(Debug, Clone)]
pub struct Condition {
    /// All of the policy, from its first annotation to its `;`.
    pub span: Span,
    /// The word `permit` or `forbid`.
    pub effect: Span,
    /// What stands in the scope for the principal, the action and the resource.
    pub scope: [Span; 3],
    /// Its conditions, in the order of the text.
    pub clauses: Vec<Clause>,
    /// The atoms of all its conditions, in the order of the text.
    pub atoms: Vec<Atom>,
}

/// A `when` or an `unless`.
#[derive(Debug, Clone)]
pub struct Clause {
    /// Whether the policy applies where this is false.
    pub unless: bool,
    /// From the word to the `}`.
    pub span: Span,
    /// What stands between the braces.
    pub tree: Tree,
}

/// A boolean expression.
#[derive(Debug, Clone)]
pub struct Tree {
    /// Where it stands. Parentheses around an atom are not part of it.
    pub span: Span,
    /// What it is made of.
    pub node: Node,
}

/// What a boolean expression is made of.
#[derive(Debug, Clone)]
pub enum Node {
    /// What has no boolean expression inside that could be looked at for itself: this one of the policy's atoms.
    Atom(usize),
    /// `!…`
    Not(Box<Tree>),
    /// `… && …`
    All(Vec<Tree>),
    /// `… || …`
    Any(Vec<Tree>),
    /// `if … then … else …`
    If(Box<[Tree; 3]>),
}

/// A smallest boolean expression.
#[derive(Debug, Clone)]
pub struct Atom {
    /// As it is written.
    pub text: String,
    /// Where it stands.
    pub span: Span,
    /// Whether it is `true` or `false` and so never the other.
    pub constant: bool,
    expr: Arc<Expr>,
}

impl Condition {
    /// The conditions of a policy.
    ///
    /// # Errors
    ///
    /// The rule's text is not that of its policy: of loaded rules it is.
    pub fn of(rule: &Rule) -> Result<Self, String> {
        let origin = &rule.origin;
        let astray = || format!("the text of policy `{}` at {} is not what it says", rule.id, origin.place());
        let tokens = text::tokens(&origin.text).map_err(|_| astray())?;
        let piece = *text::pieces(&origin.text, &tokens).first().ok_or_else(astray)?;
        let policy = rule.policy.to_pst().map_err(|error| error.to_string())?;
        let mut condition = shape::read(&piece, origin).ok_or_else(astray)?;
        if condition.clauses.len() != policy.body().clauses().len() {
            return Err(astray());
        }
        let mut exprs = Vec::new();
        for (clause, known) in condition.clauses.iter().zip(policy.body().clauses()) {
            let (unless, expr) = match known {
                pst::Clause::When(expr) => (false, expr),
                pst::Clause::Unless(expr) => (true, expr),
            };
            atoms(expr, &mut exprs);
            let same = || exprs.len() <= condition.atoms.len() && clause.tree.expr(&exprs).as_ref() == Some(expr);
            if clause.unless != unless || !same() {
                return Err(astray());
            }
        }
        if exprs.len() != condition.atoms.len() {
            return Err(astray());
        }
        for (atom, expr) in condition.atoms.iter_mut().zip(exprs) {
            atom.constant = matches!(&*expr, Expr::Literal(Literal::Bool(_)));
            atom.expr = expr;
        }
        Ok(condition)
    }

    /// What must all be so for the policy to apply: the operands of `&&` in a `when`, and of `||` in an `unless`, each with the
    /// truth that it must have.
    pub fn conjuncts(&self) -> Vec<(&Tree, bool)> {
        let mut conjuncts = Vec::new();
        for clause in &self.clauses {
            clause.tree.conjuncts(!clause.unless, &mut conjuncts);
        }
        conjuncts
    }
}

impl Tree {
    fn conjuncts<'t>(&'t self, wanted: bool, found: &mut Vec<(&'t Self, bool)>) {
        match (&self.node, wanted) {
            (Node::Not(inner), _) => inner.conjuncts(!wanted, found),
            (Node::All(parts), true) | (Node::Any(parts), false) => {
                for part in parts {
                    part.conjuncts(wanted, found);
                }
            }
            _ => found.push((self, wanted)),
        }
    }

    /// The expression that this is of these atoms; nothing if it has more atoms than there are.
    fn expr(&self, atoms: &[Arc<Expr>]) -> Option<Arc<Expr>> {
        let chain = |op: BinaryOp, parts: &[Self]| {
            let mut parts = parts.iter().map(|part| part.expr(atoms));
            let first = parts.next()??;
            parts.try_fold(first, |left, right| Some(Arc::new(Expr::BinaryOp { op, left, right: right? })))
        };
        match &self.node {
            Node::Atom(at) => atoms.get(*at).cloned(),
            Node::Not(inner) => Some(Arc::new(Expr::UnaryOp { op: UnaryOp::Not, expr: inner.expr(atoms)? })),
            Node::All(parts) => chain(BinaryOp::And, parts),
            Node::Any(parts) => chain(BinaryOp::Or, parts),
            Node::If(parts) => {
                let [cond, then_expr, else_expr] = &**parts;
                let (cond, then_expr, else_expr) = (cond.expr(atoms)?, then_expr.expr(atoms)?, else_expr.expr(atoms)?);
                Some(Arc::new(Expr::IfThenElse { cond, then_expr, else_expr }))
            }
        }
    }
}

/// The atoms of an expression, from left to right.
fn atoms(expr: &Arc<Expr>, found: &mut Vec<Arc<Expr>>) {
    match &**expr {
        Expr::BinaryOp { op: BinaryOp::And | BinaryOp::Or, left, right } => {
            atoms(left, found);
            atoms(right, found);
        }
        Expr::UnaryOp { op: UnaryOp::Not, expr } => atoms(expr, found),
        Expr::IfThenElse { cond, then_expr, else_expr } => {
            for part in [cond, then_expr, else_expr] {
                atoms(part, found);
            }
        }
        _ => found.push(expr.clone()),
    }
}

impl Origin {
    /// `policies/members.cedar:3:1`
    pub fn place(&self) -> String {
        format!("{}:{}:{}", self.file, self.line, self.column)
    }

    /// What stands in the file, at these bytes of the policy's text.
    pub(super) fn span(&self, bytes: Range<usize>) -> Span {
        let (line, column) = self.position(bytes.start);
        let (end_line, end_column) = self.position(bytes.end);
        let (start, end) = (self.offset + bytes.start, self.offset + bytes.end);
        Span { start, end, line, column, end_line, end_column }
    }

    fn position(&self, at: usize) -> (usize, usize) {
        let before = self.text.get(..at).unwrap_or(&self.text);
        match before.rsplit_once('\n') {
            None => (self.line, self.column + before.chars().count()),
            Some((lines, line)) => {
                (self.line + 1 + lines.bytes().filter(|byte| *byte == b'\n').count(), 1 + line.chars().count())
            }
        }
    }
}

impl Piece<'_> {
    /// Where the words `permit (…)` stand in the policy's tokens: the effect and the three parts between the parentheses.
    fn head(&self) -> Option<Head> {
        let effect = self.tokens.iter().position(|token| matches!(self.word(token), "permit" | "forbid"))?;
        let (mut depth, mut parts, mut start) = (0_usize, Vec::new(), effect + 2);
        for (at, token) in self.tokens.iter().enumerate().skip(effect + 1) {
            let mut part = |end: usize| {
                if start < end {
                    parts.push(self.tokens[start].span.start..self.tokens[end - 1].span.end);
                }
                start = end + 1;
            };
            match self.word(token) {
                "(" | "[" | "{" => depth += 1,
                "," if depth == 1 => part(at),
                ")" | "]" | "}" => {
                    depth = depth.checked_sub(1)?;
                    if depth == 0 {
                        part(at);
                        return Some(Head { effect, scope: parts.try_into().ok()?, after: at + 1 });
                    }
                }
                _ => {}
            }
        }
        None
    }
}

/// The head of a policy.
struct Head {
    /// The token of the effect.
    effect: usize,
    /// The bytes of the three parts.
    scope: [Range<usize>; 3],
    /// The first token behind.
    after: usize,
}

#[cfg(test)]
mod tests;

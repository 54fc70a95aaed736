//! Slips of policies, one at a time.

use super::operators::{atoms, slips};
use crate::{
    finding::Enforcement,
    policy::{Condition, Rule, Span, is_valid},
};
use cedar_policy::{
    Effect, Policy,
    pst::{self, ActionConstraint, Clause, Expr, PrincipalConstraint, ResourceConstraint, StaticPolicy, Template},
};
use std::sync::Arc;

/// A policy with one slip.
#[derive(Debug, Clone)]
pub struct Mutant {
    /// The policy's `@id`.
    pub policy: Arc<str>,
    /// What slipped, such as `drop the clause` or `"SUPPRESSED" to "NEW"`.
    pub what: String,
    /// Where.
    pub span: Span,
    /// The file, as the user named it.
    pub file: Arc<str>,
    /// The policy with the slip; nothing where it is left out.
    pub rule: Option<Rule>,
}

impl Mutant {
    /// All policies, this one in the place of its original.
    pub fn applied(&self, rules: &[Rule]) -> Vec<Rule> {
        let changed = |rule: &Rule| if rule.id == self.policy { self.rule.clone() } else { Some(rule.clone()) };
        rules.iter().filter_map(changed).collect()
    }

    /// Where it is: `policies/members.cedar:3:1`.
    pub fn place(&self) -> String {
        format!("{}:{}:{}", self.file, self.span.line, self.span.column)
    }
}

/// Every slip of every policy that its author would not have been told of: those that are no valid policies, or that warn, are
/// left out, because they could not be loaded.
///
/// # Errors
///
/// A policy that cannot be analysed, which no policy is that was loaded.
pub fn mutants(rules: &[Rule]) -> Result<Vec<Mutant>, String> {
    let mut mutants = Vec::new();
    for rule in rules {
        let tree = rule.policy.to_pst().map_err(|error| error.to_string())?;
        let condition = Condition::of(rule)?;
        Slips { rule, body: tree.body(), condition: &condition, mutants: &mut mutants }.all();
    }
    Ok(mutants)
}

/// A policy made a permit, which allows what it matches: so that it can be compared for itself.
pub fn as_permit(rule: &Rule) -> Option<Rule> {
    let tree = rule.policy.to_pst().ok()?;
    let mut body = tree.body().clone();
    body.effect = pst::Effect::Permit;
    let policy = Policy::from_pst(pst::Policy::Static(StaticPolicy::try_from(body).ok()?)).ok()?;
    Some(Rule { effect: Effect::Permit, enforcement: None, advice: None, shadow: false, policy, ..rule.clone() })
}

/// The slips of one policy.
struct Slips<'r> {
    rule: &'r Rule,
    body: &'r Template,
    condition: &'r Condition,
    mutants: &'r mut Vec<Mutant>,
}

impl Slips<'_> {
    fn all(&mut self) {
        self.add("leave the policy out".to_owned(), self.condition.effect, None);
        self.effect();
        self.annotations();
        self.scope();
        self.clauses();
    }

    fn add(&mut self, what: String, span: Span, rule: Option<Rule>) {
        let Rule { id, origin, .. } = self.rule;
        self.mutants.push(Mutant { policy: id.clone(), what, span, file: origin.file.clone(), rule });
    }

    /// Adds the policy with another body, if it is one.
    fn changed(&mut self, what: String, span: Span, body: Template) {
        let Ok(tree) = StaticPolicy::try_from(body) else { return };
        let Ok(policy) = Policy::from_pst(pst::Policy::Static(tree)) else { return };
        if is_valid(&policy) {
            let rule = Rule { effect: policy.effect(), policy, ..self.rule.clone() };
            self.add(what, span, Some(rule));
        }
    }

    fn effect(&mut self) {
        let mut body = self.body.clone();
        let (effect, what) = match self.rule.effect {
            Effect::Permit => (pst::Effect::Forbid, "`permit` to `forbid`"),
            Effect::Forbid => (pst::Effect::Permit, "`forbid` to `permit`"),
        };
        body.effect = effect;
        self.changed(what.to_owned(), self.condition.effect, body);
    }

    /// What a denial does, and whether the policy counts.
    fn annotations(&mut self) {
        let span = self.condition.span;
        if let Some(enforcement) = self.rule.enforcement.filter(|_| !self.rule.shadow) {
            for other in Enforcement::ALL.iter().copied().filter(|other| *other != enforcement) {
                let rule = Rule { enforcement: Some(other), ..self.rule.clone() };
                self.add(format!("`@enforce(\"{enforcement}\")` to `@enforce(\"{other}\")`"), span, Some(rule));
            }
        }
        let rule = Rule { shadow: !self.rule.shadow, ..self.rule.clone() };
        let what = if self.rule.shadow { "drop `@shadow`" } else { "add `@shadow`" };
        self.add(what.to_owned(), span, Some(rule));
    }

    fn scope(&mut self) {
        let [principal, action, resource] = self.condition.scope;
        if self.body.principal != PrincipalConstraint::Any {
            let mut body = self.body.clone();
            body.principal = PrincipalConstraint::Any;
            self.changed("any principal".to_owned(), principal, body);
        }
        match &self.body.action {
            ActionConstraint::Any => {}
            ActionConstraint::In(actions) if actions.len() > 1 => {
                for (at, dropped) in actions.iter().enumerate() {
                    let mut left = actions.clone();
                    left.remove(at);
                    let mut body = self.body.clone();
                    body.action = ActionConstraint::In(left);
                    self.changed(format!("drop `{}` from the actions", dropped.eid), action, body);
                }
                self.any_action(action);
            }
            ActionConstraint::Eq(_) | ActionConstraint::In(_) => self.any_action(action),
        }
        if self.body.resource != ResourceConstraint::Any {
            let mut body = self.body.clone();
            body.resource = ResourceConstraint::Any;
            self.changed("any resource".to_owned(), resource, body);
        }
    }

    fn any_action(&mut self, span: Span) {
        let mut body = self.body.clone();
        body.action = ActionConstraint::Any;
        self.changed("any action".to_owned(), span, body);
    }

    fn clauses(&mut self) {
        let clauses = self.body.clauses().clone();
        let mut first = 0;
        for (at, clause) in clauses.iter().enumerate() {
            let span = self.condition.clauses[at].span;
            let mut left = clauses.clone();
            left.remove(at);
            self.with_clauses("drop the clause".to_owned(), span, left);
            let (word, other) = match clause {
                Clause::When(condition) => ("`when` to `unless`", Clause::Unless(condition.clone())),
                Clause::Unless(condition) => ("`unless` to `when`", Clause::When(condition.clone())),
            };
            self.with_clause(word.to_owned(), span, &clauses, at, other);
            let (Clause::When(condition) | Clause::Unless(condition)) = clause;
            for slip in slips(condition, first) {
                let span = self.condition.atoms.get(slip.atom).map_or(span, |atom| atom.span);
                let changed = same_kind(clause, slip.expr);
                self.with_clause(slip.what, span, &clauses, at, changed);
            }
            first += atoms(condition);
        }
    }

    fn with_clause(&mut self, what: String, span: Span, clauses: &[Clause], at: usize, clause: Clause) {
        let mut clauses = clauses.to_vec();
        clauses[at] = clause;
        self.with_clauses(what, span, clauses);
    }

    fn with_clauses(&mut self, what: String, span: Span, clauses: Vec<Clause>) {
        if let Ok(body) = self.body.clone().try_with_clauses(clauses) {
            self.changed(what, span, body);
        }
    }
}

fn same_kind(clause: &Clause, condition: Expr) -> Clause {
    match clause {
        Clause::When(_) => Clause::When(Arc::new(condition)),
        Clause::Unless(_) => Clause::Unless(Arc::new(condition)),
    }
}

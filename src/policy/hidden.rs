//! Verdicts on questions of which some texts are hidden: a record of a request has something else in their place.
//!
//! A policy is put to the question with every read of a hidden text replaced by one that fails, and Cedar fails only on what it comes to
//! evaluate. So a policy that does not fail has read none of them, and says the same whatever they are. One that fails is in doubt, and
//! so is the verdict, unless the other policies settle it.

use super::{Engine, Judge, Question, Reason, Snapshot, Verdict, record::in_full, rule::Rule};
use crate::finding::{AccountId, Action, ActionSet, Caller, Change, Identifier, Role, Target, Value};
use cedar_policy::{
    Authorizer, Decision, Effect, Policy, PolicyId, PolicySet,
    pst::{self, BinaryOp, Clause, Expr, StaticPolicy, UnaryOp, Var},
};
use std::{
    cell::Cell,
    collections::{BTreeSet, HashMap, HashSet},
    rc::Rc,
    sync::Arc,
};

/// A kind of texts that can be hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Text {
    /// The text of notes.
    NoteText,
    /// Who wrote notes.
    NoteUpdatedBy,
    /// The values of resources' tags. Their keys are not hidden.
    ResourceTags,
    /// The values of user-defined fields. Their keys are not hidden.
    UserDefinedFields,
}

/// The texts that are hidden.
pub type Hidden = BTreeSet<Text>;

/// What is in doubt about a verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doubt {
    /// Which policies decide. What they decide is certain.
    By,
    /// Whether it is allowed, or what the denial does: these policies read what is hidden.
    Verdict(Vec<Arc<str>>),
}

/// Gives the verdicts of an [`Engine`], and knows which of them are in doubt.
#[derive(Debug)]
pub struct Veiled {
    engine: Engine,
    snapshot: Arc<Snapshot>,
    hidden: Hidden,
    doubts: Vec<(Asked, Rc<Verdict>, Doubt)>,
    /// By role, action and what is hidden. Nothing where no policy can read any of it.
    sets: HashMap<(Role, Action, Hidden), Option<Rc<Veiling>>>,
}

/// Policies that fail where they read what is hidden.
#[derive(Debug)]
struct Veiling {
    set: PolicySet,
    /// Those that can read it.
    reading: Vec<PolicyId>,
    /// Those that compute: they may fail on some texts, by an overflow, and a failure denies.
    computing: HashSet<PolicyId>,
}

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// About which finding.
    pub finding: Identifier<'static>,
    /// For what.
    pub action: Action,
    /// With which value, in full.
    value: String,
}

impl Veiled {
    /// Judges by a snapshot.
    pub fn new(snapshot: Arc<Snapshot>) -> Self {
        let engine = Engine::new(snapshot.clone());
        Self { engine, snapshot, hidden: Hidden::new(), doubts: Vec::new(), sets: HashMap::new() }
    }

    /// What it judges by.
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// Of the questions that come now, this is hidden. Doubts about earlier ones are forgotten.
    pub fn hide(&mut self, hidden: Hidden) {
        self.hidden = hidden;
        self.doubts.clear();
    }

    /// What is in doubt about a verdict that this judge gave.
    fn doubt(&self, verdict: &Rc<Verdict>) -> Option<&Doubt> {
        self.doubts.iter().find(|(_, known, _)| Rc::ptr_eq(known, verdict)).map(|(.., doubt)| doubt)
    }

    /// What is in doubt about the verdict on a change, also where the gate made another one of it: on whether anything may be removed.
    pub fn doubt_about(&self, change: &Change<'_>, verdict: &Rc<Verdict>) -> Option<&Doubt> {
        let of_action = || {
            let mut doubts = self.doubts.iter().rev().filter(|_| change.value() == Value::Unknown);
            doubts.find(|(about, ..)| about.action == change.action()).map(|(.., doubt)| doubt)
        };
        self.doubt(verdict).or_else(of_action)
    }

    /// All doubts, in the order in which they came up.
    #[cfg(test)]
    fn doubts(&self) -> impl Iterator<Item = (&Asked, &Doubt)> {
        self.doubts.iter().map(|(asked, _, doubt)| (asked, doubt))
    }

    /// Of the doubts about verdicts, those about removals that are not among what was asked, because they would be allowed.
    ///
    /// What is in doubt there may deny them after all, and what travels with them then goes with less.
    pub fn untold<'a>(
        &'a self,
        asked: &'a [(&Change<'_>, &Rc<Verdict>)],
    ) -> impl Iterator<Item = (Action, &'a [Arc<str>])> {
        self.doubts.iter().filter_map(|(about, _, doubt)| match doubt {
            Doubt::Verdict(policies) if !asked.iter().any(|(change, _)| change.action() == about.action) => {
                Some((about.action, &**policies))
            }
            _ => None,
        })
    }

    /// Whether the verdict on an action may depend on what travels with it, so that it is in doubt where that may have been stripped.
    pub fn reads_others(&self, caller: &Caller, action: Action) -> bool {
        self.snapshot.slice(caller, action).map_or(true, |slice| {
            let footprint = &slice.footprint;
            footprint.fields || footprint.note || !footprint.user_defined_fields.is_empty()
        })
    }

    /// Whether the verdict on an action may depend on the finding's own id.
    pub fn reads_id(&self, caller: &Caller, action: Action) -> bool {
        self.snapshot.slice(caller, action).map_or(true, |slice| {
            slice.footprint.identity || slice.footprint.id != super::footprint::TextRead::default()
        })
    }

    /// The policies to ask with; nothing where none can read what is hidden.
    fn set(&mut self, role: Role, action: Action) -> Option<Rc<Veiling>> {
        let key = (role, action, self.hidden.clone());
        let (snapshot, hidden) = (&self.snapshot, &self.hidden);
        self.sets.entry(key).or_insert_with(|| veiled(snapshot.rules(), role, action, hidden).map(Rc::new)).clone()
    }

    fn doubt_in(&mut self, question: &Question<'_>, verdict: &Verdict) -> Option<Doubt> {
        if self.hidden.is_empty() {
            return None;
        }
        let veiling = self.set(question.caller.role, question.change.action())?;
        let set = &veiling.set;
        let all = || Doubt::Verdict(self.snapshot.by_id().names(veiling.reading.iter()));
        // What would be removed is not known. Whatever it is, all that is known is which policies could read what is hidden.
        if question.change.value() == Value::Unknown {
            return Some(all());
        }
        let Ok((request, entities)) = in_full(question, &self.snapshot) else { return Some(all()) };
        let response = Authorizer::new().is_authorized(&request, set, &entities);
        let failed: Vec<&PolicyId> = response
            .diagnostics()
            .errors()
            .map(|cedar_policy::AuthorizationError::PolicyEvaluationError(error)| error.policy_id())
            .collect();
        if failed.is_empty() {
            return None;
        }
        let by_id = self.snapshot.by_id();
        let mut names: Vec<Arc<str>> = failed.iter().map(|id| by_id.name(id)).collect();
        names.sort_unstable();
        let is_forbid = |id: &&&PolicyId| set.policy(id).is_none_or(|policy| policy.effect() == Effect::Forbid);
        let strictest_in_doubt = failed.iter().filter(is_forbid).map(|id| by_id.enforcement(id)).max();
        let reasons = || response.diagnostics().reason();
        // What one of them says may come to depend on how the finding is, or be a failure.
        let waits = |id: &PolicyId| question.target.state.is_none() && by_id.reads_state(id);
        let is_uncertain = |id: &&PolicyId| veiling.computing.contains(id) || waits(id);
        let is_settled = match (response.decision(), strictest_in_doubt) {
            // It is a policy that fails whatever the texts are, or may.
            _ if verdict.enforced.denial().is_some_and(|denial| denial.reason == Reason::PolicyError) => false,
            _ if verdict.open || failed.iter().any(is_uncertain) => false,
            // Permits are in doubt, and others permit.
            (Decision::Allow, None) => true,
            (Decision::Allow, Some(_)) => false,
            // It is forbidden already, and those in doubt would not do more.
            (Decision::Deny, strictest) => {
                let forbidden = reasons().map(|id| by_id.enforcement(id)).max();
                forbidden.is_some_and(|forbidden| strictest.is_none_or(|strictest| strictest <= forbidden))
            }
        };
        Some(if is_settled { Doubt::By } else { Doubt::Verdict(names) })
    }
}

impl Judge for Veiled {
    fn are_apart(&self, caller: &Caller, owner: AccountId) -> bool {
        self.engine.are_apart(caller, owner)
    }

    fn kinds(&mut self, caller: &Caller, actions: ActionSet, targets: &[Target<'_>]) -> Vec<usize> {
        self.engine.kinds(caller, actions, targets)
    }

    fn tells_findings_apart(&mut self, caller: &Caller, action: Action) -> bool {
        self.engine.tells_findings_apart(caller, action)
    }

    fn policies_that_tell_findings_apart(&mut self, caller: &Caller, action: Action) -> Vec<Arc<str>> {
        self.engine.policies_that_tell_findings_apart(caller, action)
    }

    fn verdict(&mut self, question: &Question<'_>) -> Rc<Verdict> {
        let verdict = self.engine.verdict(question);
        if self.hidden.is_empty() {
            return verdict;
        }
        let asked = Asked {
            finding: question.target.identifier.to_owned(),
            action: question.change.action(),
            value: format!("{:?}", question.change.value()),
        };
        // It is asked again with less beside it because of what it was taken for before: the doubt stays.
        let before = self.doubts.iter().rev().find(|(known, ..)| *known == asked).map(|(.., doubt)| doubt.clone());
        let now = self.doubt_in(question, &verdict);
        let kept = before.filter(|doubt| now.is_none() || matches!(doubt, Doubt::Verdict(_)));
        let Some(doubt) = kept.or(now) else { return verdict };
        // One of its own, to know it by.
        let verdict = Rc::new(Verdict::clone(&verdict));
        self.doubts.push((asked, verdict.clone(), doubt));
        verdict
    }
}

/// The policies that count and can apply, those that can read what is hidden made to fail where they do; nothing where none can.
fn veiled(rules: &[Rule], role: Role, action: Action, hidden: &Hidden) -> Option<Veiling> {
    let veil = Veil { action, hidden, reads: Cell::new(false), computes: Cell::new(false) };
    let (mut reading, mut computing) = (Vec::new(), HashSet::new());
    let rules = rules.iter().filter(|rule| !rule.shadow && rule.can_apply(role, action));
    let policies: Vec<Policy> = rules
        .map(|rule| {
            let Some(policy) = veil.policy(&rule.policy) else {
                reading.push(rule.policy.id().clone());
                computing.insert(rule.policy.id().clone());
                return never(&rule.policy);
            };
            if veil.reads.take() {
                reading.push(policy.id().clone());
            }
            if veil.computes.take() {
                computing.insert(policy.id().clone());
            }
            policy
        })
        .collect();
    if reading.is_empty() {
        return None;
    }
    Some(Veiling { set: PolicySet::from_policies(policies).unwrap_or_default(), reading, computing })
}

/// A policy that always fails, in the place of one that cannot be rewritten.
fn never(policy: &Policy) -> Policy {
    let text = match policy.effect() {
        Effect::Permit => "permit (principal, action, resource) when { context.hidden };",
        Effect::Forbid => "forbid (principal, action, resource) when { context.hidden };",
    };
    Policy::parse(Some(policy.id().clone()), text).unwrap_or_else(|_| policy.clone())
}

/// What replaces reads.
struct Veil<'h> {
    action: Action,
    hidden: &'h Hidden,
    /// Whether anything was replaced.
    reads: Cell<bool>,
    /// Whether anything is computed in a way that can fail.
    computes: Cell<bool>,
}

/// What an expression stands for, if texts that can be hidden are in it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holder {
    /// A note, the finding's or the update's.
    Note,
    /// User-defined fields, the finding's or the update's.
    Fields,
    /// What they have under a key.
    Field,
    /// The tags of resources.
    Tags,
}

impl Veil<'_> {
    fn policy(&self, policy: &Policy) -> Option<Policy> {
        let Ok(pst::Policy::Static(tree)) = policy.to_pst() else { return None };
        let body = tree.body().clone();
        let clauses: Vec<Clause> = body
            .clauses()
            .iter()
            .map(|clause| match clause {
                Clause::When(condition) => Clause::When(self.over(condition)),
                Clause::Unless(condition) => Clause::Unless(self.over(condition)),
            })
            .collect();
        let tree = StaticPolicy::try_from(body.try_with_clauses(clauses).ok()?).ok()?;
        Policy::from_pst(pst::Policy::Static(tree)).ok()
    }

    /// What fails where it is evaluated: no context has this member.
    fn fails(&self) -> Arc<Expr> {
        self.reads.set(true);
        Arc::new(Expr::GetAttr { expr: Arc::new(Expr::Var(Var::Context)), attr: "hidden".into() })
    }

    fn hides(&self, text: Text) -> bool {
        self.hidden.contains(&text)
    }

    /// Whether anything in it is hidden.
    fn hides_in(&self, holder: Holder) -> bool {
        match holder {
            Holder::Note => self.hides(Text::NoteText) || self.hides(Text::NoteUpdatedBy),
            Holder::Fields | Holder::Field => self.hides(Text::UserDefinedFields),
            Holder::Tags => self.hides(Text::ResourceTags),
        }
    }

    fn holder(&self, expression: &Expr) -> Option<Holder> {
        match expression {
            Expr::GetAttr { expr, attr } => match (&**expr, &**attr) {
                (Expr::Var(Var::Resource | Var::Context), "note") => Some(Holder::Note),
                (Expr::Var(Var::Context), "value") if self.action == Action::Note => Some(Holder::Note),
                (Expr::Var(Var::Resource | Var::Context), "userDefinedFields") => Some(Holder::Fields),
                (Expr::Var(Var::Resource), "resourceTags") => Some(Holder::Tags),
                _ => None,
            },
            Expr::BinaryOp { op: BinaryOp::GetTag, left, .. } => {
                self.holder(left).filter(|holder| *holder == Holder::Fields).map(|_| Holder::Field)
            }
            _ => None,
        }
    }

    /// Whether a member of the context is the value of a user-defined field, or follows from it.
    fn is_field_value(&self, of: &Expr, member: &str) -> bool {
        let asks = matches!(self.action, Action::UserDefinedFields | Action::UserDefinedFieldsRemove);
        asks && matches!(of, Expr::Var(Var::Context)) && matches!(member, "value" | "date" | "number")
    }

    /// The expression, made to fail where it reads what is hidden. What is not understood is taken to read it.
    fn over(&self, expression: &Arc<Expr>) -> Arc<Expr> {
        let as_it_is = || expression.clone();
        let unless_hidden =
            |hidden: bool, otherwise: &dyn Fn() -> Arc<Expr>| if hidden { self.fails() } else { otherwise() };
        match &**expression {
            // All of it.
            Expr::Var(Var::Context) => self.fails(),
            Expr::Literal(_) | Expr::Var(_) => as_it_is(),
            Expr::GetAttr { expr, attr } => {
                let deeper = || Arc::new(Expr::GetAttr { expr: self.over(expr), attr: attr.clone() });
                match (self.holder(expr), &**attr) {
                    (Some(Holder::Note), "text") => unless_hidden(self.hides(Text::NoteText), &as_it_is),
                    (Some(Holder::Note), "updatedBy") => unless_hidden(self.hides(Text::NoteUpdatedBy), &as_it_is),
                    (Some(Holder::Note), _) => as_it_is(),
                    (Some(holder), _) => unless_hidden(self.hides_in(holder), &deeper),
                    (None, member) => match self.holder(expression) {
                        Some(holder) => unless_hidden(self.hides_in(holder), &as_it_is),
                        None if self.is_field_value(expr, member) => {
                            unless_hidden(self.hides(Text::UserDefinedFields), &as_it_is)
                        }
                        None if matches!(**expr, Expr::Var(_)) => as_it_is(),
                        None => unless_hidden(!is_path(expr), &deeper),
                    },
                }
            }
            Expr::HasAttr { expr, attrs } => {
                let deeper = || Arc::new(Expr::HasAttr { expr: self.over(expr), attrs: attrs.clone() });
                match self.holder(expr) {
                    // Of a note, what can be missing is not hidden.
                    Some(Holder::Note) => as_it_is(),
                    // That a field has a text is no secret.
                    Some(Holder::Field) if &*attrs.head == "text" && has_plain_key(expr) => as_it_is(),
                    Some(holder) => unless_hidden(self.hides_in(holder), &deeper),
                    None if matches!(**expr, Expr::Var(_)) => {
                        let head = Expr::GetAttr { expr: expr.clone(), attr: attrs.head.clone() };
                        let looks_deeper = !attrs.tail.is_empty();
                        let in_holder = self.holder(&head).is_some_and(|holder| self.hides_in(holder)) && looks_deeper;
                        let value = self.is_field_value(expr, &attrs.head) && &*attrs.head != "value";
                        unless_hidden(in_holder || value && self.hides(Text::UserDefinedFields), &as_it_is)
                    }
                    None => unless_hidden(!is_path(expr), &deeper),
                }
            }
            Expr::BinaryOp { op: op @ (BinaryOp::HasTag | BinaryOp::GetTag), left, right } => {
                let Some(holder) = self.holder(left) else { return self.fails() };
                let hidden = *op == BinaryOp::GetTag && self.hides_in(holder);
                let kept = || Arc::new(Expr::BinaryOp { op: *op, left: left.clone(), right: self.over(right) });
                unless_hidden(hidden, &kept)
            }
            Expr::BinaryOp { op, left, right } => {
                use BinaryOp::{Add, DurationSince, Mul, Offset, Sub};
                if matches!(op, Add | Sub | Mul | Offset | DurationSince) {
                    self.computes.set(true);
                }
                Arc::new(Expr::BinaryOp { op: *op, left: self.over(left), right: self.over(right) })
            }
            Expr::UnaryOp { op, expr } => {
                // Constructors take texts that are spelt out, and were checked when the policy was loaded.
                if matches!(op, UnaryOp::Neg | UnaryOp::ToDate) {
                    self.computes.set(true);
                }
                Arc::new(Expr::UnaryOp { op: *op, expr: self.over(expr) })
            }
            Expr::Like { expr, pattern } => Arc::new(Expr::Like { expr: self.over(expr), pattern: pattern.clone() }),
            Expr::Is { expr, entity_type, in_expr } => Arc::new(Expr::Is {
                expr: self.over(expr),
                entity_type: entity_type.clone(),
                in_expr: in_expr.as_ref().map(|target| self.over(target)),
            }),
            Expr::IfThenElse { cond, then_expr, else_expr } => Arc::new(Expr::IfThenElse {
                cond: self.over(cond),
                then_expr: self.over(then_expr),
                else_expr: self.over(else_expr),
            }),
            Expr::Set(elements) => Arc::new(Expr::Set(elements.iter().map(|element| self.over(element)).collect())),
            Expr::Record(members) => {
                Arc::new(Expr::Record(members.iter().map(|(name, member)| (name.clone(), self.over(member))).collect()))
            }
            _ => {
                self.computes.set(true);
                self.fails()
            }
        }
    }
}

/// Whether an expression looks into a variable, step by step.
fn is_path(expression: &Expr) -> bool {
    match expression {
        Expr::Var(_) => true,
        Expr::GetAttr { expr, .. } => is_path(expr),
        _ => false,
    }
}

/// Whether what is looked up is under a key that is spelt out, or is the one that is asked about.
fn has_plain_key(expression: &Expr) -> bool {
    let Expr::BinaryOp { right, .. } = expression else { return false };
    match &**right {
        Expr::Literal(_) => true,
        Expr::GetAttr { expr, attr } => matches!(**expr, Expr::Var(Var::Context)) && attr == "key",
        _ => false,
    }
}

#[cfg(test)]
mod tests;

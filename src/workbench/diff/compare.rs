//! Comparing two sets of policies, cell by cell.

use super::sides::{Side, Sides};
use crate::{
    finding::{Accounts, Action, Role},
    policy::Rule,
    workbench::{
        Example, Outcome, ask,
        matrix::{Domain, Effect, MatrixError, Reply, Restriction, UNSEEN},
    },
};
use serde::Serialize;
use std::{collections::BTreeSet, sync::Arc};

/// A question that may be answered otherwise.
#[derive(Debug, Clone, Copy)]
pub struct Found<'f> {
    /// The question.
    pub example: &'f Example,
    /// The change in it that is.
    pub action: Action,
    /// Which of several with that action.
    pub element: Option<&'f str>,
}

/// In which way an answer moved, the gravest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// It was denied, and is allowed.
    Widened,
    /// It was allowed, and is denied.
    Narrowed,
    /// It is denied as before, and less is done.
    Milder,
    /// It is denied as before, and more is done.
    Stricter,
    /// The same is done, by other policies or for another reason.
    Otherwise,
}

/// What moved between two sets.
#[derive(Debug, Clone)]
pub struct Diff {
    /// The gravest first.
    pub moved: Vec<Moved>,
    /// Whether that is all.
    pub complete: Complete,
    /// The ways in which something may have moved that could not be shown.
    pub suspected: BTreeSet<Direction>,
    /// What is not told apart, or not asked, in words.
    pub notes: Vec<String>,
}

/// Whether what is told is all that is allowed or denied otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "is", content = "why")]
pub enum Complete {
    /// It is: proved.
    Proved,
    /// Of these there may be more; of all others it is proved that there is nothing.
    ProvedElsewhere(Vec<String>),
    /// It is all that the policies distinguish, and a proof is missing for this reason.
    AsFarAsDistinguished(String),
}

/// Questions of which the same was said, and now the same is.
#[derive(Debug, Clone)]
pub struct Moved {
    /// In which way.
    pub direction: Direction,
    /// What they are who ask.
    pub roles: BTreeSet<Role>,
    /// Who asks: one role, or a kind of callers.
    pub callers: Vec<String>,
    /// For what.
    pub actions: Vec<Action>,
    /// Where.
    pub only: Vec<Restriction>,
    /// What was said.
    pub old: Reply,
    /// What is said.
    pub new: Reply,
    /// One of them, which was asked of both.
    pub example: Example,
}

/// One question on which two sets differ.
#[derive(Debug, Clone)]
pub struct Difference {
    /// The question.
    pub example: Example,
    /// The change in it that gets another answer.
    pub action: Action,
    /// Which of several with that action.
    pub element: Option<String>,
    /// What the old set says.
    pub old: Reply,
    /// What the new set says.
    pub new: Reply,
}

impl Difference {
    /// What the old set says, as a case of a suite expects it.
    pub fn expectation(&self) -> serde_json::Value {
        let action = self.action.as_str();
        let change = self.element.as_ref().map_or_else(|| action.to_owned(), |element| format!("{action}[{element}]"));
        let mut expectation = serde_json::json!({ "outcome": Outcome::of(self.old.effect.enforcement()) });
        if self.old.effect == Effect::NotFound {
            expectation["outcome"] = Outcome::NotFound.as_str().into();
        } else {
            expectation[change] = expected(&self.old);
        }
        expectation
    }
}

impl Direction {
    /// From one answer to another; nothing if they are the same.
    pub fn of(old: &Reply, new: &Reply) -> Option<Self> {
        let allows = |reply: &Reply| reply.effect == Effect::Allow;
        match (allows(old), allows(new)) {
            _ if old == new => None,
            (false, true) => Some(Self::Widened),
            (true, false) => Some(Self::Narrowed),
            _ if old.effect == new.effect => Some(Self::Otherwise),
            _ if new.effect < old.effect => Some(Self::Milder),
            _ => Some(Self::Stricter),
        }
    }

    /// `widened`, `narrowed`, `milder`, `stricter`, `otherwise`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Widened => "widened",
            Self::Narrowed => "narrowed",
            Self::Milder => "milder",
            Self::Stricter => "stricter",
            Self::Otherwise => "otherwise",
        }
    }

    /// What it is called in a report.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Widened => "More permissive: denied before, allowed now",
            Self::Narrowed => "Less permissive: allowed before, denied now",
            Self::Milder => "Enforced less: denied as before, and less is done",
            Self::Stricter => "Enforced more: denied as before, and more is done",
            Self::Otherwise => "Same effect, by other policies or for another reason",
        }
    }
}

impl Diff {
    /// Compares two sets over everything that either of them distinguishes.
    ///
    /// # Errors
    ///
    /// Policies that cannot be analysed, or be asked.
    pub fn of(old: Side<'_>, new: Side<'_>) -> Result<Self, MatrixError> {
        let domain = Domain::of(old.rules.iter().chain(new.rules)).map_err(MatrixError::Domain)?;
        let mut sides = Sides::new(old, new, &domain)?;
        let mut moved: Vec<Moved> = Vec::new();
        let mut notes: BTreeSet<String> = domain.notes().iter().cloned().collect();
        for who in domain.callers() {
            for action in sides.actions(who.caller.role) {
                let space = domain.space(who, action).map_err(MatrixError::Domain)?;
                // That something never comes up is no news of a comparison.
                notes.extend(space.notes.iter().filter(|note| !note.starts_with(UNSEEN)).cloned());
                for one in sides.moved(&space)? {
                    add(&mut moved, one);
                }
            }
        }
        moved.sort_by_key(|moved| moved.direction);
        let complete = Complete::AsFarAsDistinguished("no solver was asked".to_owned());
        let (suspected, notes) = (BTreeSet::new(), notes.into_iter().collect());
        let mut diff = Self { moved, complete, suspected, notes };
        diff.enforcement(old, new);
        Ok(diff)
    }

    /// Suspects what is plain from the policies and was not shown: that a denial does something else.
    fn enforcement(&mut self, old: Side<'_>, new: Side<'_>) {
        let does = |side: Side<'_>, rule: &Rule| rule.enforcement.unwrap_or(side.default_enforcement);
        for rule in old.rules {
            let Some(now) = new.rules.iter().find(|now| now.id == rule.id) else { continue };
            let shown = |moved: &Moved| moved.old.policies.contains(&rule.id) && moved.new.policies.contains(&rule.id);
            if does(old, rule) != does(new, now)
                && rule.effect == cedar_policy::Effect::Forbid
                && !rule.shadow
                && !self.moved.iter().any(shown)
            {
                self.suspected.extend([Direction::Milder, Direction::Stricter]);
                self.notes.push(format!(
                    "policy `{}` had the enforcement {} and has {}; no question was found that shows it",
                    rule.id,
                    does(old, rule),
                    does(new, now)
                ));
            }
        }
    }

    /// Whether something is told to have moved in this direction for a role and an action.
    pub fn tells(&self, direction: Direction, role: Role, action: Action) -> bool {
        self.moved
            .iter()
            .any(|moved| moved.direction == direction && moved.actions.contains(&action) && moved.roles.contains(&role))
    }

    /// Adds a question that was found in another way, for the fleet of these callers; nothing if both say the same of it.
    ///
    /// # Errors
    ///
    /// Policies that cannot be asked, or a question that is none.
    pub fn add(
        &mut self,
        old: Side<'_>,
        new: Side<'_>,
        accounts: &Arc<Accounts>,
        found: &Found<'_>,
    ) -> Result<bool, MatrixError> {
        let Found { example, action, element } = *found;
        let mut replies = Vec::with_capacity(2);
        for side in [old, new] {
            let mut engine = side.engine(accounts)?;
            replies.extend(Reply::of(&ask(&mut engine, example)?, example, action, element));
        }
        let [old, new] = &replies[..] else { return Ok(false) };
        let Some(direction) = Direction::of(old, new) else { return Ok(false) };
        let (old, new, role) = (old.clone(), new.clone(), example.caller.role);
        self.moved.push(Moved {
            direction,
            roles: BTreeSet::from([role]),
            callers: vec![role.to_string()],
            actions: vec![action],
            only: Vec::new(),
            old,
            new,
            example: example.clone(),
        });
        self.moved.sort_by_key(|moved| moved.direction);
        Ok(true)
    }

    /// Whether something moved in one of these ways, or may have.
    pub fn has(&self, directions: &[Direction]) -> bool {
        let moved = self.moved.iter().map(|moved| moved.direction).chain(self.suspected.iter().copied());
        moved.into_iter().any(|direction| directions.contains(&direction))
    }
}

/// Adds what moved to what is known to have moved: the same for other actions of a caller, or for other callers, is told once.
fn add(known: &mut Vec<Moved>, one: Moved) {
    let alike = |moved: &&mut Moved| moved.only == one.only && moved.old == one.old && moved.new == one.new;
    match known.iter_mut().filter(alike).find(|moved| moved.callers == one.callers || moved.actions == one.actions) {
        Some(moved) if moved.callers == one.callers => moved.actions.extend(&one.actions),
        Some(moved) => {
            moved.callers.extend(one.callers);
            moved.roles.extend(one.roles);
        }
        None => known.push(one),
    }
}

/// The first question on which two sets differ, among those that `wanted` picks by role and action; nothing if there is none
/// in all that they distinguish.
///
/// # Errors
///
/// Policies that cannot be analysed, or be asked.
pub fn first_difference(
    old: Side<'_>,
    new: Side<'_>,
    wanted: impl Fn(Role, Action) -> bool,
) -> Result<Option<Difference>, MatrixError> {
    let domain = Domain::of(old.rules.iter().chain(new.rules)).map_err(MatrixError::Domain)?;
    let mut sides = Sides::new(old, new, &domain)?;
    for who in domain.callers() {
        for action in sides.actions(who.caller.role).into_iter().filter(|action| wanted(who.caller.role, *action)) {
            let space = domain.space(who, action).map_err(MatrixError::Domain)?;
            for cell in &space.cells {
                if let Some(difference) = sides.difference(cell, action)? {
                    return Ok(Some(difference));
                }
            }
        }
    }
    Ok(None)
}

/// A reply in the words of a suite's expectation.
pub(in crate::workbench) fn expected(reply: &Reply) -> serde_json::Value {
    let ids: Vec<&str> = reply.policies.iter().map(|id| &**id).collect();
    match (reply.effect, reply.reason) {
        (Effect::Allow, _) => serde_json::json!({ "allow": ids }),
        (_, Some(reason)) if ids.is_empty() => reason.into(),
        (_, Some(reason)) => serde_json::json!({ "reason": reason, "deny": ids }),
        (_, None) => serde_json::json!({ "deny": ids }),
    }
}

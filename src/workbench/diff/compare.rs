//! Comparing two sets of policies, cell by cell.

use crate::{
    finding::{Accounts, Action, Enforcement, Role},
    policy::{Engine, Rule, Snapshot},
    workbench::{
        Example, Outcome, ask,
        matrix::{Cell, Domain, Effect, MatrixError, Reply, Restriction, Space, UNSEEN, fold, restrictions},
    },
};
use serde::Serialize;
use std::{collections::BTreeSet, sync::Arc};

/// A set of policies.
#[derive(Debug, Clone, Copy)]
pub struct Side<'r> {
    /// The policies.
    pub rules: &'r [Rule],
    /// What a denial does where no policy says.
    pub default_enforcement: Enforcement,
}

impl Side<'_> {
    fn engine(self, accounts: &Arc<Accounts>) -> Result<Engine, MatrixError> {
        let snapshot = Snapshot::new(self.rules.to_vec(), accounts.clone(), self.default_enforcement)?;
        Ok(Engine::new(Arc::new(snapshot)))
    }
}

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

/// Both sets, to ask.
struct Sides<'r> {
    old: Side<'r>,
    new: Side<'r>,
    engines: [Engine; 2],
}

impl<'r> Sides<'r> {
    fn new(old: Side<'r>, new: Side<'r>, domain: &Domain) -> Result<Self, MatrixError> {
        let accounts = domain.accounts();
        Ok(Self { old, new, engines: [old.engine(accounts)?, new.engine(accounts)?] })
    }

    /// The actions of which different things may be said to a role: where the same policies can apply, the same is said.
    fn actions(&self, role: Role) -> Vec<Action> {
        if self.old.default_enforcement != self.new.default_enforcement {
            return Action::ALL.to_vec();
        }
        let of = |side, action| applying(side, role, action);
        let changed: Vec<Action> =
            Action::ALL.iter().copied().filter(|action| of(self.old, *action) != of(self.new, *action)).collect();
        let may_differ = |action: &Action| {
            // An update that removes something is asked about what it sends, too; an import is asked about all of it.
            let beside = changed.iter().any(|other| action.field().is_none() || other.field() == action.field());
            // What is allowed because of what travels with it is asked again where that is stripped.
            let reads_others = || of(self.new, *action).iter().any(Applying::reads_others);
            beside || !changed.is_empty() && reads_others()
        };
        Action::ALL.iter().copied().filter(may_differ).collect()
    }

    /// What both say to a cell, if it differs, with the example that shows it.
    fn difference(&mut self, cell: &Cell, action: Action) -> Result<Option<Difference>, MatrixError> {
        let [old, new] = &mut self.engines;
        let (said, says) = (cell.ask(old, action)?, cell.ask(new, action)?);
        if said == says {
            return Ok(None);
        }
        let element = cell.element.as_deref();
        for example in &cell.examples {
            let said_of = Reply::of(&ask(old, example)?, example, action, element);
            let says_of = Reply::of(&ask(new, example)?, example, action, element);
            if said_of.as_ref() == Some(&said) || says_of.as_ref() == Some(&says) {
                let (example, element) = (example.clone(), cell.element.clone());
                return Ok(Some(Difference { example, action, element, old: said, new: says }));
            }
        }
        let first = cell.examples.first().cloned();
        Ok(first.map(|example| Difference { example, action, element: cell.element.clone(), old: said, new: says }))
    }

    /// What moved for a caller and an action, folded.
    fn moved(&mut self, space: &Space<'_>) -> Result<Vec<Moved>, MatrixError> {
        let mut differences = Vec::with_capacity(space.cells.len());
        for cell in &space.cells {
            differences.push(self.difference(cell, space.action)?);
        }
        let pair = |difference: &Difference| (difference.old.clone(), difference.new.clone());
        let cells: Vec<_> = space
            .cells
            .iter()
            .zip(&differences)
            .map(|(cell, difference)| (cell.classes.as_slice(), difference.as_ref().map(pair)))
            .collect();
        let mut moved = Vec::new();
        for row in fold(&cells) {
            let Some((old, new)) = row.says.clone() else { continue };
            let mut in_row = space.cells.iter().zip(&differences).filter(|(cell, _)| row.covers(&cell.classes));
            let Some(difference) = in_row.find_map(|(_, difference)| difference.as_ref()) else { continue };
            let Some(direction) = Direction::of(&old, &new) else { continue };
            moved.push(Moved {
                direction,
                roles: BTreeSet::from([space.who.caller.role]),
                callers: vec![space.who.name.clone()],
                actions: vec![space.action],
                only: restrictions(space, &row),
                old,
                new,
                example: difference.example.clone(),
            });
        }
        Ok(moved)
    }
}

/// Whether the answer to a change may move because of what travels with it: policies look at that, and of something else other
/// policies decide now. Where what travels is stripped, the change is asked again without it, which no proof knows.
pub fn depends_on_others(old: Side<'_>, new: Side<'_>, role: Role, action: Action) -> bool {
    let reads = [old, new].into_iter().any(|side| applying(side, role, action).iter().any(Applying::reads_others));
    let others = Action::ALL.iter().copied().filter(|other| *other != action);
    reads && others.into_iter().any(|other| applying(old, role, other) != applying(new, role, other))
}

/// A policy, in what matters of it.
#[derive(Debug, PartialEq, Eq)]
struct Applying {
    id: Arc<str>,
    meaning: String,
    enforcement: Option<Enforcement>,
    shadow: bool,
}

/// The policies of a side that can apply.
fn applying(side: Side<'_>, role: Role, action: Action) -> Vec<Applying> {
    let applying = side.rules.iter().filter(|rule| rule.can_apply(role, action));
    let of = |rule: &Rule| Applying {
        id: rule.id.clone(),
        meaning: rule.meaning(),
        enforcement: rule.enforcement,
        shadow: rule.shadow,
    };
    applying.map(of).collect()
}

impl Applying {
    /// Whether it may look at what travels with a change.
    fn reads_others(&self) -> bool {
        ["fields", "note", "userDefinedFields"].iter().any(|name| {
            [format!("context.{name}"), format!("context has {name}"), format!("context has \"{name}\"")]
                .iter()
                .any(|read| self.meaning.contains(read))
        })
    }
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

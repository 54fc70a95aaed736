//! The two sets that are compared, and what each says.

use super::compare::{Difference, Direction, Moved};
use crate::{
    finding::{Accounts, Action, Enforcement, Role},
    policy::{Engine, Rule, Snapshot},
    workbench::{
        ask,
        matrix::{Cell, Domain, MatrixError, Reply, Space, fold, restrictions},
    },
};
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
    pub(super) fn engine(self, accounts: &Arc<Accounts>) -> Result<Engine, MatrixError> {
        let snapshot = Snapshot::new(self.rules.to_vec(), accounts.clone(), self.default_enforcement)?;
        Ok(Engine::new(Arc::new(snapshot)))
    }
}

/// Both sets, to ask.
pub(super) struct Sides<'r> {
    old: Side<'r>,
    new: Side<'r>,
    engines: [Engine; 2],
}

impl<'r> Sides<'r> {
    pub(super) fn new(old: Side<'r>, new: Side<'r>, domain: &Domain) -> Result<Self, MatrixError> {
        let accounts = domain.accounts();
        Ok(Self { old, new, engines: [old.engine(accounts)?, new.engine(accounts)?] })
    }

    /// The actions of which different things may be said to a role: where the same policies can apply, the same is said.
    pub(super) fn actions(&self, role: Role) -> Vec<Action> {
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
    pub(super) fn difference(&mut self, cell: &Cell, action: Action) -> Result<Option<Difference>, MatrixError> {
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
    pub(super) fn moved(&mut self, space: &Space<'_>) -> Result<Vec<Moved>, MatrixError> {
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

//! The matrix: what the gate says to every cell, in rows that a person can read.

use super::{
    Domain, Effect, Reply, Row, Space, fold,
    lenses::{OWN, UNSEEN},
};
use crate::{
    finding::{Action, Enforcement, Role},
    policy::{Engine, Rule, Snapshot, SnapshotError},
    workbench::InvalidExample,
};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// What of it is wanted.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// These roles; all of them, if none.
    pub roles: Vec<Role>,
    /// These actions; all of them, if none.
    pub actions: Vec<Action>,
}

/// Who may set what to what.
#[derive(Debug, Clone, Serialize)]
pub struct Matrix {
    /// One for all callers of whom the same holds.
    pub sections: Vec<Section>,
    /// What is not told apart, or not asked, in words.
    pub notes: Vec<String>,
    /// How many cells there are.
    pub cells: usize,
}

/// What holds for some callers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Section {
    /// Who they are.
    pub callers: Vec<String>,
    /// What holds for them.
    pub lines: Vec<Line>,
}

/// What holds for some actions. Of the lines of an action the first one that fits decides.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Line {
    /// The actions.
    #[serde(serialize_with = "names")]
    pub actions: Vec<Action>,
    /// Where.
    pub only: Vec<Restriction>,
    /// What the gate says.
    #[serde(flatten)]
    pub reply: Reply,
    /// Whether further policies may deny it as well.
    #[serde(rename = "andOthers", skip_serializing_if = "std::ops::Not::not")]
    pub and_others: bool,
}

/// What a line is restricted to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Restriction {
    /// What it is about: `value`, `finding of`.
    pub of: String,
    /// What it may be.
    pub to: Vec<String>,
}

/// One cell by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plain {
    /// Who asks.
    pub caller: String,
    /// For what.
    #[serde(serialize_with = "name")]
    pub action: Action,
    /// By dimension, its class.
    pub classes: BTreeMap<String, String>,
    /// What the gate says.
    #[serde(flatten)]
    pub reply: Reply,
}

#[expect(clippy::ptr_arg, reason = "serde's signature")]
fn names<S: serde::Serializer>(actions: &Vec<Action>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(actions.iter().map(|action| action.as_str()))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn name<S: serde::Serializer>(action: &Action, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(action.as_str())
}

/// Why there is no matrix.
#[derive(Debug, thiserror::Error)]
pub enum MatrixError {
    /// A policy cannot be analysed.
    #[error("the policies cannot be enumerated: {0}")]
    Domain(String),
    /// The policies cannot be asked.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// An example is no request.
    #[error("an example is no request: {0}")]
    Example(#[from] InvalidExample),
}

impl Matrix {
    /// Asks everything that these policies distinguish, and folds what is said.
    ///
    /// # Errors
    ///
    /// Policies that cannot be analysed, or be asked.
    pub fn of(rules: &[Rule], default_enforcement: Enforcement, filter: &Filter) -> Result<Self, MatrixError> {
        let domain = Domain::of(rules).map_err(MatrixError::Domain)?;
        let mut asked = asked(&domain, rules, default_enforcement, filter)?;
        let mut sections: Vec<Section> = Vec::new();
        let mut cells = 0;
        let mut notes: BTreeSet<String> = domain.notes().iter().cloned().collect();
        // Something that one caller never meets another one may.
        let unseen = |asked: &[(Space<'_>, Vec<Reply>)]| -> BTreeMap<String, usize> {
            let mut counts = BTreeMap::new();
            for note in asked.iter().flat_map(|(space, _)| &space.notes) {
                *counts.entry(note.clone()).or_default() += 1;
            }
            counts
        };
        for of_caller in &mut asked {
            let Some((first, _)) = of_caller.first() else { continue };
            let caller = first.who.name.clone();
            let counts = unseen(of_caller);
            notes.extend(counts.into_keys().filter(|note| !note.starts_with(UNSEEN)));
            cells += of_caller.iter().map(|(space, _)| space.cells.len()).sum::<usize>();
            let lines = lines(of_caller);
            match sections.iter_mut().find(|section| section.lines == lines) {
                Some(section) => section.callers.push(caller),
                None => sections.push(Section { callers: vec![caller], lines }),
            }
        }
        notes.extend(never_seen(&asked));
        if filter.roles.is_empty() && filter.actions.is_empty() {
            notes.extend(never_deciding(rules, &asked));
        }
        Ok(Self { sections, notes: notes.into_iter().collect(), cells })
    }

    /// The same, every cell by itself.
    ///
    /// # Errors
    ///
    /// Policies that cannot be analysed, or be asked.
    pub fn every_cell(
        rules: &[Rule],
        default_enforcement: Enforcement,
        filter: &Filter,
    ) -> Result<Vec<Plain>, MatrixError> {
        let domain = Domain::of(rules).map_err(MatrixError::Domain)?;
        let mut all = Vec::new();
        for (space, replies) in asked(&domain, rules, default_enforcement, filter)?.iter().flatten() {
            for (cell, reply) in space.cells.iter().zip(replies) {
                let told =
                    space.dimensions.iter().zip(&cell.classes).filter(|(dimension, _)| dimension.classes.len() > 1);
                let classes =
                    told.map(|(dimension, class)| (dimension.name.clone(), dimension.classes[*class].clone()));
                all.push(Plain {
                    caller: space.who.name.clone(),
                    action: space.action,
                    classes: classes.collect(),
                    reply: reply.clone(),
                });
            }
        }
        Ok(all)
    }
}

/// What no caller's example makes true, although it is looked at.
fn never_seen(asked: &[Vec<(Space<'_>, Vec<Reply>)>]) -> Vec<String> {
    let mut met: BTreeMap<&String, usize> = BTreeMap::new();
    let spaces: Vec<&Space<'_>> = asked.iter().flatten().map(|(space, _)| space).collect();
    for note in spaces.iter().flat_map(|space| &space.notes).filter(|note| note.starts_with(UNSEEN)) {
        *met.entry(note).or_default() += 1;
    }
    let looked_at = |note: &str| spaces.iter().filter(|space| space.looks_at(note)).count();
    met.into_iter().filter(|(note, count)| looked_at(note) == *count).map(|(note, _)| note.clone()).collect()
}

/// The policies that decide no cell: either others always do, or there is no cell for what they are about.
fn never_deciding(rules: &[Rule], asked: &Asked<'_>) -> Vec<String> {
    let replies = asked.iter().flatten().flat_map(|(_, replies)| replies);
    let deciding: BTreeSet<&str> = replies.flat_map(|reply| &reply.policies).map(|id| &**id).collect();
    let never = rules.iter().filter(|rule| !rule.shadow && !deciding.contains(&*rule.id));
    never
        .map(|rule| format!("policy `{}` decides nothing here: no question was found for which it does", rule.id))
        .collect()
}

/// By caller, the spaces with what the gate says to their cells.
type Asked<'d> = Vec<Vec<(Space<'d>, Vec<Reply>)>>;

fn asked<'d>(
    domain: &'d Domain,
    rules: &[Rule],
    default_enforcement: Enforcement,
    filter: &Filter,
) -> Result<Asked<'d>, MatrixError> {
    let snapshot = Arc::new(Snapshot::new(rules.to_vec(), domain.accounts().clone(), default_enforcement)?);
    let mut engine = Engine::new(snapshot);
    let mut asked = Vec::new();
    let wanted = |role| filter.roles.is_empty() || filter.roles.contains(&role);
    for who in domain.callers().iter().filter(|who| wanted(who.caller.role)) {
        let mut of_caller = Vec::new();
        for action in
            Action::ALL.iter().copied().filter(|action| filter.actions.is_empty() || filter.actions.contains(action))
        {
            let space = domain.space(who, action).map_err(MatrixError::Domain)?;
            let replies = space.cells.iter().map(|cell| cell.ask(&mut engine, action)).collect::<Result<_, _>>()?;
            of_caller.push((space, replies));
        }
        asked.push(of_caller);
    }
    Ok(asked)
}

/// Where, and what the gate says.
type Said = (Vec<Restriction>, Reply);

/// The lines of a caller: actions of which the same holds share them. What is denied wherever the finding lies in some account comes
/// first, once for all actions: then the rest need not speak of accounts.
fn lines(asked: &[(Space<'_>, Vec<Reply>)]) -> Vec<Line> {
    let places = denied_places(asked);
    let mut everywhere: Vec<Line> = Vec::new();
    let mut by_rows: Vec<(Vec<Action>, Vec<Said>)> = Vec::new();
    for (space, replies) in asked {
        let mut cells: Vec<(&[usize], Reply)> =
            space.cells.iter().map(|cell| cell.classes.as_slice()).zip(replies.iter().cloned()).collect();
        if let Some(at) = space.dimensions.iter().position(|dimension| dimension.name == ACCOUNT) {
            for (place, reply) in &places {
                let is_there = |classes: &[usize]| space.dimensions[at].classes[classes[at]] == *place;
                let before = cells.len();
                cells.retain(|(classes, _)| !is_there(classes));
                if cells.len() == before {
                    continue;
                }
                let only = vec![Restriction { of: ACCOUNT.to_owned(), to: vec![place.clone()] }];
                if let Some(line) = everywhere.iter_mut().find(|line| line.only == only) {
                    line.actions.push(space.action);
                } else {
                    let actions = vec![space.action];
                    everywhere.push(Line { actions, only, reply: reply.clone(), and_others: true });
                }
            }
        }
        let rows: Vec<_> = fold(&cells).into_iter().map(|row| (restrictions(space, &row), row.says)).collect();
        match by_rows.iter_mut().find(|(_, known)| *known == rows) {
            Some((actions, _)) => actions.push(space.action),
            None => by_rows.push((vec![space.action], rows)),
        }
    }
    let line =
        |actions: &Vec<Action>, (only, reply): Said| Line { actions: actions.clone(), only, reply, and_others: false };
    let of_rows = |(actions, rows): (Vec<Action>, Vec<_>)| rows.into_iter().map(move |row| line(&actions, row));
    everywhere.into_iter().chain(by_rows.into_iter().flat_map(of_rows)).collect()
}

/// The accounts, besides the caller's own, in which everything is denied by the same policies, whatever else denies it.
fn denied_places(asked: &[(Space<'_>, Vec<Reply>)]) -> Vec<(String, Reply)> {
    let mut met: BTreeMap<&str, Vec<&Reply>> = BTreeMap::new();
    for (space, replies) in asked {
        let Some(at) = space.dimensions.iter().position(|dimension| dimension.name == ACCOUNT) else { continue };
        let classes = &space.dimensions[at].classes;
        for (cell, reply) in space.cells.iter().zip(replies).filter(|_| classes.len() > 1) {
            met.entry(&classes[cell.classes[at]]).or_default().push(reply);
        }
    }
    let denied = met.into_iter().filter(|(place, _)| !place.split(", ").any(|place| place == OWN)).filter_map(
        |(place, replies)| {
            let first = replies.first()?;
            let alike = |reply: &&Reply| {
                reply.effect == first.effect && reply.reason.is_none() && reply.effect != Effect::Allow
            };
            let common = first.policies.iter().filter(|id| replies.iter().all(|reply| reply.policies.contains(id)));
            let policies: Vec<Arc<str>> = common.cloned().collect();
            let denied = replies.iter().copied().all(|reply| alike(&reply)) && !policies.is_empty();
            denied.then(|| (place.to_owned(), Reply { policies, ..(*first).clone() }))
        },
    );
    denied.collect()
}

/// What the dimension is called that tells where a finding lies.
const ACCOUNT: &str = "account";

/// What a row is restricted to, in words.
pub(in crate::workbench) fn restrictions<T>(space: &Space<'_>, row: &Row<T>) -> Vec<Restriction> {
    let said = row.only.iter().map(|(at, classes)| {
        let dimension = &space.dimensions[*at];
        let to = classes.iter().map(|class| dimension.classes[*class].clone()).collect();
        Restriction { of: dimension.name.clone(), to }
    });
    said.collect()
}

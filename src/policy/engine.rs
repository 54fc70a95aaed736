//! The fast way to a verdict: ask Cedar only what it was not asked before.
//!
//! Three things make it fast, all from what the policies can read (`footprint`):
//! policies that cannot apply to the caller are not asked (`slice`); findings that the policies cannot tell apart are
//! asked about once (`kinds`); and a verdict is kept, under exactly those parts of the question that were read. What that
//! wins is in `docs/performance.md`.

use super::{
    Judge, Question, Snapshot, Verdict,
    evaluate::evaluate,
    footprint::Footprint,
    key::{write_question, write_target},
    request,
    slice::Slice,
};
use crate::finding::{AccountId, Accounts, Action, ActionSet, Caller, Identifier, Role, State, Target};
use cedar_policy::Entities;
use quick_cache::{
    Weighter,
    unsync::{Cache, DefaultLifecycle},
};
use std::{
    cell::{OnceCell, RefCell},
    collections::HashMap,
    rc::Rc,
    sync::Arc,
};

/// How many verdicts an engine keeps, if their keys have less than [`UNIT`] bytes: tens of them in most cases, a few hundred where
/// policies read notes. A longer one counts as several, so that no caller can fill memory with texts: the keys take 8 MiB at most.
const VERDICTS: usize = 65_536;
/// How many bytes of a key count as one verdict.
const UNIT: usize = 128;
/// How many callers an engine keeps slices for.
const CALLERS: usize = 1_024;
/// For how many sets of actions a view keeps what they read.
const MOST_FOOTPRINTS: usize = 16;
/// A key that is longer than this is not kept: it would take the room of eight others or more.
const LONGEST_KEY: usize = 1_024;

/// Gives verdicts by one snapshot. Each worker has its own; another snapshot needs another engine.
pub struct Engine {
    snapshot: Arc<Snapshot>,
    callers: Cache<CallerKey, Rc<View>, quick_cache::UnitWeighter, foldhash::quality::RandomState>,
    verdicts: Verdicts,
    /// Numbers the views, so that a key need not spell the caller out. It is never used twice.
    views: u64,
    /// The caller of the last question: the questions of a request follow one another.
    last_view: Option<Rc<View>>,
    /// The entities of the last question that Cedar was asked.
    last_entities: Option<Store>,
    /// Where keys are put together.
    key: Vec<u8>,
    questions: u64,
    asked: u64,
}

type Verdicts = Cache<Box<[u8]>, Rc<Verdict>, Units, foldhash::quality::RandomState>;

/// Counts a verdict by the length of its key. (What verdicts hold are policies' own names and texts, which are shared.)
#[derive(Clone)]
struct Units;

impl Weighter<Box<[u8]>, Rc<Verdict>> for Units {
    fn weight(&self, key: &Box<[u8]>, _: &Rc<Verdict>) -> u64 {
        1 + (key.len() / UNIT) as u64
    }
}

/// All of a caller that policies can see.
type CallerKey = (Role, AccountId, Arc<str>, Arc<[Arc<str>]>);
/// A verdict under the key that it was given for.
type Kept = (Vec<u8>, Rc<Verdict>);

/// What does not change between the questions of a caller.
struct View {
    serial: u64,
    caller: CallerKey,
    /// One for each action, in the order of [`Action::ALL`].
    slices: Vec<Arc<Slice>>,
    /// What sets of actions read together: a caller's requests change much the same fields.
    footprints: RefCell<Vec<(ActionSet, Rc<Footprint>)>>,
    /// The last verdict on each action, in the order of [`Action::ALL`], with its key: most requests of a caller get the
    /// verdicts of the one before, and to compare a short key costs a tenth of a look-up.
    recent: RefCell<Vec<Option<Kept>>>,
    /// The caller's own entities, from the first question on that Cedar is asked.
    entities: OnceCell<Entities>,
}

impl View {
    /// What the policies for these actions read, together.
    fn footprint(&self, set: ActionSet) -> Rc<Footprint> {
        let mut known = self.footprints.borrow_mut();
        if let Some((_, footprint)) = known.iter().find(|(actions, _)| *actions == set) {
            return footprint.clone();
        }
        let mut footprint = Footprint::default();
        for (action, slice) in Action::ALL.iter().zip(&self.slices) {
            if set.contains(*action) {
                footprint.extend(&slice.footprint);
            }
        }
        let footprint = Rc::new(footprint);
        if known.len() == MOST_FOOTPRINTS {
            known.remove(0);
        }
        known.push((set, footprint.clone()));
        footprint
    }

    /// All that a question about this finding can reach.
    fn entities(&self, caller: &Caller, target: &Target<'_>, accounts: &Accounts) -> Result<Entities, String> {
        let of_caller = if let Some(made) = self.entities.get() {
            made
        } else {
            let made = request::caller_entities(caller, accounts)?;
            self.entities.get_or_init(|| made)
        };
        request::with_finding(of_caller.clone(), caller, target, accounts)
    }
}

/// Entities, and whom and what they hold.
struct Store {
    view: u64,
    owner: AccountId,
    identifier: Identifier<'static>,
    state: Option<State>,
    is_new: Option<bool>,
    entities: Entities,
}

impl Store {
    fn is_of(&self, view: &View, target: &Target<'_>) -> bool {
        self.view == view.serial
            && self.owner == target.owner
            && self.is_new == target.is_new
            && self.identifier == *target.identifier
            && self.state.as_ref() == target.state
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("snapshot", &self.snapshot.digest()).finish_non_exhaustive()
    }
}

/// An empty cache of entries that together weigh so much.
fn cache<K: Eq + std::hash::Hash, V, W: Weighter<K, V> + Clone>(
    capacity: usize,
    weighter: W,
) -> Cache<K, V, W, foldhash::quality::RandomState> {
    let options = quick_cache::OptionsBuilder::new()
        .estimated_items_capacity(capacity)
        .weight_capacity(capacity as u64)
        .build()
        .expect("both capacities are given");
    Cache::with_options(options, weighter, foldhash::quality::RandomState::default(), DefaultLifecycle::default())
}

impl Engine {
    /// Judges by a snapshot. Nothing is allocated before the first question.
    pub fn new(snapshot: Arc<Snapshot>) -> Self {
        Self {
            snapshot,
            callers: cache(CALLERS, quick_cache::UnitWeighter),
            verdicts: cache(VERDICTS, Units),
            views: 0,
            last_view: None,
            last_entities: None,
            key: Vec::new(),
            questions: 0,
            asked: 0,
        }
    }

    /// The snapshot that it judges by.
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// How many questions there were so far.
    pub fn questions(&self) -> u64 {
        self.questions
    }

    /// How many of them Cedar was asked: the others were answered from memory.
    pub fn questions_asked(&self) -> u64 {
        self.asked
    }

    /// Forgets every verdict and every caller.
    pub fn forget(&mut self) {
        *self = Self { questions: self.questions, asked: self.asked, ..Self::new(self.snapshot.clone()) };
    }

    fn view(&mut self, caller: &Caller) -> Result<Rc<View>, String> {
        let is_of = |view: &View| {
            let (role, account, principal, groups) = &view.caller;
            *role == caller.role
                && *account == caller.account
                && (Arc::ptr_eq(principal, &caller.principal) || *principal == caller.principal)
                && (Arc::ptr_eq(groups, &caller.groups) || *groups == caller.groups)
        };
        if let Some(view) = self.last_view.as_ref().filter(|view| is_of(view)) {
            return Ok(view.clone());
        }
        let key = (caller.role, caller.account, caller.principal.clone(), caller.groups.clone());
        let view = if let Some(view) = self.callers.get(&key) {
            view.clone()
        } else {
            let slices =
                Action::ALL.iter().map(|action| self.snapshot.slice(caller, *action)).collect::<Result<_, _>>()?;
            self.views += 1;
            let view = Rc::new(View {
                serial: self.views,
                caller: key.clone(),
                slices,
                footprints: RefCell::default(),
                recent: RefCell::new(vec![None; Action::ALL.len()]),
                entities: OnceCell::new(),
            });
            self.callers.insert(key, view.clone());
            view
        };
        self.last_view = Some(view.clone());
        Ok(view)
    }

    fn ask(&mut self, view: &View, slice: &Slice, question: &Question<'_>) -> Verdict {
        self.asked += 1;
        let rules = self.snapshot.by_id();
        let target = question.target;
        let known = self.last_entities.take().filter(|store| store.is_of(view, target));
        let store = match known {
            Some(store) => store,
            None => match view.entities(question.caller, target, self.snapshot.accounts()) {
                Ok(entities) => Store {
                    view: view.serial,
                    owner: target.owner,
                    identifier: target.identifier.to_owned(),
                    state: target.state.cloned(),
                    is_new: target.is_new,
                    entities,
                },
                Err(_) => return Verdict::settled(rules.error([])),
            },
        };
        let verdict = evaluate(rules, slice, question, &store.entities);
        self.last_entities = Some(store);
        verdict
    }
}

impl Judge for Engine {
    fn are_apart(&self, caller: &Caller, owner: AccountId) -> bool {
        self.snapshot.accounts().are_apart(caller.account, owner)
    }

    fn kinds(&mut self, caller: &Caller, actions: ActionSet, targets: &[Target<'_>]) -> Vec<usize> {
        let Ok(view) = self.view(caller) else { return (0..targets.len()).collect() };
        let footprint = view.footprint(actions);
        let accounts = self.snapshot.accounts();
        let mut kinds = Vec::with_capacity(targets.len());
        // The keys of all kinds so far, one after the other, and whose they are.
        let mut known: Vec<(usize, std::ops::Range<usize>)> = Vec::new();
        let mut by_key = HashMap::<Vec<u8>, usize, foldhash::fast::RandomState>::default();
        self.key.clear();
        for (place, target) in targets.iter().enumerate() {
            let start = self.key.len();
            write_target(&mut self.key, &footprint, caller, target, accounts);
            let (before, own) = self.key.split_at(start);
            // A few kinds are found by looking at each, many by a map.
            let first = if known.len() <= FEW_KINDS {
                known.iter().find(|(_, range)| before[range.clone()] == *own).map(|(first, _)| *first)
            } else {
                by_key.get(own).copied()
            };
            kinds.push(first.unwrap_or(place));
            if first.is_some() {
                self.key.truncate(start);
                continue;
            }
            known.push((place, start..self.key.len()));
            if known.len() > FEW_KINDS {
                let missing = if by_key.is_empty() { &known[..] } else { &known[known.len() - 1..] };
                by_key.extend(missing.iter().map(|(first, range)| (self.key[range.clone()].to_vec(), *first)));
            }
        }
        kinds
    }

    fn tells_findings_apart(&mut self, caller: &Caller, action: Action) -> bool {
        self.view(caller).map_or(true, |view| view.slices[action as usize].telling_findings_apart().next().is_some())
    }

    fn policies_that_tell_findings_apart(&mut self, caller: &Caller, action: Action) -> Vec<Arc<str>> {
        let Ok(view) = self.view(caller) else { return Vec::new() };
        self.snapshot.by_id().names(view.slices[action as usize].telling_findings_apart())
    }

    fn verdict(&mut self, question: &Question<'_>) -> Rc<Verdict> {
        self.questions += 1;
        let Ok(view) = self.view(question.caller) else {
            return Rc::new(Verdict::settled(self.snapshot.by_id().error([])));
        };
        let slice = &view.slices[question.change.action() as usize];
        let mut key = std::mem::take(&mut self.key);
        key.clear();
        write_question(&mut key, view.serial, &slice.footprint, question, self.snapshot.accounts());
        let recent = &mut view.recent.borrow_mut()[question.change.action() as usize];
        if let Some((_, verdict)) = recent.as_ref().filter(|(known, _)| *known == key) {
            self.key = key;
            return verdict.clone();
        }
        let verdict = if let Some(verdict) = self.verdicts.get(&*key) {
            verdict.clone()
        } else {
            let verdict = Rc::new(self.ask(&view, slice, question));
            if key.len() <= LONGEST_KEY {
                self.verdicts.insert(key.clone().into_boxed_slice(), verdict.clone());
            }
            verdict
        };
        if key.len() <= LONGEST_KEY {
            match recent {
                Some((known, last)) => {
                    known.clone_from(&key);
                    *last = verdict.clone();
                }
                None => *recent = Some((key.clone(), verdict.clone())),
            }
        }
        self.key = key;
        verdict
    }
}

const FEW_KINDS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Answer;

    /// How many of 4,000 verdicts with keys of this length are kept where there is room for 1,000.
    fn kept(length: usize) -> usize {
        let mut verdicts: Verdicts = cache(1000, Units);
        let verdict = Rc::new(Verdict::settled(Answer::Allowed { by: Vec::new() }));
        for number in 0..4000_u32 {
            let mut key = number.to_le_bytes().to_vec();
            key.resize(length, 0);
            verdicts.insert(key.into(), verdict.clone());
        }
        verdicts.len()
    }

    #[test]
    fn what_is_kept_is_bounded_in_bytes() {
        assert!((900..=1000).contains(&kept(40)), "{}", kept(40));
        assert!((50..=111).contains(&kept(LONGEST_KEY)), "{}", kept(LONGEST_KEY));
    }
}

//! The fast way to a verdict: ask Cedar only what it was not asked before.
//!
//! Three things make it fast, all from what the policies can read (`footprint`):
//! policies that cannot apply to the caller are not asked (`slice`); findings that the policies cannot tell apart are
//! asked about once (`kinds`); and a verdict is kept, under exactly those parts of the question that were read. The verdicts on
//! all changes to a finding are kept together besides, so that one look-up finds them. What that wins is in `docs/performance.md`.

use super::{
    Judge, Question, Questions, Snapshot, Verdict,
    evaluate::evaluate,
    footprint::Footprint,
    key::{write_questions, write_target},
    request,
    slice::Slice,
};
use crate::finding::{AccountId, Accounts, Action, ActionSet, Caller, Change, Identifier, Role, State, Target};
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
const MOST_FOOTPRINTS: usize = 64;
/// A key that is longer than this is not kept: it would take the room of eight others or more.
const LONGEST_KEY: usize = 1_024;
/// Of more verdicts together, a view does not keep the last ones besides: a request has a hundred at the most, and there are many views.
const MOST_RECENT: usize = 16;

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

/// The verdicts on questions that were asked together, or on one.
type Together = Rc<[Rc<Verdict>]>;
/// Verdicts under the key that they were given for.
type Kept = (Vec<u8>, Together);
type Verdicts = Cache<Box<[u8]>, Together, Units, foldhash::quality::RandomState>;

/// Counts verdicts, and the length of their key. (What verdicts hold are policies' own names and texts, which are shared.)
#[derive(Clone)]
struct Units;

impl Weighter<Box<[u8]>, Together> for Units {
    fn weight(&self, key: &Box<[u8]>, together: &Together) -> u64 {
        (together.len().max(1) + key.len() / UNIT) as u64
    }
}

/// All of a caller that policies can see.
type CallerKey = (Role, AccountId, Arc<str>, Arc<[Arc<str>]>);

/// What does not change between the questions of a caller.
struct View {
    serial: u64,
    caller: CallerKey,
    /// One for each action, in the order of [`Action::ALL`].
    slices: Vec<Arc<Slice>>,
    /// What sets of actions read together: a caller's requests change much the same fields.
    footprints: RefCell<Vec<(ActionSet, Rc<Footprint>)>>,
    /// The last verdicts, with their key, by the action of the first question, in the order of [`Action::ALL`]: most requests of a
    /// caller get the verdicts of the one before, and to compare a short key costs a tenth of a look-up.
    recent: RefCell<Vec<Option<Kept>>>,
    /// The caller's own entities, from the first question on that Cedar is asked.
    entities: OnceCell<Entities>,
}

impl View {
    /// What the policies for these actions read, together.
    fn footprint(&self, set: ActionSet) -> Rc<Footprint> {
        let mut known = self.footprints.borrow_mut();
        if let Some(at) = known.iter().position(|(actions, _)| *actions == set) {
            // Those that are not asked for any more come to stand in front.
            let last = known.len() - 1;
            known.swap(at, last);
            return known[last].1.clone();
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

    /// Appends the key of these questions.
    fn write_key(&self, key: &mut Vec<u8>, questions: Questions<'_>, accounts: &Accounts) {
        let mut write = |footprint: &Footprint| {
            write_questions(key, self.serial, &self.slices, footprint, questions, accounts);
        };
        match questions.changes {
            [change] => write(&self.slices[change.action() as usize].footprint),
            changes => write(&self.footprint(changes.iter().map(Change::action).collect())),
        }
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

    /// The verdicts on these questions: those of the last time that the same were asked, or of each alone.
    fn answer(&mut self, questions: Questions<'_>) -> Together {
        self.questions += questions.changes.len() as u64;
        let Some(first) = questions.changes.first() else { return Rc::default() };
        let Ok(view) = self.view(questions.caller) else {
            return questions.each().map(|_| Rc::new(Verdict::settled(self.snapshot.by_id().error([])))).collect();
        };
        let mut key = std::mem::take(&mut self.key);
        key.clear();
        view.write_key(&mut key, questions, self.snapshot.accounts());
        let recent = &mut view.recent.borrow_mut()[first.action() as usize];
        let together = match recent {
            Some((known, together)) if *known == key => together.clone(),
            _ => {
                let may_be_kept = key.len() <= LONGEST_KEY;
                let kept = if may_be_kept { self.verdicts.get(&*key).cloned() } else { None };
                let together = kept.unwrap_or_else(|| self.find_out(&view, questions, &mut key));
                match recent {
                    _ if !may_be_kept || together.len() > MOST_RECENT => {}
                    Some((known, last)) => {
                        known.clone_from(&key);
                        *last = together.clone();
                    }
                    None => *recent = Some((key.clone(), together.clone())),
                }
                together
            }
        };
        self.key = key;
        together
    }

    /// The verdicts on questions that were not asked together before. The keys of each alone go behind theirs meanwhile.
    fn find_out(&mut self, view: &View, questions: Questions<'_>, key: &mut Vec<u8>) -> Together {
        let own = key.len();
        let alone = questions.changes.len() == 1;
        let mut find_out = |question: Question<'_>| {
            if alone {
                return Rc::new(self.ask(view, &question));
            }
            view.write_key(key, question.into(), self.snapshot.accounts());
            let known = self.verdicts.get(&key[own..]).and_then(|known| known.first().cloned());
            let verdict = known.unwrap_or_else(|| {
                let verdict = Rc::new(self.ask(view, &question));
                self.keep(&key[own..], Rc::new([verdict.clone()]));
                verdict
            });
            key.truncate(own);
            verdict
        };
        let together: Together = questions.each().map(&mut find_out).collect();
        self.keep(key, together.clone());
        together
    }

    /// Keeps verdicts for whoever asks the same, if their key is not too long.
    fn keep(&mut self, key: &[u8], together: Together) {
        if key.len() <= LONGEST_KEY {
            self.verdicts.insert(key.into(), together);
        }
    }

    fn ask(&mut self, view: &View, question: &Question<'_>) -> Verdict {
        self.asked += 1;
        let slice = &view.slices[question.change.action() as usize];
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
        // One question has one verdict.
        self.answer((*question).into())[0].clone()
    }

    fn verdicts(&mut self, questions: Questions<'_>, to: &mut Vec<Rc<Verdict>>) {
        to.extend_from_slice(&self.answer(questions));
    }
}

const FEW_KINDS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Answer;

    /// How many of 4,000 verdicts with keys of this length are kept where there is room for 1,000.
    fn kept(length: usize) -> usize {
        kept_together(length, 1)
    }

    /// The same of so many verdicts together under each key.
    fn kept_together(length: usize, together: usize) -> usize {
        let mut verdicts: Verdicts = cache(1000, Units);
        let verdict = Rc::new(Verdict::settled(Answer::Allowed { by: Vec::new() }));
        for number in 0..4000_u32 {
            let mut key = number.to_le_bytes().to_vec();
            key.resize(length, 0);
            verdicts.insert(key.into(), vec![verdict.clone(); together].into());
        }
        verdicts.len()
    }

    #[test]
    fn what_is_kept_is_bounded_in_bytes() {
        assert!((900..=1000).contains(&kept(40)), "{}", kept(40));
        assert!((50..=111).contains(&kept(LONGEST_KEY)), "{}", kept(LONGEST_KEY));
        let together = |verdicts: usize| kept_together(40, verdicts);
        assert!((5..=10).contains(&together(100)), "{}", together(100));
    }
}

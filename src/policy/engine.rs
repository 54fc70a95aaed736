//! The fast way to a verdict: ask Cedar only what it was not asked before.
//!
//! Three things make it fast, all from what the policies can read (`footprint`):
//! policies that cannot apply to the caller are not asked (`slice`); findings that the policies cannot tell apart are
//! asked about once (`kinds`); and a verdict is kept, under exactly those parts of the question that were read. What that
//! wins is in `docs/performance.md`.

use super::{
    Judge, Question, Snapshot, Verdict,
    evaluate::evaluate,
    footprint::{Ancestor, Footprint, TextRead},
    request,
    slice::Slice,
};
use crate::finding::{AccountId, Accounts, Action, Caller, Change, Identifier, Note, Role, Target, Value};
use cedar_policy::Entities;
use quick_cache::unsync::{Cache, DefaultLifecycle};
use std::{
    cell::{OnceCell, RefCell},
    collections::HashMap,
    rc::Rc,
    sync::Arc,
};

/// How many verdicts an engine keeps. A key takes tens of bytes, a few hundred where policies read notes.
const VERDICTS: usize = 65_536;
/// How many callers an engine keeps slices for.
const CALLERS: usize = 1_024;
/// For how many sets of actions a view keeps what they read.
const MOST_FOOTPRINTS: usize = 16;
/// A key that is longer than this is not kept, so that memory is bounded in bytes, too.
const LONGEST_KEY: usize = 1_024;

/// Gives verdicts by one snapshot. Each worker has its own; another snapshot needs another engine.
pub struct Engine {
    snapshot: Arc<Snapshot>,
    callers: Cache<CallerKey, Rc<View>, quick_cache::UnitWeighter, foldhash::quality::RandomState>,
    verdicts: Cache<Box<[u8]>, Rc<Verdict>, quick_cache::UnitWeighter, foldhash::quality::RandomState>,
    /// Numbers the views, so that a key need not spell the caller out. It is never used twice.
    views: u64,
    /// The caller of the last question: the questions of a request follow one another.
    last_view: Option<Rc<View>>,
    /// The entities of the last question that Cedar was asked.
    last_entities: Option<Store>,
    /// Where keys are put together.
    key: Vec<u8>,
    asked: u64,
}

type CallerKey = (Role, AccountId, Arc<str>);
/// A verdict under the key that it was given for.
type Kept = (Vec<u8>, Rc<Verdict>);

/// What does not change between the questions of a caller.
struct View {
    serial: u64,
    caller: CallerKey,
    /// One for each action, in the order of [`Action::ALL`].
    slices: Vec<Arc<Slice>>,
    /// What sets of actions read together, each set as a bit an action: a caller's requests change much the same fields.
    footprints: RefCell<Vec<(u16, Rc<Footprint>)>>,
    /// The last verdict on each action, in the order of [`Action::ALL`], with its key: most requests of a caller get the
    /// verdicts of the one before, and to compare a short key costs a tenth of a look-up.
    recent: RefCell<Vec<Option<Kept>>>,
    /// The caller's own entities, from the first question on that Cedar is asked.
    entities: OnceCell<Entities>,
}

impl View {
    /// What the policies for these changes read, together.
    fn footprint(&self, changes: &[Change<'_>]) -> Rc<Footprint> {
        let set = changes.iter().fold(0, |set, change| set | 1 << change.action() as u16);
        let mut known = self.footprints.borrow_mut();
        if let Some((_, footprint)) = known.iter().find(|(actions, _)| *actions == set) {
            return footprint.clone();
        }
        let mut footprint = Footprint::default();
        for (action, slice) in self.slices.iter().enumerate() {
            if set & 1 << action != 0 {
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
    entities: Entities,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("snapshot", &self.snapshot.digest()).finish_non_exhaustive()
    }
}

impl Engine {
    /// Judges by a snapshot. Nothing is allocated before the first question.
    #[expect(clippy::missing_panics_doc, reason = "both capacities are given")]
    pub fn new(snapshot: Arc<Snapshot>) -> Self {
        let options = |capacity: usize| {
            quick_cache::OptionsBuilder::new()
                .estimated_items_capacity(capacity)
                .weight_capacity(capacity as u64)
                .build()
                .expect("both capacities are given")
        };
        let hasher = foldhash::quality::RandomState::default;
        Self {
            snapshot,
            callers: Cache::with_options(
                options(CALLERS),
                quick_cache::UnitWeighter,
                hasher(),
                DefaultLifecycle::default(),
            ),
            verdicts: Cache::with_options(
                options(VERDICTS),
                quick_cache::UnitWeighter,
                hasher(),
                DefaultLifecycle::default(),
            ),
            views: 0,
            last_view: None,
            last_entities: None,
            key: Vec::new(),
            asked: 0,
        }
    }

    /// The snapshot that it judges by.
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// How many questions Cedar was asked so far: the others were answered from memory.
    pub fn questions_asked(&self) -> u64 {
        self.asked
    }

    /// Forgets every verdict and every caller.
    pub fn forget(&mut self) {
        *self = Self { asked: self.asked, ..Self::new(self.snapshot.clone()) };
    }

    fn view(&mut self, caller: &Caller) -> Result<Rc<View>, String> {
        let is_of = |view: &View| {
            let (role, account, principal) = &view.caller;
            *role == caller.role
                && *account == caller.account
                && (Arc::ptr_eq(principal, &caller.principal) || *principal == caller.principal)
        };
        if let Some(view) = self.last_view.as_ref().filter(|view| is_of(view)) {
            return Ok(view.clone());
        }
        let key = (caller.role, caller.account, caller.principal.clone());
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
        let known = self.last_entities.take().filter(|store| {
            store.view == view.serial && store.owner == target.owner && store.identifier == *target.identifier
        });
        let store = match known {
            Some(store) => store,
            None => match view.entities(question.caller, target, self.snapshot.accounts()) {
                Ok(entities) => {
                    let identifier = target.identifier.to_owned();
                    Store { view: view.serial, owner: target.owner, identifier, entities }
                }
                Err(_) => return Verdict { enforced: rules.error([]), shadow: None },
            },
        };
        let verdict = evaluate(rules, slice, question, &store.entities);
        self.last_entities = Some(store);
        verdict
    }
}

impl Judge for Engine {
    fn kinds(&mut self, caller: &Caller, changes: &[Change<'_>], targets: &[Target<'_>]) -> Vec<usize> {
        let Ok(view) = self.view(caller) else { return (0..targets.len()).collect() };
        let footprint = view.footprint(changes);
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

    fn verdict(&mut self, question: &Question<'_>) -> Rc<Verdict> {
        let Ok(view) = self.view(question.caller) else {
            return Rc::new(Verdict { enforced: self.snapshot.by_id().error([]), shadow: None });
        };
        let slice = &view.slices[question.change.action() as usize];
        let mut key = std::mem::take(&mut self.key);
        key.clear();
        write_question(&mut key, &view, &slice.footprint, question, self.snapshot.accounts());
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

// ---- keys: what was read, each part self-delimiting, so that two questions have one key only if they agree in it ----

fn write_question(key: &mut Vec<u8>, view: &View, footprint: &Footprint, question: &Question<'_>, accounts: &Accounts) {
    key.extend_from_slice(&view.serial.to_le_bytes());
    key.push(question.change.action() as u8);
    if footprint.value {
        write_value(key, &question.change.value());
    }
    if footprint.fields {
        key.extend_from_slice(&question.kept.bits().to_le_bytes());
    }
    if footprint.note && question.change.action() != Action::Note {
        match question.update.note.as_ref().filter(|_| question.kept.contains(crate::finding::Field::Note)) {
            Some(note) => write_note(key, note),
            None => key.push(0),
        }
    }
    write_target(key, footprint, question.caller, question.target, accounts);
}

fn write_text(key: &mut Vec<u8>, text: &str) {
    key.extend_from_slice(&(text.len() as u64).to_le_bytes());
    key.extend_from_slice(text.as_bytes());
}

fn write_note(key: &mut Vec<u8>, note: &Note<'_>) {
    key.push(1);
    write_text(key, &note.text);
    write_text(key, &note.updated_by);
}

fn write_identifier(key: &mut Vec<u8>, identifier: &Identifier<'_>) {
    write_text(key, &identifier.id);
    write_text(key, &identifier.product_arn);
}

/// The action stands before the value, so the value's kind is known.
fn write_value(key: &mut Vec<u8>, value: &Value<'_>) {
    match value {
        Value::Label(label) => key.push(*label as u8),
        Value::Note(note) => write_note(key, note),
        Value::ProductScore(score) => write_text(key, &score.to_string()),
        Value::Ratio(ratio) => key.push(*ratio),
        Value::Related(finding) => write_identifier(key, finding),
        Value::Type(kind) => write_text(key, kind),
        Value::UserDefined { key: name, value } => {
            write_text(key, name);
            write_text(key, value);
        }
        Value::Verification(state) => key.push(*state as u8),
        Value::Workflow(status) => key.push(*status as u8),
    }
}

fn write_target(key: &mut Vec<u8>, footprint: &Footprint, caller: &Caller, target: &Target<'_>, accounts: &Accounts) {
    if footprint.identity {
        write_identifier(key, target.identifier);
        key.extend_from_slice(target.owner.as_str().as_bytes());
        return;
    }
    write_read(key, &footprint.id, &target.identifier.id);
    write_read(key, &footprint.product_arn, &target.identifier.product_arn);
    if !footprint.ancestors.is_empty() {
        let owner = Owner { account: target.owner, role: accounts.role(target.owner) };
        key.extend(footprint.ancestors.iter().map(|ancestor| u8::from(owner.lies_in(ancestor, caller, accounts))));
    }
}

fn write_read(key: &mut Vec<u8>, read: &TextRead, text: &str) {
    match read {
        TextRead::Matches(patterns) => key.extend(patterns.iter().map(|pattern| u8::from(pattern.matches(text)))),
        TextRead::Whole => write_text(key, text),
    }
}

/// An account, and what is known of it.
struct Owner {
    account: AccountId,
    role: Option<Role>,
}

impl Owner {
    /// Whether a finding of this account lies in `ancestor`, as [`request::entities`] would have it.
    fn lies_in(&self, ancestor: &Ancestor, caller: &Caller, accounts: &Accounts) -> bool {
        match ancestor {
            Ancestor::CallerAccount => self.account == caller.account,
            Ancestor::CallerFleet => self.role.is_some(),
            Ancestor::Account(account) => self.account == *account,
            Ancestor::Fleet(fleet) => *fleet == accounts.administrator() && self.role.is_some(),
            Ancestor::Group(group) => accounts.groups(self.account).contains(group),
        }
    }
}

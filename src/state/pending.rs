//! The look-ups that are not answered yet, and whose turn it is.

use super::{Found, Unavailable, mix::Mix};
use crate::{
    finding::{AccountId, Identifier, MAX_IDENTIFIERS},
    upstream::pace::Bucket,
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Bound::{Excluded, Unbounded},
    sync::Arc,
};
use tokio::sync::SetOnce;

/// How many look-ups of a line are looked at for one that fits into a call: as many as one request asks for.
const LOOKED_AT: usize = MAX_IDENTIFIERS;

/// A look-up, in the order in which they were asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Ticket(u64);

/// Where the answer to a look-up will be.
pub(super) type Answered = Arc<SetOnce<Found>>;

/// How many look-ups may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Room {
    /// In one account's line.
    pub(super) line: usize,
    /// In all.
    pub(super) all: usize,
}

/// All look-ups that are not answered yet. A look-up waits until it goes out in a call, and is under way from then on.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) bucket: Bucket,
    room: Room,
    look_ups: HashMap<Ticket, LookUp>,
    /// The look-up of a finding that whoever asks now joins. One that was orphaned is not in here.
    current: HashMap<Arc<Identifier<'static>>, Ticket>,
    /// What waits, by who asked for it. A look-up that several accounts ask for is in several lines. No line is empty.
    lines: BTreeMap<AccountId, BTreeSet<Ticket>>,
    /// How many look-ups wait.
    waiting: usize,
    /// The account that had the last turn.
    last: Option<AccountId>,
    next: u64,
}

#[derive(Debug)]
struct LookUp {
    name: Arc<Identifier<'static>>,
    answered: Answered,
    /// Who asked, and how often.
    askers: Vec<(AccountId, usize)>,
    under_way: bool,
}

impl Pending {
    pub(super) fn new(bucket: Bucket, room: Room) -> Self {
        Self {
            bucket,
            room,
            look_ups: HashMap::new(),
            current: HashMap::new(),
            lines: BTreeMap::new(),
            waiting: 0,
            last: None,
            next: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.look_ups.is_empty()
    }

    /// Whether anything waits.
    pub(super) fn has_waiting(&self) -> bool {
        self.waiting > 0
    }

    /// Joins the look-up of a finding that is pending already.
    pub(super) fn join(&mut self, account: AccountId, identifier: &Identifier<'_>) -> Option<(Ticket, Answered)> {
        let ticket = current_of(&self.current, identifier)?;
        let look_up = self.look_ups.get_mut(&ticket)?;
        if let Some((_, times)) = look_up.askers.iter_mut().find(|(asker, _)| *asker == account) {
            *times += 1;
        } else {
            look_up.askers.push((account, 1));
            // In this account's line, too: it must not wait behind all that another one asks for.
            if !look_up.under_way {
                self.lines.entry(account).or_default().insert(ticket);
            }
        }
        Some((ticket, look_up.answered.clone()))
    }

    /// Begins the look-up of a finding, unless too many wait already.
    pub(super) fn begin(&mut self, account: AccountId, identifier: &Identifier<'_>) -> Option<(Ticket, Answered)> {
        let line = self.lines.get(&account).map_or(0, BTreeSet::len);
        if self.waiting >= self.room.all || line >= self.room.line {
            return None;
        }
        let ticket = Ticket(self.next);
        self.next += 1;
        let (name, answered) = (Arc::new(identifier.to_owned()), Answered::default());
        self.current.insert(name.clone(), ticket);
        let look_up = LookUp { name, answered: answered.clone(), askers: vec![(account, 1)], under_way: false };
        self.look_ups.insert(ticket, look_up);
        self.lines.entry(account).or_default().insert(ticket);
        self.waiting += 1;
        Some((ticket, answered))
    }

    /// The account no longer waits for the answer. A look-up that nobody waits for does not go out.
    pub(super) fn leave(&mut self, account: AccountId, ticket: Ticket) {
        let Some(look_up) = self.look_ups.get_mut(&ticket) else { return };
        let Some(at) = look_up.askers.iter().position(|(asker, _)| *asker == account) else { return };
        look_up.askers[at].1 -= 1;
        if look_up.askers[at].1 > 0 {
            return;
        }
        look_up.askers.swap_remove(at);
        let abandoned = look_up.askers.is_empty() && !look_up.under_way;
        remove_from_line(&mut self.lines, account, ticket);
        if abandoned {
            self.waiting -= 1;
            self.remove(ticket);
        }
    }

    /// Takes up to `most` look-ups that wait, for one call, one from each account in turn. They are under way from here on.
    ///
    /// Which may go together, [`Mix`] tells. The account whose oldest look-up was the first that may not has its turn first in the
    /// next call: so nobody waits for more calls than accounts wait.
    pub(super) fn take(&mut self, most: usize) -> Vec<(Ticket, Arc<Identifier<'static>>)> {
        let (mut taken, mut mix) = (Vec::new(), Mix::new(most));
        let (mut turn, mut passed_over, mut in_vain) = (self.last, false, 0);
        while !mix.is_full()
            && in_vain < self.lines.len()
            && let Some((account, line)) = self.line_after(turn)
        {
            turn = Some(account);
            let of_line = || line.iter().take(LOOKED_AT).copied();
            let fits = |ticket: &Ticket| self.look_ups.get(ticket).is_none_or(|one| mix.takes(account, &one.name));
            let oldest = of_line().next().filter(|_| !mix.has_of(account));
            passed_over |= oldest.is_some_and(|oldest| !fits(&oldest));
            // What asks for one more product than the call does takes more room in it than what does not.
            let is_near = |ticket: &Ticket| {
                fits(ticket) && self.look_ups.get(ticket).is_some_and(|one| mix.has_product_of(&one.name))
            };
            let chosen = oldest.filter(fits).or_else(|| of_line().find(is_near)).or_else(|| of_line().find(fits));
            let Some(ticket) = chosen else {
                in_vain += 1;
                continue;
            };
            in_vain = 0;
            if !passed_over {
                self.last = turn;
            }
            let Some(look_up) = self.look_ups.get_mut(&ticket) else {
                remove_from_line(&mut self.lines, account, ticket);
                continue;
            };
            look_up.under_way = true;
            for (asker, _) in &look_up.askers {
                remove_from_line(&mut self.lines, *asker, ticket);
            }
            self.waiting -= 1;
            mix.add(account, look_up.name.clone());
            taken.push((ticket, look_up.name.clone()));
        }
        taken
    }

    /// The line whose turn comes after this account's.
    fn line_after(&self, account: Option<AccountId>) -> Option<(AccountId, &BTreeSet<Ticket>)> {
        let after = account.and_then(|account| self.lines.range((Excluded(account), Unbounded)).next());
        after.or_else(|| self.lines.first_key_value()).map(|(account, line)| (*account, line))
    }

    /// The call with this look-up was given up before its answer came: it waits again, in its old place. (Unless nobody wants it
    /// any more, or a newer look-up has begun because what this one was to bring would be outdated.)
    pub(super) fn put_back(&mut self, ticket: Ticket) {
        let Some(look_up) = self.look_ups.get_mut(&ticket) else { return };
        let current = current_of(&self.current, &look_up.name);
        if look_up.askers.is_empty() || current.is_some_and(|current| current != ticket) {
            let why = Unavailable::Failed("the look-up's call was given up".into());
            self.finish(ticket, why.into());
            return;
        }
        look_up.under_way = false;
        for (asker, _) in &look_up.askers {
            self.lines.entry(*asker).or_default().insert(ticket);
        }
        self.waiting += 1;
        self.current.insert(look_up.name.clone(), ticket);
    }

    /// Tells the answer to all who wait for it. Whether it is current: nothing has changed the finding since the call went out.
    pub(super) fn finish(&mut self, ticket: Ticket, found: Found) -> bool {
        let Some((look_up, is_current)) = self.remove(ticket) else { return false };
        // Fails only if it was set before, which nobody else does.
        let _ = look_up.answered.set(found);
        is_current
    }

    /// The finding was changed: a look-up of it that is under way brings an answer that may be from before. Those who asked
    /// before the change get it, and whoever asks from now on does not.
    pub(super) fn orphan(&mut self, identifier: &Identifier<'_>) {
        let Some(ticket) = current_of(&self.current, identifier) else { return };
        if let Some(look_up) = self.look_ups.get(&ticket)
            && look_up.under_way
        {
            self.current.remove(&look_up.name);
        }
    }

    fn remove(&mut self, ticket: Ticket) -> Option<(LookUp, bool)> {
        let look_up = self.look_ups.remove(&ticket)?;
        let is_current = self.current.get(&look_up.name) == Some(&ticket);
        if is_current {
            self.current.remove(&look_up.name);
        }
        Some((look_up, is_current))
    }
}

/// A map with keys that borrow from nothing is as well one with keys that borrow from something.
fn current_of<'a>(map: &HashMap<Arc<Identifier<'a>>, Ticket>, identifier: &Identifier<'a>) -> Option<Ticket> {
    map.get(identifier).copied()
}

fn remove_from_line(lines: &mut BTreeMap<AccountId, BTreeSet<Ticket>>, account: AccountId, ticket: Ticket) {
    if let Some(line) = lines.get_mut(&account) {
        line.remove(&ticket);
        if line.is_empty() {
            lines.remove(&account);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::name, *};
    use std::num::NonZeroU32;
    use tokio::time::Instant;

    fn pending(line: usize, all: usize) -> Pending {
        Pending::new(Bucket::new(NonZeroU32::MIN, NonZeroU32::MIN, Instant::now()), Room { line, all })
    }

    fn account(number: u8) -> AccountId {
        AccountId::parse(&format!("{number:012}")).unwrap()
    }

    fn ask(pending: &mut Pending, number: u8, id: &str) -> Option<(Ticket, Answered)> {
        let name = name(id);
        pending.join(account(number), &name).or_else(|| pending.begin(account(number), &name))
    }

    fn taken(pending: &mut Pending, most: usize) -> Vec<String> {
        pending.take(most).iter().map(|(_, name)| name.id.to_string()).collect()
    }

    /// Nothing is left, in no index.
    fn assert_empty(pending: &Pending) {
        assert!(pending.is_empty() && pending.current.is_empty() && pending.lines.is_empty());
        assert!(!pending.has_waiting());
    }

    #[test]
    fn accounts_have_their_turn() {
        let mut pending = pending(100, 100);
        for id in ["a1", "a2", "a3", "a4", "a5"] {
            ask(&mut pending, 1, id).unwrap();
        }
        for id in ["b1", "b2", "b3"] {
            ask(&mut pending, 2, id).unwrap();
        }
        ask(&mut pending, 3, "c1").unwrap();
        assert_eq!(taken(&mut pending, 4), ["a1", "b1", "c1", "a2"]);
        assert_eq!(taken(&mut pending, 4), ["b2", "a3", "b3", "a4"], "the turn goes on where it was");
        assert_eq!(taken(&mut pending, 4), ["a5"]);
        assert!(!pending.has_waiting());
    }

    #[test]
    fn whose_look_up_does_not_fit_into_a_call_is_the_first_in_the_next() {
        let mut pending = pending(1000, 1000);
        for (number, at) in (1..=8_u8).flat_map(|number| (0..2).map(move |at| (number, at))) {
            let id = format!("{number}-{at}").into();
            // Each account's are of a product of its own.
            let name = Identifier { id, product_arn: format!("p{number}").into() };
            pending.begin(account(number), &name).unwrap();
        }
        assert_eq!(taken(&mut pending, 20), ["1-0", "2-0", "3-0", "4-0", "5-0", "1-1"]);
        assert_eq!(taken(&mut pending, 20), ["6-0", "7-0", "8-0", "2-1", "3-1", "6-1"]);
        assert_eq!(taken(&mut pending, 20), ["4-1", "5-1", "7-1", "8-1"]);
        assert!(!pending.has_waiting());
    }

    #[test]
    fn a_finding_that_two_ask_for_has_the_better_of_their_places() {
        let mut pending = pending(100, 100);
        for id in ["a1", "a2", "a3", "shared"] {
            ask(&mut pending, 1, id).unwrap();
        }
        ask(&mut pending, 2, "shared").unwrap();
        assert_eq!(taken(&mut pending, 2), ["a1", "shared"]);
        assert_eq!(taken(&mut pending, 9), ["a2", "a3"], "and is taken once");
    }

    #[test]
    fn lines_are_bounded_each_and_in_all() {
        let mut pending = pending(3, 5);
        let accepted = |pending: &mut Pending, number: u8| {
            (0..9).filter(|id| ask(pending, number, &format!("{number}-{id}")).is_some()).count()
        };
        assert_eq!([1, 2, 3].map(|number| accepted(&mut pending, number)), [3, 2, 0]);
        // What is pending anyway costs nothing more.
        assert!(ask(&mut pending, 3, "1-0").is_some());
        taken(&mut pending, 2);
        assert_eq!(accepted(&mut pending, 3), 2);
    }

    #[test]
    fn what_nobody_waits_for_does_not_go_out() {
        let mut pending = pending(100, 100);
        let (a, _) = ask(&mut pending, 1, "a").unwrap();
        let (also_a, _) = ask(&mut pending, 1, "a").unwrap();
        assert_eq!(ask(&mut pending, 2, "a").unwrap().0, a);
        assert_eq!(a, also_a);
        pending.leave(account(1), a);
        pending.leave(account(2), a);
        assert!(pending.has_waiting(), "one of the first account's is left");
        pending.leave(account(1), a);
        assert_empty(&pending);
        // What is under way is heard out.
        let (b, answered) = ask(&mut pending, 1, "b").unwrap();
        taken(&mut pending, 1);
        pending.leave(account(1), b);
        assert!(pending.finish(b, Found::Missing));
        assert_eq!(answered.get(), Some(&Found::Missing));
        assert_empty(&pending);
    }

    #[test]
    fn a_call_that_is_given_up_is_made_by_somebody_else() {
        let mut pending = pending(100, 100);
        let (a, _) = ask(&mut pending, 1, "a").unwrap();
        let (b, _) = ask(&mut pending, 1, "b").unwrap();
        ask(&mut pending, 2, "c").unwrap();
        assert_eq!(taken(&mut pending, 3), ["a", "c", "b"]);
        pending.leave(account(1), b);
        pending.put_back(a);
        pending.put_back(b);
        ask(&mut pending, 1, "d").unwrap();
        assert_eq!(taken(&mut pending, 3), ["a", "d"], "nobody waits for b, and a is before d");
    }

    #[test]
    fn an_orphan_is_told_to_those_who_asked_before_and_to_nobody_else() {
        let mut pending = pending(100, 100);
        let (old, told) = ask(&mut pending, 1, "a").unwrap();
        pending.orphan(&name("a"));
        assert_eq!(ask(&mut pending, 2, "a").unwrap().0, old, "it has not gone out yet");
        taken(&mut pending, 1);
        assert_eq!(ask(&mut pending, 3, "a").unwrap().0, old);
        pending.orphan(&name("a"));
        let (new, newly_told) = ask(&mut pending, 1, "a").unwrap();
        assert_ne!(new, old);
        assert!(!pending.finish(old, Found::Missing), "not to be kept");
        assert_eq!((told.get(), newly_told.get()), (Some(&Found::Missing), None));
        assert_eq!(ask(&mut pending, 2, "a").unwrap().0, new);
        taken(&mut pending, 1);
        assert!(pending.finish(new, Found::Missing));
        assert_empty(&pending);
    }

    #[test]
    fn an_orphan_that_is_put_back_is_fresh_or_given_up() {
        let mut pending = pending(100, 100);
        let (first, _) = ask(&mut pending, 1, "a").unwrap();
        taken(&mut pending, 1);
        pending.orphan(&name("a"));
        pending.put_back(first);
        assert_eq!(ask(&mut pending, 2, "a").unwrap().0, first, "it goes out after the change");
        taken(&mut pending, 1);
        pending.orphan(&name("a"));
        let (second, _) = ask(&mut pending, 2, "a").unwrap();
        let answered = pending.look_ups[&first].answered.clone();
        pending.put_back(first);
        assert!(matches!(answered.get(), Some(Found::Unavailable(Unavailable::Failed(_)))));
        taken(&mut pending, 1);
        assert!(pending.finish(second, Found::Missing));
        assert_empty(&pending);
    }
}

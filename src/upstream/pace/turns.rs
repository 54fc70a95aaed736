//! Whose turn it is.

use crate::finding::AccountId;
use std::{
    collections::{BTreeMap, VecDeque},
    ops::Bound::{Excluded, Unbounded},
    sync::Arc,
};
use tokio::sync::SetOnce;

/// Who waits: each has a line of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    /// The gate itself, which looks findings up on behalf of all callers.
    Gate,
    /// The callers of this account.
    Caller(AccountId),
}

/// A call that waits. It is set when its turn has come.
pub(super) type Ticket = Arc<SetOnce<()>>;

/// Calls that wait, in a line for each account.
///
/// The accounts are served one after the other, each with one call (round robin; as every call takes one token, this is what deficit
/// round robin comes to). An account that has a hundred calls waiting is served as often as one that has two. The
/// gate's own calls have every second turn: one of its look-ups stands for up to twenty findings of several callers, among whom it
/// has shared out itself, so it must not count as one caller among many; nor may it keep callers out.
#[derive(Debug, Default)]
pub(super) struct Turns {
    gate: VecDeque<Ticket>,
    /// No line is empty.
    callers: BTreeMap<AccountId, VecDeque<Ticket>>,
    /// The account that had the last turn among the accounts.
    last: Option<AccountId>,
    /// The gate had the last turn of all.
    gate_was_last: bool,
}

impl Turns {
    pub(super) fn is_empty(&self) -> bool {
        self.gate.is_empty() && self.callers.is_empty()
    }

    /// How many wait in a line.
    pub(super) fn line(&self, lane: Lane) -> usize {
        match lane {
            Lane::Gate => self.gate.len(),
            Lane::Caller(account) => self.callers.get(&account).map_or(0, VecDeque::len),
        }
    }

    /// How many have their turn before one that came now would have its own, if nobody else comes.
    pub(super) fn before(&self, lane: Lane) -> usize {
        match lane {
            Lane::Gate => {
                let callers: usize = self.callers.values().map(VecDeque::len).sum();
                self.gate.len() + callers.min(self.gate.len() + usize::from(self.gate_was_last))
            }
            Lane::Caller(account) => {
                // Of each account that comes before it in a round, as many as of its own, the new one included; of each that comes
                // after it, one less.
                let own = self.line(lane);
                let in_round = |of: AccountId| (self.last.is_some_and(|last| of <= last), of);
                let others = self.callers.iter().filter(|(of, _)| **of != account);
                let others: usize =
                    others.map(|(of, line)| line.len().min(own + usize::from(in_round(*of) < in_round(account)))).sum();
                let callers = own + others;
                callers + self.gate.len().min(callers + usize::from(!self.gate_was_last))
            }
        }
    }

    /// Puts a call at the end of its line.
    pub(super) fn join(&mut self, lane: Lane) -> Ticket {
        let ticket = Ticket::default();
        match lane {
            Lane::Gate => self.gate.push_back(Arc::clone(&ticket)),
            Lane::Caller(account) => self.callers.entry(account).or_default().push_back(Arc::clone(&ticket)),
        }
        ticket
    }

    /// Takes a call out that waits no longer.
    pub(super) fn leave(&mut self, lane: Lane, ticket: &Ticket) {
        match lane {
            Lane::Gate => self.gate.retain(|one| !Arc::ptr_eq(one, ticket)),
            Lane::Caller(account) => {
                if let Some(line) = self.callers.get_mut(&account) {
                    line.retain(|one| !Arc::ptr_eq(one, ticket));
                    if line.is_empty() {
                        self.callers.remove(&account);
                    }
                }
            }
        }
    }

    /// Takes out the call whose turn it is.
    pub(super) fn next(&mut self) -> Option<Ticket> {
        let gates = !self.gate_was_last || self.callers.is_empty();
        if gates && let Some(ticket) = self.gate.pop_front() {
            self.gate_was_last = true;
            return Some(ticket);
        }
        let after = self.last.and_then(|last| self.callers.range((Excluded(last), Unbounded)).next());
        let account = *after.or_else(|| self.callers.first_key_value())?.0;
        let line = self.callers.get_mut(&account)?;
        let ticket = line.pop_front();
        if line.is_empty() {
            self.callers.remove(&account);
        }
        (self.last, self.gate_was_last) = (Some(account), false);
        ticket
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn caller(number: u8) -> Lane {
        Lane::Caller(AccountId::parse(&format!("{number:012}")).unwrap())
    }

    /// Lanes by numbers, of which 0 is the gate's.
    fn lane(number: u8) -> Lane {
        if number == 0 { Lane::Gate } else { caller(number) }
    }

    /// Who waits, and in which order they are served.
    fn served(turns: &mut Turns, waiting: &mut Vec<(u8, Ticket)>, most: usize) -> Vec<u8> {
        let mut served = Vec::new();
        while served.len() < most
            && let Some(ticket) = turns.next()
        {
            let at = waiting.iter().position(|(_, one)| Arc::ptr_eq(one, &ticket)).expect("who is served has waited");
            served.push(waiting.remove(at).0);
        }
        served
    }

    /// How often one was served.
    fn times(order: &[u8], one: u8) -> usize {
        order.iter().map(|served| usize::from(*served == one)).sum()
    }

    fn joined(turns: &mut Turns, numbers: &[u8]) -> Vec<(u8, Ticket)> {
        numbers.iter().map(|number| (*number, turns.join(lane(*number)))).collect()
    }

    #[test]
    fn accounts_have_one_turn_each_in_a_round() {
        let mut turns = Turns::default();
        let mut waiting = joined(&mut turns, &[1, 1, 1, 1, 1, 2, 2, 3]);
        assert_eq!(served(&mut turns, &mut waiting, 4), [1, 2, 3, 1]);
        waiting.extend(joined(&mut turns, &[3, 4]));
        assert_eq!(served(&mut turns, &mut waiting, 9), [2, 3, 4, 1, 1, 1], "the round goes on where it was");
        assert!(turns.is_empty() && turns.callers.is_empty());
    }

    #[test]
    fn the_gate_has_every_second_turn() {
        let mut turns = Turns::default();
        let mut waiting = joined(&mut turns, &[1, 1, 2, 3, 0, 0, 0, 0, 0, 0]);
        assert_eq!(served(&mut turns, &mut waiting, 99), [0, 1, 0, 2, 0, 3, 0, 1, 0, 0]);
        let mut waiting = joined(&mut turns, &[0, 1]);
        assert_eq!(served(&mut turns, &mut waiting, 99), [1, 0], "it had the last one");
    }

    #[test]
    fn who_leaves_is_not_served() {
        let mut turns = Turns::default();
        let mut waiting = joined(&mut turns, &[1, 1, 0, 2]);
        for at in [3, 2, 0] {
            let (number, ticket) = waiting.remove(at);
            turns.leave(lane(number), &ticket);
            turns.leave(lane(number), &ticket);
        }
        assert_eq!((turns.line(Lane::Gate), turns.line(caller(1)), turns.line(caller(2))), (0, 1, 0));
        assert_eq!(served(&mut turns, &mut waiting, 99), [1]);
        assert!(turns.is_empty());
    }

    proptest! {
        /// Whoever joins is served after exactly as many as it was told, if nobody comes or leaves.
        #[test]
        fn the_place_in_line_is_told_right(
            earlier in prop::collection::vec(0u8..5, 0..20), taken in 0usize..10,
            waits in prop::collection::vec(0u8..5, 0..30), new in 0u8..5,
        ) {
            let mut turns = Turns::default();
            let mut waiting = joined(&mut turns, &earlier);
            served(&mut turns, &mut waiting, taken);
            waiting.extend(joined(&mut turns, &waits));
            let before = turns.before(lane(new));
            let ticket = turns.join(lane(new));
            let mut count = 0;
            while let Some(next) = turns.next() && !Arc::ptr_eq(&next, &ticket) {
                count += 1;
            }
            prop_assert_eq!(count, before);
        }

        /// While an account waits, no other one is served twice before it is served.
        #[test]
        fn nobody_is_passed_over(waits in prop::collection::vec(1u8..6, 1..60), gates in 0usize..20) {
            let mut turns = Turns::default();
            let mut waiting = joined(&mut turns, &waits);
            waiting.extend(joined(&mut turns, &vec![0; gates]));
            let order = served(&mut turns, &mut waiting, usize::MAX);
            prop_assert_eq!(order.len(), waits.len() + gates);
            for number in 1..6 {
                let mine: Vec<usize> = (0..order.len()).filter(|at| order[*at] == number).collect();
                let begins = std::iter::once(0).chain(mine.iter().map(|at| at + 1));
                for (begin, end) in begins.zip(&mine) {
                    for other in (1..6).filter(|other| *other != number) {
                        let between = times(&order[begin..*end], other);
                        prop_assert!(between <= 1, "{other} before {number} in {order:?}");
                    }
                    let gates = times(&order[begin..*end], 0);
                    prop_assert!(gates <= end - begin - gates + 1, "the gate before {number} in {order:?}");
                }
            }
        }
    }
}

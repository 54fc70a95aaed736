//! Questions that several requests have at a time: one asks, and the others wait for what it is told.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::OnceCell;

/// The questions that are open, by what they are about.
#[derive(Debug)]
pub(super) struct Flights<K, A> {
    /// How many may be open.
    most: usize,
    open: Mutex<HashMap<K, Flight<A>>>,
}

#[derive(Debug)]
struct Flight<A> {
    answer: Arc<OnceCell<A>>,
    /// How many wait for it.
    seats: usize,
}

/// One of those who wait. The last one to go takes the flight along.
struct Seat<'f, K: Eq + Hash, A> {
    flights: &'f Flights<K, A>,
    about: K,
    answer: Arc<OnceCell<A>>,
}

impl<K: Clone + Eq + Hash, A: Clone> Flights<K, A> {
    pub(super) fn new(most: usize) -> Self {
        Self { most, open: Mutex::default() }
    }

    /// What `ask` is told. Of all who want to know the same at a time one asks, and if that one goes away another does; all are given the
    /// same answer, which is forgotten when the last of them has it. Nothing if too many questions are open.
    pub(super) async fn answer(&self, about: K, ask: impl AsyncFnOnce() -> A) -> Option<A> {
        let seat = self.seat(about)?;
        Some(seat.answer.get_or_init(async || ask().await).await.clone())
    }

    fn seat(&self, about: K) -> Option<Seat<'_, K, A>> {
        let mut open = self.open();
        if open.len() >= self.most && !open.contains_key(&about) {
            return None;
        }
        let flight = open.entry(about.clone()).or_insert_with(|| Flight { answer: Arc::default(), seats: 0 });
        flight.seats += 1;
        Some(Seat { flights: self, about, answer: Arc::clone(&flight.answer) })
    }
}

impl<K: Eq + Hash, A> Flights<K, A> {
    /// How many questions are open.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.open().len()
    }

    /// How many wait for an answer.
    #[cfg(test)]
    pub(super) fn waiting(&self, about: &K) -> usize {
        self.open().get(about).map_or(0, |flight| flight.seats)
    }

    /// A panic elsewhere leaves the map whole, so a poisoned lock is as good as any.
    fn open(&self) -> MutexGuard<'_, HashMap<K, Flight<A>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash, A> Drop for Seat<'_, K, A> {
    fn drop(&mut self) {
        let mut open = self.flights.open();
        // The count is kept under the lock. That of the `Arc` would not do: this seat's is given back after the lock is.
        if let Some(flight) = open.get_mut(&self.about) {
            flight.seats -= 1;
            if flight.seats == 0 {
                open.remove(&self.about);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{hash::Hasher, sync::Barrier, thread};

    /// What a seat is about, which holds up the seat's end until the other's has come as far: their turns under the lock are over then, and
    /// nothing else of them is gone yet.
    #[derive(Debug)]
    struct Slow(Option<Arc<Barrier>>);

    impl Clone for Slow {
        fn clone(&self) -> Self {
            Self(None)
        }
    }

    impl PartialEq for Slow {
        fn eq(&self, _: &Self) -> bool {
            true
        }
    }

    impl Eq for Slow {}

    impl Hash for Slow {
        fn hash<H: Hasher>(&self, _: &mut H) {}
    }

    impl Drop for Slow {
        fn drop(&mut self) {
            if let Some(together) = &self.0 {
                together.wait();
            }
        }
    }

    #[test]
    fn those_who_leave_together_leave_no_flight_behind() {
        let (flights, together) = (Flights::<Slow, ()>::new(1), Arc::new(Barrier::new(2)));
        let seats = [(); 2].map(|()| flights.seat(Slow(Some(Arc::clone(&together)))).unwrap());
        assert_eq!(flights.waiting(&Slow(None)), 2);
        thread::scope(|scope| {
            for seat in seats {
                scope.spawn(move || drop(seat));
            }
        });
        assert_eq!(flights.len(), 0);
    }

    #[test]
    fn many_who_come_and_leave_at_once_leave_no_flight_behind() {
        let flights = Flights::<u8, ()>::new(2);
        thread::scope(|scope| {
            for worker in 0..4 {
                let flights = &flights;
                scope.spawn(move || (0..5_000).for_each(|_| drop(flights.seat(worker % 2))));
            }
        });
        assert_eq!(flights.len(), 0);
    }

    #[test]
    fn as_many_are_open_as_may_be() {
        let flights = Flights::<u8, ()>::new(2);
        let (one, two) = (flights.seat(1).unwrap(), flights.seat(2).unwrap());
        assert!(flights.seat(3).is_none());
        let again = flights.seat(1).unwrap();
        assert_eq!(flights.waiting(&1), 2, "who waits for the same does not count");
        drop(one);
        assert!(flights.seat(3).is_none());
        drop(again);
        assert!(flights.seat(3).is_some());
        drop(two);
        assert_eq!(flights.len(), 0);
    }
}

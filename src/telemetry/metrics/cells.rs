//! Numbers that many threads count in, at the price of an atomic addition each.

use crate::finding::Operation;
use std::{
    sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// How many operations there are.
pub(super) const OPERATIONS: usize = Operation::ALL.len();

/// The operation's place in [`Operation::ALL`], which is in the order of the enumeration.
pub(super) const fn place(operation: Operation) -> usize {
    operation as usize
}

/// A table of counters: a row for each operation, or whatever else the rows are, and a column for each value of a label.
#[derive(Debug)]
pub(super) struct Counters<const ROWS: usize, const COLUMNS: usize>([[AtomicU64; COLUMNS]; ROWS]);

impl<const ROWS: usize, const COLUMNS: usize> Counters<ROWS, COLUMNS> {
    pub(super) fn add(&self, row: usize, column: usize) {
        self.0[row][column].fetch_add(1, Relaxed);
    }

    pub(super) fn get(&self, row: usize, column: usize) -> u64 {
        self.0[row][column].load(Relaxed)
    }

    /// The rows in which anything was counted, with their places: what nobody uses takes no line of the exposition. (Of a row
    /// that is in use all columns are there, so that the first error of an operation shows as a step from zero.)
    pub(super) fn rows(&self) -> impl Iterator<Item = (usize, [u64; COLUMNS])> {
        let counts = self.0.iter().map(|row| row.each_ref().map(|cell| cell.load(Relaxed)));
        counts.enumerate().filter(|(_, row)| row.iter().any(|count| *count > 0))
    }
}

impl<const ROWS: usize, const COLUMNS: usize> Default for Counters<ROWS, COLUMNS> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| std::array::from_fn(|_| AtomicU64::new(0))))
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub(super) struct Gauge(AtomicI64);

impl Gauge {
    pub(super) fn set(&self, value: i64) {
        self.0.store(value, Relaxed);
    }

    pub(super) fn add(&self, difference: i64) {
        self.0.fetch_add(difference, Relaxed);
    }

    pub(super) fn get(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

/// The upper bounds of the buckets, in milliseconds: from what a backend in the next rack takes to the longest `upstream.timeout`
/// that anybody should want. The last bucket has no bound.
const BOUNDS: [u64; 14] = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000];

/// Times, counted by how long they were. The library's own histogram takes a lock for each; this one takes none, so a reader
/// may see a time in its bucket that is not yet in the sum.
#[derive(Debug, Default)]
pub(super) struct Times {
    buckets: [AtomicU64; BOUNDS.len() + 1],
    nanos: AtomicU64,
}

/// What was read of [`Times`].
#[derive(Debug, PartialEq)]
pub(super) struct Read {
    /// Seconds in all.
    pub(super) sum: f64,
    pub(super) count: u64,
    /// Upper bounds in seconds, and how many lie in each and not below it.
    pub(super) buckets: [(f64, u64); BOUNDS.len() + 1],
}

impl Times {
    pub(super) fn add(&self, time: Duration) {
        let bucket = BOUNDS.iter().position(|bound| time <= Duration::from_millis(*bound)).unwrap_or(BOUNDS.len());
        self.buckets[bucket].fetch_add(1, Relaxed);
        self.nanos.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    pub(super) fn read(&self) -> Read {
        let bound =
            |at: usize| BOUNDS.get(at).map_or(f64::INFINITY, |bound| Duration::from_millis(*bound).as_secs_f64());
        let buckets = std::array::from_fn(|at| (bound(at), self.buckets[at].load(Relaxed)));
        let sum = Duration::from_nanos(self.nanos.load(Relaxed)).as_secs_f64();
        Read { sum, count: buckets.iter().map(|(_, count)| count).sum(), buckets }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_stand_in_the_order_of_their_list() {
        for (at, operation) in Operation::ALL.iter().enumerate() {
            assert_eq!(place(*operation), at, "{operation}");
        }
    }

    #[test]
    fn a_row_is_there_as_a_whole_once_anything_is_in_it() {
        let counters = Counters::<3, 2>::default();
        assert_eq!(counters.rows().count(), 0);
        counters.add(1, 0);
        counters.add(1, 0);
        assert_eq!(counters.rows().collect::<Vec<_>>(), [(1, [2, 0])]);
        assert_eq!((counters.get(1, 0), counters.get(2, 1)), (2, 0));
    }

    #[test]
    fn a_time_is_in_the_first_bucket_that_holds_it() {
        let times = Times::default();
        for (millis, bucket) in [(0, 0), (1, 0), (2, 1), (3, 2), (30_000, 13), (30_001, 14), (1 << 40, 14)] {
            let before = times.read();
            times.add(Duration::from_millis(millis));
            let after = times.read();
            assert_eq!(after.count, before.count + 1);
            assert_eq!(after.buckets[bucket].1, before.buckets[bucket].1 + 1, "{millis} ms");
        }
        let Read { buckets, .. } = times.read();
        assert_eq!((buckets[0].0, buckets[13].0, buckets[14].0), (0.001, 30.0, f64::INFINITY));
        let times = Times::default();
        times.add(Duration::from_millis(250));
        times.add(Duration::from_millis(1250));
        assert!((times.read().sum - 1.5).abs() < 1e-9);
    }
}

//! Numbers that many threads count in, at the price of an atomic addition each, or one thread alone at the price of an ordinary one.

use crate::finding::Operation;
use std::{
    fmt,
    marker::PhantomData,
    sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// How many operations there are.
pub(super) const OPERATIONS: usize = Operation::ALL.len();

/// The operation's place in [`Operation::ALL`], which is in the order of the enumeration.
pub(super) const fn place(operation: Operation) -> usize {
    operation as usize
}

/// Adds to a number that no other thread adds to; others may read it. What two threads added so at the same time might be lost.
fn alone(cell: &AtomicU64, count: u64) {
    cell.store(cell.load(Relaxed).wrapping_add(count), Relaxed);
}

/// A table of counters: a row for each operation, or whatever else the rows are, and a column for each value of a label.
#[derive(Debug)]
pub(super) struct Counters<const ROWS: usize, const COLUMNS: usize>([[AtomicU64; COLUMNS]; ROWS]);

impl<const ROWS: usize, const COLUMNS: usize> Counters<ROWS, COLUMNS> {
    pub(super) fn add(&self, row: usize, column: usize) {
        self.add_many(row, column, 1);
    }

    pub(super) fn add_many(&self, row: usize, column: usize, count: u64) {
        self.0[row][column].fetch_add(count, Relaxed);
    }

    /// Counts where no other thread does, as [`alone`] says.
    pub(super) fn add_alone(&self, row: usize, column: usize, count: u64) {
        alone(&self.0[row][column], count);
    }

    pub(super) fn get(&self, row: usize, column: usize) -> u64 {
        self.0[row][column].load(Relaxed)
    }

    pub(super) fn row(&self, row: usize) -> [u64; COLUMNS] {
        self.0[row].each_ref().map(|cell| cell.load(Relaxed))
    }

    /// The rows in which anything was counted, with their places: what nobody uses takes no line of the exposition. (Of a row
    /// that is in use all columns are there, so that the first error of an operation shows as a step from zero.)
    pub(super) fn rows(&self) -> impl Iterator<Item = (usize, [u64; COLUMNS])> {
        (0..ROWS).map(|row| (row, self.row(row))).filter(|(_, row)| row.iter().any(|count| *count > 0))
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

/// What a histogram's buckets end at.
pub(super) trait Scale: 'static {
    /// The upper bounds, at most [`MOST_BOUNDS`]. Above the last there is one bucket more.
    const BOUNDS: &'static [u64];
    /// How many of what is counted make one of what is exposed.
    const UNIT: f64;
}

const MOST_BOUNDS: usize = 15;
const MILLIS: u64 = 1_000_000;
const SECOND: f64 = 1e9;

/// Times of somebody else: from what a backend in the next rack takes to the longest `upstream.timeout` that anybody should want.
#[derive(Debug)]
pub(super) struct Others;

impl Scale for Others {
    const BOUNDS: &'static [u64] = &[
        MILLIS,
        2 * MILLIS,
        5 * MILLIS,
        10 * MILLIS,
        25 * MILLIS,
        50 * MILLIS,
        100 * MILLIS,
        250 * MILLIS,
        500 * MILLIS,
        1_000 * MILLIS,
        2_500 * MILLIS,
        5_000 * MILLIS,
        10_000 * MILLIS,
        30_000 * MILLIS,
    ];
    const UNIT: f64 = SECOND;
}

/// Times of the gate itself: from one finding whose verdicts are known to a hundred that are all new.
#[derive(Debug)]
pub(super) struct Own;

impl Scale for Own {
    const BOUNDS: &'static [u64] = &[
        10_000,
        25_000,
        50_000,
        100_000,
        250_000,
        500_000,
        MILLIS,
        2_500_000,
        5 * MILLIS,
        10 * MILLIS,
        25 * MILLIS,
        100 * MILLIS,
        1_000 * MILLIS,
    ];
    const UNIT: f64 = SECOND;
}

/// Things of one request, of which it has at most a hundred.
#[derive(Debug)]
pub(super) struct Things;

impl Scale for Things {
    const BOUNDS: &'static [u64] = &[0, 1, 2, 3, 5, 10, 20, 50, 100];
    const UNIT: f64 = 1.0;
}

/// Sizes, counted by how large they are. The library's own histogram takes a lock for each; this one takes none, so a reader may
/// see a size in its bucket that is not yet in the sum.
pub(super) struct Histogram<S> {
    buckets: [AtomicU64; MOST_BOUNDS + 1],
    sum: AtomicU64,
    scale: PhantomData<S>,
}

/// What was read of one [`Histogram`], or of several together.
#[derive(Debug, PartialEq)]
pub(super) struct Read {
    /// In what is exposed, such as seconds.
    pub(super) sum: f64,
    pub(super) count: u64,
    /// Upper bounds, and how many lie in each and not below it.
    pub(super) buckets: Vec<(f64, u64)>,
}

impl<S: Scale> Histogram<S> {
    fn bucket(&self, size: u64) -> &AtomicU64 {
        let bucket = S::BOUNDS.iter().position(|bound| size <= *bound).unwrap_or(S::BOUNDS.len());
        &self.buckets[bucket]
    }

    pub(super) fn add_time(&self, time: Duration) {
        let nanos = nanos(time);
        self.bucket(nanos).fetch_add(1, Relaxed);
        self.sum.fetch_add(nanos, Relaxed);
    }

    /// Counts where no other thread does, as [`alone`] says.
    pub(super) fn add_alone(&self, size: u64) {
        alone(self.bucket(size), 1);
        alone(&self.sum, size);
    }

    pub(super) fn add_time_alone(&self, time: Duration) {
        self.add_alone(nanos(time));
    }

    #[cfg(test)]
    pub(super) fn read(&self) -> Read {
        Self::read_all([self])
    }

    /// Reads several as if all had been counted in one.
    pub(super) fn read_all<'h>(all: impl IntoIterator<Item = &'h Self>) -> Read {
        let bounds = S::BOUNDS.iter().map(|bound| exposed(*bound) / S::UNIT).chain([f64::INFINITY]);
        let mut buckets: Vec<(f64, u64)> = bounds.map(|bound| (bound, 0)).collect();
        let mut sum = 0.0;
        for one in all {
            sum += exposed(one.sum.load(Relaxed)) / S::UNIT;
            for ((_, count), cell) in buckets.iter_mut().zip(&one.buckets) {
                *count += cell.load(Relaxed);
            }
        }
        Read { sum, count: buckets.iter().map(|(_, count)| count).sum(), buckets }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "what is exposed is a float: 52 bits of nanoseconds are a month")]
pub(super) const fn exposed(number: u64) -> f64 {
    number as f64
}

impl<S> Default for Histogram<S> {
    fn default() -> Self {
        Self { buckets: std::array::from_fn(|_| AtomicU64::new(0)), sum: AtomicU64::new(0), scale: PhantomData }
    }
}

impl<S> fmt::Debug for Histogram<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Histogram").field("sum", &self.sum).finish_non_exhaustive()
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
        counters.add_many(1, 0, 4);
        assert_eq!(counters.rows().collect::<Vec<_>>(), [(1, [5, 0])]);
        assert_eq!((counters.get(1, 0), counters.get(2, 1)), (5, 0));
    }

    #[test]
    fn a_time_is_in_the_first_bucket_that_holds_it() {
        let times = Histogram::<Others>::default();
        for (millis, bucket) in [(0, 0), (1, 0), (2, 1), (3, 2), (30_000, 13), (30_001, 14), (1 << 40, 14)] {
            let before = times.read();
            times.add_time(Duration::from_millis(millis));
            let after = times.read();
            assert_eq!(after.count, before.count + 1);
            assert_eq!(after.buckets[bucket].1, before.buckets[bucket].1 + 1, "{millis} ms");
        }
        let Read { buckets, .. } = times.read();
        assert_eq!((buckets[0].0, buckets[13].0, buckets[14].0), (0.001, 30.0, f64::INFINITY));
    }

    #[test]
    fn several_are_read_as_one() {
        let [one, other] = [(); 2].map(|()| Histogram::<Things>::default());
        one.add_alone(1);
        one.add_alone(100);
        other.add_alone(1);
        other.add_alone(101);
        let read = Histogram::read_all([&one, &other]);
        assert_eq!((read.count, read.buckets[1], read.buckets[8], read.buckets[9].1), (4, (1.0, 2), (100.0, 1), 1));
        assert!((read.sum - 203.0).abs() < 1e-9);
    }

    #[test]
    fn bounds_ascend_and_have_room() {
        for bounds in [Others::BOUNDS, Own::BOUNDS, Things::BOUNDS] {
            assert!(bounds.len() <= MOST_BOUNDS && bounds.is_sorted_by(|a, b| a < b), "{bounds:?}");
        }
    }
}

//! A harness for costs that are to be compared.
//!
//! Machines change speed over minutes, so only what ran side by side can be compared: all cases of a table run in every
//! round, forth and back, and a ratio is the median of the ratios within rounds. What counts is the thread's CPU time,
//! which other work on the machine disturbs far less than the wall clock. Criterion and divan run one case to its end and
//! then the next, and read the wall clock (criterion takes another clock, but not another order); hence these few lines.

use super::{
    effort::Effort,
    figures::{forth_and_back, median, thread_cpu},
};
use std::hint::black_box;

/// One thing to measure.
pub(crate) struct Case<'a> {
    run: Box<dyn FnMut() + 'a>,
    /// How often it runs between two readings of the clock.
    batch: u32,
}

impl<'a> Case<'a> {
    /// What `run` returns is not optimised away.
    pub(crate) fn new<T>(mut run: impl FnMut() -> T + 'a) -> Self {
        Self { run: Box::new(move || drop(black_box(run()))), batch: 1 }
    }

    /// The CPU time of a batch, in nanoseconds.
    fn time(&mut self) -> f64 {
        let before = thread_cpu();
        (0..self.batch).for_each(|_| (self.run)());
        thread_cpu() - before
    }

    /// Warms up, and makes a batch long enough for the clock.
    fn prepare(&mut self, nanoseconds: f64) {
        while self.time() < nanoseconds {
            self.batch *= 2;
        }
    }
}

/// What one run of a case costs: microseconds of CPU, one figure a round.
pub(crate) struct Cost(Vec<f64>);

impl Cost {
    pub(crate) fn micros(&self) -> f64 {
        median(self.0.clone())
    }

    /// How many times `other` this costs.
    pub(crate) fn over(&self, other: &Self) -> f64 {
        median(self.0.iter().zip(&other.0).map(|(this, other)| this / other).collect())
    }
}

impl Effort {
    /// Runs all cases in every round.
    pub(crate) fn measure(&self, mut cases: Vec<Case<'_>>) -> Vec<Cost> {
        // The least length of a batch, in nanoseconds.
        let batch = self.pick(0.0, 2e5, 2e6);
        for case in &mut cases {
            case.prepare(batch);
        }
        let rounds = self.pick(1, 3, 11);
        let mut costs: Vec<Cost> = cases.iter().map(|_| Cost(Vec::with_capacity(rounds))).collect();
        for round in 0..rounds {
            for at in forth_and_back(round, cases.len()) {
                let case = &mut cases[at];
                costs[at].0.push(case.time() / f64::from(case.batch) / 1e3);
            }
        }
        costs
    }
}

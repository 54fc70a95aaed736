//! A harness for costs that are to be compared.
//!
//! Machines change speed over minutes, so only what ran side by side can be compared: all cases of a table run in every
//! round, forth and back, and a ratio is the median of the ratios within rounds. What counts is the thread's CPU time,
//! which other work on the machine disturbs far less than the wall clock. Criterion and divan run one case to its end and
//! then the next, and read the wall clock (criterion takes another clock, but not another order); hence these few lines.

use rustix::time::{ClockId, clock_gettime};
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

#[expect(clippy::cast_precision_loss, reason = "2^53 nanoseconds are a hundred days")]
fn thread_cpu() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
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

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// How much work goes into a figure.
pub(crate) struct Effort {
    rounds: usize,
    /// The least length of a batch, in nanoseconds.
    batch: f64,
    tables: Vec<String>,
}

impl Effort {
    /// `cargo bench` asks with `--bench`; `--quick` is for trying something out. Otherwise (`cargo test --benches`) each case
    /// runs twice, which only shows that it still runs.
    pub(crate) fn from_args() -> Self {
        let given = |name: &str| std::env::args().any(|arg| arg == name);
        let (rounds, batch) = match (given("--bench"), given("--quick")) {
            (false, _) => (1, 0.0),
            (true, true) => (3, 2e5),
            (true, false) => (11, 2e6),
        };
        Self { rounds, batch, tables: std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect() }
    }

    /// Whether a table is wanted: all are, unless some are named.
    pub(crate) fn wants(&self, table: &str) -> bool {
        self.tables.is_empty() || self.tables.iter().any(|name| name == table)
    }

    /// Runs all cases in every round.
    pub(crate) fn measure(&self, mut cases: Vec<Case<'_>>) -> Vec<Cost> {
        for case in &mut cases {
            case.prepare(self.batch);
        }
        let mut costs: Vec<Cost> = cases.iter().map(|_| Cost(Vec::with_capacity(self.rounds))).collect();
        let last = cases.len() - 1;
        for round in 0..self.rounds {
            for at in 0..cases.len() {
                let at = if round % 2 == 0 { at } else { last - at };
                let case = &mut cases[at];
                costs[at].0.push(case.time() / f64::from(case.batch) / 1e3);
            }
        }
        costs
    }
}

//! Clocks, and figures from many rounds.

use rustix::time::{ClockId, clock_gettime};

/// The CPU time that this thread has taken, in nanoseconds.
#[expect(clippy::cast_precision_loss, reason = "2^53 nanoseconds are a hundred days")]
pub(crate) fn thread_cpu() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// The order of the cases in a round: A B C, then C B A, so that a drift of the machine favours none.
pub(crate) fn forth_and_back(round: usize, cases: usize) -> impl Iterator<Item = usize> {
    (0..cases).map(move |at| if round.is_multiple_of(2) { at } else { cases - 1 - at })
}
